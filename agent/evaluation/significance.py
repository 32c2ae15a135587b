"""Is the difference real? Paired tests of two series of daily returns, tests for many, and what trying often does to the best Sharpe.

Promise: every test says how many days it rests on, how large the effect is, in plain words what may and may not be claimed, and which
assumption it leans on; where there is no result it says why and gives no number. All daily tests offered here reject a true "no
difference" in about 5 of 100 cases (``bench/calibration.py`` measures it), except FinMem's, which is kept for comparison and says so.
Series are simple returns per day, the same days in both; a NaN is refused. Sharpe ratios inside the formulas are per day, those shown
are annual (design: metrics, section 4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from agent.errors import NoData
from agent.evaluation import metrics
from agent.evaluation.distributions import (
    binomial_p,
    clopper_pearson,
    normal_p,
    normal_quantile,
    student_p,
    student_quantile,
)
from agent.evaluation.intervals import Interval, block_length, resampled
from agent.evaluation.metrics import FLAT, YEAR, psr

DRAWS = 10_000
LEVEL = 0.95
LEAST = 20  # days, a month: fewer say nothing about returns, whatever the formula prints
SHORT = 60  # days, a quarter: from here on the tests were seen to keep their 5 %
EULER = 0.5772156649015329  # the constant of Euler and Mascheroni
ROOM = 2_000_000  # numbers held at once, about 16 MB

Series = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Test:
    """One comparison of A with B. ``effect`` is A minus B in the unit of ``effect_label``; ``p`` is two-sided; ``why`` is empty or why there is no result."""

    __test__: ClassVar[bool] = False  # its name starts like that of a test class

    name: str
    label: str
    n: int = 0
    statistic: float | None = None
    p: float | None = None
    effect: float | None = None
    effect_label: str = ""
    interval: Interval | None = None
    says: str = ""
    caveat: str = ""
    why: str = ""

    @property
    def significant(self) -> bool:
        return self.p is not None and self.p < 1 - LEVEL


def paired_tests(
    a: Series, b: Series, *, sign: tuple[int, int] | None = None, finmem: bool = False, draws: int = DRAWS, seed: int = 0
) -> tuple[Test, ...]:
    """All tests of A against B, the one to trust first. ``sign``: disagreements that paid for A and for B; ``finmem``: its test too."""
    found = [sharpe_difference(a, b, draws=draws, seed=seed), mean_difference(a, b), wilcoxon_daily(a, b), memmel(a, b)]
    if sign is not None:
        found.append(sign_test(*sign))
    if finmem:
        found.append(wilcoxon_finmem(a, b))
    return tuple(found)


# --------------------------------------------------------------------------------------------------------- difference of Sharpes

_SHARPE = Test(
    name="sharpe_difference",
    label="Sharpe difference, block bootstrap",
    effect_label="annual Sharpe of A minus that of B",
    caveat=(
        "Days are redrawn in blocks, both series together, and each draw is measured in its own standard errors (Ledoit and Wolf, 2008), "
        "because plain percentiles are too narrow for so few days. It knows the luck of these days only: not another market, "
        "nor how many variants were tried before."
    ),
)


def sharpe_difference(a: Series, b: Series, *, draws: int = DRAWS, seed: int = 0) -> Test:
    """Paired, studentised stationary bootstrap of the difference of two Sharpe ratios."""
    one, two = _pair(a, b)
    n = len(one)
    if why := _too_little(one, two):
        return replace(
            _SHARPE,
            n=n,
            why=why,
        )
    influence = _sharpe_influence(np.vstack([one, two]))
    gap, scores = float(_sharpes(one) - _sharpes(two)), influence[0] - influence[1]
    error = float(_long_run_error(scores[None, :])[0])
    if error < FLAT:  # the same series, or one a multiple of the other
        return _sharpe_result(n, 0.0, 1.0, 0.0, 0.0)
    block = max(block_length(values) for values in (one, two, one - two))
    extreme = _studentised(one, two, gap, draws=draws, block=block, seed=seed)
    statistic = gap / error
    p = (1 + int((extreme >= abs(statistic)).sum())) / (1 + len(extreme))
    reach = float(np.quantile(extreme, LEVEL, method="higher")) * error  # infinite where too many draws hold one value only
    return _sharpe_result(n, statistic, p, gap, reach)


def _sharpe_result(n: int, statistic: float, p: float, gap: float, reach: float) -> Test:
    root = math.sqrt(YEAR)
    interval = Interval((gap - reach) * root, (gap + reach) * root) if math.isfinite(reach) else None
    says = _says(p, gap, n, "a higher Sharpe ratio")
    return replace(_SHARPE, n=n, statistic=statistic, p=p, effect=gap * root, interval=interval, says=says)


def _studentised(one: np.ndarray, two: np.ndarray, gap: float, *, draws: int, block: float, seed: int) -> np.ndarray:
    """Absolute distance of each draw's gap from ``gap``, in that draw's standard errors."""
    n, rng = len(one), np.random.default_rng(seed)
    step = max(1, ROOM // n)
    found = []
    for start in range(0, draws, step):
        index = resampled(n, draws=min(step, draws - start), block=block, rng=rng)
        left, right = one[index], two[index]
        error = _long_run_error(_sharpe_influence(left) - _sharpe_influence(right))
        away = np.abs(_sharpes(left) - _sharpes(right) - gap)
        found.append(np.where(error > FLAT, away / np.where(error > FLAT, error, 1.0), np.inf))
    return np.concatenate(found)


def _sharpes(r: np.ndarray) -> np.ndarray:
    deviation = r.std(axis=-1, ddof=1)
    return r.mean(axis=-1) / np.where(deviation > FLAT, deviation, np.nan)


def _sharpe_influence(r: np.ndarray) -> np.ndarray:
    """What each day adds to the error of its row's Sharpe (first order): z - SR/2 (z^2 - 1)."""
    mean, deviation = r.mean(axis=-1, keepdims=True), r.std(axis=-1, keepdims=True)
    safe = np.where(deviation > FLAT, deviation, np.inf)
    z = (r - mean) / safe
    return z - mean / safe / 2 * (z**2 - 1)


def _lags(n: int) -> int:
    return max(1, int(4 * (n / 100) ** (2 / 9)))  # Newey and West, 1994


def _long_run_error(scores: np.ndarray) -> np.ndarray:
    """Newey-West standard error of each row's mean."""
    n = scores.shape[-1]
    centred = scores - scores.mean(axis=-1, keepdims=True)
    lags = _lags(n)
    variance = np.einsum("ij,ij->i", centred, centred)
    for lag in range(1, lags + 1):
        variance = variance + 2 * (1 - lag / (lags + 1)) * np.einsum("ij,ij->i", centred[:, lag:], centred[:, :-lag])
    return np.sqrt(np.maximum(variance, 0.0)) / n


_MEMMEL = Test(
    name="memmel",
    label="Sharpe difference, closed form",
    effect_label="annual Sharpe of A minus that of B",
    caveat=(
        "The formula of Jobson and Korkie as corrected by Memmel (2003). It assumes independent, normal days; "
        "returns are neither, so take it as the quick look and the bootstrap as the answer."
    ),
)


def memmel(a: Series, b: Series) -> Test:
    """Difference of two Sharpe ratios by the closed form for independent normal days."""
    one, two = _pair(a, b)
    n = len(one)
    if why := _too_little(one, two):
        return replace(
            _MEMMEL,
            n=n,
            why=why,
        )
    left, right = float(_sharpes(one)), float(_sharpes(two))
    rho = min(1.0, max(-1.0, float(np.corrcoef(one, two)[0, 1])))
    variance = (2 - 2 * rho + (left**2 + right**2 - 2 * left * right * rho**2) / 2) / n
    gap, root = left - right, math.sqrt(YEAR)
    if variance < FLAT:
        gap, statistic, p, error = 0.0, 0.0, 1.0, 0.0
    else:
        error = math.sqrt(variance)
        statistic = gap / error
        p = normal_p(statistic)
    reach = normal_quantile(0.5 + LEVEL / 2) * error
    interval = Interval((gap - reach) * root, (gap + reach) * root)
    says = _says(p, gap, n, "a higher Sharpe ratio")
    return replace(
        _MEMMEL,
        n=n,
        statistic=statistic,
        p=p,
        effect=gap * root,
        interval=interval,
        says=says,
    )


# ------------------------------------------------------------------------------------------------------- difference of the means

_MEAN = Test(
    name="mean_difference",
    label="Mean daily difference, HAC t-test",
    effect_label="return of A minus that of B, fraction a year (mean of a day times 252)",
    caveat=(
        "Newey-West standard errors over 5 days, against Student's t with as many degrees of freedom as that leaves "
        "(about a quarter of the days), so that short windows keep their 5 %. It asks about return alone: more risk earns more."
    ),
)


def mean_difference(a: Series, b: Series, *, lags: int = 5) -> Test:
    """t-test of the mean of A - B that allows days to hang together over ``lags`` days.

    The variance is divided by 1 - b and t has 3/(2b) degrees of freedom, b = (lags + 1)/n: the fixed-bandwidth theory of Kiefer and
    Vogelsang (2005) in the short form of Lazarus and others (2018).
    """
    one, two = _pair(a, b)
    n, difference = len(one), one - two
    if n < LEAST:
        return replace(
            _MEAN,
            n=n,
            why=_few(n),
        )
    if float(np.abs(difference).max()) < FLAT:
        return replace(
            _MEAN,
            n=n,
            statistic=0.0,
            p=1.0,
            effect=0.0,
            interval=Interval(0.0, 0.0),
            says=_says(1.0, 0.0, n, ""),
        )
    width = (lags + 1) / n
    error = _bartlett_error(difference, lags) / math.sqrt(1 - width)
    if error < FLAT:
        return replace(
            _MEAN,
            n=n,
            why="the difference is the same every day, so there is nothing to measure its luck by",
        )
    mean, freedom = float(difference.mean()), 1.5 / width
    p = student_p(mean / error, freedom)
    reach = student_quantile(1 - LEVEL, freedom) * error
    interval = Interval((mean - reach) * YEAR, (mean + reach) * YEAR)
    says = _says(p, mean, n, "a higher mean return")
    return replace(
        _MEAN,
        n=n,
        statistic=mean / error,
        p=p,
        effect=mean * YEAR,
        interval=interval,
        says=says,
    )


def _bartlett_error(x: np.ndarray, lags: int) -> float:
    centred = x - x.mean()
    variance = float(centred @ centred)
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * float(centred[lag:] @ centred[:-lag])
    return math.sqrt(max(0.0, variance)) / len(x)


# --------------------------------------------------------------------------------------------------------------- ranks and signs

_WILCOXON = Test(
    name="wilcoxon_daily",
    label="Daily differences, Wilcoxon",
    effect_label="rank correlation: -1 B always ahead, +1 A always ahead",
    caveat=(
        "Ranks, so single wild days count little. It asks whether the differences lie evenly around zero, which is not the same as an "
        "equal mean: many small gains against a few large losses can pass for an advantage. Days without a difference are left out."
    ),
)
_FINMEM = Test(
    name="wilcoxon_finmem",
    label="Cumulative returns, Wilcoxon (FinMem parity)",
    effect_label="rank correlation: -1 B always ahead, +1 A always ahead",
    caveat=(
        "As FinMem's authors ran it, for comparison with their paper only: running sums are random walks, so their days are anything but "
        "independent, and two agents that flip coins are declared different at 5 % about nine times in ten. Claim nothing from it."
    ),
)


def wilcoxon_daily(a: Series, b: Series) -> Test:
    """Wilcoxon's signed-rank test on the daily differences."""
    one, two = _pair(a, b)
    return _wilcoxon(one - two, _WILCOXON, "the better days more often or by more", least=LEAST)


def wilcoxon_finmem(a: Series, b: Series) -> Test:
    """Wilcoxon's test on the two cumulative sums, as FinMem's evaluation does; rejects far too often."""
    one, two = _pair(a, b)
    found = _wilcoxon(np.cumsum(one) - np.cumsum(two), _FINMEM, "", least=LEAST)
    if found.p is None:
        return found
    says = f"FinMem's test gives p = {_p(found.p)} here; it would call most pairs of coin flippers different, so it supports no claim."
    return replace(
        _FINMEM,
        n=found.n,
        statistic=found.statistic,
        p=found.p,
        effect=found.effect,
        says=says,
    )


def _wilcoxon(difference: np.ndarray, words: Test, better: str, *, least: int) -> Test:
    days = len(difference)
    if days < least:
        return replace(
            words,
            n=days,
            why=_few(days),
        )
    moved = difference[np.abs(difference) > FLAT]
    n = len(moved)
    if not n:
        says = f"No difference on any of the {days} days."
        return replace(
            words,
            n=0,
            statistic=0.0,
            p=1.0,
            effect=0.0,
            says=says,
        )
    ranks, ties = _ranks(np.abs(moved))
    total = n * (n + 1) / 2
    plus = float(ranks[moved > 0].sum())
    p = _exact_rank_p(plus, n) if n <= 50 and not len(ties) else _rank_p(plus, n, ties)
    effect = 2 * plus / total - 1
    return replace(
        words,
        n=n,
        statistic=min(plus, total - plus),
        p=p,
        effect=effect,
        says=_says(p, effect, n, better),
    )


def _ranks(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks from 1, ties at their mean; and how often each tied value occurs."""
    _, where, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[where], counts[counts > 1]


def _rank_p(plus: float, n: int, ties: np.ndarray) -> float:
    variance = n * (n + 1) * (2 * n + 1) / 24 - float((ties.astype(float) ** 3 - ties).sum()) / 48
    return normal_p((plus - n * (n + 1) / 4) / math.sqrt(variance)) if variance > 0 else 1.0


def _exact_rank_p(plus: float, n: int) -> float:
    """Of all 2^n ways to sign the ranks, the share at least as uneven as this one."""
    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, n + 1):
        ways[rank:] += ways[:-rank].copy()
    low = round(min(plus, len(ways) - 1 - plus))
    return min(1.0, 2 * float(ways[: low + 1].sum()) / 2.0**n)


_SIGN = Test(
    name="sign_test",
    label="Disagreements, sign test",
    effect_label="share of the disagreements that paid for A (0.5: neither)",
    caveat=(
        "Exact, and each disagreement counts one, however much money it moved. It takes them for independent; "
        "a disagreement that lasts several days is one opinion counted several times."
    ),
)


def sign_test(wins: int, losses: int) -> Test:
    """Whether the days on which the two decided differently paid for A more often than a coin would."""
    if wins < 0 or losses < 0:
        raise ValueError(f"there cannot be {wins} wins and {losses} losses")
    n = wins + losses
    if not n:
        return replace(
            _SIGN,
            n=0,
            why="the two never disagreed on a day with an outcome",
        )
    p = binomial_p(wins, n)
    effect = wins / n
    says = _says(p, wins - losses, n, "the better side of the disagreements", unit="disagreements")
    if n < 6:
        says = f"{wins} of {n} disagreements paid for A; fewer than 6 can never be called significant."
    return replace(
        _SIGN,
        n=n,
        statistic=float(wins),
        p=p,
        effect=effect,
        interval=Interval(*clopper_pearson(wins, n)),
        says=says,
    )


# ------------------------------------------------------------------------------------------------------------- more than two


@dataclass(frozen=True)
class ConfidenceSet:
    """Which of several series cannot be told from the best. ``p`` by name; ``members`` are those above 1 - level, best mean first."""

    n: int
    members: tuple[str, ...]
    p: Mapping[str, float]
    level: float
    says: str
    caveat: str
    why: str = ""


_SET_CAVEAT = (
    "Hansen, Lunde and Nason's model confidence set over mean daily returns, blocks of days redrawn together. A large set means the window "
    "is too short to rank them, not that they are equally good."
)


def model_confidence_set(returns: Mapping[str, Series], *, level: float = 0.9, draws: int = 2_000, seed: int = 0) -> ConfidenceSet:
    """The series that hold the best mean return with confidence ``level`` (T_max, stationary bootstrap)."""
    names, table = _table(returns)
    n, k = table.shape
    if k < 2 or n < LEAST:
        why = "at least two are needed" if k < 2 else _few(n)
        return ConfidenceSet(n, tuple(names), {}, level, "", _SET_CAVEAT, why)
    means, drawn = table.mean(axis=0), _redrawn_means(table, draws=draws, seed=seed)
    left, p, so_far = list(range(k)), dict.fromkeys(names, 1.0), 0.0
    while len(left) > 1:
        gap = means[left].mean() - means[left]  # how far below the average of those left
        noise = drawn[:, left].mean(axis=1, keepdims=True) - drawn[:, left] - gap
        error = np.sqrt((noise**2).mean(axis=0))
        if error.max() < FLAT:
            break  # all the same series
        safe = np.where(error < FLAT, np.inf, error)
        most = (noise / safe).max(axis=1)
        worst = int((gap / safe).argmax())
        so_far = max(so_far, float((most >= gap[worst] / safe[worst]).mean()))
        p[names[left[worst]]] = so_far
        del left[worst]
    members = tuple(sorted((name for name in names if p[name] > 1 - level), key=lambda name: -means[names.index(name)]))
    return ConfidenceSet(n, members, p, level, _set_says(members, k, n, level), _SET_CAVEAT)


def _set_says(members: Sequence[str], k: int, n: int, level: float) -> str:
    if len(members) == k:
        return f"On {n} days none of the {k} can be ruled out as the best: no ranking may be claimed."
    if len(members) == 1:
        return f"On {n} days one of the {k} stands out as the best, at {level:.0%} confidence."
    return f"On {n} days {k - len(members)} of the {k} can be ruled out as the best; the other {len(members)} cannot be told apart."


_SPA = Test(
    name="spa",
    label="Best of several against the benchmark, SPA",
    effect_label="return of the best minus that of the benchmark, fraction a year",
    caveat=(
        "Hansen's test of superior predictive ability (2005), consistent version: one p for all of them together, "
        "so trying more does not make it easier. One-sided: it asks whether any of them beats the benchmark."
    ),
)


def spa(returns: Mapping[str, Series], benchmark: Series, *, draws: int = 2_000, seed: int = 0) -> Test:
    """Whether the best of several beats the benchmark once all of them are counted; ``p`` is one-sided."""
    names, table = _table(returns)
    rival = _clean(benchmark, "benchmark")
    n, k = table.shape
    if len(rival) != n:
        raise ValueError(f"the benchmark has {len(rival)} returns, the others {n}")
    if not k or n < LEAST:
        return replace(
            _SPA,
            n=n,
            why="there is nothing to compare" if not k else _few(n),
        )
    gain = table - rival[:, None]
    means, drawn = gain.mean(axis=0), _redrawn_means(gain, draws=draws, seed=seed)
    error = drawn.std(axis=0)
    if error.max() < FLAT:
        return replace(
            _SPA,
            n=n,
            why="all of them are the benchmark",
        )
    safe = np.where(error < FLAT, np.inf, error)
    statistic = max(0.0, float((means / safe).max()))
    hopeless = means < -error * math.sqrt(2 * math.log(math.log(n)))  # so bad that they must not blunt the test
    centred = (drawn - np.where(hopeless, 0.0, means)) / safe
    p = float((np.maximum(centred.max(axis=1), 0.0) >= statistic).mean()) if statistic > 0 else 1.0
    best = int(means.argmax())
    verdict = "at least one of them beats the benchmark" if p < 0.05 else "that any of them beats the benchmark may not be claimed"
    says = f"{names[best]} is the best of {k}; counting all {k} on {n} days, {verdict} (one-sided p = {_p(p)})."
    return replace(
        _SPA,
        n=n,
        statistic=statistic,
        p=p,
        effect=float(means[best]) * YEAR,
        says=says,
    )


def _redrawn_means(table: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    """Means of every column over the same redrawn days, one row per draw."""
    n, k = table.shape
    # the middle of the lengths: the longest of many is long by chance, and long blocks make a test of many reject too often
    rng, block = np.random.default_rng(seed), float(np.median([block_length(table[:, column]) for column in range(k)]))
    found = []
    for start in range(0, draws, step := max(1, ROOM // n)):
        index = resampled(n, draws=min(step, draws - start), block=block, rng=rng)
        row = np.arange(len(index))[:, None] * n
        often = np.bincount((row + index).ravel(), minlength=len(index) * n).reshape(len(index), n)  # of each day in each draw
        found.append(often @ table / n)
    return np.concatenate(found)


# ------------------------------------------------------------------------------------------------------- luck of having tried often


def expected_max_sharpe(sd: float, k: float) -> float:
    """The best Sharpe to expect of ``k`` trials without any skill whose Sharpes differ by ``sd``; same unit as ``sd``, 0 for one trial."""
    if k <= 1 or sd <= 0:
        return 0.0
    best = (1 - EULER) * normal_quantile(1 - 1 / k) + EULER * normal_quantile(1 - 1 / (k * math.e))
    return max(0.0, sd * best)  # below two trials the formula turns negative


def dsr(r: Series, *, sharpes: Sequence[float], trials: float) -> float | None:
    """Deflated Sharpe: probability that the true Sharpe beats what the best of ``trials`` lucky ones would show.

    ``sharpes`` are those of the trials, per day. With one trial it is the probabilistic Sharpe; None where that is not defined or
    fewer than two trials have a Sharpe (Bailey and Lopez de Prado, 2014).
    """
    values = _clean(r, "return series")
    known = [value for value in sharpes if math.isfinite(value)]
    if trials > 1 and len(known) < 2:
        return None
    spread = float(np.std(known, ddof=1)) if trials > 1 else 0.0
    return psr(values, threshold=expected_max_sharpe(spread, trials))


def sharpe_per_day(r: Series) -> float | None:
    """Mean over sample standard deviation of daily returns, not annual: what ``dsr`` wants of each trial."""
    values = _clean(r, "return series")
    if len(values) < 2 or float(values.std(ddof=1)) < FLAT:
        return None
    return float(_sharpes(values))


def min_track_record(r: Series, *, threshold: float = 0.0, level: float = LEVEL) -> float | None:
    """Days needed before a Sharpe like this one exceeds ``threshold`` (per day) with confidence ``level``; None where it does not exceed it."""
    return metrics.min_track_record(_clean(r, "return series"), threshold=threshold, level=level)


def days_to_tell_apart(a: Series, b: Series, *, level: float = LEVEL, power: float = 0.8) -> float | None:
    """Days until a Sharpe difference as large as the one seen would be significant (two-sided) with chance ``power``.

    None where there is no difference, or too little to measure it by. It takes the difference seen for the true one.
    """
    one, two = _pair(a, b)
    if _too_little(one, two):
        return None
    gap = float(_sharpes(one) - _sharpes(two))
    influence = _sharpe_influence(np.vstack([one, two]))
    error = float(_long_run_error((influence[0] - influence[1])[None, :])[0])
    if error < FLAT or abs(gap) < FLAT:
        return None
    return len(one) * ((normal_quantile(0.5 + level / 2) + normal_quantile(power)) * error / gap) ** 2


def effective_trials(returns: np.ndarray, *, threshold: float = 0.8) -> int:
    """How many different things were tried: clusters of columns in which every two correlate above ``threshold``.

    ``returns`` is days x trials. Trials that never moved are one cluster together.
    """
    table = np.asarray(returns, dtype=float)
    if table.ndim != 2 or not table.shape[1]:
        return 0
    if not np.isfinite(table).all():
        raise NoData("The returns of the trials have a gap: give the days that all of them have.")
    moving = table.std(axis=0) > FLAT
    still = int(not moving.all())
    count = int(moving.sum())
    if count < 2 or len(table) < 2:
        return count + still
    link = np.corrcoef(table[:, moving], rowvar=False)
    np.fill_diagonal(link, -np.inf)
    clusters = count
    while True:  # complete linkage: the two clusters whose least alike members are most alike
        first, second = divmod(int(link.argmax()), count)
        if not link[first, second] > threshold:
            return clusters + still
        merged = np.minimum(link[first], link[second])
        link[first], link[:, first] = merged, merged
        link[second], link[:, second], link[first, first] = -np.inf, -np.inf, -np.inf
        clusters -= 1


# --------------------------------------------------------------------------------------------------------------------- words


def _says(p: float, effect: float, n: int, better: str, *, unit: str = "days") -> str:
    """What a reader may claim, without a formula."""
    if p < 1 - LEVEL:
        return f"{'A' if effect > 0 else 'B'} shows {better} on these {n} {unit}; chance alone would rarely do this (p = {_p(p)})."
    return f"On {n} {unit} the two cannot be told apart (p = {_p(p)}): that one is better may not be claimed, nor that they are equal."


def _p(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def _few(n: int) -> str:
    return f"{n} days in common, fewer than {LEAST}"


def _too_little(one: np.ndarray, two: np.ndarray) -> str:
    if len(one) < LEAST:
        return _few(len(one))
    still = [name for name, values in (("A", one), ("B", two)) if float(values.std(ddof=1)) < FLAT]
    return f"{' and '.join(still)} never moved, so there is no Sharpe ratio" if still else ""


def _pair(a: Series, b: Series) -> tuple[np.ndarray, np.ndarray]:
    one, two = _clean(a, "first series"), _clean(b, "second series")
    if len(one) != len(two):
        raise ValueError(f"the first series has {len(one)} returns, the second {len(two)}: give the days both have")
    return one, two


def _table(returns: Mapping[str, Series]) -> tuple[list[str], np.ndarray]:
    columns = [_clean(values, name) for name, values in returns.items()]
    if len({len(column) for column in columns}) > 1:
        raise ValueError("the series differ in length: give the days all of them have")
    return list(returns), np.column_stack(columns) if columns else np.empty((0, 0))


def _clean(values: Series, name: str) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise NoData(f"The {name} has no usable number at position {int(bad[0])} (found {array[bad[0]]}): give the days both have.")
    return array
