"""The library page: what it lists, what it offers for a run, and that nothing is deleted before it was named and confirmed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from services import demo, progress, queries, runs
from services.settings import settings
from tests.pages.conftest import ROOT, small_spec

HOSTILE = "![x](http://evil.test/a.png) **run** <b>"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home of this test's own."""
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def words(at: AppTest) -> str:
    return "\n".join(item.value for item in (*at.text, *at.caption, *at.subheader, *at.markdown))


def button(at: AppTest, key: str):
    return next((item for item in at.button if item.key == key), None)


def lost(name: str = "Lost") -> str:
    """A run whose worker died without a word."""
    run = runs.create(small_spec(name))
    runs.store().claim(run, 4_000_000)
    runs.store().beat(run, sessions_total=56)
    return run


def test_the_library_lists_a_run_with_its_result(run, open_page):
    at = open_page("runs")
    (table,) = [item.value for item in at.dataframe]
    row = table.iloc[0]
    figures = queries.run(run).summary
    assert (
        row["status"] == "✓ done"
        and row["decided by"] == "rules, no LLM"
        and row["marks"].endswith("rules, no LLM")
        and row["tickers"] == "DMAUR, DMBRS"
    )
    assert row["return"] == pytest.approx(figures["cum_return"]) and row["benchmark"] == pytest.approx(figures["benchmark_return"])
    assert row["excess"] == pytest.approx(figures["cum_return"] - figures["benchmark_return"])
    assert len(row["equity"]) == 21 and row["window"] == "2022-01-18 → 2022-02-15"
    assert button(at, "delete_run") is None, "no run is chosen, so there is nothing to act on"


def test_a_chosen_run_offers_its_actions_and_the_address_keeps_it(run, open_page):
    at = open_page("runs", run=run)
    assert {"open_run", "monitor_run", "duplicate_run", "delete_run"} <= {item.key for item in at.button}
    assert at.query_params["run"] == run
    button(at, "open_run").click().run()
    assert not at.exception and at.title[0].value == "Overview"


def test_duplicating_leads_to_the_form_filled_with_the_same_settings(run, open_page):
    at = open_page("runs", run=run)
    button(at, "duplicate_run").click().run()
    assert not at.exception and at.title[0].value == "New run"
    assert at.multiselect[0].value == ["DMAUR", "DMBRS"]


def test_the_words_of_the_search_must_all_occur(run, open_page):
    assert len(open_page("runs", find="small dmaur").dataframe) == 1
    at = open_page("runs", find="small zzz")
    assert not at.dataframe and "No run passes these filters" in words(at)


def test_an_empty_library_teaches_and_starts_nothing_when_the_demo_is_switched_off(home, open_page):
    at = open_page("runs")
    assert "No run yet" in words(at) and button(at, "make_demo") is not None
    assert runs.store().runs() == []


def test_the_first_start_makes_the_demo_run_once_and_says_what_it_is(home, monkeypatch, open_page):
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "true")
    settings.cache_clear()
    at = open_page("runs")
    (row,) = runs.store().runs()
    runs.cancel(row.id)
    assert row.fingerprint == demo.spec().fingerprint()
    assert "synthetic market with a planted signal" in words(at) and "rules, no LLM" in words(at)
    open_page("runs")
    assert len(runs.store().runs()) == 1
    runs.delete(row.id)
    open_page("runs")
    assert runs.store().runs() == [], "a demo run that somebody deleted does not come back by itself"
    for child in runs._children:
        child.wait(60)


def test_an_interrupted_run_is_shown_as_such_and_offered_for_resume(home, open_page):
    run = lost()
    at = open_page("runs")
    assert at.dataframe[0].value.iloc[0]["status"].startswith("⚡")
    assert "stopped without a word" in words(at) and button(at, f"resume_{run}") is not None


def test_a_hostile_name_stays_text(home, open_page):
    run = lost(HOSTILE)
    at = open_page("runs", run=run)
    for item in (*at.subheader, *at.markdown, *at.caption, *at.title):
        assert "](" not in item.value and "<b>" not in item.value and "**run" not in item.value


def test_deleting_names_what_is_removed_waits_for_a_yes_and_then_removes_all(finished, home, open_page):
    source, run = finished
    shutil.copytree(source, home, dirs_exist_ok=True)
    days, memories = runs.store().run(run).sessions_done, sum(len(queries.memory_ids(run, t)) for t in queries.tickers(run))
    at = open_page("runs", run=run)
    button(at, "delete_run").click().run()
    assert f"{days} recorded days" in words(at) and f"{memories} memories" in words(at) and run in words(at)
    assert [row.id for row in runs.store().runs()] == [run]
    button(at, "delete_no").click().run()
    assert button(at, "delete_yes") is None and [row.id for row in runs.store().runs()] == [run]
    button(at, "delete_run").click().run()
    button(at, "delete_yes").click().run()
    assert not at.exception and runs.store().runs() == []
    assert not [path for path in home.rglob("*") if run in path.name]


def test_a_run_in_progress_cannot_be_deleted(home, open_page):
    run = runs.create(small_spec())
    at = open_page("runs", run=run)
    assert button(at, "delete_run").disabled
    assert progress.look(run).state == "queued"


def test_looking_at_the_library_loads_no_model_and_no_vector_database(finished):
    script = (
        "import sys\nfrom streamlit.testing.v1 import AppTest\n"
        "at = AppTest.from_file('app.py', default_timeout=120).run()\nassert not at.exception, at.exception\n"
        "print(len(at.dataframe), sorted({'torch', 'sentence_transformers', 'chromadb', 'ollama', 'transformers'} & set(sys.modules)))"
    )
    env = {**os.environ, "RECOLLECT_HOME": str(finished[0]), "RECOLLECT_DEMO_ON_START": "false"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "1 []", done.stderr[-2000:]
