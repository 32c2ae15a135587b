"""FinMem's pickle in each of the shapes its scripts write, with numbers of our own."""

from __future__ import annotations

import pickle
from datetime import date
from pathlib import Path
from typing import Any

from agent.market.sessions import Calendar

DAYS = [s.day for s in Calendar().sessions(date(2022, 8, 1), date(2022, 12, 30))]
FILED = {"10-Q": date(2022, 10, 24), "10-K": date(2022, 11, 21)}


def price(i: int) -> dict[str, float]:
    """AMZN falls slowly, TSLA rises by 1 a day from 200."""
    return {"TSLA": 200.0 + i, "AMZN": 130.0 - i / 10}


def news(i: int) -> dict[str, list[str]]:
    """Two items of TSLA a day, none of AMZN."""
    return {"TSLA": [f"Factory {i} opens ahead of plan. Orders for its cars rise.", f"Recall number {i} is announced."], "AMZN": []}


def texts(day: date, form: str) -> dict[str, str]:
    return {"TSLA": f"{form} of {day}: revenue grew."} if day == FILED[form] else {}


def tuples(word: str) -> dict[date, Any]:
    """A tuple of four dictionaries a day; ``word`` is "filing" (data pipeline) or "filling" (sentiment script)."""
    return {
        day: ({"price": price(i)}, {"news": news(i)}, {f"{word}_q": texts(day, "10-Q")}, {f"{word}_k": texts(day, "10-K")})
        for i, day in enumerate(DAYS)
    }


def dictionaries() -> dict[date, Any]:
    """One dictionary a day, as the run script is given."""
    return {
        day: {"price": price(i), "filing_k": texts(day, "10-K"), "filing_q": texts(day, "10-Q"), "news": news(i)}
        for i, day in enumerate(DAYS)
    }


SHAPES = {
    "data pipeline": lambda: tuples("filing"),
    "sentiment script": lambda: tuples("filling"),
    "run script": dictionaries,
}


def write(path: Path, data: Any, *, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(data, protocol))
    return path
