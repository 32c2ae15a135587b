"""Models: the servers and their health, what is installed, fetching and deleting, a test prompt, knowledge cut-offs. The open part is in the URL."""

import streamlit as st

from ui import models_ask, models_cutoffs, models_pull, models_servers, models_table, page

PARTS = {"installed": "Installed and pull", "ask": "Test prompt", "cutoffs": "Knowledge cut-offs"}
LEADS = {
    "installed": "Which servers answer, which models they have, and what each one can do.",
    "ask": "One free question to a model, outside any run: what it says, and how fast.",
    "cutoffs": "Until when each model knows the world. A run on days before that may be memory instead of judgement.",
}

page.start("Models", __file__)


def chosen_part() -> str:
    """The open part: only that one is drawn, and a link leads to it."""
    asked = st.query_params.get("tab", "")
    st.session_state["_models_part"] = asked if asked in PARTS else "installed"

    def changed() -> None:
        st.query_params["tab"] = st.session_state["_models_part"]

    st.segmented_control(
        "Part of the page",
        list(PARTS),
        key="_models_part",
        required=True,
        wrap=True,
        on_change=changed,
        format_func=PARTS.__getitem__,
        label_visibility="collapsed",
    )
    return st.session_state["_models_part"]


part = chosen_part()
st.caption(LEADS[part])

if part == "cutoffs":
    models_cutoffs.cutoffs()
elif part == "ask":
    models_ask.ask()
else:
    ollama = models_servers.servers()
    if ollama.models is not None:
        models_table.models(ollama)
        models_pull.pull(ollama)
