"""Pulls, probes and test prompts that go on while nobody looks: one thread each, in this process.

Promise: a page may be left, reloaded or opened twice; the same thing is never started twice, what runs can be stopped, and how it ended is
kept until it is dismissed. When the process ends its pulls end too; the server keeps what has arrived and a new pull goes on from there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from agent.errors import RecollectError, SpecError, Unavailable
from agent.llm import BACKENDS, abilities, ollama_pull
from agent.llm.base import Chunk, Message, Stopped
from agent.llm.pulls import AGAIN, Pull
from agent.llm.try_out import Said, chat
from agent.records import Record
from services import models
from services.wiring import options as checked

JobState = Literal["running", "done", "failed", "cancelled"]
KEPT = 50  # finished things that are remembered
LONGEST_PROMPT = 100_000  # characters


class Trial(Record):
    """A test prompt at one moment; ``said`` is complete once ``state`` is done."""

    model: str
    state: JobState = "running"
    said: Said = Said()
    seconds: float = 0.0
    reason: str = ""
    cure: str = ""


class Probe(Record):
    """A probe at one moment; ``found`` is what ``Backend.warm_up`` returned."""

    model: str
    state: JobState = "running"
    found: dict[str, Any] = {}
    seconds: float = 0.0
    reason: str = ""
    cure: str = ""


class _Job:
    """A thread with something to look at meanwhile. ``seen`` is replaced whole, so readers need no lock."""

    def __init__(self, seen: Any, clock: Callable[[], float]) -> None:
        self.seen = seen
        self.stop = threading.Event()
        self.clock, self.began = clock, clock()
        self.thread: threading.Thread | None = None

    def run(self, work: Callable[[_Job], None], name: str, *, stopped: Exception | None = None, **last: Any) -> None:
        """``work`` says how it ended when all went well; every other end is told here. ``stopped``, ``last``: what is shown then."""
        self.thread = threading.Thread(target=self._through, args=(work, stopped, last), name=name, daemon=True)
        self.thread.start()

    def _through(self, work: Callable[[_Job], None], stopped: Exception | None, last: Mapping[str, Any]) -> None:
        try:
            work(self)
        except Stopped:
            self.end("cancelled", stopped, **last)
        except RecollectError as error:
            self.end("failed", error, **last)
        except BaseException as error:
            self.end("failed", Unavailable(f"A fault in Recollect itself ended it: {error!r}."), **last)
            raise

    def end(self, state: str, error: Exception | None = None, **more: Any) -> None:
        cure = getattr(error, "cure", "")
        reason = str(error).removesuffix(cure).strip() if error is not None else ""
        update = {"state": state, "seconds": self.clock() - self.began, "reason": reason, "cure": cure, **more}
        self.seen = self.seen.model_copy(update=update)


_lock = threading.Lock()
_pulls: dict[tuple[str, str], _Job] = {}
_trials: dict[str, _Job] = {}
_probes: dict[tuple[str, str], _Job] = {}


def _running(job: _Job | None) -> bool:
    return job is not None and job.thread is not None and job.thread.is_alive()


def _put(jobs: dict[Any, _Job], key: Any, job: _Job) -> None:
    """Newest last; the oldest finished ones are forgotten."""
    jobs.pop(key, None)
    jobs[key] = job
    for old in [each for each, known in jobs.items() if not _running(known) and each != key][: max(0, len(jobs) - KEPT)]:
        del jobs[old]


# --------------------------------------------------------------------------------------------------------------------- pulls


def pull(name: str, base_url: str = "", *, clock: Callable[[], float] = time.monotonic) -> Pull:
    """Begin to fetch a model, or join the pull that is under way. Raises SpecError (the name, the address) or Unavailable."""
    model, server = ollama_pull.model_name(name), models.server_for(base_url)
    key = (server.url, model.casefold())
    with _lock:
        known = _pulls.get(key)
        if known is not None and _running(known) and not known.stop.is_set():
            return known.seen
        job = _Job(Pull(server=server.url, model=model), clock)
        _put(_pulls, key, job)

        def work(mine: _Job) -> None:
            def look(seen: Pull) -> None:
                mine.seen = seen

            mine.seen = ollama_pull.pull(server, model, on_progress=look, cancelled=mine.stop.is_set, clock=clock)

        job.run(work, f"pull {model}", stopped=Unavailable("You stopped it.", cure=AGAIN), rate=None, eta_s=None)
    return job.seen


def pulls(base_url: str = "") -> list[Pull]:
    """The pulls of this process from a server, newest first. Raises SpecError or Unavailable."""
    url = models.address(base_url)
    with _lock:
        found = [(key, job) for key, job in _pulls.items() if key[0] == url]
    return [job.seen for _, job in reversed(found)]


def cancel_pull(seen: Pull) -> None:
    """Stop one; the server keeps what has arrived. Nothing happens where it has ended."""
    with _lock:
        job = _pulls.get((seen.server, seen.model.casefold()))
    if job is not None:
        job.stop.set()


def dismiss_pull(seen: Pull) -> None:
    """Forget how one ended."""
    with _lock:
        key = (seen.server, seen.model.casefold())
        if not _running(_pulls.get(key)):
            _pulls.pop(key, None)


def wait_for_pull(seen: Pull, timeout_s: float) -> Pull:
    """The pull once it has ended, or as it stands after ``timeout_s``."""
    with _lock:
        job = _pulls.get((seen.server, seen.model.casefold()))
    if job is None or job.thread is None:
        return seen
    job.thread.join(timeout_s)
    return job.seen


# -------------------------------------------------------------------------------------------------------------- test prompts


def ask(
    who: str,
    backend: str,
    options: Mapping[str, Any],
    prompt: str,
    *,
    system: str = "",
    think: bool = False,
    longest: int = 512,
    clock: Callable[[], float] = time.monotonic,
) -> Trial:
    """Begin a test prompt for ``who`` (a session of the page); an earlier one of theirs is stopped. Raises SpecError."""
    if not prompt.strip():
        raise SpecError("Type a question for the model.", field="prompt")
    if len(prompt) + len(system) > LONGEST_PROMPT:
        raise SpecError(f"A test prompt has at most {LONGEST_PROMPT:,} characters.", field="prompt")
    plug: Any = BACKENDS.load(backend)
    given = checked(backend, plug, options).model_dump()
    messages = [Message(role="system", content=system)] if system.strip() else []
    messages.append(Message(role="user", content=prompt))
    stop_asking(who)
    job = _Job(Trial(model=str(given.get("model", ""))), clock)

    def work(mine: _Job) -> None:
        heard = {"text": "", "thinking": ""}

        def hear(chunk: Chunk) -> None:
            heard["text"] += chunk.text
            heard["thinking"] += chunk.thinking
            mine.seen = mine.seen.model_copy(update={"said": Said(**heard), "seconds": clock() - mine.began})

        said = chat(backend, given, messages, on_chunk=hear, cancelled=mine.stop.is_set, think=think, longest=longest)
        mine.end("done", said=said)

    with _lock:
        _put(_trials, who, job)
        job.run(work, "test prompt")
    return job.seen


def asked(who: str) -> Trial | None:
    """The test prompt of ``who`` as it stands."""
    with _lock:
        job = _trials.get(who)
    return _timed(job) if job else None


def stop_asking(who: str) -> None:
    with _lock:
        job = _trials.get(who)
    if job is not None:
        job.stop.set()


def _timed(job: _Job) -> Any:
    """With the seconds so far, also while not a word arrives."""
    return job.seen.model_copy(update={"seconds": job.clock() - job.began}) if job.seen.state == "running" else job.seen


# -------------------------------------------------------------------------------------------------------------------- probes


def probe(name: str, base_url: str = "", *, anew: str = "", clock: Callable[[], float] = time.monotonic) -> Probe:
    """Begin to find out how a model can be asked (``Backend.warm_up``), or join the probe that is under way. Raises SpecError, Unavailable.

    ``anew``: the model's digest; what earlier probes found out about it is forgotten first.
    """
    model, url = ollama_pull.model_name(name), models.address(base_url)
    key = (url, model.casefold())
    with _lock:
        known = _probes.get(key)
        if known is not None and _running(known) and not known.stop.is_set():
            return _timed(known)
        plug: Any = BACKENDS.load("ollama")
        notes = models.model_notes()
        for old in [each for each in notes.items(abilities.KIND) if anew and anew in each]:
            notes.forget(abilities.KIND, old)
        backend = plug(checked("ollama", plug, {"model": model, "base_url": url}), notes=notes)
        job = _Job(Probe(model=model), clock)
        _put(_probes, key, job)

        def work(mine: _Job) -> None:
            try:
                mine.end("done", found=backend.warm_up(cancelled=mine.stop.is_set))
            finally:
                notes.close()

        job.run(work, f"probe {model}")
    return _timed(job)


def probed(name: str, base_url: str = "") -> Probe | None:
    """The probe of a model as it stands; None where none was begun in this process."""
    with _lock:
        job = _probes.get((models.address(base_url), name.casefold()))
    return _timed(job) if job else None


def stop_probe(name: str, base_url: str = "") -> None:
    """End it, on the server too; nothing is kept of what it had found out. Nothing happens where it has ended."""
    with _lock:
        job = _probes.get((models.address(base_url), name.casefold()))
    if job is not None:
        job.stop.set()


def forget_everything() -> None:
    """Stop all and forget all, for a process that ends or a test that begins."""
    with _lock:
        jobs = [*_pulls.values(), *_trials.values(), *_probes.values()]
        for group in (_pulls, _trials, _probes):
            group.clear()  # type: ignore[attr-defined]
    for job in jobs:
        job.stop.set()
