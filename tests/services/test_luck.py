"""The luck of a run that was really made: its replay is its record, its crowd is matched, and what cannot be said is not."""

import dataclasses
import math

import numpy as np
import pytest

from agent.errors import SpecError
from agent.evaluation.metrics import evaluate
from services import luck, queries, runs, worker
from services.settings import settings
from tests.pages.conftest import small_spec


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("RECOLLECT_DEMO_ON_START", "false")
        settings.cache_clear()
        yield
    settings.cache_clear()


@pytest.fixture(scope="module")
def run(home):
    found = runs.create(small_spec())
    assert worker.execute(found) == "done"
    return found


def made(**changed):
    spec = small_spec("Another")
    short = {"tickers": ("DMAUR",), "train": None, "execution": spec.execution.model_copy(update=changed)}
    found = runs.create(spec.model_copy(update=short))
    assert worker.execute(found) == "done"
    return found


def test_carrying_out_the_orders_of_a_run_again_gives_its_recorded_money(run):
    tapes, why = luck.tapes(run)
    assert why == ""
    for ticker, tape in tapes.items():
        recorded = queries.equity(run, ticker)["equity"].to_numpy()
        again = tape.run(tape.orders[:, None], queries.run(run).spec.execution)
        assert np.abs(again.equity[:, 0] / recorded - 1).max() <= 1e-9
        assert again.fills[0] == len(queries.fills(run, ticker)) > 0


@pytest.mark.parametrize("terms", [{"fill": "same_close"}, {"fractional": False, "commission_bps": 25.0}])
def test_a_run_under_other_terms_is_replayed_too(home, terms):
    assert luck.tapes(made(**terms))[1] == ""


def test_a_run_with_stops_says_that_it_has_no_crowd_and_why(home):
    found = luck.of(made(stops=True))
    assert (found.share, found.traders) == (None, 0)
    assert "stop-loss" in found.why
    assert found.sharpe is not None and found.psr is not None


def test_a_record_that_does_not_follow_from_its_orders_gets_no_crowd(run, monkeypatch):
    spec = queries.run(run).spec
    tapes, _ = luck.tapes(run)
    wrong = {name: dataclasses.replace(tape, equity=tape.equity * np.linspace(1, 1.01, len(tape.equity))) for name, tape in tapes.items()}
    rows = {name: runs.store().day_rows(run, name, columns=luck.COLUMNS) for name in tapes}
    assert "does not give the recorded money" in luck._not_replayed(spec, rows, wrong)


def test_the_crowd_trades_as_much_and_is_in_the_market_as_long_as_the_run(run):
    found, figures = luck.of(run), queries.figures(run)
    assert found.traders == 1_000
    assert found.turnover == pytest.approx(figures["turnover_two_sided"], rel=1e-9)
    assert found.exposure == pytest.approx(figures["exposure_mean"], rel=1e-9)
    assert found.crowd_turnover.median == pytest.approx(found.turnover, rel=0.05)
    assert found.crowd_exposure.median == pytest.approx(found.exposure, abs=0.05)


def test_the_figures_beside_the_sharpe_are_those_of_the_metrics(run):
    found = luck.of(run)
    equity = queries.equity(run)["equity"].to_numpy()
    theirs = evaluate(equity)
    assert (found.sharpe, found.sharpe_se, found.psr, found.returns) == (
        theirs["sharpe"],
        theirs["sharpe_se"],
        theirs["psr_0"],
        len(equity) - 1,
    )
    assert found.trials >= found.trials_effective >= 1
    assert found.share is None or found.share_low <= found.share <= found.share_high
    assert all(not isinstance(value, float) or math.isfinite(value) for value in dataclasses.asdict(found).values())


def test_an_unknown_ticker_is_named(run):
    with pytest.raises(SpecError, match="NOPE"):
        luck.of(run, "NOPE")
