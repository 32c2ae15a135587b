"""Days: the table, its filters, and the trace of one day with everything that happened."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from urllib.parse import parse_qs

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from agent.records import Figure, PriceState
from services import queries, runs
from storage.run_store import RunStore
from tests.pages.conftest import TICKERS, OpenPage, address
from ui import day_table

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
    shown = [label for label, keys in page_links(at) if keys["page"].endswith("memory")]
    for recall in record.thought.recalls:
        named = rf"!\[\]\(data:image/svg\+xml;base64,[\w+/=]+\) {recall.memory_id}(, cited)? –"  # the bars of its score before its name
        assert any(re.match(named, label) for label in shown)
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


# ------------------------------------------------------------------------------------------- columns, order, evidence, credit


def test_columns_and_order_come_from_the_address(run: str, open_page: OpenPage) -> None:
    at = open_page("days", run=run, ticker=TICKER, cols="credit~cited~layers~nonsense", sort="-credit")
    shown = table(at)
    assert list(at.dataframe[0].proto.column_order) == ["day", "decision", "cited", "layers", "credit"]
    known = [value for value in shown["credit"] if not pd.isna(value)]
    assert len(known) > 3 and known == sorted(known, reverse=True)
    assert not any(pd.isna(value) for value in shown["credit"][: len(known)]), "what has no credit comes last"
    rising = table(open_page("days", run=run, ticker=TICKER, cols="credit", sort="credit"))["credit"].dropna()
    assert list(rising) == sorted(known)


def test_the_way_back_to_the_table_keeps_filters_columns_and_order(run: str, open_page: OpenPage) -> None:
    wished = {"act": "buy~hold", "layer": "short", "cols": "~".join(day_table.COLUMNS), "sort": "-credit"}
    at = open_page("days", run=run, ticker=TICKER, day=str(traded_day(run)), **wished)
    back = next(link.proto for link in at.get("page_link") if link.proto.label.startswith("All days"))
    assert {key: parse_qs(back.query_string)[key] for key in wished} == {key: [value] for key, value in wished.items()}


def test_days_are_filtered_by_the_layer_they_cite(run: str, open_page: OpenPage) -> None:
    for layer in ("short", "reflection"):
        records = [queries.record(run, TICKER, day) for day in queries.session_days(run, TICKER)]
        wanted = {str(record.day) for record in records if record.thought.decision and record.thought.decision.cited.get(layer)}
        shown = table(open_page("days", run=run, ticker=TICKER, layer=layer, act="buy~hold~sell"))
        assert wanted and set(shown["day"]) == wanted


def test_credit_in_the_table_is_the_credit_in_the_trace(run: str, open_page: OpenPage) -> None:
    shown = table(open_page("days", run=run, ticker=TICKER)).set_index("day")["credit"].dropna()
    day = next(day for day in shown.index if queries.fate(run, TICKER, date.fromisoformat(day)).get("judged"))
    at = open_page("days", run=run, ticker=TICKER, day=day, step="credit")
    assert f"{shown[day]:+.1f} of importance came back in all" in all_text(at)
    changes = [float(part) for badge in at.markdown for part in re.findall(r"(?:praised|blamed|unmoved) ([+-][\d.]+)", badge.value)]
    assert sum(changes) == pytest.approx(shown[day])


# ------------------------------------------------------------------------------------- find, copy, the ways from reason to text


def page_links(at: AppTest) -> list[tuple[str, dict[str, str]]]:
    found = [element.proto for element in at.get("page_link")]
    return [(link.label, {"page": link.page.split("?")[0], **{k: v[0] for k, v in parse_qs(link.query_string).items()}}) for link in found]


def test_find_lists_the_steps_that_hold_the_words_and_leads_there(run: str, open_page: OpenPage) -> None:
    day = traded_day(run)
    record = queries.record(run, TICKER, day)
    title = record.observation.news[-1].title
    at = open_page("days", run=run, ticker=TICKER, day=str(day), q=f'"{title}"')
    hits = {keys["step"] for label, keys in page_links(at) if " · " in label and keys.get("q") == f'"{title}"'}
    assert {"observed", "asked", "memory"} <= hits
    assert f"⟦{title}⟧" in all_text(at)
    assert "No text of this day holds “zzzzzz”" in all_text(open_page("days", run=run, ticker=TICKER, day=str(day), q="zzzzzz"))


def test_every_reason_leads_to_the_memory_or_the_fact_it_rests_on(run: str, open_page: OpenPage) -> None:
    day = traded_day(run)
    decision = queries.record(run, TICKER, day).thought.decision
    assert decision is not None
    links = page_links(open_page("days", run=run, ticker=TICKER, day=str(day), step="decision"))
    reasons = (*decision.reasons_for, *decision.reasons_against)
    assert any(reason.memories for reason in reasons)
    for reason in reasons:
        for number in reason.memories:
            assert any(keys.get("mem") == str(number) and label.startswith(f"Memory {number}") for label, keys in links)
            assert any(keys.get("mem") == str(number) and label.startswith("Thread") for label, keys in links)
        for fact in reason.facts:
            assert any(keys.get("step") == "observed" and label.startswith(f"{fact} ") for label, keys in links), fact


def test_what_was_observed_leads_to_its_memory_and_thread_and_says_what_was_cited(run: str, open_page: OpenPage) -> None:
    day = traded_day(run)
    record = queries.record(run, TICKER, day)
    decision = record.thought.decision
    assert decision is not None
    at = open_page("days", run=run, ticker=TICKER, day=str(day), step="observed")
    links = page_links(at)
    for item in record.observation.news[-8:]:
        assert any(keys.get("src") == item.id for _, keys in links)
    made = [event.memory_id for event in record.thought.memory_events if event.memory and event.memory.kind == "news"]
    assert made and all(any(keys.get("mem") == str(number) for _, keys in links) for number in made)
    named = {fact for reason in (*decision.reasons_for, *decision.reasons_against) for fact in reason.facts}
    assert sum("★ cited" in badge.value for badge in at.markdown) == len({f for f in named if f[0] == "N"}) + bool(named & {"P", "S", "G"})


def test_a_day_links_to_its_thread_to_each_step_and_copies_its_own_address(run: str, open_page: OpenPage) -> None:
    day = str(traded_day(run))
    at = open_page("days", run=run, ticker=TICKER, day=day, step="order")
    links = page_links(at)
    assert any(label.startswith("Thread of this day") and keys.get("day") == day for label, keys in links)
    assert any(label.startswith("Link to this step") and keys["step"] == "order" for label, keys in links)
    at.session_state["_copy"] = True
    at.run()
    assert any(f"run={run}" in block.value and f"day={day}" in block.value and "step=order" in block.value for block in at.code)


def test_links_within_the_page_leave_no_trace_of_themselves_in_the_address(run: str, open_page: OpenPage) -> None:
    at = open_page("days", run=run, ticker=TICKER, day=str(traded_day(run)), step="decision", via="1")
    inside = [keys for _, keys in page_links(at) if keys["page"].endswith("days")]
    assert inside and all(keys["via"] == "1" for keys in inside), "without it the browser keeps the address it had"
    assert "via" not in at.query_params


def test_the_trace_of_a_day_opens_no_other_day_and_not_all_memories(run: str, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def counted(name: str) -> None:
        real = getattr(RunStore, name)

        def call(self: RunStore, *given: object, **named: object) -> object:
            opened.append(name)
            return real(self, *given, **named)

        monkeypatch.setattr(RunStore, name, call)

    for name in ("record", "records", "memories"):
        counted(name)
    open_page("days", run=run, ticker=TICKER, day=str(traded_day(run)))
    assert opened == ["record"]


def test_of_a_long_run_the_first_rows_are_sent_and_all_where_they_are_wished_for(run, open_page, monkeypatch):
    from ui import day_table

    monkeypatch.setattr(day_table, "MOST_ROWS", 20)
    monkeypatch.setattr(day_table, "FIRST_ROWS", 12)
    at = open_page("days", run=run, ticker=TICKERS[0])
    assert len(at.dataframe[0].value) == 12 and any("the first 12" in item.value for item in at.caption)
    at = open_page("days", run=run, ticker=TICKERS[0], rows="all")
    assert len(at.dataframe[0].value) > 20
