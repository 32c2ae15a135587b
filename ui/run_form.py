"""The form of a new run: what is on offer in, a draft of a RunSpec out, each sentence about a field beside that field.

Widgets keep what was typed when a field is wrong, when the page is left and when another source is tried. A copy of a run
(``?from=RUN``) is the same form with other first values: its keys carry the run's id, so that copies never mix.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st
from pydantic import BaseModel, ValidationError

from agent.errors import RecollectError, SpecError
from agent.memory import EMBEDDERS
from agent.memory.layers import PRESETS
from agent.spec import Execution, RunSpec, Window
from agent.strategies import STRATEGIES
from services import contamination, drafts, runs
from services.drafts import Offer
from services.runs import Check, Preflight
from ui import cards, format, forms, page, pickers, text
from ui.source_words import SOURCE_WORDS

AS_COPIED = "as in the copied run"
WORDS = {  # what the choices mean, where their names do not say it
    **SOURCE_WORDS,
    "memory": "memory · the agent with layered memory",
    "hold": "hold · buy and hold, no model",
    "rules": "rules, no LLM · offline and deterministic",
    "ollama": "ollama · a model on your machine",
    "openai_compatible": "openai_compatible · vLLM, llama.cpp, LM Studio, OpenRouter, OpenAI …",
    "minilm": "minilm · all-MiniLM-L6-v2, bundled",
    "sentence-transformers": "sentence-transformers · another model by name",
    "hashing": "hashing · words only, instant, for tests",
    "default": "default · FinMem's shapes with its known defects corrected",
    "finmem-paper": "finmem-paper · as the paper describes it",
    "finmem-repo": "finmem-repo · as its published code behaves",
    "investor-bench": "investor-bench · its successor's constants",
}
MARKS = {"stops": ("✗", "red"), "warning": ("!", "orange"), "info": ("i", "gray"), "ok": ("✓", "green")}
KEPT = {"persist_state": "session"}
ASKED = ("from", "model", "prompts")  # URL keys that fill the form


class Form:
    """One form being filled: where its widgets keep their values, and the places where findings appear."""

    def __init__(self, *, key: str, copied: RunSpec | None, wishes: Mapping[str, str] | None = None) -> None:
        """``wishes``: a model or a prompt set that a link asked for, which stands above what is copied."""
        self.key, self.copied = key, copied
        self.given: dict[str, Any] = {**(copied.model_dump() if copied else {}), **_wished(copied, wishes or {})}
        self.below_windows: Any = None  # where the page says whether the model knows these days
        self.data: dict[str, Any] = {}
        self.whole = True  # False when a part cannot be read, so that no draft can be made of it
        self._places: dict[str, Any] = {}

    def place(self, *fields: str) -> None:
        """Findings about ``fields`` appear here."""
        here = st.container()
        for field in fields:
            self._places[field] = here

    def say(self, field: str, message: str) -> None:
        """A sentence beside the field it is about; where none is known, at the form's end."""
        parts = field.split(".")
        names = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
        where = next((self._places[name] for name in names if name in self._places), None)
        with where or st.container(), st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.badge(text.label(parts[0].replace("_", " ")) or "form", color="red", icon="⚠")
            text.plain(message)

    def choose(
        self, field: str, label: str, choices: Sequence[str], *, value: str, help: str, words: Mapping[str, str] | None = None
    ) -> str:
        """One of a few named things; ``words`` says what they mean where the common words do not."""
        start = list(choices).index(value) if value in choices else 0
        shown = _named if words is None else lambda choice: words.get(choice, text.label(choice))
        return st.selectbox(label, list(choices), index=start, key=f"{self.key}.{field}", format_func=shown, help=help, **KEPT)

    def options(
        self, field: str, plug: Any, *, values: Mapping[str, Any], exclude: Sequence[str] = (), where: str = "", drawn: bool = True
    ) -> dict[str, Any]:
        """The plug's own options as widgets; what they hold, or nothing and an unreadable form. Not ``drawn``: what was given."""
        if not drawn:
            return plug.Options.model_validate(dict(values)).model_dump()
        made = forms.options(plug.Options, f"{self.key}.{field}.{where}", values=values, exclude=exclude)
        if made is None:
            self.whole = False
        return made.model_dump() if made is not None else {}


def _wished(copied: RunSpec | None, wishes: Mapping[str, str]) -> dict[str, Any]:
    """First values that a link asked for: ``?model=`` an Ollama model, ``?prompts=`` a set of templates."""
    found: dict[str, Any] = {}
    if model := wishes.get("model"):
        mine = copied.backend_options if copied and copied.backend == "ollama" else {}
        found |= {"strategy": "memory", "backend": "ollama", "backend_options": {**mine, "model": model}}
    if prompts := wishes.get("prompts"):
        found["prompts"] = prompts
    return found


def _named(choice: str) -> str:
    return WORDS.get(choice, choice.replace("_", " "))


def section(title: str, lead: str = "") -> Any:
    """A bordered part of the form with its heading."""
    here = st.container(border=True)
    with here:
        st.subheader(title, anchor=False)
        if lead:
            st.caption(lead)
    return here


def folded(form: Form, title: str, name: str, *, needed: bool = False) -> tuple[Any, bool]:
    """A part that is folded away at first, and whether its widgets are to be drawn: from the moment it was opened once.

    Until then what was given counts, so nothing is lost by not drawing it; ``needed`` opens it at once.
    """
    key = f"{form.key}.more.{name}"
    here = st.expander(title, key=key, expanded=needed, on_change="rerun")
    if here.open or needed:
        st.session_state[f"_{key}.seen"] = True
    if not st.session_state.get(f"_{key}.seen"):
        here.caption("…")  # without any content it could not be opened
        return here, False
    return here, True


def whole(model: type[BaseModel], values: Mapping[str, Any]) -> bool:
    """Whether the options stand without a person's help: an option that has no default, or a wrong one in a copy, has to be seen."""
    try:
        model.model_validate(dict(values))
    except (ValidationError, SpecError):
        return False
    return True


def digest(data: Mapping[str, Any]) -> str:
    """Another source is another set of widgets: a value of one is not a choice of the other."""
    return hashlib.sha1(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:8]


# ----------------------------------------------------------------------------------------------------------------- the windows


def windows(form: Form, offer: Offer, *, below: Callable[[Form], None]) -> None:
    """Train and test window, bounded by the data, and what the data hold in them."""
    with section("2  Windows", "Learn first, then trade. Both ends are included; the agent gets hindsight only in training."):
        learn, trade = _first_windows(form, offer)
        at = f"{form.key}.window.{digest({key: form.data[key] for key in ('source', 'source_options')})}"
        bounds = _bounds(offer, learn, trade)

        def day(place: Any, label: str, value: date, *, off: bool = False) -> Any:
            return place.date_input(label, value=value, key=f"{at}.{label}", format="YYYY-MM-DD", disabled=off, **bounds, **KEPT)

        switch, *train = st.columns([1.4, 2, 2], vertical_alignment="bottom")
        starts = form.copied is None or form.copied.train is not None
        trains = switch.toggle("Train first", value=starts, key=f"{at}.trains", **KEPT)
        ends = [day(train[0], "Train from", learn.start, off=not trains), day(train[1], "Train to", learn.end, off=not trains)]
        _, *test = st.columns([1.4, 2, 2])
        ends += [day(test[0], "Test from", trade.start), day(test[1], "Test to", trade.end)]
        form.data["train"] = {"start": ends[0], "end": ends[1]} if trains else None
        form.data["test"] = {"start": ends[2], "end": ends[3]}
        form.place("train", "test", "start", "end")
        form.below_windows = st.container()
        below(form)


def _first_windows(form: Form, offer: Offer) -> tuple[Window, Window]:
    """The copied run's windows, else a suggestion for this source."""
    learn, trade = drafts.suggested(offer.first, offer.last)
    if form.copied and form.copied.source == form.data["source"]:
        return form.copied.train or learn, form.copied.test
    return learn, trade


def _bounds(offer: Offer, *shown: Window) -> dict[str, Any]:
    """The days the data cover, widened where a copied run reaches beyond them."""
    firsts = [offer.first or date(1990, 1, 1), *(window.start for window in shown)]
    lasts = [offer.last or date(2039, 12, 31), *(window.end for window in shown)]
    return {"min_value": min(firsts), "max_value": max(lasts)}


# ------------------------------------------------------------------------------------------------------------------ the memory


def memory(form: Form) -> None:
    """Preset with its layers, embedder, lessons."""
    if not STRATEGIES.load(form.data["strategy"]).needs_model:
        return
    with section("4  Memory"):
        custom = form.copied is not None and drafts.is_custom(form.copied)
        choices = [*([AS_COPIED] if custom else []), *PRESETS]
        left, middle, right = st.columns(3)
        with left:
            start = AS_COPIED if custom else form.given.get("preset", "default")
            preset = form.choose("preset", "Preset", choices, value=start, help="A named table of constants and switches.")
        given = form.given.get("memory", {})
        with middle:
            embedder = form.choose(
                "embedder",
                "Embeddings",
                list(EMBEDDERS),
                value=given.get("embedder", "minilm"),
                help="What turns a text into a vector for recall.",
            )
        mine = given.get("embedder_options", {}) if embedder == given.get("embedder") else {}
        options = form.options("embedder_options", EMBEDDERS.load(embedder), values=mine, where=embedder)
        kept = form.copied if preset == AS_COPIED else None
        form.data["preset"] = kept.preset if kept else preset
        form.data["memory"] = drafts.memory(preset, embedder, options, kept=kept)
        form.data["extended_every"] = right.number_input(
            "Lessons every … sessions",
            min_value=0,
            max_value=252,
            value=form.given.get("extended_every", 5),
            key=f"{form.key}.extended_every",
            help=RunSpec.model_fields["extended_every"].description,
            **KEPT,
        )
        form.place("preset", "memory", "extended_every")
        here, drawn = folded(form, f"The layers of {text.label(preset)}", "layers")
        if drawn:
            with here:
                _layers(form.data["memory"]["layers"])


def _layers(layers: Sequence[Mapping[str, Any]]) -> None:
    rows = pd.DataFrame(
        [
            {
                "layer": layer["name"],
                "starts here": ", ".join(cards.KINDS[kind] for kind in layer["accepts"]),
                "fades over (days)": layer["recency_days"],
                "decay per day": layer["importance_decay"],
                "promoted at": layer["promote_at"],
                "demoted below": layer["demote_below"],
                "recalled at most": layer["top_k"],
            }
            for layer in layers
        ]
    )
    st.dataframe(rows, hide_index=True, key="preset_layers", placeholder="never", alt="The layers of the chosen preset")


# --------------------------------------------------------------------------------------------------------- money and identity


def money(form: Form) -> None:
    """Capital, fills and costs."""
    with section("5  Money and fills"):
        given = dict(form.given.get("execution") or {})
        said = st.container()
        here, drawn = folded(form, "Change capital, fills and costs", "execution", needed=not whole(Execution, given))
        made: Execution | None = None if drawn else Execution.model_validate(given)
        if drawn:
            with here:
                made = forms.options(Execution, f"{form.key}.execution", values=given, columns=3)
        form.place("execution")
        form.whole &= made is not None
        form.data["execution"] = made.model_dump() if made else {}
        if made is not None:
            said.caption(_terms(made))


def _terms(made: Execution) -> str:
    """The terms of trade in one line."""
    parts = [
        f"{format.number(made.cash)} of capital",
        "filled at the next open" if made.fill == "next_open" else "filled at the same close, which is optimistic",
        f"{made.commission_bps:g} bp commission",
        f"{made.slippage_bps:g} bp slippage",
        "fractional shares" if made.fractional else "whole shares",
        "short selling allowed" if made.allow_short else "no short selling",
        "stops carried out" if made.stops else "no stops",
    ]
    return ", ".join(parts) + "."


def identity(form: Form) -> None:
    """Name and seed."""
    with section("6  Name and seed"):
        left, right = st.columns([3, 1])
        with left:
            name = st.text_input(
                "Name",
                value=form.given.get("name", ""),
                max_chars=120,
                key=f"{form.key}.name",
                placeholder="how it is listed in the library",
                **KEPT,
            )
        with right:
            form.data["seed"] = st.number_input(
                "Seed",
                min_value=0,
                max_value=2**31 - 1,
                value=form.given.get("seed", 7),
                key=f"{form.key}.seed",
                help="Two runs of one spec and one seed decide the same.",
                **KEPT,
            )
        form.data["name"] = text.clean(name, longest=120).strip()
        form.place("name", "seed")


# ------------------------------------------------------------------------------------------------------------------- the plan


def plan(found: Preflight, seconds: float | None) -> None:
    """What the run would be, before it is one."""
    figures = [
        ("Sessions to learn", f"{found.sessions_train}", "Per ticker, with hindsight."),
        ("Sessions to trade", f"{found.sessions_test}", "Per ticker."),
        ("Model calls", f"{found.model_calls:,}", "At most, without repeated questions."),
        (
            "Estimated time",
            format.duration(seconds) if seconds is not None else "not measured",
            "At the pace of your newest run with this model and embedder.",
        ),
    ]
    with st.container(horizontal=True, gap="small"):
        for label, value, help_ in figures:
            st.metric(label, value, help=help_, width=160)


def checklist(form: Form, found: Preflight) -> None:
    """One line per check, those that passed folded away; what stops the run is said beside its field too."""
    passed = [check for check in found.checks if check.ok and check.severity == "error"]
    _checks(form, [check for check in found.checks if check not in passed])
    if passed:
        box = st.expander(f"✓ {len(passed)} checks passed", key=f"{form.key}.passed", on_change="rerun")
        with box:
            _checks(form, passed) if box.open else st.caption("…")


def _checks(form: Form, checks: Sequence[Check]) -> None:
    for check in checks:
        bad = not check.ok and check.severity == "error"
        kind = "stops" if bad else check.severity if check.severity != "error" else "ok"
        word, colour = MARKS[kind]
        mark, says = st.columns([1, 6], gap="small")
        mark.badge(f"{word} {text.label(check.what)}", color=colour)
        with says:
            text.plain(check.message, longest=600)
        if bad and check.field:
            form.say(check.field, check.message)


# ---------------------------------------------------------------------------------------------- what takes a moment to find out


@st.cache_data(ttl=20, max_entries=8, show_spinner="Asking the Ollama server …")
def served(base_url: str) -> drafts.Served:
    return drafts.served(base_url)


@st.cache_data(ttl=60, max_entries=32, show_spinner="Checking data and model …")
def checked(spec: str) -> tuple[Preflight, float | None]:
    """The preflight of a spec as JSON, and how many seconds the run would take."""
    asked = RunSpec.model_validate_json(spec)
    found = runs.preflight(asked)
    return found, drafts.estimate_s(asked, found.sessions_train + found.sessions_test)


def known_before(form: Form, spec: RunSpec) -> None:
    """Below the windows: whether the model of this draft may know the days it would be tested on."""
    found = contamination.for_spec(spec)
    if form.below_windows is None or not found.sentence:
        return
    with form.below_windows, st.container(horizontal=True, vertical_alignment="center", key="known_before"):
        inside = found.level in ("inside", "partly")
        colour = "red" if inside else "orange" if found.warns else "green"
        st.badge("May know these days" if inside else "Knowledge cut-off", color=colour, icon="⚠️" if found.warns else "✔️")
        text.plain(found.sentence, longest=600)


def look_again() -> None:
    """Forget what was found out: the data or the server may have changed."""
    for found in (served, checked):
        found.clear()


def copied() -> tuple[str, RunSpec | None, dict[str, str]]:
    """Key of the form, the spec it starts from (``?from=RUN``) and what a link asked for (``?model=``, ``?prompts=``).

    All are remembered while the person looks at other pages, until the form is started over.
    """
    asked = {name: found for name in ASKED if (found := pickers.read(name) or st.session_state.get(f"_asked_{name}"))}
    found = None
    if run := asked.get("from"):
        try:
            found = drafts.copy_of(run)
        except RecollectError as error:
            page.banner(error)
            afresh()
            asked = {}
    for name, value in asked.items():
        st.session_state[f"_asked_{name}"] = value
        st.query_params[name] = value
    wishes = {name: value for name, value in asked.items() if name != "from"}
    parts = [f"new{st.session_state.get('_form', 0)}", *([found.fingerprint()[:8]] if found else []), *([digest(wishes)] if wishes else [])]
    return ".".join(parts), found, wishes


def afresh() -> None:
    """Forget the copied run, what links asked for, and everything typed."""
    for name in ASKED:
        st.session_state.pop(f"_asked_{name}", None)
        st.query_params.pop(name, None)
    st.session_state["_form"] = st.session_state.get("_form", 0) + 1
