"""What an OpenAI-compatible server sends, and what its failures mean.

Promise: a stream is read whatever its dialect (events with or without blank lines, comments, errors in the middle, characters cut by
the network, or one plain JSON object from a server that does not stream), every failure becomes one ``Refusal`` with the sentence for
people, and the key is in no text that leaves this module.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import re
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from agent.errors import DecisionError, PromptTooLong, RecollectError, Unavailable
from agent.llm.base import Cancelled
from agent.llm.ollama_server import count
from agent.llm.ollama_wire import OFTEN, Failure, TookTooLong, is_loopback, plain, storable
from agent.llm.ollama_wire import Exchange as Wire
from agent.records import Record

DEFAULT_ADDRESS = "http://127.0.0.1:8000/v1"  # where `vllm serve` and llama_cpp.server listen
EXAMPLE = "http://127.0.0.1:8000/v1 or https://openrouter.ai/api/v1"
CHECK_S = 10.0
BODY_LIMIT = 16 * 2**20  # bytes of an answer that is not a stream, or of one line of a stream
BEGINNING = 64 * 2**10  # bytes of a refusal that are read
SECRET_LENGTH = 12  # shorter "keys" (EMPTY, none, lm-studio) are no secrets, and taking them out would maul words
HIDDEN = "[key]"
UNCUT = 4096  # longer than any key: what is cut before the key is taken out would keep a part of it
logging.getLogger("httpcore").setLevel(logging.INFO)  # below that it writes the headers of answers, where a server may repeat the key
_PATHS = re.compile(r"/(chat/completions|completions|models|embeddings|responses)$")
_VERSION = re.compile(r"/v\d+\w*(/|$)")
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_FIELD = re.compile(rb"(data|event|id|retry|error)?:")  # how a line of an event stream begins
_WRONG_PLACE = f"Check base_url: it should look like {EXAMPLE}."


# ---------------------------------------------------------------------------------------------------------------- addresses


def address(text: str) -> str:
    """The base URL meant by ``text``, ending in the version of the API. ValueError, without the text in it, if it is no address.

    Without a scheme, a machine's name or number and whatever names a port mean http, all else https.
    """
    raw = text.strip().strip("\"'").strip()
    wrong = ValueError(f"base_url is not an address; write it like {EXAMPLE}")
    scheme, separator, rest = raw.partition("://")
    if not separator:
        scheme, rest = "", raw
    try:
        split = urlsplit(f"{scheme or 'http'}://{rest}")
        port, host = split.port, split.hostname or ""
    except ValueError:
        raise wrong from None
    if scheme.lower() not in ("", "http", "https") or re.search(r"[\s\\]", rest) or not re.fullmatch(r"[\w.:-]+", host) or port == 0:
        raise wrong
    if split.username or split.password or split.query or split.fragment:
        raise ValueError(f"base_url must hold no user, password, key or question mark; write it like {EXAMPLE}")
    host = _EVERYWHERE.get(host, host)
    local = is_loopback(f"http://{host}") or "." not in host or host.replace(".", "").isdigit()
    scheme = scheme.lower() or ("http" if local or port not in (None, 443) else "https")
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}{f':{port}' if port else ''}{_versioned(split.path)}"


def _versioned(path: str) -> str:
    """The path up to the API, its version kept or added once."""
    path = re.sub(r"/+", "/", path).rstrip("/")
    while (shorter := _PATHS.sub("", path).rstrip("/")) != path:
        path = shorter
    path = re.sub(r"(/v1)+(?=/v1(/|$))", "", path)
    return path if _VERSION.search(path) else f"{path}/v1"


def resolve(base_url: str = "") -> str:
    """The server's address: the option, else OPENAI_BASE_URL, else this machine. Raises Unavailable."""
    if base_url.strip():
        return address(base_url)
    if not (value := os.environ.get("OPENAI_BASE_URL", "").strip()):
        return DEFAULT_ADDRESS
    try:
        return address(value)
    except ValueError:
        raise Unavailable("OPENAI_BASE_URL is not an address.", cure=f"Write it like {EXAMPLE}, without a password, or unset it.") from None


# ----------------------------------------------------------------------------------------------------------------- the key


class Key:
    """The secret in the environment variable ``variable``: read when it is needed, kept nowhere else. Raises Unavailable."""

    def __init__(self, variable: str) -> None:
        self.variable = variable
        value = os.environ.get(variable, "").strip() if variable else ""
        value = value.removeprefix("Bearer ").strip()
        if not (value.isascii() and value.isprintable()):  # an HTTP library would print such a header in its error
            raise Unavailable(f"{variable} holds characters that are in no key.", cure=f"Put the key alone into {variable}.")
        self._value = value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"Key({self.variable})"

    def __reduce__(self) -> Any:
        return Key, (self.variable,)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._value}"} if self._value else {}

    @property
    def secret(self) -> str:
        """What must not be shown; empty where the value is too short to be a secret."""
        return self._value if len(self._value) >= SECRET_LENGTH else ""

    def hide(self, text: str) -> str:
        """``text`` without the key in it. Hide before anything is cut: a part of the key is not recognised."""
        return text.replace(self.secret, HIDDEN) if self.secret else text

    def plain(self, text: object, limit: int = 300) -> str:
        """A server's words as one printable line, without the key in it."""
        return plain(self.hide(str(text)), limit)


class Passage:
    """Text that arrives in pieces: storable, half characters joined, and without the key, wherever it was cut."""

    def __init__(self, key: Key) -> None:
        self._key, self._held = key, ""

    def pass_on(self, piece: str, *, last: bool = False) -> str:
        """What can be shown now."""
        text = self._key.hide(_joined(self._held + piece))
        keep = 0 if last else max(self._begun(text), int(bool(text) and "\ud800" <= text[-1] <= "\udbff"))
        self._held = text[len(text) - keep :]
        return storable(text[: len(text) - keep])

    def _begun(self, text: str) -> int:
        """How many characters at the end of ``text`` may be the beginning of the key."""
        secret = self._key.secret
        return next((n for n in range(min(len(secret) - 1, len(text)), 0, -1) if text.endswith(secret[:n])), 0)


def _joined(text: str) -> str:
    """Surrogate pairs whose halves came in different pieces become one character."""
    if not re.search("[\ud800-\udbff][\udc00-\udfff]", text):
        return text
    return re.sub("[\ud800-\udbff][\udc00-\udfff]", lambda pair: pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text)


# ---------------------------------------------------------------------------------------------------------------- exchanges


class Garbled(Exception):
    """What came is neither an event stream nor JSON."""


class Answered(Exception):
    """The server answered with another status than 200. ``wait_s``: how long it asks to wait."""

    def __init__(self, status: int, text: str, *, wait_s: float | None = None, to: str = "") -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.text, self.wait_s, self.to = status, text, wait_s, to


class Exchange(Wire):
    """One request, given up at any moment (see ``ollama_wire.Exchange``). ``server``: what it calls itself, once it has answered; the key
    may be in it."""

    def __init__(self, connect: Callable[[], httpx.Client], method: str, path: str, body: dict[str, Any] | None = None) -> None:
        super().__init__(connect, method, path, body)
        self._thread.name = f"model {path}"
        self.server = ""
        self.streaming = False  # the answer has begun, be it without a word

    def _read(self, client: httpx.Client) -> Iterator[dict[str, Any]]:
        extra: dict[str, Any] = {} if self._body is None else {"json": self._body}
        with client.stream(self._method, self._path, extensions={"trace": self._watch}, **extra) as response:
            self.server = plain(response.headers.get("server", ""), UNCUT)
            if response.status_code != 200:
                to = urlsplit(response.headers.get("location", "")).hostname or ""
                raise Answered(response.status_code, _beginning(response), wait_s=asked_to_wait(response.headers), to=to)
            self.streaming = True
            yield from spoken(events(response.iter_bytes()))


def client(url: str, key: Key, *, connect_s: float, silence_s: float) -> httpx.Client:
    """A client of its own for one exchange, so that an abandoned connection is never used again."""
    return httpx.Client(
        base_url=url,
        headers={"Accept": "text/event-stream, application/json", **key.headers},
        timeout=httpx.Timeout(connect=connect_s, read=silence_s, write=30.0, pool=5.0),
        trust_env=not is_loopback(url),  # HTTP_PROXY would be asked for 127.0.0.1 too
        follow_redirects=False,  # a key must not travel to another host
        verify=_trusted() if url.startswith("https:") else False,
    )


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """This machine's certificates, read once: that takes 0.1 to 0.4 s."""
    return httpx.create_ssl_context()


def _beginning(response: httpx.Response) -> str:
    body = b""
    for piece in response.iter_bytes():
        body += piece
        if len(body) > BEGINNING:
            break
    return body[:BEGINNING].decode("utf-8", "replace")


def asked_to_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks to wait: Retry-After as seconds or as a date, or OpenAI's milliseconds."""
    with_ms, value = headers.get("retry-after-ms", ""), headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", with_ms):
        return float(with_ms) / 1000
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def events(pieces: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The objects of an event stream, ``{"done": True}`` at its mark of end; a body that is one JSON value comes as ``{"whole": value}``."""
    lines = _lines(pieces)
    first = next((line for line in lines if line.strip()), b"").removeprefix(b"\xef\xbb\xbf")
    if not first:
        return
    if not _FIELD.match(first):
        yield {"whole": _value(_all(first, lines))}
        return
    data = b""
    for line in itertools.chain([first], lines, [b""]):
        name, _, value = line.partition(b":")
        if name in (b"data", b"error"):  # llama.cpp once wrote its errors as a field of that name
            data += (b"\n" if data else b"") + value.removeprefix(b" ")
        if data.strip() == b"[DONE]":
            yield {"done": True}
            return
        if data and (found := _complete(data, must=not line)) is not None:  # not every server writes the blank line between two events
            data = b""
            yield found


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Lines as bytes, so that no character is cut and none but a line feed ends a line."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line.rstrip(b"\r") for line in lines)
        if len(rest) > BODY_LIMIT:
            raise Garbled("a line without an end")
    if rest:
        yield rest.rstrip(b"\r")


def _all(first: bytes, lines: Iterable[bytes]) -> bytes:
    body, size = [first], len(first)
    for line in lines:
        body.append(line)
        size += len(line) + 1
        if size > BODY_LIMIT:
            raise Garbled("too long")
    return b"\n".join(body)


def _value(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise Garbled("not JSON") from None


def _complete(data: bytes, *, must: bool) -> dict[str, Any] | None:
    """The object in ``data``; None where more lines may complete it."""
    try:
        found = _value(data)
    except Garbled:
        if must:
            raise
        return None
    if not isinstance(found, dict):
        raise Garbled("not an object")
    return found


def spoken(parts: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Without the greeting that some servers send before the model has begun: it would end the patience for the first word."""
    begun = False
    for part in parts:
        begun = begun or not _greeting(part)
        if begun:
            yield part


def _greeting(part: dict[str, Any]) -> bool:
    choices = part.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or part.get("error") or part.get("usage"):
        return False
    choice = choices[0] if isinstance(choices[0], dict) else {}
    delta = choice.get("delta")
    return isinstance(delta, dict) and not choice.get("finish_reason") and not any(v for k, v in delta.items() if k != "role")


# ----------------------------------------------------------------------------------------------------------------- failures


class Refusal(Failure):
    """Why there is no answer. ``drop``: the part of the request that this server does not take; ``loading``: it will when it is ready."""

    def __init__(
        self,
        error: RecollectError,
        *,
        retries: int = 0,
        status: int | None = None,
        drop: str = "",
        wait_s: float | None = None,
        loading: bool = False,
    ) -> None:
        super().__init__(error, retries=retries, status=status)
        self.drop, self.wait_s, self.loading = drop, wait_s, loading


@dataclass(frozen=True)
class Asked:
    """Who was asked what, for the words of a refusal. ``sent``: the names of the parts of the request."""

    url: str
    key: Key
    model: str = ""
    sent: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Said:
    """An error as a server words it."""

    message: str
    code: str = ""
    param: str = ""
    kind: str = ""
    html: bool = False
    counted: int | None = None
    window: int | None = None

    @property
    def low(self) -> str:
        return f"{self.message} {self.code} {self.param} {self.kind}".lower()


_PLACE = re.compile(r'\s+File ".*', re.DOTALL)  # FastAPI says where in the server's own code a request was refused


def said_by(body: Any, key: Key) -> Said:
    """The message, code and parameter in any of the forms in which servers write an error."""
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return Said(key.plain(body), html="<" in body and plain(body).startswith("a web page"))
    if isinstance(body, list) and body:  # Gemini wraps the error into a list
        body = body[0]
    inner = body.get("error") or body.get("detail") or body if isinstance(body, dict) else body
    if isinstance(inner, list):  # FastAPI: what is wrong where; its "input" repeats the question and is not read
        found = [item for item in inner if isinstance(item, dict)]
        text = "; ".join(f"{_where(item)}: {item.get('msg', '')}" for item in found[:4])
        return Said(key.plain(text), param=key.plain(_where(found[0]), 80) if found else "")
    if not isinstance(inner, dict):
        return Said(key.plain("" if inner is None else inner))
    meta = inner.get("metadata")
    raw = meta.get("raw") if isinstance(meta, dict) else None  # OpenRouter: the words of the server behind it
    text = _PLACE.sub("", " ".join(str(part) for part in (inner.get("message"), raw) if part))
    code = str(inner.get("code") or inner.get("type") or "")
    return Said(
        key.plain(text or code),
        code=key.plain(code, 80),
        param=key.plain(inner.get("param") or "", 80),
        kind=key.plain(inner.get("type") or "", 80),
        counted=count(inner.get("n_prompt_tokens")),  # llama.cpp says both apart from its words
        window=count(inner.get("n_ctx")),
    )


def _where(item: dict[str, Any]) -> str:
    where = item.get("loc")
    return ".".join(str(part) for part in where if part != "body") if isinstance(where, (list, tuple)) else ""


def understand(error: Exception, asked: Asked, *, began: bool) -> Refusal | None:
    """What an exception of the wire means; None if it is not one of the wire but a bug of ours."""
    url = asked.url
    if isinstance(error, Answered):
        return _refused(error, asked)
    if isinstance(error, Garbled):
        if began:
            return broken("a part of it was not readable")
        return Refusal(Unavailable(f"What {url} answers is not the language of an OpenAI-compatible server.", cure=_WRONG_PLACE), retries=1)
    if isinstance(error, (httpx.ConnectTimeout, httpx.PoolTimeout)):
        return Refusal(Unavailable(f"No connection to {url} in time.", cure="Check base_url, the network and whether it runs."), retries=1)
    if isinstance(error, httpx.ConnectError):
        return _unreachable(error, url)
    if isinstance(error, httpx.TimeoutException):
        return Refusal(Unavailable(f"{url} did not answer in time.", cure="Raise the time limits, or look at the server's log."))
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol)):
        return Refusal(Unavailable(f"{url} is not an address.", cure=_WRONG_PLACE))
    if isinstance(error, (httpx.HTTPError, OSError)):
        if began:
            return broken(f"the connection was lost ({type(error).__name__})")
        cure = "Look at the server's log."
        return Refusal(Unavailable(f"{url} closed the connection without an answer ({type(error).__name__}).", cure=cure), retries=OFTEN)
    return None


def broken(why: str) -> Refusal:
    """An answer that stopped half-way: worth a retry, in the end no decision."""
    return Refusal(DecisionError(f"The answer is incomplete, the stream broke: {why}."), retries=OFTEN)


def reported(body: Any, asked: Asked, *, began: bool) -> Refusal:
    """An error object where an answer should be, under a status of 200. ``began``: a part of the answer had arrived."""
    said = said_by(body, asked.key)
    status = int(said.code) if re.fullmatch(r"[45]\d\d", said.code) else 400
    if about := _about_the_question(status, said, asked):
        return about
    words = said.message or "an error without words"
    if began:
        return broken(f"the server reported {words!r}")
    return Refusal(Unavailable(f"{asked.url} reported {words!r}.", cure="Wait, or look at the server's log."), retries=OFTEN)


def _unreachable(error: Exception, url: str) -> Refusal:
    host, text = urlsplit(url).hostname or url, str(error)
    if re.search(r"name or service|getaddrinfo|nodename|name resolution|no address associated", text, re.IGNORECASE):
        return Refusal(Unavailable(f"There is no host called {host!r}.", cure="Correct base_url or OPENAI_BASE_URL, or check the network."))
    if re.search(r"certificate|ssl|tls", text, re.IGNORECASE):
        cure = "Use http:// for a server without a certificate, or add its authority to SSL_CERT_FILE."
        return Refusal(Unavailable(f"No safe connection to {url}: {plain(text, 120)}.", cure=cure))
    start = "Start it (`vllm serve MODEL`, `llama-server -m FILE.gguf --port 8000`, LM Studio's server)"
    cure = f"{start}, or correct base_url." if is_loopback(url) else "Check base_url and whether it runs."
    return Refusal(Unavailable(f"No server answers at {url}.", cure=cure), retries=OFTEN)


def _refused(answer: Answered, asked: Asked) -> Refusal:
    """An HTTP status that is not 200."""
    status, url = answer.status, asked.url
    said = said_by(answer.text, asked.key)
    words = said.message or "no reason given"
    if status < 400:
        to = f" ({plain(answer.to, 80)})" if answer.to else ""
        return Refusal(Unavailable(f"{url} points to another address{to}, which is not followed.", cure=_WRONG_PLACE), status=status)
    if status in (402, 429) and (status == 402 or re.search(r"insufficient_quota|billing|credit|exceeded your current quota", said.low)):
        cure = "Add credit there, or choose another model or server."
        return Refusal(Unavailable(f"{url} has no credit for this key ({status}: {words}).", cure=cure), status=status)
    if status == 429:
        asks = f" It asks to wait {answer.wait_s:.0f} s." if answer.wait_s else ""
        busy = Unavailable(
            f"{url} takes no more questions for now (429: {words}).{asks}", cure="Wait and resume the run, or ask less often."
        )
        return Refusal(busy, status=status, retries=OFTEN, wait_s=answer.wait_s)
    if about := _about_the_question(status, said, asked):
        return about
    if status in (401, 403):
        return _not_allowed(status, words, asked)
    if status in (404, 405):
        return Refusal(Unavailable(f"{url} answers, but has no chat there ({status}: {words}).", cure=_WRONG_PLACE), status=status)
    if status in (408, 409, 425) or (status >= 500 and status not in (501, 505)):
        loading = status == 503 and re.search(r"loading|starting|not ready|warming", said.low) is not None
        cure = "Wait until it has loaded the model, or raise first_token_timeout_s." if loading else "Wait, or look at the server's log."
        failed = Unavailable(f"{url} failed ({status}: {words}).", cure=cure)
        return Refusal(failed, status=status, retries=OFTEN, wait_s=answer.wait_s, loading=loading)
    return Refusal(Unavailable(f"{url} refused the question ({status}: {words}).", cure="Correct the backend options."), status=status)


def _not_allowed(status: int, words: str, asked: Asked) -> Refusal:
    variable = asked.key.variable
    if asked.key:
        message, cure = f"{asked.url} refuses the key in {variable}", f"Put a valid key into {variable} and start again."
    elif variable:
        message, cure = f"{asked.url} wants a key and {variable} is not set", f"Set {variable} to the key before starting."
    else:
        message, cure = f"{asked.url} wants a key", "Set api_key_env to the name of the environment variable that holds it."
    return Refusal(Unavailable(f"{message} ({status}: {words}).", cure=cure), status=status)


_OVERFLOW = re.compile(
    r"maximum context length|context_length_exceeded|exceed_context_size|context (size|length|window)[^.]{0,40}exceed|"
    r"exceeds? the (available|maximum|model'?s?) context|exceed context window|prompt is too long|too many (input )?tokens|"
    r"requested tokens[^.]{0,30}exceed|input length and|longer than the maximum model length|"
    r"context the overflows|context length of only|greater than the context length|max_new_tokens` must be|not enough context"
)
_N = r"(?:about |at least |only )?(\d[\d,]*)"
_WINDOWS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:maximum )?context (?:length|window|size) (?:is|of) {_N}",  # OpenAI, vLLM, OpenRouter, LM Studio, llama_cpp.server's own
        rf"context (?:size|window) \({_N} tokens",  # llama.cpp
        rf"model with {_N} maximum context",  # Mistral
        rf"maximum model length of {_N}",  # vLLM
        rf"tokens > {_N} maximum",  # Anthropic's
        rf"must be <= {_N}",  # text-generation-inference
        rf"context window of {_N}",
    )
)
_COUNTS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\({_N} (?:in the messages|of text input|in your prompt)",
        rf"prompt contains {_N}(?: input)? tokens",
        rf"request (?:has {_N} input|\({_N}) tokens",
        rf"messages resulted in {_N} tokens",
        rf"prompt \(length {_N}\)",
        rf"prompt is too long: {_N} tokens",
        rf"given: {_N} `inputs`",
        rf"keep the first {_N} tokens",
        rf"requested tokens \({_N}\)",
        rf"you requested {_N} tokens",  # last: the answer is in this one
    )
)
_FILTER = re.compile(r"content_?filter|content_policy|content management|moderation|flagged|safety system")
_NO_MODEL = re.compile(
    r"model_not_found|not a valid model|invalid model|model[^.]{0,120}(does not exist|not found|not exist|not loaded)|no (such )?model|unknown model"
)
_FORM = re.compile(
    r"response_?format|json_?schema|json_?object|structured.?output|guided.?(json|decoding)|grammar|requested parameters|json schema"
)
_UNKNOWN = re.compile(
    r"not support|unsupported|unknown|unrecogni|not permitted|not allowed|extra (input|field)|unexpected|only the default|not implemented|not available"
)
OPTIONAL = ("stream_options", "seed", "temperature", "top_p", "reasoning_effort", "chat_template_kwargs", "stream")


def _about_the_question(status: int, said: Said, asked: Asked) -> Refusal | None:
    """Refusals that repeat for the same question."""
    if said.html or status in (401, 429, 502, 503, 504):
        return None
    words = said.message or "no reason given"
    if _OVERFLOW.search(said.low):
        message = (
            f"Question and answer do not fit into the model's window ({words}): nothing was cut and nothing was decided; "
            "lower max_tokens, recall fewer memories, or serve the model with a longer window."
        )
        counted, window = overflow(said)
        return Refusal(PromptTooLong(message, counted=counted, window=window), status=status)
    if _FILTER.search(said.low):
        return Refusal(DecisionError(f"The server's content filter refused the question: {words}."), status=status)
    if status != 403 and (drop := _unwanted(said, asked.sent)):
        cure = "Choose a server or model that takes it."
        return Refusal(Unavailable(f"{asked.url} does not take {drop} ({status}: {words}).", cure=cure), status=status, drop=drop)
    if status in (400, 404) and _NO_MODEL.search(said.low):
        cure = "Set model to one that the server lists."
        return Refusal(Unavailable(f"{asked.url} has no model {asked.model!r} ({words}).", cure=cure), status=404)
    return None


def overflow(said: Said) -> tuple[int | None, int | None]:
    """(tokens of the question, tokens of the window) as far as a refusal names them."""
    counted, window = said.counted or _first(_COUNTS, said.low), said.window or _first(_WINDOWS, said.low)
    return counted, window


def _first(patterns: Iterable[re.Pattern[str]], words: str) -> int | None:
    for pattern in patterns:
        if found := pattern.search(words):
            return count(int(next(group for group in found.groups() if group).replace(",", "")))
    return None


def _unwanted(said: Said, sent: frozenset[str]) -> str:
    """The part of the request that the server does not know; empty if the refusal is about something else."""
    if "response_format" in sent and _FORM.search(said.low):
        return "response_format"
    if "max_tokens" in sent and "max_completion_tokens" in said.low:
        return "max_tokens"
    if not _UNKNOWN.search(said.low):
        return ""
    words = re.sub(r"\bstreaming\b", "stream", said.low)
    return next((name for name in OPTIONAL if name in sent and (name == said.param or re.search(rf"\b{name}\b", words))), "")


# --------------------------------------------------------------------------------------------------------- what it serves


class Listed(Record):
    """One model as the server lists it. ``also``: other names that mean it."""

    id: str
    owned_by: str = ""
    context_length: int | None = None
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Serving:
    """What a server says about itself. ``models`` is None where it has no list."""

    server: str
    models: tuple[Listed, ...] | None

    def find(self, model: str) -> Listed | None:
        """The listed model called ``model``; OpenRouter's ``:variant`` of a listed one counts."""
        for name in (model, model.rsplit(":", 1)[0]):
            for listed in self.models or ():
                if name.casefold() in {other.casefold() for other in (listed.id, listed.id.removeprefix("models/"), *listed.also)}:
                    return listed
        return None


def ask_models(url: str, key: Key, *, connect_s: float = 5.0, wait_s: float = CHECK_S, cancelled: Cancelled | None = None) -> Serving:
    """The list of models. Raises Refusal, or Stopped."""
    exchange = Exchange(lambda: client(url, key, connect_s=connect_s, silence_s=wait_s + 10), "GET", "/models")
    found: Any = None
    try:
        with closing(exchange.parts(first_s=wait_s, next_s=wait_s, deadline=time.monotonic() + wait_s, cancelled=cancelled)) as parts:
            for part in parts:
                found = part.get("whole")
    except TookTooLong:
        cure = "Is it still starting? Look at the server's log."
        raise Refusal(Unavailable(f"{url} did not list its models within {wait_s:g} s.", cure=cure), retries=1) from None
    except Exception as error:
        refusal = understand(error, Asked(url, key), began=False)
        if refusal is None:
            raise
        if refusal.status in (404, 405, 501):
            return Serving(key.plain(exchange.server, 60), None)
        raise refusal from None  # what it came from holds the request, and with it the key
    return Serving(key.plain(exchange.server, 60), _models(found, key))


class Running(Record):
    """What a server says about the model it has loaded, beside the list: the window it really gives, and its own version."""

    window: int | None = None
    version: str = ""


def ask_running(url: str, key: Key, server: str, found: Listed, *, connect_s: float = 5.0) -> Running:
    """What llama.cpp, vLLM and LM Studio tell outside OpenAI's language; empty for others and where it cannot be had."""
    root = re.sub(r"/v1$", "", url)
    if root == url:
        return Running()
    owner, said = found.owned_by.lower(), server.lower()
    if "llama" in said or "llamacpp" in owner:  # its list names the window of the training, not the one it was started with
        props = _told(root, key, "/props", connect_s)
        settings = props.get("default_generation_settings")
        window = count(settings.get("n_ctx")) if isinstance(settings, dict) else None
        return Running(window=window, version=key.plain(props.get("build_info") or "", 80))
    if "vllm" in owner:
        return Running(version=key.plain(_told(root, key, "/version", connect_s).get("version") or "", 80))
    if not owner or owner.startswith("organization"):  # LM Studio
        listed = _told(root, key, "/api/v0/models", connect_s).get("data")
        loaded = [entry for entry in listed if isinstance(entry, dict) and entry.get("id") == found.id] if isinstance(listed, list) else []
        return Running(window=count(loaded[0].get("loaded_context_length")) if loaded else None)
    return Running()


def _told(root: str, key: Key, path: str, connect_s: float) -> dict[str, Any]:
    """The object at ``path``; empty where there is none. What stands in the way has shown itself before, or will at the first question."""
    exchange = Exchange(lambda: client(root, key, connect_s=connect_s, silence_s=CHECK_S + 10), "GET", path)
    try:
        with closing(exchange.parts(first_s=CHECK_S, next_s=CHECK_S, deadline=time.monotonic() + CHECK_S, cancelled=None)) as parts:
            found = [part.get("whole") for part in parts]
    except (TookTooLong, Answered, Garbled, httpx.HTTPError, OSError):
        return {}
    return found[0] if found and isinstance(found[0], dict) else {}


def _models(found: Any, key: Key) -> tuple[Listed, ...] | None:
    entries = next((found[name] for name in ("data", "models") if name in found), None) if isinstance(found, dict) else found
    if not isinstance(entries, list):
        return None
    listed = [_listed(entry, key) for entry in entries if isinstance(entry, dict) and (entry.get("id") or entry.get("name"))]
    return tuple(listed) if listed or not entries else None


def _listed(entry: dict[str, Any], key: Key) -> Listed:
    meta = entry.get("meta")
    places = {**(meta if isinstance(meta, dict) else {}), **entry}
    windows = ("max_model_len", "loaded_context_length", "context_length", "context_window", "max_context_length", "n_ctx", "n_ctx_train")
    aliases = entry.get("aliases")
    others = [entry.get("root"), entry.get("canonical_slug"), *(aliases if isinstance(aliases, list) else [])]
    return Listed(
        id=key.hide(storable(entry.get("id") or entry.get("name")))[:200],
        owned_by=key.plain(entry.get("owned_by") or entry.get("organization") or "", 80),
        context_length=next((found for name in windows if (found := count(places.get(name)))), None),
        also=tuple(key.hide(storable(other))[:200] for other in others if isinstance(other, str) and other),
    )
