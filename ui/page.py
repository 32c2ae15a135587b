"""What every page begins with, and what it shows when there is nothing or something went wrong.

A page calls ``start`` first. On a fresh server Streamlit may run ``pages/x.py`` alone, without the frame of ``app.py``: ``start`` then
keeps the address, hands over to the frame, and the frame comes back to the same view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import streamlit as st

from agent.errors import NoData, RecollectError, SpecError, Unavailable
from ui import cards, format, pickers, text
from ui.links import go, link

HOME = "runs"

__all__ = ["banner", "empty", "frame", "go", "link", "need_run", "run_header", "start"]


def frame() -> None:
    """Called by ``app.py`` once the navigation stands: mark the session as framed and go where a cold link wanted to."""
    st.session_state["_framed"] = True
    if goto := st.session_state.pop("_goto", None):
        script, params = goto
        st.switch_page(script, query_params=params)


def start(title: str, script: str) -> None:
    """First line of a page: the frame guard, then the heading. ``script`` is the page's ``__file__``."""
    if not st.session_state.get("_framed"):
        st.session_state["_goto"] = (f"pages/{Path(script).name}", st.query_params.to_dict())
        st.switch_page("app.py")
    st.title(text.label(title), anchor=False)


def need_run(runs: Mapping[str, str] | Sequence[str] | None = None) -> str:
    """The run this page is about, from the URL; without one, an empty state that teaches, and the page ends here.

    ``runs`` (id to name, or ids) adds the picker and turns an unknown id into a sentence.
    """
    if runs is not None and not runs:
        _no_run(
            "There is no run yet", "A run is one trader on one period. Start one; the offline demo needs no model and no key.", "new_run"
        )
    found = pickers.run(runs) if runs is not None else pickers.current("run")
    if not found:
        _no_run("Which run?", "This page shows one run. Pick one from the library: a click on its row leads here.", HOME)
    return found


def _no_run(title: str, what_to_do: str, page: str) -> NoReturn:
    empty(title, what_to_do, (page, "New run" if page == "new_run" else "To the library of runs"))
    st.stop()


def empty(title: str, what_to_do: str, link_to: tuple[str, str] | None = None, **params: Any) -> None:
    """An empty state: what is missing and what to do about it. ``link_to`` is (page, label)."""
    with st.container(border=True):
        st.subheader(text.label(title, longest=120), anchor=False)
        text.plain(what_to_do)
        if link_to:
            link(*link_to, icon="→", **params)


def banner(error: RecollectError) -> None:
    """An error as its reader needs it: what happened, and the cure to copy. Its text is never read as Markdown."""
    heading = {SpecError: "This has to change", NoData: "Nothing here", Unavailable: "Cannot be reached"}
    colour = "gray" if isinstance(error, NoData) else "red"
    cure = getattr(error, "cure", "")
    message = str(error).removesuffix(cure).strip() if cure else str(error)
    field = getattr(error, "field", "")
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(heading.get(type(error), "This did not work"), color=colour, icon="⚠")
            if field:
                st.badge(text.label(field), color="gray")
        text.plain(message)
        if cure:
            text.block(cure)


def run_header(run: Mapping[str, Any]) -> None:
    """The strip on top of a run's pages.

    Keys, all optional: name, model, tickers (list), start, end, status, coverage (share of days decided by the model), total_return and
    benchmark_return (fractions), trouble (a sentence).
    """
    name = run.get("name") or run.get("run") or "Unnamed run"
    tickers = [str(ticker) for ticker in run.get("tickers") or ()]
    with st.container(border=True):
        left, *figures = st.columns([3.4, 1, 1, 1, 1], vertical_alignment="center")
        with left:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.subheader(text.label(name, longest=60), anchor=False, width="content")
                if run.get("status"):
                    cards.status(str(run["status"]))
            facts = [text.clean(run.get("model") or "no model", longest=60), _few(tickers)]
            facts.append(f"{format.day(run.get('start'))} → {format.day(run.get('end'))}")
            text.plain("  ·  ".join(fact for fact in facts if fact))
        mine, rival = run.get("total_return"), run.get("benchmark_return")
        gap = mine - rival if format.known(mine) and format.known(rival) else None
        figures[0].metric("Return", format.percent(mine, sign=True), help="Change of equity over the run, after costs.")
        figures[1].metric(
            "Buy and hold", format.percent(rival, sign=True), help="The same tickers, bought on the first day and held, same costs."
        )
        figures[2].metric("Difference", format.points(gap), help="Return minus buy and hold, in percentage points.")
        figures[3].metric(
            "Coverage", format.percent(run.get("coverage"), digits=0), help="Share of days with a usable decision by the model."
        )
        if run.get("trouble"):
            text.plain(run["trouble"])


def _few(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(text.clean(name, longest=20) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
