"""The process behind a run: ``python -m services.worker RUN``.

Every day is committed whole before the next begins; a kill at any moment loses at most the day in hand. Whatever ends a run is
written to its row in plain words; a bug is also raised, so that the log holds its traceback.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from agent.engine import HISTORY_BEFORE_START_DAYS, plan, trade
from agent.errors import LookAhead, RecollectError, SpecError
from agent.evaluation.leaks import Tally
from agent.llm.base import Chunk, Stopped
from agent.records import DayRecord
from services import queries, runs, trials
from services.settings import settings
from services.wiring import Hooks, Wired, provenance, source, wire
from storage.chroma_index import ChromaIndex, flush_outbox, reconcile
from storage.run_store import RunStore, Status
from storage.trials import ENDED

FLUSH_EVERY = 50  # records between two visits to the vector index
LIVE_EVERY_S = 0.25
OnRecord = Callable[[DayRecord, int, int], None]


class Pulse:
    """Signs of life from a thread of their own, so that a long model call does not look like death."""

    def __init__(self, store: RunStore, run: str) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, args=(store, run), daemon=True)

    def _beat(self, store: RunStore, run: str) -> None:
        while not self._stop.wait(settings().heartbeat_s):
            store.beat(run, pid=os.getpid())

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


class Live:
    """The answer while it is being written, for the Monitor page; at most a few writes a second."""

    def __init__(self, store: RunStore, run: str) -> None:
        self._store, self._run, self._last = store, run, 0.0
        self._key: tuple[str, date, str] | None = None
        self._text, self._thinking = "", ""

    def __call__(self, ticker: str, day: date, purpose: str, chunk: Chunk) -> None:
        if chunk.fresh or self._key != (ticker, day, purpose):
            self._key, self._text, self._thinking = (ticker, day, purpose), "", ""
        self._text += chunk.text
        self._thinking += chunk.thinking
        if time.monotonic() - self._last >= LIVE_EVERY_S:
            self._last = time.monotonic()
            body = {"ticker": ticker, "day": str(day), "purpose": purpose, "text": self._text, "thinking": self._thinking}
            self._store.set_live(self._run, {**body, "at": datetime.now(UTC).isoformat()})


class Known(Tally):
    """The leak report of the days so far, and what their answers cost. ``cost_usd``: None where no prices were given."""

    def __init__(self) -> None:
        super().__init__()
        self.cost_usd: float | None = None

    def add(self, record: DayRecord) -> None:
        super().add(record)
        for call in record.thought.calls:
            if call.completion is not None and "cost_usd" in call.completion.options and not call.completion.cached:
                self.cost_usd = (self.cost_usd or 0.0) + float(call.completion.options["cost_usd"])


def execute(run: str, *, on_record: OnRecord | None = None) -> Status:
    """Run (or go on with) a queued run to its end; returns the status it ended with."""
    store = runs.store()
    if not store.claim(run, os.getpid()):
        raise SpecError(f"run {run} is being worked on by another process", field="run")
    known = Known()
    try:
        with Pulse(store, run):
            status, error = _work(store, run, on_record, known)
    except Stopped:
        status, error = _stopped(store, run, known), ""
    except LookAhead as problem:
        known.stopped = str(problem)
        _sum_up(store, run, known)
        status, error = "failed", str(problem)
    except RecollectError as problem:
        status, error = "failed", str(problem)
    except KeyboardInterrupt:
        _sum_up(store, run, known)
        status, error = "paused", "stopped from the keyboard"
    except Exception as problem:
        store.set_status(run, "failed", error=f"{type(problem).__name__}: {problem} (a bug in Recollect; the log has its traceback)")
        raise
    store.ask(run, "")
    store.set_status(run, status, error=error)
    if status in ENDED:
        trials.enter(run)
    return status


def _work(store: RunStore, run: str, on_record: OnRecord | None, known: Known) -> tuple[Status, str]:
    spec = store.run(run).spec
    last = store.last_records(run)
    for record in store.records(run):  # of an interrupted run: the report is about all of it
        known.add(record)
    asked = _throttled(lambda: bool(store.asked(run)))
    before = store.run(run).provenance if last else {}
    wired = wire(spec, store=store, run=run, hooks=Hooks(on_chunk=Live(store, run), cancelled=asked), before=before)
    _same_experiment(store, run, provenance(spec, wired, before=before, cancelled=asked), wired, last=last)
    total = len(plan(spec, wired.calendar)) * len(spec.tickers)
    done = store.run(run).sessions_done
    store.beat(run, sessions_total=total)
    index = ChromaIndex(settings().chroma, run)
    reconcile(store, run, index)
    for record in trade(wired.market, spec, strategies=wired.strategies, calendar=wired.calendar, run=run, last=last):
        done += 1
        store.append(record, vectors=_vectors(wired, record))
        known.add(record)
        if on_record:
            on_record(record, done, total)
        if done % FLUSH_EVERY == 0:
            flush_outbox(store, run, index)
            _sum_up(store, run, known)
        if asked():
            raise Stopped
    flush_outbox(store, run, index)
    _same_models(store, run, wired)
    return _verdict(_sum_up(store, run, known))


def _sum_up(store: RunStore, run: str, known: Known) -> dict[str, Any]:
    """Keep the figures of the days so far, and what was known when; returns them."""
    report = known.report(undated=store.run(run).provenance.get("undated"))
    figures = {**queries.summary(store, run), "leaks": report.model_dump(mode="json", exclude_defaults=True)}
    if known.cost_usd is not None:
        figures["cost_usd"] = round(known.cost_usd, 9)
    store.set_summary(run, figures)
    return figures


def _vectors(wired: Wired, record: DayRecord) -> dict[int, Any]:
    born = [event.memory_id for event in record.thought.memory_events if event.kind == "remembered"]
    return dict(wired.strategies[record.ticker].vectors(born)) if born else {}


def _throttled(ask: Callable[[], bool], every_s: float = 0.2) -> Callable[[], bool]:
    """``ask`` at most every ``every_s`` seconds; once true it stays true."""
    state = {"at": 0.0, "answer": False}

    def answer() -> bool:
        if not state["answer"] and time.monotonic() - state["at"] >= every_s:
            state["at"], state["answer"] = time.monotonic(), ask()
        return bool(state["answer"])

    return answer


def _same_experiment(store: RunStore, run: str, now: dict[str, Any], wired: Wired, *, last: Mapping[str, DayRecord]) -> None:
    """A run is one experiment: going on with other prompts, or another model of the same name, would make it two.

    Other data too, where somebody can bring the old ones back. What a network source says changes by itself (late news, corrected
    bars) and cannot be brought back, so the run goes on, and says from where on and which of its days would now look different.
    """
    row = store.run(run)
    before, live = row.provenance, source(row.spec).network
    if not last or not before:
        store.set_provenance(run, {**now, **{key: before[key] for key in ("retries",) if key in before}})
        return
    for what, cure in (("data", "restore the data"), ("prompts", "restore the templates")):
        if before.get(what) != now.get(what) and not (what == "data" and live):
            raise SpecError(f"the {what} changed since run {run} began; {cure} or start a new run", field=what)
    for role in ("model", "helper"):
        old, new = (found.get(role, {}).get("digest", "") for found in (before, now))
        if old and new and old != new:
            raise SpecError(
                f"the {role} behind the name changed since run {run} began (digest {old[:12]} became {new[:12]}); start a new run",
                field=role,
            )
    before = _with_news_of_models(store, run, before, now, last)
    if live:
        changed = [_changed(store, run, wired, last)] if before.get("data") != now["data"] else []
        findings = list(dict.fromkeys([*before.get("issues", []), *now["issues"], *changed]))
        earlier = {"data_before": [*before.get("data_before", []), before.get("data")]} if changed else {}
        store.set_provenance(run, {**before, **earlier, "data": now["data"], "undated": now["undated"], "issues": findings})


def _same_models(store: RunStore, run: str, wired: Wired) -> None:
    """Warn where a model was swapped under its name while the run went on: servers answer to a name and do not say when it moves."""
    known = store.run(run).provenance
    warnings = []
    for role, asked in (("model", wired.backend), ("helper", wired.helper)):
        before, about = known.get(role, {}).get("digest", ""), asked.check().details.get("model") if asked is not None else None
        now = about.get("digest", "") if isinstance(about, Mapping) else ""
        if asked is not None and before and now and now != before:
            warnings.append(
                f"warning: The {role} behind the name {asked.model} changed while the run went on (digest {before[:12]} became {now[:12]}); "
                "which days the other one answered is not known."
            )
    if warnings:
        store.set_provenance(run, {**known, "issues": [*known.get("issues", []), *warnings]})


def _with_news_of_models(
    store: RunStore, run: str, before: dict[str, Any], now: dict[str, Any], last: Mapping[str, DayRecord]
) -> dict[str, Any]:
    """What is different about a model since the run stood still, such as a shorter window, is kept with what was noted at first."""
    day, told = max(record.day for record in last.values()), {}
    for role in ("model", "helper"):
        noted = before.get(role, {}).get("notes", [])
        if new := [note for note in now.get(role, {}).get("notes", []) if not any(note in old for old in noted)]:
            told[role] = {**before[role], "notes": [*noted, *(f"After {day}: {note}" for note in new)]}
    if told:
        store.set_provenance(run, {**before, **told})
    return {**before, **told}


def _changed(store: RunStore, run: str, wired: Wired, last: Mapping[str, DayRecord]) -> str:
    """The warning of a run that goes on with other data: after which day, and which of its recorded days would be other ones now."""
    other: list[str] = []
    read_until: dict[str, datetime] = {}
    count = 0
    for record in store.records(run):
        seen, view = record.observation, wired.market.view(record.observation.cutoff)
        since = read_until.get(record.ticker, seen.cutoff - timedelta(days=HISTORY_BEFORE_START_DAYS))
        told = (view.bar(record.ticker, record.day), view.split(record.ticker, record.day), view.dividend(record.ticker, record.day))
        texts = (view.news(record.ticker, since), view.filings(record.ticker, since))
        if (told, texts) != ((seen.bar, seen.split, seen.dividend), (seen.news, seen.filings)):
            other.append(f"{record.ticker} {record.day}")
        read_until[record.ticker], count = seen.cutoff, count + 1
    day = max(record.day for record in last.values())
    message = f"warning: The source changed its data while the run stood still; after {day} it went on with the newer ones. "
    if not other:
        return f"{message}None of the {count} days recorded before would look different."
    shown = ", ".join(other[:5]) + (f" and {len(other) - 5} more" if len(other) > 5 else "")
    return f"{message}Of the {count} days recorded before, {len(other)} would look different now: {shown}."


def _verdict(figures: dict[str, Any]) -> tuple[Status, str]:
    coverage = figures.get("coverage")
    if coverage is not None and coverage < queries.ENOUGH_COVERAGE:
        return "failed", (
            f"the model gave a usable decision on {coverage:.0%} of the test days; at least {queries.ENOUGH_COVERAGE:.0%} are needed. "
            f"Most often: {figures.get('abstained_mostly', '')[:300].rstrip('. ')}. All days are kept for inspection, but the figures are no result."
        )
    return "done", ""


def _stopped(store: RunStore, run: str, known: Known) -> Status:
    _sum_up(store, run, known)
    return "cancelled" if store.asked(run) == "cancel" else "paused"


def main(argv: list[str] | None = None) -> int:
    run = (argv or sys.argv[1:])[0]
    status = execute(run)
    print(f"run {run}: {status}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
