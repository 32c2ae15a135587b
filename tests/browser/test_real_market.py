"""Real markets in a real browser: tickers typed, looked up at Yahoo, covered by a strip, run on; and a file of one's own, mapped and run on."""

from __future__ import annotations

import re
from datetime import date

import pytest

from agent.market.sessions import Calendar
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


def test_a_file_of_ones_own_is_uploaded_mapped_and_traded(app, browser, tmp_path):
    sessions = Calendar().sessions(date(2024, 1, 2), date(2024, 4, 30))
    rows = [f"{s.day},{50 + i},{52 + i},{49 + i},{51 + i},{1000 + i}" for i, s in enumerate(sessions)]
    file = tmp_path / "prices.csv"
    file.write_text("Date,Open,High,Low,Last,Volume\n" + "\n".join(rows) + "\n", encoding="utf-8")
    tab = Tab(browser, width=1400)
    tab.open(f"{app}/data?tab=import")
    tab.page.locator('input[type="file"]').first.set_input_files(file)
    tab.page.get_by_text("What is what").first.wait_for()
    tab.idle()
    choose(tab, "close (needed)", "Last")
    typed(tab, "Which ticker is it?", "ACME", until="What are its prices?")
    choose(tab, "What are its prices?", "as traded")
    tab.page.get_by_text(f"{len(rows)} rows of prices for ACME").wait_for()
    typed(tab, "Name of the dataset", "acme", until="Save")
    tab.page.get_by_role("button", name="Save", exact=True).click()
    tab.page.get_by_text("✓ saved").wait_for()
    tab.open(f"{app}/new_run?dataset=acme")
    tab.page.get_by_role("combobox", name="Dataset", exact=True).first.wait_for()
    tab.idle()
    choose(tab, "Embeddings", "hashing")
    assert "Hatched: no source for filings and news" in tab.text()
    tab.page.get_by_role("button", name="Start the run").click()
    tab.page.wait_for_url(re.compile(r"/monitor\?.*run=r[0-9a-f]{8}"))
    tab.page.get_by_text("✓ done").first.wait_for(timeout=240_000)
    run = re.search(r"run=(r[0-9a-f]{8})", tab.page.url)[1]
    tab.open(f"{app}/overview?run={run}")
    assert "ACME" in tab.text() and tab.complaints == [] and tab.exceptions() == []
    tab.close()
