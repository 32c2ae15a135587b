"""The run store: the only truth about runs. One day is one transaction; a day is there whole or not at all.

Everything else on disk (the vector index, the caches, the live file) may be deleted and comes back from here. Several processes may
use one store: a worker writes its run, pages read. Opening costs a millisecond and imports nothing heavy.
"""

from __future__ import annotations

import json
import os
import re
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import ValidationError
from sqlalchemy import JSON, Connection, RowMapping, Select, and_, delete, func, insert, literal, or_, select, type_coerce, update
from sqlalchemy.exc import IntegrityError

from agent.errors import NoData, SpecError, Unavailable
from agent.records import DayRecord, Memory, MemoryState
from agent.registry import unknown
from agent.spec import RunSpec, explain
from storage import rows, schema
from storage.append import Owner, append_day
from storage.connect import connect, database_path, reading, reclaim, writing
from storage.migrations import migrate
from storage.rewind import rewind

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
Request = Literal["", "pause", "cancel"]
STATUSES: tuple[Status, ...] = ("queued", "running", "paused", "done", "failed", "cancelled")
STALE_AFTER_S = 60.0
MOST_PARAMETERS = 500  # of one statement: databases differ in how many they take
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")  # it also names a folder and a file


@dataclass(frozen=True)
class RunRow:
    """One run as the library lists it. ``spec`` is parsed only when asked for."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    status: Status
    error: str
    fingerprint: str
    provenance: dict[str, Any]
    request: Request
    pid: int | None
    host: str
    heartbeat_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    sessions_total: int  # sessions times tickers; 0 while nobody has said
    sessions_done: int  # days stored, all tickers together
    summary: dict[str, Any]
    source: str
    strategy: str
    backend: str
    preset: str
    tickers: tuple[str, ...]
    test_start: date
    test_end: date
    packed_spec: bytes = field(repr=False, compare=False)

    @cached_property
    def spec(self) -> RunSpec:
        """SpecError for a spec that this version of the program does not accept any more."""
        try:
            return _spec_of(self.packed_spec)
        except ValidationError as error:
            raise SpecError(
                f"Run {self.id} was recorded with a spec that this version cannot read ({explain(error)}).", field="run"
            ) from None


@dataclass(frozen=True)
class RunHead:
    """What a run is called, or could be."""

    id: str
    name: str
    tickers: tuple[str, ...]
    test_start: date


@dataclass(frozen=True)
class OutboxItem:
    """Something the vector index has not been told yet; ``op`` is add, move or drop."""

    key: int
    ticker: str
    memory_id: int
    op: str


class RunStore:
    """Runs and their days in a SQL database. ``clock`` is asked for the time of status changes, never for anything in a record."""

    def __init__(self, url: str, *, folder: Path | None = None, clock: Callable[[], datetime] | None = None) -> None:
        """``folder`` holds the live files; by default it is the folder of the SQLite file."""
        path = database_path(url) if url.startswith("sqlite") else None
        self.url = url
        self.path = path
        self.folder = folder or (path.parent if path else None)
        self._now = clock or (lambda: datetime.now(UTC))
        self._claims: dict[str, Owner] = {}
        self._engine = connect(url)
        migrate(self._engine)

    def close(self) -> None:
        """Let go of the file; a later call opens it again."""
        self._engine.dispose()

    # ------------------------------------------------------------------------------------------------------------- runs

    def create(self, spec: RunSpec, *, run_id: str, provenance: Mapping[str, Any]) -> RunRow:
        """A new run in status ``queued``; an id that exists or cannot name a folder is a SpecError."""
        row = rows.run_row(spec, checked_run_id(run_id), provenance, self._now())
        with writing(self._engine) as connection:
            if connection.scalar(select(schema.runs.c.key).where(schema.runs.c.run_id == run_id)) is not None:
                raise SpecError(f"Run {run_id!r} exists already; choose another id.", field="run")
            connection.execute(insert(schema.runs).values(**row))
        return self.run(run_id)

    def runs(self) -> list[RunRow]:
        """All runs, newest first."""
        with reading(self._engine) as connection:
            found = (
                connection.execute(select(schema.runs).order_by(schema.runs.c.created_at.desc(), schema.runs.c.key.desc())).mappings().all()
            )
        return [_run_of(row) for row in found]

    def some(self, ids: Sequence[str]) -> dict[str, RunRow]:
        """Those of these runs that exist, by id."""
        found: dict[str, RunRow] = {}
        with reading(self._engine) as connection:
            for start in range(0, len(ids), MOST_PARAMETERS):
                query = select(schema.runs).where(schema.runs.c.run_id.in_(ids[start : start + MOST_PARAMETERS]))
                found |= {row["run_id"]: _run_of(row) for row in connection.execute(query).mappings()}
        return found

    def heads(self) -> list[RunHead]:
        """What names a run, of all runs, newest first: a page with a picker must not read every spec and provenance."""
        c = schema.runs.c
        query = select(c.run_id, c.name, c.tickers, c.test_start).order_by(c.created_at.desc(), c.key.desc())
        with reading(self._engine) as connection:
            return [RunHead(row.run_id, row.name, tuple(row.tickers.split(",")), row.test_start) for row in connection.execute(query)]

    def with_fingerprints(self, marks: Iterable[str]) -> list[RunRow]:
        """The runs whose spec has one of these fingerprints, newest first."""
        c = schema.runs.c
        query = select(schema.runs).where(c.fingerprint.in_(sorted(set(marks)))).order_by(c.created_at.desc(), c.key.desc())
        with reading(self._engine) as connection:
            return [_run_of(row) for row in connection.execute(query).mappings()]

    def run(self, run_id: str) -> RunRow:
        with reading(self._engine) as connection:
            row = connection.execute(select(schema.runs).where(schema.runs.c.run_id == run_id)).mappings().first()
            if row is None:
                raise self._unknown_run(connection, run_id)
        return _run_of(row)

    def set_status(self, run_id: str, status: Status, *, error: str = "") -> None:
        """A status with its consequences: starting clears the error, an end or a pause clears the request and the process id."""
        if status not in STATUSES:
            raise SpecError(unknown("status", status, STATUSES), field="status")
        now = self._now()
        values: dict[str, Any] = {"status": status, "error": error}
        if status == "running":
            values |= {
                "heartbeat_at": now,
                "started_at": func.coalesce(schema.runs.c.started_at, literal(now, schema.Utc)),
                "finished_at": None,
            }
        else:
            values |= {"pid": None, "request": "", "finished_at": None if status in ("queued", "paused") else now}
        self._update(run_id, **values)

    def beat(
        self,
        run_id: str,
        *,
        pid: int | None = None,
        sessions_done: int | None = None,
        sessions_total: int | None = None,
        host: str | None = None,
    ) -> None:
        """A sign of life, with the progress if it is given. A worker beats more often than ``STALE_AFTER_S`` seconds.

        The beat of a worker whose claim was taken over changes nothing: it must not make itself the owner again.
        """
        given = {"pid": pid, "sessions_done": sessions_done, "sessions_total": sessions_total, "host": host}
        values = {name: value for name, value in given.items() if value is not None}
        claimed, now = self._claims.get(run_id), self._now()
        with writing(self._engine) as connection:
            key = self._key(connection, run_id)
            change = update(schema.runs).where(schema.runs.c.key == key)
            if claimed:
                change = change.where(schema.runs.c.pid == claimed[0], schema.runs.c.host == claimed[1])
            connection.execute(change.values(heartbeat_at=now, updated_at=now, **values))

    def claim(self, run_id: str, pid: int, *, host: str = "", stale_after_s: float = STALE_AFTER_S) -> bool:
        """Make ``pid`` the one worker of the run and set it running; False if another holds it or the run is over.

        A running run can be claimed when its worker is dead or has been silent for ``stale_after_s``. Whoever lost a claim in this way
        can append no more.
        """
        host, now, c = host or socket.gethostname(), self._now(), schema.runs.c
        row = self.run(run_id)
        orphaned = row.status == "running" and row.host == host and row.pid is not None and not alive(row.pid)
        free = or_(
            c.status.in_(("queued", "paused", "failed")),
            and_(c.status == "running", or_(c.heartbeat_at.is_(None), c.heartbeat_at < now - timedelta(seconds=stale_after_s))),
            and_(c.status == "running", c.pid == row.pid, c.host == row.host) if orphaned else c.key < 0,
        )
        # a pause asked of the worker that is gone would stop the new one at once
        request = c.request if row.status == "queued" else func.replace(c.request, "pause", "")
        values = {"status": "running", "pid": pid, "host": host, "heartbeat_at": now, "updated_at": now, "error": "", "finished_at": None}
        change = (
            update(schema.runs)
            .where(c.run_id == run_id, free)
            .values(**values, request=request, started_at=func.coalesce(c.started_at, literal(now, schema.Utc)))
        )
        with writing(self._engine) as connection:
            won = connection.execute(change).rowcount == 1
        if won:
            self._claims[run_id] = (pid, host)
        return won

    def ask(self, run_id: str, request: Request) -> None:
        """Leave a wish for the worker, or take it back with an empty one. The worker looks with ``asked``."""
        if request not in ("", "pause", "cancel"):
            raise SpecError(unknown("request", request, ("pause", "cancel")), field="request")
        self._update(run_id, request=request)

    def asked(self, run_id: str) -> Request:
        with reading(self._engine) as connection:
            request = connection.scalar(select(schema.runs.c.request).where(schema.runs.c.run_id == run_id))
            if request is None:
                raise self._unknown_run(connection, run_id)
        return request

    def set_summary(self, run_id: str, summary: Mapping[str, Any]) -> None:
        """The figures of the library list; replaces the earlier ones."""
        self._update(run_id, summary=rows.to_json(summary, field="summary"))

    def set_provenance(self, run_id: str, provenance: Mapping[str, Any]) -> None:
        self._update(run_id, provenance=rows.to_json(provenance, field="provenance"))

    def rename(self, run_id: str, name: str) -> None:
        if len(name) > 120:
            raise SpecError(f"A name has at most 120 characters; this one has {len(name)}.", field="name")
        self._update(run_id, name=name)

    def _update(self, run_id: str, **values: Any) -> None:
        with writing(self._engine) as connection:
            change = update(schema.runs).where(schema.runs.c.run_id == run_id).values(updated_at=self._now(), **values)
            if not connection.execute(change).rowcount:
                raise self._unknown_run(connection, run_id)

    def _key(self, connection: Connection, run_id: str) -> int:
        key = connection.scalar(select(schema.runs.c.key).where(schema.runs.c.run_id == run_id))
        if key is None:
            raise self._unknown_run(connection, run_id)
        return key

    @staticmethod
    def _unknown_run(connection: Connection, run_id: str) -> SpecError:
        known = connection.scalars(select(schema.runs.c.run_id).order_by(schema.runs.c.key.desc()).limit(8)).all()
        return SpecError(unknown("run", run_id, known) if known else f"Unknown run {run_id!r}; there are no runs yet.", field="run")

    # ------------------------------------------------------------------------------------------------------------- days

    def append(self, record: DayRecord, *, vectors: Mapping[int, np.ndarray] | None = None) -> None:
        """Store one day with everything that hangs on it, in one transaction.

        ``vectors`` holds one row per memory that the day remembered. A day that is there already, out of order, or written by a worker
        that lost its claim is a SpecError and leaves nothing behind.
        """
        try:
            with writing(self._engine) as connection:
                append_day(connection, record, vectors=vectors or {}, claim=self._claims.get(record.run), now=self._now())
        except IntegrityError as error:
            raise SpecError(
                f"{record.ticker} {record.day} of run {record.run!r} contradicts what is stored: {error.orig}", field="memory_events"
            ) from error

    def rewind(self, run_id: str, day: date) -> int:
        """Discard every day of all tickers from ``day`` on with all that hangs on them, whole or not at all; returns how many."""
        with writing(self._engine) as connection:
            return rewind(connection, self._key(connection, run_id), day)

    def last_records(self, run_id: str) -> dict[str, DayRecord]:
        """The newest record of each ticker that has one."""
        days = schema.days.c
        with reading(self._engine) as connection:
            key = self._key(connection, run_id)
            newest = select(days.ticker, func.max(days.index).label("index")).where(days.run_key == key).group_by(days.ticker).subquery()
            found = connection.execute(
                select(days.ticker, days.body)
                .join(newest, and_(days.ticker == newest.c.ticker, days.index == newest.c.index))
                .where(days.run_key == key)
                .order_by(days.ticker)
            ).all()
        return {ticker: _day_of(body) for ticker, body in found}

    def record(self, run_id: str, ticker: str, day: date) -> DayRecord:
        """One day, whole; NoData if it is not stored."""
        days = schema.days.c
        with reading(self._engine) as connection:
            key = self._key(connection, run_id)
            body = connection.scalar(select(days.body).where(days.run_key == key, days.ticker == ticker, days.day == day))
        if body is None:
            raise NoData(f"Run {run_id!r} has no day {day} of {ticker}.", field="day")
        return _day_of(body)

    def records(self, run_id: str, ticker: str | None = None) -> Iterator[DayRecord]:
        """All days in order: by day, then ticker. Bodies are fetched one by one, so a long run does not fill the memory."""
        days = schema.days.c
        with reading(self._engine) as connection:
            key = self._key(connection, run_id)
            keys = connection.scalars(_of_ticker(select(days.key), days, key, ticker).order_by(days.day, days.ticker)).all()
        for start in range(0, len(keys), 50):
            wanted = keys[start : start + 50]
            with reading(self._engine) as connection:
                bodies = {row.key: row.body for row in connection.execute(select(days.key, days.body).where(days.key.in_(wanted)))}
            for day_key in wanted:
                yield _day_of(bodies[day_key])

    # --------------------------------------------------------------------------------------------------------- memories

    def memories(self, run_id: str, ticker: str) -> list[tuple[Memory, MemoryState, bool]]:
        """Every memory ever remembered, by id, with its newest state and whether it is alive."""
        return [rows.memory_of(row) for row in self._memory_rows(run_id, schema.memories.c.ticker == ticker)]

    def memory(self, run_id: str, ticker: str, memory_id: int) -> tuple[Memory, MemoryState, bool]:
        found = self._memory_rows(run_id, schema.memories.c.ticker == ticker, schema.memories.c.id == memory_id)
        if not found:
            raise NoData(f"Run {run_id!r} has no memory {memory_id} of {ticker}.", field="memory")
        return rows.memory_of(found[0])

    def memories_of(self, run_id: str, ticker: str, ids: Iterable[int]) -> list[tuple[Memory, MemoryState, bool]]:
        """The memories with these ids, by id; ids that are not stored are left out."""
        chosen, found = sorted(set(ids)), []
        for start in range(0, len(chosen), 500):
            found += self._memory_rows(run_id, schema.memories.c.ticker == ticker, schema.memories.c.id.in_(chosen[start : start + 500]))
        return [rows.memory_of(row) for row in found]

    def _memory_rows(self, run_id: str, *conditions: Any) -> list[RowMapping]:
        with reading(self._engine) as connection:
            key = self._key(connection, run_id)
            query = select(schema.memories).where(schema.memories.c.run_key == key, *conditions).order_by(schema.memories.c.id)
            return list(connection.execute(query).mappings())

    def vectors(self, run_id: str, ticker: str, ids: Iterable[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(int64 ids ascending, float32 matrix with one row each): of all memories, forgotten ones too, or of ``ids``."""
        table, chosen = schema.vectors.c, None if ids is None else sorted({int(id) for id in ids})
        found: list[Any] = []
        with reading(self._engine) as connection:
            query = (
                select(table.id, table.vector)
                .where(table.run_key == self._key(connection, run_id), table.ticker == ticker)
                .order_by(table.id)
            )
            if chosen is None:
                found = list(connection.execute(query))
            else:
                for start in range(0, len(chosen), 500):
                    found += connection.execute(query.where(table.id.in_(chosen[start : start + 500])))
        return np.array([row.id for row in found], np.int64), rows.matrix_of(row.vector for row in found)

    def next_memory_id(self, run_id: str, ticker: str) -> int:
        """One more than the highest id ever used; 1 in a new run."""
        with reading(self._engine) as connection:
            key = self._key(connection, run_id)
            top = connection.scalar(
                select(func.max(schema.memories.c.id)).where(schema.memories.c.run_key == key, schema.memories.c.ticker == ticker)
            )
        return 1 if top is None else top + 1

    # ------------------------------------------------------------------------------------------- what the index must learn

    def outbox(self, run_id: str, *, limit: int = 5000) -> list[OutboxItem]:
        """What the vector index has not been told yet, oldest first."""
        box = schema.outbox.c
        with reading(self._engine) as connection:
            query = select(box.key, box.ticker, box.memory_id, box.op).where(box.run_key == self._key(connection, run_id))
            return [OutboxItem(*row) for row in connection.execute(query.order_by(box.key).limit(limit))]

    def outbox_end(self, run_id: str) -> int:
        """The newest outbox key of the run; 0 if the index knows everything."""
        box = schema.outbox.c
        with reading(self._engine) as connection:
            return connection.scalar(select(func.max(box.key)).where(box.run_key == self._key(connection, run_id))) or 0

    def clear_outbox(self, run_id: str, *, up_to: int) -> None:
        """Forget the outbox rows up to and including key ``up_to``: the index has them."""
        with writing(self._engine) as connection:
            connection.execute(
                delete(schema.outbox).where(schema.outbox.c.run_key == self._key(connection, run_id), schema.outbox.c.key <= up_to)
            )

    # ---------------------------------------------------------------------------------------- the read side, as data frames
    # days are datetime.date, moments are UTC timestamps, absent numbers are NaN

    def sessions(self, run_id: str, ticker: str) -> list[date]:
        """The recorded sessions of a ticker in order, read off an index."""
        days = schema.days.c
        with reading(self._engine) as connection:
            key = self._key(connection, run_id)
            return list(connection.scalars(select(days.day).where(days.run_key == key, days.ticker == ticker).order_by(days.day)))

    def day_rows(
        self,
        run_id: str,
        ticker: str | None = None,
        *,
        columns: Sequence[str] | None = None,
        day: date | None = None,
        newest: int | None = None,
        having: Sequence[str] = (),
    ) -> pd.DataFrame:
        """One row per day and ticker, by day: of all days, one, the ``newest`` ones, or those ``having`` something in these columns; with
        these columns of ``schema.days``, or with every one but the body."""
        chosen = _columns(schema.days, columns, but=("key", "run_key", "body"))
        days = schema.days.c

        def query(key: int) -> Select[Any]:
            wanted = _of_ticker(select(*chosen), days, key, ticker).where(*(days[name].is_not(None) for name in having))
            if day is not None:
                wanted = wanted.where(days.day == day)
            if newest is not None:
                wanted = wanted.where(days.key.in_(_newest(key, ticker, newest)))
            return wanted.order_by(days.day, days.ticker)

        return self._frame(run_id, query)

    def fill_rows(self, run_id: str, ticker: str | None = None) -> pd.DataFrame:
        """One row per fill, in order of execution."""
        return self._frame(run_id, lambda key: _per_day(schema.fills, key, ticker))

    def outcome_rows(self, run_id: str, ticker: str | None = None) -> pd.DataFrame:
        """One row per judged decision; ``day`` is when it was judged, ``decided`` when it was made."""
        return self._frame(run_id, lambda key: _per_day(schema.outcomes, key, ticker))

    def recall_rows(
        self,
        run_id: str,
        ticker: str,
        day: date | None = None,
        memory_id: int | None = None,
        *,
        until: date | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """One row per recalled memory and near miss, as ranked: of all days, one, or those up to ``until``; of all memories or one.
        ``columns`` names those wanted besides ticker and day."""

        def query(key: int) -> Select[Any]:
            chosen = _per_day(schema.recalls, key, ticker, columns)
            if day is not None:
                chosen = chosen.where(schema.days.c.day == day)
            if until is not None:
                chosen = chosen.where(schema.days.c.day <= until)
            if memory_id is not None:
                chosen = chosen.where(
                    schema.recalls.c.run_key == key, schema.recalls.c.ticker == ticker, schema.recalls.c.memory_id == memory_id
                )
            return chosen

        return self._frame(run_id, query)

    def event_rows(
        self,
        run_id: str,
        ticker: str,
        memory_id: int | None = None,
        until: date | None = None,
        *,
        day: date | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """One row per memory event in order: of all sessions, one, or those up to and including ``until``, with these columns or all.

        ``state`` is the JSON of the state after it; whoever reads many events leaves it out, or asks for single ``state_fields``.
        """
        chosen, table = _columns(schema.memory_events, columns, but=("run_key",)), schema.memory_events.c

        def query(key: int) -> Select[Any]:
            wanted = select(*chosen).where(table.run_key == key, table.ticker == ticker)
            if memory_id is not None:
                wanted = wanted.where(table.memory_id == memory_id)
            if day is not None:
                wanted = wanted.where(table.day == day)
            if until is not None:
                wanted = wanted.where(table.day <= until)
            return wanted.order_by(table.seq)

        return self._frame(run_id, query)

    def state_rows(self, run_id: str, ticker: str) -> pd.DataFrame:
        """Every memory event of the ticker in order, with the numbers of the state after it taken out of its JSON by the database.

        Columns: session (its index in the run), kind, memory_id, layer, importance, importance_as_of, recency_anchor, access_count,
        positive, negative.
        """
        table, days = schema.memory_events.c, schema.days.c
        state = type_coerce(table.state, JSON)
        floats = [state[name].as_float().label(name) for name in ("importance", "importance_as_of", "recency_anchor")]
        counts = [state[name].as_integer().label(name) for name in ("access_count", "positive", "negative")]
        chosen = select(days.index.label("session"), table.kind, table.memory_id, table.after_layer.label("layer"), *floats, *counts)
        same = and_(days.run_key == table.run_key, days.ticker == table.ticker, days.day == table.day)
        query = chosen.join(schema.days, same)
        return self._frame(run_id, lambda key: query.where(table.run_key == key, table.ticker == ticker).order_by(table.seq))

    def use_rows(self, run_id: str, ticker: str) -> pd.DataFrame:
        """Every time a memory was shown to the model, near misses left out, by session: session (its index), memory_id, cited."""
        table, days = schema.recalls.c, schema.days.c
        chosen = select(days.index.label("session"), table.memory_id, table.cited).join(schema.recalls, table.day_key == days.key)

        def query(key: int) -> Select[Any]:
            return chosen.where(days.run_key == key, days.ticker == ticker, table.near_miss.is_(False)).order_by(days.index)

        return self._frame(run_id, query)

    def memory_rows(
        self,
        run_id: str,
        ticker: str,
        *,
        ids: Iterable[int] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """One row per memory by id, with its newest state: of all or of ``ids``, with these columns, or with all, the text too."""
        table = schema.memories.c
        chosen = _columns(schema.memories, columns, but=("run_key", "rest", "state"))

        def query(key: int) -> Select[Any]:
            return select(*chosen).where(table.run_key == key, table.ticker == ticker).order_by(table.id)

        if ids is None:
            return self._frame(run_id, query)
        wanted = sorted({int(number) for number in ids})
        parts = [wanted[start : start + MOST_PARAMETERS] for start in range(0, len(wanted), MOST_PARAMETERS)]
        return self._frame(run_id, *(lambda key, part=part: query(key).where(table.id.in_(part)) for part in parts or [[]]))

    def memory_ids(self, run_id: str, ticker: str) -> list[int]:
        """Ids of every memory ever remembered, ascending, read off an index."""
        table = schema.memories.c
        with reading(self._engine) as connection:
            key = self._key(connection, run_id)
            return list(connection.scalars(select(table.id).where(table.run_key == key, table.ticker == ticker).order_by(table.id)))

    @contextmanager
    def look(self, run_id: str) -> Iterator[tuple[Connection, int]]:
        """A connection to read with, and the number of the run in the tables: for the narrow readings of ``storage/*_rows.py``."""
        with reading(self._engine) as connection:
            yield connection, self._key(connection, run_id)

    def _frame(self, run_id: str, *queries: Callable[[int], Select[Any]]) -> pd.DataFrame:
        """The rows of all queries, one after another; they have the same columns."""
        from storage.frames import frame  # pandas only for those who ask for frames

        with reading(self._engine) as connection:
            key = self._key(connection, run_id)
            found = [row for query in queries for row in connection.execute(query(key))]
            return frame(queries[0](key), found)

    # ---------------------------------------------------------------------------------------------------------- the end

    def delete(self, run_id: str) -> dict[str, int]:
        """Remove the run and everything that hangs on it; rows removed per table. Its vector index is removed by the caller."""
        counts: dict[str, int] = {}
        with writing(self._engine) as connection:
            key = self._key(connection, run_id)
            of_run = select(schema.days.c.key).where(schema.days.c.run_key == key)
            for table in reversed(schema.metadata.sorted_tables):
                if "day_key" in table.c:
                    counts[table.name] = connection.execute(delete(table).where(table.c.day_key.in_(of_run))).rowcount
                elif "run_key" in table.c:
                    counts[table.name] = connection.execute(delete(table).where(table.c.run_key == key)).rowcount
            counts["runs"] = connection.execute(delete(schema.runs).where(schema.runs.c.key == key)).rowcount
        self._claims.pop(run_id, None)
        if self.folder is not None:
            self._live_path(run_id).unlink(missing_ok=True)
        reclaim(self._engine)
        return counts

    # ------------------------------------------------------------------------------------------------- the answer as it grows

    def set_live(self, run_id: str, data: Mapping[str, Any]) -> None:
        """What the worker is doing this second, for the Monitor. A reader sees the old or the new one, never half of one."""
        path = self._live_path(run_id)
        body = rows.to_json(data, field="live")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{run_id}.")
            try:
                with os.fdopen(handle, "w") as file:
                    file.write(body)
                os.replace(draft, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(draft)
                raise
        except OSError as error:
            raise Unavailable(
                f"The live file {path} cannot be written ({error.strerror}).", cure="Free some space, or make the data folder writable."
            ) from None

    def live(self, run_id: str) -> dict[str, Any]:
        """The newest live answer; empty if there is none."""
        try:
            return json.loads(self._live_path(run_id).read_text())
        except (FileNotFoundError, json.JSONDecodeError):  # after a power cut the file may be empty; it is only of the moment
            return {}

    def _live_path(self, run_id: str) -> Path:
        if self.folder is None:
            raise SpecError("This run store has no folder for live files; give RunStore one.", field="folder")
        return self.folder / "live" / f"{checked_run_id(run_id)}.json"


def checked_run_id(run_id: str) -> str:
    """The id, if it can name a run: it becomes a file and a folder, so it must not lead elsewhere."""
    if not _RUN_ID.fullmatch(run_id) or run_id.endswith("."):
        raise SpecError(f"{run_id!r} cannot name a run; use letters, digits, dot, dash and underscore, at most 80.", field="run")
    return run_id


def alive(pid: int) -> bool:
    """Whether a process of this machine still works; one that has died but was not yet collected by its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


# ------------------------------------------------------------------------------------------------------------------- helpers


@lru_cache(maxsize=512)
def _spec_of(packed: bytes) -> RunSpec:
    """Specs are frozen and never change: a library of hundreds of runs parses each of them once."""
    return RunSpec.model_validate_json(rows.unpack(packed))


def _run_of(row: RowMapping) -> RunRow:
    values = {name: row[name] for name in row if name not in ("key", "run_id", "spec", "tickers", "provenance", "summary")}
    return RunRow(
        **values,
        id=row["run_id"],
        tickers=tuple(row["tickers"].split(",")),
        provenance=json.loads(row["provenance"]),
        summary=json.loads(row["summary"]),
        packed_spec=row["spec"],
    )


def _day_of(body: bytes) -> DayRecord:
    return DayRecord.model_validate_json(rows.unpack(body))


def _of_ticker(query: Select[Any], columns: Any, run_key: int, ticker: str | None) -> Select[Any]:
    query = query.where(columns.run_key == run_key)
    return query if ticker is None else query.where(columns.ticker == ticker)


def _per_day(table: Any, run_key: int, ticker: str | None, columns: Sequence[str] | None = None) -> Select[Any]:
    """Rows that hang on a day, with the day's ticker and date in front."""
    own = _columns(table, columns, but=("day_key", "position", "run_key", "ticker"))
    days = schema.days.c
    query = select(days.ticker, days.day, *own).join(table, table.c.day_key == days.key)
    return _of_ticker(query, days, run_key, ticker).order_by(days.day, days.ticker, table.c.position)


def _columns(table: Any, names: Sequence[str] | None, *, but: tuple[str, ...]) -> list[Any]:
    """These columns in this order, or all that are not ``but``; one that the table does not have is a KeyError, a mistake of the caller."""
    return [column for column in table.c if column.name not in but] if names is None else [table.c[name] for name in names]


def _newest(run_key: int, ticker: str | None, most: int) -> Select[Any]:
    """Keys of the days recorded last."""
    days = schema.days.c
    return _of_ticker(select(days.key), days, run_key, ticker).order_by(days.key.desc()).limit(most)
