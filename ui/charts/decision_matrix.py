"""Several runs' decisions day by day as a strip of colours each, and below what every disagreement cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ui import theme
from ui.charts.base import inert, iso, nothing
from ui.charts.equity import TICKS

WORDS = ("no decision", "sell", "hold", "buy")
ROW, BELOW = 24, 120  # pixels per run, and of the bars


def matrix(
    days: Sequence[object],
    names: Sequence[str],
    actions: Sequence[Sequence[str | None]],
    confidence: np.ndarray,
    costs: pd.DataFrame,
    *,
    dark: bool,
    red_up: bool = False,
) -> go.Figure:
    """``actions`` and ``confidence``: one row per run, one value per day. ``costs``: day, gap (fraction of equity), lost, split per
    disagreement; a click on its bar gives the day."""
    if not days or not names:
        return nothing("No shared session", dark=dark)
    x = iso(pd.Series(list(days)))
    words = [[theme.verdict(item) for item in row] for row in actions]
    colours = [_colour(word, dark, red_up) for word in WORDS]
    high = ROW * len(names) + 8
    fig = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[high, BELOW], vertical_spacing=18 / (high + BELOW))
    labels = [inert(name, longest=26) for name in names]
    fig.add_heatmap(
        x=x,
        y=labels,
        z=[[WORDS.index(word) for word in row] for row in words],
        text=[
            [f"{theme.GLYPHS[word]} {word}{'' if np.isnan(sure) else f', confidence {sure:.0%}'}" for word, sure in zip(row, line)]
            for row, line in zip(words, confidence)
        ],
        hovertemplate="%{x}: %{text}<extra>%{y}</extra>",
        colorscale=[(edge, colour) for n, colour in enumerate(colours) for edge in (n / 4, (n + 1) / 4)],
        zmin=-0.5,
        zmax=3.5,
        showscale=False,
        ygap=2,
        row=1,
        col=1,
    )
    for word, colour in zip(reversed(WORDS), reversed(colours)):
        mark = {"symbol": "square", "size": 10, "color": colour}
        fig.add_scatter(
            x=[None], y=[labels[0]], mode="markers", marker=mark, name=f"{theme.GLYPHS[word]} {word}", hoverinfo="skip", row=1, col=1
        )
    _bars(fig, costs, dark, red_up)
    theme.style(fig, dark, height=high + BELOW + 86)
    fig.update_layout(
        margin={"l": 56, "r": 12, "t": 34, "b": 30}, hovermode="closest", bargap=0.1, barmode="overlay", clickmode="event+select"
    )
    fig.update_xaxes(
        type="date", hoverformat="%Y-%m-%d", tickformatstops=TICKS, showgrid=False, range=[x[0], x[-1]] if len(x) > 1 else None
    )
    fig.update_xaxes(showticklabels=False, row=1, col=1)
    fig.update_yaxes(autorange="reversed", showgrid=False, fixedrange=True, tickfont={"color": theme.palette(dark).text}, row=1, col=1)
    fig.update_yaxes(title_text="cost", tickformat=".1%", rangemode="tozero", nticks=4, fixedrange=True, row=2, col=1)
    return fig


def _colour(word: str, dark: bool, red_up: bool) -> str:
    """Trades stand out of the many days on which nothing is done."""
    found = theme.action_colour(word if word != "no decision" else None, dark, red_up=red_up)
    return {"hold": theme.fade(found, 0.22), "no decision": theme.fade(found, 0.6)}.get(word, found)


def _bars(fig: go.Figure, costs: pd.DataFrame, dark: bool, red_up: bool) -> None:
    _, falling = theme.rising_falling(dark, red_up=red_up)
    muted = theme.palette(dark).benchmark
    for lost, name, colour in ((True, "the worse lost money", falling), (False, "the worse earned less", muted)):
        rows = costs[(costs["lost"] == lost) & costs["gap"].notna()]
        fig.add_bar(
            x=iso(rows["day"]),
            y=rows["gap"].to_numpy(dtype=float),
            customdata=[[day, inert(split)] for day, split in zip(iso(rows["day"]), rows["split"])],
            name=name,
            width=86_400_000,  # a day in milliseconds
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate="%{customdata[0]}: %{customdata[1]}<br>best minus worst %{y:.2%} of equity, " + name + "<extra></extra>",
            row=2,
            col=1,
        )
