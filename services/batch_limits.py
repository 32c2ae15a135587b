"""How many runs of batches may be at work at once per backend or server, counted over all batches of this machine.

A place is a locked file. The process that works on a run holds it too, so a place is taken as long as the work goes on, even if whoever
started it dies, and is free the moment the work ends, even if nobody says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.settings import settings

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MOST_PLACES = 64  # per backend or server, over all batches of one data folder


@dataclass
class Place:
    """The right to work on one run after another under these limits, until it is let go."""

    limits: frozenset[tuple[str, int]]
    files: list[int] = field(default_factory=list)

    def let_go(self) -> None:
        """Close the files here; the place is free once nobody else holds them."""
        while self.files:
            os.close(self.files.pop())


def take(limits: Mapping[str, int]) -> Place | None:
    """A place under all of these limits, or None while one of them is reached. Where files cannot be locked every wish is granted."""
    place = Place(frozenset(limits.items()))
    if fcntl is None:
        return place
    folder = settings().home.absolute() / "batches"
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / "next.lock"):
        for key, most in sorted(limits.items()):
            found = _free(folder, key, most)
            if found is None:
                place.let_go()
                return None
            place.files.append(found)
    return place


def _free(folder: Path, key: str, most: int) -> int | None:
    """A locked place of ``key``, unless ``most`` are taken already."""
    stem = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:16]
    taken, mine = 0, None
    for number in range(MOST_PLACES):
        path = folder / f"{stem}.{number}"
        if mine is not None and not path.exists():  # places beyond the first unused one were never taken
            break
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            taken += 1
            os.close(file)
            continue
        if mine is None:
            mine = file
        else:
            os.close(file)
    if taken >= most:
        if mine is not None:
            os.close(mine)
        return None
    return mine


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else counts places meanwhile."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
