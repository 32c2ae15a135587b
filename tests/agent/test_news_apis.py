"""Alpaca and Finnhub over real HTTP: what becomes of their items, their pages and limits, their faults, and of the keys."""

import logging
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from agent.errors import SpecError, Unavailable
from agent.http import Pace
from agent.market.sessions import Calendar
from agent.market.sources.alpaca_news import AlpacaNewsSource
from agent.market.sources.base import BadResponse, NotSupported, Place, RateLimited, SourceDown
from agent.market.sources.combined import CombinedSource
from agent.market.sources.finnhub_news import FinnhubNewsSource
from agent.market.sources.news_api import NoOptions, moment, text_of
from agent.market.view import Market
from tests.stand_ins.news_apis import KEYS, NewsServer
from tests.toy import ToySource

NOW = datetime(2025, 3, 3, 15, 0, tzinfo=UTC)
RANGE = (date(2025, 2, 1), date(2025, 3, 1))
BOTH = {"alpaca_news": AlpacaNewsSource, "finnhub_news": FinnhubNewsSource}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def alpaca(number: int, created: str, *, updated: str | None = None, symbols=("AAPL",), **more) -> dict:
    item = {"id": number, "headline": f"Headline {number}", "summary": f"Summary {number}", "author": "A", "source": "benzinga"}
    times = {"created_at": created, "updated_at": updated or created}
    return {**item, **times, "symbols": list(symbols), "url": f"https://example.org/{number}", **more}


def finnhub(number: int, when: datetime | int, symbol: str = "AAPL", **more) -> dict:
    seconds = int(when.timestamp()) if isinstance(when, datetime) else when
    item = {"id": number, "datetime": seconds, "headline": f"Headline {number}", "summary": f"Summary {number}"}
    return {**item, "related": symbol, "source": "Wire", "url": f"https://example.org/{number}", "category": "company", **more}


def source(kind: str, server: NewsServer, **keys: str):
    place = Place(keys=KEYS | keys, urls={kind: server.url}, now=lambda: NOW)
    return BOTH[kind](NoOptions(), place, pace=Pace(0))


def example(kind: str) -> dict:
    return alpaca(1, "2025-02-10T15:00:00Z") if kind == "alpaca_news" else finnhub(1, at("2025-02-10T15:00:00"))


# ------------------------------------------------------------------------------------------------------------- what is read


@pytest.mark.parametrize("kind", BOTH)
def test_an_item_is_readable_five_minutes_after_it_was_published_in_utc(kind):
    with NewsServer([example(kind)]) as server:
        got = source(kind, server).fetch("news", "AAPL", *RANGE)
    row = got.frame.iloc[0]
    assert (row["published_at"], row["available_at"]) == (at("2025-02-10T15:00:00"), at("2025-02-10T15:05:00"))
    assert (row["title"], row["summary"], row["url"]) == ("Headline 1", "Summary 1", "https://example.org/1")
    assert row["id"] in ("alpaca-1", "finnhub-1")


@pytest.mark.parametrize("kind", BOTH)
def test_the_range_that_was_read_is_covered_and_the_future_is_not(kind):
    with NewsServer() as server:
        asked = source(kind, server)
        past, future = asked.fetch("news", "AAPL", *RANGE), asked.fetch("news", "AAPL", date(2025, 3, 1), date(2025, 4, 1))
        assert asked.fetch("news", "AAPL", date(2026, 1, 1), date(2026, 2, 1)).covered == ()
    assert past.frame.empty
    assert past.covered == ((pd.Timestamp("2025-02-01", tz="UTC"), pd.Timestamp("2025-03-01", tz="UTC")),)
    assert future.covered == ((pd.Timestamp("2025-03-01", tz="UTC"), pd.Timestamp(NOW)),)
    assert past.fetched_at == NOW


def test_an_edited_item_of_alpaca_is_readable_only_from_its_edit():
    items = [alpaca(1, "2025-02-10T15:00:00Z", updated="2025-02-12T09:00:00Z"), alpaca(2, "2025-02-11T15:00:00Z")]
    with NewsServer(items) as server:
        got = source("alpaca_news", server).fetch("news", "AAPL", *RANGE)
    assert list(got.frame["id"]) == ["alpaca-2", "alpaca-1"]
    assert got.frame["available_at"].iloc[1] == at("2025-02-12T09:05:00")
    assert got.frame["published_at"].iloc[1] == at("2025-02-10T15:00:00")
    assert [(issue.code, issue.count) for issue in got.issues] == [("edited", 1)]


def test_an_edit_before_publication_does_not_make_an_item_older():
    with NewsServer([alpaca(1, "2025-02-10T15:00:00Z", updated="2025-02-10T14:00:00Z")]) as server:
        frame = source("alpaca_news", server).fetch("news", "AAPL", *RANGE).frame
    assert list(frame["available_at"]) == [at("2025-02-10T15:05:00")]


def test_all_pages_of_alpaca_are_read_with_the_token_of_the_page_before():
    items = [alpaca(i, f"2025-02-{1 + i // 10:02d}T{10 + i % 10}:00:00Z") for i in range(123)]
    with NewsServer(items) as server:
        got = source("alpaca_news", server).fetch("news", "AAPL", *RANGE)
        assert [question.get("page_token") for question in server.log] == [None, "p50", "p100"]
        assert server.log[0]["symbols"] == "AAPL" and server.log[0]["sort"] == "asc" and server.log[0]["limit"] == "50"
    assert len(got.frame) == 123


def test_a_page_token_that_repeats_is_not_followed_for_ever():
    with NewsServer([alpaca(1, "2025-02-10T15:00:00Z")]) as server:
        server.alpaca = lambda asked: {"news": [], "next_page_token": "same"}
        with pytest.raises(BadResponse, match="leads to itself"):
            source("alpaca_news", server).fetch("news", "AAPL", *RANGE)
        assert len(server.log) == 2


def test_alpaca_is_not_asked_for_the_years_before_2015():
    with NewsServer() as server:
        asked = source("alpaca_news", server)
        assert asked.fetch("news", "AAPL", date(2010, 1, 1), date(2011, 1, 1)).covered == ()
        assert server.log == []
        assert asked.fetch("news", "AAPL", date(2014, 6, 1), date(2015, 6, 1)).covered[0][0] == pd.Timestamp("2015-01-01", tz="UTC")


def test_finnhub_is_asked_for_one_year_and_the_days_before_have_no_source():
    with NewsServer() as server:
        got = source("finnhub_news", server).fetch("news", "AAPL", date(2023, 1, 1), date(2025, 3, 3))
        assert server.log[0]["from"] == "2024-03-02"
    assert got.covered == ((pd.Timestamp(NOW - timedelta(days=365)), pd.Timestamp("2025-03-03", tz="UTC")),)
    assert [issue.code for issue in got.issues] == ["no_source"] and "2024-03-03" in got.issues[0].message


def test_finnhub_windows_shrink_until_nothing_is_cut_off():
    start = at("2025-02-01T00:10:00")
    items = [finnhub(i + 1, start + timedelta(minutes=40 * i)) for i in range(1000)]  # 36 a day, 250 at once
    with NewsServer(items) as server:
        got = source("finnhub_news", server).fetch("news", "AAPL", *RANGE)
        assert len(server.log) < 20
    assert len(got.frame) == 1000 and got.issues == ()
    assert got.covered == ((pd.Timestamp("2025-02-01", tz="UTC"), pd.Timestamp("2025-03-01", tz="UTC")),)


def test_a_single_day_with_more_than_finnhub_gives_is_covered_only_from_its_oldest_item():
    items = [finnhub(i + 1, at("2025-02-10T00:00:30") + timedelta(minutes=i)) for i in range(600)]
    with NewsServer(items) as server:
        got = source("finnhub_news", server).fetch("news", "AAPL", *RANGE)
    assert len(got.frame) == 250
    oldest = pd.Timestamp(at("2025-02-10T00:00:30") + timedelta(minutes=350))
    low, high = pd.Timestamp("2025-02-01", tz="UTC"), pd.Timestamp("2025-03-01", tz="UTC")
    assert got.covered == ((low, pd.Timestamp("2025-02-10", tz="UTC")), (oldest, high))
    assert [(issue.code, issue.rows) for issue in got.issues] == [("capped", ("2025-02-10",))]


@pytest.mark.parametrize("bad", [None, "", "yesterday", "2025-02-10", "2025-02-10T15:00:00", 1739199600, "0001-01-01T00:00:00Z"])
def test_an_item_of_alpaca_without_a_time_and_a_zone_is_left_out_and_counted(bad):
    items = [alpaca(1, "2025-02-10T15:00:00Z") | {"created_at": bad}, alpaca(2, "2025-02-11T15:00:00Z")]
    with NewsServer(items) as server:
        got = source("alpaca_news", server).fetch("news", "AAPL", *RANGE)
    assert list(got.frame["id"]) == ["alpaca-2"]
    assert [(issue.code, issue.count, issue.severity) for issue in got.issues] == [("undated", 1, "warning")]


@pytest.mark.parametrize("bad", [None, 0, "1739199600", True, 1739199600000, -5, 1e300])
def test_an_item_of_finnhub_without_a_time_is_left_out_and_counted(bad):
    with NewsServer() as server:
        server.finnhub = lambda asked: [finnhub(1, 0) | {"datetime": bad}, finnhub(2, at("2025-02-11T15:00:00"))]
        got = source("finnhub_news", server).fetch("news", "AAPL", *RANGE)
    assert list(got.frame["id"]) == ["finnhub-2"]
    assert [issue.code for issue in got.issues] == ["undated"]


def test_html_is_stripped_and_only_web_addresses_stay():
    more = {"summary": "<p>Apple&#39;s <b>big</b> day</p><script>alert('x')</script><style>p{}</style>", "url": "javascript:alert(1)"}
    with NewsServer([alpaca(1, "2025-02-10T15:00:00Z", headline="A &amp; B <i>rise</i>", **more)]) as server:
        row = source("alpaca_news", server).fetch("news", "AAPL", *RANGE).frame.iloc[0]
    assert (row["title"], row["summary"], row["url"]) == ("A & B rise", "Apple's big day", "")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a < b and c > d", "a < b and c > d"),
        ("one<br/>two<p>three", "one two three"),
        ("<!-- hidden -->shown", "shown"),
        ("<script>never closed", ""),
        ("&lt;b&gt;", "<b>"),
        ("<![CDATA[x", "<![CDATA[x"),
        ("half \ud800 pair\x00", "half ? pair"),
        (None, ""),
        (7, ""),
    ],
)
def test_text_of(html, text):
    assert text_of(html) == text


@pytest.mark.parametrize("piece", ["<!--", "<script", "<a", "<", "&", "&#", "<b ", "</"])
def test_long_nonsense_does_not_hold_anybody(piece):
    began = datetime.now(UTC)
    text_of(piece * 200_000)
    assert datetime.now(UTC) - began < timedelta(seconds=3)


def test_a_moment_never_has_a_guessed_zone():
    assert moment("2025-02-10T10:00:00-05:00") == at("2025-02-10T15:00:00") == moment(1739199600)
    assert moment("2025-02-10T10:00:00") is None


def test_a_class_share_is_asked_for_with_a_point_and_kept_as_it_was_written():
    with NewsServer([alpaca(1, "2025-02-10T15:00:00Z", symbols=["BRK.B"])]) as server:
        frame = source("alpaca_news", server).fetch("news", "BRK-B", *RANGE).frame
    assert list(frame["symbol"]) == ["BRK-B"]


@pytest.mark.parametrize("ticker", ["", "../etc", "A B", "AAPL,MSFT", "A&token=x", "a" * 40, "ÄÖ"])
def test_a_ticker_that_is_none_is_refused_before_any_request(ticker):
    with NewsServer() as server, pytest.raises(SpecError) as error:
        source("finnhub_news", server).fetch("news", ticker, *RANGE)
    assert error.value.field == "tickers" and server.log == []


def test_only_news_can_be_had():
    with NewsServer() as server, pytest.raises(NotSupported, match="it has news"):
        source("alpaca_news", server).fetch("bars", "AAPL", *RANGE)


# ------------------------------------------------------------------------------------------------------------------- faults

FAULTS = {
    "401": (Unavailable, "refused the key"),
    "403": (Unavailable, "refused the key"),
    "404": (BadResponse, "404"),
    "422": (BadResponse, "422"),
    "429": (RateLimited, "pause"),
    "500": (SourceDown, "500"),
    "503": (SourceDown, "503"),
    "html": (BadResponse, "web page"),
    "broken": (BadResponse, "JSON"),
    "empty": (BadResponse, "JSON"),
    "drop": (SourceDown, "cannot be reached"),
    "redirect": (Unavailable, "302"),
    "list": (BadResponse, "form"),
    "object": (BadResponse, "form"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", BOTH)
def test_every_fault_has_its_class_and_sentence_and_passes_when_it_is_over(kind, fault, caplog):
    caplog.set_level(logging.DEBUG)
    expected, words = FAULTS[fault]
    with NewsServer([example(kind)]) as server, NewsServer([example(kind)]) as other:
        server.elsewhere = other.url
        server.fail(fault)
        asked = source(kind, server)
        with pytest.raises(expected, match=words) as error:
            asked.fetch("news", "AAPL", *RANGE)
        assert len(asked.fetch("news", "AAPL", *RANGE).frame) == 1
        assert other.log == []  # a key does not follow a redirect
        assert not server.keys_in_urls
    shown = [str(error.value), repr(error.value), repr(asked.__dict__), caplog.text]
    assert not [key for key in KEYS.values() for text in shown if key in text]
    assert str(error.value).count("\n") == 0 and error.value.cure
    if fault == "429":
        assert error.value.retry_at == NOW + timedelta(seconds=30)
    if fault in ("401", "403"):
        assert "RECOLLECT_" in error.value.cure and ".env" in error.value.cure


@pytest.mark.parametrize("kind", BOTH)
def test_a_server_that_is_not_there_is_down(kind):
    with NewsServer() as server:
        pass
    with pytest.raises(SourceDown, match="cannot be reached"):
        source(kind, server).fetch("news", "AAPL", *RANGE)


@pytest.mark.parametrize("kind", BOTH)
def test_a_fault_in_the_middle_gives_no_half_answer(kind):
    when = at("2025-01-02T00:00:00")
    many = (
        [alpaca(i, "2025-02-10T15:00:00Z") for i in range(80)]
        if kind == "alpaca_news"
        else [finnhub(i + 1, when + timedelta(hours=i)) for i in range(900)]
    )
    with NewsServer(many) as server:
        asked = source(kind, server)
        answer = server.alpaca if kind == "alpaca_news" else server.finnhub

        def first_then_fail(question):
            server.fail("429")
            return answer(question)

        setattr(server, kind.removesuffix("_news"), first_then_fail)
        with pytest.raises(RateLimited):
            asked.fetch("news", "AAPL", date(2024, 12, 1), date(2025, 3, 1))


# --------------------------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("kind", "name", "variable"),
    [
        ("alpaca_news", "alpaca_key_id", "RECOLLECT_ALPACA_KEY_ID"),
        ("alpaca_news", "alpaca_secret_key", "RECOLLECT_ALPACA_SECRET_KEY"),
        ("finnhub_news", "finnhub_key", "RECOLLECT_FINNHUB_KEY"),
    ],
)
@pytest.mark.parametrize("value", ["", "   ", "two\nlines", "schlüssel"])
def test_a_missing_or_impossible_key_names_its_variable_before_any_request(kind, name, variable, value):
    with NewsServer() as server, pytest.raises(Unavailable) as error:
        source(kind, server, **{name: value}).fetch("news", "AAPL", *RANGE)
    assert variable in error.value.cure and ".env" in error.value.cure and server.log == []
    assert not value.strip() or value not in str(error.value)


@pytest.mark.parametrize("kind", BOTH)
def test_a_wrong_key_is_refused_without_being_repeated(kind):
    wrong = dict.fromkeys(KEYS, "wrong-key-42")
    with NewsServer() as server, pytest.raises(Unavailable, match="refused the key") as error:
        source(kind, server, **wrong).fetch("news", "AAPL", *RANGE)
    assert "wrong-key-42" not in str(error.value)


def test_neither_the_place_nor_a_source_prints_a_key():
    with NewsServer() as server:
        shown = repr(Place(keys=KEYS)) + repr([vars(source(kind, server)) for kind in BOTH])
    assert not [key for key in KEYS.values() if key in shown]


# -------------------------------------------------------------------------------------------------------------- in a market


@pytest.mark.parametrize("kind", BOTH)
def test_news_of_a_service_joins_prices_of_another_source(kind):
    calendar = Calendar()
    now = datetime(2022, 6, 29, 12, tzinfo=UTC)
    made = (
        [alpaca(1, "2022-05-03T21:00:00Z", symbols=["TOYA"]), alpaca(2, "2022-05-04T15:00:00Z", symbols=["TOYA"])]
        if kind == "alpaca_news"
        else [finnhub(1, at("2022-05-03T21:00:00"), "TOYA"), finnhub(2, at("2022-05-04T15:00:00"), "TOYA")]
    )
    with NewsServer(made) as server:
        service = BOTH[kind](NoOptions(), Place(keys=KEYS, urls={kind: server.url}, now=lambda: now), pace=Pace(0))
        both = CombinedSource(ToySource(), {"news": service})
        market = Market.load(both, ["TOYA"], start=date(2022, 3, 1), end=date(2022, 5, 31), calendar=calendar)
    third, fourth = calendar.session(date(2022, 5, 3)), calendar.session(date(2022, 5, 4))
    assert market.view(third.close_at).news("TOYA", third.open_at) == ()  # published an hour after the close
    assert [item.title for item in market.view(fourth.close_at).news("TOYA", third.close_at)] == ["Headline 1", "Headline 2"]
    assert market.view(fourth.close_at).sourced("TOYA", "news", third.close_at)
    assert service.note in market.note
