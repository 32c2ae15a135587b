"""A backend that answers from what a model once said, word for word: a run can be repeated without any server.

It holds the recorded calls of one run. The same question gets the same answer, or the same failure; a question that was never asked is
no answer at all, because something before it must have changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from agent.errors import DecisionError, PromptTooLong, Unavailable
from agent.llm.base import Cancelled, Health, OnChunk, Request, Stopped, prompt_hash
from agent.records import Completion, ModelCall


class NotAsked(Unavailable):
    """The recorded run never put this question."""


class RecordedOptions(BaseModel):
    """Nothing to choose."""

    model_config = ConfigDict(extra="forbid")


class RecordedBackend:
    """The answers of one run. Equal questions, if there were any, are answered in the order in which they were put."""

    Options: type[BaseModel] = RecordedOptions

    def __init__(self, calls: Iterable[ModelCall], *, label: str, model: str) -> None:
        self.label, self.model = label, model
        self._calls: dict[tuple[str, int, str], deque[ModelCall]] = {}
        for call in calls:
            self._calls.setdefault((call.purpose, call.attempt, call.prompt_hash), deque()).append(call)

    def complete(self, request: Request, *, on_chunk: OnChunk | None = None, cancelled: Cancelled | None = None) -> Completion:
        """The recorded completion; DecisionError where there was none; NotAsked where the question is new."""
        if cancelled is not None and cancelled():
            raise Stopped("the replay was cancelled")
        waiting = self._calls.get((request.purpose, request.attempt, prompt_hash(request.messages)))
        if not waiting:
            raise NotAsked("This question was not put in the recorded run: something before it is different now.")
        call = waiting.popleft()
        if call.cut_to is not None or call.refused_at is not None:
            cut = call.cut_to is not None
            raise PromptTooLong(call.error, counted=call.cut_to if cut else call.refused_at, window=call.server_window, cut=cut)
        if call.completion is None:
            raise DecisionError(call.error)
        return call.completion

    def check(self) -> Health:
        """Always ready."""
        return Health(ok=True, message="answers from a recorded run")

    def warm_up(self, *, longest: int = 0, before: Mapping[str, Any] | None = None, cancelled: Cancelled | None = None) -> dict[str, Any]:
        """Nothing to load: what was known when the run began."""
        return dict(before or {})
