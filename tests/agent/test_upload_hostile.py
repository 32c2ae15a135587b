"""Files made to hurt: none runs anything, none leaves its folder, none takes the machine's memory; each gets one short sentence."""

import contextlib
import io
import os
import pickle
import re
import resource
import struct
import time
import zlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agent.errors import SpecError, Unavailable
from agent.market import tables, tabular, upload
from agent.market.upload import Mapping, look, read
from tests.agent.hostile_parquet import DATA_PAGE, bomb, compact, page_header, rewritten

BARS = {name: name.capitalize() for name in ("date", "open", "high", "low", "close", "volume")}
HEAD = "Date,Open,High,Low,Close,Volume\n"
ROW = "2025-01-02,100,102,99,101,1000\n"
SECONDS, MEGABYTES = 20, 400  # generous: the machine may be busy; what is refused late would take minutes or gigabytes


SAID = {  # refused for the right reason
    "header only": "no rows",
    "header only without end": "no rows",
    "no header": "not column names",
    "a header of 40 MB": "first line has more than",
    "a header of 10,000 columns": "10,000 columns",
    "NUL far down": "NUL bytes",
    "a quote that never closes": "never closed",
    "a quote around 20 MB": "dates that cannot be read",
    "a row with too few cells": "row 2 has 3 cells",
    "a date of a million digits": "dates that cannot be read",
    "a price of a million digits": "not numbers",
    "year 9999": "1900",
    "both decimal signs": "mixes decimal points",
    "two versions of a day": ": AAA 2025-01-02 appears more than once",
    "six million lines": "6,000,001 lines",
    "51 MB": "at most 50 MB",
    "a footer of gigabytes": "cut off or damaged",
    "no rows": "no rows",
    "no columns": "no columns",
    "six million rows of nothing": "6,000,000 rows",
    "10,000 columns": "10,000 columns",
    "pickled objects": "binary data",
    "a list of prices": "nested data",
    "bytes that are no text": "UTF8",
    "a dictionary written out to 5 TB": "once expanded",
    "a text that expands to 2 GB": "once expanded",
    "a page that says it expands to 2 GB": "once expanded",
    "a page of negative size": "damaged",
    "a page that ends behind the file": "damaged",
    "a page of two billion values": "damaged",
    "a page of a kind nobody knows": "says 2 rows and holds 0",
    "a hundred thousand pages": "more than 100,000 pages",
    "prefixes that stand for a terabyte": "DELTA_BYTE_ARRAY",
    "a column twice": "two columns of one name",
}


class Runs:
    """A pickle of this writes a file when it is loaded."""

    def __reduce__(self):
        return os.system, ("touch /tmp/recollect-was-here",)


PAYLOAD = pickle.dumps(Runs())  # made before the fixture watches os.system


@pytest.fixture(autouse=True)
def nothing_happens(tmp_path, monkeypatch):
    """No process is started, no file appears, time and memory stay bounded."""
    monkeypatch.chdir(tmp_path)
    for name in ("system", "popen", "execv", "fork", "posix_spawn"):
        monkeypatch.setattr(os, name, lambda *a, **k: pytest.fail("something was executed"))
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert time.process_time() - started < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024
    assert list(tmp_path.iterdir()) == [] and not os.path.exists("/tmp/recollect-was-here")


def refusal(body: bytes, name="prices.csv", **said) -> Exception:
    """The error of reading; looking either says the same kind of thing or gives a preview."""
    with contextlib.suppress(SpecError, Unavailable):
        look(body, name)
    with pytest.raises((SpecError, Unavailable)) as error:
        _, issues = read(body, name, Mapping.model_validate({"table": "bars", "columns": BARS, "symbol": "AAA", **said}))
        tables.refuse_errors(issues)  # as the import does
    said_ = str(error.value)
    assert (
        10 < len(said_) < 600
        and "Traceback" not in said_
        and not re.search("0x[0-9a-f]{6}", said_)
        and "\x00" not in said_
        and ".py" not in said_
    )
    assert getattr(error.value, "field", "file")
    return error.value


def parquet(table: pa.Table | pd.DataFrame, **how) -> bytes:
    out = io.BytesIO()
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(table, out, **how)
    return out.getvalue()


def prices(**columns) -> pd.DataFrame:
    frame = pd.DataFrame({"Date": ["2025-01-02", "2025-01-03"], "Open": 1.0, "High": 1.0, "Low": 1.0, "Close": 1.0, "Volume": 1.0})
    return frame.assign(**columns)


# -------------------------------------------------------------------------------------------------------- what is no table

NOT_TABLES = {
    "nothing": b"",
    "blanks": b" \n\t\r\n" * 100,
    "zeros": b"\x00" * 10_000,
    "a zip": b"PK\x03\x04" + os.urandom(500),
    "gzip": b"\x1f\x8b\x08" + zlib.compress(b"x" * 1000),
    "old excel": b"\xd0\xcf\x11\xe0" + bytes(500),
    "pdf": b"%PDF-1.7\n" + b"x" * 100,
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "sqlite": b"SQLite format 3\x00" + bytes(100),
    "arrow": b"ARROW1\x00\x00" + bytes(100),
    "encrypted parquet": b"PARE" + bytes(100) + b"PARE",
    "html": b"<!doctype html><html><body>Sign in</body></html>",
    "json": b'{"a": [1, 2, 3]}',
    "random": bytes(np.random.default_rng(1).integers(0, 256, 10_000, dtype=np.uint8)),
    "an image": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10,
    "machine code": b"\x7fELF\x02\x01\x01" + bytes(200),
    **{f"pickle protocol {n}": pickle.dumps(Runs(), protocol=n) for n in range(6)},
    "pickled frame": pickle.dumps(prices(), protocol=4),
}


@pytest.mark.parametrize("kind", NOT_TABLES)
def test_what_is_no_table_is_refused(kind):
    refusal(NOT_TABLES[kind])


# -------------------------------------------------------------------------------------------------------------------- CSV

CSV = {
    "header only": HEAD,
    "header only without end": HEAD.strip(),
    "no header": ROW * 5,
    "a header of 40 MB": "a" * 40_000_000,
    "a header of 10,000 columns": ",".join(f"c{i}" for i in range(10_000)) + "\n" + ",".join("1" for _ in range(10_000)),
    "a header of two million commas": "," * 2_000_000 + "\n1",
    "NUL in a cell": HEAD + "2025-01-02,100,1\x0002,99,101,1000\n",
    "NUL in the header": "Da\x00te" + HEAD[4:] + ROW,
    "NUL far down": HEAD + ROW * 50_000 + "\x00",
    "a quote that never closes": HEAD + ROW + '2025-01-03,"100,102,99,101,1000\n' + ROW * 1000,
    "a quote around 20 MB": HEAD + '"' + "x " * 10_000_000 + '",1,1,1,1,1\n',
    "a row with too many cells": HEAD + ROW + "2025-01-03,1,1,1,1,1,1,1\n",
    "a row with too few cells": HEAD + ROW + "2025-01-03,1,1\n",
    "every row with another width": HEAD + "".join("1," * n + "1\n" for n in range(30)),
    "the close twice": "Date,Open,High,Low,Close,Close,Volume\n2025-01-02,1,1,1,1,2,1\n",
    "a formula for a price": HEAD + ROW.replace("101", "=1+1"),
    "a command for a price": HEAD + ROW.replace("101", "=cmd|' /C calc'!A0"),
    "a link for a price": HEAD + ROW.replace("101", '"=HYPERLINK(""http://x"")"'),
    "year 0": HEAD + ROW.replace("2025", "0000"),
    "year 1": HEAD + ROW.replace("2025", "0001"),
    "year 9999": HEAD + ROW.replace("2025", "9999"),
    "year 99999": HEAD + ROW.replace("2025", "99999"),
    "the 30th of February": HEAD + ROW.replace("2025-01-02", "2025-02-30"),
    "an epoch beyond all time": HEAD + ROW.replace("2025-01-02", "9" * 19),
    "a negative epoch": HEAD + ROW.replace("2025-01-02", "-99999999999"),
    "a date of a million digits": HEAD + ROW.replace("2025-01-02", "1" * 1_000_000),
    "a price of a million digits": HEAD + ROW.replace("101", "1" * 1_000_000),
    "a price with a huge exponent": HEAD + ROW.replace("101", "1e999999999"),
    "infinity": HEAD + ROW.replace("101", "inf"),
    "hexadecimal": HEAD + ROW.replace("101", "0x65"),
    "thousands where none are": HEAD + ROW.replace("101", '"1,0,1"'),
    "a price that is a list": HEAD + ROW.replace("101", '"[1, 2]"'),
    "both decimal signs": HEAD.replace(",", ";") + "2025-01-02;1,5;2.5;1,1;1,5;1\n",
    "right-to-left marks": HEAD + ROW.replace("101", "\u202e101"),
    "two versions of a day": HEAD + ROW + ROW.replace("1000", "7"),
    "only blank rows": HEAD + ",,,,,\n" * 10,
    "UTF-16 cut in half": (HEAD + ROW).encode("utf-16")[:-1],
    "UTF-8 that lies about its mark": b"\xef\xbb\xbf\xff\xfe" + HEAD.encode(),
    "UTF-32 that is none": b"\xff\xfe\x00\x00abc",
    "six million lines": HEAD + "1\n" * 6_000_000,
    "51 MB": b"x" * 51_000_000,
    "a billion laughs of quotes": HEAD + '"' * 1_000_000 + "\n",
}


@pytest.mark.parametrize("case", CSV)
def test_a_hostile_csv_is_refused(case):
    body = CSV[case]
    found = refusal(body.encode() if isinstance(body, str) else body)
    assert SAID.get(case, "") in str(found)


@pytest.mark.parametrize(
    "name",
    [
        "../../../../tmp/x.csv",
        "/etc/passwd",
        "a" * 5_000,
        "x\x00.csv",
        "..",
        "",
        "con.csv",
        "\u202evsc.exe",
        "x\n\nINJECTED: y.csv",
        "=cmd.csv",
    ],
)
def test_the_name_of_a_file_is_only_ever_shown_short_and_in_one_line(name):
    shown = tabular.display_name(name)
    assert 0 < len(shown) <= 80 and "/" not in shown and "\\" not in shown and shown.isprintable()
    assert "etc" not in str(refusal((HEAD + ROW).encode(), name, symbol=""))
    frame, _ = read((HEAD + ROW).encode(), name, Mapping(columns=BARS, symbol="AAA"))
    assert len(frame) == 1


@pytest.mark.parametrize(
    "ticker", ["../../etc/cron.d/x", "..\\..\\x", "A/B", "a\x00b", "=cmd|x", "$(id)", "A;B", "<script>", "A" * 10_000, "‮AAPL"]
)
def test_a_ticker_that_is_a_path_or_a_command_is_refused(ticker):
    assert getattr(refusal((HEAD + ROW).encode(), symbol=ticker), "field", "") == "symbol"
    quoted = ticker.replace('"', '""')
    body = f'Ticker,{HEAD}"{quoted}",{ROW}'.encode()
    refusal(body, columns={**BARS, "symbol": "Ticker"}, symbol="")


@pytest.mark.parametrize("said", [{"columns": {**BARS, "close": "x" * 100_000}}, {"columns": {**BARS, "../x": "Close"}}, {"zone": "../../etc/passwd"},
                                  {"exchange": "../XNYS"}, {"currency": "=cmd"}, {"columns": {"date": "Date"}}])  # fmt: skip
def test_a_mapping_from_a_stranger_is_refused(said):
    body = (HEAD + ROW).encode()
    if "zone" in said:
        body, said = b"ticker,published,headline\nA,2025-01-03 15:00,x\n", {
            **said, "table": "news", "columns": {"symbol": "ticker", "published_at": "published", "title": "headline"}, "symbol": ""}  # fmt: skip
    refusal(body, **said)


def test_formulas_in_texts_are_kept_as_text_and_start_nothing():
    body = b"ticker,published,headline,link\nA,2025-01-03,=cmd|' /C calc'!A0,javascript:alert(1)\n"
    seen = look(body, "n.csv")
    frame, _ = read(body, "n.csv", Mapping(table=seen.table, columns=seen.mapping))
    assert list(frame["title"]) == ["=cmd|' /C calc'!A0"] and list(frame["url"]) == ["javascript:alert(1)"]


# ------------------------------------------------------------------------------------------------------------------ Parquet


def _extension() -> bytes:
    field = pa.field(
        "Close", pa.binary(), metadata={b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": PAYLOAD}
    )
    table = pa.table([pa.array(["2025-01-02"]), pa.array([b"x"])], schema=pa.schema([pa.field("Date", pa.string()), field]))
    return parquet(table)


def _pandas_metadata() -> bytes:
    table = pa.Table.from_pandas(prices()).replace_schema_metadata({b"pandas": b'{"index_columns": [' + b'"x",' * 100_000 + b'"x"]}'})
    return parquet(table.drop_columns(["Close"]))


def _many_columns() -> bytes:
    return parquet(pa.table({f"c{i}": [1.0] for i in range(10_000)}))


def _tiny_pages() -> bytes:
    return parquet(prices().loc[[0] * 20_000], data_page_size=1, use_dictionary=False, write_batch_size=1, compression="none")


PARQUET = {
    "only the magic": lambda: b"PAR1PAR1",
    "magic and rubbish": lambda: b"PAR1" + os.urandom(1000) + b"PAR1",
    "cut off": lambda: parquet(prices())[:-20],
    "a footer of gigabytes": lambda: parquet(prices())[:-8] + struct.pack("<I", 2**32 - 1) + b"PAR1",
    "a footer before the file": lambda: parquet(prices())[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1",
    "a footer of nothing": lambda: parquet(prices())[:-8] + struct.pack("<I", 0) + b"PAR1",
    "no rows": lambda: parquet(prices().iloc[:0]),
    "no columns": lambda: parquet(pa.table({})),
    "six million rows of nothing": lambda: parquet(pa.table({"Date": pa.nulls(6_000_000, pa.string())})),
    "10,000 columns": _many_columns,
    "pickled objects": lambda: parquet(prices(Close=[PAYLOAD] * 2)),
    "an extension type that is a pickle": _extension,
    "pandas metadata that is a bomb": _pandas_metadata,
    "a list of prices": lambda: parquet(prices(Close=[[1.0], [2.0]])),
    "a struct of prices": lambda: parquet(prices(Close=[{"a": 1.0}] * 2)),
    "nested a hundred deep": lambda: parquet(pa.table({"Close": pa.array([None], _deep(40))})),
    "flags for prices": lambda: parquet(prices(Close=[True, False])),
    "dates for prices": lambda: parquet(prices(Close=pd.to_datetime(["2025-01-02", "2025-01-03"]))),
    "durations for days": lambda: parquet(prices(Date=pd.to_timedelta([1, 2], unit="D"))),
    "times without a day": lambda: parquet(pa.table({**{c: [1.0] for c in ("Open", "High", "Low", "Close", "Volume")}, "Date": pa.array([1], pa.time64("us"))})),
    "prices for days": lambda: parquet(prices(Date=[1.5, 2.5])),
    "text for prices": lambda: parquet(prices(Close=["one", "=cmd|x"])),
    "bytes that are no text": lambda: parquet(_not_utf8()),
    "year 9999": lambda: parquet(prices(Date=pd.array(["9999-12-31", "9999-12-30"], dtype="datetime64[us]"))),
    "a dictionary written out to 5 TB": lambda: parquet(_dictionary(1_000_000, 1_000_000)),
    "a text that expands to 2 GB": lambda: parquet(_dictionary(100_000, 20_000)),
    "a page that says it is small and is not": lambda: rewritten(bomb(20_000_000), {2: 64}),
    "a page that says it expands to 2 GB": lambda: rewritten(parquet(prices(), compression="gzip", use_dictionary=False), {2: 2**31 - 1}),
    "a page of negative size": lambda: rewritten(parquet(prices(), use_dictionary=False), {3: -5}),
    "a page that ends behind the file": lambda: rewritten(parquet(prices(), use_dictionary=False), {3: 2**31 - 1}),
    "a page of two billion values": lambda: rewritten(parquet(prices(), use_dictionary=False), {5: {1: 2**31 - 1}}),
    "a page of a kind nobody knows": lambda: rewritten(parquet(prices(), use_dictionary=False), {1: 99}),
    "a hundred thousand pages": _tiny_pages,
    "prefixes that stand for a terabyte": lambda: parquet(
        prices(Date="x" * 1000).loc[[0] * 1000], use_dictionary=False, column_encoding={"Date": "DELTA_BYTE_ARRAY"}
    ),
    "a column twice": lambda: parquet(pa.Table.from_arrays([pa.array([1.0])] * 7, names=["Date", "Open", "High", "Low", "Close", "Close", "Volume"])),
}  # fmt: skip


def _deep(levels: int) -> pa.DataType:
    kind: pa.DataType = pa.float64()
    for _ in range(levels):
        kind = pa.list_(kind)
    return kind


def _not_utf8() -> pa.Table:
    table = pa.Table.from_pandas(prices(), preserve_index=False)
    broken = pa.array([b"\xff\xfe\xfd", b"\x80"], pa.binary()).view(pa.string())
    return table.set_column(0, "Date", broken)


def _dictionary(length: int, rows: int) -> pa.Table:
    """One long text, repeated: a few kilobytes on disk."""
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype="int32")), pa.array(["x" * length]))
    return pa.table({"Date": text, **{name.capitalize(): np.ones(rows) for name in ("open", "high", "low", "close", "volume")}})


@pytest.mark.parametrize("case", PARQUET)
def test_a_hostile_parquet_is_refused(case):
    body = PARQUET[case]()
    assert len(body) <= tabular.UPLOAD.size
    assert SAID.get(case, "") in str(refusal(body, "prices.parquet"))


def test_an_honest_bomb_is_refused_before_it_is_expanded():
    """60 MB from 60 kB, against a limit of 20 MB: what the reader takes stays far below."""
    body = bomb(60_000_000)
    assert len(body) < 200_000
    sheet = tabular.ParquetSheet.of(body, "x.parquet", tabular.Limits(expanded=20_000_000))
    before = pa.total_allocated_bytes(), pa.default_memory_pool().max_memory()
    with pytest.raises(SpecError, match="once expanded"):
        sheet.take(["Date"])
    with pytest.raises(SpecError, match="once expanded"):
        sheet.head(20)
    assert (pa.total_allocated_bytes(), pa.default_memory_pool().max_memory()) == before
    assert list(sheet.take(["Close"])["Close"]) == [1.0] * 10


def test_a_column_that_is_not_asked_for_cannot_hurt():
    """The bomb lies beside the prices: it is shown as what it is, or not at all, and never decoded."""
    body = parquet(prices(Evil=[PAYLOAD] * 2, Nested=[[1], [2]]))
    seen = look(body, "x.parquet")
    assert list(seen.head["Evil"]) == ["(binary data)"] * 2 and list(seen.head["Nested"]) == ["(nested data)"] * 2
    frame, _ = read(body, "x.parquet", Mapping(columns=BARS, symbol="AAA"))
    assert list(frame["close"]) == [1.0, 1.0]


def test_bytes_flipped_anywhere_give_a_table_or_a_sentence():
    """Three hundred damaged files: no crash, no other kind of error."""
    whole, random = parquet(prices()), np.random.default_rng(7)
    for _ in range(300):
        body = bytearray(whole)
        for position in random.integers(4, len(body) - 4, 3):
            body[position] = random.integers(0, 256)
        with contextlib.suppress(SpecError, Unavailable):
            read(bytes(body), "x.parquet", Mapping(columns=BARS, symbol="AAA"))


def test_lines_of_a_csv_shuffled_and_cut_give_a_table_or_a_sentence():
    whole, random = (HEAD + ROW * 20).encode(), np.random.default_rng(7)
    for _ in range(150):
        body = bytearray(whole)
        for position in random.integers(0, len(body), 4):
            body[position] = random.choice(np.frombuffer(b'",;\n\r\t|\x00\xff=-. 9', dtype=np.uint8))
        with contextlib.suppress(SpecError, Unavailable):
            look(bytes(body), "x.csv")
        with contextlib.suppress(SpecError, Unavailable):
            read(bytes(body), "x.csv", Mapping(columns=BARS, symbol="AAA"))


def test_an_honest_file_near_the_limits_still_passes():
    rows = 300_000
    frame = pd.DataFrame({"Date": pd.date_range("1990-01-01", periods=rows, freq="min").normalize(), "Ticker": "A", "Close": 1.5})
    body = parquet(frame)
    seen = look(body, "x.parquet")
    assert seen.rows == rows and len(tabular.open_sheet(body, "x").take(["Date", "Ticker", "Close"])) == rows


def test_the_page_headers_are_read_as_they_were_written():
    """Our reader of Thrift's compact protocol against the writer in the tests and against pyarrow's own pages."""
    header = {1: DATA_PAGE, 2: 77, 3: 12, 5: {1: 9, 2: 0, 3: 3, 4: 3}}
    found, end = tabular._struct(compact(header), 0, 10_000)
    assert found == header and end == len(compact(header))
    body = parquet(pd.DataFrame({"x": np.arange(1000.0)}), use_dictionary=False, compression="none")
    chunk = pq.ParquetFile(io.BytesIO(body)).metadata.row_group(0).column(0)
    (size,) = tabular._pages(body, chunk, "x", 10_000)
    assert size == page_header(body, chunk.data_page_offset)[0][2] >= 8_000
    assert upload.TICKER.fullmatch("A")
