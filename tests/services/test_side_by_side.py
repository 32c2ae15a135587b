"""Two runs of one day: memories are matched by what they say, since their numbers are each run's own."""

from __future__ import annotations

from datetime import UTC, date, datetime

from agent.records import Bar, DayRecord, Decision, Memory, MemoryState, ModelCall, Observation, Portfolio, Reason, Recall, Thought
from services.side_by_side import Day, prompt_changes, recalled

DAY = date(2024, 3, 5)
NOON = datetime(2024, 3, 5, 12, tzinfo=UTC)


def memory(number: int, document: str, text: str, *, kind: str = "news", chunk: int = 0, sources: tuple[str, ...] = ()) -> Memory:
    state = MemoryState(layer="short", importance=50, importance_as_of=0, recency_anchor=0)
    return Memory(
        id=number,
        ticker="T",
        kind=kind,  # type: ignore[arg-type]
        text=text,
        title=text,
        document_id=document,
        chunk=chunk,
        sources=sources or (document,),
        content_hash=text,
        event_time=NOON,
        available_at=NOON,
        known_at=NOON,
        born=DAY,
        phase="test",
        embedding_model="none",
        birth=state,
    )


def day(run: str, shown: dict[Memory, float], *, cited: tuple[int, ...] = (), missed: tuple[int, ...] = (), user: str = "") -> Day:
    recalls = tuple(
        Recall(memory_id=m.id, layer="short", rank=n, similarity=0, recency=0, importance=0, score=score, near_miss=m.id in missed)
        for n, (m, score) in enumerate(shown.items(), 1)
    )
    decision = Decision(action="buy", provenance="model", reasons_for=(Reason(claim="yes", weight=5, memories=cited),))
    call = ModelCall(purpose="decide", system="Rules", user=user, prompt_hash=run)
    seen = Observation(
        ticker="T",
        session=DAY,
        cutoff=NOON,
        bar=Bar(day=DAY, open=1, high=1, low=1, close=1),
        portfolio=Portfolio(cash=1),
        equity=1,
    )
    record = DayRecord(
        run=run,
        ticker="T",
        day=DAY,
        index=0,
        phase="test",
        observation=seen,
        thought=Thought(decision=decision, recalls=recalls, calls=(call,)),
        portfolio=Portfolio(cash=1),
        equity=1,
        benchmark=Portfolio(cash=1),
        benchmark_equity=1,
    )
    return Day(run, record, {}, {m.id: m for m in shown})


def told(pairs: list) -> list[tuple[str, int | None, int | None]]:
    return [(item.where, item.first and item.first.id, item.second and item.second.id) for item in pairs]


def test_one_document_is_one_memory_whatever_its_number():
    one = day("r1", {memory(7, "n1", "Orders rise"): 1.9, memory(8, "n2", "Strike"): 1.1}, cited=(7,))
    other = day("r2", {memory(31, "n3", "Recall"): 1.5, memory(32, "n1", "Orders rise"): 1.2})
    pairs = recalled(one, other)
    assert told(pairs) == [("only first", 8, None), ("both", 7, 32), ("only second", None, 31)]
    both = pairs[1]
    assert both.first and both.second and (both.first.rank, both.second.rank) == (1, 2)
    assert (both.first.score, both.second.score, both.first.cited, both.second.cited) == (1.9, 1.2, "for", "")
    assert not both.reworded


def test_notes_of_the_same_day_are_two_memories_unless_they_say_the_same():
    note = "T:decision:2024-03-04"
    one = day("r1", {memory(1, note, "bought", kind="immediate_reflection"): 1.0, memory(2, "k", "alike", kind="extended_reflection"): 0.9})
    other = day("r2", {memory(1, note, "sold", kind="immediate_reflection"): 1.0, memory(9, "j", "alike", kind="extended_reflection"): 0.9})
    assert told(recalled(one, other)) == [("only first", 1, None), ("both", 2, 9), ("only second", None, 1)]


def test_parts_of_a_document_are_matched_part_by_part_and_other_words_are_marked():
    one = day("r1", {memory(1, "k10", "first part", chunk=0): 1.0, memory(2, "k10", "second part", chunk=1): 0.9})
    other = day("r2", {memory(4, "k10", "second, digested", chunk=1): 1.0})
    pairs = recalled(one, other)
    assert told(pairs) == [("only first", 1, None), ("both", 2, 4)] and pairs[1].reworded


def test_a_near_duplicate_is_found_by_the_source_it_was_merged_with():
    one = day("r1", {memory(1, "a", "Orders rise", sources=("a", "b")): 1.0})
    other = day("r2", {memory(5, "b", "Orders are rising", sources=("b",)): 1.0})
    pairs = recalled(one, other)
    assert told(pairs) == [("both", 1, 5)] and pairs[0].reworded


def test_a_memory_that_was_just_missed_was_not_shown():
    one = day("r1", {memory(1, "a", "x"): 1.0, memory(2, "b", "y"): 0.5}, missed=(2,))
    other = day("r2", {memory(3, "a", "x"): 0.4, memory(4, "c", "z"): 0.3}, missed=(3, 4))
    pairs = recalled(one, other)
    assert told(pairs) == [("only first", 1, 3)] and pairs[0].second and pairs[0].second.missed


def test_questions_are_compared_line_by_line():
    rules, facts = sorted(prompt_changes(day("r1", {}, user="a\nb"), day("r2", {}, user="a\nc")), key=lambda item: item.template != "rules")
    assert rules.state == "same" and facts.state == "changed" and (facts.removed, facts.added) == (1, 1)
