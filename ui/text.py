"""The only place that shows untrusted text: what a model wrote, a news item said, a file contained, a person named a run.

Such text may try to load a picture, to be a link, to typeset itself or to reorder its own letters. ``st.text`` and ``st.code`` show it
letter by letter; everything else in Streamlit reads Markdown. So: whole texts through ``plain`` and ``block``; a name that has to sit
inside a label, a badge or a heading through ``label``, which keeps letters, digits and a little harmless punctuation.
"""

from __future__ import annotations

import streamlit as st

from ui.inert_text import LONGEST, clean, label

__all__ = ["LONGEST", "block", "clean", "label", "plain"]


def plain(text: object, *, longest: int = LONGEST, width: str | int = "stretch") -> None:
    """Show ``text`` as running text, letter by letter."""
    st.text(clean(text, longest=longest), width=width)


def block(text: object, *, longest: int = LONGEST, height: int | str = "content") -> None:
    """Show ``text`` in a box with a copy button: prompts, raw answers, sources."""
    st.code(clean(text, longest=longest), language=None, wrap_lines=True, height=height)
