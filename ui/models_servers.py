"""The servers: where each address comes from, whether it answers, how fast, and exactly what to do when it does not."""

from __future__ import annotations

import os

import streamlit as st

from agent.errors import RecollectError
from services import models
from services.models import Model, Server
from ui import page, text
from ui.theme import BadgeColour

NAMES = {"ollama": "Ollama", "openai_compatible": "OpenAI-compatible server"}
FROM = {
    "this address": "the address typed below",
    "default": "the default: nothing else is set",
    "OLLAMA_HOST": "the environment variable OLLAMA_HOST",
    "OLLAMA_BASE_URL": "the environment variable OLLAMA_BASE_URL",
    "OPENAI_BASE_URL": "the environment variable OPENAI_BASE_URL",
}
FRESH_S = 10  # how long an answer of a server is shown before it is asked again
LONGEST_LIST = 200


def at() -> str:
    """The Ollama address in the URL; empty: from the environment."""
    return text.clean(st.query_params.get("server", ""), longest=500).strip()


def servers() -> Server:
    """Both servers; returns Ollama's."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader("Servers", anchor=False, width="content")
        if st.button("Look again", key="models_again", icon=":material/refresh:", type="tertiary"):
            look_again()
    ollama = asked_ollama(at(), where(at()))
    _server(ollama)
    if ollama.ok is False:
        _first_steps(ollama)
    _other_address()
    _openai()
    return ollama


def _server(server: Server) -> None:
    """One box: state, address and where it comes from, the sentence, the cure."""
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{NAMES[server.kind]}**", width="content")
            word, colour, icon = _state(server)
            st.badge(f"{icon} {word}", color=colour)
            if server.version:
                st.badge(f"version {text.label(server.version, longest=30)}", color="gray")
            if server.ping_ms is not None:
                st.badge(f"{max(1, round(server.ping_ms))} ms", color="gray", help="Time of one small question, there and back.")
            if server.models:
                st.badge(f"{server.models:,} model{'s' * (server.models != 1)}", color="gray")
            if server.key_variable:
                st.badge(f"{server.key_variable} {'is set' if server.key_set else 'is not set'}", color="gray")
        if server.url:
            text.plain(f"{server.url}   (from {FROM.get(server.came_from, server.came_from)})", longest=600)
        if server.message:
            text.plain(server.message, longest=1200)
        if server.cure:
            st.caption("What to do:")
            text.block(server.cure, longest=1200)


def _state(server: Server) -> tuple[str, BadgeColour, str]:
    if server.ok is None:
        return "not asked yet", "gray", "◷"
    if server.ok:
        return ("usable, with a warning", "orange", "!") if server.cure else ("usable", "green", "✓")
    if server.kind == "openai_compatible" and server.came_from == "default":
        return "not set up", "gray", "◷"  # nobody asked for one: its absence is no trouble
    if server.models == 0:
        return "answers, but has no model", "orange", "!"
    return "cannot be used", "red", "✗"


def _first_steps(ollama: Server) -> None:
    """The empty state: what to type, and what works without."""
    if ollama.models == 0:
        return  # the pull section below is the next step
    with st.container(border=True):
        st.markdown("**Local models in three steps**")
        text.plain("1. Install Ollama on this machine (or another one in your network).\n2. Start it, then fetch a small model:")
        text.block("ollama serve\nollama pull qwen3:8b")
        text.plain(
            "3. Press 'Look again'. If it runs elsewhere, put its address into OLLAMA_HOST before starting Recollect, or type it below. "
            "Inside a container, localhost is the container itself: use host.docker.internal.\n\n"
            "Without any model everything else works: the rules backend runs offline and needs no key."
        )
        page.link("new_run", "New run with the rules backend", icon="→")


def _other_address() -> None:
    """Another Ollama than the environment's, for this page only."""
    with st.expander("Another Ollama address", key="models_other", expanded=bool(at())):

        def changed() -> None:
            typed = text.clean(st.session_state["_models_at"], longest=500).strip()
            if typed:
                st.query_params["server"] = typed
            else:
                st.query_params.pop("server", None)

        st.session_state["_models_at"] = at()
        st.text_input(
            "Address for this page",
            key="_models_at",
            on_change=changed,
            placeholder="http://192.168.1.20:11434",
            help="With or without http://, port or /v1. A run takes its own base_url, else OLLAMA_HOST or OLLAMA_BASE_URL.",
        )
        text.plain("Only this page uses it. For runs, set base_url in New run, or OLLAMA_HOST in the environment or in .env beside app.py.")


def _openai() -> None:
    asked: Server | None = st.session_state.get("_models_openai")
    shown = asked or asked_openai(where("", openai=True))
    _server(shown)
    if shown.ok is None and st.button(
        "Ask now", key="models_openai", icon=":material/network_ping:", help="One question: its list of models."
    ):
        with st.spinner("Asking …"):
            st.session_state["_models_openai"] = models.openai_compatible(ask=True)
        st.rerun()
    if shown.listed:
        with st.expander(
            f"Its models ({len(shown.listed)}{' first' if (shown.models or 0) > len(shown.listed) else ''})", key="models_listed"
        ):
            rows = shown.listed[:LONGEST_LIST]
            st.dataframe(
                {
                    "model": [text.clean(item.id, longest=120) for item in rows],
                    "window": [item.context_length for item in rows],
                    "by": [text.clean(item.owned_by, longest=60) for item in rows],
                },
                hide_index=True,
                key="models_openai_list",
                alt="Models of the OpenAI-compatible server",
            )


# ---------------------------------------------------------------------------------------------------------- asked now and then


def where(base_url: str, *, openai: bool = False) -> str:
    """The address meant now, so that what was answered under another one is not shown."""
    if openai:
        return os.environ.get("OPENAI_BASE_URL", "") + ("!" if os.environ.get(models.KEY_VARIABLE) else "")
    try:
        return models.address(base_url)
    except RecollectError as error:
        return str(error)


@st.cache_data(ttl=FRESH_S, max_entries=16, show_spinner="Asking the server …")
def asked_ollama(base_url: str, url: str) -> Server:
    return models.ollama(base_url)


@st.cache_data(ttl=60, max_entries=8, show_spinner=False)
def asked_openai(url: str) -> Server:
    return models.openai_compatible()


@st.cache_data(ttl=FRESH_S, max_entries=16, show_spinner="Reading the list of models …")
def installed(base_url: str, url: str) -> tuple[Model, ...]:
    """Raises SpecError or Unavailable."""
    return models.installed(base_url)


def look_again() -> None:
    """Forget what the servers answered: something was pulled, deleted, probed or started."""
    for found in (asked_ollama, asked_openai, installed):
        found.clear()
    st.session_state.pop("_models_openai", None)
