"""The trading day: fill what was ordered, judge what has come true, observe, decide, order.

``trade`` yields one DayRecord per ticker and session and keeps nothing else, so the caller decides what to do with it: store it,
draw it, stop, or start again from the last one of each ticker. It has no clock of its own and reads the market only through a view
that ends at the close of the session; the broker alone sees the next open, after the decision is made.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from agent.evaluation import leaks
from agent.market.fundamentals import snapshot
from agent.market.indicators import price_state
from agent.market.sessions import Calendar, Session
from agent.market.sources.base import TEXTS
from agent.market.view import Market, View
from agent.portfolio.accounting import apply_split, check_stops, fill_order, pay_dividend, place_order, set_stops, wait
from agent.portfolio.limits import clip
from agent.records import Awaiting, Bar, DayRecord, Decision, Fill, Observation, Order, Outcome, Phase, Portfolio, PriceState
from agent.spec import Execution, RunSpec
from agent.strategies.base import Strategy, Today

RECENT_CLOSES = 4  # what the self-adaptive character looks at
HISTORY_BEFORE_START_DAYS = 370  # texts older than this are not offered to a run's first session


@dataclass(frozen=True)
class Ring:
    """What all days of a run share."""

    market: Market
    spec: RunSpec
    calendar: Calendar
    run: str


@dataclass(frozen=True)
class Sleeve:
    """One ticker's share of the capital, between two sessions."""

    portfolio: Portfolio
    benchmark: Portfolio
    mark: float | None = None
    awaiting: tuple[Awaiting, ...] = ()
    equities: tuple[float, ...] = ()
    read_until: datetime | None = None
    last_close: datetime | None = None  # from here on silence must be covered by a source


@dataclass(frozen=True)
class Ledger:
    """A sleeve with what happened to it in one session."""

    sleeve: Sleeve
    fills: tuple[Fill, ...] = ()
    settled: Order | None = None
    outcomes: tuple[Outcome, ...] = ()
    order: Order | None = None


def plan(spec: RunSpec, calendar: Calendar) -> list[tuple[Phase, Session]]:
    """Every session of the run in order, with its phase. NoData when a window holds no session, or no session follows its last."""
    train = calendar.sessions(spec.train.start, spec.train.end) if spec.train else []
    test = calendar.sessions(spec.test.start, spec.test.end)
    calendar.next_session(test[-1].day)  # every day is told when its order would be filled; better to fail here than on the last day
    return [*(("train", s) for s in train), *(("test", s) for s in test)]  # type: ignore[list-item]


def trade(
    market: Market,
    spec: RunSpec,
    *,
    strategies: Mapping[str, Strategy],
    calendar: Calendar,
    run: str = "",
    last: Mapping[str, DayRecord] | None = None,
) -> Iterator[DayRecord]:
    """Day records of all tickers, session by session. ``last`` holds the last record of each ticker of an interrupted run.

    LookAhead, instead of the day's record, as soon as anything a day rests on was not readable by its close.
    """
    last = last or {}
    sessions, ring = plan(spec, calendar), Ring(market, spec, calendar, run)
    sleeves = {ticker: _resumed(last[ticker]) if ticker in last else _opened(spec, sessions[0][1], calendar) for ticker in spec.tickers}
    for ticker, record in last.items():
        strategies[ticker].resume(record)
    for index, (phase, session) in enumerate(sessions):
        for ticker in spec.tickers:
            if ticker in last and session.day <= last[ticker].day:
                continue
            record, sleeves[ticker] = _day(
                ring, strategies[ticker], ticker, index=index, phase=phase, session=session, sleeve=sleeves[ticker]
            )
            yield record


def _opened(spec: RunSpec, first: Session, calendar: Calendar) -> Sleeve:
    cash = Portfolio(cash=spec.execution.cash / len(spec.tickers))
    before = calendar.last_closed(first.open_at)
    return Sleeve(
        portfolio=cash,
        benchmark=cash,
        read_until=first.close_at - timedelta(days=HISTORY_BEFORE_START_DAYS),
        last_close=before.close_at if before else first.open_at,
    )


def _resumed(record: DayRecord) -> Sleeve:
    return Sleeve(
        portfolio=record.portfolio,
        benchmark=record.benchmark,
        mark=record.mark,
        awaiting=record.awaiting,
        equities=record.observation.recent_equity,
        read_until=record.observation.cutoff,
        last_close=record.observation.cutoff,
    )


def _day(
    ring: Ring, strategy: Strategy, ticker: str, *, index: int, phase: Phase, session: Session, sleeve: Sleeve
) -> tuple[DayRecord, Sleeve]:
    """One ticker through one session; returns its record and the sleeve it leaves behind."""
    began = time.perf_counter()
    view = ring.market.view(session.close_at)
    bar = view.bar(ticker, session.day)
    opened = _open(sleeve, view, bar, ticker, session.day, ring.spec)
    seen = _observe(ring, view, ticker, phase, session, bar, opened.sleeve)
    leaks.check_seen(seen)
    thought = strategy.day(Today(seen=seen, phase=phase, index=index, outcomes=opened.outcomes))
    leaks.check_thought(seen, thought)
    closed = _close(opened, thought.decision, seen, phase, session.day, ring.spec)
    mark = closed.sleeve.mark or 0.0
    record = DayRecord(
        run=ring.run,
        ticker=ticker,
        day=session.day,
        index=index,
        phase=phase,
        observation=seen,
        thought=thought,
        order=closed.order,
        fills=closed.fills,
        settled=closed.settled,
        outcomes=closed.outcomes,
        awaiting=closed.sleeve.awaiting,
        portfolio=closed.sleeve.portfolio,
        equity=closed.sleeve.portfolio.equity(mark),
        mark=closed.sleeve.mark,
        benchmark=closed.sleeve.benchmark,
        benchmark_equity=closed.sleeve.benchmark.equity(mark),
        warnings=() if bar else (f"{ticker} has no price on {session.day}: no decision, equity at the last known close",),
        ms=max(0.0, (time.perf_counter() - began) * 1000 - sum(call.ms for call in thought.calls)),
    )
    return record, replace(closed.sleeve, equities=seen.recent_equity, read_until=session.close_at, last_close=session.close_at)


# --------------------------------------------------------------------------------------------------- before the decision


def _open(sleeve: Sleeve, view: View, bar: Bar | None, ticker: str, day: date, spec: RunSpec) -> Ledger:
    """Corporate actions, then the order waiting for this open, then stops; and which earlier decisions can be judged now."""
    split, dividend = view.split(ticker, day), view.dividend(ticker, day)
    portfolio = pay_dividend(apply_split(sleeve.portfolio, split), dividend)
    benchmark = pay_dividend(apply_split(sleeve.benchmark, split), dividend)
    portfolio, fills, settled = _fill_pending(portfolio, bar, day, spec.execution)
    benchmark = _fill_pending(benchmark, bar, day, spec.execution)[0]
    if bar and spec.execution.stops:
        portfolio, stopped = check_stops(portfolio, bar, spec.execution)
        fills = (*fills, stopped) if stopped else fills
    mark = bar.close if bar else (sleeve.mark / split if sleeve.mark else None)
    awaiting, outcomes = _judge(sleeve.awaiting, fills, settled, bar, day, spec, split=split, dividend=dividend)
    after = replace(sleeve, portfolio=portfolio, benchmark=benchmark, mark=mark, awaiting=awaiting)
    return Ledger(after, fills, settled, outcomes)


def _fill_pending(
    portfolio: Portfolio, bar: Bar | None, day: date, execution: Execution
) -> tuple[Portfolio, tuple[Fill, ...], Order | None]:
    """The waiting order meets the open; without a price it waits on, and in the end it is cancelled."""
    order = portfolio.pending
    if order is None:
        return portfolio, (), None
    if bar is None:
        portfolio, ended = wait(portfolio)
        return portfolio, (), ended
    portfolio, fill, settled = fill_order(portfolio, open_price=bar.open, day=day, execution=execution)
    if fill is None:
        return portfolio, (), settled
    if execution.stops:
        portfolio = set_stops(portfolio, entry=fill.price, stop_loss_pct=order.stop_loss_pct, take_profit_pct=order.take_profit_pct)
    return portfolio, (fill,), settled


def _judge(
    awaiting: tuple[Awaiting, ...],
    fills: tuple[Fill, ...],
    settled: Order | None,
    bar: Bar | None,
    day: date,
    spec: RunSpec,
    *,
    split: float,
    dividend: float,
) -> tuple[tuple[Awaiting, ...], tuple[Outcome, ...]]:
    """Decisions grow older by a session; those old enough, with a price today, become outcomes."""
    left, outcomes = [], []
    for item in awaiting:
        if item.filled is None:
            if settled is None or settled.day != item.decided:
                left.append(item)
            elif filled := next((f for f in fills if f.cause == "order"), None):
                left.append(item.model_copy(update={"filled": day, "reference": filled.reference}))
            continue
        growth = item.growth * split
        older = item.model_copy(update={"age": item.age + 1, "growth": growth, "income": item.income + growth * dividend})
        if older.age >= spec.memory.feedback_sessions and bar is not None:
            outcomes.append(_outcome(older, bar, day, spec.execution))
        else:
            left.append(older)
    return tuple(left), tuple(outcomes)


def _outcome(item: Awaiting, bar: Bar, day: date, execution: Execution) -> Outcome:
    """agent.md 1.6: the decision's own direction, from its own fill, against twice the cost of a trade."""
    price = bar.close if execution.fill == "same_close" else bar.open
    move = (price * item.growth + item.income) / item.reference - 1
    gain, band = item.direction * move, 2 * (execution.commission_bps + execution.slippage_bps) / 1e4
    verdict = 1 if gain > band else -1 if gain < -band else 0
    return Outcome(
        decided=item.decided, direction=item.direction, entry=item.reference, exit=price, sessions=item.age, move=move, verdict=verdict
    )


def _observe(ring: Ring, view: View, ticker: str, phase: Phase, session: Session, bar: Bar | None, sleeve: Sleeve) -> Observation:
    news, filings = view.news(ticker, sleeve.read_until), view.filings(ticker, sleeve.read_until)
    mark = sleeve.mark or 0.0
    equity = sleeve.portfolio.equity(mark)
    watermark = max([*(n.available_at for n in news), *(f.available_at for f in filings)], default=None)
    return Observation(
        ticker=ticker,
        company=ring.market.companies.get(ticker, ""),
        session=session.day,
        cutoff=session.close_at,
        next_session=ring.calendar.next_session(session.day).day,
        bar=bar,
        price=price_state(view, ticker) if bar else PriceState(),
        news=news,
        filings=filings,
        dividend=view.dividend(ticker, session.day),
        split=view.split(ticker, session.day),
        portfolio=sleeve.portfolio,
        equity=equity,
        weight=sleeve.portfolio.weight(mark),
        recent_equity=(*sleeve.equities, equity)[-RECENT_CLOSES:] if phase == "test" else (),
        watermark=watermark,
        fundamentals=snapshot(view, ticker),
        unsourced=tuple(table for table in TEXTS if not view.sourced(ticker, table, sleeve.last_close)),
    )


# ---------------------------------------------------------------------------------------------------- after the decision


def _close(opened: Ledger, decision: Decision | None, seen: Observation, phase: Phase, day: date, spec: RunSpec) -> Ledger:
    """Turn the decision into an order; with ``same_close`` fill it at this very close."""
    sleeve, fills, settled = opened.sleeve, opened.fills, opened.settled
    order = _order(decision, seen, spec, day)
    portfolio, benchmark, awaiting = sleeve.portfolio, _benchmark_order(sleeve.benchmark, phase, seen.bar, day), sleeve.awaiting
    if order and order.status == "pending":
        portfolio = place_order(portfolio, order)
        awaiting = (*awaiting, Awaiting(decided=day, direction=1 if order.weight > seen.weight else -1))
    if spec.execution.fill == "same_close" and seen.bar is not None:
        close = seen.bar.model_copy(update={"open": seen.bar.close})
        if order and order.status == "pending":
            portfolio, now, settled = _fill_pending(portfolio, close, day, spec.execution)
            fills = (*fills, *now)
            awaiting = _entered(awaiting, now, day)
        benchmark = _fill_pending(benchmark, close, day, spec.execution)[0]
    return Ledger(replace(sleeve, portfolio=portfolio, benchmark=benchmark, awaiting=awaiting), fills, settled, opened.outcomes, order)


def _entered(awaiting: tuple[Awaiting, ...], fills: tuple[Fill, ...], day: date) -> tuple[Awaiting, ...]:
    """The newest decision after its fill at the same close; dropped where nothing was traded."""
    if not fills:
        return awaiting[:-1]
    return (*awaiting[:-1], awaiting[-1].model_copy(update={"filled": day, "reference": fills[0].reference}))


def _order(decision: Decision | None, seen: Observation, spec: RunSpec, day: date) -> Order | None:
    """The order a decision leads to, clipped to what the rules allow; None for a hold and for no decision."""
    if decision is None or decision.action in (None, "hold") or decision.target_weight is None:
        return None
    wished = decision.target_weight
    weight, limits = wished, tuple[str, ...]()
    if decision.character:  # baselines have no character and no limits but their own
        weight, limits = clip(wished, character=decision.character, held=seen.weight, allow_short=spec.execution.allow_short)
    reason = f"clamped by {', '.join(limits)}" if limits else ""
    order = Order(
        day=day,
        weight=weight,
        wished=wished,
        reason=reason,
        stop_loss_pct=decision.stop_loss_pct,
        take_profit_pct=decision.take_profit_pct,
    )
    if abs(weight - seen.weight) < 1e-9:
        return order.model_copy(
            update={
                "status": "rejected",
                "reason": f"{reason}; the position is already there" if reason else "the position is already there",
            }
        )
    return order


def _benchmark_order(benchmark: Portfolio, phase: Phase, bar: Bar | None, day: date) -> Portfolio:
    """Buy and hold: all in at the first test close with a price, like anybody else at the next open."""
    if phase == "train" or bar is None or benchmark.shares or benchmark.pending:
        return benchmark
    return place_order(benchmark, Order(day=day, weight=1.0, wished=1.0))
