"""One day as Markdown, to paste into a note or an issue: everything of its trace in plain words, foreign text in fenced blocks.

Promise: text that came from a source or a model stands only inside fences that it cannot close, or with every sign of markup
escaped, so that no reader of the file loads a picture or follows a link that somebody else wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agent.records import DayRecord, Decision, Memory, ModelCall, Reason
from ui.inert_text import clean

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:@/&])")


def day_markdown(
    record: DayRecord,
    memories: Mapping[int, Memory],
    fate: Mapping[str, Any],
    *,
    say: Callable[[str], str] = lambda words: words,
) -> str:
    """The whole day. ``memories`` are those recalled, ``fate`` as ``services.queries.fate`` gives it."""
    parts = [f"# {_plain(record.ticker)} on {record.day}", f"Run `{record.run}`, {record.phase}ing, session {record.index + 1}."]
    for section in (_observed, _recalled, _asked, _decided, _traded, _outcome, _changes):
        parts += section(record, memories=memories, fate=fate, say=say)
    return "\n\n".join(parts) + "\n"


def day_json(record: DayRecord) -> str:
    """The record itself, as a line of ``days.jsonl`` in an export, indented."""
    return record.model_dump_json(indent=2)


def _plain(words: object, *, longest: int = 600) -> str:
    """Foreign words in running text: one line, no sign left that Markdown would act on."""
    return _MARKUP.sub(r"\\\1", " ".join(clean(str(words), longest=longest).split()))


def _block(words: str) -> str:
    """Foreign text in a fence longer than any run of backticks in it."""
    body = clean(words, longest=10_000_000)
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{body}\n{fence}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2%}"


def _observed(record: DayRecord, **_: Any) -> Iterator[str]:
    seen = record.observation
    yield "## Observed"
    bar = seen.bar
    price = (
        f"close {bar.close:,.2f}, one session {_share(seen.price.return_1)}, 20 sessions {_share(seen.price.return_20)}"
        if bar
        else "no price"
    )
    newest = f"; the newest text became readable {seen.watermark:%Y-%m-%d %H:%M}" if seen.watermark else ""
    yield f"{price}; equity {seen.equity:,.2f}, held {seen.weight:.1%}. Knowledge ends {seen.cutoff:%Y-%m-%d %H:%M} UTC{newest}."
    for item in seen.news:
        yield f"- {item.available_at:%Y-%m-%d %H:%M} {_plain(item.publisher)}: **{_plain(item.title)}** {_plain(item.summary, longest=1500)}"
    for filing in seen.filings:
        yield f"- {_plain(filing.form)} {_plain(filing.section)}, accepted {filing.accepted_at:%Y-%m-%d %H:%M}, {len(filing.text):,} characters"


def _recalled(record: DayRecord, *, memories: Mapping[int, Memory], **_: Any) -> Iterator[str]:
    yield "## Recalled"
    if not record.thought.recalls:
        yield "Nothing."
        return
    cited = {number for ids in record.thought.decision.cited.values() for number in ids} if record.thought.decision else set()
    rows = ["| layer | rank | memory | similarity | recency | importance | score | | title |", "|---|--:|--:|--:|--:|--:|--:|---|---|"]
    for recall in record.thought.recalls:
        known = memories.get(recall.memory_id)
        mark = "just missed" if recall.near_miss else "cited" if recall.memory_id in cited else ""
        figures = " | ".join(f"{value:.2f}" for value in (recall.similarity, recall.recency, recall.importance, recall.score))
        title = _plain(known.title or known.text, longest=100) if known else ""
        rows.append(f"| {_plain(recall.layer)} | {recall.rank} | {recall.memory_id} | {figures} | {mark} | {title} |")
    yield "\n".join(rows)


def _asked(record: DayRecord, *, say: Callable[[str], str], **_: Any) -> Iterator[str]:
    for place, call in enumerate(record.thought.calls, 1):
        yield from _call(place, call, say)


def _call(place: int, call: ModelCall, say: Callable[[str], str]) -> Iterator[str]:
    said = call.completion
    yield f"## Call {place}: {call.purpose}, attempt {call.attempt}"
    if said:
        yield f"{_plain(said.backend)} {_plain(said.model)}, {call.ms:,.0f} ms, {said.prompt_tokens or 0:,} tokens in, {said.answer_tokens or 0:,} out."
    yield f"System text:\n\n{_block(say(call.system))}"
    yield f"User text:\n\n{_block(say(call.user))}"
    if said and said.thinking:
        yield f"Thinking:\n\n{_block(say(said.thinking))}"
    if said:
        yield f"Answer:\n\n{_block(say(said.text))}"
    if call.error:
        yield f"It could not be used: {_plain(say(call.error), longest=2000)}"


def _decided(record: DayRecord, **_: Any) -> Iterator[str]:
    if study := record.thought.study:
        yield f"## Study of {study.session}"
        yield f"The next session brought {_share(study.move)}, so {study.label} was right. {_plain(study.summary or study.abstained or '', longest=4000)}"
    if decision := record.thought.decision:
        yield "## Decision"
        yield from _decision(decision)


def _decision(decision: Decision) -> Iterator[str]:
    if decision.abstained:
        yield f"No decision: {_plain(decision.abstained, longest=2000)}"
        return
    target = "" if decision.target_weight is None else f" to {decision.target_weight:.0%} of equity"
    sure = "" if decision.confidence is None else f", confidence {decision.confidence:.0%}"
    yield f"**{decision.action}**{target}{sure} ({decision.provenance}). {_plain(decision.summary, longest=4000)}"
    for side, reasons in (("For", decision.reasons_for), ("Against", decision.reasons_against)):
        if reasons:
            yield f"{side}:\n\n" + "\n".join(map(_reason, sorted(reasons, key=lambda reason: -reason.weight)))
    if decision.invalidation:
        yield f"Would be wrong if: {_plain(decision.invalidation, longest=2000)}"


def _reason(reason: Reason) -> str:
    rests = [*(f"memory {number}" for number in reason.memories), *map(_plain, reason.facts)]
    return f"- {reason.weight} of 10: {_plain(reason.claim, longest=2000)}" + (f" — rests on {', '.join(rests)}" if rests else "")


def _traded(record: DayRecord, *, fate: Mapping[str, Any], **_: Any) -> Iterator[str]:
    yield "## Order and fill"
    for fill in record.fills:
        yield f"- {'bought' if fill.shares > 0 else 'sold'} {abs(fill.shares):,.4f} at {fill.price:,.4f}, commission {fill.commission:,.2f}, slippage {fill.slippage:,.2f}"
    if record.order is None:
        yield "No new order."
    else:
        status = f"{fate['status']} on {fate['settled']}" if "settled" in fate else record.order.status
        yield f"Order for {record.order.weight:.1%} of equity: {status}. {_plain(record.order.reason)}".rstrip()
    yield f"After the day: equity {record.equity:,.2f}; buy and hold {record.benchmark_equity:,.2f}."


def _outcome(record: DayRecord, *, fate: Mapping[str, Any], **_: Any) -> Iterator[str]:
    if fate.get("next_return") is None and "judged" not in fate:
        return
    yield "## Outcome (known only later)"
    if fate.get("next_return") is not None:
        yield f"Next session, {fate['next_day']}: {_share(fate['next_return'])} close to close."
    if "judged" in fate:
        word = {1: "right", -1: "wrong", 0: "inside the costs"}[int(fate["verdict"])]
        yield f"Judged {word} on {fate['judged']}: {_share(fate['move'])} in {int(fate['sessions'])} sessions."


def _changes(record: DayRecord, **_: Any) -> Iterator[str]:
    yield "## Memory changes"
    for lesson in record.thought.lessons:
        yield f"- lesson: {_plain(lesson, longest=2000)}"
    events = record.thought.memory_events
    if not events:
        yield "None."
        return
    yield "\n".join(
        f"- {event.kind} memory {event.memory_id} ({_plain(event.after.layer)}, importance {event.after.importance:.1f})"
        + (f", {event.delta:+.1f}" if event.kind == "credited" else "")
        + (f": {_plain(event.reason)}" if event.reason else f": {_plain(event.memory.title, longest=120)}" if event.memory else "")
        for event in events
    )


__all__ = ["day_json", "day_markdown"]
