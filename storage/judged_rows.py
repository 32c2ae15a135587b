"""What decisions were built on, counted by the database: memories shown, cited and credited, by layer, kind and publisher."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, Select, and_, cast, false, func, select

from storage import schema
from storage.run_store import RunStore

if TYPE_CHECKING:
    import pandas as pd

_days, _recalls, _memories, _events = schema.days.c, schema.recalls.c, schema.memories.c, schema.memory_events.c
_ORIGIN = (_memories.kind, _memories.publisher)


def shown(store: RunStore, run_id: str, ticker: str) -> pd.DataFrame:
    """day, layer, kind, publisher, shown, cited: memories put before the model on each test session, near misses left out."""
    of_memory = and_(_memories.run_key == _recalls.run_key, _memories.ticker == _recalls.ticker, _memories.id == _recalls.memory_id)
    by = (_days.day, _recalls.layer, *_ORIGIN)
    return _frame(
        store,
        run_id,
        lambda key: (
            select(*by, func.count().label("shown"), func.sum(cast(_recalls.cited, Integer)).label("cited"))
            .select_from(schema.days)
            .join(schema.recalls, _recalls.day_key == _days.key)
            .join(schema.memories, of_memory)
            .where(_days.run_key == key, _days.ticker == ticker, _days.phase == "test", _recalls.near_miss == false())
            .group_by(*by)
            .order_by(_days.day)
        ),
    )


def credited(store: RunStore, run_id: str, ticker: str) -> pd.DataFrame:
    """layer, kind, publisher, reason, credit (sum of the changes of importance), times: what judged decisions and studies gave back."""
    of_memory = and_(_memories.run_key == _events.run_key, _memories.ticker == _events.ticker, _memories.id == _events.memory_id)
    by = (_events.after_layer.label("layer"), *_ORIGIN, _events.reason)
    return _frame(
        store,
        run_id,
        lambda key: (
            select(*by, func.sum(_events.delta).label("credit"), func.count().label("times"))
            .select_from(schema.memory_events)
            .join(schema.memories, of_memory)
            .where(_events.run_key == key, _events.ticker == ticker, _events.kind == "credited")
            .group_by(_events.after_layer, *_ORIGIN, _events.reason)
        ),
    )


def _frame(store: RunStore, run_id: str, query: Callable[[int], Select[Any]]) -> pd.DataFrame:
    import pandas as pd  # only for those who ask for frames

    with store.look(run_id) as (connection, key):
        found = connection.execute(query(key))
        return pd.DataFrame([tuple(row) for row in found], columns=list(found.keys()))
