"""Overview: was this run better than holding, by which rules, and where to look next."""

import streamlit as st

from services import queries
from ui import annotations, cached, draw, overview_performance, overview_worst, page, pickers, run_facts, run_view, text, url_state
from ui.charts.price import price as price_chart

page.start("Overview", __file__)


def of(view: queries.RunView) -> str:
    """Whose money the page is about, as the choice further down has it."""
    names = view.spec.tickers
    asked = pickers.read("of")
    return asked if asked in names else queries.TOTAL if len(names) > 1 else names[0]


def market(view: queries.RunView, ticker: str) -> None:
    """The ticker's prices with every fill; a click on a day leads to its trace."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.subheader(f"{text.label(ticker)}: prices and trades", anchor=False, width="content")
        span = url_state.choice("span", queries.spans(view.id, ticker), label="Window")
    bars, fills, orders = queries.trades_in(view.id, ticker, span)
    fig = price_chart(bars, fills, dark=draw.dark(), red_up=draw.red_up(), orders=orders)
    day = draw.clickable(fig, key=f"price_{ticker}_{span}", alt=f"Prices of {ticker} with the fills of the run")
    st.caption("Click a candle or a marker to open that day: what the agent saw, remembered, was asked and answered.")
    if day:
        page.go("days", run=view.id, ticker=ticker, day=day)


def next_steps(view: queries.RunView, ticker: str) -> None:
    """Where to look: the day that cost most against holding, all days, the memory."""
    with st.container(horizontal=True, gap="medium"):
        if worst := queries.worst_day(view.id):
            page.link("days", f"Worst day against holding – {worst[0]} {worst[1]}", icon="→", run=view.id, ticker=worst[0], day=worst[1])
            page.link("overview", "Post-mortem of that day", icon="→", run=view.id, ticker=ticker, worst=f"day-{worst[0]}-{worst[1]}")
        page.link("days", "All days", icon="→", run=view.id, ticker=ticker)
        page.link("memory", "The memory", icon="→", run=view.id, ticker=ticker)


def evidence(view: queries.RunView, ticker: str) -> None:
    """Rules, run card, memory, what was known when, and warnings; only the open tab is drawn."""
    found = [*view.model_notes, *view.provenance.get("issues", [])]
    rules, card, memory, known, warnings = st.tabs(
        ["Rules of this run", "Run card", "Memory and switches", "What was known when", f"Warnings and data issues ({len(found)})"],
        on_change="rerun",
        key="evidence",
    )
    if rules.open:
        with rules:
            run_facts.rules(view.spec)
    if card.open:
        with card:
            run_facts.run_card(view)
    if memory.open:
        with memory:
            run_facts.memory_rules(view.spec)
    if known.open:
        with known:
            run_facts.known_when(view)
    if warnings.open:
        with warnings:
            run_facts.issues(found, cached.days(view, ticker))


with run_view.told():
    view, ticker = run_view.chosen()
    run_view.strip(view)
    annotations.panel(view)
    next_steps(view, ticker)
    overview_worst.section(view, of(view))
    whose = overview_performance.money(view)
    market(view, ticker)
    st.subheader("Key figures", anchor=False)
    overview_performance.metrics(view, whose)
    evidence(view, ticker)
