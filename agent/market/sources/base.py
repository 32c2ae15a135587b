"""What a source owes: canonical tables, the times for which "no row" means "nothing happened", and plain sentences about defects.

Canonical tables (pandas DataFrames, times ``datetime64[us]``, UTC where a time of day matters):

    bars       symbol, date (naive midnight = session), open, high, low, close, volume       as traded
    splits     symbol, ex_date, ratio (new/old)
    dividends  symbol, ex_date, amount (per share as traded)
    news       symbol, id, published_at, available_at, title, summary, publisher, url
    filings    symbol, accession, form, section, period_end, accepted_at, available_at, text, url
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Protocol

import pandas as pd
from pydantic import BaseModel

TABLES = ("bars", "splits", "dividends", "news", "filings")


@dataclass(frozen=True)
class Issue:
    """One finding about the data, in plain words, with the first rows it concerns."""

    severity: Literal["error", "warning"]
    table: str
    message: str
    symbol: str = ""
    count: int = 0
    rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fetched:
    """One table of one symbol over [start, end)."""

    frame: pd.DataFrame
    covered: tuple[tuple[pd.Timestamp, pd.Timestamp], ...] = ()
    issues: tuple[Issue, ...] = ()
    fetched_at: datetime | None = None


@dataclass(frozen=True)
class Listing:
    """What a source knows of a ticker."""

    ticker: str
    name: str = ""
    exchange: str = "XNYS"
    currency: str = "USD"
    first: date | None = None
    last: date | None = None
    extra: dict[str, str] = field(default_factory=dict)


class Source(Protocol):
    """One provider of market data. ``note`` is shown wherever its data is ("synthetic market with a planted signal")."""

    Options: type[BaseModel]
    provides: frozenset[str]
    note: str

    def listings(self) -> list[Listing]:
        """Every ticker the source can serve, sorted."""
        ...

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        """Rows of ``table`` for ``symbol`` with start <= day < end, sorted, in the canonical schema (possibly empty)."""
        ...

    def fingerprint(self) -> str:
        """Hash of the data itself: two sources with the same fingerprint serve the same rows."""
        ...
