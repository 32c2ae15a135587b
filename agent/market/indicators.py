"""What the price says at a close: returns, volatility, trend, range, volume. Pure functions of the past, None before there is enough of it.

Promise: a value at session t depends on bars up to t alone and is the same whether or not later sessions exist (tested by truncation).
Everything recursive (EMA, RSI, ATR, MACD) looks at a fixed number of sessions back, so it does not depend on where a data set begins.

Definitions are the field's, equal to TA-Lib's to 1e-9 from the first value on (tested): an EMA starts with the mean of its first n values,
Wilder's averages with the mean of the first n changes, Bollinger's deviation is the population's. MACD starts both its averages on the
same bar, the first that the slow one has, as TA-Lib does: the fast one with the mean of the n values up to that bar. One difference:
RSI of a flat series is 50 here, not 0, because nothing has fallen.

Loops are plain Python on purpose: the same bits on every machine, and 250 steps cost less than the round trip through an array.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

from agent.market.view import View
from agent.records import PriceState

WINDOW = 20
RSI_PERIOD = 14
ATR_PERIOD = 14
FAST, SLOW, SIGNAL = 12, 26, 9
DEVIATIONS = 2.0
MOMENTUM = 60
LOOK_BACK = 251  # bars: a year, after which the seed of Wilder's average weighs less than 1e-7

Series = list[float | None]  # one value per bar, None before there is enough history


class Bands(NamedTuple):
    lower: float
    middle: float
    upper: float


class Macd(NamedTuple):
    """Three series in price units: the line, its signal, and line - signal."""

    line: Series
    signal: Series
    histogram: Series


def price_state(view: View, ticker: str) -> PriceState:
    """The state at the view's last bar, on bars adjusted only for splits that have happened."""
    bars = view.adjusted_bars(ticker, LOOK_BACK)
    return state(
        [bar.close for bar in bars],
        [bar.volume for bar in bars[-WINDOW - 1 :]],
        highs=[bar.high for bar in bars],
        lows=[bar.low for bar in bars],
    )


def state(closes: Sequence[float], volumes: Sequence[float], *, highs: Sequence[float] = (), lows: Sequence[float] = ()) -> PriceState:
    """The state at the last of ``closes`` (oldest first). Without ``highs`` and ``lows`` there is no ATR."""
    if not closes:
        return PriceState()
    close = closes[-1]
    trend, cross = _macd(closes, FAST, SLOW, SIGNAL)
    wide = atr(highs, lows, closes, ATR_PERIOD) if highs else None
    return PriceState(
        close=close,
        return_1=change(closes, 1),
        return_3=change(closes, 3),
        return_5=change(closes, 5),
        return_20=change(closes, 20),
        volatility_20=volatility(closes, WINDOW),
        sma_20_gap=_gap(close, sma(closes, WINDOW)),
        rsi_14=rsi(closes, RSI_PERIOD),
        volume_ratio_20=volume_ratio(volumes, WINDOW),
        ema_20_gap=_gap(close, ema(closes, WINDOW)),
        macd_12_26=_share(_last(trend), close),
        macd_signal_9=_share(_last(cross), close),
        atr_14=_share(wide, close),
        bollinger_20=percent_b(closes, WINDOW),
        momentum_60=change(closes, MOMENTUM),
    )


def _gap(close: float, level: float | None) -> float | None:
    return close / level - 1 if level is not None else None


def _share(value: float | None, close: float) -> float | None:
    return value / close if value is not None else None


# ------------------------------------------------------------------------------------------------------------ value at the end


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


def sma(values: Sequence[float], n: int) -> float | None:
    """Mean of the last ``n`` values."""
    return math.fsum(values[-n:]) / n if len(values) >= n else None


def sma_gap(closes: Sequence[float], n: int) -> float | None:
    """Last close over the mean of the last ``n`` closes (itself included), minus 1."""
    return _gap(closes[-1], sma(closes, n)) if closes else None


def ema(values: Sequence[float], n: int) -> float | None:
    """Exponential mean of weight 2 / (n + 1), started with the mean of the first ``n`` values."""
    return _last(ema_series(values, n))


def rsi(closes: Sequence[float], period: int) -> float | None:
    """Wilder's relative strength index, 0..100, started with the simple mean of the first ``period`` changes; 50 on a flat series."""
    return _last(rsi_series(closes, period))


def atr(highs: Sequence[float], lows: Sequence[float], closes: Sequence[float], period: int) -> float | None:
    """Wilder's average true range in price units."""
    return _last(atr_series(highs, lows, closes, period))


def bollinger(closes: Sequence[float], n: int, deviations: float = DEVIATIONS) -> Bands | None:
    """Mean of the last ``n`` closes and the bands ``deviations`` population standard deviations around it."""
    if len(closes) < n:
        return None
    tail = closes[-n:]
    middle = math.fsum(tail) / n
    width = deviations * math.sqrt(math.fsum((close - middle) ** 2 for close in tail) / n)
    return Bands(middle - width, middle, middle + width)


def percent_b(closes: Sequence[float], n: int, deviations: float = DEVIATIONS) -> float | None:
    """Where the last close lies between the bands: 0 at the lower, 1 at the upper; None where they coincide."""
    bands = bollinger(closes, n, deviations)
    if bands is None or bands.upper - bands.lower <= 1e-12 * bands.middle:  # the width of a flat series is rounding, not a range
        return None
    return (closes[-1] - bands.lower) / (bands.upper - bands.lower)


def volume_ratio(volumes: Sequence[float], n: int) -> float | None:
    """Last volume over the mean volume of the ``n`` sessions before it."""
    if len(volumes) <= n:
        return None
    mean = math.fsum(volumes[-n - 1 : -1]) / n
    return volumes[-1] / mean if mean > 0 else None


# ------------------------------------------------------------------------------------------------------------ series for charts


def sma_series(values: Sequence[float], n: int) -> Series:
    """The mean of each bar's last ``n`` values."""
    return [sma(values[i - n + 1 : i + 1], n) if i >= n - 1 else None for i in range(len(values))]


def ema_series(values: Sequence[float], n: int, *, start: int | None = None) -> Series:
    """Exponential mean at each bar. ``start`` is the bar of the first value, n - 1 unless a later one is asked for."""
    start = n - 1 if start is None else start
    if len(values) <= start:
        return [None] * len(values)
    weight = 2.0 / (n + 1)
    level = math.fsum(values[start - n + 1 : start + 1]) / n
    found: Series = [None] * start
    found.append(level)
    for value in values[start + 1 :]:
        level += weight * (value - level)
        found.append(level)
    return found


def macd_series(closes: Sequence[float], fast: int = FAST, slow: int = SLOW, signal: int = SIGNAL) -> Macd:
    """EMA(fast) - EMA(slow), its EMA(signal) and their difference, at each bar."""
    line, average = _macd(closes, fast, slow, signal)
    blank: list[Any] = [None] * (len(closes) - len(line))
    gap = [None if mean is None else value - mean for value, mean in zip(line, average, strict=True)]
    return Macd(blank + line, blank + average, blank + gap)


def _macd(closes: Sequence[float], fast: int, slow: int, signal: int) -> tuple[list[float], Series]:
    """Line and signal from the first bar on that has a line."""
    head = slow - 1
    quick, calm = ema_series(closes, fast, start=head)[head:], ema_series(closes, slow)[head:]
    line = list(map(operator.sub, quick, calm))
    return line, ema_series(line, signal)


def rsi_series(closes: Sequence[float], period: int) -> Series:
    """Wilder's RSI at each bar, 0..100."""
    if len(closes) <= period:
        return [None] * len(closes)
    moves = [later - earlier for earlier, later in itertools.pairwise(closes)]
    gain = math.fsum(move for move in moves[:period] if move > 0) / period
    loss = math.fsum(-move for move in moves[:period] if move < 0) / period
    found: Series = [None] * period
    found.append(100.0 * gain / (gain + loss) if gain + loss else 50.0)
    rest = period - 1
    for move in moves[period:]:
        if move > 0:
            gain, loss = (gain * rest + move) / period, loss * rest / period
        else:
            gain, loss = gain * rest / period, (loss * rest - move) / period
        total = gain + loss
        found.append(100.0 * gain / total if total else 50.0)
    return found


def atr_series(highs: Sequence[float], lows: Sequence[float], closes: Sequence[float], period: int) -> Series:
    """Wilder's average true range at each bar; a range counts from the close before, so the first bar has none."""
    if len(closes) <= period:
        return [None] * len(closes)
    ranges = [
        (high if high > before else before) - (low if low < before else before)
        for high, low, before in zip(highs[1:], lows[1:], closes, strict=False)
    ]
    level = math.fsum(ranges[:period]) / period
    found: Series = [None] * period
    found.append(level)
    rest = period - 1
    for wide in ranges[period:]:
        level = (level * rest + wide) / period
        found.append(level)
    return found


def bollinger_series(closes: Sequence[float], n: int, deviations: float = DEVIATIONS) -> list[Bands | None]:
    """The bands at each bar."""
    return [bollinger(closes[i - n + 1 : i + 1], n, deviations) if i >= n - 1 else None for i in range(len(closes))]


def _last(series: Sequence[float | None]) -> float | None:
    return series[-1] if series else None
