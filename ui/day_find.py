"""Find in the trace of a day: which steps and texts hold the words, each with what stands around them and the way to it.

The words are part of the address (``q=``) and stay while one goes from day to day. Everything found is shown letter by letter.
"""

from __future__ import annotations

import streamlit as st

from agent.evaluation import day_text
from agent.records import DayRecord
from services import day_reads
from ui import day_links, text, url_state
from ui.masked import Wording

MOST = 40  # places listed; the rest is counted
LIST = 380  # pixels of a long list, so that the trace stays in sight
LEFT, RIGHT = "⟦", "⟧"  # around what was found


def field() -> str:
    """The search field; the words in it, empty for none."""
    return url_state.words("q", label="Find in this day", placeholder='words, or "words that belong together"')


def results(record: DayRecord, words: str, *, run: str, wording: Wording) -> None:
    """What was found, in the order of the trace."""
    ids = {recall.memory_id for recall in record.thought.recalls}
    texts = day_text.passages(record, day_reads.memories(run, record.ticker, ids), say=wording.say)
    hits = day_text.find(texts, words)
    with st.container(border=True, gap="xsmall", key="_found"):
        if not hits:
            text.plain(f"No text of this day holds “{text.clean(words, longest=120)}”.")
            return
        matches = sum(hit.matches for hit in hits)
        steps = len({hit.passage.step for hit in hits})
        st.caption(f"{matches:,} matches in {_count(len(hits), 'text')} of {_count(steps, 'step')}. A click opens the step.")
        with st.container(height=LIST if len(hits) > 5 else "content", border=False, gap="xsmall"):
            for hit in hits[:MOST]:
                _hit(hit)
        if len(hits) > MOST:
            st.caption(f"{len(hits) - MOST} more texts are not listed; add a word to narrow the search.")


def _hit(hit: day_text.Hit) -> None:
    where, said = st.columns([1.7, 3], vertical_alignment="top", gap="small")
    with where:
        place = f"{hit.passage.step} · {hit.passage.place}"
        day_links.step(hit.passage.step, f"{place} ({hit.matches})" if hit.matches > 1 else place, **hit.passage.keys)
    with said:
        text.plain("\n".join(f"{part.before}{LEFT}{part.match}{RIGHT}{part.after}" for part in hit.excerpts), longest=900)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
