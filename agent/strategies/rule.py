"""What the rule strategies share: a wish for today becomes a decision.

A rule knows only what the observation offers, is deterministic, asks nobody, and learns nothing: training days give it history and no
more. It wishes for a weight between 0 and 1 of its sleeve; the engine fills, charges and records it like any other decision, without the
limits of a character. It states no confidence, because it has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel

from agent.records import DayRecord, Decision, Observation, Thought
from agent.strategies.base import Setup, Today

SAME = 1e-9  # weights nearer than this are equal, as in the engine


@dataclass(frozen=True)
class Wish:
    """The weight wanted after the next fill, None to leave everything as it is; and why, in one sentence."""

    weight: float | None
    why: str


class Rule:
    """A strategy that is one sentence long. A new one says ``wish``, and ``look``, ``carry`` and ``resume`` where it keeps anything."""

    needs_model = False

    Options: ClassVar[type[BaseModel]]

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.options: Any = type(self).Options.model_validate(setup.spec.strategy_options)

    def wish(self, seen: Observation) -> Wish:
        """What the rule wants at a test close that has a price."""
        raise NotImplementedError

    def look(self, today: Today) -> None:
        """Take note of a close, in training too and without a price too; called before ``wish``."""

    def carry(self) -> dict[str, Any]:
        """What ``resume`` needs to go on tomorrow."""
        return {}

    def day(self, today: Today) -> Thought:
        self.look(today)
        if today.phase == "train":
            return Thought(carry=self.carry())
        if today.seen.bar is None:
            return Thought(decision=Decision(abstained="no price for this session", provenance="abstained"), carry=self.carry())
        decision = decided(today.seen, self.wish(today.seen))
        return Thought(decision=decision, carry=self.carry())

    def resume(self, last: DayRecord) -> None:
        """Nothing is remembered."""

    def vectors(self, ids: Sequence[int]) -> Mapping[int, np.ndarray]:
        return {}


def decided(seen: Observation, wish: Wish) -> Decision:
    """The wish as a decision: a hold where the weight is there already, or an order for it waits."""
    waiting = seen.portfolio.pending
    there = (
        wish.weight is None or abs(wish.weight - seen.weight) < SAME or (waiting is not None and abs(wish.weight - waiting.weight) < SAME)
    )
    if wish.weight is None or there:
        return Decision(action="hold", target_weight=seen.weight, summary=wish.why, provenance="rule")
    action = "buy" if wish.weight > seen.weight else "sell"
    return Decision(action=action, target_weight=wish.weight, summary=wish.why, provenance="rule")  # type: ignore[arg-type]


def invested(seen: Observation) -> bool:
    """Whether the sleeve holds shares, or will after the order that waits."""
    waiting = seen.portfolio.pending
    return waiting.weight != 0 if waiting is not None else seen.portfolio.shares != 0


def all_or_nothing(seen: Observation, inside: bool | None, why: str) -> Wish:
    """Everything in shares or nothing; None, or being there already, leaves the position alone."""
    if inside is None or inside == invested(seen):
        return Wish(None, why)
    return Wish(1.0 if inside else 0.0, why)
