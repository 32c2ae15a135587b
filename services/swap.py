"""Two models disagreed on a day: was it what they remembered, or how they think? Each is asked with the other's memories.

The two cells of the table in which a model meets its own memories are the record and are not asked again. In the other two everything
stays as it was in the model's own run (facts of the day, position, character, wording, mask, room, seed); only the recalled memories are
those of the other run. Promise: before anything is asked, each run's own question is rebuilt from its record and has to be the recorded
one to the letter, so that a crossed question differs by its memories alone; a server that fails is told as such and is never a decision;
what was answered is kept and is not asked again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from pydantic import ValidationError

from agent.decision.masking import Mask
from agent.decision.prompt_set import PromptSet
from agent.errors import NoData, SpecError, Unavailable
from agent.llm import BACKENDS
from agent.llm.base import Backend, Budget
from agent.llm.recorded import NotAsked, RecordedBackend
from agent.memory.bank import MemoryBank
from agent.records import DayRecord, Decision, ModelCall, Record
from agent.strategies import STRATEGIES
from agent.strategies.base import Setup
from services import queries, runs, wiring
from services.queries import RunView
from services.settings import settings
from storage.swap_file import SwapFiles

Kind = Literal["retrieval", "reasoning", "both", "neither alone", "open"]
MOST_ATTEMPTS = 2  # agent.decision.ask: one question, one repair
REQUESTS = {"think, then schema": 2}  # requests that one question takes in this way of asking; any other takes one
OnCell = Callable[[str, str], None]
# what has to be the same for both, with the words for it; money and position are each run's own
FACTS = {
    "cutoff": "the close",
    "next_session": "the next session",
    "company": "the company's name",
    "bar": "prices",
    "price": "indicators",
    "news": "news",
    "filings": "filings",
    "fundamentals": "fundamentals",
    "unsourced": "which sources were silent",
}


class Cell(Record):
    """One answer: whose ``memories`` were put to whose ``model`` (run ids). ``recorded``: it is the run's own and was not asked again."""

    memories: str
    model: str
    decision: Decision
    calls: tuple[ModelCall, ...] = ()
    recorded: bool = False
    asked_at: datetime | None = None


class Swap(Record):
    """The 2 x 2 table of a day as far as it is known. ``basis`` identifies the two records that it crosses."""

    one: str
    other: str
    ticker: str
    day: date
    basis: str
    cells: tuple[Cell, ...]

    def cell(self, *, memories: str, model: str) -> Cell | None:
        """None where the question was not asked, or not answered, yet."""
        return next((cell for cell in self.cells if (cell.memories, cell.model) == (memories, model)), None)

    @property
    def missing(self) -> tuple[tuple[str, str], ...]:
        """(memories, model) of the crossed questions without an answer."""
        pairs = ((self.one, self.other), (self.other, self.one))
        return tuple(pair for pair in pairs if self.cell(memories=pair[0], model=pair[1]) is None)


@dataclass(frozen=True)
class Plan:
    """What pressing the button would do. ``questions``: how many are put; ``most``: requests at most, if every answer has to be asked for
    again; ``asked``: the label of the model of each. ``notes``: what else differs between the runs, which "reasoning" then stands for too."""

    questions: int
    most: int
    asked: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What explains the disagreement, as a word and a sentence."""

    kind: Kind
    sentence: str


@dataclass(frozen=True)
class _Side:
    """One run on the day: its record, the record before it, and what it was asked with."""

    view: RunView
    record: DayRecord
    before: DayRecord | None

    @property
    def decision(self) -> Decision:
        assert self.record.thought.decision is not None, "checked by _side"
        return self.record.thought.decision

    @property
    def calls(self) -> tuple[ModelCall, ...]:
        return tuple(call for call in self.record.thought.calls if call.purpose == "decide")


# ------------------------------------------------------------------------------------------------------------------ the table


def look(one: str, other: str, ticker: str, day: date) -> Swap:
    """The table as it is: the two recorded cells, and the crossed ones that were asked before. Nothing is asked.

    SpecError says why the two cannot be crossed on this day; NoData where one has no such day; Unavailable where what was kept is damaged.
    """
    return _known(_side(one, ticker, day), _side(other, ticker, day))


def plan(one: str, other: str, ticker: str, day: date) -> Plan:
    """What ``ask`` would put to whom. Rebuilds both recorded questions first. SpecError says why the two cannot be crossed."""
    first, second = _side(one, ticker, day), _side(other, ticker, day)
    sides = {side.view.id: side for side in (first, second)}
    _crossable(first, second)
    missing = _known(first, second).missing
    most = sum(
        MOST_ATTEMPTS * REQUESTS.get(str((sides[model].view.provenance.get("model") or {}).get("way", "")), 1) for _, model in missing
    )
    labels = tuple(sides[model].view.model_label for _, model in missing)
    return Plan(len(missing), most, labels, tuple(_notes(first, second)))


def ask(one: str, other: str, ticker: str, day: date, *, on_cell: OnCell | None = None) -> Swap:
    """Put the crossed questions that have no answer yet, and keep each answer as soon as it is there; ``on_cell`` hears memories and model.

    Unavailable: a server did not answer, or serves another model than the run was made with; what was answered before stays kept.
    """
    first, second = _side(one, ticker, day), _side(other, ticker, day)
    sides = {side.view.id: side for side in (first, second)}
    _crossable(first, second)
    found = _known(first, second)
    for memories, model in found.missing:
        if on_cell:
            on_cell(memories, model)
        side = sides[model]
        backend = _ready(side)
        decision, calls = _considered(side, sides[memories], backend)
        cell = Cell(memories=memories, model=model, decision=decision, calls=calls, asked_at=datetime.now(UTC))
        found = found.model_copy(update={"cells": (*found.cells, cell)})
        asked = found.model_copy(update={"cells": tuple(item for item in found.cells if not item.recorded)})
        _files().write(one, other, ticker, str(day), asked.model_dump(mode="json"))
    return found


def verdict(found: Swap, *, names: tuple[str, str] = ("A", "B")) -> Verdict:
    """Split the disagreement of ``one`` and ``other``, called by these names. ``open`` while a cell has no decision.

    retrieval: the decision goes with the memories, whoever reads them. reasoning: it stays with the model, whatever it reads. both: one of the
    two decisions needs its memories and its model together. neither alone: a crossed question gave a decision that neither run took.
    """
    a, b = names
    cells = {(m, w): found.cell(memories=m, model=w) for m in (found.one, found.other) for w in (found.one, found.other)}
    words = {key: cell.decision.action if cell else None for key, cell in cells.items()}
    if any(word is None for word in words.values()):
        why = "is not asked yet" if any(cell is None for cell in cells.values()) else "has no decision"
        return Verdict("open", f"The disagreement cannot be split: one of the four {why}.")
    mine, theirs = words[found.one, found.one], words[found.other, found.other]
    under_b, under_a = words[found.one, found.other], words[found.other, found.one]  # a's memories with b's model, and the reverse
    if mine == theirs:
        return Verdict("open", f"There is nothing to split: both decided to {mine}.")
    if (under_b, under_a) == (mine, theirs):
        return Verdict(
            "retrieval",
            f"The decision goes with the memories: with {a}'s memories {b}'s model says {mine} too, with {b}'s memories {a}'s model says {theirs}.",
        )
    if (under_b, under_a) == (theirs, mine):
        return Verdict(
            "reasoning",
            f"The decision stays with the model: with {b}'s memories {a}'s model still says {mine}, with {a}'s memories {b}'s model still says {theirs}.",
        )
    if under_b == under_a and under_a in (mine, theirs):
        rare, whose = (theirs, b) if under_a == mine else (mine, a)
        return Verdict(
            "both",
            f"It takes both: only {whose}'s memories and {whose}'s model together give {rare}; either of them alone gives {under_a}.",
        )
    crossed = f"{a}'s memories with {b}'s model give {under_b}, {b}'s memories with {a}'s model give {under_a}"
    return Verdict("neither alone", f"Neither alone explains it: {crossed}, where {a} said {mine} and {b} said {theirs}.")


def temperature(view: RunView) -> float | None:
    """The temperature that a run's model is asked with; None for a backend that has none (rules)."""
    plug: Any = BACKENDS.load(view.spec.backend)
    if "temperature" not in plug.Options.model_fields:
        return None
    found = view.spec.backend_options.get("temperature", plug.Options.model_fields["temperature"].default)
    return None if found is None else float(found)


def forget(run: str) -> int:
    """Delete every kept answer about a run; returns how many tables."""
    return _files().forget(run)


def _files() -> SwapFiles:
    return SwapFiles(settings().home.absolute() / "swaps")


def _known(first: _Side, second: _Side) -> Swap:
    """The recorded cells and those kept of the very same two records."""
    basis = _basis(first, second)
    own = tuple(
        Cell(memories=side.view.id, model=side.view.id, decision=side.decision, calls=side.calls, recorded=True) for side in (first, second)
    )
    found = Swap(one=first.view.id, other=second.view.id, ticker=first.record.ticker, day=first.record.day, basis=basis, cells=own)
    data = _files().read(found.one, found.other, found.ticker, str(found.day))
    try:
        kept = Swap.model_validate(data) if data else None
    except ValidationError:
        raise Unavailable(
            f"The kept answers of {found.ticker} {found.day} were written by another version.",
            cure=f"Move the folder {_files().folder} away; the questions can be asked again.",
        ) from None
    return found if kept is None or kept.basis != basis else found.model_copy(update={"cells": (*own, *kept.cells)})


def _basis(*sides: _Side) -> str:
    """Of the two decisions and what they were made from: a day that was asked again is another question."""
    said = sorted(
        f"{side.view.id} {side.decision.model_dump_json()} {[r.model_dump_json() for r in side.record.thought.recalls]} {[c.prompt_hash for c in side.calls]}"
        for side in sides
    )
    return hashlib.sha256("\0".join(said).encode()).hexdigest()[:32]


# --------------------------------------------------------------------------------------------------------- may they be crossed


def _side(run: str, ticker: str, day: date) -> _Side:
    view = queries.run(run)
    if not hasattr(STRATEGIES.load(view.spec.strategy), "consider"):
        raise SpecError(
            f"“{view.name}” is decided by the strategy {view.spec.strategy}, which asks no model: there is nothing to swap.", field="cmp"
        )
    record = runs.store().record(run, ticker, day)
    if record.thought.decision is None or record.thought.decision.action is None:
        raise SpecError(f"“{view.name}” gave no decision on {day}: there is nothing to split.", field="day")
    earlier = [session for session in runs.store().sessions(run, ticker) if session < day]
    return _Side(view, record, runs.store().record(run, ticker, earlier[-1]) if earlier else None)


def _crossable(first: _Side, second: _Side) -> None:
    """Raise SpecError with the reason where a crossed question would differ by more than its memories and the model's own run."""
    if first.view.id == second.view.id:
        raise SpecError("A run cannot be crossed with itself.", field="cmp")
    if first.decision.action == second.decision.action:
        raise SpecError(f"Both decided to {first.decision.action} on {first.record.day}: there is no disagreement to split.", field="day")
    one, other = first.record.observation, second.record.observation
    if differ := [words for name, words in FACTS.items() if getattr(one, name) != getattr(other, name)]:
        raise SpecError(
            f"The two runs did not see the same day: {', '.join(differ)} differ. The swap changes the memories alone, so the facts must be the same.",
            field="cmp",
        )
    for side in (first, second):
        try:
            decision, _ = _considered(side, side, _recorded(side))
        except NotAsked:
            decision = None
        if decision != side.decision:
            raise SpecError(
                f"The question of “{side.view.name}” cannot be rebuilt to the letter from its record, so a crossed one would differ by more than "
                "its memories. It was probably recorded by another version.",
                field="cmp",
            )


def _notes(first: _Side, second: _Side) -> list[str]:
    """What, besides the memories, is each run's own in the crossed questions."""
    one, other = first.view, second.view
    found = []
    if one.provenance.get("prompts") != other.provenance.get("prompts"):
        found.append("The wording of the prompts differs")
    if first.decision.character != second.decision.character:
        found.append(f"The character differs ({first.decision.character}, {second.decision.character})".replace("_", " "))
    if one.spec.masking != other.spec.masking:
        found.append("What is hidden from the model differs; the other's memories are masked as the model's own run masks")
    held = first.record.observation.weight, second.record.observation.weight
    if abs(held[0] - held[1]) >= 0.005:
        found.append(f"The position differs ({held[0]:.0%} and {held[1]:.0%} of equity)")
    if one.spec.profile.sector != other.spec.profile.sector:
        found.append("What was said about the business differs")
    if one.spec.execution != other.spec.execution:
        found.append("Costs or rules of trading differ")
    return found


# ----------------------------------------------------------------------------------------------------------- a question rebuilt


def _considered(side: _Side, memories: _Side, backend: Backend) -> tuple[Decision, tuple[ModelCall, ...]]:
    """The day's question of ``side`` with the memories of another, put to ``backend``."""
    spec, ticker, provenance = side.view.spec, side.record.ticker, side.view.provenance
    calendar = wiring.calendar(spec)
    budget = (provenance.get("model") or {}).get("budget")
    room = Budget.model_validate(budget) if budget else None
    plug: Any = STRATEGIES.load(spec.strategy)
    agent = plug(
        Setup(
            ticker=ticker,
            spec=spec,
            backend=backend,
            budget=lambda: room,
            prompts=PromptSet.model_validate(provenance["prompt_set"]) if provenance.get("prompt_set") else None,
            mask=_mask(side),
            bank=_shelf(memories),
            session_of=calendar.session_of,
            sessions_between=calendar.count,
        )
    )
    if side.before is not None:
        agent.resume(side.before)
    thought = agent.consider(side.record.observation, memories.record.thought.recalls)
    return thought.decision, thought.calls


def _mask(side: _Side) -> Mask | None:
    if not side.view.spec.masking.on:
        return None
    try:
        return Mask.model_validate(side.view.provenance.get("masking"))
    except ValidationError:
        raise SpecError(
            f"The mask of “{side.view.name}” cannot be read, so nothing could be hidden from its model again.", field="cmp"
        ) from None


def _shelf(side: _Side) -> MemoryBank:
    """The recalled memories of a day, to be read; nothing is ranked, so none needs its vector."""
    spec, ticker = side.view.spec, side.record.ticker
    wanted = {recall.memory_id for recall in side.record.thought.recalls}
    kept = [(memory, state, False) for memory, state, _ in runs.store().memories_of(side.view.id, ticker, wanted)]
    if gone := wanted - {memory.id for memory, _, _ in kept}:
        raise NoData(f"“{side.view.name}” does not hold the memories {', '.join(map(str, sorted(gone)[:5]))} any more.")
    return MemoryBank.restore(ticker, spec.memory, wiring.embedder(spec, settings()), seed=spec.seed, memories=kept, vectors={}, next_id=1)


def _recorded(side: _Side) -> Backend:
    return RecordedBackend(side.calls, label=side.view.model_label, model=side.view.provenance.get("backend", {}).get("model", ""))


def _ready(side: _Side) -> Backend:
    """The run's own model, loaded and asked in the way that was settled for the run."""
    made = wiring.backend(side.view.spec)
    before: Mapping[str, Any] = side.view.provenance.get("model") or {}
    plug: Any = STRATEGIES.load(side.view.spec.strategy)
    now = made.warm_up(longest=plug.longest_question(side.view.spec), before=before)
    for name, words in (("model", "model"), ("digest", "digest of the model"), ("quantisation", "quantisation")):
        if before.get(name) and now.get(name) and before[name] != now[name]:
            raise Unavailable(
                f"“{side.view.name}” was made with another model than the one served now: the {words} was {str(before[name])[:40]}, is {str(now[name])[:40]}.",
                cure="Serve the model of the run again; another one cannot speak for it.",
            )
    return made
