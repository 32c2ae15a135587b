"""Where a run lost most, and what can be learnt from it: the evidence of the decision, the alternatives, and what memory made of it.

Three kinds of case, each ranked on its own: *falls* of the equity below an earlier peak, *days* that lost most against buy and hold, and
*calls*, the judged decisions that went most wrong. A position is held from close to close, so the decision behind the loss of a day is
that of the session before it, even where it was to do nothing.

Read only. The list is made of columns; the bodies of two days are opened for the one case that is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import pandas as pd

from agent.errors import NoData, SpecError
from agent.portfolio.accounting import apply_split, check_stops, fill_order, pay_dividend, place_order, set_stops, wait
from agent.records import Bar, DayRecord, Fill, Order, Portfolio
from agent.spec import Execution
from services import performance, queries, runs, threads
from services.queries import TOTAL
from services.threads import DayThread

Kind = Literal["fall", "day", "call"]
MOST = 5
SAME = 1e-3  # weights closer than this are one choice
_KEY = re.compile(r"(?P<kind>fall|day|call)-(?P<ticker>.+)-(?P<day>\d{4}-\d{2}-\d{2})")
BARS = ("open", "high", "low", "close", "dividend", "split")


@dataclass(frozen=True)
class Case:
    """Something that went wrong. ``loss`` is a negative fraction: of equity since the peak, of one day against buy and hold, or of a call.

    ``day`` is when the loss was there in full: the trough, the session, the day of judgement. ``ticker`` is the sleeve whose decision of
    ``decided`` is examined; ``whose`` is whose equity fell. ``own`` and ``benchmark`` are the returns over the same time.
    """

    kind: Kind
    whose: str
    ticker: str
    day: date
    decided: date
    since: date
    until: date | None
    loss: float
    own: float | None
    benchmark: float | None

    @property
    def key(self) -> str:
        """The case in a URL; ``case`` finds it again."""
        named = {"fall": (self.whose, self.day), "day": (self.ticker, self.day), "call": (self.ticker, self.decided)}[self.kind]
        return f"{self.kind}-{named[0]}-{named[1]}"


@dataclass(frozen=True)
class Alternative:
    """What one choice at the close of the decision would have given, costs paid, and left alone after that.

    ``next`` and ``later`` are returns of the sleeve, fractions, from that close to the next session and to the last one looked at; None
    where the run has no such day. ``costs`` is money. ``taken`` marks what was decided, ``opposite`` its contrary.
    """

    name: str
    weight: float | None
    next: float | None
    later: float | None
    costs: float | None
    taken: bool = False
    opposite: bool = False


@dataclass(frozen=True)
class Examined:
    """One case looked into. ``record`` is the day of the decision, ``loss_record`` the day of the loss (None for a call still open)."""

    case: Case
    record: DayRecord
    loss_record: DayRecord | None
    placed: date | None  # whose order brought the position that lost; None: the sleeve had not traded yet
    thread: DayThread
    alternatives: tuple[Alternative, ...]
    next_day: date | None
    later_day: date | None


# -------------------------------------------------------------------------------------------------------------------- the list


def cases(run_id: str, whose: str = TOTAL, *, most: int = MOST) -> tuple[Case, ...]:
    """The worst falls, days and calls of the run or of one ticker, each kind worst first; empty where nothing was lost."""
    names = queries.tickers(run_id) if whose == TOTAL else (queries.ticker_or_error(run_id, whose),)
    sleeves = {name: queries.equity(run_id, name) for name in names}
    frame = queries.equity(run_id, whose) if whose == TOTAL else sleeves[whose]
    falls = [_fall(fall, whose, sleeves) for fall in performance.falls(frame, most=most).to_dict("records")]
    days = sorted((case for name in names for case in _days(sleeves[name], name)), key=lambda case: case.loss)
    calls = sorted((case for name in names for case in _calls(run_id, name)), key=lambda case: case.loss)
    return (*falls, *days[:most], *calls[:most])


def case(run_id: str, key: str) -> Case:
    """The case that a URL names, among the worst or not. SpecError (field ``worst``) if the run has no such case."""
    found = _KEY.fullmatch(key)
    names = queries.tickers(run_id)
    if found and found["ticker"] in (*names, TOTAL):
        kind, whose = found["kind"], found["ticker"]
        several = cases(run_id, whose, most=10_000) if kind == "fall" or whose != TOTAL else ()
        for item in several:
            if item.key == key:
                return item
    raise SpecError(f"This run has no post-mortem {key!r}; choose one of the list.", field="worst")


def _fall(fall: dict[str, Any], whose: str, sleeves: dict[str, pd.DataFrame]) -> Case:
    """A fall, with the session and sleeve inside it that lost most money: there the decision is examined."""
    worst: tuple[float, str, int] | None = None
    for name, frame in sleeves.items():
        inside = frame["equity"].diff()[(frame["day"] > fall["peak"]) & (frame["day"] <= fall["trough"])]
        if len(inside) and (worst is None or inside.min() < worst[0]):
            worst = (float(inside.min()), name, int(inside.idxmin()))
    if worst is None:
        raise NoData(f"There is no session between {fall['peak']} and {fall['trough']}.")
    day = sleeves[worst[1]]["day"]
    return Case(
        kind="fall",
        whose=whose,
        ticker=worst[1],
        day=fall["trough"],
        decided=day.iloc[worst[2] - 1],
        since=fall["peak"],
        until=fall["recovery"],
        loss=float(fall["depth"]),
        own=float(fall["depth"]),
        benchmark=float(fall["benchmark"]),
    )


def _days(frame: pd.DataFrame, ticker: str) -> list[Case]:
    """Every session of a sleeve that did worse than holding."""
    own, rival = frame["equity"].pct_change(), frame["benchmark"].pct_change()
    gap, days = own - rival, list(frame["day"])
    return [
        Case("day", ticker, ticker, days[at], days[at - 1], days[at - 1], days[at], float(gap[at]), float(own[at]), float(rival[at]))
        for at in range(1, len(days))
        if gap[at] < 0
    ]


def _calls(run_id: str, ticker: str) -> list[Case]:
    """Every judged decision that was wrong; its loss is the move against its own direction, before costs."""
    judged = runs.store().outcome_rows(run_id, ticker)
    return [
        Case(
            "call",
            ticker,
            ticker,
            row["day"],
            row["decided"],
            row["decided"],
            row["day"],
            row["direction"] * row["move"],
            None,
            row["move"],
        )
        for row in (judged[judged["verdict"] < 0].to_dict("records") if not judged.empty else [])
    ]


# ------------------------------------------------------------------------------------------------------------------- one case


def examine(run_id: str, found: Case) -> Examined:
    """The evidence, the alternatives and the later life of the memories of one case."""
    spec, ticker = queries.run(run_id).spec, found.ticker
    record = queries.record(run_id, ticker, found.decided)
    rows = runs.store().day_rows(run_id, ticker, columns=["day", "settled_day", "settled_status", "equity", "benchmark_equity", *BARS])
    ahead = rows[rows["day"] > found.decided].head(spec.memory.feedback_sessions + 1)
    lost = found.day if found.kind == "day" else (ahead["day"].iloc[0] if len(ahead) else None)
    return Examined(
        case=found,
        record=record,
        loss_record=queries.record(run_id, ticker, lost) if lost is not None else None,
        placed=_placed(rows, found.decided if found.kind == "call" else lost or found.decided),
        thread=threads.thread_of_day(run_id, ticker, found.decided),
        alternatives=_alternatives(record, ahead, spec.execution, rows[rows["day"] == found.decided].iloc[0]),
        next_day=ahead["day"].iloc[0] if len(ahead) else None,
        later_day=ahead["day"].iloc[-1] if len(ahead) > 1 else None,
    )


def _placed(rows: pd.DataFrame, held: date) -> date | None:
    """The decision whose order was the last to be filled by the session ``held``."""
    done = rows[(rows["day"] <= held) & (rows["settled_status"] == "filled")]
    return done["settled_day"].iloc[-1] if len(done) else None


def _alternatives(record: DayRecord, ahead: pd.DataFrame, execution: Execution, then: pd.Series) -> tuple[Alternative, ...]:
    """What was decided, what the run made of it, doing nothing, out, all in (short too where allowed), and buy and hold."""
    order = record.order if record.order is not None and record.order.status == "pending" else None
    weight = order.weight if order else record.observation.weight
    contrary = (-1.0 if execution.allow_short else 0.0) if weight >= 0.5 else 1.0
    found = [_simulated("what it decided", weight, order, record, ahead, execution, taken=True)]
    if len(ahead) > 1:
        found.append(Alternative("the run as it went on", None, *_recorded(ahead["equity"], then["equity"]), costs=None))
    held = record.observation.weight
    if order is not None:
        found.append(_simulated("do nothing", held, None, record, ahead, execution, opposite=abs(held - contrary) < SAME))
    for name, target in (("out of the market", 0.0), ("all in", 1.0), *((("all short", -1.0),) if execution.allow_short else ())):
        if abs(target - weight) > SAME and (order is None or abs(target - held) > SAME):
            wish = Order(day=record.day, weight=target, wished=target)
            found.append(_simulated(name, target, wish, record, ahead, execution, opposite=target == contrary))
    found.append(Alternative("buy and hold", None, *_recorded(ahead["benchmark_equity"], then["benchmark_equity"]), costs=None))
    return tuple(found)


def _recorded(values: pd.Series, base: float) -> tuple[float | None, float | None]:
    if not len(values) or base <= 0:
        return None, None
    return float(values.iloc[0] / base - 1), float(values.iloc[-1] / base - 1) if len(values) > 1 else None


def _simulated(
    name: str,
    weight: float,
    order: Order | None,
    record: DayRecord,
    ahead: pd.DataFrame,
    execution: Execution,
    *,
    taken: bool = False,
    opposite: bool = False,
) -> Alternative:
    curve, costs = simulate(record, order, ahead, execution)
    base = record.observation.equity
    after = [value / base - 1 if base > 0 else None for value in curve]
    return Alternative(
        name,
        weight,
        after[0] if after else None,
        after[-1] if len(after) > 1 else None,
        costs,
        taken,
        opposite,
    )


def simulate(record: DayRecord, order: Order | None, ahead: pd.DataFrame, execution: Execution) -> tuple[list[float], float]:
    """The sleeve's equity at the close of each session of ``ahead`` (day, open, high, low, close, dividend, split), and what the trades cost.

    It starts as it stood at the decision of ``record``, before any order of that close; ``order`` is placed there and nothing after it. The
    ledger is the product's own, so what was really decided gives what was really recorded on the next session.
    """
    seen = record.observation
    portfolio, fills = seen.portfolio, list[Fill]()
    mark = record.mark or 0.0
    if order is not None:
        portfolio = place_order(portfolio, order)
    if execution.fill == "same_close" and seen.bar is not None:
        portfolio = _filled(portfolio, seen.bar.close, record.day, execution, fills)
    curve: list[float] = []
    for row in ahead.to_dict("records"):
        portfolio = pay_dividend(apply_split(portfolio, row["split"]), row["dividend"])
        mark = mark / row["split"]
        if pd.isna(row["close"]):
            portfolio = wait(portfolio)[0]
        else:
            portfolio = _filled(portfolio, row["open"], row["day"], execution, fills)
            bar = Bar(day=row["day"], open=row["open"], high=row["high"], low=row["low"], close=row["close"])
            portfolio, stopped = check_stops(portfolio, bar, execution)
            fills += [stopped] if stopped else []
            mark = row["close"]
        curve.append(portfolio.equity(mark))
    return curve, sum(fill.commission + fill.slippage for fill in fills)


def _filled(portfolio: Portfolio, price: float, day: date, execution: Execution, fills: list[Fill]) -> Portfolio:
    order = portfolio.pending
    if order is None:
        return portfolio
    portfolio, fill, _ = fill_order(portfolio, open_price=price, day=day, execution=execution)
    if fill is None:
        return portfolio
    fills.append(fill)
    if not execution.stops:
        return portfolio
    return set_stops(portfolio, entry=fill.price, stop_loss_pct=order.stop_loss_pct, take_profit_pct=order.take_profit_pct)


def best_forgone(found: Sequence[Alternative], *, by: Literal["next", "later"]) -> Alternative | None:
    """The choice that would have given most by the next session or by the last one looked at, where it beats what was decided."""
    known = [(value, item) for item in found if item.weight is not None and (value := getattr(item, by)) is not None]
    taken = next((value for value, item in known if item.taken), None)
    best = max(known, key=lambda pair: pair[0], default=None)
    return best[1] if best and taken is not None and best[0] > taken else None
