"""A stranger's task list in a real browser: the worst trade, why it was made, the memory to blame, what became of it, all its recalls, and a link
of that view opened cold. With RECOLLECT_SHOTS=DIR each view is kept as a picture."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from storage.run_store import RunStore
from tests.browser.driver import CHROMIUM, ROOT, Tab, browsing, serving

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="Debian's chromium is not installed")]

FLAGS = ["--source", "demo", "--tickers", "DMAUR,DMCEL", "--train", "2021-11-01:2021-12-31", "--test", "2022-01-03:2022-06-30"]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A library with one finished run of half a year, or the one at RECOLLECT_STRANGER_HOME."""
    if known := os.environ.get("RECOLLECT_STRANGER_HOME"):
        return Path(known)
    made = tmp_path_factory.mktemp("home")
    env = {**os.environ, "RECOLLECT_HOME": str(made), "RECOLLECT_DEMO_ON_START": "false"}
    subprocess.run([sys.executable, "cli.py", "run", *FLAGS, "--embedder", "hashing"], cwd=ROOT, env=env, check=True, capture_output=True)
    return made


def follow(tab: Tab, words: str) -> None:
    """Click the first link with these words, and wait until its page stands."""
    before = tab.page.url
    tab.page.get_by_role("link", name=re.compile(words)).first.click()
    tab.page.wait_for_function("old => location.href !== old", arg=before)
    tab.idle()


def seen(tab: Tab, name: str) -> str:
    """The words on the page, which must be whole; a picture of it where one is wanted."""
    if folder := os.environ.get("RECOLLECT_SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        tab.shot(Path(folder) / f"{name}.png")
    assert tab.complaints == [] and tab.exceptions() == []
    return tab.text()


def test_a_stranger_finds_the_worst_trade_the_memory_to_blame_and_sends_a_link(home):
    store = RunStore(f"sqlite:///{home / 'runs.db'}")
    run = store.runs()[0].id
    with serving(home, RECOLLECT_DEMO_ON_START="false") as url, browsing() as browser:
        tab = Tab(browser)
        tab.open(url)
        place = tab.page.locator('[data-testid="stDataFrame"] canvas').first.bounding_box()
        tab.page.mouse.click(place["x"] + 18, place["y"] + 52)
        tab.idle()
        tab.page.get_by_role("button", name="Open", exact=True).click()
        tab.page.wait_for_url(re.compile("/overview"))
        tab.idle()
        assert "Buy and hold" in seen(tab, "1_overview")
        # find the worst trade
        follow(tab, "^Trades$")
        tab.page.get_by_role("radio", name="all tickers").or_(tab.page.get_by_role("button", name="all tickers")).first.click()
        tab.idle()
        seen(tab, "2_trades")
        follow(tab, "Worst trip")
        said = seen(tab, "3_worst_trade")
        # read why
        assert "Why it was entered" in said and "For" in said and "Against" in said and "What became of it" in said
        ticker = re.search(r"ticker=(\w+)", tab.page.url)[1]
        # find the memory to blame
        memory = int(re.search(r"Memory (\d+)", said)[1])
        follow(tab, f"Memory {memory}")
        assert f"Memory {memory}" in seen(tab, "4_memory")
        # see what became of it, and all days on which it was recalled
        tab.page.go_back()
        tab.idle()
        tab.page.get_by_role("link", name=re.compile("^Thread →")).first.click()
        tab.page.wait_for_url(re.compile(f"/thread.*mem={memory}"))
        tab.idle()
        said = seen(tab, "5_thread")
        uses = store.recall_rows(run, ticker, memory_id=memory)
        shown = int((~uses["near_miss"].astype(bool)).sum())
        assert shown and str(shown) in said
        # send a link of that view, and open it cold
        link = tab.page.url
        tab.close()
        cold = Tab(browser)
        cold.open(link)
        assert seen(cold, "6_cold") == said
        assert cold.page.url.split("?")[0] == link.split("?")[0] and f"mem={memory}" in cold.page.url
        cold.close()
