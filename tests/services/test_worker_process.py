"""A run as a real process: killed at random moments and resumed, paused, cancelled, claimed once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.exports import WALL_CLOCK

ROOT = Path(__file__).parents[2]
FLAGS = [
    *("--source", "demo", "--tickers", "DMAUR,DMCEL", "--train", "2021-11-15:2021-12-31", "--test", "2022-01-03:2022-03-31"),
    *("--embedder", "hashing", "--backend", "rules"),
]


def cli(home: Path, *args: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "RECOLLECT_HOME": str(home), "RECOLLECT_DEMO_ON_START": "false"}
    return subprocess.run([sys.executable, "cli.py", *args], cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout)


def exported(home: Path, run: str) -> dict[str, object]:
    """The export with the fields that the manifest itself names as wall clock taken out."""
    out = home / "out" / run
    done = cli(home, "export", run, "--out", str(out))
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = {}
    for path in sorted(out.iterdir()):
        if path.suffix == ".jsonl":
            found[path.name] = [without(json.loads(line), WALL_CLOCK.get(path.name, [])) for line in path.read_text().splitlines()]
        elif path.suffix == ".json":
            found[path.name] = without(json.loads(path.read_text()), WALL_CLOCK.get(path.name, []))
        else:
            found[path.name] = path.read_bytes()
    return found


def without(value: dict, fields: list[str]) -> dict:
    for field in fields:
        if field == "thought.calls[].ms":
            for call in value["thought"]["calls"]:
                call.pop("ms")
        else:
            value.pop(field, None)
    return value


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def unbroken(home) -> str:
    done = cli(home, "run", *FLAGS, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["run"]


def test_a_run_killed_ten_times_and_resumed_exports_the_same_as_an_unbroken_one(home, unbroken):
    env = {**os.environ, "RECOLLECT_HOME": str(home), "RECOLLECT_DEMO_ON_START": "false"}
    chance, kills, run = random.Random(20261121), 0, None
    deadline = time.monotonic() + 600
    while kills < 10:
        assert time.monotonic() < deadline, "ten kills took too long"
        args = ["resume", run] if run else ["run", *FLAGS]
        process = subprocess.Popen(
            [sys.executable, "cli.py", *args], cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        run = run or newest(home, unbroken, process)
        before = records(home, run)
        while process.poll() is None and records(home, run) < before + 3:
            time.sleep(0.02)
        time.sleep(chance.random() * 0.25)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        if status(home, run) == "done":
            pytest.fail(f"the run ended after {kills} kills: make it longer")
    done = cli(home, "resume", run)
    assert done.returncode == 0, done.stderr
    assert exported(home, run) == exported(home, unbroken)


def _store(home: Path):
    from storage.run_store import RunStore

    return RunStore(f"sqlite:///{home / 'runs.db'}")


def newest(home: Path, other: str, process: subprocess.Popen) -> str:
    while process.poll() is None:
        found = [row.id for row in _store(home).runs() if row.id != other]
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError("the run ended before it began")


def records(home: Path, run: str) -> int:
    return _store(home).run(run).sessions_done


def status(home: Path, run: str) -> str:
    return _store(home).run(run).status


def test_a_resume_with_another_spec_is_refused_and_names_the_field(home, unbroken, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"tickers": ["DMAUR"], "test": {"start": "2022-01-03", "end": "2022-02-28"}}))
    row = _store(home).run(unbroken)
    assert row.status == "done"
    _store(home).set_status(unbroken, "paused")
    refused = cli(home, "resume", unbroken, "--spec", str(other))
    _store(home).set_status(unbroken, "done")
    assert refused.returncode == 2 and "another spec" in refused.stderr


def test_pause_resume_and_cancel_reach_a_worker_in_its_own_process(home, monkeypatch):
    monkeypatch.setenv("RECOLLECT_HOME", str(home))
    from services import runs
    from services.settings import settings

    settings.cache_clear()
    try:
        spec = _store(home).runs()[-1].spec.model_copy(update={"seed": 99})
        run = runs.submit(spec)
        wait_for(lambda: records(home, run) > 2)
        runs.pause(run)
        assert runs.wait(run, 60) == "paused"
        held = records(home, run)
        time.sleep(0.5)
        assert records(home, run) == held
        runs.resume(run)
        wait_for(lambda: records(home, run) > held)
        runs.cancel(run)
        assert runs.wait(run, 60) == "cancelled"
        assert records(home, run) >= held
        runs.delete(run)
        assert run not in [row.id for row in _store(home).runs()]
        assert not list(home.rglob(f"*{run}*"))
    finally:
        settings.cache_clear()


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
