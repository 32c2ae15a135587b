"""Memory, a time machine: one day moves everything below it. What was known, what would be recalled, how it flowed, where it lies, its health."""

from collections.abc import Callable
from datetime import date

import pandas as pd
import streamlit as st

from services import queries
from ui import (
    cached,
    day_learnt,
    draw,
    memory_changes,
    memory_detail,
    memory_health,
    memory_map,
    memory_search,
    memory_table,
    page,
    pickers,
    run_view,
    text,
)
from ui.charts.memory import layer_counts
from ui.charts.memory_strip import layers_strip

PARTS = {
    "memories": "Memories",
    "ask": "Ask",
    "layers": "Layers",
    "changes": "Changes",
    "map": "Map",
    "events": "Events of the day",
    "health": "Health",
}

page.start("Memory", __file__)


def moved() -> None:
    """The slider was moved: the day goes into the URL, and everything follows."""
    pickers.write(day=st.session_state["_day_slider"])


def chosen_day(days: list[date]) -> date:
    """The day in the URL, with previous and next and a slider over all recorded sessions."""
    day = pickers.day(days, label="As of the close of session")
    if len(days) > 1:
        st.session_state["_day_slider"] = str(day)
        st.select_slider("Day", [str(item) for item in days], key="_day_slider", on_change=moved, label_visibility="collapsed")
    return day or days[-1]


def chosen_part() -> str:
    """The open part: only that one is computed, and a link leads to it."""
    asked = st.query_params.get("tab", "")
    st.session_state["_memory_part"] = asked if asked in PARTS else "memories"

    def changed() -> None:
        st.query_params["tab"] = st.session_state["_memory_part"]

    st.segmented_control(
        "Part of the page",
        list(PARTS),
        key="_memory_part",
        required=True,
        wrap=True,
        on_change=changed,
        format_func=PARTS.__getitem__,
        label_visibility="collapsed",
    )
    return st.session_state["_memory_part"]


def over_time(view: queries.RunView, ticker: str, day: date) -> None:
    """How full each layer was, session by session, with the day marked."""
    st.caption("Live memories after each session of the whole run. The dotted line is the day shown; what stands right of it came later.")
    counts = cached.layer_counts(view, ticker)
    fig = draw.kept(view, lambda: layer_counts(counts, dark=draw.dark(), selected=str(day)), "layers", ticker, day)
    draw.chart(fig, key="layers", alt="Live memories per layer over time")


def of_the_day(view: queries.RunView, ticker: str, day: date) -> None:
    """What changed in the memory in this one session, in order, with the reasons."""
    events = queries.day_events(view.id, ticker, day)
    if events.empty:
        text.plain(f"Nothing changed in memory on {day}: it faded a little, which is computed and never written.")
        return
    st.caption(f"{len(events)} events of {day} in the order in which they happened.")
    day_learnt.event_table(events, run=view.id, ticker=ticker, day=day, key="_events_of_day")


def shown(view: queries.RunView, ticker: str, day: date, days: list[date], memories: pd.DataFrame) -> None:
    """The chosen part, as of the day."""
    parts: dict[str, Callable[[], None]] = {
        "memories": lambda: memory_table.table(memory_table.filtered(memories), total=len(memories), run=view.id, ticker=ticker, day=day),
        "ask": lambda: memory_search.show(view, ticker, day),
        "layers": lambda: over_time(view, ticker, day),
        "changes": lambda: memory_changes.show(view, ticker, day, days),
        "map": lambda: memory_map.show(view, ticker, day, memories),
        "events": lambda: of_the_day(view, ticker, day),
        "health": lambda: memory_health.show(view, ticker, day),
    }
    parts[chosen_part()]()


def nothing_remembered(view: queries.RunView, ticker: str, days: list[date]) -> None:
    """Why there is no memory by the day shown, and where to look instead: a later day, or the days themselves."""
    if len(cached.memories(view, ticker, days[-1])):
        text.plain("Nothing was remembered by this day: no news and no filing had become readable. Move to a later day.")
        return
    page.empty(
        f"Nothing was remembered of {ticker}",
        "No news and no filing became readable in the days so far, and no reflection was written. The days show what was seen.",
        ("days", "To the days"),
        run=view.id,
        ticker=ticker,
    )


def without_memory(view: queries.RunView, ticker: str) -> None:
    """A strategy that remembers nothing has no time machine."""
    page.empty(
        "This run has no memory",
        f"It follows the strategy {view.spec.strategy}, which keeps no memory. The days show what it did, "
        "and a run of the strategy memory on the same market shows what memory adds.",
        ("days", "To the days"),
        run=view.id,
        ticker=ticker,
    )
    st.stop()


with run_view.told():
    view, ticker = run_view.chosen()
    run_view.strip(view, slim=True)
    if view.spec.strategy != "memory":
        without_memory(view, ticker)
    days = cached.sessions(view, ticker)
    day = chosen_day(days)
    memories = cached.memories(view, ticker, day)
    over = cached.layer_counts(view, ticker)
    st.image(
        layers_strip(over, at=days.index(day), dark=draw.dark()), width="stretch", alt=f"Live memories per layer over the run, {day} marked"
    )
    if memories.empty:
        nothing_remembered(view, ticker, days)
    else:
        layers = [layer.name for layer in view.spec.memory.layers]
        memory_table.counts(over, memories, layers, day)
        if pickers.read("mem") and (mem := pickers.mem(queries.memory_ids(view.id, ticker))) is not None:
            memory_detail.show(view, ticker, mem, day)
        shown(view, ticker, day, days, memories)
