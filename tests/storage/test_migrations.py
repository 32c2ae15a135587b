"""A store written by an earlier version opens and keeps its runs; one written by a later version is left alone.

``version_1.sql`` is a dump of a store as version 1 wrote it (two days of the factory's run). It is never written anew: it stands for
the files that people have.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text

from agent.errors import Unavailable
from storage.annotations import Annotations, Place
from storage.connect import connect
from storage.migrations import MIGRATIONS, migrate
from storage.run_store import RunStore
from tests.storage.factory import make_day


@pytest.fixture
def old(tmp_path: Path) -> str:
    """The address of a store of version 1."""
    with sqlite3.connect(tmp_path / "old.db") as connection:
        connection.executescript((Path(__file__).parent / "version_1.sql").read_text())
    return f"sqlite:///{tmp_path}/old.db"


def shape(url: str) -> dict[str, Any]:
    """Tables, columns, keys and indexes, in words that can be compared."""
    look = inspect(connect(url))
    return {
        name: (
            {column["name"]: (str(column["type"]), column["nullable"]) for column in look.get_columns(name)},
            look.get_pk_constraint(name)["constrained_columns"],
            sorted(str(key["referred_table"]) + str(key["options"]) for key in look.get_foreign_keys(name)),
            sorted((index["name"], tuple(index["column_names"])) for index in look.get_indexes(name)),
        )
        for name in look.get_table_names()
    }


def test_a_store_of_version_1_opens_with_its_runs(old: str) -> None:
    store = RunStore(old)
    assert [(row.id, row.name, row.sessions_done) for row in store.runs()] == [("run-1", "kept since version 1", 2)]
    assert len(list(store.records("run-1"))) == 2 and len(store.memories("run-1", "ACME")) == 4
    assert len(store.outbox("run-1")) == 5
    record, vectors = make_day(index=2)
    store.append(record, vectors=vectors)
    assert store.record("run-1", "ACME", record.day) == record


def test_a_migrated_store_has_the_tables_of_a_new_one(old: str, tmp_path: Path) -> None:
    RunStore(old)
    RunStore(f"sqlite:///{tmp_path}/new.db")
    assert shape(old) == shape(f"sqlite:///{tmp_path}/new.db")


def test_days_from_before_were_not_cut_left_nothing_out_and_name_no_way(old: str) -> None:
    store = RunStore(old)
    record, vectors = make_day(index=2)
    store.append(record, vectors=vectors)
    rows = store.day_rows("run-1")
    assert len(rows) == 3 and set(rows["way"]) == {None}
    assert {name: list(rows[name]) for name in ("left_out", "cut", "cached", "helper_calls")} == {
        name: [0, 0, 0] for name in ("left_out", "cut", "cached", "helper_calls")
    }


def test_numbers_are_unbroken_and_the_names_say_something() -> None:
    assert [number for number, _, _ in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    assert all(name for _, name, _ in MIGRATIONS)


def test_what_an_old_store_lacks_is_applied_once_and_in_order(old: str) -> None:
    done: list[int] = []

    def step(number: int) -> Any:
        def apply(connection: Connection) -> None:
            done.append(number)
            connection.execute(text(f"ALTER TABLE runs ADD COLUMN extra_{number} INTEGER"))

        return (number, f"step {number}", apply)

    more = [*MIGRATIONS, *(step(len(MIGRATIONS) + n) for n in (1, 2))]
    engine, top = connect(old), more[-1][0]
    assert migrate(engine, migrations=more) == top and migrate(engine, migrations=more) == top
    assert done == [top - 1, top]
    assert {f"extra_{top}", f"extra_{top - 1}"} <= {column["name"] for column in inspect(engine).get_columns("runs")}


def test_a_migration_that_fails_changes_nothing(old: str) -> None:
    def half(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE runs ADD COLUMN half INTEGER"))
        raise RuntimeError("no further")

    engine = connect(old)
    with pytest.raises(RuntimeError):
        migrate(engine, migrations=[*MIGRATIONS, (len(MIGRATIONS) + 1, "half", half)])
    assert "half" not in {column["name"] for column in inspect(engine).get_columns("runs")}
    assert RunStore(old).run("run-1").name == "kept since version 1"


def test_a_store_of_a_newer_program_is_refused_and_left_alone(old: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "old.db") as connection:
        connection.execute("INSERT INTO migrations VALUES (99, 'from the future', '2030-01-01T00:00:00.000000+00:00')")
    with pytest.raises(Unavailable, match=r"old.db was written by a newer Recollect \(version 99; this one knows \d+\). Update Recollect"):
        RunStore(old)
    with sqlite3.connect(tmp_path / "old.db") as connection:
        assert connection.execute("SELECT max(number), count(*) FROM migrations").fetchone() == (99, 2)


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "runs.db") as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(Unavailable, match=r"belongs to another program \(tables: bookmarks\)"):
        RunStore(f"sqlite:///{tmp_path}/runs.db")
    with sqlite3.connect(tmp_path / "runs.db") as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    RunStore(url).close()
    before = shape(url)
    store = RunStore(url)
    assert shape(url) == before and store.runs() == []


def test_a_run_of_an_old_store_can_be_written_beside_and_takes_it_along(old: str) -> None:
    store, book = RunStore(old), Annotations(old)
    note = book.add(Place("run-1", "ACME", memory=1), "note", "later thought")
    assert book.of_run("run-1") == [note]
    assert store.delete("run-1")["annotations"] == 1 and book.of_kind("note") == []
