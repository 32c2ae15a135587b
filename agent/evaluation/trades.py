"""Round trips: from the fill that opens a position to the one that closes it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from agent.records import Fill

TINY = 1e-9  # shares: the ledger's own limit for "no position"


@dataclass(frozen=True)
class RoundTrip:
    """One stay in the market. Prices are averages weighted by shares, on the share basis of the last fill; money includes fees."""

    side: int
    opened: date
    closed: date | None
    shares: float
    entry: float
    exit: float | None
    realised: float
    commission: float
    fills: int
    cause: str

    @property
    def gain(self) -> float | None:
        """Realised P&L over the money put in, a fraction; None while nothing was put in."""
        spent = self.shares * self.entry
        return self.realised / spent if spent > 0 else None


@dataclass
class _Open:
    side: int
    opened: date
    held: float = 0.0
    bought: float = 0.0
    paid: float = 0.0
    sold: float = 0.0
    received: float = 0.0
    realised: float = 0.0
    commission: float = 0.0
    fills: int = 0

    def split(self, ratio: float) -> None:
        self.held, self.bought, self.sold = self.held * ratio, self.bought * ratio, self.sold * ratio

    def trip(self, closed: date | None, cause: str) -> RoundTrip:
        return RoundTrip(
            side=self.side,
            opened=self.opened,
            closed=closed,
            shares=self.bought,
            entry=self.paid / self.bought,
            exit=self.received / self.sold if self.sold else None,
            realised=self.realised,
            commission=self.commission,
            fills=self.fills,
            cause=cause,
        )


def round_trips(fills: Iterable[Fill], *, splits: Mapping[date, float] | None = None) -> list[RoundTrip]:
    """The trips of one ticker's fills in order; the last one has ``closed`` None while it is still open.

    ``splits`` (ex date -> new shares per old) rescale what was held before. A fill through zero ends one trip and starts the next.
    """
    waiting = sorted((splits or {}).items())
    trips: list[RoundTrip] = []
    current: _Open | None = None
    for fill in fills:
        while waiting and waiting[0][0] <= fill.day:
            ratio = waiting.pop(0)[1]
            if current:
                current.split(ratio)
        for part in _parts(fill, current):
            side = 1 if part.shares > 0 else -1
            if current is None:
                current = _Open(side=side, opened=part.day)
            _book(current, part)
            if abs(current.held) < TINY:
                trips.append(current.trip(part.day, part.cause))
                current = None
    if current is not None:
        for _, ratio in waiting:
            current.split(ratio)
        trips.append(current.trip(None, ""))
    return trips


def _parts(fill: Fill, current: _Open | None) -> list[Fill]:
    """The fill, or its closing and its opening half where it goes through zero; fees are shared by size."""
    held = current.held if current else 0.0
    rest = fill.shares + held
    if held * fill.shares >= 0 or abs(rest) < TINY or math.copysign(1, rest) == math.copysign(1, held):
        return [fill]
    share = abs(held / fill.shares)
    closing = fill.model_copy(update={"shares": -held, "commission": fill.commission * share, "slippage": fill.slippage * share})
    opening = fill.model_copy(
        update={"shares": rest, "commission": fill.commission * (1 - share), "slippage": fill.slippage * (1 - share), "realised": None}
    )
    return [closing, opening]


def _book(trip: _Open, fill: Fill) -> None:
    size = abs(fill.shares)
    if fill.shares * trip.side > 0:
        trip.bought += size
        trip.paid += size * fill.price
    else:
        trip.sold += size
        trip.received += size * fill.price
    trip.held += fill.shares
    trip.realised += fill.realised or 0.0
    trip.commission += fill.commission
    trip.fills += 1
