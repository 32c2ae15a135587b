"""The small things pages are made of: pills, badges, memory, order and reason cards. Each draws itself where it is called.

Words that come from a model, a source or a person go through ``ui.text``; badges carry only our own words or whitelisted names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from agent.records import Decision, Fill, Memory, MemoryState, Order, Reason
from services import queries
from ui import draw, format, text, theme
from ui.links import link

KINDS = {
    "news": "news",
    "filing_10q": "10-Q",
    "filing_10k": "10-K",
    "immediate_reflection": "reflection",
    "extended_reflection": "weekly lesson",
}
DOUBT = "⚠\ufe0e"
MARK_GLYPHS = {queries.RULES: "⚙\ufe0e", queries.MASKED: "◐", queries.BASELINE: "┄"}
MARK_HELP = {  # by the first word of the mark
    "coverage": f"The model itself decided on fewer than {queries.ENOUGH_COVERAGE:.0%} of the test days: the figures are no result.",
    "decided": f"There is a decision on fewer than {queries.ENOUGH_COVERAGE:.0%} of the test days: the figures are no result.",
    "prompt": "The server cut questions without saying so. They were asked again, shorter; the days say what had been lost.",
    "inside": "The model may remember what happened: a demonstration, not evidence.",
    "partly": "On part of the days the model may remember what happened; only the rest is evidence.",
    "near": "Too close to the model's knowledge cut-off to be sure that it knows nothing of these days.",
    "cut-off": "When the model's knowledge ends is not known. Enter it on the Models page.",
    "saw": "Something newer than a decision reached it.",
    "optimistic": "Orders fill at the very close the decision was made on.",
    "masked": "Names, dates or prices were hidden from the model; on screen they are shown again.",
    "baseline": "A yardstick that was added to another run; not somebody's own try.",
    "rules,": "No language model decided anything.",
}
DIGESTED = {"extract": "digest: the source's own sentences"}  # how it was made, where it was not a model
ORDERS = {"pending": ("◷", "orange"), "filled": ("✓", "green"), "rejected": ("✗", "red"), "cancelled": ("⊘", "gray")}


def action_pill(action: str | None) -> None:
    """The verdict as word and glyph; None is "no decision", grey, never a hold."""
    word = theme.verdict(action)
    st.badge(f"{theme.GLYPHS[word]} {word}", color=theme.action_badge(action, red_up=draw.red_up()))


def provenance(value: str) -> None:
    """Who really decided: the model, the model asked again, the cache, rules, or nobody."""
    colour, help_ = theme.PROVENANCE.get(value, ("gray", ""))
    st.badge(text.label(value), color=colour, help=help_ or None)


def status(value: str) -> None:
    """Where a run stands, as word and glyph."""
    glyph, colour = theme.STATUS.get(value, ("", "gray"))
    st.badge(f"{glyph} {text.label(value)}".strip(), color=colour)


def mark_text(mark: str) -> str:
    """A mark of a run (``services.queries.marks``) with its glyph: a warning sign where it puts the figures in doubt."""
    return f"{MARK_GLYPHS.get(mark, DOUBT)} {mark}"


def marks(found: Iterable[str]) -> None:
    """The marks of a run as badges: red where they put its figures in doubt, grey where they say how it was made."""
    for mark in found:
        st.badge(mark_text(text.label(mark)), color="gray" if mark in MARK_GLYPHS else "red", help=MARK_HELP.get(mark.split(" ")[0]))


def layer(name: str) -> None:
    """A memory layer as a badge."""
    glyph = theme.LAYER_GLYPHS.get(name, "◌")
    st.badge(f"{glyph} {text.label(name)}", color=theme.LAYER_BADGES.get(name, "gray"))


def decision_card(decision: Decision) -> None:
    """One verdict: pill, target, confidence, provenance, then the model's own summary or why there is none."""
    with st.container(border=True, gap="xsmall"):
        with _row():
            action_pill(decision.action)
            if format.known(decision.target_weight):
                st.badge(f"target {format.percent(decision.target_weight, digits=0)} of equity", color="gray")
            if format.known(decision.confidence):
                st.badge(f"confidence {format.percent(decision.confidence, digits=0)}", color="gray")
            provenance(decision.provenance)
            for limit in decision.clipped_by:
                st.badge(f"limited by {text.label(limit)}", color="orange")
        if decision.abstained:
            text.plain(f"No decision, the position stays as it was: {decision.abstained}")
        if decision.summary:
            text.plain(decision.summary)
        if decision.invalidation:
            text.plain(f"Would be wrong if: {decision.invalidation}")
        for flag in decision.flags:
            text.plain(f"⚠ {flag}")


def memory_card(
    memory: Memory, *, state: MemoryState | None = None, importance: float | None = None, recency: float | None = None, **params: Any
) -> None:
    """One memory whole: layer, age, where it came from, its numbers as of the day shown, its text.

    ``state`` defaults to its birth. ``importance`` (0..100) and ``recency`` (0..1) are today's decayed values. ``params`` are URL keys; with
    them the card links to the memory's own page.
    """
    now = state or memory.birth
    with st.container(border=True, gap="xsmall"):
        with _row():
            layer(now.layer)
            st.badge(KINDS[memory.kind], color="gray")
            st.badge(f"memory {memory.id}", color="gray")
            if memory.digested:
                made = DIGESTED.get(memory.digested, f"digest by {text.label(memory.digested, longest=40)}")
                st.badge(made, color="violet", help="Shorter than its source, whose whole text stays with the day.")
            st.badge(f"remembered {format.day(memory.born)}", color="gray")
            if params:
                link("memory", "Open", icon="→", mem=memory.id, **params)
        if memory.title:
            st.markdown(f"**{text.label(memory.title, longest=160)}**")
        facts = st.columns(4)
        facts[0].metric(
            "Importance",
            format.number(now.importance if importance is None else importance, digits=1),
            help="0 to 100, decayed to the day shown.",
        )
        facts[1].metric("Recency", format.number(recency), help="1 on the day of its news, falling with age; a promotion restores it.")
        facts[2].metric(
            "Credit",
            f"{now.positive}+ {now.negative}-",
            help="How often it was cited in a decision that turned out right (+) or wrong (-).",
        )
        facts[3].metric("Accesses", f"{now.access_count}", help="FinMem's access counter.")
        text.plain(memory.text, longest=4000)
        origin = [memory.publisher, f"known {memory.available_at:%Y-%m-%d %H:%M} UTC", memory.document_id]
        if len(memory.sources) > 1:
            origin.append(f"{len(memory.sources)} sources merged")
        st.caption(" · ".join(text.label(part, longest=120) for part in origin if part))


def order_card(order: Order) -> None:
    """The wish for the next open, what the limits made of it, and what became of it."""
    glyph, colour = ORDERS[order.status]
    with st.container(border=True, gap="xsmall"):
        with _row():
            st.badge(f"{glyph} order {order.status}", color=colour)
            st.badge(f"target {format.percent(order.weight)} of equity", color="gray")
            if abs(order.wished - order.weight) > 1e-9:
                st.badge(f"wished {format.percent(order.wished)}", color="orange", help="The limits changed what the decision asked for.")
        waited = f"; waited {order.waited} session{'s' * (order.waited != 1)} without a price" if order.waited else ""
        text.plain(f"Placed at the close of {format.day(order.day)}, for the next open{waited}.")
        if order.reason:
            text.plain(order.reason)


def fill_card(fill: Fill) -> None:
    """One trade as it happened: shares, price, what it cost, what it realised."""
    bought = fill.shares > 0
    with st.container(border=True, gap="xsmall"):
        with _row():
            pill = theme.action_badge("buy" if bought else "sell", red_up=draw.red_up())
            glyph = theme.GLYPHS["buy" if bought else "sell"]
            st.badge(f"{glyph} {'bought' if bought else 'sold'} {format.shares(abs(fill.shares))}", color=pill)
            st.badge(
                f"at {format.number(fill.price)}",
                color="gray",
                help=f"Reference price before slippage: {format.number(fill.reference, digits=4)}",
            )
            if fill.cause != "order":
                st.badge(fill.cause.replace("_", " "), color="orange")
        value = format.money(abs(fill.shares) * fill.price)
        costs = f"commission {format.number(fill.commission)}, slippage {format.number(fill.slippage)}"
        gain = f", realised {format.money(fill.realised, digits=2, sign=True)}" if fill.realised is not None else ""
        text.plain(f"{format.day(fill.day)}: {value} traded, {costs}{gain}.")
        if fill.note:
            text.plain(fill.note)


def reasons(favour: Sequence[Reason], against: Sequence[Reason], *, titles: Mapping[int, str] | None = None, **params: Any) -> None:
    """The evidence for and against, side by side, heaviest first, each with the memories and facts it leans on."""
    for place, heading, side in zip(st.columns(2), ("For", "Against"), (favour, against), strict=True):
        with place, st.container(border=True, height="stretch", gap="xsmall"):
            st.markdown(f"**{heading}** · weight {sum(reason.weight for reason in side)}")
            if not side:
                text.plain("Nothing was named on this side.")
            for reason in sorted(side, key=lambda item: -item.weight):
                _reason(reason, titles or {}, params)


def _reason(reason: Reason, titles: Mapping[int, str], params: Mapping[str, Any]) -> None:
    st.caption(f"{'■' * reason.weight}{'□' * (10 - reason.weight)}  {reason.weight} of 10")
    text.plain(reason.claim, longest=2000)
    for number in reason.memories:
        name = f"Memory {number}"
        if title := titles.get(number):
            name += f" – {text.label(title, longest=60)}"
        if params.get("run"):
            link("memory", name, mem=number, **params)
        else:
            st.caption(text.label(name, longest=100))
    if reason.facts:
        st.caption("Facts: " + ", ".join(text.label(fact, longest=60) for fact in reason.facts))


def _row() -> Any:
    return st.container(horizontal=True, vertical_alignment="center", gap="small")
