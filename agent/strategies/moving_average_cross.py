"""Follow the trend: in while the mean of the last weeks lies above the mean of the last months.

The observation has no average this long, so the rule keeps the closes it has seen, in today's shares: a split rewrites them.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, model_validator

from agent.market.indicators import sma
from agent.records import DayRecord, Observation
from agent.strategies.base import Setup, Today
from agent.strategies.rule import Rule, Wish, all_or_nothing


class MovingAverageCross(Rule):
    """In while SMA(``fast``) is above SMA(``slow``), out while it is below."""

    class Options(BaseModel, extra="forbid"):
        fast: int = Field(20, ge=1, le=250, description="Sessions of the fast average.")
        slow: int = Field(50, ge=2, le=250, description="Sessions of the slow average.")

        @model_validator(mode="after")
        def _apart(self) -> MovingAverageCross.Options:
            if self.fast >= self.slow:
                raise ValueError(f"the fast average ({self.fast} sessions) must be shorter than the slow one ({self.slow})")
            return self

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._closes: list[float] = []

    def look(self, today: Today) -> None:
        seen = today.seen
        if seen.split != 1.0:
            self._closes = [close / seen.split for close in self._closes]
        if seen.bar is not None:
            self._closes = [*self._closes, seen.bar.close][-self.options.slow :]

    def wish(self, seen: Observation) -> Wish:
        fast, slow = self.options.fast, self.options.slow
        quick, calm = sma(self._closes, fast), sma(self._closes, slow)
        if quick is None or calm is None:
            return Wish(None, f"{len(self._closes)} closes seen so far; SMA({slow}) needs {slow}.")
        inside = True if quick > calm else False if quick < calm else None
        return all_or_nothing(seen, inside, f"SMA({fast}) is {quick / calm - 1:+.2%} from SMA({slow}).")

    def carry(self) -> dict[str, Any]:
        return {"closes": list(self._closes)}

    def resume(self, last: DayRecord) -> None:
        self._closes = list(last.thought.carry.get("closes", ()))
