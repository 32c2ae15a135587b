"""What a run would have been under other terms, from other days and with other seeds: against numbers worked out by hand."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from agent.evaluation import agreement
from agent.spec import Execution
from services import robustness
from services.luck import Tape

NAN = float("nan")


def tape(orders, prices, cash=1_000.0):
    n = len(prices)
    prices = np.array(prices, float)
    return Tape(np.array(orders, float), prices, prices, np.zeros(n), np.ones(n), np.zeros(n), cash)


IN_AND_OUT = tape([1, NAN, 0, NAN], [100, 100, 200, 200])  # bought at the open of bar 1, sold at that of bar 3


def outcome(tapes, execution, times=1.0, late=0):
    return robustness._outcome(tapes, execution, ("", times, late))


def test_costs_are_multiplied_for_the_run_and_for_holding_alike():
    costs = Execution(commission_bps=0, slippage_bps=100)
    free, once, twice = (outcome({"X": IN_AND_OUT}, costs, times) for times in (0.0, 1.0, 2.0))
    assert (free.cum_return, free.benchmark, free.costs) == (1.0, 1.0, 0.0)
    assert once.cum_return == pytest.approx(2 * 0.99 / 1.01 - 1)  # bought at 101, sold at 198
    assert once.benchmark == pytest.approx(2 / 1.01 - 1)
    assert twice.cum_return == pytest.approx(2 * 0.98 / 1.02 - 1)
    assert twice.benchmark == pytest.approx(2 / 1.02 - 1)


def test_a_session_late_buys_and_sells_a_session_later_and_holding_is_bought_when_it_was():
    late = outcome({"X": IN_AND_OUT}, Execution(commission_bps=0, slippage_bps=0), late=1)
    assert (late.cum_return, late.benchmark, late.fills) == (0.0, 1.0, 1)  # bought at 200; the sale would come after the last bar


def test_the_run_breaks_even_with_holding_where_its_extra_trades_have_eaten_its_lead():
    # holding: 100 -> 90; the run sells at 120 and buys back at 100, so it pays for three trades instead of one
    dodged = tape([1, 0, 1, NAN, NAN], [100, 100, 120, 100, 90])
    terms = Execution(commission_bps=0, slippage_bps=10)
    times = robustness._break_even({"X": dodged}, terms)
    assert times is not None
    found = outcome({"X": dodged}, terms, times)
    assert found.cum_return == pytest.approx(found.benchmark, abs=1e-4)


def test_a_run_that_never_leads_has_no_break_even():
    assert robustness._break_even({"X": tape([NAN, NAN, NAN], [100, 110, 120])}, Execution()) is None


def test_every_first_day_has_the_return_of_the_stretch_that_begins_there():
    days = [date(2025, 1, 1) + timedelta(days=n) for n in range(5)]
    frame = pd.DataFrame({"day": days, "equity": [100, 110, 99, 99, 198], "benchmark": [100, 100, 100, 100, 100]})
    found = robustness.starts(frame, 2)
    assert found.frame["day"].tolist() == days[:3]
    assert found.frame["ends"].tolist() == days[2:]
    assert found.frame["return"].tolist() == pytest.approx([-0.01, -0.1, 1.0])
    assert (found.better, found.apart) == (pytest.approx(1 / 3), 2)


def test_the_days_on_which_seeds_differ_carry_their_decisions():
    rows = {"X": {"days": [date(2025, 1, 1), date(2025, 1, 2)], "actions": [["buy", "buy", None], ["buy", "sell", "hold"]]}}
    actions = rows["X"]["actions"]
    table = robustness._by_day(rows, agreement.flip_rate(actions), agreement.decision_entropy(actions))
    assert table["decisions"].tolist() == ["2 buy, 1 no decision", "1 buy, 1 hold, 1 sell"]
    assert table["differ"].tolist() == [0.0, 1.0]
    assert table["bits"].iloc[1] == pytest.approx(np.log2(3))
