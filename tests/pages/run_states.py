"""Every state a run can be in, each with a home folder of its own: what a page may find when it is opened.

One small run is really made; most states are copies of it, taken back to an earlier day by the store and given the status that a worker
or a person would have left. Runs that are different from the first day on (no trades, no texts, masked, buy and hold) are really made, but
short. ``STATES`` is the list; a page is held to all of them.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from agent.spec import RunSpec
from services import exports, imports, queries, runs, worker
from services.settings import settings
from storage import rows
from tests.pages.conftest import TICKERS, small_spec

ROOT = Path(__file__).parents[2]
HALF_WAY = date(2022, 2, 1)  # a session in the middle of the test window
FIRST_TEST_DAY = date(2022, 1, 18)
NOBODY = 4_000_000  # no process has this id: Linux ends before it
PARTIAL_ANSWER = '{"reasons_for": [{"claim": "the guidance was raised", "weight": 7'


@dataclass(frozen=True)
class Made:
    """A state on disk: its home and its run, empty where there is none."""

    home: Path
    run: str


@dataclass(frozen=True)
class State:
    """What a page must say in it on every page about one run, and where it must lead. ``days``: whether there is anything to look at."""

    make: Callable[[Path, Path, str], str]
    days: bool = True
    says: tuple[str, ...] = ()
    leads: tuple[str, ...] = ()
    shown: str = ""  # the status people read
    monitor: tuple[str, ...] = ()  # what the monitor says, and the buttons that it offers
    offers: tuple[str, ...] = ()
    differs: bool = True  # not only by its status: every part of every page is opened in it


def here(home: Path) -> None:
    """Let this process look at ``home``; the caller puts the environment back."""
    os.environ["RECOLLECT_HOME"] = str(home)
    settings.cache_clear()


# ---------------------------------------------------------------------------------------------------------------- how each is made


def _none(base: Path, home: Path, run: str) -> str:
    home.mkdir(parents=True)
    return ""


def _copied(base: Path, home: Path, run: str) -> str:
    shutil.copytree(base, home)
    return run


def _created(base: Path, home: Path, run: str) -> str:
    home.mkdir(parents=True)
    here(home)
    return runs.create(small_spec("Waiting"))


def _taken_back(base: Path, home: Path, run: str, *, to: date = HALF_WAY) -> str:
    """The run as it was before ``to``, with the figures that its worker would have kept of those days."""
    _copied(base, home, run)
    here(home)
    store = runs.store()
    store.set_status(run, "queued")
    store.rewind(run, to)
    leaks = store.run(run).summary["leaks"]
    store.set_summary(run, {**queries.summary(store, run), "leaks": leaks})
    return run


def _at_work(run: str, day: date) -> str:
    """A worker of this machine is at it: this process, which gives a sign of life."""
    assert runs.store().claim(run, os.getpid())
    runs.store().set_live(run, {"ticker": TICKERS[0], "day": str(day), "purpose": "decide", "text": PARTIAL_ANSWER, "thinking": ""})
    return run


def _running(base: Path, home: Path, run: str) -> str:
    return _at_work(_taken_back(base, home, run), HALF_WAY)


def _learning(base: Path, home: Path, run: str) -> str:
    return _at_work(_taken_back(base, home, run, to=FIRST_TEST_DAY), FIRST_TEST_DAY)


def _paused(base: Path, home: Path, run: str) -> str:
    _taken_back(base, home, run)
    runs.store().set_status(run, "paused")
    return run


def _interrupted(base: Path, home: Path, run: str) -> str:
    _taken_back(base, home, run)
    assert runs.store().claim(run, NOBODY)
    return run


def _failed_at_once(base: Path, home: Path, run: str) -> str:
    made = _created(base, home, run)
    runs.store().set_status(made, "failed", error="Ollama at http://127.0.0.1:1 does not answer. Start it.")
    return made


def _cancelled_at_once(base: Path, home: Path, run: str) -> str:
    made = _created(base, home, run)
    runs.store().set_status(made, "cancelled")
    return made


def _failed(base: Path, home: Path, run: str) -> str:
    _copied(base, home, run)
    here(home)
    store = runs.store()
    store.set_summary(run, {**store.run(run).summary, "coverage": 0.62})
    store.set_status(run, "failed", error="the model gave a usable decision on 62% of the test days; at least 95% are needed.")
    return run


def _cancelled(base: Path, home: Path, run: str) -> str:
    _taken_back(base, home, run)
    runs.store().set_status(run, "cancelled")
    return run


def _learnt_only(base: Path, home: Path, run: str) -> str:
    _taken_back(base, home, run, to=FIRST_TEST_DAY)
    runs.store().set_status(run, "cancelled")
    return run


def _one_day(base: Path, home: Path, run: str) -> str:
    """Cancelled after the first test session: nothing has filled, and one equity value makes no return."""
    _taken_back(base, home, run, to=date(2022, 1, 19))
    runs.store().set_status(run, "cancelled")
    return run


def _imported(base: Path, home: Path, run: str) -> str:
    here(base)
    exports.export(run, home / "taken")
    here(home)
    return imports.load(home / "taken").run


def _of_version_1(base: Path, home: Path, run: str) -> str:
    home.mkdir(parents=True)
    with sqlite3.connect(home / "runs.db") as connection:
        connection.executescript((ROOT / "tests/storage/version_1.sql").read_text())
    here(home)
    runs.store().set_status("run-1", "done")
    return "run-1"


def _unreadable(base: Path, home: Path, run: str) -> str:
    """Recorded with a word that this version of the program does not know any more."""
    _copied(base, home, run)
    with sqlite3.connect(home / "runs.db") as connection:
        (packed,) = connection.execute("SELECT spec FROM runs").fetchone()
        body = rows.unpack(packed).replace('"source":"demo"', '"source":"demo","lunar_phase":true', 1)
        assert "lunar_phase" in body
        connection.execute("UPDATE runs SET spec = ?", (rows.pack(body),))
    return run


def _run_of(spec: RunSpec) -> Callable[[Path, Path, str], str]:
    def make(base: Path, home: Path, run: str) -> str:
        home.mkdir(parents=True)
        here(home)
        made = runs.create(spec)
        assert worker.execute(made) == "done"
        return made

    return make


def _short(name: str, **changed: object) -> RunSpec:
    """One ticker, a week to learn and two to trade."""
    spec = small_spec(name)
    body = {
        **spec.model_dump(mode="json"),
        "tickers": ["DMAUR"],
        "train": {"start": "2022-01-10", "end": "2022-01-14"},
        "test": {"start": "2022-01-18", "end": "2022-01-31"},
        **changed,
    }
    return RunSpec.read(body)


_NO_TEXTS = {"news": {"source": "none"}, "filings": {"source": "none"}, "fundamentals": {"source": "none"}}
_MASKED = {"names": True, "dates": True, "prices": True}
_COMPLETE = ("The run is complete.", "Was it better than holding?")

STATES: dict[str, State] = {
    "no run": State(_none, days=False, says=("There is no run yet",), leads=("new_run",), monitor=("There is no run yet",)),
    "queued": State(
        _created,
        days=False,
        says=("The run has not begun yet", "No day of DMAUR is recorded yet", "As soon as the first session is done"),
        leads=("monitor",),
        shown="queued",
        monitor=("starting, the worker loads data and models", "No day is recorded yet"),
        offers=("cancel",),
    ),
    "running": State(
        _running,
        says=("in progress",),
        leads=("monitor",),
        shown="running",
        monitor=("40 of 62 days", "Being written", "the guidance was raised"),
        offers=("pause", "cancel"),
        differs=False,
    ),
    "learning": State(
        _learning,
        says=("in progress",),
        leads=("monitor",),
        shown="running",
        monitor=("No test session is recorded yet",),
        offers=("pause", "cancel"),
        differs=False,
    ),
    "paused": State(
        _paused,
        says=("is paused",),
        leads=("monitor",),
        shown="paused",
        monitor=("40 of 62 days",),
        offers=("resume", "cancel"),
        differs=False,
    ),
    "interrupted": State(
        _interrupted,
        says=("stopped without a word",),
        leads=("monitor",),
        shown="interrupted",
        monitor=("stopped without a word", "Resume goes on after the last one"),
        offers=("resume", "cancel"),
        differs=False,
    ),
    "failed at once": State(
        _failed_at_once,
        days=False,
        says=("This run failed", "does not answer", "The run failed before the first session", "resume it"),
        leads=("monitor",),
        shown="failed",
        monitor=("The run failed", "does not answer", "nothing recorded"),
        offers=("resume",),
    ),
    "cancelled at once": State(
        _cancelled_at_once,
        days=False,
        says=("cancelled before", "No day of DMAUR was recorded", "resume it"),
        leads=("monitor",),
        shown="cancelled",
        monitor=("nothing recorded",),
        offers=("resume",),
        differs=False,
    ),
    "failed": State(
        _failed, says=("This run failed", "62%"), shown="failed", monitor=("The run failed", "62%"), offers=("resume",), differs=False
    ),
    "cancelled": State(
        _cancelled,
        says=("was cancelled",),
        leads=("monitor",),
        shown="cancelled",
        monitor=("40 of 62 days",),
        offers=("resume",),
        differs=False,
    ),
    "learnt only": State(
        _learnt_only,
        says=("was cancelled",),
        leads=("monitor",),
        shown="cancelled",
        monitor=("No test session is recorded",),
        offers=("resume",),
    ),
    "one test day": State(
        _one_day, says=("was cancelled",), leads=("monitor",), shown="cancelled", monitor=("22 of 62 days",), offers=("resume",)
    ),
    "done": State(_copied, shown="done", monitor=_COMPLETE),
    "imported": State(_imported, shown="done", monitor=_COMPLETE, differs=False),
    "version 1": State(_of_version_1, shown="done", monitor=_COMPLETE),
    "unreadable": State(
        _unreadable,
        days=False,
        says=("This version cannot read the run", "lunar_phase", "Nothing of it was changed"),
        leads=("runs",),
        monitor=("This version cannot read the run",),
    ),
    "buy and hold": State(_run_of(_short("Held", strategy="hold")), shown="done", monitor=_COMPLETE),
    "nothing to read": State(_run_of(_short("Quiet", parts=_NO_TEXTS)), shown="done", monitor=_COMPLETE),
    "masked": State(_run_of(_short("Masked", masking=_MASKED)), shown="done", monitor=_COMPLETE, differs=False),
}
