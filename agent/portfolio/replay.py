"""The ledger for many traders at once: given orders, given prices, what would have become of the money. Nobody is asked to decide.

Promise: each column is, to the last digits, what ``agent.portfolio.accounting`` makes of the same orders; a test holds the two together.
One ticker at a time, since sleeves share no cash. A row is a session: split, dividend, the waiting order at the open, the mark at the
close, and then the order decided there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from agent.errors import NoData, SpecError
from agent.portfolio.accounting import PATIENCE, TINY
from agent.portfolio.costs import Terms


class Rules(Terms, Protocol):
    """The part of a run's execution settings that a replay needs; ``spec.Execution`` has all of it."""

    @property
    def fill(self) -> str: ...


@dataclass(frozen=True)
class Replay:
    """What K traders made of T sessions, money. ``equity`` and ``held`` (value of the position, signed) are T x K, marked at the last known
    close; ``traded`` (value of all fills, buys and sells both counted), ``costs`` (commission and slippage) and ``fills`` are one per trader."""

    equity: np.ndarray
    held: np.ndarray
    traded: np.ndarray
    costs: np.ndarray
    fills: np.ndarray

    @property
    def turnover(self) -> np.ndarray:
        """``turnover_two_sided`` of the metrics, per trader: value of all fills over mean equity; NaN where that is not above zero."""
        mean = self.equity.mean(axis=0)
        return np.where(mean > 0, self.traded / np.where(mean > 0, mean, 1.0), np.nan)

    @property
    def exposure(self) -> np.ndarray:
        """``exposure_mean`` of the metrics, per trader: mean share of equity in the market over bars 1..T-1; NaN where the equity was gone."""
        equity, held = self.equity[1:], self.held[1:]
        if not len(equity):
            return np.zeros(self.equity.shape[1])
        share = np.abs(held) / np.where(equity > 0, equity, np.nan)
        return share.mean(axis=0)

    def __add__(self, other: Replay) -> Replay:
        """The sleeves of two tickers together: trader k of one and trader k of the other are one trader. A long and a short cancel."""
        return Replay(
            self.equity + other.equity,
            self.held + other.held,
            self.traded + other.traded,
            self.costs + other.costs,
            self.fills + other.fills,
        )


def replay(
    targets: np.ndarray,
    opens: np.ndarray,
    closes: np.ndarray,
    dividends: np.ndarray,
    splits: np.ndarray,
    *,
    execution: Rules,
    cash: float,
    delay: int = 0,
) -> Replay:
    """Carry out ``targets`` (T x K): the share of equity ordered at close t, NaN for no order; each trader starts with ``cash`` and no shares.

    ``opens`` and ``closes`` are as traded, NaN in a session without a price; ``dividends`` are cash per share and ``splits`` new shares per
    old one on their ex dates. ``delay`` carries every order out that many sessions later than the rules say. SpecError for stops: levels
    within the bar hang on the fill of each order, and are not replayed.
    """
    if execution.stops:
        raise SpecError("Stop-loss and take-profit levels are not replayed; only runs without stops can be.", field="execution.stops")
    if delay < 0:
        raise SpecError(f"A delay of {delay} sessions would trade on what was not known yet; take 0 or more.", field="delay")
    wishes = _checked(targets, opens, closes, dividends, splits)
    if delay:
        late = np.full_like(wishes, np.nan)
        late[delay:] = wishes[: max(0, len(wishes) - delay)]
        wishes = late
    book = _Book.opened(wishes.shape[1], cash)
    equity, held = np.empty_like(wishes), np.empty_like(wishes)
    mark = 0.0  # nothing is held before the first price
    at_close = execution.fill == "same_close"
    for t in range(len(wishes)):
        if splits[t] != 1.0:
            book.shares *= splits[t]
            mark /= splits[t]
        if dividends[t]:
            book.cash += book.shares * dividends[t]
        priced = not np.isnan(closes[t])
        if priced:
            book.fill(float(opens[t]), execution)
            mark = float(closes[t])
        else:
            book.wait()
        book.order(wishes[t])
        if at_close and priced:
            book.fill(mark, execution)
        held[t] = book.shares * mark
        equity[t] = book.cash + held[t]
    return Replay(equity, held, book.traded, book.costs, book.fills)


def _checked(targets: np.ndarray, opens: np.ndarray, closes: np.ndarray, dividends: np.ndarray, splits: np.ndarray) -> np.ndarray:
    wishes = np.asarray(targets, dtype=float)
    if wishes.ndim != 2:
        raise ValueError(f"targets have {wishes.ndim} dimensions, not sessions x traders")
    for name, values in (("opens", opens), ("closes", closes), ("dividends", dividends), ("splits", splits)):
        if len(values) != len(wishes):
            raise ValueError(f"there are {len(values)} {name} for {len(wishes)} sessions")
    if np.isinf(wishes).any():
        raise ValueError("a target weight is not a number")
    priced = ~np.isnan(closes)
    if (priced != ~np.isnan(opens)).any() or not ((np.asarray(opens)[priced] > 0) & (np.asarray(closes)[priced] > 0)).all():
        raise NoData("A session has an open without a close, or a price that is not above zero; the data has a missing bar.")
    if not (np.isfinite(dividends).all() and np.isfinite(splits).all() and (np.asarray(splits) > 0).all()):
        raise NoData("A dividend or a split ratio is not a usable number.")
    return wishes


@dataclass
class _Book:
    """What K traders hold between two sessions; each array has one value per trader. ``pending`` is NaN where no order waits."""

    cash: np.ndarray
    shares: np.ndarray
    pending: np.ndarray
    waited: np.ndarray
    traded: np.ndarray
    costs: np.ndarray
    fills: np.ndarray

    @classmethod
    def opened(cls, traders: int, cash: float) -> _Book:
        empty = [np.zeros(traders) for _ in range(4)]
        return cls(np.full(traders, float(cash)), empty[0], np.full(traders, np.nan), empty[1], empty[2], empty[3], np.zeros(traders, int))

    def order(self, wishes: np.ndarray) -> None:
        """``place_order``: a new wish replaces one that still waits."""
        new = ~np.isnan(wishes)
        self.pending = np.where(new, wishes, self.pending)
        self.waited = np.where(new, 0.0, self.waited)

    def wait(self) -> None:
        """``wait``: a session without a price; after three of them an order is cancelled."""
        self.waited = self.waited + 1
        self.pending = np.where(self.waited < PATIENCE, self.pending, np.nan)

    def fill(self, price: float, terms: Terms) -> None:
        """``fill_order`` for every trader with a waiting order, at ``price`` before slippage."""
        who = np.flatnonzero(~np.isnan(self.pending))
        if not len(who):
            return
        cash, shares = self.cash[who], self.shares[who]
        bought = _affordable(cash, _wanted(cash, shares, self.pending[who], price, terms) - shares, price, terms)
        self.pending[who] = np.nan
        self.waited[who] = 0.0
        bought = np.where(np.abs(bought) < TINY, 0.0, bought)
        paid = np.where(bought > 0, price * (1 + terms.slippage_bps / 1e4), price * (1 - terms.slippage_bps / 1e4))
        value = np.abs(bought) * paid
        fee = value * terms.commission_bps / 1e4
        left = cash - bought * paid - fee
        self.cash[who] = np.where((left < 0) & (cash >= 0) & (bought > 0), 0.0, left)  # the last digit of a buy that was cut to cash
        after = shares + bought
        self.shares[who] = np.where((np.abs(after) < TINY) & (bought != 0), 0.0, after)
        self.traded[who] += value
        self.costs[who] += fee + np.abs(bought) * np.abs(paid - price)
        self.fills[who] += bought != 0


def _wanted(cash: np.ndarray, shares: np.ndarray, weights: np.ndarray, price: float, terms: Terms) -> np.ndarray:
    """Shares after the fill that the weights ask for, before the question whether cash can pay for them."""
    allowed = weights if terms.allow_short else np.maximum(weights, 0.0)
    equity = cash + shares * price
    wanted = np.where(equity > 0, allowed, 0.0) * equity / price
    return wanted if terms.fractional else np.trunc(wanted + np.copysign(TINY, wanted))


def _affordable(cash: np.ndarray, bought: np.ndarray, price: float, terms: Terms) -> np.ndarray:
    """What is traded, a buy cut to what cash can pay with commission."""
    unit = price * (1 + terms.slippage_bps / 1e4)
    unit += unit * terms.commission_bps / 1e4
    most = np.maximum(0.0, cash) / unit
    if not terms.fractional:
        most = np.where(bought > most, np.floor(most + TINY), most)
    return np.where(bought > 0, np.minimum(bought, most), bought)
