"""Several runs as lines from 100, with bands for seed groups, and below how far each is ahead of the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ui import theme
from ui.charts.base import inert, nothing
from ui.charts.equity import TICKS

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid", "dash")  # so that no line is told by its colour alone
HEIGHT = 480
APART = 0.055  # of the upper panel's height: least distance of two numbers at the ends of lines


@dataclass(frozen=True)
class Line:
    """One side: ``number`` stands at the end of its line, ``name`` in the legend; values from 100. ``low`` and ``high`` only of a group."""

    number: str
    name: str
    colour: int
    values: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


def compared(days: Sequence[str], lines: Sequence[Line], holds: Sequence[tuple[str, np.ndarray]], *, base: int, dark: bool) -> go.Figure:
    """Above, every line from 100; below, how far each is ahead of line ``base``, a fraction. ``holds``: (name, values) of buy and hold."""
    if not days or not lines:
        return nothing("They have no session in common", dark=dark, height=HEIGHT)
    colours = theme.palette(dark)
    fig = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.68, 0.32], vertical_spacing=0.05)
    shape = "lines" if len(days) > 1 else "markers"
    for number, (name, values) in enumerate(holds):
        dash = {"color": colours.benchmark, "width": 1.8, "dash": "dash" if not number else "dot"}
        fig.add_scatter(x=days, y=values, name=inert(name), mode=shape, line=dash, hovertemplate="%{y:.1f}", row=1, col=1)
    for place, line in enumerate(lines):
        _band(fig, days, line, dark)
        style = {"color": _colour(line, dark), "width": 2.4 if place == base else 1.9, "dash": DASHES[line.colour % len(DASHES)]}
        common = {"x": days, "name": inert(line.name), "legendgroup": line.number, "mode": shape, "line": style}
        fig.add_scatter(y=line.values, hovertemplate="%{y:.1f}", row=1, col=1, **common)
        ahead = line.values / lines[base].values - 1
        fig.add_scatter(y=ahead, hovertemplate="%{y:+.1%}", showlegend=False, row=2, col=1, **common)
    theme.style(fig, dark, height=HEIGHT)
    fig.update_layout(hovermode="x unified", margin={"r": 30})
    fig.update_xaxes(hoverformat="%Y-%m-%d", tickformatstops=TICKS)
    fig.update_xaxes(showticklabels=False, row=1, col=1)
    fig.update_yaxes(title_text="first session = 100", tickformat=",.0f", row=1, col=1)
    fig.update_yaxes(title_text=f"ahead of {lines[base].number}", tickformat="+.0%", nticks=5, row=2, col=1)
    _ends(fig, lines, holds, dark)
    return fig


def _colour(line: Line, dark: bool) -> str:
    series = theme.palette(dark).series
    return series[line.colour % len(series)]


def _band(fig: go.Figure, days: Sequence[str], line: Line, dark: bool) -> None:
    """From the lowest to the highest run of a group, behind its median."""
    if line.low is None or line.high is None:
        return
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "legendgroup": line.number}
    fig.add_scatter(x=days, y=line.high, row=1, col=1, **edge)
    fig.add_scatter(x=days, y=line.low, fill="tonexty", fillcolor=theme.fade(_colour(line, dark), 0.16), row=1, col=1, **edge)


def _ends(fig: go.Figure, lines: Sequence[Line], holds: Sequence[tuple[str, np.ndarray]], dark: bool) -> None:
    """The number of each line beside its last point, moved apart where lines end close together."""
    every = np.concatenate([line.values for line in lines] + [values for _, values in holds])
    span = float(np.nanmax(every) - np.nanmin(every)) or 1.0
    last = sorted(((float(line.values[-1]), line) for line in lines if np.isfinite(line.values[-1])), key=lambda item: item[0])
    placed: list[float] = []
    for value, line in last:
        at = max(value, placed[-1] + APART * span) if placed else value
        placed.append(at)
        fig.add_annotation(
            x=1.0,
            xref="paper",
            y=at,
            yref="y",
            text=line.number,
            showarrow=False,
            xanchor="left",
            xshift=6,
            font={"size": 15, "color": _colour(line, dark)},
        )
