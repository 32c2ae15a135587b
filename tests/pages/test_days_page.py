"""Days: the table, its filters, and the trace of one day with everything that happened."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from services import queries
from tests.pages.conftest import TICKERS, OpenPage, address

TICKER = TICKERS[0]
EVERY = "observed~recalled~asked~answered~decision~study~order~outcome~memory"


def table(at: AppTest) -> pd.DataFrame:
    return next(frame.value for frame in at.dataframe if "decision" in frame.value.columns)


def all_text(at: AppTest) -> str:
    parts = [element.value for kind in (at.text, at.code, at.caption) for element in kind]
    return "\n".join([*parts, *(element.proto.body for element in at.get("markdown"))])


def traded_day(run: str) -> date:
    days = queries.days(run, TICKER)
    return days.loc[(days["action"] == "buy") | (days["action"] == "sell"), "day"].iloc[0]


def test_one_row_per_session_newest_first(run: str, open_page: OpenPage) -> None:
    shown = list(table(open_page("days", run=run, ticker=TICKER))["day"])
    assert shown == [str(day) for day in reversed(queries.session_days(run, TICKER))]


def test_filters_come_from_the_link(run: str, open_page: OpenPage) -> None:
    days = queries.days(run, TICKER)
    at = open_page("days", run=run, ticker=TICKER, act="study")
    assert len(table(at)) == (days["phase"] == "train").sum() > 0
    at = open_page("days", run=run, ticker=TICKER, find=str(days["day"].iloc[-1]))
    assert str(days["day"].iloc[-1]) in set(table(at)["day"])


def test_a_filter_that_nothing_passes_says_what_to_do(run: str, open_page: OpenPage) -> None:
    at = open_page("days", run=run, ticker=TICKER, find="zzzzzz")
    assert any("No day passes" in element.value for element in at.subheader)


def test_what_rules_decided_is_never_called_a_model(run: str, open_page: OpenPage) -> None:
    assert set(table(open_page("days", run=run, ticker=TICKER))["who"]) <= {"rule", "abstained", ""}


def test_the_trace_shows_the_decision_of_the_record(run: str, open_page: OpenPage) -> None:
    day = traded_day(run)
    decision = queries.record(run, TICKER, day).thought.decision
    assert decision is not None
    said = all_text(open_page("days", run=run, ticker=TICKER, day=str(day)))
    assert decision.summary in said
    for reason in (*decision.reasons_for, *decision.reasons_against):
        assert reason.claim in said


def test_every_step_of_a_traded_day_opens(run: str, open_page: OpenPage) -> None:
    day = traded_day(run)
    record = queries.record(run, TICKER, day)
    at = open_page("days", run=run, ticker=TICKER, day=str(day), step=EVERY)
    said = all_text(at)
    assert record.thought.query in said
    assert all(item.title in said for item in record.observation.news[-8:])
    assert f"Knowledge ends at the close, {record.observation.cutoff:%Y-%m-%d %H:%M}" in said
    titles = queries.titles(run, TICKER, [recall.memory_id for recall in record.thought.recalls])
    assert sum(titles[recall.memory_id][:40] in said for recall in record.thought.recalls) >= len(record.thought.recalls) // 2
    segments = next(frame.value for frame in at.dataframe if "segment" in frame.value.columns)
    assert segments["share"].sum() == pytest.approx(1)
    events = next(frame.value for frame in at.dataframe if "what" in frame.value.columns)
    assert len(events) == len(record.thought.memory_events)


def test_only_the_steps_in_the_link_are_drawn(run: str, open_page: OpenPage) -> None:
    day = traded_day(run)
    query = queries.record(run, TICKER, day).thought.query
    assert query not in all_text(open_page("days", run=run, ticker=TICKER, day=str(day), step="order"))
    assert query in all_text(open_page("days", run=run, ticker=TICKER, day=str(day), step="recalled"))


def test_a_training_day_shows_its_study_instead_of_a_decision(run: str, open_page: OpenPage) -> None:
    day = queries.session_days(run, TICKER)[2]
    study = queries.record(run, TICKER, day).thought.study
    assert study is not None
    at = open_page("days", run=run, ticker=TICKER, day=str(day))
    labels = [element.proto.label for element in at.get("expandable")] + [element.label for element in at.expander]
    assert any(label.startswith("**Study**") for label in labels) and not any(label.startswith("**Decision**") for label in labels)
    assert study.summary in all_text(at)


def test_an_order_is_followed_to_its_fill(run: str, open_page: OpenPage) -> None:
    day = traded_day(run)
    fate = queries.fate(run, TICKER, day)
    assert fate["status"] == "filled" and fate["settled"] > day
    at = open_page("days", run=run, ticker=TICKER, day=str(day), step="order")
    links = [element.proto for element in at.get("page_link")]
    assert any(f"Filled on {fate['settled']}" in link.label and f"day={fate['settled']}" in link.query_string for link in links)


def test_next_day_moves_on_by_one_session(run: str, open_page: OpenPage) -> None:
    days = queries.session_days(run, TICKER)
    at = open_page("days", run=run, ticker=TICKER, day=str(days[3]))
    next(button for button in at.button if button.label == "Next day").click().run()
    assert address(at, "day") == str(days[4])


@pytest.mark.parametrize(("value", "words"), [("2022-02-31", "is not a day"), ("2022-01-16", "is not a session"), ("<b>", "is not a day")])
def test_a_day_that_is_none_becomes_a_sentence(run: str, open_page: OpenPage, value: str, words: str) -> None:
    at = open_page("days", run=run, ticker=TICKER, day=value)
    assert any(words in element.value for element in at.warning)
