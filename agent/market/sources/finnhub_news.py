"""News from Finnhub, for those who have a free key: one year back, and an answer holds about 250 items at most.

Days are asked for in windows; a window whose answer is full is asked for again in halves, down to one day. Of a single day that is still
full only the time from its oldest item on counts as covered.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
from pydantic import BaseModel

from agent.http import Pace
from agent.market.sources.base import Covered, Issue, Place, clipped, gaps, union
from agent.market.sources.news_api import Answer, Item, NewsApi, link_of, moment, text_of

PATH = "api/v1/company-news"
FULL = 240  # items from which on an answer counts as cut; 250 were seen, a few of them twice
REACH = timedelta(days=365)  # of the free plan
WINDOW_DAYS = 370
PACE = Pace(1.02)  # the free plan allows 60 requests a minute


class FinnhubNewsSource(NewsApi):
    """Company news of the last year, by symbol."""

    note = "news: Finnhub, one year back"
    who, base, name = "Finnhub", "https://finnhub.io", "finnhub_news"
    variables = {"finnhub_key": ("X-Finnhub-Token", "RECOLLECT_FINNHUB_KEY")}

    def __init__(self, options: BaseModel, place: Place, *, pace: Pace = PACE) -> None:
        super().__init__(options, place, pace=pace)

    def ask(self, symbol: str, start: datetime, end: datetime) -> Answer:
        """All windows of the part of the range that the plan reaches."""
        reach = self._now().astimezone(UTC) - REACH
        low, issues = max(start, reach), []
        if start < reach:
            message = f"{symbol}: Finnhub's free plan reaches back to {reach:%Y-%m-%d}; nobody has looked at the days before."
            issues.append(Issue("warning", "news", message, symbol, code="no_source"))
        if low >= end:
            return Answer([], (), tuple(issues))
        first, last = (low - timedelta(days=1)).date(), end.date()  # whose midnight its days begin at is not documented
        items: dict[str, Item] = {}
        cut: list[tuple[pd.Timestamp, pd.Timestamp]] = []
        days = WINDOW_DAYS
        while first <= last:
            until = min(first + timedelta(days=days - 1), last)
            found = self._window(symbol, first, until)
            if len(found) >= FULL and until > first:
                days = max(1, ((until - first).days + 1) // 2)
                continue
            if len(found) >= FULL:
                cut.append(_unseen(first, found))
            items |= {item.id or f"{item.published}{item.title}": item for item in found}
            first = until + timedelta(days=1)
            days = min(WINDOW_DAYS, days * 2) if len(found) < FULL // 3 else days
        if cut:
            message = (
                f"{symbol}: on {len(cut)} {'day' if len(cut) == 1 else 'days'} Finnhub had more news than it gives; the oldest is missing."
            )
            rows = tuple(str(low.date()) for low, _ in cut[:5])
            issues.append(Issue("warning", "news", message, symbol, len(cut), rows, code="capped"))
        return Answer(list(items.values()), _without(cut, low, end), tuple(issues))

    def _window(self, symbol: str, first: date, last: date) -> list[Item]:
        answer = self.get(PATH, {"symbol": symbol, "from": first.isoformat(), "to": last.isoformat()})
        if not isinstance(answer, list):
            raise self.garbled("no list")
        return [self._item(row) for row in answer]

    def _item(self, row: Any) -> Item:
        if not isinstance(row, dict):
            raise self.garbled("an item that is no object")
        when = row.get("datetime")
        return Item(
            id=f"finnhub-{row['id']}" if isinstance(row.get("id"), int | str) and row["id"] not in ("", 0) else "",
            published=None if isinstance(when, str) else moment(when),
            title=text_of(row.get("headline")),
            summary=text_of(row.get("summary")),
            publisher=text_of(row.get("source")) or "Finnhub",
            url=link_of(row.get("url")),
        )


def _unseen(day: date, found: list[Item]) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The part of a full day before its oldest item; the whole day and the next where no item has a time."""
    begin = pd.Timestamp(day, tz="UTC")
    times = [pd.Timestamp(item.published) for item in found if item.published is not None]
    return begin, max(min(times), begin + pd.Timedelta(seconds=1)) if times else begin + pd.Timedelta(days=2)


def _without(cut: list[tuple[pd.Timestamp, pd.Timestamp]], low: datetime, high: datetime) -> Covered:
    """[low, high) less what was cut."""
    start, end = pd.Timestamp(low), pd.Timestamp(high)
    return gaps(clipped(union(tuple(cut)), start, end), start, end)
