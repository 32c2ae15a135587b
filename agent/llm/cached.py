"""A backend that does not ask what was answered before: answers are kept by their content, across runs.

The key is everything an answer can depend on: the model (digest, or address and name where the server tells none), the server's version,
the way the answer is bound, every option that can change a word, the seed, the form asked for and every message. So a changed prompt,
seed or model is another question, and a repeated run with another seed is never a copy of the first. Only answers of language models
are kept, and failures never.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from agent.llm.base import Backend, Cancelled, Chunk, Health, OnChunk, Request, Stopped
from agent.records import Completion

CacheMode = Literal["off", "write-only", "full"]
# Options that change how long one waits, where one asks or what it costs, but no word of an answer.
SILENT = {
    "base_url",
    "api_key_env",
    "keep_alive",
    "retries",
    "parallel",
    "price_in",
    "price_out",
    "trust_count",
    "connect_timeout_s",
    "read_timeout_s",
    "first_token_timeout_s",
    "total_timeout_s",
    "day_timeout_s",
}
KNOWN = ("backend", "model", "digest", "quantisation", "server_version", "server", "way", "effective_num_ctx")


class Answers(Protocol):
    """Where answers are kept."""

    def find(self, key: str) -> Completion | None:
        """The answer kept under ``key``."""
        ...

    def keep(self, key: str, completion: Completion) -> None:
        """Keep an answer; an earlier one under the same key stays."""
        ...


class CachedBackend:
    """``inner`` with a memory. ``served`` and ``asked`` count answers since the start."""

    def __init__(self, inner: Backend, answers: Answers, *, mode: CacheMode) -> None:
        self.Options: type[BaseModel] = inner.Options
        self.inner, self.mode = inner, mode
        self.label, self.model = inner.label, inner.model
        self.served = self.asked = 0
        self._answers = answers
        self._about: dict[str, Any] | None = None

    def complete(self, request: Request, *, on_chunk: OnChunk | None = None, cancelled: Cancelled | None = None) -> Completion:
        """See ``Backend.complete``. Before ``warm_up`` it is not known which model answers, so nothing is looked up or kept."""
        if self.mode == "off" or self._about is None:
            return self.inner.complete(request, on_chunk=on_chunk, cancelled=cancelled)
        key = self.key(request)
        if self.mode == "full" and (known := self._answers.find(key)) is not None:
            if cancelled is not None and cancelled():
                raise Stopped("stopped before the answer was looked up")
            if on_chunk is not None:
                on_chunk(Chunk(text=known.text, thinking=known.thinking))
            self.served += 1
            return known.model_copy(update={"cached": True})
        completion = self.inner.complete(request, on_chunk=on_chunk, cancelled=cancelled)
        self.asked += 1
        if completion.llm:
            self._answers.keep(key, completion)
        return completion

    def key(self, request: Request) -> str:
        """Hash of the question and of all that answers it."""
        question = {
            "about": self._about,
            "seed": request.seed,
            "purpose": request.purpose,
            "schema": request.answer_schema,
            "messages": [[message.role, message.content] for message in request.messages],
        }
        return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()

    def check(self) -> Health:
        return self.inner.check()

    def warm_up(self, *, longest: int = 0, before: Mapping[str, Any] | None = None, cancelled: Cancelled | None = None) -> dict[str, Any]:
        """See ``Backend.warm_up``; from here on it is known who answers."""
        found = self.inner.warm_up(longest=longest, before=before, cancelled=cancelled)
        self.model = self.inner.model  # a server that serves one model tells its name only now
        options = getattr(self.inner, "options", None)
        chosen = options.model_dump(mode="json", exclude=SILENT) if isinstance(options, BaseModel) else {}
        about = {name: found[name] for name in KNOWN if found.get(name)}
        if not found.get("digest"):
            about["base_url"] = found.get("base_url", "")  # a name alone does not say which model it is
        self._about = {**about, "options": chosen}
        return found
