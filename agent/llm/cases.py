"""The rules between the fields of a decision as alternatives that a grammar can keep: for models too small to keep them by themselves.

A JSON schema binds each field alone; that probabilities sum to 1 or that a hold keeps the present weight is judged afterwards, and models
of a billion parameters fail there day after day. Here each feasible action and direction becomes an alternative of its own, in which
every allowed value is listed. The price: probabilities and weights move in steps, a trade names one reason against, weaker than each
for it, texts are shorter. Promise: an answer that keeps to the alternatives passes every rule of ``agent.decision.parse`` but those about empty words.
"""

from __future__ import annotations

from typing import Any

from agent.llm.base import Request, Situation

TENTHS = 10  # probabilities in steps of 0.1: 66 triples
STEPS = 20  # weights in steps of 0.05, and confidence too
STRONG = [6, 7, 8, 9, 10]  # weights of the reasons for a trade ...
WEAK = [0, 1, 2, 3, 4, 5]  # ... and of the one against it, which stays below each of them
AGAINST = 1
HORIZONS = [1, 2, 3, 5, 10, 20, 40, 60]
CLAIM, TEXT, SOME = 160, 240, 12  # characters: longest claim, longest other text, shortest text of a trade
HOLD_BAND = 0.0001  # a weight closer than this to the present one is the present one


def bound(request: Request) -> dict[str, Any]:
    """The schema of the answer with the rules of a decision in it; of any other question, the schema as it is."""
    facts = request.facts
    if request.purpose != "decide" or not isinstance(facts, Situation):
        return request.answer_schema
    return {"anyOf": [_case(request.answer_schema, facts, action, way) for action in _actions(facts) for way in _directions(action)]}


def _actions(facts: Situation) -> list[str]:
    """What can be done from the present weight."""
    found = [("buy", bool(_targets(facts, "buy"))), ("hold", True), ("sell", bool(_targets(facts, "sell")))]
    return [name for name, possible in found if possible]


def _directions(action: str) -> list[str]:
    return ["up", "flat"] if action == "buy" else ["up", "flat", "down"]


def _targets(facts: Situation, action: str) -> list[float]:
    """Weights that a buy may end above the present one, a sell below it; a hold keeps it."""
    if action == "hold":
        return [round(facts.weight, 4)]
    low, high = facts.min_weight, facts.max_weight
    grid = sorted({low, high, *(round(n / STEPS, 2) for n in range(-STEPS, STEPS + 1) if low <= n / STEPS <= high)})
    return [weight for weight in grid if (weight - facts.weight if action == "buy" else facts.weight - weight) > HOLD_BAND]


def _odds(action: str, way: str) -> dict[str, Any]:
    """Every triple in which ``way`` is the largest, and for a buy up at least down."""
    triples = []
    for up in range(TENTHS + 1):
        for flat in range(TENTHS + 1 - up):
            odds = {"up": up / TENTHS, "flat": flat / TENTHS, "down": (TENTHS - up - flat) / TENTHS}
            if odds[way] == max(odds.values()) and (action != "buy" or odds["up"] >= odds["down"]):
                triples.append(_object({name: {"type": "number", "enum": [value]} for name, value in odds.items()}))
    return {"anyOf": triples}


def _case(schema: dict[str, Any], facts: Situation, action: str, way: str) -> dict[str, Any]:
    """One alternative: the fields of the schema in their order, each narrowed to what this action and direction allow."""
    fields, trade = schema["properties"], action != "hold"
    shares = {"type": "number", "enum": [n / STEPS for n in range(STEPS + 1)]}
    least = {"minLength": SOME} if trade else {}
    narrowed = {
        "reasons_for": _reasons(fields["reasons_for"], STRONG if trade else range(11), least=1 if trade else 0),
        "reasons_against": _reasons(fields["reasons_against"], WEAK if trade else range(11), most=AGAINST if trade else None),
        "probabilities": _odds(action, way),
        "expected_direction": {"type": "string", "enum": [way]},
        "action": {"type": "string", "enum": [action]},
        "target_weight": {"type": "number", "enum": _targets(facts, action)},
        "confidence": shares,
        "horizon_sessions": {"type": "integer", "enum": HORIZONS},
        "stop_loss_pct": {"type": "number", "enum": [0.02, 0.04, 0.06]},
        "take_profit_pct": {"type": "number", "enum": [0.08, 0.12, 0.2]},
        "invalidation": {"type": "string", "maxLength": TEXT, **least},
        "summary": {"type": "string", "minLength": 1, "maxLength": TEXT, **least},
    }
    return _object({name: narrowed.get(name, value) for name, value in fields.items()})


def _reasons(schema: dict[str, Any], weights: Any, *, least: int = 0, most: int | None = None) -> dict[str, Any]:
    """The array of reasons with these weights."""
    inner = schema["items"]["properties"]
    item = {"claim": {"type": "string", "minLength": 1, "maxLength": CLAIM}, "weight": {"type": "integer", "enum": list(weights)}}
    sizes = {"minItems": max(least, schema.get("minItems", 0)), "maxItems": most or schema["maxItems"]}
    return {"type": "array", "items": _object({name: item.get(name, value) for name, value in inner.items()}), **sizes}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
