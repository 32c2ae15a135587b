"""What a run's Sharpe is worth: its place among random traders, how sure it is, and how many days it would take to know.

The run's own orders are carried out once more first; only where that gives the recorded money is a crowd of random traders put on the
same prices. Figures that do not rest on the crowd are given either way.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np
import pandas as pd

from agent.errors import SpecError
from agent.evaluation import luck
from agent.evaluation.luck import Place
from agent.evaluation.metrics import METRICS, evaluate, returns
from agent.evaluation.significance import days_to_tell_apart, dsr, min_track_record
from agent.portfolio.replay import Replay, replay
from agent.registry import unknown
from agent.spec import Execution, RunSpec
from services import queries, runs, trials

COLUMNS = ["day", "phase", "open", "close", "dividend", "split", "order_weight", "order_status", "shares", "equity"]
EQUAL = 1e-9  # relative; beyond it the replay of a run is not the run
SEED = 0


@dataclass(frozen=True)
class Span:
    """The middle nine tenths of a crowd, and its median."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Luck:
    """All that stands beside a Sharpe. None: not defined; ``why`` says why there is no place among random traders (empty: there is one).

    ``share`` is the share of random traders with a lower Sharpe, with the 95 % interval that so many draws leave, ``share_return`` the same
    for the return. ``days_to_tell`` and ``min_track_record`` are daily returns in all, those at hand included. ``crowd`` holds the annual
    Sharpes of the random traders, lowest first.
    """

    run: str
    whose: str
    returns: int
    sharpe: float | None
    sharpe_se: float | None
    share: float | None
    share_low: float | None
    share_high: float | None
    share_return: float | None
    traders: int
    seed: int
    why: str
    turnover: float | None
    exposure: float | None
    crowd_turnover: Span | None
    crowd_exposure: Span | None
    crowd_sharpe: Span | None
    psr: float | None
    dsr: float | None
    dsr_effective: float | None
    trials: int
    trials_effective: int
    min_track_record: float | None
    days_to_tell: float | None
    crowd: tuple[float, ...]


@dataclass(frozen=True)
class Tape:
    """One ticker's test sessions as arrays: what was ordered at each close, and the prices it met."""

    orders: np.ndarray
    opens: np.ndarray
    closes: np.ndarray
    dividends: np.ndarray
    splits: np.ndarray
    equity: np.ndarray
    cash: float

    def run(self, targets: np.ndarray, execution: Execution, *, delay: int = 0) -> Replay:
        return replay(targets, self.opens, self.closes, self.dividends, self.splits, execution=execution, cash=self.cash, delay=delay)


def of(run_id: str, whose: str = queries.TOTAL) -> Luck:
    """The luck of a run's test window, all tickers together or one. Under a second for a year of four tickers, then kept."""
    spec = runs.store().run(run_id).spec
    frame = queries.equity(run_id, whose)
    equity, rival = frame["equity"].to_numpy(dtype=float), frame["benchmark"].to_numpy(dtype=float)
    found = evaluate(equity) if len(equity) else dict.fromkeys(METRICS)
    r, other = returns(equity), returns(rival)
    tried = trials.on_market(spec)
    count, effective = max(1, tried.count), max(1, tried.effective)  # a run that is not in the book yet is a try too
    crowd = _crowd_of(run_id, spec, whose)
    place = crowd.place
    return Luck(
        run=run_id,
        whose=whose,
        returns=len(r),
        sharpe=found["sharpe"],
        sharpe_se=found["sharpe_se"],
        share=place.share,
        share_low=place.interval.low if place.interval else None,
        share_high=place.interval.high if place.interval else None,
        share_return=crowd.place_return.share,
        traders=place.traders,
        seed=SEED,
        why=crowd.why,
        turnover=crowd.turnover,
        exposure=crowd.exposure,
        crowd_turnover=crowd.turnovers,
        crowd_exposure=crowd.exposures,
        crowd_sharpe=_span(np.array(crowd.sharpes)),
        psr=found["psr_0"],
        dsr=dsr(r, sharpes=tried.sharpes, trials=count) if len(r) else None,
        dsr_effective=dsr(r, sharpes=tried.sharpes, trials=effective) if len(r) else None,
        trials=count,
        trials_effective=effective,
        min_track_record=min_track_record(r) if len(r) else None,
        days_to_tell=days_to_tell_apart(r, other) if len(r) == len(other) and len(r) else None,
        crowd=crowd.sharpes,
    )


# ----------------------------------------------------------------------------------------------------------------- the tape


def tapes(run_id: str, whose: str = queries.TOTAL) -> tuple[dict[str, Tape], str]:
    """Ticker to what a replay needs of it, over the sessions that all of ``whose`` have; and why a replay would not be the run (empty: it is)."""
    spec = runs.store().run(run_id).spec
    names = spec.tickers if whose == queries.TOTAL else (whose,)
    if unknown_names := [name for name in names if name not in spec.tickers]:
        raise SpecError(unknown("ticker", unknown_names[0], spec.tickers), field="ticker")
    rows = {name: runs.store().day_rows(run_id, name, columns=COLUMNS).sort_values("day") for name in names}
    tests = {name: frame[frame["phase"] == "test"] for name, frame in rows.items()}
    sessions = min(len(frame) for frame in tests.values())
    if sessions < 2:
        return {}, "fewer than two test sessions"
    cash = spec.execution.cash / len(spec.tickers)
    found = {name: _tape(frame.iloc[:sessions], cash) for name, frame in tests.items()}
    return found, _not_replayed(spec, rows, found)


def _tape(rows: pd.DataFrame, cash: float) -> Tape:
    opens, closes, dividends, splits, equity = (
        rows[name].to_numpy(dtype=float) for name in ("open", "close", "dividend", "split", "equity")
    )
    placed = rows["order_weight"].where(rows["order_status"] == "pending").to_numpy(dtype=float)
    return Tape(placed, opens, closes, dividends, splits, equity, cash)


def _not_replayed(spec: RunSpec, rows: dict[str, pd.DataFrame], found: dict[str, Tape]) -> str:
    if spec.execution.stops:
        return "the run uses stop-loss and take-profit levels, which are not replayed"
    if any(_traded_before(frame) for frame in rows.values()):
        return "the run traded before its test window"
    for name, tape in found.items():
        own = tape.run(tape.orders[:, None], spec.execution).equity[:, 0]
        off = float(np.abs(own - tape.equity).max() / max(EQUAL, float(np.abs(tape.equity).max())))
        if off > EQUAL:
            return f"carrying out the orders of {name} again does not give the recorded money (off by {off:.1e})"
    return ""


def _traded_before(rows: pd.DataFrame) -> bool:
    before = rows[rows["phase"] != "test"]
    return bool(len(before)) and bool((before["shares"] != 0).any() or (before["order_status"] == "pending").any())


# ---------------------------------------------------------------------------------------------------------------- the crowd


@dataclass(frozen=True)
class Crowd:
    """Random traders on the prices of a run; ``why`` says why there are none, or why the run has no place among them."""

    place: Place
    place_return: Place
    sharpes: tuple[float, ...]
    turnover: float | None
    exposure: float | None
    turnovers: Span | None
    exposures: Span | None
    why: str


NOBODY = Place(None, None, 0, 0)
_kept: OrderedDict[str, Crowd] = OrderedDict()
_KEPT = 64
_lock = Lock()


def _crowd_of(run_id: str, spec: RunSpec, whose: str) -> Crowd:
    """Kept by what goes into it: a run that went on, or was taken back and decided anew, has another key."""
    found, why = tapes(run_id, whose)
    if why:
        return Crowd(NOBODY, NOBODY, (), None, None, None, None, why)
    streams = {name: spec.tickers.index(name) for name in found}
    key = _key(found, spec.execution, streams)
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    drawn = crowd(found, spec.execution, streams=streams)
    with _lock:
        _kept[key] = drawn
        while len(_kept) > _KEPT:
            _kept.popitem(last=False)
    return drawn


def _key(found: dict[str, Tape], execution: Execution, streams: dict[str, int]) -> str:
    body = hashlib.sha256(f"{execution.model_dump_json()}{sorted(streams.items())}".encode())
    for tape in found.values():
        for values in (tape.orders, tape.opens, tape.closes, tape.dividends, tape.splits):
            body.update(values.tobytes())
        body.update(repr(tape.cash).encode())
    return body.hexdigest()


def crowd(found: dict[str, Tape], execution: Execution, *, streams: dict[str, int], traders: int = luck.TRADERS) -> Crowd:
    """Random traders matched ticker by ticker; trader k of one ticker and trader k of another are one trader."""
    own = theirs = None
    for name, tape in found.items():
        mine = tape.run(tape.orders[:, None], execution)
        drawn = tape.run(luck.crowd(tape.orders, traders=traders, seed=SEED, stream=streams[name]), execution)
        own, theirs = (mine, drawn) if own is None or theirs is None else (own + mine, theirs + drawn)
    if own is None or theirs is None:
        raise ValueError("a crowd needs a ticker to trade")
    sharpes = luck.sharpes(theirs.equity)
    place = luck.place(_known(luck.sharpes(own.equity)[0]), sharpes)
    gains = theirs.equity[-1] / theirs.equity[0] - 1
    turnover, exposure = _known(own.turnover[0]), _known(own.exposure[0])
    return Crowd(
        place=place,
        place_return=luck.place(float(own.equity[-1, 0] / own.equity[0, 0] - 1), gains),
        sharpes=tuple(float(value) for value in np.sort(sharpes[np.isfinite(sharpes)])),
        turnover=turnover,
        exposure=exposure,
        turnovers=_span(theirs.turnover),
        exposures=_span(theirs.exposure),
        why=_no_place(place, own),
    )


def _no_place(place: Place, own: Replay) -> str:
    if place.share is not None:
        return ""
    if not own.fills[0]:
        return "the run never traded"
    if place.distinct < luck.FEW:
        return "the run changed its position too rarely: there is hardly any timing to draw by lot"
    return "the run has no Sharpe"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _span(values: np.ndarray) -> Span | None:
    known = values[np.isfinite(values)]
    return Span(*(float(value) for value in np.quantile(known, [0.05, 0.5, 0.95]))) if len(known) else None
