"""What a source owes: canonical tables, the times for which "no row" means "nothing happened", and plain sentences about defects.

Canonical tables (pandas DataFrames, times ``datetime64[us]``, UTC where a time of day matters):

    bars          symbol, date (naive midnight = session), open, high, low, close, volume       as traded
    splits        symbol, ex_date, ratio (new/old)
    dividends     symbol, ex_date, amount (per share as traded)
    news          symbol, id, published_at, available_at, title, summary, publisher, url
    filings       symbol, accession, form, section, period_end, accepted_at, available_at, text, url
    fundamentals  symbol, field, value, unit, timeframe, period_start, period_end, form, filed, accession, available_at
                  long: one row per figure and filing, so that a restatement is a new row and never changes an old one

One error class per situation a person can be in; each is one of the four reactions of ``agent.errors``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal, Protocol

import pandas as pd
from pydantic import BaseModel

from agent.errors import NoData, SpecError, Unavailable

TABLES = ("bars", "splits", "dividends", "news", "filings", "fundamentals")
ACTIONS = ("splits", "dividends")
TEXTS = ("news", "filings")

Covered = tuple[tuple[pd.Timestamp, pd.Timestamp], ...]  # UTC, half open, sorted, disjoint


class UnknownSymbol(SpecError):
    """The source answers and has never heard of the ticker."""

    def __init__(self, message: str, *, field: str = "tickers") -> None:
        super().__init__(message, field=field)


class NotSupported(SpecError):
    """The source does not carry this table, or cannot be asked this way."""


class NoRowsInRange(NoData):
    """The ticker exists and has nothing in the range that was asked for."""


class RateLimited(Unavailable):
    """The source wants a pause. ``retry_at`` (aware) where it said until when."""

    def __init__(self, message: str, *, cure: str = "", retry_at: datetime | None = None) -> None:
        super().__init__(message, cure=cure)
        self.retry_at = retry_at


class SourceDown(Unavailable):
    """No answer: refused, dropped, timed out, or a server error."""


class BadResponse(Unavailable):
    """An answer that is not what the source promises: HTML, broken JSON, another shape."""


@dataclass(frozen=True)
class Issue:
    """One finding about the data, in plain words, with the first rows it concerns. ``code`` is a stable word for programs."""

    severity: Literal["error", "warning"]
    table: str
    message: str
    symbol: str = ""
    count: int = 0
    rows: tuple[str, ...] = ()
    code: str = ""


@dataclass(frozen=True)
class Fetched:
    """One table of one symbol over [start, end). ``covered``: outside it an absent row means "nobody looked", not "nothing happened"."""

    frame: pd.DataFrame
    covered: Covered = ()
    issues: tuple[Issue, ...] = ()
    fetched_at: datetime | None = None


@dataclass(frozen=True)
class Listing:
    """What a source knows of a ticker. ``exchange`` is the four-letter code of its calendar."""

    ticker: str
    name: str = ""
    exchange: str = "XNYS"
    currency: str = "USD"
    first: date | None = None
    last: date | None = None
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """The surroundings of a source on this machine. Never part of a spec: a spec means the same on every machine.

    ``keys`` holds secrets by variable name; ``urls`` another server with the same interface, by source name; ``cache`` is where a source
    may keep what its own library insists on keeping.
    """

    datasets: Path | None = None
    cache: Path | None = None
    contact: str = ""
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    urls: Mapping[str, str] = field(default_factory=dict)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class Source(Protocol):
    """One provider of market data, made as ``plug(options, place)``. ``note`` is shown wherever its data is.

    ``network`` sources are put behind the cache and may be asked for any ticker; the others list all they have.
    """

    Options: type[BaseModel]
    provides: frozenset[str]
    note: str
    network: bool

    def listings(self) -> list[Listing]:
        """Every ticker the source can name, sorted; empty where any may be asked for."""
        ...

    def listing(self, symbol: str) -> Listing:
        """Name, exchange and currency of a ticker; UnknownSymbol where the source has never heard of it."""
        ...

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        """Rows of ``table`` for ``symbol`` with start <= day < end, sorted, in the canonical schema (possibly empty).

        The day of news, filings and fundamentals is that of ``available_at`` in UTC. Raises the classes above and nothing else.
        """
        ...

    def fingerprint(self) -> str:
        """Hash of the data itself: equal fingerprints serve equal rows. Empty where that cannot be known before fetching."""
        ...


class Local:
    """The part that sources without a network share: they can name all their tickers."""

    network = False

    def listings(self) -> list[Listing]:
        raise NotImplementedError

    def listing(self, symbol: str) -> Listing:
        """The listing of one ticker; UnknownSymbol with the nearest one there is."""
        known = {item.ticker: item for item in self.listings()}
        if symbol not in known:
            raise unknown_ticker(symbol, sorted(known))
        return known[symbol]


def unknown_ticker(ticker: str, choices: Sequence[str]) -> UnknownSymbol:
    """The error for a ticker the source does not have, with the nearest one it has."""
    near = difflib.get_close_matches(ticker, choices, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    shown = ", ".join(choices[:20]) + (f" and {len(choices) - 20} more" if len(choices) > 20 else "")
    return UnknownSymbol(f"Unknown ticker {ticker!r}; the source has {shown or 'none'}.{hint}")


def whole(start: date, end: date) -> Covered:
    """[start, end) as one covered interval."""
    low, high = pd.Timestamp(start, tz="UTC"), pd.Timestamp(end, tz="UTC")
    return ((low, high),) if low < high else ()


def union(*parts: Covered) -> Covered:
    """The intervals of all parts, merged where they touch."""
    merged: list[tuple[pd.Timestamp, pd.Timestamp]] = []
    for low, high in sorted(interval for part in parts for interval in part):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def clipped(covered: Covered, start: pd.Timestamp, end: pd.Timestamp) -> Covered:
    """What of ``covered`` lies in [start, end)."""
    return tuple((max(low, start), min(high, end)) for low, high in covered if max(low, start) < min(high, end))


def gaps(covered: Covered, start: pd.Timestamp, end: pd.Timestamp) -> Covered:
    """What of [start, end) is not covered."""
    found, at = [], start
    for low, high in clipped(covered, start, end):
        if at < low:
            found.append((at, low))
        at = max(at, high)
    return (*found, (at, end)) if at < end else tuple(found)
