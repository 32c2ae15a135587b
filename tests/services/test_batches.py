"""What a person can do with a batch, and that a batch does what its store says and no more. Runs are real; where they run is varied."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import SpecError
from services import batch_limits, batch_worker, batches, runs, worker
from services.settings import settings
from tests.services.batch_world import Beside, Deadly, Here, small


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


def counts(batch: str) -> dict[str, int]:
    return batches.view(batch).counts


def ids(batch: str) -> list[str]:
    return [entry.member.run for entry in batches.view(batch).entries]


def test_nothing_is_in_the_library_before_its_turn_and_every_run_has_its_id_from_the_start():
    batch = batches.create(small(seeds=[1, 2, 3]))
    before = ids(batch)
    assert runs.store().runs() == [] and counts(batch) == {"waiting": 3}
    assert batch_worker.work(batch, runner=Here()) == "done"
    assert ids(batch) == before and sorted(row.id for row in runs.store().runs()) == sorted(before)
    assert counts(batch) == {"done": 3} and batches.view(batch).share == 1.0


def test_results_are_grouped_over_seeds_by_median_and_only_runs_that_are_done_count():
    batch = batches.create(small(seeds=[1, 2, 3], characters=["risk_seeking", "risk_averse"]))
    batch_worker.work(batch, runner=Here())
    frame = batches.table(batches.view(batch))
    frame.loc[:2, "return"] = [0.3, 0.1, -0.5]
    frame.loc[2, "state"] = "failed"
    (first, second) = batches.groups(frame).to_dict("records")
    assert (first["seeds"], first["done"], len(first["runs"])) == (3, 2, 2)
    assert math.isclose(first["return"], 0.2) and (first["return_min"], first["return_max"]) == (0.1, 0.3)
    assert second["done"] == 3 and second["character"] == "risk_averse"


def test_a_run_that_fails_does_not_stop_the_others_and_can_be_tried_again(home, monkeypatch):
    batch = batches.create(small(models=["rules", {"backend": "ollama", "model": "m:1b", "base_url": "http://127.0.0.1:9", "retries": 0}]))
    assert batch_worker.work(batch, runner=Here()) == "done"
    assert counts(batch) == {"failed": 1, "done": 1}
    frame = batches.table(batches.view(batch))
    assert "127.0.0.1:9" in frame["error"].iloc[1] and batches.groups(frame)["done"].tolist() == [1, 0]
    with pytest.raises(SpecError, match="1 failed and can be tried again"):
        batches.prepare_resume(batch)
    assert batches.prepare_retry(batch) == 1
    runner = Here()
    batch_worker.work(batch, runner=runner)
    assert runner.started == [ids(batch)[1]], "what is done is not made again"


def test_a_worker_that_keeps_dying_on_one_day_ends_as_a_failed_run_and_the_batch_goes_on():
    batch = batches.create(small(seeds=[1, 2]))
    runner = Deadly()
    assert batch_worker.work(batch, runner=runner) == "done"
    assert counts(batch) == {"failed": 2} and len(runner.started) == 6
    assert "ended without a word 3 times" in batches.view(batch).entries[0].row.error
    batches.prepare_retry(batch)
    assert batch_worker.work(batch, runner=Here()) == "done" and counts(batch) == {"done": 2}


def test_a_run_broken_off_in_the_middle_is_finished_and_what_is_done_is_left_alone():
    batch = batches.create(small(seeds=[1, 2, 3]))
    first, second, _ = ids(batch)
    for run, member in zip((first, second), batches.view(batch).entries, strict=False):
        runs.store().create(member.member.spec, run_id=run, provenance={})
        batches.book().begun(run)
    assert worker.execute(first) == "done"
    worker.execute(second)
    runs.store().rewind(second, runs.store().last_records(second)["DMAUR"].day)
    runs.store().set_status(second, "queued")
    runs.store().claim(second, 4_000_000)
    assert counts(batch) == {"interrupted": 1, "waiting": 1, "done": 1}
    runner = Here()
    assert batch_worker.work(batch, runner=runner) == "done"
    assert runner.started == ids(batch)[1:] and counts(batch) == {"done": 3}


def test_a_run_that_another_process_works_on_is_waited_for_and_not_started_again():
    batch = batches.create(small(seeds=[1, 2]))
    first = batches.view(batch).entries[0].member
    runs.store().create(first.spec, run_id=first.run, provenance={})
    batches.book().begun(first.run)
    runs.store().claim(first.run, os.getpid())  # alive: this very process
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 6:
            runs.store().set_status(first.run, "done")

    runner = Here()
    assert batch_worker.work(batch, runner=runner, on_look=look) == "done"
    assert runner.started == [ids(batch)[1]]
    assert len(looks) >= 6 and counts(batch) == {"done": 2}, "it was waited for"


def test_two_processes_never_work_on_one_batch():
    batch = batches.create(small())
    assert batches.book().claim(batch, os.getppid())
    with pytest.raises(SpecError, match="another process"):
        batch_worker.work(batch, runner=Here())
    with pytest.raises(SpecError, match="being worked on already"):
        batches.prepare_resume(batch)


@pytest.mark.parametrize(("wish", "status"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_batch_stops_after_the_days_in_hand_and_goes_on_to_the_same_end(wish, status):
    batch = batches.create(
        small(seeds=[1, 2, 3], base={**small().base, "test": {"start": "2022-01-18", "end": "2022-03-31"}}, limits={"rules": 2})
    )

    def look() -> None:
        if any(entry.row is not None and entry.row.sessions_done > 3 for entry in batches.view(batch).entries):
            (batches.pause if wish == "pause" else batches.cancel)(batch)

    assert batch_worker.work(batch, runner=Beside(), on_look=look) == status
    seen = batches.view(batch)
    assert seen.state == status and not seen.counts.get("running") and seen.counts.get("waiting", 0) >= 1
    assert seen.counts.get(status, 0) + seen.counts.get("done", 0) + seen.counts["waiting"] == 3
    batches.prepare_resume(batch)
    assert batch_worker.work(batch, runner=Here()) == "done" and counts(batch) == {"done": 3}


def test_a_batch_nobody_works_on_can_be_paused_cancelled_and_resumed_at_once():
    batch = batches.create(small(seeds=[1, 2]))
    batches.pause(batch)
    assert batches.view(batch).state == "paused"
    batches.cancel(batch)
    assert batches.view(batch).state == "cancelled"
    with pytest.raises(SpecError, match="already ended"):
        batches.pause(batch)
    batches.prepare_resume(batch)
    assert batches.view(batch).state == "queued"


def test_a_deleted_run_keeps_its_place_in_the_batch_is_said_to_be_deleted_and_is_not_made_again():
    batch = batches.create(small(seeds=[1, 2]))
    batch_worker.work(batch, runner=Here())
    gone = ids(batch)[0]
    assert batches.of_run(gone) == (batch, f"Batch {batch}", 1)
    runs.delete(gone)
    assert counts(batch) == {"deleted": 1, "done": 1}
    assert batches.table(batches.view(batch))["return"].isna().tolist() == [True, False]
    with pytest.raises(SpecError, match="complete"):
        batches.prepare_resume(batch)


@pytest.mark.parametrize("with_runs", [True, False])
def test_a_deleted_batch_leaves_its_runs_unless_they_are_to_go_too(with_runs):
    batch = batches.create(small(seeds=[1, 2]))
    batch_worker.work(batch, runner=Here())
    assert batches.belongings(batch) == {"runs": 2, "recorded days": 14}
    assert batches.delete(batch, with_runs=with_runs) == (2 if with_runs else 0)
    assert len(runs.store().runs()) == (0 if with_runs else 2) and batches.rows() == []


def test_a_batch_or_run_at_work_is_not_deleted():
    batch = batches.create(small(seeds=[1, 2]))
    batches.book().claim(batch, os.getppid())
    with pytest.raises(SpecError, match="cancel it before"):
        batches.delete(batch)
    batches.book().set_status(batch, "paused")
    first = batches.view(batch).entries[0].member
    runs.store().create(first.spec, run_id=first.run, provenance={})
    runs.store().claim(first.run, os.getpid())
    with pytest.raises(SpecError, match="still at work"):
        batches.delete(batch, with_runs=True)


def test_no_more_runs_than_the_limit_are_at_work_whatever_batch_they_belong_to():
    one = batch_limits.take({"ollama": 2})
    other = batch_limits.take({"ollama": 2})
    assert one is not None and other is not None
    assert batch_limits.take({"ollama": 2}) is None and batch_limits.take({"ollama": 1}) is None
    wider = batch_limits.take({"ollama": 3, "http://127.0.0.1:9": 1})
    assert wider is not None
    assert batch_limits.take({"rules": 1, "http://127.0.0.1:9": 1}) is None, "both limits count"
    assert batch_limits.take({"rules": 1}) is not None, "what was refused took nothing"
    one.let_go()
    assert batch_limits.take({"ollama": 2}) is None and batch_limits.take({"ollama": 3}) is not None


def test_a_batch_keeps_to_its_limit():
    batch = batches.create(small(seeds=[1, 2, 3, 4], limits={"rules": 2}))
    most: list[int] = []

    class Counting(Beside):
        def start(self, run, place):
            made = super().start(run, place)
            most.append(sum(entry.state in runs.ACTIVE for entry in batches.view(batch).entries))
            return made

    assert batch_worker.work(batch, runner=Counting()) == "done"
    assert max(most) <= 2 and len(most) == 4


def test_an_id_is_found_by_its_beginning_and_a_wrong_one_is_named():
    with pytest.raises(SpecError, match="none yet"):
        batches.find("b1")
    batch = batches.create(small())
    assert batches.find(batch[:5]).id == batch
    with pytest.raises(SpecError, match="bzzzz"):
        batches.find("bzzzz")
