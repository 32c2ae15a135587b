"""Asking the memory of a past session: "what would have been recalled for these words on that day", ranked by the agent's own bank.

"As of a day" means the moment at which the agent itself asked: after the session's forgetting, credit, moves and news, before it cited
and reflected. The session's own question put again gives its recorded recalls, number for number.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pandas as pd

from agent.errors import NoData, SpecError, Unavailable
from agent.memory.as_of import Moved, Session, bank_at
from agent.memory.bank import MemoryBank
from agent.memory.embedders.base import Embedder
from agent.records import MemoryState, Recall
from agent.spec import RunSpec
from services import queries, runs, wiring
from services.settings import settings

LONGEST = 2000  # characters of a question of one's own; an embedder reads about 256 words of it


@dataclass(frozen=True)
class Past:
    """A memory at the question of ``session``."""

    bank: MemoryBank
    session: Session
    run: str
    ticker: str


def embedder(spec: RunSpec) -> Embedder:
    """The run's own embedder, behind the cache all runs share; a model is loaded at the first text that is new. Unavailable with its cure."""
    wiring.embedder_ready(spec)
    return wiring.embedder(spec, settings())


def past(run_id: str, ticker: str, day: date, using: Embedder) -> Past:
    """The memory as the session ``day`` asked it. NoData: no such session. Unavailable: its vectors are those of another embedder."""
    store, spec = runs.store(), queries.run(run_id).spec
    session = _session(run_id, ticker, day)
    events = store.event_rows(run_id, ticker, until=day, columns=("day", "kind", "memory_id", "state"))
    if events.empty:
        bank = MemoryBank(ticker, spec.memory, using, seed=spec.seed)
        bank.begin(session.day, session.cutoff, session.index, session.phase)
        return Past(bank, session, run_id, ticker)
    newest = events.groupby("memory_id").last()
    living = newest[newest["kind"] != "forgotten"]
    states = {int(number): MemoryState.model_validate_json(state) for number, state in living["state"].items()}
    memories = [(memory, states[memory.id], True) for memory, _, _ in store.memories_of(run_id, ticker, states)]
    _same_embedder({memory.embedding_model for memory, _, _ in memories}, using)
    ids, matrix = store.vectors(run_id, ticker, states)
    vectors = {int(number): matrix[row] for row, number in enumerate(ids)}
    bank = bank_at(
        ticker,
        spec.memory,
        using,
        seed=spec.seed,
        session=session,
        memories=memories,
        vectors=vectors,
        moves=_moves(events, day),
    )
    return Past(bank, session, run_id, ticker)


def search(where: Past, question: str) -> pd.DataFrame:
    """What the question would have brought up, layer by layer in rank order, with the near misses of each.

    Columns: memory_id, layer, rank, similarity, recency, importance (each 0..1; similarity may be negative), score (their sum), near_miss,
    cited (False: nobody answered), title, kind, born, text.
    """
    if not question.strip():
        raise SpecError("An empty question recalls nothing in particular; write a few words.", field="ask")
    return _frame(where, where.bank.recall(question))


def own_question(run_id: str, ticker: str, day: date) -> str:
    """What the session itself asked its memory."""
    return queries.record(run_id, ticker, day).thought.query


def as_recorded(found: pd.DataFrame, recorded: pd.DataFrame) -> bool:
    """Whether a search brought up what the session's own recall did: the same memories, in the same order, with the same scores."""
    names = ["memory_id", "layer", "rank", "near_miss", "score"]
    if len(found) != len(recorded):
        return False
    return bool((found[names].to_numpy() == recorded[names].to_numpy()).all()) if len(found) else True


def _frame(where: Past, found: tuple[Recall, ...]) -> pd.DataFrame:
    rows = []
    for recall in found:
        memory = where.bank.get(recall.memory_id)
        told = {"title": memory.title or memory.text[:80], "kind": memory.kind, "born": memory.born, "text": memory.text}
        rows.append({**recall.model_dump(include=set(PARTS)), "cited": False, **told})
    return pd.DataFrame(rows, columns=[*PARTS, "cited", "title", "kind", "born", "text"])


PARTS = ("memory_id", "layer", "rank", "similarity", "recency", "importance", "score", "near_miss")


def _session(run_id: str, ticker: str, day: date) -> Session:
    rows = runs.store().day_rows(run_id, ticker, day=day, columns=("cutoff", "index", "phase"))
    if rows.empty:
        raise NoData(f"{day} is not a session of {ticker} in run {run_id!r}.", field="day")
    row = rows.iloc[0]
    return Session(day=day, cutoff=row["cutoff"].to_pydatetime(), index=int(row["index"]), phase=row["phase"])


def _moves(events: pd.DataFrame, day: date) -> list[Moved]:
    """The session's moves between layers, each with the state before it."""
    moves: list[Moved] = []
    before: dict[int, str] = {}
    touched = set(events.loc[(events["day"] == day) & events["kind"].isin(("promoted", "demoted")), "memory_id"])
    for row in events[events["memory_id"].isin(touched)].itertuples():
        if row.day == day and row.kind in ("promoted", "demoted"):
            moves.append(Moved(int(row.memory_id), row.kind, MemoryState.model_validate_json(before[row.memory_id])))
        before[row.memory_id] = row.state
    return moves


def _same_embedder(recorded: set[str], using: Embedder) -> None:
    if others := sorted(recorded - {using.name}):
        raise Unavailable(
            f"The memories of this run were embedded by {others[0]}; here the embedder is {using.name}. Similarities between the two mean nothing.",
            cure="Install the embedder the run was made with; the run's own recalls can be read on the Days page meanwhile.",
        )
