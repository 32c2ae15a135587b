"""What will happen to a company, before a word of it is written: programmes, notes, reports and the drift each one causes.

Sessions are numbers 0, 1, 2 ... A text of session t can be used by the decision at the close of t; the drift it points to starts in
session t + 1 or later and lies between open and close, so deciding at the close and before the next open are served alike.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from agent.market.demo import companies as c
from agent.market.demo.streams import Stream
from agent.market.sessions import Session

QUARTERS = ((3, 31, 5, 6), (6, 30, 8, 5), (9, 30, 11, 4), (12, 31, 2, 18))  # end of period, day of filing


@dataclass(frozen=True)
class Programme:
    """Effect A: announced with its direction and due date; drift from the session after it is due, unless withdrawn before."""

    code: str
    sign: int
    announced: int
    due: int
    withdrawn: int | None = None
    reminder: int | None = None
    restated: bool = False
    window: tuple[int, ...] = ()
    recap: int | None = None

    def pending(self, session: int) -> bool:
        return self.announced <= session < self.due and not (self.withdrawn is not None and self.withdrawn <= session)


@dataclass(frozen=True)
class OutletNote:
    """Effect B: what an outlet says in session t about session t + 1, and when somebody checks it."""

    session: int
    outlet: str
    sign: int
    right: bool
    follow_up: int | None


@dataclass(frozen=True)
class Shock:
    """Effect C: a factor moves for everybody; what it means for a company stands in its last annual report."""

    session: int
    factor: int
    sign: int


@dataclass(frozen=True)
class Report:
    """Effect D, and the home of exposures: accepted after the close of ``filed``, usable one session later."""

    form: str
    period_end: date
    filed: int
    surprise: int
    revenue: float
    eps: float
    exposures: tuple[int, ...] = ()
    change: str = ""

    @property
    def usable(self) -> int:
        return self.filed + 1


@dataclass(frozen=True)
class Plan:
    firm: c.Firm
    programmes: tuple[Programme, ...]
    notes: tuple[OutletNote, ...]
    reports: tuple[Report, ...]
    drift: dict[str, list[float]]


def shocks(seed: int, count: int) -> tuple[Shock, ...]:
    """The macro events of the whole market."""
    stream = Stream(seed, "macro")
    return tuple(Shock(t, stream.whole(0, 3), stream.sign()) for t in range(1, count) if stream.chance(c.MACRO_RATE))


def plan_company(seed: int, firm: c.Firm, sessions: Sequence[Session], macro: Sequence[Shock]) -> Plan:
    count = len(sessions)
    programmes = _programmes(Stream(seed, firm.symbol, "programmes"), count)
    notes, orders = _notes(Stream(seed, firm.symbol, "notes"), count)
    reports = _reports(Stream(seed, firm.symbol, "reports"), firm, sessions)
    drift = {
        "A": _sum(count, [(p.due + 1, c.PROGRAMME_SESSIONS, p.sign * c.PROGRAMME_DRIFT) for p in programmes if p.withdrawn is None]),
        "B": _sum(count, [(t + 1, 1, sign * c.NOTE_DRIFT) for t, sign in orders]),
        "C": _sum(
            count,
            [(s.session + 1, c.MACRO_SESSIONS, s.sign * exposures(reports, s.session)[s.factor] * c.MACRO_DRIFT) for s in macro],
        ),
        "D": _sum(count, [(r.usable + 1, c.SURPRISE_SESSIONS, r.surprise * c.SURPRISE_DRIFT) for r in reports]),
    }
    return Plan(firm, programmes, notes, reports, drift)


def exposures(reports: Sequence[Report], session: int) -> tuple[int, ...]:
    """Signs per factor by the last annual report usable in ``session``; before the first one nobody can know them, so there are none."""
    annual = [r.exposures for r in reports if r.form == "10-K" and r.usable <= session]
    return annual[-1] if annual else (0,) * len(c.FACTORS)


def _programmes(stream: Stream, count: int) -> tuple[Programme, ...]:
    found: list[Programme] = []
    used: set[str] = set()
    for session in range(1, count):
        if stream.chance(c.PROGRAMME_RATE):
            found.append(_programme(stream, session, _new_code(stream, used)))
    return tuple(found)


def _new_code(stream: Stream, used: set[str]) -> str:
    while True:
        code = f"{stream.pick(c.CODES)}-{stream.whole(2, 98)}"
        if code not in used:
            used.add(code)
            return code


def _programme(stream: Stream, announced: int, code: str) -> Programme:
    sign = stream.sign()
    lag = stream.whole(*(c.NEAR_LAGS if stream.chance(c.NEAR_SHARE) else c.FAR_LAGS))
    due = announced + lag
    if stream.chance(c.WITHDRAWN_SHARE):
        return Programme(code, sign, announced, due, withdrawn=announced + stream.whole(2, lag - 2))
    far = lag >= c.FAR_LAGS[0]
    reminder = due - stream.whole(2, 5) if far or (lag >= 8 and stream.chance(c.REMINDER_SHARE)) else None
    restated = far and stream.chance(c.RESTATED_SHARE)
    window = [due] if stream.chance(c.WINDOW_OPEN_SHARE) else []
    window += [due + day for day in range(1, c.PROGRAMME_SESSIONS) if stream.chance(c.WINDOW_DAY_SHARE)]
    recap = due + c.PROGRAMME_SESSIONS + stream.whole(2, 25) if stream.chance(c.RECAP_SHARE) else None
    return Programme(code, sign, announced, due, None, reminder, restated, tuple(window), recap)


def _notes(stream: Stream, count: int) -> tuple[tuple[OutletNote, ...], list[tuple[int, int]]]:
    """The notes, and (session, sign) of the order news behind them."""
    notes: list[OutletNote] = []
    orders: list[tuple[int, int]] = []
    for session in range(1, count - 1):
        if not stream.chance(c.NOTE_DAYS):
            continue
        truth = stream.sign()
        orders.append((session, truth))
        for outlet, accuracy in c.OUTLETS.items():
            if stream.chance(c.OUTLET_PUBLISHES):
                right = stream.chance(accuracy)
                follow_up = session + stream.whole(3, 6) if stream.chance(c.FOLLOW_UP_SHARE) else None
                notes.append(OutletNote(session, outlet, truth if right else -truth, right, follow_up))
    return tuple(notes), orders


def _reports(stream: Stream, firm: c.Firm, sessions: Sequence[Session]) -> tuple[Report, ...]:
    days = [session.day for session in sessions]
    reports: list[Report] = []
    revenue = 400.0 * (1 + stream.uniform())
    for year in range(days[0].year - 1, days[-1].year + 1):
        for quarter, (month, day, filed_month, filed_day) in enumerate(QUARTERS):
            annual = quarter == 3
            filing_day = date(year + annual, filed_month, filed_day)
            filed = bisect_left(days, filing_day)
            if filing_day < days[0] or filed >= len(days) - 1:
                continue
            surprise = (1, 0, -1)[stream.whole(0, 2)]
            revenue *= 1 + 0.01 + 0.02 * surprise + 0.01 * stream.normal()
            eps = revenue / 400 * (1 + 0.1 * surprise)
            row = year + 1 - days[0].year if annual else -1
            exposed, change = (firm.exposures[row], firm.changes[row]) if annual else ((), "")
            reports.append(Report("10-K" if annual else "10-Q", date(year, month, day), filed, surprise, revenue, eps, exposed, change))
    return tuple(reports)


def _sum(count: int, spells: Sequence[tuple[int, int, float]]) -> list[float]:
    """Drift per session from spells of (first session, length, drift)."""
    total = [0.0] * count
    for first, length, drift in spells:
        for session in range(first, min(first + length, count)):
            total[session] += drift
    return total
