"""Servers, installed models, pulls, deletion, probes and test prompts over real HTTP to the stand-ins."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agent.errors import SpecError, Unavailable
from agent.llm import pulls as pulling
from agent.llm.ollama_shelf import moment
from agent.spec import RunSpec
from services import model_jobs, models, runs
from services.settings import settings
from tests.stand_ins.ollama_server import Answer, Fault, Model, OllamaStandIn, Pull
from tests.stand_ins.openai_server import Fault as OpenAIFault
from tests.stand_ins.openai_server import OpenAIStandIn

ROOT = Path(__file__).parents[2]
SLOW = Pull(layers=(5000, 300), steps=200, pause_s=0.05)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Iterator[None]:
    for name in ("OLLAMA_HOST", "OLLAMA_BASE_URL", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    settings.cache_clear()
    model_jobs.forget_everything()
    yield
    model_jobs.forget_everything()
    settings.cache_clear()


@pytest.fixture
def server() -> Iterator[OllamaStandIn]:
    with OllamaStandIn(models=[Model("qwen3:8b", thinking=True), Model("nomic-embed-text", capabilities=("embedding",))]) as stand_in:
        yield stand_in


def until(true: Callable[[], bool], *, within_s: float = 10.0) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<html><body><h1>It works!</h1></body></html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


# ------------------------------------------------------------------------------------------------------------------ servers


@pytest.mark.parametrize("written", ["{url}", "{url}/", "{url}/v1", "{url}/v1/", "{url}/api", "{host}"])
def test_the_address_is_understood_however_it_is_written_and_says_what_it_came_from(server, monkeypatch, written):
    monkeypatch.setenv("OLLAMA_HOST", written.format(url=server.url, host=server.url.removeprefix("http://")))
    found = models.ollama()
    assert (found.ok, found.url, found.came_from) == (True, server.url, "OLLAMA_HOST")
    assert found.version == "0.33.0" and found.models == 2 and found.ping_ms is not None and 0 < found.ping_ms < 2000


def test_the_order_is_the_typed_address_then_host_then_base_url_then_the_default(server, monkeypatch):
    assert models.ollama().came_from == "default"
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://127.0.0.1:1")
    assert models.ollama().came_from == "OLLAMA_BASE_URL"
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:2")
    assert (models.ollama().came_from, models.ollama().url) == ("OLLAMA_HOST", "http://127.0.0.1:2")
    assert models.ollama(server.url).came_from == "this address"


def test_each_failure_of_ollama_has_its_own_cure(server, monkeypatch):
    nobody = models.ollama(f"http://127.0.0.1:{free_port()}")
    assert nobody.ok is False and "not running" in nobody.message and "ollama serve" in nobody.cure
    page = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=page.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        proxy = models.ollama(f"http://127.0.0.1:{page.server_address[1]}")
    finally:
        page.shutdown()
        page.server_close()
    assert proxy.ok is False and "not Ollama" in proxy.message and "without /v1" in proxy.cure and "<h1>" not in proxy.message
    monkeypatch.setenv("OLLAMA_HOST", "not an address")
    wrong = models.ollama()
    assert wrong.ok is False and "OLLAMA_HOST" in wrong.message and "OLLAMA_HOST" in wrong.cure
    typed = models.ollama("ftp://x")
    assert typed.ok is False and "http://127.0.0.1:11434" in typed.cure
    server.models = []
    empty = models.ollama(server.url)
    assert empty.ok is False and "no model is installed" in empty.message and "ollama pull" in empty.cure and empty.models == 0


def test_the_address_stands_also_while_the_client_library_is_being_imported():
    """Importing it hides OLLAMA_HOST for a moment; another thread that asked just then was sent to the default address."""
    program = """
import os, threading
os.environ["OLLAMA_HOST"] = "http://127.0.0.1:7"
from agent.llm import ollama
importing = threading.Thread(target=ollama._library)
importing.start()
seen = set()
while importing.is_alive():
    seen.add(ollama.resolve())
print(sorted(seen))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.stdout.strip() == "['http://127.0.0.1:7']", done.stdout + done.stderr


def test_an_old_server_is_usable_with_a_warning():
    with OllamaStandIn(version="0.11.0") as old:
        found = models.ollama(old.url)
    assert found.ok and "old" in found.message and "0.12.6" in found.cure


def test_the_key_is_named_never_shown_and_a_foreign_server_is_not_asked_unless_told(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1234567890")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://models.example.invalid/v1")
    found = models.openai_compatible()
    assert (found.ok, found.key_variable, found.key_set) == (None, "OPENAI_API_KEY", True) and "Not asked" in found.message
    with OpenAIStandIn() as local:
        monkeypatch.setenv("OPENAI_BASE_URL", local.url)
        served = models.openai_compatible()
    assert served.ok and served.models and served.came_from == "OPENAI_BASE_URL"
    assert "sk-secret" not in found.model_dump_json() + served.model_dump_json()
    gone = models.openai_compatible()
    assert gone.ok is False and gone.cure


# ---------------------------------------------------------------------------------------------------------------- installed


def test_the_list_has_what_the_server_tells_and_what_we_know_of_it(server):
    chat_model, embedder = models.installed(server.url)
    assert (chat_model.name, chat_model.size, chat_model.quantisation, chat_model.family) == ("qwen3:8b", 5_200_000_000, "Q4_K_M", "qwen3")
    assert chat_model.parameters == "8.2B" and chat_model.context == 40_960 and "thinking" in (chat_model.capabilities or ())
    assert chat_model.modified is not None and str(chat_model.modified) == "2025-01-02 03:04:05+00:00"
    assert (chat_model.use, embedder.use) == ("decisions", "embeddings only")
    assert chat_model.loaded is None and chat_model.cutoff is not None and chat_model.cutoff.month == "2025-04"
    assert chat_model.abilities is None and chat_model.characters_per_token is None


def test_a_model_in_memory_shows_its_window_and_notes_of_its_digest_are_found(server):
    server.loaded["qwen3:8b"] = (8192, False)
    notes = models.model_notes()
    digest = server.find("qwen3:8b").digest
    notes.write("abilities", f"{digest}@0.33.0@1", {"ways": {"schema": True}})
    notes.write("tokens", digest, {"characters_per_token": 3.5, "samples": 9})
    notes.close()
    found = models.installed(server.url)[0]
    assert found.loaded is not None and found.loaded.window == 8192 and found.loaded.vram == 5_200_000_000
    assert found.abilities == {"ways": {"schema": True}} and found.characters_per_token == 3.5


def test_a_cloud_model_is_called_that():
    with OllamaStandIn(models=[Model("big:cloud", remote_host="https://example.invalid")]) as stand_in:
        assert models.installed(stand_in.url)[0].use == "cloud"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2025-01-02T03:04:05.123456789Z", "2025-01-02 03:04:05+00:00"),
        ("2025-01-02T03:04:05+02:00", "2025-01-02 01:04:05+00:00"),
        ("2319-01-01T00:00:00Z", "2319-01-01 00:00:00+00:00"),
    ],
)
def test_times_are_read_as_go_writes_them(written, read):
    assert str(moment(written)) == read


@pytest.mark.parametrize("written", [None, 5, "", "yesterday", "2025-13-02T03:04:05Z", "0001-01-01T00:00:00+23:59"])
def test_what_is_no_time_is_none(written):
    assert moment(written) is None


# --------------------------------------------------------------------------------------------------------------------- pulls


def test_a_pull_goes_on_by_itself_says_how_far_it_is_and_ends_as_done(server):
    server.pull = replace(SLOW, steps=80, pause_s=0.005)
    begun = model_jobs.pull("tiny:1b", server.url)
    assert begun.active and model_jobs.pull("TINY:1b", server.url).model == "tiny:1b", "the same one is joined, not begun twice"
    until(lambda: 0 < model_jobs.pulls(server.url)[0].share < 1)
    seen = model_jobs.pulls(server.url)[0]
    assert seen.state == "pulling" and seen.total == 5000 and 0 < seen.completed < 5000 and seen.layers[0].total == 5000
    done = model_jobs.wait_for_pull(begun, 20)
    assert (done.state, done.share, done.completed, done.total) == ("done", 1.0, 5300, 5300) and done.eta_s is None
    assert server.find("tiny:1b") is not None
    assert len([seen for seen in server.requests if seen.path == "/api/pull"]) == 1
    model_jobs.dismiss_pull(done)
    assert model_jobs.pulls(server.url) == []


def test_a_cancelled_pull_closes_the_connection_and_can_be_taken_up_again(server):
    server.pull = SLOW
    begun = model_jobs.pull("tiny:1b", server.url)
    until(lambda: model_jobs.pulls(server.url)[0].completed > 0)
    model_jobs.cancel_pull(begun)
    ended = model_jobs.wait_for_pull(begun, 5)
    assert ended.state == "cancelled" and "continues where it stopped" in ended.cure
    until(lambda: next(seen for seen in server.requests if seen.path == "/api/pull").disconnected)
    assert server.find("tiny:1b") is None
    server.pull = Pull()
    assert model_jobs.wait_for_pull(model_jobs.pull("tiny:1b", server.url), 5).state == "done"


def test_several_pulls_run_at_once(server):
    server.pull = replace(SLOW, pause_s=0.02)
    for name in ("a:1b", "b:1b", "c:1b"):
        model_jobs.pull(name, server.url)
    until(lambda: all(seen.completed > 0 for seen in model_jobs.pulls(server.url)))
    assert [seen.model for seen in model_jobs.pulls(server.url)] == ["c:1b", "b:1b", "a:1b"]


@pytest.mark.parametrize(
    ("how", "reason", "cure"),
    [
        (Pull(fault="error"), "is full", "OLLAMA_MODELS"),
        (Pull(fault="drop"), "was lost", "continues where it stopped"),
        (Pull(fault="ends without a word"), "ended before Ollama had said", "continues where it stopped"),
        (Pull(fault="error", error="pull model manifest: 412: requires a newer version of Ollama"), "newer version", "Update Ollama"),
        (Pull(fault="error", error="digest mismatch, file must be downloaded again"), "damaged", "fetched anew"),
        (Pull(fault="error", error="dial tcp: lookup registry on 1.1.1.1:53: no such host"), "cannot reach", "internet"),
        (Pull(fault="error", error="<script>alert(1)</script> something new"), "ended the pull", "log of"),
    ],
)
def test_each_way_a_pull_fails_is_said_in_plain_words_with_its_cure(server, how, reason, cure):
    import re

    server.pull = how
    failed = model_jobs.wait_for_pull(model_jobs.pull("tiny:1b", server.url), 10)
    assert failed.state == "failed" and re.search(reason, failed.reason) and cure in failed.cure
    assert server.find("tiny:1b") is None


def test_an_unknown_name_is_said_although_the_server_answers_200(server):
    failed = model_jobs.wait_for_pull(model_jobs.pull("no-such-model", server.url), 10)
    assert failed.state == "failed" and "no model called 'no-such-model'" in failed.reason and "spelling" in failed.cure


def test_a_server_that_is_not_there_fails_the_pull_with_its_own_cure():
    failed = model_jobs.wait_for_pull(model_jobs.pull("tiny", f"http://127.0.0.1:{free_port()}"), 10)
    assert failed.state == "failed" and "not running" in failed.reason and "ollama serve" in failed.cure


@pytest.mark.parametrize("name", ["", "  ", "two words", "x" * 201, "a\x00b", "a\u202eb"])
def test_what_is_no_name_is_refused_before_anything_is_sent(server, name):
    with pytest.raises(SpecError, match="qwen3:8b"):
        model_jobs.pull(name, server.url)
    assert not [seen for seen in server.requests if seen.path == "/api/pull"]


def test_the_whole_command_may_be_pasted(server):
    assert model_jobs.pull("ollama pull tiny:1b", server.url).model == "tiny:1b"


def test_only_success_is_success():
    following = pulling.Following("u", "m", 0.0)
    for line in ({"status": "pulling x", "digest": "d", "total": 10, "completed": 10}, {"status": "writing manifest"}):
        following.add(line, 1.0)
    assert not following.success and following.seen(1.0).state == "verifying"
    following.add({"status": "success"}, 2.0)
    assert following.success


def test_the_pace_is_measured_and_does_not_count_what_was_there_before():
    following = pulling.Following("u", "m", 0.0)
    following.add({"status": "pulling d", "digest": "d", "total": 1000}, 0.0)
    following.add({"status": "pulling d", "digest": "d", "total": 1000, "completed": 800}, 0.1)  # taken up again
    assert following.seen(0.1).rate is None
    following.add({"status": "pulling d", "digest": "d", "total": 1000, "completed": 840}, 2.1)
    seen = following.seen(2.1)
    assert seen.rate == pytest.approx(40 / 2.1) and seen.eta_s == pytest.approx(160 / (40 / 2.1))
    assert following.seen(4.2).rate == pytest.approx(40 / 4.2), "silence slows it"


@hypothesis_settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"status": st.text(max_size=20)},
            optional={
                "digest": st.sampled_from(["a", "b", "", 5, None]),
                "total": st.one_of(st.integers(-5, 10**6), st.text(max_size=3), st.none(), st.floats(allow_nan=True)),
                "completed": st.one_of(st.integers(-5, 2 * 10**6), st.none(), st.booleans()),
            },
        ),
        max_size=25,
    )
)
def test_whatever_a_server_counts_progress_never_goes_back_or_beyond_its_total(lines):
    following, before = pulling.Following("u", "m", 0.0), 0
    for number, line in enumerate(lines):
        following.add(line, float(number))
        seen = following.seen(float(number))
        assert before <= seen.completed <= seen.total and 0 <= seen.share <= 1
        before = seen.completed


# ------------------------------------------------------------------------------------------------------------------ deletion


def test_a_model_is_deleted_and_a_second_time_says_so(server):
    models.delete("qwen3:8b", server.url)
    assert [model.name for model in models.installed(server.url)] == ["nomic-embed-text:latest"]
    with pytest.raises(Unavailable, match="may have been deleted already"):
        models.delete("qwen3:8b", server.url)


# -------------------------------------------------------------------------------------------------------------- test prompts


def said(who: str = "me") -> model_jobs.Trial:
    until(lambda: (model_jobs.asked(who) or model_jobs.Trial(model="")).state != "running")
    found = model_jobs.asked(who)
    assert found is not None
    return found


def test_a_test_prompt_is_answered_with_thinking_apart_and_numbers(server):
    server.brain = lambda body: Answer("Paris.", thinking="The capital of France.")
    model_jobs.ask("me", "ollama", {"model": "qwen3:8b", "base_url": server.url}, "Capital of France?", system="Be brief.", think=True)
    found = said()
    assert (found.state, found.said.text, found.said.thinking, found.said.done) == ("done", "Paris.", "The capital of France.", True)
    assert found.said.answer_tokens and found.said.prompt_tokens and found.said.per_second and found.said.window == 4096
    sent = server.chats[-1].body
    assert "format" not in sent and [message["role"] for message in sent["messages"]] == ["system", "user"]


def test_a_loaded_model_keeps_its_window(server):
    server.loaded["qwen3:8b"] = (16_384, False)
    model_jobs.ask("me", "ollama", {"model": "qwen3:8b", "base_url": server.url}, "Hi")
    assert said().said.window == 16_384 and server.loads == 0, "another window would have reloaded it"


def test_the_answer_is_seen_while_it_is_written_and_stopping_ends_it_on_the_server(server):
    server.brain, server.token_delay_s, server.piece = lambda body: "word " * 200, 0.02, 5
    model_jobs.ask("me", "ollama", {"model": "qwen3:8b", "base_url": server.url}, "Talk", longest=4000)
    until(lambda: len((model_jobs.asked("me") or model_jobs.Trial(model="")).said.text) > 10)
    model_jobs.stop_asking("me")
    found = said()
    assert found.state == "cancelled" and found.said.text.startswith("word word")
    until(lambda: server.chats[-1].disconnected)


def test_a_failure_of_a_test_prompt_has_its_cure(server):
    model_jobs.ask("me", "ollama", {"model": "gone:1b", "base_url": server.url}, "Hi")
    assert said().state == "failed" and "ollama pull gone:1b" in said().cure
    server.fail(Fault("load_failure"))
    model_jobs.ask("me", "ollama", {"model": "qwen3:8b", "base_url": server.url}, "Hi")
    assert "out of memory" in said().reason and "smaller model" in said().cure


def test_a_stream_that_breaks_is_no_whole_answer(server):
    server.brain = lambda body: "one two three four five six seven eight nine ten " * 5
    server.fail("no_done")
    model_jobs.ask("me", "ollama", {"model": "qwen3:8b", "base_url": server.url}, "Count")
    found = said()
    assert found.state == "done" and not found.said.done and "ended early" in found.said.done_reason


def test_an_openai_compatible_model_is_asked_too_and_the_key_appears_nowhere(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1234567890")
    with OpenAIStandIn() as local:
        local.brain = lambda body: "Hello, sk-secret-1234567890!"
        model_jobs.ask("me", "openai_compatible", {"model": "my-model", "base_url": local.url}, "Hi")
        found = said()
    assert found.state == "done" and found.said.text == "Hello, [key]!" and found.said.answer_tokens


def test_a_server_that_takes_only_the_newer_name_of_the_limit_is_asked_with_it():
    refusal = {"error": {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "param": "max_tokens"}}
    with OpenAIStandIn() as local:
        local.brain = lambda body: "Hello."
        local.fail(OpenAIFault("400", body=refusal))
        model_jobs.ask("me", "openai_compatible", {"model": "my-model", "base_url": local.url}, "Hi", longest=77)
        assert said().said.text == "Hello."
        assert local.requests[-1].body["max_completion_tokens"] == 77 and "max_tokens" not in local.requests[-1].body


def test_an_empty_question_is_refused():
    with pytest.raises(SpecError, match="Type a question"):
        model_jobs.ask("me", "ollama", {"model": "qwen3:8b"}, "  ")


# -------------------------------------------------------------------------------------------------------------------- probes


def test_a_probe_runs_beside_the_page_and_shows_what_was_found(server):
    model_jobs.probe("qwen3:8b", server.url)
    until(lambda: (model_jobs.probed("qwen3:8b", server.url) or model_jobs.Probe(model="")).state != "running", within_s=30)
    found = model_jobs.probed("qwen3:8b", server.url)
    assert found is not None and found.state == "done" and found.found["digest"] == server.find("qwen3:8b").digest


def test_a_probe_of_a_model_that_cannot_chat_says_so(server):
    model_jobs.probe("nomic-embed-text", server.url)
    until(lambda: (model_jobs.probed("nomic-embed-text", server.url) or model_jobs.Probe(model="")).state != "running")
    found = model_jobs.probed("nomic-embed-text", server.url)
    assert found is not None and found.state == "failed" and "cannot chat" in found.reason and found.cure


def test_a_probe_anew_asks_the_model_again_and_a_second_one_does_not(server):
    def finished() -> int:
        until(lambda: (model_jobs.probed("qwen3:8b", server.url) or model_jobs.Probe(model="")).state == "done", within_s=30)
        return len(server.chats)

    model_jobs.probe("qwen3:8b", server.url)
    first = finished()
    assert first > 0 and models.installed(server.url)[0].abilities
    model_jobs.probe("qwen3:8b", server.url)
    until(lambda: not any(thread.name == "probe qwen3:8b" for thread in threading.enumerate()))
    assert finished() == first, "what is known is not asked again"
    model_jobs.probe("qwen3:8b", server.url, anew=server.find("qwen3:8b").digest)
    until(lambda: not any(thread.name == "probe qwen3:8b" for thread in threading.enumerate()), within_s=30)
    assert finished() == 2 * first


def test_a_model_that_a_waiting_run_needs_is_named_before_it_is_deleted(server):
    window = {"start": "2022-01-18", "end": "2022-02-15"}
    spec = {"name": "Needs it", "tickers": ["DMAUR"], "test": window, "backend": "ollama", "backend_options": {"model": "QWEN3:8b"}}
    helped = {**spec, "name": "Helped", "backend": "rules", "backend_options": {}, "helper": {"options": {"model": "qwen3:8b"}}}
    for data in (spec, helped):
        runs.create(RunSpec.read(data))
    assert sorted(models.busy_with("qwen3:8b")) == ["Helped", "Needs it"] and models.busy_with("other:1b") == []


def test_a_probe_is_stopped_while_the_model_loads_and_the_next_one_begins_at_once(server):
    server.load_s = 20.0
    model_jobs.probe("qwen3:8b", server.url)
    until(lambda: any(seen.path == "/api/chat" for seen in server.requests))
    model_jobs.stop_probe("qwen3:8b", server.url)
    until(lambda: model_jobs.probed("qwen3:8b", server.url).state == "cancelled", within_s=5)
    server.load_s = 0.0
    model_jobs.probe("qwen3:8b", server.url)
    until(lambda: model_jobs.probed("qwen3:8b", server.url).state == "done", within_s=30)
