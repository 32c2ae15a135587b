"""A recorded run comes out the same from its own answers, and where it cannot the first difference is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner

import cli
from agent.errors import SpecError
from agent.records import DayRecord
from agent.spec import RunSpec
from services import queries, replay, runs, worker
from services.settings import settings
from tests.services.test_cli import GOOD
from tests.stand_ins.ollama_server import OllamaStandIn
from tests.stand_ins.openai_server import OpenAIStandIn, schema_brain


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


def made(**changes: str) -> str:
    """A finished run of a month, from the command line."""
    flags = {**GOOD, **{f"--{key}": value for key, value in changes.items()}}
    done = CliRunner().invoke(cli.app, ["run", "--json", *(part for pair in flags.items() for part in pair)])
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)["run"]


def test_a_run_with_a_model_is_replayed_without_its_server_to_the_last_digit(home, monkeypatch):
    with OllamaStandIn() as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        run = made(backend="ollama", model="qwen3:8b", tickers="DMAUR,DMCEL")
    days = []
    found = replay.replay(run, on_day=lambda done, total: days.append((done, total)))
    assert found.same and found.equal == found.days == len(days), found.difference
    done = CliRunner().invoke(cli.app, ["replay", run, "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["same"] is True


def test_a_hundred_days_with_a_model_are_replayed_without_its_server(home, monkeypatch):
    with OllamaStandIn(piece=4000) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        run = made(backend="ollama", model="qwen3:8b", train="none", test="2022-03-01:2022-07-22")
    found = replay.replay(run)
    assert found.same and found.equal == found.days == 100, found.difference


def test_a_paused_run_is_replayed_as_far_as_it_got(home):
    run = runs.create(runs.store().run(made(test="2022-01-18:2022-12-30")).spec)
    worker.execute(run, on_record=lambda record, done, total: runs.store().ask(run, "pause") if done == 5 else None)
    found = replay.replay(run)
    assert found.same and 0 < found.days < 240


class Tampered:
    """A run store in which one recorded day is not what it was."""

    def __init__(self, change: Callable[[DayRecord], DayRecord], place: int) -> None:
        self.change, self.place = change, place

    def records(self, run: str) -> Iterator[DayRecord]:
        for place, record in enumerate(runs.store().records(run)):
            yield self.change(record) if place == self.place else record


def richer(record: DayRecord) -> DayRecord:
    return record.model_copy(update={"equity": record.equity + 0.01})


def asked_otherwise(record: DayRecord) -> DayRecord:
    """As after a change of the prompt's wording: the recorded answers are answers to something else."""
    calls = tuple(call.model_copy(update={"prompt_hash": "0" * 16}) for call in record.thought.calls)
    return record.model_copy(update={"thought": record.thought.model_copy(update={"calls": calls})})


@pytest.mark.parametrize(("change", "words"), [(richer, "equity was"), (asked_otherwise, "not put in the recorded run")])
def test_the_first_day_that_differs_is_named_with_its_field(home, change, words):
    run = made()
    victim = list(runs.store().records(run))[12]
    found = replay.replay(run, store=Tampered(change, 12))
    assert not found.same and found.equal == 12
    assert f"{victim.ticker} {victim.day}" in found.difference and words in found.difference


def test_a_run_without_a_recorded_day_is_refused(home):
    run = runs.create(runs.store().run(made(test="2022-01-18:2022-12-30")).spec)
    with pytest.raises(SpecError, match="no recorded day"):
        replay.replay(run)


def test_digests_of_a_model_that_only_its_server_names_are_replayed_under_that_name(home, monkeypatch):
    with OpenAIStandIn(brain=schema_brain) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        window = {"start": "2022-01-18", "end": "2022-02-04"}
        body = {"tickers": ["DMAUR"], "test": window, "backend": "openai_compatible", "digest": {"mode": "model", "news_per_day": 1}}
        spec = RunSpec.read(body)
        run = runs.create(spec.model_copy(update={"memory": spec.memory.model_copy(update={"embedder": "hashing"})}))
        assert worker.execute(run) == "done"
    assert queries.run(run).model_label.endswith("my-model")
    events = [event for record in runs.store().records(run) for event in record.thought.memory_events if event.memory]
    assert "my-model" in {event.memory.digested for event in events}
    found = replay.replay(run)
    assert found.same, found.difference
