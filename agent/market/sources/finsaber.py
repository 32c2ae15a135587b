"""A FINSABER folder: Parquet parts by year, thousands of symbols, of which only what is asked for is read.

    price_daily/year=YYYY/part-000.parquet   date, symbol, cik, open, high, low, close, adjusted_close, volume
    news_items/year=YYYY/...                 date, symbol, item_index, news_text
    filingk/year=YYYY/..., filingq/...       date, symbol, filing_idx, filing_text

What such a folder can and cannot say, and what we make of it:

- Open, high, low and close are taken as traded and ``adjusted_close`` is not traded on: dividends paid later are in it. It is compared
  with the close, though: where their ratio jumps like a split and the price falls with it, a warning names the day, because the folder
  has no table of splits and a run that holds shares over such a day counts a loss that nobody had. ``splits`` = "inferred" takes these
  days as splits; by default nothing is inferred.
- There are no dividends: total returns are too low by them.
- Texts carry a date and no time: news is readable at the end of that day in New York, filings from 22:00, both for the next decision.
- Years are read from the names of the folders. Links are not followed, other names are not looked into.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pydantic import BaseModel, ConfigDict, Field

from agent.errors import SpecError, Unavailable
from agent.market import tables
from agent.market.pickles import TICKER
from agent.market.sessions import Calendar
from agent.market.sources.base import Covered, Fetched, Issue, Listing, Local, NotSupported, Place, clipped, union, unknown_ticker, whole
from agent.market.sources.dated import between, by_symbol, headline

FIELD = "source_options.path"
NOTE = "FINSABER folder: no dividends; news and filings have a date but no time"
PRICES, NEWS = "price_daily", "news_items"
FILINGS = {"filingk": "10-K", "filingq": "10-Q"}
BARS = ["date", "symbol", "open", "high", "low", "close", "volume"]
YEAR = re.compile(r"year=((?:19|20|21)\d\d)")
MAX_BYTES = 2**30  # of one ticker's rows in memory: a folder made to exhaust it is refused
BATCH = 8_192  # rows
SPLITS = (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50, 100, 1.5)

Made = tuple[pd.DataFrame, list[Issue]]


class FinsaberOptions(BaseModel):
    """Where the folder is."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1, description="Folder with price_daily, news_items, filingk and filingq, each by year=YYYY")
    splits: Literal["none", "inferred"] = Field(
        "none", description="inferred: a jump of close / adjusted_close by a split's ratio counts as a split of that day"
    )


class FinsaberSource(Local):
    """Canonical tables from FINSABER's partitions."""

    Options = FinsaberOptions
    provides = frozenset({"bars", "news", "filings"})
    note = NOTE

    def __init__(self, options: FinsaberOptions, place: Place | None = None) -> None:
        self.place, self.folder, self.inferred = place or Place(), Path(options.path).expanduser(), options.splits == "inferred"
        if self.inferred:
            self.provides = self.provides | {"splits"}
        self.note = f"{NOTE}; splits are {'inferred from' if self.inferred else 'not given, see the days of'} the adjusted closes"
        self.calendar = Calendar("XNYS")

    def listings(self) -> list[Listing]:
        """One entry per symbol of the price table; only the columns date and symbol are read, once."""
        return [Listing(symbol, first=first, last=last) for symbol, (_, first, last) in self._symbols.items()]

    def listing(self, symbol: str) -> Listing:
        _, first, last = self._known(symbol)
        return Listing(symbol, first=first, last=last)

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        """Rows with start <= day < end, read from the parts of those years; years without a part are not covered."""
        if table not in self.provides:
            raise NotSupported(f"A FINSABER folder has no {table}; it has {', '.join(sorted(self.provides))}.", field="source")
        raw = self._known(symbol)[0]
        makers = {"bars": self._bars, "splits": self._splits, "news": self._news, "filings": self._filings}
        since = max(start, date(1900, 1, 15)) - timedelta(days=14)  # a text of a year's last day is readable in the next; so are splits
        frame, issues = makers[table](symbol, raw, since, min(end, date(2199, 12, 31)))
        rows = between(by_symbol(frame), table, symbol, start, end).drop(columns="adjusted_close", errors="ignore")
        splits = inferred_splits(frame) if self.inferred and table == "bars" else None
        today = self.place.now().astimezone(ZoneInfo(self.calendar.zone)).date()
        found = tables.inspect(table, rows, symbol=symbol, calendar=self.calendar, splits=splits, today=today)
        tables.refuse_errors(found, where=PRICES)
        covered = self._covered(table, start, end) if len(frame) or table == "splits" else ()
        return Fetched(rows, covered, (*issues, *found))

    def fingerprint(self) -> str:
        """Empty: hashing a folder of gigabytes costs more than hashing the rows that a run has loaded."""
        return ""

    # -------------------------------------------------------------------------------------------------------------- tables

    def _bars(self, symbol: str, raw: Sequence[str], since: date, end: date) -> Made:
        frame, issues = self._prices(symbol, raw, since, end)
        if self.inferred:
            return frame, issues
        split = inferred_splits(frame)
        split = split[(split["ex_date"] >= pd.Timestamp(since)) & (split["ex_date"] < pd.Timestamp(end))]
        if split.empty:
            return frame, issues
        lines = tuple(f"{row.ex_date.date()} {_ratio(row.ratio)}" for row in split.itertuples())
        message = (
            f"{symbol} looks split on {len(split)} {'day' if len(split) == 1 else 'days'} ({', '.join(lines[:5])}); the folder has no splits, "
            "so shares held over such a day lose value in the books. Choose splits = inferred, or dates without them."
        )
        return frame, [*issues, Issue("warning", "bars", message, symbol, len(split), lines, code="likely_split")]

    def _splits(self, symbol: str, raw: Sequence[str], since: date, end: date) -> Made:
        split = inferred_splits(self._prices(symbol, raw, since, end)[0])
        split = split[(split["ex_date"] >= pd.Timestamp(since)) & (split["ex_date"] < pd.Timestamp(end))]
        frame, issues = tables.conform("splits", split.assign(symbol=symbol), where=PRICES)
        if len(frame):
            message = f"{symbol}: {len(frame)} {'split was' if len(frame) == 1 else 'splits were'} inferred from the adjusted closes; the folder has no table of them."
            return frame, [*issues, Issue("warning", "splits", message, symbol, len(frame), code="inferred")]
        return frame, list(issues)

    def _prices(self, symbol: str, raw: Sequence[str], since: date, end: date) -> Made:
        """Bars as traded, with ``adjusted_close`` beside them where the folder has it. Rows without any price are left out."""
        frame = self._rows(PRICES, raw, since, end, BARS, "adjusted_close")
        nothing = frame[["open", "high", "low", "close"]].isna().all(axis=1)
        kept = frame[~nothing]
        bars, issues = tables.conform("bars", kept.assign(symbol=symbol), where=PRICES)
        found = list(issues)
        if nothing.any():
            message = f"{symbol}: {int(nothing.sum())} rows without any price were left out."
            found.append(Issue("warning", "bars", message, symbol, int(nothing.sum()), code="empty"))
        if "adjusted_close" in kept and len(bars):
            adjusted = pd.Series(pd.to_numeric(kept["adjusted_close"], errors="coerce").to_numpy(), index=_days(kept["date"]))
            bars["adjusted_close"] = bars["date"].map(adjusted[~adjusted.index.duplicated()])
        return bars, found

    def _news(self, symbol: str, raw: Sequence[str], since: date, end: date) -> Made:
        frame, issues = self._texts(NEWS, "news", "news_text", symbol, raw, since, end, "item_index")
        parts = [headline(text) for text in frame["text"]]
        made = pd.DataFrame(
            {
                "symbol": symbol,
                "id": [f"{symbol}-{day.date()}-{index}" for day, index in zip(frame["day"], frame["number"], strict=True)],
                "published_at": frame["day"].dt.tz_localize("UTC"),
                "title": [title for title, _ in parts],
                "summary": [rest for _, rest in parts],
            }
        )
        found, more = tables.conform("news", made, where=NEWS)
        return found, [*issues, *more]

    def _filings(self, symbol: str, raw: Sequence[str], since: date, end: date) -> Made:
        frames, issues = [], []
        for name, form in FILINGS.items():
            frame, found = self._texts(name, "filings", "filing_text", symbol, raw, since, end, "filing_idx")
            numbers = [f"{symbol}-{form}-{day.date()}-{index}" for day, index in zip(frame["day"], frame["number"], strict=True)]
            made = {"symbol": symbol, "accession": numbers, "form": form, "text": frame["text"], "filing_date": frame["day"]}
            frames.append(pd.DataFrame(made))
            issues += found
        found_all, more = tables.conform("filings", pd.concat(frames, ignore_index=True), where="filingk, filingq")
        return found_all, [*issues, *more]

    def _texts(
        self, name: str, table: str, column: str, symbol: str, raw: Sequence[str], since: date, end: date, number: str
    ) -> tuple[pd.DataFrame, list[Issue]]:
        """day, number, text of a text table. What has no date, or no text, is left out and counted."""
        frame = self._rows(name, raw, since, end, ["date", "symbol", column], number)
        days = _days(frame["date"])
        text = frame[column].astype("str").fillna("").str.strip()
        index = frame[number].astype("str") if number in frame else pd.Series(range(len(frame)), index=frame.index).astype("str")
        made = pd.DataFrame({"day": days, "number": index, "text": text})
        undated, empty = days.isna(), days.notna() & (text == "")
        issues = []
        for mask, words, code in ((undated, "without a readable date", "undated"), (empty, "without a text", "empty")):
            if mask.any():
                message = f"{symbol}: {int(mask.sum())} rows of {name} {words} were left out."
                issues.append(Issue("warning", table, message, symbol, int(mask.sum()), code=code))
        return made[~undated & ~empty].reset_index(drop=True), issues

    def _covered(self, table: str, start: date, end: date) -> Covered:
        """The years that have a part, from the first to the last day with a price of any symbol."""
        names = {"news": [NEWS], "filings": list(FILINGS)}.get(table, [PRICES])
        years = set.intersection(*({year for year, _ in self._parts(name)} for name in names))
        first = min(first for _, first, _ in self._symbols.values())
        last = max(last for _, _, last in self._symbols.values())
        asked = whole(max(start, first), min(end, last + timedelta(days=1)))
        return clipped(union(*(whole(date(year, 1, 1), date(year + 1, 1, 1)) for year in years)), *asked[0]) if asked else ()

    # ------------------------------------------------------------------------------------------------------------- reading

    def _known(self, symbol: str) -> tuple[tuple[str, ...], date, date]:
        if symbol not in self._symbols:
            raise unknown_ticker(symbol, list(self._symbols))
        return self._symbols[symbol]

    @cached_property
    def _symbols(self) -> dict[str, tuple[tuple[str, ...], date, date]]:
        """ticker -> its spellings in the files, first and last day; sorted."""
        parts = [path for _, path in self._parts(PRICES)]
        if not parts:
            raise SpecError(f"{self.folder} holds no {PRICES}/year=YYYY/*.parquet (links are not followed).", field=FIELD)
        spans = pd.concat([_spans(path, self._name(path)) for path in parts])
        spans["ticker"] = spans["symbol"].str.strip().str.upper()
        spans = spans[spans["ticker"].str.fullmatch(TICKER.pattern)]
        if spans.empty:
            raise SpecError(f"{PRICES} holds no row with a date and a ticker.", field=FIELD)
        found = spans.groupby("ticker").agg(
            spellings=("symbol", lambda names: tuple(sorted(set(names)))), first=("first", "min"), last=("last", "max")
        )
        return {str(row.Index): (row.spellings, row.first.date(), row.last.date()) for row in found.sort_index().itertuples()}

    def _rows(self, name: str, raw: Sequence[str], since: date, end: date, needed: Sequence[str], wanted: str) -> pd.DataFrame:
        """The rows of a ticker's spellings from the parts of the years in question. Only ``needed`` and ``wanted`` are read."""
        frames, size = [], 0
        for year, path in self._parts(name):
            if not since.year <= year <= end.year:
                continue
            with _said(self._name(path)):
                source = ds.dataset(path, format="parquet")
                missing = [column for column in needed if column not in source.schema.names]
                if missing:
                    raise SpecError(f"{self._name(path)}: column {', '.join(missing)} is missing.", field=FIELD)
                if odd := [column for column in needed if column.endswith("_text") and not _is_text(source.schema.field(column).type)]:
                    raise SpecError(f"{self._name(path)}: column {odd[0]} holds {source.schema.field(odd[0]).type}, not text.", field=FIELD)
                columns = [*needed, *([wanted] if wanted in source.schema.names else [])]
                of_ticker = _symbol(source.schema).isin(list(raw))
                for batch in source.to_batches(columns=columns, filter=of_ticker, batch_size=BATCH):
                    size += batch.nbytes
                    if size > MAX_BYTES:
                        raise SpecError(f"{self._name(path)}: more than {MAX_BYTES // 2**20} MB for one ticker.", field=FIELD)
                    if batch.num_rows:
                        frames.append(batch.to_pandas(ignore_metadata=True))
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame({column: pd.Series(dtype="str") for column in needed})

    def _parts(self, name: str) -> list[tuple[int, Path]]:
        """(year, part) of a table, sorted. Links and folders of other names are ignored: a partition is no path."""
        try:
            if not self.folder.is_dir():
                what = "is a file, not a folder" if self.folder.exists() else "does not exist"
                raise Unavailable(f"The data folder {str(self.folder)[:200]} {what}.", cure="Check the path.")
            top = self.folder / name
            if top.is_symlink() or not top.is_dir():
                return []
            years = [
                (int(m[1]), year) for year in top.iterdir() if (m := YEAR.fullmatch(year.name)) and year.is_dir() and not year.is_symlink()
            ]
            return sorted(
                (number, part)
                for number, year in years
                for part in year.iterdir()
                if part.suffix == ".parquet" and part.is_file() and not part.is_symlink()
            )
        except OSError as error:
            raise Unavailable(
                f"The data folder {str(self.folder)[:200]} cannot be read ({error.strerror}).", cure="Check the path."
            ) from None

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


@contextmanager
def _said(name: str) -> Iterator[None]:
    """Whatever pyarrow says about a broken part becomes one sentence that names it."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, SpecError):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise SpecError(f"{name} cannot be read as Parquet: {reason}.", field=FIELD) from None


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)


def _symbol(schema: pa.Schema) -> pc.Expression:
    """The symbol as text. A cast hides the parts' statistics from the filter, so only where it is needed."""
    column = pc.field("symbol")
    return column if pa.types.is_string(schema.field("symbol").type) else column.cast(pa.string())


def _spans(path: Path, name: str) -> pd.DataFrame:
    """symbol, first, last of one part."""
    with _said(name):
        source = ds.dataset(path, format="parquet")
        if missing := [column for column in ("date", "symbol") if column not in source.schema.names]:
            raise SpecError(f"{name}: column {', '.join(missing)} is missing.", field=FIELD)
        table = source.to_table(columns={"date": pc.field("date"), "symbol": _symbol(source.schema)})
        grouped = table.group_by("symbol").aggregate([("date", "min"), ("date", "max")]).to_pandas()
    first, last = _days(grouped["date_min"]), _days(grouped["date_max"])
    return pd.DataFrame({"symbol": grouped["symbol"].astype("str"), "first": first, "last": last}).dropna()


def _days(column: pd.Series) -> pd.Series:
    """Naive midnights; NaT for what is no date, and for years that no market had."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_localize(None)
    if not pd.api.types.is_datetime64_dtype(column.dtype):
        column = pd.to_datetime(column.map(str, na_action="ignore").astype("str").str.slice(0, 10), format="%Y-%m-%d", errors="coerce")
    days = column.astype("datetime64[us]").dt.normalize()
    return days.where((days.dt.year >= tables.FIRST_YEAR) & (days.dt.year <= tables.LAST_YEAR))


def inferred_splits(bars: pd.DataFrame) -> pd.DataFrame:
    """ex_date and ratio of days on which close / adjusted_close jumps by a split's ratio and the close falls (or rises) with it.

    A large special dividend or a spin-off can look the same, and a split on the first bar cannot be seen.
    """
    nothing = pd.DataFrame({"ex_date": pd.Series(dtype="datetime64[us]"), "ratio": pd.Series(dtype="float64")})
    if "adjusted_close" not in bars or len(bars) < 2:
        return nothing
    factor = bars["close"] / bars["adjusted_close"]
    jump, fall = (factor.shift(1) / factor), (bars["close"].shift(1) / bars["close"])
    found = []
    for day, step, move in zip(bars["date"], jump, fall, strict=True):
        if not (0 < step < math.inf and 0 < move < math.inf):
            continue
        ratio = next((r for n in SPLITS for r in (n, 1 / n) if abs(step / r - 1) < 0.01), None)
        if ratio and abs(math.log(move / ratio)) < min(abs(math.log(move)), 0.3):
            found.append((day, float(ratio)))
    return pd.DataFrame(found, columns=["ex_date", "ratio"]).astype({"ex_date": "datetime64[us]"}) if found else nothing


def _ratio(ratio: float) -> str:
    return f"{ratio:g}:1" if ratio >= 1 else f"1:{1 / ratio:g}"
