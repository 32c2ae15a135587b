"""Judge an answer. What is not right in every part becomes a DecisionError whose sentence is sent back to the model once.

Nothing is repaired on the model's behalf except spelling of case and the places where JSON may hide (a code fence, prose around it, after
the thoughts). A direction is never guessed: an unusable answer is an abstention.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from datetime import date
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agent.decision.schema import DecisionAnswer, LessonsAnswer, ReasonAnswer, StudyAnswer, ids_by_layer, labels
from agent.decision.untrusted import clean
from agent.errors import DecisionError
from agent.llm.base import LessonFacts, Situation, StudyFacts
from agent.records import Decision, Provenance, Reason

A = TypeVar("A", bound=BaseModel)

HOLD_BAND = 0.01  # a hold may miss the present weight by this much; agent.md section 4, rule 2
LONGEST_ANSWER = 200_000  # characters; the longest valid answer has a twentieth of it
_CLOSED = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_OPENED = re.compile(r"<(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_PROSE = re.compile(r"\{\s*[^\s\"}]")  # a brace that opens no object: {a}, {{name}}
_DATE = re.compile(r"\b((?:19|20)\d\d)-(\d\d)-(\d\d)\b")
_ANNOUNCED = re.compile(r"(due|expected|scheduled|by|until|around|about|on or near|waiting|window)\W+(?:\w+\W+){0,3}$", re.IGNORECASE)


def find_object(text: str, keys: Collection[str] = ()) -> dict[str, Any]:
    """The JSON object that is the answer: the whole text, or the last object in it that has all ``keys``.

    The last, because models draft and then correct themselves; but where objects with different actions stand side by side none is
    taken, since choosing between them would be guessing a direction. Thoughts are no answer. What is not valid JSON is not mended:
    a comma too many, a key twice or an end that is missing may have changed what was meant.
    """
    return _chosen(text, keys)[0]


def _chosen(text: str, keys: Collection[str]) -> tuple[dict[str, Any], int]:
    """The answer's object, and how many before it say something else."""
    if len(text) > LONGEST_ANSWER:
        raise DecisionError(f"the answer has {len(text):,} characters; {LONGEST_ANSWER:,} are the most that is read")
    try:
        found = _whole(text) or _objects(_spoken(text))
        complete = [one for one in found if set(keys) <= set(one)] or found[-1:]
        if not complete:
            raise DecisionError("the answer is not one JSON object")
        if len({_plain(one.get("action")) for one in complete}) > 1:
            raise DecisionError("the answer holds several objects with different actions; send one")
        return complete[-1], sum(one != complete[-1] for one in complete)
    except RecursionError:
        raise DecisionError("the answer is nested too deeply") from None


def _whole(text: str) -> list[dict[str, Any]]:
    """The text itself where it is one object: then marks of thinking inside it are part of what it says."""
    try:
        found = _DECODER.decode(text)
    except ValueError:
        return []
    return [found] if isinstance(found, dict) else []


def _spoken(text: str) -> str:
    """The answer without thoughts: what stands before the last closing mark, and all after an opening mark that is never closed."""
    closed = [found.end() for found in _CLOSED.finditer(text)]
    body = text[closed[-1] :] if closed else text
    opened = _OPENED.search(body)
    body = body[: opened.start()] if opened else body
    if not body.strip():
        raise DecisionError("the answer is empty: all of it is thinking" if text.strip() else "the answer is empty")
    return body


def _objects(text: str) -> list[dict[str, Any]]:
    """Objects with at least two keys that stand side by side in a text. One that is not valid JSON spoils the answer.

    The inside of such an object is not looked at: an answer that breaks off must not be read from its parts.
    """
    found: list[dict[str, Any]] = []
    start = 0
    while (start := text.find("{", start)) >= 0:
        if _PROSE.match(text, start):
            start += 1
            continue
        try:
            one, start = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise DecisionError(f"the answer is not one JSON object: {error.msg} (character {error.pos + 1})") from None
        except ValueError as error:
            raise DecisionError(f"the answer is not one JSON object: {error}") from None
        if len(one) > 1:
            found.append(one)
    return found


def _plain(value: Any) -> str:
    return value.strip().casefold() if isinstance(value, str) else type(value).__name__


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DecisionError(f"{clean(twice, limit=60)}: stands in the answer twice")
    return found


_DECODER = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_no_key_twice)


def _needed(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if field.is_required()]


def _validated(text: str, model: type[A]) -> A:
    found = find_object(text, _needed(model))
    for key, value in found.items():
        _reject(isinstance(value, bool), f"{clean(key, limit=60)}: true and false are no answer here")  # true would be read as 1
    try:
        return model.model_validate(found)
    except ValidationError as error:
        parts = []
        for item in error.errors()[:4]:
            where = ".".join(clean(str(part), limit=60) for part in item["loc"][:4]) or "answer"
            parts.append(f"{where}: {'unknown key' if item['type'] == 'extra_forbidden' else item['msg']}")
        raise DecisionError("; ".join(parts)) from None


def _reject(broken: bool, sentence: str) -> None:
    if broken:
        raise DecisionError(sentence)


def read_decision(text: str, situation: Situation, *, provenance: Provenance = "model") -> Decision:
    """The decision in ``text``, checked against the day it was asked for (agent.md section 4, rules 1-9)."""
    answer = _validated(text, DecisionAnswer)
    _check_echo(answer, situation)
    _check_probabilities(answer)
    cited = _citations(answer, situation)
    _check_sides(answer, situation)
    target, clipped = _target(answer, situation)
    action = "hold" if clipped else answer.action
    if situation.stops and action != "hold":
        _check_stops(answer)
    if answer.action != "hold":
        _reject(not answer.summary.strip(), "summary: a buy or sell needs one")
        _reject(not answer.invalidation.strip(), "invalidation: a buy or sell needs one sentence that says what would prove it wrong")
    return Decision(
        action=action,
        target_weight=target,
        confidence=answer.confidence,
        horizon_sessions=answer.horizon_sessions,
        expected_direction=answer.expected_direction,
        probabilities=dict(answer.probabilities),
        reasons_for=tuple(_reason(r) for r in answer.reasons_for),
        reasons_against=tuple(_reason(r) for r in answer.reasons_against),
        cited=cited,
        stop_loss_pct=answer.stop_loss_pct if situation.stops else None,
        take_profit_pct=answer.take_profit_pct if situation.stops else None,
        invalidation=answer.invalidation.strip(),
        summary=answer.summary.strip(),
        provenance=provenance,
        clipped_by=clipped,
        flags=(*_drafts(text), *_flags(answer, situation)),
        character=situation.character,
    )


def _check_echo(answer: DecisionAnswer, situation: Situation) -> None:
    for name, said, asked in (
        ("symbol", answer.symbol, situation.ticker),
        ("as_of", answer.as_of, situation.as_of),
        ("character", answer.character, situation.character),
    ):
        _reject(said != asked, f"{name}: must be {asked!r}, the answer says {said[:40]!r}")


def _check_probabilities(answer: DecisionAnswer) -> None:
    odds = answer.probabilities
    _reject(set(odds) != {"up", "flat", "down"}, "probabilities: needs up, flat and down")
    _reject(any(p < 0 or p > 1 for p in odds.values()), "probabilities: each lies between 0 and 1")
    total = math.fsum(odds.values())
    _reject(abs(total - 1) > 0.01, f"probabilities: they sum to {total:.3f}, not to 1")
    _reject(
        odds[answer.expected_direction] < max(odds.values()), f"expected_direction: {answer.expected_direction!r} is not the most probable"
    )
    _reject(answer.action == "buy" and odds["up"] < odds["down"], "action: a buy needs probabilities.up of at least probabilities.down")


def _citations(answer: DecisionAnswer, situation: Situation) -> dict[str, tuple[int, ...]]:
    """layer -> ids cited, reasons' memories included; an id that was not shown, or not in that layer, is an error."""
    shown = ids_by_layer(situation)
    home = {memory: layer for layer, ids in shown.items() for memory in ids}
    allowed = set(labels(situation))
    cited: dict[str, list[int]] = {}
    for layer, ids in answer.cited.items():
        for memory in ids:
            _reject(memory not in home, f"cited.{layer[:40]}: memory {str(memory)[:20]} was not shown today; cite only ids that were shown")
            _reject(home[memory] != layer, f"cited.{layer}: memory {memory} belongs to layer {home[memory]}")
            cited.setdefault(layer, []).append(memory)
    for side, reasons in (("reasons_for", answer.reasons_for), ("reasons_against", answer.reasons_against)):
        for reason in reasons:
            for label in reason.basis:
                _reject(label not in allowed, f"{side}: basis {label[:20]!r} was not shown today; use only labels that were shown")
            for memory in _memories(reason):
                cited.setdefault(home[memory], []).append(memory)
    return {layer: tuple(dict.fromkeys(cited[layer])) for layer in shown if layer in cited}


def _check_sides(answer: DecisionAnswer, situation: Situation) -> None:
    if situation.memories:
        _reject(not answer.reasons_for, "reasons_for: at least one is needed")
        _reject(not answer.reasons_against, "reasons_against: at least one is needed, however small its weight")
    net = sum(r.weight for r in answer.reasons_for) - sum(r.weight for r in answer.reasons_against)
    _reject(
        answer.action != "hold" and net <= 0,
        f"reasons: a {answer.action} whose weights for do not exceed those against contradicts itself (net {net})",
    )


def _target(answer: DecisionAnswer, situation: Situation) -> tuple[float, tuple[str, ...]]:
    """Target weight and what clipped it. A buy or sell without the character's minimum confidence becomes a hold, said so."""
    now, target = situation.weight, answer.target_weight
    if answer.action == "hold":
        _reject(abs(target - now) > HOLD_BAND, f"target_weight: a hold keeps the present weight {now:.3f}, the answer says {target:.3f}")
        return now, ()
    low, high = situation.min_weight, situation.max_weight
    _reject(not low - 1e-9 <= target <= high + 1e-9, f"target_weight: {target:.3f} lies outside {low:.2f} to {high:.2f}")
    _reject(
        answer.action == "buy" and target <= now,
        f"target_weight: a buy must be above the present weight {now:.3f}, the answer says {target:.3f}",
    )
    _reject(
        answer.action == "sell" and target >= now,
        f"target_weight: a sell must be below the present weight {now:.3f}, the answer says {target:.3f}",
    )
    if answer.confidence < situation.min_confidence:
        return now, ("confidence",)
    return target, ()


def _check_stops(answer: DecisionAnswer) -> None:
    _reject(answer.stop_loss_pct is None, "stop_loss_pct: is missing")
    _reject(answer.take_profit_pct is None, "take_profit_pct: is missing")
    _reject((answer.stop_loss_pct or 0) >= (answer.take_profit_pct or 0), "stop_loss_pct: must be smaller than take_profit_pct")


def _memories(reason: ReasonAnswer) -> tuple[int, ...]:
    return tuple(int(label[1:]) for label in reason.basis if label[0] == "M" and label[1:].isdigit())


def _reason(reason: ReasonAnswer) -> Reason:
    facts = tuple(label for label in reason.basis if not (label[0] == "M" and label[1:].isdigit()))
    return Reason(claim=reason.claim.strip(), weight=reason.weight, memories=_memories(reason), facts=facts)


def _drafts(text: str) -> tuple[str, ...]:
    others = _chosen(text, _needed(DecisionAnswer))[1]
    return (f"the answer holds {others + 1} different objects with the same action; the last one counts",) if others else ()


def _flags(answer: DecisionAnswer, situation: Situation) -> tuple[str, ...]:
    """A date after the session that no shown text announces smells of knowledge from elsewhere."""
    said = " ".join([answer.summary, answer.invalidation, *(r.claim for r in (*answer.reasons_for, *answer.reasons_against))])
    known = " ".join([*(m.text for m in situation.memories), *(f"{f.title} {f.text}" for f in (*situation.news, *situation.filings))])
    late = set()
    for match in _DATE.finditer(said):
        try:
            day = date(*(int(part) for part in match.groups()))
        except ValueError:
            continue
        if day > situation.session and match[0] not in known and not _ANNOUNCED.search(said[: match.start()]):
            late.add(match[0])
    return tuple(f"mentions {day}, which lies after the session and in no text shown" for day in sorted(late))


def read_study(text: str, facts: StudyFacts) -> StudyAnswer:
    """What training learnt from one session."""
    answer = _validated(text, StudyAnswer)
    shown = {memory.id for memory in facts.situation.memories}
    strange = [i for i in (*answer.supporting, *answer.opposing) if i not in shown]
    _reject(bool(strange), f"supporting/opposing: memory {str(strange[0])[:20] if strange else ''} was not shown")
    both = set(answer.supporting) & set(answer.opposing)
    _reject(bool(both), f"supporting/opposing: memory {min(both) if both else ''} cannot be both")
    return answer


def read_lessons(text: str, facts: LessonFacts) -> LessonsAnswer:
    """At most five lessons from decisions whose outcome is known."""
    return _validated(text, LessonsAnswer)
