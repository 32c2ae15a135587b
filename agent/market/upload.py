"""A file of a person's own becomes a canonical table: look at it, ask what it does not say, read it.

Promise: nothing that decides when or at what price something happened is guessed. A time without a zone, days that could be months, an
adjusted close, a table without a ticker are questions (``Preview.questions``); their answers lie in a ``Mapping``, which together with the
bytes gives the same table on every machine. A refusal names the field of the mapping that has to change and the first rows.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
from pydantic import Field

from agent.errors import RecollectError, SpecError
from agent.market import cells, tables, tabular
from agent.market.sessions import Calendar
from agent.market.sources.base import Issue
from agent.records import Record

Table = Literal["bars", "news", "filings", "dividends", "splits", "fundamentals"]
Question = Literal["table", "symbol", "zone", "day_order", "basis"]
DayOrder = cells.DayOrder
HEAD = 20
TICKER = re.compile(r"[A-Z0-9^](?:[A-Z0-9^=&_-]|\.(?!\.)){0,19}")
TICKER_RULE = "letters, digits and . - = ^ & _, at most 20"

# canonical column -> headers it is known by, in lower case and without anything but letters and digits; the first that is there is taken
SYMBOL = ("symbol", "ticker", "sym", "tic", "instrument", "ric", "stock", "secid", "asset")
DAY = ("date", "day", "tradingday", "tradedate", "datetime", "timestamp", "time", "d", "t", "unnamed0", "index")
PUBLISHED = (
    "publishedat",
    "published",
    "pubdate",
    "providerpublishtime",
    "publishedutc",
    "createdat",
    "datetime",
    "timestamp",
    "time",
    "date",
)
SYNONYMS: dict[str, dict[str, tuple[str, ...]]] = {
    "bars": {
        "symbol": SYMBOL,
        "date": DAY,
        "open": ("open", "o", "openprice", "priceopen"),
        "high": ("high", "h", "highprice", "pricehigh", "max"),
        "low": ("low", "l", "lowprice", "pricelow", "min"),
        "close": ("close", "c", "closeprice", "priceclose", "last", "closelast", "price", "px"),
        "volume": ("volume", "vol", "v", "shares", "quantity"),
    },
    "splits": {
        "symbol": SYMBOL,
        "ex_date": ("exdate", "executiondate", "effectivedate", *DAY),
        "ratio": ("ratio", "stocksplits", "stocksplit", "split", "splitratio", "splitfactor", "factor"),
    },
    "dividends": {
        "symbol": SYMBOL,
        "ex_date": ("exdate", "exdividenddate", "exdiv", *DAY),
        "amount": ("amount", "dividends", "dividend", "cashamount", "value", "cash", "dps"),
    },
    "news": {
        "symbol": (*SYMBOL, "related", "tickers"),
        "id": ("id", "newsid", "uuid", "guid", "articleid"),
        "published_at": PUBLISHED,
        "available_at": ("availableat", "available", "receivedat", "crawledat"),
        "title": ("title", "headline", "heading", "subject"),
        "summary": ("summary", "body", "text", "content", "description", "abstract", "snippet", "newstext"),
        "publisher": ("publisher", "source", "provider", "outlet", "site", "publishername"),
        "url": ("url", "link", "articleurl", "href"),
    },
    "filings": {
        "symbol": SYMBOL,
        "accession": ("accession", "accessionnumber", "accn", "id"),
        "form": ("form", "formtype", "type", "filingtype"),
        "section": ("section", "item", "part"),
        "period_end": ("periodend", "period", "reportdate", "periodofreport", "fiscalperiodend"),
        "filing_date": ("filingdate", "filed", "filedat", "date", "dateFiled".lower()),
        "accepted_at": ("acceptedat", "acceptancedatetime", "accepted", "acceptance"),
        "available_at": ("availableat", "available"),
        "text": ("text", "content", "body", "document", "filingtext"),
        "url": ("url", "link", "href"),
    },
    "fundamentals": {
        "symbol": SYMBOL,
        "field": ("field", "concept", "tag", "item", "metric"),
        "value": ("value", "val", "amount"),
        "unit": ("unit", "units", "uom", "currency"),
        "timeframe": ("timeframe", "frequency", "periodtype"),
        "period_start": ("periodstart", "start", "startdate"),
        "period_end": ("periodend", "end", "enddate", "fiscaldateending", "reportdate", "period"),
        "form": ("form", "formtype"),
        "filed": ("filed", "filingdate", "fileddate", "filedat"),
        "accession": ("accession", "accn", "accessionnumber"),
        "accepted_at": ("acceptedat", "acceptancedatetime", "accepted"),
        "available_at": ("availableat", "available"),
        **{field: tuple(name.replace("_", "") for name in names) for field, names in tables.FIGURES.items()},
    },
}
NEEDED: dict[str, tuple[str, ...]] = {  # besides the symbol, which may be said for the whole file
    "bars": ("date", "open", "high", "low", "close", "volume"),
    "splits": ("ex_date", "ratio"),
    "dividends": ("ex_date", "amount"),
    "news": ("published_at", "title"),
    "filings": ("accession", "form", "text"),
    "fundamentals": ("period_end",),
}
KINDS = {name: kind for schema in tables.SCHEMA.values() for name, kind in schema.items()} | {
    "filing_date": "day",
    **dict.fromkeys(tables.FIGURES, "number"),
}
TIMES = ("published_at", "accepted_at", "available_at")
ADJUSTED = re.compile(r"adj")


class Mapping(Record):
    """What a person says about a file: which column is what, and the answers to the questions."""

    table: Table = Field("bars", description="which table the file holds")
    columns: dict[str, str] = Field(default_factory=dict, description="canonical column -> column of the file")
    symbol: str = Field("", description="ticker of every row, where no column names it")
    zone: str = Field("", description="IANA time zone of times that carry none, such as America/New_York")
    day_order: DayOrder | None = Field(None, description="order of day, month and year where the numbers leave it open")
    basis: Literal["traded", "split", "adjusted"] = Field(
        "traded", description="prices as traded, adjusted for splits, or adjusted for splits and dividends"
    )
    exchange: str = Field("XNYS", description="four-letter code of the exchange whose sessions the days are")
    currency: str = Field("USD", description="three-letter code of the quote currency")


@dataclass(frozen=True)
class Preview:
    """What a file seems to be. ``mapping`` is a proposal; ``questions`` name the fields of a Mapping that only a person can fill."""

    name: str
    kind: Literal["csv", "parquet"]
    encoding: str
    separator: str
    decimal: Literal[".", ","]
    columns: tuple[str, ...]
    head: pd.DataFrame
    rows: int
    estimated: bool
    table: Table
    mapping: dict[str, str]
    questions: tuple[Question, ...]
    notes: tuple[str, ...]


def look(body: bytes | Path, name: str) -> Preview:
    """What the file is and which questions it leaves open. SpecError (field "file") where it is no table that can be read."""
    sheet = tabular.open_sheet(body, name)
    sample = sheet.head(tabular.SAMPLE)
    if not sheet.rows or sample.empty:
        raise SpecError(f"{tabular.display_name(name)} has column names and no rows.", field="file")
    table, sure = guess_table(sheet.columns)
    mapping = guess_columns(table, sheet.columns)
    questions: list[Question] = [] if sure else ["table"]
    if "symbol" not in mapping:
        questions.append("symbol")
    facts = _Stamps.of(sheet, sample, mapping)
    if facts.naive:
        questions.append("zone")
    if facts.ambiguous:
        questions.append("day_order")
    if table == "bars":
        questions.append("basis")
    decimal: Literal[".", ","] = "."
    with suppress(SpecError):  # read() says which cells contradict each other
        numbers = [sample[column] for canonical, column in mapping.items() if KINDS.get(canonical) == "number"]
        decimal = cells.decimal_sign(numbers, sheet.separator, where=tabular.display_name(name))
    return Preview(
        name=tabular.display_name(name),
        kind=sheet.kind,
        encoding=sheet.encoding,
        separator=sheet.separator,
        decimal=decimal,
        columns=tuple(dict.fromkeys(sheet.columns)),
        head=sample.head(HEAD).set_axis(_told_apart(sheet.columns), axis=1),
        rows=sheet.rows,
        estimated=sheet.estimated,
        table=table,
        mapping=mapping,
        questions=tuple(questions),
        notes=tuple(_notes(table, sheet.columns, mapping)),
    )


def read(body: bytes | Path, name: str, mapping: Mapping) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
    """The canonical table and everything odd about it. A SpecError names the field of the mapping, or "file", and the first rows."""
    shown = tabular.display_name(name)
    sheet = tabular.open_sheet(body, name)
    columns = _checked(mapping, sheet.columns, shown)
    calendar = _calendar(mapping)
    raw = sheet.take(list(dict.fromkeys(columns.values())))
    if raw.empty:
        raise SpecError(f"{shown} has column names and no rows.", field="file")
    frame, issues = _typed(raw, columns, mapping, sheet.separator, calendar.zone, shown)
    if mapping.table == "bars":
        frame["basis"] = mapping.basis
    try:
        clean, notes = tables.conform(mapping.table, frame, where=shown, zone=calendar.zone, currency=mapping.currency)
    except SpecError as error:
        raise SpecError(str(error), field=_field(str(error), columns)) from error
    if clean.empty:
        raise SpecError(f"{shown} holds no row that can be used. {' '.join(note.message for note in notes)}", field="file")
    return clean, (*issues, *notes, *_inspected(mapping.table, clean, calendar))


def guess_table(columns: tuple[str, ...]) -> tuple[Table, bool]:
    """Which table the headers belong to, and whether they say so clearly."""
    have = {_plain(column) for column in columns}

    def has(table: str, *names: str) -> bool:
        return all(have & set(SYNONYMS[table][name]) for name in names)

    figures = sum(bool(have & set(SYNONYMS["fundamentals"][field])) for field in tables.FIGURES)
    if has("bars", "close", "high", "low"):
        return "bars", True
    if has("filings", "accession", "text") or (has("filings", "form", "text") and not has("news", "title")):
        return "filings", True
    if has("fundamentals", "period_end") and (figures >= 2 or has("fundamentals", "field", "value")):
        return "fundamentals", True
    if has("news", "title"):
        return "news", True
    if has("splits", "ratio"):
        return "splits", True
    if have & {"dividends", "dividend", "cashamount", "dps", "exdividenddate"} or (has("dividends", "amount") and "exdate" in have):
        return "dividends", True
    if has("bars", "close"):
        return "bars", True
    return "bars", False


def guess_columns(table: str, columns: tuple[str, ...]) -> dict[str, str]:
    """canonical column -> header. An adjusted close is never taken for the close: that has to be said."""
    plain: dict[str, str] = {}
    for column in columns:
        if columns.count(column) == 1:
            plain.setdefault(_plain(column), column)
    found: dict[str, str] = {}
    for canonical, synonyms in SYNONYMS[table].items():
        taken = set(found.values())
        name = next((plain[s] for s in synonyms if s in plain and plain[s] not in taken), None)
        if name is not None:
            found[canonical] = name
    if "field" in found and "value" in found:
        found = {canonical: column for canonical, column in found.items() if canonical not in tables.FIGURES}
    return found


def _plain(header: str) -> str:
    return re.sub(r"[^a-z0-9]", "", header.lower())


def _notes(table: str, columns: tuple[str, ...], mapping: dict[str, str]) -> list[str]:
    notes = []
    missing = [name for name in NEEDED[table] if name not in mapping]
    if missing:
        notes.append(f"No column was recognised as {', '.join(missing)}.")
    adjusted = [column for column in columns if ADJUSTED.search(_plain(column))]
    if table == "bars" and adjusted:
        notes.append(f"{adjusted[0]!r} is left out: a price adjusted for later dividends tells the future.")
    doubled = sorted({column for column in columns if columns.count(column) > 1})
    if doubled:
        notes.append(f"{doubled[0]!r} names more than one column; such columns cannot be used.")
    have = {_plain(column) for column in columns}
    for other, names in (("dividends", {"dividends", "dividend"}), ("splits", {"stocksplits", "stocksplit"})):
        if table == "bars" and have & names:
            notes.append(f"The file holds {other} too: read it a second time as {other} to have them.")
    return notes


def _told_apart(columns: tuple[str, ...]) -> list[str]:
    """Headers for a screen, which shows no two columns of one name."""
    shown: list[str] = []
    for column in columns:
        name, number = column, 2
        while name in shown:
            name, number = f"{column} ({number})", number + 1
        shown.append(name)
    return shown


@dataclass(frozen=True)
class _Stamps:
    """What the sample of the time columns leaves open."""

    naive: bool
    ambiguous: bool

    @classmethod
    def of(cls, sheet: tabular.Sheet, sample: pd.DataFrame, mapping: dict[str, str]) -> _Stamps:
        naive = ambiguous = False
        for canonical, column in mapping.items():
            if KINDS.get(canonical) not in ("day", "time"):
                continue
            values = sample[column]
            if cells.open_order(values):
                with suppress(RecollectError):  # read() says what is wrong
                    values = sheet.take([column])[column]  # a later row may settle it
                ambiguous |= cells.open_order(values)
            if canonical in TIMES:
                naive |= cells.without_zone(values)
        return cls(naive, ambiguous)


# ------------------------------------------------------------------------------------------------------------------ reading


def _checked(mapping: Mapping, columns: tuple[str, ...], shown: str) -> dict[str, str]:
    """The columns to read; whatever the mapping asks and the file does not have is refused at its field."""
    known = SYNONYMS[mapping.table]
    for canonical, column in mapping.columns.items():
        if canonical not in known:
            raise SpecError(f"There is no column {canonical[:40]!r} in the {mapping.table} table.", field=f"columns.{canonical[:40]}")
        if column not in columns:
            near = ", ".join(columns[:12])
            raise SpecError(f"{shown} has no column {column[:60]!r}; it has {near[:300]}.", field=f"columns.{canonical}")
        if columns.count(column) > 1:
            raise SpecError(f"{shown}: column {column[:60]!r} appears twice; rename one of them.", field=f"columns.{canonical}")
    for canonical in NEEDED[mapping.table]:
        if canonical not in mapping.columns:
            raise SpecError(f"Say which column of {shown} holds {canonical}.", field=f"columns.{canonical}")
    wide = set(mapping.columns) & set(tables.FIGURES)
    if mapping.table == "fundamentals" and not wide and not {"field", "value"} <= set(mapping.columns):
        raise SpecError("Say which columns hold field and value, or which column holds each figure (revenue, ...).", field="columns.value")
    if mapping.table == "fundamentals" and not set(mapping.columns) & {"available_at", "accepted_at", "filed"}:
        raise SpecError("Say when the figures were filed: a quarter's numbers are not known at its end.", field="columns.filed")
    if mapping.table == "filings" and not set(mapping.columns) & {"available_at", "accepted_at", "filing_date"}:
        raise SpecError("Say when the filings were accepted or filed.", field="columns.accepted_at")
    adjusted = [c for c in ("open", "high", "low", "close") if mapping.table == "bars" and ADJUSTED.search(_plain(mapping.columns[c]))]
    if adjusted and mapping.basis != "adjusted":
        raise SpecError(
            f"Column {mapping.columns[adjusted[0]]!r} is adjusted for dividends paid later and so tells the future. Choose the plain close, "
            "or say that the prices are adjusted and accept the warning.",
            field=f"columns.{adjusted[0]}",
        )
    if "symbol" not in mapping.columns:
        _ticker(mapping.symbol, shown)
    return dict(mapping.columns)


def _ticker(symbol: str, shown: str) -> str:
    text = symbol.strip().upper()
    if not text:
        raise SpecError(f"{shown} does not say which ticker it is about; give the ticker.", field="symbol")
    if not TICKER.fullmatch(text):
        raise SpecError(f"{symbol[:40]!r} is no ticker ({TICKER_RULE}).", field="symbol")
    return text


def _calendar(mapping: Mapping) -> Calendar:
    if not re.fullmatch(r"[A-Z]{3}|[A-Za-z.]{3}", mapping.currency):
        raise SpecError(f"{mapping.currency[:20]!r} is no currency; use three letters such as USD.", field="currency")
    if not re.fullmatch(r"[A-Z0-9_]{3,12}", mapping.exchange):
        raise SpecError(
            f"Unknown exchange {mapping.exchange[:20]!r}; use its four-letter code, such as XNYS for New York.", field="exchange"
        )
    return Calendar(mapping.exchange)


def known_zone(zone: str) -> ZoneInfo:
    """The time zone by its IANA name; SpecError (field "zone") for anything else."""
    try:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+/-]{0,40}", zone):
            raise ValueError(zone)
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SpecError(f"Unknown time zone {zone[:40]!r}; write it like America/New_York or Europe/London.", field="zone") from error


def _typed(
    raw: pd.DataFrame, columns: dict[str, str], mapping: Mapping, separator: str, exchange_zone: str, shown: str
) -> tuple[pd.DataFrame, list[Issue]]:
    """Every column in its canonical type: numbers, days, UTC times, text."""
    issues: list[Issue] = []
    decimal = cells.decimal_sign([raw[c] for name, c in columns.items() if KINDS[name] == "number"], separator, where=shown)
    if decimal == ",":
        issues.append(Issue("warning", mapping.table, f"{shown}: commas were read as decimal signs.", code="decimal_comma"))
    order = cells.day_order([raw[c] for name, c in columns.items() if KINDS[name] in ("day", "time")], mapping.day_order, where=shown)
    zone = known_zone(mapping.zone) if mapping.zone else None
    frame = pd.DataFrame(index=raw.index)
    for name, column in columns.items():
        where, field, values = f"{shown}: column {column[:60]!r}", f"columns.{name}", raw[column]
        kind = KINDS[name]
        if name == "ratio":
            frame[name] = cells.ratios(values, decimal, where=where, field=field)
        elif kind == "number":
            frame[name] = cells.numbers(values, decimal, where=where, field=field, suffixes=name == "volume")
        elif kind == "day":
            frame[name] = cells.days(values, order, exchange_zone, where=where, field=field)
        elif kind == "time":
            frame[name] = cells.times(values, order, zone, where=where, field=field)
        else:
            frame[name] = cells.text(values)
    if "symbol" in columns:
        frame["symbol"] = _symbols(frame["symbol"], f"{shown}: column {columns['symbol'][:60]!r}")
    else:
        frame["symbol"] = _ticker(mapping.symbol, shown)
    if mapping.currency in ("GBp", "GBX", "ZAc", "ILA"):
        raise SpecError(
            f"{mapping.currency} are hundredths; divide the prices by 100 and say {'ZAR' if mapping.currency == 'ZAc' else 'ILS' if mapping.currency == 'ILA' else 'GBP'}.",
            field="currency",
        )
    if mapping.table in ("splits", "dividends"):
        frame, dropped = _events(frame, mapping.table, shown)
        issues += dropped
    if mapping.table == "bars" and mapping.basis == "adjusted":
        words = f"{shown}: the prices are adjusted for dividends paid later, so past prices tell a little of the future."
        issues.append(Issue("warning", "bars", words, count=len(frame), code="adjusted"))
    return frame, issues


def _symbols(values: pd.Series, where: str) -> pd.Series:
    """Upper case; what is no ticker (a path, a formula, an empty cell) is refused with its rows."""
    codes, uniques = pd.factorize(values, use_na_sentinel=False)
    upper = [str(item).strip().upper() for item in uniques]
    bad = np.array([not TICKER.fullmatch(item) for item in upper], dtype=bool)
    if bad.any():
        cells.refuse(values, bad[codes], f"{where} holds values that are no tickers ({TICKER_RULE})", "columns.symbol")
    return (
        pd.Series(pd.Categorical.from_codes(codes, range(len(upper))).astype("int64"), index=values.index)
        .map(dict(enumerate(upper)))
        .astype("str")
    )


def _events(frame: pd.DataFrame, table: str, shown: str) -> tuple[pd.DataFrame, list[Issue]]:
    """Rows without a payment or split go: files that carry them beside prices write 0 on every other day."""
    column = "ratio" if table == "splits" else "amount"
    idle = frame[column].isna() | (frame[column] == 0)
    if idle.all():
        raise SpecError(f"{shown} holds no {table}: every value is 0 or empty.", field=f"columns.{column}")
    if not idle.any():
        return frame, []
    message = f"{shown}: {int(idle.sum()):,} rows without a {table[:-1]} (0 or empty) left out."
    return frame[~idle].reset_index(drop=True), [Issue("warning", table, message, count=int(idle.sum()), code="no_event")]


def _inspected(table: str, clean: pd.DataFrame, calendar: Calendar) -> list[Issue]:
    """The quality report of every symbol."""
    today = pd.Timestamp.now(calendar.zone).date() if table == "bars" else None
    found: list[Issue] = []
    for symbol, rows in clean.groupby("symbol", sort=True):
        found += tables.inspect(table, rows, symbol=str(symbol), calendar=calendar, today=today)
    return found


def _field(message: str, columns: dict[str, str]) -> str:
    """The field that a sentence of ``tables`` is about."""
    if "more than once" in message:
        return "columns.date" if "date" in columns else "columns.ex_date"
    named = re.search(r"column '(\w+)'", message)
    return f"columns.{named[1]}" if named and named[1] in columns else "columns"
