"""Figures over a moving window, returns by calendar month, and falls from a peak: the shape behind one number for the whole run.

Promise: a window that is not full gives NaN, never a figure of fewer days; months compound to the return of the whole curve; falls do
not overlap. Equity is money per session, bar 0 included, so ``n + 1`` values hold ``n`` returns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from agent.evaluation.metrics import FLAT, YEAR, drawdowns, returns

WINDOWS = (21, 63, 126, 252)  # sessions: about a month, a quarter, half a year, a year


def rolling(equity: np.ndarray, benchmark: np.ndarray, *, window: int, year: int = YEAR) -> dict[str, np.ndarray]:
    """Return, volatility, Sharpe and beta over the last ``window`` returns, one value per bar.

    Keys: return, volatility, sharpe (each also as ``benchmark_*``) and beta. Return is a fraction over the window, not a year's;
    volatility and Sharpe are annual. NaN before the window is full and where a figure is not defined.
    """
    if window < 2:
        raise ValueError(f"a window of {window} sessions has no volatility")
    found: dict[str, np.ndarray] = {}
    for prefix, curve in (("", equity), ("benchmark_", benchmark)):
        found |= {f"{prefix}{name}": values for name, values in _one(np.asarray(curve, dtype=float), window, year).items()}
    found["beta"] = _beta(np.asarray(equity, dtype=float), np.asarray(benchmark, dtype=float), window)
    return found


def _one(curve: np.ndarray, window: int, year: int) -> dict[str, np.ndarray]:
    gain, volatility, ratio = (np.full(len(curve), np.nan) for _ in range(3))
    r = returns(curve)
    if len(r) >= window:
        parts = np.lib.stride_tricks.sliding_window_view(r, window)
        deviation = parts.std(axis=1, ddof=1)
        gain[window:] = curve[window:] / curve[:-window] - 1
        volatility[window:] = deviation * math.sqrt(year)
        flat = deviation < FLAT
        ratio[window:] = np.where(flat, np.nan, parts.mean(axis=1) / np.where(flat, 1.0, deviation) * math.sqrt(year))
    return {"return": gain, "volatility": volatility, "sharpe": ratio}


def _beta(equity: np.ndarray, benchmark: np.ndarray, window: int) -> np.ndarray:
    slope = np.full(len(equity), np.nan)
    r, other = returns(equity), returns(benchmark)
    if len(r) == len(other) >= window:
        mine, theirs = (np.lib.stride_tricks.sliding_window_view(values, window) for values in (r, other))
        mine, theirs = mine - mine.mean(axis=1, keepdims=True), theirs - theirs.mean(axis=1, keepdims=True)
        spread = (theirs**2).sum(axis=1)
        still = spread < FLAT**2 * window
        slope[window:] = np.where(still, np.nan, (mine * theirs).sum(axis=1) / np.where(still, 1.0, spread))
    return slope


@dataclass(frozen=True)
class Month:
    """Returns of one calendar month, fractions. The first month starts at bar 0, where nothing had been traded yet."""

    year: int
    month: int
    equity: float
    benchmark: float
    sessions: int
    first: date
    last: date

    @property
    def difference(self) -> float:
        return self.equity - self.benchmark


def months(days: Sequence[date], equity: np.ndarray, benchmark: np.ndarray) -> list[Month]:
    """The months of two curves in order: last value of the month over last value of the month before (bar 0 for the first)."""
    found: list[Month] = []
    start = 0
    while start < len(days):
        end = start
        while end + 1 < len(days) and (days[end + 1].year, days[end + 1].month) == (days[start].year, days[start].month):
            end += 1
        base = max(0, start - 1)
        gains = [float(curve[end] / curve[base] - 1) if curve[base] > 0 else math.nan for curve in (equity, benchmark)]
        found.append(Month(days[start].year, days[start].month, gains[0], gains[1], end - start + 1, days[start], days[end]))
        start = end + 1
    return found


@dataclass(frozen=True)
class Fall:
    """One stay below an earlier peak, as positions: last bar at the peak, first bar at the lowest value, first bar back (None: not yet)."""

    peak: int
    trough: int
    recovery: int | None
    depth: float  # a negative fraction


def falls(equity: Sequence[float] | np.ndarray, *, most: int = 5) -> list[Fall]:
    """The deepest falls, deepest first. The first of them is the max drawdown."""
    curve = np.asarray(equity, dtype=float)
    depth = drawdowns(curve)
    found: list[Fall] = []
    bar = 0
    while bar < len(curve):
        if depth[bar] >= 0:
            bar += 1
            continue
        peak = bar - 1
        after = np.flatnonzero(depth[bar:] >= 0)
        recovery = bar + int(after[0]) if len(after) else None
        inside = depth[bar : recovery if recovery is not None else len(curve)]
        found.append(Fall(peak, bar + int(inside.argmin()), recovery, float(inside.min())))
        bar = recovery if recovery is not None else len(curve)
    return sorted(found, key=lambda fall: (fall.depth, fall.peak))[:most]
