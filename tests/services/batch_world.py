"""What the tests of batches share: two models behind stand-in servers that answer by what they are asked, and runs of a few days."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from services import runs, worker
from services.batch_limits import Place
from services.batch_spec import BatchSpec
from tests.stand_ins.ollama_server import OllamaStandIn, obedient
from tests.stand_ins.openai_server import OpenAIStandIn, schema_brain

BASE = {
    "source": "demo",
    "tickers": ["DMAUR"],
    "test": {"start": "2022-01-18", "end": "2022-01-26"},  # seven sessions
    "digest": {"mode": "off"},
    "extended_every": 0,
}


def moody(body: dict[str, Any]) -> str:
    """Decisions that hang on every word of the question, the model and the seed, so that no two runs are alike by accident."""
    said = obedient(body) if "format" in body else schema_brain(body)
    answer = json.loads(said) if said.startswith("{") else {}
    if not {"action", "target_weight", "probabilities"} <= set(answer):
        return said
    seed = body.get("seed", (body.get("options") or {}).get("seed"))
    asked = json.dumps([body["model"], seed, [message["content"] for message in body["messages"]]])
    lot = int(hashlib.sha256(asked.encode()).hexdigest(), 16)
    odds = {"up": 0.3, "flat": 0.4, "down": 0.3}
    if answer["action"] == "buy":
        answer["target_weight"] = round(answer["target_weight"] * (1 + lot % 4) / 4, 2)
    elif lot % 3 == 0:
        odds = {"up": 0.2, "flat": 0.3, "down": 0.5}
        answer |= {"action": "sell", "target_weight": 0.0, "probabilities": odds, "expected_direction": "down"}
    return json.dumps(answer)


@contextmanager
def two_models() -> Iterator[list[dict[str, Any]]]:
    """A model of Ollama and one behind a server that speaks OpenAI's API, as ``models`` of a batch."""
    with OllamaStandIn(models=["qwen3:8b"], brain=moody, piece=4000) as one, OpenAIStandIn(brain=moody, piece=4000) as other:
        yield [
            {"backend": "ollama", "model": "qwen3:8b", "base_url": one.url},
            {"backend": "openai_compatible", "model": "my-model", "base_url": other.url},
        ]


def small(**keys: Any) -> BatchSpec:
    """A batch of short runs, decided by rules unless ``models`` says otherwise."""
    return BatchSpec.read({"base": BASE, "embedder": "hashing", **keys})


class _Over:
    """Work that was done before anybody asked."""

    def __init__(self, run: str) -> None:
        self.run = run

    def alive(self) -> bool:
        return False

    def stop(self) -> None:
        """There is nothing left to end."""


class Here:
    """A runner of a kind of its own: in this very process, one run after another. What it started is in ``started``."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start(self, run: str, place: Place) -> _Over:
        self.started.append(run)
        worker.execute(run)
        return _Over(run)

    def leave(self, place: Place) -> None:
        place.let_go()


class Deadly(Here):
    """A runner whose workers die without a word, before the first day."""

    def start(self, run: str, place: Place) -> _Over:
        self.started.append(run)
        runs.store().claim(run, 4_000_000)  # no process has this id
        return _Over(run)


class _Thread:
    def __init__(self, run: str) -> None:
        self.run, self._thread = run, threading.Thread(target=worker.execute, args=(run,))
        self._thread.start()

    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """A thread cannot be ended."""


class Beside(Here):
    """Runs in threads of this process, several at once."""

    def start(self, run: str, place: Place) -> _Thread:
        self.started.append(run)
        return _Thread(run)
