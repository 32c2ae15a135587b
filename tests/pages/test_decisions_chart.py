"""The strip above the decision table."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from ui import theme
from ui.charts.decisions import strip

DAYS = [date(2025, 3, day) for day in (3, 4, 5, 6)]
MONEY = pd.DataFrame({"day": DAYS, "equity": [100, 110, 99, 121.0], "benchmark": [50, 55, 60, 45.0], "drawdown": [0, 0, 0.1, 0]})
MADE = pd.DataFrame(
    {
        "day": [date(2025, 2, 3), *DAYS],
        "phase": ["train", *["test"] * 4],
        "action": [None, "buy", "hold", None, "sell"],
        "confidence": [None, 0.6, None, None, 0.8],
    }
)


def traces(**keys: object) -> dict[str, object]:
    return {trace.name: trace for trace in strip(MONEY, MADE, dark=False, **keys).data}


def test_return_drawdown_and_every_decision_are_in_it_with_word_and_glyph() -> None:
    found = traces()
    assert list(found["agent"].y) == pytest.approx([0, 0.1, -0.01, 0.21]) and list(found["buy and hold"].y) == pytest.approx(
        [0, 0.1, 0.2, -0.1]
    )
    assert list(found["drawdown"].y) == [0, 0, -0.1, 0]
    assert {name: list(found[name].customdata) for name in ("▲ buy", "■ hold", "○ no decision", "▼ sell")} == {
        "▲ buy": ["2025-03-03"],
        "■ hold": ["2025-03-04"],
        "○ no decision": ["2025-03-05"],
        "▼ sell": ["2025-03-06"],
    }
    assert list(found["▼ sell"].y) == pytest.approx([0.21]) and list(found["▼ sell"].text) == [", confidence 80%"]


def test_only_days_that_pass_the_filters_are_marked() -> None:
    found = traces(kept={DAYS[0], date(2025, 2, 3)})
    assert "▲ buy" in found and not {"■ hold", "▼ sell", "○ no decision"} & set(found)


def test_red_up_swaps_the_colours_of_buy_and_sell() -> None:
    plain, swapped = traces(), traces(red_up=True)
    assert plain["▲ buy"].marker.color == swapped["▼ sell"].marker.color == theme.action_colour("buy", False)


def test_a_run_without_a_test_day_says_so() -> None:
    fig = strip(MONEY.iloc[:0], MADE, dark=True)
    assert "No test day yet" in fig.layout.annotations[0].text
