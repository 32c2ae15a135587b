"""The promise of a batch: killed twice in the middle, workers and all, and resumed, it ends as if its runs had been made one by one."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services import batch_spec, batches, runs, worker
from services.batch_spec import BatchSpec
from services.settings import settings
from tests.services.batch_world import small, two_models


@pytest.fixture(scope="module")
def asked() -> Iterator[BatchSpec]:
    """2 models x 3 tickers x 2 characters x 2 seeds."""
    with two_models() as models:
        yield small(
            models=models,
            tickers=["DMAUR", "DMCEL", "DMBRS"],
            characters=["risk_seeking", "risk_averse"],
            seeds=[1, 2],
            limits={"ollama": 1, "openai_compatible": 1},
        )


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """``at_home("name")``: from now on this process and those that it starts use that empty home."""

    def go(name: str) -> None:
        monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / name))
        settings.cache_clear()

    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    monkeypatch.setenv("RECOLLECT_HEARTBEAT_S", "0.5")
    yield go
    settings.cache_clear()


def digest(run: str) -> str:
    """Everything a run decided and what became of the money, day by day."""
    days = runs.store().day_rows(
        run, columns=["ticker", "day", "action", "target_weight", "confidence", "summary", "equity", "cash", "shares"]
    )
    assert len(days) == 7
    return hashlib.sha256(days.to_csv(index=False).encode()).hexdigest()


def killed(batch: str) -> str | None:
    """Kill -9 the batch's worker and the worker of a run in the middle of that run, which is returned; None if all ended meanwhile."""
    for entry in batches.view(batch).entries:
        if entry.state != "running" or not entry.row.sessions_done or entry.row.pid in (None, os.getpid()):
            continue
        os.kill(entry.row.pid, signal.SIGSTOP)  # so that the run does not end between the look and the kill
        now = runs.store().run(entry.member.run)
        if now.status != "running" or now.sessions_done == now.sessions_total:
            os.kill(entry.row.pid, signal.SIGCONT)
            continue
        leader = batches.book().batch(batch)
        assert batches.alive(leader) and leader.pid
        os.kill(leader.pid, signal.SIGKILL)
        os.kill(entry.row.pid, signal.SIGKILL)
        until(lambda: batches.state(batches.book().batch(batch)) == "interrupted")
        return entry.member.run
    return None


def until(condition: Callable[[], Any], seconds: float = 240) -> Any:
    """What ``condition`` gives once it gives something."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


def over(batch: str) -> int:
    return batches.view(batch).counts.get("done", 0)


def _kill_and_resume(batch: str, *, after: int) -> None:
    until(lambda: over(batch) >= after)
    broken = until(lambda: killed(batch))
    assert over(batch) < 23, "it was killed in the middle"
    until(lambda: runs.state(runs.store().run(broken)) == "interrupted")
    batches.resume(batch)


@pytest.mark.slow
def test_a_batch_killed_twice_and_resumed_is_complete_without_doubles_and_the_same_as_one_after_the_other(asked, at_home):
    at_home("one-by-one")
    alone = []
    for cell in batch_spec.expand(asked):
        run = runs.create(cell.spec)
        assert worker.execute(run) == "done", runs.store().run(run).error
        alone.append(digest(run))
    assert len(set(alone)) > 12, "the runs differ, so that a mix-up would show"

    at_home("batch")
    batch = batches.submit(asked)
    fixed = [entry.member.run for entry in batches.view(batch).entries]
    _kill_and_resume(batch, after=4)
    _kill_and_resume(batch, after=12)
    until(lambda: batches.state(batches.book().batch(batch)) not in runs.ACTIVE)

    seen = batches.view(batch)
    assert seen.state == "done" and seen.counts == {"done": 24}, batches.log_tail(batch)
    assert [entry.member.run for entry in seen.entries] == fixed, "which run is which was settled before any started"
    assert sorted(row.id for row in runs.store().runs()) == sorted(fixed), "no run beside them, none missing"
    assert len({row.fingerprint for row in runs.store().runs()}) == 24
    assert [digest(run) for run in fixed] == alone
