"""The tab "Money": equity of all from 100, how far each is ahead of the baseline, and the key figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from services import compare
from services.compare import Comparison
from ui import compare_runs, draw, text
from ui.charts.compare import Line, compared
from ui.theme import Figure


@st.cache_resource(max_entries=16, show_spinner=False)  # shared, not copied; nobody changes it afterwards
def _figure(key: tuple[Any, ...], names: tuple[str, ...], base: int, dark: bool, *, _found: Comparison) -> Figure:
    curves = compare.curves(_found)
    lines = []
    for side in _found.runs:
        mine = curves[curves["item"] == side.item]
        value, low, high = (mine[name].to_numpy() for name in ("value", "low", "high"))
        band = len(side.members) > 1
        lines.append(Line(side.number, f"{side.number} {side.label}", side.colour, value, low if band else None, high if band else None))
    return compared([str(day) for day in _found.days], lines, _holds(_found), base=base, dark=dark)


def _holds(found: Comparison) -> list[tuple[str, np.ndarray]]:
    lines = compare.holdings(found)
    if len(lines) == 1:
        return [("Buy and hold", lines[0].values)]
    return [(f"Buy and hold ({' '.join(line.numbers)})", line.values) for line in lines]


def section(found: Comparison, base: str) -> None:
    """The chart and what its lines are."""
    place = next(number for number, side in enumerate(found.runs) if side.item == base)
    fig = _figure(compare_runs.key(found), tuple(side.label for side in found.runs), place, draw.dark(), _found=found)
    draw.chart(fig, key="compare_equity", alt="Equity of every compared run and of buy and hold, from 100 at the first common session")
    whose = "all tickers together" if found.ticker == "total" else text.label(found.ticker)
    st.caption(
        f"Equity after costs, {whose}, set to 100 at the close of {found.days[0]}, the first of {len(found.days):,} common sessions. "
        "Below: how far each is ahead of the baseline, in percent of it. "
        + (
            "A shaded band goes from the lowest to the highest run of a seed group, its line is the median day by day. "
            if any(len(side.members) > 1 for side in found.runs)
            else ""
        )
    )
