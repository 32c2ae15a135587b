"""The 2 × 2 swap of a disagreed day: each model asked with the other's memories, after a person has seen what will be asked of whom."""

from __future__ import annotations

from datetime import date

import streamlit as st

from agent.errors import RecollectError
from services import swap
from services.compare import Side
from services.swap import Cell, Plan, Swap, Verdict
from ui import draw, format, page, text, theme

VERDICTS = {
    "retrieval": "The memories explain it",
    "reasoning": "The model explains it",
    "both": "It takes both",
    "neither alone": "Neither alone explains it",
    "open": "Not split",
}


@st.cache_data(max_entries=16, show_spinner="Rebuilding both questions from the record")
def _planned(one: str, other: str, ticker: str, day: date, missing: tuple[tuple[str, str], ...], basis: str) -> Plan:
    return swap.plan(one, other, ticker, day)


def section(one: Side, other: Side, ticker: str, day: date) -> None:
    """The table as far as it is known, what splits the disagreement, and the button that asks for the rest."""
    try:
        found = swap.look(one.id, other.id, ticker, day)
        planned = _planned(one.id, other.id, ticker, day, found.missing, found.basis)
    except RecollectError as error:
        page.banner(error)
        return
    text.plain(
        f"What if {one.number}'s model had remembered what {other.number} remembered, and the reverse? Each is asked its own question of the day "
        "again, with the other's recalled memories and nothing else changed. Nothing of either run is changed by it."
    )
    st.markdown(_table(one, other, found))
    told = swap.verdict(found, names=(one.number, other.number))
    if not found.missing:
        _told(told, one, other, found)
    for cell in found.cells:
        if not cell.recorded:
            _said(one, other, cell)
    if one.view.model_label == other.view.model_label:
        text.plain(f"Both were decided by {one.view.model_label}: what “the model” splits here is whatever else differs between the runs.")
    if planned.notes:
        text.plain(f"Besides its model, each keeps what else is its own, and “the model” stands for that too. {'. '.join(planned.notes)}.")
    if found.missing:
        _ask(one, other, ticker, day, planned)


def _table(one: Side, other: Side, found: Swap) -> str:
    lines = [f"| | Model of {one.number} | Model of {other.number} |", "|---|---|---|"]
    for row in (one, other):
        cells = (_cell(found.cell(memories=row.id, model=side.id)) for side in (one, other))
        lines.append(f"| **Memories of {row.number}** | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "not asked yet"
    decision = cell.decision
    word = theme.verdict(decision.action)
    parts = [f":{theme.action_badge(decision.action, red_up=draw.red_up())}-badge[{theme.GLYPHS[word]} {word}]"]
    if format.known(decision.confidence):
        parts.append(f"confidence {format.percent(decision.confidence, digits=0)}")
    when = f", asked {cell.asked_at:%Y-%m-%d %H:%M} UTC" if cell.asked_at else ""
    return f"{', '.join(parts)} ({'from the record' if cell.recorded else 'swapped'}{when})"


def _told(told: Verdict, one: Side, other: Side, found: Swap) -> None:
    st.badge(VERDICTS[told.kind], color="gray" if told.kind == "open" else "blue")
    text.plain(told.sentence)
    warm = [(side.number, found_) for side in (one, other) if (found_ := swap.temperature(side.view))]
    if warm:
        hot = ", ".join(f"{number} at temperature {value:g}" for number, value in warm)
        text.plain(
            f"One answer is one draw ({hot}): asked again, the same question may get another answer. Read this as a hint, not as a proof."
        )
    else:
        text.plain("One day is one day: it says what split this disagreement, not what splits them in general.")


def _said(one: Side, other: Side, cell: Cell) -> None:
    number = {side.id: side.number for side in (one, other)}
    decision = cell.decision
    why = decision.summary or "no summary"
    if decision.abstained:
        why = f"no decision could be read from its answer: {decision.abstained}"
    reasons = [f"{reason.weight:>2} of 10  for: {' '.join(reason.claim.split())}" for reason in decision.reasons_for[:3]]
    reasons += [f"{reason.weight:>2} of 10  against: {' '.join(reason.claim.split())}" for reason in decision.reasons_against[:2]]
    head = f"Model of {number[cell.model]} with the memories of {number[cell.memories]}: {why}"
    text.plain("\n".join([head, *reasons]), longest=3000)


def _ask(one: Side, other: Side, ticker: str, day: date, planned: Plan) -> None:
    count = f"{planned.questions} question{'s' * (planned.questions != 1)}"
    whom = " and ".join(dict.fromkeys(text.label(label, longest=60) for label in planned.asked))
    st.caption(
        f"{count} to {whom}: {planned.questions} to {planned.most} calls (more than {planned.questions} only where an answer cannot be used)."
    )
    if not st.button(f"Ask {count}", key="_swap_ask", type="primary"):
        return
    number = {side.id: side.number for side in (one, other)}
    with st.spinner(f"Asking {whom}"):
        try:
            place = st.empty()
            swap.ask(
                one.id, other.id, ticker, day,
                on_cell=lambda memories, model: place.caption(f"Model of {number[model]} reads the memories of {number[memories]} …"),
            )  # fmt: skip
        except RecollectError as error:
            page.banner(error)
            return
    st.rerun()
