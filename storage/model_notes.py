"""What was learnt about models, kept between runs: abilities found by a probe, characters per token.

The ``agent.llm.base.Notes`` of a machine, in one small file that all processes share. Everything in it can be found out again by asking
the models, so the file may be deleted at any time, and a damaged one (or a damaged note) counts as nothing known.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.disposable_file import DisposableFile

_TABLE = """CREATE TABLE IF NOT EXISTS notes (
    kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID"""


class ModelNotes:
    """Implements ``Notes``. Every method raises Unavailable, with the cure, where the file cannot be used."""

    def __init__(self, path: Path | str) -> None:
        self._file = DisposableFile(path, tables=(_TABLE,), what="The notes about models")

    def read(self, kind: str, key: str) -> dict[str, Any] | None:
        """The note, or None where there is none that can be read."""
        query = "SELECT value FROM notes WHERE kind = ? AND key = ?"
        found = self._file.attempt(lambda connection: connection.execute(query, (kind, key)).fetchone())
        return _note(found[0]) if found else None

    def write(self, kind: str, key: str, value: Mapping[str, Any]) -> None:
        """Replaces the note. ``value`` must be JSON: numbers that JSON does not know (NaN) are a ValueError."""
        text = json.dumps(dict(value), ensure_ascii=True, allow_nan=False)  # ASCII: a lone surrogate survives too

        def put(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (kind, key, text))

        self._file.attempt(put)

    def items(self, kind: str) -> dict[str, dict[str, Any]]:
        """Every readable note of a kind, by key in alphabetical order."""
        query = "SELECT key, value FROM notes WHERE kind = ? ORDER BY key"
        rows = self._file.attempt(lambda connection: connection.execute(query, (kind,)).fetchall())
        return {key: note for key, text in rows if (note := _note(text)) is not None}

    def forget(self, kind: str, key: str) -> None:
        """Remove a note; nothing happens where there is none."""

        def drop(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute("DELETE FROM notes WHERE kind = ? AND key = ?", (kind, key))

        self._file.attempt(drop)

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        self._file.close()


def _note(text: Any) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        return None
    return value if isinstance(value, dict) else None
