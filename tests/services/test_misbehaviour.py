"""Whole runs against a server or model that misbehaves: what the person is told, what the record says, what happens to the run.

Everything is real but the model: HTTP, client, worker, store. The model has been probed before it begins to misbehave, as in life.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.records import DayRecord
from agent.spec import RunSpec
from services import queries, replay, runs, wiring, worker
from services.settings import settings
from tests.stand_ins.ollama_server import Fault, Model, OllamaStandIn
from tests.toy import timeless

DAYS = 4
QUICK = {"retries": 1, "read_timeout_s": 1.5, "first_token_timeout_s": 3.0, "total_timeout_s": 15.0}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


@pytest.fixture
def server() -> Iterator[OllamaStandIn]:
    with OllamaStandIn(models=[Model("qwen3:8b"), Model("thinker:4b", thinking=True)], piece=400) as made:
        yield made


def spec_of(server: OllamaStandIn, **options: Any) -> RunSpec:
    made = RunSpec.read(
        {
            "tickers": ["DMAUR"],
            "test": {"start": "2022-01-18", "end": "2022-01-21"},
            "backend": "ollama",
            "backend_options": {"base_url": server.url, "model": "qwen3:8b", **QUICK, **options},
        }
    )
    return made.model_copy(update={"memory": made.memory.model_copy(update={"embedder": "hashing"})})


def ran(
    server: OllamaStandIn, *faults: str | Fault | None, always: str | Fault | None = None, **options: Any
) -> tuple[str, str, list[DayRecord]]:
    """(run id, status, days) of a run whose model misbehaves after it was probed."""
    spec = spec_of(server, **options)
    wiring.backend(spec).warm_up(longest=30_000)
    server.fail(*faults)
    server.always = Fault(always) if isinstance(always, str) else always
    run = runs.create(spec)
    status = worker.execute(run)
    return run, status, list(runs.store().records(run))


def origins(days: list[DayRecord]) -> list[str]:
    return [day.thought.decision.provenance for day in days if day.thought.decision]


def healed(server: OllamaStandIn, run: str) -> list[DayRecord]:
    """The run once more, with a server that is well again."""
    server.faults.clear()
    server.always = None
    runs.may_resume(run)
    runs.requeue(run)
    assert worker.execute(run) == "done"
    return list(runs.store().records(run))


# ------------------------------------------------------------------------------------- what costs nothing: the day is decided


@pytest.mark.parametrize("kind", ["prose", "fenced", "array", "think_leak", "html", "unicode", "nel"])
def test_an_odd_way_of_answering_is_understood(home, server, kind):
    run, status, days = ran(server, always=kind)
    assert status == "done" and origins(days) == ["model"] * DAYS, [day.thought.warnings for day in days]
    said = [call.completion for day in days for call in day.thought.calls]
    assert all(completion is not None and "\x00" not in completion.text for completion in said)
    if kind == "think_leak":
        assert all("<think>" not in completion.text and "Perhaps" in completion.thinking for completion in said)
    if kind == "html":  # kept word for word, and harmless because pages show it as text
        assert all("<script>" in completion.text for completion in said)
    assert replay.replay(run).same


@pytest.mark.parametrize("kind", ["500", "503", "502", "drop", "error", "no_done", "refuse", "not_json", "stall"])
def test_what_may_pass_is_tried_again_and_the_half_answer_is_thrown_away(home, server, kind):
    _, status, days = ran(server, kind)
    assert status == "done" and origins(days) == ["model"] * DAYS
    assert all(len(day.thought.calls) == 1 for day in days)  # the retry is the backend's, the record holds one whole answer


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("invalid_json", "not one JSON object"),
        ("empty", "empty"),
        ("invented_ids", "987654"),
        ("wrong_type", "confidence"),
        ("length", "cut off"),
    ],
)
def test_an_unusable_answer_is_asked_for_once_more_with_the_error(home, server, kind, words):
    _, status, days = ran(server, kind)
    assert status == "done" and origins(days) == ["re-asked"] + ["model"] * (DAYS - 1)
    first, second = days[0].thought.calls
    assert words in first.error and not second.error
    assert words in second.user  # the model was told what was wrong


def test_a_cut_prompt_is_never_a_decision_and_is_asked_again_shorter(home, server):
    _, status, days = ran(server, "half_window", num_ctx=4096)
    first, second = days[0].thought.calls
    assert status == "done" and first.cut_to and first.cut_to < 4096 and "cut" in first.error
    assert not second.error and len(second.user) <= len(first.user) and origins(days)[0] == "re-asked"
    assert queries.run(days[0].run).summary["days_cut"] == 1


def test_a_model_that_cannot_think_is_asked_without(home, server):
    _, status, days = ran(server, think="on")
    assert status == "done" and origins(days) == ["model"] * DAYS
    assert {call.completion.options["think"] for day in days for call in day.thought.calls if call.completion} == {False}


def test_thinking_is_kept_apart_from_the_answer_and_the_way_is_named(home, server):
    _, status, days = ran(server, model="thinker:4b", think="on")
    calls = [call.completion for day in days for call in day.thought.calls]
    assert status == "done" and all(completion is not None and completion.thinking for completion in calls)
    assert {completion.way for completion in calls if completion} == {"think + schema"}


# ------------------------------------------------------------------ what never gets better: no decision, and the run says so


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("invalid_json", "not one JSON object"),
        ("empty", "empty"),
        ("length", "num_predict"),
        ("huge", "ran away"),
        ("invented_ids", "987654"),
        ("wrong_type", "confidence"),
        ("drop", "incomplete"),
        ("no_done", "incomplete"),
    ],
)
def test_a_model_that_never_gives_a_usable_answer_decides_nothing(home, server, kind, words):
    if kind == "huge":
        server.piece = 100_000
    run, status, days = ran(server, always=kind, retries=0, total_timeout_s=60.0)
    assert origins(days) == ["abstained"] * DAYS and len(days) == DAYS  # every day is kept
    assert all(day.order is None and not day.fills for day in days)  # no decision is not a hold, and no trade
    assert all(words in (day.thought.decision.abstained or "") for day in days if day.thought.decision)
    row = runs.store().run(run)
    assert status == "failed" and "0%" in row.error and words in row.error
    assert row.summary["coverage"] == 0.0 and row.summary["cum_return"] == 0.0
    assert not any(
        event.kind == "remembered" and event.memory and "reflection" in event.memory.kind
        for day in days
        for event in day.thought.memory_events
    )
    assert replay.replay(run).same


# ------------------------------------------------------------- what is outside: the run stops, says the cure, and can go on


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("500", "ollama serve"),
        ("503", "busy"),
        ("502", "502"),
        ("refuse", "closed the connection"),
        ("not_json", "not Ollama's language"),
        ("404", "ollama pull qwen3:8b"),
        ("load_failure", "smaller model"),
        ("hang", "no first word"),
        ("stall", "fell silent"),
    ],
)
def test_a_server_that_fails_for_good_stops_the_run_with_the_cure_and_nothing_is_lost(home, server, fault, words):
    """Two good days first; once the server is well again the run goes on, and the whole is what an unbroken run would be."""
    broken = Fault(fault, seconds=30.0)
    run, status, days = ran(server, None, None, always=broken)
    row = runs.store().run(run)
    assert status == "failed" and words in row.error, row.error
    assert len(days) == 2 and origins(days) == ["model"] * 2
    assert "<" not in row.error  # a proxy's web page is named, never shown
    whole = healed(server, run)
    unbroken = runs.create(spec_of(server))
    assert worker.execute(unbroken) == "done"
    other = [timeless(day).model_copy(update={"run": ""}) for day in runs.store().records(unbroken)]
    assert [timeless(day).model_copy(update={"run": ""}) for day in whole] == other


def test_a_slow_model_is_waited_for_as_long_as_words_keep_coming(home, server):
    _, status, days = ran(server, Fault("slow", seconds=0.15))
    assert status == "done" and origins(days) == ["model"] * DAYS


def test_a_stop_reaches_a_model_that_is_writing(home, server):
    """The generation ends on the server too; the partial answer is thrown away and the day is asked anew later."""
    spec = spec_of(server, read_timeout_s=30.0, first_token_timeout_s=30.0, total_timeout_s=60.0)
    wiring.backend(spec).warm_up(longest=30_000)
    server.fail(None, Fault("slow", seconds=0.5))
    server.piece = 40
    run = runs.create(spec)
    assert worker.execute(run, on_record=lambda record, done, total: runs.store().ask(run, "pause") if done == 1 else None) == "paused"
    server.faults.clear()
    assert len(healed(server, run)) == DAYS


@pytest.mark.parametrize(("wish", "ended"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_stop_is_heard_while_the_model_is_still_loading(home, server, wish, ended):
    """Before there is a first day: nothing is recorded, and a paused run can begin later as if nothing had been."""
    server.load_s = 20.0
    run = runs.create(spec_of(server, first_token_timeout_s=60.0, total_timeout_s=60.0))
    asking = threading.Timer(0.5, lambda: runs.store().ask(run, wish))
    asking.start()
    began = time.monotonic()
    assert worker.execute(run) == ended and time.monotonic() - began < 8.0
    assert not list(runs.store().records(run)) and not runs.store().run(run).provenance
    server.load_s = 0.0
    if wish == "pause":
        assert len(healed(server, run)) == DAYS


def test_a_model_that_is_not_installed_refuses_the_start_with_the_pull_command(home, server):
    found = runs.preflight(spec_of(server, model="mistral:7b"))
    assert not found.ok and any("ollama pull mistral:7b" in check.message for check in found.checks if not check.ok)


def test_a_model_swapped_under_its_name_while_a_run_goes_on_is_told_at_its_end(home, server):
    def swap(record: DayRecord, done: int, total: int) -> None:
        if done == 2:
            server.models[0].digest = "f" * 64

    before, run = server.models[0].digest, runs.create(spec_of(server))
    assert worker.execute(run, on_record=swap) == "done"
    (issue,) = runs.store().run(run).provenance["issues"]
    assert f"qwen3:8b changed while the run went on (digest {before[:12]} became ffffffffffff)" in issue
    calm = runs.create(spec_of(server))
    assert worker.execute(calm) == "done" and runs.store().run(calm).provenance["issues"] == []


def test_a_model_swapped_under_its_name_refuses_to_go_on(home, server):
    run, _, days = ran(server, None, always="404")
    server.models[0].digest = "f" * 64
    server.always = None
    runs.requeue(run)
    assert worker.execute(run) == "failed"
    assert "changed since" in runs.store().run(run).error and len(days) == 1
