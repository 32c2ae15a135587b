"""Datasets: what was imported or kept under a name; open one, run on it, take it away, delete it."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from agent.errors import RecollectError
from services import market_data
from ui import data_market, format, page, text
from ui.data_said import Places, problem, size, tall, tally
from ui.links import link


def datasets() -> None:
    """The list, and what can be done with the chosen one."""
    found = market_data.datasets()
    if said := st.session_state.pop("_data_sets_said", ""):
        st.success(text.label(said, longest=200), icon="✅")
    if not found:
        page.empty(
            "No dataset yet",
            "A dataset is a market of your own under a name: a file you import, or what a source served on a day, kept so that a run on it "
            "can be repeated. Import a CSV, a Parquet file, FinMem's env_data.pkl or a folder; or keep what you fetched.",
            ("data", "Import a file"),
            tab="import",
        )
        return
    names = [item.name for item in found]
    wanted = st.query_params.get("dataset", "")

    def picked() -> None:
        rows = st.session_state["data_sets"]["selection"]["rows"]
        if rows:
            st.query_params["dataset"] = names[rows[0]]

    st.dataframe(
        pd.DataFrame([_row(item) for item in found]),
        hide_index=True,
        key="data_sets",
        on_select=picked,
        selection_mode="single-row",
        selection_default={"selection": {"rows": [names.index(wanted) if wanted in names else 0]}},  # type: ignore[arg-type]
        alt="Named datasets",
        height=tall(len(found), 10),
    )
    chosen = next((item for item in found if item.name == wanted), found[0])
    actions(chosen)


def _row(item: Any) -> dict[str, object]:
    return {
        "name": text.clean(item.name, longest=80),
        "state": "✗ broken" if item.error else "✓ usable",
        "tickers": _some(item.symbols),
        "first": format.day(item.first),
        "last": format.day(item.last),
        "rows": tally(item.tables),
        "from": text.clean(item.kind, longest=20),
        "size": size(item.bytes),
        "note": text.clean(item.note, longest=160),
    }


def _some(names: Any) -> str:
    shown = ", ".join(text.clean(name, longest=16) for name in list(names)[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown


def actions(item: Any) -> None:
    """The chosen dataset in words, then the buttons."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.subheader(text.label(item.name, longest=60), anchor=False, width="content")
            if item.kind:
                st.badge(text.label(item.kind), color="gray")
            if item.note:
                st.badge(text.label(item.note, longest=120), color="orange", icon="⚠️")
        if item.error:
            text.plain(item.error, longest=1200)
        else:
            text.plain(
                f"{tally(item.tables)}; {len(item.symbols)} ticker{'s' * (len(item.symbols) != 1)}, {format.day(item.first)} to {format.day(item.last)}."
            )
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            if "bars" in item.tables:
                link("data", "Open in Look", icon="→", source=f"upload:{item.name}", tab="look")
                link("new_run", "New run with it", icon="→", source="upload", dataset=item.name)
            elif not item.error:
                text.plain(
                    "It has no prices yet: add them, or use it as the source of a single table beside another source.", width="content"
                )
            if not item.error:
                link("data", "Add a table", icon="→", tab="import", into=item.name)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if not item.error:
                _export(item)
                _rename(item)
            if st.button("Delete…", key="data_delete", icon=":material/delete:"):
                st.session_state["_data_deleting"] = item.name
        if st.session_state.get("_data_deleting") == item.name:
            _confirm(item)


def _export(item: Any) -> None:
    with st.popover("Export", icon=":material/download:"):
        text.plain("The canonical tables as files, which the folder source reads as they are, here or on another machine.")
        st.download_button(
            "Download as zip",
            data=lambda: zipped(item.name),
            file_name=f"{item.name}.zip",
            mime="application/zip",
            on_click="ignore",
            key="data_zip",
        )
        places = Places()
        folder = st.text_input("Or write it into this folder", key="data_folder", placeholder="a new or empty folder on this machine")
        places.here("out", "path", "folder")
        if st.button("Write the folder", key="data_write", disabled=not folder.strip()):
            out = Path(folder.strip()).expanduser()
            try:
                counts = market_data.export_dataset(item.name, out)
            except RecollectError as error:
                places.say(error)
            else:
                text.plain(f"Written to {out}: {tally(counts)}.")


def _rename(item: Any) -> None:
    with st.popover("Rename", icon=":material/edit:"):
        places = Places()
        name = st.text_input("New name", value=item.name, key=f"data_rename.{item.name}").strip()
        places.here("name", "dataset")
        text.plain("A run made on the old name has to be told the new one before it can be resumed.")
        if st.button("Rename", key="data_rename_yes", disabled=name in ("", item.name)):
            try:
                made = market_data.rename_dataset(item.name, name)
            except RecollectError as error:
                places.say(error)
                return
            data_market.look_again()
            st.query_params["dataset"] = made.name
            st.session_state["_data_sets_said"] = f"{item.name} is now called {made.name}."
            st.rerun()


def zipped(name: str) -> bytes:
    """A dataset as one zip with its folder inside."""
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="recollect-") as private:
        out = Path(private) / name
        market_data.export_dataset(name, out)
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(out.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(private))
    return packed.getvalue()


def _confirm(item: Any) -> None:
    """Nothing is removed before this box, which names what would be."""
    with st.container(border=True):
        st.badge("Delete for ever?", color="red", icon="⚠")
        text.plain(
            f"The dataset “{item.name}” will be removed from this machine: {tally(item.tables)} of {_some(item.symbols) or 'no ticker'}, {size(item.bytes)}."
        )
        text.plain("Runs made on it keep their records and stay readable, but cannot be resumed or repeated without it.")
        with st.container(horizontal=True):
            if st.button("Yes, delete this dataset", key="data_delete_yes", type="primary"):
                st.session_state.pop("_data_deleting")
                try:
                    market_data.delete_dataset(item.name)
                except RecollectError as error:
                    problem(error)
                    return
                data_market.look_again()
                st.query_params.pop("dataset", None)
                st.session_state["_data_sets_said"] = f"The dataset {item.name} is gone."
                st.rerun()
            if st.button("Keep it", key="data_delete_no"):
                st.session_state.pop("_data_deleting")
                st.rerun()
