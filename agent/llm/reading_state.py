"""What a reader knows after all texts of a day: open items, sources' records, exposures, fresh events. And how that is written down.

``known`` folds the statements of news, filings and memories, oldest first, into one state. ``state_line`` writes the state into a
reflection and ``reading.read`` reads it back, so that knowledge outlives the texts it came from. All times in the state count in
sessions from the session of the decision (t): ``due`` 3 means three sessions ahead, -2 two sessions ago.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import sqrt

from agent.llm import reading as r
from agent.llm.base import MemoryFact, Situation, TextFact

OPEN_SESSIONS = 5  # an outcome that is due moves the price for about this many sessions
FORGET_SESSIONS = 60  # nothing announced waits longer than this without a new word
MOVE_SESSIONS = 3
SURPRISE_SESSIONS = 8
WAITING_SHOWN = EXPOSURES_SHOWN = 4


@dataclass(frozen=True)
class Readable:
    """One text with what may be cited for it and when it became readable, in sessions before t."""

    labels: tuple[str, ...]
    form: r.Form
    title: str
    text: str
    publisher: str
    day: date
    ago: int
    fresh: bool


@dataclass
class Item:
    """Something pending. ``due`` in sessions from t, None unknown."""

    name: str
    direction: int = 0
    due: int | None = None
    exact: bool = True
    heard: int = 0
    cancelled: bool = False
    basis: tuple[str, ...] = ()

    def share(self) -> float:
        """How sure it is that the next session lies in the window after the due date: 0..1."""
        if self.cancelled or not self.direction or self.due is None:
            return 0.0
        if 1 - OPEN_SESSIONS <= self.due <= 0:
            return 1.0
        return 0.5 if not self.exact and -OPEN_SESSIONS - 1 <= self.due <= 2 else 0.0

    def over(self) -> bool:
        if self.due is None:
            return self.heard > FORGET_SESSIONS
        return self.due < -OPEN_SESSIONS - (0 if self.exact else 2)


@dataclass
class Record:
    """What is known of a source: notes that follow-ups called right or wrong."""

    name: str
    right: int = 0
    total: int = 0
    judged: bool = False
    basis: tuple[str, ...] = ()

    def trust(self) -> float:
        """Laplace's rule; 0.5 for a source without a record."""
        return (self.right + 1) / (self.total + 2)

    def edge(self) -> float:
        """What following the source is worth, -1..1: right minus wrong, less half a standard error, so that luck is not taken for skill."""
        raw = 2 * self.trust() - 1
        sure = max(0.0, abs(raw) - 0.5 / sqrt(self.total + 2))
        return sure if raw > 0 else -sure


@dataclass
class Exposure:
    factor: str
    sign: int
    since: date
    basis: tuple[str, ...] = ()


@dataclass
class Event:
    """A dated event: a rumour, a factor's move, a surprise or a headline. ``ago`` in sessions before t."""

    what: str
    direction: int
    ago: int
    day: date
    fresh: bool = False
    basis: tuple[str, ...] = ()


@dataclass
class Known:
    """The state at t."""

    items: dict[str, Item] = field(default_factory=dict)
    sources: dict[str, Record] = field(default_factory=dict)
    exposures: list[Exposure] = field(default_factory=list)
    moves: list[Event] = field(default_factory=list)
    rumours: list[Event] = field(default_factory=list)
    surprises: list[Event] = field(default_factory=list)
    headlines: list[Event] = field(default_factory=list)

    def waiting(self) -> list[Item]:
        """Open items, the nearest first."""
        open_ = [i for i in self.items.values() if not i.cancelled and not i.over() and i.name]
        return sorted(open_, key=lambda i: (999 if i.due is None else i.due, i.name))

    def told(self) -> list[Item]:
        """What a person may be told to wait for: a known way and a known time, the nearest first."""
        return [i for i in self.waiting() if i.direction and i.due is not None][:WAITING_SHOWN]

    def exposure(self, factor: str) -> Exposure | None:
        """The newest word on a factor."""
        same = [e for e in self.exposures if r.same_factor(e.factor, factor)]
        return sorted(same, key=lambda e: e.since)[-1] if same else None

    def source(self, name: str) -> Record | None:
        key = r.source_key(name)
        if key in self.sources:
            return self.sources[key]
        near = [
            s
            for k, s in sorted(self.sources.items())
            if key and k and (set(key.split()) <= set(k.split()) or set(k.split()) <= set(key.split()))
        ]
        return near[0] if len(near) == 1 else None


# ------------------------------------------------------------------------------------------------------------------ days


def weekdays(start: date, end: date) -> int:
    """Weekdays after ``start`` up to ``end``; negative if ``end`` is earlier. Exchange holidays are not known here (about 9 a year)."""
    if end < start:
        return -weekdays(end, start)
    whole, rest = divmod((end - start).days, 7)
    return whole * 5 + sum((start + timedelta(days=n)).weekday() < 5 for n in range(1, rest + 1))


class _Calendar:
    """Sessions between a day and t; exact for days that a memory is dated with, else weekdays from the nearest such day."""

    def __init__(self, facts: Situation) -> None:
        self.session = facts.session
        self._known = {facts.session: 0}
        for memory in facts.memories:
            if memory.kind.endswith("reflection"):  # these are dated with their own session
                self._known.setdefault(memory.event_day, memory.sessions_ago)

    def ago(self, day: date) -> int:
        if day in self._known:
            return self._known[day]
        anchor = min(self._known, key=lambda k: (abs((k - day).days), k))
        return self._known[anchor] + weekdays(day, anchor)


# ------------------------------------------------------------------------------------------------------------------ folding


def readables(facts: Situation) -> list[Readable]:
    """Every text of the situation, oldest first; own reflections after the market's texts of the same day."""
    found = [_from_memory(memory) for memory in facts.memories]
    found += [_from_text(fact, "news") for fact in facts.news] + [_from_text(fact, "filing") for fact in facts.filings]
    return sorted(found, key=lambda x: (-x.ago, x.form == "reflection", x.day, x.labels))


def _from_text(fact: TextFact, form: r.Form) -> Readable:
    return Readable((fact.label,), form, fact.title, fact.text, fact.publisher, fact.published, 0, True)


def _from_memory(memory: MemoryFact) -> Readable:
    form: r.Form = "reflection" if memory.kind.endswith("reflection") else "filing" if memory.kind.startswith("filing") else "news"
    return Readable(
        (f"M{memory.id}",),
        form,
        memory.title,
        memory.text,
        memory.publisher,
        memory.event_day,
        memory.sessions_ago,
        memory.sessions_ago == 0,
    )


def known(facts: Situation) -> Known:
    """All that the texts of a situation say, folded into one state."""
    state, calendar = Known(), _Calendar(facts)
    verdicts: dict[tuple[str, bool, date], tuple[str, int, tuple[str, ...]]] = {}
    tracks: list[tuple[r.Track, int, tuple[str, ...]]] = []
    texts = readables(facts)
    outlets = _outlets(texts, facts.company)
    company = r.source_key(_LEGAL.sub(" ", facts.company)).split()[:1]
    for text in texts:
        statements = r.read(text.title, text.text, publisher=text.publisher, form=text.form)
        ago, since = text.ago, text.day
        for said in statements:
            if isinstance(said, r.AsOf):
                ago, since = calendar.ago(said.day), said.day
            elif isinstance(said, r.Verdict):
                source = _named_outlet(said.passage, text.publisher, outlets) or said.source
                if company and r.source_key(source).split()[:1] == company:
                    source = ""  # the note was about the company, not by it
                key = (r.source_key(source), said.right, text.day)
                _, _, basis = verdicts.get(key, ("", 0, ()))
                verdicts[key] = (source, ago, _join(basis, text.labels))
            elif isinstance(said, r.Track):
                tracks.append((said, ago, text.labels))
            elif isinstance(said, r.Pending | r.Cancelled | r.Revived):
                _fold_item(state, said, text, ago, calendar)
            else:
                _fold_event(state, said, text, ago, since, facts)
    _fold_sources(state, verdicts, tracks)
    _drop_stale(state)
    return state


def _outlets(texts: Sequence[Readable], company: str) -> dict[str, str]:
    """key -> name of everybody who may have written an earlier note: first those who pass on rumours or have a record, then every
    other publisher, longer names before shorter ones. The company's own releases are no outlet."""
    talkers: set[str] = set()
    found: dict[str, str] = {}
    for text in texts:
        for said in r.read(text.title, text.text, publisher=text.publisher, form=text.form):
            if isinstance(said, r.Rumour | r.Track):
                talkers.add(r.source_key(said.source))
                found[r.source_key(said.source)] = said.source
        if text.form == "news":
            found.setdefault(r.source_key(text.publisher), text.publisher)
    own = r.source_key(_LEGAL.sub(" ", company)).split()[:1]
    keys = sorted((k for k in found if k and k.split()[:1] != own), key=lambda k: (k not in talkers, -len(k), k))
    return {key: found[key] for key in keys}


def _named_outlet(passage: str, publisher: str, outlets: dict[str, str]) -> str:
    """The known outlet that a passage names, other than the one that publishes it."""
    said, own = f" {r.source_key(passage)} ", r.source_key(publisher)
    return next((name for key, name in outlets.items() if key != own and f" {key} " in said), "")


def _join(one: tuple[str, ...], other: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*one, *other]))


def _fold_item(state: Known, said: r.Pending | r.Cancelled | r.Revived, text: Readable, ago: int, calendar: _Calendar) -> None:
    key = r.name_key(said.name)
    item = state.items.setdefault(key, Item(said.name))
    item.heard = ago
    if isinstance(said, r.Revived):
        item.cancelled = False
    elif isinstance(said, r.Cancelled):
        item.cancelled, item.basis = True, _join(item.basis, text.labels)
    elif not item.cancelled:
        due = said.due_in - ago if said.due_in is not None else None
        if said.due_on is not None:
            due = -calendar.ago(said.due_on) if said.due_on <= calendar.session else weekdays(calendar.session, said.due_on)
        if due is not None:
            item.due, item.exact = due, said.exact
        item.direction = said.direction or item.direction
        if said.direction or due is not None:
            item.basis = _join(item.basis, text.labels)


def _fold_event(state: Known, said: r.Statement, text: Readable, ago: int, since: date, facts: Situation) -> None:
    if isinstance(said, r.Exposure):
        day = said.since or since
        for old in state.exposures:
            if old.since == day and old.sign == said.sign and r.same_factor(old.factor, said.factor):
                old.basis = _join(old.basis, text.labels)
                return
        state.exposures.append(Exposure(said.factor, said.sign, day, text.labels))
    elif isinstance(said, r.FactorMove):
        if text.form == "reflection" or not _names_company(text, facts):
            _merge(
                state.moves, Event(said.factor, said.direction, ago + said.sessions_ago, text.day, text.fresh, text.labels), by_factor=True
            )
    elif isinstance(said, r.Surprise) and (text.form != "news" or not facts.company or _names_company(text, facts, said=said.passage)):
        _merge(state.surprises, Event("results", said.direction, ago + said.sessions_ago, text.day, text.fresh, text.labels))
    elif isinstance(said, r.Rumour):
        _merge(state.rumours, Event(said.source, said.direction, ago, text.day, text.fresh, text.labels))
    elif isinstance(said, r.Headline) and _names_company(text, facts, said=text.title):
        _merge(state.headlines, Event(said.phrase, said.direction, ago, text.day, text.fresh, text.labels))


def _merge(events: list[Event], new: Event, *, by_factor: bool = False) -> None:
    """The same event told twice (as today's news and as a memory, or restated in a reflection) counts once."""
    for old in events:
        same = r.same_factor(old.what, new.what) if by_factor else old.what == new.what
        near = abs(old.ago - new.ago) <= (1 if by_factor or new.what == "results" else 0)
        if same and near and old.direction == new.direction:
            old.basis, old.fresh = _join(old.basis, new.basis), old.fresh or new.fresh
            return
    events.append(new)


_LEGAL = re.compile(r"\b(?:inc|corp|corporation|company|co|plc|ltd|holdings|group|the|sa|ag|nv|and)\b\.?", re.IGNORECASE)


def _names_company(text: Readable, facts: Situation, *, said: str = "") -> bool:
    """Whether a text (or what is ``said`` in one place of it) speaks of the company: its name without the legal form, or its ticker."""
    said = said or f"{text.title} {text.text}"
    if facts.ticker and re.search(rf"(?<![\w-]){re.escape(facts.ticker)}(?![\w-])", said):
        return True
    words = _LEGAL.sub(" ", facts.company).replace(",", " ").split()
    return bool(words) and len(words[0]) > 2 and re.search(rf"(?<!\w){re.escape(words[0])}(?!\w)", said) is not None


def _fold_sources(
    state: Known,
    verdicts: dict[tuple[str, bool, date], tuple[str, int, tuple[str, ...]]],
    tracks: Sequence[tuple[r.Track, int, tuple[str, ...]]],
) -> None:
    """A restated record plus the follow-ups after it, or the follow-ups alone, whichever counts more notes."""
    keys = {key[0] for key in verdicts} | {r.source_key(track.source) for track, _, _ in tracks}
    for key in sorted(keys - {""}):
        seen = [(right, *rest) for (name, right, _), rest in sorted(verdicts.items(), key=str) if name == key]
        stated = [(t, ago, labels) for t, ago, labels in tracks if r.source_key(t.source) == key]
        own = [s for s in stated if not s[0].judged]
        start = max(own, key=lambda s: (s[0].total, -s[1])) if own else None
        later = [v for v in seen if start is None or v[2] < start[1]]
        if start is None or len(seen) > start[0].total + len(later):
            start, later = None, seen
        base = start[0] if start else r.Track(seen[0][1] if seen else stated[0][0].source, 0, 0)
        record = Record(base.source, base.right + sum(v[0] for v in later), base.total + len(later))
        record.basis = _join(start[2] if start else (), [label for v in sorted(later, key=lambda v: v[2]) for label in v[3]])
        if not record.total and stated:  # nothing but own experience
            track, _, labels = max(stated, key=lambda s: (-s[1], s[0].total))
            record = Record(track.source, track.right, track.total, True, labels)
        state.sources[key] = record


def _drop_stale(state: Known) -> None:
    state.moves = [e for e in state.moves if 0 <= e.ago < MOVE_SESSIONS]
    state.surprises = [e for e in state.surprises if 0 <= e.ago < SURPRISE_SESSIONS]
    state.rumours = [e for e in state.rumours if e.fresh]
    state.headlines = [e for e in state.headlines if e.fresh]
    state.items = {k: i for k, i in state.items.items() if not (i.cancelled and i.heard > FORGET_SESSIONS)}


# ------------------------------------------------------------------------------------------------------------------ writing


def state_line(state: Known, session: date, *, words: int = 62) -> str:
    """The state in sentences that ``reading.read`` understands, cut to ``words`` words by leaving out the least urgent parts."""
    waiting = [_wait_part(i) for i in state.told()]
    gone = [i.name for i in state.items.values() if i.cancelled and i.name]
    sources = [f"{s.name} right {s.right} of {s.total}" for s in state.sources.values() if s.total and not s.judged]
    recent = [f"{e.what} {'rose' if e.direction > 0 else 'fell'}{_ago(e.ago)}" for e in _relevant_moves(state)]
    recent += [f"results {_PLAN[e.direction]} plan{_ago(e.ago)}" for e in state.surprises[-1:]]
    sections = {"Recent": recent[:3], "Waiting": waiting, "Sources": sources[:5], "Withdrawn": gone[-4:]}
    lines, left = [f"As of {session}."], words - 3
    for head, parts in sections.items():
        kept: list[str] = []
        for part in parts:
            cost = len(part.split()) + (0 if kept else 1)
            if cost <= left and not re.search(r"[;.]\s|[;\n]", part):
                kept.append(part)
                left -= cost
        if kept:
            lines.append(f"{head}: {'; '.join(kept)}.")
    if exposed := _exposure_line(state, left):
        lines.append(exposed)
    return " ".join(lines) if len(lines) > 1 else ""


_EFFECT = {1: ("helps", "help"), -1: ("hurts", "hurt"), 0: ("does not matter", "do not matter")}


def _exposure_line(state: Known, words: int) -> str:
    """What a rise of an outside price does, filing by filing: "cobalt helps, power prices hurt (filed 2022-02-18)"."""
    groups: dict[date, list[str]] = {}
    left = words - 1
    shown = [e for e in _newest_exposures(state) if len(e.factor.split()) <= 3 and not re.search(r"[^\w&' -]", e.factor)]
    for exposure in sorted(shown, key=lambda e: not e.sign)[:EXPOSURES_SHOWN]:
        several = exposure.factor.endswith("s") and not exposure.factor.endswith(("ss", "us", "gas"))
        part = f"{exposure.factor} {_EFFECT[exposure.sign][several]}"
        cost = len(part.split()) + (0 if exposure.since in groups else 2)
        if cost <= left:
            groups.setdefault(exposure.since, []).append(part)
            left -= cost
    told = [f"{', '.join(parts)} (filed {since})" for since, parts in groups.items()]
    return f"Exposure: {'; '.join(told)}." if told else ""


_PLAN = {1: "above", -1: "below", 0: "at"}


def _ago(ago: int) -> str:
    return "" if ago == 0 else f" {ago} session{'' if ago == 1 else 's'} ago"


def _wait_part(item: Item) -> str:
    tone, due, about = "favourable" if item.direction > 0 else "unfavourable", item.due or 0, "" if item.exact else "about "
    sessions = f"{abs(due)} session{'' if abs(due) == 1 else 's'}"
    when = f"due {about}now" if due == 0 else f"due in {about}{sessions}" if due > 0 else f"due {about}{sessions} ago"
    return f"{item.name} ({tone}) {when}"


def _newest_exposures(state: Known) -> list[Exposure]:
    kept: list[Exposure] = []
    for exposure in sorted(reversed(state.exposures), key=lambda e: e.since, reverse=True):
        if not any(r.same_factor(exposure.factor, k.factor) for k in kept):
            kept.append(exposure)
    return kept


def _relevant_moves(state: Known) -> list[Event]:
    """Moves of prices the company is exposed to; the others are noise of the reader."""
    return sorted((e for e in state.moves if state.exposure(e.what)), key=lambda e: (e.ago, e.what))
