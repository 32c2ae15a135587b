"""The Ollama backend against a stand-in server, over real HTTP."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.errors import DecisionError, Unavailable
from agent.llm.base import Chunk, Message, Request, Situation, Stopped
from agent.llm.ollama import OllamaBackend, OllamaOptions, resolve
from agent.llm.ollama_answer import lost, split_thinking
from agent.llm.ollama_server import same_name
from agent.llm.ollama_wire import Failure, address, storable
from services.health import ollama_health, ollama_models
from tests.stand_ins.ollama_server import Answer, Fault, Model, OllamaStandIn

SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"type": "string", "enum": ["yes", "no"]}, "why": {"type": "string", "minLength": 60}},
    "required": ["verdict", "why"],
    "additionalProperties": False,
}
FACTS = Situation(ticker="A", company="A Inc", session=date(2025, 1, 2), next_session=date(2025, 1, 3), as_of="2025-01-02T21:00:00Z")


@pytest.fixture(autouse=True)
def _no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OLLAMA_HOST", "OLLAMA_BASE_URL", "OLLAMA_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[OllamaStandIn]:
    with OllamaStandIn() as running:
        yield running


def question(text: str = "Is it so?", *, seed: int = 11, tokens: int | None = None) -> Request:
    messages = (Message(role="system", content="Answer in JSON."), Message(role="user", content=text))
    estimate = sum(len(m.content) for m in messages) // 4 if tokens is None else tokens
    return Request(purpose="decide", messages=messages, answer_schema=SCHEMA, facts=FACTS, seed=seed, estimated_tokens=estimate)


def backend(server: OllamaStandIn, **options: object) -> OllamaBackend:
    return OllamaBackend(OllamaOptions(base_url=server.url, **options), backoff_s=0.01)  # type: ignore[arg-type]


def nowhere() -> str:
    """An address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


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
        ("", "http://127.0.0.1:11434"),
        ("  ", "http://127.0.0.1:11434"),
        ("localhost", "http://localhost:11434"),
        (" host:5000 ", "http://host:5000"),
        (":5000", "http://127.0.0.1:5000"),
        ("http://host", "http://host:11434"),
        ("HTTP://Host:80/", "http://host:80"),
        ("https://host", "https://host:443"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("http://0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("host:11434/v1", "http://host:11434"),
        ("http://host:11434/v1/", "http://host:11434"),
        ("http://host:11434/api/chat", "http://host:11434"),
        ("https://host/ollama/api", "https://host:443/ollama"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:9", "http://[::1]:9"),
        ("[::]", "http://[::1]:11434"),
        ('"http://host:1"', "http://host:1"),
    ],
)
def test_an_address_may_be_typed_in_many_ways(typed: str, meant: str) -> None:
    assert address(typed) == meant
    assert address(meant) == meant


@pytest.mark.parametrize(
    "typed", ["ftp://host", "host:port", "http://host:99999", "http://a b", "http://me:secret@host", "host?x=1", "host:0"]
)
def test_what_is_no_address_is_refused_before_anything_is_sent(typed: str) -> None:
    with pytest.raises(ValidationError, match="address"):
        OllamaOptions(base_url=typed)


def test_the_address_comes_from_the_option_then_ollama_host_then_ollama_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve() == "http://127.0.0.1:11434"
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://second:2/v1")
    assert resolve() == "http://second:2"
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:3")
    assert resolve() == "http://127.0.0.1:3"
    assert resolve("first:1") == "http://first:1"


def test_a_useless_ollama_host_is_named_and_not_raised_by_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://host:x")
    health = OllamaBackend().check()
    assert not health.ok and "OLLAMA_HOST" in health.message and "unset OLLAMA_HOST" in health.cure
    with pytest.raises(Unavailable, match="OLLAMA_HOST"):
        OllamaBackend().complete(question())


def test_a_useless_environment_does_not_break_a_given_address(server: OllamaStandIn) -> None:
    code = f"from services.health import ollama_health; print(ollama_health({server.url!r}).ok)"
    odd = {**os.environ, "OLLAMA_HOST": "http://h:x", "ALL_PROXY": "socks5://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", code], env=odd, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", done.stderr


# --------------------------------------------------------------------------------------------------------- what is sent


def test_window_seed_and_all_sampling_options_are_always_sent_and_recorded(server: OllamaStandIn) -> None:
    done = backend(server, num_ctx=4096, num_predict=200, temperature=0.3, keep_alive="300").complete(question(seed=42))
    body = server.chats[0].body
    sampling = {"seed": 42, "temperature": 0.3, "top_p": 0.9, "top_k": 40, "repeat_penalty": 1.0, "num_ctx": 4096, "num_predict": 200}
    assert body["options"] == sampling
    assert body["format"] == SCHEMA
    assert body["model"] == "qwen3:8b" and body["stream"] is True
    how = {"think": False, "keep_alive": 300, "truncate": False, "shift": False}  # seconds as a number: "300" would be refused
    assert {key: body[key] for key in how} == how
    assert done.options == {**sampling, **how}
    assert [m["role"] for m in body["messages"]] == ["system", "user"]


def test_the_answer_carries_its_provenance(server: OllamaStandIn) -> None:
    done = backend(server).complete(question())
    assert json.loads(done.text)["verdict"] == "yes"
    assert (done.backend, done.model, done.digest, done.server_version) == ("ollama", "qwen3:8b", server.models[0].digest, "0.33.0")
    assert done.done_reason == "stop" and done.thinking == ""
    assert done.prompt_tokens == 6 and done.answer_tokens == -(-len(done.text) // 4)  # 24 characters, 4 per token


def test_digest_and_version_are_asked_once(server: OllamaStandIn) -> None:
    one = backend(server)
    for _ in range(3):
        one.complete(question())
    assert [seen.path for seen in server.requests].count("/api/tags") == 1


def test_no_proxy_is_asked_and_no_key_is_sent_for_this_machine(server: OllamaStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", nowhere())
    monkeypatch.setenv("OLLAMA_API_KEY", "secret")
    backend(server).complete(question())
    assert all("authorization" not in seen.headers for seen in server.requests)


# ---------------------------------------------------------------------------------------------------------------- thinking


def test_thinking_is_kept_apart_and_both_are_heard_while_they_are_written() -> None:
    brain = lambda body: Answer(json.dumps({"verdict": "no", "why": "w" * 60}), thinking='I weigh {"verdict": "yes"}')  # noqa: E731
    heard: list[Chunk] = []
    with OllamaStandIn(models=[Model("thinker", thinking=True)], brain=brain) as server:
        done = backend(server, model="thinker", think="high").complete(question(), on_chunk=heard.append)
        assert server.chats[0].body["think"] == "high"
    assert json.loads(done.text)["verdict"] == "no"
    assert done.thinking == 'I weigh {"verdict": "yes"}'
    assert "".join(c.text for c in heard) == done.text and "".join(c.thinking for c in heard) == done.thinking
    assert len(heard) > 3


def test_thinking_off_is_said_aloud_because_unset_means_on() -> None:
    with OllamaStandIn(models=[Model("thinker", thinking=True)]) as server:
        done = backend(server, model="thinker").complete(question())
    assert server.chats[0].body["think"] is False and done.thinking == ""


def test_a_model_that_cannot_think_is_asked_without_and_check_says_so(server: OllamaStandIn) -> None:
    one = backend(server, think="on")
    assert "cannot think" in one.check().message
    assert one.complete(question()).options["think"] is False


def test_where_the_server_hides_capabilities_its_refusal_to_think_is_heeded(server: OllamaStandIn) -> None:
    server.models[0].capabilities = ("completion", "thinking")  # says it can, but refuses
    one = backend(server, think="on", retries=0)
    assert one.complete(question()).options["think"] is False
    assert [seen.body["think"] for seen in server.chats] == [True, False]
    one.complete(question())
    assert len(server.chats) == 3


def test_gpt_oss_gets_levels_because_it_ignores_on_and_off() -> None:
    with OllamaStandIn(models=[Model("gpt-oss:20b", thinking=True, family="gptoss")]) as server:
        for wish in ("off", "on", "high"):
            backend(server, model="gpt-oss:20b", think=wish).complete(question())
    assert [seen.body["think"] for seen in server.chats] == ["low", "medium", "high"]


def test_a_thinker_that_forgets_to_answer_is_asked_once_without_thinking() -> None:
    brain = lambda body: Answer("" if body["think"] else '{"verdict": "yes", "why": "x"}', thinking="all I do is think")  # noqa: E731
    with OllamaStandIn(models=[Model("thinker", thinking=True)], brain=brain) as server:
        done = backend(server, model="thinker", think="on", retries=0).complete(question())
    assert done.options["think"] is False and [seen.body["think"] for seen in server.chats] == [True, False]


@pytest.mark.parametrize(
    ("content", "answer", "thinking"),
    [
        ('{"a": 1}', '{"a": 1}', ""),
        ('<think>\nno\n</think>\n\n{"a": 1}', '{"a": 1}', "no"),
        ('no {"a": 2}</think>{"a": 1}', '{"a": 1}', 'no {"a": 2}'),
        ('<think>one</think><think>two</think>{"a": 1}', '{"a": 1}', "one\ntwo"),
        ('{"a": "</think>"}', '{"a": "</think>"}', ""),
        ("<think>for ever and ever", "", "for ever and ever"),
    ],
)
def test_a_leaked_think_block_is_moved_to_the_thinking(content: str, answer: str, thinking: str) -> None:
    assert split_thinking(content) == (answer, thinking)


def test_leaked_thinking_ends_up_in_the_record_as_thinking(server: OllamaStandIn) -> None:
    server.fail("think_leak")
    done = backend(server).complete(question())
    assert done.text.startswith("{") and "Perhaps" in done.thinking


# --------------------------------------------------------------------------------------------------------------- stopping


def test_stop_during_a_cold_load_is_quick_and_reaches_the_server() -> None:
    with OllamaStandIn(load_s=30) as server:
        wish, began = threading.Event(), time.monotonic()
        threading.Timer(0.3, wish.set).start()
        with pytest.raises(Stopped):
            backend(server).complete(question(), cancelled=wish.is_set)
        assert time.monotonic() - began < 1.5
        assert until(lambda: server.chats and server.chats[0].disconnected)
        assert server.loads == 0


def test_stop_in_the_middle_of_an_answer_ends_the_generation() -> None:
    with OllamaStandIn(brain=lambda body: "word " * 20_000, token_delay_s=0.005) as server:
        heard: list[Chunk] = []
        with pytest.raises(Stopped):
            backend(server, num_predict=100_000).complete(question(), on_chunk=heard.append, cancelled=lambda: len(heard) >= 5)
        assert len(heard) == 5
        assert until(lambda: server.chats[0].disconnected)
        sent = server.chats[0].sent
        time.sleep(0.05)
        assert server.chats[0].sent == sent < 100


def test_stop_while_a_model_is_silent_between_two_words(server: OllamaStandIn) -> None:
    server.fail(Fault("stall", seconds=30))
    heard: list[Chunk] = []
    began = time.monotonic()
    with pytest.raises(Stopped):
        backend(server).complete(question(), on_chunk=heard.append, cancelled=lambda: bool(heard) and time.monotonic() - began > 0.3)
    assert time.monotonic() - began < 1.5
    assert until(lambda: server.chats[0].disconnected)


def test_stop_between_two_tries(server: OllamaStandIn) -> None:
    server.always = Fault("503")
    slow = OllamaBackend(OllamaOptions(base_url=server.url), backoff_s=30)
    with pytest.raises(Stopped):
        slow.complete(question(), cancelled=lambda: bool(server.chats))
    assert len(server.chats) == 1


def test_an_error_of_the_listener_passes_and_hangs_up() -> None:
    with OllamaStandIn(brain=lambda body: "word " * 20_000, token_delay_s=0.005) as server:

        def broken(chunk: Chunk) -> None:
            raise ValueError("my own bug")

        with pytest.raises(ValueError, match="my own bug"):
            backend(server, num_predict=100_000).complete(question(), on_chunk=broken)
        assert until(lambda: server.chats[0].disconnected)
        assert len(server.chats) == 1


# ---------------------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize("kind", ["500", "502", "503", "load_failure", "refuse", "drop", "no_done", "error", "not_json", "nel"])
def test_a_passing_fault_is_survived_with_the_same_seed(server: OllamaStandIn, kind: str) -> None:
    server.fail(kind)
    done = backend(server).complete(question(seed=5))
    assert json.loads(done.text)["verdict"] == "yes"
    assert [seen.body["options"]["seed"] for seen in server.chats] == [5, 5]


def test_a_raw_next_line_character_which_the_client_cannot_stream_is_read_unstreamed(server: OllamaStandIn) -> None:
    server.always = Fault("nel")
    done = backend(server).complete(question())
    assert "\x85" in done.text
    assert [seen.body["stream"] for seen in server.chats] == [True, False]


@pytest.mark.parametrize("kind", ["drop", "no_done", "error"])
def test_a_stream_that_breaks_every_time_is_no_decision_and_never_half_an_answer(server: OllamaStandIn, kind: str) -> None:
    server.always = Fault(kind, after=4)
    heard: list[Chunk] = []
    with pytest.raises(DecisionError, match="the stream broke"):
        backend(server, retries=2).complete(question(), on_chunk=heard.append)
    assert len(server.chats) == 3
    assert [chunk.fresh for chunk in heard].count(True) == 2  # the listener is told to forget each broken try but the last


@pytest.mark.parametrize(
    ("kind", "tries", "words"),
    [
        ("500", 3, "unexpectedly stopped"),
        ("503", 3, "busy"),
        ("502", 3, "a web page instead of an answer"),
        ("load_failure", 2, "could not load 'qwen3:8b'"),
        ("refuse", 3, "closed the connection"),
        ("not_json", 3, "not Ollama's language"),
    ],
)
def test_a_lasting_fault_is_unavailable_with_a_cure(server: OllamaStandIn, kind: str, tries: int, words: str) -> None:
    server.always = Fault(kind)
    with pytest.raises(Unavailable, match=words) as caught:
        backend(server).complete(question())
    assert caught.value.cure and len(server.chats) == tries
    assert "<" not in str(caught.value) and "script" not in str(caught.value)


def test_nothing_listening_says_ollama_serve() -> None:
    one = OllamaBackend(OllamaOptions(base_url=nowhere()), backoff_s=0.01)
    with pytest.raises(Unavailable, match=r"Ollama is not running at http://127.0.0.1:\d+") as caught:
        one.complete(question())
    assert caught.value.cure == "Start it with `ollama serve`."
    with pytest.raises(Unavailable, match="ollama serve"):
        one.warm_up()
    health = one.check()
    assert not health.ok and "not running" in health.message and health.cure == "Start it with `ollama serve`."


def test_an_unknown_host_is_named() -> None:
    one = OllamaBackend(OllamaOptions(base_url="http://no-such-host.invalid", retries=0))
    with pytest.raises(Unavailable, match=r"no host called 'no-such-host.invalid'|not running at|No connection"):
        one.complete(question())


def test_a_missing_model_names_the_pull_command_and_what_is_installed(server: OllamaStandIn) -> None:
    with pytest.raises(Unavailable, match=r"no model 'llama9:1b'; installed: qwen3:8b") as caught:
        backend(server, model="llama9:1b").complete(question())
    assert caught.value.cure == "Install it with `ollama pull llama9:1b`."
    assert len(server.chats) == 1


def test_a_wrong_path_is_told_from_a_missing_model(server: OllamaStandIn) -> None:
    one = OllamaBackend(OllamaOptions(base_url=server.url + "/somewhere"), backoff_s=0.01)
    with pytest.raises(Unavailable, match="not like Ollama"):
        one.complete(question())
    health = one.check()
    assert not health.ok and "not Ollama" in health.message and "without /v1" in health.cure


def test_an_answer_cut_by_its_length_names_both_options(server: OllamaStandIn) -> None:
    server.fail("length")
    with pytest.raises(DecisionError, match=r"cut off after \d+ tokens \(num_predict 1024, num_ctx 8192\)"):
        backend(server).complete(question())
    assert len(server.chats) == 1  # the same question would be cut again
    with pytest.raises(DecisionError, match="num_predict 5"):
        backend(server, num_predict=5).complete(question())


@pytest.mark.parametrize("reason", ["", "load", "unload"])
def test_an_answer_that_did_not_end_by_itself_is_no_decision(reason: str) -> None:
    brain = lambda body: Answer('{"verdict": "yes"}', done_reason=reason)  # noqa: E731
    with OllamaStandIn(brain=brain) as server, pytest.raises(DecisionError, match="did not end by itself"):
        backend(server).complete(question())


def test_an_answer_can_always_be_stored() -> None:
    with OllamaStandIn(brain=lambda body: '{"a": "\x00", "b": "\ufffe"}') as server:
        done = backend(server).complete(question())
    assert done.text == '{"a": "\ufffd", "b": "\ufffe"}'
    assert storable("half a pair: \ud83d") == "half a pair: \ufffd"


def test_an_empty_answer_is_no_decision(server: OllamaStandIn) -> None:
    server.fail("empty")
    with pytest.raises(DecisionError, match="empty"):
        backend(server).complete(question())


@pytest.mark.parametrize("kind", ["invalid_json", "prose", "fenced", "invented_ids"])
def test_the_words_of_an_answer_are_handed_over_unchanged_for_others_to_judge(server: OllamaStandIn, kind: str) -> None:
    server.fail(kind)
    heard: list[Chunk] = []
    done = backend(server).complete(question(), on_chunk=heard.append)
    assert done.text == "".join(chunk.text for chunk in heard) and len(server.chats) == 1


def test_a_refused_schema_is_no_decision_and_not_asked_again(server: OllamaStandIn) -> None:
    empty = {"type": "object", "properties": {"id": {"enum": []}}, "required": ["id"]}
    with pytest.raises(DecisionError, match="schema"):
        backend(server).complete(question().model_copy(update={"answer_schema": empty}))
    assert len(server.chats) == 1


def test_a_wrong_option_is_a_500_that_is_never_tried_again(server: OllamaStandIn) -> None:
    body = {"model": "qwen3:8b", "messages": [{"role": "user", "content": "x"}], "options": {"num_ctx": "8192"}}
    with pytest.raises(Failure, match="must be of type integer") as caught:
        backend(server).server.ask("POST", "/api/chat", body)
    assert caught.value.retries == 0 and isinstance(caught.value.error, Unavailable)


def test_an_embedding_model_cannot_chat() -> None:
    with OllamaStandIn(models=[Model("embedder", capabilities=("embedding",))]) as server:
        one = backend(server, model="embedder")
        assert not one.check().ok and "cannot chat" in one.check().message
        with pytest.raises(Unavailable, match="cannot chat"):
            one.complete(question())


# ---------------------------------------------------------------------------------------------------------------- patience


def test_no_first_word_in_time_is_unavailable(server: OllamaStandIn) -> None:
    server.always = Fault("slow_first", seconds=30)
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"no first word within 0.3 s"):
        backend(server, first_token_timeout_s=0.3).complete(question())
    assert time.monotonic() - began < 2
    assert until(lambda: server.chats[0].disconnected)


def test_silence_in_the_middle_is_tried_again_and_then_unavailable(server: OllamaStandIn) -> None:
    server.always = Fault("stall", seconds=30)
    with pytest.raises(Unavailable, match=r"fell silent for 0.2 s"):
        backend(server, read_timeout_s=0.2, retries=1).complete(question())
    assert len(server.chats) == 2


def test_an_answer_that_never_ends_is_no_decision(server: OllamaStandIn) -> None:
    server.always = Fault("slow", seconds=0.15)
    with pytest.raises(DecisionError, match=r"not finished after 0.4 s"):
        backend(server, total_timeout_s=0.4).complete(question())
    assert until(lambda: server.chats[0].disconnected)


def test_a_slow_answer_inside_the_limits_is_fine(server: OllamaStandIn) -> None:
    server.fail(Fault("slow_first", seconds=0.4))
    assert backend(server, read_timeout_s=0.2, first_token_timeout_s=5).complete(question()).text


# ----------------------------------------------------------------------------------------------------------- the window


def test_a_prompt_that_does_not_fit_is_refused_with_the_true_count_and_nothing_is_cut(server: OllamaStandIn) -> None:
    with pytest.raises(DecisionError, match=r"1004 tokens, the window \(num_ctx\) only 512"):
        backend(server, num_ctx=512).complete(question("x" * 4000))  # 4000 + 15 characters / 4, rounded up
    assert len(server.chats) == 1


def test_a_window_cut_in_silence_is_found_out_by_the_count(server: OllamaStandIn) -> None:
    server.fail("half_window")
    with pytest.raises(DecisionError, match="the prompt was cut"):
        backend(server).complete(question())


@pytest.mark.parametrize(
    ("counted", "estimated", "characters", "suspicious"),
    [
        (4096, 3500, 14_000, True),  # exactly full: an old server cut it, and no answer would have had room
        (2050, 5000, 20_000, True),  # 4096 - (4096 - 4) // 2, llama_server.go
        (2051, 5000, 20_000, True),
        (2050, 2000, 8_000, False),  # half a window long by chance
        (2050, 0, 8_000, True),  # no estimate to speak for it
        (1000, 2000, 8_000, True),  # half of what was sent
        (1300, 2000, 8_000, False),
        (1300, 4000, 8_000, False),  # the estimate is far too high: the text itself cannot have so many tokens
        (None, 2000, 8_000, False),
    ],
)
def test_what_count_of_tokens_shows_a_cut(counted: int | None, estimated: int, characters: int, suspicious: bool) -> None:
    request = question("x" * (characters - 15), tokens=estimated)
    assert bool(lost(counted, request, 4096)) is suspicious


def test_a_model_of_short_tokens_has_them_counted_by_what_was_seen_of_it() -> None:
    """2.5 characters each: 6,750 characters are 2,700 tokens, and a server that read 1,302 has cut them, whatever English would have."""
    request = question("x" * (6750 - 15), tokens=2790)
    assert not lost(1302, request, 16_384)
    assert lost(1302, request, 16_384, sparsest=2.5) and not lost(2700, request, 16_384, sparsest=2.5)
    assert not lost(1302, question("x" * (5200 - 15), tokens=2140), 16_384, sparsest=9.0)  # no token of English is longer than assumed


@pytest.mark.parametrize(
    "text", ["http://user:hunter2@host:1", "user:hunter2@host", "ftp://user:hunter2@host", "http://a:hunter2@h:999999"]
)
def test_a_password_in_an_address_is_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="must not contain a user name or password") as caught:
        address(text)
    assert "hunter2" not in str(caught.value)


@given(true=st.integers(4097, 60_000), per_token=st.floats(3.0, 6.0), error=st.floats(0.7, 1.6))
def test_no_prompt_cut_to_half_a_window_passes_whatever_the_estimate_within_reason(true: int, per_token: float, error: float) -> None:
    request = question("x" * int(true * per_token), tokens=int(true * error))
    assert lost(4096 - (4096 - 4) // 2, request, 4096)


# --------------------------------------------------------------------------------------------------------------- readiness


def test_warm_up_loads_once_with_the_window_of_the_run(server: OllamaStandIn) -> None:
    one = backend(server, num_ctx=4096)
    known = one.warm_up()
    assert server.loads == 1
    one.complete(question())
    assert server.loads == 1  # another window or shift would have loaded again
    assert known["digest"] == server.models[0].digest
    assert (known["quantisation"], known["parameter_size"], known["server_version"]) == ("Q4_K_M", "8.2B", "0.33.0")
    assert (known["num_ctx"], known["effective_num_ctx"], known["context_length"]) == (4096, 4096, 40_960)
    json.dumps(known)


def test_a_window_longer_than_trained_is_noticed_before_and_after_loading() -> None:
    with OllamaStandIn(models=[Model("small", context=2048)]) as server:
        one = backend(server, model="small", num_ctx=8192)
        health = one.check()
        assert health.ok and "2048" in health.message and "Set num_ctx to 2048" in health.cure
        known = one.warm_up()
    assert known["effective_num_ctx"] == 2048 and known["budget"]["window"] == 2048
    assert "a window of 2048 tokens instead of 8192" in known["notes"][0]


def test_check_is_content_with_a_good_server_and_lists_its_models(server: OllamaStandIn) -> None:
    server.models.append(Model("llama3.2"))
    health = backend(server, model="LLAMA3.2").check()
    assert health.ok and health.cure == "" and "2 models" in health.message
    assert [entry["name"] for entry in health.details["models"]] == ["qwen3:8b", "llama3.2:latest"]
    assert not [seen for seen in server.requests if seen.path == "/api/chat"]


def test_check_tells_apart_what_is_missing(server: OllamaStandIn) -> None:
    missing = backend(server, model="llama9").check()
    assert not missing.ok and "installed: qwen3:8b" in missing.message and missing.cure == "Install it with `ollama pull llama9`."
    server.models[:] = [Model("big:1t-cloud", remote_host="https://elsewhere.example")]
    cloud = backend(server, model="big:1t-cloud").check()
    assert not cloud.ok and "cloud model" in cloud.message and "ollama pull" in cloud.cure
    server.models.clear()
    fresh = backend(server).check()
    assert not fresh.ok and "no model is installed" in fresh.message and "ollama pull qwen3:8b" in fresh.cure


def test_check_warns_of_a_server_that_cuts_in_silence() -> None:
    with OllamaStandIn(version="0.12.5") as server:
        health = backend(server).check()
    assert health.ok and "old" in health.message and "Update Ollama" in health.cure
    for version, warned in (("0.29.4", True), ("0.30.0", False), ("0.0.0", False)):
        with OllamaStandIn(version=version) as server:
            health = backend(server).check()
        assert health.ok and ("0.30 or newer" in health.cure) is warned


def test_warm_up_of_a_missing_model_raises_the_cure(server: OllamaStandIn) -> None:
    with pytest.raises(Unavailable, match="ollama pull llama9"):
        backend(server, model="llama9").warm_up()


def test_health_lists_what_is_installed_and_never_raises(server: OllamaStandIn) -> None:
    assert ollama_health(server.url + "/v1").ok
    assert [model.name for model in ollama_models(server.url)] == ["qwen3:8b"]
    assert ollama_health(nowhere()).cure == "Start it with `ollama serve`."
    assert "address" in ollama_health("ftp://x").message
    with pytest.raises(Unavailable, match="not running"):
        ollama_models(nowhere())


def test_names_compare_as_ollama_compares_them() -> None:
    assert same_name("Llama3.2", "llama3.2:latest")
    assert same_name("hf.co:443/me/Model", "hf.co:443/me/model:latest")
    assert not same_name("qwen3:8b", "qwen3")


@pytest.mark.parametrize(
    "field", [{"num_ctx": 1}, {"temperature": float("nan")}, {"keep_alive": "5 minutes"}, {"think": "yes"}, {"modell": "x"}, {"model": " "}]
)
def test_options_refuse_what_the_server_would_misunderstand(field: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OllamaOptions(**field)  # type: ignore[arg-type]
