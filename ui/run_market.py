"""The market part of a new run: source, tickers resolved to name, exchange and currency, and where news and filings come from.

A source that can list its tickers offers them; one that cannot (Yahoo) is asked about each ticker that was typed, and a ticker it has
never heard of is said beside the field while the others stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from agent.errors import NoData, RecollectError, SpecError
from agent.market.sources import SOURCES
from agent.market.sources.base import Listing
from agent.spec import Part
from services import drafts, market_data
from services.drafts import Offer
from services.market_data import Choice
from ui import draw, format, page, pickers, text
from ui.charts.coverage import MOST_TICKERS
from ui.charts.coverage import coverage as coverage_chart
from ui.run_form import KEPT, Form, digest, section

AS_DELIVERED, LEFT_OUT = "as the source delivers", "none"
PARTS = {"news": ("news",), "filings": ("filings", "fundamentals")}  # what a person chooses -> the tables it brings
MOST_TYPED = 50


def market(form: Form) -> Offer | None:
    """Source, its options, where texts come from, and the tickers."""
    with section("1  Market"):
        mains = [name for name in SOURCES if "bars" in SOURCES.load(name).provides]
        name = form.choose("source", "Source", mains, value=_first(form), help="Where prices, news and filings come from.")
        form.data |= {"source": name, "source_options": _options(form, name)}
        form.place("source", "source_options")
        form.data["parts"] = _parts(form, name)
        form.place("parts")
        if not form.whole:
            return None
        choice = Choice(source=name, options=form.data["source_options"], parts=form.data["parts"])
        offer = _typed(form, choice) if SOURCES.load(name).network else _offered(form, choice)
        if offer is None:
            form.whole = False
            return None
        if offer.note:
            st.badge(text.label(offer.note), color="orange", icon="⚠️", help="Shown wherever results of this data are.")
        return offer


def _first(form: Form) -> str:
    """The source a new form begins with: the copied run's, or the datasets where a link names one."""
    return "upload" if _linked() and form.copied is None else form.given.get("source", "demo")


def _linked() -> str:
    return pickers.read("dataset") or ""


def _options(form: Form, name: str) -> dict[str, Any]:
    mine = form.given.get("source_options", {}) if name == form.given.get("source") else {}
    return (
        _dataset(form, "source_options", mine)
        if name == "upload"
        else form.options("source_options", SOURCES.load(name), values=mine, where=name)
    )


def _dataset(form: Form, field: str, mine: Mapping[str, Any]) -> dict[str, Any]:
    """One of the named datasets; without any, what to do about it."""
    names = [item.name for item in market_data.datasets() if not item.error]
    if not names:
        text.plain("There is no dataset yet. Import a file of your own, or keep what a source delivered under a name.")
        page.link("data", "To the Data page", icon="→", tab="import")
        form.whole = False
        return {}
    wanted = str(mine.get("dataset") or _linked())
    start = names.index(wanted) if wanted in names else 0
    if wanted and wanted not in names:  # the first one instead would be another experiment under the same words
        text.plain(f"⚠ There is no dataset {text.clean(wanted, longest=60)!r} that can be used; choose another one.")
    help_ = "Made on the Data page: an upload, an import, or data kept under a name."
    return {
        "dataset": st.selectbox(
            "Dataset", names, index=start, key=f"{form.key}.{field}.dataset", help=help_, format_func=text.label, **KEPT
        )
    }


# ------------------------------------------------------------------------------------------------------- news and filings from


def _parts(form: Form, main: str) -> dict[str, Any]:
    """Two choices: where news and where filings (with the figures in them) come from, when not from the main source."""
    found: dict[str, Any] = {}
    given = {table: Part.model_validate(part) for table, part in (form.given.get("parts") or {}).items()}
    for place, (kind, brings) in zip(st.columns(2), PARTS.items(), strict=True):
        with place:
            source = _part_source(form, main, kind, given.get(brings[0]))
            if source == AS_DELIVERED:
                continue
            mine = given[brings[0]].options if brings[0] in given and given[brings[0]].source == source else {}
            options: dict[str, Any] = {}
            if source == "upload":
                options = _dataset(form, f"parts.{kind}", mine)
            elif source != LEFT_OUT:
                with st.expander(f"Options of {text.label(source)}", key=f"{form.key}.more.{kind}.{source}"):
                    options = form.options(f"parts.{kind}", SOURCES.load(source), values=mine, where=source)
            delivers = brings if source == LEFT_OUT else [table for table in brings if table in SOURCES.load(source).provides]
            found |= {table: {"source": source, "options": options} for table in delivers}
    return found


def _part_source(form: Form, main: str, kind: str, given: Part | None) -> str:
    has = kind in SOURCES.load(main).provides
    others = [name for name in SOURCES if name not in (main, "demo") and kind in SOURCES.load(name).provides]
    choices = [*([AS_DELIVERED] if has else []), LEFT_OUT, *others]
    start = given.source if given else AS_DELIVERED if has else LEFT_OUT
    if given is None and form.copied is None and not has and "edgar" in others and main == "yahoo" and _edgar_ready():
        start = "edgar"
    label = "News from" if kind == "news" else "Filings and fundamentals from"
    return form.choose(f"from.{main}.{kind}", label, choices, value=start, help=f"Another source for {kind}, or none at all.")


def _edgar_ready() -> bool:
    return next(state.ok is not False for state in market_data.states() if state.name == "edgar")


# ---------------------------------------------------------------------------------------------------------------------- tickers


def _offered(form: Form, choice: Choice) -> Offer | None:
    """The tickers of a source that lists them."""
    try:
        offer = listed(choice.model_dump_json())
    except (SpecError, NoData) as error:
        form.say("source", str(error))
        return None
    except RecollectError as error:
        page.banner(error)
        return None
    known = {item.ticker: item for item in offer.listings}
    wanted = [name for name in form.given.get("tickers", ()) if name in known] or list(known)[:1]
    chosen = st.multiselect(
        "Tickers",
        list(known),
        default=wanted,
        key=f"{form.key}.tickers.{digest(form.data)}",
        format_func=lambda name: f"{text.label(name)} · {text.label(known[name].name)}" if known[name].name else text.label(name),
        help="One run may trade several: the capital is split equally, and each has a memory of its own.",
        max_selections=MOST_TYPED,
        placeholder="Choose one or more",
        **KEPT,
    )
    form.data["tickers"] = list(chosen)
    form.place("tickers")
    _table(form, [known[name] for name in chosen])
    return offer


def _typed(form: Form, choice: Choice) -> Offer | None:
    """Tickers by hand, each looked up at the source."""
    typed = st.text_input(
        "Tickers",
        value=", ".join(form.given.get("tickers", ())) if form.given.get("source") == choice.source else "",
        key=f"{form.key}.typed.{choice.source}",
        placeholder="AAPL, MSFT – as the source writes them; VOD.L for London",
        help="One run may trade several of one exchange and currency: the capital is split equally, and each has a memory of its own.",
        max_chars=600,
        **KEPT,
    )
    wanted = list(dict.fromkeys(part.upper() for part in re.split(r"[\s,;]+", text.clean(typed)) if part))
    form.data["tickers"] = wanted
    form.place("tickers")
    if not wanted:
        text.plain("Type one ticker or more; each is looked up before the run can be planned.")
        return None
    if len(wanted) > MOST_TYPED:
        form.say("tickers", f"{len(wanted)} tickers; a run takes at most {MOST_TYPED}.")
        return None
    found = [looked_up(choice.model_dump_json(), ticker) for ticker in wanted]
    for item in found:
        if item.problem:
            form.say("tickers", item.problem)
    listings = [item.listing for item in found if item.listing is not None]
    _table(form, listings)
    if len(listings) < len(wanted):
        return None
    return drafts.open_offer(listings, note=choice.open().note)


def _table(form: Form, rows: Sequence[Listing]) -> None:
    """What was chosen: name, exchange, currency, first and last day."""
    if not rows:
        return
    frame = pd.DataFrame(
        {
            "ticker": [item.ticker for item in rows],
            "name": [text.clean(item.name, longest=80) for item in rows],
            "exchange": [item.exchange for item in rows],
            "currency": [item.currency for item in rows],
            "first day": [format.day(item.first) for item in rows],
            "last day": [format.day(item.last) for item in rows],
        }
    )
    st.dataframe(frame, hide_index=True, key=f"{form.key}.chosen", alt="The chosen tickers", height=min(6, len(rows)) * 35 + 38)


# --------------------------------------------------------------------------------------------------------------- coverage strip


def strip(form: Form) -> None:
    """How many sessions, news and filings lie in the windows, ticker by ticker, and where there is no source at all."""
    learn, trade, tickers = form.data["train"], form.data["test"], form.data.get("tickers", ())
    ends = [*(learn or trade).values(), *trade.values()]
    if not tickers or any(not isinstance(day, date) for day in ends) or ends[0] > ends[3]:
        return
    choice = Choice(source=form.data["source"], options=form.data["source_options"], parts=form.data["parts"])
    try:
        frame = covered(choice.model_dump_json(), tuple(tickers[:MOST_TICKERS]), ends[0], ends[3])
    except RecollectError:
        return  # the preflight says what is wrong with the data, in the same words
    marks = [(str(trade["start"]), "test"), *([(str(learn["start"]), "train")] if learn else [])]
    figure = draw.kept_of(frame, lambda: coverage_chart(frame, dark=draw.dark(), marks=marks), "strip", *marks)
    draw.chart(figure, key=f"{form.key}.coverage", alt="Bars, news and filings over the windows")
    more = f" The first {MOST_TICKERS} of {len(tickers)} tickers." if len(tickers) > MOST_TICKERS else ""
    blind = sorted({str(name) for name in frame.loc[frame["state"] == "no source", "table"]})
    no_source = f" Hatched: no source for {' and '.join(blind)} then, which is not the same as nothing." if blind else ""
    st.caption(f"Stronger is fuller, pale is nothing in that time, blank a session without a price; hover for counts.{no_source}{more}")


@st.cache_data(ttl=120, max_entries=16, show_spinner="Reading the source …")
def listed(choice: str) -> Offer:
    return drafts.offer(Choice.model_validate_json(choice))


@st.cache_data(ttl=600, max_entries=200, show_spinner="Looking up the ticker …")
def looked_up(choice: str, ticker: str) -> market_data.Resolved:
    return market_data.resolve(Choice.model_validate_json(choice), [ticker])[0]


@st.cache_data(ttl=120, max_entries=16, show_spinner="Counting bars, news and filings …")
def covered(choice: str, tickers: tuple[str, ...], start: date, end: date) -> pd.DataFrame:
    return market_data.coverage(Choice.model_validate_json(choice), tickers, start, end)


def forget() -> None:
    """The data may have changed."""
    for found in (listed, looked_up, covered):
        found.clear()
