"""The as-of window: nothing that became known after the cutoff comes out of it."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import NoData, SpecError
from agent.market import tables
from agent.market.indicators import price_state
from agent.market.sessions import Calendar
from agent.market.sources.base import TABLES, Fetched, Listing, Local
from agent.market.view import Market

XNYS = Calendar()
DAYS = [s.day for s in XNYS.sessions(date(2024, 11, 20), date(2025, 1, 31))]
START, END = DAYS[0], DAYS[-1]
SPLIT_DAY, DIVIDEND_DAY = date(2024, 12, 18), date(2024, 12, 30)


class TableSource(Local):
    """Serves the frames it is given; knows two tickers."""

    provides = frozenset(TABLES)
    note = "made up"

    def __init__(self, **frames: pd.DataFrame) -> None:
        self.frames = {table: tables.conform(table, frame)[0] for table, frame in frames.items()}

    def listings(self) -> list[Listing]:
        return [Listing("AAA", "Alpha Works", first=START, last=END), Listing("BBB", first=START, last=END)]

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        frame = self.frames.get(table, tables.empty(table))
        column = tables.DAY_COLUMN.get(table, "available_at")
        when = pd.to_datetime(frame[column], utc=True).dt.tz_localize(None)
        inside = (frame["symbol"] == symbol) & (when >= pd.Timestamp(start)) & (when < pd.Timestamp(end))
        return Fetched(frame[inside].reset_index(drop=True))

    def fingerprint(self) -> str:
        return "f"


def bars(days=DAYS, symbol="AAA", split=True) -> pd.DataFrame:
    close = [300.0 + i if split and day < SPLIT_DAY else 100.0 + i for i, day in enumerate(days)]
    frame = {"symbol": symbol, "date": pd.to_datetime(days), "close": close, "open": [c - 0.5 for c in close]}
    return pd.DataFrame(frame).assign(high=lambda f: f["close"] + 1, low=lambda f: f["open"] - 1, volume=1000)


def news(stamps) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "symbol": "AAA",
            "id": [f"n{i}" for i in range(len(stamps))],
            "published_at": pd.to_datetime([s - timedelta(minutes=5) for s in stamps], utc=True),
            "title": [f"headline {s.isoformat()}" for s in stamps],
            "available_at": pd.to_datetime(stamps, utc=True),
        }
    )


def filings(stamps) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "symbol": "AAA",
            "accession": [f"a{i}" for i in range(len(stamps))],
            "form": "10-Q",
            "section": "part1_item_2",
            "text": [f"report {s.isoformat()}" for s in stamps],
            "available_at": pd.to_datetime(stamps, utc=True),
        }
    )


STAMPS = [XNYS.session(day).close_at + timedelta(seconds=second) for day in DAYS for second in (-1, 0, 1)]


def market(**changed) -> Market:
    frames = {
        "bars": bars(),
        "splits": pd.DataFrame({"symbol": ["AAA"], "ex_date": [pd.Timestamp(SPLIT_DAY)], "ratio": [3.0]}),
        "dividends": pd.DataFrame({"symbol": ["AAA"], "ex_date": [pd.Timestamp(DIVIDEND_DAY)], "amount": [0.5]}),
        "news": news(STAMPS),
        "filings": filings(STAMPS[::7]),
    }
    return Market.load(TableSource(**{**frames, **changed}), ["AAA"], start=START, end=END, calendar=XNYS)


MARKET = market()


def close(day: date) -> datetime:
    return XNYS.session(day).close_at


def test_an_item_one_second_after_the_close_is_not_there_and_at_the_close_it_is():
    day = date(2024, 11, 29)  # closes at 13:00 New York
    stamps = [item.available_at for item in MARKET.view(close(day)).news("AAA")]
    assert close(day) in stamps
    assert max(stamps) == close(day)


def test_news_is_what_came_after_the_last_cutoff_up_to_this_one():
    before, now = close(date(2024, 12, 6)), close(date(2024, 12, 9))
    found = [item.available_at for item in MARKET.view(now).news("AAA", before)]
    assert found == [before + timedelta(seconds=1), now - timedelta(seconds=1), now]


def test_a_bar_appears_with_its_close():
    day = date(2024, 12, 10)
    early = MARKET.view(close(day) - timedelta(seconds=1))
    assert early.bar("AAA", day) is None
    assert early.bars("AAA", 1)[0].day == date(2024, 12, 9)
    assert MARKET.view(close(day)).bar("AAA", day).day == day


def test_a_day_without_a_bar_is_none_even_later():
    gap = date(2025, 1, 10)
    view = market(bars=bars([day for day in DAYS if day != gap])).view(close(END))
    assert view.bar("AAA", gap) is None
    assert view.bar("AAA", date(2025, 1, 11)) is None


def test_prices_are_as_traded_before_a_split_and_adjusted_only_after_it():
    before = MARKET.view(close(date(2024, 12, 17)))
    assert before.adjusted_closes("AAA", 2) == [b.close for b in before.bars("AAA", 2)]
    assert before.bars("AAA", 1)[0].close > 300
    after = MARKET.view(close(SPLIT_DAY))
    old, new = after.bars("AAA", 2)
    assert after.adjusted_closes("AAA", 2) == [old.close / 3, new.close]
    assert after.adjusted_volumes("AAA", 2) == [old.volume * 3, new.volume]
    assert old.close > 300  # the bar itself stays what was quoted


def test_a_split_and_a_dividend_are_known_on_their_day_not_before():
    evening_before = MARKET.view(close(SPLIT_DAY) - timedelta(days=1))
    assert evening_before.split("AAA", SPLIT_DAY) == 1.0
    assert MARKET.view(close(SPLIT_DAY)).split("AAA", SPLIT_DAY) == 3.0
    assert MARKET.view(close(DIVIDEND_DAY)).dividend("AAA", DIVIDEND_DAY) == 0.5
    assert MARKET.view(close(date(2024, 12, 27))).dividend("AAA", DIVIDEND_DAY) == 0.0
    assert MARKET.view(close(END)).dividend("AAA", END) == 0.0


def test_an_ex_date_on_a_weekend_takes_effect_in_the_next_session_with_a_warning():
    saturday = pd.DataFrame({"symbol": ["AAA"], "ex_date": [pd.Timestamp("2024-12-14")], "amount": [0.2]})
    found = market(dividends=saturday)
    assert found.view(close(END)).dividend("AAA", date(2024, 12, 16)) == 0.2
    assert any("without a session" in issue.message for issue in found.issues)


def test_the_broker_sees_the_open_and_the_view_has_no_such_door():
    assert MARKET.opening("AAA", date(2024, 12, 10)) == MARKET.view(close(END)).bar("AAA", date(2024, 12, 10)).open
    assert MARKET.opening("AAA", date(2025, 1, 9)) is None
    assert {name for name in dir(MARKET.view(close(END))) if not name.startswith("_")} == {
        *("adjusted_bars", "adjusted_closes", "adjusted_volumes", "bar", "bars", "currency", "cutoff", "dividend", "facts", "filings"),
        *("from_facts", "growth", "news", "priced_at", "session", "sourced", "split"),
    }


@given(st.datetimes(datetime(2024, 11, 1), datetime(2025, 2, 28), timezones=st.just(UTC)), st.integers(0, 90))
def test_nothing_in_a_view_is_newer_than_its_cutoff(cutoff, n):
    view = MARKET.view(cutoff)
    assert all(item.available_at <= cutoff for item in (*view.news("AAA"), *view.filings("AAA")))
    assert all(close(bar.day) <= cutoff for bar in view.bars("AAA", n))
    assert len(view.news("AAA")) == sum(s <= cutoff for s in STAMPS)  # and nothing older is missing
    assert len(view.bars("AAA", n)) == min(n, sum(close(day) <= cutoff for day in DAYS))
    for day in DAYS:
        assert (view.bar("AAA", day) is not None) == (close(day) <= cutoff)


def _poisoned(day: date, draw) -> Market:
    """The same market up to the close of ``day``; after it every price, text, split and dividend is another."""
    cut = close(day)
    rng = np.random.default_rng(draw)
    frame = bars()
    later = frame["date"].dt.date > day
    factor = rng.uniform(0.9, 1.1, later.sum())
    frame.loc[later, ["open", "high", "low", "close"]] = frame.loc[later, ["open", "high", "low", "close"]].mul(factor, axis=0)
    items, reports = news(STAMPS), filings(STAMPS[::7])
    items.loc[items["available_at"] > cut, ["title", "id"]] = [["POISON", f"p{i}"] for i in range((items["available_at"] > cut).sum())]
    reports.loc[reports["available_at"] > cut, "text"] = "POISON"
    actions = {"splits": ("ratio", SPLIT_DAY, 3.0), "dividends": ("amount", DIVIDEND_DAY, 0.5)}
    extra = {}
    for table, (column, when, value) in actions.items():
        rows = [{"symbol": "AAA", "ex_date": pd.Timestamp(when), column: value}] if when <= day else []
        rows += [{"symbol": "AAA", "ex_date": pd.Timestamp(d), column: 7.0} for d in DAYS if d > day][:3]
        extra[table] = pd.DataFrame(rows, columns=["symbol", "ex_date", column])
    return market(bars=frame, news=items, filings=reports, **extra)


@pytest.mark.parametrize("day", [DAYS[0], date(2024, 11, 29), date(2024, 12, 17), SPLIT_DAY, DIVIDEND_DAY, DAYS[-2]])
def test_replacing_the_whole_future_changes_nothing_in_the_view(day):
    clean, poisoned = MARKET.view(close(day)), _poisoned(day, 11).view(close(day))
    assert "POISON" not in repr((poisoned.news("AAA"), poisoned.filings("AAA")))
    assert clean.news("AAA") == poisoned.news("AAA")
    assert clean.filings("AAA") == poisoned.filings("AAA")
    assert clean.bars("AAA", 999) == poisoned.bars("AAA", 999)
    assert clean.adjusted_closes("AAA", 999) == poisoned.adjusted_closes("AAA", 999)
    assert price_state(clean, "AAA") == price_state(poisoned, "AAA")
    for other in DAYS:
        assert clean.split("AAA", other) == poisoned.split("AAA", other)
        assert clean.dividend("AAA", other) == poisoned.dividend("AAA", other)


def test_a_view_needs_a_zone():
    with pytest.raises(SpecError, match="no time zone"):
        MARKET.view(datetime(2024, 12, 10, 16, 0))


def test_what_the_market_says_about_itself():
    assert (MARKET.note, MARKET.fingerprint, MARKET.companies) == ("made up", "f", {"AAA": "Alpha Works"})
    assert (MARKET.first, MARKET.last, MARKET.tickers) == ({"AAA": START}, {"AAA": END}, ("AAA",))


def test_an_unknown_ticker_names_the_nearest():
    with pytest.raises(SpecError, match=r"Unknown ticker 'AAB'.*AAA, BBB.*Did you mean") as error:
        Market.load(TableSource(bars=bars()), ["AAB"], start=START, end=END, calendar=XNYS)
    assert error.value.field == "tickers"


def test_a_ticker_without_prices_in_the_range_is_no_data():
    with pytest.raises(NoData, match="BBB has no price from"):
        Market.load(TableSource(bars=bars()), ["BBB"], start=START, end=END, calendar=XNYS)


def test_a_range_without_sessions_is_no_data_before_the_source_is_asked():
    with pytest.raises(NoData, match="no trading session"):
        Market.load(TableSource(bars=bars()), ["AAA"], start=date(2024, 12, 14), end=date(2024, 12, 15), calendar=XNYS)


def test_history_before_the_start_is_loaded_and_nothing_after_the_end():
    some = Market.load(TableSource(bars=bars()), ["AAA"], start=DAYS[30], end=DAYS[40], calendar=XNYS)
    assert len(some.view(close(DAYS[30])).bars("AAA", 999)) == 31
    assert some.last["AAA"] == DAYS[40]


def test_a_run_longer_than_the_prices_is_told_so():
    found = Market.load(TableSource(bars=bars()), ["AAA"], start=DAYS[0], end=DAYS[-1] + timedelta(days=7), calendar=XNYS)
    assert any("lie outside" in issue.message for issue in found.issues)


def test_bars_without_a_session_are_left_out_with_a_warning():
    extra = pd.concat([bars(), bars([date(2024, 12, 25)], split=False)])
    found = market(bars=extra)
    assert found.view(close(END)).bar("AAA", date(2024, 12, 25)) is None
    assert all(bar.day in XNYS for bar in found.view(close(END)).bars("AAA", 999))
    assert any("without a session" in issue.message and "2024-12-25" in issue.message for issue in found.issues)


def test_a_sources_broken_rows_are_refused_whoever_delivers_them():
    broken = bars()
    broken.loc[3, "low"] = -1.0
    with pytest.raises(SpecError, match="zero or negative"):
        market(bars=broken)
