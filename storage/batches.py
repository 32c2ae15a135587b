"""Batches in the run store: what was asked for together, which run each member becomes, who works on it.

A batch and all its members are written in one transaction before any run starts. A run's own status stays with the run; here stands
only what the run cannot know: its place in the batch, whether it was ever begun, and how often its worker died on one day.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, literal, or_, select, update

from agent.errors import SpecError
from agent.registry import unknown
from agent.spec import RunSpec
from storage import rows, schema
from storage.connect import connect, reading, writing
from storage.migrations import migrate
from storage.run_store import STALE_AFTER_S, alive, checked_run_id

Status = Literal["queued", "running", "paused", "done", "cancelled"]
Request = Literal["", "pause", "cancel"]
OVER: tuple[Status, ...] = ("done", "cancelled")


@dataclass(frozen=True)
class BatchRow:
    """One batch as it is listed. ``asked`` is what a person asked for; ``runs`` how many members there are."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    status: Status
    request: Request
    pid: int | None
    host: str
    heartbeat_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    error: str
    runs: int
    asked: dict[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True)
class NewMember:
    """A cell of a batch before it is stored: the id its run will have, its spec, and what sets it apart."""

    run: str
    spec: RunSpec
    labels: Mapping[str, Any]


@dataclass(frozen=True)
class Member:
    """A cell of a batch. ``begun``: whether its run was ever made, so that one that is missing was deleted."""

    position: int
    run: str
    labels: dict[str, Any]
    begun: bool
    deaths: int
    deaths_at: int
    packed_spec: bytes = field(repr=False, compare=False)

    @property
    def spec(self) -> RunSpec:
        """SpecError where this version does not accept it any more."""
        return RunSpec.read(json.loads(rows.unpack(self.packed_spec)))


class Batches:
    """The batches in the run store at ``url``. ``clock`` is asked for the time of status changes."""

    def __init__(self, url: str, *, clock: Callable[[], datetime] | None = None) -> None:
        self._now = clock or (lambda: datetime.now(UTC))
        self._claims: dict[str, tuple[int, str]] = {}
        self._engine = connect(url)
        migrate(self._engine)

    def close(self) -> None:
        """Let go of the file; a later call opens it again."""
        self._engine.dispose()

    # ------------------------------------------------------------------------------------------------------------ a batch

    def create(self, batch_id: str, *, name: str, asked: Mapping[str, Any], members: Sequence[NewMember]) -> BatchRow:
        """The batch with all its members, whole or not at all; an id that exists is a SpecError."""
        now = self._now()
        row = {"batch_id": checked_run_id(batch_id), "name": name, "created_at": now, "updated_at": now, "status": "queued"}
        packed = rows.pack(rows.to_json(asked, field="batch"))
        with writing(self._engine) as connection:
            if connection.scalar(select(schema.batches.c.key).where(schema.batches.c.batch_id == batch_id)) is not None:
                raise SpecError(f"Batch {batch_id!r} exists already; choose another id.", field="batch")
            made = connection.execute(insert(schema.batches).values(**row, asked=packed)).inserted_primary_key
            assert made is not None  # one row with a key of its own
            connection.execute(insert(schema.batch_members), [_member_row(made[0], n, item) for n, item in enumerate(members)])
        return self.batch(batch_id)

    def batches(self) -> list[BatchRow]:
        """All batches, newest first."""
        with reading(self._engine) as connection:
            query = _select().order_by(schema.batches.c.created_at.desc(), schema.batches.c.key.desc())
            return [_batch(row) for row in connection.execute(query).mappings()]

    def batch(self, batch_id: str) -> BatchRow:
        """One batch; SpecError with the nearest id where there is none."""
        with reading(self._engine) as connection:
            row = connection.execute(_select().where(schema.batches.c.batch_id == batch_id)).mappings().first()
            if row is None:
                raise self._unknown(connection, batch_id)
        return _batch(row)

    def members(self, batch_id: str) -> list[Member]:
        """The cells of a batch in their order."""
        c = schema.batch_members.c
        with reading(self._engine) as connection:
            key = self._key(connection, batch_id)
            found = connection.execute(select(schema.batch_members).where(c.batch_key == key).order_by(c.position)).mappings().all()
        return [_member(row) for row in found]

    def delete(self, batch_id: str) -> None:
        """Forget the batch; its runs stay."""
        with writing(self._engine) as connection:
            key = self._key(connection, batch_id)
            connection.execute(delete(schema.batch_members).where(schema.batch_members.c.batch_key == key))
            connection.execute(delete(schema.batches).where(schema.batches.c.key == key))
        self._claims.pop(batch_id, None)

    # ------------------------------------------------------------------------------------------------------------- its worker

    def claim(self, batch_id: str, pid: int, *, host: str = "", stale_after_s: float = STALE_AFTER_S) -> bool:
        """Make ``pid`` the one worker of the batch and set it running; False if another process is at it.

        A batch whose worker is dead, or silent for ``stale_after_s``, can be claimed; whoever lost it is told by ``beat``.
        """
        host, now, c = host or socket.gethostname(), self._now(), schema.batches.c
        row = self.batch(batch_id)
        orphaned = row.status == "running" and row.host == host and row.pid is not None and not alive(row.pid)
        free = or_(
            c.status != "running",
            c.heartbeat_at.is_(None),
            c.heartbeat_at < now - timedelta(seconds=stale_after_s),
            and_(c.pid == row.pid, c.host == row.host) if orphaned else c.key < 0,
        )
        values = {"status": "running", "pid": pid, "host": host, "heartbeat_at": now, "updated_at": now, "error": "", "finished_at": None}
        change = update(schema.batches).where(c.batch_id == batch_id, free)
        with writing(self._engine) as connection:
            started = func.coalesce(c.started_at, literal(now, schema.Utc))
            won = connection.execute(change.values(**values, request="", started_at=started)).rowcount == 1
        if won:
            self._claims[batch_id] = (pid, host)
        return won

    def beat(self, batch_id: str) -> bool:
        """A sign of life; False where the claim was taken over, or the batch deleted, meanwhile."""
        pid, host = self._claims.get(batch_id, (None, ""))
        c, now = schema.batches.c, self._now()
        change = update(schema.batches).where(c.batch_id == batch_id, c.pid == pid, c.host == host)
        with writing(self._engine) as connection:
            return connection.execute(change.values(heartbeat_at=now, updated_at=now)).rowcount == 1

    def set_status(self, batch_id: str, status: Status, *, error: str = "") -> None:
        """A status of a batch that nobody works on, or whose worker says how it ended."""
        over = self._now() if status in OVER else None
        self._update(batch_id, status=status, error=error, pid=None, request="", finished_at=over)

    def ask(self, batch_id: str, request: Request) -> None:
        """Leave a wish for the worker."""
        self._update(batch_id, request=request)

    def asked(self, batch_id: str) -> Request:
        """The wish left for the worker; that of a batch that is gone is to stop."""
        with reading(self._engine) as connection:
            found = connection.scalar(select(schema.batches.c.request).where(schema.batches.c.batch_id == batch_id))
        return "cancel" if found is None else found

    # ------------------------------------------------------------------------------------------------------------ its members

    def begun(self, run_id: str) -> None:
        """The run of this member exists from now on."""
        c = schema.batch_members.c
        with writing(self._engine) as connection:
            connection.execute(update(schema.batch_members).where(c.run_id == run_id, c.begun_at.is_(None)).values(begun_at=self._now()))

    def died(self, run_id: str, *, days: int) -> int:
        """The worker of this member died when ``days`` were recorded; how often it did so now without getting any further."""
        c = schema.batch_members.c
        with writing(self._engine) as connection:
            row = connection.execute(select(c.deaths, c.deaths_at).where(c.run_id == run_id)).first()
            if row is None:
                return 0
            count = row.deaths + 1 if row.deaths_at == days else 1
            connection.execute(update(schema.batch_members).where(c.run_id == run_id).values(deaths=count, deaths_at=days))
        return count

    def forgive(self, run_id: str) -> None:
        """Earlier deaths count no more: somebody asked to try again."""
        c = schema.batch_members.c
        with writing(self._engine) as connection:
            connection.execute(update(schema.batch_members).where(c.run_id == run_id).values(deaths=0, deaths_at=0))

    def of_run(self, run_id: str) -> tuple[str, str, int] | None:
        """(id of its batch, the batch's name, its position) of a run, None where it belongs to none."""
        c, b = schema.batch_members.c, schema.batches.c
        query = select(b.batch_id, b.name, c.position).join(schema.batches, c.batch_key == b.key).where(c.run_id == run_id)
        with reading(self._engine) as connection:
            found = connection.execute(query).first()
        return None if found is None else (found[0], found[1], found[2])

    # --------------------------------------------------------------------------------------------------------------- helpers

    def _update(self, batch_id: str, **values: Any) -> None:
        with writing(self._engine) as connection:
            change = update(schema.batches).where(schema.batches.c.batch_id == batch_id).values(updated_at=self._now(), **values)
            if not connection.execute(change).rowcount:
                raise self._unknown(connection, batch_id)

    def _key(self, connection: Connection, batch_id: str) -> int:
        key = connection.scalar(select(schema.batches.c.key).where(schema.batches.c.batch_id == batch_id))
        if key is None:
            raise self._unknown(connection, batch_id)
        return key

    @staticmethod
    def _unknown(connection: Connection, batch_id: str) -> SpecError:
        known = connection.scalars(select(schema.batches.c.batch_id).order_by(schema.batches.c.key.desc()).limit(8)).all()
        return SpecError(unknown("batch", batch_id, known) if known else f"Unknown batch {batch_id!r}; there are none yet.", field="batch")


def _select() -> Any:
    counted = select(func.count()).where(schema.batch_members.c.batch_key == schema.batches.c.key).scalar_subquery()
    return select(*schema.batches.c, counted.label("runs"))


def _batch(row: RowMapping) -> BatchRow:
    values = {name: row[name] for name in row if name not in ("key", "batch_id", "asked")}
    return BatchRow(**values, id=row["batch_id"], asked=json.loads(rows.unpack(row["asked"])))


def _member(row: RowMapping) -> Member:
    return Member(
        position=row["position"],
        run=row["run_id"],
        labels=json.loads(row["labels"]),
        begun=row["begun_at"] is not None,
        deaths=row["deaths"],
        deaths_at=row["deaths_at"],
        packed_spec=row["spec"],
    )


def _member_row(batch_key: int, position: int, item: NewMember) -> dict[str, Any]:
    return {
        "batch_key": batch_key,
        "position": position,
        "run_id": checked_run_id(item.run),
        "labels": rows.to_json(item.labels, field="labels"),
        "spec": rows.pack(item.spec.model_dump_json()),
    }
