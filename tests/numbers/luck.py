"""The luck meter by another hand: figures from the formulas, the crowd from a ledger that goes through one trader after the other."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from statistics import NormalDist, fmean

import numpy as np

from tests.numbers import recompute, words
from tests.numbers.reading import Tile
from tests.numbers.recompute import TOTAL, Book, Export

CROWD = 300  # of a page's thousand: enough to see whether the run is beyond all of them
CHANCE = NormalDist()


def tiles(export: Export, whose: str) -> list[Tile]:
    found = recompute.all_figures(export, whose)
    assert beyond_all(export, whose)
    has = f"has {len(export.curve(whose).days) - 1:,}"
    return [
        ("Sharpe ± error", words.number(found["sharpe"]), f"± {words.number(_error(export.curve(whose).equity))}"),
        ("Random traders", "above all", f"{100 * recompute.wilson(1000, 1000)[0]:.1f} to 100.0 %"),
        ("P(Sharpe > 0)", words.percent(found["psr_0"]), "as a single try"),
        ("Deflated", words.percent(found["psr_0"]), "K 1"),
        ("Days it needs", _days(_least(export, whose)), has),
        ("Days to tell apart", _days(_apart(export, whose)), has),
    ]


def beside(export: Export) -> str:
    """What stands under the Sharpe of the strip."""
    assert beyond_all(export, TOTAL)
    return f"± {words.number(_error(export.curve(TOTAL).equity))} · beats all by lot"


def sentence(export: Export, whose: str) -> str:
    least, n = _least(export, whose), len(export.curve(whose).days) - 1
    good = "Hardly any trader by lot with the same turnover and exposure did as well: on these days the timing was good. "
    if least <= n:
        return f"{good}{n:,} daily returns are enough to call the Sharpe positive, as a single try."
    return f"{good}{n:,} daily returns are not enough to call the Sharpe positive: {_days(least)} would be needed."


def _days(value: float) -> str:
    return f"{math.ceil(value):,}" if value < 252 * 100 else "over 100 years"


def _error(equity: Sequence[float]) -> float:
    """Standard error of the annual Sharpe."""
    return math.sqrt(_unsure(equity) / (len(equity) - 2) * 252)


def _unsure(equity: Sequence[float]) -> float:
    """1 - skewness SR + (kurtosis - 1) / 4 SR^2, per day."""
    r = recompute.gains(equity)
    middle, spread = fmean(r), recompute.deviation(r)
    wide = math.sqrt(fmean((value - middle) ** 2 for value in r))
    skew, kurtosis = (fmean(((value - middle) / wide) ** order for value in r) for order in (3, 4))
    return 1 - skew * middle / spread + (kurtosis - 1) / 4 * (middle / spread) ** 2


def _least(export: Export, whose: str) -> float:
    r = recompute.gains(export.curve(whose).equity)
    daily = fmean(r) / recompute.deviation(r)
    return 1 + _unsure(export.curve(whose).equity) * (CHANCE.inv_cdf(0.95) / daily) ** 2


def _apart(export: Export, whose: str) -> float:
    """Days until the difference of two Sharpes is seen: from the deviation of its first-order terms, with Newey and West's weights."""
    curve = export.curve(whose)
    terms, ratios = [], []
    for money in (curve.equity, curve.benchmark):
        r = recompute.gains(money)
        middle, wide = fmean(r), math.sqrt(fmean((value - fmean(r)) ** 2 for value in r))
        ratios.append(middle / recompute.deviation(r))
        terms.append([(value - middle) / wide - middle / (2 * wide) * (((value - middle) / wide) ** 2 - 1) for value in r])
    gap = [one - two for one, two in zip(*terms, strict=True)]
    n, centre = len(gap), fmean(gap)
    lags = int(4 * (n / 100) ** (2 / 9))
    total = 0.0
    for lag in range(lags + 1):
        along = sum((gap[day] - centre) * (gap[day - lag] - centre) for day in range(lag, n))
        total += along if lag == 0 else 2 * (1 - lag / (lags + 1)) * along
    reach = (CHANCE.inv_cdf(0.975) + CHANCE.inv_cdf(0.8)) * math.sqrt(total) / n / (ratios[0] - ratios[1])
    return n * reach**2


# ----------------------------------------------------------------------------------------------------------------- the crowd


def beyond_all(export: Export, whose: str) -> bool:
    """Whether nobody of a crowd drawn here, in and out at moments of its own, has as high a Sharpe as the run."""
    return recompute.all_figures(export, whose)["sharpe"] > max(_crowd(export, whose))


@cache
def _crowd(export: Export, whose: str) -> tuple[float, ...]:
    draw, found = random.Random(whose), []
    for _ in range(CROWD):
        money = np.sum([_trader(export, name, draw) for name in export.names(whose)], axis=0)
        r = recompute.gains(money)
        found.append(fmean(r) / recompute.deviation(r) * math.sqrt(252))
    return tuple(found)


def _trader(export: Export, ticker: str, draw: random.Random) -> list[float]:
    """Somebody who is in and out of one ticker as often and as long in all as the run, at moments by lot."""
    records, how = export.test_records(ticker), export.spec["execution"]
    ordered = {row["decided"]: float(row["weight"]) for row in export.table("orders.csv") if row["ticker"] == ticker}
    assert set(ordered.values()) == {0.0, 1.0}, "the demo is all in or all out"
    begins = [(0, 0.0), *((at, ordered[item["day"]]) for at, item in enumerate(records) if item["day"] in ordered)]
    changes = [begins[0], *(new for old, new in pairwise(begins) if new[1] != old[1])]
    long = [after[0] - before[0] for before, after in pairwise([*changes, (len(records), 0.0)])]
    drawn = dict(zip((0, 1), (_cut(sum(long[side::2]), len(long[side::2]), draw) for side in (0, 1)), strict=True))
    wish_on, at = {}, 0
    for number in range(len(long)):
        wish_on[at] = float(number % 2)
        at += drawn[number % 2][number // 2]
    book = Book(export.capital / len(export.tickers), how["commission_bps"] / 1e4, how["slippage_bps"] / 1e4)
    wish, equity = None, []
    for position, record in enumerate(records):
        seen = record["observation"]
        book.corporate(seen["split"], seen["dividend"])
        if wish is not None:
            book.trade_to(wish, seen["bar"]["open"], record["day"], "")
        equity.append(book.cash + book.shares * seen["bar"]["close"])
        wish = wish_on.get(position)
    return equity


def _cut(total: int, parts: int, draw: random.Random) -> list[int]:
    edges = [0, *sorted(draw.sample(range(1, total), parts - 1)), total]
    return [after - before for before, after in pairwise(edges)]
