"""The memories as they were at the close of a day: counts per layer, and a table that filters, searches and opens one of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pandas as pd
import streamlit as st

from ui import cards, page, pickers, text, theme, url_state
from ui.run_view import TILE

ROWS = ("200", "1000", "5000")  # a table that can be ticked is sent whole, so a long one is an answer's whole cost
ALIVE = ("alive", "forgotten", "all")


def counts(over_time: pd.DataFrame, memories: pd.DataFrame, layers: Sequence[str], day: date) -> None:
    """Live memories per layer with the change since the session before, and how many are forgotten."""
    until = over_time[over_time["day"] <= day]
    present, past = (until.iloc[at].to_dict() if len(until) >= -at else {} for at in (-1, -2))
    gone = int((~memories["alive"]).sum()) if len(memories) else 0
    with st.container(horizontal=True, gap="small"):
        for name in layers:
            change = int(present.get(name, 0) - past.get(name, 0)) if past else 0
            st.metric(
                f"{theme.LAYER_GLYPHS.get(name, '◌')} {text.label(name)}",
                f"{int(present.get(name, 0)):,}",
                f"{change:+d}" if change else None,
                delta_color="off",
                help="Live memories after this session; below, the change since the session before.",
                width=TILE,
            )
        st.metric(
            "✕ forgotten", f"{gone:,}", help="Faded below the layer's limits: no longer recalled, kept here for inspection.", width=TILE
        )


def filtered(memories: pd.DataFrame) -> pd.DataFrame:
    """The memories that pass the filters above the table, most important first; every filter is in the URL."""
    layers = [
        *(name for name in theme.LAYERS if name in set(memories["layer"].unique())),
        *sorted(set(memories["layer"].unique()) - set(theme.LAYERS)),
    ]
    kinds = sorted(set(memories["kind"].unique()))
    one, two = st.columns([1, 1], vertical_alignment="bottom")
    with one:
        inside = url_state.several(
            "layer", layers, label="Layer", shown={name: f"{theme.LAYER_GLYPHS.get(name, '◌')} {name}" for name in layers}
        )
    with two:
        of_kind = url_state.several("kind", kinds, label="Kind", shown=cards.KINDS)
    one, two = st.columns([1, 1], vertical_alignment="bottom")
    with one:
        state = url_state.choice("alive", ALIVE, label="State")
    with two:
        sought = url_state.words("find", label="Find", placeholder="words of the text, title or publisher, or a number").casefold()
    kept = memories if state == "all" else memories[memories["alive"] == (state == "alive")]  # first: on a long run most are forgotten
    if inside:
        kept = kept[kept["layer"].isin(inside)]
    if of_kind:
        kept = kept[kept["kind"].isin(of_kind)]
    if sought:
        body = kept["id"].astype(str) + " " + kept["title"] + " " + kept["publisher"] + " " + kept["text"]
        kept = kept[[sought in found.casefold() for found in body]]
    return kept.sort_values(["alive", "importance"], ascending=False).reset_index(drop=True)


def table(memories: pd.DataFrame, *, total: int, run: str, ticker: str, day: date) -> None:
    """One row per memory; a tick opens it above the table."""
    if memories.empty:
        page.empty(
            "No memory passes these filters",
            "Take a filter away, or move to a later day: memories appear with the session in which they became readable.",
            ("memory", "Show all memories"),
            run=run,
            ticker=ticker,
            day=day,
        )
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        said = st.empty()
        most = _most(len(memories))
    shown = memories.head(most)
    cut = f"; the {most:,} most important are shown" if len(memories) > most else ""
    said.caption(f"{len(memories):,} of {total:,} memories known by {day}{cut}. Tick a row to read it and follow its life.")
    ids = [int(number) for number in shown["id"]]

    def picked() -> None:
        rows = st.session_state["memory_table"]["selection"]["rows"]
        pickers.write(mem=ids[rows[0]] if rows else None)

    st.dataframe(
        _columns(shown),
        key="memory_table",
        on_select=picked,
        selection_mode="single-row",
        hide_index=True,
        height=min(520, 38 + 35 * len(shown)),
        alt=f"Memories as of {day}",
        column_config={
            "id": st.column_config.NumberColumn("No", format="%d", width=60, pinned=True),
            "layer": st.column_config.TextColumn("Layer", width=100),
            "title": st.column_config.TextColumn("Title", width=330),
            "importance": st.column_config.ProgressColumn(
                "Importance", format="%.1f", min_value=0, max_value=100, width=120, help="As of this day, 0 to 100."
            ),
            "recency": st.column_config.ProgressColumn(
                "Recency", format="%.2f", min_value=0, max_value=1, width=110, help="As of this day, 0 to 1."
            ),
            "recalled": st.column_config.NumberColumn("Recalled", width=75, help="Times shown to the model until this day."),
            "cited": st.column_config.NumberColumn(
                "Cited", width=60, help="Times a decision rested on it; what a study of the training named is not counted."
            ),
            "credit": st.column_config.TextColumn("Credit", width=70, help="Judged right (+) and wrong (-)."),
            "kind": st.column_config.TextColumn("Kind", width=105),
            "publisher": st.column_config.TextColumn("Publisher", width=140),
            "born": st.column_config.TextColumn("Remembered", width=100),
            "forgotten_on": st.column_config.TextColumn("Forgotten", width=100),
            "text": st.column_config.TextColumn("Text", width=420),
        },
    )


def _most(count: int) -> int:
    """How many rows are sent: the first hundreds, more where they are wished for."""
    options = [size for at, size in enumerate(ROWS) if at == 0 or int(ROWS[at - 1]) < count]
    return int(url_state.choice("rows", options, label="Rows")) if len(options) > 1 else int(options[0])


def _columns(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": rows["id"],
            "layer": [f"{theme.LAYER_GLYPHS.get(name, '◌')} {text.clean(name, longest=40)}" for name in rows["layer"]],
            "title": [text.clean(value, longest=160) for value in rows["title"]],
            "importance": rows["importance"],
            "recency": rows["recency"],
            "recalled": rows["recalled"],
            "cited": rows["cited"],
            "credit": [f"{up}+ {down}-" if up or down else "" for up, down in zip(rows["positive"], rows["negative"])],
            "kind": [cards.KINDS.get(value, value) for value in rows["kind"]],
            "publisher": [text.clean(value, longest=60) for value in rows["publisher"]],
            "born": [str(value) for value in rows["born"]],
            "forgotten_on": ["" if alive else str(value) for alive, value in zip(rows["alive"], rows["forgotten_on"])],
            "text": [text.clean(" ".join(value.split()), longest=160) for value in rows["text"]],
        }
    )
