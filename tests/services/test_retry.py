"""Asking a day again: the run is taken back to before it without a trace of what came after, and then ends as if it had never been."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import date

import pytest

from agent.errors import SpecError
from services import queries, runs, worker
from services.settings import settings
from tests.pages.conftest import small_spec
from tests.services.test_misbehaviour import DAYS, ran
from tests.stand_ins.ollama_server import Model, OllamaStandIn

TABLES = ("days", "recalls", "memories", "vectors", "memory_events", "fills", "outcomes")
KEYS = {"key", "run_key", "day_key"}  # numbers of the database itself


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A finished run of two tickers, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("RECOLLECT_DEMO_ON_START", "false")
        settings.cache_clear()
        run = runs.create(small_spec())
        assert worker.execute(run) == "done"
        yield run
    settings.cache_clear()


def copy_until(run: str, day: date | None) -> str:
    """A run that holds the days before ``day`` of another, or all."""
    store = runs.store()
    number = f"c{len(store.runs())}"
    store.create(store.run(run).spec, run_id=number, provenance=store.run(run).provenance)
    vectors = {ticker: dict(zip(*store.vectors(run, ticker), strict=True)) for ticker in store.run(run).tickers}
    for record in store.records(run):
        if day is None or record.day < day:
            born = [event.memory_id for event in record.thought.memory_events if event.kind == "remembered"]
            store.append(record.model_copy(update={"run": number}), vectors={one: vectors[record.ticker][one] for one in born})
    return number


def rows(run: str) -> dict[str, list[dict]]:
    """Every row of the run in every table, without the numbers that the database gives; a record without the name of its run."""
    found: dict[str, list[dict]] = {}
    with sqlite3.connect(runs.store().path) as database:
        database.row_factory = sqlite3.Row
        key = database.execute("select key from runs where run_id = ?", (run,)).fetchone()[0]
        of_days = {row["key"]: (row["ticker"], row["day"]) for row in database.execute("select * from days where run_key = ?", (key,))}
        for table in TABLES:
            here = "run_key = ?" if table != "fills" and table != "outcomes" else "day_key in (select key from days where run_key = ?)"
            found[table] = [_plain(dict(row), of_days) for row in database.execute(f"select * from {table} where {here}", (key,))]
            found[table].sort(key=lambda row: json.dumps(row, default=str, sort_keys=True))
    return found


def _plain(row: dict, of_days: dict[int, tuple[str, str]]) -> dict:
    day = of_days.get(row.get("day_key", 0))
    return {**{name: value for name, value in row.items() if name not in KEYS | {"body"}}, "_day": day}


@pytest.mark.parametrize("place", [0, 1, 9, 17, 25])
def test_a_run_taken_back_is_the_run_that_had_only_the_days_before(made: str, place: int):
    day = queries.session_days(made, "DMAUR")[place]
    whole, part = copy_until(made, None), copy_until(made, day)
    every = runs.store().run(whole).sessions_done
    assert runs.store().rewind(whole, day) == every - 2 * place
    assert rows(whole) == rows(part)
    assert runs.store().run(whole).sessions_done == 2 * place


def test_a_day_that_was_decided_cannot_be_asked_again(made: str):
    with pytest.raises(SpecError, match="only a day without one") as told:
        runs.take_back(made, "DMAUR", queries.session_days(made, "DMAUR")[-1])
    assert told.value.field == "day"


def test_a_day_without_a_decision_is_asked_again_and_the_run_ends_as_one_that_never_failed(made: str):
    with OllamaStandIn(models=[Model("qwen3:8b")], piece=400) as server:
        run, status, days = ran(server, "empty", "empty")
        assert status == "failed" and days[0].thought.decision is not None and days[0].thought.decision.provenance == "abstained"
        missed = runs.undecided(run)
        assert missed[["ticker", "day"]].to_numpy().tolist() == [["DMAUR", days[0].day]]
        assert runs.discarded_by_retry(run, days[0].day) == DAYS == runs.take_back(run, "DMAUR", days[0].day)
        assert worker.execute(run) == "done" and runs.undecided(run).empty
        smooth, status, _ = ran(server)
        assert status == "done"
        ours, theirs = rows(run), rows(smooth)
        for table in TABLES:
            assert [timeless(row) for row in ours[table]] == [timeless(row) for row in theirs[table]], table
        assert any("was asked again" in note for note in queries.run(run).model_notes)
        assert "1 day asked again" in queries.marks(queries.run(run))


def timeless(row: dict) -> dict:
    return {name: value for name, value in row.items() if name not in ("ms", "model_ms")}


def test_on_the_command_line_the_first_day_without_a_decision_is_asked_again(made: str):
    from typer.testing import CliRunner

    from cli import app

    with OllamaStandIn(models=[Model("qwen3:8b")], piece=400) as server:
        run, _, days = ran(server, None, "empty", "empty")
        said = CliRunner().invoke(app, ["retry", run, "--day", str(days[0].day)])
        assert said.exit_code == 2 and f"this run has: DMAUR {days[1].day}" in said.output
        said = CliRunner().invoke(app, ["retry", run])
        assert said.exit_code == 0, said.output
        assert f"{days[1].day} is asked again; {DAYS - 1} recorded days" in said.output
    assert runs.undecided(run).empty and runs.store().run(run).status == "done"
