"""Bytes from a stranger as a table of columns: CSV in any encoding, or Parquet.

Promise: nothing in the file is executed or unpickled, no column that is not asked for is decoded, and what a file would take in memory is
known before it is expanded. A Parquet file states its own sizes and may lie, so the header of every page is read and added up first
(``_pages``); a dictionary that would be written out a million times is measured before it is written out (``_spelt_out``).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol

import pandas as pd

from agent.errors import SpecError, Unavailable

MAX_COLUMNS = 1_000
MAX_PAGES = 100_000
MAX_FOOTER = 16_000_000  # bytes: the metadata of a Parquet file within the other limits is far smaller
MAX_HEADER = 200_000  # characters of a CSV's first line
MAX_CELL = 16_000_000  # bytes of one CSV cell: the longest annual report has about 3 million
SAMPLE = 2_000  # rows looked at before anybody has said what they mean
SHOWN = 5

FOREIGN = {  # first bytes of files that people take for tables
    b"PK\x03\x04": "an Excel workbook or zip archive; save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as CSV",
    b"\x1f\x8b": "compressed (gzip); unpack it first",
    b"BZh": "compressed (bzip2); unpack it first",
    b"\xfd7zXZ": "compressed (xz); unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed (zstd); unpack it first",
    b"%PDF": "a PDF; a table as CSV is needed",
    b"ARROW1": "an Arrow or Feather file; save it as Parquet or CSV",
    b"FEA1": "a Feather file; save it as Parquet or CSV",
    b"PARE": "an encrypted Parquet file; save it without encryption",
    b"\x89HDF": "an HDF5 file; save the table as Parquet or CSV",
    b"SQLite format 3": "a SQLite database; save the table as CSV",
    b"\x80\x02": "a Python pickle, which can run code and is never opened here; save the table as CSV or Parquet",
    b"\x80\x03": "a Python pickle, which can run code and is never opened here; save the table as CSV or Parquet",
    b"\x80\x04": "a Python pickle, which can run code and is never opened here; save the table as CSV or Parquet",
    b"\x80\x05": "a Python pickle, which can run code and is never opened here; save the table as CSV or Parquet",
}


@dataclass(frozen=True)
class Limits:
    """How much a file may hold; ``expanded``: bytes of the columns that are read, once decompressed and written out."""

    size: int = 50_000_000
    rows: int = 5_000_000
    expanded: int = 1_000_000_000


UPLOAD = Limits()
OWN_FOLDER = Limits(size=2_000_000_000, rows=50_000_000, expanded=8_000_000_000)


class Sheet(Protocol):
    """A file that has been opened and not yet read."""

    @property
    def kind(self) -> Literal["csv", "parquet"]: ...
    @property
    def encoding(self) -> str: ...
    @property
    def separator(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def rows(self) -> int: ...
    @property
    def estimated(self) -> bool: ...

    def head(self, count: int) -> pd.DataFrame:
        """The first rows as text, every column."""
        ...

    def take(self, names: Sequence[str]) -> pd.DataFrame:
        """These columns, whole: text from a CSV; numbers, times and text from Parquet."""
        ...


def open_sheet(body: bytes | Path, name: str) -> Sheet:
    """What the file is, by its bytes and not by its name. SpecError where it is nothing that can be read."""
    shown = display_name(name)
    data = _load(body, shown, UPLOAD.size)
    if not data.strip(b"\x00 \t\r\n"):
        raise SpecError(f"{shown} is empty.", field="file")
    if data[:4] == b"PAR1":
        return ParquetSheet.of(data, shown)
    for magic, what in FOREIGN.items():
        if data.startswith(magic):
            raise SpecError(f"{shown} is {what}.", field="file")
    return CsvSheet.of(data, shown)


def display_name(name: str) -> str:
    """The last part of a file's name, printable and short, for sentences only: nothing is ever written under it."""
    last = re.split(r"[\\/]", str(name))[-1]
    return "".join(c for c in last if c.isprintable())[:80] or "the file"


def _load(body: bytes | Path, shown: str, max_bytes: int) -> bytes:
    if isinstance(body, bytes):
        size = len(body)
    else:
        try:
            is_file, size = body.is_file(), body.stat().st_size
        except (OSError, ValueError) as error:
            raise Unavailable(f"{shown} cannot be read ({_reason(error)}).", cure="Check the path and its permissions.") from error
        if not is_file:
            raise SpecError(f"{shown} is not a file.", field="file")
    if size > max_bytes:
        raise SpecError(f"{shown} has {size / 1e6:,.0f} MB; at most {max_bytes / 1e6:,.0f} MB can be read. Split it by year.", field="file")
    if isinstance(body, bytes):
        return body
    try:
        return body.read_bytes()
    except OSError as error:
        raise Unavailable(f"{shown} cannot be read ({_reason(error)}).", cure="Check the path and its permissions.") from error


def _reason(error: BaseException) -> str:
    """The first line of a library's message, without the addresses and paths that libraries like to add."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return re.sub(r"0x[0-9a-fA-F]{4,}", "...", str(text).splitlines()[0])[:120].rstrip(". ")


def _named(cells: Sequence[str]) -> tuple[str, ...]:
    """Header cells as names; one without a name gets its number."""
    return tuple(cell.strip() or f"(column {i})" for i, cell in enumerate(cells, 1))


def _positions(columns: Sequence[str], names: Sequence[str], shown: str) -> list[int]:
    """Where the columns lie. One that is missing, or there twice, is refused."""
    found = []
    for name in names:
        places = [i for i, column in enumerate(columns) if column == name]
        if len(places) != 1:
            what = "appears twice" if places else "is missing"
            raise SpecError(f"{shown}: column {name[:60]!r} {what}.", field="columns")
        found.append(places[0])
    return found


# ---------------------------------------------------------------------------------------------------------------------- CSV


@dataclass(frozen=True)
class CsvSheet:
    """Text whose first line names the columns. ``body`` is UTF-8 whatever the file was."""

    body: bytes
    name: str
    encoding: str
    separator: str
    columns: tuple[str, ...]
    rows: int
    estimated: bool
    kind: Literal["csv", "parquet"] = "csv"

    @classmethod
    def of(cls, data: bytes, name: str) -> CsvSheet:
        text, encoding = _decoded(data, name)
        if b"\x00" in text[:1_000_000] or b"\x00" in text:
            raise SpecError(f"{name} holds NUL bytes: it is no text, or damaged. Save it again as CSV (UTF-8).", field="file")
        first = text.lstrip(b"\r\n")[: MAX_HEADER + 1]
        if len(first) > MAX_HEADER and not re.search(rb"[\r\n]", first):
            raise SpecError(f"{name}: the first line has more than {MAX_HEADER:,} characters, so it names no columns.", field="file")
        text = _one_header(text.lstrip(b"\r\n"), name)
        separator, columns = _header(text, name)
        if text.count(b'"') % 2:
            raise SpecError(f'{name} holds an odd number of quotation marks, so one is never closed; inside a cell write "".', field="file")
        lines = text.count(b"\n") or text.count(b"\r")
        if lines > UPLOAD.rows + 1:
            raise SpecError(f"{name} has {lines:,} lines; at most {UPLOAD.rows:,} rows can be read. Split it by year.", field="file")
        ended = text.endswith((b"\n", b"\r"))
        return cls(text, name, encoding, separator, columns, max(0, lines - ended), b'"' in text)

    def head(self, count: int) -> pd.DataFrame:
        """The first rows as they stand, cut or filled where a row has another number of cells."""
        lines = io.StringIO(self.body[: max(1_000_000, 2_000 * count)].decode("utf-8", errors="ignore"), newline="")
        rows: list[list[str]] = []
        width = len(self.columns)
        try:
            for row in csv.reader(lines, delimiter=self.separator):
                if row:
                    rows.append([*row[:width], *[""] * (width - len(row))])
                if len(rows) > count:
                    break
        except csv.Error as error:
            raise SpecError(f"{self.name} cannot be read as CSV: {_reason(error)}.", field="file") from error
        return pd.DataFrame(rows[1:], columns=list(self.columns), dtype="str")

    def take(self, names: Sequence[str]) -> pd.DataFrame:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        where = _positions(self.columns, names, self.name)
        if not self.rows:
            return pd.DataFrame({name: pd.Series(dtype="str") for name in names})
        every = [f"c{i}" for i in range(len(self.columns))]
        odd: list[str] = []

        def ragged(row: Any) -> str:
            odd.append(f"row {(row.number or 2) - 1} has {row.actual_columns} cells" if len(odd) < SHOWN else "")
            return "skip"

        try:
            table = arrow_csv.read_csv(
                io.BytesIO(self.body),
                read_options=arrow_csv.ReadOptions(use_threads=False, block_size=MAX_CELL, column_names=every, skip_rows_after_names=1),
                parse_options=arrow_csv.ParseOptions(delimiter=self.separator, newlines_in_values=True, invalid_row_handler=ragged),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(every, pa.string()), include_columns=list(dict.fromkeys(every[i] for i in where))
                ),
            )
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            why = "one row has more than 16 MB" if "straddling" in str(error) else _reason(error)
            raise SpecError(f"{self.name} cannot be read as CSV: {why}.", field="file") from error
        if odd:
            first = ", ".join(item for item in odd if item)
            rest = f" and {len(odd) - SHOWN} more" if len(odd) > SHOWN else ""
            raise SpecError(
                f"{self.name}: the header has {len(every)} columns, but {first}{rest}. Put cells that hold {self.separator!r} in quotation marks.",
                field="file",
            )
        if table.num_rows > UPLOAD.rows:
            raise SpecError(f"{self.name} has {table.num_rows:,} rows; at most {UPLOAD.rows:,} can be read.", field="file")
        frame = table.to_pandas()
        return pd.DataFrame({name: frame[every[i]] for name, i in zip(names, where, strict=True)})


def _decoded(data: bytes, name: str) -> tuple[bytes, str]:
    """The text as UTF-8 and what it was encoded in: byte order marks, then UTF-16 by its zeros, UTF-8, cp1252."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32")):
        if data.startswith(mark):
            return _transcoded(data, "utf-8-sig" if encoding == "utf-8" else encoding, name), encoding
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _transcoded(data, "utf-16", name), "utf-16"
    sample = data[:4_000]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) > 0.3 * len(sample) / 2 and min(even, odd) < 0.05 * len(sample) / 2:
        encoding = "utf-16-le" if odd > even else "utf-16-be"
        return _transcoded(data, encoding, name), encoding
    try:
        data.decode("utf-8")
        return data, "utf-8"
    except UnicodeDecodeError:
        control = sum(byte < 32 and byte not in (9, 10, 13) for byte in sample)
        if control > 0.02 * len(sample):
            raise SpecError(f"{name} is neither text nor Parquet; only CSV and Parquet can be read.", field="file") from None
        try:
            return _transcoded(data, "cp1252", name), "cp1252"
        except SpecError:
            return _transcoded(data, "latin-1", name), "latin-1"


def _transcoded(data: bytes, encoding: str, name: str) -> bytes:
    try:
        return data.decode(encoding).encode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise SpecError(f"{name} starts as {encoding} text and breaks off; save it again as CSV (UTF-8).", field="file") from error


def _one_header(text: bytes, name: str) -> bytes:
    """``yfinance.download(...).to_csv()`` writes three header lines (Price, Ticker, Date); for one ticker they are one."""
    lines = text.split(b"\n", 3)
    if len(lines) < 4 or not (lines[0].startswith(b"Price,") and lines[1].startswith(b"Ticker,")):
        return text
    tickers = {cell.strip() for cell in lines[1].split(b",")[1:] if cell.strip()}
    if len(tickers) > 1:
        shown = ", ".join(sorted(ticker.decode("utf-8", "replace")[:12] for ticker in tickers)[:5])
        raise SpecError(
            f"{name} holds {len(tickers)} tickers side by side ({shown} …), as yfinance.download writes them; one ticker per file, "
            "or stacked with a ticker column: data.stack(level='Ticker').",
            field="file",
        )
    first = lines[2].split(b",")[0].strip() or b"Date"
    return first + lines[0].removeprefix(b"Price") + b"\n" + lines[3]


def _header(text: bytes, name: str) -> tuple[str, tuple[str, ...]]:
    """The separator that cuts the first lines most evenly, and the names in the first line."""
    sample = text[:MAX_HEADER].decode("utf-8", errors="ignore")
    best: tuple[float, int, str, list[str]] = (0.0, 0, ",", [])
    for separator in (",", ";", "\t", "|"):
        rows: list[list[str]] = []
        with suppress(csv.Error):  # a cell too long for a sample: the rows before it decide
            for row in islice(csv.reader(io.StringIO(sample, newline=""), delimiter=separator), 20):
                rows += [row] if row else []
        if not rows:
            continue
        width = len(rows[0])
        even = sum(len(row) == width for row in rows[:-1] or rows) / len(rows[:-1] or rows)
        if width > 1 and (even, width) > best[:2]:
            best = (even, width, separator, rows[0])
        elif not best[3]:
            best = (0.0, 1, separator, rows[0])
    _, width, separator, cells = best
    if not cells:
        raise SpecError(f"{name}: the first line cannot be read as column names.", field="file")
    if width > MAX_COLUMNS:
        raise SpecError(f"{name} has {width:,} columns; at most {MAX_COLUMNS:,} can be read.", field="file")
    values = [cell for cell in cells if re.fullmatch(r"\s*[-+]?[\d.,:/\-\s]*\d[\d.,:/\-\sTZ]*", cell)]
    if len(values) > len(cells) / 2:
        raise SpecError(
            f"{name}: the first line holds values ({', '.join(values[:3])[:60]}), not column names. Add a line such as date,open,high.",
            field="file",
        )
    return separator, _named(cells)


# ------------------------------------------------------------------------------------------------------------------ Parquet


@dataclass(frozen=True)
class ParquetSheet:
    """A Parquet file whose sizes have been checked; only flat columns of plain types can be taken."""

    body: bytes
    name: str
    columns: tuple[str, ...]
    rows: int
    unreadable: dict[str, str]
    limits: Limits = UPLOAD
    encoding: str = ""
    separator: str = ""
    estimated: bool = False
    kind: Literal["csv", "parquet"] = "parquet"

    @classmethod
    def of(cls, data: bytes, name: str, limits: Limits = UPLOAD) -> ParquetSheet:
        file = _opened(data, name)
        with _reading(name):
            meta, schema = file.metadata, file.schema
            if meta.num_columns > MAX_COLUMNS:
                raise SpecError(f"{name} has {meta.num_columns:,} columns; at most {MAX_COLUMNS:,} can be read.", field="file")
            rows = [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]
            if sum(rows) != meta.num_rows or min(rows, default=0) < 0:
                raise SpecError(f"{name} says {meta.num_rows:,} rows and holds {sum(rows):,}; the file is damaged.", field="file")
            if meta.num_rows > limits.rows:
                raise SpecError(f"{name} has {meta.num_rows:,} rows; at most {limits.rows:,} can be read. Split it by year.", field="file")
            if not meta.num_columns:
                raise SpecError(f"{name} has no columns.", field="file")
            leaves = [schema.column(i) for i in range(meta.num_columns)]
            flat = [leaf.path for leaf in leaves]
            unreadable = {leaf.path.split(".")[0]: why for leaf in leaves if (why := _unreadable(leaf))}
            unreadable |= {path: "two columns of one name" for path in flat if flat.count(path) > 1}
            return cls(data, name, tuple(dict.fromkeys(path.split(".")[0] for path in flat)), meta.num_rows, unreadable, limits)

    def head(self, count: int) -> pd.DataFrame:
        plain = [name for name in self.columns if name not in self.unreadable]
        frame = next(self._batches(plain, count), None) if plain else None
        shown = self._pandas([frame], plain).head(count) if frame is not None else pd.DataFrame()
        rows = len(shown) if plain else min(count, self.rows)
        return pd.DataFrame(
            {
                name: [f"({self.unreadable[name]})"] * rows
                if name in self.unreadable
                else ["" if missing else str(value)[:500] for value, missing in zip(shown[name], shown[name].isna(), strict=True)]
                if name in shown
                else []
                for name in self.columns
            },
            dtype="str",
        )

    def take(self, names: Sequence[str]) -> pd.DataFrame:
        _positions(self.columns, names, self.name)
        for name in names:
            if name in self.unreadable:
                raise SpecError(
                    f"{self.name}: column {name[:60]!r} holds {self.unreadable[name]}, which cannot be read as a table.", field="columns"
                )
        batches = list(self._batches(list(dict.fromkeys(names)), 100_000))
        held = sum(batch.num_rows for batch in batches)
        if names and held != self.rows:
            raise SpecError(f"{self.name} says {self.rows:,} rows and holds {held:,}; the file is damaged.", field="file")
        return self._pandas(batches, names)

    def whole(self) -> pd.DataFrame:
        """Every column that can be read."""
        return self.take([name for name in self.columns if name not in self.unreadable])

    def _batches(self, names: list[str], size: int) -> Iterator[Any]:
        """Record batches with text as dictionaries, once the pages' own headers have been added up."""
        file = _opened(self.body, self.name, text=self._text(names))
        total = 0
        with _reading(self.name):
            wanted = [i for i in range(file.metadata.num_columns) if file.schema.column(i).path in names]
            _weigh(self.body, file.metadata, wanted, self.name, self.limits)
            for batch in file.iter_batches(batch_size=size, columns=names, use_threads=False):
                total += sum(_spelt_out(column) for column in batch.columns)
                if total > self.limits.expanded:
                    raise _too_large(self.name, self.limits)
                yield batch

    def _text(self, names: list[str]) -> list[str]:
        schema = _opened(self.body, self.name).schema
        flat = [schema.column(i) for i in range(len(schema.names))]
        return [leaf.path for leaf in flat if leaf.path in names and leaf.physical_type == "BYTE_ARRAY"]

    def _pandas(self, batches: list[Any], names: Sequence[str]) -> pd.DataFrame:
        import pyarrow as pa

        if not batches:
            return pd.DataFrame({name: pd.Series(dtype="str") for name in names})
        with _reading(self.name):
            columns = {}
            for name in names:
                column = pa.chunked_array([_plain(batch.column(name)) for batch in batches])
                columns[name] = column.to_pandas(date_as_object=False)
            return pd.DataFrame(columns)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Whatever pyarrow makes of a damaged file becomes one sentence: names that are no text, columns that are not there, sizes that lie."""
    import pyarrow as pa

    try:
        yield
    except SpecError:
        raise
    except (pa.ArrowException, OSError, ValueError, LookupError, OverflowError, MemoryError) as error:
        raise SpecError(f"{name} cannot be read as Parquet: {_reason(error)}.", field="file") from error


def _opened(data: bytes, name: str, *, text: Sequence[str] = ()) -> Any:
    import pyarrow.parquet as pq

    footer = int.from_bytes(data[-8:-4], "little")
    if len(data) < 12 or data[-4:] != b"PAR1" or footer > min(MAX_FOOTER, len(data) - 12):
        raise SpecError(f"{name} starts as Parquet and does not end as such: it is cut off or damaged.", field="file")
    with _reading(name):
        return pq.ParquetFile(
            io.BytesIO(data),
            read_dictionary=list(text),
            pre_buffer=False,
            thrift_string_size_limit=MAX_FOOTER,
            thrift_container_size_limit=1_000_000,
            arrow_extensions_enabled=False,
        )


def _unreadable(leaf: Any) -> str:
    """Why a column is no column of a table; empty where it is one."""
    if leaf.max_repetition_level or leaf.max_definition_level > 1 or "." in leaf.path:
        return "nested data"
    logical = str(leaf.logical_type.type)
    if leaf.physical_type == "BYTE_ARRAY" and logical not in ("STRING", "ENUM"):
        return "binary data"
    if leaf.physical_type == "FIXED_LEN_BYTE_ARRAY" and (logical != "DECIMAL" or not 0 < leaf.length <= 32):
        return "binary data"
    if logical == "TIME":
        return "times without a day"
    return ""


def _plain(column: Any) -> Any:
    """Text written out, decimals as numbers."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        words = column.dictionary.cast(pa.binary()).cast(pa.string())  # which refuses what is no UTF-8
        return pa.DictionaryArray.from_arrays(column.indices, words).cast(pa.large_string())
    if pa.types.is_decimal(column.type):
        return column.cast(pa.float64())
    return column


def _spelt_out(column: Any) -> int:
    """Bytes of a column once its dictionary is written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary).take(column.indices)
    return int(pc.sum(lengths).as_py() or 0) + 8 * len(column)


def _too_large(name: str, limits: Limits) -> SpecError:
    return SpecError(
        f"{name} would take more than {limits.expanded / 1e6:,.0f} MB once expanded; split it, or leave columns out.", field="file"
    )


def _weigh(data: bytes, meta: Any, columns: Sequence[int], name: str, limits: Limits) -> None:
    """Adds up what the pages of these columns say they expand to, and refuses what does not fit or contradicts itself."""
    total = pages = 0
    for group in range(meta.num_row_groups):
        for column in columns if meta.row_group(group).num_rows else ():
            chunk = meta.row_group(group).column(column)
            if chunk.file_path or chunk.total_compressed_size < 0:
                raise SpecError(f"{name} keeps its columns in other files; save it as one.", field="file")
            for size in _pages(data, chunk, name, limits.rows):
                total += size
                pages += 1
                if total > limits.expanded:
                    raise _too_large(name, limits)
                if pages > MAX_PAGES:
                    raise SpecError(f"{name} is cut into more than {MAX_PAGES:,} pages; save it again.", field="file")


DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = 0, 2, 3
DELTA_BYTE_ARRAY = 7  # every value repeats a prefix of the one before: a page of a kilobyte can stand for a terabyte


def _pages(data: bytes, chunk: Any, name: str, rows: int) -> Iterator[int]:
    """Uncompressed size of each page of a column chunk, from the page's own header (the one the reader will believe)."""
    at = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < (chunk.dictionary_page_offset or 0) < at:
        at = chunk.dictionary_page_offset
    end = at + chunk.total_compressed_size
    damaged = SpecError(f"{name}: a page of column {chunk.path_in_schema[:60]!r} is damaged.", field="file")
    if at < 4 or end > len(data):
        raise damaged
    values = 0
    while at < end and values < chunk.num_values:
        try:
            header, after = _struct(data, at, min(end, at + 1_000_000))
        except (IndexError, ValueError):
            raise damaged from None
        kind, expanded, packed = header.get(1), header.get(2), header.get(3)
        if not all(isinstance(x, int) and x >= 0 for x in (kind, expanded, packed)) or after + packed > end:  # type: ignore[operator]
            raise damaged
        about = header.get({DATA_PAGE: 5, DICTIONARY_PAGE: 7, DATA_PAGE_V2: 8}.get(kind, 5))  # type: ignore[arg-type]
        encoding = about.get(4 if kind == DATA_PAGE_V2 else 2) if isinstance(about, dict) else None
        if kind in (DATA_PAGE, DATA_PAGE_V2):
            count = about.get(1) if isinstance(about, dict) else None
            if not isinstance(count, int) or not 0 <= count <= rows:
                raise damaged
            values += count
        if kind == DICTIONARY_PAGE and isinstance(about, dict) and (about.get(1) or 0) > expanded:  # type: ignore[operator]
            raise damaged  # more entries than bytes: the reader would make room for all of them
        if encoding == DELTA_BYTE_ARRAY:
            raise SpecError(f"{name}: an encoding (DELTA_BYTE_ARRAY) that is not read here; save it with pandas' defaults.", field="file")
        yield expanded  # type: ignore[misc]
        at = after + packed  # type: ignore[operator]


def _struct(data: bytes, at: int, end: int, depth: int = 0) -> tuple[dict[int, Any], int]:
    """A struct of Thrift's compact protocol as {field id: value}; of a field that appears twice the larger number."""
    found: dict[int, Any] = {}
    last = 0
    if depth > 8:
        raise ValueError("too deep")
    while True:
        if at >= end:
            raise IndexError
        byte = data[at]
        at += 1
        kind = byte & 15
        if kind == 0:
            return found, at
        if byte >> 4:
            last += byte >> 4
        else:
            last, at = _zigzag(data, at, end)
        value, at = _value(data, at, end, kind, depth)
        found[last] = max(found[last], value) if isinstance(found.get(last), int) and isinstance(value, int) else value


def _value(data: bytes, at: int, end: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (1, 2):
        return kind == 1, at
    if kind == 3:
        return data[at], at + 1
    if kind in (4, 5, 6):
        return _zigzag(data, at, end)
    if kind == 7:
        return None, at + 8
    if kind == 8:
        size, at = _varint(data, at, end)
        if at + size > end:
            raise IndexError
        return None, at + size
    if kind in (9, 10):
        size, inner = data[at] >> 4, data[at] & 15
        at += 1
        if size == 15:
            size, at = _varint(data, at, end)
        for _ in range(size):
            if at >= end:
                raise IndexError
            _, at = (None, at + 1) if inner in (1, 2) else _value(data, at, end, inner, depth + 1)
        return None, at
    if kind == 12:
        return _struct(data, at, end, depth + 1)
    raise ValueError(f"kind {kind}")


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    total = shift = 0
    while True:
        if at >= end or shift > 63:
            raise IndexError
        byte = data[at]
        at += 1
        total |= (byte & 127) << shift
        if not byte & 128:
            return total, at
        shift += 7


def _zigzag(data: bytes, at: int, end: int) -> tuple[int, int]:
    number, at = _varint(data, at, end)
    return (number >> 1) ^ -(number & 1), at
