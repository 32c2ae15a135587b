"""The causal thread: from a source text to the memory made of it, every use of that memory, what was traded and judged, and the credit
that came back; and from any decision back to the texts behind it. Pure reading of what the run recorded.

What "named" means: a decision (on a test day) or the study of a training day gave the memory as a ground. A memory that was shown and
not named, or that just missed the cut, stands in the thread too, but nothing is put down to it. Credit is not divided: when a decision
is judged, each memory it named gets the same step of importance (``MemorySpec.credit_step``), up or down. Both directions read the same
rows, so a memory in the thread of a day always has that day in its own thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import pandas as pd

from agent.errors import NoData
from agent.records import Decision, Memory, Reason, Study
from agent.spec import RunSpec
from agent.strategies.memory_agent import NEWS_SHOWN
from services import queries, runs
from storage import thread_rows

Use = Literal["cited", "studied", "shown", "near miss"]
OriginKind = Literal["source", "decision", "study", "lessons", "unknown"]

REASONS_READ = 60  # days whose decision is opened for its reasons, newest first: about a millisecond each
CREDIT_REASON = re.compile(r"^(?:(?P<action>buy|sell|hold)|study) of (?P<day>\d{4}-\d{2}-\d{2}):")  # written by strategies/memory_agent.py
OWN_WORDS = re.compile(r"^(?P<ticker>.+):(?P<kind>decision|study|lessons):(?P<day>\d{4}-\d{2}-\d{2})$")  # document ids of reflections
FATE = (
    "phase", "action", "abstained", "provenance", "target_weight", "confidence", "cited_count", "order", "order_reason", "settled_on",
    "shares", "price", "realised", "direction", "move", "gain", "verdict", "sessions", "judged_on", "next_return",
)  # fmt: skip
USE = ("memory_id", "day", "layer", "rank", "similarity", "recency", "importance", "score", "use", "named")


@dataclass(frozen=True)
class Origin:
    """What a memory was made of. ``days``: the decision it retells, the session it studies, or the judged decisions a lesson rests on."""

    kind: OriginKind
    sources: tuple[str, ...] = ()
    days: tuple[date, ...] = ()


@dataclass(frozen=True)
class Direct:
    """A text that a decision named on the very day it was read, out of the prompt itself and not out of memory."""

    day: date
    source: str
    label: str  # as the prompt numbered it: N1, F2
    title: str
    stance: str
    weight: int
    claim: str


@dataclass(frozen=True)
class Thread:
    """Some memories followed through the run.

    ``memories``: one row each - id, title, kind, publisher, document_id, sources, born, layer (the last), alive, joined (when the source
    in question came in), how (made of it, merged into it), ended_on, why_ended, shown, missed, named, credit.
    ``uses``: one row per recall - ``USE`` and ``FATE`` columns, stance (for, against, both, empty), weight (0..10) and claim where the
    reasons were read, credit (change of importance that this decision brought back to this memory), credited_on, why (why there is no
    credit; empty where there is some). ``events``: the memory events as stored, with ``decided`` (the decision they answer for).
    """

    run: str
    ticker: str
    memories: pd.DataFrame
    uses: pd.DataFrame
    events: pd.DataFrame
    until: date | None = None
    source: str = ""
    memory: Memory | None = None
    origin: Origin | None = None
    direct: tuple[Direct, ...] = ()


@dataclass(frozen=True)
class DayThread:
    """One decision (or, while training, one session studied) with the memories before it and what came after it.

    ``uses`` is like ``Thread.uses`` with one row per memory of the day, plus title, kind, publisher, document_id, born, layer_now, alive,
    ended_on, later_shown and later_named (uses after the day). ``fate``: the ``FATE`` values that are known.
    """

    run: str
    ticker: str
    day: date
    fate: Mapping[str, Any]
    uses: pd.DataFrame
    events: pd.DataFrame
    decision: Decision | None = None
    study: Study | None = None
    studied_on: date | None = None
    made: tuple[tuple[int, str], ...] = field(default=())  # memories made of this decision or study: id, title
    lessons: tuple[tuple[int, str], ...] = field(default=())  # later lessons that rest on it
    direct: tuple[Direct, ...] = ()  # texts of the day itself that its reasons name

    @property
    def named(self) -> pd.DataFrame:
        """The memories that the decision or the study gave as grounds."""
        return self.uses[self.uses["named"]]


@dataclass(frozen=True)
class Starts:
    """Where a stranger can begin. ``gain`` is direction times move: what the decision's own direction brought, before costs."""

    cited: pd.DataFrame  # id, title, kind, layer, alive, cited, times, credit
    best: pd.DataFrame  # day, action, gain, move, verdict, judged_on, cited_count
    worst: pd.DataFrame
    sources: pd.DataFrame  # document_id, title, kind, publisher, born, memories, cited, credit, size


# ------------------------------------------------------------------------------------------------------------- from the memory on


def thread_of_memory(run_id: str, ticker: str, memory_id: int, *, until: date | None = None, every: pd.DataFrame | None = None) -> Thread:
    """One memory from its birth to its end, or to the close of ``until``. NoData (field ``memory``) if there is none.

    ``every``: the ``fates`` by then, where the caller has them already; so for all threads.
    """
    memory, _, _ = runs.store().memory(run_id, ticker, memory_id)
    found = _thread(run_id, ticker, [memory_id], until=until, every=every)
    memories = found.memories.assign(joined=[memory.born], how=["itself"])
    return Thread(run_id, ticker, memories, found.uses, found.events, until, memory=memory, origin=origin_of(run_id, ticker, memory))


def thread_of_source(run_id: str, ticker: str, source_id: str, *, until: date | None = None, every: pd.DataFrame | None = None) -> Thread:
    """Every memory that carries the words of one news item or filing section. No rows if none does.

    Where the source was merged into a memory that was there already, ``joined`` is later than ``born``: uses before it are not its doing.
    """
    ids = thread_rows.memories_of_source(runs.store(), run_id, ticker, source_id)
    found = _thread(run_id, ticker, ids, until=until, every=every)
    merged = found.events[(found.events["kind"] == "merged") & (found.events["source"] == source_id)]
    later = dict(zip(merged["memory_id"], merged["day"]))
    rows = found.memories
    how = ["merged into it" if number in later else "made of it" for number in rows["id"]]
    joined = [later.get(number, born) for number, born in zip(rows["id"], rows["born"])]
    read = [] if rows.empty else [min(joined)]
    decided = thread_rows.decisions(runs.store(), run_id, ticker, read)
    named = tuple(one for day, decision in decided.items() for one in _direct(run_id, ticker, day, decision) if one.source == source_id)
    return Thread(run_id, ticker, rows.assign(joined=joined, how=how), found.uses, found.events, until, source=source_id, direct=named)


def origin_of(run_id: str, ticker: str, memory: Memory) -> Origin:
    """What a memory was made of, as far as the run recorded it."""
    if memory.kind not in ("immediate_reflection", "extended_reflection"):
        return Origin("source", sources=memory.sources)
    told = OWN_WORDS.match(memory.document_id)
    if told is None:
        return Origin("unknown")
    if told["kind"] == "lessons":
        return Origin("lessons", days=lesson_days(run_id, ticker, date.fromisoformat(told["day"])))
    return Origin("decision" if told["kind"] == "decision" else "study", days=(date.fromisoformat(told["day"]),))


def lesson_days(run_id: str, ticker: str, born: date) -> tuple[date, ...]:
    """The judged decisions that the lessons of ``born`` rest on: those carried over from the day before, and those judged on the day."""
    sessions = queries.session_days(run_id, ticker)
    if born not in sessions or sessions.index(born) == 0:
        return ()
    carried = queries.record(run_id, ticker, sessions[sessions.index(born) - 1]).thought.carry
    waiting = {date.fromisoformat(day) for day in carried.get("open", {})}
    judged = [date.fromisoformat(item["decided"]) for item in carried.get("judged", [])]
    today = [outcome.decided for outcome in queries.record(run_id, ticker, born).outcomes if outcome.decided in waiting]
    return tuple(sorted({*judged, *today}))


def _thread(run_id: str, ticker: str, ids: Iterable[int], *, until: date | None, every: pd.DataFrame | None) -> Thread:
    store, wanted = runs.store(), sorted(set(ids))
    events, recalls = (read(store, run_id, ticker, wanted) for read in (thread_rows.events_of, thread_rows.recalls_of))
    if until is not None:
        events, recalls = (frame[frame["day"] <= until].reset_index(drop=True) for frame in (events, recalls))
    events = _decided(events)
    fate = fates(run_id, ticker, until=until) if every is None else every
    uses = _uses(recalls, events, fate, spec=store.run(run_id).spec)
    uses = _with_reasons(uses, thread_rows.decisions(store, run_id, ticker, _newest_named(uses)))
    memories = _lives(thread_rows.heads(store, run_id, ticker, wanted), uses, events)
    return Thread(run_id, ticker, memories, uses, events, until)


def _newest_named(uses: pd.DataFrame) -> list[date]:
    return sorted(set(uses.loc[uses["use"] == "cited", "day"]))[-REASONS_READ:]


# ----------------------------------------------------------------------------------------------------------- from the decision back


def thread_of_day(run_id: str, ticker: str, day: date, *, every: pd.DataFrame | None = None) -> DayThread:
    """The decision of ``day`` with every memory it was shown, and what became of both. NoData (field ``day``) if it is no session."""
    store = runs.store()
    every = fates(run_id, ticker) if every is None else every
    if day not in every.index:
        raise NoData(f"Run {run_id!r} has no session {day} of {ticker}.", field="day")
    recalls = store.recall_rows(run_id, ticker, day=day)
    ids = [int(number) for number in recalls["memory_id"]]
    events = _decided(thread_rows.events_of(store, run_id, ticker, ids))
    uses = _uses(recalls, events, every, spec=store.run(run_id).spec)
    decision = thread_rows.decisions(store, run_id, ticker, [day]).get(day)
    uses = _with_reasons(uses, {day: decision} if decision is not None else {})
    study, studied_on = _study_of(run_id, ticker, day, every)
    if study is not None:
        uses = _with_study(uses, study)
    uses = _with_lives(
        uses, thread_rows.heads(store, run_id, ticker, ids), events, thread_rows.recalls_of(store, run_id, ticker, ids), every
    )
    known = {name: value for name, value in every.loc[day].items() if not _absent(value)}
    made = thread_rows.memories_of_documents(store, run_id, ticker, [f"{ticker}:{kind}:{day}" for kind in ("decision", "study")])
    lessons = _lessons_on(run_id, ticker, day, known.get("judged_on"), list(every.index))
    titles = dict(thread_rows.heads(store, run_id, ticker, [*made.values(), *lessons])[["id", "title"]].to_numpy().tolist())
    named = tuple(tuple((number, str(titles.get(number, ""))) for number in group) for group in (sorted(made.values()), lessons))
    direct = _direct(run_id, ticker, day, decision) if decision is not None else ()
    return DayThread(run_id, ticker, day, known, uses, events, decision, study, studied_on, named[0], named[1], direct)


def _direct(run_id: str, ticker: str, day: date, decision: Decision) -> tuple[Direct, ...]:
    """The day's own texts among the facts of its reasons; the day is opened only if a reason names one."""
    sides = [("for", reason) for reason in decision.reasons_for] + [("against", reason) for reason in decision.reasons_against]
    named = [(side, reason, label) for side, reason in sides for label in reason.facts if re.fullmatch(r"[NF]\d+", label)]
    if not named:
        return ()
    seen = queries.record(run_id, ticker, day).observation
    texts = {f"N{n}": (item.id, item.title) for n, item in enumerate(seen.news[-NEWS_SHOWN:], 1)}
    texts |= {f"F{n}": (item.id, f"{item.form} {item.section}") for n, item in enumerate(seen.filings, 1)}
    known = [(side, reason, label) for side, reason, label in named if label in texts]
    return tuple(Direct(day, texts[label][0], label, texts[label][1], side, reason.weight, reason.claim) for side, reason, label in known)


def _study_of(run_id: str, ticker: str, day: date, every: pd.DataFrame) -> tuple[Study | None, date | None]:
    """The study of a training session, which the session after it makes."""
    sessions = list(every.index)
    after = sessions.index(day) + 1
    if every.loc[day, "phase"] != "train" or after == len(sessions):
        return None, None
    study = queries.record(run_id, ticker, sessions[after]).thought.study
    return (study, sessions[after]) if study is not None and study.session == day else (None, None)


def _with_study(uses: pd.DataFrame, study: Study) -> pd.DataFrame:
    sides = [_side(number in study.supporting, number in study.opposing) for number in uses["memory_id"]]
    named = pd.Series([bool(side) for side in sides], index=uses.index, dtype=bool)
    kept = uses["use"].where(~named, "studied")
    why = uses["why"].where(~(named & uses["credit"].isna()), "the study brought it no credit")
    return uses.assign(stance=sides, use=kept, named=named | uses["named"], why=why)


def _lessons_on(run_id: str, ticker: str, day: date, judged_on: date | None, sessions: list[date]) -> list[int]:
    """The first lessons written once the decision was judged, if they rest on it."""
    if judged_on is None:
        return []
    later = [f"{ticker}:lessons:{session}" for session in sessions if session >= judged_on]
    found = thread_rows.memories_of_documents(runs.store(), run_id, ticker, later)
    first = min(found, default="")
    return [found[first]] if first and day in lesson_days(run_id, ticker, date.fromisoformat(first[-10:])) else []


def _with_lives(uses: pd.DataFrame, heads: pd.DataFrame, events: pd.DataFrame, recalls: pd.DataFrame, every: pd.DataFrame) -> pd.DataFrame:
    """What the memories of a day are called, where they came from, and what became of them after it."""
    known = heads.set_index("id")
    gone = events[events["kind"] == "forgotten"].set_index("memory_id")["day"]
    found = uses.assign(
        **{name: uses["memory_id"].map(known[name]) for name in ("title", "kind", "publisher", "document_id", "born", "alive")}
    )
    found = found.assign(layer_now=uses["memory_id"].map(known["layer"]), ended_on=_dates(uses["memory_id"].map(gone)))
    if uses.empty:
        return found.assign(later_shown=[], later_named=[])
    later = recalls[(recalls["day"] > uses["day"].iloc[0]) & ~recalls["near_miss"]]
    test = later[later["day"].map(every["phase"]) == "test"]
    counts = (later.groupby("memory_id").size(), test[test["cited"]].groupby("memory_id").size())
    shown, named = (uses["memory_id"].map(count).fillna(0).astype(int) for count in counts)
    return found.assign(later_shown=shown, later_named=named)


# ---------------------------------------------------------------------------------------------------------------- where to begin


def starts(run_id: str, ticker: str, *, most: int = 12, every: pd.DataFrame | None = None) -> Starts:
    """The most cited memories, the best and the worst judged decisions, and the source texts that moved most credit."""
    store = runs.store()
    cited = thread_rows.citations(store, run_id, ticker)
    credit = thread_rows.credits_of_all(store, run_id, ticker)
    both = cited.merge(credit, on="memory_id", how="outer").fillna({"cited": 0, "times": 0, "credit": 0.0, "size": 0.0})
    heads = thread_rows.heads(store, run_id, ticker, both["memory_id"])
    named = both.merge(heads, left_on="memory_id", right_on="id").astype({"cited": int, "times": int})
    ranked = named.sort_values(["cited", "size", "id"], ascending=[False, False, True]).head(most).reset_index(drop=True)
    fate = (fates(run_id, ticker) if every is None else every).rename_axis("day").reset_index()
    judged = fate[fate["gain"].notna()]
    columns = ["day", "action", "gain", "move", "verdict", "judged_on", "cited_count"]
    best = judged[judged["gain"] > 0].nlargest(most, "gain")[columns].reset_index(drop=True)
    worst = judged[judged["gain"] < 0].nsmallest(most, "gain")[columns].reset_index(drop=True)
    return Starts(
        cited=ranked[["id", "title", "kind", "layer", "alive", "cited", "times", "credit"]],
        best=best,
        worst=worst,
        sources=_sources(named, most),
    )


def _sources(named: pd.DataFrame, most: int) -> pd.DataFrame:
    """Documents by what their memories did: the size of all credit and blame first, then the times cited."""
    texts = named[named["kind"].isin(("news", "filing_10q", "filing_10k"))]
    grouped = texts.groupby("document_id", sort=False).agg(
        title=("title", "first"), kind=("kind", "first"), publisher=("publisher", "first"), born=("born", "min"),
        memories=("id", "size"), cited=("cited", "sum"), credit=("credit", "sum"), size=("size", "sum"),
    )  # fmt: skip
    ordered = grouped.reset_index().sort_values(["size", "cited", "document_id"], ascending=[False, False, True])
    return ordered.head(most).reset_index(drop=True)


# ------------------------------------------------------------------------------------------------------------------ in order of time


STEPS = ("day", "what", "memory_id", "decided", "layer", "value", "text")
_SAME_DAY = {"credited": 0, "promoted": 1, "demoted": 1, "forgotten": 2, "filled": 3, "judged": 0, "remembered": 4, "merged": 4}


def steps(thread: Thread | DayThread) -> pd.DataFrame:
    """Everything that happened, in order of time: one row per event, per recall, per end of an order and per verdict.

    ``what`` is the event's kind, or the use (cited, studied, shown, near miss), or filled, rejected, cancelled, judged. ``value``: score of
    a recall, change of importance of a credit, price of a fill, move of a verdict, importance else. ``decided``: the decision it belongs to.
    """
    found = [_event_step(row) for row in thread.events.to_dict("records") if row["kind"] != "cited"]  # the use says it with its score
    for row in thread.uses.to_dict("records"):
        common = {"memory_id": row["memory_id"], "decided": row["day"], "layer": row["layer"]}
        found.append({**common, "day": row["day"], "what": row["use"], "value": row["score"], "text": row["claim"]})
    named = thread.uses[thread.uses["use"] == "cited"].drop_duplicates("day")
    for row in named.to_dict("records"):
        found += _fate_steps(row)
    frame = pd.DataFrame(found, columns=list(STEPS))
    return (
        frame.assign(_at=frame["what"].map(_SAME_DAY).fillna(5))
        .sort_values(["day", "_at"], kind="stable")[list(STEPS)]
        .reset_index(drop=True)
    )


def _event_step(row: dict[str, Any]) -> dict[str, Any]:
    value = row["delta"] if row["kind"] == "credited" else row["importance"]
    layer = f"{row['before_layer']} → {row['after_layer']}" if row["kind"] in ("promoted", "demoted") else row["after_layer"]
    told = row["reason"] or row["source"]
    common = {"day": row["day"], "what": row["kind"], "memory_id": row["memory_id"]}
    return {**common, "decided": row["decided"], "layer": layer, "value": value, "text": told}


def _fate_steps(row: dict[str, Any]) -> list[dict[str, Any]]:
    common, found = {"memory_id": None, "decided": row["day"], "layer": ""}, []
    if row["order"] in ("filled", "cancelled", "rejected"):
        on = row["day"] if _absent(row["settled_on"]) else row["settled_on"]
        found.append({**common, "day": on, "what": row["order"], "value": row["price"], "text": row["order_reason"] or ""})
    if not _absent(row["judged_on"]):
        found.append({**common, "day": row["judged_on"], "what": "judged", "value": row["move"], "text": ""})
    return found


# ------------------------------------------------------------------------------------------------------------- what became of a day


def fates(run_id: str, ticker: str, *, until: date | None = None) -> pd.DataFrame:
    """What every session's decision led to, by day, as known at the close of ``until`` (or at the end): the ``FATE`` columns.

    ``realised`` is the profit that the order's own fill took on shares it closed; a position closed later by another order realises there.
    """
    days = queries.days(run_id, ticker)
    if days.empty:
        return pd.DataFrame(columns=list(FATE))
    days, fills, outcomes = (_by(frame, until) for frame in (days, queries.fills(run_id, ticker), _outcomes(run_id, ticker)))
    rows = days.set_index("day")
    if until is not None and len(rows):
        rows.loc[rows.index[-1], "next_return"] = None
    ended = days[days["settled_day"].notna()].drop_duplicates("settled_day", keep="last").set_index("settled_day")
    done = fills[fills["cause"] == "order"].drop_duplicates("day", keep="last").set_index("day") if len(fills) else pd.DataFrame()
    judged = outcomes.drop_duplicates("decided", keep="last").set_index("decided") if len(outcomes) else pd.DataFrame()
    placed = pd.Series(rows.index, index=rows.index)
    status = placed.map(ended["settled_status"])
    rows["order"] = status.where(status.notna(), rows["order_status"]).fillna("")
    why = placed.map(ended["settled_reason"])
    rows["order_reason"] = why.where(status.notna(), rows["order_reason"]).fillna("")
    rows["settled_on"] = _dates(placed.map(ended["day"]))
    filled = rows["settled_on"].where(rows["order"] == "filled")
    for name in ("shares", "price", "realised"):
        rows[name] = pd.to_numeric(filled.map(done[name])) if len(done) else float("nan")
    for name in ("direction", "move", "verdict", "sessions"):
        rows[name] = pd.to_numeric(placed.map(judged[name])) if len(judged) else float("nan")
    rows["gain"] = rows["direction"] * rows["move"]
    rows["judged_on"] = _dates(placed.map(judged["day"]) if len(judged) else pd.Series(None, index=rows.index, dtype=object))
    return rows[list(FATE)]


def _outcomes(run_id: str, ticker: str) -> pd.DataFrame:
    return runs.store().outcome_rows(run_id, ticker)


def _by(frame: pd.DataFrame, until: date | None) -> pd.DataFrame:
    return frame if until is None or frame.empty else frame[frame["day"] <= until]


def stays(events: pd.DataFrame, last: date) -> pd.DataFrame:
    """memory_id, layer, start, end, ended: one row per stay of a memory in a layer, up to its end or the session ``last``."""
    found: list[dict[str, Any]] = []
    for number, group in events.groupby("memory_id", sort=True):
        moves = group[group["kind"].isin(("remembered", "promoted", "demoted", "forgotten"))]
        rows = moves.to_dict("records")
        for row, after in zip(rows, [*rows[1:], None]):
            if row["kind"] != "forgotten":
                until, ended = (last, False) if after is None else (after["day"], after["kind"] == "forgotten")
                found.append({"memory_id": number, "layer": row["after_layer"], "start": row["day"], "end": until, "ended": ended})
    return pd.DataFrame(found, columns=["memory_id", "layer", "start", "end", "ended"])


# ----------------------------------------------------------------------------------------------------------------------- the uses


def _decided(events: pd.DataFrame) -> pd.DataFrame:
    """The events with the day of the decision or study that each answers for; None where it answers for none."""
    return events.assign(decided=pd.Series([answers_for(reason) for reason in events["reason"]], index=events.index, dtype=object))


def answers_for(reason: str) -> date | None:
    """The day of the decision or the study in a credit's reason ("buy of 2025-03-03: +2.1% in 5 sessions")."""
    told = CREDIT_REASON.match(reason)
    return date.fromisoformat(told["day"]) if told else None


def _uses(recalls: pd.DataFrame, events: pd.DataFrame, every: pd.DataFrame, *, spec: RunSpec) -> pd.DataFrame:
    """One row per recall with the decision it was for, its fate, and the credit that came back."""
    credited = events[(events["kind"] == "credited") & events["decided"].notna()]
    back = credited.groupby(["memory_id", "decided"], sort=False).agg(credit=("delta", "sum"), credited_on=("day", "last"))
    keys = pd.MultiIndex.from_arrays([recalls["memory_id"], recalls["day"]])
    found = recalls.drop(columns=[name for name in ("ticker",) if name in recalls]).join(every, on="day")
    found["credit"] = back["credit"].reindex(keys).to_numpy(dtype=float)
    found["credited_on"] = _dates(pd.Series(back["credited_on"].reindex(keys).to_numpy(dtype=object), index=found.index))
    gone = dict(zip(*(events.loc[events["kind"] == "forgotten", name] for name in ("memory_id", "day"))))
    rows = found.to_dict("records")
    for row in rows:
        row["use"] = _use(row)
    found["use"] = [row["use"] for row in rows]
    found["named"] = found["use"].isin(("cited", "studied"))
    found["stance"] = [_sign(row) for row in rows]
    found["why"] = [_no_credit(row, gone.get(row["memory_id"]), spec) for row in rows]
    found = found.assign(weight=float("nan"), claim="")
    return found[[*USE, *FATE, "stance", "weight", "claim", "credit", "credited_on", "why"]].reset_index(drop=True)


def _use(row: Mapping[str, Any]) -> Use:
    if row["near_miss"]:
        return "near miss"
    if row["phase"] == "train":
        return "shown" if _absent(row["credit"]) else "studied"
    return "cited" if row["cited"] else "shown"


def _sign(row: Mapping[str, Any]) -> str:
    """Whether it spoke for or against, read off the credit: it has the sign of stance times verdict."""
    if _absent(row["credit"]) or not row["credit"]:
        return ""
    verdict = 1 if row["phase"] == "train" else row["verdict"]
    return "for" if row["credit"] * verdict > 0 else "against"


def _no_credit(row: Mapping[str, Any], gone: date | None, spec: RunSpec) -> str:
    """Why no credit came back from this use; empty where some did."""
    if not _absent(row["credit"]):
        return "" if row["credit"] else _zero(row)
    if row["use"] == "near miss":
        return "just below the cut: the model never saw it"
    if row["use"] == "shown":
        return _shown_only(row)
    checks = (
        (row["action"] == "hold", "a hold is not judged"),
        (row["order"] == "", "nothing was ordered, so nothing is judged"),
        (row["order"] in ("rejected", "cancelled"), f"the order was {row['order']}"),
        (row["order"] == "pending", "the order is still waiting"),
        (_absent(row["judged_on"]), "not judged yet"),
        (gone is not None and not _absent(row["judged_on"]) and gone <= row["judged_on"], "forgotten before the verdict"),
        (not spec.memory.credit_after_move, "it had moved to another layer; this preset then gives no more credit"),
    )
    return next((reason for applies, reason in checks if applies), "the run recorded no credit for it")


def _zero(row: Mapping[str, Any]) -> str:
    if row["verdict"] == 0:
        return "the move stayed inside the costs: neither right nor wrong"
    return "counted, but its importance could not move (at its limit, or named on both sides)"


def _shown_only(row: Mapping[str, Any]) -> str:
    if row["phase"] == "train":
        return "shown for study, and credited by none"
    if isinstance(row["abstained"], str):
        return "shown, but there was no decision"
    return "shown, but no reason named it"


def _with_reasons(uses: pd.DataFrame, decided: Mapping[date, Decision]) -> pd.DataFrame:
    """The side, the heaviest weight and the claims of the reasons that named each cited memory."""
    told = [
        _grounds(decided[row["day"]], int(row["memory_id"])) if row["use"] == "cited" and row["day"] in decided else None
        for row in uses[["memory_id", "day", "use"]].to_dict("records")
    ]
    if not any(told):
        return uses
    parts = [found or (stance, weight, claim) for found, stance, weight, claim in zip(told, uses["stance"], uses["weight"], uses["claim"])]
    return uses.assign(**{name: [part[place] for part in parts] for place, name in enumerate(("stance", "weight", "claim"))})


def _grounds(decision: Decision, memory_id: int) -> tuple[str, float, str]:
    sides = [[reason for reason in side if memory_id in reason.memories] for side in (decision.reasons_for, decision.reasons_against)]
    reasons: list[Reason] = [*sides[0], *sides[1]]
    weight = float(max((reason.weight for reason in reasons), default=float("nan")))
    return _side(bool(sides[0]), bool(sides[1])), weight, "; ".join(reason.claim for reason in reasons)


def _side(supports: bool, opposes: bool) -> str:
    return "both" if supports and opposes else "for" if supports else "against" if opposes else ""


# ------------------------------------------------------------------------------------------------------------------- helpers


def _lives(heads: pd.DataFrame, uses: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """What became of the memories, one row each."""
    gone = events[events["kind"] == "forgotten"].drop_duplicates("memory_id", keep="last").set_index("memory_id")
    layer = events.drop_duplicates("memory_id", keep="last").set_index("memory_id")["after_layer"]
    credit = events[events["kind"] == "credited"].groupby("memory_id")["delta"].sum()
    ids = heads["id"]
    counts = {
        "shown": uses[uses["use"] != "near miss"],
        "missed": uses[uses["use"] == "near miss"],
        "named": uses[uses["named"]],
    }
    tallies = {name: ids.map(part.groupby("memory_id").size()).fillna(0).astype(int) for name, part in counts.items()}
    return heads.assign(
        layer=[layer.get(number, told) for number, told in zip(ids, heads["layer"])],
        alive=~ids.isin(gone.index),
        ended_on=_dates(ids.map(gone["day"])),
        why_ended=[gone["reason"].get(number, "") for number in ids],
        credit=ids.map(credit).fillna(0.0).astype(float),
        **tallies,
    )


def _dates(series: pd.Series) -> pd.Series:
    """Days as dates, None where there is none."""
    return pd.Series([None if _absent(value) else value for value in series], index=series.index, dtype=object)


def _absent(value: Any) -> bool:
    return value is None or value is pd.NaT or (isinstance(value, float) and value != value)
