"""The first thing on the Compare page: who is compared, with the few figures people ask for first and what stands against them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from agent.errors import RecollectError
from agent.evaluation.metrics import METRICS
from agent.evaluation.seeds import Spread
from services import compare, compare_figures, luck, luck_words, queries
from services.compare import Comparison, Side
from services.compare_figures import Figures, Row
from ui import cards, draw, format, run_facts, text

KEY = ("cum_return", "sharpe", "max_drawdown")
LUCK = "Share of 1,000 random traders with the same turnover and exposure that had a lower Sharpe."
WORDS = {"better": "▲ better", "worse": "▼ worse", "equal": "= equal"}


@st.cache_data(max_entries=16, show_spinner="Measuring")
def _measured(key: tuple[Any, ...], *, _found: Comparison) -> Figures:
    return compare_figures.measured(_found)


def key(found: Comparison) -> tuple[Any, ...]:
    """What identifies a comparison to a cache."""
    members = tuple((member.view.id, member.view.done) for side in found.runs for member in side.members)
    return (tuple(side.item for side in found.runs), found.ticker, members)


def measured(found: Comparison) -> Figures:
    """All metrics of all sides; computed once."""
    return _measured(key(found), _found=found)


def word(verdict: str) -> str:
    """better or worse, with its glyph; without a word on chance, which stands where the intervals are."""
    return WORDS.get(verdict.split(",")[0], "")


def notes(found: Comparison) -> None:
    """How they were made comparable, and what stands against it."""
    if found.notes:
        with st.container(border=True, key="compare_notes"):
            text.plain("\n".join(f"• {note}" for note in found.notes))


@st.cache_resource(show_spinner=False)
def _shelf() -> dict[tuple[str, int, str], str]:
    """What is known of runs' luck in this process: a page can see whether it has to wait for it."""
    return {}


def _luck(side: Side, ticker: str) -> tuple[str, int, str]:
    return (side.id, side.view.done, ticker)


def table(found: Comparison, base: str) -> Callable[[], None]:
    """One row for each side, and for buy and hold. What is returned draws it again with the luck of each beside its Sharpe: call it last, for
    a thousand random traders for each run take a moment."""
    place, key = st.empty(), "_".join(side.item.replace(":", "") for side in found.runs)
    known = _shelf()
    missing = [side for side in found.runs if _luck(side, found.ticker) not in known]
    _drawn(place, found, base, key=f"compare_table_{key}_{len(missing)}")

    def finish() -> None:
        if not missing:
            return
        with st.spinner("Putting each beside a thousand random traders"):
            for side in missing:
                known[_luck(side, found.ticker)] = _by_lot(side, found.ticker)
        _drawn(place, found, base, key=f"compare_table_{key}_0")

    return finish


def _by_lot(side: Side, ticker: str) -> str:
    try:
        result = luck.of(side.id, ticker)
    except RecollectError:
        return "n/a"
    return "n/a" if result.share is None else luck_words.share(result)


def _drawn(place: Any, found: Comparison, base: str, *, key: str) -> None:
    figures = measured(found)
    rows = {row.metric.key: row for row in compare_figures.rows(found, figures, base)}
    known = _shelf()
    listed = [{**_row(side, base, figures, rows), "luck": known.get(_luck(side, found.ticker), "…")} for side in found.runs]
    listed += [_hold(item) for item in compare.holdings(found) if found.days]
    grouped = any(side.grouped for side in found.runs)
    shown = [name for name in _config() if grouped or name != "spread"]
    place.dataframe(
        pd.DataFrame(listed),
        hide_index=True,
        key=key,
        column_config=_config(),
        column_order=shown,
        height="content",
        placeholder=format.UNKNOWN,
        alt="The compared runs with model, tickers, seeds, key figures, luck, marks and a link to each overview",
    )


def _row(side: Side, base: str, figures: Figures, rows: dict[str, Row]) -> dict[str, object]:
    values = figures[side.item]
    told: dict[str, object] = {
        "run": f"{side.number} {text.clean(side.label, longest=80)}",
        "decided by": text.clean(side.view.model_label, longest=60),
        "tickers": text.clean(", ".join(side.view.spec.tickers), longest=60),
        "seeds": ", ".join(map(str, side.seeds[:6])) + ("…" if len(side.seeds) > 6 else ""),
        "spread": _spread(values["cum_return"], "fraction") if side.grouped else "",
        "coverage": _lowest([member.view.summary.get("coverage") for member in side.members]),
        "marks": "  ".join(cards.mark_text(mark) for mark in _marks(side)),
        "open": f"overview?run={side.id}{'&red=1' if draw.red_up() else ''}",
    }
    for name in KEY:
        told[name] = values[name].median
    told["error"] = values["sharpe_se"].median
    for name, column in (("cum_return", "return against"), ("sharpe", "sharpe against")):
        told[column] = "baseline" if side.item == base else against(rows[name], side.item) if name in rows else ""
    return told


def _hold(item: compare.Holding) -> dict[str, object]:
    found = compare_figures.holding(item)
    return {"run": f"Buy and hold ({' '.join(item.numbers)})", **{name: found[name] for name in KEY}, "error": found["sharpe_se"]}


def _marks(side: Side) -> list[str]:
    """The marks of every run of the side, each once, and that a result rests on one seed."""
    found = list(dict.fromkeys(mark for member in side.members for mark in queries.marks(member.view)))
    return [*(["single seed"] if side.single_seed else []), *found]


def _lowest(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return min(known) if known else None


def _spread(found: Spread, unit: str) -> str:
    return "" if found.low is None or found.high is None else f"{run_facts.shown(found.low, unit)} … {run_facts.shown(found.high, unit)}"


def against(row: Row, item: str) -> str:
    """The difference to the baseline in the metric's own unit, and whether it is better; empty where it is not defined."""
    found = row.against[item]
    if found.difference is None:
        return ""
    shown = gap(found.difference, row.metric.unit)
    nothing = not any(digit in shown for digit in "123456789")  # better by less than a digit shown is no news
    return f"{shown.lstrip('+-')} = equal" if nothing and word(found.verdict) else f"{shown} {word(found.verdict)}".strip()


def gap(value: float, unit: str) -> str:
    """A difference with its sign: percentage points where the figure is a percentage."""
    if unit == "fraction":
        return format.points(value)
    return f"{'+' if value > 0 else ''}{run_facts.shown(value, unit)}"


def _config() -> dict[str, Any]:
    column = st.column_config
    return {
        "run": column.TextColumn("Run", pinned=True, width=190, help="The number stands at the end of its line in the chart."),
        "cum_return": column.NumberColumn(
            "Return", format="percent", width=74, help=f"{METRICS['cum_return'].help} Median of a seed group."
        ),
        "return against": column.TextColumn("Against baseline", width=128, help="Return minus that of the baseline, in percentage points."),
        "spread": column.TextColumn("Lowest … highest", width=126, help="Returns of the runs of a seed group."),
        "sharpe": column.NumberColumn("Sharpe", format="%.2f", width=64, help=METRICS["sharpe"].help),
        "error": column.NumberColumn("± error", format="%.2f", width=64, help=METRICS["sharpe_se"].help),
        "luck": column.TextColumn(
            "Among random", width=104, help=f"{LUCK} Over the run's own whole window; of a group, the run that stands for it."
        ),
        "sharpe against": column.TextColumn("Sharpe against", width=116, help="Sharpe minus that of the baseline."),
        "max_drawdown": column.NumberColumn("Drawdown", format="percent", width=82, help=METRICS["max_drawdown"].help),
        "open": column.LinkColumn(
            "Open", display_text="Overview", width=78, help="The run itself; of a seed group the run that stands for it."
        ),
        "marks": column.TextColumn("Marks", width=230, help="What to know before believing a figure."),
        "decided by": column.TextColumn("Decided by", width=130, help="The model, or the rules or strategy without one."),
        "tickers": column.TextColumn("Tickers", width=130),
        "seeds": column.TextColumn("Seeds", width=80, help="Different seeds of the runs compared."),
        "coverage": column.NumberColumn(
            "Coverage", format="percent", width=80, help="Lowest share of test days with a decision, whole run."
        ),
    }
