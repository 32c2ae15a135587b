"""What Recollect adds to a model's own time, and what a replayed day costs, as ratios of one run: ``python -m bench.models``.

The server is a stand-in in a process of its own that answers at once; the yardstick is the same request with nothing but httpx. A real
model takes seconds for what the stand-in does in no time, so the milliseconds here are what is ours.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import httpx

from agent.decision.parse import read_decision
from agent.decision.prompt import decide_request
from agent.llm.base import Message, Request, Situation
from agent.llm.ollama import OllamaBackend, OllamaOptions

CALLS = 40
LONG = "The company reported sales above its own plan and raised the outlook for the year. " * 120  # about 10 kB


def question(number: int) -> Request:
    """A day's question of a realistic size; every one another."""
    facts = Situation(
        ticker="A", company="A Inc", session=date(2025, 1, 2), next_session=None, as_of="2025-01-02T21:00:00Z", cash=1e5, equity=1e5
    )
    request, _ = decide_request(facts, times={}, seed=number)
    first, last = request.messages
    return request.model_copy(update={"messages": (first, Message(role=last.role, content=f"{number} {LONG}{last.content}"))})


def bare(url: str, request: Request) -> Callable[[], object]:
    """The yardstick: the same request with httpx alone, read to its end and parsed."""
    body = {
        "model": "qwen3:8b",
        "messages": [message.model_dump() for message in request.messages],
        "format": request.answer_schema,
        "think": False,
        "stream": True,
        "options": {"seed": request.seed, "num_ctx": 8192, "num_predict": 1024, "temperature": 0.0},
    }

    def ask() -> object:
        with (
            httpx.Client(base_url=url, trust_env=False, timeout=60, verify=False) as client,
            client.stream("POST", "/api/chat", json=body) as response,
        ):
            return [json.loads(line) for line in response.iter_lines() if line]

    return ask


def median_ms(asks: list[Callable[[], object]], *, at_once: int) -> float:
    """Median of one call's milliseconds while ``at_once`` are under way."""

    def timed(ask: Callable[[], object]) -> float:
        begin = time.perf_counter()
        ask()
        return (time.perf_counter() - begin) * 1e3

    with ThreadPoolExecutor(at_once) as pool:
        return statistics.median(pool.map(timed, asks))


def overhead(url: str, at_once: int) -> tuple[float, float]:
    """(ours, bare) milliseconds per call, measured in turn so that both meet the same machine."""
    backend = OllamaBackend(OllamaOptions(base_url=url, model="qwen3:8b", num_ctx=8192, parallel=at_once))
    backend.warm_up()
    ours, theirs = [], []
    for round_ in range(3):
        requests = [question(round_ * CALLS + number) for number in range(CALLS)]
        theirs.append(median_ms([bare(url, request) for request in requests], at_once=at_once))
        ours.append(median_ms([lambda request=request: backend.complete(request) for request in requests], at_once=at_once))
    return statistics.median(ours), statistics.median(theirs)


def thinking_free_ms() -> float:
    """Milliseconds to build the day's question and to judge its answer, without any server."""
    from agent.llm.rules import RulesBackend

    facts = Situation(
        ticker="A", company="A Inc", session=date(2025, 1, 2), next_session=None, as_of="2025-01-02T21:00:00Z", cash=1e5, equity=1e5
    )
    answer = RulesBackend().complete(decide_request(facts, times={}, seed=1)[0]).text

    def once() -> None:
        decide_request(facts, times={}, seed=1)
        read_decision(answer, facts)

    return median_ms([once] * 200, at_once=1)


def replayed(url: str) -> tuple[int, float, float]:
    """(days, milliseconds per day of the run, milliseconds per day of its replay) of a 100-day run."""
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"RECOLLECT_HOME": home, "OLLAMA_HOST": url, "RECOLLECT_DEMO_ON_START": "false"}
        from agent.spec import RunSpec
        from services import replay, runs, worker

        made = RunSpec.read(
            {
                "tickers": ["DMAUR"],
                "test": {"start": "2022-03-01", "end": "2022-07-22"},
                "backend": "ollama",
                "backend_options": {"model": "qwen3:8b"},
            }
        )
        spec = made.model_copy(update={"memory": made.memory.model_copy(update={"embedder": "hashing"})})
        run = runs.create(spec)
        begin = time.perf_counter()
        status = worker.execute(run)
        took = time.perf_counter() - begin
        assert status == "done", runs.store().run(run).error
        begin = time.perf_counter()
        found = replay.replay(run)
        again = time.perf_counter() - begin
        assert found.same, found.difference
        return found.days, took / found.days * 1e3, again / found.days * 1e3


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 11_987
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-m", "tests.stand_ins.ollama_server", "--port", str(port), "--model", "qwen3:8b"]
    server = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(100):
            try:
                httpx.get(url, trust_env=False)
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        print(f"building a question and judging its answer: {thinking_free_ms():.2f} ms")
        for at_once in (1, 8):
            ours, theirs = overhead(url, at_once)
            print(
                f"{at_once} at once: {ours:.1f} ms a call through the backend, {theirs:.1f} ms through httpx alone: "
                f"{ours / theirs:.2f} x, {ours - theirs:+.1f} ms"
            )
        days, first, again = replayed(url)
        print(f"a run of {days} days: {first:.1f} ms a day; its replay: {again:.1f} ms a day, {again / first:.2f} x")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
