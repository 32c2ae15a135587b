"""Report: the run as one file to send around, and as a folder that another Recollect takes in."""

import streamlit as st

from agent.errors import RecollectError
from ui import page, report_make, run_view, text

page.start("Report", __file__)

with run_view.told():
    view, _ = run_view.chosen()
    run_view.strip(view, slim=True)
    st.subheader("One HTML file that needs nothing else", anchor=False)
    text.plain(
        "Charts, figures with their definitions, every decision, traces, memory, rules, run card, hashes, notes. It opens in any browser "
        "without a network and never asks anybody anything. Texts of models and sources in it are shown letter by letter."
    )
    try:
        report_make.offered(view, report_make.chosen(view))
    except RecollectError as error:
        page.banner(error)
    st.subheader("The whole run as a folder of open files", anchor=False)
    report_make.folder(view)
