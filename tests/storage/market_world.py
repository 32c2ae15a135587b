"""A network source that exists only here: it has every table, counts what it is asked, and fails on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel

from agent.market import tables
from agent.market.sessions import Calendar
from agent.market.sources.base import TABLES, Covered, Fetched, Issue, Listing, UnknownSymbol, whole
from storage.market_cache import CachedSource

XNYS = Calendar("XNYS")
FRIDAY_EVENING = datetime(2025, 3, 14, 22, 0, tzinfo=UTC)  # two hours after a close that daylight saving has moved to 20:00 UTC


class Options(BaseModel, extra="forbid"):
    pass


@lru_cache
def _bars(symbol: str) -> pd.DataFrame:
    days = [pd.Timestamp(session.day) for session in XNYS.sessions(date(2024, 1, 1), date(2025, 12, 31))]
    close = [100.0 + (position * 7 + len(symbol)) % 13 for position in range(len(days))]
    rows = {"symbol": symbol, "date": days, "open": close, "high": [c + 1 for c in close], "low": [c - 1 for c in close], "close": close}
    return tables.conform("bars", pd.DataFrame(rows).assign(volume=[1_000.0 + p for p in range(len(days))]))[0]


@lru_cache
def _texts(symbol: str) -> pd.DataFrame:
    times = pd.date_range("2024-01-01 03:17", "2025-12-31", freq="11h", tz="UTC")
    rows = {"symbol": symbol, "id": [f"n{i}" for i in range(len(times))], "published_at": times, "title": [f"title {t}" for t in times]}
    return tables.conform("news", pd.DataFrame(rows).assign(summary="what happened", publisher="Wire", url=""))[0]


@lru_cache
def _of(table: str, symbol: str) -> pd.DataFrame:
    if table == "bars":
        return _bars(symbol)
    if table == "news":
        return _texts(symbol)
    rows: dict[str, dict[str, Any]] = {
        "splits": {"ex_date": ["2024-06-10", "2025-01-13"], "ratio": [2.0, 4.0]},
        "dividends": {"ex_date": ["2024-03-15", "2024-09-13", "2025-03-14"], "amount": [0.2, 0.25, 0.3]},
        "filings": {"accession": ["a1", "a2"], "form": "10-Q", "text": "words", "accepted_at": ["2024-05-02T21:00:00Z", "2025-02-03T21:00:00Z"]},
        "fundamentals": {
            "field": "revenue",
            "value": [1.0, 2.0],
            "unit": "USD",
            "timeframe": "quarter",
            "period_start": ["2024-01-01", "2024-10-01"],
            "period_end": ["2024-03-31", "2024-12-31"],
            "form": "10-Q",
            "filed": ["2024-05-02", "2025-02-03"],
            "accession": ["a1", "a2"],
            "available_at": ["2024-05-02T21:01:00Z", "2025-02-03T21:01:00Z"],
        },
    }  # fmt: skip
    return tables.conform(table, pd.DataFrame({"symbol": symbol, **rows[table]}))[0]


@dataclass
class World:
    """What the source would say, what it was asked, and what goes wrong next."""

    now: datetime = FRIDAY_EVENING
    calls: list[tuple[str, str, date, date]] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)  # raised one by one before anything is answered
    slept: list[float] = field(default_factory=list)
    covers: Callable[[str, date, date], Covered] = lambda table, start, end: whole(start, end)
    edit: Callable[[str, pd.DataFrame], pd.DataFrame] = lambda table, frame: frame
    issues: tuple[Issue, ...] = ()
    known: frozenset[str] = frozenset({"AAA", "BB", "C"})

    def later(self, **ahead: float) -> None:
        self.now += timedelta(**ahead)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    def asked(self, table: str) -> list[tuple[str, str]]:
        """The ranges asked of ``table``, as text."""
        return [(str(start), str(end)) for asked, _, start, end in self.calls if asked == table]


class Wire:
    """The source itself."""

    provides, note, network = frozenset(TABLES), "from the wire", True
    Options = Options

    def __init__(self, world: World) -> None:
        self.world, self.options = world, Options()

    def _answer(self) -> None:
        if self.world.faults:
            raise self.world.faults.pop(0)

    def listings(self) -> list[Listing]:
        return []

    def listing(self, symbol: str) -> Listing:
        self.world.listed.append(symbol)
        self._answer()
        self._know(symbol)
        return Listing(symbol, f"{symbol} Incorporated")

    def _know(self, symbol: str) -> None:
        if symbol not in self.world.known:
            raise UnknownSymbol(f"Never heard of {symbol}.")

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        self.world.calls.append((table, symbol, start, end))
        self._answer()
        self._know(symbol)
        frame = self.world.edit(table, _of(table, symbol))
        days = frame[tables.DAY_COLUMN.get(table, "available_at")]
        days = days.dt.tz_localize("UTC") if table in tables.DAY_COLUMN else days
        low, high = pd.Timestamp(start, tz="UTC"), pd.Timestamp(end, tz="UTC")
        rows = frame[(days >= low) & (days < high) & (days <= pd.Timestamp(self.world.now))].reset_index(drop=True)
        return Fetched(rows, self.world.covers(table, start, end), self.world.issues, self.world.now)

    def fingerprint(self) -> str:
        return ""


def cached(world: World, folder: Path, **changes: Any) -> CachedSource:
    return CachedSource(Wire(world), name="wire", folder=folder, now=lambda: world.now, sleep=world.sleep, **changes)
