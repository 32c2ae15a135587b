"""Hand-written helpers of the memory tests: an embedder whose vectors are chosen, and a clock that walks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from pydantic import BaseModel

from agent.memory.bank import Draft, MemoryBank
from agent.memory.layers import MemorySpec, preset
from agent.records import MemoryEvent

START = datetime(2025, 1, 6, 21, tzinfo=UTC)  # a Monday


class ChosenVectors:
    """Vectors by text where given, else a different direction for each text; counts what it was asked."""

    class Options(BaseModel): ...

    def __init__(self, dimension: int = 8, vectors: Mapping[str, Sequence[float]] | None = None) -> None:
        self.name, self.dimension, self.given, self.asked = "chosen", dimension, dict(vectors or {}), []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += list(texts)
        return np.array([self._one(text) for text in texts], np.float32).reshape(len(texts), self.dimension)

    def _one(self, text: str) -> np.ndarray:
        if text in self.given:
            return np.asarray(self.given[text], np.float32)
        seed = int.from_bytes(text.encode()[-8:].rjust(8, b"\0"), "big") + len(text)
        return np.random.default_rng(seed).normal(size=self.dimension)


def make_bank(spec: str | MemorySpec = "finmem-paper", embedder: ChosenVectors | None = None, *, seed: int = 7) -> MemoryBank:
    return MemoryBank("AAA", preset(spec) if isinstance(spec, str) else spec, embedder or ChosenVectors(), seed=seed)


def go(bank: MemoryBank, day: float, *, index: int | None = None) -> MemoryBank:
    """Begin the session ``day`` calendar days after the start."""
    cutoff = START + timedelta(days=day)
    bank.begin(cutoff.date(), cutoff, int(day) if index is None else index, "test")
    return bank


def draft(text: str, kind: str = "news", *, day: float = 0.0, value: float | None = None, **more) -> Draft:
    when = START + timedelta(days=day)
    return Draft(**{"kind": kind, "text": text, "document_id": text, "event_time": when, "available_at": when, "importance": value} | more)


def last_of(events: Sequence[MemoryEvent], kind: str) -> MemoryEvent:
    return [event for event in events if event.kind == kind][-1]
