"""The causal thread, computed anew from the records alone: what days.jsonl and memory_events.jsonl hold must say the same."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import NoData
from agent.memory.layers import preset
from agent.records import DayRecord, Decision, MemoryEvent
from agent.spec import RunSpec
from services import queries, runs, threads, worker
from services.settings import settings
from storage import thread_rows

TICKER = "DMAUR"
OfMemory = Callable[[int], threads.Thread]
OfDay = Callable[[date], threads.DayThread]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Three weeks to learn and eight to trade, with verdicts every two sessions, so that there is credit to follow."""
    memory = preset("default").model_copy(update={"embedder": "hashing", "feedback_sessions": 2}).model_dump()
    told = {"source": "demo", "tickers": (TICKER,), "backend": "rules", "memory": memory, "extended_every": 5}
    spec = RunSpec.read(
        {**told, "train": {"start": "2021-12-13", "end": "2021-12-31"}, "test": {"start": "2022-01-03", "end": "2022-02-25"}}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("RECOLLECT_DEMO_ON_START", "false")
        settings.cache_clear()
        found = runs.create(spec)
        assert worker.execute(found) == "done"
        yield found
    settings.cache_clear()


@pytest.fixture(scope="module")
def records(run: str) -> list[DayRecord]:
    """The days as an export holds them: through their JSON."""
    return [DayRecord.model_validate_json(record.model_dump_json()) for record in runs.store().records(run, TICKER)]


@pytest.fixture(scope="module")
def events(records: list[DayRecord]) -> list[MemoryEvent]:
    return [event for record in records for event in record.thought.memory_events]


@pytest.fixture(scope="module")
def of_memory(run: str) -> OfMemory:
    """Threads of memories, each followed once."""
    every = threads.fates(run, TICKER)
    return lru_cache(lambda number: threads.thread_of_memory(run, TICKER, number, every=every))


@pytest.fixture(scope="module")
def of_day(run: str) -> OfDay:
    every = threads.fates(run, TICKER)
    return lru_cache(lambda day: threads.thread_of_day(run, TICKER, day, every=every))


def chosen(events: list[MemoryEvent], *, most: int = 10) -> list[int]:
    """The memories that most happened to, and a few to which nothing did."""
    counts = Counter(event.memory_id for event in events).most_common()
    return [number for number, _ in (*counts[:most], *counts[-3:])]


def test_the_run_has_something_to_follow(records: list[DayRecord], events: list[MemoryEvent]) -> None:
    kinds = Counter(event.kind for event in events)
    assert kinds["credited"] > 10 and kinds["cited"] > 10 and kinds["forgotten"] > 10
    assert sum(len(record.outcomes) for record in records) > 3


def test_a_thread_recomputed_from_the_records_is_the_same(
    run: str, records: list[DayRecord], events: list[MemoryEvent], of_memory: OfMemory
) -> None:
    for number in chosen(events):
        thread = of_memory(number)
        mine = [(record, recall) for record in records for recall in record.thought.recalls if recall.memory_id == number]
        assert [(row.day, row.rank, row.layer) for row in thread.uses.itertuples()] == [(r.day, c.rank, c.layer) for r, c in mine]
        assert thread.uses["score"].tolist() == pytest.approx([recall.score for _, recall in mine])
        for row, (record, recall) in zip(thread.uses.to_dict("records"), mine, strict=True):
            assert row["use"] == use_of(record, recall.near_miss, number, events), (number, record.day)
            check_fate(row, record, records)
        own = [event for event in events if event.memory_id == number]
        assert [(event.day, event.kind) for event in own] == list(zip(thread.events["day"], thread.events["kind"]))
        end = next((event for event in own if event.kind == "forgotten"), None)
        told = thread.memories.iloc[0]
        assert (told["alive"], told["ended_on"]) == (end is None, end and end.day)


def use_of(record: DayRecord, missed: bool, number: int, events: list[MemoryEvent]) -> str:
    if missed:
        return "near miss"
    if record.phase == "train":
        marks = [e for e in events if e.memory_id == number and e.kind == "credited" and e.reason.startswith(f"study of {record.day}:")]
        return "studied" if marks else "shown"
    decision = record.thought.decision
    assert decision is not None
    return "cited" if any(number in ids for ids in decision.cited.values()) else "shown"


def check_fate(row: dict, record: DayRecord, records: list[DayRecord]) -> None:
    """Order, fill and verdict of the decision of ``record``, looked for in the days that follow."""
    ended = next((r for r in records if r.settled is not None and r.settled.day == record.day), None)
    assert row["order"] == (ended.settled.status if ended and ended.settled else record.order.status if record.order else "")
    if row["order"] == "filled":
        fill = next(fill for fill in ended.fills if fill.cause == "order")  # type: ignore[union-attr]
        assert (row["price"], row["shares"], row["settled_on"]) == (fill.price, fill.shares, ended.day)  # type: ignore[union-attr]
    judged = [(r.day, outcome) for r in records for outcome in r.outcomes if outcome.decided == record.day]
    assert (row["judged_on"] is not None) == bool(judged)
    for day, outcome in judged:
        assert (row["judged_on"], row["move"], row["verdict"]) == (day, outcome.move, outcome.verdict)
        assert row["gain"] == outcome.direction * outcome.move


def test_the_credit_of_a_thread_is_the_credit_in_the_events(run: str, events: list[MemoryEvent], of_memory: OfMemory) -> None:
    for number in chosen(events):
        thread = of_memory(number)
        deltas = [event.delta for event in events if event.memory_id == number and event.kind == "credited"]
        assert thread.memories["credit"].iloc[0] == pytest.approx(sum(deltas))
        assert thread.uses["credit"].dropna().sum() == pytest.approx(sum(deltas)), "each credit stands at the use that earned it"
        assert thread.uses["credit"].count() == len(deltas)


def test_the_credit_has_the_sign_of_side_times_verdict(run: str, events: list[MemoryEvent], of_memory: OfMemory) -> None:
    seen = 0
    for number in chosen(events):
        for row in of_memory(number).uses.to_dict("records"):
            if row["use"] == "cited" and row["credit"] == row["credit"] and row["credit"]:
                assert row["credit"] * {"for": 1, "against": -1}[row["stance"]] * row["verdict"] > 0
                seen += 1
    assert seen


def test_there_and_back_a_memory_in_the_thread_of_a_day_has_that_day_in_its_own(
    run: str, records: list[DayRecord], of_memory: OfMemory, of_day: OfDay
) -> None:
    same = ["use", "named", "rank", "score", "stance", "order", "verdict", "credit", "credited_on", "settled_on", "why"]
    for record in records[1::20]:
        for row in of_day(record.day).uses.to_dict("records"):
            uses = of_memory(row["memory_id"]).uses
            back = uses[uses["day"] == record.day].to_dict("records")
            assert len(back) == 1
            if row["phase"] == "test" or row["credit"] == row["credit"]:
                assert {k: v for k, v in back[0].items() if k in same and v == v} == {k: v for k, v in row.items() if k in same and v == v}


def test_a_day_knows_its_grounds_and_what_each_says(run: str, records: list[DayRecord], of_day: OfDay) -> None:
    for record in records[-16:]:
        decision, found = record.thought.decision, of_day(record.day)
        assert isinstance(decision, Decision) and found.decision == decision
        named = {number for ids in decision.cited.values() for number in ids}
        assert set(found.named["memory_id"]) == named
        for row in found.named.to_dict("records"):
            claims = [r.claim for r in (*decision.reasons_for, *decision.reasons_against) if row["memory_id"] in r.memories]
            assert row["claim"] == "; ".join(claims) and claims


def test_a_study_names_what_the_next_session_says_it_named(run: str, records: list[DayRecord], of_day: OfDay) -> None:
    by_day = {record.thought.study.session: record for record in records if record.thought.study is not None}
    for day, record in list(by_day.items())[:6]:
        study = record.thought.study
        assert study is not None
        found = of_day(day)
        assert (found.study, found.studied_on) == (study, record.day)
        assert set(found.named["memory_id"]) == {*study.supporting, *study.opposing} & set(found.uses["memory_id"])


def test_a_source_leads_to_its_memory_and_the_memory_to_its_source(
    run: str, records: list[DayRecord], events: list[MemoryEvent], of_memory: OfMemory
) -> None:
    read = {item.id for record in records for item in (*record.observation.news, *record.observation.filings)}
    sources = {event.memory_id: event.memory.sources for event in events if event.memory is not None}
    for number in chosen(events, most=6):
        thread = of_memory(number)
        assert thread.origin is not None and thread.memory is not None
        if thread.origin.kind != "source":
            continue
        assert set(thread.origin.sources) <= read and set(sources[number]) <= set(thread.origin.sources)
        for source in thread.origin.sources:
            assert number in set(threads.thread_of_source(run, TICKER, source).memories["id"])


def test_a_merged_text_joins_its_memory_on_the_day_it_came(run: str, events: list[MemoryEvent]) -> None:
    for event in [event for event in events if event.kind == "merged"][:5]:
        rows = threads.thread_of_source(run, TICKER, event.source).memories.set_index("id")
        assert rows.loc[event.memory_id, "joined"] == event.day
        assert rows.loc[event.memory_id, "how"] == "merged into it"


def test_reflections_lead_to_the_decisions_they_rest_on(run: str, records: list[DayRecord], of_memory: OfMemory, of_day: OfDay) -> None:
    lessons = 0
    judged: list[date] = []
    for record in records:
        judged += [outcome.decided for outcome in record.outcomes]
        for event in record.thought.memory_events:
            if event.memory is None or event.memory.kind not in ("immediate_reflection", "extended_reflection"):
                continue
            origin = of_memory(event.memory_id).origin
            assert origin is not None
            told = date.fromisoformat(event.memory.document_id[-10:])
            if origin.kind == "lessons":
                assert origin.days == tuple(sorted(judged)), record.day
                assert all(event.memory_id in dict(of_day(day).lessons) for day in origin.days)
                judged, lessons = [], lessons + 1
            else:
                assert origin.days == (told,)
                assert event.memory_id in dict(of_day(told).made)
    assert lessons


def test_as_of_a_day_nothing_later_is_known(run: str, records: list[DayRecord], events: list[MemoryEvent], of_memory: OfMemory) -> None:
    until = records[-20].day
    for number in chosen(events, most=8):
        thread = threads.thread_of_memory(run, TICKER, number, until=until)
        for frame, columns in ((thread.uses, ("day", "settled_on", "judged_on", "credited_on")), (thread.events, ("day",))):
            assert all(day is None or day <= until for name in columns for day in frame[name])
        later = thread.uses[thread.uses["judged_on"].isna()]
        assert later["move"].isna().all() and later["credit"].isna().all() | (later["phase"] == "train").any()
        assert thread.uses.loc[thread.uses["day"] == until, "next_return"].isna().all()


def test_the_steps_are_in_order_and_complete(run: str, events: list[MemoryEvent], of_memory: OfMemory) -> None:
    for number in chosen(events, most=8):
        thread = of_memory(number)
        rows = threads.steps(thread)
        assert list(rows["day"]) == sorted(rows["day"])
        counts = Counter(rows["what"])
        assert counts["remembered"] == 1
        assert counts["cited"] == (thread.uses["use"] == "cited").sum()
        assert counts["judged"] == thread.uses[thread.uses["use"] == "cited"].drop_duplicates("day")["judged_on"].notna().sum()
        assert rows.loc[rows["what"] == "credited", "value"].sum() == pytest.approx(thread.memories["credit"].iloc[0])


def test_the_stays_of_a_memory_join_without_a_gap(
    run: str, records: list[DayRecord], events: list[MemoryEvent], of_memory: OfMemory
) -> None:
    for number in chosen(events, most=6):
        thread = of_memory(number)
        rows = threads.stays(thread.events, records[-1].day)
        assert list(rows["end"][:-1]) == list(rows["start"][1:])
        assert rows["end"].iloc[-1] == (thread.memories["ended_on"].iloc[0] or records[-1].day)


def test_the_lists_to_begin_with_count_what_the_records_count(run: str, records: list[DayRecord], events: list[MemoryEvent]) -> None:
    found = threads.starts(run, TICKER)
    cited = Counter(number for r in records if r.thought.decision for ids in r.thought.decision.cited.values() for number in ids)
    assert dict(zip(found.cited["id"], found.cited["cited"])) == {number: cited[number] for number in found.cited["id"]}
    assert found.cited["cited"].max() == max(cited.values())
    gains = {outcome.decided: outcome.direction * outcome.move for record in records for outcome in record.outcomes}
    assert found.best["gain"].iloc[0] == max(gains.values()) and found.worst["gain"].iloc[0] == min(gains.values())
    credit = Counter[int]()
    for event in events:
        if event.kind == "credited":
            credit[event.memory_id] += event.delta  # type: ignore[assignment]
    for row in found.sources.to_dict("records"):
        whole = threads.thread_of_source(run, TICKER, row["document_id"]).memories
        assert row["credit"] == pytest.approx(sum(credit[number] for number in whole["id"]))


def test_what_does_not_exist_is_said(run: str) -> None:
    with pytest.raises(NoData, match="no memory 999999"):
        threads.thread_of_memory(run, TICKER, 999_999)
    with pytest.raises(NoData, match="no session"):
        threads.thread_of_day(run, TICKER, date(1999, 1, 1))
    for source in ("", " ", "%", "_", "' or 1=1 --", "news%"):
        assert threads.thread_of_source(run, TICKER, source).memories.empty
    known = threads.starts(run, TICKER).sources
    filing = known.loc[known["document_id"].str.contains("-10"), "document_id"].iloc[0]
    assert threads.thread_of_source(run, TICKER, filing.lower()).memories.empty, "ids are matched letter by letter"
    assert threads.thread_of_source(run, TICKER, filing[1:]).memories.empty


def test_every_credit_of_the_agent_says_which_decision_it_answers_for(events: list[MemoryEvent]) -> None:
    reasons = {event.reason for event in events if event.kind == "credited"}
    assert reasons and all(threads.answers_for(reason) is not None for reason in reasons)


@given(st.sampled_from(["buy", "sell", "hold", "study"]), st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.text())
def test_the_decision_behind_a_credit_is_read_off_its_reason(action: str, day: date, rest: str) -> None:
    assert threads.answers_for(f"{action} of {day}: {rest}") == day


@given(st.text())
def test_other_reasons_answer_for_no_decision(reason: str) -> None:
    if not re.match(r"(buy|sell|hold|study) of ", reason):
        assert threads.answers_for(reason) is None


def test_a_decision_is_found_in_its_body_whatever_the_news_says(run: str, records: list[DayRecord]) -> None:
    """The decision is cut out of the day's JSON by its place; a text that looks like that place must not be taken for it."""
    record = next(record for record in records if record.thought.decision is not None and record.observation.news)
    bait = '"thought":{"decision":{"action":"sell","provenance":"model"}}'
    news = record.observation.news[0].model_copy(update={"title": bait, "summary": bait})
    seen = record.observation.model_copy(update={"news": (news,)})
    body = record.model_copy(update={"observation": seen}).model_dump_json()
    assert thread_rows._decision(body) == record.thought.decision
    assert thread_rows._decision(records[0].model_dump_json()) is None


def test_realised_gains_of_a_day_are_those_of_its_order(run: str, records: list[DayRecord]) -> None:
    every = threads.fates(run, TICKER)
    fills = [(record.settled.day, f.realised) for record in records if record.settled for f in record.fills if f.cause == "order"]
    assert fills
    for day, realised in fills:
        told = every.loc[day, "realised"]
        assert told == realised if realised is not None else told != told


def test_next_returns_are_those_of_the_days_page(run: str) -> None:
    days = queries.days(run, TICKER).set_index("day")
    assert threads.fates(run, TICKER)["next_return"].equals(days["next_return"])


def test_the_module_reads_no_file_of_its_own() -> None:
    words = Path(threads.__file__).read_text()
    assert "open(" not in words and "_engine" not in words
