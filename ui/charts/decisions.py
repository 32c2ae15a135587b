"""The whole run as one strip: what was earned against the benchmark, the fall from the peak, and every decision to click on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ui import theme
from ui.charts.base import inert, iso, mark_days, nothing
from ui.charts.equity import TICKS

HEIGHT = 230
SYMBOLS = {"hold": "square", "buy": "triangle-up", "sell": "triangle-down", "no decision": "circle-open"}  # trades are drawn last, on top
MOST_HOLDS = 120  # squares drawn in a row: more cannot be told apart, and every one costs the browser; all of them can be clicked
SIZES = {"hold": 4, "buy": 9, "sell": 9, "no decision": 7}


def strip(
    frame: pd.DataFrame,
    days: pd.DataFrame,
    *,
    dark: bool,
    red_up: bool = False,
    kept: Collection[date] | None = None,
    marks: Sequence[tuple[str, str]] = (),
) -> go.Figure:
    """Return since the first test close and drawdown, both fractions; a mark per decision, whose click gives its day.

    ``frame``: day, equity, benchmark, drawdown (as ``services.queries.equity``). ``days``: day, phase, action, confidence.
    ``kept``: only these days get a mark, as the filters above the table leave them; None marks all.
    """
    if frame.empty:
        return nothing("No test day yet: decisions appear here as soon as there are some", dark=dark, height=120)
    colours = theme.palette(dark)
    x, mine = np.array(iso(frame["day"])), _gain(frame["equity"])
    fig = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.05)
    for name, values, colour, dash in (
        ("buy and hold", _gain(frame["benchmark"]), colours.benchmark, "dash"),
        ("agent", mine, colours.agent, "solid"),
    ):
        line = {"color": colour, "width": 1.6, "dash": dash}
        fig.add_scatter(x=x, y=values, name=name, mode="lines", line=line, hoverinfo="skip", row=1, col=1)
    for trace in _decisions(frame, mine, days, kept, dark, red_up):
        fig.add_trace(trace, row=1, col=1)
    fig.add_scatter(
        x=x,
        y=-frame["drawdown"].abs(),
        name="drawdown",
        mode="lines",
        line={"color": colours.agent, "width": 1},
        fill="tozeroy",
        fillcolor=theme.fade(colours.agent, 0.18),
        showlegend=False,
        hovertemplate="%{x}: %{y:.1%} below its peak<extra></extra>",
        row=2,
        col=1,
    )
    theme.style(fig, dark, height=HEIGHT)
    fig.update_layout(hovermode="closest", margin={"t": 30, "b": 28}, legend={"traceorder": "normal", "font": {"size": 12}})
    fig.update_xaxes(type="date", hoverformat="%Y-%m-%d", tickformatstops=TICKS)
    fig.update_yaxes(title_text="return", tickformat=".0%", nticks=5, row=1, col=1)
    fig.update_yaxes(title_text="below peak", tickformat=".0%", rangemode="tozero", nticks=3, row=2, col=1)
    mark_days(fig, marks, dark=dark)
    return fig


def _gain(money: pd.Series) -> pd.Series:
    known = money.dropna()
    return money / known.iloc[0] - 1 if len(known) and known.iloc[0] > 0 else money * float("nan")


def _sure(confidence: float) -> str:
    return "" if pd.isna(confidence) else f", confidence {confidence:.0%}"


def _muted(word: str) -> dict[str, float]:
    """Holds stand back, and of very many only some are drawn; trades and days without a decision are drawn one and all."""
    return {"opacity": 0.55, "maxdisplayed": MOST_HOLDS} if word == "hold" else {"opacity": 1}


def _decisions(
    frame: pd.DataFrame, gain: pd.Series, days: pd.DataFrame, kept: Collection[date] | None, dark: bool, red_up: bool
) -> list[go.Scatter]:
    """One trace per kind of decision, on the agent's line."""
    heights = dict(zip(frame["day"], gain, strict=True))
    chosen = days[(days["phase"] == "test") & days["day"].isin(set(heights) if kept is None else set(heights) & set(kept))]
    words = [theme.verdict(action if isinstance(action, str) else None) for action in chosen["action"]]
    traces = []
    for word, symbol in SYMBOLS.items():
        rows = chosen[[found == word for found in words]]
        if rows.empty:
            continue
        colour = theme.action_colour(word if word in ("buy", "hold", "sell") else None, dark, red_up=red_up)
        traces.append(
            go.Scatter(
                x=np.array(iso(rows["day"])),
                y=np.array([heights[day] for day in rows["day"]], dtype=float),
                customdata=np.array(iso(rows["day"]), dtype=object),
                text=np.array([_sure(value) for value in rows["confidence"]], dtype=object),
                name=inert(f"{theme.GLYPHS[word]} {word}"),
                mode="markers",
                marker={"symbol": symbol, "size": SIZES[word], "color": colour, **_muted(word)},
                hovertemplate="%{customdata}: " + word + "%{text}<br>%{y:+.1%} since the start<extra></extra>",
            )
        )
    return traces
