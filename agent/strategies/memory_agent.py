"""The memory-augmented trader: read, remember, recall, decide, reflect, learn from what came of it.

A training day studies the session before it, whose next move has just become known: recall came first, hindsight second, and no
code ever looks past a close. A test day decides. In both, credit goes to the memories that were cited, when the outcome is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from hashlib import blake2b
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import BaseModel, Field

from agent.decision.ask import Asked, ask
from agent.decision.budget import Built, Fitting
from agent.decision.digest import character_query, day_query, drafts_of
from agent.decision.digest_ask import digest_request, read_digest
from agent.decision.parse import read_decision, read_lessons, read_study
from agent.decision.prompt import decide_request, lessons_request, study_request
from agent.decision.schema import LessonsAnswer
from agent.errors import DecisionError
from agent.llm.base import (
    Backend,
    Budget,
    DigestFacts,
    JudgedDecision,
    LessonFacts,
    MemoryFact,
    Message,
    OnChunk,
    Situation,
    StudyFacts,
    TextFact,
)
from agent.memory.bank import Draft
from agent.portfolio.limits import CHARACTERS, resolve_character
from agent.records import (
    DayRecord,
    Decision,
    LeftOut,
    MemoryKind,
    ModelCall,
    Observation,
    Outcome,
    Purpose,
    Recall,
    Segment,
    Study,
    Thought,
)
from agent.spec import RunSpec
from agent.strategies.base import Setup, Today

NEW_YORK = ZoneInfo("America/New_York")  # dates of texts are shown as their readers saw them
NEWS_SHOWN = 12
FILING_CHARACTERS = 9000  # all new filing text of one day in the prompt; every part is in memory as chunks
LESSON_IMPORTANCE = 80.0
MOST_JUDGED = 20  # decisions that wait for lessons where a model gave none
RULES_CHARACTERS = 8_000  # rules, prices, position, figures, and an answer quoted back when it cannot be used
NEWS_CHARACTERS = 700
MEMORY_CHARACTERS = 1_300
HELPED = ("digest", "lessons")  # what the helper model does; a study teaches memory what the decisions rest on, so it is not among them
F = TypeVar("F", Situation, StudyFacts, LessonFacts, DigestFacts)


@dataclass
class _Notes:
    """What a day collects on its way to a Thought."""

    calls: list[ModelCall] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    lessons: list[str] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


class MemoryAgent:
    """FinMem's idea, corrected: layered memory, credit to what was cited, one structured decision a day."""

    needs_model = True

    class Options(BaseModel, extra="forbid"):
        recall: Literal["best", "random", "none"] = Field(
            "best",
            description="Which memories the model is shown: the best; as many drawn by lot (an ablation); none, and then nothing is remembered or "
            "learnt at all (an ablation).",
        )
        reflect: bool = Field(
            True,
            description="Off (an ablation): the agent keeps no notes of its own. No studies in training, no reflections, no lessons; "
            "news and filings are remembered as before.",
        )

    def __init__(self, setup: Setup) -> None:
        assert setup.backend is not None and setup.bank is not None, "wiring gives the memory agent a backend and a bank"
        self.setup, self.backend, self.bank, self.spec = setup, setup.backend, setup.bank, setup.spec
        self.options = self.Options.model_validate(setup.spec.strategy_options)
        self._remembers = self.options.recall != "none"
        self._reflects = self.options.reflect and self._remembers
        self._previous: tuple[Observation, tuple[Recall, ...]] | None = None
        self._open: dict[str, dict[str, Any]] = {}
        self._judged: list[dict[str, Any]] = []
        self._since_lessons = 0
        self._learnt: dict[str, Budget] = {}  # model's role -> the room as a refusal has proved it

    @staticmethod
    def longest_question(spec: RunSpec) -> int:
        """Characters of the longest question that a run can put: what the window is sized to."""
        recalled = sum(layer.top_k for layer in spec.memory.layers)
        return RULES_CHARACTERS + FILING_CHARACTERS + NEWS_SHOWN * NEWS_CHARACTERS + recalled * MEMORY_CHARACTERS

    @classmethod
    def questions(cls, spec: RunSpec, *, train: int, test: int) -> int:
        """Questions about one ticker over so many sessions, at most; digests and repeated questions come on top."""
        chosen = cls.Options.model_validate(spec.strategy_options)
        if not chosen.reflect or chosen.recall == "none":
            return test
        return max(0, train - 1) + test + (test // spec.extended_every if spec.extended_every else 0)

    # ------------------------------------------------------------------------------------------------------------- the day

    def day(self, today: Today) -> Thought:
        seen, notes = today.seen, _Notes()
        self.bank.begin(seen.session, seen.cutoff, today.index, today.phase)
        self.bank.advance()
        for outcome in today.outcomes:
            self._learn(outcome, seen.cutoff)
        study = self._study(seen, notes) if today.phase == "train" and self._reflects else None
        self.bank.settle()
        if self._remembers:
            self._take_in(seen, notes)
        character = resolve_character(self.spec.profile.character, seen.recent_equity)
        query = day_query(seen) if self.spec.memory.query == "day" else character_query(character)
        recalls = tuple(self._dated(recall) for recall in self._recalled(query, seen.session))
        decision: Decision | None = None
        if today.phase == "test":
            decision = self._decide(seen, recalls, character, notes)
            if self._reflects:
                self._lessons(seen, notes)
        self._previous = (seen, recalls)
        return Thought(
            decision=decision,
            study=study,
            query=query,
            recalls=recalls,
            segments=tuple(notes.segments),
            calls=tuple(notes.calls),
            memory_events=self.bank.drain(),
            live=self.bank.live(),
            lessons=tuple(notes.lessons),
            left_out=tuple(notes.left_out),
            warnings=tuple(notes.warnings),
            carry=self._carry(),
        )

    def _recalled(self, query: str, session: date) -> tuple[Recall, ...]:
        if not self._remembers:
            return ()
        return self.bank.recall(query, lot=str(session) if self.options.recall == "random" else "")

    def _carry(self) -> dict[str, Any]:
        carried: dict[str, Any] = {"open": dict(self._open), "judged": list(self._judged), "since_lessons": self._since_lessons}
        if self._learnt:
            carried["learnt"] = {role: budget.model_dump(mode="json") for role, budget in self._learnt.items()}
        return carried

    def resume(self, last: DayRecord) -> None:
        self._previous = (last.observation, last.thought.recalls)
        carry = last.thought.carry
        self._open, self._judged = dict(carry.get("open", {})), list(carry.get("judged", []))
        self._since_lessons = carry.get("since_lessons", 0)
        self._learnt = {role: Budget.model_validate(budget) for role, budget in carry.get("learnt", {}).items()}

    def vectors(self, ids: Sequence[int]) -> Mapping[int, np.ndarray]:
        return self.bank.vectors(ids)

    # ---------------------------------------------------------------------------------------------------------- the decision

    def consider(self, seen: Observation, recalls: Sequence[Recall]) -> Thought:
        """The day's question put with these memories and nothing else done: nothing is cited, learnt or kept. For questions beside a run."""
        notes = _Notes()
        decision = self._verdict(seen, recalls, resolve_character(self.spec.profile.character, seen.recent_equity), notes)
        return Thought(
            decision=decision,
            recalls=tuple(recalls),
            segments=tuple(notes.segments),
            calls=tuple(notes.calls),
            left_out=tuple(notes.left_out),
            warnings=tuple(notes.warnings),
        )

    def _decide(self, seen: Observation, recalls: Sequence[Recall], character: str, notes: _Notes) -> Decision:
        decision = self._verdict(seen, recalls, character, notes)
        if decision.abstained is not None:
            return decision
        self.bank.cite(decision.cited)
        if self._reflects:
            self._reflect(seen, decision)
        if decision.action != "hold":
            self._open[str(seen.session)] = _stances(decision)
        return decision

    def _verdict(self, seen: Observation, recalls: Sequence[Recall], character: str, notes: _Notes) -> Decision:
        if seen.bar is None:
            return Decision(abstained="no price for this session", provenance="abstained", character=character)
        build = partial(decide_request, times=self._times(seen, recalls), seed=self._seed(seen.session), prompts=self.setup.prompts)
        situation = self._masked(self._situation(seen, recalls, character))
        asked = self._ask("decide", situation, build, lambda text, facts: read_decision(text, facts), seen.session, notes)
        if asked.answer is None:
            notes.warnings.append(f"no decision: {asked.reason}")
            return Decision(abstained=asked.reason, provenance="abstained", character=character)
        decision = asked.answer.model_copy(update={"provenance": asked.provenance})
        return decision if self.setup.mask is None else self.setup.mask.undo_decision(decision, on=seen.session)

    def _ask(
        self, purpose: Purpose, facts: Any, build: Callable[..., Any], judge: Callable[[str, Any], Any], session: date, notes: _Notes
    ) -> Asked:
        """Put a question that fits into the window; once more and shorter where the server says or shows that it did not."""
        role, backend, budget = self._role(purpose)
        try:
            fitting = Fitting(facts, budget, lambda shown: self._guarded(build(shown)), purpose=purpose)
        except DecisionError as error:  # not even the rules and the position fit: nothing is asked
            return Asked(None, (), str(error))
        asked = ask(
            backend,
            fitting.request,
            lambda text: judge(text, fitting.facts),
            budget=fitting.fitted.budget,
            on_chunk=self._listener(session, purpose),
            cancelled=self.setup.cancelled,
            shorten=fitting.shorten,
        )
        if fitting.fitted.budget is not None and fitting.fitted.budget != budget:
            self._learnt[role] = fitting.fitted.budget  # what a refusal has proved holds for the days to come
        notes.calls += asked.calls
        notes.segments += fitting.fitted.segments
        notes.left_out += fitting.fitted.left_out
        return asked

    def _listener(self, session: date, purpose: Purpose) -> OnChunk | None:
        listen = self.setup.on_chunk
        return None if listen is None else partial(listen, self.setup.ticker, session, purpose)

    def _role(self, purpose: Purpose) -> tuple[str, Backend, Budget | None]:
        """Who answers, and how much room the question has."""
        if purpose in HELPED and self.setup.helper is not None:
            return "helper", self.setup.helper, self._learnt.get("helper") or self.setup.helper_budget()
        return "decision", self.backend, self._learnt.get("decision") or self.setup.budget()

    # ------------------------------------------------------------------------------------------------------------ masking

    def _masked(self, facts: F) -> F:
        """The facts as the model may see them."""
        mask = self.setup.mask
        if mask is None:
            return facts
        how = {Situation: mask.situation, StudyFacts: mask.study, LessonFacts: mask.lessons, DigestFacts: mask.digest}
        return how[type(facts)](facts)  # type: ignore[index,operator,no-any-return]

    def _plain(self, text: str, on: date) -> str:
        """What the model wrote, in the market's words."""
        return self.setup.mask.undo(text, on=on) if self.setup.mask is not None else text

    def _guarded(self, built: Built) -> Built:
        """Behind the mask once more: an original that slipped through is blotted out before anything is sent."""
        mask, (request, segments) = self.setup.mask, built
        if mask is None or not any(mask.found(message.content) for message in request.messages):
            return built
        messages = tuple(Message(role=m.role, content=mask.blotted(m.content)) for m in request.messages)
        kept = tuple(segment.model_copy(update={"text": mask.blotted(segment.text)}) for segment in segments)
        return request.model_copy(update={"messages": messages}), kept

    # ------------------------------------------------------------------------------------------------------------ reading

    def _take_in(self, seen: Observation, notes: _Notes) -> None:
        """What became readable goes to memory; texts that are too long as digests."""
        how = self.spec.digest
        asks = how.mode == "model"
        _, backend, _ = self._role("digest")
        found = drafts_of(seen, how, summarise=partial(self._summary, seen, notes) if asks else None, digested_by=backend.model)
        notes.warnings += found.warnings
        self.bank.remember(found.drafts)

    def _summary(self, seen: Observation, notes: _Notes, facts: DigestFacts) -> str | None:
        """A model's digest of one text; None where it gave none that can be trusted."""
        build = partial(
            digest_request,
            seed=self._seed(seen.session),
            available_at=seen.cutoff,
            prompts=self.setup.prompts,
            budget=self._role("digest")[2],
        )
        asked = self._ask("digest", self._masked(facts), build, read_digest, seen.session, notes)
        return None if asked.answer is None else self._plain(asked.answer, seen.session)

    def _seed(self, session: date) -> int:
        """One seed per (run seed, ticker, day), so that a resumed run asks the same."""
        key = f"{self.spec.seed}|{self.setup.ticker}|{session}".encode()
        return int.from_bytes(blake2b(key, digest_size=8).digest(), "big") % 2**31

    def _situation(self, seen: Observation, recalls: Sequence[Recall], character: str) -> Situation:
        limits, execution, portfolio = CHARACTERS[character], self.spec.execution, seen.portfolio
        close = seen.bar.close if seen.bar else None
        gain = close / portfolio.average_cost - 1 if close and portfolio.average_cost > 0 and portfolio.shares else None
        return Situation(
            ticker=seen.ticker,
            company=seen.company,
            session=seen.session,
            next_session=seen.next_session,
            as_of=seen.cutoff.strftime("%Y-%m-%dT%H:%M:%SZ"),
            news=_news_facts(seen),
            filings=_filing_facts(seen),
            memories=tuple(self._fact(r, seen.session) for r in recalls if not r.near_miss),
            price=seen.price,
            fundamentals=seen.fundamentals,
            unsourced=seen.unsourced,
            weight=round(seen.weight, 6),
            cash=round(portfolio.cash, 2),
            equity=round(seen.equity, 2),
            unrealised=gain,
            character=character,
            sector=self.spec.profile.sector,
            min_weight=-limits.max_weight if execution.allow_short else 0.0,
            max_weight=limits.max_weight,
            min_confidence=limits.min_confidence,
            cost_bps=execution.commission_bps + execution.slippage_bps,
            allow_short=execution.allow_short,
            stops=execution.stops,
        )

    def _fact(self, recall: Recall, session: date) -> MemoryFact:
        memory = self.bank.get(recall.memory_id)
        age = self.setup.sessions_between(self.setup.session_of(memory.available_at), session)
        return MemoryFact(
            id=memory.id,
            layer=recall.layer,
            kind=memory.kind,
            title=memory.title,
            text=memory.text,
            publisher=memory.publisher,
            event_day=memory.event_time.astimezone(NEW_YORK).date(),
            sessions_ago=max(0, age),
            score=recall.score,
        )

    def _times(self, seen: Observation, recalls: Sequence[Recall]) -> dict[str, datetime]:
        """label -> when the item behind it became readable. Prices (P) and position (S) are those of the close."""
        times = {"P": seen.cutoff, "S": seen.cutoff}
        times |= {f"N{n}": item.available_at for n, item in enumerate(seen.news[-NEWS_SHOWN:], 1)}
        times |= {f"F{n}": item.available_at for n, item in enumerate(seen.filings, 1)}
        return times | {f"M{recall.memory_id}": self._known(recall.memory_id) for recall in recalls}

    def _known(self, memory_id: int) -> datetime:
        """When all that a memory says was known: its text readable and the outcomes it speaks of revealed."""
        memory = self.bank.get(memory_id)
        return max(memory.available_at, memory.known_at)

    def _dated(self, recall: Recall) -> Recall:
        return recall.model_copy(update={"available_at": self._known(recall.memory_id)})

    # -------------------------------------------------------------------------------------------------------- learning

    def _learn(self, outcome: Outcome, known: datetime) -> None:
        """Credit the memories a decision was built on, once it is known what came of it."""
        stances = self._open.pop(str(outcome.decided), None)
        if stances is None:
            return
        credit = {memory: 1 for memory in stances["supporting"]}
        for memory in stances["opposing"]:
            credit[memory] = credit.get(memory, 0) - 1
        reason = f"{stances['action']} of {outcome.decided}: {outcome.move:+.2%} in {outcome.sessions} sessions"
        self.bank.credit(credit, outcome.verdict, reason)
        judged = {"decided": str(outcome.decided), "move": outcome.move, "verdict": outcome.verdict, "known": known.isoformat()}
        if self._reflects:
            self._judged.append({**stances, **judged, "profit": outcome.direction * outcome.move})

    def _study(self, seen: Observation, notes: _Notes) -> Study | None:
        """Explain the previous session's next move, which this close has revealed."""
        if self._previous is None:
            return None
        before, recalls = self._previous
        if seen.bar is None or before.bar is None or seen.price.return_1 is None:
            notes.warnings.append(f"{before.session} is not studied: a price is missing")
            return None
        move = seen.price.return_1
        label = "buy" if move > 0 else "sell" if move < 0 else "hold"
        character = resolve_character(self.spec.profile.character, before.recent_equity)
        facts = self._masked(StudyFacts(situation=self._situation(before, recalls, character), move=move, label=label))
        build = partial(
            study_request,
            times=self._times(before, recalls),
            seed=self._seed(before.session),
            known=seen.cutoff,
            prompts=self.setup.prompts,
        )
        asked = self._ask("study", facts, build, read_study, seen.session, notes)
        if asked.answer is None:
            notes.warnings.append(f"{before.session} taught nothing: {asked.reason}")
            return Study(session=before.session, move=move, label=label, summary="", abstained=asked.reason)  # type: ignore[arg-type]
        answer = asked.answer
        summary = self._plain(answer.summary, before.session)
        study = Study(
            session=before.session,
            move=move,
            label=label,  # type: ignore[arg-type]
            summary=summary,
            supporting=tuple(answer.supporting),
            opposing=tuple(answer.opposing),
        )
        self._credit_study(study)
        text = f"{before.session}: the next session brought {move:+.2%}. {summary}"
        self._keep(seen, "immediate_reflection", f"study:{before.session}", f"Study of {before.session}", text)
        return study

    def _credit_study(self, study: Study) -> None:
        stances = {memory: 1 for memory in study.supporting} | {memory: -1 for memory in study.opposing}
        if study.label != "hold":
            self.bank.credit(stances, 1, f"study of {study.session}: {study.move:+.2%}")

    def _reflect(self, seen: Observation, decision: Decision) -> None:
        """The immediate reflection: what was decided and why, in the decision's own words."""
        verdict = f"{seen.session}: {decision.action} at weight {decision.target_weight:.0%}, confidence {decision.confidence:.2f}."
        for_ = "; ".join(r.claim for r in decision.reasons_for[:3])
        against = "; ".join(r.claim for r in decision.reasons_against[:2])
        text = f"{verdict} {decision.summary} For: {for_ or 'nothing'}. Against: {against or 'nothing'}."
        self._keep(seen, "immediate_reflection", f"decision:{seen.session}", f"Decision of {seen.session}", text)

    def _lessons(self, seen: Observation, notes: _Notes) -> None:
        """Every ``extended_every`` sessions, lessons from the decisions judged since the last time."""
        self._since_lessons += 1
        if not self.spec.extended_every or self._since_lessons < self.spec.extended_every or not self._judged:
            return
        facts = LessonFacts(ticker=seen.ticker, session=seen.session, judged=tuple(map(self._judged_fact, self._judged)))
        times = [datetime.fromisoformat(item["known"]) if "known" in item else seen.cutoff for item in self._judged]
        build = partial(lessons_request, known=max(times), seed=self._seed(seen.session) + 1, prompts=self.setup.prompts)
        asked = self._ask("lessons", self._masked(facts), build, read_lessons, seen.session, notes)
        self._since_lessons = 0
        if asked.answer is None:  # they are looked at again next time, with those judged meanwhile
            self._judged = self._judged[-MOST_JUDGED:]
            notes.warnings.append(f"no lessons: {asked.reason}")
            return
        self._judged = []
        notes.lessons += [self._plain(line, seen.session) for line in _lesson_lines(asked.answer)]
        if notes.lessons:
            text = f"Lessons of {seen.session}. " + " ".join(notes.lessons)
            self._keep(
                seen, "extended_reflection", f"lessons:{seen.session}", f"Lessons of {seen.session}", text, importance=LESSON_IMPORTANCE
            )

    def _judged_fact(self, item: dict[str, Any]) -> JudgedDecision:
        return JudgedDecision(
            decided=date.fromisoformat(item["decided"]),
            action=item["action"],
            confidence=item["confidence"],
            move=item["move"],
            verdict=item["verdict"],
            profit=item["profit"],
            summary=item["summary"],
            supporting=tuple(self._plain_fact(i) for i in item["supporting"]),
            opposing=tuple(self._plain_fact(i) for i in item["opposing"]),
        )

    def _plain_fact(self, memory_id: int) -> MemoryFact:
        layer = self.bank.state(memory_id).layer
        ghost = Recall(memory_id=memory_id, layer=layer, rank=1, similarity=0, recency=0, importance=0, score=0)
        assert self.bank.session is not None, "the day has begun"
        return self._fact(ghost, self.bank.session)

    def _keep(self, seen: Observation, kind: MemoryKind, key: str, title: str, text: str, *, importance: float | None = None) -> None:
        draft = Draft(
            kind=kind,
            title=title,
            text=text,
            publisher="own reflection",
            document_id=f"{seen.ticker}:{key}",
            source_id=f"{seen.ticker}:{key}",
            event_time=seen.cutoff,
            available_at=seen.cutoff,
            known_at=seen.cutoff,
            importance=importance,
        )
        self.bank.remember([draft])


def _news_facts(seen: Observation) -> tuple[TextFact, ...]:
    return tuple(
        TextFact(
            label=f"N{n}",
            title=item.title,
            text="" if item.summary.strip().casefold() == item.title.strip().casefold() else item.summary,
            publisher=item.publisher,
            published=item.published_at.astimezone(NEW_YORK).date(),
        )
        for n, item in enumerate(seen.news[-NEWS_SHOWN:], 1)
    )


def _filing_facts(seen: Observation) -> tuple[TextFact, ...]:
    """New filings, each cut to its share of the room; the cut is marked."""
    room = FILING_CHARACTERS // max(1, len(seen.filings))
    return tuple(
        TextFact(
            label=f"F{n}",
            title=f"{f.form} {f.section}, period ending {f.period_end}",
            text=f.text if len(f.text) <= room else f.text[:room].rsplit(" ", 1)[0] + " … [cut here; the rest is in memory]",
            publisher="SEC filing",
            published=f.accepted_at.astimezone(NEW_YORK).date(),
        )
        for n, f in enumerate(seen.filings, 1)
    )


def _stances(decision: Decision) -> dict[str, Any]:
    """What a decision leaves open until its outcome is known."""
    return {
        "action": decision.action,
        "confidence": decision.confidence,
        "summary": decision.summary,
        "supporting": sorted({m for r in decision.reasons_for for m in r.memories}),
        "opposing": sorted({m for r in decision.reasons_against for m in r.memories}),
    }


def _lesson_lines(answer: LessonsAnswer) -> list[str]:
    lines = [f"When {lesson.condition}: {lesson.action}. Evidence: {lesson.evidence}." for lesson in answer.lessons]
    return [*lines, f"Calibration: {answer.calibration}"] if lines and answer.calibration else lines
