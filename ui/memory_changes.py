"""What became of the memory between two days: the flows between its layers, and every memory that was born, moved, credited, cited or
forgotten. The earlier day is ``from=`` in the URL, the later one is the day of the slider."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pandas as pd
import streamlit as st

from services import memory_changes, queries
from services.memory_changes import GONE, NEW
from services.queries import RunView
from ui import draw, memory_cached, pickers, text, theme, url_state
from ui.charts.memory_flows import flows as flows_chart
from ui.day_learnt import EVENTS
from ui.run_view import TILE

START = "start"
BACK = {1: "the session before", 5: "5 sessions before", 20: "20 sessions before", 60: "60 sessions before"}
MOST_ROWS = 500
HELP = {
    "born": "Memories that were remembered in the period.",
    "forgotten": "Memories that faded below the limits of their layer in the period.",
    "moved": "Memories that were promoted or demoted in the period.",
    "credited": "Memories whose importance was changed because a decision that rested on them was judged.",
    "cited": "Memories on which a decision of the period rested; what a study of the training named is not counted.",
    "first cited": "Of these, memories that had never been cited before.",
}
GLYPHS = {"born": "+", "forgotten": "✕", "moved": "▲▼", "credited": "±", "cited": "★", "first cited": "★"}


def show(view: RunView, ticker: str, day: date, days: Sequence[date]) -> None:
    """The period, its sums, its flows, and the memories behind them."""
    after = _since(days, day)
    changed = memory_cached.difference(view, ticker, after=after, until=day)
    sums = memory_changes.counts(changed)
    with st.container(horizontal=True, gap="small"):
        for name, count in sums.items():
            st.metric(f"{GLYPHS[name]} {name}", f"{count:,}", help=HELP[name], width=TILE)
    if changed.empty:
        text.plain("Nothing happened to any memory in this period.")
        return
    rows = memory_cached.flows(view, ticker, after=after, until=day)
    chosen = _flows(view, rows, day)
    kept = changed
    if chosen is not None:
        ids = memory_changes.moved_along(memory_cached.events(view, ticker), **chosen, after=after, until=day)
        kept = changed[changed["memory_id"].isin(ids)]
    _list(view, ticker, day, kept, sums)


def _since(days: Sequence[date], day: date) -> date | None:
    """The earlier day: None is the time before the first session. A wrong one in the URL is named and replaced."""
    at = days.index(day)
    options = [START, *(str(item) for item in days[:at])]
    usual = options[-1]
    asked = text.clean(st.query_params.get("from", ""), longest=20).strip()
    if asked and asked not in options:
        why = "is not before the day shown" if asked in {str(item) for item in days} else "is not a session of this run"
        st.warning(f"“{text.label(asked)}” {why}. Showing the changes since {usual}.", icon="🔎")
    chosen = asked if asked in options else usual
    st.session_state["_from"] = chosen

    def put(value: str) -> None:
        st.query_params["from"] = value

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Changes since the close of",
            options,
            key="_from",
            format_func=lambda item: "the start of the run" if item == START else item,
            on_change=lambda: put(st.session_state["_from"]),
            width=230,
        )
        for back, name in BACK.items():
            if at >= back:
                st.button(name, key=f"_from_{back}", on_click=put, args=(str(days[at - back]),), type="tertiary")
        st.button("the start", key="_from_start", on_click=put, args=(START,), type="tertiary")
    return None if chosen == START else date.fromisoformat(chosen)


def _flows(view: RunView, rows: pd.DataFrame, day: date) -> dict | None:
    """The ribbons with their table; the ticked row as the terms of ``memory_changes.moved_along``."""
    if rows.empty:
        text.plain("No memory was born, moved or forgotten; what follows was credited or cited where it was.")
        return None
    layers = [layer.name for layer in view.spec.memory.layers]
    side_by_side = st.container(horizontal=True, vertical_alignment="center")  # one below the other where the page is narrow
    with side_by_side, st.container(width=410):
        fig = draw.kept(view, lambda: flows_chart(rows, layers=layers, dark=draw.dark()), "flows", *rows.to_numpy().ravel())
        draw.chart(fig, key="flows", alt=f"Moves of memories between layers until {day}")
    shown = pd.DataFrame(
        {
            "what": [EVENTS.get(kind, kind) for kind in rows["kind"]],
            "way": [f"{_place(source)} → {_place(target)}" for source, target in zip(rows["source"], rows["target"])],
            "moves": rows["moves"],
            "memories": rows["memories"],
        }
    )
    with side_by_side, st.container(width=415):
        event = st.dataframe(
            shown,
            key="flow_rows",
            on_select="rerun",
            selection_mode="single-row",
            hide_index=True,
            height=min(420, 38 + 35 * len(shown)),
            alt="Moves of memories between layers as a table",
            column_config={
                "what": st.column_config.TextColumn("Moves", width=100),
                "way": st.column_config.TextColumn("From → to", width=175),
                "moves": st.column_config.NumberColumn("Times", width=52, help="Events; a memory may move more than once."),
                "memories": st.column_config.NumberColumn("Of", width=52, help="Different memories."),
            },
        )
        st.caption("Tick a row to list the memories behind it.")
    picked = event["selection"]["rows"]
    if not picked or picked[0] >= len(rows):
        return None
    row = rows.iloc[picked[0]]
    return {"kind": row["kind"], "source": row["source"], "target": row["target"]}


def _list(view: RunView, ticker: str, day: date, changed: pd.DataFrame, sums: dict[str, int]) -> None:
    """One row per memory, newest change first; filters by what happened."""
    which = url_state.several("what", [name for name, count in sums.items() if count], label="Only memories that were")
    kept = changed
    for name in which:
        kept = kept[_mask(kept, name)]
    kept = kept.sort_values(["last", "memory_id"], ascending=False).reset_index(drop=True)
    if kept.empty:
        text.plain("No memory of this period passes these filters.")
        return
    rows = kept.head(MOST_ROWS)
    ids = [int(number) for number in rows["memory_id"]]
    cut = f"; the {MOST_ROWS:,} changed last are shown" if len(kept) > MOST_ROWS else ""
    st.caption(f"{len(kept):,} of {len(changed):,} memories{cut}. Tick a row to read the memory and follow its life.")

    def picked() -> None:
        chosen = st.session_state["changed_memories"]["selection"]["rows"]
        pickers.write(mem=ids[chosen[0]] if chosen else None)

    st.dataframe(
        _columns(rows, queries.titles(view.id, ticker, ids)),
        key="changed_memories",
        on_select=picked,
        selection_mode="single-row",
        hide_index=True,
        height=min(460, 38 + 35 * len(rows)),
        alt=f"Memories that changed until {day}",
        placeholder="",
        column_config={
            "memory": st.column_config.NumberColumn("No", format="%d", width=60, pinned=True),
            "title": st.column_config.TextColumn("Title", width=330),
            "what": st.column_config.TextColumn("What happened", width=200),
            "was": st.column_config.TextColumn("Was", width=130, help="Where it was at the close of the earlier day."),
            "now": st.column_config.TextColumn("Is", width=100, help="Where it is at the close of the day shown."),
            "credit": st.column_config.NumberColumn(
                "Credit", format="%+.1f", width=75, help="Sum of the changes of its importance (0 to 100) by credit in the period."
            ),
            "cited": st.column_config.NumberColumn("Cited", width=60, help="Times cited in the period."),
            "last": st.column_config.TextColumn("Last change", width=100),
        },
    )


def _columns(rows: pd.DataFrame, titles: dict[int, str]) -> pd.DataFrame:
    records = rows.to_dict("records")
    return pd.DataFrame(
        {
            "memory": rows["memory_id"],
            "title": [text.clean(titles.get(int(row["memory_id"]), ""), longest=160) for row in records],
            "what": [", ".join(_happened(row)) for row in records],
            "was": [_place(row["before"]) for row in records],
            "now": [_place(row["now"]) for row in records],
            "credit": [row["credit"] if row["credits"] else None for row in records],
            "cited": [int(row["cited"]) or None for row in records],
            "last": [str(row["last"]) for row in records],
        }
    )


def _happened(row: dict) -> list[str]:
    said = ["born"] if row["born"] else []
    said += [f"moved {int(row['moves'])}×" if row["moves"] > 1 else "moved"] if row["moves"] else []
    said += ["credited"] if row["credits"] else []
    said += ["cited for the first time" if row["first_cited"] else "cited"] if row["cited"] else []
    return [*said, *(["forgotten"] if row["gone"] else [])]


def _mask(changed: pd.DataFrame, name: str) -> pd.Series:
    return {
        "born": changed["born"],
        "forgotten": changed["gone"],
        "moved": changed["moves"] > 0,
        "credited": changed["credits"] > 0,
        "cited": changed["cited"] > 0,
        "first cited": changed["first_cited"],
    }[name]


def _place(name: str) -> str:
    if name == NEW:
        return "○ not yet"
    if name == GONE:
        return "✕ forgotten"
    return f"{theme.LAYER_GLYPHS.get(name, '◌')} {text.clean(name, longest=40)}"
