"""Whole runs with the choices about questions: kept answers, a second model, digests, a small window, a mask."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.records import DayRecord
from agent.spec import RunSpec
from services import queries, replay, runs, worker
from services.settings import settings
from tests.stand_ins.ollama_server import Model, OllamaStandIn
from tests.stand_ins.openai_server import OpenAIStandIn
from tests.toy import timeless


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


@pytest.fixture
def server() -> Iterator[OllamaStandIn]:
    with OllamaStandIn(models=[Model("qwen3:8b"), Model("small:0.6b", parameter_size="0.6B")], piece=400) as made:
        yield made


def spec_of(
    server: OllamaStandIn, *, window: tuple[str, str] = ("2022-01-18", "2022-01-27"), options: Any = None, **changes: Any
) -> RunSpec:
    made = RunSpec.read(
        {
            "tickers": ["DMAUR"],
            "test": {"start": window[0], "end": window[1]},
            "backend": "ollama",
            "backend_options": {"base_url": server.url, "model": "qwen3:8b", **(options or {})},
            **changes,
        }
    )
    return made.model_copy(update={"memory": made.memory.model_copy(update={"embedder": "hashing"})})


def ran(spec: RunSpec) -> tuple[str, list[DayRecord]]:
    run = runs.create(spec)
    assert worker.execute(run) == "done", runs.store().run(run).error
    return run, list(runs.store().records(run))


def asked(server: OllamaStandIn) -> list[Any]:
    """Questions of a day; those of a probe have another form."""
    return [
        seen
        for seen in server.chats
        if "as_of" in json.dumps(seen.body) or "lesson" in json.dumps(seen.body) or "summary" in json.dumps(seen.body)
    ]


def plain(days: list[DayRecord]) -> list[dict[str, Any]]:
    """Days without clock, run id and the mark of a kept answer."""
    found = [timeless(day).model_dump(mode="json", exclude={"run"}) for day in days]
    for day in found:
        if day["thought"]["decision"]:
            day["thought"]["decision"]["provenance"] = ""
        for call in day["thought"]["calls"]:
            call["completion"]["cached"] = False
    return found


# ---------------------------------------------------------------------------------------------------------- kept answers


def test_a_repeated_run_with_a_full_cache_asks_nothing_says_so_and_is_the_same(home, server):
    _, first = ran(spec_of(server))
    questions = len(asked(server))
    run, second = ran(spec_of(server, answer_cache="full"))
    assert len(asked(server)) == questions > 0
    assert {day.thought.decision.provenance for day in second if day.thought.decision} == {"cached"}
    assert plain(first) == plain(second)
    assert queries.run(run).summary["coverage"] == 1.0  # the model said it, only earlier
    assert replay.replay(run).same


def test_a_partial_change_asks_only_what_changed(home, server):
    ran(spec_of(server))
    before = len(asked(server))
    _, longer = ran(spec_of(server, window=("2022-01-18", "2022-02-01"), answer_cache="full"))
    new = [day for day in longer if day.thought.calls and not all(call.completion.cached for call in day.thought.calls if call.completion)]
    assert [str(day.day) for day in new] == ["2022-01-28", "2022-01-31", "2022-02-01"]
    assert len(asked(server)) - before == sum(len(day.thought.calls) for day in new)


def test_another_seed_or_temperature_is_asked_anew_and_off_keeps_nothing(home, server):
    window = ("2022-01-18", "2022-01-20")
    ran(spec_of(server, window=window, answer_cache="off"))
    for changes in ({}, {"seed": 8}, {"options": {"temperature": 0.5}}):
        before = len(asked(server))
        ran(spec_of(server, window=window, answer_cache="full", **changes))
        assert len(asked(server)) > before, changes


# ------------------------------------------------------------------------------------------------------------ two models


def test_a_second_model_digests_and_reflects_and_the_first_decides(home, server):
    spec = spec_of(
        server,
        window=("2022-01-18", "2022-02-11"),
        helper={"backend": "ollama", "options": {"base_url": server.url, "model": "small:0.6b"}},
        digest={"mode": "model", "news_per_day": 1},
        execution={"allow_short": True},
    )
    run, days = ran(spec)
    by_purpose: dict[str, set[str]] = {}
    for day in days:
        for call in day.thought.calls:
            assert call.completion is not None
            by_purpose.setdefault(call.purpose, set()).add(call.completion.model)
    assert by_purpose["decide"] == {"qwen3:8b"} and by_purpose["digest"] == {"small:0.6b"}
    assert by_purpose.get("lessons", {"small:0.6b"}) == {"small:0.6b"}
    digested = [event.memory for day in days for event in day.thought.memory_events if event.memory and event.memory.digested]
    assert digested and {memory.digested for memory in digested} == {"small:0.6b"}
    read = {item.id for day in days for item in day.observation.news}
    assert all(set(memory.sources) <= read and len(memory.sources) > 1 for memory in digested)  # the sources are in the record, whole
    known = runs.store().run(run).provenance
    assert known["helper"]["model"] == "small:0.6b" and known["helper"]["budget"] and known["model"]["model"] == "qwen3:8b"
    rows = runs.store().day_rows(run)
    assert set(rows["model"].dropna()) == {"qwen3:8b"} and rows["helper_calls"].sum() > 0
    assert replay.replay(run).same


def test_one_model_in_two_roles_with_other_options_is_warned_about(home, server):
    options = {"base_url": server.url, "model": "qwen3:8b"}
    same = spec_of(server, helper={"backend": "ollama", "options": options})
    other = spec_of(server, helper={"backend": "ollama", "options": {**options, "num_predict": 300}})
    assert [any("loads it anew" in check.message for check in runs.preflight(spec).checks) for spec in (same, other)] == [False, True]


def test_a_summary_with_an_invented_figure_is_not_remembered(home, server):
    """The helper makes up a number; it is asked once more and then the source's own sentences stand in, with a warning."""
    obedient = server.brain

    def liar(body: dict[str, Any]) -> Any:
        if (
            body["model"] == "small:0.6b"
            and "summary" in json.dumps(body.get("format", ""))
            and "as_of" not in json.dumps(body.get("format", ""))
        ):
            return json.dumps({"summary": "Sales rose by 98765 percent."})
        return obedient(body)

    helper = {"backend": "ollama", "options": {"base_url": server.url, "model": "small:0.6b", "structured": "schema"}}
    spec = spec_of(server, helper=helper, digest={"mode": "model", "news_per_day": 1})
    server.brain = liar
    _, days = ran(spec)
    memories = [event.memory for day in days for event in day.thought.memory_events if event.memory]
    assert not any("98765" in memory.text for memory in memories)
    assert {memory.digested for memory in memories if memory.digested} == {"extract"}
    assert any("98765" in call.error for day in days for call in day.thought.calls if call.purpose == "digest")
    assert any("digest" in warning for day in days for warning in day.thought.warnings)


# --------------------------------------------------------------------------------------------------------- a small window


def test_in_a_small_window_the_lowest_memories_are_left_out_and_named(home, server):
    run, days = ran(spec_of(server, window=("2022-03-01", "2022-03-10"), options={"num_ctx": 2048, "num_predict": 700}))
    left = [item for day in days for item in day.thought.left_out]
    assert left and all(item.reason and item.tokens > 0 for item in left)
    for day in days:
        shown = {segment.memory_id for segment in day.thought.segments if segment.memory_id is not None}
        gone = {item.memory_id for item in day.thought.left_out if item.memory_id is not None}
        assert not shown & gone and shown | gone == {recall.memory_id for recall in day.thought.recalls if not recall.near_miss}
        names = {segment.name for segment in day.thought.segments}
        assert {"rules", "day", "prices", "position", "task"} <= names
        for call in day.thought.calls:
            assert call.completion is not None and (call.completion.prompt_tokens or 0) + 700 <= 2048
    assert queries.run(run).summary["days_left_out"] > 0
    budget = runs.store().run(run).provenance["model"]["budget"]
    assert budget["window"] == 2048 and budget["answer"] == 700
    assert replay.replay(run).same


def test_a_window_too_small_for_the_rules_decides_nothing_and_says_the_cure(home, server):
    run = runs.create(spec_of(server, options={"num_ctx": 600, "num_predict": 200, "structured": "schema"}))
    assert worker.execute(run) == "failed"
    row = runs.store().run(run)
    assert "a window of at least 1," in row.error, row.error


# ----------------------------------------------------------------------------------------------------------------- a mask


def test_a_masked_run_shows_the_model_no_name_and_no_date_and_remembers_the_market_s_words(home, server):
    spec = spec_of(server, window=("2022-01-18", "2022-02-11"), masking={"names": True, "dates": True, "prices": True})
    spec = spec.model_copy(update={"train": RunSpec.read({"tickers": ["A"], "test": {"start": "2022-01-03", "end": "2022-01-14"}}).test})
    run, days = ran(spec)
    company = days[0].observation.company
    sent = " ".join(json.dumps(seen.body, ensure_ascii=False) for seen in asked(server))
    assert asked(server) and "DMAUR" not in sent and company.split()[0].casefold() not in sent.casefold()
    for day in days:
        assert str(day.day) not in sent and day.day.strftime("%B %-d, %Y") not in sent
    assert "STOCK_" in sent
    kept = [event.memory.text for day in days for event in day.thought.memory_events if event.memory]
    assert not any("STOCK_" in text or "COMPANY_" in text for text in kept)
    assert not any("STOCK_" in (day.thought.decision.summary + day.thought.decision.invalidation) for day in days if day.thought.decision)
    assert runs.store().run(run).provenance["masking"]["tickers"]
    assert replay.replay(run).same


def pausing_after_three(record: DayRecord, done: int, total: int) -> None:
    """Asks for a pause and leaves the worker the time to notice: it looks five times a second, and these days take less."""
    if done == 3:
        runs.store().ask(record.run, "pause")
        time.sleep(0.25)


def test_a_masked_run_that_was_interrupted_goes_on_behind_the_same_mask(home, server):
    spec = spec_of(server, masking={"names": True, "dates": True, "prices": True})
    _, unbroken = ran(spec)
    run = runs.create(spec)
    assert worker.execute(run, on_record=pausing_after_three) == "paused"
    runs.requeue(run)
    assert worker.execute(run) == "done"
    assert plain(list(runs.store().records(run))) == plain(unbroken)


def test_a_masked_digest_is_remembered_in_the_same_words_by_a_run_and_its_replay(home, server):
    """A company has several names: the mask that is read back from the store puts back the one that the run's own mask did."""
    run, days = ran(
        spec_of(
            server,
            window=("2022-01-18", "2022-01-19"),
            masking={"names": True},
            digest={"mode": "model", "news_per_day": 3},
            helper={"backend": "rules"},
        )
    )
    told = [event.memory.text for day in days for event in day.thought.memory_events if event.memory and event.memory.digested]
    assert any("Aurelion Storage" in text for text in told)
    assert replay.replay(run).difference == ""


def test_a_run_that_goes_on_in_a_shorter_window_says_so(home, server):
    run = runs.create(spec_of(server))
    assert worker.execute(run, on_record=pausing_after_three) == "paused"
    paused = list(runs.store().records(run))[-1].day
    server.models[0].clamp = 4096
    server.loaded.clear()
    runs.requeue(run)
    assert worker.execute(run) == "done"
    known = runs.store().run(run).provenance["model"]
    assert known["notes"] == [f"After {paused}: The server loaded the model with a window of 4096 tokens instead of 16384."]
    assert queries.run(run).model_notes == tuple(known["notes"])
    assert replay.replay(run).same


# ---------------------------------------------------------------------------------------------------------- before the start


def test_the_plan_counts_the_summaries_of_the_year_before_too(home, server):
    spec = spec_of(server, window=("2022-01-18", "2022-01-20"), digest={"mode": "model", "news_per_day": 1, "filing_characters": 2_000})
    said = runs.preflight(spec).model_calls
    _, days = ran(spec)
    calls = [call.purpose for day in days for call in day.thought.calls if call.attempt == 1]
    assert calls.count("digest") > 100 and said == len(calls)


def test_an_alias_that_cannot_be_hidden_stops_a_run_before_it_begins(home, server):
    bad = spec_of(server, masking={"names": True, "aliases": {"DMAUR": ["("]}})
    assert [check.field for check in runs.preflight(bad).checks if not check.ok] == ["masking.aliases"]
    assert runs.preflight(spec_of(server, masking={"names": True, "aliases": {"DMAUR": ["The Miller"]}})).ok


# ------------------------------------------------------------------------------------------------------------------ money


def test_a_run_with_prices_says_what_its_answers_cost_and_a_kept_answer_costs_nothing(home, server):
    with OpenAIStandIn() as paid:
        options = {"base_url": paid.url, "price_in": 2.0, "price_out": 10.0}
        plan = spec_of(server, window=("2022-01-18", "2022-01-20")).model_copy(
            update={"backend": "openai_compatible", "backend_options": options}
        )
        run, days = ran(plan)
        answers = [call.completion for day in days for call in day.thought.calls if call.completion]
        by_hand = sum(((one.prompt_tokens or 0) * 2.0 + (one.answer_tokens or 0) * 10.0) / 1e6 for one in answers)
        assert by_hand > 0 and queries.run(run).summary["cost_usd"] == pytest.approx(by_hand)
        again, _ = ran(plan.model_copy(update={"answer_cache": "full"}))
        assert "cost_usd" not in queries.run(again).summary
