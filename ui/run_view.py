"""What the pages about one run share: which run and ticker, the strip on top, and what is wrong with the run.

The strip says first what a reader must not overlook: whether a language model decided at all, whether the market is synthetic, whether
the run ended, and on how many days there was a decision.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from agent.errors import RecollectError, SpecError
from services import queries
from services.queries import RunView
from ui import cached, cards, format, luck, page, pickers, text

SAID_ELSEWHERE = (queries.RULES, queries.FUTURE)  # by the badges of what decided and of what was known when
TILE = 124  # pixels; tiles wrap on a narrow screen instead of cutting their names
WIDER = 196
UNFINISHED = {
    "queued": "The run has not begun yet.",
    "running": "The run is in progress: the figures are those of the days so far.",
    "paused": "The run is paused: the figures are those of the days so far.",
    "interrupted": "The run stopped without a word, perhaps with the machine it was on; it can go on where it ended.",
    "cancelled": "The run was cancelled: the figures are those of the days until then.",
}

NOT_BEGUN = (
    "No day of {ticker} is recorded yet",
    "As soon as the first session is done it appears here. The monitor shows what the worker is doing.",
)
ENDED_BEFORE = (
    "No day of {ticker} was recorded",
    "The run {ended} before the first session was done, so there is nothing to look at. The monitor says more and can resume it.",
)
ENDED = {"failed": "failed", "cancelled": "was cancelled", "paused": "was paused", "interrupted": "was interrupted"}


@contextmanager
def told() -> Iterator[None]:
    """Whatever goes wrong inside, in a sentence meant for people; the page ends there."""
    try:
        yield
    except RecollectError as error:
        page.banner(error)
        st.stop()


def read(run: str) -> RunView:
    """The run; one that another version recorded and this one cannot read is an empty state that says what can be done, and the page ends."""
    try:
        return queries.run(run)
    except SpecError as error:
        if run not in queries.names():
            raise
        page.empty(
            "This version cannot read the run",
            f"{error} Nothing of it was changed: the version that recorded it shows it as before. In the library it can be deleted.",
            ("runs", "To the library of runs"),
            run=run,
        )
        st.stop()


def chosen() -> tuple[RunView, str]:
    """The run and the ticker in the URL with their pickers; a page without a run, or with one that has no day yet, ends here."""
    names = queries.names()
    if not names:
        page.need_run({})
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        view = read(page.need_run(names))
    with right:
        ticker = pickers.ticker(view.spec.tickers) or view.spec.tickers[0]
    if not cached.sessions(view, ticker):
        _no_day_yet(view, ticker)
    return view, ticker


def _no_day_yet(view: RunView, ticker: str) -> None:
    strip(view, slim=True, onward=bool(view.done))
    title, what_to_do = ENDED_BEFORE if view.state in ENDED else NOT_BEGUN
    if view.state == "done":
        page.empty(f"This run holds no day of {ticker}", "The run is complete, so none will follow. Choose another ticker above.")
    else:
        told = what_to_do.format(ended=ENDED.get(view.state, ""))
        page.empty(title.format(ticker=ticker), told, ("monitor", "To the monitor"), run=view.id)
    st.stop()


def strip(view: RunView, *, slim: bool = False, onward: bool = True) -> None:
    """Name, who decided, on what, and the key figures; ``slim`` leaves the figures out, for pages about a detail, which then lead
    ``onward`` to the overview."""
    with st.container(border=not slim, gap="xsmall" if slim else "small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if not slim:
                st.subheader(text.label(view.name, longest=60), anchor=False, width="content")
            cards.status(view.state)
            _badges(view)
            if slim:
                coverage_badge(view)
            _knowledge(view, slim=slim)
            if slim and onward:
                page.link("overview", "Overview of the run", icon="→", run=view.id)
        if not slim:
            text.plain("  ·  ".join(_facts(view)))
            _figures(view)
    if not slim:
        _known_before(view)
    _trouble(view)


def _known_before(view: RunView) -> None:
    """A banner where the model may remember the very days it was tested on; pages about a detail carry the badge alone."""
    found = view.contamination
    if not found.warns:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="known_before"):
        inside = found.level in ("inside", "partly")
        st.badge("May know these days" if inside else "Knowledge cut-off", color="red" if inside else "orange", icon="⚠️")
        text.plain(found.sentence, longest=600)


def deciders(view: RunView, value: object) -> str:
    """Provenance as shown: what the rules backend answered was decided by rules, never by "the model"."""
    if not isinstance(value, str):
        return ""
    return "rule" if view.spec.backend == "rules" and value in ("model", "re-asked", "cached") else value


def _badges(view: RunView) -> None:
    rules = view.by_rules
    st.badge(text.label(view.model_label or queries.RULES), color="gray" if rules else "blue", icon="⚙️" if rules else "🤖")
    if view.note:
        st.badge(text.label(view.note), color="orange", icon="⚠️", help="What this run earned says nothing about real markets.")
    cards.marks(mark for mark in queries.marks(view) if mark not in SAID_ELSEWHERE)


def coverage_badge(view: RunView) -> None:
    """The share of days that the model itself decided, in headers without figures; too low a share stands among the marks."""
    share = view.summary.get("coverage")
    if share is None or view.by_rules or queries.low_coverage(view.summary):
        return
    _, _, _, meaning = _coverage_tile(view)
    st.badge(f"coverage {math.floor(100 * share)} %", color="gray", help=meaning)


LOOK_AHEAD = {
    "ok": ("no look-ahead", "green", "✔️"),
    "unknown": ("look-ahead: cannot say", "gray", "❔"),
    "violated": ("saw the future", "red", "✖️"),
}


def _knowledge(view: RunView, *, slim: bool) -> None:
    """Whether anything newer than a decision reached it; pages about a detail show it only when something did."""
    found = view.leaks
    if found is None:
        if not slim and view.state not in ("queued", *UNFINISHED):
            st.badge(
                LOOK_AHEAD["unknown"][0],
                color="gray",
                icon="❔",
                help="Recorded without times for every prompt; see the tab “What was known when”.",
            )
        return
    if slim and found.verdict != "violated":
        return
    name, colour, icon = LOOK_AHEAD[found.verdict]
    st.badge(name, color=colour, icon=icon, help=text.label(found.sentence, longest=400))


def _facts(view: RunView) -> list[str]:
    spec = view.spec
    trained = f"trained {spec.train.start} to {spec.train.end}" if spec.train else "no training"
    names = ", ".join(spec.tickers[:6]) + (f" and {len(spec.tickers) - 6} more" if len(spec.tickers) > 6 else "")
    return [names, f"tested {spec.test.start} to {spec.test.end}", trained, f"memory {spec.preset}", f"run {view.id}"]


def _figures(view: RunView) -> None:
    found = view.summary
    mine, rival = found.get("cum_return"), found.get("benchmark_return")
    gap = format.points(mine - rival) if format.known(mine) and format.known(rival) else None
    tiles = [
        ("Return", format.percent(mine, sign=True), gap, "After costs, over the test window. Below, the difference to buy and hold."),
        ("Buy and hold", format.percent(rival, sign=True), None, "The same tickers, capital, costs and first fill, then held."),
        ("Sharpe", format.number(found.get("sharpe")), _sharpe_error(view), SHARPE_MEANS),
        ("Max drawdown", format.percent(found.get("max_drawdown")), None, "Deepest fall from an earlier peak."),
        _coverage_tile(view),
    ]
    with st.container(horizontal=True, gap="small"):
        for label, value, below, help_ in tiles:
            equal = below is not None and (label == "Sharpe" or below.lstrip("+-").startswith("0.0 "))
            st.metric(
                label,
                value,
                below,
                delta_color="off" if equal else "normal",
                delta_arrow="off" if equal else "auto",
                help=help_,
                width=WIDER if label == "Sharpe" and below else TILE,
            )


SHARPE_MEANS = (
    "Annualised, risk-free rate 0, from daily returns. Below, its standard error and the share of random traders with the same turnover "
    "and exposure that it beats; the key figures say more."
)


def _sharpe_error(view: RunView) -> str | None:
    """What stands beside every Sharpe; nothing before there is one."""
    return luck.beside(luck.of(view)) or None if format.known(view.summary.get("sharpe")) else None


def _coverage_tile(view: RunView) -> tuple[str, str, str | None, str]:
    """Who decided on how many days; a share of rules never stands under the name of a model's coverage."""
    share = format.percent(view.summary.get("coverage"), digits=0)
    if view.by_rules:
        return ("Decided by rules", share, None, "Share of test days with a price on which the rules decided. No language model was asked.")
    share += " ⚠\ufe0e" if queries.low_coverage(view.summary) else ""
    return (
        "Coverage",
        share,
        None,
        "Share of test days with a price whose decision the model itself made, at once, asked again, or cached.",
    )


def _trouble(view: RunView) -> None:
    """A failed or unfinished run says so before any figure is read."""
    if view.state == "failed":
        with st.container(border=True):
            st.badge("This run failed: its figures are no result", color="red", icon="✖️")
            text.plain(view.error or "The worker left no reason; its log may hold one.")
    elif view.state in UNFINISHED:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            text.plain(UNFINISHED[view.state], width="content")
            page.link("monitor", "To the monitor", icon="→", run=view.id)
