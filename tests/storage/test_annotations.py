"""Annotations stand beside a run, keep their times, and leave with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from agent.errors import NoData, SpecError
from storage.annotations import Annotations, Place
from storage.run_store import RunStore
from tests.storage.factory import make_spec

START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
DAY = Place("run-1", "ACME", day=date(2025, 3, 17))
MEMORY = Place("run-1", "ACME", memory=7)


@pytest.fixture
def book(store: RunStore) -> Iterator[Annotations]:
    """Annotations of the store with ``run-1``; every question about the time is a minute later than the one before."""
    minutes = iter(range(1000))
    opened = Annotations(store.url, clock=lambda: START + timedelta(minutes=next(minutes)))
    yield opened
    opened.close()


def test_a_run_a_day_and_a_memory_each_have_their_own(book: Annotations) -> None:
    for place, text in ((Place("run-1"), "of the run"), (DAY, "of the day"), (MEMORY, "of the memory")):
        book.add(place, "note", text)
    assert [[item.text for item in book.at(place)] for place in (Place("run-1"), DAY, MEMORY)] == [
        ["of the run"],
        ["of the day"],
        ["of the memory"],
    ]
    assert book.at(Place("run-1", "BETA", memory=7)) == []
    assert [item.place for item in book.of_run("run-1")] == [Place("run-1"), DAY, MEMORY]


def test_a_note_keeps_when_it_was_written_and_says_when_it_was_changed(book: Annotations) -> None:
    first = book.add(DAY, "note", "before")
    changed = book.edit(first.key, "after")
    assert (changed.text, changed.at, changed.edited_at) == ("after", START, START + timedelta(minutes=1))
    assert book.at(DAY) == [changed]


def test_a_tag_or_star_twice_is_once_and_two_notes_are_two(book: Annotations) -> None:
    assert book.add(DAY, "tag", "Good exit") == book.add(DAY, "tag", "good EXIT")
    assert book.add(DAY, "bookmark") == book.add(DAY, "bookmark")
    assert book.add(DAY, "note", "same").key != book.add(DAY, "note", "same").key
    assert book.add(MEMORY, "tag", "Good exit").place == MEMORY


def test_what_was_removed_can_be_put_back_with_its_times_and_under_a_new_number(book: Annotations) -> None:
    item = book.edit(book.add(DAY, "note", "x").key, "y")
    assert book.remove(item.key) == item and book.at(DAY) == []
    again = book.add(item.place, item.kind, item.text, at=item.at, edited_at=item.edited_at)
    assert (again.text, again.at, again.edited_at) == (item.text, item.at, item.edited_at) and again.key > item.key
    for missing in (lambda: book.remove(item.key), lambda: book.edit(item.key, "z")):
        with pytest.raises(NoData, match="deleted in another tab"):
            missing()


def test_the_tally_counts_what_stands_beside_days_and_memories_too(book: Annotations, store: RunStore) -> None:
    store.create(make_spec(), run_id="run-2", provenance={})
    for place in (Place("run-1"), DAY, MEMORY):
        book.add(place, "note", "n")
    book.add(DAY, "bookmark")
    book.add(Place("run-2"), "tag", "t")
    assert book.tally() == {"run-1": {"note": 3, "bookmark": 1}, "run-2": {"tag": 1}}


def test_a_deleted_run_takes_its_annotations_along_and_no_other(book: Annotations, store: RunStore, tmp_path: Path) -> None:
    store.create(make_spec(), run_id="run-2", provenance={})
    secret = "nobody should find this again"
    book.add(DAY, "note", secret)
    kept = book.add(Place("run-2"), "note", "stays")
    assert store.delete("run-1")["annotations"] == 1
    assert book.of_run("run-1") == [] and book.of_run("run-2") == [kept]
    with pytest.raises(SpecError, match="no run 'run-1'"):
        book.add(DAY, "note", "too late")
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
