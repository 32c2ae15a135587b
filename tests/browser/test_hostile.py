"""Everything hostile that a text can be, on every page and in the report, in the real browser: it is shown as letters and does nothing.

One server, one browser and one window for all pages, whose addresses name every tab and view.
"""

from __future__ import annotations

import csv
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from markdown_it import MarkdownIt

from storage.run_store import RunStore
from tests.browser.driver import CHROMIUM, ROOT, Tab, browsing, serving
from tests.browser.hostile_run import BIG_DAY, COPIED_DAY, MARKED_DAY, RUN, SHOWN, TICKERS

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="Debian's chromium is not installed")]

SLOWEST_S = 60  # a page that stands still, not a busy machine: speed is measured in bench/
STEPS = "observed~recalled~asked~thinking~answered~study~decision~order~outcome~credit~memory"
FIRST, SECOND = TICKERS
ONE = {"run": RUN, "ticker": FIRST}

# What a text of somebody else must never have become, anywhere in the document. Our own links go to our own pages.
ALIVE = r"""() => {
  const found = [], seen = s => document.querySelectorAll(s);
  const own = url => /^(data:(image|font|application\/octet)|blob:|#)/.test(url) || new URL(url, location.href).host === location.host && !/^ *(javascript|vbscript|data):/i.test(url);
  for (const one of seen('*')) for (const name of ['href', 'xlink:href', 'src', 'action', 'formaction', 'data', 'poster', 'srcset', 'background']) {
    const url = one.getAttribute(name);
    if (url && !own(url)) found.push(one.tagName + ' ' + name + ' ' + url.slice(0, 200));
  }
  for (const one of seen('iframe, embed, object, base, form[action], [onerror], [onload], [onclick], .katex, body style[data-evil], meta[http-equiv=refresh]'))
    found.push('element ' + one.outerHTML.slice(0, 200));
  for (const one of seen('strong, em, mark, h1, h2, h3, li, blockquote, span[style*="color"]'))
    if (/^(red|r|n|t|bold|quote|list)$/.test(one.textContent.trim()) && !one.closest('svg, pre')) found.push('marked up ' + one.outerHTML.slice(0, 200));
  if (window.pwned !== undefined) found.push('a script ran: ' + window.pwned);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode())
    if (/[\u0000\u001b\u202a-\u202e\u2066-\u2069]/.test(texts.currentNode.data) && !texts.currentNode.parentElement.closest('script, style'))
      found.push('controls in the text ' + texts.currentNode.data.slice(0, 100));
  const main = document.querySelector('[data-testid="stMain"]');
  const wide = Math.max(document.documentElement.scrollWidth - innerWidth, main ? main.scrollWidth - main.clientWidth : 0);
  if (wide > 0) found.push('wider than the window by ' + wide);
  return found;
}"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made in a process of its own, since the store reads its place from the environment."""
    made = tmp_path_factory.mktemp("hostile")
    env = {**os.environ, "RECOLLECT_HOME": str(made), "RECOLLECT_DEMO_ON_START": "false"}
    code = "import sys, pathlib; from tests.browser import hostile_run; hostile_run.write(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(made)], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    # the process it was made in has ended: this one stands in for its worker
    RunStore(f"sqlite:///{made / 'runs.db'}").beat("one-running", pid=os.getpid(), host=socket.gethostname())
    return made


@pytest.fixture(scope="module")
def tab(home: Path) -> Iterator[Watched]:
    # a port nobody listens on in place of the machine's model server: its models are not this test's business
    with serving(home, RECOLLECT_DEMO_ON_START="false", OLLAMA_HOST="http://127.0.0.1:9") as url, browsing() as browser:
        watched = Watched(browser, url)
        yield watched
        watched.close()


@pytest.fixture(scope="module")
def days(home: Path) -> list[str]:
    return [str(day) for day in RunStore(f"sqlite:///{home / 'runs.db'}").day_rows(RUN, FIRST, columns=["day"])["day"]]


class Watched(Tab):
    """A tab that also keeps dialogs and popups, and judges what it shows."""

    def __init__(self, browser: Any, url: str) -> None:
        super().__init__(browser)
        self.url = url
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message[:100]}"), dialog.dismiss()))
        self.context.on("page", lambda page: self.complaints.append(f"popup: {page.url}"))
        self.open(f"{url}/overview")  # the first page of a server and browser pays for their start
        self.empty_ms = self.open(f"{url}/overview?run=")
        self.complaints.clear()

    def visit(self, page: str, *, words: bool = True, **keys: object) -> str:
        """Open a page cold, judge it, and return its text. ``words``: the attack has to stand on it, letter by letter."""
        return self.judge(f"{page} {keys}", self.open(f"{self.url}/{page}?{urlencode(keys)}"), words=words)

    def judge(self, where: str, took_ms: float, *, words: bool = False) -> str:
        problems = [*self.complaints, *self.exceptions(), *self.page.evaluate(ALIVE)]
        self.complaints.clear()
        said = self.text()
        if took_ms > SLOWEST_S * max(1000, self.empty_ms):
            problems.append(f"idle after {took_ms / 1000:.1f} s, an empty page after {self.empty_ms / 1000:.1f} s")
        if words and SHOWN not in said:
            problems.append("the words of the attack are not there as letters")
        assert problems == [], f"{where[:300]}: {problems[:8]}"
        return said

    def press(self, where: str, found: Any, *, words: bool = False) -> str:
        """Click on something of the page and judge again."""
        began = time.monotonic()
        found.click()
        return self.judge(where, self.idle(began), words=words)


# ------------------------------------------------------------------------------------------------------------------- the pages


@pytest.mark.parametrize("run", [None, RUN, "one-failed"])
def test_the_library(tab, run):
    tab.visit("", words=True, **({"run": run} if run else {}))
    if run == RUN:
        tab.press("bookmarks", tab.page.get_by_text("Bookmarks (3)"))
        tab.press("notes of a run", tab.page.get_by_role("button", name="4 notes"), words=True)


@pytest.mark.parametrize("status", ["queued", "running", "paused", "failed", "cancelled", "interrupted"])
def test_a_run_in_every_state_on_the_monitor(tab, status):
    said = tab.visit("monitor", words=status in ("running", "failed", "interrupted"), run=f"one-{status}", watch="one")
    assert status in said


def test_several_runs_at_once_on_the_monitor(tab):
    tab.visit("monitor", words=False, watch="all")


def test_a_form_copied_from_a_hostile_run(tab):
    tab.visit("new_run", words=False, **{"from": RUN})


def test_the_overview_and_each_of_its_parts(tab):
    tab.visit("overview", words=False, **ONE)
    for name in ("Prices and trades", "Falls", "Rolling", "Months"):
        tab.press(
            name, tab.page.get_by_role("radio", name=name, exact=True).or_(tab.page.get_by_role("button", name=name, exact=True)).first
        )
    for name in ("All metrics", "Rules of this run", "Run card", "Memory and switches", "What was known when", "Warnings and data issues"):
        tab.press(name, tab.page.get_by_role("tab", name=re.compile(name)), words=name.startswith(("Run card", "Warnings")))


def test_the_post_mortem(tab, days):
    tab.visit("overview", words=False, **ONE)
    worst = tab.page.get_by_role("link", name="Post-mortem of that day").first.get_attribute("href")
    tab.judge("post-mortem", tab.open(f"{tab.url}/{worst.split('/')[-1]}"), words=True)


@pytest.mark.parametrize("keys", [{}, {"find": "script", "cols": "limits~layers~why~direction"}])
def test_the_table_of_days(tab, keys):
    tab.visit("days", words=False, **ONE, **keys)


VIEWS = {"segments": "rendered", "rendered": "json", "raw": "raw"}  # of the prompt and of the answer


@pytest.mark.parametrize(("index", "prompt"), [(1, "segments"), (9, "raw"), (COPIED_DAY, "segments"), (COPIED_DAY, "rendered")])
def test_a_day_with_every_step_open(tab, days, index, prompt):
    keys = {"q": "script", "seg": f"0 {SHOWN}"} if prompt == "segments" else {}
    said = tab.visit("days", **ONE, day=days[index], step=STEPS, prompt=prompt, answer=VIEWS[prompt], **keys)
    assert said.count(SHOWN) > 5


@pytest.mark.parametrize(("index", "prompt"), [(BIG_DAY, "segments"), (BIG_DAY, "raw"), (MARKED_DAY, "rendered")])
def test_a_day_of_words_without_end_or_with_thousands_of_accents(tab, days, index, prompt):
    said = tab.visit("days", **ONE, day=days[index], step=STEPS, prompt=prompt, answer=VIEWS[prompt])
    assert ("W" * 10_000 if index == BIG_DAY else "Z" + "\u0301\u0327" * 4) in said.replace("\n", "")
    assert "\u0301\u0327" * 5 not in said
    if prompt == "raw":
        tab.press("copy", tab.page.get_by_role("button", name="Copy", exact=True))


@pytest.mark.parametrize("part", ["memories", "ask", "layers", "changes", "map", "events", "health"])
def test_each_part_of_the_memory(tab, days, part):
    tab.visit("memory", words=False, **ONE, tab=part, ask=SHOWN, find="w" if part == "memories" else "", **{"from": "start"})


def test_one_memory_with_what_came_later(tab, days):
    tab.visit("memory", **ONE, mem=1, later=1)
    tab.press("its events", tab.page.get_by_role("tab", name=re.compile("Events")), words=True)
    tab.press("its source", tab.page.get_by_text(re.compile("The source text.* characters")), words=True)


@pytest.mark.parametrize("view", ["trips", "orders", "exposure", "behaviour", "days"])
def test_each_view_of_the_trades(tab, view):
    tab.visit("trades", words=False, **ONE, show=view, of="TOTAL")


def test_the_prices_and_one_round_trip(tab):
    tab.visit("trades", words=False, **ONE)
    tab.visit("trades", **ONE, trip=1)


def test_threads_from_each_of_their_ends(tab, days):
    tab.visit("thread", words=False, **ONE)
    tab.visit("thread", **ONE, day=days[6])
    tab.visit("thread", **ONE, mem=1)
    mark = tab.page.locator(".js-plotly-plot .point").first.bounding_box()
    tab.page.mouse.move(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
    tab.page.locator(".hoverlayer .hovertext").first.wait_for()
    tab.judge("a tooltip", 0)
    for name in ("Every use", "In order of time"):
        tab.press(name, tab.page.get_by_role("tab", name=re.compile(name)))
    link = tab.page.get_by_role("link", name=re.compile("^Source text")).first.get_attribute("href")
    tab.judge("a source text", tab.open(f"{tab.url}/{link.split('/')[-1]}"))


def test_the_page_of_the_report(tab):
    tab.visit("report", words=False, **ONE)


@pytest.mark.parametrize("part", ["look", "quality", "datasets"])
def test_the_data(tab, part):
    tab.visit("data", words=False, tab=part, source=SHOWN, tickers=SHOWN)


def test_models_and_prompts_asked_for_by_hostile_names(tab):
    tab.visit("models", words=False, model=SHOWN)
    tab.visit("prompts", words=False, set=SHOWN, part="history")


# ------------------------------------------------------------------------------------------------------------ what is taken away


def test_the_report_opened_from_disk_with_every_day_and_step(home, tab, days):
    path = home / "report.html"
    assert path.stat().st_size < 15_000_000
    page = tab.context.new_page()
    said: list[str] = []
    tab.complaints.clear()  # the popup just made
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: None if request.url.split("#")[0] == path.as_uri() else said.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    for day in days:
        page.evaluate("address => { location.hash = address }", f"#d-{_escaped(FIRST)}-{day}")
        page.locator("#day-view h3", has_text=day).wait_for()
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert page.evaluate("innerText => document.querySelector('#day-view').innerText.length", "") > 500
        if days.index(day) not in (BIG_DAY, MARKED_DAY):
            assert SHOWN in page.locator("#day-view").inner_text(), day
    assert SHOWN in page.locator("#notes").inner_text()
    alive = [one for one in page.evaluate(ALIVE) if not one.startswith("A href")]
    assert alive == [] and said == [] and tab.complaints == []
    page.close()


def _escaped(ticker: str) -> str:
    from urllib.parse import quote

    return quote(ticker, safe="")


def test_no_cell_of_an_exported_table_begins_a_formula(home):
    csv.field_size_limit(10_000_000)
    seen = 0
    for path in sorted((home / "export").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                for cell in row:
                    seen += "HYPERLINK" in cell
                    number = re.fullmatch(r"-[\d.e-]+", cell)
                    assert number or cell.strip()[:1] not in set("=+-@＝"), cell[:80]
    assert seen > 2


def test_a_day_copied_as_markdown_holds_no_markup_but_its_own(home):
    body = (home / "day.md").read_text(encoding="utf-8")
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(body)
    kinds = {token.type for token in tokens} | {child.type for token in tokens for child in token.children or ()}
    assert not kinds & {"link_open", "image", "html_block", "html_inline", "blockquote_open"}
    fences = [token.content for token in tokens if token.type == "fence"]
    assert any(SHOWN in content and "```" in content for content in fences)  # a fence in a fence does not close it
    headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    assert all(re.match(r"(Observed|Recalled|Call \d|Study|Decision|Order|Outcome|Memory)", name) for name in headings[1:]), headings
    assert not set("\x00\x1b\u202e\u2066") & set(body)
    assert json.loads((home / "day.json").read_text(encoding="utf-8"))["ticker"] == FIRST
