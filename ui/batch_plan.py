"""The plan of a batch on screen: figures, limits, what stands in the way, and the one button that starts it."""

from __future__ import annotations

import secrets
import time

import streamlit as st

from agent.errors import RecollectError
from services import batch_plan, batch_spec, batches
from services.batch_plan import BatchPlan
from services.batch_spec import BatchSpec
from ui import format, page, pickers, text
from ui.run_form import MARKS

DOUBLE_CLICK_S = 20.0  # a second press on the same thing within this long is the same wish


@st.cache_data(ttl=60, max_entries=16, show_spinner="Checking data and models of the batch …")
def planned(asked: str) -> BatchPlan:
    """The plan of a batch as JSON."""
    found = BatchSpec.model_validate_json(asked)
    return batch_plan.plan(found, batch_spec.expand(found))


def forget() -> None:
    """The data or a server may have changed."""
    planned.clear()


def place(asked: BatchSpec, *, key: str) -> None:
    """Plan, checks and start of a batch; whatever is wrong is said here."""
    try:
        found = planned(asked.model_dump_json())
    except RecollectError as error:
        page.banner(error)
        return
    _figures(found)
    _checks(found)
    sure = found.runs <= batch_spec.MOST_UNASKED or st.checkbox(f"Yes, all {found.runs} runs", key=f"{key}_sure")
    label = f"Start the batch of {found.runs} runs"
    if st.button(label, key=f"{key}_start", type="primary", icon=":material/play_arrow:", disabled=not (found.ok and sure)):
        _start(asked)


def _figures(found: BatchPlan) -> None:
    figures = [
        ("Runs", f"{found.runs}", f"Of {found.configurations} configurations; the rest are repeats with another seed."),
        ("Days to record", f"{found.sessions:,}", "Sessions times tickers, of all runs together."),
        ("Model calls", f"{found.model_calls:,}", "At most, without repeated questions."),
        ("Estimated time", format.duration(found.seconds) if found.seconds is not None else "not known", f"{found.time.capitalize()}."),
        ("Estimated cost", format.dollars(found.cost_usd) if found.cost_usd is not None else "not known", f"{found.cost.capitalize()}."),
    ]
    with st.container(horizontal=True, gap="small"):
        for label, value, help_ in figures:
            st.metric(label, value, help=help_, width=150)
    lanes = "; ".join(f"{lane.runs} with {lane.under}, {lane.at_once} at the same time" for lane in found.lanes)
    text.plain(f"Time: {found.time}.\nCost: {found.cost}.\nRuns: {lanes}, counted over all batches.")


def _checks(found: BatchPlan) -> None:
    for check in found.checks:
        bad = not check.ok and check.severity == "error"
        if not bad and check.severity not in ("warning", "info"):
            continue
        word, colour = MARKS["stops" if bad else check.severity]
        mark, says = st.columns([1, 6], gap="small")
        mark.badge(f"{word} {text.label(check.what)}", color=colour)
        with says:
            text.plain(check.message, longest=600)


def _start(asked: BatchSpec) -> None:
    batch = once("batch", asked.model_dump_json(), "b")
    try:
        if all(row.id != batch for row in batches.rows()):
            batches.submit(asked, batch=batch)
    except RecollectError as error:
        page.banner(error)
    else:
        pickers.write(batch=batch)
        page.go("batches", batch=batch)


def once(kind: str, what: str, first: str) -> str:
    """The id that starting this will have: a double click gets the same one again, so that it starts one thing and not two."""
    last = st.session_state.get(f"_started_{kind}")
    now = time.monotonic()
    if last is None or last[0] != what or now - last[2] > DOUBLE_CLICK_S:
        last = (what, f"{first}{secrets.token_hex(4)}", now)
        st.session_state[f"_started_{kind}"] = last
    return last[1]
