"""What all charts share: inert names, the look of "nothing here", ISO days."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from ui import theme

_MARKUP = re.compile(r"[<>$\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def inert(text: object, *, longest: int = 80) -> str:
    """A name for a legend, axis or tooltip: plotly reads a little HTML and, where MathJax is present, formulas. Neither survives."""
    body = " ".join(_MARKUP.sub(" ", str(text)).replace("%{", "% {").split())
    return body if len(body) <= longest else f"{body[: longest - 1].rstrip()}…"


def iso(days: pd.Series) -> list[str]:
    """Days as 2025-03-31, which plotly takes as dates and a click gives back unchanged."""
    return [str(day)[:10] for day in days]


def nothing(sentence: str, *, dark: bool, height: int = 220) -> go.Figure:
    """A figure that says why it is empty."""
    fig = theme.style(go.Figure(), dark, height=height)
    fig.update_xaxes(visible=False)
    fig.update_yaxes(visible=False)
    colour = theme.palette(dark).muted
    fig.add_annotation(
        text=inert(sentence, longest=200), x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 14, "color": colour}
    )
    return fig


def mark_days(fig: go.Figure, marks: Sequence[tuple[str, str]], *, dark: bool) -> None:
    """Vertical dotted lines with a word each: start of the test, a model's knowledge cutoff."""
    colours = theme.palette(dark)
    for day, label in marks:
        fig.add_shape(
            type="line",
            x0=str(day)[:10],
            x1=str(day)[:10],
            y0=0,
            y1=1,
            xref="x",
            yref="paper",
            line={"color": colours.muted, "width": 1, "dash": "dot"},
        )
        fig.add_annotation(
            x=str(day)[:10],
            y=1,
            xref="x",
            yref="paper",
            text=inert(label),
            showarrow=False,
            xanchor="left",
            yanchor="top",
            font={"size": 11, "color": colours.muted},
        )
