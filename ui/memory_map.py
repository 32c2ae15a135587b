"""The map of a ticker's memories on a day: what is near has similar words; a click opens a memory."""

from __future__ import annotations

from datetime import date

import pandas as pd
import streamlit as st

from services import memory_map as service
from services.queries import RunView
from ui import draw, memory_cached, pickers, text, url_state
from ui.charts.memory_map import memory_map


def show(view: RunView, ticker: str, day: date, memories: pd.DataFrame) -> None:
    """Points for what was remembered by the day; what came later has a place, but is not drawn."""
    where = memory_cached.places(view, ticker)
    state = url_state.choice("forgotten", ("show", "hide"), label="Forgotten memories")
    shown = memories if state == "show" else memories[memories["alive"]]
    frame = service.drawn(where.frame, shown, service.asked(view.id, ticker, day))
    if frame.empty:
        text.plain("No memory has a place on the map by this day: none was alive.")
        return
    _said(len(frame), len(shown), sum(where.explained))
    mem = st.query_params.get("mem", "")
    fig = memory_map(frame, explained=where.explained, selected=int(mem) if mem.isdecimal() else None, dark=draw.dark())

    def clicked() -> None:
        number = draw.clicked(st.session_state["memory_map"])
        if number and number.isdecimal():
            pickers.write(mem=int(number))

    st.plotly_chart(
        fig,
        theme=None,
        key="memory_map",
        alt=f"Map of the memories known by {day}: colour is the layer, size the importance, rings what the day recalled",
        config={**draw.CONFIG, "scrollZoom": True},
        on_select=clicked,
        selection_mode="points",
    )


def _said(drawn: int, known: int, explained: float) -> None:
    """What a flat picture leaves out, and what was left out of the picture."""
    sample = (
        f" {drawn:,} of {known:,} memories are drawn: all that the day recalled, then live ones, by a fixed rule." if drawn < known else ""
    )
    st.caption(
        f"The two directions shown hold {100 * explained:.0f} % of the differences between the memories' vectors; the rest is folded away, so "
        "near on the map is a hint, and far apart is far apart. The directions are fitted once over all memories of the ticker, later ones "
        f"too, so that each keeps its place; only what was remembered by this day is drawn.{sample} Click a point to open the memory."
    )
