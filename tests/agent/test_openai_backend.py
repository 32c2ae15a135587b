"""The OpenAI-compatible backend against a stand-in server, over real HTTP."""

from __future__ import annotations

import json
import logging
import pickle
import re
import socket
import sqlite3
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

import cli
from agent.engine import trade
from agent.errors import DecisionError, PromptTooLong, SpecError, Unavailable
from agent.llm.base import WAYS, Budget, Chunk, Message, NoNotes, Request, Situation, Stopped
from agent.llm.ollama_server import count
from agent.llm.openai_compatible import (
    RUNGS,
    OpenAICompatibleBackend,
    OpenAICompatibleOptions,
    lost,
    nearest,
    response_format,
    without_bounds,
)
from agent.llm.openai_wire import Garbled, Key, Listed, Passage, Serving, address, asked_to_wait, events, overflow, resolve, said_by
from agent.records import DayRecord
from services import wiring
from services.settings import settings
from tests.contracts.test_backends import decide
from tests.stand_ins.ollama_server import obedient
from tests.stand_ins.openai_server import PAGE, Answer, Fault, OpenAIStandIn, schema_brain
from tests.toy import CALENDAR, build, toy_spec

SECRET = "sk-test-5tG9hQ2mZx7LpW4c" + "Jr8nK3vT" * 17  # 161 characters, as OpenAI's keys have: longer than most texts are shown
SCHEMA = {
    "type": "object",
    "properties": {
        "verdict": {"type": "string", "enum": ["yes", "no"]},
        "why": {"type": "string", "minLength": 60, "maxLength": 300},
    },
    "required": ["verdict", "why"],
    "additionalProperties": False,
}
FACTS = Situation(ticker="A", company="A Inc", session=date(2025, 1, 2), next_session=date(2025, 1, 3), as_of="2025-01-02T21:00:00Z")


@pytest.fixture(autouse=True)
def _no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[OpenAIStandIn]:
    with OpenAIStandIn() as running:
        yield running


def question(text: str = "Is it so?", *, seed: int = 11, tokens: int | None = None) -> Request:
    messages = (Message(role="system", content="Answer in JSON."), Message(role="user", content=text))
    estimate = sum(len(m.content) for m in messages) // 4 if tokens is None else tokens
    return Request(purpose="decide", messages=messages, answer_schema=SCHEMA, facts=FACTS, seed=seed, estimated_tokens=estimate)


def backend(server: OpenAIStandIn, *, notes: NoNotes | None = None, **options: object) -> OpenAICompatibleBackend:
    chosen = OpenAICompatibleOptions(**{"base_url": server.url, "model": "my-model", **options})
    return OpenAICompatibleBackend(chosen, notes=notes, backoff_s=0.01)


def answered(text: str) -> dict[str, str]:
    return json.loads(text)


def nowhere() -> str:
    """An address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def until(condition: object, seconds: float = 2.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.01)
    return False


# ---------------------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("localhost:1234", "http://localhost:1234/v1"),
        ("127.0.0.1:8080/", "http://127.0.0.1:8080/v1"),
        ("http://host:8000/v1/", "http://host:8000/v1"),
        ("http://host:8000/v1/v1", "http://host:8000/v1"),
        ("http://host:8000/v1/chat/completions", "http://host:8000/v1"),
        ("http://host:8000//v1//models/", "http://host:8000/v1"),
        ("api.openai.com", "https://api.openai.com/v1"),
        ("api.deepseek.com:443", "https://api.deepseek.com:443/v1"),
        ("openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
        ("https://openrouter.ai/api", "https://openrouter.ai/api/v1"),
        ("https://api.groq.com/openai/v1", "https://api.groq.com/openai/v1"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "https://generativelanguage.googleapis.com/v1beta/openai"),
        ("https://open.bigmodel.cn/api/paas/v4/", "https://open.bigmodel.cn/api/paas/v4"),
        ("gpu-box", "http://gpu-box/v1"),
        ("gpu.lan:8000", "http://gpu.lan:8000/v1"),
        ("192.168.1.7", "http://192.168.1.7/v1"),
        ("0.0.0.0:8000", "http://127.0.0.1:8000/v1"),
        ("HTTP://Host", "http://host/v1"),
        ("http://[::1]:9", "http://[::1]:9/v1"),
        ("'http://h:1'", "http://h:1/v1"),
    ],
)
def test_an_address_may_be_typed_in_many_ways_and_gets_its_version_once(typed: str, meant: str) -> None:
    assert address(typed) == meant
    assert address(meant) == meant


@given(
    st.sampled_from(["", "http://", "https://"]),
    st.sampled_from(["localhost", "10.0.0.2", "box", "api.example.org"]),
    st.sampled_from(["", ":1", ":443", ":8000"]),
    st.lists(st.sampled_from(["v1", "v2", "api", "models", "chat", "chat/completions", "openai"]), max_size=4),
    st.sampled_from(["", "/", "//"]),
)
def test_an_address_means_the_same_when_it_is_read_again(scheme: str, host: str, port: str, path: list[str], end: str) -> None:
    once = address(scheme + host + port + "".join(f"/{part}" for part in path) + end)
    assert address(once) == once
    assert re.search(r"/v\d", once) and "/v1/v1" not in once and not once.endswith("/")


@pytest.mark.parametrize(
    "typed",
    ["ftp://h", "h:port", "http://h:99999", "http://a b", f"http://me:{SECRET}@h", f"https://h/v1?key={SECRET}", "h:0", "http://", "<b>"],
)
def test_what_is_no_address_is_refused_without_being_repeated(typed: str) -> None:
    with pytest.raises(ValidationError, match="base_url") as caught:
        OpenAICompatibleOptions(base_url=typed)
    assert SECRET not in str(caught.value) and SECRET not in repr(caught.value)


def test_the_address_comes_from_the_option_then_the_environment_then_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve() == "http://127.0.0.1:8000/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "second:2")
    assert resolve() == "http://second:2/v1"
    assert resolve("first:1") == "http://first:1/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://u:{SECRET}@h")
    health = OpenAICompatibleBackend().check()
    assert not health.ok and "OPENAI_BASE_URL" in health.message and SECRET not in health.model_dump_json()


# --------------------------------------------------------------------------------------------------------- what is sent


def test_seed_options_and_schema_are_sent_and_recorded(server: OpenAIStandIn) -> None:
    done = backend(server, temperature=0.3, max_tokens=500).complete(question(seed=42))
    body = server.chats[0].body
    wanted = {"seed": 42, "temperature": 0.3, "top_p": 1.0, "max_tokens": 500, "stream": True}
    assert {name: body[name] for name in wanted} == wanted
    assert body["response_format"] == {"type": "json_schema", "json_schema": {"name": "decide", "strict": True, "schema": SCHEMA}}
    assert body["stream_options"] == {"include_usage": True}
    assert [m["role"] for m in body["messages"]] == ["system", "user"]
    assert done.options == {**wanted, "structured": "json_schema", "system_fingerprint": "fp1"}


def test_the_answer_carries_its_provenance(server: OpenAIStandIn) -> None:
    done = backend(server).complete(question())
    assert answered(done.text)["verdict"] == "yes"
    assert (done.backend, done.model, done.server_version, done.done_reason) == ("openai_compatible", "my-model", "stand-in", "stop")
    assert done.prompt_tokens == 6 and done.answer_tokens == -(-len(done.text) // 4)  # 24 characters, 4 per token
    assert done.llm and not done.cached


def test_no_proxy_is_asked_for_this_machine(server: OpenAIStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, nowhere().removesuffix("/v1"))
    assert backend(server).complete(question()).text and backend(server).check().ok


def test_thinking_is_switched_only_where_it_is_wished(server: OpenAIStandIn) -> None:
    backend(server).complete(question())
    backend(server, think="off", reasoning_effort="low").complete(question())
    assert "chat_template_kwargs" not in server.chats[0].body and "reasoning_effort" not in server.chats[0].body
    assert server.chats[1].body["chat_template_kwargs"] == {"enable_thinking": False} and server.chats[1].body["reasoning_effort"] == "low"


def test_a_server_that_does_not_stream_is_understood() -> None:
    heard: list[Chunk] = []
    with OpenAIStandIn(
        streams=False, brain=lambda body: Answer('{"verdict": "yes"}', thinking="hm", reasoning_field="reasoning")
    ) as server:
        done = backend(server).complete(question(), on_chunk=heard.append)
    assert (done.text, done.thinking, done.prompt_tokens) == ('{"verdict": "yes"}', "hm", 6)
    assert "".join(chunk.text for chunk in heard) == done.text


@pytest.mark.parametrize("words", ["Streaming is not supported", "stream: unsupported value"])
def test_a_server_that_refuses_to_stream_is_asked_for_the_whole_answer(server: OpenAIStandIn, words: str) -> None:
    server.fail(Fault("400", body={"error": {"message": words}}))
    one = backend(server, retries=0)
    assert one.complete(question()).options["stream"] is False and one.complete(question()).prompt_tokens == 6
    assert ["stream" in seen.body for seen in server.chats] == [True, False, False]
    assert "stream_options" not in server.chats[1].body  # OpenAI refuses it without stream


def test_another_machine_is_asked_through_the_proxy_of_the_environment(server: OpenAIStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
    backend(server, base_url="http://gpu-box:8000").check()
    assert server.requests[-1].path == "http://gpu-box:8000/v1/models"


def test_the_only_model_of_a_server_need_not_be_named(server: OpenAIStandIn) -> None:
    one = backend(server, model="")
    assert one.complete(question()).model == one.model == "my-model"
    assert one.check().ok and backend(server, model=" ").warm_up()["model"] == "my-model"
    server.models.append({"id": "other"})
    two = backend(server, model="")
    assert not two.check().ok and "my-model, other" in two.check().message
    with pytest.raises(Unavailable, match="my-model, other"):
        two.complete(question())


# ------------------------------------------------------------------------------------------------------------- the ladder


@pytest.mark.parametrize(
    ("dialect", "structured", "asked"),
    [
        ("plain", "json_schema", 1),
        ("openai", "json_schema without bounds", 4),
        ("deepseek", "json_object with schema", 4),
        ("old", "none", 6),
    ],
)
def test_the_form_of_the_answer_descends_to_what_the_server_takes_and_stays_there(dialect: str, structured: str, asked: int) -> None:
    brain = lambda body: obedient({"format": SCHEMA, "messages": []})  # noqa: E731
    with OpenAIStandIn(dialect=dialect, brain=brain) as server:
        one = backend(server)
        done = one.complete(question())
        assert done.options["structured"] == structured and len(server.chats) == asked
        again = one.complete(question())
        assert again.options["structured"] == structured and len(server.chats) == asked + 1  # remembered
        assert ("refused" in done.options) == (dialect != "plain")


def test_lm_studio_which_refuses_json_object_is_asked_without_a_form() -> None:
    with OpenAIStandIn(dialect="lmstudio") as server:
        one = backend(server)
        server.fail(*[Fault("400", body={"error": "json_schema grammar cannot be parsed"})] * 3)
        assert one.complete(question()).options["structured"] == "none"


def test_each_refused_form_is_recorded_with_the_servers_words() -> None:
    with OpenAIStandIn(dialect="deepseek") as server:
        refused = backend(server).complete(question()).options["refused"]
    assert list(refused) == list(RUNGS[:3])
    assert all("This response_format type is unavailable now" in words for words in refused.values())


def test_a_schema_refused_inside_the_stream_descends_too(server: OpenAIStandIn) -> None:
    body = {"error": {"code": 500, "message": "failed to parse grammar", "type": "server_error"}}
    server.fail(Fault("error", after=0, body=body))
    assert backend(server, retries=0).complete(question()).options["structured"] == "json_schema without bounds"


def test_reasoning_models_get_max_completion_tokens_and_no_temperature() -> None:
    with OpenAIStandIn(dialect="openai") as server:
        done = backend(server, max_tokens=300).complete(question())
        body = server.chats[-1].body
    assert body["max_completion_tokens"] == 300 and "max_tokens" not in body and "temperature" not in body
    assert done.options["max_completion_tokens"] == 300 and "temperature" not in done.options
    assert set(done.options["refused"]) == {"json_schema", "max_tokens", "temperature"}


def test_what_a_strict_server_does_not_know_is_left_out_and_named() -> None:
    with OpenAIStandIn(dialect="mistral") as server:
        done = backend(server).complete(question())
        assert set(done.options["refused"]) == {"stream_options", "seed"} and "seed" not in done.options
        assert done.options["structured"] == "json_schema"  # its refusal repeats the whole question, schema and all
        assert done.prompt_tokens is None and len(server.chats) == 3


def test_a_value_out_of_bounds_is_an_error_and_not_left_out(server: OpenAIStandIn) -> None:
    server.always = Fault("400", body={"error": {"message": "temperature must be between 0 and 1", "param": "temperature"}})
    with pytest.raises(Unavailable, match=r"temperature must be between 0 and 1.*Correct the backend options"):
        backend(server, temperature=1.5).complete(question())
    assert len(server.chats) == 1


def test_many_questions_at_once_descend_the_ladder_once_each_rung() -> None:
    brain = lambda body: obedient({"format": SCHEMA, "messages": []})  # noqa: E731
    with OpenAIStandIn(dialect="deepseek", brain=brain) as server:
        one, found = backend(server), []
        threads = [threading.Thread(target=lambda: found.append(one.complete(question()))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [done.options["structured"] for done in found] == ["json_object with schema"] * 8
    assert len(found[0].options["refused"]) == 3


def test_a_late_refusal_of_an_older_way_takes_nothing_back() -> None:
    brain = lambda body: obedient({"format": SCHEMA, "messages": []})  # noqa: E731
    late = threading.Event()

    def slow(body: dict) -> str:
        late.wait(5)
        return brain(body)

    with OpenAIStandIn(brain=slow) as server:
        one, found = backend(server), []
        server.fail(Fault("error", after=1, body={"error": {"message": "grammar too large"}}))
        thread = threading.Thread(target=lambda: found.append(one.complete(question())))
        thread.start()
        assert until(lambda: server.chats)
        server.brain, server.dialect = brain, "old"  # from now on every form is refused at once
        assert one.complete(question()).options["structured"] == "none"
        late.set()
        thread.join()
        assert one.complete(question()).options["structured"] == found[0].options["structured"] == "none"
        assert len(server.chats) == 1 + 6 + 1 + 1  # the late one is asked again once, in the way learnt meanwhile


def test_a_server_that_takes_a_schema_and_pays_no_heed_to_it_is_found_out() -> None:
    with OpenAIStandIn(dialect="deepseek", brain=lambda body: '{"something": "else"}') as server:
        one = backend(server)
        first, second = one.complete(question()), one.complete(question())
    assert [done.options["structured"] for done in (first, second)] == ["json_object with schema", "json_object"]
    assert [done.way for done in (first, second)] == ["json", "json"]
    assert "did not keep to the schema" in second.options["refused"]["json_object with schema"]


@pytest.fixture
def llama() -> Iterator[OpenAIStandIn]:
    """The server of llama-cpp-python, as it was met in tests/real."""
    listed = {"id": "tiny.gguf", "object": "model", "owned_by": "me", "permissions": []}
    with OpenAIStandIn(models=[listed], dialect="llama_cpp_python", window=3000, name="uvicorn") as running:
        yield running


def test_llama_cpp_python_is_bound_by_a_schema_beside_json_object(llama: OpenAIStandIn) -> None:
    done = backend(llama, model="").complete(question())
    assert (done.way, done.options["structured"], done.prompt_tokens) == ("schema", "json_object with schema", None)
    assert llama.chats[-1].body["response_format"] == {"type": "json_object", "schema": SCHEMA} and len(llama.chats) == 4
    assert all("'json_object'" in words and "app.py" not in words for words in done.options["refused"].values())


def test_a_stream_that_ends_without_a_word_is_asked_once_more_as_a_whole_for_the_reason(llama: OpenAIStandIn) -> None:
    notes = NoNotes()
    one = backend(llama, model="", retries=0, notes=notes)
    one.complete(question())
    asked = len(llama.chats)
    with pytest.raises(PromptTooLong, match="maximum context length is 3000") as caught:
        one.complete(question("x" * 20_000))
    assert (caught.value.counted, caught.value.window) == (5004, 3000)
    assert [bool(seen.body.get("stream")) for seen in llama.chats[asked:]] == [True, False]
    assert one.complete(question()).options["stream"] is True  # the next question streams again
    budget = backend(llama, model="", window=9000, notes=notes).warm_up()["budget"]
    assert budget["measured"] and budget["characters_per_token"] == pytest.approx(4 * 0.97, abs=0.01)  # learnt from the refusal


def test_bound_to_the_rules_the_schema_offers_alternatives_and_a_server_that_takes_none_gets_the_form() -> None:
    request = decide()
    with OpenAIStandIn(brain=lambda body: obedient({"format": request.answer_schema, "messages": []})) as server:
        one = backend(server, bind="rules")
        assert one.complete(request).options["bind"] == "rules"
        assert "anyOf" in server.chats[-1].body["response_format"]["json_schema"]["schema"]
        server.dialect = "openai"
        assert one.complete(request).options["structured"] == "json_schema without bounds"
        assert "anyOf" not in server.chats[-1].body["response_format"]["json_schema"]["schema"]


@pytest.mark.parametrize(("dialect", "way"), [("plain", "schema"), ("openai", "schema"), ("deepseek", "schema"), ("old", "free")])
def test_each_answer_names_the_way_it_was_bound(dialect: str, way: str) -> None:
    brain = lambda body: obedient({"format": SCHEMA, "messages": []})  # noqa: E731
    with OpenAIStandIn(dialect=dialect, brain=brain) as server:
        one = backend(server)
        assert one.complete(question()).way == way and way in WAYS
        assert one.warm_up()["way"] == way


def test_the_next_run_begins_on_the_rung_that_worked_until_the_server_changes() -> None:
    brain = lambda body: obedient({"format": SCHEMA, "messages": []})  # noqa: E731
    notes = NoNotes()
    with OpenAIStandIn(dialect="openai", brain=brain) as server:
        first = backend(server, notes=notes)
        assert first.warm_up()["way"] == "schema"
        first.complete(question())
        asked = len(server.chats)
        second = backend(server, notes=notes)
        assert second.warm_up()["asked"]["structured"] == "json_schema without bounds"
        done = second.complete(question())
        assert len(server.chats) == asked + 1 and "max_completion_tokens" in server.chats[-1].body
        assert set(done.options["refused"]) == {"json_schema", "max_tokens", "temperature"}
        server.dialect, server.version = "plain", "0.9.1"
        third = backend(server, notes=notes)
        assert third.warm_up()["asked"]["structured"] == "json_schema"
        assert third.complete(question()).options["structured"] == "json_schema"


def test_a_resumed_run_is_asked_as_it_began(server: OpenAIStandIn) -> None:
    server.dialect = "openai"
    before = backend(server).warm_up()
    asked = len(server.chats)
    again = backend(server)
    assert again.warm_up(before=before)["asked"] == before["asked"]
    again.complete(question())
    assert "temperature" not in server.chats[-1].body and len(server.chats) == asked + 1


def test_the_way_is_settled_before_the_first_day_with_one_small_question() -> None:
    notes = NoNotes()
    with OpenAIStandIn(dialect="openai") as server:
        known = backend(server, notes=notes).warm_up()
        assert known["asked"]["structured"] == "json_schema without bounds" and known["asked"]["limit"] == "max_completion_tokens"
        assert server.chats[-1].body["max_completion_tokens"] == 512
        asked = len(server.chats)
        assert backend(server, notes=notes).warm_up()["asked"] == known["asked"] and len(server.chats) == asked


@pytest.mark.parametrize("kind", ["empty", "prose", "invalid_json"])
def test_an_answer_to_the_small_question_that_is_no_good_stops_no_run(server: OpenAIStandIn, kind: str) -> None:
    server.fail(kind)
    assert backend(server).warm_up()["way"] == "schema"


def test_a_key_that_is_refused_stops_a_run_before_its_first_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with OpenAIStandIn() as server:  # as OpenRouter, whose list of models needs no key
        server.always = Fault("401")
        with pytest.raises(Unavailable, match="refuses the key in OPENAI_API_KEY"):
            backend(server).warm_up()


def test_a_stop_is_heard_before_the_first_day(server: OpenAIStandIn) -> None:
    server.always = Fault("hang")
    began = time.monotonic()
    with pytest.raises(Stopped):
        backend(server).warm_up(cancelled=lambda: time.monotonic() > began + 0.3)
    assert time.monotonic() - began < 3.0


@pytest.mark.parametrize(
    "noted",
    [{}, [], {"structured": "verse"}, {"structured": "none", "limit": 3}, {"structured": "none", "limit": "max_tokens", "refused": 7}],
)
def test_notes_that_were_damaged_do_no_harm(server: OpenAIStandIn, noted: object) -> None:
    notes = NoNotes()
    one = backend(server, notes=notes)
    one.warm_up()
    notes.write("abilities", one._known_as, noted if isinstance(noted, dict) else {"list": noted})
    fresh = backend(server, notes=notes)
    assert fresh.warm_up()["way"] in WAYS and fresh.complete(question()).text


def test_bounds_leave_the_schema_but_names_like_bounds_stay() -> None:
    schema = {"type": "object", "properties": {"minimum": {"type": "number", "minimum": 1}, "ids": {"type": "array", "maxItems": 2}}}
    assert without_bounds(schema) == {"type": "object", "properties": {"minimum": {"type": "number"}, "ids": {"type": "array"}}}
    assert response_format("json_schema not strict", "x", SCHEMA)["json_schema"] == {"name": "x", "strict": False, "schema": SCHEMA}  # type: ignore[index]


# ---------------------------------------------------------------------------------------------------------------- thinking


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thinking_is_kept_apart_and_both_are_heard_while_they_are_written(name: str) -> None:
    brain = lambda body: Answer(obedient({"format": SCHEMA}), thinking='I weigh {"verdict": "no"} long', reasoning_field=name)  # noqa: E731
    heard: list[Chunk] = []
    with OpenAIStandIn(brain=brain) as server:
        done = backend(server).complete(question(), on_chunk=heard.append)
    assert done.thinking == 'I weigh {"verdict": "no"} long' and answered(done.text)["verdict"] == "yes"
    assert "".join(c.text for c in heard) == done.text and "".join(c.thinking for c in heard) == done.thinking
    assert len(heard) > 3
    assert done.way == "think + schema"


def test_leaked_thinking_is_moved_and_the_listener_is_told(server: OpenAIStandIn) -> None:
    server.fail("think_leak")
    heard: list[Chunk] = []
    done = backend(server).complete(question(), on_chunk=heard.append)
    assert done.text.startswith("{") and "Perhaps" in done.thinking
    fresh = max(number for number, chunk in enumerate(heard) if chunk.fresh)
    assert "".join(chunk.text for chunk in heard[fresh:]) == done.text


def test_typed_parts_of_a_content_are_told_apart() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": '{"verdict": "no"}'}]
    with OpenAIStandIn(streams=False, brain=lambda body: Answer(parts)) as server:  # type: ignore[arg-type]
        done = backend(server).complete(question())
    assert (done.text, done.thinking) == ('{"verdict": "no"}', "hm")


# ---------------------------------------------------------------------------------------------------------------- the wire


@pytest.mark.parametrize("kind", ["bytewise", "no_blank_lines", "no_done", "drop_at_end"])
def test_every_dialect_of_a_stream_is_read(server: OpenAIStandIn, kind: str) -> None:
    server.always = Fault(kind)
    server.brain = lambda body: '{"verdict": "yes", "why": "Gewinn 📈 überrascht, \u2028 \x85 日本"}'
    done = backend(server, retries=0).complete(question())
    assert done.text == '{"verdict": "yes", "why": "Gewinn 📈 überrascht, \u2028 \x85 日本"}'
    assert (done.prompt_tokens is None) == (kind == "drop_at_end")


@given(st.text(max_size=80), st.integers(1, 7), st.booleans(), st.sampled_from([b"\n", b"\r\n"]))
def test_a_stream_means_the_same_however_the_network_cuts_it(text: str, size: int, escaped: bool, end: bytes) -> None:
    text = text.encode("utf-8", "replace").decode()
    data = b"\xef\xbb\xbf: hello" + end * 2
    data += b"data: " + json.dumps({"a": text}, ensure_ascii=escaped).encode() + end * 2 + b"data: [DONE]" + end * 2 + b"data: {"
    assert list(events(data[n : n + size] for n in range(0, len(data), size))) == [{"a": text}, {"done": True}]


def test_an_event_over_several_lines_is_one_object_and_a_half_one_is_garbled() -> None:
    assert list(events([b'event: x\ndata: {"a":\ndata: 1}\n\n'])) == [{"a": 1}]
    assert list(events([b'error: {"code": 500}\n\n'])) == [{"code": 500}]
    assert list(events([b"  \n", b'{"a":\n 1}'])) == [{"whole": {"a": 1}}]
    assert list(events([])) == []
    for bad in (b'data: {"a": 1', b"data: 7\n\n", b"<html>", b"[" * 100_000):
        with pytest.raises(Garbled):
            list(events([bad]))


def test_halves_of_a_character_in_two_pieces_become_one() -> None:
    passage = Passage(Key(""))
    assert (
        passage.pass_on("a\ud83d") + passage.pass_on("\udcc8b") + passage.pass_on("\ud83d") + passage.pass_on("", last=True) == "a📈b\ufffd"
    )
    assert passage.pass_on("nul\x00") == "nul\ufffd"


def test_a_waiting_stream_of_comments_is_no_first_word(server: OpenAIStandIn) -> None:
    server.token_delay_s = 0.5
    with pytest.raises(Unavailable, match=r"no first word within 0.2 s"):
        backend(server, first_token_timeout_s=0.2).complete(question())


def test_a_greeting_before_the_model_has_begun_is_no_first_word(server: OpenAIStandIn) -> None:
    server.always = Fault("stall", after=1)
    with pytest.raises(Unavailable, match=r"no first word within 0.3 s"):
        backend(server, first_token_timeout_s=0.3, read_timeout_s=0.1, retries=0).complete(question())


# ---------------------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize("kind", ["429", "500", "502", "503", "refuse", "drop", "no_end", "error", "garbage"])
def test_a_passing_fault_is_survived_with_the_same_seed(server: OpenAIStandIn, kind: str) -> None:
    server.fail(kind)
    heard: list[Chunk] = []
    done = backend(server).complete(question(seed=5), on_chunk=heard.append)
    assert answered(done.text)["verdict"] == "yes"
    assert [seen.body["seed"] for seen in server.chats] == [5, 5]
    assert [chunk.fresh for chunk in heard].count(True) == 1
    fresh = next(number for number, chunk in enumerate(heard) if chunk.fresh)
    assert "".join(chunk.text for chunk in heard[fresh:]) == done.text


@pytest.mark.parametrize("kind", ["drop", "no_end", "error", "garbage"])
def test_a_stream_that_breaks_every_time_is_no_decision_and_never_half_an_answer(server: OpenAIStandIn, kind: str) -> None:
    server.always = Fault(kind)
    with pytest.raises(DecisionError, match="the stream broke"):
        backend(server, retries=2).complete(question())
    assert len(server.chats) == 3


@pytest.mark.parametrize(
    ("fault", "tries", "words"),
    [
        (Fault("500"), 3, "failed .500: fault 500"),
        (Fault("503"), 3, "failed .503"),
        (Fault("502", body=PAGE), 3, "a web page instead of an answer"),
        (Fault("200", body=PAGE), 2, "not the language"),
        (Fault("refuse"), 3, "closed the connection"),
        (Fault("429"), 3, "takes no more questions"),
        (Fault("200", body={"error": {"message": "provider is down", "code": 502}}), 3, "provider is down"),
        (Fault("400", body={"error": "no such thing"}), 1, "refused the question .400: no such thing"),
        (Fault("401"), 1, "wants a key and OPENAI_API_KEY is not set"),
        (Fault("402"), 1, "no credit"),
        (Fault("403"), 1, "wants a key"),
        (Fault("404", body="<html>nginx</html>"), 1, "has no chat there"),
        (Fault("429", body={"error": {"message": "quota", "code": "insufficient_quota"}}), 1, "no credit"),
        (Fault("301", body="moved", headers=(("Location", "https://evil.example/x?a=b"),)), 1, "points to another address .evil.example."),
    ],
)
def test_a_lasting_fault_is_unavailable_with_a_cure_and_only_what_may_pass_is_tried_again(
    server: OpenAIStandIn, fault: Fault, tries: int, words: str
) -> None:
    server.always = fault
    with pytest.raises(Unavailable, match=words) as caught:
        backend(server, retries=2).complete(question())
    assert caught.value.cure and len(server.chats) == tries
    assert "<" not in str(caught.value) and "script" not in str(caught.value)


def test_retry_after_is_obeyed(server: OpenAIStandIn) -> None:
    for header, least, most in ((("Retry-After", "0.6"), 0.6, 1.5), (("retry-after-ms", "300"), 0.3, 0.6)):
        server.fail(Fault("429", headers=(header,)))
        began = time.monotonic()
        backend(server).complete(question())
        assert least <= time.monotonic() - began < most


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 85 < (asked_to_wait(httpx.Headers({"Retry-After": soon})) or 0) <= 90
    assert asked_to_wait(httpx.Headers({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})) == 0
    assert asked_to_wait(httpx.Headers({"Retry-After": "20"})) == 20
    for odd in ("", "soon", "-5", "9" * 400):
        assert asked_to_wait(httpx.Headers({"Retry-After": odd})) is None


def test_a_wait_longer_than_the_time_left_is_not_begun(server: OpenAIStandIn) -> None:
    server.always = Fault("429", headers=(("Retry-After", "3600"),))
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"asks to wait 3600 s"):
        backend(server, total_timeout_s=30).complete(question())
    assert time.monotonic() - began < 1 and len(server.chats) == 1


def test_a_server_that_loads_its_model_is_waited_for_beyond_the_retries(server: OpenAIStandIn) -> None:
    loading = Fault("503", body={"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
    server.fail(*[loading] * 5)
    assert backend(server, retries=0).complete(question()).text and len(server.chats) == 6
    server.always = loading
    with pytest.raises(Unavailable, match="until it has loaded"):
        backend(server, retries=0, first_token_timeout_s=0.1).complete(question())


def test_a_server_that_starts_meanwhile_is_found() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one = OpenAICompatibleBackend(OpenAICompatibleOptions(base_url=f"127.0.0.1:{port}", model="my-model", retries=6), backoff_s=0.05)
    late: list[OpenAIStandIn] = []
    timer = threading.Timer(0.3, lambda: late.append(OpenAIStandIn(port=port).__enter__()))
    timer.start()
    assert one.complete(question()).text
    late[0].__exit__()


def test_nothing_listening_says_how_to_start_a_server() -> None:
    one = OpenAICompatibleBackend(OpenAICompatibleOptions(base_url=nowhere(), model="x"), backoff_s=0.01)
    for ask in (lambda: one.complete(question()), one.warm_up):
        with pytest.raises(Unavailable, match=r"No server answers at http://127.0.0.1:\d+/v1.*llama-server"):
            ask()
    health = one.check()
    assert not health.ok and "No server answers" in health.message and "vllm serve" in health.cure


def test_a_server_without_a_certificate_says_so(server: OpenAIStandIn) -> None:
    with pytest.raises(Unavailable, match="No safe connection to https") as caught:
        backend(server, base_url=server.url.replace("http:", "https:")).complete(question())
    assert "http://" in caught.value.cure and not server.requests


def test_an_unknown_host_is_named() -> None:
    one = OpenAICompatibleBackend(OpenAICompatibleOptions(base_url="http://no-such-host.invalid", model="x", retries=0))
    with pytest.raises(Unavailable, match=r"no host called 'no-such-host.invalid'|No server answers|No connection"):
        one.complete(question())


def test_a_missing_model_names_the_nearest_and_those_there_are(server: OpenAIStandIn) -> None:
    server.models += [{"id": "qwen/qwen3-8b"}, {"id": "llama-3.1-8b-instruct"}]
    with pytest.raises(Unavailable, match=r"no model 'qwen3-8B'; it serves my-model, qwen/qwen3-8b") as caught:
        backend(server, model="qwen3-8B").complete(question())
    assert caught.value.cure == "Set model to 'qwen/qwen3-8b'." and len(server.chats) == 1


def test_a_question_too_long_for_the_window_is_no_decision_and_nothing_is_cut() -> None:
    with (
        OpenAIStandIn(window=3000) as server,
        pytest.raises(PromptTooLong, match=r"do not fit into the model's window.*3000 tokens") as caught,
    ):
        backend(server).complete(question("x" * 8000))
    assert (caught.value.counted, caught.value.window, caught.value.cut) == (2004, 3000, False)


@pytest.mark.parametrize(
    ("words", "counted", "window"),
    [
        ("This model's maximum context length is 8192 tokens. However, your messages resulted in 9007 tokens. Please reduce them.", 9007, 8192),
        ("This model's maximum context length is 128,000 tokens. However, you requested 130,500 tokens (130,000 in the messages, 500 in the completion).", 130_000, 128_000),
        ("This model's maximum context length is 4096 tokens. However, you requested 500 output tokens and your prompt contains at least 3597 input tokens, for a total of at least 4097 tokens.", 3597, 4096),
        ("'max_tokens' or 'max_completion_tokens' is too large: 2048. This model's maximum context length is 4096 tokens and your request has 3000 input tokens (2048 > 4096 - 3000).", 3000, 4096),
        ("The decoder prompt (length 5000) is longer than the maximum model length of 4096.", 5000, 4096),
        ("the request exceeds the available context size. try increasing the context size or enable context shift", None, None),
        ("request (3017 tokens) exceeds the available context size (1024 tokens), try increasing it", 3017, 1024),
        ("Requested tokens (9000) exceed context window of 8192", 9000, 8192),
        ("Trying to keep the first 6269 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough.", 6269, 4096),
        ("The number of tokens to keep from the initial prompt is greater than the context length.", None, None),
        ("This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens (139000 of text input, 1000 in the output).", 139_000, 131_072),
        ("prompt is too long: 205000 tokens > 200000 maximum", 205_000, 200_000),
        ("Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", 40_000, 32_768),
        ("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 100 `max_new_tokens`", 5000, 4096),
    ],
)  # fmt: skip
def test_the_words_of_many_servers_tell_how_long_the_question_was(server: OpenAIStandIn, words: str, counted: int, window: int) -> None:
    assert overflow(said_by({"error": words}, Key(""))) == (counted, window)
    server.fail(Fault("400", body={"error": {"message": words, "code": 400}}))
    with pytest.raises(PromptTooLong) as caught:
        backend(server, retries=0).complete(question())
    assert (caught.value.counted, caught.value.window, caught.value.cut) == (counted, window, False)


def test_llama_cpp_tells_both_figures_apart_from_its_words(server: OpenAIStandIn) -> None:
    told = {"code": 400, "message": "too big", "type": "exceed_context_size_error", "n_prompt_tokens": 3017, "n_ctx": 1024}
    server.fail(Fault("400", body={"error": told}))
    with pytest.raises(PromptTooLong) as caught:
        backend(server).complete(question())
    assert (caught.value.counted, caught.value.window) == (3017, 1024)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer('{"verdict": "y', finish="length"), r"cut off at its greatest length \(max_tokens 2048\)"),
        (Answer("", thinking="hm", finish="length"), "Thinking uses the same budget"),
        (Answer('{"verdict": "yes"}', finish="content_filter"), "content_filter"),
        (Answer('{"verdict": "yes"}', finish="tool_calls"), "did not end by itself .finish_reason 'tool_calls'"),
        (Answer('{"verdict": "yes"}', finish=None), "did not end by itself .finish_reason 'absent'"),
        (Answer(""), "the model said nothing"),
        (Answer("", thinking="hm"), "only thought"),
        (Answer("", refusal="I will not."), "the model refused: I will not."),
        (Answer("<think>for ever"), "only thought"),
    ],
)
@pytest.mark.parametrize("streams", [True, False])
def test_an_answer_that_is_not_whole_is_no_decision_and_not_asked_again(answer: Answer, words: str, streams: bool) -> None:
    if answer.refusal and not streams:
        pytest.skip("the stand-in sends a refusal only in streams")
    if answer.finish is None and not streams:
        words = "without saying that it was done"
    with OpenAIStandIn(brain=lambda body: answer, streams=streams) as server, pytest.raises(DecisionError, match=words):
        backend(server, retries=0).complete(question())
    assert len(server.chats) == (2 if words == "only thought" else 1)  # thoughts are shown to it once


def test_who_only_thinks_is_shown_its_thoughts_and_asked_for_the_answer_alone() -> None:
    def brain(body: dict) -> Answer:
        usage = {"prompt_tokens": 100 * len(body["messages"]), "completion_tokens": 10}
        if len(body["messages"]) < 4:
            return Answer("", thinking="Sales rose.", usage=usage)
        return Answer('{"verdict": "yes"}' if body["messages"][-2]["content"] == "Sales rose." else "no thoughts", usage=usage)

    heard: list[Chunk] = []
    with OpenAIStandIn(brain=brain) as server:
        one = backend(server, price_in=1.0, price_out=2.0, trust_count=False)
        done = one.complete(question(), on_chunk=heard.append)
        first, second = (seen.body for seen in server.chats)
    assert (done.way, done.thinking, done.text) == ("think, then schema", "Sales rose.", '{"verdict": "yes"}')
    assert [message["role"] for message in second["messages"]] == [*(m["role"] for m in first["messages"]), "assistant", "user"]
    assert second["response_format"] == first["response_format"]
    read = 100 * (len(first["messages"]) + len(second["messages"]))
    assert done.answer_tokens == 20 and done.options["cost_usd"] == pytest.approx((read + 2 * 20) / 1e6)
    after = next(place for place, chunk in enumerate(heard) if chunk.fresh)
    assert "".join(chunk.thinking for chunk in heard[after:]) == done.thinking


@pytest.mark.parametrize("body", [{"error": {"message": "flagged by moderation", "code": 403}}, {"error": {"code": "content_filter"}}])
def test_a_question_that_a_filter_refuses_is_no_decision(server: OpenAIStandIn, body: dict) -> None:
    server.always = Fault("403" if "403" in str(body) else "400", body=body)
    with pytest.raises(DecisionError, match="content filter"):
        backend(server).complete(question())


@pytest.mark.parametrize("kind", ["invalid_json", "prose", "fenced", "html_in_answer"])
def test_the_words_of_an_answer_are_handed_over_unchanged_for_others_to_judge(server: OpenAIStandIn, kind: str) -> None:
    server.fail(kind)
    heard: list[Chunk] = []
    done = backend(server).complete(question(), on_chunk=heard.append)
    assert done.text == "".join(chunk.text for chunk in heard) and len(server.chats) == 1


def test_an_answer_that_never_ends_in_size_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.llm.openai_compatible.CHARACTERS_LIMIT", 10_000)
    with OpenAIStandIn(brain=lambda body: "word " * 20_000, piece=1000) as server, pytest.raises(DecisionError, match="ran away"):
        backend(server).complete(question())


# ------------------------------------------------------------------------------------------------------- patience, stopping


def test_no_first_word_in_time_is_unavailable_and_not_asked_again(server: OpenAIStandIn) -> None:
    server.always = Fault("hang")
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"no first word within 0.3 s"):
        backend(server, first_token_timeout_s=0.3).complete(question())
    assert time.monotonic() - began < 2 and len(server.chats) == 1
    assert until(lambda: server.chats[0].disconnected)


def test_silence_in_the_middle_is_tried_again_and_then_unavailable(server: OpenAIStandIn) -> None:
    server.always = Fault("stall")
    with pytest.raises(Unavailable, match=r"fell silent for 0.2 s"):
        backend(server, read_timeout_s=0.2, retries=1).complete(question())
    assert len(server.chats) == 2


def test_an_answer_that_takes_too_long_in_all_is_no_decision(server: OpenAIStandIn) -> None:
    server.token_delay_s = 0.15
    with pytest.raises(DecisionError, match=r"not finished after 0.4 s"):
        backend(server, total_timeout_s=0.4).complete(question())
    assert until(lambda: server.chats[0].disconnected)


def test_stop_before_the_first_word_is_quick_and_reaches_the_server(server: OpenAIStandIn) -> None:
    server.always = Fault("hang")
    wish, began = threading.Event(), time.monotonic()
    threading.Timer(0.2, wish.set).start()
    with pytest.raises(Stopped):
        backend(server).complete(question(), cancelled=wish.is_set)
    assert time.monotonic() - began < 1.5
    assert until(lambda: server.chats[0].disconnected)


def test_stop_in_the_middle_of_an_answer_ends_the_generation() -> None:
    with OpenAIStandIn(brain=lambda body: "word " * 20_000, token_delay_s=0.005) as server:
        heard: list[Chunk] = []
        with pytest.raises(Stopped):
            backend(server).complete(question(), on_chunk=heard.append, cancelled=lambda: len(heard) >= 5)
        assert len(heard) == 5
        assert until(lambda: server.chats[0].disconnected)
        assert server.chats[0].sent < 100


def test_stop_between_two_tries(server: OpenAIStandIn) -> None:
    server.always = Fault("503")
    slow = OpenAICompatibleBackend(OpenAICompatibleOptions(base_url=server.url, model="my-model"), backoff_s=30)
    with pytest.raises(Stopped):
        slow.complete(question(), cancelled=lambda: bool(server.chats))
    assert len(server.chats) == 1


def test_an_error_of_the_listener_passes_and_hangs_up() -> None:
    with OpenAIStandIn(brain=lambda body: "word " * 20_000, token_delay_s=0.005) as server:

        def broken(chunk: Chunk) -> None:
            raise ValueError("my own bug")

        with pytest.raises(ValueError, match="my own bug"):
            backend(server).complete(question(), on_chunk=broken)
        assert until(lambda: server.chats[0].disconnected) and len(server.chats) == 1


# --------------------------------------------------------------------------------------------------------- usage and cost


def test_cost_is_estimated_from_the_prices_that_are_given(server: OpenAIStandIn) -> None:
    server.brain = lambda body: Answer('{"verdict": "yes"}', usage={"prompt_tokens": 2_000, "completion_tokens": 500})
    done = backend(server, price_in=0.15, price_out=0.6).complete(question())
    assert done.options["cost_usd"] == pytest.approx(2_000 * 0.15e-6 + 500 * 0.6e-6) == 0.0006
    assert "estimate" in done.options["cost_is"]
    assert "cost_usd" not in backend(server, price_in=0.15).complete(question()).options
    assert backend(server, price_in=0, price_out=0).complete(question()).options["cost_usd"] == 0


@pytest.mark.parametrize(
    "usage", [None, {}, [], "many", {"prompt_tokens": -3, "completion_tokens": "9"}, {"prompt_tokens": True, "completion_tokens": 1.5}]
)
def test_a_wrong_usage_is_unknown_and_costs_nothing_known(server: OpenAIStandIn, usage: object) -> None:
    server.brain = lambda body: Answer('{"verdict": "yes"}', usage=usage)
    done = backend(server, price_in=1, price_out=1).complete(question())
    assert (done.prompt_tokens, done.answer_tokens) == (None, None) and "cost_usd" not in done.options


def test_a_question_cut_in_silence_is_found_out_by_the_count(server: OpenAIStandIn) -> None:
    server.brain = lambda body: Answer('{"verdict": "yes"}', usage={"prompt_tokens": 500, "completion_tokens": 5})
    with pytest.raises(PromptTooLong, match=r"read only 500 tokens of about 1003: the question was cut") as caught:
        backend(server).complete(question("x" * 4000))
    assert caught.value.cut and caught.value.counted == 500
    assert backend(server, trust_count=False).complete(question("x" * 4000)).prompt_tokens == 500
    assert not lost(700, question("x" * 4000)) and not lost(None, question("x" * 4000)) and not lost(1, question("", tokens=0))
    assert count(500.0) == 500
    short = question("x" * 5000, tokens=2000)  # of a model whose tokens hold 2.5 characters
    assert not lost(900, short) and lost(900, short, sparsest=2.5) and not lost(1900, short, sparsest=2.5)


# --------------------------------------------------------------------------------------------------------------- readiness


def test_check_and_warm_up_say_what_is_served(server: OpenAIStandIn) -> None:
    health = backend(server).check()
    assert health.ok and health.cure == "" and "serves my-model by vllm, window 32768 tokens" in health.message
    known = backend(server).warm_up()
    assert (known["model"], known["owned_by"], known["context_length"], known["server"]) == ("my-model", "vllm", 32_768, "stand-in")
    assert known["base_url"] == server.url and len(server.chats) == 1  # one small question settles the way
    json.dumps(known)


# ------------------------------------------------------------------------------------------------------------ the budget


def test_the_budget_is_the_servers_window_less_the_answer(server: OpenAIStandIn) -> None:
    budget = Budget.model_validate(backend(server, max_tokens=1000).warm_up()["budget"])
    assert budget == Budget(window=32_768, answer=1000, characters_per_token=3.6, measured=False) and budget.room == 31_768
    assert backend(server, window=4096, max_tokens=1000).warm_up()["budget"]["window"] == 4096  # one wishes for less
    assert backend(server, window=99_999).warm_up()["budget"]["window"] == 32_768  # and cannot have more


def test_without_a_window_there_is_no_budget_unless_a_person_names_one(server: OpenAIStandIn) -> None:
    server.models[:] = [{"id": "my-model", "owned_by": "me"}]
    assert "budget" not in backend(server).warm_up()
    assert backend(server, window=8192).warm_up()["budget"]["window"] == 8192
    assert "budget" not in backend(server, window=2048, max_tokens=2048).warm_up()


def test_a_resumed_run_keeps_its_budget_whatever_is_known_now(server: OpenAIStandIn) -> None:
    kept = {"window": 5000, "answer": 700, "characters_per_token": 2.5, "measured": True}
    assert backend(server).warm_up(before={"budget": kept})["budget"] == kept
    server.models[:] = [{"id": "my-model"}]
    assert backend(server).warm_up(before={"budget": kept})["budget"] == kept


def test_characters_per_token_are_learnt_for_the_next_run_and_never_for_this_one(server: OpenAIStandIn) -> None:
    notes, words = NoNotes(), "price 12.5 " * 200
    first = backend(server, notes=notes)
    before = first.warm_up()["budget"]
    server.brain = lambda body: Answer('{"verdict": "yes"}', usage={"prompt_tokens": 1107, "completion_tokens": 5})  # 2214 characters
    for _ in range(3):
        first.complete(question(words))
    assert first.warm_up(before={"budget": before})["budget"] == before and not before["measured"]
    learnt = backend(server, notes=notes).warm_up()["budget"]
    assert learnt["measured"] and 1.9 < learnt["characters_per_token"] <= 2.0
    server.models.append({"id": "other", "max_model_len": 4096})
    assert not backend(server, notes=notes, model="other").warm_up()["budget"]["measured"]


def test_the_window_a_llama_cpp_server_was_started_with_stands_over_that_of_its_training(server: OpenAIStandIn) -> None:
    server.models[:] = [{"id": "my-model", "owned_by": "llamacpp", "meta": {"n_ctx_train": 131_072}}]
    server.told["/props"] = {"default_generation_settings": {"n_ctx": 8192}, "build_info": "b6000-abcdef"}
    known = backend(server).warm_up()
    assert (known["budget"]["window"], known["server_version"]) == (8192, "b6000-abcdef")
    del server.told["/props"]
    assert backend(server).warm_up()["budget"]["window"] == 131_072


def test_the_window_lm_studio_has_loaded_is_asked_for(server: OpenAIStandIn) -> None:
    server.models[:] = [{"id": "my-model", "owned_by": "organization_owner"}]
    server.told["/api/v0/models"] = {"data": [{"id": "my-model", "max_context_length": 131_072, "loaded_context_length": 4096}]}
    assert backend(server).warm_up()["budget"]["window"] == 4096


@pytest.mark.parametrize("told", ["<html>", [], {"default_generation_settings": 3}, {"build_info": None}])
def test_odd_words_about_itself_stop_no_run(server: OpenAIStandIn, told: object) -> None:
    server.models[:] = [{"id": "my-model", "owned_by": "llamacpp"}]
    server.told["/props"] = told
    assert backend(server).warm_up()["way"] == "schema"


def test_a_server_without_a_list_is_reachable(server: OpenAIStandIn) -> None:
    server.lists = False
    health = backend(server).check()
    assert health.ok and "reachable, its list of models unknown" in health.message
    assert backend(server).warm_up()["context_length"] is None
    assert not backend(server, model="").check().ok


def test_check_names_the_nearest_model_and_a_window_without_room(server: OpenAIStandIn) -> None:
    missing = backend(server, model="mymodel").check()
    assert not missing.ok and "no model 'mymodel'" in missing.message and missing.cure == "Set model to 'my-model'."
    full = backend(server, max_tokens=32_768).check()
    assert not full.ok and "no room" in full.message and "32768" in full.cure
    server.models.clear()
    assert "serves no model" in backend(server).check().message


@pytest.mark.parametrize(
    "listing",
    [
        {"id": "m", "meta": {"n_ctx": 512}},
        {"id": "x", "aliases": ["m"], "context_length": 512},
        {"id": "models/m", "context_window": 512},
        {"name": "M", "loaded_context_length": 512, "max_context_length": 9999},
    ],
)
def test_models_are_found_in_the_lists_of_many_servers(server: OpenAIStandIn, listing: dict) -> None:
    server.models[:] = [listing]
    assert backend(server, model="m", max_tokens=9).warm_up()["context_length"] == 512
    assert backend(server, model="m:free", max_tokens=9).check().ok


def test_no_listed_name_is_near_a_strange_one() -> None:
    serving = Serving("", (Listed(id="gpt-4.1-mini"), Listed(id="deepseek/deepseek-chat")))
    assert nearest("deepseek-chat", serving) == "deepseek/deepseek-chat"
    assert nearest("gpt4.1-mini", serving) == "gpt-4.1-mini"
    assert nearest("zzzzzz", serving) == ""


@pytest.mark.parametrize("page", ["hang", "web page"])
def test_check_never_raises(page: str) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def answer() -> None:
            with suppress(OSError):  # the test is over
                here, _ = listening.accept()
                here.recv(9999)
                here.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>")

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        health = OpenAICompatibleBackend(OpenAICompatibleOptions(base_url=url if page == "web page" else nowhere())).check()
    assert not health.ok and health.cure


@pytest.mark.parametrize(
    "field", [{"max_tokens": 0}, {"temperature": float("nan")}, {"price_in": -1}, {"think": "yes"}, {"modell": "x"}, {"retries": 99}]
)
def test_options_refuse_what_no_server_understands(field: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OpenAICompatibleOptions(**field)  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------------------------- the key


def test_the_key_is_sent_only_from_the_named_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", f" Bearer {SECRET}\n")
    with OpenAIStandIn(key=SECRET) as server:
        assert backend(server, api_key_env="MY_KEY").complete(question()).text
        assert backend(server, api_key_env="MY_KEY").check().ok
        for name, words in (("OPENAI_API_KEY", "Set OPENAI_API_KEY"), ("", "Set api_key_env to the name")):
            with pytest.raises(Unavailable, match=words):
                backend(server, api_key_env=name).complete(question())
            assert words in backend(server, api_key_env=name).check().cure
            assert "authorization" not in server.requests[-1].headers
    monkeypatch.setenv("MY_KEY", "sk-wrong-but-long-enough")
    with OpenAIStandIn(key=SECRET) as server, pytest.raises(Unavailable, match="refuses the key in MY_KEY") as caught:
        backend(server, api_key_env="MY_KEY").complete(question())
    assert "sk-wrong" not in str(caught.value)


@pytest.mark.parametrize("pasted", [SECRET, "gsk_abcdef0123456789", "Sk1234", "a b"])
def test_a_pasted_key_is_refused_and_not_repeated(pasted: str) -> None:
    with pytest.raises(ValidationError, match="never the key itself") as caught:
        OpenAICompatibleOptions(api_key_env=pasted)
    assert pasted not in str(caught.value)
    with pytest.raises(SpecError, match="never the key itself") as told:
        wiring.options("openai_compatible", OpenAICompatibleBackend, {"api_key_env": pasted})
    assert pasted not in "".join(traceback.format_exception(told.value))


@pytest.mark.parametrize("value", ["sk-\u00e4bcdefghijklmnop", "sk-abc\ndefghijklmnop", "sk-abc\x00def".replace("\x00", "\x01")])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(
    server: OpenAIStandIn, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", value)
    with pytest.raises(Unavailable, match="OPENAI_API_KEY holds characters") as caught:
        backend(server).complete(question())
    assert "abc" not in "".join(traceback.format_exception(caught.value)) and not backend(server).check().ok


@given(st.text(max_size=30), st.text(max_size=30), st.integers(1, 9))
def test_a_key_is_taken_out_of_a_text_however_it_is_cut(before: str, after: str, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOME_KEY", SECRET)
        passage = Passage(Key("SOME_KEY"))
        text = before + SECRET + after
        heard = "".join(passage.pass_on(text[n : n + size]) for n in range(0, len(text), size)) + passage.pass_on("", last=True)
    assert heard == (before + "[key]" + after).replace("\x00", "\ufffd")


def test_a_word_that_is_no_secret_stays_in_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "EMPTY")
    with OpenAIStandIn(key="EMPTY", brain=lambda body: '{"why": "EMPTY shelves"}') as server:
        assert backend(server).complete(question()).text == '{"why": "EMPTY shelves"}'


def test_the_key_is_in_nothing_that_leaves_the_backend(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A server that says the key back in every place where it can speak, and every kind of failure."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    caplog.set_level(logging.DEBUG)
    left: list[str] = []
    echo = Answer(f'{{"why": "{SECRET} {"x" * 500}"}}', thinking=f"the key is {SECRET}")
    entry = {"id": "my-model", "owned_by": f"vllm {SECRET}", "aliases": [SECRET], "max_model_len": 32_768}
    faults = [Fault(str(status), body={"error": {"message": f"no {SECRET}", "code": SECRET, "param": SECRET}}) for status in
              (301, 400, 401, 402, 403, 404, 422, 429, 500, 502, 503)]  # fmt: skip
    faults += [Fault("400", body=f"plain {SECRET}"), Fault("422", body={"detail": [{"loc": ["body", SECRET], "msg": SECRET}]})]
    faults += [Fault("error", after=at, body={"error": {"message": SECRET}}) for at in (0, 3)]
    faults += [Fault(kind) for kind in ("refuse", "drop", "garbage", "no_end")]
    with OpenAIStandIn(models=[entry], brain=lambda body: echo, key=SECRET, name=f"me/{SECRET}") as server:
        notes = NoNotes()
        one = backend(server, retries=0, notes=notes)
        heard: list[Chunk] = []
        one.warm_up()
        server.fail(Fault("400", body={"error": {"message": f"response_format not supported {SECRET}"}}))
        server.told |= {"/props": {"build_info": SECRET}, "/version": {"version": SECRET}}
        left += [one.complete(question(), on_chunk=heard.append).model_dump_json(), str(heard), one.check().model_dump_json()]
        left += [str(one.warm_up()), repr(one), str(vars(one)), repr(Key("OPENAI_API_KEY")), str(pickle.dumps(Key("OPENAI_API_KEY")))]
        left += [one.options.model_dump_json(), str(notes._kept)]
        for fault in faults:
            server.fail(fault)
            with pytest.raises((Unavailable, DecisionError)) as caught:
                backend(server, retries=0).complete(question())
            left += ["".join(traceback.format_exception(caught.value)), repr(caught.value), repr(caught.value.__dict__)]
        left.append(backend(server, model=f"x{SECRET}"[:3]).check().model_dump_json())
        for said in (Answer("", refusal=f"I will not use {'x' * 200} {SECRET}"), Answer("{}", finish=SECRET)):
            server.brain = lambda body, said=said: said
            with pytest.raises(DecisionError) as refused:
                backend(server, retries=0).complete(question())
            left.append(str(refused.value))
        assert all(seen.headers["authorization"] == f"Bearer {SECRET}" for seen in server.requests)
    with OpenAIStandIn(key="another-key-altogether") as server:  # it says the wrong key back
        with pytest.raises(Unavailable) as caught:
            backend(server).complete(question())
        left += ["".join(traceback.format_exception(caught.value)), backend(server).check().model_dump_json()]
    out, err = capfd.readouterr()
    for text in [*left, caplog.text, out, err]:
        assert SECRET not in text and SECRET[3:] not in text
        assert SECRET[:20] not in text  # nor the beginning of it, where a long text was cut
    assert any("[key]" in text for text in left)


def test_the_key_is_warned_of_where_it_would_travel_in_the_open(monkeypatch: pytest.MonkeyPatch) -> None:
    from agent.llm.openai_compatible import _about_the_key

    assert "not set" in _about_the_key("https://host/v1", Key("OPENAI_API_KEY"))
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert "unencrypted" in _about_the_key("http://host/v1", Key("OPENAI_API_KEY"))
    assert not _about_the_key("https://host/v1", Key("OPENAI_API_KEY")) and not _about_the_key("http://localhost/v1", Key("OPENAI_API_KEY"))


# ------------------------------------------------------------------------------------------------------------- a whole run


def whole_run(server: OpenAIStandIn, **options: object) -> list[DayRecord]:
    """A short run of the engine on the toy market with this server's model."""
    given = {"base_url": server.url, "model": "my-model", **options}
    windows = {"train": {"start": "2022-03-07", "end": "2022-03-14"}, "test": {"start": "2022-03-15", "end": "2022-03-25"}}
    spec = toy_spec(backend="openai_compatible", backend_options=given, tickers=["TOYA"], **windows)
    market, strategies = build(spec)
    thinks = OpenAICompatibleBackend(OpenAICompatibleOptions.model_validate(spec.backend_options), backoff_s=0.01)
    for strategy in strategies.values():
        strategy.backend = thinks  # type: ignore[attr-defined]
    return list(trade(market, spec, strategies=strategies, calendar=CALENDAR))


@pytest.mark.parametrize(("dialect", "rung"), [("plain", "json_schema"), ("openai", "json_schema without bounds")])
def test_a_whole_run_decides_every_day_through_the_server(dialect: str, rung: str) -> None:
    with OpenAIStandIn(dialect=dialect) as server:
        records = whole_run(server, price_in=1.0, price_out=2.0)
    decided = [record for record in records if record.thought.decision is not None]
    assert len(decided) == 9 and {record.thought.decision.provenance for record in decided} == {"model"}
    calls = [call.completion for record in records for call in record.thought.calls]
    assert all(done is not None and done.options["structured"] == rung and done.options["cost_usd"] > 0 for done in calls)
    assert {done.backend for done in calls if done} == {"openai_compatible"}


def test_a_run_on_a_bad_line_goes_on_and_the_record_says_which_day_has_no_decision() -> None:
    with OpenAIStandIn() as server:
        bad = Fault("drop")
        server.fail(*[None] * 6, "500", "drop", "prose", "invalid_json", None, *["empty"] * 2, *[bad] * 4)
        records = whole_run(server, retries=1)
    test = [record for record in records if record.phase == "test"]
    assert len(test) == 9
    assert {record.thought.decision.provenance for record in test if record.thought.decision} == {"model", "re-asked", "abstained"}
    silent = [record for record in test if record.thought.decision and record.thought.decision.provenance == "abstained"]
    assert len(silent) == 2
    assert "empty" in silent[0].thought.calls[-1].error and "the stream broke" in silent[1].thought.calls[-1].error


def test_a_run_from_the_command_line_leaves_no_key_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    settings.cache_clear()
    flags = "run --source demo --tickers DMAUR --train none --test 2022-01-18:2022-01-27 --embedder hashing --backend openai_compatible"
    brain = lambda body: Answer(schema_brain(body).replace("The evidence", SECRET), thinking=f"key {SECRET}")  # noqa: E731
    with OpenAIStandIn(key=SECRET, brain=brain, name=f"srv {SECRET}") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        told = [CliRunner().invoke(cli.app, [*flags.split(), "--json"])]
        name = json.loads(CliRunner().invoke(cli.app, ["runs", "--json"]).stdout)[0]["run"]
        told += [CliRunner().invoke(cli.app, ["show", name, "--json"])]
        told += [CliRunner().invoke(cli.app, ["export", name, "--out", str(tmp_path / "out")])]
        server.always = Fault("401", body={"error": {"message": f"not {SECRET}"}})
        told += [CliRunner().invoke(cli.app, flags.split())]
        bodies = json.dumps([seen.body for seen in server.requests])
    settings.cache_clear()
    assert [done.exit_code for done in told] == [0, 0, 0, 1], [done.output for done in told]
    spoken = "".join(done.output + repr(done.exception) for done in told)
    assert "refuses the key in OPENAI_API_KEY" in spoken and SECRET not in spoken + bodies
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("llm_calls" in path.name and "[key]" in path.read_text() for path in files)
    found = [path for path in files if any(part.encode() in _unpacked(path) for part in (SECRET, SECRET[:20], SECRET[-20:]))]
    assert found == []


def _unpacked(path: Path) -> bytes:
    """A file's bytes, and those of every packed cell of a database."""
    if path.suffix != ".db":
        return path.read_bytes()
    found = [path.read_bytes()]
    with closing(sqlite3.connect(path)) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                packed = [cell for cell in row if isinstance(cell, bytes) and cell.startswith(zstandard.FRAME_HEADER)]
                found += [zstandard.ZstdDecompressor().decompressobj().decompress(cell) for cell in packed]
    return b"".join(found)
