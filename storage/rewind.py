"""Taking a run back to before a session, so that it can be traded again from there: the opposite of ``storage.append``.

Only what the discarded days brought goes. Memories that lived before get back the state of their newest remaining event, and lose the
sources that were merged into them since. The vector index is mended by ``reconcile`` before the run goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import Connection, and_, delete, func, select, update

from agent.records import DayRecord, MemoryState
from storage import rows, schema

_days, _events, _memories = schema.days.c, schema.memory_events.c, schema.memories.c


def rewind(connection: Connection, run_key: int, day: date) -> int:
    """Discard every recorded day of all tickers from ``day`` on; returns how many. Inside the caller's transaction."""
    touched = _touched(connection, run_key, day)
    merged = _merged(connection, run_key, day)
    connection.execute(delete(schema.memory_events).where(_events.run_key == run_key, _events.day >= day))
    gone = connection.execute(delete(schema.days).where(_days.run_key == run_key, _days.day >= day)).rowcount
    _drop_born(connection, run_key, day)
    for ticker, number in touched:
        _restore(connection, run_key, ticker, number)
    for ticker, number in merged:
        _unmerge(connection, run_key, ticker, number)
    connection.execute(delete(schema.outbox).where(schema.outbox.c.run_key == run_key))  # the index is mended as a whole
    left = connection.scalar(select(func.count()).select_from(schema.days).where(_days.run_key == run_key))
    connection.execute(update(schema.runs).where(schema.runs.c.key == run_key).values(sessions_done=left))
    return gone


def _touched(connection: Connection, run_key: int, day: date) -> list[tuple[str, int]]:
    """Memories from before that something happened to since."""
    older = and_(_memories.run_key == run_key, _memories.born < day, _memories.changed_on >= day)
    return [(row.ticker, row.id) for row in connection.execute(select(_memories.ticker, _memories.id).where(older))]


def _merged(connection: Connection, run_key: int, day: date) -> list[tuple[str, int]]:
    """Memories from before that took in another source since."""
    which = and_(_events.run_key == run_key, _events.day >= day, _events.kind == "merged")
    born = and_(_memories.run_key == run_key, _memories.ticker == _events.ticker, _memories.id == _events.memory_id, _memories.born < day)
    found = connection.execute(select(_events.ticker, _events.memory_id).join(schema.memories, born).where(which).distinct())
    return [(row.ticker, row.memory_id) for row in found]


def _drop_born(connection: Connection, run_key: int, day: date) -> None:
    """Memories of the discarded days with their vectors and what people noted about them: their numbers will name other memories."""
    fresh = list(connection.execute(select(_memories.ticker, _memories.id).where(_memories.run_key == run_key, _memories.born >= day)))
    for ticker in {row.ticker for row in fresh}:
        first = min(row.id for row in fresh if row.ticker == ticker)  # numbers only grow, so all from the first on are as young
        vectors, notes = schema.vectors.c, schema.annotated.c
        connection.execute(delete(schema.vectors).where(vectors.run_key == run_key, vectors.ticker == ticker, vectors.id >= first))
        connection.execute(delete(schema.annotated).where(notes.run_key == run_key, notes.ticker == ticker, notes.memory_id >= first))
    connection.execute(delete(schema.memories).where(_memories.run_key == run_key, _memories.born >= day))


def _restore(connection: Connection, run_key: int, ticker: str, number: int) -> None:
    """The state after the newest event that is left."""
    this = and_(_events.run_key == run_key, _events.ticker == ticker, _events.memory_id == number)
    event = connection.execute(select(_events.kind, _events.day, _events.state).where(this).order_by(_events.seq.desc()).limit(1)).one()
    state = rows.state_columns(MemoryState.model_validate_json(event.state), kind=event.kind, day=event.day)
    connection.execute(update(schema.memories).where(_this(run_key, ticker, number)).values(state))


def _unmerge(connection: Connection, run_key: int, ticker: str, number: int) -> None:
    """The sources it was born with, and those merged in by events that are left."""
    born = connection.scalar(select(_memories.born).where(_this(run_key, ticker, number)))
    body = connection.execute(select(_days.body).where(_days.run_key == run_key, _days.ticker == ticker, _days.day == born)).scalar_one()
    record = DayRecord.model_validate_json(rows.unpack(body))
    sources = next(event.memory.sources for event in record.thought.memory_events if event.memory and event.memory_id == number)
    this = and_(_events.run_key == run_key, _events.ticker == ticker, _events.memory_id == number, _events.kind == "merged")
    later: Iterable[str] = connection.scalars(select(_events.source).where(this, _events.source != "").order_by(_events.seq))
    known = json.dumps(list(dict.fromkeys([*sources, *later])))
    connection.execute(update(schema.memories).where(_this(run_key, ticker, number)).values(sources=known))


def _this(run_key: int, ticker: str, number: int) -> Any:
    return and_(_memories.run_key == run_key, _memories.ticker == ticker, _memories.id == number)
