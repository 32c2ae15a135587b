"""The tab "Spec and prompts": what differs between the settings, between how the runs were really made, and between their wordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from agent.decision.prompt_set import Difference
from agent.errors import RecollectError
from services import compare_specs
from services.compare import Comparison, Side
from services.compare_specs import Setting
from ui import compare, page, prompt_diff, text, url_state


@st.cache_data(max_entries=16, show_spinner=False)
def _wording(one: str, other: str, *, _sides: tuple[Side, Side]) -> tuple[Difference, ...]:
    return compare_specs.wording(*_sides)


def section(found: Comparison, base: str) -> None:
    """Settings, circumstances, wording."""
    every = (
        url_state.choice("fields", ["differ", "all"], label="Fields", shown={"differ": "Only what differs", "all": "Everything"}) == "all"
    )
    st.subheader("Settings", anchor=False)
    settings = compare_specs.settings(found)
    shown = [item for item in settings if every or item.differs]
    if shown:
        _table(found, shown, key="compare_settings", alt="Fields of the run specifications, side by side")
    _said(len(settings), sum(item.differs for item in settings), every=every)
    st.subheader("How they were made", anchor=False)
    facts = [item for item in compare_specs.circumstances(found) if every or item.differs]
    if facts:
        _table(found, facts, key="compare_facts", alt="Models, wording, window, data and versions, side by side")
    else:
        text.plain("≡ Same model, same answers' form, same wording, same data, same versions.")
    _prompts(found, base)


def _said(total: int, differ: int, *, every: bool) -> None:
    if not differ:
        text.plain(f"≡ All {total} settings are the same; the name of a run is not one.")
    elif not every:
        st.caption(f"{differ} of {total} settings differ. A dash: not set.")


def _table(found: Comparison, rows: Sequence[Setting], *, key: str, alt: str) -> None:
    frame = pd.DataFrame(
        [
            {
                "name": f"{'≠' if item.differs else '≡'} {text.clean(item.name, longest=120)}",
                **{side.item: text.clean(item.values[side.item], longest=400) for side in found.runs},
                "help": item.help,
            }
            for item in rows
        ]
    )
    column: Any = st.column_config
    st.dataframe(
        frame,
        hide_index=True,
        key=key,
        height="content" if len(rows) < 30 else 700,
        alt=alt,
        column_order=["name", *(side.item for side in found.runs), *(["help"] if any(item.help for item in rows) else [])],
        column_config={
            "name": column.TextColumn("Field", pinned=True, width=220, help="≠ differs, ≡ the same."),
            **{side.item: column.TextColumn(f"{side.number} {text.label(side.label, longest=40)}", width=190) for side in found.runs},
            "help": column.TextColumn("Meaning", width="large"),
        },
    )


def _prompts(found: Comparison, base: str) -> None:
    """What changed in the wording from the baseline to another side, line by line."""
    st.subheader("Prompts", anchor=False)
    other, rival = found.side(compare.pair(found, base)), found.side(base)
    if silent := [side.number for side in (rival, other) if not compare_specs.worded(side)]:
        text.plain(f"{' and '.join(silent)} put no question to anybody, so there is no wording to compare.")
        return
    try:
        changed = _wording(rival.id, other.id, _sides=(rival, other))
    except RecollectError as error:
        page.banner(error)
        return
    if not changed:
        text.plain(f"≡ {rival.number} and {other.number} were asked with the same wording, letter by letter.")
        return
    text.plain(f"−  {rival.title}\n+  {other.title}")
    for item in changed:
        prompt_diff.template(item, whole=False)
