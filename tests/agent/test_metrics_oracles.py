"""Every performance figure against libraries that others keep: empyrical-reloaded, scipy, statsmodels. To 1e-9 where definitions agree.

Where they do not, the test's name and comment say which definition ours follows and why. The libraries drop NaN silently and answer
infinity or zero where a figure is not defined; ours refuses the one and answers None for the other, so those cases are asked apart.
"""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from agent.errors import NoData
from agent.evaluation.metrics import METRICS, evaluate, mean_t, min_track_record, returns
from agent.evaluation.rolling import rolling

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what outside libraries warn about on import is theirs
    import empyrical
    import statsmodels.api as sm
    from arch.bootstrap import SPA, StationaryBootstrap, optimal_block_length

CLOSE = 1e-9


def series(seed, n=300, drift=0.0004, width=0.012):
    return drift + width * np.random.default_rng(seed).standard_t(5, n)


def curve(r):
    return 100_000 * np.concatenate([[1.0], np.cumprod(1 + r)])


RUN, MARKET = series(1), series(2, drift=0.0002)
BOTH = evaluate(curve(RUN), benchmark=curve(MARKET))
CASES = [series(seed, n, drift) for seed, n, drift in ((3, 2, 0.0), (4, 21, 0.001), (5, 63, -0.001), (6, 252, 0.0), (7, 1_000, 0.0005))]

SAME = {
    "cum_return": empyrical.cum_returns_final,
    "annual_return": empyrical.annual_return,
    "annual_volatility": empyrical.annual_volatility,
    "sharpe": empyrical.sharpe_ratio,
    "sortino": empyrical.sortino_ratio,
    "max_drawdown": empyrical.max_drawdown,
    "calmar": empyrical.calmar_ratio,
    "var_95_hist": empyrical.value_at_risk,
    "log_return": lambda r: math.log1p(empyrical.cum_returns_final(r)),
    "skew": stats.skew,
    "kurtosis_nonexcess": lambda r: stats.kurtosis(r, fisher=False),
    "var_95_gauss": lambda r: stats.norm.ppf(0.05, r.mean(), r.std(ddof=1)),
    "win_rate_days": lambda r: (r > 0).sum() / np.count_nonzero(r),
    "profit_factor_days": lambda r: -r[r > 0].sum() / r[r < 0].sum(),
    "n": len,
}


@pytest.mark.parametrize("key", SAME)
def test_each_figure_is_that_of_the_library(key):
    for r in (RUN, MARKET, *CASES):
        ours, theirs = evaluate(curve(r))[key], float(SAME[key](r))
        if ours is None:
            assert not math.isfinite(theirs), f"{key} of {len(r)} days: the library answers {theirs}"
        else:
            assert ours == pytest.approx(theirs, rel=CLOSE, abs=CLOSE), f"{key} of {len(r)} days"


def test_a_risk_free_rate_is_taken_off_as_the_library_takes_a_daily_one():
    daily = 1.04 ** (1 / 252) - 1
    found = evaluate(curve(RUN), risk_free=0.04)
    assert found["sharpe"] == pytest.approx(empyrical.sharpe_ratio(RUN, risk_free=daily), abs=CLOSE)
    assert found["sortino"] == pytest.approx(empyrical.sortino_ratio(RUN, required_return=daily), abs=CLOSE)


def test_a_year_of_365_days_scales_as_the_library_scales_it():
    found = evaluate(curve(RUN), year=365)
    for key, function in (
        ("sharpe", empyrical.sharpe_ratio),
        ("annual_return", empyrical.annual_return),
        ("calmar", empyrical.calmar_ratio),
    ):
        assert found[key] == pytest.approx(function(RUN, annualization=365), rel=CLOSE), key


def test_cvar_is_the_mean_at_or_below_the_interpolated_quantile_where_the_library_cuts_by_position():
    # empyrical averages the worst int(0.05 (n - 1)) + 1 days; that set is ours too wherever the quantile falls between two days
    for r in (RUN, MARKET, CASES[-1], series(10, 101)):  # of 101 days the quantile is a day itself, and counts
        assert evaluate(curve(r))["cvar_95_hist"] == pytest.approx(empyrical.conditional_value_at_risk(r), abs=CLOSE)
    tied = np.array([-0.05] * 30 + [0.01] * 70)  # with ties at the quantile ours takes all of them; here the means agree even so
    assert evaluate(curve(tied))["cvar_95_hist"] == pytest.approx(empyrical.conditional_value_at_risk(tied), abs=CLOSE)


def test_beta_is_the_librarys_and_alpha_is_arithmetic_where_the_library_compounds():
    ours, theirs = BOTH["alpha_annual"], empyrical.alpha(RUN, MARKET)
    assert BOTH["beta"] == pytest.approx(empyrical.beta(RUN, MARKET), abs=CLOSE)
    assert (1 + ours / 252) ** 252 - 1 == pytest.approx(theirs, abs=CLOSE)  # ours is the intercept times 252, design section 2
    assert abs(ours - theirs) > 1e-6


def test_the_information_ratio_is_annual_where_the_librarys_excess_sharpe_is_per_day():
    assert BOTH["information_ratio"] == pytest.approx(empyrical.excess_sharpe(RUN, MARKET) * math.sqrt(252), abs=CLOSE)


def test_alpha_beta_and_their_t_values_are_those_of_statsmodels():
    fit = sm.OLS(RUN, sm.add_constant(MARKET)).fit(cov_type="HAC", cov_kwds={"maxlags": 5, "use_correction": False})
    assert (BOTH["beta"], BOTH["alpha_annual"]) == (pytest.approx(fit.params[1], abs=CLOSE), pytest.approx(fit.params[0] * 252, abs=CLOSE))
    assert BOTH["alpha_t"] == pytest.approx(fit.tvalues[0], abs=CLOSE)
    for lags in (0, 1, 5, 20):
        alone = sm.OLS(RUN - MARKET, np.ones(len(RUN))).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
        assert mean_t(RUN - MARKET, lags=lags) == pytest.approx(alone.tvalues[0], abs=CLOSE)


def test_the_standard_error_of_the_sharpe_is_the_delta_method_on_scipys_moments():
    # Bailey and Lopez de Prado divide by n - 1; of normal returns it is Lo's (2002) sqrt((1 + SR^2/2)/n) but for that
    daily = RUN.mean() / RUN.std(ddof=1)
    variance = 1 - stats.skew(RUN) * daily + (stats.kurtosis(RUN, fisher=False) - 1) / 4 * daily**2
    assert BOTH["sharpe_se"] == pytest.approx(math.sqrt(variance / (len(RUN) - 1) * 252), abs=CLOSE)
    assert BOTH["psr_0"] == pytest.approx(stats.norm.cdf(BOTH["sharpe"] / BOTH["sharpe_se"]), abs=CLOSE)


def test_the_minimum_track_record_is_bailey_and_lopez_de_prados_formula_and_open_for_a_loser():
    winner = series(9, drift=0.001)
    daily = winner.mean() / winner.std(ddof=1)
    variance = 1 - stats.skew(winner) * daily + (stats.kurtosis(winner, fisher=False) - 1) / 4 * daily**2
    needed = 1 + variance * (stats.norm.ppf(0.95) / daily) ** 2
    assert evaluate(curve(winner))["min_trl"] == pytest.approx(needed, rel=CLOSE) == min_track_record(winner)
    assert evaluate(curve(-winner))["min_trl"] is None


def test_the_rolling_figures_are_the_librarys():
    found = rolling(curve(RUN), curve(MARKET), window=63)
    for key, theirs in (
        ("sharpe", empyrical.roll_sharpe_ratio(RUN, window=63)),
        ("volatility", empyrical.roll_annual_volatility(RUN, window=63)),
        ("beta", empyrical.roll_beta(RUN, MARKET, window=63)),
    ):
        assert found[key][63:] == pytest.approx(np.asarray(theirs), abs=CLOSE), key


def test_the_drawdown_is_measured_from_the_first_bar_on_as_the_library_does():
    falling = np.full(10, -0.01)
    assert evaluate(curve(falling))["max_drawdown"] == pytest.approx(empyrical.max_drawdown(falling), abs=CLOSE)
    assert evaluate(curve(falling))["max_drawdown"] == pytest.approx(0.99**10 - 1)


# ------------------------------------------------------------------------------------------------------------------ edge cases


def test_one_bar_and_one_day_leave_open_what_needs_two():
    assert evaluate([100.0])["cum_return"] == 0.0 and evaluate([100.0])["annual_return"] is None
    day = evaluate([100.0, 101.0], benchmark=[100.0, 102.0], weights=[0.0, 1.0], fills=[])
    assert day["cum_return"] == pytest.approx(0.01) and day["annual_return"] == pytest.approx(1.01**252 - 1)
    for key in (
        "annual_volatility",
        "sharpe",
        "sharpe_se",
        "var_95_gauss",
        "skew",
        "psr_0",
        "min_trl",
        "beta",
        "alpha_t",
        "information_ratio",
    ):
        assert day[key] is None, key


def test_flat_prices_and_no_trade_have_no_ratio_where_the_library_divides_by_zero():
    idle = evaluate([100.0] * 60, benchmark=[100.0] * 60, weights=[0.0] * 60, fills=[])
    for key in ("sharpe", "sortino", "calmar", "win_rate_days", "profit_factor_days", "skew", "psr_0", "min_trl", "beta", "win_rate_fills"):
        assert idle[key] is None, key
    for key in (
        "cum_return",
        "cum_return_gross",
        "annual_volatility",
        "max_drawdown",
        "turnover_two_sided",
        "total_costs",
        "time_in_market",
    ):
        assert idle[key] == 0.0, key
    with np.errstate(all="ignore"):
        assert not math.isfinite(empyrical.sharpe_ratio(np.zeros(60)))


def test_growth_without_variance_has_no_sharpe_where_the_library_answers_billions():
    steady = np.full(60, 0.001)
    found = evaluate(curve(steady))
    assert (found["sharpe"], found["psr_0"], found["min_trl"]) == (None, None, None)
    with np.errstate(all="ignore"):
        assert not abs(empyrical.sharpe_ratio(steady)) < 1e6


def test_a_total_loss_is_minus_one_and_ends_the_series():
    wiped = [100.0, 60.0, 0.0]
    found = evaluate(wiped)
    assert (found["cum_return"], found["annual_return"], found["max_drawdown"]) == (-1.0, -1.0, -1.0)
    assert found["log_return"] is None
    assert empyrical.cum_returns_final(returns(wiped)) == -1.0
    after = evaluate([100.0, 0.0, 0.0], benchmark=[100.0, 101.0, 102.0])
    assert (after["n"], after["sharpe"], after["beta"]) == (0.0, None, None)  # from zero there is no return


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_gap_is_refused_where_the_library_drops_it_and_reports_another_series(bad):
    broken = curve(RUN)
    broken[50] = bad
    with pytest.raises(NoData, match="equity has no usable number at position 50"):
        evaluate(broken)
    with pytest.raises(NoData, match="benchmark has no usable number at position 50"):
        evaluate(curve(RUN), benchmark=broken)
    gap = RUN.copy()
    gap[50] = math.nan
    assert math.isfinite(empyrical.sharpe_ratio(gap))  # what makes the refusal necessary


def test_return_before_costs_adds_back_commission_and_slippage():
    fills = [{"shares": 10, "price": 5.0, "commission": 0.5, "slippage": 0.25, "realised": None}]
    found = evaluate([100.0, 110.0], fills=fills)
    assert (found["cum_return"], found["cum_return_gross"]) == (pytest.approx(0.10), pytest.approx(0.1075))
    assert evaluate([100.0, 110.0])["cum_return_gross"] is None  # fills not known: no claim about costs


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-0.5, 0.5).filter(lambda x: x == 0 or abs(x) > 1e-6), min_size=2, max_size=80))
def test_no_input_makes_a_figure_that_is_not_a_number(values):
    found = evaluate(curve(np.array(values)), benchmark=curve(np.array(values[::-1])), weights=[0.3] * (len(values) + 1), fills=[])
    assert list(found) == list(METRICS)
    assert all(value is None or math.isfinite(value) for value in found.values())


def test_every_figure_of_daily_returns_has_an_oracle_here():
    asked = {*SAME, "cvar_95_hist", "beta", "alpha_annual", "alpha_t", "excess_t", "information_ratio", "sharpe_se", "psr_0", "min_trl"}
    by_hand = {  # counted from bars, fills or decisions: by hand in test_metrics.py and above
        *("longest_underwater_bars", "win_rate_fills", "profit_factor_fills", "exposure_mean", "time_in_market", "turnover_two_sided"),
        *("turnover_annual", "total_costs", "cum_return_gross", "judged_hit", "judged_n", "direction_hit", "direction_n"),
    }
    assert asked | by_hand == set(METRICS)


# --------------------------------------------------------------------------------------------------- bootstrap and many at once


def test_the_block_length_is_that_of_arch():
    from agent.evaluation.intervals import block_length

    for r in (RUN, MARKET, np.convolve(RUN, np.ones(5), "valid"), CASES[-1]):
        theirs = float(optimal_block_length(r)["stationary"].iloc[0])
        assert block_length(r) == pytest.approx(max(1.0, theirs), rel=0.02)


def test_the_redrawn_mean_spreads_as_archs_stationary_bootstrap_does():
    from agent.evaluation.intervals import resampled

    smooth = np.convolve(RUN, np.ones(5) / 5, "valid")
    ours = smooth[resampled(len(smooth), draws=4_000, block=10.0, rng=np.random.default_rng(1))].mean(axis=1).std()
    theirs = StationaryBootstrap(10, smooth, seed=2).apply(np.mean, 4_000).std()
    assert ours == pytest.approx(theirs, rel=0.06)


def test_the_p_of_the_best_of_several_is_archs_spa():
    from agent.evaluation.significance import spa

    models = {f"m{i}": series(20 + i, drift=0.0004 * i) for i in range(4)}
    theirs = SPA(-MARKET, -np.column_stack(list(models.values())), block_size=2, reps=2_000, seed=3)
    theirs.compute()
    assert spa(models, MARKET, draws=2_000).p == pytest.approx(theirs.pvalues["consistent"], abs=0.04)
