"""A home folder with one large finished run and a few small ones, to measure the dashboard on: ``python -m bench.large_run --home DIR``.

The real engine, memory, prompts and store make the run; only the market and the model are made up: a market with many texts a day, and
a model that answers at once and thinks as long as it takes to reach --text characters a day. So the ledger adds up, memories are
recalled, cited, credited, moved and forgotten by the rules of a real run, and every page can open it. Minutes for 5,000 days.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).parents[1]))

from agent.engine import trade
from agent.llm.base import Cancelled, Health, LessonFacts, OnChunk, Request, Situation, StudyFacts
from agent.market.sessions import Calendar
from agent.market.sources.base import Fetched, Listing, Local, whole
from agent.market.view import Market
from agent.memory.bank import MemoryBank
from agent.memory.embedders.hashing import HashingEmbedder
from agent.memory.layers import preset
from agent.records import Completion
from agent.spec import RunSpec
from agent.strategies import STRATEGIES
from agent.strategies.base import Setup


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NAME = "Large run"
NOTE = "synthetic market, made to measure large runs"
FIRST = date(2018, 1, 2)
TRAIN_SHARE = 0.04
TICKERS = ("BIGA", "BIGB", "BIGC", "BIGD", "BIGE", "BIGF", "BIGG", "BIGH")
NEWS_CHARACTERS = 600
BESIDES_NEWS = 1.25  # memories a day that are not news: a reflection, every fifth day its lessons, four times a year a report
SUBJECTS = words(
    "management analysts regulators suppliers customers auditors shippers unions competitors lenders engineers retailers insurers "
    "distributors shareholders"
)
VERBS = words(
    "expect doubt confirm deny report question postpone approve finance audit redesign renegotiate withdraw deliver test measure "
    "promise revise inspect expand"
)
THINGS = words(
    "orders margins plants strikes outlooks guidance recalls approvals demand backlog freight cobalt dollars growth losses contracts "
    "refunds permits tariffs prices wages batteries sensors warehouses vessels turbines licences patents tenders dividends inventories "
    "pipelines refineries kits analysers terminals harvests rents leases debts covenants ratings forecasts benchmarks outages storms"
)
COLUMNS = {
    "bars": ["symbol", "date", "open", "high", "low", "close", "volume"],
    "splits": ["symbol", "ex_date", "ratio"],
    "dividends": ["symbol", "ex_date", "amount"],
    "news": ["symbol", "id", "published_at", "available_at", "title", "summary", "publisher", "url"],
    "filings": ["symbol", "accession", "form", "section", "period_end", "accepted_at", "available_at", "text", "url"],
}
PLACES = words("Norway Ghana Peru Texas Ohio Kyoto Lyon Malmo Gdansk Porto Turin Leeds Perth Quito Hanoi Accra")


@dataclass(frozen=True)
class Size:
    """What to make: sessions, tickers, memories of all tickers together, characters of prompt and answer a day."""

    days: int
    tickers: int
    memories: int
    text: int

    @property
    def symbols(self) -> tuple[str, ...]:
        return TICKERS[: self.tickers]

    @property
    def news_a_day(self) -> float:
        return max(0.0, self.memories / (self.days * self.tickers) - BESIDES_NEWS)


# ------------------------------------------------------------------------------------------------------------------ the market


def prose(chance: random.Random, characters: int) -> str:
    """Sentences of made-up business news, no two texts alike."""
    sentences: list[str] = []
    length = 0
    while length < characters:
        said = (
            f"{chance.choice(SUBJECTS).capitalize()} {chance.choice(VERBS)} {chance.choice(THINGS)} and {chance.choice(THINGS)} in "
            f"{chance.choice(PLACES)} at {chance.randint(2, 980)} a unit, while {chance.choice(SUBJECTS)} {chance.choice(VERBS)} "
            f"{chance.choice(THINGS)}."
        )
        sentences.append(said)
        length += len(said) + 1
    return " ".join(sentences)[:characters]


class CrowdedMarket(Local):
    """Random prices, a dividend a quarter, one split, and many news a day."""

    class Options(BaseModel, extra="forbid"): ...

    provides = frozenset({"bars", "splits", "dividends", "news", "filings"})
    note = NOTE

    def __init__(self, size: Size, calendar: Calendar, *, seed: int = 1) -> None:
        self._size, self._seed = size, seed
        self.sessions = calendar.sessions(FIRST, FIRST + timedelta(days=size.days * 2 + 30))[: size.days]

    def listings(self) -> list[Listing]:
        return [Listing(symbol, f"Big {symbol[-1]} Works") for symbol in TICKERS]

    def fingerprint(self) -> str:
        return f"crowded-{self._seed}-{self._size}"

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        frame = _typed(pd.DataFrame(getattr(self, f"_{table}")(symbol), columns=COLUMNS[table]))
        day = {"bars": "date", "splits": "ex_date", "dividends": "ex_date", "news": "available_at", "filings": "available_at"}[table]
        stamps = frame[day].dt.tz_localize(None) if frame[day].dt.tz is not None else frame[day]
        return Fetched(frame[(stamps >= pd.Timestamp(start)) & (stamps < pd.Timestamp(end))].reset_index(drop=True), whole(start, end))

    def _bars(self, symbol: str) -> list[dict[str, Any]]:
        chance, price, rows, split_at = random.Random(f"{self._seed}{symbol}"), 100.0, [], self._split_day()
        for session in self.sessions:
            opened = price * (1 + chance.gauss(0, 0.005))
            price = opened * (1 + chance.gauss(0.0004, 0.014))
            factor = 0.5 if symbol == TICKERS[0] and session.day >= split_at else 1.0
            high, low = max(opened, price) * 1.004, min(opened, price) * 0.996
            values = dict(zip(("open", "high", "low", "close"), (round(v * factor, 4) for v in (opened, high, low, price)), strict=True))
            rows.append({"symbol": symbol, "date": pd.Timestamp(session.day), **values, "volume": 1_000_000.0})
        return rows

    def _split_day(self) -> date:
        return self.sessions[len(self.sessions) // 2].day

    def _splits(self, symbol: str) -> dict[str, list[Any]]:
        days = [pd.Timestamp(self._split_day())] if symbol == TICKERS[0] else []
        return {"symbol": [symbol] * len(days), "ex_date": days, "ratio": [2.0] * len(days)}

    def _dividends(self, symbol: str) -> dict[str, list[Any]]:
        days = [pd.Timestamp(session.day) for session in self.sessions[30::63]]
        return {"symbol": [symbol] * len(days), "ex_date": days, "amount": [0.25] * len(days)}

    def _news(self, symbol: str) -> list[dict[str, Any]]:
        chance, rows, owed = random.Random(f"news{self._seed}{symbol}"), [], 0.0
        for session in self.sessions:
            owed += self._size.news_a_day
            for number in range(int(owed)):
                at = session.close_at - timedelta(minutes=chance.randint(5, 380))
                rows.append(
                    {
                        "symbol": symbol,
                        "id": f"{symbol}-{session.day}-{number}",
                        "published_at": at,
                        "available_at": at + timedelta(minutes=2),
                        "title": prose(chance, 70),
                        "summary": prose(chance, NEWS_CHARACTERS),
                        "publisher": chance.choice(("Harbour Post", "Evening Ledger", "Plain Wire")),
                        "url": "",
                    }
                )
            owed -= int(owed)
        return rows

    def _filings(self, symbol: str) -> list[dict[str, Any]]:
        chance, rows = random.Random(f"filings{self._seed}{symbol}"), []
        for number, session in enumerate(self.sessions[20::63]):
            yearly = number % 4 == 3
            at = session.close_at - timedelta(hours=1)
            rows.append(
                {
                    "symbol": symbol,
                    "accession": f"{symbol}-{number:04}",
                    "form": "10-K" if yearly else "10-Q",
                    "section": "item_7" if yearly else "part_1_item_2",
                    "period_end": pd.Timestamp(session.day - timedelta(days=40)),
                    "accepted_at": at,
                    "available_at": at + timedelta(minutes=1),
                    "text": prose(chance, 6_000),
                    "url": "",
                }
            )
        return rows


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    for column in frame.columns:
        if column in ("date", "ex_date", "period_end"):
            frame[column] = pd.to_datetime(frame[column]).astype("datetime64[us]")
        elif column.endswith("_at"):
            frame[column] = pd.to_datetime(frame[column], utc=True).astype("datetime64[us, UTC]")
    return frame


# ------------------------------------------------------------------------------------------------------------------- the model


class Talker:
    """A model that answers at once, decides by a hash of the question, and thinks until a day has ``text`` characters."""

    class Options(BaseModel, extra="forbid"): ...

    label, model = "made up, no LLM", "talker"

    def __init__(self, text: int) -> None:
        self._text = text

    def complete(self, request: Request, *, on_chunk: OnChunk | None = None, cancelled: Cancelled | None = None) -> Completion:
        asked = "".join(message.content for message in request.messages)
        chance = random.Random(hashlib.sha256(asked.encode()).digest())
        said = json.dumps(_answer(request, chance))
        thinking = prose(chance, max(400, self._text - len(asked) - len(said)))
        tokens = {"prompt_tokens": len(asked) // 4, "answer_tokens": (len(said) + len(thinking)) // 4}
        return Completion(text=said, thinking=thinking, backend="ollama", model=self.model, options={"seed": request.seed}, **tokens)

    def check(self) -> Health:
        return Health(ok=True, message="answers at once")

    def warm_up(self, *, longest: int = 0, before: Mapping[str, Any] | None = None, cancelled: Cancelled | None = None) -> dict[str, Any]:
        return {"backend": "ollama", "model": self.model}


def _answer(request: Request, chance: random.Random) -> dict[str, Any]:
    facts = request.facts
    if isinstance(facts, StudyFacts):
        ids = [memory.id for memory in facts.situation.memories]
        return {"summary": prose(chance, 300), "supporting": ids[:4], "opposing": ids[4:6]}
    if isinstance(facts, LessonFacts):
        lesson = {name: prose(chance, 110) for name in ("condition", "action", "evidence")}
        return {"lessons": [lesson], "calibration": prose(chance, 80)}
    assert isinstance(facts, Situation)
    return _decision(facts, chance)


def _decision(facts: Situation, chance: random.Random) -> dict[str, Any]:
    action = chance.choices(("buy", "hold", "sell"), (3, 5, 2))[0]
    if (action == "buy" and facts.weight >= facts.max_weight - 1e-6) or (action == "sell" and facts.weight <= facts.min_weight + 1e-6):
        action = "hold"
    ids = [memory.id for memory in facts.memories]
    picked = sorted(ids, key=lambda number: number * 2_654_435_761 % 1_009)[:4]  # it has favourites, so that memories earn promotion
    up, down = {"buy": (0.6, 0.2), "hold": (0.4, 0.3), "sell": (0.2, 0.6)}[action]
    return {
        "symbol": facts.ticker,
        "as_of": facts.as_of,
        "character": facts.character,
        "reasons_for": [{"claim": prose(chance, 160), "weight": chance.randint(3, 9), "basis": [f"M{number}"]} for number in picked[:3]]
        or [{"claim": prose(chance, 160), "weight": 5, "basis": ["P"]}],
        "reasons_against": [{"claim": prose(chance, 160), "weight": 2, "basis": [f"M{number}" for number in picked[3:]] or ["S"]}],
        "cited": {},
        "probabilities": {"up": up, "flat": round(1 - up - down, 6), "down": down},
        "expected_direction": "up" if up > down else "down",
        "action": action,
        "target_weight": {"buy": facts.max_weight, "sell": facts.min_weight, "hold": facts.weight}[action],
        "confidence": round(chance.uniform(0.5, 0.95), 2),
        "horizon_sessions": 5,
        "invalidation": prose(chance, 120),
        "summary": prose(chance, 300),
    }


# --------------------------------------------------------------------------------------------------------------------- the run


def spec_of(size: Size, market: CrowdedMarket, name: str) -> RunSpec:
    """The run's spec: a short training, then the test to the last session but one (each order needs a next open)."""
    days = [session.day for session in market.sessions]
    trained = max(2, int(len(days) * TRAIN_SHARE))
    return RunSpec.read(
        {
            "name": name,
            "tickers": list(size.symbols),
            "train": {"start": days[0], "end": days[trained - 1]},
            "test": {"start": days[trained], "end": days[-1]},
            "backend": "ollama",
            "backend_options": {"model": Talker.model},
            "memory": preset("default").model_copy(update={"embedder": "hashing"}).model_dump(),
        }
    )


def write(size: Size, *, name: str, run: str, tell: bool = False) -> str:
    """Make one run through the real store of RECOLLECT_HOME; returns its id."""
    from services import prompts, runs
    from services.wiring import Wired, provenance
    from services.worker import Known, _sum_up

    calendar = Calendar()
    source = CrowdedMarket(size, calendar)
    spec = spec_of(size, source, name)
    market = Market.load(source, spec.tickers, start=source.sessions[0].day, end=source.sessions[-1].day, calendar=calendar)
    backend, embedder = Talker(size.text), HashingEmbedder()
    common = partial(Setup, spec=spec, backend=backend, prompts=prompts.get(spec.prompts))
    strategies = {
        ticker: STRATEGIES.load(spec.strategy)(
            common(
                ticker=ticker,
                company=market.companies[ticker],
                bank=MemoryBank(ticker, spec.memory, embedder, seed=spec.seed),
                session_of=calendar.session_of,
                sessions_between=calendar.count,
            )
        )
        for ticker in spec.tickers
    }
    wired = Wired(market, calendar, strategies, backend, None, prompts=prompts.get(spec.prompts))
    store, known = runs.store(), Known()
    store.create(spec, run_id=run, provenance=provenance(spec, wired))
    store.set_status(run, "running")
    total, began = size.days * size.tickers, time.monotonic()
    store.beat(run, sessions_total=total)
    for number, record in enumerate(trade(market, spec, strategies=strategies, calendar=calendar, run=run), 1):
        born = [event.memory_id for event in record.thought.memory_events if event.kind == "remembered"]
        store.append(record, vectors=dict(strategies[record.ticker].vectors(born)))
        known.add(record)
        if tell and number % 500 == 0:
            print(f"{number} of {total} days, {time.monotonic() - began:.0f} s", flush=True)
    _sum_up(store, run, known)
    store.clear_outbox(run, up_to=store.outbox_end(run))  # nobody asks this run's vector index
    store.set_status(run, "done")
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="folder to write; a run that is there already is left alone")
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--tickers", type=int, default=5, choices=range(1, len(TICKERS) + 1))
    parser.add_argument("--memories", type=int, default=50_000, help="of all tickers together, forgotten ones included")
    parser.add_argument("--text", type=int, default=30_000, help="characters of prompt and answer a day")
    parser.add_argument("--small", type=int, default=6, help="small runs beside it")
    args = parser.parse_args()
    os.environ["RECOLLECT_HOME"] = str(args.home.absolute())
    from services import runs

    there = {row.id for row in runs.store().runs()}
    for number in range(args.small):
        if f"small-{number}" not in there:
            write(Size(20 + number, 1, 60, 3_000), name=f"Small run {number}", run=f"small-{number}")
    if "large" not in there:
        size = Size(args.days, args.tickers, args.memories, args.text)
        write(size, name=f"{NAME}: {args.days:,} days, {args.tickers} tickers", run="large", tell=True)


if __name__ == "__main__":
    main()
