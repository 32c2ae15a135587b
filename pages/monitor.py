"""Monitor: a run in progress - how far it is, what is being written, how it stands against holding - and the buttons that steer it.

Everything shown comes from the run store and the address, so the page can be closed and opened again at any time.
"""

import streamlit as st

from services import progress, queries, runs
from ui import live, page, pickers, run_view, url_state

page.start("Monitor", __file__)

MOST = 8  # runs watched at once


def together(active: list[str]) -> bool:
    """Whether all runs in progress are to be shown; asked only where there are several. Without a run in the address they are."""
    if len(active) < 2:
        return False
    several = f"all {len(active)} in progress" if len(active) <= MOST else f"the newest {MOST} of {len(active)} in progress"
    options = ("one", "all") if pickers.current("run") else ("all", "one")
    return url_state.choice("watch", options, label="Watch", shown={"one": "one run", "all": several}) == "all"


with run_view.told():
    names = queries.names()
    active = progress.active()
    if together(active):
        live.side_by_side({run: progress.look(run).state for run in active[:MOST]})
        st.stop()
    if not pickers.current("run") and active:
        pickers.write(run=active[0])
    view = run_view.read(page.need_run(names))
    live.head(view)
    with st.container(horizontal=True, gap="small"):
        live.controls(view, key="monitor")
    if view.state in runs.ACTIVE:
        live.following(view.id, view.state)
        live.money_so_far(view.id)
    else:
        live.ended(view)
        live.tiles(progress.look(view.id))
        live.asked_again(view)
        if view.done:
            live.decisions(view.id)
            live.money(view)
