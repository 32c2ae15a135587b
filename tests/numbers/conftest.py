"""The demo run, made once by the product itself and exported; every test here compares a page of it with ``recompute``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from services import demo, exports, runs, worker
from services.settings import settings
from tests.numbers.reading import Page
from tests.numbers.recompute import Export
from tests.pages.conftest import OpenPage, open_page

__all__ = ["open_page"]


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Export]:
    """Home, run id and export of the bundled demo run: half a minute of one core, once.

    While writing these tests, RECOLLECT_AUDITED names a home that has the run already, with its export in the folder ``demo``.
    """
    made = os.environ.get("RECOLLECT_AUDITED")
    home = Path(made) if made else tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(home))
        patch.setenv("RECOLLECT_DEMO_ON_START", "false")
        settings.cache_clear()
        run = demo.existing() if made else None
        if run is None:
            run = runs.create(demo.spec())
            assert worker.execute(run) == "done"
        folder = home / "demo" if made else tmp_path_factory.mktemp("export") / "run"
        if not folder.exists():
            exports.export(run, folder)
    settings.cache_clear()
    return home, run, Export(folder)


@pytest.fixture
def export(audited: tuple[Path, str, Export], monkeypatch: pytest.MonkeyPatch) -> Iterator[Export]:
    """The export, with this process looking at the run's home."""
    monkeypatch.setenv("RECOLLECT_HOME", str(audited[0]))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    yield audited[2]
    settings.cache_clear()


@pytest.fixture
def run(export: Export, audited: tuple[Path, str, Export]) -> str:
    return audited[1]


class Shown:
    """``show("trades", ticker=..., trip=1)``: a page of the audited run, opened cold by its address."""

    def __init__(self, run: str, opened: OpenPage) -> None:
        self._run, self._opened = run, opened

    def __call__(self, name: str, **address: object) -> Page:
        return Page(self._opened(name, run=self._run, **{key: str(value) for key, value in address.items()}))


@pytest.fixture
def show(run: str, open_page: OpenPage) -> Shown:
    return Shown(run, open_page)
