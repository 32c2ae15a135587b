"""The middle of a day: what was put to the model word for word, what it thought, what it answered, and what was wrong with that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from agent.decision.prompt import CHARACTERS_PER_TOKEN
from agent.evaluation import day_text, leaks
from agent.records import DayRecord, LeftOut, ModelCall, Segment
from ui import day_links, format, pickers, text, url_state
from ui.links import link
from ui.masked import PLAIN, Wording

PURPOSES = {"decide": "decision", "study": "study", "lessons": "lessons", "digest": "digest"}
ROW_OF_BUTTONS = 5  # more calls than this are a list to choose from
FIRST_LEFT_OUT = 12


def names(calls: Sequence[ModelCall]) -> list[str]:
    """What each call was for: decision, its second attempt, the digests numbered; with the model where it is not the decision's."""
    found, seen, main = [], dict.fromkeys(PURPOSES, 0), main_model(calls)
    several = {purpose for purpose in PURPOSES if sum(call.purpose == purpose and call.attempt == 1 for call in calls) > 1}
    for call in calls:
        seen[call.purpose] += call.attempt == 1
        word = PURPOSES[call.purpose]
        word += f" {seen[call.purpose]}" if call.purpose in several else ""
        word += f", attempt {call.attempt}" if call.attempt > 1 else ""
        other = call.completion.model if call.completion and main and call.completion.model != main else ""
        found.append(f"{word} · {text.label(other, longest=40)}" if other else word)
    return [name if found.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(found, 1)]


def main_model(calls: Sequence[ModelCall]) -> str:
    """The model that decided, or studied; empty where none did."""
    return next((call.completion.model for call in calls if call.purpose in ("decide", "study") and call.completion), "")


def last_decisive(calls: Sequence[ModelCall]) -> int:
    """Place of the call that gave the decision or study, the one a reader wants to see first; else of the last."""
    places = [place for place, call in enumerate(calls) if call.purpose in ("decide", "study")]
    return places[-1] if places else len(calls) - 1


def chosen(calls: Sequence[ModelCall], every: Sequence[ModelCall], *, step: str) -> ModelCall:
    """One of ``calls``, a row of buttons where there are several and a list where there are many; the address holds which.

    ``every``: all calls of the day, which give the names. Steps share the choice, so prompt, thought and answer are of one call.
    """
    if len(calls) == 1:
        return calls[0]
    shown, mark = dict(zip(map(id, every), names(every), strict=True)), dict(zip(map(id, every), day_text.call_names(every), strict=True))
    asked = pickers.read("call")
    found = next((call for call in calls if mark[id(call)] == asked), calls[last_decisive(calls)])
    labels = [shown[id(call)] for call in calls]
    key = f"_call_{step}_{hashlib.sha1('|'.join(labels).encode()).hexdigest()[:8]}"  # another day has other calls
    st.session_state[key] = shown[id(found)]

    def changed() -> None:
        st.query_params["call"] = mark[id(calls[labels.index(st.session_state[key])])]

    if len(calls) > ROW_OF_BUTTONS:
        st.selectbox("Call", labels, key=key, on_change=changed, label_visibility="collapsed")
    else:
        st.segmented_control("Call", labels, required=True, key=key, on_change=changed, label_visibility="collapsed")
    return found


# -------------------------------------------------------------------------------------------------------------- the prompt


PROMPTS = {"segments": "By segments", "rendered": "Rendered", "raw": "Raw"}
ANSWERS = {"rendered": "Rendered", "json": "JSON", "raw": "Raw"}


def asked(record: DayRecord, *, run: str, wording: Wording = PLAIN) -> None:
    """The prompt: how its answer was bound, by segments with size and age, as it was sent, what was cut from it and left out of it."""
    calls, thought = record.thought.calls, record.thought
    call = chosen(calls, calls, step="asked")
    segments = of_call(call, thought.segments)
    if call.cut_to is not None:
        _cut(call, segments, calls)
    with st.container(horizontal=True, gap="small"):
        for fact, colour in _bound_facts(call, main_model(calls)):
            st.badge(fact, color=colour)
    view = url_state.choice("prompt", list(PROMPTS) if segments else ["raw"], label="The prompt", shown=PROMPTS)
    st.caption(_asked_facts(call))
    if view == "segments":
        _segments(segments, record, run, wording)
    elif view == "rendered":
        _rendered_prompt(segments, record, wording)
    else:
        for name, words in (("System text", call.system), ("User text", call.user)):
            st.caption(f"{name}, letter by letter as it was sent" if not wording.translated else name)
            text.block(wording.say(words), height=_height(words))
    _left_out([item for item in thought.left_out if item.purpose == call.purpose], record, run)


of_call = day_text.segments_of


def lost(call: ModelCall, segments: Sequence[Segment]) -> list[str]:
    """Names of the segments that a cut prompt lost, whole or in part, from the top: a server that cuts keeps the end.

    The share that is lost is that of the estimated tokens which the server did not read.
    """
    sent = f"{call.system}\n\n{call.user}"
    estimated = _estimated(call, segments)
    if not call.cut_to or estimated <= call.cut_to:
        return []
    gone = len(sent) * (1 - call.cut_to / estimated)
    starts = [(sent.find(segment.text), segment.name) for segment in segments]
    return [name for start, name in sorted(starts) if 0 <= start < gone]


def _estimated(call: ModelCall, segments: Sequence[Segment]) -> float:
    """Tokens of the whole prompt as it was sent, by the ratio of its segments."""
    characters = sum(len(segment.text) for segment in segments)
    ratio = sum(segment.tokens for segment in segments) / characters if characters else 1 / CHARACTERS_PER_TOKEN
    return ratio * (len(call.system) + len(call.user))


def _cut(call: ModelCall, segments: Sequence[Segment], calls: Sequence[ModelCall]) -> None:
    """What a reader must not overlook: the model was shown only the end of this prompt."""
    again = any(other.purpose == call.purpose and other.attempt > call.attempt for other in calls)
    with st.container(border=True, gap="xsmall"):
        st.badge("The server cut this prompt", color="red", icon="✂️")
        estimated = round(_estimated(call, segments))
        read = (
            f"It read {call.cut_to:,} of about {estimated:,} tokens"
            if call.cut_to
            else f"It did not say how many of about {estimated:,} tokens it read"
        )
        gone = [text.clean(name, longest=60) for name in lost(call, segments)]
        text.plain(f"{read}. " + (f"Lost from the top: {', '.join(gone)}." if gone else "What was lost is its beginning: the rules first."))
        text.plain(
            "The answer to what was left of it was thrown away, and the question asked once more, shorter."
            if again
            else "The answer to what was left of it was thrown away: there is no decision."
            if call.purpose == "decide"
            else "The answer to what was left of it was thrown away."
        )


def _bound_facts(call: ModelCall, main: str) -> list[tuple[str, str]]:
    found = call.completion
    if found is None:
        return []
    facts = [(f"answer bound by: {way_words(found.way)}", "blue")] if found.way else []
    if found.cached:
        facts.append(("from the answer cache", "violet"))
    if main and found.model != main:
        facts.append((f"asked of the second model, {text.label(found.model)}", "gray"))
    return facts


def way_words(way: str) -> str:
    """A way as people read it: a free answer is bound by nothing."""
    return "nothing, found in free text" if way == "free" else text.label(way)


def _asked_facts(call: ModelCall) -> str:
    counted = call.completion.prompt_tokens if call.completion else None
    sent = f"{len(call.system) + len(call.user):,} characters"
    return f"{sent} · {f'{counted:,} tokens counted by the backend' if counted is not None else 'tokens not counted by the backend'} · prompt hash {call.prompt_hash[:16]}"


def _left_out(items: Sequence[LeftOut], record: DayRecord, run: str) -> None:
    """What had no room: named, with its size and the reason, a memory with the way to it."""
    if not items:
        return
    total = sum(item.tokens for item in items)
    st.markdown(f"**Left out for lack of room** · {len(items)} {'piece' if len(items) == 1 else 'pieces'}, about {total:,} tokens")
    more = len(items) > FIRST_LEFT_OUT and st.toggle(f"Show all {len(items)}", key="_all_left_out")
    with st.container(border=True, gap="xsmall"):
        for item in items if more else items[:FIRST_LEFT_OUT]:
            what, size, why = st.columns([2.4, 1, 4], vertical_alignment="center", gap="small")
            with what:
                if item.memory_id is not None:
                    link("memory", f"Memory {item.memory_id}", icon="→", run=run, ticker=record.ticker, day=record.day, mem=item.memory_id)
                else:
                    text.plain(item.segment, longest=80)
            size.caption(f"{item.tokens:,} tokens")
            with why:
                text.plain(item.reason, longest=300)


def _segments(segments: Sequence[Segment], record: DayRecord, run: str, wording: Wording) -> None:
    """The table of segments; a ticked row shows its text below, and the address says which."""
    total, cutoff = sum(segment.tokens for segment in segments) or 1, record.observation.cutoff
    rows = [
        {
            "segment": text.clean(segment.name, longest=80),
            "role": segment.role,
            "tokens": segment.tokens,
            "share": segment.tokens / total,
            "age": _age(segment, cutoff),
            "known": segment.available_at,
            "begins": text.clean(wording.say(" ".join(segment.text[:400].split())), longest=200),
        }
        for segment in segments
    ]

    def ticked() -> None:
        chosen_rows = st.session_state["_segments"]["selection"]["rows"]
        st.query_params.pop("seg", None)
        if chosen_rows:
            st.query_params["seg"] = text.clean(segments[chosen_rows[0]].name, longest=80)

    st.dataframe(
        pd.DataFrame(rows).astype({"known": "datetime64[ns, UTC]"}) if rows else pd.DataFrame(),
        hide_index=True,
        key="_segments",
        on_select=ticked,
        selection_mode="single-row",
        height=min(460, 38 + 35 * len(rows)),
        placeholder="",
        alt="Segments of the prompt with their share of tokens and age",
        column_config={
            "segment": st.column_config.TextColumn("Segment", width=170),
            "role": st.column_config.TextColumn("Role", width=70),
            "tokens": st.column_config.NumberColumn("Tokens", width=70, help="Estimated from the number of characters."),
            "share": st.column_config.ProgressColumn(
                "Share", format="percent", min_value=0.0, max_value=1.0, width=110, help="Of the tokens of all segments."
            ),
            "age": st.column_config.TextColumn(
                "Age",
                width=95,
                alignment="right",
                help="From when its newest item became readable to this close, where the decision is made.",
            ),
            "known": st.column_config.DatetimeColumn(
                "Readable since (UTC)",
                format="YYYY-MM-DD HH:mm",
                timezone="UTC",
                width=150,
                help="When its newest item could first be read; empty for fixed text.",
            ),
            "begins": st.column_config.TextColumn("Begins", width=480),
        },
    )
    wanted = pickers.read("seg")
    read = next((segment for segment in segments if text.clean(segment.name, longest=80) == wanted), None)
    if read is None:
        st.caption("Tick a row to read the segment.")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"Segment {text.label(read.name)}, {len(read.text):,} characters", width="content")
        if read.memory_id is not None:
            number = read.memory_id
            link("memory", f"Memory {number}", icon="→", run=run, ticker=record.ticker, day=record.day, mem=number)
            day_links.thread(run, record.ticker, mem=number)
    text.block(wording.say(read.text), height=_height(read.text))


def _rendered_prompt(segments: Sequence[Segment], record: DayRecord, wording: Wording) -> None:
    """The prompt as running text, piece after piece in the order it was sent, each with its size and age."""
    total = sum(segment.tokens for segment in segments) or 1
    with st.container(border=True, gap="small"):
        for segment in segments:
            size = f"{segment.tokens:,} tokens, {segment.tokens / total:.0%}"
            st.caption(f"**{text.label(segment.name)}** · {segment.role} · {size} · {_age(segment, record.observation.cutoff)}")
            text.plain(wording.say(segment.text))


def _age(segment: Segment, cutoff: datetime) -> str:
    """How long before the decision everything in the segment was readable."""
    if segment.available_at is None:
        return "fixed text" if leaks.is_fixed(segment) else "not kept"
    seconds = (cutoff - segment.available_at).total_seconds()
    return leaks.span(seconds) if seconds else "at the close"


def thinking(calls: Sequence[ModelCall], *, wording: Wording = PLAIN) -> None:
    """The model's own reasoning, where the backend hands it over apart from the answer."""
    thoughts = [call for call in calls if call.completion and call.completion.thinking]
    call = chosen(thoughts, calls, step="thinking")
    text.block(wording.say(call.completion.thinking) if call.completion else "", height=420)


def answered(calls: Sequence[ModelCall], *, wording: Wording = PLAIN) -> None:
    """The answer to read, as JSON and raw, how the backend describes the call, and what became of every attempt at it."""
    call = chosen(calls, calls, step="answered")
    with st.container(horizontal=True, gap="small"):
        st.badge(names(calls)[_place(calls, call)], color="gray")
        for fact, colour in _call_facts(call):
            st.badge(text.label(fact), color=colour)
    _attempts(call, calls, wording)
    if call.completion is None:
        text.plain("There is no answer: the call failed before one arrived.")
        return
    said, parsed = wording.say(call.completion.text), _parsed(call.completion.text)
    if parsed is None:
        text.plain("The answer is not JSON; this is every character of it:")
        text.block(said or "(empty)", height=_height(said))
        return
    view = url_state.choice("answer", list(ANSWERS), label="The answer", shown=ANSWERS)
    if view == "raw":
        text.block(said, height=_height(said))
    elif view == "json":
        text.block(json.dumps(_told(parsed, wording), indent=2, ensure_ascii=False), height=420)
    else:
        with st.container(border=True, gap="xsmall"):
            text.plain("\n".join(readable(_told(parsed, wording))))


def readable(value: object, *, depth: int = 0) -> list[str]:
    """JSON as lines a person reads: one per field, lists and nested objects indented below their name. Nothing is left out."""
    pad = "    " * depth
    if isinstance(value, dict):
        lines: list[str] = []
        for key, item in value.items():
            flat = _flat(item)
            lines += [f"{pad}{key}: {flat}"] if flat is not None else [f"{pad}{key}:", *readable(item, depth=depth + 1)]
        return lines or [f"{pad}(empty)"]
    if isinstance(value, list):
        lines = []
        for item in value:
            below = readable(item, depth=depth + 1)
            lines += [f"{pad}– {below[0].strip()}", *below[1:]] if below else []
        return lines or [f"{pad}(none)"]
    return [f"{pad}{_flat(value)}"]


def _flat(value: object) -> str | None:
    """A value that fits on the line of its name; None for what needs lines of its own."""
    if isinstance(value, dict):
        simple = all(not isinstance(item, (dict, list)) for item in value.values())
        return ", ".join(f"{key} {_flat(item)}" for key, item in value.items()) or "(empty)" if simple and len(value) <= 4 else None
    if isinstance(value, list):
        return (
            ", ".join(str(_flat(item)) for item in value) or "none" if not any(isinstance(item, (dict, list)) for item in value) else None
        )
    return "not given" if value is None else "yes" if value is True else "no" if value is False else str(value)


def _place(calls: Sequence[ModelCall], call: ModelCall) -> int:
    return next(place for place, other in enumerate(calls) if other is call)


def _attempts(call: ModelCall, calls: Sequence[ModelCall], wording: Wording) -> None:
    """Whether the answer kept to its form, for every attempt at the same question: valid, or what was wrong and what was done."""
    marks = day_text.call_names(calls)
    question = marks[_place(calls, call)].split(".")[0]
    tries = [other for mark, other in zip(marks, calls, strict=True) if mark.split(".")[0] == question]
    with st.container(border=True, gap="xsmall"):
        for place, attempt in enumerate(tries):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                good = not attempt.error and attempt.completion is not None
                st.badge("✓ valid" if good else "✗ This answer could not be used", color="green" if good else "red")
                shown = " (shown below)" if attempt is call and len(tries) > 1 else ""
                st.caption(f"attempt {attempt.attempt}{shown}: {_effort(attempt)}", width="content")
            if attempt.error:
                text.plain(wording.say(attempt.error), longest=2000)
                last = place == len(tries) - 1
                text.plain(
                    "It was not asked again: there is no decision."
                    if last and attempt.purpose == "decide"
                    else "It was not asked again."
                    if last
                    else "The model was asked once more, with this error."
                )


def _effort(call: ModelCall) -> str:
    found = call.completion
    parts = [format.duration(call.ms / 1000) if call.ms >= 1000 else f"{call.ms:.0f} ms"]
    if found is not None and found.prompt_tokens is not None:
        parts.append(f"{found.prompt_tokens:,} tokens in, {found.answer_tokens or 0:,} out")
    return ", ".join(parts)


def _height(said: str) -> int | str:
    return 360 if len(said) > 800 else "content"


def _parsed(body: str) -> object | None:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _told(value: object, wording: Wording) -> object:
    """The parsed answer with every text in it as it is to be shown; translated whole, a quote inside a name would break the JSON."""
    if isinstance(value, str):
        return wording.say(value)
    if isinstance(value, list):
        return [_told(item, wording) for item in value]
    return {key: _told(item, wording) for key, item in value.items()} if isinstance(value, dict) else value


def _call_facts(call: ModelCall) -> list[tuple[str, str]]:
    facts = [(format.duration(call.ms / 1000) if call.ms >= 1000 else f"{call.ms:.0f} ms", "gray")]
    if (found := call.completion) is not None:
        facts += [
            (f"{found.backend} {found.model}", "blue" if found.backend != "rules" else "gray"),
            (f"ended: {found.done_reason}", "gray" if found.done_reason == "stop" else "orange"),
        ]
        if found.prompt_tokens is not None:
            facts.append((f"{found.prompt_tokens:,} tokens in, {found.answer_tokens or 0:,} out", "gray"))
        facts += [(f"bound by {way_words(found.way)}", "blue")] if found.way else []
        if "cost_usd" in found.options and not found.cached:
            facts.append((f"about {format.dollars(found.options['cost_usd'])}", "gray"))
        if found.cached:
            facts.append(("from the answer cache", "violet"))
        if call.cut_to is not None:
            facts.append(("prompt cut by the server", "red"))
        if found.digest:
            facts.append((f"model file {found.digest[:12]}", "gray"))
    return facts
