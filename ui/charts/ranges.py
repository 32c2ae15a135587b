"""One figure of several seed groups as ranges: from the lowest seed to the highest, the median as a mark, buy and hold as a line."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from ui import theme
from ui.charts.base import inert, nothing

ROW, HEAD = 34, 110  # pixels
GROUP, ALONE, YARDSTICK = "median, lowest to highest seed", "a single seed", "yardstick"
SYMBOLS = {GROUP: "circle", ALONE: "circle-open", YARDSTICK: "square"}


def ranges(frame: pd.DataFrame, *, label: str, percent: bool, hold: float | None, dark: bool) -> go.Figure:
    """``frame``: name, low, median, high, seeds, yardstick (a reference, drawn grey and square), best first; ``hold`` is buy and hold's figure."""
    rows = frame[frame["median"].notna()]
    if rows.empty:
        return nothing("No figure to rank yet", dark=dark)
    colours = theme.palette(dark)
    places = [f"{inert(name, longest=56)}{' ' * position}" for position, name in enumerate(rows["name"])]  # names may be equal, rows not
    form = ":.1%" if percent else ":.2f"
    fig = go.Figure()
    for name, chosen in _kinds(rows):
        colour = colours.benchmark if name == YARDSTICK else colours.agent
        part, mine = rows[chosen], [place for place, flag in zip(places, chosen, strict=True) if flag]
        if part.empty:
            continue
        xs = [value for low, high in zip(part["low"], part["high"], strict=True) for value in (low, high, None)]
        ys = [place for place in mine for _ in range(3)]
        fig.add_scatter(x=xs, y=ys, mode="lines", line={"color": theme.fade(colour, 0.45), "width": 7}, hoverinfo="skip", showlegend=False)
        fig.add_scatter(
            x=part["median"],
            y=mine,
            mode="markers",
            name=name,
            marker={"color": colour, "size": 11, "symbol": SYMBOLS[name], "line": {"width": 2, "color": colour}},
            customdata=part[["low", "high", "seeds"]].to_numpy(),
            hovertemplate=f"median %{{x{form}}}, %{{customdata[0]{form}}} to %{{customdata[1]{form}}}, n = %{{customdata[2]}}<extra></extra>",
        )
    if hold is not None:
        line = {"color": colours.benchmark, "width": 1.5, "dash": "dash"}
        fig.add_scatter(x=[hold] * len(places), y=places, mode="lines", name="buy and hold", line=line, hoverinfo="skip")
    theme.style(fig, dark, height=HEAD + ROW * len(rows), names=True)
    fig.update_layout(hovermode="closest")
    fig.update_xaxes(title_text=inert(label), tickformat=".0%" if percent else None)
    fig.update_yaxes(type="category", categoryorder="array", categoryarray=places[::-1], showgrid=False)
    return fig


def _kinds(rows: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    yardstick, alone = rows["yardstick"].astype(bool), rows["seeds"] < 2
    return [(GROUP, ~yardstick & ~alone), (ALONE, ~yardstick & alone), (YARDSTICK, yardstick)]
