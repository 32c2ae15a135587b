"""What a person can do with runs: check, submit, pause, resume, cancel, duplicate, delete.

A run is a subprocess (``python -m services.worker RUN``) in a session of its own: it survives reruns of a page, a closed tab and a
restarted server. Status lives in the run store, never in the process that asked for the run.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import psutil
from pydantic import Field

from agent.decision.digest import summaries
from agent.engine import HISTORY_BEFORE_START_DAYS, plan
from agent.errors import NoData, RecollectError, SpecError, Unavailable
from agent.llm.base import Backend
from agent.market.sessions import Calendar, Session
from agent.market.view import Market
from agent.records import Record
from agent.registry import unknown
from agent.spec import RunSpec
from agent.strategies import STRATEGIES
from services import prompts, wiring
from services.settings import ROOT, Settings, settings
from storage.run_store import Request, RunRow, RunStore

if TYPE_CHECKING:
    import pandas as pd

ACTIVE = ("queued", "running")


class Check(Record):
    """One line of the preflight."""

    what: str
    ok: bool
    message: str
    severity: Literal["error", "warning", "info"] = "error"
    field: str = ""
    outside: bool = Field(False, description="the cause lies outside what was asked: a server, a folder")


class Preflight(Record):
    """What a run would be, and whether it can start."""

    sessions_train: int
    sessions_test: int
    model_calls: int
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok or check.severity != "error" for check in self.checks)


@lru_cache(maxsize=4)
def _store(url: str) -> RunStore:
    return RunStore(url)


def store(where: Settings | None = None) -> RunStore:
    """The run store of this process."""
    return _store((where or settings()).store_url)


# ------------------------------------------------------------------------------------------------------------------ before


def preflight(spec: RunSpec) -> Preflight:
    """Everything that can be known before the first model call. Raises SpecError/NoData only for what makes no sense at all."""
    when = wiring.calendar(spec)
    sessions = plan(spec, when)
    test = sum(phase == "test" for phase, _ in sessions)
    train = len(sessions) - test
    needs_model = wiring.needs_model(spec)
    calls = len(spec.tickers) * questions(spec, train=train, test=test)
    loaded: list[Market] = []
    checks = list(_checks(spec, when, needs_model, loaded))
    if calls and spec.digest.mode == "model" and spec.strategy_options.get("recall") != "none":  # nothing is kept: nothing is shortened
        calls += sum(_digests(spec, market, [session for _, session in sessions]) for market in loaded)
    return Preflight(sessions_train=train, sessions_test=test, model_calls=calls, checks=tuple(checks))


def questions(spec: RunSpec, *, train: int, test: int) -> int:
    """Questions about one ticker over so many sessions, at most; digests and repeated questions come on top."""
    plug = STRATEGIES.load(spec.strategy)
    wiring.options(spec.strategy, plug, spec.strategy_options)
    return int(getattr(plug, "questions", lambda spec, train, test: 0)(spec, train=train, test=test))


def _digests(spec: RunSpec, market: Market, sessions: Sequence[Session]) -> int:
    """How many summaries the texts of a run ask for: a first session reads the year before it, which can be most of them."""
    count, since = 0, sessions[0].close_at - timedelta(days=HISTORY_BEFORE_START_DAYS)
    for session in sessions:
        view = market.view(session.close_at)
        count += sum(summaries(view.news(t, since), view.filings(t, since), spec.digest) for t in spec.tickers)
        since = session.close_at
    return count


def _checks(spec: RunSpec, when: Calendar, needs_model: bool, loaded: list[Market]) -> Iterator[Check]:
    """``loaded`` takes the market, where there is one."""
    try:
        market = wiring.market(spec, when)
    except (SpecError, NoData) as error:
        yield Check(what="data", ok=False, message=str(error), field=getattr(error, "field", ""))
        return
    except Unavailable as error:
        yield Check(what="data", ok=False, message=str(error), field="source", outside=True)
        return
    loaded.append(market)
    yield Check(what="data", ok=True, message=_holdings(market))
    if market.note:
        yield Check(what="data", ok=True, message=market.note, severity="info")
    yield from (Check(what="data", ok=issue.severity != "error", message=issue.message, severity=issue.severity) for issue in market.issues)
    yield from _unpriced(spec, market)
    yield from _unfinished(spec, market, when)
    if spec.execution.fill == "same_close":
        yield Check(
            what="fills", ok=False, severity="warning", message="same_close is optimistic: it trades at the price the decision was made on"
        )
    if needs_model:
        yield _model_check("model", "backend", lambda: wiring.backend(spec))
        if spec.helper is not None:
            yield _model_check("helper model", "helper", lambda: wiring.helper(spec))
        yield from _same_model_twice(spec)
        yield _prompts_check(spec)
        yield from _masking_check(spec, market)
        yield _embedder_check(spec)


def _unpriced(spec: RunSpec, market: Market) -> Iterator[Check]:
    """A ticker that cannot be traded on one single test day would end as a run that "made" 0 %."""
    for ticker, tape in market.tapes.items():
        if not any(spec.test.start <= bar.day <= spec.test.end for bar in tape.bars):
            message = (
                f"{ticker} has no price in the test window {spec.test.start}..{spec.test.end}; "
                f"its prices run from {tape.bars[0].day} to {tape.bars[-1].day}."
            )
            yield Check(what="data", ok=False, message=message, field="test")


def _unfinished(spec: RunSpec, market: Market, when: Calendar) -> Iterator[Check]:
    """A window that reaches past the last completed session would trade days whose prices do not exist yet."""
    done = when.last_closed(datetime.now(UTC))
    if done is None or spec.test.end < when.next_session(done.day).day:  # days off after the last session hold nothing to trade
        return
    if any((done.day - tape.bars[-1].day).days < 7 for tape in market.tapes.values()):
        message = f"The test window ends on {spec.test.end}; the last completed session of {when.exchange} is {done.day}. End it there."
        yield Check(what="data", ok=False, message=message, field="test")


def _holdings(market: Market) -> str:
    """What the source has for the run, in counts."""
    parts = [f"{name} {len(t.bars)} bars, {len(t.news)} news, {len(t.filings)} filing sections" for name, t in market.tapes.items()]
    return "; ".join(parts)


def _model_check(what: str, field: str, make: Callable[[], Backend | None]) -> Check:
    try:
        made = make()
    except RecollectError as error:
        return Check(what=what, ok=False, message=str(error), field=field, outside=isinstance(error, Unavailable))
    assert made is not None, "asked only where there is one"
    health = made.check()
    return Check(what=what, ok=health.ok, message=f"{health.message} {health.cure}".strip(), field=field, outside=True)


def _same_model_twice(spec: RunSpec) -> Iterator[Check]:
    """Ollama loads a model anew whenever its window changes: one model in two windows would be loaded twice a day."""
    helper = spec.helper
    if helper is None or helper.backend != "ollama" or spec.backend != "ollama":
        return
    one, other = spec.backend_options, helper.options
    if any(one.get(key) != other.get(key) for key in ("model", "base_url")):
        return
    if any(one.get(key) != other.get(key) for key in ("num_ctx", "num_predict", "think", "structured")):
        message = (
            "The second model is the first one with other options: where their windows differ, Ollama loads it anew at every change. "
            "Set the same num_ctx for both."
        )
        yield Check(what="helper model", ok=False, message=message, severity="warning", field="helper")


def _prompts_check(spec: RunSpec) -> Check:
    try:
        found = prompts.get(spec.prompts)
    except RecollectError as error:
        return Check(what="prompts", ok=False, message=str(error), field="prompts")
    return Check(what="prompts", ok=True, message=f"prompt set {found.name}, hash {found.hash}")


def _masking_check(spec: RunSpec, market: Market) -> Iterator[Check]:
    """An alias that cannot be hidden stops the run here, not in its worker."""
    if not spec.masking.on:
        return
    try:
        wiring.mask_of(spec, market)
    except SpecError as error:
        yield Check(what="masking", ok=False, message=str(error), field="masking.aliases")
        return
    hidden = [name for name in ("names", "dates", "prices") if getattr(spec.masking, name)]
    yield Check(what="masking", ok=True, message=f"hidden from the model: {', '.join(hidden)}")


def _embedder_check(spec: RunSpec) -> Check:
    try:
        wiring.embedder_ready(spec)
    except RecollectError as error:
        return Check(what="embedder", ok=False, message=str(error), field="memory.embedder", outside=isinstance(error, Unavailable))
    return Check(what="embedder", ok=True, message=f"{spec.memory.embedder} is there")


# ----------------------------------------------------------------------------------------------------------------- running


def create(spec: RunSpec, *, run: str = "") -> str:
    """A queued run in the store, with this id or a new one; nothing runs yet."""
    run = run or f"r{secrets.token_hex(4)}"
    store().create(spec, run_id=run, provenance={})
    return run


def refuse(found: Preflight) -> None:
    """Raise for the first check that makes the run impossible: Unavailable for what is outside, SpecError for what was asked."""
    for check in found.checks:
        if not check.ok and check.severity == "error":
            if check.outside:
                raise Unavailable(check.message)
            raise SpecError(check.message, field=check.field)


def submit(spec: RunSpec, *, run: str = "") -> str:
    """Create a run, with this id or a new one, and start its worker."""
    refuse(preflight(spec))
    run = create(spec, run=run)
    start_worker(run)
    return run


def start_worker(run: str) -> int:
    """The worker as a process of its own session, its words in its own log; returns its pid."""
    logs = settings().logs
    logs.mkdir(parents=True, exist_ok=True)
    with open(logs / f"{run}.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.worker", run],
            cwd=ROOT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "1")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children.append(process)
    return process.pid


_children: list[subprocess.Popen] = []  # kept so that ended workers can be reaped


def adopt(process: subprocess.Popen) -> None:
    """Another process that this one started and ``reap`` is to collect."""
    _children.append(process)


def reap() -> None:
    """Collect ended workers that this process started, so that none stays a zombie that looks alive."""
    _children[:] = [child for child in _children if child.poll() is None]


def alive(row: RunRow) -> bool:
    """Whether a worker is at work on the run: its process lives and gives signs of life."""
    reap()
    if row.status not in ACTIVE or row.pid is None:
        return False
    if row.host == os.uname().nodename and not (psutil.pid_exists(row.pid) and psutil.Process(row.pid).status() != psutil.STATUS_ZOMBIE):
        return False
    return row.heartbeat_at is not None and (datetime.now(UTC) - row.heartbeat_at).total_seconds() < settings().stale_after_s


def state(row: RunRow) -> str:
    """The status people see: a run that should be running but shows no life is ``interrupted``."""
    if row.status == "running" and not alive(row):
        return "interrupted"
    if row.status == "queued" and (datetime.now(UTC) - row.updated_at).total_seconds() > settings().stale_after_s:
        return "interrupted"
    return row.status


def pause(run: str) -> None:
    """Stop after the day in hand; can be resumed."""
    _ask(run, "pause")


def cancel(run: str) -> None:
    """Stop for good; what was recorded stays."""
    row = store().run(run)
    if row.status in ("done", "failed", "cancelled"):
        raise SpecError(f"run {run} has already ended ({row.status})", field="run")
    if state(row) in ("interrupted", "paused", "queued"):
        store().set_status(run, "cancelled")
    else:
        _ask(run, "cancel")


def _ask(run: str, what: Request) -> None:
    row = store().run(run)
    if not alive(row):
        raise SpecError(f"run {run} is not running ({state(row)})", field="run")
    store().ask(run, what)


def may_resume(run: str, spec: RunSpec | None = None) -> RunRow:
    """The row of a run that can go on; SpecError if it cannot, or if ``spec`` is not the one it was started with."""
    row = store().run(run)
    if alive(row):
        raise SpecError(f"run {run} is running already", field="run")
    if row.status == "done":
        raise SpecError(f"run {run} is complete; there is nothing to resume", field="run")
    if spec is not None and spec.fingerprint() != row.fingerprint:
        raise SpecError(f"run {run} was started with another spec; resume it with its own or start a new run", field="spec")
    return row


def resume(run: str, spec: RunSpec | None = None) -> None:
    """Go on where the last complete day ended."""
    may_resume(run, spec)
    requeue(run)
    start_worker(run)


def undecided(run: str) -> pd.DataFrame:
    """Days that could have been decided (or studied) and were not: ticker, day, phase, abstained (why); oldest first.

    A day without a price is none of them: there is nothing to ask again.
    """
    return store().day_rows(run, columns=["ticker", "day", "phase", "abstained"], having=["close", "abstained"])


def discarded_by_retry(run: str, day: date) -> int:
    """Recorded days of all tickers that asking a day again costs: it and everything that came after it."""
    return int((store().day_rows(run, columns=["day"])["day"] >= day).sum())


def retry(run: str, ticker: str, day: date) -> int:
    """Ask a day without a decision again: it and all later days are discarded, and the run goes on from there. Returns how many were."""
    gone = take_back(run, ticker, day)
    start_worker(run)
    return gone


def take_back(run: str, ticker: str, day: date) -> int:
    """Discard a day without a decision and all later ones, and queue the run; a worker has still to be started.

    Only such a day can be asked again: repeating a day whose answer one does not like would be choosing the result. What was done
    stands in the run's provenance.
    """
    row = store().run(run)
    if alive(row):
        raise SpecError(f"run {run} is running; pause or cancel it before a day is asked again", field="run")
    missed = undecided(run)
    chosen = missed[(missed["ticker"] == ticker) & (missed["day"] == day)]
    if chosen.empty:
        raise SpecError(
            f"{ticker} {day} of run {run} has a decision, or is not recorded; only a day without one can be asked again", field="day"
        )
    gone = store().rewind(run, day)
    reason = str(chosen["abstained"].iloc[0])[:300].rstrip(". ")
    told = (
        f"{ticker} {day} had no decision ({reason}). On {datetime.now(UTC):%Y-%m-%d %H:%M} UTC it was asked again; "
        f"{gone} recorded days from then on were discarded and traded anew."
    )
    store().set_provenance(run, {**row.provenance, "retries": [*row.provenance.get("retries", []), told]})
    requeue(run)
    return gone


def requeue(run: str) -> None:
    """Back into the queue, earlier wishes forgotten."""
    store().ask(run, "")
    store().set_status(run, "queued")


def belongings(run: str) -> dict[str, int]:
    """What ``delete`` would remove, in words and counts."""
    from services import annotations as written  # which stands on the run store of this module

    row, keeper = store().run(run), store()
    vectors, kinds = settings().chroma / run, [item.kind for item in written.of_run(run)]
    found = {
        "recorded days with prompts, answers and trades": row.sessions_done,
        "memories": sum(len(keeper.memory_ids(run, ticker)) for ticker in row.tickers),
        "memory events": sum(len(keeper.event_rows(run, ticker, columns=["seq"])) for ticker in row.tickers),
        "files of the vector index": sum(path.is_file() for path in vectors.rglob("*")) if vectors.exists() else 0,
        "lines of the worker's log": len(log_tail(run, 10_000_000).splitlines()),
        "notes": kinds.count("note"),
        "tags": kinds.count("tag"),
        "bookmarks": kinds.count("bookmark"),
    }
    return {what: count for what, count in found.items() if count}


def delete(run: str) -> None:
    """Remove a run with everything that belongs to it: records, memories, vectors, log, swaps. That it was tried stays known (``services.trials``)."""
    from services import swap, trials  # which stand on the run store of this module
    from storage.chroma_index import remove

    row = store().run(run)
    if alive(row):
        raise SpecError(f"run {run} is running; cancel it before deleting", field="run")
    trials.enter(run)
    store().delete(run)
    remove(settings().chroma, run)
    (settings().logs / f"{run}.log").unlink(missing_ok=True)
    swap.forget(run)


def wait(run: str, timeout_s: float = 3600) -> str:
    """Block until the run has ended or stands still; returns its state."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = state(store().run(run))
        if found not in ACTIVE:
            return found
        time.sleep(0.2)
    raise Unavailable(f"run {run} did not end within {timeout_s:.0f} s.", cure="Look at its log.")


def find(prefix: str) -> RunRow:
    """A run by its id or by an unambiguous beginning of it."""
    rows = store().runs()
    exact = [row for row in rows if row.id == prefix]
    matches = exact or [row for row in rows if row.id.startswith(prefix)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise SpecError(f"{prefix!r} fits several runs: {', '.join(row.id for row in matches)}", field="run")
    raise SpecError(
        unknown("run", prefix, [row.id for row in rows]) if rows else f"There is no run {prefix!r}; the library is empty.", field="run"
    )


def log_tail(run: str, characters: int = 4000) -> str:
    path = settings().logs / f"{run}.log"
    return path.read_text(encoding="utf-8", errors="replace")[-characters:] if path.exists() else ""
