"""The exchange calendar: which days trade, and when each one opens and closes to the minute, early closes included.

Promise: the same answer on every machine and on every day it is asked. The library's own default reaches 20 years back and one year
past *today*; ours has fixed ends, so that a run repeated next year sees the same sessions. Some exchanges are known for fewer years
(Tokyo from 1997, Shanghai's holidays only as far as they are announced); ``first`` and ``last`` say which.

An exchange is worked out once per process, whoever asks and however often.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from agent.errors import NoData, SpecError

FIRST = "1990-01-01"
LAST = "2039-12-31"
MARGIN = timedelta(minutes=30)  # after the close, until a data provider's bar of the day is whole


class Session(NamedTuple):
    """One day with trading; times are aware UTC."""

    day: date
    open_at: datetime
    close_at: datetime


@dataclass(frozen=True)
class Almanac:
    """What is known of one exchange; ``closes`` and ``days`` run parallel to ``sessions`` and are what a Calendar bisects."""

    sessions: tuple[Session, ...]
    days: tuple[date, ...]
    closes: tuple[datetime, ...]
    positions: dict[date, int]
    zone: ZoneInfo


class Calendar:
    """The sessions of one exchange, at most 1990 to 2039. The first one of an exchange takes about half a second, the next ones nothing."""

    def __init__(self, exchange: str = "XNYS") -> None:
        self.exchange = exchange
        self._almanac = _load(exchange)
        self._sessions = self._almanac.sessions
        self._days = self._almanac.days
        self._closes = self._almanac.closes

    @property
    def zone(self) -> str:
        """The exchange's own time zone, such as America/New_York."""
        return self._almanac.zone.key

    @property
    def first(self) -> date:
        """The first session that is known."""
        return self._days[0]

    @property
    def last(self) -> date:
        """The last session that is known."""
        return self._days[-1]

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self._position(day) is not None

    def sessions(self, start: date, end: date) -> list[Session]:
        """The sessions from ``start`` to ``end``, both included. A range without any is NoData."""
        if start > end:
            raise SpecError(f"The start {start} is after the end {end}; swap them.", field="start")
        found = self._sessions[bisect_left(self._days, start) : bisect_right(self._days, end)]
        if not found:
            known = f" (its calendar reaches from {self.first} to {self.last})" if end < self.first or start > self.last else ""
            raise NoData(
                f"{self.exchange} has no trading session {_between(start, end)}{known}; choose a range with at least one trading day."
            )
        return list(found)

    def session(self, day: date) -> Session:
        """The session of ``day``; a day without trading is NoData."""
        position = self._position(day)
        if position is None:
            raise NoData(f"{day} ({day:%A}) is not a trading session of {self.exchange}.")
        return self._sessions[position]

    def next_session(self, day: date) -> Session:
        """The first session after ``day``."""
        return self._at(bisect_right(self._days, day), day)

    def previous_session(self, day: date) -> Session:
        """The last session before ``day``."""
        position = bisect_left(self._days, day) - 1
        if position < 0:
            raise NoData(f"The {self.exchange} calendar starts on {self._days[0]}; there is no session before {day}.")
        return self._sessions[position]

    def session_of(self, available_at: datetime) -> date:
        """The session at whose close something readable at ``available_at`` can first be used: the first close at or after it."""
        return self._at(bisect_left(self._closes, aware(available_at)), available_at).day

    def last_closed(self, moment: datetime) -> Session | None:
        """The newest session whose close is at or before ``moment``."""
        position = bisect_right(self._closes, aware(moment)) - 1
        return self._sessions[position] if position >= 0 else None

    def completed(self, now: datetime, margin: timedelta = MARGIN) -> Session | None:
        """The newest session whose bar is whole at ``now``: it closed at least ``margin`` ago. A range that reaches further is cut here."""
        return self.last_closed(aware(now) - margin)

    def end_of_day(self, day: date) -> datetime:
        """The midnight, by the exchange's own clock, at which ``day`` ends (UTC): when a text that carries only a date is surely out."""
        return datetime.combine(day + timedelta(days=1), time(), self._almanac.zone).astimezone(UTC)

    def moment(self, local: datetime) -> datetime:
        """A time read off a clock at the exchange, in UTC. An hour that the clocks show twice or never is a SpecError, not a guess."""
        return on_the_clock(local, self._almanac.zone)

    def count(self, a: date, b: date) -> int:
        """Sessions passed between two days: those in (a, b]. Friday to Monday is 1; negative where b lies before a."""
        return bisect_right(self._days, b) - bisect_right(self._days, a)

    def _position(self, day: date) -> int | None:
        return self._almanac.positions.get(day)

    def _at(self, position: int, after: date | datetime) -> Session:
        if position >= len(self._sessions):
            raise NoData(f"The {self.exchange} calendar ends on {self._days[-1]}; there is no session after {after}.")
        return self._sessions[position]


def aware(moment: datetime) -> datetime:
    """``moment`` in UTC; a naive time is a SpecError, because guessing its zone has cost others hours of look-ahead."""
    if moment.tzinfo is None:
        raise SpecError(f"The time {moment.isoformat()} has no time zone; say which one it is in.")
    return moment.astimezone(UTC)


def on_the_clock(local: datetime, zone: ZoneInfo) -> datetime:
    """The naive time ``local`` of ``zone`` in UTC. In autumn one hour comes twice and in spring one never: a SpecError says so."""
    if local.tzinfo is not None:
        raise SpecError(f"The time {local.isoformat()} carries a zone already; only a time without one can be read in {zone.key}.")
    early, late = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early == late:
        return early
    times = "twice" if early < late else "never"
    raise SpecError(f"On {local:%Y-%m-%d} the clocks of {zone.key} show {local:%H:%M} {times}; write the time with its offset from UTC.")


@contextmanager
def quiet_pandas() -> Iterator[None]:
    """Silences pandas' notices about pandas 4, which exchange_calendars 4.13 sets off by the dozen."""
    import pandas as pd

    notice = getattr(pd.errors, "Pandas4Warning", FutureWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", notice)
        yield


@lru_cache(maxsize=64)
def _load(exchange: str) -> Almanac:
    with quiet_pandas():
        from exchange_calendars.errors import InvalidCalendarName

        try:
            calendar = _whole(exchange)
        except InvalidCalendarName as error:
            raise SpecError(
                f"Unknown exchange {exchange!r}; use its four-letter code, such as XNYS for New York.", field="exchange"
            ) from error
        except (NotImplementedError, ValueError) as error:  # exchange_calendars 4.13 cannot build Athens (ASEX) on pandas 3
            raise SpecError(
                f"The calendar of {exchange} cannot be worked out ({error}); run tickers of another exchange.", field="exchange"
            ) from error
        opens, closes = calendar.opens, calendar.closes
        sessions = tuple(
            Session(label.date(), open_at.to_pydatetime().astimezone(UTC), close_at.to_pydatetime().astimezone(UTC))
            for label, open_at, close_at in zip(opens.index, opens, closes, strict=True)
        )
    days = tuple(session.day for session in sessions)
    positions = {day: position for position, day in enumerate(days)}
    return Almanac(sessions, days, tuple(s.close_at for s in sessions), positions, ZoneInfo(str(calendar.tz)))


def _whole(exchange: str) -> Any:
    """The library's calendar between our ends, or between its own where it knows fewer years (it says so with a bare ValueError)."""
    from exchange_calendars import get_calendar

    try:
        return get_calendar(exchange, start=FIRST, end=LAST)
    except ValueError:
        some = get_calendar(exchange)
        low, high = some.bound_min(), some.bound_max()
        return get_calendar(exchange, start=max(FIRST, f"{low or FIRST!s:.10}"), end=min(LAST, f"{high or LAST!s:.10}"))


def _between(start: date, end: date) -> str:
    return f"on {start} ({start:%A})" if start == end else f"from {start} to {end}"
