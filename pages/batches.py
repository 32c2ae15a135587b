"""Batches: many runs asked for at once - how far each batch is, what came of its runs, and the buttons that steer it."""

from services import batches
from ui import batches as shown
from ui import page, run_view

page.start("Batches", __file__)

with run_view.told():
    found = batches.rows()
    if found:
        shown.one(shown.listed(found))
    else:
        shown.nothing_yet()
    shown.from_file(opened=not found)
