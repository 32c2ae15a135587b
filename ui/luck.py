"""The luck meter: what stands beside every Sharpe, so that nobody reads it without its error, its rivals by lot and its number of tries."""

from __future__ import annotations

import streamlit as st

from services import luck, luck_words, queries
from services.luck import Luck
from services.queries import RunView
from ui import format, page, text

FRESH_S = 60  # a run that ends meanwhile is one more try
WIDE = 126  # pixels: six in a row beside the sidebar


@st.cache_data(max_entries=64, ttl=FRESH_S, show_spinner="Drawing a thousand random traders")
def _of(run: str, done: int, whose: str) -> Luck:
    return luck.of(run, whose)


def of(view: RunView, whose: str = queries.TOTAL) -> Luck:
    """``services.luck.of``, kept for a minute."""
    return _of(view.id, view.done, whose)


def meter(view: RunView, whose: str = queries.TOTAL, *, onward: bool = True) -> None:
    """The Sharpe with all that qualifies it, as tiles, and what that adds up to in words; ``onward`` leads to the crowd itself."""
    found = of(view, whose)
    has = f"has {found.returns:,}"
    alike = (
        f" · {format.percent(found.dsr_effective, digits=0)} at {found.trials_effective}" if found.trials_effective != found.trials else ""
    )
    tiles = [
        ("sharpe", "Sharpe ± error", format.number(found.sharpe), f"± {format.number(found.sharpe_se)}"),
        ("share", "Random traders", luck_words.share(found), luck_words.interval(found) or "no place"),
        ("psr", "P(Sharpe > 0)", format.percent(found.psr), "as a single try"),
        ("dsr", "Deflated", format.percent(found.dsr), f"K {found.trials:,}{alike}"),
        ("min_track_record", "Days it needs", luck_words.days(found.min_track_record), has),
        ("days_to_tell", "Days to tell apart", luck_words.days(found.days_to_tell), has),
    ]
    with st.container(horizontal=True, gap="small", key="luck_meter"):
        for key, label, value, below in tiles:
            st.metric(label, value, below, delta_color="off", delta_arrow="off", help=luck_words.MEANINGS[key], width=WIDE)
    text.plain(" ".join(luck_words.sentences(found)))
    if onward and found.returns:
        of_one = whose if whose != queries.TOTAL and len(view.spec.tickers) > 1 else None
        page.link("robustness", "How luck was measured, and how sturdy the run is", icon="→", run=view.id, of=of_one)


def beside(found: Luck) -> str:
    """The shortest form, under a Sharpe: ± 0.98 · beats 83 % by lot."""
    if found.sharpe is None:
        return ""
    if found.share is None:
        return f"± {format.number(found.sharpe_se)}"
    share = {0.0: "none", 1.0: "all"}.get(found.share, luck_words.share(found))
    return f"± {format.number(found.sharpe_se)} · beats {share} by lot"
