"""What goes wrong around a run on market data from elsewhere: data that change while it stands still, absurd ranges, names with tricks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest

from agent.errors import SpecError, Unavailable
from agent.memory.layers import preset
from agent.spec import RunSpec
from services import market_data, queries, runs, worker
from services.market_data import Choice
from services.settings import ROOT, settings
from storage.market_cache import drop
from tests.stand_ins.news_apis import KEYS, NewsServer
from tests.stand_ins.yahoo import Item, YahooStandIn

SUMMER = {"start": "2024-07-01", "end": "2024-07-12"}


@pytest.fixture
def yahoo():
    with YahooStandIn() as server:
        yield server


@pytest.fixture
def home(tmp_path, monkeypatch, yahoo):
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECOLLECT_YAHOO_URL", yahoo.url)
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


def spec(**changes) -> RunSpec:
    memory = {**preset("default").model_dump(), "embedder": "hashing"}
    return RunSpec.read({"source": "yahoo", "tickers": ["AAPL"], "test": SUMMER, "memory": memory, **changes})


def paused_after(days: int, asked: RunSpec) -> str:
    """A run that a person stopped after some days."""
    run = runs.create(asked)

    def stop(_record, done: int, _total: int) -> None:
        if done == days:
            raise KeyboardInterrupt

    assert worker.execute(run, on_record=stop) == "paused"
    return run


def go_on(run: str) -> list[str]:
    runs.requeue(run)
    assert worker.execute(run) == "done"
    return runs.store().run(run).provenance["issues"]


# ------------------------------------------------------------------------------------- data that change while a run stands still


def test_a_run_that_is_resumed_on_the_same_data_says_nothing_about_them(home):
    asked = spec()
    run, whole = paused_after(3, asked), runs.create(asked)
    assert go_on(run) == []
    worker.execute(whole)
    equity = [queries.days(each, "AAPL")["equity"].tolist() for each in (run, whole)]
    assert len(equity[0]) == 9 and equity[0] == equity[1]


def test_a_run_goes_on_after_its_source_corrected_a_price_and_names_the_days_that_would_look_different(home, yahoo):
    run = paused_after(3, spec())
    before = runs.store().run(run).provenance["data"]
    row = next(row for row in yahoo.stock("AAPL").rows if row.day == date(2024, 7, 2))
    row.high += 1
    market_data.forget("yahoo")
    (said,) = go_on(run)
    assert "after 2024-07-03 it went on" in said and "Of the 3 days" in said and "1 would look different now: AAPL 2024-07-02." in said
    after = runs.store().run(run).provenance
    assert after["data"] != before and after["data_before"] == [before]
    assert len(queries.days(run, "AAPL")) == 9


def test_news_that_came_after_the_pause_are_read_and_said_to_touch_no_recorded_day(home, yahoo):
    yahoo.stock("AAPL").news = [Item("a", "Known before", "2024-07-01T12:00:00Z")]
    run = paused_after(3, spec())
    yahoo.stock("AAPL").news.insert(0, Item("b", "A late story", "2024-07-09T12:00:00Z"))
    market_data.forget("yahoo")
    (said,) = go_on(run)
    assert "None of the 3 days recorded before would look different" in said
    assert [item.title for item in queries.record(run, "AAPL", date(2024, 7, 9)).observation.news] == ["A late story"]
    assert go_on_again_is_refused(run)


def go_on_again_is_refused(run: str) -> bool:
    with pytest.raises(SpecError, match="complete"):
        runs.may_resume(run)
    return True


def test_a_dataset_replaced_while_a_run_stands_still_stops_it_in_words(home, yahoo):
    kept = Choice(source="yahoo")
    market_data.save(kept, ["AAPL"], date(2024, 7, 1), date(2024, 7, 12), "mine")
    run = paused_after(3, spec(source="upload", source_options={"dataset": "mine"}))
    yahoo.stock("AAPL").rows[-600].volume = 7
    next(row for row in yahoo.stock("AAPL").rows if row.day == date(2024, 7, 2)).high += 1
    market_data.forget("yahoo")
    market_data.save(kept, ["AAPL"], date(2024, 7, 1), date(2024, 7, 12), "mine", replace=True)
    runs.requeue(run)
    assert worker.execute(run) == "failed"
    row = runs.store().run(run)
    assert "the data changed since run" in row.error and row.sessions_done == 3


def test_a_dataset_deleted_while_a_run_stands_still_stops_it_in_words_and_the_run_can_still_be_read(home):
    market_data.save(Choice(source="yahoo"), ["AAPL"], date(2024, 7, 1), date(2024, 7, 12), "mine")
    run = paused_after(3, spec(source="upload", source_options={"dataset": "mine"}))
    market_data.delete_dataset("mine")
    runs.requeue(run)
    assert worker.execute(run) == "failed"
    assert "There is no dataset 'mine'" in runs.store().run(run).error and len(queries.days(run, "AAPL")) == 3


def test_what_a_resumed_run_was_served_from_an_old_cache_is_among_its_warnings(home, yahoo, monkeypatch):
    run = paused_after(3, spec())
    monkeypatch.setenv("RECOLLECT_OFFLINE", "true")
    settings.cache_clear()
    shelf = settings().market_cache / "yahoo" / "bars" / "AAPL.json"
    assert shelf.exists()
    assert go_on(run) == [], "what is on disk covers the run: nothing is stale"


# ----------------------------------------------------------------------------------------------------- ranges, names, half days off


@pytest.mark.parametrize("ask", ["refresh", "coverage", "check", "save"])
def test_days_before_or_after_all_markets_are_refused_in_a_sentence(home, ask):
    first, last = date(1, 1, 1), date(9999, 12, 31)
    with pytest.raises(SpecError, match="between 1900 and 2100"):
        if ask == "save":
            market_data.save(Choice(source="yahoo"), ["AAPL"], first, last, "mine")
        else:
            list(getattr(market_data, ask)(Choice(source="yahoo"), ["AAPL"], first, last))


def test_nothing_outside_the_cache_of_a_source_that_exists_can_be_deleted_by_its_name(home):
    list(market_data.refresh(Choice(source="yahoo"), ["AAPL"], date(2024, 7, 1), date(2024, 7, 12)))
    mine = home / "datasets" / "bars" / "bars.parquet"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    for name in ("*", "y*", "../../datasets", "", "[y]ahoo", str(home / "datasets")):
        with pytest.raises(SpecError):
            market_data.forget(name)
        assert drop(settings().market_cache, name) == 0
    assert mine.exists() and len(market_data.held())
    assert market_data.forget("yahoo") > 0 and not len(market_data.held())


def test_a_window_that_ends_on_a_day_off_after_the_last_session_can_be_traded(home, yahoo):
    now = datetime.now(UTC)
    done = runs.Calendar().last_closed(now).day
    after = runs.Calendar().next_session(done).day
    window = {"start": str(done - timedelta(days=6)), "end": str(after - timedelta(days=1))}
    assert runs.preflight(spec(test=window)).ok
    late = runs.preflight(spec(test={**window, "end": str(after)}))
    assert not late.ok and any("End it there" in check.message for check in late.checks)


def test_a_source_without_prices_is_named_and_not_the_ticker(home):
    with pytest.raises(SpecError, match="edgar has no prices"):
        runs.preflight(spec(source="edgar"))


def test_fifty_one_tickers_are_counted_in_words():
    with pytest.raises(SpecError, match="51"):
        spec(tickers=[f"A{number}" for number in range(51)])
    try:
        spec(tickers=[f"A{number}" for number in range(51)])
    except SpecError as error:
        assert "Tuple" not in str(error) and "50" in str(error)


def test_a_fetch_stopped_from_the_keyboard_says_so_keeps_what_was_complete_and_leaves_nothing_half_done(home, yahoo):
    env = {**os.environ, "RECOLLECT_HOME": str(home), "RECOLLECT_YAHOO_URL": yahoo.url}
    flags = [
        "--source",
        "yahoo",
        "--tickers",
        "AAPL,MSFT,NVDA,AMZN,CSCO,INTC",
        "--start",
        "2024-07-01",
        "--end",
        "2024-07-31",
        "--name",
        "cut",
    ]
    command = [sys.executable, "cli.py", "data", "fetch", *flags]
    heard = partial(
        signal.signal, signal.SIGINT, signal.SIG_DFL
    )  # a suite started in the background is deaf to Ctrl-C, and so its children
    process = subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    assert process.stderr is not None
    for line in process.stderr:
        if "AAPL splits" in line:
            process.send_signal(signal.SIGINT)
            break
    assert "stopped from the keyboard" in process.stderr.read() and process.wait() == 130
    assert "AAPL" in set(market_data.held()["symbol"]) and market_data.datasets() == []


def test_items_without_a_time_are_left_out_counted_and_the_same_id_under_two_tickers_is_two_items(home, yahoo):
    flood = [
        Item(f"x{number}", f"Headline {number}", f"2024-07-03T12:00:{number % 60:02}Z", summary="long " * 200) for number in range(190)
    ]
    yahoo.stock("AAPL").news = [Item("u1", "Whenever", None), Item("u2", "Soon", "soon"), *flood]
    yahoo.stock("MSFT").news = [Item("x1", "Elsewhere", "2024-07-03T12:00:00Z")]
    run = runs.create(spec(tickers=["AAPL", "MSFT"]))
    assert worker.execute(run) == "done"
    mine, other = (queries.record(run, ticker, date(2024, 7, 3)) for ticker in ("AAPL", "MSFT"))
    assert len(mine.observation.news) == 190 and [item.title for item in other.observation.news] == ["Elsewhere"]
    assert max(len(call.user) for call in mine.thought.calls) < 60_000, "a flood does not flood the prompt"
    assert runs.store().run(run).provenance["undated"] == {"news": 2}
    assert queries.run(run).summary["leaks"]["undated"] == {"news": 2}


def test_a_key_that_is_refused_stops_the_start_in_words_and_is_written_nowhere(home, monkeypatch):
    with NewsServer() as server:
        monkeypatch.setenv("RECOLLECT_FINNHUB_URL", server.url)
        monkeypatch.setenv("RECOLLECT_FINNHUB_KEY", "SECRETXYZ")
        settings.cache_clear()
        last = runs.Calendar().last_closed(datetime.now(UTC)).day
        window = {"start": str(last - timedelta(days=6)), "end": str(last)}
        with pytest.raises(Unavailable, match="RECOLLECT_FINNHUB_KEY") as refused:
            runs.submit(spec(test=window, parts={"news": {"source": "finnhub_news"}}))
        assert "SECRETXYZ" not in str(refused.value) and runs.store().runs() == []
        monkeypatch.setenv("RECOLLECT_FINNHUB_KEY", KEYS["finnhub_key"])
        settings.cache_clear()
        run = runs.create(spec(test=window, parts={"news": {"source": "finnhub_news"}}))
        assert worker.execute(run) == "done"
    for secret in (b"SECRETXYZ", KEYS["finnhub_key"].encode()):
        assert not [path for path in home.rglob("*") if path.is_file() and secret in path.read_bytes()]


def test_an_exported_dataset_does_not_say_where_its_files_lay(home, tmp_path):
    market_data.save(Choice(source="yahoo"), ["AAPL"], date(2024, 7, 1), date(2024, 7, 12), "mine")
    market_data.export_dataset("mine", tmp_path / "secret place" / "out")
    market_data.add_folder("twice", "folder", tmp_path / "secret place" / "out")
    market_data.export_dataset("twice", tmp_path / "given away")
    said = (tmp_path / "given away" / "manifest.json").read_text(encoding="utf-8")
    assert '"path": "out"' in said and "secret place" not in said
    both = [
        Choice(source="upload", options={"dataset": name}).open().fetch("bars", "AAPL", date(2024, 7, 1), date(2024, 7, 13))
        for name in ("mine", "twice")
    ]
    assert both[0].frame.equals(both[1].frame) and both[0].covered == both[1].covered
