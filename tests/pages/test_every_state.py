"""Every page in every state a run can be in: no exception, no empty page, no "nan" on screen, and always a way on.

The pages are those of ``app.py``, so a new page is held to this by itself, and so is every part of a page: whatever offers a choice (a row
of buttons, tabs, a box to open) is chosen, one after another, as a person would, and what then shows is looked at in the same way. Links
are followed: the page that one leads to has to read every key that it carries, and is looked at as well.
"""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pandas as pd
import pytest
from streamlit.runtime.state.common import user_key_from_element_id
from streamlit.runtime.state.query_params_proxy import QueryParamsProxy
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import ButtonGroup

from services import batches, runs, threads, trading
from services.batch_spec import BatchSpec
from services.settings import settings
from tests.pages.conftest import ROOT, TICKERS, small_spec
from tests.pages.run_states import HALF_WAY, STATES, Made, here

HOME = "runs"
NO_NUMBER = re.compile(
    r"(?<![\w.])(nan|NaN|NaT|inf|Infinity|undefined|None(?! (of|by|chosen|yet)\b))(?!\w)"
)  # but "None of the days", in prose
CONTENT = {"subheader", "metric", "dataframe", "plotly_chart", "text", "code"}  # a title and a caption alone are an empty page
SINGLE = 0  # of a row of buttons: one can be chosen


def pages() -> dict[str, str]:
    """Every page of ``app.py`` that has a file, with the group of the navigation it stands in."""
    menu = next(node for node in ast.walk(ast.parse((ROOT / "app.py").read_text())) if isinstance(node, ast.Dict))
    found = {}
    for group, entries in zip(menu.keys, menu.values, strict=True):
        for call in entries.elts:
            if isinstance(call.args[0], ast.Constant):
                found[Path(call.args[0].value).stem] = group.value
    return found


PAGES = pages()
OF_ONE_RUN = [name for name, group in PAGES.items() if group == "One run"]
ABOUT_RUNS = [*OF_ONE_RUN, "runs", "monitor"]  # the other pages look at no run: their parts are opened with a library and without


# -------------------------------------------------------------------------------------------------------------- what is on screen


def nodes(at: AppTest) -> list[Any]:
    """Everything the page drew, in order, and the footer; the sidebar is the frame's."""
    found: list[Any] = []

    def collect(node: Any) -> None:
        for child in getattr(node, "children", {}).values():
            found.append(child)
            collect(child)

    collect(at.main)
    return found


def kind(node: Any) -> str:
    return getattr(node, "type", "") or ""


def words(node: Any) -> Iterator[str]:
    """Every string of it that a reader sees or hovers over, cells of a table and figures of a chart included."""
    proto, what = getattr(node, "proto", None), kind(node)
    if what == "plotly_chart":
        yield from _strings(json.loads(proto.spec))
    elif what == "dataframe":
        yield from _cells(node)
    elif proto is not None and hasattr(proto, "DESCRIPTOR"):
        for name in ("body", "code_text", "label", "delta", "help", "text", "placeholder"):
            value = getattr(proto, name, "")
            if isinstance(value, str):
                yield value
        yield from (option.content for option in getattr(proto, "options", []) if hasattr(option, "content"))


def _strings(found: Any) -> Iterator[str]:
    """Strings in a figure but those of its template and its packed numbers."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, list):
        yield from chain.from_iterable(map(_strings, found))
    elif isinstance(found, dict):
        yield from chain.from_iterable(_strings(value) for key, value in found.items() if key not in ("template", "bdata"))


def _cells(node: Any) -> Iterator[str]:
    """Words in a table. A cell without a value shows as "None", unless the page says what to show instead."""
    frame, proto = node.value, node.proto
    for name in frame.columns:
        if proto.column_order and name not in proto.column_order:
            continue
        cells = [cell for cell in frame[name] if not hasattr(cell, "__len__") or isinstance(cell, str)]
        if any(pd.isna(cell) for cell in cells) and not proto.HasField("placeholder"):
            yield f"None in the column {name} of the table {node.key}"
        yield from (cell for cell in cells if isinstance(cell, str))


def said(at: AppTest) -> str:
    return "\n".join(value for node in nodes(at) for value in words(node))


def links(at: AppTest) -> list[tuple[str, dict[str, str]]]:
    """(page, keys) of every link on the page."""
    return [(node.proto.page or HOME, dict(parse_qsl(node.proto.query_string))) for node in nodes(at) if kind(node) == "page_link"]


def faults(at: AppTest) -> list[str]:
    """What no page may ever show."""
    if at.exception:
        return [f"exception: {item.message}\n{item.stack_trace[-3:]}" for item in at.exception]
    found = nodes(at)
    bad = [f"shows {value[:160]!r}" for node in found for value in words(node) if NO_NUMBER.search(value)]
    if not any(kind(node) in CONTENT for node in found):
        bad.append("an empty page")
    return bad


# ------------------------------------------------------------------------------------------------------ choosing, as a person would


@dataclass(frozen=True)
class Choice:
    """One thing that can be chosen on a page: an option of a row of buttons, a tab, a box to open."""

    what: str  # press, tab or box
    key: str
    option: str = ""

    def counted(self) -> Choice:
        """The same choice whatever number stands beside its words."""
        return Choice(self.what, self.key, re.sub(r" \(\d+\)$", "", self.option))

    def made(self, at: AppTest) -> AppTest:
        if self.what == "press":
            row = next(node for node in nodes(at) if isinstance(node, ButtonGroup) and node.key == self.key)
            row.__class__ = _ByWords
            row.set_value(self.option)
        else:
            at.session_state[self.key] = self.option or True
        return at.run()


class _ByWords(ButtonGroup):
    """A row of buttons pressed by the words on one of them, as the browser sends it; AppTest wants the value behind the words."""

    @property
    def formatted_values(self) -> list[str]:
        return [self.value]


def choices(at: AppTest) -> list[Choice]:
    """What can be chosen now and is not; filters of which several can be chosen are left to the tests of their page."""
    found = []
    for node in nodes(at):
        if isinstance(node, ButtonGroup) and node.proto.click_mode == SINGLE:
            found += [Choice("press", str(node.key), option) for option in node.options]
            continue
        proto = getattr(node, "proto", None)
        if kind(node) in ("expander", "popover", "tab_container") and (id := proto.id):
            key = user_key_from_element_id(id)
            if key and kind(node) == "tab_container":
                found += [Choice("tab", key, tab.label) for tab in node.children.values()]
            elif key:
                found.append(Choice("box", key))
    return found


def walked(at: AppTest, seen: set[Choice]) -> Iterator[tuple[str, AppTest]]:
    """The page as opened, then after each choice it offers that was not ``seen``, and after each that shows only then; deepest first."""

    def fresh() -> list[Choice]:
        return [choice for choice in choices(at) if choice.counted() not in seen]

    def noted(found: list[Choice]) -> list[Choice]:
        seen.update(choice.counted() for choice in found)
        return found[::-1]

    yield "", at
    todo = [(choice,) for choice in noted(fresh())]
    while todo:
        path = todo.pop()
        for step in path[:-1]:
            if path[-1] not in choices(at) and step in choices(at):
                step.made(at)
        if path[-1] not in choices(at):  # another choice, made since, took it away for good
            continue
        path[-1].made(at)
        yield " > ".join(f"{step.key}={step.option or 'open'}" for step in path), at
        if at.exception:
            return
        todo += [(*path, choice) for choice in noted(fresh())]


# -------------------------------------------------------------------------------------------------------------------- the states


@dataclass(frozen=True)
class Seen:
    """What a page showed when it was opened, before anything was chosen on it."""

    words: str
    links: list[tuple[str, dict[str, str]]]
    badges: list[str]
    headings: int


class Worlds:
    """The states on disk, each made when it is first asked for."""

    def __init__(self, finished: tuple[Path, str], folder: Path) -> None:
        self.finished, self.folder, self.made = finished, folder, {}
        self.followed: set[tuple[str, str, frozenset[str]]] = set()  # links to a page with these keys, so that each is followed once
        self.chosen: dict[tuple[str, str], set[Choice]] = defaultdict(set)  # on a page in a state
        self.shown: dict[tuple[str, str], Seen] = {}

    def __getitem__(self, name: str) -> Made:
        if name not in self.made:
            home = self.folder / name.replace(" ", "-")
            self.made[name] = Made(home, STATES[name].make(self.finished[0], home, self.finished[1]))
        here(self.made[name].home)
        return self.made[name]

    def opened(self, state: str, page: str) -> AppTest:
        """The page with the run of that state in its address."""
        made = self[state]
        at = opened(page, {"run": made.run} if made.run else {})
        self.shown[state, page] = Seen(said(at), links(at), [item.value for item in at.markdown], len(at.subheader))
        return at

    def look(self, state: str, page: str) -> Seen:
        """What the page shows in that state; opened once, whichever test asks first."""
        if (state, page) not in self.shown:
            self.opened(state, page)
        return self.shown[state, page]


@pytest.fixture(scope="module")
def every_world(finished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Worlds:
    return Worlds(finished, tmp_path_factory.mktemp("states"))


@pytest.fixture
def worlds(every_world: Worlds, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worlds]:
    """The states; asking for one makes this process look at it."""
    for name, value in {"HOME": "", "DEMO_ON_START": "false", "STALE_AFTER_S": "36000"}.items():
        monkeypatch.setenv(f"RECOLLECT_{name}", value)
    settings.cache_clear()
    yield every_world
    monkeypatch.undo()
    settings.cache_clear()


def opened(page: str, keys: dict[str, str]) -> AppTest:
    """A cold link to a page inside the real frame; exceptions are for the caller to look at."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    at.session_state["_goto"] = (f"pages/{page}.py", keys)
    return at.run()


# --------------------------------------------------------------------------------------------------------- every page, every state


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("state", STATES)
def test_a_page_in_a_state_and_whatever_can_be_chosen_on_it_shows_something_and_no_nonsense(worlds: Worlds, state: str, page: str) -> None:
    whole = STATES[state].differs if page in ABOUT_RUNS else state in ("no run", "done")
    bad = _looked_through(worlds, state, page, worlds.opened(state, page), whole=whole)
    assert not bad, "\n".join(bad)


def _looked_through(worlds: Worlds, state: str, page: str, at: AppTest, *, whole: bool) -> list[str]:
    """Faults of a page, of its parts if ``whole``, and of the pages that its links lead to, with where they are."""
    bad, found = [], []
    for where, now in walked(at, worlds.chosen[state, page]) if whole else [("", at)]:
        bad += [f"{page} {where}: {fault}" for fault in faults(now)]
        found += links(now)
    for target, keys in found:
        bad += _followed(worlds, state, target, keys, whole=whole)
    return bad


def _followed(worlds: Worlds, state: str, page: str, keys: dict[str, str], *, whole: bool) -> list[str]:
    """Faults behind a link, unless one like it was followed in this state before. One detail leads to the next."""
    alike = (state if whole else "", page, frozenset(keys))
    if alike in worlds.followed:
        return []
    worlds.followed.add(alike)
    if page not in PAGES:
        return [f"a link to {page}, which is no page"]
    with reading() as read:
        at = opened(page, keys)
    told = [f"a link to {page} carries {sorted(keys.keys() - read)}, which it does not read"] if keys.keys() - read else []
    told += [f"a link to {page} with {keys} ends in: {item.value}" for item in at.warning]
    return told + _looked_through(worlds, state, page, at, whole=state == "done" and page in ABOUT_RUNS)


@contextmanager
def reading() -> Iterator[set[str]]:
    """The URL keys that anybody reads meanwhile."""
    read: set[str] = set()
    original = QueryParamsProxy.__getitem__

    def noted(self: QueryParamsProxy, key: str) -> str:
        read.add(key)
        return original(self, key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(QueryParamsProxy, "__getitem__", noted)
        yield read


@pytest.mark.parametrize("page", OF_ONE_RUN)
@pytest.mark.parametrize("state", STATES)
def test_a_page_about_one_run_says_how_the_run_stands_and_leads_on(worlds: Worlds, state: str, page: str) -> None:
    expected, seen = STATES[state], worlds.look(state, page)
    for sentence in expected.says:
        assert sentence in seen.words
    if expected.shown:
        assert any(f" {expected.shown}]" in badge for badge in seen.badges), "the status as a badge"
    assert set(expected.leads) <= {target for target, _ in seen.links}
    if not expected.days:
        assert seen.headings == 1 and seen.links, "one empty state that teaches, with a way on"


@pytest.mark.parametrize("state", STATES)
def test_the_monitor_says_what_a_run_does_and_offers_what_can_be_done(worlds: Worlds, state: str) -> None:
    expected, at = STATES[state], worlds.opened(state, "monitor")
    words = said(at)
    for sentence in expected.monitor:
        assert sentence in words
    offered = {item.key.removeprefix("monitor_") for item in at.button if item.key and item.key.startswith("monitor_")}
    assert offered - {"retry"} == set(expected.offers)


@pytest.mark.parametrize("state", [name for name in STATES if name != "no run"])
def test_the_library_lists_the_run_with_its_status_and_offers_what_can_be_done(worlds: Worlds, state: str) -> None:
    expected, at = STATES[state], worlds.opened(state, "runs")
    (table,) = (item.value for item in at.dataframe if "status" in item.value)
    assert expected.shown in table["status"].iloc[0]
    delete = next(item for item in at.button if item.key == "delete_run")
    assert delete.disabled == (expected.shown in ("queued", "running"))


def test_an_empty_library_teaches(worlds: Worlds) -> None:
    for page in (*OF_ONE_RUN, "monitor"):
        seen = worlds.look("no run", page)
        assert "There is no run yet" in seen.words and seen.links == [("new_run", {})]
    assert "No run yet" in worlds.look("no run", "runs").words


def test_a_page_that_is_not_told_which_run_offers_them_all(worlds: Worlds) -> None:
    assert worlds["done"].run
    for page in (*OF_ONE_RUN, "monitor"):
        at = opened(page, {})
        assert "Which run?" in said(at) and links(at) == [("runs", {})]
        assert [item.label for item in at.selectbox] == ["Run"]


def test_a_run_that_cannot_be_read_is_said_to_be_so_kept_and_can_be_deleted(worlds: Worlds, tmp_path: Path) -> None:
    run = STATES["unreadable"].make(worlds.finished[0], tmp_path / "home", worlds.finished[1])
    here(tmp_path / "home")
    at = opened("runs", {"run": run})
    assert "No run yet" not in said(at) and "lunar_phase" in said(at)
    _click(at, "delete_run")
    assert "62 recorded days" in said(at)
    _click(at, "delete_yes")
    assert not at.exception and runs.store().runs() == []
    assert "No run yet" in said(at)


def _click(at: AppTest, key: str) -> None:
    next(item for item in at.button if item.key == key).click().run()


def test_a_run_that_cannot_be_read_does_not_hide_the_others(worlds: Worlds, tmp_path: Path) -> None:
    run = STATES["unreadable"].make(worlds.finished[0], tmp_path / "home", worlds.finished[1])
    here(tmp_path / "home")
    other = runs.create(small_spec("Other"))
    for page in PAGES:
        assert not faults(opened(page, {"run": other}))
    assert "cannot read" in said(opened("new_run", {"from": run}))


def test_a_ticker_without_a_day_in_a_run_that_is_over_promises_none(worlds: Worlds) -> None:
    at = opened("overview", {"run": worlds["version 1"].run, "ticker": "BETA"})
    assert "This run holds no day of BETA" in said(at) and "none will follow" in said(at)
    assert ("overview", {"run": "run-1"}) in links(at)


def test_what_a_state_lacks_is_said_where_it_would_be_looked_for(worlds: Worlds) -> None:
    seen = worlds.look("buy and hold", "memory")
    assert "This run has no memory" in seen.words and "days" in dict(seen.links)
    seen = worlds.look("learnt only", "trades")
    assert "a trader that learns places no orders" in seen.words and "days" in dict(seen.links)
    assert "No equity: no test session is recorded yet" in worlds.look("learnt only", "overview").words
    assert "No news item and no filing stands behind" in worlds.look("nothing to read", "thread").words


# ---------------------------------------------------------------------------------------------------------- clicks and colours


def departures() -> list[tuple[str, tuple[str, ...]]]:
    """(page, keys) of every call in our pages that leaves for another page after a click."""
    found = set()
    for path in chain((ROOT / "ui").rglob("*.py"), (ROOT / "pages").glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not call.args or not isinstance(call.args[0], ast.Constant):
                continue
            if getattr(call.func, "attr", getattr(call.func, "id", "")) == "go":
                found.add((str(call.args[0].value), tuple(sorted(item.arg for item in call.keywords if item.arg))))
    return sorted(found)


@pytest.mark.parametrize(("page", "keys"), departures())
def test_a_click_that_leaves_a_page_arrives_where_all_its_keys_are_read(worlds: Worlds, page: str, keys: tuple[str, ...]) -> None:
    run = worlds["done"].run
    source = threads.starts(run, TICKERS[0]).sources["document_id"].iloc[0]
    trip = trading.trips(run, TICKERS[0])["number"].iloc[0]
    values = {
        "run": run,
        "ticker": TICKERS[0],
        "day": str(HALF_WAY),
        "mem": "1",
        "src": source,
        "trip": str(trip),
        "step": "decision",
        "cmp": run,
    }
    if "batch" in keys:
        values["batch"] = batches.create(BatchSpec.read({"base": small_spec("Of a batch").model_dump(mode="json")}))
    with reading() as read:
        at = opened(page, {key: values[key] for key in keys})
    assert set(keys) <= read and not at.warning and not faults(at)
    if "batch" in values:
        batches.delete(values["batch"])


@pytest.mark.parametrize("page", PAGES)
def test_red_is_up_travels_with_every_link(worlds: Worlds, page: str) -> None:
    at = opened(page, {"run": worlds["done"].run, "red": "1"})
    assert not faults(at)
    assert all(keys.get("red") == "1" for _, keys in links(at))
    assert next(item for item in at.toggle if item.label == "Red is up").value


@pytest.mark.parametrize(("page", "keys"), [("overview", {"chart": "prices"}), ("trades", {})])
def test_red_is_up_swaps_the_colours_of_prices(worlds: Worlds, page: str, keys: dict[str, str]) -> None:
    def colours(red: str) -> tuple[str, str]:
        at = opened(page, {"run": worlds["done"].run, **keys, "red": red})
        figures = [json.loads(node.proto.spec) for node in nodes(at) if kind(node) == "plotly_chart"]
        (candles,) = (trace for figure in figures for trace in figure["data"] if trace["type"] == "candlestick")
        return candles["increasing"]["line"]["color"], candles["decreasing"]["line"]["color"]

    assert colours("0") == colours("1")[::-1]
