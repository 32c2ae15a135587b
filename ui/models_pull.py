"""Pull: fetch a model with progress per file and in all, stop it, and learn why it failed. Pulls go on while the page is closed."""

from __future__ import annotations

import streamlit as st

from agent.errors import RecollectError
from agent.llm.pulls import Pull
from services import model_jobs
from services.models import Server
from ui import format, models_servers, page, text
from ui.data_said import size
from ui.theme import BadgeColour

EVERY_S = 0.7
SUGGESTIONS = ("qwen3:0.6b", "qwen3:4b", "qwen3:8b", "llama3.2:3b", "gemma3:4b")
STATES: dict[str, tuple[str, BadgeColour]] = {
    "pulling": ("↓ pulling", "blue"),
    "verifying": ("◷ checking", "blue"),
    "done": ("✓ installed", "green"),
    "failed": ("✗ failed", "red"),
    "cancelled": ("⊘ cancelled", "gray"),
}
FILES = 12  # shown of one model


def pull(ollama: Server) -> None:
    """The field, and everything that is or was being pulled from this server."""
    st.subheader("Pull a model", anchor=False)
    with st.form("models_pull", border=False), st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = st.text_input("Model", key="models_pull_name", placeholder="qwen3:8b", width=330, max_chars=300)
        pressed = st.form_submit_button("Pull", type="primary", icon=":material/download:")
    st.caption(f"As the library names it, for example {', '.join(SUGGESTIONS)}; or hf.co/OWNER/REPOSITORY:QUANTISATION.")
    if pressed:
        _begin(name)
    found = model_jobs.pulls(models_servers.at())
    if any(seen.active for seen in found):
        _following(models_servers.at())
    else:
        _list(found)


def _begin(name: str) -> None:
    try:
        model_jobs.pull(name, models_servers.at())
    except RecollectError as error:
        page.banner(error)


@st.fragment(run_every=EVERY_S)
def _following(base_url: str) -> None:
    """Polls while something is being pulled; then the whole page is drawn anew, because the list has changed."""
    found = model_jobs.pulls(base_url)
    before: set[str] = st.session_state.setdefault("_models_pulling", set())
    active = {seen.model for seen in found if seen.active}
    ended = before - active
    st.session_state["_models_pulling"] = active
    if ended or not active:
        models_servers.look_again()
        st.rerun()
    _list(found)


def _list(found: list[Pull]) -> None:
    for number, seen in enumerate(found):
        _one(seen, number)


def _one(seen: Pull, number: int) -> None:
    """One pull: how far, how fast, how long; or how it ended and what to do."""
    word, colour = STATES[seen.state]
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{text.label(seen.model, longest=60)}**", width="content")
            st.badge(word, color=colour)
            if seen.active:
                if st.button("Cancel", key=f"models_cancel_{number}", icon=":material/stop:", type="tertiary"):
                    model_jobs.cancel_pull(seen)
                    model_jobs.wait_for_pull(seen, 2)
                    st.rerun(scope="app")
            else:
                if seen.state != "done" and st.button("Pull again", key=f"models_repull_{number}", icon=":material/refresh:"):
                    _begin(seen.model)
                    st.rerun()
                if st.button("Dismiss", key=f"models_dismiss_{number}", type="tertiary"):
                    model_jobs.dismiss_pull(seen)
                    st.rerun()
        if seen.active:
            st.progress(seen.share, text=_sentence(seen))
            _files(seen)
        elif seen.state == "done":
            text.plain(f"{size(seen.total)} in {format.duration(seen.seconds)}.")
        else:
            text.plain(seen.reason, longest=1200)
            if seen.total:
                text.plain(f"{size(seen.completed)} of {size(seen.total)} had arrived.")
            if seen.cure:
                text.block(seen.cure, longest=1200)


def _sentence(seen: Pull) -> str:
    if not seen.total:
        return text.label(seen.status or "asking the library", longest=100)
    if seen.state == "verifying":
        return text.label(f"{seen.status or 'checking'}: large models take a minute", longest=140)
    parts = [f"{min(99, int(100 * seen.share))}% · {size(seen.completed)} of {size(seen.total)}"]
    if seen.rate:
        parts.append(f"{size(seen.rate)}/s")
    if seen.eta_s is not None:
        parts.append(f"{format.duration(seen.eta_s)} left")
    return text.label(" · ".join(parts), longest=140)


def _files(seen: Pull) -> None:
    """Each file of the model that the server has named so far."""
    if len(seen.layers) < 2:
        return
    lines = [
        f"{text.clean(layer.digest.removeprefix('sha256:'), longest=13).rstrip('…')[:12]:<14}{size(layer.completed):>10} of {size(layer.total)}"
        for layer in seen.layers[:FILES]
    ]
    text.block("\n".join(lines))
