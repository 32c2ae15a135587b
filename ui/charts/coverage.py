"""What the data hold, period by period: a strip per ticker and table, so that a hole is seen before a run is started.

Kinds of emptiness look different, because they mean different things: a pale cell is a period in which nothing happened (the source
looked), a hatched one is a period that nobody can speak for. A session without a price is a blank: prices do not fail to happen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ui import theme
from ui.charts.base import inert, mark_days, nothing

ROW_HEIGHT = 24  # pixels of one strip
MOST_TICKERS = 8
THIN = 0.22  # opacity of the thinnest cell with something in it
NO_SOURCE, MISSING = "no source", "missing"

# state -> what the cell means, in the order of the legend
MEANING = {
    "full": "everything there",
    "part": "some of it",
    "none": "nothing happened: the source looked",
    MISSING: "a session without a price",
    NO_SOURCE: "no source: nobody can say",
}


def coverage(frame: pd.DataFrame, *, dark: bool, marks: Sequence[tuple[str, str]] = (), pick: bool = False) -> go.Figure:
    """Columns ticker, table, period (its first day), label, count, full and, if known, state (see ``MEANING``).

    Dark cells are full, pale ones thin. Without ``state`` an empty period is a gap, since nobody said what it means. Shows the first
    ``MOST_TICKERS`` tickers. ``marks`` are (day, word) lines; ``pick`` lays points over the cells whose customdata are (day, ticker, table).
    """
    if frame.empty:
        return nothing("No ticker is chosen yet", dark=dark, height=120)
    colours = theme.palette(dark)
    tickers = list(dict.fromkeys(frame["ticker"]))[:MOST_TICKERS]
    shown = frame[frame["ticker"].isin(tickers)]
    names = {f"{inert(ticker, longest=12)} {table}": (ticker, table) for ticker in tickers for table in dict.fromkeys(shown["table"])}
    monthly = _monthly(shown)
    rows = {name: shown[(shown["ticker"] == ticker) & (shown["table"] == table)] for name, (ticker, table) in names.items()}
    days = list(dict.fromkeys(shown["period"]))
    hole = [None] * len(days)
    fig = go.Figure()
    if "state" in shown:
        _empty_cells(fig, rows, [str(day) for day in _middles(days, monthly)], colours.grid)
    for table in dict.fromkeys(shown["table"]):
        hue = hues(dark).get(table, colours.agent)
        mine = {name: rows[name] for name, (_, other) in names.items() if other == table}
        fig.add_heatmap(
            x=[str(day) for day in _middles(days, monthly)],  # a cell lies around its middle
            y=list(range(len(names))),  # numbers, and every row in every heatmap: plotly.js cannot share named or sparse rows
            z=[_shares(mine[name]) if name in mine else hole for name in names],
            customdata=[list(zip(rows[name]["label"], map(int, rows[name]["count"]), strict=True)) for name in names],
            zmin=0,
            zmax=1,
            xgap=1,
            ygap=4,
            colorscale=[[0, theme.fade(hue, THIN)], [1, hue]],
            showscale=False,
            hovertemplate="%{customdata[0]}: %{customdata[1]} " + table + "<extra></extra>",
        )
    if "state" in shown:
        _no_source(fig, rows, names, monthly, colours.none)
    if pick:
        _points(fig, rows, names, monthly)
    theme.style(fig, dark, height=len(names) * ROW_HEIGHT + 60, widest=max(names, key=len))
    fig.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=list(names),
        range=[len(names) - 0.5, -1.2],
        showgrid=False,
        zeroline=False,
        ticksuffix="  ",
    )
    fig.update_xaxes(type="date", showgrid=False, tickformat="%Y-%m" if monthly else "%Y-%m-%d", nticks=12 if monthly else 7)
    fig.update_layout(margin_t=4, margin_b=28, showlegend=False, barmode="overlay", dragmode=False if pick else "zoom")
    mark_days(fig, marks, dark=dark)
    return fig


def hues(dark: bool) -> dict[str, str]:
    """The colour of each table."""
    colours = theme.palette(dark)
    return {"bars": colours.benchmark, "news": colours.agent, "filings": colours.series[3]}


def swatch(state: str, *, dark: bool) -> str:
    """A small SVG of a cell in this state, for a legend beside ``MEANING``."""
    colours = theme.palette(dark)
    fill = {"full": colours.agent, "part": theme.fade(colours.agent, 0.4), "none": colours.grid, MISSING: "none"}.get(state, "url(#h)")
    hatch = (
        f'<pattern id="h" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="5" height="5" fill="{theme.fade(colours.none, 0.12)}"/><rect width="1.4" height="5" fill="{colours.none}"/></pattern>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 22 14" width="22" height="14"><defs>{hatch}</defs>'
        f'<rect x="0.5" y="0.5" width="21" height="13" rx="2" fill="{fill}" stroke="{colours.grid}"/></svg>'
    )


def _empty_cells(fig: go.Figure, rows: dict[str, pd.DataFrame], days: list[str], colour: str) -> None:
    """One pale cell for each period in which nothing happened."""
    z = [[0.0 if state == "none" else None for state in rows[name]["state"]] for name in rows]
    fig.add_heatmap(
        x=days,
        y=list(range(len(rows))),
        z=z,
        customdata=[list(zip(rows[name]["label"], rows[name]["table"], strict=True)) for name in rows],
        zmin=0,
        zmax=1,
        xgap=1,
        ygap=4,
        colorscale=[[0, colour], [1, colour]],
        showscale=False,
        hovertemplate="%{customdata[0]}: no %{customdata[1]}, the source looked<extra></extra>",
    )


def _no_source(fig: go.Figure, rows: dict[str, pd.DataFrame], names: dict[str, tuple[str, str]], monthly: bool, colour: str) -> None:
    """One hatched bar for each stretch of periods that nobody can speak for."""
    found: list[dict[str, Any]] = []
    for place, name in enumerate(rows):
        found += [{"y": place, "table": names[name][1], **stretch} for stretch in _stretches(rows[name], monthly)]
    if not found:
        return
    fig.add_bar(
        orientation="h",
        x=[item["width"] for item in found],
        base=[str(item["start"]) for item in found],
        y=[item["y"] for item in found],
        width=0.8,
        marker={
            "color": theme.fade(colour, 0.12),
            "line": {"width": 0},
            "pattern": {"shape": "/", "fgcolor": theme.fade(colour, 0.75), "size": 6, "solidity": 0.18},
        },
        customdata=[[item["words"], item["table"]] for item in found],
        hovertemplate="%{customdata[0]}: no source for %{customdata[1]}, nobody can say<extra></extra>",
        showlegend=False,
    )


def _stretches(rows: pd.DataFrame, monthly: bool) -> Iterator[dict[str, Any]]:
    """Start (a time), width (ms) and words of each unbroken row of periods without a source."""
    days, states, labels = list(rows["period"]), list(rows["state"]), list(rows["label"])
    edges = _edges(_middles(days, monthly))
    at = 0
    while at < len(days):
        end = at
        while end < len(days) and states[end] == NO_SOURCE:
            end += 1
        if end > at:
            low, high = edges[at], edges[end]
            words = labels[at] if end == at + 1 else f"{labels[at]} to {labels[end - 1]}"
            yield {"start": low, "width": (high - low) / pd.Timedelta(milliseconds=1), "words": words}
        at = max(end, at + 1)


def _edges(middles: list[date]) -> list[pd.Timestamp]:
    """Where the cells around ``middles`` begin and end, as plotly draws a heatmap: half way to the neighbours."""
    stamps = [pd.Timestamp(day) for day in middles]
    if len(stamps) == 1:
        return [stamps[0] - pd.Timedelta(hours=12), stamps[0] + pd.Timedelta(hours=12)]
    inner = [left + (right - left) / 2 for left, right in itertools.pairwise(stamps)]
    return [stamps[0] - (inner[0] - stamps[0]), *inner, stamps[-1] + (stamps[-1] - inner[-1])]


def _points(fig: go.Figure, rows: dict[str, pd.DataFrame], names: dict[str, tuple[str, str]], monthly: bool) -> None:
    """An invisible point on every cell: what a click hits."""
    frames = [(place, name, rows[name]) for place, name in enumerate(rows)]
    fig.add_scatter(
        mode="markers",
        x=[str(day) for _, _, frame in frames for day in _middles(list(frame["period"]), monthly)],
        y=[place for place, _, frame in frames for _ in range(len(frame))],
        marker={"size": 15, "opacity": 0, "maxdisplayed": 1},  # a click asks the data, not the drawing
        customdata=[[str(day), *names[name]] for _, name, frame in frames for day in frame["period"]],
        text=[_said(row) for _, _, frame in frames for row in frame.to_dict("records")],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _said(row: dict[str, Any]) -> str:
    state, where = row.get("state"), inert(f"{row['ticker']} {row['label']}")
    if state == NO_SOURCE:
        return f"{where}: no source for {row['table']}, nobody can say"
    if state == MISSING:
        return f"{where}: no price, though there was a session"
    if not row["count"]:
        return f"{where}: no {row['table']}" + (", the source looked" if state else "")
    return f"{where}: {int(row['count'])} {row['table']}"


def _middles(days: Sequence[date], monthly: bool) -> list[date]:
    """Where a period's cell has its middle."""
    return [day + timedelta(days=14) if monthly else day for day in days]


def _shares(rows: pd.DataFrame) -> list[float | None]:
    return [_share(count, full) for count, full in zip(rows["count"], rows["full"], strict=True)]


def _share(count: int, full: int) -> float | None:
    """How full a cell is, 0..1; None (drawn as a hole) where there is nothing at all."""
    return None if not count else min(1.0, count / full) if full else 1.0


def _monthly(frame: pd.DataFrame) -> bool:
    return bool(len(frame)) and len(str(frame["label"].iloc[0])) == 7
