"""The money of a run seen closer: every figure with its interval, rolling figures, months, falls. Frames in, frames out.

The functions take the frame of ``queries.equity`` where they can, so that a page or a report reads it once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from agent.evaluation import intervals, rolling
from agent.evaluation.intervals import Interval, wilson
from agent.evaluation.metrics import METRICS, Metric, direction_hits, evaluate, returns
from agent.evaluation.rolling import WINDOWS, Fall
from agent.market.sessions import Calendar
from services import queries, runs

COUNTED = "counted"
REASONS = {
    **dict.fromkeys(("longest_underwater_bars", "skew", "kurtosis_nonexcess"), "too fragile"),
    **dict.fromkeys(("sharpe_se", "psr_0", "min_trl", "alpha_t", "excess_t"), "about chance"),
    **dict.fromkeys(("profit_factor_fills", "cum_return_gross"), "not redrawn"),
}


@dataclass(frozen=True)
class Estimate:
    """One metric of a run beside its benchmark. ``why`` says why there is no interval; ``verdict`` is better, worse, or neither for sure."""

    metric: Metric
    value: float | None
    interval: Interval | None
    benchmark: float | None
    difference: float | None
    difference_interval: Interval | None
    not_better: float | None
    why: str

    @property
    def verdict(self) -> str:
        """better or worse by the metric's own direction; ``unclear`` where the interval of the difference holds zero, ``untested`` where there is none."""
        if self.difference is None or self.metric.better is None:
            return ""
        sign = self.difference if self.metric.better == "high" else -self.difference
        word = "better" if sign > 0 else "worse" if sign < 0 else "equal"
        between = self.difference_interval
        if between is None and word != "equal":
            return f"{word}, untested"
        return f"{word}, unclear" if between and between.low <= 0 <= between.high and word != "equal" else word


@dataclass(frozen=True)
class Estimates:
    """All metrics with what they rest on: ``draws`` resamples of ``returns`` days in blocks of ``block`` days on average, and the seed."""

    rows: tuple[Estimate, ...]
    returns: int
    draws: int
    block: float
    seed: int


def figures(run_id: str, ticker: str = queries.TOTAL) -> dict[str, float | None]:
    """``queries.figures`` with the hit rates of the run's decisions: ``judged_*`` and ``direction_*``."""
    found = queries.figures(run_id, ticker)
    return {**found, **hit_rates(run_id, ticker)} if found else found


def hit_rates(run_id: str, ticker: str = queries.TOTAL) -> dict[str, float | None]:
    """How often judged decisions were right, and how often the next move went the way of a buy or sell; over the test sessions."""
    names = queries.tickers(run_id) if ticker == queries.TOTAL else (ticker,)
    store = runs.store()
    verdicts: list[int] = []
    hits, n = 0, 0
    for name in names:
        judged = store.outcome_rows(run_id, name)
        verdicts += [] if judged.empty else [int(value) for value in judged["verdict"]]
        right, counted = _directions(store.day_rows(run_id, name, columns=["day", "phase", "action", "open", "split"]))
        hits, n = hits + right, n + counted
    found = evaluate([1.0, 1.0], verdicts=verdicts, directions=(hits, n))
    return {key: found[key] for key in ("judged_hit", "judged_n", "direction_hit", "direction_n")}


def _directions(rows: pd.DataFrame) -> tuple[int, int]:
    rows = rows[rows["phase"] == "test"].sort_values("day") if not rows.empty else rows
    if rows.empty:
        return 0, 0
    opens = (rows["open"] * rows["split"].cumprod())[rows["open"].notna()]
    asked = rows["action"].map({"buy": 1, "sell": -1}).fillna(0)[rows["open"].notna()]
    return direction_hits(asked.to_numpy(), opens.to_numpy())


def estimates(
    frame: pd.DataFrame,
    found: dict[str, float | None],
    *,
    fills: pd.DataFrame | None = None,
    draws: int = intervals.DRAWS,
    seed: int = 0,
) -> Estimates:
    """Every metric of ``found`` (as ``figures`` gives them) with its interval and its difference to buy and hold, from the frame of ``queries.equity``.

    A second or two for a thousand days: only for a table that is open.
    """
    r, other = (returns(frame[name].to_numpy()) if len(frame) else np.empty(0) for name in ("equity", "benchmark"))
    same = len(r) == len(other)  # a curve that was wiped out has no returns
    drawn = intervals.bootstrap(r, other if same else None, draws=draws, seed=seed)
    counts = {"win_rate_days": _signs(r), "judged_hit": _counts(found, "judged"), "direction_hit": _counts(found, "direction")}
    counts["win_rate_fills"] = _realised(fills)
    rows = tuple(_estimate(metric, found, drawn, counts) for metric in METRICS.values())
    return Estimates(rows, drawn.returns, drawn.draws, drawn.block, drawn.seed)


def _estimate(metric: Metric, found: dict[str, float | None], drawn: intervals.Intervals, counts: dict[str, tuple[int, int]]) -> Estimate:
    key, value, rival = metric.key, found.get(metric.key), found.get(f"benchmark_{metric.key}")
    own = None if value is None else wilson(*counts[key]) if key in counts else drawn.run.get(key)
    gap = value - rival if value is not None and rival is not None and metric.better is not None else None
    why = "" if own is not None else _why(key, value, drawn)
    between = drawn.differences.get(key) if gap is not None else None
    return Estimate(metric, value, own, rival, gap, between, drawn.not_better.get(key) if between else None, why)


def _why(key: str, value: float | None, drawn: intervals.Intervals) -> str:
    if value is None:
        return "not defined"
    return drawn.missing.get(key) or REASONS.get(key, COUNTED)


def _signs(r: np.ndarray) -> tuple[int, int]:
    return int((r > 0).sum()), int((r != 0).sum())


def _counts(found: dict[str, float | None], name: str) -> tuple[int, int]:
    n = int(found.get(f"{name}_n") or 0)
    return round((found.get(f"{name}_hit") or 0.0) * n), n


def _realised(fills: pd.DataFrame | None) -> tuple[int, int]:
    known = fills["realised"].dropna() if fills is not None and not fills.empty else pd.Series(dtype=float)
    return int((known > 0).sum()), len(known)


# ----------------------------------------------------------------------------------------------------- over time, by month, in falls


def windows(frame: pd.DataFrame) -> list[int]:
    """The rolling windows, in sessions, that the run is long enough for."""
    return [window for window in WINDOWS if len(frame) > window]


def rolled(frame: pd.DataFrame, window: int) -> pd.DataFrame:
    """day and the rolling figures of ``agent.evaluation.rolling`` over ``window`` returns; NaN until the window is full."""
    found = rolling.rolling(frame["equity"].to_numpy(), frame["benchmark"].to_numpy(), window=window)
    return pd.DataFrame({"day": frame["day"], **found})


def months(frame: pd.DataFrame) -> pd.DataFrame:
    """year, month, equity, benchmark, difference (fractions), sessions, first, last, partial: whether sessions of the month are missing.

    Which sessions a month has is asked of the New York calendar where the run kept to it, else of the weekdays: a run that came from
    elsewhere must show its months without its source of data.
    """
    days: Sequence[date] = list(frame["day"])
    found = rolling.months(days, frame["equity"].to_numpy(), frame["benchmark"].to_numpy())
    ends = {found[0].first, found[-1].last} if found else set()
    expected = _sessions(days) if found else (lambda month: [])
    rows = [
        {
            "year": item.year,
            "month": item.month,
            "equity": item.equity,
            "benchmark": item.benchmark,
            "difference": item.difference,
            "sessions": item.sessions,
            "first": item.first,
            "last": item.last,
            "partial": bool(ends & {item.first, item.last}) and not _whole(item, expected(item.first)),
        }
        for item in found
    ]
    return pd.DataFrame(rows, columns=["year", "month", "equity", "benchmark", "difference", "sessions", "first", "last", "partial"])


def _sessions(days: Sequence[date]) -> Callable[[date], list[date]]:
    """The sessions of the month a day lies in."""
    calendar = Calendar("XNYS")
    kept = calendar.first <= days[0] and days[-1] <= calendar.last and all(day in calendar for day in days)

    def of(day: date) -> list[date]:
        first = day.replace(day=1)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        if kept:
            return [session.day for session in calendar.sessions(first, last)]
        return [item for item in (first + timedelta(days=n) for n in range((last - first).days + 1)) if item.weekday() < 5]

    return of


def _whole(month: rolling.Month, sessions: Sequence[date]) -> bool:
    return (sessions[0], sessions[-1]) == (month.first, month.last)


def years(months: pd.DataFrame) -> pd.DataFrame:
    """year, equity, benchmark, difference, partial: the months compounded; partial where the year has fewer than twelve whole months."""
    rows = []
    for year, part in months.groupby("year"):
        gains = {name: float((1 + part[name]).prod() - 1) for name in ("equity", "benchmark")}
        whole = len(part) == 12 and not part["partial"].any()
        rows.append({"year": year, **gains, "difference": gains["equity"] - gains["benchmark"], "partial": not whole})
    return pd.DataFrame(rows, columns=["year", "equity", "benchmark", "difference", "partial"])


def falls(frame: pd.DataFrame, *, most: int = 5) -> pd.DataFrame:
    """The deepest falls of the run, deepest first: peak, trough, recovery (days; recovery None while under water), depth, sessions, benchmark.

    ``sessions`` counts from the peak to the recovery, or to the last day; ``benchmark`` is buy and hold's return from peak to trough.
    """
    found = rolling.falls(frame["equity"].to_numpy(), most=most) if len(frame) else []
    return pd.DataFrame([_fall(frame, fall) for fall in found], columns=["peak", "trough", "recovery", "depth", "sessions", "benchmark"])


def _fall(frame: pd.DataFrame, fall: Fall) -> dict[str, object]:
    day, rival = frame["day"], frame["benchmark"]
    end = fall.recovery if fall.recovery is not None else len(frame) - 1
    return {
        "peak": day.iloc[fall.peak],
        "trough": day.iloc[fall.trough],
        "recovery": day.iloc[fall.recovery] if fall.recovery is not None else None,
        "depth": fall.depth,
        "sessions": end - fall.peak,
        "benchmark": float(rival.iloc[fall.trough] / rival.iloc[fall.peak] - 1),
    }
