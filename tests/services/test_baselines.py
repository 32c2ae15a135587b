"""Baselines of a run: which there are, what they trade, how they are made and found again, and that none is made twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agent.errors import SpecError
from agent.spec import RunSpec
from agent.strategies import STRATEGIES
from services import baseline_worker, baselines, queries, runs, wiring, worker
from services.baselines import ABLATIONS, BASELINES, RULES
from services.settings import settings

ROOT = Path(__file__).parents[2]


def spec_for_tests(**changes) -> RunSpec:
    base = {
        "name": "Mine",
        "source": "demo",
        "tickers": ["DMAUR", "DMBRS"],
        "train": {"start": "2022-01-03", "end": "2022-01-14"},
        "test": {"start": "2022-01-18", "end": "2022-02-15"},
        "execution": {"commission_bps": 4.0},
    }
    spec = RunSpec.read(base | changes)
    return spec.model_copy(update={"memory": spec.memory.model_copy(update={"embedder": "hashing"})})


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[tuple[Path, str]]:
    """A finished run with all of its baselines, made in this process."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(home))
        settings.cache_clear()
        run = runs.create(spec_for_tests())
        assert worker.execute(run) == "done"
        baselines.add(run, tuple(BASELINES), begin=baseline_worker.work)
        yield home, run
    settings.cache_clear()


@pytest.fixture
def run(home) -> str:
    return home[1]


def test_every_baseline_of_the_issue_is_there_and_says_what_it_does():
    assert set(RULES) == {"hold", "rsi_rule", "moving_average_cross", "macd_rule", "momentum", "mean_reversion", "equal_weight"}
    assert set(ABLATIONS) == {"without_memory", "without_reflection", "short_memory", "random_memories"}
    assert set(BASELINES) == {*RULES, "random", *ABLATIONS}
    assert all(len(row.help) > 30 and row.label for row in BASELINES.values())


def test_a_baseline_trades_the_same_market_at_the_same_costs_and_says_that_it_is_one():
    spec = spec_for_tests()
    for name in BASELINES:
        found = baselines.spec_of(spec, name, turnover=12.0, exposure=0.5)
        assert found.market_key() == spec.market_key() and found.baseline == name and found.fingerprint() != spec.fingerprint()
        plug = STRATEGIES.load(found.strategy)
        wiring.options(name, plug, found.strategy_options)
        assert RunSpec.read(found.model_dump(mode="json")) == found
        assert plug.needs_model is (BASELINES[name].kind == "ablation")


def test_runs_of_other_agents_on_one_market_share_their_rules_and_not_their_ablations():
    one, other = spec_for_tests(), spec_for_tests(seed=9, train=None, extended_every=0, name="Other")
    for name in RULES:
        assert baselines.spec_of(one, name).fingerprint() == baselines.spec_of(other, name).fingerprint()
    for name in ABLATIONS:
        assert baselines.spec_of(one, name).fingerprint() != baselines.spec_of(other, name).fingerprint()


def test_an_ablation_changes_one_thing():
    spec = spec_for_tests(strategy_options={"reflect": True})
    unlike = {}
    for name in ABLATIONS:
        found = baselines.spec_of(spec, name)
        unlike[name] = {key for key in RunSpec.model_fields if getattr(found, key) != getattr(spec, key)} - {"name", "baseline"}
    assert unlike == {
        "without_memory": {"strategy_options"},
        "without_reflection": {"strategy_options"},
        "short_memory": {"strategy_options", "memory"},
        "random_memories": {"strategy_options"},
    }
    assert baselines.spec_of(spec, "short_memory").memory.span_sessions == baselines.SHORT_SESSIONS


def test_the_averages_get_history_before_the_window_and_nobody_else_trains():
    spec = spec_for_tests()
    warm = baselines.spec_of(spec, "moving_average_cross").train
    assert warm.end == spec.test.start - timedelta(days=1) and (warm.end - warm.start).days * 5 / 7 > 55
    assert all(baselines.spec_of(spec, name).train is None for name in RULES if name != "moving_average_cross")


def test_what_cannot_be_had_is_refused_in_words(run):
    spec = spec_for_tests()
    with pytest.raises(SpecError, match="momentum"):
        baselines.spec_of(spec, "momentun")
    with pytest.raises(SpecError, match="turnover"):
        baselines.spec_of(spec, "random")
    with pytest.raises(SpecError, match="no memory"):
        baselines.spec_of(spec.model_copy(update={"strategy": "hold"}), "without_memory")
    with pytest.raises(SpecError, match="itself"):
        baselines.add(baselines.of(run)["hold"], ["hold"])


def test_all_of_them_are_made_once_and_found_again_in_their_order(run):
    found = baselines.of(run)
    assert list(found) == list(BASELINES) and len(set(found.values())) == 12
    assert {item.state for item in baselines.made(run)} == {"done"}
    assert baselines.add(run, list(BASELINES)) == []
    assert len(runs.store().runs()) == 13
    assert all(queries.BASELINE in queries.marks(queries.run(item)) for item in found.values())
    assert queries.BASELINE not in queries.marks(queries.run(run))


def test_buy_and_hold_as_a_run_is_the_benchmark_to_the_cent(run):
    frame = queries.equity(baselines.of(run)["hold"])
    assert frame["equity"].to_numpy() == pytest.approx(queries.equity(run)["benchmark"].to_numpy(), abs=0.005)


def test_the_random_trader_trades_as_much_and_holds_as_much_as_the_run(run):
    mine, lot = queries.figures(run), queries.figures(baselines.of(run)["random"])
    assert lot["exposure_mean"] == pytest.approx(mine["exposure_mean"], abs=0.06)
    assert lot["turnover_two_sided"] == pytest.approx(mine["turnover_two_sided"], abs=1.1)  # at most one trade of each sleeve, in parts


def test_without_memory_no_memory_was_ever_made_or_shown(run):
    found, store = baselines.of(run)["without_memory"], runs.store()
    assert all(len(store.memory_ids(found, ticker)) == 0 for ticker in queries.tickers(found))
    days = store.day_rows(found, columns=["recalled_count", "calls", "phase"])
    assert (days["recalled_count"] == 0).all() and (days[days["phase"] == "train"]["calls"] == 0).all()
    assert len(store.memory_ids(run, "DMAUR")) > 10


def test_the_table_measures_all_over_the_same_days_and_the_difference_is_that_of_the_returns(run):
    table = baselines.table(run, baselines.of(run)).set_index("name")
    assert list(table.index) == ["", *BASELINES]
    own = queries.figures(run)["cum_return"]
    assert table.loc["", "cum_return"] == own and table.loc[""].isna()["difference"]
    for name, other in baselines.of(run).items():
        theirs = queries.figures(other)
        assert table.loc[name, "difference"] == pytest.approx(own - theirs["cum_return"], abs=1e-12)
        assert table.loc[name, "turnover_annual"] == pytest.approx(theirs["turnover_annual"])
    plain = baselines.table(run, {}, "DMBRS").set_index("name")
    assert list(plain.index) == ["", "benchmark"] and plain.loc["benchmark"].isna()["turnover_annual"]


def test_one_that_was_cancelled_goes_on_when_it_is_asked_for_again(run):
    lot = baselines.of(run)["momentum"]
    store = runs.store()
    day = queries.session_days(lot, "DMAUR")[10]
    store.rewind(lot, day)
    store.set_status(lot, "cancelled")
    assert baselines.add(run, ["momentum", "rsi_rule"], begin=baseline_worker.work) == [lot]
    assert store.run(lot).status == "done" and len(store.runs()) == 13


def test_what_was_cancelled_or_deleted_while_it_waited_is_passed_over(run):
    store = runs.store()
    kept, gone, stopped = (runs.create(baselines.spec_of(spec_for_tests(seed=n), "hold").model_copy(update={"seed": n})) for n in (1, 2, 3))
    runs.delete(gone)
    store.set_status(stopped, "cancelled")
    baseline_worker.work([gone, stopped, kept])
    assert [store.run(item).status for item in (kept, stopped)] == ["done", "cancelled"]
    for item in (kept, stopped):
        runs.delete(item)


def test_a_queue_is_one_process_that_keeps_those_waiting_alive_and_survives_kill_nine(run, home):
    """Three baselines in a real process: one works at a time, and after a kill another process ends what is left."""
    store = runs.store()
    specs = [
        baselines.spec_of(spec_for_tests(test={"start": "2022-01-18", "end": "2022-04-29"}), name)
        for name in ("momentum", "macd_rule", "rsi_rule")
    ]
    queued = [runs.create(spec) for spec in specs]
    env = {**os.environ, "RECOLLECT_HOME": str(home[0]), "RECOLLECT_HEARTBEAT_S": "0.2"}
    command = [sys.executable, "-m", "services.baseline_worker", *queued]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    before = store.run(queued[2]).updated_at
    end = time.monotonic() + 120
    while store.run(queued[0]).sessions_done < 20 and process.poll() is None and time.monotonic() < end:
        rows = [store.run(item) for item in queued]
        assert sum(row.status == "running" for row in rows) <= 1
        time.sleep(0.02)
    process.kill()
    process.wait()
    rows = [store.run(item) for item in queued]
    assert rows[0].status == "running" and [row.status for row in rows[1:]] == ["queued", "queued"]
    assert rows[2].updated_at > before  # it was kept alive while it waited
    for item in queued[:1]:
        runs.requeue(item)
    subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=300, stdout=subprocess.DEVNULL)
    assert all(store.run(item).status == "done" and store.run(item).sessions_done == 2 * 72 for item in queued)
    for item in queued:
        runs.delete(item)
