"""Hide from the model what it may know by heart: names, dates, prices. What it says is translated back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from agent.decision.options import Masking
from agent.llm.base import DigestFacts, LessonFacts, Situation, StudyFacts
from agent.records import Decision, Record


class Mask(Record):
    """The mapping of one run, stored with it: original -> what the model sees."""

    masking: Masking
    tickers: dict[str, str] = {}
    names: dict[str, str] = {}
    days: int = 0
    price_factors: dict[str, float] = {}

    @classmethod
    def make(cls, masking: Masking, *, companies: Mapping[str, str], first_close: Mapping[str, float], seed: int) -> Mask:
        """The mask of a run. ``companies``: ticker -> name. The same seed makes the same mask."""
        raise NotImplementedError

    def situation(self, facts: Situation) -> Situation:
        raise NotImplementedError

    def study(self, facts: StudyFacts) -> StudyFacts:
        raise NotImplementedError

    def lessons(self, facts: LessonFacts) -> LessonFacts:
        raise NotImplementedError

    def digest(self, facts: DigestFacts) -> DigestFacts:
        raise NotImplementedError

    def text(self, text: str, *, on: date | None = None) -> str:
        """``text`` as the model may see it. ``on``: the day it is from, which dates without a year are read by."""
        raise NotImplementedError

    def undo(self, text: str, *, on: date | None = None) -> str:
        """What the model wrote, in the words of the market."""
        raise NotImplementedError

    def undo_decision(self, decision: Decision, *, on: date) -> Decision:
        raise NotImplementedError

    def found(self, text: str) -> tuple[str, ...]:
        """Originals that still stand in ``text``: empty where the mask holds."""
        raise NotImplementedError
