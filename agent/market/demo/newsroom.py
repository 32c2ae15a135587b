"""From the plan of a company to its news: who writes what, when, and in which words.

Every item carries ``kind`` and ``about`` beside its text. They are for tests that must know what a text means without reading it; no
table served to an agent holds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from agent.market.demo import companies as c
from agent.market.demo import news_wording as w
from agent.market.demo.plan import OutletNote, Plan, Programme, Shock
from agent.market.demo.streams import Phrases, Stream, fill
from agent.market.sessions import Session

NEW_YORK = ZoneInfo("America/New_York")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")


@dataclass(frozen=True)
class Item:
    """One story. ``session`` is the first whose close can use it; ``sign`` is its direction, 0 where it has none."""

    symbol: str
    session: int
    published: datetime
    title: str
    body: str
    publisher: str
    kind: str
    about: str = ""
    sign: int = 0
    n: int = 0


def company_news(seed: int, plan: Plan, sessions: Sequence[Session]) -> list[Item]:
    """All stories about one company, macro items excepted."""
    desk = Desk(seed, plan.firm.symbol, plan.firm.name, sessions)
    items: list[Item] = []
    for programme in plan.programmes:
        items.extend(desk.programme(programme))
    for note in plan.notes:
        items.extend(desk.note(note))
    for session in range(len(sessions)):
        items.extend(desk.chatter(session))
    return [item for item in items if item.session < len(sessions)]


def macro_news(seed: int, macro: Sequence[Shock], sessions: Sequence[Session], symbols: Sequence[str]) -> list[Item]:
    """Every macro story once per symbol, with the same words and the same time."""
    stream = Stream(seed, "macro text")
    times = Stream(seed, "macro times")
    phrases = Phrases(stream)
    items = []
    for shock in macro:
        factor = c.FACTORS[shock.factor]
        plural = not (factor.startswith("the ") or factor == "cobalt")
        title = fill(phrases.draw(w.MACRO_TITLES), {"factor": factor}, sign=shock.sign, plural=plural)
        cause = phrases.draw(w.MACRO_CAUSES[factor][0 if shock.sign > 0 else 1])
        body = f"{cause} {phrases.draw(w.MACRO_BODIES)}"
        publisher = stream.pick(w.MACRO_PUBLISHERS)
        published = publication_time(times, sessions, shock.session)
        kind = "macro_rise" if shock.sign > 0 else "macro_fall"
        items += [Item(s, shock.session, published, title, body, publisher, kind, factor, shock.sign) for s in symbols]
    return items


class Desk:
    """Writes the stories of one company. Words and times come from streams of their own, so that rewording moves no price."""

    def __init__(self, seed: int, symbol: str, name: str, sessions: Sequence[Session]) -> None:
        self.symbol, self.name, self.sessions = symbol, name, sessions
        self.text = Stream(seed, symbol, "text")
        self.times = Stream(seed, symbol, "times")
        self.phrases = Phrases(self.text)

    def programme(self, p: Programme) -> Iterator[Item]:
        """The life of a programme, from announcement to withdrawal or recap."""
        code = {"code": p.code}
        yield self._announcement(p)
        if p.withdrawn is not None:
            body = self._draw(w.WITHDRAWAL_BODIES)
            yield self._story("withdrawal", p.withdrawn, w.WITHDRAWAL_TITLES, body, w.NOTICE_PUBLISHERS, code, about=p.code)
            return
        if p.reminder is not None:
            yield self._reminder(p, p.reminder)
        for session in p.window:
            yield self._window(p, session)
        if p.recap is not None:
            body = self._draw(w.RECAP_BODIES)
            yield self._story("recap", p.recap, w.RECAP_TITLES, body, w.RECAP_PUBLISHERS, code, about=p.code, tone=p.sign)

    def note(self, note: OutletNote) -> Iterator[Item]:
        """What an outlet says about the next session, and the check that follows days later."""
        slots = {"outlet": note.outlet, "when": spoken(self.sessions[note.session].day)}
        kind = "note_up" if note.sign > 0 else "note_down"
        body = self._draw(w.NOTE_BODIES)
        yield self._story(kind, note.session, w.NOTE_TITLES, body, (note.outlet,), slots, about=note.outlet, sign=note.sign)
        if note.follow_up is not None:
            kind, verdict = ("follow_up_right", 1) if note.right else ("follow_up_wrong", -1)
            body = self._draw(w.FOLLOW_UP_BODIES)
            yield self._story(kind, note.follow_up, w.FOLLOW_UP_TITLES, body, w.REVIEW_PUBLISHERS, slots, about=note.outlet, sign=verdict)

    def chatter(self, session: int) -> Iterator[Item]:
        """Loud stories without content."""
        for _ in range(int(c.DISTRACTORS_PER_DAY + self.text.uniform())):
            kind = self.text.pick(tuple(w.DISTRACTORS))
            titles, bodies = w.DISTRACTORS[kind]
            body = f"{self._draw(bodies)} {self._draw(w.CLOSERS)}".strip()
            adjective = {"adj": self.text.pick(self.text.pick(w.ADJECTIVES))}
            yield self._story(kind, session, titles, body, w.CHATTER_PUBLISHERS, adjective)

    def _announcement(self, p: Programme) -> Item:
        parts = [self._draw(w.OUTLOOKS), self._draw(w.DUE_SENTENCES)]
        if self.text.chance(0.3):
            parts.reverse()
        if self.text.chance(0.5):
            parts.append(self._draw(w.RELEASES))
        kind = "programme_good" if p.sign > 0 else "programme_bad"
        n = p.due - p.announced
        slots = {"code": p.code, "n": n}
        return self._story(
            kind, p.announced, w.PROGRAMME_TITLES, " ".join(parts), w.COMPANY_PUBLISHERS, slots, about=p.code, sign=p.sign, n=n
        )

    def _reminder(self, p: Programme, session: int) -> Item:
        """Repeats the date; for half of the far ones the outlook too."""
        body, kind, sign, n = self._draw(w.REMINDER_BODIES), "reminder", 0, p.due - session
        if p.restated:
            body, sign = f"{body} {self._draw(w.RESTATEMENTS)}", p.sign
            kind = "reminder_good" if p.sign > 0 else "reminder_bad"
        slots = {"code": p.code, "n": n}
        return self._story(kind, session, w.REMINDER_TITLES, body, w.COMPANY_PUBLISHERS, slots, about=p.code, sign=sign, n=n)

    def _window(self, p: Programme, session: int) -> Item:
        """Says that the outcome is due, or still coming in, and nothing about its direction."""
        day = session - p.due + 1
        kind, titles, bodies = (
            ("window_open", w.WINDOW_OPEN_TITLES, w.WINDOW_OPEN_BODIES)
            if day == 1
            else ("window_day", w.WINDOW_DAY_TITLES, w.WINDOW_DAY_BODIES)
        )
        slots = {"code": p.code, "day": day, "left": c.PROGRAMME_SESSIONS + 1 - day}
        return self._story(kind, session, titles, self._draw(bodies), w.NOTICE_PUBLISHERS, slots, about=p.code)

    def _draw(self, table: Sequence[str]) -> str:
        return self.phrases.draw(table)

    def _story(
        self,
        kind: str,
        session: int,
        titles: Sequence[str],
        body: str,
        publishers: Sequence[str],
        slots: Mapping[str, object],
        *,
        about: str = "",
        sign: int = 0,
        tone: int = 0,
        n: int = 0,
    ) -> Item:
        """``sign`` is what the story says; ``tone`` colours the words of one that says nothing (a recap)."""
        slots = {"name": self.name, **slots}
        direction = tone or sign or 1
        title = fill(_article(self._draw(titles), slots), slots, sign=direction)
        text = fill(_article(body, slots), slots, sign=direction)
        publisher = self.text.pick(publishers)
        last = len(self.sessions) - 1  # stories past the last session get some time and are dropped by company_news
        published = publication_time(self.times, self.sessions, min(session, last))
        return Item(self.symbol, session, published, title, text, publisher, kind, about, sign, n)


def publication_time(stream: Stream, sessions: Sequence[Session], session: int) -> datetime:
    """A time after the close of the session before and at least ten minutes before the close of ``session``."""
    here = sessions[session]
    before = sessions[session - 1].day if session else None
    moment = stream.uniform()
    weekend = stream.uniform() < 0.3
    if before and weekend and (here.day - before).days > 2:
        return _clock(here.day - timedelta(days=1), stream.whole(9 * 60, 18 * 60))
    if moment < 0.40 or before is None:
        return _clock(here.day, stream.whole(7 * 60, 9 * 60 + 20))
    if moment < 0.70:
        length = int((here.close_at - here.open_at).total_seconds() // 60)
        return here.open_at + timedelta(minutes=stream.whole(5, length - 10))
    return _clock(before, stream.whole(16 * 60 + 5, 21 * 60))


def spoken(day: date) -> str:
    """3 March 2021, in the same words whatever the locale."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _clock(day: date, minutes: int) -> datetime:
    """New York wall clock, as UTC."""
    return datetime.combine(day, time(minutes // 60, minutes % 60), NEW_YORK).astimezone(UTC)


def _article(template: str, slots: Mapping[str, object]) -> str:
    """ "a {adj}" becomes "an {adj}" in front of a vowel."""
    if str(slots.get("adj", ""))[:1] in "aeiou" and slots.get("adj"):
        return template.replace("a {adj}", "an {adj}").replace("A {adj}", "An {adj}")
    return template
