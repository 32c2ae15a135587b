"""Data: what each source has, what is known when, what is odd about it, and data of your own. The open part is in the URL."""

import streamlit as st

from ui import data_check, data_fetch, data_import, data_look, data_market, data_sets, data_sources, page
from ui.data_said import Places

PARTS = {
    "look": "Look",
    "quality": "Quality",
    "fetch": "Fetch and keep",
    "import": "Import",
    "datasets": "Datasets",
    "sources": "Sources and cache",
}
LEADS = {
    "look": "What there is per session, and what could be known at the close of any of them.",
    "quality": "What is odd about the rows, before a run is made on them.",
    "fetch": "Ask the source again, and keep what it serves under a name.",
    "import": "A file or folder of your own becomes a dataset.",
    "datasets": "What you imported or kept: look at it, run on it, take it with you.",
    "sources": "Whether each source can be used now, and what it has delivered so far.",
}

page.start("Data", __file__)


def chosen_part() -> str:
    """The open part: only that one is drawn, and a link leads to it."""
    asked = st.query_params.get("tab", "")
    st.session_state["_data_part"] = asked if asked in PARTS else "look"

    def changed() -> None:
        st.query_params["tab"] = st.session_state["_data_part"]

    st.segmented_control(
        "Part of the page",
        list(PARTS),
        key="_data_part",
        required=True,
        wrap=True,
        on_change=changed,
        format_func=PARTS.__getitem__,
        label_visibility="collapsed",
    )
    return st.session_state["_data_part"]


part = chosen_part()
st.caption(LEADS[part])

if part in ("look", "quality", "fetch"):
    asked = data_market.chosen(Places())
    if asked is not None and part == "fetch":
        data_fetch.fetch(asked)
    elif asked is not None and data_market.confirmed(asked):
        (data_look.look if part == "look" else data_check.report)(asked)
elif part == "import":
    data_import.imports()
elif part == "datasets":
    data_sets.datasets()
else:
    data_sources.health()
    data_sources.cache()
