"""What rested on a memory or a source text, told in sentences and in tables: every row leads to its day, its decision, its memory."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from services import threads
from services.queries import RunView
from services.threads import Thread
from ui import cards, format, page, text, theme

STORIES = 6
VERDICTS = {1: ("✓ right", "green"), -1: ("✗ wrong", "red"), 0: ("≈ inside the costs", "gray")}
USES = {"cited": "★ cited", "studied": "✎ in a study", "shown": "shown", "near miss": "just missed"}
WHAT = {
    "remembered": "+ remembered", "merged": "= merged in", "cited": "★ cited", "studied": "✎ in a study", "shown": "shown",
    "near miss": "just missed", "filled": "✓ order filled", "rejected": "✗ order rejected", "cancelled": "⊘ order cancelled",
    "judged": "⚖ judged", "credited": "± credited", "promoted": "▲ promoted", "demoted": "▼ demoted", "forgotten": "✕ forgotten",
}  # fmt: skip
NOT_CAUSAL = (
    "What counts as a ground and what does not: a memory that was shown and named by no reason may still have moved the model - nothing "
    "records that, and no credit follows. Reasons are what the model said, not proof of why it answered so. Credit is not divided: when a "
    "decision that traded is judged, every memory it named gets the same step, up if it spoke for what came true and down if it spoke for "
    "what did not; holds, rejected orders and days without a decision are never judged. A memory that is recalled often and named never "
    "earns nothing and fades."
)


def tabs(view: RunView, ticker: str, found: Thread, *, memories: bool = False) -> None:
    """Grounds in sentences, the memories of a source, every use, everything in order of time; only the open tab is drawn."""
    named = found.uses[found.uses["named"]]
    names = [f"What rested on it ({len(named)})", f"Every use ({len(found.uses)})", "In order of time"]
    names += [f"Memories ({len(found.memories)})"] if memories else []
    subject = found.source or str(found.memories["id"].iloc[0])
    drawn = st.tabs(names, key=f"_thread_tabs_{subject}", on_change="rerun")
    if drawn[0].open:
        with drawn[0]:
            _stories(view, ticker, named)
    if drawn[1].open:
        with drawn[1]:
            uses(view, ticker, found.uses, key=f"_uses_{subject}", several=memories)
    if drawn[2].open:
        with drawn[2]:
            _steps(view, ticker, found, key=f"_steps_{subject}")
    if memories and drawn[3].open:
        with drawn[3]:
            _memories(view, ticker, found, key=f"_memories_{subject}")
    st.caption(NOT_CAUSAL + (by_rules() if view.by_rules else ""))


def by_rules() -> str:
    """Added where no language model chose the grounds."""
    return " In this run rules decided: they name the memories they computed with."


def _stories(view: RunView, ticker: str, named: pd.DataFrame) -> None:
    if named.empty:
        text.plain("No decision and no study ever named it as a ground: whatever it did, it did unseen, and no credit came back.")
        return
    telling = named.assign(_size=named["credit"].abs().fillna(-1)).sort_values(["_size", "day"], ascending=False).head(STORIES)
    if len(named) > STORIES:
        st.caption(f"The {STORIES} that brought most credit or blame, of {len(named)}, in order of time. All stand under Every use.")
    for row in telling.sort_values("day").to_dict("records"):
        _story(view, ticker, row)


def _story(view: RunView, ticker: str, row: dict[str, Any]) -> None:
    where = {"run": view.id, "ticker": ticker, "day": row["day"]}
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            page.link("thread", f"{row['day']}", **where)
            if row["phase"] == "train":
                st.badge("✎ study", color="gray", help="Training: the session was explained once its next move was known.")
            else:
                cards.action_pill(row["action"] if isinstance(row["action"], str) else None)
            weight = f", weight {row['weight']:.0f} of 10" if format.known(row["weight"]) else ""
            st.badge(f"{side(row)}{weight}", color="gray")
            if format.known(row["verdict"]):
                word, colour = VERDICTS[int(row["verdict"])]
                st.badge(word, color=colour)
            if format.known(row["credit"]):
                st.badge(credit_words(row["credit"]), color="green" if row["credit"] > 0 else "red" if row["credit"] < 0 else "gray")
            page.link("days", "Trace of the day", icon="→", **where, step="recalled~decision")
        if row["claim"]:
            text.plain(f"“{row['claim']}”", longest=500)
        text.plain(followed(row))


def side(row: dict[str, Any]) -> str:
    """On which side it was named: a study says in hindsight which way a memory pointed."""
    if row["use"] == "studied":
        return {"for": "pointed the right way", "against": "pointed the wrong way"}.get(row["stance"], "named")
    return f"named {row['stance']}".strip() if row["stance"] != "both" else "named on both sides"


def credit_words(value: float) -> str:
    """A change of importance on a badge; nothing gained and nothing lost reads 0."""
    return f"credit {value:+.3g}" if value else "credit 0"


def followed(row: dict[str, Any]) -> str:
    """What followed a use, in a sentence."""
    parts = [f"Memory {row['memory_id']}: rank {row['rank']} in {row['layer']}, score {row['score']:.2f}"]
    if row["order"] == "filled" and format.known(row["shares"]):
        verb = "bought" if row["shares"] > 0 else "sold"
        gain = f", realised {format.money(row['realised'], digits=2, sign=True)}" if format.known(row["realised"]) else ""
        parts.append(f"{verb} {format.shares(abs(row['shares']))} at {format.number(row['price'])} on {row['settled_on']}{gain}")
    elif row["order"]:
        parts.append(f"order {row['order']}" + (f" ({row['order_reason']})" if row["order_reason"] else ""))
    if format.known(row["move"]):
        parts.append(
            f"price {format.percent(row['move'], digits=2, sign=True)} in {row['sessions']:.0f} sessions, judged {row['judged_on']}"
        )
    elif format.known(row["next_return"]):
        parts.append(f"next session {format.percent(row['next_return'], digits=2, sign=True)}")
    if format.known(row["credit"]) and row["phase"] == "test" and format.known(row["cited_count"]):
        count = int(row["cited_count"])
        parts.append("it was the only memory named" if count == 1 else f"{count} memories were named, each still alive credited in full")
    if row["why"]:
        parts.append(f"no credit: {row['why']}")
    return " · ".join(parts)


def uses(view: RunView, ticker: str, found: pd.DataFrame, *, key: str, several: bool = True) -> None:
    """Every recall with what followed; a tick opens that day's thread."""
    if found.empty:
        text.plain("It never came near the cut: on no day was it among the best of its layer.")
        return
    rows = found.sort_values(["day", "memory_id"], ascending=[False, True]).reset_index(drop=True)
    shown = pd.DataFrame(
        {
            "day": [str(day) for day in rows["day"]],
            "memory": rows["memory_id"],
            "use": [USES[use] for use in rows["use"]],
            "side": rows["stance"],
            "layer": rows["layer"],
            "rank": rows["rank"],
            "similarity": rows["similarity"],
            "recency": rows["recency"],
            "importance": rows["importance"],
            "score": rows["score"],
            "decision": [decision_word(row) for row in rows.to_dict("records")],
            "order": rows["order"],
            "price": rows["price"],
            "outcome": rows["move"],
            "judged": [VERDICTS[int(value)][0] if format.known(value) else "" for value in rows["verdict"]],
            "credit": rows["credit"],
            "why": [text.clean(value, longest=200) for value in rows["why"]],
        }
    ).drop(columns=[] if several else ["memory"])
    st.caption("Newest first. Tick a row to follow that day's decision back.")
    event = st.dataframe(
        shown,
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        hide_index=True,
        height=min(420, 38 + 35 * len(shown)),
        alt="Every recall with what followed",
        placeholder="",
        column_config=_COLUMNS,
    )
    if picked := event["selection"]["rows"]:
        page.go("thread", run=view.id, ticker=ticker, day=rows["day"].iloc[picked[0]])


_COLUMNS = {
    "day": st.column_config.TextColumn("Day", width=95),
    "memory": st.column_config.NumberColumn("Memory", format="%d", width=75),
    "use": st.column_config.TextColumn("Use", width=100, help="Cited or studied: a ground. Shown: seen, and named by no reason."),
    "side": st.column_config.TextColumn("Side", width=75, help="Whether the reasons that name it speak for the decision or against it."),
    "layer": st.column_config.TextColumn("Layer", width=85),
    "rank": st.column_config.NumberColumn("Rank", width=60, help="Within its layer, 1 is best."),
    **{name: st.column_config.NumberColumn(name.capitalize(), format="%.2f", width=90) for name in ("similarity", "recency", "importance")},
    "score": st.column_config.NumberColumn("Score", format="%.2f", width=70, help="similarity + recency + importance, each 0 to 1."),
    "decision": st.column_config.TextColumn("Decision", width=110),
    "order": st.column_config.TextColumn("Order", width=85),
    "price": st.column_config.NumberColumn("Price", format="%.2f", width=85, help="Of the fill, after slippage."),
    "outcome": st.column_config.NumberColumn("Outcome", format="percent", width=85, help="Price move from the fill to the verdict."),
    "judged": st.column_config.TextColumn("Judged", width=130),
    "credit": st.column_config.NumberColumn("Credit", format="%+.1f", width=75, help="Change of importance that came back from this use."),
    "why": st.column_config.TextColumn("No credit because", width=260),
}


def decision_word(row: dict[str, Any]) -> str:
    """The day's decision as glyph and word."""
    if row["phase"] == "train":
        return "✎ study"
    word = theme.verdict(row["action"] if isinstance(row["action"], str) else None)
    return f"{theme.GLYPHS[word]} {word}"


def _steps(view: RunView, ticker: str, found: Thread, *, key: str) -> None:
    rows = threads.steps(found)
    shown = pd.DataFrame(
        {
            "day": [str(day) for day in rows["day"]],
            "what": [WHAT.get(what, what) for what in rows["what"]],
            "memory": rows["memory_id"],
            "for": ["" if day is None or day != day else str(day) for day in rows["decided"]],
            "layer": rows["layer"],
            "value": [_value(row) for row in rows.to_dict("records")],
            "text": [text.clean(told, longest=240) for told in rows["text"]],
        }
    )
    st.caption("Everything that is recorded of it, oldest first. Tick a row to follow the decision it belongs to, else to open its day.")
    event = st.dataframe(
        shown,
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        hide_index=True,
        height=min(480, 38 + 35 * len(shown)),
        alt="Everything that happened, in order of time",
        placeholder="",
        column_config={
            "day": st.column_config.TextColumn("Day", width=95),
            "what": st.column_config.TextColumn("What", width=130),
            "memory": st.column_config.NumberColumn("Memory", format="%d", width=75),
            "for": st.column_config.TextColumn("Decision of", width=100),
            "layer": st.column_config.TextColumn("Layer", width=110),
            "value": st.column_config.TextColumn("Figure", width=130),
            "text": st.column_config.TextColumn("Words", width=360),
        },
    )
    if picked := event["selection"]["rows"]:
        row = rows.iloc[picked[0]]
        if row["decided"] is not None and row["decided"] == row["decided"]:
            page.go("thread", run=view.id, ticker=ticker, day=row["decided"])
        page.go("days", run=view.id, ticker=ticker, day=row["day"], step="memory")


def _value(row: dict[str, Any]) -> str:
    value, what = row["value"], row["what"]
    if not format.known(value):
        return ""
    if what in ("cited", "studied", "shown", "near miss"):
        return f"score {value:.2f}"
    named = {"credited": f"{value:+.1f}", "filled": f"at {value:,.2f}", "judged": format.percent(value, digits=2, sign=True)}
    return named.get(what, f"importance {value:.1f}")


def _memories(view: RunView, ticker: str, found: Thread, *, key: str) -> None:
    rows = found.memories.sort_values("id").reset_index(drop=True)
    shown = pd.DataFrame(
        {
            "memory": rows["id"],
            "title": [text.clean(title, longest=160) for title in rows["title"]],
            "came in": [f"{day} {how}" for day, how in zip(rows["joined"], rows["how"])],
            "layer": rows["layer"],
            "shown": rows["shown"],
            "named": rows["named"],
            "credit": rows["credit"],
            "end": ["alive" if alive else f"✕ {ended}" for alive, ended in zip(rows["alive"], rows["ended_on"])],
        }
    )
    event = st.dataframe(
        shown, key=key, on_select="rerun", selection_mode="single-row", hide_index=True, height=min(420, 38 + 35 * len(shown)),
        alt="Memories that carry this text", placeholder="",
        column_config={"credit": st.column_config.NumberColumn("credit", format="%+.1f")},
    )  # fmt: skip
    if picked := event["selection"]["rows"]:
        page.go("thread", run=view.id, ticker=ticker, mem=int(rows["id"].iloc[picked[0]]))


__all__ = ["NOT_CAUSAL", "by_rules", "credit_words", "decision_word", "followed", "side", "tabs", "uses"]
