"""Every number of the Overview, recomputed from the export: header strip, figures, tiles, all metrics with intervals, post-mortem."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from scipy import stats

from tests.numbers import luck, recompute, words
from tests.numbers.conftest import Shown
from tests.numbers.reading import Page, Tile, Told, Untold
from tests.numbers.recompute import TOTAL, Export
from tests.pages.conftest import OpenPage

HOLD = "benchmark_"


def strip(export: Export) -> list[Tile]:
    """Return with its difference to buy and hold, Sharpe, drawdown, and the share of test days with a price that were decided."""
    found = recompute.all_figures(export, TOTAL)
    asked = [item for name in export.tickers for item in export.test_records(name) if item["observation"]["bar"]]
    decided = [item for item in asked if item["thought"]["decision"] and not item["thought"]["decision"]["abstained"]]
    return [
        ("Return", words.percent(found["cum_return"], sign=True), words.points(found["cum_return"] - found["benchmark_cum_return"])),
        ("Buy and hold", words.percent(found["benchmark_cum_return"], sign=True), ""),
        ("Sharpe", words.number(found["sharpe"]), luck.beside(export)),
        ("Max drawdown", words.percent(found["max_drawdown"]), ""),
        ("Decided by rules", words.percent(len(decided) / len(asked), 0), ""),
    ]


def headlines(export: Export, whose: str) -> list[Tile]:
    found = recompute.all_figures(export, whose)
    hold = {key.removeprefix(HOLD): value for key, value in found.items() if key.startswith(HOLD)}
    return [
        *luck.tiles(export, whose),
        ("Annual return", words.percent(found["annual_return"]), f"hold {words.percent(hold['annual_return'])}"),
        ("Volatility", words.percent(found["annual_volatility"]), f"hold {words.percent(hold['annual_volatility'])}"),
        ("Sortino", words.number(found["sortino"]), f"hold {words.number(hold['sortino'])}"),
        ("Calmar", words.number(found["calmar"]), f"hold {words.number(hold['calmar'])}"),
        ("Time in market", words.percent(found["time_in_market"]), ""),
        ("Turnover a year", words.number(found["turnover_annual"]), ""),
        ("Winning fills", words.percent(found["win_rate_fills"]), ""),
        ("Costs", words.money(found["total_costs"]), ""),
    ]


def equity_lines(curve: recompute.Curve) -> dict[str, dict[str, list]]:
    found = {}
    for name, money in (("Buy and hold", curve.benchmark), ("Agent", curve.equity)):
        gain = [value / money[0] - 1 for value in money]
        found[name] = {"x": curve.days, "y": list(money), "customdata": gain}
        found[f"{name} #2"] = {"x": curve.days, "y": recompute.below_peak(money)}
    return found


def said(export: Export, run: str, whose: str = TOTAL) -> list[str | re.Pattern[str]]:
    """The sentences that stand on every Overview."""
    spec, worst = export.spec, recompute.gaps(export, TOTAL)[0]
    train, test = spec["train"], spec["test"]
    names = ", ".join(export.tickers)
    return [
        f"{names}  ·  tested {test['start']} to {test['end']}  ·  trained {train['start']} to {train['end']}  ·  memory {spec['preset']}  ·  run {run}",
        f"Worst day against holding – {worst['ticker']} {worst['day']} →",
        f"Warnings and data issues ({len(export.manifest['provenance']['issues'])})",
        luck.sentence(export, whose),
        re.compile(r"All metrics.*"),
    ]


@pytest.mark.parametrize("whose", [TOTAL, "DMCEL"])
def test_equity_tiles_and_strip(whose: str, export: Export, run: str, show: Shown) -> None:
    page = show("overview", of=whose)
    page.audit(Told(tiles=strip(export) + headlines(export, whose), charts={"equity": equity_lines(export.curve(whose))}))
    page.say(said(export, run, whose))


def test_falls(export: Export, run: str, show: Shown) -> None:
    page, curve, found = show("overview", chart="falls"), export.curve(TOTAL), recompute.falls(export.curve(TOTAL))
    lines = {
        name: {"x": curve.days, "y": recompute.below_peak(money)}
        for name, money in (("Buy and hold", curve.benchmark), ("Agent", curve.equity))
    }
    (key,) = page.charts()
    page.audit(Told(tiles=strip(export) + headlines(export, TOTAL), charts={key: lines}))
    links = [rf".*{number}.*{re.escape(words.percent(fall.depth))}.*{fall.trough}.*" for number, fall in enumerate(found, 1)]
    page.say([*said(export, run), *map(re.compile, links)])
    shown = [line for line in page.sentences() if any(fall.trough in line for fall in found)]
    assert len(shown) == len(found) and all(re.fullmatch(link, line) for link, line in zip(links, shown, strict=True))
    marked = page.annotations(key)
    assert [(item["x"], item["text"]) for item in marked] == [
        (fall.trough, f"<b>{number}</b>  {words.percent(fall.depth)}") for number, fall in enumerate(found, 1)
    ]
    assert [item["y"] for item in marked] == pytest.approx([fall.depth for fall in found])


@pytest.mark.parametrize("window", [21, 126])
def test_rolling(window: int, export: Export, run: str, show: Shown) -> None:
    page, curve = show("overview", chart="rolling", roll=window), export.curve(TOTAL)
    found, days = recompute.rolled(curve.equity, curve.benchmark, window), curve.days[window:]
    order = [f"{prefix}{name}" for name in ("return", "volatility", "sharpe") for prefix in ("benchmark_", "")] + ["beta"]
    lines, seen = {}, {"Agent": 0, "Buy and hold": 0}
    for key in order:
        name = "Buy and hold" if key.startswith(HOLD) else "Agent"
        seen[name] += 1
        lines[name if seen[name] == 1 else f"{name} #{seen[name]}"] = {"x": days, "y": found[key]}
    page.audit(Told(tiles=strip(export) + headlines(export, TOTAL), charts={"rolling": lines}))
    page.say(
        [
            *said(export, run),
            f"Each point uses the {window} daily returns up to its day; the first one is {days[0]}. Return is that of the window, not of a "
            "year. Volatility and Sharpe are annual, risk-free rate 0. Beta is the slope on buy and hold. "
            f"Neighbouring points share {window - 1} of their {window} days, so a trend in these lines is weaker evidence than it looks.",
        ]
    )


def test_months(export: Export, run: str, show: Shown) -> None:
    page, curve = show("overview", chart="months"), export.curve(TOTAL)
    own, rival = recompute.monthly(curve.days, curve.equity), recompute.monthly(curve.days, curve.benchmark)
    whole = {name: curve_[-1] / curve_[0] - 1 for name, curve_ in (("own", curve.equity), ("rival", curve.benchmark))}
    assert {day[:4] for day in curve.days} == {"2022"} and len(own) == 12, "one year, all months: the demo's test window"
    rows = {
        "heatmap": [*own.values(), whole["own"]],
        "heatmap #2": [*rival.values(), whole["rival"]],
        "heatmap #3": [*(own[month] - rival[month] for month in own), whole["own"] - whole["rival"]],
    }
    drawn = page.charts()["months"]
    assert set(drawn) == set(rows)
    for name, values in rows.items():
        cells, shown, hover = drawn[name]["z"][0], drawn[name]["text"][0], drawn[name]["customdata"][0]
        assert cells == pytest.approx(values), name
        assert shown == [f"{100 * value:+.1f}" for value in values], "all months of the demo are whole: no star"
        assert [float(re.match(r"[+-][\d.]+", item)[0]) for item in hover] == pytest.approx([100 * value for value in values], abs=0.00501)
    assert drawn["heatmap"]["y"] == ["2022"]
    page.audit(Told(tiles=strip(export) + headlines(export, TOTAL), charts={"months": Untold("compared above")}))
    page.say(said(export, run))


def test_prices_and_trades(export: Export, run: str, show: Shown) -> None:
    page = show("overview", chart="prices", ticker="DMCEL")
    key = next(iter(page.charts()))
    assert key == "price_DMCEL_test"
    page.audit(Told(tiles=strip(export) + headlines(export, TOTAL), charts={key: price_lines(export, "DMCEL")}))
    page.say(said(export, run))


def price_lines(export: Export, ticker: str) -> dict[str, dict[str, list]]:
    """Candles of the test window, fills beside them (3 % of the range away), and the hover of every day."""
    records = [item for item in export.test_records(ticker) if item["observation"]["bar"]]
    bars = [item["observation"]["bar"] for item in records]
    days = [item["day"] for item in records]
    by_day = dict(zip(days, bars, strict=True))
    aside = 0.03 * (max(bar["high"] for bar in bars) - min(bar["low"] for bar in bars))
    parts = ("open", "high", "low", "close")
    found = {"price": {"x": days, **{name: [bar[name] for bar in bars] for name in parts}}}
    for name, side, edge, sign in (("bought", 1, "low", -1), ("sold", -1, "high", 1)):
        fills = [fill for fill in export.sleeves[ticker].fills if fill.shares * side > 0]
        found[name] = {
            "x": [fill.day for fill in fills],
            "y": [by_day[fill.day][edge] + sign * aside for fill in fills],
            "customdata": [[fill.day, abs(fill.shares), fill.price, fill.commission] for fill in fills],
        }
    closes = [bar["close"] for bar in bars]
    moves = [0.0, *recompute.gains(closes)]
    hover = [[day, *(bar[name] for name in parts), move] for day, bar, move in zip(days, bars, moves, strict=True)]
    found["day"] = {"x": days, "y": closes, "customdata": hover}
    return found


# ------------------------------------------------------------------------------------------------------- all metrics, intervals

SIGNED_BY = {  # key: label, unit, which direction is better (None: neither), whether buying and holding has it too
    "cum_return": ("Return", "percent", 1),
    "cum_return_gross": ("Return before costs", "percent", 1),
    "log_return": ("Log return", "natural log", 1),
    "annual_return": ("Annual return", "percent", 1),
    "annual_volatility": ("Volatility", "percent", -1),
    "sharpe": ("Sharpe", "ratio", 1),
    "sharpe_se": ("Sharpe, standard error", "ratio", -1),
    "sortino": ("Sortino", "ratio", 1),
    "max_drawdown": ("Max drawdown", "percent", 1),
    "longest_underwater_bars": ("Longest under water", "sessions", -1),
    "calmar": ("Calmar", "ratio", 1),
    "var_95_hist": ("VaR 95 %", "percent", 1),
    "cvar_95_hist": ("CVaR 95 %", "percent", 1),
    "var_95_gauss": ("VaR 95 %, normal", "percent", 1),
    "win_rate_days": ("Winning days", "percent", 1),
    "profit_factor_days": ("Profit factor, days", "ratio", 1),
    "win_rate_fills": ("Winning fills", "percent", 1),
    "profit_factor_fills": ("Profit factor, fills", "ratio", 1),
    "exposure_mean": ("Mean exposure", "percent", None),
    "time_in_market": ("Time in market", "percent", None),
    "turnover_two_sided": ("Turnover", "ratio", -1),
    "turnover_annual": ("Turnover a year", "ratio", -1),
    "total_costs": ("Costs", "currency", -1),
    "beta": ("Beta", "ratio", None),
    "alpha_annual": ("Alpha", "percent", 1),
    "alpha_t": ("Alpha, t-value", "ratio", 1),
    "excess_t": ("Excess, t-value", "ratio", 1),
    "information_ratio": ("Information ratio", "ratio", 1),
    "skew": ("Skewness", "ratio", 1),
    "kurtosis_nonexcess": ("Kurtosis", "ratio", -1),
    "judged_hit": ("Judged decisions right", "percent", 1),
    "judged_n": ("Judged decisions", "decisions", None),
    "direction_hit": ("Direction right", "percent", 1),
    "direction_n": ("Directions", "decisions", None),
    "psr_0": ("P(Sharpe > 0)", "percent", 1),
    "min_trl": ("Days it needs", "daily returns", -1),
    "n": ("Returns", "daily returns", None),
}
SPREAD = ("annual_volatility", "var_95_hist", "cvar_95_hist", "beta")  # of longer blocks, symmetric, stretched
DRAWN = ("cum_return", "annual_volatility", "sharpe", "sortino", "max_drawdown", "var_95_hist", "cvar_95_hist", "win_rate_days", "beta")


Metrics = tuple[dict[str, dict[str, str]], list[str]]


@pytest.fixture
def metrics(run: str, export: Export, open_page: OpenPage) -> Metrics:
    """Every row of the tables of all metrics, by its label; opened as a reader opens the tab."""
    at = open_page("overview", run=run)
    tab = next(tab.label for tab in at.tabs if tab.label.startswith("All metrics"))
    at.session_state["evidence"] = tab
    at.run()
    assert not at.exception, at.exception
    page = Page(at)
    assert page.tiles() == strip(export)
    rows: dict[str, dict[str, str]] = {}
    for table in page.tables().values():
        for number, label in enumerate(table.cells["metric"]):
            assert label not in rows, f"{label} stands there twice"
            rows[label] = {name: cells[number] for name, cells in table.cells.items()}
    return rows, page.sentences()


def test_all_metrics(metrics: Metrics, export: Export) -> None:
    rows, _ = metrics
    found, fills = recompute.all_figures(export, TOTAL), export.fills(TOTAL)
    assert set(rows) == {label for label, _, _ in SIGNED_BY.values()}
    known = {"metric", "run", "interval", "buy and hold", "difference", "its interval", "verdict", "chance", "unit", "definition"}
    assert {name for row in rows.values() for name in row} <= known, "a column that nobody recomputes"
    realised = [fill.realised for fill in fills if fill.realised is not None]
    r = recompute.gains(export.curve(TOTAL).equity)
    trials = {
        "win_rate_days": (sum(v > 0 for v in r), sum(v != 0 for v in r)),
        "win_rate_fills": (sum(v > 0 for v in realised), len(realised)),
        **{f"{key}_hit": (found[f"{key}_hit"] * found[f"{key}_n"], found[f"{key}_n"]) for key in ("judged", "direction")},
    }
    for key, (label, unit, better) in SIGNED_BY.items():
        row, value, rival = rows[label], found[key], found.get(f"{HOLD}{key}")
        assert (row["run"], row["unit"]) == (words.by_unit(value, unit), unit), label
        if key in trials:
            low, high = recompute.wilson(*trials[key])
            assert row["interval"] == f"{100 * low:.1f} … {100 * high:.1f} %", label
        if rival is None or better is None:
            assert (row.get("buy and hold", ""), row.get("difference", "")) in (("", ""), ("–", ""), (words.by_unit(rival, unit), "")), (
                label
            )
            continue
        gap = value - rival
        shown = words.points(gap) if unit == "percent" else f"{'+' if gap > 0 else ''}{words.by_unit(gap, unit)}"
        assert (row["buy and hold"], row["difference"]) == (words.by_unit(rival, unit), shown), label
        ends = bounds(row["its interval"])
        verdict = "better" if gap * better > 0 else "worse" if gap * better < 0 else "equal"
        assert verdict in row["verdict"], label
        assert ("chance" in row["verdict"]) == bool(ends and ends[0] <= 0 <= ends[1]), f"{label}: the interval holds zero or does not"


def bounds(span: str) -> tuple[float, float] | None:
    found = re.findall(r"[+-]?[\d.]+", span) if "…" in span else []
    return (float(found[0]), float(found[1])) if len(found) == 2 else None


def test_intervals_agree_with_histories_redrawn_by_another_hand(metrics: Metrics, export: Export) -> None:
    """Another stream of chance and another loop, so ends may differ by chance: an eighth of the interval's half width."""
    rows, sentences = metrics
    curve = export.curve(TOTAL)
    r, other = recompute.gains(curve.equity), recompute.gains(curve.benchmark)
    block = max(recompute.mean_block(values) for values in (r, other, [a - b for a, b in zip(r, other, strict=True)]))
    slow = max(block, 1.3 * math.sqrt(len(r)))
    quick, wide = (
        [figures_of(*paths) for paths in recompute.redrawn(curve.equity, curve.benchmark, block=mean, draws=2500, seed=4)]
        for mean in (block, slow)
    )
    stretch = stats.t.ppf(0.975, 1.5 * len(r) / slow) / 1.96 / math.sqrt(1 - slow / len(r))
    seen = figures_of(np.array(curve.equity) / curve.equity[0], np.array(curve.benchmark) / curve.benchmark[0])
    for key in DRAWN:
        label, unit, better = SIGNED_BY[key]
        scale, drawn = 100 if unit == "percent" else 1, wide if key in SPREAD else quick
        spans = {"interval": [own[key] for own, _ in drawn]}
        if key != "beta":
            gaps = [own[key] - rival[key] for own, rival in drawn]
            spans["its interval"] = gaps
            worse = float(np.mean([gap * better <= 0 for gap in gaps]))
            assert float(rows[label]["chance"].rstrip("%")) / 100 == pytest.approx(worse, abs=0.03), label
        for column, values in spans.items():
            low, high = np.quantile(values, [0.025, 0.975])
            if key in SPREAD:
                figure = seen[0][key] - (seen[1][key] if column == "its interval" else 0.0)
                low, high = symmetric(low, high, figure, stretch, ratios=key == "annual_volatility" and column == "interval")
            low, high = scale * low, scale * high
            shown = bounds(rows[label][column])
            assert shown == pytest.approx((low, high), abs=(high - low) / 16 + 0.051), (label, column)
    caption = next(line for line in sentences if "redrawn" in line)
    assert f"blocks of {block:.1f} days" in caption and f"{len(r):,} daily returns" in caption
    assert caption.startswith(f"From {curve.days[0]} to {curve.days[-1]}, ")


def symmetric(low: float, high: float, figure: float, stretch: float, *, ratios: bool) -> tuple[float, float]:
    """As far on both sides as on the farther one, stretched; of a volatility in ratios."""
    if ratios:
        reach = stretch * max(math.log(high / figure), math.log(figure / low))
        return figure * math.exp(-reach), figure * math.exp(reach)
    reach = stretch * max(high - figure, figure - low)
    return figure - reach, figure + reach


def figures_of(own: np.ndarray, rival: np.ndarray) -> tuple[dict[str, float], dict[str, float]]:
    found = []
    for path in (own, rival):
        r = path[1:] / path[:-1] - 1
        spread, middle = r.std(ddof=1), r.mean()
        low = float(np.percentile(r, 5))
        found.append(
            {
                "cum_return": path[-1] - 1,
                "annual_volatility": spread * math.sqrt(252),
                "sharpe": middle / spread * math.sqrt(252),
                "sortino": middle / math.sqrt((np.minimum(r, 0) ** 2).mean()) * math.sqrt(252),
                "max_drawdown": float((path / np.maximum.accumulate(path) - 1).min()),
                "var_95_hist": low,
                "cvar_95_hist": float(r[r <= low].mean()),
                "win_rate_days": float((r > 0).sum() / (r != 0).sum()),
            }
        )
    r, other = own[1:] / own[:-1] - 1, rival[1:] / rival[:-1] - 1
    found[0]["beta"] = float(np.cov(r, other)[0, 1] / np.var(other, ddof=1))
    return found[0], found[1]


# ----------------------------------------------------------------------------------------------------------------- post-mortem


def cases(export: Export) -> list[dict[str, str]]:
    """The list of the worst falls, days and decisions, five of each."""
    curve, rows = export.curve(TOTAL), []
    for fall in recompute.falls(curve):
        inside = [
            (export.sleeves[name].equity[at] - export.sleeves[name].equity[at - 1], name, export.sleeves[name].days[at - 1])
            for name in export.tickers
            for at, day in enumerate(export.sleeves[name].days)
            if fall.peak < day <= fall.trough
        ]
        when = f"{fall.peak} to {fall.trough}"
        rows.append(("fall from a peak", "all", when, words.percent(fall.depth, 2), fall.benchmark, min(inside)[2]))
    for gap in [item for item in recompute.gaps(export, TOTAL) if item["gap"] < 0][:5]:
        rows.append(("day against holding", gap["ticker"], gap["day"], words.points(gap["gap"], 2), gap["rival"], gap["before"]))
    calls = [
        (item["side"] * item["move"], name, decided, item)
        for name in export.tickers
        for decided, item in recompute.judged(export, name).items()
    ]
    wrong = sorted((call for call in calls if call[3]["verdict"] < 0), key=lambda call: call[0])[:5]
    for loss, name, decided, item in wrong:
        rows.append(("judged decision", name, f"{decided}, judged {item['day']}", words.percent(loss, 2), item["move"], decided))
    keys = ("what", "ticker", "when", "loss", "market", "decided")
    return [dict(zip(keys, (*row[:4], words.percent(row[4], 2, sign=True), row[5]), strict=True)) for row in rows]


def test_post_mortem_list(export: Export, run: str, open_page: OpenPage) -> None:
    at = open_page("overview", run=run)
    at.session_state["post_mortem"] = True
    at.run()
    told = cases(export)
    table = {name: [row[name] for row in told] for name in told[0]}
    Page(at).audit(
        Told(
            tiles=strip(export) + headlines(export, TOTAL),
            tables={"post_mortem_list": table},
            charts={"equity": equity_lines(export.curve(TOTAL))},
        )
    )


def test_the_alternatives_of_the_worst_day(export: Export, show: Shown) -> None:
    worst = recompute.gaps(export, TOTAL)[0]
    page = show("overview", worst=f"day-{worst['ticker']}-{worst['day']}")
    shown = next(table.cells for table in page.tables().values() if "choice" in table.cells)
    sleeve = export.sleeves[worst["ticker"]]
    at = sleeve.days.index(worst["before"])
    last = min(len(sleeve.days) - 1, at + export.spec["memory"]["feedback_sessions"] + 1)
    for row, choice in enumerate(shown["choice"]):
        told = {name: shown[name][row] for name in ("position", "next", "later", "costs")}
        assert told == alternative(export, sleeve, at, last, choice), choice
    line = next(text for text in page.sentences() if text.startswith(f"In the session of {worst['day']}"))
    for value in (worst["own"], worst["rival"]):
        assert words.percent(value, 2, sign=True) in line


def alternative(export: Export, sleeve: recompute.Sleeve, at: int, last: int, choice: str) -> dict[str, str]:
    """One choice at the close of session ``at``: filled at the next open, then left alone."""
    base = sleeve.equity[at]
    recorded = {"the run as it went on": sleeve.equity, "buy and hold": sleeve.benchmark}
    if choice in recorded:
        money = recorded[choice]
        ends = [money[at + 1] / money[at] - 1, money[last] / money[at] - 1]
        return {"position": "–", "next": words.percent(ends[0], 2, sign=True), "later": words.percent(ends[1], 2, sign=True), "costs": "–"}
    how = export.spec["execution"]
    book = recompute.Book(sleeve.cash[at], how["commission_bps"] / 1e4, how["slippage_bps"] / 1e4, sleeve.shares[at], sleeve.average[at])
    order = sleeve.records[at]["order"]
    held = sleeve.shares[at] * sleeve.marks[at] / base
    weight = {"out of the market": 0.0, "all in": 1.0, "do nothing": held}.get(choice, order["weight"] if order else held)
    ends, costs = [], 0.0
    for later in range(at + 1, last + 1):
        book.corporate(sleeve.split(later), sleeve.records[later]["observation"]["dividend"])
        bar = sleeve.bar(later)
        acts = choice in ("out of the market", "all in") or (choice == "what it decided" and order)
        if later == at + 1 and acts and bar:
            fill = book.trade_to(weight, bar["open"], sleeve.days[later], "")
            costs = fill.commission + fill.slippage if fill else 0.0
        ends.append((book.cash + book.shares * sleeve.marks[later]) / base - 1)
    return {
        "position": words.percent(weight, 0),
        "next": words.percent(ends[0], 2, sign=True),
        "later": words.percent(ends[-1], 2, sign=True),
        "costs": words.money(costs, 2),
    }
