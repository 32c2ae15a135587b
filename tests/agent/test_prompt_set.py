"""A prompt set says what is wrong with it before a run finds out, and how it differs from another."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.decision.prompt_set import LONG, LONGEST, WORDS, PromptSet, check, diff, problems, shipped, used, words
from agent.errors import SpecError


def changed(template: str = "decide_system", old: str = "", new: str = "", **texts: str) -> PromptSet:
    """The shipped set with one phrase replaced."""
    before = shipped().texts[template]
    assert old in before
    return PromptSet(name="mine", texts={**shipped().texts, template: before.replace(old, new) if old else before, **texts})


def line_of(phrase: str, template: str = "decide_system") -> int:
    return 1 + next(n for n, line in enumerate(shipped().texts[template].split("\n")) if phrase in line)


def errors(prompts: PromptSet) -> list[str]:
    return [item.message for item in problems(prompts) if item.level == "error"]


def warnings(prompts: PromptSet) -> list[str]:
    return [item.message for item in problems(prompts) if item.level == "warning"]


# ------------------------------------------------------------------------------------------------------------------ the check


def test_nothing_is_wrong_with_the_shipped_set():
    assert problems(shipped()) == ()


def test_every_word_of_a_shipped_template_is_explained():
    for template, text in shipped().texts.items():
        assert set(used(text)) <= set(WORDS[template]) and all(word.meaning for word in words(template).values())


def test_a_misspelt_word_is_named_with_its_line_and_the_word_that_was_meant():
    found = problems(changed(old="$persona", new="$personna"))
    line = line_of("$persona")
    assert [(item.word, item.line, item.level) for item in found] == [("personna", line, "error"), ("persona", 0, "warning")]
    assert (
        found[0].message == f"decide_system, line {line}: nothing fills in $personna; did you mean $persona? A dollar sign is written $$."
    )


def test_capitals_make_another_word():
    assert "nothing fills in $Ticker; did you mean $ticker?" in errors(changed(old="Rules:", new="Rules for $Ticker:"))[0]


def test_a_word_of_another_template_is_refused():
    assert "nothing fills in $keys" in errors(changed("lessons_system", old="$ticker", new="$ticker $keys"))[0]


def test_an_answer_without_its_keys_is_an_error_and_a_left_out_rule_a_warning():
    assert "$keys must be used" in errors(changed(old="$keys", new="the usual keys"))[0]
    lost = changed(old="$stops", new="")
    assert errors(lost) == [] and "in runs with stops the model is then not told their rule" in warnings(lost)[0]
    assert "does not name the key opposing" in errors(changed("study_system", old="opposing", new="against"))[0]


@pytest.mark.parametrize(
    ("text", "wrong"), [("costs $5", True), ("a $ alone", True), ("end $", True), ("costs $$5", False), ("${ticker}s", False)]
)
def test_a_dollar_sign_that_begins_no_word_is_found_and_two_are_one_dollar(text, wrong):
    found = errors(changed(old="Rules:", new=f"Rules: {text}"))
    assert bool(found) is wrong
    assert not found or (f"line {line_of('Rules:')}:" in found[0] and "write $$" in found[0])


def test_an_empty_and_a_far_too_long_template_are_errors_a_long_one_a_warning():
    assert "is empty" in errors(changed(decide_system=" \n"))[0]
    base = shipped().texts["decide_system"]
    assert "at most 20,000" in errors(changed(decide_system=base + "x" * LONGEST))[0]
    long = changed(decide_system=base + "x" * LONG)
    assert errors(long) == [] and "small models" in warnings(long)[0]


def test_dropping_the_sentence_on_material_is_a_warning():
    for template in shipped().texts:
        found = problems(changed(template, old="<<<", new="the marks"))
        assert [(item.template, item.level, item.word) for item in found] == [(template, "warning", "<<< >>>")]


def test_a_control_character_is_found_by_its_number():
    assert "U+0007" in errors(changed(old="Rules:", new="Rules:\x07"))[0]
    assert errors(changed(old="Rules:", new="Rules:\t–„“")) == []


def test_a_file_that_is_no_template_is_said_to_be_never_sent():
    found = changed(notes="remember $5 for coffee")
    assert errors(found) == [] and "never sent" in warnings(found)[0]


def test_a_missing_template_is_an_error_until_the_shipped_text_stands_in_for_it():
    texts = {name: text for name, text in shipped().texts.items() if name != "lessons_system"}
    old = PromptSet(name="old", texts=texts)
    assert old.borrowed == ("lessons_system",) and "lessons_system is missing" in errors(old)[0]
    whole = old.completed()
    assert whole.borrowed == () and whole.name == "old" and problems(whole) == ()
    assert whole.texts["lessons_system"] == shipped().texts["lessons_system"] and whole.hash == shipped().hash
    with pytest.raises(SpecError, match="lessons_system is missing"):
        check(old)


def test_a_check_says_at_most_three_things_and_how_many_more():
    bad = PromptSet(name="bad", texts={**shipped().texts, "decide_system": "$a $b $c $d $keys <<< >>>"})
    with pytest.raises(SpecError, match=r"'bad' cannot be used.*\$a.*And 1 more") as caught:
        check(bad)
    assert caught.value.field == "prompts"


SCRAPS = st.lists(
    st.sampled_from(["$", "$$", "$keys", "${ticker}", "${", "}", "$5", "$Keys", "$nope", " ", "\n", "a", "é", "<<< >>>"]), max_size=12
)


@given(SCRAPS)
@settings(max_examples=150, deadline=None)
def test_a_set_without_an_error_can_always_be_filled(scraps):
    text = "".join(scraps)
    prompts = PromptSet(name="any", texts={**shipped().texts, "decide_system": text})
    values = dict.fromkeys(words("decide_system"), "x")
    if not errors(prompts):
        prompts.fill("decide_system", **values)
    else:
        told = "\n".join(errors(prompts))
        if "$keys must" not in told and "empty" not in told:
            with pytest.raises(SpecError):
                prompts.fill("decide_system", **values)


# -------------------------------------------------------------------------------------------------------------- the difference


def test_a_set_does_not_differ_from_itself():
    assert {item.state for item in diff(shipped(), shipped())} == {"same"}
    assert all(line.sign == " " and line.one == line.other for item in diff(shipped(), shipped()) for line in item.lines)


def test_a_changed_line_is_shown_twice_with_only_its_words_marked():
    found = {item.template: item for item in diff(shipped(), changed(old="hold keeps it.", new="hold leaves it."))}
    item, line = found["decide_system"], line_of("hold keeps it.")
    assert (item.state, item.added, item.removed) == ("changed", 1, 1)
    gone, come = (line for line in item.lines if line.sign != " ")
    assert (gone.sign, gone.one, gone.other, come.sign, come.one, come.other) == ("-", line, 0, "+", 0, line)
    assert [part for part, new in gone.parts if new] == ["keeps"] and [part for part, new in come.parts if new] == ["leaves"]


def test_a_line_that_came_in_before_a_changed_one_does_not_hide_what_changed():
    one = PromptSet(texts={"t": "the quick brown fox jumps\n"})
    other = PromptSet(texts={"t": "$$$ %%% &&&\nthe quick red fox jumps\n"})
    come = [line for line in diff(one, other)[0].lines if line.sign == "+"]
    assert [line.other for line in come] == [1, 2]
    assert [part for part, new in come[1].parts if new] == ["red"]


def test_a_template_only_one_set_has_is_added_or_removed():
    more = PromptSet(texts={**shipped().texts, "extra": "one\ntwo\n"})
    assert {item.template: (item.state, item.added) for item in diff(shipped(), more)}["extra"] == ("added", 2)
    assert {item.template: (item.state, item.removed) for item in diff(more, shipped())}["extra"] == ("removed", 2)


LINES = st.lists(st.text(alphabet="ab $\t", max_size=6), max_size=8).map(lambda lines: "".join(f"{line}\n" for line in lines))


@given(LINES, LINES)
@settings(max_examples=150, deadline=None)
def test_both_texts_can_be_read_back_from_their_difference(one, other):
    lines = diff(PromptSet(texts={"t": one}), PromptSet(texts={"t": other}))[0].lines
    assert [line.text for line in lines if line.sign in " -"] == one.splitlines()
    assert [line.text for line in lines if line.sign in " +"] == other.splitlines()
    assert [line.one for line in lines if line.one] == list(range(1, len(one.splitlines()) + 1))
    assert [line.other for line in lines if line.other] == list(range(1, len(other.splitlines()) + 1))


def test_two_very_long_texts_are_compared_at_once():
    one = PromptSet(texts={"t": "a b " * 50_000 + "\n" + "\n" * 5_000})
    other = PromptSet(texts={"t": "a c " * 50_000 + "\n" + "x\n" * 5_000})
    assert diff(one, other)[0].state == "changed"


def test_the_hash_is_of_the_texts_and_not_of_the_name():
    assert PromptSet(name="a", texts={"t": "x"}).hash == PromptSet(name="b", texts={"t": "x"}).hash
    assert PromptSet(texts={"t": "x"}).hash != PromptSet(texts={"t": "y"}).hash != PromptSet(texts={"u": "y"}).hash
    assert re.fullmatch("[0-9a-f]{16}", shipped().hash)
