"""Performance figures: by hand, against numpy and scipy written another way, and as identities."""

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from agent.errors import NoData
from agent.evaluation.metrics import METRICS, alpha_t, beta_alpha, direction_hits, drawdown_bars, evaluate, mean_t, psr, returns
from agent.evaluation.trades import round_trips
from agent.portfolio.accounting import fill_order, place_order
from agent.records import Fill, Order, Portfolio
from agent.spec import Execution

CURVE = [100.0, 110.0, 99.0, 99.0, 118.8]  # +10 %, -10 %, 0, +20 %


def test_known_numbers_by_hand():
    found = evaluate(CURVE)
    assert found["cum_return"] == pytest.approx(0.188)
    assert found["annual_return"] == pytest.approx(1.188**63 - 1)  # 252 / 4 returns
    sd = math.sqrt((0.05**2 + 0.15**2 + 0.05**2 + 0.15**2) / 3)  # mean 0.05, deviations 0.05 -0.15 -0.05 0.15
    assert found["annual_volatility"] == pytest.approx(sd * math.sqrt(252))
    assert found["sharpe"] == pytest.approx(0.05 / sd * math.sqrt(252))
    assert found["sortino"] == pytest.approx(0.05 / math.sqrt(0.01 / 4) * math.sqrt(252))  # all four days under the mean
    assert found["max_drawdown"] == pytest.approx(-0.1)
    assert found["calmar"] == pytest.approx((1.188**63 - 1) / 0.1)
    assert found["win_rate_days"] == pytest.approx(2 / 3)  # the flat day does not count
    assert found["profit_factor_days"] == pytest.approx(0.3 / 0.1)
    assert found["longest_underwater_bars"] == 3
    assert found["var_95_hist"] == pytest.approx(-0.1 + 0.15 * 0.1)  # type 7: 0.15 of the way from -10 % to 0
    assert found["cvar_95_hist"] == pytest.approx(-0.1)
    assert found["n"] == 4


def test_exposure_turnover_and_costs_by_hand():
    fills = [
        Fill(day=date(2025, 1, 2), shares=10, price=5.0, reference=5.0, commission=0.5, slippage=0.1),
        Fill(day=date(2025, 1, 3), shares=-10, price=6.0, reference=6.0, commission=0.6, slippage=0.2, realised=9.0),
    ]
    found = evaluate(CURVE, weights=[0.9, 0.5, -0.25, 0.0, 0.25], fills=fills)
    assert found["exposure_mean"] == pytest.approx(0.25)  # bar 0 is left out, shorts count positive
    assert found["time_in_market"] == 0.75
    assert found["turnover_two_sided"] == pytest.approx(110 / 105.36)
    assert found["turnover_annual"] == pytest.approx(110 / 105.36 * 63)
    assert found["total_costs"] == pytest.approx(1.4)
    assert found["win_rate_fills"] == 1.0
    assert found["profit_factor_fills"] is None  # no loss is not infinity


def test_fills_may_come_as_a_table():
    import pandas as pd

    frame = pd.DataFrame(
        {"shares": [10, -10], "price": [5.0, 6.0], "commission": [0.5, 0.6], "slippage": [0.1, 0.2], "realised": [None, -9.0]}
    )
    found = evaluate(CURVE, fills=frame)
    assert found["total_costs"] == pytest.approx(1.4)
    assert (found["win_rate_fills"], found["profit_factor_fills"]) == (0.0, 0.0)
    assert evaluate(CURVE, fills=pd.DataFrame())["total_costs"] == 0.0


def test_what_is_not_defined_is_none_and_every_key_is_always_there():
    for curve in ([], [100.0], [100.0, 100.0, 100.0], [100.0, 101.0]):
        found = evaluate(curve, benchmark=curve, weights=[0.0] * len(curve), fills=[])
        assert list(found) == list(METRICS)
        assert all(value is None or math.isfinite(value) for value in found.values())
    assert set(evaluate([]).values()) == {None}
    flat = evaluate([100.0, 100.0, 100.0])
    assert (flat["sharpe"], flat["sortino"], flat["calmar"], flat["win_rate_days"]) == (None, None, None, None)
    assert (flat["annual_volatility"], flat["max_drawdown"], flat["longest_underwater_bars"]) == (0.0, 0.0, 0.0)


def test_constant_growth_has_no_sharpe_rather_than_a_huge_one():
    assert evaluate(100 * 1.001 ** np.arange(50))["sharpe"] is None


def test_no_losing_day_leaves_sortino_and_profit_factor_open():
    found = evaluate([100.0, 101.0, 103.0])
    assert (found["sortino"], found["profit_factor_days"], found["calmar"]) == (None, None, None)


def test_a_wipe_out_is_minus_one_and_leaves_the_ratios_open():
    found = evaluate([100.0, 50.0, -10.0, -5.0])
    assert found["annual_return"] == -1.0
    assert (found["log_return"], found["sharpe"]) == (None, None)


def test_a_nan_is_refused_with_its_position():
    with pytest.raises(NoData, match="equity has no usable number at position 1"):
        evaluate([100.0, math.nan, 101.0])
    with pytest.raises(NoData, match="benchmark"):
        evaluate([100.0, 101.0], benchmark=[100.0, math.inf])


def test_lengths_that_do_not_match_are_a_mistake():
    with pytest.raises(ValueError, match="benchmark has 3"):
        evaluate([100.0, 101.0], benchmark=[1.0, 2.0, 3.0])


def test_the_drawdowns_bars_are_last_peak_first_trough_first_recovery():
    assert drawdown_bars([100, 120, 120, 90, 90, 119, 120, 130]) == (2, 3, 6)
    assert drawdown_bars([100, 120, 90, 100]) == (1, 2, None)
    assert drawdown_bars([100, 110, 120]) == (None, None, None)
    assert evaluate([100, 120, 120, 90, 90, 119, 120, 130])["longest_underwater_bars"] == 4
    assert evaluate([100, 120, 90, 100])["longest_underwater_bars"] == 2


def test_the_probabilistic_sharpe_agrees_with_the_closed_form_on_scipys_moments():
    r = np.random.default_rng(1).standard_t(4, 300) * 0.01 + 0.0007
    daily = r.mean() / r.std(ddof=1)
    variance = 1 - stats.skew(r) * daily + (stats.kurtosis(r, fisher=False) - 1) / 4 * daily**2
    assert psr(r) == pytest.approx(stats.norm.cdf(daily * math.sqrt(299) / math.sqrt(variance)), abs=1e-12)


RANDOM = 100 * np.cumprod(1 + np.random.default_rng(7).normal(0.0004, 0.012, 400))
OTHER = 100 * np.cumprod(1 + np.random.default_rng(8).normal(0.0003, 0.010, 400))


def test_regression_moments_and_quantiles_agree_with_scipy():
    found = evaluate(RANDOM, benchmark=OTHER)
    r, b = np.diff(RANDOM) / RANDOM[:-1], np.diff(OTHER) / OTHER[:-1]
    line = stats.linregress(b, r)
    assert found["beta"] == pytest.approx(line.slope, abs=1e-12)
    assert found["alpha_annual"] == pytest.approx(line.intercept * 252, abs=1e-12)
    assert found["skew"] == pytest.approx(stats.skew(r), abs=1e-10)
    assert found["kurtosis_nonexcess"] == pytest.approx(stats.kurtosis(r, fisher=False), abs=1e-10)
    assert found["var_95_gauss"] == pytest.approx(stats.norm.ppf(0.05, r.mean(), r.std(ddof=1)), abs=1e-12)
    assert found["var_95_hist"] == pytest.approx(stats.scoreatpercentile(r, 5), abs=1e-12)
    assert found["information_ratio"] == pytest.approx(math.sqrt(252) / stats.variation(r - b, ddof=1), abs=1e-9)


def test_the_sharpes_standard_error_is_about_one_over_the_root_of_the_years():
    year = evaluate(RANDOM[:253])
    assert year["sharpe_se"] == pytest.approx(1.0, abs=0.1)
    half = evaluate(RANDOM[:127])
    assert half["sharpe_se"] == pytest.approx(math.sqrt(2), abs=0.15)


def test_a_risk_free_rate_is_taken_off_each_day():
    r = returns(RANDOM) - (1.04 ** (1 / 252) - 1)
    assert evaluate(RANDOM, risk_free=0.04)["sharpe"] == pytest.approx(r.mean() / r.std(ddof=1) * math.sqrt(252))


curves = st.lists(st.floats(10, 1_000), min_size=3, max_size=60)


@given(curves, st.floats(0.01, 1_000))
def test_the_currency_unit_changes_nothing_but_money(curve, unit):
    one, two = evaluate(curve, benchmark=curve), evaluate([value * unit for value in curve], benchmark=curve)
    for key in ("cum_return", "max_drawdown", "annual_volatility", "var_95_hist", "cvar_95_hist"):
        assert two[key] == pytest.approx(one[key], rel=1e-6, abs=1e-9)


@given(curves)
def test_bounds_that_always_hold(curve):
    found = evaluate(curve, weights=[0.5] * len(curve), fills=[])
    assert -1 <= found["max_drawdown"] <= 0
    assert found["max_drawdown"] <= min(0.0, found["cum_return"]) + 1e-12
    assert found["cvar_95_hist"] <= found["var_95_hist"] + 1e-12
    assert 0 <= found["longest_underwater_bars"] <= len(curve) - 1
    assert math.log1p(found["cum_return"]) == pytest.approx(found["log_return"], abs=1e-9)
    assert (found["longest_underwater_bars"] == 0) == (found["max_drawdown"] == 0)
    assert found["exposure_mean"] == 0.5


@given(curves)
def test_the_benchmark_against_itself_has_beta_one_no_alpha_and_no_information_ratio(curve):
    found = evaluate(curve, benchmark=curve)
    assert found["information_ratio"] is None
    if found["beta"] is not None:
        assert found["beta"] == pytest.approx(1)
        assert found["alpha_annual"] == pytest.approx(0, abs=1e-6)


@given(st.floats(-3, 3), st.floats(-0.01, 0.01))
def test_a_line_is_found_again(slope, intercept):
    b = np.diff(OTHER) / OTHER[:-1]
    found = beta_alpha(intercept + slope * b, b)
    assert found == (pytest.approx(slope, abs=1e-9), pytest.approx(intercept * 252, abs=1e-9))


def newey_west_by_loops(x, y, lags):
    """The textbook sum over pairs of days, for coefficients of least squares of y on the columns of x."""
    n = len(y)
    beta, *_ = np.linalg.lstsq(x, y, rcond=None)
    e = y - x @ beta
    middle = np.zeros((x.shape[1], x.shape[1]))
    for i in range(n):
        for j in range(n):
            if abs(i - j) <= lags:
                middle += (1 - abs(i - j) / (lags + 1)) * e[i] * e[j] * np.outer(x[i], x[j])
    bread = np.linalg.inv(x.T @ x)
    return beta[0] / math.sqrt((bread @ middle @ bread)[0, 0])


def test_t_values_allow_for_days_that_hang_together_as_newey_and_west_do():
    r, b = (np.diff(curve[:120]) / curve[:119] for curve in (RANDOM, OTHER))
    found = evaluate(RANDOM[:120], benchmark=OTHER[:120])
    assert found["excess_t"] == pytest.approx(newey_west_by_loops(np.ones((119, 1)), r - b, 5))
    assert found["alpha_t"] == pytest.approx(newey_west_by_loops(np.column_stack([np.ones(119), b]), r, 5))
    assert mean_t(r, lags=0) == pytest.approx(stats.ttest_1samp(r, 0).statistic * math.sqrt(119 / 118))  # without lags: White's, no n - 1


def test_a_t_value_is_open_where_there_is_no_variation_or_too_few_days():
    assert (mean_t(np.full(30, 0.01)), mean_t(np.arange(5.0)), alpha_t(np.arange(9.0), np.zeros(9))) == (None, None, None)
    assert evaluate(CURVE, benchmark=CURVE)["excess_t"] is None


def test_a_direction_is_right_when_the_move_from_the_fill_to_the_next_open_goes_its_way():
    opens = [10.0, 11.0, 12.0, 11.0, 11.0, 13.0]  # moves of sessions 0 to 3: +1, -1, 0, +1
    assert direction_hits([1, 1, 1, -1, 1, 1], opens) == (1, 3)  # the third did not move, the last two have no move yet
    assert direction_hits([0, 0, -1, 0, 0, 0], opens) == (0, 0)
    assert direction_hits([], []) == (0, 0)
    with pytest.raises(ValueError, match="2 directions for 3 opens"):
        direction_hits([1, 1], [1.0, 2.0, 3.0])


def test_judged_decisions_inside_the_cost_band_are_neither_right_nor_wrong():
    found = evaluate(CURVE, verdicts=[1, -1, 0, 1, 0], directions=(0, 0))
    assert (found["judged_hit"], found["judged_n"]) == (pytest.approx(2 / 3), 3.0)
    assert (found["direction_hit"], found["direction_n"]) == (None, 0.0)
    assert evaluate(CURVE)["judged_hit"] is None


def test_every_metric_says_what_it_is():
    for key, metric in METRICS.items():
        assert key == metric.key and metric.label and metric.help.endswith(".")
        assert metric.better in ("high", "low", None)


# ---------------------------------------------------------------------------------------------------------------- round trips


def ledger(*weights_and_prices, splits=None, execution=None):
    """Fills as the product's own ledger makes them."""
    execution = execution or Execution(allow_short=True)
    portfolio, fills = Portfolio(cash=1_000), []
    for number, (weight, price) in enumerate(weights_and_prices):
        day = date(2025, 1, 2 + number)
        waiting = place_order(portfolio, Order(day=day, weight=weight, wished=weight))
        portfolio, fill, _ = fill_order(waiting, open_price=price, day=day, execution=execution)
        fills += [fill] if fill else []
    return portfolio, fills


def test_a_trip_goes_from_flat_to_flat_and_earns_what_the_ledger_earned():
    portfolio, fills = ledger((0.5, 10.0), (0.8, 12.0), (0.3, 13.0), (0.0, 11.0))
    (trip,) = round_trips(fills)
    assert (trip.side, trip.opened, trip.closed, trip.fills) == (1, date(2025, 1, 2), date(2025, 1, 5), 4)
    assert trip.realised == pytest.approx(portfolio.cash - 1_000)
    assert trip.cause == "order"
    assert trip.gain == pytest.approx(trip.realised / (trip.shares * trip.entry))


def test_crossing_through_zero_ends_one_trip_and_starts_the_next():
    portfolio, fills = ledger((0.5, 10.0), (-0.5, 12.0), (0.0, 10.0))
    long, short = round_trips(fills)
    assert (long.side, short.side) == (1, -1)
    assert long.closed == short.opened == date(2025, 1, 3)
    assert long.realised + short.realised == pytest.approx(portfolio.cash - 1_000)
    assert long.commission + short.commission == pytest.approx(sum(f.commission for f in fills))


def test_an_open_position_is_a_trip_without_an_end():
    _, fills = ledger((0.5, 10.0))
    (trip,) = round_trips(fills)
    assert (trip.closed, trip.exit, trip.realised) == (None, None, 0.0)


def test_a_split_inside_a_trip_does_not_leave_shares_behind():
    day = date(2025, 1, 2)
    bought = Fill(day=day, shares=10, price=30.0, reference=30.0, commission=0, slippage=0)
    sold = Fill(day=date(2025, 1, 6), shares=-30, price=11.0, reference=11.0, commission=0, slippage=0, realised=30.0)
    (trip,) = round_trips([bought, sold], splits={date(2025, 1, 3): 3.0})
    assert (trip.shares, trip.entry, trip.exit, trip.gain) == (30, 10.0, 11.0, pytest.approx(0.1))
