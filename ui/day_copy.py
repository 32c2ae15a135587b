"""Taking a day along: the address of exactly this view, and the day as Markdown or JSON. Nothing is made before it is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from agent.records import DayRecord
from services import day_reads
from ui import day_markdown, text
from ui.masked import Wording


def menu(record: DayRecord, fate: Mapping[str, Any], *, run: str, wording: Wording) -> None:
    """A button that opens onto the address and the two files."""
    box = st.popover("Copy", icon=":material/content_copy:", on_change="rerun", key="_copy")
    if not box.open:
        return
    with box:
        st.caption("The address of this view, with the steps that are open:")
        text.block(address())
        name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{run}-{record.ticker}-{record.day}")
        with st.container(horizontal=True, gap="small"):
            st.download_button(
                "Day as Markdown",
                partial(_markdown, record, fate, run, wording),
                file_name=f"{name}.md",
                mime="text/markdown",
                key="_copy_md",
                on_click="ignore",
                icon=":material/download:",
                help="Everything in the trace in plain words; texts of sources and models in fenced blocks.",
            )
            st.download_button(
                "Day as JSON",
                partial(day_markdown.day_json, record),
                file_name=f"{name}.json",
                mime="application/json",
                key="_copy_json",
                on_click="ignore",
                icon=":material/download:",
                help="The record itself, as a line of days.jsonl in an export.",
            )


def _markdown(record: DayRecord, fate: Mapping[str, Any], run: str, wording: Wording) -> str:
    ids = {recall.memory_id for recall in record.thought.recalls}
    return day_markdown.day_markdown(record, day_reads.memories(run, record.ticker, ids), fate, say=wording.say)


def address() -> str:
    """The whole address of what is on the screen; without the server's name where the browser has not told it."""
    page = str(st.context.url or "/days").split("?", 1)[0]
    keys = urlencode(st.query_params.to_dict(), safe="~")
    return f"{page}?{keys}" if keys else page
