"""The Prompts page: a set is read, copied, edited, checked, compared and deleted, and nothing typed is lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from agent.decision.prompt_set import Line, PromptSet, diff, shipped
from services import prompts
from services.settings import settings
from tests.pages.conftest import address
from ui import prompt_diff, prompt_sets


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def press(at: AppTest, key: str) -> AppTest:
    next(item for item in at.button if item.key == key).click().run()
    assert not at.exception, at.exception
    return at


def words(at: AppTest) -> str:
    kinds = (at.text, at.code, at.caption, at.subheader, at.markdown, at.warning, at.success, at.info)
    return "\n".join(str(item.value) for kind in kinds for item in kind)


def typed(at: AppTest, old: str, new: str) -> AppTest:
    body = at.text_area[0].value
    assert old in body
    at.text_area[0].set_value(body.replace(old, new)).run()
    assert not at.exception, at.exception
    return at


def links(at: AppTest) -> list[str]:
    return [f"{item.proto.page}?{item.proto.query_string}" for item in at.get("page_link")]


def test_a_first_visitor_reads_the_shipped_rules_with_their_words_explained(home, open_page):
    at = open_page("prompts")
    said = words(at)
    assert address(at, "set") == "default" and shipped().texts["decide_system"].splitlines()[0] in said
    assert "`$keys` the keys of the answer, in their order" in said and "tokens before the words are filled in" in said
    assert not at.text_area, "the shipped set is read only"
    assert any("prompts=default" in link for link in links(at))


def test_a_copy_opens_in_the_editor_under_a_free_name(home, open_page):
    at = open_page("prompts")
    assert at.text_input[0].value == "mine"
    press(at, "prompt_copy_yes")
    assert address(at, "set") == "mine" and at.text_area[0].value == shipped().texts["decide_system"]
    assert "mine is yours to edit" in words(at) and "Nothing wrong with this template" in words(at)
    assert prompts.get("mine").hash == shipped().hash
    at.text_input[0].set_value("a/b").run()
    press(at, "prompt_copy_yes")
    assert "is no name for a prompt set" in words(at) and [item.name for item in prompts.sets()] == ["default", "mine"]


def test_a_mistake_is_named_beside_the_template_and_cannot_be_saved(home, open_page):
    prompts.copy("default", "mine")
    at = typed(open_page("prompts", set="mine"), "$keys", "$kyes for $5")
    said = words(at)
    assert ": nothing fills in $kyes; did you mean $keys?" in said and "write $$" in said and "✗ error" in said
    press(at, "prompt_save")
    assert "cannot be used" in words(at) and prompts.get("mine").hash == shipped().hash
    typed(at, "$kyes for $5", "$keys, for $$5")
    press(at, "prompt_save")
    assert "Saved as wording" in words(at) and "Everything is saved." in words(at)
    assert "for $$5" in prompts.get("mine").texts["decide_system"] and len(prompts.versions("mine")) == 2


def test_unsaved_edits_survive_a_look_at_another_template_and_another_page(home, open_page):
    prompts.copy("default", "mine")
    at = typed(open_page("prompts", set="mine"), "hold keeps it", "hold LEAVES it")
    assert "Unsaved: decide_system." in words(at)
    at.query_params["template"] = "study_system"
    at.run()
    assert "You are studying" in at.text_area[0].value
    at.switch_page("pages/data.py").run()
    at.switch_page("pages/prompts.py")
    at.query_params.clear()
    at.run()
    assert not at.exception and address(at, "set") == "mine", "the set last looked at is still the one"
    assert "hold LEAVES it" in at.text_area[0].value
    press(at, "prompt_discard")
    assert "Throw away" in words(at)
    press(at, "prompt_discard_yes")
    assert "hold keeps it" in at.text_area[0].value and "Everything is saved." in words(at)


def test_the_example_day_is_read_with_the_unsaved_words(home, open_page):
    prompts.copy("default", "mine")
    at = typed(open_page("prompts", set="mine"), "Rules:", "House rules of $company:")
    at.query_params["part"] = "reads"
    at.run()
    said = words(at)
    assert "House rules of Northwark Pumps:" in said and "With the unsaved edits." in said and "[N2] 2025-03-04 <<<" in said
    assert "readable 2025-03-04 19:40 UTC" in said, "the newest of the two news items"
    at.query_params["view"] = "sent"
    at.run()
    assert len(at.code) == 2 and at.code[0].value.startswith("You are a risk-averse trader")


def test_a_template_that_cannot_be_filled_says_so_instead_of_an_example(home, open_page):
    prompts.copy("default", "mine")
    at = typed(open_page("prompts", set="mine"), "Rules:", "Rules $of:")
    at.query_params["part"] = "reads"
    at.run()
    assert not at.exception and "cannot be filled" in words(at)


def test_a_comparison_shows_the_words_that_changed_with_signs_and_no_colour_needed(home, open_page):
    first = prompts.copy("default", "mine")
    prompts.save("mine", {**first.texts, "decide_system": first.texts["decide_system"].replace("hold keeps it", "hold leaves it")})
    at = open_page("prompts", set="mine", part="compare")
    body = at.code[0].value
    assert len(at.code) == 1, "templates that are the same are left out"
    assert any(item.value.startswith("- action: buy raises the position, sell lowers it, hold {+leaves+} it.") for item in at.text)
    number = 1 + next(n for n, line in enumerate(first.texts["decide_system"].split("\n")) if "hold keeps it" in line)
    for sign in "−+":
        assert any(f"badge[{sign} {number}]" in item.value for item in at.markdown), "sign and number stand beside it"
    assert "\n- - action: buy raises the position, sell lowers it, hold [−keeps−] it." in body
    assert "\n+ - action: buy raises the position, sell lowers it, hold {+leaves+} it." in body and "equal lines" in body
    at.query_params["show"] = "all"
    at.run()
    assert len(at.code) == len(shipped().texts) and "…" not in at.code[0].value
    at = open_page("prompts", set="mine", part="compare", **{"with": f"mine@{first.hash}"})
    assert f"wording {first.hash[:8]} of" in words(at) and "{+leaves+}" in at.code[0].value
    at = open_page("prompts", set="mine", part="compare", **{"with": "run:none"})
    assert "run:none" in words(at) or "none" in words(at)
    at = open_page("prompts", set="mine", part="compare", **{"with": "nobody"})
    assert "There is no “nobody” to compare with" in words(at)


def test_with_one_set_there_is_nothing_to_compare_and_the_page_says_what_to_do(home, open_page):
    assert "Nothing to compare with yet" in words(open_page("prompts", part="compare"))


def test_history_lists_each_wording_and_the_present_one_first(home, open_page):
    first = prompts.copy("default", "mine")
    saved = prompts.save("mine", {**first.texts, "study_system": first.texts["study_system"] + "Be brief.\n"})
    at = open_page("prompts", set="mine", part="history")
    table = next(item.value for item in at.dataframe if "since then" in item.value.columns)
    assert list(table["wording"]) == [saved.hash[:8], first.hash[:8]] and list(table["since then"]) == ["as it is now", "−0 +1 lines"]
    assert "None yet." in words(at)


def test_a_run_links_from_the_wording_it_was_asked_with(run, open_page):
    at = open_page("prompts", part="history")
    assert any("overview" in link and run in link for link in links(at))


def test_deleting_asks_first_and_can_be_taken_back(home, open_page):
    prompts.copy("default", "mine")
    at = press(open_page("prompts", set="mine"), "prompt_delete")
    assert "goes to the trash" in words(at) or "go to the trash" in words(at)
    press(at, "prompt_delete_no")
    assert [item.name for item in prompts.sets()] == ["default", "mine"]
    press(press(at, "prompt_delete"), "prompt_delete_yes")
    assert [item.name for item in prompts.sets()] == ["default"] and address(at, "set") == "default"
    press(at, "prompt_undo")
    assert address(at, "set") == "mine" and prompts.get("mine").hash == shipped().hash


def test_a_save_on_top_of_another_windows_save_is_refused_and_the_edit_stays(home, open_page):
    first = prompts.copy("default", "mine")
    at = typed(open_page("prompts", set="mine"), "hold keeps it", "hold LEAVES it")
    prompts.save("mine", {**first.texts, "study_system": first.texts["study_system"] + "Be brief.\n"})
    press(at, "prompt_save")
    assert "was changed elsewhere" in words(at) and "hold LEAVES it" in at.text_area[0].value
    assert "hold LEAVES it" not in prompts.get("mine").texts["decide_system"]


def test_a_set_whose_file_is_no_text_is_explained_and_takes_no_other_down(home, open_page):
    first = prompts.copy("default", "mine")
    (home / "prompts" / "mine" / "decide_system.txt").write_bytes(b"\xff\xfe\x00")
    at = open_page("prompts", set="mine")
    said = words(at)
    assert "is not UTF-8 text" in said and str(home / "prompts") in said
    table = next(item.value for item in at.dataframe if "since then" in item.value.columns)
    assert list(table["wording"]) == [first.hash[:8]], "the earlier wording can be brought back"
    assert open_page("prompts", set="default").code


def test_a_wrong_name_in_the_address_is_a_sentence(home, open_page):
    prompts.copy("default", "cautious")
    at = open_page("prompts", set="causious", template="nope", part="nope")
    assert "There is no prompt set “causious” here. Did you mean cautious?" in words(at)
    assert at.code[0].value.startswith("You are $persona")


def test_markup_in_a_template_stays_text(home, open_page):
    hostile = "![x](http://evil.test/a.png) <img src=x onerror=alert(1)> $$x^2$$ [a](javascript:1)\u202e\n"
    first = prompts.copy("default", "mine")
    prompts.save("mine", {**first.texts, "decide_system": hostile + first.texts["decide_system"]})
    for part in ("templates", "reads", "compare", "history"):
        at = open_page("prompts", set="mine", part=part)
        shown = "\n".join(str(item.value) for kind in (at.markdown, at.caption, at.subheader, at.warning, at.success) for item in kind)
        assert "evil" not in shown and "onerror" not in shown
        assert "\u202e" not in "\n".join(str(item.value) for kind in (at.text, at.code) for item in kind)


def test_a_free_name_is_one_nobody_has():
    assert prompt_sets.free_name("default", ["default"]) == "mine"
    assert prompt_sets.free_name("default", ["default", "Mine"]) == "mine-2"
    assert prompt_sets.free_name("x" * 40, ["x" * 36]) == "x" * 36 + "-2"


def test_equal_lines_are_folded_and_counted():
    one = PromptSet(texts={"t": "a\nb\nc\nd\ne\nf\n"})
    other = PromptSet(texts={"t": "a\nb\nc\nd\ne\nNEW\n"})
    (item,) = diff(one, other)
    assert prompt_diff.written(item.lines, whole=False) == "… 4 equal lines\n  e\n- f\n+ NEW"
    assert prompt_diff.written(item.lines, whole=True) == "  a\n  b\n  c\n  d\n  e\n- f\n+ NEW"
    same = Line(sign=" ", one=1, other=1, parts=(("x", False),))
    assert prompt_diff.written([same], whole=False) == "… 1 equal line"
