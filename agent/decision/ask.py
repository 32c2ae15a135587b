"""Ask a backend, judge the answer, ask once more with the error, and otherwise say why there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from agent.decision.prompt import again
from agent.errors import DecisionError
from agent.llm.base import Backend, Cancelled, OnChunk, Request, prompt_hash
from agent.records import Completion, ModelCall, Provenance

T = TypeVar("T")
ATTEMPTS = 2  # one question, one repair


@dataclass(frozen=True)
class Asked(Generic[T]):
    """The judged answer, or None and the reason; every call made, in order."""

    answer: T | None
    calls: tuple[ModelCall, ...]
    reason: str = ""

    @property
    def provenance(self) -> Provenance:
        if self.answer is None:
            return "abstained"
        completion = self.calls[-1].completion
        if completion is not None and not completion.llm:
            return "rule"
        if len(self.calls) > 1:
            return "re-asked"
        return "cached" if completion and completion.cached else "model"


def ask(
    backend: Backend, request: Request, judge: Callable[[str], T], *, on_chunk: OnChunk | None = None, cancelled: Cancelled | None = None
) -> Asked[T]:
    """``judge`` turns the text into an answer or raises DecisionError. Unavailable and Stopped pass through: they are no answers."""
    calls: list[ModelCall] = []
    for attempt in range(1, ATTEMPTS + 1):
        answer, call = _once(backend, request, judge, attempt=attempt, on_chunk=on_chunk, cancelled=cancelled)
        calls.append(call)
        if answer is not None:
            return Asked(answer, tuple(calls))
        request = again(request, call.completion.text if call.completion else "", call.error)
    return Asked(None, tuple(calls), calls[-1].error)


def _once(
    backend: Backend, request: Request, judge: Callable[[str], T], *, attempt: int, on_chunk: OnChunk | None, cancelled: Cancelled | None
) -> tuple[T | None, ModelCall]:
    began, completion, answer, problem = time.perf_counter(), None, None, ""
    try:
        completion = backend.complete(request, on_chunk=on_chunk, cancelled=cancelled)
        answer = judge(completion.text)
    except DecisionError as error:
        problem = str(error)
    return answer, _call(request, completion, attempt=attempt, error=problem, ms=(time.perf_counter() - began) * 1000)


def _call(request: Request, completion: Completion | None, *, attempt: int, error: str, ms: float) -> ModelCall:
    system = "\n\n".join(m.content for m in request.messages if m.role == "system")
    user = "\n\n".join(m.content if m.role == "user" else f"[{m.role}] {m.content}" for m in request.messages if m.role != "system")
    return ModelCall(
        purpose=request.purpose,
        attempt=attempt,
        system=system,
        user=user,
        prompt_hash=prompt_hash(request.messages),
        completion=completion,
        error=error,
        ms=ms,
    )
