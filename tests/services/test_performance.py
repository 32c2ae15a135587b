"""The money of a run seen closer: hit rates, intervals beside the benchmark, months with their gaps, falls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agent.evaluation.metrics import METRICS, evaluate
from agent.memory.layers import preset
from agent.records import Bar, Order, Portfolio, Thought
from agent.spec import Execution, RunSpec
from services import performance, post_mortem, queries, runs, threads, worker
from services.settings import settings


def spec(**changes: object) -> RunSpec:
    return RunSpec.read(
        {
            "name": "Performance",
            "source": "demo",
            "tickers": ["DMAUR", "DMBRS"],
            "train": {"start": "2022-01-03", "end": "2022-01-14"},
            "test": {"start": "2022-01-18", "end": "2022-04-29"},
            "backend": "rules",
            "memory": preset("default").model_copy(update={"embedder": "hashing"}).model_dump(),
            **changes,
        }
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real run of 72 test sessions with stops, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(tmp_path_factory.mktemp("home")))
        settings.cache_clear()
        run = runs.create(spec(execution={"stops": True}))
        assert worker.execute(run) == "done"
        yield run
    settings.cache_clear()


# -------------------------------------------------------------------------------------------------------------------- figures


def test_hit_rates_are_counted_again_from_the_records(made: str) -> None:
    right = wrong = hits = moves = 0
    for ticker in ("DMAUR", "DMBRS"):
        records = [r for r in runs.store().records(made, ticker) if r.phase == "test"]
        for record in records:
            right += sum(outcome.verdict == 1 for outcome in record.outcomes)
            wrong += sum(outcome.verdict == -1 for outcome in record.outcomes)
        for record, fill_day, after in zip(records, records[1:], records[2:]):
            side = {"buy": 1, "sell": -1}.get(record.thought.decision.action or "", 0)
            assert isinstance(fill_day.observation.bar, Bar) and isinstance(after.observation.bar, Bar)
            move = np.sign(after.observation.bar.open - fill_day.observation.bar.open)
            moves += bool(side and move)
            hits += bool(side and move == side)
    found = performance.figures(made)
    assert (found["judged_hit"], found["judged_n"]) == (pytest.approx(right / (right + wrong)), right + wrong)
    assert (found["direction_hit"], found["direction_n"]) == (pytest.approx(hits / moves), moves)
    assert set(METRICS) <= set(found)


def test_every_metric_stands_in_the_table_with_an_interval_or_the_reason_why_there_is_none(made: str) -> None:
    frame = queries.equity(made)
    found = performance.estimates(frame, performance.figures(made), fills=queries.fills(made), draws=300)
    assert [row.metric.key for row in found.rows] == list(METRICS)
    assert all((row.interval is None) == bool(row.why) for row in found.rows)
    rows = {row.metric.key: row for row in found.rows}
    assert rows["sharpe"].interval is not None and rows["sharpe"].difference == pytest.approx(
        rows["sharpe"].value - rows["sharpe"].benchmark
    )
    assert rows["cvar_95_hist"].why == "fewer than 100 days" and rows["total_costs"].why == "counted"
    assert (found.draws, found.seed, found.returns) == (300, 0, len(frame) - 1)


def test_a_difference_whose_interval_holds_zero_may_be_chance() -> None:
    rng = np.random.default_rng(1)
    market = rng.normal(0, 0.01, 120)
    frame = pd.DataFrame(
        {"equity": np.r_[1, np.cumprod(1 + market + rng.normal(0, 0.001, 120))], "benchmark": np.r_[1, np.cumprod(1 + market)]}
    )
    values = evaluate(frame["equity"].to_numpy(), benchmark=frame["benchmark"].to_numpy())
    theirs = {f"benchmark_{key}": value for key, value in evaluate(frame["benchmark"].to_numpy()).items()}
    rows = {row.metric.key: row for row in performance.estimates(frame, {**values, **theirs}, draws=300).rows}
    assert rows["cum_return"].verdict.endswith("unclear")
    calmer = frame.assign(equity=np.r_[1, np.cumprod(1 + market / 3)])
    values = evaluate(calmer["equity"].to_numpy(), benchmark=calmer["benchmark"].to_numpy())
    rows = {row.metric.key: row for row in performance.estimates(calmer, {**values, **theirs}, draws=300).rows}
    assert rows["annual_volatility"].verdict == "better" and rows["annual_volatility"].difference < 0


def test_months_know_whether_the_run_saw_all_their_sessions(made: str) -> None:
    found = performance.months(queries.equity(made))
    assert list(zip(found["month"], found["partial"])) == [(1, True), (2, False), (3, False), (4, False)]
    whole = queries.equity(made)
    years = performance.years(found)
    assert years["equity"].iloc[0] == pytest.approx(whole["equity"].iloc[-1] / whole["equity"].iloc[0] - 1)
    assert bool(years["partial"].iloc[0])


def test_a_run_on_other_days_than_new_yorks_has_its_months_measured_by_weekdays() -> None:
    days = [date(2024, 12, 2) + timedelta(days=n) for n in range(40) if (date(2024, 12, 2) + timedelta(days=n)).weekday() < 5]
    frame = pd.DataFrame({"day": days, "equity": 1.0, "benchmark": 1.0})  # Christmas and New Year are sessions here
    assert list(performance.months(frame)["partial"]) == [False, True]
    weekend = frame.assign(day=[day + timedelta(days=5) for day in days])
    assert list(performance.months(weekend)["partial"]) == [True, True]


def test_the_first_fall_is_the_max_drawdown(made: str) -> None:
    frame = queries.equity(made)
    falls = performance.falls(frame)
    assert falls["depth"].iloc[0] == pytest.approx(performance.figures(made)["max_drawdown"])
    assert list(falls["depth"]) == sorted(falls["depth"])
    assert performance.windows(frame) == [21, 63]
    assert performance.rolled(frame, 63)["sharpe"].notna().sum() == len(frame) - 63


# ---------------------------------------------------------------------------------------------------------------- post-mortem


def test_what_was_really_decided_gives_what_was_really_recorded_on_every_day(made: str) -> None:
    """The simulated ledger is the product's own: next session's equity is met to the last digit."""
    execution, compared = queries.run(made).spec.execution, 0
    for ticker in ("DMAUR", "DMBRS"):
        rows = runs.store().day_rows(made, ticker)
        for record in runs.store().records(made, ticker):
            ahead = rows[rows["day"] > record.day].head(1)
            if record.phase == "test" and len(ahead):
                order = record.order if record.order is not None and record.order.status == "pending" else None
                curve, _ = post_mortem.simulate(record, order, ahead, execution)
                assert curve == [pytest.approx(ahead["equity"].iloc[0], rel=1e-12)]
                compared += 1
    assert compared == 142


def test_stops_splits_and_dividends_by_hand(made: str) -> None:
    """1,000 in cash, all in at 10 with a stop 10 % lower, no costs: a 2:1 split and a dividend on the way, then the stop is hit."""
    free = Execution(stops=True, commission_bps=0, slippage_bps=0)
    record = next(r for r in runs.store().records(made, "DMAUR") if r.phase == "test")
    seen = record.observation.model_copy(update={"portfolio": Portfolio(cash=1_000)})
    order = Order(day=record.day, weight=1.0, wished=1.0, stop_loss_pct=0.1)
    rows = [  # open, high, low, close, dividend, split
        (10.0, 10.0, 10.0, 10.0, 0.0, 1.0),
        (5.0, 5.5, 5.0, 5.5, 0.25, 2.0),
        (4.9, 4.9, 4.0, 4.2, 0.0, 1.0),
        (9.0, 9.0, 9.0, 9.0, 0.0, 1.0),
    ]
    ahead = pd.DataFrame(rows, columns=["open", "high", "low", "close", "dividend", "split"])
    ahead["day"] = [date(2030, 1, number) for number in range(1, 5)]
    curve, costs = post_mortem.simulate(record.model_copy(update={"observation": seen}), order, ahead, free)
    # 100 shares, then 200 that pay 0.25 each; 200 sold at the stop of 10 * 0.9 / 2
    assert curve == [pytest.approx(1_000), pytest.approx(200 * 5.5 + 50), pytest.approx(200 * 4.5 + 50), pytest.approx(200 * 4.5 + 50)]
    assert costs == 0
    silent = ahead.assign(close=[np.nan, 5.5, 4.2, 9.0])
    curve, _ = post_mortem.simulate(record.model_copy(update={"observation": seen}), order, silent, free)
    assert curve[0] == 1_000 and curve[1] == pytest.approx(1_000 / 5.0 * 5.5)  # without a price the order waits a session


def test_each_kind_is_ranked_and_recounted_from_the_equity(made: str) -> None:
    found = post_mortem.cases(made)
    kinds = {kind: [case for case in found if case.kind == kind] for kind in ("fall", "day", "call")}
    assert all(0 < len(part) <= post_mortem.MOST and [c.loss for c in part] == sorted(c.loss for c in part) for part in kinds.values())
    day = kinds["day"][0]
    assert (day.ticker, day.day) == queries.worst_day(made)
    frame = queries.equity(made, day.ticker).set_index("day")
    position = list(frame.index).index(day.day)
    own, rival = (frame[name].iloc[position] / frame[name].iloc[position - 1] - 1 for name in ("equity", "benchmark"))
    assert day.loss == pytest.approx(own - rival) and day.decided == frame.index[position - 1]
    call = kinds["call"][0]
    outcomes = [o for r in runs.store().records(made, call.ticker) for o in r.outcomes if o.decided == call.decided]
    assert call.loss == pytest.approx(outcomes[0].direction * outcomes[0].move) and outcomes[0].verdict == -1
    fall = kinds["fall"][0]
    total = queries.equity(made).set_index("day")["equity"]
    assert fall.loss == pytest.approx(total[fall.day] / total[fall.since] - 1)


def test_the_decision_examined_in_a_fall_is_before_the_session_that_lost_most_money(made: str) -> None:
    fall = next(case for case in post_mortem.cases(made) if case.kind == "fall")
    lost = {}
    for ticker in ("DMAUR", "DMBRS"):
        frame = queries.equity(made, ticker)
        for before, today in zip(frame.to_dict("records"), frame.iloc[1:].to_dict("records")):
            if fall.since < today["day"] <= fall.day:
                lost[today["equity"] - before["equity"]] = (ticker, before["day"])
    assert lost[min(lost)] == (fall.ticker, fall.decided)


def test_every_case_is_found_again_by_its_key_and_others_are_refused(made: str) -> None:
    for case in post_mortem.cases(made):
        assert post_mortem.case(made, case.key) == case
    for stranger in ("", "day-NOPE-2022-02-01", "fall-total-2022-02-31", "call-DMAUR-1999-01-01", "day-total-2022-02-01", "<b>"):
        with pytest.raises(queries.SpecError, match="no post-mortem"):
            post_mortem.case(made, stranger)


def test_an_examined_day_holds_evidence_alternatives_and_what_memory_learnt(made: str) -> None:
    call = next(case for case in post_mortem.cases(made) if case.kind == "call")
    found = post_mortem.examine(made, call)
    assert found.record.day == call.decided and found.loss_record is not None and found.next_day == found.loss_record.day
    assert found.later_day == call.day  # alternatives run until the day on which the decision was judged
    by_name = {item.name: item for item in found.alternatives}
    assert by_name["what it decided"].taken and by_name["the run as it went on"].next == pytest.approx(by_name["what it decided"].next)
    equity = queries.equity(made, call.ticker).set_index("day")
    assert by_name["buy and hold"].later == pytest.approx(equity["benchmark"][call.day] / equity["benchmark"][call.decided] - 1)
    if "do nothing" in by_name and found.record.observation.weight == 0:
        assert (by_name["do nothing"].next, by_name["do nothing"].costs) == (0.0, 0)
    assert sum(item.opposite for item in found.alternatives) == 1
    lesson = threads.thread_of_day(made, call.ticker, call.decided)
    assert list(found.thread.named["memory_id"]) == list(lesson.named["memory_id"])
    assert found.placed is not None and found.placed <= call.decided


def test_out_of_the_market_costs_one_sale_and_then_stands_still(made: str) -> None:
    execution = queries.run(made).spec.execution
    for case in post_mortem.cases(made):
        found = post_mortem.examine(made, case)
        out = next((item for item in found.alternatives if item.name == "out of the market"), None)
        if out is None:
            continue
        held, bar = found.record.observation.portfolio.shares, found.loss_record.observation.bar
        paid = held * bar.open * (execution.slippage_bps / 1e4 + (1 - execution.slippage_bps / 1e4) * execution.commission_bps / 1e4)
        assert out.costs == pytest.approx(paid)
        assert out.next == pytest.approx(
            (found.record.observation.portfolio.cash + held * bar.open - paid) / found.record.observation.equity - 1
        )
        assert out.later in (None, pytest.approx(out.next))
        return
    pytest.skip("no case of this run was in the market")


def test_the_best_in_hindsight_is_named_only_where_it_beats_what_was_decided() -> None:
    kinds = [
        post_mortem.Alternative("what it decided", 1.0, 0.01, -0.02, 0.0, taken=True),
        post_mortem.Alternative("out of the market", 0.0, 0.0, 0.0, 1.0),
        post_mortem.Alternative("buy and hold", None, 0.5, 0.5, None),
    ]
    assert post_mortem.best_forgone(kinds, by="next") is None
    assert post_mortem.best_forgone(kinds, by="later") == kinds[1]
    assert post_mortem.best_forgone([], by="next") is None


def test_a_run_that_only_trained_has_nothing_to_examine(made: str, tmp_path: Path) -> None:
    store = runs.store()
    young = runs.create(spec(name="young"))
    try:
        for record in store.records(made):
            if record.phase == "train":
                store.append(record.model_copy(update={"run": young, "thought": Thought()}))
        assert post_mortem.cases(young) == ()
        assert performance.figures(young) == {}
        assert performance.months(queries.equity(young)).empty and performance.falls(queries.equity(young)).empty
        assert date(2022, 1, 3) in queries.session_days(young, "DMAUR")
    finally:
        store.delete(young)
