"""The ways out of a day: to the causal thread of a memory, of a source text or of the day, and to a step of its trace.

A link to a step keeps what is being looked for, so that a find survives a click on what it found.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from ui import day_table
from ui.links import link

# Streamlit shows what a link to the same page asks for but leaves the browser's address as it was; taking a key out of the address on
# the server makes the browser write the rest of it. So a link within the page carries one key more, which never stays.
BY_LINK = "via"
STAYS = ("q", "words")  # keys of a trace that a link inside it must not lose


def arrived() -> None:
    """First thing on the page: after a click on one of its own links, tell the browser the address that is now shown."""
    if BY_LINK in st.query_params:
        del st.query_params[BY_LINK]


def here(label: str, *, icon: str | None = None, **keys: Any) -> None:
    """A link from the Days page to the Days page."""
    link("days", label, icon=icon, **keys, **{BY_LINK: 1})


def thread(run: str, ticker: str, *, label: str = "Thread", **about: Any) -> None:
    """To the causal thread of one of ``mem``, ``src`` or ``day``."""
    link("thread", label, icon="⇄", run=run, ticker=ticker, **about)


def step(name: str, label: str, *, icon: str = "", **keys: Any) -> None:
    """To one step of the day that is shown, or of the one in ``keys``; filters of the table and the words looked for stay."""
    kept = {key: st.query_params[key] for key in ("run", "ticker", "day", *STAYS, *day_table.KEPT) if st.query_params.get(key)}
    given = {key: str(value) for key, value in keys.items() if value is not None}
    here(label, icon=icon or None, **{**kept, **given, "step": name})
