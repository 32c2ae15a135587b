"""Run a recorded run again from its own answers, without any server, and compare every day with what was recorded.

Equal to the last digit means: data, prompts, memory, decisions and money follow from the spec, the data and the answers alone. The first
day that differs is named with the field, because everything after it may differ for that reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from agent.engine import trade
from agent.errors import SpecError
from agent.llm.recorded import NotAsked, RecordedBackend
from agent.records import DayRecord
from services import queries, runs
from services.wiring import settle, wire
from storage.run_store import RunStore

OnDay = Callable[[int, int], None]


@dataclass(frozen=True)
class Replay:
    """``equal`` of ``days`` records came out the same; ``difference`` says where the first one did not."""

    run: str
    days: int
    equal: int
    difference: str = ""

    @property
    def same(self) -> bool:
        return not self.difference


def replay(run: str, *, on_day: OnDay | None = None, store: RunStore | None = None) -> Replay:
    """Every recorded day once more. Nothing is written. SpecError where no day is recorded."""
    store = store or runs.store()
    view = queries.run(run)
    recorded = list(store.records(run))
    if not recorded:
        raise SpecError(f"run {run} has no recorded day to replay", field="run")
    calls = [call for record in recorded for call in record.thought.calls]
    names = {"decision": view.provenance.get("backend", {}), "helper": view.provenance.get("helper", {})}
    answers = {role: RecordedBackend(calls, label=view.model_label, model=str(known.get("model", ""))) for role, known in names.items()}
    wired = wire(view.spec, answers=answers, before=view.provenance)
    settle(view.spec, wired, before=view.provenance)
    fresh = trade(wired.market, view.spec, strategies=wired.strategies, calendar=wired.calendar, run=run)
    equal = 0
    for number, (old, new) in enumerate(zip_longest(_in_order(recorded, view.spec.tickers), _guarded(fresh, len(recorded))), 1):
        if isinstance(new, str) or old is None or new is None:
            where = f"{old.ticker} {old.day}" if old else "the end"
            return Replay(run, len(recorded), equal, f"{where}: {new or 'the day is not there any more'}")
        if difference := _difference(_plain(old), _plain(new)):
            return Replay(run, len(recorded), equal, f"{old.ticker} {old.day}: {difference}")
        equal += 1
        if on_day:
            on_day(number, len(recorded))
    return Replay(run, len(recorded), equal)


def _in_order(records: list[DayRecord], tickers: tuple[str, ...]) -> list[DayRecord]:
    """As the engine yields them: by session, then in the order of the spec's tickers."""
    places = {ticker: place for place, ticker in enumerate(tickers)}
    return sorted(records, key=lambda record: (record.day, places[record.ticker]))


def _guarded(fresh: Iterator[DayRecord], most: int) -> Iterator[DayRecord | str]:
    """At most as many days as were recorded; a question that was never put ends it with its sentence."""
    for _ in range(most):
        try:
            yield next(fresh)
        except StopIteration:
            return
        except NotAsked as error:
            yield str(error)
            return


def _plain(record: DayRecord) -> dict[str, Any]:
    """A record without the wall clock."""
    return record.model_dump(mode="json", exclude={"run": True, "ms": True, "thought": {"calls": {"__all__": {"ms"}}}})


def _difference(old: Any, new: Any, where: str = "") -> str:
    """The first place where two plain values differ; empty where they are equal."""
    if old == new:
        return ""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if found := _difference(old.get(key), new.get(key), f"{where}.{key}" if where else key):
                return found
    if isinstance(old, list) and isinstance(new, list):
        for place, (left, right) in enumerate(zip_longest(old, new)):
            if found := _difference(left, right, f"{where}[{place}]"):
                return found
    return f"{where} was {_short(old)}, is {_short(new)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
