"""Choosing what goes into a report, seeing how large it will be, making it and taking it away. Nothing is kept on disk."""

from __future__ import annotations

import io
from typing import Any

import streamlit as st

from agent.errors import SpecError
from report import build, choose
from report.build import Made, Plan
from report.choose import Choice
from services import annotations, archive
from services.queries import RunView
from ui import draw, text, url_state

WHICH = {"all": "All days", "worst": "The worst days", "chosen": "Days I name"}
COUNTS = ("5", "10", "25", "50", "100")
HEAVY = 15_000_000  # bytes; browsers open more, but slowly, and mail refuses it
FILES = (
    ("spec.json", "The run's spec: everything that was asked for, before the first day."),
    ("manifest.json", "Status, versions, hashes, marks, and which fields are wall clock."),
    ("days.jsonl", "Every day of every ticker, whole: seen, recalled, asked, answered, decided, ordered, learnt."),
    ("llm_calls.jsonl", "Every question put to a model, and its answer."),
    ("memory_events.jsonl", "Every change of every memory, the text with its birth."),
    ("equity.csv, benchmark.csv", "Equity and drawdown of the run and of buy and hold, in total and per ticker."),
    ("trades.csv, orders.csv, rejected_orders.csv", "Fills; orders as they ended; those that came to nothing."),
    ("metrics.json", "Every figure, in total and per ticker."),
    ("vectors.npz", "The embedding of every memory, so that another Recollect can search as this one did."),
    ("annotations.json", "Notes, tags and bookmarks with their times."),
    ("leaks.json, leaks.csv", "What was known when: the verdict, and each prompt segment with its times."),
)


def chosen(view: RunView) -> Choice:
    """Whose whole traces go in; in the URL as ``days``, ``n`` and ``on``. SpecError for days that are not written as days."""
    usual = "all" if view.done <= choose.MANY_DAYS else "worst"
    which = url_state.choice("days", tuple(WHICH), label="Whole traces of", default=usual, shown=WHICH)
    if usual != "all":
        text.plain(
            f"This run has {view.done:,} recorded days, counting each ticker. The traces of all of them make a large file that takes a while to make and to "
            "open, so the worst days are offered first; charts, figures and tables are of the whole run in any case."
        )
    if which == "all":
        return Choice()
    if which == "worst":
        count = url_state.choice("n", COUNTS, label="How many", default="10")
        return Choice("worst", int(count))
    named = url_state.words("on", label="Days", placeholder="2025-01-02, 2025-01-03")
    if not named:
        raise SpecError("Name the days, as the table of days lists them, with commas between.", field="days")
    found = choose.read(named)
    if found.which != "days":
        raise SpecError("Name days such as 2025-01-02, 2025-01-03.", field="days")
    return found


@st.cache_data(max_entries=32, show_spinner="Measuring some of the days")
def _size(run: str, done: int, choice: Choice, notes: tuple[Any, ...]) -> tuple[int, int, int, int]:
    """Estimated bytes, days with traces, days in all, and memories in all or -1 where only some go in."""
    found = build.plan(run, choice)
    return (
        build.estimate(found),
        len(found.days),
        sum(map(len, found.rows.values())),
        sum(found.memories.values()) if found.every_memory else -1,
    )


def offered(view: RunView, choice: Choice) -> None:
    """How large it will be, the button that makes it, and the file once it is made."""
    notes = tuple((item.key, item.edited_at or item.at) for item in annotations.of_run(view.id))  # a new note makes another report
    size, days, of, every = _size(view.id, view.done, choice, notes)
    memories = f"all {every:,} memories" if every >= 0 else "the memories that these days name (all would be too many)"
    text.plain(f"About {_megabytes(size)}: whole traces of {days:,} of {of:,} days, {memories}, and all charts, figures, tables and notes.")
    if size > HEAVY:
        text.plain(f"⚠ More than {_megabytes(HEAVY)}: it may be slow to open and too large to mail. Choose fewer days for a smaller file.")
    wanted = (view.id, view.done, choice, notes, draw.red_up())
    if st.button("Make the report", key="make_report", icon=":material/description:", type="primary"):
        st.session_state["_report"] = (wanted, *_made(view, choice))
    _ready(view, wanted)


def _made(view: RunView, choice: Choice) -> tuple[bytes, Made]:
    bar = st.progress(0.0, text="Reading the run")
    found = build.plan(view.id, choice)
    body = io.StringIO()
    made = build.write(found, body, red_up=draw.red_up(), progress=_telling(bar, found))
    bar.empty()
    return body.getvalue().encode("utf-8"), made


def _telling(bar: Any, found: Plan) -> build.Progress:
    """Move the bar by whole percents: more often would cost more than the work itself."""
    shown = -1

    def told(done: int, total: int) -> None:
        nonlocal shown
        if (now := 100 * done // max(1, total)) != shown:
            shown = now
            bar.progress(now / 100, text=f"Packing charts, {len(found.days):,} days and the memory: {now} %")

    return told


def _ready(view: RunView, wanted: tuple[Any, ...]) -> None:
    kept = st.session_state.get("_report")
    if kept is None or kept[0] != wanted:
        return
    _, body, made = kept
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.badge(f"✓ {_megabytes(made.size)}", color="green", help="The size of the file as it is.")
        text.plain(
            f"{made.days:,} days and {made.memories:,} memories whole. One file; it opens in any browser, without a network.",
            width="content",
        )
        st.download_button(
            "Download the report",
            data=body,
            file_name=f"recollect-{view.id}.html",
            mime="text/html",
            on_click="ignore",
            key="download_report",
            icon=":material/download:",
        )


def folder(view: RunView) -> None:
    """The whole run in open files, for other programs and for another Recollect."""
    text.plain("Everything of the run in open formats. Another Recollect takes it in and shows the same run; other programs read it too.")
    st.download_button(
        "Download the folder as zip",
        data=lambda: archive.zipped(view.id),
        file_name=f"recollect-{view.id}.zip",
        mime="application/zip",
        on_click="ignore",
        key="download_folder",
        icon=":material/folder_zip:",
        help="Made when it is asked for; a long run takes a minute.",
    )
    st.dataframe(
        [{"file": name, "what it holds": meaning} for name, meaning in FILES],
        hide_index=True,
        key="export_files",
        height="content",
        alt="The files of an export and what each holds",
        column_config={"file": st.column_config.TextColumn(width="medium"), "what it holds": st.column_config.TextColumn(width="large")},
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
