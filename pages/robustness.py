"""Robustness: is it skill or luck, and would it have held with another seed, another first day, higher costs or a day's delay?"""

import streamlit as st

from services import queries
from ui import cached, judged_card, page, robustness, run_view, url_state

page.start("Robustness", __file__)

PARTS = {
    "luck": ("Luck", robustness.by_lot),
    "seeds": ("Seeds", robustness.over_seeds),
    "start": ("First day", robustness.start_days),
    "terms": ("Costs and delay", robustness.terms),
    "judged": ("Regimes and confidence", judged_card.section),
}


def part(view: queries.RunView, ticker: str) -> None:
    """One part at a time, chosen by ``show=``; only that one is computed."""
    if cached.equity(view, ticker).empty:
        page.empty(
            f"{ticker} has not been traded yet",
            f"Only training is recorded: there is no result whose sturdiness could be asked. The test window begins on {view.spec.test.start}.",
            ("days", "To the days of training"),
            run=view.id,
            ticker=ticker,
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        show = url_state.choice("show", tuple(PARTS), label="Part", shown={key: name for key, (name, _) in PARTS.items()})
        whose = robustness.whose(view)
    PARTS[show][1](view, whose)


with run_view.told():
    view, ticker = run_view.chosen()
    run_view.strip(view, slim=True)
    part(view, ticker)
