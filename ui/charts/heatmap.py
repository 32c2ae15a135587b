"""Returns by month as a calendar: years down, months across, the run, buy-and-hold and their difference one below the other."""

from __future__ import annotations

import math

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ui import theme
from ui.charts.base import nothing

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
PARTS = (("equity", "Agent"), ("benchmark", "Buy and hold"), ("difference", "Agent minus buy and hold, in percentage points"))


def months(found: pd.DataFrame, years: pd.DataFrame, *, dark: bool, red_up: bool = False) -> go.Figure:
    """Three calendars with the same colour scale; the last column is the whole year. A star marks months and years that are not whole.

    ``found``: year, month, equity, benchmark, difference (fractions), partial. ``years``: the same without month.
    """
    if found.empty:
        return nothing("No month: no test session is recorded yet", dark=dark)
    names = sorted(found["year"].unique())
    height = 26 * len(names) + 34
    fig = make_subplots(
        rows=3, cols=1, shared_xaxes=True, subplot_titles=[title for _, title in PARTS], vertical_spacing=34 / (3 * height + 80)
    )
    most = max(0.02, float(found[["equity", "benchmark", "difference"]].abs().max().max()))
    for row, (column, _) in enumerate(PARTS, 1):
        cells = {(int(item["year"]), MONTHS[int(item["month"]) - 1]): item for item in found.to_dict("records")}
        cells |= {(int(item["year"]), "Year"): item for item in years.to_dict("records")}
        grid = [[cells.get((year, name)) for name in (*MONTHS, "Year")] for year in names]
        fig.add_heatmap(
            x=[*MONTHS, "Year"],
            y=[str(year) for year in names],
            z=[[_value(item, column) for item in line] for line in grid],
            text=[[_shown(item, column) for item in line] for line in grid],
            customdata=[[_hover(item, column) for item in line] for line in grid],
            texttemplate="%{text}",
            textfont={"size": 12, "color": theme.palette(dark).text},
            hovertemplate="%{x} %{y}: %{customdata}<extra></extra>",
            colorscale=_scale(dark, red_up),
            zmin=-most,
            zmax=most,
            showscale=False,
            xgap=2,
            ygap=2,
            hoverongaps=False,
            row=row,
            col=1,
        )
    theme.style(fig, dark, height=3 * height + 80, names=True)
    fig.update_layout(margin={"t": 34, "l": 8, "b": 28})
    fig.update_annotations(font={"size": 13, "color": theme.palette(dark).text}, x=0, xanchor="left")
    fig.update_xaxes(showgrid=False, zeroline=False, fixedrange=True)
    fig.update_yaxes(showgrid=False, zeroline=False, autorange="reversed", type="category", fixedrange=True)
    return fig


def _scale(dark: bool, red_up: bool) -> list[tuple[float, str]]:
    """From falling over nothing to rising, pale enough for the figures to be read on it."""
    up, down = theme.rising_falling(dark, red_up=red_up)
    return [(0.0, theme.fade(down, 0.6)), (0.5, theme.fade(theme.palette(dark).muted, 0.06)), (1.0, theme.fade(up, 0.6))]


def _value(item: dict[str, object] | None, column: str) -> float | None:
    value = item[column] if item else None
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _shown(item: dict[str, object] | None, column: str) -> str:
    value = _value(item, column)
    return "" if value is None or item is None else f"{100 * value:+.1f}{'*' if item['partial'] else ''}"


def _hover(item: dict[str, object] | None, column: str) -> str:
    value = _value(item, column)
    if value is None or item is None:
        return ""
    unit = f"{100 * value:+.2f} percentage points" if column == "difference" else f"{value:+.2%}"
    return f"{unit}{', not the whole of it' if item['partial'] else ''}"
