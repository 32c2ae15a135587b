"""Round trips and what they say about the trader: the profit of each, time held, exposure, what prices had done before buys and sells."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from ui import theme
from ui.charts.base import inert, iso, nothing
from ui.charts.equity import TICKS

HEIGHT = 300
HOLDING = ((0, 0), (1, 1), (2, 3), (4, 5), (6, 10), (11, 20), (21, 60), (61, None))  # sessions; wider as they get rarer
WON, LOST, OPEN = "made money", "lost money", "still open"


def profits(trips: pd.DataFrame, *, dark: bool, red_up: bool = False, several: bool = False) -> go.Figure:
    """One bar per trip in order of entry, its profit in money; a click gives the trip as ``TICKER/number``.

    Columns: ticker, number, opened, closed, profit, gain (a fraction), sessions. Open trips are hollow.
    """
    if trips.empty:
        return nothing("No round trip yet", dark=dark, height=HEIGHT)
    up, down = theme.rising_falling(dark, red_up=red_up)
    fig = go.Figure()
    rows = trips.reset_index(drop=True)
    for name, chosen in _outcomes(rows):
        part = rows[chosen]
        if part.empty:
            continue
        colours = [up if value >= 0 else down for value in part["profit"]]
        labels = [f"{ticker}/{number}" for ticker, number in zip(part["ticker"], part["number"])]
        fig.add_bar(
            x=[position + 1 for position in part.index],
            y=part["profit"],
            name=name,
            marker={"color": "rgba(0,0,0,0)" if name == OPEN else colours, "line": {"color": colours, "width": 1.5 if name == OPEN else 0}},
            unselected={"marker": {"opacity": 1}},
            customdata=[
                [label, inert(label.replace("/", " trip ")), opened, closed, gain, held]
                for label, opened, closed, gain, held in zip(labels, iso(part["opened"]), _ends(part), part["gain"], part["sessions"])
            ],
            hovertemplate="<b>%{customdata[1]}</b><br>%{customdata[2]} to %{customdata[3]}, %{customdata[5]} sessions"
            "<br>%{y:+,.0f}  (%{customdata[4]:+.1%} of what was put in)<extra></extra>",
        )
    theme.style(fig, dark, height=HEIGHT, widest=f"{rows['profit'].abs().max():+,.0f}")
    fig.update_layout(hovermode="closest", bargap=0.25)
    fig.update_xaxes(
        title_text="round trips of all tickers, in order of entry" if several else "round trips in order of entry", tickformat="d"
    )
    fig.update_yaxes(title_text="profit, money", tickformat="+,.0f", zeroline=True, zerolinecolor=theme.palette(dark).muted)
    return fig


def _outcomes(rows: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    ended = rows["closed"].notna()
    return [(WON, ended & (rows["profit"] >= 0)), (LOST, ended & (rows["profit"] < 0)), (OPEN, ~ended)]


def _ends(rows: pd.DataFrame) -> list[str]:
    return [str(day)[:10] if pd.notna(day) else "open" for day in rows["closed"]]


def holding(trips: pd.DataFrame, *, dark: bool, red_up: bool = False) -> go.Figure:
    """How long closed trips lasted, in sessions: winning ones plain, losing ones hatched, stacked. Columns: sessions, profit, closed."""
    closed = trips[trips["closed"].notna()]
    if closed.empty:
        return nothing("No trip has ended yet", dark=dark, height=HEIGHT)
    up, down = theme.rising_falling(dark, red_up=red_up)
    names = [_range(low, high) for low, high in HOLDING]
    fig = go.Figure()
    for name, part, colour, shape in (
        (WON, closed[closed["profit"] >= 0], up, ""),
        (LOST, closed[closed["profit"] < 0], down, "/"),
    ):
        counts = [
            int(((part["sessions"] >= low) & (part["sessions"] <= (high if high is not None else 10**9))).sum()) for low, high in HOLDING
        ]
        fig.add_bar(
            x=names,
            y=counts,
            name=name,
            marker={"color": colour, "pattern": {"shape": shape, "bgcolor": colour, "fgcolor": theme.palette(dark).page, "solidity": 0.2}},
            hovertemplate="%{x} sessions: %{y} trips " + name + "<extra></extra>",
        )
    theme.style(fig, dark, height=HEIGHT)
    fig.update_layout(barmode="stack", bargap=0.15)
    fig.update_xaxes(title_text="sessions from entry to exit", type="category", categoryorder="array", categoryarray=names)
    fig.update_yaxes(title_text="closed trips", tickformat="d", rangemode="tozero", nticks=6)
    return fig


def _range(low: int, high: int | None) -> str:
    return f"{low}+" if high is None else str(low) if low == high else f"{low}–{high}"


def exposure(frame: pd.DataFrame, *, dark: bool) -> go.Figure:
    """Share of equity in the market (shorts below zero) and in cash, against the benchmark that is always wholly invested.

    Columns: day, weight, cash (fractions of equity at the close). A click gives the day.
    """
    if frame.empty:
        return nothing("No test session yet", dark=dark, height=HEIGHT)
    colours, days = theme.palette(dark), iso(frame["day"])
    fig = go.Figure()
    mode = "lines" if len(frame) > 1 else "markers"
    fig.add_scatter(
        x=days,
        y=frame["weight"],
        name="in the market",
        mode=mode,
        line={"color": colours.agent, "width": 2, "shape": "hv"},
        fill="tozeroy",
        fillcolor=theme.fade(colours.agent, 0.18),
        hovertemplate="%{y:.1%}",
    )
    fig.add_scatter(
        x=days,
        y=frame["cash"],
        name="cash",
        mode=mode,
        line={"color": colours.hold, "width": 1.2, "dash": "dot", "shape": "hv"},
        hovertemplate="%{y:.1%}",
    )
    fig.add_scatter(
        x=[days[0], days[-1]],
        y=[1, 1],
        name="buy and hold",
        mode=mode,
        line={"color": colours.benchmark, "width": 1.8, "dash": "dash"},
        hovertemplate="%{y:.0%}",
    )
    theme.style(fig, dark, height=HEIGHT)
    fig.update_layout(hovermode="x unified")
    fig.update_xaxes(hoverformat="%Y-%m-%d", tickformatstops=TICKS)
    fig.update_yaxes(title_text="share of equity at the close", tickformat=".0%")
    return fig


def before(rises: pd.DataFrame, *, dark: bool, red_up: bool = False, lookback: int = 5) -> go.Figure:
    """What the price had done before each buy and each sell: one point per filled order, the mean as a bar; a click gives the day.

    Columns: ticker, decided, side (+1, -1), rise (a fraction).
    """
    if rises.empty:
        return nothing("No filled order has enough sessions before it", dark=dark, height=HEIGHT)
    colours = theme.palette(dark)
    fig = go.Figure()
    for action, side, level in (("buy", 1, 1.0), ("sell", -1, 0.0)):
        part = rises[rises["side"] == side]
        if part.empty:
            continue
        spread = [level + 0.22 * (((7 * position) % 11) / 5 - 1) for position in range(len(part))]  # side by side, not on top of each other
        fig.add_scatter(
            x=part["rise"],
            y=spread,
            mode="markers",
            name=f"{theme.GLYPHS[action]} {action}",
            marker={
                "symbol": "triangle-up" if side > 0 else "triangle-down",
                "size": 9,
                "opacity": 0.75,
                "color": theme.action_colour(action, dark, red_up=red_up),
            },
            unselected={"marker": {"opacity": 0.75}},
            customdata=[[day, inert(ticker)] for day, ticker in zip(iso(part["decided"]), part["ticker"])],
            hovertemplate="%{customdata[1]}, decided %{customdata[0]}: %{x:+.1%} before<extra></extra>",
        )
        mean = float(part["rise"].mean())
        fig.add_scatter(
            x=[mean, mean],
            y=[level - 0.36, level + 0.36],
            mode="lines",
            name=f"mean of {len(part)} {action}s",
            line={"color": colours.text, "width": 3},
            showlegend=False,
            hovertemplate=f"mean of {len(part)} {action}s: %{{x:+.2%}}<extra></extra>",
        )
    theme.style(fig, dark, height=260)
    fig.update_layout(hovermode="closest")
    fig.update_xaxes(
        title_text=f"price change over the {lookback} sessions before the decision",
        tickformat="+.0%",
        zeroline=True,
        zerolinewidth=2,
        zerolinecolor=colours.muted,
    )
    fig.update_yaxes(tickvals=[1, 0], ticktext=["buys", "sells"], range=[-0.5, 1.5], showgrid=False, zeroline=False)
    return fig


def gaps(days: pd.DataFrame, *, dark: bool, red_up: bool = False) -> go.Figure:
    """Money gained or lost against the benchmark, session by session; a click gives the day. Columns: ticker, day, money_gap, gap."""
    if days.empty:
        return nothing("There is no session to compare yet", dark=dark, height=HEIGHT)
    up, down = theme.rising_falling(dark, red_up=red_up)
    rows = days.sort_values("day")
    fig = go.Figure(
        go.Bar(
            x=iso(rows["day"]),
            y=rows["money_gap"],
            marker={"color": [up if value >= 0 else down for value in rows["money_gap"]], "line": {"width": 0}},
            unselected={"marker": {"opacity": 1}},
            customdata=[[day, inert(ticker), gap] for day, ticker, gap in zip(iso(rows["day"]), rows["ticker"], rows["gap"])],
            hovertemplate="%{customdata[1]} %{customdata[0]}: %{y:+,.0f} against buy and hold (%{customdata[2]:+.2%})<extra></extra>",
        )
    )
    theme.style(fig, dark, height=HEIGHT, widest=f"{rows['money_gap'].abs().max():+,.0f}")
    fig.update_layout(hovermode="closest", barmode="relative", bargap=0.1, showlegend=False)
    fig.update_xaxes(hoverformat="%Y-%m-%d", tickformatstops=TICKS)
    fig.update_yaxes(title_text="money against buy and hold", tickformat="+,.0f", zeroline=True, zerolinecolor=theme.palette(dark).muted)
    return fig
