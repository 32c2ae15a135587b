"""The live memories of one layer: one growing float32 matrix and a column per number, so that ranking is one product.

Rows stay in the order in which they came. A removed row is only blotted out (its score is minus infinity) until a quarter of the table
is dead; then the table is packed. What is computed from a row never depends on its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from agent.memory import scoring
from agent.memory.layers import LayerSpec

# what ranking and fading need of a row, and the value that hides a removed one
_COLUMNS: dict[str, tuple[type, float]] = {
    "id": (np.int64, -1),
    "anchor": (np.float64, 0.0),
    "importance": (np.float64, -math.inf),
    "as_of": (np.float64, math.inf),
    "event": (np.float64, -math.inf),
    "visible": (np.float64, math.inf),
    "born": (np.int64, -(2**62)),
    "expiry": (np.float64, math.inf),
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
    layer: str = ""
    at: int = -1
    expiry: float = math.inf


class LayerTable:
    """Append, remove, and answer what fades when."""

    def __init__(self, spec: LayerSpec, dimension: int) -> None:
        self.spec, self.used, self.live = spec, 0, 0
        self.vectors = np.empty((64, dimension), np.float32)
        self.columns: dict[str, np.ndarray] = {name: np.empty(64, kind) for name, (kind, _) in _COLUMNS.items()}
        self.rows: list[Row] = []
        self.next_expiry = math.inf
        self.newest_visible = -math.inf

    def __getitem__(self, column: str) -> np.ndarray:
        """A view of the used part of a column; removed rows have the id -1."""
        return self.columns[column][: self.used]

    def matrix(self) -> np.ndarray:
        return self.vectors[: self.used]

    def append(self, row: Row, vector: np.ndarray) -> None:
        """Add a memory; the row learns where it lies."""
        if self.used == len(self.vectors):
            self._grow()
        row.layer, row.at = self.spec.name, self.used
        self.vectors[self.used] = vector
        self.rows.append(row)
        self.used += 1
        self.live += 1
        self.newest_visible = max(self.newest_visible, row.visible)
        self.write(row)

    def write(self, row: Row) -> None:
        """Carry a changed row into the columns."""
        row.expiry = self._expiry(row)
        for name, column in self.columns.items():
            column[row.at] = getattr(row, name)
        self.next_expiry = min(self.next_expiry, row.expiry)

    def remove(self, row: Row) -> None:
        for name, (_, hidden) in _COLUMNS.items():
            self.columns[name][row.at] = hidden
        self.live -= 1
        if self.used - self.live > max(64, self.used // 4):
            self._pack()

    # ------------------------------------------------------------------------------------------------------------- closed forms

    def recency(self, at: int | slice | np.ndarray, now: float) -> np.ndarray:
        return scoring.recency(now - self.columns["anchor"][at], span=self.spec.recency_days)

    def importance(self, at: int | slice | np.ndarray, now: float) -> np.ndarray:
        return scoring.importance(self.columns["importance"][at], now - self.columns["as_of"][at], decay=self.spec.importance_decay)

    def faded(self, now: float) -> list[int]:
        """Ids whose recency or importance has fallen below the layer's thresholds (strictly), ascending."""
        if now < self.next_expiry - _SLACK:
            return []
        due = np.flatnonzero(self["expiry"] <= now + _SLACK)
        gone = (self.recency(due, now) < self.spec.forget_recency) | (self.importance(due, now) < self.spec.forget_importance)
        return sorted(self["id"][due[gone]].tolist())

    def settle_expiry(self) -> None:
        """Recompute the nearest day of forgetting after removals."""
        self.next_expiry = float(self["expiry"].min()) if self.used else math.inf

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

    def _pack(self) -> None:
        """Close the gaps, in order."""
        keep = np.flatnonzero(self["id"] >= 0)
        self.vectors[: len(keep)] = self.vectors[keep]
        for column in self.columns.values():
            column[: len(keep)] = column[keep]
        self.rows = [self.rows[at] for at in keep.tolist()]
        for at, row in enumerate(self.rows):
            row.at = at
        self.used = len(keep)


def _longer(array: np.ndarray, room: int) -> np.ndarray:
    bigger = np.empty((room, *array.shape[1:]), array.dtype)
    bigger[: len(array)] = array
    return bigger
