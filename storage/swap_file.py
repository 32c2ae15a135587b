"""Answers to crossed questions, one readable JSON file per pair of runs, ticker and day: they cost calls, so they are not asked twice.

Promise: a write replaces the whole file at once or not at all; a file that cannot be read is never overwritten in silence; what hangs on a
deleted run can be forgotten by its id.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.errors import Unavailable
from storage.run_store import checked_run_id

BETWEEN = "~"  # no run id has it


class SwapFiles:
    """The files in ``folder``, which need not exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, one: str, other: str, ticker: str, day: str) -> dict[str, Any] | None:
        """What was kept, or None. Raises Unavailable where there is a file that cannot be read."""
        path = self._path(one, other, ticker, day)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise self._unusable(path, error) from None
        if not isinstance(found, dict):
            raise self._unusable(path, "it holds no answers")
        return found

    def write(self, one: str, other: str, ticker: str, day: str, data: Mapping[str, Any]) -> None:
        """Keep, in place of what was there. Raises Unavailable."""
        path = self._path(one, other, ticker, day)
        draft = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(data, ensure_ascii=True, indent=1) + "\n", encoding="utf-8")
            os.replace(draft, path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise Unavailable(f"{path} cannot be written ({error.strerror}).", cure="Free space or set RECOLLECT_HOME.") from None

    def forget(self, run: str) -> int:
        """Delete everything about a run; returns how many files."""
        gone = [path for path in self.folder.glob("*.json") if run in path.stem.split(BETWEEN)[:2]] if self.folder.is_dir() else []
        for path in gone:
            path.unlink(missing_ok=True)
        return len(gone)

    def _path(self, one: str, other: str, ticker: str, day: str) -> Path:
        first, second = sorted(map(checked_run_id, (one, other)))
        about = hashlib.sha256(f"{ticker}|{day}".encode()).hexdigest()[:16]  # a ticker may hold what no file name can
        return self.folder / f"{first}{BETWEEN}{second}{BETWEEN}{about}.json"

    def _unusable(self, path: Path, why: object) -> Unavailable:
        said = getattr(why, "strerror", None) or str(why)
        return Unavailable(
            f"The kept answers in {path} cannot be read ({said}).", cure="Move the file away; the questions can be asked again."
        )
