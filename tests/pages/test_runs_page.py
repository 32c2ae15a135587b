"""The library page: what it lists, what it offers for a run, and that nothing is deleted before it was named and confirmed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from streamlit.testing.v1 import AppTest

from services import annotations as written
from services import demo, exports, progress, queries, runs
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


# ------------------------------------------------------------------------------------------- notes, tags, bookmarks, imports


@pytest.fixture
def own(finished, home) -> str:
    """The finished run in a home that may be changed."""
    source, run = finished
    shutil.copytree(source, home, dirs_exist_ok=True)
    return run


def opened(at: AppTest, *keys: str) -> AppTest:
    """The page with these boxes open, as after a click on each."""
    for key in keys:
        at.session_state[key] = True
    return at.run()


def pressed(at: AppTest, label: str, *keys: str) -> AppTest:
    """The page after a click on the first button of that label, with these boxes open."""
    item = next(item for item in at.button if item.label == label)
    item.click()
    return opened(at, *keys)


def test_a_note_is_written_changed_deleted_and_brought_back(own, open_page):
    at, box = open_page("runs", run=own), f"_notes_{own}___"
    opened(at, box).text_area[0].set_value("Why **this**? ![x](http://evil.test/a.png)")
    pressed(at, "Keep this note", box)
    opened(at, box)
    (note,) = written.of_run(own)
    assert note.text in words(at) and not [item for item in at.markdown if "evil" in item.value]
    assert at.text_area[0].value == "", "ready for the next"
    assert {"Edit", "Delete"} <= {item.label for item in at.button}
    pressed(at, "Edit", box)
    opened(at, box)
    next(item for item in at.text_area if item.value == note.text).set_value("Because.")
    pressed(at, "Save", box)
    opened(at, box)
    (changed,) = written.of_run(own)
    assert (changed.text, changed.at) == ("Because.", note.at) and changed.edited_at is not None
    assert "changed" in words(at)
    pressed(at, "Delete", box)
    assert written.of_run(own) == [] and "Note deleted." in words(at)
    pressed(at, "Undo")
    assert [(item.text, item.at, item.edited_at) for item in written.of_run(own)] == [("Because.", changed.at, changed.edited_at)]


def test_half_a_note_survives_a_closed_box(own, open_page):
    at, box = open_page("runs", run=own), f"_notes_{own}___"
    opened(at, box).text_area[0].set_value("half a th")
    opened(at, box)
    at.session_state[box] = False
    assert not at.run().text_area
    assert opened(at, box).text_area[0].value == "half a th"


def test_an_empty_note_and_a_strange_tag_are_refused_in_a_sentence(own, open_page):
    at = open_page("runs", run=own)
    boxes = (f"_notes_{own}___", f"_tags_{own}___")
    opened(at, *boxes)
    assert "The note is empty" in words(pressed(at, "Keep this note", *boxes))
    next(item for item in at.text_input if item.label == "New tag").set_value("***")
    assert "A tag needs a letter or a digit" in words(opened(at, *boxes))
    assert written.of_run(own) == []


def test_tags_stars_and_notes_are_columns_and_filters_that_the_address_keeps(own, open_page):
    other = lost("The other one")
    at = open_page("runs")
    assert not {"tags", "notes"} & set(at.dataframe[0].proto.column_order), "nothing is written yet"
    written.tag(written.place(own), "good exit")
    written.note(written.place(own, "DMAUR", memory=1), "x")
    written.bookmark(written.place(other))
    rows = open_page("runs").dataframe[0].value.set_index("name")
    assert rows.loc["Small run", "tags"] == "good exit" and rows.loc["Small run", "notes"] == 1
    assert "★ The other one" in rows.index
    assert list(open_page("runs", tag="good exit").dataframe[0].value["name"]) == ["Small run"]
    assert list(open_page("runs", kept="bookmarked").dataframe[0].value["name"]) == ["★ The other one"]
    assert list(open_page("runs", kept="noted").dataframe[0].value["name"]) == ["Small run"]
    assert "No run passes these filters" in words(open_page("runs", kept="noted", tag="good exit", find="other"))


def test_the_shelf_leads_to_what_was_bookmarked_and_a_bookmark_can_be_taken_away(own, open_page):
    at = open_page("runs")
    assert "_bookmarks" not in [item.key for item in at.expander]
    for place in (written.place(own), written.place(own, "DMAUR", day=date(2022, 1, 20)), written.place(own, "DMAUR", memory=1)):
        written.bookmark(place)
    at = opened(open_page("runs"), "_bookmarks")
    links = [item.proto.page + "?" + item.proto.query_string for item in at.get("page_link") if "Small run" in item.proto.label]
    assert [link.split("?")[0] for link in links] == ["memory", "days", "overview"]
    assert f"run={own}&ticker=DMAUR&mem=1" in links[0] and f"run={own}&ticker=DMAUR&day=2022-01-20" in links[1]
    pressed(at, "Take away", "_bookmarks")
    assert [item.place.memory for item in written.bookmarks()] == [None, None]


def test_a_run_is_renamed(own, open_page):
    at = opened(open_page("runs", run=own), f"_rename_{own}")
    next(item for item in at.text_input if item.label == "Name").set_value("Another [name](http://evil.test)")
    opened(at, f"_rename_{own}")
    pressed(at, "Keep this name")
    assert runs.store().run(own).name == "Another [name](http://evil.test)"
    assert not [item for item in at.subheader if "](" in item.value]


def test_a_folder_is_looked_at_before_it_is_taken_in_and_then_shown(finished, tmp_path, monkeypatch, open_page):
    source, run = finished
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    monkeypatch.setenv("RECOLLECT_HOME", str(source))
    settings.cache_clear()
    exports.export(run, tmp_path / "out")
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "new"))
    settings.cache_clear()
    at = opened(open_page("runs"), "_import")
    next(item for item in at.text_input if item.key == "import_path").set_value(str(tmp_path / "out"))
    opened(at, "_import")
    assert f"Run {run}, done" in words(at) and "62 days" in words(at) and runs.store().runs() == []
    pressed(at, "Take it in", "_import")
    assert not at.exception and [row.id for row in runs.store().runs()] == [run]
    assert at.success[0].value.startswith(f"Taken in as {run}, with 62 days") and at.query_params["run"] == run
    assert any("imported" in item.value for item in at.markdown)
    settings.cache_clear()


def test_an_archive_that_cannot_be_taken_in_says_why_and_offers_nothing(home, tmp_path, open_page):
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out" / "manifest.json").write_text('{"format": 99}')
    at = opened(open_page("runs"), "_import")
    next(item for item in at.text_input if item.key == "import_path").set_value(str(tmp_path / "out"))
    opened(at, "_import")
    assert "Update Recollect" in words(at) and button(at, "import_take") is None


def test_a_larger_library_is_not_read_more_often(home, open_page):
    """The page once read every run anew for each run that it listed."""

    def reads() -> int:
        count = 0

        def told(connection, cursor, statement, *_) -> None:
            nonlocal count
            count += "FROM runs" in statement and "WHERE" not in statement

        event.listen(Engine, "before_cursor_execute", told)
        try:
            open_page("runs")
        finally:
            event.remove(Engine, "before_cursor_execute", told)
        return count

    for number in range(2):
        runs.store().set_status(runs.create(small_spec(f"Run {number}")), "cancelled")
    few = reads()
    for number in range(6):
        runs.store().set_status(runs.create(small_spec(f"More {number}")), "cancelled")
    assert reads() == few
