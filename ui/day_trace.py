"""One day as a trace: ten steps on a timeline, each with its gist in the heading, its body drawn only while it is open.

Which steps are open is part of the URL (``step=recalled~decision``), so a link to a step is simply the address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import streamlit as st

from agent.records import DayRecord, Decision, ModelCall
from services import day_reads, queries
from services.queries import RunView
from ui import (
    annotations,
    day_asked,
    day_copy,
    day_credit,
    day_find,
    day_learnt,
    day_links,
    day_recall,
    day_seen,
    day_table,
    format,
    masked,
    pickers,
    text,
    theme,
)

FIRST_OPEN = ("decision", "outcome")
NONE_OPEN = "none"


@dataclass(frozen=True)
class Step:
    """One step: its name in the URL, its icon, its heading in our own words, and how to draw it; no body ends in a plain line."""

    name: str
    icon: str
    gist: str
    body: Callable[[], None] | None


@st.cache_data(max_entries=32, show_spinner=False)
def _marks(run: str, done: int, ticker: str) -> dict[date, str]:
    rows = queries.days(run, ticker)[["day", "phase", "action"]]
    return {day: _mark(phase, action) for day, phase, action in rows.itertuples(index=False)}


def marks(view: RunView, ticker: str) -> dict[date, str]:
    """Every session in order with a word for the list of days: what was decided."""
    return _marks(view.id, view.done, ticker)


def _mark(phase: str, action: object) -> str:
    if phase == "train":
        return "✎ study"
    word = theme.verdict(action if isinstance(action, str) else None)
    return f"{theme.GLYPHS[word]} {word}"


def show(view: RunView, record: DayRecord) -> None:
    """The whole trace of one day."""
    fate = day_reads.fate(view.id, record.ticker, record.day)
    ways, finding = st.columns([3, 2], vertical_alignment="bottom")
    with ways, st.container(horizontal=True, vertical_alignment="center", gap="small"):
        day_links.here("All days", icon="↩", run=view.id, ticker=record.ticker, **day_table.kept())
        day_links.thread(view.id, record.ticker, label="Thread of this day", day=record.day)
        copying = st.container(width="content")
    with finding:
        words = day_find.field()
    annotations.panel(view, ticker=record.ticker, day=record.day)
    for warning in (*record.warnings, *record.thought.warnings):
        text.plain(f"⚠ {warning}")
    calls = record.thought.calls
    wording = masked.wording(view, record.day) if calls else masked.PLAIN
    with copying:
        day_copy.menu(record, fate, run=view.id, wording=wording)
    if words:
        day_find.results(record, words, run=view.id, wording=wording)
    steps = _steps(view, record, fate, wording)
    opened = _opened([step.name for step in steps if step.body])
    for step in steps:
        _draw(step, step.name in opened, record, opened)


def _steps(view: RunView, record: DayRecord, fate: Mapping[str, Any], wording: masked.Wording) -> list[Step]:
    calls = record.thought.calls
    keys = {"run": view.id, "ticker": record.ticker}
    thoughts = sum(bool(call.completion and call.completion.thinking) for call in calls)
    credit = day_credit.of_day(record, fate, run=view.id)
    verdict = _study_step(view, record) if record.phase == "train" else _decision_step(view, record, credit)
    return [
        Step("observed", ":material/visibility:", _observed_gist(record), lambda: day_seen.observed(record, run=view.id)),
        Step("recalled", ":material/neurology:", _recalled_gist(record), lambda: _recalled(record, **keys)),
        Step(
            "asked",
            ":material/content_cut:" if any(call.cut_to is not None for call in calls) else ":material/help:",
            _asked_gist(record),
            (lambda: day_asked.asked(record, run=view.id, wording=wording)) if calls else None,
        ),
        Step(
            "thinking",
            ":material/psychology:",
            f"{thoughts} chain of thought" if thoughts else "none handed over by the backend",
            (lambda: day_asked.thinking(calls, wording=wording)) if thoughts else None,
        ),
        Step(
            "answered", ":material/chat:", _answered_gist(record), (lambda: day_asked.answered(calls, wording=wording)) if calls else None
        ),
        verdict,
        Step("order", ":material/swap_vert:", _order_gist(record, fate), lambda: day_learnt.traded(record, fate)),
        Step("outcome", ":material/flag:", _outcome_gist(record, fate), lambda: day_learnt.outcome(record, fate)),
        Step("credit", ":material/balance:", day_credit.gist(credit), lambda: _credited(record, credit, **keys)),
        Step("memory", ":material/edit_note:", _memory_gist(record), lambda: _changes(record, **keys)),
    ]


def _draw(step: Step, is_open: bool, record: DayRecord, opened: Iterable[str]) -> None:
    heading = f"**{step.name.capitalize()}** · {text.label(step.gist, longest=140)}"
    key = f"_step_{step.name}_{record.ticker}_{record.day}"
    if step.body is None:
        st.expander(heading, icon=step.icon, type="step", key=f"{key}_empty")
        return
    st.session_state[key] = is_open
    rest = [name for name in opened if name != step.name]

    def toggled() -> None:
        now = [*rest, step.name] if st.session_state[key] else rest
        pickers.write(step="~".join(now) or NONE_OPEN)

    place = st.expander(heading, icon=step.icon, type="step", key=key, on_change=toggled)
    with place:
        if is_open:
            step.body()
            day_links.step(step.name, "Link to this step", icon=":material/link:")
        else:
            st.caption("…")  # a step without any content cannot be opened


def _opened(names: list[str]) -> list[str]:
    asked = pickers.read("step")
    if asked is None:
        return [name for name in (*FIRST_OPEN, "study") if name in names]
    return [name for name in asked.split("~") if name in names]


# ------------------------------------------------------------------------------------------------------------------ bodies


def _recalled(record: DayRecord, *, run: str, ticker: str) -> None:
    found = queries.recalls(run, ticker, record.day)
    day_recall.recalled(found, query=record.thought.query, run=run, ticker=ticker, day=str(record.day))


def _changes(record: DayRecord, *, run: str, ticker: str) -> None:
    day_learnt.memory_changes(record, queries.day_events(run, ticker, record.day), run=run)


def _credited(record: DayRecord, credit: day_credit.Credit, *, run: str, ticker: str) -> None:
    day_credit.shown(record, credit, queries.titles(run, ticker, set(credit.stances)), run=run)


def _decision_step(view: RunView, record: DayRecord, credit: day_credit.Credit) -> Step:
    decision = record.thought.decision
    named = {number for reason in (*decision.reasons_for, *decision.reasons_against) for number in reason.memories} if decision else set()

    def body() -> None:
        given = {int(row.memory_id): float(row.delta) for row in credit.events.itertuples()}
        day_learnt.decided(view, record, queries.titles(view.id, record.ticker, named), given)

    return Step("decision", ":material/gavel:", _decision_gist(decision), body)


def _study_step(view: RunView, record: DayRecord) -> Step:
    study = record.thought.study
    named = {*study.supporting, *study.opposing} if study else set()

    def body() -> None:
        day_learnt.studied(record, queries.titles(view.id, record.ticker, named), run=view.id)

    gist = (
        f"of {study.session}: {format.percent(study.move, digits=2, sign=True)}, so {study.label} was right"
        if study
        else "nothing to study yet"
    )
    return Step("study", ":material/school:", f"training day, {gist}", body)


# ------------------------------------------------------------------------------------------------- gists, in our own words


def _observed_gist(record: DayRecord) -> str:
    seen = record.observation
    price = f"close {format.number(seen.bar.close)} ({format.percent(seen.price.return_1, sign=True)})" if seen.bar else "no price"
    return f"{price}, {_count(len(seen.news), 'news item')}, {_count(len(seen.filings), 'filing section')}"


def _recalled_gist(record: DayRecord) -> str:
    found = record.thought.recalls
    missed = sum(recall.near_miss for recall in found)
    cited = sum(len(ids) for ids in record.thought.decision.cited.values()) if record.thought.decision else None
    return f"{len(found) - missed} memories, " + (f"{cited} cited, " if cited is not None else "") + f"{missed} just missed"


def _asked_gist(record: DayRecord) -> str:
    calls = record.thought.calls
    if not calls:
        return "the model was not asked"
    main = calls[day_asked.last_decisive(calls)]
    shown = day_asked.of_call(main, record.thought.segments)
    tokens = sum(segment.tokens for segment in shown)
    parts = ["cut by the server"] if any(call.cut_to is not None for call in calls) else []
    parts += [_count(len(calls), "call"), *_by_purpose(calls)]
    parts += [f"{len(shown)} segments, about {tokens:,} tokens"] if tokens else []
    return ", ".join(parts + ([f"{len(record.thought.left_out)} left out"] if record.thought.left_out else []))


def _by_purpose(calls: tuple[ModelCall, ...]) -> list[str]:
    """Digests apart from the rest, where there are any."""
    digests = sum(call.purpose == "digest" for call in calls)
    return [f"{digests} of them for digests"] if digests else []


def _answered_gist(record: DayRecord) -> str:
    calls = record.thought.calls
    if not calls:
        return "nothing"
    bad = sum(bool(call.error) for call in calls)
    main = calls[day_asked.last_decisive(calls)].completion
    parts = ["valid at the first try" if not bad else f"{bad} of {len(calls)} could not be used"]
    parts += [f"bound by {day_asked.way_words(main.way)}"] if main and main.way else []
    parts += ["from the answer cache"] if main and main.cached else []
    return ", ".join([*parts, f"{sum(call.ms for call in calls):,.0f} ms"])


def _decision_gist(decision: Decision | None) -> str:
    if decision is None:
        return "none recorded"
    word = theme.verdict(decision.action)
    parts = [f"{theme.GLYPHS[word]} {word}"]
    if format.known(decision.target_weight) and decision.action != "hold":
        parts.append(f"to {format.percent(decision.target_weight, digits=0)} of equity")
    if format.known(decision.confidence):
        parts.append(f"confidence {format.percent(decision.confidence, digits=0)}")
    return ", ".join(parts)


def _order_gist(record: DayRecord, fate: Mapping[str, Any]) -> str:
    filled = [
        f"{'bought' if fill.shares > 0 else 'sold'} {format.shares(abs(fill.shares))} at {format.number(fill.price)}"
        for fill in record.fills
    ]
    if record.order is None:
        return ", ".join([*filled, "no new order"])
    status = f"{fate['status']} on {fate['settled']}" if "settled" in fate else record.order.status
    return ", ".join([*filled, f"new order for {format.percent(record.order.weight, digits=0)} of equity, {status}"])


def _outcome_gist(record: DayRecord, fate: Mapping[str, Any]) -> str:
    parts = [f"next session {format.percent(fate['next_return'], sign=True)}"] if fate.get("next_return") is not None else []
    if "judged" in fate:
        parts.append(f"judged {day_learnt.VERDICTS[int(fate['verdict'])][0].split(' ', 1)[1]} on {fate['judged']}")
    if record.outcomes:
        parts.append(f"{_count(len(record.outcomes), 'earlier decision')} judged today")
    return ", ".join(parts) or "nothing known yet"


def _memory_gist(record: DayRecord) -> str:
    counts: dict[str, int] = {}
    for event in record.thought.memory_events:
        counts[event.kind] = counts.get(event.kind, 0) + 1
    return ", ".join(f"{counts[kind]} {kind}" for kind in day_learnt.EVENTS if kind in counts) or "no change"


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
