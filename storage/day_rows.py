"""Narrow readings of the run store for the decision table and the trace of a day: sums and counts are made by the database.

Every function takes the open store first; frames are as everywhere in the store.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, false, func, select, true

from storage import schema
from storage.connect import reading
from storage.run_store import RunStore

if TYPE_CHECKING:
    import pandas as pd

_days, _recalls, _events = schema.days.c, schema.recalls.c, schema.memory_events.c


def credit_sums(store: RunStore, run_id: str, ticker: str) -> pd.DataFrame:
    """day, reason, credit (sum of the changes of importance), memories: one row per judgement that gave credit, by day."""
    return _frame(
        store,
        run_id,
        lambda key: (
            select(_events.day, _events.reason, func.sum(_events.delta).label("credit"), func.count().label("memories"))
            .where(_events.run_key == key, _events.ticker == ticker, _events.kind == "credited")
            .group_by(_events.day, _events.reason)
            .order_by(_events.day, _events.reason)
        ),
    )


def credit_events(store: RunStore, run_id: str, ticker: str, day: date) -> pd.DataFrame:
    """Every credit given in one session, in order: seq, day, memory_id, after_layer, importance, delta, reason."""
    columns = (_events.seq, _events.day, _events.memory_id, _events.after_layer, _events.importance, _events.delta, _events.reason)
    return _frame(
        store,
        run_id,
        lambda key: (
            select(*columns)
            .where(_events.run_key == key, _events.ticker == ticker, _events.day == day, _events.kind == "credited")
            .order_by(_events.seq)
        ),
    )


def cited_by_layer(store: RunStore, run_id: str, ticker: str) -> pd.DataFrame:
    """day, layer, cited: memories of a layer that were cited on a day; days and layers without a citation have no row."""
    return _frame(
        store,
        run_id,
        lambda key: (
            select(_days.day, _recalls.layer, func.count().label("cited"))
            .join(schema.recalls, _recalls.day_key == _days.key)
            .where(_days.run_key == key, _days.ticker == ticker, _recalls.cited == true(), _recalls.near_miss == false())
            .group_by(_days.day, _recalls.layer)
            .order_by(_days.day, _recalls.layer)
        ),
    )


def _frame(store: RunStore, run_id: str, query: Callable[[int], Select[Any]]) -> pd.DataFrame:
    import pandas as pd  # only for those who ask for frames

    with reading(store._engine) as connection:
        found = connection.execute(query(store._key(connection, run_id)))
        return pd.DataFrame([tuple(row) for row in found], columns=list(found.keys()))
