"""A file of one's own in a real browser: upload, say what is what, save, look at it day by day."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from agent.market.sessions import Calendar
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


def german_prices(path: Path) -> Path:
    """A CSV as a German spreadsheet writes it: semicolons, decimal commas, days first, no ticker, one session missing."""
    sessions = [s for s in Calendar().sessions(date(2024, 1, 2), date(2024, 2, 9)) if s.day != date(2024, 1, 10)]
    rows = [f"{s.day:%d.%m.%Y};{50 + i},25;{52 + i},5;{49 + i},75;{51 + i},5;{1000 + i}" for i, s in enumerate(sessions)]
    path.write_text("Date;Open;High;Low;Close;Volume\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def choose(tab: Tab, label: str, option: str) -> None:
    """Pick an option of a select box by its beginning."""
    tab.page.get_by_role("combobox", name=label, exact=True).first.click()
    tab.page.get_by_role("option", name=re.compile(f"^{re.escape(option)}")).first.click()
    tab.idle()


def fill(tab: Tab, label: str, value: str) -> None:
    tab.page.get_by_label(label, exact=True).first.fill(value)
    tab.page.keyboard.press("Tab")
    tab.idle()


def test_an_uploaded_file_is_mapped_saved_and_seen_in_the_calendar(app, browser, tmp_path):
    tab = Tab(browser, width=1400)
    tab.open(f"{app}/data?tab=import")
    tab.page.locator('input[type="file"]').first.set_input_files(german_prices(tmp_path / "kurse.csv"))
    tab.page.get_by_text("separated by semicolons, decimal commas").wait_for()
    tab.idle()
    fill(tab, "Which ticker is it?", "sap")
    choose(tab, "What are its prices?", "as traded")
    if tab.page.get_by_role("combobox", name="In which order are its days written?").count():
        choose(tab, "In which order are its days written?", "day, month, year")
    tab.page.get_by_text("27 rows of prices for SAP, 2024-01-02 to 2024-02-09.").wait_for()
    assert "2024-01-10" in tab.text(), "the missing session is shown before anything is saved"
    fill(tab, "Name of the dataset", "kurse 2024")
    tab.page.get_by_role("button", name="Save", exact=True).click()
    tab.page.get_by_text("✓ saved").wait_for()
    tab.idle()
    tab.page.get_by_role("link", name=re.compile("Look at it")).click()
    tab.page.wait_for_url(re.compile(r"source=upload%3Akurse"))
    tab.page.get_by_text("Coverage calendar").wait_for()
    tab.idle()
    assert "SAP · XNYS · USD" in tab.text() and "27 prices" in tab.text()
    assert tab.complaints == [] and tab.exceptions() == []
    tab.close()


def test_a_click_on_a_cell_of_the_calendar_opens_its_day_and_the_keys_turn_it(app, browser):
    tab = Tab(browser, width=1400)
    tab.open(f"{app}/data?source=demo&tickers=DMAUR&from=2023-12-01&to=2023-12-29")
    plot = tab.page.locator('[data-testid="stPlotlyChart"] .nsewdrag').first
    place = plot.bounding_box()
    tab.page.mouse.move(place["x"] + place["width"] * 0.42, place["y"] + place["height"] * 0.5)
    tab.page.wait_for_timeout(300)
    tab.page.mouse.click(place["x"] + place["width"] * 0.42, place["y"] + place["height"] * 0.5)
    tab.page.wait_for_url(re.compile(r"day=2023-12-\d{2}"))
    tab.idle()
    day = re.search(r"day=(\d{4}-\d{2}-\d{2})", tab.page.url)[1]
    assert re.search(rf"Knowledge ends at the close of \w{{3}} {day}", tab.text())
    tab.page.get_by_role("button", name=re.compile("^Next ")).click()
    tab.page.wait_for_url(re.compile(r"day=(?!" + day + r")2023-12-\d{2}"))
    tab.idle()
    later = re.search(r"day=(\d{4}-\d{2}-\d{2})", tab.page.url)[1]
    assert later > day, "the click stays in the chart, the day moves on"
    assert tab.complaints == [] and tab.exceptions() == []
    tab.close()


def test_a_link_to_a_day_of_a_dataset_lands_on_it_in_a_cold_browser(app, browser):
    tab = Tab(browser)
    tab.open(f"{app}/data?source=upload:kurse 2024&day=2024-01-20")
    assert "2024-01-20 (Saturday) is no session of XNYS" in tab.text() and "2024-01-19" in tab.text()
    tab.open(f"{app}/data?tab=datasets")
    assert "kurse 2024" in tab.text() and "New run with it" in tab.text()
    assert tab.complaints == [] and tab.exceptions() == []
    tab.close()
