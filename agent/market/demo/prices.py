"""Prices: a market that changes its mood, each company's own noise, and the planted drift between open and close.

Prices are as traded: before a split at the old level, dividends taken off on the ex date. Only + - * / are used, which every machine
computes alike to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.market.demo import companies as c
from agent.market.demo.plan import Plan
from agent.market.demo.streams import Stream
from agent.market.sessions import Session


@dataclass(frozen=True)
class Market:
    """The common part of returns, and the regime, per session."""

    returns: list[float]
    regimes: list[int]


@dataclass(frozen=True)
class Tape:
    """What happened to one company: rows of (session, ...). ``gaps`` and ``moves`` are the unrounded parts of each return."""

    bars: list[tuple[int, float, float, float, float, int]] = field(default_factory=list)
    splits: list[tuple[int, float]] = field(default_factory=list)
    dividends: list[tuple[int, float]] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    moves: list[float] = field(default_factory=list)


def market(seed: int, count: int) -> Market:
    stream = Stream(seed, "market")
    state, left = 0, 40
    returns, regimes = [], []
    for _ in range(count):
        if left <= 0:
            state = _next_state(stream, state)
            left = _length(stream, c.REGIMES[state].mean_length)
        left -= 1
        regimes.append(state)
        returns.append(c.REGIMES[state].drift + c.REGIMES[state].volatility * stream.normal())
    return Market(returns, regimes)


def trade(seed: int, plan: Plan, sessions: Sequence[Session], common: Market) -> Tape:
    """The bars of one company, with its splits and dividends."""
    firm, stream, tape = plan.firm, Stream(seed, plan.firm.symbol, "prices"), Tape()
    price, factor = 40 + 60 * stream.uniform(), 1.0  # price on the basis of the first day; factor = traded price / that
    split = int(len(sessions) * firm.split_at) if firm.split_at is not None else None
    for t in range(len(sessions)):
        sigma = firm.sigma * (c.STRESS_NOISE if common.regimes[t] == c.STRESS else 1.0)
        systematic = firm.beta * common.returns[t]
        drift = sum(plan.drift[effect][t] for effect in "ABCD")
        gap = c.OVERNIGHT_SHARE * systematic + 0.35 * sigma * stream.normal()
        move = (1 - c.OVERNIGHT_SHARE) * systematic + 0.93 * sigma * stream.normal() + drift
        high_reach, low_reach, activity = abs(stream.normal()), abs(stream.normal()), stream.normal()
        if t == split:
            factor /= c.SPLIT_RATIO
            tape.splits.append((t, c.SPLIT_RATIO))
        if firm.pays_dividend and t and _is_ex_date(sessions, t):
            amount = round(0.004 * price * factor, 2)
            tape.dividends.append((t, amount))
            price -= amount / factor
        opened = price * growth(gap)
        price = opened * growth(move)
        high = max(opened, price) * (1 + 0.4 * sigma * high_reach)
        low = min(opened, price) * (1 - 0.4 * sigma * low_reach)
        volume = int(1.5e6 / factor * max(0.2, 1 + 0.3 * activity) * (1 + 12 * abs(move)))
        tape.bars.append((t, *(round(x * factor, 4) for x in (opened, high, low, price)), volume))  # type: ignore[arg-type]
        tape.gaps.append(gap)
        tape.moves.append(move)
    return tape


def growth(move: float) -> float:
    """exp(move) to second order: the same on every machine, and within 0.001 % of it for moves of 4 %."""
    return 1.0 + move + move * move / 2.0


def _is_ex_date(sessions: Sequence[Session], t: int) -> bool:
    """The first session from the 14th of the last month of a quarter."""
    day, before = sessions[t].day, sessions[t - 1].day
    return day.month % 3 == 0 and day.day >= 14 and (before.day < 14 or before.month != day.month)


def _next_state(stream: Stream, state: int) -> int:
    draw, total = stream.uniform(), 0.0
    for candidate, odds in enumerate(c.REGIMES[state].next):
        total += odds
        if draw < total:
            return candidate
    return max(range(len(c.REGIMES)), key=lambda s: c.REGIMES[state].next[s])


def _length(stream: Stream, mean: int) -> int:
    """Sessions a regime lasts: geometric, at least five."""
    length = 1
    while not stream.chance(1 / mean):
        length += 1
    return max(5, length)
