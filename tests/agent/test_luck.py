"""The crowd of random traders: matched to the run in what it held and how often it traded, by lot in when."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evaluation import luck
from agent.evaluation.metrics import sharpe
from agent.portfolio.replay import replay
from agent.spec import Execution


def orders(n, **at):
    out = np.full(n, np.nan)
    for day, weight in at.items():
        out[int(day[1:])] = weight
    return out


def held(drawn):
    """The weight in force after each close, T x traders."""
    out, now = np.zeros_like(drawn), np.zeros(drawn.shape[1])
    for t, row in enumerate(drawn):
        now = np.where(np.isnan(row), now, row)
        out[t] = now
    return out


def test_a_runs_orders_are_told_as_stretches():
    found = luck.stretches(orders(10, d2=1.0, d4=1.0, d5=0.5, d9=0.0))
    assert found.weights.tolist() == [0.0, 1.0, 0.5, 0.0]
    assert found.sessions.tolist() == [2, 3, 4, 1]
    assert found.repeated.tolist() == [0, 1, 0, 0]


def test_a_run_that_buys_at_the_first_close_has_no_flat_stretch_before():
    assert luck.stretches(orders(5, d0=1.0)).weights.tolist() == [1.0]


@settings(max_examples=25)
@given(st.lists(st.one_of(st.just(float("nan")), st.sampled_from([0.0, 0.3, 0.5, 1.0])), min_size=3, max_size=60), st.integers(0, 5))
def test_every_random_trader_holds_each_weight_for_as_many_sessions_as_the_run(wishes, seed):
    own = np.array(wishes)
    mine, theirs = held(own[:, None]), held(luck.crowd(own, traders=20, seed=seed))
    assert (np.sort(theirs, axis=0) == np.sort(mine, axis=0)).all()


@settings(max_examples=25)
@given(st.lists(st.one_of(st.just(float("nan")), st.floats(0, 1)), min_size=3, max_size=60), st.integers(0, 5))
def test_every_random_trader_changes_its_weight_as_much_as_the_run(wishes, seed):
    own = np.array(wishes)
    mine, theirs = (
        np.abs(np.diff(held(table), axis=0, prepend=0.0)).sum(axis=0) for table in (own[:, None], luck.crowd(own, traders=20, seed=seed))
    )
    assert (np.abs(theirs - mine) <= luck.NEAR * mine + 1e-6).all()


def test_between_two_weights_the_timing_alone_is_drawn_and_every_timing_comes_up():
    drawn = held(luck.crowd(orders(6, d1=1.0, d3=0.0), traders=2_000))
    ways, often = np.unique(drawn.T, axis=0, return_counts=True)
    assert len(ways) == 3  # two sessions in, flat before and after, within six: in after close 1, 2 or 3
    assert often.min() > 2_000 / 3 * 0.85


def test_orders_repeated_for_the_same_weight_are_repeated_as_often():
    own = np.full(250, np.nan)
    own[10:60], own[60], own[100:150:2], own[160] = 0.5, 0.0, 0.5, 0.0
    drawn = luck.crowd(own, traders=300)
    assert (~np.isnan(drawn)).sum(axis=0).mean() == pytest.approx((~np.isnan(own)).sum(), rel=0.05)


def test_the_crowd_is_the_same_for_the_same_seed_and_another_for_another_ticker():
    own = orders(100, d5=1.0, d30=0.4, d50=0.0, d70=1.0)
    again = luck.crowd(own, traders=50, seed=3)
    assert np.array_equal(luck.crowd(own, traders=50, seed=3), again, equal_nan=True)
    assert not np.array_equal(luck.crowd(own, traders=50, seed=3, stream=1), again, equal_nan=True)


def test_a_run_that_only_bought_and_held_has_no_place_in_a_crowd_of_copies():
    own = orders(50, d0=1.0)
    prices = 100 * np.cumprod(1 + np.random.default_rng(1).normal(0, 0.01, 50))
    drawn = replay(luck.crowd(own), prices, prices, np.zeros(50), np.ones(50), execution=Execution(), cash=1e5)
    found = luck.place(1.0, luck.sharpes(drawn.equity))
    assert (found.share, found.distinct) == (None, 1)


def test_the_sharpe_of_each_column_is_that_of_the_metrics():
    r = np.random.default_rng(2).normal(0.001, 0.01, (60, 3))
    equity = np.vstack([np.ones(3), np.cumprod(1 + r, axis=0)])
    assert luck.sharpes(equity) == pytest.approx([sharpe(equity[1:, k] / equity[:-1, k] - 1) for k in range(3)], rel=1e-12)
    assert np.isnan(luck.sharpes(np.ones((5, 1)))).all()
    assert np.isnan(luck.sharpes(np.array([[1.0], [0.0], [0.0]]))).all()


def test_a_place_is_the_share_below_with_equal_ones_halved_and_its_own_interval():
    found = luck.place(50.0, np.arange(100.0))
    assert found.share == pytest.approx(0.505)
    assert found.interval.low < 0.505 < found.interval.high
    assert luck.place(None, np.arange(100.0)).share is None
    assert luck.place(1.0, np.array([1.0, 2.0, np.nan])).share is None


def test_a_trader_without_skill_is_placed_anywhere_alike():
    """Under the null the place is uniform: of 200 traders by lot about a tenth lies in each tenth."""
    rng = np.random.default_rng(5)
    prices = 100 * np.cumprod(1 + rng.normal(0.0005, 0.012, 121))
    terms = dict(execution=Execution(), cash=1e5)
    market = (prices, prices, np.zeros(121), np.ones(121))
    own = np.full(121, np.nan)
    own[np.sort(rng.choice(120, 24, replace=False))] = np.tile([1.0, 0.0], 12)
    figures = luck.sharpes(replay(luck.crowd(own, traders=1_200, seed=1), *market, **terms).equity)
    shares = [luck.place(value, figures[200:]).share for value in figures[:200]]
    counts = np.histogram(shares, bins=10, range=(0, 1))[0]
    assert counts.min() >= 8 and counts.max() <= 36  # 20 each, four standard deviations
