"""The book of trials: what counts as a try, that it outlives its run, and that nobody's baseline is a try."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services import baselines, runs, trials
from services.baselines import BASELINES
from services.settings import settings
from storage.run_store import RunStore
from tests.storage.factory import make_record, make_spec

UP_AND_DOWN = [100.0, 110.0, 99.0, 108.9]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    settings.cache_clear()
    yield runs.store()
    settings.cache_clear()


def make(store: RunStore, run: str, curve: Sequence[float], *, status: str = "done", **spec: Any) -> str:
    """A run with this equity at the close of its test days."""
    store.create(make_spec(**spec), run_id=run, provenance={})
    for index, equity in enumerate(curve):
        record = make_record(run, index=index)
        store.append(record.model_copy(update={"equity": equity}), vectors={})
    store.set_status(run, status)
    return run


def on_market(**spec: Any) -> trials.Trials:
    return trials.on_market(make_spec(**spec))


def test_a_trial_is_entered_with_the_sharpe_of_its_days(store: RunStore) -> None:
    make(store, "run-1", UP_AND_DOWN)
    r = np.array([0.1, -0.1, 0.1])
    found = on_market()
    assert (found.count, found.effective) == (1, 1) and found.earliest == found.latest == store.run("run-1").finished_at
    assert found.sharpes == pytest.approx([r.mean() / r.std(ddof=1)])


def test_the_same_spec_once_more_is_no_new_trial_and_another_seed_is_one(store: RunStore) -> None:
    make(store, "run-1", UP_AND_DOWN, seed=1)
    make(store, "run-2", UP_AND_DOWN, seed=1, name="again")
    assert on_market().count == 1
    make(store, "run-3", [100.0, 90.0, 99.0, 95.0], seed=2)
    assert on_market().count == 2


def test_a_trial_outlives_the_deletion_of_its_run_even_when_nobody_had_looked(store: RunStore) -> None:
    make(store, "run-1", UP_AND_DOWN)
    runs.delete("run-1")
    assert store.runs() == [] and on_market().count == 1


def test_what_got_further_replaces_what_did_not_and_never_the_other_way(store: RunStore) -> None:
    make(store, "run-1", UP_AND_DOWN[:3], status="cancelled")
    assert on_market().count == 1
    make(store, "run-2", UP_AND_DOWN)
    assert trials.enter("run-2") and not trials.enter("run-1")
    assert on_market().count == 1 and on_market().sharpes[0] == pytest.approx(np.mean([0.1, -0.1, 0.1]) / np.std([0.1, -0.1, 0.1], ddof=1))


def test_a_run_in_progress_or_without_two_returns_is_no_trial(store: RunStore) -> None:
    make(store, "run-1", UP_AND_DOWN, status="paused", seed=1)
    make(store, "run-2", UP_AND_DOWN[:2], seed=2)
    make(store, "run-3", [], status="failed", seed=3)
    assert on_market() == trials.Trials(0, 0, (), None, None)


def test_another_window_or_cost_is_another_market_and_a_rule_is_nobodys_try(store: RunStore) -> None:
    make(store, "run-1", UP_AND_DOWN)
    make(store, "run-2", UP_AND_DOWN, strategy="hold")
    make(store, "run-3", UP_AND_DOWN, execution={"commission_bps": 9})
    assert on_market().count == on_market(execution={"commission_bps": 9}).count == 1
    assert not trials.by_person(make_spec(strategy="hold")) and trials.by_person(make_spec())


@pytest.mark.parametrize("name", list(BASELINES))
def test_an_ablation_of_the_agent_is_a_try_and_every_other_baseline_is_none(name: str) -> None:
    found = baselines.spec_of(make_spec(), name, turnover=1.0, exposure=0.5)
    assert trials.by_person(found) == (BASELINES[name].kind == "ablation")


def test_a_total_loss_and_a_trader_that_never_moved_are_tries_without_a_sharpe(store: RunStore) -> None:
    make(store, "run-1", [100.0, 0.0, 0.0, 0.0], seed=1)
    make(store, "run-2", [100.0] * 4, seed=2)
    found = on_market()
    assert found.count == 2 and found.sharpes == () and found.effective == 1


def test_tries_whose_days_move_together_count_as_one_effective_trial(store: RunStore) -> None:
    rng = np.random.default_rng(3)
    first, other = (np.cumprod(1 + rng.normal(0, 0.01, 40)) for _ in range(2))
    make(store, "run-1", list(100 * first), seed=1)
    make(store, "run-2", list(100 * first**1.02), seed=2)
    make(store, "run-3", list(100 * other), seed=3)
    found = on_market()
    assert (found.count, found.effective) == (3, 2) and all(math.isfinite(value) for value in found.sharpes)


def test_a_try_that_covers_too_little_of_the_window_counts_for_itself(store: RunStore) -> None:
    curve = list(100 * np.cumprod(1 + np.random.default_rng(3).normal(0, 0.01, 40)))
    make(store, "run-1", curve, seed=1)
    make(store, "run-2", curve[:20], seed=2, status="cancelled")
    assert on_market().effective == 2
