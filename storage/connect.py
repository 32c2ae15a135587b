"""Opening the database: the one place that knows SQLite's own settings, and that turns a database's complaint into a sentence.

Everything SQLite-only lives here in hooks, so that the tables and statements elsewhere stay portable SQL.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError

from agent.errors import SpecError, Unavailable

BUSY_MS = 30_000  # longer than any of our transactions; a day is milliseconds, a delete of a large run about a second


def connect(url: str) -> Engine:
    """An engine for ``url``; the folder of a SQLite file is made. Nothing is opened yet."""
    try:
        address = make_url(url)
        path = database_path(url)
        if path is None and address.get_backend_name() == "sqlite":
            raise SpecError("The run store must be a file: sqlite:////absolute/path/runs.db", field="store")
        if path is not None:
            _make_folder(path.parent)
        engine = create_engine(address, future=True)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise SpecError(
            f"{url!r} is not a database address that works here ({error}); use sqlite:////absolute/path/runs.db", field="store"
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def database_path(url: str) -> Path | None:
    """The file behind a SQLite address, None for a server or a database in memory."""
    address = make_url(url)
    if address.get_backend_name() != "sqlite" or not address.database or address.database == ":memory:":
        return None
    return Path(address.database)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"The data folder {folder} cannot be made ({error.strerror}).",
            cure="Choose a data folder that this user may write to, or fix its permissions.",
        ) from None


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's own rule starts transactions too late for DDL and reads
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")  # takes effect only before the first table; must come before WAL
    _use_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")  # a deleted run's texts are overwritten, not merely unlinked
    cursor.close()


def _use_wal(cursor: Any) -> None:
    """Switching the journal ignores busy_timeout, so two programs that open a new file at once need another try."""
    for attempt in range(50):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except Exception as error:
            if "locked" not in str(error) or attempt == 49:
                raise
            time.sleep(0.05)


def _begin_sqlite(connection: Connection) -> None:
    # a writer takes its lock at once: a read lock that grows into a write lock may fail without waiting
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that writes: all of it is kept or none."""
    with plain_errors(engine), engine.connect() as raw:
        connection = raw.execution_options(writing=True)
        with connection.begin():
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that reads a single state of the database, however long it takes."""
    with plain_errors(engine), engine.connect() as connection, connection.begin():
        yield connection


def reclaim(engine: Engine) -> None:
    """Give the space of deleted rows back to the file system. Does nothing where the database does that itself."""
    if engine.dialect.name != "sqlite":
        return
    with plain_errors(engine), engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.executescript("PRAGMA incremental_vacuum")  # execute() would step once, which frees a single page
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        cursor.close()


_SENTENCES = {
    "readonly": (
        "The run store {where} is read-only.",
        "Make the file and its folder writable for this user, or choose another data folder.",
    ),
    "unable to open": ("The run store {where} cannot be opened.", "Make its folder writable for this user, or choose another data folder."),
    "disk is full": ("The disk that holds the run store {where} is full; the day was not saved.", "Free some space, then resume the run."),
    "disk i/o error": (
        "The disk that holds the run store {where} cannot be written.",
        "Check free space and the disk, then resume the run.",
    ),
    "locked": ("The run store {where} is held by another program.", "Close the program that holds it, then try again."),
    "malformed": ("The run store {where} is damaged.", "Restore it from a copy, or move it away to start an empty one."),
    "not a database": ("The file {where} is not a run store.", "Move it away, or choose another data folder."),
}


@contextmanager
def plain_errors(engine: Engine) -> Iterator[None]:
    """Database complaints about the world outside become Unavailable with a cure; mistakes of ours stay what they are."""
    try:
        yield
    except DatabaseError as error:
        message = str(error.orig).lower()
        where = engine.url.database if engine.dialect.name == "sqlite" else engine.url.render_as_string(hide_password=True)
        for sign, (sentence, cure) in _SENTENCES.items():
            if sign in message:
                raise Unavailable(sentence.format(where=where), cure=cure) from error
        if engine.dialect.name != "sqlite" and isinstance(error, OperationalError):
            raise Unavailable(f"The run store {where} cannot be reached.", cure="Check the address and that the server runs.") from error
        raise
