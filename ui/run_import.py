"""Taking a run in from a zip or a folder: what was found is shown before anything happens, and the click says what it will do."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import streamlit as st

from agent.errors import RecollectError
from services import imports
from services.imports import Found
from ui import format, page, pickers, text


def place() -> None:
    """The box on Runs; closed until somebody opens it."""
    if note := st.session_state.pop("_taken_in", ""):
        st.success(note, icon=":material/move_to_inbox:")
    box = st.expander("Import a run", icon=":material/move_to_inbox:", key="_import", on_change="rerun")
    if not box.open:
        return
    with box:
        text.plain(
            "A run that was exported here or on another machine: the zip of Export, or its folder. It is checked line by line, and either "
            "shown as it was there or not taken in at all."
        )
        source = _source()
        if source is None:
            return
        found = imports.inspect(source)
        if not found.ok:
            st.badge("Cannot be taken in", color="red", icon="⚠")
            text.plain("\n".join(found.problems))
            return
        _offer(source, found)


def _source() -> Path | BinaryIO | None:
    left, right = st.columns(2)
    with left:
        uploaded = st.file_uploader("The zip", type="zip", key="import_file")
    with right:
        where = st.text_input("Or a zip or folder on this machine", key="import_path", placeholder="its full path").strip()
    if uploaded is not None:
        return uploaded
    return Path(where).expanduser() if where else None


def _offer(source: Path | BinaryIO, found: Found) -> None:
    with st.container(border=True):
        st.subheader(text.label(found.name, longest=60), anchor=False)
        text.plain(_about(found))
        if found.here:
            text.plain(
                f"A run with the id {found.here} is here already. If it is the same one, nothing will be changed; if not, both are kept and "
                "the new one gets another id."
            )
        name = st.text_input("Name in the library", value=found.name, max_chars=120, key=f"import_name_{found.run}")
        if st.button("Take it in", type="primary", key="import_take", icon=":material/move_to_inbox:"):
            _take(source, name.strip() or found.name)


def _about(found: Found) -> str:
    window = f"{found.window[0]} → {found.window[1]}" if found.window else format.UNKNOWN
    made = f", made {found.created_at:%Y-%m-%d}" if found.created_at else ""
    size = f"{found.size / 2**20:,.1f} MiB unpacked"
    notes = f", {found.annotations:,} notes, tags and bookmarks" if found.annotations else ""
    lines = [
        f"Run {found.run}, {found.status}{made}; decided by {found.decided_by}",
        f"{', '.join(found.tickers)}, traded {window}",
        f"{found.days:,} days{notes}; {size}",
    ]
    if found.status not in ("done", "failed", "cancelled"):
        lines.append(f"It was {found.status} when it was exported; here it will stand as cancelled, with the days it had then.")
    return "\n".join(lines)


def _take(source: Path | BinaryIO, name: str) -> None:
    bar = st.progress(0.0, text="Reading and checking the days")

    def read(done: int, total: int) -> None:
        if done % 20 == 0 or done == total:
            bar.progress(min(1.0, done / max(1, total)), text=f"Checked {done:,} of {total:,} days")

    try:
        taken = imports.load(source, name=name, on_day=read)
    except RecollectError as error:
        bar.empty()
        page.banner(error)
        return
    st.session_state["_taken_in"] = _said(taken)
    pickers.write(run=taken.run)
    st.rerun()


def _said(taken: imports.Imported) -> str:
    """A sentence of our own words; an id is letters and digits."""
    if taken.already:
        return f"This very run is here already, as {text.label(taken.run)}. Nothing was changed."
    notes = " ".join(text.label(note, longest=300) for note in taken.notes)
    return f"Taken in as {text.label(taken.run)}, with {taken.days:,} days. {notes}".strip()
