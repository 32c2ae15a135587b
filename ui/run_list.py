"""The library of runs as a table: one ticked row and what can be done with that run, or several and the way to compare them.

The chosen run lives in the URL, so a reload keeps it; the table's own selection follows. A table with other rows is another table to
the browser, so that a tick never slides to a run that somebody added above it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import streamlit as st

from agent.errors import RecollectError, SpecError
from services import annotations as written
from services import archive, batches, compare, demo, exports, queries, runs
from services.queries import RunView
from ui import annotations, cards, format, live, page, pickers, run_view, text, theme, url_state

ROW, HEAD, MOST_ROWS = 35, 38, 14  # pixels, pixels, rows before the table scrolls
COLUMNS = (
    "status",
    "name",
    "tags",
    "notes",
    "return",
    "marks",
    "benchmark",
    "equity",
    "decided by",
    "tickers",
    "window",
    "excess",
    "sharpe",
    "coverage",
    "seed",
    "created",
)
MARKED = {"bookmarked": "★ bookmarked", "noted": "✎ with notes"}  # the run, or one of its days or memories
COVERAGE_HELP = "Share of test days with a price that the model itself decided; by rules where no model was asked, see Marks."


def filtered(frame: pd.DataFrame) -> pd.DataFrame:
    """The runs that pass the search words and the status pills above the table."""
    statuses = [name for name in theme.STATUS if name in set(frame["status"])]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = url_state.words("find", label="Find", placeholder="name, ticker, model or run id")
        chosen = url_state.several("status", statuses, label="Status") if len(statuses) > 1 else []
        kept = _written(frame)
        tags = sorted({tag for tags in kept["tags"] for tag in tags}, key=str.casefold)
        wanted = url_state.several("tag", tags, label="Tags") if tags else []
        marks = [mark for mark in MARKED if kept[mark].any()]
        marked = url_state.several("kept", marks, label="Written beside", shown=MARKED) if marks else []
    for mark in marked:
        kept = kept[kept[mark]]
    kept = kept[[set(wanted) <= set(tags) for tags in kept["tags"]]]
    return queries.matching(kept, words, chosen)


def _written(frame: pd.DataFrame) -> pd.DataFrame:
    """The library with what people wrote: tags and star of the run itself, notes and bookmarks of its days and memories too."""
    found = written.library()
    beside = [found.get(run, written.OfRun()) for run in frame["run"]]
    return frame.assign(
        tags=[item.tags for item in beside],
        starred=[item.bookmarked for item in beside],
        notes=[item.notes for item in beside],
        bookmarked=[item.bookmarks > 0 for item in beside],
        noted=[item.notes > 0 for item in beside],
    )


def table(frame: pd.DataFrame) -> list[str]:
    """The table; returns the ticked runs, which are also in the URL: one as ``run``, several as ``cmp``."""
    ids = list(frame["run"])
    chosen = _ticked()
    rows = [ids.index(run) for run in chosen if run in ids]
    key = f"library_{hashlib.sha1('|'.join(ids).encode()).hexdigest()[:10]}"

    def ticked() -> None:
        now = [ids[row] for row in sorted(st.session_state[key]["selection"]["rows"]) if row < len(ids)]
        hidden = [run for run in compare.items(st.query_params.get("cmp", "")) if run not in ids]  # ticked before a filter was set
        _tick([*hidden, *now])

    st.dataframe(
        _shown(frame),
        hide_index=True,
        column_config=_config(),
        column_order=[name for name in COLUMNS if name not in ("tags", "notes") or any(frame[name].astype(bool))],
        key=key,
        on_select=ticked,
        selection_mode="multi-row",
        selection_default={"selection": {"rows": rows, "columns": [], "cells": []}},
        height=HEAD + ROW * min(MOST_ROWS, max(1, len(frame))),
        placeholder=format.UNKNOWN,
        alt="The library of runs",
    )
    return [run for run in chosen if run in ids or len(chosen) > 1]


def _ticked() -> list[str]:
    """The runs ticked in the URL; those of several that are not in the library any more are left out."""
    asked = compare.items(text.clean(st.query_params.get("cmp", ""), longest=1000))
    known = queries.names() if asked else {}
    several = [run for run in asked if run in known]
    if len(several) > 1:
        return several
    one = pickers.current("run")
    return [one] if one else []


def _tick(found: list[str]) -> None:
    pickers.write(run=found[0] if len(found) == 1 else None)
    if len(found) > 1:
        st.query_params["cmp"] = ",".join(found)
    else:
        st.query_params.pop("cmp", None)


def side_by_side(chosen: list[str]) -> None:
    """Several runs are ticked: the way to the page that compares them."""
    names = queries.names()
    with st.container(border=True):
        text.plain(f"{len(chosen)} runs ticked: " + "; ".join(names[run] for run in chosen))
        too_many = len(chosen) > compare.MOST
        if too_many:
            text.plain(f"At most {compare.MOST} can be compared at once: untick {len(chosen) - compare.MOST}.")
        if st.button("Compare", key="compare_runs", type="primary", icon=":material/compare_arrows:", disabled=too_many):
            page.go("compare", cmp=",".join(chosen))


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame in words: statuses with their glyph, names without anything a screen would act on."""
    return pd.DataFrame(
        {
            "status": [_status(row) for row in frame[["status", "progress"]].to_dict("records")],
            "name": [
                f"{'★ ' if star else ''}{text.clean(name, longest=120)}" for name, star in zip(frame["name"], frame["starred"], strict=True)
            ],
            "tags": [", ".join(text.clean(tag, longest=60) for tag in tags) for tags in frame["tags"]],
            "notes": [count or None for count in frame["notes"]],
            "tickers": [text.clean(names, longest=80) for names in frame["tickers"]],
            "window": [f"{start} → {end}" for start, end in zip(frame["test_start"], frame["test_end"], strict=True)],
            "marks": ["  ".join(cards.mark_text(mark).replace("the model's ", "") for mark in found) for found in frame["marks"]],
            "decided by": [text.clean(model, longest=60) for model in frame["model"]],
            **{name: pd.to_numeric(frame[name]) for name in ("return", "benchmark", "excess", "sharpe", "coverage", "seed")},
            "equity": list(frame["equity"]),
            "created": pd.to_datetime(frame["created"], utc=True),
        }
    )


def _status(row: dict) -> str:
    glyph = theme.STATUS.get(row["status"], ("", ""))[0]
    share = f" {format.percent(row['progress'], digits=0)}" if row["status"] in ("running", "paused", "interrupted") else ""
    return f"{glyph} {row['status']}{share}"


def _config() -> dict:
    column = st.column_config
    return {
        "status": column.TextColumn("Status", pinned=True, width=118),
        "name": column.TextColumn("Name", width=170),
        "tags": column.TextColumn("Tags", width=130, help="Of the run itself; days and memories have their own."),
        "notes": column.NumberColumn("Notes", format="%d", width=62, help="On the run, its days and its memories."),
        "tickers": column.TextColumn("Tickers", width=120),
        "window": column.TextColumn("Test window", width=172),
        "decided by": column.TextColumn("Decided by", width=120, help="The model, or the rules or strategy without one."),
        "return": column.NumberColumn("Return", format="percent", width=76, help="After costs, over the test window."),
        "marks": column.TextColumn(
            "Marks", width=235, help="What to know before comparing the return: too few decisions, cut prompts, known days, no model."
        ),
        "benchmark": column.NumberColumn("Buy and hold", format="percent", width=96, help="Same tickers, capital, costs and first fill."),
        "excess": column.NumberColumn("Difference", format="percent", width=88, help="Return minus buy and hold."),
        "equity": column.LineChartColumn("Equity", width=120, help="Equity of the run over its test window."),
        "sharpe": column.NumberColumn("Sharpe", format="%.2f", width=66, help="Annualised, risk-free rate 0, from daily returns."),
        "coverage": column.NumberColumn("Coverage", format="percent", width=80, help=COVERAGE_HELP),
        "seed": column.NumberColumn("Seed", format="%d", width=52),
        "created": column.DatetimeColumn("Created (UTC)", format="YYYY-MM-DD HH:mm", width=134),
    }


# ------------------------------------------------------------------------------------------------- the chosen run


def actions(run: str) -> None:
    """What can be done with the chosen run."""
    try:
        view = queries.run(run)
    except SpecError as error:
        _unreadable(run, error)
        return
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.subheader(text.label(view.name, longest=60), anchor=False, width="content")
            cards.status(view.state)
            st.badge(text.label(view.model_label), color="gray")
            if "imported" in view.provenance:
                st.badge("imported", color="gray", icon=":material/move_to_inbox:", help=_came_from(view))
            if view.note:
                st.badge(text.label(view.note), color="orange", icon="⚠️")
            cards.marks(mark for mark in queries.marks(view) if mark != queries.RULES)  # the badge of what decided says that
        if view.error:
            text.plain(view.error)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if view.done and st.button("Open", key="open_run", type="primary", icon=":material/insights:", help="Its overview."):
                page.go("overview", run=run)
            if st.button("Monitor", key="monitor_run", icon=":material/monitor_heart:"):
                page.go("monitor", run=run)
            if st.button(
                "Duplicate", key="duplicate_run", icon=":material/content_copy:", help="A new run with the same settings to change."
            ):
                page.go("new_run", **{"from": run})
            live.controls(view, key="library")
            _rename(view)
            _export(view)
            _delete(run, disabled=view.state in runs.ACTIVE)
        annotations.panel(view, listed=True)
        if st.session_state.get("_deleting") == run:
            _confirm(run, view.name)


def _unreadable(run: str, error: SpecError) -> None:
    """A run of another version: why it cannot be shown, and the one thing that can still be done with it here."""
    name = queries.names()[run]
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.subheader(text.label(name, longest=60), anchor=False, width="content")
            cards.status("unreadable")
        text.plain(f"{error} The version that recorded it shows it as before; here it can be kept or deleted.")
        _delete(run, disabled=runs.alive(runs.store().run(run)))
        if st.session_state.get("_deleting") == run:
            _confirm(run, name)


def _delete(run: str, *, disabled: bool) -> None:
    if st.button("Delete…", key="delete_run", icon=":material/delete:", disabled=disabled):
        st.session_state["_deleting"] = run


def _came_from(view: RunView) -> str:
    came = view.provenance["imported"]
    notes = " ".join(text.label(note, longest=300) for note in came.get("notes", []))
    return (
        f"Taken in on {text.label(came.get('at', ''))[:16]} UTC from an export of run {text.label(came.get('from', ''))}. {notes}".strip()
    )


def _rename(view: RunView) -> None:
    box = st.popover("Rename", icon=":material/edit:", key=f"_rename_{view.id}", on_change="rerun")
    if not box.open:
        return
    with box:
        name = st.text_input(
            "Name", value=view.name, max_chars=120, key=f"_name_{view.id}", help="For the library; a run is known by its id."
        )
        if st.button("Keep this name", key="rename_keep", disabled=not name.strip() or name.strip() == view.name):
            with run_view.told():
                runs.store().rename(view.id, name.strip())
            st.rerun()


def _export(view: RunView) -> None:
    with st.popover("Export", icon=":material/download:", disabled=not view.done):
        text.plain(
            "Everything of the run in open formats: spec, days, prompts and answers, memory with its vectors, trades, equity, metrics, "
            "notes. Another Recollect can import it."
        )
        st.download_button(
            "Download as zip",
            data=lambda: archive.zipped(view.id),
            file_name=f"recollect-{view.id}.zip",
            mime="application/zip",
            on_click="ignore",
            key="export_zip",
        )
        folder = st.text_input("Or write it into this folder", key="export_folder", placeholder="a new or empty folder on this machine")
        if st.button("Write the folder", key="export_write", disabled=not folder.strip()):
            _write(view.id, folder.strip())


def _write(run: str, folder: str) -> None:
    try:
        counts = exports.export(run, Path(folder).expanduser())
    except RecollectError as error:
        page.banner(error)
    else:
        files = sum(path.is_file() for path in Path(folder).expanduser().iterdir())
        text.plain(f"Written to {Path(folder).expanduser()}: {sum(counts.values()):,} rows in {files} files.")


def _confirm(run: str, name: str) -> None:
    """Nothing is removed before this box, which names what would be."""
    with st.container(border=True):
        st.badge("Delete for ever?", color="red", icon="⚠")
        text.plain(f"“{name}” (run {run}) and everything that belongs to it will be removed from this machine:")
        found = runs.belongings(run)
        text.plain(
            "\n".join(f"• {count:,} {what}" for what, count in found.items()) or "• its entry in the library; nothing else was recorded"
        )
        if of := batches.of_run(run):
            text.plain(
                f"It is run {of[2]} of the batch “{of[1]}”, which keeps its place, says that it was deleted, and does not make it again."
            )
        with st.container(horizontal=True):
            if st.button("Yes, delete this run", key="delete_yes", type="primary"):
                st.session_state.pop("_deleting")
                with run_view.told():
                    runs.delete(run)
                pickers.write(run=None)
                st.rerun()
            if st.button("Keep it", key="delete_no"):
                st.session_state.pop("_deleting")
                st.rerun()


# ----------------------------------------------------------------------------------------------- the first minutes


@st.cache_resource(show_spinner=False)
def _first_start(store_url: str) -> str | None:
    """Make the demo run once per server and library, however many tabs open at the same time."""
    return demo.ensure()


def first_start() -> str | None:
    """Start the demo run if this library has never had one; its id if it was started now."""
    return _first_start(runs.store().url)


def nothing_yet() -> None:
    """An empty library that teaches."""
    page.empty(
        "No run yet",
        "A run is one trader on one period of one market. It reads the day's news and filings, remembers, decides and trades; "
        "you see every step. The demo needs no model, no key and no network.",
        ("new_run", "Set up a run"),
    )
    if st.button("Make the demo run", key="make_demo", type="primary", icon=":material/play_arrow:"):
        with run_view.told():
            runs.submit(demo.spec())
        st.rerun()


def welcome(view: RunView) -> None:
    """What a stranger looks at, and the most telling place to begin."""
    with st.container(border=True):
        st.subheader("What you are looking at", anchor=False)
        text.plain(
            "A trader with layered memory on a synthetic market with a planted signal: fictional companies whose news and filings pay "
            "off days, weeks or a year later. Its decisions come from rules, no LLM, so that it runs offline. It shows how the program "
            "works and says nothing about real markets."
        )
        if view.state in runs.ACTIVE:
            text.plain("This demo is being made right now by the same code that makes every run; watch it, or wait a moment.")
        with st.container(horizontal=True, gap="medium"):
            if view.state == "done" and (worst := queries.worst_day(view.id)):
                page.link("days", "Open its worst day against buy-and-hold", icon="→", run=view.id, ticker=worst[0], day=worst[1])
                page.link("overview", "Was it better than holding?", icon="→", run=view.id)
            page.link("new_run", "Start a run of your own", icon="→")


def interrupted(views: list[RunView]) -> None:
    """Runs whose worker is gone, each with the offer to go on."""
    for view in views:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.badge("⚡\ufe0e interrupted", color="orange")
            text.plain(f"{view.name} stopped without a word after {view.done} of {view.total or '?'} days.", width="content")
            if st.button("Resume", key=f"resume_{view.id}", icon=":material/play_arrow:"):
                with run_view.told():
                    runs.resume(view.id)
                st.rerun()
