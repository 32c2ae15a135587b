"""One decision followed back: what it was and what became of it, the memories and texts it named, those it was shown, and what it left."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from services import threads
from services.queries import RunView
from services.threads import DayThread
from ui import cards, format, page, run_view, text, theme, thread_story

MOST = 12


def decision(view: RunView, ticker: str, found: DayThread) -> None:
    """The decision, its order and its result in one box."""
    fate, where = found.fate, {"run": view.id, "ticker": ticker}
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if found.study is not None:
                st.badge(
                    "✎ studied in hindsight", color="gray", help="Training: explained once the next close was known; nothing was traded."
                )
                cards.action_pill(found.study.label)
            elif fate.get("phase") == "train":
                st.badge("training", color="gray", help="Nothing was decided and no study named this session.")
            else:
                cards.action_pill(fate.get("action"))
                cards.provenance(run_view.deciders(view, fate.get("provenance")) or "abstained")
            _result(found)
            page.link("days", "Trace of the day", icon="→", **where, day=found.day, step="recalled~decision")
            page.link("trades", "Trades", icon="→", **where)
        if found.study is not None:
            text.plain(found.study.summary or f"It taught nothing: {found.study.abstained}", longest=900)
        elif found.decision is not None:
            said = (
                found.decision.summary if not found.decision.abstained else f"No decision, which is not a hold: {found.decision.abstained}"
            )
            text.plain(said, longest=900)
        text.plain(_sentence(found))
        _left(view, ticker, found)


def _result(found: DayThread) -> None:
    fate = found.fate
    if fate.get("order"):
        glyph, colour = cards.ORDERS.get(fate["order"], ("", "gray"))
        st.badge(f"{glyph} order {fate['order']}", color=colour)
    if "verdict" in fate:
        word, colour = thread_story.VERDICTS[int(fate["verdict"])]
        st.badge(word, color=colour, help="The decision's own direction times the move from its fill, against twice the cost of a trade.")
    credit = found.uses["credit"].dropna()
    if len(credit):
        st.badge(
            f"{thread_story.credit_words(credit.sum())} to {len(credit)} memor{'y' if len(credit) == 1 else 'ies'}",
            color="green" if credit.sum() > 0 else "red" if credit.sum() < 0 else "gray",
            help="Not divided: each memory named gets the full step.",
        )


def _sentence(found: DayThread) -> str:
    fate, parts = found.fate, list[str]()
    if found.study is not None:
        return f"The next session brought {format.percent(found.study.move, digits=2, sign=True)}; studied on {found.studied_on}."
    if fate.get("order") == "filled" and "shares" in fate:
        verb = "Bought" if fate["shares"] > 0 else "Sold"
        gain = f", which realised {format.money(fate['realised'], digits=2, sign=True)}" if "realised" in fate else ""
        parts.append(f"{verb} {format.shares(abs(fate['shares']))} at {format.number(fate['price'])} on {fate['settled_on']}{gain}.")
    elif fate.get("order"):
        parts.append(f"The order was {fate['order']}" + (f": {fate['order_reason']}." if fate.get("order_reason") else "."))
    elif fate.get("phase") == "test":
        parts.append("Nothing was ordered, so nothing is judged and no credit comes back.")
    if "move" in fate:
        parts.append(
            f"Later, by {fate['judged_on']}: the price had moved {format.percent(fate['move'], digits=2, sign=True)} in "
            f"{fate['sessions']:.0f} sessions, {format.percent(fate['gain'], digits=2, sign=True)} in the decision's own direction."
        )
    elif fate.get("order") == "filled":
        parts.append("Not judged yet: the record ends before the decision is old enough.")
    if "next_return" in fate:
        parts.append(f"Next session {format.percent(fate['next_return'], digits=2, sign=True)}.")
    return " ".join(parts)


def _left(view: RunView, ticker: str, found: DayThread) -> None:
    """The memories that were made of the decision itself."""
    if not found.made and not found.lessons:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge("became memory", color="violet", help="Reflections: the agent's own words, made of this decision and of what came of it.")
        for number, title in (*found.made, *found.lessons):
            page.link("thread", f"Memory {number} – {title}", run=view.id, ticker=ticker, mem=number)


def grounds(view: RunView, ticker: str, found: DayThread) -> None:
    """What it named, one box each; then everything else that it was shown."""
    named = found.named
    st.markdown(f"**Grounds it named** · memories {len(named)}, texts of the day {len(found.direct)}")
    if named.empty and not found.direct:
        text.plain(_nothing_named(found))
    for row in named.head(MOST).to_dict("records"):
        _ground(view, ticker, row)
    for one in found.direct:
        with st.container(border=True, gap="xsmall"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                page.link(
                    "thread",
                    f"Text {one.label} of the day – {text.label(one.title, longest=90)}",
                    run=view.id,
                    ticker=ticker,
                    src=one.source,
                )
                st.badge(f"named {one.stance}, weight {one.weight} of 10", color="gray")
                st.badge("read that day", color="gray", help="Named out of the prompt, not out of memory: credit goes to memories only.")
            text.plain(f"“{one.claim}”", longest=500)
    _facts(found)
    others = found.uses[~found.uses["named"]]
    if len(others):
        with st.expander(f"Shown or nearly shown, and not named ({len(others)})", key=f"_others_{found.day}", on_change="rerun") as opened:
            if opened.open:
                _others(view, ticker, others)
    st.caption(thread_story.NOT_CAUSAL + (thread_story.by_rules() if view.by_rules else ""))


def _nothing_named(found: DayThread) -> str:
    if found.fate.get("phase") == "train" and found.study is None:
        return "No study explains this session: a price was missing, or it is the last one of the training."
    if found.decision is None and found.study is None:
        return "This strategy leaves no decision record: no memory stands behind it."
    if found.decision is not None and found.decision.abstained:
        return "There was no decision, so nothing was named."
    return "It named no memory: what it gave as reasons are figures of the day alone."


def _ground(view: RunView, ticker: str, row: dict[str, Any]) -> None:
    where = {"run": view.id, "ticker": ticker}
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            page.link("thread", f"Memory {row['memory_id']} – {text.label(row['title'], longest=90)}", **where, mem=row["memory_id"])
            cards.layer(str(row["layer"]))
            weight = f", weight {row['weight']:.0f} of 10" if format.known(row["weight"]) else ""
            st.badge(f"{thread_story.side(row)}{weight}", color="gray")
            if format.known(row["credit"]):
                st.badge(
                    thread_story.credit_words(row["credit"]), color="green" if row["credit"] > 0 else "red" if row["credit"] < 0 else "gray"
                )
        if row["claim"]:
            text.plain(f"“{row['claim']}”", longest=500)
        text.plain(f"Rank {row['rank']} in {row['layer']}, score {row['score']:.2f}. {_afterwards(row)}")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if row["kind"] in ("news", "filing_10q", "filing_10k"):
                page.link(
                    "thread", f"Its source text {text.label(row['document_id'], longest=50)}", icon="→", **where, src=row["document_id"]
                )
            else:
                st.badge("a reflection", color="violet", help="Made by the agent itself; no text of the market says this.")
                if told := threads.OWN_WORDS.match(row["document_id"]):
                    words = {"decision": "The decision it retells", "study": "The session it studies", "lessons": "The day it was written"}
                    page.link("thread", f"{words[told['kind']]}, {told['day']}", icon="→", **where, day=told["day"])
            page.link("memory", "Its page in the memory", icon="→", **where, mem=row["memory_id"], day=row["day"])


def _afterwards(row: dict[str, Any]) -> str:
    parts = [f"No credit: {row['why']}."] if row["why"] else []
    parts.append(f"{_again(row['later_shown'], row['later_named'])};")
    parts.append("still in memory at the end." if row["ended_on"] is None else f"forgotten on {row['ended_on']}.")
    return " ".join(parts)


def _again(shown: int, named: int) -> str:
    if not shown:
        return "Never shown again"
    times = "once" if shown == 1 else f"{shown} times"
    return f"Later shown {times}, and named on {named} of these days" if named else f"Later shown {times} and never named"


def _facts(found: DayThread) -> None:
    """Reasons that rest on no memory: they belong to the decision, and lead to no thread."""
    if found.decision is None:
        return
    sides = [("for", reason) for reason in found.decision.reasons_for] + [("against", reason) for reason in found.decision.reasons_against]
    bare = [(side, reason) for side, reason in sides if not reason.memories]
    if not bare:
        return
    st.markdown("**Reasons that name no memory**")
    for side, reason in bare:
        facts = f" (facts {', '.join(reason.facts)})" if reason.facts else " (nothing named)"
        text.plain(f"{side}, weight {reason.weight}: {reason.claim}{facts}", longest=500)


def _others(view: RunView, ticker: str, others: pd.DataFrame) -> None:
    rows = others.reset_index(drop=True)
    shown = pd.DataFrame(
        {
            "memory": rows["memory_id"],
            "title": [text.clean(title, longest=160) for title in rows["title"]],
            "use": [thread_story.USES[use] for use in rows["use"]],
            "layer": [f"{theme.LAYER_GLYPHS.get(layer, '◌')} {layer}" for layer in rows["layer"]],
            "rank": rows["rank"],
            "score": rows["score"],
            "later": [f"{shown} shown, {named} named" for shown, named in zip(rows["later_shown"], rows["later_named"])],
            "end": ["alive" if ended is None else f"✕ {ended}" for ended in rows["ended_on"]],
            "why": rows["why"],
        }
    )
    event = st.dataframe(
        shown, key=f"_not_named_{rows['day'].iloc[0]}", on_select="rerun", selection_mode="single-row", hide_index=True,
        height=min(420, 38 + 35 * len(shown)), alt="Memories shown and not named", placeholder="",
        column_config={
            "title": st.column_config.TextColumn("title", width=280),
            "score": st.column_config.NumberColumn("score", format="%.2f"),
            "why": st.column_config.TextColumn("why no credit", width=240),
        },
    )  # fmt: skip
    if picked := event["selection"]["rows"]:
        page.go("thread", run=view.id, ticker=ticker, mem=int(rows["memory_id"].iloc[picked[0]]))


__all__ = ["decision", "grounds"]
