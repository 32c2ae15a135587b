from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from storage.run_store import RunStore
from tests.storage.factory import make_spec

ROOT = Path(__file__).parents[2]
NOBODY = 65534


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    """An empty store with the run ``run-1`` in it."""
    opened = RunStore(f"sqlite:///{tmp_path}/data/runs.db")
    opened.create(make_spec(), run_id="run-1", provenance={"version": "1"})
    yield opened
    opened.close()


@pytest.fixture
def in_processes(tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    def run(name: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "tests.storage.processes", name, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def powerless() -> Iterator[tuple[Path, Callable[[], AbstractContextManager[None]]]]:
    """A folder, and a context in which this process may read but not write it, even if it is root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)

        @contextmanager
        def weak() -> Iterator[None]:
            root = os.geteuid() == 0
            if root:
                os.seteuid(NOBODY)
            else:
                folder.chmod(0o555)
            try:
                yield
            finally:
                if root:
                    os.seteuid(0)
                else:
                    folder.chmod(0o755)

        yield folder, weak
