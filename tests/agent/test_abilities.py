"""The probe judges form strictly, keeps reasons, and learns nothing from a server that is not there."""

from __future__ import annotations

import json
from collections.abc import Callable

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Unavailable
from agent.llm.abilities import (
    FORM,
    QUESTION,
    READING,
    Abilities,
    CannotDo,
    Heard,
    Trial,
    after_thinking,
    choose,
    fault,
    keep,
    known,
    probe,
)
from agent.llm.base import WAYS, NoNotes

GOOD = '{"verdict": "rise", "strength": 7, "sources": ["N1"]}'


def able(trial: Trial) -> Heard:
    """A model that can do everything."""
    if trial.temperature:
        return Heard(text=f"Boat {trial.seed}", answer_tokens=10, answer_s=0.5)
    text = GOOD if trial.form else f"Here it is:\n```json\n{GOOD}\n```"
    return Heard(
        text=text,
        thinking="Sales rose." if trial.think else "",
        prompt_tokens=400 if trial.messages == READING else 100,
        prompt_s=0.1,
        answer_tokens=20,
        answer_s=1.0,
    )


def but(change: Callable[[Trial, Heard], Heard]) -> Callable[[Trial], Heard]:
    return lambda trial: change(trial, able(trial))


def probed(ask: Callable[[Trial], Heard], *, may_think: bool | None = True) -> Abilities:
    return probe(ask, digest="d", server_version="1", may_think=may_think, context_length=2048, now="2025-01-02T00:00:00Z")


def test_a_model_that_can_do_everything_passes_every_way_and_its_speed_is_measured() -> None:
    found = probed(able)
    assert found.ways == dict.fromkeys(WAYS, True) and found.why == {} and found.note == ""
    assert found.thinks and found.seed_repeats is True and found.context_length == 2048
    assert found.prompt_tokens_per_s == 4000.0
    assert found.answer_tokens_per_s == round((7 * 20 + 3 * 10) / (7 * 1.0 + 3 * 0.5), 1)
    assert found.characters_per_token == round(len(READING[0].content) / 400, 3)
    assert [choose(found, think=think) for think in (True, False)] == ["think + schema", "schema"]


@pytest.mark.parametrize(
    ("text", "strict", "free"),
    [
        (GOOD, True, True),
        (f" \n{GOOD}\n", True, True),
        (f"Sure! {GOOD}", False, True),
        (f"```json\n{GOOD}\n```", False, True),
        ('{"verdict": "up"} or rather ' + GOOD, False, True),
        (GOOD[:-1], False, False),
        ("", False, False),
        ("rise", False, False),
        (f"[{GOOD}]", False, False),
        ('{"verdict": "rise", "strength": 7}', False, False),
        (GOOD[:-1] + ', "more": 1}', False, False),
        (GOOD.replace("rise", "Rise"), False, False),
        (GOOD.replace("7", "11"), False, False),
        (GOOD.replace("7", "7.5"), False, False),
        (GOOD.replace("7", "true"), False, False),
        (GOOD.replace('"N1"', ""), False, False),
        (GOOD.replace('"N1"', '"N3"'), False, False),
        (GOOD.replace('["N1"]', '"N1"'), False, False),
        (GOOD.replace('"N1"', '["N1"]'), False, False),
    ],
)
def test_only_the_form_asked_for_passes(text: str, strict: bool, free: bool) -> None:
    assert (fault(text, strict=True) == "") is strict
    assert (fault(text, strict=False) == "") is free


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 12) | st.sampled_from(["rise", "fall", "N1", "N2"]), st.lists, max_leaves=4
)


@given(st.fixed_dictionaries({}, optional={"verdict": values, "strength": values, "sources": values, "x": values}))
def test_the_judge_and_the_schema_agree(value: dict[str, object]) -> None:
    fits = jsonschema.Draft202012Validator(FORM).is_valid(value)
    assert (fault(json.dumps(value), strict=True) == "") is fits


def test_a_schema_that_is_not_enforced_is_found_out_and_the_next_way_is_taken() -> None:
    found = probed(but(lambda t, heard: heard.model_copy(update={"text": f"Well: {GOOD}"}) if t.form == "schema" else heard))
    assert (found.ways["schema"], found.ways["json"]) == (False, True) and "it answered 'Well:" in found.why["schema"]
    assert choose(found, think=False) == choose(found, think=True) == "json"
    assert "cannot keep to a schema" in found.note


def test_a_model_that_answers_only_in_prose_is_looked_for_in_free_text() -> None:
    found = probed(but(lambda t, heard: heard.model_copy(update={"text": f"Well: {GOOD}"})))
    assert choose(found, think=True) == "free" and "free text" in found.note


def test_where_nothing_works_the_tightest_way_the_server_takes_is_left_and_people_are_told() -> None:
    useless = probed(but(lambda t, heard: heard.model_copy(update={"text": "Nice weather."})))
    assert not any(useless.ways.values()) and choose(useless, think=True) == "schema" and "many days without" in useless.note

    def refuses(trial: Trial) -> Heard:
        if trial.form == "schema":
            raise CannotDo("invalid JSON schema in format")
        return able(trial).model_copy(update={"text": "Nice weather."})

    assert choose(probed(refuses), think=False) == "json"


def test_a_refusal_marks_the_way_with_its_reason_and_the_rest_is_still_tested() -> None:
    def ask(trial: Trial) -> Heard:
        if trial.think:
            raise CannotDo("the model cannot think")
        return able(trial)

    found = probed(ask)
    assert [way for way in WAYS if found.ways[way]] == ["schema", "json", "free"] and not found.thinks
    assert found.why["think + schema"] == "the model cannot think"


def test_thinking_and_form_that_break_together_leave_one_after_the_other() -> None:
    def ask(trial: Trial) -> Heard:
        heard = able(trial)
        return heard.model_copy(update={"text": ""}) if trial.think and trial.form else heard

    found = probed(ask)
    assert found.why["think + schema"] == "it said nothing"
    assert choose(found, think=True) == "think, then schema"


def test_a_thinker_that_never_ends_is_still_asked_for_its_answer_with_the_thoughts_it_had() -> None:
    asked: list[Trial] = []

    def ask(trial: Trial) -> Heard:
        asked.append(trial)
        return able(trial).model_copy(update={"finished": False, "text": ""}) if trial.think else able(trial)

    found = probed(ask)
    assert found.why["think + schema"] == "it had not finished after 1024 tokens" and found.ways["think, then schema"]
    second = next(trial for trial in asked if len(trial.messages) > len(QUESTION))
    assert second.messages == after_thinking(QUESTION, "Sales rose.", cut=True) and not second.think
    assert "as far as there was room" in second.messages[-1].content


def test_who_does_not_think_when_told_to_has_no_thinking_way() -> None:
    found = probed(but(lambda t, heard: heard.model_copy(update={"thinking": ""})), may_think=None)
    assert found.why["think + schema"] == found.why["think, then schema"] == "it did not think" and not found.thinks


def test_a_model_known_not_to_think_is_not_asked_to() -> None:
    asked: list[Trial] = []
    found = probed(lambda trial: asked.append(trial) or able(trial), may_think=False)  # type: ignore[func-returns-value]
    assert not any(trial.think for trial in asked) and found.why["think + schema"] == "the model cannot think"


def test_a_seed_that_gives_other_words_each_time_does_not_repeat() -> None:
    counter = iter(range(99))
    found = probed(but(lambda t, heard: heard.model_copy(update={"text": f"Boat {next(counter)}"}) if t.temperature else heard))
    assert found.seed_repeats is False


def test_the_same_words_for_every_seed_show_nothing() -> None:
    found = probed(but(lambda t, heard: heard.model_copy(update={"text": "Boat"}) if t.temperature else heard))
    assert found.seed_repeats is None and found.why["seed"] == "every seed gave the same words"


@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_server_that_dies_is_unavailable_and_nothing_is_found(after: int) -> None:
    asked: list[Trial] = []

    def ask(trial: Trial) -> Heard:
        asked.append(trial)
        if len(asked) > after:
            raise Unavailable("Ollama is not running.", cure="Start it.")
        return able(trial)

    with pytest.raises(Unavailable, match="not running"):
        probed(ask)


def test_a_model_that_refuses_a_plain_question_is_unavailable() -> None:
    def ask(trial: Trial) -> Heard:
        raise CannotDo("no chat template")

    with pytest.raises(Unavailable, match="plain question: no chat template"):
        probed(ask)


def test_counts_that_a_server_hides_are_unknown_not_zero() -> None:
    found = probed(lambda trial: Heard(text=able(trial).text, thinking=able(trial).thinking))
    assert (found.characters_per_token, found.prompt_tokens_per_s, found.answer_tokens_per_s) == (None, None, None)


def test_what_was_found_is_kept_per_digest_version_and_probe() -> None:
    notes, found = NoNotes(), probed(able)
    keep(notes, found)
    assert known(notes, "d", "1") == found
    assert known(notes, "d", "2") is None and known(notes, "e", "1") is None and known(notes, "", "1") is None
    assert notes.read("abilities", "d@1@1") == found.model_dump(mode="json")
    notes.write("abilities", "d@1@1", {"ways": 7})
    assert known(notes, "d", "1") is None
    keep(notes, found.model_copy(update={"digest": ""}))
    assert notes.read("abilities", "@1@1") is None


def test_hostile_words_of_a_model_become_one_short_printable_line() -> None:
    nasty = "<html><script>alert(1)</script>\n\x1b[31m" + "x" * 5000
    found = probed(but(lambda t, heard: heard.model_copy(update={"text": nasty})))
    assert all(len(why) < 150 and why.isprintable() and "<" not in why for why in found.why.values())
