"""What a backend is asked and what it owes.

A Request carries the same question twice: as messages (what a language model reads) and as ``facts`` (what the rules backend
reads). Both are made from one object by ``agent/decision/prompt.py``, so neither can know more than the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Protocol

from pydantic import BaseModel

from agent.records import Completion, Figure, PriceState, Purpose, Record


class MemoryFact(Record):
    """A recalled memory as shown to the model."""

    id: int
    layer: str
    kind: str
    title: str
    text: str
    publisher: str
    event_day: date
    sessions_ago: int
    score: float


class TextFact(Record):
    """A news item or filing section that became readable since the last decision; ``label`` is what an answer cites (N1, F1)."""

    label: str
    title: str
    text: str
    publisher: str
    published: date


class Situation(Record):
    """Everything a decision may rest on, as data."""

    ticker: str
    company: str
    session: date
    next_session: date | None
    as_of: str
    news: tuple[TextFact, ...] = ()
    filings: tuple[TextFact, ...] = ()
    memories: tuple[MemoryFact, ...] = ()
    price: PriceState = PriceState()
    fundamentals: tuple[Figure, ...] = ()
    unsourced: tuple[str, ...] = ()
    weight: float = 0.0
    cash: float = 0.0
    equity: float = 0.0
    unrealised: float | None = None
    character: str = "risk_seeking"
    sector: str = ""
    min_weight: float = 0.0
    max_weight: float = 1.0
    min_confidence: float = 0.5
    cost_bps: float = 3.0
    allow_short: bool = False
    stops: bool = False


class StudyFacts(Record):
    """Training: the situation of the previous session and the move that followed it."""

    situation: Situation
    move: float
    label: str


class JudgedDecision(Record):
    """A decision whose outcome is known, with what it rested on."""

    decided: date
    action: str
    confidence: float
    move: float
    verdict: int
    profit: float
    summary: str
    supporting: tuple[MemoryFact, ...] = ()
    opposing: tuple[MemoryFact, ...] = ()


class LessonFacts(Record):
    """Extended reflection: the last decisions whose outcome is known."""

    ticker: str
    session: date
    judged: tuple[JudgedDecision, ...]


class Message(Record):
    role: str
    content: str


class Request(Record):
    """One question to a model. ``answer_schema`` is a JSON schema the answer must satisfy."""

    purpose: Purpose
    messages: tuple[Message, ...]
    answer_schema: dict[str, Any]
    facts: Situation | StudyFacts | LessonFacts
    attempt: int = 1
    seed: int = 0
    estimated_tokens: int = 0


def prompt_hash(messages: Sequence[Message]) -> str:
    """Identifies a question by every word of it."""
    return hashlib.sha256("\0".join(f"{m.role}\0{m.content}" for m in messages).encode()).hexdigest()[:16]


class Chunk(Record):
    """A piece of an answer while it is being written. ``fresh``: what was heard so far is void, the answer begins anew."""

    text: str = ""
    thinking: str = ""
    fresh: bool = False


class Health(Record):
    """Whether a backend can be used now, and the cure if not."""

    ok: bool
    message: str
    cure: str = ""
    details: dict[str, Any] = {}


OnChunk = Callable[[Chunk], None]
Cancelled = Callable[[], bool]


class Backend(Protocol):
    """One provider. ``Options`` is a pydantic model (extra keys refused) from which form, validation and docs are made.

    ``label`` is what people see ("rules, no LLM"). ``model`` is the model id, verbatim.
    """

    Options: type[BaseModel]
    label: str
    model: str

    def complete(self, request: Request, *, on_chunk: OnChunk | None = None, cancelled: Cancelled | None = None) -> Completion:
        """The whole answer. Raises Unavailable (with the cure) when the server or model is not there, DecisionError when it answered
        but the answer is unusable (cut off, empty, not finished), Stopped when ``cancelled()`` became true meanwhile."""
        ...

    def check(self) -> Health:
        """Cheap readiness test for preflight; never raises."""
        ...

    def warm_up(self) -> dict[str, Any]:
        """Load what has to be loaded; returns provenance (digest, quantisation, server version, effective context)."""
        ...


class Stopped(Exception):
    """The run was asked to stop while the model was answering; the partial answer is thrown away."""
