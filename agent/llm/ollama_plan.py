"""How one run asks its model: the window it is loaded with, the room for an answer, the way in which answers are bound.

Settled once, before the first question: another window would reload the model, another way or budget would make the days of one run
incomparable. A run that goes on later, or is replayed, keeps what it began with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agent.llm.base import WAYS, Budget
from agent.records import Record

SMALLEST_TIER = 4096  # windows are 4096 times a power of two, so that runs of similar length share a loaded model
USUAL = 8192  # window where nothing is known about the questions
UNKNOWN_LIMIT = 32_768  # longest window chosen by itself for a model that does not tell what it was trained with
SPARE = 1.1  # a question is estimated; this much longer still fits
TEMPLATE = 256  # tokens of the chat template, and of a sentence that asks again


class Plan(Record):
    """What is the same for every question of a run. ``window``: what the server really has; ``notes``: sentences for people."""

    way: str
    num_ctx: int
    num_predict: int
    window: int
    budget: Budget | None = None
    notes: tuple[str, ...] = ()


def tokens_for_answer(way: str, num_predict: int) -> int:
    """Room to keep free: thinking first and answering second writes twice, and the thoughts are read again."""
    return num_predict * (2 if way == WAYS[1] else 1)


def window_for(longest: int, *, characters_per_token: float, answer: int, trained: int | None) -> int:
    """The smallest tier that holds a question of ``longest`` characters (0: unknown) and its answer, within the trained window."""
    needed = math.ceil(longest / characters_per_token * SPARE) + TEMPLATE + answer if longest else max(USUAL, 2 * answer)
    tier = SMALLEST_TIER
    while tier < needed:
        tier *= 2
    return min(tier, trained or UNKNOWN_LIMIT)


def kept(before: Mapping[str, Any], *, num_predict: int, way: str) -> Plan | None:
    """The plan of the run that is taken up again; None where it kept none. A run older than budgets keeps its window and ``way``."""
    num_ctx = before.get("num_ctx")
    if not isinstance(num_ctx, int) or num_ctx < 1:
        return None
    try:
        budget = Budget.model_validate(before["budget"]) if before.get("budget") else None
    except ValidationError:
        budget = None
    said = before.get("way")
    written = before.get("num_predict")
    return Plan(
        way=said if said in WAYS else way,
        num_ctx=num_ctx,
        num_predict=written if isinstance(written, int) and written > 0 else num_predict,
        window=budget.window if budget else int(before.get("effective_num_ctx") or num_ctx),
        budget=budget,
    )


def within(plan: Plan, window: int | None) -> Plan:
    """A new plan with the window that the server really gives (None: it does not say); an answer never gets more than half of it."""
    plan = as_before(plan, window)
    if plan.budget is None:
        return plan
    budget, written, notes = plan.budget.model_copy(update={"window": plan.window}), plan.num_predict, plan.notes
    if 2 * budget.answer > budget.window:
        calls = tokens_for_answer(plan.way, 1)
        written = max(1, budget.window // 2 // calls)
        budget = budget.model_copy(update={"answer": written * calls})
        notes = (*notes, f"Answers are limited to {written} tokens: more would leave less than half of the window to the question.")
    return plan.model_copy(update={"budget": budget, "num_predict": written, "notes": notes})


def as_before(plan: Plan, window: int | None) -> Plan:
    """The plan as it is, with the window that the server really gives. The budget stays, so that the questions stay the same."""
    real = min(window or plan.num_ctx, plan.num_ctx)
    if real == plan.num_ctx:
        return plan.model_copy(update={"window": real})
    note = f"The server loaded the model with a window of {real} tokens instead of {plan.num_ctx}."
    return plan.model_copy(update={"window": real, "notes": (*plan.notes, note)})
