"""One free question to a model, outside any run: what does it say, and how fast?

Promise: no schema, no retries, nothing recorded; the answer is streamed as it comes, thinking apart, and giving it up ends the generation on
the server too. An Ollama model that is loaded is asked with the window it has, because another window would reload it under a running run.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from agent.errors import DecisionError, RecollectError, Unavailable
from agent.llm.base import Cancelled, Chunk, Message, OnChunk, Stopped
from agent.llm.ollama import OllamaOptions, serve, split_thinking
from agent.llm.ollama_server import count
from agent.llm.ollama_wire import Failure, TookTooLong, of_the_wire, plain, storable, understand
from agent.llm.openai_compatible import OpenAICompatibleOptions
from agent.llm.openai_wire import Asked, Exchange, Key, Passage, Refusal, client, reported, resolve
from agent.llm.openai_wire import understand as understand_openai
from agent.records import Record

WINDOW = 4096  # tokens, for a model that is not loaded
LONGEST = 200_000  # characters of an answer; a test prompt needs no more
LOADING_S = 600.0


class Said(Record):
    """What a model said to one question. Times in seconds; None where the server does not tell."""

    text: str = ""
    thinking: str = ""
    done: bool = False
    done_reason: str = ""
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    per_second: float | None = None
    seconds: float = 0.0
    first_s: float | None = None
    load_s: float | None = None
    window: int | None = None
    note: str = ""


def chat(
    backend: str,
    options: Mapping[str, Any],
    messages: Sequence[Message],
    *,
    on_chunk: OnChunk | None = None,
    cancelled: Cancelled | None = None,
    think: bool = False,
    longest: int = 1024,
) -> Said:
    """The whole answer. ``longest``: tokens. Raises Unavailable or DecisionError (with the reason), or Stopped."""
    asking = {"ollama": _ollama, "openai_compatible": _openai}.get(backend)
    if asking is None:
        raise Unavailable(f"The backend {backend!r} cannot be asked a free question.", cure="Choose a model of a server.")
    try:
        return asking(options, messages, on_chunk, cancelled, think, longest)
    except Failure as failure:
        raise failure.error from None


class _Heard:
    """What has arrived so far, and when."""

    def __init__(self, on_chunk: OnChunk | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._on_chunk, self._clock, self._began = on_chunk, clock, clock()
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._size = 0
        self._first: float | None = None

    def hear(self, text: str, thinking: str) -> None:
        if not text and not thinking:
            return
        self._first = self._first if self._first is not None else self._clock()
        self._text.append(text)
        self._thinking.append(thinking)
        self._size += len(text) + len(thinking)
        if self._on_chunk is not None:
            self._on_chunk(Chunk(text=text, thinking=thinking))
        if self._size > LONGEST:
            raise DecisionError(f"The answer ran away: more than {LONGEST:,} characters.")

    def said(self, **more: Any) -> Said:
        now = self._clock()
        text, leaked = split_thinking("".join(self._text))
        thinking = "\n".join(part for part in ("".join(self._thinking), leaked) if part)
        first = self._first - self._began if self._first is not None else None
        return Said(text=text, thinking=thinking, seconds=now - self._began, first_s=first, **more)

    def pace(self, tokens: int | None) -> float | None:
        """Tokens per second since the first word, by our own clock."""
        span = self._clock() - self._first if self._first is not None else 0.0
        return tokens / span if tokens and tokens > 1 and span > 0.05 else None


# ------------------------------------------------------------------------------------------------------------------ Ollama


def _ollama(
    given: Mapping[str, Any],
    messages: Sequence[Message],
    on_chunk: OnChunk | None,
    cancelled: Cancelled | None,
    think: bool,
    longest: int,
) -> Said:
    options = OllamaOptions.model_validate(dict(given))
    server = serve(options.base_url, connect_timeout_s=options.connect_timeout_s, silence_s=LOADING_S + 10)
    found = server.find(options.model, cancelled=cancelled)
    able = found is None or found.capabilities is None or "thinking" in found.capabilities
    leveled = found is not None and found.family == "gptoss"
    window = server.window(options.model) or min(WINDOW, (found.context_length if found else None) or WINDOW)
    body: dict[str, Any] = {
        "model": options.model,
        "messages": [message.model_dump() for message in messages],
        "stream": True,
        "think": ("medium" if think else "low") if leveled else think and able,
        "truncate": False,
        "shift": False,
        "keep_alive": "10m",
        "options": {"num_ctx": window, "num_predict": longest, "temperature": options.temperature, "seed": 0},
    }
    heard, last = _Heard(on_chunk), {}
    exchange = server.exchange("/api/chat", body, mode="stream")
    for part in _parts(exchange, cancelled, lambda error, began: _meaning(error, server.url, options.model, began)):
        message = part.get("message")
        message = message if isinstance(message, dict) else {}
        heard.hear(storable(message.get("content")), storable(message.get("thinking")))
        if part.get("done"):
            last = part
    tokens, spent = count(last.get("eval_count")), count(last.get("eval_duration"))
    note = "This model cannot think; it was asked without." if think and not able else ""
    return heard.said(
        done=bool(last),
        done_reason=plain(last.get("done_reason") or "the stream ended early", 60),
        prompt_tokens=count(last.get("prompt_eval_count")),
        answer_tokens=tokens,
        per_second=tokens / (spent / 1e9) if tokens and spent else heard.pace(tokens),
        load_s=loading / 1e9 if (loading := count(last.get("load_duration"))) else None,
        window=window,
        note=note,
    )


def _meaning(error: Exception, url: str, model: str, began: bool) -> Failure | None:
    return understand(error, url=url, model=model, began=began) if of_the_wire(error) else None


# ------------------------------------------------------------------------------------------------------- OpenAI-compatible


def _openai(
    given: Mapping[str, Any],
    messages: Sequence[Message],
    on_chunk: OnChunk | None,
    cancelled: Cancelled | None,
    think: bool,
    longest: int,
) -> Said:
    options = OpenAICompatibleOptions.model_validate(dict(given))
    url, key = resolve(options.base_url), Key(options.api_key_env)
    extra: dict[str, Any] = {"max_tokens": longest, "stream_options": {"include_usage": True}}
    while True:
        try:
            return _openai_once(options, url, key, messages, on_chunk, cancelled, think, extra)
        except Refusal as refusal:
            if refusal.drop not in extra:
                raise
            del extra[refusal.drop]
            if refusal.drop == "max_tokens":
                extra["max_completion_tokens"] = longest  # what OpenAI's newer models call it


def _openai_once(
    options: OpenAICompatibleOptions,
    url: str,
    key: Key,
    messages: Sequence[Message],
    on_chunk: OnChunk | None,
    cancelled: Cancelled | None,
    think: bool,
    extra: Mapping[str, Any],
) -> Said:
    asked = Asked(url, key, options.model, frozenset(extra))
    body: dict[str, Any] = {
        "model": options.model,
        "messages": [message.model_dump() for message in messages],
        "stream": True,
        **extra,
    }
    heard, finish, closed = _Heard(on_chunk), "", False
    usage: dict[str, Any] = {}
    passages = Passage(key), Passage(key)
    exchange = Exchange(
        lambda: client(url, key, connect_s=options.connect_timeout_s, silence_s=LOADING_S + 10), "POST", "/chat/completions", body
    )
    for part in _parts(exchange, cancelled, lambda error, began: understand_openai(error, asked, began=began)):
        part = part["whole"] if isinstance(part.get("whole"), dict) else part
        if part.get("error"):
            raise reported(part, asked, began=bool(finish))
        closed = closed or part.get("done") is True
        usage = part["usage"] if isinstance(part.get("usage"), dict) else usage
        choice = _first(part.get("choices"))
        said = choice.get("delta") or choice.get("message")
        said = said if isinstance(said, dict) else {}
        finish = key.plain(choice.get("finish_reason") or "", 60) or finish
        heard.hear(
            passages[0].pass_on(_words(said.get("content"))),
            passages[1].pass_on(_words(said.get("reasoning_content") or said.get("reasoning"))),
        )
    heard.hear(passages[0].pass_on("", last=True), passages[1].pass_on("", last=True))
    tokens = count(usage.get("completion_tokens"))
    return heard.said(
        done=bool(finish or closed),
        done_reason=finish or ("stop" if closed else "the stream ended early"),
        prompt_tokens=count(usage.get("prompt_tokens")),
        answer_tokens=tokens,
        per_second=heard.pace(tokens),
        note="Thinking is left as the server has it." if think else "",
    )


def _first(choices: Any) -> dict[str, Any]:
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}


def _words(value: Any) -> str:
    """Text, also of servers that send typed parts."""
    if isinstance(value, list):
        return "".join(_words(part.get("text")) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else ""


def _parts(
    exchange: Any, cancelled: Cancelled | None, meaning: Callable[[Exception, bool], Failure | None]
) -> Generator[dict[str, Any], None, None]:
    """The parts of an answer. Raises Failure, RecollectError or Stopped."""
    began = False
    try:
        deadline = time.monotonic() + 2 * LOADING_S
        with contextlib.closing(exchange.parts(first_s=LOADING_S, next_s=120.0, deadline=deadline, cancelled=cancelled)) as parts:
            for part in parts:
                began = True
                yield part
    except TookTooLong as late:
        words = "The server fell silent in the middle of the answer." if late.began else "The server gave no first word in ten minutes."
        raise Unavailable(words, cure="Look at its log, or try a smaller model.") from None
    except (Stopped, Failure, RecollectError, GeneratorExit):
        raise
    except Exception as error:
        failure = meaning(error, began)
        if failure is None:
            raise
        raise failure from None
