"""A toy market and a toy model for tests of the whole day: small, made up, every number under the test's control."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

import pandas as pd
from pydantic import BaseModel

from agent.engine import trade
from agent.llm.base import LessonFacts, Request, Situation, StudyFacts
from agent.market.sessions import Calendar
from agent.market.sources.base import Fetched, Listing, Local, whole
from agent.market.view import Market
from agent.memory.bank import MemoryBank
from agent.memory.embedders.hashing import HashingEmbedder
from agent.records import DayRecord
from agent.spec import RunSpec
from agent.strategies import STRATEGIES
from agent.strategies.base import Setup, Strategy
from tests.fakes import ScriptedBackend

CALENDAR = Calendar()
WORDS = [
    "orders",
    "margin",
    "plant",
    "strike",
    "outlook",
    "guidance",
    "recall",
    "approval",
    "demand",
    "backlog",
    "freight",
    "cobalt",
    "dollar",
    "growth",
    "loss",
]


class ToySource(Local):
    """Random prices and news for tickers TOYA, TOYB...; ``rewrite`` may change any table before it is served."""

    class Options(BaseModel, extra="forbid"): ...

    provides = frozenset({"bars", "splits", "dividends", "news", "filings"})
    note = "toy market"

    def __init__(self, *, seed: int = 1, rewrite: Callable[[str, pd.DataFrame], pd.DataFrame] | None = None) -> None:
        self.seed, self.rewrite = seed, rewrite or (lambda table, frame: frame)

    def listings(self) -> list[Listing]:
        return [Listing("TOYA", "Toy Alpha"), Listing("TOYB", "Toy Beta")]

    def fingerprint(self) -> str:
        return f"toy-{self.seed}"

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        frame = self.rewrite(table, getattr(self, f"_{table}")(symbol))
        day = {"bars": "date", "splits": "ex_date", "dividends": "ex_date", "news": "available_at", "filings": "available_at"}[table]
        stamps = frame[day].dt.tz_localize(None) if frame[day].dt.tz is not None else frame[day]
        return Fetched(frame[(stamps >= pd.Timestamp(start)) & (stamps < pd.Timestamp(end))].reset_index(drop=True), whole(start, end))

    def _days(self) -> list:
        return CALENDAR.sessions(date(2022, 1, 3), date(2022, 6, 30))

    def _bars(self, symbol: str) -> pd.DataFrame:
        r, price, rows = random.Random(f"{self.seed}{symbol}"), 100.0, []
        for session in self._days():
            factor = 0.5 if symbol == "TOYA" and session.day >= date(2022, 4, 18) else 1.0
            opened = price * (1 + r.gauss(0, 0.005))
            price = opened * (1 + r.gauss(0.0005, 0.015))
            high, low = max(opened, price) * 1.003, min(opened, price) * 0.997
            rows.append((symbol, pd.Timestamp(session.day), *(round(v * factor, 4) for v in (opened, high, low, price)), 1_000_000))
        return _typed(pd.DataFrame(rows, columns=["symbol", "date", "open", "high", "low", "close", "volume"]))

    def _splits(self, symbol: str) -> pd.DataFrame:
        rows = [(symbol, pd.Timestamp("2022-04-18"), 2.0)] if symbol == "TOYA" else []
        return _typed(pd.DataFrame(rows, columns=["symbol", "ex_date", "ratio"]), days=["ex_date"])

    def _dividends(self, symbol: str) -> pd.DataFrame:
        rows = [(symbol, pd.Timestamp("2022-05-12"), 0.6)]
        return _typed(pd.DataFrame(rows, columns=["symbol", "ex_date", "amount"]))

    def _news(self, symbol: str) -> pd.DataFrame:
        r, rows = random.Random(f"news{self.seed}{symbol}"), []
        for session in self._days():
            for number in range(r.randint(0, 3)):
                at = session.open_at + timedelta(minutes=r.randint(-300, 380))
                title = " ".join(r.choice(WORDS) for _ in range(6))
                rows.append((symbol, f"{symbol}-{session.day}-{number}", at, at + timedelta(minutes=5), title, title.upper(), "Wire", ""))
        columns = ["symbol", "id", "published_at", "available_at", "title", "summary", "publisher", "url"]
        return _typed(pd.DataFrame(rows, columns=columns))

    def _filings(self, symbol: str) -> pd.DataFrame:
        at = datetime(2022, 2, 18, 21, 35, tzinfo=UTC)
        text = " ".join(f"Sentence {n} on {w}." for n, w in enumerate(WORDS * 12))
        rows = [(symbol, f"{symbol}-10k", "10-K", "item_7", pd.Timestamp("2021-12-31"), at, at + timedelta(minutes=1), text, "")]
        columns = ["symbol", "accession", "form", "section", "period_end", "accepted_at", "available_at", "text", "url"]
        return _typed(pd.DataFrame(rows, columns=columns))


def _typed(frame: pd.DataFrame, days: list[str] | None = None) -> pd.DataFrame:
    for column in frame.columns:
        if column in ("date", "ex_date", "period_end"):
            frame[column] = pd.to_datetime(frame[column]).astype("datetime64[us]")
        elif column.endswith("_at"):
            frame[column] = pd.to_datetime(frame[column], utc=True).astype("datetime64[us, UTC]")
    return frame


def toy_answer(request: Request) -> str:
    """A valid answer that depends on every character of the prompt: any leak or loss changes it."""
    digest = hashlib.sha256("".join(m.content for m in request.messages).encode()).digest()
    facts = request.facts
    if isinstance(facts, StudyFacts):
        ids = [m.id for m in facts.situation.memories]
        return json.dumps({"summary": f"noted {digest.hex()[:8]}", "supporting": ids[:2], "opposing": ids[2:3]})
    if isinstance(facts, LessonFacts):
        return json.dumps({"lessons": [{"condition": "c", "action": "a", "evidence": digest.hex()[:6]}], "calibration": "fair"})
    assert isinstance(facts, Situation)
    return json.dumps(decision(facts, ("buy", "hold", "sell")[digest[0] % 3], confidence=0.5 + digest[1] / 512))


def decision(facts: Situation, action: str, *, confidence: float = 0.7, weight: float | None = None) -> dict:
    """A valid decision; an impossible trade (buying at the limit, selling nothing) becomes a hold."""
    if (action == "buy" and facts.weight >= facts.max_weight - 1e-6) or (action == "sell" and facts.weight <= facts.min_weight + 1e-6):
        action = "hold"
    target = weight if weight is not None else {"buy": facts.max_weight, "sell": facts.min_weight, "hold": facts.weight}[action]
    up, down = {"buy": (0.6, 0.2), "hold": (0.4, 0.3), "sell": (0.2, 0.6)}[action]
    ids = [m.id for m in facts.memories]
    found = {
        "symbol": facts.ticker,
        "as_of": facts.as_of,
        "character": facts.character,
        "reasons_for": [{"claim": "for", "weight": 6, "basis": [f"M{i}" for i in ids[:2]] or ["P"]}],
        "reasons_against": [{"claim": "against", "weight": 2, "basis": [f"M{i}" for i in ids[2:3]] or ["S"]}],
        "cited": {},
        "probabilities": {"up": up, "flat": round(1 - up - down, 6), "down": down},
        "expected_direction": "up" if up > down else "down",
        "action": action,
        "target_weight": target,
        "confidence": confidence,
        "horizon_sessions": 5,
        "invalidation": "the opposite",
        "summary": f"{action} it",
    }
    return found | ({"stop_loss_pct": 0.04, "take_profit_pct": 0.08} if facts.stops else {})


def toy_spec(**changes) -> RunSpec:
    base = {
        "tickers": ["TOYA", "TOYB"],
        "train": {"start": "2022-02-01", "end": "2022-03-14"},
        "test": {"start": "2022-03-15", "end": "2022-06-15"},
    }
    spec = RunSpec.read(base | changes)
    memory = spec.memory.model_copy(update={"embedder": "hashing"})
    return spec.model_copy(update={"memory": memory})


def build(
    spec: RunSpec, *, source: ToySource | None = None, answer: Callable[[Request], str] = toy_answer
) -> tuple[Market, dict[str, Strategy]]:
    """The market and the strategies of a spec, without a store."""
    start = (spec.train or spec.test).start
    market = Market.load(source or ToySource(), spec.tickers, start=start, end=spec.test.end, calendar=CALENDAR)
    plug = STRATEGIES.load(spec.strategy)
    strategies = {}
    for ticker in spec.tickers:
        bank = MemoryBank(ticker, spec.memory, HashingEmbedder(), seed=spec.seed)
        setup = Setup(
            ticker=ticker,
            spec=spec,
            company=market.companies[ticker],
            backend=ScriptedBackend(answer),
            bank=bank,
            session_of=CALENDAR.session_of,
            sessions_between=CALENDAR.count,
        )
        strategies[ticker] = plug(setup)
    return market, strategies


def run(spec: RunSpec, *, source: ToySource | None = None, answer: Callable[[Request], str] = toy_answer) -> list[DayRecord]:
    """All records of a run, wall-clock fields set to zero."""
    market, strategies = build(spec, source=source, answer=answer)
    return [timeless(r) for r in trade(market, spec, strategies=strategies, calendar=CALENDAR)]


def timeless(record: DayRecord) -> DayRecord:
    calls = tuple(call.model_copy(update={"ms": 0.0}) for call in record.thought.calls)
    return record.model_copy(update={"ms": 0.0, "thought": record.thought.model_copy(update={"calls": calls})})


def by_ticker(records: list[DayRecord]) -> Mapping[str, list[DayRecord]]:
    found: dict[str, list[DayRecord]] = {}
    for record in records:
        found.setdefault(record.ticker, []).append(record)
    return found
