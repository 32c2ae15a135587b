"""The composition root: a RunSpec becomes live objects here and nowhere else."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel, ValidationError

from agent.decision.masking import Mask
from agent.decision.prompt_set import PromptSet
from agent.errors import SpecError
from agent.llm import BACKENDS
from agent.llm.base import Backend, Budget, Cancelled, Chunk, Notes
from agent.llm.cached import CachedBackend
from agent.market.sessions import Calendar
from agent.market.sources import SOURCES
from agent.market.sources.base import Place, Source
from agent.market.sources.combined import CombinedSource
from agent.market.view import Market
from agent.memory import EMBEDDERS
from agent.memory.bank import MemoryBank
from agent.memory.embedders.base import Embedder
from agent.spec import Part, RunSpec, explain
from agent.strategies import STRATEGIES
from agent.strategies.base import Setup, Strategy
from services import prompts as prompt_sets
from services.settings import ROOT, Settings, settings
from storage.answer_cache import AnswerCache
from storage.embedding_cache import CachedEmbedder
from storage.market_cache import CachedSource
from storage.model_notes import ModelNotes
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
    "yfinance",
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
    """Everything ``agent.engine.trade`` needs, who answers, and what was settled for all questions."""

    market: Market
    calendar: Calendar
    strategies: Mapping[str, Strategy]
    backend: Backend | None
    embedder: CachedEmbedder | None
    helper: Backend | None = None
    prompts: PromptSet | None = None
    mask: Mask | None = None
    budgets: dict[str, Budget] = field(default_factory=dict)  # "decision" and "helper": filled by ``settle``


def options(kind: str, plug: Any, values: Mapping[str, Any]) -> BaseModel:
    """The plug's own validated options; a wrong one is a SpecError that names ``kind`` and the key."""
    try:
        return plug.Options.model_validate(dict(values))
    except ValidationError as error:
        found = explain(error)
        found.args = (f"{kind} options: {found}",)
        raise found from None


def place(where: Settings | None = None) -> Place:
    """What this machine adds to a source: folders, the contact address, keys and other servers."""
    where = where or settings()
    keys = {"alpaca_key_id": where.alpaca_key_id, "alpaca_secret_key": where.alpaca_secret_key, "finnhub_key": where.finnhub_key}
    urls = {"yahoo": where.yahoo_url, "edgar": where.edgar_url, "alpaca_news": where.alpaca_url, "finnhub_news": where.finnhub_url}
    return Place(
        datasets=where.datasets,
        cache=where.market_cache,
        contact=where.contact,
        keys={name: value for name, value in keys.items() if value},
        urls={name: value for name, value in urls.items() if value},
    )


def one_source(name: str, values: Mapping[str, Any], *, refresh: bool = False) -> Source:
    """One source, behind the cache on disk where it asks a network."""
    where = settings()
    plug: Any = SOURCES.load(name)
    made: Source = plug(options(name, plug, values), place(where))
    if not made.network:
        return made
    return CachedSource(made, name=name, folder=where.market_cache, offline=where.offline, refresh=refresh)


def market_source(name: str, values: Mapping[str, Any], parts: Mapping[Any, Part], *, refresh: bool = False) -> Source:
    """A main source with the tables that come from elsewhere."""
    main = one_source(name, values, refresh=refresh)
    if not parts:
        return main
    others = {
        table: None if part.source == "none" else one_source(part.source, part.options, refresh=refresh) for table, part in parts.items()
    }
    return CombinedSource(main, others)


def source(spec: RunSpec) -> Source:
    """The market of a run. SpecError where it has no prices."""
    made = market_source(spec.source, spec.source_options, spec.parts)
    if "bars" not in made.provides:
        having = ", ".join(name for name in SOURCES if "bars" in SOURCES.load(name).provides)
        delivers = ", ".join(sorted(made.provides)) or "nothing"
        message = f"The source {spec.source} has no prices (it has {delivers}); take them from one of {having}."
        raise SpecError(message, field="source")
    return made


def notes(where: Settings | None = None) -> Notes:
    """What was learnt about models on this machine."""
    return ModelNotes((where or settings()).model_notes)


def backend(spec: RunSpec) -> Backend:
    """The model that decides."""
    return _backend(spec.backend, spec.backend_options)


def helper(spec: RunSpec) -> Backend | None:
    """The model for digests and reflections, where it is another one."""
    return None if spec.helper is None else _backend(spec.helper.backend, spec.helper.options)


def _backend(name: str, values: Mapping[str, Any]) -> Backend:
    plug: Any = BACKENDS.load(name)
    return plug(options(name, plug, values), notes=notes())


def _remembering(asked: Backend | None, spec: RunSpec, where: Settings) -> Backend | None:
    """With the answer cache before it, unless that is off."""
    if asked is None or spec.answer_cache == "off":
        return asked
    return CachedBackend(asked, AnswerCache(where.answer_cache), mode=spec.answer_cache)


def needs_model(spec: RunSpec) -> bool:
    return STRATEGIES.load(spec.strategy).needs_model


def calendar(spec: RunSpec) -> Calendar:
    """The calendar of the exchange that the first ticker trades on; loading the market refuses a mixture."""
    return Calendar(source(spec).listing(spec.tickers[0]).exchange)


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
    spec: RunSpec,
    *,
    store: RunStore | None = None,
    run: str = "",
    hooks: Hooks | None = None,
    where: Settings | None = None,
    answers: Mapping[str, Backend] | None = None,
    before: Mapping[str, Any] | None = None,
) -> Wired:
    """Live objects for a run, new or resumed. ``answers`` ("decision", "helper") stands in for its models (a replay). ``before``: the provenance of a run
    that has begun: its templates and its mask are used again, whatever has become of the files."""
    where, hooks = where or settings(), hooks or Hooks()
    when = calendar(spec)
    shop = market(spec, when)
    plug: Any = STRATEGIES.load(spec.strategy)
    options(spec.strategy, plug, spec.strategy_options)
    before = before or {}
    asks = plug.needs_model
    thinker = (answers["decision"] if answers else _remembering(backend(spec), spec, where)) if asks else None
    second = (answers["helper"] if answers else _remembering(helper(spec), spec, where)) if asks and spec.helper else None
    wording = _wording(spec, before) if asks else None
    mask = mask_of(spec, shop, before=before) if asks and spec.masking.on else None
    budgets: dict[str, Budget] = {}
    using = embedder(spec, where) if plug.needs_model else None
    base = Setup(
        ticker="",
        spec=spec,
        backend=thinker,
        helper=second,
        budget=lambda: budgets.get("decision"),
        helper_budget=lambda: budgets.get("helper"),
        prompts=wording,
        mask=mask,
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
    return Wired(shop, when, strategies, thinker, using, helper=second, prompts=wording, mask=mask, budgets=budgets)


def _wording(spec: RunSpec, before: Mapping[str, Any]) -> PromptSet:
    kept = before.get("prompt_set")
    return PromptSet.model_validate(kept) if kept else prompt_sets.get(spec.prompts)


def mask_of(spec: RunSpec, shop: Market, *, before: Mapping[str, Any] | None = None) -> Mask:
    """The mask of a run, the one it began with where ``before`` has it. SpecError: an alias cannot be used."""
    if before and before.get("masking"):
        return Mask.model_validate(before["masking"])
    first = (spec.train or spec.test).start
    closes = {
        ticker: next((bar.close for bar in tape.bars if bar.day >= first), tape.bars[-1].close) for ticker, tape in shop.tapes.items()
    }
    return Mask.make(spec.masking, companies=shop.companies, first_close=closes, seed=spec.seed, window=(first, spec.test.end))


def settle(spec: RunSpec, wired: Wired, *, before: Mapping[str, Any] | None = None, cancelled: Cancelled | None = None) -> dict[str, Any]:
    """Load the models and settle how they are asked for the whole run; what is known of them then. Raises Unavailable, and Stopped when
    ``cancelled()`` became true meanwhile."""
    before, found = before or {}, {}
    longest = getattr(STRATEGIES.load(spec.strategy), "longest_question", lambda spec: 0)(spec)
    for role, name, asked in (("decision", "model", wired.backend), ("helper", "helper", wired.helper)):
        if asked is None:
            continue
        found[name] = asked.warm_up(longest=longest, before=before.get(name), cancelled=cancelled)
        if found[name].get("budget"):
            wired.budgets[role] = Budget.model_validate(found[name]["budget"])
    return found


def provenance(
    spec: RunSpec, wired: Wired, *, before: Mapping[str, Any] | None = None, cancelled: Cancelled | None = None
) -> dict[str, Any]:
    """What has to be the same for a run to be repeated: code, packages, prompts, data, models."""
    settled = settle(spec, wired, before=before, cancelled=cancelled)  # a server with one model tells its name only now
    found: dict[str, Any] = {
        "recollect": code_version(),
        "python": platform.python_version(),
        "packages": {name: _package(name) for name in PACKAGES},
        "prompts": wired.prompts.hash if wired.prompts else "",
        "data": wired.market.fingerprint,
        "note": wired.market.note,
        "issues": [f"{issue.severity}: {issue.message}" for issue in wired.market.issues],
        "undated": wired.market.undated,
        "backend": {"name": spec.backend, "label": wired.backend.label, "model": wired.backend.model}
        if wired.backend
        else {"name": "none"},
    }
    if wired.prompts is not None:
        found["prompt_set"] = wired.prompts.model_dump(mode="json")
    if wired.mask is not None:
        found["masking"] = wired.mask.model_dump(mode="json")
    return {**found, **settled}


def code_version() -> str:
    return (ROOT / "VERSION").read_text(encoding="utf-8").strip()


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
