"""Test prompt: a free question to any model, its answer as it is written, thinking apart, and how fast it was."""

from __future__ import annotations

import uuid

import streamlit as st

from agent.errors import RecollectError
from services import model_jobs
from services.model_jobs import Trial
from ui import format, models_servers, models_table, page, text
from ui.theme import BadgeColour

EVERY_S = 0.5
ANSWER_HEIGHT = 260  # pixels; the box stays as it is while the text in it grows
LONGEST_SHOWN = 20_000
EXAMPLE = "A company reports higher sales and lower margins. In two sentences: what speaks for its shares, what against?"


def ask() -> None:
    """The form, and the answer of the last question of this session."""
    offered = _offered()
    if not offered:
        page.empty(
            "No model to ask",
            "No server answers with a model that can chat. Look at the servers first: each failure says what to do.",
            ("models", "To the servers"),
            tab="installed",
        )
        return
    asked = models_table.asked_for()
    names = list(offered)
    first = next((i for i, name in enumerate(names) if offered[name][1] == asked), 0)
    with st.form("models_ask", border=True):
        name = st.selectbox("Model", names, index=first, format_func=lambda item: text.clean(item, longest=100))
        prompt = st.text_area("Question", value=EXAMPLE, height=110, max_chars=20_000)
        with st.expander("System prompt and limits", key="models_ask_more"):
            system = st.text_area("System prompt", value="", height=80, max_chars=20_000)
            longest = st.number_input("Longest answer, in tokens", min_value=16, max_value=8192, value=512, step=64, width=220)
            think = st.toggle("Let it think first", help="Only where the model can; thinking uses the same limit.")
        pressed = st.form_submit_button("Ask", type="primary", icon=":material/send:")
    if pressed and name is not None:
        backend, model, base_url = offered[name]
        try:
            model_jobs.ask(who(), backend, {"model": model, "base_url": base_url}, prompt, system=system, think=think, longest=int(longest))
        except RecollectError as error:
            page.banner(error)
            return
    seen = model_jobs.asked(who())
    if seen is not None and seen.state == "running":
        _following(who())
    elif seen is not None:
        _answer(seen)


def who() -> str:
    """This session, so that two windows do not see each other's answers."""
    return st.session_state.setdefault("_models_who", uuid.uuid4().hex)


def _offered() -> dict[str, tuple[str, str, str]]:
    """Label -> (backend, model, address) of everything that can chat."""
    found: dict[str, tuple[str, str, str]] = {}
    at = models_servers.at()
    ollama = models_servers.asked_ollama(at, models_servers.where(at))
    if ollama.models:
        try:
            for model in models_servers.installed(at, ollama.url):
                if model.use in ("decisions", "unknown"):
                    found[f"{text.clean(model.name, longest=80)} · Ollama"] = ("ollama", model.name, ollama.url)
        except RecollectError as error:
            page.banner(error)
    other = st.session_state.get("_models_openai") or models_servers.asked_openai(models_servers.where("", openai=True))
    for listed in other.listed:
        found[f"{text.clean(listed.id, longest=80)} · OpenAI-compatible"] = ("openai_compatible", listed.id, other.url)
    return found


@st.fragment(run_every=EVERY_S)
def _following(session: str) -> None:
    seen = model_jobs.asked(session)
    if seen is None or seen.state != "running":
        st.rerun()
    _answer(seen)


def _answer(seen: Trial) -> None:
    """Heading, thinking, answer, figures."""
    said = seen.said
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{text.label(seen.model, longest=60)}**", width="content")
            word, colour = _state(seen)
            st.badge(word, color=colour)
            if seen.state == "running" and st.button("Stop", key="models_stop", icon=":material/stop:", type="tertiary"):
                model_jobs.stop_asking(who())
        if seen.state == "failed":
            text.plain(seen.reason, longest=1200)
            if seen.cure:
                text.block(seen.cure)
        if said.thinking:
            with st.expander("Thinking", key="models_thinking", expanded=not said.text):
                text.block(said.thinking[-LONGEST_SHOWN:], height=160)
        if said.text or seen.state in ("running", "done"):
            text.block(said.text[-LONGEST_SHOWN:] or ("…" if seen.state == "running" else "(it said nothing)"), height=ANSWER_HEIGHT)
        _figures(seen)
        if said.done_reason == "length":
            text.plain("It reached the limit of tokens. Raise the longest answer, or switch thinking off.")
        if said.note:
            text.plain(said.note, longest=300)


def _state(seen: Trial) -> tuple[str, BadgeColour]:
    said = seen.said
    if seen.state == "running":
        return ("▶ answering" if said.text else "▶ thinking" if said.thinking else "◷ waiting for the first word"), "blue"
    if seen.state == "done" and said.done_reason != "stop":
        return f"! ended early: {text.label(said.done_reason, longest=40)}", "orange"
    return {"done": ("✓ answered", "green"), "failed": ("✗ no answer", "red"), "cancelled": ("⊘ stopped", "gray")}[seen.state]  # type: ignore[return-value]


def _figures(seen: Trial) -> None:
    said = seen.said
    figures = [("Seconds", format.number(seen.seconds, digits=1), "From the question to the last word.")]
    if said.first_s is not None:
        figures.append(("First word after", f"{said.first_s:.1f} s", "Loading the model and reading the question."))
    if said.per_second is not None:
        figures.append(("Tokens per second", format.number(said.per_second, digits=1), "While answering, as the server counts."))
    if said.answer_tokens is not None:
        figures.append(
            ("Tokens", f"{said.prompt_tokens or format.UNKNOWN} → {said.answer_tokens}", "Question → answer, thinking included.")
        )
    if said.window:
        figures.append(("Window", f"{said.window:,}", "Tokens for question and answer together. A loaded model keeps the window it has."))
    with st.container(horizontal=True, gap="small"):
        for label, value, help_ in figures:
            st.metric(label, value, help=help_, width=170)
