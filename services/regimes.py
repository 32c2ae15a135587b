"""The card of a run that was judged: what it did in bull, bear and flat sessions, what its confidence was worth, what it leant on.

Everything is about the test sessions. Of several tickers, sessions and decisions are pooled: a day counts once per ticker.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from agent.evaluation.calibration import Calibration, calibrate
from agent.evaluation.intervals import Interval, wilson
from agent.evaluation.regimes import REGIMES, Behaviour, Regime, Verdict, behave, known_before, label, pooled, verdict
from services import day_reads, queries, runs
from storage import judged_rows

BY = ("layer", "source", "publisher")
FILINGS = {"filing_10q", "filing_10k"}
UNNAMED = "(no publisher)"
_DAYS = ["day", "phase", "close", "split", "dividend", "equity", "benchmark_equity", "weight", "action", "abstained", "confidence"]


@dataclass(frozen=True)
class Regimes:
    """``found`` by regime; ``unlabelled`` test sessions had too little history to be in one. The verdict's sums are means over tickers."""

    found: dict[Regime, Behaviour]
    verdict: Verdict
    sessions: int
    unlabelled: int


def regimes(run_id: str, ticker: str = queries.TOTAL) -> Regimes:
    """What the trader did in each regime; of all tickers pooled or of one."""
    parts = [_behaviour(run_id, name) for name in _names(run_id, ticker)]
    found: dict[Regime, Behaviour] = {name: pooled([part[0][name] for part in parts]) for name in REGIMES}
    said = verdict(found)
    per = {name: None if (total := getattr(said, name)) is None else total / len(parts) for name in ("missed", "lost")}
    return Regimes(found, replace(said, **per), sum(part[1] for part in parts), sum(part[2] for part in parts))


def _names(run_id: str, ticker: str) -> tuple[str, ...]:
    return queries.tickers(run_id) if ticker == queries.TOTAL else (ticker,)


def _behaviour(run_id: str, ticker: str) -> tuple[dict[Regime, Behaviour], int, int]:
    """By regime; test sessions with a price; those without a regime. The weight held at the close is what the day before decided."""
    rows = runs.store().day_rows(run_id, ticker, columns=_DAYS)
    rows = rows[rows["close"].notna()].reset_index(drop=True)
    closes = (rows["close"] * rows["split"].cumprod()).to_numpy(dtype=float)
    rows = rows.assign(regime=known_before(label(closes)))
    for name in ("equity", "benchmark_equity"):
        money = rows[name].where(rows["phase"] == "test")
        rows[f"{name}_return"] = money / money.shift(1) - 1
    test = rows[rows["phase"] == "test"]
    found = behave(
        list(test["regime"]),
        exposure=test["weight"].to_numpy(dtype=float),
        agent=test["equity_return"].to_numpy(dtype=float),
        hold=test["benchmark_equity_return"].to_numpy(dtype=float),
        actions=[action if isinstance(action, str) else None for action in test["action"]],
    )
    return found, len(test), int(test["regime"].isna().sum())


# --------------------------------------------------------------------------------------------------------------- calibration


def judged(run_id: str, ticker: str = queries.TOTAL) -> pd.DataFrame:
    """ticker, day (decided), confidence, right: the judged decisions outside the cost band, those without a confidence as NaN."""
    parts = []
    for name in _names(run_id, ticker):
        outcomes = runs.store().outcome_rows(run_id, name)
        outcomes = outcomes[outcomes["verdict"] != 0] if len(outcomes) else outcomes
        if outcomes.empty:
            continue
        said = runs.store().day_rows(run_id, name, columns=["day", "phase", "confidence"])
        said = said[said["phase"] == "test"].set_index("day")["confidence"]
        kept = outcomes[outcomes["decided"].isin(said.index)]
        parts.append(
            pd.DataFrame(
                {
                    "ticker": name,
                    "day": list(kept["decided"]),
                    "confidence": [said[day] for day in kept["decided"]],
                    "right": list(kept["verdict"] > 0),
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["ticker", "day", "confidence", "right"])


def calibration(run_id: str, ticker: str = queries.TOTAL) -> Calibration:
    """Confidence against outcome, over the decisions that traded and were judged."""
    found = judged(run_id, ticker)
    found = found[found["confidence"].notna()]
    return calibrate(found["confidence"].to_numpy(dtype=float), found["right"].to_numpy(dtype=bool))


# ------------------------------------------------------------------------------------------------------------- contributions


@dataclass(frozen=True)
class Contribution:
    """What one layer, kind of source or publisher gave to the decisions of the test sessions.

    ``cited_share`` is of the times it was shown. ``right`` of ``judged`` decisions that cited it turned out right. ``credit`` is the sum of
    the importance that those judgements gave and took.
    """

    name: str
    shown: int
    cited: int
    decisions: int
    judged: int
    right: int
    share: float | None
    interval: Interval | None
    credit: float

    @property
    def cited_share(self) -> float | None:
        return self.cited / self.shown if self.shown else None


@dataclass(frozen=True)
class Contributions:
    """By layer, kind of source and publisher (of news), most cited first; ``share`` is that of all judged decisions."""

    by: dict[str, tuple[Contribution, ...]]
    judged: int
    share: float | None


def contributions(run_id: str, ticker: str = queries.TOTAL) -> Contributions:
    """Who was shown, cited, right and credited."""
    names = _names(run_id, ticker)
    verdicts = judged(run_id, ticker)
    shown = _all([judged_rows.shown(runs.store(), run_id, name).assign(ticker=name) for name in names])
    credited = _all([judged_rows.credited(runs.store(), run_id, name) for name in names])
    if len(credited):
        credited = credited[[_of_decision(reason) for reason in credited["reason"]]]
    tables = {name: (_named(shown, name), _named(credited, name)) for name in BY}
    found = {name: tuple(_contributions(*tables[name], verdicts)) for name in BY}
    return Contributions(found, len(verdicts), float(verdicts["right"].mean()) if len(verdicts) else None)


def _all(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    listed = list(frames)
    full = [frame for frame in listed if len(frame)]
    return pd.concat(full, ignore_index=True) if full else listed[0]


def _of_decision(reason: str) -> bool:
    """Credit for a decision, not for a study of the training days."""
    cause = day_reads.decided(reason)
    return cause is not None and cause[0] != "study"


def _named(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """The rows with the name they are counted under; publishers only of news."""
    if by == "publisher":
        frame = frame[frame["kind"] == "news"]
        return frame.assign(name=[publisher or UNNAMED for publisher in frame["publisher"]])
    return frame.assign(name=frame["kind" if by == "source" else "layer"])


def _contributions(shown: pd.DataFrame, credited: pd.DataFrame, verdicts: pd.DataFrame) -> list[Contribution]:
    right = {(row.ticker, row.day): bool(row.right) for row in verdicts.itertuples()}
    credit = credited.groupby("name")["credit"].sum().to_dict() if len(credited) else {}
    found = []
    for name, part in shown.groupby("name"):
        cited = part[part["cited"] > 0]
        decisions = set(zip(cited["ticker"], cited["day"], strict=True))
        known = [right[place] for place in decisions if place in right]
        share = float(np.mean(known)) if known else None
        counts = int(part["shown"].sum()), int(part["cited"].sum()), len(decisions), len(known), sum(known)
        found.append(Contribution(str(name), *counts, share, wilson(sum(known), len(known)), float(credit.get(name, 0.0))))
    return sorted(found, key=lambda item: (-item.cited, -item.shown, item.name))
