"""How somebody trades, in figures that can be argued with: each has its definition, its unit, and the number of cases behind it.

Promise: a figure that rests on too few cases says so, and one that is not defined is None, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import fmean, median
from typing import Literal

from agent.evaluation.trades import Measured, Session

LOOKBACK = 5  # sessions: a week of trading, the horizon in which people say "it has been rising"
ENOUGH = 10  # cases of each kind; of ten coin flips one share in three is off by more than 15 percentage points
LEANING = 0.2  # difference of two shares from which on it is called chasing or fading

Unit = Literal["fraction", "ratio", "sessions"]


@dataclass(frozen=True)
class Trait:
    """How a figure is shown, and what it means."""

    key: str
    label: str
    unit: Unit
    help: str


@dataclass(frozen=True)
class Reading:
    """A figure with the cases behind it: ``{"buys": 57, "sells": 56}``. ``value`` is None where it is not defined."""

    value: float | None
    cases: Mapping[str, int]

    @property
    def enough(self) -> bool:
        """Whether there are ``ENOUGH`` cases of every kind."""
        return all(count >= ENOUGH for count in self.cases.values())


@dataclass(frozen=True)
class Traded:
    """An order that was filled: the session of its decision, and +1 for a buy, -1 for a sell."""

    decided: date
    side: int


@dataclass(frozen=True)
class Sleeve:
    """One ticker of a run: all its recorded sessions in order (training included), its trips, its filled orders."""

    sessions: Sequence[Session]
    trips: Sequence[Measured]
    orders: Sequence[Traded]


_RISE = f"Price change over the {LOOKBACK} sessions up to the close of the decision (splits taken out, dividends not)"
_TABLE = (
    Trait("hit_rate", "Winning trips", "fraction", "Share of the closed trips that made money, after costs and with dividends."),
    Trait("gain_of_winners", "Return of winners", "fraction", "Profit over the money put in: mean of the winning closed trips."),
    Trait("loss_of_losers", "Return of losers", "fraction", "Profit over the money put in: mean of the losing closed trips."),
    Trait("payoff", "Payoff", "ratio", "Mean profit of the winning closed trips over the mean loss of the losing ones, in money."),
    Trait(
        "sessions_median",
        "Held, median",
        "sessions",
        "Half of the closed trips lasted no longer, from the session of entry to that of exit.",
    ),
    Trait("sessions_winners", "Held, winners", "sessions", "Mean length of the winning closed trips."),
    Trait(
        "sessions_losers",
        "Held, losers",
        "sessions",
        "Mean length of the losing closed trips. Longer than that of the winners: losses are kept and gains taken early.",
    ),
    Trait(
        "chasing",
        "Chasing or fading",
        "fraction",
        f"Share of buys decided after a rise minus share of sells decided after a rise. A rise: {_RISE[0].lower()}{_RISE[1:]} above 0. "
        f"From +{LEANING:g} on it is called chasing (buys what has risen, sells what has fallen), from -{LEANING:g} fading.",
    ),
    Trait("risen_buys", "Buys after a rise", "fraction", f"Share of the filled buy orders decided after a rise. {_RISE}."),
    Trait("risen_sells", "Sells after a rise", "fraction", f"Share of the filled sell orders decided after a rise. {_RISE}."),
    Trait(
        "risen_sessions",
        "Sessions after a rise",
        "fraction",
        "Share of all test sessions that followed a rise: what blind orders would show.",
    ),
    Trait("rise_before_buys", "Change before buys", "fraction", f"{_RISE}: mean over the filled buy orders."),
    Trait("rise_before_sells", "Change before sells", "fraction", f"{_RISE}: mean over the filled sell orders."),
    Trait(
        "size_after_loss",
        "Size after a loss",
        "fraction",
        "Value of a trip's first fill over the equity at the close before: mean of the trips that followed a losing trip in the same ticker.",
    ),
    Trait("size_after_win", "Size after a gain", "fraction", "The same of the trips that followed a trip without a loss."),
    Trait(
        "reaction",
        "Reaction to a loss",
        "fraction",
        "Size after a loss minus size after a gain: below 0 the next bet is smaller after a loss.",
    ),
)
TRAITS: dict[str, Trait] = {trait.key: trait for trait in _TABLE}


def behaviour(sleeves: Iterable[Sleeve], *, since: date | None = None) -> dict[str, Reading]:
    """Every figure of ``TRAITS`` over all ``sleeves`` together. ``since``: first session that counts as one the agent could trade in."""
    found = list(sleeves)
    closed = [item for sleeve in found for item in sleeve.trips if item.trip.closed]
    return {**_trips(closed), **_rises(found, since), **_after_losses(found)}


def leaning(found: Mapping[str, Reading]) -> str:
    """Chasing, fading or neither in one word, or that nobody can say."""
    reading = found["chasing"]
    if reading.value is None or not reading.enough:
        return "n too small"
    return "chasing" if reading.value >= LEANING else "fading" if reading.value <= -LEANING else "neither"


def rises(sessions: Sequence[Session], *, lookback: int = LOOKBACK) -> dict[date, float]:
    """Session -> change of the last known close over ``lookback`` sessions, a fraction; sessions too early for it are left out."""
    growth, whole = 1.0, []
    for session in sessions:
        growth *= session.split
        whole.append(session.mark * growth)
    return {sessions[i].day: whole[i] / whole[i - lookback] - 1 for i in range(lookback, len(sessions)) if whole[i - lookback] > 0}


def rises_before(sleeve: Sleeve) -> list[tuple[Traded, float]]:
    """Each filled order with the change before its decision; orders too early for one are left out."""
    known = rises(sleeve.sessions)
    return [(order, known[order.decided]) for order in sleeve.orders if order.decided in known]


def _trips(closed: Sequence[Measured]) -> dict[str, Reading]:
    won, lost = [t for t in closed if t.profit > 0], [t for t in closed if t.profit < 0]
    all_, winners, losers = {"closed trips": len(closed)}, {"winners": len(won)}, {"losers": len(lost)}
    profit, loss = _mean([t.profit for t in won]), _mean([t.profit for t in lost])
    return {
        "hit_rate": Reading(len(won) / len(closed) if closed else None, all_),
        "gain_of_winners": Reading(_mean([t.gain for t in won if t.gain is not None]), winners),
        "loss_of_losers": Reading(_mean([t.gain for t in lost if t.gain is not None]), losers),
        "payoff": Reading(profit / -loss if profit is not None and loss is not None else None, {**winners, **losers}),
        "sessions_median": Reading(float(median(t.sessions for t in closed)) if closed else None, all_),
        "sessions_winners": Reading(_mean([t.sessions for t in won]), winners),
        "sessions_losers": Reading(_mean([t.sessions for t in lost]), losers),
    }


def _rises(sleeves: Sequence[Sleeve], since: date | None) -> dict[str, Reading]:
    before = [pair for sleeve in sleeves for pair in rises_before(sleeve)]
    buys, sells = [rise for order, rise in before if order.side > 0], [rise for order, rise in before if order.side < 0]
    days = [rise for sleeve in sleeves for day, rise in rises(sleeve.sessions).items() if since is None or day >= since]
    risen_buys, risen_sells, risen = _risen(buys), _risen(sells), _risen(days)
    bought, sold = {"buys": len(buys)}, {"sells": len(sells)}
    return {
        "chasing": Reading(_difference(risen_buys, risen_sells), {**bought, **sold}),
        "risen_buys": Reading(risen_buys, bought),
        "risen_sells": Reading(risen_sells, sold),
        "risen_sessions": Reading(risen, {"sessions": len(days)}),
        "rise_before_buys": Reading(_mean(buys), bought),
        "rise_before_sells": Reading(_mean(sells), sold),
    }


def _after_losses(sleeves: Sequence[Sleeve]) -> dict[str, Reading]:
    after: dict[bool, list[float]] = {True: [], False: []}
    for sleeve in sleeves:
        position = {session.day: at for at, session in enumerate(sleeve.sessions)}
        for earlier, later in zip(sleeve.trips, sleeve.trips[1:]):
            first = later.trip.steps[0]
            equity = sleeve.sessions[max(0, position[first.day] - 1)].equity
            if equity > 0:
                after[earlier.profit < 0].append(abs(first.shares) * first.price / equity)
    loss, win = _mean(after[True]), _mean(after[False])
    cases = {"after a loss": len(after[True])}, {"after a gain": len(after[False])}
    return {
        "size_after_loss": Reading(loss, cases[0]),
        "size_after_win": Reading(win, cases[1]),
        "reaction": Reading(_difference(loss, win), {**cases[0], **cases[1]}),
    }


def _risen(changes: Sequence[float]) -> float | None:
    return sum(change > 0 for change in changes) / len(changes) if changes else None


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
