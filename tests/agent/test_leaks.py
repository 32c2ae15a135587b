"""The leak report: margins by hand, a guard that no strategy and no source gets past, and honesty about what nobody wrote down."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine import trade
from agent.errors import LookAhead
from agent.evaluation import leaks
from agent.evaluation.leaks import LeakReport, Tally, check_seen, check_thought, report, span
from agent.records import (
    Bar,
    DayRecord,
    Figure,
    Filing,
    Memory,
    MemoryEvent,
    MemoryState,
    ModelCall,
    News,
    Observation,
    Portfolio,
    Recall,
    Segment,
    Thought,
)
from tests.toy import CALENDAR, build, run, toy_spec

CLOSE = datetime(2022, 3, 3, 21, 0, tzinfo=UTC)
DAY = date(2022, 3, 3)
SECOND = timedelta(seconds=1)


def seen(**changes) -> Observation:
    return Observation(ticker="ABC", session=DAY, cutoff=CLOSE, portfolio=Portfolio(cash=1.0), equity=1.0, **changes)


def segment(name: str, at: datetime | None, *, memory: int | None = None, purpose: str = "decide") -> Segment:
    return Segment(name=name, role="user", text="x", tokens=1, available_at=at, memory_id=memory, purpose=purpose)  # type: ignore[arg-type]


def call(purpose: str = "decide") -> ModelCall:
    return ModelCall(purpose=purpose, system="", user="", prompt_hash="")  # type: ignore[arg-type]


def record(thought: Thought, day: date = DAY, **changes) -> DayRecord:
    observed = seen(**changes).model_copy(update={"session": day, "cutoff": CLOSE + (day - DAY)})
    cash = Portfolio(cash=1.0)
    return DayRecord(
        run="r",
        ticker="ABC",
        day=day,
        index=0,
        phase="test",
        observation=observed,
        thought=thought,
        portfolio=cash,
        equity=1.0,
        benchmark=cash,
        benchmark_equity=1.0,
    )


def news(at: datetime) -> News:
    return News(id="n1", ticker="ABC", published_at=at, available_at=at, title="A plant burns")


def filing(at: datetime) -> Filing:
    return Filing(id="0001/item_7", ticker="ABC", form="10-K", section="item_7", accepted_at=at, available_at=at, text="t")


def figure(at: datetime) -> Figure:
    return Figure(name="net_margin", value=0.1, form="10-Q", available_at=at)


def recall(at: datetime | None) -> Recall:
    return Recall(memory_id=4, layer="short", rank=1, similarity=0, recency=0, importance=0, score=0, available_at=at)


def born(*, available: datetime, known: datetime) -> MemoryEvent:
    state = MemoryState(layer="short", importance=1, importance_as_of=0, recency_anchor=0)
    memory = Memory(
        id=4,
        ticker="ABC",
        kind="news",
        text="t",
        document_id="d",
        content_hash="h",
        event_time=available,
        available_at=available,
        known_at=known,
        born=DAY,
        phase="test",
        embedding_model="m",
        birth=state,
    )
    return MemoryEvent(memory_id=4, kind="remembered", day=DAY, at=CLOSE, after=state, memory=memory)


OFFERED: list[tuple[str, Callable[[datetime], Observation], str]] = [
    ("news", lambda at: seen(news=(news(at),)), "the news item n1"),
    ("filing", lambda at: seen(filings=(filing(at),)), "0001/item_7"),
    ("figure", lambda at: seen(fundamentals=(figure(at),)), "net_margin (10-Q"),
]
USED: list[tuple[str, Callable[[datetime], Thought], str]] = [
    ("segment", lambda at: Thought(segments=(segment("news", at),)), '"news" of the decide prompt'),
    ("study segment", lambda at: Thought(segments=(segment("hindsight", at, purpose="study"),)), '"hindsight" of the study prompt'),
    ("recall", lambda at: Thought(recalls=(recall(at),)), "recalled memory M4"),
    ("text of a memory", lambda at: Thought(memory_events=(born(available=at, known=CLOSE),)), "memory M4"),
    ("outcome in a memory", lambda at: Thought(memory_events=(born(available=CLOSE, known=at),)), "memory M4"),
]


@pytest.mark.parametrize(("make", "words"), [row[1:] for row in OFFERED], ids=[row[0] for row in OFFERED])
def test_what_the_day_offers_may_be_as_new_as_the_close_and_not_a_microsecond_newer(make, words):
    check_seen(make(CLOSE))
    with pytest.raises(LookAhead) as caught:
        check_seen(make(CLOSE + timedelta(microseconds=1)))
    said = str(caught.value)
    assert words in said and "ABC 2022-03-03" in said
    assert "2022-03-03 21:00:00.000001 UTC" in said and "2022-03-03 21:00:00 UTC" in said


@pytest.mark.parametrize(("make", "words"), [row[1:] for row in USED], ids=[row[0] for row in USED])
def test_what_a_strategy_uses_may_be_as_new_as_the_close_and_not_a_second_newer(make, words):
    check_thought(seen(), make(CLOSE))
    with pytest.raises(LookAhead) as caught:
        check_thought(seen(), make(CLOSE + SECOND))
    said = str(caught.value)
    assert words in said and "ABC 2022-03-03" in said and "21:00:01" in said and "21:00:00" in said


def test_a_time_without_a_zone_proves_nothing_and_is_refused():
    with pytest.raises(LookAhead, match="without a zone"):
        check_thought(seen(), Thought(segments=(segment("news", datetime(2020, 1, 1)),)))


def test_the_bar_of_a_later_session_is_refused():
    later = Bar(day=date(2022, 3, 4), open=1, high=1, low=1, close=1)
    with pytest.raises(LookAhead, match="bar of 2022-03-04"):
        check_seen(seen(bar=later))


# ------------------------------------------------------------------------------------------------------------- in the engine


class Peeking:
    """A strategy of the toy market whose prompts name something a second newer than the close, from one session on."""

    def __init__(self, inner, since: date) -> None:
        self.inner, self.since = inner, since

    def day(self, today):
        thought = self.inner.day(today)
        if today.seen.session < self.since:
            return thought
        late = segment("news", today.seen.cutoff + SECOND, purpose="decide")
        return thought.model_copy(update={"segments": (*thought.segments, late)})

    def __getattr__(self, name):
        return getattr(self.inner, name)


def test_a_strategy_that_peeks_stops_the_run_and_that_day_is_not_yielded():
    spec = toy_spec(tickers=["TOYA"])
    market, strategies = build(spec)
    strategies["TOYA"] = Peeking(strategies["TOYA"], date(2022, 3, 21))
    kept = []
    with pytest.raises(
        LookAhead, match=r"TOYA 2022-03-21: the segment \"news\" of the decide prompt became readable at 2022-03-21 20:00:01"
    ):
        for day in trade(market, spec, strategies=strategies, calendar=CALENDAR):
            kept.append(day.day)
    assert kept == [s.day for s in CALENDAR.sessions(date(2022, 2, 1), date(2022, 3, 18))]


def test_every_prompt_of_a_run_is_listed_with_times_and_none_is_newer_than_its_close():
    records = run(toy_spec())
    found = report(records, undated={})
    assert found.verdict == "ok" and found.unknown == found.unlisted == found.late == 0
    assert {(k.purpose, k.kind) for k in found.kinds} >= {
        ("decide", "prices"),
        ("decide", "news"),
        ("decide", "memory:short"),
        ("study", "hindsight"),
        ("study", "filings"),
        ("lessons", "judged"),
    }
    assert found.prompts == sum(len({c.purpose for c in r.thought.calls}) for r in records)
    assert f"Every one of {found.dated:,} dated prompt segments" in found.sentence


def test_a_study_shows_the_close_before_and_the_hindsight_of_the_close_that_revealed_it():
    records = run(
        toy_spec(tickers=["TOYA"], train={"start": "2022-02-01", "end": "2022-02-04"}, test={"start": "2022-02-07", "end": "2022-02-08"})
    )
    before, now = records[0], records[1]
    times = {s.name: s.available_at for s in now.thought.segments}
    assert {s.purpose for s in now.thought.segments} == {"study"}
    assert times["prices"] == times["position"] == before.observation.cutoff
    assert times["hindsight"] == now.observation.cutoff
    assert times["rules"] is times["task"] is times["day"] is None


def test_lessons_carry_the_close_at_which_the_last_outcome_in_them_was_known():
    records = [r for r in run(toy_spec(tickers=["TOYB"], train=None)) if r.thought.calls]
    known: list[datetime] = []
    checked = 0
    for day in records:
        known += [day.observation.cutoff for _ in day.outcomes]
        for judged in (s for s in day.thought.segments if s.name == "judged"):
            assert judged.purpose == "lessons" and judged.available_at == max(known)
            checked += 1
    assert checked > 3


def test_every_recalled_memory_says_when_it_was_known():
    for day in run(toy_spec(tickers=["TOYA"], train=None)):
        assert all(r.available_at is not None and r.available_at <= day.observation.cutoff for r in day.thought.recalls)


# ---------------------------------------------------------------------------------------------------------------- the report


def test_margins_are_seconds_from_readable_to_decided_with_the_day_that_came_closest():
    one = Thought(
        segments=(segment("news", CLOSE - timedelta(minutes=5)), segment("prices", CLOSE), segment("rules", None)), calls=(call(),)
    )
    nine = CLOSE + timedelta(days=1) - timedelta(hours=9)
    two = Thought(
        segments=(segment("news", nine), segment("memory:short", None), segment("memory:short:M4", nine, memory=4)), calls=(call(),)
    )
    found = report([record(one), record(two, date(2022, 3, 4))], undated={})
    by_kind = {k.kind: k for k in found.kinds}
    assert (by_kind["news"].smallest_s, by_kind["news"].median_s) == (300.0, (300 + 9 * 3600) / 2)
    assert (by_kind["news"].closest_ticker, by_kind["news"].closest_day) == ("ABC", DAY)
    assert (by_kind["memory:short"].dated, by_kind["memory:short"].fixed) == (1, 1)
    assert (found.days, found.prompts, found.dated, found.fixed) == (2, 2, 4, 2)
    assert found.sentence == "Every one of 4 dated prompt segments was readable by its decision; the closest text by 5 min."


def test_a_run_recorded_before_times_were_kept_is_not_called_clean():
    old = Thought(segments=(segment("prices", None), segment("news", CLOSE)), calls=(call(), call("lessons")))
    found = report([record(old)])
    assert (found.verdict, found.unknown, found.unlisted, found.undated) == ("unknown", 1, 1, None)
    assert found.sentence.startswith("Cannot say for all: 1 segment and 1 whole prompt without a time")


def test_a_memory_without_a_time_is_unknown_and_a_heading_is_not():
    found = report([record(Thought(segments=(segment("memory:long", None), segment("memory:long:M1", None, memory=1)), calls=(call(),)))])
    assert (found.fixed, found.unknown) == (1, 1)


def test_a_recorded_leak_is_a_violation_named_in_the_sentence():
    found = report([record(Thought(segments=(segment("news", CLOSE + SECOND),), calls=(call(),)))], undated={})
    assert (found.verdict, found.late) == ("violated", 1)
    assert "the figures of this run are no result" in found.sentence and "21:00:01 UTC, after the decision" in found.sentence
    assert found.kinds[0].smallest_s == -1.0


def test_the_sentence_that_ended_a_run_is_its_verdict():
    tally = Tally()
    tally.stopped = "ABC 2022-03-03: too new."
    assert tally.report().verdict == "violated" and tally.report().sentence == "ABC 2022-03-03: too new."


def test_sessions_that_no_source_covers_and_items_left_out_are_counted():
    days = [record(Thought(), unsourced=("news",)), record(Thought(), unsourced=("news", "filings")), record(Thought())]
    found = report(days, undated={"news": 7})
    assert found.unsourced == {"filings": 1, "news": 2} and found.undated == {"news": 7}


def test_a_run_without_a_model_has_no_prompt_to_check_and_says_what_was_seen():
    found = report([record(Thought(), news=(news(CLOSE),))], undated={})
    assert found.verdict == "ok" and found.sentence.startswith("No model was asked") and "1 news item" in found.sentence


def test_the_report_survives_json_and_no_days_is_no_verdict():
    records = run(toy_spec(tickers=["TOYA"], train=None, test={"start": "2022-03-15", "end": "2022-03-25"}))
    found = report(records, undated={"news": 2})
    assert LeakReport.model_validate(json.loads(json.dumps(found.model_dump(mode="json", exclude_defaults=True)))) == found
    assert report([]).verdict == "unknown" and report([]).sentence == "No day is recorded yet."


def test_rows_list_every_segment_with_both_times():
    thought = Thought(segments=(segment("memory:short:M4", CLOSE - SECOND, memory=4), segment("task", None, purpose="study")))
    first, second = leaks.rows(record(thought))
    assert first == {
        "ticker": "ABC",
        "day": "2022-03-03",
        "purpose": "decide",
        "segment": "memory:short:M4",
        "memory": 4,
        "available_at": "2022-03-03T20:59:59+00:00",
        "decision_at": "2022-03-03T21:00:00+00:00",
        "margin_s": 1.0,
    }
    assert (second["purpose"], second["available_at"], second["margin_s"]) == ("study", None, None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0, "0 s"),
        (40, "40 s"),
        (300, "5 min"),
        (11_100, "3 h 05 min"),
        (12 * 86_400, "12 days"),
        (-1, "-1 s"),
        (3599.7, "1 h 00 min"),
    ],
)
def test_margins_are_said_as_people_say_them(seconds, words):
    assert span(seconds) == words


@given(st.lists(st.integers(-5, 10**7), min_size=1, max_size=40))
def test_the_order_of_days_changes_nothing_but_ties_and_every_margin_counts_once(margins):
    days = [record(Thought(segments=(segment("news", CLOSE - timedelta(seconds=m)),), calls=(call(),))) for m in margins]
    found = report(days)
    row = next(k for k in found.kinds if k.kind == "news")
    assert row == next(k for k in report(reversed(days)).kinds if k.kind == "news")
    assert row.dated == len(margins) and row.smallest_s == min(margins)
    assert found.late == sum(m < 0 for m in margins) and (found.verdict == "violated") == any(m < 0 for m in margins)
