"""Prompts: the wording every question is asked with. Read it, copy it, change the copy, compare, and run with it."""

import streamlit as st

from agent.errors import RecollectError
from services import prompts
from ui import page, prompt_diff, prompt_edit, prompt_look, prompt_past, prompt_sets, url_state

PARTS = {"templates": "Templates", "reads": "What the model reads", "compare": "Compare", "history": "History and runs"}
LEADS = {
    "templates": "What is said to the model, file by file; $words are filled in for each day.",
    "reads": "A made-up day, put together with this set exactly as a run would, part by part.",
    "compare": "What differs between two sets, or between two wordings of one.",
    "history": "The wordings this set has had, and the runs that were asked with them.",
}

page.start("Prompts", __file__)


def unreadable(item: prompts.Listed) -> None:
    """A set whose files are no text: what is wrong, where they lie, and its earlier wordings."""
    page.banner(RecollectError(item.error))
    st.caption(f"Its folder lies in {prompts.home()}. Mend the file there, or bring back an earlier wording.")
    prompt_past.versions(item, None)


try:
    listed = prompts.sets()
except RecollectError as error:
    page.banner(error)
    st.stop()

chosen = prompt_sets.chosen(listed)
prompt_sets.actions(chosen, listed)
if chosen.error:
    unreadable(chosen)
    st.stop()

saved = prompts.written(chosen.name)
part = url_state.choice("part", list(PARTS), label="Part of the page", shown=PARTS)
st.caption(LEADS[part].replace("$", "\\$"))
if part == "templates":
    prompt_edit.templates(chosen, saved)
elif part == "reads":
    prompt_look.question(saved)
elif part == "compare":
    prompt_diff.compare(saved, listed)
else:
    prompt_past.versions(chosen, saved)
    prompt_past.runs(chosen)
