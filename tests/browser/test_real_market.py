"""Real markets in a real browser: tickers typed, looked up at Yahoo, covered by a strip, run on; and a file of one's own, mapped and run on."""

from __future__ import annotations

import re

import pytest

from tests.browser.driver import CHROMIUM, Tab, browsing, serving
from tests.browser.test_app import choose, set_date
from tests.stand_ins.yahoo import YahooStandIn

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="Debian's chromium is not installed")]


@pytest.fixture(scope="module")
def yahoo():
    with YahooStandIn() as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def app(tmp_path_factory, yahoo):
    with serving(tmp_path_factory.mktemp("home"), RECOLLECT_DEMO_ON_START="false", RECOLLECT_YAHOO_URL=yahoo.url) as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    with browsing() as chromium:
        yield chromium


def typed(tab: Tab, label: str, value: str, *, until: str) -> None:
    """A text field filled and left, as a person would; waits for what the page says then."""
    tab.page.get_by_label(label, exact=True).first.fill(value)
    tab.page.keyboard.press("Enter")
    tab.page.get_by_text(until, exact=False).first.wait_for()
    tab.idle()


def test_tickers_are_looked_up_covered_by_a_strip_and_traded(app, browser):
    tab = Tab(browser, width=1400)
    tab.open(f"{app}/new_run")
    choose(tab, "Source", "yahoo")
    assert "Type one ticker or more" in tab.text()
    typed(tab, "Tickers", "AAPL, NOSUCHX", until="has never heard of the ticker 'NOSUCHX'")
    typed(tab, "Tickers", "AAPL, MSFT", until="Hatched: no source for")
    choose(tab, "Embeddings", "hashing")
    for label, digits in (("Train from", "20250303"), ("Train to", "20250331"), ("Test from", "20250401"), ("Test to", "20250430")):
        set_date(tab, label, digits)
    tab.page.get_by_role("button", name="Start the run").click()
    tab.page.wait_for_url(re.compile(r"/monitor\?.*run=r[0-9a-f]{8}"))
    tab.page.get_by_text("✓ done").first.wait_for(timeout=240_000)
    assert tab.complaints == [] and tab.exceptions() == []
    tab.close()
