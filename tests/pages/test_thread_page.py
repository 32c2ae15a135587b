"""Thread: a memory, a source text or a decision in the link is followed; without one there are lists to choose from; hostile text stays text."""

from __future__ import annotations

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from services import queries, runs, threads
from tests.pages.conftest import TICKERS, OpenPage, small_spec
from ui import thread as thread_page
from ui.charts.thread import thread as chart

TICKER = TICKERS[0]


def words(at: AppTest) -> str:
    found = [element.value for kind in (at.text, at.subheader, at.caption, at.markdown, at.warning) for element in kind]
    return "\n".join([*found, *(button.label for button in links(at))])


def links(at: AppTest) -> list:
    return [element.proto for element in at.get("page_link")]


def targets(at: AppTest) -> list[str]:
    return [f"{link.page}?{link.query_string}" for link in links(at)]


@pytest.fixture
def named(run: str) -> tuple[int, str]:
    """A memory of a text of the market that a decision or a study named, and the id of its source."""
    rows = threads.starts(run, TICKER, most=500)
    kinds = rows.cited[rows.cited["kind"].isin(("news", "filing_10q", "filing_10k"))]
    number = int(kinds["id"].iloc[0])
    memory = threads.thread_of_memory(run, TICKER, number).memory
    assert memory is not None
    return number, memory.document_id


def test_without_a_choice_the_page_says_what_a_thread_is_and_offers_some(run: str, open_page: OpenPage) -> None:
    at = open_page("thread", run=run, ticker=TICKER)
    assert "A thread joins what belongs together" in words(at)
    starts = threads.starts(run, TICKER)
    table = next(frame.value for frame in at.dataframe if "memory" in frame.value.columns)
    assert list(table["memory"]) == list(starts.cited["id"])
    assert any(f"mem={starts.cited['id'].iloc[0]}" in target for target in targets(at))


def test_a_memory_in_the_link_shows_its_source_its_uses_and_its_end(run: str, open_page: OpenPage, named: tuple[int, str]) -> None:
    number, _ = named
    at = open_page("thread", run=run, ticker=TICKER, mem=str(number))
    found = threads.thread_of_memory(run, TICKER, number)
    assert any(element.value == f"Memory {number}" for element in at.subheader)
    shown = {metric.label: metric.value for metric in at.metric}
    assert (shown["Shown"], shown["Named"]) == (str(found.memories["shown"].iloc[0]), str(found.memories["named"].iloc[0]))
    assert at.get("plotly_chart")
    there = targets(at)
    assert any("src=" in target for target in there) and any("day=" in target and "step=" in target for target in there)
    assert ("Forgotten on" in words(at)) == (not found.memories["alive"].iloc[0])


def test_every_use_and_the_order_of_time_are_drawn_when_their_tab_is_open(run: str, open_page: OpenPage, named: tuple[int, str]) -> None:
    number, _ = named
    at = open_page("thread", run=run, ticker=TICKER, mem=str(number))
    found = threads.thread_of_memory(run, TICKER, number)
    assert not any("similarity" in frame.value.columns for frame in at.dataframe), "a closed tab costs nothing"
    at.session_state[f"_thread_tabs_{number}"] = f"Every use ({len(found.uses)})"
    at.run()
    table = next(frame.value for frame in at.dataframe if "similarity" in frame.value.columns)
    assert sorted(table["day"]) == [str(day) for day in found.uses["day"]]
    at.session_state[f"_thread_tabs_{number}"] = "In order of time"
    at.run()
    table = next(frame.value for frame in at.dataframe if "what" in frame.value.columns)
    assert list(table["day"]) == [str(day) for day in threads.steps(found)["day"]]
    assert not at.exception


def test_a_source_text_in_the_link_leads_to_its_memories(run: str, open_page: OpenPage, named: tuple[int, str]) -> None:
    number, source = named
    at = open_page("thread", run=run, ticker=TICKER, src=source)
    assert source in words(at)
    assert number in set(threads.thread_of_source(run, TICKER, source).memories["id"])
    assert any("step=observed" in target for target in targets(at))


def test_a_decision_in_the_link_names_its_grounds_and_what_became_of_it(run: str, open_page: OpenPage) -> None:
    every = threads.fates(run, TICKER)
    day = next(day for day in every.index[every["cited_count"] > 0] if every.loc[day, "phase"] == "test")
    at = open_page("thread", run=run, ticker=TICKER, day=str(day))
    found = threads.thread_of_day(run, TICKER, day)
    there = targets(at)
    for row in found.named.to_dict("records"):
        assert any(f"mem={row['memory_id']}" in target and target.startswith("thread") for target in there)
        assert row["claim"] in words(at)
    assert any(target.startswith("days") and f"day={day}" in target for target in there)


def test_all_that_were_shown_can_be_put_into_the_picture_by_the_link(run: str, open_page: OpenPage) -> None:
    day = queries.session_days(run, TICKER)[-1]
    at = open_page("thread", run=run, ticker=TICKER, day=str(day), lanes="all")
    assert at.get("plotly_chart")


def test_a_training_day_shows_its_study(run: str, open_page: OpenPage) -> None:
    days = queries.session_days(run, TICKER)
    at = open_page("thread", run=run, ticker=TICKER, day=str(days[2]))
    study = threads.thread_of_day(run, TICKER, days[2]).study
    assert study is not None and study.summary[:60] in words(at)


@pytest.mark.parametrize("mem", ["999999", "abc", "-1", "12345678901234567"])
def test_an_unknown_memory_is_said_and_there_is_something_else_to_choose(run: str, open_page: OpenPage, mem: str) -> None:
    at = open_page("thread", run=run, ticker=TICKER, mem=mem)
    assert "no memory" in words(at).lower()
    assert "A thread joins what belongs together" in words(at)


def test_an_unknown_source_is_said_harmlessly(run: str, open_page: OpenPage) -> None:
    hostile = "![x](http://evil.test/a.png) <img src=x>"
    at = open_page("thread", run=run, ticker=TICKER, src=hostile)
    assert any("No memory of" in element.value and "evil.test" in element.value for element in at.text)
    assert not any("evil.test" in element.value for kind in (at.markdown, at.caption, at.subheader) for element in kind)


def test_a_day_that_is_no_session_becomes_the_one_before(run: str, open_page: OpenPage) -> None:
    at = open_page("thread", run=run, ticker=TICKER, day="2022-01-29")
    assert any("is not a session" in element.value for element in at.warning)


def test_a_run_without_days_says_so(run: str, open_page: OpenPage) -> None:
    empty = runs.create(small_spec("Nothing yet"))
    try:
        assert f"No day of {TICKER} is recorded yet" in words(open_page("thread", run=empty, ticker=TICKER))
    finally:
        runs.delete(empty)


def test_a_click_on_a_mark_opens_its_day_and_on_a_bar_its_memory() -> None:
    def point(data: object) -> dict:
        return {"selection": {"points": [{"customdata": data}]}}

    assert thread_page.clicked(point(["day", "2022-01-18", "some words"])) == {"day": "2022-01-18"}
    assert thread_page.clicked(point(["mem", 7])) == {"mem": "7"}
    assert thread_page.clicked(point({"0": "day", "1": "2022-01-18", "2": "words"})) == {"day": "2022-01-18"}
    for nothing in (None, {}, {"selection": {"points": []}}, point(None), point("x"), point(["run", "other"])):
        assert thread_page.clicked(nothing) is None


def test_the_picture_carries_a_target_on_every_mark_and_both_modes_draw(run: str, named: tuple[int, str]) -> None:
    found = threads.thread_of_memory(run, TICKER, named[0])
    last = queries.session_days(run, TICKER)[-1]
    for dark in (False, True):
        fig = chart(
            threads.stays(found.events, last), found.uses, found.events, dark=dark, names={named[0]: "<b>![x](http://evil.test)</b>"}
        )
        marks = [trace for trace in fig.data if trace.hoverinfo != "skip"]
        assert marks and all(item[0] in ("day", "mem") for trace in marks for item in trace.customdata)
        assert not any("<" in label for label in fig.layout.yaxis.ticktext)
    stars = next(trace for trace in fig.data if trace.name in ("cited", "named by a study"))
    wanted = {str(day) for day, use in zip(found.uses["day"], found.uses["use"]) if use in ("cited", "studied")}
    assert set(stars.x) <= wanted


def test_an_empty_thread_is_a_sentence() -> None:
    fig = chart(pd.DataFrame(), pd.DataFrame(), pd.DataFrame(), dark=False, names={})
    assert "No memory" in fig.layout.annotations[0].text
