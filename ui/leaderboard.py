"""The leaderboard drawn: which market, the ranking with its yardsticks, and the runs below the line. Every choice is in the URL."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import streamlit as st

from services import leaderboard, luck
from services.leaderboard import MEASURES, Below, Board, Market, Row
from ui import cards, draw, format, page, text, url_state
from ui.charts.ranges import ranges
from ui.links import link

ROW, HEAD, MOST_ROWS = 35, 38, 16  # pixels, pixels, rows before a table scrolls
MOST_PLACED = 12  # rows given a place among random traders: up to a second each, the first time
MOST_COMPARED = 8  # sides the Compare page takes
NO_RANK = "–"
YARDSTICK = "yardstick"


@st.cache_data(max_entries=32, show_spinner=False)
def _markets(stamp: tuple) -> list[Market]:
    return leaderboard.markets()


@st.cache_data(max_entries=32, show_spinner=False)
def _board(stamp: tuple, key: str, by: str, singles: bool) -> Board:
    return leaderboard.board(key, by, singles=singles)


@st.cache_data(max_entries=256, show_spinner=False)
def _luck(store: object, run: str) -> tuple[float | None, str, int]:
    found = luck.of(run)
    return found.share, found.why, found.traders


# ------------------------------------------------------------------------------------------------------------------ choices


def market() -> Market | None:
    """The market in the URL, else the one with the most runs; None where there is no run at all."""
    known = {item.key: item for item in _markets(leaderboard.stamp())}
    if not known:
        return None
    asked = text.clean(st.query_params.get("market", ""), longest=80).strip()
    found = next((key for key in known if asked and asked.startswith(key)), None)
    if asked and found is None:
        st.warning("The market in this address has no runs here. Showing the one with the most.", icon="🔎")
    chosen = found or next(iter(known))
    st.session_state["_pick_market"] = chosen

    def picked() -> None:
        st.query_params["market"] = st.session_state["_pick_market"]
        st.query_params.pop("pick", None)

    names = _names(list(known.values()))
    st.selectbox(
        "Market and window",
        list(known),
        key="_pick_market",
        on_change=picked,
        format_func=lambda key: text.clean(names[key], longest=160),
        help="Runs can be ranked against each other where source, tickers, test window, costs and fills are the same.",
    )
    return known[chosen]


def _names(known: list[Market]) -> dict[str, str]:
    """What tells the markets apart; costs only where nothing else does."""
    plain = {item.key: f"{item.source} · {_tickers(item)} · {item.start} to {item.end}" for item in known}
    counts = Counter(plain.values())
    count = {item.key: f"{item.runs} run{'s' * (item.runs != 1)}" for item in known}
    return {
        item.key: " · ".join([plain[item.key], *([item.costs] if counts[plain[item.key]] > 1 else []), count[item.key]]) for item in known
    }


def _tickers(item: Market) -> str:
    return ", ".join(item.tickers[:4]) + (f" and {len(item.tickers) - 4} more" if len(item.tickers) > 4 else "")


def choices() -> tuple[str, bool]:
    """What is ranked by, and whether single seeds get a number too."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        by = url_state.choice(
            "by", tuple(MEASURES), label="Rank by the median of", shown={key: item.label for key, item in MEASURES.items()}
        )
        st.session_state["_singles"] = st.query_params.get("singles") == "1"

        def changed() -> None:
            if st.session_state["_singles"]:
                st.query_params["singles"] = "1"
            else:
                st.query_params.pop("singles", None)

        st.toggle(
            "Rank single seeds too",
            key="_singles",
            on_change=changed,
            help="One seed is one throw of the dice: it says nothing about what the next seed would do. Its mark stays.",
        )
    return by, st.query_params.get("singles") == "1"


def board(found: Market, by: str, singles: bool) -> Board:
    """The ranking, kept until a run changes."""
    return _board(leaderboard.stamp(), found.key, by, singles)


# --------------------------------------------------------------------------------------------------------------------- parts


def known_days(found: Board) -> None:
    """The banner for models that may remember the window: how many rows it is about, and what each is accused of."""
    warned = [row for row in found.rows if row.contamination.warns]
    if not warned:
        return
    with st.container(border=True):
        st.badge(f"{len(warned)} of {len(found.rows)} may know these days already", color="red", icon="⚠")
        for sentence in list(dict.fromkeys(row.contamination.sentence for row in warned))[:4]:
            text.plain(sentence)
        text.plain("A rank that rests on remembering is no evidence; compare such models only on days after their knowledge ends.")


def ranking(found: Board) -> list[Row]:
    """Chart and table; returns the rows that are ticked, or the first two."""
    listed = [*found.rows, *found.references]
    measure = found.measure
    if len(listed) > 1:
        frame = pd.DataFrame(
            {
                "name": [_name(row) for row in listed],
                "low": [row.spread.low for row in listed],
                "median": [row.spread.median for row in listed],
                "high": [row.spread.high for row in listed],
                "seeds": [row.spread.n for row in listed],
                "yardstick": [not ranked for ranked in _ranked(found)],
            }
        )
        fig = ranges(
            frame[[bool(row.runs) for row in listed]],
            label=f"{measure.label} ({'annual ratio' if measure.unit == 'ratio' else 'share of start capital'})",
            percent=measure.unit == "fraction",
            hold=found.hold,
            dark=draw.dark(),
        )
        draw.chart(fig, key="ranges", alt=f"{measure.label} of each seed group: median, and range from its lowest to its highest seed.")
    store = leaderboard.stamp()[0]
    with st.spinner("Drawing random traders with the same turnover and exposure…"):
        chosen = [row.group for row in listed if row.runs][:MOST_PLACED]
        places = [_luck(store, row.middle) if row.group in chosen else (None, "", 0) for row in listed]
    return _table(found, listed, places)


def _ranked(found: Board) -> list[bool]:
    return [True] * len(found.rows) + [False] * len(found.references)


def _name(row: Row) -> str:
    return f"{row.label} · {row.differs}" if row.differs else row.label


def _table(found: Board, listed: list[Row], places: list[tuple[float | None, str, int]]) -> list[Row]:
    asked = text.clean(st.query_params.get("pick", ""), longest=200).split("~")
    rows = [position for position, row in enumerate(listed) if row.group and row.group in asked]
    key = f"board_{found.market.key}_{found.measure.key}_{len(listed)}"

    def ticked() -> None:
        now = [listed[position].group for position in st.session_state[key]["selection"]["rows"] if position < len(listed)]
        if kept := [group for group in now if group]:
            st.query_params["pick"] = "~".join(kept[:MOST_COMPARED])
        else:
            st.query_params.pop("pick", None)

    st.dataframe(
        _shown(found, listed, places),
        hide_index=True,
        column_config=_config(found),
        key=key,
        on_select=ticked,
        selection_mode="multi-row",
        selection_default={"selection": {"rows": rows, "columns": [], "cells": []}},
        height=HEAD + ROW * min(MOST_ROWS, max(1, len(listed))),
        placeholder="n/a",
        alt="The leaderboard: one row per seed group",
    )
    return [listed[position] for position in rows] or [row for row in listed if row.runs][:2]


def _shown(found: Board, listed: list[Row], places: list[tuple[float | None, str, int]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "rank": [_place(row) if ranked else YARDSTICK for row, ranked in zip(listed, _ranked(found), strict=True)],
            "trader": [text.clean(_name(row), longest=200) for row in listed],
            "median": pd.to_numeric(pd.Series([row.spread.median for row in listed], dtype=object)),
            "range": [_range(row, found) for row in listed],
            "seeds": [len(row.runs) or None for row in listed],
            "marks": ["  ".join(cards.mark_text(mark) for mark in row.marks) for row in listed],
            "above": [_share(row) for row in listed],
            "luck": pd.to_numeric(pd.Series([share for share, _, _ in places], dtype=object)),
            "dsr": pd.to_numeric(pd.Series([row.dsr for row in listed], dtype=object)),
            "dsr_effective": pd.to_numeric(pd.Series([row.dsr_effective for row in listed], dtype=object)),
            "coverage": pd.to_numeric(pd.Series([row.coverage for row in listed], dtype=object)),
            "return": pd.to_numeric(pd.Series([row.medians.get("return") for row in listed], dtype=object)),
            "sharpe": pd.to_numeric(pd.Series([row.medians.get("sharpe") for row in listed], dtype=object)),
        }
    )


def _place(row: Row) -> str:
    """The number; of a single seed with the mark that it is none to rely on."""
    if row.rank is None:
        return NO_RANK
    return str(row.rank) if row.spread.n > 1 else f"{row.rank} ⚠\ufe0e"


def _range(row: Row, found: Board) -> str | None:
    """``2.23 to 2.55``; of one seed there is no range."""
    low, high = row.spread.low, row.spread.high
    if low is None or high is None or row.spread.n < 2:
        return None
    said = format.percent if found.measure.unit == "fraction" else format.number
    return f"{said(low)} to {said(high)}"


def _share(row: Row) -> str | None:
    """``5 of 5 (48 to 100 %)``: how many seeds beat buy and hold, with what so few leave open."""
    if not row.above.n or row.above.interval is None:
        return None
    low, high = (format.percent(edge, digits=0) for edge in (row.above.interval.low, row.above.interval.high))
    return f"{row.above.above} of {row.above.n} ({low} to {high})"


def _config(found: Board) -> dict:
    column, measure = st.column_config, found.measure
    form = "percent" if measure.unit == "fraction" else "%.2f"
    tried = found.trials
    return {
        "rank": column.TextColumn(
            "Rank",
            pinned=True,
            width=74,
            help="By the median over seeds. One seed has no rank, or one with a warning sign; yardsticks have none.",
        ),
        "trader": column.TextColumn(
            "Trader",
            width=258,
            help="What decided, then the settings in which the ranked groups differ. One row holds all runs that differ by nothing but the seed.",
        ),
        "median": column.NumberColumn(
            "Median", format=form, width=74, help=f"{measure.label}, over seeds, never the best one. {measure.help}"
        ),
        "range": column.TextColumn("Lowest to highest", width=122, help="The worst and the best seed; no group is ranked by either."),
        "seeds": column.NumberColumn("Seeds", format="%d", width=58, help="Finished runs that count, one per seed."),
        "marks": column.TextColumn("Marks", width=190, help="What to know before believing the row."),
        "above": column.TextColumn(
            "Seeds above buy and hold",
            width=168,
            help="With the exact 95 % binomial interval (Clopper-Pearson). Seeds share one price path: it speaks of the trader's noise only.",
        ),
        "luck": column.NumberColumn(
            "Luck: above random",
            format="percent",
            width=132,
            help="Share of 1,000 random traders, with the turnover and exposure of the median seed on the same prices, whose Sharpe is lower. "
            f"About 50 % is chance. n/a: it hardly traded, cannot be replayed, or stands below row {MOST_PLACED}; its Robustness page tells.",
        ),
        "dsr": column.NumberColumn(
            f"DSR, K {tried.count}",
            format="percent",
            width=96,
            help="Deflated Sharpe of the best seed: probability that its true Sharpe beats what the best of K lucky tries would show. "
            f"K = {tried.count}: every configuration and seed ever tried here, deleted runs included. Above 95 % is seldom luck.",
        ),
        "dsr_effective": column.NumberColumn(
            f"DSR, K eff. {tried.effective}",
            format="percent",
            width=112,
            help=f"The same with tries whose daily returns correlate above 0.8 counted once: {tried.effective}. Kinder than K {tried.count}.",
        ),
        "coverage": column.NumberColumn(
            "Coverage", format="percent", width=82, help="Lowest of the seeds: share of test days really decided."
        ),
        "return": column.NumberColumn("Return", format="percent", width=76, help="Median over seeds, after costs."),
        "sharpe": column.NumberColumn("Sharpe", format="%.2f", width=70, help="Median over seeds, annual, risk-free rate 0."),
    }


def onward(chosen: list[Row]) -> None:
    """Where a ticked row leads: side by side with the others, or to the run that stands for it."""
    with_runs = [row for row in chosen if row.runs][:MOST_COMPARED]
    if not with_runs:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if len(with_runs) > 1:
            link("compare", f"Compare these {len(with_runs)} seed groups", icon="→", cmp=",".join(f"g:{row.middle}" for row in with_runs))
        for row in with_runs[:2]:
            what = f"rank {row.rank}" if row.rank is not None else row.label[:40]
            link("overview", f"Open the median run of {what}", icon="→", run=row.middle)
    st.caption("Tick rows to compare others.")


def below(found: tuple[Below, ...]) -> None:
    """The runs that are in no median, each with the reason."""
    if not found:
        return
    st.subheader("Below the line", anchor=False)
    st.caption("In no median and without a rank. Their tries count all the same.")
    st.dataframe(
        pd.DataFrame(
            {
                "run": [item.run for item in found],
                "name": [text.clean(item.name, longest=120) for item in found],
                "trader": [text.clean(item.label, longest=80) for item in found],
                "seed": pd.array([item.seed for item in found], dtype="Int64"),
                "reason": [text.clean(item.reason, longest=400) for item in found],
            }
        ),
        hide_index=True,
        placeholder=format.UNKNOWN,
        column_config={
            "run": st.column_config.TextColumn("Run", width=100),
            "name": st.column_config.TextColumn("Name", width=170),
            "trader": st.column_config.TextColumn("Trader", width=170),
            "seed": st.column_config.NumberColumn("Seed", format="%d", width=56),
            "reason": st.column_config.TextColumn("Why it has no rank", width=520),
        },
        height=HEAD + ROW * min(MOST_ROWS, len(found)),
        alt="Runs without a rank, each with the reason",
    )


def explained(found: Board) -> None:
    """What the ranking rests on, in one place."""
    tried, market = found.trials, found.market
    when = f", from {tried.earliest:%Y-%m-%d} to {tried.latest:%Y-%m-%d}" if tried.earliest and tried.latest else ""
    text.plain(
        f"{market.source}, {_tickers(market)}, {market.start} to {market.end}; {market.costs}. "
        f"{tried.count} configuration{'s' * (tried.count != 1)} and seeds tried here{when}, deleted runs included; "
        f"counting those whose daily returns correlate above 0.8 once, {tried.effective}."
    )


def nothing() -> None:
    """A library without a run."""
    page.empty(
        "Nothing to rank yet",
        "A leaderboard ranks runs on the same market and window, by the median over their seeds. Start the same run with a few seeds.",
        ("new_run", "Set up a run"),
    )
