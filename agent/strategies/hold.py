"""Buy at the first chance and hold: the baseline that equals the benchmark to the cent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel

from agent.records import DayRecord, Decision, Thought
from agent.strategies.base import Setup, Today


class BuyAndHold:
    """All in at the first close with a price, nothing after."""

    needs_model = False

    class Options(BaseModel, extra="forbid"): ...

    def __init__(self, setup: Setup) -> None:
        self.ticker = setup.ticker

    def day(self, today: Today) -> Thought:
        seen = today.seen
        if today.phase == "train":
            return Thought()
        if seen.bar is None:
            return Thought(decision=Decision(abstained="no price for this session", provenance="abstained"))
        invested = abs(seen.portfolio.shares) > 0 or seen.portfolio.pending is not None
        action, weight = ("hold", seen.weight) if invested else ("buy", 1.0)
        return Thought(decision=Decision(action=action, target_weight=weight, confidence=1.0, summary="Buy and hold.", provenance="rule"))  # type: ignore[arg-type]

    def resume(self, last: DayRecord) -> None:
        """Nothing is remembered."""

    def vectors(self, ids: Sequence[int]) -> Mapping[int, np.ndarray]:
        return {}
