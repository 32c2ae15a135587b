"""What happens when several processes use one market cache, or one dies: run as ``python -m tests.storage.market_processes FOLDER``.

A program of its own because it forks and kills; it prints one JSON object of what came out.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from datetime import date, timedelta
from pathlib import Path

from agent.market.sources.base import RateLimited, whole
from storage.breaker import Breaker
from storage.market_files import Shelf
from tests.storage.market_world import Wire, World, cached
from tests.storage.processes import fork, status

FIRST = date(2024, 1, 1)
WEEK = timedelta(days=7)


def hammer(folder: Path, part: int, parts: int, rounds: int) -> None:
    """Ask for one's own weeks of one ticker, one by one."""
    for step in range(rounds):
        start = FIRST + WEEK * (parts * step + part)
        fetched = cached(World(), folder).fetch("news", "AAA", start, start + WEEK)
        assert fetched.covered == whole(start, start + WEEK) and not fetched.issues, fetched.issues


def two_writers(folder: Path, rounds: int = 10) -> dict[str, object]:
    children = [fork(lambda part=part: hammer(folder, part, 2, rounds)) for part in range(2)]
    codes = [status(child) for child in children]
    world, end = World(), FIRST + WEEK * 2 * rounds
    fetched = cached(world, folder).fetch("news", "AAA", FIRST, end)
    theirs = Wire(World()).fetch("news", "AAA", FIRST, end).frame
    return {
        "codes": codes,
        "asked again": len(world.calls),
        "same": fetched.frame.equals(theirs),
        "covered": fetched.covered == whole(FIRST, end),
        "set aside": len(list(folder.rglob("*.bad"))),
    }


def killed_writers(folder: Path, rounds: int = 6) -> dict[str, object]:
    """Each round a writer is killed in full swing; what is on disk then is whole and holds what was there before."""

    def write(ready: int, first: int) -> None:
        for step in range(first, 10_000):
            cached(World(), folder).fetch("news", "AAA", FIRST + timedelta(days=step % 400), FIRST + timedelta(days=step % 400 + 1))
            os.write(ready, b".")

    seen = []
    for number in range(rounds):
        told, ready = os.pipe()
        child = fork(lambda ready=ready, number=number: write(ready, 40 * number))
        os.read(told, 1)  # it is in full swing now
        time.sleep(0.003 + 0.007 * number)
        os.kill(child, signal.SIGKILL)
        assert status(child) == -signal.SIGKILL
        os.close(told), os.close(ready)
        held = Shelf(folder, "wire", "news", "AAA").read()
        assert not held.issues, held.issues
        seen.append(len(held.frame))
    fetched = cached(World(), folder).fetch("news", "AAA", FIRST, date(2024, 12, 1))
    theirs = Wire(World()).fetch("news", "AAA", FIRST, date(2024, 12, 1)).frame
    return {"growing": seen == sorted(seen) and seen[0] > 0, "same": fetched.frame.equals(theirs)}


def one_pause(folder: Path) -> dict[str, object]:
    world = World()
    Breaker(folder, "wire", now=lambda: world.now).open("It asked for a pause.")

    def refused() -> bool:
        try:
            cached(world, folder).fetch("news", "AAA", FIRST, FIRST + WEEK)
        except RateLimited as error:
            return "It asked for a pause" in str(error) and not world.calls
        return False

    return {"codes": [status(fork(refused)) for _ in range(2)]}


if __name__ == "__main__":
    found = {work.__name__: work(Path(sys.argv[1]) / work.__name__) for work in (two_writers, killed_writers, one_pause)}
    print(json.dumps(found))
