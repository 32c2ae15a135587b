"""Days: every decision of a run in one table; a click opens the day as a trace, from what was seen to what was learnt."""

import streamlit as st

from services import queries
from ui import day_links, day_table, day_trace, page, pickers, run_view

page.start("Days", __file__)
day_links.arrived()


def listing(view: queries.RunView, ticker: str) -> None:
    """The run as a strip, and the table of days with its filters."""
    above = st.container()  # the strip marks what passes the filters, which stand below it
    kept, total = day_table.filtered(view, ticker)
    with above:
        day_table.strip(view, ticker, None if len(kept) == total else kept)
    if kept.empty:
        page.empty("No day passes these filters", "Take a filter away, or search for another word.")
        day_links.here("Show all days", icon="→", run=view.id, ticker=ticker)
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        said = st.empty()
        columns, by, rising = day_table.columns_and_order(kept)
    order = (
        "newest first"
        if (by, rising) == ("day", False)
        else f"by {day_table.COLUMNS[by].label.lower()}, {'smallest' if rising else 'largest'} first"
    )
    shown = day_table.ordered(kept, by, rising)
    first = day_table.sent(len(shown))
    cut = f", the first {first}" if first < len(shown) else ""
    said.caption(f"{len(kept)} of {total} sessions, {order}{cut}. Tick a row, or click a mark above, to open its day.")
    day_table.table(view, ticker, shown.head(first), columns)


def one_day(view: queries.RunView, ticker: str) -> None:
    """The trace of the day in the URL."""
    marks = day_trace.marks(view, ticker)
    day = pickers.day(list(marks), marks={str(session): word for session, word in marks.items()})
    if day is not None:
        day_trace.show(view, queries.record(view.id, ticker, day))


with run_view.told():
    view, ticker = run_view.chosen()
    run_view.strip(view, slim=True)
    if pickers.read("day"):
        one_day(view, ticker)
    else:
        listing(view, ticker)
