"""Records to table rows and back: pure, no database.

The body of a day is its JSON, compressed; the columns beside it are read off the same record here and nowhere else.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
import zstandard
from sqlalchemy import RowMapping, Table

from agent.errors import SpecError
from agent.records import DayRecord, Decision, Fill, Memory, MemoryEvent, MemoryState, ModelCall, Outcome, Recall, Record
from agent.spec import RunSpec
from storage import schema

Row = dict[str, Any]
_ZSTD_LEVEL = 3  # measured: 20 kB of record become 5.8 kB, and the commit is no slower than uncompressed
_tools = threading.local()  # zstd contexts are not for two threads at once, and making one costs more than using it


def _shared(record: type[Record], table: Table, *, but: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Fields of ``record`` that have a column; a field added to a record later lives in the body until it is given one."""
    return tuple(name for name in record.model_fields if name in table.c and name not in but)


_RECALL, _FILL = _shared(Recall, schema.recalls), _shared(Fill, schema.fills)
_OUTCOME, _STATE = _shared(Outcome, schema.outcomes), _shared(MemoryState, schema.memories)
_MEMORY = _shared(Memory, schema.memories, but=("sources",))


def _columns(record: Record, names: tuple[str, ...]) -> Row:
    return {name: getattr(record, name) for name in names}


def pack(text: str) -> bytes:
    if not hasattr(_tools, "compress"):
        _tools.compress = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress
    return _tools.compress(text.encode())


def unpack(body: bytes) -> str:
    if not hasattr(_tools, "decompress"):
        _tools.decompress = zstandard.ZstdDecompressor().decompress
    return _tools.decompress(body).decode()


def to_json(data: Mapping[str, Any], *, field: str) -> str:
    """Plain JSON, keys in their order: the first of several names of a company is the one a mask puts back. Anything without a JSON
    form, NaN and infinity included, is a SpecError that names ``field``."""
    try:
        return json.dumps(data, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{field} cannot be stored as JSON: {error}; use plain values, and null for 'not defined'", field=field) from None


def run_row(spec: RunSpec, run_id: str, provenance: Mapping[str, Any], now: datetime) -> Row:
    return {
        "run_id": run_id,
        "name": spec.name,
        "created_at": now,
        "updated_at": now,
        "fingerprint": spec.fingerprint(),
        "source": spec.source,
        "strategy": spec.strategy,
        "backend": spec.backend,
        "preset": spec.preset,
        "tickers": ",".join(spec.tickers),
        "test_start": spec.test.start,
        "test_end": spec.test.end,
        "provenance": to_json(provenance, field="provenance"),
        "spec": pack(spec.model_dump_json()),
    }


def day_row(record: DayRecord, run_key: int) -> Row:
    return {
        "run_key": run_key,
        "ticker": record.ticker,
        "day": record.day,
        "index": record.index,
        "phase": record.phase,
        **_market_columns(record),
        **_decision_columns(record),
        **_thought_columns(record),
        **_order_columns(record),
        **_fill_columns(record.fills),
        "cash": record.portfolio.cash,
        "shares": record.portfolio.shares,
        "equity": record.equity,
        "benchmark_equity": record.benchmark_equity,
        "ms": record.ms,
        "warnings": len(record.warnings) + len(record.thought.warnings),
        "body": pack(record.model_dump_json()),
    }


def _market_columns(record: DayRecord) -> Row:
    seen, bar = record.observation, record.observation.bar
    return {
        "cutoff": seen.cutoff,
        "watermark": seen.watermark,
        "open": bar and bar.open,
        "high": bar and bar.high,
        "low": bar and bar.low,
        "close": bar and bar.close,
        "volume": bar and bar.volume,
        "dividend": seen.dividend,
        "split": seen.split,
        "news": len(seen.news),
        "filings": len(seen.filings),
        "weight": seen.weight,
    }


def _decision_columns(record: DayRecord) -> Row:
    decision, study = record.thought.decision, record.thought.study
    return {
        "action": decision and decision.action,
        "target_weight": decision and decision.target_weight,
        "confidence": decision and decision.confidence,
        "horizon_sessions": decision and decision.horizon_sessions,
        "expected_direction": decision and decision.expected_direction,
        "provenance": decision and decision.provenance,
        "abstained": decision and decision.abstained,
        "character": decision and decision.character,
        "clipped_by": ",".join(decision.clipped_by) if decision else "",
        "flags": ",".join(decision.flags) if decision else "",
        "summary": decision.summary if decision else study and study.summary,
        "study_label": study and study.label,
        "study_move": study and study.move,
    }


def _thought_columns(record: DayRecord) -> Row:
    thought = record.thought
    answers = [call.completion for call in thought.calls if call.completion]
    return {
        "recalled_count": sum(not recall.near_miss for recall in thought.recalls),
        "cited_count": len(cited(record)),
        "event_count": len(thought.memory_events),
        "live": json.dumps(thought.live),
        "calls": len(thought.calls),
        "prompt_tokens": sum(answer.prompt_tokens or 0 for answer in answers),
        "answer_tokens": sum(answer.answer_tokens or 0 for answer in answers),
        "model_ms": sum(call.ms for call in thought.calls),
        "left_out": len(thought.left_out),
        "cut": sum(call.cut_to is not None for call in thought.calls),
        "cached": sum(answer.cached for answer in answers),
        **_asked_columns(thought.calls),
    }


def _asked_columns(calls: tuple[ModelCall, ...]) -> Row:
    """Which model the day's decision or study came from, in which way, and how many of its calls another model answered.

    On a day that neither decides nor studies nothing tells the helper from the decision model.
    """
    main = next((call.completion for call in reversed(calls) if call.purpose in ("decide", "study") and call.completion), None)
    if main is None:
        return {"model": None, "way": None, "helper_calls": 0}
    side = [call.completion for call in calls if call.purpose in ("digest", "lessons") and call.completion]
    others = sum((answer.backend, answer.model) != (main.backend, main.model) for answer in side)
    return {"model": main.model, "way": main.way or None, "helper_calls": others}


def _order_columns(record: DayRecord) -> Row:
    order, settled = record.order, record.settled
    return {
        "order_weight": order and order.weight,
        "order_wished": order and order.wished,
        "order_status": order and order.status,
        "order_reason": order and order.reason,
        "settled_day": settled and settled.day,
        "settled_status": settled and settled.status,
        "settled_reason": settled and settled.reason,
    }


def _fill_columns(fills: tuple[Fill, ...]) -> Row:
    """Net shares and the price averaged by shares traded; None on a day without a fill."""
    traded = sum(abs(fill.shares) for fill in fills)
    realised = [fill.realised for fill in fills if fill.realised is not None]
    return {
        "fill_count": len(fills),
        "fill_shares": sum(fill.shares for fill in fills) if fills else None,
        "fill_price": sum(abs(fill.shares) * fill.price for fill in fills) / traded if traded else None,
        "commission": sum(fill.commission for fill in fills),
        "slippage": sum(fill.slippage for fill in fills),
        "realised": sum(realised) if realised else None,
    }


def cited(record: DayRecord) -> set[int]:
    """Ids of the memories that the day's decision, or its study while training, rests on."""
    study = record.thought.study
    return _decided_on(record.thought.decision) | (set(study.supporting) | set(study.opposing) if study else set())


def _decided_on(decision: Decision | None) -> set[int]:
    return {id for layer in decision.cited.values() for id in layer} if decision else set()


def recall_rows(record: DayRecord, run_key: int, day_key: int) -> list[Row]:
    """What the day ranked. Cited is what its decision rests on: a study looks back at what was ranked the session before."""
    named, of_day = _decided_on(record.thought.decision), {"day_key": day_key, "run_key": run_key, "ticker": record.ticker}
    return [
        {**_columns(recall, _RECALL), **of_day, "position": position, "cited": recall.memory_id in named}
        for position, recall in enumerate(record.thought.recalls)
    ]


def fill_rows(record: DayRecord, day_key: int) -> list[Row]:
    return [{**_columns(fill, _FILL), "day_key": day_key, "position": n} for n, fill in enumerate(record.fills)]


def outcome_rows(record: DayRecord, day_key: int) -> list[Row]:
    return [{**_columns(outcome, _OUTCOME), "day_key": day_key, "position": n} for n, outcome in enumerate(record.outcomes)]


def event_rows(record: DayRecord, run_key: int, first_seq: int) -> list[Row]:
    return [
        {
            "run_key": run_key,
            "ticker": record.ticker,
            "seq": seq,
            "day": event.day,
            "at": event.at,
            "kind": event.kind,
            "memory_id": event.memory_id,
            "before_layer": event.before_layer,
            "after_layer": event.after.layer,
            "importance": event.after.importance,
            "delta": event.delta,
            "reason": event.reason,
            "source": event.source,
            "state": event.after.model_dump_json(),
        }
        for seq, event in enumerate(record.thought.memory_events, start=first_seq)
    ]


def memory_row(memory: Memory, run_key: int) -> Row:
    rest = memory.model_dump_json(exclude={*_MEMORY, "sources"})
    return {**_columns(memory, _MEMORY), "run_key": run_key, "sources": json.dumps(memory.sources), "rest": rest}


def state_row(event: MemoryEvent) -> Row:
    """The columns of a memory that say how it is after ``event``."""
    return state_columns(event.after, kind=event.kind, day=event.day)


def state_columns(after: MemoryState, *, kind: str, day: date) -> Row:
    """The same, of the state after an event of this kind and day."""
    return {**_columns(after, _STATE), "state": after.model_dump_json(), "alive": kind != "forgotten", "changed_on": day}


STATE_COLUMNS = ("state", "alive", "changed_on", *_STATE)


def memory_of(row: RowMapping) -> tuple[Memory, MemoryState, bool]:
    """The memory with all sources merged into it so far, its newest state, and whether it is alive."""
    rest = json.loads(row["rest"])
    memory = Memory.model_validate({**{name: row[name] for name in _MEMORY}, **rest, "sources": tuple(json.loads(row["sources"]))})
    return memory, MemoryState.model_validate_json(row["state"]), row["alive"]


def vector_blob(vector: Any, *, memory_id: int) -> bytes:
    array = np.asarray(vector, dtype="<f4")
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise SpecError(f"The vector of memory {memory_id} must be one row of finite numbers, not shape {array.shape}.", field="vectors")
    return array.tobytes()


def matrix_of(blobs: Iterable[bytes]) -> np.ndarray:
    """float32 matrix, one row per vector, in the order given; shape (0, 0) for none."""
    rows = list(blobs)
    if not rows:
        return np.zeros((0, 0), np.float32)
    return np.frombuffer(b"".join(rows), dtype="<f4").astype(np.float32, copy=True).reshape(len(rows), -1)
