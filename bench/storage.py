"""What the run store costs, as ratios measured in one run (milliseconds depend on the machine): ``python -m bench.storage``.

The yardstick is a bare SQLite commit of one 6 kB row with the same settings on the same disk.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from agent.records import DayRecord, Segment
from storage.chroma_index import ChromaIndex, flush_outbox, reconcile
from storage.run_store import RunStore
from tests.storage.factory import event, make_day, make_memory, make_record, make_spec, session

DAYS, DIMENSION, BIRTHS = 400, 384, 5


def median_ms(work: Callable[[int], object], times: int) -> float:
    taken = []
    for number in range(times):
        start = time.perf_counter()
        work(number)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1e3


def bare_commit(folder: Path) -> float:
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (key INTEGER PRIMARY KEY, body BLOB)")
    body = np.random.default_rng(0).bytes(6_000)
    return median_ms(lambda _: connection.execute("INSERT INTO t (body) VALUES (?)", (body,)), 300)


def heavy(record: DayRecord) -> DayRecord:
    """A day with a prompt of a realistic 15 kB."""
    words = np.random.default_rng(record.index).choice(["sales", "grew", "the", "margin", "of", "quarter", "fell", "and", "court"], 2_500)
    segment = Segment(name="memories", role="user", text=" ".join(words), tokens=2_500)
    return record.model_copy(update={"thought": record.thought.model_copy(update={"segments": (segment,)})})


def run(store: RunStore, name: str, days: int, births: int) -> list[float]:
    """Append ``days`` days; the milliseconds of each."""
    store.create(make_spec(name), run_id=name, provenance={})
    taken, chance = [], np.random.default_rng(1)
    for index in range(days):
        record, ids = make_day(name, index=index, births=births)
        vectors = {id: chance.normal(size=DIMENSION).astype(np.float32) for id in ids}
        record = heavy(record)
        start = time.perf_counter()
        store.append(record, vectors=vectors)
        taken.append((time.perf_counter() - start) * 1e3)
    return taken


def library(store: RunStore, size: int) -> None:
    for number in range(size):
        store.create(make_spec(f"library {number}"), run_id=f"library-{number}", provenance={"code": "1"})
        store.set_summary(f"library-{number}", {"return": 0.1, "sharpe": 1.2})


def crowd(store: RunStore, memories: int) -> None:
    """A run whose first day remembers many, so that later days write beside them."""
    store.create(make_spec("crowd"), run_id="crowd", provenance={})
    day, chance = session(0), np.random.default_rng(2)
    events = tuple(event(id, "remembered", day, memory=make_memory(id, day)) for id in range(1, memories + 1))
    store.append(make_record("crowd", events=events), vectors={id: chance.normal(size=DIMENSION) for id in range(1, memories + 1)})


def beside(store: RunStore, memories: int, days: int) -> float:
    taken = []
    for index in range(1, days + 1):
        day, first = session(index), memories + index * BIRTHS
        events = tuple(event(id, "remembered", day, memory=make_memory(id, day)) for id in range(first, first + BIRTHS))
        record = heavy(make_record("crowd", index=index, events=events))
        vectors = {id: np.ones(DIMENSION) for id in range(first, first + BIRTHS)}
        start = time.perf_counter()
        store.append(record, vectors=vectors)
        taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken)


def show(what: str, ms: float, unit: float, note: str = "") -> None:
    print(f"{what:<58}{ms:>9.2f} ms{ms / unit:>9.1f} x  {note}")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unit = bare_commit(folder)
        store = RunStore(f"sqlite:///{folder}/runs.db")
        show("bare commit of one 6 kB row (the yardstick)", unit, unit)
        plain = run(store, "plain", DAYS, 0)
        show("append a day without memory events", statistics.median(plain), unit)
        full = run(store, "full", DAYS, BIRTHS)
        show(f"append a day with {BIRTHS} births, a credit, a forgetting", statistics.median(full), unit)
        early, late = statistics.median(full[10:60]), statistics.median(full[-50:])
        show(f"the same, days {DAYS - 50}-{DAYS} against days 10-60", late, early, "(ratio to the early days)")
        crowd(store, 50_000)
        show(f"the same, {BIRTHS} births beside 50,000 memories", beside(store, 50_000, 60), unit)
        library(store, 200)
        show("list of 200 runs", median_ms(lambda _: store.runs(), 30), unit)
        one = median_ms(lambda n: store.record("full", "ACME", session(n)), 100)
        show("one day, whole", one, unit)
        show(f"all {DAYS} days, whole", median_ms(lambda _: list(store.records("full")), 3), one, "(ratio to one day)")
        show(f"columns of {DAYS} days as a frame", median_ms(lambda _: store.day_rows("full"), 20), one, "(ratio to one day)")
        show(
            "who recalled one memory",
            median_ms(lambda n: store.recall_rows("full", "ACME", memory_id=1 + n), 50),
            one,
            "(ratio to one day)",
        )
        show("50,000 memories for a resume", median_ms(lambda _: store.memories("crowd", "ACME"), 1), one, "(ratio to one day)")
        show("50,000 vectors for a resume", median_ms(lambda _: store.vectors("crowd", "ACME"), 1), one, "(ratio to one day)")
        show("open a store", median_ms(lambda _: RunStore(store.url).close(), 20), unit)
        index = ChromaIndex(folder / "chroma", "full")
        index.layers()
        start = time.perf_counter()
        told = flush_outbox(store, "full", index)
        flushed = (time.perf_counter() - start) * 1e3
        show(f"tell the index of {told:,} changes, per day", flushed / DAYS, unit, "(off the critical path; import included)")
        show("reconcile an index that agrees", median_ms(lambda _: reconcile(store, "full", index), 3), one, "(ratio to one day)")
        start = time.perf_counter()
        store.delete("crowd")
        show("delete the run of 50,000 memories", (time.perf_counter() - start) * 1e3, unit)
        index.close()


if __name__ == "__main__":
    main()
