"""What real markets promise, tried whole: through ``services``, the cache on disk and real HTTP to stand-ins for Yahoo and EDGAR."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.errors import NoData, SpecError, Unavailable
from agent.market.sessions import Calendar
from agent.market.sources import SOURCES
from agent.market.sources.base import RateLimited
from agent.market.sources.yahoo import YahooSource
from agent.memory.layers import preset
from agent.spec import Part, RunSpec
from services import exports, market_data, queries, runs, wiring, worker
from services.market_data import Choice, Step
from services.settings import ROOT, settings
from storage import market_cache
from storage.market_cache import CachedSource
from tests.stand_ins.edgar import EdgarServer, MadeFiling, example, quarterly
from tests.stand_ins.yahoo import FAULTS, Item, YahooStandIn

YAHOO = Choice(source="yahoo")
GOOD = [
    "AAPL",
    "AMZN",
    "CSCO",
    "INTC",
    "MSFT",
    "NVDA",
    "BA",
    "BRK-B",
    "CAT",
    "CRM",
    "CVX",
    "DIS",
    "GS",
    "HD",
    "IBM",
    "JNJ",
    "JPM",
    "KO",
    "MCD",
]
WEEK = (date(2024, 3, 4), date(2024, 3, 8))


class Brisk(YahooSource):
    """Yahoo without its manners towards a real server."""

    pace_s = 0.0
    timeout_s = 30.0
    retries = 0


@pytest.fixture(scope="module")
def server() -> Iterator[YahooStandIn]:
    with YahooStandIn(first=date(2022, 6, 1)) as stand_in:
        yield stand_in


@pytest.fixture
def yahoo(server) -> YahooStandIn:
    server.reset()
    return server


@pytest.fixture
def home(tmp_path, monkeypatch, yahoo):
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECOLLECT_YAHOO_URL", yahoo.url)
    monkeypatch.setenv("RECOLLECT_CONTACT", "tester@example.org")
    monkeypatch.setitem(SOURCES._entries, "yahoo", "tests.services.test_market_promises:Brisk")
    monkeypatch.setattr(market_cache, "BREATH", 0.0)
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


def fetched(tickers: list[str], choice: Choice = YAHOO) -> dict[tuple[str, str], Step]:
    return {(step.ticker, step.table): step for step in market_data.refresh(choice, tickers, *WEEK)}


# ------------------------------------------------------------------------------------------------------ one bad ticker of twenty


def test_one_bad_ticker_of_twenty_is_said_and_the_other_nineteen_are_whole(home):
    asked = [*GOOD[:3], "ZZ500", *GOOD[3:]]
    steps = fetched(asked, YAHOO.model_copy(update={"parts": {"news": Part(source="none")}}))
    assert len({ticker for ticker, _ in steps}) == 20
    assert {ticker for (ticker, _), step in steps.items() if not step.ok} == {"ZZ500"}
    assert all(step.rows > 0 for (ticker, table), step in steps.items() if table == "bars" and ticker != "ZZ500")
    assert all("ZZ500" in step.problem for (ticker, _), step in steps.items() if ticker == "ZZ500")


def test_every_way_to_be_bad_leaves_the_ticker_beside_it_alone(home):
    bad = ["NOSUCHX", "ZZ404", "ZZHTML", "ZZBAD", "ZZEMPTY", "ZZDROP", "../etc", "BTC-USD"]
    steps = fetched([*bad[:4], "AAPL", *bad[4:], "MSFT"])
    assert {ticker for (ticker, _), step in steps.items() if not step.ok} == set(bad)
    assert steps["AAPL", "bars"].rows and steps["MSFT", "bars"].rows
    assert all(name in steps[name, "bars"].problem for name in bad)


@pytest.mark.parametrize("mode", ["500", "drop"])
def test_a_ticker_that_goes_bad_later_keeps_its_rows_and_stops_nobody(home, monkeypatch, mode):
    """It fails at its name, its prices, its splits, its dividends and its news: five times in a row, and still it is one ticker."""
    few = ["AAPL", "CSCO", "MSFT"]
    before = fetched(few)
    monkeypatch.setitem(FAULTS, "CSCO", mode)
    steps = {(s.ticker, s.table): s for s in market_data.refresh(YAHOO, few, WEEK[0], datetime.now(UTC).date())}
    others = {key: step for key, step in steps.items() if key[0] != "CSCO"}
    assert all(step.ok and "stale" not in {issue.code for issue in step.issues} for step in others.values()), others
    assert steps["CSCO", "bars"].ok and steps["CSCO", "bars"].rows >= before["CSCO", "bars"].rows
    assert "stale" in {issue.code for issue in steps["CSCO", "bars"].issues}


def test_a_ticker_that_cannot_be_had_leaves_the_coverage_of_the_others(home):
    frame = market_data.coverage(YAHOO, ["ZZ404", "AAPL"], *WEEK)
    states = frame[frame["table"] == "bars"].groupby("ticker")["state"].unique().map(list).to_dict()
    assert states == {"ZZ404": ["no source"], "AAPL": ["full"]}
    with pytest.raises(SpecError, match="never heard of the ticker 'ZZ404'"):
        market_data.coverage(YAHOO, ["ZZ404", "NOSUCHX"], *WEEK)


# ---------------------------------------------------------------------------------------------------------- a source that refuses


def test_one_refusal_pauses_the_source_for_everybody_and_what_is_on_disk_is_shown_with_its_age(home, yahoo):
    fetched(["AAPL"])
    yahoo.rule("/v8/finance/chart/MSFT", "429", times=99)
    made = wiring.one_source("yahoo", {})
    assert isinstance(made, CachedSource)
    impatient = CachedSource(made.inner, name="yahoo", folder=settings().market_cache, sleep=lambda _: None)
    with pytest.raises(RateLimited):
        impatient.fetch("bars", "MSFT", *WEEK)
    yahoo.log.clear()
    yahoo.rules.clear()
    state = next(state for state in market_data.states() if state.name == "yahoo")
    assert state.ok is False and state.paused_until is not None and state.message.startswith("Paused until")
    assert timedelta(minutes=13) < state.paused_until - datetime.now(UTC) <= timedelta(minutes=15)
    steps = {(s.ticker, s.table): s for s in market_data.refresh(YAHOO, ["AAPL", "MSFT"], WEEK[0], datetime.now(UTC).date())}
    assert yahoo.log == [], "nobody asks before the pause is over"
    assert steps["AAPL", "bars"].rows > 0 and not steps["MSFT", "bars"].ok
    assert "is not asked again before" in steps["MSFT", "bars"].problem
    stale = [issue.message for issue in steps["AAPL", "bars"].issues if issue.code == "stale"]
    assert len(stale) == 1 and "served from the cache, fetched 0 min ago" in stale[0] and "not asked again before" in stale[0]


# ------------------------------------------------------------------------------------------------------- what comes later changes nothing


def run_spec(**changes: Any) -> RunSpec:
    base = {
        "source": "yahoo",
        "parts": {table: {"source": "edgar"} for table in ("filings", "fundamentals")},
        "tickers": ["AAPL"],
        "train": {"start": "2024-07-22", "end": "2024-07-31"},
        "test": {"start": "2024-08-01", "end": "2024-09-16"},
        "backend": "rules",
        "memory": preset("default").model_copy(update={"embedder": "hashing"}).model_dump(),
    }
    return RunSpec.read(base | changes)


def traded(spec: RunSpec) -> list[dict[str, Any]]:
    """Every day record of a run, without what only tells one run from another."""
    run = runs.create(spec)
    assert worker.execute(run) == "done", runs.store().run(run).error
    return [_plain(record.model_dump(mode="json")) for record in runs.store().records(run)]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if name not in ("run", "ms")}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def test_a_whole_run_is_the_same_after_a_later_split_dividend_filing_and_restatement(home, yahoo, monkeypatch):
    company = replace(example(), ticker="AAPL")
    with EdgarServer([company]) as edgar:
        monkeypatch.setenv("RECOLLECT_EDGAR_URL", edgar.url)
        settings.cache_clear()
        spec = run_spec()
        before = traded(spec)
        assert len(before) > 35 and any(day["observation"]["fundamentals"] for day in before)
        assert any(day["observation"]["filings"] for day in before) and any(day["fills"] for day in before)

        stock = yahoo.stock("AAPL")
        for row in stock.rows:
            if row.day >= date(2024, 11, 4):
                row.open, row.high, row.low, row.close = (x and round(x / 4, 2) for x in (row.open, row.high, row.low, row.close))
        stock.splits[date(2024, 11, 4)] = 4.0
        stock.dividends[date(2024, 12, 2)] = 5.0
        late = "0000100001-24-000009"
        company.filings.append(MadeFiling(late, "10-Q/A", "2024-12-10", "2024-12-10T12:00:00", quarterly(), "2024-06-30"))
        company.facts.append(("Revenues", "USD", 999.0, "2024-04-01", "2024-06-30", late, "10-Q/A", "2024-12-10"))

        choice = Choice.of(spec)
        steps = list(market_data.refresh(choice, ["AAPL"], spec.train.start, date(2025, 1, 31)))
        assert all(step.ok for step in steps) and {step.table: step.rows for step in steps}["splits"] == 1, (
            "the later split is known by now"
        )
        assert traded(spec) == before, "with the rows that were kept"
        for name in ("yahoo", "edgar"):
            assert market_data.forget(name)
        assert traded(spec) == before, "with everything fetched afresh"
    yahoo.stocks.clear()


# ---------------------------------------------------------------------------------------------------------------- sessions in London


@pytest.mark.parametrize(
    ("published", "session"),
    [
        ("2024-03-28 16:20", "2024-03-28"),  # readable five minutes later, before the close
        ("2024-03-28 16:30", "2024-04-02"),  # Good Friday, the weekend with the change of clocks, Easter Monday
        ("2024-03-31 12:00", "2024-04-02"),
        ("2024-04-02 16:20", "2024-04-02"),  # half past four is an hour earlier in UTC by now
        ("2024-04-02 16:30", "2024-04-03"),
        ("2024-05-06 09:00", "2024-05-07"),  # a bank holiday
        ("2024-12-24 12:20", "2024-12-24"),  # half a day
        ("2024-12-24 12:40", "2024-12-27"),
    ],
)
def test_news_of_a_ticker_in_london_is_known_at_the_right_close_there(home, yahoo, published, session):
    stock = yahoo.stock("VOD.L")
    moment = datetime.fromisoformat(published).replace(tzinfo=ZoneInfo("Europe/London")).astimezone(UTC)
    stock.news = [Item("only", "A headline from London", moment.strftime("%Y-%m-%dT%H:%M:%SZ"))]
    day = date.fromisoformat(session)
    known = market_data.known(YAHOO, "VOD.L", day)
    assert [item.title for item in known.news] == ["A headline from London"]
    before = market_data.known(YAHOO, "VOD.L", day - timedelta(days=1))
    assert before.session.day < day and before.news == ()
    frame = market_data.coverage(YAHOO, ["VOD.L"], day - timedelta(days=10), day)
    news = frame[frame["table"] == "news"].set_index("period")["count"]
    assert news[day] == 1 and news.sum() == 1


def test_nothing_is_known_at_a_close_that_has_not_come(home):
    closed = Calendar().last_closed(datetime.now(UTC))
    assert closed is not None
    ahead = market_data.known(YAHOO, "AAPL", closed.day + timedelta(days=9))
    assert ahead.session == closed and ahead == market_data.known(YAHOO, "AAPL", closed.day)


# -------------------------------------------------------------------------------------------------------------------- no empty runs


def test_a_run_refuses_to_start_where_there_is_no_price(home, yahoo):
    empty = run_spec(parts={}, train=None, test={"start": "2018-03-05", "end": "2018-03-16"})  # years before the ticker was listed
    with pytest.raises((SpecError, NoData), match="AAPL has no price from 2018-03-05 to 2018-03-16"):
        runs.submit(empty)
    yahoo.rule("/v8/finance/chart/AAPL", "empty", times=99)
    with pytest.raises(Unavailable, match="AAPL"):
        runs.submit(run_spec(parts={}, train=None, test={"start": "2024-03-04", "end": "2024-03-08"}, tickers=["AAPL"]))
    assert runs.store().runs() == []


# ------------------------------------------------------------------------------------------------------- what was odd stays on record


def test_what_was_odd_about_the_rows_stays_with_the_run_and_its_leak_report_counts_what_had_no_date(home, yahoo, tmp_path):
    yahoo.stock("ZZNAN").news = [Item("never", "Nobody knows when", "soon"), Item("dated", "A dated one", "2022-06-14T15:00:00Z")]
    spec = run_spec(parts={}, tickers=["ZZNAN"], train=None, test={"start": "2022-06-13", "end": "2022-06-24"})
    found = runs.preflight(spec)
    assert found.ok and any("without a price left out: 2022-06-15" in check.message for check in found.checks)
    run = runs.create(spec)
    assert worker.execute(run) == "done"
    noted = runs.store().run(run).provenance["issues"]
    assert any(line.startswith("warning: ") and "without a price left out: 2022-06-15" in line for line in noted)
    assert any("has no bar on 2 of" in line for line in noted)
    exports.export(run, tmp_path / "out")
    report = json.loads((tmp_path / "out" / "leaks.json").read_text())
    assert report["verdict"] == queries.leaks(run).verdict == "ok"
    assert report["undated"] == queries.leaks(run).undated == {"news": 1}
    blind = {day["day"]: day["observation"]["unsourced"] for day in map(lambda r: r.model_dump(mode="json"), runs.store().records(run))}
    assert "news" in blind["2022-06-13"] and "news" not in blind["2022-06-21"], "nobody can speak for the time before the oldest headline"


# ------------------------------------------------------------------------------------------------------------------- the demo market


OFFLINE_DEMO = """
import socket, sys
def refuse(*_):
    raise AssertionError("the demo market asked a network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
from datetime import date
from agent.memory.layers import preset
from agent.spec import RunSpec
from services import market_data, runs, worker
from services.market_data import Choice
demo, tickers, week = Choice(source="demo"), ["DMAUR", "DMCEL"], (date(2022, 3, 7), date(2022, 3, 18))
assert all(step.ok and step.rows >= 0 for step in market_data.refresh(demo, tickers, *week))
assert all(found.listing for found in market_data.resolve(demo, tickers))
market_data.states(), market_data.coverage(demo, tickers, *week), market_data.check(demo, tickers, *week)
assert market_data.known(demo, "DMAUR", week[1]).bar
market_data.save(demo, tickers, *week, "kept")
spec = RunSpec.read({"source": "demo", "tickers": tickers, "test": {"start": str(week[0]), "end": str(week[1])},
                     "backend": "rules", "memory": preset("default").model_copy(update={"embedder": "hashing"}).model_dump()})
runs.refuse(runs.preflight(spec))
run = runs.create(spec)
assert worker.execute(run) == "done"
heavy = {"yfinance", "curl_cffi"} & set(sys.modules)
assert not heavy, heavy
print("offline")
"""


def test_the_demo_market_asks_no_network_and_loads_no_network_library(tmp_path):
    env = {**os.environ, "RECOLLECT_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", OFFLINE_DEMO], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.stdout.endswith("offline\n"), done.stderr[-2000:]
    assert not (tmp_path / "cache" / "v1").exists(), "nothing was cached, because nothing was fetched"
