"""The causal thread as one picture: memories as bars in the colour of their layer, every use on them, and below what followed from each.

Time runs to the right. A thin line leads from a use that was a ground of a decision to the decision, the end of its order, the verdict
and the credit. Every mark carries ``["day", ISO day]`` or ``["mem", id]`` as its custom data: what a click on it opens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ui import theme
from ui.charts.base import inert, mark_days, nothing
from ui.charts.equity import TICKS

LANES = ("decision", "order", "verdict", "credit")
LANE, BAR = 34, 11  # pixels
FEW = 12  # credits that can stand side by side as numbers; more of them are marks
SYMBOLS = {"buy": "triangle-up", "sell": "triangle-down", "hold": "square", "no decision": "circle-open"}
VERDICTS = {1: ("✓", "right"), -1: ("✗", "wrong"), 0: ("≈", "inside the costs")}
USES = {  # use -> symbol, size, word
    "near miss": ("circle-open", 6, "near miss"),
    "shown": ("circle", 6, "shown, not named"),
    "studied": ("star-triangle-up", 11, "named by a study"),
    "cited": ("star", 13, "cited"),
}
MOVES = {"promoted": ("▲", "promoted"), "demoted": ("▼", "demoted"), "forgotten": ("✕", "forgotten"), "merged": ("＋", "merged into it")}


def thread(
    stays: pd.DataFrame,
    uses: pd.DataFrame,
    events: pd.DataFrame,
    *,
    dark: bool,
    names: Mapping[int, str],
    red_up: bool = False,
    selected: str | None = None,
) -> go.Figure:
    """One lane per memory, then decisions, orders, verdicts and credit.

    ``stays``: memory_id, layer, start, end, ended. ``uses`` and ``events``: as in ``services.threads``. ``names``: what to write at each lane,
    in the order of the lanes. ``selected``: a day to mark.
    """
    if stays.empty:
        return nothing("No memory stands in this thread", dark=dark)
    at = {number: place for place, number in enumerate(names)}
    below = {name: len(at) + 0.35 + place for place, name in enumerate(LANES)}
    fig = go.Figure()
    _links(fig, uses, at, below, dark)
    _bars(fig, stays, at, dark)
    _moves(fig, events, at, dark)
    _uses(fig, uses, at, dark)
    named = uses[uses["named"]]
    _decisions(fig, named, below["decision"], dark, red_up)
    _orders(fig, named, below["order"], dark, red_up)
    _verdicts(fig, named, below["verdict"], dark)
    _credit(fig, events, below["credit"], dark)
    theme.style(fig, dark, height=92 + LANE * (len(at) + len(LANES)), names=True)
    fig.update_layout(hovermode="closest", margin={"l": 8, "t": 56, "b": 28}, dragmode="pan")
    fig.update_xaxes(type="date", hoverformat="%Y-%m-%d", tickformatstops=TICKS, range=_span(stays, uses))
    labels = [inert(name, longest=34) for name in names.values()]
    fig.update_yaxes(
        tickvals=[*at.values(), *below.values()],
        ticktext=[*labels, *LANES],
        range=[max(below.values()) + 0.6, -0.95],
        showgrid=True,
        zeroline=False,
        tickfont={"size": 12, "color": theme.palette(dark).text},
        fixedrange=True,
    )
    if selected:
        mark_days(fig, [(selected, str(selected)[:10])], dark=dark)
    return fig


def _span(stays: pd.DataFrame, uses: pd.DataFrame) -> list[str]:
    """A little room on both sides, so that the first and the last mark can be hit."""
    ends = [*stays["start"], *stays["end"], *(day for day in uses["judged_on"] if day is not None and day == day)]
    first, last = pd.Timestamp(min(ends)), pd.Timestamp(max(ends))
    room = max(pd.Timedelta(days=1), (last - first) * 0.03)
    return [str((first - room).date()), str((last + room).date())]


def _bars(fig: go.Figure, stays: pd.DataFrame, at: Mapping[int, int], dark: bool) -> None:
    shown: set[str] = set()
    for row in stays[stays["memory_id"].isin(at)].to_dict("records"):
        layer, days = str(row["layer"]), [str(row["start"]), str(row["end"])]
        fig.add_scatter(
            x=days,
            y=[at[row["memory_id"]]] * 2,
            mode="lines",
            line={"color": theme.layer_colour(layer, dark), "width": BAR},
            opacity=0.85,
            name=f"{theme.LAYER_GLYPHS.get(layer, '◌')} {inert(layer)}",
            legendgroup=layer,
            showlegend=layer not in shown,
            customdata=[["mem", row["memory_id"]]] * 2,
            hovertemplate=f"memory {row['memory_id']} in {inert(layer)}, {days[0]} to {days[1]}<extra></extra>",
        )
        shown.add(layer)


def _moves(fig: go.Figure, events: pd.DataFrame, at: Mapping[int, int], dark: bool) -> None:
    """Promotions, demotions, merges and the end, as letters above the bar."""
    colour = theme.palette(dark).text
    rows = events[events["kind"].isin(tuple(MOVES)) & events["memory_id"].isin(at)].to_dict("records")
    if not rows:
        return
    fig.add_scatter(
        x=[str(row["day"]) for row in rows],
        y=[at[row["memory_id"]] - 0.36 for row in rows],
        mode="text",
        text=[MOVES[row["kind"]][0] for row in rows],
        textfont={"color": colour, "size": 12},
        customdata=[["mem", row["memory_id"], _told(row)] for row in rows],
        hovertemplate="%{customdata[2]}<extra></extra>",
        showlegend=False,
        name="changes",
    )


def _told(row: Mapping[str, Any]) -> str:
    to = f" {inert(row['before_layer'])} → {inert(row['after_layer'])}" if row["kind"] in ("promoted", "demoted") else ""
    why = inert(row["reason"] or row["source"], longest=90)
    return f"{row['day']}: memory {row['memory_id']} {MOVES[row['kind']][1]}{to}" + (f"<br>{why}" if why else "")


def _uses(fig: go.Figure, uses: pd.DataFrame, at: Mapping[int, int], dark: bool) -> None:
    colours = theme.palette(dark)
    for use, (symbol, size, word) in USES.items():
        rows = uses[(uses["use"] == use) & uses["memory_id"].isin(at)].to_dict("records")
        if not rows:
            continue
        fig.add_scatter(
            x=[str(row["day"]) for row in rows],
            y=[at[row["memory_id"]] for row in rows],
            mode="markers",
            name=word,
            marker={
                "symbol": symbol,
                "size": size,
                "color": colours.muted if symbol.endswith("open") else colours.page if use == "shown" else colours.parts["importance"],
                "line": {"color": colours.text, "width": 1},
            },
            customdata=[["day", str(row["day"]), _use_words(row, word)] for row in rows],
            hovertemplate="%{customdata[2]}<extra></extra>",
        )


def _use_words(row: Mapping[str, Any], word: str) -> str:
    parts = f"similarity {row['similarity']:.2f} + recency {row['recency']:.2f} + importance {row['importance']:.2f}"
    side = f" {row['stance']}" if row["stance"] else ""
    ranked = f"rank {row['rank']} in {inert(row['layer'])}, score {row['score']:.2f}"
    return f"{row['day']}: memory {row['memory_id']} {word}{side}<br>{ranked}<br>{parts}"


def _links(fig: go.Figure, uses: pd.DataFrame, at: Mapping[int, int], below: Mapping[str, float], dark: bool) -> None:
    """From each use that was a ground down to what followed from it."""
    x: list[str | None] = []
    y: list[float | None] = []
    for row in uses[uses["named"] & uses["memory_id"].isin(at)].to_dict("records"):
        path = [(row["day"], float(at[row["memory_id"]])), (row["day"], below["decision"])]
        path += [(row["settled_on"], below["order"])] if row["settled_on"] is not None else []
        path += [(row["judged_on"], below["verdict"])] if row["judged_on"] is not None else []
        path += [(row["credited_on"], below["credit"])] if row["credited_on"] is not None else []
        x += [*(str(day) for day, _ in path), None]
        y += [*(place for _, place in path), None]
    if x:
        line = {"color": theme.fade(theme.palette(dark).muted, 0.55), "width": 1}
        fig.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False, name="thread")


def _decisions(fig: go.Figure, named: pd.DataFrame, y: float, dark: bool, red_up: bool) -> None:
    rows = named.drop_duplicates("day").to_dict("records")
    words = [
        "study" if row["phase"] == "train" else theme.verdict(row["action"] if isinstance(row["action"], str) else None) for row in rows
    ]
    _marks(
        fig,
        days=[row["day"] for row in rows],
        y=y,
        symbols=[SYMBOLS.get(word, "diamond-open") for word in words],
        colours=[theme.action_colour(word, dark, red_up=red_up) for word in words],
        targets=[row["day"] for row in rows],
        tips=[f"{row['day']}: {word}" for row, word in zip(rows, words)],
        dark=dark,
    )


def _orders(fig: go.Figure, named: pd.DataFrame, y: float, dark: bool, red_up: bool) -> None:
    rows = named[named["order"] != ""].drop_duplicates("day").to_dict("records")
    bought, sold = theme.action_colour("buy", dark, red_up=red_up), theme.action_colour("sell", dark, red_up=red_up)
    muted = theme.palette(dark).muted
    _marks(
        fig,
        days=[row["settled_on"] or row["day"] for row in rows],
        y=y,
        symbols=["diamond" if row["order"] == "filled" else "diamond-open" if row["order"] == "pending" else "x" for row in rows],
        colours=[muted if row["order"] != "filled" else bought if row["shares"] > 0 else sold for row in rows],
        targets=[row["day"] for row in rows],
        tips=[_order_words(row) for row in rows],
        dark=dark,
    )


def _order_words(row: Mapping[str, Any]) -> str:
    if row["order"] == "filled":
        verb = "bought" if row["shares"] > 0 else "sold"
        return f"{row['settled_on']}: {verb} {abs(row['shares']):,.4g} at {row['price']:,.2f}<br>order of {row['day']}"
    return f"order of {row['day']}: {inert(row['order'])}<br>{inert(row['order_reason'], longest=90)}"


def _verdicts(fig: go.Figure, named: pd.DataFrame, y: float, dark: bool) -> None:
    rows = [row for row in named.drop_duplicates("day").to_dict("records") if row["judged_on"] is not None]
    if not rows:
        return
    colours = theme.palette(dark)
    ink = {1: colours.up, -1: colours.down, 0: colours.muted}
    found = [VERDICTS[int(row["verdict"])] for row in rows]
    tips = [
        f"{row['judged_on']}: the {row['action']} of {row['day']} was {word}<br>price {row['move']:+.2%} in {row['sessions']:.0f} sessions"
        for row, (_, word) in zip(rows, found)
    ]
    fig.add_scatter(
        x=[str(row["judged_on"]) for row in rows],
        y=[y] * len(rows),
        mode="text",
        text=[glyph for glyph, _ in found],
        textfont={"size": 15, "color": [ink[int(row["verdict"])] for row in rows]},
        customdata=[["day", str(row["day"]), tip] for row, tip in zip(rows, tips)],
        hovertemplate="%{customdata[2]}<extra></extra>",
        showlegend=False,
        name="verdict",
    )


def _credit(fig: go.Figure, events: pd.DataFrame, y: float, dark: bool) -> None:
    """What came back on each day for each decision, summed over the memories shown."""
    credited = events[events["kind"] == "credited"]
    if credited.empty:
        return
    colours = theme.palette(dark)
    rows = credited.groupby(["day", "reason"], sort=False).agg(delta=("delta", "sum"), decided=("decided", "first")).reset_index()
    found = rows.to_dict("records")
    inks = [colours.up if row["delta"] > 0 else colours.down if row["delta"] < 0 else colours.muted for row in found]
    written = len(found) <= FEW
    fig.add_scatter(
        x=[str(row["day"]) for row in found],
        y=[y] * len(found),
        mode="text" if written else "markers",
        text=[f"{row['delta']:+.3g}" if row["delta"] else "0" for row in found],
        textfont={"size": 12, "color": inks},
        marker={
            "symbol": ["triangle-up" if row["delta"] > 0 else "triangle-down" if row["delta"] < 0 else "circle-open" for row in found],
            "size": 8,
            "color": inks,
        },
        customdata=[["day", str(row["decided"] or row["day"]), _credit_words(row)] for row in found],
        hovertemplate="%{customdata[2]}<extra></extra>",
        showlegend=False,
        name="credit",
    )


def _credit_words(row: Mapping[str, Any]) -> str:
    return f"{row['day']}: importance {row['delta']:+.1f}<br>{inert(row['reason'], longest=90)}"


def _marks(
    fig: go.Figure, *, days: list[Any], y: float, symbols: list[str], colours: list[str], targets: list[Any], tips: list[str], dark: bool
) -> None:
    if not days:
        return
    fig.add_scatter(
        x=[str(day) for day in days],
        y=[y] * len(days),
        mode="markers",
        marker={"symbol": symbols, "size": 11, "color": colours, "line": {"color": theme.palette(dark).page, "width": 1}},
        customdata=[["day", str(target), tip] for target, tip in zip(targets, tips)],
        hovertemplate="%{customdata[2]}<extra></extra>",
        showlegend=False,
        name="",
    )
