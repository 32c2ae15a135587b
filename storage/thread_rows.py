"""Narrow readings of the run store for the causal thread: by memory, by source text, by day. Nothing here loads a whole run.

Every function takes the open store first. Frames are as everywhere in the store: days are dates, absent numbers NaN.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, func, or_, select

from agent.records import Decision
from storage import rows, schema
from storage.run_store import RunStore

if TYPE_CHECKING:
    import pandas as pd

_PART = 500  # ids in one statement: databases limit the number of parameters
_DECISION = '"thought":{"decision":'  # a quote inside a JSON text is escaped, so this can only be the field itself

_days, _recalls, _memories, _events = schema.days.c, schema.recalls.c, schema.memories.c, schema.memory_events.c
_HEAD = [
    _memories[name]
    for name in ("id", "kind", "title", "publisher", "document_id", "chunk", "sources", "born", "layer", "alive", "changed_on", "phase")
]


def memories_of_source(store: RunStore, run_id: str, ticker: str, source: str) -> list[int]:
    """Ids of the memories that carry the words of one source item or document, merged ones included, ascending."""
    if not source.strip():
        return []
    told = _memories.sources.contains(json.dumps(source), autoescape=True)

    def query(key: int) -> Select[Any]:
        chosen = select(_memories.id, _memories.document_id, _memories.sources)
        return chosen.where(_memories.run_key == key, _memories.ticker == ticker, or_(_memories.document_id == source, told))

    found = _read(store, run_id, query)
    return sorted(row.id for row in found if row.document_id == source or source in json.loads(row.sources))


def memories_of_documents(store: RunStore, run_id: str, ticker: str, documents: Iterable[str]) -> dict[str, int]:
    """Document id to the (first) memory made of it, for those that became one."""
    wanted, found = sorted(set(documents)), dict[str, int]()
    for part in _parts(wanted):
        for row in _read(store, run_id, lambda key, part=part: _of_documents(key, ticker, part)):  # type: ignore[misc]
            found.setdefault(row.document_id, row.id)
    return found


def _of_documents(key: int, ticker: str, documents: list[str]) -> Select[Any]:
    chosen = select(_memories.document_id, _memories.id).order_by(_memories.id)
    return chosen.where(_memories.run_key == key, _memories.ticker == ticker, _memories.document_id.in_(documents))


def heads(store: RunStore, run_id: str, ticker: str, ids: Iterable[int]) -> pd.DataFrame:
    """What a list says of memories, by id: title (the text's beginning where there is none), kind, source, layer, whether alive."""
    columns = [*_HEAD, func.substr(_memories.text, 1, 90).label("opening")]
    found = _frames(
        store,
        run_id,
        ids,
        lambda key, part: select(*columns).where(_memories.run_key == key, _memories.ticker == ticker, _memories.id.in_(part)),
    )
    found["title"] = [title or opening for title, opening in zip(found["title"], found["opening"])]
    return found.drop(columns="opening").sort_values("id").reset_index(drop=True)


def recalls_of(store: RunStore, run_id: str, ticker: str, ids: Iterable[int]) -> pd.DataFrame:
    """Every recall and near miss of these memories, by day and rank, each with the day it was on."""
    own = [column for column in _recalls if column.name not in ("day_key", "position", "run_key", "ticker")]

    def query(key: int, part: list[int]) -> Select[Any]:
        chosen = select(_days.day, *own).join(schema.recalls, _recalls.day_key == _days.key)
        return chosen.where(_recalls.run_key == key, _recalls.ticker == ticker, _recalls.memory_id.in_(part))

    return _frames(store, run_id, ids, query).sort_values(["day", "layer", "rank"]).reset_index(drop=True)


def events_of(store: RunStore, run_id: str, ticker: str, ids: Iterable[int]) -> pd.DataFrame:
    """Every event of these memories in order."""
    own = [column for column in _events if column.name not in ("run_key", "ticker")]

    def query(key: int, part: list[int]) -> Select[Any]:
        return select(*own).where(_events.run_key == key, _events.ticker == ticker, _events.memory_id.in_(part))

    return _frames(store, run_id, ids, query).sort_values("seq").reset_index(drop=True)


def decisions(store: RunStore, run_id: str, ticker: str, days: Iterable[date]) -> dict[date, Decision]:
    """The decisions of these days; days without one are left out. Only the decision is parsed out of each day's body."""
    found: dict[date, Decision] = {}
    for part in _parts(sorted(set(days))):
        for row in _read(store, run_id, lambda key, part=part: _bodies(key, ticker, part)):  # type: ignore[misc]
            decision = _decision(rows.unpack(row.body))
            if decision is not None:
                found[row.day] = decision
    return found


def _bodies(key: int, ticker: str, days: list[date]) -> Select[Any]:
    return select(_days.day, _days.body).where(_days.run_key == key, _days.ticker == ticker, _days.day.in_(days))


def _decision(body: str) -> Decision | None:
    at = body.find(_DECISION)
    value = json.JSONDecoder().raw_decode(body, at + len(_DECISION))[0] if at >= 0 else json.loads(body)["thought"].get("decision")
    return None if value is None else Decision.model_validate(value)


def citations(store: RunStore, run_id: str, ticker: str, *, limit: int = 1000) -> pd.DataFrame:
    """memory_id and on how many test days a decision named it, most often first."""
    times = func.count().label("cited")

    def query(key: int) -> Select[Any]:
        chosen = select(_recalls.memory_id, times).join(schema.days, _recalls.day_key == _days.key)
        chosen = chosen.where(_recalls.run_key == key, _recalls.ticker == ticker, _recalls.cited.is_(True), _days.phase == "test")
        return chosen.group_by(_recalls.memory_id).order_by(times.desc(), _recalls.memory_id).limit(limit)

    return _frame(store, run_id, query)


def credits_of_all(store: RunStore, run_id: str, ticker: str, *, limit: int = 1000) -> pd.DataFrame:
    """memory_id, how often it was credited or blamed, the sum of what came back and of its sizes; the largest first."""
    size = func.sum(func.abs(_events.delta)).label("size")

    def query(key: int) -> Select[Any]:
        chosen = select(_events.memory_id, func.count().label("times"), func.sum(_events.delta).label("credit"), size)
        chosen = chosen.where(_events.run_key == key, _events.ticker == ticker, _events.kind == "credited")
        return chosen.group_by(_events.memory_id).order_by(size.desc(), _events.memory_id).limit(limit)

    return _frame(store, run_id, query)


# ------------------------------------------------------------------------------------------------------------------- helpers


def _parts(wanted: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(wanted), _PART):
        yield wanted[start : start + _PART]


def _read(store: RunStore, run_id: str, query: Callable[[int], Select[Any]]) -> list[Any]:
    with store.look(run_id) as (connection, key):
        return list(connection.execute(query(key)).all())


def _frame(store: RunStore, run_id: str, query: Callable[[int], Select[Any]]) -> pd.DataFrame:
    from storage.frames import frame  # pandas only for those who ask for frames

    with store.look(run_id) as (connection, key):
        chosen = query(key)
        return frame(chosen, connection.execute(chosen).all())


def _frames(store: RunStore, run_id: str, ids: Iterable[int], query: Callable[[int, list[int]], Select[Any]]) -> pd.DataFrame:
    """The rows of all ``ids``, asked for in parts; no ids give a frame without rows but with its columns."""
    from storage.frames import frame

    found: list[Any] = []
    with store.look(run_id) as (connection, key):
        for part in _parts(sorted({int(one) for one in ids})):
            found += connection.execute(query(key, part)).all()
        return frame(query(key, []), found)


__all__ = [
    "citations",
    "credits_of_all",
    "decisions",
    "events_of",
    "heads",
    "memories_of_documents",
    "memories_of_source",
    "recalls_of",
]
