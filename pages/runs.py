"""Runs: the library, where everything starts. The first start makes the demo run here and shows what to look at."""

import streamlit as st

from services import demo, queries, runs
from ui import bookmarks, live, page, run_import, run_list, run_view

page.start("Runs", __file__)

with run_view.told():
    views = queries.views()
    if not views and run_list.first_start():
        views = queries.views()
    if not views and not queries.names():  # a run that this version cannot read is listed all the same
        run_list.nothing_yet()
        run_import.place()
        st.stop()
    if len(views) == 1 and views[0].id == demo.existing():
        run_list.welcome(views[0])
    if waiting := [view for view in views if view.state in runs.ACTIVE]:
        live.strip(waiting)
    run_list.interrupted([view for view in views if view.state == "interrupted"])
    library = queries.library()
    kept = run_list.filtered(library)
    if kept.empty:
        page.empty("No run passes these filters", "Take a filter away, or search for another word.", ("runs", "Show all runs"))
        st.stop()
    chosen = run_list.table(kept)
    st.caption(
        f"{len(kept)} of {len(library)} runs. Tick one row to open, duplicate, export or delete that run, two to eight to compare them."
    )
    if len(chosen) == 1:
        run_list.actions(chosen[0])
    elif chosen:
        run_list.side_by_side(chosen)
    bookmarks.shelf()
    run_import.place()
