"""Turning orders into shares and cash: pure functions, one home for every ledger in the product, the benchmark's included.

Promise: money is neither made nor lost except by prices, slippage, commission and dividends; a buy never takes cash below zero; what
the broker changed about an order is written on the fill. The order of one session is: ``apply_split``, ``pay_dividend`` (on the shares
held since the previous close), ``fill_order`` at the open, ``check_stops`` within the bar, and the mark at the close.
"""

from __future__ import annotations

import math
from datetime import date
from typing import Literal

from agent.errors import NoData
from agent.portfolio.costs import Terms, commission, fill_price
from agent.records import Bar, Fill, Order, Portfolio

TINY = 1e-9  # shares: smaller quantities are no trade and no position
PATIENCE = 3  # sessions an order waits for a price before it is cancelled
ROUNDED = "rounded to whole shares"


def place_order(portfolio: Portfolio, order: Order) -> Portfolio:
    """The portfolio with ``order`` waiting for the next open; an order that still waits is replaced."""
    return portfolio.model_copy(update={"pending": order})


def fill_order(portfolio: Portfolio, *, open_price: float, day: date, execution: Terms) -> tuple[Portfolio, Fill | None, Order]:
    """Carry out the pending order at ``open_price``: trade to its weight of the equity marked there before the fill.

    Returns the portfolio without the order, the fill (None where nothing was traded) and the order as it ended: filled, rejected
    (shorting is off, or less than one whole share) or cancelled (already at the target).
    """
    order = portfolio.pending
    if order is None:
        raise ValueError("there is no pending order to fill")
    _check_price(open_price, day)
    notes: list[str] = []
    wanted = _wanted_shares(portfolio, order.weight, open_price, execution, notes)
    before = portfolio.model_copy(update={"pending": None})
    shares = _affordable(before, wanted - portfolio.shares, open_price, execution, notes)
    if abs(shares) < TINY:
        if any(note != ROUNDED for note in notes):
            return before, None, _ended(order, "rejected", notes)
        return before, None, _ended(order, "cancelled", [*notes, "already at the target"])
    after, fill = _trade(before, shares, open_price, day=day, execution=execution, cause="order", notes=notes)
    return after, fill, _ended(order, "filled", notes)


def wait(portfolio: Portfolio) -> tuple[Portfolio, Order | None]:
    """A session without a price: the pending order waits on, or is cancelled (and returned) once it has waited three sessions."""
    order = portfolio.pending
    if order is None:
        return portfolio, None
    waited = order.model_copy(update={"waited": order.waited + 1})
    if waited.waited < PATIENCE:
        return portfolio.model_copy(update={"pending": waited}), None
    return portfolio.model_copy(update={"pending": None}), _ended(waited, "cancelled", [f"no price for {PATIENCE} sessions"])


def apply_split(portfolio: Portfolio, ratio: float) -> Portfolio:
    """The portfolio on the ex date of a split of ``ratio`` new shares per old one; a fraction of a share it leaves is kept."""
    if not (math.isfinite(ratio) and ratio > 0):
        raise NoData(f"A split ratio of {ratio} is not a number above zero.")
    if ratio == 1.0:
        return portfolio
    levels = {name: value / ratio for name in ("stop_price", "take_price") if (value := getattr(portfolio, name)) is not None}
    shares = portfolio.shares * ratio
    return portfolio.model_copy(update={"shares": shares, "average_cost": portfolio.average_cost / ratio, **levels})


def pay_dividend(portfolio: Portfolio, amount: float) -> Portfolio:
    """``amount`` per share on the ex date, after its split and before its fills; a short position pays it."""
    if not math.isfinite(amount):
        raise NoData(f"A dividend of {amount} is not a number.")
    return portfolio.model_copy(update={"cash": portfolio.cash + portfolio.shares * amount})


def set_stops(portfolio: Portfolio, *, entry: float, stop_loss_pct: float | None, take_profit_pct: float | None) -> Portfolio:
    """Stop-loss and take-profit levels as fractions away from ``entry``, on the side that the position asks for; none when flat."""
    if portfolio.shares == 0:
        return portfolio.model_copy(update={"stop_price": None, "take_price": None})
    side = math.copysign(1.0, portfolio.shares)
    stop = entry * (1 - side * stop_loss_pct) if stop_loss_pct else None
    take = entry * (1 + side * take_profit_pct) if take_profit_pct else None
    return portfolio.model_copy(update={"stop_price": stop, "take_price": take if take and take > 0 else None})


def check_stops(portfolio: Portfolio, bar: Bar, execution: Terms) -> tuple[Portfolio, Fill | None]:
    """Close the position where the bar reaches its stop or its take-profit; where it reaches both, the stop is taken.

    A gap through the level fills at the open. The whole position goes, slippage and commission included.
    """
    if not execution.stops or portfolio.shares == 0:
        return portfolio, None
    hit = _hit(portfolio, bar)
    if hit is None:
        return portfolio, None
    reference, cause = hit
    notes: list[str] = []
    shares = _affordable(portfolio, -portfolio.shares, reference, execution, notes)
    if abs(shares) < TINY:
        return portfolio, None
    return _trade(portfolio, shares, reference, day=bar.day, execution=execution, cause=cause, notes=notes)


def _hit(portfolio: Portfolio, bar: Bar) -> tuple[float, Literal["stop_loss", "take_profit"]] | None:
    stop, take = portfolio.stop_price, portfolio.take_price
    if portfolio.shares > 0:
        if stop is not None and bar.low <= stop:
            return min(bar.open, stop), "stop_loss"
        if take is not None and bar.high >= take:
            return max(bar.open, take), "take_profit"
    else:
        if stop is not None and bar.high >= stop:
            return max(bar.open, stop), "stop_loss"
        if take is not None and bar.low <= take:
            return min(bar.open, take), "take_profit"
    return None


def _wanted_shares(portfolio: Portfolio, weight: float, price: float, execution: Terms, notes: list[str]) -> float:
    """Shares after the fill that ``weight`` asks for, before the question whether cash can pay for them."""
    if not math.isfinite(weight):
        raise ValueError(f"a target weight of {weight} is not a number")
    if weight < 0 and not execution.allow_short:
        notes.append("shorting is off")
        weight = 0.0
    equity = portfolio.equity(price)
    if equity <= 0 and weight != 0:
        # only a short position can lose more than everything; a weight of a negative equity would turn the order round
        notes.append("no equity left")
        weight = 0.0
    wanted = weight * equity / price
    if execution.fractional:
        return wanted
    whole = float(math.trunc(wanted + math.copysign(TINY, wanted)))
    if whole == 0 and abs(wanted) > TINY:
        notes.append("less than one whole share")
    elif abs(whole - wanted) > TINY:
        notes.append(ROUNDED)
    return whole


def _affordable(portfolio: Portfolio, shares: float, reference: float, execution: Terms, notes: list[str]) -> float:
    """``shares`` to trade, a buy cut to what cash can pay with commission."""
    if shares <= 0:
        return shares
    unit = fill_price(reference, shares, terms=execution)
    unit += commission(1.0, unit, terms=execution)
    most = max(0.0, portfolio.cash) / unit
    if not execution.fractional and shares > most:
        most = float(math.floor(most + TINY))
    if shares <= most:
        return shares
    notes.append("cut to cash")
    return most


def _trade(
    portfolio: Portfolio,
    shares: float,
    reference: float,
    *,
    day: date,
    execution: Terms,
    cause: Literal["order", "stop_loss", "take_profit"],
    notes: list[str],
) -> tuple[Portfolio, Fill]:
    """Book signed ``shares``: cash, position, average cost and realised P&L. A fill through zero closes first and then opens."""
    price = fill_price(reference, shares, terms=execution)
    fee = commission(shares, price, terms=execution)
    held = portfolio.shares
    closing = min(abs(shares), abs(held)) if held * shares < 0 else 0.0
    left = _zeroed(held + shares)
    side = math.copysign(1.0, shares)
    unit = price + side * fee / abs(shares)  # a buy costs its fee more, a sell brings its fee less
    realised = closing * (portfolio.average_cost - unit) * side if closing else None
    if left == 0:
        cost = 0.0
    elif not closing:
        cost = (abs(held) * portfolio.average_cost + abs(shares) * unit) / abs(left)
    else:
        cost = portfolio.average_cost if left * held > 0 else unit
    cash = portfolio.cash - shares * price - fee
    if cash < 0 <= portfolio.cash and shares > 0:
        cash = 0.0  # the last digit of a buy that was cut to cash
    update: dict[str, object] = {"cash": cash, "shares": left, "average_cost": cost}
    if left * held <= 0:
        update |= {"stop_price": None, "take_price": None}
    fill = Fill(
        day=day,
        shares=shares,
        price=price,
        reference=reference,
        commission=fee,
        slippage=abs(shares) * abs(price - reference),
        realised=realised,
        cause=cause,
        note="; ".join(notes),
    )
    return portfolio.model_copy(update=update), fill


def _zeroed(shares: float) -> float:
    return 0.0 if abs(shares) < TINY else shares


def _ended(order: Order, status: Literal["filled", "rejected", "cancelled"], notes: list[str]) -> Order:
    """The order with how it ended; what the limits had said about it before stays in front."""
    reason = "; ".join(part for part in (order.reason, *notes) if part)
    return order.model_copy(update={"status": status, "reason": reason})


def _check_price(price: float, day: date) -> None:
    if not (math.isfinite(price) and price > 0):
        raise NoData(f"There is no usable price on {day} (found {price}); the data has a missing bar.")
