"""Days: this page is being built."""

from ui import page

page.start("Days", __file__)
run = page.need_run()
page.empty(f"Run {run}", "This view will show the run.")
