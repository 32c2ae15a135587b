"""Equal shares for every ticker and for cash, restored at fixed intervals: no forecast, only rebalancing.

A run trades each ticker in a sleeve of its own with an equal part of the capital, and the sleeves never lend each other cash. So what can
be rebalanced is the share of stock within each sleeve, kept at a constant weight; money is not moved from one ticker to another.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from agent.records import DayRecord, Observation
from agent.strategies.base import Setup, Today
from agent.strategies.rule import Rule, Wish


class EqualWeight(Rule):
    """Back to the constant weight every ``every`` sessions. Of n tickers and cash each has 1/(n + 1) of the capital: n/(n + 1) of a sleeve."""

    class Options(BaseModel, extra="forbid"):
        weight: float | None = Field(
            None,
            gt=0,
            le=1,
            description="Constant share of stock in each ticker's sleeve; empty: n/(n + 1), so that cash weighs as much as a ticker.",
        )
        every: int = Field(21, ge=1, le=252, description="Sessions from one rebalancing to the next.")

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        tickers = len(setup.spec.tickers)
        self._weight: float = self.options.weight or tickers / (tickers + 1)
        self._index = 0
        self._last: int | None = None

    def look(self, today: Today) -> None:
        self._index = today.index

    def wish(self, seen: Observation) -> Wish:
        if self._last is not None and self._index - self._last < self.options.every:
            return Wish(None, f"Rebalanced {self._index - self._last} sessions ago; due every {self.options.every}.")
        self._last = self._index
        return Wish(self._weight, f"Rebalance to {self._weight:.1%} from {seen.weight:.1%}.")

    def carry(self) -> dict[str, Any]:
        return {"rebalanced": self._last}

    def resume(self, last: DayRecord) -> None:
        self._last = last.thought.carry.get("rebalanced")
