"""One figure of several seed groups as ranges: from the lowest seed to the highest, the median as a mark, buy and hold as a line."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from ui import theme
from ui.charts.base import inert, nothing

ROW, HEAD = 34, 96  # pixels


def ranges(frame: pd.DataFrame, *, label: str, percent: bool, hold: float | None, dark: bool) -> go.Figure:
    """``frame``: name, low, median, high, seeds, yardstick (a reference, drawn grey and square), best first; ``hold`` is buy and hold's figure."""
    rows = frame[frame["median"].notna()]
    if rows.empty:
        return nothing("No figure to rank yet", dark=dark)
    colours = theme.palette(dark)
    places = [f"{inert(name, longest=46)}{' ' * position}" for position, name in enumerate(rows["name"])]  # names may be equal, rows not
    form = ":.1%" if percent else ":.2f"
    fig = go.Figure()
    for yardstick, colour, symbol, name in (
        (False, colours.agent, "circle", "seed groups"),
        (True, colours.benchmark, "square", "yardsticks"),
    ):
        chosen = [position for position, flag in enumerate(rows["yardstick"]) if bool(flag) == yardstick]
        if not chosen:
            continue
        part, mine = rows.iloc[chosen], [places[position] for position in chosen]
        xs = [value for low, high in zip(part["low"], part["high"], strict=True) for value in (low, high, None)]
        ys = [place for place in mine for _ in range(3)]
        fig.add_scatter(x=xs, y=ys, mode="lines", line={"color": theme.fade(colour, 0.45), "width": 7}, hoverinfo="skip", showlegend=False)
        fig.add_scatter(
            x=part["median"],
            y=mine,
            mode="markers",
            name=f"{name}: median, bar from lowest to highest seed",
            marker={"color": colour, "size": 11, "symbol": symbol},
            customdata=part[["low", "high", "seeds"]].to_numpy(),
            hovertemplate=f"median %{{x{form}}}, %{{customdata[0]{form}}} to %{{customdata[1]{form}}}, n = %{{customdata[2]}}<extra></extra>",
        )
    if hold is not None:
        fig.add_vline(x=hold, line={"color": colours.benchmark, "width": 1.5, "dash": "dash"})
        fig.add_annotation(
            x=hold, y=1, yref="paper", yanchor="bottom", text="buy and hold", showarrow=False, font={"size": 11, "color": colours.muted}
        )
    theme.style(fig, dark, height=HEAD + ROW * len(rows))
    fig.update_layout(hovermode="closest", legend={"y": -0.02, "yanchor": "top"}, margin={"b": 8, "t": 26})
    fig.update_xaxes(side="top", title_text=inert(label), tickformat=".0%" if percent else None, title_standoff=22)
    fig.update_yaxes(type="category", categoryorder="array", categoryarray=places[::-1], showgrid=False)
    return fig
