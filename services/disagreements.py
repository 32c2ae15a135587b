"""Where runs decided differently on the same day, and what that cost: the decision matrix, the disagreements, the first costly one.

Promise: only narrow columns are read, never the body of a day. A day's result is the run's own, after costs: its money marked at the
open where the decision was filled, against its money marked at the next open (for runs that fill at the close: from close to close).
A day without a decision is not a hold and takes part in no disagreement.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from agent.errors import NoData, SpecError
from services import queries, runs
from services.queries import TOTAL

LEAST = 0.001  # share of equity: less between two decisions is noise of costs and rounding, not money
SAME = 1e-9  # results nearer than this are equal
MOST_RUNS = 8
_COLUMNS = ["day", "phase", "action", "confidence", "provenance", "abstained", "open", "close", "split", "dividend"]
_MONEY = ["cash", "shares", "equity", "commission", "slippage"]


@dataclass(frozen=True)
class Matrix:
    """Decisions of several runs on the test sessions they share. Frames have a row per day and a column per run, None where unknown.

    ``action``: buy, hold, sell, None without a decision. ``confidence`` 0..1. ``provenance``: who really decided. ``weight``: share of
    equity held after the fill. ``result``: what the run earned from that fill to the next, a fraction of its equity, after costs.
    ``move``: the price over the same time, one per day.
    """

    ticker: str
    runs: tuple[str, ...]
    days: tuple[date, ...]
    action: pd.DataFrame
    confidence: pd.DataFrame
    provenance: pd.DataFrame
    weight: pd.DataFrame
    result: pd.DataFrame
    move: pd.Series

    @property
    def undecided(self) -> int:
        """Days on which at least one run gave no decision."""
        return int(self.action.isna().any(axis=1).sum())

    def columns(self) -> list[list[str | None]]:
        """Decisions day by day, one list per day, as ``agent.evaluation.agreement`` takes them."""
        return [[item if isinstance(item, str) else None for item in row] for row in self.action.to_numpy()]


def matrix(run_ids: Sequence[str], ticker: str, *, days: Collection[date] | None = None) -> Matrix:
    """The decisions of 2 to 8 runs on one ticker, on the test sessions that all of them recorded (of ``days``, where given).

    NoData where they share none; SpecError where a run does not trade the ticker.
    """
    asked = tuple(dict.fromkeys(run_ids))
    if not 2 <= len(asked) <= MOST_RUNS:
        raise SpecError(f"A comparison takes 2 to {MOST_RUNS} runs, and these are {len(asked)}.", field="cmp")
    frames = {run: decisions(run, ticker) for run in asked}
    shared = set.intersection(*(set(frame.index) for frame in frames.values())) & (
        set(days) if days is not None else set(frames[asked[0]].index)
    )
    if not shared:
        raise NoData(f"These runs share no test session of {ticker}.")
    order = sorted(shared)
    cut = {run: frame.loc[order] for run, frame in frames.items()}

    def side(column: str) -> pd.DataFrame:
        return pd.DataFrame({run: frame[column] for run, frame in cut.items()}, index=order, columns=list(asked))

    moves = pd.DataFrame({run: frame["move"] for run, frame in cut.items()}, index=order)
    return Matrix(
        ticker=ticker,
        runs=asked,
        days=tuple(order),
        action=side("action"),
        confidence=side("confidence"),
        provenance=side("provenance"),
        weight=side("weight"),
        result=side("result"),
        move=moves.bfill(axis=1).iloc[:, 0],
    )


def decisions(run_id: str, ticker: str) -> pd.DataFrame:
    """One run's test days, by day: action, confidence, provenance, weight, result, move, as ``Matrix`` says."""
    spec = runs.store().run(run_id).spec
    queries.ticker_or_error(run_id, ticker)
    rows = runs.store().day_rows(run_id, ticker, columns=[*_COLUMNS, *_MONEY])
    rows = rows[rows["phase"] == "test"].sort_values("day").reset_index(drop=True)
    money = _at_close(rows) if spec.execution.fill == "same_close" else _at_open(rows)
    found = pd.concat([rows[["day", "action", "confidence", "provenance"]], money], axis=1)
    return found.set_index("day")


def _at_open(rows: pd.DataFrame) -> pd.DataFrame:
    """Of the decision of row i, filled at the open of i + 1: everything from there to the open of i + 2."""
    price, split, paid = (rows[name].to_numpy(dtype=float) for name in ("open", "split", "dividend"))
    cash, shares = (rows[name].to_numpy(dtype=float) for name in ("cash", "shares"))
    grown = _before(shares) * split
    worth = _before(cash) + grown * (price + paid)  # at the open, corporate actions in, before the fill
    held = shares * price / np.where(cash + shares * price > 0, cash + shares * price, np.nan)
    growth = _ratio(worth, _before(worth))  # row i: from the open of i - 1 to that of i
    move = _ratio(split * (price + paid), _before(price))
    return pd.DataFrame({"weight": _later(held, 1), "result": _later(growth, 2), "move": _later(move, 2)})


def _at_close(rows: pd.DataFrame) -> pd.DataFrame:
    """Of the decision of row i, filled at its own close: everything from there to the close of i + 1."""
    price, split, paid = (rows[name].to_numpy(dtype=float) for name in ("close", "split", "dividend"))
    cash, shares, equity = (rows[name].to_numpy(dtype=float) for name in ("cash", "shares", "equity"))
    before = equity + rows["commission"].to_numpy(dtype=float) + rows["slippage"].to_numpy(dtype=float)
    worth = _before(cash) + _before(shares) * split * (price + paid)
    growth = _ratio(worth, _before(before))
    move = _ratio(split * (price + paid), _before(price))
    held = shares * price / np.where(equity > 0, equity, np.nan)
    return pd.DataFrame({"weight": held, "result": _later(growth, 1), "move": _later(move, 1)})


def _before(values: np.ndarray) -> np.ndarray:
    return np.concatenate([[np.nan], values[:-1]])[: len(values)]


def _later(values: np.ndarray, steps: int) -> np.ndarray:
    """Row i takes the value of row i + ``steps``; unknown at the end."""
    return np.concatenate([values[steps:], np.full(min(steps, len(values)), np.nan)])


def _ratio(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    return after / np.where(before > 0, before, np.nan) - 1


# ------------------------------------------------------------------------------------------------------------- disagreements


def disagreements(found: Matrix) -> pd.DataFrame:
    """One row per day on which two runs decided differently, by day: day, move, gap, best, worst, lost, split.

    ``gap``: what the worst run of the day earned less than the best, a fraction of equity; NaN (and no ``best``) while unknown. ``lost``: the worst run
    lost money that day, more than ``LEAST``. ``split``: how many decided what, such as ``buy 3, hold 1``. Runs without a decision are left out of a day.
    """
    rows = []
    for day, actions, results in zip(found.days, found.action.to_numpy(), found.result.to_numpy(), strict=True):
        said = {run: word for run, word in zip(found.runs, actions, strict=True) if isinstance(word, str)}
        if len(set(said.values())) < 2:
            continue
        known = {run: float(value) for run, value in zip(found.runs, results, strict=True) if run in said and np.isfinite(value)}
        best = max(known, key=lambda run: known[run]) if len(known) == len(said) else ""
        worst = min(known, key=lambda run: known[run]) if best else ""
        rows.append(
            {
                "day": day,
                "move": found.move[day],
                "gap": known[best] - known[worst] if best else float("nan"),
                "best": best,
                "worst": worst,
                "lost": bool(worst and known[worst] < -LEAST),
                "split": ", ".join(f"{word} {n}" for word in ("buy", "hold", "sell") if (n := list(said.values()).count(word))),
            }
        )
    return pd.DataFrame(rows, columns=["day", "move", "gap", "best", "worst", "lost", "split"])


def first_costly(found: Matrix, *, least: float = LEAST) -> date | None:
    """The first day on which runs decided differently and one of them earned at least ``least`` of its equity less than another."""
    rows = disagreements(found)
    costly = rows[rows["gap"] >= least]
    return costly["day"].iloc[0] if len(costly) else None


def wins(a: str, b: str, ticker: str = TOTAL, *, days: Collection[date] | None = None) -> tuple[int, int]:
    """On how many disagreements run ``a`` earned more than ``b`` by the next fill, and on how many less: what a sign test takes.

    Equal results and days whose next fill is not known count for neither. ``total``: every ticker that both trade, each by itself; tickers
    of one day move together, so that fewer than so many days are independent.
    """
    shared = [name for name in queries.tickers(a) if name in queries.tickers(b)]
    won = lost = 0
    for name in shared if ticker == TOTAL else [ticker]:
        found = matrix([a, b], name, days=days)
        better = (found.result[a] - found.result[b])[differs(found)].dropna()
        won += int((better > SAME).sum())
        lost += int((better < -SAME).sum())
    return won, lost


def differs(found: Matrix) -> pd.Series:
    """Per day, whether two runs decided differently."""
    return found.action.nunique(axis=1) > 1
