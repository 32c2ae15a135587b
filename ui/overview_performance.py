"""The money on the overview: one figure at a time, chosen in the URL, and the table of all metrics with their intervals."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from agent.evaluation.intervals import Interval
from agent.evaluation.rolling import WINDOWS
from services import performance, queries
from services.performance import Estimate, Estimates
from services.queries import RunView
from ui import baselines, cached, draw, format, page, run_facts, text, url_state
from ui.charts.equity import equity as equity_chart
from ui.charts.equity import underwater as underwater_chart
from ui.charts.heatmap import months as months_chart
from ui.charts.price import price as price_chart
from ui.charts.rolling import rolling as rolling_chart
from ui.theme import Figure

VIEWS = {"equity": "Equity", "prices": "Prices and trades", "falls": "Falls", "rolling": "Rolling", "months": "Months"}
TITLES = {
    "equity": "Equity and drawdown against buy and hold",
    "falls": "Below the peak so far, and the deepest falls",
    "rolling": "Rolling figures against buy and hold",
    "months": "Returns by month against buy and hold",
}
ABOUT = {21: "a month", 63: "a quarter", 126: "half a year", 252: "a year"}


@st.cache_data(max_entries=16, show_spinner="Redrawing the days ten thousand times")
def _estimates(run: str, done: int, whose: str) -> Estimates:
    frame, fills = queries.equity(run, whose), queries.fills(run, None if whose == queries.TOTAL else whose)
    return performance.estimates(frame, performance.figures(run, whose), fills=fills)


@st.cache_resource(max_entries=32, show_spinner=False)
def _figure(chart: str, run: str, done: int, whose: str, dark: bool, red_up: bool, window: int, *, _frame: pd.DataFrame) -> Figure:
    """Kept whole, not copied: building it anew costs more than everything else on the page. Nobody changes it afterwards."""
    if chart == "falls":
        return underwater_chart(_frame, performance.falls(_frame), dark=dark)
    if chart == "rolling":
        return rolling_chart(performance.rolled(_frame, window), dark=dark, window=window)
    if chart == "months":
        found = performance.months(_frame)
        return months_chart(found, performance.years(found), dark=dark, red_up=red_up)
    return equity_chart(_frame, dark=dark)


def _draw(chart: str, view: RunView, whose: str, frame: pd.DataFrame, *, alt: str, window: int = 0) -> None:
    fig = _figure(chart, view.id, view.done, whose, draw.dark(), draw.red_up(), window, _frame=frame)
    draw.chart(fig, key=chart, alt=alt)


def whose_money(view: RunView) -> str:
    """All tickers together, or one; ``of=`` in the URL. No choice where there is one ticker."""
    tickers = view.spec.tickers
    if len(tickers) == 1:
        return tickers[0]
    return url_state.choice("of", [queries.TOTAL, *tickers], label="Whose money", shown={queries.TOTAL: "all tickers"})


def money(view: RunView, ticker: str) -> str:
    """One figure, chosen by ``chart=``; returns whose money the page is about (``of=``)."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        shown = url_state.choice("chart", list(VIEWS), label="Figure", shown=VIEWS)
        whose = whose_money(view)
    if shown == "prices":
        _prices(view, ticker)
        return whose
    st.subheader(TITLES[shown], anchor=False)
    frame = cached.equity(view, whose)
    {"equity": _equity, "falls": _falls, "rolling": _rolling, "months": _months}[shown](view, whose, frame)
    return whose


def _equity(view: RunView, whose: str, frame: pd.DataFrame) -> None:
    found = baselines.made(view)
    if not baselines.chart(view, whose, frame, found):
        _draw("equity", view, whose, frame, alt="Equity and drawdown of the run and of buy and hold")
    baselines.section(view, whose, found)


def _prices(view: RunView, ticker: str) -> None:
    """The ticker's prices with every fill; a click on a day leads to its trace."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.subheader(f"{text.label(ticker)}: prices and trades", anchor=False, width="content")
        span = url_state.choice("span", queries.spans(view.id, ticker), label="Window")
    bars, fills, orders = queries.trades_in(view.id, ticker, span)
    fig = price_chart(bars, fills, dark=draw.dark(), red_up=draw.red_up(), orders=orders)
    day = draw.clickable(fig, key=f"price_{ticker}_{span}", alt=f"Prices of {ticker} with the fills of the run")
    st.caption("Click a candle or a marker to open that day: what the agent saw, remembered, was asked and answered.")
    if day:
        page.go("days", run=view.id, ticker=ticker, day=day)


def _falls(view: RunView, whose: str, frame: pd.DataFrame) -> None:
    found = performance.falls(frame)
    _draw("falls", view, whose, frame, alt="Distance of equity from its last peak, deepest falls marked")
    if found.empty:
        text.plain("The run was never below an earlier peak.")
        return
    st.caption("A band reaches from the peak to the day the peak was regained, or to the end of the run. What lies behind a fall:")
    with st.container(horizontal=True, gap="medium"):
        for number, fall in enumerate(found.to_dict("records"), 1):
            label = f"Fall {number} ({format.percent(fall['depth'])}, lowest {fall['trough']})"
            page.link("overview", label, icon="→", run=view.id, of=_of(whose), chart="falls", worst=f"fall-{whose}-{fall['trough']}")


def _of(whose: str) -> str | None:
    return None if whose == queries.TOTAL else whose


def _rolling(view: RunView, whose: str, frame: pd.DataFrame) -> None:
    possible = performance.windows(frame)
    default = "63" if 63 in possible else str(possible[-1]) if possible else "21"
    names = {str(window): f"{window} sessions, {ABOUT[window]}" for window in WINDOWS}
    window = int(url_state.choice("roll", list(names), label="Window", default=default, shown=names))
    _draw("rolling", view, whose, frame, window=window, alt=f"Return, volatility, Sharpe and beta over the last {window} sessions")
    if window not in possible:
        text.plain(f"This run has {len(frame)} sessions: too short for a window of {window}. " + _instead(possible))
        return
    st.caption(
        f"Each point uses the {window} daily returns up to its day; the first one is {frame['day'].iloc[window]}. Return is that of the window, "
        "not of a year. Volatility and Sharpe are annual, risk-free rate 0. Beta is the slope on buy and hold. "
        f"Neighbouring points share {window - 1} of their {window} days, so a trend in these lines is weaker evidence than it looks."
    )


def _instead(possible: list[int]) -> str:
    return f"Choose {possible[-1]} sessions or fewer." if possible else f"The shortest window needs {WINDOWS[0] + 1} sessions."


def _months(view: RunView, whose: str, frame: pd.DataFrame) -> None:
    found = performance.months(frame)
    _draw("months", view, whose, frame, alt="Returns by month and year of the run, of buy and hold, and their difference")
    partial = [f"{item['first']} to {item['last']}" for item in found[found["partial"]].to_dict("records")]
    said = f"A star marks a month or year of which the run saw only part: {', '.join(partial)}. " if partial else "All months are whole. "
    st.caption(
        f"In percent. {said}A month's return is its last equity over the last equity of the month before; months compound to the year. "
        "A year with a star has fewer than twelve whole months."
    )


# -------------------------------------------------------------------------------------------------------------------- metrics


def metrics(view: RunView, whose: str) -> None:
    """All metrics with their intervals, in two tables: what buy and hold has too, and what only a trader has."""
    found, frame = _estimates(view.id, view.done, whose), cached.equity(view, whose)
    if frame.empty:
        text.plain("No test session yet: there is nothing to measure.")
        return
    rival = [item for item in found.rows if item.benchmark is not None and item.metric.key != "n"]
    _table(
        rival, tuple(name for name, _, _ in COLUMNS), key="metrics_table", alt="Metrics of the run, of buy and hold, and their difference"
    )
    st.caption("And what has no counterpart in buying and holding:")
    own = [item for item in found.rows if item not in rival]
    _table(own, ("run", "interval", "unit"), key="own_metrics_table", alt="Metrics of the run alone")
    days = (
        f"From {frame['day'].iloc[0]} to {frame['day'].iloc[-1]}, {found.returns:,} daily returns; 252 sessions a year, risk-free rate 0. "
    )
    st.caption(days + _method(found))


def _table(rows: list[Estimate], shown: tuple[str, ...], *, key: str, alt: str) -> None:
    """Metrics one below the other; the last column is the definition."""
    right = ("run", "interval", "buy and hold", "difference", "its interval", "chance")
    frame = pd.DataFrame([_row(item) for item in rows], columns=["metric", *shown, "definition"])
    st.dataframe(
        frame,
        hide_index=True,
        key=key,
        alt=alt,
        height="content",
        column_config={
            "metric": st.column_config.TextColumn("Metric", width=WIDTHS["metric"], pinned=True),
            **{
                name: st.column_config.TextColumn(label, help=help_, width=WIDTHS.get(name), alignment="right" if name in right else None)
                for name, label, help_ in COLUMNS
                if name in shown
            },
            "definition": st.column_config.TextColumn(
                "Definition", width="large", help="How it is computed; click a cell to read all of it."
            ),
        },
    )


WIDTHS = {"metric": 150, "run": 70, "interval": 135, "buy and hold": 95, "difference": 85, "its interval": 140, "verdict": 140}  # pixels
VERDICTS = {
    "better": "▲ better",
    "worse": "▼ worse",
    "better, unclear": "△ better or chance",
    "worse, unclear": "▽ worse or chance",
    "better, untested": "△ better, untested",
    "worse, untested": "▽ worse, untested",
    "equal": "＝ equal",
    "": "",
}


def table(found: Estimates, frame: pd.DataFrame) -> None:
    """Every metric of the run beside buy-and-hold: value, interval, difference with its interval, unit and definition."""
    if frame.empty:
        text.plain("No test session yet: there is nothing to measure.")
        return
    rows = [_row(item) for item in found.rows]
    right = ("run", "interval", "buy and hold", "difference", "its interval")
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="metrics_table",
        alt="All metrics of the run, of buy and hold, and their difference, with 95 % intervals",
        height="content",
        column_config={
            "metric": st.column_config.TextColumn("Metric", width=WIDTHS["metric"], pinned=True),
            **{
                name: st.column_config.TextColumn(label, help=help_, width=WIDTHS.get(name), alignment="right" if name in right else None)
                for name, label, help_ in COLUMNS
            },
            "definition": st.column_config.TextColumn(
                "Definition", width="large", help="How it is computed; click a cell to read all of it."
            ),
        },
    )
    days = (
        f"From {frame['day'].iloc[0]} to {frame['day'].iloc[-1]}, {found.returns:,} daily returns; 252 sessions a year, risk-free rate 0. "
    )
    st.caption(days + _method(found))


COLUMNS = (
    ("run", "Run", "The figure of the run, after costs, over the test window."),
    ("interval", "95 % interval", "Where the figure may lie given the luck of the days; or why there is no interval."),
    ("buy and hold", "Buy and hold", "The same figure of buying the same tickers at the same first fill and holding them."),
    ("difference", "Difference", "Run minus buy and hold; percentage points where the figure is a percentage."),
    (
        "its interval",
        "95 % of the difference",
        "Run and buy and hold redrawn with the same days, so that what the market did to both cancels.",
    ),
    (
        "verdict",
        "Against holding",
        "By the direction that is good for this figure. Or chance: the interval of the difference holds zero. Untested: it has no interval.",
    ),
    ("chance", "Not better", "Share of the redrawn histories in which the run was not better than buy and hold."),
    ("unit", "Unit", "Fractions are shown as percent."),
)
UNITS = {
    "fraction": "percent",
    "ratio": "ratio",
    "money": "currency",
    "bars": "sessions",
    "log": "natural log",
    "returns": "daily returns",
    "count": "decisions",
}


def _row(item: Estimate) -> dict[str, str]:
    unit = item.metric.unit
    return {
        "metric": item.metric.label,
        "run": run_facts.shown(item.value, unit),
        "interval": _span(item.interval, unit) if item.interval else f"n/a: {item.why}" if item.why else "",
        "buy and hold": run_facts.shown(item.benchmark, unit),
        "difference": _gap(item.difference, unit),
        "its interval": _span(item.difference_interval, unit, gap=True) if item.difference_interval else "",
        "verdict": VERDICTS[item.verdict],
        "chance": format.percent(item.not_better) if item.not_better is not None else "",
        "unit": UNITS[unit],
        "definition": item.metric.help,
    }


def _gap(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "fraction":
        return format.points(value)
    sign = "+" if value > 0 else ""
    return f"{sign}{run_facts.shown(value, unit)}"


def _span(found: Interval, unit: str, *, gap: bool = False) -> str:
    if unit == "fraction":
        digits = 1 if max(abs(found.low), abs(found.high)) >= 0.05 else 2
        ends = [f"{100 * value:{'+' if gap else ''}.{digits}f}" for value in (found.low, found.high)]
        return f"{ends[0]} … {ends[1]} {'pp' if gap else '%'}"
    return f"{found.low:{'+' if gap else ''}.2f} … {found.high:{'+' if gap else ''}.2f}"


def _method(found: Estimates) -> str:
    if not any(item.interval for item in found.rows if item.metric.key in ("sharpe", "annual_volatility")):
        return (
            "Too few for intervals of return and risk. Shares have Wilson intervals, which count each day or "
            "decision as a trial of its own."
        )
    return (
        f"Intervals of return and risk: stationary block bootstrap (Politis and Romano) of the daily returns, {found.draws:,} redrawn "
        f"histories, blocks of {found.block:.1f} days on average (Politis and White), seed {found.seed}; the same run gives the same intervals. "
        "Volatility, value at risk and beta: longer blocks, and wider, because calm and wild stretches last. "
        "Shares (winning days and fills, decisions right): Wilson intervals, which count each as a trial of its own. Max drawdown and Calmar: "
        "the spread over redrawn histories of the same length. An interval is about the luck of these days; it knows nothing of other markets, "
        "of another seed of the model, or of how many variants were tried before this one."
    )
