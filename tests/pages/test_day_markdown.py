"""A day as Markdown: whole, and harmless whatever the texts hold."""

from __future__ import annotations

import re

from services import queries, runs
from tests.pages.conftest import TICKERS
from ui.day_markdown import day_json, day_markdown

TICKER = TICKERS[0]
EVIL = "![x](http://evil.test/a.png) <script>alert(1)</script> [y](javascript:0) | `z` \x1b[31m\u202e\x00 https://evil.test"


def test_the_copy_holds_prompt_answer_reasons_recalls_and_changes(run: str) -> None:
    days = queries.days(run, TICKER)
    day = days.loc[(days["action"] == "buy") | (days["action"] == "sell"), "day"].iloc[0]
    record = queries.record(run, TICKER, day)
    ids = [recall.memory_id for recall in record.thought.recalls]
    known = {memory.id: memory for memory, _, _ in runs.store().memories_of(run, TICKER, ids)}
    said = day_markdown(record, known, queries.fate(run, TICKER, day))
    assert all(call.system in said and call.user in said for call in record.thought.calls)
    assert all(f"| {number} |" in said for number in ids)
    assert said.count("- remembered memory") == sum(event.kind == "remembered" for event in record.thought.memory_events)
    assert f"Knowledge ends {record.observation.cutoff:%Y-%m-%d %H:%M}" in said
    assert runs.store().record(run, TICKER, day).model_validate_json(day_json(record)) == record


def test_foreign_text_stays_text(run: str) -> None:
    record = queries.record(run, TICKER, queries.session_days(run, TICKER)[-3])
    seen, decision = record.observation, record.thought.decision
    assert decision is not None and seen.news
    news = (seen.news[0].model_copy(update={"title": EVIL, "summary": EVIL, "publisher": EVIL}),)
    call = record.thought.calls[0].model_copy(update={"user": f"```\n````\n{EVIL}"})
    thought = record.thought.model_copy(
        update={"decision": decision.model_copy(update={"summary": EVIL}), "calls": (call,), "lessons": (EVIL,)}
    )
    said = day_markdown(record.model_copy(update={"observation": seen.model_copy(update={"news": news}), "thought": thought}), {}, {})
    outside = re.sub(r"(?ms)^(`{3,})text\n.*?^\1$", "", said)
    assert "evil" in outside and "http" in outside
    for sign in ("![x]", "<script", "](", "https://", "\x1b", "\u202e", "\x00"):
        assert not re.search(r"(?<!\\)" + re.escape(sign), outside), sign
    assert "`````text\n" in said, "the fence is longer than any run of backticks in the text"
