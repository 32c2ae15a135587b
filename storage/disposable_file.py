"""A small SQLite file whose loss costs time but no truth: a cache, or notes that can be made again.

Promise: several threads and processes may use one file; a damaged one is set aside (``.bad``) and begun anew; what the world outside
does (a full disk, a folder that cannot be written) is told with a cure. The file may be deleted at any time.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from agent.errors import Unavailable

T = TypeVar("T")
BUSY_S = 30.0  # how long one process waits for another that writes


class DisposableFile:
    """``tables``: CREATE TABLE IF NOT EXISTS statements. ``what`` names the file to people: the embedding cache."""

    def __init__(self, path: Path | str, *, tables: tuple[str, ...], what: str) -> None:
        self.path = Path(path)
        self._tables = tables
        self._what = what
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    def attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """``work`` on the open file; if the file turns out to be damaged, once more on a new one. Raises Unavailable."""
        with self._lock:
            try:
                try:
                    return work(self._open())
                except sqlite3.DatabaseError as error:
                    if isinstance(error, sqlite3.OperationalError):  # the world outside: locked, full, read-only
                        raise
                    self._set_aside()
                    return work(self._open())
            except (sqlite3.OperationalError, OSError) as error:
                raise Unavailable(
                    f"{self._what} {self.path} cannot be used ({error}).",
                    cure="Free some space, make its folder writable, or choose another data folder; the file itself may be deleted.",
                ) from error

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=BUSY_S, check_same_thread=False)
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=NORMAL")  # a lost tail costs a little work, nothing else
                for table in self._tables:
                    connection.execute(table)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _set_aside(self) -> None:
        self.close()
        with suppress(FileNotFoundError):  # another process was quicker
            self.path.replace(self.path.with_name(self.path.name + ".bad"))
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).unlink()
