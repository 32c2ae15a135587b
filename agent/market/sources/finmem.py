"""FinMem's own data: one ``env_data.pkl`` (or ``subset_symbols_XXX.pkl``), read by ``agent/market/pickles`` and never unpickled.

What such a file can and cannot say, and what we make of it:

- There is one price a day, Yahoo's adjusted close of the day the file was made. Open, high, low and close of a bar are that price and its
  volume is 0, so an order for the next open fills at the next close, a stop is looked at once a day, and the execution "same close" is
  what FinMem itself did. Splits and dividends are inside the prices: there are no such tables, and past prices carry what was paid later.
- News carries a date and no time. FinMem's agent read it on that date, so by default it is readable at that day's close; part of it may
  have been published later in the evening. ``strict`` makes it readable at the end of the day in New York, for the next decision.
- A filing carries a date and no time either and is readable from 22:00 New York, as everywhere.
- FinMem's pipeline keeps only days that have a price: news of weekends and holidays is not in its files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from agent.errors import SpecError, Unavailable
from agent.market import pickles, tables
from agent.market.sessions import Calendar
from agent.market.sources.base import Covered, Fetched, Issue, Listing, Local, NotSupported, Place, clipped, unknown_ticker, whole
from agent.market.sources.dated import between, by_symbol, headline

FIELD = "source_options.path"
NOTE = (
    "FinMem file: one adjusted close a day (later dividends and splits are in it), so an order for the next open fills at the next close; "
    "news has a date but no time"
)


class FinMemOptions(BaseModel):
    """Where the file is."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1, description="FinMem's env_data.pkl or subset_symbols_XXX.pkl; it is read without unpickling")
    strict: bool = Field(False, description="Read news at the next decision instead of at the close of its date, as FinMem did")


class FinMemSource(Local):
    """Prices, news and filings of FinMem's pickle. The file is read on first use, once."""

    Options = FinMemOptions
    provides = frozenset({"bars", "news", "filings"})
    note = NOTE

    def __init__(self, options: FinMemOptions, place: Place | None = None) -> None:
        self.place, self.path, self.strict = place or Place(), Path(options.path).expanduser(), options.strict
        self.calendar = Calendar("XNYS")

    def listings(self) -> list[Listing]:
        """One entry per ticker that has a price."""
        return [
            Listing(symbol, first=tables.day_of(bars["date"].iloc[0]), last=tables.day_of(bars["date"].iloc[-1]))
            for symbol, bars in sorted(self._rows["bars"].items())
        ]

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        """Rows with start <= day < end; a table that the file does not have for the ticker is not covered."""
        if table not in self.provides:
            raise NotSupported(f"A FinMem file has no {table}; it has {', '.join(sorted(self.provides))}.", field="source")
        if symbol not in self._rows["bars"]:
            raise unknown_ticker(symbol, sorted(self._rows["bars"]))
        frame = between(self._rows[table], table, symbol, start, end)
        today = self.place.now().astimezone(ZoneInfo(self.calendar.zone)).date()
        issues = tables.inspect(table, frame, symbol=symbol, calendar=self.calendar, today=today)
        tables.refuse_errors(issues, where=self.path.name)
        return Fetched(
            frame, self._covered(table, symbol, start, end), (*self._notes[table], *self._caveats(table, symbol, frame), *issues)
        )

    def fingerprint(self) -> str:
        """sha256 over the file and the way it is read."""
        return hashlib.sha256(self._file[1] + bytes([self.strict])).hexdigest()

    # ------------------------------------------------------------------------------------------------------------- reading

    @cached_property
    def _file(self) -> tuple[pickles.Days, bytes]:
        """What the file holds, and its sha256."""
        body = self._bytes()
        try:
            return pickles.days(pickles.read(body)), hashlib.sha256(body).digest()
        except pickles.PickleRefused as error:
            raise SpecError(f"{self.path.name}: {error}", field=FIELD) from None

    def _bytes(self) -> bytes:
        try:
            if not self.path.exists():
                raise Unavailable(f"The file {self.path} does not exist.", cure="Check the path.")
            if not self.path.is_file():
                raise SpecError(f"{self.path} is not a file; name FinMem's env_data.pkl itself.", field=FIELD)
            if (size := self.path.stat().st_size) > pickles.MAX_BYTES:
                raise SpecError(f"{self.path.name} has {size / 2**20:,.0f} MB; {pickles.MAX_BYTES // 2**20} are read at most.", field=FIELD)
            return self.path.read_bytes()
        except (OSError, ValueError) as error:
            if isinstance(error, SpecError):
                raise
            reason = getattr(error, "strerror", None) or "it is no path"
            raise Unavailable(f"{str(self.path)[:200]} cannot be read ({reason}).", cure="Check the path and its permissions.") from None

    @property
    def _days(self) -> pickles.Days:
        return self._file[0]

    @cached_property
    def _conformed(self) -> dict[str, tuple[pd.DataFrame, tuple[Issue, ...]]]:
        """Every canonical table of the file with the notes taken while reading it."""
        makers = {"bars": self._bars, "news": self._news, "filings": self._filings}
        return {table: tables.conform(table, make(), where=f"{self.path.name} ({table})") for table, make in makers.items()}

    @cached_property
    def _rows(self) -> dict[str, dict[str, pd.DataFrame]]:
        return {table: by_symbol(frame) for table, (frame, _) in self._conformed.items()}

    def _bars(self) -> pd.DataFrame:
        days, symbols, prices = _columns(self._days.prices, 3)
        values = {name: prices for name in ("open", "high", "low", "close")}
        return pd.DataFrame({"symbol": symbols, "date": _stamps(days), **values, "volume": 0.0, "basis": "adjusted"})

    def _news(self) -> pd.DataFrame:
        days, symbols, texts = _columns(self._days.news, 3)
        parts = [headline(text) for text in texts]
        frame = pd.DataFrame(
            {
                "symbol": symbols,
                "id": [hashlib.sha256(f"{day}\n{text}".encode()).hexdigest()[:16] for day, text in zip(days, texts, strict=True)],
                "published_at": _stamps(days).dt.tz_localize("UTC"),
                "title": [title for title, _ in parts],
                "summary": [rest for _, rest in parts],
            }
        )
        if self.strict or frame.empty:
            return frame
        closes = {day: self.calendar.session(day).close_at if day in self.calendar else None for day in set(days)}
        return frame.assign(available_at=pd.to_datetime(pd.Series([closes[day] for day in days], index=frame.index), utc=True))

    def _filings(self) -> pd.DataFrame:
        days, symbols, forms, texts = _columns(self._days.filings, 4)
        accessions = [f"{symbol}-{form}-{day}" for day, symbol, form in zip(days, symbols, forms, strict=True)]
        return pd.DataFrame({"symbol": symbols, "accession": accessions, "form": forms, "text": texts, "filing_date": _stamps(days)})

    # -------------------------------------------------------------------------------------------------------------- saying

    def _covered(self, table: str, symbol: str, start: date, end: date) -> Covered:
        """From the first to the last day of the file, for tables in which the ticker appears at all."""
        if symbol not in self._rows[table]:
            return ()
        span = [day for day, *_ in self._days.prices]
        inside = whole(min(span), max(span) + pd.Timedelta(days=1))
        asked = whole(start, end)
        return clipped(inside, *asked[0]) if asked else ()

    @cached_property
    def _notes(self) -> dict[str, tuple[Issue, ...]]:
        """What was noticed about the whole file."""
        found: dict[str, tuple[Issue, ...]] = {}
        for table, (_, issues) in self._conformed.items():
            empty = self._days.left_out.get(table, 0)
            message = f"{self.path.name}: {empty} empty entries of {table} were left out."
            found[table] = (*issues, Issue("warning", table, message, count=empty, code="empty")) if empty else issues
        return found

    def _caveats(self, table: str, symbol: str, frame: pd.DataFrame) -> list[Issue]:
        if frame.empty:
            return []
        if table == "bars":
            message = (
                f"{symbol} has adjusted closes only: past prices carry dividends and splits that came later, and a bar's open, high and "
                "low are its close."
            )
            return [Issue("warning", table, message, symbol, len(frame), code="adjusted")]
        if table == "filings":
            return [
                Issue("warning", table, f"{symbol}: filings carry a date only and are readable from 22:00 New York.", symbol, len(frame))
            ]
        found = []
        if not self.strict:
            message = f"{symbol}: news carries a date only and is readable at that day's close, as in FinMem; some of it may be younger."
            found.append(Issue("warning", table, message, symbol, len(frame), code="date_only"))
        if all(stamp.date() in self.calendar for stamp in frame["published_at"]):
            message = f"{symbol}: the file holds no news of weekends and holidays; FinMem's pipeline keeps only days with a price."
            found.append(Issue("warning", table, message, symbol, code="no_weekends"))
        return found


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _stamps(days: Sequence[date]) -> pd.Series:
    """Naive midnights; years that no calendar has are left for ``conform`` to refuse."""
    return pd.Series(pd.to_datetime([day.isoformat() for day in days], format="%Y-%m-%d"), dtype="datetime64[us]")
