"""The asked and answered steps of a day: ways, cuts, what was left out, digests by a second model, masked words and the market's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from agent.decision.masking import Mask
from agent.decision.options import Masking
from agent.records import Completion, LeftOut, ModelCall, Segment
from services import queries, runs
from tests.pages.conftest import TICKERS, OpenPage
from ui import day_asked

TICKER = TICKERS[0]


def call(
    purpose: str = "decide", *, model: str = "big:8b", attempt: int = 1, error: str = "", cut_to: int | None = None, **said: Any
) -> ModelCall:
    answer = Completion(**{"text": '{"action": "hold"}', "backend": "ollama", "model": model, **said})
    sent = {"system": "R" * 200, "user": "D" * 100 + "\n\n" + "T" * 98}
    return ModelCall(purpose=purpose, attempt=attempt, **sent, prompt_hash="ab" * 8, completion=answer, error=error, cut_to=cut_to)


SEGMENTS = (
    Segment(name="rules", role="system", text="R" * 200, tokens=50),
    Segment(name="day", role="user", text="D" * 100, tokens=25),
    Segment(name="task", role="user", text="T" * 98, tokens=25),
)


@pytest.fixture
def changed(run: str) -> Iterator[Any]:
    """``changed(spec=..., provenance=..., **thought)``: (id, day) of a copy of the run whose last day thought otherwise."""
    made: list[str] = []

    def change(*, spec: dict[str, Any] | None = None, provenance: dict[str, Any] | None = None, **thought: Any) -> tuple[str, date]:
        store, view = runs.store(), queries.run(run)
        asked_by = {"name": "changed", "backend": "ollama", "backend_options": {"model": "big:8b"}, **(spec or {})}
        copy = runs.create(view.spec.model_copy(update=asked_by))
        made.append(copy)
        store.set_provenance(copy, {**view.provenance, **(provenance or {})})
        days = list(store.records(run, TICKER))
        for record in days:
            other = {"memory_events": (), **(thought if record is days[-1] else {})}
            store.append(record.model_copy(update={"run": copy, "thought": record.thought.model_copy(update=other)}))
        store.set_status(copy, "done")
        return copy, days[-1].day

    yield change
    for copy in made:
        runs.store().delete(copy)


def words(at: AppTest) -> str:
    return "\n".join(item.value for kind in (at.text, at.code, at.caption, at.markdown) for item in kind)


def badges(at: AppTest) -> str:
    return " ".join(element.value for element in at.markdown)


def test_what_a_cut_lost_is_counted_from_the_top_because_a_server_keeps_the_end() -> None:
    # 400 characters with the blank lines, 0.25 tokens each by the segments: about 100 tokens
    assert day_asked.lost(call(cut_to=90), SEGMENTS) == ["rules"]
    assert day_asked.lost(call(cut_to=45), SEGMENTS) == ["rules", "day"]
    assert day_asked.lost(call(cut_to=10), SEGMENTS) == ["rules", "day", "task"]
    assert day_asked.lost(call(cut_to=500), SEGMENTS) == [], "the server read more than was guessed: nothing can be named"


def test_digests_are_numbered_and_another_model_is_named() -> None:
    calls = [
        call("digest", model="small:1b"),
        call("digest", model="small:1b"),
        call("digest", model="small:1b", attempt=2),
        call(),
        call("lessons"),
    ]
    digests = ["digest 1 · small:1b", "digest 2 · small:1b", "digest 2, attempt 2 · small:1b"]
    assert day_asked.names(calls) == [*digests, "decision", "lessons"]
    assert len(set(day_asked.names([call(), call()]))) == 2, "no two calls share a name"


def test_a_call_shows_the_segments_it_was_made_of() -> None:
    other = Segment(name="rules", role="system", text="another digest's rules", tokens=5)
    assert day_asked.of_call(call(), (*SEGMENTS, other)) == list(SEGMENTS)


def test_a_cut_prompt_is_red_names_what_was_lost_and_says_what_happened_next(changed: Any, open_page: OpenPage) -> None:
    cut = call(cut_to=45, error="the server cut the question")
    run, day = changed(calls=(cut, call(attempt=2, way="json")), segments=SEGMENTS)
    at = open_page("days", run=run, ticker=TICKER, day=str(day), step="asked")
    assert "answer bound by: json" in badges(at), "what decided comes first"
    at.button_group[0].set_value("decision").run()
    assert "The server cut this prompt" in badges(at)
    assert "It read 45 of about 101 tokens. Lost from the top: rules, day." in words(at)
    assert "asked once more, shorter" in words(at)
    assert "⚠︎ cut, json" in set(open_page("days", run=run, ticker=TICKER).dataframe[0].value["asked"])


def test_what_was_left_out_is_listed_with_its_size_its_reason_and_the_way_to_the_memory(changed: Any, open_page: OpenPage) -> None:
    left = (
        LeftOut(segment="memory:short:M3", tokens=120, reason="no room in 4096 tokens", memory_id=3),
        LeftOut(segment="news", tokens=30, reason="![x](http://evil.test)"),
    )
    run, day = changed(calls=(call(way="schema"),), segments=SEGMENTS, left_out=left)
    at = open_page("days", run=run, ticker=TICKER, day=str(day), step="asked")
    assert "**Left out for lack of room** · 2 pieces, about 150 tokens" in badges(at)
    assert "no room in 4096 tokens" in words(at) and "![x](http://evil.test)" in [item.value for item in at.text]
    assert any("Memory 3" in element.proto.label for element in at.get("page_link"))


def test_a_masked_run_shows_first_what_the_model_saw_and_says_where_the_mapping_is_missing(changed: Any, open_page: OpenPage) -> None:
    run, day = changed(spec={"masking": Masking(names=True)}, calls=(call(),), segments=SEGMENTS)
    at = open_page("days", run=run, ticker=TICKER, day=str(day), step="asked~answered")
    assert "hid tickers and company names from the model. Its mapping cannot be read" in words(at)
    assert "◐ masked" in badges(at)


def test_a_masked_run_shows_both_what_the_model_saw_and_the_markets_words(changed: Any, open_page: OpenPage) -> None:
    hiding = Masking(names=True, prices=True)
    mask = Mask.make(hiding, companies={TICKER: "Aurelion Storage"}, first_close={TICKER: 50.0}, seed=1)
    hidden = mask.text(f"{TICKER} grows")
    assert TICKER not in hidden
    said = call(text=json.dumps({"summary": hidden}))
    run, day = changed(spec={"masking": hiding}, provenance={"masking": mask.model_dump(mode="json")}, calls=(said,), segments=SEGMENTS)
    here = {"run": run, "ticker": TICKER, "day": str(day), "step": "answered"}
    seen = words(open_page("days", **here))
    assert hidden in seen and f"{TICKER} grows" not in seen and "letter by letter as they were sent and said" in seen
    market = words(open_page("days", **here, words="market"))
    assert f"{TICKER} grows" in market and hidden not in market
    assert "Prices stay as the model saw them" in market, "what is not translated is not claimed to be"


def test_an_answer_from_the_cache_and_the_way_it_was_bound_stand_beside_it(changed: Any, open_page: OpenPage) -> None:
    run, day = changed(calls=(call(way="think, then schema", cached=True),), segments=SEGMENTS)
    at = open_page("days", run=run, ticker=TICKER, day=str(day), step="answered")
    assert "bound by think, then schema" in badges(at) and "from the answer cache" in badges(at)


@pytest.mark.parametrize("page", ["days", "memory", "monitor"])
@pytest.mark.parametrize(("coverage", "shown", "hidden"), [(0.9999, "coverage 99 %", "⚠"), (0.947, "coverage 94 %", "99")])
def test_every_header_says_how_many_days_the_model_itself_decided(
    open_page: OpenPage, changed: Any, page: str, coverage: float, shown: str, hidden: str
) -> None:
    run, _ = changed()
    runs.store().set_summary(run, {**queries.run(run).summary, "coverage": coverage})
    found = [badge for badge in badges(open_page(page, run=run, ticker=TICKER)).split(":") if "coverage" in badge]
    assert any(shown in badge for badge in found) and not any(hidden in badge for badge in found if hidden != "⚠"), found
    assert any("⚠" in badge for badge in found) is (coverage < 0.95)
