"""Rolling figures, months and falls: by hand, against the metrics of the same days, and as identities."""

import math
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.evaluation.metrics import drawdown_bars, evaluate, max_drawdown
from agent.evaluation.rolling import falls, months, rolling

CURVE = 100 * np.cumprod(1 + np.random.default_rng(5).normal(0.0005, 0.012, 200))
OTHER = 100 * np.cumprod(1 + np.random.default_rng(6).normal(0.0003, 0.010, 200))
curves = st.lists(st.floats(10, 1_000), min_size=2, max_size=60)


def days(count: int, first: date = date(2024, 11, 20)) -> list[date]:
    return [first + timedelta(days=number) for number in range(count)]


def test_each_point_is_the_figure_of_its_own_window():
    found = rolling(CURVE, OTHER, window=21)
    for bar in (21, 90, 199):
        alone = evaluate(CURVE[bar - 21 : bar + 1], benchmark=OTHER[bar - 21 : bar + 1])
        assert found["return"][bar] == pytest.approx(alone["cum_return"])
        assert found["volatility"][bar] == pytest.approx(alone["annual_volatility"])
        assert found["sharpe"][bar] == pytest.approx(alone["sharpe"])
        assert found["beta"][bar] == pytest.approx(alone["beta"])
        assert found["benchmark_sharpe"][bar] == pytest.approx(evaluate(OTHER[bar - 21 : bar + 1])["sharpe"])


def test_a_window_that_is_not_full_has_no_figure():
    found = rolling(CURVE, OTHER, window=63)
    assert all(np.isnan(values[:63]).all() and np.isfinite(values[63:]).all() for values in found.values())
    short = rolling(CURVE[:40], OTHER[:40], window=63)
    assert all(len(values) == 40 and np.isnan(values).all() for values in short.values())


def test_a_flat_stretch_has_no_sharpe_and_no_beta_rather_than_a_huge_one():
    found = rolling(CURVE, np.full(200, 100.0), window=21)
    assert np.isnan(found["beta"]).all() and np.isnan(found["benchmark_sharpe"]).all()
    assert (found["benchmark_volatility"][21:] == 0).all()


def test_the_months_of_a_year_by_hand():
    found = months(
        [date(2024, 1, 30), date(2024, 1, 31), date(2024, 2, 1), date(2024, 4, 2)], np.array([100, 110, 99, 99]), np.full(4, 50.0)
    )
    assert [(m.year, m.month, m.sessions) for m in found] == [(2024, 1, 2), (2024, 2, 1), (2024, 4, 1)]
    assert [m.equity for m in found] == [pytest.approx(0.1), pytest.approx(-0.1), 0.0]
    assert found[0].difference == pytest.approx(0.1) and found[0].benchmark == 0.0


@given(curves)
def test_the_months_compound_to_the_whole_return(curve):
    values = np.array(curve)
    found = months(days(len(curve)), values, values)
    assert math.prod(1 + month.equity for month in found) == pytest.approx(values[-1] / values[0])
    assert sum(month.sessions for month in found) == len(curve)


@given(curves)
def test_falls_do_not_overlap_and_the_first_is_the_max_drawdown(curve):
    found = falls(curve, most=100)
    assert (found[0].depth if found else 0.0) == max_drawdown(np.array(curve))
    spans = sorted((fall.peak, fall.recovery if fall.recovery is not None else len(curve)) for fall in found)
    assert all(one[1] <= two[0] for one, two in pairwise(spans))
    for fall in found:
        assert fall.peak < fall.trough and curve[fall.trough] / curve[fall.peak] - 1 == pytest.approx(fall.depth)
        assert fall.recovery is None or curve[fall.recovery] >= curve[fall.peak] > curve[fall.recovery - 1]


def test_the_deepest_fall_has_the_bars_of_the_max_drawdown():
    curve = [100, 120, 120, 90, 90, 119, 120, 130, 129, 131]
    (deep, shallow) = falls(curve)
    assert (deep.peak, deep.trough, deep.recovery) == drawdown_bars(curve) == (2, 3, 6)
    assert (shallow.peak, shallow.trough, shallow.recovery) == (7, 8, 9)
    assert falls([100, 120, 90, 100])[0].recovery is None
    assert falls([100, 110, 120]) == []
