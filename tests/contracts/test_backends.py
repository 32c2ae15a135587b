"""What every backend promises, whichever it is. A new line in BACKENDS is tested here without an edit."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from agent.decision.ask import ask
from agent.decision.digest_ask import digest_request, read_digest
from agent.decision.parse import read_decision, read_lessons, read_study
from agent.decision.prompt import decide_request, lessons_request, study_request
from agent.llm import BACKENDS
from agent.llm.base import (
    Backend,
    Chunk,
    DigestFacts,
    Health,
    JudgedDecision,
    LessonFacts,
    MemoryFact,
    Request,
    Situation,
    Stopped,
    StudyFacts,
    TextFact,
)
from agent.records import Completion, PriceState
from tests.stand_ins.ollama_server import OllamaStandIn
from tests.stand_ins.openai_server import OpenAIStandIn

NOW = "2025-01-02T21:00:00Z"


def outside(name: str, stack: ExitStack) -> dict[str, Any]:
    """Options that let a backend reach the stand-in for its server."""
    if name == "ollama":
        return {"base_url": stack.enter_context(OllamaStandIn()).url}
    if name == "openai_compatible":
        return {"base_url": stack.enter_context(OpenAIStandIn()).url}
    return {}


@pytest.fixture(params=list(BACKENDS))
def name(request: pytest.FixtureRequest) -> str:
    module = BACKENDS._entries[request.param].partition(":")[0]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not written yet")
    return request.param


@pytest.fixture
def backend(name: str) -> Iterator[Backend]:
    with ExitStack() as stack:
        made: Any = BACKENDS.load(name)
        yield made(made.Options(**outside(name, stack)))


def situation() -> Situation:
    news = TextFact(
        label="N1",
        title="A Inc wins a large order",
        text="The order is worth a year of sales.",
        publisher="Wire",
        published=date(2025, 1, 2),
    )
    memory = MemoryFact(
        id=3,
        layer="short",
        kind="news",
        title="A Inc raises its outlook",
        text="A Inc raises its outlook for the year after strong sales.",
        publisher="Wire",
        event_day=date(2024, 12, 30),
        sessions_ago=2,
        score=1.4,
    )
    price = PriceState(
        close=101.5, return_1=0.01, return_3=0.02, return_5=0.01, return_20=0.05, volatility_20=0.015, sma_20_gap=0.02, rsi_14=58.0
    )
    return Situation(
        ticker="A",
        company="A Inc",
        session=date(2025, 1, 2),
        next_session=date(2025, 1, 3),
        as_of=NOW,
        news=(news,),
        memories=(memory,),
        price=price,
        cash=100_000.0,
        equity=100_000.0,
    )


def decide() -> Request:
    return decide_request(situation(), times={}, seed=3)[0]


def test_options_refuse_unknown_keys_and_describe_every_field(name: str) -> None:
    options = BACKENDS.load(name).Options
    with pytest.raises(ValidationError):
        options(no_such_option=1)
    assert [field for field, info in options.model_fields.items() if not info.description] == []
    assert options(**options().model_dump()) == options()


def test_it_says_what_people_see(backend: Backend) -> None:
    assert backend.label and isinstance(backend.model, str)
    health = backend.check()
    assert isinstance(health, Health) and health.ok and health.message
    json.dumps(health.model_dump(mode="json"))
    assert isinstance(json.loads(json.dumps(backend.warm_up())), dict)


def test_its_decision_is_accepted_and_says_where_it_came_from(name: str, backend: Backend) -> None:
    asked = ask(backend, decide(), lambda text: read_decision(text, situation()))
    assert asked.answer is not None, asked.reason
    completion = asked.calls[-1].completion
    assert isinstance(completion, Completion)
    assert completion.backend == name and completion.done_reason == "stop"
    assert Completion.model_validate_json(completion.model_dump_json()) == completion


def test_its_study_and_lessons_are_accepted(backend: Backend) -> None:
    facts = StudyFacts(situation=situation(), move=0.021, label="buy")
    assert read_study(backend.complete(study_request(facts, times={}, seed=3)[0]).text, facts)
    judged = JudgedDecision(
        decided=date(2025, 1, 2),
        action="buy",
        confidence=0.7,
        move=0.02,
        verdict=1,
        profit=0.02,
        summary="Strong sales.",
        supporting=situation().memories,
    )
    lessons = LessonFacts(ticker="A", session=date(2025, 1, 10), judged=(judged,))
    known = datetime(2025, 1, 10, 21, tzinfo=UTC)
    assert read_lessons(backend.complete(lessons_request(lessons, known=known, seed=3)[0]).text, lessons) is not None


def test_its_digest_is_accepted(backend: Backend) -> None:
    text = "Sales of pumps rose 12.5 % to $1.4 billion in 2024. " + "The Company sells pumps and valves in many countries. " * 40
    facts = DigestFacts(ticker="A", company="A Inc", kind="10-K item 7", published=date(2025, 1, 2), text=text, words=60)
    request, _ = digest_request(facts, seed=3, available_at=datetime(2025, 1, 2, 21, tzinfo=UTC))
    asked = ask(backend, request, lambda said: read_digest(said, facts))
    assert asked.answer, asked.reason


def test_the_same_question_with_the_same_seed_gets_the_same_answer(backend: Backend) -> None:
    assert backend.complete(decide()).text == backend.complete(decide()).text


def test_what_is_heard_while_it_answers_is_the_answer(backend: Backend) -> None:
    heard: list[Chunk] = []
    done = backend.complete(decide(), on_chunk=heard.append)
    assert not heard or "".join(chunk.text for chunk in heard) == done.text


def test_a_wish_to_stop_is_obeyed(backend: Backend) -> None:
    with pytest.raises(Stopped):
        backend.complete(decide(), cancelled=lambda: True)
