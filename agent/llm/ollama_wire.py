"""One HTTP exchange with an Ollama server that can be given up at any moment, and what its failures mean.

Promise: an exchange ends when the caller says so, also while not one byte arrives (a queued or loading model sends nothing, not
even headers), and its end reaches the server, which then stops generating. Every way in which the official client can fail is
turned into one ``Failure``: the sentence for people, and whether trying again makes sense.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, Literal
from urllib.parse import urlsplit

from agent.errors import DecisionError, PromptTooLong, RecollectError, Unavailable
from agent.llm.base import Cancelled, Stopped

DEFAULT_ADDRESS = "http://127.0.0.1:11434"
POLL_S = 0.1  # how long a wish to stop may go unnoticed
OFTEN = 99  # retries allowed by the kind of failure; the options set the real number
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # addresses a server listens on, and where to find it
_WRONG_PLACE = "Check the address: it should look like http://127.0.0.1:11434, without /v1 or /api."


# ---------------------------------------------------------------------------------------------------------------- addresses


def address(text: str) -> str:
    """The base URL meant by ``text``: scheme and port filled in, /v1, /api and slashes cut off. ValueError if it is no address."""
    raw = text.strip().strip("\"'").strip()
    if not raw:
        return DEFAULT_ADDRESS
    scheme, separator, rest = raw.partition("://")
    if not separator:
        scheme, rest = "http", raw
    scheme = scheme.lower()
    if "@" in rest:  # before anything repeats it: it may hold a password
        raise ValueError("the address must not contain a user name or password; write it like " + DEFAULT_ADDRESS)
    if scheme not in ("http", "https") or re.search(r"\s", rest):
        raise ValueError(f"{text!r} is not an address; write it like {DEFAULT_ADDRESS}")
    if rest.count(":") > 1 and not rest.startswith("["):
        rest = f"[{rest.rstrip('/')}]"
    try:
        split = urlsplit(f"{scheme}://{rest}")
        port = split.port
    except ValueError:
        raise ValueError(f"{text!r} is not an address; write it like {DEFAULT_ADDRESS}") from None
    if port == 0 or split.query or split.fragment:
        raise ValueError(f"{text!r} is not an address; write it like {DEFAULT_ADDRESS}")
    host = split.hostname or "127.0.0.1"
    host = _EVERYWHERE.get(host, host)
    host = f"[{host}]" if ":" in host else host
    path = _before_the_api(split.path)
    return f"{scheme}://{host}:{port or (443 if scheme == 'https' else 11434)}{path}"


def _before_the_api(path: str) -> str:
    kept: list[str] = []
    for part in path.split("/"):
        if part in ("v1", "api"):
            break
        if part:
            kept.append(part)
    return "".join(f"/{part}" for part in kept)


def is_loopback(url: str) -> bool:
    """Whether ``url`` points to this machine, so that no proxy may be asked and no key need be sent."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# ----------------------------------------------------------------------------------------------------------------- failures


class Failure(Exception):
    """Why an exchange gave no answer. ``error`` is what people get to read once no retry is left."""

    def __init__(
        self,
        error: RecollectError,
        *,
        retries: int = 0,
        status: int | None = None,
        whole: bool = False,
        no_thinking: bool = False,
        no_model: bool = False,
        too_big: bool = False,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.retries = retries
        self.status = status
        self.whole = whole  # ask again without streaming
        self.no_thinking = no_thinking  # the model cannot think: ask again without
        self.no_model = no_model
        self.too_big = too_big  # the memory does not hold the model with this window


def plain(text: object, limit: int = 300) -> str:
    """A server's words as one printable line; a web page is only named, never shown."""
    words = str(text)
    if re.search(r"<\s*(!doctype|html|head|body)", words, re.IGNORECASE):
        return "a web page instead of an answer"
    line = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def storable(value: object) -> str:
    """A server's text with what no database, file or JSON takes (NUL, half a surrogate pair) replaced by U+FFFD."""
    return re.sub("[\x00\ud800-\udfff]", "\ufffd", "" if value is None else str(value))


def of_the_wire(error: Exception) -> bool:
    """Whether the client can raise it about what a server sent; anything else is a bug of ours and must pass."""
    if isinstance(error, (OSError, ValueError, AttributeError, TypeError)):
        return True
    return type(error).__module__.split(".")[0] in ("httpx", "httpcore", "ollama", "h11")


def understand(error: Exception, *, url: str, model: str, began: bool) -> Failure:
    """What an exception of the client means. ``began``: parts of the answer had already arrived."""
    import httpx

    if hasattr(error, "status_code") and hasattr(error, "error"):  # ollama.ResponseError
        if error.status_code == -1:
            return broken(f"Ollama reported {plain(_unnest(error.error)[0])!r} in the middle of the answer")
        return _refused(int(error.status_code), error.error, url=url, model=model)
    if isinstance(error, (httpx.ConnectTimeout, httpx.PoolTimeout)):
        return Failure(
            Unavailable(f"No connection to {url} in time.", cure="Check the address, or start Ollama there with `ollama serve`."), retries=1
        )
    if isinstance(error, (httpx.ConnectError, ConnectionError)) and not isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return _unreachable(error, url)
    if isinstance(error, httpx.TimeoutException):
        return Failure(
            Unavailable(f"Ollama at {url} did not answer in time.", cure="Raise the timeouts, or look at the log of `ollama serve`.")
        )
    if isinstance(error, httpx.InvalidURL):
        return Failure(Unavailable(f"{url} is not an address.", cure=_WRONG_PLACE))
    if isinstance(error, json.JSONDecodeError):
        # Also the way httpx shows a raw U+0085 inside a line; the same answer unstreamed is fine.
        return _gibberish(url, began)
    if isinstance(error, (httpx.HTTPError, OSError)):
        return broken(f"the connection to {url} was lost ({type(error).__name__})", began=began, url=url)
    return _gibberish(url, began)


def broken(why: str, *, began: bool = True, url: str = "") -> Failure:
    """An answer that stopped half-way: worth a retry, in the end no decision. Without any answer the server is what is missing."""
    if began:
        return Failure(DecisionError(f"The answer is incomplete, the stream broke: {why}."), retries=OFTEN)
    return Failure(
        Unavailable(f"Ollama at {url} closed the connection without an answer: {why}.", cure="Look at the log of `ollama serve`."),
        retries=OFTEN,
    )


def _gibberish(url: str, began: bool) -> Failure:
    if began:
        failure = broken("a part of it was not readable")
    else:
        failure = Failure(Unavailable(f"What {url} answers is not Ollama's language.", cure=_WRONG_PLACE), retries=OFTEN)
    failure.whole = True
    return failure


def _unreachable(error: Exception, url: str) -> Failure:
    host = urlsplit(url).hostname or url
    said = f"{error} {error.__context__}"  # the client hides the reason behind its own sentence
    if re.search(r"name or service|getaddrinfo|nodename|name resolution|no address associated", said, re.IGNORECASE):
        return Failure(Unavailable(f"There is no host called {host!r}.", cure="Correct base_url, OLLAMA_HOST or OLLAMA_BASE_URL."))
    cure = (
        "Start it with `ollama serve`."
        if is_loopback(url)
        else f"Start it on {host} with `OLLAMA_HOST=0.0.0.0 ollama serve`, or correct the address."
    )
    return Failure(Unavailable(f"Ollama is not running at {url}.", cure=cure), retries=OFTEN)


def _unnest(text: object) -> tuple[str, dict[str, Any]]:
    """Message and fields of an error; llama-server's errors are JSON inside the string."""
    inner: Any = text
    for _ in range(3):
        if isinstance(inner, str):
            try:
                inner = json.loads(inner)
            except json.JSONDecodeError:
                break
        if isinstance(inner, dict) and isinstance(inner.get("error"), (dict, str)):
            inner = inner["error"]
    if isinstance(inner, dict):
        return str(inner.get("message", inner)), inner
    return str(inner), {}


def _refused(status: int, body: object, *, url: str, model: str) -> Failure:
    """An HTTP status that is not 200."""
    text, fields = _unnest(body)
    said, low = plain(text), text.lower()
    if status == 404 and ("not found" not in low or "page not found" in low or "<" in text):
        return Failure(Unavailable(f"{url} answers, but not like Ollama (404, {said or 'empty'}).", cure=_WRONG_PLACE), status=404)
    if status == 404:
        return Failure(
            Unavailable(f"Ollama at {url} has no model {model!r}.", cure=f"Install it with `ollama pull {model}`."),
            status=404,
            no_model=True,
        )
    if status == 405 or 300 <= status < 400:
        return Failure(Unavailable(f"{url} answers, but not like Ollama ({status}).", cure=_WRONG_PLACE), status=status)
    if status in (401, 403):
        cure = "Use 127.0.0.1 or an IP address, or sign in with `ollama signin` if this is a cloud model."
        return Failure(
            Unavailable(f"Ollama at {url} refuses this client ({status}{', ' + said if said else ''}).", cure=cure), status=status
        )
    if status == 503 or status == 429:
        failure = Unavailable(
            f"Ollama at {url} is busy ({status}, {said or 'no reason given'}).", cure="Wait, or run fewer things on it at once."
        )
        return Failure(failure, status=status, retries=OFTEN)
    if known := _about_the_question(status, low, said, fields, model):
        return known
    if status in (408, 502, 504):
        cure = "Look at the proxy in front of Ollama and at the log of `ollama serve`."
        return Failure(Unavailable(f"{url} answered {status}: {said or 'nothing'}.", cure=cure), status=status, retries=OFTEN)
    if status >= 500:
        return _server_fault(status, low, said, url=url, model=model)
    cure = "Correct the backend options."
    return Failure(Unavailable(f"Ollama refused the question ({status}): {said or 'no reason given'}.", cure=cure), status=status)


def _about_the_question(status: int, low: str, said: str, fields: dict[str, Any], model: str) -> Failure | None:
    """Refusals that repeat for the same question: never worth a retry, whatever the status says."""
    if (
        fields.get("type") == "exceed_context_size_error"
        or "exceeds the available context" in low
        or "longer than the context length" in low
    ):
        return Failure(_overflow(fields, said), status=status)
    if "does not support thinking" in low:
        failure = Unavailable(f"The model {model!r} cannot think.", cure="Set think to off.")
        return Failure(failure, status=status, no_thinking=True)
    if "does not support chat" in low:
        return Failure(Unavailable(f"The model {model!r} cannot chat.", cure="Choose a chat model such as qwen3:8b."), status=status)
    if "invalid model name" in low or "model is required" in low:
        return Failure(Unavailable(f"{model!r} is not a model name.", cure="Choose one that `ollama list` shows."), status=status)
    if re.search(r'option ".*" must be', low) or "missing unit in duration" in low or "invalid duration" in low:
        return Failure(Unavailable(f"Ollama refused an option: {said}.", cure="Correct the backend options."), status=status)
    if re.search(r"invalid format|json schema|failed to parse grammar|initialize samplers", low):
        return Failure(DecisionError(f"Ollama refused the form of the answer (its JSON schema): {said}."), status=status)
    return None


def _overflow(fields: dict[str, Any], said: str) -> PromptTooLong:
    asked, window = fields.get("n_prompt_tokens"), fields.get("n_ctx")
    if asked is None and (found := re.search(r"\((\d+) tokens\).*\((\d+) tokens\)", said)):
        asked, window = int(found[1]), int(found[2])
    if not isinstance(asked, int) or not isinstance(window, int):
        return PromptTooLong(f"The prompt does not fit into the model's window ({said}); raise num_ctx or recall fewer memories.")
    return PromptTooLong(
        f"The prompt has {asked} tokens, the window (num_ctx) only {window}: nothing was cut and nothing was decided; "
        "raise num_ctx or recall fewer memories.",
        counted=asked,
        window=window,
    )


def _server_fault(status: int, low: str, said: str, *, url: str, model: str) -> Failure:
    if re.search(r"terminated|out of memory|requires more system memory|unable to load|failed to load", low):
        cure = "Choose a smaller model or a smaller num_ctx; the log of `ollama serve` says more."
        too_big = bool(re.search(r"out of memory|requires more system memory", low))
        return Failure(Unavailable(f"Ollama could not load {model!r}: {said}.", cure=cure), status=status, retries=1, too_big=too_big)
    cure = "Look at the log of `ollama serve`."
    return Failure(Unavailable(f"Ollama at {url} failed ({status}): {said or 'no reason given'}.", cure=cure), status=status, retries=OFTEN)


# ---------------------------------------------------------------------------------------------------------------- exchanges


class TookTooLong(Exception):
    """A limit of the caller's patience was reached. ``limit``: which one; ``began``: something had already arrived."""

    def __init__(self, limit: Literal["first", "next", "total"], *, began: bool) -> None:
        super().__init__(limit)
        self.limit = limit
        self.began = began


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


_END = object()


class Exchange:
    """One request on a thread of its own; the caller's thread waits in short steps and may leave at any of them.

    A blocked read cannot be ended by closing the client from another thread, so the socket itself is shut down: the read returns
    and the server sees the connection end.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        mode: Literal["stream", "json", "text"] = "json",
    ) -> None:
        self._connect = connect
        self._method, self._path, self._body, self._mode = method, path, body, mode
        self._items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._socket: socket.socket | None = None
        self._left = False
        self._thread = threading.Thread(target=self._run, name=f"ollama {path}", daemon=True)

    def parts(
        self, *, first_s: float, next_s: float, deadline: float, cancelled: Cancelled | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """The parts of the answer as they arrive. Raises what the client raised, TookTooLong, or Stopped. ``deadline`` is monotonic."""
        self._thread.start()
        began, since = False, time.monotonic()
        try:
            while True:
                if cancelled is not None and cancelled():
                    raise Stopped("stopped while the model was answering")
                patience = since + (next_s if began else first_s)
                limit = min(patience, deadline)
                try:
                    item = self._items.get(timeout=max(0.0, min(POLL_S, limit - time.monotonic())))
                except queue.Empty:
                    if time.monotonic() >= limit:
                        raise TookTooLong(("next" if began else "first") if patience <= deadline else "total", began=began) from None
                    continue
                if item is _END:
                    return
                if isinstance(item, _Raised):
                    raise item.error
                began, since = True, time.monotonic()
                if since >= deadline:
                    raise TookTooLong("total", began=True)
                yield item
        finally:
            self._leave()

    def _run(self) -> None:
        try:
            with self._connect() as client:
                for part in self._read(client):
                    self._items.put(part)
            self._items.put(_END)
        except BaseException as error:  # carried over to the caller's thread and raised there
            self._items.put(_Raised(error))

    def _read(self, client: Any) -> Iterator[dict[str, Any]]:
        # The client's own chat() has no truncate and shift, so the request goes through the method chat() itself uses.
        extra: dict[str, Any] = {"extensions": {"trace": self._watch}}
        if self._body is not None:
            extra["json"] = self._body
        if self._mode == "stream":
            yield from client._request(dict, self._method, self._path, stream=True, **extra)
            return
        response = client._request_raw(self._method, self._path, **extra)
        yield {"text": response.text} if self._mode == "text" else dict(response.json())

    def _watch(self, event: str, info: dict[str, Any]) -> None:
        """Keeps hold of the socket: httpcore names it when the connection (or its TLS layer) stands."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self._left:
                self._hang_up()

    def _hang_up(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # already closed
                self._socket.shutdown(socket.SHUT_RDWR)

    def _leave(self) -> None:
        self._left = True
        self._hang_up()
        self._thread.join(timeout=1.0)
