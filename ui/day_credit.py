"""What a decision gave back to memory: which memories were praised or blamed for it, by how much and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from agent.records import DayRecord
from services import day_reads
from ui import cards, day_links, format, text
from ui.links import link

STANCES = {1: "spoke for it", -1: "spoke against it", 0: "spoke on both sides"}


@dataclass(frozen=True)
class Credit:
    """The credit of one day's decision or study. ``events`` is empty while there is none."""

    events: pd.DataFrame
    stances: Mapping[int, int]  # memory id to +1, -1, 0
    by_study: bool = False

    @property
    def total(self) -> float:
        return float(self.events["delta"].sum()) if len(self.events) else 0.0


def of_day(record: DayRecord, fate: Mapping[str, Any], *, run: str) -> Credit:
    """The credit events that go back to this day. ``fate`` as ``services.queries.fate`` gives it: when the decision was judged."""
    decision, study = record.thought.decision, record.thought.study
    stances: dict[int, int] = {}
    if study is not None:
        stances = dict.fromkeys(study.supporting, 1) | dict.fromkeys(study.opposing, -1)
    elif decision is not None:
        backed = {number for reason in decision.reasons_for for number in reason.memories}
        opposed = {number for reason in decision.reasons_against for number in reason.memories}
        cited = {number for ids in decision.cited.values() for number in ids}
        stances = {number: (number in backed) - (number in opposed) for number in backed | opposed | cited}
    known = bool(stances) and (study is not None or "judged" in fate)
    judged = fate.get("judged") if study is None else None
    return Credit(
        day_reads.credited(run, record.ticker, record.day, judged=judged) if known else pd.DataFrame(), stances, study is not None
    )


def gist(found: Credit) -> str:
    if found.events.empty:
        return "none" if not found.stances else f"none yet for {len(found.stances)} cited"
    return f"came back: {found.total:+.1f} to {len(found.events)} {'memory' if len(found.events) == 1 else 'memories'}"


def shown(record: DayRecord, found: Credit, titles: Mapping[int, str], *, run: str) -> None:
    """One line per memory, the most moved first, with the way to it and to its thread."""
    if found.events.empty:
        text.plain(_why_none(record, found))
        return
    on = found.events["day"].iloc[0]
    text.plain(
        "The study of this day moved the memories it named at once."
        if found.by_study
        else f"On {on}, when the decision was judged, {found.total:+.1f} of importance came back in all. The agent did not know on this day."
    )
    if not found.by_study:
        day_links.step("memory", f"Memory changes of {on}", icon="→", day=on)
    order = found.events["delta"].abs().sort_values(ascending=False, kind="stable").index
    with st.container(border=True, gap="xsmall"):
        for row in found.events.loc[order].to_dict("records"):
            _row(row, found.stances.get(row["memory_id"], 0), titles, run=run, ticker=record.ticker, day=record.day)


def _row(row: Mapping[str, object], stance: int, titles: Mapping[int, str], *, run: str, ticker: str, day: date) -> None:
    delta, number = float(row["delta"]), int(row["memory_id"])
    what, which, ways = st.columns([2.6, 4, 1.4], vertical_alignment="center", gap="small")
    with what, st.container(horizontal=True, vertical_alignment="center", gap="small"):
        word, colour = ("▲ praised", "green") if delta > 0 else ("▼ blamed", "red") if delta < 0 else ("■ unmoved", "gray")
        st.badge(
            f"{word} {delta:+.1f}", color=colour, help=f"Change of importance, 0 to 100; now {format.number(row['importance'], digits=1)}."
        )
        st.caption(STANCES[stance], width="content")
    with which:
        link("memory", f"Memory {number} – {text.label(titles.get(number, ''), longest=90)}", run=run, ticker=ticker, day=day, mem=number)
    with ways, st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        cards.layer(str(row["after_layer"]))
        day_links.thread(run, ticker, mem=number)


def _why_none(record: DayRecord, found: Credit) -> str:
    decision = record.thought.decision
    if not found.stances:
        return "No memory was cited, so none can be credited."
    if found.by_study:
        return "The study moved no memory: the price stood still, or the memories were gone by then."
    if decision is not None and decision.action == "hold":
        return "A hold gives no credit: nothing was traded, so nothing is judged."
    if record.order is None or record.order.status == "rejected":
        return "Nothing was traded, so nothing is judged and no memory is credited."
    return "No credit yet: the decision is not judged, or the memories it cited were forgotten before it was."
