"""The read side against what the records say: a memory as of a day, money, the worst day, names; computed here by hand from the records."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agent.records import DayRecord, MemoryEvent, Recall
from agent.spec import RunSpec
from services import memory_past, queries, runs
from services.settings import settings
from storage.run_store import RunStore
from tests.storage.factory import event, make_day, make_record, make_spec, make_state, make_vector, remembered, session

DAYS = 9


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    """The store of an own home with one run of two tickers."""
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    settings.cache_clear()
    found = runs.store()
    found.create(make_spec(), run_id="run-1", provenance={})
    for index in range(DAYS):
        for ticker in ("ACME", "BETA"):
            record, vectors = make_day(ticker=ticker, index=index)
            found.append(record, vectors=vectors)
    yield found
    settings.cache_clear()


def as_of(records: list[DayRecord], day: date, spec: RunSpec) -> dict[int, dict[str, Any]]:
    """Every memory by a day, straight from the records: the last event, faded by the layer's own half life, and its uses."""
    past = [record for record in records if record.day <= day]
    now = past[-1].observation.cutoff.timestamp() / 86_400
    layers = {layer.name: layer for layer in spec.memory.layers}
    last: dict[int, MemoryEvent] = {}
    for record in past:
        last |= {item.memory_id: item for item in record.thought.memory_events}
    found = {}
    for number, item in last.items():
        state, layer = item.after, layers[item.after.layer]
        shown = [r for record in past for r in record.thought.recalls if r.memory_id == number and not r.near_miss]
        cited = [record for record in past for ids in record.thought.decision.cited.values() if number in ids]
        found[number] = {
            "layer": state.layer,
            "alive": item.kind != "forgotten",
            "forgotten_on": item.day if item.kind == "forgotten" else None,
            "importance": state.importance * layer.importance_decay ** max(now - state.importance_as_of, 0),
            "recency": math.exp(-max(now - state.recency_anchor, 0) / layer.recency_days),
            "access_count": state.access_count,
            "positive": state.positive,
            "recalled": len(shown),
            "cited": len(cited),
        }
    return found


@pytest.mark.parametrize("index", [0, 1, 4, 5, DAYS - 1])
def test_a_memory_as_of_a_day_is_what_its_last_event_until_then_says(store: RunStore, index: int) -> None:
    records = [record for record in store.records("run-1", "ACME")]
    wanted = as_of(records, session(index), store.run("run-1").spec)
    frame = queries.memories("run-1", "ACME", session(index)).set_index("id")
    assert sorted(frame.index) == sorted(wanted) == list(range(1, 2 * index + 3))
    for number, expected in wanted.items():
        row = frame.loc[number].to_dict()
        row["forgotten_on"] = None if pd.isna(row["forgotten_on"]) else row["forgotten_on"]
        for name, value in expected.items():
            assert row[name] == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value), (number, name)


def test_a_day_between_sessions_shows_the_session_before_and_a_day_before_the_run_nothing(store: RunStore) -> None:
    friday, sunday = session(4), session(4) + timedelta(days=2)
    past = memory_past.load("run-1", "ACME")
    pd.testing.assert_frame_equal(past.at(sunday), past.at(friday))
    assert past.at(session(0) - timedelta(days=1)).empty and memory_past.load("run-1", "NONE").at(friday).empty


def test_several_events_of_one_day_leave_the_last_state(store: RunStore) -> None:
    day, states = session(DAYS), [make_state(importance=value) for value in (90.0, 20.0, 55.0)]
    events = (remembered(900, day), *(event(900, "credited", day, after=state) for state in states))
    store.append(make_record(index=DAYS, events=events), vectors={900: make_vector(900)})
    row = queries.memories("run-1", "ACME", day).set_index("id").loc[900]
    now = make_record(index=DAYS).observation.cutoff.timestamp() / 86_400
    assert row["importance"] == pytest.approx(55.0 * 0.9 ** (now - 1.5))


def test_being_shown_is_not_being_cited_and_a_near_miss_is_neither(store: RunStore) -> None:
    parts = {"layer": "short", "rank": 1, "similarity": 0.5, "recency": 0.5, "importance": 0.5, "score": 1.5}
    shown, missed = Recall(memory_id=1, **parts), Recall(memory_id=3, near_miss=True, **parts)
    before = queries.memories("run-1", "ACME", session(DAYS - 1)).set_index("id")
    store.append(make_record(index=DAYS, recalls=(shown, missed)))
    after = queries.memories("run-1", "ACME", session(DAYS)).set_index("id")
    assert [after.loc[n, "recalled"] - before.loc[n, "recalled"] for n in (1, 3)] == [1, 0]
    assert [after.loc[n, "cited"] - before.loc[n, "cited"] for n in (1, 3)] == [0, 0]


def test_asking_for_a_day_changes_nothing_for_the_next_who_asks(store: RunStore) -> None:
    past = memory_past.load("run-1", "ACME")
    first = past.at(session(5))
    first["title"] = "changed"
    first.loc[0, "importance"] = -1.0
    assert (past.at(session(5))["title"] != "changed").all() and (past.at(session(5))["importance"] >= 0).all()


def test_the_life_of_a_memory_fades_between_events_and_ends_with_its_forgetting(store: RunStore) -> None:
    life = queries.memory_life("run-1", "ACME", 2)  # born on the first day, forgotten on the sixth
    days = [session(index) for index in range(6)]
    assert life.line["day"].tolist() == days
    for point in life.line.to_dict("records"):
        row = queries.memories("run-1", "ACME", point["day"]).set_index("id").loc[2]
        assert (point["layer"], point["importance"], point["recency"]) == (row["layer"], row["importance"], row["recency"])


def test_titles_fall_back_on_the_beginning_of_the_text(store: RunStore) -> None:
    day = session(DAYS)
    untitled = remembered(900, day, text="word " * 40)
    untitled = untitled.model_copy(update={"memory": untitled.memory.model_copy(update={"title": ""})})
    store.append(make_record(index=DAYS, events=(untitled,)), vectors={900: make_vector(900)})
    assert queries.titles("run-1", "ACME", [900, 3, 12345]) == {900: ("word " * 40)[:80], 3: "Title 3"}
    assert queries.texts("run-1", "ACME", [900, 12345]) == {900: "word " * 40}
    assert queries.titles("run-1", "ACME")[900] == ("word " * 40)[:80] and len(queries.titles("run-1", "ACME")) == 2 * DAYS + 1


def test_what_a_day_recalled_and_changed_carries_titles(store: RunStore) -> None:
    recalls = queries.recalls("run-1", "ACME", session(3))
    assert recalls["title"].tolist() == ["Title 5", "Title 6"] and recalls["text"].str.startswith("ACME said").all()
    events = queries.day_events("run-1", "ACME", session(3))
    assert events["kind"].tolist() == ["remembered", "remembered", "cited", "promoted"]
    assert events["title"].tolist() == ["Title 7", "Title 8", "Title 5", "Title 5"] and set(events["memory_kind"]) == {"news"}


def test_the_uses_of_a_memory_carry_the_decision_of_the_day_and_its_outcome(store: RunStore) -> None:
    uses = queries.memory_uses("run-1", "ACME", 1)
    assert uses[["day", "action", "phase"]].to_numpy().tolist() == [[session(1), "buy", "test"]]
    assert uses["outcome"].tolist() == [0.03] and uses["verdict"].tolist() == [1]  # judged five sessions later


def test_all_sleeves_together_are_the_sum_of_each(store: RunStore) -> None:
    both, one = queries.equity("run-1"), queries.equity("run-1", "BETA")
    assert both["day"].tolist() == [session(index) for index in range(DAYS)]
    assert both["equity"].tolist() == pytest.approx([2 * (1e5 + index / 7) for index in range(DAYS)])
    assert one["equity"].tolist() == pytest.approx([1e5 + index / 7 for index in range(DAYS)])


def test_the_worst_day_is_the_largest_loss_against_the_benchmark_of_any_ticker(store: RunStore) -> None:
    loss = {"ACME": 0.0, "BETA": 900.0}
    for ticker in ("ACME", "BETA"):
        store.append(make_record(ticker=ticker, index=DAYS, equity=1e5 + DAYS / 7 - loss[ticker]))
    assert queries.worst_day("run-1") == ("BETA", session(DAYS)) == queries.worst_day("run-1", "BETA")
    assert queries.worst_day("run-1", "ACME") != ("BETA", session(DAYS))


def test_names_that_are_shared_carry_their_id_and_a_nameless_run_says_what_it_traded(store: RunStore) -> None:
    store.create(make_spec(), run_id="twin", provenance={})
    store.create(make_spec(""), run_id="nameless", provenance={})
    assert queries.names() == {
        "nameless": "ACME, BETA from 2025-03-17",
        "twin": "a run (twin)",
        "run-1": "a run (run-1)",
    }


def test_the_days_of_a_list_and_the_fate_of_one_agree(store: RunStore) -> None:
    days = queries.days("run-1", "ACME").set_index("day")
    fate = queries.fate("run-1", "ACME", session(2))
    assert fate["next_day"] == session(3) and fate["next_return"] == days.loc[session(2), "next_return"]
    assert fate["next_return"] == pytest.approx((100.1 + 3 / 3) / (100.1 + 2 / 3) - 1)
    assert (fate["judged"], fate["move"], fate["verdict"]) == (session(7), 0.03, 1)
    assert queries.session_days("run-1", "ACME") == list(days.index)
