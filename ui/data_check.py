"""Quality: everything odd about the rows, errors first, and what was looked for where nothing is odd."""

from __future__ import annotations

import streamlit as st

from agent.market.sources.base import Issue
from ui import data_market, text
from ui.data_market import Asked
from ui.data_said import issues

LOOKED_FOR = (
    "Prices: missing or infinite, zero or negative, high and low that contradict open and close, negative volume; sessions without a bar, "
    "bars without a session; moves of more than 40 % without a split or dividend and moves that look like a split nobody recorded; the same "
    "close five times in a row; no volume.",
    "Splits and dividends: values that are missing, zero or negative; ex dates without a session.",
    "News: no time of publication, a date without a time, no summary, the same title over and over.",
    "Filings: neither an acceptance time nor a filing date; sections under one key twice.",
)


def report(asked: Asked) -> None:
    """Findings about every ticker asked for."""
    found: list[Issue] = []
    with st.spinner("Checking the rows …"):
        for ticker in asked.tickers:
            found += data_market.checked(asked.key, ticker, asked.start, asked.end)
    errors, warnings = ([item for item in found if item.severity == kind] for kind in ("error", "warning"))
    st.subheader("Quality report", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(f"✗ {len(errors)} error{'s' * (len(errors) != 1)}", color="red" if errors else "gray")
        st.badge(f"! {len(warnings)} warning{'s' * (len(warnings) != 1)}", color="orange" if warnings else "gray")
        st.caption(f"{len(asked.tickers)} ticker{'s' * (len(asked.tickers) != 1)}, {asked.start} to {asked.end}", width="content")
    if found:
        text.plain(
            "Errors stop a run on these rows. Warnings do not; they are written into the run's record."
            if errors
            else "Nothing here stops a run; these warnings would be written into its record."
        )
        issues(found, key="data_quality")
    else:
        st.badge("✓ Nothing odd found", color="green")
    with st.expander("What was looked for", expanded=not found):
        for line in LOOKED_FOR:
            text.plain(line)
