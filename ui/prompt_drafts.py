"""What a person has typed into templates and not saved: kept while they look at other pages, set by set.

A draft remembers the wording it began with, so that a save on top of somebody else's is refused and not silently theirs or ours.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from agent.decision.prompt_set import PromptSet

_KEY = "_prompt_drafts"


def texts(saved: PromptSet) -> dict[str, str]:
    """Template -> text as typed, for those that differ from what is saved."""
    return dict(_all().get(saved.name, {}).get("texts", {}))


def current(saved: PromptSet) -> PromptSet:
    """The set with what was typed, completed as a run would use it."""
    return saved.model_copy(update={"texts": {**saved.texts, **texts(saved)}}).completed()


def before(saved: PromptSet) -> str:
    """Hash of the wording the draft began with."""
    return str(_all().get(saved.name, {}).get("before", saved.hash))


def put(saved: PromptSet, template: str, text: str) -> None:
    """Keep what was typed; a text that is as saved again is no draft."""
    draft = _all().setdefault(saved.name, {"before": saved.hash, "texts": {}})
    if text.rstrip("\n") == saved.completed().texts.get(template, "").rstrip("\n"):
        draft["texts"].pop(template, None)
    else:
        draft["texts"][template] = text
    if not draft["texts"]:
        drop(saved.name)


def drop(name: str, template: str | None = None) -> None:
    """Forget what was typed into one template, or into all of the set."""
    draft = _all().get(name)
    if draft and template:
        draft["texts"].pop(template, None)
    if draft and (not template or not draft["texts"]):
        _all().pop(name)


def names() -> list[str]:
    """Sets with something unsaved."""
    return sorted(_all())


def _all() -> dict[str, dict[str, Any]]:
    return st.session_state.setdefault(_KEY, {})
