"""What decides, and what it is given: one method, whoever is behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import numpy as np
from pydantic import BaseModel

from agent.decision.masking import Mask
from agent.decision.prompt_set import PromptSet
from agent.llm.base import Backend, Budget, Chunk
from agent.memory.bank import MemoryBank
from agent.records import DayRecord, Observation, Outcome, Phase, Thought
from agent.spec import RunSpec


@dataclass(frozen=True)
class Today:
    """One close: what may be known, and what has become of earlier decisions."""

    seen: Observation
    phase: Phase
    index: int
    outcomes: tuple[Outcome, ...] = ()


@dataclass
class Setup:
    """What a strategy is built from. ``helper``: the model for digests and reflections; None: ``backend`` does it. ``budget`` and
    ``helper_budget`` give the room of a question, None where nothing limits it; settled before the first day. ``session_of`` maps a time to the session that could first use it; ``sessions_between`` counts."""

    ticker: str
    spec: RunSpec
    company: str = ""
    backend: Backend | None = None
    helper: Backend | None = None
    budget: Callable[[], Budget | None] = lambda: None
    helper_budget: Callable[[], Budget | None] = lambda: None
    prompts: PromptSet | None = None
    mask: Mask | None = None
    bank: MemoryBank | None = None
    session_of: Callable[[datetime], date] = lambda moment: moment.date()
    sessions_between: Callable[[date, date], int] = lambda a, b: (b - a).days
    on_chunk: Callable[[str, date, str, Chunk], None] | None = None
    cancelled: Callable[[], bool] | None = None
    extra: dict[str, object] = field(default_factory=dict)


class Strategy(Protocol):
    """Anything that decides. One object per ticker; days come in order, each once."""

    Options: type[BaseModel]
    needs_model: bool

    def __init__(self, setup: Setup) -> None: ...

    def day(self, today: Today) -> Thought:
        """Think about one close."""
        ...

    def resume(self, last: DayRecord) -> None:
        """Go on after ``last`` as if there had been no break."""
        ...

    def vectors(self, ids: Sequence[int]) -> Mapping[int, np.ndarray]:
        """Embeddings of the strategy's own memories, for the store."""
        ...
