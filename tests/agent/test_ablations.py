"""The agent with a part of its mind taken away: what is gone is really gone, and the rest is as before."""

from __future__ import annotations

import json
from datetime import date

import pandas as pd
import pytest

from agent.engine import trade
from agent.errors import SpecError
from agent.llm.base import Request
from agent.records import DayRecord
from agent.strategies.memory_agent import MemoryAgent
from services.wiring import options
from tests.agent.test_engine import rebuilt
from tests.toy import CALENDAR, ToySource, build, by_ticker, decision, run, timeless, toy_answer, toy_spec


def without(**chosen):
    return toy_spec(tickers=["TOYA"], strategy_options=chosen)


def kinds(records: list[DayRecord]) -> set[str]:
    return {e.memory.kind for r in records for e in r.thought.memory_events if e.memory is not None}


def prompts(records: list[DayRecord], since: date) -> list[str]:
    return [call.user for r in records if r.day > since for call in r.thought.calls]


def test_the_defaults_are_the_agent_as_it_was():
    assert MemoryAgent.Options() == MemoryAgent.Options(recall="best", reflect=True)
    assert toy_spec(strategy_options={}).strategy_options == {}
    assert run(toy_spec(tickers=["TOYA"])) == run(without(recall="best", reflect=True))
    with pytest.raises(SpecError, match="recall"):
        options("memory", MemoryAgent, {"recall": "worst"})


def test_without_memory_nothing_is_remembered_recalled_studied_or_learnt():
    records = run(without(recall="none"))
    thoughts = [r.thought for r in records]
    assert not any(t.recalls or t.memory_events or t.study or t.lessons for t in thoughts)
    assert all(sum(t.live.values()) == 0 and not t.carry["judged"] for t in thoughts)
    assert {call.purpose for t in thoughts for call in t.calls} == {"decide"}
    assert any(r.outcomes for r in records)  # decisions were judged, and nobody learnt from it


def past_rewritten(until: date):
    close = pd.Timestamp(CALENDAR.session(until).close_at)

    def rewrite(table: str, frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.copy()
        if table in ("news", "filings"):
            frame.loc[frame["available_at"] <= close, "title" if table == "news" else "text"] = "an altogether other past"
        return frame

    return ToySource(rewrite=rewrite)


def patient(request: Request) -> str:
    """The toy's answers, but no trade: the position must not carry the past into the prompt."""
    return json.dumps(decision(request.facts, "hold")) if request.purpose == "decide" else toy_answer(request)


def test_without_memory_no_word_of_an_earlier_session_reaches_a_prompt():
    until = date(2022, 4, 1)
    other = past_rewritten(until)
    for chosen, same in (({"recall": "none"}, True), ({}, False)):
        whole, changed = run(without(**chosen), answer=patient), run(without(**chosen), answer=patient, source=other)
        assert len(prompts(whole, until)) > 40
        assert (prompts(whole, until) == prompts(changed, until)) is same


def test_without_reflection_only_what_the_market_said_is_remembered():
    records = run(without(reflect=False))
    assert kinds(records) == {"news", "filing_10k"}
    assert {call.purpose for r in records for call in r.thought.calls} == {"decide"}
    assert any(recall for r in records for recall in r.thought.recalls)
    assert any(e.kind == "credited" for r in records for e in r.thought.memory_events)  # what was cited still answers for the outcome
    assert kinds(run(without())) > kinds(records)


def test_random_memories_are_as_many_as_the_best_and_were_all_known():
    best, drawn = run(without(reflect=False)), run(without(reflect=False, recall="random"))
    for one, other in zip(best, drawn, strict=True):
        ours, theirs = ([(r.layer, r.rank, r.near_miss) for r in x.thought.recalls] for x in (one, other))
        assert ours == theirs
        assert all(r.available_at <= other.observation.cutoff for r in other.thought.recalls)
    changed = sum(
        {r.memory_id for r in a.thought.recalls} != {r.memory_id for r in b.thought.recalls} for a, b in zip(best, drawn, strict=True)
    )
    assert changed > len(best) / 2


def test_the_lot_draws_from_what_may_be_seen_only():
    spec = without(recall="random")
    spec = spec.model_copy(update={"memory": spec.memory.model_copy(update={"span_sessions": 2})})
    born, drawn = {}, 0
    for record in run(spec):
        born |= {event.memory_id: record.index for event in record.thought.memory_events if event.memory is not None}
        for recall in record.thought.recalls:
            drawn += 1
            assert record.index - born[recall.memory_id] < 2
    assert drawn > 50


def test_the_lot_has_no_favourites():
    """Of the memories that live all through April, the oldest is drawn about as often as the newest."""
    records = [r for r in run(without(reflect=False, recall="random")) if r.day >= date(2022, 4, 1)]
    shown = [r.memory_id for x in records for r in x.thought.recalls if r.layer == "short" and not r.near_miss]
    ranks = [sorted(ids := [r.memory_id for r in x.thought.recalls if r.layer == "short"]).index(ids[0]) for x in records]
    assert len(set(shown)) > 20
    assert 2.0 < sum(ranks) / len(ranks) < 5.0  # of eight drawn, the first is on average in the middle: 3.5


@pytest.mark.parametrize("chosen", [{"recall": "random"}, {"recall": "none"}, {"reflect": False}])
@pytest.mark.parametrize("cut", [17, 45])
def test_an_ablation_killed_and_resumed_ends_the_same(chosen, cut):
    spec = without(**chosen)
    whole = run(spec)
    head = [DayRecord.model_validate_json(r.model_dump_json()) for r in whole[:cut]]
    market, strategies = build(spec)
    for ticker, strategy in strategies.items():
        strategy.bank = rebuilt(spec, ticker, head, strategy.bank.embedder)
    last = {ticker: records[-1] for ticker, records in by_ticker(head).items()}
    assert head + [timeless(r) for r in trade(market, spec, strategies=strategies, calendar=CALENDAR, last=last)] == whole


def test_the_plan_counts_only_the_questions_that_are_put():
    for chosen in ({}, {"recall": "none"}, {"reflect": False}, {"recall": "random"}):
        spec = without(**chosen)
        records = run(spec)
        asked = sum(len({call.purpose for call in r.thought.calls}) for r in records)
        train = sum(r.phase == "train" for r in records)
        planned = MemoryAgent.questions(spec, train=train, test=len(records) - train)
        assert asked <= planned <= asked + (len(records) // spec.extended_every if not chosen or "recall" in chosen else 0)
