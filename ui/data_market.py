"""Which market the Data page is looking at: a source or a dataset, its options, tickers and a range. All of it is in the URL.

Widgets hold what is typed; the URL repeats it, so that a link shows the same view. A URL that says something else than was last written
(a pasted link, "Open in Look") starts the widgets anew from it. A network source is asked only on purpose: by a link that names its
tickers, or by the button.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import pandas as pd
import streamlit as st

from agent.errors import NoData, RecollectError, SpecError
from agent.market.sources import SOURCES
from agent.market.sources.base import Issue, Listing
from agent.spec import Part, PartTable
from services import market_data
from services.market_data import Choice, Known
from ui import forms, text
from ui.data_said import Places
from ui.source_words import SOURCE_WORDS

KEYS = ("source", "tickers", "from", "to")
SPAN_DAYS = 90  # short enough for a calendar session by session
MOST_TICKERS = 100
FIRST_TICKERS = 2
WIDE = 520  # pixels of the field for tickers
AS_MAIN = "as above"
DATASET = "upload:"
WORDS = {
    **SOURCE_WORDS,
    "none": "none · leave this table out",
    AS_MAIN: "as above · whatever the source itself has",
}
KEPT: dict[str, Any] = {"persist_state": "session"}


@dataclass(frozen=True)
class Asked:
    """One question to the data. ``names`` maps tickers to companies where they are known beforehand."""

    choice: Choice
    tickers: tuple[str, ...]
    start: date
    end: date
    network: bool
    note: str
    names: Mapping[str, str]

    @property
    def key(self) -> str:
        """The choice as text that can be hashed."""
        return self.choice.model_dump_json()

    @property
    def word(self) -> str:
        """The source as the page's sentences call it."""
        return str(self.choice.options.get("dataset", "")) or self.choice.source


def written(choice: Choice) -> str:
    """A choice as short as ``services.market_data.read_choice`` understands it."""
    if not choice.parts:
        if not choice.options:
            return choice.source
        path = choice.options.get("dataset" if choice.source == "upload" else "path")
        if path and set(choice.options) <= {"dataset", "path"}:
            return f"{choice.source}:{path}"
    return choice.model_dump_json(exclude_defaults=True)


# ------------------------------------------------------------------------------------------------------------------ the widgets


def chosen(places: Places) -> Asked | None:
    """The widgets; None where something has to change first, which is then said beside it."""
    turn, seed = _begin()
    with st.container(border=True):
        first, given = _first(seed.get("source", ""))
        choice = _source(places, f"data{turn}", first, given)
        found = _listed(places, choice) if choice else None
        if choice is None or found is None:
            return None
        return _rest(places, f"data{turn}", choice, found, seed)


def _begin() -> tuple[int, dict[str, str]]:
    """The form's number, and what the URL said when it was made."""
    state = st.session_state.setdefault("_data_form", {"turn": 0, "written": {}, "seed": {}})
    asked = {key: value for key in KEYS if (value := text.clean(st.query_params.get(key, ""), longest=4000).strip())}
    if asked and any(value != state["written"].get(key) for key, value in asked.items()):
        state |= {"turn": state["turn"] + 1, "seed": asked, "written": dict(asked)}
        if "tickers" in asked:
            st.session_state["_data_confirmed"] = "link"
    return state["turn"], state["seed"]


def _remember(**values: str) -> None:
    """Write into the URL what the widgets hold."""
    st.session_state["_data_form"]["written"] = values
    for key, value in values.items():
        if st.query_params.get(key) != value:
            st.query_params[key] = value


def _first(seed: str) -> tuple[str, Choice]:
    """The name of the source to begin with, and the choice it comes from."""
    try:
        found = market_data.read_choice(seed) if seed else Choice(source="demo")
    except RecollectError as error:
        st.warning(f"The link names a source that cannot be used: {text.label(str(error), longest=300)}", icon="🔎")
        found = Choice(source="demo")
    name = found.source
    return (f"{DATASET}{found.options.get('dataset', '')}" if name == "upload" else name), found


def _source(places: Places, key: str, first: str, given: Choice) -> Choice | None:
    """The source with its own options, and the tables that come from elsewhere."""
    names = [*sources_of("bars"), *_datasets("bars")]
    if first not in names:
        if first.startswith(DATASET) and first not in (*_datasets("news"), *_datasets("filings"), *_datasets("fundamentals")):
            places.say(SpecError(f"There is no dataset {first.removeprefix(DATASET)!r} on this machine.", field="source"))
        elif first:
            st.warning(f"{text.label(first)} has no prices of its own; it can add news, filings or figures to another source.", icon="🔎")
        first, given = "demo", Choice(source="demo")
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        name = st.selectbox(
            "Source or dataset",
            names,
            index=names.index(first),
            key=f"{key}.source",
            format_func=named,
            help="Where prices come from. Datasets are what you imported or kept under a name.",
            **KEPT,
        )
    with right:
        options = _options(f"{key}.options", name, given.options if name == first else {})
    places.here("source", "source_options", "path", "dataset")
    if options is None:
        return None
    with st.expander("News, filings and figures from another source", key=f"{key}.parts.open", expanded=bool(given.parts)):
        parts = _parts(places, f"{key}.parts", given if name == first else None)
    if parts is None:
        return None
    return Choice(source=_plain(name), options=options, parts=parts)


def _options(key: str, name: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a source can be told beyond its name; None while it is wrong. Values equal to their default are left out."""
    if name.startswith(DATASET):
        return {"dataset": name.removeprefix(DATASET)}
    plug: Any = SOURCES.load(name)
    if not plug.Options.model_fields:
        return {}
    made = forms.options(plug.Options, f"{key}.{name}", values=dict(values), columns=1)
    return None if made is None else made.model_dump(mode="json", exclude_defaults=True)


def _parts(places: Places, key: str, given: Choice | None) -> dict[Any, Part] | None:
    found: dict[Any, Part] = {}
    whole = True
    for table, place in zip(get_args(PartTable), st.columns(3), strict=True):
        offered = [AS_MAIN, "none", *sources_of(table), *_datasets(table)]
        old = given.parts.get(table) if given else None
        first = AS_MAIN if old is None else f"{DATASET}{old.options.get('dataset')}" if old.source == "upload" else old.source
        with place:
            name = st.selectbox(
                text.label(table).capitalize(),
                offered,
                index=offered.index(first) if first in offered else 0,
                key=f"{key}.{table}",
                format_func=named,
                **KEPT,
            )
            places.here(f"parts.{table}")
            if name in (AS_MAIN, "none"):
                found |= {table: Part(source="none")} if name == "none" else {}
                continue
            options = _options(f"{key}.{table}.options", name, old.options if old and name == first else {})
        whole &= options is not None
        found[table] = Part(source=_plain(name), options=options or {})
    places.here("parts")
    return found if whole else None


def _rest(places: Places, key: str, choice: Choice, found: Listed, seed: Mapping[str, str]) -> Asked | None:
    """Tickers and range."""
    at = f"{key}.{hashlib.sha1(choice.model_dump_json(include={'source', 'options'}).encode()).hexdigest()[:8]}"
    wanted = [name.strip().upper() for name in seed.get("tickers", "").split(",") if name.strip()]
    last = min(found.last or date.max, datetime.now(UTC).date())
    first = max(found.first or date(1990, 1, 1), last - timedelta(days=SPAN_DAYS))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):  # wraps where there is no room for three
        tickers = _typed(at, wanted) if found.network else _picked(at, found.listings, wanted)
        start = st.date_input("From", value=_day(seed.get("from")) or _within(first), key=f"{at}.from", width=150, **EVER, **KEPT)
        end = st.date_input("To (included)", value=_day(seed.get("to")) or _within(last), key=f"{at}.to", width=150, **EVER, **KEPT)
    places.here("tickers", "start", "end")
    if not isinstance(start, date) or not isinstance(end, date):
        places.say(SpecError("Choose the first and the last day.", field="start"))
        return None
    _remember(**{"source": written(choice), "tickers": ",".join(tickers), "from": str(start), "to": str(end)})
    if start > end:
        places.say(SpecError(f"The start {start} is after the end {end}; swap them.", field="start"))
        return None
    if found.note:
        st.badge(text.label(found.note, longest=160), color="orange", icon="⚠️")
    if not tickers:
        text.plain("Type one or more tickers, such as AAPL, MSFT." if found.network else "Choose one or more tickers.")
        return None
    names = {item.ticker: item.name for item in found.listings if item.name}
    return Asked(choice, tuple(tickers), start, end, found.network, found.note, names)


EVER: dict[str, Any] = {"format": "YYYY-MM-DD", "min_value": date(1900, 1, 1), "max_value": date(2100, 12, 31)}


def _typed(at: str, wanted: Sequence[str]) -> list[str]:
    typed = st.text_input(
        "Tickers",
        value=", ".join(wanted),
        key=f"{at}.tickers",
        placeholder="AAPL, MSFT, BRK-B",
        width=WIDE,
        help="As the source writes them, separated by commas or spaces.",
        **KEPT,
    )
    names = text.clean(typed, longest=4000).replace(",", " ").replace(";", " ").upper().split()
    return list(dict.fromkeys(names))[:MOST_TICKERS]


def _picked(at: str, listings: Sequence[Listing], wanted: Sequence[str]) -> list[str]:
    names = {item.ticker: item.name for item in listings}
    return st.multiselect(
        "Tickers",
        list(names),
        default=[name for name in wanted if name in names] or list(names)[:FIRST_TICKERS],
        key=f"{at}.tickers",
        format_func=lambda name: f"{text.label(name)} · {text.label(names[name])}" if names[name] else text.label(name),
        max_selections=MOST_TICKERS,
        width=WIDE,
        placeholder="Choose one or more",
        **KEPT,
    )


def _day(value: str | None) -> date | None:
    """The day an address names, where the calendar can show it."""
    try:
        found = date.fromisoformat(value or "")
    except ValueError:
        return None
    return found if found == _within(found) else None


def _within(day: date) -> date:
    """The nearest day that the calendars of this page can show."""
    return min(max(day, EVER["min_value"]), EVER["max_value"])


def named(choice: str) -> str:
    """A source or dataset as a list shows it."""
    if choice.startswith(DATASET):
        return f"dataset · {text.clean(choice.removeprefix(DATASET), longest=80)}"
    return WORDS.get(choice, choice.replace("_", " "))


def _plain(name: str) -> str:
    return "upload" if name.startswith(DATASET) else name


def sources_of(table: str) -> list[str]:
    """The sources that can deliver a table, datasets apart."""
    return [name for name in SOURCES if name != "upload" and table in SOURCES.load(name).provides]


def _datasets(table: str) -> list[str]:
    return [f"{DATASET}{item.name}" for item in market_data.datasets() if table in item.tables]


# --------------------------------------------------------------------------------------------------------------- asked on purpose


def confirmed(asked: Asked) -> bool:
    """Whether the source may be asked: always without a network, else after the button or through a link that names tickers."""
    mark = f"{asked.key}|{asked.tickers}|{asked.start}|{asked.end}"
    if not asked.network or st.session_state.get("_data_confirmed") == mark:
        return True
    if st.session_state.get("_data_confirmed") == "link":
        st.session_state["_data_confirmed"] = mark
        return True
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button("Show", key="data_show", type="primary", icon=":material/search:")
        text.plain("Asks the source for what the cache on disk does not hold yet.", width="content")
    if pressed:
        st.session_state["_data_confirmed"] = mark
        st.rerun()
    return False


def confirm(asked: Asked) -> None:
    """The person has asked the source just now, by fetching."""
    st.session_state["_data_confirmed"] = f"{asked.key}|{asked.tickers}|{asked.start}|{asked.end}"


# ----------------------------------------------------------------------------------------------------- what takes a moment to find out


@dataclass(frozen=True)
class Listed:
    """What a source says before it is asked for rows."""

    listings: tuple[Listing, ...]
    network: bool
    note: str
    first: date | None
    last: date | None


def _listed(places: Places, choice: Choice) -> Listed | None:
    try:
        found = listed(choice.model_dump_json())
    except RecollectError as error:
        places.say(error)
        return None
    if not found.network and not found.listings:
        places.say(NoData("The source has no ticker; its price table is empty.", field="source"))
        return None
    return found


@st.cache_data(ttl=120, max_entries=32, show_spinner="Reading the source …")
def listed(choice: str) -> Listed:
    """Every ticker of a source that can name them, and the days they span."""
    asked = _read(choice)
    made = asked.open()
    main: Any = SOURCES.load(asked.source)
    listings = () if main.network else tuple(made.listings())
    firsts = [item.first for item in listings if item.first]
    lasts = [item.last for item in listings if item.last]
    return Listed(listings, main.network, made.note, min(firsts, default=None), max(lasts, default=None))


@st.cache_data(ttl=120, max_entries=256, show_spinner="Counting prices, news and filings …")
def covered(choice: str, ticker: str, start: date, end: date) -> pd.DataFrame:
    """The coverage calendar of one ticker."""
    return market_data.coverage(_read(choice), [ticker], start, end)


@st.cache_data(ttl=120, max_entries=64, show_spinner="Reading the day …")
def known(choice: str, ticker: str, day: date) -> Known:
    """What could be known of one ticker at a close."""
    return market_data.known(_read(choice), ticker, day)


@st.cache_data(ttl=120, max_entries=256, show_spinner=False)
def listing(choice: str, ticker: str) -> Listing:
    """Name, exchange and currency of one ticker."""
    return _read(choice).open().listing(ticker)


@st.cache_data(ttl=120, max_entries=64, show_spinner="Checking the rows …")
def checked(choice: str, ticker: str, start: date, end: date) -> list[Issue]:
    """The quality report of one ticker."""
    return market_data.check(_read(choice), [ticker], start, end)


def _read(choice: str) -> Choice:
    return Choice.model_validate(json.loads(choice))


def look_again() -> None:
    """Forget what was found out: rows were fetched, imported, forgotten or deleted."""
    for found in (listed, listing, covered, known, checked):
        found.clear()
