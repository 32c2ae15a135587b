"""Does memory pay on the demo market? The real engine, bank and rules backend over several seeds; nothing is stored.

    python bench/demo_edge.py --seeds 11 --embedder hashing

Per seed: return over the test years after costs of the agent with its memory, of the same agent whose recall is cut to one session,
and of buy and hold. The first line is the shipped seed; the others are 1001, 1002, ...
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from agent.engine import trade
from agent.memory.layers import preset
from agent.spec import RunSpec
from services.wiring import wire

TICKERS = ["DMAUR", "DMBRS", "DMCEL", "DMDUN"]


def spec(seed: int | None, span: int | None, embedder: str, tickers: list[str]) -> RunSpec:
    memory = preset("default").model_copy(update={"span_sessions": span, "embedder": embedder})
    return RunSpec.read(
        {
            "source": "demo",
            "source_options": {} if seed is None else {"seed": seed},
            "tickers": tickers,
            "train": {"start": "2021-07-01", "end": "2021-12-31"},
            "test": {"start": "2022-01-03", "end": "2023-12-29"},
            "memory": memory.model_dump(),
        }
    )


def returns(asked: RunSpec) -> tuple[float, float, int]:
    """Total return of the run and of its benchmark, and the number of fills."""
    wired = wire(asked)
    last, fills = {}, 0
    for record in trade(wired.market, asked, strategies=wired.strategies, calendar=wired.calendar):
        last[record.ticker] = record
        fills += len(record.fills)
    start = asked.execution.cash
    return sum(r.equity for r in last.values()) / start - 1, sum(r.benchmark_equity for r in last.values()) / start - 1, fills


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="0 is the shipped seed, n > 0 is seed 1000 + n")
    parser.add_argument("--embedder", default="hashing")
    parser.add_argument("--tickers", default=",".join(TICKERS))
    parser.add_argument("--spans", default="all,1", help="memory spans in sessions")
    args = parser.parse_args()
    spans = [None if s == "all" else int(s) for s in args.spans.split(",")]
    better = {span: 0 for span in spans}
    print(f"{'seed':>8} {'hold':>8} " + " ".join(f"{'memory ' + str(s or 'all'):>11} {'fills':>5}" for s in spans) + "   seconds")
    for number in range(args.first, args.first + args.seeds):
        began, cells, hold = time.perf_counter(), [], 0.0
        for span in spans:
            mine, hold, fills = returns(spec(None if number == 0 else 1000 + number, span, args.embedder, args.tickers.split(",")))
            better[span] += mine > hold
            cells.append(f"{mine:>11.1%} {fills:>5}")
        print(
            f"{1000 + number if number else 'shipped':>8} {hold:>8.1%} " + " ".join(cells) + f"   {time.perf_counter() - began:.0f}",
            flush=True,
        )
    print("better than buy and hold: " + ", ".join(f"memory {s or 'all'} on {n} of {args.seeds}" for s, n in better.items()))


if __name__ == "__main__":
    main()
