"""The as-of window: nothing that became known after the cutoff comes out of it."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import NoData, SpecError
from agent.market import tables
from agent.market.fundamentals import snapshot
from agent.market.indicators import price_state
from agent.market.sessions import Calendar
from agent.market.sources.base import TABLES, Fetched, Listing, Local
from agent.market.view import Market, View

XNYS = Calendar()
DAYS = [s.day for s in XNYS.sessions(date(2024, 11, 20), date(2025, 1, 31))]
START, END = DAYS[0], DAYS[-1]
SPLIT_DAY, DIVIDEND_DAY = date(2024, 12, 18), date(2024, 12, 30)


class TableSource(Local):
    """Serves the frames it is given; knows two tickers."""

    provides = frozenset(TABLES)
    note = "made up"

    def __init__(self, *, covered=(), **frames: pd.DataFrame) -> None:
        self.covered = covered
        self.frames = {table: tables.conform(table, frame)[0] for table, frame in frames.items()}

    def listings(self) -> list[Listing]:
        return [Listing("AAA", "Alpha Works", first=START, last=END), Listing("BBB", first=START, last=END)]

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        frame = self.frames.get(table, tables.empty(table))
        column = tables.DAY_COLUMN.get(table, "available_at")
        when = pd.to_datetime(frame[column], utc=True).dt.tz_localize(None)
        inside = (frame["symbol"] == symbol) & (when >= pd.Timestamp(start)) & (when < pd.Timestamp(end))
        return Fetched(frame[inside].reset_index(drop=True), self.covered if table in ("news", "filings") else ())

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


def facts(stamps, amount=1.0) -> pd.DataFrame:
    """The same two figures of one year again and again: each row restates the one before."""
    rows = [
        {"field": field, "value": amount + i, "timeframe": timeframe, "filed": s.date(), "accession": f"a{i}", "available_at": s}
        for i, s in enumerate(stamps)
        for field, timeframe in (("eps_diluted", "annual"), ("shares_outstanding", "instant"))
    ]
    return pd.DataFrame(rows).assign(
        symbol="AAA",
        unit="USD",
        form="10-K",
        period_start=pd.Timestamp("2023-10-01"),
        period_end=pd.Timestamp("2024-09-30"),
        filed=lambda f: pd.to_datetime(f["filed"]),
        available_at=lambda f: pd.to_datetime(f["available_at"], utc=True),
    )


STAMPS = [XNYS.session(day).close_at + timedelta(seconds=second) for day in DAYS for second in (-1, 0, 1)]


COVERED = ((pd.Timestamp("2024-12-01", tz="UTC"), pd.Timestamp("2025-01-20", tz="UTC")),)


def market(**changed) -> Market:
    frames = {
        "bars": bars(),
        "splits": pd.DataFrame({"symbol": ["AAA"], "ex_date": [pd.Timestamp(SPLIT_DAY)], "ratio": [3.0]}),
        "dividends": pd.DataFrame({"symbol": ["AAA"], "ex_date": [pd.Timestamp(DIVIDEND_DAY)], "amount": [0.5]}),
        "news": news(STAMPS),
        "filings": filings(STAMPS[::7]),
        "fundamentals": facts(STAMPS[::5]),
    }
    return Market.load(TableSource(covered=COVERED, **{**frames, **changed}), ["AAA"], start=START, end=END, calendar=XNYS)


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
    assert "opening" not in dir(MARKET.view(close(END)))


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
    items, reports, figures = news(STAMPS), filings(STAMPS[::7]), facts(STAMPS[::5])
    figures.loc[figures["available_at"] > cut, ["value", "accession"]] = [666.0, "POISON"]
    items.loc[items["available_at"] > cut, ["title", "id"]] = [["POISON", f"p{i}"] for i in range((items["available_at"] > cut).sum())]
    reports.loc[reports["available_at"] > cut, "text"] = "POISON"
    actions = {"splits": ("ratio", SPLIT_DAY, 3.0), "dividends": ("amount", DIVIDEND_DAY, 0.5)}
    extra = {}
    for table, (column, when, value) in actions.items():
        rows = [{"symbol": "AAA", "ex_date": pd.Timestamp(when), column: value}] if when <= day else []
        rows += [{"symbol": "AAA", "ex_date": pd.Timestamp(d), column: 7.0} for d in DAYS if d > day][:3]
        extra[table] = pd.DataFrame(rows, columns=["symbol", "ex_date", column])
    return market(bars=frame, news=items, filings=reports, fundamentals=figures, **extra)


def _everything(view: View) -> dict[str, object]:
    """What every public name of a View says, asked in every way there is."""
    some_days = DAYS[::9]
    asked = {
        "session": lambda: view.session,
        "cutoff": lambda: view.cutoff,
        "currency": lambda: view.currency,
        "bar": lambda: [view.bar("AAA", day) for day in DAYS],
        "bars": lambda: [view.bars("AAA", n) for n in (0, 1, 20, 999)],
        "adjusted_bars": lambda: [view.adjusted_bars("AAA", n) for n in (0, 1, 20, 999)],
        "adjusted_closes": lambda: view.adjusted_closes("AAA", 999),
        "adjusted_volumes": lambda: view.adjusted_volumes("AAA", 999),
        "priced_at": lambda: view.priced_at("AAA"),
        "growth": lambda: [view.growth("AAA", day) for day in DAYS],
        "split": lambda: [view.split("AAA", day) for day in DAYS],
        "dividend": lambda: [view.dividend("AAA", day) for day in DAYS],
        "news": lambda: [view.news("AAA"), *(view.news("AAA", close(day)) for day in some_days)],
        "filings": lambda: [view.filings("AAA"), *(view.filings("AAA", close(day)) for day in some_days)],
        "facts": lambda: view.facts("AAA"),
        "from_facts": lambda: view.from_facts("AAA", _seen_facts),
        "sourced": lambda: [view.sourced("AAA", t, at) for t in ("news", "filings", "bars") for at in (None, *map(close, some_days))],
    }
    public = {name for name in dir(view) if not name.startswith("_")}
    assert public == set(asked), "a new way to look needs its line here"
    return {name: ask() for name, ask in asked.items()} | {"indicators": price_state(view, "AAA"), "fundamentals": snapshot(view, "AAA")}


def _seen_facts(latest, growth):
    return dict(latest), [growth(day) for day in DAYS]


CUTS = [DAYS[0], date(2024, 11, 29), date(2024, 12, 17), SPLIT_DAY, DIVIDEND_DAY, DAYS[-2]]


@pytest.mark.parametrize("day", CUTS)
def test_replacing_the_whole_future_changes_nothing_in_the_view(day):
    clean, poisoned = _everything(MARKET.view(close(day))), _everything(_poisoned(day, 11).view(close(day)))
    assert "POISON" not in repr(poisoned)
    for name, value in clean.items():
        assert poisoned[name] == value, name


@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_a_later_dividend_split_or_row_changes_nothing_that_was_seen(data):
    """At any moment of the market, with any later rows added, and whatever was looked at before."""
    position = data.draw(st.integers(0, len(DAYS) - 2))
    cut = close(DAYS[position]) + timedelta(seconds=data.draw(st.sampled_from([-3600, -1, 0, 1, 3600])))
    later = data.draw(st.lists(st.sampled_from(DAYS[position + 1 :]), min_size=1, max_size=3, unique=True))
    days = [pd.Timestamp(SPLIT_DAY), *(pd.Timestamp(day) for day in later if day != SPLIT_DAY)]
    splits = pd.DataFrame({"symbol": "AAA", "ex_date": days, "ratio": [3.0, *[7.0] * (len(days) - 1)]})
    paid = pd.DataFrame({"symbol": "AAA", "ex_date": [pd.Timestamp(DIVIDEND_DAY), *map(pd.Timestamp, later)], "amount": 0.5})
    after = [close(day) + timedelta(seconds=2) for day in later]
    grown = market(
        splits=splits,
        dividends=paid,
        news=pd.concat([news(STAMPS), news(after).assign(id=lambda f: "later" + f["id"])]),
        filings=pd.concat([filings(STAMPS[::7]), filings(after).assign(accession=lambda f: "later" + f["accession"])]),
        fundamentals=pd.concat([facts(STAMPS[::5]), facts(after, 900.0).assign(accession=lambda f: "later" + f["accession"])]),
    )
    if data.draw(st.booleans()):
        _everything(grown.view(close(END)))  # what somebody looked at later must not linger either
    then, now = _everything(MARKET.view(cut)) if position else None, _everything(grown.view(cut)) if position else None
    assert now == then


def test_a_market_cut_off_at_a_day_shows_that_day_as_the_whole_one_does():
    for day in CUTS[2:4]:
        cut = close(day)
        rows = {"news": news(STAMPS), "filings": filings(STAMPS[::7]), "fundamentals": facts(STAMPS[::5])}
        short = market(
            bars=bars([d for d in DAYS if d <= day]),
            splits=pd.DataFrame({"symbol": ["AAA"], "ex_date": [pd.Timestamp(SPLIT_DAY)], "ratio": [3.0]})[: int(day >= SPLIT_DAY)],
            dividends=pd.DataFrame({"symbol": ["AAA"], "ex_date": [pd.Timestamp(DIVIDEND_DAY)], "amount": [0.5]})[
                : int(day >= DIVIDEND_DAY)
            ],
            **{table: frame[frame["available_at"] <= cut] for table, frame in rows.items()},
        )
        assert _everything(short.view(cut)) == _everything(MARKET.view(cut))


def test_restated_figures_are_all_in_the_facts_and_the_newest_one_counts():
    view = MARKET.view(close(DAYS[10]))
    readable = [s for s in STAMPS[::5] if s <= close(DAYS[10])]
    assert len(view.facts("AAA")) == 2 * len(readable)
    latest, _ = view.from_facts("AAA", _seen_facts)
    assert {key[0]: fact.value for key, fact in latest.items()} == {"eps_diluted": len(readable), "shares_outstanding": len(readable)}
    assert view.facts("AAA")[-1].available_at == max(readable)


def test_silence_is_only_silence_where_the_source_looked_the_whole_time():
    low, high = (stamp.to_pydatetime() for stamp in COVERED[0])
    inside = MARKET.view(high)
    assert inside.sourced("AAA", "news", low) and inside.sourced("AAA", "filings", low) and inside.sourced("AAA", "news")
    assert not inside.sourced("AAA", "news", low - timedelta(microseconds=1))
    assert not MARKET.view(high + timedelta(microseconds=1)).sourced("AAA", "news", low)
    assert not inside.sourced("AAA", "bars", low)


def test_a_bar_before_a_split_is_adjusted_whole_and_one_after_it_is_the_same_object():
    view = MARKET.view(close(SPLIT_DAY))
    old, new = view.bars("AAA", 2)
    adjusted, same = view.adjusted_bars("AAA", 2)
    assert same is new
    assert (adjusted.open, adjusted.high, adjusted.low, adjusted.close) == (old.open / 3, old.high / 3, old.low / 3, old.close / 3)
    assert (adjusted.volume, adjusted.day) == (old.volume * 3, old.day)
    assert (view.growth("AAA", old.day), view.growth("AAA", SPLIT_DAY)) == (3.0, 1.0)
    assert view.priced_at("AAA") == close(SPLIT_DAY)


def test_before_the_first_bar_there_is_no_price_to_have_a_time():
    with pytest.raises(NoData, match="AAA has no price by"):
        MARKET.view(close(START) - timedelta(seconds=1)).priced_at("AAA")


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


class Raw(TableSource):
    """Delivers a table as it is, past ``conform``: what a careless source could do."""

    def __init__(self, **frames: pd.DataFrame) -> None:
        super().__init__(bars=bars())
        self.frames |= frames

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        return Fetched(self.frames.get(table, tables.empty(table)))


def raw(**frames) -> Market:
    return Market.load(Raw(**frames), ["AAA"], start=START, end=END, calendar=XNYS)


def test_a_careless_sources_rows_become_a_sentence_and_not_a_record():
    figures = tables.conform("fundamentals", facts(STAMPS[::5]))[0]
    with pytest.raises(SpecError, match=r"AAA: 1 of \d+ rows of fundamentals cannot be used; the first has unit = '1.5' .*valid string"):
        raw(fundamentals=figures.assign(unit=[1.5, *figures["unit"][1:]]))
    items = tables.conform("news", news(STAMPS))[0]
    with pytest.raises(SpecError, match="AAA: news has rows without a time in available_at"):
        raw(news=items.assign(available_at=items["available_at"].where(items.index != 2)))
    with pytest.raises(SpecError, match="AAA: news has times without a zone in available_at"):
        raw(news=items.assign(available_at=items["available_at"].dt.tz_localize(None)))
    with pytest.raises(SpecError, match="delivers AAA twice on 2024-11-20"):
        raw(bars=pd.concat([bars(), bars(DAYS[:1])]))


def test_bars_in_any_order_are_the_same_market():
    backwards = raw(bars=bars()[::-1])
    assert backwards.view(close(END)).bars("AAA", 999) == raw(bars=bars()).view(close(END)).bars("AAA", 999)


def test_a_bar_of_a_day_that_was_still_to_come_when_it_was_fetched_is_refused():
    """A source that serves tomorrow is broken, and a back-test on it is worth nothing."""

    class Seer(TableSource):
        def fetch(self, table, symbol, start, end):
            fetched = super().fetch(table, symbol, start, end)
            return replace(fetched, fetched_at=datetime.combine(DAYS[-2], time(23, 0), UTC))

    with pytest.raises(SpecError, match="future"):
        Market.load(Seer(bars=bars()), ["AAA"], start=START, end=END, calendar=XNYS)
