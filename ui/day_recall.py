"""What memory offered on a day: per layer in rank order, the parts of each score, cited or not, near misses below the cut, texts on demand."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ui import cards, day_links, draw, format, text, theme
from ui.charts.bars import legend, score_bar
from ui.links import link

ROOM, BAR = 58, 180  # pixels: the same on every row, so that bars line up; on a narrow screen each of the three parts wraps by itself


def recalled(recalls: pd.DataFrame, *, query: str, run: str, ticker: str, day: str) -> None:
    """The whole step. Columns as in ``services.queries.recalls``."""
    if query:
        st.caption("The question put to memory, embedded and compared with every live memory:")
        text.block(query)
    if recalls.empty:
        text.plain(
            "Nothing was recalled: the memory was empty. An empty layer is left out of the prompt, so no lesson can be invented from it."
        )
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("Score is the sum of three parts, each 0 to 1:", width="content")
        st.image(legend(dark=draw.dark()))
        st.caption("⇄ leads to the thread of a memory: where it came from, what it led to.", width="content")
    known = set(recalls["layer"])
    for name in [*(layer for layer in theme.LAYERS if layer in known), *sorted(known - set(theme.LAYERS))]:
        _layer(name, recalls[recalls["layer"] == name].sort_values("rank"), run=run, ticker=ticker, day=day)


def _layer(name: str, rows: pd.DataFrame, **keys: str) -> None:
    missed = rows["near_miss"].astype(bool)
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            cards.layer(name)
            cited = int(rows["cited"].astype(bool).sum())
            st.caption(f"{int((~missed).sum())} shown to the model, {cited} cited, {int(missed.sum())} just missed", width="content")
        for row in rows[~missed].to_dict("records"):
            _row(row, **keys)
        if missed.any():
            st.caption("✂\ufe0e  the cut: what follows ranked too low and was not shown to the model")
        for row in rows[missed].to_dict("records"):
            _row(row, **keys)


def _row(row: dict, **keys: str) -> None:
    """One memory on one line; its text opens beside it and is sent only then."""
    missed, number = bool(row["near_miss"]), int(row["memory_id"])
    who, title, how = st.columns([2, 3.7, 4.6], vertical_alignment="center", gap="small")
    with who, st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        if row["cited"]:
            st.badge("★ cited", color="green", width=ROOM)
        else:
            st.badge("missed" if missed else f"rank {int(row['rank'])}", color="gray", width=ROOM)
        link("memory", f"No {number}", mem=number, **keys)
    with title:
        if missed:
            st.caption(text.label(row["title"] or "untitled", longest=110))
        else:
            text.plain(row["title"] or "untitled", longest=110)
    with how, st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.image(score_bar(row["similarity"], row["recency"], row["importance"], dark=draw.dark(), faded=missed), width=BAR)
        text.plain(format.number(row["score"]), width="content")
        opened = st.popover("Text", type="tertiary", key=f"_read_{row['layer']}_{number}", on_change="rerun")
        day_links.thread(keys["run"], keys["ticker"], label="", mem=number)
    if opened.open:
        with opened:
            st.caption(f"Memory {number} · {cards.KINDS.get(row['kind'], 'memory')} · {row['event_time']:%Y-%m-%d}")
            day_links.thread(keys["run"], keys["ticker"], label=f"Thread of memory {number}", mem=number)
            text.plain(row["text"], longest=4000)
