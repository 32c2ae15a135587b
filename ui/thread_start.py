"""Where a thread can begin: the decisions that went best and worst, the memories named most, the texts that moved most credit."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from services.queries import RunView
from services.threads import Starts
from ui import cards, page, text, theme
from ui.thread_story import VERDICTS

WHAT = (
    "A thread joins what belongs together: a text that was read, the memory made of it, every day that memory was recalled and named, the "
    "orders that followed, what they brought, and the credit that came back to the memory - or from a decision back to the texts behind it."
)


def show(view: RunView, ticker: str, found: Starts) -> None:
    """Lists to choose from; a tick in a row opens its thread."""
    where = {"run": view.id, "ticker": ticker}
    with st.container(border=True, gap="xsmall"):
        text.plain(WHAT)
        with st.container(horizontal=True, gap="small"):
            if len(found.worst):
                page.link("thread", f"The worst decision, {found.worst['day'].iloc[0]}", icon="→", **where, day=found.worst["day"].iloc[0])
            if len(found.best):
                page.link("thread", f"The best decision, {found.best['day'].iloc[0]}", icon="→", **where, day=found.best["day"].iloc[0])
            if len(found.cited):
                number = int(found.cited["id"].iloc[0])
                page.link("thread", f"The memory named most, {number}", icon="→", **where, mem=number)
    left, right = st.columns(2)
    with left:
        _decisions(view, ticker, found.worst, "Decisions that went worst", "worst")
    with right:
        _decisions(view, ticker, found.best, "Decisions that went best", "best")
    _memories(view, ticker, found.cited)
    _sources(view, ticker, found.sources)


def _decisions(view: RunView, ticker: str, rows: pd.DataFrame, heading: str, key: str) -> None:
    st.markdown(f"**{heading}**")
    if rows.empty:
        text.plain("No decision was. Only one that traded is judged, some sessions after its fill.")
        return
    shown = pd.DataFrame(
        {
            "day": [str(day) for day in rows["day"]],
            "decision": [f"{theme.GLYPHS[theme.verdict(action)]} {theme.verdict(action)}" for action in rows["action"]],
            "gain": rows["gain"],
            "judged": [VERDICTS[int(verdict)][0] for verdict in rows["verdict"]],
            "named": rows["cited_count"],
        }
    )
    event = st.dataframe(
        shown, key=f"_start_{key}", on_select="rerun", selection_mode="single-row", hide_index=True, height=min(318, 38 + 35 * len(shown)),
        alt=heading, placeholder="",
        column_config={
            "day": st.column_config.TextColumn("Day", width=95),
            "decision": st.column_config.TextColumn("Decision", width=85),
            "gain": st.column_config.NumberColumn(
                "Gain", format="percent", width=80, help="Direction times price move from the fill to the verdict, before costs."
            ),
            "judged": st.column_config.TextColumn("Judged", width=100),
            "named": st.column_config.NumberColumn("Memories", format="%d", width=80, help="How many memories its reasons name."),
        },
    )  # fmt: skip
    if picked := event["selection"]["rows"]:
        page.go("thread", run=view.id, ticker=ticker, day=rows["day"].iloc[picked[0]])


def _memories(view: RunView, ticker: str, rows: pd.DataFrame) -> None:
    st.markdown("**Memories named most**")
    if rows.empty:
        text.plain("No decision and no study of this run names a memory.")
        return
    shown = pd.DataFrame(
        {
            "memory": rows["id"],
            "title": [text.clean(title, longest=160) for title in rows["title"]],
            "kind": [cards.KINDS[kind] for kind in rows["kind"]],
            "layer": [f"{theme.LAYER_GLYPHS.get(layer, '◌')} {layer}" for layer in rows["layer"]],
            "cited": rows["cited"],
            "times": rows["times"],
            "credit": rows["credit"],
            "end": ["alive" if alive else "forgotten" for alive in rows["alive"]],
        }
    )
    event = st.dataframe(
        shown, key="_start_memories", on_select="rerun", selection_mode="single-row", hide_index=True, height=min(318, 38 + 35 * len(shown)),
        alt="Memories named most", placeholder="",
        column_config={
            "memory": st.column_config.NumberColumn("Memory", format="%d", width=75),
            "title": st.column_config.TextColumn("Title", width=250),
            "kind": st.column_config.TextColumn("Kind", width=90),
            "layer": st.column_config.TextColumn("Layer", width=100, help="The last it was in."),
            "cited": st.column_config.NumberColumn("Cited", width=70, help="Test days whose decision named it."),
            "times": st.column_config.NumberColumn("Judged", width=75, help="Verdicts of decisions and studies that reached it."),
            "credit": st.column_config.NumberColumn("Credit", format="%+.1f", width=80, help="Sum of what the verdicts changed, 0 to 100 each."),
            "end": st.column_config.TextColumn("End", width=85),
        },
    )  # fmt: skip
    if picked := event["selection"]["rows"]:
        page.go("thread", run=view.id, ticker=ticker, mem=int(rows["id"].iloc[picked[0]]))


def _sources(view: RunView, ticker: str, rows: pd.DataFrame) -> None:
    st.markdown("**Source texts that mattered most**")
    if rows.empty:
        text.plain("No news item and no filing stands behind anything that was named.")
        return
    shown = pd.DataFrame(
        {
            "source": [text.clean(source, longest=120) for source in rows["document_id"]],
            "title": [text.clean(title, longest=160) for title in rows["title"]],
            "kind": [cards.KINDS[kind] for kind in rows["kind"]],
            "read": [str(day) for day in rows["born"]],
            "memories": rows["memories"],
            "cited": rows["cited"],
            "size": rows["size"],
            "credit": rows["credit"],
        }
    )
    event = st.dataframe(
        shown, key="_start_sources", on_select="rerun", selection_mode="single-row", hide_index=True, height=min(318, 38 + 35 * len(shown)),
        alt="Source texts that mattered most", placeholder="",
        column_config={
            "source": st.column_config.TextColumn("Source", width=120),
            "title": st.column_config.TextColumn("Title", width=200),
            "kind": st.column_config.TextColumn("Kind", width=75),
            "read": st.column_config.TextColumn("Read", width=95),
            "memories": st.column_config.NumberColumn("Memories", width=85, help="Of those made of it, how many were ever named."),
            "cited": st.column_config.NumberColumn("Cited", width=70),
            "size": st.column_config.NumberColumn("Moved", format="%.1f", width=80, help="Credit and blame added up by size."),
            "credit": st.column_config.NumberColumn("Credit", format="%+.1f", width=80),
        },
    )  # fmt: skip
    if picked := event["selection"]["rows"]:
        page.go("thread", run=view.id, ticker=ticker, src=rows["document_id"].iloc[picked[0]])
