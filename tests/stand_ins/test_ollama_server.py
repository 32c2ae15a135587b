"""The stand-in behaves like the server it stands in for, as seen by the official client and by raw HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import jsonschema
import ollama
import pytest

from agent.decision.parse import read_decision, read_lessons, read_study
from agent.decision.prompt import decide_request, study_request
from agent.decision.schema import decision_schema, lessons_schema, study_schema
from agent.llm.base import JudgedDecision, LessonFacts, MemoryFact, Situation, StudyFacts
from tests.stand_ins.ollama_server import Fault, Model, OllamaStandIn, fit, obedient


@pytest.fixture
def server() -> Iterator[OllamaStandIn]:
    with OllamaStandIn(models=["qwen3:8b", Model("thinker", thinking=True, context=2048)]) as running:
        yield running


@pytest.fixture
def client(server: OllamaStandIn) -> Iterator[ollama.Client]:
    with ollama.Client(host=server.url, timeout=5, trust_env=False) as one:
        yield one


def situation(weight: float = 0.0, *, stops: bool = False) -> Situation:
    memories = [
        MemoryFact(
            id=n, layer=layer, kind="news", title="t", text="x", publisher="p", event_day=date(2025, 1, 1), sessions_ago=1, score=1.0
        )
        for n, layer in ((3, "short"), (9, "short"), (4, "long"))
    ]
    return Situation(
        ticker="A",
        company="A Inc",
        session=date(2025, 1, 2),
        next_session=date(2025, 1, 3),
        as_of="2025-01-02T21:00:00Z",
        memories=tuple(memories),
        weight=weight,
        equity=1000.0,
        stops=stops,
    )


def as_body(messages: Any, schema: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": m.role, "content": m.content} for m in messages], "format": schema}


# ---------------------------------------------------------------------------------------------------------- default answers


@pytest.mark.parametrize(("weight", "action", "target"), [(0.0, "buy", 1.0), (0.42, "hold", 0.42), (1.0, "hold", 1.0)])
@pytest.mark.parametrize("stops", [False, True])
def test_the_default_answer_is_a_decision_the_agent_accepts(weight: float, action: str, target: float, stops: bool) -> None:
    facts = situation(weight, stops=stops)
    request, _ = decide_request(facts, times={}, seed=1)
    text = obedient(as_body(request.messages, request.answer_schema))
    jsonschema.validate(json.loads(text), decision_schema(facts))
    decision = read_decision(text, facts)
    assert (decision.action, decision.target_weight) == (action, pytest.approx(target))
    assert decision.cited == {"short": (3,), "long": (4,)}


def test_the_default_answer_fits_a_day_without_memories() -> None:
    facts = situation().model_copy(update={"memories": ()})
    request, _ = decide_request(facts, times={}, seed=1)
    assert read_decision(obedient(as_body(request.messages, request.answer_schema)), facts).action == "buy"


def test_the_default_answer_fits_study_and_lessons() -> None:
    study = StudyFacts(situation=situation(), move=0.02, label="buy")
    request, _ = study_request(study, times={}, seed=1)
    text = obedient(as_body(request.messages, study_schema(study)))
    assert read_study(text, study).summary
    judged = JudgedDecision(decided=date(2025, 1, 2), action="buy", confidence=0.7, move=0.01, verdict=1, profit=0.01, summary="s")
    lessons = LessonFacts(ticker="A", session=date(2025, 1, 9), judged=(judged,))
    assert read_lessons(obedient({"messages": [], "format": lessons_schema(lessons)}), lessons) is not None


@pytest.mark.parametrize(
    "schema",
    [
        {"const": 5},
        {"type": "integer", "minimum": 3},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        {"type": "number", "maximum": -2},
        {"type": ["string", "null"], "maxLength": 3},
        {"anyOf": [{"type": "null"}, {"type": "string"}]},
        {"type": "array", "minItems": 2, "items": {"type": "boolean"}},
        {"type": "object", "properties": {"a": {"type": "string", "minLength": 90}, "b": {}}, "required": ["a"]},
    ],
)
def test_the_smallest_value_fits_its_schema(schema: dict[str, Any]) -> None:
    jsonschema.validate(fit(schema), schema)


# ----------------------------------------------------------------------------------------------------------- like the real one


def test_the_official_client_understands_every_endpoint(server: OllamaStandIn, client: ollama.Client) -> None:
    assert [model.model for model in client.list().models] == ["qwen3:8b", "thinker:latest"]
    shown = client.show("thinker")
    assert shown.capabilities == ["completion", "tools", "thinking"] and shown.modelinfo["qwen3.context_length"] == 2048
    whole = client.chat("qwen3:8b", [{"role": "user", "content": "hi"}])
    parts = list(client.chat("qwen3:8b", [{"role": "user", "content": "hi"}], stream=True))
    assert "".join(part.message.content or "" for part in parts) == whole.message.content
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1].done_reason == "stop" and parts[-1].total_duration == 1_500_000_000
    assert client.ps().models[0].context_length == 4096
    assert httpx.get(server.url).text == "Ollama is running"
    assert httpx.get(server.url + "/api/version").json() == {"version": "0.33.0"}


def test_unknown_paths_and_methods_are_refused_in_plain_text(server: OllamaStandIn) -> None:
    lost = httpx.get(server.url + "/v1/api/tags")
    assert (lost.status_code, lost.text, lost.headers["content-type"]) == (404, "404 page not found", "text/plain; charset=utf-8")
    assert httpx.get(server.url + "/api/chat").status_code == 405


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"model": "nobody"}, 404, "model 'nobody' not found"),
        ({"model": "qwen3:8b", "think": True}, 400, '"qwen3:8b" does not support thinking'),
        ({"model": "qwen3:8b", "think": "banana"}, 400, "invalid think value"),
        ({"model": "qwen3:8b", "keep_alive": "300"}, 400, 'time: missing unit in duration "300"'),
        ({"model": "qwen3:8b", "options": {"temperature": "0"}}, 500, 'option "temperature" must be of type float32'),
        ({"model": "qwen3:8b", "format": "xml"}, 500, 'invalid format: "xml"; expected "json" or a valid JSON Schema object'),
        ({"model": "qwen3:8b", "messages": "hi"}, 400, "json: cannot unmarshal string"),
        ({"model": "qwen3:8b", "messages": [{"role": "user", "content": ["hi"]}]}, 400, "json: cannot unmarshal array"),
        ({"model": ""}, 400, "model is required"),
    ],
)
def test_bad_questions_get_the_refusals_of_the_real_server(server: OllamaStandIn, body: dict[str, Any], status: int, words: str) -> None:
    answer = httpx.post(server.url + "/api/chat", json={"messages": [{"role": "user", "content": "x"}], **body})
    assert answer.status_code == status and words in answer.json()["error"]


def test_a_thinker_thinks_unless_told_not_to(client: ollama.Client) -> None:
    ask = [{"role": "user", "content": "hi"}]
    assert client.chat("thinker", ask).message.thinking
    assert client.chat("thinker", ask, think=False).message.thinking is None


def test_too_long_a_prompt_is_cut_in_silence_unless_forbidden(server: OllamaStandIn) -> None:
    seen: list[str] = []
    server.brain = lambda body: seen.append(body["messages"][0]["content"]) or "ok"
    body = {
        "model": "thinker",
        "messages": [{"role": "user", "content": "rules" + "x" * 20_000}],
        "stream": False,
        "options": {"num_ctx": 4096},
    }
    cut = httpx.post(server.url + "/api/chat", json=body).json()
    assert cut["prompt_eval_count"] == 2048 - 1022  # the window is clamped to what was trained, then halved
    assert "rules" not in seen[0]
    refused = httpx.post(server.url + "/api/chat", json={**body, "truncate": False})
    inner = json.loads(refused.json()["error"])["error"]
    assert refused.status_code == 400 and (inner["n_prompt_tokens"], inner["n_ctx"]) == (5002, 2048)


def test_an_empty_question_loads_and_keep_alive_zero_unloads(client: ollama.Client, server: OllamaStandIn) -> None:
    assert client.chat("qwen3:8b", []).done_reason == "load"
    assert list(server.loaded) == ["qwen3:8b"]
    assert client.chat("qwen3:8b", [], keep_alive=0).done_reason == "unload"
    assert not server.loaded


def test_a_pull_reports_progress_and_an_unknown_name_fails_mid_stream(client: ollama.Client, server: OllamaStandIn) -> None:
    steps = list(client.pull("new:1b", stream=True))
    assert steps[0].status == "pulling manifest" and steps[-1].status == "success" and steps[3].completed == 1000
    assert server.find("new:1b")
    with pytest.raises(ollama.ResponseError, match="file does not exist") as caught:
        list(client.pull("no-such-model", stream=True))
    assert caught.value.status_code == -1
    client.delete("new:1b")
    assert not server.find("new:1b")
    with pytest.raises(ollama.ResponseError):
        client.delete("new:1b")


@pytest.mark.parametrize(
    ("kind", "error"),
    [("drop", httpx.RemoteProtocolError), ("refuse", httpx.TransportError), ("error", ollama.ResponseError), ("nel", json.JSONDecodeError)],
)
def test_faults_reach_the_client_as_they_do_from_a_real_server(
    server: OllamaStandIn, client: ollama.Client, kind: str, error: type[Exception]
) -> None:
    server.fail(kind)
    server.brain = lambda body: json.dumps({"a": "b" * 100})
    with pytest.raises(error):
        list(client.chat("qwen3:8b", [{"role": "user", "content": "hi"}], stream=True))


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown fault"):
        Fault("gremlins")
