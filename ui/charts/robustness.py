"""How sturdy a run is, drawn: its place in a crowd of random traders, its seeds as a band, and every day it might have begun."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ui import theme
from ui.charts.base import iso, nothing
from ui.charts.equity import TICKS

BINS = 40


def crowd(sharpes: Sequence[float], own: float | None, *, dark: bool, hold: float | None = None) -> go.Figure:
    """How many random traders had which annual Sharpe; solid line: the run, dashed line: buy and hold."""
    if len(sharpes) < 2 or max(sharpes) - min(sharpes) < 1e-9:
        return nothing("All random traders came out alike: there is no crowd to stand in", dark=dark)
    colours = theme.palette(dark)
    counts, edges = np.histogram(sharpes, bins=BINS)
    middle = (edges[:-1] + edges[1:]) / 2
    fig = go.Figure()
    fig.add_bar(
        x=middle,
        y=counts,
        width=np.diff(edges),
        name="Random traders",
        marker={"color": theme.fade(colours.hold, 0.55), "line": {"width": 0}},
        hovertemplate="Sharpe about %{x:.2f}: %{y} random traders<extra></extra>",
    )
    for value, name, colour, dash in ((hold, "Buy and hold", colours.benchmark, "dash"), (own, "Agent", colours.agent, "solid")):
        if value is not None:
            fig.add_scatter(
                x=[value, value],
                y=[0, float(counts.max()) * 1.08],
                mode="lines",
                name=name,
                line={"color": colour, "width": 2.6, "dash": dash},
                hovertemplate=f"{name}: %{{x:.2f}}<extra></extra>",
            )
    theme.style(fig, dark, height=280)
    shown = [*(float(edge) for edge in edges), *(value for value in (own, hold) if value is not None)]
    room = 0.03 * (max(shown) - min(shown))
    fig.update_xaxes(title_text="Sharpe, a year", tickformat=".1f", zeroline=False, range=[min(shown) - room, max(shown) + room])
    fig.update_yaxes(title_text="random traders", nticks=5)
    return fig


def seeds(frame: pd.DataFrame, *, dark: bool, count: int) -> go.Figure:
    """Lowest, median and highest of the seeds, as growth since the first session, against buy and hold. Columns: day, low, median, high, benchmark."""
    if frame.empty:
        return nothing("One seed has no band", dark=dark)
    colours, days = theme.palette(dark), iso(frame["day"])
    fig = go.Figure()
    hover = "%{y:+.1%}"
    fig.add_scatter(x=days, y=frame["high"] - 1, mode="lines", line={"width": 0}, name="highest", showlegend=False, hovertemplate=hover)
    fig.add_scatter(
        x=days,
        y=frame["low"] - 1,
        mode="lines",
        line={"width": 0},
        fill="tonexty",
        fillcolor=theme.fade(colours.agent, 0.22),
        name=f"Lowest to highest of {count} seeds",
        hovertemplate=hover,
    )
    fig.add_scatter(
        x=days,
        y=frame["benchmark"] - 1,
        mode="lines",
        name="Buy and hold",
        line={"color": colours.benchmark, "width": 1.8, "dash": "dash"},
        hovertemplate=hover,
    )
    fig.add_scatter(
        x=days, y=frame["median"] - 1, mode="lines", name="Median seed", line={"color": colours.agent, "width": 2.4}, hovertemplate=hover
    )
    theme.style(fig, dark, height=340)
    fig.update_layout(hovermode="x unified")
    fig.update_xaxes(hoverformat="%Y-%m-%d", tickformatstops=TICKS)
    fig.update_yaxes(title_text="return since the first session", tickformat=".0%")
    return fig


def starts(frame: pd.DataFrame, *, dark: bool, window: int) -> go.Figure:
    """Return and Sharpe of every stretch of ``window`` sessions, by its first day. Columns as ``services.robustness.starts`` gives them."""
    if frame.empty:
        return nothing(f"A stretch of {window} sessions needs {window + 1}", dark=dark)
    colours, days = theme.palette(dark), iso(frame["day"])
    rows = (("return", "return of the stretch", ".0%", "+.1%"), ("sharpe", "Sharpe, a year", ".1f", ".2f"))
    fig = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.07)
    for row, (column, title, ticks, hover) in enumerate(rows, 1):
        for name, key, colour, dash in (
            ("Buy and hold", f"benchmark_{column}", colours.benchmark, "dash"),
            ("Agent", column, colours.agent, "solid"),
        ):
            fig.add_scatter(
                x=days,
                y=frame[key],
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                mode="lines" if len(frame) > 1 else "markers",
                line={"color": colour, "width": 2.0 if dash == "solid" else 1.6, "dash": dash},
                hovertemplate=f"{title} %{{y:{hover}}}",
                row=row,
                col=1,
            )
        fig.add_hline(y=0, line={"color": colours.muted, "width": 1, "dash": "dot"}, row=row, col=1)
        fig.update_yaxes(title_text=title, tickformat=ticks, nticks=5, row=row, col=1)
    theme.style(fig, dark, height=440)
    fig.update_layout(hovermode="x unified", legend_traceorder="reversed")
    fig.update_xaxes(hoverformat="%Y-%m-%d", tickformatstops=TICKS)
    fig.update_xaxes(title_text="first day of the stretch", row=2, col=1)
    return fig
