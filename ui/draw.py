"""How a figure reaches the screen, and which colours the screen asks for right now."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from services.queries import RunView
from ui.theme import Figure

CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"]}


def dark() -> bool:
    """Whether the browser shows the dark theme."""
    theme = st.context.theme
    return bool(theme) and theme.type == "dark"


def red_up() -> bool:
    """Whether rising prices are drawn red: from ``?red=1``, else from the switch in the sidebar."""
    if "red" in st.query_params:
        st.session_state["_red_is_up"] = st.query_params["red"] == "1"
    return bool(st.session_state.get("_red_is_up", False))


def red_up_switch() -> None:
    """The switch itself; every link carries its state on."""

    def changed() -> None:
        st.session_state["_red_is_up"] = st.session_state["_red_switch"]
        if st.session_state["_red_switch"]:
            st.query_params["red"] = "1"
        else:
            st.query_params.pop("red", None)

    st.session_state["_red_switch"] = red_up()
    if red_up():
        st.query_params["red"] = "1"  # a click in the sidebar empties the address
    st.toggle("Red is up", key="_red_switch", on_change=changed, help="Draw rising prices and buys in red, as in East Asian markets.")


@st.cache_resource(max_entries=96, show_spinner=False)  # handed out without a copy: drawing only reads it, and building it is slow
def _kept(key: tuple[object, ...], _build: Callable[[], Figure]) -> Figure:
    return _build()


def kept(view: RunView, build: Callable[[], Figure], *what: object) -> Figure:
    """The figure that ``build`` makes, made once for the run so far, the look of the page and ``what`` (strings, numbers, days)."""
    return _kept((view.id, view.done, dark(), red_up(), *what), build)


@st.cache_resource(max_entries=32, show_spinner=False)
def _of_frame(frame: pd.DataFrame, key: tuple[object, ...], _build: Callable[[], Figure]) -> Figure:
    return _build()


def kept_of(frame: pd.DataFrame, build: Callable[[], Figure], *what: object) -> Figure:
    """The figure that ``build`` makes, made once for what stands in ``frame``, the look of the page and ``what``."""
    return _of_frame(frame, (dark(), red_up(), *what), build)


def picture(svg: str) -> str:
    """A small drawing of ours as Markdown, for a label or a caption: it is as tall as the line."""
    return f"![](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def chart(fig: Figure, *, key: str, alt: str) -> None:
    """Show a figure in the house look; ``alt`` says in one sentence what it shows, for people who cannot see it."""
    st.plotly_chart(fig, theme=None, key=key, alt=alt, config=CONFIG)


def clickable(fig: Figure, *, key: str, alt: str) -> str | None:
    """Show a figure and return the day of the point last clicked, as 2025-03-31, or None."""
    event = st.plotly_chart(fig, theme=None, key=key, alt=alt, config=CONFIG, on_select="rerun", selection_mode="points")
    return clicked(event)


def clicked(event: Any) -> str | None:
    """The day in a selection event; understands Streamlit's own object and a plain dict."""
    points = event["selection"]["points"] if event and "selection" in event else []
    if not points:
        return None
    found = points[0].get("customdata", points[0].get("x"))
    while isinstance(found, (list, tuple, Mapping)) and found:
        found = next(iter(found.values() if isinstance(found, Mapping) else found))
    return str(found)[:10] if found else None
