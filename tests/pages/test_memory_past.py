"""The time machine on a real run: what a past day would recall, what changed, where memories lie; and nothing later than the day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from agent.errors import NoData, SpecError, Unavailable
from agent.memory.embedders.hashing import HashingEmbedder
from services import memory_changes, memory_map, memory_search, queries
from tests.pages.conftest import TICKERS, OpenPage
from ui import memory_detail

TICKER = TICKERS[0]


def frame(at: AppTest, column: str) -> pd.DataFrame:
    return next(found.value for found in at.dataframe if column in found.value.columns)


# ---------------------------------------------------------------------------------------------------------------- asking again


@pytest.mark.parametrize(("ticker", "every"), [(TICKERS[0], 1), (TICKERS[1], 5)])
def test_every_day_s_own_question_brings_up_that_day_s_recorded_recalls(run: str, ticker: str, every: int) -> None:
    using = memory_search.embedder(queries.run(run).spec)
    asked = 0
    for day in queries.session_days(run, ticker)[::every]:
        question = memory_search.own_question(run, ticker, day)
        recorded = queries.recalls(run, ticker, day)
        if question:
            found = memory_search.search(memory_search.past(run, ticker, day, using), question)
            assert memory_search.as_recorded(found, recorded), day
            parts = ["similarity", "recency", "importance"]
            assert (found[parts].to_numpy() == recorded[parts].to_numpy()).all() if len(found) else recorded.empty
            asked += len(found)
    assert asked > 300 / every, "enough recalls to prove something"


def test_a_day_that_was_no_session_and_an_empty_question_are_refused(run: str) -> None:
    using = memory_search.embedder(queries.run(run).spec)
    with pytest.raises(NoData):
        memory_search.past(run, TICKER, queries.session_days(run, TICKER)[0].replace(year=1999), using)
    past = memory_search.past(run, TICKER, queries.session_days(run, TICKER)[5], using)
    with pytest.raises(SpecError):
        memory_search.search(past, "  ")


def test_vectors_of_another_embedder_are_not_compared(run: str) -> None:
    with pytest.raises(Unavailable, match="mean nothing"):
        memory_search.past(run, TICKER, queries.session_days(run, TICKER)[-1], HashingEmbedder(HashingEmbedder.Options(dimension=64)))


def test_a_question_in_the_link_is_answered_layer_by_layer(run: str, open_page: OpenPage) -> None:
    day = queries.session_days(run, TICKER)[12]
    at = open_page("memory", run=run, ticker=TICKER, day=str(day), tab="ask", ask="profit warning")
    shown = frame(at, "use")
    using = memory_search.embedder(queries.run(run).spec)
    found = memory_search.search(memory_search.past(run, TICKER, day, using), "profit warning")
    assert list(shown["memory"]) == list(found["memory_id"])
    assert (shown["score"].to_numpy() == found["score"].to_numpy()).all()
    assert at.text_input[0].value == "profit warning"


def test_the_session_s_own_question_says_that_it_is_answered_as_recorded(run: str, open_page: OpenPage) -> None:
    day = queries.session_days(run, TICKER)[12]
    at = open_page("memory", run=run, ticker=TICKER, day=str(day), tab="ask", who="own")
    assert any("the same as recorded" in badge.proto.body for badge in at.get("markdown")) or "the same as recorded" in str(at._tree)


def test_nothing_is_asked_before_somebody_asks(run: str, open_page: OpenPage) -> None:
    at = open_page("memory", run=run, ticker=TICKER, tab="ask")
    assert not len(at.dataframe) and not at.get("plotly_chart")


def test_a_new_question_goes_into_the_link(run: str, open_page: OpenPage) -> None:
    at = open_page("memory", run=run, ticker=TICKER, tab="ask")
    at.text_input[0].set_value("a new battery plant")
    next(button for button in at.button if button.label == "Ask").click()
    at.run()
    assert not at.exception
    assert "a new battery plant" in at.query_params["ask"]
    assert len(frame(at, "use"))


# -------------------------------------------------------------------------------------------------------------------- changes


@pytest.mark.parametrize("ticker", TICKERS)
def test_events_give_the_recorded_counts_of_every_layer_on_every_day(run: str, ticker: str) -> None:
    found, counted = memory_changes.events(run, ticker), queries.layer_counts(run, ticker).set_index("day")
    layers = list(counted)
    for before, day in zip([None, *counted.index], counted.index):
        assert memory_changes.live(found, day, layers) == counted.loc[day].to_dict()
        moved = memory_changes.flows(found, after=before, until=day).groupby("target")["moves"].sum()
        out = memory_changes.flows(found, after=before, until=day).groupby("source")["moves"].sum()
        old = counted.loc[before] if before else dict.fromkeys(layers, 0)
        assert {name: old[name] + moved.get(name, 0) - out.get(name, 0) for name in layers} == counted.loc[day].to_dict()


def test_the_changes_of_a_period_are_tiles_a_flow_and_a_list(run: str, open_page: OpenPage) -> None:
    days = queries.session_days(run, TICKER)
    at = open_page("memory", run=run, ticker=TICKER, day=str(days[20]), tab="changes", **{"from": str(days[5])})
    found = memory_changes.events(run, TICKER)
    sums = memory_changes.counts(memory_changes.difference(found, after=days[5], until=days[20]))
    tiles = {tile.label.split(" ", 1)[1]: tile.value for tile in at.metric}
    assert {name: tiles[name] for name in ("born", "moved", "credited", "cited", "first cited")} == {
        name: str(count) for name, count in sums.items() if name != "forgotten"
    }
    changed = frame(at, "now")
    assert set(changed["memory"]) == set(memory_changes.difference(found, after=days[5], until=days[20])["memory_id"])
    assert frame(at, "way")["moves"].sum() == memory_changes.flows(found, after=days[5], until=days[20])["moves"].sum()


@pytest.mark.parametrize("value", ["2030-01-01", "nonsense", "later"])
def test_a_first_day_that_cannot_be_is_named_and_replaced(run: str, open_page: OpenPage, value: str) -> None:
    days = queries.session_days(run, TICKER)
    asked = str(days[-1]) if value == "later" else value
    at = open_page("memory", run=run, ticker=TICKER, day=str(days[10]), tab="changes", **{"from": asked})
    assert any("Showing the changes since" in warning.value for warning in at.warning)
    assert at.selectbox(key="_from").value == str(days[9])


# ------------------------------------------------------------------------------------------------------------------------ map


def test_the_map_holds_what_was_remembered_by_the_day_and_marks_what_it_recalled(run: str, open_page: OpenPage) -> None:
    day = queries.session_days(run, TICKER)[15]
    known, where = queries.memories(run, TICKER, day), memory_map.places(run, TICKER)
    drawn = memory_map.drawn(where.frame, known, memory_map.asked(run, TICKER, day))
    assert set(drawn["id"]) == set(known["id"]) < set(where.frame["id"])
    recorded = queries.recalls(run, TICKER, day)
    assert set(drawn.loc[drawn["mark"] != "", "id"]) == set(recorded["memory_id"])
    at = open_page("memory", run=run, ticker=TICKER, day=str(day), tab="map")
    assert len(at.get("plotly_chart")) == 1
    assert any("% of the differences" in caption.value for caption in at.caption)


def test_a_large_map_is_a_fixed_sample_that_keeps_what_was_recalled_and_what_lives() -> None:
    ids = np.arange(1, 10_001)
    where = pd.DataFrame({"id": ids, "x": ids * 0.1, "y": ids * -0.1})
    memories = pd.DataFrame({"id": ids, "alive": ids > 9_700, "layer": "short", "importance": 50.0, "title": "t"})
    found = memory_map.drawn(where, memories, {5: "cited", 6: "recalled"})
    assert len(found) == memory_map.MOST
    assert {5, 6} <= set(found["id"]) and found["alive"].sum() == 300
    fewer = memory_map.drawn(where, memories.iloc[:9_900], {5: "cited", 6: "recalled"})
    assert set(found.loc[~found["alive"], "id"]) <= set(fewer.loc[~fewer["alive"], "id"]), "who is drawn does not flicker"


# ------------------------------------------------------------------------------------------------------------ nothing of later


def lasting(run: str) -> tuple[int, list]:
    """A memory that was recalled both by and after the tenth session, and the sessions."""
    days = queries.session_days(run, TICKER)
    for number in queries.memories(run, TICKER, days[10])["id"]:
        uses = queries.memory_uses(run, TICKER, int(number))
        if len(uses) and (uses["day"] <= days[10]).sum() > 1 and (uses["day"] > days[10]).sum() > 1:
            return int(number), days
    raise AssertionError("no memory lasts")


def test_the_detail_of_a_memory_ends_with_the_day_shown(run: str, open_page: OpenPage) -> None:
    number, days = lasting(run)
    at = open_page("memory", run=run, ticker=TICKER, day=str(days[10]), mem=str(number))
    recalls = frame(at, "similarity")
    whole = queries.memory_uses(run, TICKER, number)
    assert len(recalls) == (whole["day"] <= days[10]).sum() < len(whole)
    assert recalls["day"].max() <= str(days[10])
    judged = memory_changes.judged_on(run, TICKER)
    known = {str(day) for day in whole["day"] if judged.get(day, days[-1]) <= days[10]}
    assert set(recalls.loc[recalls["judged"] != "", "day"]) <= known


def test_what_came_later_is_shown_on_request_and_says_so(run: str, open_page: OpenPage) -> None:
    number, days = lasting(run)
    at = open_page("memory", run=run, ticker=TICKER, day=str(days[10]), mem=str(number), later="1")
    recalls = frame(at, "similarity")
    assert len(recalls) == len(queries.memory_uses(run, TICKER, number))
    later = recalls["day"].str.endswith("· later")
    assert later.sum() == sum(day > days[10] for day in queries.memory_uses(run, TICKER, number)["day"])


def test_a_life_known_by_a_day_has_no_point_event_or_merged_source_from_later(run: str) -> None:
    number, days = lasting(run)
    life = queries.memory_life(run, TICKER, number)
    late = life.events.iloc[[-1]].assign(kind="merged", source="late-source", day=days[-1])
    merged = life.memory.model_copy(update={"sources": (*life.memory.sources, "late-source")})
    told = queries.MemoryLife(merged, pd.concat([life.events, late]), life.recalls, life.line)
    known = memory_detail.known_by(told, days[10])
    assert known.memory.sources == life.memory.sources
    assert known.events["day"].max() <= days[10] and known.line["day"].max() <= days[10]


def test_a_memory_of_the_future_shows_nothing_of_itself(run: str, open_page: OpenPage) -> None:
    days = queries.session_days(run, TICKER)
    known = queries.memories(run, TICKER, days[-1])
    number = int(known.loc[known["born"] > days[5], "id"].iloc[0])
    at = open_page("memory", run=run, ticker=TICKER, day=str(days[5]), mem=str(number))
    body = queries.memory_life(run, TICKER, number).memory.text
    assert not any(element.value == body for element in at.text)
    told = open_page("memory", run=run, ticker=TICKER, day=str(days[5]), mem=str(number), later="1")
    assert any(element.value == body for element in told.text)


@pytest.mark.parametrize("tab", ["memories", "ask", "layers", "changes", "map", "events", "health", "nonsense"])
@pytest.mark.parametrize("place", [0, 1, -1])
def test_every_part_opens_on_the_first_days_and_on_the_last(run: str, open_page: OpenPage, tab: str, place: int) -> None:
    open_page("memory", run=run, ticker=TICKER, day=str(queries.session_days(run, TICKER)[place]), tab=tab, who="own", **{"from": "start"})
