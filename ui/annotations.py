"""Bookmark, tags and notes beside a run, a day or a memory: one quiet line, opened where somebody wants to write.

What people wrote is untrusted text like any other: notes go through ``text.plain``, tags through ``text.label``. A deletion can be
taken back. Half a note survives a click beside the box.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import streamlit as st

from agent.errors import RecollectError
from services import annotations as written
from services.annotations import Annotation, Beside, Place
from services.queries import RunView
from ui import page, text

SUGGESTED = 8  # tags in use elsewhere that are offered as buttons
WHAT = {"note": "Note", "tag": "Tag", "bookmark": "Bookmark"}


def panel(view: RunView, *, ticker: str = "", day: date | None = None, memory: int | None = None, listed: bool = False) -> None:
    """Bookmark star, tags and notes of a run (no ticker), a day (ticker and day) or a memory (ticker and memory).

    ``listed``: the page around it lists tags or bookmarks too, so it is drawn again after a change.
    """
    where = written.place(view.id, ticker, day=day, memory=memory)
    st.session_state[f"_listed_{_name(where)}"] = listed
    _panel(where)


@st.fragment
def _panel(where: Place) -> None:
    """Drawn alone when something in it changes: the page around it stays as it is."""
    name = _name(where)
    try:
        found = written.beside(where)
    except RecollectError as error:
        page.banner(error)
        return
    with st.container(gap="xsmall", key=f"annotations_{name}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            _star(found, name)
            for item in found.tags:
                st.badge(text.label(item.text, longest=written.LONGEST_TAG), icon=":material/sell:", color="blue")
            _tags(found, name)
            _notes(found, name)
        _last_note(found)
        _after(name)
    if st.session_state.pop(f"_changed_{name}", False) and st.session_state.get(f"_listed_{name}"):
        st.rerun()


def _name(where: Place) -> str:
    return "_".join(str(part) for part in (where.run, where.ticker, where.day or "", "" if where.memory is None else where.memory))


def _star(found: Beside, name: str) -> None:
    marked = found.bookmark
    st.button(
        "★ Bookmarked" if marked else "☆ Bookmark",
        key=f"_star_{name}",
        type="tertiary",
        help="In the list of bookmarks on Runs; press to take it away." if marked else "Keep this place in the list of bookmarks on Runs.",
        on_click=_tried,
        args=(name, lambda: written.remove(marked.key) if marked else written.bookmark(found.place)),
    )


# -------------------------------------------------------------------------------------------------------------------- tags


def _tags(found: Beside, name: str) -> None:
    box = st.popover("Tags" if found.tags else "+ Tag", type="tertiary", key=f"_tags_{name}", on_change="rerun")
    if not box.open:
        return
    with box:
        for item in found.tags:
            with st.container(horizontal=True, vertical_alignment="center"):
                text.plain(item.text)
                _remover(item, name, "Remove this tag")
        field = f"_tag_{name}"

        def added(word: str | None = None) -> None:
            if _tried(name, lambda: written.tag(found.place, word or st.session_state[field])) and word is None:
                st.session_state[field] = ""

        st.text_input("New tag", key=field, placeholder="such as: good exit", on_change=added, help="Up to 40 characters; Enter keeps it.")
        _said(name)
        known = {item.text.casefold() for item in found.tags}
        offered = [word for word in written.known_tags() if word.casefold() not in known][:SUGGESTED]
        if offered:
            st.caption("Used before")
            with st.container(horizontal=True, gap="small"):
                for number, word in enumerate(offered):
                    st.button(text.label(word), key=f"_offer_{name}_{number}", type="tertiary", on_click=added, args=(word,))


# ------------------------------------------------------------------------------------------------------------------- notes


def _notes(found: Beside, name: str) -> None:
    count = len(found.notes)
    label = "+ Note" if not count else f"{count} note{'s' if count != 1 else ''}"
    box = st.popover(label, type="tertiary", key=f"_notes_{name}", on_change="rerun", width="content")
    if not box.open:
        return
    with box:
        editing = st.session_state.get(f"_editing_{name}")
        _write(f"_note_{name}", "New note", "", "Keep this note", lambda words: written.note(found.place, words), name)
        _said(name)
        for item in reversed(found.notes):
            _note(item, name, editing == item.key)


def _note(item: Annotation, name: str, editing: bool) -> None:
    with st.container(border=True, gap="xsmall"):
        if editing:
            _write(f"_edit_{item.key}", "The note", item.text, "Save", lambda words: written.edit(item.key, words), name)
            st.button("Leave it as it was", key=f"_leave_{item.key}", type="tertiary", on_click=_edit, args=(name, None, item.key))
            return
        text.plain(item.text)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(_when(item))
            st.button("Edit", key=f"_edit_{name}_{item.key}", type="tertiary", on_click=_edit, args=(name, item.key, item.key))
            _remover(item, name, "Delete this note")


def _edit(name: str, which: int | None, key: int) -> None:
    st.session_state[f"_editing_{name}"] = which
    st.session_state.pop(f"_draft_edit_{key}", None)


def _write(field: str, label: str, first: str, button: str, keep: Callable[[str], object], name: str) -> None:
    """A text box with its button. What is typed is kept aside, since a closed popover forgets its boxes."""
    draft = f"_draft{field}"
    if field not in st.session_state:
        st.session_state[field] = st.session_state.get(draft, first)

    def typed() -> None:
        st.session_state[draft] = st.session_state[field]

    def kept() -> None:
        if _tried(name, lambda: keep(st.session_state[field])):
            st.session_state.pop(draft, None)
            st.session_state[field] = ""
            st.session_state.pop(f"_editing_{name}", None)

    st.text_area(label, key=field, max_chars=written.LONGEST_NOTE, on_change=typed, height=120)
    st.button(button, key=f"{field}_keep", on_click=kept)


def _last_note(found: Beside) -> None:
    """The newest note's beginning, so that what somebody wrote is seen without a click."""
    if found.notes:
        item = found.notes[-1]
        words = text.clean(" ".join(item.text[:2_000].split()), longest=200)
        text.plain(f"✎ {words}")


def _when(item: Annotation) -> str:
    changed = f", changed {_moment(item.edited_at)}" if item.edited_at else ""
    return f"{_moment(item.at)}{changed} UTC"


def _moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%d %H:%M")


# ---------------------------------------------------------------------------------------------------------- and what follows


def _remover(item: Annotation, name: str, help: str) -> None:
    def gone() -> None:
        if _tried(name, lambda: written.remove(item.key)):
            st.session_state[f"_removed_{name}"] = item

    st.button("Delete", key=f"_remove_{item.key}", type="tertiary", icon=":material/delete:", help=help, on_click=gone)


def _tried(name: str, action: Callable[[], object]) -> bool:
    """Do it; what went wrong is kept to be said beside the box. Whatever follows a deletion ends its undo."""
    st.session_state.pop(f"_removed_{name}", None)
    try:
        action()
    except RecollectError as error:
        st.session_state[f"_wrong_{name}"] = error
        return False
    st.session_state.pop(f"_wrong_{name}", None)
    st.session_state[f"_changed_{name}"] = True
    return True


def _said(name: str) -> None:
    if error := st.session_state.pop(f"_wrong_{name}", None):
        page.banner(error)


def _after(name: str) -> None:
    """The undo of the last deletion, and an error that no open box has said."""
    _said(name)
    removed: Annotation | None = st.session_state.get(f"_removed_{name}")
    if removed is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"{WHAT[removed.kind]} deleted.")
        st.button("Undo", key=f"_undo_{name}", type="tertiary", on_click=_tried, args=(name, lambda: written.put_back(removed)))
