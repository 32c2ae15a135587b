"""What a person can do with batches: plan, start, pause, resume, cancel, try failed runs again, delete, and look at the results.

A batch is a list of runs fixed before the first starts, and one process (``python -m services.batch_worker BATCH``) that keeps as many
of them at work as the limits allow. Every run is an ordinary run of the library. Killed at any moment and resumed, a batch ends with
the same runs: none twice, none missing.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from statistics import median
from typing import TYPE_CHECKING, Any

from agent.errors import SpecError
from agent.registry import unknown
from services import batch_spec, queries, runs
from services.batch_spec import BatchSpec, Cell
from services.settings import ROOT, settings
from storage.batches import Batches, BatchRow, Member, NewMember
from storage.run_store import RunRow
from storage.run_store import alive as process_alive

if TYPE_CHECKING:
    import pandas as pd

WAITING, DELETED = "waiting", "deleted"
OVER = ("done", "failed", "cancelled", DELETED)
TO_DO = (WAITING, "queued", "interrupted", "paused")
ORDER = ("running", "queued", "interrupted", "paused", WAITING, "failed", "cancelled", DELETED, "done")  # in which states are told
FIGURES = ("return", "benchmark", "excess", "sharpe", "max_drawdown")


@dataclass(frozen=True)
class Entry:
    """A member of a batch with the run it has become, if it has."""

    member: Member
    state: str
    row: RunRow | None


@dataclass(frozen=True)
class BatchView:
    """One batch as a page shows it."""

    row: BatchRow
    state: str
    entries: tuple[Entry, ...]

    @property
    def counts(self) -> dict[str, int]:
        """State -> how many runs, in a fixed order."""
        found = Counter(entry.state for entry in self.entries)
        return {state: found[state] for state in ORDER if found[state]}

    @property
    def share(self) -> float:
        """How much of the work is done, in recorded days where their number is known; runs that are over count whole."""
        parts = [_share(entry) for entry in self.entries]
        return sum(parts) / len(parts) if parts else 1.0

    @property
    def name(self) -> str:
        return self.row.name or f"Batch {self.row.id}"


def _share(entry: Entry) -> float:
    if entry.state in OVER:
        return 1.0
    row = entry.row
    return min(1.0, row.sessions_done / row.sessions_total) if row is not None and row.sessions_total else 0.0


@lru_cache(maxsize=4)
def _book(url: str) -> Batches:
    return Batches(url)


def book() -> Batches:
    """The batches in the run store of this process."""
    return _book(runs.store().url)


# ------------------------------------------------------------------------------------------------------------------- starting


def create(asked: BatchSpec, cells: Sequence[Cell] | None = None, *, batch: str = "") -> str:
    """The batch in the store, every run with its id; nothing runs yet."""
    found = tuple(cells) if cells is not None else batch_spec.expand(asked)
    batch_spec.check_limits(asked, found)
    batch = batch or f"b{secrets.token_hex(4)}"
    members = [NewMember(f"r{secrets.token_hex(4)}", cell.spec, cell.labels) for cell in found]
    book().create(batch, name=asked.name, asked=asked.model_dump(mode="json"), members=members)
    return batch


def submit(asked: BatchSpec, cells: Sequence[Cell] | None = None, *, batch: str = "") -> str:
    """Create a batch, with this id or a new one, and start its worker."""
    batch = create(asked, cells, batch=batch)
    start_worker(batch)
    return batch


def start_worker(batch: str) -> int:
    """The batch's worker as a process in a session of its own; returns its pid."""
    settings().logs.mkdir(parents=True, exist_ok=True)
    with open(settings().logs / f"{batch}.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.batch_worker", batch],
            cwd=ROOT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "1")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    runs.adopt(process)
    return process.pid


# -------------------------------------------------------------------------------------------------------------------- looking


def rows() -> list[BatchRow]:
    """All batches, newest first."""
    return book().batches()


def find(prefix: str) -> BatchRow:
    """A batch by its id or by an unambiguous beginning of it."""
    found = rows()
    matches = [row for row in found if row.id == prefix] or [row for row in found if row.id.startswith(prefix)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise SpecError(f"{prefix!r} fits several batches: {', '.join(row.id for row in matches)}", field="batch")
    message = unknown("batch", prefix, [row.id for row in found]) if found else f"There is no batch {prefix!r}; there are none yet."
    raise SpecError(message, field="batch")


def alive(row: BatchRow) -> bool:
    """Whether a worker is at the batch."""
    runs.reap()
    if row.status != "running" or row.pid is None or row.heartbeat_at is None:
        return False
    if row.host == os.uname().nodename and not process_alive(row.pid):
        return False
    return (datetime.now(UTC) - row.heartbeat_at).total_seconds() < settings().stale_after_s


def state(row: BatchRow) -> str:
    """The status people see: a batch that should be worked on but shows no life is ``interrupted``."""
    if row.status == "running" and not alive(row):
        return "interrupted"
    if row.status == "queued" and (datetime.now(UTC) - row.updated_at).total_seconds() > settings().stale_after_s:
        return "interrupted"
    return row.status


def view(batch: str) -> BatchView:
    """One batch with all its runs as they stand now."""
    row, members = book().batch(batch), book().members(batch)
    return BatchView(row, state(row), entries_of(members))


def entries_of(members: Sequence[Member]) -> tuple[Entry, ...]:
    """Each member with its run."""
    made = runs.store().some([member.run for member in members])
    return tuple(_entry(member, made.get(member.run)) for member in members)


def _entry(member: Member, row: RunRow | None) -> Entry:
    if row is None:
        return Entry(member, DELETED if member.begun else WAITING, None)
    return Entry(member, runs.state(row), row)


def of_run(run: str) -> tuple[str, str, int] | None:
    """(id, name, place counted from 1) of the batch a run belongs to, None where it belongs to none."""
    found = book().of_run(run)
    return None if found is None else (found[0], found[1] or f"Batch {found[0]}", found[2] + 1)


def table(seen: BatchView) -> pd.DataFrame:
    """One row per run in the batch's order; figures are fractions, absent ones None."""
    import pandas as pd

    listed = queries.library()
    marks = dict(zip(listed["run"], listed["marks"], strict=True)) if len(listed) else {}
    told = [
        {"number": entry.member.position + 1, "run": entry.member.run, **_told(entry), "marks": marks.get(entry.member.run, ())}
        for entry in seen.entries
    ]
    return pd.DataFrame(told)


def _told(entry: Entry) -> dict[str, Any]:
    row = entry.row
    found = row.summary if row is not None else {}
    gained, held = found.get("cum_return"), found.get("benchmark_return")
    return {
        "state": entry.state,
        **entry.member.labels,
        "return": gained,
        "benchmark": held,
        "excess": None if gained is None or held is None else gained - held,
        "sharpe": found.get("sharpe"),
        "max_drawdown": found.get("max_drawdown"),
        "coverage": found.get("coverage"),
        "calls": found.get("calls"),
        "cost_usd": found.get("cost_usd"),
        "days": row.sessions_done if row is not None else 0,
        "of": row.sessions_total if row is not None else 0,
        "error": row.error if row is not None else "",
    }


def groups(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``table`` by configuration, over the seeds of each: how many of its runs are done, and median, lowest and highest.

    Only runs that are done count: a run in progress, failed or cancelled is no result.
    """
    import pandas as pd

    found = []
    for _, rows_ in frame.groupby("group", sort=False):
        first, done = rows_.iloc[0], rows_[rows_["state"] == "done"]
        line: dict[str, Any] = {name: first[name] for name in ("model", "tickers", "character", "preset", "prompts", "group")}
        line |= {"seeds": len(rows_), "done": len(done), "runs": tuple(done["run"])}
        for name in FIGURES:
            values = [float(value) for value in done[name] if value is not None and value == value]
            line |= {name: median(values) if values else None}
            line |= {f"{name}_min": min(values, default=None), f"{name}_max": max(values, default=None)}
        found.append(line)
    return pd.DataFrame(found)


# ------------------------------------------------------------------------------------------------------------------- steering


def pause(batch: str) -> None:
    """Stop every run after the day in hand; the batch can be resumed."""
    _stop(batch, "pause")


def cancel(batch: str) -> None:
    """Stop for good: runs at work end after the day in hand, waiting ones are never started; what was recorded stays."""
    _stop(batch, "cancel")


def _stop(batch: str, what: str) -> None:
    row = book().batch(batch)
    if row.status in ("done", "cancelled"):
        raise SpecError(f"batch {batch} has already ended ({row.status})", field="batch")
    if alive(row):
        book().ask(batch, "cancel" if what == "cancel" else "pause")
        return
    for entry in view(batch).entries:  # nobody steers it: what its last worker left behind is told directly
        stop_run(entry, what)
    book().set_status(batch, "cancelled" if what == "cancel" else "paused")


def stop_run(entry: Entry, what: str) -> None:
    """Ask a member that is at work to stop; with ``cancel`` end also one that stands still."""
    keeper, run = runs.store(), entry.member.run
    if entry.row is None or entry.state in OVER:
        return
    if entry.row.status == "running" and runs.alive(entry.row):
        keeper.ask(run, "cancel" if what == "cancel" else "pause")
    elif what == "cancel":
        keeper.set_status(run, "cancelled")
    elif entry.row.status in ("queued", "running"):
        keeper.set_status(run, "paused")


def may_resume(batch: str) -> BatchView:
    """The batch, if there is something to go on with; else a SpecError that says what can be done."""
    seen = view(batch)
    if alive(seen.row):
        raise SpecError(f"batch {batch} is being worked on already", field="batch")
    open_ = [entry for entry in seen.entries if entry.state in (*TO_DO, "running", *(("cancelled",) if _was_cancelled(seen) else ()))]
    if not open_:
        failed = seen.counts.get("failed", 0)
        cure = f"; {failed} failed and can be tried again" if failed else ""
        raise SpecError(f"batch {batch} is complete: none of its runs waits{cure}", field="batch")
    return seen


def _was_cancelled(seen: BatchView) -> bool:
    return seen.row.status == "cancelled"


def prepare_resume(batch: str) -> None:
    """Queue the batch again, and those of its runs that were cancelled with it."""
    seen = may_resume(batch)
    if _was_cancelled(seen):
        for entry in seen.entries:
            if entry.state == "cancelled":
                runs.requeue(entry.member.run)
    for entry in seen.entries:
        if entry.state in TO_DO:
            book().forgive(entry.member.run)
    book().set_status(batch, "queued")


def resume(batch: str) -> None:
    """Go on with every run that is not over; failed ones stay failed (``retry_failed``)."""
    prepare_resume(batch)
    start_worker(batch)


def prepare_retry(batch: str) -> int:
    """Queue the failed runs again and say how many. One that failed because too many days have no decision asks those days again."""
    seen = view(batch)
    if alive(seen.row):
        raise SpecError(
            f"batch {batch} is being worked on; its failed runs can be tried again when it has ended or is paused", field="batch"
        )
    failed = [entry for entry in seen.entries if entry.state == "failed"]
    if not failed:
        raise SpecError(f"batch {batch} has no failed run", field="batch")
    for entry in failed:
        assert entry.row is not None, "a run that failed was made"
        book().forgive(entry.member.run)
        missed = runs.undecided(entry.member.run) if entry.row.sessions_done >= entry.row.sessions_total > 0 else None
        if missed is not None and len(missed):
            runs.take_back(entry.member.run, missed["ticker"].iloc[0], missed["day"].iloc[0])
        else:
            runs.requeue(entry.member.run)
    book().set_status(batch, "queued")
    return len(failed)


def retry_failed(batch: str) -> int:
    """Try the failed runs again, and go on with the rest; returns how many had failed."""
    count = prepare_retry(batch)
    start_worker(batch)
    return count


def belongings(batch: str) -> dict[str, int]:
    """What there is to decide about before a batch is deleted: runs that exist, and days they hold."""
    seen = view(batch)
    made = [entry.row for entry in seen.entries if entry.row is not None]
    return {"runs": len(made), "recorded days": sum(row.sessions_done for row in made)}


def delete(batch: str, *, with_runs: bool = False) -> int:
    """Forget the batch: its runs stay in the library, or are deleted too. Returns how many runs were deleted.

    Refused while the batch or, where they are to go, one of its runs is at work.
    """
    seen = view(batch)
    if alive(seen.row):
        raise SpecError(f"batch {batch} is running; cancel it before deleting", field="batch")
    made = [entry for entry in seen.entries if entry.row is not None]
    busy = [entry.member.run for entry in made if entry.row is not None and runs.alive(entry.row)]
    if busy:
        raise SpecError(f"run {busy[0]} of batch {batch} is still at work; cancel it, or wait, before deleting the batch", field="batch")
    if with_runs:
        for entry in made:
            runs.delete(entry.member.run)
    book().delete(batch)
    (settings().logs / f"{batch}.log").unlink(missing_ok=True)
    return len(made) if with_runs else 0


def wait(batch: str, timeout_s: float = 3600) -> str:
    """Block until nobody works on the batch any more; returns its state."""
    import time

    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = state(book().batch(batch))
        if found not in runs.ACTIVE:
            return found
        time.sleep(0.2)
    raise SpecError(f"batch {batch} did not end within {timeout_s:.0f} s", field="batch")


def limits(row: BatchRow) -> Mapping[str, int]:
    """The limits the batch was given; its runs are under the usual ones besides."""
    return dict(row.asked.get("limits") or {})


def log_tail(batch: str, characters: int = 4000) -> str:
    return runs.log_tail(batch, characters)
