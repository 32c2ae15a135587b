"""Several at once: the part of a new run that makes a batch of it. Nothing chosen here leaves the form a single run."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from agent.errors import SpecError
from agent.memory.layers import PRESETS
from agent.spec import RunSpec
from agent.strategies import STRATEGIES
from services import batch_spec, drafts
from services.batch_spec import CHARACTERS, BatchSpec
from ui import page, text
from ui.run_form import KEPT, WORDS, Form, folded, served

MOST_SEEDS = 200


def asked(form: Form, spec: RunSpec | None) -> BatchSpec | None:
    """The batch that the form describes, or None while it is one run. ``spec`` is None while the form cannot be read."""
    box, drawn = folded(form, "Several at once, as a batch: models, tickers, characters, presets, seeds", "batch")
    if not drawn:
        return None
    with box:
        st.caption("Every combination becomes a run of its own, with what is chosen above as the first. Runs start as the limits allow.")
        thinks = STRATEGIES.load(form.data["strategy"]).needs_model
        left, right = st.columns(2)
        with left:
            alone = _alone(form)
            models = _models(form) if thinks else []
            seeds = _seeds(form)
        with right:
            characters = _more(form, "characters", "Further characters", [c for c in CHARACTERS if c != _character(form)]) if thinks else []
            presets = _presets(form, spec) if thinks else []
            at_once = _limit(form)
        page.link("batches", "More kinds of batch, from a file", icon="→")
    if spec is None or seeds is None:
        return None
    return _batch(spec, alone=alone, models=models, seeds=seeds, characters=characters, presets=presets, at_once=at_once)


def _batch(
    spec: RunSpec, *, alone: bool, models: list[str], seeds: list[int], characters: list[str], presets: list[str], at_once: int | None
) -> BatchSpec | None:
    lists: dict[str, Any] = {}
    if alone and len(spec.tickers) > 1:
        lists["tickers"] = [[ticker] for ticker in spec.tickers]
    if further := [name for name in models if name != spec.backend_options.get("model")]:
        first = {"backend": spec.backend, "options": spec.backend_options}
        lists["models"] = [first, *({**first, "options": {**spec.backend_options, "model": name}} for name in further)]
    if characters:
        lists["characters"] = [spec.profile.character, *characters]
    if presets:
        lists["presets"] = [spec.preset, *presets]
    if further_seeds := [seed for seed in seeds if seed != spec.seed]:
        lists["seeds"] = [spec.seed, *further_seeds]
    if not lists:
        return None
    limits = {spec.backend: at_once} if at_once and STRATEGIES.load(spec.strategy).needs_model else {}
    base = spec.model_dump(mode="json", exclude={"name"})
    return BatchSpec.read({"name": spec.name[:60].strip(), "base": base, "limits": limits, **lists})


def _alone(form: Form) -> bool:
    several = len(form.data.get("tickers", ())) > 1
    help_ = (
        "One run per ticker, each with the whole capital. Off: one run trades them together."
        if several
        else "Choose several tickers above."
    )
    return st.toggle("Each ticker in a run of its own", key=f"{form.key}.batch.alone", disabled=not several, help=help_, **KEPT) and several


def _models(form: Form) -> list[str]:
    if form.data["backend"] == "rules":
        return []
    known = served(str(form.data["backend_options"].get("base_url") or "")).models if form.data["backend"] == "ollama" else ()
    mine = form.data["backend_options"].get("model")
    chosen = st.multiselect(
        "Further models of this backend",
        [name for name in known if name != mine],
        accept_new_options=True,
        key=f"{form.key}.batch.models.{form.data['backend']}",
        placeholder="type a name as the server lists it",
        help="With the same options. Models of other backends: from a file on the page Batches.",
        **KEPT,
    )
    return [name for name in dict.fromkeys(text.clean(item, longest=200).strip() for item in chosen) if name]


def _seeds(form: Form) -> list[int] | None:
    """The seeds typed; None where they cannot be read."""
    typed = st.text_input(
        "Further seeds",
        key=f"{form.key}.batch.seeds",
        placeholder="8, 9, 10 or 8-12",
        help="Repeats of the same configuration: their spread says how much is luck of the draw.",
        max_chars=400,
        **KEPT,
    )
    try:
        return read_seeds(text.clean(typed or ""))
    except SpecError as error:
        text.plain(f"⚠ {error}")
        return None


def read_seeds(typed: str) -> list[int]:
    """``8, 9`` and ``8-12`` as numbers in their order; SpecError names what is neither."""
    found: list[int] = []
    for part in re.split(r"[\s,;]+", re.sub(r"\s*[-–]\s*", "-", typed.strip())):
        if not part:
            continue
        ends = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", part)
        if ends is None:
            raise SpecError(f"Seeds are whole numbers such as 8, 9 or 8-12, not {part[:40]!r}.", field="seed")
        first, last = int(ends[1]), int(ends[2] or ends[1])
        if last < first or last - first >= MOST_SEEDS or last >= 2**31:
            raise SpecError(f"{part} is no range of seeds: write the smaller number first, at most {MOST_SEEDS} of them.", field="seed")
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def _character(form: Form) -> str:
    return str(form.data.get("profile", {}).get("character", ""))


def _presets(form: Form, spec: RunSpec | None) -> list[str]:
    if spec is not None and drafts.is_custom(spec):
        text.plain("The copied run has a memory of its own; choose a preset above to vary it.")
        return []
    return _more(form, "presets", "Further memory presets", [name for name in PRESETS if name != form.data.get("preset")])


def _more(form: Form, name: str, label: str, options: list[str]) -> list[str]:
    chosen = st.multiselect(
        label,
        options,
        key=f"{form.key}.batch.{name}",
        format_func=lambda item: WORDS.get(item, item.replace("_", " ")),
        placeholder="only the one above",
        **KEPT,
    )
    return [item for item in chosen if item in options]


def _limit(form: Form) -> int | None:
    usual = batch_spec.AT_ONCE.get(form.data.get("backend", ""))
    return st.number_input(
        "Runs at the same time",
        min_value=1,
        max_value=32,
        value=None,
        key=f"{form.key}.batch.at_once",
        placeholder=f"{usual}, as usual" if usual else "one per processor",
        help="At most so many runs of this backend, counted over all batches.",
        **KEPT,
    )
