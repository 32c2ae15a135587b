"""The monitor: it knows everything from the store and the address, and its buttons reach a real worker."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from agent.spec import Window
from services import progress, queries, runs
from services.settings import settings
from tests.pages.conftest import small_spec

HOSTILE = "![x](http://evil.test/a.png) <script>alert(1)</script> **bold**"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home of this test's own."""
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def words(at: AppTest) -> str:
    return "\n".join(item.value for item in (*at.text, *at.code, *at.markdown, *at.subheader))


def keys(at: AppTest) -> set[str]:
    return {item.key for item in at.button}


def click(at: AppTest, key: str) -> AppTest:
    return next(item for item in at.button if item.key == key).click().run()


def wait_for(run: str, days: int, seconds: float = 60) -> None:
    """Until more than ``days`` days are recorded."""
    end = time.monotonic() + seconds
    while (row := runs.store().run(run)).sessions_done <= days:
        assert row.status in runs.ACTIVE and time.monotonic() < end, runs.log_tail(run)
        time.sleep(0.05)


def test_a_finished_run_links_to_what_came_of_it_and_has_no_buttons_left(run, open_page):
    at = open_page("monitor", run=run)
    assert "The run is complete." in words(at) and not keys(at) & {"monitor_pause", "monitor_resume", "monitor_cancel"}
    assert {"Days done", "Pace"} <= {item.label for item in at.metric}
    assert len(at.dataframe[0].value) == 5


def test_without_a_run_in_the_address_the_one_in_progress_is_shown(home, open_page):
    run = runs.create(small_spec("Queued"))
    at = open_page("monitor")
    assert at.query_params["run"] == run and "loads data and models" in at.get("progress")[0].text


def test_an_interrupted_run_is_resumed_by_a_click_and_runs_to_its_end(home, open_page):
    run = runs.create(small_spec("Lost").model_copy(update={"tickers": ("DMAUR",), "train": None}))
    runs.store().claim(run, 4_000_000)
    at = open_page("monitor", run=run)
    assert "stopped without a word" in words(at)
    click(at, "monitor_resume")
    assert not at.exception
    assert runs.wait(run, 120) == "done", runs.log_tail(run)
    assert "The run is complete." in words(open_page("monitor", run=run))


def test_pause_resume_and_cancel_reach_the_worker(home, open_page):
    spec = small_spec("Long").model_copy(update={"test": Window(start="2022-01-18", end="2023-06-30")})
    run = runs.submit(spec)
    wait_for(run, 3)
    at = open_page("monitor", run=run)
    assert {"monitor_pause", "monitor_cancel"} <= keys(at)
    click(at, "monitor_pause")
    assert not at.exception and runs.wait(run, 60) == "paused"
    held = runs.store().run(run).sessions_done
    at = open_page("monitor", run=run)
    assert {"monitor_resume", "monitor_cancel"} <= keys(at)
    click(at, "monitor_resume")
    wait_for(run, held)
    click(open_page("monitor", run=run), "monitor_cancel")
    assert runs.wait(run, 60) == "cancelled"
    assert "cancelled" in words(open_page("monitor", run=run))


def test_a_failed_run_shows_its_reason_and_the_end_of_its_log_as_text_only(home, open_page):
    run = runs.create(small_spec("Failed"))
    runs.store().set_status(run, "failed", error=f"It broke: {HOSTILE}")
    settings().logs.mkdir(parents=True)
    (settings().logs / f"{run}.log").write_text(f"first\n{HOSTILE}\n")
    at = open_page("monitor", run=run)
    assert any(HOSTILE in item.value for item in at.text) and any(HOSTILE in item.value for item in at.code)
    assert not [item for item in (*at.markdown, *at.subheader, *at.caption) if "](" in item.value or "<script" in item.value]


def test_the_answer_being_written_is_shown_letter_by_letter_and_never_as_markup(home, open_page):
    run = runs.create(small_spec("Live"))
    runs.store().claim(run, os.getpid())
    runs.store().beat(run, sessions_total=56)
    body = {"ticker": "DMAUR", "day": "2022-01-19", "purpose": "decide", "text": HOSTILE, "thinking": f"hm {HOSTILE}"}
    runs.store().set_live(run, body)
    at = open_page("monitor", run=run)
    assert [item.value for item in at.code] == [f"hm {HOSTILE}", HOSTILE]
    assert "DMAUR 2022-01-19, deciding" in words(at)


def test_an_unknown_run_is_a_sentence(home, open_page):
    runs.create(small_spec())
    at = open_page("monitor", run="r-unknown")
    assert not at.exception and len(at.warning) == 1


def test_time_left_is_the_pace_of_the_last_recorded_days_times_the_days_to_come(run):
    seen = progress.look(run)
    rows = runs.store().day_rows(run).tail(30)
    assert seen.pace_s == pytest.approx((rows["ms"] + rows["model_ms"]).mean() / 1000)
    assert seen.eta_s is None and seen.share == 1.0, "a finished run has no time left"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ('{"confidence": 0.', '{"confidence": '),
        ('{"confidence": 0.7', '{"confidence": '),
        ('{"confidence": 0.75}', '{"confidence": 0.75}'),
        ('"target": -', '"target": '),
        ("in the third quarter, Q3", "in the third quarter, Q3"),
        ("it rests on M12", "it rests on M12"),
        ("up 3.5 %", "up 3.5 %"),
        ("", ""),
    ],
)
def test_a_number_shows_only_once_it_is_whole(written, shown):
    assert progress.settled(written) == shown


def test_several_runs_in_progress_are_watched_at_once_and_each_can_be_watched_alone(home, open_page):
    made = [runs.create(small_spec(name)) for name in ("First", "Second", "Third")]
    for run in made[:2]:
        runs.store().claim(run, os.getpid())
        runs.store().set_live(run, {"ticker": "DMAUR", "day": "2022-01-19", "purpose": "decide", "text": f"answer of {run}, 0.7"})
    at = open_page("monitor")
    assert {item.value for item in at.code} == {f"answer of {run}, " for run in made[:2]}
    assert len(at.get("progress")) == 3 and not at.query_params.get("run")
    assert {f"all_{run}_pause" for run in made[:2]} <= keys(at)
    at = open_page("monitor", run=made[0])
    assert [item.value for item in at.code] == [f"answer of {made[0]}, "]


def test_a_day_without_a_decision_is_asked_again_by_a_click(home, open_page):
    from tests.services.test_misbehaviour import DAYS, ran
    from tests.stand_ins.ollama_server import Model, OllamaStandIn

    with OllamaStandIn(models=[Model("qwen3:8b")], piece=400) as server:
        run, status, _ = ran(server, None, "empty", "empty")
        assert status == "failed"
        at = open_page("monitor", run=run)
        assert "1 day has no decision" in " ".join(item.value for item in at.markdown)
        assert f"{DAYS - 1} recorded days from" in words(at)
        click(at, "monitor_retry")
        assert not at.exception
        assert runs.wait(run, 120) == "done", runs.log_tail(run)
    at = open_page("monitor", run=run)
    assert "no decision" not in " ".join(item.value for item in at.markdown)
    assert "1 day asked again" in queries.marks(queries.run(run))
