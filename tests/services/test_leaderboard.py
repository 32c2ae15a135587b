"""The ranking: medians and never the best seed, no rank on one seed, and every doubtful run below the line with its reason."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.errors import SpecError
from agent.evaluation.metrics import psr
from agent.spec import Window
from services import leaderboard, runs
from services.leaderboard import Board
from services.settings import settings
from storage import rows
from storage.run_store import RunStore
from tests.storage.factory import make_record, make_spec

OLLAMA: dict[str, Any] = {"backend": "ollama", "backend_options": {"model": "llama3.1:8b"}}  # knows nothing of 2025


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    settings.cache_clear()
    yield runs.store()
    settings.cache_clear()


def make(store: RunStore, run: str, sharpe: float | None, *, status: str = "done", error: str = "", **spec: Any) -> None:
    """A finished run with this excess Sharpe (buy and hold has 1) and return, without days."""
    store.create(make_spec(**{"seed": int(run[1:]), **spec}), run_id=run, provenance={})
    figures = {"cum_return": None if sharpe is None else sharpe / 10, "benchmark_return": 0.05, "coverage": 1.0, "test_days": 0}
    store.set_summary(run, {**figures, "sharpe": None if sharpe is None else sharpe + 1, "benchmark_sharpe": 1.0})
    store.set_status(run, status, error=error)


def board(**choices: Any) -> Board:
    return leaderboard.board(leaderboard.markets()[0].key, **choices)


def test_the_median_ranks_and_never_the_best_seed(store: RunStore) -> None:
    for run, sharpe in (("r1", 1.0), ("r2", 1.1), ("r3", 9.0)):
        make(store, run, sharpe)
    for run, sharpe in (("r4", 2.0), ("r5", 2.1)):
        make(store, run, sharpe, preset="finmem-paper")
    first, second = board().rows
    assert (first.rank, first.spread.median, first.runs) == (1, pytest.approx(2.05), ("r4", "r5"))
    assert (second.rank, second.spread.median, second.spread.high, second.best, second.middle) == (2, pytest.approx(1.1), 9.0, "r3", "r2")
    assert (second.above.above, second.above.n, second.seeds) == (3, 3, (1, 2, 3))
    assert first.middle == "r4"  # of two the lower


def test_one_seed_has_no_rank_stands_behind_those_that_have_one_and_keeps_its_mark_when_it_is_given_one(store: RunStore) -> None:
    make(store, "r1", 9.0, preset="finmem-paper")
    make(store, "r2", 1.0)
    make(store, "r3", 1.2)
    assert [(row.rank, len(row.runs), row.marks[0]) for row in board().rows] == [(1, 2, "only 2 seeds"), (None, 1, "1 seed")]
    assert [(row.rank, row.marks[0]) for row in board(singles=True).rows] == [(1, "1 seed"), (2, "only 2 seeds")]


def test_equal_medians_share_a_rank_and_the_next_is_not_moved_up(store: RunStore) -> None:
    for run, sharpe, preset in (("r1", 2.0, "default"), ("r2", 2.0, "finmem-paper"), ("r3", 1.0, "investor-bench")):
        make(store, run, sharpe, preset=preset)
    assert [row.rank for row in board(singles=True).rows] == [1, 1, 3]


def test_what_is_no_result_is_below_the_line_with_its_reason_and_in_no_median(store: RunStore, tmp_path: Path) -> None:
    make(store, "r1", 1.0)
    make(store, "r2", 1.2)
    make(store, "r3", 50.0, status="failed", error="the model gave a usable decision on 60% of the test days")
    make(store, "r4", 50.0, status="paused")
    make(store, "r5", 50.0)
    store.set_summary("r5", {**store.run("r5").summary, "coverage": 0.949})
    make(store, "r6", 50.0)
    leaks = {"days": 1, "prompts": 1, "unlisted": 0, "dated": 0, "fixed": 0, "unknown": 0, "late": 1}
    store.set_summary("r6", {**store.run("r6").summary, "leaks": leaks})
    make(store, "r7", None)
    make(store, "r8", 50.0)
    with sqlite3.connect(tmp_path / "runs.db") as connection:
        connection.execute("UPDATE runs SET spec = ? WHERE run_id = 'r8'", (rows.pack('{"of": "another version"}'),))
    found = board()
    (row,) = found.rows
    assert (row.runs, row.spread.high, row.out) == (("r1", "r2"), pytest.approx(1.2), 5)
    assert "5 runs below the line" in row.marks
    reasons = {item.run: item.reason for item in found.below}
    assert reasons["r3"].startswith("Failed: the model gave") and reasons["r4"].startswith("Not finished: paused after 0 of")
    assert "94 %" in reasons["r5"] and "saw the future" in reasons["r6"] and reasons["r7"] == "It has no figures."
    assert "another version" in reasons["r8"] and len(reasons) == 6


def test_of_the_same_seed_twice_the_first_counts_and_not_the_better(store: RunStore) -> None:
    make(store, "r1", 1.0, seed=1)
    make(store, "r2", 5.0, seed=1)
    make(store, "r3", 2.0, seed=2)
    found = board()
    assert found.rows[0].runs == ("r1", "r3") and found.below[0].run == "r2" and "r1" in found.below[0].reason


def test_yardsticks_stand_beside_the_ranking_and_in_none_of_it(store: RunStore) -> None:
    make(store, "r1", 1.0)
    make(store, "r2", 3.0)
    make(store, "r3", 9.0, strategy="rsi_rule")
    found = board()
    assert [row.runs for row in found.rows] == [("r1", "r2")]
    assert [(row.rank, row.spread.median, row.dsr) for row in found.references] == [(None, 9.0, None), (None, 0.0, None)]
    assert found.hold == 0.0 and board(measure="return").hold == 0.05
    assert found.references[1].label == "Buy and hold" and found.references[1].medians["sharpe"] == 1.0


def test_buy_and_hold_is_one_row_even_where_it_was_run(store: RunStore) -> None:
    make(store, "r1", 1.0)
    make(store, "r2", 0.0, strategy="hold")
    assert [(row.label, row.runs) for row in board().references] == [("Buy and hold", ("r2",))]


def test_by_return_the_seeds_above_holding_are_counted_by_return(store: RunStore) -> None:
    make(store, "r1", 0.2)  # 2 % against 5 %
    make(store, "r2", 0.8)  # 8 %
    (row,) = board(measure="return").rows
    assert (row.spread.median, row.above.above) == (pytest.approx(0.05), 1) and board().rows[0].above.above == 2


def test_another_window_or_cost_is_another_market(store: RunStore) -> None:
    make(store, "r1", 1.0)
    make(store, "r2", 1.0)
    make(store, "r3", 1.0, execution={"slippage_bps": 9})
    make(store, "r4", 1.0, source="yahoo")
    store.create(
        make_spec().model_copy(update={"test": Window(start=date(2025, 3, 17), end=date(2025, 6, 30))}), run_id="r5", provenance={}
    )
    found = leaderboard.markets()
    assert [market.runs for market in found] == [2, 1, 1, 1] and len({market.key for market in found}) == 4
    assert "slippage 9 bp" in next(market.costs for market in found if market.execution.slippage_bps == 9)


def test_only_the_settings_that_differ_are_named(store: RunStore) -> None:
    make(store, "r1", 1.0)
    make(store, "r2", 2.0, profile={"character": "risk_averse"})
    assert {row.differs for row in board().rows} == {"risk seeking", "risk averse"}


def test_a_model_that_may_know_the_window_keeps_its_banner(store: RunStore) -> None:
    make(store, "r1", 1.0, source="yahoo", backend="ollama", backend_options={"model": "never-heard-of:1b"})
    make(store, "r2", 1.0, source="yahoo", **OLLAMA)
    by_model = {row.runs[0]: row.contamination for row in board().rows}
    assert by_model["r1"].level == "unknown" and by_model["r1"].warns and not by_model["r2"].warns


def test_the_best_seed_is_deflated_by_everything_ever_tried_there(store: RunStore) -> None:
    rng = np.random.default_rng(1)
    moves = [rng.normal(0.001, 0.01, 60) for _ in range(4)]
    for number, r in enumerate(moves, 1):
        make(store, f"r{number}", float(r.mean() / r.std(ddof=1)))
        for index, equity in enumerate(100 * np.cumprod([1.0, *(1 + r)])):
            record = make_record(f"r{number}", index=index)
            store.append(record.model_copy(update={"equity": float(equity)}), vectors={})
        store.set_summary(f"r{number}", {**store.run(f"r{number}").summary, "test_days": 61})
    before = board()
    runs.delete("r4")
    found = board()
    (row,) = found.rows
    best = max(moves[:3], key=lambda r: r.mean() / r.std(ddof=1))
    assert found.trials.count == before.trials.count == 4 and len(row.runs) == 3
    assert row.dsr is not None and row.dsr < psr(best) and row.dsr_effective == pytest.approx(row.dsr)  # all four are unlike


def test_what_there_is_not_is_a_sentence(store: RunStore) -> None:
    with pytest.raises(SpecError, match="There are no runs yet"):
        leaderboard.board("abc")
    make(store, "r1", 1.0)
    with pytest.raises(SpecError, match="Unknown market 'abc'"):
        leaderboard.board("abc")
    with pytest.raises(SpecError, match="Unknown measure 'best'"):
        board(measure="best")


def test_the_stamp_of_a_kept_board_changes_with_the_runs(store: RunStore) -> None:
    seen = [leaderboard.stamp()]
    make(store, "r1", 1.0)
    seen.append(leaderboard.stamp())
    store.rename("r1", "another")
    seen.append(leaderboard.stamp())
    store.delete("r1")
    assert len({*seen, leaderboard.stamp()}) == 3  # an empty library is an empty library
