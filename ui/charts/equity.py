"""Equity against buy-and-hold, and how far each was below its own peak."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

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
        return nothing("No equity: no test session is recorded yet", dark=dark, height=420)
    colours = theme.palette(dark)
    days = iso(frame["day"])
    fig = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.72, 0.28], vertical_spacing=0.06)
    lines = (
        ("benchmark", "benchmark_drawdown", inert(benchmark), colours.benchmark, "dash", 1.8),
        ("equity", "drawdown", inert(agent), colours.agent, "solid", 2.4),
    )
    most = 0.0
    for column, fall, name, colour, dash, width in lines:
        money = rebased(frame[column], start_cash)
        most = max([most, *money.dropna()])
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
    theme.style(fig, dark, height=420, widest=f"{most:,.0f}")
    fig.update_layout(hovermode="x unified", legend_traceorder="reversed", hoversubplots="axis")
    fig.update_xaxes(hoverformat="%Y-%m-%d", tickformatstops=TICKS)
    fig.update_xaxes(showticklabels=False, row=1, col=1)
    fig.update_yaxes(title_text="equity", tickformat=",.0f", type="log" if log else "linear", row=1, col=1)
    fig.update_yaxes(title_text="drawdown", tickformat=".0%", rangemode="tozero", nticks=4, row=2, col=1)
    mark_days(fig, marks, dark=dark)
    return fig


def underwater(frame: pd.DataFrame, falls: pd.DataFrame, *, dark: bool, agent: str = "Agent", benchmark: str = "Buy and hold") -> go.Figure:
    """How far each was below its own peak, day by day, with the deepest falls of the agent as numbered bands.

    ``frame``: day, drawdown, benchmark_drawdown (fractions). ``falls``, deepest first: peak, trough, recovery (None: not yet), depth.
    """
    if frame.empty:
        return nothing("No equity: no test session is recorded yet", dark=dark, height=420)
    colours, days = theme.palette(dark), iso(frame["day"])
    fig = go.Figure()
    for column, name, colour, dash in (
        ("benchmark_drawdown", inert(benchmark), colours.benchmark, "dash"),
        ("drawdown", inert(agent), colours.agent, "solid"),
    ):
        fig.add_scatter(
            x=days,
            y=-frame[column].abs(),
            name=name,
            mode="lines" if len(frame) > 1 else "markers",
            line={"color": colour, "width": 1.6, "dash": dash},
            fill="tozeroy" if column == "drawdown" else None,
            fillcolor=theme.fade(colour, 0.18),
            hovertemplate="%{y:.1%}",
        )
    for number, fall in enumerate(falls.to_dict("records"), 1):
        _mark_fall(fig, fall, number, days[-1], dark)
    theme.style(fig, dark, height=420)
    fig.update_layout(hovermode="x unified", legend_traceorder="reversed")
    fig.update_xaxes(hoverformat="%Y-%m-%d", tickformatstops=TICKS)
    fig.update_yaxes(title_text="below the peak so far", tickformat=".0%", rangemode="tozero")
    return fig


def _mark_fall(fig: go.Figure, fall: dict[str, object], number: int, last: str, dark: bool) -> None:
    """A band from peak to recovery, and the number of the fall with its depth at the lowest point."""
    colours = theme.palette(dark)
    end = str(fall["recovery"])[:10] if isinstance(fall["recovery"], date) else last
    band = {"fillcolor": theme.fade(colours.down, 0.10), "line": {"width": 1, "color": theme.fade(colours.down, 0.35)}, "layer": "below"}
    fig.add_shape(type="rect", x0=str(fall["peak"])[:10], x1=end, y0=0, y1=1, xref="x", yref="paper", **band)
    fig.add_annotation(
        x=str(fall["trough"])[:10],
        y=fall["depth"],
        text=f"<b>{number}</b>  {fall['depth']:.1%}",
        showarrow=True,
        arrowhead=0,
        arrowcolor=colours.muted,
        ax=0,
        ay=18,
        font={"size": 12, "color": colours.text},
        bgcolor=theme.fade(colours.page, 0.8),
    )


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
