"""The process behind baselines: ``python -m services.baseline_worker RUN...`` works through queued runs, one after another.

One such process works at a time, whoever asked for how many: the next one waits its turn and keeps its runs alive meanwhile. A run that
was cancelled, deleted or taken up by somebody else while it waited is passed over.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from agent.errors import SpecError
from services import baselines, runs, worker
from services.settings import settings


def work(queued: Sequence[str]) -> None:
    """Every queued run to its end. Should one of them show a bug, the others go on in a new process."""
    left = list(queued)
    try:
        with _waiting(left), _turn():
            while left:
                _one(left[0])
                left.pop(0)
    except Exception:
        left.pop(0)  # the one at fault; its row and its log say so
        if left:
            baselines.start(left)
        raise


def _one(run: str) -> None:
    with suppress(SpecError):  # deleted, or somebody else has it
        if runs.store().run(run).status != "queued":
            return
        try:
            print(f"{run}: {worker.execute(run)}", flush=True)
        except SpecError:
            raise
        except Exception:
            with open(settings().logs / f"{run}.log", "a", encoding="utf-8") as log:
                traceback.print_exc(file=log)
            raise


@contextmanager
def _waiting(left: list[str]) -> Iterator[None]:
    """Signs of life of the runs that still wait, so that a queue does not look dead because it is long."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(settings().heartbeat_s):
            for run in left[:]:
                with suppress(SpecError):
                    if runs.store().run(run).status == "queued":
                        runs.store().beat(run)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _turn() -> Iterator[None]:
    """Hold the one place at which baselines are worked on; the system gives it back however the holder ends."""
    try:
        import fcntl
    except ModuleNotFoundError:  # no such lock on this system: two lists of baselines may then be worked on at once
        yield
        return
    with open(settings().home / "baselines.lock", "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(argv: Sequence[str] | None = None) -> int:
    work(list(argv if argv is not None else sys.argv[1:]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
