"""What an Ollama server says about itself: is it there, which version, which models, and what to type when something is missing.

Promise: every question has a limit of patience, and ``*_health`` never raises: it says what is wrong and the command that cures it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Literal

from agent.errors import Unavailable
from agent.llm.base import Cancelled, Health
from agent.llm.ollama_wire import Exchange, Failure, TookTooLong, of_the_wire, plain, storable, understand
from agent.records import Record

ASK_S = 30.0  # a starting server accepts connections up to 28 s before it answers
CHECK_S = 10.0
OLDEST = (0, 12, 6)  # before it, a prompt that is too long is cut without a word
REFUSING = (0, 30, 0)  # before it, not every kind of prompt that is too long is refused
SUGGESTED = "qwen3:8b"


class Installed(Record):
    """One model on the server. ``None`` where this server does not say."""

    name: str
    digest: str = ""
    size: int | None = None
    family: str = ""
    parameter_size: str = ""
    quantisation: str = ""
    context_length: int | None = None
    capabilities: tuple[str, ...] | None = None
    cloud: bool = False


class OllamaServer:
    """The server at ``url``. ``connect`` makes a client; nothing is opened before the first question."""

    def __init__(self, url: str, connect: Callable[[], Any]) -> None:
        self.url = url
        self._connect = connect

    def exchange(self, path: str, body: dict[str, Any], *, mode: Literal["stream", "json"]) -> Exchange:
        return Exchange(self._connect, "POST", path, body, mode=mode)

    def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        text: bool = False,
        model: str = "",
        wait_s: float = ASK_S,
        cancelled: Cancelled | None = None,
    ) -> dict[str, Any]:
        """One short question. Raises Failure, or Stopped."""
        exchange = Exchange(self._connect, method, path, body, mode="text" if text else "json")
        try:
            for part in exchange.parts(first_s=wait_s, next_s=wait_s, deadline=time.monotonic() + wait_s, cancelled=cancelled):
                return part
        except TookTooLong:
            raise Failure(
                Unavailable(
                    f"Ollama at {self.url} did not answer {path} within {wait_s:g} s.",
                    cure="Is it still starting? Look at the log of `ollama serve`.",
                )
            ) from None
        except Exception as error:
            if not of_the_wire(error):
                raise
            raise understand(error, url=self.url, model=model, began=False) from error
        return {}

    def is_ollama(self, *, wait_s: float = CHECK_S) -> bool:
        """Whether GET / gives Ollama's greeting."""
        return "ollama is running" in self.ask("GET", "/", text=True, wait_s=wait_s)["text"].lower()

    def version(self, *, cancelled: Cancelled | None = None) -> str:
        """Such as 0.33.0; empty where the server does not say."""
        return storable(_if_known(lambda: self.ask("GET", "/api/version", cancelled=cancelled)).get("version"))

    def installed(self, *, cancelled: Cancelled | None = None) -> tuple[Installed, ...]:
        """Raises Failure."""
        return tuple(map(_installed, _entries(self.ask("GET", "/api/tags", cancelled=cancelled))))

    def find(self, model: str, *, cancelled: Cancelled | None = None) -> Installed | None:
        """The installed model called ``model``, with capabilities and trained context where the server tells them."""
        found = next((entry for entry in self.installed(cancelled=cancelled) if same_name(entry.name, model)), None)
        if found is None or (found.capabilities is not None and found.context_length is not None):
            return found
        shown = _if_known(lambda: self.ask("POST", "/api/show", {"model": model}, model=model, cancelled=cancelled))
        return found.model_copy(update=_shown(shown, found))

    def window(self, model: str) -> int | None:
        """The context length with which ``model`` is loaded now. None if it is not loaded or the server does not say."""
        try:
            loaded = _entries(self.ask("GET", "/api/ps", wait_s=CHECK_S))
        except Failure:
            return None  # it waits for every runner and was seen to hang: not knowing is no reason to stop
        for entry in loaded:
            if same_name(str(entry.get("name") or entry.get("model") or ""), model):
                return count(entry.get("context_length"))
        return None


def _if_known(question: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer, or nothing where this server does not know the question (an old version, a partial stand-in)."""
    try:
        return question()
    except Failure as failure:
        if failure.status in (404, 405, 501):
            return {}
        raise


def _installed(entry: dict[str, Any]) -> Installed:
    details = _mapping(entry.get("details"))
    name = storable(entry.get("name") or entry.get("model"))
    return Installed(
        name=name,
        digest=storable(entry.get("digest")).removeprefix("sha256:"),
        size=count(entry.get("size")),
        family=storable(details.get("family")),
        parameter_size=storable(details.get("parameter_size")),
        quantisation=storable(details.get("quantization_level")),
        context_length=count(details.get("context_length")),
        capabilities=_words(entry.get("capabilities")),
        cloud=bool(entry.get("remote_host") or entry.get("remote_model")) or bool(re.search(r"[-:]cloud$", name)),
    )


def _shown(shown: dict[str, Any], found: Installed) -> dict[str, Any]:
    info = _mapping(shown.get("model_info"))
    trained = count(info.get(f"{info.get('general.architecture')}.context_length"))
    return {
        "context_length": found.context_length if found.context_length is not None else trained,
        "capabilities": _words(shown.get("capabilities")) or found.capabilities,
    }


def count(value: Any) -> int | None:
    """A positive whole number as a server writes it, else None."""
    return int(value) if isinstance(value, (int, float)) and value > 0 and float(value).is_integer() else None


def _entries(listing: dict[str, Any]) -> list[dict[str, Any]]:
    models = listing.get("models")
    return [entry for entry in models if isinstance(entry, dict)] if isinstance(models, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _words(value: Any) -> tuple[str, ...] | None:
    return tuple(map(storable, value)) if isinstance(value, list) and value else None


def same_name(one: str, other: str) -> bool:
    """Model names compare without case, and without a tag they mean ``:latest``."""
    return _full(one) == _full(other)


def _full(name: str) -> str:
    low = name.strip().casefold()
    return low if ":" in low.rsplit("/", 1)[-1] else f"{low}:latest"


def version_number(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text.split("-")[0])[:3])


# ------------------------------------------------------------------------------------------------------------------- health


def server_health(server: OllamaServer) -> Health:
    """Whether the server can be used and has a model at all. Never raises."""
    try:
        problem = _wrong_place(server)
        return problem or _listing(server, server.version(), server.installed())
    except Failure as failure:
        return unwell(failure, server.url)


def model_health(server: OllamaServer, model: str, *, num_ctx: int, think: str) -> Health:
    """Whether ``model`` can be used with these options. Never raises."""
    try:
        if problem := _wrong_place(server):
            return problem
        version, models = server.version(), server.installed()
        general = _listing(server, version, models)
        found = server.find(model)
    except Failure as failure:
        return unwell(failure, server.url)
    if not general.ok:
        return general
    if found is None:
        return Health(
            ok=False, message=missing(model, server.url, models), cure=f"Install it with `ollama pull {model}`.", details=general.details
        )
    return _judged(found, general, model=model, num_ctx=num_ctx, think=think)


def missing(model: str, url: str, models: tuple[Installed, ...]) -> str:
    names = [plain(entry.name, 60) for entry in models]
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return f"Ollama at {url} has no model {model!r}" + (f"; installed: {listed}." if names else "; nothing is installed yet.")


def unwell(failure: Failure, url: str) -> Health:
    error = failure.error
    cure = error.cure if isinstance(error, Unavailable) else ""
    return Health(ok=False, message=str(error).removesuffix(cure).strip(), cure=cure, details={"base_url": url})


def _wrong_place(server: OllamaServer) -> Health | None:
    """Something other than Ollama answers at the address."""
    try:
        if server.is_ollama():
            return None
    except Failure as failure:
        if failure.status is None:
            return unwell(failure, server.url)
    try:  # no greeting, but a proxy in front may serve only /api
        server.installed()
        return None
    except Failure:
        cure = "Check the address: it should look like http://127.0.0.1:11434, without /v1 or /api."
        return Health(
            ok=False, message=f"Something answers at {server.url}, but it is not Ollama.", cure=cure, details={"base_url": server.url}
        )


def _listing(server: OllamaServer, version: str, models: tuple[Installed, ...]) -> Health:
    details = {"base_url": server.url, "version": version, "models": [entry.model_dump(mode="json") for entry in models]}
    if not models:
        return Health(
            ok=False,
            message=f"Ollama runs at {server.url}, but no model is installed yet.",
            cure=f"Install one with `ollama pull {SUGGESTED}`.",
            details=details,
        )
    count = "1 model" if len(models) == 1 else f"{len(models)} models"
    message = f"Ollama {version or '(version unknown)'} at {server.url}, {count} installed."
    if version and version_number(version) < OLDEST and version_number(version) != (0, 0, 0):  # 0.0.0: built from source
        cure = "Update Ollama: versions before 0.12.6 cut prompts that are too long without a word."
        return Health(ok=True, message=f"{message} This version is old.", cure=cure, details=details)
    if version and (0, 0, 0) < version_number(version) < REFUSING:
        cure = "Ollama 0.30 or newer is better: older ones may cut a question that is too long. Cut questions are noticed and asked again, shorter."
        return Health(ok=True, message=message, cure=cure, details=details)
    return Health(ok=True, message=message, details=details)


def _judged(found: Installed, general: Health, *, model: str, num_ctx: int, think: str) -> Health:
    details = {**general.details, "model": found.model_dump(mode="json")}
    if found.cloud:
        message = f"{model!r} is a cloud model: it does not run on your machine and ignores num_ctx and the form of the answer."
        return Health(ok=False, message=message, cure=f"Choose a local one, for example `ollama pull {SUGGESTED}`.", details=details)
    if found.capabilities is not None and "completion" not in found.capabilities:
        message = f"{model!r} cannot chat (it can: {', '.join(found.capabilities)})."
        return Health(ok=False, message=message, cure=f"Choose a chat model such as {SUGGESTED}.", details=details)
    notes, cures = [general.message], [general.cure] if general.cure else []
    if found.context_length is not None and num_ctx > found.context_length:
        notes.append(f"{model!r} was trained with a window of {found.context_length} tokens: num_ctx {num_ctx} will be cut to that.")
        cures.append(f"Set num_ctx to {found.context_length} or choose a model with a longer window.")
    if think != "off" and found.capabilities is not None and "thinking" not in found.capabilities:
        notes.append(f"{model!r} cannot think: it will be asked without thinking.")
        cures.append("Set think to off.")
    return Health(ok=True, message=" ".join(notes), cure=" ".join(cures), details=details)


def raise_if_unwell(health: Health) -> None:
    """Unavailable with the message and the cure, unless all is well."""
    if not health.ok:
        raise Unavailable(health.message, cure=health.cure)
