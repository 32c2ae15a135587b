"""The lists of the Trades page: round trips that add up to the run's P&L, the orders, the best and worst days.

A view draws only itself. A click on a bar, a candle or a row leads on: to the trip, to the day.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from services.queries import TOTAL, RunView
from ui import draw, format, page, text, theme, trades_cached, url_state
from ui.charts.price import price as price_chart
from ui.charts.trades import gaps as gaps_chart
from ui.charts.trades import profits as profits_chart
from ui.run_view import TILE

HEIGHT = 480
SIDES = {1: "▲ long", -1: "▼ short"}
CAUSES = {"order": "order", "stop_loss": "stop loss", "take_profit": "take profit", "open": "still open"}
STATUS = {"filled": "✓ filled", "rejected": "✗ rejected", "cancelled": "⊘ cancelled", "pending": "◷ waits", "held back": "■ held back"}
KINDS = ("all", "not filled", "changed")
EXTREMES = 6  # of each kind: one screen


# ----------------------------------------------------------------------------------------------------------------- the account


def account(view: RunView, whose: str) -> None:
    """How the trips add up: realised, unrealised and dividends are the whole change of equity."""
    found, trips = trades_cached.account(view, whose), trades_cached.trips(view, whose)
    closed = trips[trips["closed"].notna()]
    won = int((closed["profit"] > 0).sum())
    tiles = [
        ("Realised", money(found.realised), "Money: P&L of what was sold, by average cost, all fees included."),
        ("Unrealised", money(found.unrealised), "Money: what is still held at the last close, over its cost with fees."),
    ]
    if found.dividends:
        tiles.append(("Dividends", money(found.dividends), "Money: cash paid on what was held on the ex date; a short pays it."))
    tiles += [
        (
            "Profit",
            money(found.change),
            "Money: realised, unrealised and dividends; exactly the change of equity since the start.",
        ),
        ("Costs", format.money(found.costs), "Money: commission and slippage of all fills. They are in the profit already."),
    ]
    with st.container(horizontal=True, gap="small"):
        st.metric(
            "Round trips",
            f"{len(trips)}",
            f"{won} of {len(closed)} won",
            delta_color="off",
            delta_arrow="off",
            help="From flat to flat; an open position is a trip without an end. Won: closed with a profit, after costs and with dividends.",
            width=TILE,
        )
        for label, value, help_ in tiles:
            st.metric(label, value, help=help_, width=TILE)
    if abs(found.missing) > 0.01:
        text.plain(
            f"⚠ The trips do not explain {format.money(found.missing, digits=2, sign=True)} of the change of equity: the record has a gap."
        )


def money(value: float) -> str:
    """A gain or loss with its sign; nothing at all has none."""
    return format.money(value, sign=abs(value) >= 0.5)


# ------------------------------------------------------------------------------------------------------------------- the market


def market(view: RunView, ticker: str) -> None:
    """Candles with fills, trips, orders that wait or were not filled; a click leads to the day."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.subheader(f"{text.label(ticker)}: prices and trades", anchor=False, width="content")
        span = url_state.choice("span", trades_cached.spans(view, ticker), label="Window")
    bars, fills, orders = trades_cached.market(view, ticker, span)
    wishes = trades_cached.orders(view, ticker)
    refused = wishes[wishes["status"].isin(("rejected", "cancelled"))].rename(columns={"decided": "day"})
    tinted = trades_cached.trips(view, ticker)

    def made() -> theme.Figure:
        return price_chart(bars, fills, dark=draw.dark(), red_up=draw.red_up(), orders=orders, trips=tinted, refused=refused)

    fig = draw.kept(view, made, "prices and trades", ticker, span)
    day = draw.clickable(fig, key=f"trades_price_{ticker}_{span}", alt=f"Prices of {ticker} with the fills and round trips of the run")
    st.caption(
        "Click a candle or a marker to open that day. Tinted: in the market; the line at the foot is solid where the trip made money."
    )
    if day:
        page.go("days", run=view.id, ticker=ticker, day=day)


# ----------------------------------------------------------------------------------------------------------------- round trips


def trips(view: RunView, whose: str) -> None:
    """Profit of each trip as bars, then the list; a click on either opens the trip."""
    found = trades_cached.trips(view, whose)
    if found.empty:
        nothing(view, whose)
        return
    extremes(view, found)
    several = whose == TOTAL
    label = _clicked_trip(
        draw.kept(view, lambda: draw_bars(found, several=several), "trip bars", whose),
        key=f"trip_bars_{whose}",
        alt="Profit of each round trip in order of entry",
    )
    if label:
        name, _, number = label.rpartition("/")
        page.go("trades", run=view.id, ticker=name, trip=number)
    st.caption(f"{len(found)} round trips, newest first. Tick a row, or click a bar, to read why it was opened and closed.")
    table(found.iloc[::-1].reset_index(drop=True), run=view.id, several=several)


def draw_bars(found: pd.DataFrame, *, several: bool) -> theme.Figure:
    return profits_chart(found, dark=draw.dark(), red_up=draw.red_up(), several=several)


def _clicked_trip(fig: theme.Figure, *, key: str, alt: str) -> str | None:
    event: Any = st.plotly_chart(fig, theme=None, key=key, alt=alt, config=draw.CONFIG, on_select="rerun", selection_mode="points")
    points = event["selection"]["points"] if event and "selection" in event else []
    data = points[0].get("customdata") if points else None
    values = list(data.values()) if isinstance(data, dict) else data
    return str(values[0]) if values else None


def extremes(view: RunView, found: pd.DataFrame) -> None:
    """Links to the worst and the best trip, and to the one that gave back most."""
    worst, best = found.loc[found["profit"].idxmin()], found.loc[found["profit"].idxmax()]
    fell = found.loc[found["worst"].idxmin()]
    with st.container(horizontal=True, gap="medium"):
        for word, row, value in (
            ("Worst trip", worst, format.money(worst["profit"], sign=True)),
            ("Best trip", best, format.money(best["profit"], sign=True)),
            ("Deepest under water", fell, format.percent(fell["worst"], sign=True)),
        ):
            name = f"{word} – {row['ticker']} {row['number']}, {value}"
            page.link("trades", name, icon="→", run=view.id, ticker=row["ticker"], trip=row["number"])


def table(found: pd.DataFrame, *, run: str, several: bool) -> None:
    """One row per trip; a tick opens it."""

    def picked() -> None:
        rows = st.session_state["trips_table"]["selection"]["rows"]
        if rows:
            row = found.iloc[rows[0]]
            st.session_state["_open_trip"] = (str(row["ticker"]), int(row["number"]))

    st.dataframe(
        _shown(found),
        key="trips_table",
        on_select=picked,
        selection_mode="single-row",
        hide_index=True,
        height=min(HEIGHT, 38 + 35 * len(found)),
        alt="One row per round trip: when, at what price, how long, what it earned and why it ended",
        placeholder="–",
        column_config=_columns(),
        column_order=[name for name in _columns() if several or name != "ticker"],
    )
    if chosen := st.session_state.pop("_open_trip", None):
        page.go("trades", run=run, ticker=chosen[0], trip=chosen[1])


def _shown(found: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "number": found["number"],
            "ticker": [text.clean(name, longest=20) for name in found["ticker"]],
            "side": [SIDES[side] for side in found["side"]],
            "profit": found["profit"],
            "gain": 100 * found["gain"],
            "benchmark": 100 * found["benchmark"].astype(float),
            "opened": [str(day) for day in found["opened"]],
            "closed": ["still open" if day is None else str(day) for day in found["closed"]],
            "sessions": found["sessions"],
            "entry": found["entry"],
            "exit": found["exit"].astype(float),
            "shares": found["shares"],
            "worst": 100 * found["worst"],
            "best": 100 * found["best"],
            "realised": found["realised"],
            "unrealised": found["unrealised"],
            "dividends": found["dividends"],
            "costs": found["costs"],
            "contribution": 100 * found["contribution"],
            "cause": [CAUSES.get(cause, cause) for cause in found["cause"]],
            "fills": found["fills"],
        }
    )


def _columns() -> dict[str, Any]:
    number, words = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "number": number("No", format="%d", width=50, pinned=True, help="Counts the trips of this ticker in order of entry."),
        "ticker": words("Ticker", width=80, pinned=True),
        "side": words("Side", width=70),
        "profit": number("Profit", format="%+,.0f", width=80, help="Money: realised + unrealised + dividends, after costs."),
        "gain": number("Return", format="%+.1f %%", width=75, help="Profit over the money put in (shares bought times entry price)."),
        "benchmark": number(
            "Buy and hold",
            format="%+.1f %%",
            width=95,
            help="Return of buy and hold from the last close before the entry to the last close before the exit (a stop: to that day's close).",
        ),
        "opened": words("Entry", width=90, help="Session of the first fill."),
        "closed": words("Exit", width=90, help="Session of the fill that ended it."),
        "sessions": number("Held", width=55, help="Sessions from entry to exit; 0 is within one session."),
        "entry": number("At", format="%,.2f", width=75, help="Average price paid (short: received), on the share basis of the trip's end."),
        "exit": number("Out at", format="%,.2f", width=75, help="Average price of what was sold (short: bought back) so far."),
        "shares": number("Shares", format="%,.2f", width=80, help="Bought (short: sold) in all, on the share basis of the trip's end."),
        "worst": number(
            "MAE",
            format="%+.1f %%",
            width=70,
            help="Maximum adverse excursion: the furthest that highs and lows went against the average entry price while it was held.",
        ),
        "best": number("MFE", format="%+.1f %%", width=70, help="Maximum favourable excursion: the furthest they went for it."),
        "realised": number("Realised", format="%+,.0f", width=80, help="Money: P&L of what was sold, fees included."),
        "unrealised": number(
            "Unrealised", format="%+,.0f", width=85, help="Money: what is held at the last close over its cost with fees."
        ),
        "dividends": number("Dividends", format="%+,.2f", width=80, help="Money: cash paid on what was held on the ex date."),
        "costs": number("Costs", format="%,.2f", width=70, help="Money: commission and slippage; already in the profit."),
        "contribution": number(
            "Of the run", format="%+.2f %%", width=85, help="Profit over the capital of the whole run; adds up to its return."
        ),
        "cause": words("Ended by", width=90, help="An order of the agent, its stop loss, its take profit, or nothing yet."),
        "fills": number("Fills", width=50),
    }


def nothing(view: RunView, ticker: str) -> None:
    """A run that never traded is a finding, and its reason lies in its days."""
    wishes = trades_cached.orders(view, ticker)
    said = (
        f"{len(wishes)} wishes to trade were there, none was filled: the orders say why."
        if len(wishes)
        else "Not one order was placed: every decision was a hold, or there was no decision. The days say which, and why."
    )
    page.empty("Nothing was traded", said, ("days", "To the days"), run=view.id, ticker=None if ticker == TOTAL else ticker)


# ------------------------------------------------------------------------------------------------------------------ the orders


def orders(view: RunView, whose: str) -> None:
    """Every wish to trade with what the limits and the broker made of it; a tick opens the day of the decision."""
    found = trades_cached.orders(view, whose)
    if found.empty:
        page.empty(
            "No order was placed",
            "A buy or sell decision places an order for the next open. Every decision here was a hold, or there was none.",
            ("days", "To the days"),
            run=view.id,
        )
        return
    kind = url_state.choice("kind", KINDS, label="Which orders")
    kept = found
    if kind == "not filled":
        kept = found[found["status"] != "filled"]
    elif kind == "changed":
        kept = found[found["changed"] | (found["reason"] != "")]
    counts = found["status"].value_counts()
    st.caption(
        f"{len(kept)} of {len(found)} wishes to trade: "
        + ", ".join(f"{counts[name]} {name}" for name in STATUS if name in counts)
        + f"; the limits changed {int(found['changed'].sum())}. Tick a row to open the day it was decided on."
    )
    if kept.empty:
        page.empty("No such order", "Every order of this run was filled as it was wished." if kind != "all" else "", None)
        return
    kept = kept.reset_index(drop=True)

    def picked() -> None:
        rows = st.session_state["orders_table"]["selection"]["rows"]
        if rows:
            st.session_state["_open_day"] = (str(kept.iloc[rows[0]]["ticker"]), kept.iloc[rows[0]]["decided"])

    st.dataframe(
        _order_rows(kept),
        key="orders_table",
        on_select=picked,
        selection_mode="single-row",
        hide_index=True,
        height=min(HEIGHT, 38 + 35 * len(kept)),
        alt="One row per order: what was wished, what was allowed, how it ended and why",
        placeholder="–",
        column_config=_order_columns(),
        column_order=[name for name in _order_columns() if whose == TOTAL or name != "ticker"],
    )
    if chosen := st.session_state.pop("_open_day", None):
        page.go("days", run=view.id, ticker=chosen[0], day=chosen[1])


def _order_rows(found: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "decided": [str(day) for day in found["decided"]],
            "ticker": [text.clean(name, longest=20) for name in found["ticker"]],
            "action": [f"{theme.GLYPHS[theme.verdict(action)]} {theme.verdict(action)}" for action in found["action"]],
            "wished": 100 * found["wished"].astype(float),
            "weight": 100 * found["weight"].astype(float),
            "status": [STATUS.get(status, status) for status in found["status"]],
            "ended": ["" if day is None else str(day) for day in found["ended"]],
            "reason": [text.clean(reason, longest=240) for reason in found["reason"]],
            "confidence": 100 * found["confidence"].astype(float),
        }
    )


def _order_columns() -> dict[str, Any]:
    number, words = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "decided": words("Decided", width=95, pinned=True, help="Session of the decision; the order is for the next open."),
        "ticker": words("Ticker", width=80),
        "action": words("Decision", width=85),
        "wished": number("Wished", format="%.0f %%", width=75, help="Share of equity that the decision asked for."),
        "weight": number("Allowed", format="%.0f %%", width=75, help="Share of equity after the limits."),
        "status": words("Became", width=105, help="Held back: the limits made a hold of it before an order was placed."),
        "ended": words("Session", width=95, help="In which it was filled, rejected or cancelled."),
        "reason": words("Why, and what the broker changed", width=380),
        "confidence": number("Confidence", format="%.0f %%", width=90, help="The decision's own, 0 to 100 %."),
    }


# ------------------------------------------------------------------------------------------------------- best and worst days


def days(view: RunView, whose: str) -> None:
    """Which sessions made the difference to buy and hold, each with a way to its trace and its thread."""
    found = trades_cached.days(view, whose)
    if found.empty:
        page.empty("There is nothing to compare yet", "The second session of the test is the first with a return.", None)
        return
    day = draw.clickable(
        gaps_chart(found if whose != TOTAL else _summed(found), dark=draw.dark(), red_up=draw.red_up()),
        key=f"gaps_{whose}",
        alt="Money gained or lost against buy and hold, session by session",
    )
    if day:
        page.go("days", run=view.id, ticker=None if whose == TOTAL else whose, day=day)
    st.caption("Own change of equity minus that of buy and hold, session by session. Click a bar to open the day.")
    _listed(view, "Worst days against buy and hold", found.head(EXTREMES), "worst")
    _listed(view, "Best days against buy and hold", found.iloc[::-1].head(EXTREMES), "best")


def _summed(found: pd.DataFrame) -> pd.DataFrame:
    """All tickers of a session together; the gap is then of the summed money and not shown as a return."""
    rows = found.groupby("day", as_index=False)["money_gap"].sum()
    return rows.assign(ticker="all tickers", gap=float("nan"))


def _listed(view: RunView, heading: str, rows: pd.DataFrame, key: str) -> None:
    st.subheader(
        heading,
        anchor=False,
        help="By the session's return minus that of buy and hold, in percentage points; beside it the same in money, and the weight that "
        "was carried into the session.",
    )
    with st.container(border=True, gap="xsmall", key=f"days_{key}"):
        for row in rows.to_dict("records"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                where = {"run": view.id, "ticker": row["ticker"], "day": row["day"]}
                page.link("days", f"{row['ticker']} {row['day']}", icon="→", **where)
                page.link("thread", "Thread", icon="→", **where)
                text.plain(
                    f"{format.points(row['gap'])}   {format.money(row['money_gap'], sign=True)} against buy and hold   "
                    f"(own {format.percent(row['gain'], sign=True)}, benchmark {format.percent(row['benchmark_gain'], sign=True)}, "
                    f"weight {format.percent(row['weight'], digits=0)})",
                    width="content",
                )
