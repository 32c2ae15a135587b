"""Follow the trend's change of pace: in while MACD(12, 26) lies above its signal line."""

from __future__ import annotations

from pydantic import BaseModel

from agent.records import Observation
from agent.strategies.rule import Rule, Wish, all_or_nothing


class MacdRule(Rule):
    """In while MACD(12, 26) is above its nine-day signal, out while it is below."""

    class Options(BaseModel, extra="forbid"): ...

    def wish(self, seen: Observation) -> Wish:
        line, signal = seen.price.macd_12_26, seen.price.macd_signal_9
        if line is None or signal is None:
            return Wish(None, "Too little history for MACD(12, 26, 9).")
        gap = line - signal
        return all_or_nothing(seen, True if gap > 0 else False if gap < 0 else None, f"MACD is {gap:+.3%} of the price from its signal.")
