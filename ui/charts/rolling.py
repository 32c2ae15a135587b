"""Rolling figures: what the last so-many sessions said, day by day, of the run and of buy-and-hold."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ui import theme
from ui.charts.base import inert, iso, nothing
from ui.charts.equity import TICKS

ROWS = (  # column, title, number format; the benchmark's column where it has one
    ("return", "return over the window", ".0%", "+.1%"),
    ("volatility", "volatility, a year", ".0%", ".1%"),
    ("sharpe", "Sharpe, a year", ".1f", ".2f"),
    ("beta", "beta", ".1f", ".2f"),
)


def rolling(frame: pd.DataFrame, *, dark: bool, window: int, agent: str = "Agent", benchmark: str = "Buy and hold") -> go.Figure:
    """Four rows over one time axis: return, volatility, Sharpe and beta over the last ``window`` returns.

    ``frame``: day, return, volatility, sharpe, beta and ``benchmark_*`` of the first three. Days before the first full window are left out.
    """
    shown = frame.iloc[window:] if len(frame) > window else frame.iloc[:0]
    if shown.empty:
        return nothing(
            f"A window of {window} sessions needs {window + 1} sessions with an equity; there are {len(frame)}", dark=dark, height=420
        )
    colours, days = theme.palette(dark), iso(shown["day"])
    fig = make_subplots(rows=len(ROWS), cols=1, shared_xaxes=True, vertical_spacing=0.045)
    for row, (column, title, ticks, hover) in enumerate(ROWS, 1):
        for name, key, colour, dash, width in (
            (inert(benchmark), f"benchmark_{column}", colours.benchmark, "dash", 1.6),
            (inert(agent), column, colours.agent, "solid", 2.0),
        ):
            if key not in shown:
                continue
            fig.add_scatter(
                x=days,
                y=shown[key],
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                mode="lines" if len(shown) > 1 else "markers",
                line={"color": colour, "width": width, "dash": dash},
                hovertemplate=f"{title} %{{y:{hover}}}",
                row=row,
                col=1,
            )
        level = 1.0 if column == "beta" else 0.0
        if column != "volatility":
            fig.add_hline(y=level, line={"color": colours.muted, "width": 1, "dash": "dot"}, row=row, col=1)
        fig.update_yaxes(title_text=title, tickformat=ticks, nticks=5, row=row, col=1)
    theme.style(fig, dark, height=640)
    fig.update_layout(hovermode="x unified", legend_traceorder="reversed")
    fig.update_xaxes(hoverformat="%Y-%m-%d", tickformatstops=TICKS)
    return fig
