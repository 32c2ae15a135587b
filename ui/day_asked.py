"""The middle of a day: what was put to the model word for word, what it thought, what it answered, and what was wrong with that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from agent.evaluation import leaks
from agent.records import ModelCall, Segment
from ui import format, text

PURPOSES = {"decide": "decision", "study": "study", "lessons": "lessons"}


def name(call: ModelCall) -> str:
    """What a call was for: decision, second attempt."""
    return PURPOSES[call.purpose] + ("" if call.attempt == 1 else f", attempt {call.attempt}")


def chosen(calls: Sequence[ModelCall], *, key: str) -> ModelCall:
    """One of the day's calls; a row of buttons only where there are several."""
    if len(calls) == 1:
        return calls[0]
    names = [name(call) for call in calls]
    picked = st.segmented_control("Call", names, default=names[0], required=True, key=key, label_visibility="collapsed")
    return calls[names.index(picked)] if picked in names else calls[0]


def asked(calls: Sequence[ModelCall], segments: Sequence[Segment], *, cutoff: datetime) -> None:
    """The prompt: by segments with size and age, and rendered as it was sent."""
    call = chosen(calls, key="_asked_call")
    segments = [segment for segment in segments if segment.purpose == call.purpose]
    views = ["Segments", "System text", "User text"] if segments else ["System text", "User text"]
    view = st.segmented_control(
        "View", views, default=views[0], required=True, key=f"_asked_view_{len(views)}", label_visibility="collapsed"
    )
    st.caption(_asked_facts(call))
    if view == "Segments":
        _segments(segments, cutoff)
    else:
        text.block(call.system if view == "System text" else call.user, height=420)


def _asked_facts(call: ModelCall) -> str:
    counted = call.completion.prompt_tokens if call.completion else None
    sent = f"{len(call.system) + len(call.user):,} characters"
    return f"{sent} · {f'{counted:,} tokens counted by the backend' if counted is not None else 'tokens not counted by the backend'} · prompt hash {call.prompt_hash[:16]}"


def _segments(segments: Sequence[Segment], cutoff: datetime) -> None:
    total = sum(segment.tokens for segment in segments) or 1
    rows = [
        {
            "segment": text.clean(segment.name, longest=80),
            "role": segment.role,
            "tokens": segment.tokens,
            "share": segment.tokens / total,
            "age": _age(segment, cutoff),
            "begins": text.clean(" ".join(segment.text.split()), longest=200),
        }
        for segment in segments
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="_segments",
        height=min(460, 38 + 35 * len(rows)),
        placeholder="",
        alt="Segments of the prompt with their share of tokens and age",
        column_config={
            "segment": st.column_config.TextColumn("Segment", width=170),
            "role": st.column_config.TextColumn("Role", width=70),
            "tokens": st.column_config.NumberColumn("Tokens", width=70, help="Estimated from the number of characters."),
            "share": st.column_config.ProgressColumn("Share", format="percent", min_value=0.0, max_value=1.0, width=110),
            "age": st.column_config.TextColumn(
                "Age",
                width=95,
                alignment="right",
                help="From when its newest item became readable to this close, where the decision is made.",
            ),
            "begins": st.column_config.TextColumn("Begins", width=480),
        },
    )


def _age(segment: Segment, cutoff: datetime) -> str:
    """How long before the decision everything in the segment was readable."""
    if segment.available_at is None:
        return "fixed text" if leaks.is_fixed(segment) else "not kept"
    seconds = (cutoff - segment.available_at).total_seconds()
    return leaks.span(seconds) if seconds else "at the close"


def thinking(calls: Sequence[ModelCall]) -> None:
    """The model's own reasoning, where the backend hands it over apart from the answer."""
    thoughts = [call for call in calls if call.completion and call.completion.thinking]
    call = chosen(thoughts, key="_thought_call")
    text.block(call.completion.thinking if call.completion else "", height=420)


def answered(calls: Sequence[ModelCall]) -> None:
    """The answer parsed and raw, how the backend describes the call, and why an answer could not be used."""
    call = chosen(calls, key="_answered_call")
    with st.container(horizontal=True, gap="small"):
        for fact, colour in _call_facts(call):
            st.badge(text.label(fact), color=colour)
    if call.error:
        with st.container(border=True, gap="xsmall"):
            st.badge("This answer could not be used", color="red", icon="✖️")
            text.plain(call.error, longest=2000)
            again = any(other.purpose == call.purpose and other.attempt > call.attempt for other in calls)
            text.plain("The model was asked once more, with this error." if again else "It was not asked again: there is no decision.")
    if call.completion is None:
        text.plain("There is no answer: the call failed before one arrived.")
        return
    parsed = _parsed(call.completion.text)
    if parsed is None:
        text.plain("The answer is not JSON; this is every character of it:")
        text.block(call.completion.text or "(empty)", height=360)
        return
    view = st.segmented_control(
        "View", ["Parsed", "Raw"], default="Parsed", required=True, key="_answer_view", label_visibility="collapsed"
    )
    if view == "Raw":
        text.block(call.completion.text, height=360)
    else:
        text.block(json.dumps(parsed, indent=2, ensure_ascii=False), height=420)


def _parsed(body: str) -> object | None:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _call_facts(call: ModelCall) -> list[tuple[str, str]]:
    facts = [(name(call), "gray"), (format.duration(call.ms / 1000) if call.ms >= 1000 else f"{call.ms:.0f} ms", "gray")]
    if (found := call.completion) is not None:
        facts += [
            (f"{found.backend} {found.model}", "blue" if found.backend != "rules" else "gray"),
            (f"ended: {found.done_reason}", "gray" if found.done_reason == "stop" else "orange"),
        ]
        if found.prompt_tokens is not None:
            facts.append((f"{found.prompt_tokens:,} tokens in, {found.answer_tokens or 0:,} out", "gray"))
        if found.cached:
            facts.append(("from the answer cache", "violet"))
        if found.digest:
            facts.append((f"digest {found.digest[:12]}", "gray"))
    return facts
