"""What every source owes, whatever it reads: adding one to SOURCES adds its tests here."""

import shutil
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest

from agent.errors import SpecError
from agent.market import tables
from agent.market.sessions import Calendar
from agent.market.sources import SOURCES, alpaca_news, finnhub_news
from agent.market.sources.base import TABLES, Listing, Place
from agent.market.view import Market
from tests.agent import finmem_file, finsaber_folder
from tests.stand_ins import news_apis
from tests.stand_ins.edgar import EdgarServer, example
from tests.stand_ins.news_apis import NewsServer
from tests.stand_ins.yahoo import YahooStandIn

XNYS = Calendar()
KEPT = TemporaryDirectory(prefix="folder-source-")
DTYPES = {"text": "str", "day": "datetime64[us]", "time": "datetime64[us, UTC]"}
MADE_FOR = {
    "folder": lambda: {"path": _folder()},
    "upload": lambda: {"dataset": _dataset().name},
    "finmem": lambda: {"path": _finmem()},
    "finsaber": lambda: {"path": _finsaber()},
}  # options of sources that need some; the others run on their defaults
PLACES = {
    "upload": lambda: Place(datasets=_dataset().parent),
    "edgar": lambda: Place(cache=Path(KEPT.name) / "cache", contact="me@example.org", urls={"edgar": _edgar().url}),
    "yahoo": lambda: Place(cache=Path(KEPT.name) / "cache", urls={"yahoo": _yahoo().url}),
    "alpaca_news": lambda: _news_place("alpaca_news"),
    "finnhub_news": lambda: _news_place("finnhub_news"),
}  # of sources that ask a server
CANNOT_TELL = {"alpaca_news", "finnhub_news"}  # of a ticker they do not know they just have no news
HASHED_WHEN_LOADED = {"finsaber"}  # gigabytes: the market hashes the rows it takes
ASKED: dict[str, str] = {"yahoo": "AAPL", "alpaca_news": "AAPL", "finnhub_news": "AAPL"}  # a ticker to ask of sources that name none
DAY_COLUMNS = {"bars": "date", "news": "available_at", "filings": "available_at", "fundamentals": "available_at"}


@pytest.fixture(scope="module", autouse=True)
def _tidy():
    yield
    KEPT.cleanup()


@lru_cache
def _folder() -> str:
    """A small folder with every table."""
    where = Path(KEPT.name)
    days = [pd.Timestamp(s.day) for s in XNYS.sessions(date(2024, 11, 1), date(2025, 1, 31))]
    for symbol in ("AAA", "BBB"):
        close = pd.Series(range(100, 100 + len(days)), dtype=float)
        bars = pd.DataFrame(
            {"symbol": symbol, "date": days, "open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 5}
        )
        header = not (where / "prices.csv").exists()
        bars.to_csv(where / "prices.csv", mode="a", header=header, index=False)
    stamps = [XNYS.session(day.date()).close_at + timedelta(hours=hour) for day in days for hour in (-3, 2)]
    news = {
        "symbol": "AAA",
        "id": [f"n{i}" for i in range(len(stamps))],
        "published_at": stamps,
        "title": [f"headline {i}" for i in range(len(stamps))],
    }
    pd.DataFrame(news).assign(published_at=lambda f: pd.to_datetime(f["published_at"], utc=True)).to_parquet(where / "news.parquet")
    filing = {"symbol": ["AAA"], "accession": ["1"], "form": ["10-Q"], "text": ["words"], "accepted_at": ["2024-12-02T21:30:00Z"]}
    pd.DataFrame(filing).to_csv(where / "filings.csv", index=False)
    pd.DataFrame({"symbol": ["AAA"], "ex_date": ["2024-12-16"], "ratio": [2.0]}).to_csv(where / "splits.csv", index=False)
    pd.DataFrame({"symbol": ["AAA"], "ex_date": ["2024-12-17"], "amount": [0.2]}).to_csv(where / "dividends.csv", index=False)
    return str(where)


@lru_cache
def _dataset() -> Path:
    """The small folder as a dataset with a name."""
    where = Path(KEPT.name) / "datasets" / "a small market"
    shutil.copytree(_folder(), where, ignore=shutil.ignore_patterns("*datasets*", "cache", "finsaber", "*.pkl"))
    return where


@lru_cache
def _finmem() -> str:
    """FinMem's file in the shape of its data pipeline."""
    return str(finmem_file.write(Path(KEPT.name) / "env_data.pkl", finmem_file.tuples("filing")))


@lru_cache
def _finsaber() -> str:
    """A FINSABER folder over the turn of a year."""
    return str(finsaber_folder.write(Path(KEPT.name) / "finsaber"))


@lru_cache
def _news() -> NewsServer:
    """Both news services with an item a day; it ends with the tests."""
    return NewsServer(news_apis.daily("AAPL", date(2024, 11, 1), 90)).__enter__()


def _news_place(name: str) -> Place:
    finnhub_news.PACE.seconds = alpaca_news.PACE.seconds = 0  # nobody's server is spared here
    return Place(keys=news_apis.KEYS, urls={name: _news().url}, now=lambda: datetime(2025, 3, 3, tzinfo=UTC))


@lru_cache
def _edgar() -> EdgarServer:
    """A server with one company; it ends with the tests."""
    return EdgarServer([example()]).__enter__()


@lru_cache
def _yahoo() -> YahooStandIn:
    """A server that answers like Yahoo; it ends with the tests."""
    return YahooStandIn().__enter__()


@pytest.fixture(params=list(SOURCES), scope="module")
def source(request) -> Any:
    if find_spec(f"agent.market.sources.{request.param}") is None:
        pytest.skip(f"source {request.param} is registered but not written yet")
    return made(request.param)


def made(name: str) -> Any:
    plug: Any = SOURCES.load(name)
    return plug(plug.Options(**MADE_FOR.get(name, dict)()), PLACES.get(name, Place)())


def some_listing(source: Any) -> Listing:
    """The first ticker, or the one to ask for."""
    listings = source.listings()
    return listings[0] if listings else source.listing(ASKED[_name(source)])


def first_day(source: Any, listing: Listing) -> date:
    """The first day of any table."""
    frames = ((whole(source, table, listing), table) for table in sorted(source.provides))
    return listing.first or min(when(frame, table).min().date() for frame, table in frames if len(frame))


def needs(source: Any, table: str) -> None:
    if table not in source.provides:
        pytest.skip(f"this source has no {table}")


def whole(source: Any, table: str, listing: Any) -> pd.DataFrame:
    return source.fetch(table, listing.ticker, date(1990, 1, 1), date(2035, 1, 1)).frame


def when(frame: pd.DataFrame, table: str) -> pd.Series:
    column = DAY_COLUMNS.get(table, "ex_date")
    return frame[column].dt.tz_localize(None) if column == "available_at" else frame[column]


def test_the_options_have_a_description_for_the_form(source):
    for name, field in source.Options.model_fields.items():
        assert field.description, f"{name} has no description"
    with pytest.raises(ValueError, match="extra"):
        source.Options.model_validate({"nonsense": 1})


def test_listings_are_sorted_and_know_their_first_and_last_day(source):
    listings = source.listings()
    assert [x.ticker for x in listings] == sorted(x.ticker for x in listings)
    if source.network:
        return  # may be asked for any ticker, and finds out what there is when it is asked
    assert listings
    bars = whole(source, "bars", listings[0])
    assert listings[0].first == bars["date"].iloc[0].date()
    assert listings[0].last == bars["date"].iloc[-1].date()


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_canonical_sorted_and_without_defects(source, table):
    assert source.provides <= set(TABLES)
    needs(source, table)
    listing = some_listing(source)
    frame = whole(source, table, listing)
    for name, kind in tables.SCHEMA[table].items():
        assert name in frame.columns
        if len(frame) and kind in DTYPES:
            assert str(frame[name].dtype) == DTYPES[kind], name
    assert list(when(frame, table)) == sorted(when(frame, table))
    assert not frame.duplicated(tables.KEY[table]).any()
    assert set(frame["symbol"]) <= {listing.ticker}
    splits, dividends = (whole(source, t, listing) if t in source.provides else tables.empty(t) for t in ("splits", "dividends"))
    found = tables.inspect(table, frame, symbol=listing.ticker, calendar=XNYS, splits=splits, dividends=dividends)
    assert [issue for issue in found if issue.severity == "error"] == []


@pytest.mark.parametrize("table", TABLES)
def test_nothing_before_the_start_and_nothing_at_or_after_the_end(source, table):
    needs(source, table)
    listing = some_listing(source)
    first = first_day(source, listing)
    start, end = first + timedelta(days=20), first + timedelta(days=50)
    frame = source.fetch(table, listing.ticker, start, end).frame
    every = whole(source, table, listing)
    inside = (when(every, table) >= pd.Timestamp(start)) & (when(every, table) < pd.Timestamp(end))
    pd.testing.assert_frame_equal(frame, every[inside].reset_index(drop=True), check_dtype=False)


@pytest.mark.parametrize("table", TABLES)
def test_an_empty_range_is_an_empty_canonical_table_not_an_error(source, table):
    needs(source, table)
    ticker = some_listing(source).ticker
    frame = source.fetch(table, ticker, date(1991, 1, 1), date(1991, 2, 1)).frame
    assert frame.empty and set(tables.SCHEMA[table]) <= set(frame.columns)


def test_texts_are_readable_no_earlier_than_they_exist(source):
    listing = some_listing(source)
    for table, existed in (("news", "published_at"), ("filings", "accepted_at")):
        if table in source.provides:
            texts = whole(source, table, listing)
            assert (texts["available_at"] >= texts[existed]).all()


def test_an_unknown_ticker_is_a_spec_error_at_the_tickers(source):
    if _name(source) in CANNOT_TELL:
        pytest.skip("this service answers for an unknown ticker as for one without news")
    with pytest.raises(SpecError, match="NOPE") as error:
        source.fetch(min(source.provides), "NOPE", date(2020, 1, 1), date(2021, 1, 1))
    assert error.value.field == "tickers"


def test_the_fingerprint_is_stable(source):
    again = made(_name(source))
    assert source.fingerprint() == again.fingerprint()
    assert source.network or _name(source) in HASHED_WHEN_LOADED or source.fingerprint() != ""


def test_a_market_can_be_loaded_from_it(source):
    needs(source, "bars")
    listing = some_listing(source)
    start = first_day(source, listing)
    end = min(listing.last or date.max, start + timedelta(days=90))
    market = Market.load(source, [listing.ticker], start=start, end=end, calendar=XNYS)
    assert market.note == source.note
    view = market.view(XNYS.session(market.last[listing.ticker]).close_at)
    assert len(view.bars(listing.ticker, 10)) == 10


def _name(source: Any) -> str:
    return next(name for name in SOURCES if SOURCES.load(name) is type(source))
