"""What a backend is asked and what it owes.

A Request carries the same question twice: as messages (what a language model reads) and as ``facts`` (what the rules backend
reads). Both are made from one object by ``agent/decision/prompt.py``, so neither can know more than the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Protocol

from pydantic import BaseModel, Field

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


class DigestFacts(Record):
    """A text too long to be remembered whole, or one piece of it: what it is, and how short it must become."""

    ticker: str
    company: str = ""
    kind: str = Field(description="10-K item 7, news of 2025-03-03, ...")
    published: date
    text: str
    words: int = Field(120, description="longest digest in words")


class Message(Record):
    role: str
    content: str


class Request(Record):
    """One question to a model. ``answer_schema`` is a JSON schema the answer must satisfy."""

    purpose: Purpose
    messages: tuple[Message, ...]
    answer_schema: dict[str, Any]
    facts: Situation | StudyFacts | LessonFacts | DigestFacts
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


WAYS = ("think + schema", "think, then schema", "schema", "json", "free")
"""How an answer can be bound to its form, best first. ``think + schema``: one call that thinks and then keeps to the schema. ``think,
then schema``: one call that thinks aloud, a second that is shown the thoughts and keeps to the schema. ``json``: any JSON object.
``free``: the form is only described in the prompt; the object is looked for in the text, code fences included."""


class Budget(Record):
    """The room of a model's questions for a whole run, and how text becomes tokens. Fixed before the first question."""

    window: int = Field(gt=0, description="tokens for question and answer together")
    answer: int = Field(gt=0, description="tokens kept free for the answer, thinking included")
    characters_per_token: float = Field(gt=0)
    measured: bool = Field(False, description="characters_per_token was learnt from this model's own counts, not guessed")

    @property
    def room(self) -> int:
        """Tokens a question may have."""
        return max(0, self.window - self.answer)

    def tokens(self, text: str) -> int:
        """Estimated tokens of a text."""
        return int(len(text) / self.characters_per_token) + 1


class Notes(Protocol):
    """What was learnt about models, kept between runs. ``kind``: abilities, tokens; ``key``: the whole identity of what it is about."""

    def read(self, kind: str, key: str) -> dict[str, Any] | None: ...

    def write(self, kind: str, key: str, value: Mapping[str, Any]) -> None: ...


class NoNotes:
    """Notes of one process: nothing outlives it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], dict[str, Any]] = {}

    def read(self, kind: str, key: str) -> dict[str, Any] | None:
        return self._kept.get((kind, key))

    def write(self, kind: str, key: str, value: Mapping[str, Any]) -> None:
        self._kept[kind, key] = dict(value)


OnChunk = Callable[[Chunk], None]
Cancelled = Callable[[], bool]


class Backend(Protocol):
    """One provider, made as ``plug(options, notes=notes)``. ``Options`` is a pydantic model (extra keys refused) from which form,
    validation and docs are made.

    ``label`` is what people see ("rules, no LLM"). ``model`` is the model id, verbatim.
    """

    Options: type[BaseModel]
    label: str
    model: str

    def complete(self, request: Request, *, on_chunk: OnChunk | None = None, cancelled: Cancelled | None = None) -> Completion:
        """The whole answer. Raises Unavailable (with the cure) when the server or model is not there, DecisionError when it answered
        but the answer is unusable (cut off, empty, not finished), PromptTooLong when the question did not fit, Stopped when ``cancelled()`` became true meanwhile."""
        ...

    def check(self) -> Health:
        """Cheap readiness test for preflight; never raises."""
        ...

    def warm_up(self, *, longest: int = 0, before: Mapping[str, Any] | None = None, cancelled: Cancelled | None = None) -> dict[str, Any]:
        """Load what has to be loaded and settle how to ask for the whole run; returns provenance: digest, quantisation, server
        version, ``way`` (one of WAYS), ``abilities``, ``budget`` (a Budget as JSON; absent where nothing limits a question).

        ``longest``: characters of the longest question to expect, 0 = unknown. ``before``: what this returned when an interrupted run
        began; budget and way are kept. Raises Unavailable, and Stopped when ``cancelled()`` became true meanwhile: loading and testing a
        model may take minutes.
        """
        ...


class Stopped(Exception):
    """The run was asked to stop while the model was answering; the partial answer is thrown away."""
