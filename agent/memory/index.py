"""What a vector index owes: find texts by meaning, for people. The agent's ranking never asks an index, it ranks every row exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from agent.memory import scoring

Metadata = Mapping[str, str | int | float | bool]


class MemoryIndex(Protocol):
    """Derived data: it may be deleted at any time and is rebuilt from the run store."""

    def upsert(self, ids: Sequence[str], vectors: np.ndarray, metadatas: Sequence[Metadata], documents: Sequence[str]) -> None:
        """Add rows, or replace those that are there."""
        ...

    def update(self, ids: Sequence[str], metadatas: Sequence[Metadata]) -> None:
        """Change metadata only; ids that are not there are left out."""
        ...

    def delete(self, ids: Sequence[str]) -> None:
        """Remove; ids that are not there are ignored."""
        ...

    def ids(self) -> set[str]: ...

    def layers(self) -> dict[str, str]:
        """The layer of every row by id."""
        ...

    def search(self, vector: np.ndarray, k: int, where: Metadata | None = None) -> list[tuple[str, float]]:
        """The ``k`` nearest rows as (id, cosine distance 0..2), nearest first, among those whose metadata equals ``where``."""
        ...

    def reset(self) -> None:
        """Throw everything away."""
        ...


class InMemoryIndex:
    """The reference: exact, and gone when the process ends."""

    def __init__(self) -> None:
        self._vectors: dict[str, np.ndarray] = {}
        self._about: dict[str, dict[str, str | int | float | bool]] = {}

    def upsert(self, ids: Sequence[str], vectors: np.ndarray, metadatas: Sequence[Metadata], documents: Sequence[str]) -> None:
        for key, vector, about, _ in zip(ids, vectors, metadatas, documents, strict=True):
            self._vectors[key], self._about[key] = np.array(vector, np.float32), dict(about)

    def update(self, ids: Sequence[str], metadatas: Sequence[Metadata]) -> None:
        for key, about in zip(ids, metadatas, strict=True):
            if key in self._about:
                self._about[key] |= about

    def delete(self, ids: Sequence[str]) -> None:
        for key in ids:
            self._vectors.pop(key, None)
            self._about.pop(key, None)

    def ids(self) -> set[str]:
        return set(self._vectors)

    def layers(self) -> dict[str, str]:
        return {key: str(about.get("layer", "")) for key, about in self._about.items()}

    def search(self, vector: np.ndarray, k: int, where: Metadata | None = None) -> list[tuple[str, float]]:
        query, wanted = scoring.unit(vector), dict(where or {})
        keys = [key for key, about in self._about.items() if all(about.get(name) == value for name, value in wanted.items())]
        found = [(key, 1.0 - float(scoring.cosines(self._vectors[key][None, :], query)[0])) for key in keys]
        return sorted(found, key=lambda hit: (hit[1], hit[0]))[:k]

    def reset(self) -> None:
        self._vectors, self._about = {}, {}
