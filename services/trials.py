"""How often it was tried on one market and window: what the deflated Sharpe ratio has to know.

A trial is one configuration with its seed that a person tried, on one source, tickers, test window and execution. It is entered when its
run ends, whether done, failed or cancelled, if it has at least two daily returns; the same spec once more is no new trial, and deleting the
run does not take it back. Baselines are not tries of the person's search and are left out; ablations of the agent are in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np

from agent.errors import SpecError
from agent.evaluation.metrics import returns
from agent.evaluation.significance import effective_trials, sharpe_per_day
from agent.spec import RunSpec
from services import queries, runs
from storage.run_store import RunStore
from storage.trials import Trial, TrialBook

YARDSTICKS = {"hold", "rsi_rule", "moving_average_cross", "macd_rule", "momentum", "mean_reversion", "equal_weight", "random_trader"}
LEAST = 2  # returns: fewer have no Sharpe
WHOLE = 0.95  # a trial with fewer of the longest one's days is compared with none and counts for itself


@dataclass(frozen=True)
class Trials:
    """What was tried. ``effective`` counts groups of trials whose daily returns correlate above 0.8; ``sharpes`` are per day, one per trial that has one."""

    count: int
    effective: int
    sharpes: tuple[float, ...]
    earliest: datetime | None
    latest: datetime | None


@lru_cache(maxsize=4)
def _book(url: str) -> TrialBook:
    return TrialBook(url)


def _of(store: RunStore) -> TrialBook:
    """The book beside the runs of ``store``."""
    return _book(store.url)


def on_market(spec: RunSpec) -> Trials:
    """The trials on the market, window and execution of ``spec``, ended runs that were not entered yet included."""
    return judged(entered(spec))


def entered(spec: RunSpec) -> list[Trial]:
    """The trials of ``on_market`` themselves."""
    enter_missing()
    return [trial for trial in _of(runs.store()).of_market(spec.market_key()) if trial.by_person]


def judged(found: Sequence[Trial]) -> Trials:
    """What trials of one market say together."""
    when = [trial.at for trial in found]
    sharpes = tuple(trial.sharpe_daily for trial in found if trial.sharpe_daily is not None)
    return Trials(len(found), _effective(found), sharpes, min(when, default=None), max(when, default=None))


def library_stamp() -> tuple[object, ...]:
    """Which store, and something that changes whenever a run is added, goes on, ends, is renamed or deleted."""
    store = runs.store()
    return (store.url, *_of(store).library_stamp())


def enter_missing() -> int:
    """Enter the ended runs that are not in the book: those of an earlier version, imported ones, ones whose worker died; returns how many."""
    store = runs.store()
    return sum(enter(run) for run in _of(store).missing())


def enter(run_id: str) -> bool:
    """Enter a run that is over, if it has figures; whether the book changed. A run of another version cannot be entered."""
    store = runs.store()
    row = store.run(run_id)
    if row.summary.get("test_days", LEAST + 1) <= LEAST:
        return False
    try:
        spec = row.spec
    except SpecError:
        return False
    frame = queries.equity(run_id)
    if len(frame) <= LEAST:
        return False
    r = returns(frame["equity"].to_numpy(dtype=float))  # none where everything was lost on the way
    trial = Trial(
        market_key=spec.market_key(),
        group_key=spec.group_key(),
        fingerprint=row.fingerprint,
        run_id=run_id,
        strategy=spec.strategy,
        label=queries.run(run_id).model_label,
        at=row.finished_at or row.created_at,
        n=len(frame) - 1,
        sharpe_daily=sharpe_per_day(r),
        by_person=by_person(spec),
        days=tuple(frame["day"])[1 : len(r) + 1],
        returns=r,
    )
    return _of(store).keep(trial)


def by_person(spec: RunSpec) -> bool:
    """Whether a run is a try of the person's own search: the agent, its ablations, and strategies that somebody added. Rules are yardsticks."""
    return spec.strategy == "memory" or (not spec.baseline and spec.strategy not in YARDSTICKS)


def _effective(found: Sequence[Trial]) -> int:
    """Groups of alike trials. Those that never moved are one group; those that cover too little of the window are one each."""
    most = max((trial.n for trial in found), default=0)
    moving = [trial for trial in found if trial.sharpe_daily is not None]
    whole = [trial for trial in moving if trial.n >= WHOLE * most]
    alone = len(moving) - len(whole) + (len(moving) < len(found))
    common = sorted(set.intersection(*(set(trial.days) for trial in whole))) if whole else []
    if len(common) <= LEAST or len(whole) == 1:
        return len(whole) + alone
    columns = [[r for day, r in zip(trial.days, trial.returns, strict=True) if day in set(common)] for trial in whole]
    return alone + effective_trials(np.array(columns, dtype=float).T)
