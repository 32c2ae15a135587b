"""Round trips against a ledger kept by the product's own accounting, and against numbers worked out by hand."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evaluation.trades import Session, excursions, measured, round_trips
from agent.portfolio.accounting import apply_split, check_stops, fill_order, pay_dividend, place_order, set_stops
from agent.records import Bar, Fill, Order, Portfolio
from agent.spec import Execution

START = date(2025, 1, 1)


def on(number: int) -> date:
    return START + timedelta(days=number)


def fill(number: int, shares: float, price: float, *, realised: float | None = None, commission: float = 0.0, cause: str = "order") -> Fill:
    return Fill(
        day=on(number), shares=shares, price=price, reference=price, commission=commission, slippage=0.0, realised=realised, cause=cause
    )


def session(number: int, low: float, high: float, mark: float, *, split: float = 1.0, benchmark: float = 100.0) -> Session:
    return Session(day=on(number), mark=mark, benchmark=benchmark, high=high, low=low, split=split)


# ------------------------------------------------------------------------------------------------------- against the ledger

DAY = st.fixed_dictionaries(
    {
        "weight": st.one_of(st.none(), st.sampled_from((-1.0, -0.4, 0.0, 0.3, 1.0)), st.floats(-1, 1)),
        "open": st.floats(5, 200),
        "close": st.floats(5, 200),
        "split": st.sampled_from((1.0, 1.0, 1.0, 2.0, 3.0, 0.1)),
        "dividend": st.sampled_from((0.0, 0.0, 0.0, 0.4, 2.0)),
        "stop": st.sampled_from((None, 0.02, 0.2)),
    }
)


@settings(max_examples=200, deadline=None)
@given(days=st.lists(DAY, min_size=1, max_size=14), whole=st.booleans(), bps=st.sampled_from((0.0, 30.0)), short=st.booleans())
def test_the_trips_hold_all_money_of_any_ledger(days: list[dict], whole: bool, bps: float, short: bool) -> None:
    rules = Execution(fractional=not whole, allow_short=short, stops=True, commission_bps=bps, slippage_bps=bps)
    portfolio, fills, sessions = Portfolio(cash=10_000), [], []
    for number, today in enumerate(days):
        portfolio = pay_dividend(apply_split(portfolio, today["split"]), today["dividend"])
        if today["weight"] is not None:
            waiting = place_order(portfolio, Order(day=on(number), weight=today["weight"], wished=today["weight"]))
            portfolio, made, _ = fill_order(waiting, open_price=today["open"], day=on(number), execution=rules)
            if made:
                fills.append(made)
                portfolio = set_stops(portfolio, entry=made.price, stop_loss_pct=today["stop"], take_profit_pct=today["stop"])
        low, high = sorted((today["open"], today["close"]))
        bar = Bar(day=on(number), open=today["open"], high=high, low=low, close=today["close"])
        portfolio, stopped = check_stops(portfolio, bar, rules)
        fills += [stopped] if stopped else []
        sessions.append(session(number, low, high, today["close"], split=today["split"]))
    trips = round_trips(
        fills,
        splits={on(n): today["split"] for n, today in enumerate(days)},
        dividends={on(n): today["dividend"] for n, today in enumerate(days)},
    )
    found = measured(trips, sessions)
    equity = portfolio.equity(days[-1]["close"])
    turned = sum(abs(item.shares) * item.price for item in fills) + abs(equity) + 10_000  # rounding grows with what was moved
    assert sum(item.profit for item in found) == pytest.approx(equity - 10_000, abs=1e-9 * turned)
    assert sum(item.trip.commission for item in found) == pytest.approx(sum(item.commission for item in fills), abs=1e-6)
    assert sum(item.trip.slippage for item in found) == pytest.approx(sum(item.slippage for item in fills), abs=1e-6)
    assert [item.trip.closed is None for item in found].count(True) == (portfolio.shares != 0)
    assert sum(item.trip.held for item in found) == pytest.approx(portfolio.shares)
    if portfolio.shares:
        assert found[-1].trip.cost == pytest.approx(portfolio.average_cost)
    assert [item.number for item in found] == list(range(1, len(found) + 1))
    for earlier, later in itertools.pairwise(found):
        assert earlier.trip.closed is not None and earlier.trip.closed <= later.trip.opened
    for item in found:
        assert item.worst <= 0 <= item.best


# -------------------------------------------------------------------------------------------------------------------- by hand


def test_what_is_left_of_a_trip_is_valued_at_its_cost_with_fees() -> None:
    """10 shares at 10 with a fee of 5 cost 10.50 each; half sold at 12 without a fee: 7.50; the rest at 11: 2.50."""
    (trip,) = round_trips([fill(0, 10, 10.0, commission=5.0), fill(1, -5, 12.0, realised=7.5)], dividends={on(2): 0.4})
    assert trip.cost == pytest.approx(10.5)
    assert trip.unrealised(11.0) == pytest.approx(2.5)
    assert trip.dividends == pytest.approx(2.0)
    assert trip.profit(11.0) == pytest.approx(12.0)


def test_a_dividend_is_paid_on_what_was_held_before_the_fills_of_its_day_and_after_its_split() -> None:
    fills = [fill(0, 10, 30.0), fill(1, 10, 10.0)]
    (trip,) = round_trips(fills, splits={on(1): 3.0}, dividends={on(1): 1.0, on(0): 9.0})
    assert trip.dividends == pytest.approx(30.0)
    (short,) = round_trips([fill(0, -10, 30.0)], dividends={on(1): 1.0})
    assert short.dividends == pytest.approx(-10.0)


BARS = [session(0, 98, 105, 100), session(1, 90, 110, 100), session(2, 1, 900, 95)]


def test_excursions_of_a_trip_at_the_open_count_the_entry_bar_and_of_the_exit_only_its_price() -> None:
    (trip,) = round_trips([fill(0, 10, 100.0), fill(2, -10, 89.0, realised=-110)])
    assert excursions(trip, BARS) == (pytest.approx(-0.11), pytest.approx(0.10))


def test_excursions_of_a_trip_at_the_close_count_the_exit_bar_and_not_that_of_the_entry() -> None:
    bars = [session(0, 1, 900, 100), session(1, 90, 110, 100), session(2, 85, 120, 95)]
    (trip,) = round_trips([fill(0, 10, 100.0), fill(2, -10, 95.0, realised=-50)])
    assert excursions(trip, bars, at_open=False) == (pytest.approx(-0.15), pytest.approx(0.20))


def test_a_short_is_hurt_by_highs() -> None:
    (trip,) = round_trips([fill(0, -10, 100.0), fill(2, 10, 95.0, realised=50)])
    assert excursions(trip, BARS) == (pytest.approx(-0.10), pytest.approx(0.10))


def test_of_the_bar_in_which_a_stop_ended_the_trip_only_the_stop_is_known() -> None:
    (trip,) = round_trips([fill(0, 10, 100.0), fill(1, -10, 96.0, realised=-40, cause="stop_loss")])
    assert excursions(trip, BARS[:2]) == (pytest.approx(-0.04), pytest.approx(0.05))
    assert excursions(trip, BARS[:2], at_open=False) == (pytest.approx(-0.04), 0.0)


def test_a_split_is_no_excursion_and_a_later_purchase_moves_the_price_that_counts() -> None:
    """100 becomes 50 by the split; ten more at 40 make the average 46.67 (20 at 50, 10 at 40)."""
    bars = [session(0, 100, 100, 100), session(1, 50, 50, 50, split=2.0), session(2, 35, 40, 40)]
    (trip,) = round_trips([fill(0, 10, 100.0), fill(2, 10, 40.0)], splits={on(1): 2.0})
    assert excursions(trip, bars) == (pytest.approx(35 / (1400 / 30) - 1), 0.0)
    assert trip.entry == pytest.approx(1400 / 30)


def test_a_session_without_a_price_is_no_excursion() -> None:
    bars = [session(0, 98, 105, 100), Session(day=on(1), mark=100, benchmark=100.0), session(2, 97, 101, 100)]
    (trip,) = round_trips([fill(0, 10, 100.0)])
    assert excursions(trip, bars) == (pytest.approx(-0.03), pytest.approx(0.05))


def test_length_and_benchmark_span_the_sessions_of_the_trip() -> None:
    bars = [session(n, 90, 110, 100, benchmark=value) for n, value in enumerate((100.0, 110.0, 121.0, 132.0, 264.0))]
    ended, still = measured(round_trips([fill(1, 1, 100.0), fill(3, -1, 100.0, realised=0.0), fill(4, 1, 100.0)]), bars)
    assert (ended.sessions, still.sessions) == (2, 0)
    assert ended.benchmark == pytest.approx(0.21)  # close of session 0 to close of session 2
    assert still.benchmark == pytest.approx(1.0)  # close of session 3 to the last close, which is twice as much
    (stopped,) = measured(round_trips([fill(1, 1, 100.0), fill(1, -1, 99.0, realised=-1.0, cause="stop_loss")]), bars)
    assert (stopped.sessions, stopped.benchmark) == (0, pytest.approx(0.1))
    (at_close,) = measured(round_trips([fill(1, 1, 100.0), fill(3, -1, 100.0, realised=0.0)]), bars, at_open=False)
    assert at_close.benchmark == pytest.approx(0.2)  # close of session 1 to close of session 3


def test_a_return_is_profit_over_the_money_put_in() -> None:
    bars = [session(0, 100, 100, 100), session(1, 110, 110, 110)]
    (trip,) = measured(round_trips([fill(0, 10, 100.0)], dividends={on(1): 1.0}), bars)
    assert (trip.unrealised, trip.profit, trip.gain) == (pytest.approx(100), pytest.approx(110), pytest.approx(0.11))


def test_a_fill_outside_the_sessions_is_a_mistake_and_said() -> None:
    with pytest.raises(ValueError, match="belongs to no session"):
        measured(round_trips([fill(7, 10, 100.0)]), BARS)


def test_nothing_traded_gives_no_trips() -> None:
    assert measured(round_trips([]), []) == []
