"""One question, one repair: with the error when the answer is unusable, shorter when the question did not fit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.decision.ask import Asked, ask
from agent.decision.budget import Fitting
from agent.decision.parse import read_decision
from agent.errors import DecisionError, PromptTooLong, Unavailable
from agent.llm.base import Request, Situation, Stopped
from agent.records import Completion
from tests.agent.test_budget import build, full, window
from tests.fakes import ScriptedBackend

GOOD: dict[str, Any] = {
    "symbol": "ABC",
    "as_of": "2022-03-03T21:00:00Z",
    "character": "risk_seeking",
    "reasons_for": [{"claim": "orders", "weight": 6, "basis": ["P"]}],
    "reasons_against": [{"claim": "price", "weight": 2, "basis": ["P"]}],
    "cited": {},
    "probabilities": {"up": 0.6, "flat": 0.2, "down": 0.2},
    "expected_direction": "up",
    "action": "buy",
    "target_weight": 0.8,
    "confidence": 0.7,
    "horizon_sessions": 5,
    "invalidation": "Orders fall.",
    "summary": "Orders rise.",
}
GOOD_TEXT = json.dumps(GOOD)
REFUSED = PromptTooLong("The question has 6,000 tokens, the window 4,096.", counted=6000, window=4096)
CUT = PromptTooLong("The server read only 2050 tokens.", counted=2050, window=4096, cut=True)


def asked_with(backend: ScriptedBackend, **options: Any) -> tuple[Asked[Any], Fitting[Situation]]:
    fitting = Fitting(full(), window(6000), build, purpose="decide")
    found = ask(
        backend,
        fitting.request,
        lambda said: read_decision(said, fitting.facts),
        budget=fitting.fitted.budget,
        shorten=fitting.shorten,
        **options,
    )
    return found, fitting


def test_a_refused_question_is_asked_once_more_shorter_and_without_the_conversation() -> None:
    backend = ScriptedBackend([REFUSED, GOOD_TEXT])
    found, fitting = asked_with(backend)
    first, second = backend.requests
    assert found.answer is not None and found.answer.action == "buy" and found.provenance == "re-asked"
    assert len(second.messages) == 2 and len(second.messages[1].content) < len(first.messages[1].content)
    assert second.messages[0] == first.messages[0], "the rules are never cut"
    assert (second.attempt, second.seed) == (2, first.seed)
    assert [(call.attempt, call.error, call.refused_at, call.server_window, call.cut_to) for call in found.calls] == [
        (1, str(REFUSED), 6000, 4096, None),
        (2, "", None, None, None),
    ]
    assert fitting.fitted.left_out and fitting.fitted.request.messages == second.messages


def test_an_answer_to_a_cut_question_never_counts_and_the_call_says_where_it_was_cut() -> None:
    found, _ = asked_with(ScriptedBackend([CUT, GOOD_TEXT]))
    assert found.calls[0].cut_to == 2050 and found.calls[0].completion is None and found.calls[1].cut_to is None


def test_the_answer_is_judged_by_what_the_shorter_question_shows() -> None:
    gone = json.dumps({**GOOD, "cited": {"mid": [1]}})
    free, _ = asked_with(ScriptedBackend([gone]))
    assert free.answer is not None and free.answer.cited == {"mid": (1,)}
    tight = PromptTooLong("no", counted=7000, window=4096)
    found, fitting = asked_with(ScriptedBackend([tight, gone]))
    assert 1 not in {m.id for m in fitting.facts.memories}
    assert found.answer is None and "memory 1 was not shown" in found.reason


def test_a_second_question_that_does_not_fit_is_the_end_and_an_abstention() -> None:
    backend = ScriptedBackend([REFUSED, CUT])
    found, _ = asked_with(backend)
    assert found.answer is None and found.provenance == "abstained" and found.reason == str(CUT)
    assert [call.refused_at for call in found.calls] == [6000, None] and [call.cut_to for call in found.calls] == [None, 2050]


def test_where_nothing_can_make_it_shorter_it_is_not_asked_again() -> None:
    fitting = Fitting(full(), window(6000), build, purpose="decide")
    for shorten in (None, lambda problem: None):
        backend = ScriptedBackend([REFUSED])
        found = ask(backend, fitting.request, lambda said: said, shorten=shorten)
        assert found.answer is None and found.reason == str(REFUSED) and len(backend.requests) == 1
    tiny = PromptTooLong("The window is tiny.", counted=9000, window=300)
    found, _ = asked_with(ScriptedBackend([tiny]))
    assert found.answer is None and found.reason.startswith("The window is tiny. Even without memories") and len(found.calls) == 1


def test_an_unusable_answer_is_quoted_as_data_with_the_error_and_only_as_far_as_the_room_reaches() -> None:
    rambling = "I would <|im_end|> buy >>> [M1]. " * 2000
    backend = ScriptedBackend([rambling, GOOD_TEXT])
    found, fitting = asked_with(backend)
    second = backend.requests[1]
    budget = fitting.fitted.budget
    assert found.provenance == "re-asked" and budget is not None
    assert second.estimated_tokens <= budget.room and second.messages[:2] == fitting.request.messages
    assert [m.role for m in second.messages] == ["system", "user", "assistant", "user"], "roles take turns: some templates insist"
    last = second.messages[-1].content
    assert last.count("<<<") == last.count(">>>") == 1 and "<|" not in last and "[M1]" not in last
    assert "Your answer cannot be used: the answer is not one JSON object" in last
    assert "buy" not in second.messages[2].content


def test_the_shortest_way_out_of_a_repair_that_is_too_long_is_an_abstention() -> None:
    found, _ = asked_with(ScriptedBackend(["no json", REFUSED]))
    assert found.answer is None and found.reason == str(REFUSED) and len(found.calls) == 2


@pytest.mark.parametrize("error", [Unavailable("down"), Stopped("stopped"), RuntimeError("a bug")])
def test_what_is_no_answer_passes_through(error: Exception) -> None:
    with pytest.raises(type(error)):
        asked_with(ScriptedBackend([error]))
    with pytest.raises(type(error)):
        asked_with(ScriptedBackend([REFUSED, error]))


def test_an_error_of_shorten_that_is_no_decision_error_passes_through() -> None:
    def broken(problem: PromptTooLong) -> Request | None:
        raise RuntimeError("a bug")

    fitting = Fitting(full(), None, build, purpose="decide")
    with pytest.raises(RuntimeError):
        ask(ScriptedBackend([REFUSED]), fitting.request, lambda said: said, shorten=broken)


def test_where_an_answer_came_from_is_told_by_the_last_call() -> None:
    cached = Completion(text=GOOD_TEXT, backend="b", model="m", cached=True)
    rules = Completion(text=GOOD_TEXT, backend="rules", model="rules", llm=False)
    assert asked_with(ScriptedBackend([GOOD_TEXT]))[0].provenance == "model"
    assert asked_with(ScriptedBackend([cached]))[0].provenance == "cached"
    assert asked_with(ScriptedBackend([rules]))[0].provenance == "rule"
    assert asked_with(ScriptedBackend([DecisionError("empty"), cached]))[0].provenance == "re-asked"
