"""Answers of language models, kept by what was asked: a run that repeats a question need not ask it again.

The file may be deleted at any time; an answer that cannot be read counts as never given. Several processes may share it.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import zstandard
from pydantic import ValidationError

from agent.records import Completion, Record
from storage.disposable_file import DisposableFile

_TABLE = """CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, kept_at TEXT NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID"""


class Size(Record):
    """How much a cache holds."""

    answers: int
    bytes: int
    models: dict[str, int]


class AnswerCache:
    """The ``agent.llm.cached.Answers`` of a machine. Every method raises Unavailable, with the cure, where the file cannot be used."""

    def __init__(self, path: Path | str) -> None:
        self._file = DisposableFile(path, tables=(_TABLE,), what="The answer cache")

    def find(self, key: str) -> Completion | None:
        """The answer kept under ``key``, word for word."""
        query = "SELECT body FROM answers WHERE key = ?"
        found = self._file.attempt(lambda connection: connection.execute(query, (key,)).fetchone())
        return _read(found[0]) if found else None

    def keep(self, key: str, completion: Completion) -> None:
        """Keep an answer. One that is there stays, so that a question has one answer; one that cannot be read is replaced."""
        body = zstandard.ZstdCompressor(level=3).compress(completion.model_dump_json().encode("utf-8", "surrogatepass"))
        row = (key, completion.model, datetime.now(UTC).isoformat(), body)

        def put(connection: sqlite3.Connection) -> None:
            with connection:
                known = connection.execute("SELECT body FROM answers WHERE key = ?", (key,)).fetchone()
                if known is None or _read(known[0]) is None:
                    connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", row)

        self._file.attempt(put)

    def size(self) -> Size:
        """Answers, bytes of their bodies, and answers per model."""

        def look(connection: sqlite3.Connection) -> Size:
            rows = connection.execute("SELECT model, count(*), sum(length(body)) FROM answers GROUP BY model ORDER BY model").fetchall()
            return Size(
                answers=sum(count for _, count, _ in rows),
                bytes=sum(size or 0 for *_, size in rows),
                models={model: count for model, count, _ in rows},
            )

        return self._file.attempt(look)

    def clear(self, model: str = "") -> int:
        """Forget all answers, or those of one model; returns how many."""
        where, values = ("WHERE model = ?", (model,)) if model else ("", ())

        def drop(connection: sqlite3.Connection) -> int:
            with connection:
                return connection.execute(f"DELETE FROM answers {where}", values).rowcount

        return self._file.attempt(drop)

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        self._file.close()


def _read(body: bytes) -> Completion | None:
    try:
        return Completion.model_validate_json(zstandard.ZstdDecompressor().decompress(body))
    except (zstandard.ZstdError, ValidationError, TypeError):
        return None
