"""What the market cache costs, as ratios measured in one run: ``python -m bench.market``.

100 tickers x 5 years of daily bars with splits, dividends and news lie in the cache. The yardstick is reading the same Parquet files
alone, with the library that wrote them, into frames. Each side runs in processes of its own, in turn, so that a busy machine slows
both and neither sees the other's memory; imports and the exchange calendar are paid before the clock starts. Time is the processor's.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from pydantic import BaseModel

from agent.market import tables
from agent.market.sessions import Calendar
from agent.market.sources.base import Fetched, Listing, whole
from agent.market.view import Market
from storage.market_cache import CachedSource

START, END = date(2020, 1, 2), date(2024, 12, 31)
NOW = datetime(2025, 6, 2, 12, 0, tzinfo=UTC)
HELD = ("splits", "dividends", "bars", "news")


class Made:
    """A network source whose rows come from a random walk; asked once, to fill the cache."""

    class Options(BaseModel): ...

    provides, note, network = frozenset(HELD), "", True

    def __init__(self, days: list[date], news: int) -> None:
        self.days, self.news, self.options = days, news, Made.Options()

    def listings(self) -> list[Listing]:
        return []

    def listing(self, symbol: str) -> Listing:
        return Listing(symbol, f"{symbol} Incorporated")

    def fingerprint(self) -> str:
        return ""

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        frame = getattr(self, f"_{table}")(symbol, np.random.default_rng(int(symbol[1:])))
        return Fetched(tables.conform(table, frame)[0], whole(start, end))

    def _bars(self, symbol: str, chance: np.random.Generator) -> pd.DataFrame:
        close = 100 * np.exp(np.cumsum(chance.normal(0.0003, 0.015, len(self.days))))
        start = close * np.exp(chance.normal(0, 0.004, len(close)))
        high, low = np.maximum(close, start) * 1.005, np.minimum(close, start) * 0.995
        volume = chance.integers(1_000_000, 9_000_000, len(close))
        days = pd.to_datetime(pd.Series(self.days))
        return pd.DataFrame({"symbol": symbol, "date": days, "open": start, "high": high, "low": low, "close": close, "volume": volume})

    def _splits(self, symbol: str, chance: np.random.Generator) -> pd.DataFrame:
        return pd.DataFrame({"symbol": [symbol], "ex_date": [str(self.days[len(self.days) // 2])], "ratio": [2.0]})

    def _dividends(self, symbol: str, chance: np.random.Generator) -> pd.DataFrame:
        return pd.DataFrame({"symbol": symbol, "ex_date": [str(day) for day in self.days[30::63]], "amount": 0.25})

    def _news(self, symbol: str, chance: np.random.Generator) -> pd.DataFrame:
        times = pd.to_datetime(pd.Series(chance.choice(self.days, self.news)), utc=True) + pd.to_timedelta(
            chance.integers(1, 86_000, self.news), unit="s"
        )
        words = np.array(["sales", "grew", "the", "margin", "of", "quarter", "fell", "and", "court", "analysts", "raised", "outlook"])
        text = [" ".join(chance.choice(words, 30)) for _ in range(self.news)]
        rows = {"symbol": symbol, "id": [f"{symbol}-{n}" for n in range(self.news)], "published_at": times, "title": [t[:60] for t in text]}
        return pd.DataFrame(rows).assign(summary=text, publisher="Wire", url="https://news.example/item")


def symbols(count: int) -> list[str]:
    return [f"T{number:03d}" for number in range(count)]


def cache(folder: Path, *, news: int = 0, offline: bool = True) -> CachedSource:
    days = [session.day for session in Calendar().sessions(START, END)]
    return CachedSource(Made(days, news), name="made", folder=folder, offline=offline, now=lambda: NOW)


def fill(folder: Path, tickers: int, news: int) -> None:
    source = cache(folder, news=news, offline=False)
    for symbol in symbols(tickers):
        source.listing(symbol)
        for table in HELD:
            source.fetch(table, symbol, START - timedelta(days=400), END + timedelta(days=1))


def parquet_alone(folder: Path, tickers: int) -> Any:
    return [pq.read_table(path, use_threads=False).to_pandas() for path in sorted(folder.glob("made/*/*.parquet"))]


def through_the_cache(folder: Path, tickers: int) -> Any:
    source = cache(folder)
    begin = START - timedelta(days=400)
    return [source.fetch(table, symbol, begin, END + timedelta(days=1)) for symbol in symbols(tickers) for table in HELD]


def first_view(folder: Path, tickers: int) -> Any:
    calendar = Calendar()
    market = Market.load(cache(folder), symbols(tickers), start=START, end=END, calendar=calendar)
    view = market.view(calendar.session(START).close_at)
    assert len([view.bars(symbol, 20) for symbol in symbols(tickers)]) == tickers
    return market


SIDES: dict[str, Callable[[Path, int], Any]] = {
    "read the Parquet files alone": parquet_alone,
    "every table through the cache": through_the_cache,
    "Market.load to the first as-of view": first_view,
}


def measured(name: str, folder: Path, tickers: int) -> dict[str, float]:
    """In this process: seconds of the processor, and MiB more than before at the end and at the peak."""
    Calendar().last_closed(NOW)
    warm = folder / f"warm-{time.time_ns()}.parquet"
    pd.DataFrame({"a": [1]}).to_parquet(warm)
    pq.read_table(warm).to_pandas()
    before = _now_mib()
    begun = time.process_time()
    kept = SIDES[name](folder, tickers)
    took = time.process_time() - begun
    found = {"seconds": took, "mib": _now_mib() - before, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before}
    assert kept is not None
    return found


def _now_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def apart(name: str, folder: Path, tickers: int) -> dict[str, float]:
    """``measured`` in a process of its own."""
    command = [sys.executable, "-m", "bench.market", "--measure", name, "--folder", str(folder), "--tickers", str(tickers)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def profile(folder: Path, tickers: int) -> None:
    """Where Market.load spends its time: the functions with the most time of their own."""
    Calendar()
    watch = cProfile.Profile()
    watch.runcall(first_view, folder, tickers)
    out = io.StringIO()
    pstats.Stats(watch, stream=out).sort_stats("tottime").print_stats(18)
    print("\n".join(line[-130:] for line in out.getvalue().splitlines() if line.strip()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tickers", type=int, default=100)
    parser.add_argument("--news", type=int, default=500, help="items per ticker")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="say where Market.load spends its time instead")
    parser.add_argument("--measure", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measured(args.measure, args.folder, args.tickers)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder, args.tickers, args.news)
        size = sum(path.stat().st_size for path in folder.rglob("*.parquet")) / 2**20
        print(f"{args.tickers} tickers, {START} to {END}, {args.news} news items each: {size:.1f} MiB of Parquet")
        if args.profile:
            profile(folder, args.tickers)
            return
        found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
        for _ in range(args.repeat):
            for side in SIDES:
                found[side].append(apart(side, folder, args.tickers))
    medians = {
        side: {key: statistics.median(each[key] for each in values) for key in ("seconds", "mib", "peak")} for side, values in found.items()
    }
    unit = medians["read the Parquet files alone"]
    print(f"{'':<38}{'time':>10}{'ratio':>8}{'memory':>12}{'ratio':>8}{'peak':>12}{'ratio':>8}")
    for side, it in medians.items():
        cells = f"{it['seconds']:>8.2f} s{it['seconds'] / unit['seconds']:>7.1f}x"
        cells += f"{it['mib']:>8.0f} MiB{it['mib'] / unit['mib']:>7.1f}x{it['peak']:>8.0f} MiB{it['peak'] / unit['peak']:>7.1f}x"
        print(f"{side:<38}{cells}")


if __name__ == "__main__":
    main()
