"""The files of the market cache: one Parquet file of rows and one JSON file of what is known about them, per source, table and ticker.

    <folder>/<source>/<table>/<SYMBOL>.parquet      rows in the canonical schema
    <folder>/<source>/<table>/<SYMBOL>.json         Record: what is covered, what was asked when, sha256 of the Parquet file
    <folder>/<source>/listing/<SYMBOL>.json         Card: name, exchange, currency; or that the source has never heard of it

Promise: a reader sees the state before a write or after it, never between, and takes no lock; writers of one ticker take turns, in
threads and in processes; a writer that dies at any moment loses its own write at most. What cannot be read is set aside as ``.bad``.

A write goes: ``~next.json`` (the new Record), the new Parquet over the old, ``~next.json`` over ``.json``. Whoever dies between the two
leaves a Parquet file whose sha256 stands in ``~next.json``, and the next reader takes that.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from agent.errors import Unavailable
from agent.market import tables
from agent.market.sources.base import TABLES, Covered, Issue, Listing

log = logging.getLogger(__name__)

VERSION = 1  # of this layout
REREAD_S = 0.02  # a writer is between its two renames for less than that
LOCK_S = 30.0  # a write takes milliseconds: whoever waits that long waits for something stuck
LONGEST_NAME = 120  # characters; disks allow 255 bytes with the endings
CURE = "Free some space, make the folder writable, or choose another with RECOLLECT_HOME; files in it may be deleted."
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_DEVICES = re.compile(r"(CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9])(\..*)?")


def file_name(symbol: str) -> str:
    """A file name that no other symbol has, on any disk: everything but capitals, digits, ``-``, ``_`` and inner dots is percent-encoded.

    Lower case is encoded too, because ``brk`` and ``BRK`` are one file where case is ignored. ``~`` never occurs, except before the hash
    of a name that would be too long.
    """
    last = len(symbol) - 1
    plain = [c in _PLAIN or (c == "." and 0 < i < last) for i, c in enumerate(symbol)]
    if _DEVICES.fullmatch(symbol):
        plain[0] = False
    name = "".join(c if keep else _escaped(c) for c, keep in zip(symbol, plain, strict=True)) or "%"
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[:40]}~{hashlib.sha256(symbol.encode(errors='surrogatepass')).hexdigest().upper()}"


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode(errors="surrogatepass"))


class Asked(BaseModel):
    """A stretch of time the source was asked for, when, what it said about it; ``none`` where it said that there is nothing at all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: datetime
    high: datetime
    at: datetime
    issues: tuple[Issue, ...] = ()
    none: str = ""


class Record(BaseModel):
    """The JSON beside a Parquet file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    symbol: str
    table: str
    covered: tuple[tuple[datetime, datetime], ...]
    fetched_at: datetime | None
    rows: int
    sha256: str
    source_version: str = ""
    asked: tuple[Asked, ...] = ()
    first: date | None = None
    last: date | None = None


class Card(BaseModel):
    """What a source said of a ticker, and when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = VERSION
    symbol: str
    listing: Listing | None = None
    fetched_at: datetime | None = None
    unknown: str = ""
    unknown_at: datetime | None = None


@dataclass(frozen=True)
class Held:
    """What the cache holds of one table of one ticker."""

    frame: pd.DataFrame
    covered: Covered = ()
    asked: tuple[Asked, ...] = ()
    fetched_at: datetime | None = None
    source_version: str = ""
    issues: tuple[Issue, ...] = field(default=(), compare=False)  # about the files themselves; never written


Document = TypeVar("Document", Record, Card)


class _Damaged(Exception):
    """Why the files of a ticker cannot be used."""


class Shelf:
    """The files of one table of one ticker."""

    def __init__(self, folder: Path, source: str, table: str, symbol: str) -> None:
        self.source, self.table, self.symbol = source, table, symbol
        name, room = file_name(symbol), folder / source / table
        self.rows, self.record = room / f"{name}.parquet", room / f"{name}.json"
        self._next, self._fresh, self._lock = room / f"{name}~next.json", room / f"{name}~fresh.tmp", room / f"{name}~lock"

    def read(self) -> Held:
        """What is held; empty where nothing is. Files that cannot be used are set aside and named in ``issues``."""
        for _ in range(2):
            try:
                return self._look()
            except _Damaged:
                time.sleep(REREAD_S)
        with self._locked():
            return self._look_or_set_aside()

    def merge(self, change: Callable[[Held], Held]) -> Held:
        """Read, change and write under the lock; returns what is held now. Unavailable where the disk refuses."""
        with self._locked():
            before = self._look_or_set_aside()
            after = change(before)
            self._write(after)
            return Held(after.frame, after.covered, after.asked, after.fetched_at, after.source_version, before.issues)

    # -------------------------------------------------------------------------------------------------------------- reading

    def _look(self, *, locked: bool = False) -> Held:
        body, record = _bytes(self.rows), self._known(self.record)
        if body is None:
            if self.record.exists():
                raise _Damaged("its Parquet file is missing")
            return Held(tables.empty(self.table))
        digest = hashlib.sha256(body).hexdigest()
        if record is None or record.sha256 != digest:
            record = self._known(self._next)
            if record is None or record.sha256 != digest:
                raise _Damaged("its two files do not belong together")
            if locked:  # finish for the writer that died, before anybody writes over ~next.json
                os.replace(self._next, self.record)
        return Held(
            self._frame(body, record),
            tuple((pd.Timestamp(low), pd.Timestamp(high)) for low, high in record.covered),
            record.asked,
            record.fetched_at,
            record.source_version,
        )

    def _known(self, path: Path) -> Record | None:
        record = document(path, Record)
        if record is None or (record.version, record.symbol, record.table) != (VERSION, self.symbol, self.table):
            return None
        return record

    def _frame(self, body: bytes, record: Record) -> pd.DataFrame:
        try:
            frame = pq.read_table(pa.BufferReader(body), use_threads=False).to_pandas()
            if list(frame.columns) != list(tables.SCHEMA[self.table]) or len(frame) != record.rows:
                raise _Damaged("its Parquet file holds another table")
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _Damaged(f"its Parquet file cannot be read ({str(error).splitlines()[0][:120]})") from error
        return frame

    def _look_or_set_aside(self) -> Held:
        try:
            return self._look(locked=True)
        except _Damaged as error:
            for path in (self.rows, self.record):
                if path.exists():
                    os.replace(path, _bad(path))
            _gone(self._next)
            message = f"{self.symbol}: the cached {self.table} of {self.source} were damaged ({error}), set aside as {_bad(self.rows).name} and are fetched again."
            log.warning(message)
            issue = Issue("warning", self.table, message, self.symbol, code="damaged")
            return Held(tables.empty(self.table), issues=(issue,))

    # -------------------------------------------------------------------------------------------------------------- writing

    def _write(self, held: Held) -> None:
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pandas(held.frame, preserve_index=False), buffer, compression="zstd")
        body = buffer.getvalue()
        days = held.frame[tables.DAY_COLUMN.get(self.table, "available_at")]
        record = Record(
            version=VERSION,
            symbol=self.symbol,
            table=self.table,
            covered=tuple((low.to_pydatetime(), high.to_pydatetime()) for low, high in held.covered),
            fetched_at=held.fetched_at,
            rows=len(held.frame),
            sha256=hashlib.sha256(body).hexdigest(),
            source_version=held.source_version,
            asked=held.asked,
            first=days.min().date() if len(days) else None,
            last=days.max().date() if len(days) else None,
        )
        _flushed(self._fresh, body)
        _flushed(self._next, record.model_dump_json().encode())
        os.replace(self._fresh, self.rows)
        os.replace(self._next, self.record)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with locked(self._lock):
            yield


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among all threads and processes that lock ``path``; what the disk refuses inside is Unavailable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path, timeout=LOCK_S):
            yield
    except Timeout as error:
        raise Unavailable(f"The cache file {path} has been locked for {LOCK_S:.0f} s.", cure="End the program that holds it.") from error
    except OSError as error:
        raise Unavailable(f"The market cache {path.parent} cannot be used ({error.strerror or error}).", cure=CURE) from error


def document(path: Path, kind: type[Document]) -> Document | None:
    """A JSON file of the cache; None where there is none that can be read."""
    body = _bytes(path)
    if body is None:
        return None
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        return None


def write_card(path: Path, card: Card) -> None:
    """Replace a card as a whole; the caller holds its lock."""
    fresh = path.with_name(f"{path.stem}~fresh.tmp")
    _flushed(fresh, card.model_dump_json().encode())
    os.replace(fresh, path)


def _flushed(path: Path, body: bytes) -> None:
    with path.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"{path} in the market cache cannot be read ({error.strerror}).", cure=CURE) from error


def _bad(path: Path) -> Path:
    return path.with_name(f"{path.name}.bad")


def _gone(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


# -------------------------------------------------------------------------------------------------------------------- read side


def entries(folder: Path) -> pd.DataFrame:
    """What the cache holds, a row per source, table and symbol: source, table, symbol, rows, first, last (days), covered (UTC intervals),
    fetched_at (UTC), bytes. Files that cannot be read are left out."""
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*/*/*.json")):
        table = path.parent.name
        if table not in TABLES or path.name.endswith("~next.json"):
            continue
        record = document(path, Record)
        if record is None:
            continue
        rows = path.with_suffix(".parquet")
        found.append(
            {
                "source": path.parent.parent.name.split("~")[0],
                "table": table,
                "symbol": record.symbol,
                "rows": record.rows,
                "first": record.first,
                "last": record.last,
                "covered": tuple((pd.Timestamp(low), pd.Timestamp(high)) for low, high in record.covered),
                "fetched_at": record.fetched_at,
                "bytes": path.stat().st_size + (rows.stat().st_size if rows.exists() else 0),
            }
        )
    columns = ["source", "table", "symbol", "rows", "first", "last", "covered", "fetched_at", "bytes"]
    frame = pd.DataFrame(found, columns=columns)
    frame["fetched_at"] = pd.to_datetime(frame["fetched_at"], utc=True).astype("datetime64[us, UTC]")
    return frame


def drop(folder: Path, source: str, symbol: str | None = None) -> int:
    """Delete what the cache holds of a source, or of one symbol of it, listings included; returns the number of files."""
    gone = 0
    mine = [room for room in folder.glob("*/*/") if room.parent.name.split("~")[0] == source]  # no pattern, no path: a plain name
    for room in sorted(mine):
        if room.name not in (*TABLES, "listing"):
            continue
        names = {_ENDING.sub("", path.name) for path in room.iterdir()} if symbol is None else {file_name(symbol)}
        for name in sorted(names):
            with locked(room / f"{name}~lock"):  # the lock itself stays: somebody may be waiting for it
                gone += sum(_gone(room / f"{name}{ending}") for ending in _ENDINGS)
    return gone


_ENDINGS = (".json", "~next.json", ".parquet", "~fresh.tmp", ".json.bad", ".parquet.bad")
_ENDING = re.compile("(" + "|".join(map(re.escape, (*_ENDINGS, "~lock"))) + ")$")
