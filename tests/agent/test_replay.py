"""The ledger for many traders is the ledger for one: held against ``agent.portfolio.accounting`` order by order."""

import math
from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import NoData, SpecError
from agent.portfolio.accounting import apply_split, fill_order, pay_dividend, place_order, wait
from agent.portfolio.replay import replay
from agent.records import Order, Portfolio
from agent.spec import Execution

FREE = Execution(commission_bps=0, slippage_bps=0)
START = date(2025, 3, 17)


def one_by_one(targets, market, execution, cash):
    """The same through the ledger of a single trader, as the engine goes through a day."""
    portfolio, mark, equity, held = Portfolio(cash=cash), 0.0, [], []
    traded = costs = 0.0

    def fill(portfolio, price, day):
        nonlocal traded, costs
        if portfolio.pending is None:
            return portfolio
        portfolio, done, _ = fill_order(portfolio, open_price=price, day=day, execution=execution)
        if done:
            traded += abs(done.shares) * done.price
            costs += done.commission + done.slippage
        return portfolio

    for t, weight in enumerate(targets):
        day = START + timedelta(days=t)
        portfolio = pay_dividend(apply_split(portfolio, market.splits[t]), market.dividends[t])
        mark /= market.splits[t]
        priced = not math.isnan(market.closes[t])
        if priced:
            portfolio, mark = fill(portfolio, market.opens[t], day), market.closes[t]
        else:
            portfolio, _ = wait(portfolio)
        if not math.isnan(weight):
            portfolio = place_order(portfolio, Order(day=day, weight=weight, wished=weight))
        if priced and execution.fill == "same_close":
            portfolio = fill(portfolio, mark, day)
        equity.append(portfolio.equity(mark))
        held.append(portfolio.shares * mark)
    return np.array(equity), np.array(held), traded, costs


def a_market(opens, closes=None, dividends=None, splits=None):
    n = len(opens)
    return SimpleNamespace(
        opens=np.array(opens, float),
        closes=np.array(opens if closes is None else closes, float),
        dividends=np.array(dividends or [0.0] * n),
        splits=np.array(splits or [1.0] * n),
    )


def run(targets, market, execution, cash=100_000.0, **how):
    return replay(
        np.array(targets, float), market.opens, market.closes, market.dividends, market.splits, execution=execution, cash=cash, **how
    )


@st.composite
def markets(draw):
    n = draw(st.integers(2, 12))
    price = st.floats(1, 500)
    gaps = draw(st.lists(st.booleans() if draw(st.booleans()) else st.just(False), min_size=n, max_size=n))
    opens = [math.nan if gap else draw(price) for gap in gaps]
    closes = [math.nan if gap else draw(price) for gap in gaps]
    dividends = draw(st.lists(st.sampled_from([0.0, 0.0, 0.5, 2.0]), min_size=n, max_size=n))
    splits = draw(st.lists(st.sampled_from([1.0, 1.0, 1.0, 2.0, 3.0, 0.1]), min_size=n, max_size=n))
    return a_market(opens, closes, dividends, splits)


@st.composite
def rules(draw):
    return Execution(
        fill=draw(st.sampled_from(["next_open", "same_close"])),
        commission_bps=draw(st.sampled_from([0.0, 1.0, 50.0])),
        slippage_bps=draw(st.sampled_from([0.0, 2.0, 100.0])),
        fractional=draw(st.booleans()),
        allow_short=draw(st.booleans()),
    )


@given(markets(), rules(), st.sampled_from([100_000.0, 700.0]), st.data())
def test_each_column_is_the_ledger_of_one_trader(market, execution, cash, data):
    n, weight = len(market.opens), st.one_of(st.just(math.nan), st.sampled_from([0.0, 0.5, 1.0, -1.0]), st.floats(-1.5, 1.5))
    targets = np.array([[data.draw(weight) for _ in range(3)] for _ in range(n)])
    found = run(targets, market, execution, cash)
    for k in range(3):
        equity, held, traded, costs = one_by_one(targets[:, k], market, execution, cash)
        scale = max(cash, np.abs(equity).max())
        assert np.abs(found.equity[:, k] - equity).max() <= 1e-9 * scale
        assert np.abs(found.held[:, k] - held).max() <= 1e-9 * max(scale, np.abs(held).max())
        assert found.traded[k] == pytest.approx(traded, rel=1e-9, abs=1e-9)
        assert found.costs[k] == pytest.approx(costs, rel=1e-9, abs=1e-9)


def test_an_order_fills_at_the_next_open_and_a_late_one_a_session_later():
    market = a_market([10, 20, 40, 80], [10, 20, 40, 80])
    assert run([[1], [math.nan], [math.nan], [math.nan]], market, FREE, 100).equity[:, 0].tolist() == [100, 100, 200, 400]
    assert run([[1], [math.nan], [math.nan], [math.nan]], market, FREE, 100, delay=1).equity[:, 0].tolist() == [100, 100, 100, 200]


def test_orders_of_following_days_are_all_carried_out_late():
    market = a_market([10, 10, 10, 20, 20])  # in for one night only, from the open of bar 1 to that of bar 2; late: bar 2 to bar 3
    orders = [[1], [0], [math.nan], [math.nan], [math.nan]]
    assert run(orders, market, FREE, 100).equity[-1, 0] == 100
    assert run(orders, market, FREE, 100, delay=1).equity[-1, 0] == 200


def test_an_order_waits_two_sessions_without_a_price_and_not_three():
    gap, order = math.nan, [[1], [math.nan], [math.nan], [math.nan], [math.nan], [math.nan]]
    assert run(order, a_market([10, gap, gap, 10, 20, 20]), FREE, 100).equity[-1, 0] == 200
    assert run(order, a_market([10, gap, gap, gap, 10, 20]), FREE, 100).equity[-1, 0] == 100


def test_turnover_and_exposure_are_those_of_the_metrics():
    market = a_market([100, 100, 100, 100])
    found = run([[0.5, 1], [math.nan, math.nan], [0, math.nan], [math.nan, math.nan]], market, FREE, 1_000)
    assert found.turnover.tolist() == [1.0, 1.0]  # 500 in and out, 1000 in
    assert found.exposure == pytest.approx([1 / 3, 1.0])
    assert found.fills.tolist() == [2, 1]


def test_two_sleeves_are_one_trader():
    up, flat = a_market([100, 100, 200]), a_market([50, 50, 50])
    orders = [[1], [math.nan], [math.nan]]
    both = run(orders, up, FREE, 100) + run(orders, flat, FREE, 100)
    assert both.equity[:, 0].tolist() == [200, 200, 300]
    assert both.traded.tolist() == [200]


def test_stops_a_negative_delay_and_a_missing_close_are_refused_in_words():
    market = a_market([10, 10])
    with pytest.raises(SpecError, match="without stops"):
        run([[1], [1]], market, Execution(stops=True))
    with pytest.raises(SpecError, match="not known yet"):
        run([[1], [1]], market, FREE, delay=-1)
    with pytest.raises(NoData, match="missing bar"):
        run([[1], [1]], a_market([10, 10], [10, math.nan]), FREE)
