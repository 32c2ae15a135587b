"""Real data from a folder: the canonical tables as Parquet or CSV files, one per table.

    prices (or bars)   symbol, date, open, high, low, close, volume
    splits, dividends, news, filings, fundamentals (long, or one column per figure)   may be missing
    manifest.json      may be missing; read from it: exchange (XNYS), currency (USD), zone (the exchange's), basis (traded), note,
                       companies {ticker: name}, covered {table: {ticker: [[from, to]]}}, fetched_at, settled

Promise: rows come out as traded and readable no earlier than a trader could have read them; a defect that makes rows useless is an
error that names file, column and rows; nothing is guessed about time zones.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import pandas as pd
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from agent.errors import SpecError, Unavailable
from agent.market import tables, tabular
from agent.market.sessions import Calendar
from agent.market.sources.base import TABLES, Covered, Fetched, Issue, Listing, Local, Place, clipped, union, unknown_ticker

FILES = {"bars": ("prices", "bars")} | {table: (table,) for table in TABLES if table != "bars"}
BASES = ("traded", "split", "adjusted")
WORDED = "'traded', 'split' or 'adjusted'"
ENDINGS = (".parquet", ".csv")
MANIFEST_BYTES = 20_000_000
FIELD = "source_options.path"


class FolderOptions(BaseModel):
    """Where the folder is."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1, description="Folder with prices, news, filings, dividends and splits as .parquet or .csv")


Interval = Annotated[list[AwareDatetime], Field(min_length=2, max_length=2)]


class Manifest(BaseModel):
    """What a folder says about itself; anything else in the file is nobody's business."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    exchange: str = Field("XNYS", pattern=r"^[A-Z0-9_]{3,12}$")
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    zone: str = ""
    basis: Literal["traded", "split", "adjusted"] = "traded"
    note: str = Field("", max_length=500)
    companies: dict[str, str] = Field(default_factory=dict)
    covered: dict[str, dict[str, list[Interval]]] | None = None
    fetched_at: AwareDatetime | None = None
    settled: bool = Field(False, description="the tables are canonical: their times went through the rules of availability before")

    @field_validator("zone")
    @classmethod
    def _a_zone(cls, value: str) -> str:
        if value and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+/-]{0,40}", value):
            raise ValueError("no time zone")
        try:
            return ZoneInfo(value).key if value else ""
        except (OSError, ValueError, KeyError):
            raise ValueError("no time zone") from None


class FolderSource(Local):
    """Canonical tables from files. Files are read on first use, once."""

    Options: type[BaseModel] = FolderOptions
    provides = frozenset(TABLES)

    def __init__(self, options: FolderOptions, place: Place | None = None) -> None:
        self._open(Path(options.path).expanduser(), place)

    def _open(self, folder: Path, place: Place | None) -> None:
        self.folder = folder
        self.place = place or Place()
        self._read: dict[str, tuple[pd.DataFrame, tuple[Issue, ...]]] = {}
        self._rows: dict[str, dict[str, pd.DataFrame]] = {}

    @property
    def note(self) -> str:
        """What the manifest says beside the data; empty where there is no folder (whoever asks for rows is told so)."""
        try:
            return self._manifest.note
        except (SpecError, Unavailable):
            return ""

    @cached_property
    def calendar(self) -> Calendar:
        """The sessions of the exchange that the manifest names, else of New York."""
        return Calendar(self._manifest.exchange)

    def listings(self) -> list[Listing]:
        """One entry per symbol, with the company's name where the folder has one, and the first and last day of its prices."""
        names, days = self._companies, {}
        if self._path("bars") or not any(self._path(table) for table in FILES):
            days = self._table("bars")[0].groupby("symbol")["date"].agg(["min", "max"]).to_dict("index")
        found = []
        for symbol in self._symbols:
            row = days.get(symbol)
            first, last = (tables.day_of(row["min"]), tables.day_of(row["max"])) if row else (None, None)
            found.append(Listing(symbol, names.get(symbol, ""), self._manifest.exchange, self._manifest.currency, first=first, last=last))
        return found

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        """Rows with start <= day < end; the day of a text is the UTC day on which it became readable."""
        if table not in FILES:
            raise SpecError(f"The folder source has no table {table!r}; it has {', '.join(FILES)}.", field="source")
        if table == "bars":
            self._table("bars")  # a folder without prices says so before it says that it knows no ticker
        self._known(symbol)
        frame = self._of(table, symbol)
        column = tables.DAY_COLUMN.get(table, "available_at")
        days = frame[column].dt.tz_localize(None) if column == "available_at" else frame[column]
        inside = frame[(days >= pd.Timestamp(start)) & (days < pd.Timestamp(end))].reset_index(drop=True)
        issues = tables.inspect(
            table,
            inside,
            symbol=symbol,
            calendar=self.calendar,
            splits=self._of("splits", symbol),
            dividends=self._of("dividends", symbol),
            today=self.place.now().astimezone(ZoneInfo(self.calendar.zone)).date(),
            fetched_at=self._manifest.fetched_at,
        )
        tables.refuse_errors(issues, where=self._name(table))
        covered = clipped(self._covered(table, symbol, days), pd.Timestamp(start, tz="UTC"), pd.Timestamp(end, tz="UTC"))
        noted = tuple(issue for issue in self._table(table)[1] if issue.symbol in ("", symbol))
        return Fetched(inside, covered, (*noted, *issues), self._manifest.fetched_at)

    def fingerprint(self) -> str:
        """sha256 over the names and bytes of the files in use and over what the manifest says about their meaning."""
        total = hashlib.sha256()
        for path in (p for t in FILES if (p := self._path(t))):
            total.update(f"{path.name}:{hashlib.sha256(_bytes(path)).hexdigest()}\n".encode())
        meaning = self._manifest.model_dump_json(include={"exchange", "currency", "zone", "basis", "covered", "settled"})
        return hashlib.sha256((total.hexdigest() + meaning).encode()).hexdigest()

    # ------------------------------------------------------------------------------------------------------------- reading

    def _known(self, symbol: str) -> None:
        symbols = self._symbols
        if symbol not in symbols:
            raise unknown_ticker(symbol, symbols)

    @cached_property
    def _symbols(self) -> list[str]:
        """Every ticker with a row in any table."""
        held = [table for table in FILES if self._path(table)] or ["bars"]
        if "bars" in held:
            return sorted(self._table("bars")[0]["symbol"].unique())
        return sorted({str(symbol) for table in held for symbol in self._table(table)[0]["symbol"].unique()})

    def _covered(self, table: str, symbol: str, days: pd.Series) -> Covered:
        """What the manifest states; else from the first to the end of the last day that has a row of the symbol."""
        stated = (self._manifest.covered or {}).get(table)
        if stated is not None:
            pairs = [(_utc(low), _utc(high)) for low, high in stated.get(symbol, [])]
            return union(tuple(pair for pair in pairs if pair[0] < pair[1]))
        if days.empty:
            return ()
        first, last = days.min().normalize(), days.max().normalize()
        return ((first.tz_localize("UTC"), (last + pd.Timedelta(days=1)).tz_localize("UTC")),)

    def _of(self, table: str, symbol: str) -> pd.DataFrame:
        if table not in self._rows:
            self._rows[table] = {str(name): rows.reset_index(drop=True) for name, rows in self._table(table)[0].groupby("symbol")}
        return self._rows[table].get(symbol, tables.empty(table))

    def _table(self, table: str) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
        """The whole canonical table with the notes taken while reading it, as traded."""
        if table not in self._read:
            frame, issues = self._conformed(table)
            if table == "bars" and len(frame) and self._basis == "adjusted":
                said = f"{self._name(table)}: prices adjusted for dividends and splits that came later; past prices tell a little of the future."
                issues = (*issues, Issue("warning", table, said, count=len(frame), code="adjusted"))
            if table in ("bars", "dividends") and not frame.empty and self._basis == "split":
                words = "prices and volumes" if table == "bars" else "amounts"
                said = f"{self._name(table)}: split-adjusted {words} were converted to as traded."
                if self._path("splits") is None:
                    said = f"{self._name(table)}: split-adjusted {words} stay as they are, because the folder names no splits."
                frame = as_traded(table, frame, self._table("splits")[0])
                issues = (
                    *issues,
                    Issue("warning", table, said, count=len(frame), code="converted" if self._path("splits") else "no_splits"),
                )
            self._read[table] = frame, issues
        return self._read[table]

    def _conformed(self, table: str) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
        path = self._path(table)
        if path is None:
            if table == "bars":
                raise SpecError(
                    f"{self.folder} holds no price table; expected prices.parquet, prices.csv, bars.parquet or bars.csv.", field=FIELD
                )
            return tables.empty(table), ()
        manifest = self._manifest
        frame, issues = tables.conform(
            table,
            read_file(path),
            where=path.name,
            zone=manifest.zone or self.calendar.zone,
            currency=manifest.currency,
            settled=manifest.settled,
        )
        if table == "bars" and frame.empty:
            raise SpecError(f"{path.name} holds no rows.", field=FIELD)
        return frame, issues

    def _path(self, table: str) -> Path | None:
        """The file of ``table``; a folder that cannot be looked into is Unavailable, two files for one table a SpecError."""
        try:
            folder, exists = self.folder.is_dir(), self.folder.exists()
        except OSError as error:
            raise Unavailable(
                f"The data folder {str(self.folder)[:200]} cannot be read ({error.strerror}).", cure="Check the path."
            ) from error
        if not folder:
            what = "is a file, not a folder" if exists else "does not exist"
            raise Unavailable(
                f"The data folder {self.folder} {what}.", cure="Check the path; it is read relative to where the program was started."
            )
        try:
            found = [p for stem in FILES[table] for ending in ENDINGS if (p := self.folder / f"{stem}{ending}").is_file()]
        except OSError as error:
            raise Unavailable(f"The data folder {self.folder} cannot be read ({error.strerror}).", cure="Check its permissions.") from error
        if len(found) > 1:
            raise SpecError(f"{self.folder} holds {' and '.join(p.name for p in found)}; keep one of them.", field=FIELD)
        return found[0] if found else None

    def _name(self, table: str) -> str:
        path = self._path(table)
        return path.name if path else table

    @cached_property
    def _basis(self) -> str:
        """What the prices are, as a ``basis`` column or manifest.json says: "traded", "split" (on the share basis of the day they were
        fetched) or "adjusted" (for later dividends too, which cannot be undone)."""
        bars = self._conformed("bars")[0] if self._path("bars") else tables.empty("bars")
        stated = set(bars["basis"].str.lower()) if "basis" in bars else {self._manifest.basis}
        if not stated <= set(BASES) or len(stated) != 1:
            raise SpecError(f"{self.folder}: basis must be {WORDED} for all rows, found {', '.join(sorted(stated))}.", field=FIELD)
        return stated.pop()

    @cached_property
    def _manifest(self) -> Manifest:
        self._path("bars")  # a folder that cannot be looked into is Unavailable, not one without a manifest
        path = self.folder / "manifest.json"
        return read_manifest(_bytes(path)) if path.is_file() else Manifest()

    @cached_property
    def _companies(self) -> dict[str, str]:
        """symbol -> company from the manifest, else from the fundamentals table, where there is one."""
        if self._manifest.companies:
            return self._manifest.companies
        path = self._path("fundamentals")
        frame = read_file(path) if path else pd.DataFrame()
        if not {"symbol", "company"} <= set(frame.columns):
            return {}
        named = frame[["symbol", "company"]].dropna().drop_duplicates("symbol", keep="last")
        return {str(symbol).strip().upper(): str(company) for symbol, company in named.itertuples(index=False)}


def read_manifest(body: bytes) -> Manifest:
    """manifest.json, checked; a SpecError names the entry that is wrong."""
    try:
        found = json.loads(body) if len(body) <= MANIFEST_BYTES else None
    except (ValueError, RecursionError) as error:
        raise SpecError(f"manifest.json is not valid JSON: {str(error)[:120]}.", field=FIELD) from error
    if not isinstance(found, dict):
        raise SpecError("manifest.json must hold one JSON object of reasonable size.", field=FIELD)
    try:
        return Manifest.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where, value = ".".join(map(str, first["loc"])), str(first["input"])[:40]
        if where == "basis":
            raise SpecError(f"manifest.json: basis must be {WORDED}, found {value}.", field=FIELD) from error
        raise SpecError(f"manifest.json: {where} cannot be {value!r} ({first['msg']}).", field=FIELD) from error


def as_traded(table: str, frame: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Undo a source's split adjustment: what was quoted, traded and paid before a split is multiplied by its ratio again."""
    frame = frame.copy()
    column = "date" if table == "bars" else "ex_date"
    for split in splits.itertuples():
        before = (frame["symbol"] == split.symbol) & (frame[column] < split.ex_date)
        if table == "bars":
            frame.loc[before, ["open", "high", "low", "close"]] *= split.ratio
            frame.loc[before, "volume"] /= split.ratio
        else:
            frame.loc[before, "amount"] *= split.ratio
    if "basis" in frame:
        frame["basis"] = "traded"
    return frame


def read_file(path: Path) -> pd.DataFrame:
    """A Parquet or CSV file as it is. CSV: UTF-8 with or without a byte order mark; a semicolon header means decimal commas."""
    body = _bytes(path)
    try:
        if path.suffix == ".parquet":
            return tabular.ParquetSheet.of(body, path.name, tabular.OWN_FOLDER).whole()
        return _read_csv(body)
    except SpecError as error:
        raise SpecError(str(error), field=FIELD) from error
    except (ValueError, OSError, pd.errors.ParserError) as error:
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise SpecError(f"{path.name} cannot be read as {path.suffix[1:]}: {reason}.", field=FIELD) from error


TEXT = {"symbol", "ticker", "id", "accession", "title", "summary", "publisher", "url", "text", "form", "section", "company"}
BLANK = ["", "nan", "NaN", "NA", "null"]


def _read_csv(body: bytes) -> pd.DataFrame:
    """Text stays text: a ticker named NA or TRUE is no missing value, an id of digits keeps its zeros."""
    head = body.split(b"\n", 1)[0].decode("utf-8-sig", errors="replace")
    semicolon = head.count(";") > head.count(",")
    names = [name.strip('"\r') for name in head.split(";" if semicolon else ",")]
    return pd.read_csv(
        io.BytesIO(body),
        encoding="utf-8-sig",
        sep=";" if semicolon else ",",
        decimal="," if semicolon else ".",
        dtype={name: "str" for name in names if name.strip().lower() in TEXT},
        keep_default_na=False,
        na_values={name: BLANK for name in names if name.strip().lower() not in TEXT},
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be read ({error.strerror}).", cure="Check that the file is there and that you may read it."
        ) from error


def _utc(moment: datetime) -> pd.Timestamp:
    return pd.Timestamp(moment).tz_convert("UTC")
