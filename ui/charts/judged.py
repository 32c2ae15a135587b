"""A judged run drawn: what it did in bull, flat and bear sessions, and whether its confidence came true."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from agent.evaluation.calibration import Calibration
from agent.evaluation.regimes import REGIMES, Behaviour, Regime
from ui import theme
from ui.charts.base import nothing

NAMES: Mapping[str, str] = {"bull": "▲ bull", "flat": "■ flat", "bear": "▼ bear"}
POINT = 10_000  # basis points in one


def regimes(found: Mapping[Regime, Behaviour], *, dark: bool) -> go.Figure:
    """Left how much of the equity was in the market, right what a day brought; hatched where there are too few sessions to say."""
    shown = [name for name in REGIMES if found[name].sessions]
    if not shown:
        return nothing("No session has enough history before it to be bull, bear or flat", dark=dark)
    colours = theme.palette(dark)
    labels = [f"{NAMES[name]}<br>n = {found[name].sessions}{'' if found[name].enough else ', few'}" for name in shown]
    pattern = {"shape": ["" if found[name].enough else "/" for name in shown], "solidity": 0.35}
    fig = make_subplots(
        cols=2, horizontal_spacing=0.11, subplot_titles=("Share of equity in the market", "Mean daily return, basis points")
    )
    mine = {"color": colours.agent, "pattern": pattern}
    fig.add_bar(
        x=labels,
        y=[found[name].exposure for name in shown],
        name="run",
        marker=mine,
        hovertemplate="run: %{y:.1%} in the market<extra></extra>",
        row=1,
        col=1,
    )
    line = {"color": colours.benchmark, "width": 1.8, "dash": "dash"}
    fig.add_scatter(
        x=labels,
        y=[1.0] * len(labels),
        mode="lines+markers",
        name="buy and hold",
        line=line,
        marker={"color": colours.benchmark, "size": 6},
        hovertemplate="buy and hold: wholly invested<extra></extra>",
        showlegend=False,
        row=1,
        col=1,
    )
    for name, pick, marker in (("run", "agent", mine), ("buy and hold", "hold", {"color": colours.benchmark, "pattern": pattern})):
        values = [getattr(found[regime], pick) for regime in shown]
        fig.add_bar(
            x=labels,
            y=[None if value is None else POINT * value for value in values],
            name=name,
            marker=marker,
            showlegend=name != "run",
            hovertemplate=f"{name}: %{{y:+.1f}} bp a day<extra></extra>",
            row=1,
            col=2,
        )
    theme.style(fig, dark, height=320)
    fig.update_layout(barmode="group", bargap=0.35, margin={"t": 64}, legend={"y": 1.12})
    fig.update_annotations(font={"size": 12, "color": colours.muted})
    fig.update_yaxes(tickformat=".0%", rangemode="tozero", row=1, col=1)
    fig.update_yaxes(zeroline=True, zerolinecolor=colours.muted, row=1, col=2)
    return fig


def reliability(found: Calibration, *, dark: bool) -> go.Figure:
    """Confidence across, share that was right up, with 95 % intervals; on the dashed line confidence means what it says. Hollow: too few."""
    if not found.bins:
        return nothing("No decision with a confidence has been judged yet", dark=dark)
    colours = theme.palette(dark)
    fig = go.Figure()
    fig.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        name="confidence comes true",
        line={"color": colours.benchmark, "width": 1.6, "dash": "dash"},
        hoverinfo="skip",
    )
    for name, chosen, symbol in (
        ("share right, 95 % interval", [one for one in found.bins if one.enough], "circle"),
        ("the same, of fewer than 10 decisions", [one for one in found.bins if not one.enough], "circle-open"),
    ):
        if not chosen:
            continue
        fig.add_scatter(
            x=[one.confidence for one in chosen],
            y=[one.share for one in chosen],
            mode="markers",
            name=name,
            marker={
                "color": colours.agent,
                "symbol": symbol,
                "size": [min(26.0, 8 + one.n**0.5) for one in chosen],
                "line": {"width": 2, "color": colours.agent},
            },
            error_y={
                "array": [one.interval.high - one.share for one in chosen],
                "arrayminus": [one.share - one.interval.low for one in chosen],
                "color": theme.fade(colours.agent, 0.6),
                "thickness": 1.5,
                "width": 4,
            },
            customdata=[[one.right, one.n, one.low, one.high] for one in chosen],
            hovertemplate="confidence %{customdata[2]:.0%} to %{customdata[3]:.0%}, mean %{x:.1%}<br>"
            "%{customdata[0]} of %{customdata[1]} right: %{y:.0%}<extra></extra>",
        )
    theme.style(fig, dark, height=340)
    fig.update_layout(hovermode="closest")
    fig.update_xaxes(title_text="confidence the trader gave", tickformat=".0%", range=[0, 1.02])
    fig.update_yaxes(title_text="share that was right", tickformat=".0%", range=[-0.02, 1.04])
    return fig
