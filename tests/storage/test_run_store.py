"""The run store keeps days whole, in order and exactly; runs have one worker; deleting leaves nothing."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from agent.errors import NoData, SpecError, Unavailable
from agent.records import Completion, Decision, LeftOut, ModelCall, Study
from storage import rows, schema
from storage.run_store import RunStore, alive
from tests.storage.factory import event, make_day, make_memory, make_record, make_spec, make_state, make_vector, remembered, session
from tests.storage.processes import TABLES, counts

Weak = tuple[Path, Callable[[], AbstractContextManager[None]]]


def append(store: RunStore, index: int) -> None:
    record, vectors = make_day(index=index)
    store.append(record, vectors=vectors)


def fill(store: RunStore, days: int, *, run: str = "run-1", tickers: tuple[str, ...] = ("ACME",)) -> None:
    for index in range(days):
        for ticker in tickers:
            record, vectors = make_day(run, ticker=ticker, index=index)
            store.append(record, vectors=vectors)


# ---------------------------------------------------------------------------------------------------------------- round trips


def test_a_day_comes_back_as_it_was_given(store: RunStore) -> None:
    for index in range(7):
        record, vectors = make_day(index=index)
        store.append(record, vectors=vectors)
        assert store.record("run-1", "ACME", record.day) == record
    assert list(store.records("run-1")) == [make_day(index=index)[0] for index in range(7)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    equity=st.floats(allow_nan=False, allow_infinity=False),
    claim=st.text(),
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    seen=st.datetimes(timezones=st.just(UTC), min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1)),
)
def test_no_digit_no_letter_and_no_microsecond_is_lost(store: RunStore, equity: float, claim: str, ratio: float, seen: datetime) -> None:
    run = f"made-{len(store.runs())}"
    store.create(make_spec(), run_id=run, provenance={})
    memory = make_memory(1, session(0)).model_copy(update={"text": claim, "available_at": seen, "title": claim})
    record = make_record(run, events=(event(1, "remembered", session(0), memory=memory),), equity=equity)
    record = record.model_copy(update={"thought": record.thought.model_copy(update={"carry": {"ratio": ratio, "said": claim}})})
    store.append(record, vectors={1: make_vector(1)})
    assert store.record(run, "ACME", record.day) == record
    assert store.memory(run, "ACME", 1)[0] == memory


def test_days_of_several_tickers_come_in_the_order_of_the_days(store: RunStore) -> None:
    fill(store, 3, tickers=("BETA", "ACME"))
    assert [(r.day, r.ticker) for r in store.records("run-1")] == [(session(i), t) for i in range(3) for t in ("ACME", "BETA")]
    assert [r.ticker for r in store.records("run-1", "BETA")] == ["BETA"] * 3
    assert {t: r.index for t, r in store.last_records("run-1").items()} == {"ACME": 2, "BETA": 2}


def test_a_new_run_has_no_last_record_and_its_first_memory_is_number_one(store: RunStore) -> None:
    assert store.last_records("run-1") == {}
    assert store.next_memory_id("run-1", "ACME") == 1
    assert store.memories("run-1", "ACME") == []
    ids, matrix = store.vectors("run-1", "ACME")
    assert len(ids) == 0 and matrix.shape == (0, 0)


def test_a_day_that_is_not_there_is_real_emptiness(store: RunStore) -> None:
    with pytest.raises(NoData, match="no day 2025-03-17 of ACME"):
        store.record("run-1", "ACME", session(0))
    with pytest.raises(NoData, match="no memory 5"):
        store.memory("run-1", "ACME", 5)


def test_vectors_come_back_bit_for_bit_in_the_order_of_their_ids(store: RunStore) -> None:
    fill(store, 4)
    ids, matrix = store.vectors("run-1", "ACME")
    assert ids.tolist() == list(range(1, 9)) and matrix.dtype == np.float32
    assert np.array_equal(matrix, np.stack([make_vector(i) for i in range(1, 9)]))
    some, rows = store.vectors("run-1", "ACME", [7, 2, 99])
    assert some.tolist() == [2, 7] and np.array_equal(rows, matrix[[1, 6]])


# --------------------------------------------------------------------------------------------------- what events make of memories


def test_the_state_of_a_memory_is_that_of_its_last_event(store: RunStore) -> None:
    fill(store, 6)
    memory, state, living = store.memory("run-1", "ACME", 1)
    assert (state.layer, state.importance, state.positive, living) == ("mid", 61.0, 1, True)
    assert memory == make_memory(1, session(0)), "the memory itself does not change"
    assert store.memory("run-1", "ACME", 2)[2] is False, "forgotten, and still there for inspection"
    assert [m.id for m, _, _ in store.memories("run-1", "ACME")] == list(range(1, 13))
    assert store.next_memory_id("run-1", "ACME") == 13


def test_a_memory_that_is_born_and_forgotten_on_one_day_is_dead(store: RunStore) -> None:
    day = session(0)
    store.append(
        make_record(events=(remembered(1, day), event(1, "forgotten", day, after=make_state(importance=1)))), vectors={1: make_vector(1)}
    )
    assert store.memory("run-1", "ACME", 1)[1:] == (make_state(importance=1), False)


def test_a_merged_source_is_added_once(store: RunStore) -> None:
    day = session(0)
    twice = (remembered(1, day), event(1, "merged", day, source="x-1"), event(1, "merged", day, source="x-1"))
    store.append(make_record(events=twice), vectors={1: make_vector(1)})
    assert store.memory("run-1", "ACME", 1)[0].sources == ("news-1", "x-1")


# -------------------------------------------------------------------------------------------------------- what must be refused


def unchanged(store: RunStore, before: dict[str, int]) -> bool:
    return counts(store) == before


@pytest.mark.parametrize("index", [0, 1, 3, 9])
def test_a_day_twice_or_out_of_order_is_refused_and_leaves_nothing(store: RunStore, index: int) -> None:
    fill(store, 2)
    before = counts(store)
    record, vectors = make_day(index=index)
    with pytest.raises(SpecError, match="number 2 is due") as caught:
        store.append(record, vectors=vectors)
    assert caught.value.field == "day" and unchanged(store, before)


def test_the_first_day_of_a_run_is_number_zero(store: RunStore) -> None:
    with pytest.raises(SpecError, match="none of its days is stored yet"):
        store.append(make_record(index=1))


def test_a_day_that_goes_back_in_time_is_refused(store: RunStore) -> None:
    fill(store, 3)
    with pytest.raises(SpecError, match="cannot be appended"):
        store.append(make_record(index=3, day=session(1)))


@pytest.mark.parametrize(
    ("events", "vectors", "sentence"),
    [
        ((remembered(1, session(0)),), {}, "has no vector"),
        ((remembered(1, session(0)),), {1: np.array([1.0, math.nan])}, "finite"),
        ((remembered(1, session(0)),), {1: np.ones((2, 2))}, "one row"),
        ((remembered(1, session(0)), remembered(2, session(0))), {1: np.ones(2), 2: np.ones(3)}, "different lengths"),
        ((event(1, "remembered", session(0)),), {1: np.ones(2)}, "does not carry"),
        ((event(4, "credited", session(0)),), {}, "never remembered"),
        ((remembered(1, session(0)), remembered(1, session(0))), {1: np.ones(2)}, "contradicts"),
    ],
)
def test_a_day_with_an_impossible_memory_is_refused_and_leaves_nothing(store: RunStore, events: Any, vectors: Any, sentence: str) -> None:
    before = counts(store)
    with pytest.raises(SpecError, match=sentence):
        store.append(make_record(events=events), vectors=vectors)
    assert unchanged(store, before)


def test_an_unknown_run_is_named_with_its_nearest_neighbour(store: RunStore) -> None:
    with pytest.raises(SpecError, match="Did you mean 'run-1'") as caught:
        store.run("run1")
    assert caught.value.field == "run"
    for call in (
        store.asked,
        store.last_records,
        store.delete,
        store.day_rows,
        lambda run: store.beat(run),
        lambda run: store.rename(run, "x"),
    ):
        with pytest.raises(SpecError, match="Unknown run"):
            call("nope")
    with pytest.raises(SpecError, match="not in the store"):
        store.append(make_record("nope"))


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", ".hidden", "x" * 81, "a b", "a\n", "end."])
def test_a_run_id_that_cannot_name_a_folder_is_refused(store: RunStore, run_id: str) -> None:
    with pytest.raises(SpecError) as caught:
        store.create(make_spec(), run_id=run_id, provenance={})
    assert caught.value.field == "run"


def test_a_run_id_is_used_once(store: RunStore) -> None:
    with pytest.raises(SpecError, match="exists already"):
        store.create(make_spec(), run_id="run-1", provenance={})


def test_a_summary_holds_no_nan(store: RunStore) -> None:
    with pytest.raises(SpecError, match="null"):
        store.set_summary("run-1", {"sharpe": math.nan})


# ---------------------------------------------------------------------------------------------------------- a run and its worker


def test_a_new_run_is_queued_and_carries_its_spec(store: RunStore) -> None:
    row = store.run("run-1")
    assert (row.status, row.request, row.sessions_done, row.sessions_total, row.pid) == ("queued", "", 0, 0, None)
    assert row.spec == make_spec() and row.fingerprint == make_spec().fingerprint()
    assert row.provenance == {"version": "1"} and row.tickers == ("ACME", "BETA")


def test_the_newest_run_comes_first(store: RunStore) -> None:
    store.create(make_spec("second"), run_id="run-2", provenance={})
    assert [row.name for row in store.runs()] == ["second", "a run"]


def test_status_changes_keep_the_times_that_people_ask_for(tmp_path: Path) -> None:
    now = [datetime(2025, 1, 1, tzinfo=UTC)]
    store = RunStore(f"sqlite:///{tmp_path}/runs.db", clock=lambda: now[0])
    store.create(make_spec(), run_id="r", provenance={})
    now[0] += timedelta(hours=1)
    assert store.claim("r", os.getpid())
    started = now[0]
    now[0] += timedelta(hours=1)
    store.ask("r", "pause")
    assert store.asked("r") == "pause"
    store.set_status("r", "paused")
    assert (store.run("r").status, store.asked("r"), store.run("r").finished_at) == ("paused", "", None)
    assert store.claim("r", os.getpid())
    store.beat("r", pid=os.getpid(), sessions_total=40)
    store.set_status("r", "failed", error="no more paper")
    row = store.run("r")
    assert (row.started_at, row.finished_at, row.error, row.pid, row.sessions_total) == (started, now[0], "no more paper", None, 40)
    store.set_status("r", "running")
    assert store.run("r").error == "" and store.run("r").finished_at is None and store.run("r").started_at == started


def test_words_that_are_no_status_or_request_are_refused(store: RunStore) -> None:
    with pytest.raises(SpecError, match="Unknown status"):
        store.set_status("run-1", "dead")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="Unknown request"):
        store.ask("run-1", "stop")  # type: ignore[arg-type]


def test_names_summaries_and_provenance_can_be_replaced(store: RunStore) -> None:
    store.rename("run-1", "better")
    store.set_summary("run-1", {"return": 0.1, "sharpe": None})
    store.set_provenance("run-1", {"code": "abc"})
    row = store.run("run-1")
    assert (row.name, row.summary, row.provenance) == ("better", {"return": 0.1, "sharpe": None}, {"code": "abc"})
    assert row.spec.name == "a run", "the spec stays frozen"


def test_a_run_that_another_living_worker_holds_cannot_be_claimed(store: RunStore) -> None:
    assert store.claim("run-1", os.getppid())
    assert not RunStore(store.url).claim("run-1", os.getpid())


@pytest.mark.parametrize("over", ["done", "cancelled"])
def test_a_run_that_is_over_cannot_be_claimed(store: RunStore, over: Any) -> None:
    store.set_status("run-1", over)
    assert not store.claim("run-1", os.getpid())


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_the_run_of_a_dead_worker_can_be_claimed_at_once_and_an_old_pause_is_dropped(store: RunStore) -> None:
    other = RunStore(store.url)
    assert other.claim("run-1", dead_pid())
    store.ask("run-1", "pause")
    assert store.claim("run-1", os.getpid())
    assert store.asked("run-1") == "" and store.run("run-1").pid == os.getpid()


def test_a_worker_on_another_machine_is_believed_until_it_falls_silent(tmp_path: Path) -> None:
    now = [datetime(2025, 1, 1, tzinfo=UTC)]
    store = RunStore(f"sqlite:///{tmp_path}/runs.db", clock=lambda: now[0])
    store.create(make_spec(), run_id="r", provenance={})
    assert RunStore(store.url, clock=lambda: now[0]).claim("r", dead_pid(), host="far away")
    now[0] += timedelta(seconds=59)
    assert not store.claim("r", os.getpid())
    now[0] += timedelta(seconds=2)
    assert store.claim("r", os.getpid())


def test_a_worker_that_lost_its_claim_writes_no_more(store: RunStore) -> None:
    late = RunStore(store.url)
    assert late.claim("run-1", dead_pid())
    append(late, 0)
    assert store.claim("run-1", os.getpid())
    with pytest.raises(SpecError, match="may write no more"):
        append(late, 1)
    late.beat("run-1", pid=1)
    assert store.run("run-1").pid == os.getpid(), "its heartbeat does not make it the owner again"
    append(store, 1)
    assert store.run("run-1").sessions_done == 2


def test_a_process_that_died_uncollected_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    deadline = datetime.now() + timedelta(seconds=20)
    while alive(child.pid) and datetime.now() < deadline:
        pass
    assert not alive(child.pid)
    child.wait()
    assert alive(os.getpid())


# ---------------------------------------------------------------------------------------------------------------- the read side


def test_the_rows_of_days_agree_with_the_records(store: RunStore) -> None:
    fill(store, 7, tickers=("ACME", "BETA"))
    frame = store.day_rows("run-1", "ACME")
    records = [make_day(index=i)[0] for i in range(7)]
    assert frame["day"].tolist() == [r.day for r in records]
    assert frame["equity"].tolist() == [r.equity for r in records]
    assert frame["cutoff"].tolist() == [r.observation.cutoff for r in records]
    assert frame["recalled_count"].tolist() == [0] + [1] * 6 and frame["cited_count"].tolist() == [0] + [1] * 6
    assert frame["fill_shares"].isna().tolist() == [True] + [False] * 6
    assert frame["commission"].sum() == pytest.approx(6 * 0.025)
    assert (frame["prompt_tokens"].iloc[0], frame["answer_tokens"].iloc[0], frame["model_ms"].iloc[0]) == (900, 80, 12.5)
    assert len(store.day_rows("run-1")) == 14


def test_a_day_of_two_fills_shows_the_net_and_the_average_price(store: RunStore) -> None:
    store.append(make_record())
    one = make_record(index=1).fills[0]
    two = one.model_copy(update={"shares": -7.5, "price": 200.0, "realised": 3.0})
    store.append(make_record(index=1, fills=(one, two)))
    row = store.day_rows("run-1").iloc[1]
    assert row["fill_shares"] == -5.0 and row["fill_price"] == pytest.approx((2.5 * 100.02 + 7.5 * 200) / 10)
    assert (row["fill_count"], row["realised"], row["slippage"]) == (2, 3.0, 0.1)
    assert store.fill_rows("run-1")["shares"].tolist() == [2.5, -7.5]


def test_an_abstention_is_neither_a_hold_nor_a_citation(store: RunStore) -> None:
    record = make_record()
    silent = record.thought.model_copy(update={"decision": Decision(abstained="the answer was no JSON", provenance="abstained")})
    store.append(record.model_copy(update={"thought": silent}))
    row = store.day_rows("run-1").iloc[0]
    assert row["action"] is None and row["abstained"] == "the answer was no JSON" and math.isnan(row["target_weight"])


def _answered(purpose: str, model: str, *, error: str = "", **said: Any) -> ModelCall:
    cut_to = said.pop("cut_to", None)
    answer = Completion(text="{}", backend="ollama", model=model, **said)
    return ModelCall(purpose=purpose, system="", user="", prompt_hash="ab", completion=answer, error=error, cut_to=cut_to)


def test_a_day_names_the_model_and_the_way_of_its_decision_and_counts_what_a_helper_did(store: RunStore) -> None:
    calls = (
        _answered("digest", "small"),
        _answered("digest", "small", cached=True),
        _answered("decide", "big", way="schema", cut_to=2050, error="cut"),
        _answered("decide", "big", way="json"),
        _answered("lessons", "small"),
    )
    record, vectors = make_day(index=0)
    omitted = (
        LeftOut(segment="memory:short:M1", tokens=40, reason="no room", memory_id=1),
        LeftOut(segment="news", tokens=9, reason="no room"),
    )
    store.append(
        record.model_copy(update={"thought": record.thought.model_copy(update={"calls": calls, "left_out": omitted})}), vectors=vectors
    )
    row = store.day_rows("run-1").iloc[0]
    assert (row["model"], row["way"]) == ("big", "json")
    assert [row[name] for name in ("calls", "helper_calls", "cached", "cut", "left_out")] == [5, 3, 1, 1, 2]


def test_lessons_of_the_decision_model_are_no_helper_calls_and_a_day_without_a_decision_names_no_model(store: RunStore) -> None:
    for index, calls in enumerate([(_answered("decide", "big"), _answered("lessons", "big")), (_answered("digest", "small"),)]):
        record, vectors = make_day(index=index)
        store.append(record.model_copy(update={"thought": record.thought.model_copy(update={"calls": calls})}), vectors=vectors)
    rows_ = store.day_rows("run-1")
    assert list(rows_["helper_calls"]) == [0, 0] and list(rows_["model"]) == ["big", None] and list(rows_["way"]) == [None, None]


def test_what_a_training_study_rests_on_is_counted_but_marks_no_recall_as_it_looks_back_at_the_session_before(store: RunStore) -> None:
    append(store, 0)
    record, vectors = make_day(index=1)
    study = Study(session=session(0), move=-0.02, label="sell", summary="it fell", supporting=(1,), opposing=(2,))
    record = record.model_copy(update={"thought": record.thought.model_copy(update={"decision": None, "study": study})})
    store.append(record, vectors=vectors)
    assert store.day_rows("run-1").iloc[1][["cited_count", "study_label", "study_move", "summary"]].tolist() == [
        2,
        "sell",
        -0.02,
        "it fell",
    ]
    assert store.recall_rows("run-1", "ACME", day=session(1))["cited"].tolist() == [False, False]


def test_recalls_can_be_asked_by_day_and_by_memory(store: RunStore) -> None:
    fill(store, 4, tickers=("ACME", "BETA"))
    every = store.recall_rows("run-1", "ACME")
    assert every["memory_id"].tolist() == [1, 2, 3, 4, 5, 6] and every["near_miss"].tolist() == [False, True] * 3
    assert every["cited"].tolist() == [True, False] * 3
    assert store.recall_rows("run-1", "ACME", day=session(2))["memory_id"].tolist() == [3, 4]
    assert store.recall_rows("run-1", "BETA", memory_id=3)["day"].tolist() == [session(2)]


def test_events_are_counted_on_and_can_be_cut_at_a_day(store: RunStore) -> None:
    fill(store, 3, tickers=("ACME", "BETA"))
    frame = store.event_rows("run-1", "ACME")
    assert frame["seq"].tolist() == list(range(10))
    assert len(store.event_rows("run-1", "ACME", until=session(1))) == 6
    life = store.event_rows("run-1", "ACME", memory_id=1)
    assert life["kind"].tolist() == ["remembered", "cited", "promoted"]
    assert (life["before_layer"].tolist(), life["after_layer"].tolist()) == ([None, None, "short"], ["short", "short", "mid"])


def test_a_narrow_reading_says_what_the_wide_one_says(store: RunStore) -> None:
    fill(store, 7, tickers=("ACME", "BETA"))
    days, events, memories = store.day_rows("run-1", "ACME"), store.event_rows("run-1", "ACME"), store.memory_rows("run-1", "ACME")
    recalls = store.recall_rows("run-1", "ACME")
    assert store.day_rows("run-1", "ACME", columns=["equity", "day"]).equals(days[["equity", "day"]])
    assert store.day_rows("run-1", "ACME", day=session(3))["index"].tolist() == [3]
    assert store.day_rows("run-1", "ACME", having=["fill_price"])["day"].tolist() == days["day"][days["fill_price"].notna()].tolist()
    newest = store.day_rows("run-1", columns=["day", "ticker"], newest=3)
    assert newest.to_numpy().tolist() == [[session(5), "BETA"], [session(6), "ACME"], [session(6), "BETA"]]
    assert store.event_rows("run-1", "ACME", day=session(2)).equals(events[events["day"] == session(2)].reset_index(drop=True))
    assert store.event_rows("run-1", "ACME", columns=["kind", "seq"]).equals(events[["kind", "seq"]])
    assert store.recall_rows("run-1", "ACME", until=session(3), columns=["memory_id"])["memory_id"].tolist() == [1, 2, 3, 4, 5, 6]
    assert len(recalls) == 12
    assert store.memory_rows("run-1", "ACME", ids=[4, 2, 99], columns=["id", "title"]).equals(
        memories.loc[[1, 3], ["id", "title"]].reset_index(drop=True)
    )
    assert store.memory_ids("run-1", "ACME") == memories["id"].tolist() == list(range(1, 15))
    assert store.sessions("run-1", "ACME") == [session(index) for index in range(7)] and store.sessions("run-1", "NONE") == []


def test_more_memories_than_a_statement_has_parameters_are_read_in_order(store: RunStore) -> None:
    events = tuple(remembered(i, session(0)) for i in range(1, 1202))
    store.append(make_record(events=events), vectors={i: make_vector(i) for i in range(1, 1202)})
    asked = store.memory_rows("run-1", "ACME", ids=range(1201, 0, -1), columns=["id"])
    assert asked["id"].tolist() == list(range(1, 1202)) and store.memory_rows("run-1", "ACME", ids=[]).empty


def test_the_numbers_of_states_and_uses_are_those_of_the_events_and_recalls(store: RunStore) -> None:
    fill(store, 7, tickers=("ACME", "BETA"))
    events, states = store.event_rows("run-1", "ACME"), store.state_rows("run-1", "ACME")
    wanted = [json.loads(state) for state in events["state"]]
    for name in ("importance", "importance_as_of", "recency_anchor", "access_count", "positive", "negative", "layer"):
        assert states[name].tolist() == [state[name] for state in wanted], name
    assert states["session"].tolist() == [[session(i) for i in range(7)].index(day) for day in events["day"]]
    shown = store.recall_rows("run-1", "ACME").query("not near_miss")
    assert store.use_rows("run-1", "ACME").to_numpy().tolist() == [
        [i + 1, memory, cited] for i, (memory, cited) in enumerate(zip(shown["memory_id"], shown["cited"]))
    ]


def test_a_day_of_events_is_found_by_an_index(store: RunStore) -> None:
    fill(store, 2)
    with store._engine.connect() as connection:
        asked = "SELECT seq FROM memory_events WHERE run_key = 1 AND ticker = 'ACME' AND day = '2025-03-17'"
        plan = str(connection.execute(text(f"EXPLAIN QUERY PLAN {asked}")).all())
    assert "events_of_day" in plan


def test_the_list_of_names_reads_no_spec_and_no_provenance(store: RunStore) -> None:
    store.create(make_spec(), run_id="newer", provenance={"prompts": "x" * 9})
    heads = store.heads()
    assert [(head.id, head.name, head.tickers) for head in heads] == [(row.id, row.name, row.tickers) for row in store.runs()]
    assert heads[0].id == "newer" and heads[0].test_start == session(0)


def test_empty_frames_have_the_columns_and_types_of_full_ones(store: RunStore) -> None:
    def frames() -> list[Any]:
        ask = store
        return [
            ask.day_rows("run-1"),
            ask.fill_rows("run-1"),
            ask.outcome_rows("run-1"),
            ask.recall_rows("run-1", "ACME"),
            ask.event_rows("run-1", "ACME"),
            ask.memory_rows("run-1", "ACME"),
            ask.memory_rows("run-1", "ACME", ids=[1]),
            ask.state_rows("run-1", "ACME"),
            ask.use_rows("run-1", "ACME"),
        ]

    empty = frames()
    fill(store, 7)
    for before, after in zip(empty, frames()):
        assert len(before) == 0 and len(after) > 0
        assert before.dtypes.to_dict() == after.dtypes.to_dict()


def test_a_page_reads_whole_days_while_the_worker_writes(store: RunStore) -> None:
    done, wrong = threading.Event(), []

    def write() -> None:
        try:
            mine = RunStore(store.url)
            for index in range(60):
                append(mine, index)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    reads = 0
    while not done.is_set() or reads == 0:
        days, events = store.day_rows("run-1"), store.event_rows("run-1", "ACME")
        if events["day"].nunique() < len(days) or list(days["index"]) != list(range(len(days))):
            wrong.append((len(days), len(events)))
        reads += 1
    writer.join()
    assert not wrong and reads > 1 and len(store.day_rows("run-1")) == 60


def test_threads_may_share_one_store(store: RunStore) -> None:
    failed: list[BaseException] = []

    def work(run: str) -> None:
        try:
            store.create(make_spec(), run_id=run, provenance={})
            fill(store, 8, run=run)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(f"t-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert all(len(list(store.records(f"t-{n}"))) == 8 for n in range(4))


# -------------------------------------------------------------------------------------------------------------------- the end


def test_deleting_a_run_leaves_nothing_of_it_and_nothing_of_others_is_touched(store: RunStore) -> None:
    secret = "a sentence that must be gone for good"
    fill(store, 6, tickers=("ACME", "BETA"))
    store.create(make_spec("keep"), run_id="run-2", provenance={})
    fill(store, 6, run="run-2")
    kept = list(store.records("run-2"))
    after = counts(store)
    store.create(make_spec(secret), run_id="run-3", provenance={"note": secret})
    day = session(0)
    store.append(make_record("run-3", events=(remembered(1, day, text=secret),)), vectors={1: make_vector(1)})
    store.set_live("run-3", {"text": secret})
    removed = store.delete("run-3")
    assert removed["days"] == removed["memories"] == removed["vectors"] == removed["runs"] == 1
    assert counts(store) == after and [row.id for row in store.runs()] == ["run-2", "run-1"]
    assert store.live("run-3") == {}
    assert store.folder is not None
    for path in store.folder.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    for run in ("run-1", "run-2"):
        if run == "run-2":
            assert list(store.records(run)) == kept
        store.delete(run)
    assert set(counts(store).values()) == {0}


def test_every_table_but_the_bookkeeping_hangs_on_a_run() -> None:
    own = {table.name for table in schema.metadata.sorted_tables if {"run_key", "day_key"} & set(table.c.keys())}
    assert own == set(schema.metadata.tables) - {"runs", "migrations", "trials", "batches", "batch_members"} == set(TABLES)


def test_a_deleted_run_gives_its_space_back(store: RunStore) -> None:
    fill(store, 5)
    store.create(make_spec(), run_id="big", provenance={})
    day = session(0)
    big = tuple(remembered(i, day, text=os.urandom(20_000).hex()) for i in range(1, 40))
    store.append(make_record("big", events=big), vectors={i: make_vector(i) for i in range(1, 40)})
    assert store.path is not None
    store._engine.dispose()
    before = store.path.stat().st_size
    store.delete("big")
    assert store.path.stat().st_size < before / 2


def test_the_worker_of_a_deleted_run_is_told(store: RunStore) -> None:
    fill(store, 1)
    store.delete("run-1")
    with pytest.raises(SpecError, match="not in the store"):
        append(store, 1)


# ------------------------------------------------------------------------------------------------------------- the live answer


def test_the_live_answer_is_replaced_whole(store: RunStore) -> None:
    assert store.live("run-1") == {}
    store.set_live("run-1", {"text": "I think", "ticker": "ACME"})
    store.set_live("run-1", {"text": "I think so"})
    assert store.live("run-1") == {"text": "I think so"}
    assert store.folder is not None and [p.name for p in (store.folder / "live").iterdir()] == ["run-1.json"]


def test_a_live_name_stays_inside_the_folder(store: RunStore) -> None:
    with pytest.raises(SpecError):
        store.live("../../etc/passwd")


# --------------------------------------------------------------------------------------------------------- when the disk says no


def test_a_folder_that_cannot_be_made_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match=r"file/data cannot be made .* Choose a data folder"):
        RunStore(f"sqlite:///{tmp_path}/file/data/runs.db")


def test_a_read_only_folder_is_named_with_the_cure(powerless: Weak) -> None:
    folder, weak = powerless
    with weak(), pytest.raises(Unavailable, match=f"{folder}/runs.db cannot be opened. Make its folder writable"):
        RunStore(f"sqlite:///{folder}/runs.db")
    with weak(), pytest.raises(Unavailable, match="new cannot be made"):
        RunStore(f"sqlite:///{folder}/new/runs.db")


def test_a_store_whose_folder_became_read_only_is_named_with_the_cure(powerless: Weak) -> None:
    folder, weak = powerless
    RunStore(f"sqlite:///{folder}/runs.db").close()
    (folder / "runs.db").chmod(0o444)
    with weak(), pytest.raises(Unavailable, match=r"runs.db (is read-only|cannot be opened)"):
        RunStore(f"sqlite:///{folder}/runs.db").create(make_spec(), run_id="r", provenance={})


def test_a_full_disk_loses_the_day_and_nothing_else(store: RunStore) -> None:
    fill(store, 3)
    with store._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    day = session(3)
    heavy = tuple(remembered(i, day, text=os.urandom(5000).hex()) for i in range(50, 60))
    with pytest.raises(Unavailable, match=r"runs.db is full; the day was not saved. Free some space"):
        store.append(make_record(index=3, events=heavy), vectors={i: make_vector(i) for i in range(50, 60)})
    store.close()
    again = RunStore(store.url)
    assert [r.index for r in again.records("run-1")] == [0, 1, 2] and len(again.memories("run-1", "ACME")) == 6
    append(again, 3)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs.db").write_bytes(b"hello, I am a text file" * 100)
    with pytest.raises(Unavailable, match="is not a run store"):
        RunStore(f"sqlite:///{tmp_path}/runs.db")


@pytest.mark.parametrize("url", ["runs.db", "nosuch://x", "sqlite://", "sqlite:///:memory:"])
def test_an_address_that_cannot_work_is_a_mistake_of_the_setting(url: str) -> None:
    with pytest.raises(SpecError) as caught:
        RunStore(url)
    assert caught.value.field == "store"


# ------------------------------------------------------------------------------------------------------------ several processes


def test_a_worker_killed_at_any_moment_leaves_only_whole_days(in_processes: Callable[[str], dict[str, Any]]) -> None:
    held = in_processes("kill_at_random")
    assert held["days"] >= held["rounds"] >= 20


def test_a_worker_that_dies_before_any_statement_leaves_only_whole_days(in_processes: Callable[[str], dict[str, Any]]) -> None:
    assert in_processes("die_at_every_statement")["deaths"] >= 10


def test_of_many_workers_one_gets_the_run(in_processes: Callable[[str], dict[str, Any]]) -> None:
    assert in_processes("race_to_claim") == {"winners": [1] * 5}


def test_many_may_open_a_new_store_at_once(in_processes: Callable[[str], dict[str, Any]]) -> None:
    assert in_processes("race_to_open") == {"codes": [0] * 8}


def test_opening_a_store_imports_nothing_heavy() -> None:
    script = "import sys, storage.run_store; print([m for m in ('chromadb', 'pandas', 'torch', 'streamlit') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_sqlite_is_set_up_to_lose_nothing(store: RunStore) -> None:
    with store._engine.connect() as connection:
        settings = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "auto_vacuum")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "auto_vacuum": 2}


def test_dates_are_dates(store: RunStore) -> None:
    fill(store, 1)
    assert type(store.day_rows("run-1")["day"].iloc[0]) is date


def test_a_spec_of_another_version_is_a_sentence_and_leaves_the_list_readable(tmp_path):
    store = RunStore(f"sqlite:///{tmp_path / 'runs.db'}")
    store.create(make_spec(), run_id="old", provenance={})
    body = rows.pack('{"tickers": ["A"], "from_the_future": 1, "test": {"start": "2022-01-03", "end": "2022-02-01"}}')
    with sqlite3.connect(tmp_path / "runs.db") as raw:
        raw.execute("UPDATE runs SET spec = ?", (body,))
    row = store.runs()[0]
    with pytest.raises(SpecError, match=r"Run old .* cannot read .*from_the_future"):
        _ = row.spec
