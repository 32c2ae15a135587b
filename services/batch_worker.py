"""The process behind a batch: ``python -m services.batch_worker BATCH``.

It starts runs as long as there are some and the limits allow it, and looks at the run store for how they ended. It holds no truth of
its own: killed at any moment and started again it finds every run where that run stands. Runs at work when it dies go on to their end;
its successor waits for them instead of starting them a second time.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agent.errors import RecollectError, SpecError
from services import batch_limits, batches, runs
from services.batch_limits import Place
from services.batch_spec import limits_of
from services.batches import Entry
from services.runners import Handle, LocalProcesses, Runner
from services.settings import settings
from storage.batches import Member, Status

LOOK_S = 0.1  # between two looks at what is at work
OTHERS_S = 1.0  # between two looks at runs that another process works on
MOST_DEATHS = 3  # of a run's worker in a row, without a day between
GRACE_S = 120.0  # a run that was asked to stop and does not is ended


@dataclass
class _At:
    """A run at work: ours with a handle in a place, or without when another process works on it."""

    member: Member
    handle: Handle | None = None
    place: Place | None = None


@dataclass
class _Desk:
    """Everything the worker of a batch has before it."""

    batch: str
    runner: Runner
    limits: Mapping[str, int]
    waiting: list[Member] = field(default_factory=list)
    at_work: dict[str, _At] = field(default_factory=dict)
    idle: list[Place] = field(default_factory=list)
    under: dict[str, dict[str, int]] = field(default_factory=dict)  # run -> its limits

    def limits_of(self, member: Member) -> dict[str, int]:
        if member.run not in self.under:
            self.under[member.run] = limits_of(member.spec, self.limits)
        return self.under[member.run]


def work(batch: str, *, runner: Runner | None = None, on_look: Callable[[], None] | None = None) -> Status:
    """Work on a batch until all its runs are over, or it is paused or cancelled; returns how it stands then.

    ``on_look`` is called about once a second. SpecError where another process is at it.
    """
    book = batches.book()
    if not book.claim(batch, os.getpid(), stale_after_s=settings().stale_after_s):
        raise SpecError(f"batch {batch} is being worked on by another process", field="batch")
    desk = _Desk(batch, runner or LocalProcesses(), batches.limits(book.batch(batch)))
    for entry in batches.entries_of(book.members(batch)):
        _sort_in(desk, entry)
    try:
        asked = _until_over(desk, on_look)
    except KeyboardInterrupt:
        _stop(desk, "pause")
        book.set_status(batch, "paused", error="stopped from the keyboard")
        return "paused"
    finally:
        for place in [*desk.idle, *(at.place for at in desk.at_work.values() if at.place is not None)]:
            desk.runner.leave(place)
    if asked == "lost":
        raise SpecError(f"batch {batch} was taken over by another process", field="batch")
    status = _ended(batch, asked)
    book.set_status(batch, status)
    return status


def _sort_in(desk: _Desk, entry: Entry) -> None:
    """A member is waiting, or at work elsewhere, or over."""
    if entry.row is not None and runs.alive(entry.row):
        desk.at_work[entry.member.run] = _At(entry.member)
    elif entry.state in batches.TO_DO:
        desk.waiting.append(entry.member)


def _until_over(desk: _Desk, on_look: Callable[[], None] | None) -> str:
    """Keep runs at work; ends with the wish that ended it, ``lost`` where another worker took over, or nothing left to do."""
    book, beaten, looked = batches.book(), 0.0, 0.0
    while desk.waiting or desk.at_work:
        now = time.monotonic()
        if now - beaten >= min(settings().heartbeat_s, settings().stale_after_s / 4):
            beaten = now
            if not book.beat(desk.batch):
                return "lost"
        if asked := book.asked(desk.batch):
            _stop(desk, asked)
            return asked
        others = now - looked >= OTHERS_S
        if others:
            looked = now
            if on_look:
                on_look()
        _collect(desk, others=others)
        _start_some(desk)
        time.sleep(LOOK_S)
    if on_look:
        on_look()
    return ""


def _collect(desk: _Desk, *, others: bool) -> None:
    """Take back what is no longer at work: into the waiting line where it broke off, else it is over."""
    for run, at in list(desk.at_work.items()):
        if at.handle is not None and at.handle.alive():
            continue
        if at.handle is None and not others:
            continue
        (entry,) = batches.entries_of([at.member])
        if entry.row is not None and runs.alive(entry.row):  # by another process
            desk.at_work[run] = _At(at.member)
        else:
            del desk.at_work[run]
            if at.handle is not None and entry.state in ("interrupted", "queued"):
                _died(desk, entry)
            elif at.handle is None and entry.state in ("interrupted", "queued"):
                desk.waiting.insert(0, at.member)
        if at.place is not None:
            desk.idle.append(at.place)


def _died(desk: _Desk, entry: Entry) -> None:
    """A worker ended without a word: again, unless it keeps dying on the same day."""
    row, run = entry.row, entry.member.run
    assert row is not None, "a run that was started exists"
    deaths = batches.book().died(run, days=row.sessions_done)
    if deaths < MOST_DEATHS:
        desk.waiting.insert(0, entry.member)
        return
    message = f"its worker ended without a word {deaths} times after {row.sessions_done} recorded days; its log may say why"
    runs.store().set_status(run, "failed", error=message)


def _start_some(desk: _Desk) -> None:
    """As many waiting runs, in their order, as the limits allow."""
    full: set[frozenset[tuple[str, int]]] = set()
    left: list[Member] = []
    for member in desk.waiting:
        under = desk.limits_of(member)
        kind = frozenset(under.items())
        place = None if kind in full else _place(desk, under)
        if place is None:
            full.add(kind)
            left.append(member)
        elif not _start(desk, member, place):
            desk.idle.append(place)
    desk.waiting = left
    wanted = {frozenset(desk.limits_of(member).items()) for member in left}
    for place in [place for place in desk.idle if place.limits not in wanted]:  # somebody else may need it
        desk.idle.remove(place)
        desk.runner.leave(place)


def _place(desk: _Desk, under: Mapping[str, int]) -> Place | None:
    """A place that a run has left, else a new one; None while a limit is reached."""
    for place in desk.idle:
        if place.limits == frozenset(under.items()):
            desk.idle.remove(place)
            return place
    return batch_limits.take(under)


def _start(desk: _Desk, member: Member, place: Place) -> bool:
    """Make the run if it was never made, and have it worked on; False where it is not to be started any more."""
    (entry,) = batches.entries_of([member])
    if entry.state == batches.WAITING:
        runs.store().create(member.spec, run_id=member.run, provenance={})
        batches.book().begun(member.run)
    elif entry.state not in batches.TO_DO:  # meanwhile somebody cancelled, finished or deleted it
        return False
    elif entry.row is not None and entry.row.status != "queued":
        runs.requeue(member.run)
    desk.at_work[member.run] = _At(member, desk.runner.start(member.run, place), place)
    return True


def _stop(desk: _Desk, what: str) -> None:
    """Ask every run at work to stop and wait for it; one that does not listen is ended."""
    end = time.monotonic() + GRACE_S
    told: set[str] = set()
    while desk.at_work:
        _collect(desk, others=True)
        for run in list(desk.at_work):
            at = desk.at_work[run]
            (entry,) = batches.entries_of([at.member])
            if run not in told and entry.row is not None and entry.row.status in runs.ACTIVE:
                runs.store().ask(run, "cancel" if what == "cancel" else "pause")
                if entry.row.status == "running":  # before, the wish may be taken for one left to an earlier worker
                    told.add(run)
            if time.monotonic() > end and at.handle is not None:
                at.handle.stop()
        batches.book().beat(desk.batch)
        time.sleep(LOOK_S)


def _ended(batch: str, asked: str) -> Status:
    """How the batch stands when its worker has nothing more to do; runs that stand still are told so."""
    entries = batches.view(batch).entries
    if asked:
        for entry in entries:
            batches.stop_run(entry, asked)
        return "cancelled" if asked == "cancel" else "paused"
    return "done" if all(entry.state in batches.OVER for entry in entries) else "paused"


def main(argv: list[str] | None = None) -> int:
    batch = (argv or sys.argv[1:])[0]
    try:
        print(f"batch {batch}: {work(batch)}", flush=True)
    except RecollectError as problem:
        print(f"batch {batch}: {problem}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
