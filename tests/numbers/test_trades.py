"""Every number of the Trades page, recomputed from the export: account, round trips, orders, exposure, behaviour, best and worst days."""

from __future__ import annotations

import re

import pytest

from tests.numbers import recompute, words
from tests.numbers.conftest import Shown
from tests.numbers.reading import Percent, Tile, Told, Untold
from tests.numbers.recompute import TOTAL, Export, Trip
from tests.numbers.test_overview import price_lines

TICKER = "DMCEL"
GROUPS = (  # in the order of the page
    *("Turnover a year", "Turnover", "Time in market", "Mean exposure", "Mean cash", "Wishes cut back", "Orders refused"),
    *("Winning trips", "Return of winners", "Return of losers", "Payoff", "Held, median", "Held, winners", "Held, losers"),
    *("Chasing or fading", "Buys after a rise", "Sells after a rise", "Sessions after a rise", "Change before buys", "Change before sells"),
    *("Size after a loss", "Size after a gain", "Reaction to a loss"),
)
RATIOS, SESSIONS = ("Turnover a year", "Turnover", "Payoff"), ("Held, median", "Held, winners", "Held, losers")
SIGNED = ("Return of winners", "Return of losers", "Chasing or fading", "Change before buys", "Change before sells", "Reaction to a loss")


def account(export: Export, whose: str) -> list[Tile]:
    """The trips are the whole change of equity."""
    found = recompute.run_trips(export, whose)
    closed = [trip for trip in found if trip.closed is not None]
    realised, unrealised = (sum(getattr(trip, name) for trip in found) for name in ("realised", "unrealised"))
    change = sum(export.sleeves[name].equity[-1] - export.sleeves[name].equity[0] for name in export.names(whose))
    assert realised + unrealised == pytest.approx(change), "the demo market pays no dividends"
    return [
        ("Round trips", str(len(found)), f"{sum(trip.profit > 0 for trip in closed)} of {len(closed)} won"),
        ("Realised", words.gain(realised), ""),
        ("Unrealised", words.gain(unrealised), ""),
        ("Profit", words.gain(change), ""),
        ("Costs", words.money(sum(trip.costs for trip in found)), ""),
    ]


def day(export: Export, trip: Trip, at: int | None) -> str:
    return export.sleeves[trip.ticker].days[at] if at is not None else "still open"


def trip_table(export: Export, whose: str) -> dict[str, list]:
    """Newest first."""
    found = recompute.run_trips(export, whose)[::-1]
    table = {
        "number": [trip.number for trip in found],
        "side": ["▲ long"] * len(found),
        "profit": [trip.profit for trip in found],
        "gain": [Percent(trip.gain) for trip in found],
        "benchmark": [Percent(trip.benchmark) for trip in found],
        "opened": [day(export, trip, trip.opened) for trip in found],
        "closed": [day(export, trip, trip.closed) for trip in found],
        "sessions": [trip.sessions for trip in found],
        "entry": [trip.entry for trip in found],
        "exit": [trip.exit for trip in found],
        "shares": [trip.shares for trip in found],
        "worst": [Percent(trip.worst) for trip in found],
        "best": [Percent(trip.best) for trip in found],
        "realised": [trip.realised for trip in found],
        "unrealised": [trip.unrealised for trip in found],
        "dividends": [trip.dividends for trip in found],
        "costs": [trip.costs for trip in found],
        "contribution": [Percent(trip.profit / export.capital) for trip in found],
        "cause": ["order" if trip.closed is not None else "still open" for trip in found],
        "fills": [len(trip.fills) for trip in found],
    }
    return table | ({"ticker": [trip.ticker for trip in found]} if whose == TOTAL else {})


def bars(export: Export, whose: str) -> dict[str, dict[str, list]]:
    found = list(enumerate(recompute.run_trips(export, whose), 1))
    lines = {}
    for name, kept in (
        ("made money", [item for item in found if item[1].closed is not None and item[1].profit >= 0]),
        ("lost money", [item for item in found if item[1].closed is not None and item[1].profit < 0]),
        ("still open", [item for item in found if item[1].closed is None]),
    ):
        if kept:
            lines[name] = {
                "x": [place for place, _ in kept],
                "y": [trip.profit for _, trip in kept],
                "customdata": [
                    [
                        f"{trip.ticker}/{trip.number}",
                        f"{trip.ticker} trip {trip.number}",
                        day(export, trip, trip.opened),
                        day(export, trip, trip.closed).replace("still open", "open"),
                        trip.gain,
                        trip.sessions,
                    ]
                    for _, trip in kept
                ],
            }
    return lines


@pytest.mark.parametrize("whose", [TICKER, TOTAL])
def test_round_trips(whose: str, export: Export, show: Shown) -> None:
    page, found = show("trades", ticker=TICKER, of=whose), recompute.run_trips(export, whose)
    charts = {f"trip_bars_{whose}": bars(export, whose)}
    if whose == TICKER:
        charts[f"trades_price_{TICKER}_test"] = price_lines(export, TICKER)
    page.audit(Told(tiles=account(export, whose), tables={"trips_table": trip_table(export, whose)}, charts=charts))
    worst, best = min(found, key=lambda trip: trip.profit), max(found, key=lambda trip: trip.profit)
    deep = min(found, key=lambda trip: trip.worst)
    page.say(
        [
            f"Worst trip – {worst.ticker} {worst.number}, {words.money(worst.profit, sign=True)} →",
            f"Best trip – {best.ticker} {best.number}, {words.money(best.profit, sign=True)} →",
            f"Deepest under water – {deep.ticker} {deep.number}, {words.percent(deep.worst, sign=True)} →",
            f"{len(found)} round trips, newest first. Tick a row, or click a bar, to read why it was opened and closed.",
        ]
    )


def test_one_trip(export: Export, show: Shown) -> None:
    sleeve = export.sleeves[TICKER]
    outcomes = recompute.judged(export, TICKER)
    for trip in (recompute.trips(sleeve)[4], recompute.trips(sleeve)[-1]):
        page = show("trades", ticker=TICKER, trip=trip.number)
        tiles = [
            ("Profit", words.money(trip.profit, sign=True), ""),
            ("Return", words.percent(trip.gain, sign=True), words.points(trip.gain - trip.benchmark)),
            ("Buy and hold", words.percent(trip.benchmark, sign=True), ""),
            ("MAE", words.percent(trip.worst, sign=True), ""),
            ("MFE", words.percent(trip.best, sign=True), ""),
            ("Costs", words.money(trip.costs, 2), ""),
            ("Of the run", words.percent(trip.profit / export.capital, 2, sign=True), ""),
        ]
        if trip.unrealised:
            tiles.insert(1, ("Unrealised", words.money(trip.unrealised, sign=True), ""))
        chart = next(iter(page.charts()))
        page.audit(Told(tiles=tiles, charts={chart: Untold("the candles of the round trips, fewer of them; compared there")}))
        ends = f"{day(export, trip, trip.closed)}, at {words.number(trip.exit)}" if trip.closed is not None else "now, at the last close"
        plural = "s" * (trip.sessions != 1)
        lines = page.sentences()
        head = f"{words.shares(trip.shares)} shares from {day(export, trip, trip.opened)}, at {words.number(trip.entry)}, to {ends}: "
        assert f"{head}{trip.sessions} session{plural}." in lines
        for fill in trip.fills[:1] + (trip.fills[-1:] if trip.closed is not None else []):
            if (told := outcomes.get(fill.decided)) is not None:
                line = (
                    f"Judged on {told['day']}, {told['sessions']} sessions after the fill: the price moved "
                    f"{words.percent(told['move'], 2, sign=True)}, from {words.number(told['entry'])} to {words.number(told['exit'])}."
                )
                assert line in lines, line


@pytest.mark.parametrize("whose", [TICKER, TOTAL])
def test_orders(whose: str, export: Export, show: Shown) -> None:
    page = show("trades", ticker=TICKER, of=whose, show="orders")
    rows = [row for row in export.table("orders.csv") if row["ticker"] in export.names(whose)]
    rows = sorted(sorted(rows, key=lambda row: row["ticker"]), key=lambda row: row["decided"], reverse=True)
    decisions = [export.record(row["ticker"], row["decided"])["thought"]["decision"] for row in rows]
    assert {row["status"] for row in rows} == {"filled"}
    table = {
        "decided": [row["decided"] for row in rows],
        "action": [{"buy": "▲ buy", "sell": "▼ sell"}[decision["action"]] for decision in decisions],
        "wished": [Percent(float(row["wished"])) for row in rows],
        "weight": [Percent(float(row["weight"])) for row in rows],
        "status": ["✓ filled"] * len(rows),
        "ended": [row["ended"] for row in rows],
        "reason": [row["reason"] for row in rows],
        "confidence": [Percent(decision["confidence"]) for decision in decisions],
    } | ({"ticker": [row["ticker"] for row in rows]} if whose == TOTAL else {})
    page.audit(Told(tiles=account(export, whose), tables={"orders_table": table}))
    changed = sum(abs(float(row["weight"]) - float(row["wished"])) > 1e-9 for row in rows)
    n = len(rows)
    page.say([f"{n} of {n} wishes to trade: {n} filled; the limits changed {changed}. Tick a row to open the day it was decided on."])


def habit(label: str, found: recompute.Trait) -> Tile:
    digits = 2 if label in RATIOS else 1
    plain = label in RATIOS or label in SESSIONS
    value = words.number(found.value, digits) if plain else words.percent(found.value, sign=label in SIGNED)
    listed = ", ".join(f"{count} {word}" for word, count in found.cases.items())
    return label, value, f"n = {listed}" if min(found.cases.values()) >= 10 else f"n too small: {listed}"


@pytest.mark.parametrize("whose", [TICKER, TOTAL])
def test_behaviour(whose: str, export: Export, show: Shown) -> None:
    page, found = show("trades", ticker=TICKER, of=whose, show="behaviour"), recompute.traits(export, whose)
    assert set(found) == set(GROUPS)
    closed = [trip for trip in recompute.run_trips(export, whose) if trip.closed is not None]
    ranges = page.charts()[f"holding_{whose}"]["made money"]["x"]
    holding = {
        name: {"x": ranges, "y": [sum(inside(trip.sessions, span) for trip in kept) for span in ranges]}
        for name, kept in (
            ("made money", [trip for trip in closed if trip.profit >= 0]),
            ("lost money", [trip for trip in closed if trip.profit < 0]),
        )
    }
    assert sum(sum(line["y"]) for line in holding.values()) == len(closed), "the ranges hold every trip once"
    rises = {}
    for word, side in (("▲ buy", 1), ("▼ sell", -1)):
        points = [
            (rise, fill.decided, name)
            for name in export.names(whose)
            for fill in export.sleeves[name].fills
            if fill.shares * side > 0
            and (rise := recompute.rise_at(export.sleeves[name], export.sleeves[name].days.index(fill.decided))) is not None
        ]
        drawn = page.charts()[f"rises_{whose}"][word]
        rises[word] = {"x": [p[0] for p in points], "y": drawn["y"], "customdata": [[p[1], p[2]] for p in points]}
        mean = sum(point[0] for point in points) / len(points)
        label = f"mean of {len(points)} {word.split()[1]}s"
        rises[label] = {"x": [mean, mean], "y": page.charts()[f"rises_{whose}"][label]["y"]}  # y only keeps the marks apart
    page.audit(
        Told(
            tiles=account(export, whose) + [habit(label, found[label]) for label in GROUPS],
            charts={f"holding_{whose}": holding, f"rises_{whose}": rises},
        )
    )
    page.say([re.compile(r"Below each figure stands the number of cases.*below 10\.")])
    lean = found["Chasing or fading"].value
    word = "It chases" if lean >= 0.2 else "It fades" if lean <= -0.2 else "It neither"
    assert any(item.value.startswith(word) for item in page.at.text)


def inside(sessions: int, span: str) -> bool:
    low, _, high = span.replace("+", "–").partition("–")
    return int(low) <= sessions <= (int(high) if high else int(low) if "+" not in span else 10**9)


@pytest.mark.parametrize("whose", [TICKER, TOTAL])
def test_exposure(whose: str, export: Export, show: Shown) -> None:
    page, curve, found = show("trades", ticker=TICKER, of=whose, show="exposure"), export.curve(whose), recompute.traits(export, whose)
    lines = {
        "in the market": {"x": curve.days, "y": list(curve.weight)},
        "cash": {"x": curve.days, "y": [1 - weight for weight in curve.weight]},
        "buy and hold": {"x": [curve.days[0], curve.days[-1]], "y": [1, 1]},
    }
    tiles = [habit(label, found[label]) for label in ("Time in market", "Mean exposure", "Mean cash")]
    page.audit(Told(tiles=account(export, whose) + tiles, charts={f"exposure_{whose}": lines}))
    page.say([])


@pytest.mark.parametrize("whose", [TICKER, TOTAL])
def test_best_and_worst_days(whose: str, export: Export, show: Shown) -> None:
    page, found = show("trades", ticker=TICKER, of=whose, show="days"), recompute.gaps(export, whose)
    days = sorted({row["day"] for row in found})
    money = [sum(row["money"] for row in found if row["day"] == item) for item in days]
    by_day = {row["day"]: row["gap"] for row in found}
    hover = [[item, "all tickers" if whose == TOTAL else TICKER, None if whose == TOTAL else by_day[item]] for item in days]
    page.audit(Told(tiles=account(export, whose), charts={f"gaps_{whose}": {"bar": {"x": days, "y": money, "customdata": hover}}}))
    lines = []
    for row in (*found[:6], *found[::-1][:6]):
        lines.append(f"{row['ticker']} {row['day']} →")
        own, rival = words.percent(row["own"], sign=True), words.percent(row["rival"], sign=True)
        lines.append(
            f"{words.points(row['gap'])}   {words.money(row['money'], sign=True)} against buy and hold   "
            f"(own {own}, benchmark {rival}, weight {words.percent(row['weight'], 0)})"
        )
    page.say(lines)
    assert page.sentences() == lines, "in this order"
