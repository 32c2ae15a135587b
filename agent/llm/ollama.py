"""The backend that thinks with a model served by Ollama, over HTTP with the official client.

Promise: an answer is whole and was given to the whole question, or there is none. The window, the seed and every sampling option are
always sent; the server is told to refuse a prompt that does not fit instead of cutting it, and the count of tokens it read is checked
afterwards. Answers are streamed, so that a wish to stop ends the generation on the server too.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agent.errors import DecisionError, RecollectError, Unavailable
from agent.llm.base import Cancelled, Chunk, Health, NoNotes, Notes, OnChunk, Request, Stopped
from agent.llm.ollama_server import Installed, OllamaServer, count, missing, model_health, raise_if_unwell, unwell
from agent.llm.ollama_wire import (
    DEFAULT_ADDRESS,
    OFTEN,
    POLL_S,
    Failure,
    TookTooLong,
    address,
    broken,
    is_loopback,
    of_the_wire,
    plain,
    storable,
    understand,
)
from agent.records import Completion

CHARACTERS_LIMIT = 2_000_000  # a runaway answer; num_predict bounds tokens, this bounds memory
CLOSE_COUNT = 0.6  # the server must have read at least this share of the estimated tokens
PROSE = 4.0  # characters per token of plain English, the longest tokens there are: no prompt has fewer tokens than this suggests
KEPT = 4  # num_keep: tokens the server keeps of the front when it cuts
AGREEING = (0.8, 1.6)  # counted / estimated of a prompt that was read whole and is half a window long by chance; a cut one has less
_UNCOUNTED = "0.30.0"  # this version left cached tokens out of prompt_eval_count
_DURATION = r"-?\d+|-?(\d+(\.\d+)?(ns|us|ms|s|m|h))+"
_importing = threading.Lock()


class OllamaOptions(BaseModel):
    """Where the model is served and how it is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model: str = Field(
        default="qwen3:8b", min_length=1, max_length=200, description="Model name as `ollama list` shows it, for example qwen3:8b."
    )
    base_url: str = Field(
        default="",
        max_length=500,
        description="Address of the server; empty takes OLLAMA_HOST or OLLAMA_BASE_URL, else http://127.0.0.1:11434.",
    )
    temperature: float = Field(default=0.0, ge=0, le=2, description="0 always takes the most likely word.")
    top_p: float = Field(default=0.9, gt=0, le=1, description="Sample only from the most likely words that together have this probability.")
    top_k: int = Field(default=40, ge=0, le=1000, description="Sample only from this many most likely words; 0 = all.")
    repeat_penalty: float = Field(default=1.0, ge=0.5, le=2, description="Above 1 makes repeated words less likely.")
    num_ctx: int = Field(
        default=8192, ge=16, le=1_048_576, description="Window in tokens for question and answer together; a change reloads the model."
    )
    num_predict: int = Field(default=1024, ge=1, le=131_072, description="Longest answer in tokens, thinking included.")
    think: Literal["off", "on", "low", "medium", "high"] = Field(
        default="off", description="Let a thinking model think before it answers; costs num_predict."
    )
    keep_alive: str = Field(
        default="10m",
        pattern=f"^({_DURATION})$",
        description="How long the model stays loaded after an answer: 10m, 1h, or seconds; -1 = for ever.",
    )
    connect_timeout_s: float = Field(default=5.0, gt=0, le=120, description="Seconds until a connection must stand.")
    read_timeout_s: float = Field(default=120.0, gt=0, le=3600, description="Longest silence in seconds once the answer has begun.")
    first_token_timeout_s: float = Field(
        default=600.0, gt=0, le=7200, description="Seconds until the first word: queue, loading and reading the prompt."
    )
    total_timeout_s: float = Field(default=900.0, gt=0, le=14_400, description="Seconds for one answer with all its retries.")
    retries: int = Field(default=2, ge=0, le=10, description="How often to ask again after a broken connection or a busy server.")

    @field_validator("model", mode="before")
    @classmethod
    def _trimmed(cls, value: Any) -> Any:
        return value.strip() if isinstance(value, str) else value

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        return address(value) if value.strip() else ""


# ------------------------------------------------------------------------------------------------------------- the client


def resolve(base_url: str = "") -> str:
    """The server's address: the option, else OLLAMA_HOST, else OLLAMA_BASE_URL, else this machine. Raises Unavailable."""
    if base_url.strip():
        return address(base_url)
    for name in ("OLLAMA_HOST", "OLLAMA_BASE_URL"):
        if value := os.environ.get(name, "").strip():
            try:
                return address(value)
            except ValueError as error:
                raise Unavailable(f"{name} cannot be used: {error}.", cure=f"Correct or unset {name}.") from None
    return DEFAULT_ADDRESS


def serve(base_url: str = "", *, connect_timeout_s: float = 5.0, silence_s: float = 600.0) -> OllamaServer:
    """The server at ``base_url`` (see ``resolve``). ``silence_s``: the socket's own limit, behind the callers' finer ones."""
    url = resolve(base_url)
    return OllamaServer(url, lambda: _client(url, connect_timeout_s, silence_s))


def _client(url: str, connect_timeout_s: float, silence_s: float) -> Any:
    """A client of its own for one exchange, so that an abandoned connection is never used again."""
    import httpx

    local = is_loopback(url)
    client = _library().Client(
        host=url,
        timeout=httpx.Timeout(connect=connect_timeout_s, read=silence_s, write=30.0, pool=5.0),
        trust_env=not local,  # HTTP_PROXY would be asked for 127.0.0.1 too
        follow_redirects=False,
        verify=url.startswith("https:"),  # plain http has no certificate, and reading the CA file costs 20 ms
    )
    if local or not url.startswith("https:"):
        client._client.headers.pop("authorization", None)  # the library sends OLLAMA_API_KEY to any host
    return client


def _library() -> Any:
    """The ``ollama`` package. Importing it builds a client from the environment, and a bad value there would break the import."""
    with _importing:
        if "ollama" not in sys.modules:
            with _without("OLLAMA_HOST", "ALL_PROXY", "all_proxy"):
                import ollama
        import ollama
    return ollama


@contextlib.contextmanager
def _without(*names: str) -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


# ------------------------------------------------------------------------------------------------------------ the answer


@dataclass
class _Answer:
    """What has arrived so far."""

    text: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    size: int = 0
    last: dict[str, Any] = field(default_factory=dict)

    def add(self, part: dict[str, Any]) -> Chunk:
        message = part.get("message")
        message = message if isinstance(message, dict) else {}
        chunk = Chunk(text=storable(message.get("content")), thinking=storable(message.get("thinking")))
        self.text.append(chunk.text)
        self.thinking.append(chunk.thinking)
        self.size += len(chunk.text) + len(chunk.thinking)
        if part.get("done"):
            self.last = part
        return chunk


@dataclass(frozen=True)
class _Way:
    """How one try is made."""

    think: bool | str | None = None  # None: not settled yet
    stream: bool = True


def split_thinking(content: str) -> tuple[str, str]:
    """(answer, thinking) where a model without a known template leaks its ``<think>`` block into the answer."""
    thoughts = []
    rest = content.lstrip()
    while not rest.startswith("{") and "</think>" in rest:
        thought, _, rest = rest.partition("</think>")
        thoughts.append(thought.removeprefix("<think>").strip())
        rest = rest.lstrip()
    if rest.startswith("<think>"):  # never closed: there is no answer in it
        thoughts.append(rest.removeprefix("<think>").strip())
        rest = ""
    return (rest, "\n".join(thoughts)) if thoughts else (content, "")


def lost(counted: int | None, request: Request, num_ctx: int) -> str:
    """Why the number of tokens the server read shows that the prompt was cut; empty if nothing speaks for it."""
    if not counted:
        return ""
    characters = sum(len(message.content) for message in request.messages)
    expected = min(request.estimated_tokens, characters / PROSE) if request.estimated_tokens else 0.0
    half = num_ctx - max((num_ctx - KEPT) // 2, 1)  # what remains of a prompt that is too long (llama_server.go)
    agrees = request.estimated_tokens and AGREEING[0] < counted / request.estimated_tokens < AGREEING[1]
    too_few = expected > 0 and counted < CLOSE_COUNT * expected
    if not too_few and counted != num_ctx and (counted not in (half, half + 1) or agrees):
        return ""
    about = f" of about {request.estimated_tokens}" if request.estimated_tokens else ""
    return (
        f"The server read only {counted} tokens{about} (num_ctx {num_ctx}): the prompt was cut, and what is lost is its beginning, the rules and the "
        "oldest memories. Raise num_ctx, recall fewer memories, or update Ollama."
    )


# ----------------------------------------------------------------------------------------------------------- the backend


class OllamaBackend:
    """Any chat model that Ollama serves."""

    Options = OllamaOptions
    label = "Ollama"

    def __init__(self, options: OllamaOptions | None = None, *, notes: Notes | None = None, backoff_s: float = 0.5) -> None:
        self.options = options or OllamaOptions()
        self.model = self.options.model
        self._notes = notes or NoNotes()
        self._backoff_s = backoff_s
        self._server: OllamaServer | None = None
        self._found: Installed | None = None
        self._version = ""
        self._cannot_think = False

    @property
    def server(self) -> OllamaServer:
        """Raises Unavailable where the environment names no usable address."""
        if self._server is None:
            options = self.options
            longest = max(options.first_token_timeout_s, options.read_timeout_s) + 10
            self._server = serve(options.base_url, connect_timeout_s=options.connect_timeout_s, silence_s=longest)
        return self._server

    # ---- readiness

    def check(self) -> Health:
        """Cheap: four small questions, no loading. Never raises."""
        try:
            server = self.server
        except Unavailable as error:
            return unwell(Failure(error), self.options.base_url)
        return model_health(server, self.model, num_ctx=self.options.num_ctx, think=self.options.think)

    def warm_up(self, *, longest: int = 0, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Load the model with the window of the run; what is known about it then. Raises Unavailable."""
        raise_if_unwell(self.check())
        try:
            self._learn(None)
            body = {**self._settings(0, _Way(self._think()))[0], "messages": [], "stream": True}
            self._consume(body, time.monotonic() + self.options.first_token_timeout_s, None, None)
            window = self.server.window(self.model)
        except Failure as failure:
            raise self._final(failure) from failure
        found = self._found or Installed(name=self.model)
        return {
            "backend": "ollama",
            "model": self.model,
            "base_url": self.server.url,
            "digest": found.digest,
            "quantisation": found.quantisation,
            "parameter_size": found.parameter_size,
            "family": found.family,
            "capabilities": list(found.capabilities or ()),
            "context_length": found.context_length,
            "num_ctx": self.options.num_ctx,
            "effective_num_ctx": window,
            "server_version": self._version,
        }

    # ---- asking

    def complete(self, request: Request, *, on_chunk: OnChunk | None = None, cancelled: Cancelled | None = None) -> Completion:
        """See ``Backend.complete``. A failed try leaves nothing behind: ``on_chunk`` hears ``fresh`` before the next begins."""
        deadline = time.monotonic() + self.options.total_timeout_s
        tries, way = 0, _Way()
        while True:
            try:
                self._learn(cancelled)
                way = way if way.think is not None else replace(way, think=self._think())
                return self._once(request, way, deadline, on_chunk, cancelled)
            except Failure as failure:
                if time.monotonic() >= deadline:
                    raise self._final(failure) from failure
                way = self._next_way(way, failure, tries)
                tries += 0 if failure.no_thinking else 1
            if on_chunk is not None:
                on_chunk(Chunk(fresh=True))
            self._pause(request.seed, tries, deadline, cancelled)

    def _next_way(self, way: _Way, failure: Failure, tries: int) -> _Way:
        """How to try again after ``failure``; raises what people get to read when that makes no sense."""
        if failure.no_thinking and way.think:
            self._cannot_think = self._cannot_think or failure.status is not None
            return replace(way, think=False)
        if tries >= min(self.options.retries, failure.retries):
            raise self._final(failure) from failure
        return replace(way, stream=way.stream and not failure.whole)

    def _final(self, failure: Failure) -> RecollectError:
        """The error for people; a missing model is told together with what is installed."""
        if not failure.no_model:
            return failure.error
        try:
            models = self.server.installed()
        except Failure:
            return failure.error
        return Unavailable(missing(self.model, self.server.url, models), cure=f"Install it with `ollama pull {self.model}`.")

    def _once(self, request: Request, way: _Way, deadline: float, on_chunk: OnChunk | None, cancelled: Cancelled | None) -> Completion:
        head, sent = self._settings(request.seed, way)
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        body = {**head, "messages": messages, "format": request.answer_schema, "stream": way.stream}
        answer = self._consume(body, deadline, on_chunk, cancelled)
        text, leaked = split_thinking("".join(answer.text))
        thinking = "\n".join(part for part in ("".join(answer.thinking), leaked) if part)
        self._accept(answer, text, thinking, request)
        return Completion(
            text=text,
            thinking=thinking,
            backend="ollama",
            model=self.model,
            digest=self._found.digest if self._found else "",
            server_version=self._version,
            done_reason=str(answer.last["done_reason"]),
            options=sent,
            prompt_tokens=count(answer.last.get("prompt_eval_count")),
            answer_tokens=count(answer.last.get("eval_count")),
        )

    def _settings(self, seed: int, way: _Way) -> tuple[dict[str, Any], dict[str, Any]]:
        """The part of the body that does not depend on the question, and the same flat for the record."""
        options = self.options
        sampling = {
            "seed": seed,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "top_k": options.top_k,
            "repeat_penalty": options.repeat_penalty,
            "num_ctx": options.num_ctx,
            "num_predict": options.num_predict,
        }
        keep = int(options.keep_alive) if re.fullmatch(r"-?\d+", options.keep_alive) else options.keep_alive  # "300" as text is refused
        # shift and num_ctx must never vary within a run: a change reloads the model.
        how = {"think": way.think, "keep_alive": keep, "truncate": False, "shift": False}
        return {"model": self.model, "options": sampling, **how}, {**sampling, **how}

    def _consume(self, body: dict[str, Any], deadline: float, on_chunk: OnChunk | None, cancelled: Cancelled | None) -> _Answer:
        """All parts of one answer. Raises Failure, or Stopped."""
        answer = _Answer()
        with contextlib.closing(self._parts(body, deadline, cancelled)) as parts:
            for part in parts:
                chunk = answer.add(part)
                if on_chunk is not None and (chunk.text or chunk.thinking):
                    on_chunk(chunk)
                if answer.size > CHARACTERS_LIMIT:
                    raise Failure(DecisionError(f"The answer ran away: more than {CHARACTERS_LIMIT} characters."))
        if not answer.last:
            raise broken("it ended without saying that it was done")
        return answer

    def _parts(self, body: dict[str, Any], deadline: float, cancelled: Cancelled | None) -> Generator[dict[str, Any], None, None]:
        """The parts of one answer; every way in which the wire can fail becomes a Failure."""
        server, options, began = self.server, self.options, False
        exchange = server.exchange("/api/chat", body, mode="stream" if body["stream"] else "json")
        try:
            with contextlib.closing(
                exchange.parts(first_s=options.first_token_timeout_s, next_s=options.read_timeout_s, deadline=deadline, cancelled=cancelled)
            ) as parts:
                for part in parts:
                    began = True
                    yield part
        except TookTooLong as late:
            raise self._late(late) from None
        except Exception as error:
            if not of_the_wire(error):
                raise
            raise understand(error, url=server.url, model=self.model, began=began) from error

    def _late(self, late: TookTooLong) -> Failure:
        url, options = self.server.url, self.options
        if late.limit == "next":
            return Failure(
                Unavailable(
                    f"Ollama at {url} fell silent for {options.read_timeout_s:g} s in the middle of an answer.",
                    cure="Look at the log of `ollama serve`.",
                ),
                retries=OFTEN,
            )
        if late.limit == "total" and late.began:
            return Failure(
                DecisionError(
                    f"The answer was not finished after {options.total_timeout_s:g} s (total_timeout_s); the partial answer is not used."
                )
            )
        waited = options.total_timeout_s if late.limit == "total" else options.first_token_timeout_s
        cure = "Is it loading or busy with others? Raise first_token_timeout_s and total_timeout_s, or choose a smaller model."
        return Failure(Unavailable(f"Ollama at {url} gave no first word within {waited:g} s.", cure=cure))

    def _accept(self, answer: _Answer, text: str, thinking: str, request: Request) -> None:
        """Only a finished, non-empty answer to the whole question passes."""
        reason, options = str(answer.last.get("done_reason") or ""), self.options
        if reason == "length":
            spent = " Thinking uses the same budget: set think to off, or" if thinking else " To cure it"
            raise Failure(
                DecisionError(
                    f"The answer was cut off after {answer.last.get('eval_count', 'an unknown number of')} tokens (num_predict {options.num_predict}, "
                    f"num_ctx {options.num_ctx}).{spent} raise num_predict, and num_ctx with it if question and answer fill the window."
                )
            )
        if reason != "stop":
            raise Failure(DecisionError(f"The answer did not end by itself (done_reason {plain(reason) or 'absent'!r})."))
        if cut := lost(self._counted(answer), request, options.num_ctx):
            raise Failure(DecisionError(cut))
        if not text.strip():
            why = "the model only thought and gave no answer; set think to off" if thinking else "the model said nothing"
            raise Failure(DecisionError(f"The answer is empty: {why}."), no_thinking=bool(thinking))

    def _counted(self, answer: _Answer) -> int | None:
        """Tokens of the prompt as the server counted them; None where this version's count means something else."""
        return count(answer.last.get("prompt_eval_count")) if not self._version.startswith(_UNCOUNTED) else None

    # ---- what is known about server and model

    def _learn(self, cancelled: Cancelled | None) -> None:
        """Digest, capabilities and version, asked once. Raises Failure."""
        if self._found is None:
            self._version = self.server.version(cancelled=cancelled)
            try:
                self._found = self.server.find(self.model, cancelled=cancelled)
            except Failure as failure:
                if failure.status is None:
                    raise

    def _think(self) -> bool | str:
        """What to send as ``think``: unset would mean true, false is always safe, and gpt-oss knows only levels."""
        wish, found = self.options.think, self._found
        if self._cannot_think:
            return False
        if found is not None and found.family == "gptoss":
            return {"off": "low", "on": "medium"}.get(wish, wish)
        if found is not None and found.capabilities is not None and "thinking" not in found.capabilities:
            return False
        return {"off": False, "on": True}.get(wish, wish)

    def _pause(self, seed: int, tries: int, deadline: float, cancelled: Cancelled | None) -> None:
        """Wait before the next try, longer each time, a little differently for each seed."""
        wait = self._backoff_s * 2 ** (tries - 1) * random.Random(f"{seed}/{tries}").uniform(0.75, 1.25) if tries else 0.0
        until = min(time.monotonic() + wait, deadline)
        while (left := until - time.monotonic()) > 0:
            if cancelled is not None and cancelled():
                raise Stopped("stopped while waiting to ask again")
            time.sleep(min(POLL_S, left))
