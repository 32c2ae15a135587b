"""Every bookmark of every run in one list, each a link to the place it marks. Drawn only when somebody opens it."""

from __future__ import annotations

import streamlit as st

from agent.errors import RecollectError
from services import annotations as written
from services import queries
from services.annotations import Annotation
from ui import page, text

MOST = 60  # shown; older ones are still on their pages


def shelf() -> None:
    """The list, in a box that says how many there are; nothing where there is none."""
    found = written.bookmarks()
    if not found:
        return
    box = st.expander(f"Bookmarks ({len(found)})", icon=":material/star:", key="_bookmarks", on_change="rerun")
    if not box.open:
        return
    names = queries.names()
    with box:
        for item in found[:MOST]:
            _row(item, text.clean(names.get(item.place.run, item.place.run), longest=40))
        if len(found) > MOST:
            st.caption(f"{len(found) - MOST} older bookmarks are not listed here; they are still on their pages.")


def _row(item: Annotation, name: str) -> None:
    place = item.place
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if place.day is not None:
            page.link("days", f"{name} · {place.ticker} · {place.day}", run=place.run, ticker=place.ticker, day=place.day)
        elif place.memory is not None:
            label = f"{name} · {place.ticker} · memory {place.memory}{_title(item)}"
            page.link("memory", label, run=place.run, ticker=place.ticker, mem=place.memory)
        else:
            page.link("overview", name, run=place.run)
        st.caption(f"{item.at:%Y-%m-%d %H:%M} UTC")
        st.button("Take away", key=f"_unmark_{item.key}", type="tertiary", on_click=_away, args=(item.key,))


def _title(item: Annotation) -> str:
    place = item.place
    title = queries.titles(place.run, place.ticker, [place.memory or 0]).get(place.memory or 0, "")
    return f": {text.clean(title, longest=60)}" if title else ""


def _away(key: int) -> None:
    try:
        written.remove(key)
    except RecollectError:  # gone already, in another tab: that is what was wished for
        return
