"""Overview: was this run better than holding, by which rules, and where to look next."""

import streamlit as st

from services import queries
from ui import annotations, cached, overview_performance, overview_worst, page, pickers, run_facts, run_view

page.start("Overview", __file__)


def of(view: queries.RunView) -> str:
    """Whose money the page is about, as the choice further down has it."""
    names = view.spec.tickers
    asked = pickers.read("of")
    return asked if asked in names else queries.TOTAL if len(names) > 1 else names[0]


def next_steps(view: queries.RunView, ticker: str) -> None:
    """Where to look: the day that cost most against holding, all days, the memory."""
    with st.container(horizontal=True, gap="medium"):
        if worst := overview_worst.worst_day(view):
            page.link("days", f"Worst day against holding – {worst[0]} {worst[1]}", icon="→", run=view.id, ticker=worst[0], day=worst[1])
            page.link("overview", "Post-mortem of that day", icon="→", run=view.id, ticker=ticker, worst=f"day-{worst[0]}-{worst[1]}")
        page.link("days", "All days", icon="→", run=view.id, ticker=ticker)
        page.link("memory", "The memory", icon="→", run=view.id, ticker=ticker)


def evidence(view: queries.RunView, ticker: str, whose: str) -> None:
    """Figures, rules, run card, memory, what was known when, and warnings; only the open tab is drawn."""
    found = [*view.model_notes, *view.provenance.get("issues", [])]
    names = {
        "Key figures": lambda: run_facts.headlines(view, whose),
        "All metrics, with intervals": lambda: overview_performance.metrics(view, whose),
        "Rules of this run": lambda: run_facts.rules(view.spec),
        "Run card": lambda: run_facts.run_card(view),
        "Memory and switches": lambda: run_facts.memory_rules(view.spec),
        "What was known when": lambda: run_facts.known_when(view),
        f"Warnings and data issues ({len(found)})": lambda: run_facts.issues(found, cached.days(view, ticker)),
    }
    for tab, draw in zip(st.tabs(list(names), on_change="rerun", key="evidence"), names.values(), strict=True):
        if tab.open:
            with tab:
                draw()


with run_view.told():
    view, ticker = run_view.chosen()
    run_view.strip(view)
    annotations.panel(view)
    next_steps(view, ticker)
    overview_worst.section(view, of(view))
    whose = overview_performance.money(view, ticker)
    evidence(view, ticker, whose)
