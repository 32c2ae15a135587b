"""Days: every decision of a run in one table; a click opens the day as a trace, from what was seen to what was learnt."""

import streamlit as st

from services import queries
from ui import cached, day_table, day_trace, page, pickers, run_view, url_state

page.start("Days", __file__)


def listing(view: queries.RunView, ticker: str) -> None:
    """The table of days with its filters."""
    days = cached.days(view, ticker)
    kept = day_table.filtered(view, days)
    if kept.empty:
        page.empty(
            "No day passes these filters",
            "Take a filter away, or search for another word.",
            ("days", "Show all days"),
            run=view.id,
            ticker=ticker,
        )
        return
    st.caption(f"{len(kept)} of {len(days)} sessions, newest first. Tick a row to open its day.")
    day_table.table(kept)


def one_day(view: queries.RunView, ticker: str) -> None:
    """The trace of the day in the URL."""
    days = cached.days(view, ticker)
    page.link("days", "All days", icon="↩", run=view.id, ticker=ticker, **url_state.kept("act", "by", "asked", "find"))
    day = pickers.day(list(days["day"]), marks=day_trace.marks(days))
    if day is not None:
        day_trace.show(view, queries.record(view.id, ticker, day))


with run_view.told():
    view, ticker = run_view.chosen()
    run_view.strip(view, slim=True)
    if pickers.read("day"):
        one_day(view, ticker)
    else:
        listing(view, ticker)
