"""Asking the memory as it was: what would have been recalled for these words on that day, and why it ranked so. The question is in the URL."""

from __future__ import annotations

from datetime import date

import pandas as pd
import streamlit as st

from agent.errors import RecollectError
from services import memory_search, queries
from services.queries import RunView
from ui import cards, draw, memory_cached, page, pickers, text, theme, url_state
from ui.charts.recall import scores

OWN = "own"
ASKS = {"words": "Words of my own", OWN: "The session's own question"}
AS_OF = (
    "Ranked by the agent's own memory as it stood when this session asked it: after the day's forgetting, credit, moves and news, "
    "before the answer was cited and reflected upon. All live memories take part."
)


def show(view: RunView, ticker: str, day: date) -> None:
    """The question, and once it is asked the ranking layer by layer."""
    st.caption(AS_OF)
    which = url_state.choice("who", list(ASKS), label="Question", shown=ASKS)
    question = _own(view, ticker, day) if which == OWN else _words()
    if not question:
        return
    try:
        with st.spinner("Asking the memory of that day … the first question of a run may have to load its embedder (some seconds)"):
            found = memory_search.search(memory_cached.past(view, ticker, day), question)
    except RecollectError as error:  # no embedder, or another one than the run's: the rest of the page still works
        page.banner(error)
        return
    _answer(view, ticker, day, found, own=which == OWN)


def _words() -> str:
    """A field and a button; asking writes the question into the URL."""
    asked = text.clean(st.query_params.get("ask", ""), longest=memory_search.LONGEST).strip()
    if st.session_state.get("_asked_shown") != asked:
        st.session_state["_asked_shown"], st.session_state["_ask"] = asked, asked

    def send() -> None:
        words = st.session_state["_ask"].strip()
        if words:
            st.query_params["ask"] = words
        else:
            st.query_params.pop("ask", None)

    with st.form("_ask_form", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("What would be recalled for", key="_ask", placeholder="profit warning, new product, a lawsuit …", max_chars=400)
        st.form_submit_button("Ask", on_click=send, icon=":material/search:", width="content")
    return asked


def _own(view: RunView, ticker: str, day: date) -> str:
    question = memory_search.own_question(view.id, ticker, day)
    if not question:
        text.plain("This session asked its memory nothing.")
        return ""
    text.block(question, height=110 if len(question) > 300 else "content")
    return question


def _answer(view: RunView, ticker: str, day: date, found: pd.DataFrame, *, own: bool) -> None:
    if found.empty:
        text.plain("Nothing would have been recalled: no memory was alive when this session asked.")
        return
    if own:
        found = _compared(view, ticker, day, found)
    shown = int((~found["near_miss"]).sum())
    st.caption(
        f"{shown} memories would be shown to the model, {len(found) - shown} just miss the cut of their layer. "
        "Score is similarity + recency + importance, each 0 to 1. Tick a row to read the memory."
    )
    draw.chart(scores(found, dark=draw.dark()), key="asked_scores", alt=f"What memory would recall on {day}, with the parts of each score")
    _table(view, ticker, day, found)


def _compared(view: RunView, ticker: str, day: date, found: pd.DataFrame) -> pd.DataFrame:
    """The session's own question has a recorded answer: whether it is the same, and what was cited of it."""
    recorded = queries.recalls(view.id, ticker, day)
    same = memory_search.as_recorded(found, recorded)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if same:
            st.badge("✓ the same as recorded", color="green", help="Every memory, rank and score equals what the session itself recalled.")
        else:
            st.badge("≠ not as recorded", color="orange", help="This machine's embedder or arithmetic gives other numbers than the run's.")
        page.link("days", "The recorded recall", icon="→", run=view.id, ticker=ticker, day=day, step="recalled")
    cited = set(recorded.loc[recorded["cited"].astype(bool), "memory_id"]) if len(recorded) else set()
    return found.assign(cited=found["memory_id"].isin(cited))


def _table(view: RunView, ticker: str, day: date, found: pd.DataFrame) -> None:
    """The hits as rows; a ticked one gets its links."""
    rows = found.to_dict("records")
    shown = pd.DataFrame(
        {
            "memory": found["memory_id"],
            "layer": [f"{theme.LAYER_GLYPHS.get(name, '◌')} {text.clean(name, longest=40)}" for name in found["layer"]],
            "rank": found["rank"],
            "use": ["★ cited" if row["cited"] else "just missed" if row["near_miss"] else "shown" for row in rows],
            "title": [text.clean(title, longest=160) for title in found["title"]],
            **{name: found[name] for name in ("similarity", "recency", "importance", "score")},
            "kind": [cards.KINDS.get(kind, kind) for kind in found["kind"]],
            "born": [str(born) for born in found["born"]],
        }
    )
    numbers = {
        name: st.column_config.NumberColumn(name.capitalize(), format="%.2f", width=90)
        for name in ("similarity", "recency", "importance", "score")
    }
    ids = [int(number) for number in found["memory_id"]]

    def picked() -> None:
        chosen = st.session_state["asked_hits"]["selection"]["rows"]
        pickers.write(mem=ids[chosen[0]] if chosen else None)

    st.dataframe(
        shown,
        key="asked_hits",
        on_select=picked,
        selection_mode="single-row",
        hide_index=True,
        height=min(420, 38 + 35 * len(shown)),
        alt=f"What memory would recall on {day}",
        column_config={
            "memory": st.column_config.NumberColumn("No", format="%d", width=60, pinned=True),
            "layer": st.column_config.TextColumn("Layer", width=100),
            "rank": st.column_config.NumberColumn("Rank", width=60, help="Place within its layer."),
            "use": st.column_config.TextColumn("Use", width=95, help="Shown to the model, or just below the cut of its layer."),
            "title": st.column_config.TextColumn("Title", width=320),
            **numbers,
            "kind": st.column_config.TextColumn("Kind", width=105),
            "born": st.column_config.TextColumn("Remembered", width=100),
        },
    )
