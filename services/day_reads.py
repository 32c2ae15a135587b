"""What the Days page needs beside ``services.queries``: credit by decision, cited layers by day, the memories of one day.

Nothing here opens the body of a day: columns of ``memory_events``, ``recalls`` and ``memories`` say it all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Any

import pandas as pd

from agent.records import Memory
from services import runs
from storage import day_rows

# agent/strategies/memory_agent.py writes "buy of 2025-03-31: +1.20% in 5 sessions" and "study of 2025-03-31: +1.20%"
_REASON = re.compile(r"(\w+) of (\d{4}-\d{2}-\d{2}):")
CREDITS = ["day", "credit", "memories", "credited_on"]


def decided(reason: str) -> tuple[str, date] | None:
    """What a credit came from: the action (or ``study``) and the session it was decided on (or that was studied)."""
    found = _REASON.match(reason)
    return (found[1], date.fromisoformat(found[2])) if found else None


def credits(run_id: str, ticker: str) -> pd.DataFrame:
    """Credit by the day whose decision earned it: day, credit (sum of the changes of importance), memories, credited_on.

    A decision's credit arrives when it is judged, sessions later; a training day's study credits on the day itself.
    """
    rows = []
    for row in day_rows.credit_sums(runs.store(), run_id, ticker).to_dict("records"):
        if (cause := decided(row["reason"])) is not None:
            mine = row["day"] if cause[0] == "study" else cause[1]
            rows.append({"day": mine, "credit": row["credit"], "memories": row["memories"], "credited_on": row["day"]})
    return pd.DataFrame(rows, columns=CREDITS)


def credited(run_id: str, ticker: str, day: date, *, judged: date | None) -> pd.DataFrame:
    """The credit events that came back for the decision of ``day``, in order; for a study, those of the study made on it.

    ``judged``: the session in which the decision was judged, as ``services.queries.fate`` says; None for a study. Columns: seq, day,
    memory_id, after_layer, importance (0..100, after it), delta, reason.
    """
    events = day_rows.credit_events(runs.store(), run_id, ticker, judged or day)
    causes = [decided(reason) for reason in events["reason"]]
    mine = [cause is not None and (cause[0] == "study" if judged is None else cause[0] != "study" and cause[1] == day) for cause in causes]
    return events[pd.Series(mine, index=events.index, dtype=bool)].reset_index(drop=True)


def cited_layers(run_id: str, ticker: str) -> pd.DataFrame:
    """day, layer, cited: how many memories of each layer the decision of a day cited; days without a citation have no row."""
    return day_rows.cited_by_layer(runs.store(), run_id, ticker)


def fate(run_id: str, ticker: str, day: date) -> dict[str, Any]:
    """As ``services.queries.fate``, from the few rows that tell it: what became of the decision of a day, as far as the run goes."""
    return day_rows.after(runs.store(), run_id, ticker, day)


def memories(run_id: str, ticker: str, ids: Iterable[int]) -> dict[int, Memory]:
    """The memories with these ids; those not stored are left out."""
    return {memory.id: memory for memory, _, _ in runs.store().memories_of(run_id, ticker, ids)}
