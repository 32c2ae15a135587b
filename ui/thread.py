"""The thread page's parts: one memory, one source text or one decision followed through the run, and what to choose from at the start.

Cached by run and days done. Whatever is named can be opened: a tick in a table, a click on a mark, a link in a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from agent.errors import NoData
from services import threads
from services.queries import RunView
from services.threads import DayThread, Thread
from ui import cards, draw, page, pickers, text, thread_day, thread_start, thread_story, url_state
from ui.charts import thread as chart

MOST_LANES = 14
MOST_SOURCES = 8
WHOLE = "The whole run, seen from its end: what followed a day was of course not known on it."


@st.cache_data(max_entries=8, show_spinner=False)
def _fates(run: str, done: int, ticker: str) -> pd.DataFrame:
    return threads.fates(run, ticker)


@st.cache_data(max_entries=8, show_spinner="Looking for where to begin")
def _starts(run: str, done: int, ticker: str) -> threads.Starts:
    return threads.starts(run, ticker, every=_fates(run, done, ticker))


@st.cache_data(max_entries=16, show_spinner="Following the memory")
def _of_memory(run: str, done: int, ticker: str, memory_id: int) -> Thread:
    return threads.thread_of_memory(run, ticker, memory_id, every=_fates(run, done, ticker))


@st.cache_data(max_entries=16, show_spinner="Following the text")
def _of_source(run: str, done: int, ticker: str, source: str) -> Thread:
    return threads.thread_of_source(run, ticker, source, every=_fates(run, done, ticker))


@st.cache_data(max_entries=16, show_spinner="Following the decision back")
def _of_day(run: str, done: int, ticker: str, day: date) -> DayThread:
    return threads.thread_of_day(run, ticker, day, every=_fates(run, done, ticker))


def show(view: RunView, ticker: str) -> None:
    """What the URL names - a memory, else a source text, else a day - or the lists to choose from."""
    source, asked = pickers.read("src"), pickers.read("day")
    try:
        if (number := pickers.mem()) is not None:
            _memory(view, ticker, _of_memory(view.id, view.done, ticker, number))
            return
        if source is not None:
            found = _of_source(view.id, view.done, ticker, source)
            if not found.memories.empty:
                _source(view, ticker, found)
                return
            _no_such_source(view, ticker, source)
        elif asked is not None:
            _day(view, ticker)
            return
    except NoData as error:
        page.banner(error)
    thread_start.show(view, ticker, _starts(view.id, view.done, ticker))


def _no_such_source(view: RunView, ticker: str, source: str) -> None:
    with st.container(border=True):
        text.plain(f"No memory of {ticker} was made of the source text “{text.clean(source, longest=120)}”.")
        text.plain(
            "Either no text with this id was read, or it became no memory: blank texts, texts too old to last the day and exact copies do "
            "not. Below is what to follow instead."
        )


# ------------------------------------------------------------------------------------------------------------- a memory, a source text


def _memory(view: RunView, ticker: str, found: Thread) -> None:
    assert found.memory is not None, "the thread of a memory carries it"
    back(view, ticker)
    memory, row = found.memory, found.memories.iloc[0]
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.subheader(f"Memory {memory.id}", anchor=False, width="content")
            cards.layer(str(row["layer"]))
            st.badge(cards.KINDS[memory.kind], color="gray")
            page.link("memory", "Its page in the memory", icon="→", run=view.id, ticker=ticker, mem=memory.id, day=memory.born)
        if memory.title:
            st.markdown(f"**{text.label(memory.title, longest=160)}**")
        text.plain(memory.text, longest=290)
        _origin(view, ticker, found)
    _tiles(found)
    _figure(view, ticker, found, subject=f"mem{memory.id}", names={memory.id: f"memory {memory.id}"})
    _ends(row)
    thread_story.tabs(view, ticker, found)


def _origin(view: RunView, ticker: str, found: Thread) -> None:
    """What the memory was made of, each as a link."""
    origin, memory = found.origin, found.memory
    assert origin is not None and memory is not None
    where = {"run": view.id, "ticker": ticker}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if origin.kind == "source":
            st.badge(f"read {memory.born}", color="gray")
            for source in origin.sources[:MOST_SOURCES]:
                page.link("thread", f"Source text {text.label(source, longest=50)}", **where, src=source)
            if len(origin.sources) > MOST_SOURCES:
                text.plain(f"and {len(origin.sources) - MOST_SOURCES} more source texts", width="content")
            page.link("days", "As it was read that day", icon="→", **where, day=memory.born, step="observed")
            return
        words = {
            "decision": ("its own words about the decision of", "↺"),
            "study": ("what hindsight taught about the session of", "↺"),
            "lessons": (f"lessons from {len(origin.days)} judged decisions:", "↺"),
        }
        word, icon = words.get(origin.kind, ("the run does not say what it was made of", "?"))
        st.badge("made by the agent, not read", color="violet", help="A reflection: no source text of the market says this.")
        text.plain(f"{icon} {word}", width="content")
        for day in origin.days[:MOST_LANES]:
            page.link("thread", f"{day}", **where, day=day)


def _source(view: RunView, ticker: str, found: Thread) -> None:
    back(view, ticker)
    rows = found.memories
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.subheader("Source text", anchor=False, width="content")
            st.badge(cards.KINDS.get(rows["kind"].iloc[0], "text"), color="gray")
            text.plain(found.source, width="content", longest=120)
            joined = min(rows["joined"])
            page.link("days", f"As it was read, {joined}", icon="→", run=view.id, ticker=ticker, day=joined, step="observed")
        st.markdown(f"**{text.label(rows['title'].iloc[0], longest=160)}**")
        late = rows[rows["how"] == "merged into it"]
        if len(late):
            text.plain(
                f"It said what memory {', '.join(map(str, late['id']))} said already and was merged into it on {max(late['joined'])}: "
                "uses before that day are not its doing."
            )
        for one in found.direct:
            text.plain(
                f"On {one.day} itself the decision named it {one.stance} (weight {one.weight}) straight out of the prompt: {one.claim}"
            )
    _tiles(found)
    kept = rows.sort_values(["named", "shown", "id"], ascending=[False, False, True]).head(MOST_LANES)
    if len(kept) < len(rows):
        st.caption(f"It became {len(rows)} memories; the picture shows the {len(kept)} used most.")
    titles = {int(row["id"]): f"{row['id']} {row['title']}" for row in kept.sort_values("id").to_dict("records")}
    _figure(view, ticker, found, subject=f"src{found.source}", names=titles)
    thread_story.tabs(view, ticker, found, memories=True)


def _tiles(found: Thread) -> None:
    """The thread as a row of counts, from shown to what came back."""
    uses, rows = found.uses, found.memories
    named = uses[uses["use"] == "cited"].drop_duplicates("day")
    filled, judged = int((named["order"] == "filled").sum()), named[named["verdict"].notna()]
    right, wrong = (int((judged["verdict"] == verdict).sum()) for verdict in (1, -1))
    credited = found.events[found.events["kind"] == "credited"]["delta"]
    tiles = [
        ("Memories", f"{len(rows)}", "How many memories carry these words.") if len(rows) > 1 else None,
        ("Shown", f"{int(rows['shown'].sum())}", "Times it was among the best of its layer and stood before the model."),
        ("Just missed", f"{int(rows['missed'].sum())}", "Times it ranked just below the cut: the model did not see it."),
        ("Named", f"{int(rows['named'].sum())}", "Times a decision or a study gave it as a ground, for or against."),
        ("Orders filled", f"{filled}", "Decisions that named it, whose order was filled."),
        ("Right, wrong", f"{right}, {wrong}", "Verdicts on these decisions; moves inside the costs count as neither."),
        (
            "Credit",
            _gained_and_lost(credited),
            "Importance (0 to 100) that verdicts gave and took.",
        ),
    ]
    with st.container(horizontal=True, gap="small"):
        for tile in tiles:
            if tile is not None:
                st.metric(tile[0], tile[1], help=tile[2], width=112)


def _gained_and_lost(credited: pd.Series) -> str:
    found = [f"{part.sum():+.3g}" for part in (credited[credited > 0], credited[credited < 0]) if len(part)]
    return " ".join(found) or "none"


def _ends(row: pd.Series) -> None:
    if row["alive"]:
        text.plain("Still in memory where the record ends.")
    else:
        text.plain(f"✕ Forgotten on {row['ended_on']}: {row['why_ended']}.")


# --------------------------------------------------------------------------------------------------------------------- a decision


def _day(view: RunView, ticker: str) -> None:
    back(view, ticker)
    every = _fates(view.id, view.done, ticker)
    day = pickers.day(list(every.index), label="Decision")
    if day is None:
        return
    found = _of_day(view.id, view.done, ticker, day)
    thread_day.decision(view, ticker, found)
    lanes = url_state.choice(
        "lanes", ["named", "all"], label="Memories in the picture", shown={"named": "named", "all": "all that were shown"}
    )
    rows = found.named if lanes == "named" else found.uses[found.uses["use"] != "near miss"]
    rows = rows.sort_values("named", ascending=False, kind="stable").head(MOST_LANES)
    if len(rows):
        titles = {int(row["memory_id"]): f"{row['memory_id']} {row['title']}" for row in rows.to_dict("records")}
        _figure(view, ticker, found, subject=f"day{day}{lanes}", names=titles, selected=str(day))
    thread_day.grounds(view, ticker, found)


# -------------------------------------------------------------------------------------------------------------------- the picture


def _figure(
    view: RunView, ticker: str, found: Thread | DayThread, *, subject: str, names: Mapping[int, str], selected: str | None = None
) -> None:
    """The picture; a click on a mark opens that day's thread, on a bar that memory's."""
    last = max(_fates(view.id, view.done, ticker).index)
    ids = list(names)
    events = found.events[found.events["memory_id"].isin(ids)]
    day = selected or pickers.read("day")
    own = events if isinstance(found, Thread) else events[(events["kind"] != "credited") | (events["decided"] == found.day)]
    fig = chart.thread(
        threads.stays(events, last),
        found.uses[found.uses["memory_id"].isin(ids)],
        own,
        dark=draw.dark(),
        names=names,
        red_up=draw.red_up(),
        selected=day,
    )
    alt = "Memories over time in the colour of their layer, with every use, and below the decisions, orders, verdicts and credit that followed"
    event = st.plotly_chart(
        fig,
        theme=None,
        key=f"_thread_{view.id}_{ticker}_{subject}",
        alt=alt,
        config=draw.CONFIG,
        on_select="rerun",
        selection_mode="points",
    )
    st.caption(f"{WHOLE} Click a mark for that day, a bar for that memory.")
    if (target := clicked(event)) is not None and target != {"day": selected}:
        page.go("thread", run=view.id, ticker=ticker, **target)


def clicked(event: Any) -> dict[str, str] | None:
    """What a click on a mark opens: ``{"day": ...}`` or ``{"mem": ...}``."""
    points = event["selection"]["points"] if event and "selection" in event else []
    data = points[0].get("customdata") if points else None
    if isinstance(data, Mapping):
        data = [data[key] for key in sorted(data, key=str)]
    if not isinstance(data, (list, tuple)) or len(data) < 2 or data[0] not in ("day", "mem"):
        return None
    return {str(data[0]): str(data[1])}


def back(view: RunView, ticker: str) -> None:
    """To the lists to choose from."""
    page.link("thread", "Choose another thread", icon="↩", run=view.id, ticker=ticker)


__all__ = ["back", "clicked", "show"]
