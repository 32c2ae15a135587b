"""Is what a run needs up, and if not, what to type.

Promise: ``*_health`` never raises; ``ollama_models`` raises Unavailable with the cure.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec

from agent.errors import RecollectError, Unavailable
from agent.llm.base import Health
from agent.llm.ollama import resolve, serve
from agent.llm.ollama_server import Installed, server_health
from agent.llm.ollama_wire import Failure
from agent.memory.embedders.minilm import model_folder, verify
from agent.records import Record
from services.settings import settings
from storage.answer_cache import AnswerCache
from storage.run_store import RunStore


def ollama_health(base_url: str = "", *, connect_timeout_s: float = 5.0) -> Health:
    """Whether an Ollama server answers and has a model. ``details``: base_url, version, models. Empty address: from the environment."""
    try:
        return server_health(serve(base_url, connect_timeout_s=connect_timeout_s, silence_s=30.0))
    except Unavailable as error:
        return Health(ok=False, message=str(error).removesuffix(error.cure).strip(), cure=error.cure, details={"base_url": base_url})
    except ValueError as error:
        cure = "Write the address like http://127.0.0.1:11434."
        return Health(ok=False, message=f"The address cannot be used: {error}.", cure=cure, details={"base_url": base_url})


def ollama_models(base_url: str = "") -> tuple[Installed, ...]:
    """The models installed on the server, newest first."""
    try:
        return serve(base_url, silence_s=30.0).installed()
    except Failure as failure:
        raise failure.error from failure


class Finding(Record):
    """One line of the doctor's report. ``needed``: without it nothing runs; else it is an option."""

    what: str
    ok: bool
    needed: bool
    message: str
    cure: str = ""


def check_all() -> list[Finding]:
    """Everything a run may need, cheapest first; never raises."""
    return [_home(), _store(), _embedder(), _vectors(), _answers(), _demo(), _ollama()]


def _finding(what: str, needed: bool, look: Callable[[], str]) -> Finding:
    """``look`` returns what is well, or raises the error that says what is not."""
    try:
        return Finding(what=what, ok=True, needed=needed, message=look())
    except RecollectError as error:
        cure = getattr(error, "cure", "")
        return Finding(what=what, ok=False, needed=needed, message=str(error).removesuffix(cure).strip(), cure=cure)


def _home() -> Finding:
    def look() -> str:
        home = settings().home.absolute()
        probe = home / ".writable"
        try:
            home.mkdir(parents=True, exist_ok=True)
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise Unavailable(
                f"{home} cannot be written ({error.strerror}).", cure="Set RECOLLECT_HOME to a folder you may write to."
            ) from None
        return f"{home}, {shutil.disk_usage(home).free / 2**30:.1f} GiB free"

    return _finding("data folder", True, look)


def _store() -> Finding:
    return _finding("run store", True, lambda: f"{len(RunStore(settings().store_url).runs())} runs in {settings().store_url}")


def _embedder() -> Finding:
    def look() -> str:
        verify(model_folder())
        return "all-MiniLM-L6-v2 is installed and its weights are the published ones"

    return _finding("embedder", True, look)


def _vectors() -> Finding:
    if find_spec("chromadb") is None:
        return Finding(
            what="vector index", ok=False, needed=True, message="chromadb is not installed.", cure="pip install -r requirements.txt"
        )
    return Finding(what="vector index", ok=True, needed=True, message=f"chromadb {version('chromadb')} in {settings().chroma}")


def _answers() -> Finding:
    def look() -> str:
        path = settings().answer_cache
        if not path.exists():
            return "empty"
        size = AnswerCache(path).size()
        return f"{size.answers:,} answers of {len(size.models)} models, {path.stat().st_size / 2**20:.1f} MiB; delete {path} to forget them"

    return _finding("answer cache", False, look)


def _demo() -> Finding:
    from agent.market.sources import SOURCES

    def look() -> str:
        demo = SOURCES.load("demo")()
        return f"{', '.join(item.ticker for item in demo.listings())} ({demo.note})"

    return _finding("demo market", True, look)


def _ollama() -> Finding:
    health = ollama_health(connect_timeout_s=2.0)
    return Finding(what="Ollama", ok=health.ok, needed=False, message=health.message, cure=health.cure)


__all__ = ["Finding", "Installed", "check_all", "ollama_health", "ollama_models", "resolve"]
