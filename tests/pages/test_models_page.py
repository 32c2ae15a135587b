"""The Models page: each state of the servers is told with its cure, models are fetched, tried and deleted, cut-offs entered; names are only text."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from services import model_jobs, models
from services.settings import settings
from tests.stand_ins.ollama_server import Answer, Model, OllamaStandIn, Pull
from ui import models_servers

HOSTILE = "x<img src=x onerror=alert(1)>:**b**[l](javascript:1)\u202egnp.\x1b[31m"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Iterator[None]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    for name in ("OLLAMA_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    settings.cache_clear()
    model_jobs.forget_everything()
    _forget()
    yield
    model_jobs.forget_everything()
    _forget()
    settings.cache_clear()


def _forget() -> None:
    for found in (models_servers.asked_ollama, models_servers.asked_openai, models_servers.installed):
        found.clear()


@pytest.fixture
def server(monkeypatch) -> Iterator[OllamaStandIn]:
    with OllamaStandIn(models=[Model("qwen3:8b", thinking=True), Model("nomic-embed-text", capabilities=("embedding",))]) as stand_in:
        monkeypatch.setenv("OLLAMA_HOST", stand_in.url)
        yield stand_in


def until(true: Callable[[], bool], *, within_s: float = 10.0) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def button(at: AppTest, label: str):
    return next(item for item in at.button if item.label == label)


def field(at: AppTest, kind: str, label: str):
    return next(item for item in getattr(at, kind) if item.label == label)


def words(at: AppTest) -> str:
    return "\n".join(str(item.value) for item in (*at.text, *at.code, *at.caption, *at.subheader, *at.markdown, *at.warning, *at.success))


def table(at: AppTest, column: str):
    return next(item.value for item in at.dataframe if column in item.value.columns)


def test_without_a_server_the_page_says_what_to_type_and_what_works_without(open_page):
    at = open_page("models")
    said = words(at)
    assert "Ollama is not running at http://127.0.0.1:9" in said and "ollama serve" in said and "OLLAMA_HOST" in said
    assert "rules backend" in said and not at.dataframe
    assert "Pull a model" not in [item.value for item in at.subheader], "there is nowhere to pull to"


def test_a_server_without_models_offers_to_pull_one(server, open_page):
    server.models = []
    at = open_page("models")
    assert "No model is installed yet" in words(at) and "answers, but has no model" in words(at)
    assert field(at, "text_input", "Model")


def test_the_table_shows_what_is_known_and_a_link_opens_one_model(server, open_page):
    server.loaded["qwen3:8b"] = (8192, False)
    at = open_page("models", model="qwen3:8b")
    shown = table(at, "quantisation")
    assert list(shown["model"]) == ["qwen3:8b", "nomic-embed-text:latest"]
    row = shown.iloc[0]
    assert (row["size"], row["parameters"], row["quantisation"], row["window"]) == ("5.2 GB", "8.2B", "Q4_K_M", 40_960)
    assert (row["can"], shown.iloc[1]["can"], row["knows until"], row["in memory"]) == (
        "✓ can decide",
        "embeddings only",
        "~2025-04",
        "● loaded",
    )
    said = words(at)
    assert server.find("qwen3:8b").digest in said and "window 8,192 tokens" in said and "100% of it on the GPU" in said
    assert button(at, "Probe it now")


def test_a_link_to_a_model_that_is_not_installed_says_so(server, open_page):
    assert "gone:1b, which is not installed here" in words(open_page("models", model="gone:1b"))


def test_a_pull_is_followed_survives_another_visit_and_adds_its_row(server, open_page):
    server.pull = Pull(layers=(5_000_000, 300), steps=100, pause_s=0.02)
    at = open_page("models")
    field(at, "text_input", "Model").set_value("tiny:1b")
    button(at, "Pull").click().run()
    assert not at.exception
    until(lambda: model_jobs.pulls()[0].share > 0.05)
    again = open_page("models")
    assert "↓ pulling" in words(again) and button(again, "Cancel")
    server.pull = Pull()
    model_jobs.wait_for_pull(model_jobs.pulls()[0], 20)
    _forget()
    done = open_page("models")
    assert "✓ installed" in words(done) and "tiny:1b" in list(table(done, "quantisation")["model"])


def test_a_pull_can_be_cancelled_and_pulled_again(server, open_page):
    server.pull = Pull(layers=(5_000_000,), steps=400, pause_s=0.05)
    model_jobs.pull("tiny:1b")
    until(lambda: model_jobs.pulls()[0].completed > 0)
    at = open_page("models")
    button(at, "Cancel").click().run()
    assert not at.exception and model_jobs.pulls()[0].state == "cancelled"
    assert "continues where it stopped" in words(at)
    server.pull = Pull()
    button(at, "Pull again").click().run()
    assert model_jobs.wait_for_pull(model_jobs.pulls()[0], 10).state == "done"


def test_a_failed_pull_says_why_and_what_to_do(server, open_page):
    server.pull = Pull(fault="error")
    model_jobs.wait_for_pull(model_jobs.pull("tiny:1b"), 10)
    at = open_page("models")
    assert "is full" in words(at) and "OLLAMA_MODELS" in words(at)
    button(at, "Dismiss").click().run()
    assert "is full" not in words(at)


def test_a_name_that_is_none_is_refused_with_an_example(server, open_page):
    at = open_page("models")
    field(at, "text_input", "Model").set_value("two words")
    button(at, "Pull").click().run()
    assert "is not a model name" in words(at) and not model_jobs.pulls()


def test_deleting_asks_and_then_removes_the_row(server, open_page):
    at = open_page("models", model="qwen3:8b")
    button(at, "Delete…").click().run()
    assert "will be removed" in words(at) and server.find("qwen3:8b")
    button(at, "Keep it").click().run()
    assert "will be removed" not in words(at)
    button(at, "Delete…").click().run()
    button(at, "Yes, delete").click().run()
    assert not at.exception and server.find("qwen3:8b") is None
    assert list(table(at, "quantisation")["model"]) == ["nomic-embed-text:latest"] and "was deleted" in words(at)


def test_a_probe_shows_the_ways_that_work(server, open_page):
    at = open_page("models", model="qwen3:8b")
    button(at, "Probe it now").click().run()
    until(lambda: (model_jobs.probed("qwen3:8b") or model_jobs.Probe(model="")).state != "running", within_s=30)
    _forget()
    at = open_page("models", model="qwen3:8b")
    assert "Probed in" in words(at) and not at.exception


def test_abilities_of_any_shape_are_shown_or_left_out_and_never_stop_the_page(server, open_page):
    notes = models.model_notes()
    digest = server.find("qwen3:8b").digest
    for odd in (
        {"ways": {"schema": True, "json": False}, "why": {"json": "**no**"}, "answer_tokens_per_s": 12.34},
        {"ways": 5, "why": [], "seed_repeats": "x"},
    ):
        notes.write("abilities", f"{digest}@0.33.0@1", odd)
        _forget()
        at = open_page("models", model="qwen3:8b")
        assert not at.exception
    notes.close()


def test_a_question_is_answered_with_thinking_apart(server, open_page):
    server.brain = lambda body: Answer("Paris <script>alert(1)</script> **bold**", thinking="Hm.")
    at = open_page("models", tab="ask", model="qwen3:8b")
    assert all("nomic" not in option for option in field(at, "selectbox", "Model").options), "it cannot chat"
    field(at, "text_area", "Question").set_value("Capital of France?")
    field(at, "toggle", "Let it think first").set_value(True)
    button(at, "Ask").click().run()
    assert not at.exception
    until(lambda: model_jobs.asked(at.session_state["_models_who"]).state == "done")
    at.run()
    assert "Paris <script>alert(1)</script> **bold**" in [item.value for item in at.code] and "Hm." in [item.value for item in at.code]
    assert "Tokens per second" in [item.label for item in at.metric]


def test_a_failed_question_has_its_cure(server, open_page):
    server.fail("load_failure")
    at = open_page("models", tab="ask")
    button(at, "Ask").click().run()
    until(lambda: model_jobs.asked(at.session_state["_models_who"]).state == "failed")
    at.run()
    assert "out of memory" in words(at) and "smaller model" in words(at)


def test_nobody_to_ask_leads_to_the_servers(open_page):
    assert "No model to ask" in words(open_page("models", tab="ask"))


def test_a_cutoff_is_entered_with_its_source_shown_and_reset(server, open_page, tmp_path):
    at = open_page("models", tab="cutoffs", model="qwen3:8b")
    assert list(table(at, "knows until")["model"]) == ["qwen3:8b"], "an embedder decides nothing"
    field(at, "text_input", "Knows until (YYYY-MM, empty: not known)").set_value("soon")
    button(at, "Keep it").click().run()
    assert "like 2024-06" in words(at)
    field(at, "text_input", "Knows until (YYYY-MM, empty: not known)").set_value("2025-01")
    field(at, "selectbox", "How sure").set_value("stated by vendor")
    button(at, "Keep it").click().run()
    assert "Say who says so" in words(at)
    field(at, "text_input", "Who says so").set_value("the model card")
    button(at, "Keep it").click().run()
    row = table(at, "knows until").iloc[0]
    assert (row["knows until"], row["how sure"], row["who"], row["source"]) == (
        "2025-01",
        "stated by vendor",
        "entered here",
        "the model card",
    )
    assert json.loads((tmp_path / "home" / "cutoffs.json").read_text())["qwen3:8b"]["month"] == "2025-01"
    button(at, "Reset to what comes with Recollect").click().run()
    assert table(at, "knows until").iloc[0]["who"] == "comes with Recollect" and not at.exception


def test_names_from_a_server_are_only_letters_whatever_they_hold(server, open_page):
    server.models = [
        Model(HOSTILE, quantization="<b>Q4</b>", family="\u202eevil", parameter_size="$$x$$"),
        Model("y" * 500),
        Model("a$x$b:1"),
    ]
    for tab in ("installed", "ask", "cutoffs"):
        _forget()
        at = open_page("models", tab=tab, model=models_servers.text.clean(server.models[0].name, longest=300))
        assert not at.exception
        marked = "\n".join(item.value for item in at.markdown)
        assert "<img" not in marked and "](" not in marked and "\u202e" not in words(at) and "\x1b" not in words(at)


def test_the_key_of_the_other_server_is_named_and_never_shown(monkeypatch, open_page):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1234567890")
    at = open_page("models")
    assert "OPENAI_API_KEY is set" in words(at) and "sk-secret" not in words(at)
