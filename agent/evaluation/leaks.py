"""What was known when: the time at which everything behind a decision became readable, against the time of the decision.

``check_seen`` and ``check_thought`` are the engine's guard: on the first thing that is newer than the close they raise LookAhead, and
the day is not recorded. ``Tally`` sums a run up, while it goes on or afterwards, and says openly for which prompts nobody wrote times
down. A margin is the time from "readable" to "decided", in seconds; it is never negative in a day that was recorded by this version.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Literal

import numpy as np
from pydantic import Field

from agent.errors import LookAhead
from agent.records import DayRecord, Observation, Record, Segment, Thought

AT_CLOSE = frozenset(
    {"prices", "position", "valuation", "sources", "hindsight", "judged"}
)  # made by the close itself: their margin says nothing
MUST_HAVE_A_TIME = AT_CLOSE | {"news", "filings", "fundamentals"}
SEEN = "seen"  # the purpose under which the report counts what the day offered, whether a prompt showed it or not
SHOWN = 20  # violations kept word for word
Verdict = Literal["ok", "unknown", "violated"]


class Leak(Record):
    """One thing that was newer than the decision it reached."""

    ticker: str
    day: date
    purpose: str = Field(description="decide, study, lessons; or seen: part of what the day offered")
    what: str
    available_at: datetime
    decision_at: datetime

    @property
    def sentence(self) -> str:
        """Ticker, session, what it was, and both times."""
        decided = f"the decision of {_moment(self.decision_at)} UTC"
        if self.available_at.tzinfo is None:
            return f"{self.ticker} {self.day}: {self.what} carries the time {_moment(self.available_at)} without a zone, so it cannot be shown to come before {decided}."
        return f"{self.ticker} {self.day}: {self.what} became readable at {_moment(self.available_at)} UTC, after {decided}."


class Margins(Record):
    """All segments of one kind in one sort of prompt. ``smallest_s`` and ``median_s`` are None where none is dated."""

    purpose: str
    kind: str
    dated: int
    fixed: int = Field(0, description="fixed wording, headings, what the person wrote before the run")
    unknown: int = Field(0, description="should carry a time and carries none")
    smallest_s: float | None = None
    median_s: float | None = None
    closest_ticker: str = ""
    closest_day: date | None = None


class LeakReport(Record):
    """What a run knew when. ``days`` counts sessions of each ticker; every count of sessions here does."""

    days: int
    prompts: int
    unlisted: int = Field(description="prompts whose segments were not kept")
    dated: int
    fixed: int
    unknown: int
    kinds: tuple[Margins, ...] = ()
    late: int = Field(0, description="recorded things that were newer than their decision")
    violations: tuple[Leak, ...] = Field((), description=f"the first {SHOWN} of them")
    stopped: str = Field("", description="the sentence with which look-ahead ended the run")
    unsourced: dict[str, int] = Field(default_factory=dict, description="table -> sessions for which nobody delivers it")
    undated: dict[str, int] | None = Field(
        None, description="table -> items left out for lack of a time; None: recorded before this was kept"
    )

    @property
    def verdict(self) -> Verdict:
        if self.late or self.stopped:
            return "violated"
        return "unknown" if self.unknown or self.unlisted or not self.days else "ok"

    @property
    def closest_s(self) -> float | None:
        """The smallest margin of any text in a prompt; what the close itself makes is left out."""
        margins = [k.smallest_s for k in self.kinds if k.purpose != SEEN and k.kind not in AT_CLOSE and k.smallest_s is not None]
        return min(margins, default=None)

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if self.stopped:
            return self.stopped
        if self.late:
            first = self.violations[0].sentence if self.violations else ""
            return f"{_count(self.late, 'recorded thing was', 'recorded things were')} newer than the decision: the figures of this run are no result. First: {first}"
        if not self.days:
            return "No day is recorded yet."
        if not self.prompts:
            seen = sum(k.dated for k in self.kinds if k.purpose == SEEN)
            return f"No model was asked, so there is no prompt to check; all of {_count(seen, 'news item, filing section and figure', 'news items, filing sections and figures')} seen were readable by their close."
        closest = f"; the closest text by {span(self.closest_s)}" if self.closest_s is not None else ""
        if not self.unknown and not self.unlisted:
            return f"Every one of {self.dated:,} dated prompt segments was readable by its decision{closest}."
        missing = [_count(self.unknown, "segment")] if self.unknown else []
        missing += [_count(self.unlisted, "whole prompt")] if self.unlisted else []
        return (
            f"Cannot say for all: {' and '.join(missing)} without a time, as an earlier version recorded it or a strategy left it out. "
            f"The other {_count(self.dated, 'dated segment')} were readable by their decision{closest}."
        )


# ------------------------------------------------------------------------------------------------------------ the engine's guard


def check_seen(seen: Observation) -> None:
    """LookAhead on the first thing in the observation that was not readable by its cutoff."""
    if seen.bar is not None and seen.bar.day > seen.session:
        raise LookAhead(
            f"{seen.ticker} {seen.session}: the bar of {seen.bar.day} reached a decision at the close of {seen.session}. {_LOST}"
        )
    _refuse(seen, _offered(seen))


def check_thought(seen: Observation, thought: Thought) -> None:
    """LookAhead on the first segment, recalled or remembered memory that was not readable by the cutoff."""
    _refuse(seen, _used(thought))


_LOST = "Nothing of this day is recorded, and the run stops here."
Dated = tuple[str, str, datetime]  # purpose, what, available_at


def _refuse(seen: Observation, things: Iterable[Dated]) -> None:
    for leak in _late(seen, things):
        raise LookAhead(f"{leak.sentence} {_LOST}")


def _late(seen: Observation, things: Iterable[Dated]) -> Iterator[Leak]:
    for purpose, what, at in things:
        if at.tzinfo is None or at > seen.cutoff:
            yield Leak(ticker=seen.ticker, day=seen.session, purpose=purpose, what=what, available_at=at, decision_at=seen.cutoff)


def _offered(seen: Observation) -> Iterator[Dated]:
    for item in seen.news:
        yield SEEN, f"the news item {item.id} ({item.title[:80]!r})", item.available_at
    for filing in seen.filings:
        yield SEEN, f"the filing section {filing.id}", filing.available_at
    for figure in seen.fundamentals:
        yield SEEN, f"the figure {figure.name} ({figure.form or 'form unknown'}, period {figure.period_end})", figure.available_at


def _used(thought: Thought) -> Iterator[Dated]:
    for segment in thought.segments:
        if segment.available_at is not None:
            yield segment.purpose, f'the segment "{segment.name}" of the {segment.purpose} prompt', segment.available_at
    for recall in thought.recalls:
        if recall.available_at is not None:
            yield SEEN, f"the recalled memory M{recall.memory_id}", recall.available_at
    for event in thought.memory_events:
        if event.memory is not None:
            yield SEEN, f"the memory M{event.memory_id} made today", max(event.memory.available_at, event.memory.known_at)


# ------------------------------------------------------------------------------------------------------------------ the report


class _Margins:
    """The margins of one kind, as they come in."""

    def __init__(self) -> None:
        self.seconds = array("d")
        self.fixed = self.unknown = 0
        self.closest: tuple[float, str, date] | None = None

    def add(self, seconds: float, ticker: str, day: date) -> None:
        self.seconds.append(seconds)
        if self.closest is None or seconds < self.closest[0]:
            self.closest = (seconds, ticker, day)

    def row(self, purpose: str, kind: str) -> Margins:
        seconds, ticker, day = self.closest or (None, "", None)
        median = float(np.median(np.frombuffer(self.seconds))) if self.seconds else None
        return Margins(
            purpose=purpose,
            kind=kind,
            dated=len(self.seconds),
            fixed=self.fixed,
            unknown=self.unknown,
            smallest_s=seconds,
            median_s=median,
            closest_ticker=ticker,
            closest_day=day,
        )


class Tally:
    """A leak report that grows with the run. ``stopped``: the sentence of a LookAhead that ended it."""

    def __init__(self) -> None:
        self.days = self.prompts = self.unlisted = self.late = 0
        self.stopped = ""
        self._kinds: dict[tuple[str, str], _Margins] = {}
        self._violations: list[Leak] = []
        self._unsourced: Counter[str] = Counter()

    def add(self, record: DayRecord) -> None:
        """One day more."""
        seen, thought = record.observation, record.thought
        self.days += 1
        self._unsourced.update(seen.unsourced)
        listed, asked = {segment.purpose for segment in thought.segments}, {call.purpose for call in thought.calls}
        self.prompts += len(asked | listed)
        self.unlisted += len(asked - listed)
        for segment in thought.segments:
            self._margin(record, segment.purpose, kind(segment), segment.available_at, fixed=is_fixed(segment))
        for name, items in (("news", seen.news), ("filings", seen.filings), ("fundamentals", seen.fundamentals)):
            for item in items:
                self._margin(record, SEEN, name, item.available_at)
        for recall in thought.recalls:
            self._margin(record, SEEN, f"memory:{recall.layer}", recall.available_at)
        late = [*_late(seen, _offered(seen)), *_late(seen, _used(thought))]
        self.late += len(late)
        self._violations += late[: SHOWN - len(self._violations)]

    def _margin(self, record: DayRecord, purpose: str, name: str, at: datetime | None, *, fixed: bool = False) -> None:
        found = self._kinds.setdefault((purpose, name), _Margins())
        if at is not None and at.tzinfo is not None:
            found.add((record.observation.cutoff - at).total_seconds(), record.ticker, record.day)
        elif fixed:
            found.fixed += 1
        else:
            found.unknown += 1

    def report(self, *, undated: dict[str, int] | None = None) -> LeakReport:
        """The report so far. ``undated``: items that the sources left out, per table, as the run's provenance tells."""
        kinds = tuple(found.row(*key) for key, found in sorted(self._kinds.items()))
        asked = [row for row in kinds if row.purpose != SEEN]
        return LeakReport(
            days=self.days,
            prompts=self.prompts,
            unlisted=self.unlisted,
            dated=sum(row.dated for row in asked),
            fixed=sum(row.fixed for row in asked),
            unknown=sum(row.unknown for row in asked),
            kinds=kinds,
            late=self.late,
            violations=tuple(self._violations),
            stopped=self.stopped,
            unsourced=dict(sorted(self._unsourced.items())),
            undated=undated,
        )


def report(records: Iterable[DayRecord], *, undated: dict[str, int] | None = None) -> LeakReport:
    """The leak report of a run that is there already."""
    tally = Tally()
    for record in records:
        tally.add(record)
    return tally.report(undated=undated)


def rows(record: DayRecord) -> Iterator[dict[str, object]]:
    """Every segment of the day's prompts with its times; ``margin_s`` is None where the segment carries no time."""
    decided = record.observation.cutoff
    for segment in record.thought.segments:
        at = segment.available_at
        yield {
            "ticker": record.ticker,
            "day": str(record.day),
            "purpose": segment.purpose,
            "segment": segment.name,
            "memory": segment.memory_id,
            "available_at": at.isoformat() if at else None,
            "decision_at": decided.isoformat(),
            "margin_s": (decided - at).total_seconds() if at is not None and at.tzinfo is not None else None,
        }


def kind(segment: Segment) -> str:
    """What sort of segment it is: prices, news, memory:short, rules."""
    return ":".join(segment.name.split(":")[:2])


def is_fixed(segment: Segment) -> bool:
    """Whether a segment without a time is one that needs none: wording, headings, what the person wrote before the run."""
    return segment.memory_id is None and kind(segment) not in MUST_HAVE_A_TIME


def span(seconds: float | None) -> str:
    """A margin as people say it: 40 s, 5 min, 3 h 05 min, 12 days."""
    if seconds is None:
        return "–"
    whole = round(abs(seconds))
    sign, minutes, hours = "-" if seconds < 0 and whole else "", whole // 60, whole // 3600
    if hours >= 48:
        return f"{sign}{whole / 86_400:,.0f} days"
    if hours:
        return f"{sign}{hours} h {minutes % 60:02d} min"
    return f"{sign}{minutes} min" if minutes else f"{sign}{whole} s"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _moment(at: datetime) -> str:
    """To the microsecond where there are any: a leak of one is a leak."""
    plain = at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at
    return plain.isoformat(sep=" ")
