"""What memory costs a simulated day, as ratios measured in one run: believe these, not milliseconds.

    python bench/memory.py [--days 60] [--sizes 1000,10000,50000]

The floor is a day that writes the same record (events, recalls and new vectors made earlier) and does no memory work: build, JSON,
compress, one SQLite transaction flushed to disk. A memory day adds advance, recall, credit, remember ten texts, cite. Model and
embedding time are left out: the embedder hands out vectors made beforehand.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a product bound by memory gains nothing from threads and waits for a busy core

import numpy as np
from pydantic import BaseModel

from agent.memory.bank import Draft, MemoryBank
from agent.memory.layers import preset
from agent.records import Bar, DayRecord, Memory, MemoryKind, MemoryState, Observation, Portfolio, Thought

DIMENSION = 384
KINDS: tuple[tuple[str, MemoryKind, float], ...] = (
    ("short", "news", 20.0),
    ("mid", "filing_10q", 70.0),
    ("long", "filing_10k", 300.0),
    ("reflection", "immediate_reflection", 300.0),
)
START = datetime(2025, 1, 6, 21, tzinfo=UTC)
TEXT = "The company said that revenue rose and that the margin held, while analysts asked about demand in the second half. " * 4


class Prepared:
    """Vectors made beforehand, so that no embedding time is measured."""

    class Options(BaseModel): ...

    name, dimension = "prepared", DIMENSION

    def __init__(self) -> None:
        rows = np.random.default_rng(1).normal(size=(4096, DIMENSION)).astype(np.float32)
        self.rows, self.next = rows / np.linalg.norm(rows, axis=1, keepdims=True), 0

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        places = [(self.next + i) % len(self.rows) for i in range(len(texts))]
        self.next += len(texts)
        return self.rows[places]


class Ledger:
    """The shape of the run store's daily commit: one compressed record, its vectors, one transaction, flushed to disk."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute("CREATE TABLE days (n INTEGER PRIMARY KEY, body BLOB)")
        self.db.execute("CREATE TABLE vectors (id INTEGER PRIMARY KEY, vector BLOB)")

    def write(self, record: DayRecord, vectors: dict[int, np.ndarray]) -> None:
        body = zlib.compress(record.model_dump_json().encode(), 1)
        self.db.execute("BEGIN IMMEDIATE")
        self.db.execute("INSERT INTO days (body) VALUES (?)", (body,))
        self.db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", [(i, v.tobytes()) for i, v in vectors.items()])
        self.db.execute("COMMIT")


def record_of(day: date, index: int, thought: Thought) -> DayRecord:
    portfolio = Portfolio(cash=100_000.0)
    cutoff = datetime(day.year, day.month, day.day, 21, tzinfo=UTC)
    bar = Bar(day=day, open=100, high=101, low=99, close=100.5, volume=1e6)
    seen = Observation(ticker="AAA", session=day, cutoff=cutoff, bar=bar, portfolio=portfolio, equity=100_000.0)
    return DayRecord(
        run="bench",
        ticker="AAA",
        day=day,
        index=index,
        phase="test",
        observation=seen,
        thought=thought,
        portfolio=portfolio,
        equity=100_000.0,
        benchmark=portfolio,
        benchmark_equity=100_000.0,
    )


def full_bank(size: int) -> MemoryBank:
    """A bank with ``size`` live memories, oldest first, ages spread over each layer's life, put there through ``restore``."""
    rng, rows = np.random.default_rng(2), []
    vectors = rng.normal(size=(size, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    now = START.timestamp() / 86_400
    for n in range(size):
        layer, kind, life = KINDS[n % len(KINDS)]
        age = life * (1 - n / size)
        when = START - timedelta(days=age)
        state = MemoryState(layer=layer, importance=80.0, importance_as_of=now - age, recency_anchor=now - age)
        memory = Memory(
            id=n + 1,
            ticker="AAA",
            kind=kind,
            text=f"{n}",
            document_id=f"{n}",
            sources=(f"{n}",),
            content_hash=f"{n}",
            event_time=when,
            available_at=when,
            known_at=when,
            born=when.date(),
            phase="test",
            embedding_model="prepared",
            birth=state,
        )
        rows.append((memory, state, True))
    known = {n + 1: vectors[n] for n in range(size)}
    return MemoryBank.restore("AAA", preset("default"), Prepared(), seed=7, memories=rows, vectors=known, next_id=size + 1)


def write_day(ledger: Ledger, index: int, thought: Thought, vectors: dict[int, np.ndarray]) -> None:
    ledger.write(record_of((START + timedelta(days=index / 10)).date(), index, thought), vectors)


def memory_day(bank: MemoryBank, ledger: Ledger, index: int) -> tuple[Thought, dict[int, np.ndarray]]:
    # ten sessions in a calendar day, so that the number of live memories stays about the same through the measurement
    cutoff = START + timedelta(days=index / 10)
    bank.begin(cutoff.date(), cutoff, index, "test")
    bank.advance()
    recalls = bank.recall(f"question {index}")
    bank.credit({r.memory_id: 1 for r in recalls[:5]}, 1 if index % 2 else -1, "what came of it")
    drafts = [
        Draft(kind=KINDS[n % 4][1], text=f"{TEXT}{index} {n}", document_id=f"{index}-{n}", event_time=cutoff, available_at=cutoff)
        for n in range(10)
    ]
    born = bank.remember(drafts)
    bank.cite({r.layer: [r.memory_id] for r in recalls[:5]})
    events, live = bank.drain(), bank.live()
    thought = Thought(query=f"question {index}", recalls=recalls, memory_events=events, live=live)
    vectors = bank.vectors(born)
    write_day(ledger, index, thought, vectors)
    return thought, vectors


def median_ms(work: Callable[[int], object], times: int, *, first: int = 1) -> float:
    spent = []
    for n in range(first, first + times):
        begun = time.perf_counter()
        work(n)
        spent.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(spent)


def interleaved(one: Callable[[int], object], two: Callable[[int], object], times: int) -> tuple[float, float]:
    """Medians of two things measured turn by turn, so that a busy machine slows both."""
    a, b = [], []
    for n in range(1, times + 1):
        a.append(median_ms(one, 1, first=n))
        b.append(median_ms(two, 1, first=n))
    return statistics.median(a), statistics.median(b)


def days_at(size: int, times: int, folder: Path) -> tuple[float, float]:
    bank, ledger = full_bank(size), Ledger(folder / f"{size}.db")
    made = {0: memory_day(bank, ledger, 0)}

    def whole(n: int) -> None:
        made[n] = memory_day(bank, ledger, n)

    return interleaved(lambda n: write_day(ledger, n, *made[n - 1]), whole, times)


def recall_at(size: int, times: int) -> tuple[float, float]:
    """The bare products of every layer's matrix with the question, against the whole recall, near misses included."""
    bank = full_bank(size)
    bank.begin(START.date(), START, 0, "test")
    question = bank.embedder.embed(["question"])[0]
    matrices = [table.matrix() for table in bank._tables.values()]
    return interleaved(lambda n: [matrix @ question for matrix in matrices], lambda n: bank.recall("question"), times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--sizes", default="1000,10000,50000")
    chosen = parser.parse_args()
    targets = {1_000: 3.0, 10_000: 4.0, 50_000: 6.0}
    sizes = [int(size) for size in chosen.sizes.split(",")]
    print(f"{'live memories':>14} {'empty day':>10} {'memory day':>11} {'ratio':>6} {'target':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            floor, day = days_at(size, chosen.days, Path(folder))
            target = f"{targets[size]:.0f}x" if size in targets else "-"
            print(f"{size:>14,} {floor:>8.2f}ms {day:>9.2f}ms {day / floor:>5.1f}x {target:>7}")
    bare, whole = recall_at(max(sizes), chosen.days)
    print(f"recall at {max(sizes):,}: {whole:.2f} ms, bare product {bare:.2f} ms, ratio {whole / bare:.2f}x, target 1.5x")


if __name__ == "__main__":
    main()
