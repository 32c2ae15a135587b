"""Does memory pay on the demo market? The real engine, bank and rules backend over several seeds of the market; nothing is stored.

    python bench/demo_edge.py --seeds 20

Five arms trade each market: the agent with its memory; with a week's memory (five sessions back and no notes of its own, which would carry
older things on from day to day); with a memory of one session; without memory; and buy and hold. Per seed: return over the test year after
costs, and whether the days of that one market can tell neighbouring arms apart. Over seeds: a sign test and Wilcoxon's test on the
differences, one per market, because markets are independent of each other and days of one market are not what the claim is about. The
first seed is the shipped one, the others are 1001, 1002, ...
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from agent.engine import trade
from agent.evaluation.metrics import returns
from agent.evaluation.significance import sharpe_difference, sign_test, wilcoxon_daily
from agent.memory.layers import preset
from agent.spec import RunSpec
from services.wiring import wire

TICKERS = ["DMAUR", "DMCEL"]
SAME = 1e-12  # returns nearer than this are a tie
ARMS = {  # best first, as the market was planted
    "memory": {},
    "week": {"span": 5, "strategy_options": {"reflect": False}},
    "session": {"span": 1},
    "none": {"strategy_options": {"recall": "none"}},
    "hold": {"strategy": "hold"},
}
WORDS = {
    "memory": "the whole memory",
    "week": "a week's memory",
    "session": "one session's memory",
    "none": "no memory",
    "hold": "buy and hold",
}


@dataclass(frozen=True)
class Result:
    """One arm on one market: its return, its daily returns, the number of fills, and how many memories it was ever shown."""

    total: float
    daily: np.ndarray
    fills: int
    shown: int


def spec(seed: int | None, arm: str, embedder: str, tickers: list[str]) -> RunSpec:
    chosen = dict(ARMS[arm])
    memory = preset("default").model_copy(update={"span_sessions": chosen.pop("span", None), "embedder": embedder})
    return RunSpec.read(
        {
            "source": "demo",
            "source_options": {} if seed is None else {"seed": seed},
            "tickers": tickers,
            "train": {"start": "2021-10-01", "end": "2021-12-31"},
            "test": {"start": "2022-01-03", "end": "2022-12-30"},
            "memory": memory.model_dump(),
            **chosen,
        }
    )


def traded(asked: RunSpec) -> Result:
    """One run to its end."""
    wired = wire(asked)
    money: dict[object, float] = {}
    fills = shown = 0
    for record in trade(wired.market, asked, strategies=wired.strategies, calendar=wired.calendar):
        if record.phase == "test":
            money[record.day] = money.get(record.day, 0.0) + record.equity
            fills += len(record.fills)
            shown += sum(not recall.near_miss for recall in record.thought.recalls)
    curve = np.array(list(money.values()))
    return Result(float(curve[-1] / asked.execution.cash - 1), returns(curve), fills, shown)


def measured(seed: int | None, embedder: str, tickers: list[str]) -> dict[str, Result]:
    found = {arm: traded(spec(seed, arm, embedder, tickers)) for arm in ARMS}
    assert found["none"].shown == 0, "without memory no memory may be shown"
    assert found["memory"].shown > 0
    return found


# -------------------------------------------------------------------------------------------------------------------- what it says


def line(name: str, found: dict[str, Result], seconds: float) -> str:
    """Returns of all arms, how they are ordered, p of each neighbouring pair from the days of this one market, and what they alone can say."""
    cells = " ".join(f"{item.total:>8.1%}" for item in found.values())
    tests = {
        (a, b): None if _alike(found[a], found[b]) else sharpe_difference(found[a].daily, found[b].daily, draws=2_000)
        for a, b in pairwise(ARMS)
    }
    odds = " ".join("  same" if test is None else "   n/a" if test.p is None else f"{test.p:>6.3f}" for test in tests.values())
    sure = [
        f"{a} > {b}" if (test.effect or 0) > 0 else f"{b} > {a}" for (a, b), test in tests.items() if test is not None and test.significant
    ]
    fills = "/".join(str(item.fills) for item in found.values())
    return f"{name:>8} {cells}   {order(found):<38} {odds}   {', '.join(sure) or 'nothing':<16} {fills:<18} {seconds:>4.0f}"


def _alike(one: Result, two: Result) -> bool:
    return bool(np.allclose(one.daily, two.daily, rtol=0, atol=SAME))


def order(found: dict[str, Result]) -> str:
    """The arms by return, best first: ``memory > week = none > hold``."""
    ranked = sorted(found, key=lambda arm: -found[arm].total)
    signs = ["=" if abs(found[a].total - found[b].total) <= SAME else ">" for a, b in pairwise(ranked)]
    return ranked[0] + "".join(f" {sign} {arm}" for sign, arm in zip(signs, ranked[1:], strict=True))


def compare(a: str, b: str, all_: list[dict[str, Result]], *, pairs: int) -> str:
    """What the seeds say about A against B, and what may be claimed when so many ``pairs`` are looked at."""
    one, two = (np.array([found[arm].total for found in all_]) for arm in (a, b))
    gap = one - two
    wins, losses = int((gap > SAME).sum()), int((gap < -SAME).sum())
    ties = len(gap) - wins - losses
    told = sum(_told(found[a], found[b]) for found in all_)
    sign, rank = sign_test(wins, losses), wilcoxon_daily(one, two)
    p = [test.p for test in (sign, rank) if test.p is not None]
    numbers = f"better on {wins}, equal on {ties}, worse on {losses} of {len(gap)}; median difference {100 * float(np.median(gap)):+.1f} pp"
    tests = f"sign test {_p(sign.p)}, Wilcoxon {_p(rank.p)}; told apart by the days of a single market on {told} of {len(gap)}"
    return f"{WORDS[a]} against {WORDS[b]}: {numbers}; {tests}.\n    {_claim(a, b, (wins, ties, losses), p, level=0.05 / pairs)}"


def _told(one: Result, two: Result) -> bool:
    test = sharpe_difference(one.daily, two.daily, draws=2_000)
    return test.p is not None and test.p < 0.05 and (test.effect or 0.0) > 0


def _claim(a: str, b: str, counts: tuple[int, int, int], p: list[float], *, level: float) -> str:
    wins, ties, losses = counts
    if not wins + losses:
        return "They traded alike on every market: nothing can be claimed but that."
    better, worse = (a, b) if wins > losses else (b, a)
    if len(p) == 2 and max(p) < level:
        return f"Can be claimed of this kind of market: {WORDS[better]} earns more than {WORDS[worse]}. Not claimed: anything about real markets."
    if wins + losses < 6:
        return f"Cannot be claimed: they differ on {wins + losses} markets only, and {ties} are ties."
    if len(p) == 2 and max(p) < 0.05:
        return f"Cannot be claimed: below 5 % alone, but not below {level:.2%}, which is 5 % shared among all pairs looked at."
    return "Cannot be claimed: the two tests do not both exclude chance at 5 %."


def _p(p: float | None) -> str:
    return "n/a" if p is None else "p < 0.0001" if p < 1e-4 else f"p = {p:.4f}"


def summary(all_: list[dict[str, Result]]) -> str:
    """Whether the planted order holds, and on how many seeds."""
    names = list(ARMS)
    strict = {
        short: sum(_ordered(found, ["memory", short, "none", "hold"], strict=True) for found in all_) for short in ("week", "session")
    }
    loose = {
        short: sum(_ordered(found, ["memory", short, "none", "hold"], strict=False) for found in all_) for short in ("week", "session")
    }
    medians = ", ".join(f"{arm} {float(np.median([found[arm].total for found in all_])):+.1%}" for arm in names)
    rows = [f"median return: {medians}"]
    for short in strict:
        rows.append(f"memory > {short} > none > hold on {strict[short]} of {len(all_)} seeds; with ties counted as kept on {loose[short]}")
    pairs = [*pairwise(names), ("memory", "none"), ("memory", "hold"), ("week", "none"), ("week", "hold")]
    return "\n".join([*rows, "", *(compare(a, b, all_, pairs=len(pairs)) for a, b in pairs)])


def _ordered(found: dict[str, Result], arms: list[str], *, strict: bool) -> bool:
    gaps = [found[a].total - found[b].total for a, b in pairwise(arms)]
    return all(gap > SAME if strict else gap >= -SAME for gap in gaps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="0 is the shipped seed, n > 0 is seed 1000 + n")
    parser.add_argument("--embedder", default="hashing")
    parser.add_argument("--tickers", default=",".join(TICKERS))
    parser.add_argument("--keep", type=Path, help="Keep each seed's results in this file of JSON lines, and go on from it.")
    args = parser.parse_args()
    kept = _kept(args.keep)
    print(
        f"{'seed':>8} "
        + " ".join(f"{arm:>8}" for arm in ARMS)
        + f"   {'order':<38} {'p of neighbours, by days':<27}   {'the days can say':<16} {'fills':<18} seconds"
    )
    found = []
    for number in range(args.first, args.first + args.seeds):
        began, name = time.perf_counter(), str(1000 + number) if number else "shipped"
        arms = kept.get(name) or measured(None if number == 0 else 1000 + number, args.embedder, args.tickers.split(","))
        found.append(arms)
        if args.keep and name not in kept:
            _keep(args.keep, name, arms)
        print(line(name, arms, time.perf_counter() - began), flush=True)
    print("\n" + summary(found))


def _kept(path: Path | None) -> dict[str, dict[str, Result]]:
    rows = [json.loads(row) for row in path.read_text().splitlines()] if path and path.exists() else []
    return {row["seed"]: {arm: Result(**{**item, "daily": np.array(item["daily"])}) for arm, item in row["arms"].items()} for row in rows}


def _keep(path: Path, name: str, arms: dict[str, Result]) -> None:
    plain = {
        arm: {"total": item.total, "daily": item.daily.tolist(), "fills": item.fills, "shown": item.shown} for arm, item in arms.items()
    }
    with path.open("a") as file:
        file.write(json.dumps({"seed": name, "arms": plain}) + "\n")


if __name__ == "__main__":
    main()
