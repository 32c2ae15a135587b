"""The tab "Tests": what may be claimed about a difference, and what may not."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from agent.evaluation.significance import Test
from services import compare_tests
from services.compare import Comparison
from services.compare_tests import Joint, Paired
from ui import compare, compare_runs, format, text, url_state


@st.cache_data(max_entries=32, show_spinner="Testing")
def _paired(key: tuple[Any, ...], one: str, other: str, finmem: bool, *, _found: Comparison) -> Paired:
    return compare_tests.paired(_found, one, other, finmem=finmem)


@st.cache_data(max_entries=16, show_spinner="Testing all of them together")
def _joint(key: tuple[Any, ...], base: str, *, _found: Comparison) -> Joint | None:
    return compare_tests.joint(_found, base)


def section(found: Comparison, base: str) -> None:
    """With more than two the joint test first, then one pair."""
    key = compare_runs.key(found)
    if len(found.runs) > 2:
        _together(found, _joint(key, base, _found=found))
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        other = compare.pair(found, base)
        finmem = url_state.choice("finmem", ["off", "on"], label="FinMem parity", shown={"off": "off", "on": "FinMem's own test too"})
    _pair(_paired(key, other, base, finmem == "on", _found=found), many=len(found.runs) > 2)


def _together(found: Comparison, joint: Joint | None) -> None:
    st.subheader("All of them together", anchor=False)
    if joint is None:
        text.plain("Fewer than three of them can be paired day by day, so there is no joint test.")
        return
    result = joint.found
    if result.why:
        text.plain(f"No joint test: {result.why}.")
    else:
        text.plain(result.says)
        left = [found.side(item) for item in result.members]
        text.plain("Cannot be ruled out as the best: " + ", ".join(side.title for side in left))
    if joint.left_out:
        text.plain(f"Left out, since their days cannot be paired: {', '.join(joint.left_out)}.")
    st.caption(text.label(result.caveat, longest=600))


def _pair(found: Paired, *, many: bool) -> None:
    st.subheader(text.label(f"{found.one.number} against {found.other.number}, day by day", longest=120), anchor=False)
    if found.why:
        text.plain(f"No paired test. {found.why}")
        return
    text.plain(f"In the table A is {found.one.title}, and B is {found.other.title}.")
    for remark in found.remarks:
        text.plain(f"• {remark}")
    for test in found.tests[:1]:
        text.plain(test.says or f"No result: {test.why}.")
    _table(found.tests)
    warnings = "p is the share of luck alone that would look at least as uneven; it is not the chance that A is better. "
    if many:
        warnings += "Looking at pair after pair finds a winner among equals sooner or later: claim what the joint test above allows. "
    st.caption(warnings + "The first test is the one to trust; the others ask narrower questions or assume more.")


def _table(tests: tuple[Test, ...]) -> None:
    rows = [
        {
            "test": test.label,
            "n": test.n,
            "p": _p(test.p),
            "effect": format.number(test.effect) if test.effect is not None else "n/a",
            "interval": f"{test.interval.low:.2f} … {test.interval.high:.2f}" if test.interval else "",
            "says": test.says or f"No result: {test.why}.",
            "effect label": test.effect_label,
            "caveat": test.caveat,
            "statistic": format.number(test.statistic) if test.statistic is not None else "n/a",
        }
        for test in tests
    ]
    column = st.column_config
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="compare_tests",
        height="content",
        row_height=76,
        alt="Paired tests with number of days, p, effect with its interval, what may be claimed and the caveat",
        column_config={
            "test": column.TextColumn("Test", pinned=True, width=150),
            "n": column.NumberColumn("n", width=46, help="Days, or disagreements, that the test rests on."),
            "p": column.TextColumn("p", width=64, alignment="right", help="Two-sided."),
            "effect": column.TextColumn("Effect", width=64, alignment="right"),
            "interval": column.TextColumn("95 %", width=96, help="Interval of the effect."),
            "says": column.TextColumn("What may be claimed", width=410),
            "effect label": column.TextColumn("Effect is", width=170),
            "caveat": column.TextColumn("Mind", width=430),
            "statistic": column.TextColumn("Statistic", width=80, alignment="right"),
        },
    )


def _p(value: float | None) -> str:
    if value is None:
        return "n/a"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
