"""A stand-in for the servers that speak OpenAI's chat completions: their HTTP, dialects, refusals and ways to fail; no model.

Behaviour follows what the maintainers of vLLM, llama.cpp, LM Studio, DeepSeek, Mistral, OpenRouter and OpenAI document or were reported
to do: which form of answer each refuses and in which words, usage only when it is asked for, an error object inside a stream that began
with 200, comments while one waits. Use it as a context manager, or run it:

    python -m tests.stand_ins.openai_server --port 8000 --model my-model
"""

from __future__ import annotations

import argparse
import json
import math
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.stand_ins.ollama_server import Seen, obedient

CHARACTERS_PER_TOKEN = 4
STEP_S = 0.02  # how often a waiting handler looks whether the client is still there
PAGE = "<html><head><title>502 Bad Gateway</title></head><body><script>alert(1)</script></body></html>"


@dataclass
class Answer:
    """What a brain says. ``reasoning_field``: under which name its thinking is sent. ``usage`` replaces the true one."""

    text: str
    thinking: str = ""
    reasoning_field: str = "reasoning_content"
    finish: str | None = "stop"
    refusal: str = ""
    usage: Any = field(default=...)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong in one chat request. ``after``: parts sent before it. ``body``: what a status of ``kind`` says."""

    kind: str
    seconds: float = 30.0
    after: int = 3
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


def prose(text: str) -> str:
    return f"Here is my decision:\n\n{text}\n\nI hope this helps."


TEXT_FAULTS: dict[str, Callable[[str], str]] = {
    "empty": lambda text: "",
    "invalid_json": lambda text: text[: len(text) // 2],
    "prose": prose,
    "fenced": lambda text: f"```json\n{text}\n```",
    "think_leak": lambda text: f'<think>\nPerhaps {{"verdict": "no"}}? No.\n</think>\n\n{text}',
    "html_in_answer": lambda text: text.replace('": "', '": "<script>alert(1)</script>', 1),
}
DIALECTS = ("plain", "openai", "deepseek", "lmstudio", "mistral", "old", "llama_cpp_python")
# What llama_cpp.server 0.3.36 answers with status 500, word for word but for the path in it.
ONLY_OBJECTS = (
    "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), 'msg': \"Input should be 'text' or "
    "'json_object'\", 'input': 'json_schema', 'ctx': {'expected': \"'text' or 'json_object'\"}}\n\n  File \"/opt/llama_cpp/server/app.py\", "
    "line 376, in create_chat_completion\n    POST /v1/chat/completions"
)


def refusal(dialect: str, body: dict[str, Any]) -> tuple[int, Any] | None:
    """The status and body with which a server of this kind refuses a part of the request."""
    form = body.get("response_format") or {}
    kind, schema = form.get("type"), form.get("json_schema") or {}
    if dialect == "openai":
        if schema.get("strict") and '"maxLength"' in json.dumps(schema):
            words = (
                f"Invalid schema for response_format '{schema['name']}': In context=('properties', 'why'), 'maxLength' is not permitted."
            )
            return 400, {"error": {"message": words, "type": "invalid_request_error", "param": "response_format", "code": None}}
        if "max_tokens" in body:
            words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            return 400, {"error": _openai(words, "max_tokens", "unsupported_parameter")}
        if body.get("temperature", 1) != 1:
            words = "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported."
            return 400, {"error": _openai(words, "temperature", "unsupported_value")}
    if dialect == "deepseek" and kind == "json_schema":
        return 422, {"error": _openai("This response_format type is unavailable now", None, "invalid_request_error")}
    if dialect == "lmstudio" and kind == "json_object":
        return 400, {"error": "'response_format.type' must be 'json_schema' or 'text'"}
    if dialect == "mistral":
        for name in ("stream_options", "seed"):
            if name in body:
                found = {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted", "input": body}
                return 422, {"detail": [found]}
    if dialect == "llama_cpp_python" and kind == "json_schema":
        return 500, {"error": {"message": ONLY_OBJECTS, "type": "internal_server_error", "param": None, "code": None}}
    if dialect == "old" and kind:
        return 400, {"object": "error", "message": "response_format is not supported", "type": "BadRequestError", "code": 400}
    return None


def _openai(message: str, param: str | None, code: str) -> dict[str, Any]:
    return {"message": message, "type": "invalid_request_error", "param": param, "code": code}


class OpenAIStandIn:
    """The server. ``requests`` is the log; ``faults`` are used up one per chat request, ``always`` applies when none is left."""

    def __init__(
        self,
        *,
        models: Iterable[str | dict[str, Any]] = ("my-model",),
        brain: Callable[[dict[str, Any]], str | Answer] | None = None,
        port: int = 0,
        key: str = "",
        dialect: str = "plain",
        streams: bool = True,
        lists: bool = True,
        window: int = 32_768,
        token_delay_s: float = 0.0,
        piece: int = 16,
        version: str = "0.9.0",
        name: str = "stand-in",
    ) -> None:
        self.models = [{"id": entry, "owned_by": "vllm", "max_model_len": window} if isinstance(entry, str) else entry for entry in models]
        self.brain = brain or (lambda body: schema_brain(body))
        self.key, self.dialect, self.streams, self.lists, self.window = key, dialect, streams, lists, window
        self.token_delay_s, self.piece = token_delay_s, piece
        self.version, self.name = version, name
        self.told: dict[str, Any] = {}  # path outside /v1 -> what is answered there, as llama.cpp and LM Studio do
        self.requests: list[Seen] = []
        self.faults: list[Fault | None] = []
        self.always: Fault | None = None
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", port), type("Handler", (_Handler,), {"stand_in": self}))
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> OpenAIStandIn:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def serve_forever(self) -> None:
        self._http.serve_forever()

    def fail(self, *kinds: str | Fault | None) -> None:
        """The next chat requests fail like this, in order; None is a good one."""
        self.faults += [Fault(kind) if isinstance(kind, str) else kind for kind in kinds]

    @property
    def chats(self) -> list[Seen]:
        return [seen for seen in self.requests if seen.path.endswith("/chat/completions")]

    def log(self, seen: Seen) -> Seen:
        with self._lock:
            self.requests.append(seen)
        return seen

    def next_fault(self) -> Fault | None:
        with self._lock:
            return self.faults.pop(0) if self.faults else self.always


def schema_brain(body: dict[str, Any]) -> str:
    """The smallest answer to the schema that was sent; of a decision, a consistent one."""
    form = body.get("response_format") or {}
    schema = (form.get("json_schema") or {}).get("schema") or form.get("schema")
    return obedient({**body, "format": schema})


def _named(entry: dict[str, Any], model: str) -> bool:
    """Whether a listed model answers to this name."""
    names = {str(entry.get("id") or entry.get("name")), *entry.get("aliases", [])}
    return model.casefold() in {name.removeprefix("models/").casefold() for name in names}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


def _readable(connection: socket.socket) -> bool:
    """Whether something has arrived, the end included. Not with ``select``: a process with a thousand open files has larger numbers."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        return bool(selector.select(0))


class _Gone(Exception):
    """The client hung up, or the stand-in is closing."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    sys_version = ""
    stand_in: OpenAIStandIn

    def version_string(self) -> str:
        return self.stand_in.name

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the log is ``requests``."""

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def _route(self, method: str) -> None:
        here = self.stand_in
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(raw) if raw else None
        seen = here.log(Seen(method, self.path, body, {key.lower(): value for key, value in self.headers.items()}))
        try:
            if not self._allowed():
                return
            if (method, self.path) == ("GET", "/v1/models") and here.lists:
                self._json(200, {"object": "list", "data": here.models})
            elif (method, self.path) == ("GET", "/version"):
                self._json(200, {"version": here.version, **here.told.get("/version", {})})
            elif method == "GET" and self.path in here.told:
                self._json(200, here.told[self.path])
            elif (method, self.path) == ("POST", "/v1/chat/completions"):
                self._chat(seen)
            else:
                self._json(404, {"detail": "Not Found"})
            seen.finished = not seen.disconnected
        except (_Gone, BrokenPipeError, ConnectionResetError):
            seen.disconnected = True
            self.close_connection = True

    def _allowed(self) -> bool:
        sent = self.headers.get("Authorization", "")
        if not self.stand_in.key or sent == f"Bearer {self.stand_in.key}":
            return True
        self._json(401, {"error": _openai(f"Incorrect API key provided: {sent}", None, "invalid_api_key")})  # echoes, as some do
        return False

    def _text(self, status: int, text: str, kind: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _json(self, status: int, body: Any, headers: Iterable[tuple[str, str]] = ()) -> None:
        self._text(status, json.dumps(body), "application/json", headers)

    # ---- chat

    def _chat(self, seen: Seen) -> None:
        body, here = seen.body, self.stand_in
        if refused := refusal(here.dialect, body):
            self._json(*refused)
            return
        known = here.dialect == "llama_cpp_python"  # it answers to any name with the one model it has
        if not known and not any(_named(entry, body["model"]) for entry in here.models):
            self._json(404, {"error": _openai(f"The model `{body['model']}` does not exist.", "model", "model_not_found")})
            return
        tokens = math.ceil(sum(len(message["content"]) for message in body["messages"]) / CHARACTERS_PER_TOKEN)
        if tokens > here.window and here.dialect == "llama_cpp_python":
            self._too_long(tokens, body)
            return
        if tokens + body.get("max_tokens", 0) > here.window:
            words = f"This model's maximum context length is {here.window} tokens and your request has {tokens} input tokens."
            self._json(400, {"error": _openai(words, None, "context_length_exceeded")})
            return
        fault = here.next_fault()
        if fault and self._fails_at_once(fault):
            return
        said = here.brain(body)
        answer = said if isinstance(said, Answer) else Answer(said)
        if fault and fault.kind in TEXT_FAULTS:
            answer = Answer(**{**vars(answer), "text": TEXT_FAULTS[fault.kind](answer.text)})
        usage = {"prompt_tokens": tokens, "completion_tokens": math.ceil(len(answer.text) / CHARACTERS_PER_TOKEN)}
        usage = usage if answer.usage is ... else answer.usage
        if body.get("stream") and here.streams:
            self._stream(answer, usage, fault, seen)
        else:
            message = {"role": "assistant", "content": answer.text, answer.reasoning_field: answer.thinking or None}
            choice = {"index": 0, "message": message, "finish_reason": answer.finish}
            self._json(200, {"object": "chat.completion", "model": body["model"], "choices": [choice], "usage": usage})

    def _too_long(self, tokens: int, body: dict[str, Any]) -> None:
        """As llama_cpp.server: 400 with all figures, but to one who streams status 200, and then not a word."""
        if body.get("stream"):
            self._begin_stream()
            self._hang_up()
            return
        answer, window = body.get("max_tokens", 0), self.stand_in.window
        words = (
            f"This model's maximum context length is {window} tokens. However, you requested {tokens + answer} tokens "
            f"({tokens} in the messages, {answer} in the completion). Please reduce the length of the messages or completion."
        )
        self._json(400, {"error": _openai(words, "messages", "context_length_exceeded")})

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _fails_at_once(self, fault: Fault) -> bool:
        if fault.kind.isdigit():
            status = int(fault.kind)
            body = fault.body if fault.body is not None else {"error": {"message": f"fault {status}", "code": status}}
            if isinstance(body, str):
                self._text(status, body, "text/html", fault.headers)
            else:
                self._json(status, body, fault.headers)
            return True
        if fault.kind == "refuse":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            raise _Gone
        if fault.kind == "hang":
            self._wait(fault.seconds)
        return False

    def _stream(self, answer: Answer, usage: Any, fault: Fault | None, seen: Seen) -> None:
        self._begin_stream()
        kind, after = (fault.kind, fault.after) if fault else ("", -1)
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{answer.reasoning_field: piece} for piece in self._pieces(answer.thinking)]
        deltas += [{"content": piece} for piece in self._pieces(answer.text)]
        deltas += [{"refusal": answer.refusal}] if answer.refusal else []
        self._raw(b": waiting\n\n")
        for number, delta in enumerate(deltas):
            if number == after and self._fails_now(kind, fault, seen):
                return
            self._wait(self.stand_in.token_delay_s)
            self._event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}, seen, odd=kind)
        if kind == "no_end":
            self._raw(b"", last=True)
            return
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": answer.finish}]}, seen, odd=kind)
        if kind == "drop_at_end":
            self._hang_up()
            return
        counts = self.stand_in.dialect != "llama_cpp_python"  # it takes the wish for a count and pays no heed to it
        if counts and (seen.body.get("stream_options") or {}).get("include_usage"):
            self._event({"choices": [], "usage": usage}, seen, odd=kind)
        if kind != "no_done":
            self._raw(b"data: [DONE]\n\n")
        self._raw(b"", last=True)

    def _pieces(self, text: str) -> list[str]:
        size = self.stand_in.piece
        return [text[start : start + size] for start in range(0, len(text), size)]

    def _fails_now(self, kind: str, fault: Fault | None, seen: Seen) -> bool:
        """What goes wrong in the middle; True if the answer ends there."""
        if kind == "drop":
            self._hang_up()
        elif kind == "error":
            self._event(fault.body if fault and fault.body else {"error": {"message": "the engine stopped", "code": 500}}, seen)
            self._raw(b"", last=True)
        elif kind == "garbage":
            self._raw(b"data: {not json\n\n")
            self._raw(b"", last=True)
        elif kind == "stall" and fault:
            self._wait(fault.seconds)
        return kind in ("drop", "error", "garbage")

    def _event(self, body: dict[str, Any], seen: Seen, *, odd: str = "") -> None:
        """One event. ``odd``: bytes one by one, or lines without the blank one between."""
        whole = {"id": "c1", "object": "chat.completion.chunk", "model": seen.body["model"], "system_fingerprint": "fp1", **body}
        text = json.dumps(whole, ensure_ascii=odd not in ("bytewise", "surrogates"))
        data = f"data: {text}\n".encode() + (b"" if odd == "no_blank_lines" else b"\n")
        self._check_client()
        for piece in [data[n : n + 1] for n in range(len(data))] if odd == "bytewise" else [data]:
            self._raw(piece)
        seen.sent += 1

    def _raw(self, data: bytes, *, last: bool = False) -> None:
        if data:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        if last:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _hang_up(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def _check_client(self) -> None:
        if self.stand_in.closing.is_set():
            raise _Gone
        if _readable(self.connection) and self.connection.recv(1, socket.MSG_PEEK) == b"":
            raise _Gone

    def _wait(self, seconds: float) -> None:
        """Sleep, but notice a client that hangs up, as real servers do."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._check_client()
            time.sleep(min(STEP_S, left))


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for an OpenAI-compatible server: real HTTP, no model.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", action="append", help="id of a listed model; may be repeated")
    parser.add_argument("--dialect", choices=DIALECTS, default="plain", help="whose refusals it makes")
    chosen = parser.parse_args()
    server = OpenAIStandIn(models=chosen.model or ["my-model"], port=chosen.port, dialect=chosen.dialect)
    print(f"stand-in for an OpenAI-compatible server at {server.url}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.closing.set()


if __name__ == "__main__":
    main()
