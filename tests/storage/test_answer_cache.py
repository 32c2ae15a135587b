"""Kept answers come back word for word; what cannot be read was never given."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from agent.errors import DecisionError, Unavailable
from agent.llm.base import Message, Request, Situation
from agent.llm.cached import CachedBackend
from agent.records import Completion
from storage.answer_cache import AnswerCache
from tests.fakes import ScriptedBackend


def completion(text: str = '{"a": 1}', **changes) -> Completion:
    return Completion(**{"text": text, "backend": "ollama", "model": "qwen3:8b", "digest": "d", "thinking": "hm", **changes})


def test_an_answer_comes_back_word_for_word(tmp_path):
    cache = AnswerCache(tmp_path / "answers.db")
    odd = completion("ünï 漢字 \u2028 \u0085 \\ud800 'quoted' " * 50, prompt_tokens=7, options={"seed": 1, "temperature": 0.0})
    cache.keep("k", odd)
    assert cache.find("k") == odd and cache.find("other") is None
    assert AnswerCache(tmp_path / "answers.db").find("k") == odd  # another process


def test_a_question_keeps_its_first_answer(tmp_path):
    cache = AnswerCache(tmp_path / "answers.db")
    cache.keep("k", completion("first"))
    cache.keep("k", completion("second"))
    found = cache.find("k")
    assert found is not None and found.text == "first"


def test_an_answer_that_cannot_be_read_was_never_given_and_is_replaced(tmp_path):
    cache = AnswerCache(tmp_path / "answers.db")
    cache.keep("k", completion())
    with sqlite3.connect(tmp_path / "answers.db") as connection:
        connection.execute("UPDATE answers SET body = x'00112233'")
    assert cache.find("k") is None
    cache.keep("k", completion("again"))
    found = cache.find("k")
    assert found is not None and found.text == "again"


def test_a_damaged_file_is_set_aside(tmp_path):
    (tmp_path / "answers.db").write_bytes(b"this is no database, it is a letter to a friend" * 100)
    cache = AnswerCache(tmp_path / "answers.db")
    assert cache.find("k") is None
    cache.keep("k", completion())
    assert cache.find("k") == completion()
    assert (tmp_path / "answers.db.bad").exists()


def test_a_folder_that_cannot_be_made_is_told_with_a_cure(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="answer cache"):
        AnswerCache(tmp_path / "file" / "answers.db").find("k")


def test_its_size_is_told_and_one_model_can_be_forgotten(tmp_path):
    cache = AnswerCache(tmp_path / "answers.db")
    for number in range(3):
        cache.keep(f"a{number}", completion())
    cache.keep("b", completion(model="llama3.2:1b"))
    size = cache.size()
    assert (size.answers, size.models) == (4, {"llama3.2:1b": 1, "qwen3:8b": 3}) and size.bytes > 0
    assert cache.clear("llama3.2:1b") == 1 and cache.size().answers == 3
    assert cache.clear() == 3 and cache.size().answers == 0


def test_many_threads_may_use_one_cache(tmp_path):
    cache = AnswerCache(tmp_path / "answers.db")

    def work(name: int) -> None:
        for number in range(20):
            cache.keep(f"{name}-{number}", completion(f"{name} {number}"))
            assert cache.find(f"{name}-{number}") is not None

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.size().answers == 80


# ------------------------------------------------------------------------------------------------- the backend in front of it


FACTS = Situation(ticker="A", company="A Inc", session="2025-01-02", next_session=None, as_of="2025-01-02T21:00:00Z")


def question(text: str = "what now?", **changes) -> Request:
    parts = {"purpose": "decide", "messages": (Message(role="user", content=text),), "answer_schema": {"type": "object"}, "facts": FACTS}
    return Request(**{**parts, **changes})


def cached(tmp_path, script, mode="full", **about):
    backend = ScriptedBackend(script)
    backend.warm_up = lambda **_: {"backend": "ollama", "model": "m", "digest": "d", "way": "schema", **about}  # type: ignore[method-assign]
    made = CachedBackend(backend, AnswerCache(tmp_path / "answers.db"), mode=mode)
    made.warm_up()
    return made, backend


def test_full_asks_a_question_once_and_says_so(tmp_path):
    backend, inner = cached(tmp_path, ["one"])
    first = backend.complete(question())
    heard = []
    again = backend.complete(question(), on_chunk=heard.append)
    assert not first.cached and again.cached and again.text == "one" and len(inner.requests) == 1
    assert "".join(chunk.text for chunk in heard) == "one" and (backend.asked, backend.served) == (1, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 5},
        {"messages": (Message(role="user", content="what now? "),)},
        {"messages": (Message(role="system", content="what now?"),)},
        {"answer_schema": {"type": "array"}},
        {"purpose": "study"},
    ],
)
def test_another_word_seed_or_form_is_another_question(tmp_path, change):
    backend, inner = cached(tmp_path, ["one", "two"])
    backend.complete(question())
    assert backend.complete(question(**change)).text == "two" and len(inner.requests) == 2


@pytest.mark.parametrize("change", [{"digest": "other"}, {"way": "json"}, {"server_version": "9"}, {"model": "n"}])
def test_another_model_server_or_way_is_asked_anew(tmp_path, change):
    cached(tmp_path, ["one"])[0].complete(question())
    assert cached(tmp_path, ["two"], **change)[0].complete(question()).text == "two"


def test_a_model_without_a_digest_is_known_by_its_address(tmp_path):
    cached(tmp_path, ["one"], digest="", base_url="http://a/v1")[0].complete(question())
    assert cached(tmp_path, [], digest="", base_url="http://a/v1")[0].complete(question()).cached
    assert cached(tmp_path, ["two"], digest="", base_url="http://b/v1")[0].complete(question()).text == "two"


def test_write_only_asks_every_time_and_keeps_the_first_for_a_later_run(tmp_path):
    backend, inner = cached(tmp_path, ["one", "two"], mode="write-only")
    assert [backend.complete(question()).text, backend.complete(question()).text] == ["one", "two"] and len(inner.requests) == 2
    assert cached(tmp_path, [])[0].complete(question()).text == "one"


def test_failures_and_rules_are_never_kept(tmp_path):
    backend, inner = cached(tmp_path, [DecisionError("empty"), completion("by rule", llm=False), "said"])
    with pytest.raises(DecisionError):
        backend.complete(question())
    assert backend.complete(question()).text == "by rule"
    assert backend.complete(question()).text == "said" and len(inner.requests) == 3


def test_nothing_is_looked_up_before_it_is_known_who_answers(tmp_path):
    cached(tmp_path, ["one"])[0].complete(question())
    cold = CachedBackend(ScriptedBackend(["fresh"]), AnswerCache(tmp_path / "answers.db"), mode="full")
    assert cold.complete(question()).text == "fresh"
