"""A ticker's memories as of any day: read once, answered in milliseconds, so that a slider over a thousand sessions does not wait.

What is kept of a run's ten thousand memories is a few numbers per event and what a list says of each; states are never decoded one by
one. Nothing later than the day asked for is in an answer.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from agent.memory.layers import LayerSpec
from agent.memory.scoring import importance, recency
from agent.spec import RunSpec
from services import runs

HEAD = ("id", "kind", "title", "text", "publisher", "born", "event_time", "available_at", "sources", "phase")
NUMBERS = ("importance", "importance_as_of", "recency_anchor", "access_count", "positive", "negative")


@dataclass(frozen=True)
class MemoryPast:
    """Everything that happened to a ticker's memories, in the order in which it happened. Shared by all who ask: not to be changed."""

    days: list[date]
    clock: np.ndarray
    layers: tuple[LayerSpec, ...]
    heads: pd.DataFrame
    events: dict[str, np.ndarray]
    uses: dict[str, np.ndarray]

    def at(self, day: date) -> pd.DataFrame:
        """Every memory born by ``day`` in the state after that session (or the last before it); without rows and columns if there is none.

        Columns: those of ``HEAD``, layer, alive, access_count, positive, negative, importance (0..100) and recency (0..1) of that day,
        forgotten_on (absent while alive), recalled, cited (times until then).
        """
        session = bisect_right(self.days, day) - 1
        frame = self.heads[(self.heads["born"] <= day).to_numpy()] if len(self.heads) else self.heads
        if frame.empty or session < 0:
            return pd.DataFrame()
        ids = frame["id"].to_numpy()
        last = self._newest(ids, session)
        state = {name: self.events[name][last] for name in (*NUMBERS, "layer")}
        gone = self.events["forgotten"][last]
        ended = np.array([None, *self.days], dtype=object)[np.where(gone, self.events["session"][last] + 1, 0)]
        return frame.assign(
            layer=np.array([layer.name for layer in self.layers], dtype=object)[state["layer"]],
            alive=~gone,
            **{name: state[name].astype(np.int64) for name in ("access_count", "positive", "negative")},
            importance=self._faded(state, self.clock[session]),
            recency=self._recent(state, self.clock[session]),
            forgotten_on=ended,
            **self._used(ids, session),
        ).reset_index(drop=True)

    def _newest(self, ids: np.ndarray, session: int) -> np.ndarray:
        """The place of each memory's last event by the session."""
        until = int(np.searchsorted(self.events["session"], session, side="right"))
        place = np.zeros(int(ids.max()) + 1, np.int64)
        mine = self.events["memory_id"][:until]
        place[mine] = np.arange(until)  # of several events of one memory the last stays
        return place[ids]

    def _faded(self, state: dict[str, np.ndarray], now: float) -> np.ndarray:
        found = np.zeros(len(state["layer"]))
        for number, layer in enumerate(self.layers):
            mine = state["layer"] == number
            found[mine] = importance(state["importance"][mine], now - state["importance_as_of"][mine], decay=layer.importance_decay)
        return found

    def _recent(self, state: dict[str, np.ndarray], now: float) -> np.ndarray:
        found = np.zeros(len(state["layer"]))
        for number, layer in enumerate(self.layers):
            mine = state["layer"] == number
            found[mine] = recency(now - state["recency_anchor"][mine], span=layer.recency_days)
        return found

    def _used(self, ids: np.ndarray, session: int) -> dict[str, np.ndarray]:
        until = int(np.searchsorted(self.uses["session"], session, side="right"))
        recalled, cited, room = self.uses["memory_id"][:until], self.uses["cited"][:until], int(ids.max()) + 1
        return {
            "recalled": np.bincount(recalled, minlength=room)[ids],
            "cited": np.bincount(recalled[cited], minlength=room)[ids],
        }


def load(run_id: str, ticker: str) -> MemoryPast:
    """The whole past of a ticker's memories; a fraction of a second for ten thousand."""
    store = runs.store()
    spec = store.run(run_id).spec
    sessions = store.day_rows(run_id, ticker, columns=["day", "cutoff", "index"])
    events, uses = store.state_rows(run_id, ticker), store.use_rows(run_id, ticker)
    places = {layer.name: number for number, layer in enumerate(spec.memory.layers)}
    kept = {name: events[name].to_numpy() for name in ("session", "memory_id", *NUMBERS)}
    return MemoryPast(
        days=list(sessions["day"]),
        clock=np.array([reading(spec, cutoff, int(index)) for cutoff, index in zip(sessions["cutoff"], sessions["index"], strict=True)]),
        layers=spec.memory.layers,
        heads=_shared(store.memory_rows(run_id, ticker, columns=HEAD)),
        events={
            **kept,
            "layer": np.array([places[name] for name in events["layer"]], np.int8),
            "forgotten": (events["kind"] == "forgotten").to_numpy(bool),
        },
        uses={name: uses[name].to_numpy() for name in uses},
    )


def _shared(heads: pd.DataFrame) -> pd.DataFrame:
    """The few different kinds, publishers, phases and days as one object each instead of one per memory: a quarter less room."""
    for name in ("kind", "publisher", "phase", "born"):
        known: dict[object, object] = {}
        heads[name] = pd.Series([known.setdefault(value, value) for value in heads[name]], dtype="object", index=heads.index)
    return heads


def reading(spec: RunSpec, cutoff: pd.Timestamp, index: int) -> float:
    """The memory's clock at a close: calendar days since 1970, or sessions, as the preset says."""
    return cutoff.timestamp() / 86_400 if spec.memory.clock == "calendar_days" else float(index)
