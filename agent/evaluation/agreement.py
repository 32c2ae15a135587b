"""Do several runs decide alike? Figures over a table of decisions, one row per day and one column per run.

Promise: a day counts only where at least two runs decided (kappa: where all did); an abstention (None) is no decision, never a hold.
Each figure carries the number of days behind it, and None with the reason where it is not defined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from agent.errors import NoData

DECISIONS = ("buy", "hold", "sell")

Table = Sequence[Sequence[str | None]] | np.ndarray


@dataclass(frozen=True)
class Rate:
    """A figure, the days behind it, and one value per day where it has one (None: too few decided). ``why``: why there is no figure."""

    value: float | None
    n: int
    by_day: tuple[float | None, ...] = field(default=(), repr=False)
    why: str = ""


def share_agreed(table: Table) -> Rate:
    """Share of days on which all that decided took the same decision."""
    counts = _counts(table)
    return _mean([None if total < 2 else float(most == total) for most, total in zip(counts.max(1, initial=0), counts.sum(1))])


def flip_rate(table: Table) -> Rate:
    """Share of days on which the runs differ. ``by_day``: the share of pairs of runs that differ on that day."""
    agreed = share_agreed(table)
    pairs = tuple(_differing(row) for row in _counts(table))
    return Rate(None if agreed.value is None else 1 - agreed.value, agreed.n, pairs, agreed.why)


def cohen_kappa(a: Sequence[str | None], b: Sequence[str | None]) -> Rate:
    """Agreement of two runs beyond what their habits alone would give (Cohen, 1960): 1 always, 0 as by chance, below 0 less."""
    if len(a) != len(b):
        raise ValueError(f"one run has {len(a)} decisions, the other {len(b)}")
    codes = _codes(list(zip(a, b)))
    both = codes[(codes >= 0).all(axis=1)] if len(codes) else codes
    n = len(both)
    if not n:
        return Rate(None, 0, why="no day on which both decided")
    seen = float((both[:, 0] == both[:, 1]).mean())
    habits = [np.bincount(both[:, run], minlength=len(DECISIONS)) / n for run in (0, 1)]
    return _beyond(seen, float(habits[0] @ habits[1]), n)


def fleiss_kappa(table: Table) -> Rate:
    """Agreement of any number of runs beyond chance (Fleiss, 1971), over the days on which all of them decided."""
    codes = _codes(table)
    if not len(codes) or codes.shape[1] < 2:
        return Rate(None, 0, why="fewer than two runs")
    runs = codes.shape[1]
    counts = _counts(table)
    counts = counts[counts.sum(axis=1) == runs]
    if not len(counts):
        return Rate(None, 0, why="no day on which all decided")
    seen = float(((counts * (counts - 1)).sum(axis=1) / (runs * (runs - 1))).mean())
    habit = counts.sum(axis=0) / counts.sum()
    return _beyond(seen, float(habit @ habit), len(counts))


def decision_entropy(table: Table) -> Rate:
    """Mean over days of how spread the runs' decisions are, in bits: 0 all alike, 1 two evenly split, 1.58 three."""
    return _mean([_entropy(row) for row in _counts(table)])


def weight_distance(weights: Sequence[Sequence[float | None]] | np.ndarray) -> Rate:
    """Mean absolute difference of the target weights of two runs, over all pairs and days; a fraction of equity. None: no target."""
    table = _numbers(weights)
    return _mean([_pair_distance(row[~np.isnan(row)]) for row in table])


# ------------------------------------------------------------------------------------------------------------------ working parts


def _codes(table: Table) -> np.ndarray:
    """Decisions as 0, 1, 2, an abstention as -1."""
    rows = [list(row) for row in table]
    if len({len(row) for row in rows}) > 1:
        raise ValueError("the days have decisions of different numbers of runs")
    known = {name: code for code, name in enumerate(DECISIONS)}
    found = np.full((len(rows), len(rows[0]) if rows else 0), -1)
    for day, row in enumerate(rows):
        for run, decision in enumerate(row):
            if decision is not None:
                if decision not in known:
                    raise ValueError(f"{decision!r} is no decision; they are {', '.join(DECISIONS)} and None")
                found[day, run] = known[decision]
    return found


def _counts(table: Table) -> np.ndarray:
    """Per day, how many runs took each decision."""
    codes = _codes(table)
    return np.stack([(codes == code).sum(axis=1) for code in range(len(DECISIONS))], axis=1) if len(codes) else np.zeros((0, 3), int)


def _differing(row: np.ndarray) -> float | None:
    runs = int(row.sum())
    return None if runs < 2 else 1 - float((row * (row - 1)).sum()) / (runs * (runs - 1))


def _entropy(row: np.ndarray) -> float | None:
    if row.sum() < 2:
        return None
    shares = row[row > 0] / row.sum()
    return abs(float((shares * np.log2(shares)).sum()))


def _pair_distance(weights: np.ndarray) -> float | None:
    k = len(weights)
    if k < 2:
        return None
    ordered = np.sort(weights)
    # of sorted numbers the sum over pairs of later minus earlier is a weighted sum
    return float((ordered * (2 * np.arange(k) - k + 1)).sum()) / (k * (k - 1) / 2)


def _beyond(seen: float, chance: float, n: int) -> Rate:
    if math.isclose(chance, 1.0, abs_tol=1e-12):
        return Rate(None, n, why="all took one and the same decision every day, so chance explains everything")
    return Rate((seen - chance) / (1 - chance), n)


def _mean(days: Sequence[float | None]) -> Rate:
    known = [value for value in days if value is not None]
    if not known:
        return Rate(None, 0, tuple(days), "no day on which two of them decided")
    return Rate(math.fsum(known) / len(known), len(known), tuple(days))


def _numbers(weights: Sequence[Sequence[float | None]] | np.ndarray) -> np.ndarray:
    rows = [[math.nan if value is None else float(value) for value in row] for row in weights]
    if len({len(row) for row in rows}) > 1:
        raise ValueError("the days have weights of different numbers of runs")
    table = np.array(rows, dtype=float) if rows else np.empty((0, 0))
    if np.isinf(table).any():
        raise NoData("A target weight is infinite.")
    return table
