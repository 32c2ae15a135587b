"""The end of a day: the verdict and its reasons, what was traded, what came of it, and how memory changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from agent.records import DayRecord
from services.queries import RunView
from ui import cards, day_links, day_reasons, format, run_view, text
from ui.links import go, link

VERDICTS = {1: ("✓ right", "green"), -1: ("✗ wrong", "red"), 0: ("≈ inside the costs", "gray")}
EVENTS = {
    "remembered": "+ remembered",
    "merged": "= merged",
    "cited": "★ cited",
    "credited": "± credited",
    "promoted": "▲ promoted",
    "demoted": "▼ demoted",
    "forgotten": "✕ forgotten",
}


def decided(view: RunView, record: DayRecord, titles: Mapping[int, str], credit: Mapping[int, float]) -> None:
    """The verdict, its odds, and the reasons on both sides with what each rests on. ``credit``: memory id to what it was given for it."""
    decision = record.thought.decision
    if decision is None:
        text.plain("This strategy leaves no decision record for the day.")
        return
    cards.decision_card(decision.model_copy(update={"provenance": run_view.deciders(view, decision.provenance)}))
    if decision.abstained:
        text.plain("No decision is not a hold: nothing was ordered, nothing is learnt from the day, and it lowers the run's coverage.")
        return
    with st.container(horizontal=True, gap="small"):
        for name, value in decision.probabilities.items():
            st.badge(
                f"{text.label(name)} {format.percent(value, digits=0)}", color="gray", help="The model's own odds for the next sessions."
            )
        if decision.horizon_sessions:
            st.badge(f"horizon {decision.horizon_sessions} session{'s' * (decision.horizon_sessions != 1)}", color="gray")
        if decision.stop_loss_pct:
            st.badge(f"stop {format.percent(decision.stop_loss_pct)}, target {format.percent(decision.take_profit_pct)}", color="gray")
    day_reasons.sides(record, titles, credit, run=view.id)


def studied(record: DayRecord, titles: Mapping[int, str], *, run: str) -> None:
    """Training: what the session before taught, now that its next move is known."""
    study = record.thought.study
    if study is None:
        text.plain("Nothing was studied: the first training session has no session before it, or a price was missing.")
        return
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            day_links.step("outcome", f"Session studied: {study.session}", day=study.session)
            st.badge(f"next session {format.percent(study.move, digits=2, sign=True)}", color="gray")
            st.badge("in hindsight:", color="gray")
            cards.action_pill(study.label)
        text.plain(f"No lesson: {study.abstained}" if study.abstained else study.summary)
    for place, heading, ids in zip(st.columns(2), ("Pointed the right way", "Pointed the wrong way"), (study.supporting, study.opposing)):
        with place, st.container(border=True, height="stretch", gap="xsmall"):
            st.markdown(f"**{heading}**")
            if not ids:
                text.plain("No memory was named.")
            for number in ids:
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    name = f"Memory {number} – {titles.get(number, '')}"
                    link("memory", name, run=run, ticker=record.ticker, day=record.day, mem=number)
                    day_links.thread(run, record.ticker, mem=number)


def traded(record: DayRecord, fate: Mapping[str, Any]) -> None:
    """Fills of this session, the order placed at its close and where it ended."""
    if record.settled is not None:
        text.plain("This session ended an earlier order:")
        cards.order_card(record.settled)
        day_links.step("decision", f"The decision behind it: {record.settled.day}", icon="→", day=record.settled.day)
    for fill in record.fills:
        cards.fill_card(fill)
    if record.order is None:
        text.plain(
            "Nothing was ordered at this close."
            + (" The position stays as it is." if record.phase == "test" else " Training never trades.")
        )
    else:
        cards.order_card(record.order.model_copy(update={"status": fate.get("status", record.order.status)}))
        _where_it_ended(record, fate)
    held = record.portfolio
    text.plain(
        f"After the day: equity {format.money(record.equity)}, cash {format.money(held.cash)}, {format.shares(held.shares)} shares; "
        f"buy and hold stands at {format.money(record.benchmark_equity)}."
    )


def _where_it_ended(record: DayRecord, fate: Mapping[str, Any]) -> None:
    if "settled" not in fate:
        if record.order is not None and record.order.status == "pending":
            text.plain("It is still waiting for a price: the run ends here, or the ticker has not traded since.")
        return
    at = f" at {format.number(fate.get('price'))}" if fate.get("price") else ""
    day_links.step("order", f"{str(fate['status']).capitalize()} on {fate['settled']}{at}", icon="→", day=fate["settled"])
    if fate.get("reason"):
        text.plain(fate["reason"])


def outcome(record: DayRecord, fate: Mapping[str, Any]) -> None:
    """What came of this day's decision, and which earlier decisions were judged today."""
    if "next_return" in fate:
        text.plain(
            f"Next session, {fate['next_day']}: {format.percent(fate['next_return'], digits=2, sign=True)} close to close. The agent did not know."
        )
    if "judged" in fate:
        word, colour = VERDICTS[int(fate["verdict"])]
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(
                word, color=colour, help="The decision's own direction times the move from its fill, against twice the cost of a trade."
            )
            text.plain(
                f"From {format.number(fate['entry'])} to {format.number(fate['exit'])} in {int(fate['sessions'])} sessions: "
                f"{format.percent(fate['move'], digits=2, sign=True)}",
                width="content",
            )
            day_links.step("outcome", f"Judged on {fate['judged']}", icon="→", day=fate["judged"])
    elif record.order is not None and record.order.status != "rejected":
        text.plain("Not judged yet: the run ends before the decision is old enough.")
    elif record.phase == "test":
        text.plain("Nothing to judge: a day without a trade gives no credit to any memory.")
    if record.outcomes:
        st.markdown("**Earlier decisions judged today**")
    for found in record.outcomes:
        word, colour = VERDICTS[found.verdict]
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            day_links.step("decision", f"{'Buy' if found.direction > 0 else 'Sell'} of {found.decided}", day=found.decided)
            st.badge(word, color=colour)
            text.plain(f"price moved {format.percent(found.move, digits=2, sign=True)} in {found.sessions} sessions", width="content")
    if record.awaiting:
        text.plain(f"Decisions still to be judged: {len(record.awaiting)}.")


def memory_changes(record: DayRecord, events: pd.DataFrame, *, run: str) -> None:
    """Every change of every memory in this session, grouped and counted; a row leads to the memory."""
    for lesson in record.thought.lessons:
        with st.container(border=True):
            text.plain(lesson)
    event_table(events, run=run, ticker=record.ticker, day=record.day, key="_day_events")


def event_table(events: pd.DataFrame, *, run: str, ticker: str, day: date, key: str) -> None:
    """Memory events as a table; ticking a row opens the memory."""
    if events.empty:
        text.plain("Nothing changed in memory on this day.")
        return
    counts = events["kind"].value_counts()
    with st.container(horizontal=True, gap="small"):
        for kind in (kind for kind in EVENTS if kind in counts):
            st.badge(f"{EVENTS[kind]} {counts[kind]}", color="gray")
    shown = pd.DataFrame(
        {
            "what": [EVENTS.get(kind, kind) for kind in events["kind"]],
            "memory": events["memory_id"],
            "title": [text.clean(title, longest=160) if isinstance(title, str) else "" for title in events["title"]],
            "layer": [_layers(row) for row in events.to_dict("records")],
            "importance": events["importance"],
            "change": [row["delta"] if row["kind"] == "credited" else None for row in events.to_dict("records")],
            "reason": [text.clean(reason, longest=200) for reason in events["reason"]],
        }
    )
    event = st.dataframe(
        shown,
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        hide_index=True,
        height=min(420, 38 + 35 * len(shown)),
        alt="Changes of memory in this session",
        placeholder="",
        column_config={
            "what": st.column_config.TextColumn("What", width=110),
            "memory": st.column_config.NumberColumn("Memory", format="%d", width=70),
            "title": st.column_config.TextColumn("Title", width=300),
            "layer": st.column_config.TextColumn("Layer", width=120),
            "importance": st.column_config.NumberColumn("Importance", format="%.1f", width=90, help="0 to 100, after the change."),
            "change": st.column_config.NumberColumn("Change", format="%+.1f", width=75, help="Credit or blame from a judged decision."),
            "reason": st.column_config.TextColumn("Why", width=260),
        },
    )
    if rows := event["selection"]["rows"]:
        go("memory", run=run, ticker=ticker, day=day, mem=int(events["memory_id"].iloc[rows[0]]))


def _layers(row: Mapping[str, Any]) -> str:
    before, after = row["before_layer"], row["after_layer"]
    return f"{before} → {after}" if isinstance(before, str) and before != after else after
