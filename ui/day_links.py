"""The ways out of a day: to the causal thread of a memory, of a source text or of the day, and to a step of its trace.

A link to a step keeps what is being looked for, so that a find survives a click on what it found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ui.links import link

STAYS = ("q", "words")  # keys of a trace that a link inside it must not lose


def thread(run: str, ticker: str, *, label: str = "Thread", **about: Any) -> None:
    """To the causal thread of one of ``mem``, ``src`` or ``day``."""
    link("thread", label, icon="⇄", run=run, ticker=ticker, **about)


def step(name: str, label: str, *, icon: str = "", **keys: Any) -> None:
    """To one step of the day that is shown, or of the one in ``keys``."""
    here = {key: st.query_params[key] for key in ("run", "ticker", "day", *STAYS) if st.query_params.get(key)}
    given = {key: value for key, value in keys.items() if value is not None}
    link("days", label, icon=icon or None, **{**here, **_texts(given), "step": name})


def _texts(keys: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in keys.items()}
