"""FinMem's pickle without unpickling: plain data of every protocol is read, everything else is refused in one sentence and never runs."""

import collections
import datetime as dt
import functools
import os
import pickle
import pickletools
import struct
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.market.pickles import PickleRefused, days, read
from tests.agent import finmem_file

DAY = dt.date(2022, 10, 6)
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
RAN: list[str] = []  # what a hostile file achieved


def plain(**changed: Any) -> dict[dt.date, Any]:
    """One day with one price, two news items and one filing."""
    record = {"price": {"TSLA": 238.1}, "news": {"TSLA": ["x", "y"]}, "filing_q": {}, "filing_k": {"TSLA": "risk"}}
    return {DAY: record | changed}


def refusal(data: bytes, *, entries: int = 5_000_000, rows: int = 3_000_000, **limits: int) -> str:
    """The one sentence with which a file is refused."""
    began = time.monotonic()
    with pytest.raises(PickleRefused) as error:
        days(read(data, **limits), max_entries=entries, max_rows=rows)
    message = str(error.value)
    assert time.monotonic() - began < 20
    assert (
        10 < len(message) < 250 and message.isprintable() and message[0].isupper() | message[0].isdigit() and message.endswith((".", ")."))
    ), message
    return message


@pytest.fixture(autouse=True)
def _nothing_runs(tmp_path, monkeypatch):
    """Every hostile file here would leave a file behind or a word in RAN."""
    monkeypatch.chdir(tmp_path)
    RAN.clear()
    yield
    assert RAN == [] and list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("shape", finmem_file.SHAPES)
def test_each_of_the_three_shapes_in_each_protocol_gives_the_same_rows(shape, protocol):
    data = finmem_file.SHAPES[shape]()
    found = days(read(pickle.dumps(data, protocol)))
    first = finmem_file.DAYS[0]
    assert len(found.prices) == 2 * len(data) and (first, "TSLA", 200.0) in found.prices
    assert len(found.news) == 2 * len(data) and (first, "TSLA", "Recall number 0 is announced.") in found.news
    assert [(day, form) for day, _, form, _ in sorted(found.filings)] == sorted((day, form) for form, day in finmem_file.FILED.items())
    assert found.left_out == {}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_numbers_and_times_are_read_as_what_they_mean(protocol):
    keys = [dt.datetime(2022, 10, 6, 15, 30), "2022-10-06", "2022-10-06 15:30:00"]
    keys += [pd.Timestamp("2022-10-06"), pd.Timestamp("2022-10-06").as_unit("s")] if protocol >= 2 else []
    for key in keys:
        for price in (np.float64(238.5), np.float32(238.5), 238.5):
            found = days(read(pickle.dumps({key: {"price": {"TSLA": price}}}, protocol)))
            assert found.prices == [(DAY, "TSLA", 238.5)]
    for whole in (np.int64(7), np.int16(7), np.dtype(">i4").type(7)):
        assert days(read(pickle.dumps({DAY: {"price": {"TSLA": whole}}}, protocol))).prices == [(DAY, "TSLA", 7.0)]


def test_the_byte_order_of_a_numpy_number_is_kept():
    swapped = pickle.dumps({DAY: {"price": {"TSLA": np.float64(238.5)}}}, 2)
    little, big = struct.pack("<d", 238.5), struct.pack(">d", 238.5)
    encoded = little.decode("latin-1").encode("utf-8"), big.decode("latin-1").encode("utf-8")
    assert encoded[0] in swapped and b"X\x01\x00\x00\x00<" in swapped and len(encoded[0]) == len(encoded[1])
    swapped = swapped.replace(encoded[0], encoded[1]).replace(b"X\x01\x00\x00\x00<", b"X\x01\x00\x00\x00>")
    assert days(read(swapped)).prices == [(DAY, "TSLA", 238.5)]


def test_an_ordered_dictionary_is_a_dictionary():
    data = collections.OrderedDict(plain())
    assert days(read(pickle.dumps(data))).prices == [(DAY, "TSLA", 238.1)]


def test_empty_cells_are_left_out_and_counted():
    nan = float("nan")
    record = plain(price={"TSLA": 238.1, "GM": nan}, news={"TSLA": ["x", nan, "  ", None], "GM": None}, filing_k={"TSLA": nan})
    found = days(read(pickle.dumps(record)))
    assert [len(rows) for rows in (found.prices, found.news, found.filings)] == [1, 1, 0]
    assert found.left_out == {"bars": 1, "news": 3, "filings": 1}


def test_text_that_no_file_can_hold_becomes_text():
    found = days(read(pickle.dumps(plain(news={"TSLA": ["half \ud800 pair\x00 and more"]}))))
    assert found.news == [(DAY, "TSLA", "half ? pair and more")]


@given(
    st.dictionaries(
        st.dates(dt.date(1990, 1, 1), dt.date(2030, 1, 1)),
        st.tuples(
            st.floats(0.01, 1e6),
            st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")).map(str.strip).filter(bool)),
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(list(PROTOCOLS)),
)
@settings(max_examples=60, deadline=None)
def test_whatever_pickle_writes_of_such_data_is_read_back(data, protocol):
    record = {day: {"price": {"T": price}, "news": {"T": texts}} for day, (price, texts) in data.items()}
    found = days(read(pickle.dumps(record, protocol)))
    assert sorted(found.prices) == sorted((day, "T", price) for day, (price, _) in data.items())
    assert sorted(found.news) == sorted((day, "T", text) for day, (_, texts) in data.items() for text in texts)


# ------------------------------------------------------------------------------------------------------------------ hostile


def strike(*words: Any) -> None:
    """What a hostile file would call."""
    RAN.append(repr(words))
    Path("STRUCK").touch()


class Reduces:
    def __init__(self, *how: Any) -> None:
        self.how = how

    def __reduce__(self) -> Any:
        return self.how


class State:
    def __init__(self) -> None:
        self.word = 1

    def __setstate__(self, state: Any) -> None:
        strike(state)


class NewArguments:
    def __getnewargs_ex__(self) -> Any:
        return (), {"a": 1}

    def __new__(cls, *_: Any, **__: Any) -> "NewArguments":
        return super().__new__(cls)


class ListOfMine(list):
    def append(self, item: Any) -> None:
        strike(item)

    extend = append  # type: ignore[assignment]


class DictOfMine(dict):
    def __setitem__(self, key: Any, value: Any) -> None:
        strike(key)


TOUCH = "touch STRUCK"
OBJECTS: dict[str, Any] = {
    "os.system": Reduces(os.system, (TOUCH,)),
    "a function of this file": Reduces(strike, ("x",)),
    "eval": Reduces(eval, ("__import__('os').system('touch STRUCK')",)),
    "exec": Reduces(exec, ("open('STRUCK','w')",)),
    "open": Reduces(open, ("STRUCK", "w")),
    "getattr": Reduces(getattr, (dt.date, "today")),
    "partial": functools.partial(strike, "x"),
    "state": State(),
    "list items": Reduces(ListOfMine, (), None, iter([1, 2])),
    "dict items": Reduces(DictOfMine, (), None, None, iter([("a", 1)])),
    "keyword arguments": NewArguments(),
    "a set": {1, 2},
    "a frozen set": frozenset([1]),
    "a bytearray": bytearray(b"x"),
    "a deque": collections.deque([1]),
    "a default dict": collections.defaultdict(list, {"a": [1]}),
    "a class": dt.date,
    "a function": print,
    "a complex number": 1j,
    "a decimal": Decimal("1.5"),
    "a fraction": Fraction(1, 3),
    "a path": PurePosixPath("/etc/passwd"),
    "a timedelta": dt.timedelta(1),
    "a zoned time": dt.datetime(2022, 1, 1, tzinfo=dt.UTC),
    "a zoned timestamp": pd.Timestamp("2022-01-01", tz="UTC"),
    "an array": np.arange(3.0),
    "an array of objects": np.array([Reduces(os.system, (TOUCH,))], dtype=object),
    "a frame": pd.DataFrame({"a": [1]}),
    "an exception": ValueError("x"),
    "a range": range(10**9),
    "a slice": slice(1, 2),
    "a not-implemented": NotImplemented,
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_is_refused_wherever_it_lies_and_nothing_of_it_runs(name):
    thing, written = OBJECTS[name], 0
    for place in (
        thing,
        plain(price=thing),
        plain(price={"TSLA": thing}),
        plain(news={"TSLA": [thing]}),
        plain(extra=thing) | {"2022-10-07": thing},
    ):
        for protocol in PROTOCOLS:
            try:
                data = pickle.dumps(place, protocol)
            except (pickle.PicklingError, TypeError, AttributeError, ValueError):
                continue  # this protocol cannot write it
            written += 1
            refusal(data)
    assert written


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def ask(module: str, name: str) -> bytes:
    """STACK_GLOBAL."""
    return short(module) + short(name) + b"\x93"


HAND = {
    "a call in protocol 0": b"cos\nsystem\n(S'touch STRUCK'\ntR.",
    "INST": b"(S'touch STRUCK'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'touch STRUCK'\no.",
    "NEWOBJ": b"\x80\x02cos\nsystem\n(S'touch STRUCK'\nt\x81.",
    "NEWOBJ_EX": b"\x80\x04" + ask("os", "system") + short("x") + b"\x85}\x92.",
    "a name put together on the stack": b"\x80\x04" + ask("builtins", "eval") + short("1") + b"\x85R.",
    "a dotted name": b"\x80\x04" + ask("datetime", "date.today") + b")R.",
    "a dotted module": b"\x80\x04" + ask("datetime.os", "system") + b".",
    "a module with a blank": b"cdatetime date\nx\n.",
    "a name that is a number": b"\x80\x04K\x01K\x02\x93.",
    "a name that is a list": b"\x80\x04]]\x93.",
    "a name from the memo": b"\x80\x04" + short("os") + b"\x940" + short("system") + b"\x940h\x00h\x01\x93" + short(TOUCH) + b"\x85R.",
    "a reference called with no tuple": b"\x80\x04" + ask("datetime", "date") + b"]R.",
    "a number called": b"\x80\x04K\x01)R.",
    "a text called": b"\x80\x04" + short("eval") + b")R.",
    "a constructor as data": b"\x80\x04" + ask("datetime", "date") + b".",
    "a constructor with a constructor": b"\x80\x04" + ask("collections", "OrderedDict") + ask("datetime", "date") + b"\x85R.",
    "the codec of another name": b"\x80\x04" + ask("_codecs", "encode") + short("x") + short("zlib_codec") + b"\x86R.",
    "bytes of any length through the codec": b"\x80\x04" + ask("_codecs", "encode") + short("x" * 200) + short("latin1") + b"\x86R.",
    "a dtype of objects": b"\x80\x04" + ask("numpy", "dtype") + short("O8") + b"\x85R.",
    "a dtype with fields": b"\x80\x04" + ask("numpy", "dtype") + b"]\x85R.",
    "a scalar without a dtype": b"\x80\x04" + ask("numpy._core.multiarray", "scalar") + short("f8") + b"C\x08" + b"\0" * 8 + b"\x86R.",
    "a scalar of another length": b"\x80\x04"
    + ask("numpy._core.multiarray", "scalar")
    + ask("numpy", "dtype")
    + short("f8")
    + b"\x85RC\x02xx\x86R.",
    "state of a dtype that is none": b"\x80\x04" + ask("numpy", "dtype") + short("f8") + b"\x85R]b.",
    "state of a list": b"\x80\x04]}b.",
    "state of a constructor": b"\x80\x04" + ask("datetime", "date") + b"}b.",
    "a persistent id": b"Pmine\n.",
    "a binary persistent id": b"\x80\x04K\x01Q.",
    "extension 1": b"\x80\x02\x82\x01.",
    "extension 2": b"\x80\x02\x83\x01\x00.",
    "extension 4": b"\x80\x02\x84\x01\x00\x00\x00.",
    "a buffer from elsewhere": b"\x80\x05\x97.",
    "a read-only buffer": b"\x80\x05\x97\x98.",
    "a bytearray of 2**62 bytes": b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b".",
    "a text of 2**62 bytes": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b".",
    "bytes of 2**62 bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b".",
    "a text of 4 GB": b"\x80\x04X\xff\xff\xff\xff.",
    "a number of 2 GB": b"\x80\x04\x8b\xff\xff\xff\x7f.",
    "a number of negative length": b"\x80\x04\x8b\xff\xff\xff\xff.",
    "a number of a million digits": b"I" + b"9" * 1_000_000 + b"\n.",
    "a long of a million digits": b"L" + b"9" * 1_000_000 + b"L\n.",
    "a frame of 2**63 bytes": b"\x80\x04\x95" + b"\xff" * 8 + b"N.",
    "a frame that ends": b"\x80\x04\x95",
    "a memo entry that is not there": b"\x80\x04]\x94h\x07a.",
    "a memo at 2**32": b"\x80\x04]r\xff\xff\xff\xffj\xfe\xff\xff\xff.",
    "a memo of nothing": b"\x94.",
    "a memo of a mark": b"(\x940.",
    "a mark as data": b"(.",
    "a mark in a tuple": b"(\x85.",
    "an item without a list": b"K\x01a.",
    "items without a mark": b"]K\x01e.",
    "an item for a number": b"K\x01K\x02a.",
    "a key without a value": b"}(K\x01u.",
    "a pair for a list": b"]K\x01K\x02s.",
    "an unhashable key": b"}]K\x01s.",
    "an unhashable key in DICT": b"(]K\x01d.",
    "a class as a key": b"\x80\x04}" + ask("datetime", "date") + b"K\x01s.",
    "two values at the end": b"K\x01K\x02.",
    "no value at the end": b".",
    "nothing": b"",
    "garbage": b"garbage",
    "a zip file": b"PK\x03\x04" + b"\0" * 30,
    "a gzip file": b"\x1f\x8b\x08" + b"\0" * 30,
    "a text file": "date,price\n2022-10-06,1\n".encode("utf-16"),
    "protocol 99": b"\x80\x63.",
    "no end": pickle.dumps(plain())[:-1],
    "half a file": pickle.dumps(plain())[:70],
    "a date of year 0": b"cdatetime\ndate\n(I0\nI1\nI1\ntR.",
    "a date of year 9999999": b"cdatetime\ndate\n(I9999999\nI1\nI1\ntR.",
    "a date of three texts": b"cdatetime\ndate\n(S'1'\nS'1'\nS'1'\ntR.",
    "a date of wrong bytes": b"\x80\x04" + ask("datetime", "date") + b"C\x04\xff\xff\xff\xff\x85R.",
    "a timestamp beyond time": b"\x80\x04"
    + ask("pandas._libs.tslibs.timestamps", "_unpickle_timestamp")
    + b"\x8a\x10"
    + b"\x7f" * 16
    + b"\x85R.",
    "a list that holds itself": b"]\x94h\x00a.",
    "a dictionary that holds itself": b"}\x94K\x01h\x00s.",
    "a quote that never ends": b"S'never\n.",
    "an escape that is none": b"S'\\x'\n.",
    "text that is not UTF-8": b"X\x02\x00\x00\x00\xff\xff.",
}


@pytest.mark.parametrize("name", HAND)
def test_a_file_made_by_hand_is_refused_in_one_sentence(name):
    refusal(HAND[name])


def test_the_hostile_files_are_many():
    assert len(OBJECTS) + len(HAND) > 100


def test_the_sentence_names_what_was_asked_for_and_where():
    assert refusal(HAND["a call in protocol 0"]) == "The file asks for os.system at byte 0; only plain data is accepted."
    assert "wants to call something at byte 3" in refusal(b"K\x01)R.")
    assert "the instruction PERSID at byte 0" in refusal(HAND["a persistent id"])
    assert "the instruction EXT1 at byte 2" in refusal(HAND["extension 1"])


DEEP = 150_000  # hashing or printing such a thing would end the process


def nested(opening: bytes, closing: bytes, depth: int = DEEP) -> bytes:
    return b"\x80\x04" + opening * depth + b"N" + closing * depth + b"."


@pytest.mark.parametrize(
    "data",
    [
        nested(b"", b"\x85"),  # tuples in tuples
        nested(b"]", b"a"),  # lists in lists
        nested(b"}K\x01", b"s"),  # dictionaries in dictionaries
        b"\x80\x04}N" + b"\x85" * DEEP + b"K\x01s.",  # a deep tuple as a key: hashing it would end the process
        b"\x80\x04(N" + b"\x85" * DEEP + b"K\x01d.",
        b"\x80\x04N" + b"\x85" * DEEP + short("x") + b"\x93.",  # and as the name of a module
        b"(" * DEEP + b".",
    ],
)
def test_depth_does_not_end_the_process(data):
    refusal(data)


def test_doubled_references_do_not_fill_the_memory():
    doubled = b"\x80\x04]\x94" + b"".join(b"](h%ch%ce\x94" % (i, i) for i in range(100)) + b"."  # 2**100 leaves
    refusal(doubled)
    long_list = ["x"] * 1_000
    many = {f"T{i}": long_list for i in range(1_000)}  # a million rows in 15 kB
    data = pickle.dumps(plain(news=many))
    assert len(data) < 20_000 and "more than 300,000 rows" in refusal(data, rows=300_000)


def test_a_long_text_that_is_referred_to_often_is_counted_every_time():
    text = "x" * 1_000_000
    data = pickle.dumps(plain(news={"TSLA": [text] * 600}))
    assert len(data) < 2_000_000 and "characters of text" in refusal(data)


def test_days_that_share_one_large_record_are_counted_every_time():
    shared = {f"T{i}": [] for i in range(5_000)}
    data = {DAY + dt.timedelta(i): {"price": {"T": 1.0}, "news": shared} for i in range(4_000)}  # 20 million entries
    assert "more than 500,000 entries" in refusal(pickle.dumps(data), entries=500_000)


def test_size_and_steps_are_bounded():
    data = pickle.dumps(plain())
    assert "larger than" in refusal(data, max_bytes=10)
    assert "instructions" in refusal(data, max_steps=5)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "not FinMem's dictionary"),
        ({}, "no days"),
        (None, "nothing"),
        ("text", "a text"),
        ({"tomorrow": {"price": {}}}, "'tomorrow' is not a date"),
        ({7: {"price": {}}}, "is not a date"),
        ({10**5000: {"price": {}}}, "is not a date"),
        ({DAY: 7}, "where a dictionary is expected"),
        ({DAY: ()}, "neither prices nor news"),
        ({DAY: {"prices": {}}}, "neither prices nor news"),
        ({DAY: ({},) * 9}, "9 parts"),
        ({DAY: ([],)}, "holds a list"),
        (plain(price=[1]), "not a dictionary by ticker"),
        (plain(price={}), "no price"),
        (plain(price={"TSLA": "238"}), "not a number"),
        (plain(price={"TSLA": True}), "not a number"),
        (plain(price={"TSLA": 0.0}), "is 0"),
        (plain(price={"TSLA": -3}), "is -3"),
        (plain(price={"TSLA": float("inf")}), "beyond any number"),
        (plain(price={"TSLA": 10**400}), "beyond any number"),
        (plain(price={"..": 1.0}), "not a ticker"),
        (plain(price={"../../etc/passwd": 1.0}), "not a ticker"),
        (plain(price={"A\nB": 1.0}), "not a ticker"),
        (plain(price={"": 1.0}), "not a ticker"),
        (plain(price={"X" * 10_000: 1.0}), "not a ticker"),
        (plain(price={7: 1.0}), "not a ticker"),
        (plain(news={"TSLA": 7}), "not a list of texts"),
        (plain(news={"TSLA": {"a": 1}}), "not a list of texts"),
        (plain(news={"TSLA": [["x"]]}), "where a text is expected"),
        (plain(news={"TSLA": [b"x"]}), "where a text is expected"),
        (plain(filing_k={"TSLA": ["x"]}), "where a text is expected"),
        (plain(filing_k=["x"]), "10-K is a list"),
    ],
)
def test_another_shape_is_refused_with_the_place(data, words):
    assert words in refusal(pickle.dumps(data))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(data):
    body = bytearray(
        pickle.dumps(finmem_file.tuples("filing") if data.draw(st.booleans()) else plain(), data.draw(st.sampled_from(list(PROTOCOLS))))[
            :4_000
        ]
    )
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        body = body or bytearray(b".")
    try:
        days(read(bytes(body)))
    except PickleRefused as error:
        assert str(error).isprintable()


@given(st.lists(st.sampled_from([op.code.encode("latin-1") for op in pickletools.opcodes]) | st.binary(max_size=4), max_size=40))
@settings(max_examples=150, deadline=None)
def test_any_row_of_instructions_is_read_or_refused_and_nothing_else(parts):
    try:
        days(read(b"".join(parts)))
    except PickleRefused as error:
        assert str(error).isprintable()


def test_pickle_itself_is_never_asked(monkeypatch):
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("the file was unpickled")

    data = pickle.dumps(plain())
    for name in ("load", "loads", "Unpickler", "_Unpickler", "_loads", "_load"):
        monkeypatch.setattr(pickle, name, never)
    assert days(read(data)).prices
