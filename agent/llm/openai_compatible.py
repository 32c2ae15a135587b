"""The backend that thinks with a model behind any server that speaks OpenAI's chat completions: vLLM, llama.cpp, LM Studio, OpenRouter, OpenAI...

Promise: an answer is whole and was given to the whole question, or there is none. The answer is bound to its JSON schema as tightly as
the server allows; what a server does not take (a form of answer, a seed) is left out once it has said so, and every completion says what
was. The key is known by the name of its environment variable only and appears in no text.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import random
import re
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, field_validator

from agent.errors import DecisionError, PromptTooLong, Unavailable
from agent.llm.abilities import after_thinking
from agent.llm.base import WAYS, Budget, Cancelled, Chunk, DigestFacts, Health, Message, NoNotes, Notes, OnChunk, Request, Stopped
from agent.llm.cases import bound
from agent.llm.ollama import CHARACTERS_LIMIT, CLOSE_COUNT, PROSE, split_thinking
from agent.llm.ollama_server import count, raise_if_unwell, unwell
from agent.llm.ollama_wire import OFTEN, POLL_S, Failure, TookTooLong, is_loopback, plain
from agent.llm.openai_wire import (
    Asked,
    Exchange,
    Key,
    Listed,
    Passage,
    Refusal,
    Serving,
    address,
    ask_models,
    ask_running,
    broken,
    client,
    reported,
    resolve,
    understand,
)
from agent.llm.token_ratio import Ratio
from agent.records import Completion

RUNGS = ("json_schema", "json_schema without bounds", "json_schema not strict", "json_object with schema", "json_object", "none")
WAY_OF = {"json_object": "json", "none": "free"}  # every other rung is the way "schema"
LIMITS = ("max_tokens", "max_completion_tokens")
ENDS = ("stop", "eos", "eos_token", "end_turn")  # how servers say that the model ended by itself
PASSING = ("error", "abort", "insufficient_system_resource")  # ends that are the server's fault (OpenRouter, vLLM, DeepSeek)
BOUNDS = ("minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "pattern")
ABILITIES = "abilities"  # kind of the notes about how a model is asked
TRIAL_TOKENS = 512  # longest answer to the question that settles the way, thinking included
TRIAL_FORM: dict[str, Any] = {  # every kind of bound that the schemas of a run have, since each is refused somewhere
    "type": "object",
    "properties": {
        "verdict": {"type": "string", "enum": ["rise", "fall"]},
        "strength": {"type": "integer", "minimum": 0, "maximum": 10},
        "sources": {"type": "array", "items": {"type": "string", "enum": ["N1", "N2"]}, "minItems": 1, "maxItems": 2},
        "why": {"type": "string", "minLength": 1, "maxLength": 80},
    },
    "required": ["verdict", "strength", "sources", "why"],
    "additionalProperties": False,
}
TRIAL = (
    Message(role="system", content="You judge news about a company. Answer with one JSON object and nothing else."),
    Message(
        role="user",
        content="[N1] The company sold more than ever before. [N2] A warehouse burnt down.\nWill its share price rise or fall? Keys: verdict "
        "(rise or fall), strength (0 to 10), sources (a list of N1 and N2), why (a few words).",
    ),
)
LOADING_S = 1.0  # between two questions to a server that is loading its model
SHOWN = 200  # models listed in the details of a check


class OpenAICompatibleOptions(BaseModel):
    """Where the model is served, which key opens it and how it is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    model: str = Field(default="", max_length=200, description="Model id as the server lists it; empty takes the only one it serves.")
    base_url: str = Field(
        default="",
        max_length=500,
        description="Address of the server, for example https://openrouter.ai/api/v1; empty takes OPENAI_BASE_URL, else http://127.0.0.1:8000/v1.",
    )
    api_key_env: str = Field(
        default="OPENAI_API_KEY",
        max_length=64,
        description="NAME of the environment variable that holds the key, never the key itself; not set = no key is sent.",
    )
    temperature: float = Field(default=0.0, ge=0, le=2, description="0 always takes the most likely word.")
    top_p: float = Field(default=1.0, gt=0, le=1, description="Sample only from the most likely words that together have this probability.")
    max_tokens: int = Field(default=2048, ge=1, le=131_072, description="Longest answer in tokens, thinking included.")
    window: int = Field(
        default=0, ge=0, le=4_194_304, description="Tokens for question and answer together, where the server does not say; 0 = unknown."
    )
    bind: Literal["form", "rules"] = Field(
        default="form",
        description="form: the answer keeps to its schema; rules: to the rules between its fields too, in coarse steps (for very small models).",
    )
    think: Literal["as served", "off", "on"] = Field(
        default="as served", description="Ask vLLM, SGLang or llama.cpp to switch a model's thinking off or on; thinking costs max_tokens."
    )
    reasoning_effort: Literal["as served", "none", "minimal", "low", "medium", "high"] = Field(
        default="as served", description="How much a reasoning model of OpenAI or OpenRouter thinks."
    )
    price_in: float | None = Field(
        default=None, ge=0, le=10_000, description="US dollars per million tokens of the question, for the estimated cost."
    )
    price_out: float | None = Field(
        default=None, ge=0, le=10_000, description="US dollars per million tokens of the answer, for the estimated cost."
    )
    trust_count: bool = Field(
        default=True,
        description="Refuse an answer when the server counts far fewer tokens than were sent (it cut the question); off for a server that miscounts.",
    )
    connect_timeout_s: float = Field(default=10.0, gt=0, le=120, description="Seconds until a connection must stand.")
    read_timeout_s: float = Field(default=120.0, gt=0, le=3600, description="Longest silence in seconds once the answer has begun.")
    first_token_timeout_s: float = Field(
        default=300.0, gt=0, le=7200, description="Seconds until the first word: queue, loading and reading the prompt."
    )
    total_timeout_s: float = Field(default=900.0, gt=0, le=14_400, description="Seconds for one answer with all its retries.")
    retries: int = Field(default=3, ge=0, le=10, description="How often to ask again after a broken connection or a busy server.")

    @field_validator("model", mode="before")
    @classmethod
    def _trimmed(cls, value: Any) -> Any:
        return value.strip() if isinstance(value, str) else value

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        return address(value) if value.strip() else ""

    @field_validator("api_key_env", mode="before")
    @classmethod
    def _a_name(cls, value: Any) -> Any:
        """Capital letters only, so that a pasted key is refused instead of being stored with the run."""
        if isinstance(value, str) and not re.fullmatch(r"([A-Z_][A-Z0-9_]{0,63})?", value.strip()):
            raise ValueError("write the NAME of an environment variable in capital letters, such as OPENAI_API_KEY, never the key itself")
        return value.strip() if isinstance(value, str) else value


# ------------------------------------------------------------------------------------------------------------- how to ask


@dataclass(frozen=True)
class _Way:
    """How this server is asked, as far as its refusals have taught. ``refused``: what it does not take -> its words."""

    rung: int = 0
    limit: str = "max_tokens"
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def structured(self) -> str:
        return RUNGS[self.rung]

    @property
    def without(self) -> set[str]:
        return {name for name, _ in self.refused}

    @property
    def name(self) -> str:
        """One of WAYS."""
        return WAY_OF.get(self.structured, "schema")

    def noted(self) -> dict[str, Any]:
        """For the notes and the run's provenance."""
        return {"structured": self.structured, "limit": self.limit, "refused": dict(self.refused)}

    @classmethod
    def read(cls, noted: Any) -> _Way | None:
        """What ``noted`` wrote; None where it is not that."""
        if not isinstance(noted, Mapping) or noted.get("structured") not in RUNGS or noted.get("limit") not in LIMITS:
            return None
        refused = noted.get("refused")
        pairs = tuple((str(name), str(words)) for name, words in refused.items()) if isinstance(refused, Mapping) else ()
        return cls(RUNGS.index(noted["structured"]), noted["limit"], pairs)

    def after(self, drop: str, words: str) -> _Way:
        """The way that leaves out what was just refused."""
        if drop == "response_format":
            return replace(self, rung=self.rung + 1, refused=(*self.refused, (self.structured, words)))
        limit = LIMITS[1] if drop == "max_tokens" else self.limit
        return replace(self, limit=limit, refused=(*self.refused, (drop, words)))


def response_format(rung: str, name: str, schema: dict[str, Any]) -> dict[str, Any] | None:
    """What is sent to bind the answer on this rung of the ladder; None: nothing."""
    if rung == "none":
        return None
    if rung == "json_object":
        return {"type": "json_object"}
    if rung == "json_object with schema":  # llama_cpp.server, Together, Fireworks
        return {"type": "json_object", "schema": schema}
    asked = without_bounds(schema) if rung == "json_schema without bounds" else schema
    return {"type": "json_schema", "json_schema": {"name": name, "strict": rung != "json_schema not strict", "schema": asked}}


def without_bounds(schema: Any) -> Any:
    """The schema without lengths and limits, which strict modes refuse (OpenAI) and which make a grammar too large (llama.cpp)."""
    if isinstance(schema, list):
        return [without_bounds(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key not in BOUNDS}
    # The keys of ``properties`` are names of ours, not keywords.
    return {
        key: {name: without_bounds(inner) for name, inner in value.items()} if key == "properties" else without_bounds(value)
        for key, value in kept.items()
    }


# ------------------------------------------------------------------------------------------------------------- the answer


class _Answer:
    """What has arrived so far."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._passages = {"text": Passage(key), "thinking": Passage(key)}
        self._parts: dict[str, list[str]] = {"text": [], "thinking": []}
        self.size = 0
        self.finish = self.refusal = ""
        self.usage: dict[str, Any] = {}
        self.about: dict[str, str] = {}
        self.closed = False

    @property
    def text(self) -> str:
        return "".join(self._parts["text"])

    @property
    def thinking(self) -> str:
        return "".join(self._parts["thinking"])

    @property
    def refused(self) -> str:
        """Why the model will not answer, in its own words."""
        return self._key.plain(self.refusal)

    def add(self, part: dict[str, Any], asked: Asked) -> Chunk:
        """One event, or the whole answer of a server that does not stream. Raises Refusal."""
        part = part.get("whole", part)
        if not isinstance(part, dict):
            raise broken("it is not an object")
        if part.get("error") or part.get("object") == "error":
            raise reported(part, asked, began=self.size > 0)
        self.closed = self.closed or part.get("done") is True
        if isinstance(part.get("usage"), dict):
            self.usage = part["usage"]
        for name, key in (("answered_by", "model"), ("system_fingerprint", "system_fingerprint"), ("provider", "provider")):
            if isinstance(part.get(key), str) and part[key]:
                self.about[name] = self._key.plain(part[key], 200)
        return self._choice(part.get("choices"), asked)

    def _choice(self, choices: Any, asked: Asked) -> Chunk:
        choice = (
            next((item for item in choices if isinstance(item, dict) and not item.get("index")), {}) if isinstance(choices, list) else {}
        )
        if choice.get("error"):
            raise reported({"error": choice["error"]}, asked, began=self.size > 0)
        said = choice.get("delta") or choice.get("message")
        said = said if isinstance(said, dict) else {}
        text, inner = _content(said.get("content"))
        thinking = said.get("reasoning_content") or said.get("reasoning")
        self.refusal += words_of(said.get("refusal"))
        self.finish = self._key.plain(choice.get("finish_reason") or "", 60) or self.finish
        return self._chunk(text, inner + words_of(thinking), last=False)

    def end(self) -> Chunk:
        """What was held back."""
        return self._chunk("", "", last=True)

    def _chunk(self, text: str, thinking: str, *, last: bool) -> Chunk:
        chunk = Chunk(
            text=self._passages["text"].pass_on(text, last=last), thinking=self._passages["thinking"].pass_on(thinking, last=last)
        )
        self._parts["text"].append(chunk.text)
        self._parts["thinking"].append(chunk.thinking)
        self.size += len(chunk.text) + len(chunk.thinking)
        return chunk


def words_of(value: Any) -> str:
    """A string as it is; anything else is no text."""
    return value if isinstance(value, str) else ""


def _content(content: Any) -> tuple[str, str]:
    """(text, thinking) of a content, which some servers (Mistral) send as typed parts."""
    if not isinstance(content, list):
        return words_of(content), ""
    text, thinking = "", ""
    for part in content:
        if isinstance(part, dict) and part.get("type") == "thinking":
            thinking += _content(part.get("thinking"))[0]
        elif isinstance(part, dict):
            text += words_of(part.get("text"))
    return text, thinking


class _OnlyThought(Refusal):
    """A whole answer of nothing but thoughts: it can be asked for once more, with them in sight."""

    def __init__(self, error: DecisionError, thoughts: str, prompt_tokens: int | None, answer_tokens: int | None) -> None:
        super().__init__(error)
        self.thoughts, self.prompt_tokens, self.answer_tokens = thoughts, prompt_tokens, answer_tokens


def _thought_over(request: Request, thoughts: str) -> Request:
    """The second question of ``think, then schema``."""
    longer = request.estimated_tokens + int(len(thoughts) / PROSE) if request.estimated_tokens else 0
    return request.model_copy(update={"messages": after_thinking(request.messages, thoughts), "estimated_tokens": longer})


# ----------------------------------------------------------------------------------------------------------- the backend


class OpenAICompatibleBackend:
    """Any chat model behind a server that speaks OpenAI's chat completions."""

    Options = OpenAICompatibleOptions
    label = "OpenAI-compatible server"

    def __init__(self, options: OpenAICompatibleOptions | None = None, *, notes: Notes | None = None, backoff_s: float = 1.0) -> None:
        self.options = options or OpenAICompatibleOptions()
        self.model = self.options.model
        self._notes = notes or NoNotes()
        self._backoff_s = backoff_s
        self._way = _Way()
        self._known_as = ""  # under which the way is noted, once the server is known
        self._ratio: Ratio | None = None
        self._lock = threading.Lock()

    # ---- readiness

    def check(self) -> Health:
        """Cheap: the list of models, no generation. Never raises."""
        try:
            url = resolve(self.options.base_url)
            key = Key(self.options.api_key_env)
            serving = ask_models(url, key, connect_s=self.options.connect_timeout_s)
        except Unavailable as error:
            return unwell(Failure(error), self.options.base_url)
        except Failure as failure:
            return unwell(failure, resolve(self.options.base_url))
        return self._judged(url, key, serving)

    def warm_up(self, *, longest: int = 0, before: Mapping[str, Any] | None = None, cancelled: Cancelled | None = None) -> dict[str, Any]:
        """What is known about the model and its server, how it will be asked and how long a question may be.

        A model that was never asked on this server is asked one small question, so that the way is settled before the first day.
        """
        raise_if_unwell(self.check())
        url, key = resolve(self.options.base_url), Key(self.options.api_key_env)
        try:
            serving = ask_models(url, key, connect_s=self.options.connect_timeout_s, cancelled=cancelled)
        except Failure as failure:
            raise failure.error from None
        self.model = self.model or self._only(url, serving)
        found = serving.find(self.model) or Listed(id=self.model)
        running = ask_running(url, key, serving.server, found, connect_s=self.options.connect_timeout_s)
        version = " ".join(part for part in (serving.server, running.version) if part)
        self._known_as = f"{url} {self.model} {version}"
        kept = before or {}
        noted = [_Way.read(kept.get("asked")), _Way.read(self._notes.read(ABILITIES, self._known_as))]
        if known := [way for way in (*noted, self._way) if way and (way.refused or way in noted)]:
            with self._lock:
                self._way = max(known, key=lambda way: (way.rung, len(way.refused)))
        else:
            self._try_out(cancelled)
        return {
            "backend": "openai_compatible",
            "model": self.model,
            "base_url": url,
            "server": serving.server,
            "server_version": running.version,
            "owned_by": found.owned_by,
            "context_length": found.context_length,
            "models_listed": None if serving.models is None else len(serving.models),
            "max_tokens": self.options.max_tokens,
            "way": self._way.name,
            "asked": self._way.noted(),
            **self._budget(running.window or found.context_length, kept.get("budget")),
        }

    def _try_out(self, cancelled: Cancelled | None) -> None:
        """Descend to what the server takes with a question that costs next to nothing; its answer does not matter. Raises Unavailable."""
        small = self.options.model_copy(update={"model": self.model, "max_tokens": min(TRIAL_TOKENS, self.options.max_tokens)})
        trial = OpenAICompatibleBackend(small, backoff_s=self._backoff_s)
        facts = DigestFacts(ticker="", kind="trial", published=date(2000, 1, 1), text="")
        with contextlib.suppress(DecisionError):  # no form of answer makes a model finish
            trial.complete(Request(purpose="digest", messages=TRIAL, answer_schema=TRIAL_FORM, facts=facts), cancelled=cancelled)
        with self._lock:
            self._way = trial._way
            self._notes.write(ABILITIES, self._known_as, self._way.noted())

    def _budget(self, listed: int | None, kept: Any) -> dict[str, Any]:
        """The room of a question, that of an interrupted run if there is one; nothing where no window is known."""
        if kept:
            return {"budget": dict(kept)}
        windows = [window for window in (listed, self.options.window) if window]
        if not windows or min(windows) <= self.options.max_tokens:
            return {}
        ratio = self._learnt(resolve(self.options.base_url))
        budget = Budget(
            window=min(windows),
            answer=self.options.max_tokens,
            characters_per_token=ratio.characters_per_token,
            measured=ratio.measured,
        )
        return {"budget": budget.model_dump(mode="json")}

    def _learnt(self, url: str) -> Ratio:
        """What is known of this model's tokens."""
        if self._ratio is None:
            self._ratio = Ratio.read(self._notes, f"{url} {self.model}")
        return self._ratio

    def _judged(self, url: str, key: Key, serving: Serving) -> Health:
        details: dict[str, Any] = {"base_url": url, "server": serving.server}
        cures = _about_the_key(url, key)
        if serving.models is None:
            if not self.model:
                return _ill(f"{url} answers, but does not list its models.", "Set model to the id of the one it serves.", details)
            return Health(ok=True, message=f"{url} is reachable, its list of models unknown.", cure=cures, details=details)
        details["models"] = [listed.model_dump(mode="json") for listed in serving.models[:SHOWN]]
        if not self.model and len(serving.models) != 1:
            return _ill(f"{url} serves {_names(serving)}.", "Set model to one of them.", details)
        found = serving.find(self.model) if self.model else serving.models[0]
        if found is None:
            near = nearest(self.model, serving)
            cure = f"Set model to {near!r}." if near else "Set model to one that it lists."
            return _ill(f"{url} has no model {self.model!r}; it serves {_names(serving)}.", cure, details)
        window = f", window {found.context_length} tokens" if found.context_length else ""
        if found.context_length and self.options.max_tokens >= found.context_length:
            cure = f"Set max_tokens well below {found.context_length}."
            return _ill(f"max_tokens {self.options.max_tokens} leaves no room for the question{window}.", cure, details)
        owner = f" by {found.owned_by}" if found.owned_by else ""
        return Health(ok=True, message=f"{url} serves {plain(found.id, 100)}{owner}{window}.", cure=cures, details=details)

    def _only(self, url: str, serving: Serving) -> str:
        """The one model of a server that serves one."""
        if serving.models is not None and len(serving.models) == 1:
            return serving.models[0].id
        raise Unavailable(f"{url} serves {_names(serving)}.", cure="Set model to one of them.")

    # ---- asking

    def complete(self, request: Request, *, on_chunk: OnChunk | None = None, cancelled: Cancelled | None = None) -> Completion:
        """See ``Backend.complete``. A failed try leaves nothing behind: ``on_chunk`` hears ``fresh`` before the next begins."""
        began = time.monotonic()
        deadline, tries, whole = began + self.options.total_timeout_s, 0, False
        thought: _OnlyThought | None = None
        url, key = resolve(self.options.base_url), Key(self.options.api_key_env)
        while True:
            way, wait = self._way, 0.0
            try:
                self._settle_model(url, key, cancelled)
                done = self._once(request, way, Asked(url, key, self.model), deadline, on_chunk, cancelled, whole=whole)
                return done if thought is None else self._in_two_steps(thought, done)
            except Failure as failure:
                self._learn_refused(failure, url, request)
                if isinstance(failure, _OnlyThought) and thought is None:
                    thought, request = failure, _thought_over(request, failure.thoughts)
                elif failure.whole and not whole:
                    whole = True
                elif not self._adapt(way, failure):
                    loading = getattr(failure, "loading", False) and time.monotonic() < began + self.options.first_token_timeout_s
                    tries += 0 if loading else 1
                    wait = LOADING_S * min(1.0, self._backoff_s) if loading else self._wait(failure, request.seed, tries)
                    if tries > min(self.options.retries, failure.retries) or time.monotonic() + wait >= deadline:
                        raise self._final(failure, url, key) from None
            if on_chunk is not None:
                on_chunk(Chunk(fresh=True, thinking=thought.thoughts if thought else ""))
            _pause(wait, cancelled)

    def _in_two_steps(self, thought: _OnlyThought, done: Completion) -> Completion:
        """The answer to a question that took two: one at which the model only thought, one with its thoughts in sight."""
        written = [count for count in (thought.answer_tokens, done.answer_tokens) if count]
        read = [count for count in (thought.prompt_tokens, done.prompt_tokens) if count]
        options = {**done.options, **self._cost(sum(read) if len(read) == 2 else None, sum(written) if len(written) == 2 else None)}
        return done.model_copy(
            update={
                "way": WAYS[1] if done.way in (WAYS[0], "schema") else done.way,
                "thinking": "\n".join(part for part in (thought.thoughts, done.thinking) if part),
                "prompt_tokens": thought.prompt_tokens,
                "answer_tokens": sum(written) or None,
                "options": options,
            }
        )

    def _settle_model(self, url: str, key: Key, cancelled: Cancelled | None) -> None:
        if not self.model:
            self.model = self._only(url, ask_models(url, key, connect_s=self.options.connect_timeout_s, cancelled=cancelled))

    def _adapt(self, way: _Way, failure: Failure) -> bool:
        """Learn from a refusal how this server wants to be asked; False if there is nothing to learn."""
        drop = failure.drop if isinstance(failure, Refusal) else ""
        if drop:
            self._descend(way, drop, str(failure.error)[:300])
        return bool(drop)

    def _descend(self, way: _Way, drop: str, words: str) -> None:
        """From here on ask without ``drop``, and note it for the next run."""
        with self._lock:
            if self._way == way:  # else another thread has learnt meanwhile
                self._way = way.after(drop, words)
            if self._known_as:
                self._notes.write(ABILITIES, self._known_as, self._way.noted())

    def _wait(self, failure: Failure, seed: int, tries: int) -> float:
        """Seconds before the next try: longer each time, a little different for each seed, never less than the server asks for."""
        own = self._backoff_s * 2 ** (tries - 1) * random.Random(f"{seed}/{tries}").uniform(0.75, 1.25)
        return max(own, getattr(failure, "wait_s", None) or 0.0)

    def _final(self, failure: Failure, url: str, key: Key) -> Exception:
        """The error for people; a missing model is told together with those there are."""
        if failure.status != 404:
            return failure.error
        try:
            serving = ask_models(url, key, connect_s=self.options.connect_timeout_s)
        except Failure:
            return failure.error
        health = self._judged(url, key, serving)
        return failure.error if health.ok else Unavailable(health.message, cure=health.cure)

    def _once(
        self,
        request: Request,
        way: _Way,
        asked: Asked,
        deadline: float,
        on_chunk: OnChunk | None,
        cancelled: Cancelled | None,
        *,
        whole: bool = False,
    ) -> Completion:
        body = self._body(request, way)
        if whole:
            body = {name: value for name, value in body.items() if name not in ("stream", "stream_options")}
        asked = replace(asked, sent=frozenset(body))
        answer, server = self._consume(body, asked, deadline, on_chunk, cancelled)
        text, leaked = split_thinking(answer.text)
        thinking = "\n".join(part for part in (answer.thinking, leaked) if part)
        self._accept(answer, text, thinking, request)
        if leaked and on_chunk is not None:  # it was heard as a part of the answer
            on_chunk(Chunk(fresh=True))
            on_chunk(Chunk(text=text, thinking=thinking))
        tokens = {"prompt_tokens": _counted(answer.usage, "prompt_tokens"), "answer_tokens": _counted(answer.usage, "completion_tokens")}
        kept_to = WAYS[0] if thinking and way.name == "schema" else way.name
        if way.structured == "json_object with schema" and not fits(text, request.answer_schema):
            kept_to = "json"  # the server took the schema and paid no heed to it
            self._descend(way, "response_format", "the answer did not keep to the schema")
        self._learn_tokens(asked.url, request, tokens["prompt_tokens"])
        return Completion(
            text=text,
            thinking=thinking,
            backend="openai_compatible",
            model=self.model,
            way=kept_to,
            server_version=server,
            done_reason="stop" if answer.finish in ENDS else answer.finish,
            options=self._recorded(body, way, answer, **tokens),
            **tokens,
        )

    def _schema(self, request: Request, way: _Way) -> dict[str, Any]:
        """What the answer is bound to; a server that does not even take bounds takes no alternatives."""
        plainly = self.options.bind == "form" or way.structured == "json_schema without bounds"
        return request.answer_schema if plainly else bound(request)

    def _learn_tokens(self, url: str, request: Request, counted: int | None) -> None:
        """Keep what the server counted, for the budget of the next run."""
        ratio = self._learnt(url)
        if counted and ratio.learn(sum(len(message.content) for message in request.messages), counted):
            ratio.keep(self._notes, f"{url} {self.model}")

    def _learn_refused(self, failure: Failure, url: str, request: Request) -> None:
        """Servers that count nothing while they stream still count a question that they refuse."""
        if isinstance(failure.error, PromptTooLong) and not failure.error.cut:
            self._learn_tokens(url, request, failure.error.counted)

    def _body(self, request: Request, way: _Way) -> dict[str, Any]:
        """What is sent, less what this server has refused."""
        options = self.options
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            "seed": request.seed,
            "temperature": options.temperature,
            "top_p": options.top_p,
            way.limit: options.max_tokens,
            "response_format": response_format(way.structured, request.purpose, self._schema(request, way)),
        }
        if options.think != "as served":
            body["chat_template_kwargs"] = {"enable_thinking": options.think == "on"}
        if options.reasoning_effort != "as served":
            body["reasoning_effort"] = options.reasoning_effort
        without = way.without | ({"stream_options"} if "stream" in way.without else set())
        return {name: value for name, value in body.items() if value is not None and name not in without}

    def _recorded(
        self, body: dict[str, Any], way: _Way, answer: _Answer, *, prompt_tokens: int | None, answer_tokens: int | None
    ) -> dict[str, Any]:
        """Every option of the call, the rung of the ladder, what was refused, who answered and what it cost."""
        sent = {name: value for name, value in body.items() if name not in ("model", "messages", "response_format", "stream_options")}
        found: dict[str, Any] = {**sent, "stream": body.get("stream", False), "structured": way.structured, **answer.about}
        if self.options.bind != "form":
            found["bind"] = self.options.bind
        if way.refused:
            found["refused"] = dict(way.refused)
        if found.get("answered_by") == self.model:
            del found["answered_by"]
        return {**found, **self._cost(prompt_tokens, answer_tokens)}

    def _cost(self, prompt_tokens: int | None, answer_tokens: int | None) -> dict[str, Any]:
        """In US dollars, where the prices and both counts are known."""
        prices = (self.options.price_in, self.options.price_out)
        if prompt_tokens is None or answer_tokens is None or None in prices:
            return {}
        cost = round((prompt_tokens * (prices[0] or 0) + answer_tokens * (prices[1] or 0)) / 1e6, 9)
        return {"cost_usd": cost, "cost_is": "an estimate from the given prices, without broken tries"}

    def _consume(
        self, body: dict[str, Any], asked: Asked, deadline: float, on_chunk: OnChunk | None, cancelled: Cancelled | None
    ) -> tuple[_Answer, str]:
        """One whole answer and what its server calls itself. Raises Refusal, or Stopped."""
        answer, options = _Answer(asked.key), self.options
        silence = max(options.first_token_timeout_s, options.read_timeout_s) + 10
        exchange = Exchange(
            lambda: client(asked.url, asked.key, connect_s=options.connect_timeout_s, silence_s=silence), "POST", "/chat/completions", body
        )
        try:
            with contextlib.closing(self._parts(exchange, asked, deadline, cancelled)) as parts:
                for part in parts:
                    _hear(answer.add(part, asked), on_chunk)
                    if answer.size > CHARACTERS_LIMIT:
                        raise Refusal(DecisionError(f"The answer ran away: more than {CHARACTERS_LIMIT} characters."))
        except Refusal as refusal:
            if not answer.finish or answer.finish in PASSING or refusal.retries == 0:
                raise  # otherwise the answer was whole: only its count of tokens or its mark of end got lost
        _hear(answer.end(), on_chunk)
        if not answer.finish and not answer.closed:
            wordless = broken("it ended without saying that it was done")
            # llama_cpp.server ends a stream without a word where it answers 400 with the reason to one who does not stream.
            wordless.whole = bool(body.get("stream")) and not answer.size
            raise wordless
        return answer, asked.key.plain(exchange.server, 60)

    def _parts(
        self, exchange: Exchange, asked: Asked, deadline: float, cancelled: Cancelled | None
    ) -> Generator[dict[str, Any], None, None]:
        """The parts of one answer; every way in which the wire can fail becomes a Refusal."""
        options, began = self.options, False
        limits = {"first_s": options.first_token_timeout_s, "next_s": options.read_timeout_s}
        try:
            with contextlib.closing(exchange.parts(**limits, deadline=deadline, cancelled=cancelled)) as parts:
                for part in parts:
                    began = True
                    yield part
        except TookTooLong as late:
            raise self._late(late, asked.url) from None
        except (Stopped, Failure):
            raise
        except Exception as error:
            refusal = understand(error, asked, began=began)
            if refusal is None:
                raise
            refusal.whole = exchange.streaming and not began and "stream" in asked.sent and isinstance(error, httpx.TransportError)
            raise refusal from None  # what it came from holds the request, and with it the key

    def _late(self, late: TookTooLong, url: str) -> Refusal:
        options = self.options
        if late.limit == "next":
            silent = f"{url} fell silent for {options.read_timeout_s:g} s in the middle of an answer."
            return Refusal(Unavailable(silent, cure="Look at the server's log, or raise read_timeout_s."), retries=OFTEN)
        if late.limit == "total" and late.began:
            return Refusal(
                DecisionError(
                    f"The answer was not finished after {options.total_timeout_s:g} s (total_timeout_s); the partial answer is not used."
                )
            )
        waited = options.total_timeout_s if late.limit == "total" else options.first_token_timeout_s
        cure = "Is it loading or busy with others? Raise first_token_timeout_s and total_timeout_s, or choose a smaller model."
        return Refusal(Unavailable(f"{url} gave no first word within {waited:g} s.", cure=cure))

    def _accept(self, answer: _Answer, text: str, thinking: str, request: Request) -> None:
        """Only a finished, non-empty answer to the whole question passes. Raises Refusal."""
        if answer.finish in PASSING:
            raise broken(f"the server ended it ({answer.finish})")
        if answer.finish in ("length", "max_tokens"):
            spent = " Thinking uses the same budget: lower it, or" if thinking else " To cure it"
            raise Refusal(
                DecisionError(
                    f"The answer was cut off at its greatest length (max_tokens {self.options.max_tokens}).{spent} raise max_tokens, and the "
                    "model's window on the server if question and answer fill it."
                )
            )
        if answer.finish == "content_filter":
            raise Refusal(DecisionError("The server's content filter stopped the answer (content_filter)."))
        if answer.finish not in ENDS:
            raise Refusal(DecisionError(f"The answer did not end by itself (finish_reason {answer.finish or 'absent'!r})."))
        sparsest = self._ratio.sparsest if self._ratio is not None else None
        if self.options.trust_count and (cut := lost(counted := _counted(answer.usage, "prompt_tokens"), request, sparsest=sparsest)):
            raise Refusal(PromptTooLong(cut, counted=counted, cut=True))
        if not text.strip():
            why = "the model only thought and gave no answer" if thinking else "the model said nothing"
            refused = f"the model refused: {answer.refused}" if answer.refusal else why
            empty = DecisionError(f"The answer is empty: {refused}.")
            if thinking.strip() and not answer.refusal:
                counts = _counted(answer.usage, "prompt_tokens"), _counted(answer.usage, "completion_tokens")
                raise _OnlyThought(empty, thinking, *counts)
            raise Refusal(empty)


def fits(text: str, schema: dict[str, Any]) -> bool:
    """Whether an answer has the keys that its schema asks for."""
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and set(schema.get("required", ())) <= set(found)


def lost(counted: int | None, request: Request, *, sparsest: float | None = None) -> str:
    """Why the number of tokens the server read shows that the question was cut; empty if nothing speaks for it.

    ``sparsest``: the most characters that a token of this model was seen to hold, where that is known.
    """
    characters = sum(len(message.content) for message in request.messages)
    expected = min(request.estimated_tokens, characters / min(sparsest or PROSE, PROSE))
    if not counted or counted >= CLOSE_COUNT * expected:
        return ""
    return (
        f"The server read only {counted} tokens of about {request.estimated_tokens}: the question was cut. Serve the model with a longer "
        "window or recall fewer memories; if this server merely miscounts, switch trust_count off."
    )


def nearest(model: str, serving: Serving) -> str:
    """The listed model whose name is most like ``model``; empty if none is."""
    names = {listed.id.casefold(): listed.id for listed in serving.models or ()}
    wanted = model.casefold()
    inside = [name for name in names if wanted in name or wanted.rsplit("/", 1)[-1] in name]
    close = sorted(inside, key=len)[:1] or difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    return names[close[0]] if close else ""


def _names(serving: Serving) -> str:
    names = [plain(listed.id, 60) for listed in serving.models or ()]
    if not names:
        return "no model" if serving.models is not None else "models it does not list"
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _ill(message: str, cure: str, details: dict[str, Any]) -> Health:
    return Health(ok=False, message=message, cure=cure, details=details)


def _about_the_key(url: str, key: Key) -> str:
    """What a person should know before a key is sent, or is not."""
    if key and url.startswith("http:") and not is_loopback(url):
        return f"The key in {key.variable} travels unencrypted to {url}: use https, or leave api_key_env empty."
    if not key and key.variable and not is_loopback(url):
        return f"{key.variable} is not set: no key is sent. Set it if the server wants one."
    return ""


def _counted(usage: dict[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return None if isinstance(value, bool) else count(value)


def _hear(chunk: Chunk, on_chunk: OnChunk | None) -> None:
    if on_chunk is not None and (chunk.text or chunk.thinking):
        on_chunk(chunk)


def _pause(wait_s: float, cancelled: Cancelled | None) -> None:
    until = time.monotonic() + wait_s
    while (left := until - time.monotonic()) > 0:
        if cancelled is not None and cancelled():
            raise Stopped("stopped while waiting to ask again")
        time.sleep(min(POLL_S, left))
