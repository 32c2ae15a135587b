"""Yahoo Finance through yfinance: prices, splits, dividends and the newest headlines, without a key.

Yahoo rescales a ticker's whole past at every split, and by default at every dividend. Here prices, volumes and dividends come out as
they were quoted, traded and paid: asked for without dividend adjustment, always up to today so that every later split is known, and
multiplied by those splits again. A later split or dividend therefore changes no earlier row.

Promise: one attempt per question, one class of error per situation, never an empty table in place of an error. Waiting, repeating and
keeping is the cache's work. What Yahoo's library keeps to itself between calls (answers of any status) is thrown away before each one.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from agent.errors import NoData, RecollectError, SpecError
from agent.market import tables
from agent.market.sessions import Calendar, quiet_pandas
from agent.market.sources.base import (
    BadResponse,
    Covered,
    Fetched,
    Issue,
    Listing,
    NoRowsInRange,
    NotSupported,
    Place,
    RateLimited,
    SourceDown,
    UnknownSymbol,
    clipped,
    whole,
)
from agent.market.sources.folder import as_traded

CHART, NEWS = "/v8/finance/chart/", "/xhr/ncp"
CONTROLS = ("SPY", "AAPL")  # tickers that exist: if even they are unknown, it is Yahoo that is ill
FRESH = timedelta(seconds=60)  # bars, splits and dividends of one ticker asked for within this time share one answer
LATE_SESSIONS = 5  # a newest bar this few sessions back may still be coming; one further back means that trading has ended
NEWS_COUNT = 200  # Yahoo gives no more
EARLIEST = date(1900, 1, 1)
DIGITS = 6  # of the seven that single precision holds; the last one is noise
PRICES = ["open", "high", "low", "close"]
HUNDREDTHS = {"GBp": "GBP", "GBX": "GBP", "ZAc": "ZAR", "ZAC": "ZAR", "ILA": "ILS"}
TICKER = re.compile(r"\^?[A-Z0-9](?:[A-Z0-9]|[.\-=](?=[A-Z0-9])){0,18}")
ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")
KINDS = ("EQUITY", "ETF", "MUTUALFUND", "INDEX")

# Yahoo's exchange codes by calendar.
_CODES = {
    "XNYS": "NMS NGM NCM NAS NIM NYQ ASE PCX BTS PNK OQX OQB OEM OGM YHD SNP DJI WCB CXI",
    "XLON": "LSE IOB FGI AQS",
    "XETR": "GER",
    "XFRA": "FRA BER MUN STU",
    "XDUS": "DUS",
    "XHAM": "HAM HAN",
    "XPAR": "PAR ENX",
    "XAMS": "AMS",
    "XBRU": "BRU",
    "XLIS": "LIS",
    "XMIL": "MIL",
    "XMAD": "MCE",
    "XSWX": "EBS",
    "XWBO": "VIE",
    "XCSE": "CPH",
    "XSTO": "STO",
    "XHEL": "HEL",
    "XOSL": "OSL",
    "XICE": "ICE",
    "XDUB": "ISE",
    "XWAR": "WSE",
    "XPRA": "PRA",
    "XBUD": "BUD",
    "XIST": "IST",
    "XTKS": "JPX TYO OSA",
    "XSHG": "SHH SHZ",  # Shenzhen keeps the same days
    "XSES": "SES",
    "XBOM": "BSE NSI",  # so do the two of Mumbai
    "XSAU": "SAU",
    "XHKG": "HKG",
    "XTAI": "TAI TWO",
    "XKRX": "KSC KOE",
    "XKLS": "KLS",
    "XIDX": "JKT",
    "XBKK": "SET",
    "XASX": "ASX",
    "XNZE": "NZE",
    "XTSE": "TOR VAN CNQ NEO",
    "BVMF": "SAO",
    "XMEX": "MEX",
    "XBUE": "BUE",
    "XSGO": "SGO",
    "XJSE": "JNB",
}
# The endings of tickers, for deciding about a range before anybody is asked.
_ENDINGS = {
    "XLON": "L IL",
    "XETR": "DE",
    "XFRA": "F BE MU SG",
    "XDUS": "DU",
    "XHAM": "HM HA",
    "XPAR": "PA",
    "XAMS": "AS",
    "XBRU": "BR",
    "XLIS": "LS",
    "XMIL": "MI",
    "XMAD": "MC",
    "XSWX": "SW",
    "XWBO": "VI",
    "XCSE": "CO",
    "XSTO": "ST",
    "XHEL": "HE",
    "XOSL": "OL",
    "XICE": "IC",
    "XDUB": "IR",
    "XWAR": "WA",
    "XPRA": "PR",
    "XBUD": "BD",
    "XIST": "IS",
    "XTKS": "T",
    "XSHG": "SS SZ",
    "XSES": "SI",
    "XBOM": "BO NS",
    "XSAU": "SR",
    "XHKG": "HK",
    "XTAI": "TW TWO",
    "XKRX": "KS KQ",
    "XKLS": "KL",
    "XIDX": "JK",
    "XBKK": "BK",
    "XASX": "AX",
    "XNZE": "NZ",
    "XTSE": "TO V CN NE",
    "BVMF": "SA",
    "XMEX": "MX",
    "XBUE": "BA",
    "XSGO": "SN",
    "XJSE": "JO",
}
EXCHANGES = {code: calendar for calendar, codes in _CODES.items() for code in codes.split()}
ENDINGS = {ending: calendar for calendar, endings in _ENDINGS.items() for ending in endings.split()}
ZONES = {
    "America/New_York": "XNYS",
    "Europe/London": "XLON",
    "Europe/Berlin": "XETR",
    "Europe/Paris": "XPAR",
    "Europe/Amsterdam": "XAMS",
    "Europe/Zurich": "XSWX",
    "Asia/Tokyo": "XTKS",
    "Asia/Hong_Kong": "XHKG",
    "America/Toronto": "XTSE",
    "Australia/Sydney": "XASX",
}


class YahooOptions(BaseModel):
    """Nothing to choose: Yahoo asks for no key."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class _Chart:
    """One answer about a ticker: yfinance's rows, Yahoo's own events and description. ``rows`` may be empty."""

    symbol: str
    meta: Mapping[str, Any]
    rows: pd.DataFrame
    events: Mapping[str, Any]
    start: date
    heard_at: datetime

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(str(self.meta["exchangeTimezoneName"]))

    @property
    def today(self) -> date:
        return self.heard_at.astimezone(self.zone).date()


@dataclass
class _Heard:
    """What came of one question: a value or an error, and the answers that the server gave meanwhile."""

    value: Any = None
    error: Exception | None = None
    answers: list[Any] = field(default_factory=list)

    def last(self, path: str) -> Any:
        """The newest answer of the data address ``path`` (not of cookies and crumbs); None where none came."""
        return next((answer for asked, answer in reversed(self.answers) if asked.startswith(path)), None)


class YahooSource:
    """Any ticker that Yahoo knows. ``pace_s``: least time between two questions of the process; ``timeout_s``: of one request."""

    Options = YahooOptions
    provides = frozenset({"bars", "splits", "dividends", "news"})
    note = ""
    network = True
    version = "1"  # goes up when the same answer of Yahoo becomes other rows
    pace_s = 0.3
    timeout_s = 10.0
    retries = 2  # yfinance's own, for broken connections only

    def __init__(self, options: YahooOptions | None = None, place: Place | None = None) -> None:
        self.options = options or YahooOptions()
        self.place = place or Place()
        self._charts: dict[str, _Chart] = {}
        self._control_until = datetime.min.replace(tzinfo=UTC)

    def listings(self) -> list[Listing]:
        """Empty: any ticker may be asked for."""
        return []

    def fingerprint(self) -> str:
        """Empty: what Yahoo will answer is not known before."""
        return ""

    def listing(self, symbol: str) -> Listing:
        """Name, calendar and currency; UnknownSymbol, or NotSupported for what trades on no exchange we have a calendar of."""
        symbol = ticker(symbol)
        known = self._charts.get(symbol)
        if known is None or self.place.now() - known.heard_at >= FRESH:
            known = self._ask_chart(symbol, self.place.now().date() - timedelta(days=10))
        meta = known.meta
        exchange = exchange_of(symbol, meta)
        first, last = (_day(meta.get(name), known.zone) for name in ("firstTradeDate", "regularMarketTime"))
        done = self._done(Calendar(exchange))
        return Listing(
            symbol,
            str(meta.get("longName") or meta.get("shortName") or symbol),
            exchange=exchange,
            currency=_money(symbol, meta)[0],
            first=first,
            last=min(last, done) if last and done else last,
            extra={"kind": str(meta.get("instrumentType", "")), "market": str(meta.get("fullExchangeName", ""))},
        )

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        """Rows with start <= day < end, as traded and as paid. Ranges without a session and in the future are never asked for."""
        symbol = ticker(symbol)
        if table not in self.provides:
            raise NotSupported(f"Yahoo Finance has no {table} here; it has {', '.join(sorted(self.provides))}.", field="table")
        if start > end:
            raise SpecError(f"The start {start} is after the end {end}; swap them.", field="start")
        now = self.place.now()
        if start > (now + timedelta(hours=14)).date():  # somewhere on earth it may be tomorrow already
            raise NoRowsInRange(f"{start} to {end} lies in the future; there is nothing of {symbol} yet.", field="tickers")
        if table == "news":
            return self._news(symbol, start, end)
        if not self._worth_asking(symbol, start, end):
            return Fetched(tables.empty(table), fetched_at=now)
        chart = self._history(symbol, start)
        calendar = Calendar(exchange_of(symbol, chart.meta))
        frame, issues = _table(table, chart, start, end, self._done(calendar))
        inside = frame[_within(frame[tables.DAY_COLUMN[table]], start, end)].reset_index(drop=True)
        return Fetched(inside, self._covered(chart, calendar, start, end), issues, chart.heard_at)

    # -------------------------------------------------------------------------------------------------------------- what to ask

    def _worth_asking(self, symbol: str, start: date, end: date) -> bool:
        """False while no session of the range is complete; NoRowsInRange where the calendar has none. Decided without a request."""
        known = self._charts.get(symbol)
        suffix = symbol.rpartition(".")[2] if "." in symbol else ""
        code = exchange_of(symbol, known.meta) if known else ENDINGS.get(suffix, "" if suffix else "XNYS")
        if start == end:
            raise NoRowsInRange(f"{start} to {end} is an empty range; the end is not included.", field="tickers")
        if not code or (not known and symbol.startswith("^")):  # an index without an ending may belong to any exchange
            return True
        calendar = Calendar(code)
        try:
            sessions = calendar.sessions(start, end - timedelta(days=1))
        except NoData as error:
            raise NoRowsInRange(f"{symbol} has no rows: {error}", field="tickers") from None
        done = self._done(calendar)
        return done is not None and sessions[0].day <= done

    def _done(self, calendar: Calendar) -> date | None:
        """The newest session whose bar is final."""
        session = calendar.completed(self.place.now())
        return session.day if session else None

    def _covered(self, chart: _Chart, calendar: Calendar, start: date, end: date) -> Covered:
        """Up to the first session that is not complete, or whose bar is late."""
        done = self._done(calendar)
        if done is None:
            return ()
        whole_bars = chart.rows[(chart.rows[PRICES] > 0).all(axis=1) & (chart.rows["date"] <= pd.Timestamp(done))]
        newest = tables.day_of(whole_bars["date"].max()) if len(whole_bars) else chart.start - timedelta(days=1)
        if newest < done and calendar.count(newest, done) <= LATE_SESSIONS:
            done = newest
        try:
            until = calendar.next_session(done).day
        except NoData:  # the calendar ends here
            until = done + timedelta(days=1)
        return whole(start, min(end, until))

    # ------------------------------------------------------------------------------------------------------------------ asking

    def _history(self, symbol: str, start: date) -> _Chart:
        """The chart from ``start`` or before until today; one answer serves bars, splits and dividends."""
        known = self._charts.get(symbol)
        if known and known.start <= start and self.place.now() - known.heard_at < FRESH:
            return known
        return self._ask_chart(symbol, start)

    def _ask_chart(self, symbol: str, start: date) -> _Chart:
        start, now = max(start, EARLIEST), self.place.now()
        heard = self._hear_chart(symbol, start)
        answer = heard.last(CHART)
        result, code, words = _chart_answer(answer)
        if heard.error is not None and not result.get("meta"):
            if code == "Not Found":
                self._refuse_unknown(symbol)
            if "Data doesn't exist" in words:
                raise NoRowsInRange(f"{symbol} is known to Yahoo Finance, but has no rows since {start}.", field="tickers")
        if (heard.error is not None and result.get("timestamp")) or not result.get("meta"):
            raise self._trouble(symbol, heard, answer)
        if heard.error is not None and not _empty_shape(heard.error):
            raise self._trouble(symbol, heard, answer)
        rows = _rows(heard.value) if heard.error is None else _rows(pd.DataFrame())
        chart = _Chart(symbol, result["meta"], rows, result.get("events") or {}, start, now)
        self._charts = {name: old for name, old in self._charts.items() if now - old.heard_at < FRESH} | {symbol: chart}
        return chart

    def _hear_chart(self, symbol: str, start: date) -> _Heard:
        end = self.place.now().date() + timedelta(days=2)  # not included; past today everywhere, so no split is missed

        def history(which: Any) -> Any:
            return which.history(start=str(start), end=str(end), auto_adjust=False, actions=True, keepna=True, timeout=self.timeout_s)

        return self._hear(symbol, history)

    def _refuse_unknown(self, symbol: str) -> None:
        """UnknownSymbol, once a ticker that exists has been found with the same question."""
        if self.place.now() >= self._control_until:
            control = CONTROLS[symbol == CONTROLS[0]]
            heard = self._hear_chart(control, self.place.now().date() - timedelta(days=10))
            answer = heard.last(CHART)
            if not _chart_answer(answer)[0].get("meta"):
                trouble = self._trouble(control, heard, answer)
                if isinstance(trouble, RateLimited | SourceDown):
                    raise trouble
                raise SourceDown(
                    f"Yahoo Finance says that it knows neither {symbol} nor {control}, which exists.",
                    cure="Try again later; nothing is known about the ticker until then.",
                )
            self._control_until = self.place.now() + FRESH
        raise UnknownSymbol(
            f"Yahoo Finance has never heard of the ticker {symbol!r}. Check the spelling; outside the USA a ticker has an ending, such as VOD.L."
        )

    def _hear(self, symbol: str, question: Callable[[Any], Any]) -> _Heard:
        """One question to yfinance, alone in the process and paced."""
        with _ONE_AT_A_TIME:
            yfinance = _library(self.place.cache)
            from yfinance.data import YfData

            session = _session(self.place.urls.get("yahoo", ""))
            session.answers, session.timeout_s = [], self.timeout_s
            yfinance.config.network.retries = self.retries
            _pace(self.pace_s)
            YfData.cache_get.cache_clear()  # it keeps answers whatever their status: one 500 would stay for ever
            heard = _Heard(answers=session.answers)
            try:
                with quiet_pandas():
                    heard.value = question(yfinance.Ticker(symbol, session=session))
            except RecollectError:
                raise
            except Exception as error:  # yfinance lets through whatever its parsers stumble over; _trouble says which class it is
                heard.error = error
            finally:
                YfData.cache_get.cache_clear()
            return heard

    def _trouble(self, symbol: str, heard: _Heard, answer: Any) -> RecollectError:
        """The one error for what went wrong."""
        from curl_cffi.requests.exceptions import HTTPError, RequestException
        from yfinance.exceptions import YFRateLimitError

        error, status = heard.error, answer.status_code if answer is not None else 0
        if isinstance(error, YFRateLimitError) or status == 429:
            limits = [each.headers.get("Retry-After") for _, each in heard.answers if each.status_code == 429]
            found: RecollectError = RateLimited(
                f"Yahoo Finance does not want to be asked so often (429, while asking for {symbol}).",
                cure="Wait some minutes and try again.",
                retry_at=_retry_at(next(filter(None, reversed(limits)), ""), self.place.now()),
            )
        elif (isinstance(error, RequestException) and not isinstance(error, HTTPError)) or answer is None:
            found = SourceDown(
                f"Yahoo Finance does not answer ({_kind(error)}, while asking for {symbol}).",
                cure="Check the internet connection, proxy or firewall, and try again.",
            )
        elif status >= 500:
            found = SourceDown(f"Yahoo Finance reports a fault of its own ({status}, while asking for {symbol}).", cure="Try again later.")
        elif status in (401, 403):
            found = SourceDown(
                f"Yahoo Finance refuses to answer ({status}, while asking for {symbol}).",
                cure="Try again later; if it stays, a newer yfinance may be needed.",
            )
        else:
            found = BadResponse(
                f"Yahoo Finance answered something else than data for {symbol} ({_looks(answer)}).",
                cure="Try again later; if it stays, a newer yfinance may be needed.",
            )
        found.__cause__ = error
        return found

    # ------------------------------------------------------------------------------------------------------------------- news

    def _news(self, symbol: str, start: date, end: date) -> Fetched:
        """The newest headlines; Yahoo has no older ones, so the past before the oldest is not covered."""
        now = self.place.now()
        heard = self._hear(symbol, lambda which: which.get_news(count=NEWS_COUNT, tab="news"))  # a new Ticker: an old one repeats itself
        answer = heard.last(NEWS)
        if heard.error is not None or answer is None or answer.status_code >= 400 or not isinstance(_stream(answer), list):
            raise self._trouble(symbol, heard, answer)
        frame, issues = _headlines(symbol, heard.value)
        covered: Covered = ()
        if len(frame):
            oldest, newest = frame["available_at"].min(), max(pd.Timestamp(now), frame["available_at"].min())
            covered = clipped(((oldest, newest),), pd.Timestamp(start, tz="UTC"), pd.Timestamp(end, tz="UTC"))
        low, high = (pd.Timestamp(day, tz="UTC") for day in (start, end))
        inside = frame[(frame["available_at"] >= low) & (frame["available_at"] < high)].reset_index(drop=True)
        return Fetched(inside, covered, issues, now)


def ticker(symbol: str) -> str:
    """``symbol`` in capitals; UnknownSymbol where it cannot be a ticker, before it gets near an address or a file name."""
    clean = symbol.strip().upper()
    if not symbol.isascii() or not TICKER.fullmatch(clean):
        raise UnknownSymbol(
            f"{symbol[:40]!r} cannot be a ticker of Yahoo Finance; one has up to 20 letters and digits, with . - = between them or ^ in front."
        )
    if ISIN.fullmatch(clean):
        raise UnknownSymbol(f"{clean} is an ISIN; Yahoo Finance wants the ticker, such as AAPL.")
    return clean


def exchange_of(symbol: str, meta: Mapping[str, Any]) -> str:
    """The calendar of Yahoo's exchange; NotSupported where there is none."""
    kind, code, zone = (str(meta.get(name) or "") for name in ("instrumentType", "exchangeName", "exchangeTimezoneName"))
    found = EXCHANGES.get(code) or ZONES.get(zone)
    if kind not in KINDS or not found:
        where = f"{meta.get('fullExchangeName') or code or 'an exchange without a name'} ({zone or 'no time zone'})"
        raise NotSupported(
            f"{symbol} is {_article(kind)} on {where}; only shares, funds and indices of exchanges with a known calendar can be used.",
            field="tickers",
        )
    return found


# -------------------------------------------------------------------------------------------------------------- canonical tables


def _table(table: str, chart: _Chart, start: date, end: date, done: date | None) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
    """``table`` as traded, of sessions that are complete, and what was left out of [start, end)."""
    splits, notes = _splits(chart)
    if table == "splits":
        return tables.conform("splits", splits, where=chart.symbol)[0], notes
    if table == "dividends":
        return _dividends(chart, splits, start, end)
    return _bars(chart, splits, start, min(end, done + timedelta(days=1)) if done else start)


def _within(days: pd.Series, start: date, end: date) -> pd.Series:
    return (days >= pd.Timestamp(start)) & (days < pd.Timestamp(end))


def _bars(chart: _Chart, splits: pd.DataFrame, start: date, end: date) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
    frame = chart.rows[_within(chart.rows["date"], start, end)].assign(symbol=chart.symbol).reset_index(drop=True)
    prices = frame[PRICES]
    missing = prices.isna().any(axis=1)
    zero = (prices <= 0).any(axis=1) & ~missing
    crooked = (frame["high"] < prices.max(axis=1) * (1 - 1e-6)) | (frame["low"] > prices.min(axis=1) * (1 + 1e-6))
    issues = [
        *_left_out(chart.symbol, frame[missing], "without a price", "missing"),
        *_left_out(chart.symbol, frame[zero], "with a price of zero", "zero"),
        *_left_out(chart.symbol, frame[crooked & ~missing & ~zero], "whose high or low contradicts its open or close", "crooked"),
    ]
    frame = frame[~missing & ~zero & ~crooked]
    usable, notes = _adjusted_splits(chart, splits)
    frame = as_traded("bars", frame, usable)
    frame[PRICES] = frame[PRICES].apply(_rounded) * _money(chart.symbol, chart.meta)[1]
    frame["volume"] = frame["volume"].round()
    clean, found = tables.conform("bars", frame[list(tables.SCHEMA["bars"])], where=chart.symbol)
    return clean, (*issues, *notes, *found)


def _left_out(symbol: str, rows: pd.DataFrame, words: str, code: str) -> list[Issue]:
    if rows.empty:
        return []
    days = [str(stamp.date()) for stamp in rows["date"]]
    shown = ", ".join(days[:10]) + (f" and {len(days) - 10} more" if len(days) > 10 else "")
    message = f"{symbol}: Yahoo's {'bar' if len(days) == 1 else f'{len(days)} bars'} {words} left out: {shown}."
    return [Issue("warning", "bars", message, symbol, len(days), tuple(days[:5]), code=code)]


def _adjusted_splits(chart: _Chart, splits: pd.DataFrame) -> tuple[pd.DataFrame, list[Issue]]:
    """Without the splits that Yahoo lists and has not (yet) worked into its prices: there the close itself still falls by the ratio."""
    kept, issues = [], []
    bars = chart.rows[(chart.rows[PRICES] > 0).all(axis=1)]  # that of a session still running included
    for split in splits.itertuples():
        before, after = bars[bars["date"] < split.ex_date], bars[bars["date"] >= split.ex_date]
        raw = False
        if len(before) and len(after) and abs(np.log(split.ratio)) > np.log(1.4):
            move = np.log(after["open"].iloc[0] / before["close"].iloc[-1])
            raw = abs(move + np.log(split.ratio)) < 0.25 * abs(np.log(split.ratio))
        kept.append(not raw)
        if raw:
            message = f"{chart.symbol}: Yahoo lists a split of {split.ratio:g} on {split.ex_date.date()} but has not adjusted its prices; taken as they are."
            issues.append(Issue("warning", "bars", message, chart.symbol, 1, (str(split.ex_date.date()),), code="unadjusted_split"))
    return splits[np.array(kept, dtype=bool)], issues


def _splits(chart: _Chart) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
    """Splits up to today, one per day. Yahoo's own events: yfinance moves one without a bar of its own to the bar before."""
    found: dict[date, set[float]] = {}
    odd = []
    for event in _events(chart, "splits"):
        day, new, old = event["day"], event.get("numerator"), event.get("denominator")
        if not new or not old or new < 0 or old < 0:
            odd.append(str(day))
        else:
            found.setdefault(day, set()).add(new / old)  # the same ratio twice on one day is one split
    rows = [(chart.symbol, pd.Timestamp(day), float(np.prod(list(ratios)))) for day, ratios in sorted(found.items())]
    frame = pd.DataFrame(rows, columns=["symbol", "ex_date", "ratio"]) if rows else tables.empty("splits")
    words = f"{chart.symbol}: splits without a ratio left out: {', '.join(odd)}."
    return frame, (Issue("warning", "splits", words, chart.symbol, len(odd), tuple(odd), code="missing"),) if odd else ()


def _dividends(chart: _Chart, splits: pd.DataFrame, start: date, end: date) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
    """Cash per share as paid. What a fund distributes of its gains counts as well, unless Yahoo's dividend already holds it."""
    money, factor = _money(chart.symbol, chart.meta)
    rows, foreign, gains = [], [], []
    for event in (each for each in _events(chart, "dividends") if start <= each["day"] < end):
        stated = str(event.get("currency") or "")
        of, scale = (HUNDREDTHS.get(stated, stated), 0.01 if stated in HUNDREDTHS else 1.0) if stated else (money, factor)
        if of != money:
            foreign.append(f"{event['day']} {stated}")
        elif event.get("amount"):
            rows.append((event["day"], float(event["amount"]) * scale))
    for event in (each for each in _events(chart, "capitalGains") if start <= each["day"] < end):
        paid = sum(amount for day, amount in rows if day == event["day"])
        if event.get("amount") and not _holds_gain(chart, event["day"], paid / factor, float(event["amount"])):
            rows.append((event["day"], float(event["amount"]) * factor))
            gains.append(str(event["day"]))
    frame = tables.empty("dividends")
    if rows:
        made = pd.DataFrame({"symbol": chart.symbol, "ex_date": [pd.Timestamp(day) for day, _ in rows], "amount": [x for _, x in rows]})
        clean = tables.conform("dividends", made, where=chart.symbol)[0]
        frame = as_traded("dividends", clean, splits)
        # Yahoo divides by the later splits and keeps six decimals: 0.25 before a 3:1 split comes as 0.083333, hence three times that.
        shares = as_traded("dividends", clean.assign(amount=1.0), splits)["amount"]
        digits = np.floor(6 - np.log10(shares * factor))
        frame["amount"] = np.round(frame["amount"] * 10**digits) / 10**digits
    return frame, (*_noted(chart.symbol, gains, "capital_gains"), *_noted(chart.symbol, foreign, "currency"))


def _noted(symbol: str, days: list[str], code: str) -> list[Issue]:
    words = {
        "capital_gains": "distributed capital gains count as dividends",
        "currency": "dividends in another currency than the price left out",
    }
    shown = ", ".join(days[:5]) + (f" and {len(days) - 5} more" if len(days) > 5 else "")
    return (
        [Issue("warning", "dividends", f"{symbol}: {words[code]}: {shown}.", symbol, len(days), tuple(days[:5]), code=code)] if days else []
    )


def _holds_gain(chart: _Chart, day: date, paid: float, gain: float) -> bool:
    """Whether Yahoo's dividend of ``day`` includes the gain, judged by how far its adjusted close fell behind on that day."""
    rows = chart.rows[["date", "close", "adj_close"]].dropna()
    before, after = rows[rows["date"] < pd.Timestamp(day)], rows[rows["date"] >= pd.Timestamp(day)]
    if not paid or before.empty or after.empty:
        return False
    old, new = before.iloc[-1], after.iloc[0]
    implied = old["close"] * (1 - (old["adj_close"] / old["close"]) / (new["adj_close"] / new["close"]))
    return bool(abs(implied - paid) < abs(implied - paid - gain))


def _events(chart: _Chart, kind: str) -> Iterable[dict[str, Any]]:
    """Yahoo's events of one kind with their ``day`` on the exchange, up to today."""
    listed = chart.events.get(kind) or {}
    for event in listed.values():
        day = _day(event.get("date"), chart.zone)
        if day is not None and day <= chart.today:
            yield {**event, "day": day}


def _rows(history: pd.DataFrame) -> pd.DataFrame:
    """yfinance's frame with our names: date (naive midnight), open, high, low, close, adj_close, volume."""
    names = {"Open": "open", "High": "high", "Low": "low", "Close": "close", "Adj Close": "adj_close", "Volume": "volume"}
    if history.empty:
        columns: dict[str, pd.Series] = {name: pd.Series(dtype="float64") for name in names.values()}
        return pd.DataFrame({"date": pd.Series(dtype="datetime64[us]"), **columns})
    found = history.reset_index(names="date").rename(columns=names)[["date", *names.values()]]
    return found.assign(date=found["date"].dt.tz_localize(None).dt.normalize().astype("datetime64[us]"))


def _rounded(values: pd.Series) -> pd.Series:
    """Without the noise of single precision: 153.33999633789062 was 153.34. Two decimals at least, six digits at most below 10,000."""
    array = values.to_numpy(dtype="float64")
    size = np.floor(np.log10(np.abs(array), where=array != 0, out=np.zeros_like(array)))
    scale = 10.0 ** np.maximum(2, DIGITS - 1 - size)
    return pd.Series(np.round(array * scale) / scale, index=values.index)


def _money(symbol: str, meta: Mapping[str, Any]) -> tuple[str, float]:
    """The currency, and what a quoted number has to be multiplied by to be in it: pence become pounds."""
    stated = str(meta.get("currency") or "")
    if not stated:
        raise NotSupported(f"Yahoo Finance names no currency for {symbol}, so its prices cannot be counted.", field="tickers")
    return (HUNDREDTHS[stated], 0.01) if stated in HUNDREDTHS else (stated, 1.0)


def _day(stamp: Any, zone: ZoneInfo) -> date | None:
    """The day on the exchange of an epoch in seconds; 22:00 and 23:00 sharp mean the next day (Yahoo's slips at clock changes)."""
    if not isinstance(stamp, int | float):
        return None
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=stamp)).astimezone(zone)
    return (local + timedelta(hours=2)).date() if local.hour in (22, 23) and local.minute == 0 else local.date()


# ------------------------------------------------------------------------------------------------------------------------- news


def _headlines(symbol: str, items: Sequence[Mapping[str, Any]]) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
    """Canonical news; what has no time is left out and counted, never dated by guess."""
    found, undated, bare = [], [], 0
    for item in items:
        row = _headline(item)
        if not row["title"]:
            bare += 1
        elif row["published_at"] is None:
            undated.append(row["title"][:80])
        else:
            found.append({"symbol": symbol, **row})
    issues = []
    if undated:
        words = f"{symbol}: {len(undated)} of Yahoo's news without a readable time left out: {'; '.join(undated[:3])}."
        issues.append(Issue("warning", "news", words, symbol, len(undated), tuple(undated[:5]), code="undated"))
    if bare:
        issues.append(
            Issue("warning", "news", f"{symbol}: {bare} of Yahoo's news without a title left out.", symbol, bare, code="untitled")
        )
    if not found:
        return tables.empty("news"), tuple(issues)
    frame = pd.DataFrame(found)
    for name in ("published_at", "available_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    clean, notes = tables.conform("news", frame, where=symbol)
    return clean, (*issues, *notes)


def _headline(item: Mapping[str, Any]) -> dict[str, Any]:
    """One item of either shape: nested under ``content``, or flat as the search gives it."""
    content = item.get("content") or item
    published = _moment(content.get("pubDate") if "pubDate" in content else content.get("providerPublishTime"))
    shown = _moment(content.get("displayTime"))
    links = [content.get(name) for name in ("canonicalUrl", "clickThroughUrl")]
    url = next((str(link["url"]) for link in links if isinstance(link, Mapping) and link.get("url")), content.get("link"))
    provider = content.get("provider")
    return {
        "id": str(item.get("id") or item.get("uuid") or content.get("id") or ""),
        "published_at": published,
        # A text that was shown again later may have been rewritten then, so it counts from that time.
        "available_at": shown + tables.NEWS_LAG if shown and published and shown > published else None,
        "title": str(content.get("title") or "").strip(),
        "summary": str(content.get("summary") or content.get("description") or ""),
        "publisher": str(provider.get("displayName") or "" if isinstance(provider, Mapping) else content.get("publisher") or ""),
        "url": str(url or ""),
    }


def _moment(value: Any) -> pd.Timestamp | None:
    """A time with a zone, or seconds since 1970; anything else is no time."""
    try:
        stamp = pd.Timestamp(value, unit="s", tz="UTC") if isinstance(value, int | float) else pd.Timestamp(str(value or ""))
    except (ValueError, OverflowError):
        return None
    if stamp is pd.NaT or stamp.tzinfo is None:
        return None
    usable = tables.FIRST_YEAR < stamp.year < tables.LAST_YEAR and stamp.timestamp() != 0  # 1970-01-01 is a placeholder
    return stamp.tz_convert("UTC") if usable else None


# ---------------------------------------------------------------------------------------------------------------- Yahoo's answers


def _chart_answer(answer: Any) -> tuple[dict[str, Any], str, str]:
    """(result, error code, error words) of a chart answer; empty where it is none."""
    body = _json(answer)
    chart = body.get("chart") if isinstance(body, dict) else None
    if not isinstance(chart, dict):
        return {}, "", ""
    found = chart.get("error")
    error = found if isinstance(found, dict) else {}
    results = chart.get("result")
    first = results[0] if isinstance(results, list) and results and isinstance(results[0], dict) else {}
    return first, str(error.get("code") or ""), str(error.get("description") or "")


def _stream(answer: Any) -> Any:
    """The list of news in an answer; None where it has none."""
    found: Any = _json(answer)
    for name in ("data", "tickerStream", "stream"):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _json(answer: Any) -> Any:
    try:
        return answer.json() if answer is not None else None
    except ValueError:
        return None


def _empty_shape(error: Exception) -> bool:
    """yfinance's complaint about an answer with a description of the ticker and no rows."""
    from yfinance.exceptions import YFPricesMissingError

    return isinstance(error, YFPricesMissingError)


def _retry_at(header: str, now: datetime) -> datetime | None:
    """The moment of a Retry-After header: seconds or a date."""
    if header.strip().isdigit():
        return now + timedelta(seconds=min(int(header), 86_400))
    try:
        return parsedate_to_datetime(header)
    except ValueError:
        return None


def _kind(error: Exception | None) -> str:
    """What kind of silence it was."""
    name = type(error).__name__ if error else "no data"
    known = {"Timeout": "timed out", "DNSError": "its name cannot be resolved", "ConnectionError": "connection failed"}
    ssl = "secure connection failed" if "SSL" in name or "Certificate" in name else ""
    return next((words for part, words in known.items() if part in name), ssl or f"connection broken, {name}")


def _looks(answer: Any) -> str:
    """What an unusable answer looked like."""
    text = str(answer.text)[:200].strip().lower()
    shape = "a web page" if text.startswith("<") else "JSON of another shape" if _json(answer) is not None else "broken JSON"
    return f"status {answer.status_code}, {shape}"


def _article(kind: str) -> str:
    word = kind.lower() or "something without a kind"
    return f"an {word}" if word[0] in "aeio" else f"a {word}"


# --------------------------------------------------------------------------------------------------- what the process shares


_ONE_AT_A_TIME = threading.Lock()  # yfinance keeps one session, cookie and crumb per process
_asked_at = float("-inf")


def _pace(seconds: float) -> None:
    """Wait until ``seconds`` after the last question."""
    global _asked_at
    wait = _asked_at + seconds - time.monotonic()
    if wait > 0:
        time.sleep(wait)
    _asked_at = time.monotonic()


_folder: Path | None = None  # where yfinance keeps its files at the moment


@lru_cache
def _own_folder() -> tempfile.TemporaryDirectory[str]:
    """A private folder that goes with the process."""
    return tempfile.TemporaryDirectory(prefix="recollect-yahoo-")


def _library(cache: Path | None) -> Any:
    """yfinance, told to raise its errors and to keep its files in a private folder of ours (it unpickles one of them)."""
    global _folder
    import yfinance
    from yfinance import cache as files

    wanted = cache / "yahoo" / "tz" if cache else Path(_own_folder().name)
    if wanted != _folder or not wanted.is_dir():
        wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(wanted, 0o700)
        yfinance.set_tz_cache_location(str(wanted))
        files._TzCacheManager._tz_cache = files._CookieCacheManager._Cookie_cache = None  # else it goes on in a folder that is gone
        _folder = wanted
    yfinance.config.debug.hide_exceptions = False
    yfinance.base._tz_info_fetch_ctr = 2  # else the first two unknown tickers of a process cost ten requests each
    logging.getLogger("yfinance").setLevel(logging.CRITICAL)  # what it logs, it raises as well
    return yfinance


@lru_cache
def _session(server: str) -> Any:
    """The process's session. It goes to Yahoo's hosts only, or with ``server`` to that server in their place."""
    from curl_cffi.requests import Session

    class YahooSession(Session):
        """Remembers its answers, because yfinance's exceptions do not tell a 500 from a broken answer."""

        answers: list[tuple[str, Any]] = []
        timeout_s = 10.0

        def request(self, method: Any, url: str, *args: Any, **kwargs: Any) -> Any:
            parts = urlsplit(url)
            if not re.fullmatch(r"(.+\.)?yahoo\.com", parts.hostname or "") or parts.scheme != "https":
                raise SourceDown(f"A request to {parts.hostname} was refused: this source speaks to Yahoo Finance only.")
            if server:
                url = f"{server.rstrip('/')}{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            kwargs["timeout"] = min(kwargs.get("timeout") or self.timeout_s, self.timeout_s)
            answer = super().request(method, url, *args, **kwargs)
            self.answers.append((parts.path, answer))
            return answer

    return YahooSession(impersonate="chrome")
