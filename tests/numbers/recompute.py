"""Every figure of a run once more, from nothing but the folder that an export writes.

Independent on purpose: the standard library and numpy, no import of the product. Formulas are written anew from the definitions that
stand beside the figures (their help texts) and from the accounting rules; where the product vectorises, this counts. Money is replayed
from prices and orders alone, so that a recorded equity is checked and not copied.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from statistics import NormalDist, fmean, median
from typing import Any

import numpy as np

TOTAL = "total"
Record = dict[str, Any]


class Export:
    """The folder of one run, read whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec, self.manifest = (json.loads((folder / name).read_text(encoding="utf-8")) for name in ("spec.json", "manifest.json"))
        self.metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        self.tickers: list[str] = self.spec["tickers"]
        self.raw = (folder / "days.jsonl").read_text(encoding="utf-8")
        records = [json.loads(line) for line in self.raw.splitlines()]
        self.records: dict[str, list[Record]] = {
            name: sorted((item for item in records if item["ticker"] == name), key=lambda item: item["day"]) for name in self.tickers
        }
        self.events = [json.loads(line) for line in (folder / "memory_events.jsonl").read_text(encoding="utf-8").splitlines()]

    def table(self, name: str) -> list[dict[str, str]]:
        with (self.folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def names(self, whose: str) -> list[str]:
        return self.tickers if whose == TOTAL else [whose]

    def test_records(self, ticker: str) -> list[Record]:
        return [item for item in self.records[ticker] if item["phase"] == "test"]

    def record(self, ticker: str, day: str) -> Record:
        return next(item for item in self.records[ticker] if item["day"] == day)

    @property
    def capital(self) -> float:
        return float(self.spec["execution"]["cash"])

    # --------------------------------------------------------------------------------------------------------------- the ledger

    @cached_property
    def sleeves(self) -> dict[str, Sleeve]:
        return {name: self._replayed(name) for name in self.tickers}

    def _replayed(self, ticker: str) -> Sleeve:
        """Cash, shares and fills from the opens and the weights that were ordered; the benchmark the same way with one order."""
        how = self.spec["execution"]
        assert how["fill"] == "next_open" and how["fractional"] and not how["stops"] and not how["allow_short"], "not the demo's rules"
        weights = {row["decided"]: float(row["weight"]) for row in self.table("orders.csv") if row["ticker"] == ticker}
        cost, slip = how["commission_bps"] / 1e4, how["slippage_bps"] / 1e4
        share = self.capital / len(self.tickers)
        own, rival = Book(share, cost, slip, ticker=ticker), Book(share, cost, slip)
        sleeve = Sleeve(ticker, self.records[ticker])
        wish = rival_wish = None
        mark = 0.0
        for record in self.records[ticker]:
            seen = record["observation"]
            bar = seen["bar"]
            for book in (own, rival):
                book.corporate(seen["split"], seen["dividend"])
            mark /= seen["split"]
            if bar:
                if wish is not None:
                    filled = own.trade_to(wish[1], bar["open"], record["day"], wish[0])
                    sleeve.fills += [filled] if filled else []
                    wish = None
                if rival_wish is not None:
                    rival.trade_to(1.0, bar["open"], record["day"], "")
                    rival_wish = None
                mark = bar["close"]
            sleeve.equity.append(own.cash + own.shares * mark)
            sleeve.cash.append(own.cash)
            sleeve.shares.append(own.shares)
            sleeve.average.append(own.average)
            sleeve.benchmark.append(rival.cash + rival.shares * mark)
            sleeve.marks.append(mark)
            if record["day"] in weights:
                wish = (record["day"], weights[record["day"]])
            if record["phase"] == "test" and bar and not rival.shares and rival_wish is None:
                rival_wish = True
        return sleeve

    def curve(self, whose: str) -> Curve:
        """Own and benchmark equity over the test sessions, tickers added up."""
        parts = [self.sleeves[name] for name in self.names(whose)]
        first = len(self.records[self.tickers[0]]) - len(self.test_records(self.tickers[0]))
        days = [item["day"] for item in self.test_records(self.tickers[0])]
        assert all([item["day"] for item in self.test_records(name)] == days for name in self.tickers), "tickers of one calendar"
        equity = np.sum([part.equity[first:] for part in parts], axis=0)
        cash = np.sum([part.cash[first:] for part in parts], axis=0)
        return Curve(days, equity, np.sum([part.benchmark[first:] for part in parts], axis=0), (equity - cash) / equity)

    def fills(self, whose: str) -> list[Fill]:
        return sorted((fill for name in self.names(whose) for fill in self.sleeves[name].fills), key=lambda fill: fill.day)


@dataclass
class Fill:
    ticker: str
    day: str
    decided: str
    shares: float
    price: float
    reference: float
    commission: float
    slippage: float
    realised: float | None


@dataclass
class Book:
    """One ledger: long only, fractional shares, fills at the open."""

    cash: float
    commission: float
    slippage: float
    shares: float = 0.0
    average: float = 0.0
    ticker: str = ""

    def corporate(self, split: float, dividend: float) -> None:
        self.shares, self.average = self.shares * split, self.average / split
        self.cash += self.shares * dividend

    def trade_to(self, weight: float, opening: float, day: str, decided: str) -> Fill | None:
        wanted = weight * (self.cash + self.shares * opening) / opening - self.shares
        if wanted > 0:
            price = opening * (1 + self.slippage)
            wanted = min(wanted, self.cash / (price * (1 + self.commission)))
        else:
            price = opening * (1 - self.slippage)
        if abs(wanted) < 1e-9:
            return None
        fee = abs(wanted) * price * self.commission
        realised = None
        if wanted > 0:
            self.average = (self.shares * self.average + wanted * price + fee) / (self.shares + wanted)
        else:
            realised = -wanted * (price - self.average) - fee
        self.cash += -wanted * price - fee
        self.shares += wanted
        if abs(self.shares) < 1e-9:
            self.shares = self.average = 0.0
        return Fill(self.ticker, day, decided, wanted, price, opening, fee, abs(wanted) * abs(price - opening), realised)


@dataclass
class Sleeve:
    ticker: str
    records: list[Record]
    fills: list[Fill] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    cash: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    average: list[float] = field(default_factory=list)
    benchmark: list[float] = field(default_factory=list)
    marks: list[float] = field(default_factory=list)

    @property
    def days(self) -> list[str]:
        return [item["day"] for item in self.records]

    def bar(self, position: int) -> dict[str, float] | None:
        return self.records[position]["observation"]["bar"]

    def split(self, position: int) -> float:
        return float(self.records[position]["observation"]["split"])


@dataclass
class Curve:
    days: list[str]
    equity: np.ndarray
    benchmark: np.ndarray
    weight: np.ndarray


# --------------------------------------------------------------------------------------------------------------------- figures


def gains(curve: Sequence[float]) -> list[float]:
    return [after / before - 1 for before, after in itertools.pairwise(curve)]


def below_peak(curve: Sequence[float]) -> list[float]:
    found, peak = [], -math.inf
    for value in curve:
        peak = max(peak, value)
        found.append(value / peak - 1)
    return found


def deviation(values: Sequence[float]) -> float:
    middle = fmean(values)
    return math.sqrt(sum((value - middle) ** 2 for value in values) / (len(values) - 1))


def figures(curve: Sequence[float]) -> dict[str, float | None]:
    """The figures of one equity curve, by the definitions in the table of all metrics."""
    r, n = gains(curve), len(curve) - 1
    middle, spread = fmean(r), deviation(r)
    root = math.sqrt(252)
    down = math.sqrt(fmean([min(0.0, value) ** 2 for value in r]))
    deepest = min(below_peak(curve))
    annual = (curve[-1] / curve[0]) ** (252 / n) - 1
    ordered = sorted(r)
    at = 0.05 * (n - 1)
    low = ordered[int(at)] + (at - int(at)) * (ordered[min(int(at) + 1, n - 1)] - ordered[int(at)])
    population = math.sqrt(fmean([(value - middle) ** 2 for value in r]))
    skew, kurtosis = (fmean([((value - middle) / population) ** order for value in r]) for order in (3, 4))
    daily = middle / spread
    error = 1 - skew * daily + (kurtosis - 1) / 4 * daily**2
    return {
        "cum_return": curve[-1] / curve[0] - 1,
        "log_return": math.log(curve[-1] / curve[0]),
        "annual_return": annual,
        "annual_volatility": spread * root,
        "sharpe": daily * root,
        "sharpe_se": math.sqrt(error / (n - 1) * 252),
        "sortino": middle / down * root,
        "max_drawdown": deepest,
        "longest_underwater_bars": float(longest_stay(curve)),
        "calmar": annual / -deepest,
        "var_95_hist": low,
        "cvar_95_hist": fmean([value for value in r if value <= low]),
        "var_95_gauss": middle + spread * NormalDist().inv_cdf(0.05),
        "win_rate_days": sum(value > 0 for value in r) / sum(value != 0 for value in r),
        "profit_factor_days": sum(value for value in r if value > 0) / -sum(value for value in r if value < 0),
        "skew": skew,
        "kurtosis_nonexcess": kurtosis,
        "psr_0": NormalDist().cdf(daily * math.sqrt(n - 1) / math.sqrt(error)),
        "min_trl": 1 + error * (NormalDist().inv_cdf(0.95) / daily) ** 2 if daily > 0 else None,
        "n": float(n),
    }


def longest_stay(curve: Sequence[float]) -> int:
    """Sessions from a peak until it was regained, or to the end: of stays in which some session was below the peak."""
    longest = 0
    for start in range(len(curve)):
        end = next((later for later in range(start + 1, len(curve)) if curve[later] >= curve[start]), None)
        if start + 1 < len(curve) and curve[start + 1] < curve[start]:
            longest = max(longest, (end if end is not None else len(curve) - 1) - start)
    return longest


def against(curve: Sequence[float], rival: Sequence[float]) -> dict[str, float]:
    """Beta, alpha with its t-value, excess and information ratio: least squares with Newey-West errors of 5 lags."""
    r, other = np.array(gains(curve)), np.array(gains(rival))
    slope = float(np.cov(r, other, ddof=0)[0, 1] / np.var(other))
    intercept = float(r.mean() - slope * other.mean())
    excess = r - other
    return {
        "beta": slope,
        "alpha_annual": intercept * 252,
        "alpha_t": intercept / _newey_west(np.column_stack([np.ones(len(r)), other]), r - intercept - slope * other),
        "excess_t": float(excess.mean()) / _newey_west(np.ones((len(r), 1)), excess - excess.mean()),
        "information_ratio": float(excess.mean()) / deviation(list(excess)) * math.sqrt(252),
    }


def _newey_west(x: np.ndarray, rest: np.ndarray, lags: int = 5) -> float:
    """Standard error of the first coefficient."""
    n, inside = len(rest), np.zeros((x.shape[1], x.shape[1]))
    for i in range(n):
        for j in range(max(0, i - lags), min(n, i + lags + 1)):
            inside += (1 - abs(i - j) / (lags + 1)) * rest[i] * rest[j] * np.outer(x[i], x[j])
    outside = np.linalg.inv(x.T @ x)
    return math.sqrt(float((outside @ inside @ outside)[0, 0]))


def all_figures(export: Export, whose: str) -> dict[str, float | None]:
    """Everything that the Overview tells of the money of one ticker or of all; the benchmark's under ``benchmark_*``."""
    curve, fills = export.curve(whose), export.fills(whose)
    n = len(curve.days) - 1
    realised = [fill.realised for fill in fills if fill.realised is not None]
    turnover = sum(abs(fill.shares) * fill.price for fill in fills) / fmean(curve.equity)
    lost = -sum(value for value in realised if value < 0)
    costs = sum(fill.commission + fill.slippage for fill in fills)
    verdicts = [item["verdict"] for name in export.names(whose) for record in export.records[name] for item in record["outcomes"]]
    right, known = sum(map(lambda v: v > 0, verdicts)), sum(map(lambda v: v != 0, verdicts))
    ways = [item for name in export.names(whose) for item in directions(export.test_records(name))]
    return {
        **figures(curve.equity),
        **against(curve.equity, curve.benchmark),
        **{f"benchmark_{key}": value for key, value in figures(curve.benchmark).items()},
        "win_rate_fills": sum(value > 0 for value in realised) / len(realised) if realised else None,
        "profit_factor_fills": sum(value for value in realised if value > 0) / lost if lost else None,
        "exposure_mean": fmean(abs(curve.weight[1:])),
        "time_in_market": sum(weight != 0 for weight in curve.weight[1:]) / n,
        "turnover_two_sided": turnover,
        "turnover_annual": turnover * 252 / n,
        "cum_return_gross": (curve.equity[-1] + costs) / curve.equity[0] - 1,
        "total_costs": costs,
        "judged_hit": right / known if known else None,
        "judged_n": float(known),
        "direction_hit": sum(ways) / len(ways) if ways else None,
        "direction_n": float(len(ways)),
    }


def directions(records: Sequence[Record]) -> list[bool]:
    """For each buy or sell whose next move, open to open after the fill, is known and not zero: did it go their way."""
    priced, growth = [], 1.0
    for record in records:
        growth *= record["observation"]["split"]
        if record["observation"]["bar"]:
            priced.append((record, record["observation"]["bar"]["open"] * growth))
    found = []
    for (record, _), (_, first), (_, second) in zip(priced, priced[1:], priced[2:]):
        side = {"buy": 1, "sell": -1}.get((record["thought"]["decision"] or {}).get("action") or "", 0)
        if side and second != first:
            found.append((second > first) == (side > 0))
    return found


# ------------------------------------------------------------------------------------------------------ over time, months, falls


def rolled(curve: Sequence[float], rival: Sequence[float], window: int) -> dict[str, list[float]]:
    """The last ``window`` returns at every session that has as many."""
    found: dict[str, list[float]] = {name: [] for name in ("return", "volatility", "sharpe", "beta")}
    found |= {f"benchmark_{name}": [] for name in ("return", "volatility", "sharpe")}
    for end in range(window, len(curve)):
        for prefix, money in (("", curve), ("benchmark_", rival)):
            r = gains(money[end - window : end + 1])
            found[f"{prefix}return"].append(money[end] / money[end - window] - 1)
            found[f"{prefix}volatility"].append(deviation(r) * math.sqrt(252))
            found[f"{prefix}sharpe"].append(fmean(r) / deviation(r) * math.sqrt(252))
        r, other = np.array(gains(curve[end - window : end + 1])), np.array(gains(rival[end - window : end + 1]))
        found["beta"].append(float(np.cov(r, other, ddof=0)[0, 1] / np.var(other)))
    return found


def monthly(days: Sequence[str], curve: Sequence[float]) -> dict[str, float]:
    """Month (2022-03) -> last equity over the last equity of the month before, the first over the first session."""
    last: dict[str, float] = {}
    for day, value in zip(days, curve, strict=True):
        last[day[:7]] = value
    names, base, found = sorted(last), curve[0], {}
    for name in names:
        found[name], base = last[name] / base - 1, last[name]
    return found


@dataclass
class Fall:
    peak: str
    trough: str
    recovery: str | None
    depth: float
    benchmark: float
    at: tuple[int, int]


def falls(curve: Curve, most: int = 5) -> list[Fall]:
    """The deepest stays below an earlier peak."""
    found = []
    start = 0
    equity = list(curve.equity)
    while start < len(equity) - 1:
        if equity[start + 1] >= equity[start]:
            start += 1
            continue
        end = next((later for later in range(start + 1, len(equity)) if equity[later] >= equity[start]), None)
        stop = end if end is not None else len(equity)
        bottom = min(range(start + 1, stop), key=lambda bar: equity[bar])
        found.append(
            Fall(
                curve.days[start],
                curve.days[bottom],
                curve.days[end] if end is not None else None,
                equity[bottom] / equity[start] - 1,
                curve.benchmark[bottom] / curve.benchmark[start] - 1,
                (start, bottom),
            )
        )
        start = stop if end is not None else len(equity)
    return sorted(found, key=lambda fall: fall.depth)[:most]


# ------------------------------------------------------------------------------------------------------------------- intervals


def wilson(hits: float, n: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf(0.975)
    share = hits / n
    middle, reach = (share + z * z / (2 * n)), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle - reach) / (1 + z * z / n), (middle + reach) / (1 + z * z / n)


def mean_block(r: Sequence[float]) -> float:
    """Politis and White (2004), corrected in 2009: the mean block of the stationary bootstrap."""
    n, x = len(r), np.array(r) - fmean(r)
    quiet = max(5, math.ceil(math.sqrt(math.log10(n))))
    most = math.ceil(math.sqrt(n)) + quiet
    covariance = [float(np.dot(x[lag:], x[: n - lag])) / n for lag in range(most + 1)]
    limit = 2 * math.sqrt(math.log10(n) / n)
    loud = [abs(value / covariance[0]) >= limit for value in covariance]
    edge = next((lag for lag in range(0, most - quiet + 1) if not any(loud[lag + 1 : lag + 1 + quiet])), None)
    if edge is None:
        edge = max(lag for lag in range(1, most + 1) if loud[lag])
    width = min(2 * max(edge, 1), most)
    bend, level = 0.0, covariance[0]
    for lag in range(1, width + 1):
        taper = 1.0 if lag / width <= 0.5 else 2 * (1 - lag / width)
        bend += 2 * taper * lag * covariance[lag]
        level += 2 * taper * covariance[lag]
    found = (2 * bend**2 / (2 * level**2)) ** (1 / 3) * n ** (1 / 3)
    return min(max(1.0, found), math.ceil(min(3 * math.sqrt(n), n / 3)))


def redrawn(curve: Sequence[float], rival: Sequence[float], *, block: float, draws: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Equity curves of histories redrawn in blocks, both with the same days; another stream of chance than the product's."""
    r, other = np.array(gains(curve)), np.array(gains(rival))
    n, chance = len(r), np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        days, now = np.empty(n, int), 0
        fresh = chance.random(n) < 1 / block
        starts = chance.integers(0, n, n)
        for place in range(n):
            now = int(starts[place]) if place == 0 or fresh[place] else (now + 1) % n
            days[place] = now
        found.append(tuple(np.concatenate([[1.0], np.cumprod(1 + series[days])]) for series in (r, other)))
    return found


# ----------------------------------------------------------------------------------------------------------------- round trips


@dataclass
class Trip:
    """From the fill that opens a position to the one that closes it."""

    ticker: str
    number: int
    fills: list[Fill]
    opened: int
    closed: int | None
    entry: float = 0.0
    exit: float | None = None
    shares: float = 0.0
    realised: float = 0.0
    unrealised: float = 0.0
    dividends: float = 0.0
    worst: float = 0.0
    best: float = 0.0
    sessions: int = 0
    benchmark: float | None = None

    @property
    def profit(self) -> float:
        return self.realised + self.unrealised + self.dividends

    @property
    def gain(self) -> float:
        return self.profit / (self.shares * self.entry)

    @property
    def costs(self) -> float:
        return sum(fill.commission + fill.slippage for fill in self.fills)


def trips(sleeve: Sleeve) -> list[Trip]:
    """The stays in the market of one ticker; long only."""
    found: list[Trip] = []
    current: list[Fill] = []
    held, opened = 0.0, 0
    waiting = list(sleeve.fills)
    for at, day in enumerate(sleeve.days):
        held *= sleeve.split(at)
        for fill in [item for item in waiting if item.day == day]:
            if not current:
                opened = at
            current.append(fill)
            held += fill.shares
            if abs(held) < 1e-9:
                found.append(_trip(sleeve, len(found) + 1, current, opened, at))
                current, held = [], 0.0
    if current:
        found.append(_trip(sleeve, len(found) + 1, current, opened, None))
    return found


def _trip(sleeve: Sleeve, number: int, fills: list[Fill], opened: int, closed: int | None) -> Trip:
    trip = Trip(sleeve.ticker, number, fills, opened, closed)
    last = closed if closed is not None else len(sleeve.days) - 1
    trip.sessions = last - opened
    bought = paid = sold = received = held = 0.0
    seen = [0.0]
    for at in range(opened, last + 1):
        split = sleeve.split(at)
        if at > opened:
            bought, sold, held = bought * split, sold * split, held * split
            trip.dividends += held * sleeve.records[at]["observation"]["dividend"]
        for fill in [item for item in fills if item.day == sleeve.days[at]]:
            held += fill.shares
            if fill.shares > 0:
                bought, paid = bought + fill.shares, paid + fill.shares * fill.price
            else:
                sold, received = sold - fill.shares, received - fill.shares * fill.price
                seen.append(fill.price / (paid / bought) - 1)
                trip.realised += fill.realised or 0.0
        bar = sleeve.bar(at)
        if bar and abs(held) > 1e-9:
            seen += [bar["high"] / (paid / bought) - 1, bar["low"] / (paid / bought) - 1]
    trip.shares, trip.entry = bought, paid / bought
    trip.exit = received / sold if sold else None
    trip.worst, trip.best = min(seen), max(seen)
    if closed is None:
        trip.unrealised = held * (sleeve.marks[-1] - sleeve.average[-1])
    before, end = max(0, opened - 1), last - 1 if closed is not None else last
    trip.benchmark = sleeve.benchmark[max(before, end)] / sleeve.benchmark[before] - 1
    return trip


def run_trips(export: Export, whose: str) -> list[Trip]:
    found = [trip for name in export.names(whose) for trip in trips(export.sleeves[name])]
    return sorted(found, key=lambda trip: (export.sleeves[trip.ticker].days[trip.opened], trip.ticker))


# ------------------------------------------------------------------------------------------------------------------- behaviour


def rise_at(sleeve: Sleeve, position: int, lookback: int = 5) -> float | None:
    """Change of the last known close over the sessions before, splits taken out."""
    if position < lookback:
        return None
    growth = math.prod(sleeve.split(at) for at in range(position - lookback + 1, position + 1))
    return sleeve.marks[position] * growth / sleeve.marks[position - lookback] - 1


@dataclass
class Trait:
    value: float | None
    cases: dict[str, int]


def traits(export: Export, whose: str) -> dict[str, Trait]:
    """The habits as the Behaviour view tells them."""
    every, fills = run_trips(export, whose), export.fills(whose)
    closed = [trip for trip in every if trip.closed is not None]
    won, lost = [t for t in closed if t.profit > 0], [t for t in closed if t.profit < 0]
    curve, money = export.curve(whose), all_figures(export, whose)
    sessions, traded = {"sessions": len(curve.days) - 1}, {"fills": len(fills)}
    rises: dict[int, list[float]] = {1: [], -1: []}
    for name in export.names(whose):
        sleeve = export.sleeves[name]
        for fill in sleeve.fills:
            rise = rise_at(sleeve, sleeve.days.index(fill.decided))
            if rise is not None:
                rises[1 if fill.shares > 0 else -1].append(rise)
    days = [
        rise
        for name in export.names(whose)
        for at, record in enumerate(export.records[name])
        if record["phase"] == "test" and (rise := rise_at(export.sleeves[name], at)) is not None
    ]
    after: dict[bool, list[float]] = {True: [], False: []}
    for name in export.names(whose):
        sleeve, mine = export.sleeves[name], trips(export.sleeves[name])
        for earlier, later in itertools.pairwise(mine):
            first = later.fills[0]
            after[earlier.profit < 0].append(abs(first.shares) * first.price / sleeve.equity[later.opened - 1])
    wishes = [row for row in export.table("orders.csv") if row["ticker"] in export.names(whose)]
    changed = [row for row in wishes if abs(float(row["weight"]) - float(row["wished"])) > 1e-9]
    refused = [row for row in wishes if row["status"] in ("rejected", "cancelled")]
    shares = {side: _mean([value > 0 for value in values]) for side, values in rises.items()}
    bought, sold = {"buys": len(rises[1])}, {"sells": len(rises[-1])}
    profit, loss = _mean([t.profit for t in won]), _mean([t.profit for t in lost])
    sizes = _mean(after[True]), _mean(after[False])
    return {
        "Turnover a year": Trait(money["turnover_annual"], traded),
        "Turnover": Trait(money["turnover_two_sided"], traded),
        "Time in market": Trait(money["time_in_market"], sessions),
        "Mean exposure": Trait(money["exposure_mean"], sessions),
        "Mean cash": Trait(fmean(1 - curve.weight[1:]), sessions),
        "Wishes cut back": Trait(len(changed) / len(wishes) if wishes else None, {"wishes": len(wishes)}),
        "Orders refused": Trait(len(refused) / len(wishes) if wishes else None, {"orders": len(wishes)}),
        "Winning trips": Trait(len(won) / len(closed) if closed else None, {"closed trips": len(closed)}),
        "Return of winners": Trait(_mean([t.gain for t in won]), {"winners": len(won)}),
        "Return of losers": Trait(_mean([t.gain for t in lost]), {"losers": len(lost)}),
        "Payoff": Trait(profit / -loss if profit is not None and loss is not None else None, {"winners": len(won), "losers": len(lost)}),
        "Held, median": Trait(float(median(t.sessions for t in closed)) if closed else None, {"closed trips": len(closed)}),
        "Held, winners": Trait(_mean([t.sessions for t in won]), {"winners": len(won)}),
        "Held, losers": Trait(_mean([t.sessions for t in lost]), {"losers": len(lost)}),
        "Chasing or fading": Trait(_minus(shares[1], shares[-1]), {**bought, **sold}),
        "Buys after a rise": Trait(shares[1], bought),
        "Sells after a rise": Trait(shares[-1], sold),
        "Sessions after a rise": Trait(_mean([value > 0 for value in days]), {"sessions": len(days)}),
        "Change before buys": Trait(_mean(rises[1]), bought),
        "Change before sells": Trait(_mean(rises[-1]), sold),
        "Size after a loss": Trait(sizes[0], {"after a loss": len(after[True])}),
        "Size after a gain": Trait(sizes[1], {"after a gain": len(after[False])}),
        "Reaction to a loss": Trait(_minus(*sizes), {"after a loss": len(after[True]), "after a gain": len(after[False])}),
    }


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def gaps(export: Export, whose: str) -> list[dict[str, Any]]:
    """Every test session but the first, ticker by ticker, with its return against buy and hold; worst first."""
    found = []
    for name in export.names(whose):
        curve = export.curve(name)
        for at in range(1, len(curve.days)):
            own, rival = (money[at] / money[at - 1] - 1 for money in (curve.equity, curve.benchmark))
            money = (curve.equity[at] - curve.equity[at - 1]) - (curve.benchmark[at] - curve.benchmark[at - 1])
            row = {"ticker": name, "day": curve.days[at], "before": curve.days[at - 1], "own": own, "rival": rival, "money": money}
            found.append({**row, "gap": own - rival, "weight": float(curve.weight[at - 1])})
    return sorted(found, key=lambda row: row["gap"])


# -------------------------------------------------------------------------------------------------------------------- outcomes


def judged(export: Export, ticker: str) -> dict[str, dict[str, Any]]:
    """Session of the decision -> what became of it: the price from the open of the fill to the open five sessions later, splits and
    dividends accounted for; right or wrong beyond twice the cost of a trade."""
    sleeve, how = export.sleeves[ticker], export.spec["execution"]
    later, band = export.spec["memory"]["feedback_sessions"], 2 * (how["commission_bps"] + how["slippage_bps"]) / 1e4
    found = {}
    for fill in sleeve.fills:
        start = sleeve.days.index(fill.day)
        end = start + later
        if end >= len(sleeve.days):
            continue
        growth, income = 1.0, 0.0
        for at in range(start + 1, end + 1):
            growth *= sleeve.split(at)
            income += growth * sleeve.records[at]["observation"]["dividend"]
        bar = sleeve.bar(end)
        assert bar, "a session without a price would be judged later"
        exit_ = bar["open"]
        move, side = (exit_ * growth + income) / fill.reference - 1, 1 if fill.shares > 0 else -1
        verdict = 0 if abs(move) <= band else 1 if side * move > 0 else -1
        told = {"move": move, "verdict": verdict, "side": side, "entry": fill.reference, "exit": exit_}
        found[fill.decided] = {"day": sleeve.days[end], "sessions": later, **told}
    return found


# ---------------------------------------------------------------------------------------------------------------------- memory


@dataclass
class Remembered:
    """One memory as of the close of a session."""

    id: int
    memory: dict[str, Any]
    layer: str
    importance: float
    recency: float
    alive: bool
    forgotten_on: str | None
    recalled: int
    cited: int
    positive: int
    negative: int
    access_count: int


def cited_on(record: Record) -> set[int]:
    """What the decision rested on; a study of the training cites nothing."""
    decision = record["thought"]["decision"]
    return {number for ids in decision["cited"].values() for number in ids} if decision else set()


def clock(export: Export, record: Record) -> float:
    """Calendar days since 1970 at the close, or the session's number."""
    if export.spec["memory"]["clock"] != "calendar_days":
        return float(record["index"])
    return moment(record["observation"]["cutoff"]).timestamp() / 86_400


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def memories(export: Export, ticker: str, day: str) -> dict[int, Remembered]:
    """Every memory born by ``day`` in the state its last event left, faded to that close: value * decay^age and exp(-age / span)."""
    now = clock(export, export.record(ticker, day))
    layers = {layer["name"]: layer for layer in export.spec["memory"]["layers"]}
    births: dict[int, dict[str, Any]] = {}
    last: dict[int, dict[str, Any]] = {}
    for event in export.events:
        if event["ticker"] == ticker and event["day"] <= day:
            last[event["memory_id"]] = event
            if event["kind"] == "remembered":
                births[event["memory_id"]] = event["memory"]
    shown, named = uses(export, ticker, day)
    found = {}
    for number, event in last.items():
        state = event["after"]
        layer = layers[state["layer"]]
        found[number] = Remembered(
            id=number,
            memory=births[number],
            layer=state["layer"],
            importance=state["importance"] * layer["importance_decay"] ** max(0.0, now - state["importance_as_of"]),
            recency=math.exp(-max(0.0, now - state["recency_anchor"]) / layer["recency_days"]),
            alive=event["kind"] != "forgotten",
            forgotten_on=event["day"] if event["kind"] == "forgotten" else None,
            recalled=shown.get(number, 0),
            cited=named.get(number, 0),
            positive=state["positive"],
            negative=state["negative"],
            access_count=state["access_count"],
        )
    return dict(sorted(found.items()))


def uses(export: Export, ticker: str, day: str) -> tuple[dict[int, int], dict[int, int]]:
    """Times each memory was shown to the model, and times a decision rested on it, until the day."""
    shown: dict[int, int] = {}
    named: dict[int, int] = {}
    for record in export.records[ticker]:
        if record["day"] <= day:
            for recall in record["thought"]["recalls"]:
                if not recall["near_miss"]:
                    shown[recall["memory_id"]] = shown.get(recall["memory_id"], 0) + 1
            for number in cited_on(record):
                named[number] = named.get(number, 0) + 1
    return shown, named


def live_per_layer(export: Export, ticker: str) -> list[dict[str, int]]:
    """Live memories per layer after each session, counted from the events."""
    where: dict[int, str] = {}
    mine = [event for event in export.events if event["ticker"] == ticker]
    found, at = [], 0
    for record in export.records[ticker]:
        while at < len(mine) and mine[at]["day"] <= record["day"]:
            event = mine[at]
            if event["kind"] == "forgotten":
                where.pop(event["memory_id"], None)
            else:
                where[event["memory_id"]] = event["after"]["layer"]
            at += 1
        found.append({layer["name"]: sum(name == layer["name"] for name in where.values()) for layer in export.spec["memory"]["layers"]})
    return found


def vectors(export: Export, ticker: str) -> dict[int, np.ndarray]:
    with np.load(export.folder / "vectors.npz") as file:
        mine = file["tickers"] == ticker
        return dict(zip((int(number) for number in file["ids"][mine]), file["vectors"][mine].astype(float), strict=True))


def day_of(text: str) -> date:
    return date.fromisoformat(text[:10])


def chain(parts: Iterable[str]) -> str:
    return ", ".join(part for part in parts if part)
