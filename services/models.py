"""What the Models page and ``recollect models`` look at and change at once: servers, installed models, deletion, knowledge cut-offs.

Promise: ``servers`` never raises and never shows a key; every failure comes with what to type. What takes its time (pulls, probes, test
prompts) is in ``services/model_jobs.py``.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Literal

from agent.errors import SpecError, Unavailable
from agent.llm import abilities, ollama_pull, token_ratio
from agent.llm.cutoffs import Cutoff, cutoff_of, key_of
from agent.llm.ollama import named_by, serve
from agent.llm.ollama import resolve as resolve_ollama
from agent.llm.ollama_server import OllamaServer, same_name, server_health
from agent.llm.ollama_shelf import Loaded, OnShelf, shelf
from agent.llm.ollama_wire import Failure, is_loopback
from agent.llm.openai_wire import Key, Listed, ask_models
from agent.llm.openai_wire import resolve as resolve_openai
from agent.records import Record
from services import runs
from services.settings import settings
from storage.cutoff_file import CutoffFile, Entered
from storage.model_notes import ModelNotes

KEY_VARIABLE = "OPENAI_API_KEY"
QUICK_S = 2.0  # to connect: a page must not stand still for an address that swallows everything

Kind = Literal["ollama", "openai_compatible"]
Use = Literal["decisions", "embeddings only", "cloud", "unknown"]


class Server(Record):
    """One server as it answers now. ``came_from``: what named its address. ``ok`` None: not asked yet."""

    kind: Kind
    url: str
    came_from: str
    ok: bool | None = None
    message: str = ""
    cure: str = ""
    version: str = ""
    ping_ms: float | None = None
    models: int | None = None
    listed: tuple[Listed, ...] = ()
    key_variable: str = ""
    key_set: bool = False


class Model(Record):
    """One installed model, with what our own runs and probes have found out about it."""

    name: str
    digest: str = ""
    size: int | None = None
    quantisation: str = ""
    family: str = ""
    parameters: str = ""
    context: int | None = None
    capabilities: tuple[str, ...] | None = None
    modified: datetime | None = None
    loaded: Loaded | None = None
    use: Use = "unknown"
    abilities: dict[str, Any] | None = None
    characters_per_token: float | None = None
    cutoff: Cutoff | None = None


# ------------------------------------------------------------------------------------------------------------------ servers


def servers(base_url: str = "", *, ask_openai: bool | None = None) -> tuple[Server, Server]:
    """Ollama (at ``base_url``, empty: from the environment) and the OpenAI-compatible server. Never raises.

    ``ask_openai``: None asks it only where it runs on this machine; a paid service is asked when a person says so.
    """
    return ollama(base_url), openai_compatible(ask=ask_openai)


def ollama(base_url: str = "") -> Server:
    """The Ollama server, asked now."""
    came_from = _named_by(base_url, ("OLLAMA_HOST", "OLLAMA_BASE_URL"))
    try:
        server = _server(base_url, quick=True)
    except (Unavailable, SpecError) as error:
        return _ill("ollama", base_url, came_from, error)
    health = server_health(server)
    details = health.details
    models = details.get("models")
    return Server(
        kind="ollama",
        url=server.url,
        came_from=came_from,
        ok=health.ok,
        message=health.message,
        cure=health.cure,
        version=str(details.get("version") or ""),
        models=len(models) if isinstance(models, list) else None,
        ping_ms=_ping(server) if "version" in details else None,
    )


def openai_compatible(*, ask: bool | None = None) -> Server:
    """The OpenAI-compatible server that a run without a base_url would use."""
    came_from = _named_by("", ("OPENAI_BASE_URL",))
    try:
        url, key = resolve_openai(), Key(KEY_VARIABLE)
    except Unavailable as error:
        return _ill("openai_compatible", "", came_from, error).model_copy(update={"key_variable": KEY_VARIABLE})
    known: dict[str, Any] = {
        "kind": "openai_compatible",
        "url": url,
        "came_from": came_from,
        "key_variable": KEY_VARIABLE,
        "key_set": bool(key),
    }
    if ask is False or (ask is None and not is_loopback(url)):
        return Server(**known, message="Not asked yet: it is not on this machine.")
    began = time.monotonic()
    try:
        serving = ask_models(url, key, connect_s=QUICK_S)
    except Failure as failure:
        found = failure.error
        cure = found.cure if isinstance(found, Unavailable) else ""
        return Server(**known, ok=False, message=str(found).removesuffix(cure).strip(), cure=cure)
    ms = (time.monotonic() - began) * 1000
    called = f" It calls itself {serving.server}." if serving.server else ""
    if serving.models is None:
        return Server(**known, ok=True, ping_ms=ms, message=f"{url} answers, but has no list of models: name one in the run.{called}")
    if not serving.models:
        return Server(**known, ok=False, ping_ms=ms, models=0, message=f"{url} serves no model.{called}", cure="Load a model there.")
    count = len(serving.models)
    message = f"{url} serves {count} model{'' if count == 1 else 's'}.{called}"
    return Server(**known, ok=True, ping_ms=ms, models=count, listed=serving.models[:500], message=message)


def _named_by(given: str, variables: tuple[str, ...]) -> str:
    """What an address comes from, in the order in which it is looked for."""
    if given.strip():
        return "this address"
    return next((name for name in variables if named_by(name)), "default")


def _ill(kind: Kind, url: str, came_from: str, error: Unavailable | SpecError) -> Server:
    cure = error.cure if isinstance(error, Unavailable) else "Write it like http://127.0.0.1:11434."
    return Server(kind=kind, url=url, came_from=came_from, ok=False, message=str(error).removesuffix(cure).strip(), cure=cure)


def _ping(server: OllamaServer) -> float | None:
    """Milliseconds of the cheapest question."""
    began = time.monotonic()
    try:
        server.version()
    except Failure:
        return None
    return (time.monotonic() - began) * 1000


def _server(base_url: str = "", *, quick: bool = False, silence_s: float = 30.0) -> OllamaServer:
    """Raises SpecError (the address that was typed) or Unavailable (the one in the environment)."""
    try:
        return serve(base_url, connect_timeout_s=QUICK_S if quick else 5.0, silence_s=silence_s)
    except ValueError as error:
        raise SpecError(f"The address cannot be used: {error}.", field="server") from None


def server_for(base_url: str = "", *, silence_s: float = 1000.0) -> OllamaServer:
    """The server for a long exchange. Raises SpecError or Unavailable."""
    return _server(base_url, silence_s=silence_s)


def address(base_url: str = "") -> str:
    """The URL that ``base_url`` means now. Raises SpecError or Unavailable."""
    try:
        return resolve_ollama(base_url)
    except ValueError as error:
        raise SpecError(f"The address cannot be used: {error}.", field="server") from None


# ------------------------------------------------------------------------------------------------------------------- models


def installed(base_url: str = "") -> tuple[Model, ...]:
    """The models on the Ollama server, newest first. Raises SpecError or Unavailable."""
    try:
        found = shelf(_server(base_url, quick=True))
    except Failure as failure:
        raise _for_people(failure) from None
    notes, mine = model_notes(), edited_cutoffs()
    able, ratios = notes.items(abilities.KIND), notes.items(token_ratio.KIND)
    notes.close()
    return tuple(_model(item, able, ratios, mine) for item in found)


def model_notes() -> ModelNotes:
    """What probes and runs have learnt about models on this machine."""
    return ModelNotes(settings().model_notes)


def _model(item: OnShelf, able: dict[str, dict[str, Any]], ratios: dict[str, dict[str, Any]], mine: dict[str, Cutoff]) -> Model:
    found = item.model
    return Model(
        name=found.name,
        digest=found.digest,
        size=found.size,
        quantisation=found.quantisation,
        family=found.family,
        parameters=found.parameter_size,
        context=found.context_length,
        capabilities=found.capabilities,
        modified=item.modified,
        loaded=item.loaded,
        use="cloud" if found.cloud else _use(found.capabilities),
        abilities=_about(found.digest, able),
        characters_per_token=_ratio(_about(found.digest, ratios)),
        cutoff=cutoff_of(found.name, mine),
    )


def _use(capabilities: tuple[str, ...] | None) -> Use:
    if capabilities is None:
        return "unknown"
    return "decisions" if "completion" in capabilities else "embeddings only"


def _about(digest: str, notes: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """The last note whose key names the digest: a key may also hold the server's version."""
    return next((note for key, note in reversed(notes.items()) if digest and digest in key), None)


def _ratio(note: dict[str, Any] | None) -> float | None:
    value = (note or {}).get("characters_per_token")
    return float(value) if isinstance(value, (int, float)) and value > 0 else None


def delete(name: str, base_url: str = "") -> None:
    """Remove a model from the server's disk. Raises SpecError or Unavailable."""
    ollama_pull.delete(_server(base_url), ollama_pull.model_name(name))


def busy_with(name: str) -> list[str]:
    """The names of the runs at work that use a model, which deleting it would break."""
    found = []
    for row in runs.store().runs():
        if row.status not in runs.ACTIVE:
            continue
        try:
            spec = row.spec
        except SpecError:
            continue  # written by another version; it does not run here
        asked = [spec.backend_options.get("model")] if spec.backend == "ollama" else []
        if spec.helper is not None and spec.helper.backend == "ollama":
            asked.append(spec.helper.options.get("model"))
        if any(isinstance(model, str) and same_name(model, name) for model in asked):
            found.append(row.name or row.id)
    return found


def _for_people(failure: Failure) -> Unavailable:
    error = failure.error
    return error if isinstance(error, Unavailable) else Unavailable(str(error), cure="Look at the log of `ollama serve`.")


# --------------------------------------------------------------------------------------------------------- knowledge cut-offs


def edited_cutoffs() -> dict[str, Cutoff]:
    """The cut-offs that a person entered, by ``key_of(name)``. Never raises."""
    return entered().cutoffs


def entered() -> Entered:
    """The same, with what is wrong with their file."""
    return _cutoff_file().read()


def enter_cutoff(name: str, cutoff: Cutoff) -> None:
    """Keep a person's own word about a model. Raises SpecError (no name) or Unavailable (the file)."""
    _cutoff_file().write(key_of(name), cutoff.model_copy(update={"edited": True}))


def reset_cutoff(name: str) -> None:
    """Back to what is shipped. Raises SpecError or Unavailable."""
    _cutoff_file().forget(key_of(name))


def _cutoff_file() -> CutoffFile:
    return CutoffFile(settings().home.absolute() / "cutoffs.json")
