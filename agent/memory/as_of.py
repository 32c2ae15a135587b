"""A bank as it stood when the question of a past session was put to it, so that the same question, or another one, can be asked again.

A session asks its memory once, in the middle of its day: after what had faded was forgotten, what had come true was credited, moves were
made and the news of the day was taken in; before the answer was cited and reflected upon. Whatever a test session remembers of its own
decision therefore was not there to be recalled. What a training session remembers (it studies the session before it) was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from agent.memory import scoring
from agent.memory.bank import MemoryBank, _Held
from agent.memory.embedders.base import Embedder
from agent.memory.layers import MemorySpec
from agent.records import EventKind, Memory, MemoryKind, MemoryState, Phase

OWN: tuple[MemoryKind, ...] = ("immediate_reflection", "extended_reflection")


@dataclass(frozen=True)
class Session:
    """A session of the run: its day, the moment of its close, its place in the run, and what it was for."""

    day: date
    cutoff: datetime
    index: int
    phase: Phase


@dataclass(frozen=True)
class Moved:
    """A move between layers in the session that asks, with the state before it: some presets go on ranking by the older recency."""

    memory_id: int
    kind: EventKind
    before: MemoryState


def asked_before(memory: Memory, session: Session) -> bool:
    """Whether the session put its question before it remembered this: a thought about its own decision."""
    return session.phase == "test" and memory.born == session.day and memory.kind in OWN


def bank_at(
    ticker: str,
    spec: MemorySpec,
    embedder: Embedder,
    *,
    seed: int,
    session: Session,
    memories: Iterable[tuple[Memory, MemoryState, bool]],
    vectors: Mapping[int, np.ndarray],
    moves: Iterable[Moved] = (),
) -> MemoryBank:
    """The bank at the question of ``session``: its ``recall`` answers as it did then.

    ``memories``: everything remembered by that session, its own thoughts too, with the state after the session's last event and whether
    it was alive. ``moves``: the session's own, in order.
    """
    known = [item for item in memories if not asked_before(item[0], session)]
    bank = MemoryBank.restore(ticker, spec, embedder, seed=seed, memories=known, vectors=vectors, next_id=1)
    bank.begin(session.day, session.cutoff, session.index, session.phase)
    if spec.recency_on_move_day != "derived":
        for move in moves:
            _hold(bank, move)
    return bank


def _hold(bank: MemoryBank, move: Moved) -> None:
    """As the bank itself does at a move: the recency of before the move is kept until the next session."""
    span = bank.spec.layer(move.before.layer).recency_days
    old = float(scoring.recency(bank.now - move.before.recency_anchor, span=span))
    before = bank._held.get(move.memory_id) or _Held(old, old)
    shown = 1.0 if move.kind == "promoted" else before.shown
    bank._held[move.memory_id] = _Held(shown, before.ranked if bank.spec.recency_on_move_day == "stored_compound" else shown)
