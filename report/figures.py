"""The charts of a report: the very figures of the pages, in both colour schemes, and a plain line drawing for readers without scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from report.markup import Html, el
from services import performance, queries
from services.queries import RunView
from ui.charts import offline
from ui.charts.equity import equity as equity_chart
from ui.charts.heatmap import months as months_chart
from ui.charts.memory import layer_counts as layers_chart
from ui.charts.price import price as price_chart

WIDE, HIGH, EDGE = 1000, 260, 6


@dataclass(frozen=True)
class Chart:
    """One chart: where it stands, what it shows in a sentence, its figures for light and dark, and a drawing that needs no script."""

    name: str
    section: str
    title: str
    alt: str
    schemes: dict[str, Any]
    still: Html | None = None


def money(view: RunView, whose: str, *, name: str) -> Chart:
    """Equity and drawdown against buy and hold."""
    frame = queries.equity(view.id, whose)
    title = "All tickers together" if whose == queries.TOTAL else whose
    return Chart(
        name=name,
        section="money",
        title=title,
        alt=f"Equity and drawdown of the run and of buy and hold, {title}",
        schemes=_both(lambda dark: equity_chart(frame, dark=dark)),
        still=line(frame),
    )


def prices(view: RunView, ticker: str, *, name: str, red_up: bool) -> Chart:
    """The ticker's prices with every fill."""
    bars, fills, orders = queries.trades_in(view.id, ticker, "test")
    return Chart(
        name=name,
        section="prices",
        title=ticker,
        alt=f"Prices of {ticker} as traded, with the fills of the run",
        schemes=_both(lambda dark: price_chart(bars, fills, dark=dark, red_up=red_up, orders=orders)),
    )


def calendar(view: RunView, *, name: str, red_up: bool) -> Chart:
    """Returns by month of the run, of buy and hold, and their difference."""
    found = performance.months(queries.equity(view.id))
    whole = performance.years(found)
    return Chart(
        name=name,
        section="months",
        title="Returns by month",
        alt="Returns by month and year of the run, of buy and hold, and their difference",
        schemes=_both(lambda dark: months_chart(found, whole, dark=dark, red_up=red_up)),
    )


def layers(view: RunView, ticker: str, *, name: str) -> Chart:
    """Live memories per layer over time."""
    frame = queries.layer_counts(view.id, ticker)
    return Chart(
        name=name,
        section="layers",
        title=f"{ticker}: live memories per layer",
        alt=f"Live memories of {ticker} per layer over time",
        schemes=_both(lambda dark: layers_chart(frame, dark=dark)),
    )


def _both(draw: Any) -> dict[str, Any]:
    return {"light": offline.data(draw(False)), "dark": offline.data(draw(True))}


def line(frame: pd.DataFrame) -> Html | None:
    """Both equity curves as two plain lines with their first and last day; None for fewer than two days."""
    if len(frame) < 2:
        return None
    low = float(min(frame["equity"].min(), frame["benchmark"].min()))
    high = float(max(frame["equity"].max(), frame["benchmark"].max()))
    across, up = (WIDE - 2 * EDGE) / (len(frame) - 1), (HIGH - 2 * EDGE) / ((high - low) or 1.0)
    drawn = {
        name: " ".join(f"{EDGE + at * across:.1f},{HIGH - EDGE - (value - low) * up:.1f}" for at, value in enumerate(frame[name]))
        for name in ("benchmark", "equity")
    }
    curves = [el("polyline", points=points, cls=f"line {name}") for name, points in drawn.items()]
    words = (
        f"{frame['day'].iloc[0]} to {frame['day'].iloc[-1]}, from {low:,.0f} to {high:,.0f}. "
        "Solid: the run. Dashed: buy and hold. With JavaScript switched on this is a chart to explore."
    )
    picture = el("svg", *curves, viewBox=f"0 0 {WIDE} {HIGH}", role="img", aria_label=words, preserveAspectRatio="none")
    return el("div", picture, el("small", words), cls="still")
