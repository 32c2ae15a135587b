"""The texts of a day and the search through them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.evaluation.day_text import Passage, call_names, find, passages
from agent.records import (
    Completion,
    DayRecord,
    Decision,
    Memory,
    MemoryState,
    ModelCall,
    News,
    Observation,
    Order,
    Portfolio,
    Reason,
    Recall,
    Segment,
    Thought,
)

DAY = date(2025, 3, 31)
CLOSE = datetime(2025, 3, 31, 20, tzinfo=UTC)


def call(purpose: str = "decide", attempt: int = 1, *, user: str = "prices fell", error: str = "", said: str = "{}") -> ModelCall:
    answer = Completion(text=said, thinking="thought of copper", backend="b", model="m")
    return ModelCall(purpose=purpose, attempt=attempt, system="rules", user=user, prompt_hash="0", completion=answer, error=error)


def memory(number: int, words: str) -> Memory:
    state = MemoryState(layer="short", importance=50, importance_as_of=0, recency_anchor=0)
    return Memory(
        id=number,
        ticker="X",
        kind="news",
        text=words,
        document_id=f"n{number}",
        content_hash="0",
        event_time=CLOSE,
        available_at=CLOSE,
        known_at=CLOSE,
        born=DAY,
        phase="test",
        embedding_model="h",
        birth=state,
    )


def record() -> DayRecord:
    held = Portfolio(cash=100.0)
    news = News(id="n1", ticker="X", published_at=CLOSE, available_at=CLOSE, title="Copper rises", publisher="Wire")
    recall = Recall(memory_id=7, layer="short", rank=1, similarity=0.5, recency=0.5, importance=0.5, score=1.5, near_miss=True)
    segments = (
        Segment(name="rules", role="system", text="rules", tokens=1),
        Segment(name="prices", role="user", text="prices fell", tokens=2),
    )
    decision = Decision(
        action="buy",
        summary="a summary of tin",
        reasons_against=(Reason(claim="lead is heavy", weight=3),),
        provenance="model",
    )
    thought = Thought(
        decision=decision,
        query="what about zinc",
        recalls=(recall,),
        segments=segments,
        calls=(call(said="not json: iron", error="it is not JSON: gold"), call(attempt=2, user="You answered: iron")),
        lessons=("silver shines",),
    )
    return DayRecord(
        run="r",
        ticker="X",
        day=DAY,
        index=3,
        phase="test",
        observation=Observation(ticker="X", session=DAY, cutoff=CLOSE, news=(news,), portfolio=held, equity=100.0),
        thought=thought,
        order=Order(day=DAY, weight=1.0, wished=1.0, reason="cut for nickel"),
        portfolio=held,
        equity=100.0,
        benchmark=held,
        benchmark_equity=100.0,
    )


@pytest.mark.parametrize(
    ("words", "step", "place"),
    [
        ("COPPER rises", "observed", "news of Wire"),
        ("zinc", "recalled", "question to memory"),
        ("mercury", "recalled", "memory 7, short, just missed"),
        ("fell", "asked", "segment prices"),
        ("thought", "thinking", "thinking"),
        ("gold", "answered", "what was wrong with it"),
        ("tin", "decision", "summary"),
        ("lead", "decision", "reason against"),
        ("nickel", "order", "order"),
        ("silver", "memory", "lesson"),
    ],
)
def test_every_text_of_a_day_is_found_in_its_step(words: str, step: str, place: str) -> None:
    texts = passages(record(), {7: memory(7, "mercury is liquid")})
    assert (step, place) in [(hit.passage.step, hit.passage.place) for hit in find(texts, words)]


def test_a_second_attempt_is_searched_as_it_was_sent_and_named() -> None:
    hits = find(passages(record(), {}), "answered: iron")
    assert [(hit.passage.place, hit.passage.keys["call"], hit.passage.keys["prompt"]) for hit in hits] == [
        ("user text, decide.2", "decide.2", "raw")
    ]


def test_all_words_must_be_there_and_quotes_hold_words_together() -> None:
    texts = [Passage("a", "1", "red green blue"), Passage("a", "2", "green then red"), Passage("a", "3", "red only")]
    assert [hit.passage.place for hit in find(texts, "green red")] == ["1", "2"]
    assert [hit.passage.place for hit in find(texts, '"red green"')] == ["1"]
    assert find(texts, "") == [] and find(texts, "   ") == []


def test_matches_are_counted_and_the_first_shown_with_what_stands_around() -> None:
    (hit,) = find([Passage("a", "1", "x" * 200 + " needle " + "y" * 200 + " needle needle")], "NEEDLE")
    assert hit.matches == 3 and len(hit.excerpts) == 2
    first = hit.excerpts[0]
    assert first.match == "needle" and first.before == "…" + "x" * 69 + " " and first.after == " " + "y" * 69 + "…"


@given(st.text(max_size=300), st.text(min_size=1, max_size=8).filter(lambda word: not any(c.isspace() or c == '"' for c in word)))
def test_whatever_is_found_is_in_the_text(body: str, word: str) -> None:
    for hit in find([Passage("a", "b", body)], word):
        assert hit.matches >= 1
        assert all(excerpt.match in body for excerpt in hit.excerpts)


def test_what_prompts_say_is_searched_in_the_words_that_are_shown() -> None:
    texts = passages(record(), {}, say=lambda words: words.replace("prices", "Kurse"))
    assert find(texts, "Kurse fell") and not find(texts, "prices fell")


def test_calls_have_names_that_mean_the_same_on_every_day() -> None:
    calls = [call("digest"), call("digest"), call("digest", 2), call(), call(attempt=2), call("lessons")]
    assert call_names(calls) == ["digest", "digest-2", "digest-2.2", "decide", "decide.2", "lessons"]
