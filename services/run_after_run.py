"""A process that works on the runs named on its input, one after another: ``python -m services.run_after_run``.

It says the id of each run on its output when that run is over, however it ended; how stands in the run store. When nobody is there to
name another run it ends, after the run in hand. Each run's words go to its own log.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from agent.errors import RecollectError
from services import worker
from services.settings import settings


@contextmanager
def _into_log(run: str) -> Iterator[None]:
    """Everything said meanwhile goes to the run's log; a traceback too, since it ends the process."""
    log = os.open(settings().logs / f"{run}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(log, 1)
        os.dup2(log, 2)
    finally:
        os.close(log)
    yield
    sys.stdout.flush()


def main() -> int:
    replies = os.dup(1)
    settings().logs.mkdir(parents=True, exist_ok=True)
    while line := sys.stdin.readline():
        run = line.strip()
        with _into_log(run):
            try:
                print(f"run {run}: {worker.execute(run)}")
            except RecollectError as problem:  # somebody else works on it, or it was deleted
                print(f"run {run}: {problem}")
        try:
            os.write(replies, f"{run}\n".encode())
        except BrokenPipeError:  # whoever started this is gone
            return 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
