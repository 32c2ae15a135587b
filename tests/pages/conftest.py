"""One small real run on disk, made once: the demo market, the rules backend, the hashing embedder. Pages are opened through app.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from agent.memory.layers import preset
from agent.spec import RunSpec
from services import runs, worker
from services.settings import settings

ROOT = Path(__file__).parents[2]
TICKERS = ("DMAUR", "DMBRS")
OpenPage = Callable[..., AppTest]


def small_spec(name: str = "Small run") -> RunSpec:
    """About 30 sessions of two tickers: two weeks to learn, a month to trade."""
    return RunSpec.read(
        {
            "name": name,
            "source": "demo",
            "tickers": TICKERS,
            "train": {"start": "2022-01-03", "end": "2022-01-14"},
            "test": {"start": "2022-01-18", "end": "2022-02-15"},
            "backend": "rules",
            "memory": preset("default").model_copy(update={"embedder": "hashing"}).model_dump(),
        }
    )


@pytest.fixture(scope="session", autouse=True)
def packages_are_looked_through_once() -> Iterator[None]:
    """Streamlit reads the metadata of all installed packages for every new ``AppTest``: nine tenths of the time to open a page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The home folder and the id of a run that was really made; do not change it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(home))
        patch.setenv("RECOLLECT_DEMO_ON_START", "false")
        settings.cache_clear()
        run = runs.create(small_spec())
        assert worker.execute(run) == "done"
    settings.cache_clear()
    return home, run


@pytest.fixture
def run(finished: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The id of the finished run, with this process looking at its home."""
    home, found = finished
    monkeypatch.setenv("RECOLLECT_HOME", str(home))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    yield found
    settings.cache_clear()


@pytest.fixture
def open_page() -> OpenPage:
    """``open_page("days", run=..., day=...)``: a cold deep link to a page inside the real frame, run to its end without an exception."""

    def opened(page: str, **address: str) -> AppTest:
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
        at.session_state["_goto"] = (f"pages/{page}.py", address)
        at.run()
        assert not at.exception, at.exception
        return at

    return opened


def address(at: AppTest, key: str) -> str:
    """The value of a URL key, whichever way AppTest holds it."""
    value = at.query_params[key]
    return value if isinstance(value, str) else value[-1]
