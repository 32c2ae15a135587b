"""Time until idle of every page on a finished run, as a multiple of an empty page; the real app in a real chromium.

    python bench/dashboard.py                 # makes a run of 250 test days in a temporary folder first (offline, about a minute)
    python bench/dashboard.py --home var      # the newest run of your own library

Each page is opened cold (a new browser context, so nothing is cached) --repeat times; medians, pages in turn.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.driver import Tab, browsing, serving

FLAGS = [
    "--source",
    "demo",
    "--tickers",
    "DMAUR",
    "--train",
    "2021-10-01:2021-12-31",
    "--test",
    "2022-01-03:2022-12-30",
    "--embedder",
    "hashing",
]


def newest(home: Path) -> tuple[str, str, str]:
    """Run, ticker and a day in the middle of its test."""
    os.environ["RECOLLECT_HOME"] = str(home)
    from services import queries, runs

    row = next(row for row in runs.store().runs() if row.status == "done")
    days = queries.session_days(row.id, row.tickers[0])
    return row.id, row.tickers[0], str(days[len(days) * 2 // 3])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = args.home or Path(scratch) / "home"
        if args.home is None:
            env = {**os.environ, "RECOLLECT_HOME": str(home)}
            subprocess.run([sys.executable, "cli.py", "run", *FLAGS], cwd=ROOT, env=env, check=True, stderr=subprocess.DEVNULL)
        run, ticker, day = newest(home.absolute())
        query = f"?run={run}&ticker={ticker}&day={day}"
        paths = {
            "empty page": "/monitor?run=r00000000",
            "Runs": "/",
            "New run": "/new_run",
            "Monitor": f"/monitor{query}",
            "Overview": f"/overview{query}",
            "Days, table": f"/days?run={run}&ticker={ticker}",
            "Days, one trace": f"/days{query}",
            "Memory": f"/memory{query}",
        }
        measured: dict[str, list[float]] = {name: [] for name in paths}
        with serving(home.absolute(), RECOLLECT_DEMO_ON_START="false") as url, browsing() as browser:
            for turn in range(args.repeat + 1):
                for name, path in paths.items():
                    tab = Tab(browser)
                    took = tab.open(url + path)
                    if turn:  # the first visit pays for the server's imports
                        measured[name].append(took)
                    tab.close()
    base = statistics.median(measured["empty page"])
    print(f"{'page':<18} x empty   (medians of {args.repeat} cold visits; empty page {base:.0f} ms)")
    for name, values in measured.items():
        print(f"{name:<18} {statistics.median(values) / base:>7.1f}")


if __name__ == "__main__":
    main()
