"""The vector index on disk: one Chroma directory per run, derived from the run store and rebuilt from it whenever they differ.

Each live memory is one row with the id ``TICKER-12``; a move between layers changes its metadata, forgetting deletes it, so the index
holds the live memories and nothing else. The agent's own ranking is exact and does not use it: this is for "find memories like this".

One writer per directory (the run's worker): Chroma is not made for several processes. The day is committed first and the index is
told afterwards, from the outbox that was written with the day; after a crash ``reconcile`` compares both sides id by id.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from agent.errors import Unavailable
from agent.records import Memory, MemoryState
from storage.run_store import RunStore, checked_run_id

PAGE = 5_000  # Chroma's own limit on one batch is near 5,461; reading more than about 32,000 rows at once fails
_PROBES = 32  # enough to meet a damaged index: in the one we measured, two of eleven rows could not be found
_COLLECTION = "memories"
_DOCUMENT_CHARS = 2_000
Metadata = Mapping[str, str | int | float | bool]


class MemoryIndex(Protocol):
    """What the outbox needs of an index."""

    def upsert(self, ids: Sequence[str], vectors: np.ndarray, metadatas: Sequence[Metadata], documents: Sequence[str]) -> None: ...

    def update(self, ids: Sequence[str], metadatas: Sequence[Metadata]) -> None: ...

    def delete(self, ids: Sequence[str]) -> None: ...

    def ids(self) -> set[str]: ...

    def layers(self) -> dict[str, str]: ...

    def search(self, vector: np.ndarray, k: int, where: Metadata | None = None) -> list[tuple[str, float]]: ...

    def reset(self) -> None: ...


class ChromaIndex:
    """The index of one run below ``path``. Opened at first use; chromadb is not imported before."""

    def __init__(self, path: Path | str, run_id: str) -> None:
        self.directory = Path(path) / checked_run_id(run_id)
        self._client: Any = None
        self._collection: Any = None

    def upsert(self, ids: Sequence[str], vectors: np.ndarray, metadatas: Sequence[Metadata], documents: Sequence[str]) -> None:
        with self._chroma() as collection:
            for part in _pages(len(ids)):
                collection.upsert(
                    ids=list(ids[part]),
                    embeddings=np.asarray(vectors[part], np.float32),
                    metadatas=[dict(m) for m in metadatas[part]],
                    documents=list(documents[part]),
                )

    def update(self, ids: Sequence[str], metadatas: Sequence[Metadata]) -> None:
        """Change metadata only; ids that are not there are left out. Twenty times cheaper than with texts."""
        with self._chroma() as collection:
            for part in _pages(len(ids)):
                collection.update(ids=list(ids[part]), metadatas=[dict(m) for m in metadatas[part]])

    def delete(self, ids: Sequence[str]) -> None:
        with self._chroma() as collection:
            for part in _pages(len(ids)):
                collection.delete(ids=list(ids[part]))

    def ids(self) -> set[str]:
        return set(self.layers())

    def layers(self) -> dict[str, str]:
        """The layer of every row by id."""
        found: dict[str, str] = {}
        if not self._exists():
            return found  # nothing to ask, and no reason to import chromadb
        with self._chroma() as collection:
            while True:
                page = collection.get(limit=PAGE, offset=len(found), include=["metadatas"])
                found |= {id: (about or {}).get("layer", "") for id, about in zip(page["ids"], page["metadatas"])}
                if len(page["ids"]) < PAGE:
                    return found

    def search(self, vector: np.ndarray, k: int, where: Metadata | None = None) -> list[tuple[str, float]]:
        """The ``k`` nearest rows as (id, cosine distance 0..2), nearest first; approximate."""
        with self._chroma() as collection:
            if k < 1 or not (size := collection.count()):
                return []
            query = np.asarray(vector, np.float32).reshape(1, -1)
            found = collection.query(query_embeddings=query, n_results=min(k, size), where=_where(where), include=["distances"])
        return list(zip(found["ids"][0], (float(d) for d in found["distances"][0])))

    def reset(self) -> None:
        """Throw the directory away; the next call begins an empty one."""
        self.close()
        _remove_folder(self.directory)

    def close(self) -> None:
        """Let go of the directory; the next call opens it again."""
        if self._client is not None:
            self._client.close()
        self._client = self._collection = None

    @contextmanager
    def _chroma(self) -> Iterator[Any]:
        from chromadb.errors import ChromaError

        if self._collection is not None and not self._exists():
            self.close()  # deleted under our feet: an open client would fail for ever
        if self._collection is None:
            self._collection = self._open()
        try:
            yield self._collection
        except (ChromaError, OSError, RuntimeError) as error:
            raise self._broken(error) from error

    def _exists(self) -> bool:
        return (self.directory / "chroma.sqlite3").exists()

    def _broken(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"The memory index {self.directory} cannot be used ({error}).",
            cure="Free some space or make the folder writable; the index itself may be deleted, it is rebuilt when the run goes on.",
        )

    def _open(self) -> Any:
        import chromadb
        from chromadb.config import Settings
        from chromadb.errors import ChromaError

        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._client = chromadb.PersistentClient(path=str(self.directory.absolute()), settings=Settings(anonymized_telemetry=False))
            return self._client.get_or_create_collection(_COLLECTION, embedding_function=None, configuration={"hnsw": {"space": "cosine"}})
        except (ChromaError, OSError, RuntimeError, ValueError) as error:  # what chromadb cannot open it reports as any of these
            self.close()
            _forget_failed_client(str(self.directory.absolute()))
            raise self._broken(error) from error


def _forget_failed_client(path: str) -> None:
    """chromadb (1.5.9) keeps a client that failed to start and hands it out again for the same path, even after the folder is gone."""
    from chromadb.api.shared_system_client import SharedSystemClient

    SharedSystemClient._identifier_to_system.pop(path, None)
    SharedSystemClient._identifier_to_refcount.pop(path, None)


def remove(path: Path | str, run_id: str) -> None:
    """Delete the index of a run; nothing happens if there is none."""
    _remove_folder(Path(path) / checked_run_id(run_id))


def row_id(ticker: str, memory_id: int) -> str:
    return f"{ticker}-{memory_id}"


def flush_outbox(store: RunStore, run_id: str, index: MemoryIndex, *, limit: int = PAGE) -> int:
    """Tell the index what happened since the last time; returns how many outbox rows were worked off.

    The rows are cleared only after the index has taken all of them, and telling it twice does no harm.
    """
    told = 0
    while items := store.outbox(run_id, limit=limit):
        by_ticker: dict[str, dict[int, set[str]]] = {}
        for item in items:
            by_ticker.setdefault(item.ticker, {}).setdefault(item.memory_id, set()).add(item.op)
        for ticker, changed in by_ticker.items():
            _tell(store, run_id, index, ticker, changed)
        store.clear_outbox(run_id, up_to=items[-1].key)
        told += len(items)
    return told


def _tell(store: RunStore, run_id: str, index: MemoryIndex, ticker: str, changed: Mapping[int, set[str]]) -> None:
    """Bring the rows of ``changed`` to the state that the store has now."""
    now = {memory.id: (memory, state, alive) for memory, state, alive in store.memories_of(run_id, ticker, list(changed))}
    gone = [id for id in changed if id not in now or not now[id][2]]
    new = [id for id in changed if id not in gone and "add" in changed[id]]
    moved = [id for id in changed if id not in gone and "add" not in changed[id]]
    if gone:
        index.delete([row_id(ticker, id) for id in gone])
    if moved:
        index.update([row_id(ticker, id) for id in moved], [_about(*now[id][:2]) for id in moved])
    _add(store, run_id, index, ticker, [now[id][:2] for id in new])


def _add(store: RunStore, run_id: str, index: MemoryIndex, ticker: str, wanted: Sequence[tuple[Memory, MemoryState]]) -> None:
    for part in _pages(len(wanted)):
        some = sorted(wanted[part], key=lambda pair: pair[0].id)
        ids, vectors = store.vectors(run_id, ticker, [memory.id for memory, _ in some])
        index.upsert(
            [row_id(ticker, int(id)) for id in ids],
            vectors,
            [_about(memory, state) for memory, state in some],
            [f"{memory.title}\n{memory.text}"[:_DOCUMENT_CHARS] for memory, _ in some],
        )


def _about(memory: Memory, state: MemoryState) -> Metadata:
    """What a search may filter by."""
    return {
        "ticker": memory.ticker,
        "memory_id": memory.id,
        "layer": state.layer,
        "kind": memory.kind,
        "born": memory.born.isoformat(),
        "available_at": memory.available_at.timestamp(),
    }


@dataclass(frozen=True)
class Reconciled:
    """What it took to make the index agree with the store."""

    rows: int
    added: int
    removed: int
    updated: int
    rebuilt: bool = False


def reconcile(store: RunStore, run_id: str, index: MemoryIndex) -> Reconciled:
    """Make the index hold exactly the live memories of the store, and prove it: ids, layers, the count, and that queries find rows.

    An index that cannot be opened or mended is thrown away and rebuilt. Run it before a run starts or goes on.
    """
    try:
        return _mend(store, run_id, index)
    except Unavailable:
        index.reset()
        again = _mend(store, run_id, index)
        return Reconciled(again.rows, again.added, again.removed, again.updated, rebuilt=True)


def _mend(store: RunStore, run_id: str, index: MemoryIndex) -> Reconciled:
    end = store.outbox_end(run_id)  # before the memories are read: what comes later stays in the outbox
    live = {
        ticker: [(memory, state) for memory, state, alive in store.memories(run_id, ticker) if alive]
        for ticker in store.run(run_id).tickers
    }
    wanted = {row_id(ticker, memory.id): state.layer for ticker, pairs in live.items() for memory, state in pairs}
    there = index.layers()
    extra = sorted(there.keys() - wanted.keys())
    if extra:
        index.delete(extra)
    added = moved = 0
    for ticker, pairs in live.items():
        missing = [pair for pair in pairs if row_id(ticker, pair[0].id) not in there]
        _add(store, run_id, index, ticker, missing)
        wrong = [pair for pair in pairs if there.get(row_id(ticker, pair[0].id), pair[1].layer) != pair[1].layer]
        if wrong:
            index.update([row_id(ticker, memory.id) for memory, _ in wrong], [_about(*pair) for pair in wrong])
        added, moved = added + len(missing), moved + len(wrong)
    _prove(store, run_id, index, wanted)
    if end:
        store.clear_outbox(run_id, up_to=end)
    return Reconciled(len(wanted), added, len(extra), moved)


def _prove(store: RunStore, run_id: str, index: MemoryIndex, wanted: Mapping[str, str]) -> None:
    """Ids, layers and count agree, and a search for a stored vector finds that vector."""
    if index.layers() != wanted:
        raise Unavailable(
            f"The memory index of run {run_id!r} does not take what it is given.", cure="Delete its folder and start the run again."
        )
    names = list(wanted)
    for name in names[:: max(1, len(names) // _PROBES)]:
        ticker, _, memory_id = name.rpartition("-")
        _, vectors = store.vectors(run_id, ticker, [int(memory_id)])
        if not np.linalg.norm(vectors[0]):
            continue  # a text without content has no direction to be found by
        found = index.search(vectors[0], 3)
        # a twin with the same vector may come first; what matters is that the place is reachable and holds this vector
        if not found or found[0][1] > 1e-3:
            raise Unavailable(
                f"The memory index of run {run_id!r} does not find {name}.", cure="Delete its folder and start the run again."
            )


def _where(where: Metadata | None) -> dict[str, Any] | None:
    """Chroma wants several conditions joined by name."""
    if not where:
        return None
    return dict(where) if len(where) == 1 else {"$and": [{key: value} for key, value in where.items()]}


def _pages(count: int) -> Iterator[slice]:
    for start in range(0, count, PAGE):
        yield slice(start, start + PAGE)


def _remove_folder(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Unavailable(
            f"The memory index {folder} cannot be deleted ({error.strerror}).", cure="Make the folder writable, then delete it."
        ) from None
