"""What lies on an Ollama server's shelf: every installed model with what the server tells about it, and what is in memory now.

Promise: nothing is loaded by looking. Whatever a server leaves out is None, never a guess; a list with odd entries loses only those.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from agent.llm.ollama_server import CHECK_S, Installed, OllamaServer, count, same_name
from agent.llm.ollama_wire import Failure, storable
from agent.records import Record

FOREVER = 2200  # Ollama writes the year 2319 for a model that is never unloaded
MOST_SHOWN = 40  # models of which a server without capabilities in its list is asked one by one


class Loaded(Record):
    """A model in memory. Sizes in bytes; ``until`` is None where it stays for ever."""

    window: int | None = None
    size: int | None = None
    vram: int | None = None
    until: datetime | None = None
    forever: bool = False


class OnShelf(Record):
    """One installed model."""

    model: Installed
    modified: datetime | None = None
    loaded: Loaded | None = None


def shelf(server: OllamaServer) -> tuple[OnShelf, ...]:
    """All installed models in the server's order (newest first). Raises Failure."""
    installed = server.installed()
    changed = {storable(entry.get("name") or entry.get("model")): entry.get("modified_at") for entry in _tags(server)}
    memory = in_memory(server)
    found = []
    for number, model in enumerate(each for each in installed if each.name):
        if number < MOST_SHOWN and (model.capabilities is None or model.context_length is None):
            model = _asked(server, model)
        loaded = next((known for name, known in memory if same_name(name, model.name)), None)
        found.append(OnShelf(model=model, modified=moment(changed.get(model.name)), loaded=loaded))
    return tuple(found)


def _tags(server: OllamaServer) -> Iterable[dict[str, Any]]:
    """The list as it is sent: times of change are told nowhere else."""
    return _mappings(server.ask("GET", "/api/tags").get("models"))


def _asked(server: OllamaServer, model: Installed) -> Installed:
    """What an older server tells of one model only."""
    try:
        return server.find(model.name) or model
    except Failure:
        return model  # gone meanwhile, or its file is damaged: the list still has its name and size


def in_memory(server: OllamaServer) -> list[tuple[str, Loaded]]:
    """Name and state of every loaded model; empty where the server does not say in time (it waits for a loading runner)."""
    try:
        listing = server.ask("GET", "/api/ps", wait_s=CHECK_S / 2).get("models")
    except Failure:
        return []
    return [_loaded(entry) for entry in _mappings(listing)]


def _loaded(entry: dict[str, Any]) -> tuple[str, Loaded]:
    until = moment(entry.get("expires_at"))
    forever = until is not None and until.year > FOREVER
    vram = entry.get("size_vram")
    known = Loaded(
        window=count(entry.get("context_length")),
        size=count(entry.get("size")),
        vram=int(vram) if isinstance(vram, (int, float)) and vram >= 0 else None,
        until=None if forever else until,
        forever=forever,
    )
    return storable(entry.get("name") or entry.get("model")), known


def _mappings(listing: Any) -> Iterable[dict[str, Any]]:
    return [entry for entry in listing if isinstance(entry, dict)] if isinstance(listing, list) else []


def moment(value: Any) -> datetime | None:
    """A time as Go writes it (nanoseconds, Z or an offset), aware UTC; None for anything else."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", value.strip()) if isinstance(value, str) else None
    if not found:
        return None
    try:
        return datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
