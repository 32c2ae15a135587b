"""The real app in a real browser: starts Streamlit on a free port and drives Debian's chromium through Playwright.

Every tab keeps what a user would never see but must not happen: console errors, requests to other hosts, failed requests.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
ARGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",  # whatever a page asks for, only loopback resolves
]
# on a deep link Streamlit probes for its own base URL below the page's path first; those 404s are its own
PROBE = re.compile(r"^/[^/]+/_stcore/(health|host-config)$")
LOCAL = {"127.0.0.1", "localhost", "::1"}

WATCH = """
(() => { if (window.top !== window) return;
  const w = window.__watch = {state: null, changed: performance.now(), finished: 0};
  new MutationObserver(() => {
    w.changed = performance.now();
    const app = document.querySelector('[data-testid="stApp"]');
    const state = app ? app.getAttribute('data-test-script-state') : null;
    if (state !== w.state) { w.state = state; if (state === 'notRunning') w.finished += 1; }
  }).observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
  w.calm = () => {
    const count = s => document.querySelectorAll(s).length;
    const bare = [...document.querySelectorAll('[data-testid="stPlotlyChart"]')].filter(e => e.offsetParent && e.offsetWidth && !e.querySelector('.main-svg')).length;
    return {state: w.state, finished: w.finished, since: performance.now() - w.changed, at: w.changed,
            busy: count('[data-testid="stSkeleton"],[data-testid="stAppSkeleton"],[data-testid="stSpinner"]') + bare
                  + count('[data-testid="stMain"] [data-stale="true"]')};
  };
})();
"""


@contextmanager
def serving(home: Path, **environment: str) -> Iterator[str]:
    """The app on a free port with its data in ``home``; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "RECOLLECT_HOME": str(home), "STREAMLIT_SERVER_FILE_WATCHER_TYPE": "none", **environment}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true", "--server.port", str(port)]
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            _until_up(f"http://127.0.0.1:{port}", process, home / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + 90
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"streamlit ended: {log.read_text(errors='replace')[-2000:]}")
        try:
            if opener.open(f"{url}/_stcore/health", timeout=2).status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("streamlit did not come up")


@contextmanager
def browsing() -> Iterator[Any]:
    """A headless chromium."""
    from playwright.sync_api import sync_playwright

    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        try:
            yield browser
        finally:
            browser.close()


class Tab:
    """One cold browser context with one page."""

    def __init__(self, browser: Any, *, dark: bool = False, width: int = 1280, height: int = 900) -> None:
        scheme = "dark" if dark else "light"
        size = {"width": width, "height": height}
        self.context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce", service_workers="block")
        self.context.add_init_script(WATCH)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.complaints: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.context.on("request", lambda request: self._request(request.url))
        self.page.on("websocket", lambda socket: self._request(socket.url))

    def _console(self, message: Any) -> None:
        path = urlsplit((message.location or {}).get("url", "")).path
        if message.type == "error" and not (PROBE.search(path) and "404" in message.text):
            self.complaints.append(f"console: {message.text}")

    def _request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOCAL:
            self.complaints.append(f"foreign request: {url}")

    def open(self, url: str) -> float:
        """Go there cold; milliseconds until idle."""
        began = time.monotonic()
        self.page.goto(url, wait_until="commit")
        return self.idle(began)

    def idle(self, began: float | None = None, *, timeout_s: float = 120) -> float:
        """Wait until a script run has finished and nothing has moved for 0.4 s; milliseconds since ``began`` without that wait."""
        began, end, state = began or time.monotonic(), time.monotonic() + timeout_s, {}
        self.page.wait_for_timeout(150)
        while time.monotonic() < end:
            state = self.page.evaluate("() => window.__watch ? window.__watch.calm() : null") or {}
            if state and state["state"] == "notRunning" and state["finished"] and not state["busy"] and state["since"] > 400:
                return (time.monotonic() - began) * 1000 - state["since"]
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never idle: {state}")

    def text(self) -> str:
        return self.page.inner_text('[data-testid="stMain"]')

    def exceptions(self) -> list[str]:
        return [box.inner_text()[:1000] for box in self.page.query_selector_all('[data-testid="stException"]')]

    def shot(self, path: Path) -> None:
        """The whole page, however long."""
        height = self.page.evaluate("() => Math.max(900, document.querySelector('[data-testid=\"stMain\"]').scrollHeight)")
        size = self.page.viewport_size
        self.page.set_viewport_size({"width": size["width"], "height": min(int(height) + 4, 6000)})
        self.page.wait_for_timeout(500)
        self.page.screenshot(path=str(path), animations="disabled")
        self.page.set_viewport_size(size)

    def close(self) -> None:
        self.context.close()
