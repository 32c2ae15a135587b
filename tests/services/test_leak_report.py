"""A run that sees the future ends as failed with nothing of that day kept; every other run exports what was known when."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli
from agent.memory.layers import preset
from agent.records import DayRecord, Segment, Thought
from agent.spec import RunSpec
from agent.strategies import STRATEGIES
from agent.strategies.base import Today
from agent.strategies.hold import BuyAndHold
from services import exports, queries, runs, worker
from services.settings import settings

LEAKS_ON = date(2022, 1, 24)


class PeekingHold(BuyAndHold):
    """Buy and hold that shows off tomorrow's paper from one session on, unless the file ``cured`` lies in the home folder."""

    def day(self, today: Today) -> Thought:
        thought = super().day(today)
        if today.seen.session < LEAKS_ON or (settings().home / "cured").exists():
            return thought
        late = today.seen.cutoff + timedelta(hours=17)
        paper = Segment(name="news", role="user", text="Tomorrow's paper", tokens=4, available_at=late)
        return thought.model_copy(update={"segments": (paper,)})


def spec(**changes) -> RunSpec:
    base = {
        "source": "demo",
        "tickers": ["DMAUR"],
        "train": {"start": "2022-01-03", "end": "2022-01-07"},
        "test": {"start": "2022-01-18", "end": "2022-01-28"},
        "backend": "rules",
        "memory": preset("default").model_copy(update={"embedder": "hashing"}).model_dump(),
    }
    return RunSpec.read(base | changes)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Iterator[Path]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(STRATEGIES._entries, "peeking", "tests.services.test_leak_report:PeekingHold")
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


def test_a_run_that_sees_the_future_fails_with_the_sentence_and_keeps_only_the_days_before(home):
    run = runs.create(spec(strategy="peeking"))
    assert worker.execute(run) == "failed"
    found = queries.run(run)
    assert found.error.startswith('DMAUR 2022-01-24: the segment "news" of the decide prompt became readable at 2022-01-25 14:00:00 UTC')
    assert "after the decision of 2022-01-24 21:00:00 UTC. Nothing of this day is recorded" in found.error
    assert queries.session_days(run, "DMAUR")[-1] == date(2022, 1, 21)
    assert found.leaks is not None and found.leaks.verdict == "violated" and found.leaks.sentence == found.error
    assert queries.leaks(run) == found.leaks


def test_a_run_stopped_for_look_ahead_stops_again_and_goes_on_once_the_cause_is_gone(home):
    run = runs.create(spec(strategy="peeking"))
    assert worker.execute(run) == worker.execute(run) == "failed"
    assert queries.session_days(run, "DMAUR")[-1] == date(2022, 1, 21)
    (home / "cured").touch()
    assert worker.execute(run) == "done"
    assert queries.session_days(run, "DMAUR")[-1] == date(2022, 1, 28)
    assert queries.leaks(run).verdict == "ok"


def test_the_command_line_ends_with_1_and_the_sentence(home):
    flags = {"--source": "demo", "--tickers": "DMAUR", "--strategy": "peeking", "--test": "2022-01-18:2022-01-28", "--embedder": "hashing"}
    found = CliRunner().invoke(cli.app, ["run", *(part for pair in flags.items() for part in pair)])
    assert found.exit_code == 1 and "became readable at 2022-01-25 14:00:00 UTC" in found.output
    assert "Traceback" not in found.output


def test_the_export_lists_every_segment_and_its_report_is_the_one_that_was_kept(home, tmp_path):
    run = runs.create(spec())
    assert worker.execute(run) == "done"
    counts = exports.export(run, tmp_path / "out")
    report = json.loads((tmp_path / "out" / "leaks.json").read_text())
    rows = list(csv.DictReader((tmp_path / "out" / "leaks.csv").open()))
    kept = queries.run(run).leaks
    assert kept is not None and report["verdict"] == "ok" and report["sentence"] == kept.sentence
    assert report == {"verdict": "ok", "sentence": kept.sentence, **json.loads(kept.model_dump_json())}
    assert len(rows) == counts["leaks.csv"] == report["dated"] + report["fixed"]
    assert sum(row["available_at"] != "" for row in rows) == report["dated"]
    assert {row["purpose"] for row in rows} == {"decide", "study"}
    for row in rows:
        if row["available_at"]:
            margin = datetime.fromisoformat(row["decision_at"]) - datetime.fromisoformat(row["available_at"])
            assert float(row["margin_s"]) == margin.total_seconds() >= 0
        else:
            assert row["margin_s"] == ""
    assert report["undated"] == {} and report["unsourced"] == {}


def test_a_report_that_was_not_kept_is_counted_anew_and_is_the_same(home):
    run = runs.create(spec())
    worker.execute(run)
    store, kept = runs.store(), queries.leaks(run)
    summary = dict(store.run(run).summary)
    store.set_summary(run, {**summary, "leaks": {"shape": "of another version"}})
    assert queries.run(run).leaks is None and queries.leaks(run) == kept
    summary.pop("leaks")
    store.set_summary(run, summary)
    assert queries.run(run).leaks is None and queries.leaks(run) == kept


def test_a_paused_run_reports_all_of_it_once_it_has_gone_on(home):
    run = runs.create(spec())
    seen = []

    def pause(record: DayRecord, done: int, total: int) -> None:
        seen.append(done)
        if done == 4:
            runs.store().ask(run, "pause")
            time.sleep(0.25)  # the worker looks at most every 0.2 s

    assert worker.execute(run, on_record=pause) == "paused"
    assert queries.leaks(run).days == seen[-1] < 14
    assert worker.execute(run) == "done"
    assert queries.leaks(run).days == runs.store().run(run).sessions_done == 14


def test_a_day_recorded_before_times_were_kept_can_be_read(home):
    run = runs.create(spec())
    worker.execute(run)
    body = queries.record(run, "DMAUR", date(2022, 1, 24)).model_dump(mode="json")
    for segment in body["thought"]["segments"]:
        segment.pop("purpose")
    for recall in body["thought"]["recalls"]:
        recall.pop("available_at")
    for name in ("fundamentals", "unsourced"):
        body["observation"].pop(name)
    read = DayRecord.model_validate(body)
    assert {s.purpose for s in read.thought.segments} == {"decide"} and read.thought.recalls[0].available_at is None
    assert read.observation.cutoff == datetime(2022, 1, 24, 21, tzinfo=UTC)
