"""What the model reads: a whole question on a made-up day, asked with the words of a set, saved or not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import streamlit as st

from agent.decision.prompt import tokens
from agent.decision.prompt_set import PromptSet
from agent.errors import SpecError
from agent.records import Segment
from services import prompt_example
from ui import prompt_drafts, text, url_state
from ui.data_said import problem
from ui.prompt_edit import PURPOSES


def question(saved: PromptSet) -> None:
    """The question of one template, by parts or as it is sent."""
    now = prompt_drafts.current(saved)
    order = [name for name in PURPOSES if name in now.texts] + sorted(set(now.texts) - set(PURPOSES))
    template = url_state.choice("template", order, label="Template")
    view = url_state.choice("view", ["parts", "sent"], label="View", shown={"parts": "Part by part", "sent": "As it is sent"})
    if prompt_drafts.texts(saved):
        st.caption("With the unsaved edits.")
    try:
        segments = prompt_example.segments(now, template)
    except SpecError as error:
        problem(error, what="Cannot be put together")
        return
    total = sum(tokens(segment.text) for segment in segments)
    st.caption(f"About {total:,} tokens on this day; the rules are {tokens(segments[0].text) / total:.0%} of them.")
    if view == "sent":
        for role, title in (("system", "System text"), ("user", "User text")):
            body = "\n\n".join(segment.text for segment in segments if segment.role == role)
            if body:
                st.markdown(f"**{title}**")
                text.block(body)
        return
    for name, group in groupby(segments, key=lambda segment: ":".join(segment.name.split(":")[:2])):  # a layer's memories in one box
        parts = list(group)
        with st.container(border=True, gap="xsmall"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.badge(text.label(name), color="blue" if parts[0].role == "system" else "gray")
                st.caption(_origin(parts, total), width="content")
            text.plain("\n\n".join(part.text for part in parts))


def _origin(parts: Sequence[Segment], total: int) -> str:
    """Where a part comes from, its size, and when the newest of it could be known."""
    count = sum(tokens(part.text) for part in parts)
    source = "from this template" if parts[0].role == "system" else "from the day"
    known = max((part.available_at for part in parts if part.available_at), default=None)
    when = f" · readable {known:%Y-%m-%d %H:%M} UTC" if known else ""
    return f"{source} · about {count:,} tokens, {count / total:.0%}{when}"
