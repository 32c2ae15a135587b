"""Real data from a folder: the canonical tables as Parquet or CSV files, one per table.

    prices (or bars)   needed: symbol, date, open, high, low, close, volume
    splits, dividends, news, filings, fundamentals (company names only), manifest.json ({"basis": "split"})   may be missing

Promise: rows come out as traded and readable no earlier than a trader could have read them; a defect that makes rows useless is an
error that names file, column and rows; nothing is guessed about time zones.
"""

from __future__ import annotations

import hashlib
import io
import json
from datetime import date
from functools import cached_property
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from agent.errors import SpecError, Unavailable
from agent.market import tables
from agent.market.sessions import Calendar
from agent.market.sources.base import TABLES, Fetched, Issue, Listing, Local, Place, unknown_ticker

FILES = {"bars": ("prices", "bars"), "splits": ("splits",), "dividends": ("dividends",), "news": ("news",), "filings": ("filings",)}
ENDINGS = (".parquet", ".csv")
FIELD = "source_options.path"


class FolderOptions(BaseModel):
    """Where the folder is."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1, description="Folder with prices, news, filings, dividends and splits as .parquet or .csv")


class FolderSource(Local):
    """Canonical tables from files. Files are read on first use, once."""

    Options = FolderOptions
    provides = frozenset(TABLES) - {"fundamentals"}
    note = ""

    def __init__(self, options: FolderOptions, place: Place | None = None) -> None:
        self.folder = Path(options.path).expanduser()
        self.calendar = Calendar("XNYS")
        self._read: dict[str, tuple[pd.DataFrame, tuple[Issue, ...]]] = {}
        self._rows: dict[str, dict[str, pd.DataFrame]] = {}

    def listings(self) -> list[Listing]:
        """One entry per symbol of the price table, with the company's name where the folder has one."""
        days = self._table("bars")[0].groupby("symbol")["date"].agg(["min", "max"])
        names = self._companies
        return [
            Listing(str(symbol), names.get(str(symbol), ""), first=tables.day_of(row["min"]), last=tables.day_of(row["max"]))
            for symbol, row in days.sort_index().iterrows()
        ]

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        """Rows with start <= day < end; the day of a text is the UTC day on which it became readable."""
        if table not in FILES:
            raise SpecError(f"The folder source has no table {table!r}; it has {', '.join(FILES)}.", field="source")
        self._known(symbol)
        frame = self._of(table, symbol)
        column = tables.DAY_COLUMN.get(table, "available_at")
        days = frame[column].dt.tz_localize(None) if column == "available_at" else frame[column]
        inside = frame[(days >= pd.Timestamp(start)) & (days < pd.Timestamp(end))].reset_index(drop=True)
        issues = tables.inspect(
            table, inside, symbol=symbol, calendar=self.calendar, splits=self._of("splits", symbol), dividends=self._of("dividends", symbol)
        )
        tables.refuse_errors(issues, where=self._name(table))
        covered: tuple[tuple[pd.Timestamp, pd.Timestamp], ...] = ()
        if len(inside):
            first, last = (_as_utc(inside[column].iloc[position]) for position in (0, -1))
            covered = ((first, last),)
        return Fetched(inside, covered, (*self._table(table)[1], *issues))

    def fingerprint(self) -> str:
        """sha256 over the names and bytes of the files in use."""
        total = hashlib.sha256()
        for path in [*(p for t in FILES if (p := self._path(t))), *(p for p in (self.folder / "manifest.json",) if p.is_file())]:
            total.update(f"{path.name}:{hashlib.sha256(_bytes(path)).hexdigest()}\n".encode())
        return total.hexdigest()

    # ------------------------------------------------------------------------------------------------------------- reading

    def _known(self, symbol: str) -> None:
        symbols = self._symbols
        if symbol not in symbols:
            raise unknown_ticker(symbol, symbols)

    @cached_property
    def _symbols(self) -> list[str]:
        return sorted(self._table("bars")[0]["symbol"].unique())

    def _of(self, table: str, symbol: str) -> pd.DataFrame:
        if table not in self._rows:
            self._rows[table] = {str(name): rows.reset_index(drop=True) for name, rows in self._table(table)[0].groupby("symbol")}
        return self._rows[table].get(symbol, tables.empty(table))

    def _table(self, table: str) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
        """The whole canonical table with the notes taken while reading it, as traded."""
        if table not in self._read:
            frame, issues = self._conformed(table)
            if table in ("bars", "dividends") and not frame.empty and self._split_basis:
                frame = as_traded(table, frame, self._table("splits")[0])
                words = "prices and volumes" if table == "bars" else "amounts"
                issues = (
                    *issues,
                    Issue("warning", table, f"{self._name(table)}: split-adjusted {words} were converted to as traded.", count=len(frame)),
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
        frame, issues = tables.conform(table, read_file(path), where=path.name)
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
    def _split_basis(self) -> bool:
        """Prices on the share basis of the day they were fetched (a ``basis`` column, or manifest.json says so)."""
        bars = self._conformed("bars")[0]
        stated = set(bars["basis"].str.lower()) if "basis" in bars else {str(self._manifest.get("basis", "traded")).lower()}
        if not stated <= {"split", "traded"} or len(stated) != 1:
            raise SpecError(
                f"{self.folder}: basis must be 'split' or 'traded' for all rows, found {', '.join(sorted(stated))}.", field=FIELD
            )
        return stated == {"split"}

    @cached_property
    def _manifest(self) -> dict[str, object]:
        path = self.folder / "manifest.json"
        if not path.is_file():
            return {}
        try:
            manifest = json.loads(_bytes(path))
        except ValueError as error:
            raise SpecError(f"manifest.json is not valid JSON: {error}.", field=FIELD) from error
        return manifest if isinstance(manifest, dict) else {}

    @cached_property
    def _companies(self) -> dict[str, str]:
        """symbol -> company from the fundamentals table, where there is one."""
        for ending in ENDINGS:
            path = self.folder / f"fundamentals{ending}"
            if path.is_file():
                frame = read_file(path)
                if {"symbol", "company"} <= set(frame.columns):
                    named = frame[["symbol", "company"]].dropna().drop_duplicates("symbol", keep="last")
                    return {str(symbol).strip().upper(): str(company) for symbol, company in named.itertuples(index=False)}
        return {}


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
            return pd.read_parquet(io.BytesIO(body))
        return _read_csv(body)
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


def _as_utc(stamp: pd.Timestamp) -> pd.Timestamp:
    return stamp if stamp.tzinfo else stamp.tz_localize("UTC")
