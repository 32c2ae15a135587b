"""The stand-in behaves like the server it stands in for, as seen by the official client and by raw HTTP."""

from __future__ import annotations

import json
import time
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
from tests.stand_ins.ollama_server import Answer, Fault, Model, OllamaStandIn, Pull, fit, obedient


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


def test_a_pull_of_several_layers_counts_each_of_them_up(client: ollama.Client, server: OllamaStandIn) -> None:
    server.pull = Pull(layers=(4000, 10), steps=4)
    steps = list(client.pull("new:1b", stream=True))
    digests = list(dict.fromkeys(step.digest for step in steps if step.digest))
    assert [[step.completed for step in steps if step.digest == digest] for digest in digests] == [
        [None, 1000, 2000, 3000, 4000],
        [None, 2, 5, 7, 10],
    ]
    assert server.find("new:1b").size == 4010  # type: ignore[union-attr]


def test_a_slow_pull_notices_a_client_that_leaves_and_installs_nothing(client: ollama.Client, server: OllamaStandIn) -> None:
    server.pull = Pull(layers=(1000, 1000), steps=10, pause_s=0.05)
    lines = client.pull("new:1b", stream=True)
    assert next(lines).status == "pulling manifest" and next(lines).total == 1000
    lines.close()  # type: ignore[attr-defined]
    for _ in range(100):
        if server.requests[-1].disconnected:
            break
        time.sleep(0.02)
    assert server.requests[-1].disconnected and server.requests[-1].sent < 10 and not server.find("new:1b")


@pytest.mark.parametrize(
    ("fault", "error"), [("error", ollama.ResponseError), ("drop", httpx.RemoteProtocolError), ("stall", httpx.ReadTimeout)]
)
def test_a_pull_can_fail_half_way(server: OllamaStandIn, fault: str, error: type[Exception]) -> None:
    server.pull = Pull(fault=fault)
    heard = []
    with ollama.Client(host=server.url, timeout=0.3, trust_env=False) as client, pytest.raises(error):
        for step in client.pull("new:1b", stream=True):
            heard.append(step.status)
    assert len(heard) >= 2 and "success" not in heard and not server.find("new:1b")


QUESTION = 'Answer with one JSON object: {"type":"object","properties":{"verdict":{"enum":["yes"]}},"required":["verdict"]}'
FORM = {"type": "object", "properties": {"verdict": {"enum": ["yes"]}}, "required": ["verdict"]}
BARE, WRAPPED = '{"verdict": "yes"}', "```json"


@pytest.mark.parametrize(
    ("can", "form", "said"),
    [
        ({}, FORM, BARE),
        ({}, "json", BARE),
        ({}, None, WRAPPED),
        ({"schema": False}, FORM, WRAPPED),
        ({"schema": False}, "json", BARE),
        ({"json": False}, "json", WRAPPED),
        ({"obeys": False}, FORM, BARE),
        ({"obeys": False}, "json", "{}"),
        ({"obeys": False}, None, "weather"),
        ({"leaks": True}, None, "<think>"),
        ({"leaks": True}, FORM, BARE),
    ],
)
def test_models_differ_in_what_they_can(client: ollama.Client, server: OllamaStandIn, can: dict[str, Any], form: Any, said: str) -> None:
    server.models.append(Model("odd", **can))
    text = client.chat("odd", [{"role": "user", "content": QUESTION}], format=form).message.content or ""
    assert (text == BARE) is (said == BARE) and said in text


def test_a_thinker_may_lose_its_answer_when_it_has_to_keep_to_a_form(client: ollama.Client, server: OllamaStandIn) -> None:
    server.models.append(Model("odd", thinking=True, together=False))
    ask = [{"role": "user", "content": QUESTION}]
    both = client.chat("odd", ask, format=FORM, think=True).message
    assert both.content == "" and '{"verdict": "yes"}' in (both.thinking or "")
    assert client.chat("odd", ask, format=FORM, think=False).message.content == BARE
    assert client.chat("odd", ask, think=True).message.content


@pytest.mark.parametrize(
    ("refused", "body", "status"), [("schema", {"format": FORM}, 500), ("json", {"format": "json"}, 500), ("think", {"think": True}, 400)]
)
def test_a_server_may_refuse_what_a_model_cannot(server: OllamaStandIn, refused: str, body: dict[str, Any], status: int) -> None:
    server.models.append(Model("odd", thinking=True, refuses=(refused,)))
    ask = {"model": "odd", "messages": [{"role": "user", "content": "x"}], "stream": False}
    assert httpx.post(server.url + "/api/chat", json={**ask, **body}).status_code == status
    assert httpx.post(server.url + "/api/chat", json=ask).status_code == 200


def test_a_seed_repeats_the_words_of_a_steady_model_only(client: ollama.Client, server: OllamaStandIn) -> None:
    server.models.append(Model("odd", repeats=False))

    def words(model: str, seed: int) -> str:
        return client.chat(model, [{"role": "user", "content": "hi"}], options={"seed": seed, "temperature": 0.8}).message.content or ""

    assert words("qwen3:8b", 1) == words("qwen3:8b", 1) != words("qwen3:8b", 2)
    assert words("odd", 1) != words("odd", 1)


def test_tokens_and_windows_depend_on_the_model(server: OllamaStandIn) -> None:
    server.models += [Model("dense", characters_per_token=2.5), Model("tight", clamp=1024)]

    def ask(model: str, size: int) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "x" * size}], "stream": False, "truncate": False}
        return httpx.post(server.url + "/api/chat", json={**body, "options": {"num_ctx": 8192}})

    assert ask("dense", 1000).json()["prompt_eval_count"] == 400
    assert ask("tight", 4096).status_code == 200 and ask("tight", 4097).status_code == 400
    assert {entry["name"]: entry["context_length"] for entry in httpx.get(server.url + "/api/ps").json()["models"]}["tight:latest"] == 1024


DECISION = json.dumps({"confidence": 0.5, "summary": "good", "reasons_for": [{"claim": "it rose", "weight": 5}]})


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("html", "<script>alert('x')</script>"),
        ("unicode", "\u202eover"),
        ("wrong_type", '"confidence": "high"'),
        ("array", '[{"confidence"'),
    ],
)
def test_answers_can_be_hostile_or_of_the_wrong_kind(server: OllamaStandIn, client: ollama.Client, kind: str, words: str) -> None:
    server.brain = lambda body: Answer(DECISION)
    server.fail(kind)
    said = client.chat("qwen3:8b", [{"role": "user", "content": "hi"}], format="json").message.content or ""
    assert words in said
    json.loads(said)


def test_a_server_can_hang_and_a_model_can_vanish_or_never_stop(server: OllamaStandIn, client: ollama.Client) -> None:
    ask = [{"role": "user", "content": "hi"}]
    server.fail("hang", "404", "huge")
    with ollama.Client(host=server.url, timeout=0.2, trust_env=False) as hasty, pytest.raises(httpx.ReadTimeout):
        hasty.chat("qwen3:8b", ask)
    with pytest.raises(ollama.ResponseError, match="not found"):
        client.chat("qwen3:8b", ask)
    assert len(client.chat("qwen3:8b", ask, options={"num_predict": 5}).message.content or "") == 2_500_000


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
