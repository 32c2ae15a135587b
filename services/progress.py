"""A run while it runs: how far it is, at what pace, what it did last and what is being written at this moment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from services import runs
from storage.run_store import RunRow

_GROWING = re.compile(r"(?<![A-Za-z0-9.,+−-])[-+−]?\d[\d.,eE+-]*$|(?<=[\s:\[,(])[-+−.]+$")
PACE_DAYS = 30  # recorded days whose mean duration is the pace: pauses and restarts do not count, a slower model does


@dataclass(frozen=True)
class Progress:
    """One look at a run. ``asked`` is the wish its worker has not come round to yet."""

    state: str
    asked: str
    error: str
    done: int
    total: int
    pace_s: float | None
    eta_s: float | None
    silent_s: float | None
    ticker: str
    day: str

    @property
    def share(self) -> float:
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def active(self) -> bool:
        return self.state in runs.ACTIVE


def active() -> list[str]:
    """Ids of the runs that a worker is at, newest first."""
    return [row.id for row in runs.store().runs() if runs.state(row) in runs.ACTIVE]


def look(run_id: str, *, now: datetime | None = None) -> Progress:
    """How a run stands now; SpecError if there is none of that id."""
    row = runs.store().run(run_id)
    recent = (
        runs.store().day_rows(run_id, columns=["ticker", "day", "ms", "model_ms"], newest=PACE_DAYS)
        if row.sessions_done
        else pd.DataFrame()
    )
    pace = float((recent["ms"] + recent["model_ms"]).mean()) / 1000 if len(recent) else None
    state = runs.state(row)
    left = row.sessions_total - row.sessions_done
    at = live(run_id) if state == "running" else {}
    last = recent.iloc[-1] if len(recent) else None
    return Progress(
        state=state,
        asked=row.request,
        error=row.error,
        done=row.sessions_done,
        total=row.sessions_total,
        pace_s=pace,
        eta_s=pace * left if pace is not None and left > 0 else None,
        silent_s=_silent(row, now or datetime.now(UTC)),
        ticker=at.get("ticker") or (str(last["ticker"]) if last is not None else ""),
        day=at.get("day") or (str(last["day"]) if last is not None else ""),
    )


def _silent(row: RunRow, now: datetime) -> float | None:
    newest = max((moment for moment in (row.heartbeat_at, row.updated_at) if moment), default=None)
    return max(0.0, (now - newest).total_seconds()) if newest else None


def live(run_id: str) -> dict[str, Any]:
    """The answer being written: ticker, day, purpose, text, thinking; empty if there is none. A number shows once it is whole."""
    found = runs.store().live(run_id)
    return {key: settled(value) if key in ("text", "thinking") and isinstance(value, str) else value for key, value in found.items()}


def settled(words: str) -> str:
    """A growing text without the number at its end that may not be finished: 0.7 of what becomes 0.75 would be read as an answer."""
    return _GROWING.sub("", words)


def last_decisions(run_id: str, most: int = 5) -> pd.DataFrame:
    """The newest recorded days, newest first: day, ticker, phase, action, target_weight, confidence, provenance, abstained, summary, study_label."""
    wanted = ["day", "ticker", "phase", "action", "target_weight", "confidence", "provenance", "abstained", "summary", "study_label"]
    return runs.store().day_rows(run_id, columns=wanted, newest=most).iloc[::-1].reset_index(drop=True)
