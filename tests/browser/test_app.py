"""A stranger's first minutes, in a real browser: start a run from the form, watch it, open a traded day, move the memory's day."""

from __future__ import annotations

import re

import pytest

from tests.browser.driver import CHROMIUM, Tab, browsing, serving

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="Debian's chromium is not installed")]


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("home"), RECOLLECT_DEMO_ON_START="false") as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    with browsing() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def finished(app, browser) -> str:
    """A run started from the form and watched to its end; its id."""
    tab = Tab(browser)
    tab.open(f"{app}/new_run")
    choose(tab, "Embeddings", "hashing")
    set_date(tab, "Test to", "20230815")
    tab.page.get_by_role("button", name="Start the run").click()
    tab.page.wait_for_url(re.compile(r"/monitor\?.*run=r[0-9a-f]{8}"))
    run = re.search(r"run=(r[0-9a-f]{8})", tab.page.url)[1]
    tab.page.get_by_text("✓ done").first.wait_for(timeout=240_000)
    assert tab.complaints == [] and tab.exceptions() == []
    tab.close()
    return run


def choose(tab: Tab, label: str, option: str) -> None:
    """Pick an option of a select box by its beginning; a rerun may close the list under the pointer, as it would a person's."""
    from playwright.sync_api import TimeoutError as Late

    wanted = tab.page.get_by_role("option", name=re.compile(f"^{option}")).first
    for attempt in range(5):
        tab.page.get_by_role("combobox", name=label, exact=True).first.click()
        try:
            wanted.click(timeout=5_000)
            break
        except Late:
            assert attempt < 4, f"{label} never offered {option}"
            tab.page.keyboard.press("Escape")
            tab.idle()
    tab.idle()


def set_date(tab: Tab, label: str, digits: str) -> None:
    """Type year, month and day into a segmented date field."""
    tab.page.get_by_role("group", name=label).get_by_role("spinbutton").first.click()
    tab.page.keyboard.type(digits, delay=30)
    tab.page.keyboard.press("Tab")
    tab.idle()


def test_a_run_started_from_the_form_ends_in_the_library(app, browser, finished):
    tab = Tab(browser)
    tab.open(app)
    assert "1 of 1 runs" in tab.text() or finished in tab.text()
    assert tab.complaints == [] and tab.exceptions() == []
    tab.close()


def test_a_traded_day_opens_by_clicking_its_row_and_shows_what_was_recalled_and_why(app, browser, finished):
    tab = Tab(browser)
    tab.open(f"{app}/days?run={finished}")
    tab.page.get_by_role("button", name=re.compile("buy")).first.click()
    tab.idle()
    place = tab.page.locator('[data-testid="stDataFrame"] canvas').first.bounding_box()
    tab.page.mouse.click(place["x"] + 18, place["y"] + 52)  # the tick of the first row; the table is drawn on a canvas
    tab.page.wait_for_url(re.compile(r"day=\d{4}-\d{2}-\d{2}"))
    tab.idle()
    said = tab.text()
    for step in ("Observed", "Recalled", "Asked", "Answered", "Decision", "Order", "Outcome", "Memory"):
        assert step in said
    assert "buy" in said and "For" in said and "Against" in said
    assert tab.complaints == [] and tab.exceptions() == []
    tab.close()


def test_moving_the_memory_day_changes_what_the_memory_held(app, browser, finished):
    tab = Tab(browser)
    tab.open(f"{app}/memory?run={finished}")
    before, url = tab.text(), tab.page.url
    tab.page.get_by_role("button", name=re.compile("Previous day")).click()
    tab.page.wait_for_function("old => location.href !== old", arg=url)
    tab.idle()
    assert tab.text() != before and re.search(r"day=\d{4}-\d{2}-\d{2}", tab.page.url)
    assert tab.complaints == [] and tab.exceptions() == []
    tab.close()


@pytest.mark.parametrize("page", ["overview", "days", "memory", "monitor"])
def test_a_link_pasted_into_a_cold_browser_lands_on_the_same_view(app, browser, finished, page):
    tab = Tab(browser)
    tab.open(f"{app}/{page}?run={finished}&ticker=DMAUR&day=2023-07-20")
    assert f"run={finished}" in tab.page.url and f"/{page}" in tab.page.url
    assert tab.page.locator('[data-testid="stSidebarNav"]').count() == 1
    if page in ("days", "memory"):
        assert "2023-07-20" in tab.text()
    assert tab.complaints == [] and tab.exceptions() == []
    tab.close()


def test_a_deep_link_is_the_first_thing_a_fresh_server_sees(tmp_path, browser):
    with serving(tmp_path, RECOLLECT_DEMO_ON_START="false") as url:
        tab = Tab(browser)
        tab.open(f"{url}/days?run=r00000000")
        assert tab.page.locator('[data-testid="stSidebarNav"]').count() == 1
        assert tab.exceptions() == [] and tab.complaints == []
        tab.close()
