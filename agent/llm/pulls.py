"""A model on its way to the server, as far as the server's own lines tell: layers, bytes, pace, and how it ended.

Promise: only the server's word "success" is success. The pace is measured over the last seconds, never taken from what had already been
there before (a pull that is taken up again begins with a large part done), and a time left is given only once there is a pace.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from typing import Any, Literal

from agent.errors import Unavailable
from agent.llm.ollama_wire import plain
from agent.records import Record

PullState = Literal["pulling", "verifying", "done", "failed", "cancelled"]
AGAIN = "Pull again continues where it stopped."
PACE_S = 8.0  # the pace is that of the last seconds
LEAST_S = 1.0  # a shorter time says nothing about a pace
MOST_LAYERS = 200  # a model has about five


class Layer(Record):
    """One file of a model, in bytes. ``total`` is 0 until the server names it."""

    digest: str
    total: int = 0
    completed: int = 0


class Pull(Record):
    """One pull at one moment. ``total`` counts the layers announced so far; the large one comes first."""

    server: str
    model: str
    state: PullState = "pulling"
    status: str = ""
    layers: tuple[Layer, ...] = ()
    total: int = 0
    completed: int = 0
    rate: float | None = None
    eta_s: float | None = None
    seconds: float = 0.0
    reason: str = ""
    cure: str = ""

    @property
    def active(self) -> bool:
        return self.state in ("pulling", "verifying")

    @property
    def share(self) -> float:
        """0..1 of the bytes announced so far."""
        return 1.0 if self.state == "done" else min(1.0, self.completed / self.total) if self.total else 0.0


class Following:
    """Turns the lines of a pull into ``Pull``s. ``now`` is monotonic seconds."""

    def __init__(self, server: str, model: str, now: float) -> None:
        self._server, self._model, self._began = server, model, now
        self._layers: dict[str, tuple[int, int]] = {}
        self._points: deque[tuple[float, int]] = deque()
        self._arrived = 0  # bytes seen to arrive, what lay there before left out
        self._state: PullState = "pulling"
        self._status = ""
        self.success = False

    def add(self, line: Mapping[str, Any], now: float) -> None:
        """One line of the server's answer."""
        self._status = plain(line.get("status") or self._status, 120)
        low = self._status.lower()
        self.success = low == "success"
        if low.startswith(("verifying", "writing", "removing")):
            self._state = "verifying"
        digest = line.get("digest")
        if not isinstance(digest, str) or not digest:
            return
        key = digest[:100]
        if key not in self._layers and len(self._layers) >= MOST_LAYERS:
            return
        self._state = "pulling"
        known = self._layers.get(key)
        total = max(_bytes(line.get("total")), known[0] if known else 0)
        done = min(max(_bytes(line.get("completed")), known[1] if known else 0), total)
        if known is not None and known[1] > 0:
            self._arrived += done - known[1]  # the first number may tell of an earlier pull
        self._layers[key] = (total, done)
        self._points.append((now, self._arrived))
        while len(self._points) > 2 and self._points[0][0] < now - PACE_S:
            self._points.popleft()

    def seen(self, now: float) -> Pull:
        """The pull as it stands."""
        total, completed = sum(t for t, _ in self._layers.values()), sum(c for _, c in self._layers.values())
        rate = self._pace(now) if self._state == "pulling" else None
        return Pull(
            server=self._server,
            model=self._model,
            state=self._state,
            status=self._status,
            layers=tuple(Layer(digest=key, total=t, completed=c) for key, (t, c) in self._layers.items()),
            total=total,
            completed=completed,
            rate=rate,
            eta_s=(total - completed) / rate if rate else None,
            seconds=max(0.0, now - self._began),
        )

    def _pace(self, now: float) -> float | None:
        """Bytes per second; a server that has fallen silent gets slower with every second. None: nothing to measure yet."""
        if len(self._points) < 2:
            return None
        (since, before), (_, after) = self._points[0], self._points[-1]
        span = now - since
        return (after - before) / span if span >= LEAST_S and after > before else None


def _bytes(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**53 else 0


# ---------------------------------------------------------------------------------------------------- what a server may object


def refused(words: str, model: str) -> Unavailable:
    """The server's reason for ending a pull, in plain words and with what to do."""
    said = plain(words)
    low = said.lower()
    for pattern, message, cure in _REASONS:
        if re.search(pattern, low):
            return Unavailable(message.format(model=repr(model), said=said), cure=cure)
    return Unavailable(f"Ollama ended the pull: {said or 'no reason given'}.", cure=f"Look at the log of `ollama serve`. {AGAIN}")


_REASONS = (
    (
        r"no space left|disk (is )?full|not enough (disk )?space|enospc|insufficient (disk )?space",
        "The disk of the machine on which Ollama runs is full ({said}).",
        f"Free space there (`ollama list`, then `ollama rm NAME`), or set OLLAMA_MODELS to a folder on a larger disk. {AGAIN}",
    ),
    (
        r"requires a newer version|\b412\b",
        "The model {model} needs a newer version of Ollama ({said}).",
        "Update Ollama on that machine, then pull again.",
    ),
    (
        r"file does not exist|manifest unknown|not found|\b404\b|does not exist",
        "There is no model called {model} in Ollama's library ({said}).",
        "Check the spelling and the tag; names look like qwen3:8b, or hf.co/OWNER/REPOSITORY:QUANTISATION.",
    ),
    (r"invalid model name|model is required", "{model} is not a model name ({said}).", "Write it like qwen3:8b."),
    (
        r"unauthorized|forbidden|\b401\b|\b403\b|access denied",
        "{model} may not be pulled without signing in, or not by this account ({said}).",
        "Check the name; for a private model type `ollama signin` on that machine.",
    ),
    (
        r"digest mismatch",
        "What arrived of {model} was damaged and has been thrown away ({said}).",
        "Pull again: the damaged file is fetched anew.",
    ),
    (
        r"permission denied|read-only file system",
        "Ollama may not write into its models folder ({said}).",
        "Correct the folder's rights, or OLLAMA_MODELS.",
    ),
    (r"429|too many requests", "Ollama's library takes no more requests for now ({said}).", f"Wait some minutes. {AGAIN}"),
    (
        r"no such host|lookup |dial tcp|connection (reset|refused)|i/o timeout|timed? ?out|tls|x509|eof|max retries|network is unreachable|proxyconnect|\b50[0234]\b",
        "The machine on which Ollama runs lost or cannot reach Ollama's library ({said}).",
        f"Check that machine's internet connection (and HTTPS_PROXY, if it needs one). {AGAIN}",
    ),
)
