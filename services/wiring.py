"""The composition root: a RunSpec becomes live objects here and nowhere else."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel, ValidationError

from agent.decision.prompt import templates_hash
from agent.llm import BACKENDS
from agent.llm.base import Backend, Chunk
from agent.market.sessions import Calendar
from agent.market.sources import SOURCES
from agent.market.sources.base import Source
from agent.market.view import Market
from agent.memory import EMBEDDERS
from agent.memory.bank import MemoryBank
from agent.memory.embedders.base import Embedder
from agent.spec import RunSpec, explain
from agent.strategies import STRATEGIES
from agent.strategies.base import Setup, Strategy
from services.settings import ROOT, Settings, settings
from storage.embedding_cache import CachedEmbedder
from storage.run_store import RunStore

PACKAGES = (
    "streamlit",
    "plotly",
    "pandas",
    "numpy",
    "ollama",
    "chromadb",
    "sentence-transformers",
    "torch",
    "exchange_calendars",
    "sqlalchemy",
    "pydantic",
)


@dataclass(frozen=True)
class Hooks:
    """What the worker listens to and how it interrupts."""

    on_chunk: Callable[[str, date, str, Chunk], None] | None = None
    cancelled: Callable[[], bool] | None = None


@dataclass(frozen=True)
class Wired:
    """Everything ``agent.engine.trade`` needs, and the embedder's counters."""

    market: Market
    calendar: Calendar
    strategies: Mapping[str, Strategy]
    backend: Backend | None
    embedder: CachedEmbedder | None


def options(kind: str, plug: Any, values: Mapping[str, Any]) -> BaseModel:
    """The plug's own validated options; a wrong one is a SpecError that names ``kind`` and the key."""
    try:
        return plug.Options.model_validate(dict(values))
    except ValidationError as error:
        found = explain(error)
        found.args = (f"{kind} options: {found}",)
        raise found from None


def source(spec: RunSpec) -> Source:
    plug: Any = SOURCES.load(spec.source)
    return plug(options(spec.source, plug, spec.source_options))


def backend(spec: RunSpec) -> Backend:
    plug: Any = BACKENDS.load(spec.backend)
    return plug(options(spec.backend, plug, spec.backend_options))


def needs_model(spec: RunSpec) -> bool:
    return STRATEGIES.load(spec.strategy).needs_model


def calendar(spec: RunSpec) -> Calendar:
    return Calendar()


def market(spec: RunSpec, when: Calendar) -> Market:
    """All tables of the run's tickers, with enough history before its first day for a first annual report."""
    first = (spec.train or spec.test).start
    return Market.load(source(spec), spec.tickers, start=first, end=spec.test.end, calendar=when)


def embedder(spec: RunSpec, where: Settings) -> CachedEmbedder:
    """The run's embedder behind the cache that all runs share; the model itself is loaded at the first text that is new."""
    plug: Any = EMBEDDERS.load(spec.memory.embedder)
    chosen = options(spec.memory.embedder, plug, spec.memory.embedder_options)
    return CachedEmbedder(
        lambda: plug(chosen), path=where.cache / "embeddings.db", name=plug.name_of(chosen), dimension=plug.dimension_of(chosen)
    )


def embedder_ready(spec: RunSpec) -> None:
    """Raise what stands in the embedder's way, as far as that can be known without loading a model."""
    plug: Any = EMBEDDERS.load(spec.memory.embedder)
    chosen = options(spec.memory.embedder, plug, spec.memory.embedder_options)
    if hasattr(plug, "ready"):
        plug.ready(chosen)


def bank(spec: RunSpec, ticker: str, using: Embedder, store: RunStore | None, run: str) -> MemoryBank:
    """An empty bank, or the one that an interrupted run had built."""
    known = store.memories(run, ticker) if store else []
    if not known or store is None:
        return MemoryBank(ticker, spec.memory, using, seed=spec.seed)
    ids, matrix = store.vectors(run, ticker)
    vectors = {int(i): matrix[row] for row, i in enumerate(ids)}
    return MemoryBank.restore(
        ticker, spec.memory, using, seed=spec.seed, memories=known, vectors=vectors, next_id=store.next_memory_id(run, ticker)
    )


def wire(
    spec: RunSpec, *, store: RunStore | None = None, run: str = "", hooks: Hooks | None = None, where: Settings | None = None
) -> Wired:
    """Live objects for a run, new or resumed."""
    where, hooks = where or settings(), hooks or Hooks()
    when = calendar(spec)
    shop = market(spec, when)
    plug: Any = STRATEGIES.load(spec.strategy)
    options(spec.strategy, plug, spec.strategy_options)
    thinker = backend(spec) if plug.needs_model else None
    using = embedder(spec, where) if plug.needs_model else None
    base = Setup(
        ticker="",
        spec=spec,
        backend=thinker,
        session_of=when.session_of,
        sessions_between=when.count,
        on_chunk=hooks.on_chunk,
        cancelled=hooks.cancelled,
    )
    strategies = {
        ticker: plug(
            replace(
                base, ticker=ticker, company=shop.companies.get(ticker, ""), bank=bank(spec, ticker, using, store, run) if using else None
            )
        )
        for ticker in spec.tickers
    }
    return Wired(shop, when, strategies, thinker, using)


def provenance(spec: RunSpec, wired: Wired) -> dict[str, Any]:
    """What has to be the same for a run to be repeated: code, packages, prompts, data, model."""
    found: dict[str, Any] = {
        "recollect": code_version(),
        "python": platform.python_version(),
        "packages": {name: _package(name) for name in PACKAGES},
        "prompts": templates_hash(),
        "data": wired.market.fingerprint,
        "note": wired.market.note,
        "issues": [f"{issue.severity}: {issue.message}" for issue in wired.market.issues],
        "backend": {"name": spec.backend, "label": wired.backend.label, "model": wired.backend.model}
        if wired.backend
        else {"name": "none"},
    }
    if wired.backend is not None:
        found["model"] = wired.backend.warm_up()
    return found


def code_version() -> str:
    return (ROOT / "VERSION").read_text(encoding="utf-8").strip()


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
