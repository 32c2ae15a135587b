"""Small honest DayRecords: one ticker, one day after another, memories that are born, cited, promoted, merged and forgotten."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np

from agent.records import (
    Bar,
    Completion,
    DayRecord,
    Decision,
    Fill,
    Memory,
    MemoryEvent,
    MemoryState,
    ModelCall,
    News,
    Observation,
    Order,
    Outcome,
    Portfolio,
    PriceState,
    Reason,
    Recall,
    Segment,
    Thought,
)
from agent.spec import RunSpec, Window

FIRST = date(2025, 3, 17)
DIMENSION = 8


def make_spec(name: str = "a run", **changes: object) -> RunSpec:
    return RunSpec(name=name, tickers=("ACME", "BETA"), test=Window(start=FIRST, end=date(2025, 7, 31)), **changes)


def make_state(**changes: object) -> MemoryState:
    return MemoryState(**{"layer": "short", "importance": 40.0, "importance_as_of": 1.5, "recency_anchor": 0.25, **changes})


def make_memory(id: int, day: date, *, ticker: str = "ACME", text: str = "", state: MemoryState | None = None) -> Memory:
    seen = moment(day) - timedelta(hours=3, microseconds=17)
    return Memory(
        id=id,
        ticker=ticker,
        kind="news",
        text=text or f"{ticker} said something of weight, number {id}; “€ 3.2 bn”, it wrote.",
        title=f"Title {id}",
        publisher="The Paper",
        document_id=f"news-{id}",
        sources=(f"news-{id}",),
        content_hash=f"{id:064x}",
        event_time=seen,
        available_at=seen + timedelta(minutes=5),
        known_at=seen + timedelta(minutes=5),
        born=day,
        phase="test",
        embedding_model="hashing-8",
        birth=state or make_state(),
    )


def moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 20, 0, tzinfo=UTC)


def make_vector(id: int, dimension: int = DIMENSION) -> np.ndarray:
    vector = np.random.default_rng(id).normal(size=dimension)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def event(id: int, kind: str, day: date, **changes: object) -> MemoryEvent:
    return MemoryEvent(**{"memory_id": id, "kind": kind, "day": day, "at": moment(day), "after": make_state(), **changes})


def remembered(id: int, day: date, *, ticker: str = "ACME", text: str = "") -> MemoryEvent:
    return event(id, "remembered", day, memory=make_memory(id, day, ticker=ticker, text=text))


def session(index: int) -> date:
    """The index-th weekday from FIRST on."""
    return FIRST + timedelta(days=index // 5 * 7 + index % 5)


def make_record(
    run: str = "run-1",
    *,
    ticker: str = "ACME",
    index: int = 0,
    events: tuple[MemoryEvent, ...] = (),
    recalls: tuple[Recall, ...] = (),
    cited: dict[str, tuple[int, ...]] | None = None,
    **changes: object,
) -> DayRecord:
    """A traded test day; numbers are awkward on purpose, so that a rounded or reordered float is seen."""
    day, close = session(index), 100.1 + index / 3
    holding = Portfolio(cash=1 / 3, shares=10.7 + index, average_cost=99.99999999999999, pending=None)
    order = Order(day=day, weight=0.5, wished=1.2, status="pending", reason="clamped to 0.5")
    decision = Decision(
        action="buy",
        target_weight=0.5,
        confidence=0.62,
        horizon_sessions=5,
        expected_direction="up",
        probabilities={"up": 0.5, "flat": 0.2, "down": 0.3},
        reasons_for=(Reason(claim="sales grew", weight=7, memories=(1,)),),
        cited=cited or {},
        summary=f"Buy {ticker}",
        provenance="model",
        clipped_by=("max_weight",),
        character="risk_seeking",
    )
    answer = Completion(text='{"action":"buy"}', backend="rules", model="rules-1", prompt_tokens=900, answer_tokens=80)
    thought = Thought(
        decision=decision,
        query="sales of ACME",
        recalls=recalls,
        segments=(Segment(name="news", role="user", text="Sales grew.", tokens=3, available_at=moment(day)),),
        calls=(ModelCall(purpose="decide", system="You trade.", user="Sales grew.", prompt_hash="ab", completion=answer, ms=12.5),),
        memory_events=events,
        live={"short": 2},
        carry={"rng": [1, 2, 3], "last": "2025-03-17", "ratio": 0.1 + 0.2},
    )
    fill = Fill(day=day, shares=2.5, price=100.02, reference=100.0, commission=0.025, slippage=0.05)
    record = DayRecord(
        run=run,
        ticker=ticker,
        day=day,
        index=index,
        phase="test",
        observation=Observation(
            ticker=ticker,
            session=day,
            cutoff=moment(day),
            bar=Bar(day=day, open=100, high=close + 1, low=99, close=close, volume=1e6),
            price=PriceState(close=close, return_1=0.1 + 0.2),
            news=(News(id="n", ticker=ticker, published_at=moment(day), available_at=moment(day), title="Sales grew"),),
            portfolio=holding,
            equity=1e5 + index,
            weight=0.25,
            watermark=moment(day),
        ),
        thought=thought,
        order=order,
        fills=(fill,) if index else (),
        outcomes=(Outcome(decided=session(index - 5), direction=1, entry=100, exit=103, sessions=5, move=0.03, verdict=1),)
        if index >= 5
        else (),
        portfolio=holding,
        equity=1e5 + index / 7,
        benchmark=holding,
        benchmark_equity=1e5 + index / 9,
        ms=1.25,
    )
    return record.model_copy(update=changes)


def make_day(run: str = "run-1", *, ticker: str = "ACME", index: int = 0, births: int = 2) -> tuple[DayRecord, dict[int, np.ndarray]]:
    """A day in a life: some are born, yesterday's first is cited and promoted, that of five days ago is forgotten."""
    day, first = session(index), 1 + index * births
    events = [remembered(id, day, ticker=ticker) for id in range(first, first + births)]
    recalls: list[Recall] = []
    if index and births:
        old = first - births
        events.append(event(old, "cited", day, after=make_state(access_count=1)))
        after = make_state(layer="mid", importance=61.0, access_count=1, positive=1)
        events.append(event(old, "promoted", day, after=after, before_layer="short", reason="credit"))
        recalls = [
            Recall(memory_id=old, layer="short", rank=1, similarity=0.7, recency=0.9, importance=0.4, score=2.0),
            Recall(
                memory_id=old + births - 1, layer="short", rank=2, similarity=-0.1, recency=0.9, importance=0.4, score=1.2, near_miss=True
            ),
        ]
    if index >= 5 and births > 1:
        events.append(event(1 + (index - 5) * births + 1, "forgotten", day, after=make_state(importance=4.0), reason="importance"))
    cited = {"short": (recalls[0].memory_id,)} if recalls else {}
    record = make_record(run, ticker=ticker, index=index, events=tuple(events), recalls=tuple(recalls), cited=cited)
    return record, {id: make_vector(id) for id in range(first, first + births)}
