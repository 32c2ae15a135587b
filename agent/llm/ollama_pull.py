"""Fetch a model onto an Ollama server, or remove one.

Promise: a pull ends in "success" or in a sentence with its cure; giving it up closes the connection, on which the server stops too and
keeps what has arrived.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from typing import Any

from agent.errors import SpecError, Unavailable
from agent.llm.base import Cancelled, Stopped
from agent.llm.cutoffs import LONGEST_NAME
from agent.llm.ollama_server import OllamaServer
from agent.llm.ollama_wire import Failure, TookTooLong, of_the_wire, plain, understand
from agent.llm.pulls import AGAIN, Following, Pull, refused

FIRST_S = 120.0  # the library is asked before the first layer is named
SILENCE_S = 900.0  # checking the digest of a large model sends nothing meanwhile
LONGEST_S = 7 * 86_400.0


def model_name(text: str) -> str:
    """A name that can be sent. SpecError if it is none."""
    name = text.strip().removeprefix("ollama pull ").removeprefix("ollama run ").strip()
    if not name:
        raise SpecError("Type the name of a model, such as qwen3:8b.", field="model")
    if len(name) > LONGEST_NAME or any(char.isspace() or not char.isprintable() for char in name):
        raise SpecError(f"{plain(name, 60)!r} is not a model name; write it like qwen3:8b.", field="model")
    return name


def pull(
    server: OllamaServer,
    model: str,
    *,
    on_progress: Callable[[Pull], None] | None = None,
    cancelled: Cancelled | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Pull:
    """Fetch ``model``; returns when the server has said "success". Raises Unavailable (with the cure), or Stopped."""
    following = Following(server.url, model, clock())
    with contextlib.closing(_lines(server, model, cancelled)) as lines:
        for line in lines:
            if line.get("error"):
                raise refused(str(line["error"]), model)
            following.add(line, clock())
            if on_progress is not None:
                on_progress(following.seen(clock()))
    if not following.success:
        raise Unavailable(f"The pull of {model!r} ended before Ollama had said that it was done.", cure=AGAIN)
    return following.seen(clock()).model_copy(update={"state": "done", "rate": None, "eta_s": None})


def _lines(server: OllamaServer, model: str, cancelled: Cancelled | None) -> Generator[dict[str, Any], None, None]:
    """The server's lines; every way in which the wire can fail becomes Unavailable."""
    exchange, began = server.exchange("/api/pull", {"model": model, "stream": True}, mode="stream"), False
    deadline = time.monotonic() + LONGEST_S
    try:
        with contextlib.closing(exchange.parts(first_s=FIRST_S, next_s=SILENCE_S, deadline=deadline, cancelled=cancelled)) as parts:
            for part in parts:
                began = True
                yield part
    except TookTooLong:
        waited = SILENCE_S if began else FIRST_S
        raise Unavailable(
            f"Ollama at {server.url} said nothing about the pull for {waited:g} s.", cure=f"Look at its log. {AGAIN}"
        ) from None
    except (Stopped, GeneratorExit):
        raise
    except Exception as error:
        if not of_the_wire(error):
            raise
        raise _lost(error, server.url, model, began=began) from error


def _lost(error: Exception, url: str, model: str, *, began: bool) -> Unavailable:
    """What a failure of the wire means for a pull."""
    if hasattr(error, "status_code") and hasattr(error, "error") and (error.status_code == -1 or error.status_code in (400, 404, 500)):
        if error.status_code == 404 and "page not found" in str(error.error).lower():
            return Unavailable(f"{url} cannot pull: it answers, but not like Ollama.", cure="Check the address.")
        return refused(str(error.error), model)
    failure = understand(error, url=url, model=model, began=False)
    if began:
        return Unavailable(f"The connection to Ollama at {url} was lost during the pull.", cure=f"Is it still running? {AGAIN}")
    found = failure.error
    return found if isinstance(found, Unavailable) else Unavailable(str(found), cure=AGAIN)


def delete(server: OllamaServer, model: str) -> None:
    """Remove a model from the server's disk. Raises Unavailable."""
    try:
        server.ask("DELETE", "/api/delete", {"model": model}, text=True, model=model)
    except Failure as failure:
        if failure.no_model:
            message = f"Ollama at {server.url} has no model {model!r}: it may have been deleted already."
            raise Unavailable(message, cure="Look at the list again.") from None
        if not isinstance(failure.error, Unavailable):
            raise Unavailable(str(failure.error), cure="Look at the log of `ollama serve`.") from None
        raise failure.error from None
