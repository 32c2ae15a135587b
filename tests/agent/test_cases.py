"""Whatever keeps to the alternatives of a decision is accepted by the judge: sampled as a grammar would let noise sample it."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.decision.parse import read_decision
from agent.decision.schema import decision_schema
from agent.llm.base import Request, Situation
from agent.llm.cases import bound
from tests.contracts.test_backends import decide, situation


def noise(schema: dict[str, Any], dice: random.Random) -> Any:
    """Any value that the schema allows."""
    if "anyOf" in schema:
        return noise(dice.choice(schema["anyOf"]), dice)
    if "enum" in schema:
        return dice.choice(schema["enum"])
    if schema["type"] == "object":
        return {name: noise(inner, dice) for name, inner in schema["properties"].items()}
    if schema["type"] == "array":
        return [noise(schema["items"], dice) for _ in range(dice.randint(schema.get("minItems", 0), schema["maxItems"]))]
    assert schema["type"] == "string", schema  # numbers are always listed
    return "x" * dice.randint(schema.get("minLength", 0), schema["maxLength"])


def asked(facts: Situation) -> Request:
    return decide().model_copy(update={"facts": facts, "answer_schema": decision_schema(facts)})


@given(
    st.floats(0, 1),
    st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (0.0, 0.6), (0.0, 0.0)]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_noise_that_keeps_to_the_alternatives_is_a_valid_decision(
    weight: float, limits: tuple[float, float], stops: bool, remembers: bool, seed: int
) -> None:
    low, high = limits
    facts = situation().model_copy(
        update={
            "weight": weight,
            "min_weight": low,
            "max_weight": high,
            "stops": stops,
            "memories": situation().memories if remembers else (),
        }
    )
    decision = read_decision(json.dumps(noise(bound(asked(facts)), random.Random(seed))), facts)
    assert decision.abstained is None and abs(sum(decision.probabilities.values()) - 1) < 1e-9


@pytest.mark.parametrize(("weight", "actions"), [(0.0, {"buy", "hold"}), (0.5, {"buy", "hold", "sell"}), (1.0, {"hold", "sell"})])
def test_only_what_can_be_done_from_the_present_weight_is_offered(weight: float, actions: set[str]) -> None:
    cases = bound(asked(situation().model_copy(update={"weight": weight})))["anyOf"]
    assert {case["properties"]["action"]["enum"][0] for case in cases} == actions


def test_the_weakest_reason_for_a_trade_outweighs_all_against_it() -> None:
    cases = [case["properties"] for case in bound(asked(situation().model_copy(update={"weight": 0.5})))["anyOf"]]
    trades = [case for case in cases if case["action"]["enum"] != ["hold"]]
    assert len(trades) == 5
    for case in trades:
        for_, against = case["reasons_for"], case["reasons_against"]
        least = for_["minItems"] * min(for_["items"]["properties"]["weight"]["enum"])
        assert least > against["maxItems"] * max(against["items"]["properties"]["weight"]["enum"])


def test_the_order_of_the_fields_stays_and_every_case_has_all_of_them() -> None:
    request = asked(situation())
    for case in bound(request)["anyOf"]:
        assert list(case["properties"]) == list(request.answer_schema["properties"]) == case["required"]


def test_other_questions_keep_their_schema() -> None:
    request = decide().model_copy(update={"purpose": "lessons"})
    assert bound(request) is request.answer_schema
