"""Questions that fit: what may be left out goes first, in a fixed order, and is named; what a decision needs is never cut.

The rules, the schema, the day, the prices, the position and the task always stand whole. What goes, in this order: memories of the
lowest score, each layer's best ones last; valuation, then fundamentals; the bodies of filings; the bodies of news, then older news; what
the person wrote about the business; and at the very end the titles of filings. The facts are cut, not the text, so that the question,
the ids its schema allows and the ids an answer is judged by are always the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Any, Generic, TypeVar

from agent.decision.prompt import CHARACTERS_PER_TOKEN, QUOTED_CHARACTERS, describe_figures, framing, is_valuation, tokens
from agent.decision.untrusted import TEXT_CHARACTERS
from agent.errors import DecisionError, PromptTooLong
from agent.llm.base import Budget, DigestFacts, JudgedDecision, LessonFacts, MemoryFact, Request, Situation, StudyFacts, TextFact
from agent.records import LeftOut, Purpose, Segment

F = TypeVar("F", Situation, StudyFacts, LessonFacts, DigestFacts)
Built = tuple[Request, tuple[Segment, ...]]
FILING_CUTS = (1500, 400, 0)  # characters of a filing's body that are left, step by step; at 0 its title stands alone
NEWS_CUT = 300
CUT = " … (cut here)"
LABEL_TOKENS = 12  # label, date and fence around a text
REASK_SHARE = 8  # one part in so many of the room is kept for a second question
REASK_LEAST, REASK_MOST = 200, 700  # tokens: the sentence and the error always fit; more than a short answer is not quoted
ANSWER_UNKNOWN = 1024  # tokens, where a server refused a question that nobody had limited
MARGIN = 0.97  # a corrected ratio is taken a little lower than proved, since no two texts are alike
LEAST_RATIO = 0.5  # characters per token: fewer has no vocabulary, whatever a server counts
LEAST_CORRECTION = 0.9  # and always so much lower that the next question is shorter


@dataclass(frozen=True)
class Fitted(Generic[F]):
    """A question that fits, the facts that are left in it, and what was left out."""

    facts: F
    request: Request
    segments: tuple[Segment, ...]
    left_out: tuple[LeftOut, ...] = ()
    budget: Budget | None = None


@dataclass(frozen=True)
class _Cuts:
    """What is taken from the facts. Texts are cut to so many characters, by label."""

    memories: frozenset[int] = frozenset()
    quoted: frozenset[tuple[int, int]] = frozenset()  # (index of a judged decision, memory id)
    judged: int = 0
    gone: frozenset[str] = frozenset()  # valuation, fundamentals, profile, or the label of a text
    bodies: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class _Step:
    """One thing that can be left out: how, about how many tokens it frees, and what is said of it."""

    cuts: Callable[[_Cuts], _Cuts]
    key: str
    segment: str
    saves: int
    reason: str
    memory_id: int | None = None


def reserve(budget: Budget) -> int:
    """Tokens of the room that are kept free for asking once more, with the unusable answer quoted."""
    return max(REASK_LEAST, min(REASK_MOST, budget.room // REASK_SHARE))


def fit(facts: F, budget: Budget | None, build: Callable[[F], Built], *, purpose: Purpose) -> Fitted[F]:
    """The question ``build`` makes from as much of ``facts`` as the budget has room for. None: all of it.

    Deterministic, and monotone: a smaller budget leaves out the same and more. DecisionError with numbers and the cure when not even
    what must stand fits; that is an abstention.
    """
    whole = _built(facts, build, budget)
    if budget is None:
        return Fitted(facts, *whole)
    room = budget.room - reserve(budget)
    if whole[0].estimated_tokens <= room:
        return Fitted(facts, *whole, budget=budget)
    steps = tuple(_steps(facts, {segment.memory_id: segment.tokens for segment in whole[1] if segment.memory_id is not None}, budget))
    taken = list(accumulate(steps, lambda cuts, step: step.cuts(cuts), initial=_Cuts()))
    tried: dict[int, tuple[F, Built]] = {}

    def size(count: int) -> int:
        if count not in tried:
            smaller = _cut(facts, taken[count])
            tried[count] = (smaller, _built(smaller, build, budget))
        return tried[count][1][0].estimated_tokens

    count = _fewest(size, len(steps), room=room, guess=_guess(steps, whole[0].estimated_tokens - room))
    if count is None:
        raise DecisionError(_hopeless(size(len(steps)), budget, bool(steps)))
    smaller, built = tried[count]
    return Fitted(smaller, *built, _left_out(steps[:count], whole[0].estimated_tokens, room, purpose), budget)


def corrected(budget: Budget, problem: PromptTooLong, *, estimated: int) -> Budget:
    """The budget a server's own count proves, for the one question that did not fit: always a tighter one.

    ``estimated``: what the question was believed to have. A refusal tells its true size; a cut only that it was more than the window.
    """
    window = min(budget.window, problem.window) if problem.window else budget.window
    true = max(problem.counted or 0, window) if problem.cut else problem.counted or 0
    proved = estimated / true * MARGIN if true and estimated else 1.0
    ratio = max(min(LEAST_RATIO, budget.characters_per_token), budget.characters_per_token * min(LEAST_CORRECTION, proved))
    return budget.model_copy(update={"window": window, "characters_per_token": ratio, "measured": True})


class Fitting(Generic[F]):
    """One question from first fit to last: ``fitted`` is what was asked in the end.

    ``shorten`` is what ``ask`` wants. The judge of the answer reads ``facts`` when the answer comes, since a shorter question shows less.
    """

    def __init__(self, facts: F, budget: Budget | None, build: Callable[[F], Built], *, purpose: Purpose) -> None:
        self._whole: F = facts
        self._build: Callable[[F], Built] = build
        self._purpose: Purpose = purpose
        self.fitted: Fitted[F] = fit(facts, budget, build, purpose=purpose)

    @property
    def facts(self) -> F:
        return self.fitted.facts

    @property
    def request(self) -> Request:
        return self.fitted.request

    def shorten(self, problem: PromptTooLong) -> Request | None:
        """The question once more, within what the server has just proved; None when it said nothing to go by."""
        budget = self.fitted.budget
        if budget is None:
            if not problem.window:
                return None
            budget = Budget(
                window=problem.window, answer=min(ANSWER_UNKNOWN, max(1, problem.window // 3)), characters_per_token=CHARACTERS_PER_TOKEN
            )
        tighter = corrected(budget, problem, estimated=self.request.estimated_tokens)
        self.fitted = fit(self._whole, tighter, self._build, purpose=self._purpose)
        return self.fitted.request


# ------------------------------------------------------------------------------------------------------------ how much must go


def _built(facts: F, build: Callable[[F], Built], budget: Budget | None) -> Built:
    """The question, its sizes by the budget's ratio whichever ratio ``build`` knew."""
    request, segments = build(facts)
    if budget is None:
        return request, segments
    segments = tuple(
        segment if segment.tokens == size else segment.model_copy(update={"tokens": size})
        for segment, size in ((segment, tokens(segment.text, budget)) for segment in segments)
    )
    text = sum(segment.tokens for segment in segments) or sum(tokens(message.content, budget) for message in request.messages)
    return request.model_copy(update={"estimated_tokens": text + framing(len(request.messages))}), segments


def _guess(steps: Sequence[_Step], excess: int) -> int:
    saved = 0
    for count, step in enumerate(steps, 1):
        saved += step.saves
        if saved >= excess:
            return count
    return len(steps)


def _fewest(size: Callable[[int], int], most: int, *, room: int, guess: int) -> int | None:
    """The fewest steps after which the question fits; None when all of them are not enough. A good guess costs two sizes."""
    low, high, near, turn = 0, most + 1, guess, 0  # after low steps it does not fit; high steps are enough, or more than there are
    while high - low > 1:
        probe = near if turn < 2 and low < near < high else (low + high) // 2
        if size(probe) <= room:
            high, near = probe, probe - 1
        else:
            low, near = probe, probe + 1
        turn += 1
    return high if high <= most else None


def _hopeless(least: int, budget: Budget, any_steps: bool) -> str:
    room = max(least + REASK_LEAST, min(least + REASK_MOST, -(-least * REASK_SHARE // (REASK_SHARE - 1))))
    bare = "Even without memories, news and filings the question" if any_steps else "The question"
    return (
        f"{bare} has about {least:,} tokens; of the window of {budget.window:,} tokens {budget.answer:,} are kept for the answer and "
        f"{reserve(budget):,} for asking once more, which leaves {max(0, budget.room - reserve(budget)):,}. Give the model a window of at least "
        f"{budget.answer + room:,} tokens, or choose shorter prompts."
    )


def _left_out(steps: Sequence[_Step], whole: int, room: int, purpose: Purpose) -> tuple[LeftOut, ...]:
    """One entry per thing, in the order they went; of one that went in several steps the last says what is left of it."""
    found: dict[str, LeftOut] = {}
    for step in steps:
        before = found[step.key].tokens if step.key in found else 0
        found[step.key] = LeftOut(
            segment=step.segment,
            tokens=before + step.saves,
            reason=f"{step.reason}; the question would have had about {whole:,} tokens, the window has room for {room:,}",
            memory_id=step.memory_id,
            purpose=purpose,
        )
    return tuple(found.values())


# ------------------------------------------------------------------------------------------------------------ what goes, in order


def _steps(facts: Situation | StudyFacts | LessonFacts | DigestFacts, sizes: Mapping[int, int], budget: Budget) -> Iterator[_Step]:
    if isinstance(facts, StudyFacts):
        facts = facts.situation
    if isinstance(facts, Situation):
        yield from _memory_steps(facts.memories, sizes, budget)
        yield from _figure_steps(facts, budget)
        for cut in FILING_CUTS:
            yield from _body_steps("filings", facts.filings, cut, budget)
        yield from _body_steps("news", facts.news, NEWS_CUT, budget)
        yield from _text_steps("news", facts.news, budget)
        if facts.sector:
            yield _Step(partial(_without, "profile"), "profile", "profile", tokens(facts.sector, budget), "what is said about the business")
        yield from _text_steps("filings", facts.filings, budget)
    elif isinstance(facts, LessonFacts):
        yield from _judged_steps(facts.judged, budget)


def _memory_steps(memories: Sequence[MemoryFact], sizes: Mapping[int, int], budget: Budget) -> Iterator[_Step]:
    """Lowest score first, older first among equals; the best of each layer only when nothing else is left."""

    def age(memory: MemoryFact) -> tuple[float, int, int, int]:
        return memory.score, -memory.sessions_ago, memory.event_day.toordinal(), memory.id

    best = {memory.layer: memory.id for memory in sorted(memories, key=age)}
    for rank, memory in enumerate(sorted(memories, key=lambda m: (best[m.layer] == m.id, *age(m))), 1):
        yield _Step(
            partial(_without_memory, memory.id),
            f"M{memory.id}",
            f"memory:{memory.layer}:M{memory.id}",
            sizes.get(memory.id) or tokens(memory.text, budget),
            f"M{memory.id}, score {memory.score:.2f}: number {rank} of {len(memories)} in the order in which memories go",
            memory.id,
        )


def _figure_steps(facts: Situation, budget: Budget) -> Iterator[_Step]:
    for name, priced in (("valuation", True), ("fundamentals", False)):
        if figures := [figure for figure in facts.fundamentals if is_valuation(figure) is priced]:
            size = tokens(describe_figures(figures), budget)
            yield _Step(partial(_without, name), name, name, size, f"{len(figures)} {'figure' if len(figures) == 1 else 'figures'}")


def _body_steps(segment: str, texts: Sequence[TextFact], length: int, budget: Budget) -> Iterator[_Step]:
    """The body of each text, older first, cut to ``length`` characters; where it was cut longer before, by what it still had."""
    for text in texts:
        had = min([len(text.text), TEXT_CHARACTERS, *(cut for cut in FILING_CUTS if cut > length and segment == "filings")])
        if len(text.text) > length + len(CUT) and had > length:
            size = tokens(text.text[:had], budget) - tokens(text.text[:length], budget)
            left = f"cut from {len(text.text):,} to {length:,} characters" if length else "left out, its title stands"
            yield _Step(
                partial(_shorter, text.label, length), text.label, segment, size, f"the text of {text.label} ({text.published}) was {left}"
            )


def _text_steps(segment: str, texts: Sequence[TextFact], budget: Budget) -> Iterator[_Step]:
    for text in sorted(texts, key=lambda t: t.published):
        size = tokens(f"{text.title} {text.publisher}", budget) + LABEL_TOKENS
        size += tokens(text.text[:NEWS_CUT], budget) if segment == "news" else 0
        yield _Step(partial(_without, text.label), text.label, segment, size, f"{text.label} ({text.published}) was left out whole")


def _judged_steps(judged: Sequence[JudgedDecision], budget: Budget) -> Iterator[_Step]:
    """What older decisions rested on, then older decisions; the newest stays."""
    for index, item in enumerate(judged):
        for memory in (*item.supporting, *item.opposing):
            yield _Step(
                partial(_unquoted, index, memory.id),
                f"{index}:M{memory.id}",
                "judged",
                tokens(memory.text[:QUOTED_CHARACTERS], budget) + LABEL_TOKENS,
                f"M{memory.id}, which the decision of {item.decided} rested on",
                memory.id,
            )
    for index, item in enumerate(judged[:-1]):
        size = tokens(item.summary, budget) + 2 * LABEL_TOKENS
        yield _Step(partial(_unjudged, index + 1), f"{index}", "judged", size, f"the decision of {item.decided}")


def _without(key: str, cuts: _Cuts) -> _Cuts:
    return replace(cuts, gone=cuts.gone | {key})


def _without_memory(memory: int, cuts: _Cuts) -> _Cuts:
    return replace(cuts, memories=cuts.memories | {memory})


def _shorter(label: str, length: int, cuts: _Cuts) -> _Cuts:
    return replace(cuts, bodies=(*cuts.bodies, (label, length)))


def _unquoted(index: int, memory: int, cuts: _Cuts) -> _Cuts:
    return replace(cuts, quoted=cuts.quoted | {(index, memory)})


def _unjudged(count: int, cuts: _Cuts) -> _Cuts:
    return replace(cuts, judged=count)


# ------------------------------------------------------------------------------------------------------------ cutting the facts


def _cut(facts: F, cuts: _Cuts) -> F:
    changes: dict[str, Any] = {}
    if isinstance(facts, StudyFacts):
        changes = {"situation": _cut_situation(facts.situation, cuts)}
    elif isinstance(facts, Situation):
        return _cut_situation(facts, cuts)
    elif isinstance(facts, LessonFacts):
        kept = [_cut_judged(item, index, cuts) for index, item in enumerate(facts.judged) if index >= cuts.judged]
        changes = {"judged": tuple(kept)}
    return facts.model_copy(update=changes)


def _cut_situation(facts: Situation, cuts: _Cuts) -> Situation:
    lengths = dict(cuts.bodies)
    figures = [f for f in facts.fundamentals if ("valuation" if is_valuation(f) else "fundamentals") not in cuts.gone]
    return facts.model_copy(
        update={
            "memories": tuple(memory for memory in facts.memories if memory.id not in cuts.memories),
            "fundamentals": tuple(figures),
            "filings": tuple(_cut_text(text, lengths.get(text.label)) for text in facts.filings if text.label not in cuts.gone),
            "news": tuple(_cut_text(text, lengths.get(text.label)) for text in facts.news if text.label not in cuts.gone),
            "sector": "" if "profile" in cuts.gone else facts.sector,
        }
    )


def _cut_text(text: TextFact, length: int | None) -> TextFact:
    if length is None:
        return text
    return text.model_copy(update={"text": text.text[:length].rsplit(" ", 1)[0] + CUT if length else ""})


def _cut_judged(item: JudgedDecision, index: int, cuts: _Cuts) -> JudgedDecision:
    sides = {
        side: tuple(memory for memory in getattr(item, side) if (index, memory.id) not in cuts.quoted)
        for side in ("supporting", "opposing")
    }
    return item.model_copy(update=sides)
