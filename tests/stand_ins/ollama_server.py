"""A stand-in for an Ollama server: its HTTP, its refusals, its ways to fail; the answers come from a function instead of a model.

Behaviour follows what was observed on a real server (0.33): unset ``think`` means true, errors of the runner are JSON inside a string, a
wrong option type is a 500, a prompt that is too long is cut in silence unless ``truncate`` is false, nothing is sent while a model
loads, and a client that hangs up ends the generation. Use it as a context manager, or run it:

    python -m tests.stand_ins.ollama_server --port 11434 --model qwen3:8b
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import math
import re
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CHARACTERS_PER_TOKEN = 4
KEPT = 4  # num_keep
CREATED = "2025-01-02T03:04:05.000000006Z"
MAX_SEND_STEP_S = 0.02  # how often a waiting handler looks whether the client is still there


@dataclass
class Model:
    """One installed model. ``context``: trained window in tokens; ``clamp``: a shorter one that the server's memory allows.

    What it can: ``schema`` and ``json`` False: that format is ignored without a word (prose and a fence around the object). ``together``
    False: thinking with a format never ends, nothing is answered. ``leaks``: its thoughts stand in the answer. ``repeats`` False: the same
    seed gives other words. ``obeys`` False: what no grammar enforces is not done. ``refuses``: schema, json and think are errors.
    """

    name: str
    thinking: bool = False
    context: int = 40_960
    family: str = "qwen3"
    parameter_size: str = "8.2B"
    quantization: str = "Q4_K_M"
    capabilities: tuple[str, ...] = ("completion", "tools")
    remote_host: str = ""
    digest: str = ""
    size: int = 5_200_000_000
    clamp: int | None = None
    characters_per_token: float = CHARACTERS_PER_TOKEN
    schema: bool = True
    json: bool = True
    together: bool = True
    leaks: bool = False
    repeats: bool = True
    obeys: bool = True
    refuses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.name = self.name if ":" in self.name else f"{self.name}:latest"
        self.digest = self.digest or hashlib.sha256(self.name.encode()).hexdigest()
        if self.thinking and "thinking" not in self.capabilities:
            self.capabilities = (*self.capabilities, "thinking")


@dataclass
class Answer:
    """What a brain says. Counts are those of the text unless given."""

    text: str
    thinking: str = ""
    done_reason: str = "stop"
    prompt_tokens: int | None = None


PULL_ERROR = "max retries exceeded: write /root/.ollama/models/blobs/sha256-5f: no space left on device"


@dataclass(frozen=True)
class Pull:
    """How a pull goes. ``layers``: bytes of each; ``steps``: progress lines per layer; ``pause_s`` between lines.

    ``fault``: what happens after half of the lines: ``error`` (a line with ``error``), ``drop`` (connection closed) or ``stall`` (silence).
    """

    layers: tuple[int, ...] = (1000,)
    steps: int = 2
    pause_s: float = 0.0
    fault: str = ""
    error: str = PULL_ERROR

    def lines(self, name: str) -> list[dict[str, Any]]:
        """All that is said about a pull that goes well."""
        said: list[dict[str, Any]] = [{"status": "pulling manifest"}]
        for number, total in enumerate(self.layers):
            digest = hashlib.sha256(f"{name} layer {number}".encode()).hexdigest()
            layer = {"status": f"pulling {digest[:12]}", "digest": f"sha256:{digest}", "total": total}
            said += [layer, *({**layer, "completed": total * step // self.steps} for step in range(1, self.steps + 1))]
        return said + [{"status": word} for word in ("verifying sha256 digest", "writing manifest", "success")]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong in one chat request. ``after``: parts sent before it. See ``FAULTS`` for the kinds."""

    kind: str
    seconds: float = 1.0
    after: int = 3

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ValueError(f"unknown fault {self.kind!r}; choose from {', '.join(sorted(FAULTS))}")


WIRE_FAULTS = {
    "refuse": "the connection is reset before an answer",
    "500": "runner stopped",
    "503": "queue full",
    "502": "a proxy's web page",
    "load_failure": "out of memory while loading",
    "drop": "connection closed mid-stream",
    "no_done": "the stream ends without done:true",
    "error": "an error line mid-stream",
    "stall": "silence mid-stream, the connection stays open",
    "slow_first": "nothing is sent for some seconds",
    "slow": "seconds between parts",
    "hang": "the request is taken and nothing is ever sent",
    "huge": "an answer of millions of characters that no limit ends",
    "404": "the model was deleted meanwhile",
    "not_json": "200 with something that is no JSON",
    "half_window": "the prompt was cut: the count is that of half the window",
}


def _fenced(text: str) -> str:
    return f"```json\n{text}\n```"


def _prose(text: str) -> str:
    return f"Here is my decision, as asked:\n\n{text}\n\nI hope this helps."


def _leaked(text: str) -> str:
    return f'<think>\nPerhaps {{"action": "sell"}}? No.\n</think>\n\n{text}'


def _invented(text: str) -> str:
    answer = json.loads(text)
    if isinstance(answer.get("cited"), dict):
        answer["cited"] = {**(answer["cited"] or {"short": []})}
        answer["cited"][next(iter(answer["cited"]))] = [987_654]
    elif "supporting" in answer:
        answer["supporting"] = [987_654]
    return json.dumps(answer)


def _next_line(text: str) -> str:
    return text.replace('": "', '": "\x85', 1)


MARKUP = "<script>alert('x')</script><img src=x onerror=alert(1)>[click](javascript:alert(1)) **bold** $$x$$ =1+1 \x1b[31mred"
ODD_LETTERS = "\u202eover\u202c \ufeff\u200b\U0001f4c8 caf\u00e9 \u4e2d\u6587 \u0627\u0644 \x00 end"


def _in_strings(text: str, words: str) -> str:
    """``words`` in front of every free text of the answer: where a person will read it."""
    answer = json.loads(text)
    for key in ("summary", "invalidation", "calibration", "why"):
        if isinstance(answer.get(key), str):
            answer[key] = f"{words} {answer[key]}"
    for side in ("reasons_for", "reasons_against", "lessons"):
        for item in answer.get(side) or ():
            item |= {key: f"{words} {item[key]}" for key in ("claim", "condition") if key in item}
    return json.dumps(answer, ensure_ascii=False)


def _wrong_types(text: str) -> str:
    """Numbers become words and lists become text."""
    answer = json.loads(text)
    for key, value in answer.items():
        if isinstance(value, (int, float)):
            answer[key] = "high"
        elif isinstance(value, list):
            answer[key] = ", ".join(map(str, value))
    return json.dumps(answer, ensure_ascii=False)


TEXT_FAULTS: dict[str, Callable[[str], str]] = {
    "empty": lambda text: "",
    "invalid_json": lambda text: text[: len(text) // 2],
    "prose": _prose,
    "fenced": _fenced,
    "think_leak": _leaked,
    "invented_ids": _invented,
    "html": lambda text: _in_strings(text, MARKUP),
    "unicode": lambda text: _in_strings(text, ODD_LETTERS),
    "wrong_type": _wrong_types,
    "array": lambda text: f"[{text}]",
    "nel": _next_line,  # U+0085, which Go sends raw and the Python client takes for a line end
}
FAULTS = {*WIRE_FAULTS, *TEXT_FAULTS, "length"}


@dataclass
class Seen:
    """One request as it arrived, and how it ended."""

    method: str
    path: str
    body: Any
    headers: dict[str, str]
    sent: int = 0
    finished: bool = False
    disconnected: bool = False


Brain = Callable[[dict[str, Any]], "str | Answer"]


# ------------------------------------------------------------------------------------------------------------ default brain


def obedient(body: dict[str, Any]) -> str:
    """The smallest answer that fits the schema; of a decision, a consistent one: buy to the most allowed when flat, else hold."""
    schema = body.get("format")
    schema = schema if isinstance(schema, dict) else described(body)
    if schema is None:
        return "{}" if body.get("format") == "json" else _chat(body)
    answer = fit(schema)
    if {"action", "target_weight", "probabilities"} <= set(schema.get("properties", {})):
        _decide(answer, schema["properties"], _weight(body))
    return json.dumps(answer, ensure_ascii=False)


def described(body: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON schema that stands in the question itself."""
    for message in reversed(body.get("messages", [])):
        text = str(message.get("content", ""))
        for brace in re.finditer(r"\{", text):
            with contextlib.suppress(ValueError):
                found, _ = json.JSONDecoder().raw_decode(text, brace.start())
                if isinstance(found, dict) and "properties" in found:
                    return found
    return None


def _chat(body: dict[str, Any]) -> str:
    """Words that depend on the seed as soon as there is chance in them."""
    options = body.get("options") or {}
    chance = hashlib.sha256(str(options.get("seed")).encode()).hexdigest()[:8] if options.get("temperature", 0.8) else ""
    return f"All is well {chance}".strip() + "."


def fit(schema: dict[str, Any]) -> Any:
    """A minimal value that a JSON schema accepts (the keywords that Ollama's grammar knows)."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return fit(schema[choice][0])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        wanted = schema.get("required", list(schema.get("properties", {})))
        return {key: fit(schema["properties"][key]) for key in schema.get("properties", {}) if key in wanted}
    if kind == "array":
        return [fit(schema.get("items", {})) for _ in range(schema.get("minItems", 0))]
    if kind in ("number", "integer"):
        return _number(schema, whole=kind == "integer")
    return {"boolean": False, "null": None}.get(kind, _words(schema))


def _number(schema: dict[str, Any], *, whole: bool) -> float:
    low, high = schema.get("minimum"), schema.get("maximum")
    value = low if low is not None else min(0, high) if high is not None else 0
    if "exclusiveMinimum" in schema:
        value = max(value, schema["exclusiveMinimum"] + (1 if whole else 0.01))
    return int(value) if whole else value


def _words(schema: dict[str, Any]) -> str:
    text = "Nothing more to say."
    while len(text) < schema.get("minLength", 0):
        text += " " + text
    return text[: schema.get("maxLength", len(text))]


def _weight(body: dict[str, Any]) -> float:
    for message in reversed(body.get("messages", [])):
        if found := re.search(r"Position: weight (-?\d+(?:\.\d+)?)", str(message.get("content", ""))):
            return float(found[1])
    return 0.0


def _decide(answer: dict[str, Any], properties: dict[str, Any], weight: float) -> None:
    most = properties["target_weight"].get("maximum", 1.0)
    buy = abs(weight) < 0.01 and most > weight
    odds = {"up": 0.5, "flat": 0.3, "down": 0.2} if buy else {"up": 0.3, "flat": 0.4, "down": 0.3}
    answer.update(
        action="buy" if buy else "hold",
        target_weight=most if buy else min(weight, most),
        probabilities=odds,
        expected_direction=max(odds, key=lambda way: odds[way]),
        confidence=0.7 if buy else 0.5,
    )
    for side, strength in (("reasons_for", 6), ("reasons_against", 2)):
        if side in properties:
            answer[side] = [_reason(properties[side]["items"], strength)]
    for layer, ids in properties.get("cited", {}).get("properties", {}).items():
        answer["cited"][layer] = [ids["items"]["enum"][0]]
    for key, value in (("stop_loss_pct", 0.05), ("take_profit_pct", 0.1), ("horizon_sessions", 5)):
        if key in properties:
            answer[key] = value
    for key, value in (("summary", "The evidence for is stronger."), ("invalidation", "A close below the lowest price of the week.")):
        if key in properties:
            answer[key] = value


def _reason(schema: dict[str, Any], strength: int) -> dict[str, Any]:
    reason = fit(schema)
    properties = schema.get("properties", {})
    if "weight" in properties:
        reason["weight"] = strength
    if "claim" in properties:
        reason["claim"] = "The texts shown point this way." if strength > 3 else "A trade has costs."
    if "basis" in properties:
        reason["basis"] = [properties["basis"]["items"]["enum"][0]]
    return reason


# ------------------------------------------------------------------------------------------------------------- the server


class Refusal(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


@dataclass
class _Job:
    """One chat request, understood."""

    model: Model
    body: dict[str, Any]
    seen: Seen
    window: int
    limit: int
    prompt_tokens: int
    fault: Fault | None
    answer: Answer = field(default_factory=lambda: Answer(""))


class OllamaStandIn:
    """The server. ``requests`` is the log; ``faults`` are used up one per chat request, ``always`` applies when none is left."""

    def __init__(
        self,
        *,
        models: Iterable[Model | str] = ("qwen3:8b",),
        brain: Brain = obedient,
        port: int = 0,
        version: str = "0.33.0",
        token_delay_s: float = 0.0,
        load_s: float = 0.0,
        piece: int = 16,
    ) -> None:
        self.models = [model if isinstance(model, Model) else Model(model) for model in models]
        self.brain = brain
        self.version = version
        self.token_delay_s = token_delay_s
        self.load_s = load_s
        self.piece = piece  # characters per part of the stream
        self.requests: list[Seen] = []
        self.faults: list[Fault | None] = []
        self.always: Fault | None = None
        self.pullable: Callable[[str], bool] = lambda name: not name.startswith("no-such")
        self.pull = Pull()  # how the next pulls go
        self.most_in_memory: int | None = None  # longest window that can be loaded
        self.loaded: dict[str, tuple[int, bool]] = {}  # model -> (window, shift)
        self.loads = 0
        self.closing = threading.Event()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"stand_in": self})
        self._http = _Server(("127.0.0.1", port), handler)
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> OllamaStandIn:
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
        """The chat requests with a question in them (not those that only load)."""
        return [seen for seen in self.requests if seen.path == "/api/chat" and isinstance(seen.body, dict) and seen.body.get("messages")]

    def log(self, seen: Seen) -> Seen:
        with self._lock:
            self.requests.append(seen)
        return seen

    def next_fault(self) -> Fault | None:
        with self._lock:
            return self.faults.pop(0) if self.faults else self.always

    def find(self, name: str) -> Model | None:
        full = name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"
        return next((model for model in self.models if model.name.casefold() == full.casefold()), None)


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


_OPTIONS: dict[str, str] = {
    **dict.fromkeys(("temperature", "top_p", "min_p", "repeat_penalty", "presence_penalty", "frequency_penalty"), "float32"),
    **dict.fromkeys(("num_ctx", "num_predict", "num_keep", "seed", "top_k", "repeat_last_n", "num_gpu", "num_batch"), "integer"),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stand_in: OllamaStandIn

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the log is ``requests``."""

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # ---- routing

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def do_DELETE(self) -> None:
        self._route("DELETE")

    def _route(self, method: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        path = self.path.split("?")[0]
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw
        seen = self.stand_in.log(Seen(method, path, body, {key.lower(): value for key, value in self.headers.items()}))
        routes: dict[tuple[str, str], Callable[[Seen], None]] = {
            ("GET", "/"): lambda seen: self._text(200, "Ollama is running"),
            ("GET", "/api/version"): lambda seen: self._json(200, {"version": self.stand_in.version}),
            ("GET", "/api/tags"): self._tags,
            ("GET", "/api/ps"): self._ps,
            ("POST", "/api/show"): self._show,
            ("POST", "/api/chat"): self._chat,
            ("POST", "/api/pull"): self._pull,
            ("DELETE", "/api/delete"): self._delete,
        }
        try:
            if (method, path) in routes:
                if method != "GET" and not isinstance(body, dict):
                    raise Refusal(400, "missing request body" if body is None else "invalid character in request body")
                routes[method, path](seen)
            elif any(path == known for _, known in routes):
                self._text(405, "405 method not allowed")
            else:
                self._text(404, "404 page not found")
            seen.finished = not seen.disconnected
        except Refusal as refusal:
            self._json(refusal.status, {"error": refusal.error})
            seen.finished = True
        except (_Gone, BrokenPipeError, ConnectionResetError):
            seen.disconnected = True
            self.close_connection = True

    # ---- small answers

    def _text(self, status: int, text: str, kind: str = "text/plain") -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _json(self, status: int, body: dict[str, Any]) -> None:
        self._text(status, _encode(body), "application/json")

    def _details(self, model: Model) -> dict[str, Any]:
        return {
            "parent_model": "",
            "format": "gguf",
            "family": model.family,
            "families": [model.family],
            "parameter_size": model.parameter_size,
            "quantization_level": model.quantization,
            "context_length": model.context,
        }

    def _entry(self, model: Model) -> dict[str, Any]:
        entry = {"name": model.name, "model": model.name, "modified_at": CREATED, "size": model.size, "digest": model.digest}
        entry |= {"details": self._details(model), "capabilities": list(model.capabilities)}
        return entry | ({"remote_host": model.remote_host, "remote_model": model.name, "size": 400} if model.remote_host else {})

    def _tags(self, seen: Seen) -> None:
        self._json(200, {"models": [self._entry(model) for model in self.stand_in.models]})

    def _ps(self, seen: Seen) -> None:
        running = []
        for name, (window, _) in list(self.stand_in.loaded.items()):
            if model := self.stand_in.find(name):
                running.append({**self._entry(model), "expires_at": CREATED, "size_vram": model.size, "context_length": window})
        self._json(200, {"models": running})

    def _show(self, seen: Seen) -> None:
        name = str(seen.body.get("model") or seen.body.get("name") or "")
        model = self.stand_in.find(name)
        if model is None:
            raise Refusal(404, f"model '{name if ':' in name else name + ':latest'}' not found")
        info = {"general.architecture": model.family, f"{model.family}.context_length": model.context, "tokenizer.ggml.tokens": None}
        self._json(
            200,
            {
                "modelfile": f"FROM {model.name}\n",
                "parameters": "",
                "template": "{{ .Prompt }}",
                "details": self._details(model),
                "model_info": info,
                "capabilities": list(model.capabilities),
                "modified_at": CREATED,
            },
        )

    def _delete(self, seen: Seen) -> None:
        name = str(seen.body.get("model") or seen.body.get("name") or "")
        model = self.stand_in.find(name)
        if model is None:
            raise Refusal(404, f"model '{name}' not found")
        self.stand_in.models.remove(model)
        self.stand_in.loaded.pop(model.name, None)
        self._text(200, "")

    def _pull(self, seen: Seen) -> None:
        name = str(seen.body.get("model") or seen.body.get("name") or "")
        known, how = self.stand_in.pullable(name), self.stand_in.pull
        steps = how.lines(name) if known else [{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}]
        if known and how.fault:
            steps = steps[: len(steps) // 2] + ([{"error": how.error}] if how.fault == "error" else [])
        whole = steps[-1].get("status") == "success"
        if seen.body.get("stream") is False:
            self._wait(how.pause_s * len(steps))
            self._installed(name, how, whole)
            self._json(200 if whole else 500, steps[-1])
            return
        self._start_stream()
        for step in steps:
            self._installed(name, how, step.get("status") == "success")  # before it is said: who reads "success" may ask for it at once
            self._line(step, seen)
            self._wait(how.pause_s or self.stand_in.token_delay_s)
        if how.fault == "stall" and known:
            self._wait(3600)
        if how.fault == "drop" and known:
            self._hang_up()
            return
        self._end_stream()

    def _installed(self, name: str, how: Pull, whole: bool) -> None:
        if whole and self.stand_in.find(name) is None:
            self.stand_in.models.append(Model(name, size=sum(how.layers)))

    # ---- streams

    def _start_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _line(self, body: dict[str, Any] | str, seen: Seen) -> None:
        data = ((body if isinstance(body, str) else _encode(body)) + "\n").encode()
        self._check_client()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()
        seen.sent += 1

    def _end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def _hang_up(self, *, reset: bool = False) -> None:
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def _check_client(self) -> None:
        if self.stand_in.closing.is_set():
            raise _Gone
        if _readable(self.connection) and self.connection.recv(1, socket.MSG_PEEK) == b"":
            raise _Gone

    def _wait(self, seconds: float) -> None:
        """Sleep, but notice a client that hangs up, as the real server does."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._check_client()
            time.sleep(min(MAX_SEND_STEP_S, left))

    # ---- chat

    def _chat(self, seen: Seen) -> None:
        body = seen.body
        model = self._check_chat(body)
        if not body.get("messages"):
            self._load_only(model, body, seen)
            return
        window = self._load(model, body)
        fault = self.stand_in.next_fault()
        if fault and self._refuse(fault):
            return
        job = self._job(model, body, seen, window, fault)
        said = self.stand_in.brain(job.body)
        job.answer = Answer(**vars(said)) if isinstance(said, Answer) else Answer(said)
        self._shape(job)
        if body.get("stream", True):
            self._stream(job)
        else:
            if fault and fault.kind in ("slow_first", "slow", "stall"):
                self._wait(fault.seconds)
            message = {"role": "assistant", "content": job.answer.text}
            message |= {"thinking": job.answer.thinking} if job.answer.thinking else {}
            self._json(200, {**self._done(job), "message": message})

    def _check_chat(self, body: dict[str, Any]) -> Model:
        name = body.get("model")
        if not name:
            raise Refusal(400, "model is required")
        messages = body.get("messages") or []
        if not isinstance(messages, list):
            raise Refusal(400, "json: cannot unmarshal string into Go struct field ChatRequest.messages of type []api.Message")
        if any(not isinstance(message.get("content", ""), str) for message in messages):
            raise Refusal(400, "json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string")
        think = body.get("think")
        if think is not None and think not in (True, False, "low", "medium", "high", "max"):
            raise Refusal(400, f'invalid think value: "{think}" (must be "high", "medium", "low", "max", true, or false)')
        _check_duration(body.get("keep_alive"))
        model = self.stand_in.find(str(name))
        if model is None:
            raise Refusal(404, f"model '{name}' not found")
        if "completion" not in model.capabilities:
            raise Refusal(400, f'"{name}" does not support chat')
        if think and (not model.thinking or "think" in model.refuses):
            raise Refusal(400, f'"{name}" does not support thinking')
        for key, value in (body.get("options") or {}).items():
            wanted = _OPTIONS.get(key)
            if wanted and value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
                raise Refusal(500, f'option "{key}" must be of type {wanted}')
        form = body.get("format")
        if form not in (None, "", "json") and not isinstance(form, dict):
            raise Refusal(500, f'invalid format: {json.dumps(form)}; expected "json" or a valid JSON Schema object')
        if form and ("json" if form == "json" else "schema") in model.refuses:
            raise Refusal(500, "invalid JSON schema in format")
        if isinstance(form, dict) and (why := _bad_schema(form)):
            raise Refusal(400, json.dumps({"error": {"code": 400, "message": why, "type": "invalid_request_error"}}))
        return model

    def _load(self, model: Model, body: dict[str, Any]) -> int:
        """The window in force; loading sends no byte, not even headers."""
        wanted = int((body.get("options") or {}).get("num_ctx") or 4096)
        state = (max(4, min(wanted, model.context, model.clamp or wanted)), bool(body.get("shift", True)))
        if self.stand_in.most_in_memory and state[0] > self.stand_in.most_in_memory:
            raise Refusal(500, "llama-server process has terminated: error: out of memory")
        if self.stand_in.loaded.get(model.name) != state:
            self._wait(self.stand_in.load_s)  # a client that leaves now aborts the load
            self.stand_in.loaded[model.name] = state
            self.stand_in.loads += 1
        if body.get("keep_alive") == 0:
            self.stand_in.loaded.pop(model.name, None)
        return state[0]

    def _load_only(self, model: Model, body: dict[str, Any], seen: Seen) -> None:
        reason = "unload" if body.get("keep_alive") == 0 else "load"
        self._load(model, body)
        reply = {"model": body["model"], "created_at": CREATED, "message": {"role": "assistant", "content": ""}}
        self._json(200, {**reply, "done": True, "done_reason": reason})

    def _refuse(self, fault: Fault) -> bool:
        """Faults that end the request before an answer begins; True if it was one."""
        if fault.kind == "refuse":
            self._hang_up(reset=True)
            raise _Gone
        if fault.kind == "500":
            raise Refusal(500, "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error")
        if fault.kind == "load_failure":
            raise Refusal(500, "llama-server process has terminated: error: out of memory")
        if fault.kind == "hang":
            self._wait(3600)
        if fault.kind == "404":
            raise Refusal(404, "model 'gone' not found")
        if fault.kind == "503":
            raise Refusal(503, "server busy, please try again.  maximum pending requests exceeded")
        if fault.kind == "502":
            self._text(502, "<html><head><title>502 Bad Gateway</title></head><body><script>alert(1)</script></body></html>", "text/html")
        elif fault.kind == "not_json":
            self._text(200, "hello, this is a printer")
        return fault.kind in ("502", "not_json")

    def _job(self, model: Model, body: dict[str, Any], seen: Seen, window: int, fault: Fault | None) -> _Job:
        text = "".join(str(message.get("content", "")) for message in body["messages"])
        tokens = math.ceil(len(text) / model.characters_per_token)
        if tokens > window and body.get("truncate") is False:
            message = f"request ({tokens} tokens) exceeds the available context size ({window} tokens), try increasing it"
            inner = {"code": 400, "message": message, "type": "exceed_context_size_error", "n_prompt_tokens": tokens, "n_ctx": window}
            raise Refusal(400, json.dumps({"error": inner}))
        if tokens > window or (fault and fault.kind == "half_window"):
            # What the real one does in silence: the first tokens and the tail stay, so the system prompt is gone.
            tokens = window - max((window - KEPT) // 2, 1)
            body = {**body, "messages": [{"role": "user", "content": text[-int(tokens * model.characters_per_token) :]}]}
        limit = int((body.get("options") or {}).get("num_predict") or -1)
        limit = 10 * window if limit < 0 else limit
        return _Job(model, body, seen, window, limit, tokens, fault)

    def _shape(self, job: _Job) -> None:
        """Faults of the text, thinking, and the limit on tokens."""
        answer, kind = job.answer, job.fault.kind if job.fault else ""
        if kind == "huge":
            answer.text, job.limit = "word " * 500_000, 10**9
        if kind in TEXT_FAULTS:
            answer.text = TEXT_FAULTS[kind](answer.text)
        if job.model.thinking and job.body.get("think") is not False:  # unset means true
            answer.thinking = answer.thinking or "First the evidence for it, then the evidence against it."
        else:
            answer.thinking = ""
        self._misbehave(job)
        room = (len(answer.thinking + answer.text) // 2) if kind == "length" else job.limit * int(max(1, job.model.characters_per_token))
        if len(answer.thinking) + len(answer.text) > room:
            answer.thinking = answer.thinking[:room]
            answer.text = answer.text[: room - len(answer.thinking)]
            answer.done_reason = "length"

    def _misbehave(self, job: _Job) -> None:
        """What the model cannot do, whatever the brain said."""
        model, answer, form = job.model, job.answer, job.body.get("format")
        enforced = bool(form) and (model.json if form == "json" else model.schema)
        if not enforced:
            if not model.obeys:
                answer.text = "I would rather talk about the weather."
            elif answer.text.startswith("{"):
                answer.text = _prose(_fenced(answer.text))
            if not model.repeats:
                answer.text += f" ({len(self.stand_in.requests)})"
            if model.leaks:
                answer.text = _leaked(answer.text)
        elif form == "json" and not model.obeys:
            answer.text = "{}"
        if form and answer.thinking and not model.together:
            answer.thinking, answer.text = f"{answer.thinking} {answer.text}", ""

    def _stream(self, job: _Job) -> None:
        fault = job.fault
        kind = fault.kind if fault else ""
        if fault and kind == "slow_first":
            self._wait(fault.seconds)
        self._start_stream()
        pause = fault.seconds if fault and kind == "slow" else self.stand_in.token_delay_s
        for number, message in enumerate(self._pieces(job.answer)):
            if fault and number == fault.after and kind in ("drop", "error", "no_done", "stall"):
                self._break(fault, job.seen)
                return
            self._line({"model": job.body["model"], "created_at": CREATED, "message": message, "done": False}, job.seen)
            self._wait(pause)
        if kind in ("drop", "error", "no_done", "stall") and fault:
            self._break(fault, job.seen)
            return
        self._line(self._done(job), job.seen)
        self._end_stream()

    def _break(self, fault: Fault, seen: Seen) -> None:
        if fault.kind == "drop":
            self._hang_up()
            return
        if fault.kind == "stall":
            self._wait(fault.seconds)
        if fault.kind == "error":
            self._line({"error": "an error was encountered while running the model: unexpected EOF"}, seen)
        self._end_stream()

    def _pieces(self, answer: Answer) -> Iterable[dict[str, Any]]:
        size = max(self.stand_in.piece, len(answer.text) // 2000)
        for start in range(0, len(answer.thinking), size):
            yield {"role": "assistant", "content": "", "thinking": answer.thinking[start : start + size]}
        for start in range(0, len(answer.text), size):
            yield {"role": "assistant", "content": answer.text[start : start + size]}

    def _done(self, job: _Job) -> dict[str, Any]:
        answer = job.answer
        count = math.ceil(len(answer.text + answer.thinking) / job.model.characters_per_token)
        counted = job.prompt_tokens if answer.prompt_tokens is None else answer.prompt_tokens
        done = {
            "model": job.body["model"],
            "created_at": CREATED,
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": answer.done_reason,
            "total_duration": 1_500_000_000,
            "load_duration": 20_000_000,
            "prompt_eval_count": counted,
            "prompt_eval_duration": 300_000_000,
            "eval_count": count,
            "eval_duration": 1_000_000_000,
        }
        return {key: value for key, value in done.items() if value not in (0, "")}  # the real one leaves zeros out


def _check_duration(value: Any) -> None:
    if isinstance(value, str) and value not in ("0", "") and not re.fullmatch(r"-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+", value):
        raise Refusal(400, f'time: missing unit in duration "{value}"')


def _bad_schema(schema: Any) -> str:
    """Why the grammar maker would refuse a schema: the few cases known from llama.cpp."""
    if isinstance(schema, dict):
        if schema.get("enum") == []:
            return "Failed to initialize samplers: failed to parse grammar"
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and not (pattern.startswith("^") and pattern.endswith("$")):
            return "JSON schema conversion failed:\nPattern must start with '^' and end with '$'"
        if any(isinstance(schema.get(key), int) and schema[key] >= 2000 for key in ("maxLength", "maxItems")):
            return "Failed to initialize samplers: failed to parse grammar"
        return next((why for value in schema.values() if (why := _bad_schema(value))), "")
    if isinstance(schema, list):
        return next((why for value in schema if (why := _bad_schema(value))), "")
    return ""


def _encode(body: dict[str, Any]) -> str:
    """JSON as Go writes it: other scripts raw, HTML's signs and the line separators escaped."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for an Ollama server: real HTTP, no model.")
    parser.add_argument("--port", type=int, default=11434)
    parser.add_argument("--model", action="append", help="name of an installed model; may be repeated")
    parser.add_argument("--thinking", action="store_true", help="the models can think")
    parser.add_argument("--context", type=int, default=40_960, help="trained window in tokens")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds between parts of an answer")
    parser.add_argument("--pull-pause", type=float, default=0.0, help="seconds between lines of a pull (three layers of 20 lines)")
    parser.add_argument("--fault", choices=sorted(FAULTS), help="every chat request fails like this")
    chosen = parser.parse_args()
    models = [Model(name, thinking=chosen.thinking, context=chosen.context) for name in chosen.model or ["qwen3:8b"]]
    server = OllamaStandIn(models=models, port=chosen.port, token_delay_s=chosen.delay)
    server.always = Fault(chosen.fault) if chosen.fault else None
    if chosen.pull_pause:
        server.pull = Pull(layers=(4_900_000_000, 1_400, 500_000), steps=20, pause_s=chosen.pull_pause)
    print(f"stand-in for Ollama at {server.url}: {', '.join(model.name for model in models)}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.closing.set()


if __name__ == "__main__":
    main()
