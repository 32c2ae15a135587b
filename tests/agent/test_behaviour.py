"""Habits in figures: every one against a case worked out by hand, and too few cases are said."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from agent.evaluation.behaviour import ENOUGH, TRAITS, Reading, Sleeve, Traded, behaviour, leaning, rises, rises_before
from agent.evaluation.trades import Session, measured, round_trips
from agent.records import Fill

START = date(2025, 1, 1)


def on(number: int) -> date:
    return START + timedelta(days=number)


def sessions(*marks: float, splits: dict[int, float] | None = None, equity: float = 1000.0) -> list[Session]:
    return [
        Session(day=on(n), mark=mark, benchmark=100.0, equity=equity, high=mark, low=mark, split=(splits or {}).get(n, 1.0))
        for n, mark in enumerate(marks)
    ]


def trade(number: int, shares: float, price: float, realised: float | None = None) -> Fill:
    return Fill(day=on(number), shares=shares, price=price, reference=price, commission=0, slippage=0, realised=realised)


def sleeve(days: list[Session], fills: list[Fill], orders: list[Traded] | None = None) -> Sleeve:
    return Sleeve(sessions=days, trips=measured(round_trips(fills), days), orders=orders or [])


def test_a_rise_is_the_change_over_five_sessions_with_splits_taken_out() -> None:
    found = rises(sessions(100, 100, 100, 100, 100, 110, 60, splits={6: 2.0}))
    assert found == {on(5): pytest.approx(0.10), on(6): pytest.approx(0.20)}


def test_chasing_is_the_share_of_risen_buys_minus_that_of_risen_sells() -> None:
    """Session 5 rose by 10 %, 6 fell by 10 %, 7 did not move."""
    days = sessions(100, 100, 100, 100, 100, 110, 90, 100)
    orders = [Traded(on(5), 1), Traded(on(6), 1), Traded(on(6), -1), Traded(on(7), -1), Traded(on(2), -1)]
    found = behaviour([sleeve(days, [], orders)])
    assert found["risen_buys"] == Reading(pytest.approx(0.5), {"buys": 2})
    assert found["risen_sells"] == Reading(pytest.approx(0.0), {"sells": 2})  # the one in session 2 has no five sessions before it
    assert found["chasing"].value == pytest.approx(0.5)
    assert found["rise_before_buys"].value == pytest.approx(0.0)
    assert found["rise_before_sells"].value == pytest.approx(-0.05)
    assert found["risen_sessions"] == Reading(pytest.approx(1 / 3), {"sessions": 3})
    assert behaviour([sleeve(days, [], orders)], since=on(6))["risen_sessions"].cases == {"sessions": 2}
    assert [order.decided for order, _ in rises_before(sleeve(days, [], orders))] == [on(5), on(6), on(6), on(7)]


@pytest.mark.parametrize(
    ("value", "buys", "sells", "word"),
    [
        (0.2, ENOUGH, ENOUGH, "chasing"),
        (-0.2, ENOUGH, ENOUGH, "fading"),
        (0.19, ENOUGH, ENOUGH, "neither"),
        (0.9, ENOUGH, ENOUGH - 1, "n too small"),
        (None, 0, 0, "n too small"),
    ],
)
def test_the_word_for_it_needs_a_clear_difference_and_enough_of_both(value: float | None, buys: int, sells: int, word: str) -> None:
    assert leaning({"chasing": Reading(value, {"buys": buys, "sells": sells})}) == word


def test_trips_are_counted_as_won_and_lost_with_their_returns_and_lengths() -> None:
    """+20 % in two sessions, -10 % in three, an open one that counts for nothing here."""
    days = sessions(*[100.0] * 10)
    fills = [trade(0, 1, 100), trade(2, -1, 120, 20.0), trade(3, 2, 100), trade(6, -2, 90, -20.0), trade(7, 1, 100)]
    found = behaviour([sleeve(days, fills)])
    assert found["hit_rate"] == Reading(0.5, {"closed trips": 2})
    assert found["gain_of_winners"].value == pytest.approx(0.2)
    assert found["loss_of_losers"].value == pytest.approx(-0.1)
    assert found["payoff"].value == pytest.approx(1.0)
    assert found["sessions_median"].value == pytest.approx(2.5)
    assert (found["sessions_winners"].value, found["sessions_losers"].value) == (2.0, 3.0)


def test_the_size_after_a_loss_is_that_of_the_next_trip_in_the_same_ticker() -> None:
    """Equity 1,000: after the gain 2 shares of 100 are 20 %, after the loss 1 of 100 is 10 %. Another ticker's trip follows nothing."""
    days = sessions(*[100.0] * 10)
    fills = [trade(0, 1, 100), trade(2, -1, 120, 20.0), trade(3, 2, 100), trade(6, -2, 90, -20.0), trade(7, 1, 100)]
    found = behaviour([sleeve(days, fills), sleeve(days, [trade(8, 9, 100)])])
    assert found["size_after_win"] == Reading(pytest.approx(0.2), {"after a gain": 1})
    assert found["size_after_loss"] == Reading(pytest.approx(0.1), {"after a loss": 1})
    assert found["reaction"].value == pytest.approx(-0.1)
    assert not found["reaction"].enough


def test_without_trades_every_figure_is_unknown_not_zero_and_has_its_definition() -> None:
    found = behaviour([sleeve(sessions(100, 101), [])])
    assert set(found) == set(TRAITS)
    assert all(reading.value is None for reading in found.values())
    assert leaning(found) == "n too small"
    assert all(len(trait.help) > 20 for trait in TRAITS.values())
