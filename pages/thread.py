"""Thread: from a text to the memory made of it, the trades that rested on it, and the credit that came back; and the same way back."""

from ui import page, run_view, thread

page.start("Thread", __file__)

with run_view.told():
    view, ticker = run_view.chosen()
    run_view.strip(view, slim=True)
    thread.show(view, ticker)
