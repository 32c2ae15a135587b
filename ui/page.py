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
from ui import pickers, text
from ui.links import go, link

HOME = "runs"

__all__ = ["banner", "empty", "frame", "go", "link", "need_run", "start"]


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
    # a link to the page that is open changes what it shows but not the browser's address; said anew, the two agree and the link can be sent
    st.query_params.from_dict(st.query_params.to_dict())
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
