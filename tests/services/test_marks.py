"""Coverage and marks by hand: who decided on how many days, and what has to stand beside a run's figures for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.records import Completion, DayRecord, Decision, LeftOut, ModelCall
from agent.spec import Window
from services import queries, runs
from services.settings import settings
from storage.run_store import RunStore
from tests.storage.factory import make_record, make_spec

OLLAMA: dict[str, Any] = {"backend": "ollama", "backend_options": {"model": "llama3.1:8b"}}  # knows nothing of 2025


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    """The store of a home of its own, which is also the one the library lists."""
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    settings.cache_clear()
    yield runs.store()
    settings.cache_clear()


def day(index: int, provenance: str, *, way: str = "", cut: bool = False, phase: str = "test", priced: bool = True) -> DayRecord:
    """A day decided by ``provenance``; cut: its first question was cut by the server."""
    record = make_record(index=index)
    said = Completion(text="{}", backend="ollama", model="m", way=way, cached=provenance == "cached")
    calls = tuple(
        ModelCall(purpose="decide", system="", user="", prompt_hash="x", completion=said, cut_to=to)
        for to in ([2050] if cut else []) + [None]
    )
    decision: Decision | None = Decision(action="hold", provenance=provenance)
    if provenance == "abstained":
        decision = Decision(abstained="no JSON", provenance="abstained")
    left = (LeftOut(segment="news", tokens=3, reason="no room"),) if cut else ()
    seen = record.observation if priced else record.observation.model_copy(update={"bar": None})
    thought = record.thought.model_copy(update={"decision": decision if phase == "test" else None, "calls": calls, "left_out": left})
    return record.model_copy(update={"thought": thought, "phase": phase, "observation": seen})


def summed(store: RunStore, days: list[DayRecord], **spec: Any) -> tuple[dict[str, Any], queries.RunView]:
    """The summary of a run of these days, and the run as a page sees it."""
    store.create(make_spec(**spec), run_id="run-1", provenance={})
    for record in days:
        store.append(record, vectors={})
    found = queries.summary(store, "run-1")
    store.set_summary("run-1", found)
    return found, queries.run("run-1")


def test_coverage_counts_the_test_days_with_a_price_that_the_model_itself_decided(store):
    days = [
        day(0, "abstained", phase="train"),
        day(1, "model", way="schema"),
        day(2, "re-asked", way="json"),
        day(3, "cached", way="schema"),
        day(4, "abstained", way="schema"),
        day(5, "abstained", priced=False),
    ]
    found, view = summed(store, days, **OLLAMA)
    assert found["coverage"] == found["model_share"] == 3 / 4 and found["decided_by"] == "model"
    assert found["cached_share"] == 1 / 4 and found["ways"] == {"schema": 2, "json": 1}
    assert queries.marks(view) == ("coverage 75 %",)


def test_a_rule_inside_a_models_run_does_not_count_as_the_models_decision(store):
    found, _ = summed(store, [day(0, "model"), day(1, "rule")], **OLLAMA)
    assert found["coverage"] == 0.5


def test_a_run_by_rules_is_labelled_and_its_share_is_no_models_coverage(store):
    found, view = summed(store, [day(0, "rule"), day(1, "rule")], backend="rules")
    assert (found["coverage"], found["model_share"], found["decided_by"]) == (1.0, 0.0, "rules")
    assert queries.marks(view) == ("rules, no LLM",)
    assert not [mark for mark in queries.marks(view) if "coverage" in mark]


def test_cut_prompts_masking_and_optimistic_fills_are_marked_and_what_weighs_most_comes_first(store):
    days = [day(0, "model", cut=True), day(1, "model", cut=True), day(2, "model"), day(3, "abstained")]
    found, view = summed(store, days, **OLLAMA, masking={"names": True}, execution={"fill": "same_close"})
    assert (found["days_cut"], found["days_left_out"]) == (2, 2)
    assert queries.marks(view) == ("coverage 75 %", "prompt cut on 2 days", "optimistic fills", "masked")


@pytest.mark.parametrize(("coverage", "mark"), [(0.9499, ("coverage 94 %",)), (0.95, ()), (None, ())])
def test_a_mark_is_never_rounded_up_to_what_would_have_been_enough(store, coverage, mark):
    _, view = summed(store, [day(0, "model")], **OLLAMA)
    store.set_summary("run-1", {"coverage": coverage})
    assert queries.marks(queries.run("run-1")) == mark
    assert view.id == "run-1"


def test_the_library_carries_the_marks_in_each_row_and_finds_runs_by_them(store):
    _, view = summed(store, [day(0, "model"), day(1, "abstained")], **OLLAMA)
    listed = queries.library()
    assert queries.marks(listed.iloc[0]) == queries.marks(view) == ("coverage 50 %",)
    assert len(queries.matching(listed, "coverage 50")) == 1 and queries.matching(listed, "masked").empty


@pytest.mark.parametrize(
    ("model", "start", "end", "mark"),
    [
        ("llama3.1:8b", "2023-01-02", "2023-06-30", "inside the model's training data"),
        ("llama3.1:8b", "2023-11-01", "2024-06-28", "partly inside the model's training data"),
        ("llama3.1:8b", "2024-01-02", "2024-06-28", "near the model's knowledge cut-off"),
        ("nobody-knows:1b", "2025-01-02", "2025-06-30", "cut-off of the model unknown"),
    ],
)
def test_a_model_that_may_know_the_test_days_is_a_mark(store, model, start, end, mark):
    spec = make_spec(source="yahoo", backend="ollama", backend_options={"model": model})
    store.create(spec.model_copy(update={"test": Window(start=start, end=end)}), run_id="run-1", provenance={})
    assert queries.marks(queries.run("run-1")) == (mark,)
