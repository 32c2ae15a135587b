"""The list of prompt sets, and what can be done with a whole set: copy it, run with it, delete it, take that back."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from agent.decision.prompt import CHARACTERS_PER_TOKEN
from agent.errors import RecollectError
from services import prompts
from services.prompts import SHIPPED, Listed
from ui import page, prompt_drafts, text
from ui.data_said import Places, problem, tall
from ui.links import link

_REMEMBERED = "_prompt_set"


def chosen(listed: Sequence[Listed]) -> Listed:
    """The table of sets; the one in the URL, else the one last looked at, else the shipped one."""
    if said := st.session_state.pop("_prompts_said", ""):
        st.success(text.label(said, longest=200), icon="✅")
    _undo()
    names = [item.name for item in listed]
    name = _asked(names)

    def picked() -> None:
        rows = st.session_state["prompt_sets"]["selection"]["rows"]
        if rows:
            show(names[rows[0]])

    st.dataframe(
        pd.DataFrame([_row(item) for item in listed]),
        hide_index=True,
        key="prompt_sets",
        on_select=picked,
        selection_mode="single-row",
        selection_default={"selection": {"rows": [names.index(name)]}},  # type: ignore[arg-type]
        alt="Prompt sets",
        height=tall(len(listed), 8),
        column_config={
            "tokens": st.column_config.NumberColumn("tokens", help="All templates together, estimated from their characters.", format="%d"),
            "runs": st.column_config.NumberColumn("runs", help="Runs that were asked with this very wording."),
            "wording": st.column_config.TextColumn("wording", help="The hash of all texts together: same hash, same words."),
        },
    )
    return listed[names.index(name)]


def moment(value: datetime) -> str:
    """When a wording was saved, to the minute."""
    return f"{value:%Y-%m-%d %H:%M} UTC"


def show(name: str, **more: str) -> None:
    """Make a set the one the page shows."""
    for key in ("template", "with"):
        st.query_params.pop(key, None)
    st.query_params["set"] = st.session_state[_REMEMBERED] = name
    for key, value in more.items():
        st.query_params[key] = value


def _asked(names: list[str]) -> str:
    asked = text.clean(st.query_params.get("set", ""), longest=60).strip()
    if asked and asked not in names:
        near = difflib.get_close_matches(asked, names, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        st.warning(f"There is no prompt set “{text.label(asked)}” here.{hint} Showing the shipped one.", icon="🔎")
    remembered = st.session_state.get(_REMEMBERED, "")
    name = asked if asked in names else remembered if remembered in names and not asked else SHIPPED
    st.session_state[_REMEMBERED] = name
    if st.query_params.get("set") != name:
        st.query_params["set"] = name
    return name


def _row(item: Listed) -> dict[str, object]:
    wrong = sum(found.level == "error" for found in item.problems)
    state = "✗ cannot be read" if item.error else f"✗ {wrong} to mend" if wrong else "✓ usable"
    return {
        "name": text.clean(item.name, longest=60),
        "kind": "yours" if item.own else "shipped",
        "state": f"{state}, unsaved edits" if item.name in prompt_drafts.names() else state,
        "wording": item.hash[:8],
        "templates": len(item.templates) or None,
        "tokens": int(item.characters / CHARACTERS_PER_TOKEN) or None,
        "runs": len(item.runs),
        "saved": moment(item.saved_at) if item.saved_at else "",
    }


def actions(item: Listed, listed: Sequence[Listed]) -> None:
    """The chosen set in a line, and its buttons."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.subheader(text.label(item.name, longest=60), anchor=False, width="content")
            st.badge("yours" if item.own else "shipped, read only", color="blue" if item.own else "gray")
            if item.hash:
                st.badge(f"wording {item.hash[:8]}", color="gray")
            if item.name in prompt_drafts.names():
                st.badge("✎ unsaved edits", color="orange")
        if not item.own:
            text.plain(
                "This is what every run is asked with unless it says otherwise. It changes only with Recollect itself: copy it to edit."
            )
        for template in item.borrowed:
            text.plain(f"{template} came with a later version of Recollect; this set takes the shipped text until you change it.")
        if item.usable and item.name in prompt_drafts.names():
            text.plain("A run takes the saved wording, not the unsaved edits.")
        elif not item.usable and not item.error:
            text.plain("No run can use it before the errors in its templates are mended.")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if item.usable:
                link("new_run", "Run with this set", icon="→", prompts=item.name)
            _copy(item, listed)
            if item.own and st.button("Delete…", key="prompt_delete", icon=":material/delete:"):
                st.session_state["_prompt_deleting"] = item.name
        if st.session_state.get("_prompt_deleting") == item.name:
            _confirm(item)


def _copy(item: Listed, listed: Sequence[Listed]) -> None:
    if item.error:
        return
    with st.popover("Copy" if item.own else "Copy to edit", icon=":material/content_copy:", type="secondary" if item.own else "primary"):
        copying(item.name, free_name(item.name, [other.name for other in listed]), key="prompt_copy")


def copying(source: str, offered: str, *, key: str) -> None:
    """Ask for a name and make a set of ``source``."""
    places = Places()
    name = st.text_input("Name of the copy", value=offered, key=f"{key}.{source}", max_chars=40).strip()
    places.here("prompts")
    st.caption("Letters, digits, - and _.")
    if st.button("Make the copy", key=f"{key}_yes", type="primary"):
        try:
            made = prompts.copy(source, name)
        except RecollectError as error:
            places.say(error)
            return
        show(made.name, part="templates")
        st.session_state["_prompts_said"] = f"{made.name} is yours to edit."
        st.rerun()


def free_name(source: str, taken: Sequence[str]) -> str:
    """A name nobody has yet: mine, mine-2; cautious-2."""
    stem = "mine" if source == SHIPPED else source[:36].rstrip("-_")
    lower = {name.casefold() for name in taken}
    return next(name for n in range(1, len(lower) + 3) if (name := stem if n == 1 else f"{stem}-{n}").casefold() not in lower)


def _confirm(item: Listed) -> None:
    with st.container(border=True):
        st.badge("Delete this set?", color="red", icon="⚠")
        text.plain(
            f"“{item.name}” leaves the list. Its files and earlier wordings go to the trash in {prompts.home()}, from where they can be put back. "
            "Runs that were asked with it keep their texts, and can be resumed."
        )
        if item.name in prompt_drafts.names():
            text.plain("Its unsaved edits are lost.")
        with st.container(horizontal=True):
            if st.button("Yes, delete it", key="prompt_delete_yes", type="primary"):
                st.session_state.pop("_prompt_deleting")
                try:
                    st.session_state["_prompt_deleted"] = (item.name, prompts.delete(item.name))
                except RecollectError as error:
                    problem(error)
                    return
                prompt_drafts.drop(item.name)
                show(SHIPPED)
                st.rerun()
            if st.button("Keep it", key="prompt_delete_no"):
                st.session_state.pop("_prompt_deleting")
                st.rerun()


def _undo() -> None:
    """As long as the page is open, a deleted set is one press away."""
    if not (deleted := st.session_state.get("_prompt_deleted")):
        return
    name, label = deleted
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        text.plain(f"The set “{name}” was deleted.", width="content")
        if st.button("Put it back", key="prompt_undo", icon=":material/undo:"):
            st.session_state.pop("_prompt_deleted")
            try:
                show(prompts.undelete(label))
            except RecollectError as error:
                page.banner(error)
                return
            st.rerun()
