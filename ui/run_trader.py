"""The part of a new run that says who decides and how the model is asked: backend, second model, prompts, digests, masking, cache.

What is given is what the run will be: a copy brings all of it along, folded away or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from agent.decision.options import Digest, Masking
from agent.errors import RecollectError, SpecError
from agent.llm import BACKENDS
from agent.spec import Profile
from agent.strategies import STRATEGIES
from services import drafts, prompts
from services.prompts import SHIPPED
from ui import forms, page, text
from ui.run_form import KEPT, Form, folded, section, served, whole

CACHE = {
    "off": "off · answers are neither kept nor looked up",
    "write-only": "write-only · answers are kept, the model is always asked",
    "full": "full · a question it answered before is not asked again",
}
HIDE = {
    "names": ("Names", "Tickers, companies and the words below become STOCK_01, COMPANY_01, …"),
    "dates": ("Dates", "All dates are shifted by the same number of weeks, decades away."),
    "prices": ("Prices", "Prices start at 100; amounts of money are left out."),
}


def trader(form: Form) -> None:
    """Strategy, model, character, and how the model is asked."""
    with section("3  Trader"):
        left, right = st.columns(2)
        with left:
            strategy = form.choose(
                "strategy", "Strategy", list(STRATEGIES), value=form.given.get("strategy", "memory"), help="What decides each day."
            )
        plug = STRATEGIES.load(strategy)
        same = strategy == form.given.get("strategy")
        form.data["strategy"] = strategy
        chosen = form.options("strategy_options", plug, values=form.given.get("strategy_options", {}) if same else {}, where=strategy)
        # What stands at its default is left out: with an option that came later, the same experiment keeps its fingerprint.
        fields = plug.Options.model_fields
        form.data["strategy_options"] = {name: value for name, value in chosen.items() if value != fields[name].get_default()}
        if not plug.needs_model:
            text.plain("This strategy asks no model: model, character and memory play no part.")
            return
        with right:
            backend = form.choose(
                "backend",
                "Model backend",
                list(BACKENDS),
                value=form.given.get("backend", "rules"),
                help="What reads the prompt and answers.",
            )
        form.data["backend"] = backend
        mine = form.given.get("backend_options", {}) if backend == form.given.get("backend") else {}
        form.data["backend_options"] = _backend_options(form, "backend_options", backend, mine)
        form.place("backend", "backend_options", "strategy", "strategy_options", "model")
        profile = forms.options(Profile, f"{form.key}.profile", values=form.given.get("profile"))
        form.place("profile")
        form.whole &= profile is not None
        form.data["profile"] = profile.model_dump() if profile else {}
        _helper(form)
        _wording(form)
        _long_texts(form)
        _hidden(form)


# ----------------------------------------------------------------------------------------------------------------- the models


def _backend_options(form: Form, field: str, backend: str, mine: Mapping[str, Any]) -> dict[str, Any]:
    """The backend's options; the model of an Ollama server from the list of those installed there."""
    model = _installed(form, field, mine) if backend == "ollama" else None
    taken = {} if model is None else {"model": model}
    plug: Any = BACKENDS.load(backend)
    here, drawn = folded(
        form, f"All options of {text.label(backend)}", f"{field}.{backend}", needed=not whole(plug.Options, {**mine, **taken})
    )
    with here:
        found = form.options(field, plug, values={**mine, **taken}, exclude=list(taken), where=backend, drawn=drawn)
    return {**found, **taken} if found else {}


def _installed(form: Form, field: str, mine: Mapping[str, Any]) -> str:
    """The models of the server, free text too, and whether the server answers at all."""
    at = f"{form.key}.{field}.ollama.base_url"
    offered = served(str(st.session_state.get(at, mine.get("base_url", ""))))
    first = str(mine.get("model") or (offered.models[0] if offered.models else "qwen3:8b"))
    names = list(dict.fromkeys([first, *offered.models]))
    second = field != "backend_options"
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with left:
        chosen = st.selectbox(
            "Second model" if second else "Model",
            names,
            index=names.index(first),
            accept_new_options=True,
            key=f"{form.key}.{field}.model" if second else f"{form.key}.model",
            help="Installed models are listed; any other name may be typed, as `ollama list` shows it.",
            **KEPT,
        )
    if right.button("Refresh", key=f"refresh_{field}", icon=":material/refresh:", width="stretch"):
        served.clear()
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge("✓ Ollama answers" if offered.health.ok else "⚠ Ollama", color="green" if offered.health.ok else "orange")
        text.plain(offered.health.message, width="content")
    if offered.health.cure and not offered.health.ok:
        text.block(offered.health.cure)
    return text.clean(chosen or "", longest=200).strip()


def _helper(form: Form) -> None:
    """A second model, off unless wanted: without it the decision model writes its own digests and reflections."""
    given = form.given.get("helper") or {}
    wanted = st.toggle(
        "Second model for digests and reflections",
        value=bool(given),
        key=f"{form.key}.helper",
        help="A small fast model can shorten long texts and write lessons; decisions stay with the first. Off: one model does all.",
        **KEPT,
    )
    form.data["helper"] = None
    if wanted:
        with st.container(border=True):
            backends = list(BACKENDS)
            backend = form.choose(
                "helper.backend", "Its backend", backends, value=given.get("backend", "ollama"), help="What the second model is served by."
            )
            mine = given.get("options", {}) if backend == given.get("backend") else {}
            form.data["helper"] = {"backend": backend, "options": _backend_options(form, "helper.options", backend, mine)}
            if backend == "ollama" and form.data["backend"] == "ollama":
                st.caption("Both models on one Ollama server: it keeps them loaded side by side only where memory allows, else it swaps.")
    form.place("helper")


# ------------------------------------------------------------------------------------------------------------ how it is asked


def _wording(form: Form) -> None:
    """The set of prompts and the answer cache."""
    left, right = st.columns(2)
    with left:
        _prompts(form)
    with right:
        form.data["answer_cache"] = form.choose(
            "answer_cache",
            "Answer cache",
            list(CACHE),
            value=form.given.get("answer_cache", "write-only"),
            help="Answers are kept by model file, options and every word of the question, so only what changed is asked again.",
            words=CACHE,
        )
        form.place("answer_cache")


def _prompts(form: Form) -> None:
    found = {item.name: item for item in prompts.sets()}
    given = form.given.get("prompts", SHIPPED)
    names = list(dict.fromkeys([*found, given]))
    words = {name: _set_words(name, usable=name in found and found[name].usable) for name in names}
    form.data["prompts"] = form.choose(
        "prompts", "Prompts", names, value=given, help="The wording of the questions. The run keeps its own copy.", words=words
    )
    page.link("prompts", "Look at the prompts", icon="→", set=form.data["prompts"])
    form.place("prompts")
    try:
        prompts.get(form.data["prompts"])
    except RecollectError as error:
        form.say("prompts", str(error))
        form.whole = False


def _set_words(name: str, *, usable: bool) -> str:
    shown = "default · the wording that comes with Recollect" if name == SHIPPED else text.label(name)
    return shown if usable else f"{shown} (cannot be used)"


def _long_texts(form: Form) -> None:
    """How what is too long to be remembered whole is made shorter."""
    given = dict(form.given.get("digest") or {})
    here, drawn = folded(form, "Long texts", "digest", needed=not whole(Digest, given))
    made: Digest | None = None if drawn else Digest.model_validate(given)
    if drawn:
        with here:
            st.caption(
                "Filing sections and floods of news become short digests before they are remembered. The source text stays with its day."
            )
            made = forms.options(Digest, f"{form.key}.digest", values=given)
    form.place("digest")
    form.whole &= made is not None
    form.data["digest"] = made.model_dump() if made else {}


def _hidden(form: Form) -> None:
    """What the model is not to recognise; the mapping stays with the run."""
    given = form.given.get("masking", {})
    here, drawn = folded(form, "Hide from the model", "masking", needed=any(given.get(name) for name in HIDE))
    form.place("masking")
    if not drawn:
        form.data["masking"] = Masking.model_validate(given).model_dump()
        return
    with here:
        st.caption("What a model may know by heart it need not reason about. Screens and files show the market's own words again.")
        chosen: dict[str, Any] = {}
        for place, (name, (label, help_)) in zip(st.columns(3), HIDE.items(), strict=True):
            with place:
                chosen[name] = st.toggle(label, value=bool(given.get(name)), key=f"{form.key}.masking.{name}", help=help_, **KEPT)
        typed = st.text_area(
            "Further words that give a company away",
            value=drafts.aliases_text(given.get("aliases", {})),
            key=f"{form.key}.masking.aliases",
            height=90,
            placeholder="AAPL: iPhone, Cupertino, Tim Cook",
            help="One line per ticker: products, people, places. They are hidden with the names.",
            disabled=not chosen["names"],
            **KEPT,
        )
    try:
        chosen["aliases"] = drafts.read_aliases(text.clean(typed or ""), form.data.get("tickers", ())) if chosen["names"] else {}
    except SpecError as error:
        form.say(error.field, str(error))
        form.whole = False
    form.data["masking"] = Masking.model_validate(chosen).model_dump() if "aliases" in chosen else {}
