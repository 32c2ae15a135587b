"""The vector index is disposable: whatever happens to it, it comes back from the run store and finds what it should."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from agent.errors import SpecError, Unavailable
from storage.chroma_index import PAGE, ChromaIndex, Reconciled, flush_outbox, reconcile, remove
from storage.run_store import RunStore
from tests.storage.factory import event, make_day, make_memory, make_record, make_state, make_vector, session


@pytest.fixture
def index(tmp_path: Path) -> Iterator[ChromaIndex]:
    made = ChromaIndex(tmp_path / "chroma", "run-1")
    yield made
    made.close()


def fill(store: RunStore, days: int, *, first: int = 0) -> None:
    for number in range(first, days):
        for ticker in ("ACME", "BETA"):
            record, vectors = make_day(ticker=ticker, index=number)
            store.append(record, vectors=vectors)


def live(store: RunStore) -> dict[str, str]:
    return {f"{t}-{m.id}": s.layer for t in ("ACME", "BETA") for m, s, alive in store.memories("run-1", t) if alive}


def test_after_a_flush_the_index_holds_the_live_memories_with_their_layers(store: RunStore, index: ChromaIndex) -> None:
    fill(store, 7)
    assert flush_outbox(store, "run-1", index) == len(store_outbox(7))
    assert index.layers() == live(store) and len(live(store)) == 2 * (14 - 2) and set(live(store).values()) == {"short", "mid"}
    assert store.outbox("run-1") == [] and flush_outbox(store, "run-1", index) == 0


def store_outbox(days: int) -> list[str]:
    """What the factory's days should tell the index, both tickers."""
    events = [event.kind for number in range(days) for event in make_day(index=number)[0].thought.memory_events]
    return [kind for kind in events if kind in ("remembered", "promoted", "forgotten")] * 2


def test_flushing_day_by_day_and_all_at_once_is_the_same(store: RunStore, index: ChromaIndex, tmp_path: Path) -> None:
    other = ChromaIndex(tmp_path / "other", "run-1")
    for number in range(7):
        fill(store, number + 1, first=number)
        flush_outbox(store, "run-1", index, limit=3)
    reconcile(store, "run-1", other)
    assert index.layers() == other.layers() == live(store)
    other.close()


def test_a_search_finds_the_memory_itself_first_and_can_be_limited(store: RunStore, index: ChromaIndex) -> None:
    fill(store, 4)
    flush_outbox(store, "run-1", index)
    found = index.search(make_vector(5), 3, {"ticker": "ACME"})
    assert found[0][0] == "ACME-5" and found[0][1] == pytest.approx(0, abs=1e-6)
    exact = {i: 1 - float(make_vector(i) @ make_vector(5)) for i in range(1, 9)}
    assert [id for id, _ in found] == [f"ACME-{i}" for i in sorted(exact, key=exact.__getitem__)[:3]]
    mid = index.search(make_vector(5), 50, {"ticker": "ACME", "layer": "mid"})
    assert {id for id, _ in mid} == {"ACME-1", "ACME-3", "ACME-5"}


def test_an_index_that_was_never_made_is_empty_and_chromadb_stays_out(tmp_path: Path) -> None:
    script = (
        "import sys; from storage.run_store import RunStore; from storage.chroma_index import ChromaIndex, reconcile\n"
        "from tests.storage.factory import make_spec\n"
        f"store = RunStore('sqlite:///{tmp_path}/runs.db'); store.create(make_spec(), run_id='r', provenance={{}})\n"
        f"print(reconcile(store, 'r', ChromaIndex('{tmp_path}/c', 'r')).rows, 'chromadb' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False"]


def test_a_flush_that_fails_half_way_is_done_again(store: RunStore, index: ChromaIndex) -> None:
    class Failing(ChromaIndex):
        def upsert(self, ids: Sequence[str], vectors: np.ndarray, metadatas: Sequence[Mapping], documents: Sequence[str]) -> None:
            super().upsert(ids[:1], vectors[:1], metadatas[:1], documents[:1])
            raise Unavailable("the disk is gone")

    fill(store, 3)
    failing = Failing(index.directory.parent, "run-1")
    waiting = store.outbox("run-1")
    with pytest.raises(Unavailable):
        flush_outbox(store, "run-1", failing)
    failing.close()
    assert store.outbox("run-1") == waiting, "nothing is ticked off that was not told"
    flush_outbox(store, "run-1", index)
    assert index.layers() == live(store)


def test_a_deleted_directory_is_rebuilt_completely(store: RunStore, index: ChromaIndex) -> None:
    fill(store, 7)
    flush_outbox(store, "run-1", index)
    before = index.layers()
    shutil.rmtree(index.directory)  # while the client is open, as a person would do it
    assert reconcile(store, "run-1", index) == Reconciled(rows=24, added=24, removed=0, updated=0)
    assert index.layers() == before == live(store)
    assert index.search(make_vector(9), 1, {"ticker": "BETA"})[0][0] == "BETA-9"


def test_extra_missing_and_misplaced_rows_are_mended(store: RunStore, index: ChromaIndex) -> None:
    fill(store, 7)
    flush_outbox(store, "run-1", index)
    index.delete(["ACME-3", "BETA-13"])
    index.upsert(["ACME-900"], make_vector(1)[None], [{"layer": "short"}], ["never committed"])
    index.update(["BETA-1"], [{"layer": "long"}])
    assert reconcile(store, "run-1", index) == Reconciled(rows=24, added=2, removed=1, updated=1)
    assert index.layers() == live(store)
    assert reconcile(store, "run-1", index) == Reconciled(rows=24, added=0, removed=0, updated=0)


def test_days_committed_before_a_crash_reach_the_index_on_reconcile(store: RunStore, index: ChromaIndex) -> None:
    fill(store, 3)
    flush_outbox(store, "run-1", index)
    fill(store, 7, first=3)
    reconcile(store, "run-1", index)
    assert index.layers() == live(store) and store.outbox("run-1") == []


def test_an_index_that_holds_other_vectors_under_the_right_ids_is_rebuilt(store: RunStore, index: ChromaIndex) -> None:
    fill(store, 3)
    flush_outbox(store, "run-1", index)
    ids = sorted(live(store))
    wrong = np.stack([make_vector(1000 + n) for n in range(len(ids))])
    index.upsert(ids, wrong, [{"layer": live(store)[id]} for id in ids], ids)
    assert reconcile(store, "run-1", index).rebuilt
    assert index.search(make_vector(2), 1, {"ticker": "ACME"})[0][0] == "ACME-2"


@pytest.mark.parametrize("damage", ["junk", "torn"])
def test_a_damaged_directory_is_thrown_away_and_rebuilt(store: RunStore, index: ChromaIndex, damage: str) -> None:
    fill(store, 3)
    flush_outbox(store, "run-1", index)
    index.close()
    file = index.directory / "chroma.sqlite3"
    body = file.read_bytes()
    file.write_bytes(b"junk" * 1000 if damage == "junk" else body[:100] + os.urandom(5000) + body[5100:])
    assert reconcile(store, "run-1", index) == Reconciled(rows=12, added=12, removed=0, updated=0, rebuilt=True)
    assert index.layers() == live(store)


def test_memories_without_content_and_twins_do_not_disturb(store: RunStore, index: ChromaIndex) -> None:
    day = session(0)
    events = tuple(event(i, "remembered", day, memory=make_memory(i, day)) for i in (1, 2, 3))
    store.append(make_record(events=events), vectors={1: np.zeros(8), 2: make_vector(7), 3: make_vector(7)})
    assert reconcile(store, "run-1", index).rows == 3
    assert {id for id, _ in index.search(make_vector(7), 2)} == {"ACME-2", "ACME-3"}


def test_more_rows_than_one_page_are_added_listed_and_deleted(index: ChromaIndex) -> None:
    many = PAGE + 500
    ids = [f"ACME-{n}" for n in range(many)]
    vectors = np.random.default_rng(1).normal(size=(many, 4)).astype(np.float32)
    index.upsert(ids, vectors, [{"layer": "short"}] * many, ids)
    assert index.ids() == set(ids)
    index.update(ids, [{"layer": "mid"}] * many)
    assert set(index.layers().values()) == {"mid"}
    index.delete(ids[1:])
    assert index.ids() == {"ACME-0"}
    assert index.search(vectors[0], 5) == [("ACME-0", pytest.approx(0, abs=1e-6))]


def test_removing_takes_one_run_and_may_be_done_twice(store: RunStore, index: ChromaIndex, tmp_path: Path) -> None:
    index.upsert(["ACME-1"], make_vector(1)[None], [{"layer": "short"}], ["x"])
    other = ChromaIndex(tmp_path / "chroma", "run-2")
    other.upsert(["ACME-1"], make_vector(1)[None], [{"layer": "short"}], ["x"])
    index.close()
    for _ in range(2):
        remove(tmp_path / "chroma", "run-1")
    assert not index.directory.exists() and other.ids() == {"ACME-1"}
    other.close()
    (tmp_path / "precious").write_text("x")
    for wrong in ("", ".", "..", "../chroma", "/tmp"):
        with pytest.raises(SpecError):
            remove(tmp_path / "chroma", wrong)
        with pytest.raises(SpecError):
            ChromaIndex(tmp_path / "chroma", wrong)
    assert (tmp_path / "precious").exists()


def test_a_folder_that_cannot_be_written_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match=r"memory index .*run-1 cannot be used .* is rebuilt"):
        ChromaIndex(tmp_path / "file", "run-1").upsert(["a"], make_vector(1)[None], [{"layer": "s"}], ["x"])


def test_a_forgotten_memory_cannot_be_found_again(store: RunStore, index: ChromaIndex) -> None:
    fill(store, 1)
    flush_outbox(store, "run-1", index)
    gone = event(1, "forgotten", session(1), after=make_state(importance=1))
    store.append(make_record(index=1, events=(gone,)))
    flush_outbox(store, "run-1", index)
    assert "ACME-1" not in {id for id, _ in index.search(make_vector(1), 10)}
