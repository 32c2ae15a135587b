"""What the price says at a close: returns, volatility, trend, RSI, volume. Pure functions of the past, None before there is enough of it.

Promise: a value at session t depends on closes up to t alone and is the same whether or not later sessions exist (tested by
truncation). RSI looks at a fixed number of sessions back, so it does not depend on where a data set happens to begin.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from agent.market.view import View
from agent.records import PriceState

WINDOW = 20
RSI_PERIOD = 14
LOOK_BACK = 251  # closes: a year, after which the seed of Wilder's average weighs less than 1e-7


def price_state(view: View, ticker: str) -> PriceState:
    """The state at the view's last bar, on closes adjusted only for splits that have happened."""
    return state(view.adjusted_closes(ticker, LOOK_BACK), view.adjusted_volumes(ticker, WINDOW + 1))


def state(closes: Sequence[float], volumes: Sequence[float]) -> PriceState:
    """The state at the last of ``closes`` (oldest first)."""
    if not closes:
        return PriceState()
    return PriceState(
        close=closes[-1],
        return_1=change(closes, 1),
        return_3=change(closes, 3),
        return_5=change(closes, 5),
        return_20=change(closes, 20),
        volatility_20=volatility(closes, WINDOW),
        sma_20_gap=sma_gap(closes, WINDOW),
        rsi_14=rsi(closes, RSI_PERIOD),
        volume_ratio_20=volume_ratio(volumes, WINDOW),
    )


def change(closes: Sequence[float], sessions: int) -> float | None:
    """Return over the last ``sessions`` bars, a fraction."""
    return closes[-1] / closes[-1 - sessions] - 1 if len(closes) > sessions else None


def volatility(closes: Sequence[float], n: int) -> float | None:
    """Sample standard deviation (n - 1) of the last ``n`` daily returns, not annualised."""
    if len(closes) <= n or n < 2:
        return None
    tail = closes[-n - 1 :]
    returns = [later / earlier - 1 for earlier, later in itertools.pairwise(tail)]
    mean = math.fsum(returns) / n
    return math.sqrt(math.fsum((r - mean) ** 2 for r in returns) / (n - 1))


def sma_gap(closes: Sequence[float], n: int) -> float | None:
    """Last close over the mean of the last ``n`` closes (itself included), minus 1."""
    return closes[-1] / (math.fsum(closes[-n:]) / n) - 1 if len(closes) >= n else None


def rsi(closes: Sequence[float], period: int) -> float | None:
    """Wilder's relative strength index, 0..100, seeded with the simple mean of the first ``period`` changes; 50 on a flat series."""
    if len(closes) <= period:
        return None
    changes = [later - earlier for earlier, later in itertools.pairwise(closes)]
    gain = math.fsum(max(c, 0.0) for c in changes[:period]) / period
    loss = math.fsum(max(-c, 0.0) for c in changes[:period]) / period
    for c in changes[period:]:
        gain = (gain * (period - 1) + max(c, 0.0)) / period
        loss = (loss * (period - 1) + max(-c, 0.0)) / period
    if gain + loss == 0:
        return 50.0
    return 100.0 * gain / (gain + loss)


def volume_ratio(volumes: Sequence[float], n: int) -> float | None:
    """Last volume over the mean volume of the ``n`` sessions before it."""
    if len(volumes) <= n:
        return None
    mean = math.fsum(volumes[-n - 1 : -1]) / n
    return volumes[-1] / mean if mean > 0 else None
