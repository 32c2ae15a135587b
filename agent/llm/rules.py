"""A backend without a language model: it reads the day's texts by rule, weighs what they say, and answers in the asked form.

It makes the whole program work offline and repeat to the byte. It sees what a model would see (``Request.facts``) and nothing else:
no prompt, no list of tickers, no clock. What moves a price and by how much is an ordinary reader's guess, written in ``Options``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import tanh
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import DecisionError
from agent.llm import reading as r
from agent.llm.base import (
    Cancelled,
    Chunk,
    DigestFacts,
    Health,
    JudgedDecision,
    LessonFacts,
    MemoryFact,
    Notes,
    OnChunk,
    Request,
    Situation,
    Stopped,
    StudyFacts,
)
from agent.llm.extract import extract
from agent.llm.reading_state import OPEN_SESSIONS, SURPRISE_SESSIONS, Known, known, state_line
from agent.records import Completion

HOLD_BAND = 0.01  # a hold may miss the present weight by this much
REASONS_PER_SIDE = 4
BASIS_PER_REASON = 6
ENOUGH_NOTES = 3  # a source that was judged less often has no record yet
SUMMARY_WORDS = 80
SUMMARY_CHARACTERS = 880
CLAIM_CHARACTERS = 200


@dataclass(frozen=True)
class Effect:
    """One known thing and the extra return of the next session it promises, in basis points."""

    bps: float
    claim: str
    basis: tuple[str, ...]
    sessions: int


class RulesBackend:
    """Reads by rule; deterministic and free of charge."""

    class Options(BaseModel):
        model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

        caution: float = Field(
            1.0, ge=0, le=10, description="How much expected loss it takes to leave the market: 2 waits for twice as much."
        )
        pending_bps: float = Field(
            60.0, ge=0, le=500, description="Guess of the daily extra return while an announced outcome is due, basis points."
        )
        rumour_bps: float = Field(
            60.0, ge=0, le=500, description="Guess of the next session's extra return when a rumour is certainly right."
        )
        factor_bps: float = Field(
            45.0, ge=0, le=500, description="Guess of the daily extra return after a move of a price the company depends on."
        )
        surprise_bps: float = Field(20.0, ge=0, le=500, description="Guess of the daily extra return after results above or below plan.")
        headline_bps: float = Field(6.0, ge=0, le=500, description="Guess of the next session's extra return after a plain headline event.")
        band: float = Field(0.06, ge=HOLD_BAND, le=0.5, description="Differences from the wished weight up to this are not worth a trade.")

    label = "rules, no LLM"
    model = "rules"

    def __init__(self, options: BaseModel | None = None, *, notes: Notes | None = None) -> None:
        self.options = self.Options.model_validate(options.model_dump() if options is not None else {})

    def complete(self, request: Request, *, on_chunk: OnChunk | None = None, cancelled: Cancelled | None = None) -> Completion:
        """The whole answer as JSON text. DecisionError when the facts do not fit the purpose."""
        if cancelled is not None and cancelled():
            raise Stopped("stopped before the rules answered")
        answer = self._answer(request)
        text = json.dumps(answer, ensure_ascii=False, allow_nan=False)
        if on_chunk is not None:
            on_chunk(Chunk(text=text))
        return Completion(text=text, backend=self.model, model=self.model, digest=digest(), options=self.options.model_dump(), llm=False)

    def check(self) -> Health:
        """Always ready: nothing outside the program is needed."""
        return Health(ok=True, message="The rules backend needs no server and no model.", details={"model": self.model})

    def warm_up(self, *, longest: int = 0, before: Mapping[str, Any] | None = None, cancelled: Cancelled | None = None) -> dict[str, Any]:
        """Read one sentence, so that all patterns are compiled; the digest covers the rules and their vocabulary."""
        r.read("Warm-up", "Nothing to read.")
        return {"model": self.model, "digest": digest(), "options": self.options.model_dump()}

    def _answer(self, request: Request) -> dict[str, Any]:
        facts = request.facts
        if request.purpose == "decide" and isinstance(facts, Situation):
            return decide(facts, self.options)
        if request.purpose == "study" and isinstance(facts, StudyFacts):
            return study(facts, self.options)
        if request.purpose == "lessons" and isinstance(facts, LessonFacts):
            return lessons(facts)
        if request.purpose == "digest" and isinstance(facts, DigestFacts):
            return {"summary": extract(facts.text, facts.words, about=f"{facts.company} {facts.ticker}")}
        raise DecisionError(f"the rules cannot answer {request.purpose!r} from {type(facts).__name__}")


@lru_cache(maxsize=1)
def digest() -> str:
    """Hash of the rules and the vocabulary: a changed reader is another model."""
    here = Path(__file__).parent
    parts = [(here / name).read_bytes() for name in ("rules.py", "reading.py", "reading_state.py", "reading_words.py", "extract.py")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


# ------------------------------------------------------------------------------------------------------------------ weighing


def effects(state: Known, options: RulesBackend.Options) -> list[Effect]:
    """Everything known that should move the next session, strongest first."""
    found = [
        *_pending(state, options),
        *_rumours(state, options),
        *_factors(state, options),
        *_surprises(state, options),
        *_headlines(state, options),
    ]
    return sorted(found, key=lambda e: (-abs(e.bps), e.claim))


def _word(direction: int) -> str:
    return "favourable" if direction > 0 else "unfavourable"


def _pending(state: Known, options: RulesBackend.Options) -> list[Effect]:
    found = []
    for item in state.waiting():
        if share := item.share():
            when = "is due now" if item.due == 0 else f"came due {-(item.due or 0)} sessions ago" if (item.due or 0) < 0 else "is about due"
            claim = f"{item.name} {when}, outlook {_word(item.direction)}"
            found.append(Effect(options.pending_bps * share * item.direction, claim, item.basis, max(1, OPEN_SESSIONS + (item.due or 0))))
    return found


def _rumours(state: Known, options: RulesBackend.Options) -> list[Effect]:
    """A source that is mostly wrong counts against its own rumour; one without a record (trust 0.5) counts for nothing."""
    found = []
    for rumour in state.rumours:
        record = state.source(rumour.what)
        edge = record.edge() if record else 0.0
        if record and record.total >= ENOUGH_NOTES and abs(edge) > 1e-9:
            said = "good" if rumour.direction > 0 else "bad"
            claim = f"{rumour.what or 'A source'} hears {said} news; it was right {record.right} of {record.total} times"
            found.append(Effect(options.rumour_bps * edge * rumour.direction, claim, (*rumour.basis, *record.basis), 1))
    return found


def _factors(state: Known, options: RulesBackend.Options) -> list[Effect]:
    found = []
    for move in state.moves:
        exposure = state.exposure(move.what)
        if exposure and exposure.sign:
            way = "rose" if move.direction > 0 else "fell"
            claim = (
                f"{move.what} {way}; a rise {'helps' if exposure.sign > 0 else 'hurts'} the company, says its report of {exposure.since}"
            )
            found.append(
                Effect(options.factor_bps * exposure.sign * move.direction, claim, (*move.basis, *exposure.basis), max(1, 3 - move.ago))
            )
    return found


def _surprises(state: Known, options: RulesBackend.Options) -> list[Effect]:
    told = [e for e in state.surprises if e.direction]
    if not told:
        return []
    newest = min(told, key=lambda e: e.ago)
    claim = f"Results came in {'above' if newest.direction > 0 else 'below'} plan"
    return [Effect(options.surprise_bps * newest.direction, claim, newest.basis, max(1, SURPRISE_SESSIONS - newest.ago))]


def _headlines(state: Known, options: RulesBackend.Options) -> list[Effect]:
    """Plain events are old news by the close; together they never weigh more than two."""
    found = [Effect(options.headline_bps * e.direction, f'A headline says "{e.what}"', e.basis, 3) for e in state.headlines]
    return found[:4]


# ------------------------------------------------------------------------------------------------------------------ deciding


def decide(facts: Situation, options: RulesBackend.Options) -> dict[str, Any]:
    """The day's answer. Being invested is the prior; known trouble is the reason to leave."""
    state = known(facts)
    found = effects(state, options)
    expected = sum(e.bps for e in found)
    target = _target(facts, expected, options)
    action = "hold" if abs(target - facts.weight) <= HOLD_BAND else "buy" if target > facts.weight else "sell"
    invested = (target > facts.weight) if action != "hold" else target > 1e-9
    short = action == "hold" and target < -1e-9
    reasons_for, reasons_against = _reasons(facts, found, expected, action, invested, short)
    odds = _odds(expected, action)
    answer: dict[str, Any] = {
        "symbol": facts.ticker,
        "as_of": facts.as_of,
        "character": facts.character,
        "reasons_for": reasons_for,
        "reasons_against": reasons_against,
        "cited": _cited(facts, [*reasons_for, *reasons_against]),
        "probabilities": odds,
        "expected_direction": max(odds, key=lambda k: odds[k]),
        "action": action,
        "target_weight": target,
        "confidence": _confidence(facts, found, expected, action),
        "horizon_sessions": found[0].sessions if found else 5,
    }
    if facts.stops:
        stop = round(min(0.24, max(0.05, 6 * (facts.price.volatility_20 or 0.012))), 4)
        answer |= {"stop_loss_pct": stop, "take_profit_pct": round(min(1.0, 3 * stop), 4)}
    answer["invalidation"] = _invalidation(action, found, invested)
    answer["summary"] = summary(_opening(action, target, found), state, facts)
    return answer


def _target(facts: Situation, expected: float, options: RulesBackend.Options) -> float:
    """The wished weight: full when nothing speaks against it, none (or short, where allowed) when something clearly does.

    Between the two thresholds the present stance is kept, and a difference inside the band is no reason to trade.
    """
    low, high, now = facts.min_weight, facts.max_weight, facts.weight
    leave = -(2 * facts.cost_bps + 4.0) * options.caution
    enter = -2.0 * options.caution
    none = min(max(0.0, low), high)
    if expected <= 4 * leave and low < 0:
        wished = low
    elif expected <= leave:
        wished = none
    elif expected >= enter or now > none + options.band:
        wished = high
    else:
        wished = none if now > none - options.band else now
    wished = min(max(wished, low), high)
    kept = min(max(now, low), high)
    if abs(kept - now) <= HOLD_BAND and abs(wished - now) <= options.band:
        return kept
    return wished if abs(wished - now) > HOLD_BAND else kept


def _confidence(facts: Situation, found: Sequence[Effect], expected: float, action: str) -> float:
    """0.55 without evidence, more with it, less when the evidence disagrees; a trade is never wished below the allowed minimum."""
    total = sum(abs(e.bps) for e in found)
    agreement = abs(expected) / total if total else 1.0
    stated = 0.55 + 0.35 * tanh(abs(expected) / 80.0) * agreement
    if action != "hold":
        stated = max(stated, min(1.0, facts.min_confidence + 0.02))
    return round(min(stated, 1.0), 2) if action == "hold" else min(1.0, max(round(stated, 2), facts.min_confidence))


def _odds(expected: float, action: str) -> dict[str, float]:
    """Probabilities of the next move; up, flat and down sum to 1 and one of them is the largest."""
    lean = tanh(expected / 80.0)
    up, down = round(0.41 + 0.34 * lean, 3), round(0.36 - 0.30 * lean, 3)
    if action == "buy" and up < down:
        up = down = min(up, 0.3)
    if up == down and up >= 1 - up - down:
        up, down = round(up + 0.01, 3), round(down - 0.01, 3)
    return {"up": up, "flat": round(1 - up - down, 3), "down": down}


def _reasons(
    facts: Situation, found: Sequence[Effect], expected: float, action: str, invested: bool, short: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Reasons relative to the action: effects that push its way are for it, the others against."""
    way = 1 if invested and not short else -1
    for_ = [_reason(e.claim, _weight(e.bps), e.basis) for e in found if e.bps * way > 0][:REASONS_PER_SIDE]
    against = [_reason(e.claim, _weight(e.bps), e.basis) for e in found if e.bps * way < 0][:REASONS_PER_SIDE]
    if facts.weight > facts.max_weight + HOLD_BAND and way < 0 and action == "sell":
        for_ = [_reason(f"The position is above the {facts.max_weight:.0%} that the character allows", 6, ("S",)), *for_][:REASONS_PER_SIDE]
    if not for_:
        for_ = [_prior(way, action, facts)]
    if not against:
        against = [_reason(_doubt(way), 1, ("P",))]
    if action != "hold":
        _balance(for_, against)
    return for_, against


def _prior(way: int, action: str, facts: Situation) -> dict[str, Any]:
    if way > 0:
        return _reason("Nothing known outweighs the ordinary reward for holding shares", 3, ("P",))
    if action == "hold":
        return _reason("Staying out is free while the picture is unclear", 2, ("S",))
    return _reason(f"The weight of {facts.weight:.0%} lies outside what is allowed or wished", 4, ("S",))


def _doubt(way: int) -> str:
    return (
        "News that nobody knows yet could end this view" if way > 0 else "Shares rise more often than they fall, and being out misses that"
    )


def _weight(bps: float) -> int:
    return max(1, min(9, round(abs(bps) / 8)))


def _reason(claim: str, weight: int, basis: Sequence[str]) -> dict[str, Any]:
    return {"claim": claim[:CLAIM_CHARACTERS], "weight": weight, "basis": list(dict.fromkeys(basis))[:BASIS_PER_REASON] or ["P"]}


def _balance(for_: list[dict[str, Any]], against: list[dict[str, Any]]) -> None:
    """A trade needs more weight for it than against: the first reason takes the missing weight, then the other side gives way."""
    gap = sum(x["weight"] for x in against) - sum(x["weight"] for x in for_) + 1
    if gap > 0:
        for_[0]["weight"] = min(10, for_[0]["weight"] + gap)
    while sum(x["weight"] for x in for_) <= sum(x["weight"] for x in against):
        heaviest = max(against, key=lambda x: x["weight"])
        heaviest["weight"] -= 1


def _cited(facts: Situation, reasons: Sequence[dict[str, Any]]) -> dict[str, list[int]]:
    used = {label for reason in reasons for label in reason["basis"]}
    cited: dict[str, list[int]] = {}
    for memory in facts.memories:
        ids = cited.setdefault(memory.layer, [])
        if f"M{memory.id}" in used:
            ids.append(memory.id)
    return cited


def _invalidation(action: str, found: Sequence[Effect], invested: bool) -> str:
    if found:
        return f"Wrong if this does not hold: {found[0].claim}."
    if action == "hold" and not invested:
        return "Wrong if the shares rise without any news."
    return "Wrong if a known item turns out badly or a reliable source reports trouble."


def _opening(action: str, target: float, found: Sequence[Effect]) -> str:
    """What is done and the one thing that weighs most, as a sentence."""
    out, hold = abs(target) < 1e-9, action == "hold"
    if out:
        stance = "Stay out" if hold else "Sell everything" if action == "sell" else "Buy back"
    else:
        stance = f"Hold {target:.0%}" if hold else f"{'Buy' if action == 'buy' else 'Sell'} to hold {target:.0%}"
    if found and action == "hold" and found[0].bps * (-1 if out or target < 0 else 1) < 0:
        return f"{stance}; too little to act on: {found[0].claim}."
    if found:
        return f"{stance}: {found[0].claim}."
    why = "come back yet" if hold and out else "leave" if hold else "stay out" if action == "buy" else "hold more"
    return f"{stance}: no known reason to {why}."


def summary(opening: str, state: Known, facts: Situation) -> str:
    """An opening sentence and the state that the next days need, in at most 80 words."""
    words = opening.split()[:22]
    line = state_line(state, facts.session, words=SUMMARY_WORDS - len(words) - 2)
    text = " ".join([*words, line]).strip()
    return text if len(text) <= SUMMARY_CHARACTERS else text[:SUMMARY_CHARACTERS].rsplit(";", 1)[0].rsplit(" ", 1)[0]


# ------------------------------------------------------------------------------------------------------------------ studying


def study(facts: StudyFacts, options: RulesBackend.Options) -> dict[str, Any]:
    """Explain a move that has happened by what was known before it."""
    state = known(facts.situation)
    found = effects(state, options)
    way = 1 if facts.label == "buy" else -1 if facts.label == "sell" else 0
    shown = [m.id for m in facts.situation.memories]
    supporting = _ids([e for e in found if e.bps * way > 0], shown)
    opposing = [i for i in _ids([e for e in found if e.bps * way < 0], shown) if i not in supporting]
    best = next((e for e in found if e.bps * way > 0), None)
    moved = "rose" if facts.move > 0 else "fell" if facts.move < 0 else "did not move"
    why = f"as expected: {best.claim}" if best else "for no reason known before" if way else "as if nothing had been known"
    return {
        "summary": summary(f"The shares {moved} {abs(facts.move):.1%}, {why}.", state, facts.situation),
        "supporting": supporting[:12],
        "opposing": opposing[:12],
    }


def _ids(found: Sequence[Effect], shown: Sequence[int]) -> list[int]:
    used = {label for effect in found for label in effect.basis}
    return [i for i in shown if f"M{i}" in used]


# ------------------------------------------------------------------------------------------------------------------ lessons


def lessons(facts: LessonFacts) -> dict[str, Any]:
    """What the judged decisions teach: which outlets and which kinds of text were right, and whether confidence was earned."""
    found = [*_source_lessons(facts.judged), *_kind_lessons(facts.judged), *_action_lessons(facts.judged)]
    return {"lessons": found[:5], "calibration": _calibration(facts.judged)}


def _told(judged: Sequence[JudgedDecision]) -> list[tuple[MemoryFact, JudgedDecision]]:
    return [(memory, d) for d in judged for memory in (*d.supporting, *d.opposing) if d.move]


def _source_lessons(judged: Sequence[JudgedDecision]) -> list[dict[str, str]]:
    """Outlets whose rumours came before a move, counted once per note."""
    records: dict[str, tuple[str, dict[int, bool]]] = {}
    for memory, decision in _told(judged):
        if memory.kind != "news":
            continue
        for said in r.read(memory.title, memory.text, publisher=memory.publisher):
            if isinstance(said, r.Rumour):
                name, notes = records.setdefault(r.source_key(said.source), (said.source, {}))
                notes.setdefault(memory.id, said.direction * decision.move > 0)
    found = []
    for _, (name, notes) in sorted(records.items(), key=lambda x: (-len(x[1][1]), x[0])):
        right, total = sum(notes.values()), len(notes)
        advice = "believe it" if 2 * right > total else "expect the opposite" if 2 * right < total else "leave it aside"
        found.append(_lesson(f"{name} passes on a rumour", f"{advice}", f"Sources: {name} right {right} of {total} judged calls"))
    return found[:3]


_KINDS = {
    "news": "news",
    "filing_10q": "quarterly reports",
    "filing_10k": "annual reports",
    "immediate_reflection": "own notes",
    "extended_reflection": "own lessons",
}


def _kind_lessons(judged: Sequence[JudgedDecision]) -> list[dict[str, str]]:
    """The kind of text whose support helped or hurt most."""
    counts: dict[str, list[int]] = {}
    for decision in judged:
        if decision.verdict:
            for kind in sorted({memory.kind for memory in decision.supporting}):
                counts.setdefault(kind, []).append(decision.verdict)
    found = []
    for kind, verdicts in sorted(counts.items(), key=lambda x: (-len(x[1]), x[0]))[:2]:
        right = verdicts.count(1)
        advice = "keep weighing it" if 2 * right >= len(verdicts) else "ask for a second reason"
        found.append(
            _lesson(f"a decision rests on {_KINDS.get(kind, kind)}", advice, f"{right} of {len(verdicts)} such decisions were right")
        )
    return found


def _action_lessons(judged: Sequence[JudgedDecision]) -> list[dict[str, str]]:
    found = []
    for action, label in (("buy", "buying"), ("sell", "selling")):
        verdicts = [d.verdict for d in judged if d.action == action and d.verdict]
        if verdicts:
            right, profit = verdicts.count(1), sum(d.profit for d in judged if d.action == action)
            advice = "go on as before" if 2 * right >= len(verdicts) else "wait for stronger evidence"
            found.append(_lesson(label, advice, f"{right} of {len(verdicts)} were right, result {profit:+.1%} in all"))
    return found


def _lesson(condition: str, action: str, evidence: str) -> dict[str, str]:
    return {"condition": condition[:CLAIM_CHARACTERS], "action": action[:CLAIM_CHARACTERS], "evidence": evidence[:CLAIM_CHARACTERS]}


def _calibration(judged: Sequence[JudgedDecision]) -> str:
    counted = [d for d in judged if d.verdict]
    if not counted:
        return "No decision has moved out of the cost band yet, so confidence cannot be judged."
    stated, hits = sum(d.confidence for d in counted) / len(counted), sum(d.verdict > 0 for d in counted)
    rate = hits / len(counted)
    word = "too high" if stated > rate + 0.1 else "too low" if stated < rate - 0.1 else "about right"
    return f"Stated confidence {stated:.0%}, {hits} of {len(counted)} right ({rate:.0%}): {word}."
