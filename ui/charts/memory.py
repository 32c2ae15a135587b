"""The memory over time: how full each layer is, and the life of a single memory."""

from __future__ import annotations

from itertools import groupby

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ui import theme
from ui.charts.base import inert, iso, mark_days, nothing
from ui.charts.equity import TICKS

MARKS = {
    "remembered": ("star", "remembered"),
    "recalled": ("circle-open", "recalled"),
    "cited": ("circle", "cited"),
    "credited": ("diamond", "credited"),
    "promoted": ("triangle-up", "promoted"),
    "demoted": ("triangle-down", "demoted"),
    "merged": ("square-open", "merged"),
    "forgotten": ("x", "forgotten"),
}


def layer_counts(frame: pd.DataFrame, *, dark: bool, selected: str | None = None) -> go.Figure:
    """Live memories per layer over time, stacked. Columns: day and one per layer."""
    names = [name for name in frame.columns if name != "day"]
    if frame.empty or not names:
        return nothing("No memories yet", dark=dark)
    fig = go.Figure()
    ordered = [name for name in theme.LAYERS if name in names] + [name for name in names if name not in theme.LAYERS]
    days = iso(frame["day"])
    for name in reversed(ordered):  # the slow layers carry the quick ones
        colour = theme.layer_colour(name, dark)
        fig.add_scatter(
            x=days,
            y=frame[name].fillna(0),
            name=inert(name),
            stackgroup="layers",
            mode="lines" if len(frame) > 1 else "markers",
            line={"color": colour, "width": 1},
            fillcolor=theme.fade(colour, 0.75),
            hovertemplate="%{y:,.0f}",
        )
    theme.style(fig, dark, height=300)
    fig.update_layout(hovermode="x unified", legend_traceorder="reversed")
    fig.update_xaxes(hoverformat="%Y-%m-%d", tickformatstops=TICKS)
    fig.update_yaxes(title_text="live memories", tickformat=",d", rangemode="tozero")
    if selected:
        mark_days(fig, [(selected, str(selected)[:10])], dark=dark)
    return fig


def lifeline(frame: pd.DataFrame, events: pd.DataFrame, *, dark: bool, later_than: str | None = None) -> go.Figure:
    """The life of one memory: importance (0..100) with what happened to it, recency (0..1), and the layer it was in.

    ``frame``: day, importance, recency, layer. ``events``: day, kind. What lies after ``later_than`` is shaded and called later.
    """
    if frame.empty:
        return nothing("This memory has not lived a day yet", dark=dark, height=340)
    colours = theme.palette(dark)
    days = iso(frame["day"])
    mode = "lines" if len(frame) > 1 else "markers"
    fig = make_subplots(rows=3, cols=1, shared_xaxes=True, row_heights=[0.58, 0.33, 0.09], vertical_spacing=0.05)
    line = {"color": colours.parts["importance"], "width": 2.2}
    fig.add_scatter(
        x=days,
        y=frame["importance"],
        name="importance",
        mode=mode,
        line=line,
        showlegend=False,
        hovertemplate="importance %{y:.1f}<extra></extra>",
        row=1,
        col=1,
    )
    line = {"color": colours.parts["recency"], "width": 2.2}
    fig.add_scatter(
        x=days,
        y=frame["recency"],
        name="recency",
        mode=mode,
        line=line,
        showlegend=False,
        hovertemplate="recency %{y:.2f}<extra></extra>",
        row=2,
        col=1,
    )
    _layer_strip(fig, days, [str(layer) for layer in frame["layer"]], dark)
    _event_marks(fig, frame, events, dark)
    theme.style(fig, dark, height=380)
    fig.update_layout(hovermode="closest")
    fig.update_xaxes(type="date", hoverformat="%Y-%m-%d", tickformatstops=TICKS)
    fig.update_yaxes(
        title_text="importance", range=[0, max(105.0, float(frame["importance"].max(skipna=True) or 0) * 1.05)], nticks=5, row=1, col=1
    )
    fig.update_yaxes(title_text="recency", range=[0, 1.08], tickformat=".1f", nticks=3, row=2, col=1)
    fig.update_yaxes(title_text="layer", showticklabels=False, showgrid=False, zeroline=False, range=[-1, 1], row=3, col=1)
    if later_than is not None:
        _shade_later(fig, later_than[:10], days[-1], dark)
    return fig


def _shade_later(fig: go.Figure, day: str, last: str, dark: bool) -> None:
    """The part of a life that nobody could know on ``day``; nothing where it ended by then."""
    if day >= last:
        return
    colours = theme.palette(dark)
    fig.add_shape(
        type="rect",
        x0=day,
        x1=last,
        y0=0,
        y1=1,
        xref="x",
        yref="paper",
        fillcolor=theme.fade(colours.muted, 0.16),
        line={"width": 0},
        layer="below",
    )
    fig.add_annotation(
        x=day,
        y=0.93,  # below the word of the day's own mark
        xref="x",
        yref="paper",
        text="later →",
        showarrow=False,
        xanchor="left",
        yanchor="top",
        font={"size": 12, "color": colours.muted},
    )


def _layer_strip(fig: go.Figure, days: list[str], layers: list[str], dark: bool) -> None:
    """One thick line per stay in a layer, its name at the start: the layer is readable without its colour."""
    at = 0
    for layer, stay in groupby(layers):
        size = len(list(stay))
        span = days[at : at + size + 1]
        fig.add_scatter(
            x=span,
            y=[0] * len(span),
            mode="lines" if len(span) > 1 else "markers",
            line={"color": theme.layer_colour(layer, dark), "width": 11},
            showlegend=False,
            hovertemplate="%{x|%Y-%m-%d} in " + inert(layer) + "<extra></extra>",
            row=3,
            col=1,
        )
        fig.add_annotation(
            x=span[0],
            y=0,
            text=inert(layer),
            showarrow=False,
            xanchor="left",
            yshift=15,
            font={"size": 11, "color": theme.palette(dark).muted},
            row=3,
            col=1,
        )
        at += size


def _event_marks(fig: go.Figure, frame: pd.DataFrame, events: pd.DataFrame, dark: bool) -> None:
    colours = theme.palette(dark)
    heights = dict(zip(iso(frame["day"]), frame["importance"]))
    shades = {"cited": colours.agent, "credited": colours.up, "promoted": colours.up, "demoted": colours.down, "forgotten": colours.down}
    for kind, rows in events.groupby("kind", sort=False) if len(events) else ():
        symbol, word = MARKS.get(str(kind), ("circle", inert(kind)))
        days = iso(rows["day"])
        fig.add_scatter(
            x=days,
            y=[heights.get(day, frame["importance"].iloc[-1]) for day in days],
            mode="markers",
            name=word,
            marker={
                "symbol": symbol,
                "size": 10,
                "color": shades.get(str(kind), colours.text),
                "line": {"color": colours.page, "width": 1},
            },
            customdata=days,
            hovertemplate="%{customdata}<br>" + word + "<extra></extra>",
            row=1,
            col=1,
        )
