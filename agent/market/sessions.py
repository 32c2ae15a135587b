"""The exchange calendar: which days trade, and when each one opens and closes to the minute, early closes included.

Promise: the same answer on every machine and on every day it is asked. The library's own default reaches 20 years back and one year
past *today*; ours has fixed ends, so that a run repeated next year sees the same sessions.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple

from agent.errors import NoData, SpecError

FIRST = "1990-01-01"
LAST = "2039-12-31"


class Session(NamedTuple):
    """One day with trading; times are aware UTC."""

    day: date
    open_at: datetime
    close_at: datetime


class Calendar:
    """The sessions of one exchange, 1990 to 2039. Building it takes about a second the first time and nothing after that."""

    def __init__(self, exchange: str = "XNYS") -> None:
        self.exchange = exchange
        self._sessions = _load(exchange)
        self._days = [session.day for session in self._sessions]
        self._closes = [session.close_at for session in self._sessions]

    @property
    def zone(self) -> str:
        """The exchange's own time zone, such as America/New_York."""
        return _zone(self.exchange)

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self._position(day) is not None

    def sessions(self, start: date, end: date) -> list[Session]:
        """The sessions from ``start`` to ``end``, both included. A range without any is NoData."""
        if start > end:
            raise SpecError(f"The start {start} is after the end {end}; swap them.", field="start")
        found = self._sessions[bisect_left(self._days, start) : bisect_right(self._days, end)]
        if not found:
            raise NoData(f"{self.exchange} has no trading session {_between(start, end)}; choose a range with at least one trading day.")
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

    def count(self, a: date, b: date) -> int:
        """Sessions passed between two days: those in (a, b]. Friday to Monday is 1; negative where b lies before a."""
        return bisect_right(self._days, b) - bisect_right(self._days, a)

    def _position(self, day: date) -> int | None:
        position = bisect_left(self._days, day)
        return position if position < len(self._days) and self._days[position] == day else None

    def _at(self, position: int, after: date | datetime) -> Session:
        if position >= len(self._sessions):
            raise NoData(f"The {self.exchange} calendar ends on {self._days[-1]}; there is no session after {after}.")
        return self._sessions[position]


def aware(moment: datetime) -> datetime:
    """``moment`` in UTC; a naive time is a SpecError, because guessing its zone has cost others hours of look-ahead."""
    if moment.tzinfo is None:
        raise SpecError(f"The time {moment.isoformat()} has no time zone; say which one it is in.")
    return moment.astimezone(UTC)


@contextmanager
def quiet_pandas() -> Iterator[None]:
    """Silences pandas' notices about pandas 4, which exchange_calendars 4.13 sets off by the dozen."""
    import pandas as pd

    notice = getattr(pd.errors, "Pandas4Warning", FutureWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", notice)
        yield


@lru_cache(maxsize=8)
def _load(exchange: str) -> tuple[Session, ...]:
    with quiet_pandas():
        from exchange_calendars import get_calendar
        from exchange_calendars.errors import InvalidCalendarName

        try:
            calendar = get_calendar(exchange, start=FIRST, end=LAST)
        except InvalidCalendarName as error:
            raise SpecError(
                f"Unknown exchange {exchange!r}; use its four-letter code, such as XNYS for New York.", field="exchange"
            ) from error
        opens, closes = calendar.opens, calendar.closes
        return tuple(
            Session(label.date(), open_at.to_pydatetime().astimezone(UTC), close_at.to_pydatetime().astimezone(UTC))
            for label, open_at, close_at in zip(opens.index, opens, closes, strict=True)
        )


@lru_cache(maxsize=32)
def _zone(exchange: str) -> str:
    with quiet_pandas():
        from exchange_calendars import get_calendar

        return str(get_calendar(exchange, start="2024-01-01", end="2024-02-01").tz)


def _between(start: date, end: date) -> str:
    return f"on {start} ({start:%A})" if start == end else f"from {start} to {end}"
