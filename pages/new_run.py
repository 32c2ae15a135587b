"""New run: a form that says beside each field what is wrong with it, and before the start what the run would be."""

import streamlit as st

from agent.errors import RecollectError, SpecError
from agent.spec import RunSpec
from services import drafts, runs
from ui import batch_form, batch_plan, page, pickers, run_form, run_market, run_trader, text

page.start("New run", __file__)


def draft(form: run_form.Form) -> RunSpec | None:
    """The spec the form describes; None where a part of it has to change first."""
    if not form.whole:
        text.plain("Something above has to change first; the plan appears here as soon as it can be made.")
        return None
    spec, findings = drafts.read(form.data)
    for finding in findings:
        form.say(finding.field, finding.message)
    if findings:
        text.plain(f"{len(findings)} {'thing' if len(findings) == 1 else 'things'} above must change before the run can be planned.")
    return spec


def planned(form: run_form.Form, spec: RunSpec) -> bool:
    """Plan and checklist; whether the run can start."""
    try:
        found, seconds = run_form.checked(spec.model_dump_json())
    except RecollectError as error:
        form.say(getattr(error, "field", "") or "test", str(error))
        return False
    run_form.plan(found, seconds)
    run_form.checklist(form, found)
    return found.ok


def start(form: run_form.Form, spec: RunSpec) -> None:
    """Submit and leave for the monitor; whatever stops it is said here and nothing typed is lost."""
    run = batch_plan.once("run", spec.model_dump_json(), "r")
    try:
        if not runs.store().some([run]):  # a double click is one wish
            runs.submit(spec, run=run)
    except SpecError as error:
        form.say(error.field, str(error))
        page.banner(error)
    except RecollectError as error:
        page.banner(error)
    else:
        pickers.write(run=run)
        page.go("monitor", run=run)


key, copied, wishes = run_form.copied()
with st.container(horizontal=True, vertical_alignment="center"):
    lead = (
        "A copy of a run: change what should be different."
        if copied
        else "One trader, one market, one period. Everything has a sensible default."
    )
    st.caption(lead, width="content")
    st.button("Start over", key="afresh", on_click=run_form.afresh, type="tertiary", icon=":material/restart_alt:")

form = run_form.Form(key=key, copied=copied, wishes=wishes)
offer = run_market.market(form)
if offer is not None:
    run_form.windows(form, offer, below=run_market.strip)
run_trader.trader(form)
run_form.memory(form)
run_form.money(form)
run_form.identity(form)
with run_form.section("Plan and preflight"):
    spec = draft(form)
    if spec is not None:
        run_form.known_before(form, spec)
    many = batch_form.asked(form, spec)
    ready = planned(form, spec) if spec is not None and many is None else False
    if many is not None:
        batch_plan.place(many, key="batch")
    with st.container(horizontal=True):
        pressed = many is None and st.button("Start the run", key="start", type="primary", icon=":material/play_arrow:", disabled=not ready)
        if st.button("Check again", key="recheck", icon=":material/refresh:"):
            run_form.look_again()
            batch_plan.forget()
            run_market.forget()
            st.rerun()
    if pressed and spec is not None:
        start(form, spec)
