"""Writing one day: every row that follows from a DayRecord, inside the caller's transaction.

The statements are built once: composing them anew for each day would cost several times what the database itself needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, Insert, Table, and_, bindparam, func, insert, select, update

from agent.errors import SpecError
from agent.records import DayRecord, MemoryEvent
from storage import rows, schema

_OUTBOX_OP = {"remembered": "add", "promoted": "move", "demoted": "move", "forgotten": "drop"}

_days, _events, _memories, _runs = schema.days.c, schema.memory_events.c, schema.memories.c, schema.runs.c
_INSERT: dict[Table, Insert] = {table: insert(table) for table in schema.metadata.sorted_tables}
_OWNER = select(_runs.key, _runs.pid, _runs.host).where(_runs.run_id == bindparam("run"))
_LAST_DAY = (
    select(_days.day, _days.index.label("number"))
    .where(_days.run_key == bindparam("run"), _days.ticker == bindparam("of_ticker"))
    .order_by(_days.index.desc())
    .limit(1)
)
_COUNT_DAY = (
    update(schema.runs)
    .where(_runs.key == bindparam("run"))
    .values(sessions_done=_runs.sessions_done + 1, updated_at=bindparam("now"), heartbeat_at=bindparam("now"))
)
_LAST_SEQ = select(func.max(_events.seq)).where(_events.run_key == bindparam("run"), _events.ticker == bindparam("of_ticker"))
_THIS_MEMORY = and_(_memories.run_key == bindparam("run"), _memories.ticker == bindparam("of_ticker"), _memories.id == bindparam("of_id"))
_NEW_STATE = update(schema.memories).where(_THIS_MEMORY).values({_memories[name]: bindparam(f"new_{name}") for name in rows.STATE_COLUMNS})
_SOURCES = select(_memories.sources).where(_THIS_MEMORY)
_NEW_SOURCES = update(schema.memories).where(_THIS_MEMORY).values(sources=bindparam("new_sources"))

Owner = tuple[int | None, str]


def append_day(connection: Connection, record: DayRecord, *, vectors: Mapping[int, np.ndarray], claim: Owner | None, now: datetime) -> None:
    """All rows of one day; a SpecError says why it may not be written. ``claim`` is the process and host that the writer takes to own
    the run, None if it never claimed it."""
    run_key = _admit(connection, record, claim)
    inserted = connection.execute(_INSERT[schema.days], rows.day_row(record, run_key)).inserted_primary_key
    assert inserted is not None  # one row with a key of its own
    _insert(connection, schema.recalls, rows.recall_rows(record, run_key, inserted[0]))
    _insert(connection, schema.fills, rows.fill_rows(record, inserted[0]))
    _insert(connection, schema.outcomes, rows.outcome_rows(record, inserted[0]))
    if record.thought.memory_events:
        _append_events(connection, record, run_key, vectors)
    connection.execute(_COUNT_DAY, {"run": run_key, "now": now})


def _admit(connection: Connection, record: DayRecord, claim: Owner | None) -> int:
    """The run's key, if this day is the next one of its ticker and the writer still owns the run."""
    run = connection.execute(_OWNER, {"run": record.run}).first()
    if run is None:
        raise SpecError(f"Run {record.run!r} is not in the store (any more); its day {record.day} cannot be kept.", field="run")
    if claim is not None and claim != (run.pid, run.host):
        now = f"process {run.pid} on {run.host}" if run.pid else "nobody"
        raise SpecError(f"Run {record.run!r} belongs to {now} by now; process {claim[0]} may write no more.", field="run")
    last = connection.execute(_LAST_DAY, {"run": run.key, "of_ticker": record.ticker}).first()
    due = last.number + 1 if last else 0
    if record.index == due and (last is None or record.day > last.day):
        return run.key
    there = f"its last stored day is {last.day} (number {last.number})" if last else "none of its days is stored yet"
    raise SpecError(
        f"{record.ticker} {record.day} (number {record.index}) cannot be appended to run {record.run!r}: {there}; number {due} is due.",
        field="day",
    )


def _insert(connection: Connection, table: Table, values: list[rows.Row]) -> None:
    if values:
        connection.execute(_INSERT[table], values)


def _append_events(connection: Connection, record: DayRecord, run_key: int, vectors: Mapping[int, np.ndarray]) -> None:
    """The day's memory events, what they make of the memories, and what the vector index has to be told."""
    last = connection.scalar(_LAST_SEQ, {"run": run_key, "of_ticker": record.ticker})
    _insert(connection, schema.memory_events, rows.event_rows(record, run_key, 0 if last is None else last + 1))
    _insert_memories(connection, record, run_key, vectors)
    _update_memories(connection, record, run_key)
    told = [
        {"run_key": run_key, "ticker": record.ticker, "memory_id": event.memory_id, "op": _OUTBOX_OP[event.kind]}
        for event in record.thought.memory_events
        if event.kind in _OUTBOX_OP
    ]
    _insert(connection, schema.outbox, told)


def _insert_memories(connection: Connection, record: DayRecord, run_key: int, vectors: Mapping[int, np.ndarray]) -> None:
    new: list[rows.Row] = []
    blobs: list[rows.Row] = []
    for event in record.thought.memory_events:
        if event.kind != "remembered":
            continue
        if event.memory is None or event.memory.id != event.memory_id or event.memory.ticker != record.ticker:
            raise SpecError(
                f"The event that remembers {event.memory_id} of {record.ticker} does not carry that memory.", field="memory_events"
            )
        if event.memory_id not in vectors:
            raise SpecError(f"Memory {event.memory_id} of {record.ticker} has no vector.", field="vectors")
        new.append({**rows.memory_row(event.memory, run_key), **rows.state_row(event)})
        blob = rows.vector_blob(vectors[event.memory_id], memory_id=event.memory_id)
        blobs.append({"run_key": run_key, "ticker": record.ticker, "id": event.memory_id, "vector": blob})
    if len({len(blob["vector"]) for blob in blobs}) > 1:
        raise SpecError(f"The vectors of {record.ticker} {record.day} have different lengths.", field="vectors")
    _insert(connection, schema.memories, new)
    _insert(connection, schema.vectors, blobs)


def _update_memories(connection: Connection, record: DayRecord, run_key: int) -> None:
    """The newest state of every memory that something happened to after it was remembered."""
    newest: dict[int, rows.Row] = {}
    for event in record.thought.memory_events:
        if event.kind == "remembered":
            continue
        of = {"run": run_key, "of_ticker": record.ticker, "of_id": event.memory_id}
        newest[event.memory_id] = of | {f"new_{name}": value for name, value in rows.state_row(event).items()}
        if event.kind == "merged" and event.source:
            _add_source(connection, of, event)
    if newest and connection.execute(_NEW_STATE, list(newest.values())).rowcount != len(newest):
        ids = ", ".join(str(id) for id in newest)
        raise SpecError(
            f"Something happened to a memory of {record.ticker} that was never remembered; it is one of {ids}.", field="memory_events"
        )


def _add_source(connection: Connection, of: rows.Row, event: MemoryEvent) -> None:
    known = json.loads(connection.scalar(_SOURCES, of) or "[]")
    if event.source not in known:
        connection.execute(_NEW_SOURCES, of | {"new_sources": json.dumps([*known, event.source])})
