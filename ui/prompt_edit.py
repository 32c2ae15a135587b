"""One template at a time: to read, or to edit with what is wrong beside it; its words explained, its size, Save and Discard."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from agent.decision import prompt_set
from agent.decision.prompt import tokens
from agent.decision.prompt_set import Problem, PromptSet
from agent.errors import RecollectError
from services import prompts
from services.prompts import Listed
from ui import prompt_drafts, text, url_state
from ui.data_said import problem

PURPOSES = {
    "decide_system": "The rules of the daily decision: asked at every close of the test window.",
    "study_system": "Asked on training days: explain a move that has already happened.",
    "lessons_system": "Asked every few sessions: lessons from decisions whose outcome is known.",
    "digest_system": "Asked for texts too long to be remembered whole: what is worth keeping of them.",
}


LEFT = 520  # pixels of the text; what is said about it takes the rest of the line, or the next


def templates(item: Listed, saved: PromptSet) -> None:
    """The templates of a set; the open one is in the URL."""
    now = prompt_drafts.current(saved)
    found = prompts.problems(now)
    order = sorted(now.texts, key=lambda name: (list(PURPOSES).index(name) if name in PURPOSES else len(PURPOSES), name))
    template = url_state.choice(
        "template", order, label="Template", shown={name: _marked(name, found, prompt_drafts.texts(saved)) for name in order}
    )
    st.caption(PURPOSES.get(template, "Not a template that Recollect asks with."))
    if item.own:
        _buttons(item, saved)
    beside = st.container(horizontal=True, gap="medium")  # and below each other where the screen is narrow
    with beside.container(width=LEFT):
        if item.own:
            _editor(saved, template, now.texts[template])
        else:
            text.block(now.texts[template])
        st.caption(_size(now.texts[template]))
    with beside.container(width="stretch"):
        if item.own:
            _problems([one for one in found if one.template == template], saved, template)
        _words(template, now.texts[template])


def _marked(name: str, found: Sequence[Problem], drafts: dict[str, str]) -> str:
    wrong = sum(item.template == name and item.level == "error" for item in found)
    marks = [f"{wrong} to mend"] * bool(wrong) + ["unsaved"] * (name in drafts)
    return f"{name} ({', '.join(marks)})" if marks else name


def _size(body: str) -> str:
    lines = body.rstrip("\n").count("\n") + 1
    return f"{len(body):,} characters in {lines} line{'s' * (lines != 1)}, about {tokens(body):,} tokens before the words are filled in"


def _editor(saved: PromptSet, template: str, body: str) -> None:
    key = f"_prompt_text.{saved.name}.{template}"
    st.session_state[key] = body

    def typed() -> None:
        prompt_drafts.put(saved, template, st.session_state[key])

    st.text_area(
        "Text of the template",
        key=key,
        on_change=typed,
        height=460,
        help="Checked when you leave the field, or press Ctrl and Enter. Kept unsaved while you look at other pages.",
    )


def _buttons(item: Listed, saved: PromptSet) -> None:
    """Save and Discard are always there and never greyed: a click on its way out of the editor must not be lost."""
    drafts = prompt_drafts.texts(saved)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        save = st.button("Save", key="prompt_save", type="primary", icon=":material/save:")
        discard = st.button("Discard edits", key="prompt_discard", icon=":material/undo:")
        said = f"Unsaved: {', '.join(sorted(drafts))}." if drafts else "Everything is saved."
        text.plain(said, width="content")
    if (save or discard) and not drafts:
        st.info("There is nothing unsaved in this set.")
    elif save:
        _save(saved)
    elif discard:
        st.session_state["_prompt_discarding"] = item.name
    if st.session_state.get("_prompt_discarding") == item.name and drafts:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            text.plain(f"Throw away what was typed into {', '.join(sorted(drafts))}?", width="content")
            if st.button("Yes, discard", key="prompt_discard_yes", type="primary"):
                st.session_state.pop("_prompt_discarding")
                prompt_drafts.drop(saved.name)
                st.rerun()
            if st.button("Keep editing", key="prompt_discard_no"):
                st.session_state.pop("_prompt_discarding")
                st.rerun()


def _save(saved: PromptSet) -> None:
    try:
        made = prompts.save(saved.name, {**saved.texts, **prompt_drafts.texts(saved)}, before=prompt_drafts.before(saved))
    except RecollectError as error:
        problem(error, what="Not saved")
        return
    prompt_drafts.drop(saved.name)
    st.session_state["_prompts_said"] = f"Saved as wording {made.hash[:8]}. The wording before stays under History."
    st.rerun()


def _problems(found: Sequence[Problem], saved: PromptSet, template: str) -> None:
    if not found:
        st.badge("✓ Nothing wrong with this template", color="green")
    for item in found:
        with st.container(border=True, gap="xsmall"):
            word, colour, icon = ("error", "red", "✗") if item.level == "error" else ("warning", "orange", "!")
            st.badge(f"{icon} {word}", color=colour)  # type: ignore[arg-type]
            text.plain(item.message.removeprefix(f"{template}: ").removeprefix(f"{template}, "), longest=600)
    shipped = prompt_set.shipped().texts.get(template)
    if shipped is not None and prompt_drafts.current(saved).texts[template] != shipped:

        def back() -> None:
            prompt_drafts.put(saved, template, shipped)

        st.button("Take the shipped text back", key="prompt_back", on_click=back, type="tertiary", icon=":material/history:")


def _words(template: str, body: str) -> None:
    """What may stand in the template, and what will stand there afterwards."""
    known, there = prompt_set.words(template), prompt_set.used(body)
    if not known:
        return
    with st.container(border=True, gap="xsmall"):
        st.markdown("**Words that are filled in**")
        for name, word in known.items():
            use = "" if name in there else " · *must be used*" if word.must else " · *not used*"
            st.markdown(f"`${name}` {word.meaning}{use}")
        st.caption(r"A dollar sign itself is written \$\$.")
