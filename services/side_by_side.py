"""One day of two runs beside each other: what each decided, which memories only one of them saw, how their questions differ.

Memories of two runs are matched by what they say, never by their numbers, which every run gives for itself: a note of one's own by its
words, a text of the market by the document it was made from. Opens the bodies of two days and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from agent.decision import prompt_set
from agent.decision.prompt_set import Difference, PromptSet
from agent.records import DayRecord, Memory, ModelCall, Recall
from services import day_reads, queries

Where = Literal["only first", "both", "only second"]
OWN = ("immediate_reflection", "extended_reflection")  # notes share their document's name over runs, but not their words


@dataclass(frozen=True)
class Seen:
    """One memory as one run recalled it. ``cited``: "for", "against", "for and against", or empty. ``missed``: just below the cut, not shown."""

    id: int
    layer: str
    rank: int
    score: float
    missed: bool
    cited: str


@dataclass(frozen=True)
class Pairing:
    """One memory in the recall of the first run, of the second, or of both. ``reworded``: the same document, but not the same words."""

    title: str
    kind: str
    first: Seen | None
    second: Seen | None
    reworded: bool = False

    @property
    def where(self) -> Where:
        """Who was shown it; a memory that one run just missed was not shown by it."""
        one, other = (side is not None and not side.missed for side in (self.first, self.second))
        return "both" if one and other else "only first" if one else "only second"


@dataclass(frozen=True)
class Day:
    """One run on the day. ``fate``: what became of the decision, as ``services.queries.fate`` says."""

    run: str
    record: DayRecord
    fate: Mapping[str, Any]
    memories: Mapping[int, Memory]

    @property
    def asked(self) -> ModelCall | None:
        """The call that gave the decision, or the last that did not; None where nothing was asked."""
        return next((call for call in reversed(self.record.thought.calls) if call.purpose == "decide"), None)


def load(run: str, ticker: str, day: date) -> Day:
    """NoData where the run has no such day."""
    record = queries.record(run, ticker, day)
    wanted = {recall.memory_id for recall in record.thought.recalls}
    return Day(run, record, day_reads.fate(run, ticker, day), day_reads.memories(run, ticker, wanted) if wanted else {})


def recalled(first: Day, second: Day) -> list[Pairing]:
    """Every memory that at least one of the two was shown: those of the first alone, of both, of the second alone; best score first."""
    mine, theirs = _shown(first), _shown(second)
    partners = _matched(first, second)
    found = [_pairing(first, second, one, partners.get(one)) for one in mine]
    taken = set(partners.values())
    found += [_pairing(first, second, None, other) for other in theirs if other not in taken]
    kept = [item for item in found if any(side is not None and not side.missed for side in (item.first, item.second))]
    order = {"only first": 0, "both": 1, "only second": 2}
    return sorted(kept, key=lambda item: (order[item.where], -max(side.score for side in (item.first, item.second) if side)))


def prompt_changes(first: Day, second: Day) -> tuple[Difference, ...]:
    """The decision's question of the two runs, rules and facts apart, line by line, as it was sent."""
    return prompt_set.diff(_question("first", first.asked), _question("second", second.asked))


def _question(name: str, call: ModelCall | None) -> PromptSet:
    return PromptSet(name=name, texts={"rules": call.system, "the day": call.user} if call else {})


def _shown(day: Day) -> dict[int, Recall]:
    return {recall.memory_id: recall for recall in day.record.thought.recalls if recall.memory_id in day.memories}


def _matched(first: Day, second: Day) -> dict[int, int]:
    """Memory of the first run -> the same memory in the second: by its words, else by its document and part, else by a shared source."""
    found: dict[int, int] = {}
    for keys in (_by_words, _by_document, _by_source):
        open_ = {key: number for number in _shown(second) if number not in found.values() for key in keys(second.memories[number])}
        for number in _shown(first):
            if number not in found:
                hit = next((open_[key] for key in keys(first.memories[number]) if key in open_), None)
                if hit is not None and hit not in found.values():
                    found[number] = hit
    return found


def _by_words(memory: Memory) -> Sequence[object]:
    return ((memory.kind, memory.content_hash),)


def _by_document(memory: Memory) -> Sequence[object]:
    return () if memory.kind in OWN else ((memory.kind, memory.document_id, memory.chunk),)


def _by_source(memory: Memory) -> Sequence[object]:
    """Near duplicates are merged into whichever came first; part by part, since the parts of one document share their sources."""
    return () if memory.kind in OWN else tuple((memory.kind, source, memory.chunk) for source in memory.sources)


def _pairing(first: Day, second: Day, one: int | None, other: int | None) -> Pairing:
    memories = [day.memories[number] for day, number in ((first, one), (second, other)) if number is not None]
    return Pairing(
        title=memories[0].title or memories[0].text[:90],
        kind=memories[0].kind,
        first=_seen(first, one),
        second=_seen(second, other),
        reworded=len(memories) == 2 and memories[0].content_hash != memories[1].content_hash,
    )


def _seen(day: Day, number: int | None) -> Seen | None:
    if number is None:
        return None
    recall, decision = _shown(day)[number], day.record.thought.decision
    sides = (
        [
            word
            for word, reasons in (("for", decision.reasons_for), ("against", decision.reasons_against))
            if any(number in reason.memories for reason in reasons)
        ]
        if decision
        else []
    )
    return Seen(number, recall.layer, recall.rank, recall.score, recall.near_miss, " and ".join(sides))
