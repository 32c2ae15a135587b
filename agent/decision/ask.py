"""Ask a backend, judge the answer, ask once more with the error or a shorter question, and otherwise say why there is no answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from agent.decision.prompt import again
from agent.errors import DecisionError, PromptTooLong
from agent.llm.base import Backend, Budget, Cancelled, OnChunk, Request, prompt_hash
from agent.records import Completion, ModelCall, Provenance

T = TypeVar("T")
ATTEMPTS = 2  # one question, one repair: with the error, or shorter


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
    backend: Backend,
    request: Request,
    judge: Callable[[str], T],
    *,
    budget: Budget | None = None,
    shorten: Callable[[PromptTooLong], Request | None] | None = None,
    on_chunk: OnChunk | None = None,
    cancelled: Cancelled | None = None,
) -> Asked[T]:
    """``judge`` turns the text into an answer or raises DecisionError. Unavailable and Stopped pass through: they are no answers.

    An unusable answer is asked for once more, with the error and as much of it as ``budget`` has room for. A question that did not fit
    is asked once more as ``shorten`` makes it (``budget.Fitting.shorten``), without what was answered to its remains; where nothing can
    make it shorter there is no answer.
    """
    answer, call, too_long = _once(backend, request, judge, attempt=1, on_chunk=on_chunk, cancelled=cancelled)
    if answer is not None:
        return Asked(answer, (call,))
    if too_long is None:
        second = again(request, call.completion.text if call.completion else "", call.error, budget=budget)
    else:
        try:
            shorter = shorten(too_long) if shorten is not None else None
        except DecisionError as error:  # nothing more can be left out
            return Asked(None, (call,), f"{call.error} {error}")
        if shorter is None:
            return Asked(None, (call,), call.error)
        second = shorter.model_copy(update={"attempt": ATTEMPTS})
    answer, repeat, _ = _once(backend, second, judge, attempt=ATTEMPTS, on_chunk=on_chunk, cancelled=cancelled)
    return Asked(answer, (call, repeat), "" if answer is not None else repeat.error)


def _once(
    backend: Backend, request: Request, judge: Callable[[str], T], *, attempt: int, on_chunk: OnChunk | None, cancelled: Cancelled | None
) -> tuple[T | None, ModelCall, PromptTooLong | None]:
    began, completion, answer, problem, too_long = time.perf_counter(), None, None, "", None
    try:
        completion = backend.complete(request, on_chunk=on_chunk, cancelled=cancelled)
        answer = judge(completion.text)
    except DecisionError as error:
        problem = str(error) or type(error).__name__
        too_long = error if isinstance(error, PromptTooLong) else None
    call = _call(request, completion, attempt=attempt, error=problem, ms=(time.perf_counter() - began) * 1000)
    return answer, call if too_long is None else call.model_copy(update=_measured(too_long)), too_long


def _measured(problem: PromptTooLong) -> dict[str, int | None]:
    """What the server's refusal, or its cut, says of the question's size."""
    if problem.cut:
        return {"cut_to": problem.counted or 0, "server_window": problem.window}
    return {"refused_at": problem.counted, "server_window": problem.window}


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
