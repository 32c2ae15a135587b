"""Figures: right for full, empty, one-row and gappy frames; pure; names from outside never act as markup."""

from __future__ import annotations

import math
import re
import tomllib
from datetime import date
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest

from ui import format, theme
from ui.charts.bars import score_bar
from ui.charts.base import inert
from ui.charts.coverage import MEANING, coverage, swatch
from ui.charts.equity import equity, rebased
from ui.charts.memory import layer_counts, lifeline
from ui.charts.price import MOST_CANDLES, price
from ui.charts.recall import scores
from ui.charts.sparkline import sparkline, thin

NAN = float("nan")
EQUITY = pd.DataFrame(
    {
        "day": ["2025-01-02", "2025-01-03", "2025-01-06"],
        "equity": [50_000.0, 55_000.0, 49_500.0],
        "benchmark": [50_000.0, 50_500.0, NAN],
        "drawdown": [0.0, 0.0, -0.1],
        "benchmark_drawdown": [0.0, 0.0, NAN],
    }
)
BARS = pd.DataFrame(
    {
        "day": pd.to_datetime(["2025-01-02", "2025-01-03", "2025-01-06"]),
        "open": [10.0, 11.0, 12.0],
        "high": [11.0, 12.0, 13.0],
        "low": [9.0, 10.0, 11.0],
        "close": [10.5, 11.5, NAN],
    }
)
FILLS = pd.DataFrame(
    {
        "day": ["2025-01-03", "2025-01-03", "2024-01-01"],
        "shares": [100.0, -40.0, 5.0],
        "price": [11.1, 11.2, 1.0],
        "commission": [1.0, 1.0, 1.0],
    }
)
LAYERS = pd.DataFrame({"day": ["2025-01-02", "2025-01-03"], "short": [3, 4], "mid": [0, NAN], "long": [0, 1], "reflection": [0, 0]})
LIFE = pd.DataFrame(
    {
        "day": ["2025-01-02", "2025-01-03", "2025-01-06"],
        "importance": [60.0, 59.0, 64.0],
        "recency": [1.0, 0.7, 1.0],
        "layer": ["short", "short", "mid"],
    }
)
EVENTS = pd.DataFrame({"day": ["2025-01-02", "2025-01-06"], "kind": ["remembered", "promoted"]})
RECALLS = pd.DataFrame(
    {
        "memory_id": [7, 3, 9, 4],
        "layer": ["mid", "short", "short", "short"],
        "rank": [1, 1, 3, 2],
        "similarity": [0.5, 0.9, 0.2, 0.6],
        "recency": [0.5, 0.8, 0.2, 0.5],
        "importance": [0.5, 0.3, 0.2, NAN],
        "score": [1.5, 2.0, 0.6, 1.1],
        "near_miss": [False, False, True, False],
        "cited": [False, True, False, False],
        "title": ["plain", "<b>bold</b> $x$", "missed", "second"],
    }
)
FIGURES = {
    "equity": (lambda frame, dark: equity(frame, dark=dark, start_cash=100_000), EQUITY),
    "equity log": (lambda frame, dark: equity(frame, dark=dark, log=True), EQUITY),
    "price": (lambda frame, dark: price(frame, FILLS, dark=dark), BARS),
    "layers": (lambda frame, dark: layer_counts(frame, dark=dark), LAYERS),
    "life": (lambda frame, dark: lifeline(frame, EVENTS, dark=dark), LIFE),
    "recalls": (lambda frame, dark: scores(frame, dark=dark), RECALLS),
}


def trace(fig: go.Figure, name: str) -> go.Figure:
    return next(item for item in fig.data if item.name == name)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 2, 4])
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_can_be_drawn_from_any_number_of_rows_and_leaves_its_frame_alone(name: str, rows: int, dark: bool) -> None:
    draw, full = FIGURES[name]
    frame = full.head(rows)
    before = frame.copy(deep=True)
    fig = draw(frame, dark)
    assert fig.to_json()
    pd.testing.assert_frame_equal(frame, before)
    if rows == 0:
        assert fig.layout.annotations[0].text and not fig.data


@pytest.mark.parametrize("name", FIGURES)
def test_a_frame_of_unknown_numbers_still_draws(name: str) -> None:
    draw, full = FIGURES[name]
    numbers = [column for column in full.select_dtypes("number") if column not in {"memory_id", "rank"}]
    assert draw(full.assign(**{column: NAN for column in numbers}), False).to_json()


def test_both_equity_lines_start_at_the_start_cash() -> None:
    fig = equity(EQUITY, dark=False, start_cash=100_000)
    agent = trace(fig, "Agent")
    assert list(agent.y) == pytest.approx([100_000, 110_000, 99_000])
    assert list(agent.customdata) == pytest.approx([0.0, 0.1, -0.01])
    assert trace(fig, "Buy and hold").y[0] == 100_000
    assert math.isnan(trace(fig, "Buy and hold").y[2])  # a gap stays a gap


def test_rebasing_starts_at_the_first_known_value_and_leaves_a_worthless_start_alone() -> None:
    assert list(rebased(pd.Series([NAN, 2.0, 3.0]), 10.0).dropna()) == [10.0, 15.0]
    assert list(rebased(pd.Series([0.0, 1.0]), 10.0)) == [0.0, 1.0]


@pytest.mark.parametrize("sign", [1, -1])
def test_drawdown_is_drawn_below_zero_whatever_its_sign(sign: int) -> None:
    fig = equity(EQUITY.assign(drawdown=[0.0, 0.0, sign * 0.1]), dark=False)
    under = next(item for item in fig.data if item.yaxis == "y2" and item.name == "Agent")
    assert list(under.y) == pytest.approx([0.0, 0.0, -0.1])


def test_log_equity_uses_a_log_axis() -> None:
    assert equity(EQUITY, dark=False, log=True).layout.yaxis.type == "log"


def test_a_year_is_candles_and_more_is_a_line() -> None:
    days = pd.bdate_range("2020-01-01", periods=MOST_CANDLES + 1)
    long = pd.DataFrame({"day": days, "open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5})
    assert price(long.head(MOST_CANDLES), dark=False).data[0].type == "candlestick"
    assert price(long, dark=False).data[0].type == "scatter"
    assert not price(long.head(9), dark=False).layout.xaxis.rangeslider.visible


def test_every_point_of_a_price_chart_knows_its_day() -> None:
    fig = price(BARS, FILLS, dark=False, orders=pd.DataFrame({"day": ["2025-01-03"], "weight": [0.5]}))
    assert [row[0] for row in trace(fig, "day").customdata] == ["2025-01-02", "2025-01-03"]
    assert trace(fig, "bought").customdata[0][0] == "2025-01-03"
    assert trace(fig, "order waiting").customdata[0] == ["2025-01-03", 0.5] or list(trace(fig, "order waiting").customdata[0]) == [
        "2025-01-03",
        0.5,
    ]


def test_fills_outside_the_window_are_left_out_and_sides_differ_in_shape() -> None:
    fig = price(BARS, FILLS, dark=False)
    assert list(trace(fig, "bought").x) == ["2025-01-03"]
    assert (trace(fig, "bought").marker.symbol, trace(fig, "sold").marker.symbol) == ("triangle-up", "triangle-down")


def test_red_is_up_swaps_the_colours_of_candles_fills_and_pills() -> None:
    usual, swapped = (price(BARS, FILLS, dark=False, red_up=flag) for flag in (False, True))
    assert usual.data[0].increasing.line.color == swapped.data[0].decreasing.line.color == theme.LIGHT.up
    assert trace(swapped, "bought").marker.color == theme.LIGHT.down
    assert (theme.action_badge("buy"), theme.action_badge("buy", red_up=True)) == ("green", "red")


def test_weekends_are_closed_up_unless_the_ticker_trades_on_them() -> None:
    assert price(BARS, dark=False).layout.xaxis.rangebreaks
    weekend = BARS.assign(day=pd.to_datetime(["2025-01-03", "2025-01-04", "2025-01-05"]))
    assert not price(weekend, dark=False).layout.xaxis.rangebreaks


def test_layers_stack_with_the_slowest_at_the_bottom() -> None:
    assert [item.name for item in layer_counts(LAYERS, dark=False).data] == ["reflection", "long", "mid", "short"]


def test_a_memory_changes_layer_on_the_day_of_its_promotion() -> None:
    strips = [item for item in lifeline(LIFE, EVENTS, dark=False).data if item.yaxis == "y3"]
    assert [list(item.x) for item in strips] == [["2025-01-02", "2025-01-03", "2025-01-06"], ["2025-01-06"]]
    assert trace(lifeline(LIFE, EVENTS, dark=False), "promoted").y == (64.0,)


def test_recalls_go_by_layer_and_rank_with_near_misses_below_the_cut() -> None:
    fig = scores(RECALLS, dark=False)
    assert [label.split()[-1] for label in fig.layout.yaxis.ticktext] == ["3", "4", "9", "7"]
    assert fig.layout.yaxis.ticktext[0].startswith("★")
    lower, upper = fig.layout.yaxis.tickvals[2], fig.layout.yaxis.tickvals[1]
    assert [upper < shape.y0 < lower for shape in fig.layout.shapes] == [True]


def test_names_from_outside_lose_their_markup() -> None:
    assert inert("<b>a</b> $x$ %{y}\u202e\x00") == "b a /b x % {y}"
    fig = equity(EQUITY, dark=False, agent="<a href='http://evil.test'>x</a>")
    assert "<a" not in fig.to_json() and "\\u003ca" not in fig.to_json()
    assert "\\u003cb\\u003ebold" not in scores(RECALLS, dark=False).to_json()


def test_a_score_bar_is_as_long_as_its_score_and_survives_wild_numbers() -> None:
    widths = [float(width) for width in re.findall(r'<rect x="[^"]+" width="([^"]+)"', score_bar(0.5, 1.0, 0.25, dark=False))]
    assert widths == [50.0, 100.0, 25.0]
    assert "nan" not in score_bar(NAN, -1.0, 7.0, dark=True)


def test_a_sparkline_thins_but_keeps_both_ends() -> None:
    assert thin([NAN, *range(1000)], most=5) == [0.0, 250.0, 500.0, 749.0, 999.0]
    assert sparkline([], dark=False).to_json() and sparkline([NAN, 1.0], dark=True).data[1].y == (1.0,)


def strips(*states: str, table: str = "news") -> pd.DataFrame:
    """One ticker's row of sessions from Monday 2025-03-03 with these states."""
    days = [date(2025, 3, day) for day in (3, 4, 5, 6, 7, 10)][: len(states)]
    count = {"full": 4, "part": 1}
    return pd.DataFrame(
        [
            {"ticker": "AAA", "table": table, "period": day, "label": str(day), "count": count.get(state, 0), "full": 4, "state": state}
            for day, state in zip(days, states, strict=True)
        ]
    )


def test_no_source_is_drawn_as_a_hatched_stretch_and_no_news_as_a_cell() -> None:
    fig = coverage(strips("full", "none", "no source", "no source", "part", "no source"), dark=False)
    (bars,) = (trace for trace in fig.data if trace.type == "bar")
    assert bars.marker.pattern.shape == "/"
    assert [item[0] for item in bars.customdata] == ["2025-03-05 to 2025-03-06", "2025-03-10"]
    hours = [width / 3_600_000 for width in bars.x]
    assert hours == [48.0, 72.0], "the cell after the weekend is as wide as plotly draws it"
    assert str(bars.base[0]) == "2025-03-04 12:00:00"
    pale, filled = (trace for trace in fig.data if trace.type == "heatmap")
    assert list(pale.z[0]) == [None, 0.0, None, None, None, None], "only the session on which nothing happened"
    assert list(filled.z[0]) == [1.0, None, None, None, 0.25, None]
    assert "the source looked" in pale.hovertemplate and "nobody can say" in bars.hovertemplate


def test_coverage_without_states_keeps_its_gaps_and_is_never_hatched() -> None:
    fig = coverage(strips("full", "none", "part").drop(columns="state"), dark=True)
    assert {trace.type for trace in fig.data} == {"heatmap"} and len(fig.data) == 1
    assert list(fig.data[0].z[0]) == [1.0, None, 0.25]


def test_a_click_on_a_cell_of_the_calendar_names_its_day_ticker_and_table() -> None:
    both = pd.concat([strips("full", "none", table="bars"), strips("no source", "part")])
    (points,) = (trace for trace in coverage(both, dark=False, pick=True).data if trace.type == "scatter")
    assert [list(item) for item in points.customdata] == [
        ["2025-03-03", "AAA", "bars"],
        ["2025-03-04", "AAA", "bars"],
        ["2025-03-03", "AAA", "news"],
        ["2025-03-04", "AAA", "news"],
    ]
    assert list(points.y) == [0, 0, 1, 1]
    assert points.text[1] == "AAA 2025-03-04: no bars, the source looked"
    assert points.text[2] == "AAA 2025-03-03: no source for news, nobody can say"


def test_a_month_of_coverage_has_its_cell_around_the_middle_of_the_month() -> None:
    months = pd.DataFrame(
        [
            {
                "ticker": "<b>A</b>",
                "table": "bars",
                "period": date(2025, n, 1),
                "label": f"2025-0{n}",
                "count": 0,
                "full": 20,
                "state": "no source",
            }
            for n in (1, 2, 3)
        ]
    )
    fig = coverage(months, dark=False, pick=True)
    assert list(fig.data[1].x) == ["2025-01-15", "2025-02-15", "2025-03-15"]
    (bars,) = (trace for trace in fig.data if trace.type == "bar")
    assert len(bars.x) == 1 and bars.customdata[0][0] == "2025-01 to 2025-03"
    assert "<" not in "".join(fig.layout.yaxis.ticktext) + "".join(fig.data[-1].text), "customdata is exact, but never shown"
    assert coverage(months.head(0), dark=False).layout.annotations[0].text == "No ticker is chosen yet"


def test_every_state_of_the_calendar_has_a_swatch_of_its_own() -> None:
    assert len({swatch(state, dark=False) for state in MEANING}) == len(MEANING) == 5
    assert "url(#h)" in swatch("no source", dark=True)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_configured_theme_and_the_palette_are_the_same_colours(mode: str) -> None:
    config = tomllib.loads((Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text())
    look, colours = config["theme"][mode], theme.palette(mode == "dark")
    assert tuple(look["chartCategoricalColors"]) == colours.series and len(colours.series) == 10  # fewer, and plotly ignores them
    assert (look["textColor"], look["backgroundColor"], look["primaryColor"]) == (colours.text, colours.page, colours.agent)
    assert (look["greenColor"], look["redColor"]) == (colours.up, colours.down)


def test_nothing_leaves_the_machine_by_default() -> None:
    config = tomllib.loads((Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text())
    assert config["server"]["address"] == "127.0.0.1"
    assert config["browser"]["gatherUsageStats"] is False and config["client"]["showErrorLinks"] is False


@pytest.mark.parametrize("dark", [False, True])
def test_words_on_the_page_can_be_read(dark: bool) -> None:
    """WCAG AA: 4.5 to 1 for text, 3 to 1 for lines and marks."""
    colours = theme.palette(dark)
    assert contrast(colours.text, colours.page) > 7 and contrast(colours.muted, colours.page) > 4.5
    for colour in (colours.agent, colours.up, colours.down, colours.hold):
        assert contrast(colour, colours.page) > 3


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_numbers_read_as_people_write_them() -> None:
    assert format.percent(0.0123) == "1.2%" and format.percent(0.5, sign=True) == "+50.0%"
    assert format.percent(-0.00001) == "0.0%" and format.percent(NAN) == format.percent(None) == "–"
    assert format.money(1234567.8) == "1,234,568" and "$" not in format.money(1.0)
    assert format.shares(12.5) == "12.5" and format.shares(-3.0) == "-3" and format.shares(0.00004) == "0"
    assert format.shares(100.0) == "100" and format.points(0.062) == "+6.2 pp"
    assert format.day(pd.NaT) == "–" and format.day(pd.Timestamp("2025-03-31")) == "2025-03-31"
    assert format.duration(3900) == "1 h 05 min" and format.duration(59.6) == "1 min 00 s"
