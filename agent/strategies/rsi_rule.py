"""Buy what has fallen too fast, sell what has risen too fast: Wilder's relative strength index with his own thresholds."""

from __future__ import annotations

from pydantic import BaseModel, Field, model_validator

from agent.records import Observation
from agent.strategies.rule import Rule, Wish, all_or_nothing


class RsiRule(Rule):
    """In when RSI(14) falls below ``oversold``, out when it rises above ``overbought``, else as before."""

    class Options(BaseModel, extra="forbid"):
        oversold: float = Field(30.0, ge=0, le=100, description="Buy below this RSI(14), 0 to 100.")
        overbought: float = Field(70.0, ge=0, le=100, description="Sell above this RSI(14), 0 to 100.")

        @model_validator(mode="after")
        def _apart(self) -> RsiRule.Options:
            if self.oversold >= self.overbought:
                raise ValueError(f"oversold ({self.oversold:g}) must lie below overbought ({self.overbought:g})")
            return self

    def wish(self, seen: Observation) -> Wish:
        level, low, high = seen.price.rsi_14, self.options.oversold, self.options.overbought
        if level is None:
            return Wish(None, "Too little history for RSI(14).")
        inside = True if level < low else False if level > high else None
        return all_or_nothing(seen, inside, f"RSI(14) is {level:.1f}; buy below {low:g}, sell above {high:g}.")
