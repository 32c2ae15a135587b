"""Monitor: a run in progress - how far it is, what is being written, how it stands against holding - and the buttons that steer it.

Everything shown comes from the run store and the address, so the page can be closed and opened again at any time.
"""

import streamlit as st

from services import progress, queries, runs
from ui import live, page, pickers, run_view

page.start("Monitor", __file__)

with run_view.told():
    names = queries.names()
    if not pickers.current("run") and (active := progress.active()):
        pickers.write(run=active[0])
    view = queries.run(page.need_run(names))
    live.head(view)
    with st.container(horizontal=True, gap="small"):
        live.controls(view, key="monitor")
    if view.state in runs.ACTIVE:
        live.following(view.id, view.state)
        live.money_so_far(view.id)
    else:
        live.ended(view)
        live.tiles(progress.look(view.id))
        if view.done:
            live.decisions(view.id)
            live.money(view)
