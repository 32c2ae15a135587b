"""Indicators: known numbers, every bar against TA-Lib, and the truncation test: nothing that comes later may change a value."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.market.indicators import (
    atr,
    atr_series,
    bollinger,
    bollinger_series,
    change,
    ema,
    ema_series,
    macd_series,
    percent_b,
    rsi,
    rsi_series,
    sma_gap,
    sma_series,
    state,
    volatility,
    volume_ratio,
)

# Closes whose RSI is worked out in the comments of the tests below.
WILDER = [44.34, 44.09, 44.15, 43.61, 44.33, 44.83, 45.10, 45.42, 45.84, 46.08, 45.89, 46.03, 45.61, 46.28, 46.28, 46.00, 46.03]


def test_rsi_is_seeded_with_the_simple_mean_of_the_first_fourteen_changes():
    gains = [0.06, 0.72, 0.50, 0.27, 0.32, 0.42, 0.24, 0.14, 0.67]
    losses = [0.25, 0.54, 0.19, 0.42]
    assert rsi(WILDER[:15], 14) == pytest.approx(100 - 100 / (1 + sum(gains) / sum(losses)), abs=1e-9)
    up, down = sum(gains) / 14 * 13 / 14, (sum(losses) / 14 * 13 + 0.28) / 14
    assert rsi(WILDER[:16], 14) == pytest.approx(100 - 100 / (1 + up / down), abs=1e-9)


def test_rsi_agrees_with_an_exponential_mean_of_weight_one_fourteenth():
    closes = list(100 * np.cumprod(1 + np.random.default_rng(3).normal(0, 0.01, 250)))
    moves = np.diff(closes)
    means = []
    for part in (np.maximum(moves, 0), np.maximum(-moves, 0)):
        seeded = np.concatenate([[part[:14].mean()], part[14:]])
        means.append(pd.Series(seeded).ewm(alpha=1 / 14, adjust=False).mean().iloc[-1])
    assert rsi(closes, 14) == pytest.approx(100 - 100 / (1 + means[0] / means[1]), abs=1e-9)


def test_rsi_at_its_ends():
    assert rsi([1.0 + i for i in range(20)], 14) == 100
    assert rsi([30.0 - i for i in range(20)], 14) == 0
    assert rsi([5.0] * 20, 14) == 50
    assert rsi([5.0] * 14, 14) is None


def test_the_others_against_numpy():
    closes = list(100 * np.cumprod(1 + np.random.default_rng(5).normal(0, 0.01, 30)))
    r = np.diff(closes) / closes[:-1]
    assert volatility(closes, 20) == pytest.approx(np.std(r[-20:], ddof=1), abs=1e-14)
    assert sma_gap(closes, 20) == pytest.approx(closes[-1] / np.mean(closes[-20:]) - 1, abs=1e-14)
    assert change(closes, 3) == pytest.approx(np.prod(1 + r[-3:]) - 1, abs=1e-14)
    assert volume_ratio([*[10.0] * 19, 30.0, 22.0], 20) == pytest.approx(2.0)  # mean of the 20 before is 11


def test_too_little_history_is_none_not_a_guess():
    short = state([10.0, 11.0], [5.0, 5.0])
    assert short.close == 11.0 and short.return_1 == pytest.approx(0.1)
    assert (short.return_3, short.return_20, short.volatility_20, short.sma_20_gap, short.rsi_14, short.volume_ratio_20) == (None,) * 6
    assert state([], []).close is None
    assert volume_ratio([0.0] * 21, 20) is None
    assert volatility([1.0] * 20, 20) is None  # 19 returns


@given(st.lists(st.floats(1, 1_000), min_size=1, max_size=80), st.data())
def test_a_later_session_changes_no_earlier_state(closes, data):
    t = data.draw(st.integers(0, len(closes) - 1))
    volumes = [close * 7 for close in closes]
    whole = [state(closes[: i + 1], volumes[: i + 1]) for i in range(len(closes))]
    shorter = closes[: t + 1]
    assert state(shorter, [close * 7 for close in shorter]) == whole[t]


@given(st.lists(st.floats(1, 1_000), min_size=2, max_size=60), st.floats(0.1, 50))
def test_the_unit_of_price_changes_no_ratio(closes, unit):
    one, two = state(closes, closes), state([c * unit for c in closes], [c * unit for c in closes])
    for name in ("return_1", "return_20", "volatility_20", "sma_20_gap", "rsi_14", "volume_ratio_20"):
        assert getattr(two, name) == pytest.approx(getattr(one, name), abs=1e-6)


# ------------------------------------------------------------------------------------------------ against an outside library

REAL = Path(__file__).parents[3] / "shared" / "data" / "djia-2025" / "prices.parquet"


def walk(seed: int, n: int) -> dict[str, np.ndarray]:
    """A random price with a range around it that does not always hold the close before."""
    rng = np.random.default_rng(seed)
    close = 100 * np.cumprod(1 + rng.normal(0, 0.02, n))
    return {"close": close, "high": close * (1 + rng.uniform(0, 0.01, n)), "low": close * (1 - rng.uniform(0, 0.01, n))}


def agree(ours, theirs) -> None:
    """Equal to 1e-9 where the library has a value, and None exactly where it has none."""
    assert len(ours) == len(theirs)
    assert [value is None for value in ours] == list(np.isnan(theirs))
    for one, other in zip(ours, theirs, strict=True):
        assert one is None or one == pytest.approx(other, rel=1e-9, abs=1e-9)


def check_against_talib(bars: dict[str, np.ndarray]) -> None:
    talib = pytest.importorskip("talib")
    close, high, low = bars["close"], bars["high"], bars["low"]
    closes, highs, lows = close.tolist(), high.tolist(), low.tolist()
    agree(sma_series(closes, 20), talib.SMA(close, 20))
    agree(ema_series(closes, 20), talib.EMA(close, 20))
    agree(rsi_series(closes, 14), talib.RSI(close, 14))
    agree(atr_series(highs, lows, closes, 14), talib.ATR(high, low, close, 14))
    upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0)
    bands = bollinger_series(closes, 20)
    for name, theirs in (("upper", upper), ("middle", middle), ("lower", lower)):
        agree([band and getattr(band, name) for band in bands], theirs)
    line, signal, histogram = talib.MACD(close, 12, 26, 9)
    ours = macd_series(closes)
    agree(ours.signal, signal)
    agree(ours.histogram, histogram)
    agree(
        [None] * 33 + ours.line[33:] if len(closes) > 33 else [None] * len(closes), line
    )  # TA-Lib hides the line until the signal is there


@pytest.mark.parametrize("n", [1, 13, 14, 15, 19, 20, 25, 26, 33, 34, 60, 251])
def test_every_bar_of_a_random_series_equals_talib(n):
    check_against_talib(walk(n, n))


@pytest.mark.parametrize("ticker", ["AAPL", "BA", "UNH"])
def test_every_bar_of_a_real_series_equals_talib(ticker):
    if not REAL.is_file():
        pytest.skip("the bundle of real prices is not on this machine")
    frame = pd.read_parquet(REAL)
    frame = frame[frame["symbol"] == ticker].sort_values("date")
    check_against_talib({name: frame[name].to_numpy("float64") for name in ("close", "high", "low")})


def test_the_fast_average_of_macd_starts_with_the_slow_one():
    """Known by hand: at its first bar the line is the mean of the last 12 closes less the mean of all 26."""
    closes = [float(i * i) for i in range(26)]
    line = macd_series(closes).line
    assert line[:25] == [None] * 25
    assert line[25] == pytest.approx(sum(closes[14:]) / 12 - sum(closes) / 26)
    long = walk(4, 251)["close"].tolist()
    assert macd_series(long).line[-1] == pytest.approx(ema(long, 12) - ema(long, 26), abs=1e-9)  # after a year the start is forgotten


def test_average_true_range_by_hand():
    # ranges: 3 (12 - 9), 5 (gap up: 16 - 11), 4 (gap down: 15 - 11); mean of the first two 4, then (4 + 4) / 2
    highs, lows, closes = [10.5, 12.0, 16.0, 13.0], [9.5, 9.0, 14.0, 11.0], [10.0, 11.0, 15.0, 12.0]
    assert atr_series(highs, lows, closes, 2) == [None, None, 4.0, 4.0]
    assert atr(highs[:2], lows[:2], closes[:2], 2) is None


def test_the_bands_by_hand_and_none_where_they_coincide():
    closes = [1.0, 3.0] * 10  # mean 2, population deviation 1
    assert bollinger(closes, 20) == (0.0, 2.0, 4.0)
    assert percent_b(closes, 20) == 0.75
    assert percent_b([0.1] * 20, 20) is None
    assert percent_b(closes[:19], 20) is None


def test_the_state_holds_them_as_shares_of_the_close():
    bars = {name: values.tolist() for name, values in walk(9, 251).items()}
    found = state(bars["close"], [], highs=bars["high"], lows=bars["low"])
    close = bars["close"][-1]
    assert found.ema_20_gap == pytest.approx(close / ema(bars["close"], 20) - 1, abs=1e-12)
    assert found.macd_12_26 == pytest.approx(macd_series(bars["close"]).line[-1] / close, abs=1e-12)
    assert found.macd_signal_9 == pytest.approx(macd_series(bars["close"]).signal[-1] / close, abs=1e-12)
    assert found.atr_14 == pytest.approx(atr(bars["high"], bars["low"], bars["close"], 14) / close, abs=1e-12)
    assert found.momentum_60 == pytest.approx(close / bars["close"][-61] - 1, abs=1e-12)
    assert state(bars["close"], []).atr_14 is None  # no ranges, no average range


NEEDED = {"ema_20_gap": 20, "macd_12_26": 26, "macd_signal_9": 34, "atr_14": 15, "bollinger_20": 20, "momentum_60": 61}


@pytest.mark.parametrize(("name", "needed"), NEEDED.items())
def test_each_appears_with_the_bar_that_completes_its_history(name, needed):
    bars = {key: values.tolist() for key, values in walk(2, needed).items()}
    assert getattr(state(bars["close"], [], highs=bars["high"], lows=bars["low"]), name) is not None
    assert getattr(state(bars["close"][1:], [], highs=bars["high"][1:], lows=bars["low"][1:]), name) is None


@given(st.lists(st.floats(1, 1_000), min_size=1, max_size=70), st.integers(0, 69))
def test_a_series_is_the_same_up_to_a_bar_whatever_follows(closes, t):
    t = min(t, len(closes) - 1)
    wide = [close * 1.01 for close in closes]
    for series in (
        lambda n: sma_series(closes[:n], 20),
        lambda n: ema_series(closes[:n], 20),
        lambda n: rsi_series(closes[:n], 14),
        lambda n: atr_series(wide[:n], closes[:n], closes[:n], 14),
        lambda n: macd_series(closes[:n]).signal,
        lambda n: bollinger_series(closes[:n], 20),
    ):
        assert series(t + 1) == series(len(closes))[: t + 1]
