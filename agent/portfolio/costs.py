"""What a trade costs: slippage moves the price against the trader, commission is paid from cash on both sides."""

from __future__ import annotations

from typing import Protocol


class Terms(Protocol):
    """The part of a run's execution settings that a fill needs; ``spec.Execution`` has all of it."""

    @property
    def commission_bps(self) -> float: ...
    @property
    def slippage_bps(self) -> float: ...
    @property
    def fractional(self) -> bool: ...
    @property
    def allow_short(self) -> bool: ...
    @property
    def stops(self) -> bool: ...


def fill_price(reference: float, shares: float, *, terms: Terms) -> float:
    """The price paid or received for signed ``shares``: buys above the reference price, sells below it."""
    slip = terms.slippage_bps / 1e4
    return reference * (1 + slip) if shares > 0 else reference * (1 - slip)


def commission(shares: float, price: float, *, terms: Terms) -> float:
    """Money paid to the broker for trading ``shares`` at ``price``."""
    return abs(shares) * price * terms.commission_bps / 1e4
