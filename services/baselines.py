"""Yardsticks for a run: what simple rules, luck, and the agent without a part of its mind made of the same market.

A baseline is a run like any other: made by the same engine and ledger, recorded day by day, open to every page. It trades the run's own
source, tickers, test window and costs (``RunSpec.market_key``), and its spec says that it is a baseline. Nothing is kept about which
baselines a run has: they are found by the specs that ``spec_of`` gives, so runs on one market share their rules, and a baseline is never
made twice.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Literal

import pandas as pd

from agent.errors import SpecError
from agent.evaluation.metrics import evaluate
from agent.registry import unknown
from agent.spec import RunSpec, Window
from services import queries, runs
from services.settings import ROOT, settings

Kind = Literal["rule", "random", "ablation"]
SHORT_SESSIONS = 5  # a week: what "short memory only" reaches back
WARM_UP_DAYS = 100  # calendar days before the test window, more than the 50 sessions of the slow average
AGAIN = ("failed", "cancelled", "interrupted", "paused")  # states in which a baseline is begun or gone on with when it is asked for
UNDER_WAY = ("queued", "running")


@dataclass(frozen=True)
class Baseline:
    """One yardstick: what it is called, what kind it is, and what it does in one sentence."""

    name: str
    label: str
    kind: Kind
    help: str


_ROWS = (
    Baseline("hold", "Buy and hold", "rule", "Buys at the first test close and holds: the benchmark itself, as a run, equal to the cent."),
    Baseline("rsi_rule", "RSI rule", "rule", "In when RSI(14) falls below 30, out when it rises above 70."),
    Baseline("moving_average_cross", "Moving-average cross", "rule", "In while the mean of 20 closes is above the mean of 50."),
    Baseline("macd_rule", "MACD", "rule", "In while MACD(12, 26) is above its nine-day signal."),
    Baseline("momentum", "Momentum", "rule", "In while the return of the last 60 sessions is positive."),
    Baseline("mean_reversion", "Mean reversion", "rule", "In below the lower Bollinger band (20 sessions, 2 deviations), out at the middle."),
    Baseline(
        "equal_weight",
        "Equal weight, rebalanced",
        "rule",
        "Every 21 sessions back to equal shares of the tickers and of cash. Each ticker trades in a sleeve of its own and sleeves never lend each "
        "other cash, so the share of stock within each sleeve is kept constant; no money moves from one ticker to another.",
    ),
    Baseline(
        "random",
        "Random trader",
        "random",
        "In and out on days drawn by lot, with the run's own mean exposure, turnover and weight while invested. One draw of many: "
        "the luck meter has a thousand.",
    ),
    Baseline("without_memory", "Without memory", "ablation", "The same agent and model, shown the day's texts and prices alone; nothing is remembered."),
    Baseline(
        "without_reflection",
        "Without reflection",
        "ablation",
        "The same agent, which remembers news and filings but keeps no notes of its own: no studies, no reflections, no lessons.",
    ),
    Baseline(
        "short_memory",
        "Short memory only",
        "ablation",
        f"The same agent, which recalls only what it read in the last {SHORT_SESSIONS} sessions. Its own notes are off: they would carry older "
        "things on from day to day.",
    ),
    Baseline("random_memories", "Random memories", "ablation", "The same agent, shown as many memories as before, drawn by lot instead of the best."),
)  # fmt: skip
BASELINES: Mapping[str, Baseline] = MappingProxyType({row.name: row for row in _ROWS})
RULES = tuple(row.name for row in _ROWS if row.kind == "rule")
ABLATIONS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "without_memory": {"recall": "none"},
        "without_reflection": {"reflect": False},
        "short_memory": {"reflect": False},
        "random_memories": {"recall": "random"},
    }
)


@dataclass(frozen=True)
class Match:
    """How a run traded, mean over its tickers: what a random trader has to match. Turnover is two-sided and annual, the others fractions."""

    turnover: float
    exposure: float
    level: float


@dataclass(frozen=True)
class Made:
    """One baseline of a run in the library, and how far it is."""

    name: str
    run: str
    state: str
    done: int
    total: int
    error: str = ""

    @property
    def label(self) -> str:
        return BASELINES[self.name].label


# ---------------------------------------------------------------------------------------------------------------- which there are


def offered(spec: RunSpec) -> tuple[str, ...]:
    """The baselines that mean something for such a run: ablations only where there is an agent with a memory to take away."""
    return tuple(row.name for row in _ROWS if row.kind != "ablation" or spec.strategy == "memory")


def spec_of(spec: RunSpec, name: str, *, turnover: float | None = None, exposure: float | None = None, level: float = 1.0) -> RunSpec:
    """The spec of one baseline of a run. SpecError: no such baseline, or one that this run cannot have.

    ``turnover`` (two-sided, annual), ``exposure`` and ``level`` (fractions) are the run's own, for the random trader.
    """
    if name not in BASELINES:
        raise SpecError(unknown("baseline", name, BASELINES), field="baseline")
    if name not in offered(spec):
        message = f"The run decides by {spec.strategy}, which has no memory: {BASELINES[name].label.lower()} would be the same run again."
        raise SpecError(message, field="baseline")
    label = BASELINES[name].label
    named = f"{label}: {spec.name}"[:120] if spec.name else label
    if BASELINES[name].kind == "ablation":
        chosen = {**spec.strategy_options, **ABLATIONS[name]}
        memory = spec.memory.model_copy(update={"span_sessions": SHORT_SESSIONS}) if name == "short_memory" else spec.memory
        changes = {"strategy_options": chosen, "memory": memory, "baseline": name, "name": named}
        return spec.model_copy(update=changes)
    market: dict[str, Any] = {key: getattr(spec, key) for key in ("source", "source_options", "parts", "tickers", "test", "execution")}
    plain = RunSpec(**market, strategy=name, baseline=name, name=label)
    if name == "moving_average_cross":
        first, last = spec.test.start - timedelta(days=WARM_UP_DAYS), spec.test.start - timedelta(days=1)
        return plain.model_copy(update={"train": Window(start=first, end=last)})
    if name == "random":
        if turnover is None or exposure is None:
            raise SpecError("A random trader needs the turnover and the exposure of a finished run.", field="baseline")
        matched = {"turnover": round(turnover, 6), "exposure": round(exposure, 6), "level": round(level, 6)}
        changes = {"strategy": "random_trader", "strategy_options": matched, "seed": spec.seed, "name": named}
        return plain.model_copy(update=changes)
    return plain


def match(run_id: str) -> Match | None:
    """How the run traded; None while it is not complete, and for a run that never held anything."""
    if runs.store().run(run_id).status != "done":
        return None
    found = [queries.figures(run_id, ticker) for ticker in queries.tickers(run_id)]
    means = [
        sum(float(figures.get(key) or 0.0) for figures in found) / len(found)
        for key in ("turnover_annual", "exposure_mean", "time_in_market")
    ]
    turnover, exposure, inside = means
    if not turnover or not exposure or not inside:
        return None
    return Match(turnover=turnover, exposure=min(1.0, exposure), level=min(1.0, exposure / inside))


def specs(run_id: str) -> dict[str, RunSpec]:
    """Every baseline that the run can have now, by name; a random trader only when there is something to match."""
    spec = runs.store().run(run_id).spec
    found = {name: spec_of(spec, name) for name in offered(spec) if name != "random"}
    if how := match(run_id):
        found["random"] = spec_of(spec, "random", turnover=how.turnover, exposure=how.exposure, level=how.level)
    return {name: found[name] for name in BASELINES if name in found}


def fingerprints(run_id: str) -> dict[str, str]:
    """Name to the fingerprint of its spec, of every baseline that the run can have now; the run itself is none of them."""
    own = runs.store().run(run_id).fingerprint
    return {name: mark for name, spec in specs(run_id).items() if (mark := spec.fingerprint()) != own}


def of(run_id: str) -> dict[str, str]:
    """Name to run id of the baselines in the library, in their order; a complete one before an unfinished one, a newer before an older."""
    return {item.name: item.run for item in made(run_id)}


def made(run_id: str, wanted: Mapping[str, str] | None = None) -> list[Made]:
    """The baselines of a run with their states. ``wanted``: the ``fingerprints`` of the run, where somebody has them already."""
    wanted = fingerprints(run_id) if wanted is None else wanted
    rows = runs.store().with_fingerprints(wanted.values())
    found = []
    for name, mark in wanted.items():
        mine = [row for row in rows if row.fingerprint == mark]
        if mine:
            row = min(mine, key=lambda row: row.status != "done")  # newest first otherwise
            found.append(Made(name, row.id, runs.state(row), row.sessions_done, row.sessions_total, row.error))
    return found


# ------------------------------------------------------------------------------------------------------------------- making them


def plan(run_id: str, names: Sequence[str]) -> dict[str, int]:
    """Model calls that each of these baselines would take, at most; raises what stands in the way of one: SpecError, NoData, Unavailable."""
    calls, checked = {}, set()
    for name, spec in _chosen(run_id, names).items():
        kind = BASELINES[name].kind == "ablation"
        if kind or kind not in checked:  # rules ask the same data: once is enough
            found = runs.preflight(spec)
            runs.refuse(found)
            checked.add(kind)
        calls[name] = found.model_calls if kind else 0
    return calls


def add(run_id: str, names: Sequence[str], *, begin: Callable[[Sequence[str]], object] | None = None) -> list[str]:
    """Make these baselines of a run; the ids of the runs that begin or go on now, in order. What is there or under way is left as it is.

    They are queued at once and worked on one after another by one process that survives whoever asked, or by ``begin``.
    """
    there = {item.name: item for item in made(run_id)}
    missing = [name for name in _chosen(run_id, names) if name not in there or there[name].state in AGAIN]
    plan(run_id, missing)
    begun = []
    for name, spec in _chosen(run_id, missing).items():
        if name in there:
            runs.requeue(there[name].run)
            begun.append(there[name].run)
        else:
            begun.append(runs.create(spec))
    if begun:
        (begin or start)(begun)
    return begun


def _chosen(run_id: str, names: Sequence[str]) -> dict[str, RunSpec]:
    """Specs by name, in the order of ``BASELINES``. SpecError for a name that does not exist or cannot be had."""
    spec = runs.store().run(run_id).spec
    if wrong := [name for name in names if name not in BASELINES]:
        raise SpecError(unknown("baseline", wrong[0], BASELINES), field="baseline")
    possible, own = specs(run_id), runs.store().run(run_id).fingerprint
    for name in names:
        if name not in possible:
            spec_of(spec, name)  # says why
        elif possible[name].fingerprint() == own:
            raise SpecError(f"The run is itself the baseline {BASELINES[name].label!r}; choose another.", field="baseline")
    return {name: asked for name, asked in possible.items() if name in names}


def start(queued: Sequence[str]) -> int:
    """The process that works through queued runs, in a session of its own; returns its pid."""
    logs = settings().logs
    logs.mkdir(parents=True, exist_ok=True)
    with open(logs / "baselines.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.baseline_worker", *queued],
            cwd=ROOT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "1")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    runs.adopt(process)
    return process.pid


# ------------------------------------------------------------------------------------------------------------------- beside the run


FIGURES = ("cum_return", "sharpe", "max_drawdown", "turnover_annual", "exposure_mean")


def table(run_id: str, baselines: Mapping[str, str], whose: str = queries.TOTAL) -> pd.DataFrame:
    """One row each for the run, buy and hold, and ``baselines`` (name to run id): name, label, run, the FIGURES, and ``difference``.

    ``difference`` is the return of the run minus that of the row, a fraction. A baseline is measured over the days that the run has.
    """
    frame = queries.equity(run_id, whose)
    if frame.empty:
        return pd.DataFrame(columns=["name", "label", "run", *FIGURES, "difference"])
    own = _figures(run_id, frame, whose)
    rows: list[dict[str, Any]] = [
        {"name": "", "label": "This run", "run": run_id, **own},
    ]
    if "hold" not in baselines:
        rows.append({"name": "benchmark", "label": "Buy and hold", "run": "", **_benchmark(frame)})
    for name, other in baselines.items():
        theirs = queries.equity(other, whose)
        theirs = theirs[theirs["day"].isin(set(frame["day"]))].reset_index(drop=True)
        if len(theirs) == len(frame):
            rows.append({"name": name, "label": BASELINES[name].label, "run": other, **_figures(other, theirs, whose)})
    for row in rows:
        mine, yours = own["cum_return"], row["cum_return"]
        row["difference"] = None if row["name"] == "" or mine is None or yours is None else mine - yours
    return pd.DataFrame(rows)


def _figures(run_id: str, frame: pd.DataFrame, whose: str) -> dict[str, float | None]:
    fills = queries.fills(run_id, None if whose == queries.TOTAL else whose)
    fills = fills[fills["day"].isin(set(frame["day"]))] if not fills.empty else fills
    found = evaluate(frame["equity"].to_numpy(), weights=frame["weight"].to_numpy(), fills=fills)
    return {key: found.get(key) for key in FIGURES}


def _benchmark(frame: pd.DataFrame) -> dict[str, float | None]:
    """Turnover and exposure of the benchmark are not recorded; it buys once."""
    found = evaluate(frame["benchmark"].to_numpy())
    return {**dict.fromkeys(FIGURES), **{key: found.get(key) for key in ("cum_return", "sharpe", "max_drawdown")}}
