"""``models`` on the command line, over real HTTP to stand-ins: listed, pulled, deleted, checked, asked; cut-offs set and reset."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

import cli
from services import model_jobs
from services.settings import settings
from tests.stand_ins.ollama_server import Model, OllamaStandIn, Pull


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[OllamaStandIn]:
    with OllamaStandIn(models=[Model("qwen3:8b", thinking=True)]) as stand_in:
        monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
        monkeypatch.setenv("OLLAMA_HOST", stand_in.url)
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1234567890")
        settings.cache_clear()
        model_jobs.forget_everything()
        yield stand_in
        model_jobs.forget_everything()
        settings.cache_clear()


def call(*args: str, **more):
    return CliRunner().invoke(cli.app, ["models", *args], **more)


def test_the_list_names_servers_and_models_and_never_the_key(server):
    done = call("list", "--json")
    assert done.exit_code == 0, done.stderr
    data = json.loads(done.stdout.splitlines()[-1])
    assert [model["name"] for model in data["models"]] == ["qwen3:8b"] and data["models"][0]["cutoff"]["month"] == "2025-04"
    assert "OLLAMA_HOST" in done.stderr and "OPENAI_API_KEY is set" in done.stderr and "sk-secret" not in done.output
    assert "knows until 2025-04" in done.stdout


def test_without_a_server_the_list_ends_with_3_and_the_cure(server, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    done = call("list")
    assert done.exit_code == 3 and "ollama serve" in done.stderr


def test_a_pull_ends_with_the_model_installed(server):
    done = call("pull", "tiny:1b", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "done" and server.find("tiny:1b")


def test_a_pull_that_fails_ends_with_3_and_the_cure(server):
    server.pull = Pull(fault="error")
    done = call("pull", "tiny:1b")
    assert done.exit_code == 3 and "is full" in done.stderr and "OLLAMA_MODELS" in done.stderr
    assert call("pull", "two words").exit_code == 2


def test_deleting_asks_first(server):
    assert call("delete", "qwen3:8b", input="n\n").exit_code == 1 and server.find("qwen3:8b")
    assert call("delete", "qwen3:8b", "--yes").exit_code == 0 and server.find("qwen3:8b") is None
    gone = call("delete", "qwen3:8b", "--yes")
    assert gone.exit_code == 3 and "deleted already" in gone.stderr


def test_a_check_says_what_was_found(server):
    done = call("check", "qwen3:8b", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["found"]["digest"] == server.find("qwen3:8b").digest
    missing = call("check", "gone:1b")
    assert missing.exit_code == 3 and "ollama pull gone:1b" in missing.stderr


def test_a_question_is_answered_and_what_a_terminal_would_act_on_is_taken_out(server):
    server.brain = lambda body: "\x1b[31mred\x07 alert\nsecond line"
    done = call("ask", "qwen3:8b", "Hi")
    assert done.exit_code == 0, done.stderr
    assert "\x1b" not in done.stdout and "\x07" not in done.stdout and "red" in done.stdout and "second line" in done.stdout
    assert "tokens" in done.stderr
    assert call("ask", "qwen3:8b", "Hi", "--backend", "rules").exit_code == 2


def test_a_cutoff_is_shown_set_and_reset(server):
    assert "2025-04 (estimated)" in call("cutoff", "qwen3:8b").stderr
    done = call("cutoff", "qwen3:8b", "2025-01", "--source", "the card", "--stated", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["cutoff"]["month"] == "2025-01" and "entered here" in done.stderr
    assert "not known" in call("cutoff", "qwen3:8b", "unknown").stderr
    assert "2025-04 (estimated)" in call("cutoff", "qwen3:8b", "reset").stderr
    wrong = call("cutoff", "qwen3:8b", "soon")
    assert wrong.exit_code == 2 and "2024-06" in wrong.stderr
