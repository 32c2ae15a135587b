"""The real yfinance over real HTTP against a stand-in for Yahoo: what comes out is as traded, and every fault has one name."""

import os
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import exchange_calendars
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import SpecError
from agent.market import tables
from agent.market.sessions import Calendar
from agent.market.sources import yahoo
from agent.market.sources.base import BadResponse, NoRowsInRange, NotSupported, Place, RateLimited, SourceDown, UnknownSymbol
from agent.market.sources.yahoo import YahooSource
from agent.market.view import Market
from storage.market_cache import CachedSource
from tests.stand_ins.yahoo import Item, Row, YahooStandIn, single

LONDON, XETRA = Calendar("XLON"), Calendar("XETR")
NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)  # a Tuesday: London trades, New York does not yet
FIRST = date(2024, 1, 2)
LONG = (FIRST, date(2026, 1, 1))
SPRING = (date(2025, 2, 3), date(2025, 4, 1))
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "djia-2025"


class Quick(YahooSource):
    pace_s = 0.0
    timeout_s = 30.0  # the machine may be busy; what tests slowness sets its own
    retries = 0


class Clock:
    """Now, for the server and everybody else."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stub(clock):
    with YahooStandIn(now=clock, first=FIRST, slow_s=1.0) as server:
        yield server


def impatient(source: YahooSource, mode: str) -> None:
    source.timeout_s = 0.3 if mode == "slow" else Quick.timeout_s


@pytest.fixture
def source(stub, clock, tmp_path):
    return make(stub, clock, tmp_path)


def make(stub: YahooStandIn, clock: Clock, folder: Path) -> YahooSource:
    return Quick(None, Place(cache=folder, urls={"yahoo": stub.url}, now=clock))


def traded(stub: YahooStandIn, symbol: str, until: date = date(2025, 6, 30)) -> pd.DataFrame:
    """What was really traded, from the stand-in's own books."""
    rows = [vars(row) for row in stub.stock(symbol).rows if row.day <= until]
    return pd.DataFrame(rows).rename(columns={"day": "date"}).assign(date=lambda f: pd.to_datetime(f["date"]))


def assert_as_traded(found: pd.DataFrame, books: pd.DataFrame, factor: float = 1.0, lost: int = 1) -> None:
    assert list(found["date"]) == list(books["date"])
    for name in ("open", "high", "low", "close"):
        assert found[name].to_numpy() == pytest.approx((books[name] * factor).to_numpy(dtype=float), rel=1e-9), name
    assert found["volume"].to_numpy() == pytest.approx(books["volume"].to_numpy(dtype=float), abs=lost)


# ------------------------------------------------------------------------------------------------------------------- rows


def test_bars_are_canonical_as_traded_and_free_of_single_precision_noise(stub, source):
    frame = source.fetch("bars", "AAPL", *LONG).frame
    assert list(frame.columns) == list(tables.SCHEMA["bars"])
    assert_as_traded(frame, traded(stub, "AAPL"))


def test_prices_and_dividends_before_a_split_are_those_of_their_day(stub, source):
    stock = stub.stock("ZZSPLIT")
    frame = source.fetch("bars", "ZZSPLIT", *LONG).frame
    assert_as_traded(frame, traded(stub, "ZZSPLIT"))
    (split_day,) = stock.splits
    around = frame[(frame["date"] >= pd.Timestamp(split_day) - pd.Timedelta(days=5)) & (frame["date"] <= pd.Timestamp(split_day))]
    assert around["close"].iloc[-2] / around["close"].iloc[-1] == pytest.approx(4, rel=0.05)
    splits, dividends = (source.fetch(table, "ZZSPLIT", *LONG).frame for table in ("splits", "dividends"))
    assert [(x.ex_date.date(), x.ratio) for x in splits.itertuples()] == [(split_day, 4.0)]
    assert dividends["amount"].tolist() == [0.8, 0.25]  # Yahoo says 0.2 for the first, on the shares of today


def test_a_reverse_split_is_undone_as_well(stub, source):
    stock = stub.stock("MSFT")
    stock.splits = {stock.rows[250].day: 0.1}
    assert_as_traded(source.fetch("bars", "MSFT", *LONG).frame, traded(stub, "MSFT"), lost=10)  # Yahoo counts whole shares of today


def test_rows_of_a_short_range_know_the_splits_after_it(stub, source):
    stock = stub.stock("ZZSPLIT")
    start, end = stock.rows[190].day, stock.rows[195].day
    frame = source.fetch("bars", "ZZSPLIT", start, end).frame
    assert frame["close"].tolist() == [row.close for row in stock.rows[190:195]]
    assert source.fetch("splits", "ZZSPLIT", start, end).frame.empty


def test_a_later_split_and_a_later_dividend_change_no_earlier_view(stub, clock, tmp_path):
    calendar = Calendar()

    def loaded() -> Market:
        return Market.load(make(stub, clock, tmp_path), ["AAPL"], start=SPRING[0], end=SPRING[1], calendar=calendar)

    before = loaded()
    stock = stub.stock("AAPL")
    stock.rows += [Row(session.day, 30.0, 31.0, 29.0, 30.0, 7) for session in calendar.sessions(date(2025, 7, 3), date(2025, 9, 30))]
    stock.splits[date(2025, 8, 1)] = 3.0
    stock.dividends[date(2025, 9, 2)] = 1.0
    clock.now = datetime(2025, 10, 1, 12, tzinfo=UTC)
    after = loaded()
    late = [seen for seen in stub.asked(symbol="AAPL") if "period1" in seen.query][-1]
    assert late.at and stub.stock("AAPL").splits  # the second market was fetched, from a server that knew the split
    cutoff = calendar.session(date(2025, 3, 31)).close_at
    assert before.view(cutoff).bars("AAPL", 300) == after.view(cutoff).bars("AAPL", 300)
    assert before.view(cutoff).adjusted_closes("AAPL", 300) == after.view(cutoff).adjusted_closes("AAPL", 300)
    texts = [replace(market, tapes={t: replace(x, news=[], news_at=[]) for t, x in market.tapes.items()}) for market in (before, after)]
    assert texts[0].tapes["AAPL"].bars == texts[1].tapes["AAPL"].bars
    assert texts[0].tapes["AAPL"].dividends == texts[1].tapes["AAPL"].dividends


@settings(max_examples=40, deadline=None)
@given(st.integers(100, 999_999), st.sampled_from([2, 3, 4, 5, 7, 10, 20, 0.1, 0.05, 1.5]))
def test_a_price_in_cents_survives_any_split_and_single_precision(cents, ratio):
    price = cents / 100
    served = pd.Series([single(price / ratio)]) * ratio
    assert yahoo._rounded(served).iloc[0] == price


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=20))
def test_rounding_keeps_the_order_of_prices(prices):
    rounded = yahoo._rounded(pd.Series(sorted(prices)))
    assert rounded.is_monotonic_increasing
    assert (abs(rounded - sorted(prices)) <= 5.1e-6 * pd.Series(sorted(prices)) + 1e-12).all()


def test_a_split_that_is_listed_but_not_in_the_prices_is_said_and_not_undone(stub, source):
    stock = stub.stock("ZZSPLIT")
    stock.split_in_prices = False
    fetched = source.fetch("bars", "ZZSPLIT", *LONG)
    assert_as_traded(fetched.frame, traded(stub, "ZZSPLIT"))
    (issue,) = [issue for issue in fetched.issues if issue.code == "unadjusted_split"]
    assert "ZZSPLIT" in issue.message and str(next(iter(stock.splits))) in issue.message


def test_a_split_of_today_that_is_not_in_the_prices_yet_shows_in_the_first_trade(stub, source, clock):
    stock, clock.now = stub.stock("MSFT"), datetime(2025, 7, 1, 14, tzinfo=UTC)
    stock.splits, stock.split_in_prices = {NOW.date(): 4.0}, False
    today = next(row for row in stock.rows if row.day == NOW.date())
    today.open, today.high, today.low, today.close = (round(x / 4, 2) for x in (today.open, today.high, today.low, today.close))
    assert_as_traded(source.fetch("bars", "MSFT", *LONG).frame, traded(stub, "MSFT"))


def test_a_split_and_a_dividend_on_a_day_without_a_bar_keep_their_day(stub, source):
    """yfinance moves an event without a bar to the bar before, which would leave that bar on the wrong basis."""
    stock = stub.stock("ZZSPLIT")
    (split_day,) = stock.splits
    stock.rows = [row for row in stock.rows if row.day != split_day]
    fetched = source.fetch("bars", "ZZSPLIT", *LONG)
    assert_as_traded(fetched.frame, traded(stub, "ZZSPLIT"))
    assert source.fetch("splits", "ZZSPLIT", *LONG).frame["ex_date"].dt.date.tolist() == [split_day]


def test_london_comes_in_pounds_on_its_own_calendar(stub, source):
    listing = source.listing("VOD.L")
    assert (listing.exchange, listing.currency, listing.name) == ("XLON", "GBP", "Vodafone stand-in plc")
    assert_as_traded(source.fetch("bars", "VOD.L", *LONG).frame, traded(stub, "VOD.L"), 0.01)
    assert set(source.fetch("dividends", "VOD.L", *LONG).frame["amount"]) == {0.0025}
    market = Market.load(source, ["VOD.L"], start=SPRING[0], end=SPRING[1], calendar=LONDON)
    assert market.currency == "GBP" and [i for i in market.issues if i.table == "bars"] == []


def test_a_dividend_in_pounds_on_a_price_in_pence_is_one_in_pounds_and_a_foreign_one_is_left_out(stub, clock, tmp_path):
    stub.stock("VOD.L").dividend_currency = "GBP"
    assert set(make(stub, clock, tmp_path).fetch("dividends", "VOD.L", *LONG).frame["amount"]) == {0.25}
    stub.stock("VOD.L").dividend_currency = "USD"
    fetched = make(stub, clock, tmp_path).fetch("dividends", "VOD.L", *LONG)
    assert fetched.frame.empty and [issue.code for issue in fetched.issues] == ["currency"]


def test_the_bar_of_today_appears_half_an_hour_after_the_close(stub, clock, tmp_path):
    close = LONDON.session(NOW.date()).close_at
    days = {}
    for minutes in (-60, 29, 30):
        clock.now = close + timedelta(minutes=minutes)
        fetched = make(stub, clock, tmp_path).fetch("bars", "VOD.L", *LONG)
        days[minutes] = fetched.frame["date"].iloc[-1].date(), fetched.covered[-1][1].date()
    assert days[-60] == days[29] == (date(2025, 6, 30), date(2025, 7, 1))
    assert days[30] == (date(2025, 7, 1), date(2025, 7, 2))


def test_null_and_zero_bars_are_left_out_by_name_and_a_null_volume_is_none(stub, source):
    days = [row.day for row in stub.stock("ZZNAN").rows[10:13]]
    found = source.fetch("bars", "ZZNAN", *LONG)
    held = set(found.frame["date"].dt.date)
    assert not held & set(days[:2]) and days[2] in held
    assert found.frame.loc[found.frame["date"] == pd.Timestamp(days[2]), "volume"].item() == 0
    (issue,) = found.issues
    assert issue.code == "missing" and issue.count == 2 and all(str(day) in issue.message for day in days[:2])
    assert source.fetch("bars", "ZZNAN", *SPRING).issues == ()  # nothing is wrong with these days
    (issue,) = source.fetch("bars", "ZZZERO", *LONG).issues
    assert issue.code == "zero" and issue.count == 2 and all(str(day) in issue.message for day in days[:2])


def test_a_bar_whose_high_is_below_its_close_is_left_out_by_name(stub, source):
    row = stub.stock("AAPL").rows[100]
    row.high = row.close * 0.98
    found = source.fetch("bars", "AAPL", *LONG)
    assert [issue.code for issue in found.issues] == ["crooked"] and str(row.day) in found.issues[0].message
    assert pd.Timestamp(row.day) not in set(found.frame["date"])


@pytest.mark.parametrize("symbol", ["ZZDUP", "ZZLIVE"])
def test_the_newest_session_served_twice_is_one_bar(stub, clock, tmp_path, symbol):
    clock.now = datetime(2025, 7, 1, 23, tzinfo=UTC)
    frame = make(stub, clock, tmp_path).fetch("bars", symbol, *LONG).frame
    assert_as_traded(frame, traded(stub, symbol, NOW.date()))


def test_gains_of_a_fund_count_as_dividends_once(stub, clock, tmp_path):
    stock = stub.stock("ZZFUND")
    fetched = make(stub, clock, tmp_path).fetch("dividends", "ZZFUND", *LONG)
    assert fetched.frame["amount"].tolist() == [1.9]
    assert [issue.code for issue in fetched.issues] == ["capital_gains"]
    (day,) = stock.gains
    stock.dividends, stock.gain_in_dividend = {day: 1.9}, True
    fetched = make(stub, clock, tmp_path).fetch("dividends", "ZZFUND", *LONG)
    assert fetched.frame["amount"].tolist() == [1.9] and fetched.issues == ()


def test_one_question_serves_bars_splits_and_dividends_for_a_minute(stub, source, clock):
    for table in ("splits", "dividends", "bars"):
        source.fetch(table, "AAPL", *SPRING)
    assert len([seen for seen in stub.asked(symbol="AAPL") if "period1" in seen.query]) == 1
    clock.now += timedelta(seconds=61)
    source.fetch("bars", "AAPL", *SPRING)
    assert len([seen for seen in stub.asked(symbol="AAPL") if "period1" in seen.query]) == 2


def test_coverage_ends_before_a_bar_that_is_late_and_not_where_trading_ended_long_ago(stub, clock, tmp_path):
    stock = stub.stock("AAPL")
    stock.rows = [row for row in stock.rows if row.day < date(2025, 6, 27)]  # Friday's and Monday's bars are missing
    covered = make(stub, clock, tmp_path).fetch("bars", "AAPL", *LONG).covered
    assert covered[-1][1] == pd.Timestamp("2025-06-27", tz="UTC")
    stock.rows[-1].close = None
    covered = make(stub, clock, tmp_path).fetch("bars", "AAPL", *LONG).covered
    assert covered[-1][1] == pd.Timestamp("2025-06-26", tz="UTC")
    stock.rows = [row for row in stock.rows if row.day < date(2025, 3, 1)]
    covered = make(stub, clock, tmp_path).fetch("bars", "AAPL", *LONG).covered
    assert covered[-1][1] == pd.Timestamp("2025-07-01", tz="UTC")


def test_a_ticker_that_stopped_trading_before_the_range_has_no_rows_in_it(stub, source):
    stock = stub.stock("AAPL")
    stock.rows = [row for row in stock.rows if row.day < date(2024, 3, 1)]
    with pytest.raises(NoRowsInRange, match="AAPL"):
        source.fetch("bars", "AAPL", *SPRING)


def test_the_range_before_a_ticker_existed_is_empty_and_covered(source):
    fetched = source.fetch("bars", "AAPL", date(2017, 3, 1), date(2017, 4, 1))
    assert fetched.frame.empty and fetched.covered


# ---------------------------------------------------------------------------------------------------------------- listings


def test_a_listing_names_company_exchange_currency_and_days(source):
    listing = source.listing("BRK-B")
    assert (listing.name, listing.exchange, listing.currency) == ("BRK-B Company", "XNYS", "USD")
    assert (listing.first, listing.last) == (FIRST, date(2025, 6, 30))
    assert source.listing("BMW.DE").exchange == "XETR" and source.listing("^GSPC").exchange == "XNYS"


@pytest.mark.parametrize("symbol", ["BTC-USD", "ZZODD"])
def test_what_trades_on_no_known_exchange_is_not_supported(source, symbol):
    for ask in (source.listing, lambda each: source.fetch("bars", each, *SPRING)):
        with pytest.raises(NotSupported, match=symbol):
            ask(symbol)


def test_every_exchange_that_is_named_has_a_calendar():
    known = set(exchange_calendars.get_calendar_names(include_aliases=True))
    assert set(yahoo.EXCHANGES.values()) | set(yahoo.ENDINGS.values()) | set(yahoo.ZONES.values()) <= known
    assert set(yahoo.ENDINGS.values()) <= set(yahoo.EXCHANGES.values())


# ------------------------------------------------------------------------------------------------------ what is never asked


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        " ",
        "../../etc/passwd",
        "..",
        "A/B",
        "A%2fB",
        "A?x=1",
        "A\\B",
        "A B",
        "A\nB",
        "AAPL\x00",
        "ÄPFEL",
        "A" * 21,
        ".L",
        "-",
        "A..L",
        "US0378331005",
        "AAPL;MSFT",
        "A@b",
        "AAPL#",
        "\uff21APL",
        "<b>",
        "A,B",
        "$(x)",
        "=1+1",
    ],
)
def test_what_cannot_be_a_ticker_never_leaves_the_process(stub, source, symbol):
    for ask in (source.listing, lambda each: source.fetch("bars", each, *SPRING), lambda each: source.fetch("news", each, *SPRING)):
        with pytest.raises(UnknownSymbol) as error:
            ask(symbol)
        assert error.value.field == "tickers"
    assert stub.log == []


@pytest.mark.parametrize("symbol", ["AAPL", "BRK-B", "^GSPC", "VOD.L", "EURUSD=X", "ES=F", "0005.HK", "BTC-USD", "aapl"])
def test_tickers_of_all_shapes_are_tickers(symbol):
    assert yahoo.ticker(symbol) == symbol.upper()


@pytest.mark.parametrize(
    ("start", "end", "error"),
    [
        (date(2025, 3, 8), date(2025, 3, 10), NoRowsInRange),  # a weekend
        (date(2025, 7, 4), date(2025, 7, 7), NoRowsInRange),  # a holiday and a weekend
        (date(2031, 1, 1), date(2031, 2, 1), NoRowsInRange),
        (date(2025, 3, 3), date(2025, 3, 3), NoRowsInRange),
        (date(2025, 4, 1), date(2025, 3, 1), SpecError),
    ],
)
def test_a_range_without_a_session_is_answered_by_the_calendar(stub, source, start, end, error):
    for table in ("bars", "splits", "dividends"):
        with pytest.raises(error, match=str(start)):
            source.fetch(table, "AAPL", start, end)
    assert stub.log == []


def test_the_calendar_that_answers_is_that_of_the_ticker(stub, source):
    with pytest.raises(NoRowsInRange, match="XLON"):
        source.fetch("bars", "VOD.L", date(2025, 5, 26), date(2025, 5, 27))  # spring bank holiday
    assert stub.log == []
    assert len(source.fetch("bars", "AAPL", date(2025, 5, 27), date(2025, 5, 28)).frame) == 1


def test_a_session_that_is_not_over_is_not_asked_for(stub, source):
    fetched = source.fetch("bars", "AAPL", date(2025, 7, 1), date(2025, 7, 2))
    assert fetched.frame.empty and fetched.covered == () and stub.log == []


def test_news_of_the_future_is_not_asked_for(stub, source):
    with pytest.raises(NoRowsInRange):
        source.fetch("news", "AAPL", date(2031, 1, 1), date(2031, 2, 1))
    with pytest.raises(NotSupported, match="filings"):
        source.fetch("filings", "AAPL", *SPRING)
    assert stub.log == []


def test_no_other_host_is_ever_asked(stub):
    session = yahoo._session(stub.url)
    for url in ("https://example.com/", "https://yahoo.com.example.com/", "http://finance.yahoo.com/", "https://notyahoo.com/"):
        with pytest.raises(SourceDown, match="refused"):
            session.get(url)
    assert stub.log == []


# ------------------------------------------------------------------------------------------------------------------ faults

FAULTS = [
    ("401", SourceDown, "refuses to answer .401"),
    ("404", UnknownSymbol, "never heard of the ticker 'MSFT'"),
    ("429", RateLimited, "asked so often"),
    ("500", SourceDown, "fault of its own .500"),
    ("html", BadResponse, "a web page"),
    ("malformed", BadResponse, "broken JSON"),
    ("empty", BadResponse, "JSON of another shape"),
    ("drop", SourceDown, "does not answer"),
    ("slow", SourceDown, "timed out"),
]


@pytest.mark.parametrize("known", [False, True], ids=["first question", "later question"])
@pytest.mark.parametrize(("mode", "error", "words"), FAULTS)
def test_a_fault_has_one_class_and_one_sentence_and_ends_when_it_is_over(stub, source, clock, mode, error, words, known):
    if known:  # else the first thing yfinance asks for, the time zone, goes wrong
        source.listing("MSFT")
    clock.now += timedelta(minutes=2)
    stub.stock("MSFT")
    stub.rule("/chart/MSFT", mode, times=9)
    impatient(source, mode)
    for _ in range(2):
        with pytest.raises(error, match=words) as raised:
            source.fetch("bars", "MSFT", *SPRING)
        assert type(raised.value) is error
        assert "MSFT" in str(raised.value) and str(raised.value).endswith(".")
    if mode == "429":
        assert raised.value.retry_at == clock.now + timedelta(seconds=30)
    stub.rules.clear()
    impatient(source, "")
    assert len(source.fetch("bars", "MSFT", *SPRING).frame) == 40


@pytest.mark.parametrize(("mode", "error", "words"), [x for x in FAULTS if x[0] != "404"] + [("404", BadResponse, "status 404")])
def test_a_fault_of_the_news_is_an_error_and_never_no_news(stub, source, mode, error, words):
    stub.stock("MSFT")
    source.listing("AAPL")
    stub.rule("/xhr/ncp", mode, times=9)
    impatient(source, mode)
    with pytest.raises(error, match=words):
        source.fetch("news", "MSFT", *LONG)
    stub.rules.clear()
    impatient(source, "")
    assert len(source.fetch("news", "MSFT", *LONG).frame) == 40


def test_a_single_bad_moment_of_a_past_range_does_not_stay(stub, source, clock):
    """yfinance keeps answers of any status for the life of the process."""
    source.listing("AAPL")
    clock.now += timedelta(minutes=2)
    stub.rule("/chart/AAPL", "500", times=2)
    with pytest.raises(SourceDown):
        source.fetch("bars", "AAPL", *SPRING)
    assert len(source.fetch("bars", "AAPL", *SPRING).frame) == 40


def test_a_rejected_crumb_is_replaced_without_a_word(stub, source):
    source.listing("AAPL")
    stub.rule("/chart/MSFT", "401", times=1)
    assert len(source.fetch("bars", "MSFT", *SPRING).frame) == 40


@pytest.mark.parametrize("mode", ["429", "drop", "500", "html"])
def test_trouble_with_the_crumb_does_not_stop_prices(stub, source, mode):
    stub.rule("getcrumb|consent|Consent", mode, times=50)
    assert len(source.fetch("bars", "MSFT", *SPRING).frame) == 40


def test_unknown_is_said_only_while_a_ticker_that_exists_is_known(stub, source):
    stub.rule("/chart/", "404", times=50)
    with pytest.raises(SourceDown, match="knows neither NOPE nor SPY"):
        source.fetch("bars", "NOPE", *SPRING)
    stub.rules.clear()
    stub.rule("/chart/SPY", "429", times=50)
    with pytest.raises(RateLimited):
        source.listing("NOPE")
    stub.rules.clear()
    for symbol in ("NOPE", "NOPE2", "NOPE3"):
        with pytest.raises(UnknownSymbol, match=f"'{symbol}'"):
            source.listing(symbol)
    stub.log.clear()
    with pytest.raises(UnknownSymbol):
        source.listing("NOPE4")
    assert stub.asked(symbol="SPY") == []  # which was known a moment ago


def test_a_server_that_is_not_there_is_down(clock, tmp_path):
    with YahooStandIn() as gone:
        url = gone.url
    source = Quick(None, Place(cache=tmp_path, urls={"yahoo": url}, now=clock))
    with pytest.raises(SourceDown, match="Check the internet connection"):
        source.listing("AAPL")


def test_one_bad_ticker_of_twenty_never_voids_the_others(stub, source, clock, tmp_path):
    good = ["AAPL", "AMZN", "CSCO", "INTC", "MSFT", "NVDA", "BA", "BRK-B", "CAT", "CRM", "CVX", "DIS", "GS", "HD", "IBM", "JNJ"]
    bad = {"ZZ500": SourceDown, "NOPE": UnknownSymbol, "ZZBAD": BadResponse, "ZZEMPTY": BadResponse}
    cached = CachedSource(source, name="yahoo", folder=tmp_path / "kept", now=clock, sleep=lambda _: None)
    asked = [x for pair in zip(bad, good[:4], strict=True) for x in pair] + good[4:]
    found, failed = {}, {}
    for symbol in asked:
        try:
            found[symbol] = cached.fetch("bars", symbol, *SPRING).frame
        except (SourceDown, UnknownSymbol, BadResponse) as error:
            failed[symbol] = type(error)
    assert failed == bad and list(found) == good
    assert {len(frame) for frame in found.values()} == {40}


def test_nothing_bad_is_kept_on_disk(stub, source, clock, tmp_path):
    cached = CachedSource(source, name="yahoo", folder=tmp_path / "kept", now=clock, sleep=lambda _: None)
    for mode, error in (("500", SourceDown), ("malformed", BadResponse), ("empty", BadResponse), ("drop", SourceDown)):
        stub.rule("/chart/AAPL", mode, times=20)
        with pytest.raises(error):
            cached.fetch("bars", "AAPL", *SPRING)
        stub.rules.clear()
    frame = cached.fetch("bars", "AAPL", *SPRING).frame
    books = traded(stub, "AAPL")
    assert_as_traded(frame, books[(books["date"] >= pd.Timestamp(SPRING[0])) & (books["date"] < pd.Timestamp(SPRING[1]))])


def test_a_split_after_caching_leaves_the_kept_rows_and_joins_the_new_ones(stub, clock, tmp_path):
    def cached() -> CachedSource:
        return CachedSource(make(stub, clock, tmp_path), name="yahoo", folder=tmp_path / "kept", now=clock, sleep=lambda _: None)

    before = cached().fetch("bars", "AAPL", *LONG).frame
    stock = stub.stock("AAPL")
    stock.rows = [row for row in stock.rows if row.day < NOW.date()]
    last = stock.rows[-1].close
    sessions = Calendar().sessions(date(2025, 7, 1), date(2025, 7, 31))
    stock.rows += [Row(x.day, round(last / 3, 2), round(last / 3 + 1, 2), round(last / 3 - 1, 2), round(last / 3, 2), 9) for x in sessions]
    stock.splits[date(2025, 7, 1)] = 3.0
    clock.now = datetime(2025, 8, 1, 12, tzinfo=UTC)
    again = cached().fetch("bars", "AAPL", *LONG)
    assert [issue.code for issue in again.issues if issue.code == "rebuilt"] == []
    pd.testing.assert_frame_equal(again.frame.iloc[: len(before)], before)
    assert_as_traded(again.frame, traded(stub, "AAPL", date(2025, 7, 31)))
    assert cached().fetch("splits", "AAPL", *LONG).frame["ratio"].tolist() == [3.0]


# -------------------------------------------------------------------------------------------------------------------- news


def test_news_is_covered_from_the_oldest_item_until_now_and_nothing_before(stub, source):
    fetched = source.fetch("news", "AAPL", *LONG)
    frame, items = fetched.frame, stub.stock("AAPL").news
    assert len(frame) == len(items) == 40 and set(frame["id"]) == {item.id for item in items}
    assert (frame["available_at"] - frame["published_at"] == tables.NEWS_LAG).all()
    assert fetched.covered == ((frame["available_at"].min(), pd.Timestamp(NOW)),)
    assert source.fetch("news", "AAPL", *SPRING).covered == ()  # not "no news": nobody looked
    low, high = date(2025, 6, 20), date(2025, 6, 21)
    day = source.fetch("news", "AAPL", low, high)
    assert day.covered == ((pd.Timestamp(low, tz="UTC"), pd.Timestamp(high, tz="UTC")),)
    assert set(day.frame["available_at"].dt.date) == {low}


def test_news_is_asked_for_afresh_every_time(stub, source, clock):
    source.fetch("news", "AAPL", *LONG)
    clock.now += timedelta(hours=1)
    stub.stock("AAPL").news.insert(0, Item("late", "Just in", clock.now.isoformat()))
    assert "late" in set(source.fetch("news", "AAPL", *LONG).frame["id"])


def test_news_without_a_readable_time_is_counted_and_never_dated_by_guess(stub, source):
    whens = [None, "", "yesterday", "2025-06-30T10:00:00", 0, "0000-00-00", "1970-01-01T00:00:00Z"]
    stub.stock("AAPL").news = [Item(f"u{n}", f"Undated {n}", when) for n, when in enumerate(whens)]
    stub.stock("AAPL").news += [Item("ok", "Dated", "2025-06-30T10:00:00Z"), Item("new", "In Berlin", "2025-06-30T12:00:00+02:00")]
    fetched = source.fetch("news", "AAPL", *LONG)
    assert set(fetched.frame["id"]) == {"ok", "new"}
    assert set(fetched.frame["published_at"]) == {pd.Timestamp("2025-06-30T10:00Z")}
    (issue,) = [issue for issue in fetched.issues if issue.code == "undated"]
    assert issue.count == len(whens) and issue.table == "news" and "AAPL" in issue.message


def test_a_story_shown_again_later_counts_from_then(stub, source):
    stub.stock("AAPL").news = [Item("x", "Rewritten", "2025-06-30T10:00:00Z", shown="2025-06-30T15:00:00Z")]
    (row,) = source.fetch("news", "AAPL", *LONG).frame.itertuples()
    assert row.published_at == pd.Timestamp("2025-06-30T10:00Z") and row.available_at == pd.Timestamp("2025-06-30T15:05Z")


def test_the_flat_shape_of_the_search_is_read_as_well():
    flat = {"uuid": "a1", "title": "Flat", "publisher": "Wire", "link": "https://example.invalid/a", "providerPublishTime": 1751277600}
    frame, issues = yahoo._headlines("AAPL", [flat, {"uuid": "a2", "title": "No time"}, {"uuid": "a3", "providerPublishTime": 1751277600}])
    (row,) = frame.itertuples()
    assert (row.id, row.title, row.publisher, row.url) == ("a1", "Flat", "Wire", "https://example.invalid/a")
    assert row.published_at == pd.Timestamp("2025-06-30T10:00Z")
    assert sorted(issue.code for issue in issues) == ["undated", "untitled"]


def test_no_news_at_all_covers_nothing(stub, source):
    stub.stock("AAPL").news = []
    fetched = source.fetch("news", "AAPL", *LONG)
    assert fetched.frame.empty and fetched.covered == ()


# ----------------------------------------------------------------------------------------------------------------- manners


def test_questions_keep_their_distance(stub, clock, tmp_path):
    source = make(stub, clock, tmp_path)
    source.listing("AAPL")
    source.pace_s = 0.25
    before = time.monotonic()
    for symbol in ("AAPL", "AAPL"):
        source.fetch("news", symbol, *LONG)
    assert time.monotonic() - before >= 0.25


def test_the_folder_of_the_library_is_private_and_may_vanish(stub, source, tmp_path):
    source.listing("AAPL")
    folder = tmp_path / "yahoo" / "tz"
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert source.fetch("bars", "MSFT", *SPRING).frame.shape[0] == 40


def test_the_library_is_quiet(stub, source, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source.fetch("bars", "AAPL", *SPRING)
    with pytest.raises(SourceDown):
        source.fetch("bars", "ZZ500", *SPRING)
    assert capfd.readouterr() == ("", "")


def test_the_stand_in_runs_as_a_program():
    here = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "tests.stand_ins.yahoo", "--port", "0"]
    with subprocess.Popen(command, cwd=here, env={**os.environ, "PYTHONPATH": str(here)}, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            source = YahooSource(None, Place(urls={"yahoo": url}))
            assert source.listing("AAPL").exchange == "XNYS"
        finally:
            process.terminate()


def test_real_prices_and_dividends_come_through_unchanged(clock, tmp_path):
    if not (REAL / "prices.parquet").is_file():
        pytest.skip("the folder with real prices is not here")
    clock.now = datetime(2025, 8, 15, 12, tzinfo=UTC)
    books = pd.read_parquet(REAL / "prices.parquet")
    paid = pd.read_parquet(REAL / "dividends.parquet")
    with YahooStandIn(now=clock, bundle=REAL) as stub:
        source = make(stub, clock, tmp_path)
        for symbol in ("AAPL", "JPM", "UNH"):
            mine = books[books["symbol"] == symbol]
            start, end = (day.date() for day in (mine["date"].min(), mine["date"].max() + pd.Timedelta(days=1)))
            frame = source.fetch("bars", symbol, start, end).frame
            assert list(frame["date"]) == list(mine["date"])
            for name in ("open", "high", "low", "close"):
                assert frame[name].to_numpy() == pytest.approx(mine[name].to_numpy(), rel=5e-6)
            due = paid[(paid["symbol"] == symbol) & (paid["ex_date"] >= pd.Timestamp(start)) & (paid["ex_date"] < pd.Timestamp(end))]
            assert source.fetch("dividends", symbol, start, end).frame["amount"].tolist() == pytest.approx(due["amount"].tolist())
