"""What rose goes on rising: in while the return of the last 60 sessions is above a threshold (time-series momentum)."""

from __future__ import annotations

from pydantic import BaseModel, Field

from agent.records import Observation
from agent.strategies.rule import Rule, Wish, all_or_nothing


class Momentum(Rule):
    """In while the return over 60 sessions is above ``threshold``, out otherwise."""

    class Options(BaseModel, extra="forbid"):
        threshold: float = Field(0.0, ge=-1, le=1, description="Return over 60 sessions, as a fraction, above which shares are held.")

    def wish(self, seen: Observation) -> Wish:
        gain = seen.price.momentum_60
        if gain is None:
            return Wish(None, "Too little history for a return over 60 sessions.")
        return all_or_nothing(seen, gain > self.options.threshold, f"The last 60 sessions brought {gain:+.1%}.")
