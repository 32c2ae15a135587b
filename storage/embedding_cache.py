"""Embeddings kept across runs: a second run over the same news embeds nothing, and does not even load the model.

The same protocol as the embedder it stands before. The file may be deleted at any time; a damaged one is set aside and begun anew.
Several processes may share it.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import BaseModel

from agent.errors import SpecError
from agent.memory.embedders.base import Embedder
from storage.disposable_file import DisposableFile

_CHUNK = 500  # keys per question: below SQLite's limit on variables
_TABLE = """CREATE TABLE IF NOT EXISTS vectors (
    embedder TEXT NOT NULL, hash BLOB NOT NULL, vector BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (embedder, hash)
) WITHOUT ROWID"""


class CachedEmbedder:
    """Looks a text up by (embedder name, SHA-256 of the text) and asks the real embedder only for what is new.

    ``make`` builds the real embedder and is called at the first miss. ``computed`` and ``served`` count texts since the start: computed
    by the model, and answered from the file (a text repeated within one call counts as served).
    """

    Options: ClassVar[type[BaseModel]] = BaseModel  # the cache has no options of its own

    def __init__(self, make: Callable[[], Embedder], path: Path | str, *, name: str, dimension: int) -> None:
        self.name = name
        self.dimension = dimension
        self.computed = 0
        self.served = 0
        self._make = make
        self._file = DisposableFile(path, tables=(_TABLE,), what="The embedding cache")
        self._embedder: Embedder | None = None
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """float32 array of shape (len(texts), dimension), as the real embedder gave it, bit for bit."""
        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        if not keys:
            return np.zeros((0, self.dimension), np.float32)
        with self._lock:
            known = self._file.attempt(lambda connection: self._look_up(connection, set(keys)))
            new = {key: text for key, text in zip(keys, texts) if key not in known}
            if new:
                fresh = dict(zip(new, self._compute(list(new.values()))))
                self._file.attempt(lambda connection: self._keep(connection, fresh))
                known |= fresh
            self.computed += len(new)
            self.served += len(keys) - len(new)
        return np.stack([known[key] for key in keys])

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        self._file.close()

    def _compute(self, texts: list[str]) -> np.ndarray:
        if self._embedder is None:
            self._embedder = self._make()
            if (self._embedder.name, self._embedder.dimension) != (self.name, self.dimension):
                found = f"{self._embedder.name!r} with {self._embedder.dimension} numbers"
                raise SpecError(
                    f"The embedder is {found}, not {self.name!r} with {self.dimension}: its vectors may not be mixed.", field="embedder"
                )
        matrix = np.asarray(self._embedder.embed(texts), np.float32)
        if matrix.shape != (len(texts), self.dimension):
            raise SpecError(f"Embedder {self.name!r} gave an array of shape {matrix.shape} for {len(texts)} texts.", field="embedder")
        return matrix

    # ------------------------------------------------------------------------------------------------------------ the file

    def _look_up(self, connection: sqlite3.Connection, keys: set[bytes]) -> dict[bytes, np.ndarray]:
        """What is known of ``keys``; a vector that does not match its checksum counts as unknown and will be replaced."""
        wanted, found = list(keys), {}
        for start in range(0, len(wanted), _CHUNK):
            some = wanted[start : start + _CHUNK]
            marks = ",".join("?" * len(some))
            query = f"SELECT hash, vector, crc FROM vectors WHERE embedder = ? AND hash IN ({marks})"
            for key, blob, crc in connection.execute(query, (self.name, *some)):
                if len(blob) == 4 * self.dimension and zlib.crc32(blob) == crc:
                    found[bytes(key)] = np.frombuffer(blob, "<f4").astype(np.float32)
        return found

    def _keep(self, connection: sqlite3.Connection, vectors: dict[bytes, np.ndarray]) -> None:
        blobs = ((key, vector.astype("<f4").tobytes()) for key, vector in vectors.items())
        with connection:
            connection.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", ((self.name, key, blob, zlib.crc32(blob)) for key, blob in blobs)
            )
