"""One day of two runs beside each other: what each decided and why, what only one of them remembered, what came of it.

Few elements, so that a day is there at once: tables are one piece of Markdown each, made of our own words, numbers and whitelisted names;
what a model wrote stands in plain text. Prompts, answers and the swap are drawn only while they are open (``open`` in the URL).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from agent.records import DayRecord, Decision, Reason
from services import queries, side_by_side
from services.compare import Side
from services.disagreements import Matrix
from services.side_by_side import Day, Pairing, Seen
from ui import cards, compare_swap, day_learnt, day_reasons, draw, format, prompt_diff, run_view, text, theme
from ui.links import link

WHERE = {"only first": "only {a}", "both": "both", "only second": "only {b}"}
KINDS = {
    "news": "news",
    "filing_10q": "10-Q",
    "filing_10k": "10-K",
    "immediate_reflection": "own note",
    "extended_reflection": "lesson",
}
NEVER = "–"
HARD = "\N{NO-BREAK SPACE}"


@st.cache_data(max_entries=16, show_spinner=False)
def _day(run: str, done: int, ticker: str, day: date) -> Day:
    return side_by_side.load(run, ticker, day)


def show(sides: Sequence[Side], found: Matrix, costs: pd.DataFrame, day: date) -> None:
    """The day: its price and cost in a line, then two runs side by side."""
    cost = costs[costs["day"] == day]
    st.markdown(_headline(sides, found, cost, day))
    one, other = _two(sides, cost)
    left, right = (_day(side.id, side.view.done, found.ticker, day) for side in (one, other))
    for place, side, mine in zip(st.columns(2, gap="medium"), (one, other), (left, right), strict=True):
        with place:
            _decided(side, mine, found, day)
    st.markdown(_ending((one, other), (left, right), found, day))
    pairs = side_by_side.recalled(left, right)
    st.markdown(_recalled((one, other), (left, right), pairs))
    _part("prompts", "Prompts, line by line", lambda: _prompts((one, other), left, right))
    _part("answers", "Answers, word for word", lambda: _answers((one, other), (left, right)))
    _part("swap", "2 × 2 swap: was it the memory or the model?", lambda: compare_swap.section(one, other, found.ticker, day))


# ----------------------------------------------------------------------------------------------------------------- which two


def _two(sides: Sequence[Side], cost: pd.DataFrame) -> tuple[Side, Side]:
    """``a`` and ``b`` of the URL; of more than two, first those between which the day cost most."""
    if len(sides) == 2:
        return sides[0], sides[1]
    known = {side.id: side for side in sides}
    best, worst = (cost["best"].iloc[0], cost["worst"].iloc[0]) if len(cost) and cost["best"].iloc[0] else (sides[0].id, sides[1].id)
    names = {side.id: f"{side.number} {text.clean(side.label, longest=40)}" for side in sides}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        one = _picked("a", "Left", list(known), best, names)
        rest = [run for run in known if run != one]
        other = _picked("b", "Right", rest, next(run for run in (worst, best, rest[0]) if run in rest), names)
    return known[one], known[other]


def _picked(key: str, label: str, options: list[str], first: str, names: Mapping[str, str]) -> str:
    """One run, in a list: buttons for eight runs twice would be half of what the browser has to draw. The first leaves the address alone."""
    asked = text.clean(st.query_params.get(key, ""), longest=80)
    st.session_state[f"_cmp_{key}"] = asked if asked in options else first

    def changed() -> None:
        chosen = st.session_state[f"_cmp_{key}"]
        st.query_params.pop(key, None)
        if chosen != first:
            st.query_params[key] = chosen

    return str(st.selectbox(label, options, key=f"_cmp_{key}", format_func=lambda run: names.get(run, run), on_change=changed))


def _headline(sides: Sequence[Side], found: Matrix, cost: pd.DataFrame, day: date) -> str:
    parts = [f"**{text.label(found.ticker)}, {day}**"]
    if cost.empty:
        parts.append("decided alike" if found.action.loc[day].notna().all() else "no disagreement among those that decided")
    else:
        parts.append(str(cost["split"].iloc[0]))
    if format.known(float(found.move[day])):
        parts.append(f"price {format.percent(float(found.move[day]), digits=2, sign=True)} from the fill to the open after it")
    if len(cost) and format.known(float(cost["gap"].iloc[0])):
        number = {side.id: side.number for side in sides}
        best, worst = number[cost["best"].iloc[0]], number[cost["worst"].iloc[0]]
        told = ", and lost money" if cost["lost"].iloc[0] else ""
        parts.append(f"{worst} earned {format.percent(float(cost['gap'].iloc[0]), digits=2)} of equity less than {best}{told}")
    return " · ".join(parts)


# ------------------------------------------------------------------------------------------------------------------ decisions


def _decided(side: Side, mine: Day, found: Matrix, day: date) -> None:
    decision = mine.record.thought.decision
    st.markdown(f"**{text.label(side.number)} {text.label(side.label, longest=60)}**\n\n{_badges(side, decision)}")
    link("days", "Trace of this day", icon="→", run=side.id, ticker=found.ticker, day=day)
    if decision is None:
        text.plain("This strategy leaves no decision record for the day.")
        return
    if decision.abstained:
        text.plain(f"No decision, the position stays as it was: {decision.abstained}", longest=1500)
        return
    if decision.summary:
        text.plain(decision.summary, longest=1500)
    for heading, reasons in (("For", decision.reasons_for), ("Against", decision.reasons_against)):
        st.markdown(f"**{heading}** · weight {sum(reason.weight for reason in reasons)}")
        text.plain(_reasons(reasons), longest=6000)


def _badges(side: Side, decision: Decision | None) -> str:
    if decision is None:
        return ":gray-badge[no decision record]"
    word = theme.verdict(decision.action)
    parts = [(theme.action_badge(decision.action, red_up=draw.red_up()), f"{theme.GLYPHS[word]} {word}")]
    if format.known(decision.target_weight):
        parts.append(("gray", f"target {format.percent(decision.target_weight, digits=0)} of equity"))
    if format.known(decision.confidence):
        parts.append(("gray", f"confidence {format.percent(decision.confidence, digits=0)}"))
    origin = run_view.deciders(side.view, decision.provenance)
    parts.append((theme.PROVENANCE.get(origin, ("gray", ""))[0], text.label(origin)))
    parts += [("gray" if mark in cards.MARK_GLYPHS else "red", cards.mark_text(text.label(mark))) for mark in queries.marks(side.view)]
    return " ".join(f":{colour}-badge[{words}]" for colour, words in parts)


def _reasons(reasons: Sequence[Reason]) -> str:
    """Heaviest first, each with what it rests on; the numbers are those of the run's own memories."""
    if not reasons:
        return "Nothing was named on this side."
    told = []
    for reason in sorted(reasons, key=lambda item: -item.weight):
        rests = ", ".join([*(f"M{number}" for number in reason.memories), *(day_reasons.FACTS.get(fact, fact) for fact in reason.facts)])
        told.append(f"{reason.weight:>2} of 10  {' '.join(reason.claim.split())}" + (f"  [{rests}]" if rests else ""))
    return "\n".join(told)


# -------------------------------------------------------------------------------------------------------- order and outcome


def _ending(two: tuple[Side, Side], days: tuple[Day, Day], found: Matrix, day: date) -> str:
    rows: list[tuple[str, Callable[[Side, Day], str]]] = [
        ("Held at the close", lambda side, mine: format.percent(mine.record.observation.weight, digits=0)),
        ("Order", lambda side, mine: _order(mine.record, mine.fate)),
        ("Held after the fill", lambda side, mine: format.percent(_value(found.weight, side, day), digits=0)),
        ("Earned from the fill to the next open", lambda side, mine: format.percent(_value(found.result, side, day), digits=2, sign=True)),
        ("Judged", lambda side, mine: _judged(mine.fate)),
    ]
    lines = [f"| Order and outcome | {two[0].number} | {two[1].number} |", "|---|---|---|"]
    lines += [f"| {name} | {tell(two[0], days[0])} | {tell(two[1], days[1])} |" for name, tell in rows]
    return "\n".join(lines)


def _value(frame: pd.DataFrame, side: Side, day: date) -> float:
    return float(frame.at[day, side.id])


def _order(record: DayRecord, fate: Mapping[str, Any]) -> str:
    if record.order is None:
        return "none"
    told = f"{format.percent(record.order.weight, digits=0)} of equity, {text.label(fate.get('status', record.order.status))}"
    if fate.get("price"):
        told += f" on {format.day(fate['settled'])} at {format.number(fate['price'])}"
    return told


def _judged(fate: Mapping[str, Any]) -> str:
    if "judged" not in fate:
        return NEVER
    move = format.percent(float(fate["move"]), digits=2, sign=True)
    return f"{day_learnt.VERDICTS[int(fate['verdict'])][0]}, price {move} in {int(fate['sessions'])} sessions"


# ----------------------------------------------------------------------------------------------------------- recalled memories


def _recalled(two: tuple[Side, Side], days: tuple[Day, Day], pairs: Sequence[Pairing]) -> str:
    """One table: who was shown what, ranked where; every number leads to the memory in its run."""
    a, b = two[0].number, two[1].number
    count = {where: sum(item.where == where for item in pairs) for where in WHERE}
    told = ", ".join(f"{count[where]} {words.format(a=a, b=b)}" for where, words in WHERE.items())
    if not pairs:
        return "**Recalled memories** · neither was shown any"
    told += ". Layer, rank in it, score (similarity + recency + importance); ★ cited as a reason"
    lines = [f"**Recalled memories** · {told}", "", f"| Shown to | Memory | {a} | {b} |", "|---|---|---|---|"]
    for item in pairs:
        name = f"{KINDS.get(item.kind, 'memory')}, {text.label(item.title, longest=84)}" + (" (other words)" if item.reworded else "")
        cells = (_seen(side, mine, seen) for side, mine, seen in zip(two, days, (item.first, item.second), strict=True))
        lines.append(f"| {WHERE[item.where].format(a=a, b=b)} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _seen(side: Side, mine: Day, seen: Seen | None) -> str:
    if seen is None:
        return NEVER
    keys = {"run": side.id, "ticker": mine.record.ticker, "day": str(mine.record.day), "mem": seen.id}
    way = f"[M{seen.id}](memory?{urlencode({**keys, **({'red': 1} if draw.red_up() else {})})})"
    glyph = theme.LAYER_GLYPHS.get(seen.layer, "◌")
    place = f"{way} {glyph}{HARD}{text.label(seen.layer)}{HARD}{seen.rank} · {format.number(seen.score)}"
    return f"{place}, just missed" if seen.missed else f"{place} ★{HARD}{seen.cited}" if seen.cited else place


# -------------------------------------------------------------------------------------------------------------- what is opened


def _part(name: str, label: str, body: Callable[[], None]) -> None:
    """An expander whose body is drawn while it is open; the address says which are."""
    now = [item for item in text.clean(st.query_params.get("open", ""), longest=120).split("~") if item]
    key = f"_cmp_part_{name}"
    st.session_state[key] = name in now

    def toggled() -> None:
        left = [item for item in now if item != name] + ([name] if st.session_state[key] else [])
        st.query_params.pop("open", None)
        if left:
            st.query_params["open"] = "~".join(left)

    with st.expander(label, key=key, on_change=toggled):
        if name in now:
            body()
        else:
            st.caption("…")


def _prompts(two: tuple[Side, Side], left: Day, right: Day) -> None:
    if left.asked is None or right.asked is None:
        text.plain("At least one of the two was not asked anything on this day.")
        return
    st.caption(
        f"From {two[0].number} (−) to {two[1].number} (+), as it was sent. Within a changed line, the words that went stand in [− −], those that came in "
        "{+ +}. Numbers of memories (M12) are each run's own."
    )
    if any(side.view.spec.masking.on for side in two):
        text.plain("Names, dates or prices were hidden from at least one of the models; the prompts stand here as the models saw them.")
    for item in side_by_side.prompt_changes(left, right):
        st.markdown(
            f"**{text.label(item.template)}** · {'the same, letter by letter' if item.state == 'same' else f'−{item.removed} +{item.added} lines'}"
        )
        if item.state != "same":
            text.block(prompt_diff.written(item.lines, whole=False), height=420)


def _answers(two: tuple[Side, Side], days: tuple[Day, Day]) -> None:
    for place, side, mine in zip(st.columns(2, gap="medium"), two, days, strict=True):
        with place:
            call = mine.asked
            if call is None or call.completion is None:
                text.plain(f"{side.number}: no answer." + (f" {call.error}" if call is not None else ""), longest=600)
                continue
            st.caption(f"{side.number} · {text.label(call.completion.model, longest=60)}" + (" · could not be used" if call.error else ""))
            if call.completion.thinking:
                text.block(call.completion.thinking, height=240)
            text.block(call.completion.text, height=360)
