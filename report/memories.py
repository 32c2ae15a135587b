"""The memory of a run as a report carries it: one list to look through, and the texts and lives in blocks that open on a click."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from services import queries, runs

BLOCK = 80  # memories that are unpacked together: about 100 kB of text
LISTED = (
    *("id", "kind", "title", "born", "layer", "importance", "recency", "positive", "negative", "access_count", "recalled", "cited"),
    *("alive", "forgotten_on"),
)
ABOUT = ("text", "publisher", "document_id", "chunk", "sources", "event_time", "available_at", "known_at", "phase", "content_hash")
EVENT = ("day", "kind", "before_layer", "after_layer", "importance", "delta", "reason", "source")
RECALL = ("day", "layer", "rank", "similarity", "recency", "importance", "score", "near_miss", "cited")


def listed(run: str, ticker: str, frame: pd.DataFrame, only: set[int] | None) -> dict[str, Any]:
    """The list as columns and rows: the state after the last recorded session. ``only`` are the ids kept; None keeps all."""
    kept = frame if only is None or frame.empty else frame[frame["id"].isin(only)]
    return {"columns": list(LISTED), "rows": cells(kept, LISTED), "of": len(frame), "block": BLOCK}


def blocks(run: str, ticker: str, ids: list[int]) -> Iterator[dict[str, Any]]:
    """What each memory says, where it comes from, every event and every recall: ``BLOCK`` memories at a time, in the order of ``ids``."""
    if not ids:
        return
    store = runs.store()
    known = store.memory_rows(run, ticker).set_index("id", drop=False)
    events = _by_memory(store.event_rows(run, ticker), EVENT)
    recalls = _by_memory(store.recall_rows(run, ticker), RECALL)
    for start in range(0, len(ids), BLOCK):
        part = ids[start : start + BLOCK]
        about = dict(zip(part, cells(known.loc[part], ABOUT), strict=True))
        yield {
            "about": list(ABOUT),
            "event": list(EVENT),
            "recall": list(RECALL),
            "memories": {
                str(number): {"about": about[number], "events": events.get(number, []), "recalls": recalls.get(number, [])}
                for number in part
            },
        }


def _by_memory(frame: pd.DataFrame, columns: tuple[str, ...]) -> dict[int, list[list[Any]]]:
    found: dict[int, list[list[Any]]] = {}
    if frame.empty:
        return found
    for number, row in zip(frame["memory_id"], cells(frame, columns), strict=True):
        found.setdefault(int(number), []).append(row)
    return found


def cells(frame: pd.DataFrame, columns: tuple[str, ...]) -> list[list[Any]]:
    """Rows in the order of ``columns``; what is missing (NaN, NaT) is None."""
    if frame.empty:
        return []
    columns_of = [frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in columns]
    return [list(row) for row in zip(*columns_of, strict=True)]


def last_states(run: str, ticker: str) -> pd.DataFrame:
    """Every memory in its state after the last recorded session, as the memory page shows it."""
    days = queries.session_days(run, ticker)
    return queries.memories(run, ticker, days[-1]) if days else pd.DataFrame()
