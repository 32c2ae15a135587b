"""The tables of the run store, in SQLAlchemy Core.

A day's whole record is one compressed body in ``days``; whatever a list, a chart or a filter needs stands beside it as a real column,
so that no page has to open a body to draw a line. Everything hangs on ``runs`` by a foreign key with cascade: deleting a run row
leaves nothing. A change here needs a numbered function in ``storage/migrations.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class Utc(TypeDecorator[datetime]):
    """A moment, kept as ISO text in UTC with microseconds, so that it sorts as text and no database drops its zone."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


metadata = MetaData()


def _run_key(primary: bool = False) -> Column[int]:
    return Column("run_key", Integer, ForeignKey("runs.key", ondelete="CASCADE"), primary_key=primary, nullable=False)


def _day_key() -> Column[int]:
    return Column("day_key", Integer, ForeignKey("days.key", ondelete="CASCADE"), primary_key=True)


migrations = Table(
    "migrations",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String(120), nullable=False),
    Column("applied_at", Utc, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("run_id", String(80), nullable=False, unique=True),
    Column("name", String(120), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Column("status", String(12), nullable=False, default="queued"),
    Column("error", Text, nullable=False, default=""),
    Column("request", String(8), nullable=False, default=""),
    Column("pid", Integer),
    Column("host", String(255), nullable=False, default=""),
    Column("heartbeat_at", Utc),
    Column("started_at", Utc),
    Column("finished_at", Utc),
    Column("sessions_total", Integer, nullable=False, default=0),
    Column("sessions_done", Integer, nullable=False, default=0),
    Column("fingerprint", String(64), nullable=False),
    Column("source", String(60), nullable=False),
    Column("strategy", String(60), nullable=False),
    Column("backend", String(60), nullable=False),
    Column("preset", String(60), nullable=False),
    Column("tickers", Text, nullable=False),
    Column("test_start", Date, nullable=False),
    Column("test_end", Date, nullable=False),
    Column("provenance", Text, nullable=False, default="{}"),
    Column("summary", Text, nullable=False, default="{}"),
    Column("spec", LargeBinary, nullable=False),
    sqlite_autoincrement=True,  # a deleted run's key must never name another run's rows
)

days = Table(
    "days",
    metadata,
    Column("key", Integer, primary_key=True),
    _run_key(),
    Column("ticker", String(32), nullable=False),
    Column("day", Date, nullable=False),
    Column("index", Integer, nullable=False),
    Column("phase", String(5), nullable=False),
    # the market
    Column("cutoff", Utc, nullable=False),
    Column("watermark", Utc),
    Column("open", Float),
    Column("high", Float),
    Column("low", Float),
    Column("close", Float),
    Column("volume", Float),
    Column("dividend", Float, nullable=False),
    Column("split", Float, nullable=False),
    Column("news", Integer, nullable=False),
    Column("filings", Integer, nullable=False),
    # the decision
    Column("action", String(4)),
    Column("target_weight", Float),
    Column("weight", Float, nullable=False),
    Column("confidence", Float),
    Column("horizon_sessions", Integer),
    Column("expected_direction", String(4)),
    Column("provenance", String(10)),
    Column("abstained", Text),
    Column("character", String(20)),
    Column("clipped_by", Text, nullable=False),
    Column("flags", Text, nullable=False),
    Column("summary", Text),
    Column("study_label", String(4)),
    Column("study_move", Float),
    # the memory
    Column("recalled_count", Integer, nullable=False),
    Column("cited_count", Integer, nullable=False),
    Column("event_count", Integer, nullable=False),
    Column("live", Text, nullable=False),
    # the model
    Column("calls", Integer, nullable=False),
    Column("model", Text),
    Column("prompt_tokens", Integer, nullable=False),
    Column("answer_tokens", Integer, nullable=False),
    Column("model_ms", Float, nullable=False),
    Column("ms", Float, nullable=False),
    Column("way", Text),
    Column("left_out", Integer, nullable=False, server_default="0"),
    Column("cut", Integer, nullable=False, server_default="0"),
    Column("cached", Integer, nullable=False, server_default="0"),
    Column("helper_calls", Integer, nullable=False, server_default="0"),
    # the money
    Column("cash", Float, nullable=False),
    Column("shares", Float, nullable=False),
    Column("equity", Float, nullable=False),
    Column("benchmark_equity", Float, nullable=False),
    Column("order_weight", Float),
    Column("order_wished", Float),
    Column("order_status", String(9)),
    Column("order_reason", Text),
    Column("settled_day", Date),
    Column("settled_status", String(9)),
    Column("settled_reason", Text),
    Column("fill_count", Integer, nullable=False),
    Column("fill_shares", Float),
    Column("fill_price", Float),
    Column("commission", Float, nullable=False),
    Column("slippage", Float, nullable=False),
    Column("realised", Float),
    Column("warnings", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("run_key", "ticker", "index", name="days_in_order"),
    UniqueConstraint("run_key", "ticker", "day", name="days_once"),
)

recalls = Table(
    "recalls",
    metadata,
    _day_key(),
    Column("position", Integer, primary_key=True),
    _run_key(),
    Column("ticker", String(32), nullable=False),
    Column("memory_id", Integer, nullable=False),
    Column("layer", String(32), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("similarity", Float, nullable=False),
    Column("recency", Float, nullable=False),
    Column("importance", Float, nullable=False),
    Column("score", Float, nullable=False),
    Column("near_miss", Boolean, nullable=False),
    Column("cited", Boolean, nullable=False),
    Index("recalls_of_memory", "run_key", "ticker", "memory_id"),
    sqlite_with_rowid=False,
)

memories = Table(
    "memories",
    metadata,
    _run_key(primary=True),
    Column("ticker", String(32), primary_key=True),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(24), nullable=False),
    Column("title", Text, nullable=False),
    Column("publisher", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("chunk", Integer, nullable=False),
    Column("sources", Text, nullable=False),
    Column("content_hash", String(128), nullable=False),
    Column("event_time", Utc, nullable=False),
    Column("available_at", Utc, nullable=False),
    Column("known_at", Utc, nullable=False),
    Column("born", Date, nullable=False),
    Column("phase", String(5), nullable=False),
    Column("embedding_model", Text, nullable=False),
    Column("born_index", Integer, nullable=False),
    Column("rest", Text, nullable=False),  # JSON of the fields without a column of their own
    # the state after the newest event
    Column("layer", String(32), nullable=False),
    Column("importance", Float, nullable=False),
    Column("importance_as_of", Float, nullable=False),
    Column("recency_anchor", Float, nullable=False),
    Column("access_count", Integer, nullable=False),
    Column("positive", Integer, nullable=False),
    Column("negative", Integer, nullable=False),
    Column("blocked", Boolean, nullable=False),
    Column("alive", Boolean, nullable=False),
    Column("changed_on", Date, nullable=False),
    Column("state", Text, nullable=False),  # JSON of the whole state
    Column("text", Text, nullable=False),
)

# apart from ``memories``: a list of memories must not have to step over 1.5 kB of numbers per row
vectors = Table(
    "vectors",
    metadata,
    _run_key(primary=True),
    Column("ticker", String(32), primary_key=True),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("vector", LargeBinary, nullable=False),
)

memory_events = Table(
    "memory_events",
    metadata,
    _run_key(primary=True),
    Column("ticker", String(32), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("day", Date, nullable=False),
    Column("at", Utc, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("memory_id", Integer, nullable=False),
    Column("before_layer", String(32)),
    Column("after_layer", String(32), nullable=False),
    Column("importance", Float, nullable=False),
    Column("delta", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("state", Text, nullable=False),
    Index("events_of_memory", "run_key", "ticker", "memory_id"),
    Index("events_of_day", "run_key", "ticker", "day"),
    sqlite_with_rowid=False,
)

fills = Table(
    "fills",
    metadata,
    _day_key(),
    Column("position", Integer, primary_key=True),
    Column("shares", Float, nullable=False),
    Column("price", Float, nullable=False),
    Column("reference", Float, nullable=False),
    Column("commission", Float, nullable=False),
    Column("slippage", Float, nullable=False),
    Column("realised", Float),
    Column("cause", String(12), nullable=False),
    Column("note", Text, nullable=False),
)

outcomes = Table(
    "outcomes",
    metadata,
    _day_key(),
    Column("position", Integer, primary_key=True),
    Column("decided", Date, nullable=False),
    Column("direction", Integer, nullable=False),
    Column("entry", Float, nullable=False),
    Column("exit", Float, nullable=False),
    Column("sessions", Integer, nullable=False),
    Column("move", Float, nullable=False),
    Column("verdict", Integer, nullable=False),
)

# what the vector index has not been told yet; written with the day, cleared once the index has it
outbox = Table(
    "outbox",
    metadata,
    Column("key", Integer, primary_key=True),
    _run_key(),
    Column("ticker", String(32), nullable=False),
    Column("memory_id", Integer, nullable=False),
    Column("op", String(8), nullable=False),
    Index("outbox_of_run", "run_key", "key"),
    sqlite_autoincrement=True,  # keys only grow, so that "everything up to key n" is a safe thing to clear
)

# what people wrote beside a run, a day (ticker and day) or a memory (ticker and memory); no part of what the run did
annotated = Table(  # not "annotations": that name is taken by the import above
    "annotations",
    metadata,
    Column("key", Integer, primary_key=True),
    _run_key(),
    Column("kind", String(8), nullable=False),
    Column("ticker", String(32), nullable=False, server_default=""),
    Column("day", Date),
    Column("memory_id", Integer),
    Column("text", Text, nullable=False, server_default=""),
    Column("at", Utc, nullable=False),
    Column("edited_at", Utc),
    Index("annotations_of_run", "run_key", "ticker"),
    sqlite_autoincrement=True,  # a deleted note's key must never name another note
)

# every configuration that was tried (``storage/trials.py``): on purpose without a foreign key, since it outlives its run
trials = Table(
    "trials",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("market_key", String(64), nullable=False),
    Column("group_key", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False, unique=True),
    Column("run_id", String(80), nullable=False),
    Column("strategy", String(60), nullable=False),
    Column("label", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("n", Integer, nullable=False),
    Column("sharpe_daily", Float),
    Column("by_person", Boolean, nullable=False),
    Column("days", LargeBinary, nullable=False),
    Column("returns", LargeBinary, nullable=False),
    Index("trials_of_market", "market_key"),
    sqlite_autoincrement=True,
)

# runs that were asked for together: which run each member becomes is fixed before any of them starts, so that a kill leaves no second one
batches = Table(
    "batches",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("batch_id", String(80), nullable=False, unique=True),
    Column("name", String(120), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Column("status", String(12), nullable=False),
    Column("request", String(8), nullable=False, server_default=""),
    Column("pid", Integer),
    Column("host", String(255), nullable=False, server_default=""),
    Column("heartbeat_at", Utc),
    Column("started_at", Utc),
    Column("finished_at", Utc),
    Column("error", Text, nullable=False, server_default=""),
    Column("asked", LargeBinary, nullable=False),  # what the person asked for, as it was expanded
    sqlite_autoincrement=True,
)

batch_members = Table(  # the run itself may not exist yet, or no more: no foreign key to it
    "batch_members",
    metadata,
    Column("batch_key", Integer, ForeignKey("batches.key", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("run_id", String(80), nullable=False, unique=True),
    Column("labels", Text, nullable=False),  # JSON: model, tickers, character, preset, prompts, seed, group
    Column("begun_at", Utc),
    Column("deaths", Integer, nullable=False, server_default="0"),  # of its worker in a row, without a day between
    Column("deaths_at", Integer, nullable=False, server_default="0"),  # days recorded at the last of them
    Column("spec", LargeBinary, nullable=False),
)
