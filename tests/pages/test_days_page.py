"""Days: the table, its filters, and the trace of one day with everything that happened."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from agent.records import Figure, PriceState
from services import queries, runs
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
    shown = table(open_page("days", run=run, ticker=TICKER))["who"]
    assert {word for cell in shown for word in cell} <= {"rule", "abstained"}


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


def changed_day(run: str, day: date, **changes: object) -> str:
    """A copy of the run up to ``day``, whose observation of that day is changed; returns the copy's id."""
    store = runs.store()
    copy = runs.create(queries.run(run).spec.model_copy(update={"name": "changed"}))
    for record in store.records(run, TICKER):
        thought = record.thought.model_copy(update={"memory_events": ()})
        seen = record.observation.model_copy(update=changes) if record.day == day else record.observation
        store.append(record.model_copy(update={"run": copy, "thought": thought, "observation": seen}))
        if record.day == day:
            break
    store.set_status(copy, "done")
    return copy


def seen_text(run: str, open_page: OpenPage, **changes: object) -> tuple[str, AppTest]:
    day = queries.session_days(run, TICKER)[-3]
    copy = changed_day(run, day, **changes)
    try:
        at = open_page("days", run=copy, ticker=TICKER, day=str(day), step="observed")
        return all_text(at), at
    finally:
        runs.store().delete(copy)


def test_no_source_is_told_from_no_news(run: str, open_page: OpenPage) -> None:
    none, _ = seen_text(run, open_page, news=(), filings=())
    assert "No news: a source covers the time since the last close and has none." in none and "No source" not in none
    silent, _ = seen_text(run, open_page, news=(), filings=(), unsourced=("news", "filings"))
    assert "No source of news covers the whole time since the last close: that none is listed does not mean" in silent
    assert "No source of filings covers" in silent
    partly, _ = seen_text(run, open_page, unsourced=("news",))
    assert "there may be more than is listed here" in partly


def test_fundamentals_stand_with_value_form_and_filing_date(run: str, open_page: OpenPage) -> None:
    accepted = datetime(2022, 1, 20, 21, 31, tzinfo=UTC)
    common = {"form": "10-Q", "filed": date(2022, 1, 20), "period_end": date(2021, 12, 31), "available_at": accepted}
    figures = (Figure(name="net_margin", value=0.125, **common), Figure(name="revenue_ttm", value=2.5e9, unit="USD", **common))
    _, at = seen_text(run, open_page, fundamentals=figures)
    shown = next(frame.value for frame in at.dataframe if "figure" in frame.value.columns)
    assert list(shown["figure"]) == ["net margin", "revenue, 12 months"] and list(shown["value"]) == ["+12.5 %", "2.5 bn USD"]
    assert set(shown["form"]) == {"10-Q"} and set(shown["filed"]) == {"2022-01-20"} and set(shown["readable"]) == {"2022-01-20 21:31"}


def test_every_indicator_there_is_stands_in_one_line(run: str, open_page: OpenPage) -> None:
    price = PriceState(close=10.0, momentum_60=0.2, macd_12_26=0.0123, macd_signal_9=-0.001, atr_14=0.018, bollinger_20=0.834)
    said, _ = seen_text(run, open_page, price=price)
    assert "Indicators: 60 sessions +20.0%, MACD 12/26 +1.23%, its signal 9 -0.10%, ATR 14 1.8%, Bollinger %b 0.83." in said


def test_segments_show_their_age_against_the_decision_also_on_training_days(run: str, open_page: OpenPage) -> None:
    days = queries.session_days(run, TICKER)
    for day, purpose in ((days[3], "study"), (days[-3], "decide")):
        thought = queries.record(run, TICKER, day).thought
        at = open_page("days", run=run, ticker=TICKER, day=str(day), step="asked")
        shown = next(frame.value for frame in at.dataframe if "segment" in frame.value.columns)
        assert len(shown) == sum(segment.purpose == purpose for segment in thought.segments)
        ages = dict(zip(shown["segment"], shown["age"], strict=True))
        assert ages["rules"] == ages["task"] == "fixed text"
        assert ages["prices"] == ("at the close" if purpose == "decide" else "24 h 00 min")
        assert purpose == "decide" or ages["hindsight"] == "at the close"
        since = dict(zip(shown["segment"], shown["known"], strict=True))
        mine = [segment for segment in thought.segments if segment.purpose == purpose]
        known = {segment.name: segment.available_at for segment in mine if segment.available_at}
        assert known and {name: moment for name, moment in since.items() if not pd.isna(moment)} == known
