"""The ledger, against numbers worked out by hand from the accounting rules."""

import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import NoData
from agent.portfolio.accounting import apply_split, check_stops, fill_order, pay_dividend, place_order, set_stops, wait
from agent.records import Bar, Order, Portfolio
from agent.spec import Execution

DAY = date(2025, 3, 17)
TERMS = Execution()  # 1 bp commission, 2 bps slippage
FREE = Execution(commission_bps=0, slippage_bps=0)


def trade(portfolio: Portfolio, weight: float, price: float, execution: Execution = TERMS):
    waiting = place_order(portfolio, Order(day=DAY, weight=weight, wished=weight))
    return fill_order(waiting, open_price=price, day=DAY, execution=execution)


def bar(open: float, high: float, low: float, close: float) -> Bar:
    return Bar(day=DAY, open=open, high=high, low=low, close=close, volume=1)


def test_half_the_equity_is_bought_at_the_open_with_slippage_and_commission():
    after, fill, order = trade(Portfolio(cash=100_000), 0.5, 50.0)
    # q* = 0.5 * 100000 / 50 = 1000; price 50 * 1.0002 = 50.01; notional 50010; commission 5.001
    assert fill is not None
    assert fill.shares == 1000
    assert fill.price == pytest.approx(50.01)
    assert fill.commission == pytest.approx(5.001)
    assert fill.slippage == pytest.approx(10.0)
    assert after.cash == pytest.approx(49_984.999)
    assert after.average_cost == pytest.approx(50.015001)  # the fee is part of the cost
    assert fill.realised is None
    assert (order.status, order.reason, after.pending) == ("filled", "", None)


def test_a_buy_with_everything_is_cut_to_what_cash_pays_with_commission():
    after, fill, order = trade(Portfolio(cash=100_000), 1.0, 50.0)
    assert fill.shares == pytest.approx(100_000 / (50.01 * 1.0001))
    assert after.cash == pytest.approx(0, abs=1e-9) and after.cash >= 0
    assert fill.note == "cut to cash"
    assert order.reason == "cut to cash"


def test_whole_shares_truncate_and_a_cut_buy_floors():
    whole = Execution(fractional=False)
    after, fill, _ = trade(Portfolio(cash=1_000), 0.5, 33.0, whole)
    assert fill.shares == 15  # 500 / 33 = 15.15
    assert fill.note == "rounded to whole shares"
    after, fill, _ = trade(Portfolio(cash=1_000), 1.0, 100.0, whole)
    assert fill.shares == 9  # ten would cost 1000.2 and the fee
    assert after.cash == pytest.approx(1_000 - 9 * 100.02 * 1.0001)


def test_the_guard_keeps_a_whole_number_that_arithmetic_has_shaved():
    assert 0.29 * 100 < 29  # 28.999999999999996
    _, fill, _ = trade(Portfolio(cash=100), 0.29, 1.0, Execution(fractional=False))
    assert fill.shares == 29


def test_less_than_one_whole_share_is_rejected_with_the_reason():
    after, fill, order = trade(Portfolio(cash=1_000), 0.01, 100.0, Execution(fractional=False))
    assert fill is None
    assert (order.status, order.reason) == ("rejected", "less than one whole share")
    assert after.cash == 1_000


def test_selling_takes_the_fee_out_of_the_proceeds_and_realises_against_average_cost():
    held = Portfolio(cash=0, shares=100, average_cost=40.0)
    after, fill, _ = trade(held, 0.0, 50.0)
    # price 49.99; proceeds 4999; fee 0.4999; realised 4999 - 0.4999 - 4000
    assert after.cash == pytest.approx(4_998.5001)
    assert fill.realised == pytest.approx(998.5001)
    assert (after.shares, after.average_cost) == (0.0, 0.0)


def test_a_partial_sale_leaves_the_average_cost_alone():
    after, fill, _ = trade(Portfolio(cash=0, shares=100, average_cost=40.0), 0.5, 50.0, FREE)
    assert (after.shares, after.average_cost, fill.realised) == (50, 40.0, 500)


def test_a_second_buy_averages_the_cost():
    after, _, _ = trade(Portfolio(cash=10_000, shares=100, average_cost=40.0), 0.5, 60.0, FREE)
    # equity 16000, half is 8000 = 133.33 shares; 33.33 more at 60
    assert after.average_cost == pytest.approx((100 * 40 + 100 / 3 * 60) / (400 / 3))


def test_an_order_for_what_is_already_held_is_cancelled_without_a_fill():
    after, fill, order = trade(Portfolio(cash=5_000, shares=100, average_cost=40.0), 0.5, 50.0, FREE)
    assert fill is None
    assert (order.status, order.reason) == ("cancelled", "already at the target")
    assert after.shares == 100


def test_quantities_below_a_billionth_are_no_trade():
    _, fill, _ = trade(Portfolio(cash=5_000, shares=100 - 5e-10, average_cost=40.0), 0.5, 50.0, FREE)
    assert fill is None


def test_a_negative_weight_without_shorting_sells_to_zero_and_says_so():
    after, fill, order = trade(Portfolio(cash=0, shares=100, average_cost=40.0), -0.5, 50.0)
    assert after.shares == 0
    assert fill.note == order.reason == "shorting is off"
    after, fill, order = trade(Portfolio(cash=100), -0.5, 50.0)
    assert fill is None
    assert order.status == "rejected"


def test_crossing_from_long_to_short_closes_and_opens_in_one_fill():
    short = Execution(allow_short=True)
    after, fill, _ = trade(Portfolio(cash=0, shares=100, average_cost=40.0), -1.0, 50.0, short)
    # equity 5000; target -100; sells 200 at 49.99, fee 0.9998 in all, half of it for the 100 that close
    assert fill.shares == -200
    assert fill.realised == pytest.approx(100 * (49.99 - 40.0) - 0.4999)
    assert after.shares == -100
    assert after.average_cost == pytest.approx(49.99 - 0.004999)  # what a share brought in
    assert after.cash == pytest.approx(9_998 - 0.9998)


def test_covering_a_short_realises_the_fall():
    after, fill, _ = trade(Portfolio(cash=10_000, shares=-100, average_cost=50.0), 0.0, 40.0, Execution(allow_short=True))
    # buys 100 at 40.008, fee 0.40008
    assert fill.realised == pytest.approx(100 * (50 - 40.008) - 0.40008)
    assert after.cash == pytest.approx(10_000 - 4_000.8 - 0.40008)


def test_a_short_that_lost_everything_is_only_covered_never_turned_round():
    after, fill, order = trade(Portfolio(cash=1_000, shares=-100, average_cost=10.0), -0.5, 20.0, Execution(allow_short=True))
    assert fill.shares > 0
    assert after.shares < 0 and after.cash >= 0
    assert "no equity left" in order.reason and "cut to cash" in order.reason


def test_a_missing_price_stops_the_fill():
    for price in (math.nan, 0.0, -1.0, math.inf):
        with pytest.raises(NoData, match="missing bar"):
            trade(Portfolio(cash=100), 1.0, price)


def test_an_order_waits_two_sessions_and_is_cancelled_at_the_third():
    portfolio = place_order(Portfolio(cash=100), Order(day=DAY, weight=1, wished=1, reason="clamped by max weight"))
    portfolio, ended = wait(portfolio)
    assert ended is None and portfolio.pending.waited == 1
    portfolio, ended = wait(portfolio)
    assert ended is None and portfolio.pending.waited == 2
    portfolio, ended = wait(portfolio)
    assert portfolio.pending is None
    assert (ended.status, ended.waited, ended.reason) == ("cancelled", 3, "clamped by max weight; no price for 3 sessions")


def test_a_split_multiplies_shares_and_divides_cost_and_levels():
    after = apply_split(Portfolio(cash=1, shares=10, average_cost=90, stop_price=81, take_price=120), 3.0)
    assert (after.shares, after.average_cost, after.stop_price, after.take_price, after.cash) == (30, 30, 27, 40, 1)


def test_a_dividend_is_cash_for_a_long_and_a_debt_for_a_short():
    assert pay_dividend(Portfolio(cash=100, shares=50), 0.25).cash == 112.5
    assert pay_dividend(Portfolio(cash=100, shares=-50), 0.25).cash == 87.5


STOPS = Execution(stops=True, commission_bps=0, slippage_bps=0, allow_short=True)
LONG = Portfolio(cash=0, shares=10, average_cost=100, stop_price=95, take_price=110)
SHORT = Portfolio(cash=2_000, shares=-10, average_cost=100, stop_price=105, take_price=90)


@pytest.mark.parametrize(
    ("portfolio", "seen", "reference", "cause"),
    [
        (LONG, bar(100, 101, 95, 96), 95, "stop_loss"),  # touched
        (LONG, bar(90, 92, 88, 91), 90, "stop_loss"),  # gapped through: the open
        (LONG, bar(100, 112, 99, 111), 110, "take_profit"),
        (LONG, bar(115, 116, 112, 113), 115, "take_profit"),  # gapped in favour: the open
        (LONG, bar(100, 112, 94, 100), 95, "stop_loss"),  # both in one bar: the stop
        (SHORT, bar(100, 105, 99, 101), 105, "stop_loss"),
        (SHORT, bar(108, 109, 107, 108), 108, "stop_loss"),
        (SHORT, bar(100, 101, 89, 95), 90, "take_profit"),
        (SHORT, bar(85, 88, 84, 86), 85, "take_profit"),
        (SHORT, bar(100, 106, 89, 95), 105, "stop_loss"),
    ],
)
def test_a_stop_or_a_take_profit_fills_at_its_level_or_at_a_worse_or_better_open(portfolio, seen, reference, cause):
    after, fill = check_stops(portfolio, seen, STOPS)
    assert (fill.reference, fill.cause, fill.shares) == (reference, cause, -portfolio.shares)
    assert (after.shares, after.stop_price, after.take_price) == (0, None, None)


def test_no_level_reached_no_fill_and_switched_off_no_fill():
    assert check_stops(LONG, bar(100, 109, 96, 100), STOPS) == (LONG, None)
    assert check_stops(LONG, bar(100, 109, 90, 100), TERMS) == (LONG, None)


def test_a_stop_pays_slippage_below_its_level():
    _, fill = check_stops(LONG, bar(100, 101, 94, 96), Execution(stops=True))
    assert fill.price == pytest.approx(95 * 0.9998)
    assert fill.realised == pytest.approx(10 * (95 * 0.9998 - 100) - 10 * 95 * 0.9998 * 0.0001)


def test_levels_are_set_on_the_side_of_the_position():
    long = set_stops(Portfolio(cash=0, shares=1), entry=100, stop_loss_pct=0.05, take_profit_pct=0.1)
    assert (long.stop_price, long.take_price) == (95, pytest.approx(110))
    short = set_stops(Portfolio(cash=200, shares=-1), entry=100, stop_loss_pct=0.05, take_profit_pct=0.1)
    assert (short.stop_price, short.take_price) == (105, 90)
    assert set_stops(LONG.model_copy(update={"shares": 0.0}), entry=100, stop_loss_pct=0.05, take_profit_pct=None).stop_price is None


weights = st.floats(-1.0, 1.0)
prices = st.floats(0.5, 5_000.0)
steps = st.lists(
    st.tuples(weights, prices, st.sampled_from([1.0, 1.0, 1.0, 2.0, 0.25]), st.sampled_from([0.0, 0.0, 0.01])), min_size=1, max_size=25
)


@given(steps, st.booleans(), st.booleans(), st.floats(0, 100), st.floats(0, 100))
def test_the_ledger_adds_up_after_any_sequence_of_trades(history, fractional, allow_short, commission, slippage):
    """Cash = start - sum of what fills cost + dividends; realised + unrealised P&L + dividends = change of equity; cash >= 0 long only."""
    terms = Execution(fractional=fractional, allow_short=allow_short, commission_bps=commission, slippage_bps=slippage)
    portfolio, cash, realised, paid, shares = Portfolio(cash=100_000), 100_000.0, 0.0, 0.0, 0.0
    scale = 1e5
    for weight, price, split, rate in history:
        portfolio = apply_split(portfolio, split)
        dividend = portfolio.shares * price * rate
        portfolio = pay_dividend(portfolio, price * rate)
        cash, paid, shares = cash + dividend, paid + dividend, shares * split
        equity = portfolio.equity(price)
        portfolio, fill, order = trade(portfolio, weight, price, terms)
        assert order.status in ("filled", "rejected", "cancelled") and portfolio.pending is None
        if fill:
            cash -= fill.shares * fill.price + fill.commission
            shares += fill.shares
            realised += fill.realised or 0.0
            assert portfolio.equity(price) == pytest.approx(equity - fill.commission - fill.slippage, abs=1e-9 * scale)
        scale = max(scale, abs(portfolio.shares) * price, abs(cash))
        assert portfolio.cash == pytest.approx(cash, abs=1e-9 * scale)
        assert portfolio.shares == pytest.approx(shares, rel=1e-9, abs=1e-8)
        unrealised = portfolio.shares * (price - portfolio.average_cost)
        assert realised + unrealised + paid == pytest.approx(portfolio.equity(price) - 100_000, abs=1e-8 * scale)
        if not allow_short:
            assert portfolio.cash >= 0 and portfolio.shares >= 0
        if abs(portfolio.shares) < 1e-9:
            assert portfolio.shares == 0 and portfolio.average_cost == 0
        if portfolio.equity(price) <= 1:
            break


@given(weights.filter(lambda w: w >= 0), prices)
def test_without_costs_a_fill_changes_no_equity_and_hits_the_weight(weight, price):
    after, _, _ = trade(Portfolio(cash=100_000), weight, price, FREE)
    assert after.equity(price) == pytest.approx(100_000)
    assert after.weight(price) == pytest.approx(weight, abs=1e-9)


@given(prices, prices, st.integers(2, 20))
def test_a_split_changes_no_equity(price, cost, ratio):
    before = Portfolio(cash=10, shares=7, average_cost=cost)
    after = apply_split(before, float(ratio))
    assert after.equity(price / ratio) == pytest.approx(before.equity(price))
    assert after.shares * after.average_cost == pytest.approx(before.shares * before.average_cost)
