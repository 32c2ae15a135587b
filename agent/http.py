"""One polite way to ask a server for something: a pace, a time limit, a size limit, and every failure as the class that names it.

Callers give the words for people (``who``: "SEC EDGAR"); nothing here retries or waits for a fault to pass, because who may wait how long
is decided by those who know whether a person is watching (``storage/market_cache``). Redirects are not followed: the interfaces we ask
have none, and a key in a header must not travel to another host.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import httpx

LIMIT_BYTES = 64 * 2**20
BEGINNING = 2_000  # characters of a refusal that are kept: enough for the sentence in it

Kind = Literal["limited", "refused", "missing", "down", "garbled"]


class HttpProblem(Exception):
    """What went wrong, for the caller to put into its own class.

    ``kind``: limited (429), refused (401, 403), missing (404), down (no answer, or a server error), garbled (not what was promised).
    ``body``: the beginning of what the server said.
    """

    def __init__(
        self, kind: Kind, message: str, *, status: int = 0, retry_after_s: float | None = None, html: bool = False, body: str = ""
    ) -> None:
        super().__init__(message)
        self.kind, self.status, self.retry_after_s, self.html, self.body = kind, status, retry_after_s, html, body


class Pace:
    """At most one call every ``seconds``, over all threads that share the object. Call it before each request."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self.seconds, self._clock, self._sleep = seconds, clock, sleep
        self._lock = threading.Lock()
        self._next = float("-inf")

    def __call__(self) -> None:
        with self._lock:
            now = self._clock()
            mine = max(now, self._next)
            self._next = mine + self.seconds
        if mine > now:
            self._sleep(mine - now)


@dataclass(frozen=True)
class Client:
    """One server: its address, headers and patience. ``pause`` is called before each request (the caller's pace).

    ``timeout_s`` bounds each silence, ``deadline_s`` the whole answer: a server that drips bytes holds nobody for ever.
    """

    who: str
    base: str
    headers: Mapping[str, str]
    timeout_s: float = 30.0
    pause: Callable[[], None] = lambda: None
    deadline_s: float = 180.0
    limit_bytes: int = LIMIT_BYTES

    def json(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The parsed answer; HttpProblem otherwise."""
        body, kind = self._get(path, params)
        if "html" in kind:
            raise HttpProblem("garbled", f"{self.who} answered with a web page instead of data.", html=True)
        try:
            return httpx.Response(200, content=body).json()
        except (ValueError, RecursionError) as error:
            raise HttpProblem("garbled", f"{self.who} answered with broken JSON ({_short(error)}).") from None

    def text(self, path: str, params: Mapping[str, Any] | None = None) -> str:
        """The answer as text (UTF-8, else Latin-1)."""
        body = self.body(path, params)
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError:
            return body.decode("latin-1")

    def body(self, path: str, params: Mapping[str, Any] | None = None) -> bytes:
        """The answer as it is."""
        return self._get(path, params)[0]

    def _get(self, path: str, params: Mapping[str, Any] | None) -> tuple[bytes, str]:
        self.pause()
        url = path if path.startswith(("http://", "https://")) else self.base.rstrip("/") + "/" + path.lstrip("/")
        try:
            with httpx.stream(
                "GET",
                url,
                params=dict(params) if params else None,
                headers=dict(self.headers),
                timeout=self.timeout_s,
                verify=_trusted(),
            ) as answer:
                body = self._read(answer)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise HttpProblem("down", f"{self.who} cannot be reached ({_short(error)}).") from None
        kind = answer.headers.get("content-type", "").lower()
        self._judge(answer, kind, body)
        return body, kind

    def _read(self, answer: httpx.Response) -> bytes:
        parts, size, until = [], 0, time.monotonic() + self.deadline_s
        for part in answer.iter_bytes():
            size += len(part)
            if size > self.limit_bytes:
                raise HttpProblem("garbled", f"{self.who} sent more than {self.limit_bytes / 2**20:g} MB.", status=answer.status_code)
            if time.monotonic() > until:
                raise HttpProblem("down", f"{self.who} did not finish its answer within {self.deadline_s:g} s.")
            parts.append(part)
        return b"".join(parts)

    def _judge(self, answer: httpx.Response, kind: str, body: bytes) -> None:
        status = answer.status_code
        if 200 <= status < 300:
            return
        words = f"{self.who} answered {status}"
        start = body[: 4 * BEGINNING].decode("utf-8", "replace")[:BEGINNING]
        html = "html" in kind or start.lstrip()[:15].lower().startswith(("<!doctype html", "<html"))
        if status < 400:
            raise HttpProblem("garbled", f"{words}: it points to another address, which is not followed.", status=status)
        if status == 429:
            raise HttpProblem(
                "limited", f"{words}: too many requests.", status=status, retry_after_s=_seconds(answer), html=html, body=start
            )
        if status in (401, 403):
            raise HttpProblem("refused", f"{words}: access refused.", status=status, html=html, body=start)
        if status == 404:
            raise HttpProblem("missing", f"{words}: not found.", status=status, html=html, body=start)
        raise HttpProblem("down" if status >= 500 else "garbled", f"{words}.", status=status, html=html, body=start)


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """The certificates of this machine, read once: httpx would spend 0.1 to 0.4 s on them for every request."""
    return httpx.create_ssl_context()


def _seconds(answer: httpx.Response) -> float | None:
    value = answer.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
