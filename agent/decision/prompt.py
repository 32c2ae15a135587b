"""From a Situation to a Request: named segments, each with its role, size and the time its newest item became readable.

The templates are files beside this module; their hash stands in every run. Whatever other people wrote (news, filings, memories, the
company's name) stands between fences as material, see ``agent/decision/untrusted.py``; the rules, the task and the schema hold none of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from agent.decision.prompt_set import PromptSet, shipped
from agent.decision.schema import SUMMARY_CHARACTERS, decision_schema, lessons_schema, study_schema
from agent.decision.untrusted import NAME_CHARACTERS, clean, fence, short_name
from agent.llm.base import Budget, JudgedDecision, LessonFacts, MemoryFact, Message, Request, Situation, StudyFacts, TextFact
from agent.records import Figure, PriceState, Purpose, Segment

CHARACTERS_PER_TOKEN = 3.6  # a cautious average over English news for byte-pair vocabularies; later calls measure their own
TOKENS_PER_EXTRA_BYTE = 0.35
MESSAGE_TOKENS = 8  # role and marks of one message in the templates of Llama, Qwen, Gemma and Mistral
TEMPLATE_TOKENS = 24  # what a template says once by itself: Llama 3.1 tells two dates
REASK_CHARACTERS = 4000  # of an unusable answer
REASK_TOKENS = 3000  # for it and its error, where no budget says less
UNNAMED = "it breaks a rule"
PROBLEM_CHARACTERS = 500
SECTOR_CHARACTERS = 2_000
TITLE_CHARACTERS = 300
QUOTED_CHARACTERS = 400  # of a memory that a judged decision rested on
QUOTE_CHARACTERS = 60  # less of an answer says nothing
SENT = "(an answer that could not be used)"
PERSONAS = {
    "risk_seeking": "a risk-seeking trader (you weigh positive evidence first and accept drawdown for return),",
    "risk_averse": "a risk-averse trader (you protect capital first and weigh negative evidence first),",
}
LAYER_TITLES = {
    "short": "Short-term memory (news)",
    "mid": "Mid-term memory (quarterly reports)",
    "long": "Long-term memory (annual reports, lessons)",
    "reflection": "Reflections (your own earlier notes)",
}


def tokens(text: str, budget: Budget | None = None) -> int:
    """Estimated tokens of a text, by the model's own ratio where one was learnt.

    Bytes beyond one per character count extra: vocabularies cut Chinese, emoji and rare letters into more pieces than English.
    """
    ratio = budget.characters_per_token if budget else CHARACTERS_PER_TOKEN
    extra = 0 if text.isascii() else len(text.encode("utf-8", "surrogatepass")) - len(text)
    return int(len(text) / ratio + extra * TOKENS_PER_EXTRA_BYTE) + 1


def framing(messages: int) -> int:
    """Tokens that chat templates put around so many messages."""
    return TEMPLATE_TOKENS + MESSAGE_TOKENS * messages


def percent(value: float | None, digits: int = 1) -> str:
    return "n/a" if value is None else f"{value * 100:+.{digits}f} %"


def _segment(name: str, text: str, *, role: str = "user", at: datetime | None = None, memory: int | None = None) -> Segment:
    return Segment(name=name, role=role, text=text, tokens=0, available_at=at, memory_id=memory)  # type: ignore[arg-type]


def describe_price(price: PriceState) -> str:
    """One line of prices; what is unknown is left out."""
    parts = [f"close {price.close:.2f}"] if price.close is not None else ["no price today"]
    for label, value in (
        ("1 session", price.return_1),
        ("3 sessions", price.return_3),
        ("5 sessions", price.return_5),
        ("20 sessions", price.return_20),
        ("60 sessions", price.momentum_60),
    ):
        if value is not None:
            parts.append(f"{label} {percent(value)}")
    if price.volatility_20 is not None:
        parts.append(f"daily volatility {price.volatility_20 * 100:.1f} %")
    if price.sma_20_gap is not None:
        parts.append(f"against its 20-session average {percent(price.sma_20_gap)}")
    if price.rsi_14 is not None:
        parts.append(f"RSI(14) {price.rsi_14:.0f}")
    if price.macd_12_26 is not None:
        signal = "" if price.macd_signal_9 is None else f" (signal {percent(price.macd_signal_9, 2)})"
        parts.append(f"MACD {percent(price.macd_12_26, 2)} of the price{signal}")
    if price.atr_14 is not None:
        parts.append(f"ATR(14) {price.atr_14 * 100:.1f} % of the price")
    if price.bollinger_20 is not None:
        parts.append(f"Bollinger %b {price.bollinger_20:.2f}")
    if price.volume_ratio_20 is not None:
        parts.append(f"volume {price.volume_ratio_20:.1f} x its average")
    return ", ".join(parts)


def describe_figures(figures: Sequence[Figure]) -> str:
    """Figures in order, those of one report together, each with the form and the filing date it comes from."""
    reports = groupby(
        figures, key=lambda figure: (short_name(figure.form, limit=12) or "report", figure.filed or figure.available_at.date())
    )
    return "; ".join(f"{', '.join(map(_figure, found))} ({form} filed {filed})" for (form, filed), found in reports)


def _figure(figure: Figure) -> str:
    name = short_name(figure.name.removesuffix("_ttm").replace("_", " ")) + (" over 12 months" if figure.name.endswith("_ttm") else "")
    return f"{name} {figure_value(figure)}"


def figure_value(figure: Figure) -> str:
    """A fraction as percent, a multiple as a number, money with its currency."""
    if not figure.unit:
        return f"{figure.value:.1f}" if "_to_" in figure.name else percent(figure.value)
    for size, word in ((1e9, " bn"), (1e6, " m")):
        if abs(figure.value) >= size:
            return f"{figure.value / size:,.1f}{word} {short_name(figure.unit, limit=12)}"
    return f"{figure.value:,.2f} {short_name(figure.unit, limit=12)}"


def is_valuation(figure: Figure) -> bool:
    """Whether a figure holds the price of this very close."""
    return figure.name == "market_cap" or figure.name.startswith("price_to_")


def _sources_line(missing: Sequence[str]) -> str:
    return f"No {' or '.join(missing)} source covers the time since the last close: silence is not 'no {missing[0]}'."


def _text_fact(fact: TextFact) -> str:
    return f"[{fact.label}] {fact.published} " + fence(fact.publisher[:NAME_CHARACTERS], fact.title[:TITLE_CHARACTERS], fact.text)


def _memory_fact(memory: MemoryFact) -> str:
    age = "today" if memory.sessions_ago == 0 else f"{memory.sessions_ago} sessions ago"
    return f"[M{memory.id}] {memory.event_day} ({age}) " + fence(memory.publisher[:NAME_CHARACTERS], memory.text)


def _situation_segments(facts: Situation, times: Mapping[str, datetime]) -> list[Segment]:
    day = f"Session {facts.session}, close; next session {facts.next_session or 'unknown'}. as_of: {facts.as_of}"
    company = f", company: {fence(facts.company, limit=NAME_CHARACTERS)}" if facts.company else ""
    gain = "" if facts.unrealised is None else f", unrealised {percent(facts.unrealised)}"
    segments = [
        _segment("day", f"Ticker: {facts.ticker}{company}\n{day}"),
        _segment("prices", f"[P] Prices: {describe_price(facts.price)}", at=times.get("P")),
        _segment(
            "position",
            f"[S] Position: weight {facts.weight:.3f} of equity {facts.equity:,.0f}, cash {facts.cash:,.0f}{gain}. "
            f"Allowed weights {facts.min_weight:.2f} to {facts.max_weight:.2f}; a trade costs {facts.cost_bps:.0f} basis points. character: {facts.character}",
            at=times.get("S"),
        ),
    ]
    if facts.sector:
        segments.insert(1, _segment("profile", f"About the business: {fence(facts.sector, limit=SECTOR_CHARACTERS)}"))
    filed = [figure for figure in facts.fundamentals if not is_valuation(figure)]
    priced = [figure for figure in facts.fundamentals if is_valuation(figure)]
    for name, title, figures in (("fundamentals", "Fundamentals", filed), ("valuation", "Valuation at this close", priced)):
        if figures:
            newest = max(figure.available_at for figure in figures)
            segments.append(_segment(name, f"[G] {title}: {describe_figures(figures)}", at=newest))
    if facts.unsourced:
        segments.append(_segment("sources", _sources_line(facts.unsourced), at=times.get("P")))
    for name, items in (("news", facts.news), ("filings", facts.filings)):
        if items:
            known = [times[item.label] for item in items if item.label in times]
            newest_text = max(known) if len(known) == len(items) else None  # not known for all is not known
            segments.append(_segment(name, f"New {name} since the last close:\n" + "\n".join(map(_text_fact, items)), at=newest_text))
    for layer in dict.fromkeys(memory.layer for memory in facts.memories):
        segments.append(_segment(f"memory:{layer}", f"{LAYER_TITLES.get(layer, 'Memory')}, layer {layer}:"))
        segments += [
            _segment(f"memory:{layer}:M{m.id}", _memory_fact(m), at=times.get(f"M{m.id}"), memory=m.id)
            for m in facts.memories
            if m.layer == layer
        ]
    return segments


def _request(
    purpose: Purpose,
    system: Segment,
    body: Sequence[Segment],
    facts: Situation | StudyFacts | LessonFacts,
    schema: dict[str, Any],
    seed: int,
    budget: Budget | None,
) -> tuple[Request, tuple[Segment, ...]]:
    everything = tuple(
        segment.model_copy(update={"purpose": purpose, "tokens": tokens(segment.text, budget)}) for segment in (system, *body)
    )
    user = "\n\n".join(segment.text for segment in body)
    messages = (Message(role="system", content=system.text), Message(role="user", content=user))
    request = Request(
        purpose=purpose,
        messages=messages,
        answer_schema=schema,
        facts=facts,
        seed=seed,
        estimated_tokens=sum(segment.tokens for segment in everything) + framing(len(messages)),
    )
    return request, everything


def decide_request(
    facts: Situation, *, times: Mapping[str, datetime], seed: int, prompts: PromptSet | None = None, budget: Budget | None = None
) -> tuple[Request, tuple[Segment, ...]]:
    """The day's question. ``times`` maps labels (M12, N1, F1, P, S) to when the item became readable."""
    schema = decision_schema(facts)
    system = (prompts or shipped()).fill(
        "decide_system",
        persona=PERSONAS.get(facts.character, "a trader"),
        company=short_name(facts.company) or facts.ticker,
        ticker=facts.ticker,
        min_weight=f"{facts.min_weight:.2f}",
        max_weight=f"{facts.max_weight:.2f}",
        min_confidence=f"{facts.min_confidence:.2f}",
        figures=", G (fundamentals)" if facts.fundamentals else "",
        sides=" Give at least one reason on each side." if facts.memories else "",
        stops="\n- stop_loss_pct (at most 0.25) is smaller than take_profit_pct." if facts.stops else "",
        keys=", ".join(schema["properties"]),
    )
    body = [*_situation_segments(facts, times), _segment("task", f"Decide for {facts.ticker} now. One JSON object.")]
    return _request("decide", _segment("rules", system, role="system"), body, facts, schema, seed, budget)


def study_request(
    facts: StudyFacts,
    *,
    times: Mapping[str, datetime],
    seed: int,
    known: datetime | None = None,
    prompts: PromptSet | None = None,
    budget: Budget | None = None,
) -> tuple[Request, tuple[Segment, ...]]:
    """Training: explain a move that has happened. ``known``: the close that revealed it."""
    about = facts.situation
    system = (prompts or shipped()).fill("study_system", company=short_name(about.company) or about.ticker, ticker=about.ticker)
    seen = (
        f"In the session after {about.session} the price moved {percent(facts.move, 2)}: in hindsight the right action was {facts.label}."
    )
    body = [
        *_situation_segments(about, times),
        _segment("hindsight", seen, at=known),
        _segment("task", "Explain the move. One JSON object."),
    ]
    return _request("study", _segment("rules", system, role="system"), body, facts, study_schema(facts), seed, budget)


def lessons_request(
    facts: LessonFacts, *, known: datetime, seed: int, prompts: PromptSet | None = None, budget: Budget | None = None
) -> tuple[Request, tuple[Segment, ...]]:
    """Extended reflection over decisions; ``known`` is the close at which the outcome of the last of them was known."""
    system = (prompts or shipped()).fill("lessons_system", ticker=facts.ticker)
    body = [_segment("judged", "\n\n".join(map(_judged, facts.judged)), at=known), _segment("task", "Write the lessons. One JSON object.")]
    return _request("lessons", _segment("rules", system, role="system"), body, facts, lessons_schema(facts), seed, budget)


def _judged(item: JudgedDecision) -> str:
    word = {1: "right", -1: "wrong", 0: "inside the cost band"}[item.verdict]
    lines = [
        f"{item.decided} {item.action}, confidence {item.confidence:.2f}: price then moved {percent(item.move, 2)}, {word}, result {percent(item.profit, 2)}."
    ]
    lines.append("Your summary: " + fence(item.summary, limit=SUMMARY_CHARACTERS))
    for side, memories in (("supporting", item.supporting), ("opposing", item.opposing)):
        lines += [f"{side} [M{m.id}] {m.event_day} " + fence(m.publisher[:NAME_CHARACTERS], m.text[:QUOTED_CHARACTERS]) for m in memories]
    return "\n".join(lines)


def again(request: Request, answer: str, problem: str, *, budget: Budget | None = None) -> Request:
    """The same question once more, with the unusable answer as quoted material and what is wrong with it.

    Of both only as much is told as ``budget`` has room for; the question itself is repeated whole.
    """
    fixed = request.estimated_tokens + 2 * MESSAGE_TOKENS + tokens(SENT, budget) + tokens(_reask(UNNAMED, "-"), budget)
    room = REASK_TOKENS if budget is None else budget.room - fixed
    wrong = _within(problem, room, PROBLEM_CHARACTERS, budget)
    quoted = _within(answer, room - tokens(wrong, budget), REASK_CHARACTERS, budget)
    messages = (*request.messages, Message(role="assistant", content=SENT), Message(role="user", content=_reask(wrong or UNNAMED, quoted)))
    size = request.estimated_tokens + sum(tokens(message.content, budget) + MESSAGE_TOKENS for message in messages[-2:])
    return request.model_copy(update={"messages": messages, "attempt": request.attempt + 1, "estimated_tokens": size})


def _reask(problem: str, quoted: str) -> str:
    ask = f"Your answer cannot be used: {problem.rstrip('.')}. Send the whole corrected JSON object and nothing else."
    return f"You answered: <<<{quoted}>>>\n{ask}" if quoted else ask


def _within(text: str, room: int, most: int, budget: Budget | None) -> str:
    """The cleaned beginning of ``text`` that has at most ``room`` tokens and ``most`` characters; empty where little could be said."""
    limit = min(most, int(room * (budget.characters_per_token if budget else CHARACTERS_PER_TOKEN)))
    while limit >= QUOTE_CHARACTERS:
        said = clean(text, limit=limit, json=True)
        if tokens(said, budget) <= room:
            return said
        limit //= 2  # letters of several tokens each
    return ""
