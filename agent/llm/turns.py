"""Whose turn it is to ask a model: no more questions at once in this process than its server answers at once.

Ollama answers one question per model at a time unless told otherwise; more only wait there, and their waiting looks like silence. Here
they wait in the order in which they came, may be called off, and spend none of their time limits.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator

from agent.llm.base import Cancelled, Stopped

POLL_S = 0.1  # how long a wish to stop may go unnoticed


class Turns:
    """The queue before one model on one server."""

    def __init__(self) -> None:
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


_queues: dict[tuple[str, str], Turns] = {}
_making = threading.Lock()


def turns(url: str, model: str) -> Turns:
    """The one queue of this process before ``model`` at ``url``."""
    with _making:
        return _queues.setdefault((url, model.strip().casefold()), Turns())
