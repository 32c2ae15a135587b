"""What the data hold, period by period: a strip per ticker and table, so that a hole is seen before a run is started."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from ui import theme
from ui.charts.base import inert, mark_days, nothing

ROW_HEIGHT = 24  # pixels of one strip
MOST_TICKERS = 8


def coverage(frame: pd.DataFrame, *, dark: bool, marks: Sequence[tuple[str, str]] = ()) -> go.Figure:
    """Columns ticker, table, period (its first day), label, count, full. Dark cells are full, pale ones thin, hatched-out ones empty.

    Shows the first ``MOST_TICKERS`` tickers. ``marks`` are (day, word) lines.
    """
    if frame.empty:
        return nothing("No ticker is chosen yet", dark=dark, height=120)
    colours = theme.palette(dark)
    tickers = list(dict.fromkeys(frame["ticker"]))[:MOST_TICKERS]
    shown = frame[frame["ticker"].isin(tickers)]
    names = [f"{inert(ticker, longest=12)} {table}" for ticker in tickers for table in dict.fromkeys(shown["table"])]
    hues = {"bars": colours.benchmark, "news": colours.agent, "filings": colours.series[3]}
    fig = go.Figure()
    for table in dict.fromkeys(shown["table"]):
        rows = shown[shown["table"] == table]
        hue = hues.get(table, colours.agent)
        fig.add_heatmap(
            x=[str(day) for day in rows["period"]],
            y=[f"{inert(ticker, longest=12)} {table}" for ticker in rows["ticker"]],
            z=[_share(count, full) for count, full in zip(rows["count"], rows["full"], strict=True)],
            customdata=list(zip(rows["label"], rows["count"], strict=True)),
            zmin=0,
            zmax=1,
            xgap=1,
            ygap=4,
            colorscale=[[0, theme.fade(hue, 0.22)], [1, hue]],
            showscale=False,
            hovertemplate="%{customdata[0]}: %{customdata[1]} " + table + "<extra></extra>",
        )
    theme.style(fig, dark, height=len(names) * ROW_HEIGHT + 70)
    fig.update_yaxes(categoryorder="array", categoryarray=names[::-1], showgrid=False, ticksuffix="  ")
    fig.update_xaxes(type="date", showgrid=False, tickformat="%Y-%m" if _monthly(shown) else "%Y-%m-%d", nticks=12)
    fig.update_layout(margin_t=24)
    mark_days(fig, marks, dark=dark)
    return fig


def _share(count: int, full: int) -> float | None:
    """How full a cell is, 0..1; None (drawn as a hole) where there is nothing at all."""
    return None if not count else min(1.0, count / full) if full else 1.0


def _monthly(frame: pd.DataFrame) -> bool:
    return bool(len(frame)) and len(str(frame["label"].iloc[0])) == 7
