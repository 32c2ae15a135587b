"""Memory: everything as of the day in the link; one memory with its whole life; hostile text stays text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from agent.decision.digest import pieces
from agent.records import Filing, News
from services import queries, runs
from tests.pages.conftest import TICKERS, OpenPage, address
from tests.storage.factory import make_memory
from ui import memory_detail

TICKER = TICKERS[0]
HOSTILE = "![x](http://evil.test/a.png) [here](http://evil.test) <img src=//evil.test/b> :red[hot] $x^2$ www.evil.test"
INERT = {"text", "code", "arrow_data_frame", "dataframe", "text_input", "selectbox", "select_slider", "plotly_chart", "imgs"}


def table(at: AppTest) -> pd.DataFrame:
    return next(frame.value for frame in at.dataframe if "publisher" in frame.value.columns)


def live(run: str, day: Any) -> dict[str, int]:
    return queries.record(run, TICKER, day).thought.live


def test_the_table_holds_the_live_memories_of_that_day(run: str, open_page: OpenPage) -> None:
    day = queries.session_days(run, TICKER)[9]
    at = open_page("memory", run=run, ticker=TICKER, day=str(day))
    assert len(table(at)) == sum(live(run, day).values())
    shown = {element.label.split(" ", 1)[1]: element.value for element in at.metric}
    assert {name: int(shown[name]) for name in live(run, day)} == live(run, day)


def test_an_earlier_day_knows_less(run: str, open_page: OpenPage) -> None:
    days = queries.session_days(run, TICKER)
    early, late = (table(open_page("memory", run=run, ticker=TICKER, day=str(day), alive="all")) for day in (days[2], days[-1]))
    assert set(early["id"]) < set(late["id"])
    assert (early["born"] <= str(days[2])).all()


def test_filters_and_search_come_from_the_link(run: str, open_page: OpenPage) -> None:
    day = str(queries.session_days(run, TICKER)[-1])
    assert set(table(open_page("memory", run=run, ticker=TICKER, day=day, kind="news"))["kind"]) == {"news"}
    forgotten = table(open_page("memory", run=run, ticker=TICKER, day=day, alive="forgotten"))
    assert len(forgotten) and (forgotten["forgotten_on"] <= day).all()
    one = queries.memories(run, TICKER, queries.session_days(run, TICKER)[-1]).iloc[0]
    found = table(open_page("memory", run=run, ticker=TICKER, day=day, alive="all", find=one["title"][:30]))
    assert one["id"] in set(found["id"])


def test_a_memory_in_the_link_shows_its_text_and_every_recall(run: str, open_page: OpenPage) -> None:
    day = queries.session_days(run, TICKER)[-1]
    known = queries.memories(run, TICKER, day)
    number = int(known.sort_values("recalled")["id"].iloc[-1])
    at = open_page("memory", run=run, ticker=TICKER, day=str(day), mem=str(number))
    assert any(element.value == f"Memory {number}" for element in at.subheader)
    assert any(queries.memory_life(run, TICKER, number).memory.text == element.value for element in at.text)
    recalls = next(frame.value for frame in at.dataframe if "similarity" in frame.value.columns)
    assert len(recalls) == len(queries.memory_uses(run, TICKER, number)) > 0
    assert recalls["score"].to_numpy() == pytest.approx((recalls["similarity"] + recalls["recency"] + recalls["importance"]).to_numpy())


def test_a_memory_of_the_future_says_so(run: str, open_page: OpenPage) -> None:
    days = queries.session_days(run, TICKER)
    known = queries.memories(run, TICKER, days[-1])
    number = int(known.loc[known["born"] > days[5], "id"].iloc[0])
    at = open_page("memory", run=run, ticker=TICKER, day=str(days[5]), mem=str(number))
    assert any("did not exist yet" in element.value for element in at.text)


def test_a_memory_of_news_leads_to_its_whole_source_text_and_to_its_day(run: str, open_page: OpenPage) -> None:
    day = queries.session_days(run, TICKER)[-1]
    known = queries.memories(run, TICKER, day)
    number = int(known.loc[(known["kind"] == "news") & ~known["title"].str.startswith("Digest of"), "id"].iloc[0])
    memory = queries.memory_life(run, TICKER, number).memory
    (item,) = [item for item in queries.record(run, TICKER, memory.born).observation.news if item.id == memory.document_id]
    at = open_page("memory", run=run, ticker=TICKER, day=str(day), mem=str(number))
    assert not any(item.summary in element.value for element in at.code), "closed until it is wanted"
    at.session_state[f"_source_{number}"] = True
    at.run()
    assert any(item.title in element.value and item.summary in element.value for element in at.code)
    assert any(f"The day it came from, {memory.born}" in element.proto.label for element in at.get("page_link"))


def test_a_reflection_has_no_source_text(run: str) -> None:
    known = queries.memories(run, TICKER, queries.session_days(run, TICKER)[-1])
    number = int(known.loc[known["kind"] == "immediate_reflection", "id"].iloc[0])
    assert queries.source_items(run, TICKER, queries.memory_life(run, TICKER, number).memory) == ()


def test_a_digest_says_of_how_much_it_was_made_and_by_what() -> None:
    when = datetime(2025, 3, 17, 20, tzinfo=UTC)
    filing = Filing(
        id="a/item_7", ticker="A", form="10-K", section="item_7", accepted_at=when, available_at=when, text="Sales grew. " * 1500
    )
    news = [News(id=f"n{n}", ticker="A", published_at=when, available_at=when, title="t" * 10, summary="s" * 89) for n in range(3)]
    memory = make_memory(1, when.date(), text="m" * 40).model_copy(update={"digested": "qwen3:4b", "chunk": 1})
    parts = pieces(filing.text)
    assert len(parts) > 1
    assert memory_detail._digest_words(memory, (filing,)) == (
        f"A digest of {len(parts[1]):,} characters, part 2 of {len(parts)} of the section, in 40, made by qwen3:4b."
    )
    extract = memory.model_copy(update={"digested": "extract"})
    assert memory_detail._digest_words(extract, tuple(news)) == (
        "A digest of 300 characters in 3 items, in 40, made with the source's own most telling sentences."
    )


@pytest.mark.parametrize("value", ["999999", "x", "-1", "1e3"])
def test_a_memory_that_is_none_becomes_a_sentence(run: str, open_page: OpenPage, value: str) -> None:
    at = open_page("memory", run=run, ticker=TICKER, mem=value)
    assert any("There is no memory" in element.value for element in at.warning)


def test_the_slider_moves_the_day(run: str, open_page: OpenPage) -> None:
    days = queries.session_days(run, TICKER)
    at = open_page("memory", run=run, ticker=TICKER, day=str(days[4]))
    at.select_slider[0].set_value(str(days[6])).run()
    assert not at.exception
    assert address(at, "day") == str(days[6])


# ------------------------------------------------------------------------------------------------------------ hostile text


@pytest.fixture
def poisoned(run: str) -> Iterator[str]:
    """The first days of the run again, every text of the outside world and of the model replaced by an attack."""
    store = runs.store()
    other = runs.create(queries.run(run).spec.model_copy(update={"name": HOSTILE[:120]}))
    ids, matrix = store.vectors(run, TICKER)
    vectors = {int(number): matrix[row] for row, number in enumerate(ids)}
    for record in store.records(run, TICKER):
        if record.index > 12:
            break
        events = [event.model_copy(update={"memory": _poison(event.memory), "reason": HOSTILE}) for event in record.thought.memory_events]
        born = {event.memory_id: vectors[event.memory_id] for event in events if event.kind == "remembered"}
        seen, thought = record.observation, record.thought
        news = [item.model_copy(update={"title": HOSTILE, "summary": HOSTILE, "publisher": HOSTILE}) for item in seen.news]
        changed = {"memory_events": tuple(events), "query": HOSTILE, "warnings": (HOSTILE,), "lessons": (HOSTILE,)}
        if thought.decision:
            claims = {side: tuple(r.model_copy(update={"claim": HOSTILE}) for r in getattr(thought.decision, side)) for side in SIDES}
            changed["decision"] = thought.decision.model_copy(
                update={"summary": HOSTILE, "invalidation": HOSTILE, "flags": (HOSTILE,), **claims}
            )
        if thought.study:
            changed["study"] = thought.study.model_copy(update={"summary": HOSTILE})
        fresh = {"run": other, "observation": seen.model_copy(update={"news": tuple(news)}), "thought": thought.model_copy(update=changed)}
        store.append(record.model_copy(update=fresh), vectors=born)
    yield other
    store.delete(other)


SIDES = ("reasons_for", "reasons_against")


def _poison(memory: Any) -> Any:
    return memory and memory.model_copy(update={"text": f"{HOSTILE} {memory.id}", "title": HOSTILE, "publisher": HOSTILE})


def nodes(block: Any) -> Iterator[Any]:
    for child in block.children.values():
        yield child
        if hasattr(child, "children"):
            yield from nodes(child)


def dangerous(at: AppTest) -> list[str]:
    """Whatever Streamlit would read as Markdown and that still holds a part of the attack that could act."""
    found = []
    for node in nodes(at._tree):
        if getattr(node, "type", "") in INERT or not hasattr(node, "proto") or node.proto is None:
            continue
        body = str(node.proto)
        if any(part in body for part in ("](http", "<img", ":red[", "$x", "://evil", "www.evil")):
            found.append(f"{node.type}: {body[:200]}")
    return found


@pytest.mark.parametrize("page", ["overview", "days", "memory"])
def test_hostile_text_stays_text_on_every_page(poisoned: str, open_page: OpenPage, page: str) -> None:
    assert dangerous(open_page(page, run=poisoned, ticker=TICKER)) == []


@pytest.mark.parametrize("index", [3, 12], ids=["training", "test"])
def test_hostile_text_stays_text_in_a_trace(poisoned: str, open_page: OpenPage, index: int) -> None:
    day = queries.session_days(poisoned, TICKER)[index]
    at = open_page(
        "days", run=poisoned, ticker=TICKER, day=str(day), step="observed~recalled~asked~answered~decision~study~order~outcome~memory"
    )
    assert dangerous(at) == []
    assert any(HOSTILE in element.value for element in at.text), "the text itself must be there to read"


def test_a_hostile_memory_is_shown_letter_by_letter(poisoned: str, open_page: OpenPage) -> None:
    day = queries.session_days(poisoned, TICKER)[-1]
    at = open_page("memory", run=poisoned, ticker=TICKER, day=str(day), mem="1")
    assert dangerous(at) == []
    assert any(element.value == f"{HOSTILE} 1" for element in at.text)
