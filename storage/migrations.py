"""Bringing an existing run store up to date: append-only, numbered, applied on open, each in the same transaction as its record.

A new file gets today's tables and counts as having every migration; an older one gets the functions it lacks, in order. A test holds
the two ways to the same result. Never edit or reorder a function that was released.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import OperationalError, ProgrammingError

from agent.errors import Unavailable
from storage import schema
from storage.connect import reading, writing

Migration = tuple[int, str, Callable[[Connection], None]]


def _first(connection: Connection) -> None:
    """Version 1 is where the tables began; a file without it is either new or not ours."""


def _asked(connection: Connection) -> None:
    """How each day was asked. Days from before were all asked without any of it, so they get the defaults."""
    connection.execute(text("ALTER TABLE days ADD COLUMN way TEXT"))
    for name in ("left_out", "cut", "cached", "helper_calls"):
        connection.execute(text(f"ALTER TABLE days ADD COLUMN {name} INTEGER DEFAULT 0 NOT NULL"))


def _annotations(connection: Connection) -> None:
    """Notes, tags and bookmarks, as version 3 keeps them: written out here, since the schema may move on."""
    tables = MetaData()
    Table("runs", tables, Column("key", Integer, primary_key=True))
    made = Table(
        "annotations",
        tables,
        Column("key", Integer, primary_key=True),
        Column("run_key", Integer, ForeignKey("runs.key", ondelete="CASCADE"), nullable=False),
        Column("kind", String(8), nullable=False),
        Column("ticker", String(32), nullable=False, server_default=""),
        Column("day", Date),
        Column("memory_id", Integer),
        Column("text", Text, nullable=False, server_default=""),
        Column("at", String(32), nullable=False),
        Column("edited_at", String(32)),
        Index("annotations_of_run", "run_key", "ticker"),
        sqlite_autoincrement=True,
    )
    made.create(connection)


def _events_by_day(connection: Connection) -> None:
    """What changed on one day is read without stepping over every event of the run."""
    connection.execute(text("CREATE INDEX events_of_day ON memory_events (run_key, ticker, day)"))


def _trials(connection: Connection) -> None:
    """Everything that was ever tried; filled when somebody first asks, from the runs that are there."""
    made = Table(
        "trials",
        MetaData(),
        Column("key", Integer, primary_key=True),
        Column("market_key", String(64), nullable=False),
        Column("group_key", String(64), nullable=False),
        Column("fingerprint", String(64), nullable=False, unique=True),
        Column("run_id", String(80), nullable=False),
        Column("strategy", String(60), nullable=False),
        Column("label", Text, nullable=False),
        Column("at", String(32), nullable=False),
        Column("n", Integer, nullable=False),
        Column("sharpe_daily", Float),
        Column("by_person", Boolean, nullable=False),
        Column("days", LargeBinary, nullable=False),
        Column("returns", LargeBinary, nullable=False),
        Index("trials_of_market", "market_key"),
        sqlite_autoincrement=True,
    )
    made.create(connection)


def _batches(connection: Connection) -> None:
    """Runs asked for together, as version 6 keeps them."""
    tables = MetaData()
    Table(
        "batches",
        tables,
        Column("key", Integer, primary_key=True),
        Column("batch_id", String(80), nullable=False, unique=True),
        Column("name", String(120), nullable=False),
        Column("created_at", String(32), nullable=False),
        Column("updated_at", String(32), nullable=False),
        Column("status", String(12), nullable=False),
        Column("request", String(8), nullable=False, server_default=""),
        Column("pid", Integer),
        Column("host", String(255), nullable=False, server_default=""),
        Column("heartbeat_at", String(32)),
        Column("started_at", String(32)),
        Column("finished_at", String(32)),
        Column("error", Text, nullable=False, server_default=""),
        Column("asked", LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    Table(
        "batch_members",
        tables,
        Column("batch_key", Integer, ForeignKey("batches.key", ondelete="CASCADE"), primary_key=True),
        Column("position", Integer, primary_key=True, autoincrement=False),
        Column("run_id", String(80), nullable=False, unique=True),
        Column("labels", Text, nullable=False),
        Column("begun_at", String(32)),
        Column("deaths", Integer, nullable=False, server_default="0"),
        Column("deaths_at", Integer, nullable=False, server_default="0"),
        Column("spec", LargeBinary, nullable=False),
    )
    tables.create_all(connection)


MIGRATIONS: tuple[Migration, ...] = (
    (1, "the first tables", _first),
    (2, "how a day was asked", _asked),
    (3, "notes, tags and bookmarks", _annotations),
    (4, "memory events by day", _events_by_day),
    (5, "trials", _trials),
    (6, "batches of runs", _batches),
)


def migrate(engine: Engine, *, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Apply what is missing and return the version. A store of a newer program is refused and left untouched."""
    latest = migrations[-1][0]
    version = _version(engine)
    if version == latest:
        return version
    with writing(engine) as connection:
        names = set(inspect(connection).get_table_names())
        if "migrations" not in names:
            _refuse_strangers(engine, names)
            schema.metadata.create_all(connection)
            _note(connection, migrations)
            return latest
        version = connection.scalar(select(func.max(schema.migrations.c.number))) or 0
        if version > latest:
            raise Unavailable(
                f"The run store {engine.url.database} was written by a newer Recollect (version {version}; this one knows {latest}).",
                cure="Update Recollect, or choose another data folder.",
            )
        for number, name, apply in migrations:
            if number > version:
                apply(connection)
                _note(connection, [(number, name, apply)])
    return latest


def _version(engine: Engine) -> int:
    try:
        with reading(engine) as connection:
            return connection.scalar(select(func.max(schema.migrations.c.number))) or 0
    except (OperationalError, ProgrammingError):  # no such table: the file is new, or not ours
        return 0


def _refuse_strangers(engine: Engine, names: set[str]) -> None:
    if names:
        raise Unavailable(
            f"The database {engine.url.database} belongs to another program (tables: {', '.join(sorted(names)[:5])}).",
            cure="Choose another data folder.",
        )


def _note(connection: Connection, migrations: Sequence[Migration]) -> None:
    now = datetime.now(UTC)
    connection.execute(insert(schema.migrations), [{"number": number, "name": name, "applied_at": now} for number, name, _ in migrations])
