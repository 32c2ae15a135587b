"""A stand-in for Yahoo Finance: as much of its HTTP as the real yfinance needs, its awkward rows, its ways to fail.

Stocks are kept as traded and served as Yahoo serves them: prices, volumes and dividends on the share basis of "today", single
precision, null and duplicate rows included. So a split added to a stock rescales its whole past, exactly the trap a client has to
survive. Everything is made up and the same on every machine. Use it as a context manager, or run it:

    python -m tests.stand_ins.yahoo --port 8899        # prints its address; RECOLLECT_YAHOO_URL takes it

Shapes follow yfinance's parsers and were not recorded from Yahoo. Tickers that begin with ZZ misbehave; any path can be told to by
``rule`` (or POST /__stub__/rules).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from agent.market.sessions import Calendar

FIRST = date(2018, 1, 2)
MODES = ("401", "404", "429", "500", "html", "malformed", "empty", "drop", "slow")
FAULTS = {
    "ZZ401": "401",
    "ZZ404": "404",
    "ZZ429": "429",
    "ZZ500": "500",
    "ZZHTML": "html",
    "ZZBAD": "malformed",
    "ZZEMPTY": "empty",
    "ZZDROP": "drop",
    "ZZSLOW": "slow",
}
COOKIE = ("Set-Cookie", "A3=d=stand-in; Expires=Wed, 01 Jan 2098 00:00:00 GMT; Path=/")
CONSENT = '<form><input name="csrfToken" value="x"><input name="sessionId" value="y"></form>'
NO_SUCH = {"chart": {"result": None, "error": {"code": "Not Found", "description": "No data found, symbol may be delisted"}}}
NO_DATA = {"chart": {"result": None, "error": {"code": "Bad Request", "description": "Data doesn't exist for startDate = 0, endDate = 1"}}}
RANGES = {"1d": 1, "5d": 5, "1mo": 21, "3mo": 63, "6mo": 126, "1y": 252, "5y": 1260, "max": 10**6}


@dataclass
class Venue:
    """Where a stock trades, in Yahoo's words and as a calendar."""

    code: str = "NMS"
    name: str = "NasdaqGS"
    zone: str = "America/New_York"
    calendar: str = "XNYS"
    currency: str = "USD"
    kind: str = "EQUITY"


@dataclass
class Row:
    """One session as traded; None is what Yahoo calls null."""

    day: date
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None


@dataclass
class Item:
    """One headline. ``when`` as Yahoo writes it, or anything else to see what a client makes of it."""

    id: str
    title: str
    when: Any
    summary: str = "A summary."
    publisher: str = "Stand-in Wire"
    url: str = "https://example.invalid/story"
    shown: Any = None


@dataclass
class Stock:
    """All there is about one ticker, as traded and as paid. ``last_row``: ``dup`` or ``live`` repeats the newest session.

    ``split_in_prices`` False: splits are listed but not worked into the prices. ``gain_in_dividend``: a fund's dividend holds its gain.
    """

    symbol: str
    name: str
    venue: Venue = field(default_factory=Venue)
    rows: list[Row] = field(default_factory=list)
    splits: dict[date, float] = field(default_factory=dict)
    dividends: dict[date, float] = field(default_factory=dict)
    gains: dict[date, float] = field(default_factory=dict)
    news: list[Item] = field(default_factory=list)
    last_row: str = ""
    dividend_currency: str = ""
    split_in_prices: bool = True
    gain_in_dividend: bool = False


LONDON = Venue("LSE", "LSE", "Europe/London", "XLON", "GBp")
XETRA = Venue("GER", "XETRA", "Europe/Berlin", "XETR", "EUR")
NYSE = Venue("NYQ", "NYSE")
ARCA = Venue("PCX", "NYSEArca", kind="ETF")
STOCKS: dict[str, tuple[str, Venue]] = {
    **{symbol: (f"{symbol} Corporation", Venue()) for symbol in ("AAPL", "AMZN", "CSCO", "INTC", "MSFT", "NVDA")},
    **{
        symbol: (f"{symbol} Company", NYSE)
        for symbol in ("BA", "BRK-B", "CAT", "CRM", "CVX", "DIS", "GS", "HD", "IBM", "JNJ", "JPM", "KO", "MCD", "MMM", "UNH", "WMT", "XOM")
    },
    "SPY": ("Stand-in 500 Trust", ARCA),
    "ZZFUND": ("Fund with capital gains", Venue("NAS", "Nasdaq", kind="MUTUALFUND")),
    "VOD.L": ("Vodafone stand-in plc", LONDON),
    "BMW.DE": ("BMW stand-in AG", XETRA),
    "^GSPC": ("Index of five hundred", Venue("SNP", "SNP", kind="INDEX")),
    "BTC-USD": ("Bitcoin USD", Venue("CCC", "CCC", "UTC", "XNYS", "USD", "CRYPTOCURRENCY")),
    "ZZODD": ("Trades nowhere known", Venue("QQQ", "Nowhere", "Antarctica/Troll")),
    **{symbol: (f"{symbol} Inc.", Venue()) for symbol in ("ZZNAN", "ZZZERO", "ZZSPLIT", "ZZDUP", "ZZLIVE", "ZZSLOW")},
}


# ----------------------------------------------------------------------------------------------------------- made-up stocks


@lru_cache(maxsize=8)
def _sessions(calendar: str, first: date) -> tuple[date, ...]:
    return tuple(session.day for session in Calendar(calendar).sessions(first, date(2035, 12, 28)))


def made_up(symbol: str, until: date, first: date = FIRST) -> Stock:
    """A random walk of its own for every ticker, from ``first`` to ``until``; the same prefix whatever ``until`` is."""
    name, venue = STOCKS[symbol]
    draw = random.Random(symbol)
    price, rows = 40 + 160 * draw.random(), []
    for day in _sessions(venue.calendar, first):
        if day > until:
            break
        start = price
        price *= 1 + 0.03 * (draw.random() - 0.49)
        high, low = max(start, price) * (1 + 0.004 * draw.random()), min(start, price) * (1 - 0.004 * draw.random())
        rows.append(Row(day, round(start, 2), round(high + 0.01, 2), round(low - 0.01, 2), round(price, 2), draw.randint(10**6, 5 * 10**6)))
    stock = Stock(symbol, name, venue, rows)
    _awkward(stock)
    return stock


def _awkward(stock: Stock) -> None:
    """What is special about some tickers."""
    days = [row.day for row in stock.rows]
    if stock.symbol in ("AAPL", "SPY", "VOD.L"):
        stock.dividends = {day: 0.25 for day in days[40::63]}
    if stock.symbol == "ZZSPLIT":
        stock.splits, stock.dividends = {days[200]: 4.0}, {days[180]: 0.8, days[220]: 0.25}
        for row in stock.rows[200:]:
            row.open, row.high, row.low, row.close = (x and round(x / 4, 2) for x in (row.open, row.high, row.low, row.close))
    if stock.symbol == "ZZFUND":
        stock.dividends, stock.gains = {days[150]: 0.4}, {days[150]: 1.5}
    if stock.symbol == "ZZNAN":
        stock.rows[10] = Row(days[10], None, None, None, None, None)
        stock.rows[11].close = None
        stock.rows[12].volume = None
    if stock.symbol == "ZZZERO":
        stock.rows[10] = Row(days[10], 0.0, 0.0, 0.0, 0.0, 0)
        stock.rows[11].open = 0.0
    stock.last_row = {"ZZDUP": "dup", "ZZLIVE": "live"}.get(stock.symbol, "")


def headlines(symbol: str, now: datetime, count: int = 40) -> list[Item]:
    """Made-up news, one every 18 hours before ``now``, newest first."""
    return [
        Item(
            f"{symbol}-{step}",
            f"{symbol} headline number {step}",
            (now - timedelta(hours=1 + 18 * step)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            url=f"https://example.invalid/{symbol}/{step}",
        )
        for step in range(count)
    ]


def from_bundle(folder: Path) -> dict[str, Stock]:
    """Stocks from a folder of canonical Parquet tables (prices, dividends, splits, news)."""
    import pandas as pd

    stocks = {}
    for symbol, group in pd.read_parquet(folder / "prices.parquet").groupby("symbol"):
        rows = [Row(x.date.date(), x.open, x.high, x.low, x.close, x.volume) for x in group.sort_values("date").itertuples()]
        stocks[str(symbol)] = Stock(str(symbol), str(symbol), Venue(), rows)
    for x in pd.read_parquet(folder / "dividends.parquet").itertuples():
        stocks[x.symbol].dividends[x.ex_date.date()] = float(x.amount)
    for x in pd.read_parquet(folder / "news.parquet").sort_values("published_at", ascending=False).itertuples():
        if x.symbol in stocks:
            stamp = x.published_at.strftime("%Y-%m-%dT%H:%M:%SZ")
            stocks[x.symbol].news.append(Item(x.id, x.title, stamp, x.summary, x.publisher, x.url))
    return stocks


# ------------------------------------------------------------------------------------------------------------ Yahoo's shapes


def single(value: float | None) -> float | None:
    """Yahoo's numbers hold single precision only."""
    return None if value is None else float(struct.unpack("f", struct.pack("f", value))[0])


class _Page:
    """One stock as Yahoo would show it at ``now``."""

    def __init__(self, stock: Stock, now: datetime) -> None:
        self.stock, self.now = stock, now
        self.zone = ZoneInfo(stock.venue.zone)
        self.today = now.astimezone(self.zone).date()
        self.calendar = Calendar(stock.venue.calendar)
        self.splits = {day: ratio for day, ratio in stock.splits.items() if day <= self.today}
        self.rows = [row for row in stock.rows if self.opened(row.day) <= now.timestamp()]

    def opened(self, day: date) -> int:
        """Yahoo stamps a daily bar with the opening of its session."""
        at = self.calendar.session(day).open_at if day in self.calendar else datetime(day.year, day.month, day.day, 9, 30, tzinfo=self.zone)
        return int(at.timestamp())

    def basis(self, day: date) -> float:
        """Shares of today per share of ``day``."""
        ratio = 1.0
        for ex_date, each in self.splits.items() if self.stock.split_in_prices else ():
            ratio *= each if ex_date > day else 1.0
        return ratio

    def chart(self, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        low, high = int(query.get("period1", -(2**40))), int(query.get("period2", 2**40))
        chosen = [row for row in self.rows if low <= self.opened(row.day) < high]
        if "range" in query:
            chosen = self.rows[-RANGES[query["range"]] :]
        if not chosen:
            if self.rows and low > self.opened(self.rows[-1].day) + 10 * 86_400:
                return 400, NO_DATA
            return 200, {"chart": {"result": [{"meta": self.meta(query), "indicators": {"quote": [{}], "adjclose": [{}]}}], "error": None}}
        result = {"meta": self.meta(query), **self.quotes(chosen)}
        if events := self.events(low, high):
            result["events"] = events
        return 200, {"chart": {"result": [result], "error": None}}

    def quotes(self, rows: list[Row]) -> dict[str, Any]:
        stamps = [self.opened(row.day) for row in rows]
        columns: dict[str, list[float | None]] = {}
        for name in ("open", "high", "low", "close"):
            values = [(getattr(row, name), self.basis(row.day)) for row in rows]
            columns[name] = [None if value is None else single(value / basis) for value, basis in values]
        columns["volume"] = [None if row.volume is None else int(row.volume * self.basis(row.day)) for row in rows]
        adjusted = self.adjusted(rows, columns["close"])
        if self.stock.last_row:
            stamps.append(stamps[-1] + (19_800 if self.stock.last_row == "live" else 0))
            for column in (*columns.values(), adjusted):
                column.append(column[-1])
        return {"timestamp": stamps, "indicators": {"quote": [columns], "adjclose": [{"adjclose": adjusted}]}}

    def adjusted(self, rows: list[Row], closes: list[float | None]) -> list[float | None]:
        """Close times the running product of (1 - distribution / close before)."""
        factor, found = 1.0, []
        for position in range(len(rows) - 1, -1, -1):
            close, day = closes[position], rows[position].day
            found.append(None if close is None else single(close * factor))
            gain = 0.0 if self.stock.gain_in_dividend else self.stock.gains.get(day, 0.0)
            paid = (self.stock.dividends.get(day, 0.0) + gain) / self.basis(day)
            before = closes[position - 1] if position else None
            if paid and before:
                factor *= 1 - paid / before
        return found[::-1]

    def events(self, low: int, high: int) -> dict[str, Any]:
        def stamped(table: dict[date, float], shape: Callable[[date, float, int], dict[str, Any]]) -> dict[str, Any]:
            known = {self.opened(day): (day, value) for day, value in table.items() if day <= self.today}
            return {str(stamp): shape(day, value, stamp) for stamp, (day, value) in known.items() if low <= stamp < high}

        def paid(day: date, value: float, stamp: int) -> dict[str, Any]:
            extra = {"currency": self.stock.dividend_currency} if self.stock.dividend_currency else {}
            return {"amount": round(value / self.basis(day), 6), "date": stamp, **extra}

        def split(day: date, ratio: float, stamp: int) -> dict[str, Any]:
            numerator, denominator = (ratio, 1.0) if ratio >= 1 else (1.0, round(1 / ratio, 6))
            return {"date": stamp, "numerator": numerator, "denominator": denominator, "splitRatio": f"{numerator:g}:{denominator:g}"}

        every = {
            "dividends": stamped(self.stock.dividends, paid),
            "splits": stamped(self.splits, split),
            "capitalGains": stamped(self.stock.gains, lambda day, value, stamp: {"amount": value / self.basis(day), "date": stamp}),
        }
        return {name: table for name, table in every.items() if table}

    def meta(self, query: dict[str, str]) -> dict[str, Any]:
        stock, venue = self.stock, self.stock.venue
        last = self.rows[-1] if self.rows else None
        opened = self.opened(last.day) if last else 0
        offset = datetime.fromtimestamp(opened, self.zone).utcoffset() or timedelta()
        regular = {"timezone": "XXX", "start": opened, "end": opened + 23_400, "gmtoffset": int(offset.total_seconds())}
        return {
            "currency": venue.currency,
            "symbol": stock.symbol,
            "exchangeName": venue.code,
            "fullExchangeName": venue.name,
            "instrumentType": venue.kind,
            "firstTradeDate": self.opened(stock.rows[0].day) if stock.rows else None,
            "regularMarketTime": min(opened + 23_400, int(self.now.timestamp())),
            "regularMarketPrice": last.close if last else None,
            "gmtoffset": int(offset.total_seconds()),
            "timezone": "XXX",
            "exchangeTimezoneName": venue.zone,
            "priceHint": 2,
            "dataGranularity": query.get("interval", "1d"),
            "range": query.get("range", ""),
            "validRanges": list(RANGES),
            "longName": stock.name,
            "shortName": stock.name,
            "currentTradingPeriod": {part: regular for part in ("pre", "regular", "post")},
        }

    def news(self, count: int) -> dict[str, Any]:
        """The stream as the site sends it, an advertisement included."""
        stream: list[dict[str, Any]] = [_story(self.stock.symbol, item) for item in self.stock.news[:count]]
        if stream:
            stream.insert(1, {"id": "ad-1", "ad": [{"title": "Sponsored"}], "content": None})
        return {"data": {"tickerStream": {"stream": stream, "nextPage": True, "pagination": {"uuids": ""}}}, "status": "OK"}


def _story(symbol: str, item: Item) -> dict[str, Any]:
    content = {
        "id": item.id,
        "contentType": "STORY",
        "title": item.title,
        "description": "",
        "summary": item.summary,
        "pubDate": item.when,
        "displayTime": item.shown or item.when,
        "provider": {"displayName": item.publisher, "url": "https://example.invalid/"},
        "canonicalUrl": {"url": item.url, "site": "finance", "region": "US", "lang": "en-US"},
        "clickThroughUrl": None,
        "finance": {"stockTickers": [{"symbol": symbol}]},
    }
    return {"id": item.id, "content": content}


# ---------------------------------------------------------------------------------------------------------------- the server


@dataclass
class Rule:
    """The next ``times`` requests whose path matches go wrong."""

    path: str
    mode: str
    times: int = 1
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"unknown mode {self.mode!r}; choose from {', '.join(MODES)}")


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: str
    symbol: str
    at: float


class YahooStandIn:
    """A server on 127.0.0.1. ``now``: what Yahoo's clock says; rows after it are not served. ``first``: where made-up rows begin.
    ``bundle``: real rows instead of made-up ones."""

    def __init__(
        self,
        *,
        port: int = 0,
        now: datetime | Callable[[], datetime] | None = None,
        first: date = FIRST,
        bundle: Path | None = None,
        slow_s: float = 3.0,
    ) -> None:
        self.clock: Callable[[], datetime] = now if callable(now) else (lambda: now or datetime.now(UTC))
        self.stocks: dict[str, Stock] = from_bundle(bundle) if bundle else {}
        self.bundled, self.first, self.slow_s = bundle is not None, first, slow_s
        self.rules: list[Rule] = []
        self.log: list[Seen] = []
        self.lock = threading.RLock()
        self.server = _Server(("127.0.0.1", port), _Handler)
        self.server.stand_in = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        Calendar()  # worked out before the first request: a client may be in a hurry
        self._thread = threading.Thread(target=lambda: self.server.serve_forever(poll_interval=0.05), daemon=True)

    def __enter__(self) -> YahooStandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def rule(self, path: str, mode: str, *, times: int = 1, seconds: float = 0.0) -> None:
        """Let the next ``times`` requests whose path matches the regular expression go wrong."""
        with self.lock:
            self.rules.append(Rule(path, mode, times, seconds))

    def reset(self) -> None:
        """Healthy again, with an empty log."""
        with self.lock:
            self.rules.clear()
            self.log.clear()

    def asked(self, path: str = "/v8/finance/chart/", symbol: str = "") -> list[Seen]:
        """The requests seen for a path (and a ticker)."""
        return [seen for seen in self.log if path in seen.path and (not symbol or seen.symbol == symbol)]

    def stock(self, symbol: str) -> Stock:
        """The stock of a ticker, made up at first use; KeyError where there is none. What is changed in it is served at once."""
        with self.lock:
            if symbol not in self.stocks:
                if self.bundled or symbol not in STOCKS:
                    raise KeyError(symbol)
                self.stocks[symbol] = made_up(symbol, self.clock().date() + timedelta(days=1), self.first)
                self.stocks[symbol].news = headlines(symbol, self.clock())
            return self.stocks[symbol]

    def fault(self, path: str, symbol: str) -> Rule | None:
        """What goes wrong with this request, if anything."""
        with self.lock:
            for rule in self.rules:
                if rule.times > 0 and re.search(rule.path, path):
                    rule.times -= 1
                    return rule
        return Rule(path, FAULTS[symbol]) if symbol in FAULTS else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    stand_in: YahooStandIn

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections cut in the middle are part of the job."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        stub, parts = self.server.stand_in, urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}") if self._is_json() else {}
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if parts.path.startswith("/__stub__/"):
            return self._control(parts.path, body)
        config = body.get("serviceConfig", {})
        found = re.fullmatch(r"/v8/finance/chart/(.+)", parts.path)
        symbol = found[1] if found else (config.get("s") or [""])[0]
        symbol = symbol.replace("%5E", "^").replace("%3D", "=")
        with stub.lock:
            stub.log.append(Seen(self.command, parts.path, parts.query, symbol, time.time()))
        fault = stub.fault(parts.path, symbol)
        if fault and self._fail(fault.mode, fault.seconds or stub.slow_s):
            return None
        if found or parts.path == "/xhr/ncp":
            return self._data(symbol, query, None if found else int(config.get("snippetCount", 10)))
        return self._manners(parts.path)

    def _is_json(self) -> bool:
        return self.path.startswith(("/xhr/", "/__stub__/"))

    def _data(self, symbol: str, query: dict[str, str], headlines_wanted: int | None) -> None:
        stub = self.server.stand_in
        with stub.lock:
            try:
                page: _Page | None = _Page(stub.stock(symbol), stub.clock())
            except KeyError:
                page = None
            if headlines_wanted is not None:
                empty = {"data": {"tickerStream": {"stream": []}}, "status": "OK"}
                status, answer = 200, page.news(headlines_wanted) if page else empty
            else:
                status, answer = page.chart(query) if page else (404, NO_SUCH)
        self._send(status, answer)

    def _manners(self, path: str) -> None:
        """Cookies, consent and crumb."""
        if path == "/v1/test/getcrumb":
            return self._send(200, "stand.in.crumb", "text/plain")
        if path == "/consent":
            return self._send(200, CONSENT, "text/html")
        if path in ("/", "/v2/collectConsent", "/copyConsent"):
            return self._send(404 if path == "/" else 200, "stand-in", "text/plain", COOKIE)
        return self._send(404, {"finance": {"result": None, "error": {"code": "Not Found", "description": f"no {path} here"}}})

    def _control(self, path: str, body: dict[str, Any]) -> None:
        stub = self.server.stand_in
        if path.endswith("/rules"):
            stub.rule(body["path"], body["mode"], times=body.get("times", 1), seconds=body.get("seconds", 0.0))
        elif path.endswith("/reset"):
            stub.reset()
        self._send(200, [vars(seen) for seen in stub.log])

    def _fail(self, mode: str, seconds: float) -> bool:
        """Misbehave; False where the answer still has to come."""
        if mode == "slow":
            time.sleep(seconds)
            return False
        if mode == "drop":
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR)
            return True
        answers: dict[str, tuple[int, Any, str]] = {
            "429": (429, "Too Many Requests\r\n", "text/html"),
            "401": (
                401,
                {"finance": {"result": None, "error": {"code": "Unauthorized", "description": "Invalid Crumb"}}},
                "application/json",
            ),
            "404": (404, NO_SUCH, "application/json"),
            "500": (500, "<html><body>Internal Server Error</body></html>", "text/html"),
            "html": (200, "<html><body>Will be right back...</body></html>", "text/html"),
            "malformed": (200, '{"chart":{"result":[{"meta":{"currency":"USD","symb', "application/json"),
            "empty": (200, {"chart": {"result": [], "error": None}}, "application/json"),
        }
        status, body, kind = answers[mode]
        self._send(status, body, kind, ("Retry-After", "30") if mode == "429" else None)
        return True

    def _send(self, status: int, body: Any, kind: str = "application/json", header: tuple[str, str] | None = None) -> None:
        raw = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(raw)))
        if header:
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(raw)


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8899, help="0 picks a free one")
    parser.add_argument("--bundle", type=Path, help="folder of Parquet tables with real rows")
    parser.add_argument("--now", type=datetime.fromisoformat, help="what the server's clock says, such as 2025-07-01T12:00:00+00:00")
    given = parser.parse_args()
    with YahooStandIn(port=given.port, bundle=given.bundle, now=given.now) as stub:
        print(stub.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
