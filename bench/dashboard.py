"""Time until idle of every page on a large run, as a multiple of an empty page: the real app in a real chromium, warm.

    python -m bench.dashboard --home DIR          # DIR made by bench.large_run, or any home; the newest run called "large", or the newest done
    python -m bench.dashboard --small             # makes a run of 250 test days in a temporary folder first (offline, a minute)

Warm means: one server, one browser tab, each page visited before; then each is visited in turn as by a click, from a page with nothing to
show (it finds no run), --repeat times; that page is the unit of the first column. Medians. Believe the ratios, not the milliseconds, and
measure on a quiet machine. The unit of the second column is a mouse click onto an empty page, as ``click`` measures it in an app of two
pages without content; what such a click takes beyond the bare change of page is added to the page measured too. The targets were written
in that unit; the first is the stricter one.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.driver import browsing

PAGE, TRACE, SLIDER = 4.0, 2.5, 2.0  # targets, as multiples of an empty page
STILL_MS = 400  # nothing may move for so long before a page counts as idle
SLIDER_WAIT_MS = 200  # Streamlit's own slider waits so long for the next move before it tells the server
SMALL = "--source demo --tickers DMAUR --train 2021-10-01:2021-12-31 --test 2022-01-03:2022-12-30 --embedder hashing"
WATCH = """
(() => { if (window.top !== window) return;
  const w = window.__bench = {state: null, changed: performance.now()};
  // a table writes its copy for screen readers a quarter of a second after it is drawn: nothing to be seen moves
  const unseen = r => r.type === 'childList' && r.target.nodeType === 1 && r.target.closest('[data-testid="data-grid-canvas"]');
  new MutationObserver(records => {
    if (records.every(unseen)) return;
    w.changed = performance.now();
    const app = document.querySelector('[data-testid="stApp"]');
    const state = app ? app.getAttribute('data-test-script-state') : null;
    if (state !== w.state) {
      w.state = state;
    }
  }).observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
  w.look = () => {
    const count = s => document.querySelectorAll(s).length;
    const bare = [...document.querySelectorAll('[data-testid="stPlotlyChart"]')]
      .filter(e => e.offsetParent && e.offsetWidth && !e.querySelector('.main-svg')).length;
    return {state: w.state, changed: w.changed, since: performance.now() - w.changed,
            busy: bare + count('[data-testid="stSkeleton"],[data-testid="stAppSkeleton"],[data-testid="stSpinner"]')
                  + count('[data-testid="stMain"] [data-stale="true"]')};
  };
})();
"""
EMPTY_APP = """
import streamlit as st
from ui import draw, theme
st.set_page_config(page_title="Recollect", page_icon="🧠", layout="wide", initial_sidebar_state="expanded")
st.logo(theme.LOGO, size="large")
def empty(): pass
def other(): pass
navigation = st.navigation({"Runs": [st.Page(empty, url_path="home", default=True), st.Page(other, url_path="other")]})
with st.sidebar:
    draw.red_up_switch()
body, footer = st.container(), st.container()
footer.caption("Recollect · Research and education, not investment advice.")
with body:
    navigation.run()
"""  # the frame of the real app around pages without anything in them, not even a heading
NOTHING = ("/thread?run=none", "/trades?run=none")  # pages of the app that find no run: heading, run picker, a sentence
GO = "path => { const t = performance.now(); history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate')); return t; }"


@dataclass
class Visit:
    """One thing to measure: what it is called, what it may take, and what was measured."""

    name: str
    target: float
    ms: list[float] = field(default_factory=list)
    kib: list[float] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    failed: str = ""


@contextmanager
def serving(app: str, home: Path) -> Iterator[tuple[str, int]]:
    """Address and process of a Streamlit server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "RECOLLECT_HOME": str(home), "RECOLLECT_DEMO_ON_START": "false", "STREAMLIT_SERVER_FILE_WATCHER_TYPE": "none"}
    env["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "streamlit", "run", app, "--server.headless", "true", "--server.port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_up(f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(20)


def _until_up(address: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(600):
        try:
            opener.open(address, timeout=2)
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("streamlit did not come up")


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def cpu_ms(pid: int) -> float:
    """Processor time that a process has used: steadier than the clock on a machine that others use too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


class Session:
    """One browser tab that stays open."""

    def __init__(self, browser: Any, address: str) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce", service_workers="block")
        self.context.add_init_script(WATCH)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.bytes, self.frames, self.last = 0, 0, 0.0
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._received))
        self.page.goto(address)
        self._settle(0)

    def _received(self, payload: str | bytes) -> None:
        self.bytes += len(payload)
        self.frames += 1
        self.last = time.monotonic()

    def timed(self, act: Callable[[], float]) -> float:
        """Milliseconds from ``act``, which returns the page's clock at its beginning, until idle."""
        before = self.frames
        began = act()
        found = self._settle(before)
        return float(found["changed"] - began)

    def go(self, path: str) -> float:
        """As by a click on a link in the app: the session lives on."""
        return self.timed(lambda: self.page.evaluate(GO, path))

    def press(self, selector: str, key: str) -> float:
        """A key on a widget."""
        self.page.locator(selector).first.focus()
        return self.timed(lambda: self._do(lambda: self.page.keyboard.press(key)))

    def click(self, role: str, name: str) -> float:
        """A click on what has this role and name."""
        where = self.page.get_by_role(role, name=re.compile(re.escape(name))).first
        where.scroll_into_view_if_needed()
        return self.timed(lambda: self._do(where.click))

    def _do(self, act: Callable[[], None]) -> float:
        began = float(self.page.evaluate("() => performance.now()"))
        act()
        return began

    def _settle(self, before: int) -> dict[str, float]:
        state: dict[str, Any] = {}
        end = time.monotonic() + 25
        while time.monotonic() < end:
            state = self.page.evaluate("() => window.__bench ? window.__bench.look() : null") or {}
            answered = self.frames > before and time.monotonic() - self.last > STILL_MS / 1000
            if answered and state and state["state"] == "notRunning" and not state["busy"] and state["since"] > STILL_MS:
                return state
            self.page.wait_for_timeout(40)
        raise RuntimeError(f"never idle: {state}")

    def exception(self) -> str:
        """What Streamlit's red box says, if there is one."""
        boxes = self.page.query_selector_all('[data-testid="stException"]')
        return boxes[0].inner_text()[:200] if boxes else ""


# ------------------------------------------------------------------------------------------------------------------ what is measured


@dataclass(frozen=True)
class Subject:
    """The run looked at, and places in it."""

    run: str
    ticker: str
    day: str
    memory: int
    beside: tuple[str, ...] = ()  # up to eight runs, all of which have that day

    def path(self, page: str, **more: object) -> str:
        return f"/{page}?{urlencode({'run': self.run, 'ticker': self.ticker, **more})}"


def subject(home: Path) -> Subject:
    """The newest run called large, else the newest one done; a day two thirds through it, and a memory that day cited."""
    os.environ["RECOLLECT_HOME"] = str(home)
    from services import queries, runs

    done = [row for row in runs.store().runs() if row.status == "done"]
    row = next((row for row in done if row.id.startswith("large")), done[0])
    ticker = row.tickers[min(2, len(row.tickers) - 1)]
    days = queries.session_days(row.id, ticker)
    day = days[len(days) * 2 // 3]
    found = queries.recalls(row.id, ticker, day)
    cited = found[found["cited"]] if len(found) else found
    beside = [
        other.id for other in done if (other.test_start, other.test_end, other.tickers) == (row.test_start, row.test_end, row.tickers)
    ]
    return Subject(row.id, ticker, str(day), int(cited["memory_id"].iloc[0]) if len(cited) else 1, tuple(beside[:8]))


def addresses(what: Subject) -> dict[str, tuple[str, float]]:
    """Every page of ``app.py`` with the run, and the parts of pages that a link leads to."""
    pages = re.findall(r'st\.Page\("pages/(\w+)\.py", title="([^"]+)"', (ROOT / "app.py").read_text())
    found: dict[str, tuple[str, float]] = {}
    for page, title in pages:
        found[title] = ("/" if page == "runs" else what.path(page), PAGE)
        for name, keys, target in _parts(page, what):
            found[f"{title}, {name}"] = (what.path(page, **keys), target)
    return found


def _parts(page: str, what: Subject) -> list[tuple[str, dict[str, object], float]]:
    known: dict[str, list[tuple[str, dict[str, object], float]]] = {
        "days": [("trace of a day", {"day": what.day}, TRACE), *((f"trace, {s}", {"day": what.day, "step": s}, TRACE) for s in _steps())],
        "memory": [
            ("as of a day", {"day": what.day}, PAGE),
            ("one memory", {"day": what.day, "mem": what.memory}, PAGE),
            *((f"part {name}", {"day": what.day, "tab": name}, PAGE) for name in _options("pages/memory.py", "PARTS")),
        ],
        "trades": [
            ("one trip", {"trip": 3}, PAGE),
            *((f"view {name}", {"show": name}, PAGE) for name in _options("pages/trades.py", "VIEWS")),
            ("all tickers", {"of": "total"}, PAGE),
        ],
        "compare": _compared(what),
        "thread": [("of a memory", {"mem": what.memory}, PAGE), ("of a day", {"day": what.day}, PAGE)],
    }
    return known.get(page, [])


def _compared(what: Subject) -> list[tuple[str, dict[str, object], float]]:
    """Runs side by side, part by part, and one day of them; nothing where the home has no two that belong together."""
    if len(what.beside) < 2:
        return []
    several = f"{len(what.beside)} runs"
    runs = {"cmp": ",".join(what.beside), "ticker": "total"}
    parts = [(f"{several}, {tab}", {**runs, "tab": tab}, PAGE) for tab in ("money", "metrics", "tests", "spec", "days")]
    return [*parts, (f"{several}, a day", {**runs, "ticker": what.ticker, "tab": "days", "day": what.day}, TRACE)]


def _options(file: str, name: str) -> list[str]:
    """The keys of a dictionary of choices in a page's source."""
    path = ROOT / file
    found = re.search(rf"^{name} = \{{(.*?)^\}}", path.read_text(), re.S | re.M) if path.exists() else None
    return re.findall(r'^\s+"([^"]+)":', found[1], re.M) if found else []


def _steps() -> list[str]:
    return ["recalled", "asked", "answered", "decided"]


def measure(
    session: Session, visits: dict[str, Visit], what: Subject, repeat: int, *, pid: int, base: Callable[[], float], only: str
) -> tuple[list[float], list[float]]:
    """Every address in turn, with the empty page between them; the first round only warms up. Returns the times of the empty
    page and of the bare frame."""
    places = {name: place for name, place in addresses(what).items() if only.lower() in name.lower()}
    empty, bare = list[float](), list[float]()
    base()
    for turn in range(repeat + 1):
        print(f"round {turn} of {repeat}", file=sys.stderr)
        for name, (path, target) in places.items():
            visit = visits.setdefault(name, Visit(name, target))
            if visit.failed:
                continue
            session.go(NOTHING[1])
            nothing = session.go(NOTHING[0])
            if turn:  # beside each visit, so that a busy minute slows both
                empty.append(nothing)
                bare.append(base())
            sent, frames, spent = session.bytes, session.frames, cpu_ms(pid)
            took = _tried(visit, lambda path=path: session.go(path))
            if turn and took is not None:
                visit.ms.append(took)
                visit.kib.append((session.bytes - sent) / 1024)
                visit.frames.append(session.frames - frames)
                visit.cpu.append(cpu_ms(pid) - spent)
            visit.failed = visit.failed or session.exception()
    return empty, bare


def _tried(visit: Visit, act: Callable[[], float]) -> float | None:
    try:
        return act()
    except Exception as error:  # one page that is broken must not hide the others
        visit.failed = str(error).splitlines()[0][:120]
        return None


def moves(session: Session, visits: dict[str, Visit], what: Subject, repeat: int) -> None:
    """The day slider of Memory, and opening the lazy tabs of Overview."""
    thumb = '[data-testid="stSlider"] input[type="range"]'
    for part in ("memories", "layers", "map"):
        visit = visits[f"slider, {part}"] = Visit(f"Memory, day slider, {part}", SLIDER)
        for turn in range(repeat + 1):
            if turn == 0:
                session.go(NOTHING[0])
                _tried(visit, lambda part=part: session.go(what.path("memory", day=what.day, tab=part)))
            took = _tried(visit, lambda: session.press(thumb, "ArrowLeft"))
            if turn and took is not None:
                visit.ms.append(took - SLIDER_WAIT_MS)
        visit.failed = visit.failed or session.exception()
    session.go(what.path("overview"))
    tabs = [tab.inner_text().strip() for tab in session.page.get_by_role("tab").all()]
    for name in [*tabs[1:], *tabs[:1]]:
        visit = visits[f"tab {name}"] = Visit(f"Overview, opening tab {name[:24]}", PAGE)
        for _ in range(min(3, repeat)):
            _tried(Visit("", PAGE), lambda name=name: session.click("tab", _beside(tabs, name)))  # no answer where it was open already
            took = _tried(visit, lambda name=name: session.click("tab", name))
            if took is not None:
                visit.ms.append(took)
        visit.failed = visit.failed or session.exception()


def _beside(tabs: list[str], name: str) -> str:
    """A neighbour in the same row of tabs, most likely: the one after, or before the last."""
    at = tabs.index(name)
    return tabs[at + 1] if at + 1 < len(tabs) else tabs[at - 1]


def report(visits: dict[str, Visit], empty: float, frame: float, click: float, memory: dict[str, float], repeat: int) -> None:
    print(
        f"\nmultiples of an empty page ({empty:.0f} ms; the frame alone {frame:.0f} ms), and of a click onto one ({click:.0f} ms); ", end=""
    )
    print(f"medians of {repeat} warm visits\n")
    print(f"{'what':<38} {'x empty':>8} {'x click':>8} {'target':>7}      {'KiB':>7} {'messages':>9} {'server CPU ms':>14}")
    for visit in visits.values():
        if visit.failed or not visit.ms:
            print(f"{visit.name:<38} {'-':>8} {'-':>8} {visit.target:>6.1f}x FAILED {visit.failed}")
            continue
        took = statistics.median(visit.ms)
        times = took / empty
        clicked = (took + click - frame if visit.kib else took) / click  # a key or a tab is no change of page
        sent = (
            f"{statistics.median(visit.kib):>7.0f} {statistics.median(visit.frames):>9.0f} {statistics.median(visit.cpu):>14.0f}"
            if visit.kib
            else ""
        )
        print(f"{visit.name:<38} {times:>7.1f}x {clicked:>7.1f}x {visit.target:>6.1f}x {_verdict(times, clicked, visit.target)} {sent}")
    print("\nmemory of the server, MiB: " + ", ".join(f"{when} {size:.0f}" for when, size in memory.items()))


def _verdict(strict: float, clicked: float, target: float) -> str:
    return "ok  " if strict < target else "near" if clicked < target else "OVER"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", default="", help="part of a name: measure only these pages")
    args = parser.parse_args()
    if not args.home and not args.small:
        parser.error("give --home (a folder made by bench.large_run) or --small")
    with tempfile.TemporaryDirectory() as scratch:
        home = (args.home or Path(scratch) / "home").absolute()
        if args.home is None:
            env = {**os.environ, "RECOLLECT_HOME": str(home)}
            subprocess.run([sys.executable, "cli.py", "run", *SMALL.split()], cwd=ROOT, env=env, check=True, stderr=subprocess.DEVNULL)
        what, visits, memory = subject(home), dict[str, Visit](), dict[str, float]()
        bare_app = Path(scratch) / "empty.py"
        bare_app.write_text(EMPTY_APP)
        with serving("app.py", home) as (url, pid), serving(str(bare_app), home) as (bare, _), browsing() as browser:
            nothing, there = Session(browser, bare), cycle(("/other", "/"))

            def base() -> float:
                return nothing.go(next(there))

            clicks = [nothing.click("link", name) for name in ("other", "empty") * 4][2:]
            session = Session(browser, url)
            memory["one tab open"] = memory_mib(pid)
            empty, frame = measure(session, visits, what, args.repeat, pid=pid, base=base, only=args.only)
            memory["every page seen"] = memory_mib(pid)
            if not args.only:
                moves(session, visits, what, args.repeat)
                memory["at the end"] = memory_mib(pid)
        report(visits, statistics.median(empty), statistics.median(frame), statistics.median(clicks), memory, args.repeat)


if __name__ == "__main__":
    main()
