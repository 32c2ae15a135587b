"""The live memories of one layer: one growing float32 matrix and a column per number, so that ranking is one product.

Rows are in no order: a deleted row is filled by the last one. Whatever is computed from a row must therefore not depend on its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from agent.memory import scoring
from agent.memory.layers import LayerSpec

_COLUMNS: dict[str, type] = {
    "id": np.int64,
    "anchor": np.float64,
    "importance": np.float64,
    "as_of": np.float64,
    "event": np.float64,
    "visible": np.float64,
    "born": np.int64,
    "access": np.int64,
    "positive": np.int64,
    "negative": np.int64,
    "blocked": np.bool_,
    "expiry": np.float64,
}
_SLACK = 1e-6  # clock units by which the estimated day of forgetting may be early; the exact test decides


@dataclass(slots=True)
class Row:
    """One live memory's numbers. Times are clock readings, except ``event`` and ``visible``: UTC days since 1970."""

    id: int
    anchor: float
    importance: float
    as_of: float
    event: float
    visible: float
    born: int
    access: int = 0
    positive: int = 0
    negative: int = 0
    blocked: bool = False


class LayerTable:
    """Append, remove, and answer what fades when."""

    def __init__(self, spec: LayerSpec, dimension: int) -> None:
        self.spec, self.count = spec, 0
        self.vectors = np.empty((64, dimension), np.float32)
        self.columns: dict[str, np.ndarray] = {name: np.empty(64, kind) for name, kind in _COLUMNS.items()}
        self.next_expiry = math.inf
        self.newest_visible = -math.inf

    def __getitem__(self, column: str) -> np.ndarray:
        """A view of the live part of a column."""
        return self.columns[column][: self.count]

    def matrix(self) -> np.ndarray:
        return self.vectors[: self.count]

    def append(self, row: Row, vector: np.ndarray) -> int:
        """Add a memory; its row number."""
        if self.count == len(self.vectors):
            self._grow()
        at = self.count
        self.count += 1
        self.vectors[at] = vector
        self.put(at, row)
        self.newest_visible = max(self.newest_visible, row.visible)
        return at

    def put(self, at: int, row: Row) -> None:
        """Write a row's numbers in place."""
        for name in _COLUMNS:
            if name != "expiry":
                self.columns[name][at] = getattr(row, name)
        self.columns["expiry"][at] = expiry = self._expiry(row)
        self.next_expiry = min(self.next_expiry, expiry)

    def row(self, at: int) -> Row:
        return Row(**{name: self.columns[name][at].item() for name in _COLUMNS if name != "expiry"})

    def remove(self, at: int) -> int | None:
        """Delete a row; the id of the memory that now lies there, if another one moved in."""
        last = self.count = self.count - 1
        if at == last:
            return None
        self.vectors[at] = self.vectors[last]
        for column in self.columns.values():
            column[at] = column[last]
        return int(self.columns["id"][at])

    # ------------------------------------------------------------------------------------------------------------- closed forms

    def recency(self, at: int | np.ndarray, now: float) -> np.ndarray:
        return scoring.recency(now - self.columns["anchor"][at], span=self.spec.recency_days)

    def importance(self, at: int | np.ndarray, now: float) -> np.ndarray:
        return scoring.importance(self.columns["importance"][at], now - self.columns["as_of"][at], decay=self.spec.importance_decay)

    def faded(self, now: float) -> np.ndarray:
        """Rows whose recency or importance has fallen below the layer's thresholds (strictly)."""
        if now < self.next_expiry - _SLACK:
            return np.empty(0, np.int64)
        due = np.flatnonzero(self["expiry"] <= now + _SLACK)
        gone = (self.recency(due, now) < self.spec.forget_recency) | (self.importance(due, now) < self.spec.forget_importance)
        return due[gone]

    def settle_expiry(self) -> None:
        """Recompute the nearest day of forgetting after removals."""
        self.next_expiry = float(self["expiry"].min()) if self.count else math.inf

    def approximate(self, now: float) -> np.ndarray:
        """recency + importance / 100 of every row in float32, good to about 1e-6: for finding candidates, never for ranking."""
        age = np.maximum(now - self["anchor"], 0.0).astype(np.float32)
        age *= np.float32(-1.0 / self.spec.recency_days)
        partial = np.exp(age, out=age)
        worth = np.maximum(now - self["as_of"], 0.0).astype(np.float32)
        worth *= np.float32(math.log(self.spec.importance_decay))
        np.exp(worth, out=worth)
        worth *= self["importance"].astype(np.float32)
        np.minimum(worth, np.float32(100.0), out=worth)
        worth *= np.float32(0.01)
        partial += worth
        return partial

    def _expiry(self, row: Row) -> float:
        """Clock reading at which the memory crosses a threshold if nothing happens to it."""
        spec, ends = self.spec, [math.inf]
        if spec.forget_recency > 0:
            ends.append(row.anchor - spec.recency_days * math.log(spec.forget_recency))
        if row.importance < spec.forget_importance:
            ends.append(row.as_of)
        elif spec.importance_decay < 1 and spec.forget_importance > 0:
            ends.append(row.as_of + math.log(spec.forget_importance / row.importance) / math.log(spec.importance_decay))
        return min(ends)

    def _grow(self) -> None:
        room = len(self.vectors) * 3 // 2
        self.vectors = _longer(self.vectors, room)
        self.columns = {name: _longer(column, room) for name, column in self.columns.items()}


def _longer(array: np.ndarray, room: int) -> np.ndarray:
    bigger = np.empty((room, *array.shape[1:]), array.dtype)
    bigger[: len(array)] = array
    return bigger
