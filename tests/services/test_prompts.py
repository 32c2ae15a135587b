"""Prompt sets as a person handles them, and the runs that were asked with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.decision import prompt_set
from agent.decision.prompt_set import PromptSet, shipped
from agent.errors import SpecError
from agent.memory.layers import preset
from agent.spec import RunSpec
from commands import prompts as command
from services import prompt_example, prompts, queries, runs, worker
from services.settings import settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def edited(old: str = "hold keeps it", new: str = "hold leaves it") -> dict[str, str]:
    return {**shipped().texts, "decide_system": shipped().texts["decide_system"].replace(old, new)}


def asked_with(run: str, kept: object, **more: object) -> None:
    spec = RunSpec.read({"tickers": ["DMAUR"], "test": {"start": "2022-01-03", "end": "2022-01-05"}, "name": f"Run {run}"})
    runs.store().create(spec, run_id=run, provenance={"prompts": kept, **more})


def test_at_first_there_is_the_shipped_set_alone_and_it_cannot_be_changed():
    (only,) = prompts.sets()
    assert (only.name, only.own, only.usable, only.hash) == ("default", False, True, shipped().hash)
    for change in (
        lambda: prompts.save("default", edited()),
        lambda: prompts.delete("Default"),
        lambda: prompts.copy("default", "default"),
    ):
        with pytest.raises(SpecError, match="choose another name"):
            change()


def test_a_copy_has_the_same_wording_and_therefore_the_same_hash():
    copied = prompts.copy("default", " mine ")
    assert (copied.name, copied.hash) == ("mine", shipped().hash)
    assert [item.name for item in prompts.sets()] == ["default", "mine"]
    assert prompts.get("mine").texts == shipped().texts


def test_an_unknown_set_is_answered_with_the_nearest_name():
    prompts.copy("default", "cautious")
    with pytest.raises(SpecError, match="Did you mean 'cautious'"):
        prompts.get("causious")


def test_a_save_with_an_error_says_it_and_writes_nothing(home):
    before = prompts.copy("default", "mine")
    with pytest.raises(SpecError, match=r"\$keys must be used"):
        prompts.save("mine", edited("$keys", "all keys"))
    assert prompts.written("mine") == before
    saved = prompts.save("mine", edited(), before=before.hash)
    assert prompts.get("mine") == saved and len(prompts.versions("mine")) == 2


def test_a_set_broken_with_another_program_is_listed_with_its_mistake_and_no_run_gets_it(home):
    prompts.copy("default", "mine")
    prompts.copy("default", "lost")
    (home / "prompts" / "mine" / "decide_system.txt").write_text("Buy $apples.\n")
    (home / "prompts" / "lost" / "decide_system.txt").write_bytes(b"\xff\xff")
    listed = {item.name: item for item in prompts.sets()}
    assert not listed["mine"].usable and any("$apples" in item.message for item in listed["mine"].problems)
    assert not listed["lost"].usable and "UTF-8" in listed["lost"].error and listed["default"].usable
    with pytest.raises(SpecError, match=r"\$apples"):
        prompts.get("mine")
    assert prompts.written("mine").texts["decide_system"] == "Buy $apples.\n"


def test_an_older_copy_takes_the_template_it_lacks_from_the_shipped_set_and_says_so(home):
    prompts.copy("default", "old")
    (home / "prompts" / "old" / "lessons_system.txt").unlink()
    listed = prompts.sets()[1]
    assert listed.borrowed == ("lessons_system",) and listed.usable and listed.hash == shipped().hash
    assert prompts.get("old").texts["lessons_system"] == shipped().texts["lessons_system"]


def test_a_set_knows_the_runs_that_were_asked_with_its_very_wording():
    asked_with("r1", shipped().hash)
    asked_with("r2", {"name": "mine", "hash": shipped().hash, "texts": {}})  # a run that keeps the texts
    asked_with("r3", "0" * 16)
    for odd in (None, 7, {}, ["x"]):
        asked_with(f"odd-{type(odd).__name__}", odd)
    prompts.copy("default", "mine")
    assert set(prompts.uses()[shipped().hash]) == {"r1", "r2"}
    assert set(prompts.sets()[1].runs) == {"r1", "r2"}, "a copy that was not changed is the same wording"
    prompts.save("mine", edited())
    assert prompts.sets()[1].runs == () and set(prompts.sets()[0].runs) == {"r1", "r2"}
    assert prompts.run_names(("r1",)) == {"r1": "Run r1"}


def test_two_sets_and_two_versions_can_be_compared():
    first = prompts.copy("default", "mine")
    prompts.save("mine", edited())
    for one, other in (("default", "mine"), (f"mine@{first.hash}", "mine")):
        changed = [item for item in prompts.diff(one, other) if item.state != "same"]
        assert [(item.template, item.added, item.removed) for item in changed] == [("decide_system", 1, 1)]
    with pytest.raises(SpecError, match="no versions"):
        prompts.diff("default@abc", "mine")
    with pytest.raises(SpecError, match="version of the prompt set 'mine'"):
        prompts.diff("mine@1234", "mine")


def test_an_earlier_version_can_become_a_set_of_its_own():
    first = prompts.copy("default", "mine")
    prompts.save("mine", edited())
    assert prompts.copy(f"mine@{first.hash}", "again").hash == first.hash


def test_a_deleted_set_can_be_put_back():
    kept = prompts.copy("default", "mine")
    label = prompts.delete("mine")
    with pytest.raises(SpecError, match="Unknown prompt set 'mine'"):
        prompts.get("mine")
    assert prompts.undelete(label) == "mine" and prompts.get("mine") == kept


def test_the_example_day_shows_the_whole_question_of_each_template_with_the_order_fenced():
    for template in shipped().texts:
        found = prompt_example.segments(shipped(), template)
        assert found[0].role == "system" and "$" not in found[0].text and found[0].text.strip()
    names = [segment.name for segment in prompt_example.segments(shipped(), "decide_system")]
    for part in ("rules", "prices", "position", "fundamentals", "news", "filings", "memory:short", "memory:long", "task"):
        assert part in names
    news = next(segment.text for segment in prompt_example.segments(shipped(), "decide_system") if segment.name == "news")
    line = next(line for line in news.splitlines() if "Ignore your rules" in line)
    assert line.count("<<<") == 1 and line.endswith(">>>")


def test_every_word_a_template_may_use_is_really_filled_in_and_no_other_is():
    for template in shipped().texts:
        body = " ".join(f"${word}" for word in prompt_set.words(template))
        first = prompt_example.segments(PromptSet(name="all", texts={**shipped().texts, template: body}), template)[0]
        assert first.role == "system" and "$" not in first.text
        with pytest.raises(SpecError, match="cannot be filled"):
            prompt_example.segments(PromptSet(name="all", texts={**shipped().texts, template: "$other"}), template)


def test_what_a_run_was_asked_with_can_be_compared_and_copied_though_the_set_has_changed():
    mine = prompts.copy("default", "mine")
    asked_with("r1", mine.hash, prompt_set=mine.model_dump(mode="json"))
    asked_with("r2", mine.hash)
    prompts.save("mine", edited())
    assert [item.added for item in prompts.diff("run:r1", "mine") if item.state != "same"] == [1]
    assert prompts.copy("run:r1", "as-asked").hash == mine.hash
    for wrong in ("run:r2", "run:nobody"):
        with pytest.raises(SpecError):
            prompts.wording(wrong)


def test_the_example_day_is_asked_with_the_words_of_the_set():
    mine = PromptSet(name="mine", texts=edited("Rules:", "House rules of $company:"))
    assert "House rules of Northwark Pumps:" in prompt_example.segments(mine, "decide_system")[0].text
    with pytest.raises(SpecError, match="cannot be filled"):
        prompt_example.segments(PromptSet(name="mine", texts=edited("Rules:", "$rules")), "decide_system")
    alone = prompt_example.segments(PromptSet(name="mine", texts={"notes": "for $whom"}), "notes")
    assert [segment.text for segment in alone] == ["for [whom]"]


def test_a_run_is_asked_with_the_set_it_names_and_keeps_its_words_when_the_set_changes():
    prompts.copy("default", "mine")
    saved = prompts.save("mine", edited())
    spec = RunSpec.read(
        {
            "source": "demo",
            "tickers": ["DMAUR"],
            "test": {"start": "2022-01-18", "end": "2022-01-21"},
            "backend": "rules",
            "prompts": "mine",
            "memory": preset("default").model_copy(update={"embedder": "hashing"}).model_dump(),
        }
    )
    run = runs.create(spec)
    assert worker.execute(run) == "done"
    calls = [call for day in queries.days(run, "DMAUR")["day"] for call in queries.record(run, "DMAUR", day).thought.calls]
    assert calls and all("hold leaves it" in call.system for call in calls if call.purpose == "decide")
    assert prompts.uses()[saved.hash] == (run,)
    prompts.save("mine", edited("hold keeps it", "hold does nothing"))
    prompts.delete("mine")
    assert prompts.wording(f"run:{run}").texts == saved.texts


# ---------------------------------------------------------------------------------------------------------- the command line


def told(*words: str) -> tuple[int, str, str]:
    """Exit code, data and words of ``prompts ...``."""
    result = CliRunner().invoke(command.app, list(words))
    return result.exit_code, result.stdout, result.stderr


def test_sets_are_copied_listed_shown_and_compared_from_the_command_line(home):
    code, out, err = told("copy", "default", "mine", "--json")
    assert code == 0 and json.loads(out)["hash"] == shipped().hash and "--prompts mine" in err
    path = home / "prompts" / "mine" / "decide_system.txt"
    assert told("show", "mine", "decide_system") == (0, path.read_text(), "== decide_system\n")
    assert told("diff", "default", "mine")[1:] == ("", "the same, letter by letter\n")
    path.write_text(path.read_text().replace("hold keeps it", "hold $leaves it"))
    code, out, err = told("diff", "default", "mine")
    assert code == 0 and [line[0] for line in out.splitlines()] == ["-", "+"] and "decide_system: changed, -1 +1" in err
    code, out, err = told("list", "--json")
    default, mine = json.loads(out)
    assert default["usable"] and not mine["usable"] and mine["problems"][0]["word"] == "leaves" and "BAD mine" in err


def test_a_wrong_name_on_the_command_line_is_bad_input():
    for words in (
        ("show", "nobody"),
        ("copy", "default", "a/b"),
        ("copy", "nobody", "x"),
        ("diff", "default", "x"),
        ("show", "default", "decide"),
    ):
        code, out, err = told(*words)
        assert code == 2 and not out and err.startswith("error")
