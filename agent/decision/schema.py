"""The shape of an answer: pydantic models that judge it, and the JSON schema that a backend is asked to keep to.

The JSON schema is written flat (no ``$ref``, no defaults, every key required, ids as enums, bounded strings) because grammar-based
samplers enforce exactly that much; everything they cannot enforce is judged again in ``agent/decision/parse.py``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agent.llm.base import LessonFacts, Situation, StudyFacts

CLAIM_CHARACTERS = 300
SUMMARY_CHARACTERS = 900


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ReasonAnswer(_Answer):
    claim: str = Field(min_length=1, max_length=CLAIM_CHARACTERS)
    weight: int = Field(ge=0, le=10)
    basis: list[str] = Field(max_length=12)

    @field_validator("basis")
    @classmethod
    def _labels(cls, value: list[str]) -> list[str]:
        return [label.strip().strip("[]").upper() for label in value]


class DecisionAnswer(_Answer):
    """One decision as a model writes it."""

    symbol: str
    as_of: str
    character: str
    reasons_for: list[ReasonAnswer] = Field(max_length=8)
    reasons_against: list[ReasonAnswer] = Field(max_length=8)
    cited: dict[str, list[int]] = Field(default_factory=dict)
    probabilities: dict[Literal["up", "flat", "down"], float]
    expected_direction: Literal["up", "flat", "down"]
    action: Literal["buy", "hold", "sell"]
    target_weight: float
    confidence: float = Field(ge=0, le=1)
    horizon_sessions: int = Field(ge=1, le=60)
    stop_loss_pct: float | None = Field(None, gt=0, le=0.25)
    take_profit_pct: float | None = Field(None, gt=0, le=1)
    invalidation: str = Field(max_length=SUMMARY_CHARACTERS)
    summary: str = Field(max_length=SUMMARY_CHARACTERS)

    @field_validator("symbol", "as_of", "character", mode="before")
    @classmethod
    def _trimmed(cls, value: Any) -> Any:
        return value.strip() if isinstance(value, str) else value

    @field_validator("action", "expected_direction", mode="before")
    @classmethod
    def _folded(cls, value: Any) -> Any:
        return value.strip().casefold() if isinstance(value, str) else value


class StudyAnswer(_Answer):
    summary: str = Field(min_length=1, max_length=SUMMARY_CHARACTERS)
    supporting: list[int] = Field(max_length=12)
    opposing: list[int] = Field(max_length=12)


class LessonAnswer(_Answer):
    condition: str = Field(min_length=1, max_length=CLAIM_CHARACTERS)
    action: str = Field(min_length=1, max_length=CLAIM_CHARACTERS)
    evidence: str = Field(max_length=CLAIM_CHARACTERS)


class LessonsAnswer(_Answer):
    lessons: list[LessonAnswer] = Field(max_length=5)
    calibration: str = Field(max_length=CLAIM_CHARACTERS)


def _text(limit: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": limit}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _list(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": most}


def _whole(low: int, high: int) -> dict[str, Any]:
    """A whole number, every allowed one listed: llama_cpp.server leaves minimum and maximum unbound, and strict modes refuse them."""
    return {"type": "integer", "enum": list(range(low, high + 1))}


def labels(situation: Situation) -> list[str]:
    """Every label a reason may rest on."""
    return [
        *(f"M{memory.id}" for memory in situation.memories),
        *(fact.label for fact in (*situation.news, *situation.filings)),
        "P",
        "S",
        *(["G"] if situation.fundamentals else []),
    ]


def ids_by_layer(situation: Situation) -> dict[str, list[int]]:
    """layer -> recalled ids; a layer without any is absent, since an empty enum is no valid schema."""
    found: dict[str, list[int]] = {}
    for memory in situation.memories:
        found.setdefault(memory.layer, []).append(memory.id)
    return found


def decision_schema(situation: Situation) -> dict[str, Any]:
    """JSON schema of one day's decision. Numbers' bounds are only advice to most samplers."""
    reason = _object(
        {
            "claim": {"type": "string", "minLength": 1, "maxLength": CLAIM_CHARACTERS},
            "weight": _whole(0, 10),
            "basis": _list({"type": "string", "enum": labels(situation)}, 6),
        }
    )
    needed = 1 if situation.memories else 0
    share = {"type": "number", "minimum": 0, "maximum": 1}
    properties: dict[str, Any] = {
        "symbol": {"type": "string", "enum": [situation.ticker]},
        "as_of": {"type": "string", "enum": [situation.as_of]},
        "character": {"type": "string", "enum": [situation.character]},
        "reasons_for": {**_list(reason, 4), "minItems": needed},
        "reasons_against": {**_list(reason, 4), "minItems": needed},
        "cited": _object({layer: _list({"type": "integer", "enum": ids}, len(ids)) for layer, ids in ids_by_layer(situation).items()}),
        "probabilities": _object({"up": share, "flat": share, "down": share}),
        "expected_direction": {"type": "string", "enum": ["up", "flat", "down"]},
        "action": {"type": "string", "enum": ["buy", "hold", "sell"]},
        "target_weight": {
            "type": "number",
            "minimum": situation.min_weight,
            "maximum": max(situation.max_weight, round(situation.weight, 4)),
        },
        "confidence": share,
        "horizon_sessions": _whole(1, 60),
    }
    if situation.stops:
        properties["stop_loss_pct"] = {"type": "number", "minimum": 0.005, "maximum": 0.25}
        properties["take_profit_pct"] = {"type": "number", "minimum": 0.01, "maximum": 1}
    properties["invalidation"] = _text(SUMMARY_CHARACTERS)
    properties["summary"] = {"type": "string", "minLength": 1, "maxLength": SUMMARY_CHARACTERS}
    return _object(properties)


def study_schema(facts: StudyFacts) -> dict[str, Any]:
    ids = [memory.id for memory in facts.situation.memories]
    chosen = (
        _list({"type": "integer", "enum": ids}, min(12, len(ids)))
        if ids
        else {"type": "array", "items": {"type": "integer"}, "maxItems": 0}
    )
    return _object(
        {"summary": {"type": "string", "minLength": 1, "maxLength": SUMMARY_CHARACTERS}, "supporting": chosen, "opposing": chosen}
    )


def lessons_schema(facts: LessonFacts) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1, "maxLength": CLAIM_CHARACTERS}
    lesson = _object({"condition": text, "action": text, "evidence": _text(CLAIM_CHARACTERS)})
    return _object({"lessons": _list(lesson, 5), "calibration": _text(CLAIM_CHARACTERS)})
