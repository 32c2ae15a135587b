"""Paired tests, tests of many, the luck of trying often, agreement and seeds: worked examples, other libraries, and identities."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from agent.errors import NoData
from agent.evaluation import agreement, distributions, seeds, significance
from agent.evaluation.metrics import mean_t, psr
from agent.evaluation.significance import (
    days_to_tell_apart,
    dsr,
    effective_trials,
    expected_max_sharpe,
    mean_difference,
    memmel,
    min_track_record,
    model_confidence_set,
    paired_tests,
    sharpe_difference,
    sharpe_per_day,
    sign_test,
    spa,
    wilcoxon_daily,
    wilcoxon_finmem,
)
from bench import calibration


def days(seed, n=125, drift=0.0005, width=0.01):
    return drift + width * np.random.default_rng(seed).standard_t(5, n)


numbers = st.integers(0, 100_000)
lengths = st.integers(20, 120)


# --------------------------------------------------------------------------------------------------------------- distributions


def test_the_distributions_are_scipys():
    for t, freedom in ((0.0, 3), (0.3, 3.5), (2.1, 31.25), (5.0, 200), (40.0, 10)):
        assert distributions.student_p(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-9)
    assert distributions.student_quantile(0.05, 14.3) == pytest.approx(stats.t.ppf(0.975, 14.3), rel=1e-9)
    assert distributions.normal_p(-1.7) == pytest.approx(2 * stats.norm.sf(1.7), rel=1e-12)
    for hits, n in ((0, 5), (5, 5), (3, 17), (250, 500), (1, 1)):
        exact = stats.binomtest(hits, n)
        assert distributions.binomial_p(hits, n) == pytest.approx(exact.pvalue, rel=1e-9)
        low, high = exact.proportion_ci(method="exact")
        assert distributions.clopper_pearson(hits, n) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
    assert distributions.clopper_pearson(0, 0) == (0.0, 1.0)


# ---------------------------------------------------------------------------------------------------------------- paired tests


def test_both_wilcoxons_are_scipys_with_few_days_exactly_and_with_many_by_the_normal_curve():
    for n in (20, 50, 51, 400):
        a, b = days(1, n), days(2, n)
        assert wilcoxon_daily(a, b).p == pytest.approx(stats.wilcoxon(a - b).pvalue, rel=1e-9)
        assert wilcoxon_finmem(a, b).p == pytest.approx(stats.wilcoxon(np.cumsum(a), np.cumsum(b)).pvalue, rel=1e-9)
    tied = np.round(days(3, 200), 2)
    assert wilcoxon_daily(tied, np.zeros(200)).p == pytest.approx(stats.wilcoxon(tied).pvalue, rel=1e-9)


def test_memmels_formula_by_hand():
    a, b = days(4, 250), days(5, 250)
    one, two, rho = a.mean() / a.std(ddof=1), b.mean() / b.std(ddof=1), np.corrcoef(a, b)[0, 1]
    variance = (2 - 2 * rho + 0.5 * (one**2 + two**2 - 2 * one * two * rho**2)) / 250
    found = memmel(a, b)
    assert found.statistic == pytest.approx((one - two) / math.sqrt(variance))
    assert found.effect == pytest.approx((one - two) * math.sqrt(252))
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(found.statistic)))


def test_the_mean_test_has_the_critical_value_that_fixed_bandwidth_theory_tabulates():
    # Kiefer and Vogelsang (2005), Bartlett, two-sided 5 %: 1.9600 + 2.9694 b + 0.4160 b^2 - 0.5324 b^3
    for n in (60, 125, 250, 1_000):
        b = 6 / n
        ours = stats.t.ppf(0.975, 1.5 / b) / math.sqrt(1 - b)
        assert ours == pytest.approx(1.96 + 2.9694 * b + 0.4160 * b**2 - 0.5324 * b**3, abs=0.02)
        found = mean_difference(days(6, n), days(7, n))
        assert found.statistic == pytest.approx(mean_t(days(6, n) - days(7, n)) * math.sqrt(1 - b))
        width = (found.interval.high - found.interval.low) / 2
        assert width == pytest.approx(abs(found.effect / found.statistic) * stats.t.ppf(0.975, 1.5 / b))


def test_the_bootstrap_of_the_sharpe_agrees_with_the_closed_form_where_its_assumptions_hold():
    rng = np.random.default_rng(8)
    a, b = rng.normal(0.0012, 0.01, 1_500), rng.normal(0.0002, 0.01, 1_500)
    boot, closed = sharpe_difference(a, b, draws=2_000), memmel(a, b)
    assert boot.effect == pytest.approx(closed.effect)
    assert boot.p == pytest.approx(closed.p, abs=0.03)
    assert boot.interval.low == pytest.approx(closed.interval.low, abs=0.2)


def test_what_the_days_add_to_the_error_of_a_sharpe_has_the_variance_of_the_closed_form():
    # Mertens (2002): 1 - g3 SR + (g4 - 1)/4 SR^2, exactly, with population moments
    for drift in (0.0, 0.004, -0.01):
        r = days(12, 200, drift)
        ratio = r.mean() / r.std()
        known = 1 - stats.skew(r) * ratio + (stats.kurtosis(r, fisher=False) - 1) / 4 * ratio**2
        assert np.var(significance._sharpe_influence(r)) == pytest.approx(known)


def test_a_clear_difference_is_found_and_said_with_the_name_of_the_better_one():
    rng = np.random.default_rng(9)
    market = rng.normal(0, 0.01, 250)
    better, worse = market + rng.normal(0.002, 0.003, 250), market
    for test in paired_tests(better, worse, sign=(70, 30), draws=500):
        assert test.significant and test.p < 0.01 and "A shows" in test.says, test.name
    for test in paired_tests(worse, better, sign=(30, 70), draws=500):
        assert "B shows" in test.says, test.name


def test_without_a_difference_neither_betterness_nor_equality_may_be_claimed():
    found = sharpe_difference(days(1), days(2), draws=500)
    assert found.p > 0.05 and "may not be claimed, nor that they are equal" in found.says and "125 days" in found.says


def test_the_order_is_the_one_to_trust_first_and_finmems_comes_last_and_only_when_asked():
    names = [test.name for test in paired_tests(days(1), days(2), sign=(3, 4), finmem=True, draws=100)]
    assert names == ["sharpe_difference", "mean_difference", "wilcoxon_daily", "memmel", "sign_test", "wilcoxon_finmem"]
    assert len(paired_tests(days(1), days(2), draws=100)) == 4
    assert "no claim" in wilcoxon_finmem(days(1), days(2)).says and "nine times in ten" in wilcoxon_finmem(days(1), days(2)).caveat


@settings(max_examples=25, deadline=None)
@given(numbers, numbers, lengths)
def test_swapping_a_and_b_turns_the_effect_round_and_leaves_p(one, two, n):
    a, b = days(one, n), days(two, n)
    pairs = zip(paired_tests(a, b, sign=(n, 7), draws=50, finmem=True), paired_tests(b, a, sign=(7, n), draws=50, finmem=True))
    for there, back in pairs:
        assert back.p == pytest.approx(there.p, abs=1e-12), there.name
        middle = 0.5 if there.name == "sign_test" else 0.0
        assert back.effect - middle == pytest.approx(middle - there.effect, abs=1e-12), there.name
        if there.interval:
            assert back.interval.low == pytest.approx(2 * middle - there.interval.high, abs=1e-9), there.name


@settings(max_examples=10, deadline=None)
@given(numbers, lengths)
def test_a_series_against_itself_has_no_effect_and_p_one(seed, n):
    a = days(seed, n)
    for test in paired_tests(a, a.copy(), draws=50, finmem=True):
        assert (test.effect, test.p, test.why) == (0.0, 1.0, ""), test.name


@settings(max_examples=10, deadline=None)
@given(numbers, st.floats(0.1, 10))
def test_twice_the_bet_is_the_same_sharpe(seed, size):
    a = days(seed)
    assert sharpe_difference(size * a, a, draws=50).effect == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(numbers, st.integers(100_001, 200_000))
def test_a_p_below_five_percent_and_an_interval_without_zero_are_the_same_thing(one, two):
    a, b = days(one, drift=0.002), days(two)
    for test in (sharpe_difference(a, b, draws=999), mean_difference(a, b), memmel(a, b)):
        outside = not test.interval.low <= 0 <= test.interval.high
        assert outside == (test.p < 0.05) or test.p == pytest.approx(0.05, abs=0.003), test.name


def test_too_few_days_and_flat_series_give_a_reason_and_no_number():
    for test in paired_tests(days(1, 19), days(2, 19), finmem=True):
        assert (test.p, test.effect, test.why) == (None, None, "19 days in common, fewer than 20"), test.name
    flat = sharpe_difference(np.zeros(50), days(1, 50))
    assert (flat.p, flat.why) == (None, "A never moved, so there is no Sharpe ratio")
    assert mean_difference(days(1, 50) + 0.001, days(1, 50)).why.startswith("the difference is the same every day")
    assert (sign_test(0, 0).p, sign_test(0, 0).why) == (None, "the two never disagreed on a day with an outcome")
    assert "can never be called significant" in sign_test(5, 0).says and sign_test(6, 0).significant


def test_gaps_and_days_that_do_not_match_are_refused():
    broken = days(1)
    broken[3] = math.nan
    with pytest.raises(NoData, match="second series has no usable number at position 3"):
        paired_tests(days(2), broken)
    with pytest.raises(ValueError, match="125 returns, the second 124"):
        sharpe_difference(days(1), days(2, 124))


def test_the_same_seed_of_the_draws_gives_the_same_answer():
    assert sharpe_difference(days(1), days(2), draws=300, seed=4) == sharpe_difference(days(1), days(2), draws=300, seed=4)
    assert sharpe_difference(days(1), days(2), draws=300, seed=4).p != sharpe_difference(days(1), days(2), draws=300, seed=5).p


# ------------------------------------------------------------------------------------------------------------ more than two


def test_the_confidence_set_drops_the_hopeless_and_keeps_the_best():
    arms = {"good": days(1, 250, 0.003), "middle": days(2, 250, 0.0028), "bad": days(3, 250, -0.004)}
    found = model_confidence_set(arms, draws=500)
    assert set(found.members) == {"good", "middle"} and found.p["bad"] < 0.1
    assert max(found.p.values()) == 1.0 and "1 of the 3 can be ruled out" in found.says
    twins = model_confidence_set({"a": days(1), "b": days(1)}, draws=100)
    assert set(twins.members) == {"a", "b"} and "no ranking may be claimed" in twins.says
    assert model_confidence_set({"a": days(1)}).why == "at least two are needed"


def test_more_hopeless_arms_do_not_make_one_good_arm_easier_to_claim():
    market = days(1, 250, 0.0)
    good = market + np.random.default_rng(2).normal(0.001, 0.004, 250)
    alone = spa({"good": good}, market, draws=1_000)
    crowd = spa({"good": good} | {f"bad{i}": days(i + 5, 250, 0.0) for i in range(6)}, market, draws=1_000)
    assert alone.p <= 0.05 and crowd.p >= alone.p
    assert spa({"same": market}, market).why == "all of them are the benchmark"


# ----------------------------------------------------------------------------------------------------- luck of having tried often


def test_bailey_and_lopez_de_prados_worked_example():
    """Annual Sharpe 2.5 over 1250 days, skewness -3, kurtosis 10, 100 trials whose annual Sharpes have variance 1/2: 0.9004."""
    daily, n, skew, kurtosis = 2.5 / math.sqrt(250), 1250, -3.0, 10.0
    hurdle = expected_max_sharpe(math.sqrt(0.5 / 250), 100)
    assert hurdle == pytest.approx(0.1132, abs=5e-5)
    z = (daily - hurdle) * math.sqrt(n - 1) / math.sqrt(1 - skew * daily + (kurtosis - 1) / 4 * daily**2)
    assert stats.norm.cdf(z) == pytest.approx(0.9004, abs=5e-5)


def test_the_expected_best_of_many_is_what_many_draws_show():
    rng = np.random.default_rng(1)
    for k in (5, 20, 100):  # the formula is itself an approximation: 3 % off at five trials, 1 % at a hundred
        assert expected_max_sharpe(0.3, k) == pytest.approx(rng.normal(0, 0.3, (20_000, k)).max(axis=1).mean(), rel=0.04)
    assert (expected_max_sharpe(0.3, 1), expected_max_sharpe(0.0, 50), expected_max_sharpe(0.3, 1.05)) == (0.0, 0.0, 0.0)


@settings(max_examples=40, deadline=None)
@given(numbers, st.floats(1, 500), st.floats(1, 500))
def test_more_trials_never_raise_the_deflated_sharpe_and_one_trial_leaves_the_probabilistic(seed, k, more):
    r, tried = days(seed), [0.02, -0.01, 0.05, 0.0]
    few, many = sorted((k, k + more))
    assert dsr(r, sharpes=tried, trials=1) == psr(r)
    assert dsr(r, sharpes=tried, trials=many) <= dsr(r, sharpes=tried, trials=few) + 1e-12 <= psr(r) + 2e-12


def test_a_deflated_sharpe_needs_two_sharpes_and_a_series_that_moves():
    assert dsr(days(1), sharpes=[0.1], trials=5) is None
    assert dsr(np.zeros(60), sharpes=[0.1, 0.2], trials=5) is None
    assert sharpe_per_day(np.zeros(9)) is None
    assert sharpe_per_day(days(1)) == pytest.approx(days(1).mean() / days(1).std(ddof=1))


@given(numbers)
def test_mirrored_returns_have_the_mirrored_probability(seed):
    assert psr(-days(seed)) == pytest.approx(1 - psr(days(seed)), abs=1e-12)


@settings(max_examples=40)
@given(numbers, st.floats(0.6, 0.99), st.floats(0, 0.02))
def test_at_the_minimum_track_record_the_probability_is_the_level(seed, level, threshold):
    r = days(seed, drift=0.001)
    needed = min_track_record(r, threshold=threshold, level=level)
    daily = sharpe_per_day(r)
    if needed is None:
        assert daily <= threshold
        return
    variance = 1 - stats.skew(r) * daily + (stats.kurtosis(r, fisher=False) - 1) / 4 * daily**2
    assert stats.norm.cdf((daily - threshold) * math.sqrt(needed - 1) / math.sqrt(variance)) == pytest.approx(level, abs=1e-9)
    assert (needed <= len(r)) == (psr(r, threshold=threshold) >= level)


def test_with_the_days_asked_for_a_true_difference_is_found_as_often_as_promised():
    rng = np.random.default_rng(3)
    needed = days_to_tell_apart(*(rng.normal(drift, 0.01, 200_000) for drift in (0.0015, 0.0)), power=0.8)
    n = round(needed)
    a, b = (rng.normal(drift, 0.01, (400, n)) for drift in (0.0015, 0.0))
    found = np.mean([memmel(one, two).p < 0.05 for one, two in zip(a, b)])
    assert found == pytest.approx(0.8, abs=0.06)
    assert days_to_tell_apart(days(1), days(1)) is None and days_to_tell_apart(days(1), 2 * days(1)) is None


def test_trials_that_do_the_same_count_once():
    a, b = days(1, 250), days(2, 250)
    noise = days(3, 250) / 20
    assert effective_trials(np.column_stack([a, 2 * a, a + noise, b])) == 2
    assert effective_trials(np.column_stack([a, b, -a])) == 3  # the opposite is another trial
    assert effective_trials(np.column_stack([a, np.zeros(250), np.zeros(250)])) == 2
    assert (effective_trials(np.empty((250, 0))), effective_trials(a[:, None])) == (0, 1)
    with pytest.raises(NoData):
        effective_trials(np.array([[0.1, math.nan], [0.2, 0.1]]))


def test_a_chain_of_alikes_is_not_one_trial():
    rng = np.random.default_rng(5)
    steps = np.cumsum(rng.normal(size=(2_000, 8)), axis=1) + 3 * rng.normal(size=(2_000, 1))  # neighbours alike, ends not
    link = np.corrcoef(steps, rowvar=False)
    assert min(link[i, i + 1] for i in range(7)) > 0.8 > link[0, 7]
    assert effective_trials(steps) > 1


# -------------------------------------------------------------------------------------------------------------------- agreement

decisions = st.sampled_from(["buy", "hold", "sell", None])


def tables(runs):
    return st.lists(st.lists(decisions, min_size=runs, max_size=runs), min_size=1, max_size=40)


def test_fleiss_own_example_of_kappa():
    # Fleiss' construction on three categories, against statsmodels' implementation
    from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

    rng = np.random.default_rng(6)
    table = rng.choice(["buy", "hold", "sell"], size=(60, 5), p=[0.2, 0.5, 0.3])
    table[:30, 1:] = table[:30, :1]
    counts, _ = aggregate_raters(table)
    assert agreement.fleiss_kappa(table).value == pytest.approx(fleiss_kappa(counts), abs=1e-12)


def test_cohens_kappa_by_hand():
    a = ["buy"] * 25 + ["sell"] * 25
    b = ["buy"] * 20 + ["sell"] * 5 + ["buy"] * 10 + ["sell"] * 15  # the textbook 20, 5, 10, 15: observed 0.7, chance 0.5
    found = agreement.cohen_kappa(a, b)
    assert (found.value, found.n) == (pytest.approx(0.4), 50)


def test_agreement_by_hand():
    table = [["buy", "buy", "hold"], ["sell", "sell", None], ["hold", "hold", "hold"], ["buy", "sell", "hold"], [None, None, "buy"]]
    agreed = agreement.share_agreed(table)
    assert (agreed.value, agreed.n, agreed.by_day) == (0.5, 4, (0.0, 1.0, 1.0, 0.0, None))
    flips = agreement.flip_rate(table)
    assert (flips.value, flips.by_day) == (0.5, (pytest.approx(2 / 3), 0.0, 0.0, 1.0, None))
    spread = agreement.decision_entropy(table)
    assert spread.by_day == (pytest.approx(0.9183, abs=1e-4), 0.0, 0.0, pytest.approx(math.log2(3)), None)
    assert agreement.weight_distance([[0.1, 0.2, 0.4], [None, 0.1, 0.1], [0.5, None, None]]).value == pytest.approx((0.2 + 0.0) / 2)


@given(st.lists(decisions, min_size=1, max_size=60))
def test_a_copy_agrees_entirely(one):
    decided = {decision for decision in one if decision}
    both = list(zip(one, one))
    for kappa in (agreement.cohen_kappa(one, list(one)), agreement.fleiss_kappa(both)):
        assert kappa.value == (pytest.approx(1.0) if len(decided) > 1 else None)
        assert kappa.value is not None or kappa.why
    flips = agreement.flip_rate(both)
    assert flips.value == (0.0 if decided else None) and flips.n == sum(decision is not None for decision in one)
    assert agreement.decision_entropy(both).value == (0.0 if decided else None)


@given(tables(4), st.permutations(range(4)))
def test_the_order_of_the_runs_is_nothing_and_everything_stays_within_bounds(table, order):
    shuffled = [[row[at] for at in order] for row in table]
    for figure in (agreement.share_agreed, agreement.flip_rate, agreement.fleiss_kappa, agreement.decision_entropy):
        one, two = figure(table), figure(shuffled)
        assert two.n == one.n and two.value == (None if one.value is None else pytest.approx(one.value, abs=1e-12))
    share, flips = agreement.share_agreed(table).value, agreement.flip_rate(table).value
    assert share is None or share + flips == pytest.approx(1)
    assert all(value is None or 0 <= value <= 1 for value in agreement.flip_rate(table).by_day)
    kappa = agreement.fleiss_kappa(table).value
    assert kappa is None or kappa <= 1 + 1e-12


def test_what_is_no_decision_is_refused():
    with pytest.raises(ValueError, match="'BUY' is no decision"):
        agreement.share_agreed([["BUY", "sell"]])
    with pytest.raises(ValueError, match="different numbers of runs"):
        agreement.flip_rate([["buy"], ["buy", "sell"]])


# ------------------------------------------------------------------------------------------------------------------------ seeds


def test_the_spread_of_a_figure_over_seeds_by_hand():
    found = seeds.spread([3.0, 1.0, None, 2.0, 4.0, 10.0])
    assert (found.n, found.median, found.low, found.high, found.q1, found.q3, found.undefined) == (5, 3.0, 1.0, 10.0, 2.0, 4.0, 1)
    assert found.enough and found.iqr == 2.0 and not seeds.spread([1.0]).enough
    assert seeds.spread([None]).median is None
    with pytest.raises(NoData):
        seeds.spread([math.nan])


def test_five_of_five_above_says_no_more_than_the_binomial_allows():
    found = seeds.share_above([1.0] * 5, 0.5)
    assert (found.share, found.above, found.n) == (1.0, 5, 5)
    assert (found.interval.low, found.interval.high) == (pytest.approx(0.025 ** (1 / 5)), 1.0)
    assert seeds.share_above([None], 0.0).interval is None
    assert seeds.share_above([0.5, 0.5], 0.5).above == 0  # equal is not above


@settings(max_examples=20)
@given(numbers, st.integers(1, 6))
def test_bands_hold_every_seed(seed, k):
    curves = [np.cumprod(1 + days(seed + i, 30)) for i in range(k)]
    found = seeds.bands(curves)
    assert found.seeds == k and (found.low <= found.median).all() and (found.median <= found.high).all()
    assert all((found.low <= curve).all() and (curve <= found.high).all() for curve in curves)


def test_copies_share_all_variance_and_strangers_none():
    market = days(1, 400)[:, None]
    strangers = np.random.default_rng(2).normal(0, 0.01, (400, 4))
    assert seeds.between_seed_share(np.repeat(market, 4, axis=1)) == pytest.approx(0.0, abs=1e-12)
    assert seeds.between_seed_share(strangers) == pytest.approx(1.0, abs=0.06)
    half = np.random.default_rng(3).normal(0, 0.01, (4_000, 1)) + np.random.default_rng(4).normal(0, 0.01, (4_000, 4))
    assert seeds.between_seed_share(half) == pytest.approx(0.5, abs=0.05)
    assert seeds.between_seed_share(market) is None and seeds.between_seed_share(np.zeros((9, 3))) is None


def test_the_median_seed_against_holding_has_an_interval_over_seeds_and_days():
    rng = np.random.default_rng(7)
    market = rng.normal(0.0, 0.01, 250)
    arms = 0.5 * market[:, None] + rng.normal(0.002, 0.004, (250, 5))
    found = seeds.hierarchical_bootstrap(arms, market, draws=400)
    assert found.interval.low > 0 and found.interval.low < found.value < found.interval.high
    copies = seeds.hierarchical_bootstrap(np.repeat(market[:, None], 3, axis=1), market, draws=100)
    assert copies.value == pytest.approx(0) and copies.interval.high == pytest.approx(0, abs=1e-9)
    assert seeds.hierarchical_bootstrap(arms[:, :1], market).why == "a single seed"
    assert seeds.hierarchical_bootstrap(np.zeros((30, 2)), np.zeros(30), draws=50).why == "a Sharpe ratio is not defined"


def test_the_ensemble_is_the_mean_of_those_that_set_a_target():
    assert seeds.ensemble_weights([[0.2, None, 0.4], [None, None, None], [1.0, 0.0, 0.5]]) == [pytest.approx(0.3), None, 0.5]


# ------------------------------------------------------------------------------------- calibration, in small (in full: bench/calibration.py)


def test_under_chance_the_daily_tests_keep_their_five_percent_and_finmems_does_not():
    rows = {row.what: row.share for row in calibration.sizes("wild", calibration.wild_world(), 60, 300, 39, seed=5)}
    for name in ("sharpe_difference", "mean_difference", "wilcoxon_daily", "memmel"):
        assert 0.02 <= rows[f"rejects: {name}"] <= 0.09, name  # three standard errors of 300 worlds
    assert rows["rejects: sign_test"] <= 0.09
    assert rows["rejects: wilcoxon_finmem"] > 0.8


def test_the_deflated_sharpe_of_the_best_of_a_hundred_coin_flippers_is_unremarkable():
    rows, deflated = calibration.luck("wild", calibration.wild_world(0.0), 125, 60, seed=6)
    shares = {row.what.split(" of the")[0]: row.share for row in rows}
    assert (deflated <= 0.95).mean() > 0.95 and 0.2 < np.median(deflated) < 0.7
    assert shares["above 0.95: psr"] > 0.8  # what not counting the tries would claim
