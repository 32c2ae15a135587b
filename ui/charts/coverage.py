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
    names = {f"{inert(ticker, longest=12)} {table}": (ticker, table) for ticker in tickers for table in dict.fromkeys(shown["table"])}
    hues = {"bars": colours.benchmark, "news": colours.agent, "filings": colours.series[3]}
    monthly = _monthly(shown)
    rows = {name: shown[(shown["ticker"] == ticker) & (shown["table"] == table)] for name, (ticker, table) in names.items()}
    days = list(dict.fromkeys(shown["period"]))
    hole = [None] * len(days)
    fig = go.Figure()
    for table in dict.fromkeys(shown["table"]):
        hue = hues.get(table, colours.agent)
        mine = {name: rows[name] for name, (_, other) in names.items() if other == table}
        fig.add_heatmap(
            x=[str(day.replace(day=15) if monthly else day) for day in days],  # a cell lies around its middle
            y=list(range(len(names))),  # numbers, and every row in every heatmap: plotly.js cannot share named or sparse rows
            z=[_shares(mine[name]) if name in mine else hole for name in names],
            customdata=[list(zip(rows[name]["label"], map(int, rows[name]["count"]), strict=True)) for name in names],
            zmin=0,
            zmax=1,
            xgap=1,
            ygap=4,
            colorscale=[[0, theme.fade(hue, 0.22)], [1, hue]],
            showscale=False,
            hovertemplate="%{customdata[0]}: %{customdata[1]} " + table + "<extra></extra>",
        )
    theme.style(fig, dark, height=len(names) * ROW_HEIGHT + 60)
    fig.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=list(names),
        range=[len(names) - 0.5, -1.2],
        showgrid=False,
        zeroline=False,
        ticksuffix="  ",
    )
    fig.update_xaxes(type="date", showgrid=False, tickformat="%Y-%m" if monthly else "%Y-%m-%d", nticks=12 if monthly else 7)
    fig.update_layout(margin_t=4)
    mark_days(fig, marks, dark=dark)
    return fig


def _shares(rows: pd.DataFrame) -> list[float | None]:
    return [_share(count, full) for count, full in zip(rows["count"], rows["full"], strict=True)]


def _share(count: int, full: int) -> float | None:
    """How full a cell is, 0..1; None (drawn as a hole) where there is nothing at all."""
    return None if not count else min(1.0, count / full) if full else 1.0


def _monthly(frame: pd.DataFrame) -> bool:
    return bool(len(frame)) and len(str(frame["label"].iloc[0])) == 7
