"""Narrow readings of the run store for the decision table and the trace of a day: sums and counts are made by the database.

Every function takes the open store first; frames are as everywhere in the store.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, false, func, select, true

from storage import schema
from storage.run_store import RunStore

if TYPE_CHECKING:
    import pandas as pd

JUDGEMENT = ("move", "verdict", "entry", "exit", "sessions")
_days, _recalls, _events, _outcomes = schema.days.c, schema.recalls.c, schema.memory_events.c, schema.outcomes.c


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

    def query(key: int) -> Select[Any]:
        here = (_events.run_key == key, _events.ticker == ticker)
        # two steps, since SQLite uses the index of days only where it alone holds the answer, and else walks through all events
        of_day = select(_events.seq).where(*here, _events.day == day)
        return select(*columns).where(*here, _events.seq.in_(of_day), _events.kind == "credited").order_by(_events.seq)

    return _frame(store, run_id, query)


def after(store: RunStore, run_id: str, ticker: str, decided: date) -> dict[str, Any]:
    """What became of the decision of a day, in the keys of ``services.queries.fate``: its order's end, its judgement, the next session."""
    found: dict[str, Any] = {}
    with store.look(run_id) as (connection, key):
        here = (_days.run_key == key, _days.ticker == ticker)
        ended = select(_days.day, _days.settled_status, _days.settled_reason, _days.fill_price, _days.fill_shares)
        if row := connection.execute(ended.where(*here, _days.settled_day == decided).order_by(_days.day)).first():
            found |= {"settled": row.day, "status": row.settled_status, "reason": row.settled_reason or ""}
            found |= {"price": row.fill_price, "shares": row.fill_shares} if row.settled_status == "filled" else {}
        judged = select(_days.day, *(_outcomes[name] for name in JUDGEMENT)).join(schema.outcomes, _outcomes.day_key == _days.key)
        if row := connection.execute(judged.where(*here, _outcomes.decided == decided).order_by(_days.day)).first():
            found |= {"judged": row.day, **{name: getattr(row, name) for name in JUDGEMENT}}
        two = select(_days.day, _days.close, _days.split).where(*here, _days.day >= decided).order_by(_days.day).limit(2)
        sessions = connection.execute(two).all()
    if len(sessions) == 2 and sessions[0].day == decided:
        close, later = sessions
        known = close.close is not None and later.close is not None
        found |= {"next_day": later.day, "next_return": later.close * later.split / close.close - 1 if known else None}
    return found


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

    with store.look(run_id) as (connection, key):
        found = connection.execute(query(key))
        return pd.DataFrame([tuple(row) for row in found], columns=list(found.keys()))
