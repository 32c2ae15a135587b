"""What fell too far comes back: buy at the lower Bollinger band, sell when the price has returned to the middle."""

from __future__ import annotations

from pydantic import BaseModel, Field, model_validator

from agent.records import Observation
from agent.strategies.rule import Rule, Wish, all_or_nothing


class MeanReversion(Rule):
    """In when %b (20 sessions, 2 deviations) falls below ``enter``, out when it is at or above ``leave``, else as before."""

    class Options(BaseModel, extra="forbid"):
        enter: float = Field(0.0, ge=-1, le=1, description="Buy below this %b: 0 is the lower band, 1 the upper.")
        leave: float = Field(0.5, ge=0, le=2, description="Sell at or above this %b: 0.5 is the mean of 20 sessions.")

        @model_validator(mode="after")
        def _apart(self) -> MeanReversion.Options:
            if self.enter >= self.leave:
                raise ValueError(f"enter ({self.enter:g}) must lie below leave ({self.leave:g})")
            return self

    def wish(self, seen: Observation) -> Wish:
        place, low, middle = seen.price.bollinger_20, self.options.enter, self.options.leave
        if place is None:
            return Wish(None, "Too little history for Bollinger bands, or a flat price.")
        inside = True if place < low else False if place >= middle else None
        return all_or_nothing(seen, inside, f"%b is {place:.2f}; buy below {low:g}, sell from {middle:g}.")
