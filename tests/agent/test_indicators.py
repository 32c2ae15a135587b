"""Indicators: known numbers, and the truncation test: nothing that comes later may change a value."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.market.indicators import change, rsi, sma_gap, state, volatility, volume_ratio

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
