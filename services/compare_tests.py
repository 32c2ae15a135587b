"""Is the difference real? Paired tests of two sides day by day, and one joint test where there are more than two.

Promise: days are paired only where both saw the same prices; otherwise there is a sentence instead of a number. Testing all pairs of many
runs would find a winner among equals, so with more than two the joint test comes first, and pairs are looked at one at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agent.evaluation import seeds, significance
from agent.evaluation.metrics import returns
from agent.evaluation.seeds import Hierarchical
from agent.evaluation.significance import ConfidenceSet, Test
from services import disagreements
from services.compare import Comparison, Side
from services.queries import TOTAL

DRAWS = 10_000


@dataclass(frozen=True)
class Paired:
    """The tests of one side (A) against another (B). ``why``: why there are none. ``remarks``: what to know before reading them."""

    one: Side
    other: Side
    tests: tuple[Test, ...]
    remarks: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True)
class Joint:
    """One test of all sides whose days can be paired with the baseline's. ``names``: item to title. ``left_out``: those that cannot."""

    found: ConfidenceSet
    left_out: tuple[str, ...]


def paired(found: Comparison, one: str, other: str, *, finmem: bool = False, draws: int = DRAWS) -> Paired:
    """The side ``one`` against ``other``; ``finmem`` adds FinMem's own test, with what is wrong with it. Tenths of a second."""
    mine, rival = found.side(one), found.side(other)
    why = found.unpaired(mine, rival)
    a, b = _returns(mine), _returns(rival)
    if not why and len(a) != len(b):
        why = "One of the two lost everything: from then on there are no returns to pair."
    if why:
        return Paired(mine, rival, (), (), why)
    tests = significance.paired_tests(a, b, sign=_signs(found, mine, rival), finmem=finmem, draws=draws)
    return Paired(mine, rival, tests, tuple(_remarks(found, mine, rival)))


def _returns(side: Side) -> np.ndarray:
    return returns(side.frame["equity"].to_numpy()) if len(side.frame) else np.empty(0)


def _signs(found: Comparison, one: Side, other: Side) -> tuple[int, int] | None:
    """Disagreements that paid for the one and for the other; None without a ticker that both trade."""
    if found.ticker == TOTAL and not set(one.view.spec.tickers) & set(other.view.spec.tickers):
        return None
    return disagreements.wins(one.id, other.id, found.ticker, days=found.days)


def _remarks(found: Comparison, one: Side, other: Side) -> list[str]:
    said = []
    for side in (one, other):
        if side.grouped and len(side.members) > 1:
            said.append(
                f"{side.number} is a seed group; its run with the median return (seed {side.view.spec.seed}) is tested. The tests know nothing of "
                f"how far its {len(side.members)} runs lie apart, which the band in the chart shows."
            )
    if found.ticker == TOTAL and set(one.view.spec.tickers) != set(other.view.spec.tickers):
        said.append("They traded different tickers: a difference may be that of the stocks.")
    if one.view.spec.execution != other.view.spec.execution:
        said.append("They traded under different costs, capital or fills: a difference may be that of the rules.")
    return said


def joint(found: Comparison, base: str, *, draws: int = 2_000) -> Joint | None:
    """Which of the sides cannot be ruled out as the best (model confidence set, 90 %); None with fewer than three that can be paired."""
    rival = found.side(base)
    curves = {side.item: _returns(side) for side in found.runs if side is rival or not found.unpaired(side, rival)}
    curves = {item: values for item, values in curves.items() if len(values) == len(found.days) - 1}
    if len(curves) < 3:
        return None
    left_out = tuple(side.number for side in found.runs if side.item not in curves)
    return Joint(significance.model_confidence_set(curves, draws=draws), left_out)


def over_seeds(found: Comparison, group: Side, *, draws: int = 2_000) -> Hierarchical | None:
    """The Sharpe of a seed group's median run less that of buy and hold, seeds and days both redrawn; None with a single run."""
    if len(group.members) < 2 or len(found.days) < 3:
        return None
    each = [returns(member.frame["equity"].to_numpy()) for member in group.members]
    rival = returns(group.frame["benchmark"].to_numpy())
    if any(len(values) != len(rival) for values in each):
        return None
    return seeds.hierarchical_bootstrap(np.array(each).T, rival, draws=draws)
