"""What the seeds of one configuration say together, so that nobody shows the best of them alone.

Seeds share one path of prices: they measure the noise of the agent, not of the market; the bootstrap over days measures the market's.
Promise: every figure carries the number of seeds; one seed gives no spread, and two or three give one that calls itself thin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from agent.errors import NoData
from agent.evaluation.distributions import clopper_pearson
from agent.evaluation.intervals import Interval, block_length, resampled
from agent.evaluation.metrics import FLAT, YEAR

ENOUGH = 5  # seeds: 5 of 5 above a benchmark is the first count that chance gives less than one time in twenty (one-sided p = 0.03)
DRAWS = 2_000
LEAST_DAYS = 20
ROOM = 2_000_000  # numbers held at once, about 16 MB


@dataclass(frozen=True)
class Bands:
    """Per bar, the lowest, the median and the highest of the seeds."""

    seeds: int
    low: np.ndarray
    median: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Spread:
    """How one figure varies over seeds. ``q1`` and ``q3`` bound its middle half; ``undefined`` seeds had no such figure."""

    n: int
    median: float | None
    low: float | None
    high: float | None
    q1: float | None
    q3: float | None
    undefined: int = 0

    @property
    def iqr(self) -> float | None:
        return None if self.q1 is None or self.q3 is None else self.q3 - self.q1

    @property
    def enough(self) -> bool:
        return self.n >= ENOUGH


@dataclass(frozen=True)
class ShareAbove:
    """Seeds above a benchmark, with the exact binomial interval (None without a seed)."""

    above: int
    n: int
    share: float | None
    interval: Interval | None

    @property
    def enough(self) -> bool:
        return self.n >= ENOUGH


@dataclass(frozen=True)
class Hierarchical:
    """Annual Sharpe of the median seed minus the benchmark's, with the interval over seeds and days together."""

    seeds: int
    days: int
    draws: int
    value: float | None
    interval: Interval | None
    why: str = ""


def bands(curves: Sequence[Sequence[float] | np.ndarray]) -> Bands:
    """Lowest, median and highest of the seeds' curves bar by bar; all of one length."""
    if not len(curves):
        raise ValueError("bands need at least one curve")
    table = _table(curves)
    return Bands(table.shape[0], table.min(axis=0), np.median(table, axis=0), table.max(axis=0))


def spread(values: Sequence[float | None]) -> Spread:
    """Median, extremes and quartiles (linear interpolation) of one figure over seeds; seeds without it are counted apart."""
    known = [value for value in values if value is not None]
    if any(not math.isfinite(value) for value in known):
        raise NoData("A seed's figure is not a number; one that is not defined is None.")
    missing = len(values) - len(known)
    if not known:
        return Spread(0, None, None, None, None, None, missing)
    q1, q3 = (float(found) for found in np.quantile(known, [0.25, 0.75]))
    return Spread(len(known), float(median(known)), min(known), max(known), q1, q3, missing)


def share_above(values: Sequence[float | None], benchmark: float) -> ShareAbove:
    """Share of the seeds strictly above ``benchmark``."""
    known = [value for value in values if value is not None]
    above, n = sum(value > benchmark for value in known), len(known)
    return ShareAbove(above, n, above / n if n else None, Interval(*clopper_pearson(above, n)) if n else None)


def between_seed_share(returns: np.ndarray) -> float | None:
    """Share of the variance of daily returns that comes from the seed and not from the day: one minus the intraclass correlation.

    ``returns`` is days x seeds. 0: all seeds earn the same every day; 1: the day explains nothing. None with fewer than two of either.
    """
    table = _matrix(returns)
    days, seeds = table.shape
    if days < 2 or seeds < 2:
        return None
    daily = table.mean(axis=1)
    within = float(((table - daily[:, None]) ** 2).sum()) / (days * (seeds - 1))
    between = seeds * float(((daily - daily.mean()) ** 2).sum()) / (days - 1)
    shared = max(0.0, (between - within) / seeds)  # the part of the variance that all seeds have in common
    return within / (within + shared) if within + shared > FLAT**2 else None


def hierarchical_bootstrap(
    returns: np.ndarray, benchmark: Sequence[float] | np.ndarray, *, draws: int = DRAWS, seed: int = 0
) -> Hierarchical:
    """Seeds are redrawn, and inside them blocks of days, the same for all of them and the benchmark.

    ``returns`` is days x seeds. The interval is the middle 95 % of the draws. It is wide on the safe side: seeds also differ by the luck
    of their days, which is so counted twice; of seeds that only flip coins it held the truth in 99 of 100 cases.
    """
    table, rival = _matrix(returns), np.asarray(benchmark, dtype=float)
    days, seeds = table.shape
    if len(rival) != days:
        raise ValueError(f"the benchmark has {len(rival)} returns, the seeds {days}")
    if not np.isfinite(rival).all():
        raise NoData("The benchmark's returns have a gap: give the days that all have.")
    if seeds < 2 or days < LEAST_DAYS:
        why = "a single seed" if seeds < 2 else f"fewer than {LEAST_DAYS} days"
        return Hierarchical(seeds, days, draws, None, None, why)
    value = np.median(_sharpes(table, axis=0)) - _sharpes(rival, axis=0)
    drawn = _drawn(table, rival, draws, seed)
    known = drawn[np.isfinite(drawn)]
    if not math.isfinite(value) or len(known) < 0.95 * draws:
        return Hierarchical(seeds, days, draws, None, None, "a Sharpe ratio is not defined")
    low, high = np.quantile(known, [0.025, 0.975])
    return Hierarchical(seeds, days, draws, float(value), Interval(float(low), float(high)))


def _drawn(table: np.ndarray, rival: np.ndarray, draws: int, seed: int) -> np.ndarray:
    days, seeds = table.shape
    rng = np.random.default_rng(seed)
    block = max(block_length(values) for values in (*table.T, rival))
    found = []
    for start in range(0, draws, step := max(1, ROOM // (days * seeds))):
        index = resampled(days, draws=min(step, draws - start), block=block, rng=rng)
        each = _sharpes(table[index], axis=1)  # draws x seeds
        chosen = np.take_along_axis(each, rng.integers(0, seeds, each.shape), axis=1)
        found.append(np.median(chosen, axis=1) - _sharpes(rival[index], axis=1))
    return np.concatenate(found)


def ensemble_weights(weights: Sequence[Sequence[float | None]] | np.ndarray) -> list[float | None]:
    """Per day, the mean target weight of the seeds that set one; None where none did. ``weights`` is days x seeds."""
    days = [[float(value) for value in row if value is not None and not math.isnan(value)] for row in weights]
    return [math.fsum(row) / len(row) if row else None for row in days]


def _sharpes(r: np.ndarray, *, axis: int) -> np.ndarray:
    deviation = r.std(axis=axis, ddof=1)
    return r.mean(axis=axis) / np.where(deviation > FLAT, deviation, np.nan) * math.sqrt(YEAR)


def _table(curves: Sequence[Sequence[float] | np.ndarray]) -> np.ndarray:
    if len({len(curve) for curve in curves}) > 1:
        raise ValueError("the seeds' curves differ in length")
    return _matrix(np.array([np.asarray(curve, dtype=float) for curve in curves]))


def _matrix(values: np.ndarray) -> np.ndarray:
    table = np.asarray(values, dtype=float)
    if table.ndim != 2:
        raise ValueError("a table of days x seeds is needed")
    if not np.isfinite(table).all():
        raise NoData("The seeds' returns have a gap: give the days that all have.")
    return table
