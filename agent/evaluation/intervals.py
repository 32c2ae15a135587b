"""How far a figure may be off by chance: 95 % intervals that the days themselves support.

Daily returns are redrawn in blocks of random length (the stationary bootstrap of Politis and Romano, 1994), so that calm and wild
stretches stay together; the mean length of a block follows Politis and White (2004, corrected by Patton, Politis and White, 2009).
Agent and benchmark are redrawn with the same days, which makes the interval of their difference a paired one. Shares of independent
trials get Wilson's interval.

Figures of the spread of returns (volatility, value at risk, beta) hang on how long calm and wild stretches and single positions last,
which a few months show only a few times. Their blocks are longer, and their intervals are symmetric about the figure, as wide as the
wider side of the draws and stretched as Student's t with few degrees of freedom asks for: plain percentiles held the truth in 65 to 85
of 100 cases (``bench/calibration.py``). Where variance itself wanders for months no year of days can know its long-run level; there they
still hold it in 59 to 89 of 100.

Promise: the same returns, seed and number of draws give the same interval on every machine; too few days give a reason, not a number.
An interval speaks of the luck of the days drawn. It knows nothing of the market changing, nor of how often a model was tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from agent.evaluation.distributions import student_quantile
from agent.evaluation.metrics import FLAT, METRICS, YEAR

DRAWS = 10_000
LEVEL = 0.95
ENOUGH = 60  # returns, about a quarter: below it the percentiles of so few days are too narrow to be called 95 %
ENOUGH_FOR_TAILS = 100  # the worst 5 % of fewer days are fewer than five days
TAILS = ("var_95_hist", "cvar_95_hist")
SLOW = 1.3  # days of a block per root of the number of days, for figures of spread (Lazarus and others, 2018)
ROOM = 2_000_000  # numbers held at once, about 16 MB


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """Intervals by metric. ``differences`` are agent minus benchmark; ``not_better`` is the share of draws in which the agent was not better."""

    returns: int
    draws: int
    block: float
    seed: int
    run: Mapping[str, Interval]
    benchmark: Mapping[str, Interval]
    differences: Mapping[str, Interval]
    not_better: Mapping[str, float]
    missing: Mapping[str, str]  # metric -> why there is none


def wilson(hits: int, n: int, *, level: float = LEVEL) -> Interval | None:
    """The interval of a share of ``n`` independent trials (Wilson, 1927); None without a trial."""
    if n < 1:
        return None
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share, spread = hits / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    reach = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return Interval(max(0.0, middle - reach), min(1.0, middle + reach))


def bootstrap(
    r: np.ndarray, other: np.ndarray | None = None, *, draws: int = DRAWS, seed: int = 0, block: float | None = None, year: int = YEAR
) -> Intervals:
    """Intervals of the return and risk figures of ``r``, of ``other`` (the benchmark's returns, same days) and of their difference.

    ``block`` is the mean length of a block in days; None lets the data say. Risk-free rate 0, as in ``evaluate``.
    """
    series = [np.asarray(r, dtype=float)] + ([np.asarray(other, dtype=float)] if other is not None else [])
    n = len(series[0])
    if any(len(values) != n for values in series):
        raise ValueError(f"the benchmark has {len(series[-1])} returns, the run {n}")
    if n < ENOUGH or any((values <= -1).any() for values in series):
        why = f"fewer than {ENOUGH} days" if n < ENOUGH else "everything was lost"
        return Intervals(n, draws, block or 1.0, seed, {}, {}, {}, {}, dict.fromkeys((*SINGLE, *PAIRED), why))
    length = block or max(block_length(values) for values in [*series, *([series[0] - series[1]] if len(series) == 2 else [])])
    slow = block or max(length, SLOW * math.sqrt(n))
    mine, theirs = _redrawn(series, draws, length, seed, year, _paths)
    wide, widely = _redrawn(series, draws, slow, seed, year, _spreads)
    known = _redrawn(series, 1, math.inf, seed, year, _spreads)  # one block of all days: the figures themselves
    found = _collected(mine | wide, theirs | widely, n=n, draws=draws, block=length, seed=seed)
    return _widened(found, known, stretch=_stretch(n, slow))


def block_length(r: np.ndarray) -> float:
    """The mean block length, in days and at least 1, that suits the stationary bootstrap of the mean of ``r``."""
    n = len(r)
    if n < 4 or np.std(r) < FLAT:
        return 1.0
    quiet = max(5, math.ceil(math.sqrt(math.log10(n))))
    most = min(n - 1, math.ceil(math.sqrt(n)) + quiet)
    centred = r - r.mean()
    covariance = np.array([centred[lag:] @ centred[: n - lag] / n for lag in range(most + 1)])
    loud = np.abs(covariance[1:] / covariance[0]) >= 2 * math.sqrt(math.log10(n) / n)
    last = _quiet_from(loud, quiet)
    width = min(2 * max(last, 1), most)
    lags = np.arange(1, width + 1)
    taper = np.minimum(1.0, 2 * (1 - lags / width))  # flat up to half the width, then straight down to 0
    weighted = taper * covariance[1 : width + 1]
    bend, spectrum = 2 * float((weighted * lags).sum()), float(covariance[0] + 2 * weighted.sum())
    if abs(spectrum) < FLAT * covariance[0]:
        return 1.0
    found = (bend**2 / spectrum**2) ** (1 / 3) * n ** (1 / 3)
    return float(min(max(1.0, found), math.ceil(min(3 * math.sqrt(n), n / 3))))


def _quiet_from(loud: np.ndarray, quiet: int) -> int:
    """The lag after which ``quiet`` lags in a row are within noise; the last loud one where that never happens."""
    for lag in range(len(loud) - quiet + 1):
        if not loud[lag : lag + quiet].any():
            return lag
    found = np.flatnonzero(loud)
    return int(found[-1]) + 1 if len(found) else 0


def resampled(n: int, *, draws: int, block: float, rng: np.random.Generator) -> np.ndarray:
    """Positions 0..n-1, ``draws`` rows of ``n``: blocks that start anywhere, wrap round, and end after each day with chance 1/block."""
    day = np.arange(n, dtype=np.int32)
    begins = rng.random((draws, n), dtype=np.float32) < 1 / block
    begins[:, 0] = True
    began = np.maximum.accumulate(np.where(begins, day, 0), axis=1)
    start = rng.integers(0, n, (draws, n), dtype=np.int32)
    return (np.take_along_axis(start, began, axis=1) + day - began) % n


# ------------------------------------------------------------------------------------------------------------- the figures

# where an interval of the days is sound; the rest is counted, not estimated, or too fragile (moments, longest stay under water)
SINGLE = (
    *("cum_return", "log_return", "annual_return", "annual_volatility", "sharpe", "sortino", "max_drawdown", "calmar"),
    *("var_95_hist", "cvar_95_hist", "var_95_gauss", "win_rate_days", "profit_factor_days"),
)
PAIRED = ("beta", "alpha_annual", "information_ratio")


Figures = Callable[[list[np.ndarray], int], tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]


def _redrawn(
    series: list[np.ndarray], draws: int, block: float, seed: int, year: int, figures: Figures
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Every figure of every draw, for the run and (with the paired ones under the run) for the benchmark."""
    n, rng = len(series[0]), np.random.default_rng(seed)
    parts: list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]] = []
    for start in range(0, draws, max(1, ROOM // n)):
        index = resampled(n, draws=min(draws - start, max(1, ROOM // n)), block=block, rng=rng)
        parts.append(figures([values[index] for values in series], year))
    return tuple({key: np.concatenate([part[which][key] for part in parts]) for key in parts[0][which]} for which in (0, 1))  # type: ignore[return-value]


def _paths(drawn: list[np.ndarray], year: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    mine = _growth(drawn[0], year)
    return (mine | _above(drawn[0], drawn[1], year), _growth(drawn[1], year)) if len(drawn) == 2 else (mine, {})


def _spreads(drawn: list[np.ndarray], year: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    mine = _spread(drawn[0], year)
    return (mine | {"beta": _slope(drawn[0], drawn[1])}, _spread(drawn[1], year)) if len(drawn) == 2 else (mine, {})


def _growth(r: np.ndarray, year: int) -> dict[str, np.ndarray]:
    """The figures of ``agent.evaluation.metrics`` for each row; NaN where one is not defined."""
    n, root = r.shape[1], math.sqrt(year)
    path = np.cumsum(np.log1p(r), axis=1)
    peak = np.maximum(np.maximum.accumulate(path, axis=1), 0.0)  # bar 0, before the first return, is a peak too
    log, depth = path[:, -1], np.expm1((path - peak).min(axis=1))
    mean, deviation = r.mean(axis=1), r.std(axis=1, ddof=1)
    losses = np.minimum(r, 0.0)
    downside = np.sqrt((losses**2).mean(axis=1))
    annual = np.expm1(log * year / n)
    lost, moved = -losses.sum(axis=1), (r != 0).sum(axis=1)
    return {
        "cum_return": np.expm1(log),
        "log_return": log,
        "annual_return": annual,
        "sharpe": _over(mean, deviation) * root,
        "sortino": _over(mean, downside) * root,
        "max_drawdown": depth,
        "calmar": _over(annual, -depth),
        "win_rate_days": _over((r > 0).sum(axis=1).astype(float), moved.astype(float)),
        "profit_factor_days": _over(np.maximum(r, 0.0).sum(axis=1), lost),
    }


def _spread(r: np.ndarray, year: int) -> dict[str, np.ndarray]:
    deviation = r.std(axis=1, ddof=1)
    quantile, tail = _tails(r)
    return {
        "annual_volatility": deviation * math.sqrt(year),
        "var_95_hist": quantile,
        "cvar_95_hist": tail,
        "var_95_gauss": r.mean(axis=1) + deviation * NormalDist().inv_cdf(0.05),
    }


def _tails(r: np.ndarray, *, level: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Each row's quantile (linear interpolation) and the mean of what lies at or below it."""
    at = level * (r.shape[1] - 1)
    low = int(at)
    ordered = np.partition(r, (low, min(low + 1, r.shape[1] - 1)), axis=1)
    below, above = ordered[:, low], ordered[:, min(low + 1, r.shape[1] - 1)]
    quantile = below + (at - low) * (above - below)
    tail = r <= quantile[:, None]
    return quantile, np.where(tail, r, 0.0).sum(axis=1) / np.maximum(1, tail.sum(axis=1))


def _slope(r: np.ndarray, other: np.ndarray) -> np.ndarray:
    centred = other - other.mean(axis=1, keepdims=True)
    return _over((centred * r).sum(axis=1), (centred**2).sum(axis=1), least=FLAT**2)


def _above(r: np.ndarray, other: np.ndarray, year: int) -> dict[str, np.ndarray]:
    more = r - other
    return {
        "alpha_annual": (r.mean(axis=1) - _slope(r, other) * other.mean(axis=1)) * year,
        "information_ratio": _over(more.mean(axis=1), more.std(axis=1, ddof=1)) * math.sqrt(year),
    }


def _over(top: np.ndarray, bottom: np.ndarray, *, least: float = FLAT) -> np.ndarray:
    small = bottom < least
    return np.where(small, np.nan, top / np.where(small, 1.0, bottom))


# ----------------------------------------------------------------------------------------------------------- what is shown


def _collected(
    mine: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray], *, n: int, draws: int, block: float, seed: int
) -> Intervals:
    run, benchmark, differences, not_better, missing = {}, {}, {}, {}, {}
    for key, values in mine.items():
        if key in TAILS and n < ENOUGH_FOR_TAILS:
            missing[key] = f"fewer than {ENOUGH_FOR_TAILS} days"
            continue
        if (found := _percentiles(values)) is None:
            missing[key] = "not defined in most draws"
            continue
        run[key] = found
        if key in theirs and (rival := _percentiles(theirs[key])) is not None:
            benchmark[key] = rival
            gap = values - theirs[key]
            if (between := _percentiles(gap)) is not None:
                differences[key] = between
                not_better[key] = _not_better(key, gap)
    return Intervals(n, draws, block, seed, run, benchmark, differences, not_better, missing)


def _percentiles(values: np.ndarray, *, level: float = LEVEL) -> Interval | None:
    known = values[np.isfinite(values)]
    if len(known) < 0.95 * len(values):
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _not_better(key: str, gap: np.ndarray) -> float:
    known = gap[np.isfinite(gap)]
    worse = known >= 0 if METRICS[key].better == "low" else known <= 0
    return float(worse.mean())


def _stretch(n: int, block: float) -> float:
    """How much wider than the draws an interval must be that rests on ``n / block`` stretches of days: fixed-bandwidth theory in short."""
    stretches = n / block
    return student_quantile(1 - LEVEL, 1.5 * stretches) / NormalDist().inv_cdf(0.5 + LEVEL / 2) / math.sqrt(max(0.25, 1 - 1 / stretches))


def _widened(found: Intervals, known: tuple[Mapping[str, np.ndarray], ...], *, stretch: float) -> Intervals:
    """The intervals of the figures of spread made symmetric about the figure and stretched; the others as they are."""
    changed: list[dict[str, Interval]] = []
    for held, values in zip((found.run, found.benchmark), known):
        changed.append({key: _about(float(values[key][0]), held[key], stretch, key) if key in values else held[key] for key in held})
    gaps = {key: known[0][key] - known[1][key] for key in known[1]}
    between = {
        key: _about(float(gaps[key][0]), interval, stretch, "") if key in gaps else interval for key, interval in found.differences.items()
    }
    return replace(found, run=changed[0], benchmark=changed[1], differences=between)


def _about(figure: float, drawn: Interval, stretch: float, key: str) -> Interval:
    """As wide on both sides as the draws on the wider one; a volatility in ratios, because it cannot fall below zero."""
    if key == "annual_volatility":
        if figure <= 0 or drawn.low <= 0:
            return drawn
        ratio = max(figure / drawn.low, drawn.high / figure) ** stretch
        return Interval(figure / ratio, figure * ratio)
    reach = max(figure - drawn.low, drawn.high - figure, 0.0) * stretch
    return Interval(figure - reach, figure + reach)
