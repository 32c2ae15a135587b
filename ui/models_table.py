"""The installed models: one row each, and for the chosen one everything that is known, what can be done with it, and what a probe found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from agent.errors import RecollectError
from agent.llm.cutoffs import Cutoff
from services import model_jobs
from services import models as services
from services.model_jobs import Probe
from services.models import Model, Server
from ui import format, models_servers, page, text
from ui.data_said import age, size, tall
from ui.theme import BadgeColour

USES: dict[str, tuple[str, BadgeColour, str]] = {
    "decisions": ("✓ can decide", "green", "It can chat, so a run can use it."),
    "embeddings only": ("embeddings only", "orange", "It cannot chat: it turns texts into numbers. Choose a chat model for a run."),
    "cloud": ("cloud", "orange", "It does not run on your machine and ignores the window and the form of the answer: runs refuse it."),
    "unknown": ("not known", "gray", "This server does not say what the model can do; a probe finds out."),
}
EVERY_S = 0.7
LONGEST_NAME = 120


def models(ollama: Server) -> None:
    """The table, and the chosen model below it."""
    st.subheader("Installed models", anchor=False)
    if said := st.session_state.pop("_models_said", ""):
        st.success(text.label(said, longest=200), icon="✅")
    if not ollama.models:
        page.empty(
            "No model is installed yet", "Fetch one below. For a laptop with 8 GB, qwen3:4b is a fair beginning; with 16 GB, qwen3:8b."
        )
        return
    try:
        found = models_servers.installed(models_servers.at(), ollama.url)
    except RecollectError as error:
        page.banner(error)
        return
    chosen = _table(found)
    if chosen is None:
        st.caption("Choose a row to see all that is known about a model, to probe, try or delete it.")
        if wanted := asked_for():
            text.plain(f"The link names {wanted}, which is not installed here.", longest=400)
        return
    _detail(chosen)


def asked_for() -> str:
    """The model in the URL."""
    return text.clean(st.query_params.get("model", ""), longest=300).strip()


def _table(found: tuple[Model, ...]) -> Model | None:
    """One row per model; the chosen one is in the URL."""
    names = [text.clean(model.name, longest=300) for model in found]
    wanted = asked_for()
    key = f"models_{hashlib.sha1(chr(0).join(names).encode()).hexdigest()[:10]}"

    def ticked() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        if rows and rows[0] < len(names):
            st.query_params["model"] = names[rows[0]]
        else:
            st.query_params.pop("model", None)

    st.dataframe(
        pd.DataFrame([_row(model) for model in found]),
        hide_index=True,
        key=key,
        on_select=ticked,
        selection_mode="single-row",
        selection_default={"selection": {"rows": [names.index(wanted)] if wanted in names else [], "columns": [], "cells": []}},
        column_config={
            "model": st.column_config.TextColumn("model", pinned=True, width=230),
            "window": st.column_config.NumberColumn("trained window", format="localized", help="Tokens for question and answer together."),
            "size": st.column_config.TextColumn("size", help="On the server's disk."),
            "knows until": st.column_config.TextColumn("knows until", help="Knowledge cut-off; ~ is an estimate."),
            "digest": st.column_config.TextColumn("digest", help="Two models with the same digest are the same file."),
        },
        height=tall(len(found), 12),
        alt="Models installed on Ollama",
    )
    return next((model for model, name in zip(found, names, strict=True) if name == wanted), None)


def _row(model: Model) -> dict[str, object]:
    return {
        "model": text.clean(model.name, longest=LONGEST_NAME),
        "can": USES[model.use][0],
        "size": size(model.size) if model.size else format.UNKNOWN,
        "parameters": text.clean(model.parameters, longest=20),
        "quantisation": text.clean(model.quantisation, longest=20),
        "window": model.context,
        "knows until": format.UNKNOWN if model.use == "embeddings only" else known_until(model.cutoff),
        "in memory": "● loaded" if model.loaded else "",
        "answers by": text.clean(_best_way(model.abilities) or "not probed", longest=50),
        "family": text.clean(model.family, longest=30),
        "capabilities": ", ".join(text.clean(word, longest=20) for word in (model.capabilities or ())[:8]) or format.UNKNOWN,
        "changed": age(model.modified) if model.modified else format.UNKNOWN,
        "digest": text.clean(model.digest, longest=13).rstrip("…")[:12],
    }


def known_until(cutoff: Cutoff | None) -> str:
    """The month, with ~ for an estimate; a word where nobody knows."""
    if cutoff is None or not cutoff.month:
        return "not known"
    return f"{'~' if cutoff.sureness == 'estimated' else ''}{cutoff.month}"


def _best_way(abilities: Mapping[str, Any] | None) -> str:
    """The first way of answering that a probe found to work: as runs ask by default, without thinking, then with it."""
    from agent.llm.base import WAYS

    ways = (abilities or {}).get("ways")
    works = [way for way in WAYS if isinstance(ways, dict) and ways.get(way)]
    plain, thinking = ([way for way in works if way.startswith("think") is thinks][:1] for thinks in (False, True))
    return ", or ".join([*plain, *thinking])


# ------------------------------------------------------------------------------------------------------------------ one model


def _detail(model: Model) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.subheader(text.label(model.name, longest=60), anchor=False, width="content")
            word, colour, help_ = USES[model.use]
            st.badge(word, color=colour, help=help_)
            for capability in (model.capabilities or ())[:8]:
                st.badge(text.label(capability, longest=24), color="gray")
        _facts(model)
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            if model.use in ("decisions", "unknown"):
                page.link("new_run", "New run with it", icon="→", model=model.name)
                st.button("Try a question →", key="models_try", type="tertiary", on_click=_open, args=("ask",))
            st.button("Its knowledge cut-off →", key="models_known", type="tertiary", on_click=_open, args=("cutoffs",))
        if model.use in ("decisions", "unknown"):
            _abilities(model)
        _delete(model)


def _open(part: str) -> None:
    """Another part of this page, about the same model."""
    st.query_params["tab"] = part


def _facts(model: Model) -> None:
    """What the server says, as two columns of words."""
    facts = [
        ("Name", model.name),
        ("Digest", model.digest or format.UNKNOWN),
        ("On disk", size(model.size) if model.size else format.UNKNOWN),
        ("Weights", ", ".join(part for part in (model.parameters, model.quantisation) if part) or format.UNKNOWN),
        ("Family", model.family or format.UNKNOWN),
        ("Window", f"{model.context:,} tokens in training" if model.context else "the server does not say"),
        ("In memory", _memory(model)),
        ("Knowledge", _knowledge(model.cutoff)),
    ]
    if model.characters_per_token:
        facts.append(("Tokens", f"{model.characters_per_token:.2f} characters each, measured on this machine"))
    text.block("\n".join(f"{name + ':':<12}{text.clean(value, longest=240)}" for name, value in facts))


def _memory(model: Model) -> str:
    loaded = model.loaded
    if loaded is None:
        return "not loaded; the first question takes longer"
    parts = [f"window {loaded.window:,} tokens" if loaded.window else "loaded"]
    if loaded.size and loaded.vram is not None:
        parts.append(f"{size(loaded.size)}, {loaded.vram / loaded.size:.0%} of it on the GPU")
    if loaded.forever:
        parts.append("stays for ever")
    elif loaded.until:
        left = (loaded.until - datetime.now(UTC)).total_seconds()
        parts.append(f"for another {format.duration(left)}" if left > 0 else "about to be unloaded")
    return "; ".join(parts)


def _knowledge(cutoff: Cutoff | None) -> str:
    if cutoff is None or not cutoff.month:
        return "the cut-off is not known" + (f" ({cutoff.source})" if cutoff and cutoff.source else "")
    return f"until {cutoff.month}, {'entered by you' if cutoff.edited else cutoff.sureness}. {cutoff.source}"


# ------------------------------------------------------------------------------------------------------------------- the probe


def _abilities(model: Model) -> None:
    """What is known about how it can be asked, and the button that finds out."""
    st.markdown("**How it can be asked**")
    seen = model_jobs.probed(model.name, models_servers.at())
    if seen is not None and seen.state == "running":
        _probing(model.name, models_servers.at())
        return
    if seen is not None and seen.state == "failed":
        _ended(seen)
    if model.abilities:
        _ways(model.abilities)
    else:
        text.plain("Not probed yet on this machine. The first run with it does so by itself.")
    again = "Probe again" if model.abilities else "Probe it now"
    if st.button(again, key="models_probe", icon=":material/science:", help="Loads the model, then asks a handful of small questions."):
        try:
            model_jobs.probe(model.name, models_servers.at(), anew=model.digest if model.abilities else "")
        except RecollectError as error:
            page.banner(error)
            return
        st.rerun()
    if seen is not None and seen.state == "done":
        chosen = seen.found.get("way")
        found = f"; answers will be asked for by {chosen!r}" if chosen else ""
        text.plain(f"Probed in {format.duration(seen.seconds)}{found}.", longest=300)


@st.fragment(run_every=EVERY_S)
def _probing(name: str, base_url: str) -> None:
    seen = model_jobs.probed(name, base_url)
    if seen is None or seen.state != "running":
        models_servers.look_again()
        st.rerun()
    st.progress(0.0, text=f"Loading it, then asking a handful of small questions … {format.duration(seen.seconds)}")
    text.plain("Usually done within a minute once the model is loaded; a large one on a slow disk takes longer. You may leave the page.")
    if st.button("Stop", key="models_probe_stop", icon=":material/stop:", type="tertiary"):
        model_jobs.stop_probe(name, base_url)


def _ended(seen: Probe) -> None:
    with st.container(border=True, gap="xsmall"):
        st.badge("✗ the probe failed", color="red")
        text.plain(seen.reason, longest=1200)
        if seen.cure:
            text.block(seen.cure)


def _ways(abilities: Mapping[str, Any]) -> None:
    """Each way that was tried, whether it works, and why not."""
    ways = abilities.get("ways")
    why = abilities.get("why") if isinstance(abilities.get("why"), dict) else {}
    rows = [
        {
            "way": text.clean(way, longest=40),
            "works": "✓ yes" if works else "✗ no",
            "why not": text.clean((why or {}).get(way, ""), longest=300),
        }
        for way, works in (ways.items() if isinstance(ways, dict) else ())
    ]
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True, key="models_ways", alt="Ways of answering that were probed")
    facts = []
    for key, unit in (("answer_tokens_per_s", "tokens/s written"), ("prompt_tokens_per_s", "tokens/s read")):
        if format.known(abilities.get(key)):
            facts.append(f"{format.number(abilities[key], digits=1)} {unit}")
    if abilities.get("seed_repeats") is not None:
        facts.append("the same seed repeats its words" if abilities["seed_repeats"] else "the same seed does not repeat its words")
    if when := text.clean(abilities.get("probed_at", ""), longest=40)[:10]:
        facts.append(f"probed {when} on server {text.clean(abilities.get('server_version', ''), longest=30)}")
    if facts:
        text.plain("; ".join(facts), longest=600)


# -------------------------------------------------------------------------------------------------------------------- deletion


def _delete(model: Model) -> None:
    """The button, then a box that names what is lost."""
    if st.button("Delete…", key="models_delete", icon=":material/delete:"):
        st.session_state["_models_deleting"] = model.name
    if st.session_state.get("_models_deleting") != model.name:
        return
    with st.container(border=True):
        st.badge("Delete for ever?", color="red", icon="⚠")
        text.plain(f"{model.name} ({size(model.size or 0)}) will be removed from the server's disk. Runs made with it keep their records.")
        for name in services.busy_with(model.name)[:5]:
            text.plain(f"It is in use by the run {name}, which will stop with an error.", longest=300)
        with st.container(horizontal=True):
            sure = st.button("Yes, delete", key="models_delete_yes", type="primary")
            if st.button("Keep it", key="models_delete_no"):
                st.session_state.pop("_models_deleting")
                st.rerun()
        if sure:
            _do_delete(model)


def _do_delete(model: Model) -> None:
    st.session_state.pop("_models_deleting")
    models_servers.look_again()
    try:
        services.delete(model.name, models_servers.at())
    except RecollectError as error:
        page.banner(error)
        return
    st.query_params.pop("model", None)
    st.session_state["_models_said"] = f"{text.clean(model.name, longest=80)} was deleted."
    st.rerun()
