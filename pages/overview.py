"""Overview: was this run better than holding, by which rules, and where to look next."""

import streamlit as st

from services import queries
from ui import cached, draw, page, run_facts, run_view, text, url_state
from ui.charts.equity import equity as equity_chart
from ui.charts.price import price as price_chart

page.start("Overview", __file__)


def money(view: queries.RunView) -> str:
    """Equity against buy-and-hold, of all tickers or one; returns which."""
    names = [queries.TOTAL, *view.spec.tickers] if len(view.spec.tickers) > 1 else [view.spec.tickers[0]]
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.subheader("Equity and drawdown against buy and hold", anchor=False, width="content")
        whose = url_state.choice("of", names, label="Whose equity", shown={queries.TOTAL: "all tickers"}) if len(names) > 1 else names[0]
    frame = cached.equity(view, whose)
    draw.chart(equity_chart(frame, dark=draw.dark()), key="equity", alt="Equity and drawdown of the run and of buy and hold")
    return whose


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
    next_steps(view, ticker)
    whose = money(view)
    market(view, ticker)
    st.subheader("Key figures", anchor=False)
    figures = cached.figures(view, whose)
    run_facts.headlines(figures)
    every = st.expander("All metrics, with unit and definition", key="all_metrics", on_change="rerun")
    if every.open:
        with every:
            run_facts.table(figures)
    evidence(view, ticker)
