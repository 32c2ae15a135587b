"""Round trips: from the fill that opens a position to the one that closes it, and what each of them earned.

Promise: the trips of a ledger hold all of its money. Realised and unrealised P&L and dividends of all trips add up to what the equity
has changed by since the start, fees, splits, partial exits and fills through zero included; ``tests/agent/test_trades.py`` holds it to that.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from agent.records import Fill

TINY = 1e-9  # shares: the ledger's own limit for "no position"


@dataclass(frozen=True)
class RoundTrip:
    """One stay in the market. Prices are averages weighted by shares, on the share basis of the last day; money includes fees.

    ``realised`` is the ledger's own figure: the fees of what was bought and of what was sold are in it, once the shares are sold.
    """

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
    slippage: float = 0.0
    held: float = 0.0  # shares still held, signed; 0 once closed
    cost: float = 0.0  # per share still held, fees included, on the basis of the last day
    dividends: float = 0.0  # money; what a short position pays is negative
    steps: tuple[Fill, ...] = ()  # its fills; of a fill through zero the half that belongs here

    @property
    def spent(self) -> float:
        """Money put in: shares times entry price, fees left out."""
        return self.shares * self.entry

    @property
    def gain(self) -> float | None:
        """Realised P&L over the money put in, a fraction; None while nothing was put in."""
        return self.realised / self.spent if self.spent > 0 else None

    def unrealised(self, price: float) -> float:
        """What selling the rest at ``price`` would bring over its cost, before the fees of selling; 0 once closed."""
        return self.held * (price - self.cost)

    def profit(self, price: float) -> float:
        """Realised, unrealised and dividends together: the trip's share of the run's P&L."""
        return self.realised + self.unrealised(price) + self.dividends


@dataclass
class _Open:
    side: int
    opened: date
    held: float = 0.0
    cost: float = 0.0
    bought: float = 0.0
    paid: float = 0.0
    sold: float = 0.0
    received: float = 0.0
    realised: float = 0.0
    commission: float = 0.0
    slippage: float = 0.0
    dividends: float = 0.0
    steps: list[Fill] = field(default_factory=list)

    def split(self, ratio: float) -> None:
        self.held, self.bought, self.sold = self.held * ratio, self.bought * ratio, self.sold * ratio
        self.cost /= ratio

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
            fills=len(self.steps),
            cause=cause,
            slippage=self.slippage,
            held=0.0 if closed else self.held,
            cost=0.0 if closed else self.cost,
            dividends=self.dividends,
            steps=tuple(self.steps),
        )


def round_trips(
    fills: Iterable[Fill], *, splits: Mapping[date, float] | None = None, dividends: Mapping[date, float] | None = None
) -> list[RoundTrip]:
    """The trips of one ticker's fills in order; the last one has ``closed`` None while it is still open.

    ``splits`` (ex date -> new shares per old) rescale what was held before; ``dividends`` (ex date -> cash per share) are paid on it,
    after the split and before the fills of that day, as the ledger does. A fill through zero ends one trip and starts the next.
    """
    waiting = sorted({*(splits or {}), *(dividends or {})})
    trips: list[RoundTrip] = []
    current: _Open | None = None

    def corporate_actions(until: date | None) -> None:
        while waiting and (until is None or waiting[0] <= until):
            day = waiting.pop(0)
            if current:
                current.split((splits or {}).get(day, 1.0))
                current.dividends += current.held * (dividends or {}).get(day, 0.0)

    for fill in fills:
        corporate_actions(fill.day)
        for part in _parts(fill, current):
            side = 1 if part.shares > 0 else -1
            if current is None:
                current = _Open(side=side, opened=part.day)
            _book(current, part)
            if abs(current.held) < TINY:
                trips.append(current.trip(part.day, part.cause))
                current = None
    if current is not None:
        corporate_actions(None)
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
        unit = fill.price + trip.side * fill.commission / size  # as the ledger: a buy costs its fee more, a short brings its fee less
        trip.cost = (abs(trip.held) * trip.cost + size * unit) / (abs(trip.held) + size)
        trip.bought += size
        trip.paid += size * fill.price
    else:
        trip.sold += size
        trip.received += size * fill.price
    trip.held += fill.shares
    trip.realised += fill.realised or 0.0
    trip.commission += fill.commission
    trip.slippage += fill.slippage
    trip.steps.append(fill)


# ----------------------------------------------------------------------------------------------- what happened in the meantime


@dataclass(frozen=True)
class Session:
    """One session of one ticker as the measures below need it; ``mark`` is the last known close, on this day's share basis."""

    day: date
    mark: float
    benchmark: float  # equity of buy and hold at the close, money
    equity: float = 0.0  # own equity at the close, money
    high: float | None = None  # None: no price in this session
    low: float | None = None
    split: float = 1.0


@dataclass(frozen=True)
class Measured:
    """A trip with what the market did meanwhile. Fractions and money; ``number`` counts the ticker's trips from 1."""

    number: int
    trip: RoundTrip
    sessions: int  # from the session of the first fill to that of the last, or to the end of the run; 0: both in one session
    unrealised: float
    profit: float
    gain: float | None  # profit over the money put in
    worst: float  # maximum adverse excursion: furthest that the price went against the average entry price, <= 0
    best: float  # maximum favourable excursion, >= 0
    benchmark: float | None  # return of buy and hold from the last close before the entry to the last close before the exit


def measured(trips: Sequence[RoundTrip], sessions: Sequence[Session], *, at_open: bool = True) -> list[Measured]:
    """Each trip with its length, P&L at the last mark, excursions and the benchmark's return; ``sessions`` in order.

    ``at_open``: orders fill at the open (the bar of the entry session counts, that of the exit does not); else at the close.
    """
    days = [session.day for session in sessions]
    price = sessions[-1].mark if sessions else 0.0
    found = []
    for number, trip in enumerate(trips, start=1):
        first, last = _at(days, trip.opened), _at(days, trip.closed) if trip.closed else len(days) - 1
        worst, best = excursions(trip, sessions[first : last + 1], at_open=at_open)
        profit = trip.profit(price)
        found.append(
            Measured(
                number=number,
                trip=trip,
                sessions=last - first,
                unrealised=trip.unrealised(price),
                profit=profit,
                gain=profit / trip.spent if trip.spent > 0 else None,
                worst=worst,
                best=best,
                benchmark=_benchmark(trip, sessions, first=first, last=last, at_open=at_open),
            )
        )
    return found


def _at(days: Sequence[date], day: date) -> int:
    at = bisect_left(days, day)
    if at == len(days) or days[at] != day:
        raise ValueError(f"a fill on {day} belongs to no session")
    return at


def _benchmark(trip: RoundTrip, sessions: Sequence[Session], *, first: int, last: int, at_open: bool) -> float | None:
    """A stop ends within a session, so the close of that session stands for it."""
    start = max(0, first - 1) if at_open else first
    end = max(start, last - 1) if at_open and trip.cause == "order" else last
    before = sessions[start].benchmark
    return sessions[end].benchmark / before - 1 if before > 0 else None


def excursions(trip: RoundTrip, sessions: Sequence[Session], *, at_open: bool = True) -> tuple[float, float]:
    """How far the price went against the trip (<= 0) and for it (>= 0), as fractions of the average entry price so far.

    ``sessions`` are those of the trip. Highs and lows count while it was held; of the session in which a fill at the open or a stop
    ended it only the price of that fill counts, because what came before or after within the bar is not known.
    """
    bought = paid = held = 0.0
    seen = [0.0]
    steps = list(trip.steps)

    def note(price: float | None) -> None:
        if price is not None and bought > 0:
            seen.append(trip.side * (price / (paid / bought) - 1))

    for session in sessions:
        bought, held = bought * session.split, held * session.split
        today = [fill for fill in steps if fill.day == session.day]
        stopped = any(fill.cause != "order" for fill in today)
        if not at_open and abs(held) > TINY and not stopped:
            note(session.high)
            note(session.low)
        for fill in today:
            if fill.shares * trip.side > 0:
                bought, paid = bought + abs(fill.shares), paid + abs(fill.shares) * fill.price
            else:
                note(fill.price)
            held += fill.shares
        if at_open and abs(held) > TINY:
            note(session.high)
            note(session.low)
    return min(seen), max(seen)
