"""Runs to make reports of: one really made, one written by hand where a test needs size or malice."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.memory.layers import preset
from agent.records import (
    Bar,
    Completion,
    DayRecord,
    Decision,
    Memory,
    MemoryEvent,
    MemoryState,
    ModelCall,
    News,
    Observation,
    Portfolio,
    Reason,
    Recall,
    Segment,
    Thought,
)
from agent.spec import RunSpec
from services import annotations, runs, worker
from services.settings import settings

Write = Callable[..., str]


def spec(name: str, **changes: Any) -> RunSpec:
    return RunSpec.read(
        {
            "name": name,
            "source": "demo",
            "tickers": ["DMAUR"],
            "train": None,
            "test": {"start": "2022-01-03", "end": "2022-12-30"},
            "backend": "rules",
            "memory": preset("default").model_copy(update={"embedder": "hashing"}).model_dump(),
            **changes,
        }
    )


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    found = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(found))
        patch.setenv("RECOLLECT_DEMO_ON_START", "false")
        settings.cache_clear()
        yield found
    settings.cache_clear()


@pytest.fixture(scope="session")
def made(home: Path) -> str:
    """A run that was really made: two tickers, a week to learn, a month to trade, with a note beside the run, a day and a memory."""
    windows = {"train": {"start": "2022-01-10", "end": "2022-01-14"}, "test": {"start": "2022-01-18", "end": "2022-02-15"}}
    run = runs.create(spec("Small & <small>", tickers=["DMAUR", "DMBRS"], **windows))
    assert worker.execute(run) == "done"
    annotations.note(annotations.place(run), "the whole run looks odd")
    annotations.note(annotations.place(run, "DMAUR", day=date(2022, 1, 20)), "why this day?")
    annotations.tag(annotations.place(run, "DMBRS", memory=3), "suspicious")
    return run


def letters(rng: random.Random, size: int) -> str:
    """Words of random letters: about as hard to pack as text can be."""
    return "".join(rng.choices(string.ascii_letters + string.digits + " ", k=size))


@pytest.fixture(scope="session")
def written(home: Path) -> Write:
    """``written(name, days, ...)`` stores a run of hand-made days and returns its id. ``say(what)`` gives every text in it."""

    def write(name: str, days: int, *, say: Callable[[str], str], memories: int = 1, asked: dict[str, Any] | None = None) -> str:
        run = f"hand{len(runs.store().runs())}"
        store = runs.store()
        store.create(spec(name), run_id=run, provenance=asked or {})
        day, born = date(2022, 1, 3), 0
        for index in range(days):
            record = _day(run, day, index, range(born + 1, born + memories + 1), say)
            born += memories
            store.append(record, vectors={event.memory_id: np.ones(4, np.float32) for event in record.thought.memory_events})
            day += timedelta(days=3 if day.weekday() == 4 else 1)
        store.beat(run, sessions_done=days, sessions_total=days)
        store.set_status(run, "done")
        return run

    return write


def _day(run: str, day: date, index: int, born: range, say: Callable[[str], str]) -> DayRecord:
    close = datetime(day.year, day.month, day.day, 21, tzinfo=UTC)
    price = 100 + 10 * ((index * 37) % 11) / 11
    sleeve = Portfolio(cash=100_000.0 + index)
    state = MemoryState(
        layer="short", importance=50.0, importance_as_of=close.timestamp() / 86_400, recency_anchor=close.timestamp() / 86_400
    )
    events = tuple(
        MemoryEvent(
            memory_id=number, kind="remembered", day=day, at=close, after=state, memory=_memory(number, day, index, close, state, say)
        )
        for number in born
    )
    known = range(max(1, born.start - 24), born.start) if index else range(0)
    recalls = tuple(
        Recall(memory_id=number, layer="short", rank=rank, similarity=0.5, recency=0.25, importance=0.5 / rank, score=0.75 + 0.5 / rank)
        for rank, number in enumerate(known, 1)
    )
    user = say("user")
    decision = Decision(
        action="hold",
        target_weight=0.0,
        confidence=0.5,
        reasons_for=(Reason(claim=say("claim"), weight=3, memories=tuple(known)[:2], facts=(say("fact"),)),),
        cited={"short": tuple(known)[:2]},
        summary=say("summary"),
        invalidation=say("invalidation"),
        flags=(say("flag"),),
        provenance="model",
    )
    answer = Completion(text=say("answer"), thinking=say("thinking"), backend="scripted", model=say("model"))
    news = News(
        id=f"n{index}",
        ticker="DMAUR",
        published_at=close,
        available_at=close,
        title=say("title"),
        summary=say("news"),
        publisher=say("publisher"),
        url=say("url"),
    )
    return DayRecord(
        run=run,
        ticker="DMAUR",
        day=day,
        index=index,
        phase="test",
        observation=Observation(
            ticker="DMAUR",
            session=day,
            cutoff=close,
            bar=Bar(day=day, open=price, high=price + 1, low=price - 1, close=price),
            news=(news,),
            portfolio=sleeve,
            equity=sleeve.cash,
        ),
        thought=Thought(
            decision=decision,
            query=say("query"),
            recalls=recalls,
            segments=(Segment(name="task", role="user", text=user[:200], tokens=50),),
            calls=(ModelCall(purpose="decide", system="You trade.", user=user, prompt_hash="h", completion=answer),),
            memory_events=events,
            live={"short": born.stop - 1},
            warnings=(say("warning"),),
        ),
        portfolio=sleeve,
        equity=sleeve.cash,
        benchmark=Portfolio(cash=0.0, shares=1000.0),
        benchmark_equity=1000 * price,
    )


def _memory(number: int, day: date, index: int, close: datetime, state: MemoryState, say: Callable[[str], str]) -> Memory:
    return Memory(
        id=number,
        ticker="DMAUR",
        kind="news",
        text=say("memory"),
        title=say("title"),
        publisher=say("publisher"),
        document_id=f"d{number}",
        content_hash=f"{number:064x}",
        event_time=close,
        available_at=close,
        known_at=close,
        born=day,
        born_index=index,
        phase="test",
        embedding_model="hashing",
        birth=state,
    )
