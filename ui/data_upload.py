"""A table from a file: what was found in it, which column is which, the questions it leaves open, what is odd, and then the name.

Promise: nothing is saved before the findings were shown, an error stands beside the field it names, and nothing typed is lost by it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from agent.errors import RecollectError, SpecError
from agent.market import tables, upload
from agent.market.sources.base import TABLES, Issue
from services import market_data
from ui import data_market, format, text
from ui.data_said import TABLE_WORDS, Places, issues, tall, tally

MOST_MB = 50
NOT_THERE = "(not in the file)"
FIELD = 196  # pixels of one field of the mapping; fields wrap
KEPT: dict[str, Any] = {"persist_state": "session"}
ZONES = (
    "America/New_York",
    "UTC",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Paris",
    "Asia/Tokyo",
    "Asia/Hong_Kong",
    "Asia/Shanghai",
    "Asia/Kolkata",
    "Australia/Sydney",
    "America/Toronto",
    "America/Sao_Paulo",
)
EXCHANGES = {
    "XNYS": "New York",
    "XLON": "London",
    "XETR": "Frankfurt",
    "XPAR": "Paris",
    "XSWX": "Zurich",
    "XTSE": "Toronto",
    "XTKS": "Tokyo",
    "XHKG": "Hong Kong",
    "XSHG": "Shanghai",
    "XBOM": "Mumbai",
    "XASX": "Sydney",
    "BVMF": "São Paulo",
}
DAY_ORDERS = {"ymd": "year, month, day", "dmy": "day, month, year", "mdy": "month, day, year"}
BASES = {
    "traded": "as traded: what the screen showed on the day",
    "split": "split-adjusted: past prices divided by later splits",
    "adjusted": "fully adjusted, dividends too: such as Adj Close",
}
ASKED = {
    "symbol": "Which ticker is it?",
    "zone": "In which time zone are its times?",
    "day_order": "In which order are its days written?",
    "basis": "What are its prices?",
}


def file() -> None:
    """The whole way from a file to a dataset."""
    places = Places()
    brought = st.file_uploader(
        "The file",
        type=["csv", "tsv", "txt", "parquet"],
        key="data_file",
        max_upload_size=MOST_MB,
        help=f"Up to {MOST_MB} MB and 5 million rows.",
    )
    places.here("file")
    if brought is None:
        text.plain("Choose a file to see what is in it. It stays on this machine, and nothing is saved before you say so.")
        return
    seen = _looked(places, brought)
    if seen is None:
        return
    at = f"data_file.{brought.file_id}"
    _found(brought, seen)
    mapping = _mapping(places, at, seen)
    if mapping is None:
        return
    ready = _checked(places, at, brought, mapping)
    _save(places, brought, mapping, ready=ready)


def _looked(places: Places, brought: Any) -> upload.Preview | None:
    """What the file looks like, once per file."""
    known: dict[str, upload.Preview] = st.session_state.setdefault("_data_file_looked", {})
    if brought.file_id in known:
        return known[brought.file_id]
    try:
        with st.spinner("Reading …"):
            seen = upload.look(brought.getvalue(), brought.name)
    except RecollectError as error:
        places.say(error)
        return None
    known.clear()
    known[brought.file_id] = seen
    return seen


def _found(brought: Any, seen: upload.Preview) -> None:
    """Encoding, separator, size and the first rows."""
    names = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
    facts = [
        f"{'about ' if seen.estimated else ''}{seen.rows:,} rows",
        f"{len(seen.columns)} columns",
        "Parquet" if seen.kind == "parquet" else "CSV",
    ]
    if seen.kind == "csv":
        facts += [f"encoding {seen.encoding}", f"separated by {names.get(seen.separator, 'another sign')}"]
        facts += ["decimal commas"] if seen.decimal == "," else []
    with st.container(border=True):
        text.plain(f"{text.clean(brought.name, longest=80)}: {', '.join(facts)}.")
        first_rows(seen.head.head(8), key="data_file_head")


def _mapping(places: Places, at: str, seen: upload.Preview) -> upload.Mapping | None:
    """Table, columns, and the questions the file leaves open; None while one of them is open."""
    with st.container(border=True):
        st.subheader("What is what", anchor=False)
        for note in seen.notes:
            text.plain(note)
        table = st.selectbox(
            "The file holds",
            list(TABLES),
            index=list(TABLES).index(seen.table),
            key=f"{at}.table",
            format_func=TABLE_WORDS.__getitem__,
            width=320,
            **KEPT,
        )
        places.here("table")
        columns = _columns(places, at, seen, table)
        given, complete = _answers(places, at, seen, table, columns)
        if not complete:
            text.plain("Answer what is asked above; then the rows are checked.")
            return None
        try:
            return upload.Mapping.model_validate({"table": table, "columns": columns, **given})
        except ValidationError as error:
            for item in error.errors():
                places.say(SpecError(str(item["msg"]), field=".".join(map(str, item["loc"]))))
    return None


def _columns(places: Places, at: str, seen: upload.Preview, table: str) -> dict[str, str]:
    """Ours -> theirs, guessed where the names say it; those that are neither needed nor guessed are folded away."""
    guess = seen.mapping if table == seen.table else upload.guess_columns(table, seen.columns)
    names = list(upload.SYNONYMS[table])
    needed = {*upload.NEEDED[table], "symbol"}
    first = [name for name in names if name in needed or name in guess]
    rest = [name for name in names if name not in first]
    found = _grid(places, f"{at}.{table}", seen.columns, guess, first, needed - {"symbol"})
    places.here("columns")
    if rest:
        with st.expander(f"Other columns the table can have ({len(rest)})", key=f"{at}.{table}.more"):
            found |= _grid(places, f"{at}.{table}", seen.columns, guess, rest, set())
    return found


def _grid(
    places: Places, at: str, theirs: Sequence[str], guess: Mapping[str, str], names: Sequence[str], needed: Collection[str]
) -> dict[str, str]:
    found: dict[str, str] = {}
    offered = [NOT_THERE, *theirs]
    with st.container(horizontal=True, vertical_alignment="top", gap="small"):
        for name in names:
            with st.container(width=FIELD, gap="xsmall"):
                chosen = st.selectbox(
                    f"{text.label(name.replace('_', ' '))}{' (needed)' if name in needed else ''}",
                    offered,
                    index=offered.index(guess[name]) if guess.get(name) in offered else 0,
                    key=f"{at}.{name}",
                    format_func=lambda item: text.clean(item, longest=60),
                    **KEPT,
                )
                places.here(f"columns.{name}")
            if chosen != NOT_THERE:
                found[name] = chosen
    return found


def _answers(places: Places, at: str, seen: upload.Preview, table: str, columns: Mapping[str, str]) -> tuple[dict[str, Any], bool]:
    """The answers only a person can give, and whether all that are asked are there. Nothing has a default that could mislead."""
    asked = {*seen.questions, *st.session_state.get("_data_file_asked", {}).get(at, ())}
    given: dict[str, Any] = {}
    with st.container(horizontal=True, vertical_alignment="top", gap="small"):
        if "symbol" not in columns:
            with _answer(places, "symbol"):
                given["symbol"] = text.clean(st.text_input(ASKED["symbol"], key=f"{at}.symbol", placeholder="AAPL", **KEPT)).strip()
        if "zone" in asked:
            with _answer(places, "zone"):
                given["zone"] = st.selectbox(
                    ASKED["zone"], _zones(), index=None, key=f"{at}.zone", placeholder="Choose, or type a city", **KEPT
                )
        if "day_order" in asked:
            with _answer(places, "day_order"):
                given["day_order"] = st.selectbox(
                    ASKED["day_order"],
                    list(DAY_ORDERS),
                    index=None,
                    key=f"{at}.day_order",
                    format_func=DAY_ORDERS.__getitem__,
                    placeholder="Choose",
                    **KEPT,
                )
        if table == "bars":
            with _answer(places, "basis", width=2 * FIELD):
                given["basis"] = st.selectbox(
                    ASKED["basis"], list(BASES), index=None, key=f"{at}.basis", format_func=BASES.__getitem__, placeholder="Choose", **KEPT
                )
        complete = all(given.values())
        with _answer(places, "exchange"):
            exchange = st.selectbox(
                "Exchange",
                list(EXCHANGES),
                key=f"{at}.exchange",
                accept_new_options=True,
                format_func=lambda item: (
                    f"{text.clean(item, longest=12)} · {EXCHANGES[item]}" if item in EXCHANGES else text.clean(item, longest=40)
                ),
                help="Whose sessions the days are; another one by its four-letter code.",
                **KEPT,
            )
        with _answer(places, "currency"):
            currency = st.text_input(
                "Currency", value="USD", key=f"{at}.currency", help="Three letters; of the prices and amounts.", **KEPT
            )
    return given | {"exchange": text.clean(exchange or "").strip().upper(), "currency": text.clean(currency).strip()}, complete


@lru_cache
def _zones() -> list[str]:
    """The common ones first, then every other of this machine."""
    return [
        *ZONES,
        *sorted(zone for zone in available_timezones() - set(ZONES) if "/" in zone and not zone.startswith(("Etc/", "SystemV/"))),
    ]


@contextmanager
def _answer(places: Places, field: str, *, width: int = 0) -> Iterator[None]:
    """A field with its finding below it, both as wide as a column of the mapping."""
    with st.container(width=width or FIELD, gap="xsmall"):
        yield
        places.here(field)


@dataclass(frozen=True)
class Checked:
    """What reading the whole file through its mapping gave."""

    rows: int = 0
    words: str = ""
    head: pd.DataFrame | None = None
    issues: tuple[Issue, ...] = ()
    error: RecollectError | None = None


def _checked(places: Places, at: str, brought: Any, mapping: upload.Mapping) -> bool:
    """The whole file read once per mapping: what will be saved, and everything odd about it. Whether it can be saved."""
    mark = (brought.file_id, mapping.model_dump_json())
    known: tuple[Any, Checked] | None = st.session_state.get("_data_file_checked")
    if known is None or known[0] != mark:
        with st.spinner(f"Checking {text.label(brought.name)} …"):
            known = (mark, _read(brought, mapping))
        st.session_state["_data_file_checked"] = known
    found = known[1]
    if found.error is not None:
        _ask(at, found.error)
        places.say(found.error)
        return False
    errors = [issue for issue in found.issues if issue.severity == "error"]
    with st.container(border=True):
        st.subheader("What will be saved", anchor=False)
        text.plain(found.words)
        if found.head is not None:
            first_rows(found.head, key="data_file_clean")
        if found.issues:
            text.plain(
                "Rows with an error cannot be traded on, so the file cannot be saved as it is. Mend them in the file, or map another column."
                if errors
                else "Odd, but it can be saved; these warnings are shown again before a run."
            )
            issues(found.issues, key="data_file_issues")
        else:
            st.badge("✓ Nothing odd found", color="green")
    return not errors


def _read(brought: Any, mapping: upload.Mapping) -> Checked:
    try:
        frame, found = upload.read(brought.getvalue(), brought.name, mapping)
    except RecollectError as error:
        return Checked(error=error)
    days = frame[tables.DAY_COLUMN.get(mapping.table, "available_at")]
    names = frame["symbol"].unique()
    who = ", ".join(text.clean(name, longest=20) for name in names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    words = f"{len(frame):,} rows of {TABLE_WORDS[mapping.table]} for {who}, {days.min():%Y-%m-%d} to {days.max():%Y-%m-%d}."
    return Checked(len(frame), words, _as_text(frame.head(5)), tuple(found))


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Canonical rows as people read them: 1000, not 1000.0."""
    return frame.apply(lambda column: column.map(format.shares) if column.dtype.kind == "f" else column.astype(str))


def _ask(at: str, error: RecollectError) -> None:
    """A question that only showed when the rows were read is put from then on."""
    field = getattr(error, "field", "")
    asked: dict[str, set[str]] = st.session_state.setdefault("_data_file_asked", {})
    if field in ("zone", "day_order") and field not in asked.setdefault(at, set()):
        asked[at].add(field)
        st.rerun()


def _save(places: Places, brought: Any, mapping: upload.Mapping, *, ready: bool) -> None:
    """The name, new or one to add the table to, and the button."""
    there = {item.name: item for item in market_data.datasets()}
    with st.container(border=True):
        st.subheader("Save", anchor=False)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input(
                "Name of the dataset",
                value=text.clean(st.query_params.get("into", ""), longest=80),
                key="data_file_name",
                placeholder="my-prices",
                help="A new name makes a dataset; the name of one that exists adds this table to it.",
                width=320,
                **KEPT,
            ).strip()
            again = st.toggle("Replace what is there", key="data_file_replace")
            pressed = st.button("Save", key="data_file_save", type="primary", icon=":material/save:", disabled=not ready)
        places.here("name", "dataset")
        if name in there:
            text.plain(
                f"{name} exists with {tally(there[name].tables)}; {TABLE_WORDS[mapping.table]} will be {_becomes(there[name], mapping, again)}."
            )
        elif there:
            st.caption("There are already: " + text.label(", ".join(list(there)[:12]), longest=200))
    if not pressed:
        return
    try:
        if not name:
            raise SpecError("Give the dataset a name, such as my-prices.", field="name")
        with st.spinner("Saving …"):
            made, _ = market_data.add_file(name, brought.getvalue(), brought.name, mapping, replace=again)
    except RecollectError as error:
        places.say(error)
        return
    data_market.look_again()
    st.session_state["_data_imported"] = made.name
    st.rerun()


def _becomes(item: Any, mapping: upload.Mapping, again: bool) -> str:
    if mapping.table not in item.tables:
        return "added"
    return "replaced" if again else "refused unless you choose to replace them"


def first_rows(frame: pd.DataFrame, *, key: str) -> None:
    """The first rows of a file as they stand, every cell as inert text."""
    shown = pd.DataFrame(
        {
            text.clean(column, longest=60): [text.clean(value, longest=120) for value in frame.iloc[:, at]]
            for at, column in enumerate(frame.columns)
        }
    )
    st.dataframe(shown, hide_index=True, key=key, alt="The first rows of the file", height=tall(len(shown)))
