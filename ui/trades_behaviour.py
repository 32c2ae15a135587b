"""How the agent trades: exposure against the benchmark, and habits in figures that say what they rest on."""

from __future__ import annotations

import streamlit as st

from agent.evaluation.behaviour import ENOUGH, LOOKBACK, Reading, leaning
from services.queries import RunView
from services.trading import TRAITS
from ui import draw, format, page, text, trades_cached
from ui.charts.trades import before as before_chart
from ui.charts.trades import exposure as exposure_chart
from ui.charts.trades import holding as holding_chart

TILE = 176  # pixels; tiles with two kinds of cases are wider, their numbers must be readable
GROUPS = {
    "Activity": (
        "turnover_annual",
        "turnover_two_sided",
        "time_in_market",
        "exposure_mean",
        "cash_mean",
        "changed_orders",
        "refused_orders",
    ),
    "Trips": ("hit_rate", "gain_of_winners", "loss_of_losers", "payoff", "sessions_median", "sessions_winners", "sessions_losers"),
    "Chasing or fading": ("chasing", "risen_buys", "risen_sells", "risen_sessions", "rise_before_buys", "rise_before_sells"),
    "After a loss": ("size_after_loss", "size_after_win", "reaction"),
}
SIGNED = ("chasing", "rise_before_buys", "rise_before_sells", "gain_of_winners", "loss_of_losers", "reaction")
UNITS = {"fraction": "share", "ratio": "ratio", "sessions": "sessions"}
SAID = {
    "chasing": "It chases: it buys what has risen and sells what has fallen.",
    "fading": "It fades: it buys what has fallen and sells what has risen.",
    "neither": "It neither chases nor fades: buys and sells follow rises about equally often.",
    "n too small": f"n too small to call it chasing or fading: it takes {ENOUGH} buys and {ENOUGH} sells.",
}


def exposure(view: RunView, whose: str) -> None:
    """Share of equity in the market and in cash, day by day."""
    frame = trades_cached.exposure(view, whose)
    fig = draw.kept(view, lambda: exposure_chart(frame, dark=draw.dark()), "exposure", whose)
    day = draw.clickable(fig, key=f"exposure_{whose}", alt="Share of equity in the market and in cash against buy and hold")
    st.caption("At the close. Buy and hold is wholly invested from its first fill on. Click a point to open the day.")
    if day and whose in view.spec.tickers:
        page.go("days", run=view.id, ticker=whose, day=day)
    found = trades_cached.traits(view, whose)
    _tiles(found, ("time_in_market", "exposure_mean", "cash_mean"))


def habits(view: RunView, whose: str) -> None:
    """Every behaviour figure with its definition and its n, and the two pictures behind them."""
    found = trades_cached.traits(view, whose)
    for heading, keys in GROUPS.items():
        st.subheader(heading, anchor=False)
        if heading == "Chasing or fading":
            text.plain(SAID[leaning(found)])
        _tiles(found, keys)
        if heading == "Trips":
            _holding(view, whose)
        if heading == "Chasing or fading":
            _rises(view, whose)
    st.caption(f"Below each figure stands the number of cases it rests on; “n too small” where one of them is below {ENOUGH}.")


def _holding(view: RunView, whose: str) -> None:
    trips = trades_cached.trips(view, whose)
    fig = draw.kept(view, lambda: holding_chart(trips, dark=draw.dark(), red_up=draw.red_up()), "holding", whose)
    draw.chart(fig, key=f"holding_{whose}", alt="Distribution of the sessions that closed trips were held")


def _rises(view: RunView, whose: str) -> None:
    rises = trades_cached.rises(view, whose)
    fig = draw.kept(view, lambda: before_chart(rises, dark=draw.dark(), red_up=draw.red_up(), lookback=LOOKBACK), "rises", whose)
    draw.chart(fig, key=f"rises_{whose}", alt="Price change before each buy and each sell, with the mean of both")


def _tiles(found: dict[str, Reading], keys: tuple[str, ...]) -> None:
    with st.container(horizontal=True, gap="small"):
        for key in keys:
            trait, reading = TRAITS[key], found[key]
            st.metric(
                trait.label,
                shown(key, reading),
                cases(reading),
                delta_color="off",
                delta_arrow="off",
                help=f"{trait.help} Unit: {UNITS[trait.unit]}.",
                width=TILE if len(reading.cases) == 1 else round(1.45 * TILE),
            )


def shown(key: str, reading: Reading) -> str:
    """The value as people read it: a share as percent, a difference with its sign."""
    unit = TRAITS[key].unit
    if unit == "fraction":
        return format.percent(reading.value, sign=key in SIGNED)
    return format.number(reading.value, digits=2 if unit == "ratio" else 1)


def cases(reading: Reading) -> str:
    """``n = 57 buys, 56 sells``, with a warning where that is too little."""
    listed = ", ".join(f"{count} {word}" for word, count in reading.cases.items())
    return f"n = {listed}" if reading.enough else f"n too small: {listed}"
