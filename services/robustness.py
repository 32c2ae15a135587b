"""How sturdy a run is: other seeds, other start days, later fills, higher costs. Nobody is asked again: what was decided is carried out anew.

What cannot be had is a reason in words, never a figure: one seed has no spread, a run with stops is not replayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from agent.evaluation import agreement, rolling, seeds
from agent.evaluation.agreement import Rate
from agent.evaluation.metrics import evaluate, max_drawdown
from agent.evaluation.seeds import ShareAbove, Spread
from agent.portfolio.replay import Replay
from agent.spec import Execution
from services import compare, luck, queries, runs
from services.luck import Tape
from services.queries import RunView

# ------------------------------------------------------------------------------------------------------------- costs and delay

Terms = tuple[str, float, int]  # what it is called, costs times, sessions late
TERMS: tuple[Terms, ...] = (
    ("as it was", 1.0, 0),
    ("without costs", 0.0, 0),
    ("costs doubled", 2.0, 0),
    ("costs five-fold", 5.0, 0),
    ("a session late", 1.0, 1),
    ("two sessions late", 1.0, 2),
    ("a week late", 1.0, 5),
    ("a session late, costs doubled", 2.0, 1),
)
MOST_COSTS = 200.0  # times; where holding is not reached by then, costs do not decide


@dataclass(frozen=True)
class Outcome:
    """What the same orders would have earned under other terms. ``benchmark`` is holding at the same costs; figures as in the metrics."""

    label: str
    costs_times: float
    late: int
    cum_return: float | None
    benchmark: float | None
    sharpe: float | None
    max_drawdown: float | None
    costs: float
    fills: int

    @property
    def excess(self) -> float | None:
        return None if self.cum_return is None or self.benchmark is None else self.cum_return - self.benchmark


@dataclass(frozen=True)
class Sensitivity:
    """``break_even``: how many times its costs may be before holding earns as much at the same costs; None where it never changes sides."""

    outcomes: tuple[Outcome, ...]
    break_even: float | None
    bps: float
    why: str = ""


def sensitivity(run_id: str, whose: str = queries.TOTAL) -> Sensitivity:
    """The run's orders carried out at other costs and later; ``why`` where they cannot be."""
    execution = queries.run(run_id).spec.execution
    bps = execution.commission_bps + execution.slippage_bps
    tapes, why = luck.tapes(run_id, whose)
    if why:
        return Sensitivity((), None, bps, why)
    outcomes = tuple(_outcome(tapes, execution, terms) for terms in TERMS)
    return Sensitivity(outcomes, _break_even(tapes, execution) if bps else None, bps)


def _outcome(tapes: dict[str, Tape], execution: Execution, terms: Terms) -> Outcome:
    label, times, late = terms
    mine, hold = _both(tapes, execution, times=times, late=late)
    equity, rival = mine.equity[:, 0], hold.equity[:, 0]
    found = evaluate(equity)
    return Outcome(
        label=label,
        costs_times=times,
        late=late,
        cum_return=found["cum_return"],
        benchmark=evaluate(rival)["cum_return"],
        sharpe=found["sharpe"],
        max_drawdown=max_drawdown(equity),
        costs=float(mine.costs[0]),
        fills=int(mine.fills[0]),
    )


def _both(tapes: dict[str, Tape], execution: Execution, *, times: float, late: int) -> tuple[Replay, Replay]:
    """The run and holding, under costs ``times`` as high; holding is bought when it was, whatever is late."""
    terms = _dearer(execution, times)
    mine = hold = None
    for tape in tapes.values():
        own = tape.run(tape.orders[:, None], terms, delay=late)
        held = tape.run(_hold(tape), terms)
        mine, hold = (own, held) if mine is None or hold is None else (mine + own, hold + held)
    if mine is None or hold is None:
        raise ValueError("a replay needs a ticker to trade")
    return mine, hold


def _dearer(execution: Execution, times: float) -> Execution:
    """Costs ``times`` as high; never beyond what a spec allows."""
    costs = {name: min(1_000.0, getattr(execution, name) * times) for name in ("commission_bps", "slippage_bps")}
    return execution.model_copy(update=costs)


def _hold(tape: Tape) -> np.ndarray:
    """Buy and hold as the engine does it: all in at the first test close with a price."""
    orders = np.full((len(tape.orders), 1), np.nan)
    priced = np.flatnonzero(~np.isnan(tape.closes))
    if len(priced):
        orders[priced[0]] = 1.0
    return orders


def _break_even(tapes: dict[str, Tape], execution: Execution) -> float | None:
    """The multiple of its costs at which the run earns what holding earns; None where more costs do not get it there."""

    def ahead(times: float) -> float:
        mine, hold = _both(tapes, execution, times=times, late=0)
        return float(mine.equity[-1, 0] - hold.equity[-1, 0])

    highest = min(MOST_COSTS, 1_000.0 / max(execution.commission_bps, execution.slippage_bps))
    if ahead(0.0) <= 0 or ahead(highest) >= 0:
        return None
    low, high = 0.0, highest
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (middle, high) if ahead(middle) > 0 else (low, middle)
    return (low + high) / 2


# -------------------------------------------------------------------------------------------------------------------- start days


@dataclass(frozen=True)
class Starts:
    """Every stretch of ``window`` returns of the run, by its first day. ``apart`` is how many of them share no day."""

    window: int
    frame: pd.DataFrame
    better: float | None
    apart: int
    spread: Spread
    gap: Spread
    benchmark: Spread


def starts(frame: pd.DataFrame, window: int) -> Starts:
    """``frame`` (as ``queries.equity`` gives it) cut at every start day: day, ends, return, benchmark_return, sharpe, benchmark_sharpe, gap.

    The run is not begun anew: on a start day it holds what it held. ``better`` is the share of starts with a higher return than holding.
    """
    found = rolling.rolling(frame["equity"].to_numpy(dtype=float), frame["benchmark"].to_numpy(dtype=float), window=window)
    count = max(0, len(frame) - window)
    columns = {name: found[name][window:] for name in ("return", "benchmark_return", "sharpe", "benchmark_sharpe")}
    table = pd.DataFrame({"day": frame["day"].to_numpy()[:count], "ends": frame["day"].to_numpy()[window:], **columns})
    table["gap"] = table["return"] - table["benchmark_return"]
    known = table["gap"].dropna()
    better = float((known > 0).mean()) if len(known) else None
    gains, gaps, rival = (seeds.spread([float(v) for v in table[name].dropna()]) for name in ("return", "gap", "benchmark_return"))
    return Starts(window, table, better, (len(frame) - 1) // window, gains, gaps, rival)


# ------------------------------------------------------------------------------------------------------------------------- seeds


@dataclass(frozen=True)
class Seeds:
    """The finished runs of one configuration, seeds apart. ``bands``: day, low, median, high, benchmark as growth from 1.

    ``by_day`` has one row per session and ticker: day, ticker, differ (share of pairs of seeds that decided differently), bits, decisions.
    ``noise`` is the share of the variance of daily returns that comes from the seed and not from the day.
    """

    views: tuple[RunView, ...]
    bands: pd.DataFrame
    figures: dict[str, Spread]
    above: ShareAbove
    flips: Rate
    entropy: Rate
    kappa: Rate
    distance: Rate
    noise: float | None
    by_day: pd.DataFrame
    why: str = ""


FIGURES = ("cum_return", "sharpe", "max_drawdown", "turnover_annual", "exposure_mean")
NO_RATE = Rate(None, 0, (), "a single seed")


def group(run_id: str) -> tuple[RunView, ...]:
    """The finished runs that repeat this one with another seed, one of each seed, itself among them if it is finished."""
    found = compare.members(f"{compare.GROUP}{run_id}")
    by_seed = {view.spec.seed: view for view in (*reversed(found), *(view for view in found if view.id == run_id))}
    return tuple(by_seed[seed] for seed in sorted(by_seed))


def over_seeds(views: Sequence[RunView], whose: str = queries.TOTAL) -> Seeds:
    """What the seeds of one configuration say together, over the sessions that all have."""
    frames = {view.id: queries.equity(view.id, whose) for view in views}
    days = _common([frame["day"].tolist() for frame in frames.values()])
    if len({view.spec.seed for view in views}) < 2 or len(days) < 2:
        why = "a single seed" if len(views) < 2 else "fewer than two common sessions" if len(days) < 2 else "the same seed each time"
        return Seeds(
            tuple(views), pd.DataFrame(), {}, seeds.share_above([], 0.0), NO_RATE, NO_RATE, NO_RATE, NO_RATE, None, pd.DataFrame(), why
        )
    cut = [frame[frame["day"].isin(set(days))].sort_values("day") for frame in frames.values()]
    growth = [frame["equity"].to_numpy(dtype=float) / float(frame["equity"].iloc[0]) for frame in cut]
    hold = cut[0]["benchmark"].to_numpy(dtype=float) / float(cut[0]["benchmark"].iloc[0])
    drawn = seeds.bands(growth)
    table = pd.DataFrame({"day": days, "low": drawn.low, "median": drawn.median, "high": drawn.high, "benchmark": hold})
    found = [queries.figures(view.id, whose) for view in views]
    decided = _decided(views, whose)
    actions = [row for rows in decided.values() for row in rows["actions"]]
    flips, bits = agreement.flip_rate(actions), agreement.decision_entropy(actions)
    return Seeds(
        views=tuple(views),
        bands=table,
        figures={name: seeds.spread([one.get(name) for one in found]) for name in FIGURES},
        above=seeds.share_above([float(line[-1] - 1) for line in growth], float(hold[-1] - 1)),
        flips=flips,
        entropy=bits,
        kappa=agreement.fleiss_kappa(actions),
        distance=agreement.weight_distance([row for rows in decided.values() for row in rows["targets"]]),
        noise=seeds.between_seed_share(np.column_stack([line[1:] / line[:-1] - 1 for line in growth])) if _alive(growth) else None,
        by_day=_by_day(decided, flips, bits),
    )


def _alive(growth: Sequence[np.ndarray]) -> bool:
    return all((line > 0).all() for line in growth)


def _common(lists: Sequence[list[date]]) -> list[date]:
    return sorted(set.intersection(*(set(days) for days in lists))) if lists else []


def _decided(views: Sequence[RunView], whose: str) -> dict[str, dict[str, list]]:
    """Ticker to its common test days, and per day each seed's action (None: no decision) and target weight."""
    names = views[0].spec.tickers if whose == queries.TOTAL else (whose,)
    found: dict[str, dict[str, list]] = {}
    for name in names:
        rows = [_test_days(view.id, name) for view in views]
        days = _common([list(frame.index) for frame in rows])
        found[name] = {
            "days": days,
            "actions": [[_word(frame.at[day, "action"]) for frame in rows] for day in days],
            "targets": [[_number(frame.at[day, "target_weight"]) for frame in rows] for day in days],
        }
    return found


def _test_days(run_id: str, ticker: str) -> pd.DataFrame:
    rows = runs.store().day_rows(run_id, ticker, columns=["day", "phase", "action", "target_weight"])
    return rows[rows["phase"] == "test"].set_index("day")


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value in agreement.DECISIONS else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and value == value else None


def _by_day(decided: dict[str, dict[str, list]], flips: Rate, bits: Rate) -> pd.DataFrame:
    keys = [(day, name, row) for name, rows in decided.items() for day, row in zip(rows["days"], rows["actions"], strict=True)]
    table = [
        {"day": day, "ticker": name, "differ": differ, "bits": spread, "decisions": _said(row)}
        for (day, name, row), differ, spread in zip(keys, flips.by_day, bits.by_day, strict=True)
    ]
    return pd.DataFrame(table, columns=["day", "ticker", "differ", "bits", "decisions"])


def _said(row: Sequence[str | None]) -> str:
    """2 buy, 1 hold."""
    counts = [(name, sum(item == name for item in row)) for name in (*agreement.DECISIONS, None)]
    return ", ".join(f"{count} {name or 'no decision'}" for name, count in counts if count)
