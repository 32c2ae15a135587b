"""A bank put together from its events goes on exactly like one that was never stopped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.memory.bank import MemoryBank
from agent.memory.layers import PRESETS, preset
from agent.records import Memory, MemoryEvent, MemoryState
from tests.agent.memory_tools import ChosenVectors, draft, go, make_bank

KINDS = ("news", "filing_10q", "filing_10k", "immediate_reflection", "extended_reflection")


class Store:
    """What a run store knows: the events, folded into the last state of each memory, and the vectors of births."""

    def __init__(self) -> None:
        self.memories: dict[int, Memory] = {}
        self.states: dict[int, MemoryState] = {}
        self.alive: dict[int, bool] = {}
        self.vectors: dict[int, np.ndarray] = {}

    def write(self, events: tuple[MemoryEvent, ...], bank: MemoryBank) -> None:
        for event in events:
            key = event.memory_id
            if event.memory is not None:
                self.memories[key] = Memory.model_validate_json(event.memory.model_dump_json())
                self.vectors |= bank.vectors([key])
            if event.kind == "merged":
                self.memories[key] = self.memories[key].model_copy(update={"sources": (*self.memories[key].sources, event.source)})
            self.states[key] = MemoryState.model_validate_json(event.after.model_dump_json())
            self.alive[key] = event.kind != "forgotten"

    def restore(self, like: MemoryBank, *, vectors: bool = True) -> MemoryBank:
        rows = [(self.memories[key], self.states[key], self.alive[key]) for key in reversed(sorted(self.memories))]
        return MemoryBank.restore(
            like.ticker,
            like.spec,
            like.embedder,
            seed=like.seed,
            memories=rows,
            vectors=self.vectors if vectors else {},
            next_id=max(self.memories, default=0) + 1,
        )


def live_a_day(bank: MemoryBank, day: int, seed: int) -> tuple:
    """One day of everything, decided by the seed alone; all that can be seen of it."""
    rng = np.random.default_rng((seed, day))
    go(bank, day * 1.5, index=day).advance()
    known = range(1, 40)
    ignored = bank.credit(
        {int(i): int(rng.choice([-1, 1, 1])) for i in rng.choice(known, 6, replace=False)}, int(rng.choice([-1, 1, 1])), "why"
    )
    bank.settle()
    drafts = [
        draft(f"text {rng.integers(12)} {n % 3}", KINDS[rng.integers(5)], day=day * 1.5 - float(rng.integers(3)), document_id=f"{day}-{n}")
        for n in range(rng.integers(0, 6))
    ]
    born = bank.remember(drafts)
    recalls = bank.recall(f"question {day}")
    bank.cite({"any": [recall.memory_id for recall in recalls[:3]]})
    return ignored, born, recalls, bank.live(), bank.ids()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(PRESETS)), st.integers(0, 1000), st.integers(1, 25), st.booleans())
def test_a_restored_bank_goes_on_exactly_as_if_never_stopped(name: str, seed: int, stop: int, with_vectors: bool) -> None:
    straight, store = make_bank(name, ChosenVectors(4)), Store()
    for day in range(stop):
        live_a_day(straight, day, seed)
        store.write(straight.drain(), straight)
    resumed = store.restore(straight, vectors=with_vectors)
    assert resumed.ids() == straight.ids() and resumed.live() == straight.live()
    for day in range(stop, stop + 12):
        assert live_a_day(resumed, day, seed) == live_a_day(straight, day, seed)
        assert resumed.drain() == straight.drain()


def test_the_last_event_of_a_memory_holds_its_state() -> None:
    bank, store = make_bank("default"), Store()
    for day in range(20):
        live_a_day(bank, day, 3)
        store.write(bank.drain(), bank)
        assert {key: bank.state(key) for key in store.states} == store.states
        assert {key: bank.get(key) for key in store.memories} == store.memories
        assert [key for key in sorted(store.alive) if store.alive[key]] == bank.ids()


def test_a_restored_span_still_counts_sessions() -> None:
    bank, store = make_bank(preset("default").model_copy(update={"span_sessions": 2})), Store()
    for index, day in enumerate((0, 1, 4)):
        go(bank, day, index=index).advance()
        bank.remember([draft(f"text {day}", day=day, value=80)])
        store.write(bank.drain(), bank)
    resumed = store.restore(bank)
    go(resumed, 5, index=3)
    assert [resumed.get(r.memory_id).text for r in resumed.recall("q")] == ["text 4"]


def test_a_restored_empty_bank_is_a_new_one() -> None:
    bank = make_bank("default")
    again = MemoryBank.restore("AAA", bank.spec, bank.embedder, seed=7, memories=[], vectors={}, next_id=5)
    assert go(again, 0).remember([draft("a")]) == [5]


def test_using_a_bank_before_the_first_session_is_a_mistake() -> None:
    with pytest.raises((RuntimeError, AttributeError)):
        make_bank().remember([draft("a")])
