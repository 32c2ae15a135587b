"""The Models page in a real browser: a pull outlives its tab, an answer streams and stops, hostile names are letters, nothing overflows."""

from __future__ import annotations

import re

import pytest

from tests.browser.driver import CHROMIUM, Tab, browsing, serving
from tests.stand_ins.ollama_server import Model, OllamaStandIn, Pull

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="Debian's chromium is not installed")]

HOSTILE = "x<img src=x onerror=alert(1)>:**b**[l](javascript:1)\u202egnp."


@pytest.fixture(scope="module")
def server():
    with OllamaStandIn(models=[Model("qwen3:8b", thinking=True), Model(HOSTILE), Model("y" * 500)]) as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def app(tmp_path_factory, server):
    environment = {"OLLAMA_HOST": server.url, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "sk-secret-1234567890"}
    with serving(tmp_path_factory.mktemp("home"), RECOLLECT_DEMO_ON_START="false", **environment) as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    with browsing() as chromium:
        yield chromium


def quiet(tab: Tab) -> None:
    assert tab.complaints == [] and tab.exceptions() == []
    tab.close()


def test_a_pull_goes_on_while_the_tab_is_closed_and_its_model_appears_in_the_list(app, browser, server):
    server.pull = Pull(layers=(4_000_000_000, 300), steps=60, pause_s=0.1)
    tab = Tab(browser)
    tab.open(f"{app}/models")
    tab.page.get_by_label("Model", exact=True).fill("tiny:1b")
    tab.page.get_by_role("button", name="Pull", exact=True).click()
    tab.page.get_by_text(re.compile(r"\d+% · .* of 4\.0 GB · .*/s · .* left")).wait_for()
    quiet(tab)
    again = Tab(browser)
    again.page.goto(f"{app}/models")
    again.page.get_by_text(re.compile(r"\d+% · .* of 4\.0 GB")).wait_for()
    again.page.get_by_text("✓ installed").wait_for()
    again.idle()
    assert server.find("tiny:1b") is not None and "4 models" in again.text(), "the page was drawn anew when it ended"
    quiet(again)


def test_an_answer_is_seen_while_it_is_written_and_can_be_stopped(app, browser, server):
    server.brain, server.token_delay_s, server.piece = lambda body: "word " * 500, 0.05, 5
    tab = Tab(browser)
    tab.open(f"{app}/models?tab=ask&model=qwen3:8b")
    tab.page.get_by_role("button", name="Ask", exact=True).click()
    tab.page.get_by_text(re.compile("word word word")).first.wait_for()
    tab.page.get_by_text("▶ answering").wait_for()
    tab.page.get_by_role("button", name="Stop", exact=True).last.click()
    tab.page.get_by_text("⊘ stopped").wait_for()
    tab.idle()
    assert server.chats[-1].disconnected
    server.token_delay_s = 0.0
    quiet(tab)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (768, True)])
@pytest.mark.parametrize("part", ["installed", "ask", "cutoffs"])
def test_no_name_runs_links_or_widens_the_page(app, browser, width, dark, part):
    tab = Tab(browser, width=width, dark=dark)
    tab.page.on("dialog", lambda dialog: tab.complaints.append(f"dialog: {dialog.message}"))
    tab.open(f"{app}/models?tab={part}&model={'y' * 300}")
    assert (
        tab.page.evaluate("() => { const m = document.querySelector('[data-testid=\"stMain\"]'); return m.scrollWidth - m.clientWidth }")
        <= 0
    )
    assert tab.page.query_selector_all('[data-testid="stMain"] img[src="x"]') == []
    assert tab.page.query_selector_all('[data-testid="stMain"] a[href^="javascript"]') == []
    assert "sk-secret" not in tab.page.content()
    quiet(tab)
