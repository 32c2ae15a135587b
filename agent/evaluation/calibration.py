"""Does confidence mean anything? Of the decisions made with 70 % confidence, about 70 % should turn out right.

A decision is judged when its horizon has passed; one inside the cost band counts as neither and is left out. The Brier score is the mean of
(confidence - right)^2: 0 is perfect, and saying the overall share right every time (``base``) is what it must beat. The expected calibration
error is the mean distance between confidence and share right over the bins, weighted by their size; it is never zero by chance, so beside
it stands what a perfectly calibrated trader would show with as many decisions.

Promise: every bin has its n and Wilson's interval; few decisions are called few. Decisions whose horizons overlap share prices, so the
truth is less sure than the intervals say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.errors import NoData
from agent.evaluation.intervals import Interval, wilson

BINS = 10  # of equal width, 0 to 1
ENOUGH = 50  # decisions: below it even a perfectly calibrated trader misses by more than 10 points in most bins
ENOUGH_IN_BIN = 10
DRAWS = 2_000


@dataclass(frozen=True)
class Bin:
    """Decisions with a confidence in [low, high), the last bin closed."""

    low: float
    high: float
    n: int
    confidence: float
    right: int
    share: float
    interval: Interval

    @property
    def enough(self) -> bool:
        return self.n >= ENOUGH_IN_BIN


@dataclass(frozen=True)
class Calibration:
    """``bins`` that hold a decision, lowest first. ``error_by_chance`` is the median and the 95th percentile of the error of a perfectly
    calibrated trader. All figures None without a decision."""

    n: int
    bins: tuple[Bin, ...]
    confidence: float | None
    share: float | None
    interval: Interval | None
    brier: float | None
    base: float | None
    error: float | None
    error_by_chance: Interval | None

    @property
    def enough(self) -> bool:
        return self.n >= ENOUGH

    @property
    def says(self) -> str:
        """over, under, well, or unsure (too few, or within what chance gives)."""
        if self.error is None or self.error_by_chance is None or self.confidence is None or self.share is None or not self.enough:
            return "unsure"
        if self.error <= self.error_by_chance.high:
            return "well"
        return "over" if self.confidence > self.share else "under"


def calibrate(confidence: Sequence[float] | np.ndarray, right: Sequence[bool] | np.ndarray, *, seed: int = 0) -> Calibration:
    """How the confidence of judged decisions (0..1) met what happened."""
    said, hit = np.asarray(confidence, dtype=float), np.asarray(right, dtype=bool)
    if len(said) != len(hit):
        raise ValueError(f"{len(said)} confidences and {len(hit)} outcomes")
    if not np.isfinite(said).all() or (said < 0).any() or (said > 1).any():
        raise NoData("A confidence lies between 0 and 1; leave out decisions without one.")
    n = len(said)
    if not n:
        return Calibration(0, (), None, None, None, None, None, None, None)
    share = float(hit.mean())
    return Calibration(
        n=n,
        bins=_bins(said, hit),
        confidence=float(said.mean()),
        share=share,
        interval=wilson(int(hit.sum()), n),
        brier=float(((said - hit) ** 2).mean()),
        base=share * (1 - share),
        error=float(_errors(said, hit[None, :])[0]),
        error_by_chance=_by_chance(said, seed),
    )


def _place(said: np.ndarray) -> np.ndarray:
    """The bin of each confidence; 0.7 belongs to the bin that begins there, whatever 0.7 is in binary."""
    return np.minimum(np.floor(said * BINS + 1e-9).astype(int), BINS - 1)


def _bins(said: np.ndarray, hit: np.ndarray) -> tuple[Bin, ...]:
    found = []
    for place in np.unique(_place(said)):
        inside = _place(said) == place
        n, right = int(inside.sum()), int(hit[inside].sum())
        interval = wilson(right, n)
        assert interval is not None  # there is a decision in it
        found.append(Bin(int(place) / BINS, (int(place) + 1) / BINS, n, float(said[inside].mean()), right, right / n, interval))
    return tuple(found)


def _errors(said: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """The expected calibration error of each row of outcomes."""
    places = _place(said)
    total = np.zeros(len(hits))
    for place in np.unique(places):
        inside = places == place
        total += np.abs(hits[:, inside].sum(axis=1) - said[inside].sum())
    return total / len(said)


def _by_chance(said: np.ndarray, seed: int) -> Interval:
    rng = np.random.default_rng(seed)
    parts = [_errors(said, rng.random((DRAWS // 10, len(said))) < said) for _ in range(10)]
    middle, high = np.quantile(np.concatenate(parts), [0.5, 0.95])
    return Interval(float(middle), float(high))
