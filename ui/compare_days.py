"""The tab "Day by day": every decision of every run, where they disagree and what that cost, and one day side by side.

In the URL: ``rows`` (all days or only disagreements), ``by`` (cost or day), ``day`` with ``a`` and ``b`` for the two runs of a day beside
each other, ``of`` for the ticker where all are compared together. While a day is open nothing else of the section is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from agent.evaluation import agreement, significance
from agent.evaluation.agreement import Rate
from services import disagreements
from services.compare import Comparison, Side
from services.disagreements import LEAST, Matrix
from services.queries import TOTAL
from ui import compare_side, draw, format, page, text, theme, url_state
from ui.charts.decision_matrix import matrix as drawn
from ui.theme import Figure

ROWS = {"differ": "Only disagreements", "all": "All days"}
ORDERS = {"cost": "By cost", "day": "By day"}
MOST_ROWS = 260  # sent to the browser at once; the rest on a wish
COST = "What the worst run of the day earned less than the best, as a share of equity: each run's own money from the open that filled the decision to the next open, after costs."
RESULT = "Of each run's own equity, from the open that filled the decision to the next open, after costs."


@st.cache_resource(max_entries=8, show_spinner="Reading decisions")  # shared, not copied; nobody changes it
def _matrix(key: tuple[Any, ...], ids: tuple[str, ...], ticker: str, *, _days: Sequence[date]) -> Matrix:
    return disagreements.matrix(ids, ticker, days=_days)


@st.cache_data(max_entries=8, show_spinner=False)
def _costs(key: tuple[Any, ...], ticker: str, *, _found: Matrix) -> pd.DataFrame:
    return disagreements.disagreements(_found)


@st.cache_resource(max_entries=16, show_spinner=False)
def _figure(key: tuple[Any, ...], names: tuple[str, ...], ticker: str, dark: bool, red_up: bool, *, _found: Matrix) -> Figure:
    actions = [[item if isinstance(item, str) else None for item in _found.action[run]] for run in _found.runs]
    sure = _found.confidence.to_numpy(dtype=float).T
    return drawn(_found.days, names, actions, sure, disagreements.disagreements(_found), dark=dark, red_up=red_up)


def one_day(found: Comparison) -> bool:
    """Whether the address opens a single day of this section."""
    return st.query_params.get("tab") == "days" and st.query_params.get("day", "") in {str(day) for day in found.days}


def section(found: Comparison, ticker: str = TOTAL) -> None:
    """The matrix with its table, or the day in the URL side by side."""
    sides = list({side.id: side for side in found.runs}.values())
    if len(sides) < 2:
        page.empty("One run stands for all of these", "Choose two different runs, or seed groups that are represented by different runs.")
        return
    if len({side.market for side in sides}) > 1:
        page.empty(
            "They saw other prices",
            "A day of one has no counterpart in the other, so their decisions cannot be held against each other. Choose runs of the same market.",
        )
        return
    one = _ticker(found, ticker)
    if one is None:
        page.empty("They share no ticker", "Decisions are compared ticker by ticker. Choose runs that traded the same one.")
        return
    key = (tuple((side.id, side.view.done) for side in sides), found.days[:1], found.days[-1:], len(found.days))
    table = _matrix(key, tuple(side.id for side in sides), one, _days=found.days)
    costs = _costs(key, one, _found=table)
    day = _day(table)
    if day is None:
        _listing(key, sides, table, costs)
    else:
        _turn(table, costs, day)
        compare_side.show(sides, table, costs, day)


def _ticker(found: Comparison, ticker: str) -> str | None:
    """The ticker of the comparison; where that is all of them, the first or the one chosen here."""
    if ticker != TOTAL:
        return ticker
    if len(found.tickers) > 1:
        shown = {name: text.label(name) for name in found.tickers}
        return url_state.choice("of", list(found.tickers), label="Decisions about", shown=shown)
    return found.tickers[0] if found.tickers else None


# ------------------------------------------------------------------------------------------------------------------- which day


def _day(found: Matrix) -> date | None:
    asked = text.clean(st.query_params.get("day", ""), longest=20).strip()
    if not asked:
        return None
    known = {str(day): day for day in found.days}
    if asked not in known:
        st.warning(f"{text.label(asked)} is not a session that all of them have. Showing all days.", icon="🔎")
        return None
    return known[asked]


def go_to(day: date | None) -> None:
    """Open a day, or go back to all; the two runs of a day are chosen anew."""
    for name in ("a", "b"):
        st.query_params.pop(name, None)
    if day is None:
        st.query_params.pop("day", None)
    else:
        st.query_params["day"] = str(day)


def _turn(found: Matrix, costs: pd.DataFrame, day: date) -> None:
    """Back to all days, and on to the disagreements before and after."""
    differ = list(costs["day"])
    before = max((item for item in differ if item < day), default=None)
    after = min((item for item in differ if item > day), default=None)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("↩ All days", key="_cmp_all", on_click=go_to, args=(None,))
        st.button("Disagreement before", key="_cmp_before", shortcut="J", on_click=go_to, args=(before,), disabled=before is None)
        st.button("Disagreement after", key="_cmp_after", shortcut="K", on_click=go_to, args=(after,), disabled=after is None)


# ----------------------------------------------------------------------------------------------------------------- all days


def _listing(key: tuple[Any, ...], sides: Sequence[Side], found: Matrix, costs: pd.DataFrame) -> None:
    _figures(sides, found, costs)
    names = tuple(side.number for side in sides)
    fig = _figure(key, names, found.ticker, draw.dark(), draw.red_up(), _found=found)
    clicked = draw.clickable(
        fig,
        key="compare_matrix",
        alt="One row per run with its decision of every shared day, and below a bar for what each disagreement cost",
    )
    if clicked and clicked in set(costs["day"].astype(str)) and clicked != st.session_state.get("_cmp_clicked"):
        st.session_state["_cmp_clicked"] = clicked  # the chart keeps its mark when one comes back to it
        st.query_params["day"] = clicked
        st.rerun()
    if costs.empty:
        page.empty("They never disagreed", f"On all {len(found.days):,} shared sessions of {text.label(found.ticker)} they decided alike.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        rows = url_state.choice("rows", list(ROWS), label="Days", shown=ROWS)
        by = url_state.choice("by", list(ORDERS), label="Order", shown=ORDERS)
        first = disagreements.first_costly(found)
        st.button(
            "First disagreement that cost money",
            key="_cmp_first",
            icon=":material/flag:",
            type="primary",
            disabled=first is None,
            on_click=go_to,
            args=(first,),
            help=f"The first day on which they decided differently and one earned at least {LEAST:.1%} of its equity less than another. {RESULT} "
            + ("" if first else "There is none."),
        )
    _table(sides, found, costs, rows, by)


def _figures(sides: Sequence[Side], found: Matrix, costs: pd.DataFrame) -> None:
    """How far they agree, in figures with their n."""
    alike = agreement.share_agreed(found.columns())
    if len(sides) == 2:
        kappa, whose = agreement.cohen_kappa(*zip(*found.columns(), strict=True)), "Cohen"
    else:
        kappa, whose = agreement.fleiss_kappa(found.columns()), "Fleiss"
    apart = agreement.weight_distance(found.weight.to_numpy(dtype=float))
    costly = int((costs["gap"] >= LEAST).sum())
    tiles = [
        ("Decided alike", _percent(alike), f"Share of days on which all that decided took the same decision; {_n(alike)}."),
        (
            f"Kappa ({whose})",
            format.number(kappa.value),
            f"Agreement beyond what their habits give by chance: 1 always, 0 as by chance; {_n(kappa)}.",
        ),
        (
            "Weights apart",
            format.percent(apart.value),
            f"Mean difference of the share of equity held after the fill, over pairs and days; {_n(apart)}.",
        ),
        ("Disagreements", f"{len(costs):,}", f"Days on which two decided differently, of {len(found.days):,} shared sessions."),
        (
            "Cost money",
            f"{costly:,}",
            f"Disagreements after which one earned at least {LEAST:.1%} of its equity less than another. {RESULT}",
        ),
    ]
    with st.container(horizontal=True, gap="medium"):
        for label, value, help_ in tiles:
            st.metric(label, value, help=help_, width="content")
    st.caption("  ".join(_said(sides, found)))


def _percent(found: Rate) -> str:
    return format.percent(found.value, digits=0)


def _n(found: Rate) -> str:
    return f"n = {found.n:,} days" if not found.why else text.label(found.why, longest=120)


def _said(sides: Sequence[Side], found: Matrix) -> list[str]:
    """Who won more disagreements, days without a decision, and who stands for a seed group; our own words and whitelisted names."""
    told = [f"Decisions about {text.label(found.ticker)} on {len(found.days):,} shared sessions."]
    if len(sides) == 2:
        one, other = sides
        better = (found.result[one.id] - found.result[other.id])[disagreements.differs(found)].dropna()
        won, lost = int((better > disagreements.SAME).sum()), int((better < -disagreements.SAME).sum())
        told.append(f"Of {won + lost} disagreements with a known result {one.number} came out better on {won}, {other.number} on {lost}.")
        if (test := significance.sign_test(won, lost)).p is not None:
            told.append(f"By a coin, so uneven a count comes with probability {test.p:.2f} (sign test).")
    if found.undecided:
        told.append(f"On {found.undecided} days one gave no decision, which is neither a hold nor a disagreement.")
    if grouped := [side.number for side in sides if side.grouped]:
        told.append(f"One run stands for a seed group ({', '.join(grouped)}): the one with the median return.")
    return told


def _table(sides: Sequence[Side], found: Matrix, costs: pd.DataFrame, rows: str, by: str) -> None:
    frame = _listed(sides, found, costs)
    frame = frame[frame["differ"]] if rows == "differ" else frame
    order = frame.sort_values("gap", ascending=False, na_position="last", kind="stable") if by == "cost" else frame
    shown = order.head(MOST_ROWS)

    def ticked() -> None:
        chosen = st.session_state["compare_days"]["selection"]["rows"]
        if chosen:
            go_to(shown["_date"].iloc[chosen[0]])

    left = f", the first {MOST_ROWS}" if len(order) > len(shown) else ""
    st.caption(f"{len(order):,} days{left}. Tick a row to see the day side by side.")
    st.dataframe(
        shown.drop(columns=["_date", "differ"]),
        hide_index=True,
        key="compare_days",
        on_select=ticked,
        selection_mode="single-row",
        height=min(38 + 35 * len(shown) + 2, 560),
        placeholder=format.UNKNOWN,
        column_config=_config(sides),
        alt="Days with the decision of each run, the move of the price and what the disagreement cost",
    )


def _listed(sides: Sequence[Side], found: Matrix, costs: pd.DataFrame) -> pd.DataFrame:
    by_day = costs.set_index("day")
    number = {side.id: side.number for side in sides}
    frame = pd.DataFrame({"day": [str(day) for day in found.days], "_date": list(found.days)})
    for side in sides:
        frame[f"run_{side.number}"] = [
            _pill(word, sure) for word, sure in zip(found.action[side.id], found.confidence[side.id], strict=True)
        ]
    frame["differ"] = [day in by_day.index for day in found.days]
    frame["gap"] = [float(by_day["gap"].get(day, np.nan)) for day in found.days]
    frame["best"] = [number.get(by_day["best"].get(day, ""), "") for day in found.days]
    frame["worst"] = [_worst(by_day, day, number) for day in found.days]
    frame["move"] = found.move.to_numpy(dtype=float)
    return frame


def _worst(by_day: pd.DataFrame, day: date, number: dict[str, str]) -> str:
    if day not in by_day.index or not by_day["worst"][day]:
        return ""
    return f"{number[by_day['worst'][day]]}{' lost money' if by_day['lost'][day] else ''}"


def _pill(action: object, sure: float) -> str:
    word = theme.verdict(action if isinstance(action, str) else None)
    return f"{theme.GLYPHS[word]} {word}" + (f" {sure:.0%}" if format.known(sure) else "")


def _config(sides: Sequence[Side]) -> dict[str, Any]:
    column = st.column_config
    named = {
        f"run_{side.number}": column.TextColumn(
            f"{side.number} {text.label(side.label, longest=24)}",
            width=130,
            help="Decision and confidence. ○ is no decision, which is not a hold.",
        )
        for side in sides
    }
    return {
        "day": column.TextColumn("Day", width=96, pinned=True),
        **named,
        "gap": column.NumberColumn("Cost", format="percent", width=80, help=COST),
        "best": column.TextColumn("Best", width=56, help=f"The run that earned most. {RESULT}"),
        "worst": column.TextColumn("Worst", width=120, help=f"The run that earned least. {RESULT}"),
        "move": column.NumberColumn("Price", format="percent", width=80, help="Move of the price over the same time, dividends included."),
    }
