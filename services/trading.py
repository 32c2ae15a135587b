"""Trades as a reader judges them: round trips, orders, exposure, behaviour, best and worst days.

Read only. Lists and figures come from columns; the body of a day is opened for the two decisions of the one trip that is looked at.
Frames hold fractions, money and dates; how they look is the business of ``ui/``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from agent.errors import SpecError
from agent.evaluation import trades as evaluation
from agent.evaluation.behaviour import TRAITS as OF_TRIPS
from agent.evaluation.behaviour import Reading, Sleeve, Traded, Trait, behaviour
from agent.evaluation.behaviour import rises_before as _rises_before
from agent.evaluation.metrics import METRICS, evaluate
from agent.evaluation.trades import Measured, Session, round_trips
from agent.records import DayRecord, Decision, Fill
from services import queries, runs
from services.queries import TOTAL

TRIPS = [
    *(
        "ticker",
        "number",
        "side",
        "opened",
        "closed",
        "entry",
        "exit",
        "shares",
        "sessions",
        "spent",
        "realised",
        "unrealised",
        "dividends",
    ),
    *("profit", "gain", "benchmark", "costs", "worst", "best", "cause", "fills", "contribution", "decided_in", "decided_out"),
]
ORDERS = ["ticker", "decided", "ended", "action", "wished", "weight", "status", "reason", "changed", "confidence"]
DAYS = ["ticker", "day", "gain", "benchmark_gain", "gap", "money", "benchmark_money", "money_gap", "weight"]
LEDGER = ("day", "high", "low", "close", "split", "dividend", "equity", "benchmark_equity", "settled_day", "settled_status")
WISHES = (
    *("ticker", "day", "phase", "action", "confidence", "clipped_by", "order_weight", "order_wished", "order_status", "order_reason"),
    *("settled_day", "settled_status", "settled_reason"),
)
_USUAL = ("turnover_two_sided", "turnover_annual", "exposure_mean", "time_in_market")
TRAITS: dict[str, Trait] = {
    **{key: Trait(key, METRICS[key].label, "ratio" if "turnover" in key else "fraction", METRICS[key].help) for key in _USUAL},
    "cash_mean": Trait("cash_mean", "Mean cash", "fraction", "Mean share of equity held as cash at the close; above 1 while short."),
    "changed_orders": Trait(
        "changed_orders",
        "Wishes cut back",
        "fraction",
        "Share of buy and sell wishes that the limits changed: another weight than asked for, or no order at all.",
    ),
    "refused_orders": Trait(
        "refused_orders", "Orders refused", "fraction", "Share of the orders placed that were rejected or cancelled instead of filled."
    ),
    **OF_TRIPS,
}


@dataclass(frozen=True)
class Account:
    """The identity of the ledger: ``realised + unrealised + dividends`` of all trips is ``change``, up to rounding of the last digits."""

    capital: float
    equity: float
    realised: float
    unrealised: float
    dividends: float
    costs: float

    @property
    def change(self) -> float:
        """What the equity has changed by since the start of the run, money."""
        return self.equity - self.capital

    @property
    def missing(self) -> float:
        """What the trips do not explain: 0."""
        return self.change - self.realised - self.unrealised - self.dividends


@dataclass(frozen=True)
class Side:
    """One end of a trip: the fill's session, the decision that stood before it with all of its record, and what became of that decision."""

    filled: date | None
    decided: date
    ordered: bool  # False: the broker's stop, or the run ended with the position open; the decision is then the last one before
    record: DayRecord
    titles: dict[int, str]
    fate: dict[str, Any]

    @property
    def decision(self) -> Decision | None:
        return self.record.thought.decision


@dataclass(frozen=True)
class _Sleeve:
    ticker: str
    rows: pd.DataFrame
    sessions: list[Session]
    trips: list[Measured]
    fills: pd.DataFrame


# ------------------------------------------------------------------------------------------------------------- the round trips


def trips(run_id: str, ticker: str = TOTAL) -> pd.DataFrame:
    """One row per round trip with the columns ``TRIPS``, in order of entry; of one ticker or of all.

    ``number`` counts within the ticker. ``side`` is +1 or -1, ``contribution`` the trip's profit over the capital of the whole run (so
    that all of them add up to its return), ``decided_in`` and ``decided_out`` the sessions of the decisions behind entry and exit (None
    where a stop or nobody ended it).
    """
    capital = runs.store().run(run_id).spec.execution.cash
    found = []
    for sleeve in _sleeves(run_id, ticker):
        settled = _settled(sleeve.rows)
        found += [_trip_row(sleeve.ticker, item, settled, capital) for item in sleeve.trips]
    frame = pd.DataFrame(found, columns=TRIPS)
    return frame.sort_values(["opened", "ticker"], kind="stable").reset_index(drop=True)


def account(run_id: str, ticker: str = TOTAL, *, of: pd.DataFrame | None = None) -> Account:
    """How the trips add up to the change of equity; ``total`` over all tickers. ``of``: what ``trips`` gave for the same, if at hand."""
    spec, names = runs.store().run(run_id).spec, _names(run_id, ticker)
    every = trips(run_id, ticker) if of is None else of
    share = spec.execution.cash / len(spec.tickers)
    return Account(
        capital=share * len(names),
        equity=sum(_last_equity(run_id, name, share) for name in names),
        **{name: float(every[name].sum()) for name in ("realised", "unrealised", "dividends", "costs")},
    )


def _last_equity(run_id: str, ticker: str, capital: float) -> float:
    newest = runs.store().day_rows(run_id, ticker, columns=("day", "equity"), newest=1)
    return float(newest["equity"].iloc[-1]) if len(newest) else capital


def _sleeves(run_id: str, ticker: str) -> list[_Sleeve]:
    spec = runs.store().run(run_id).spec
    return [_sleeve(run_id, name, at_open=_at_open(spec)) for name in (spec.tickers if ticker == TOTAL else (ticker,))]


def _at_open(spec: Any) -> bool:
    return bool(spec.execution.fill == "next_open")


def _sleeve(run_id: str, ticker: str, *, at_open: bool) -> _Sleeve:
    store = runs.store()
    rows = store.day_rows(run_id, ticker, columns=LEDGER).reset_index(drop=True)
    fills = store.fill_rows(run_id, ticker)
    sessions = _sessions(rows)
    changed = rows[(rows["split"] != 1) | (rows["dividend"] != 0)]
    found = round_trips(
        [_fill(row) for row in fills.to_dict("records")],
        splits=dict(zip(changed["day"], changed["split"])),
        dividends=dict(zip(changed["day"], changed["dividend"])),
    )
    return _Sleeve(ticker, rows, sessions, evaluation.measured(found, sessions, at_open=at_open), fills)


def _sessions(rows: pd.DataFrame) -> list[Session]:
    """The mark of a session without a price is the last close, brought to the day's share basis, as the ledger has it."""
    found, mark = [], 0.0
    columns = ("day", "high", "low", "close", "split", "equity", "benchmark_equity")
    for day, high, low, close, split, equity, benchmark in rows[list(columns)].itertuples(index=False, name=None):
        priced = close == close
        mark = close if priced else mark / split
        found.append(
            Session(
                day=day,
                mark=mark,
                benchmark=benchmark,
                equity=equity,
                high=high if priced else None,
                low=low if priced else None,
                split=split,
            )
        )
    return found


def _fill(row: dict[Any, Any]) -> Fill:
    values = {name: row[name] for name in ("day", "shares", "price", "reference", "commission", "slippage", "cause", "note")}
    return Fill(**values, realised=_none(row["realised"]))


def _trip_row(ticker: str, item: Measured, settled: dict[date, date], capital: float) -> dict[str, Any]:
    trip = item.trip
    return {
        "ticker": ticker,
        "number": item.number,
        "side": trip.side,
        "opened": trip.opened,
        "closed": trip.closed,
        "entry": trip.entry,
        "exit": trip.exit,
        "shares": trip.shares,
        "sessions": item.sessions,
        "spent": trip.spent,
        "realised": trip.realised,
        "unrealised": item.unrealised,
        "dividends": trip.dividends,
        "profit": item.profit,
        "gain": item.gain,
        "benchmark": item.benchmark,
        "costs": trip.commission + trip.slippage,
        "worst": item.worst,
        "best": item.best,
        "cause": trip.cause or "open",
        "fills": trip.fills,
        "contribution": item.profit / capital,
        "decided_in": settled.get(trip.opened),
        "decided_out": settled.get(trip.closed) if trip.closed and trip.cause == "order" else None,
    }


def _settled(rows: pd.DataFrame) -> dict[date, date]:
    """Session of a fill -> session of the decision it carried out."""
    ended = rows[rows["settled_status"] == "filled"]
    return dict(zip(ended["day"], ended["settled_day"]))


# ---------------------------------------------------------------------------------------------------------- one trip, its reasons


def sides(run_id: str, ticker: str, number: int) -> tuple[Side, Side]:
    """Entry and exit of trip ``number``: the decision before each fill, whole, with the titles of the memories it names.

    Opens two day bodies. SpecError (field ``trip``) if there is no such trip.
    """
    found = trips(run_id, ticker)
    chosen = found[found["number"] == number]
    if chosen.empty:
        raise SpecError(f"{ticker} has no round trip {number}; there are {len(found)}", field="trip")
    trip = chosen.iloc[0]
    days = queries.session_days(run_id, ticker)
    entry = trip["decided_in"] or _before(days, trip["opened"])
    closed = trip["closed"]
    left = trip["decided_out"] or (_before(days, closed) if closed else days[-1])
    return (
        _side(run_id, ticker, filled=trip["opened"], decided=entry, ordered=True),
        _side(run_id, ticker, filled=closed, decided=left, ordered=trip["decided_out"] is not None),
    )


def _before(days: Sequence[date], day: date) -> date:
    """The session before ``day``, or the first."""
    return days[max(0, days.index(day) - 1)]


def _side(run_id: str, ticker: str, *, filled: date | None, decided: date, ordered: bool) -> Side:
    record = queries.record(run_id, ticker, decided)
    decision = record.thought.decision
    named = {number for ids in decision.cited.values() for number in ids} if decision else set()
    for reason in (*decision.reasons_for, *decision.reasons_against) if decision else ():
        named |= set(reason.memories)
    titles = queries.titles(run_id, ticker, named) if named else {}
    return Side(filled=filled, decided=decided, ordered=ordered, record=record, titles=titles, fate=queries.fate(run_id, ticker, decided))


def steps(run_id: str, ticker: str, number: int) -> pd.DataFrame:
    """The fills of one trip: day, shares, price, commission, slippage, realised, cause, note, decided (session of the decision, or None)."""
    sleeve = _sleeves(run_id, ticker)[0]
    settled = _settled(sleeve.rows)
    found = next((item.trip.steps for item in sleeve.trips if item.number == number), ())
    rows = [{**fill.model_dump(), "decided": settled.get(fill.day) if fill.cause == "order" else None} for fill in found]
    return pd.DataFrame(rows, columns=[*Fill.model_fields, "decided"])


# ------------------------------------------------------------------------------------------------------------------- the orders


def orders(run_id: str, ticker: str = TOTAL) -> pd.DataFrame:
    """Every wish to trade with what became of it, newest first; columns ``ORDERS``.

    ``status``: filled, rejected, cancelled, pending (still waits for a price), or held back (the limits made a hold of it). ``changed``:
    whether the limits changed the weight. ``reason`` says why, the broker's remarks included.
    """
    found = []
    for sleeve in _names(run_id, ticker):
        rows = runs.store().day_rows(run_id, sleeve, columns=WISHES)
        ended = {row["settled_day"]: row for row in rows[rows["settled_day"].notna()].to_dict("records")}
        wishes = rows[rows["order_weight"].notna() | ((rows["clipped_by"].fillna("") != "") & (rows["phase"] == "test"))]
        found += [_order_row(row, ended.get(row["day"])) for row in wishes.to_dict("records")]
    frame = pd.DataFrame(found, columns=ORDERS)
    return frame.sort_values(["decided", "ticker"], ascending=[False, True], kind="stable").reset_index(drop=True)


def _order_row(row: dict[Any, Any], ended: dict[Any, Any] | None) -> dict[str, Any]:
    common = {"ticker": row["ticker"], "decided": row["day"], "action": row["action"], "confidence": _none(row["confidence"])}
    if row["order_weight"] != row["order_weight"]:
        limit = str(row["clipped_by"]).strip("[]\"' ")
        said = f"the limit on {limit} made a hold of it"
        return {**common, "ended": row["day"], "wished": None, "weight": None, "status": "held back", "reason": said, "changed": True}
    status = ended["settled_status"] if ended else row["order_status"]
    return {
        **common,
        "ended": ended["day"] if ended else row["day"] if status == "rejected" else None,
        "wished": row["order_wished"],
        "weight": row["order_weight"],
        "status": status,
        "reason": (ended["settled_reason"] if ended else row["order_reason"]) or "",
        "changed": abs(row["order_weight"] - row["order_wished"]) > 1e-9,
    }


def _names(run_id: str, ticker: str) -> tuple[str, ...]:
    return queries.tickers(run_id) if ticker == TOTAL else (ticker,)


# ---------------------------------------------------------------------------------------------------------- exposure, behaviour


def exposure(run_id: str, ticker: str = TOTAL) -> pd.DataFrame:
    """day, weight (share of equity in the market, shorts negative), cash (share of equity) at the close of each test session."""
    frame = queries.equity(run_id, ticker)
    return pd.DataFrame({"day": frame["day"], "weight": frame["weight"], "cash": 1 - frame["weight"]})


def traits(run_id: str, ticker: str = TOTAL) -> dict[str, Reading]:
    """Every figure of ``TRAITS`` of one ticker, or of all together."""
    spec = runs.store().run(run_id).spec
    sleeves = _sleeves(run_id, ticker)
    found = behaviour([_behaving(sleeve) for sleeve in sleeves], since=spec.test.start)
    return {**_usual(run_id, ticker, sleeves), **_wishes(orders(run_id, ticker)), **found}


def rises_before(run_id: str, ticker: str = TOTAL) -> pd.DataFrame:
    """ticker, decided, side (+1 bought, -1 sold), rise (change over 5 sessions before) of each filled order that has one."""
    found = [
        {"ticker": sleeve.ticker, "decided": order.decided, "side": order.side, "rise": rise}
        for sleeve in _sleeves(run_id, ticker)
        for order, rise in _rises_before(_behaving(sleeve))
    ]
    return pd.DataFrame(found, columns=["ticker", "decided", "side", "rise"])


def _behaving(sleeve: _Sleeve) -> Sleeve:
    settled, ordered = _settled(sleeve.rows), sleeve.fills[sleeve.fills["cause"] == "order"]
    filled = [
        Traded(decided=settled[day], side=1 if shares > 0 else -1)
        for day, shares in zip(ordered["day"], ordered["shares"])
        if day in settled
    ]
    return Sleeve(sessions=sleeve.sessions, trips=sleeve.trips, orders=filled)


def _usual(run_id: str, ticker: str, sleeves: Sequence[_Sleeve]) -> dict[str, Reading]:
    """The figures that the Overview shows too, by the same definition, and the mean cash share over the same sessions."""
    frame = queries.equity(run_id, ticker)
    fills = pd.concat([sleeve.fills for sleeve in sleeves], ignore_index=True)
    found = evaluate(frame["equity"].to_numpy(), weights=frame["weight"].to_numpy(), fills=fills) if len(frame) else {}
    cases = {"turnover_two_sided": {"fills": len(fills)}, "turnover_annual": {"fills": len(fills)}}
    sessions = {"sessions": max(0, len(frame) - 1)}
    cash = (1 - frame["weight"].iloc[1:]).mean() if len(frame) > 1 else None
    return {
        **{key: Reading(found.get(key), cases.get(key, sessions)) for key in _USUAL},
        "cash_mean": Reading(_none(cash), sessions),
    }


def _wishes(found: pd.DataFrame) -> dict[str, Reading]:
    placed = found[found["status"] != "held back"]
    refused = placed["status"].isin(("rejected", "cancelled"))
    return {
        "changed_orders": Reading(float(found["changed"].mean()) if len(found) else None, {"wishes": len(found)}),
        "refused_orders": Reading(float(refused.mean()) if len(placed) else None, {"orders": len(placed)}),
    }


# ------------------------------------------------------------------------------------------------------- best and worst days


def days_against_benchmark(run_id: str, ticker: str = TOTAL) -> pd.DataFrame:
    """One row per ticker and test session but the first, worst first; columns ``DAYS``.

    ``gain`` and ``benchmark_gain`` are the session's returns, ``gap`` their difference (by which the rows are sorted), ``money`` the
    change of equity and ``money_gap`` what it was more than the benchmark's. ``weight`` is that of the close before.
    """
    parts = []
    for name in _names(run_id, ticker):
        frame = queries.equity(run_id, name)
        part = pd.DataFrame({"ticker": name, "day": frame["day"], "weight": frame["weight"].shift(1)})
        for prefix, column in (("", "equity"), ("benchmark_", "benchmark")):
            part[f"{prefix}gain"] = frame[column].pct_change()
            part[f"{prefix}money"] = frame[column].diff()
        parts.append(part.iloc[1:])
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=DAYS)
    frame["gap"] = frame["gain"] - frame["benchmark_gain"]
    frame["money_gap"] = frame["money"] - frame["benchmark_money"]
    return frame[DAYS].sort_values("gap", kind="stable").reset_index(drop=True)


def _none(value: Any) -> float | None:
    return None if value is None or value != value else float(value)
