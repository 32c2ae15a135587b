"""Moves of memories between places (not yet remembered, the layers, forgotten) in a period: one ribbon per kind of move."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from ui import theme
from ui.charts.base import inert, nothing

ROW = 44  # pixels per place
ENDS = {"forgotten": "✕"}


def flows(frame: pd.DataFrame, *, layers: Sequence[str], dark: bool) -> go.Figure:
    """A ribbon per row, as wide as its moves: left where the memories were, right where they went.

    Columns: kind, source, target, moves, memories. ``layers`` are all layers, quick to slow; other places are begin and end.
    """
    if frame.empty:
        return nothing("No memory was born, moved or forgotten in this period", dark=dark)
    colours = theme.palette(dark)
    sources = _ordered(frame["source"], layers)
    targets = _ordered(frame["target"], layers)
    left = {name: at for at, name in enumerate(sources)}
    right = {name: at + len(sources) for at, name in enumerate(targets)}
    places = [*sources, *targets]
    inflow, outflow = frame.groupby("target")["moves"].sum(), frame.groupby("source")["moves"].sum()
    totals = [int(outflow[name]) for name in sources] + [int(inflow[name]) for name in targets]
    glyphs = [theme.LAYER_GLYPHS.get(name, "◌") if name in layers else ENDS.get(name, "○") for name in places]
    ribbons = frame.to_dict("records")
    fig = go.Figure(
        go.Sankey(
            arrangement="snap",
            node={
                "label": [f"{glyph} {inert(name, longest=30)} {total:,}" for glyph, name, total in zip(glyphs, places, totals)],
                "color": [theme.layer_colour(name, dark) if name in layers else colours.none for name in places],
                "thickness": 14,
                "pad": 22,
                "line": {"width": 0},
                "hovertemplate": "%{label}<extra></extra>",
            },
            link={
                "source": [left[row["source"]] for row in ribbons],
                "target": [right[row["target"]] for row in ribbons],
                "value": [int(row["moves"]) for row in ribbons],
                "color": [_ribbon(row, layers, dark) for row in ribbons],
                "customdata": [[inert(row["kind"]), f"{int(row['moves']):,}", f"{int(row['memories']):,}"] for row in ribbons],
                "hovertemplate": "%{customdata[0]}: %{customdata[1]} moves of %{customdata[2]} memories<extra></extra>",
            },
            textfont={"color": colours.text, "size": 13},
        )
    )
    theme.style(fig, dark, height=70 + ROW * max(len(sources), len(targets)))
    fig.update_layout(margin={"l": 8, "r": 8, "t": 12, "b": 12})
    return fig


def _ordered(found: pd.Series, layers: Sequence[str]) -> list[str]:
    known = set(found)
    return [*(name for name in layers if name in known), *sorted(known - set(layers))]


def _ribbon(row: dict, layers: Sequence[str], dark: bool) -> str:
    """A ribbon has the colour of the layer it leads into, of the one it leaves where it leads out of memory."""
    place = row["target"] if row["target"] in layers else row["source"]
    return theme.fade(theme.layer_colour(place, dark) if place in layers else theme.palette(dark).none, 0.45)
