"""Which days' whole traces go into a report: all, the worst, or days that a person names.

The tables, charts and figures of a report are always of the whole run; only traces, which are most of its size, are chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import pandas as pd

from agent.errors import SpecError
from services import annotations, queries

MANY_DAYS = 400  # ticker-days; above that all traces make a file that browsers open slowly
WORST = 10

Day = tuple[str, date]  # ticker, session


@dataclass(frozen=True)
class Choice:
    """``all``, the ``worst`` few, or ``days`` named one by one (of every ticker that has them)."""

    which: Literal["all", "worst", "days"] = "all"
    worst: int = WORST
    days: tuple[date, ...] = ()

    @property
    def words(self) -> str:
        """For the reader of the report."""
        if self.which == "all":
            return "all days"
        beside = ", and the days with a note, tag or bookmark"
        if self.which == "worst":
            return f"the {self.worst} test days that lost most against buy and hold, each with the session before it{beside}"
        return f"{len(self.days)} chosen day{'s' * (len(self.days) != 1)}{beside}"


def default(run: str) -> Choice:
    """All days of a run of ordinary length, else the worst."""
    return Choice() if queries.run(run).done <= MANY_DAYS else Choice("worst")


def read(text: str) -> Choice:
    """``all``, ``worst``, ``worst:25`` or ISO dates with commas between; SpecError for anything else."""
    word = text.strip().lower()
    if word == "all":
        return Choice()
    name, _, number = word.partition(":")
    if name == "worst":
        if number and (not number.isdigit() or not 1 <= int(number) <= 100_000):
            raise SpecError(f"--days worst:{number} is not a number of days; write worst:25", field="days")
        return Choice("worst", int(number or WORST))
    try:
        days = tuple(sorted({date.fromisoformat(part.strip()) for part in word.split(",") if part.strip()}))
    except ValueError:
        raise SpecError(
            f"--days takes all, worst, worst:25 or ISO dates such as 2025-01-02,2025-01-03, not {text!r}", field="days"
        ) from None
    if not days:
        raise SpecError("--days names no day; write all, worst:25 or ISO dates", field="days")
    return Choice("days", days=days)


def chosen(run: str, choice: Choice, rows: Mapping[str, pd.DataFrame]) -> list[Day]:
    """The days of the choice in order, by day, then ticker. ``rows`` are ``queries.days`` of each ticker."""
    there = {ticker: list(frame["day"]) for ticker, frame in rows.items() if len(frame)}
    if choice.which == "all":
        return sorted(((ticker, day) for ticker, days in there.items() for day in days), key=_order)
    found = {(ticker, day) for ticker, day in _noted(run) if day in set(there.get(ticker, ()))}
    if choice.which == "days":
        wanted = set(choice.days)
        named = {(ticker, day) for ticker, days in there.items() for day in days if day in wanted}
        if missing := sorted(wanted - {day for _, day in named}):
            raise SpecError(f"{missing[0]} is not a recorded session of this run; name days as the table of days lists them", field="days")
        return sorted(found | named, key=_order)
    for ticker, day in worst(run, tuple(there), choice.worst):
        at = there[ticker].index(day)
        found |= {(ticker, there[ticker][place]) for place in (at - 1, at) if place >= 0}
    return sorted(found, key=_order)


def worst(run: str, tickers: tuple[str, ...], count: int) -> list[Day]:
    """The test days that lost most against buy and hold (difference of the two daily returns), worst first."""
    losses: list[tuple[float, date, str]] = []
    for ticker in tickers:
        frame = queries.equity(run, ticker)
        gaps = frame["equity"].pct_change() - frame["benchmark"].pct_change()
        losses += [(float(gap), day, ticker) for gap, day in zip(gaps, frame["day"], strict=True) if gap < 0]
    return [(ticker, day) for _, day, ticker in sorted(losses)[:count]]


def _noted(run: str) -> set[Day]:
    return {(item.place.ticker, item.place.day) for item in annotations.of_run(run) if item.place.day is not None}


def _order(item: Day) -> tuple[date, str]:
    return item[1], item[0]
