"""Every rule strategy keeps the engine's promises, and does what its sentence says."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine import trade
from agent.errors import SpecError
from agent.evaluation.metrics import evaluate
from agent.records import Bar, DayRecord, Observation, Order, Portfolio, PriceState
from agent.strategies import STRATEGIES
from agent.strategies.base import Setup, Today
from agent.strategies.random_trader import schedule
from services.wiring import options
from tests.toy import CALENDAR, ToySource, build, by_ticker, run, timeless, toy_spec

RULES = [name for name in STRATEGIES if not STRATEGIES.load(name).needs_model]
CLOSE = datetime(2022, 3, 15, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def whole() -> dict[str, list[DayRecord]]:
    return {name: run(toy_spec(strategy=name)) for name in RULES}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_asks_no_model_takes_no_unknown_option_and_decides_on_every_test_day(whole, name):
    plug = STRATEGIES.load(name)
    with pytest.raises(SpecError, match="sparkle"):
        options(name, plug, {"sparkle": 1})
    decisions = [r.thought.decision for r in whole[name] if r.phase == "test"]
    assert all(d is not None and d.action in ("buy", "hold", "sell") and d.provenance == "rule" and d.summary for d in decisions)
    assert all(r.thought.decision is None for r in whole[name] if r.phase == "train")


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("cut", [1, 60, 101])
def test_a_rule_killed_anywhere_and_resumed_from_what_was_stored_ends_the_same(whole, name, cut):
    head = [DayRecord.model_validate_json(r.model_dump_json()) for r in whole[name][:cut]]
    spec = toy_spec(strategy=name)
    market, strategies = build(spec)
    last = {ticker: records[-1] for ticker, records in by_ticker(head).items()}
    tail = [timeless(r) for r in trade(market, spec, strategies=strategies, calendar=CALENDAR, last=last)]
    assert head + tail == whole[name]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_does_not_change_its_past_when_the_future_does(whole, name):
    cut = date(2022, 5, 2)

    def rewrite(table: str, frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.copy()
        if table == "bars":
            frame.loc[frame["date"] > pd.Timestamp(cut), ["open", "high", "low", "close"]] *= 3.7
        return frame

    other = run(toy_spec(strategy=name), source=ToySource(rewrite=rewrite))
    assert [r for r in other if r.day <= cut] == [r for r in whole[name] if r.day <= cut]


@pytest.mark.parametrize("name", RULES)
def test_the_ledger_of_a_rule_adds_up(whole, name):
    for records in by_ticker(whole[name]).values():
        for before, now in pairwise(records):
            held = before.portfolio.shares * now.observation.split
            cash = before.portfolio.cash + held * now.observation.dividend
            for fill in now.fills:
                cash, held = cash - fill.shares * fill.price - fill.commission, held + fill.shares
            assert now.portfolio.cash == pytest.approx(cash, abs=1e-6) and now.portfolio.cash >= -1e-9
            assert now.equity == pytest.approx(cash + held * now.observation.bar.close, abs=1e-6)


@pytest.mark.parametrize("name", [name for name in RULES if name != "hold"])
def test_a_split_is_no_signal(name):
    """Prices halve on 18 April and every holder has twice the shares: money and decisions stay what they are without it."""
    tickers = {"tickers": ["TOYA"], "strategy": name}
    assert any(r.observation.split == 2.0 for r in run(toy_spec(**tickers)))

    def unsplit(table: str, frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.copy()
        if table == "bars":
            frame.loc[frame["date"] >= pd.Timestamp("2022-04-18"), ["open", "high", "low", "close"]] *= 2
        if table == "dividends":
            frame["amount"] *= 2
        return frame[frame["ex_date"] < pd.Timestamp("2000-01-01")] if table == "splits" else frame

    split, plain = run(toy_spec(**tickers)), run(toy_spec(**tickers), source=ToySource(rewrite=unsplit))
    assert [r.thought.decision.action for r in split if r.thought.decision] == [
        r.thought.decision.action for r in plain if r.thought.decision
    ]
    assert [r.equity for r in split] == pytest.approx([r.equity for r in plain], rel=1e-9)


# ------------------------------------------------------------------------------------------------------------ what each one does


def strategy(name: str, **chosen):
    spec = toy_spec(tickers=["TOYA"], strategy=name, strategy_options=chosen)
    return STRATEGIES.load(name)(Setup(ticker="TOYA", spec=spec, sessions_between=CALENDAR.count))


def close(
    *, price: float = 100.0, shares: float = 0.0, pending: Order | None = None, day: date = date(2022, 3, 15), split: float = 1.0, **state
):
    """One close with these indicators."""
    bar = Bar(day=day, open=price, high=price, low=price, close=price)
    book = Portfolio(cash=0.0 if shares else 100.0, shares=shares, pending=pending)
    equity = book.equity(price)
    return Observation(
        ticker="TOYA",
        session=day,
        cutoff=CLOSE,
        bar=bar,
        price=PriceState(**state),
        portfolio=book,
        equity=equity,
        weight=book.weight(price),
        split=split,
    )


def said(plug, seen: Observation, *, index: int = 0):
    decision = plug.day(Today(seen=seen, phase="test", index=index)).decision
    return decision.action, decision.target_weight


@pytest.mark.parametrize(
    ("name", "outside", "inside", "between"),
    [
        ("rsi_rule", {"rsi_14": 70.1}, {"rsi_14": 29.9}, {"rsi_14": 50.0}),
        (
            "macd_rule",
            {"macd_12_26": 0.01, "macd_signal_9": 0.02},
            {"macd_12_26": 0.02, "macd_signal_9": 0.01},
            {"macd_12_26": 0.01, "macd_signal_9": 0.01},
        ),
        ("momentum", {"momentum_60": -0.01}, {"momentum_60": 0.01}, {}),
        ("mean_reversion", {"bollinger_20": 0.5}, {"bollinger_20": -0.01}, {"bollinger_20": 0.3}),
    ],
)
def test_a_rule_buys_sells_and_waits_by_its_threshold(name, outside, inside, between):
    assert said(strategy(name), close(**inside)) == ("buy", 1.0)
    assert said(strategy(name), close(shares=1, **outside)) == ("sell", 0.0)
    for state, shares in ((inside, 1.0), (outside, 0.0), (between, 1.0), (between, 0.0), ({}, 1.0), ({}, 0.0)):
        assert said(strategy(name), close(shares=shares, **state)) == ("hold", min(shares, 1.0))


def test_an_order_that_waits_for_a_price_is_not_given_again():
    waiting = Order(day=date(2022, 3, 14), weight=1.0, wished=1.0)
    assert said(strategy("momentum"), close(momentum_60=0.1, pending=waiting))[0] == "hold"
    assert said(strategy("momentum"), close(momentum_60=-0.1, pending=waiting)) == ("hold", 0.0)  # nothing is held: nothing to sell


def test_the_averages_cross_where_they_cross_by_hand_and_a_split_is_taken_out():
    plug = strategy("moving_average_cross", fast=2, slow=3)
    days = [(100, 1.0, 0), (100, 1.0, 0), (106, 1.0, 0), (51, 2.0, 1), (40, 1.0, 1)]  # the fourth is 102 in the old shares
    heard = [said(plug, close(price=price, split=split, shares=shares)) for price, split, shares in days]
    # SMA(2) against SMA(3): unknown, unknown, 103 > 102, then 52 > 51.33 (104 > 102.67), then 45.5 < 48
    assert heard == [("hold", 0.0), ("hold", 0.0), ("buy", 1.0), ("hold", 1.0), ("sell", 0.0)]


def test_history_for_the_averages_comes_from_training_too():
    plug = strategy("moving_average_cross", fast=1, slow=2)
    assert plug.day(Today(seen=close(price=100), phase="train", index=0)).decision is None
    assert said(plug, close(price=101)) == ("buy", 1.0)


def test_equal_weight_gives_cash_the_same_share_as_each_ticker_and_rebalances_at_its_interval(whole):
    filled = {}
    for ticker, records in by_ticker(whole["equal_weight"]).items():
        test = [r for r in records if r.phase == "test"]
        filled[ticker] = [n for n, r in enumerate(test) if r.thought.decision.action != "hold"]
        assert test[0].order.weight == pytest.approx(2 / 3)
        assert test[1].observation.weight == pytest.approx(2 / 3, abs=0.02)
    assert filled == {"TOYA": [0, 21, 42, 63], "TOYB": [0, 21, 42, 63]}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("turnover", "exposure", "level"), [(40.0, 0.5, 1.0), (12.0, 0.3, 0.5), (4.0, 0.9, 1.0)])
def test_a_random_trader_has_the_turnover_and_the_exposure_that_it_was_given(seed, turnover, exposure, level):
    wanted = {"turnover": turnover, "exposure": exposure, "level": level}
    records = [
        r for r in run(toy_spec(strategy="random_trader", strategy_options=wanted, seed=seed, tickers=["TOYB"])) if r.phase == "test"
    ]
    found = evaluate(
        [r.equity for r in records],
        weights=[r.portfolio.weight(r.mark) for r in records],
        fills=[fill for r in records for fill in r.fills],
    )
    assert found["exposure_mean"] == pytest.approx(exposure, abs=0.03)
    assert found["turnover_two_sided"] == pytest.approx(turnover * (len(records) - 1) / 252, abs=0.55 * level + 0.05)


def test_random_traders_of_other_seeds_and_tickers_trade_on_other_days():
    def bought(**changes) -> dict[str, list[date]]:
        records = by_ticker(run(toy_spec(strategy="random_trader", **changes)))
        return {ticker: [r.day for r in found if r.fills] for ticker, found in records.items()}

    one, other = bought(seed=1), bought(seed=2)
    assert one == bought(seed=1) and one["TOYA"] != one["TOYB"] and one["TOYA"] != other["TOYA"]


@given(days=st.integers(1, 300), inside=st.integers(0, 320), trades=st.integers(0, 400), seed=st.integers(0, 10_000))
def test_a_schedule_has_the_days_and_the_changes_it_was_asked_for_where_they_fit(days, inside, trades, seed):
    found = schedule(days, inside=inside, trades=trades, lot=random.Random(seed))
    inside = min(inside, days)
    changes = sum(a != b for a, b in pairwise([False, *found]))
    assert len(found) == days and sum(found) == inside
    if 0 < inside < days:
        assert changes == max(1, min(trades, 2 * inside, 2 * (days - inside) + 1))


def test_every_place_in_the_window_is_as_likely_as_any_other():
    """Two days of ten inside in one stretch that ends before the window does: eight places, each 1/8 of the time."""
    lot = random.Random(5)
    starts = [schedule(10, inside=2, trades=2, lot=lot).index(True) for _ in range(8_000)]
    assert set(starts) == set(range(8)) and all(850 < starts.count(place) < 1150 for place in range(8))


@pytest.mark.parametrize(
    ("name", "chosen", "word"),
    [
        ("rsi_rule", {"oversold": 70, "overbought": 30}, "oversold"),
        ("moving_average_cross", {"fast": 50, "slow": 20}, "fast"),
        ("mean_reversion", {"enter": 0.6}, "enter"),
    ],
)
def test_thresholds_the_wrong_way_round_are_refused_in_words(name, chosen, word):
    with pytest.raises(SpecError, match=word):
        options(name, STRATEGIES.load(name), chosen)


def test_the_close_before_a_gap_is_no_decision():
    lonely = close().model_copy(update={"bar": None, "session": CLOSE.date() + timedelta(days=1)})
    decision = strategy("momentum").day(Today(seen=lonely, phase="test", index=3)).decision
    assert decision.abstained and decision.action is None
