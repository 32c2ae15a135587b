"""One polite way to ask a server for something: a time limit, a size limit, and every failure as the class that names it.

Callers give the words for people (``who``: "SEC EDGAR"); nothing here retries or sleeps, because who may wait how long is decided by
those who know whether a person is watching (``storage/market_cache``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

LIMIT_BYTES = 64 * 2**20


class HttpProblem(Exception):
    """What went wrong, for the caller to put into its own class. ``kind``: limited, refused, missing, down, garbled."""

    def __init__(self, kind: str, message: str, *, status: int = 0, retry_after_s: float | None = None, html: bool = False) -> None:
        super().__init__(message)
        self.kind, self.status, self.retry_after_s, self.html = kind, status, retry_after_s, html


@dataclass(frozen=True)
class Client:
    """One server: its address, headers and patience. ``pause`` is called before each request (the caller's pace)."""

    who: str
    base: str
    headers: Mapping[str, str]
    timeout_s: float = 30.0
    pause: Callable[[], None] = lambda: None

    def json(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The parsed answer; HttpProblem otherwise."""
        body, kind = self._get(path, params)
        if "html" in kind:
            raise HttpProblem("garbled", f"{self.who} answered with a web page instead of data.", html=True)
        try:
            return httpx.Response(200, content=body).json()
        except ValueError as error:
            raise HttpProblem("garbled", f"{self.who} answered with broken JSON ({error}).") from None

    def text(self, path: str, params: Mapping[str, Any] | None = None) -> str:
        """The answer as text (UTF-8, else Latin-1)."""
        body, _ = self._get(path, params)
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError:
            return body.decode("latin-1")

    def _get(self, path: str, params: Mapping[str, Any] | None) -> tuple[bytes, str]:
        self.pause()
        url = path if path.startswith("http") else self.base.rstrip("/") + "/" + path.lstrip("/")
        try:
            with httpx.stream(
                "GET",
                url,
                params=dict(params) if params else None,
                headers=dict(self.headers),
                timeout=self.timeout_s,
                follow_redirects=True,
            ) as answer:
                body = self._read(answer)
        except httpx.HTTPError as error:
            raise HttpProblem("down", f"{self.who} cannot be reached ({_short(error)}).") from None
        kind = answer.headers.get("content-type", "").lower()
        self._judge(answer, kind)
        return body, kind

    def _read(self, answer: httpx.Response) -> bytes:
        parts, size = [], 0
        for part in answer.iter_bytes():
            size += len(part)
            if size > LIMIT_BYTES:
                raise HttpProblem("garbled", f"{self.who} sent more than {LIMIT_BYTES // 2**20} MB.")
            parts.append(part)
        return b"".join(parts)

    def _judge(self, answer: httpx.Response, kind: str) -> None:
        status = answer.status_code
        if status < 400:
            return
        words = f"{self.who} answered {status}"
        html = "html" in kind
        if status == 429:
            raise HttpProblem("limited", f"{words}: too many requests.", status=status, retry_after_s=_seconds(answer), html=html)
        if status in (401, 403):
            raise HttpProblem("refused", f"{words}: access refused.", status=status, html=html)
        if status == 404:
            raise HttpProblem("missing", f"{words}: not found.", status=status)
        raise HttpProblem("down" if status >= 500 else "garbled", f"{words}.", status=status, html=html)


def _seconds(answer: httpx.Response) -> float | None:
    value = answer.headers.get("retry-after", "")
    return float(value) if value.isdigit() else None


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
