"""Equity against buy-and-hold, and how far each was below its own peak."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ui import theme
from ui.charts.base import inert, iso, mark_days, nothing


def equity(
    frame: pd.DataFrame,
    *,
    dark: bool,
    start_cash: float | None = None,
    log: bool = False,
    marks: Sequence[tuple[str, str]] = (),
    agent: str = "Agent",
    benchmark: str = "Buy and hold",
) -> go.Figure:
    """Two rows: equity of both, rebased to ``start_cash`` on the first day, and drawdown (never positive).

    Columns: day, equity, benchmark, drawdown, benchmark_drawdown (fractions). ``marks`` are (day, word) lines.
    """
    if frame.empty:
        return nothing("No equity yet: the first day of the run is still to come", dark=dark, height=420)
    colours = theme.palette(dark)
    days = iso(frame["day"])
    fig = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.72, 0.28], vertical_spacing=0.06)
    lines = (
        ("benchmark", "benchmark_drawdown", inert(benchmark), colours.benchmark, "dash", 1.8),
        ("equity", "drawdown", inert(agent), colours.agent, "solid", 2.4),
    )
    for column, fall, name, colour, dash, width in lines:
        money = rebased(frame[column], start_cash)
        gain = money / money.dropna().iloc[0] - 1 if money.notna().any() else money
        fig.add_scatter(
            x=days,
            y=money,
            customdata=gain,
            name=name,
            legendgroup=name,
            mode="lines" if len(frame) > 1 else "markers",
            line={"color": colour, "width": width, "dash": dash},
            hovertemplate="%{y:,.0f}  (%{customdata:+.1%})",
            row=1,
            col=1,
        )
        fig.add_scatter(
            x=days,
            y=-frame[fall].abs(),
            name=name,
            legendgroup=name,
            showlegend=False,
            mode="lines" if len(frame) > 1 else "markers",
            line={"color": colour, "width": 1.2, "dash": dash},
            fill="tozeroy" if column == "equity" else None,
            fillcolor=theme.fade(colour, 0.18),
            hovertemplate="%{y:.1%}",
            row=2,
            col=1,
        )
    theme.style(fig, dark, height=420)
    fig.update_layout(hovermode="x unified", legend_traceorder="reversed", hoversubplots="axis")
    fig.update_xaxes(hoverformat="%Y-%m-%d", tickformatstops=TICKS)
    fig.update_xaxes(showticklabels=False, row=1, col=1)
    fig.update_yaxes(title_text="equity", tickformat=",.0f", type="log" if log else "linear", row=1, col=1)
    fig.update_yaxes(title_text="drawdown", tickformat=".0%", rangemode="tozero", nticks=4, row=2, col=1)
    mark_days(fig, marks, dark=dark)
    return fig


def rebased(money: pd.Series, start: float | None) -> pd.Series:
    """The series scaled so that its first known value is ``start``; unchanged without a start or where that value is not positive."""
    known = money.dropna()
    if start is None or known.empty or known.iloc[0] <= 0:
        return money
    return money * (start / known.iloc[0])


TICKS = [
    {"dtickrange": [None, 7 * 86_400_000], "value": "%Y-%m-%d"},
    {"dtickrange": [7 * 86_400_000, "M1"], "value": "%Y-%m-%d"},
    {"dtickrange": ["M1", "M12"], "value": "%Y-%m"},
    {"dtickrange": ["M12", None], "value": "%Y"},
]
