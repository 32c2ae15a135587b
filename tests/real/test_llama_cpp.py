"""A real inference server: llama.cpp behind ``llama_cpp.server``, with a model of random weights that is made here.

Skipped where llama-cpp-python is not installed; it is built from source, which takes about ten minutes on two cores:

    python -m venv llama && llama/bin/pip install "llama-cpp-python[server]==0.3.36" gguf
    RECOLLECT_LLAMA_PYTHON=llama/bin/python python -m pytest tests/real
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from agent.decision.parse import read_decision
from agent.errors import DecisionError, PromptTooLong
from agent.llm.base import WAYS, Chunk, Message, NoNotes, Stopped
from agent.llm.openai_compatible import OpenAICompatibleBackend, OpenAICompatibleOptions
from agent.records import DayRecord
from agent.spec import RunSpec
from services import runs, worker
from services.settings import settings
from tests.contracts.test_backends import decide, situation

WINDOW = 8192
NAMED = r"weight|probabilities|expected_direction|target_weight|confidence|horizon|cut off"  # the field that breaks a rule, or the limit
NEEDS = ("llama_cpp.server", "uvicorn", "gguf")
ROOT = Path(__file__).resolve().parents[2]


@lru_cache(maxsize=1)
def interpreter() -> str:
    """The Python that has llama-cpp-python with its server; empty if there is none."""
    for candidate in (os.environ.get("RECOLLECT_LLAMA_PYTHON", ""), sys.executable):
        wanted = f"from importlib.util import find_spec; raise SystemExit(any(find_spec(n) is None for n in {NEEDS!r}))"
        try:
            if candidate and subprocess.run([candidate, "-c", wanted], capture_output=True, timeout=60).returncode == 0:
                return candidate
        except (OSError, subprocess.TimeoutExpired):
            continue
    return ""


pytestmark = [
    pytest.mark.real_server,
    pytest.mark.skipif(
        not interpreter(),
        reason="needs llama-cpp-python[server] and gguf (built from source, ten minutes): install them, or name a Python that has them in RECOLLECT_LLAMA_PYTHON",
    ),
]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the tiny model, ready to answer."""
    folder, port = tmp_path_factory.mktemp("llama"), free_port()
    model = folder / "tiny.gguf"
    subprocess.run([interpreter(), "-m", "tests.real.tiny_model", str(model)], cwd=ROOT, check=True, capture_output=True, timeout=120)
    command = [interpreter(), "-m", "llama_cpp.server", "--model", str(model), "--n_ctx", str(WINDOW), "--n_threads", "1"]
    log = folder / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], stdout=out, stderr=subprocess.STDOUT, cwd=folder)
    try:
        wait_for(f"http://127.0.0.1:{port}/v1/models", server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path, *, seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"no server after {seconds} s: {log.read_text(errors='replace')[-2000:]}")


def thinker(url: str, *, notes: NoNotes | None = None, **options: object) -> OpenAICompatibleBackend:
    given = {"base_url": url, "window": WINDOW, "temperature": 1.0, "first_token_timeout_s": 60, "total_timeout_s": 120, **options}
    return OpenAICompatibleBackend(OpenAICompatibleOptions(**given), notes=notes, backoff_s=0.05)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------------------ one answer


def test_the_server_is_found_and_its_only_model_need_not_be_named(url: str) -> None:
    one = thinker(url)
    health = one.check()
    assert health.ok and "tiny.gguf" in health.message
    known = one.warm_up()
    assert known["model"].endswith("tiny.gguf") and known["way"] in WAYS
    assert known["budget"] == {
        "window": WINDOW,
        "answer": 2048,
        "characters_per_token": 3.6,
        "measured": False,
    }  # it tells no window itself


def test_it_takes_a_schema_only_beside_json_object_and_the_next_run_knows(url: str) -> None:
    notes = NoNotes()
    first = thinker(url, notes=notes)
    first.warm_up()
    done = first.complete(decide())
    assert done.way == "schema" and done.options["structured"] == "json_object with schema"
    assert all("json_object" in words for words in done.options["refused"].values())  # Input should be 'text' or 'json_object'
    assert list(json.loads(done.text)) == list(decide().answer_schema["properties"])
    assert json.loads(done.text)["cited"]["short"] in ([], [3])  # ids are enumerated
    second = thinker(url, notes=notes)
    assert second.warm_up()["asked"]["structured"] == "json_object with schema"


def test_the_form_alone_leaves_numbers_unbound_and_the_judge_finds_them(url: str) -> None:
    """What a schema cannot bind here: whole numbers have no limits, and no rule between two fields is kept."""
    with pytest.raises(DecisionError, match=NAMED):
        read_decision(thinker(url).complete(decide()).text, situation())


def test_bound_to_the_rules_even_noise_is_a_valid_decision(url: str) -> None:
    one = thinker(url, bind="rules")
    for seed in range(4):
        done = one.complete(decide().model_copy(update={"seed": seed}))
        decision = read_decision(done.text, situation())
        assert decision.action in ("buy", "hold") and abs(sum(decision.probabilities.values()) - 1) < 1e-9
        assert done.options["bind"] == "rules"


def test_the_same_seed_gives_the_same_answer_and_another_seed_another(url: str) -> None:
    one = thinker(url, bind="rules")
    ask = lambda seed: one.complete(decide().model_copy(update={"seed": seed})).text  # noqa: E731
    first = ask(1)
    assert ask(1) == first and ask(2) != first


def test_a_question_too_long_is_counted_although_its_stream_ends_without_a_word(url: str) -> None:
    notes = NoNotes()
    one = thinker(url, notes=notes)
    long = (*decide().messages, Message(role="user", content="word on the market " * 4000))
    with pytest.raises(PromptTooLong, match="maximum context length is 8192 tokens") as caught:
        one.complete(decide().model_copy(update={"messages": long}))
    assert caught.value.window == WINDOW and caught.value.counted is not None and caught.value.counted > WINDOW
    assert not caught.value.cut
    learnt = thinker(url, notes=notes).warm_up()["budget"]  # the refusal taught how long its tokens are
    assert learnt["measured"] and 1 < learnt["characters_per_token"] < 3.6


def test_a_cancel_ends_the_generation_and_the_server_answers_the_next(url: str) -> None:
    one = thinker(url, bind="rules")
    heard: list[Chunk] = []
    with pytest.raises(Stopped):
        one.complete(decide(), on_chunk=heard.append, cancelled=lambda: len(heard) > 5)
    assert one.complete(decide()).text


# ------------------------------------------------------------------------------------------------------------------- whole runs


def whole_run(url: str, *, last: str, **options: object) -> tuple[str, str, list[DayRecord]]:
    """(status, error, records) of a run on the demo market from 2022-01-07 to ``last``, through the store and the worker."""
    given = {"base_url": url, "window": WINDOW, "temperature": 1.0, "max_tokens": 2048, **options}
    spec = RunSpec.read(
        {
            "name": "noise",
            "source": "demo",
            "tickers": ["DMAUR"],
            "train": {"start": "2022-01-04", "end": "2022-01-06"},
            "test": {"start": "2022-01-07", "end": last},
            "backend": "openai_compatible",
            "backend_options": given,
        }
    )
    spec = spec.model_copy(update={"memory": spec.memory.model_copy(update={"embedder": "hashing"})})
    runs.refuse(runs.preflight(spec))
    run = runs.create(spec)
    status = worker.execute(run)
    store = runs.store()
    return status, store.run(run).error or "", list(store.records(run))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


def test_a_whole_short_run_completes_with_a_valid_decision_on_every_day(url: str, home: Path) -> None:
    status, error, records = whole_run(url, last="2022-01-14", bind="rules")
    decisions = [record.thought.decision for record in records if record.phase == "test" and record.thought.decision]
    assert [decision.abstained for decision in decisions] == [None] * 6
    assert {decision.provenance for decision in decisions} <= {"model", "re-asked"}
    assert len({decision.summary for decision in decisions}) > 1  # noise, and not one sentence
    calls = [call.completion for record in records for call in record.thought.calls if call.completion]
    assert {done.way for done in calls} == {"schema"} and all(json.loads(done.text) for done in calls)
    assert status == "done" and error == ""


def test_without_the_rules_every_day_says_why_it_has_no_decision(url: str, home: Path) -> None:
    status, error, records = whole_run(url, last="2022-01-11", max_tokens=1024)
    decisions = [record.thought.decision for record in records if record.phase == "test" and record.thought.decision]
    silent = [decision.abstained for decision in decisions if decision.abstained]
    assert len(decisions) == 3 and silent and all(re.search(NAMED, reason) for reason in silent)
    assert status == "failed" and "usable decision" in error  # noise is told apart from a model that decides
