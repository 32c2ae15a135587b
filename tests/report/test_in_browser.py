"""The file opened as its reader opens it: from disk, in a real browser, without a network; and with everything hostile that a text can be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from report import build
from report.choose import Choice
from services import annotations
from tests.browser.driver import CHROMIUM, browsing
from tests.report.conftest import Write

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="Debian's chromium is not installed")]

ATTACK = (
    "</script><script>window.pwned=1</script><img src=x onerror='window.pwned=2'><svg onload=window.pwned=3>"
    "<iframe src='http://evil.example/i'></iframe><style>@import 'http://evil.example/c';body{display:none}</style>"
    "![p](http://evil.example/p.png) [click](javascript:window.pwned=4) \x1b[31mred\x1b[0m \u202egnp.exe \u2028 \x00 <!-- ]]> &lt; $x$"
)
SHOWN = "</script><script>window.pwned=1</script><img src=x onerror='window.pwned=2'>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing() as chromium:
        yield chromium


class Reader:
    """A cold, offline browser window with the file; ``said`` holds errors and every request but that for the file itself."""

    def __init__(self, browser: Any, path: Path, *, address: str = "", **options: Any) -> None:
        self.said: list[str] = []
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True, reduced_motion="reduce", **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.context.on("request", lambda request: None if request.url.split("#")[0] == path.as_uri() else self.said.append(request.url))
        self.page.goto(path.as_uri() + address)

    def ready(self) -> Reader:
        self.page.wait_for_selector("html[data-ready]")
        return self


@pytest.fixture(scope="module")
def file(made: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    build.save(build.plan(made), path)
    return path


def test_from_a_decision_to_the_memory_behind_it_and_back_without_a_network(browser, file):
    reader = Reader(browser, file).ready()
    page = reader.page
    page.locator('[data-chart="money-0"] .main-svg').first.wait_for()
    page.locator("#decisions-table input").fill("buy DMAUR")
    page.locator("#decisions-table tbody a").first.click()
    day = page.locator("#day-view h3")
    day.wait_for()
    assert page.evaluate("location.hash").startswith("#d-DMAUR-2022-")
    page.get_by_role("button", name="Open every step").click()
    assert page.locator("#day-view details.step").count() == 9
    assert (
        "You are" in page.locator('#day-view [data-step="asked"]').inner_text()
        or page.locator('#day-view [data-step="asked"] details').count()
    )
    link = page.locator('#day-view [data-step="recalled"] a').first
    number = link.inner_text()
    link.click()
    page.locator("#memory-view h3", has_text=f"memory {number}").wait_for()
    born = page.locator("#memory-view table a").first
    then = born.inner_text()
    born.click()
    page.locator("#day-view h3", has_text=then).wait_for()
    page.locator("#day-view h3").click()
    page.keyboard.press("k")
    page.wait_for_function("then => !document.querySelector('#day-view h3').textContent.includes(then)", arg=then)
    assert page.evaluate("document.querySelector('#day-view h3').textContent.slice(8, 18)") > then
    assert reader.said == []
    reader.context.close()


def test_a_link_to_a_day_opens_it_cold_and_tables_sort_by_their_headings(browser, file):
    reader = Reader(browser, file, address="#d-DMBRS-2022-01-25", color_scheme="dark").ready()
    page = reader.page
    page.locator("#day-view h3", has_text="DMBRS · 2022-01-25").wait_for()
    page.locator("#decisions-table th button", has_text="Equity").click()
    cells = page.locator("#decisions-table tbody tr td:nth-child(13)").all_inner_texts()
    figures = [float(cell.replace(",", "")) for cell in cells]
    assert figures == sorted(figures, reverse=True)
    assert page.locator('#decisions-table th[aria-sort="descending"]').inner_text().startswith("Equity")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    page.set_viewport_size({"width": 768, "height": 900})
    page.wait_for_function("document.documentElement.scrollWidth <= 768")
    assert reader.said == []
    reader.context.close()


def test_without_scripts_the_figures_and_a_line_of_equity_are_there(browser, file):
    reader = Reader(browser, file, java_script_enabled=False)
    words = reader.page.locator("main").inner_text()
    assert "Deepest fall below an earlier peak" in words and "This part needs JavaScript" in words
    assert reader.page.locator(".still svg polyline").count() >= 2
    assert reader.said == []
    reader.context.close()


def test_hostile_texts_are_letters_wherever_they_stand(browser, written: Write, tmp_path):
    huge = "W" * 2_000_000
    run = written(
        "<b>" + ATTACK[:60],
        3,
        say=lambda what: huge if what == "memory" else ATTACK,
        memories=1,
        asked={"note": ATTACK, "issues": [ATTACK]},
    )
    annotations.note(annotations.place(run), ATTACK)
    annotations.note(annotations.place(run, "DMAUR", day=date(2022, 1, 4)), ATTACK)
    path = tmp_path / "hostile.html"
    with path.open("w", encoding="utf-8", newline="\n") as out:
        build.write(build.plan(run, Choice()), out, now=datetime(2026, 1, 2, tzinfo=UTC))
    reader = Reader(browser, path, address="#d-DMAUR-2022-01-05").ready()
    page = reader.page
    page.get_by_role("button", name="Open every step").click()
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    for step in ("observed", "asked", "thinking", "answered", "decision"):
        assert SHOWN in page.locator(f'[data-step="{step}"]').inner_text(), step
    assert SHOWN in page.locator("#notes").inner_text() and SHOWN in page.locator("#issues").inner_text()
    page.evaluate("location.hash = '#m-DMAUR-2'")
    page.locator("#memory-view h3").wait_for()
    shown = page.locator("#memory-view pre").inner_text()
    assert 200_000 < len(shown) < 201_000 and "more characters are not shown here" in shown
    page.evaluate("location.hash = '#m-DMAUR-%E0%A4%A-1'")  # not even valid escapes
    page.evaluate("location.hash = '#d-\"><img src=x>-2022-01-05'")
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned") is None
    assert page.locator("img, iframe, object, embed, link, form, main svg[onload], [onerror]").count() == 0
    assert page.locator("script:not([type])").count() == 2  # ours and the drawing library
    everything = page.locator("body").inner_text()
    assert not {"\x1b", "\u202e", "\x00"} & set(everything)
    assert page.locator("body").is_visible() and reader.said == []
    written_out = path.read_text(encoding="utf-8")
    assert written_out.count("</script>") == written_out.count("<script")
    reader.context.close()
