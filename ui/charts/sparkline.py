"""Small lines without axes: the shape of a run at a glance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from ui import theme


def sparkline(values: Sequence[float], *, dark: bool, height: int = 48) -> go.Figure:
    """A bare line with its last point marked; values that are not known leave a gap."""
    colour = theme.palette(dark).agent
    shown = [value if _known(value) else None for value in values]
    fig = go.Figure()
    fig.add_scatter(y=shown, mode="lines", line={"color": colour, "width": 1.6}, hoverinfo="skip")
    last = max((at for at, value in enumerate(shown) if value is not None), default=None)
    if last is not None:
        fig.add_scatter(x=[last], y=[shown[last]], mode="markers", marker={"color": colour, "size": 5}, hoverinfo="skip")
    theme.style(fig, dark, height=height)
    fig.update_layout(showlegend=False, margin={"l": 2, "r": 4, "t": 2, "b": 2})
    fig.update_xaxes(visible=False, fixedrange=True)
    fig.update_yaxes(visible=False, fixedrange=True)
    return fig


def thin(values: Sequence[float], most: int = 60) -> list[float]:
    """At most ``most`` evenly spaced known values, first and last kept: for a line inside a table cell."""
    known = [float(value) for value in values if _known(value)]
    if len(known) <= most:
        return known
    step = (len(known) - 1) / (most - 1)
    return [known[round(i * step)] for i in range(most)]


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
