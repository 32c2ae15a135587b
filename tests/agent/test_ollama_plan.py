"""How a run's questions are settled before the first one: window, way, budget; and what becomes of them call by call."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.errors import DecisionError, PromptTooLong, Unavailable
from agent.llm.abilities import FORM, READING
from agent.llm.base import WAYS, Budget, Chunk, DigestFacts, LessonFacts, NoNotes, Stopped, StudyFacts
from agent.llm.ollama import OllamaBackend, OllamaOptions
from agent.llm.ollama_plan import window_for
from agent.llm.token_ratio import Ratio
from tests.agent.test_ollama_backend import FACTS, SCHEMA, backend, question, until
from tests.stand_ins.ollama_server import Answer, Fault, Model, OllamaStandIn, obedient

VERDICT = json.dumps({"verdict": "yes", "why": "w" * 60})


@pytest.fixture(autouse=True)
def _no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OLLAMA_HOST", "OLLAMA_BASE_URL", "OLLAMA_API_KEY", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[OllamaStandIn]:
    with OllamaStandIn() as running:
        yield running


def knowing(body: dict[str, Any]) -> str:
    """A model that knows the form of our question without being shown its schema."""
    ours = any("Is it so?" in str(message["content"]) for message in body["messages"])
    return VERDICT if ours else obedient(body)


def standing(model: Model, brain: Callable[[dict[str, Any]], Any] = knowing) -> OllamaStandIn:
    return OllamaStandIn(models=[model], brain=brain)


def of(server: OllamaStandIn, **options: Any) -> OllamaBackend:
    notes = options.pop("notes", None)
    return OllamaBackend(OllamaOptions(base_url=server.url, model=server.models[0].name, **options), notes=notes, backoff_s=0.01)


def since(server: OllamaStandIn, number: int) -> list[dict[str, Any]]:
    return [seen.body for seen in server.chats[number:]]


# ------------------------------------------------------------------------------------------------------------ the window


@pytest.mark.parametrize(
    ("longest", "answer", "trained", "window"),
    [
        (0, 1024, 40_960, 8192),  # unknown
        (0, 8192, 40_960, 16_384),  # room for question and answer alike
        (0, 1024, 2048, 2048),
        (8000, 1024, 40_960, 4096),  # 8000 / 4 * 1.1 + 256 + 1024 = 3480
        (12_000, 1024, 40_960, 8192),  # 4580
        (40_000, 1024, 40_960, 16_384),  # 12,280
        (90_000, 1024, 40_960, 32_768),
        (200_000, 1024, 40_960, 40_960),  # no more than trained
        (200_000, 1024, None, 32_768),  # not known: no more than most hold
    ],
)
def test_the_window_is_the_smallest_that_holds_the_longest_question_and_its_answer(
    longest: int, answer: int, trained: int | None, window: int
) -> None:
    assert window_for(longest, characters_per_token=4.0, answer=answer, trained=trained) == window


@given(st.integers(1, 400_000), st.floats(0.5, 6), st.integers(1, 4096))
def test_no_expected_question_is_too_long_where_the_model_has_room(longest: int, ratio: float, answer: int) -> None:
    window = window_for(longest, characters_per_token=ratio, answer=answer, trained=10**9)
    assert window - answer >= longest / ratio * 1.1
    assert window == 4096 or (window // 2 - answer - 256 < longest / ratio * 1.1 + 1)


def test_a_run_is_asked_with_one_window_sized_to_its_longest_question(server: OllamaStandIn) -> None:
    one = backend(server)
    known = one.warm_up(longest=40_000)
    one.complete(question())
    assert {seen.body["options"]["num_ctx"] for seen in server.requests if seen.path == "/api/chat"} == {16_384}
    assert server.loads == 1 and known["num_ctx"] == known["effective_num_ctx"] == 16_384
    assert known["budget"]["window"] == 16_384 and known["budget"]["answer"] == known["num_predict"] == 1024
    assert known["notes"] == []
    json.dumps(known)


def test_a_window_given_by_number_is_kept_whatever_the_question(server: OllamaStandIn) -> None:
    assert backend(server, num_ctx=2048).warm_up(longest=400_000)["budget"]["window"] == 2048


def test_a_server_that_gives_a_smaller_window_is_noticed_and_the_budget_follows() -> None:
    with standing(Model("tight", clamp=3000)) as server:
        known = of(server).warm_up(longest=40_000)
    assert known["num_ctx"] == 16_384 and known["effective_num_ctx"] == known["budget"]["window"] == 3000
    assert known["notes"] == ["The server loaded the model with a window of 3000 tokens instead of 16384."]


def test_an_answer_never_takes_more_than_half_of_a_small_window() -> None:
    with standing(Model("small", context=1024)) as server:
        one = of(server)
        known = one.warm_up(longest=40_000)
        assert (known["budget"]["window"], known["budget"]["answer"], known["num_predict"]) == (1024, 512, 512)
        assert "Answers are limited to 512 tokens" in known["notes"][0]
        assert one.complete(question()).options["num_predict"] == 512


def test_a_window_that_the_memory_does_not_hold_is_halved_until_it_loads() -> None:
    with standing(Model("big")) as server:
        server.most_in_memory = 8192
        known = of(server, retries=0).warm_up(longest=90_000)
        assert known["num_ctx"] == known["budget"]["window"] == 8192
        assert "holds 'big:latest' with a window of 8192 tokens only; 32768 were wished for" in known["notes"][0]
        with pytest.raises(Unavailable, match="could not load"):
            of(server, retries=0, num_ctx=16_384).warm_up()


# --------------------------------------------------------------------------------------------------- characters per token


def test_the_budget_rests_on_what_the_server_counted_not_on_a_guess() -> None:
    with standing(Model("dense", characters_per_token=2.0)) as server:
        notes = NoNotes()
        known = of(server, notes=notes).warm_up(longest=9_000)
        budget = Budget.model_validate(known["budget"])
        assert budget.measured and budget.characters_per_token == pytest.approx(2.0 * 0.97, abs=0.01)
        assert known["num_ctx"] == 8192  # 9000 / 1.94 * 1.1 + 256 + 1024 = 6383; by the guess of 3.6 it is 4030
        assert server.loads == 2  # first by the guess, then by what the probe had counted
        again = of(server, notes=notes).warm_up(longest=9_000)
        assert again["budget"] == known["budget"] and server.loads == 2


def test_what_a_run_counts_serves_the_next_run_and_changes_nothing_in_this_one() -> None:
    words = "Is it so? " + "1234 " * 400
    with standing(Model("some", characters_per_token=4.0)) as server:
        notes = NoNotes()
        one = of(server, notes=notes)
        before = one.warm_up()["budget"]
        server.models[0].characters_per_token = 2.5  # numbers are denser than prose
        for _ in range(16):
            one.complete(question(words))
        assert one._plan and one._plan.budget and one._plan.budget.model_dump(mode="json") == before
        assert Ratio.read(notes, server.models[0].digest).characters_per_token == pytest.approx(2.5 * 0.97, rel=0.01)
        assert of(server, notes=notes).warm_up()["budget"]["characters_per_token"] < before["characters_per_token"] * 0.7


def test_counts_are_not_written_with_every_answer(server: OllamaStandIn) -> None:
    class Counted(NoNotes):
        written = 0

        def write(self, kind: str, key: str, value: Any) -> None:
            self.written += 1
            super().write(kind, key, value)

    notes = Counted()
    one = OllamaBackend(OllamaOptions(base_url=server.url), notes=notes)
    for _ in range(40):
        one.complete(question("Is it so? " + "word " * 100))
    assert notes.written == 4  # after 1, 4, 16 and 32


def test_notes_that_cannot_be_written_cost_no_answer(server: OllamaStandIn) -> None:
    class Full(NoNotes):
        def write(self, kind: str, key: str, value: Any) -> None:
            raise Unavailable("The disk is full.", cure="Free some space.")

    one = OllamaBackend(OllamaOptions(base_url=server.url), notes=Full())
    assert one.complete(question("Is it so? " + "word " * 100)).text


def test_thoughts_counted_as_prompt_teach_nothing_about_characters() -> None:
    with standing(Model("thinker", thinking=True)) as server:
        notes = NoNotes()
        of(server, notes=notes, think="on").complete(question("Is it so? " + "word " * 200))
        assert not Ratio.read(notes, server.models[0].digest).measured


# ----------------------------------------------------------------------------------------------------------- the ladder


@pytest.mark.parametrize(
    ("can", "options", "way", "calls"),
    [
        ({}, {}, "schema", [(False, "schema")]),
        ({"thinking": True}, {}, "schema", [(False, "schema")]),
        ({"thinking": True}, {"think": "on"}, "think + schema", [(True, "schema")]),
        ({"thinking": True, "together": False}, {"think": "on"}, "think, then schema", [(True, "none"), (False, "schema")]),
        ({"schema": False}, {}, "json", [(False, "json")]),
        ({"schema": False, "thinking": True}, {"think": "on"}, "json", [(False, "json")]),
        ({"schema": False, "json": False}, {}, "free", [(False, "none")]),
        ({"refuses": ("schema",)}, {}, "json", [(False, "json")]),
        ({"refuses": ("schema", "json")}, {}, "free", [(False, "none")]),
        ({"thinking": True, "refuses": ("think",)}, {"think": "on"}, "schema", [(False, "schema")]),
        ({"schema": False, "json": False, "leaks": True}, {}, "free", [(False, "none")]),
        ({}, {"structured": "json"}, "json", [(False, "json")]),
        (
            {"thinking": True},
            {"think": "on", "structured": "think, then schema"},
            "think, then schema",
            [(True, "none"), (False, "schema")],
        ),
    ],
)
def test_the_best_way_that_works_is_found_and_used_for_every_question(
    can: dict[str, Any], options: dict[str, Any], way: str, calls: list[tuple[bool, str]]
) -> None:
    with standing(Model("odd", **can)) as server:
        one = of(server, **options)
        known = one.warm_up()
        asked = len(server.chats)
        done = one.complete(question())
        seen = [
            (body["think"], {"json": "json"}.get(str(body.get("format")), "schema" if body.get("format") else "none"))
            for body in since(server, asked)
        ]
    assert (known["way"], done.way, seen) == (way, way, calls)
    assert VERDICT in done.text and known["abilities"]["ways"][way]
    assert bool(done.thinking) is ("think" in way or bool(can.get("leaks")))


def test_a_model_that_passes_no_test_is_asked_with_the_schema_and_people_are_told() -> None:
    with standing(Model("hopeless", obeys=False, schema=False, json=False)) as server:
        notes = NoNotes()
        known = of(server, notes=notes).warm_up()
        assert known["way"] == "schema" and "did not pass the test" in known["notes"][0] and "weather" in known["notes"][0]
        assert "passed no test of form" in of(server, notes=notes).check().message


def test_a_model_is_probed_once_and_check_tells_what_was_found_without_asking_it() -> None:
    with standing(Model("odd", schema=False, json=False)) as server:
        notes = NoNotes()
        assert "schema" not in of(server, notes=notes).check().message
        first = of(server, notes=notes).warm_up()
        asked = len(server.chats)
        health = of(server, notes=notes).check()
        second = of(server, notes=notes).warm_up()
        assert len(server.chats) == asked  # no question, only the load
        assert health.ok and "cannot keep to a schema: its answers will be looked for in free text" in health.message
        assert health.details["abilities"] == first["abilities"] == second["abilities"] and second["way"] == "free"
        server.version = "0.34.0"  # another server may enforce what this one did not
        of(server, notes=notes).warm_up()
        assert len(server.chats) > asked


def test_a_test_of_a_model_that_a_run_uses_does_not_reload_it(server: OllamaStandIn) -> None:
    run = backend(server)
    run.warm_up(longest=90_000)
    loads = server.loads
    backend(server).warm_up()  # as the Models page does
    run.complete(question())
    assert server.loads == loads


def test_what_a_model_could_not_do_in_a_narrow_window_is_not_held_against_it_later() -> None:
    """Its thoughts had no room to end; with the window of another run they have."""
    thoughtful = Model("thoughtful", thinking=True)
    with standing(thoughtful, lambda body: Answer(knowing(body), thinking="I weigh it all. " * 120)) as server:
        notes = NoNotes()
        narrow = of(server, notes=notes, think="on", num_ctx=700).warm_up()
        wide = of(server, notes=notes, think="on").warm_up(longest=8000)
    assert (narrow["way"], wide["way"]) == (WAYS[1], WAYS[0])


def test_a_window_too_small_for_a_first_question_says_what_to_set(server: OllamaStandIn) -> None:
    with pytest.raises(Unavailable, match=r"window of 64 tokens.*Set num_ctx to 4096 or more, or to 0"):
        backend(server, num_ctx=64).warm_up(longest=8000)


def test_the_probe_asks_with_the_options_of_the_run_so_that_nothing_is_loaded_twice(server: OllamaStandIn) -> None:
    backend(server).warm_up(longest=8000)
    assert server.loads == 1
    forms = [seen.body.get("format") for seen in server.chats]
    assert FORM in forms and "json" in forms and None in forms
    assert all(seen.body["truncate"] is False and seen.body["options"]["num_predict"] <= 1024 for seen in server.chats)
    assert server.chats[0].body["messages"][0]["content"] == READING[0].content


def test_speed_seed_and_thinking_are_found_out() -> None:
    with standing(Model("thinker", thinking=True, context=20_000, repeats=False)) as server:
        able = of(server).warm_up()["abilities"]
    assert able["thinks"] and able["seed_repeats"] is False and able["context_length"] == 20_000
    assert able["prompt_tokens_per_s"] == pytest.approx(-(-len(READING[0].content) // 4) / 0.3, abs=0.1)  # 0.3 s, as the stand-in says
    assert able["answer_tokens_per_s"] > 1 and able["probed_at"].endswith("+00:00")


@pytest.mark.parametrize("at", [0, 1, 5])
def test_a_server_that_dies_during_the_probe_is_unavailable_and_nothing_is_kept(server: OllamaStandIn, at: int) -> None:
    notes = NoNotes()
    server.faults = [None] * at
    server.always = Fault("refuse")
    with pytest.raises(Unavailable, match="closed the connection"):
        of(server, notes=notes).warm_up()
    assert notes._kept == {}


def test_a_fault_that_passes_spoils_no_test(server: OllamaStandIn) -> None:
    server.faults = [Fault("503"), None, Fault("500"), None, Fault("drop")]
    able = backend(server).warm_up()["abilities"]
    assert able["ways"] == dict.fromkeys(WAYS[2:], True) | dict.fromkeys(WAYS[:2], False)


def test_thinking_ways_need_thinking_on() -> None:
    for way in WAYS[:2]:
        with pytest.raises(ValidationError, match="needs think to be on"):
            OllamaOptions(structured=way)
        OllamaOptions(structured=way, think="low")
    with pytest.raises(ValidationError, match="at least 16"):
        OllamaOptions(num_ctx=15)


# --------------------------------------------------------------------------------------- thinking first, answering second


def in_two_steps(server: OllamaStandIn, **options: Any) -> OllamaBackend:
    return of(server, think="on", structured="think, then schema", **options)


def test_thoughts_are_shown_to_the_model_and_kept_apart_from_its_answer() -> None:
    heard: list[Chunk] = []
    with standing(Model("thinker", thinking=True)) as server:
        done = in_two_steps(server).complete(question(seed=5), on_chunk=heard.append)
        first, second = since(server, 0)
    assert "format" not in first and first["think"] is True
    assert second["format"] == SCHEMA and second["think"] is False
    assert [m["role"] for m in second["messages"]] == ["system", "user", "assistant", "user"]
    assert second["messages"][2]["content"] == done.thinking and "First the evidence" in done.thinking
    assert second["messages"][:2] == first["messages"] and {first["options"]["seed"], second["options"]["seed"]} == {5}
    assert done.text == VERDICT == "".join(chunk.text for chunk in heard)
    assert not any(chunk.fresh for chunk in heard) and "First the" in "".join(chunk.thinking for chunk in heard)
    assert done.options["think"] is True and done.options["then"] == {"think": False}
    assert done.prompt_tokens == 6  # of the question itself


def test_room_is_kept_for_both_steps() -> None:
    with standing(Model("thinker", thinking=True)) as server:
        known = in_two_steps(server).warm_up(longest=8000)
        assert known["way"] == "think, then schema" and known["budget"]["answer"] == 2048
        tight = in_two_steps(server, num_ctx=2048).warm_up()
    assert (tight["budget"]["answer"], tight["num_predict"]) == (1024, 512)


def test_thoughts_that_run_out_of_room_still_lead_to_a_whole_answer() -> None:
    brain = lambda body: Answer(VERDICT, thinking="hm " * 500 if body["think"] else "")  # noqa: E731
    with standing(Model("thinker", thinking=True), brain) as server:
        done = in_two_steps(server, num_predict=64).complete(question())
        second = server.chats[1].body
    assert done.text == VERDICT and done.done_reason == "stop" and done.options["thoughts_cut"] is True
    assert len(done.thinking) == 256 and "as far as there was room" in second["messages"][-1]["content"]


def test_who_does_not_think_is_asked_with_the_schema_alone_and_the_record_says_so() -> None:
    with standing(Model("silent", capabilities=("completion", "thinking"))) as server:  # says it can, and refuses
        done = in_two_steps(server).complete(question())
    assert (done.way, done.thinking, done.options["think"]) == ("schema", "", False)


def test_an_empty_answer_after_thinking_is_asked_for_again_and_the_way_told_is_the_real_one() -> None:
    with standing(Model("thinker", thinking=True, together=False)) as server:
        done = of(server, think="on", retries=0).complete(question())
    assert (done.way, done.text) == ("schema", VERDICT)


def test_without_a_warm_up_it_is_asked_with_the_schema_and_thinks_as_the_options_say() -> None:
    with standing(Model("thinker", thinking=True)) as server:
        assert of(server).complete(question()).way == "schema"
        assert of(server, think="on").complete(question()).way == "think + schema"
        assert {body["options"]["num_ctx"] for body in since(server, 0)} == {8192}


# ------------------------------------------------------------------------------------------------------- a run goes on later


def test_a_run_that_goes_on_keeps_way_window_and_budget_and_is_not_probed_again() -> None:
    with standing(Model("odd", thinking=True)) as server:
        before = of(server, think="on").warm_up(longest=40_000)
        asked = len(server.chats)
        server.models[0].schema = False  # whatever a probe would find now
        one = of(server, think="on")  # other notes, other length: nothing of it matters
        after = one.warm_up(longest=500, before=json.loads(json.dumps(before)))
        assert len(server.chats) == asked
        assert after == before
        assert one.complete(question()).options["num_ctx"] == 16_384


def test_a_window_that_became_smaller_meanwhile_is_told_and_the_questions_stay_the_same(server: OllamaStandIn) -> None:
    before = backend(server).warm_up(longest=40_000)
    server.models[0].clamp = 4096
    after = backend(server).warm_up(before=before)
    assert after["budget"] == before["budget"] and "4096 tokens instead of 16384" in after["notes"][0]


def test_a_run_from_before_budgets_goes_on_as_it_began(server: OllamaStandIn) -> None:
    old = {"backend": "ollama", "num_ctx": 2048, "effective_num_ctx": 2048, "digest": server.models[0].digest}
    one = backend(server)
    known = one.warm_up(longest=100_000, before=old)
    assert not server.chats and (known["num_ctx"], known["way"], known["budget"]) == (2048, "schema", None)
    assert one.complete(question()).options["num_ctx"] == 2048


# -------------------------------------------------------------------------------------------------- stopped before the first day


def stopped_after(server: OllamaStandIn, requests: int) -> float:
    """Seconds from the wish to stop until the warm-up has ended, the wish coming when ``requests`` to /api/chat have arrived."""
    wish, ended, notes = threading.Event(), [], NoNotes()

    def warm() -> None:
        with pytest.raises(Stopped):
            of(server, notes=notes).warm_up(longest=40_000, cancelled=wish.is_set)
        ended.append(time.monotonic())

    thread = threading.Thread(target=warm, daemon=True)
    thread.start()
    assert until(lambda: sum(seen.path == "/api/chat" for seen in server.requests) >= requests)
    began = time.monotonic()
    wish.set()
    thread.join(timeout=10)
    assert ended and notes.read("abilities", f"{server.models[0].digest}@{server.version}@1") is None  # half a probe is none
    return ended[0] - began


def test_a_stop_is_heard_while_the_model_is_loaded(server: OllamaStandIn) -> None:
    server.load_s = 20.0
    assert stopped_after(server, 1) < 2.0


def test_a_stop_is_heard_in_the_middle_of_the_test_of_what_a_model_can_do(server: OllamaStandIn) -> None:
    server.fail(None, None, Fault("slow_first", seconds=4.0))  # loaded, one question answered
    assert stopped_after(server, 3) < 2.0
    assert of(server).warm_up(longest=40_000)["way"] == "schema"  # its turn was given back


# ---------------------------------------------------------------------------------------------------------- what did not fit


def test_a_refused_question_tells_its_length_and_the_window(server: OllamaStandIn) -> None:
    with pytest.raises(PromptTooLong) as caught:
        backend(server, num_ctx=512).complete(question("x" * 4000))
    assert (caught.value.counted, caught.value.window, caught.value.cut) == (1004, 512, False)


def test_a_cut_question_tells_what_was_read_of_it(server: OllamaStandIn) -> None:
    server.fail("half_window")
    with pytest.raises(PromptTooLong) as caught:
        backend(server).complete(question("x" * 30_000))
    assert (caught.value.counted, caught.value.window, caught.value.cut) == (8192 - 4094, 8192, True)


def test_a_cut_is_judged_by_the_window_that_the_server_really_gave() -> None:
    brain = lambda body: Answer(obedient(body), prompt_tokens=3000 - (3000 - 4) // 2) if "format" in body else obedient(body)  # noqa: E731
    with standing(Model("tight", clamp=3000), brain) as server:
        one = of(server)
        one.warm_up(longest=40_000)
        with pytest.raises(PromptTooLong) as caught:
            one.complete(question("x" * 11_000))
    assert caught.value.cut and caught.value.window == 3000


# ------------------------------------------------------------------------------------------------------------ turns and days


def together(count: int, work: Callable[[int], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.parametrize(("parallel", "most"), [(1, 1), (3, 3)])
def test_no_more_questions_at_once_than_the_server_takes(parallel: int, most: int) -> None:
    busy, peak, lock = 0, 0, threading.Lock()

    def brain(body: dict[str, Any]) -> str:
        nonlocal busy, peak
        with lock:
            busy += 1
            peak = max(peak, busy)
        end = time.monotonic() + 0.5
        while peak < most and time.monotonic() < end:  # a busy machine brings the others late
            time.sleep(0.005)
        time.sleep(0.05)
        with lock:
            busy -= 1
        return VERDICT

    with OllamaStandIn(brain=brain) as server:
        done: list[str] = []
        backends = [backend(server, parallel=parallel, first_token_timeout_s=2) for _ in range(6)]  # of several runs
        for thread in together(6, lambda n: done.append(backends[n].complete(question()).text)):
            thread.join(timeout=10)
    assert len(done) == 6 and peak == most


def test_waiting_for_a_turn_is_no_silence_and_costs_no_time_limit() -> None:
    with OllamaStandIn(brain=knowing) as server:
        server.always = Fault("slow_first", seconds=0.25)
        done: list[str] = []
        backends = [backend(server, first_token_timeout_s=0.4, total_timeout_s=0.5, day_timeout_s=0.5) for _ in range(4)]
        for thread in together(4, lambda n: done.append(backends[n].complete(question()).text)):
            thread.join(timeout=10)
    assert done == [VERDICT] * 4  # the last one waited 0.75 s for its turn


def test_a_stop_while_waiting_for_a_turn_asks_nothing_and_lets_the_others_on() -> None:
    with OllamaStandIn(brain=knowing) as server:
        server.fail(Fault("slow_first", seconds=0.6))
        first, wish = backend(server), threading.Event()
        stopped, done = [], []

        def impatient(number: int) -> None:
            try:
                backend(server).complete(question(), cancelled=wish.is_set)
            except Stopped:
                stopped.append(time.monotonic())

        holder = together(1, lambda n: done.append(first.complete(question())))
        assert until(lambda: len(server.chats) == 1)
        waiting = together(1, impatient)
        later = together(1, lambda n: done.append(backend(server).complete(question())))
        began = time.monotonic()
        wish.set()
        for thread in waiting + holder + later:
            thread.join(timeout=5)
    assert len(stopped) == 1 and stopped[0] - began < 0.4
    assert len(done) == 2 and len(server.chats) == 2


def test_a_day_has_its_own_limit_over_all_its_questions(server: OllamaStandIn) -> None:
    one = backend(server, day_timeout_s=0.5)
    server.always = Fault("slow_first", seconds=0.3)
    one.complete(question())
    with pytest.raises(DecisionError, match=r"not finished after 0.5 s for the whole day \(day_timeout_s\)"):
        one.complete(question())
    with pytest.raises(DecisionError, match="no further question is asked"):
        one.complete(question())
    assert len(server.chats) == 2
    other = question().model_copy(update={"facts": FACTS.model_copy(update={"session": date(2025, 1, 3)})})
    assert one.complete(other).text  # the next day has its own


@pytest.mark.parametrize(
    "facts",
    [
        StudyFacts(situation=FACTS, move=0.01, label="buy"),
        LessonFacts(ticker="A", session=date(2025, 1, 2), judged=()),
        DigestFacts(ticker="A", kind="10-K item 7", published=date(2025, 1, 2), text="x"),
    ],
)
def test_every_kind_of_question_has_a_day(server: OllamaStandIn, facts: Any) -> None:
    one = backend(server, day_timeout_s=0.001)
    asked = question().model_copy(update={"facts": facts})
    with pytest.raises(DecisionError, match="day_timeout_s"):
        one.complete(asked)
    with pytest.raises(DecisionError, match="no further question"):
        one.complete(asked)
    assert backend(server, day_timeout_s=0).complete(asked).text


# ----------------------------------------------------------------------------------- misbehaviour, and what people get to read


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [("hang", Unavailable, "no first word within 0.2 s"), ("404", Unavailable, "has no model"), ("huge", DecisionError, "ran away")],
)
def test_misbehaviour_is_told_in_plain_words(server: OllamaStandIn, kind: str, error: type[Exception], words: str) -> None:
    server.always = Fault(kind)
    with pytest.raises(error, match=words):
        backend(server, retries=0, first_token_timeout_s=0.2 if kind == "hang" else 60).complete(question())


@pytest.mark.parametrize("kind", ["html", "unicode", "wrong_type", "array"])
def test_hostile_words_are_handed_over_as_they_are_for_others_to_judge(server: OllamaStandIn, kind: str) -> None:
    server.fail(kind)
    done = backend(server).complete(question())
    assert {"html": "<script>", "unicode": "\u202e", "wrong_type": '"verdict"', "array": "["}[kind] in done.text
    assert "\x00" not in done.text
