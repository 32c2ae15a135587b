"""The few probability distributions that the tests need, in plain Python, so that no statistics library is loaded to show a page.

Promise: equal to scipy to 1e-9 over the range used here. Two-sided p-values are never 0: at least the smallest number above it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

_NORMAL = NormalDist()
_TINY = 1e-300


def normal_p(z: float) -> float:
    """Two-sided p-value of a standard normal statistic."""
    return math.erfc(abs(z) / math.sqrt(2))


def normal_quantile(p: float) -> float:
    return _NORMAL.inv_cdf(p)


def normal_cdf(z: float) -> float:
    return _NORMAL.cdf(z)


def student_p(t: float, freedom: float) -> float:
    """Two-sided p-value of Student's t with ``freedom`` degrees of freedom (need not be whole)."""
    return beta_cdf(freedom / (freedom + t * t), freedom / 2, 0.5)


@lru_cache(maxsize=1_000)
def student_quantile(p: float, freedom: float) -> float:
    """The value that t exceeds in absolute size with chance ``p``."""
    high = 2.0
    while student_p(high, freedom) > p:
        high *= 2
    return _root(lambda t: student_p(t, freedom) - p, 0.0, high)


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function (continued fraction of Lentz)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x > (a + 1) / (a + b + 2):
        return 1 - front * _fraction(1 - x, b, a) / b
    return front * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    above, below = 1.0, 1 - (a + b) * x / (a + 1)
    below = 1 / (below if abs(below) > _TINY else _TINY)
    value = below
    for m in range(1, 500):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            below = 1 + term * below
            below = 1 / (below if abs(below) > _TINY else _TINY)
            above = 1 + term / above
            above = above if abs(above) > _TINY else _TINY
            value *= below * above
        if abs(below * above - 1) < 1e-15:
            break
    return value


def binomial_p(hits: int, n: int) -> float:
    """Two-sided exact p-value of ``hits`` out of ``n`` fair coin flips."""
    if n < 1:
        return 1.0
    extreme = min(hits, n - hits)
    if 2 * extreme == n:
        return 1.0
    return min(1.0, 2 * beta_cdf(0.5, n - extreme, extreme + 1))  # P(X <= k) = I_(1/2)(n - k, k + 1)


@lru_cache(maxsize=1_000)
def clopper_pearson(hits: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share of ``n`` independent trials (Clopper and Pearson, 1934); 0 to 1 without a trial."""
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else _root(lambda p: beta_cdf(p, hits, n - hits + 1) - tail, 0.0, 1.0)
    high = 1.0 if hits == n else _root(lambda p: beta_cdf(p, hits + 1, n - hits) - (1 - tail), 0.0, 1.0)
    return low, high


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a monotone function crosses zero, by halving."""
    rising = function(high) > function(low)
    while high - low > 4e-16 * max(1.0, high):
        middle = (low + high) / 2
        if (function(middle) > 0) == rising:
            high = middle
        else:
            low = middle
    return (low + high) / 2
