"""Is what a run needs up, and if not, what to type.

Promise: ``*_health`` never raises; ``ollama_models`` raises Unavailable with the cure.
"""

from __future__ import annotations

from agent.errors import Unavailable
from agent.llm.base import Health
from agent.llm.ollama import resolve, serve
from agent.llm.ollama_server import Installed, server_health
from agent.llm.ollama_wire import Failure


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


__all__ = ["Installed", "ollama_health", "ollama_models", "resolve"]
