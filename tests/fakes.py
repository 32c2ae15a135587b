"""Hand-written fakes for the whole suite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from agent.llm.base import Cancelled, Chunk, Health, OnChunk, Request, Stopped
from agent.records import Completion


class ScriptedBackend:
    """A backend that says what it is told to: ``script`` is a list of answers, used up in order, or a function of the request.

    An answer may be an exception, which is raised instead. ``requests`` keeps every request. A list that runs out is an AssertionError:
    the code under test asked more often than it should.
    """

    class Options(BaseModel):
        model_config = ConfigDict(extra="forbid")

    label = "scripted"
    model = "scripted"

    def __init__(
        self, script: Iterable[str | Exception | Completion] | Callable[[Request], str | Exception | Completion], *, healthy: bool = True
    ) -> None:
        self._answer = script if callable(script) else None
        self._left = [] if callable(script) else list(script)
        self._healthy = healthy
        self.requests: list[Request] = []

    def complete(self, request: Request, *, on_chunk: OnChunk | None = None, cancelled: Cancelled | None = None) -> Completion:
        if cancelled is not None and cancelled():
            raise Stopped("stopped")
        self.requests.append(request)
        if self._answer is None and not self._left:
            raise AssertionError(f"the script has no answer left for request {len(self.requests)} ({request.purpose})")
        said = self._answer(request) if self._answer is not None else self._left.pop(0)
        if isinstance(said, Exception):
            raise said
        if isinstance(said, Completion):
            return said
        if on_chunk is not None:
            on_chunk(Chunk(text=said))
        return Completion(text=said, backend="scripted", model=self.model, options={"seed": request.seed})

    def check(self) -> Health:
        return (
            Health(ok=True, message="scripted answers")
            if self._healthy
            else Health(ok=False, message="scripted to be down", cure="Script it up.")
        )

    def warm_up(self, *, longest: int = 0, before: Mapping[str, Any] | None = None, cancelled: Cancelled | None = None) -> dict[str, Any]:
        return {"backend": "scripted", "model": self.model}
