"""Knowledge cut-offs: what is known of each model and who says so, a person's own entries above it, and a way back."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from agent.errors import RecollectError, SpecError
from agent.llm.cutoffs import LONGEST_NAME, Cutoff, cutoff_of, key_of, shipped
from services import models
from ui import format, models_servers, models_table, page, text
from ui.data_said import tall

SURENESS = ("stated by vendor", "estimated", "unknown")
WHO = {True: "entered here", False: "comes with Recollect"}


def cutoffs() -> None:
    """The table of models that matter here, then one to change."""
    text.plain(
        "A model has read the news of the time before its cut-off. A test window before it measures memory, not judgement; such runs are "
        "marked, and so are windows within 90 days after it. Months that a vendor does not state are estimated by the release: the model "
        "knows nothing later. Correct what you know better; your entry counts at once, for finished runs too."
    )
    entered = models.entered()
    if entered.problem:
        st.warning(text.label(entered.problem, longest=400), icon="⚠️")
    names = _names(entered.cutoffs)
    if names:
        _table(names, entered.cutoffs)
    else:
        page.empty(
            "No model is in sight", "No server answers with a model and nothing was entered yet. You can enter a model by its name below."
        )
    _edit(names, entered.cutoffs)


def _names(edited: dict[str, Cutoff]) -> list[str]:
    """Installed models, those a person entered, and the one in the URL."""
    at = models_servers.at()
    found: list[str] = []
    ollama = models_servers.asked_ollama(at, models_servers.where(at))
    if ollama.models:
        try:
            found = [model.name for model in models_servers.installed(at, ollama.url) if model.use != "embeddings only"]
        except RecollectError as error:
            page.banner(error)
    other = st.session_state.get("_models_openai") or models_servers.asked_openai(models_servers.where("", openai=True))
    found += [listed.id for listed in other.listed[:50]]
    found += [name for name in edited if not any(_same(name, each) for each in found)]
    wanted = models_table.asked_for()
    if wanted and not any(_same(wanted, each) for each in found):
        found.insert(0, wanted)
    return found


def _same(one: str, other: str) -> bool:
    try:
        return key_of(one) == key_of(other)
    except SpecError:
        return False


def _table(names: list[str], edited: dict[str, Cutoff]) -> None:
    rows = []
    for name in names:
        found = cutoff_of(name, edited)
        rows.append(
            {
                "model": text.clean(name, longest=120),
                "knows until": found.month if found and found.month else "not known",
                "how sure": found.sureness if found else "unknown",
                "who": WHO[found.edited] if found else format.UNKNOWN,
                "source": text.clean(found.source, longest=300) if found else "Nobody here knows this model; enter what its card says.",
            }
        )
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="models_cutoffs",
        height=tall(len(rows), 12),
        alt="Knowledge cut-offs of the models in sight",
        column_config={
            "model": st.column_config.TextColumn("model", pinned=True, width=230),
            "source": st.column_config.TextColumn("source", width="large"),
        },
    )


def _edit(names: list[str], edited: dict[str, Cutoff]) -> None:
    """One model's month, source and sureness."""
    st.subheader("Enter or correct one", anchor=False)
    if said := st.session_state.pop("_models_cutoff_said", ""):
        st.success(text.label(said, longest=200), icon="✅")
    wanted = models_table.asked_for()
    name = _chosen(names, wanted)
    if not name:
        return
    found = cutoff_of(name, edited) or Cutoff()
    mark = f"{name}|{found.month}|{found.sureness}|{found.source}"  # other values make another form
    with st.form(f"models_cutoff_{mark}", border=True):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            month = st.text_input("Knows until (YYYY-MM, empty: not known)", value=found.month, max_chars=7, width=280)
            sureness = st.selectbox("How sure", SURENESS, index=SURENESS.index(found.sureness), width=220)
        source = st.text_input("Who says so", value=found.source if found.edited else "", max_chars=400, placeholder="model card of …")
        with st.container(horizontal=True, gap="small"):
            save = st.form_submit_button("Keep it", type="primary", icon=":material/save:")
            reset = st.form_submit_button("Reset to what comes with Recollect", disabled=not found.edited)
    if reset:
        _act(lambda: models.reset_cutoff(name), f"{name}: back to what comes with Recollect.")
    if save:
        _act(lambda: _keep(name, month, source, sureness), f"{name}: kept.")
    if found.edited and (theirs := shipped(name)):
        text.plain(f"Comes with Recollect: {theirs.month or 'not known'} ({theirs.sureness}). {theirs.source}", longest=500)


def _chosen(names: list[str], wanted: str) -> str:
    """A model of the list, or any other by its name."""
    other = "another model, by its name"
    options = [*names, other]
    index = next((i for i, name in enumerate(names) if wanted and _same(name, wanted)), 0)
    picked = st.selectbox(
        "Model", options, index=index, format_func=lambda item: text.clean(item, longest=100), width=520, key=f"models_cut_{wanted}"
    )
    if picked != other:
        return picked or ""
    return st.text_input(
        "Name, as the run will use it", max_chars=LONGEST_NAME, placeholder="my-model:7b", width=520, key="models_cut_name"
    ).strip()


def _keep(name: str, month: str, source: str, sureness: str) -> None:
    month = month.strip()
    if month and sureness == "unknown":
        raise SpecError("A month that is entered is either stated by the vendor or estimated: say which.", field="how sure")
    try:
        cutoff = Cutoff(month=month, source=source.strip(), sureness=sureness if month else "unknown")  # type: ignore[arg-type]
    except ValidationError as error:
        raise SpecError(error.errors()[0]["msg"].removeprefix("Value error, "), field="month") from None
    if month and not cutoff.source:
        raise SpecError("Say who says so, such as 'model card': without a source the month helps nobody.", field="who says so")
    models.enter_cutoff(name, cutoff)


def _act(action: Callable[[], None], said: str) -> None:
    try:
        action()
    except RecollectError as error:
        page.banner(error)
        return
    models_servers.look_again()
    st.session_state["_models_cutoff_said"] = said
    st.rerun()
