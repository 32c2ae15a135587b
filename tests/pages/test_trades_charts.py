"""Figures of the Trades page: full, empty, one row, open trips; never changing what they are given, never showing markup."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pandas as pd
import plotly.graph_objects as go
import pytest

from ui import theme
from ui.charts import trades
from ui.charts.price import price

TRIPS = pd.DataFrame(
    {
        "ticker": ["A<b>", "B", "B"],
        "number": [1, 1, 2],
        "opened": [date(2025, 1, 2), date(2025, 1, 3), date(2025, 1, 6)],
        "closed": [date(2025, 1, 3), date(2025, 1, 3), None],
        "profit": [100.0, -50.0, 10.0],
        "gain": [0.1, -0.05, 0.01],
        "sessions": [1, 0, 3],
    }
)
EXPOSURE = pd.DataFrame({"day": [date(2025, 1, 2), date(2025, 1, 3)], "weight": [0.0, -0.4], "cash": [1.0, 1.4]})
RISES = pd.DataFrame({"ticker": ["A", "A"], "decided": [date(2025, 1, 9), date(2025, 1, 10)], "side": [1, -1], "rise": [0.04, -0.02]})
GAPS = pd.DataFrame({"ticker": ["A", "A"], "day": [date(2025, 1, 3), date(2025, 1, 2)], "money_gap": [5.0, -7.0], "gap": [0.01, -0.02]})
CASES = [(trades.profits, TRIPS), (trades.holding, TRIPS), (trades.exposure, EXPOSURE), (trades.before, RISES), (trades.gaps, GAPS)]


@pytest.mark.parametrize(("draw", "frame"), CASES)
@pytest.mark.parametrize("dark", [True, False])
def test_every_figure_draws_all_some_and_nothing_without_touching_its_frame(
    draw: Callable[..., go.Figure], frame: pd.DataFrame, dark: bool
) -> None:
    before = frame.copy(deep=True)
    assert draw(frame, dark=dark).data and draw(frame.iloc[:1], dark=dark).data
    empty = draw(frame.iloc[:0], dark=dark)
    assert not empty.data and empty.layout.annotations[0].text
    pd.testing.assert_frame_equal(frame, before)
    assert "<b>" not in str([trace.name for trace in draw(frame, dark=dark).data])


def test_a_bar_gives_the_trip_it_stands_for_and_open_trips_are_hollow() -> None:
    fig = trades.profits(TRIPS, dark=False)
    won, lost, still = fig.data
    assert [bar.name for bar in fig.data] == [trades.WON, trades.LOST, trades.OPEN]
    assert (won.customdata[0][0], lost.customdata[0][0], still.customdata[0][0]) == ("A<b>/1", "B/1", "B/2")
    assert "<" not in won.customdata[0][1]
    assert still.marker.color == "rgba(0,0,0,0)"
    assert (list(won.y), list(lost.y), list(still.y)) == ([100.0], [-50.0], [10.0])


def test_holding_counts_every_closed_trip_once_and_red_up_swaps_the_colours() -> None:
    fig = trades.holding(TRIPS, dark=False)
    assert sum(sum(bar.y) for bar in fig.data) == 2
    assert fig.data[1].marker.pattern.shape == "/"  # a loss is hatched, not only coloured
    assert fig.data[0].marker.color == theme.LIGHT.up
    assert trades.holding(TRIPS, dark=False, red_up=True).data[0].marker.color == theme.LIGHT.down


@pytest.mark.parametrize("held", [0, 1, 5, 6, 61, 5000])
def test_every_length_of_a_trip_has_its_range(held: int) -> None:
    fig = trades.holding(TRIPS.iloc[:1].assign(sessions=held), dark=False)
    assert sum(fig.data[0].y) == 1


def test_the_price_chart_tints_trips_of_the_window_and_marks_orders_that_were_not_filled() -> None:
    days = [date(2025, 1, day) for day in (2, 3, 6)]
    bars = pd.DataFrame({"day": days, "open": 10.0, "high": 11.0, "low": 9.0, "close": 10.0})
    trips = pd.DataFrame({"opened": [days[0], date(2024, 1, 2)], "closed": [None, date(2024, 2, 1)], "profit": [1.0, -1.0]})
    refused = pd.DataFrame({"day": [days[1]], "status": ["rejected"], "reason": ["<i>no shorts"]})
    fig = price(bars, None, dark=False, trips=trips, refused=refused)
    strip, foot = fig.layout.shapes  # of the trip inside the window; the other one is long over
    assert strip.path == "M 2025-01-02,0 L 2025-01-02,1 L 2025-01-06,1 L 2025-01-06,0 Z"
    assert (foot.path, foot.line.dash) == ("M 2025-01-02,0 L 2025-01-06,0", "solid")
    (cross,) = [trace for trace in fig.data if trace.name == "order not filled"]
    assert list(cross.x) == ["2025-01-03"] and "<" not in cross.customdata[0][2]
