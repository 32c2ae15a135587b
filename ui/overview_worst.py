"""The post-mortem of a run: its worst falls, days and calls in one list, and one of them opened, chosen by ``worst=`` in the URL.

What is told in three steps: what was known when it was decided, what else could have been done, what memory learnt later. Nothing of
it is read before the list is opened, and only the one case that is looked at opens a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from agent.errors import SpecError
from agent.records import Decision, News
from services import post_mortem, queries
from services.post_mortem import Alternative, Case, Examined
from services.queries import RunView
from ui import cards, day_links, format, page, pickers, text, theme

NEWS = 5  # titles shown; the day has them all
KINDS = {"fall": "fall from a peak", "day": "day against holding", "call": "judged decision"}
ASKED = {  # by the kind of case: what its list answers
    "fall": "How far equity fell below its last peak. Examined: the session and ticker inside it that lost most money.",
    "day": "One session's return minus that of buy and hold, of one ticker. Examined: the decision at the close before.",
    "call": "The price move against a decision's own direction until it was judged, before costs. Examined: that decision.",
}


@st.cache_data(max_entries=16, show_spinner="Looking for the worst days")
def _cases(run: str, done: int, whose: str) -> tuple[Case, ...]:
    return post_mortem.cases(run, whose)


@st.cache_data(max_entries=16, show_spinner="Opening the day")
def _examined(run: str, done: int, key: str) -> Examined:
    return post_mortem.examine(run, post_mortem.case(run, key))


@st.cache_data(max_entries=32, show_spinner=False)
def _worst_day(run: str, done: int) -> tuple[str, date] | None:
    found = queries.worst_day(run)
    if found is None:
        return None
    gap = queries.equity(run, found[0]).set_index("day")[["equity", "benchmark"]].pct_change().loc[found[1]]
    return found if gap["equity"] < gap["benchmark"] else None


def worst_day(view: RunView) -> tuple[str, date] | None:
    """Ticker and session with the largest one-day loss against buy and hold, kept for a while; None where no day was worse than holding."""
    return _worst_day(view.id, view.done)


def section(view: RunView, whose: str) -> None:
    """The list of the worst, closed until somebody asks; a link with ``worst=`` opens it at its case."""
    asked = pickers.read("worst")
    if asked != st.session_state.get("_worst_seen"):
        st.session_state["_worst_seen"] = asked
        if asked is not None:
            st.session_state["post_mortem"] = True
    box = st.expander("Post-mortem: the worst falls, days and decisions, and why", key="post_mortem", on_change="rerun")
    if not box.open:
        return
    with box:
        found = _cases(view.id, view.done, whose)
        if not found:
            text.plain("Nothing to examine yet: no session lost against buy and hold, and no judged decision was wrong.")
            return
        _list(view, found, asked)
        if asked:
            _one(view, asked)
        else:
            st.caption("Tick a row to see what was known, what else could have been done, and what memory learnt from it.")


def _list(view: RunView, found: tuple[Case, ...], asked: str | None) -> None:
    keys = [case.key for case in found]
    frame = pd.DataFrame([_row(case) for case in found])
    chosen = [keys.index(asked)] if asked in keys else []
    st.session_state[_LIST] = {"selection": {"rows": chosen, "columns": [], "cells": []}}

    def ticked() -> None:
        rows = st.session_state[_LIST]["selection"]["rows"]
        if rows:
            st.query_params["worst"] = keys[rows[0]]
        else:
            st.query_params.pop("worst", None)

    st.dataframe(
        frame,
        hide_index=True,
        key=_LIST,
        on_select=ticked,
        selection_mode="single-row",
        height="content",
        alt="The worst falls, days and decisions of the run",
        column_config={
            "what": st.column_config.TextColumn(
                "What", help="  \n".join(f"{name.capitalize()}: {ASKED[kind]}" for kind, name in KINDS.items())
            ),
            "when": st.column_config.TextColumn("When", help="Peak to lowest point; the session; or decided and judged."),
            "loss": st.column_config.TextColumn(
                "Loss", alignment="right", help="Percent of equity; for a day, percentage points behind holding."
            ),
            "market": st.column_config.TextColumn(
                "Market", alignment="right", help="Buy and hold over the same time; for a decision, the price move."
            ),
            "ticker": st.column_config.TextColumn("Ticker"),
            "decided": st.column_config.TextColumn("Decided on", help="The session whose decision is examined."),
        },
    )


_LIST = "post_mortem_list"


def _row(case: Case) -> dict[str, str]:
    when = {"fall": f"{case.since} to {case.day}", "day": f"{case.day}", "call": f"{case.decided}, judged {case.day}"}[case.kind]
    return {
        "what": KINDS[case.kind],
        "ticker": text.clean(case.ticker if case.kind != "fall" or case.whose != queries.TOTAL else "all", longest=20),
        "loss": format.points(case.loss, digits=2) if case.kind == "day" else format.percent(case.loss, digits=2),
        "market": format.percent(case.benchmark, digits=2, sign=True),
        "when": when,
        "decided": f"{case.decided}",
    }


# ------------------------------------------------------------------------------------------------------------------- one case


def _one(view: RunView, key: str) -> None:
    try:
        found = _examined(view.id, view.done, key)
    except SpecError as error:
        page.banner(error)
        return
    with st.container(border=True, key="post_mortem_case"):
        _head(view, found)
        _evidence(view, found)
        _choices(view, found)
        _learnt(view, found)


def _head(view: RunView, found: Examined) -> None:
    case, decision = found.case, found.record.thought.decision
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(_title(case), anchor=False, width="content")
        cards.action_pill(decision.action if decision else None)
        if decision and format.known(decision.confidence):
            st.badge(f"confidence {format.percent(decision.confidence, digits=0)}", color="gray")
    for line in _story(found):
        text.plain(line)
    with st.container(horizontal=True, gap="medium"):
        own = {"run": view.id, "ticker": case.ticker}
        page.link("days", f"The decision of {case.decided}", icon="→", day=case.decided, **own)
        if found.next_day is not None:
            page.link("days", f"The session after, {found.next_day}", icon="→", day=found.next_day, **own)
        if found.placed is not None and found.placed != case.decided:
            page.link("days", f"The order that set the position, {found.placed}", icon="→", day=found.placed, **own)
        day_links.thread(view.id, case.ticker, label="Thread of the decision", day=case.decided)
        page.link("memory", "Memory on that day", icon="→", day=case.decided, **own)


def _title(case: Case) -> str:
    name = text.label(case.ticker)
    return {
        "fall": f"Fall of {format.percent(case.loss)} from {case.since} to {case.day}",
        "day": f"{name}, {case.day}: {format.points(case.loss, digits=2)} against holding",
        "call": f"{name}, decision of {case.decided}: {format.percent(case.loss, digits=2)} when judged",
    }[case.kind]


def _story(found: Examined) -> list[str]:
    """What happened, in sentences."""
    case = found.case
    if case.kind == "fall":
        back = f"The peak was regained on {case.until}." if case.until else "The peak has not been regained by the end of the run."
        return [
            f"Buy and hold made {format.percent(case.benchmark, sign=True)} from the peak to the lowest point. {back}",
            f"Most money was lost by {case.ticker} in the session after {case.decided}: that decision is examined here.",
        ]
    if case.kind == "day":
        before = f"The position was held since the order of {found.placed}." if found.placed else "There was no position yet."
        return [
            f"In the session of {case.day} the sleeve made {format.percent(case.own, digits=2, sign=True)}, buy and hold "
            f"{format.percent(case.benchmark, digits=2, sign=True)}. What could be changed was decided at the close of {case.decided}. {before}"
        ]
    return [
        f"The price moved {format.percent(case.benchmark, digits=2, sign=True)} from the fill to {case.day}, when the decision was judged wrong."
    ]


def _evidence(view: RunView, found: Examined) -> None:
    """What was known at the close of the decision: prices, position, news, the reasons and the memories they rest on."""
    st.markdown(f"**What was known at the close of {found.record.day}**")
    seen, decision = found.record.observation, found.record.thought.decision
    price = seen.price
    facts = [
        f"close {format.number(price.close)}",
        f"1 session {format.percent(price.return_1, sign=True)}",
        f"5 sessions {format.percent(price.return_5, sign=True)}",
        f"20 sessions {format.percent(price.return_20, sign=True)}",
        f"RSI {format.number(price.rsi_14, digits=0)}",
        f"position {format.percent(seen.weight, digits=0)} of equity",
        f"{len(seen.news)} news, {len(seen.filings)} filing sections",
    ]
    text.plain("  ·  ".join(facts) if seen.bar else "No price for this session, so no decision was asked for.")
    _news(view, found, seen.news[-NEWS:], "read that day")
    if decision is None:
        return
    text.plain(f"No decision: {decision.abstained}" if decision.abstained else f"“{decision.summary}”", longest=1200)
    with st.container(gap="xsmall"):
        for reason in sorted(decision.reasons_for, key=lambda item: -item.weight)[:4]:
            text.plain(f"+ {reason.weight} of 10: {reason.claim}", longest=400)
    named = found.thread.named
    if len(named):
        st.caption(f"It named {len(named)} {'memory' if len(named) == 1 else 'memories'}; each link shows the memory as of that day.")
        with st.container(horizontal=True, gap="small"):
            for row in named.head(8).to_dict("records"):
                _memory(view, found, row)
    else:
        st.caption("It named no memory.")
    later = found.loss_record.observation.news if found.loss_record else ()
    if later:
        _news(view, found, later[-3:], f"came out later, by the close of {found.next_day}")


def _news(view: RunView, found: Examined, items: tuple[News, ...], when: str) -> None:
    if not items:
        return
    st.caption(f"News that {when}, newest last:" if when.startswith("came") else f"News {when}, newest last:")
    with st.container(gap="xxsmall"):
        for item in items:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                text.plain(f"• {item.title}" + (f" ({item.publisher})" if item.publisher else ""), longest=200, width="content")
                day_links.thread(view.id, found.case.ticker, label="Thread", src=item.id)


def _memory(view: RunView, found: Examined, row: Mapping[str, Any]) -> None:
    name = f"Memory {row['memory_id']} – {text.label(row['title'], longest=44)}"
    page.link("memory", name, run=view.id, ticker=found.case.ticker, day=found.case.decided, mem=int(row["memory_id"]))


def _choices(view: RunView, found: Examined) -> None:
    """What each other choice would have given, the reasons against that the model wrote itself, and the memories just below the cut."""
    st.markdown("**What else could have been done at that close**")
    until = f"to {found.later_day}" if found.later_day else "later"
    st.dataframe(
        pd.DataFrame([_choice(item) for item in found.alternatives]),
        hide_index=True,
        height="content",
        key="post_mortem_choices",
        alt="What each choice at that close would have given",
        column_config={
            "choice": st.column_config.TextColumn(
                "Choice", width="medium", help="Placed at that close, filled by the rules of the run, then left alone."
            ),
            "position": st.column_config.TextColumn("Position", alignment="right", help="Target share of the ticker's equity."),
            "next": st.column_config.TextColumn(
                f"to {found.next_day or 'the next session'}", alignment="right", help="Return from the close of the decision, costs paid."
            ),
            "later": st.column_config.TextColumn(
                until, alignment="right", help="The same to the session in which such a decision is judged."
            ),
            "costs": st.column_config.TextColumn("Costs", alignment="right", help="Commission and slippage, in money."),
            "note": st.column_config.TextColumn("", width="small"),
        },
    )
    text.plain(_hindsight(found))
    decision = found.record.thought.decision
    if decision is not None and not decision.abstained:
        _against(decision)
    missed = found.thread.uses[found.thread.uses["use"] == "near miss"].sort_values("score", ascending=False)
    if len(missed):
        st.caption(f"{len(missed)} memories ranked just below the cut and were not shown to the model; the highest:")
        with st.container(horizontal=True, gap="small"):
            for row in missed.head(4).to_dict("records"):
                _memory(view, found, row)


def _hindsight(found: Examined) -> str:
    """Which choice would have been better by either day, in one sentence."""
    parts = []
    for by, day in (("next", found.next_day), ("later", found.later_day)):
        if day is not None:
            best = post_mortem.best_forgone(found.alternatives, by=by)
            value = format.percent(getattr(best, by), digits=2, sign=True) if best else ""
            parts.append(f"by {day} {best.name} would have been better ({value})" if best else f"by {day} nothing beat what was decided")
    return f"In hindsight: {'; '.join(parts)}." if parts else "The run ends here: what came of it is not known."


def _choice(item: Alternative) -> dict[str, str]:
    notes = ["decided" if item.taken else "", "the opposite" if item.opposite else ""]
    return {
        "choice": item.name,
        "position": format.percent(item.weight, digits=0),
        "next": format.percent(item.next, digits=2, sign=True),
        "later": format.percent(item.later, digits=2, sign=True),
        "costs": format.money(item.costs, digits=2),
        "note": " ".join(note for note in notes if note),
    }


def _against(decision: Decision) -> None:
    st.caption("What it wrote itself against its decision:")
    for reason in sorted(decision.reasons_against, key=lambda item: -item.weight)[:4]:
        text.plain(f"− {reason.weight} of 10: {reason.claim}", longest=400)
    if not decision.reasons_against:
        text.plain("Nothing.")
    if decision.invalidation:
        text.plain(f"Its own condition for being wrong: {decision.invalidation}", longest=400)


def _learnt(view: RunView, found: Examined) -> None:
    """Credit, moves and later use of the memories it named, and what was written into memory because of it."""
    st.markdown("**What memory learnt later**")
    fate, named = found.thread.fate, found.thread.named
    text.plain(_judgement(fate))
    if len(named):
        moves = found.thread.events[
            (found.thread.events["day"] > found.case.decided) & found.thread.events["kind"].isin(("promoted", "demoted"))
        ]
        moved = {
            number: " ".join(f"{row.before_layer} → {row.after_layer}" for row in part.itertuples())
            for number, part in moves.groupby("memory_id")
        }
        st.dataframe(
            pd.DataFrame([_lesson(row, moved) for row in named.to_dict("records")]),
            hide_index=True,
            height="content",
            key="post_mortem_learnt",
            alt="What became of the memories that the decision named",
            column_config={
                "memory": st.column_config.TextColumn("Memory", width="medium"),
                "said": st.column_config.TextColumn("Spoke", help="For or against the decision, by the reasons that named it."),
                "credit": st.column_config.TextColumn(
                    "Credit", alignment="right", help="Change of its importance that this decision brought back; 0 to 100."
                ),
                "why": st.column_config.TextColumn("Why none", width="medium"),
                "moved": st.column_config.TextColumn("Moved", help="Between layers, after the decision."),
                "shown": st.column_config.NumberColumn("Shown again", help="Times the model saw it after that day."),
                "named": st.column_config.NumberColumn("Named again", help="Times a later decision named it."),
                "ended": st.column_config.TextColumn("Forgotten on"),
            },
        )
    with st.container(horizontal=True, gap="small"):
        for what, made in (("written that day", found.thread.made), ("lessons that rest on it", found.thread.lessons)):
            for number, title in made:
                page.link(
                    "memory",
                    f"Memory {number} – {text.label(title, longest=44)} ({what})",
                    run=view.id,
                    ticker=found.case.ticker,
                    mem=number,
                )
    if not found.thread.lessons:
        text.plain("No lesson rests on this decision.")


def _judgement(fate: Mapping[str, Any]) -> str:
    verdict = fate.get("verdict")
    if verdict is not None:
        word = {1: "right", -1: "wrong", 0: "neither right nor wrong"}[int(verdict)]
        return f"Judged {word} on {fate['judged_on']}: its own direction brought {format.percent(fate['gain'], digits=2, sign=True)} in {int(fate['sessions'])} sessions."
    if fate.get("abstained"):
        return "There was no decision, so nothing was judged and memory learnt nothing from the loss."
    if fate.get("action") == "hold":
        return "It was a hold. A hold is not judged, so memory learnt nothing from this loss directly: the order that set the position was judged on its own."
    if not fate.get("order"):
        return "Nothing was ordered, so nothing was judged and memory learnt nothing from the loss."
    return f"Not judged: the order is {fate['order']}."


def _lesson(row: Mapping[str, Any], moved: Mapping[Any, str]) -> dict[str, Any]:
    credit = row["credit"]
    return {
        "memory": f"{row['memory_id']}  {theme.LAYER_GLYPHS.get(row['layer'], '')} {text.clean(row['title'], longest=70)}",
        "said": row["stance"],
        "credit": f"{credit:+.1f}" if format.known(credit) else "",
        "why": text.clean(row["why"], longest=160),
        "moved": moved.get(row["memory_id"], ""),
        "shown": row["later_shown"],
        "named": row["later_named"],
        "ended": format.day(row["ended_on"]) if row["ended_on"] else "",
    }
