"""Regimes by hand, nothing from the future, and a verdict that needs enough sessions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import NoData
from agent.evaluation.regimes import ENOUGH, Behaviour, behave, known_before, label, pooled, verdict


def test_a_rise_beyond_half_a_deviation_is_bull_a_fall_bear_and_what_goes_to_and_fro_flat() -> None:
    swing = np.tile([1.01, 1 / 1.01], 40)
    for drift, wanted in ((1.003, "bull"), (1.0, "flat"), (0.997, "bear")):
        assert label(np.cumprod(swing * drift))[-1] == wanted
    assert label([100.0] * 70)[-1] == "flat"


def test_the_band_is_the_volatility_of_the_window_itself() -> None:
    closes = [100.0, 101.0, 100.0, 102.0]  # returns of the last three: 1 %, -0.99 %, 2 %
    r = np.array([0.01, 100 / 101 - 1, 0.02])
    ratio = 0.02 / (r.std(ddof=1) * 3**0.5)
    assert label(closes, window=3, band=ratio - 0.01) == [None, None, None, "bull"]
    assert label(closes, window=3, band=ratio + 0.01) == [None, None, None, "flat"]


@given(st.lists(st.floats(0.9, 1.1), min_size=5, max_size=30), st.integers(1, 20))
def test_no_later_price_changes_a_label(steps: list[float], cut: int) -> None:
    closes = 100 * np.cumprod(steps)
    early = label(closes[: min(cut, len(closes))], window=3)
    assert label(closes, window=3)[: len(early)] == early


def test_a_session_has_the_regime_of_the_close_before_it() -> None:
    assert known_before(["bull", "flat", "bear"]) == [None, "bull", "flat"] and known_before([]) == []


def test_a_price_that_is_missing_is_refused() -> None:
    with pytest.raises(NoData):
        label([1.0, float("nan")])


def test_behaviour_is_counted_within_each_regime_alone() -> None:
    found = behave(
        ["bull", "bull", None, "bear", "bull"],
        exposure=[1.0, 0.5, 9.0, 0.2, 0.0],
        agent=[np.nan, 0.01, 9.0, -0.01, 0.03],
        hold=[0.5, 0.03, 9.0, -0.02, 0.01],
        actions=["buy", "sell", "buy", None, "hold"],
    )
    bull, bear = found["bull"], found["bear"]
    assert (bull.sessions, bull.stretches, bull.exposure, bull.decided) == (3, 2, 0.5, 3)
    assert (bull.agent, bull.hold) == pytest.approx((0.02, 0.02)) and bull.buys == bull.sells == pytest.approx(1 / 3)
    assert (bear.sessions, bear.decided, bear.buys, bear.gap) == (1, 0, None, pytest.approx(0.01))
    assert found["flat"] == Behaviour("flat", 0, 0, None, None, None, 0, None, None)


def test_several_tickers_are_pooled_by_their_sessions() -> None:
    one, two = Behaviour("bull", 3, 1, 1.0, 0.01, 0.0, 2, 1.0, 0.0), Behaviour("bull", 1, 1, 0.0, None, 0.04, 0, None, None)
    both = pooled([one, two])
    assert (both.sessions, both.stretches, both.exposure, both.decided, both.buys) == (4, 2, 0.75, 2, 1.0)
    assert (both.agent, both.hold) == pytest.approx((0.01, 0.01))


def many(regime: str, exposure: float, agent: float, hold: float, sessions: int = ENOUGH) -> Behaviour:
    return Behaviour(regime, sessions, 2, exposure, agent, hold, sessions, 0.1, 0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bull", "bear", "wanted"),
    [
        ((0.3, 0.001, 0.003), (0.8, -0.002, -0.003), (True, True)),
        ((0.9, 0.001, 0.003), (0.2, -0.002, -0.003), (False, False)),
        ((0.3, 0.004, 0.003), (0.8, 0.001, -0.003), (False, False)),  # out of the market, and better for it; in it, and not losing
    ],
)
def test_timid_is_little_in_bull_and_behind_bold_is_much_in_bear_and_losing(bull: tuple, bear: tuple, wanted: tuple) -> None:
    found = verdict({"bull": many("bull", *bull), "bear": many("bear", *bear), "flat": many("flat", 0, 0, 0)})
    assert (found.timid, found.bold) == wanted


def test_too_few_sessions_give_no_verdict_but_the_sums() -> None:
    few = {name: many(name, 0.1, -0.01, 0.01, sessions=ENOUGH - 1) for name in ("bull", "bear", "flat")}
    found = verdict(few)  # type: ignore[arg-type]
    assert found.timid is found.bold is None
    assert found.missed == pytest.approx(0.02 * (ENOUGH - 1)) and found.lost == pytest.approx(-0.01 * (ENOUGH - 1))
