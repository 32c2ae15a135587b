"""How much of a Sharpe ratio is timing, and how much would have come to anybody who traded as often: random traders matched to the run.

A random trader makes the run's own moves at moments of its own: it holds the same weights for the same number of sessions each, in as
many stretches, but which stretch comes when, and how long each lasts, is drawn by lot. Sequences are drawn until the sum of the changes
of weight, which is what turnover and costs hang on, is within two percent of the run's. What such a crowd earns on the same prices is
what the market, the exposure and the costs gave; the rest may be skill, or luck.

Promise: the same orders and seed give the same crowd on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agent.evaluation.intervals import Interval, wilson

TRADERS = 1_000
NEAR = 0.02  # of the run's sum of weight changes
SWAPS, TRIES = 4, 16  # rounds per stretch, at most, until a sequence is near; swaps looked at in a round, of which the best is made
SAME = 1e-9  # weights closer than this are one level


@dataclass(frozen=True)
class Stretches:
    """A run's orders as stretches of one weight: ``weights`` in order, ``sessions`` each lasts, ``repeated`` orders within it for the same weight."""

    weights: np.ndarray
    sessions: np.ndarray
    repeated: np.ndarray


def stretches(orders: np.ndarray) -> Stretches:
    """The stretches of one ticker's orders (T: the weight ordered at close t, NaN for none); the first one is flat until the first order."""
    found: list[list[float]] = [[0.0, 0, 0]]
    for weight in orders:
        if not np.isnan(weight):
            if abs(weight - found[-1][0]) > SAME:
                found.append([float(weight), 0, 0])
            elif found[-1][1]:
                found[-1][2] += 1
        found[-1][1] += 1
    kept = np.array([row for row in found if row[1]] or [[0.0, 0, 0]])
    return Stretches(kept[:, 0], kept[:, 1].astype(int), kept[:, 2].astype(int))


def crowd(orders: np.ndarray, *, traders: int = TRADERS, seed: int = 0, stream: int = 0) -> np.ndarray:
    """Orders of ``traders`` random traders matched to ``orders`` of one ticker: T x traders, NaN for no order. ``stream`` sets tickers apart.

    A run that never changes its weight gives a crowd that does what it did: there is no timing to draw by lot.
    """
    mine, rng = stretches(np.asarray(orders, dtype=float)), np.random.default_rng([seed, stream])
    sequence = _sequences(mine.weights, traders, rng)
    weights = mine.weights[sequence]
    lengths = _lengths(mine, sequence, rng)
    begins = np.cumsum(lengths, axis=1) - lengths
    out = np.full((len(orders), traders), np.nan)
    out[begins, np.arange(traders)[:, None]] = weights
    return _repeats(out, mine, weights, rng)


def _sequences(weights: np.ndarray, traders: int, rng: np.random.Generator) -> np.ndarray:
    """For each trader an order of the stretches whose changes of weight add up to the run's: random ones, mended by random swaps.

    A swap is made where it brings the sum nearer. Who is not near in the end keeps the run's own sequence; between two weights, which can
    only alternate, everybody does.
    """
    count = len(weights)
    own = np.arange(count)
    wanted = float(np.abs(np.diff(weights, prepend=0.0)).sum())
    if len(np.unique(np.round(weights / SAME))) < 3:
        return np.tile(own, (traders, 1))
    found = rng.permuted(np.tile(own, (traders, 1)), axis=1)
    path = np.zeros((traders, count + 1))  # a leading zero: every trader begins flat
    path[:, 1:] = weights[found]
    gap = np.abs(np.diff(path, axis=1)).sum(axis=1) - wanted
    for _ in range(SWAPS * count):
        who = np.flatnonzero(np.abs(gap) > NEAR * wanted)
        if not len(who):
            break
        a, b = np.sort(rng.integers(1, count + 1, (2, len(who), TRIES)), axis=0)
        change = _swapped(path, who[:, None], a, b)
        best = np.abs(gap[who, None] + change).argmin(axis=1)
        a, b, change = (np.take_along_axis(values, best[:, None], axis=1)[:, 0] for values in (a, b, change))
        better = np.abs(gap[who] + change) < np.abs(gap[who])
        who, a, b = who[better], a[better], b[better]
        gap[who] += change[better]
        for table, first, second in ((path, a, b), (found, a - 1, b - 1)):
            table[who, first], table[who, second] = table[who, second], table[who, first]
    found[np.abs(gap) > NEAR * wanted] = own
    return found


def _swapped(path: np.ndarray, who: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """By how much the sum of changes grows where the stretches at a <= b change places; the last one has no neighbour to the right."""
    last = path.shape[1] - 1
    at_a, at_b, left, right = path[who, a], path[who, b], path[who, a - 1], path[who, np.minimum(b + 1, last)]
    after_a, before_b = path[who, np.minimum(a + 1, last)], path[who, b - 1]
    apart, ends = b - a > 1, b == last
    inner = np.where(apart, np.abs(after_a - at_b) - np.abs(after_a - at_a) + np.abs(before_b - at_a) - np.abs(before_b - at_b), 0.0)
    outer = np.where(ends, 0.0, np.abs(right - at_a) - np.abs(right - at_b))
    return np.where(a == b, 0.0, np.abs(left - at_b) - np.abs(left - at_a) + inner + outer)


def _lengths(mine: Stretches, sequence: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How long each stretch lasts: the sessions of a weight are cut anew into as many stretches, every cut equally likely."""
    lengths = mine.sessions[sequence]  # of a weight that comes once there is nothing to cut
    level = np.round(mine.weights / SAME)
    values, often = np.unique(level, return_counts=True)
    for value in values[often > 1]:
        members = np.flatnonzero(level == value)
        drawn = _cut(int(mine.sessions[members].sum()), len(members), len(sequence), rng)
        place = np.zeros(len(mine.weights), dtype=int)
        place[members] = np.arange(len(members))
        mask = level[sequence] == value
        rows = np.nonzero(mask)[0]
        lengths[mask] = drawn[rows, place[sequence[mask]]]
    return lengths


def _cut(total: int, parts: int, traders: int, rng: np.random.Generator) -> np.ndarray:
    """``total`` sessions in ``parts`` parts of at least one, once per trader, every composition equally likely."""
    cuts = np.sort(np.argsort(rng.random((traders, total - 1)), axis=1)[:, : parts - 1] + 1, axis=1)
    edges = np.concatenate([np.zeros((traders, 1), int), cuts, np.full((traders, 1), total)], axis=1)
    return np.diff(edges, axis=1)


def _repeats(out: np.ndarray, mine: Stretches, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Orders for the weight already ordered, which trade only what the price has moved: as often as the run, by lot."""
    if not mine.repeated.any():
        return out
    level = np.round(mine.weights / SAME)
    levels, member = np.unique(level, return_inverse=True)
    quiet = np.bincount(member, mine.sessions - 1)
    chance = np.bincount(member, mine.repeated) / np.maximum(quiet, 1)
    stretch = np.cumsum(~np.isnan(out), axis=0) - 1
    held = np.take_along_axis(weights.T, stretch, axis=0)
    again = np.isnan(out) & (rng.random(out.shape) < chance[np.searchsorted(levels, np.round(held / SAME))])
    return np.where(again, held, out)


# ---------------------------------------------------------------------------------------------------------------- the place in it


@dataclass(frozen=True)
class Place:
    """Where a figure stands in a crowd: ``share`` of those with a figure that have a lower one (equal ones count half), with the interval
    that drawing only so many leaves. ``distinct`` is how many different figures the crowd has."""

    share: float | None
    interval: Interval | None
    traders: int
    distinct: int


FEW = 50  # different figures: below it a place among them says more about the handful of ways to draw than about the run


def place(own: float | None, figures: np.ndarray) -> Place:
    """``own`` among ``figures`` (NaN: not defined); no share where ``own`` is not defined or the crowd is hardly one."""
    known = figures[np.isfinite(figures)]
    distinct = len(np.unique(np.round(known, 9)))
    if own is None or distinct < FEW:
        return Place(None, None, len(known), distinct)
    below = float((known < own - SAME).sum() + (np.abs(known - own) <= SAME).sum() / 2)
    return Place(below / len(known), wilson(round(below), len(known)), len(known), distinct)


def sharpes(equity: np.ndarray, *, year: int = 252) -> np.ndarray:
    """The annual Sharpe of each column of ``equity``, as the metrics define it; NaN where it is not defined."""
    if len(equity) < 3:
        return np.full(equity.shape[1], np.nan)
    alive = (equity[:-1] > 0).all(axis=0)
    r = equity[1:] / np.where(alive, equity[:-1], 1.0) - 1
    deviation = r.std(axis=0, ddof=1)
    sound = alive & (deviation >= 1e-12)
    return np.where(sound, r.mean(axis=0) / np.where(sound, deviation, 1.0) * np.sqrt(year), np.nan)
