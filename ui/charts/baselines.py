"""Equity of a run with its baselines beside it: thin lines under the two that matter."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from ui import theme
from ui.charts.base import inert, iso
from ui.charts.equity import equity

STYLES: Mapping[str, tuple[int, str]] = {  # place in the palette and dash; a rule is dotted, the agent's own variants are dash-dotted
    "rsi_rule": (1, "dot"),
    "moving_average_cross": (2, "dot"),
    "macd_rule": (3, "dot"),
    "momentum": (4, "dot"),
    "mean_reversion": (5, "dot"),
    "equal_weight": (6, "dot"),
    "random": (8, "longdash"),
    "without_memory": (7, "dashdot"),
    "without_reflection": (9, "dashdot"),
    "short_memory": (4, "dashdot"),
    "random_memories": (1, "dashdot"),
}
LEGEND_ROW = 20  # pixels
PER_ROW = 4  # names in a row of the legend on a screen of 1280 pixels


def equity_beside(frame: pd.DataFrame, others: Mapping[str, tuple[str, pd.DataFrame]], *, dark: bool) -> go.Figure:
    """The equity chart of ``frame`` with one line for each of ``others`` (name of the baseline to its label and frame: day, equity)."""
    fig, colours = equity(frame, dark=dark), theme.palette(dark)
    lines = []
    for name, (label, money) in others.items():
        place, dash = STYLES.get(name, (8, "dot"))
        lines.append(
            go.Scatter(
                x=iso(money["day"]),
                y=money["equity"],
                customdata=money["equity"] / money["equity"].iloc[0] - 1 if len(money) else None,
                name=inert(label),
                mode="lines" if len(money) > 1 else "markers",
                line={"color": colours.series[place], "width": 1.3, "dash": dash},
                hovertemplate="%{y:,.0f}  (%{customdata:+.1%})",
                xaxis="x",
                yaxis="y",
            )
        )
    fig.add_traces(lines)
    fig.data = (*fig.data[4:], *fig.data[:4])  # what is drawn last lies on top and, the legend being reversed, stands first
    rows = -(-(len(lines) + 2) // PER_ROW)
    fig.update_layout(height=420 + LEGEND_ROW * (rows - 1), margin={"t": 40 + LEGEND_ROW * (rows - 1)})
    return fig
