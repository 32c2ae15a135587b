"""A run that is still a form: what a source offers, what its data cover, what the run would be and cost. Nothing here starts anything.

Promise: what a person typed is judged field by field, so that each sentence can stand beside the field it is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from agent.errors import NoData, SpecError, Unavailable
from agent.llm.base import Health
from agent.market.sessions import Calendar
from agent.market.sources.base import Listing
from agent.memory.layers import PRESETS
from agent.records import Record
from agent.registry import unknown
from agent.spec import RunSpec, Window, explain
from services import health, runs
from services.market_data import Choice

MEASURED_DAYS = 200  # how many recorded days of an earlier run make up a pace


class Finding(Record):
    """One thing that has to change, and where."""

    field: str
    message: str


class Offer(Record):
    """What a source can serve."""

    listings: tuple[Listing, ...]
    note: str
    first: date | None
    last: date | None

    def listing(self, ticker: str) -> Listing | None:
        return next((item for item in self.listings if item.ticker == ticker), None)


class Served(Record):
    """Whether an Ollama server answers, and the names of its models."""

    health: Health
    models: tuple[str, ...] = ()


# ---------------------------------------------------------------------------------------------------------------- what there is


def offer(choice: Choice) -> Offer:
    """Every ticker of a source that lists them; SpecError, NoData or Unavailable when it cannot be read."""
    made = choice.open()
    listings = tuple(made.listings())
    if not listings:
        raise NoData("The source has no ticker; its price table is empty.", field="source")
    firsts = [item.first for item in listings if item.first]
    lasts = [item.last for item in listings if item.last]
    return Offer(listings=listings, note=made.note, first=min(firsts, default=None), last=max(lasts, default=None))


def open_offer(listings: Sequence[Listing], *, note: str = "") -> Offer:
    """What a source that any ticker may be asked of can serve of these: up to the last completed session."""
    done = Calendar(listings[0].exchange).last_closed(datetime.now(UTC))
    firsts = [item.first for item in listings if item.first]
    return Offer(listings=tuple(listings), note=note, first=max(firsts, default=None), last=done.day if done else None)


def served(base_url: str = "") -> Served:
    """What the Ollama server at ``base_url`` offers; never raises."""
    found = health.ollama_health(base_url)
    if not found.ok and not found.details.get("models"):
        return Served(health=found)
    try:
        return Served(health=found, models=tuple(item.name for item in health.ollama_models(base_url)))
    except Unavailable as error:
        return Served(health=Health(ok=False, message=str(error).removesuffix(error.cure).strip(), cure=error.cure))


def suggested(first: date | None, last: date | None) -> tuple[Window, Window]:
    """A train and a test window for data from ``first`` to ``last``: the last half year to trade, a quarter before it to learn."""
    last = last or date(2023, 12, 29)
    first = first or last - timedelta(days=365)
    when, span = Calendar(), (last - first).days
    start = last - timedelta(days=min(182, int(0.6 * span)))
    try:
        begins = when.next_session(start - timedelta(days=1)).day
        ends = when.previous_session(begins).day
    except NoData:  # prices from beyond the calendar: the plan says so, and the form stays usable
        later = first + timedelta(days=1)
        return Window(start=first, end=first), Window(start=later, end=max(last, later))
    learns = max(first, begins - timedelta(days=91))
    return Window(start=min(learns, ends), end=ends), Window(start=begins, end=max(begins, last))


# ------------------------------------------------------------------------------------------------------------- what is asked


def read(data: Mapping[str, Any]) -> tuple[RunSpec | None, tuple[Finding, ...]]:
    """The spec that a form describes, or what has to change, one finding per field."""
    try:
        return RunSpec.model_validate(dict(data)), ()
    except ValidationError as error:
        return None, tuple(_finding(item, error) for item in error.errors())
    except SpecError as error:
        return None, (Finding(field=error.field, message=str(error)),)


def _finding(item: Mapping[str, Any], error: ValidationError) -> Finding:
    """Pydantic's finding in the words of ``agent.spec.explain``; one about the whole spec concerns the windows."""
    where = ".".join(str(part) for part in item["loc"])
    alone = ValidationError.from_exception_data(error.title, [_again(item)])
    named = getattr(item.get("ctx", {}).get("error"), "field", "")
    return Finding(field=where or named or "train", message=str(explain(alone)).removeprefix(f"{where or 'spec'}: "))


def _again(item: Mapping[str, Any]) -> Any:
    """One error in the form from which pydantic makes it anew."""
    kept = {"type": item["type"], "loc": item["loc"], "input": item.get("input")}
    if "ctx" in item:
        kept["ctx"] = item["ctx"]
    return kept


def copy_of(run: str) -> RunSpec:
    """The spec of a run as a draft of the next; SpecError if there is no such run."""
    found = runs.store().run(run).spec
    name = found.name if found.name.startswith("Copy of ") else f"Copy of {found.name or run}"
    return found.model_copy(update={"name": name[:120]})


def memory(preset: str, embedder: str, options: Mapping[str, Any], *, kept: RunSpec | None = None) -> dict[str, Any]:
    """The memory of a preset, or of ``kept`` as it is, with this embedder, as plain data."""
    if kept is None and preset not in PRESETS:
        raise SpecError(unknown("preset", preset, PRESETS), field="preset")
    body = (kept.memory if kept is not None else PRESETS[preset]).model_dump()
    return {**body, "embedder": embedder, "embedder_options": dict(options)}


def is_custom(spec: RunSpec) -> bool:
    """Whether the memory differs from the preset whose name it carries, apart from the embedder."""
    plain = {"embedder", "embedder_options"}
    known = PRESETS.get(spec.preset)
    return known is None or spec.memory.model_dump(exclude=plain) != known.model_dump(exclude=plain)


def read_aliases(typed: str, tickers: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """``AAPL: iPhone, Tim Cook`` line by line; SpecError (field ``masking.aliases``) names the line and its cure."""
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(typed.splitlines(), 1):
        if not line.strip():
            continue
        ticker, colon, words = line.partition(":")
        ticker = ticker.strip().upper()
        if not colon:
            raise SpecError(f"Line {number} has no colon; write it like AAPL: iPhone, Tim Cook.", field="masking.aliases")
        if ticker not in tickers:
            raise SpecError(f"Line {number}: {unknown('ticker', ticker, tickers)}", field="masking.aliases")
        given = [word.strip() for word in words.split(",") if word.strip()]
        found[ticker] = tuple(dict.fromkeys([*found.get(ticker, ()), *given]))
    return {ticker: words for ticker, words in found.items() if words}


def aliases_text(aliases: Mapping[str, Sequence[str]]) -> str:
    """The same aliases as a person types them."""
    return "\n".join(f"{ticker}: {', '.join(words)}" for ticker, words in aliases.items())


# ------------------------------------------------------------------------------------------------------- what it would be


def estimate_s(spec: RunSpec, sessions: int) -> float | None:
    """Seconds the run would take at the pace of the newest run with the same strategy, model and embedder; None if none was measured."""
    model = spec.backend_options.get("model")
    for row in runs.store().runs():
        same = row.strategy == spec.strategy and row.backend == spec.backend and row.sessions_done >= 5
        if not same or row.spec.backend_options.get("model") != model or row.spec.memory.embedder != spec.memory.embedder:
            continue
        days = runs.store().day_rows(row.id, columns=["ms", "model_ms", "cached"])
        asked = days[days["cached"] == 0]  # an answer from the cache says nothing about the model's pace
        days = (asked if len(asked) else days).tail(MEASURED_DAYS)
        return float((days["ms"] + days["model_ms"]).mean()) / 1000 * sessions * len(spec.tickers)
    return None
