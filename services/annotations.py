"""Notes, tags and bookmarks on runs, days and memories, with their limits in sentences.

They are beside a run, never part of it: no fingerprint, day or figure changes with them. A run that is deleted takes them along.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from agent.errors import SpecError
from services import runs
from storage.annotations import Annotation, Annotations, Kind, Place

__all__ = ["Annotation", "Beside", "Kind", "Place"]

LONGEST_NOTE = 20_000  # characters
LONGEST_TAG = 40  # characters
MOST_TAGS = 20  # beside one place
MOST_NOTES = 200  # beside one place

_NEVER_KEPT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # a database or a JSON file may refuse them
_NOT_IN_TAGS = re.compile("[~,\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


@dataclass(frozen=True)
class Beside:
    """What is written beside one place."""

    place: Place
    bookmark: Annotation | None
    tags: tuple[Annotation, ...]
    notes: tuple[Annotation, ...]

    def __bool__(self) -> bool:
        return bool(self.bookmark or self.tags or self.notes)


@lru_cache(maxsize=4)
def _book(url: str) -> Annotations:
    return Annotations(url)


def book() -> Annotations:
    """The annotations in the run store of this process."""
    return _book(runs.store().url)


def place(run: str, ticker: str = "", *, day: date | None = None, memory: int | None = None) -> Place:
    """A run, a day of it (ticker and day) or a memory of it (ticker and memory); SpecError for a mixture."""
    if bool(ticker) != (day is not None or memory is not None) or (day is not None and memory is not None):
        raise SpecError("An annotation stands beside a run, a ticker and day, or a ticker and memory; nothing between.", field="place")
    return Place(run, ticker, day, memory)


def beside(where: Place) -> Beside:
    """What is written beside exactly this place."""
    found = book().at(where)
    first = next((item for item in found if item.kind == "bookmark"), None)
    tags = sorted((item for item in found if item.kind == "tag"), key=lambda item: item.text.casefold())
    return Beside(where, first, tuple(tags), tuple(item for item in found if item.kind == "note"))


# ----------------------------------------------------------------------------------------------------------------- writing


def bookmark(where: Place) -> Annotation:
    """Mark the place; once is enough."""
    return book().add(where, "bookmark")


def tag(where: Place, text: str) -> Annotation:
    """One more tag; the same word in other capitals is the same tag."""
    words = tag_text(text)
    there = [item for item in book().at(where) if item.kind == "tag"]
    if len(there) >= MOST_TAGS and words.casefold() not in {item.text.casefold() for item in there}:
        raise SpecError(f"There are {MOST_TAGS} tags here already, which is the most; take one away first.", field="tag")
    return book().add(where, "tag", words)


def note(where: Place, text: str) -> Annotation:
    """One more note, with the time of now."""
    words = note_text(text)
    if sum(item.kind == "note" for item in book().at(where)) >= MOST_NOTES:
        raise SpecError(f"There are {MOST_NOTES} notes here already, which is the most; delete one first.", field="note")
    return book().add(where, "note", words)


def edit(key: int, text: str) -> Annotation:
    """Another text for a note; it keeps when it was written and says when it was changed."""
    return book().edit(key, note_text(text))


def remove(key: int) -> Annotation:
    """Delete a note, tag or bookmark; what is returned can be given to ``put_back``."""
    return book().remove(key)


def put_back(item: Annotation) -> Annotation:
    """Undo of ``remove``: the same text with the same times."""
    return book().add(item.place, item.kind, item.text, at=item.at, edited_at=item.edited_at)


def note_text(text: str) -> str:
    """The text as it is kept; SpecError if it is empty or too long."""
    words = _NEVER_KEPT.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not words:
        raise SpecError("The note is empty; write something first.", field="note")
    if len(words) > LONGEST_NOTE:
        raise SpecError(f"A note has at most {LONGEST_NOTE:,} characters; this one has {len(words):,}. Make two of it.", field="note")
    return words


def tag_text(text: str) -> str:
    """The tag as it is kept: one line, single spaces; SpecError if it cannot be one."""
    words = " ".join(_NEVER_KEPT.sub("", text).split())
    if len(words) > LONGEST_TAG:
        raise SpecError(f"A tag has at most {LONGEST_TAG} characters; this one has {len(words):,}. Write a note instead.", field="tag")
    if not any(char.isalnum() for char in words):
        raise SpecError("A tag needs a letter or a digit.", field="tag")
    if _NOT_IN_TAGS.search(words):
        raise SpecError("A tag is plain words: no comma, no ~, no invisible characters.", field="tag")
    return words


# ----------------------------------------------------------------------------------------------------------- across places


def of_run(run: str) -> list[Annotation]:
    """Everything written beside the run, its days and its memories, oldest first."""
    return book().of_run(run)


def bookmarks() -> list[Annotation]:
    """Every bookmark of every run, newest first."""
    return book().of_kind("bookmark")[::-1]


@dataclass(frozen=True)
class OfRun:
    """What the library lists of a run's annotations."""

    tags: tuple[str, ...] = ()  # of the run itself
    bookmarked: bool = False  # the run itself
    notes: int = 0  # of the run, its days and its memories
    bookmarks: int = 0  # of the run, its days and its memories


def library() -> dict[str, OfRun]:
    """Run id to its annotations in short; runs without any are not in it."""
    shelf = book()
    tags = _by_run(shelf.of_kind("tag"))
    marked = _by_run(shelf.of_kind("bookmark"))
    return {
        run: OfRun(
            tags=tuple(sorted((item.text for item in tags.get(run, ())), key=str.casefold)),
            bookmarked=bool(marked.get(run)),
            notes=counts.get("note", 0),
            bookmarks=counts.get("bookmark", 0),
        )
        for run, counts in shelf.tally().items()
    }


def _by_run(items: Iterable[Annotation]) -> Mapping[str, Sequence[Annotation]]:
    """Those that stand beside a run itself."""
    found: dict[str, list[Annotation]] = {}
    for item in items:
        if not item.place.ticker:
            found.setdefault(item.place.run, []).append(item)
    return found


def known_tags() -> list[str]:
    """Every tag in use, the commonest first: suggestions for the next."""
    counts: dict[str, int] = {}
    for item in book().of_kind("tag"):
        counts[item.text] = counts.get(item.text, 0) + 1
    return sorted(counts, key=lambda text: (-counts[text], text.casefold()))
