"""The list of days: what was decided, what it rested on, what came of it; a click on a row opens the day.

Filters, columns and order are part of the address. What the table needs is made once per run and kept; a filter only chooses rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from services import day_reads
from services.queries import RunView
from ui import cached, draw, pickers, run_view, text, theme, url_state
from ui.charts import decisions

STUDY = "study"
JUDGED = {1.0: "✓ right", -1.0: "✗ wrong", 0.0: "≈ inside costs"}
VERDICTS = {"right": "✓ right", "wrong": "✗ wrong", "inside": "≈ inside costs", "waiting": "… not yet"}  # in the address -> on screen
HEIGHT = 560
MOST_ROWS, FIRST_ROWS, ALL_ROWS = 500, 250, "all"  # two years at once; beyond, a table that can be ticked is sent in part
TRAITS = {"prompt cut": "cut", "left out": "left_out", "from cache": "cached", "second model": "helper_calls"}  # word -> column
KEPT = ("act", "by", "layer", "judged", "asked", "find", "cols", "sort", "rows")  # what a link back to the table must not lose
PINNED = ("day", "decision")


# -------------------------------------------------------------------------------------------------------- what can be a column


@dataclass(frozen=True)
class Column:
    """One column of the table: its heading, what it means with its unit, how it is drawn, and whether it is shown unasked."""

    label: str
    help: str
    draw: Callable[..., Any]
    width: int
    shown: bool = True
    form: str | None = None


def _number(label: str, **keys: Any) -> Any:
    return st.column_config.NumberColumn(label, **keys)


def _words(label: str, **keys: Any) -> Any:
    keys.pop("format", None)
    return st.column_config.TextColumn(label, **keys)


def _pills(label: str, **keys: Any) -> Any:
    keys.pop("format", None)
    return st.column_config.MultiselectColumn(label, **keys)


COLUMNS: Mapping[str, Column] = {
    "day": Column("Day", "Session of the decision, made at its close.", _words, 90),
    "decision": Column("Decision", "What was decided at the close; “no decision” is not a hold.", _pills, 115),
    "confidence": Column("Confidence", "Its own, 0 to 100 %.", _number, 85, form="%.0f %%"),
    "target": Column("Target", "Share of equity to hold after the next fill, in %.", _number, 65, form="%.0f %%"),
    "cited": Column("Cited", "Memories the decision rests on.", _number, 55, form="%d"),
    "layers": Column("Cited layers", "The layers the cited memories came from, with their number.", _words, 140, shown=False),
    "next_return": Column(
        "Next day", "Close to next close, splits accounted for: what the agent did not know yet.", _number, 75, form="%+.1f %%"
    ),
    "outcome": Column("Outcome", "Price move from the fill until the decision was judged, over its horizon.", _number, 75, form="%+.1f %%"),
    "judged": Column("Judged", "The decision's direction times that move, against twice the cost of a trade.", _words, 105),
    "result": Column(
        "Result",
        "That move in the direction of the decision: a sell gains by a fall. Before costs; one trade's own profit is on Trades.",
        _number,
        70,
        form="%+.1f %%",
    ),
    "credit": Column(
        "Credit",
        "Sum of the changes of importance (0 to 100 each) that the judgement of this decision gave to the memories it cited, when it was "
        "judged; on a training day, what its study gave.",
        _number,
        70,
        form="%+.1f",
    ),
    "order": Column("Order and fill", "Ordered at this close; filled in this session.", _words, 185),
    "who": Column("Decided by", "model, re-asked, cached, abstained, or rule (no language model).", _pills, 95),
    "asked": Column("Asked", "How the answer was bound to its form, and what happened to the prompt or the answer.", _words, 150),
    "tokens": Column("Tokens", "Asked and answered, as the backend counted.", _number, 70, form="localized"),
    "ms": Column("ms", "Wall clock of the day in milliseconds, model included.", _number, 60, form="localized"),
    "direction": Column("Expects", "The direction of the price it expected.", _words, 75, shown=False),
    "horizon": Column("Horizon", "Sessions after which it wanted to be judged.", _number, 70, shown=False, form="%d"),
    "weight": Column("Held", "Share of equity held at the close, in %.", _number, 60, shown=False, form="%.0f %%"),
    "equity": Column("Equity", "Own equity at the close, in money.", _number, 85, shown=False, form="localized"),
    "news": Column("News", "News items that became readable since the last close.", _number, 60, shown=False, form="%d"),
    "filings": Column("Filings", "Filing sections that became readable since the last close.", _number, 60, shown=False, form="%d"),
    "recalled": Column("Recalled", "Memories shown to the model.", _number, 70, shown=False, form="%d"),
    "changes": Column("Changes", "Events in memory in this session.", _number, 70, shown=False, form="%d"),
    "calls": Column("Calls", "Questions put to a model.", _number, 55, shown=False, form="%d"),
    "answered": Column("Answer tokens", "Tokens of the answers alone, as the backend counted.", _number, 95, shown=False, form="localized"),
    "limits": Column("Limited by", "Which limits changed what the decision asked for.", _words, 120, shown=False),
    "why": Column("In its own words", "The summary of the decision, or why there is none.", _words, 520),
}


# ------------------------------------------------------------------------------------------------------------- the rows, kept


@st.cache_data(max_entries=16, show_spinner=False)
def _credits(run: str, done: int, ticker: str) -> pd.DataFrame:
    return day_reads.credits(run, ticker)


@st.cache_data(max_entries=16, show_spinner=False)
def _layers(run: str, done: int, ticker: str) -> pd.DataFrame:
    return day_reads.cited_layers(run, ticker)


@st.cache_data(max_entries=16, show_spinner="Reading the days …")
def _rows(run: str, done: int, ticker: str, _view: RunView) -> pd.DataFrame:
    """Every day as the table shows it, newest first, and beside it what the filters ask for (columns with a leading underscore)."""
    days = cached.days(_view, ticker).sort_values("day", ascending=False).reset_index(drop=True)
    rows = days.to_dict("records")
    credit = _credits(run, done, ticker).groupby("day")["credit"].sum()
    return pd.DataFrame(
        {
            "day": [str(day) for day in days["day"]],
            "decision": [_pill(_word(row)) for row in rows],
            "confidence": 100 * days["confidence"],
            "target": 100 * days["target_weight"],
            "who": [run_view.deciders(_view, value) for value in days["provenance"]],
            "cited": days["cited_count"],
            "order": [_traded(row) for row in rows],
            "next_return": 100 * days["next_return"],
            "outcome": 100 * days["outcome"].astype(float),
            "judged": [_judgement(row) for row in rows],
            "result": 100 * days["outcome"].astype(float) * days["action"].map({"buy": 1.0, "sell": -1.0}).astype(float),
            "credit": days["day"].map(credit).astype(float),
            "asked": [_asked(row) for row in rows],
            "tokens": days["prompt_tokens"] + days["answer_tokens"],
            "ms": (days["ms"] + days["model_ms"]).round(),
            "direction": [_plain(row["expected_direction"]) for row in rows],
            "horizon": days["horizon_sessions"],
            "weight": 100 * days["weight"],
            "equity": days["equity"].round(2),
            "news": days["news"],
            "filings": days["filings"],
            "recalled": days["recalled_count"],
            "changes": days["event_count"],
            "calls": days["calls"],
            "answered": days["answer_tokens"],
            "limits": [_plain(row["clipped_by"]).strip("[]").replace('"', "") for row in rows],
            "why": [text.clean(_said(row), longest=200) for row in rows],
            "_date": days["day"],
            "_word": [_word(row) for row in rows],
            "_sought": [_searchable(row) for row in rows],
            **{f"_{name}": days[name] for name in TRAITS.values()},
        }
    )


def _word(row: Mapping[str, Any]) -> str:
    if row["phase"] == "train":
        return STUDY
    return theme.verdict(row["action"] if isinstance(row["action"], str) else None)


def _pill(word: str) -> str:
    return f"{theme.GLYPHS.get(word, '✎')} {word}"


def _plain(value: object) -> str:
    return text.clean(value, longest=120) if isinstance(value, str) else ""


def _searchable(row: Mapping[str, Any]) -> str:
    parts = (row["day"], row["summary"], row["abstained"], row["order_reason"], row["settled_reason"], row["flags"], row["clipped_by"])
    return " ".join(str(part) for part in parts if isinstance(part, (str, date))).casefold()


def _asked(row: Mapping[str, Any]) -> str:
    """The way, and in words what a reader should know of the day's calls."""
    parts = ["⚠\ufe0e cut"] if row["cut"] else []
    parts += [f"{row['left_out']} left out"] if row["left_out"] else []
    parts += [text.clean(row["way"], longest=30)] if isinstance(row["way"], str) else []
    parts += ["cached"] if row["cached"] else []
    parts += [f"{row['helper_calls']} by a second model"] if row["helper_calls"] else []
    return ", ".join(parts)


def _traded(row: Mapping[str, Any]) -> str:
    parts = []
    if isinstance(row["order_status"], str):
        status = "ordered" if row["order_status"] == "pending" else row["order_status"]
        parts.append(f"{status} {row['order_weight']:.0%}")
    if row["fill_count"]:
        parts.append(f"{'bought' if row['fill_shares'] > 0 else 'sold'} {abs(row['fill_shares']):,.1f} at {row['fill_price']:,.2f}")
    return ", ".join(parts)


def _judgement(row: Mapping[str, Any]) -> str:
    if row["phase"] == "train" or row["action"] not in ("buy", "sell"):
        return ""
    return JUDGED.get(row["verdict"], "… not yet" if row["order_status"] != "rejected" else "")


def _said(row: Mapping[str, Any]) -> str:
    return next((row[key] for key in ("abstained", "summary") if isinstance(row[key], str) and row[key]), "")


# ------------------------------------------------------------------------------------------------------------------ the filters


def filtered(view: RunView, ticker: str) -> tuple[pd.DataFrame, int]:
    """The days that pass the filters drawn here, all of them in the address, newest first; and how many days there are."""
    rows = _rows(view.id, view.done, ticker, view)
    words = [word for word in (*theme.GLYPHS, STUDY) if (rows["_word"] == word).any()]
    left, middle, right = st.columns([2.4, 1.6, 2], vertical_alignment="bottom")
    with left:
        actions = url_state.several("act", words, label="Decision", shown={word: _pill(word) for word in words})
    with middle:
        makers = url_state.several("by", sorted(set(rows["who"]) - {""}), label="Decided by")
    with right:
        sought = url_state.words("find", label="Find", placeholder="words of the summary, a day, a reason").casefold()
    kept = pd.Series(True, index=rows.index)
    if actions:
        kept &= rows["_word"].isin(actions)
    if makers:
        kept &= rows["who"].isin(makers)
    if sought:
        kept &= rows["_sought"].str.contains(sought, regex=False)
    return rows[kept & _evidence(view, ticker, rows)].reset_index(drop=True), len(rows)


def _evidence(view: RunView, ticker: str, rows: pd.DataFrame) -> pd.Series:
    """The second line of filters: what the decision rested on, what became of it, how it was asked."""
    kept = pd.Series(True, index=rows.index)
    layers = [layer.name for layer in view.spec.memory.layers]
    verdicts = [word for word, shown in VERDICTS.items() if (rows["judged"] == shown).any()]
    traits = [name for name, column in TRAITS.items() if (rows[f"_{column}"] > 0).any()]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        if (rows["cited"] > 0).any():
            shown = {name: f"{theme.LAYER_GLYPHS.get(name, '◌')} {name}" for name in layers}
            if chosen := url_state.several("layer", layers, label="Cites a memory of", shown=shown):
                found = _layers(view.id, view.done, ticker)
                kept &= rows["_date"].isin(set(found.loc[found["layer"].isin(chosen), "day"]))
        if verdicts and (chosen := url_state.several("judged", verdicts, label="Judged", shown=VERDICTS)):
            kept &= rows["judged"].isin([VERDICTS[word] for word in chosen])
        for name in url_state.several("asked", traits, label="How it was asked") if traits else []:
            kept &= rows[f"_{TRAITS[name]}"] > 0
    return kept


# ---------------------------------------------------------------------------------------------------------- columns and order


def columns_and_order(rows: pd.DataFrame) -> tuple[list[str], str, bool]:
    """The chosen columns, the one to sort by, and whether from small to large; both in the address, chosen behind one button."""
    usual = [name for name, column in COLUMNS.items() if column.shown and (name != "asked" or (rows["asked"] != "").any())]
    asked = [name for name in _read("cols").split("~") if name in COLUMNS]
    columns = [name for name in COLUMNS if name in (*PINNED, *asked)] if asked else usual
    sort = _read("sort")
    by, rising = sort.removeprefix("-"), not sort.startswith("-")
    if by not in COLUMNS:
        by, rising = "day", False
    box = st.popover("Columns and order", icon=":material/view_column:", on_change="rerun", key="_columns")
    if box.open:
        with box:
            _column_picker(columns, usual)
            _order_picker(by, rising)
    return columns, by, rising


def _column_picker(columns: list[str], usual: list[str]) -> None:
    free = [name for name in COLUMNS if name not in PINNED]
    st.session_state["_pick_cols"] = [name for name in columns if name in free]

    def changed() -> None:
        now = [name for name in free if name in st.session_state["_pick_cols"]]
        same = now == [name for name in usual if name in free] or not now
        _write("cols", "" if same else "~".join(now))

    st.pills(
        "Columns",
        free,
        selection_mode="multi",
        wrap=True,
        key="_pick_cols",
        on_change=changed,
        format_func=lambda name: COLUMNS[name].label,
        help="Part of the address, so a link shows the same columns. None chosen shows the usual ones.",
    )


def _order_picker(by: str, rising: bool) -> None:
    st.session_state["_pick_sort"], st.session_state["_pick_rising"] = by, "smallest first" if rising else "largest first"

    def changed() -> None:
        chosen, up = st.session_state["_pick_sort"], st.session_state["_pick_rising"] == "smallest first"
        _write("sort", "" if (chosen, up) == ("day", False) else chosen if up else f"-{chosen}")

    st.selectbox("Order by", list(COLUMNS), key="_pick_sort", on_change=changed, format_func=lambda name: COLUMNS[name].label)
    st.segmented_control(
        "Direction", ["largest first", "smallest first"], key="_pick_rising", required=True, on_change=changed, label_visibility="collapsed"
    )


def kept() -> dict[str, str]:
    """The filters, columns and order that are set, for a link back to the same table."""
    return {key: _read(key) for key in KEPT if _read(key)}


def _read(key: str) -> str:
    return text.clean(st.query_params.get(key, ""), longest=400).strip()


def _write(key: str, value: str) -> None:
    if value:
        st.query_params[key] = value
    else:
        st.query_params.pop(key, None)


def ordered(rows: pd.DataFrame, by: str, rising: bool) -> pd.DataFrame:
    """The rows by one column; what has no value comes last either way, and equals stay newest first."""
    if by == "day":
        return rows.iloc[::-1].reset_index(drop=True) if rising else rows
    values = rows[by].replace("", None) if rows[by].dtype == object else rows[by]
    return (
        rows.assign(_by=values)
        .sort_values("_by", ascending=rising, kind="stable", na_position="last")
        .drop(columns="_by")
        .reset_index(drop=True)
    )


# -------------------------------------------------------------------------------------------------------------- strip and table


@st.cache_resource(max_entries=24, show_spinner=False)  # handed out without a copy: drawing only reads it, and building it is slow
def _figure(run: str, done: int, ticker: str, kept: tuple[date, ...] | None, dark: bool, red_up: bool, _view: RunView) -> theme.Figure:
    days = cached.days(_view, ticker)[["day", "phase", "action", "confidence"]]
    return decisions.strip(cached.equity(_view, ticker), days, dark=dark, red_up=red_up, kept=kept)


def strip(view: RunView, ticker: str, kept: pd.DataFrame | None) -> None:
    """The run at a glance above the table; a click on a decision opens its day. ``kept``: only these days are marked, None: all."""
    figure = _figure(view.id, view.done, ticker, None if kept is None else tuple(kept["_date"]), draw.dark(), draw.red_up(), view)

    def clicked() -> None:
        if day := draw.clicked(st.session_state["days_strip"]):
            pickers.write(day=day, step=None)

    st.plotly_chart(
        figure,
        theme=None,
        key="days_strip",
        config={**draw.CONFIG, "displayModeBar": False},
        on_select=clicked,
        selection_mode="points",
        alt="Return of the agent and of buy and hold, the agent's drawdown, and a mark for every decision; click a mark to open its day",
    )


def sent(total: int) -> int:
    """How many rows are sent to the browser: all, or of a long run the first, more where they are wished for."""
    if total <= MOST_ROWS:
        return total
    return FIRST_ROWS if url_state.choice("rows", (str(FIRST_ROWS), ALL_ROWS), label="Rows") != ALL_ROWS else total


def table(view: RunView, ticker: str, rows: pd.DataFrame, columns: Sequence[str]) -> None:
    """One row per day in the order given. Text cells are inert; a click writes the day into the URL."""
    order = list(rows["day"])

    def picked() -> None:
        chosen = st.session_state["days_table"]["selection"]["rows"]
        if chosen:
            pickers.write(day=order[chosen[0]], step=None)

    shown = rows[[name for name in columns if name != "layers"]].copy()
    for name in ("decision", "who"):
        if name in shown:
            shown[name] = [[value] if value else [] for value in shown[name]]
    if "layers" in columns:
        shown["layers"] = rows["_date"].map(_layer_words(view, ticker)).fillna("")
    st.dataframe(
        shown,
        key="days_table",
        on_select=picked,
        selection_mode="single-row",
        hide_index=True,
        height=min(HEIGHT, 38 + 35 * max(1, len(rows))),
        alt="One row per day: decision, evidence, order, outcome and cost",
        placeholder="",
        column_order=list(columns),
        column_config={name: _config(name, COLUMNS[name]) for name in columns},
    )


def _layer_words(view: RunView, ticker: str) -> dict[date, str]:
    """Day to its cited layers in words: ◔ short 2, ● long 1."""
    order = {layer.name: place for place, layer in enumerate(view.spec.memory.layers)}
    found: dict[date, list[tuple[int, str]]] = {}
    for row in _layers(view.id, view.done, ticker).to_dict("records"):
        words = f"{theme.LAYER_GLYPHS.get(row['layer'], '◌')} {text.clean(row['layer'], longest=32)} {row['cited']}"
        found.setdefault(row["day"], []).append((order.get(row["layer"], 99), words))
    return {day: ", ".join(words for _, words in sorted(parts)) for day, parts in found.items()}


def _config(name: str, column: Column) -> Any:
    keys: dict[str, Any] = {"width": column.width, "help": column.help, "format": column.form, "pinned": name in PINNED or None}
    if name == "decision":
        words = [*theme.GLYPHS, STUDY]
        colours = [theme.action_badge(word, red_up=draw.red_up()) for word in words]
        keys |= {"options": [_pill(word) for word in words], "color": colours}
    if name == "who":
        keys |= {"options": list(theme.PROVENANCE), "color": [colour for colour, _ in theme.PROVENANCE.values()]}
    return column.draw(column.label, **keys)
