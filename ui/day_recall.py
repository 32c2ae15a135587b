"""What memory offered on a day: per layer in rank order, the parts of each score, cited or not, near misses below the cut.

A row is one element, a link with its picture before it: some days recall forty memories, and every element costs the browser a
millisecond or two. The text of one memory is read below, by choice.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ui import cards, day_links, draw, pickers, text, theme
from ui.charts.bars import legend
from ui.charts.recall_bar import recall_bar
from ui.links import link


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
        st.caption("★ cited, else the rank. Score is the sum of three parts, each 0 to 1:", width="content")
        st.image(legend(dark=draw.dark()))
    st.caption("A name opens the memory as of this day. To read one here, or to follow its thread, choose it below the list.")
    known = set(recalls["layer"])
    order = [*(layer for layer in theme.LAYERS if layer in known), *sorted(known - set(theme.LAYERS))]
    for name in order:
        _layer(name, recalls[recalls["layer"] == name].sort_values("rank"), run=run, ticker=ticker, day=day)
    _read(recalls, order, run=run, ticker=ticker, day=day)


def _layer(name: str, rows: pd.DataFrame, **keys: str) -> None:
    missed = rows["near_miss"].astype(bool)
    with st.container(border=True, gap="xxsmall"):
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
    """One memory on one line: the picture first, so that the bars of all rows line up."""
    cited, missed, number = bool(row["cited"]), bool(row["near_miss"]), int(row["memory_id"])
    parts = (row["similarity"], row["recency"], row["importance"], row["score"])
    picture = recall_bar(row["rank"], *parts, cited=cited, missed=missed, dark=draw.dark())
    link("memory", f"{number}{', cited' if cited else ''} – {_title(row, longest=70)}", picture=picture, mem=number, **keys)


def _title(row: dict, *, longest: int) -> str:
    return text.label(row["title"] or row["text"] or "untitled", longest=longest)


def _read(recalls: pd.DataFrame, order: list[str], **keys: str) -> None:
    """One memory's text, chosen from the list; the address says which."""
    rows = {
        str(int(row["memory_id"])): row
        for row in sorted(recalls.to_dict("records"), key=lambda row: (order.index(row["layer"]), row["near_miss"], row["rank"]))
    }
    asked = pickers.read("read")
    st.session_state["_read"] = asked if asked in rows else None

    def changed() -> None:
        st.query_params.pop("read", None)
        if st.session_state["_read"]:
            st.query_params["read"] = st.session_state["_read"]

    st.selectbox(
        "Read a memory here",
        list(rows),
        key="_read",
        index=None,
        on_change=changed,
        placeholder="Choose one to read its text",
        format_func=lambda number: f"{number} – {text.clean(rows[number]['title'] or rows[number]['text'], longest=100)}",
    )
    if asked in rows:
        row = rows[asked]
        with st.container(border=True, gap="xsmall"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(f"Memory {asked} · {cards.KINDS.get(row['kind'], 'memory')} · {row['event_time']:%Y-%m-%d}", width="content")
                link("memory", "Open", icon="→", mem=asked, **keys)
                day_links.thread(keys["run"], keys["ticker"], mem=asked)
            text.plain(row["text"], longest=4000)
