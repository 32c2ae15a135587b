"""A run that was recorded elsewhere, taken into the library whole or not at all.

Its days are first stored in a scratch file, by the code that stores every day, so that whatever contradicts itself is found there.
Then all rows are copied in one transaction. The library is locked for the copy only, so a worker beside it goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table, func, insert, select
from sqlalchemy.exc import IntegrityError, StatementError

from agent.errors import SpecError
from agent.records import DayRecord
from agent.spec import RunSpec
from storage import rows, schema
from storage.annotations import Annotation, annotation_row
from storage.append import append_day
from storage.connect import connect, reading, writing
from storage.migrations import migrate
from storage.run_store import RunStore, Status, checked_run_id

BATCH = 500  # rows copied at a time
LEFT_BEHIND = ("outbox",)  # the vector index of the copy does not exist; it is built from the vectors when the run goes on


@dataclass(frozen=True)
class Facts:
    """What a run's row says beside its spec."""

    name: str
    status: Status
    error: str
    provenance: Mapping[str, Any]
    summary: Mapping[str, Any]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    sessions_total: int


class Scratch:
    """A store of one run in a file of its own, filled day by day. Used as a context: without ``keep`` nothing of it was ever visible."""

    def __init__(self, folder: Path, spec: RunSpec, run_id: str) -> None:
        self.url, self.run_id = f"sqlite:///{folder}/scratch.db", checked_run_id(run_id)
        self._spec = spec
        self._engine = connect(self.url)
        self._stack = ExitStack()
        self._connection: Connection | None = None
        self._key = 0

    def __enter__(self) -> Scratch:
        migrate(self._engine)
        self._connection = self._stack.enter_context(writing(self._engine))
        row = rows.run_row(self._spec, self.run_id, {}, datetime.now(UTC))
        made = self._connection.execute(insert(schema.runs).values(**row)).inserted_primary_key
        assert made is not None  # one row with a key of its own
        self._key = made[0]
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)
        self._engine.dispose()

    def append(self, record: DayRecord, vectors: Mapping[int, np.ndarray]) -> None:
        """The next day of its ticker; SpecError where it contradicts the days before it."""
        with _contradictions():
            append_day(self._open(), record, vectors=vectors, claim=None, now=datetime.now(UTC))

    def annotate(self, items: Iterable[Annotation]) -> None:
        """Notes, tags and bookmarks, with the times they carry."""
        values = [annotation_row(item, self._key) for item in items]
        if values:
            with _contradictions():
                self._open().execute(insert(schema.annotated), values)

    def closed(self) -> RunStore:
        """The filled store, to be read; nothing can be appended any more."""
        self._stack.close()
        self._connection = None
        return RunStore(self.url)

    def keep(self, url: str, facts: Facts) -> None:
        """Copy the run into the library at ``url`` in one transaction."""
        library = connect(url)
        try:
            with reading(self._engine) as source, writing(library) as target:
                _copy(source, target, self.run_id, facts)
        finally:
            library.dispose()

    def _open(self) -> Connection:
        assert self._connection is not None, "filled before it is closed"
        return self._connection


@contextmanager
def _contradictions() -> Iterator[None]:
    """What a table refuses, as a sentence: the same memory twice, a number that is too large, a moment out of range."""
    try:
        yield
    except IntegrityError as error:
        raise SpecError(f"it contradicts the days before it ({error.orig})", field="days") from None
    except (StatementError, OverflowError) as error:
        cause = getattr(error, "orig", None) or error
        raise SpecError(f"it holds a value that cannot be stored ({cause})", field="days") from None


def _copy(source: Connection, target: Connection, run_id: str, facts: Facts) -> None:
    if target.scalar(select(schema.runs.c.key).where(schema.runs.c.run_id == run_id)) is not None:
        raise SpecError(f"Run {run_id!r} exists already; choose another id.", field="run")
    row = dict(source.execute(select(schema.runs).where(schema.runs.c.run_id == run_id)).mappings().one())
    row |= {
        **{name: getattr(facts, name) for name in ("name", "status", "error", "created_at", "started_at", "finished_at", "sessions_total")},
        "provenance": rows.to_json(facts.provenance, field="provenance"),
        "summary": rows.to_json(facts.summary, field="summary"),
        "updated_at": datetime.now(UTC),
        "heartbeat_at": None,
        "pid": None,
        "host": "",
        "request": "",
    }
    old = row.pop("key")
    made = target.execute(insert(schema.runs).values(**row)).inserted_primary_key
    assert made is not None  # one row with a key of its own
    first = target.scalar(select(func.max(schema.days.c.key))) or 0
    for table in schema.metadata.sorted_tables:
        if {"run_key", "day_key"} & set(table.c.keys()) and table.name not in LEFT_BEHIND:
            _copy_table(source, target, table, {"run_key": made[0]}, old, first)


def _copy_table(source: Connection, target: Connection, table: Table, fixed: Mapping[str, int], old: int, first: int) -> None:
    """The run's rows of one table; ``first`` is added to the keys of days, which are numbered anew."""
    if "run_key" in table.c:
        query = select(table).where(table.c.run_key == old)
    else:
        query = select(table).join(schema.days, schema.days.c.key == table.c.day_key).where(schema.days.c.run_key == old)
    put = insert(table)
    for batch in source.execute(query).mappings().partitions(BATCH):
        target.execute(put, [_moved(dict(row), table, fixed, first) for row in batch])


def _moved(row: dict[str, Any], table: Table, fixed: Mapping[str, int], first: int) -> dict[str, Any]:
    if table is schema.days:
        row["key"] += first
    else:
        row.pop("key", None)  # a number of its own, which the library gives
    if "day_key" in row:
        row["day_key"] += first
    return {**row, **{name: value for name, value in fixed.items() if name in row}}
