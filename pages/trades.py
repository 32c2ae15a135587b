"""Trades: every round trip with why it was opened and closed, the orders, and how the agent behaves with money."""

import streamlit as st

from services import queries
from ui import cached, page, run_view, trades, trades_behaviour, trades_trip, url_state

page.start("Trades", __file__)

VIEWS = {
    "trips": "Round trips",
    "orders": "Orders",
    "exposure": "Exposure",
    "behaviour": "Behaviour",
    "days": "Best and worst days",
}


def chosen_view(view: queries.RunView, ticker: str) -> tuple[str, str]:
    """What is shown, and of which ticker or of all; both in the URL."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        show = url_state.choice("show", tuple(VIEWS), label="View", shown=VIEWS)
        names = (ticker, queries.TOTAL)
        whose = url_state.choice("of", names, label="Of", shown={queries.TOTAL: "all tickers"}) if len(view.spec.tickers) > 1 else ticker
    return show, whose


def lists(view: queries.RunView, ticker: str) -> None:
    """The page without a trip: the account, then one of the views. Only the chosen one is read and drawn."""
    if cached.equity(view, ticker).empty:
        page.empty(
            f"{ticker} has not been traded yet",
            f"Only training is recorded: a trader that learns places no orders. The test window begins on {view.spec.test.start}.",
            ("days", "To the days of training"),
            run=view.id,
            ticker=ticker,
        )
        return
    show, whose = chosen_view(view, ticker)
    trades.account(view, whose)
    if show == "trips":
        if whose == ticker:
            trades.market(view, ticker)
        trades.trips(view, whose)
    elif show == "orders":
        trades.orders(view, whose)
    elif show == "exposure":
        trades_behaviour.exposure(view, whose)
    elif show == "behaviour":
        trades_behaviour.habits(view, whose)
    else:
        trades.days(view, whose)


with run_view.told():
    view, ticker = run_view.chosen()
    run_view.strip(view, slim=True)
    number = trades_trip.asked(view, ticker)
    if number is None:
        lists(view, ticker)
    else:
        trades_trip.show(view, ticker, number)
