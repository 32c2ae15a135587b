"""What a batch would be before it is one: runs, sessions, model calls, time and cost, and whatever stands in its way.

Promise: nothing is guessed. Time and tokens come from recorded days of earlier runs with the same model; where there are none the plan
says so instead of a number. What is the same for several runs (a market, a model) is looked at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.records import Record
from agent.spec import RunSpec
from agent.strategies import STRATEGIES
from services import runs
from services.batch_spec import BatchSpec, Cell, check_limits, limits_of
from services.drafts import MEASURED_DAYS
from services.runs import Check, Preflight

LEAST_DAYS = 5  # recorded days that make up a pace


@dataclass(frozen=True)
class Pace:
    """Means per recorded day and ticker of an earlier run with the same model."""

    seconds: float
    prompt_tokens: float
    answer_tokens: float
    run: str


class Lane(Record):
    """Runs that wait for each other: those under the same limits."""

    under: str
    runs: int
    at_once: int


class BatchPlan(Record):
    """The whole batch in figures. ``seconds`` and ``cost_usd`` are None where they are not known, and ``time`` and ``cost`` say why."""

    runs: int
    configurations: int
    sessions: int
    model_calls: int
    seconds: float | None
    time: str
    cost_usd: float | None
    cost: str
    lanes: tuple[Lane, ...]
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok or check.severity != "error" for check in self.checks)


def plan(asked: BatchSpec, cells: Sequence[Cell]) -> BatchPlan:
    """The plan of an expanded batch. SpecError or NoData for what makes no sense at all; what merely stands in the way is among the checks."""
    check_limits(asked, tuple(cells))
    found = _preflights(cells)
    sizes = [found[_market(cell.spec)] for cell in cells]
    paces = _paces(cells)
    sessions = [(size.sessions_train + size.sessions_test) * len(cell.spec.tickers) for size, cell in zip(sizes, cells, strict=True)]
    lanes = _lanes(asked, cells)
    seconds, time = _time(asked, cells, sessions, paces)
    cost_usd, cost = _cost(cells, sessions, paces)
    checks = list(dict.fromkeys(check for preflight in found.values() for check in preflight.checks))
    return BatchPlan(
        runs=len(cells),
        configurations=len({cell.labels["group"] for cell in cells}),
        sessions=sum(sessions),
        model_calls=sum(size.model_calls for size in sizes),
        seconds=seconds,
        time=time,
        cost_usd=cost_usd,
        cost=cost,
        lanes=lanes,
        checks=tuple(checks),
    )


# ------------------------------------------------------------------------------------------------------- what is looked at once


def _market(spec: RunSpec) -> str:
    """Runs alike in this have the same sessions, calls and data; the model is left out."""
    return _hash(spec, "name", "seed", "profile", "backend", "backend_options", "helper", "answer_cache", "prompts", "preset", "memory")


def _asking(spec: RunSpec) -> str:
    """Runs alike in this ask the same servers, templates and embedder."""
    return _hash(
        spec, "name", "seed", "profile", "source", "source_options", "parts", "tickers", "train", "test", "execution", "preset", "memory"
    ) + (f"{spec.memory.embedder}{spec.memory.embedder_options}")


def _hash(spec: RunSpec, *but: str) -> str:
    return spec.model_dump_json(exclude=set(but))


def _preflights(cells: Sequence[Cell]) -> dict[str, Preflight]:
    """Market -> preflight; of every market and of everything that is asked at least one run is looked at."""
    found: dict[str, Preflight] = {}
    asked: set[str] = set()
    for cell in cells:
        market, asking = _market(cell.spec), _asking(cell.spec)
        if market in found and asking in asked:
            continue
        asked.add(asking)
        seen = runs.preflight(cell.spec)
        before = found.get(market)
        found[market] = seen if before is None else before.model_copy(update={"checks": (*before.checks, *seen.checks)})
    return found


def _who(spec: RunSpec) -> tuple[Any, ...]:
    asks = STRATEGIES.load(spec.strategy).needs_model
    model = spec.backend_options.get("model") if asks else None
    return (spec.strategy, spec.backend if asks else "", model, spec.memory.embedder if asks else "")


def _paces(cells: Sequence[Cell]) -> dict[tuple[Any, ...], Pace]:
    """Who decides -> pace of the newest earlier run with the same; those that were never measured are left out."""
    wanted, found = {_who(cell.spec) for cell in cells}, {}
    for row in runs.store().runs():
        if not wanted:
            break
        if row.sessions_done < LEAST_DAYS or not any((row.strategy, row.backend) == (one[0], one[1] or row.backend) for one in wanted):
            continue
        who = _who(row.spec)
        if who not in wanted:
            continue
        days = runs.store().day_rows(row.id, columns=["ms", "model_ms", "cached", "prompt_tokens", "answer_tokens"])
        fresh = days[days["cached"] == 0]  # an answer from the cache says nothing about the model's pace
        days = (fresh if len(fresh) else days).tail(MEASURED_DAYS)
        mean = days.mean()
        found[who] = Pace((mean["ms"] + mean["model_ms"]) / 1000, mean["prompt_tokens"], mean["answer_tokens"], row.id)
        wanted.discard(who)
    return found


# ------------------------------------------------------------------------------------------------------------- time and money


def _lanes(asked: BatchSpec, cells: Sequence[Cell]) -> tuple[Lane, ...]:
    counted: dict[tuple[tuple[str, int], ...], int] = {}
    for cell in cells:
        under = tuple(sorted(limits_of(cell.spec, asked.limits).items()))
        counted[under] = counted.get(under, 0) + 1
    return tuple(
        Lane(under=" and ".join(key for key, _ in under), runs=count, at_once=min(most for _, most in under))
        for under, count in counted.items()
    )


def _time(asked: BatchSpec, cells: Sequence[Cell], sessions: Sequence[int], paces: dict[tuple[Any, ...], Pace]) -> tuple[float | None, str]:
    """Seconds until the last run is done: each limit's runs one after another, as many at once as it allows."""
    missing = sorted({str(cell.labels["model"]) for cell in cells if _who(cell.spec) not in paces})
    if missing:
        return None, f"not known: no earlier run of {_list(missing)} has recorded days to measure"
    loads: dict[tuple[tuple[str, int], ...], list[float]] = {}
    for cell, days in zip(cells, sessions, strict=True):
        under = tuple(sorted(limits_of(cell.spec, asked.limits).items()))
        loads.setdefault(under, []).append(days * paces[_who(cell.spec)].seconds)
    longest = max(max(sum(load) / min(most for _, most in under), *load, 0.0) for under, load in loads.items())
    used = sorted({pace.run for pace in paces.values()})
    return (
        longest,
        f"at the pace of {'run' if len(used) == 1 else 'runs'} {_list(used)}, if runs at the same time do not slow each other down",
    )


def _cost(cells: Sequence[Cell], sessions: Sequence[int], paces: dict[tuple[Any, ...], Pace]) -> tuple[float | None, str]:
    """US dollars by the prices among the models' options and the tokens of earlier days."""
    priced = [(cell, days) for cell, days in zip(cells, sessions, strict=True) if _prices(cell.spec) is not None]
    if not priced:
        return None, "no prices are given among the models' options (price_in, price_out)"
    missing = sorted({str(cell.labels["model"]) for cell, _ in priced if _who(cell.spec) not in paces})
    if missing:
        return None, f"not known: no earlier run of {_list(missing)} has counted tokens"
    total = 0.0
    for cell, days in priced:
        pace, (paid_in, paid_out) = paces[_who(cell.spec)], _prices(cell.spec) or (0.0, 0.0)
        total += days * (pace.prompt_tokens * paid_in + pace.answer_tokens * paid_out) / 1e6
    free = len(cells) - len(priced)
    rest = f"; {free} of {len(cells)} runs have no price and count as free" if free else ""
    helper = "; a second model's tokens are counted at the first one's price" if any(cell.spec.helper for cell, _ in priced) else ""
    return total, f"by the given prices and the tokens of earlier days{rest}{helper}"


def _prices(spec: RunSpec) -> tuple[float, float] | None:
    """Dollars per million tokens of question and answer, None where neither is given or no model is asked."""
    paid_in, paid_out = spec.backend_options.get("price_in"), spec.backend_options.get("price_out")
    if not STRATEGIES.load(spec.strategy).needs_model or (paid_in is None and paid_out is None):
        return None
    return float(paid_in or 0.0), float(paid_out or 0.0)


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
