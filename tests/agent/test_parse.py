"""Every validation rule of a decision has an answer that passes it and one that fails it (design: agent.md, section 4)."""

import json
from datetime import date
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.decision.parse import find_object, read_decision, read_lessons, read_study
from agent.decision.schema import decision_schema, labels
from agent.errors import DecisionError
from agent.llm.base import LessonFacts, MemoryFact, Situation, StudyFacts, TextFact


def memory(number: int, layer: str = "short", text: str = "orders ahead of plan") -> MemoryFact:
    return MemoryFact(
        id=number, layer=layer, kind="news", title=text, text=text, publisher="Wire", event_day=date(2022, 3, 1), sessions_ago=2, score=1.5
    )


def situation(**changes) -> Situation:
    base = Situation(
        ticker="DMAUR",
        company="Aurelion",
        session=date(2022, 3, 3),
        next_session=date(2022, 3, 4),
        as_of="2022-03-03T21:00:00Z",
        news=(TextFact(label="N1", title="News", text="", publisher="Wire", published=date(2022, 3, 3)),),
        memories=(memory(12), memory(40), memory(3, "long")),
        weight=0.2,
        cash=80_000,
        equity=100_000,
    )
    return base.model_copy(update=changes)


GOOD = {
    "symbol": "DMAUR",
    "as_of": "2022-03-03T21:00:00Z",
    "character": "risk_seeking",
    "reasons_for": [{"claim": "orders run ahead", "weight": 7, "basis": ["M12", "N1"]}],
    "reasons_against": [{"claim": "an old risk factor", "weight": 2, "basis": ["M3"]}],
    "cited": {"short": [12], "long": [3]},
    "probabilities": {"up": 0.5, "flat": 0.2, "down": 0.3},
    "expected_direction": "up",
    "action": "buy",
    "target_weight": 0.8,
    "confidence": 0.62,
    "horizon_sessions": 5,
    "invalidation": "Orders fall behind plan.",
    "summary": "Orders run ahead of plan.",
}


def read(answer: dict, where: Situation | None = None):
    return read_decision(json.dumps(answer), where or situation())


def changed(**changes) -> dict:
    return {**GOOD, **changes}


def test_a_good_answer_becomes_the_decision_it_says():
    decision = read(GOOD)
    assert (decision.action, decision.target_weight, decision.confidence) == ("buy", 0.8, 0.62)
    assert decision.cited == {"short": (12,), "long": (3,)}
    assert decision.reasons_for[0].memories == (12,) and decision.reasons_for[0].facts == ("N1",)
    assert decision.abstained is None and decision.clipped_by == ()


@pytest.mark.parametrize("word", ["BUY", " buy ", "Buy"])
def test_an_action_is_read_whatever_its_case(word):
    assert read(changed(action=word)).action == "buy"


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"action": "accumulate"}, "action"),
        ({"action": "sell!"}, "action"),
        ({"extra": 1}, "unknown key"),
        ({"target_weight": 1.2}, "target_weight"),
        ({"target_weight": -0.1, "action": "sell"}, "target_weight"),
        ({"target_weight": 0.1}, "above the present weight"),
        ({"action": "sell", "target_weight": 0.5}, "below the present weight"),
        ({"action": "hold", "target_weight": 0.5}, "a hold keeps the present weight"),
        ({"confidence": 1.4}, "confidence"),
        ({"probabilities": {"up": 0.9, "flat": 0.2, "down": 0.3}}, "sum"),
        ({"probabilities": {"up": 0.7, "down": 0.3}}, "needs up, flat and down"),
        ({"expected_direction": "down"}, "not the most probable"),
        ({"probabilities": {"up": 0.2, "flat": 0.2, "down": 0.6}, "expected_direction": "down"}, "a buy needs"),
        ({"cited": {"short": [99]}}, "was not shown"),
        ({"cited": {"long": [12]}}, "belongs to layer short"),
        ({"reasons_for": [{"claim": "x", "weight": 7, "basis": ["M99"]}]}, "was not shown"),
        ({"reasons_for": [{"claim": "x", "weight": 7.5, "basis": []}]}, "weight"),
        ({"reasons_for": [{"claim": "x", "weight": 11, "basis": []}]}, "weight"),
        ({"reasons_for": [{"claim": "x", "weight": 2, "basis": []}]}, "contradicts itself"),
        ({"reasons_against": []}, "reasons_against"),
        ({"reasons_for": []}, "reasons_for"),
        ({"horizon_sessions": 0}, "horizon_sessions"),
        ({"horizon_sessions": 61}, "horizon_sessions"),
        ({"summary": " "}, "summary"),
        ({"invalidation": ""}, "invalidation"),
        ({"symbol": "AAPL"}, "symbol"),
        ({"as_of": "2022-03-04T21:00:00Z"}, "as_of"),
        ({"character": "risk_averse"}, "character"),
    ],
)
def test_an_answer_that_breaks_a_rule_is_refused_with_the_rule_in_words(change, part):
    with pytest.raises(DecisionError, match=part):
        read(changed(**change))


def test_a_number_that_is_not_finite_is_refused():
    with pytest.raises(DecisionError):
        read_decision(json.dumps(GOOD).replace("0.62", "NaN"), situation())
    with pytest.raises(DecisionError):
        read_decision(json.dumps(GOOD).replace("0.62", "1e999"), situation())


def test_a_hold_near_the_present_weight_is_snapped_to_it():
    decision = read(changed(action="hold", target_weight=0.205))
    assert decision.action == "hold" and decision.target_weight == 0.2


def test_too_little_confidence_turns_a_trade_into_a_hold_and_says_so():
    decision = read(changed(confidence=0.4))
    assert decision.action == "hold" and decision.target_weight == 0.2 and decision.clipped_by == ("confidence",)
    assert read(changed(confidence=0.5)).action == "buy"


def test_without_memories_no_reason_is_demanded_on_either_side():
    bare = situation(memories=())
    answer = changed(cited={}, reasons_for=[{"claim": "trend", "weight": 3, "basis": ["P"]}], reasons_against=[])
    assert read(answer, bare).action == "buy"


def test_memories_named_only_in_reasons_count_as_cited():
    assert read(changed(cited={})).cited == {"short": (12,), "long": (3,)}


def test_stops_are_demanded_and_ordered_only_where_the_run_uses_them():
    stops = situation(stops=True)
    with pytest.raises(DecisionError, match="stop_loss_pct"):
        read(GOOD, stops)
    with pytest.raises(DecisionError, match="smaller"):
        read(changed(stop_loss_pct=0.1, take_profit_pct=0.05), stops)
    with pytest.raises(DecisionError, match="stop_loss_pct"):
        read(changed(stop_loss_pct=0.3, take_profit_pct=0.5), stops)
    assert read(changed(stop_loss_pct=0.04, take_profit_pct=0.08), stops).stop_loss_pct == 0.04


def test_a_date_from_the_future_that_no_text_announces_is_flagged_but_a_due_date_is_not():
    assert read(changed(summary="It rallied on 2022-04-01.")).flags
    assert not read(changed(summary="Results are due on 2022-04-01.")).flags
    told = situation(memories=(memory(12, text="meeting of 2022-04-01"), memory(3, "long")))
    assert not read(changed(summary="It rallied on 2022-04-01."), told).flags


TEXT = json.dumps(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        "%s",
        "```json\n%s\n```",
        "```\n%s",
        "\ufeff%s\n",
        "\u0085%s\u0085",
        "Here is my decision:\n%s\nGood luck!",
        '<think>{"action": "sell"} no, rather</think>%s',
        'a draft: {"action": "sell", "target_weight": 0}</think>\n%s',
        "<thinking>so</thinking> <think>and so</think> %s",
        "%s <think> was that right? {",
        "set {a} and {{b}} and {} then %s",
        '{"note": "a small object"} %s',
        "[%s]",
    ],
)
def test_json_is_found_where_models_hide_it(text):
    assert find_object(text % TEXT, GOOD) == GOOD


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("\u0085 ", "empty"),
        ("buy", "not one JSON object"),
        ("[1, 2]", "not one JSON object"),
        ("null", "not one JSON object"),
        ('{"action": "buy"', r"not one JSON object: Expecting ',' delimiter \(character 17\)"),
        (f"<think>{TEXT}", "all of it is thinking"),
        (f"<think>{TEXT}</think>", "all of it is thinking"),
        (f"<think>a</think><THINK>{TEXT}", "all of it is thinking"),
        (TEXT[:-1] + ",}", "not one JSON object"),
        (f"Sure: {TEXT[:-1]},}}", "not one JSON object"),
        (TEXT.replace("0.62", "NaN"), "NaN is not JSON"),
        (TEXT.replace("0.62", "-Infinity"), "-Infinity is not JSON"),
        (TEXT.replace('"DMAUR"', "'DMAUR'"), "not one JSON object"),
        (TEXT[: len(TEXT) // 2], "not one JSON object"),
        (f"{TEXT}\nOr better:\n{TEXT[:200]}", "not one JSON object"),
        (TEXT[:-1] + ', "action": "sell"}', "action: stands in the answer twice"),
        (TEXT.replace('"up": 0.5', '"up": 0.5, "up": 0.6'), "up: stands in the answer twice"),
        (TEXT.replace("0.62", "9" * 5000), "not one JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 30_000, "nested too deeply"),
        ("x " + '{"a":[' * 30_000, "nested too deeply"),
        ("x" * 200_001, "200,001 characters"),
    ],
)
def test_what_holds_no_whole_object_is_refused_and_never_mended(text, why):
    with pytest.raises(DecisionError, match=why):
        find_object(text, GOOD)


def test_a_long_answer_of_braces_is_refused_without_going_back_and_forth():
    began = process_time()
    for text in ("{" * 200_000, "{a" * 100_000, '{"a' * 60_000, '{"a":1,"b":2}' * 15_000):
        with pytest.raises(DecisionError):
            read_decision(text, situation())
    assert process_time() - began < 30  # going back and forth would take hours


def test_the_last_of_several_drafts_counts_and_the_decision_says_so():
    text = f"First: {json.dumps(changed(confidence=0.9))} No: {TEXT}"
    decision = read_decision(text, situation())
    assert decision.confidence == 0.62
    assert decision.flags == ("the answer holds 2 different objects with the same action; the last one counts",)
    assert read_decision(f"{TEXT} {TEXT}", situation()).flags == ()
    assert read_decision(f"{TEXT} {json.dumps({'a': 1, 'b': 2})}", situation()).action == "buy"


def test_between_drafts_with_different_actions_no_direction_is_guessed():
    with pytest.raises(DecisionError, match="different actions"):
        read_decision(f"{json.dumps(changed(action='sell', target_weight=0.1))} {TEXT}", situation())
    assert read_decision(f"{json.dumps(changed(action=' BUY'))} {TEXT}", situation()).action == "buy"


def test_an_object_that_lacks_keys_is_named_by_what_it_lacks():
    with pytest.raises(DecisionError, match="symbol: Field required"):
        read_decision('My answer: {"action": "buy", "confidence": 0.7}', situation())


@pytest.mark.parametrize("said", ["\\ud800", "\\udfff up"])
def test_half_a_character_is_refused_before_it_can_break_the_record(said):
    with pytest.raises(DecisionError) as error:
        read_decision(TEXT.replace("Orders run ahead of plan.", said), situation())
    str(error.value).encode()
    with pytest.raises(DecisionError) as error:
        read_decision(TEXT[:-1] + f', "{said}": 1}}', situation())
    str(error.value).encode()


def test_escapes_and_odd_line_ends_are_read_as_the_letters_they_stand_for():
    assert read_decision(TEXT.replace('"buy"', r'"\u0062uy"'), situation()).action == "buy"
    assert read_decision(TEXT.replace("of plan.", r"of plan \ud83d\ude80"), situation()).summary.endswith("plan 🚀")
    assert read_decision(TEXT.replace("of plan.", "of\u0085plan"), situation()).summary.endswith("of\u0085plan")


@pytest.mark.parametrize("value", ["1" + "0" * 400, "1e400", "true", "[[0.7]]", "null"])
def test_a_number_that_is_none_is_refused_in_words(value):
    for key, now in (("confidence", "0.62"), ("target_weight", "0.8")):
        with pytest.raises(DecisionError, match=key):
            read_decision(TEXT.replace(f'"{key}": {now}', f'"{key}": {value}'), situation())


@given(st.text(max_size=200), st.text(max_size=200))
def test_whatever_is_said_is_read_or_refused_in_words_that_can_be_stored(before, after):
    try:
        assert isinstance(find_object(before + TEXT + after, GOOD), dict)
    except DecisionError as error:
        assert str(error).encode()


def test_the_schema_offers_exactly_what_was_shown():
    schema = decision_schema(situation())
    basis = schema["properties"]["reasons_for"]["items"]["properties"]["basis"]["items"]["enum"]
    assert basis == labels(situation()) == ["M12", "M40", "M3", "N1", "P", "S"]
    assert schema["properties"]["cited"]["properties"]["short"]["items"]["enum"] == [12, 40]
    assert schema["required"] == list(schema["properties"])
    assert "$ref" not in json.dumps(schema)


def test_no_schema_ever_holds_an_empty_enum():
    assert '"enum": []' not in json.dumps(decision_schema(situation(memories=(), news=())))


def test_a_study_may_not_cite_what_was_not_shown_nor_one_memory_on_both_sides():
    facts = StudyFacts(situation=situation(), move=0.01, label="buy")
    assert read_study('{"summary": "s", "supporting": [12], "opposing": [3]}', facts).supporting == [12]
    with pytest.raises(DecisionError, match="was not shown"):
        read_study('{"summary": "s", "supporting": [99], "opposing": []}', facts)
    with pytest.raises(DecisionError, match="both"):
        read_study('{"summary": "s", "supporting": [12], "opposing": [12]}', facts)


def test_more_than_five_lessons_are_refused():
    facts = LessonFacts(ticker="DMAUR", session=date(2022, 3, 3), judged=())
    one = {"condition": "c", "action": "a", "evidence": "e"}
    assert len(read_lessons(json.dumps({"lessons": [one] * 5, "calibration": ""}), facts).lessons) == 5
    with pytest.raises(DecisionError):
        read_lessons(json.dumps({"lessons": [one] * 6, "calibration": ""}), facts)
