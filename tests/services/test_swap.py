"""The 2 x 2 swap over real HTTP: two stand-in models with habits of their own, so that what must come out is known beforehand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from agent.errors import SpecError, Unavailable
from agent.records import Decision
from agent.spec import RunSpec
from services import queries, runs, swap, worker
from services.settings import settings
from services.swap import Cell, Swap
from storage.swap_file import SwapFiles
from tests.pages.run_states import _short
from tests.stand_ins.openai_server import OpenAIStandIn, schema_brain

DAY = date(2022, 1, 18)
MANY = 6
Habit = Callable[[str], bool]


def many(question: str) -> bool:
    """Whoever remembers much buys."""
    return len(set(re.findall(r"\[M\d+\]", question))) >= MANY


def always(question: str) -> bool:
    return True


def never(question: str) -> bool:
    return False


def brain(buys: Habit) -> Callable[[dict[str, Any]], str]:
    """An obedient model that buys when its habit says so, and else holds."""

    def answer(body: dict[str, Any]) -> str:
        said = json.loads(schema_brain(body))
        if "probabilities" in said and not buys(body["messages"][1]["content"]):
            odds = {"up": 0.3, "flat": 0.4, "down": 0.3}
            said |= {"action": "hold", "target_weight": 0.0, "confidence": 0.5, "probabilities": odds, "expected_direction": "flat"}
        return json.dumps(said)

    return answer


@pytest.fixture
def home(tmp_path, monkeypatch) -> Iterator[None]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def servers() -> Iterator[tuple[OpenAIStandIn, OpenAIStandIn]]:
    with OpenAIStandIn(models=["alpha"], piece=2000) as one, OpenAIStandIn(models=["beta"], piece=2000) as other:
        yield one, other


def spec_of(name: str, server: OpenAIStandIn | None, *, recalls: int, **more: Any) -> RunSpec:
    asked = {"backend": "openai_compatible", "backend_options": {"base_url": server.url, "retries": 0}} if server else {"backend": "rules"}
    made = _short(name, test={"start": str(DAY), "end": "2022-01-19"}, **{**asked, **more})
    layers = tuple(layer.model_copy(update={"top_k": recalls}) for layer in made.memory.layers)
    return made.model_copy(update={"memory": made.memory.model_copy(update={"layers": layers})})


def ran(*specs: RunSpec) -> list[str]:
    made = [runs.create(spec) for spec in specs]
    assert [worker.execute(run) for run in made] == ["done"] * len(made)
    return made


def pair(servers: tuple[OpenAIStandIn, OpenAIStandIn], one: Habit, other: Habit, **more: Any) -> tuple[str, str]:
    """Two runs that disagree on DAY: the first remembers much, the second little."""
    for server, habit in zip(servers, (one, other), strict=True):
        server.brain = brain(habit)
    a, b = ran(spec_of("Much", servers[0], recalls=5), spec_of("Little", servers[1], recalls=1, **more))
    for server in servers:
        server.requests.clear()
    return a, b


def asked(servers: tuple[OpenAIStandIn, OpenAIStandIn]) -> int:
    return sum(len(server.chats) for server in servers)


@pytest.mark.parametrize(
    ("one", "other", "kind", "crossed"),
    [
        (many, many, "retrieval", ("buy", "hold")),
        (always, never, "reasoning", ("hold", "buy")),
        (many, never, "both", ("hold", "hold")),
    ],
)
def test_known_habits_are_told_apart_by_exactly_two_questions(home, servers, one, other, kind, crossed):
    a, b = pair(servers, one, other)
    assert swap.look(a, b, "DMAUR", DAY).missing == ((a, b), (b, a)) and asked(servers) == 0
    plan = swap.plan(a, b, "DMAUR", DAY)
    assert (plan.questions, plan.most) == (2, 4) and asked(servers) == 0
    assert sorted(plan.asked) == ["openai_compatible · alpha", "openai_compatible · beta"]
    heard: list[tuple[str, str]] = []
    found = swap.ask(a, b, "DMAUR", DAY, on_cell=lambda memories, model: heard.append((memories, model)))
    assert [len(server.chats) for server in servers] == [1, 1] and heard == [(a, b), (b, a)]
    cells = [found.cell(memories=a, model=b), found.cell(memories=b, model=a)]
    assert tuple(cell.decision.action for cell in cells if cell) == crossed
    assert [cell.recorded for cell in found.cells] == [True, True, False, False]
    told = swap.verdict(found)
    assert told.kind == kind and "buy" in told.sentence

    again = swap.look(b, a, "DMAUR", DAY)  # a reload, and the other way round: nothing is asked
    assert not again.missing and swap.verdict(again).kind == kind and asked(servers) == 2
    assert swap.plan(a, b, "DMAUR", DAY).questions == 0
    assert swap.ask(a, b, "DMAUR", DAY).cells and asked(servers) == 2


def test_a_crossed_question_differs_from_the_runs_own_by_its_memories_alone(home, servers):
    a, b = pair(servers, always, never, profile={"character": "risk_averse"}, seed=11)
    swap.ask(a, b, "DMAUR", DAY)
    own = next(call for call in queries.record(b, "DMAUR", DAY).thought.calls if call.purpose == "decide")
    sent = servers[1].chats[0].body
    assert sent["messages"][0]["content"] == own.system and "risk-averse" in own.system

    def parts(text: str) -> list[str]:
        return [part for part in text.split("\n\n") if not part.startswith("[M")]

    theirs = next(call for call in queries.record(a, "DMAUR", DAY).thought.calls if call.purpose == "decide")
    kept = [part for part in parts(own.user) if "layer" not in part]
    assert [part for part in parts(sent["messages"][1]["content"]) if "layer" not in part] == kept
    assert re.findall(r"^\[M.*$", sent["messages"][1]["content"], re.M) == re.findall(r"^\[M.*$", theirs.user, re.M)
    assert re.findall(r"^\[M.*$", own.user, re.M) != re.findall(r"^\[M.*$", theirs.user, re.M)
    assert "The character differs (risk seeking, risk averse)" in swap.plan(a, b, "DMAUR", DAY).notes


def test_a_masked_model_is_shown_the_others_memories_behind_its_own_mask(home, servers):
    a, b = pair(servers, always, never, masking={"names": True, "dates": True})
    found = swap.ask(a, b, "DMAUR", DAY)
    question = servers[1].chats[0].body["messages"][1]["content"]
    company = queries.record(a, "DMAUR", DAY).observation.company
    assert company and company not in question and "DMAUR" not in question and "2022" not in question and "COMPANY_01" in question
    assert company in servers[0].chats[0].body["messages"][1]["content"]
    assert swap.verdict(found).kind == "reasoning"
    assert any("masked" in note for note in swap.plan(a, b, "DMAUR", DAY).notes)


def test_a_server_that_fails_is_told_and_what_was_answered_stays(home, servers):
    a, b = pair(servers, always, never)
    servers[0].fail("503")
    with pytest.raises(Unavailable):
        swap.ask(a, b, "DMAUR", DAY)
    half = swap.look(a, b, "DMAUR", DAY)
    assert half.missing == ((b, a),) and swap.verdict(half).kind == "open"
    assert swap.plan(a, b, "DMAUR", DAY).questions == 1
    before = len(servers[1].chats)
    assert swap.verdict(swap.ask(a, b, "DMAUR", DAY)).kind == "reasoning"
    assert len(servers[1].chats) == before


def test_an_answer_that_cannot_be_used_is_asked_for_once_more_and_then_is_no_decision(home, servers):
    a, b = pair(servers, always, never)
    servers[1].brain = lambda body: "I would rather not say."
    found = swap.ask(a, b, "DMAUR", DAY)
    cell = found.cell(memories=a, model=b)
    assert cell is not None and cell.decision.action is None and cell.decision.abstained and len(cell.calls) == 2
    assert [len(server.chats) for server in servers] == [1, 2]
    assert swap.verdict(found).kind == "open" and "no decision" in swap.verdict(found).sentence


def test_another_model_behind_the_same_address_does_not_speak_for_the_run(home, servers):
    a, b = pair(servers, always, never)
    servers[1].models = [{"id": "gamma", "owned_by": "vllm", "max_model_len": 32_768}]
    with pytest.raises(Unavailable, match="beta, is gamma"):
        swap.ask(a, b, "DMAUR", DAY)
    assert not servers[1].chats


def test_a_day_that_does_not_fit_is_refused_with_the_reason(home, servers):
    a, b = pair(servers, always, never)
    quiet, held = ran(
        spec_of("Quiet", servers[1], recalls=1, parts={"news": {"source": "none"}}), spec_of("Held", None, recalls=1, strategy="hold")
    )
    before = asked(servers)
    with pytest.raises(SpecError, match="did not see the same day: news"):
        swap.plan(a, quiet, "DMAUR", DAY)
    with pytest.raises(SpecError, match="asks no model"):
        swap.plan(a, held, "DMAUR", DAY)
    with pytest.raises(SpecError, match="gave no decision"):
        swap.plan(a, b, "DMAUR", date(2022, 1, 14))  # a day of training
    with pytest.raises(SpecError, match="with itself"):
        swap.plan(a, a, "DMAUR", DAY)
    assert asked(servers) == before


def test_an_answer_changes_nothing_in_either_run(home, servers):
    a, b = pair(servers, many, many)
    before = [[record.model_dump() for record in runs.store().records(run)] for run in (a, b)]
    counts = [len(runs.store().memories(run, "DMAUR")) for run in (a, b)]
    swap.ask(a, b, "DMAUR", DAY)
    assert [[record.model_dump() for record in runs.store().records(run)] for run in (a, b)] == before
    assert [len(runs.store().memories(run, "DMAUR")) for run in (a, b)] == counts


def test_rules_are_asked_without_any_server_and_a_deleted_run_leaves_no_answer(home):
    spec = {"test": {"start": str(DAY), "end": "2022-03-15"}}
    a, b = ran(_short("Bold", **spec), _short("Timid", **spec, profile={"character": "risk_averse"}))
    words = {run: {r.day: r.thought.decision.action for r in runs.store().records(run) if r.thought.decision} for run in (a, b)}
    day = next(day for day, word in words[a].items() if word != words[b][day])
    assert swap.plan(a, b, "DMAUR", day).questions == 2 and swap.temperature(queries.run(a)) is None
    found = swap.ask(a, b, "DMAUR", day)
    assert not found.missing and all(cell.decision.provenance == "rule" for cell in found.cells)
    assert swap.verdict(found).kind != "open"
    kept = settings().home / "swaps"
    assert len(list(kept.iterdir())) == 1
    runs.delete(b)
    assert not list(kept.iterdir())


def table(aa: str, ab: str, ba: str, bb: str) -> Swap:
    """``ab``: memories of a, model of b."""

    def cell(memories: str, model: str, word: str) -> Cell:
        return Cell(memories=memories, model=model, decision=Decision(action=word or None, provenance="model"))  # type: ignore[arg-type]

    cells = (cell("a", "a", aa), cell("a", "b", ab), cell("b", "a", ba), cell("b", "b", bb))
    return Swap(one="a", other="b", ticker="T", day=DAY, basis="", cells=cells)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("buy", "buy", "sell", "sell"), "retrieval"),
        (("buy", "sell", "buy", "sell"), "reasoning"),
        (("buy", "buy", "buy", "sell"), "both"),
        (("buy", "sell", "sell", "sell"), "both"),
        (("buy", "hold", "hold", "sell"), "neither alone"),
        (("buy", "buy", "hold", "sell"), "neither alone"),
        (("buy", "sell", "hold", "sell"), "neither alone"),
        (("buy", "", "buy", "sell"), "open"),
        (("buy", "buy", "buy", "buy"), "open"),
    ],
)
def test_every_table_has_one_verdict_and_it_does_not_depend_on_who_is_called_a(words, kind):
    aa, ab, ba, bb = words
    assert swap.verdict(table(aa, ab, ba, bb)).kind == kind
    assert swap.verdict(table(bb, ba, ab, aa)).kind == kind


def test_both_names_the_side_that_needs_its_memories_and_its_model():
    assert (
        "only Bert's memories and Bert's model together give sell"
        in swap.verdict(table("buy", "buy", "buy", "sell"), names=("Ada", "Bert")).sentence
    )
    assert (
        "only Ada's memories and Ada's model together give buy"
        in swap.verdict(table("buy", "sell", "sell", "sell"), names=("Ada", "Bert")).sentence
    )


def test_a_damaged_file_is_told_and_not_overwritten(tmp_path):
    files = SwapFiles(tmp_path)
    files.write("r1", "r2", "BRK/B", "2022-01-18", {"x": 1})
    assert files.read("r2", "r1", "BRK/B", "2022-01-18") == {"x": 1} and files.read("r1", "r3", "BRK/B", "2022-01-18") is None
    path = next(tmp_path.glob("*.json"))
    path.write_text("{half")
    with pytest.raises(Unavailable, match="cannot be read"):
        files.read("r1", "r2", "BRK/B", "2022-01-18")
    assert files.forget("r") == 0 and files.forget("r1") == 1 and not list(tmp_path.iterdir())
