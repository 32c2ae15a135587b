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


def listed(run: str, ticker: str, only: set[int] | None) -> dict[str, Any]:
    """The list as columns and rows, in the state after the last recorded session. ``only`` are the ids kept; None keeps all."""
    days = queries.session_days(run, ticker)
    frame = queries.memories(run, ticker, days[-1]) if days else pd.DataFrame()
    kept = frame if only is None or frame.empty else frame[frame["id"].isin(only)]
    return {"columns": list(LISTED), "rows": cells(kept, LISTED), "of": len(frame), "block": BLOCK}


def blocks(run: str, ticker: str, ids: list[int]) -> Iterator[dict[str, Any]]:
    """What each memory says, where it comes from, every event and every recall: ``BLOCK`` memories at a time, in the order of ``ids``."""
    if not ids:
        return
    store = runs.store()
    events = _by_memory(store.event_rows(run, ticker, columns=("memory_id", *EVENT)), EVENT, set(ids))
    recalls = _by_memory(store.recall_rows(run, ticker, columns=("memory_id", *RECALL[1:])), RECALL, set(ids))
    for start in range(0, len(ids), BLOCK):
        part = ids[start : start + BLOCK]
        about = about_rows(run, ticker, part)
        found = {
            str(number): {"about": about[number], "events": events.get(number, []), "recalls": recalls.get(number, [])} for number in part
        }
        yield {"about": list(ABOUT), "event": list(EVENT), "recall": list(RECALL), "memories": found}


def about_rows(run: str, ticker: str, ids: list[int]) -> dict[int, list[Any]]:
    """By id, the values of ``ABOUT``."""
    frame = runs.store().memory_rows(run, ticker, ids=ids, columns=("id", *ABOUT))
    return dict(zip((int(number) for number in frame["id"]), cells(frame, ABOUT), strict=True))


def _by_memory(frame: pd.DataFrame, columns: tuple[str, ...], ids: set[int]) -> dict[int, list[list[Any]]]:
    found: dict[int, list[list[Any]]] = {}
    frame = frame[frame["memory_id"].isin(ids)] if len(frame) else frame
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
