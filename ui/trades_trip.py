"""One round trip: what it earned, what the price did meanwhile, and why it was entered and left, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from agent.records import DayRecord, Reason
from services import trading
from services.queries import RunView
from services.trading import Side
from ui import cards, day_learnt, day_reasons, draw, format, page, pickers, run_view, text, theme, trades_cached
from ui.charts.price import price as price_chart
from ui.run_view import TILE
from ui.trades import CAUSES, SIDES

AROUND = 12  # sessions drawn before the entry and after the exit
NO_RULES = "The rules wrote these reasons; no language model was asked."


def asked(view: RunView, ticker: str) -> int | None:
    """The trip in the URL (``trip=3``), or None; a number that is no trip becomes a sentence."""
    value = pickers.read("trip")
    if value is None:
        return None
    found = trades_cached.trips(view, ticker)
    if value.isdecimal() and value.isascii() and int(value[:9]) in set(found["number"]):
        return int(value[:9])
    st.query_params.pop("trip", None)
    many = f"its trips are numbered 1 to {len(found)}" if len(found) else "it has none"
    st.warning(f"There is no round trip “{text.label(value, longest=20)}” of {text.label(ticker)}; {many}.", icon="🔎")
    return None


def show(view: RunView, ticker: str, number: int) -> None:
    """The whole trip; two day bodies are read for it."""
    found = trades_cached.trips(view, ticker)
    row = found[found["number"] == number].iloc[0].to_dict()
    _turn(view, ticker, number, found)
    _headline(ticker, row)
    _figures(row)
    _chart(view, ticker, row)
    fills = trading.steps(view.id, ticker, number)
    if len(fills) > 2:
        _fills(view, ticker, fills)
    notes = (fills["note"].iloc[0], fills["note"].iloc[-1] if row["closed"] else "")
    entry, exit_ = trading.sides(view.id, ticker, number)
    left, right = st.columns(2, gap="medium")
    with left:
        _side(view, ticker, entry, heading="Why it was entered", row=row, entering=True, note=notes[0])
    with right:
        _side(
            view,
            ticker,
            exit_,
            heading="Why it was left" if row["closed"] else "Still open: the last decision",
            row=row,
            entering=False,
            note=notes[1],
        )


def _turn(view: RunView, ticker: str, number: int, found: pd.DataFrame) -> None:
    def link(label: str, target: int | None, icon: str) -> None:
        if target is not None:
            page.link("trades", label, icon=icon, run=view.id, ticker=ticker, trip=target)

    with st.container(horizontal=True, gap="medium"):
        page.link("trades", "All trips", icon="↩", run=view.id, ticker=ticker)
        link("Previous trip", number - 1 if number > 1 else None, "←")
        link("Next trip", number + 1 if number < len(found) else None, "→")
        worst, best = (int(found.loc[at, "number"]) for at in (found["profit"].idxmin(), found["profit"].idxmax()))
        link("Worst trip", worst if worst != number else None, "▼")
        link("Best trip", best if best != number else None, "▲")


def _headline(ticker: str, row: Mapping[str, Any]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(f"{text.label(ticker)}, round trip {row['number']}", anchor=False, width="content")
        st.badge(SIDES[row["side"]], color=theme.action_badge("buy" if row["side"] > 0 else "sell", red_up=draw.red_up()))
        won = row["profit"] >= 0
        st.badge("✓ made money" if won else "✗ lost money", color=theme.action_badge("buy" if won else "sell", red_up=draw.red_up()))
        st.badge(f"ended by {CAUSES[row['cause']]}" if row["closed"] else "still open", color="gray")
    until = f"{row['closed']}, at {format.number(row['exit'])}" if row["closed"] else "now, at the last close"
    plural = "s" * (row["sessions"] != 1)
    text.plain(
        f"{format.shares(row['shares'])} shares from {row['opened']}, at {format.number(row['entry'])}, to {until}: "
        f"{row['sessions']} session{plural}."
    )


def _figures(row: Mapping[str, Any]) -> None:
    gap = row["gain"] - row["benchmark"] if format.known(row["gain"]) and format.known(row["benchmark"]) else None
    tiles = [
        ("Profit", format.money(row["profit"], sign=True), None, "Money: realised, unrealised and dividends, after costs."),
        (
            "Return",
            format.percent(row["gain"], sign=True),
            format.points(gap),
            "Profit over the money put in. Below, the difference to buy and hold.",
        ),
        (
            "Buy and hold",
            format.percent(row["benchmark"], sign=True),
            None,
            "From the last close before the entry to the last close before the exit; a stop: to the close of its session.",
        ),
        (
            "MAE",
            format.percent(row["worst"], sign=True),
            None,
            "Maximum adverse excursion: furthest against the average entry price while it was held.",
        ),
        ("MFE", format.percent(row["best"], sign=True), None, "Maximum favourable excursion: furthest in its favour."),
        ("Costs", format.money(row["costs"], digits=2), None, "Money: commission and slippage, already in the profit."),
        (
            "Of the run",
            format.percent(row["contribution"], digits=2, sign=True),
            None,
            "Profit over the capital of the whole run; all trips add up to its return.",
        ),
    ]
    if row["dividends"]:
        tiles.insert(
            1, ("Dividends", format.money(row["dividends"], digits=2, sign=True), None, "Money: paid on what was held on the ex date.")
        )
    if row["unrealised"]:
        tiles.insert(
            1, ("Unrealised", format.money(row["unrealised"], sign=True), None, "Money: at the last close over its cost with fees.")
        )
    with st.container(horizontal=True, gap="small"):
        for label, value, below, help_ in tiles:
            st.metric(label, value, below, help=help_, width=TILE)


def _chart(view: RunView, ticker: str, row: Mapping[str, Any]) -> None:
    """Some sessions before the entry until some after the exit. What came after the exit is marked as later."""
    bars, fills, _ = trades_cached.market(view, ticker, "train and test")
    days = list(bars["day"])
    first = max(0, _position(days, row["opened"]) - AROUND)
    last = min(len(days), (_position(days, row["closed"]) if row["closed"] else len(days) - 1) + AROUND + 1)
    shown = bars.iloc[first:last]
    own = fills[(fills["day"] >= row["opened"]) & (fills["day"] <= (row["closed"] or days[-1]))]
    fig = price_chart(
        shown,
        own,
        dark=draw.dark(),
        red_up=draw.red_up(),
        trips=pd.DataFrame([row]),
        marks=[(str(row["closed"]), "exit, then later")] if row["closed"] and last - 1 > _position(days, row["closed"]) else [],
    )
    fig.update_layout(height=300)
    day = draw.clickable(fig, key=f"trip_price_{ticker}_{row['number']}", alt=f"Prices of {ticker} around the trip, with its fills")
    if day:
        page.go("days", run=view.id, ticker=ticker, day=day)


def _position(days: Sequence[date], day: date) -> int:
    return max(0, sum(item <= day for item in days) - 1)


def _fills(view: RunView, ticker: str, fills: pd.DataFrame) -> None:
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{len(fills)} fills**")
        for fill in fills.to_dict("records"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                verb = "bought" if fill["shares"] > 0 else "sold"
                gain = f", realised {format.money(fill['realised'], sign=True)}" if format.known(fill["realised"]) else ""
                note = f" ({text.clean(fill['note'], longest=80)})" if fill["note"] else ""
                cause = "" if fill["cause"] == "order" else f", {CAUSES[fill['cause']]}"
                text.plain(
                    f"{fill['day']}  {verb} {format.shares(abs(fill['shares']))} at {format.number(fill['price'])}{cause}{gain}{note}",
                    width="content",
                )
                if fill["decided"] is not None:
                    page.link("days", f"decided {fill['decided']}", icon="→", run=view.id, ticker=ticker, day=fill["decided"])


# ---------------------------------------------------------------------------------------------------------- entry and exit


def _side(view: RunView, ticker: str, side: Side, *, heading: str, row: Mapping[str, Any], entering: bool, note: str) -> None:
    """The decision before the fill: its words, its reasons with their memories, and what became of it."""
    st.subheader(heading, anchor=False)
    with st.container(horizontal=True, gap="medium"):
        page.link("days", f"Trace of {side.decided}", icon="→", run=view.id, ticker=ticker, day=side.decided)
        page.link("thread", "Causal thread", icon="→", run=view.id, ticker=ticker, day=side.decided)
    text.plain(_when(side, row, entering) + (f" The broker: {note}." if note else ""))
    decision = side.decision
    if decision is None:
        text.plain("This strategy leaves no decision record for the day: it trades by a fixed rule and gives no reasons.")
        return
    cards.decision_card(decision.model_copy(update={"provenance": run_view.deciders(view, decision.provenance)}))
    if not decision.abstained:
        if view.by_rules:
            st.caption(NO_RULES)
        for word, reasons in (("For", decision.reasons_for), ("Against", decision.reasons_against)):
            _reasons(view, side.record, word, reasons, side.titles)
        _only_cited(view, side)
    _outcome(side)


def _when(side: Side, row: Mapping[str, Any], entering: bool) -> str:
    if entering:
        return f"Decided at the close of {side.decided}, filled on {side.filled}."
    if side.filled is None:
        return f"Nobody has closed it. This is what was decided at the close of {side.decided}, the last session so far."
    if side.ordered:
        return f"Decided at the close of {side.decided}, filled on {side.filled}."
    level = CAUSES[str(row["cause"])]
    return (
        f"The {level} ended it on {side.filled}, not a decision of that day. This is what was decided at the close before, {side.decided}."
    )


def _reasons(view: RunView, record: DayRecord, word: str, reasons: Sequence[Reason], titles: Mapping[int, str]) -> None:
    known = day_reasons.facts(record.observation)
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{word}** · weight {sum(reason.weight for reason in reasons)}")
        if not reasons:
            text.plain("Nothing was named on this side.")
        for reason in sorted(reasons, key=lambda item: -item.weight):
            st.caption(f"{'■' * reason.weight}{'□' * (10 - reason.weight)}  {reason.weight} of 10")
            text.plain(reason.claim, longest=2000)
            for number in reason.memories:
                _memory(view, record, number, titles)
            for label in reason.facts:
                _fact(view, record, label, known)


def _fact(view: RunView, record: DayRecord, label: str, known: Mapping[str, day_reasons.Fact]) -> None:
    """A fact of the day by its title, with the way to it and to what became of it."""
    fact = known.get(label)
    if fact is None or fact.item is None:
        st.caption(text.label(fact.name if fact else label, longest=60))
        return
    with st.container(horizontal=True, gap="small"):
        keys = {"run": view.id, "ticker": record.ticker}
        page.link("days", f"{label} – {text.label(fact.name, longest=36)}", day=record.day, step="observed", **keys)
        page.link("thread", "Thread", icon="→", src=fact.item.id, **keys)


def _only_cited(view: RunView, side: Side) -> None:
    """Memories that the decision cites without a reason that leans on them."""
    decision = side.decision
    assert decision is not None
    used = {number for reason in (*decision.reasons_for, *decision.reasons_against) for number in reason.memories}
    rest = [number for ids in decision.cited.values() for number in ids if number not in used]
    if rest:
        with st.container(border=True, gap="xsmall"):
            st.markdown("**Cited besides**")
            for number in rest:
                _memory(view, side.record, number, side.titles)


def _memory(view: RunView, record: DayRecord, number: int, titles: Mapping[int, str]) -> None:
    title = f" – {text.label(titles[number], longest=36)}" if titles.get(number) else ""
    with st.container(horizontal=True, gap="small"):
        page.link("memory", f"Memory {number}{title}", run=view.id, ticker=record.ticker, day=record.day, mem=number)
        page.link("thread", "Thread", icon="→", run=view.id, ticker=record.ticker, mem=number)


def _outcome(side: Side) -> None:
    """What became of the decision, as the agent's own memory was told: later than the decision, and said so."""
    fate = side.fate
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown("**What became of it** · later")
            if "verdict" in fate:
                word, colour = day_learnt.VERDICTS[int(fate["verdict"])]
                st.badge(
                    word, color=colour, help="The move after the fill in the decision's own direction, against twice the cost of a trade."
                )
        if "verdict" in fate:
            text.plain(
                f"Judged on {fate['judged']}, {int(fate['sessions'])} sessions after the fill: the price moved "
                f"{format.percent(fate['move'], digits=2, sign=True)}, from {format.number(fate['entry'])} to {format.number(fate['exit'])}."
            )
        elif "settled" in fate:
            text.plain("Not judged yet: the run ended before its time was up.")
        else:
            text.plain("It placed no order, so it is not judged.")
        if fate.get("next_return") is not None:
            text.plain(f"Next session, {fate['next_day']}: {format.percent(fate['next_return'], digits=2, sign=True)} from close to close.")
