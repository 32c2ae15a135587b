"""What the memory offered on one day and why it was ranked so: similarity + recency + importance = score."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from ui import theme
from ui.charts.base import inert, nothing

PARTS = ("similarity", "recency", "importance")
ROW, GAP = 26, 1.0  # pixels per bar; empty rows between layers


def scores(frame: pd.DataFrame, *, dark: bool) -> go.Figure:
    """One stacked bar per memory, grouped by layer in rank order; cited ones starred, near misses faded below a dashed cut.

    Columns: memory_id, layer, rank, similarity, recency, importance, score, near_miss, cited, title.
    """
    if frame.empty:
        return nothing("Nothing was recalled on this day", dark=dark)
    colours = theme.palette(dark)
    rows = _ordered(frame)
    fig = go.Figure()
    for part in PARTS:
        fig.add_bar(
            y=rows["y"],
            x=rows[part].fillna(0).clip(lower=0),
            orientation="h",
            name=part,
            marker={"color": [theme.fade(colours.parts[part], 0.3 if missed else 1) for missed in rows["near_miss"]]},
            customdata=[list(row) for row in zip(rows["tip"], rows[part])],
            hovertemplate="%{customdata[0]}<br>" + part + " %{customdata[1]:.2f}<extra></extra>",
            showlegend=False,
        )
        fig.add_bar(y=[None], x=[None], orientation="h", name=part, marker={"color": colours.parts[part]})  # the legend, never faded
    _totals(fig, rows, dark)
    _cuts(fig, rows, dark)
    theme.style(fig, dark, height=90 + ROW * int(rows["y"].max() + 1), names=True)
    fig.update_layout(barmode="stack", bargap=0.25, legend_traceorder="normal")
    fig.update_xaxes(title_text="score", range=[0, 3.2], dtick=0.5, tickformat=".1f")
    fig.update_yaxes(
        tickvals=list(rows["y"]),
        ticktext=list(rows["label"]),
        autorange="reversed",
        showgrid=False,
        tickfont={"size": 12, "color": colours.text},
    )
    return fig


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    rows = frame.copy()
    rows[["near_miss", "cited"]] = rows[["near_miss", "cited"]].astype(bool)
    order = {name: place for place, name in enumerate(theme.LAYERS)}
    rows["_layer"] = [order.get(name, len(order)) for name in rows["layer"]]
    rows = rows.sort_values(["_layer", "layer", "near_miss", "rank"], kind="stable").reset_index(drop=True)
    fresh = rows["layer"].ne(rows["layer"].shift())
    rows["y"] = pd.Series(range(len(rows))) + GAP * fresh.cumsum()
    rows["tip"] = [
        f"{inert(layer)} {number}: {inert(title)}" for layer, number, title in zip(rows["layer"], rows["memory_id"], rows["title"])
    ]
    rows["label"] = [
        f"{'★ ' if cited else ''}{inert(title, longest=44)}  {number}"
        for cited, title, number in zip(rows["cited"], rows["title"], rows["memory_id"])
    ]
    return rows


def _totals(fig: go.Figure, rows: pd.DataFrame, dark: bool) -> None:
    colours = theme.palette(dark)
    ends = rows[list(PARTS)].fillna(0).clip(lower=0).sum(axis=1)
    for y, x, score, missed in zip(rows["y"], ends, rows["score"], rows["near_miss"]):
        ink = colours.muted if missed else colours.text
        shown = "–" if pd.isna(score) else f"{score:.2f}"
        fig.add_annotation(x=x, y=y, text=shown, showarrow=False, xanchor="left", xshift=4, font={"size": 12, "color": ink})


def _cuts(fig: go.Figure, rows: pd.DataFrame, dark: bool) -> None:
    muted = theme.palette(dark).muted
    for layer, group in rows.groupby("layer", sort=False):
        top = float(group["y"].min())
        fig.add_annotation(
            x=0,
            y=top - 0.85,
            text=f"<b>{inert(layer)}</b>",
            showarrow=False,
            xanchor="left",
            font={"size": 12, "color": theme.layer_colour(str(layer), dark)},
        )
        missed = group.loc[group["near_miss"], "y"]
        if missed.empty or len(missed) == len(group):
            continue
        y = float(missed.min()) - 0.5
        fig.add_shape(type="line", x0=0, x1=1, xref="paper", y0=y, y1=y, line={"color": muted, "width": 1, "dash": "dash"})
        fig.add_annotation(
            x=1, y=y, xref="paper", text="the cut", showarrow=False, xanchor="right", yanchor="bottom", font={"size": 11, "color": muted}
        )
