"""What differs between two wordings, in the form every programmer and screen reader knows: − went, + came, nothing by colour alone."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from agent.decision import prompt_set
from agent.decision.prompt_set import Difference, Line, PromptSet
from agent.errors import RecollectError
from services import prompts
from services.prompts import SHIPPED, Listed
from ui import page, prompt_drafts, prompt_sets, text, url_state
from ui.data_said import problem

AROUND = 1  # equal lines shown before and after a change; the lines of a prompt are long
BESIDE = 64  # pixels for sign and number
MOST = 200  # pieces drawn one by one; the plain text below has them all
STATES = {"same": "same", "changed": "changed", "added": "only in the second", "removed": "only in the first"}


def compare(saved: PromptSet, listed: Sequence[Listed]) -> None:
    """From the wording chosen here to the set on the page, unsaved edits included."""
    choices = _choices(saved, listed)
    if not choices:
        page.empty(
            "Nothing to compare with yet",
            "Copy the shipped set and change the copy: here you then see line by line what is different.",
        )
        return
    first = _picked(choices)
    second = f"{saved.name}{', with the unsaved edits' if prompt_drafts.texts(saved) else ''}"
    show = url_state.choice("show", ["changes", "all"], label="Lines", shown={"changes": "Only changes", "all": "Everything"})
    try:
        found = prompt_set.diff(prompts.wording(first).completed(), prompt_drafts.current(saved))
    except RecollectError as error:
        problem(error)
        return
    text.plain(f"−  {choices[first]}\n+  {second}")
    changed = [item for item in found if item.state != "same"]
    if not changed:
        st.badge("≡ The two wordings are the same, letter by letter", color="gray")
    for item in found if show == "all" else changed:
        template(item, whole=show == "all")


def _choices(saved: PromptSet, listed: Sequence[Listed]) -> dict[str, str]:
    """Reference -> how it is called: the shipped set, other sets, and this set as saved or as it was."""
    found = {item.name: item.name for item in listed if item.name != saved.name and not item.error}
    if prompt_drafts.texts(saved):
        found = {saved.name: f"{saved.name}, as saved", **found}
    try:
        past = [item for item in prompts.versions(saved.name) if not item.now]
    except RecollectError as error:
        problem(error)
        past = []
    for item in past:
        found[f"{saved.name}@{item.hash}"] = f"{saved.name}, wording {item.hash[:8]} of {prompt_sets.moment(item.saved_at)}"
    return found


def _picked(choices: dict[str, str]) -> str:
    asked = text.clean(st.query_params.get("with", ""), longest=120)
    if asked.startswith("run:"):
        choices[asked] = f"what run {asked.removeprefix('run:')} was asked with"
    first = SHIPPED if SHIPPED in choices else next(iter(choices))
    if asked and asked not in choices:
        st.warning(f"There is no “{text.label(asked)}” to compare with. Showing {text.label(choices[first])}.", icon="🔎")
    st.session_state["_prompt_with"] = asked if asked in choices else first

    def changed() -> None:
        st.query_params["with"] = st.session_state["_prompt_with"]

    st.selectbox(
        "Compare with", list(choices), key="_prompt_with", format_func=lambda item: text.clean(choices.get(item, item)), on_change=changed
    )
    return str(st.session_state["_prompt_with"])


def template(item: Difference, *, whole: bool) -> None:
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{text.label(item.template)}**", width="content")
            st.badge(STATES[item.state], color="gray")
            if item.state != "same":
                st.badge(f"−{item.removed}", color="red")
                st.badge(f"+{item.added}", color="green")
        if any(_partly(line) for line in item.lines):
            st.caption("Within a changed line, the words that went stand in [− −], those that came in {+ +}.")
        for sign, lines in folded(item.lines, whole=whole)[:MOST]:
            _drawn(sign, lines)
        with st.expander("As plain text, to copy"):
            text.block(written(item.lines, whole=whole))


def _drawn(sign: str, lines: Sequence[Line]) -> None:
    """One line that came or went, or some that stayed, beside their number."""
    if sign == "…":
        st.caption(_fold(len(lines)))
        return
    first, last = (lines[0].one, lines[-1].one) if sign == "-" else (lines[0].other, lines[-1].other)
    numbers = str(first) if first == last else f"{first}–{last}"
    word, colour = {"-": ("− ", "red"), "+": ("+ ", "green"), " ": ("", "gray")}[sign]
    with st.container(horizontal=True, gap="small", vertical_alignment="top"):
        with st.container(width=BESIDE):
            st.badge(f"{word}{numbers}", color=colour)  # type: ignore[arg-type]
        with st.container(width="stretch"):  # a text alone would leave the line where it is long
            text.plain("\n".join(_body(line) or " " for line in lines))


def folded(lines: Sequence[Line], *, whole: bool) -> list[tuple[str, list[Line]]]:
    """Runs of lines to show: each that came or went alone, equal ones together, and those to be left out under the sign ``…``."""
    near = {i + step for i, line in enumerate(lines) if line.sign != " " for step in range(-AROUND, AROUND + 1)}
    found: list[tuple[str, list[Line]]] = []
    for i, line in enumerate(lines):
        sign = "…" if line.sign == " " and not whole and i not in near else line.sign
        if found and found[-1][0] == sign and sign in " …":
            found[-1][1].append(line)
        else:
            found.append((sign, [line]))
    return found


def written(lines: Sequence[Line], *, whole: bool) -> str:
    """The comparison as text: a sign before each line, equal lines folded unless ``whole``."""
    return "\n".join(
        _fold(len(run)) if sign == "…" else "\n".join(f"{sign} {_body(line)}" for line in run) for sign, run in folded(lines, whole=whole)
    )


def _fold(count: int) -> str:
    return f"… {count} equal {'line' if count == 1 else 'lines'}"


def _partly(line: Line) -> bool:
    return len(line.parts) > 1 and any(new for _, new in line.parts)


def _body(line: Line) -> str:
    if not _partly(line):
        return line.text
    left, right = ("[−", "−]") if line.sign == "-" else ("{+", "+}")
    return "".join(f"{left}{part}{right}" if new else part for part, new in line.parts)
