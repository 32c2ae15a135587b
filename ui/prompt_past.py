"""The wordings a set has had, to compare, bring back or copy; and the runs that were asked with the present one."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from agent.decision import prompt_set
from agent.decision.prompt_set import PromptSet
from agent.errors import RecollectError
from services import prompts
from services.prompts import Listed, Version
from ui import prompt_drafts, prompt_sets, text
from ui.data_said import problem, tall
from ui.links import link

MOST_RUNS = 20


def versions(item: Listed, saved: PromptSet | None) -> None:
    """The table of wordings; one that is chosen can be compared, brought back or copied. ``saved`` None: the present one is unreadable."""
    if not item.own:
        text.plain("The shipped set has no history here: it changes only with Recollect itself. A run keeps the texts it was asked with.")
        return
    try:
        found, used = prompts.versions(item.name), prompts.uses()
        rows = [_row(item, version, saved, used) for version in found]
    except RecollectError as error:
        problem(error)
        return
    st.markdown("**Wordings of this set**")
    if not found:
        text.plain("No earlier wording of it was saved here.")
        return
    event = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key=f"prompt_versions.{item.name}",
        on_select="rerun",
        selection_mode="single-row",
        alt="Wordings of the set, newest first",
        height=tall(len(rows), 8),
    )
    picked = event["selection"]["rows"]
    if not picked or picked[0] >= len(found):
        st.caption("Tick a wording to compare it, bring it back or copy it.")
        return
    _actions(item, found[picked[0]], saved)


def _row(item: Listed, version: Version, saved: PromptSet | None, used: dict[str, tuple[str, ...]]) -> dict[str, object]:
    whole = prompts.wording(item.name if version.now else f"{item.name}@{version.hash}").completed()
    changes = prompt_set.diff(whole, saved.completed()) if saved else ()
    runs = {*used.get(version.hash, ()), *used.get(whole.hash, ())}
    return {
        "wording": version.hash[:8],
        "saved": prompt_sets.moment(version.saved_at),
        "since then": "as it is now" if version.now else f"−{sum(c.removed for c in changes)} +{sum(c.added for c in changes)} lines",
        "runs": len(runs),
    }


def _actions(item: Listed, version: Version, saved: PromptSet | None) -> None:
    reference = item.name if version.now else f"{item.name}@{version.hash}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if not version.now and saved:
            link("prompts", "Compare with the present one", icon="→", set=item.name, part="compare", **{"with": reference})
        if not version.now and st.button(f"Bring {version.hash[:8]} back", key="prompt_bring", icon=":material/history:"):
            _bring(item, version, saved)
        with st.popover("Copy as a new set", icon=":material/content_copy:"):
            taken = [other.name for other in prompts.sets()]
            prompt_sets.copying(reference, prompt_sets.free_name(item.name, taken), key="prompt_copy_version")


def _bring(item: Listed, version: Version, saved: PromptSet | None) -> None:
    """Save an earlier wording anew. Unsaved edits would then be edits of something else: they are settled first."""
    if item.name in prompt_drafts.names():
        text.plain("There are unsaved edits in this set; save or discard them first (under Templates).")
        return
    try:
        texts = prompts.wording(f"{item.name}@{version.hash}").texts
        prompts.save(item.name, texts, before=saved.hash if saved else None)
    except RecollectError as error:
        problem(error, what="Not brought back")
        return
    st.session_state["_prompts_said"] = f"{item.name} has the wording {version.hash[:8]} again; the one before stays in this list."
    st.rerun()


def runs(item: Listed) -> None:
    """Links to the runs that were asked with the present wording."""
    st.markdown("**Runs asked with this very wording**")
    if not item.runs:
        text.plain("None yet.")
        return
    names = prompts.run_names(item.runs[:MOST_RUNS])
    with st.container(gap="xsmall"):
        for run, name in names.items():
            link("overview", text.clean(name, longest=80), icon="→", run=run)
    if len(item.runs) > MOST_RUNS:
        text.plain(f"and {len(item.runs) - MOST_RUNS} older ones")
