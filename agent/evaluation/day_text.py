"""Every text of one day with the step of the trace it belongs to, and the search through them.

Promise: what a person can read anywhere in the trace of a day is among the passages, and a hit says where to look. Pure: a record and
the texts of its memories go in, nothing is opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agent.records import DayRecord, Memory, ModelCall, Segment

AROUND = 70  # characters on each side of a match
EXCERPTS = 2  # of one passage; the rest is counted
_QUOTED = re.compile(r'"([^"]+)"|(\S+)')


@dataclass(frozen=True)
class Passage:
    """One text: the step it stands in, what it is, and the address keys beside ``step`` that show it."""

    step: str
    place: str
    text: str
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Excerpt:
    before: str
    match: str
    after: str


@dataclass(frozen=True)
class Hit:
    """A passage that holds all the words, how many matches it has, and the first of them with what stands around."""

    passage: Passage
    matches: int
    excerpts: tuple[Excerpt, ...]


def _as_it_is(words: str) -> str:
    return words


def passages(record: DayRecord, memories: Mapping[int, Memory], *, say: Callable[[str], str] = _as_it_is) -> list[Passage]:
    """All texts of a day in the order of the trace. ``say`` turns prompts, thoughts and answers into the words that are shown."""
    calls = record.thought.calls
    return [
        *_observed(record),
        *_recalled(record, memories),
        *(part for name, call in zip(call_names(calls), calls, strict=True) for part in _asked(name, call, record.thought.segments, say)),
        *_decided(record),
        *_traded(record),
        *_learnt(record),
    ]


def find(texts: Sequence[Passage], words: str) -> list[Hit]:
    """The passages that hold every word of ``words``, upper and lower case alike; words in double quotes stay together."""
    wanted = [quoted or word for quoted, word in _QUOTED.findall(words)]
    if not wanted:
        return []
    each = [re.compile(re.escape(word), re.IGNORECASE) for word in wanted]
    either = re.compile("|".join(re.escape(word) for word in wanted), re.IGNORECASE)
    return [_hit(passage, either) for passage in texts if all(pattern.search(passage.text) for pattern in each)]


def _hit(passage: Passage, pattern: re.Pattern[str]) -> Hit:
    excerpts: list[Excerpt] = []
    found = end = 0
    for match in pattern.finditer(passage.text):
        found += 1
        if len(excerpts) < EXCERPTS and match.start() >= end:
            excerpts.append(_excerpt(passage.text, match.start(), match.end()))
            end = match.end() + AROUND
    return Hit(passage, found, tuple(excerpts))


def _excerpt(text: str, start: int, end: int) -> Excerpt:
    before, after = text[max(0, start - AROUND) : start], text[end : end + AROUND]
    return Excerpt(
        before=("…" if start > AROUND else "") + _one_line(before),
        match=text[start:end],
        after=_one_line(after) + ("…" if end + AROUND < len(text) else ""),
    )


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def call_names(calls: Sequence[ModelCall]) -> list[str]:
    """A short name per call that means the same on every day: decide, decide.2 (second attempt), digest-3 (third text digested)."""
    seen: dict[str, int] = {}
    found = []
    for call in calls:
        if call.attempt == 1 or call.purpose not in seen:
            seen[call.purpose] = seen.get(call.purpose, 0) + 1
        number = seen[call.purpose]
        found.append(f"{call.purpose}{f'-{number}' if number > 1 else ''}{f'.{call.attempt}' if call.attempt > 1 else ''}")
    return found


def segments_of(call: ModelCall, segments: Sequence[Segment]) -> list[Segment]:
    """The segments a call was made of: of its purpose, and found in its text where a purpose was asked about several times."""
    mine = [segment for segment in segments if segment.purpose == call.purpose]
    found = [segment for segment in mine if segment.text in (call.system if segment.role == "system" else call.user)]
    return found or mine


# ------------------------------------------------------------------------------------------------------------ step by step


def _observed(record: DayRecord) -> Iterator[Passage]:
    seen = record.observation
    if seen.fundamentals:
        yield Passage("observed", "fundamentals", ", ".join(f"{item.name} {item.form}" for item in seen.fundamentals))
    for item in seen.news:
        yield Passage("observed", f"news of {item.publisher or 'an unknown publisher'}", _joined(item.title, item.summary, item.publisher))
    for filing in seen.filings:
        yield Passage("observed", f"{filing.form} {filing.section}", filing.text, {"filing": filing.id})
    for warning in (*record.warnings, *record.thought.warnings):
        yield Passage("observed", "warning", warning)


def _recalled(record: DayRecord, memories: Mapping[int, Memory]) -> Iterator[Passage]:
    if record.thought.query:
        yield Passage("recalled", "question to memory", record.thought.query)
    for recall in record.thought.recalls:
        if memory := memories.get(recall.memory_id):
            missed = ", just missed" if recall.near_miss else ""
            yield Passage("recalled", f"memory {memory.id}, {recall.layer}{missed}", _joined(memory.title, memory.text, memory.publisher))


def _asked(mark: str, call: ModelCall, segments: Sequence[Segment], say: Callable[[str], str]) -> Iterator[Passage]:
    keys, of = {"call": mark}, "" if mark in ("decide", "study") else f", {mark}"
    mine = segments_of(call, segments)
    if mine and all(part.text in (call.system if part.role == "system" else call.user) for part in mine) and call.attempt == 1:
        for part in mine:
            yield Passage("asked", f"segment {part.name}{of}", say(part.text), {**keys, "prompt": "rendered"})
    else:
        yield Passage("asked", f"system text{of}", say(call.system), {**keys, "prompt": "raw"})
        yield Passage("asked", f"user text{of}", say(call.user), {**keys, "prompt": "raw"})
    if call.completion and call.completion.thinking:
        yield Passage("thinking", f"thinking{of}", say(call.completion.thinking), keys)
    if call.completion:
        yield Passage("answered", f"answer{of}", say(call.completion.text), {**keys, "answer": "raw"})
    if call.error:
        yield Passage("answered", f"what was wrong with it{of}", say(call.error), keys)


def _decided(record: DayRecord) -> Iterator[Passage]:
    if decision := record.thought.decision:
        parts = (
            ("summary", decision.summary),
            ("would be wrong if", decision.invalidation),
            ("why there is none", decision.abstained or ""),
        )
        yield from (Passage("decision", place, words) for place, words in parts if words)
        for side, reasons in (("for", decision.reasons_for), ("against", decision.reasons_against)):
            yield from (Passage("decision", f"reason {side}", reason.claim) for reason in reasons)
        yield from (Passage("decision", "flag", flag) for flag in decision.flags)
    if study := record.thought.study:
        yield Passage("study", "study", _joined(study.summary, study.abstained or ""))


def _traded(record: DayRecord) -> Iterator[Passage]:
    for place, order in (("order", record.order), ("earlier order", record.settled)):
        if order is not None and order.reason:
            yield Passage("order", place, order.reason)
    yield from (Passage("order", "fill", fill.note) for fill in record.fills if fill.note)


def _learnt(record: DayRecord) -> Iterator[Passage]:
    yield from (Passage("memory", "lesson", lesson) for lesson in record.thought.lessons)
    for event in record.thought.memory_events:
        if event.memory is not None:
            yield Passage("memory", f"memory {event.memory_id}, remembered", _joined(event.memory.title, event.memory.text))
        elif event.reason:
            yield Passage("memory", f"memory {event.memory_id}, {event.kind}", event.reason)


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
