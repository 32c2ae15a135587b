"""One memory: its source text, its state on the day shown, its life line, every recall of it and every move between layers."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from agent.decision.digest import EXTRACT, pieces
from agent.records import Filing, Memory, MemoryState, News
from services import memory_changes, queries
from services.queries import MemoryLife, RunView
from ui import annotations, cards, draw, page, pickers, text, theme
from ui.charts.base import mark_days
from ui.charts.memory import lifeline
from ui.day_learnt import EVENTS, VERDICTS

DAY_MS = 86_400_000
SHORT_LIFE = 8  # days
FEW_ITEMS = 6  # sources of one memory; more of them are one text to scroll through


def show(view: RunView, ticker: str, memory_id: int, as_of: date) -> None:
    """The memory as it stood at the close of ``as_of``; what came later is shown on request only, and marked."""
    run = view.id
    life = queries.memory_life(run, ticker, memory_id)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"Memory {memory_id}", anchor=False, width="content")
        page.link("thread", "Its thread", icon="→", run=run, ticker=ticker, mem=memory_id)
        later = _later_switch(as_of)
        st.button("Close", key="_close_memory", on_click=_close, icon="✖️", type="tertiary")
    if life.memory.born > as_of:
        text.plain(f"On {as_of} this memory did not exist yet: it was remembered on {life.memory.born}.")
        page.link("memory", f"To {life.memory.born}", icon="→", run=run, ticker=ticker, mem=memory_id, day=life.memory.born)
        if not later:
            return
        text.plain("Its state below is that of its birth.")
    known = known_by(life, as_of)
    _card(known, as_of)
    _source(life.memory, run=run, ticker=ticker)
    annotations.panel(view, ticker=ticker, memory=memory_id)
    shown = life if later else known
    _line(view, shown, as_of, later=later)
    missed = int(shown.recalls["near_miss"].astype(bool).sum()) if len(shown.recalls) else 0
    ranked = f"Recalled {len(shown.recalls) - missed} times" + (f", just missed {missed}" if missed else "")
    recalls, moves = st.tabs([ranked, f"Events ({len(shown.events)})"], key=f"memory_tabs_{memory_id}", on_change="rerun")
    if recalls.open:
        with recalls:
            _uses(view, ticker, memory_id, as_of, later=later)
    if moves.open:
        with moves:
            _events(shown.events, as_of)


def known_by(life: MemoryLife, day: date) -> MemoryLife:
    """The life as far as it had gone by the close of ``day``: no event, recall, source or point of its line from later."""
    late = life.events[(life.events["day"] > day) & (life.events["kind"] == "merged")]
    sources = tuple(source for source in life.memory.sources if source not in set(late["source"]))
    return MemoryLife(
        memory=life.memory.model_copy(update={"sources": sources}),
        events=life.events[life.events["day"] <= day].reset_index(drop=True),
        recalls=life.recalls[life.recalls["day"] <= day].reset_index(drop=True) if len(life.recalls) else life.recalls,
        line=life.line[life.line["day"] <= day].reset_index(drop=True),
    )


def _later_switch(as_of: date) -> bool:
    """Whether to show what nobody could know on the day; in the URL, off unless asked for."""
    st.session_state["_later"] = st.query_params.get("later", "") == "1"

    def changed() -> None:
        if st.session_state["_later"]:
            st.query_params["later"] = "1"
        else:
            st.query_params.pop("later", None)

    help_ = f"Off: nothing later than {as_of} is shown. On: the whole life, the later part shaded or marked “later”."
    return bool(st.toggle("Show what came later", key="_later", on_change=changed, help=help_))


def _close() -> None:
    pickers.write(mem=None)


def _card(life: MemoryLife, as_of: date) -> None:
    gone = bool(len(life.events)) and life.events["kind"].iloc[-1] == "forgotten"
    if gone:
        st.badge(
            f"✕ forgotten on {life.events['day'].iloc[-1]}, figures as of then",
            color="red",
            help="No longer recalled; kept for inspection.",
        )
    now = life.line.iloc[-1] if len(life.line) else None
    cards.memory_card(
        life.memory,
        state=_state(life.events["state"].iloc[-1]) if len(life.events) else None,
        importance=None if now is None else float(now["importance"]),
        recency=None if now is None else float(now["recency"]),
    )


def _source(memory: Memory, *, run: str, ticker: str) -> None:
    """Where its words come from: the news or filing of its day, whole, and for a digest how much was made how much shorter."""
    if memory.kind not in ("news", "filing_10q", "filing_10k"):
        return
    items = queries.source_items(run, ticker, memory)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if memory.digested:
            text.plain(_digest_words(memory, items), width="content")
        page.link("days", f"The day it came from, {memory.born}", icon="→", run=run, ticker=ticker, day=memory.born, step="observed")
    of = f" of {len(items)} items" if len(items) > 1 else ""
    name = f"The source text{of} – {_length(items):,} characters" if items else "The source text"
    shown = st.expander(name, icon=":material/article:", key=f"_source_{memory.id}", on_change="rerun")
    if not shown.open:
        return
    with shown:
        if not items:
            text.plain("The record of its day holds no item with its id: the source text is not kept.")
        if len(items) > FEW_ITEMS:
            lines = [f"{item.available_at:%Y-%m-%d %H:%M} UTC, {_origin(item)}\n{_words(item)}" for item in items]
            text.block("\n\n".join(lines), height=420)
            return
        for item in items:
            st.caption(text.label(f"{_origin(item)} · readable {item.available_at:%Y-%m-%d %H:%M} UTC", longest=200))
            text.block(_words(item), height=360 if len(_words(item)) > 1200 else "content")


def _digest_words(memory: Memory, items: tuple[News | Filing, ...]) -> str:
    """A digest of one part of a filing section names that part; one of many news items their number."""
    by = "with the source's own most telling sentences" if memory.digested == EXTRACT else f"by {memory.digested}"
    if len(items) == 1 and isinstance(items[0], Filing):
        parts = pieces(items[0].text)
        part = parts[memory.chunk] if memory.chunk < len(parts) else items[0].text
        whole = f", part {memory.chunk + 1} of {len(parts)} of the section" if len(parts) > 1 else ""
        return f"A digest of {len(part):,} characters{whole}, in {len(memory.text):,}, made {by}."
    several = f" in {len(items)} items" if len(items) > 1 else ""
    return f"A digest of {_length(items):,} characters{several}, in {len(memory.text):,}, made {by}."


def _length(items: tuple[News | Filing, ...]) -> int:
    return sum(len(_words(item)) for item in items)


def _words(item: News | Filing) -> str:
    if isinstance(item, Filing):
        return item.text
    return item.title if item.summary.strip() in ("", item.title.strip()) else f"{item.title}\n{item.summary}"


def _origin(item: News | Filing) -> str:
    if isinstance(item, Filing):
        return f"{item.form} {item.section.replace('_', ' ')}"
    return item.publisher or "unknown publisher"


def _state(value: Any) -> MemoryState:
    return MemoryState.model_validate_json(value) if isinstance(value, str) else MemoryState.model_validate(value)


def _line(view: RunView, life: MemoryLife, as_of: date, *, later: bool) -> None:
    """Importance and recency from birth on, with what happened; the day shown is marked."""
    fig = draw.kept(view, lambda: _life_figure(life, as_of), "lifeline", life.memory.ticker, life.memory.id, as_of, later)
    draw.chart(fig, key="lifeline", alt="Importance and recency of the memory over time with what happened to it")


def _life_figure(life: MemoryLife, as_of: date) -> theme.Figure:
    shown = life.recalls[~life.recalls["near_miss"].astype(bool)] if len(life.recalls) else life.recalls
    marks = life.events[["day", "kind"]]
    if len(shown):  # first, so that what changed the memory is drawn over the many times it was merely shown
        marks = pd.concat([pd.DataFrame({"day": shown["day"], "kind": "recalled"}), marks])
    fig = lifeline(life.line, marks, dark=draw.dark(), later_than=str(as_of))
    if len(life.line) and (life.line["day"].iloc[-1] - life.line["day"].iloc[0]).days < SHORT_LIFE:
        fig.update_xaxes(dtick=DAY_MS)  # else the same day would stand on the axis several times
    if as_of in set(life.line["day"]):
        mark_days(fig, [(str(as_of), str(as_of))], dark=draw.dark())
    return fig


def _uses(view: RunView, ticker: str, memory_id: int, as_of: date, *, later: bool) -> None:
    """Its recalls as they were known on the day, outcomes that were judged later left out; or all of them."""
    uses = queries.memory_uses(view.id, ticker, memory_id)
    if not later:
        uses = memory_changes.uses_by(uses, memory_changes.judged_on(view.id, ticker), as_of)
    _recalls(uses, as_of, run=view.id, ticker=ticker)


def _recalls(uses: pd.DataFrame, as_of: date, *, run: str, ticker: str) -> None:
    """Every day that ranked it, with what was decided and what came of it; a tick opens the day."""
    if uses.empty:
        text.plain(f"By {as_of} it never came near the cut: on no day was its score among the best of its layer.")
        return
    uses = uses.sort_values("day", ascending=False).reset_index(drop=True)
    shown = pd.DataFrame(
        {
            "day": [_dated(day, as_of) for day in uses["day"]],
            "layer": uses["layer"],
            "rank": uses["rank"],
            "use": ["★ cited" if row["cited"] else "just missed" if row["near_miss"] else "shown" for row in uses.to_dict("records")],
            "similarity": uses["similarity"],
            "recency": uses["recency"],
            "importance": uses["importance"],
            "score": uses["score"],
            "decision": [_decision(row) for row in uses.to_dict("records")],
            "outcome": uses["outcome"].astype(float),
            "judged": [VERDICTS[int(value)][0] if pd.notna(value) else "" for value in uses["verdict"]],
        }
    )
    parts = {
        name: st.column_config.NumberColumn(name.capitalize(), format="%.2f", width=90)
        for name in ("similarity", "recency", "importance", "score")
    }
    event = st.dataframe(
        shown,
        key="memory_uses",
        on_select="rerun",
        selection_mode="single-row",
        hide_index=True,
        height=min(400, 38 + 35 * len(shown)),
        alt="Every recall of this memory",
        placeholder="",
        column_config={
            "day": st.column_config.TextColumn("Day", width=130 if (uses["day"] > as_of).any() else 95),
            "layer": st.column_config.TextColumn("Layer", width=85),
            "rank": st.column_config.NumberColumn("Rank", width=60),
            "use": st.column_config.TextColumn("Use", width=95),
            **parts,
            "decision": st.column_config.TextColumn("Decision", width=110),
            "outcome": st.column_config.NumberColumn("Outcome", format="percent", width=80),
            "judged": st.column_config.TextColumn("Judged", width=120),
        },
    )
    if rows := event["selection"]["rows"]:
        page.go("days", run=run, ticker=ticker, day=uses["day"].iloc[rows[0]], step="recalled~decision")


def _decision(row: dict[str, Any]) -> str:
    if row["phase"] == "train":
        return "✎ study"
    word = theme.verdict(row["action"] if isinstance(row["action"], str) else None)
    return f"{theme.GLYPHS[word]} {word}"


def _dated(day: date, as_of: date) -> str:
    return f"{day} · later" if day > as_of else str(day)


def _events(events: pd.DataFrame, as_of: date) -> None:
    if events.empty:
        text.plain(f"Nothing had happened to it by {as_of}.")
        return
    shown = pd.DataFrame(
        {
            "day": [_dated(day, as_of) for day in events["day"]],
            "what": [EVENTS.get(kind, kind) for kind in events["kind"]],
            "layer": [_layers(row) for row in events.to_dict("records")],
            "importance": events["importance"],
            "change": [row["delta"] if row["kind"] == "credited" else None for row in events.to_dict("records")],
            "accesses": [_accesses(state) for state in events["state"]],
            "why": [text.clean(reason, longest=300) for reason in events["reason"]],
        }
    )
    st.dataframe(
        shown,
        key="memory_events",
        hide_index=True,
        height=min(400, 38 + 35 * len(shown)),
        alt="Every event of this memory",
        placeholder="",
        column_config={
            "importance": st.column_config.NumberColumn(format="%.1f"),
            "change": st.column_config.NumberColumn(format="%+.1f"),
            "why": st.column_config.TextColumn(width="large"),
        },
    )


def _layers(row: dict[str, Any]) -> str:
    before, after = row["before_layer"], row["after_layer"]
    return f"{before} → {after}" if isinstance(before, str) and before != after else after


def _accesses(state: Any) -> int:
    return int((json.loads(state) if isinstance(state, str) else state)["access_count"])
