"""Where the runs of a batch are worked on: the seam behind which another engine fits.

``Runner`` is all that a batch knows. ``LocalProcesses`` works on this machine; a cluster would be another class here, given a run's id
and a store that it can reach. The outcome is never what a runner says but what the run store holds.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Protocol

from services import runs
from services.batch_limits import Place
from services.settings import ROOT, settings

RUNS_PER_PROCESS = 20  # then a fresh one: what libraries keep in memory per run is bounded


class Handle(Protocol):
    """Work on one run."""

    run: str

    def alive(self) -> bool:
        """Whether the work goes on; once False it stays False."""
        ...

    def stop(self) -> None:
        """End it at once; the days recorded are kept."""
        ...


class Runner(Protocol):
    """Whatever can work on a run that is in the store."""

    def start(self, run: str, place: Place) -> Handle:
        """Begin, or go on with, a run; its place stays taken as long as the work goes on, whoever dies meanwhile."""
        ...

    def leave(self, place: Place) -> None:
        """Nothing more will be started in this place."""
        ...


@dataclass
class _Process:
    """A process that works through the runs it is told, one after another: starting Python costs more than many a short run."""

    made: subprocess.Popen[bytes]
    begun: int = 0
    ended: set[str] = field(default_factory=set)

    def read(self) -> None:
        """Which runs it has said to be over."""
        assert self.made.stdout is not None
        with contextlib.suppress(BlockingIOError, ValueError):
            while said := self.made.stdout.read(4096):
                self.ended |= set(said.decode().split())

    def gone(self) -> bool:
        return self.made.poll() is not None


@dataclass
class _Work:
    run: str
    by: _Process

    def alive(self) -> bool:
        gone = self.by.gone()  # before reading: what it said last must not be missed
        self.by.read()
        return not gone and self.run not in self.by.ended

    def stop(self) -> None:
        self.by.made.kill()
        self.by.made.wait()


class LocalProcesses:
    """Processes of this machine, each in a session of its own: they survive whoever started them and finish the run in hand."""

    def __init__(self) -> None:
        self._at: dict[int, _Process] = {}  # place -> its process

    def start(self, run: str, place: Place) -> Handle:
        process = self._at.get(id(place))
        if process is None or process.gone() or process.begun >= RUNS_PER_PROCESS:
            if process is not None:
                self._let_end(process)
            process = self._at[id(place)] = self._new(place)
        process.begun += 1
        process.ended.discard(run)
        assert process.made.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has just died: alive() says so
            process.made.stdin.write(f"{run}\n".encode())
            process.made.stdin.flush()
        return _Work(run, process)

    def leave(self, place: Place) -> None:
        process = self._at.pop(id(place), None)
        if process is not None:
            self._let_end(process)
        place.let_go()

    def _new(self, place: Place) -> _Process:
        settings().logs.mkdir(parents=True, exist_ok=True)
        with open(settings().logs / "batch-processes.log", "ab") as log:
            made = subprocess.Popen(
                [sys.executable, "-m", "services.run_after_run"],
                cwd=ROOT,
                env={**os.environ, "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "1")},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=place.files,
                start_new_session=True,
            )
        assert made.stdout is not None
        os.set_blocking(made.stdout.fileno(), False)
        return _Process(made)

    @staticmethod
    def _let_end(process: _Process) -> None:
        """It ends by itself when nobody can tell it a further run."""
        for pipe in (process.made.stdin, process.made.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        runs.adopt(process.made)
