"""All memories of a day as points on a flat map: what is near has similar words.

Drawn as SVG: to start WebGL takes a browser as long as a thousand points, and some browsers have none.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ui import theme
from ui.charts.base import inert, nothing

SMALLEST, LARGEST = 5.0, 15.0  # pixels, for importance 0 and 100
RINGS = {"cited": ("star", "★ cited"), "recalled": ("circle-open", "recalled"), "just missed": ("circle-open-dot", "just missed")}


def memory_map(frame: pd.DataFrame, *, explained: tuple[float, float], selected: int | None, dark: bool) -> go.Figure:
    """Colour is the layer, size the importance of the day, hollow what is forgotten; rings and stars are what the day's question brought up.

    Columns: id, x, y, layer, alive, importance, title, mark. ``explained``: share of the variance along x and y.
    """
    if frame.empty:
        return nothing("No memory had a place on the map by this day", dark=dark, height=520)
    colours = theme.palette(dark)
    fig = go.Figure()
    known = set(frame["layer"])
    for alive in (False, True):  # the forgotten lie below
        for name in [*(layer for layer in theme.LAYERS if layer in known), *sorted(known - set(theme.LAYERS))]:
            rows = frame[(frame["layer"] == name) & (frame["alive"].astype(bool) == alive)]
            if len(rows):
                _points(fig, rows, name, alive=alive, dark=dark)
    for mark, (symbol, word) in RINGS.items():
        rows = frame[frame["mark"] == mark]
        if len(rows):
            size = np.full(len(rows), 13.0) if mark == "cited" else _size(rows) + 9
            marker = {"symbol": symbol, "size": size, "color": colours.text, "line": {"color": colours.text, "width": 1.6}}
            if mark == "cited":
                marker |= {"color": colours.series[1], "line": {"color": colours.text, "width": 1}}
            _scatter(fig, rows, word, marker)
    chosen = frame[frame["id"] == selected]
    if len(chosen):
        line = {"color": colours.agent, "width": 3}
        _scatter(fig, chosen, "opened", {"symbol": "square-open", "size": 26, "color": colours.agent, "line": line})
    theme.style(fig, dark, height=560)
    fig.layout.margin.l = 30  # a title, no labels
    fig.update_layout(
        hovermode="closest", clickmode="event+select", dragmode="pan", legend={"itemsizing": "constant", "traceorder": "normal"}
    )
    for update, share in ((fig.update_xaxes, explained[0]), (fig.update_yaxes, explained[1])):
        update(showticklabels=False, zeroline=False, title_text=f"direction with {100 * share:.1f} % of the variance")
    return fig


def _points(fig: go.Figure, rows: pd.DataFrame, name: str, *, alive: bool, dark: bool) -> None:
    colour = theme.layer_colour(name, dark)
    word = f"{theme.LAYER_GLYPHS.get(name, '◌')} {inert(name, longest=30)}"
    if alive:
        edge = {"color": theme.palette(dark).page, "width": 0.5}
        _scatter(fig, rows, word, {"size": _size(rows), "color": colour, "line": edge})
    else:
        _scatter(fig, rows, f"{word}, forgotten", {"symbol": "circle-open", "size": 6, "color": theme.fade(colour, 0.55)})


def _scatter(fig: go.Figure, rows: pd.DataFrame, name: str, marker: dict) -> None:
    fig.add_trace(
        go.Scatter(
            x=rows["x"].to_numpy(float),
            y=rows["y"].to_numpy(float),
            mode="markers",
            name=name,
            marker=marker,
            unselected={"marker": {"opacity": 0.85}},
            customdata=rows["id"].to_numpy(int),
            text=[inert(title, longest=70) for title in rows["title"]],
            hovertemplate="%{text}<br>memory %{customdata} · " + name + "<extra></extra>",
        )
    )


def _size(rows: pd.DataFrame) -> np.ndarray:
    worth = rows["importance"].fillna(0).clip(0, 100).to_numpy(float)
    return np.round(SMALLEST + (LARGEST - SMALLEST) * worth / 100, 1)
