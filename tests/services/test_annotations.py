"""Limits in sentences, and the promise that nothing of a run changes with what is written beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from agent.errors import SpecError
from services import annotations as written
from services import queries, runs, worker
from services.settings import settings
from tests.pages.conftest import small_spec


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A small finished run in a home of this module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("RECOLLECT_DEMO_ON_START", "false")
        settings.cache_clear()
        made = runs.create(small_spec())
        assert worker.execute(made) == "done"
        yield made
    settings.cache_clear()


@pytest.fixture(autouse=True)
def clean(run: str) -> Iterator[None]:
    yield
    for item in written.of_run(run):
        written.remove(item.key)


def test_nothing_of_a_run_changes_with_what_is_written_beside_it(run: str) -> None:
    def all_of_it() -> tuple[object, ...]:
        row = runs.store().run(run)
        return (
            row,
            row.fingerprint,
            queries.figures(run),
            queries.days(run, "DMAUR").to_json(date_format="iso"),
            list(runs.store().records(run, "DMAUR")),
        )

    before = all_of_it()
    written.bookmark(written.place(run))
    written.tag(written.place(run, "DMAUR", day=date(2022, 1, 20)), "good exit")
    written.note(written.place(run, "DMAUR", memory=1), "why this one?")
    assert all_of_it() == before


def test_deleting_names_the_notes_tags_and_bookmarks(run: str) -> None:
    assert "notes" not in runs.belongings(run)
    written.note(written.place(run), "a")
    written.note(written.place(run, "DMAUR", memory=1), "b")
    written.bookmark(written.place(run))
    assert {what: count for what, count in runs.belongings(run).items() if what in ("notes", "tags", "bookmarks")} == {
        "notes": 2,
        "bookmarks": 1,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        (" \n\t\x00 ", "empty"),
        ("x" * 20_001, "at most 20,000 characters; this one has 20,001"),
    ],
)
def test_a_note_that_cannot_be_kept_is_refused_in_a_sentence(run: str, text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        written.note(written.place(run), text)
    assert written.of_run(run) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "letter or a digit"), ("***", "letter or a digit"), ("x" * 41, "at most 40"), ("a, b", "no comma"), ("a\u202eb", "invisible")],
)
def test_a_tag_that_cannot_be_kept_is_refused_in_a_sentence(run: str, text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        written.tag(written.place(run), text)


def test_the_longest_note_and_tag_are_kept_whole_and_controls_are_not(run: str) -> None:
    where = written.place(run)
    assert written.note(where, "ü" * 20_000).text == "ü" * 20_000
    assert written.note(where, "a\x00b\ud800c\r\nd").text == "abc\nd"
    assert written.tag(where, "  " + "y" * 40).text == "y" * 40
    assert written.tag(where, "two \n words").text == "two words"


def test_a_place_has_at_most_twenty_tags_and_the_same_tag_again_is_no_error(run: str) -> None:
    where = written.place(run)
    for number in range(20):
        written.tag(where, f"tag {number}")
    with pytest.raises(SpecError, match="20 tags here already"):
        written.tag(where, "one more")
    assert written.tag(where, "TAG 3").text == "tag 3"
    written.tag(written.place(run, "DMAUR", memory=1), "one more")


@pytest.mark.parametrize(
    "bad", [{"ticker": "DMAUR"}, {"day": date(2022, 1, 20)}, {"ticker": "DMAUR", "day": date(2022, 1, 20), "memory": 1}]
)
def test_a_place_is_a_run_a_day_or_a_memory_and_nothing_between(bad: dict) -> None:
    with pytest.raises(SpecError, match="nothing between"):
        written.place("r", **bad)


def test_an_undone_deletion_brings_back_the_text_with_its_times(run: str) -> None:
    item = written.edit(written.note(written.place(run), "first").key, "second")
    again = written.put_back(written.remove(item.key))
    assert (again.text, again.at, again.edited_at) == (item.text, item.at, item.edited_at)


def test_the_library_lists_the_tags_of_a_run_itself_and_counts_all_its_notes(run: str) -> None:
    assert run not in written.library()
    day = written.place(run, "DMAUR", day=date(2022, 1, 20))
    written.tag(written.place(run), "Beta")
    written.tag(written.place(run), "alpha")
    written.tag(day, "of a day")
    written.note(day, "x")
    written.bookmark(day)
    assert written.library()[run] == written.OfRun(tags=("alpha", "Beta"), bookmarked=False, notes=1, bookmarks=1)
    assert [item.place for item in written.bookmarks()] == [day]
    assert set(written.known_tags()) == {"alpha", "Beta", "of a day"}
