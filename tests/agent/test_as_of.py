"""A bank built again for a past session answers that session's question exactly as it did then, with every preset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from agent.memory.as_of import Moved, Session, bank_at
from agent.memory.layers import PRESETS
from agent.records import Memory, MemoryEvent, MemoryState, Recall
from tests.agent.memory_tools import ChosenVectors, draft, go, make_bank

DAYS = 40


@dataclass(frozen=True)
class Lived:
    """What a run would have stored: events per session with the question's answer, and all vectors."""

    sessions: list[Session]
    events: list[tuple[MemoryEvent, ...]]
    answers: list[tuple[Recall, ...]]
    vectors: dict[int, np.ndarray]


def lived(preset: str) -> Lived:
    """Forty test sessions: news and filings come in, recalls are cited and credited, reflections kept after each answer."""
    bank, random = make_bank(preset), np.random.default_rng(11)
    found = Lived([], [], [], {})
    shown: tuple[Recall, ...] = ()
    for day in range(DAYS):
        go(bank, day)
        bank.advance()
        picked = [recall.memory_id for recall in shown if random.random() < 0.5]
        bank.credit(dict.fromkeys(picked, 1), int(random.choice([1, 1, 1, -1])), "an outcome")
        bank.settle()
        kinds = random.choice(["news", "news", "news", "filing_10q", "filing_10k"], size=3)
        bank.remember([draft(f"{kind} {day} {n}", str(kind), day=day - 0.1 * n) for n, kind in enumerate(kinds)])
        shown = bank.recall(f"question {day}")
        bank.cite({"short": picked})
        bank.remember([draft(f"decision of {day}", "immediate_reflection", day=day)])
        if day % 5 == 4:
            bank.remember([draft(f"lessons of {day}", "extended_reflection", day=day, value=80.0)])
        found.sessions.append(Session(bank.session, bank.cutoff, bank.index, "test"))
        found.events.append(bank.drain())
        found.answers.append(shown)
        found.vectors.update(bank.vectors(bank.ids()))
    return found


def again(preset: str, run: Lived, at: int) -> tuple[Recall, ...]:
    known: dict[int, Memory] = {}
    states: dict[int, MemoryState] = {}
    gone: set[int] = set()
    moves = []
    for place, events in enumerate(run.events[: at + 1]):
        for event in events:
            if event.memory:
                known[event.memory_id] = event.memory
            if place == at and event.kind in ("promoted", "demoted"):
                moves.append(Moved(event.memory_id, event.kind, states[event.memory_id]))
            gone |= {event.memory_id} if event.kind == "forgotten" else set()
            states[event.memory_id] = event.after
    bank = bank_at(
        "AAA",
        PRESETS[preset],
        ChosenVectors(),
        seed=7,
        session=run.sessions[at],
        memories=[(known[i], states[i], i not in gone) for i in known],
        vectors=run.vectors,
        moves=moves,
    )
    return bank.recall(f"question {at}")


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_session_is_answered_again_as_it_was_then(preset: str) -> None:
    run = lived(preset)
    kinds = {event.kind for events in run.events for event in events}
    assert {"promoted", "forgotten", "credited"} <= kinds, "the lives must be eventful enough to prove something"
    for at in range(DAYS):
        assert again(preset, run, at) == run.answers[at], f"session {at}"


def test_what_a_training_session_learnt_before_it_asked_is_there() -> None:
    """The study of the session before is kept before the question; a thought about its own decision only after it."""
    bank = go(make_bank("default"), 3)
    (number,) = bank.remember([draft("study of yesterday", "immediate_reflection", day=3)])
    memory, state = bank.get(number), bank.state(number)
    for phase, expected in (("train", 1), ("test", 0)):
        session = Session(bank.session, bank.cutoff, 3, phase)  # type: ignore[arg-type]
        found = bank_at(
            "AAA",
            PRESETS["default"],
            ChosenVectors(),
            seed=7,
            session=session,
            memories=[(memory, state, True)],
            vectors=bank.vectors([number]),
        )
        assert len(found.recall("anything")) == expected
