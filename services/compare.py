"""Runs side by side: which, on which common sessions, and what has to be said before their figures are held against each other.

Promise: every figure of a comparison is of the same sessions for all. What was cut away to get there, what differs besides the trader (prices,
tickers, costs), and what stands on a single seed is in ``notes``, in sentences; nothing is left out in silence. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from agent.errors import SpecError
from agent.spec import RunSpec
from services import queries, runs
from services.queries import TOTAL, RunView
from storage.run_store import RunRow

GROUP = "g:"  # before a run id: all finished repeats of that run with other seeds, and itself
LEAST, MOST = 2, 8
SEEDED = ("memory", "random_trader")  # strategies that draw by lot: a rule does the same whatever its seed
NUMBERS = "①②③④⑤⑥⑦⑧"  # letters are taken: the paired tests call their two sides A and B
SAME_PRICE = 1e-6  # relative; what a file or a database may round
SAME_LINE = 1e-3  # buy and hold of two runs closer than this, of 100, everywhere is drawn once


@dataclass(frozen=True)
class Member:
    """One run with its money on the common sessions: day, equity, benchmark, drawdown, benchmark_drawdown, weight."""

    view: RunView
    frame: pd.DataFrame = field(repr=False, compare=False)


@dataclass(frozen=True)
class Side:
    """One of the compared, a run or a seed group.

    ``id`` and ``view`` are the run that stands for it where one run is needed: of a group the one with the median return. ``number`` is what
    tables and sentences call it, ``colour`` its place among the chart colours, from 0. ``market`` is equal for sides that saw the same
    prices. ``own_days``: sessions before the cut.
    """

    item: str
    number: str
    label: str
    colour: int
    id: str
    view: RunView
    members: tuple[Member, ...]
    market: int = 0
    own_days: int = 0

    @property
    def grouped(self) -> bool:
        return self.item.startswith(GROUP)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The different seeds, in order."""
        return tuple(sorted({member.view.spec.seed for member in self.members}))

    @property
    def single_seed(self) -> bool:
        """Whether luck of the seed may lie behind its figures and nothing shows how much."""
        return len(self.seeds) == 1 and self.view.spec.strategy in SEEDED

    @property
    def frame(self) -> pd.DataFrame:
        """The money of the run that stands for this side, on the common sessions."""
        return next(member.frame for member in self.members if member.view.id == self.id)

    @property
    def title(self) -> str:
        """Number and name."""
        return f"{self.number} · {self.label}"


@dataclass(frozen=True)
class Comparison:
    """What ``load`` found. ``days``: the sessions all have. ``ticker``: one ticker, or ``total``. ``tickers``: what all traded, so what can be
    chosen instead. ``notes``: how they were made comparable and what stands against comparing them."""

    runs: tuple[Side, ...]
    days: tuple[date, ...]
    ticker: str
    tickers: tuple[str, ...]
    notes: tuple[str, ...]

    def side(self, item: str) -> Side:
        """The side of an item (else of a number, or of the run that stands for it); the first one where there is no such."""
        for name in ("item", "number", "id"):
            for side in self.runs:
                if getattr(side, name) == item:
                    return side
        return self.runs[0]

    def unpaired(self, one: Side, other: Side) -> str:
        """Why the days of the two cannot be paired; empty if they can."""
        if one.market != other.market:
            return f"{one.number} and {other.number} saw other prices: a day of one has no counterpart in the other."
        if one.id == other.id:
            return f"{one.number} and {other.number} are represented by the same run ({one.id}): there is nothing to test."
        return "" if self.days else "They have no session in common."


# ---------------------------------------------------------------------------------------------------------------------- which


def items(asked: str) -> list[str]:
    """The items of a URL's ``cmp=``, in order, each once."""
    return list(dict.fromkeys(item for item in (part.strip() for part in asked.split(",")) if item))


@dataclass(frozen=True)
class Usable:
    """What can be compared of what was asked for, and a sentence for each that cannot."""

    items: tuple[str, ...]
    notes: tuple[str, ...]


def usable(asked: Sequence[str]) -> Usable:
    """Leave out strangers, runs of another version, runs without a test session, and what is beyond the eighth."""
    kept: list[str] = []
    notes: list[str] = []
    known = {row.id for row in runs.store().heads()}
    for item in asked:
        run = item.removeprefix(GROUP)
        if run not in known:
            notes.append(f"There is no run “{run}” here. It may have been deleted, or the link is from another machine.")
        elif why := _unusable(run):
            notes.append(why)
        elif len(kept) == MOST:
            notes.append(f"At most {MOST} can be compared at once; left out: {run}.")
        else:
            kept.append(item)
    return Usable(tuple(kept), tuple(notes))


def _unusable(run: str) -> str:
    try:
        view = queries.run(run)
    except SpecError:
        return f"Run {run} was recorded by another version and cannot be read by this one: left out."
    if not view.done or queries.equity(run).empty:
        return f"“{view.name}” ({run}) has no session of its test window yet: left out."
    return ""


def offered(asked: Sequence[str]) -> tuple[str, ...]:
    """Whose money can be compared: all tickers together and each that all trade; only the ticker where all trade that one alone."""
    traded = [queries.tickers(item.removeprefix(GROUP)) for item in asked]
    common = tuple(name for name in traded[0] if all(name in names for names in traded))
    return common if all(len(names) == 1 for names in traded) and common else (TOTAL, *common)


def members(item: str) -> tuple[RunView, ...]:
    """The runs an item stands for: itself, or the finished runs of its seed group by seed (itself if none is finished)."""
    run = item.removeprefix(GROUP)
    if run == item:
        return (queries.run(run),)
    mine = runs.store().run(run)
    key = mine.spec.group_key()
    found = [row for row in runs.store().runs() if row.status == "done" and _alike(row, mine) and _key(row) == key]
    views = sorted((queries.run(row.id) for row in found), key=lambda view: (view.spec.seed, view.id))
    return tuple(views) or (queries.run(run),)


def _alike(row: RunRow, other: RunRow) -> bool:
    """A quick look before a spec is read."""
    return all(
        getattr(row, name) == getattr(other, name) for name in ("strategy", "backend", "preset", "tickers", "test_start", "test_end")
    )


def _key(row: RunRow) -> str:
    try:
        return row.spec.group_key()
    except SpecError:
        return ""


def stamp(asked: Sequence[str]) -> tuple[Any, ...]:
    """What a comparison depends on beside the items: it changes when a run goes on, ends, is renamed, or joins a group."""
    return tuple(_stamp(item) for item in asked)


def _stamp(item: str) -> tuple[Any, ...]:
    try:
        return tuple((view.id, view.done, view.state, view.name) for view in members(item))
    except SpecError:  # a stranger, or a run of another version
        return ()


@dataclass(frozen=True)
class Offer:
    """Something that can be put into a comparison, or a comparison that could be looked at: items and what to call it."""

    items: tuple[str, ...]
    label: str


def offers() -> list[Offer]:
    """Every seed group of at least two finished runs, then every run with days, newest first."""
    views = _with_days()
    names = queries.names()
    groups = [
        Offer((f"{GROUP}{found[0].id}",), f"Seed group: {names[found[0].id]}, {len(found)} runs")
        for found in _by(views, finished=True, key=RunSpec.group_key)
        if len(found) > 1
    ]
    return [*groups, *(Offer((view.id,), names[view.id]) for view in views)]


def suggestions(chosen: str = "", *, most: int = 2) -> list[Offer]:
    """Comparisons that exist and mean something, with the run ``chosen`` in them if there is one: who decides on one market, then repeats."""
    views = _with_days()
    found: list[Offer] = []
    for market in _by(views, finished=True, key=RunSpec.market_key):
        groups = _by(market, finished=True, key=RunSpec.group_key)
        pairs = [(one, other) for i, one in enumerate(groups) for other in groups[i + 1 :]]
        found += [
            Offer((_item(one), _item(other)), f"{_called(one)} against {_called(other)}, on the same market") for one, other in pairs[:4]
        ]
        found += [Offer((group[0].id, group[1].id), f"Two repeats of {_called(group[:1])}") for group in groups if len(group) > 1]
    if not found and len(views) > 1:
        found = [Offer((views[0].id, other.id), f"{_called(views[:1])} against {_called([other])}") for other in views[1:3]]
    return [offer for offer in found if not chosen or chosen in offer.items][:most]


def _with_days() -> list[RunView]:
    return [view for view in queries.views() if view.done]


def _by(views: Sequence[RunView], *, finished: bool, key: Callable[[RunSpec], str]) -> list[list[RunView]]:
    """Runs that share a key, in the order of their newest."""
    found: dict[str, list[RunView]] = {}
    for view in views:
        if view.state == "done" or not finished:
            found.setdefault(key(view.spec), []).append(view)
    return list(found.values())


def _item(group: Sequence[RunView]) -> str:
    return group[0].id if len(group) == 1 else f"{GROUP}{group[0].id}"


def _called(group: Sequence[RunView]) -> str:
    return group[0].name + (f" ({len(group)} runs)" if len(group) > 1 else "")


# ----------------------------------------------------------------------------------------------------------------------- load


def load(run_ids: Sequence[str], *, ticker: str = TOTAL) -> Comparison:
    """2 to 8 runs or seed groups (``g:`` before a run id) on the sessions that all have.

    ``ticker``: ``total``, or one that all traded. SpecError (field ``cmp`` or ``ticker``) for what cannot be compared at all.
    """
    asked = list(dict.fromkeys(run_ids))
    if not LEAST <= len(asked) <= MOST:
        raise SpecError(f"{LEAST} to {MOST} runs can be compared, and these are {len(asked)}.", field="cmp")
    views = [members(item) for item in asked]
    common = tuple(name for name in views[0][0].spec.tickers if all(name in view.spec.tickers for group in views for view in group))
    if ticker != TOTAL and ticker not in common:
        told = f"it can be {', '.join(common)} or {TOTAL}" if common else f"they share none, so only {TOTAL} can be compared"
        raise SpecError(f"not all of these traded {ticker}; {told}.", field="ticker")
    frames = [[queries.equity(view.id, ticker) for view in group] for group in views]
    own = [sorted(set.intersection(*(set(frame["day"]) for frame in group))) for group in frames]
    days = sorted(set.intersection(*(set(found) for found in own)))
    sides = tuple(
        _side(position, item, tuple(Member(view, _cut(frame, days)) for view, frame in zip(group, found, strict=True)), len(sessions))
        for position, (item, group, found, sessions) in enumerate(zip(asked, views, frames, own, strict=True))
    )
    sides = _named(_markets(sides, common, days))
    return Comparison(sides, tuple(days), ticker, common, tuple(_notes(sides, own, days, ticker, common)))


def _cut(frame: pd.DataFrame, days: Sequence[date]) -> pd.DataFrame:
    """The frame on the common sessions, drawdowns counted from the first of them."""
    found = frame[frame["day"].isin(set(days))].reset_index(drop=True)
    if len(found) != len(frame):
        falls = {
            f"{prefix}drawdown": found[name] / found[name].cummax() - 1 for prefix, name in (("", "equity"), ("benchmark_", "benchmark"))
        }
        found = found.assign(**falls)
    return found


def _side(position: int, item: str, found: tuple[Member, ...], own: int) -> Side:
    middle = _median(found)
    return Side(item, NUMBERS[position], middle.view.name, position, middle.view.id, middle.view, found, own_days=own)


def _median(found: Sequence[Member]) -> Member:
    """The one with the median return over the common sessions; of an even number the lower of the two in the middle."""
    ordered = sorted(found, key=lambda member: (_gain(member.frame), member.view.id))
    return ordered[(len(ordered) - 1) // 2]


def _gain(frame: pd.DataFrame) -> float:
    return float(frame["equity"].iloc[-1] / frame["equity"].iloc[0]) if len(frame) and frame["equity"].iloc[0] > 0 else 0.0


def _named(sides: tuple[Side, ...]) -> tuple[Side, ...]:
    """Names that tell them apart: what is shared gets the model, the seed, or the id behind it."""
    labels = [side.label for side in sides]
    for more in (lambda side: side.view.model_label, lambda side: f"seed {side.view.spec.seed}", lambda side: side.id):
        seen = {label for label in labels if labels.count(label) > 1}
        extra = [more(side) for side in sides]
        told = {label for label in seen if len({extra[i] for i, own in enumerate(labels) if own == label}) > 1}
        labels = [f"{label}, {extra[i]}" if label in told and not (sides[i].grouped) else label for i, label in enumerate(labels)]
    return tuple(
        replace(side, label=f"{label} × {_times(side)}" if side.grouped else label) for side, label in zip(sides, labels, strict=True)
    )


def _times(side: Side) -> str:
    count, seeds = len(side.members), len(side.seeds)
    return f"{seeds} seed{'s' * (seeds != 1)}" if seeds == count else f"{count} runs"


def _markets(sides: tuple[Side, ...], common: Sequence[str], days: Sequence[date]) -> tuple[Side, ...]:
    """Number the markets: the same prices on the common sessions, or without a common ticker the same source."""
    known: list[tuple[Any, int]] = []
    found = []
    for side in sides:
        mine = _closes(side.id, common, days) if common else (side.view.spec.source, side.view.spec.source_options)
        number = next((number for other, number in known if _same(mine, other)), len(known))
        known += [(mine, number)] if number == len(known) else []
        found.append(replace(side, market=number))
    return tuple(found)


def _closes(run: str, tickers: Sequence[str], days: Sequence[date]) -> np.ndarray:
    rows = runs.store().day_rows(run, None if len(tickers) > 1 else tickers[0], columns=["ticker", "day", "close"])
    rows = rows[rows["ticker"].isin(tickers) & rows["day"].isin(set(days))].sort_values(["ticker", "day"])
    return rows["close"].to_numpy(dtype=float)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.shape == other.shape and bool(np.allclose(one, other, rtol=SAME_PRICE, atol=0, equal_nan=True))
    return bool(one == other)


# ---------------------------------------------------------------------------------------------------------------------- notes


def _notes(sides: tuple[Side, ...], own: Sequence[list[date]], days: list[date], ticker: str, common: tuple[str, ...]) -> Iterable[str]:
    yield from _aligned(sides, own, days)
    yield from _different_tickers(sides, ticker, common)
    if len({side.market for side in sides}) > 1:
        by_market = "; ".join(_numbers(side for side in sides if side.market == number) for number in sorted({s.market for s in sides}))
        yield (
            f"Not all saw the same prices (alike: {by_market}). They are shown beside each other, but no test pairs their days: "
            "what they earned may be the market's doing."
        )
    if len({side.view.spec.execution for side in sides}) > 1:
        yield "Capital, costs or fills differ between them, and so may the figures for that reason alone; “Spec and prompts” says how."
    for side in sides:
        if side.view.state != "done":
            yield f"{side.number} is {side.view.state}, not finished: its sessions so far are compared."
        if side.grouped:
            yield _group(side)
    inside = [(one, group) for group in sides if group.grouped for one in sides if not one.grouped and _holds(group, one)]
    for one, group in inside:
        yield f"{one.number} is itself one of the runs of {group.number}, so the two are alike in part."
    if alone := [side for side in sides if side.single_seed]:
        yield (
            f"On a single seed: {_numbers(alone)}. How much of a difference is the doing of the seed "
            "cannot be told; repeat them with other seeds and compare the seed groups."
        )


def _holds(group: Side, one: Side) -> bool:
    return any(member.view.id == one.id for member in group.members)


def _numbers(sides: Iterable[Side]) -> str:
    return " ".join(side.number for side in sides)


def _aligned(sides: tuple[Side, ...], own: Sequence[list[date]], days: list[date]) -> Iterable[str]:
    if not days:
        spans = "; ".join(
            f"{side.number} {found[0]} to {found[-1]}" if found else f"{side.number} none" for side, found in zip(sides, own, strict=True)
        )
        yield f"They have no session in common: {spans}."
        return
    if all(len(found) == len(days) for found in own):
        return
    dropped = _together((side.number, _dropped(found, days)) for side, found in zip(sides, own, strict=True))
    yield f"The windows differ. Compared on the {len(days):,} sessions that all have, {days[0]} to {days[-1]}. Dropped: {dropped}."
    if early := [side for side, found in zip(sides, own, strict=True) if found[0] < days[0]]:
        yield (
            f"{_numbers(early)} began before {days[0]} and {'enters' if len(early) == 1 else 'enter'} the common window with what "
            f"{'it' if len(early) == 1 else 'they'} held and remembered by then."
        )


def _together(said: Iterable[tuple[str, str]]) -> str:
    """What is said of several at once: ``① ② 39 days; ③ nothing``."""
    of: dict[str, list[str]] = {}
    for number, words in said:
        of.setdefault(words, []).append(number)
    return "; ".join(f"{' '.join(numbers)} {words}" for words, numbers in of.items())


def _dropped(found: list[date], days: list[date]) -> str:
    kept = set(days)
    gone = [day for day in found if day not in kept]
    return f"{len(gone):,} of {len(found):,} days ({gone[0]} to {gone[-1]})" if gone else "nothing"


def _different_tickers(sides: tuple[Side, ...], ticker: str, common: tuple[str, ...]) -> Iterable[str]:
    if ticker != TOTAL or len({frozenset(side.view.spec.tickers) for side in sides}) == 1:
        return
    told = _together((side.number, _some(side.view.spec.tickers)) for side in sides)
    shared = f"Choose {_some(common)} to compare what all traded." if common else "They share none."
    yield f"They traded different tickers ({told}): whole accounts are compared, so a difference says as much about the stocks. {shared}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _group(side: Side) -> str:
    count, seeds = len(side.members), side.seeds
    if count == 1:
        return f"{side.number} is a seed group of one finished run: there is no band yet."
    told = f"{count} finished runs" + (f" of {len(seeds)} seeds" if len(seeds) > 1 else ", all with the same seed")
    return (
        f"{side.number} is a seed group of {told} ({', '.join(map(str, seeds[:8]))}{'…' * (len(seeds) > 8)}): figures are medians, the band spans "
        f"lowest to highest. Where one run is needed it is the one with the median return ({side.id}, seed {side.view.spec.seed})."
    )


# --------------------------------------------------------------------------------------------------------------------- equity


def curves(found: Comparison) -> pd.DataFrame:
    """day, item, value, low, high: every side rebased to 100 at the first common session. A run is its own band; a group has its median."""
    parts = []
    for side in found.runs:
        band = np.array([_rebased(member.frame["equity"]) for member in side.members])
        low, value, high = (band.min(axis=0), np.median(band, axis=0), band.max(axis=0)) if band.size else (band, band, band)
        parts.append(pd.DataFrame({"day": list(found.days), "item": side.item, "value": value, "low": low, "high": high}))
    return pd.concat(parts, ignore_index=True)


def _rebased(money: pd.Series) -> np.ndarray:
    values = money.to_numpy(dtype=float)
    return values / values[0] * 100 if len(values) and values[0] > 0 else np.full(len(values), np.nan)


@dataclass(frozen=True)
class Holding:
    """Buy and hold, rebased to 100, of the sides for which it is the same."""

    numbers: tuple[str, ...]
    values: np.ndarray = field(repr=False, compare=False)


def holdings(found: Comparison) -> tuple[Holding, ...]:
    """Buy and hold once for all sides for which it is the same line."""
    lines: list[Holding] = []
    for side in found.runs:
        mine = _rebased(side.frame["benchmark"])
        at = next((n for n, line in enumerate(lines) if np.allclose(mine, line.values, rtol=SAME_LINE, atol=0, equal_nan=True)), None)
        if at is None:
            lines.append(Holding((side.number,), mine))
        else:
            lines[at] = replace(lines[at], numbers=(*lines[at].numbers, side.number))
    return tuple(lines)
