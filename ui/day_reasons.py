"""The reasons of a decision, for and against, each with the memories and facts it rests on and the way to every one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from agent.records import DayRecord, Filing, News, Observation, Reason, Recall
from ui import day_links, format, text, theme
from ui.links import link

FACTS = {"P": "prices", "S": "the position", "G": "fundamentals"}
NEWS_SHOWN = 12  # the prompt numbers the newest twelve items, as agent/strategies/memory_agent.py does


@dataclass(frozen=True)
class Fact:
    """One labelled fact of the prompt: what it is, and the item behind it where it is a text."""

    label: str
    name: str
    item: News | Filing | None = None


def facts(seen: Observation) -> dict[str, Fact]:
    """Every label the prompt gave to what was observed: N1.., F1.., P, S, G."""
    found = {label: Fact(label, name) for label, name in FACTS.items()}
    for number, news in enumerate(seen.news[-NEWS_SHOWN:], 1):
        found[f"N{number}"] = Fact(f"N{number}", news.title, news)
    for number, filing in enumerate(seen.filings, 1):
        found[f"F{number}"] = Fact(f"F{number}", f"{filing.form} {filing.section.replace('_', ' ')}", filing)
    return found


def labels(seen: Observation) -> dict[str, str]:
    """Item id to its label in the prompt; items the prompt did not number are absent."""
    return {fact.item.id: fact.label for fact in facts(seen).values() if fact.item is not None}


def cited_labels(record: DayRecord) -> set[str]:
    """Labels of the facts that the decision names as reasons."""
    decision = record.thought.decision
    return {label for reason in (*decision.reasons_for, *decision.reasons_against) for label in reason.facts} if decision else set()


def sides(record: DayRecord, titles: Mapping[int, str], credit: Mapping[int, float], *, run: str) -> None:
    """Both sides next to each other, the heaviest reason first. ``credit``: memory id to what it was given for this decision."""
    decision = record.thought.decision
    assert decision is not None, "the page draws reasons of a decision"
    both: tuple[tuple[Literal["For", "Against"], Sequence[Reason]], ...] = (
        ("For", decision.reasons_for),
        ("Against", decision.reasons_against),
    )
    for place, (heading, side) in zip(st.columns(2), both, strict=True):
        with place, st.container(border=True, height="stretch", gap="xsmall"):
            st.markdown(f"**{heading}** · weight {sum(reason.weight for reason in side)}")
            if not side:
                text.plain("Nothing was named on this side.")
            for reason in sorted(side, key=lambda item: -item.weight):
                _reason(reason, record, titles, credit, run)


def _reason(reason: Reason, record: DayRecord, titles: Mapping[int, str], credit: Mapping[int, float], run: str) -> None:
    st.caption(f"{'■' * reason.weight}{'□' * (10 - reason.weight)}  {reason.weight} of 10")
    text.plain(reason.claim, longest=2000)
    ranked = {recall.memory_id: recall for recall in record.thought.recalls}
    for number in reason.memories:
        _memory(number, titles.get(number, ""), ranked.get(number), credit.get(number), record, run)
    known = facts(record.observation)
    for label in reason.facts:
        _fact(known.get(label), label, record, run)
    if not reason.memories and not reason.facts:
        st.caption("It names nothing that it rests on.")


def _memory(number: int, title: str, recall: Recall | None, credit: float | None, record: DayRecord, run: str) -> None:
    with st.container(gap="xxsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            name = f"Memory {number}" + (f" – {text.label(title, longest=28)}" if title else "")
            link("memory", name, run=run, ticker=record.ticker, day=record.day, mem=number)
            day_links.thread(run, record.ticker, mem=number)
        words = []
        if recall is not None:
            glyph = theme.LAYER_GLYPHS.get(recall.layer, "◌")
            words.append(f"{glyph} {text.label(recall.layer)}, rank {recall.rank}, score {format.number(recall.score)}")
        if credit is not None:
            words.append(f"later credited {credit:+.1f}")
        if words:
            st.caption(" · ".join(words))


def _fact(fact: Fact | None, label: str, record: DayRecord, run: str) -> None:
    if fact is None:
        st.caption(f"{text.label(label)}: no such fact was in the prompt")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        keys = {"filing": fact.item.id} if isinstance(fact.item, Filing) else {}
        day_links.step("observed", f"{fact.label} – {text.label(fact.name, longest=34)}", **keys)
        if fact.item is not None:
            day_links.thread(run, record.ticker, src=fact.item.id)
