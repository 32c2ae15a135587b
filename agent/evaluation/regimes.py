"""Bull, bear and flat sessions, by what could be known then, and what a trader did in them: too timid, too bold?

A session's regime is read off the prices up to the close before it. The return of the last 60 sessions is held against what 60 sessions of
their own daily volatility would bring by chance: beyond half a standard deviation up it is bull, beyond half down bear, between them flat.
FINSABER labels whole calendar years by the market's return in them (above +20 % bull, below -20 % bear), which nobody knows before the year
is over; our rule needs no later price, so a decision can be blamed for not heeding it. The question is FINSABER's: language models were
found too timid in bull markets and too bold in bear markets.

Promise: sessions without 60 sessions before them have no regime and are counted apart; a figure of too few sessions says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from agent.errors import NoData

Regime = Literal["bull", "flat", "bear"]
REGIMES: tuple[Regime, ...] = ("bull", "flat", "bear")
WINDOW = 60  # sessions, about a quarter
BAND = 0.5  # standard deviations of the window's return
ENOUGH = 40  # sessions of a regime: below it a mean exposure is an anecdote of one or two stretches
HALF = 0.5  # exposure: less of it in bull is timid, more of it in bear is bold
FLAT = 1e-12


@dataclass(frozen=True)
class Behaviour:
    """What a trader did in one regime. Shares are of its ``sessions``; ``agent`` and ``hold`` are mean daily returns, fractions.

    ``stretches`` counts unbroken runs of the regime, which are what is independent; ``decided`` sessions had a decision.
    """

    regime: Regime
    sessions: int
    stretches: int
    exposure: float | None
    agent: float | None
    hold: float | None
    decided: int
    buys: float | None
    sells: float | None

    @property
    def enough(self) -> bool:
        return self.sessions >= ENOUGH

    @property
    def gap(self) -> float | None:
        """Mean daily return above buy and hold."""
        return None if self.agent is None or self.hold is None else self.agent - self.hold


@dataclass(frozen=True)
class Verdict:
    """``timid`` and ``bold``: None where there are too few sessions to say; ``missed`` and ``lost`` are the sums of daily returns behind it."""

    timid: bool | None
    bold: bool | None
    missed: float | None
    lost: float | None


def label(closes: Sequence[float] | np.ndarray, *, window: int = WINDOW, band: float = BAND) -> list[Regime | None]:
    """The regime that the prices up to each close say; None until ``window`` returns are there. Closes are adjusted for splits."""
    prices = np.asarray(closes, dtype=float)
    if not np.isfinite(prices).all() or (prices <= 0).any():
        raise NoData("A regime needs a price at every close; leave out the sessions without one.")
    found: list[Regime | None] = [None] * len(prices)
    r = prices[1:] / prices[:-1] - 1
    for at in range(window, len(prices)):
        chance = float(np.std(r[at - window : at], ddof=1)) * window**0.5
        gain = float(prices[at] / prices[at - window] - 1)
        found[at] = "flat" if chance < FLAT else "bull" if gain > band * chance else "bear" if gain < -band * chance else "flat"
    return found


def known_before(labels: Sequence[Regime | None]) -> list[Regime | None]:
    """The regime each session began in: the label of the close before it."""
    return [None, *labels[:-1]] if labels else []


def behave(
    regimes: Sequence[Regime | None],
    *,
    exposure: Sequence[float] | np.ndarray,
    agent: Sequence[float] | np.ndarray,
    hold: Sequence[float] | np.ndarray,
    actions: Sequence[str | None],
) -> dict[Regime, Behaviour]:
    """What was done in each regime: one entry per session in every argument, in order of time; NaN where a figure is not known.

    ``exposure`` is the share of equity in the market at the session's close, ``agent`` and ``hold`` the returns of the session.
    """
    weights, mine, theirs = (np.asarray(values, dtype=float) for values in (exposure, agent, hold))
    if len({len(regimes), len(weights), len(mine), len(theirs), len(actions)}) != 1:
        raise ValueError("every session needs a regime, an exposure, two returns and an action")
    return {name: _behaviour(name, regimes, weights, mine, theirs, actions) for name in REGIMES}


def _behaviour(
    name: Regime, regimes: Sequence[Regime | None], weights: np.ndarray, mine: np.ndarray, theirs: np.ndarray, actions: Sequence[str | None]
) -> Behaviour:
    inside = np.array([regime == name for regime in regimes], dtype=bool)
    decided = [action for action, here in zip(actions, inside, strict=True) if here and action]
    begins = int(inside[0]) + int((inside[1:] & ~inside[:-1]).sum()) if len(inside) else 0
    both = inside & np.isfinite(mine) & np.isfinite(theirs)
    share = {word: sum(action == word for action in decided) / len(decided) if decided else None for word in ("buy", "sell")}
    return Behaviour(
        name,
        int(inside.sum()),
        begins,
        _mean(weights[inside]),
        _mean(mine[both]),
        _mean(theirs[both]),
        len(decided),
        share["buy"],
        share["sell"],
    )


def pooled(parts: Sequence[Behaviour]) -> Behaviour:
    """The same regime of several tickers: means over all their sessions."""
    mean = {name: _weighted([(getattr(part, name), part.sessions) for part in parts]) for name in ("exposure", "agent", "hold")}
    share = {name: _weighted([(getattr(part, name), part.decided) for part in parts]) for name in ("buys", "sells")}
    return Behaviour(
        regime=parts[0].regime,
        sessions=sum(part.sessions for part in parts),
        stretches=sum(part.stretches for part in parts),
        decided=sum(part.decided for part in parts),
        **mean,
        **share,
    )


def verdict(found: dict[Regime, Behaviour]) -> Verdict:
    """Too timid: less than half invested in bull sessions, and behind buy and hold there. Too bold: more than half invested in bear
    sessions, and losing there."""
    bull, bear = found["bull"], found["bear"]
    timid = bold = None
    if bull.enough and bull.exposure is not None and bull.gap is not None:
        timid = bull.exposure < HALF and bull.gap < 0
    if bear.enough and bear.exposure is not None and bear.agent is not None:
        bold = bear.exposure > HALF and bear.agent < 0
    missed = None if bull.gap is None else -bull.gap * bull.sessions
    lost = None if bear.agent is None else bear.agent * bear.sessions
    return Verdict(timid, bold, missed, lost)


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _weighted(pairs: Sequence[tuple[float | None, int]]) -> float | None:
    known = [(value, weight) for value, weight in pairs if value is not None and weight]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None
