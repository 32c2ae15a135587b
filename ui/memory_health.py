"""Memory health: what a reader should distrust or tidy up in the memory of a day, each figure with the memories behind it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from agent.memory.health import Finding
from services import memory_health, queries
from services.memory_health import Health
from services.queries import RunView
from ui import page, pickers, text, url_state

TILE = 128
MOST_ROWS = 500
COLUMNS: dict[str, Any] = {
    "id": st.column_config.NumberColumn("No", format="%d", width=60, pinned=True),
    "layer": st.column_config.TextColumn("Layer", width=95),
    "title": st.column_config.TextColumn("Memory", width=330),
    "other": st.column_config.NumberColumn("Like no", format="%d", width=75, help="The earlier memory it is compared with."),
    "other_title": st.column_config.TextColumn("The earlier one", width=330),
    "similarity": st.column_config.NumberColumn("Similarity", format="%.3f", width=85, help="Cosine of the two vectors, up to 1."),
    "about": st.column_config.TextColumn("Opposite about", width=200),
    "apart": st.column_config.NumberColumn("Days apart", format="%.1f", width=85),
    "positive": st.column_config.NumberColumn("Right", width=60, help="Times a right decision rested on it."),
    "negative": st.column_config.NumberColumn("Wrong", width=60, help="Times a wrong decision rested on it."),
    "importance": st.column_config.NumberColumn("Importance", format="%.1f", width=90, help="As of this day, 0 to 100."),
    "recency": st.column_config.NumberColumn("Recency", format="%.2f", width=80, help="As of this day, 0 to 1."),
    "shown": st.column_config.NumberColumn(
        "Shown lately", width=95, help="Sessions among the recent ones in which the model was shown it."
    ),
    "phrase": st.column_config.TextColumn("Wording", width=420),
    "forgotten_on": st.column_config.TextColumn("Forgotten", width=100),
    "last_cited": st.column_config.TextColumn("Last cited", width=100),
    "sessions_between": st.column_config.NumberColumn("Sessions between", width=120),
    "citations": st.column_config.NumberColumn("Cited", width=70),
    "share": st.column_config.NumberColumn("Share", format="percent", width=80, help="Of all citations until this day."),
}


@st.cache_data(max_entries=8, show_spinner=False)
def _checked(run: str, done: int, ticker: str, day: date) -> Health:
    return memory_health.check(run, ticker, day)


def show(view: RunView, ticker: str, day: date) -> None:
    """All findings as of ``day`` as tiles, and the memories behind the chosen one; a ticked row opens the memory."""
    with st.spinner("Comparing every live memory with the others…"):
        found = _checked(view.id, view.done, ticker, day)
    if not found.findings:
        text.plain("Nothing was remembered by this day, so there is nothing to examine. Move to a later day.")
        return
    _tiles(found)
    by_key = {finding.key: finding for finding in found.findings}
    first = next((finding.key for finding in found.findings if finding.count), None)
    key = url_state.choice(
        "ill",
        list(by_key),
        default=first,
        label="Show the memories behind",
        shown={k: f"{f.label} ({f.count:,})" for k, f in by_key.items()},
    )
    _finding(view, ticker, by_key[key])


def _tiles(found: Health) -> None:
    with st.container(horizontal=True, gap="small"):
        for finding in found.findings[:-1]:
            share = f"{finding.share:.1%} of {finding.of:,}" if finding.share is not None else "none to ask about"
            st.metric(finding.label, f"{finding.count:,}", share, delta_color="off", delta_arrow="off", help=finding.definition, width=TILE)
        whole = found.concentration
        st.metric(
            "Citations rest on",
            f"{whole.effective:.1f}" if whole.effective is not None else "–",
            f"{whole.citations:,} on {whole.cited:,}" if whole.citations else "nothing cited yet",
            delta_color="off",
            delta_arrow="off",
            help="Effective number of memories: 1 over the sum of squared shares of all citations until this day. Ten memories cited equally often "
            "give 10; one that gets everything gives 1. Below: how many citations fall on how many memories.",
            width=TILE,
        )
    if found.compared < found.live:
        text.plain(
            f"Only the newest {found.compared:,} of {found.live:,} live memories were compared with each other; the other figures count all."
        )


def _finding(view: RunView, ticker: str, finding: Finding) -> None:
    text.plain(finding.definition)
    if finding.rows.empty:
        text.plain("None by this day.")
        return
    rows = finding.rows.head(MOST_ROWS)
    if len(finding.rows) > MOST_ROWS:
        st.caption(f"The first {MOST_ROWS:,} of {len(finding.rows):,}, most telling first.")
    ids = [int(number) for number in rows["id"]]

    def picked() -> None:
        chosen = st.session_state[key]["selection"]["rows"]
        pickers.write(mem=ids[chosen[0]] if chosen else None)

    key = f"health_{finding.key}"
    st.dataframe(
        _shown(view, ticker, rows),
        key=key,
        on_select=picked,
        selection_mode="single-row",
        hide_index=True,
        height=min(420, 38 + 35 * len(rows)),
        alt=f"{finding.label}: the memories behind the figure",
        placeholder="",
        column_config={name: config for name, config in COLUMNS.items()},
    )
    st.caption("Tick a row to open the memory.")
    if (mem := pickers.read("mem")) and mem.isdigit() and int(mem) in ids:
        page.link("thread", f"What memory {mem} led to", icon="→", run=view.id, ticker=ticker, mem=mem)


def _shown(view: RunView, ticker: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Numbers get their titles and layers; texts are made harmless."""
    wanted = {int(number) for column in ("id", "other") if column in rows for number in rows[column]}
    names = queries.titles(view.id, ticker, wanted)
    told = pd.DataFrame({"id": rows["id"], "title": [text.clean(names.get(int(number), ""), longest=140) for number in rows["id"]]})
    for name in rows.columns[1:]:
        told[name] = [text.clean(value, longest=300) for value in rows[name]] if rows[name].dtype == object else rows[name]
        if name == "other":
            told["other_title"] = [text.clean(names.get(int(number), ""), longest=140) for number in rows["other"]]
    return told
