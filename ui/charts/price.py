"""Prices as traded, with what the agent did: candles for a year or less, a line beyond (candles there cost more than they show)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from ui import theme
from ui.charts.base import inert, iso, mark_days, nothing
from ui.charts.equity import TICKS

MOST_CANDLES = 260  # measured: 1,260 candles with markers draw four times slower than 260


def price(
    bars: pd.DataFrame,
    fills: pd.DataFrame | None = None,
    *,
    dark: bool,
    orders: pd.DataFrame | None = None,
    red_up: bool = False,
    marks: Sequence[tuple[str, str]] = (),
    selected: str | None = None,
    currency: str = "",
    trips: pd.DataFrame | None = None,
    refused: pd.DataFrame | None = None,
) -> go.Figure:
    """Candles or a line, fills as triangles, waiting orders as open diamonds; a click anywhere on a day gives that day.

    ``bars``: day, open, high, low, close. ``fills``: day, shares (signed), price, commission. ``orders``: day, weight (share of equity).
    ``trips``: opened, closed (None while open), profit: the time of each is shaded along the bottom. ``refused``: day, status, reason of
    orders that were rejected or cancelled. ``selected`` is a day to point at. Prices are as traded, so a split shows as a step.
    """
    bars = bars.dropna(subset=["close"]) if len(bars) else bars
    if bars.empty:
        return nothing("No prices in this window", dark=dark, height=420)
    fills = _inside(fills, bars)
    fig = go.Figure()
    candles = len(bars) <= MOST_CANDLES
    _candles(fig, bars, dark, red_up) if candles else _line(fig, bars, dark)
    if trips is not None and len(trips):
        _trips(fig, trips, bars, dark, red_up)
    if refused is not None and len(refused):
        _refused(fig, refused, bars, dark)
    if orders is not None and len(orders):
        _orders(fig, orders, bars, dark)
    if fills is not None and len(fills):
        _fills(fig, fills, bars, dark, red_up, aside=candles)
    _overlay(fig, bars)
    theme.style(fig, dark, height=420, widest=f"{bars['high'].max():,.2f}")
    fig.update_layout(hovermode="closest", xaxis_rangeslider_visible=False)
    fig.update_xaxes(type="date", hoverformat="%Y-%m-%d", tickformatstops=TICKS)
    if candles and not any(pd.Timestamp(day).day_of_week >= 5 for day in bars["day"]):
        fig.update_xaxes(rangebreaks=[{"bounds": ["sat", "mon"]}])
    fig.update_yaxes(title_text=f"price, as traded{', ' + inert(currency) if currency else ''}", tickformat=",.2f")
    if selected:
        mark_days(fig, [(selected, str(selected)[:10])], dark=dark)
    mark_days(fig, marks, dark=dark)
    return fig


def _inside(fills: pd.DataFrame | None, bars: pd.DataFrame) -> pd.DataFrame | None:
    """The fills of the window shown; others would stretch the axes."""
    if fills is None or fills.empty:
        return None
    days = pd.Series(iso(fills["day"]), index=fills.index)
    shown = iso(bars["day"])
    return fills[days.between(min(shown), max(shown))]


def _candles(fig: go.Figure, bars: pd.DataFrame, dark: bool, red_up: bool) -> None:
    up, down = theme.rising_falling(dark, red_up=red_up)
    fig.add_candlestick(
        x=iso(bars["day"]),
        open=bars["open"],
        high=bars["high"],
        low=bars["low"],
        close=bars["close"],
        name="price",
        showlegend=False,
        hoverinfo="skip",
        increasing={"line": {"color": up, "width": 1}, "fillcolor": theme.fade(up, 0.25)},  # hollow rising, full falling: not colour alone
        decreasing={"line": {"color": down, "width": 1}, "fillcolor": down},
    )


def _line(fig: go.Figure, bars: pd.DataFrame, dark: bool) -> None:
    colour = theme.palette(dark).text
    fig.add_scatter(
        x=iso(bars["day"]),
        y=bars["close"],
        name="close",
        showlegend=False,
        mode="lines",
        line={"color": colour, "width": 1.3},
        hoverinfo="skip",
    )


def _fills(fig: go.Figure, fills: pd.DataFrame, bars: pd.DataFrame, dark: bool, red_up: bool, *, aside: bool) -> None:
    page = theme.palette(dark).page
    span = float(bars["high"].max() - bars["low"].min()) or float(bars["close"].iloc[0]) * 0.02
    lows, highs = dict(zip(iso(bars["day"]), bars["low"])), dict(zip(iso(bars["day"]), bars["high"]))
    for action, side in (("buy", fills[fills["shares"] > 0]), ("sell", fills[fills["shares"] < 0])):
        if side.empty:
            continue
        days = iso(side["day"])
        edge, push = (lows, -0.03 * span) if action == "buy" else (highs, 0.03 * span)
        beside = [edge[day] + push if aside and day in edge else paid for day, paid in zip(days, side["price"])]
        rows = zip(days, side["shares"].abs(), side["price"], side["commission"])
        fig.add_scatter(
            x=days,
            y=beside,
            mode="markers",
            name="bought" if action == "buy" else "sold",
            marker={
                "symbol": "triangle-up" if action == "buy" else "triangle-down",
                "size": 12,
                "color": theme.action_colour(action, dark, red_up=red_up),
                "line": {"color": page, "width": 1.2},
            },
            unselected={"marker": {"opacity": 1}},
            customdata=[list(row) for row in rows],
            hovertemplate="%{customdata[0]}<br>"
            + ("bought" if action == "buy" else "sold")
            + " %{customdata[1]:,.4~f} at %{customdata[2]:,.2f}<br>commission %{customdata[3]:,.2f}<extra></extra>",
        )


def _orders(fig: go.Figure, orders: pd.DataFrame, bars: pd.DataFrame, dark: bool) -> None:
    colours = theme.palette(dark)
    closes = dict(zip(iso(bars["day"]), bars["close"]))
    rows = [(day, weight) for day, weight in zip(iso(orders["day"]), orders["weight"]) if day in closes]
    fig.add_scatter(
        x=[day for day, _ in rows],
        y=[closes[day] for day, _ in rows],
        mode="markers",
        name="order waiting",
        marker={"symbol": "diamond-open", "size": 13, "color": colours.text, "line": {"color": colours.text, "width": 2}},
        unselected={"marker": {"opacity": 1}},
        customdata=[list(row) for row in rows],
        hovertemplate="%{customdata[0]}<br>waiting: target %{customdata[1]:.0%} of equity at the next open<extra></extra>",
    )


def _trips(fig: go.Figure, trips: pd.DataFrame, bars: pd.DataFrame, dark: bool, red_up: bool) -> None:
    """The time of each trip as a tinted strip and a bar at its foot: full where it made money, hatched by dashes where it lost."""
    up, down = theme.rising_falling(dark, red_up=red_up)
    shown = iso(bars["day"])
    spans: dict[bool, list[tuple[str, str]]] = {True: [], False: []}
    for opened, closed, profit in zip(trips["opened"], trips["closed"], trips["profit"]):
        start, end = str(opened)[:10], str(closed)[:10] if pd.notna(closed) else shown[-1]
        if end >= shown[0] and start <= shown[-1]:
            spans[profit >= 0].append((max(start, shown[0]), min(end, shown[-1])))
    shapes: list[dict[str, object]] = []  # one path for all trips of a kind: a browser draws four shapes in the time of four, not of fifty
    for won, parts in spans.items():
        if not parts:
            continue
        colour, place = up if won else down, {"type": "path", "xref": "x", "yref": "paper"}
        strips = " ".join(f"M {start},0 L {start},1 L {end},1 L {end},0 Z" for start, end in parts)
        feet = " ".join(f"M {start},0 L {end},0" for start, end in parts)
        line = {"color": colour, "width": 5, "dash": "solid" if won else "dot"}
        shapes += [
            {**place, "path": strips, "fillcolor": theme.fade(colour, 0.07), "line": {"width": 0}, "layer": "below"},
            {**place, "path": feet, "line": line},
        ]
    fig.update_layout(shapes=[*fig.layout.shapes, *shapes])


def _refused(fig: go.Figure, refused: pd.DataFrame, bars: pd.DataFrame, dark: bool) -> None:
    colours = theme.palette(dark)
    closes = dict(zip(iso(bars["day"]), bars["close"]))
    rows = [
        (day, inert(status), inert(reason, longest=120))
        for day, status, reason in zip(iso(refused["day"]), refused["status"], refused["reason"])
        if day in closes
    ]
    if not rows:
        return
    fig.add_scatter(
        x=[row[0] for row in rows],
        y=[closes[row[0]] for row in rows],
        mode="markers",
        name="order not filled",
        marker={"symbol": "x-thin", "size": 10, "color": colours.text, "line": {"color": colours.text, "width": 2}},
        unselected={"marker": {"opacity": 1}},
        customdata=[list(row) for row in rows],
        hovertemplate="%{customdata[0]}<br>%{customdata[1]}: %{customdata[2]}<extra></extra>",
    )


def _overlay(fig: go.Figure, bars: pd.DataFrame) -> None:
    """An invisible point on every day: easy to hit, and the tooltip of the bar."""
    days = iso(bars["day"])
    change = bars["close"].pct_change().fillna(0.0)
    fig.add_scatter(
        x=days,
        y=bars["close"],
        mode="markers",
        name="day",
        showlegend=False,
        marker={"size": 14, "opacity": 0, "maxdisplayed": 1},  # a click asks the data, not the drawing: what cannot be seen is not drawn
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        customdata=[list(row) for row in zip(days, bars["open"], bars["high"], bars["low"], bars["close"], change)],
        hovertemplate="<b>%{customdata[0]}</b><br>open %{customdata[1]:,.2f}<br>high %{customdata[2]:,.2f}<br>low %{customdata[3]:,.2f}"
        "<br>close %{customdata[4]:,.2f}  (%{customdata[5]:+.1%})<extra></extra>",
    )
