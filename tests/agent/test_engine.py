"""The trading day as a whole: no look-ahead, a ledger that adds up, a run that can be cut anywhere and gone on with."""

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from agent.engine import trade
from agent.errors import LookAhead
from agent.llm.base import LessonFacts, Request, Situation
from agent.market.sources.base import clipped
from agent.memory.bank import MemoryBank, embedding_text
from agent.memory.embedders.hashing import HashingEmbedder
from agent.memory.scoring import unit
from agent.records import DayRecord
from tests.toy import CALENDAR, ToySource, build, by_ticker, decision, run, timeless, toy_answer, toy_spec


@pytest.fixture(scope="module")
def whole() -> list[DayRecord]:
    return run(toy_spec())


def test_two_runs_of_one_spec_are_the_same(whole):
    assert run(toy_spec()) == whole


def test_every_session_of_both_windows_has_one_record_per_ticker_in_order(whole):
    expected = [s.day for s in CALENDAR.sessions(date(2022, 2, 1), date(2022, 6, 15))]
    for records in by_ticker(whole).values():
        assert [r.day for r in records] == expected
        assert [r.phase for r in records] == ["train"] * 29 + ["test"] * (len(expected) - 29)


def future(cut: date):
    """Everything that becomes known after the close of ``cut`` is replaced."""
    close = CALENDAR.session(cut).close_at

    def rewrite(table: str, frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.copy()
        if table == "bars":
            later = frame["date"] > pd.Timestamp(cut)
            for column in ("open", "high", "low", "close"):
                frame.loc[later, column] *= 3.7
        elif table in ("splits", "dividends"):
            frame = frame[frame["ex_date"] <= pd.Timestamp(cut)]
        else:
            later = frame["available_at"] > pd.Timestamp(close)
            text = "title" if table == "news" else "text"
            frame.loc[later, text] = "the future was rewritten"
        return frame

    return rewrite


@pytest.mark.parametrize("cut", [date(2022, 2, 10), date(2022, 3, 14), date(2022, 4, 14), date(2022, 5, 11)])
def test_records_up_to_a_day_do_not_change_when_everything_after_it_does(whole, cut):
    other = run(toy_spec(), source=ToySource(rewrite=future(cut)))
    assert [r for r in other if r.day <= cut] == [r for r in whole if r.day <= cut]
    assert [r for r in other if r.day > cut] != [r for r in whole if r.day > cut]


def test_a_text_readable_one_second_after_the_close_is_in_no_prompt_of_that_day():
    poison_days = [s for s in CALENDAR.sessions(date(2022, 3, 20), date(2022, 4, 20))]

    def rewrite(table: str, frame: pd.DataFrame) -> pd.DataFrame:
        if table != "news":
            return frame
        symbol = "TOYA"
        rows = [
            (symbol, f"p{s.day}", s.close_at, s.close_at + timedelta(seconds=1), f"POISON-{s.day}", "", "Wire", "") for s in poison_days
        ]
        extra = pd.DataFrame(rows, columns=frame.columns)
        for column in ("published_at", "available_at"):
            extra[column] = extra[column].astype("datetime64[us, UTC]")
        return pd.concat([frame, extra], ignore_index=True)

    seen = 0
    for record in run(toy_spec(tickers=["TOYA"]), source=ToySource(rewrite=rewrite)):
        said = record.model_dump_json()
        assert f"POISON-{record.day}" not in said
        seen += "POISON-" in said
    assert seen > 10  # the poison does arrive, a day late


@pytest.mark.parametrize("cut", [1, 17, 57, 58, 59, 100, 150])
def test_a_run_cut_anywhere_and_resumed_from_what_was_stored_ends_the_same(whole, cut):
    spec = toy_spec()
    head = [DayRecord.model_validate_json(r.model_dump_json()) for r in whole[:cut]]
    last = {ticker: records[-1] for ticker, records in by_ticker(head).items()}
    market, strategies = build(spec)
    for ticker, strategy in strategies.items():
        strategy.bank = rebuilt(spec, ticker, head, strategy.bank.embedder)
    tail = [timeless(r) for r in trade(market, spec, strategies=strategies, calendar=CALENDAR, last=last)]
    assert head + tail == whole


def rebuilt(spec, ticker, records, embedder: HashingEmbedder) -> MemoryBank:
    """What storage does: the memories, their last state, whether they live."""
    memories, states, alive = {}, {}, {}
    for record in records:
        for event in record.thought.memory_events if record.ticker == ticker else ():
            if event.memory is not None:
                memories[event.memory_id] = event.memory
            if event.kind == "merged" and event.memory is None:
                memory = memories[event.memory_id]
                memories[event.memory_id] = memory.model_copy(update={"sources": (*memory.sources, event.source)})
            states[event.memory_id], alive[event.memory_id] = event.after, event.kind != "forgotten"
    texts = {i: embedding_text(m.title, m.text) for i, m in memories.items()}
    vectors = {i: unit(embedder.embed([text]))[0].astype(np.float32) for i, text in texts.items()}
    known = [(m, states[i], alive[i]) for i, m in memories.items()]
    return MemoryBank.restore(
        ticker, spec.memory, embedder, seed=spec.seed, memories=known, vectors=vectors, next_id=max(memories, default=0) + 1
    )


def test_equity_moves_only_by_price_cost_dividend(whole):
    for records in by_ticker(whole).values():
        for before, now in pairwise(records):
            held, bar = before.portfolio.shares * now.observation.split, now.observation.bar
            cash = before.portfolio.cash + held * now.observation.dividend
            for fill in now.fills:
                cash -= fill.shares * fill.price + fill.commission
                held += fill.shares
            assert now.portfolio.cash == pytest.approx(cash, abs=1e-6)
            assert now.equity == pytest.approx(cash + held * bar.close, abs=1e-6)
            assert now.portfolio.cash >= -1e-9


@pytest.mark.parametrize("fill", ["next_open", "same_close"])
@pytest.mark.parametrize("fractional", [True, False])
def test_strategy_hold_equals_the_benchmark_to_the_cent(fill, fractional):
    records = run(toy_spec(strategy="hold", execution={"fill": fill, "fractional": fractional}))
    assert all(abs(r.equity - r.benchmark_equity) < 0.005 for r in records)
    assert records[-1].portfolio.shares > 0


def test_the_decision_of_a_close_fills_at_the_next_open_and_not_before(whole):
    for records in by_ticker(whole).values():
        for before, now in pairwise(records):
            if before.order and before.order.status == "pending":
                assert now.fills and now.fills[0].reference == now.observation.bar.open
            else:
                assert not now.fills


def test_a_model_that_never_gives_a_usable_answer_trades_nothing_and_teaches_nothing():
    records = run(toy_spec(), answer=lambda request: "I would rather not say.")
    test = [r for r in records if r.phase == "test"]
    assert all(r.order is None and not r.fills for r in records)
    assert all(r.thought.decision.abstained and len(r.thought.calls) == 2 for r in test)
    born = [e.memory.kind for r in records for e in r.thought.memory_events if e.memory]
    assert set(born) <= {"news", "filing_10k", "filing_10q"}


def test_the_error_is_quoted_when_an_answer_is_asked_again():
    def stubborn_once(request):
        return toy_answer(request) if request.attempt == 2 or request.purpose != "decide" else '{"action": "buy"}'

    records = run(toy_spec(tickers=["TOYB"], train=None), answer=stubborn_once)
    decided = [r.thought.decision for r in records]
    assert {d.provenance for d in decided} == {"re-asked"}
    assert "Your answer cannot be used: symbol: Field required" in records[0].thought.calls[1].user


def test_credit_goes_to_the_cited_memories_after_the_horizon_with_the_sign_of_the_outcome():
    def buy_first(request):
        facts = request.facts
        if not isinstance(facts, Situation):
            return toy_answer(request)
        return json.dumps(decision(facts, "buy" if facts.session == date(2022, 3, 16) else "hold"))

    records = run(toy_spec(tickers=["TOYB"], train=None), answer=buy_first)
    bought = next(r for r in records if r.order)
    judged = next(r for r in records if r.outcomes)
    assert CALENDAR.count(bought.day, judged.day) == 1 + 5  # filled next open, judged five sessions later
    outcome = judged.outcomes[0]
    opens = {r.day: r.observation.bar.open for r in records}
    move = opens[judged.day] / opens[CALENDAR.next_session(bought.day).day] - 1
    assert outcome.move == pytest.approx(move) and outcome.verdict == (1 if move > 0.0006 else -1 if move < -0.0006 else 0)
    credited = {e.memory_id: e.delta for e in judged.thought.memory_events if e.kind == "credited"}
    supporting = set(bought.thought.decision.reasons_for[0].memories)
    opposing = set(bought.thought.decision.reasons_against[0].memories)
    for memory, delta in credited.items():
        assert memory in supporting | opposing
        assert delta == pytest.approx((5.0 if memory in supporting else -5.0) * outcome.verdict)


def test_training_studies_the_session_before_and_never_the_last_one(whole):
    train = [r for r in by_ticker(whole)["TOYA"] if r.phase == "train"]
    for before, now in pairwise(train):
        study = now.thought.study
        assert study.session == before.day
        assert study.move == pytest.approx(now.observation.bar.close * now.observation.split / before.observation.bar.close - 1)
        assert study.label == ("buy" if study.move > 0 else "sell" if study.move < 0 else "hold")
    test = [r for r in by_ticker(whole)["TOYA"] if r.phase == "test"]
    assert all(r.thought.study is None for r in test)
    assert train[-1].portfolio == train[0].portfolio and test[0].portfolio.shares == 0


def test_everything_in_memory_at_the_first_test_close_was_known_before_it(whole):
    first_cutoff = next(r for r in whole if r.phase == "test").observation.cutoff
    born = [e.memory for r in whole if r.phase == "train" for e in r.thought.memory_events if e.memory]
    assert born and all(max(m.available_at, m.known_at) < first_cutoff for m in born)


def gap(*days: str):
    def rewrite(table: str, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[~frame["date"].isin(pd.to_datetime(list(days)))] if table == "bars" else frame

    return rewrite


def always_buy(request):
    return json.dumps(decision(request.facts, "buy")) if isinstance(request.facts, Situation) else toy_answer(request)


def test_an_order_without_a_price_waits_and_fills_at_the_next_open_there_is():
    records = run(toy_spec(tickers=["TOYB"], train=None), source=ToySource(rewrite=gap("2022-03-16", "2022-03-17")), answer=always_buy)
    by_day = {str(r.day): r for r in records}
    assert by_day["2022-03-15"].order and not by_day["2022-03-16"].fills
    assert by_day["2022-03-16"].thought.decision.abstained == "no price for this session"
    assert by_day["2022-03-17"].portfolio.pending.waited == 2
    assert by_day["2022-03-18"].fills and by_day["2022-03-18"].settled.status == "filled"


def test_an_order_is_cancelled_after_three_sessions_without_a_price():
    missing = gap("2022-03-16", "2022-03-17", "2022-03-18")
    records = run(toy_spec(tickers=["TOYB"], train=None), source=ToySource(rewrite=missing), answer=always_buy)
    ended = [r for r in records if r.settled and r.settled.status == "cancelled"]
    assert [str(r.day) for r in ended] == ["2022-03-18"]
    assert ended[0].settled.reason == "no price for 3 sessions"


def test_stops_are_carried_out_inside_the_bar_and_only_when_asked_for():
    with_stops = run(toy_spec(tickers=["TOYB"], train=None, execution={"stops": True}), answer=always_buy)
    without = run(toy_spec(tickers=["TOYB"], train=None), answer=always_buy)
    stopped = [f for r in with_stops for f in r.fills if f.cause != "order"]
    assert stopped and not [f for r in without for f in r.fills if f.cause != "order"]
    for record in with_stops:
        for fill in record.fills:
            if fill.cause == "stop_loss":
                assert fill.reference <= record.observation.bar.open


def test_a_risk_averse_agent_never_holds_more_than_half():
    records = run(toy_spec(profile={"character": "risk_averse"}))
    weights = [r.order.weight for r in records if r.order and r.order.weight > r.observation.weight]
    assert weights and max(weights) <= 0.5


def test_the_watermark_never_passes_the_cutoff(whole):
    for record in whole:
        assert record.observation.watermark is None or record.observation.watermark <= record.observation.cutoff
        assert all(s.available_at is None or s.available_at <= record.observation.cutoff for s in record.thought.segments)


def test_extended_reflections_come_from_judged_decisions_only(whole):
    lessons = [(r, e.memory) for r in whole for e in r.thought.memory_events if e.memory and e.memory.kind == "extended_reflection"]
    assert lessons
    for record, memory in lessons:
        assert record.phase == "test" and memory.known_at <= record.observation.cutoff
        assert memory.birth.layer == "long" and memory.birth.importance == 80
    assert isinstance(lessons[0][1].known_at, datetime)


def test_decisions_whose_lessons_failed_are_looked_at_again_next_time():
    asked: list[LessonFacts] = []

    def answer(request: Request) -> str:
        if isinstance(request.facts, LessonFacts):
            if request.attempt == 1:
                asked.append(request.facts)
            if len(asked) == 1:
                return "I would rather not."
        return toy_answer(request)

    records = run(toy_spec(tickers=["TOYA"], train=None), answer=answer)
    first, second, third = ({judged.decided for judged in facts.judged} for facts in asked[:3])
    assert first < second and not second & third
    assert any("no lessons" in warning for record in records for warning in record.thought.warnings)


@pytest.mark.parametrize("preset", ["default", "finmem-paper", "finmem-repo", "investor-bench"])
@pytest.mark.parametrize(
    "execution",
    [{}, {"allow_short": True, "stops": True}, {"fill": "same_close", "fractional": False}, {"cash": 150.0, "fractional": False}],
    ids=["plain", "short with stops", "same close, whole shares", "little cash"],
)
def test_every_preset_and_every_way_to_trade_keeps_its_books(preset, execution):
    spec = toy_spec(preset=preset, execution=execution, profile={"character": "self_adaptive"}, train=None, tickers=["TOYA"])
    records = run(spec)
    assert len(records) == len(CALENDAR.sessions(spec.test.start, spec.test.end))
    for before, now in pairwise(records):
        held = before.portfolio.shares * now.observation.split
        cash = before.portfolio.cash + held * now.observation.dividend
        cash -= sum(f.shares * f.price + f.commission for f in now.fills)
        held += sum(f.shares for f in now.fills)
        assert now.portfolio.cash == pytest.approx(cash, abs=1e-6) and now.portfolio.shares == pytest.approx(held, abs=1e-6)
        assert now.equity == pytest.approx(cash + held * now.observation.bar.close, abs=1e-6)
        assert execution.get("allow_short") or held >= 0
        for recall in now.thought.recalls:
            assert recall.score == pytest.approx(recall.similarity + recall.recency + recall.importance, abs=1e-9)


class LeakyMarket:
    """A market whose views hand out news of tomorrow morning, which a real View cannot."""

    def __init__(self, market, since: date) -> None:
        self.market, self.since = market, since

    def view(self, cutoff: datetime):
        return LeakyView(self.market.view(cutoff), self.market.view(cutoff + timedelta(hours=18)), self.since)

    def __getattr__(self, name):
        return getattr(self.market, name)


class LeakyView:
    def __init__(self, honest, ahead, since: date) -> None:
        self.honest, self.ahead, self.since = honest, ahead, since

    def news(self, ticker, after=None):
        return (self.ahead if self.honest.session >= self.since else self.honest).news(ticker, after)

    def __getattr__(self, name):
        return getattr(self.honest, name)


def test_a_market_that_leaks_is_stopped_before_the_strategy_is_asked():
    spec = toy_spec(tickers=["TOYB"], train=None)
    market, strategies = build(spec)
    kept, since = [], date(2022, 4, 4)
    with pytest.raises(LookAhead, match=r"TOYB 2022-04-\d\d: the news item TOYB-.* became readable at .* UTC, after the decision of"):
        for record in trade(LeakyMarket(market, since), spec, strategies=strategies, calendar=CALENDAR):
            kept.append(record)
    assert kept and all(n.available_at <= r.observation.cutoff for r in kept for n in r.observation.news)
    assert len(strategies["TOYB"].backend.requests) == sum(len(r.thought.calls) for r in kept)


class SilentSource(ToySource):
    """Covers news only from a moment on, as a source does that cannot look back; filings nobody delivers."""

    provides = frozenset({"bars", "splits", "dividends", "news"})

    def __init__(self, since: datetime) -> None:
        super().__init__()
        self.since = since

    def fetch(self, table, symbol, start, end):
        found = super().fetch(table, symbol, start, end)
        return (
            replace(found, covered=clipped(found.covered, pd.Timestamp(self.since), pd.Timestamp.max.tz_localize("UTC")))
            if table == "news"
            else found
        )


def test_a_session_is_unsourced_unless_the_whole_time_since_the_close_before_it_is_covered():
    before = CALENDAR.session(date(2022, 3, 18)).close_at
    spec = toy_spec(tickers=["TOYB"], train=None, test={"start": "2022-03-17", "end": "2022-03-23"})
    by_day = {str(r.day): r.observation.unsourced for r in run(spec, source=SilentSource(before))}
    assert by_day == {
        "2022-03-17": ("news", "filings"),
        "2022-03-18": ("news", "filings"),
        "2022-03-21": ("filings",),
        "2022-03-22": ("filings",),
        "2022-03-23": ("filings",),
    }
    late = {str(r.day): r.observation.unsourced for r in run(spec, source=SilentSource(before + timedelta(seconds=1)))}
    assert late["2022-03-21"] == ("news", "filings") and late["2022-03-22"] == ("filings",)


def test_the_first_session_asks_for_sources_since_the_close_before_it_and_not_for_a_year():
    first = CALENDAR.session(date(2022, 3, 16)).close_at
    spec = toy_spec(tickers=["TOYB"], train=None, test={"start": "2022-03-17", "end": "2022-03-18"})
    assert [r.observation.unsourced for r in run(spec, source=SilentSource(first))] == [("filings",), ("filings",)]


def test_the_prompt_of_an_unsourced_session_says_that_silence_means_nothing():
    spec = toy_spec(tickers=["TOYB"], train=None, test={"start": "2022-03-17", "end": "2022-03-21"})
    days = run(spec, source=SilentSource(CALENDAR.session(date(2022, 3, 18)).close_at))
    said = [r.thought.calls[0].user for r in days]
    assert "No news or filings source covers the time since the last close" in said[0]
    assert "No filings source" in said[2] and "No news" not in said[2]
