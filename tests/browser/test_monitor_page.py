"""A run being watched in a real browser: its answer is seen as it is written, and neither a reload, a closed tab nor a restarted server hurts it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from storage.run_store import RunStore
from tests.browser.driver import CHROMIUM, ROOT, Tab, browsing, serving
from tests.stand_ins.ollama_server import Model, OllamaStandIn

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="Debian's chromium is not installed")]

SCRIPT = """
from agent.memory.layers import preset
from agent.spec import RunSpec
from services import runs
for name in ("One", "Two"):
    runs.submit(RunSpec.read({
        "name": name, "tickers": ["DMAUR"], "test": {"start": "2022-01-18", "end": "2022-03-31"},
        "backend": "ollama", "backend_options": {"model": "qwen3:8b"},
        "memory": preset("default").model_copy(update={"embedder": "hashing"}).model_dump(),
    }))
"""


def start(home: Path, url: str) -> None:
    """Two runs as processes of their own."""
    env = {**os.environ, "RECOLLECT_HOME": str(home), "RECOLLECT_DEMO_ON_START": "false", "OLLAMA_HOST": url}
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, env=env, check=True, capture_output=True)


def done(home: Path, run: str) -> int:
    return RunStore(f"sqlite:///{home / 'runs.db'}").run(run).sessions_done


def test_a_watched_run_outlives_reload_tab_and_server_and_the_page_stops_asking_when_it_ends(tmp_path):
    with OllamaStandIn(models=[Model("qwen3:8b")], piece=20) as server, browsing() as browser:
        server.token_delay_s = 0.03
        start(tmp_path, server.url)
        first, second = (row.id for row in RunStore(f"sqlite:///{tmp_path / 'runs.db'}").runs())
        with serving(tmp_path, RECOLLECT_DEMO_ON_START="false", OLLAMA_HOST=server.url) as url:
            tab = Tab(browser)
            tab.page.goto(f"{url}/monitor")
            tab.page.get_by_text("One", exact=True).first.wait_for()
            tab.page.get_by_text("Two", exact=True).first.wait_for()  # both at once, as several are in progress
            tab.page.goto(f"{url}/monitor?run={first}&watch=one")
            tab.page.get_by_text("Being written").first.wait_for()
            tab.page.wait_for_function("() => (document.querySelector('[data-testid=\"stCode\"]')?.innerText || '').length > 40")
            tab.page.reload()
            tab.page.get_by_text("Being written").first.wait_for()
            assert tab.complaints == [] and tab.exceptions() == []
            tab.close()
        before = done(tmp_path, first)
        with serving(tmp_path, RECOLLECT_DEMO_ON_START="false", OLLAMA_HOST=server.url) as url:
            tab = Tab(browser)
            tab.page.goto(f"{url}/monitor?run={first}&watch=one")
            tab.page.get_by_text(re.compile(r"\d+ of \d+ days, about .* left")).first.wait_for()
            tab.page.wait_for_function(
                "n => { const found = document.body.innerText.match(/(\\d+) of \\d+ days/); return found && Number(found[1]) > n }",
                arg=before,
            )
            tab.page.get_by_role("button", name="Cancel the run").click()
            tab.page.get_by_text("⊘ cancelled").first.wait_for()
            tab.idle()
            tab.page.wait_for_timeout(5_000)  # two and a half times the page's own rhythm
            assert tab.page.evaluate("() => window.__watch.calm().since") > 4_500, "nothing moves once the run has ended"
            assert tab.complaints == [] and tab.exceptions() == []
            tab.page.goto(f"{url}/monitor?run={second}")
            tab.page.get_by_role("button", name="Cancel the run").click()
            tab.page.get_by_text("⊘ cancelled").first.wait_for()
            tab.close()
