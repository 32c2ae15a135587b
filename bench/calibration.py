"""Do the tests keep their 5 %, and do the intervals hold the truth as often as they say?  ``python -m bench.calibration``

Worlds in which nothing is better than anything: random traders who hold or do not hold, with the persistence of a real run and its
costs, on the returns of the demo market redrawn in blocks ("demo") and on a market with fat tails whose calm and wild weeks hang
together ("wild": GARCH with Student's t, 4 degrees of freedom). Every claim of ``agent.evaluation`` is then counted over many such
worlds. Wanted: tests reject 3.5 to 6.5 % of the time at 5 %, intervals of 95 % hold the truth in 90 to 98 %, and the deflated Sharpe of the best
of 100 random traders is unremarkable. FinMem's own Wilcoxon is counted too. Not speed but truth; the same seed prints the same table.
Two to three minutes of one processor.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from agent.evaluation import significance
from agent.evaluation.distributions import binomial_p, clopper_pearson
from agent.evaluation.intervals import Interval, bootstrap, resampled, wilson
from agent.evaluation.metrics import evaluate, psr, sharpe_se
from agent.evaluation.seeds import hierarchical_bootstrap

YEAR = 252
COST = 0.0003  # slippage and commission on what is traded
SWITCH = 0.1  # chance of changing sides on a day: a position lasts two weeks
SIZE, COVERED = (0.035, 0.065), (0.90, 0.98)
SAFE, WIDE = (0.02, 0.065), (0.90, 1.0)  # where erring on the safe side is accepted, and said in the words beside the figure

FEW = 99  # draws where only the p-value is asked for: 5 % lies exactly on a draw, and fewer draws make a test blunter, not wrong

World = Callable[[int, int, np.random.Generator], np.ndarray]  # repetitions, days, chance -> returns, one row per repetition


@dataclass(frozen=True)
class Row:
    """One count: how often something happened in ``n`` repetitions, and between which shares it should. ``wanted`` None: only told."""

    what: str
    world: str
    days: int
    share: float
    n: int
    wanted: tuple[float, float] | None

    @property
    def good(self) -> bool:
        return self.wanted is None or self.wanted[0] <= self.share <= self.wanted[1]


# ------------------------------------------------------------------------------------------------------------------- worlds


def demo_pool() -> np.ndarray:
    """Daily returns of the four companies of the demo market, splits taken out."""
    from agent.market.sources.demo import DemoSource

    source, found = DemoSource(), []
    for listing in source.listings():
        bars = source.fetch("bars", listing.ticker, listing.first, listing.last)
        splits = source.fetch("splits", listing.ticker, listing.first, listing.last)
        ratio = dict(zip(splits.frame["ex_date"], splits.frame["ratio"]))
        close, day = bars.frame["close"].to_numpy(), list(bars.frame["date"])
        found.append([close[i] * ratio.get(day[i], 1.0) / close[i - 1] - 1 for i in range(1, len(close))])
    return np.array(found)


def demo_world(pool: np.ndarray) -> World:
    def draw(repetitions: int, days: int, rng: np.random.Generator) -> np.ndarray:
        index = resampled(pool.shape[1], draws=repetitions, block=20.0, rng=rng)[:, :days]
        return pool[rng.integers(0, len(pool), repetitions)[:, None], index]

    return draw


def wild_world(drift: float = 0.0003) -> World:
    def draw(repetitions: int, days: int, rng: np.random.Generator) -> np.ndarray:
        shocks = rng.standard_t(4, (repetitions, days + 100)) / math.sqrt(2)  # of variance 1
        variance, r = np.full(repetitions, 0.015**2), np.zeros((repetitions, days + 100))
        for day in range(days + 100):
            r[:, day] = np.clip(np.sqrt(variance) * shocks[:, day], -0.5, 0.5)
            variance = 0.02 * 0.015**2 + 0.08 * r[:, day] ** 2 + 0.90 * variance
        return drift + r[:, 100:]

    return draw


def positions(repetitions: int, days: int, rng: np.random.Generator) -> np.ndarray:
    """Held or not (1 or 0) on each day, switching sides with chance ``SWITCH``."""
    start = rng.integers(0, 2, (repetitions, 1))
    return (start + np.cumsum(rng.random((repetitions, days)) < SWITCH, axis=1)) % 2


def trade(held: np.ndarray, market: np.ndarray) -> np.ndarray:
    """Returns after costs of positions that were taken before the day's move."""
    moved = np.abs(np.diff(held, axis=-1, prepend=0))
    return held * market - COST * moved


# ------------------------------------------------------------------------------------------------------------- what is counted


def sizes(name: str, world: World, days: int, repetitions: int, draws: int, seed: int) -> list[Row]:
    """How often each test calls two random traders different."""
    rng = np.random.default_rng(seed)
    market = world(repetitions, days, rng)
    hold_a, hold_b = positions(repetitions, days, rng), positions(repetitions, days, rng)
    a, b = trade(hold_a, market), trade(hold_b, market)
    paid = np.sign((hold_a - hold_b) * market)
    counted: dict[str, int] = {}
    for i in range(repetitions):
        signs = (int((paid[i] > 0).sum()), int((paid[i] < 0).sum()))
        for test in significance.paired_tests(a[i], b[i], sign=signs, finmem=True, draws=draws, seed=i):
            counted[test.name] = counted.get(test.name, 0) + (test.p is not None and test.p <= 0.05)
    wanted = {"wilcoxon_finmem": None, "sign_test": (0.0, SIZE[1])}  # an exact test of a count stays below its 5 %
    return [Row(f"rejects: {key}", name, days, hits / repetitions, repetitions, wanted.get(key, SIZE)) for key, hits in counted.items()]


def against_holding(name: str, world: World, days: int, repetitions: int, draws: int, seed: int) -> list[Row]:
    """A random trader without costs against buy and hold where the market does not drift: both earn nothing, at different risk."""
    rng = np.random.default_rng(seed)
    market = world(repetitions, days, rng)
    a = positions(repetitions, days, rng) * market
    sharpe = sum(significance.sharpe_difference(a[i], market[i], draws=draws, seed=i).p <= 0.05 for i in range(repetitions))
    mean = sum(significance.mean_difference(a[i], market[i]).p <= 0.05 for i in range(repetitions))
    return [
        Row("rejects: sharpe_difference, trader against holding", name, days, sharpe / repetitions, repetitions, SAFE),
        Row("rejects: mean_difference, trader against holding", name, days, mean / repetitions, repetitions, SAFE),
    ]


def many(name: str, world: World, days: int, repetitions: int, draws: int, seed: int, arms: int = 6) -> list[Row]:
    """Several random traders at once: the confidence set should keep all of them in nine worlds of ten, SPA find none better."""
    rng = np.random.default_rng(seed)
    market = world(repetitions, days, rng)
    each = np.stack([positions(repetitions, days, rng) * market for _ in range(arms)])
    rival = positions(repetitions, days, rng) * market
    kept = better = 0
    for i in range(repetitions):
        returns = {str(arm): each[arm, i] for arm in range(arms)}
        kept += len(significance.model_confidence_set(returns, draws=draws, seed=i).members) == arms
        better += (significance.spa(returns, rival[i], draws=draws, seed=i).p or 1.0) <= 0.05
    return [
        Row("keeps all: model_confidence_set, 90 %", name, days, kept / repetitions, repetitions, (0.86, 0.96)),
        Row("rejects: spa", name, days, better / repetitions, repetitions, SAFE),
    ]


# the figures whose truth is a number of the population and not of the window's length
TRUE = ("log_return", "sharpe", "sortino", "win_rate_days", "profit_factor_days", "alpha_annual", "information_ratio")
SPREAD = ("annual_volatility", "var_95_hist", "cvar_95_hist", "var_95_gauss", "beta")


def coverage(name: str, world: World, days: int, repetitions: int, draws: int, seed: int, *, spread: bool = True) -> list[Row]:
    """How often the intervals hold the value that the figure has over half a million days of the same world.

    ``spread``: whether the figures of spread are asked to hold too, or are only told (where variance itself wanders for months).
    """
    rng = np.random.default_rng(seed)
    length = 500
    long_market = world(1000, length, rng)
    long_run = trade(positions(1000, length, rng), long_market).ravel()
    truth = {key: value for key, value in evaluate(_curve(long_run), benchmark=_curve(long_market.ravel())).items() if value is not None}
    rival = evaluate(_curve(long_market.ravel()))
    truth["log_return"] = float(np.log1p(long_run).mean()) * days
    market = world(repetitions, days, rng)
    r = trade(positions(repetitions, days, rng), market)
    hits: dict[str, list[bool]] = {}
    for i in range(repetitions):
        found = bootstrap(r[i], market[i], draws=draws, seed=i)
        for key in (*TRUE, *SPREAD):
            if key in found.run:
                hits.setdefault(f"holds: {key}", []).append(_inside(found.run[key], truth[key]))
        gap = (truth["sharpe"] or 0.0) - (rival["sharpe"] or 0.0)
        hits.setdefault("holds: sharpe, run minus holding", []).append(_inside(found.differences["sharpe"], gap))
        studentised = significance.sharpe_difference(r[i], market[i], draws=draws, seed=i).interval
        hits.setdefault("holds: sharpe_difference", []).append(_inside(studentised, gap))
        mean = significance.mean_difference(r[i], market[i]).interval
        hits.setdefault("holds: mean_difference", []).append(_inside(mean, float((long_run - long_market.ravel()).mean()) * YEAR))
    told = {f"holds: {key}" for key in SPREAD} if not spread else set()
    return [Row(key, name, days, sum(found) / len(found), len(found), None if key in told else COVERED) for key, found in hits.items()]


def _curve(r: np.ndarray) -> np.ndarray:
    return np.concatenate([[1.0], np.exp(np.cumsum(np.log1p(r)))])


def _inside(interval: Interval | None, truth: float) -> bool:
    return interval is not None and interval.low <= truth <= interval.high


def seeds(name: str, world: World, days: int, repetitions: int, draws: int, seed: int, arms: int = 5) -> list[Row]:
    """The median seed of a configuration that only flips coins, against holding a market without drift: the truth is 0."""
    rng = np.random.default_rng(seed)
    market = world(repetitions, days, rng)
    each = np.stack([positions(repetitions, days, rng) * market for _ in range(arms)], axis=-1)
    hits = 0
    for i in range(repetitions):
        hits += _inside(hierarchical_bootstrap(each[i], market[i], draws=draws, seed=i).interval, 0.0)
    return [Row("holds: hierarchical_bootstrap, 5 seeds", name, days, hits / repetitions, repetitions, WIDE)]


def luck(name: str, world: World, days: int, worlds: int, seed: int, tried: int = 100) -> tuple[list[Row], np.ndarray]:
    """The best of ``tried`` random traders on a market without drift, judged with and without counting the others."""
    rng = np.random.default_rng(seed)
    market = world(worlds, days, rng)
    deflated, raw = np.empty(worlds), np.empty(worlds)
    first, reach = np.empty(worlds), 0
    for i in range(worlds):
        # long, flat or short, so that the traders have nothing in common but the days
        sides = positions(tried, days, rng) - positions(tried, days, rng)
        r = sides * market[i]
        daily = r.mean(axis=1) / r.std(axis=1, ddof=1)
        best = int(daily.argmax())
        deflated[i] = significance.dsr(r[best], sharpes=list(daily), trials=tried) or 0.0
        raw[i], first[i] = psr(r[best]) or 0.0, psr(r[0]) or 0.0
        reach += abs(daily[0] * math.sqrt(YEAR)) <= 1.96 * (sharpe_se(r[0]) or 0.0)
    rows = [
        Row(f"above 0.95: dsr of the best of {tried}", name, days, float((deflated > 0.95).mean()), worlds, (0.0, 0.05)),
        Row(f"above 0.95: psr of the best of {tried} (uncorrected)", name, days, float((raw > 0.95).mean()), worlds, None),
        Row("above 0.95: psr of a single one", name, days, float((first > 0.95).mean()), worlds, SIZE),
        Row("holds: sharpe plus or minus 1.96 standard errors", name, days, reach / worlds, worlds, COVERED),
    ]
    return rows, deflated


def shares() -> list[Row]:
    """The intervals of shares, not simulated: the exact chance over all counts, averaged over true shares between 5 % and 95 %."""
    found = []
    for n in (5, 20, 100):
        counts = [math.comb(n, k) for k in range(n + 1)]
        for label, make, wanted in (
            ("clopper_pearson", lambda k, n: Interval(*clopper_pearson(k, n)), (0.95, 1.0)),
            ("wilson", wilson, COVERED),
        ):
            intervals_ = [make(k, n) for k in range(n + 1)]
            chances = [
                sum(ways * p**k * (1 - p) ** (n - k) for k, ways in enumerate(counts) if _inside(intervals_[k], p))
                for p in np.linspace(0.05, 0.95, 181)
            ]
            found.append(Row(f"holds: {label} (exact)", "coin", n, float(np.mean(chances)), len(chances), wanted))
        below = sum(ways for k, ways in enumerate(counts) if binomial_p(k, n) <= 0.05) / 2**n
        found.append(Row("rejects: sign_test (exact)", "coin", n, below, 1, (0.0, 0.05)))
    return found


# ------------------------------------------------------------------------------------------------------------------- printing


def run(repetitions: int, draws: int, lengths: Sequence[int] = (60, 125, 250), *, seed: int = 1) -> tuple[list[Row], np.ndarray]:
    pool = demo_pool()
    demo, flat, one = demo_world(pool), demo_world(pool - pool.mean(axis=1, keepdims=True)), demo_world(pool[:1])
    wild, wild_flat = wild_world(), wild_world(0.0)
    rows: list[Row] = []
    for name, world, still, single in (("demo", demo, flat, one), ("wild", wild, wild_flat, wild)):
        for days in lengths:
            rows += sizes(name, world, days, 2 * repetitions, FEW, seed)
        rows += against_holding(name, still, 125, repetitions, FEW, seed + 1)
        rows += many(name, still, 125, repetitions, FEW, seed + 2)
        rows += coverage(name, single, 250, repetitions, draws, seed + 3, spread=name == "demo")
        rows += seeds(name, still, 125, repetitions, draws, seed + 4)
    chance, deflated = luck("demo", flat, 250, repetitions, seed + 5)
    return [*rows, *chance, *shares()], deflated


def show(rows: Sequence[Row], deflated: np.ndarray) -> None:
    print(f"{'':<52} {'world':<6} {'days':>5} {'share':>7} {'wanted':>14} {'':<4} n")
    for row in rows:
        wanted = f"{row.wanted[0]:.1%}-{row.wanted[1]:.1%}" if row.wanted else ""
        print(f"{row.what:<52} {row.world:<6} {row.days:>5} {row.share:>7.1%} {wanted:>14} {'' if row.good else 'OFF':<4} {row.n}")
    points = ", ".join(f"{q:g} %: {np.quantile(deflated, q / 100):.2f}" for q in (5, 25, 50, 75, 95, 100))
    print(f"deflated Sharpe of the best of 100 random traders, quantiles: {points}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1_000)
    parser.add_argument("--draws", type=int, default=199, help="draws of each bootstrap behind an interval")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    began = time.perf_counter()
    rows, deflated = run(args.repetitions, args.draws, seed=args.seed)
    show(rows, deflated)
    off = sum(not row.good for row in rows)
    print(f"{off} of {len(rows)} off; {time.perf_counter() - began:.0f} seconds")


if __name__ == "__main__":
    main()
