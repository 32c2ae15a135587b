"""The memories of a ticker on a flat map, and what of it was there on a day.

The axes are fitted once over all vectors of the ticker, later ones and forgotten ones too: only so does a memory keep its place while the
day moves. Which memories are drawn, how large, and how they are marked is as of the day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from agent.memory.projection import fit
from services import runs

MOST = 1000  # points; beyond that a browser answers slowly and nobody tells them apart


@dataclass(frozen=True)
class Places:
    """``frame``: id, x, y. ``explained``: share of the variance along x and y, 0..1."""

    frame: pd.DataFrame
    explained: tuple[float, float]


def places(run_id: str, ticker: str) -> Places:
    """Where every memory of the ticker lies."""
    ids, vectors = runs.store().vectors(run_id, ticker)
    if not len(ids):
        return Places(pd.DataFrame({"id": [], "x": [], "y": []}), (0.0, 0.0))
    fitted = fit(vectors)
    at = fitted.place(vectors)
    return Places(pd.DataFrame({"id": ids, "x": at[:, 0], "y": at[:, 1]}), fitted.explained)


def asked(run_id: str, ticker: str, day: date) -> dict[int, str]:
    """What the session's question brought up: id -> "cited", "recalled" or "just missed"."""
    rows = runs.store().recall_rows(run_id, ticker, day=day, columns=("memory_id", "near_miss", "cited"))
    words = {(False, True): "cited", (False, False): "recalled"}
    return {int(row.memory_id): words.get((bool(row.near_miss), bool(row.cited)), "just missed") for row in rows.itertuples()}


def drawn(where: pd.DataFrame, memories: pd.DataFrame, marks: dict[int, str], *, most: int = MOST) -> pd.DataFrame:
    """The memories of a day with their places and marks; of more than ``most`` a fixed sample.

    ``memories``: as ``services.queries.memories`` gives them (id, layer, alive, importance and more). What the day recalled is always among
    them, then the live ones, then forgotten ones; who of a group is left out follows from the ids alone, so that nothing flickers as the
    day moves. Adds x, y and mark ("" for none).
    """
    if memories.empty or where.empty:
        return memories.iloc[:0].assign(x=[], y=[], mark=[])
    frame = memories.merge(where, on="id", how="inner")
    frame["mark"] = frame["id"].map(marks).fillna("")
    if len(frame) <= most:
        return frame
    rank = np.where(frame["mark"] != "", 0, np.where(frame["alive"], 1, 2))
    scattered = (frame["id"].to_numpy(np.uint64) * np.uint64(2654435761)) % np.uint64(2**32)  # Knuth's multiplicative hash
    kept = np.sort(np.lexsort((scattered, rank))[:most])
    return frame.iloc[kept].reset_index(drop=True)
