"""Notes, tags and bookmarks: what people wrote beside a run, one of its days, or one of its memories.

They live in the run store and leave with their run. They are nobody's decision: no run, figure or fingerprint is made of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, insert, select, update

from agent.errors import NoData, SpecError
from storage import schema
from storage.connect import connect, reading, writing
from storage.migrations import migrate

Kind = Literal["note", "tag", "bookmark"]
KINDS: tuple[Kind, ...] = ("note", "tag", "bookmark")


@dataclass(frozen=True)
class Place:
    """What something is written beside: a run alone, a day (ticker and day) or a memory (ticker and memory)."""

    run: str
    ticker: str = ""
    day: date | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Annotation:
    """One note, tag or bookmark; a bookmark has no text."""

    key: int
    place: Place
    kind: Kind
    text: str
    at: datetime
    edited_at: datetime | None = None


class Annotations:
    """The annotations in the run store at ``url``. ``clock`` says when something was written or changed."""

    def __init__(self, url: str, *, clock: Callable[[], datetime] | None = None) -> None:
        self._now = clock or (lambda: datetime.now(UTC))
        self._engine = connect(url)
        migrate(self._engine)

    def close(self) -> None:
        """Let go of the file; a later call opens it again."""
        self._engine.dispose()

    def add(self, place: Place, kind: Kind, text: str = "", *, at: datetime | None = None, edited_at: datetime | None = None) -> Annotation:
        """Keep it, with the time of now or ``at``. A tag or bookmark that the place has already is returned as it is."""
        with writing(self._engine) as connection:
            key = _run_key(connection, place.run)
            there = None if kind == "note" else _same(connection, key, place, kind, text)
            if there is not None:
                return _annotation(there)
            row = annotation_row(Annotation(0, place, kind, text, at or self._now(), edited_at), key)
            made = connection.execute(insert(schema.annotated).values(**row)).inserted_primary_key
            assert made is not None  # one row with a key of its own
            return _annotation(_row(connection, made[0]))

    def edit(self, key: int, text: str) -> Annotation:
        """Another text, and the time of the change; NoData if it is gone."""
        with writing(self._engine) as connection:
            _row(connection, key)
            connection.execute(update(schema.annotated).where(schema.annotated.c.key == key).values(text=text, edited_at=self._now()))
            return _annotation(_row(connection, key))

    def remove(self, key: int) -> Annotation:
        """Take it away and return what it was, so that it can be put back; NoData if it is gone already."""
        with writing(self._engine) as connection:
            found = _annotation(_row(connection, key))
            connection.execute(delete(schema.annotated).where(schema.annotated.c.key == key))
        return found

    def at(self, place: Place) -> list[Annotation]:
        """What is written beside exactly this place, oldest first."""
        with reading(self._engine) as connection:
            return _found(connection, *_here(place), schema.runs.c.run_id == place.run)

    def of_run(self, run_id: str) -> list[Annotation]:
        """Everything written beside the run, its days and its memories, oldest first."""
        with reading(self._engine) as connection:
            return _found(connection, schema.runs.c.run_id == run_id)

    def of_kind(self, kind: Kind) -> list[Annotation]:
        """All bookmarks, tags or notes of all runs, oldest first."""
        with reading(self._engine) as connection:
            return _found(connection, schema.annotated.c.kind == kind)

    def tally(self) -> dict[str, dict[str, int]]:
        """Run id to the number of its annotations of each kind, those of its days and memories included."""
        table = schema.annotated.c
        query = (
            select(schema.runs.c.run_id, table.kind, func.count().label("number"))
            .join(schema.annotated, table.run_key == schema.runs.c.key)
            .group_by(schema.runs.c.run_id, table.kind)
        )
        found: dict[str, dict[str, int]] = {}
        with reading(self._engine) as connection:
            for row in connection.execute(query):
                found.setdefault(row.run_id, {})[row.kind] = row.number
        return found


def annotation_row(item: Annotation, run_key: int) -> dict[str, Any]:
    """The table row of ``item`` without its key."""
    place = item.place
    return {
        "run_key": run_key,
        "kind": item.kind,
        "ticker": place.ticker,
        "day": place.day,
        "memory_id": place.memory,
        "text": item.text,
        "at": item.at,
        "edited_at": item.edited_at,
    }


def _run_key(connection: Connection, run_id: str) -> int:
    key = connection.scalar(select(schema.runs.c.key).where(schema.runs.c.run_id == run_id))
    if key is None:
        raise SpecError(f"There is no run {run_id!r} (any more); nothing can be written beside it.", field="run")
    return key


def _here(place: Place) -> tuple[ColumnElement[bool], ...]:
    table = schema.annotated.c
    return table.ticker == place.ticker, table.day.is_not_distinct_from(place.day), table.memory_id.is_not_distinct_from(place.memory)


def _same(connection: Connection, run_key: int, place: Place, kind: Kind, text: str) -> RowMapping | None:
    table = schema.annotated.c
    query = _select().where(table.run_key == run_key, table.kind == kind, *_here(place))
    return next((row for row in connection.execute(query).mappings() if row["text"].casefold() == text.casefold()), None)


def _row(connection: Connection, key: int) -> RowMapping:
    row = connection.execute(_select().where(schema.annotated.c.key == key)).mappings().first()
    if row is None:
        raise NoData("This note, tag or bookmark is gone: it was deleted in another tab, or with its run.", field="annotation")
    return row


def _select() -> Any:
    columns = [column for column in schema.annotated.c if column.name != "run_key"]
    return select(schema.runs.c.run_id, *columns).join(schema.runs, schema.runs.c.key == schema.annotated.c.run_key)


def _found(connection: Connection, *conditions: ColumnElement[bool]) -> list[Annotation]:
    query = _select().where(*conditions).order_by(schema.annotated.c.at, schema.annotated.c.key)
    return [_annotation(row) for row in connection.execute(query).mappings()]


def _annotation(row: RowMapping) -> Annotation:
    place = Place(row["run_id"], row["ticker"], row["day"], row["memory_id"])
    return Annotation(row["key"], place, row["kind"], row["text"], row["at"], row["edited_at"])
