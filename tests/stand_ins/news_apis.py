"""Stand-ins for Alpaca's and Finnhub's news services over real HTTP: their questions, their pages, their limits, their ways to fail.

Shapes follow the public descriptions of both interfaces; nothing was recorded. ``log`` keeps what was asked, without the keys. A fault is
set by name and lasts for ``times`` requests: 401, 403, 429, 500, 503, html, broken, empty, drop, redirect, list, object.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEYS = {"alpaca_key_id": "id-of-mine", "alpaca_secret_key": "secret-of-mine", "finnhub_key": "token-of-mine"}


class NewsServer:
    """Both services at one address. ``items``: (symbol, published, headline, more fields as the service calls them)."""

    def __init__(self, items: Sequence[dict[str, Any]] = (), *, page: int = 50, most: int = 250) -> None:
        self.items, self.page, self.most = list(items), page, most
        self.log: list[dict[str, str]] = []
        self.keys_in_urls = False
        self._fault, self._times = "", 0
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"stand_in": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.elsewhere = ""

    def __enter__(self) -> NewsServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fail(self, fault: str, *, times: int = 1) -> None:
        """The next ``times`` requests go wrong in this way."""
        self._fault, self._times = fault, times

    def next_fault(self) -> str:
        with self._lock:
            if not self._times:
                return ""
            self._times -= 1
            return self._fault

    def alpaca(self, asked: dict[str, str]) -> Any:
        """One page, oldest edit first, selected by the time of the edit."""
        start, end = (datetime.fromisoformat(asked[name]) for name in ("start", "end"))
        found = sorted(
            (
                i
                for i in self.items
                if asked["symbols"] in i["symbols"] and start <= _time(i.get("updated_at") or i.get("created_at"), start) <= end
            ),
            key=lambda i: str(i.get("updated_at") or i.get("created_at")),
        )
        size = min(self.page, int(asked.get("limit", 10)))
        at = int(asked.get("page_token", "p0")[1:])
        more = f"p{at + size}" if at + size < len(found) else None
        return {"news": found[at : at + size], "next_page_token": more}

    def finnhub(self, asked: dict[str, str]) -> Any:
        """The newest of the range, both days included."""
        first, last = (datetime.fromisoformat(asked[name]).replace(tzinfo=UTC).timestamp() for name in ("from", "to"))
        inside = [i for i in self.items if i["related"] == asked["symbol"] and _inside(i["datetime"], first, last + 86_400)]
        return sorted(inside, key=lambda i: -i["datetime"] if isinstance(i["datetime"], int) else 0)[: self.most]


def daily(symbol: str, first: date, days: int) -> list[dict[str, Any]]:
    """An item a day, with the fields of both services."""
    found = []
    for number in range(days):
        when = datetime(first.year, first.month, first.day, 14, 30, tzinfo=UTC) + timedelta(days=number)
        words = {"id": number + 1, "headline": f"Headline {number}", "summary": f"Summary {number}", "source": "wire", "url": ""}
        stamp = when.strftime("%Y-%m-%dT%H:%M:%SZ")
        told = {"created_at": stamp, "updated_at": stamp, "symbols": [symbol], "related": symbol, "datetime": int(when.timestamp())}
        found.append(words | told)
    return found


def _time(text: Any, default: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return default
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _inside(when: Any, low: float, high: float) -> bool:
    return not isinstance(when, int) or when == 0 or low <= when < high


class _Handler(BaseHTTPRequestHandler):
    stand_in: NewsServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        stand_in, parts = self.stand_in, urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        stand_in.log.append({"path": parts.path, **asked})
        stand_in.keys_in_urls |= any(key in self.path for key in KEYS.values())
        if fault := stand_in.next_fault():
            self._misbehave(fault)
        elif parts.path == "/v1beta1/news":
            mine = (self.headers.get("APCA-API-KEY-ID"), self.headers.get("APCA-API-SECRET-KEY"))
            right = mine == (KEYS["alpaca_key_id"], KEYS["alpaca_secret_key"])
            self._send(200 if right else 401, stand_in.alpaca(asked) if right else {"message": f"unauthorized: {mine}"})
        elif parts.path == "/api/v1/company-news":
            right = self.headers.get("X-Finnhub-Token") == KEYS["finnhub_key"]
            self._send(
                200 if right else 401, stand_in.finnhub(asked) if right else {"error": f"Invalid key {self.headers.get('X-Finnhub-Token')}"}
            )
        else:
            self._send(404, {"message": "no such endpoint"})

    def _misbehave(self, fault: str) -> None:
        if fault == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif fault == "html":
            self._body(200, b"<html><body>Just a moment</body></html>", "text/html")
        elif fault == "broken":
            self._body(200, b'{"news": [{"id": 1, "headl')
        elif fault == "empty":
            self._body(200, b"")
        elif fault == "list":
            self._send(200, ["not", "news"])
        elif fault == "object":
            self._send(200, {"news": "none", "error": "?"})
        elif fault == "redirect":
            self._body(302, b"", extra={"Location": self.stand_in.elsewhere + self.path})
        else:
            headers = ", ".join(f"{name}={value}" for name, value in self.headers.items())
            extra = {"Retry-After": "30"} if fault == "429" else {}
            self._body(int(fault), json.dumps({"message": f"refused; you sent {headers}"}).encode(), extra=extra)

    def _send(self, status: int, answer: Any) -> None:
        self._body(status, json.dumps(answer).encode())

    def _body(self, status: int, body: bytes, kind: str = "application/json", extra: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close", **(extra or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True
