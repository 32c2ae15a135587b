"""The Data page on the day itself: nothing is shown as known at a close that has not come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from agent.market.sessions import Calendar
from services.settings import settings
from tests.pages.test_data_page import words
from tests.stand_ins.yahoo import YahooStandIn
from ui import data_market


@pytest.fixture
def home(tmp_path, monkeypatch) -> Iterator[None]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    data_market.look_again()
    yield
    settings.cache_clear()
    data_market.look_again()


def test_a_day_that_has_not_closed_yet_shows_the_last_completed_session_and_says_so(home, open_page, monkeypatch):
    with YahooStandIn() as yahoo:
        monkeypatch.setenv("RECOLLECT_YAHOO_URL", yahoo.url)
        settings.cache_clear()
        calendar, now = Calendar(), datetime.now(UTC)
        closed = calendar.last_closed(now)
        ahead = calendar.next_session(calendar.next_session(closed.day).day).day
        first = calendar.previous_session(calendar.previous_session(closed.day).day).day
        at = open_page("data", source="yahoo", tickers="AAPL", day=str(ahead), **{"from": str(first), "to": str(ahead)})
        assert f"The session of {ahead} ({ahead:%A}) has not closed yet; this is the last completed one, {closed.day}" in words(at)
        assert f"Knowledge ends at the close of {closed.day:%a %Y-%m-%d}" in words(at)
