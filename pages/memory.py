"""Memory: what the agent knew by a day, how full its layers were, and the whole life of any single memory."""

from datetime import date

import streamlit as st

from services import queries
from ui import cached, day_learnt, draw, memory_detail, memory_table, page, pickers, run_view, text
from ui.charts.memory import layer_counts

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


def over_time(view: queries.RunView, ticker: str, day: date) -> None:
    """How full each layer was, session by session, with the day marked."""
    fig = layer_counts(cached.layer_counts(view, ticker), dark=draw.dark(), selected=str(day))
    draw.chart(fig, key="layers", alt="Live memories per layer over time")


def tables(view: queries.RunView, ticker: str, day: date, memories) -> None:
    """The memories as of the day, and what changed on it; only the open tab is drawn."""
    events = queries.day_events(view.id, ticker, day)
    all_of_them, of_the_day = st.tabs([f"Memories by {day}", f"Events of {day} ({len(events)})"], on_change="rerun", key="memory_lists")
    if all_of_them.open:
        with all_of_them:
            memory_table.table(memory_table.filtered(memories), total=len(memories), run=view.id, ticker=ticker, day=day)
    if of_the_day.open:
        with of_the_day:
            day_learnt.event_table(events, run=view.id, ticker=ticker, day=day, key="_events_of_day")


with run_view.told():
    view, ticker = run_view.chosen()
    run_view.strip(view, slim=True)
    days = queries.session_days(view.id, ticker)
    day = chosen_day(days)
    memories = cached.memories(view, ticker, day)
    if memories.empty:
        text.plain("Nothing was remembered by this day: no news and no filing had become readable. Move to a later day.")
    else:
        layers = [layer.name for layer in view.spec.memory.layers]
        memory_table.counts(cached.layer_counts(view, ticker), memories, layers, day)
        over_time(view, ticker, day)
        if (mem := pickers.mem(queries.memory_ids(view.id, ticker))) is not None:
            memory_detail.show(view.id, ticker, mem, day)
        tables(view, ticker, day, memories)
