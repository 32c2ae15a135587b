"""Two runs in a real browser: the first disagreement that cost money, both traces, and the link, which shows the same view cold."""

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

SCRIPT = """
from agent.memory.layers import preset
from agent.spec import RunSpec
from services import runs, worker
memory = preset("default").model_copy(update={"embedder": "hashing"})
little = memory.model_copy(update={"layers": tuple(layer.model_copy(update={"top_k": 1}) for layer in memory.layers)})
for name, kept in (("Remembers much", memory), ("Remembers little", little)):
    run = runs.create(RunSpec.read({
        "name": name, "tickers": ["DMAUR"], "train": {"start": "2022-01-10", "end": "2022-01-14"},
        "test": {"start": "2022-01-18", "end": "2022-03-15"}, "memory": kept.model_dump(),
    }))
    assert worker.execute(run) == "done"
"""


def test_two_runs_are_followed_to_the_day_that_cost_money_and_the_link_shows_it_cold(tmp_path: Path):
    env = {**os.environ, "RECOLLECT_HOME": str(tmp_path), "RECOLLECT_DEMO_ON_START": "false"}
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, env=env, check=True, capture_output=True)
    runs = [row.id for row in RunStore(f"sqlite:///{tmp_path / 'runs.db'}").runs()]
    with serving(tmp_path, RECOLLECT_DEMO_ON_START="false") as url, browsing() as browser:
        tab = Tab(browser)
        tab.open(f"{url}/compare")
        tab.page.get_by_role("link", name=re.compile("Compare .*Remembers")).first.click()
        tab.page.get_by_role("radio", name="Days").click()
        tab.page.get_by_role("button", name="First disagreement that cost money").click()
        tab.page.get_by_text("Trace of this day").first.wait_for()
        tab.idle()
        link = tab.page.url
        day = re.search(r"[?&]day=(\d{4}-\d\d-\d\d)", link)
        assert day and all(run in link for run in runs) and "tab=days" in link
        view = tab.text()
        assert "Recalled memories" in view and view.count("Trace of this day") == 2 and "of equity less than" in view
        hrefs = [item.get_attribute("href") for item in tab.page.get_by_role("link", name=re.compile("Trace of this day")).all()]
        assert all(any(run in str(href) for href in hrefs) for run in runs)
        memory = tab.page.get_by_role("link", name=re.compile(r"^M\d+$")).first.get_attribute("href")
        for place in range(2):
            tab.page.get_by_role("link", name=re.compile("Trace of this day")).nth(place).click()
            tab.page.wait_for_url(re.compile(r"/days\?"))
            tab.page.get_by_text("Recalled", exact=True).first.wait_for()
            assert f"day={day[1]}" in tab.page.url and str(hrefs[place]).split("run=")[1][:9] in tab.page.url
            if not place:
                tab.page.go_back()
                tab.page.get_by_text("Trace of this day").nth(1).wait_for()
        assert tab.complaints == [] and tab.exceptions() == []
        tab.close()

        cold = Tab(browser)
        cold.open(link)
        cold.page.get_by_text("Trace of this day").nth(1).wait_for()
        cold.idle()
        assert cold.text() == view and cold.complaints == [] and cold.exceptions() == []
        cold.open(f"{url}/{memory}")
        assert "mem=" in cold.page.url and "Importance" in cold.text() and cold.exceptions() == []
        cold.close()
