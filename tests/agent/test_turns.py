"""Turns before a model among processes: every run is one. (Within a process: tests/agent/test_ollama_plan.py.)"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.llm import turns as of_this_process
from agent.llm.base import Stopped
from agent.llm.turns import turns

ROOT = Path(__file__).parents[2]
URL, MODEL = "http://127.0.0.1:11434", "a-model-of-this-test:1b"
WORKER = f"""
import sys, time
from agent.llm.turns import turns
most, calls, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
for _ in range(calls):
    with turns("{URL}", "{MODEL}").taken(most=most):
        began = time.monotonic()
        print("in", flush=True)
        time.sleep(seconds)
        print(f"{{began}} {{time.monotonic()}}", flush=True)
"""


@pytest.fixture(autouse=True)
def _own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield


def process(most: int, calls: int, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(most), str(calls), str(seconds)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def spans(made: list[subprocess.Popen[str]]) -> list[list[tuple[float, float]]]:
    """When each process had its turns."""
    said = [one.communicate(timeout=60)[0].splitlines() for one in made]
    return [[(float(line.split()[0]), float(line.split()[1])) for line in lines if line != "in"] for lines in said]


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_questions_at_once_than_the_server_takes_from_several_processes(most: int) -> None:
    found = spans([process(most, 4, 0.1) for _ in range(3)])
    everything = sorted(span for mine in found for span in mine)
    assert len(everything) == 12
    at_once = [sum(begins <= begun < ends for begins, ends in everything) for begun, _ in everything]
    assert max(at_once) == most


def test_who_asks_again_at_once_does_not_keep_the_others_out() -> None:
    first, second = spans([process(1, 8, 0.15) for _ in range(2)])
    late = max(first[0], second[0])[0]
    before = [span for span in (*first, *second) if late <= span[0] < min(first[-1][1], second[-1][1])]
    mine = [span in first for span in sorted(before)]
    assert sum(one != other for one, other in itertools.pairwise(mine)) >= len(mine) // 2, mine  # they take turns


def test_a_process_that_is_killed_gives_its_turn_back() -> None:
    holder = process(1, 1, 60.0)
    assert holder.stdout is not None and holder.stdout.readline() == "in\n"
    began = time.monotonic()
    threading.Timer(0.5, holder.kill).start()
    with turns(URL, MODEL).taken(most=1):
        waited = time.monotonic() - began
    holder.communicate(timeout=10)
    assert 0.4 < waited < 5


def test_a_stop_is_heard_while_another_process_has_the_turn() -> None:
    holder = process(1, 1, 60.0)
    assert holder.stdout is not None and holder.stdout.readline() == "in\n"
    began = time.monotonic()
    with pytest.raises(Stopped), turns(URL, MODEL).taken(most=1, cancelled=lambda: time.monotonic() > began + 0.3):
        raise AssertionError("it was not its turn")
    assert time.monotonic() - began < 2
    holder.kill()
    holder.communicate(timeout=10)
    with turns(URL, MODEL).taken(most=1):
        pass  # the one that was called off left nothing behind


def test_without_a_folder_for_locks_the_question_is_asked_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no-such-folder"))
    assert of_this_process._folder() is None
    with turns(URL, MODEL).taken(most=1):
        pass


def test_a_folder_that_is_a_link_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"recollect-turns-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert of_this_process._folder() is None
