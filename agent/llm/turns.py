"""Whose turn it is to ask a model: no more questions at once on this machine than its server answers at once.

Ollama answers one question per model at a time unless told otherwise; more only wait there, and their waiting looks like silence. Here
they wait, may be called off, and spend none of their time limits. Within a process they are served in the order in which they came.
Runs are processes of their own: among these a turn is a locked file in the folder for temporary files, which the system lets go when a
process dies. Where such files cannot be used, each process keeps to the limit by itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.llm.base import Cancelled, Stopped

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

POLL_S = 0.1  # how long a wish to stop may go unnoticed
SOON_S = 0.01  # between two looks of the process that is next: what the change of turns costs


class Turns:
    """The queue before one model on one server. ``name``: what processes know it by."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._busy = 0

    @contextlib.contextmanager
    def taken(self, *, most: int, cancelled: Cancelled | None = None) -> Iterator[None]:
        """Wait until fewer than ``most`` are being answered; raises Stopped where ``cancelled`` says so meanwhile."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
        try:
            while not self._mine(ticket, most):
                if cancelled is not None and cancelled():
                    raise Stopped("stopped while waiting for its turn")
        except BaseException:
            self._change(leave=ticket)
            raise
        try:
            with _among_processes(self._name, most, cancelled):
                yield
        finally:
            self._change(done=1)

    def _mine(self, ticket: object, most: int) -> bool:
        """Whether the turn has come; waits a little if not."""
        with self._changed:
            if self._waiting[0] is not ticket or self._busy >= most:
                self._changed.wait(POLL_S)
            if self._waiting[0] is not ticket or self._busy >= most:
                return False
            self._waiting.popleft()
            self._busy += 1
            self._changed.notify_all()
            return True

    def _change(self, *, leave: object | None = None, done: int = 0) -> None:
        with self._changed:
            if leave is not None:
                self._waiting.remove(leave)
            self._busy -= done
            self._changed.notify_all()


@contextlib.contextmanager
def _among_processes(name: str, most: int, cancelled: Cancelled | None) -> Iterator[None]:
    """One of ``most`` places that all processes of this person share. Only the process that is next in line looks for a place, so that
    one which asks again at once does not overtake those that wait."""
    folder = _folder()
    if folder is None:
        yield
        return
    with contextlib.ExitStack() as place:
        with contextlib.ExitStack() as next_in_line:
            _take(next_in_line, [folder / f"{name}.next"], POLL_S, cancelled)
            _take(place, [folder / f"{name}.{number}" for number in range(most)], SOON_S, cancelled)
        yield


def _take(held: contextlib.ExitStack, places: Sequence[Path], every_s: float, cancelled: Cancelled | None) -> None:
    """Lock the first of the files that is free, until ``held`` is closed. Raises Stopped."""
    while True:
        for place in places:
            try:
                file = place.open("ab")
            except OSError:
                return  # no room for an empty file: the question is worth more than the order among processes
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                continue
            held.callback(file.close)
            return
        if cancelled is not None and cancelled():
            raise Stopped("stopped while waiting for its turn")
        time.sleep(every_s)


def _folder() -> Path | None:
    """Where the locks lie; None where there are none, or where the folder belongs to somebody else."""
    if fcntl is None:
        return None
    folder = Path(tempfile.gettempdir()) / f"recollect-turns-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        about = folder.lstat()
    except OSError:
        return None
    return folder if about.st_uid == os.getuid() and folder.is_dir() and not folder.is_symlink() else None


_queues: dict[tuple[str, str], Turns] = {}
_making = threading.Lock()


def turns(url: str, model: str) -> Turns:
    """The one queue of this process before ``model`` at ``url``."""
    key = (url, model.strip().casefold())
    with _making:
        if key not in _queues:
            _queues[key] = Turns(hashlib.sha256("\0".join(key).encode("utf-8", "replace")).hexdigest()[:24])
        return _queues[key]
