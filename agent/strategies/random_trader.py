"""A trader without any idea: in and out on days drawn by lot, as often and as long as the run it is measured against.

The days are drawn once, from the seed and the ticker, over the sessions of the test window, which the exchange publishes in advance. The
number of trades and of days inside is exact; which days they are is luck. Nothing of the market enters.
"""

from __future__ import annotations

import itertools
import math
import random
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, Field

from agent.records import DayRecord, Observation
from agent.strategies.base import Setup, Today
from agent.strategies.rule import Rule, Wish, invested

YEAR = 252  # sessions, as in the metrics


class RandomTrader(Rule):
    """Holds ``level`` of its sleeve on randomly drawn stretches of days, nothing between them."""

    class Options(BaseModel, extra="forbid"):
        turnover: float = Field(10.0, ge=0, le=1000, description="Trades to match: bought and sold value per year over mean equity.")
        exposure: float = Field(0.5, ge=0, le=1, description="Mean share of equity held to match, 0 to 1.")
        level: float = Field(1.0, gt=0, le=1, description="Share of the sleeve while invested.")

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        spec, wanted = setup.spec, self.options
        closes = setup.sessions_between(spec.test.start - timedelta(days=1), spec.test.end)
        days = max(1, closes - 1)  # what the last close decides is never filled
        self._plan = schedule(
            days,
            inside=round(min(1.0, wanted.exposure / wanted.level) * days),
            trades=round(wanted.turnover * days / YEAR / wanted.level),
            lot=random.Random(f"{spec.seed}|{setup.ticker}|random trader"),
        )
        self._closes = 0

    def look(self, today: Today) -> None:
        self._closes += today.phase == "test"

    def wish(self, seen: Observation) -> Wish:
        inside = self._plan[min(self._closes, len(self._plan)) - 1]
        if inside == invested(seen):
            return Wish(None, "By lot: no change.")
        return Wish(self.options.level if inside else 0.0, f"By lot: {'in' if inside else 'out'}.")

    def carry(self) -> dict[str, Any]:
        return {"closes": self._closes}

    def resume(self, last: DayRecord) -> None:
        self._closes = int(last.thought.carry.get("closes", 0))


def schedule(days: int, *, inside: int, trades: int, lot: random.Random) -> list[bool]:
    """Which of ``days`` are spent invested: exactly ``inside`` of them, reached by exactly ``trades`` changes from out to in and back.

    Where so many changes do not fit, as many as fit. All ways to place the stretches are equally likely.
    """
    if inside <= 0:
        return [False] * days
    if inside >= days:
        return [True] * days
    outside = days - inside
    trades = max(1, min(trades, 2 * inside, 2 * outside + 1))  # one day in per two changes, one day out between two stretches
    stretches, gaps = math.ceil(trades / 2), math.floor(trades / 2)
    lengths = _parts(inside, stretches, lot)
    waits = _parts(outside + 1, gaps + 1, lot)  # the first wait may be of no length
    waits[0] -= 1
    found: list[bool] = []
    for number, wait in enumerate(waits):
        found += [False] * wait + [True] * (lengths[number] if number < stretches else 0)
    return found


def _parts(total: int, count: int, lot: random.Random) -> list[int]:
    """``total`` in ``count`` positive parts, all ways equally likely."""
    cuts = [0, *sorted(lot.sample(range(1, total), count - 1)), total]
    return [later - earlier for earlier, later in itertools.pairwise(cuts)]
