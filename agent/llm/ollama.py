"""The backend that thinks with a model served by Ollama, over HTTP with the official client.

Promise: an answer is whole and was given to the whole question, or there is none. The window, the seed and every sampling option are
always sent; the server is told to refuse a prompt that does not fit instead of cutting it, and the count of tokens it read is checked
afterwards. Answers are streamed, so that a wish to stop ends the generation on the server too. How answers are bound to their form is
settled once per run, by what the model was seen to be able to do, and every answer names the way in which it really came about.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import re
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from agent.errors import DecisionError, PromptTooLong, RecollectError, Unavailable
from agent.llm import abilities as probing
from agent.llm.abilities import Abilities, CannotDo, Heard, Trial, after_thinking, choose
from agent.llm.base import (
    WAYS,
    Budget,
    Cancelled,
    Chunk,
    DigestFacts,
    Health,
    Message,
    NoNotes,
    Notes,
    OnChunk,
    Request,
    Stopped,
    StudyFacts,
)
from agent.llm.ollama_answer import CLOSE_COUNT as CLOSE_COUNT
from agent.llm.ollama_answer import PROSE, Answer, lost
from agent.llm.ollama_answer import split_thinking as split_thinking
from agent.llm.ollama_options import OllamaOptions as OllamaOptions
from agent.llm.ollama_plan import SMALLEST_TIER, USUAL, Plan, as_before, kept, tokens_for_answer, window_for, within
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
    understand,
)
from agent.llm.token_ratio import Ratio
from agent.llm.turns import Turns, turns
from agent.records import Completion

log = logging.getLogger(__name__)
T = TypeVar("T")

CHARACTERS_LIMIT = 2_000_000  # a runaway answer; num_predict bounds tokens, this bounds memory
KEEP_EVERY = 16  # answers between two writes of what was learnt about token lengths; a crash loses no more
_UNCOUNTED = "0.30.0"  # this version left cached tokens out of prompt_eval_count
_importing = threading.Lock()


# ------------------------------------------------------------------------------------------------------------- the client


def named_by(variable: str) -> str:
    """What an environment variable says. Waits while the library is being imported: those variables are out of sight meanwhile."""
    with _importing:
        return os.environ.get(variable, "").strip()


def resolve(base_url: str = "") -> str:
    """The server's address: the option, else OLLAMA_HOST, else OLLAMA_BASE_URL, else this machine. Raises Unavailable."""
    if base_url.strip():
        return address(base_url)
    for name in ("OLLAMA_HOST", "OLLAMA_BASE_URL"):
        if value := named_by(name):
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


@dataclass(frozen=True)
class _Try:
    """How one try is made."""

    way: str = ""  # empty: not settled yet
    think: bool | str = False
    stream: bool = True


@dataclass(frozen=True)
class _Patience:
    """How long an answer may take, and whose limit that is. ``deadline`` is monotonic."""

    deadline: float
    limit: str

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.deadline


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
        self._plan: Plan | None = None
        self._ratio: Ratio | None = None
        self._learnt = 0
        self._lock = threading.Lock()
        self._spent: dict[tuple[str, str], float] = {}  # (ticker, session) -> seconds of answering

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
        """Cheap: four small questions, no loading and no probe; what an earlier probe found is told. Never raises."""
        try:
            server = self.server
        except Unavailable as error:
            return unwell(Failure(error), self.options.base_url)
        health = model_health(server, self.model, num_ctx=self.options.num_ctx, think=self.options.think)
        if not health.ok:
            return health
        try:
            found = probing.known(self._notes, health.details["model"]["digest"], health.details["version"])
        except Unavailable as error:
            return health.model_copy(update={"message": f"{health.message} {error}"})
        if found is None:
            message = f"{health.message} What {self.model!r} can do is not known yet: it is asked a handful of small questions first."
            return health.model_copy(update={"message": message})
        message = f"{health.message} {found.told}"
        return health.model_copy(update={"message": message, "details": {**health.details, "abilities": found.model_dump(mode="json")}})

    def warm_up(self, *, longest: int = 0, before: Mapping[str, Any] | None = None, cancelled: Cancelled | None = None) -> dict[str, Any]:
        """Load the model with the window of the run and settle how it is asked (a probe, if this model was never probed on this
        server); what is known about it then. See ``Backend.warm_up``."""
        raise_if_unwell(self.check())
        try:
            self._learn(cancelled)
            with self._turns().taken(most=self.options.parallel, cancelled=cancelled):
                return self._settle(longest, before or {}, cancelled)
        except Failure as failure:
            raise self._final(failure) from failure

    def _settle(self, longest: int, before: Mapping[str, Any], cancelled: Cancelled | None) -> dict[str, Any]:
        """Fix the plan of the run, with the model loaded as it says."""
        found = self._found or Installed(name=self.model)
        self._ratio = Ratio.read(self._notes, found.digest)
        options = self.options
        able: dict[str, Any] | None = before.get("abilities")
        plan = kept(before, num_predict=options.num_predict, way=self._unproved_way())
        if plan is None:
            plan, able = self._planned(longest, found, cancelled)
            window = self.server.window(self.model)
            plan = within(plan, window)
        else:
            self._load(plan.num_ctx, cancelled)
            window = self.server.window(self.model)
            plan = as_before(plan, window)
        self._plan = plan
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
            "num_ctx": plan.num_ctx,
            "num_predict": plan.num_predict,
            "effective_num_ctx": window,
            "server_version": self._version,
            "way": plan.way,
            "abilities": able,
            "budget": plan.budget.model_dump(mode="json") if plan.budget else None,
            "notes": list(plan.notes),
        }

    def _planned(self, longest: int, found: Installed, cancelled: Cancelled | None) -> tuple[Plan, dict[str, Any]]:
        """The plan of a new run and the abilities it rests on; the model is loaded then."""
        options, ratio = self.options, self._ratio or Ratio()
        wanted = options.num_ctx or self._window(longest, options.num_predict, ratio)
        num_ctx = self._load_what_fits(wanted, cancelled)
        able = probing.known(self._notes, found.digest, self._version)
        if able is None:
            able = self._probe(found, num_ctx, cancelled)
            if num_ctx >= min(
                probing.ROOM, found.context_length or probing.ROOM
            ):  # else it was tested in a narrower window than it could have
                probing.keep(self._notes, able)
            ratio.keep(self._notes, found.digest)
        elif not ratio.measured and able.characters_per_token:
            ratio.learn(10_000, round(10_000 / able.characters_per_token))
        way, notes = self._way_for(able)
        answer = tokens_for_answer(way, options.num_predict)
        better = options.num_ctx or self._window(longest, answer, ratio)
        if better != wanted and (num_ctx == wanted or better < num_ctx):
            wanted, num_ctx = better, self._load_what_fits(better, cancelled)
        if num_ctx < wanted:
            notes = (*notes, f"The memory holds {self.model!r} with a window of {num_ctx} tokens only; {wanted} were wished for.")
        per_token = round(ratio.characters_per_token, 4)
        budget = Budget(window=num_ctx, answer=answer, characters_per_token=per_token, measured=ratio.measured)
        plan = Plan(way=way, num_ctx=num_ctx, num_predict=options.num_predict, window=num_ctx, budget=budget, notes=notes)
        return plan, able.model_dump(mode="json")

    def _way_for(self, able: Abilities) -> tuple[str, tuple[str, ...]]:
        """The way of the run, and what people should know about it."""
        wish = self.options.structured
        way = choose(able, think=self.options.think != "off") if wish == "auto" else wish
        if able.ways.get(way):
            return way, ()
        return way, (f"The way {way!r} did not pass the test: {able.why.get(way, 'it was not tried')}.",)

    def _window(self, longest: int, answer: int, ratio: Ratio) -> int:
        """Where no question is known: the window it is loaded with, since another would reload it under a running run."""
        if not longest and (loaded := self.server.window(self.model)) and loaded >= probing.ROOM:
            return loaded
        trained = self._found.context_length if self._found else None
        return window_for(longest, characters_per_token=ratio.characters_per_token, answer=answer, trained=trained)

    def _load_what_fits(self, num_ctx: int, cancelled: Cancelled | None) -> int:
        """Load with this window; where nobody asked for it by number, with the longest shorter one that the memory holds. Returns it."""
        while True:
            try:
                return self._load(num_ctx, cancelled)
            except Failure as failure:
                if self.options.num_ctx or not failure.too_big or num_ctx <= SMALLEST_TIER:
                    raise
                num_ctx = max(SMALLEST_TIER, num_ctx // 2)

    def _load(self, num_ctx: int, cancelled: Cancelled | None) -> int:
        """Load the model with this window, or do nothing if it is loaded so. Raises Failure."""
        plan = Plan(way="", num_ctx=num_ctx, num_predict=1, window=num_ctx)
        body = {**self._settings(0, _Try(think=self._level(False)), plan)[0], "messages": [], "stream": True}
        patience = self._first_word()
        self._retried(lambda: self._consume(body, patience, None, cancelled), patience, cancelled)
        return num_ctx

    # ---- the probe

    def _probe(self, found: Installed, num_ctx: int, cancelled: Cancelled | None) -> Abilities:
        """Raises Failure or Unavailable; then nothing was found out."""
        return probing.probe(
            lambda trial: self._try(trial, num_ctx, cancelled),
            digest=found.digest,
            server_version=self._version,
            may_think=None if found.capabilities is None else "thinking" in found.capabilities,
            context_length=found.context_length,
            now=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _try(self, trial: Trial, num_ctx: int, cancelled: Cancelled | None) -> Heard:
        """One question of the probe. CannotDo where the server refuses this way of asking, or gives no whole answer."""
        plan = Plan(way="", num_ctx=num_ctx, num_predict=min(trial.most, num_ctx // 2), window=num_ctx)
        head = self._settings(trial.seed, _Try(think=self._level(trial.think)), plan)[0]
        head["options"]["temperature"] = trial.temperature
        form: Any = {"schema": probing.FORM, "json": "json"}.get(trial.form)
        body = {**head, "messages": _as_sent(trial.messages), "stream": True} | ({"format": form} if form else {})
        patience = self._total(None)
        try:
            answer = self._retried(lambda: self._consume(body, patience, None, cancelled), patience, cancelled)
        except Failure as failure:
            if failure.too_big or not (isinstance(failure.error, DecisionError) or failure.status in (400, 500)):
                raise
            if isinstance(failure.error, PromptTooLong):
                message = f"The window of {num_ctx} tokens (num_ctx) has no room for the small questions that test a model."
                raise Unavailable(message, cure="Set num_ctx to 4096 or more, or to 0: then it is sized to the questions.") from failure
            cure = failure.error.cure if isinstance(failure.error, Unavailable) else ""
            raise CannotDo(str(failure.error).removesuffix(cure).strip().rstrip(".")) from failure
        text, thinking = answer.apart()
        if answer.last.get("done_reason") not in ("stop", "length"):
            raise CannotDo("its answer did not end by itself")
        counted = self._counted(answer)
        if self._ratio is not None and not thinking and counted:
            self._ratio.learn(_size(trial.messages), counted)
        return Heard(
            text=text,
            thinking=thinking,
            finished=answer.last["done_reason"] == "stop",
            prompt_tokens=counted,
            answer_tokens=count(answer.last.get("eval_count")),
            prompt_s=_seconds(answer.last.get("prompt_eval_duration")),
            answer_s=_seconds(answer.last.get("eval_duration")),
        )

    def _retried(self, work: Callable[[], T], patience: _Patience, cancelled: Cancelled | None) -> T:
        """``work`` again while it fails in a way that may pass. Raises Failure."""
        tries = 0
        while True:
            try:
                return work()
            except Failure as failure:
                if tries >= min(self.options.retries, failure.retries) or patience.over:
                    raise
            tries += 1
            self._pause(0, tries, patience.deadline, cancelled)

    # ---- asking

    def complete(self, request: Request, *, on_chunk: OnChunk | None = None, cancelled: Cancelled | None = None) -> Completion:
        """See ``Backend.complete``. A failed try leaves nothing behind: ``on_chunk`` hears ``fresh`` before the next begins. Waiting for
        a turn costs none of the time limits."""
        with self._turns().taken(most=self.options.parallel, cancelled=cancelled):
            began = time.monotonic()
            try:
                return self._complete(request, self._total(request), on_chunk, cancelled)
            finally:
                with self._lock:
                    day = _day(request)
                    self._spent[day] = self._spent.get(day, 0.0) + time.monotonic() - began

    def _complete(self, request: Request, patience: _Patience, on_chunk: OnChunk | None, cancelled: Cancelled | None) -> Completion:
        tries, attempt = 0, _Try()
        while True:
            try:
                self._learn(cancelled)
                attempt = attempt if attempt.way else self._first_try()
                if attempt.way == WAYS[1]:
                    return self._in_two_steps(request, attempt, patience, on_chunk, cancelled)
                return self._once(request, attempt, patience, on_chunk, cancelled)
            except Failure as failure:
                if patience.over:
                    raise self._final(failure) from failure
                attempt = self._next_try(attempt, failure, tries)
                tries += 0 if failure.no_thinking else 1
            if on_chunk is not None:
                on_chunk(Chunk(fresh=True))
            self._pause(request.seed, tries, patience.deadline, cancelled)

    def _first_try(self) -> _Try:
        """The way of the run; without thinking where the model cannot."""
        way = self._plan.way if self._plan else self._unproved_way()
        thinks = self._think()
        if way not in WAYS[:2]:
            return _Try(way, self._level(False))
        return _Try(way if thinks else "schema", thinks)

    def _unproved_way(self) -> str:
        """The way where no probe was made."""
        if self.options.structured != "auto":
            return self.options.structured
        return WAYS[0] if self._think() and self.options.think != "off" else "schema"

    def _next_try(self, attempt: _Try, failure: Failure, tries: int) -> _Try:
        """How to try again after ``failure``; raises what people get to read when that makes no sense."""
        if failure.no_thinking and attempt.think:
            self._cannot_think = self._cannot_think or failure.status is not None
            return replace(attempt, think=False, way="schema" if attempt.way in WAYS[:2] else attempt.way)
        if tries >= min(self.options.retries, failure.retries):
            raise self._final(failure) from failure
        return replace(attempt, stream=attempt.stream and not failure.whole)

    def _final(self, failure: Failure) -> RecollectError:
        """The error for people; a missing model is told together with what is installed."""
        if not failure.no_model:
            return failure.error
        try:
            models = self.server.installed()
        except Failure:
            return failure.error
        return Unavailable(missing(self.model, self.server.url, models), cure=f"Install it with `ollama pull {self.model}`.")

    def _once(
        self, request: Request, attempt: _Try, patience: _Patience, on_chunk: OnChunk | None, cancelled: Cancelled | None
    ) -> Completion:
        """One call."""
        form = {"json": "json", "free": None}.get(attempt.way, request.answer_schema)
        answer, sent = self._say(request.messages, request.seed, attempt, form, patience, on_chunk, cancelled)
        text, thinking = answer.apart()
        self._accept(answer, text, thinking, request)
        self._note_size(request.messages, answer, bound_thinking=bool(thinking and form))
        way = WAYS[0] if attempt.think and attempt.way == "schema" else attempt.way  # gpt-oss thinks whatever it is told
        return self._completion(text, thinking, answer, sent, way)

    def _in_two_steps(
        self, request: Request, attempt: _Try, patience: _Patience, on_chunk: OnChunk | None, cancelled: Cancelled | None
    ) -> Completion:
        """Think aloud without a form, then answer in the form with the thoughts in sight."""
        aloud = None if on_chunk is None else lambda chunk: on_chunk(Chunk(thinking=chunk.thinking + chunk.text))
        first, sent = self._say(request.messages, request.seed, attempt, None, patience, aloud, cancelled)
        text, thinking = first.apart()
        thoughts = "\n".join(part for part in (thinking, text) if part.strip())
        if not thinking.strip():
            raise Failure(DecisionError("The model was to think first and did not."), no_thinking=True)
        cut = first.last.get("done_reason") == "length"  # thoughts may end anywhere; the answer may not
        if not cut:
            self._ended(first, thinking)
        self._whole(first, request)
        self._note_size(request.messages, first, bound_thinking=False)
        messages = after_thinking(request.messages, thoughts, cut=cut)
        second, _ = self._say(
            messages, request.seed, replace(attempt, think=self._level(False)), request.answer_schema, patience, on_chunk, cancelled
        )
        text, more = second.apart()
        known = request.estimated_tokens
        longer = known + int(len(thoughts) / PROSE) if known else 0
        self._accept(second, text, more, request.model_copy(update={"messages": messages, "estimated_tokens": longer}))
        done = self._completion(text, "\n".join(part for part in (thoughts, more) if part), first, sent, WAYS[1])
        written = [count(part.last.get("eval_count")) for part in (first, second)]
        return done.model_copy(
            update={
                "done_reason": str(second.last["done_reason"]),
                "options": {**sent, "then": {"think": self._level(False)}} | ({"thoughts_cut": True} if cut else {}),
                "answer_tokens": sum(number for number in written if number) or None,
            }
        )

    def _say(
        self,
        messages: Sequence[Message],
        seed: int,
        attempt: _Try,
        form: Any,
        patience: _Patience,
        on_chunk: OnChunk | None,
        cancelled: Cancelled | None,
    ) -> tuple[Answer, dict[str, Any]]:
        """One exchange: everything that arrived, and the options as sent."""
        head, sent = self._settings(seed, attempt, self._plan or self._unplanned())
        body = {**head, "messages": _as_sent(messages), "stream": attempt.stream} | ({"format": form} if form else {})
        return self._consume(body, patience, on_chunk, cancelled), sent

    def _completion(self, text: str, thinking: str, answer: Answer, sent: dict[str, Any], way: str) -> Completion:
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
            way=way,
        )

    def _unplanned(self) -> Plan:
        """For questions asked without a warm-up."""
        num_ctx = self.options.num_ctx or min(USUAL, (self._found.context_length if self._found else None) or USUAL)
        return Plan(way="", num_ctx=num_ctx, num_predict=self.options.num_predict, window=num_ctx)

    def _settings(self, seed: int, attempt: _Try, plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
        """The part of the body that does not depend on the question, and the same flat for the record."""
        options = self.options
        sampling = {
            "seed": seed,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "top_k": options.top_k,
            "repeat_penalty": options.repeat_penalty,
            "num_ctx": plan.num_ctx,
            "num_predict": plan.num_predict,
        }
        keep = int(options.keep_alive) if re.fullmatch(r"-?\d+", options.keep_alive) else options.keep_alive  # "300" as text is refused
        # shift and num_ctx must never vary within a run: a change reloads the model.
        how = {"think": attempt.think, "keep_alive": keep, "truncate": False, "shift": False}
        return {"model": self.model, "options": sampling, **how}, {**sampling, **how}

    def _consume(self, body: dict[str, Any], patience: _Patience, on_chunk: OnChunk | None, cancelled: Cancelled | None) -> Answer:
        """All parts of one answer. Raises Failure, or Stopped."""
        answer = Answer()
        with contextlib.closing(self._parts(body, patience, cancelled)) as parts:
            for part in parts:
                chunk = answer.add(part)
                if on_chunk is not None and (chunk.text or chunk.thinking):
                    on_chunk(chunk)
                if answer.size > CHARACTERS_LIMIT:
                    raise Failure(DecisionError(f"The answer ran away: more than {CHARACTERS_LIMIT} characters."))
        if not answer.last:
            raise broken("it ended without saying that it was done")
        return answer

    def _parts(self, body: dict[str, Any], patience: _Patience, cancelled: Cancelled | None) -> Generator[dict[str, Any], None, None]:
        """The parts of one answer; every way in which the wire can fail becomes a Failure."""
        server, options, began = self.server, self.options, False
        first_s, next_s = options.first_token_timeout_s, options.read_timeout_s
        exchange = server.exchange("/api/chat", body, mode="stream" if body["stream"] else "json")
        try:
            with contextlib.closing(
                exchange.parts(first_s=first_s, next_s=next_s, deadline=patience.deadline, cancelled=cancelled)
            ) as parts:
                for part in parts:
                    began = True
                    yield part
        except TookTooLong as late:
            raise self._late(late, patience) from None
        except Exception as error:
            if not of_the_wire(error):
                raise
            raise understand(error, url=server.url, model=self.model, began=began) from error

    def _late(self, late: TookTooLong, patience: _Patience) -> Failure:
        url, options = self.server.url, self.options
        if late.limit == "next":
            return Failure(
                Unavailable(
                    f"Ollama at {url} fell silent for {options.read_timeout_s:g} s in the middle of an answer.",
                    cure="Look at the log of `ollama serve`.",
                ),
                retries=OFTEN,
            )
        if late.limit == "total" and (late.began or "day_timeout_s" in patience.limit):
            return Failure(DecisionError(f"The answer was not finished after {patience.limit}; the partial answer is not used."))
        waited = patience.limit if late.limit == "total" else f"{options.first_token_timeout_s:g} s"
        cure = "Is it loading or busy with others? Raise first_token_timeout_s and total_timeout_s, or choose a smaller model."
        return Failure(Unavailable(f"Ollama at {url} gave no first word within {waited}.", cure=cure))

    # ---- time limits and turns

    def _turns(self) -> Turns:
        return turns(self.server.url, self.model)

    def _first_word(self) -> _Patience:
        limit = self.options.first_token_timeout_s
        return _Patience(time.monotonic() + limit, f"{limit:g} s (first_token_timeout_s)")

    def _total(self, request: Request | None) -> _Patience:
        """The limit of one answer, or what is left of its day's. Raises DecisionError where nothing is left."""
        options, now = self.options, time.monotonic()
        answer = _Patience(now + options.total_timeout_s, f"{options.total_timeout_s:g} s (total_timeout_s)")
        if request is None or not options.day_timeout_s:
            return answer
        with self._lock:
            left = options.day_timeout_s - self._spent.get(_day(request), 0.0)
        day = f"{options.day_timeout_s:g} s for the whole day (day_timeout_s)"
        if left <= 0:
            raise DecisionError(f"The answers about this day have taken {day}: no further question is asked.")
        return answer if left >= options.total_timeout_s else _Patience(now + left, day)

    # ---- judging what came back

    def _accept(self, answer: Answer, text: str, thinking: str, request: Request) -> None:
        """Only a finished, non-empty answer to the whole question passes."""
        self._ended(answer, thinking)
        self._whole(answer, request)
        if not text.strip():
            why = "the model only thought and gave no answer; set think to off" if thinking else "the model said nothing"
            raise Failure(DecisionError(f"The answer is empty: {why}."), no_thinking=bool(thinking))

    def _ended(self, answer: Answer, thinking: str) -> None:
        """Raises Failure unless the answer ended by itself."""
        reason, plan = str(answer.last.get("done_reason") or ""), self._plan or self._unplanned()
        if reason == "length":
            spent = " Thinking uses the same budget: set think to off, or" if thinking else " To cure it"
            written = answer.last.get("eval_count", "an unknown number of")
            raise Failure(
                DecisionError(
                    f"The answer was cut off after {written} tokens (num_predict {plan.num_predict}, num_ctx {plan.num_ctx})."
                    f"{spent} raise num_predict, and num_ctx with it if question and answer fill the window."
                )
            )
        if reason != "stop":
            raise Failure(DecisionError(f"The answer did not end by itself (done_reason {plain(reason) or 'absent'!r})."))

    def _whole(self, answer: Answer, request: Request) -> None:
        """Raises Failure where the count of tokens shows that the question was cut."""
        window, counted = (self._plan or self._unplanned()).window, self._counted(answer)
        sparsest = self._ratio.sparsest if self._ratio is not None else None
        if cut := lost(counted, request, window, sparsest=sparsest):
            raise Failure(PromptTooLong(cut, counted=counted, window=window, cut=True))

    def _counted(self, answer: Answer) -> int | None:
        """Tokens of the prompt as the server counted them; None where this version's count means something else."""
        return count(answer.last.get("prompt_eval_count")) if not self._version.startswith(_UNCOUNTED) else None

    def _note_size(self, messages: Sequence[Message], answer: Answer, *, bound_thinking: bool) -> None:
        """Learn characters per token for the next run. With thinking and a form in one call the thoughts are counted as prompt."""
        digest, counted = self._found.digest if self._found else "", self._counted(answer)
        if bound_thinking or not counted or not digest:
            return
        try:
            with self._lock:
                if self._ratio is None:
                    self._ratio = Ratio.read(self._notes, digest)
                self._learnt += self._ratio.learn(_size(messages), counted)
                if self._learnt in (1, 4) or (self._learnt and self._learnt % KEEP_EVERY == 0):
                    self._ratio.keep(self._notes, digest)
        except Unavailable as error:  # the answer is worth more than the note
            log.warning("characters per token were not kept: %s", error)

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
        """What to send as ``think`` by the options: false where the model cannot."""
        found = self._found
        if self._cannot_think:
            return False
        if found is not None and found.family == "gptoss":
            return {"off": "low", "on": "medium"}.get(self.options.think, self.options.think)
        if found is not None and found.capabilities is not None and "thinking" not in found.capabilities:
            return False
        return {"off": False, "on": True}.get(self.options.think, self.options.think)

    def _level(self, think: bool) -> bool | str:
        """``think`` on the wire: unset would mean true, false is always safe, and gpt-oss knows only levels."""
        if self._found is not None and self._found.family == "gptoss" and not self._cannot_think:
            return "medium" if think else "low"
        return think

    def _pause(self, seed: int, tries: int, deadline: float, cancelled: Cancelled | None) -> None:
        """Wait before the next try, longer each time, a little differently for each seed."""
        wait = self._backoff_s * 2 ** (tries - 1) * random.Random(f"{seed}/{tries}").uniform(0.75, 1.25) if tries else 0.0
        until = min(time.monotonic() + wait, deadline)
        while (left := until - time.monotonic()) > 0:
            if cancelled is not None and cancelled():
                raise Stopped("stopped while waiting to ask again")
            time.sleep(min(POLL_S, left))


def _as_sent(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _size(messages: Sequence[Message]) -> int:
    """Characters of a prompt."""
    return sum(len(message.content) for message in messages)


def _seconds(nanoseconds: Any) -> float | None:
    return nanoseconds / 1e9 if isinstance(nanoseconds, (int, float)) and nanoseconds > 0 else None


def _day(request: Request) -> tuple[str, str]:
    """The ticker and session whose time an answer takes; digests have only their document."""
    facts = request.facts
    if isinstance(facts, DigestFacts):
        return facts.ticker, f"{facts.kind} {facts.published}"
    asked = facts.situation if isinstance(facts, StudyFacts) else facts
    return asked.ticker, str(asked.session)
