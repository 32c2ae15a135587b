"""FinMem's ``env_data.pkl`` without unpickling it: a pickle is a program, and this one comes from strangers.

The file never reaches ``pickle.load``. ``read`` steps through the instructions that build plain data (numbers, texts, lists, tuples,
dictionaries); a reference to a class is looked up in a fixed table of our own constructors (dates, numpy numbers); everything else, and
every instruction that could call, import or set the state of an object, ends the reading with one sentence that names it. Size, steps,
rows and text are bounded, because a few bytes of a pickle can stand for a great deal of data.

FinMem's own scripts write three shapes, and ``days`` reads them all:

    {day: ({"price": ..}, {"news": ..}, {"filing_q": ..}, {"filing_k": ..})}     its data pipeline
    {day: ({"price": ..}, {"news": ..}, {"filling_q": ..}, {"filling_k": ..})}   what its sentiment script expects [sic]
    {day: {"price": .., "news": .., "filing_q": .., "filing_k": ..}}             what its run script is given
"""

from __future__ import annotations

import io
import math
import pickletools
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

MAX_BYTES = 512 * 2**20
MAX_STEPS = 12_000_000  # instructions of the file: about half a minute, and some 100 MB of news
MAX_ENTRIES = 5_000_000  # looked at afterwards; a file of 10 tickers and 10 years has 100,000 and its texts
MAX_ROWS = 3_000_000
MAX_TEXT = 512 * 2**20  # characters in all rows: one long text can be referred to any number of times
TICKER = re.compile(r"[A-Za-z0-9^][A-Za-z0-9.\-=^]{0,14}")
FORMS = {"10-Q": ("filing_q", "filling_q"), "10-K": ("filing_k", "filling_k")}
TABLES = {"price", "news", *(name for names in FORMS.values() for name in names)}


class PickleRefused(ValueError):
    """The file is no plain data, is damaged, too large, or of another shape. The message is one sentence for people."""


@dataclass
class Days:
    """What a file holds, as (day, ticker, ...) rows in no particular order. ``left_out``: entries that are empty or not a number."""

    prices: list[tuple[date, str, float]] = field(default_factory=list)
    news: list[tuple[date, str, str]] = field(default_factory=list)
    filings: list[tuple[date, str, str, str]] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)


# ----------------------------------------------------------------------------------------------------- constructors we know


class _DType:
    """The type of a numpy number: letter and size, then its byte order, which arrives as "state"."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "<"


NUMBERS = {"f8": "d", "f4": "f", "i8": "q", "i4": "i", "i2": "h", "i1": "b", "u8": "Q", "u4": "I", "u2": "H", "u1": "B", "b1": "?"}


def _date(*parts: Any) -> date:
    """datetime.date and datetime.datetime: packed bytes or year, month, day. Of a time only the day is kept."""
    if parts and isinstance(parts[0], (bytes, str)):
        packed = parts[0] if isinstance(parts[0], bytes) else parts[0][:16].encode("latin-1")
        if len(parts) == 1 and len(packed) in (4, 10):
            return date(packed[0] * 256 + packed[1], packed[2] & 0x7F, packed[3])
    elif len(parts) >= 3 and all(type(part) is int for part in parts[:3]):
        return date(*parts[:3])
    raise PickleRefused("The file holds a date that cannot be read.")


def _timestamp(*parts: Any) -> date:
    """pandas' _unpickle_timestamp(value, freq, tz, resolution) without a zone."""
    if parts and type(parts[0]) is int and (len(parts) < 3 or parts[2] is None):
        per_second = {7: 1, 8: 10**3, 9: 10**6, 10: 10**9}.get(parts[3] if len(parts) > 3 and type(parts[3]) is int else 10, 10**9)
        return (datetime(1970, 1, 1) + timedelta(seconds=parts[0] // per_second)).date()
    raise PickleRefused("The file holds a timestamp that cannot be read; only dates without a time zone are accepted.")


def _dtype(*parts: Any) -> _DType:
    if parts and isinstance(parts[0], str) and len(parts[0]) <= 3 and parts[0].lstrip("<|=") in NUMBERS:
        return _DType(parts[0].lstrip("<|="))
    raise PickleRefused("The file holds numpy data that is not a plain number.")


def _scalar(*parts: Any) -> Any:
    if len(parts) == 2 and isinstance(parts[0], _DType) and isinstance(parts[1], bytes):
        return struct.unpack(parts[0].order + NUMBERS[parts[0].code], parts[1])[0]
    raise PickleRefused("The file holds a numpy number that cannot be read.")


def _ordered(*parts: Any) -> dict[Any, Any]:
    if parts:
        raise PickleRefused("The file holds an ordered dictionary written in a way that is not accepted.")
    return {}


def _encoded(*parts: Any) -> bytes:
    """_codecs.encode(text, "latin1"): how protocols 0 to 2 write the few bytes of a date or a number."""
    if len(parts) == 2 and isinstance(parts[0], str) and parts[1] == "latin1" and len(parts[0]) <= 16:
        return parts[0].encode("latin-1")
    raise PickleRefused("The file holds bytes that cannot be read.")


KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("datetime", "date"): _date,
    ("datetime", "datetime"): _date,
    ("pandas._libs.tslibs.timestamps", "_unpickle_timestamp"): _timestamp,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("collections", "OrderedDict"): _ordered,
    ("_codecs", "encode"): _encoded,
}


@dataclass(frozen=True)
class _Reference:
    """A constructor of ours where the file names a class. Only REDUCE opens it."""

    make: Callable[..., Any]


# ------------------------------------------------------------------------------------------------------------------ reading

_MARK = object()
_CONSTANT = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERAL = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "UNICODE", "SHORT_BINUNICODE"}
_LITERAL |= {"BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
_FRESH: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED = {"PROTO", "FRAME"}


def read(data: bytes, *, max_bytes: int = MAX_BYTES, max_steps: int = MAX_STEPS) -> Any:
    """The plain data of a pickle of any protocol; PickleRefused otherwise. Nothing of the file is called or imported."""
    if len(data) > max_bytes:
        raise PickleRefused(f"The file is larger than {max_bytes / 2**20:,.0f} MB.")
    machine, steps = _Machine(), 0
    try:
        for opcode, argument, position in pickletools.genops(io.BytesIO(data)):
            steps += 1
            if steps > max_steps:
                raise PickleRefused(f"The file has more than {max_steps:,} instructions.")
            if opcode.name == "STOP":
                return machine.result()
            machine.step(opcode.name, argument, position or 0)
    except PickleRefused:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError, struct.error) as error:
        raise PickleRefused(f"The file is not a readable pickle ({_shown(str(error) or type(error).__name__)}).") from None
    raise PickleRefused("The file ends in the middle.")


class _Machine:
    """The stack and the memo of a pickle, for instructions that build data."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def result(self) -> Any:
        value = self._pop()
        if self.stack:
            raise PickleRefused("The file is damaged (data left over at its end).")
        return value

    def step(self, name: str, argument: Any, position: int) -> None:
        """One instruction."""
        stack = self.stack
        if name in _LITERAL:
            stack.append(argument)
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self._top()
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self._top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name in _CONSTANT:
            stack.append(_CONSTANT[name])
        elif name in _FRESH:
            stack.append(_FRESH[name]())
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _TUPLES:
            stack.append(tuple(reversed([self._pop() for _ in range(_TUPLES[name])])))
        elif name not in _IGNORED:
            self._compound(name, argument, position)

    def _compound(self, name: str, argument: Any, position: int) -> None:
        stack = self.stack
        if name == "TUPLE":
            stack.append(tuple(self._to_mark()))
        elif name == "LIST":
            stack.append(self._to_mark())
        elif name == "DICT":
            pairs = self._to_mark()
            stack.append({})
            self._fill(pairs)
        elif name in ("APPEND", "APPENDS"):
            added = [self._pop()] if name == "APPEND" else self._to_mark()
            self._of(list).extend(added)
        elif name in ("SETITEM", "SETITEMS"):
            self._fill(list(reversed([self._pop(), self._pop()])) if name == "SETITEM" else self._to_mark())
        elif name == "POP":
            self._pop()
        elif name == "POP_MARK":
            self._to_mark()
        else:
            self._dangerous(name, argument, position)

    def _dangerous(self, name: str, argument: Any, position: int) -> None:
        """The instructions through which a pickle acts. Ours reach only the constructors in KNOWN."""
        if name in ("GLOBAL", "STACK_GLOBAL"):
            words = argument.split(" ", 1) if name == "GLOBAL" else list(reversed([self._pop(), self._pop()]))
            if not all(type(word) is str for word in words) or tuple(words) not in KNOWN:
                asked = ".".join(word if isinstance(word, str) else type(word).__name__ for word in words)
                raise PickleRefused(f"The file asks for {_shown(asked)} at byte {position}; only plain data is accepted.")
            self.stack.append(_Reference(KNOWN[words[0], words[1]]))
        elif name == "REDUCE":
            arguments, reference = self._pop(), self._pop()
            if type(reference) is not _Reference or type(arguments) is not tuple or len(arguments) > 10:
                raise PickleRefused(f"The file wants to call something at byte {position}; only plain data is accepted.")
            self.stack.append(reference.make(*arguments))
        elif name == "BUILD":
            state, target = self._pop(), self._top()
            if type(target) is not _DType or type(state) is not tuple or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
                raise PickleRefused(f"The file sets the state of an object at byte {position}; only plain data is accepted.")
            target.order = ">" if state[1] == ">" else "<"
        else:
            raise PickleRefused(f"The file holds the instruction {name} at byte {position}; only plain data is accepted.")

    def _pop(self) -> Any:
        value = self._top()
        self.stack.pop()
        return value

    def _top(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise PickleRefused("The file is damaged (a value is missing).")
        return self.stack[-1]

    def _to_mark(self) -> list[Any]:
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is _MARK:
                found = self.stack[place + 1 :]
                del self.stack[place:]
                return found
        raise PickleRefused("The file is damaged (a mark is missing).")

    def _of(self, kind: type) -> Any:
        target = self._top()
        if type(target) is not kind:
            raise PickleRefused("The file is damaged (an item is added to something that holds none).")
        return target

    def _fill(self, pairs: list[Any]) -> None:
        """Keys are texts, numbers and dates only: hashing a deeply nested key would end the process."""
        target = self._of(dict)
        if len(pairs) % 2:
            raise PickleRefused("The file is damaged (a key without a value).")
        for place in range(0, len(pairs), 2):
            if type(pairs[place]) not in (str, int, date):
                raise PickleRefused(f"The file has a dictionary key that is a {_kind(pairs[place])}, not a text or a date.")
            target[pairs[place]] = pairs[place + 1]


# ------------------------------------------------------------------------------------------------------------------- shapes


def days(data: Any, *, max_entries: int = MAX_ENTRIES, max_rows: int = MAX_ROWS, max_text: int = MAX_TEXT) -> Days:
    """The rows of FinMem's dictionary in any of its shapes; PickleRefused says where another one was found."""
    if type(data) is not dict or not data:
        raise PickleRefused(f"The file holds {'no days' if type(data) is dict else f'a {_kind(data)}'}, not FinMem's dictionary of days.")
    reader = _Reader(max_entries, max_rows, max_text)
    for key, record in data.items():
        reader.day(_day(key), record)
    if not reader.found.prices:
        raise PickleRefused("The file holds no price.")
    return reader.found


class _Reader:
    """Collects rows and counts what it looks at: nested references can make small files endless."""

    def __init__(self, max_entries: int, max_rows: int, max_text: int) -> None:
        self.found = Days()
        self.limits = {"entries": max_entries, "rows": max_rows, "characters of text": max_text}
        self.counts = dict.fromkeys(self.limits, 0)

    def day(self, day: date, record: Any) -> None:
        """One day's record in any of the shapes."""
        tables = self._tables(day, record)
        for ticker, value in self._tickers(tables.get("price"), day, "price"):
            self._price(day, ticker, value)
        for ticker, value in self._tickers(tables.get("news"), day, "news"):
            for item in [value] if isinstance(value, str) else self._items(value, day, ticker):
                if text := self._text(item, day, ticker, "news"):
                    self._count("rows")
                    self.found.news.append((day, ticker, text))
        for form, names in FORMS.items():
            content = next((tables[name] for name in names if name in tables), None)
            for ticker, value in self._tickers(content, day, form):
                if text := self._text(value, day, ticker, "filings"):
                    self._count("rows")
                    self.found.filings.append((day, ticker, form, text))

    def _tables(self, day: date, record: Any) -> dict[str, Any]:
        parts = record if isinstance(record, (tuple, list)) else [record]
        if len(parts) > 8:
            raise PickleRefused(f"{day}: the record has {len(parts):,} parts; FinMem's have four.")
        tables: dict[str, Any] = {}
        for part in parts:
            self._count("entries")
            if type(part) is not dict:
                raise PickleRefused(f"{day}: the record holds a {_kind(part)} where a dictionary is expected.")
            tables |= {name: part[name] for name in TABLES if name in part}
        if not tables:
            raise PickleRefused(f"{day}: the record has neither prices nor news nor filings.")
        return tables

    def _tickers(self, content: Any, day: date, what: str) -> Iterator[tuple[str, Any]]:
        if content is None:
            return
        if type(content) is not dict:
            raise PickleRefused(f"{day}: {what} is a {_kind(content)}, not a dictionary by ticker.")
        for ticker, value in content.items():
            self._count("entries")
            if not isinstance(ticker, str) or not TICKER.fullmatch(ticker):
                raise PickleRefused(f"{day}: {_named(ticker)} is not a ticker.")
            yield ticker.upper(), value

    def _price(self, day: date, ticker: str, value: Any) -> None:
        if type(value) not in (int, float):
            raise PickleRefused(f"{day}: the price of {ticker} is a {_kind(value)}, not a number.")
        if isinstance(value, float) and math.isnan(value):
            self._leave_out("bars")
            return
        if not 0 < value < 1e12:
            size = f"{float(value):g}" if abs(value) < 1e300 else "beyond any number"
            raise PickleRefused(f"{day}: the price of {ticker} is {size}.")
        self._count("rows")
        self.found.prices.append((day, ticker, float(value)))

    def _items(self, value: Any, day: date, ticker: str) -> Sequence[Any]:
        if value is None:
            return ()
        if type(value) not in (list, tuple):
            raise PickleRefused(f"{day}: the news of {ticker} is a {_kind(value)}, not a list of texts.")
        return value

    def _text(self, value: Any, day: date, ticker: str, table: str) -> str:
        """The text; "" for an empty cell, which pandas writes as NaN."""
        self._count("entries")
        if value is None or (isinstance(value, float) and math.isnan(value)):
            self._leave_out(table)
            return ""
        if not isinstance(value, str):
            raise PickleRefused(f"{day}: the {table} of {ticker} hold a {_kind(value)} where a text is expected.")
        self._count("characters of text", len(value))
        text = value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "").strip()  # halves of surrogate pairs are no text
        if not text:
            self._leave_out(table)
        return text

    def _leave_out(self, table: str) -> None:
        self.found.left_out[table] = self.found.left_out.get(table, 0) + 1

    def _count(self, what: str, number: int = 1) -> None:
        self.counts[what] += number
        if self.counts[what] > self.limits[what]:
            raise PickleRefused(f"The file stands for more than {self.limits[what]:,} {what}.")


def _day(key: Any) -> date:
    if type(key) is str:
        try:
            key = date.fromisoformat(key[:10])
        except ValueError:
            raise PickleRefused(f"The key {_named(key)} is not a date.") from None
    if type(key) is not date:
        raise PickleRefused(f"The key {_named(key)} is not a date.")
    return key


def _named(value: Any) -> str:
    """A key for a sentence."""
    return repr(_shown(value)) if isinstance(value, str) else _kind(value)


def _kind(value: Any) -> str:
    """What a value is, for a sentence."""
    if isinstance(value, _Reference | _DType):
        return "class"
    return {"NoneType": "nothing", "dict": "dictionary", "str": "text", "int": "number", "float": "number", "bool": "yes or no"}.get(
        type(value).__name__, type(value).__name__
    )


def _shown(text: str) -> str:
    """Something from the file for a sentence: one short printable line."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text[:60])
    return clean + ("..." if len(text) > 60 else "")
