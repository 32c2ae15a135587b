"""News from Alpaca's data API (Benzinga, from 2015), for those who have a free key.

``created_at`` is the time of publication. ``updated_at`` may be later, and only the edited text is served: an item is therefore readable
from its last edit, which can be too late but never too early. The service selects by the time of the edit, so that a range asked for
again later may lack an item that was edited in between; what the cache holds stays as it was.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from pydantic import BaseModel

from agent.http import Pace
from agent.market.sources.base import Place
from agent.market.sources.news_api import Answer, Item, NewsApi, link_of, moment, text_of

PATH = "v1beta1/news"
PAGE = 50  # the most it gives at once
MAX_PAGES = 4_000
FIRST = datetime(2015, 1, 1, tzinfo=UTC)
PACE = Pace(0.31)  # the free plan allows 200 requests a minute


class AlpacaNewsSource(NewsApi):
    """Company news from 2015 on, by symbol."""

    note = "news: Benzinga through Alpaca; an edited item counts from its last edit"
    who, base, name = "Alpaca", "https://data.alpaca.markets", "alpaca_news"
    variables = {
        "alpaca_key_id": ("APCA-API-KEY-ID", "RECOLLECT_ALPACA_KEY_ID"),
        "alpaca_secret_key": ("APCA-API-SECRET-KEY", "RECOLLECT_ALPACA_SECRET_KEY"),
    }

    def __init__(self, options: BaseModel, place: Place, *, pace: Pace = PACE) -> None:
        super().__init__(options, place, pace=pace)

    def ask(self, symbol: str, start: datetime, end: datetime) -> Answer:
        """All pages of the range; covered once the last one was read."""
        start = max(start, FIRST)
        if start >= end:
            return Answer([], ())
        since = start - timedelta(minutes=10)  # readable some minutes after it was published
        asked = {"symbols": symbol, "start": _stamp(since), "end": _stamp(end), "limit": PAGE, "sort": "asc"}
        items: list[Item] = []
        tokens: set[str] = set()
        for _ in range(MAX_PAGES):
            answer = self.get(PATH, asked)
            if not isinstance(answer, dict) or not isinstance(answer.get("news"), list):
                raise self.garbled("no list of news")
            items += [self._item(row) for row in answer["news"]]
            token = answer.get("next_page_token")
            if not token:
                return Answer(items, ((pd.Timestamp(start), pd.Timestamp(end)),))
            if not isinstance(token, str) or token in tokens:
                raise self.garbled("a page that leads to itself")
            tokens.add(token)
            asked["page_token"] = token
        raise self.garbled(f"more than {MAX_PAGES} pages")

    def _item(self, row: Any) -> Item:
        if not isinstance(row, dict):
            raise self.garbled("an item that is no object")
        return Item(
            id=f"alpaca-{row['id']}" if isinstance(row.get("id"), int | str) and row["id"] != "" else "",
            published=moment(row.get("created_at")) if isinstance(row.get("created_at"), str) else None,
            changed=moment(row.get("updated_at")) if isinstance(row.get("updated_at"), str) else None,
            title=text_of(row.get("headline")),
            summary=text_of(row.get("summary")),
            publisher=text_of(row.get("source")) or "Alpaca",
            url=link_of(row.get("url")),
        )


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
