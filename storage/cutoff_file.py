"""Knowledge cut-offs that a person entered, in one readable JSON file: nobody can find them out again, so they are no cache.

Promise: a write replaces the whole file at once or not at all, and never overwrites a file that cannot be read. Reading never raises: what
cannot be used is left out and ``problem`` says what to do.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.errors import Unavailable
from agent.llm.cutoffs import Cutoff
from agent.records import Record

_writing = threading.Lock()


class Entered(Record):
    """What the file says. ``problem``: why some or all of it cannot be used; empty when all is well."""

    cutoffs: dict[str, Cutoff] = {}
    problem: str = ""


class CutoffFile:
    """The file at ``path``; it need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Entered:
        """Every usable entry, by the model's key."""
        try:
            data = self._data()
        except Unavailable as error:
            return Entered(problem=str(error))
        good: dict[str, Cutoff] = {}
        bad: list[str] = []
        for name, value in data.items():
            try:
                good[name] = Cutoff.model_validate({**value, "edited": True} if isinstance(value, dict) else value)
            except ValidationError:
                bad.append(name[:60])
        problem = f"{self.path}: the entry of {', '.join(bad[:5])} is no cut-off; correct or remove it." if bad else ""
        return Entered(cutoffs=good, problem=problem)

    def write(self, key: str, cutoff: Cutoff) -> None:
        """Enter or replace one. Raises Unavailable."""
        with _writing:
            self._replace({**self._data(), key: cutoff.model_dump(mode="json", exclude={"edited"})})

    def forget(self, key: str) -> None:
        """Remove one; nothing happens where there is none. Raises Unavailable."""
        with _writing:
            data = self._data()
            if data.pop(key, None) is not None:
                self._replace(data)

    def _data(self) -> dict[str, Any]:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise self._unusable(error) from None
        if not isinstance(data, dict):
            raise self._unusable("it holds no object of models")
        return data

    def _replace(self, data: dict[str, Any]) -> None:
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(data, ensure_ascii=True, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            os.replace(draft, self.path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise Unavailable(f"{self.path} cannot be written ({error.strerror}).", cure="Free space or set RECOLLECT_HOME.") from None

    def _unusable(self, why: object) -> Unavailable:
        said = getattr(why, "strerror", None) or str(why)
        return Unavailable(f"The entered cut-offs in {self.path} cannot be read ({said}).", cure="Correct the file, or move it away.")
