"""Compare: two to eight runs or seed groups side by side, and what may be claimed about their difference. All of it in the URL."""

import streamlit as st

from ui import compare, compare_days, compare_metrics, compare_money, compare_runs, compare_spec, compare_tests, page, run_view, url_state

TABS = {"money": "Money", "metrics": "Metrics", "tests": "Tests", "spec": "Spec and prompts", "days": "Days"}

page.start("Compare", __file__)

with run_view.told():
    found, base = compare.chosen()
    by_day = st.query_params.get("tab") == "days"  # the decisions have a table of their own, and one day side by side fills the page
    finish = None if by_day else compare_runs.table(found, base)
    if not compare_days.one_day(found):
        compare_runs.notes(found)
    if not found.days:
        page.empty("No session in common", "Runs are compared on the sessions that all have. Choose runs whose test windows overlap.")
        st.stop()
    shown = url_state.choice("tab", list(TABS), label="Part of the page", shown=TABS)
    if shown == "money":
        compare_money.section(found, base)
    elif shown == "metrics":
        compare_metrics.section(found, base)
    elif shown == "tests":
        compare_tests.section(found, base)
    elif shown == "spec":
        compare_spec.section(found, base)
    else:
        compare_days.section(found, found.ticker)
    if finish is not None:
        finish()
