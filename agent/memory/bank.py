"""The memory of one ticker: remember, recall, cite, credit, promote, forget.

Promises: recall ranks *every* live memory by the exact score; on an ordinary day nothing is written, only events are; nothing is seen
before it could be known; and a bank restored from its events goes on exactly like one that was never stopped. A day is

    begin -> advance -> credit -> settle -> remember -> recall -> cite

but each step is an operation of its own, so that tests and other strategies may order them otherwise.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from agent.memory import scoring
from agent.memory.embedders.base import Embedder
from agent.memory.layers import LayerSpec, MemorySpec
from agent.memory.table import LayerTable, Row
from agent.records import EventKind, Memory, MemoryEvent, MemoryKind, MemoryState, Phase, Recall, Record

_DAY = 86_400.0
_BLOCK = 512  # drafts compared at a time
_LARGE = 2048  # rows from which it pays to leave out the hopeless ones


class Draft(Record):
    """A text on its way into memory. ``source_id`` names the item it came from; ``importance`` overrides the draw at birth."""

    kind: MemoryKind
    title: str = ""
    text: str
    publisher: str = ""
    document_id: str
    chunk: int = 0
    source_id: str = ""
    event_time: datetime
    available_at: datetime
    known_at: datetime | None = None
    importance: float | None = Field(None, ge=0, le=100)
    digested: str = ""
    also: tuple[str, ...] = Field((), description="ids of further source items that this text speaks for")


class _Fresh(NamedTuple):
    """A draft that is worth embedding."""

    order: int
    draft: Draft
    layer: str
    content: str
    importance: float


class _Held(NamedTuple):
    """Recency of a memory that moved today, where the preset keeps stored values until the next session."""

    shown: float
    ranked: float


class MemoryBank:
    """One bank per ticker. ``seed`` keys the importance of new memories; nothing else here is random."""

    def __init__(self, ticker: str, spec: MemorySpec, embedder: Embedder, *, seed: int) -> None:
        self.ticker, self.spec, self.embedder, self.seed = ticker, spec, embedder, seed
        self.session: date | None = None
        self.query_vector: np.ndarray | None = None
        self._home: dict[str, LayerSpec] = {kind: layer for layer in spec.layers for kind in layer.accepts}
        self._tables = {layer.name: LayerTable(layer, embedder.dimension) for layer in spec.layers}
        self._rows: dict[int, Row] = {}
        self._memories: dict[int, Memory] = {}
        self._dead: dict[int, MemoryState] = {}
        self._same: dict[tuple[str, str], list[int]] = {}
        self._events: list[MemoryEvent] = []
        self._next_id = 1
        self._moved: dict[int, int] = {}
        self._held: dict[int, _Held] = {}
        self._settled = False

    # ---------------------------------------------------------------------------------------------------------------- the day

    def begin(self, session: date, cutoff: datetime, index: int, phase: Phase) -> None:
        """Set "now" to the close of ``session``, the ``index``-th of the run."""
        if cutoff.tzinfo is None:
            raise ValueError(f"the cutoff {cutoff} has no time zone")
        if session != self.session:
            self._moved, self._held, self._settled = {}, {}, False
        self.session, self.cutoff, self.index, self.phase = session, cutoff, index, phase
        self._today = _days(cutoff)
        self.now = self._today if self.spec.clock == "calendar_days" else float(index)

    def advance(self) -> None:
        """Forget what has faded; where the preset says so, also the day's moves between layers."""
        for table in self._tables.values():
            if gone := table.faded(self.now):
                for memory_id in gone:
                    self._forget(memory_id)
                table.settle_expiry()
        self.settle()

    def settle(self) -> None:
        """The day's moves by threshold, once a day: demotions, and promotions where they need no credit."""
        if self._settled:
            return
        self._settled = True
        for _ in range(self.spec.moves_per_day):
            for name in self.spec.ladder:
                self._sweep(self.spec.layer(name))

    # ---------------------------------------------------------------------------------------------------------------- remember

    def remember(self, drafts: Iterable[Draft]) -> list[int]:
        """Keep new texts; the ids of those that became memories, in the order given.

        Blank texts and texts too old to last the day are skipped unread, copies are merged into the memory that is there. The result
        does not depend on the order of ``drafts``. ValueError if one of them could not be known at the cutoff.
        """
        given = list(drafts)
        for draft in given:
            self._refuse_unknowable(draft)
        words = [content_hash(draft.title, draft.text) for draft in given]
        order = sorted(range(len(given)), key=lambda i: _canonical(given[i], words[i]))
        fresh = [item for i in order if (item := self._weigh(i, given[i], words[i])) is not None]
        if not fresh:
            return []
        vectors = self._embed([embedding_text(item.draft.title, item.draft.text) for item in fresh])
        neighbours = _Neighbours(self, fresh, vectors)
        born = {}
        for item, vector in zip(fresh, vectors, strict=True):
            twin = self._copy_of(item.draft, item.content, item.layer) or neighbours.near(item, vector)
            if twin is not None:
                self._merge(twin, item.draft)
            else:
                born[item.order] = self._bear(item, vector)
                neighbours.add(item, born[item.order])
        return [born[i] for i in sorted(born)]

    def _refuse_unknowable(self, draft: Draft) -> None:
        for moment, what in ((draft.available_at, "available"), (draft.known_at, "known")):
            if moment is not None and moment > self.cutoff:
                raise ValueError(
                    f"{draft.document_id!r} becomes {what} at {moment}, after the cutoff {self.cutoff}: it may not be remembered yet"
                )
        if draft.kind not in self._home:
            raise ValueError(f"no layer accepts memories of kind {draft.kind!r}")

    def _weigh(self, order: int, draft: Draft, content: str) -> _Fresh | None:
        """The draft with its layer and importance; None if it is blank, a copy, or would be forgotten at once."""
        if not draft.text.strip():
            return None
        layer = self._home[draft.kind]
        twin = self._copy_of(draft, content, layer.name)
        if twin is not None:
            self._merge(twin, draft)
            return None
        value = draft.importance
        if value is None:
            value = scoring.birth_importance(
                layer.birth_values, layer.birth_odds, rule=self.spec.birth, seed=self.seed, ticker=self.ticker, content_hash=content
            )
        age = self.now - self._clock(draft.event_time)
        if age <= 0 and value >= layer.forget_importance:
            return _Fresh(order, draft, layer.name, content, value)
        if scoring.recency(age, span=layer.recency_days) < layer.forget_recency:
            return None
        if scoring.importance(value, age, decay=layer.importance_decay) < layer.forget_importance:
            return None
        return _Fresh(order, draft, layer.name, content, value)

    def _copy_of(self, draft: Draft, content: str, layer: str) -> int | None:
        """A live memory with the same words: the same item again, or another one that reports the same within ``merge_days``."""
        if not self._tables[layer].spec.merges:
            return None
        for memory_id in self._same.get((draft.kind, content), ()):
            memory = self._memories[memory_id]
            apart = abs(_days(memory.event_time) - _days(draft.event_time))
            if apart <= self.spec.merge_days or _source(draft) in memory.sources:
                return memory_id
        return None

    def _merge(self, memory_id: int, draft: Draft) -> None:
        memory, source = self._memories[memory_id], _source(draft)
        if source in memory.sources:
            return
        self._memories[memory_id] = memory.model_copy(update={"sources": (*memory.sources, source)})
        self._log("merged", memory_id, source=source)

    def _bear(self, item: _Fresh, vector: np.ndarray) -> int:
        """A new memory, logged."""
        draft, memory_id = item.draft, self._next_id
        clock = self._clock(draft.event_time)
        birth = MemoryState(layer=item.layer, importance=item.importance, importance_as_of=clock, recency_anchor=clock)
        memory = Memory(
            id=memory_id,
            ticker=self.ticker,
            kind=draft.kind,
            text=draft.text,
            title=draft.title,
            publisher=draft.publisher,
            document_id=draft.document_id,
            chunk=draft.chunk,
            sources=(_source(draft), *draft.also),
            content_hash=item.content,
            event_time=draft.event_time,
            available_at=draft.available_at,
            known_at=draft.known_at or draft.available_at,
            born=self._session(),
            born_index=self.index,
            phase=self.phase,
            embedding_model=self.embedder.name,
            digested=draft.digested,
            birth=birth,
        )
        self._next_id += 1
        self._settle_in(memory, birth, vector)
        self._log("remembered", memory_id, memory=memory)
        return memory_id

    def _settle_in(self, memory: Memory, state: MemoryState, vector: np.ndarray) -> None:
        row = Row(
            id=memory.id,
            anchor=state.recency_anchor,
            importance=state.importance,
            as_of=state.importance_as_of,
            event=_days(memory.event_time),
            visible=_days(max(memory.available_at, memory.known_at)),
            born=memory.born_index,
            access=state.access_count,
            positive=state.positive,
            negative=state.negative,
            blocked=state.blocked,
        )
        self._memories[memory.id] = memory
        self._same.setdefault((memory.kind, memory.content_hash), []).append(memory.id)
        self._rows[memory.id] = row
        self._tables[state.layer].append(row, vector)

    # ------------------------------------------------------------------------------------------------------------------ recall

    def recall(self, query: str, *, lot: str = "") -> tuple[Recall, ...]:
        """The best ``top_k`` memories of every layer by exact score, then ``near_misses`` more, layer by layer in rank order.

        All live memories that could be known at the cutoff take part; ties go to the newer event, then the older id. With a ``lot`` (an
        ablation) as many are drawn by it and the seed instead, whatever their score; another lot draws others.
        """
        vector = scoring.unit(self._raw([query])[0]) if query.strip() else np.zeros(self.embedder.dimension)
        self.query_vector = vector.astype(np.float32)
        found: list[Recall] = []
        for name, table in self._tables.items():
            if table.live:
                found += self._rank(name, table, vector, lot)
        return tuple(found)

    def _rank(self, name: str, table: LayerTable, query: np.ndarray, lot: str) -> list[Recall]:
        wanted = table.spec.top_k + self.spec.near_misses
        rows = self._drawn(table, wanted, lot) if lot else self._candidates(table, wanted, query.astype(np.float32))
        similarity = scoring.cosines(table.vectors[rows], query)
        recency, importance = table.recency(rows, self.now), table.importance(rows, self.now)
        ids = table["id"][rows]
        if self._held:
            recency = np.array([self._held[i].ranked if i in self._held else r for i, r in zip(ids.tolist(), recency.tolist())])
        score = scoring.score(similarity, recency, importance)
        best = np.arange(len(rows)) if lot else np.lexsort((ids, -table["event"][rows], -score))[:wanted]
        worth = np.minimum(importance[best], 100.0) / 100.0
        parts = (ids[best].tolist(), similarity[best].tolist(), recency[best].tolist(), worth.tolist(), score[best].tolist())
        return [
            Recall(memory_id=i, layer=name, rank=n, similarity=s, recency=r, importance=w, score=total, near_miss=n > table.spec.top_k)
            for n, (i, s, r, w, total) in enumerate(zip(*parts, strict=True), 1)
        ]

    def _drawn(self, table: LayerTable, wanted: int, lot: str) -> np.ndarray:
        """Rows by lot, the first drawn first; a memory's lot does not depend on what else is remembered."""
        there, visible = table["id"] >= 0, self._visible(table)
        rows = np.flatnonzero(there if visible is None else there & visible)
        lots = [scoring.keyed_fraction(self.seed, f"{self.ticker}|{lot}", str(memory_id)) for memory_id in table["id"][rows].tolist()]
        return rows[np.argsort(lots, kind="stable")[:wanted]]

    def _candidates(self, table: LayerTable, wanted: int, query: np.ndarray) -> np.ndarray:
        """Rows that can be among the ``wanted`` best: all whose float32 score is within rounding error of the last place."""
        visible = self._visible(table)
        count = table.live if visible is None else int(visible.sum())
        if count <= wanted:
            return np.flatnonzero(table["id"] >= 0 if visible is None else visible)
        partial = table.approximate(self.now)
        for memory_id, held in self._held.items():
            row = self._rows.get(memory_id)
            if row is not None and row.layer == table.spec.name:
                partial[row.at] += held.ranked - float(table.recency(row.at, self.now))
        if visible is not None:
            partial[~visible] = -np.inf
        error = _rounding(self.embedder.dimension)
        able = self._able(table, partial, wanted, query)
        rough = table.vectors[able] @ query
        rough += partial[able]
        last = np.partition(rough, len(rough) - wanted)[len(rough) - wanted]
        found = np.flatnonzero(rough >= last - error)
        return found + able.start if isinstance(able, slice) else able[found]

    def _able(self, table: LayerTable, partial: np.ndarray, wanted: int, query: np.ndarray) -> slice | np.ndarray:
        """Rows that could still win with a similarity of 1, judged by the scores of the most promising few; at least ``wanted``.

        The others, mostly the oldest, need no product: on a large layer that is more than half of the work.
        """
        everything = slice(0, table.used)
        if table.used < _LARGE:
            return everything
        few = np.argpartition(partial, table.used - 4 * wanted)[table.used - 4 * wanted :]
        scores = np.sort(table.vectors[few] @ query + partial[few])
        able = np.flatnonzero(partial >= scores[-wanted] - 1 - _rounding(len(query)))
        if len(able) * 4 < table.used:
            return able
        return slice(int(able[0]), table.used)  # rows lie in the order they came: the tail without copying

    def _visible(self, table: LayerTable) -> np.ndarray | None:
        """Which rows may be seen now; None when that is all of them."""
        mask = None
        if table.newest_visible > self._today:
            mask = table["visible"] <= self._today
        if self.spec.span_sessions is not None:
            recent = table["born"] > self.index - self.spec.span_sessions
            mask = recent if mask is None else mask & recent
        return mask

    # -------------------------------------------------------------------------------------------------------- cite and credit

    def cite(self, ids_by_layer: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
        """Log which live memories a decision rests on; the ids that were ignored because they are unknown or forgotten."""
        cited = sorted({memory_id for ids in ids_by_layer.values() for memory_id in ids})
        for memory_id in cited:
            if memory_id in self._rows:
                self._log("cited", memory_id)
        return tuple(memory_id for memory_id in cited if memory_id not in self._rows)

    def credit(self, stances: Mapping[int, int], verdict: int, reason: str) -> tuple[int, ...]:
        """Let memories answer for an outcome: importance += step * stance * verdict; then promote who has earned it.

        ``stances``: +1 spoke for the decision, -1 against it, 0 context. ``verdict``: +1 it was right, -1 wrong, 0 neither. Returns the
        ids that were ignored: unknown, forgotten, or barred by the preset.
        """
        ignored, praised = [], []
        for memory_id in sorted(stances):
            if memory_id not in self._rows or self._barred(memory_id):
                ignored.append(memory_id)
                continue
            sign = int(np.sign(stances[memory_id] * verdict))
            self._credit_one(memory_id, sign, reason)
            if sign > 0:
                praised.append(memory_id)
        if self.spec.promote_only_on_credit:
            for memory_id in praised:
                self._promote_if_earned(memory_id, reason)
        return tuple(ignored)

    def _barred(self, memory_id: int) -> bool:
        return not self.spec.credit_after_move and self._rows[memory_id].blocked

    def _credit_one(self, memory_id: int, sign: int, reason: str) -> None:
        row, before = self._rows[memory_id], self.importance_now(memory_id)
        row.access += 1
        row.positive += sign > 0
        row.negative += sign < 0
        step = self.spec.credit_step * (row.positive - row.negative if self.spec.credit_by_counter else sign)
        after = before + step if sign else before
        row.importance = min(max(after, 0.0), 100.0) if self.spec.clip_importance else after
        row.as_of = self.now
        self._tables[row.layer].write(row)
        self._log("credited", memory_id, delta=row.importance - before, reason=reason)

    # -------------------------------------------------------------------------------------------------------------------- moves

    def _promote_if_earned(self, memory_id: int, reason: str) -> None:
        layer = self._tables[self._rows[memory_id].layer].spec
        target, threshold = self.spec.above(layer.name), layer.promote_at
        if threshold is not None and target is not None and self.importance_now(memory_id) >= threshold:
            self._move(memory_id, target, "promoted", reason)

    def _sweep(self, layer: LayerSpec) -> None:
        """Move what stands beyond a threshold of one layer today."""
        table, up = self._tables[layer.name], None if self.spec.promote_only_on_credit else layer.promote_at
        if not table.live or (up is None and layer.demote_below is None):
            return
        ids, worth = table["id"], table.importance(slice(table.used), self.now)
        rising = ids[worth >= up].tolist() if up is not None else []
        falling = ids[(worth < layer.demote_below) & (ids >= 0)].tolist() if layer.demote_below is not None else []
        above, below = self.spec.above(layer.name), self.spec.below(layer.name)
        for memory_id in sorted(rising):
            if above is not None:
                self._move(memory_id, above, "promoted", f"importance at or above {up:g}")
        for memory_id in sorted(falling):
            if below is not None:
                self._move(memory_id, below, "demoted", f"importance below {layer.demote_below:g}")

    def _move(self, memory_id: int, target: str, kind: EventKind, reason: str) -> None:
        """One step on the ladder, at most ``moves_per_day`` a day."""
        if self._moved.get(memory_id, 0) >= self.spec.moves_per_day:
            return
        self._moved[memory_id] = self._moved.get(memory_id, 0) + 1
        row, vector = self._rows[memory_id], self._vector(memory_id)
        source, goal = self._tables[row.layer], self._tables[target]
        self._hold(memory_id, kind)
        worth = self.importance_now(memory_id)
        source.remove(row)
        row.importance, row.as_of = worth, self.now
        row.blocked = row.blocked or not self.spec.credit_after_move
        if kind == "promoted":
            row.anchor = self.now
        elif self.spec.demoted_clock == "scaled":
            row.anchor = self.now - (self.now - row.anchor) * goal.spec.recency_days / source.spec.recency_days
        goal.append(row, vector)
        self._log(kind, memory_id, before_layer=source.spec.name, reason=reason)

    def _hold(self, memory_id: int, kind: EventKind) -> None:
        """Keep the recency computed before the move until the next session, where the preset stores it."""
        if self.spec.recency_on_move_day == "derived":
            return
        before = self._held.get(memory_id) or _Held(self.recency_now(memory_id), self.recency_now(memory_id))
        shown = 1.0 if kind == "promoted" else before.shown
        self._held[memory_id] = _Held(shown, before.ranked if self.spec.recency_on_move_day == "stored_compound" else shown)

    def _forget(self, memory_id: int) -> None:
        row, memory = self._rows[memory_id], self._memories[memory_id]
        table, importance = self._tables[row.layer], self.importance_now(memory_id)
        recency = float(table.recency(row.at, self.now))
        reason = f"recency {recency:.4f}" if recency < table.spec.forget_recency else f"importance {importance:.2f}"
        self._dead[memory_id] = self.state(memory_id)
        self._log("forgotten", memory_id, before_layer=row.layer, reason=reason)
        copies = self._same[(memory.kind, memory.content_hash)]
        copies.remove(memory_id)
        if not copies:
            del self._same[(memory.kind, memory.content_hash)]
        table.remove(self._rows.pop(memory_id))

    # --------------------------------------------------------------------------------------------------------------------- look

    def live(self) -> dict[str, int]:
        """Live memories per layer."""
        return {name: table.live for name, table in self._tables.items()}

    def ids(self) -> list[int]:
        """Ids of all live memories, ascending."""
        return sorted(self._rows)

    def alive(self, memory_id: int) -> bool:
        return memory_id in self._rows

    def get(self, memory_id: int) -> Memory:
        """The memory, forgotten or not."""
        return self._memories[memory_id]

    def state(self, memory_id: int) -> MemoryState:
        """The stored state; of a forgotten memory the last one."""
        if memory_id in self._dead:
            return self._dead[memory_id]
        row = self._rows[memory_id]
        return MemoryState(
            layer=row.layer,
            importance=row.importance,
            importance_as_of=row.as_of,
            recency_anchor=row.anchor,
            access_count=row.access,
            positive=row.positive,
            negative=row.negative,
            blocked=row.blocked,
        )

    def importance_now(self, memory_id: int) -> float:
        """Importance of a live memory at this moment."""
        row = self._rows[memory_id]
        return float(self._tables[row.layer].importance(row.at, self.now))

    def recency_now(self, memory_id: int) -> float:
        """Recency of a live memory at this moment, in (0, 1]."""
        if memory_id in self._held:
            return self._held[memory_id].shown
        row = self._rows[memory_id]
        return float(self._tables[row.layer].recency(row.at, self.now))

    def vectors(self, ids: Iterable[int]) -> dict[int, np.ndarray]:
        """Unit float32 vectors of those of ``ids`` that are live."""
        return {memory_id: self._vector(memory_id) for memory_id in ids if memory_id in self._rows}

    def drain(self) -> tuple[MemoryEvent, ...]:
        """The events since the last call, in order."""
        events, self._events = tuple(self._events), []
        return events

    # ------------------------------------------------------------------------------------------------------------------ restore

    @classmethod
    def restore(
        cls,
        ticker: str,
        spec: MemorySpec,
        embedder: Embedder,
        *,
        seed: int,
        memories: Iterable[tuple[Memory, MemoryState, bool]],
        vectors: Mapping[int, np.ndarray],
        next_id: int,
    ) -> MemoryBank:
        """A bank that goes on exactly like the one whose end-of-day memories, last states and liveness are given.

        Vectors that are missing are computed again from the text. Sources merged in later must be in ``Memory.sources``.
        """
        bank = cls(ticker, spec, embedder, seed=seed)
        kept = sorted(memories, key=lambda item: item[0].id)
        lost = [memory for memory, _, alive in kept if alive and memory.id not in vectors]
        again = bank._embed([embedding_text(memory.title, memory.text) for memory in lost]) if lost else ()
        known = {**vectors, **{memory.id: vector for memory, vector in zip(lost, again, strict=True)}}
        for memory, state, alive in kept:
            if alive:
                bank._settle_in(memory, state, np.asarray(known[memory.id], np.float32))
            else:
                bank._memories[memory.id], bank._dead[memory.id] = memory, state
        bank._next_id = max(next_id, *(memory.id + 1 for memory, _, _ in kept)) if kept else next_id
        return bank

    # --------------------------------------------------------------------------------------------------------------------- parts

    def _log(self, kind: EventKind, memory_id: int, **more: Any) -> None:
        event = MemoryEvent(memory_id=memory_id, kind=kind, day=self._session(), at=self.cutoff, after=self.state(memory_id), **more)
        self._events.append(event)

    def _session(self) -> date:
        if self.session is None:
            raise RuntimeError("begin() a session before using the bank")
        return self.session

    def _vector(self, memory_id: int) -> np.ndarray:
        row = self._rows[memory_id]
        return self._tables[row.layer].vectors[row.at].copy()

    def _clock(self, moment: datetime) -> float:
        """Clock reading from which a text that describes ``moment`` fades: FinMem's sessions only count from when it was read."""
        return _days(moment) if self.spec.clock == "calendar_days" else self.now

    def _raw(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.asarray(self.embedder.embed(texts))
        if vectors.shape != (len(texts), self.embedder.dimension):
            raise ValueError(
                f"embedder {self.embedder.name!r} gave shape {vectors.shape} for {len(texts)} texts of {self.embedder.dimension}"
            )
        return vectors

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        return scoring.unit(self._raw(texts)).astype(np.float32)


class _Neighbours:
    """Near duplicates of one call's drafts, among the memories of their layer and time and among themselves.

    Matrix products propose (blocks of drafts at a time, a first day may bring thousands), exact cosines decide.
    """

    def __init__(self, bank: MemoryBank, fresh: Sequence[_Fresh], vectors: np.ndarray) -> None:
        self._bank, self._limit, self._span = bank, bank.spec.merge_similarity or math.inf, bank.spec.merge_days
        self._known: dict[int, list[int]] = {}
        self._twins: dict[int, list[int]] = {}
        self._born: dict[int, int] = {}
        for layer in bank.spec.layers:
            which = [i for i, item in enumerate(fresh) if item.layer == layer.name]
            if which and layer.merges and bank.spec.merge_similarity is not None:
                times = np.array([_days(fresh[i].draft.event_time) for i in which])
                self._propose(bank._tables[layer.name], [fresh[i].order for i in which], times, vectors[which])

    def _propose(self, table: LayerTable, orders: list[int], times: np.ndarray, vectors: np.ndarray) -> None:
        low = self._limit - 1e-4  # more than the rounding of a float32 product
        recent = table["event"] >= times.min() - self._span
        first = int(recent.argmax()) if recent.any() else table.used  # rows lie in the order they came: the rest is too old
        near, ids = table.matrix()[first:], table["id"][first:].copy()
        for start in range(0, len(orders), _BLOCK):
            block = vectors[start : start + _BLOCK]
            for i, other in np.argwhere((block @ near.T >= low) & (ids >= 0)).tolist():
                self._known.setdefault(orders[start + i], []).append(int(ids[other]))
            for i, other in np.argwhere(block @ vectors.T >= low).tolist():
                if other < start + i:
                    self._twins.setdefault(orders[start + i], []).append(orders[other])

    def near(self, item: _Fresh, vector: np.ndarray) -> int | None:
        """The most similar memory that is near enough in meaning and time; of equals the oldest."""
        known, twins = self._known.get(item.order, []), self._twins.get(item.order, [])
        if not known and not twins:
            return None
        when, query = _days(item.draft.event_time), scoring.unit(vector)
        best: tuple[float, int] | None = None
        for memory_id in [*known, *(self._born[order] for order in twins if order in self._born)]:
            row = self._bank._rows[memory_id]
            likeness = float(scoring.cosines(self._bank._tables[row.layer].vectors[row.at : row.at + 1], query)[0])
            if likeness >= self._limit and abs(row.event - when) <= self._span:
                best = min(best or (-likeness, memory_id), (-likeness, memory_id))
        return best[1] if best else None

    def add(self, item: _Fresh, memory_id: int) -> None:
        """A draft has become a memory that later ones may equal."""
        self._born[item.order] = memory_id


def _rounding(dimension: int) -> np.float32:
    """Most that two float32 scores can err: a dot product of unit vectors in its worst case, and the other two terms."""
    return np.float32(2 * (dimension * 6e-8 + 1e-5))


def content_hash(title: str, text: str) -> str:
    """Identifies a text by its words; surrounding white space does not count."""
    return hashlib.sha256(f"{title.strip()}\n{text.strip()}".encode("utf-8", "surrogatepass")).hexdigest()


def embedding_text(title: str, text: str) -> str:
    """What is embedded of a memory: the title once, then the text."""
    title, text = title.strip(), text.strip()
    return text if not title or text.casefold().startswith(title.casefold()) else f"{title}\n{text}"


def _source(draft: Draft) -> str:
    return draft.source_id or draft.document_id


def _canonical(draft: Draft, words: str) -> tuple:
    """An order of drafts that does not depend on how they came; the chunks of a document stay in line."""
    return (draft.event_time, draft.available_at, draft.kind, draft.document_id, draft.chunk, _source(draft), words)


def _days(moment: datetime) -> float:
    """Calendar days since 1970, UTC."""
    return moment.timestamp() / _DAY
