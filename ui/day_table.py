"""The list of days: what was decided, what it rested on, what came of it; a click on a row opens the day."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from services.queries import RunView
from ui import pickers, run_view, text, theme, url_state

STUDY = "study"
JUDGED = {1.0: "✓ right", -1.0: "✗ wrong", 0.0: "≈ inside costs"}
HEIGHT = 560
TRAITS = {"prompt cut": "cut", "left out": "left_out", "from cache": "cached", "second model": "helper_calls"}  # word -> column
ORDER = (
    "day",
    "decision",
    "confidence",
    "target",
    "cited",
    "next_return",
    "outcome",
    "judged",
    "order",
    "who",
    "asked",
    "tokens",
    "ms",
    "why",
)


def filtered(view: RunView, days: pd.DataFrame) -> pd.DataFrame:
    """The days that pass the filters above the table, all of them in the URL; newest first."""
    who = [run_view.deciders(view, value) for value in days["provenance"]]
    days = days.assign(verdict_word=[_word(row) for row in days.to_dict("records")], who=who)
    words = [word for word in (*theme.GLYPHS, STUDY) if word in set(days["verdict_word"])]
    makers = sorted(set(who) - {""})
    traits = [name for name, column in TRAITS.items() if (days[column] > 0).any()]
    left, middle, right = st.columns([2.4, 1.6, 2], vertical_alignment="bottom")
    with left:
        actions = url_state.several("act", words, label="Decision", shown={word: _pill(word) for word in words})
    with middle:
        by = url_state.several("by", makers, label="Decided by")
    with right:
        sought = url_state.words("find", label="Find", placeholder="words of the summary, a day, a reason").casefold()
    marked = url_state.several("asked", traits, label="How it was asked") if traits else []
    kept = days
    for name in marked:
        kept = kept[kept[TRAITS[name]] > 0]
    if actions:
        kept = kept[kept["verdict_word"].isin(actions)]
    if by:
        kept = kept[kept["who"].isin(by)]
    if sought:
        kept = kept[[sought in _searchable(row) for row in kept.to_dict("records")]]
    return kept.sort_values("day", ascending=False).reset_index(drop=True)


def _word(row: dict) -> str:
    if row["phase"] == "train":
        return STUDY
    return theme.verdict(row["action"] if isinstance(row["action"], str) else None)


def _pill(word: str) -> str:
    return f"{theme.GLYPHS.get(word, '✎')} {word}"


def _searchable(row: dict) -> str:
    parts = (row["day"], row["summary"], row["abstained"], row["order_reason"], row["settled_reason"], row["flags"], row["clipped_by"])
    return " ".join(str(part) for part in parts if isinstance(part, (str, date))).casefold()


def table(days: pd.DataFrame) -> None:
    """One row per day. Text cells are inert; a click writes the day into the URL."""
    order = list(days["day"])

    def picked() -> None:
        rows = st.session_state["days_table"]["selection"]["rows"]
        if rows:
            pickers.write(day=order[rows[0]], step=None)

    shown = _shown(days)
    st.dataframe(
        shown,
        key="days_table",
        on_select=picked,
        selection_mode="single-row",
        hide_index=True,
        height=min(HEIGHT, 38 + 35 * max(1, len(days))),
        alt="One row per day: decision, evidence, order, outcome and cost",
        placeholder="",
        column_order=[name for name in ORDER if name != "asked" or (shown["asked"] != "").any()],
        column_config={
            "day": st.column_config.TextColumn("Day", pinned=True, width=90),
            "decision": st.column_config.TextColumn("Decision", pinned=True, width=95),
            "confidence": _percent("Confidence", "%.0f %%", 85, "Its own, 0 to 100 %."),
            "target": _percent("Target", "%.0f %%", 65, "Share of equity to hold after the next fill."),
            "cited": st.column_config.NumberColumn("Cited", width=55, help="Memories the decision rests on."),
            "next_return": _percent("Next day", "%+.1f %%", 75, "Close to next close: what the agent did not know yet."),
            "outcome": _percent("Outcome", "%+.1f %%", 75, "Price move from the fill until the decision was judged."),
            "judged": st.column_config.TextColumn("Judged", width=95),
            "order": st.column_config.TextColumn("Order and fill", width=185, help="Ordered at this close; filled in this session."),
            "who": st.column_config.TextColumn("Decided by", width=85, help="model, re-asked, cached, abstained, or rule (no LLM)."),
            "asked": st.column_config.TextColumn(
                "Asked", width=150, help="How the answer was bound to its form, and what happened to the prompt or the answer."
            ),
            "tokens": st.column_config.NumberColumn(
                "Tokens", format="localized", width=65, help="Asked and answered, as the backend counted."
            ),
            "ms": st.column_config.NumberColumn("ms", format="%.0f", width=55, help="Wall clock of the day, model included."),
            "why": st.column_config.TextColumn("In its own words", width=520),
        },
    )


def _percent(label: str, form: str, width: int, help_: str) -> Any:
    return st.column_config.NumberColumn(label, format=form, width=width, help=help_)


def _shown(days: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "day": [str(day) for day in days["day"]],
            "decision": [_pill(word) for word in days["verdict_word"]],
            "confidence": 100 * days["confidence"],
            "target": 100 * days["target_weight"],
            "who": days["who"],
            "asked": [_asked(row) for row in days.to_dict("records")],
            "cited": days["cited_count"],
            "order": [_traded(row) for row in days.to_dict("records")],
            "next_return": 100 * days["next_return"],
            "outcome": 100 * days["outcome"].astype(float),
            "judged": [_judgement(row) for row in days.to_dict("records")],
            "tokens": days["prompt_tokens"] + days["answer_tokens"],
            "ms": days["ms"] + days["model_ms"],
            "why": [text.clean(_said(row), longest=300) for row in days.to_dict("records")],
        }
    )


def _asked(row: dict) -> str:
    """The way, and in words what a reader should know of the day's calls."""
    parts = ["⚠\ufe0e cut"] if row["cut"] else []
    parts += [f"{row['left_out']} left out"] if row["left_out"] else []
    parts += [text.clean(row["way"], longest=30)] if isinstance(row["way"], str) else []
    parts += ["cached"] if row["cached"] else []
    parts += [f"{row['helper_calls']} by a second model"] if row["helper_calls"] else []
    return ", ".join(parts)


def _traded(row: dict) -> str:
    parts = []
    if isinstance(row["order_status"], str):
        status = "ordered" if row["order_status"] == "pending" else row["order_status"]
        parts.append(f"{status} {row['order_weight']:.0%}")
    if row["fill_count"]:
        parts.append(f"{'bought' if row['fill_shares'] > 0 else 'sold'} {abs(row['fill_shares']):,.1f} at {row['fill_price']:,.2f}")
    return ", ".join(parts)


def _judgement(row: dict) -> str:
    if row["phase"] == "train" or row["action"] not in ("buy", "sell"):
        return ""
    return JUDGED.get(row["verdict"], "… not yet" if row["order_status"] != "rejected" else "")


def _said(row: dict) -> str:
    return next((row[key] for key in ("abstained", "summary") if isinstance(row[key], str) and row[key]), "")
