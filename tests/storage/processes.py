"""What happens when several processes use one store, or one dies: run as ``python -m tests.storage.processes NAME FOLDER``.

A program of its own because it forks and kills; it prints one JSON object and exits 0 if everything held.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import event as sql_event
from sqlalchemy import text

from storage.embedding_cache import CachedEmbedder
from storage.run_store import RunStore
from tests.storage.factory import DIMENSION, make_day, make_spec, make_vector

TABLES = ("days", "recalls", "memory_events", "memories", "vectors", "fills", "outcomes", "outbox", "annotations")


def address(folder: Path) -> str:
    return f"sqlite:///{folder}/runs.db"


def counts(store: RunStore) -> dict[str, int]:
    with store._engine.connect() as connection:
        return {table: connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in TABLES}


def expected_counts(days: int) -> dict[str, int]:
    made = [make_day(index=index) for index in range(days)]
    thoughts = [record.thought for record, _ in made]
    born = sum(len(vectors) for _, vectors in made)
    told = sum(event.kind in ("remembered", "promoted", "forgotten") for thought in thoughts for event in thought.memory_events)
    return {
        "days": days,
        "recalls": sum(len(thought.recalls) for thought in thoughts),
        "memory_events": sum(len(thought.memory_events) for thought in thoughts),
        "memories": born,
        "vectors": born,
        "fills": sum(len(record.fills) for record, _ in made),
        "outcomes": sum(len(record.outcomes) for record, _ in made),
        "outbox": told,
        "annotations": 0,
    }


def assert_whole(folder: Path) -> int:
    """The store holds days 0..n-1 of the factory and nothing else; returns n."""
    store = RunStore(address(folder))
    stored = list(store.records("run-1"))
    assert stored == [make_day(index=index)[0] for index in range(len(stored))], "a stored day differs"
    assert counts(store) == expected_counts(len(stored)), (counts(store), expected_counts(len(stored)))
    assert store.run("run-1").sessions_done == len(stored)
    with store._engine.connect() as connection:
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
        assert not connection.execute(text("PRAGMA foreign_key_check")).all()
    store.close()
    return len(stored)


def fork(work: Callable[[], Any]) -> int:
    """Run ``work`` in a child that ends with status 0 or 1; returns its process id."""
    if child := os.fork():
        return child
    try:
        os._exit(0 if work() is not False else 1)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        os._exit(99)


def status(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def write_on(folder: Path, ready: int) -> None:
    store = RunStore(address(folder))
    while True:
        record, vectors = make_day(index=store.run("run-1").sessions_done)
        store.append(record, vectors=vectors)
        os.write(ready, b".")


def kill_at_random(folder: Path, rounds: int = 20) -> dict[str, int]:
    RunStore(address(folder)).create(make_spec(), run_id="run-1", provenance={})
    chance, days = random.Random(5), 0
    for _ in range(rounds):
        told, ready = os.pipe()
        child = fork(lambda ready=ready: write_on(folder, ready))
        os.read(told, 1)  # it is in full swing now
        time.sleep(chance.uniform(0.0, 0.01))
        os.kill(child, signal.SIGKILL)
        assert status(child) == -signal.SIGKILL
        os.close(told), os.close(ready)
        days = assert_whole(folder)
    return {"rounds": rounds, "days": days}


def die_at_every_statement(folder: Path) -> dict[str, int]:
    """The child ends without warning before its n-th statement, for every n, the commit included."""
    store = RunStore(address(folder))
    store.create(make_spec(), run_id="run-1", provenance={})
    for index in range(6):
        record, vectors = make_day(index=index)
        store.append(record, vectors=vectors)
    store.close()
    deaths = 0
    while True:

        def work(fatal: int = deaths) -> None:
            mine, seen = RunStore(address(folder)), [0]

            def count(*_: Any) -> None:
                if seen[0] == fatal:
                    os._exit(7)
                seen[0] += 1

            sql_event.listen(mine._engine, "before_cursor_execute", count)
            sql_event.listen(mine._engine, "commit", count)
            record, vectors = make_day(index=6)
            mine.append(record, vectors=vectors)

        code = status(fork(work))
        days = assert_whole(folder)
        if code == 0:
            assert days == 7
            return {"deaths": deaths}
        assert (code, days) == (7, 6), (code, days)
        deaths += 1


def race_to_claim(folder: Path, workers: int = 8, rounds: int = 5) -> dict[str, list[int]]:
    store = RunStore(address(folder))
    winners = []
    for number in range(rounds):
        run = f"run-{number}"
        store.create(make_spec(), run_id=run, provenance={})
        store.close()
        # two pipes to wait on: from one, a quick worker would take its second letter from those meant for the others' first
        (start, go), (stay, leave), (answers, answer) = os.pipe(), os.pipe(), os.pipe()

        def work(run: str = run, start: int = start, stay: int = stay, ours: tuple[int, int] = (go, leave), answer: int = answer) -> None:
            for end in ours:
                os.close(end)  # else a worker would wait for ever if the parent died
            mine = RunStore(address(folder))
            os.write(answer, b"?")
            os.read(start, 1)
            os.write(answer, b"1" if mine.claim(run, os.getpid()) else b"0")
            os.read(stay, 1)  # stay alive until all have tried: a dead winner would rightly be replaced

        children = [fork(work) for _ in range(workers)]
        _read(answers, workers)
        os.write(go, b"g" * workers)
        winners.append(_read(answers, workers).count(b"1"))
        os.write(leave, b"g" * workers)
        assert [status(child) for child in children] == [0] * workers
        for end in (start, go, stay, leave, answers, answer):
            os.close(end)
    return {"winners": winners}


def _read(pipe: int, size: int) -> bytes:
    seen = b""
    while len(seen) < size:
        seen += os.read(pipe, size - len(seen))
    return seen


def race_to_open(folder: Path, openers: int = 8) -> dict[str, list[int]]:
    start = time.time() + 0.1

    def work() -> None:
        time.sleep(max(0.0, start - time.time()))
        RunStore(address(folder)).runs()

    children = [fork(work) for _ in range(openers)]
    return {"codes": [status(child) for child in children]}


class Counting:
    """An embedder whose vectors depend on the text alone."""

    class Options:
        pass

    name, dimension = "counting", DIMENSION

    def embed(self, texts: Any) -> np.ndarray:
        return np.stack([make_vector(int(text)) for text in texts])


def race_to_embed(folder: Path, workers: int = 4) -> dict[str, list[int]]:
    def work() -> bool:
        cache = CachedEmbedder(Counting, folder / "embeddings.db", name="counting", dimension=DIMENSION)
        for start in range(0, 200, 10):
            texts = [str(number) for number in range(start, start + 10)]
            if not np.array_equal(cache.embed(texts), Counting().embed(texts)):
                return False
        return True

    children = [fork(work) for _ in range(workers)]
    return {"codes": [status(child) for child in children]}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](Path(sys.argv[2]))))
