"""Intervals: the bootstrap against scipy where days are independent, against known coverage where they are not, and as identities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from agent.evaluation.intervals import (
    ENOUGH,
    ENOUGH_FOR_TAILS,
    PAIRED,
    SINGLE,
    Interval,
    _about,
    _growth,
    _spread,
    _stretch,
    block_length,
    bootstrap,
    resampled,
    wilson,
)
from agent.evaluation.metrics import METRICS, evaluate

GENERATOR = np.random.default_rng(11)
MARKET = GENERATOR.normal(0.0003, 0.011, 260)
AGENT = 0.5 * MARKET + GENERATOR.normal(0.0004, 0.006, 260)


def test_the_share_interval_agrees_with_scipys_wilson():
    for hits, n in ((0, 10), (10, 10), (3, 7), (61, 110)):
        theirs = stats.binomtest(hits, n).proportion_ci(confidence_level=0.95, method="wilson")
        ours = wilson(hits, n)
        assert (ours.low, ours.high) == (pytest.approx(theirs.low, abs=1e-12), pytest.approx(theirs.high, abs=1e-12))
    assert wilson(0, 0) is None


def test_with_blocks_of_one_day_it_is_the_ordinary_bootstrap_that_scipy_has():
    ours = bootstrap(AGENT, draws=8_000, block=1.0)
    for key, function in (
        ("win_rate_days", lambda r, axis: np.mean(r > 0, axis=axis)),
        ("sharpe", lambda r, axis: np.mean(r, axis=axis) / np.std(r, ddof=1, axis=axis) * 252**0.5),
    ):
        theirs = stats.bootstrap((AGENT,), function, n_resamples=8_000, method="percentile", random_state=5).confidence_interval
        width = theirs.high - theirs.low
        assert ours.run[key].low == pytest.approx(theirs.low, abs=0.06 * width)
        assert ours.run[key].high == pytest.approx(theirs.high, abs=0.06 * width)


def test_the_figures_of_a_draw_are_those_of_the_metrics_module():
    both = np.vstack([AGENT, MARKET])
    drawn = {**_growth(both, 252), **_spread(both, 252)}
    assert set(drawn) == set(SINGLE)
    for row, r in enumerate((AGENT, MARKET)):
        known = evaluate(np.concatenate([[1.0], np.cumprod(1 + r)]))
        for key in SINGLE:
            assert drawn[key][row] == pytest.approx(known[key], rel=1e-9), key


def test_the_interval_of_a_return_holds_the_truth_about_as_often_as_it_says_also_when_days_hang_together():
    """Histories of a market whose days are correlated (0.4): an interval that took them for independent holds the truth in about 80 %."""
    rng, n, histories = np.random.default_rng(2), 200, 150
    hits = {None: 0, 1.0: 0}
    truth = -n * 0.01**2 / (1 - 0.4**2) / 2  # the mean log return of a return without drift is minus half its variance
    for _ in range(histories):
        r = np.zeros(n + 50)
        noise = rng.normal(0, 0.01, n + 50)
        for day in range(1, n + 50):
            r[day] = 0.4 * r[day - 1] + noise[day]
        for block in hits:
            found = bootstrap(r[50:], draws=200, seed=3, block=block).run["log_return"]
            hits[block] += found.low <= truth <= found.high
    assert 0.86 <= hits[None] / histories <= 0.98
    assert 0.70 <= hits[1.0] / histories <= 0.85


def test_figures_of_spread_get_wider_symmetric_intervals_because_plain_percentiles_are_too_narrow():
    found, plain = bootstrap(AGENT, MARKET, draws=2_000), bootstrap(AGENT, MARKET, draws=2_000, block=1.0)
    figure = evaluate(np.concatenate([[1.0], np.cumprod(1 + AGENT)]), benchmark=np.concatenate([[1.0], np.cumprod(1 + MARKET)]))
    volatility = found.run["annual_volatility"]
    assert volatility.low * volatility.high == pytest.approx(figure["annual_volatility"] ** 2)  # as many times above as below
    for key in ("var_95_hist", "cvar_95_hist", "var_95_gauss", "beta"):
        assert (found.run[key].low + found.run[key].high) / 2 == pytest.approx(figure[key]), key
    assert found.run["beta"].high - found.run["beta"].low > plain.run["beta"].high - plain.run["beta"].low


def test_a_widened_interval_reaches_as_far_as_the_wider_side_stretched():
    assert _about(1.0, Interval(0.8, 1.1), 1.5, "beta") == Interval(pytest.approx(0.7), pytest.approx(1.3))
    assert _about(2.0, Interval(1.0, 3.0), 2.0, "annual_volatility") == Interval(pytest.approx(0.5), pytest.approx(8.0))
    assert _stretch(250, 20.0) == pytest.approx(stats.t.ppf(0.975, 18.75) / 1.96 / (1 - 0.08) ** 0.5, rel=1e-4)


def test_the_block_length_finds_what_theory_says_of_an_autoregression():
    n, rng = 20_000, np.random.default_rng(4)
    for phi in (0.3, 0.6):
        r, noise = np.zeros(n), rng.normal(size=n)
        for day in range(1, n):
            r[day] = phi * r[day - 1] + noise[day]
        theory = (2 * phi / (1 - phi**2)) ** (2 / 3) * n ** (1 / 3)  # Politis and White 2004, with the correction of 2009
        assert block_length(r) == pytest.approx(theory, rel=0.2)
    assert block_length(rng.normal(size=n)) < 3
    assert block_length(np.full(100, 0.01)) == 1.0


def test_blocks_run_on_wrap_round_and_have_the_mean_length_asked_for():
    index = resampled(50, draws=4_000, block=5.0, rng=np.random.default_rng(1))
    assert index.min() == 0 and index.max() == 49
    follows = (index[:, 1:] == (index[:, :-1] + 1) % 50).mean()
    assert follows == pytest.approx(1 - 1 / 5 + 1 / 5 / 50, abs=0.005)  # a new block may start at the next day by chance
    assert np.bincount(index.ravel(), minlength=50) == pytest.approx(4_000, rel=0.08)  # every day as likely as any other


def test_the_same_seed_gives_the_same_interval_and_another_one_does_not():
    one, two, other = (bootstrap(AGENT, MARKET, draws=400, seed=seed) for seed in (1, 1, 2))
    assert one == two
    assert one.run["sharpe"] != other.run["sharpe"]


def test_too_few_days_give_a_reason_and_no_number():
    short = bootstrap(AGENT[: ENOUGH - 1], MARKET[: ENOUGH - 1])
    assert (short.run, short.differences) == ({}, {})
    assert set(short.missing) == {*SINGLE, *PAIRED} and set(short.missing.values()) == {f"fewer than {ENOUGH} days"}
    medium = bootstrap(AGENT[:ENOUGH], draws=200)
    assert medium.missing["cvar_95_hist"] == f"fewer than {ENOUGH_FOR_TAILS} days" and "sharpe" in medium.run


def test_a_flat_curve_has_an_interval_of_zero_volatility_and_none_for_its_sharpe():
    flat = bootstrap(np.zeros(120), draws=200)
    assert (flat.run["annual_volatility"].low, flat.run["annual_volatility"].high) == (0.0, 0.0)
    assert flat.missing["sharpe"] == "not defined in most draws"


def test_the_difference_is_paired_so_what_happens_to_both_cancels():
    found = bootstrap(MARKET + 0.0005, MARKET, draws=500)
    assert found.differences["cum_return"].low > 0 and found.not_better["cum_return"] == 0.0
    assert found.differences["annual_volatility"].high == pytest.approx(0, abs=1e-12)
    same = bootstrap(MARKET, MARKET, draws=200)
    assert all(abs(between.low) < 1e-12 > abs(between.high) for between in same.differences.values())
    assert same.not_better["sharpe"] == 1.0
    assert same.run["beta"].low == pytest.approx(1) == same.run["beta"].high


def test_not_better_follows_the_direction_that_is_good_for_the_figure():
    calm = bootstrap(MARKET / 2, MARKET, draws=200)
    assert calm.differences["annual_volatility"].high < 0 and METRICS["annual_volatility"].better == "low"
    assert calm.not_better["annual_volatility"] == 0.0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1.0, 4.0, 20.0]))
def test_every_interval_lies_the_right_way_round_and_within_its_bounds(seed, block):
    found = bootstrap(AGENT, MARKET, draws=60, seed=seed, block=block)
    for interval in (*found.run.values(), *found.benchmark.values(), *found.differences.values()):
        assert interval.low <= interval.high
    assert found.run["max_drawdown"].low >= -1 and found.run["max_drawdown"].high <= 0
    assert all(0 <= share <= 1 for share in found.not_better.values())
    assert found.run["log_return"].low == pytest.approx(np.log1p(found.run["cum_return"].low), rel=0.05, abs=0.01)
