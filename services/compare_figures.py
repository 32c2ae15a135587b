"""The figures of a comparison: every metric of every side on the common sessions, against one side taken as the baseline.

A figure of a seed group is the median of its runs, with the lowest and the highest. Intervals of a difference need one series of days for
each side: for a group that of the run with the median return, which ``Comparison.notes`` names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from agent.evaluation import intervals
from agent.evaluation.intervals import Interval
from agent.evaluation.metrics import METRICS, Metric, evaluate, returns
from agent.evaluation.seeds import Spread, spread
from services import runs
from services.compare import Comparison, Holding, Member, Side
from services.performance import Estimate
from services.queries import TOTAL

DRAWS = 2_000  # of up to seven differences at once; ends of an interval move by a few percent of its width
UNMEASURED = ("direction_hit", "direction_n")  # need the orders before and after the common window; the run's own page has them
KEY = ("cum_return", "sharpe", "max_drawdown", "annual_volatility")


@dataclass(frozen=True)
class Row:
    """One metric: what each side has, and how each differs from the baseline (which is not among them), by item."""

    metric: Metric
    values: Mapping[str, Spread]
    against: Mapping[str, Estimate]


Figures = Mapping[str, Mapping[str, Spread]]  # item -> metric -> spread


def measured(found: Comparison) -> Figures:
    """Every metric of every side on the common sessions."""
    figures = {}
    for side in found.runs:
        each = [_figures(member, side, found) for member in side.members]
        figures[side.item] = {key: spread([values[key] for values in each]) for key in METRICS}
    return figures


def _figures(member: Member, side: Side, found: Comparison) -> dict[str, float | None]:
    frame = member.frame
    if frame.empty:
        return dict.fromkeys(METRICS)
    whole = len(frame) == side.own_days
    return evaluate(
        frame["equity"].to_numpy(),
        benchmark=frame["benchmark"].to_numpy(),
        weights=frame["weight"].to_numpy(),
        fills=_fills(member.view.id, found, whole=whole),
        verdicts=_verdicts(member.view.id, found),
    )


def _fills(run: str, found: Comparison, *, whole: bool) -> pd.DataFrame:
    """The fills behind the returns: those after the first common session; all of them where nothing was cut away."""
    fills = runs.store().fill_rows(run, None if found.ticker == TOTAL else found.ticker)
    if whole or fills.empty:
        return fills
    kept = set(found.days[1:])
    return fills[[day in kept for day in fills["day"]]]


def _verdicts(run: str, found: Comparison) -> list[int]:
    """How the decisions of the common sessions were judged."""
    judged = runs.store().outcome_rows(run, None if found.ticker == TOTAL else found.ticker)
    return [] if judged.empty else [int(value) for value in judged.loc[judged["decided"].isin(set(found.days)), "verdict"]]


def holding(found: Holding) -> dict[str, float | None]:
    """The metrics of buying and holding on the common sessions."""
    return evaluate(found.values)


def rows(found: Comparison, figures: Figures, base: str, *, drawn: Mapping[str, intervals.Intervals] | None = None) -> tuple[Row, ...]:
    """The table: every metric that somebody has. ``drawn``: by item, the intervals of the difference to the baseline."""
    table = []
    for key, metric in METRICS.items():
        values = {side.item: figures[side.item][key] for side in found.runs}
        if key in UNMEASURED or all(item.median is None for item in values.values()):
            continue
        others = [side.item for side in found.runs if side.item != base]
        table.append(Row(metric, values, {item: _against(metric, values[item], values[base], (drawn or {}).get(item)) for item in others}))
    return tuple(table)


def _against(metric: Metric, mine: Spread, rival: Spread, drawn: intervals.Intervals | None) -> Estimate:
    gap = mine.median - rival.median if mine.median is not None and rival.median is not None else None
    between: Interval | None = drawn.differences.get(metric.key) if drawn is not None and gap is not None else None
    chance = drawn.not_better.get(metric.key) if drawn is not None and between is not None else None
    why = "" if between else "" if drawn is None else drawn.missing.get(metric.key, "")
    return Estimate(metric, mine.median, None, rival.median, gap, between, chance, why)


def differences(found: Comparison, base: str, *, draws: int = DRAWS, seed: int = 0) -> dict[str, intervals.Intervals]:
    """Item to the intervals of its difference to the baseline, redrawn with the same days; only sides whose days can be paired.

    Some tenths of a second for each side: only for a table that is open.
    """
    rival = found.side(base)
    drawn = {}
    for side in found.runs:
        if side.item == rival.item or found.unpaired(side, rival):
            continue
        one, other = (returns(frame["equity"].to_numpy()) for frame in (side.frame, rival.frame))
        if len(one) == len(other):  # an account that was wiped out has no returns
            drawn[side.item] = intervals.bootstrap(one, other, draws=draws, seed=seed)
    return drawn
