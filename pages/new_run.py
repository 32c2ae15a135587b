"""New run: this page is being built."""

from ui import page

page.start("New run", __file__)
page.empty("Nothing here yet", "Runs will be listed here once there are any.")
