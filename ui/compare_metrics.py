"""The tab "Metrics": everything that is measured, side by side, and how sure the differences are."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from agent.evaluation.intervals import Intervals
from services import compare_figures
from services.compare import Comparison
from services.compare_figures import DRAWS, Row
from services.performance import Estimate
from ui import compare_runs, run_facts, text
from ui.compare_runs import against, gap
from ui.overview_performance import UNITS, VERDICTS


@st.cache_data(max_entries=8, show_spinner="Redrawing the days two thousand times for each difference")
def _differences(key: tuple[Any, ...], base: str, *, _found: Comparison) -> dict[str, Intervals]:
    return compare_figures.differences(_found, base)


def section(found: Comparison, base: str) -> None:
    """The table of all metrics, then the intervals of the differences."""
    drawn = _differences(compare_runs.key(found), base, _found=found)
    rows = compare_figures.rows(found, compare_runs.measured(found), base, drawn=drawn)
    rival = found.side(base)
    st.caption(
        f"On the {len(found.days):,} common sessions, after costs; 252 sessions a year, risk-free rate 0. Beside each figure its difference to "
        f"the baseline {rival.number}, better or worse by the direction that is good for the figure."
    )
    _values(found, rows, base)
    _intervals(found, rows, base, drawn)


def _values(found: Comparison, rows: tuple[Row, ...], base: str) -> None:
    table = []
    for row in rows:
        line: dict[str, str] = {"metric": row.metric.label}
        for side in found.runs:
            value = row.values[side.item]
            told = run_facts.shown(value.median, row.metric.unit) if value.median is not None else "n/a"
            if side.grouped and value.n > 1:
                told += f"  ({run_facts.shown(value.low, row.metric.unit)} … {run_facts.shown(value.high, row.metric.unit)})"
            line[side.item] = told if side.item == base else f"{told}  {against(row, side.item)}".rstrip()
        table.append({**line, "unit": UNITS[row.metric.unit], "definition": row.metric.help})
    column = st.column_config
    st.dataframe(
        pd.DataFrame(table),
        hide_index=True,
        key="compare_metrics",
        height="content",
        alt="Every metric of every compared run, with the difference to the baseline",
        column_config={
            "metric": column.TextColumn("Metric", pinned=True, width=150),
            **{
                side.item: column.TextColumn(
                    f"{side.number} {text.label(side.label, longest=40)}{' (baseline)' if side.item == base else ''}",
                    width=(170 if side.item != base else 90) + 110 * side.grouped,
                    alignment="right",
                    help="Median of the runs of the group, lowest and highest in brackets." if side.grouped else None,
                )
                for side in found.runs
            },
            "unit": column.TextColumn("Unit", width=90, help="Fractions are shown as percent; differences of them in percentage points."),
            "definition": column.TextColumn("Definition", width="large"),
        },
    )


def _intervals(found: Comparison, rows: tuple[Row, ...], base: str, drawn: dict[str, Intervals]) -> None:
    """95 % intervals of the differences: where zero lies inside, the difference may be the luck of the days."""
    st.subheader("How sure the differences are", anchor=False)
    table = []
    for row in rows:
        cells = {item: _cell(estimate, row.metric.unit) for item, estimate in row.against.items() if item in drawn}
        if any(cells.values()):
            table.append({"metric": row.metric.label, **cells})
    unpaired = [why for side in found.runs if side.item != base and (why := found.unpaired(side, found.side(base)))]
    if unpaired:
        text.plain("\n".join(f"• No interval: {why}" for why in unpaired))
    if not table:
        why = next((reason for item in drawn.values() for reason in item.missing.values()), "")
        text.plain(f"No interval of a difference can be given{': ' + why if why else ''}.")
        return
    column = st.column_config
    st.dataframe(
        pd.DataFrame(table),
        hide_index=True,
        key="compare_intervals",
        height="content",
        alt="95 % intervals of the differences to the baseline",
        column_config={
            "metric": column.TextColumn("Metric", pinned=True, width=150),
            **{
                side.item: column.TextColumn(f"{side.number} minus {found.side(base).number}", width=270)
                for side in found.runs
                if side.item in drawn
            },
        },
    )
    blocks = ", ".join(f"{found.side(item).number} {item_drawn.block:.1f}" for item, item_drawn in drawn.items())
    st.caption(
        f"95 % intervals: stationary block bootstrap, both redrawn with the same days, {DRAWS:,} histories, mean block in days: {blocks}; "
        "the same runs give the same intervals. “Or chance”: the interval holds zero. They know the luck of these days only, not that of the "
        "seed or of other markets, and with many figures in a table one in twenty leaves zero out by chance alone."
    )


def _cell(found: Estimate, unit: str) -> str:
    between = found.difference_interval
    if between is None or found.difference is None:
        return ""
    return f"{gap(between.low, unit)} … {gap(between.high, unit)}  {VERDICTS[found.verdict].replace('＝', '=')}"  # the full-width sign is missing in many fonts
