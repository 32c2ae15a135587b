"""The baselines of a run on its overview: lines in the equity chart, a small table, those being made, and the button that makes more."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from services import baselines, queries
from services.baselines import BASELINES, Made
from services.queries import RunView
from ui import draw, format, page, run_view, text, theme, url_state
from ui.charts.baselines import equity_beside
from ui.theme import Figure

EVERY_S = 2
KINDS = {"rule": "Rules", "random": "Luck", "ablation": "The agent itself"}
MOST_COMPARED = 8  # runs on the Compare page
SAME = 5e-4  # half of the last digit of a percentage that is shown
HELP = {
    "cum_return": "After costs, over the test window.",
    "sharpe": "Annual, risk-free rate 0, from daily returns.",
    "max_drawdown": "Deepest fall from an earlier peak.",
    "turnover_annual": "Bought and sold value over mean equity, per year of 252 sessions. Not recorded for the benchmark.",
    "exposure_mean": "Mean share of equity held in shares. Not recorded for the benchmark.",
    "difference": "Return of this run minus that of the baseline, in percentage points. One window: not yet a proof, see Compare.",
}


@st.cache_data(max_entries=16, show_spinner=False)
def _wanted(run: str, done: int, state: str) -> dict[str, str]:
    return baselines.fingerprints(run)


@st.cache_data(max_entries=16, show_spinner=False)
def _table(run: str, done: int, whose: str, complete: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    return baselines.table(run, dict(complete), whose)


@st.cache_data(max_entries=64, show_spinner=False)
def _money(run: str, whose: str) -> pd.DataFrame:
    return queries.equity(run, whose)[["day", "equity"]]


@st.cache_data(ttl=600, max_entries=16, show_spinner="Checking data and model …")
def _calls(run: str, done: int, names: tuple[str, ...]) -> int:
    return sum(baselines.plan(run, names).values())


@st.cache_resource(max_entries=16, show_spinner=False)
def _figure(run: str, done: int, whose: str, lines: tuple[tuple[str, str], ...], dark: bool, *, _frame: pd.DataFrame) -> Figure:
    days = set(_frame["day"])
    others = {name: (BASELINES[name].label, money[money["day"].isin(days)]) for name, run_ in lines if len(money := _money(run_, whose))}
    return equity_beside(_frame, others, dark=dark)


def made(view: RunView) -> list[Made]:
    """The baselines of the run that are in the library."""
    return baselines.made(view.id, _wanted(view.id, view.done, view.state))


def _complete(found: list[Made]) -> tuple[tuple[str, str], ...]:
    return tuple((item.name, item.run) for item in found if item.state == "done")


def chart(view: RunView, whose: str, frame: pd.DataFrame, found: list[Made]) -> bool:
    """Equity with the complete baselines beside it; False, and nothing drawn, where there are none. Which of them, is in the URL."""
    complete = [(name, run) for name, run in _complete(found) if name != "hold"]  # that line is there already: the benchmark
    if not complete or frame.empty:
        return False
    names = [name for name, _ in complete]
    chosen = (
        url_state.several("lines", names, label="Baselines drawn", shown={name: BASELINES[name].label for name in names})
        if len(names) > 1
        else []
    )
    lines = tuple(item for item in complete if not chosen or item[0] in chosen)
    fig = _figure(view.id, view.done, whose, lines, draw.dark(), _frame=frame)
    labels = ", ".join(BASELINES[name].label for name, _ in lines)
    draw.chart(fig, key="equity", alt=f"Equity of the run, of buy and hold, and of these baselines: {labels}; drawdown of the first two")
    return True


def section(view: RunView, whose: str, found: list[Made]) -> None:
    """Table, progress, and what can be added."""
    if view.spec.baseline:
        label = BASELINES[view.spec.baseline].label if view.spec.baseline in BASELINES else view.spec.baseline
        st.caption(f"This run is itself a baseline: {text.label(label)}. It was made to measure other runs on this market by.")
        return
    if complete := _complete(found):
        _rows(_table(view.id, view.done, whose, complete), view, dict(complete))
    if waiting := [item for item in found if item.state in baselines.UNDER_WAY]:
        _progress(view.id, view.done, view.state, {item.name: item.state for item in waiting})
    for item in found:
        if item.state in baselines.AGAIN:
            with st.container(horizontal=True, vertical_alignment="center"):
                text.plain(f"{item.label} was not completed ({item.state}). {item.error}".strip(), width="content")
                page.link("monitor", "Its monitor", icon="→", run=item.run)
    _more(view, found)


# ------------------------------------------------------------------------------------------------------------------------- the table


def _rows(frame: pd.DataFrame, view: RunView, runs: dict[str, str]) -> None:
    if frame.empty:
        return
    shown = pd.DataFrame([_row(item) for item in frame.to_dict("records")])
    order = list(frame["run"])
    column = st.column_config.TextColumn

    def picked() -> None:
        rows = st.session_state["baselines_table"]["selection"]["rows"]
        if rows and (run := order[rows[0]]) and run != view.id:
            st.session_state["_open_baseline"] = run

    st.dataframe(
        shown,
        hide_index=True,
        key="baselines_table",
        on_select=picked,
        selection_mode="single-row",
        height="content",
        alt="The run and its baselines: return, Sharpe, drawdown, turnover, exposure, and the difference",
        column_config={
            "who": column("Against", width=190, pinned=True),
            "cum_return": column("Return", width=80, alignment="right", help=HELP["cum_return"]),
            "sharpe": column("Sharpe", width=70, alignment="right", help=HELP["sharpe"]),
            "max_drawdown": column("Max drawdown", width=110, alignment="right", help=HELP["max_drawdown"]),
            "turnover_annual": column("Turnover a year", width=115, alignment="right", help=HELP["turnover_annual"]),
            "exposure_mean": column("Exposure", width=80, alignment="right", help=HELP["exposure_mean"]),
            "difference": column("This run against it", width=170, help=HELP["difference"]),
            "about": column("What it does", width="large"),
        },
    )
    if run := st.session_state.pop("_open_baseline", None):
        page.go("overview", run=run)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.caption("Tick a row to open that baseline: a run with days, trades and costs of its own.", width="content")
        page.link(
            "compare",
            "Test the differences",
            icon="→",
            cmp=",".join([view.id, *(run for name, run in runs.items() if name != "hold")][:MOST_COMPARED]),
            base=view.id,
            tab="tests",
        )


def _row(item: dict[str, Any]) -> dict[str, str]:
    turnover = item["turnover_annual"]
    return {
        "who": item["label"],
        "cum_return": format.percent(item["cum_return"], sign=True),
        "sharpe": format.number(item["sharpe"]),
        "max_drawdown": format.percent(item["max_drawdown"]),
        "turnover_annual": f"{turnover:,.1f} x" if format.known(turnover) else "n/a",
        "exposure_mean": format.percent(item["exposure_mean"], digits=0) if format.known(item["exposure_mean"]) else "n/a",
        "difference": "" if not item["name"] else against(item["difference"]),
        "about": BASELINES[item["name"]].help if item["name"] in BASELINES else "",
    }


def against(difference: float | None) -> str:
    """The difference with its sign in words: never a colour or a minus alone."""
    if not format.known(difference):
        return "n/a"
    if abs(difference) < SAME:
        return "＝ equal"
    return f"▲ {format.points(difference)} ahead" if difference > 0 else f"▼ {format.points(difference)} behind"


# --------------------------------------------------------------------------------------------------------------------- being made


@st.fragment(run_every=EVERY_S)
def _progress(run: str, done: int, state: str, waiting: dict[str, str]) -> None:
    """One line for those under way; the page is drawn anew when one of them is no longer in its state."""
    now = {item.name: item for item in baselines.made(run, _wanted(run, done, state))}
    if any(name not in now or now[name].state != before for name, before in waiting.items()):
        st.rerun()
    running = [now[name] for name in waiting if now[name].state == "running"]
    queued = len(waiting) - len(running)
    with st.container(horizontal=True, vertical_alignment="center"):
        for item in running:
            share = min(1.0, item.done / item.total) if item.total else 0.0
            st.progress(share, text=f"{theme.STATUS['running'][0]} {item.label}: {item.done:,} of {item.total or '?'} days")
        if queued:
            text.plain(f"{theme.STATUS['queued'][0]} {queued} waiting for their turn", width="content")


# ------------------------------------------------------------------------------------------------------------------- making more


def _more(view: RunView, found: list[Made]) -> None:
    """What is not there yet, by kind; nothing is checked before it is open."""
    there = {item.name for item in found if item.state not in baselines.AGAIN}
    left = [name for name in _wanted(view.id, view.done, view.state) if name not in there]
    if not left:
        return
    box = st.expander("Add baselines", icon=":material/add_chart:", key="add_baselines", on_change="rerun", expanded=False)
    if not box.open:
        return
    with box:
        text.plain(
            "What simple rules, a trader by lot, and the agent without a part of its mind make of the same tickers, days and costs. Each becomes a "
            "run of its own in the library; one process makes them one after another, and this page may be closed meanwhile."
        )
        chosen: list[str] = []
        for kind, label in KINDS.items():
            names = [name for name in left if BASELINES[name].kind == kind]
            if names:
                chosen += _choice(kind, label, names)
        if view.state != "done":
            st.caption("A random trader can be added when the run is complete: it has to match the run's turnover and exposure.")
        with run_view.told():
            calls = _calls(view.id, view.done, tuple(chosen)) if any(BASELINES[name].kind == "ablation" for name in chosen) else 0
        asks = _asks(view, calls)
        if asks:
            text.plain(asks)
        label = f"Make {len(chosen)} baseline{'s' if len(chosen) != 1 else ''}"
        if st.button(label, key="make_baselines", type="primary", disabled=not chosen, icon=":material/play_arrow:"):
            with run_view.told(), st.spinner("Checking data and model …"):
                baselines.add(view.id, chosen)
            st.rerun()


def _choice(kind: str, label: str, names: list[str]) -> list[str]:
    """Pills of one kind; rules are chosen unless somebody takes them away."""
    about = "  \n".join(f"**{BASELINES[name].label}**: {BASELINES[name].help}" for name in names)
    return list(
        st.pills(
            label,
            names,
            selection_mode="multi",
            default=names if kind == "rule" else [],
            wrap=True,
            key=f"baselines_{kind}_{len(names)}",
            format_func=lambda name: BASELINES[name].label,
            help=about,
        )
        or []
    )


def _asks(view: RunView, calls: int) -> str:
    if not calls:
        return ""
    if view.by_rules:
        return f"The agent's variants put up to {calls:,} questions to the rules backend; no language model is asked."
    return f"The agent's variants put up to {calls:,} questions to {view.model_label}: that takes its time, and its money where it has a price."
