"""A run taken in from an export: the folder or zip that ``services.exports`` wrote here or on another machine.

The promise: every page shows the imported run as the one it came from, or the import fails with the file and the line at fault and
leaves nothing. Days go through the same checks as those that a worker records; figures and the leak report are counted anew from them,
so that an export cannot claim what its days do not show.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import secrets
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar, get_args

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from agent.errors import RecollectError, SpecError
from agent.evaluation.leaks import Tally
from agent.records import DayRecord
from agent.spec import RunSpec
from services import annotations as written
from services import queries, runs
from services.archive import MANIFEST, Bundle, opened
from services.exports import FORMAT
from storage.restore import Facts, Scratch

NEEDED = (MANIFEST, "spec.json", "days.jsonl", "vectors.npz", "annotations.json")
LONGEST_LINE = 64 * 2**20  # bytes of one day
LARGEST_JSON = 64 * 2**20  # bytes of the manifest, the spec or the annotations
MOST_ANNOTATIONS = 20_000
STATUSES = ("queued", "running", "paused", "done", "failed", "cancelled", "interrupted")
COUNTED = ("days.jsonl", "memory_events.jsonl", "llm_calls.jsonl", "trades.csv")  # whose rows can be counted from the days
OnDay = Callable[[int, int], None]
T = TypeVar("T", bound=BaseModel)


class _Loose(BaseModel):
    """What is known of it has to be of its kind; the rest is kept as it is."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class _Budget(_Loose):
    window: int = 0
    answer: int = 0


class _Model(_Loose):
    name: str = ""
    label: str = ""
    model: str = ""
    digest: str = ""
    notes: list[str] = []
    options: dict[str, Any] = {}
    budget: _Budget | None = None


class _Provenance(_Loose):
    recollect: str = ""
    python: str = ""
    packages: dict[str, str] = {}
    note: str = ""
    issues: list[str] = []
    undated: dict[str, int] | None = None
    backend: _Model = _Model()
    model: _Model | None = None
    helper: _Model | None = None


class _Manifest(_Loose):
    format: int
    run: str = Field(min_length=1, max_length=80)
    name: str = Field("", max_length=120)
    status: Literal["queued", "running", "paused", "done", "failed", "cancelled", "interrupted"]
    error: str = Field("", max_length=1_000_000)
    fingerprint: str = ""
    provenance: dict[str, Any] = {}  # kept as it is: the order of names in a mask means something
    imported: dict[str, Any] | None = None
    summary: dict[str, Any] = {}
    sessions_total: int = Field(0, ge=0, lt=10**9)
    rows: dict[str, int] = {}
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["note", "tag", "bookmark"]
    ticker: str = ""
    day: date | None = None
    memory: int | None = None
    text: str = ""
    at: AwareDatetime
    edited_at: AwareDatetime | None = None


@dataclass(frozen=True)
class Found:
    """What an export holds, as it says itself; ``problems`` are sentences that would make an import fail."""

    run: str = ""
    name: str = ""
    status: str = ""
    decided_by: str = ""
    tickers: tuple[str, ...] = ()
    window: tuple[date, date] | None = None
    days: int = 0
    annotations: int = 0
    size: int = 0  # bytes, unpacked
    created_at: datetime | None = None
    here: str = ""  # a run of the same name in the library: the same one, or it keeps its id and the new one gets another
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


@dataclass(frozen=True)
class Imported:
    """The run in the library. ``already``: it was there, to the last digit, so nothing was changed. ``notes``: what to know."""

    run: str
    already: bool = False
    days: int = 0
    notes: tuple[str, ...] = ()


def inspect(source: Path | BinaryIO) -> Found:
    """A look at what would be taken in, without opening the days. Never raises for a bad export: that is in ``problems``."""
    try:
        with opened(source) as bundle:
            manifest, spec = _manifest(bundle), _spec(bundle)
            _complete(bundle)
            label = _Provenance.model_validate(manifest.provenance).backend
            return Found(
                run=manifest.run,
                name=manifest.name or manifest.run,
                status=manifest.status,
                decided_by=label.label or label.model or f"{spec.strategy}, {spec.backend}",
                tickers=spec.tickers,
                window=(spec.test.start, spec.test.end),
                days=manifest.rows.get("days.jsonl", 0),
                annotations=manifest.rows.get("annotations.json", 0),
                size=sum(bundle.sizes.values()),
                created_at=manifest.created_at,
                here=manifest.run if manifest.run in {row.id for row in runs.store().runs()} else "",
            )
    except RecollectError as error:
        return Found(problems=(str(error),))


def load(source: Path | BinaryIO, *, name: str | None = None, on_day: OnDay | None = None) -> Imported:
    """Take the run in. It keeps its id where that is free. SpecError names the file and line at fault; then nothing is left behind.

    ``on_day`` is told the days read and the days there are.
    """
    with opened(source) as bundle:
        manifest, spec = _manifest(bundle), _spec(bundle)
        _complete(bundle)
        if name is not None and len(name) > 120:
            raise SpecError(f"A name has at most 120 characters; this one has {len(name)}.", field="name")
        run = _free_id(manifest.run)
        with tempfile.TemporaryDirectory(prefix="recollect-import-") as folder, Scratch(Path(folder), spec, run) as scratch:
            alike = [row.id for row in runs.store().runs() if row.fingerprint == spec.fingerprint()]
            read = _Read(bundle, manifest, spec, content=hashlib.sha256() if alike else None)
            for number, record in read.days(run, on_day):
                try:
                    scratch.append(record, read.born(record))
                except SpecError as error:
                    raise _at("days.jsonl", number, error) from None
            read.finish()
            scratch.annotate(read.annotations(run))
            if twin := _twin(alike, read):
                return Imported(twin, already=True, days=read.count, notes=("Nothing was changed; notes of the archive were not added.",))
            store = scratch.closed()
            try:
                summary, notes = _summary(store, run, manifest, read)
            finally:
                store.close()
            scratch.keep(runs.store().url, _facts(manifest, spec, name, summary, notes))
    return Imported(run, days=read.count, notes=tuple(notes))


# ---------------------------------------------------------------------------------------------------- what an export says of itself


def _manifest(bundle: Bundle) -> _Manifest:
    body = _object(bundle, MANIFEST)
    number = body.get("format")
    if not isinstance(number, int) or isinstance(number, bool):
        raise SpecError(f"{MANIFEST} does not say in which format the export is; this is not an export of a run", field="format")
    if number > FORMAT:
        raise SpecError(
            f"the export is in format {number}; this Recollect reads up to {FORMAT}. Update Recollect, then import it again.",
            field="format",
        )
    if number < 2:
        raise SpecError(
            f"the export is in format {number}, which had no vectors of the memories. Export the run again with this Recollect.",
            field="format",
        )
    _checked(_Provenance, body.get("provenance", {}), f"{MANIFEST}, provenance")
    return _checked(_Manifest, body, MANIFEST)


def _spec(bundle: Bundle) -> RunSpec:
    body = _object(bundle, "spec.json")
    try:
        return RunSpec.read(body)
    except SpecError as error:
        raise SpecError(f"spec.json: {_short(str(error))}", field="spec.json") from None


def _complete(bundle: Bundle) -> None:
    if missing := [name for name in NEEDED if name not in bundle.sizes]:
        raise SpecError(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; export the run again", field=missing[0])


def _object(bundle: Bundle, name: str) -> dict[str, Any]:
    raw = bundle.read(name, most=LARGEST_JSON)
    try:
        body = json.loads(raw)
    except RecursionError:
        raise SpecError(f"{name} is nested too deeply", field=name) from None
    except ValueError as error:  # also not UTF-8
        raise SpecError(f"{name} is not JSON: {_short(str(error))}", field=name) from None
    if not isinstance(body, dict):
        raise SpecError(f"{name} must hold one object of keys and values", field=name)
    return body


def _checked(kind: type[T], body: Any, where: str) -> T:
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise SpecError(f"{where}: {_first(error)}", field=where) from None
    except RecursionError:
        raise SpecError(f"{where} is nested too deeply", field=where) from None


def _first(error: ValidationError) -> str:
    """The first finding, without the value that was found: that is somebody else's text and may be long."""
    item = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return _short(f"{'.'.join(str(part)[:60] for part in item['loc']) or 'it'}: {item['msg']}")


def _short(words: str, most: int = 300) -> str:
    kept = "".join(char if char.isprintable() else " " for char in words[: most + 1])
    return kept if len(kept) <= most else f"{kept[: most - 1]}…"


# ------------------------------------------------------------------------------------------------------------------ its days


@dataclass
class _Read:
    """The export while it is read: what is counted, known and still to be claimed."""

    bundle: Bundle
    manifest: _Manifest
    spec: RunSpec
    count: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    sessions: set[tuple[str, date]] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)
    cost: float | None = None
    content: Any = None  # a hash that grows with the days, where there is a run to compare with

    def __post_init__(self) -> None:
        self.vectors = _vectors(self.bundle, self.spec)
        self.layers = {layer.name for layer in self.spec.memory.layers}
        self.claimed: set[tuple[str, int]] = set()

    def days(self, run: str, on_day: OnDay | None) -> Iterator[tuple[int, DayRecord]]:
        """Every day in its order with its line, as it will be stored under the id ``run``."""
        expected = self.manifest.rows.get("days.jsonl", 0)
        for number, line in _lines(self.bundle, "days.jsonl"):
            try:
                record = self._day(line)
                self._note(record)
            except (SpecError, ValidationError) as error:
                raise _at("days.jsonl", number, error) from None
            yield number, record if record.run == run else record.model_copy(update={"run": run})
            if on_day:
                on_day(self.count, expected)

    def _day(self, line: bytes) -> DayRecord:
        record = DayRecord.model_validate_json(line)
        if record.run != self.manifest.run:
            raise SpecError(f"it is of run {_short(record.run, 80)!r}, the manifest of {self.manifest.run!r}")
        if record.ticker not in self.spec.tickers:
            raise SpecError(f"it is of {_short(record.ticker, 40)!r}, which the spec does not trade")
        seen = record.observation
        if (seen.ticker, seen.session) != (record.ticker, record.day):
            raise SpecError("it observes another ticker or session than its own")
        if naive := _without_zone(record):
            raise SpecError(f"{naive} does not say its time zone")
        for event in record.thought.memory_events:
            if event.after.layer not in self.layers:
                raise SpecError(f"a memory is in layer {_short(event.after.layer, 40)!r}, which the spec does not have")
        return record

    def _note(self, record: DayRecord) -> None:
        thought = record.thought
        self.count += 1
        counts = {"days.jsonl": 1, "memory_events.jsonl": len(thought.memory_events), "llm_calls.jsonl": len(thought.calls)}
        self.rows.update({**counts, "trades.csv": len(record.fills)})
        self.sessions.add((record.ticker, record.day))
        self.tally.add(record)
        for call in thought.calls:
            said = call.completion
            if said is not None and "cost_usd" in said.options and not said.cached:
                cost = said.options["cost_usd"]
                if isinstance(cost, bool) or not isinstance(cost, (int, float)):
                    raise SpecError("the cost of an answer is not a number")
                self.cost = (self.cost or 0.0) + cost
        if self.content is not None:
            _digest(self.content, record)

    def born(self, record: DayRecord) -> dict[int, np.ndarray]:
        """The vectors of the memories that this day remembered."""
        ids = [event.memory_id for event in record.thought.memory_events if event.kind == "remembered"]
        found = {id: self.vectors[record.ticker, id] for id in ids if (record.ticker, id) in self.vectors}
        self.claimed |= {(record.ticker, id) for id in found}
        return found

    def finish(self) -> None:
        """What can be said only at the end: the counts of the manifest, and vectors that belong to nothing."""
        for name in COUNTED:
            said = self.manifest.rows.get(name)
            if said != self.rows[name]:
                raise SpecError(f"{name}: the manifest counts {said} rows, the days give {self.rows[name]}; a file is cut off", field=name)
        if strange := self.vectors.keys() - self.claimed:
            ticker, id = min(strange)
            raise SpecError(f"vectors.npz: {len(strange)} vectors belong to no memory, such as {id} of {ticker}", field="vectors.npz")

    def annotations(self, run: str) -> Iterator[written.Annotation]:
        """Notes, tags and bookmarks with the limits that hold here."""
        body = _object(self.bundle, "annotations.json").get("annotations")
        if not isinstance(body, list) or len(body) > MOST_ANNOTATIONS:
            raise SpecError(
                f"annotations.json must hold a list of at most {MOST_ANNOTATIONS:,} under 'annotations'", field="annotations.json"
            )
        for number, raw in enumerate(body, 1):
            item = _checked(_Written, raw, f"annotations.json, number {number}")
            try:
                yield written.Annotation(0, self._place(run, item), item.kind, _text(item), item.at, item.edited_at)
            except SpecError as error:
                raise SpecError(f"annotations.json, number {number}: {error}", field="annotations.json") from None

    def _place(self, run: str, item: _Written) -> written.Place:
        found = written.place(run, item.ticker, day=item.day, memory=item.memory)
        if found.day is not None and (found.ticker, found.day) not in self.sessions:
            raise SpecError(f"the run has no day {found.day} of {_short(found.ticker, 40)}")
        if found.memory is not None and (found.ticker, found.memory) not in self.claimed:
            raise SpecError(f"the run has no memory {found.memory} of {_short(found.ticker, 40)}")
        return found


def _text(item: _Written) -> str:
    return {"note": written.note_text, "tag": written.tag_text, "bookmark": lambda text: ""}[item.kind](item.text)


def _lines(bundle: Bundle, name: str) -> Iterator[tuple[int, bytes]]:
    with bundle.open(name) as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), 1):
            if len(line) > LONGEST_LINE:
                raise SpecError(f"{name}, line {number}: longer than {LONGEST_LINE // 2**20} MiB, which no day is", field=name)
            yield number, line


def _at(name: str, number: int, error: Exception) -> SpecError:
    words = _first(error) if isinstance(error, ValidationError) else _short(str(error), 500)
    return SpecError(f"{name}, line {number}: {words}", field=name)


def _without_zone(value: Any, where: str = "") -> str:
    """The name of the first moment in a record that does not say its zone; empty if all do."""
    if isinstance(value, datetime):
        return where if value.tzinfo is None else ""
    if isinstance(value, BaseModel):
        return next((found for name in _moments(type(value)) if (found := _without_zone(getattr(value, name), name))), "")
    if isinstance(value, tuple):
        return next((found for item in value if (found := _without_zone(item, where))), "")
    return ""


@lru_cache
def _moments(kind: type[BaseModel]) -> tuple[str, ...]:
    """The fields of a record in which a moment may stand, however deep; all others need not be looked at."""
    return tuple(name for name, field in kind.model_fields.items() if _may_hold(field.annotation))


def _may_hold(annotation: Any) -> bool:
    if isinstance(annotation, type):
        return annotation is datetime or (issubclass(annotation, BaseModel) and bool(_moments(annotation)))
    return any(_may_hold(part) for part in get_args(annotation))


def _digest(content: Any, record: DayRecord) -> None:
    """A day added to the fingerprint of what a run did; the run's own id is left out."""
    content.update(record.model_copy(update={"run": ""}).model_dump_json().encode())


# --------------------------------------------------------------------------------------------------------------------- vectors


def _vectors(bundle: Bundle, spec: RunSpec) -> dict[tuple[str, int], np.ndarray]:
    """(ticker, id) to its float32 vector. Read by hand: numpy's own reader believes what a file says of its size."""
    name = "vectors.npz"
    with bundle.open(name) as file:
        raw = file.read(bundle.sizes[name] + 1)
        with zipfile.ZipFile(io.BytesIO(raw)) as members:
            parts = {part: _array(members, part) for part in ("ids", "tickers", "vectors")}
    ids, tickers, vectors = parts["ids"], parts["tickers"], parts["vectors"]
    shapes = (ids.ndim, tickers.ndim, vectors.ndim) == (1, 1, 2) and len(ids) == len(tickers) == len(vectors)
    if not shapes or (ids.dtype.str, tickers.dtype.kind, vectors.dtype.str) != ("<i8", "U", "<f4"):
        raise SpecError(f"{name} must hold ids (int64), tickers (text) and vectors (float32), one row each", field=name)
    if not np.isfinite(vectors).all():
        raise SpecError(f"{name} holds numbers that are not finite", field=name)
    found = {(str(ticker), int(id)): row for ticker, id, row in zip(tickers, ids, vectors, strict=True)}
    if len(found) != len(ids) or not {ticker for ticker, _ in found} <= set(spec.tickers):
        raise SpecError(f"{name} holds a vector twice, or vectors of a ticker that the spec does not trade", field=name)
    return found


def _array(members: zipfile.ZipFile, part: str) -> np.ndarray:
    """One array of the file; ValueError if it is not what its header says."""
    try:
        entry = members.getinfo(f"{part}.npy")
    except KeyError:
        raise SpecError(f"vectors.npz has no array {part!r}", field="vectors.npz") from None
    if entry.compress_type != zipfile.ZIP_STORED:
        raise SpecError("vectors.npz is packed in a way that no export is", field="vectors.npz")
    body = io.BytesIO(members.read(entry))
    version = np.lib.format.read_magic(body)
    if version != (1, 0):
        raise SpecError("vectors.npz is of a version that no export is", field="vectors.npz")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(body)
    count = math.prod(shape)
    if dtype.hasobject or fortran or dtype.itemsize == 0 or count * dtype.itemsize != len(body.getbuffer()) - body.tell():
        raise SpecError(f"vectors.npz: the array {part!r} is not as long as it says", field="vectors.npz")
    return np.frombuffer(body.getvalue(), dtype, count, body.tell()).reshape(shape)


# ------------------------------------------------------------------------------------------------------------- into the library


def _free_id(wanted: str) -> str:
    """The id of the original if nothing here has it, else a new one. SpecError if it cannot name a run."""
    from storage.run_store import checked_run_id

    taken = {row.id for row in runs.store().runs()}
    if checked_run_id(wanted) not in taken:
        return wanted
    return next(made for made in iter(lambda: f"r{secrets.token_hex(4)}", "") if made not in taken)


def _twin(alike: Iterable[str], read: _Read) -> str:
    """The one of these runs that is the same to the last digit, wall clock included; empty if there is none."""
    for id in alike:
        if runs.store().run(id).sessions_done != read.count:
            continue
        known = hashlib.sha256()
        for record in runs.store().records(id):
            _digest(known, record)
        if known.hexdigest() == read.content.hexdigest() and (read.count or id == read.manifest.run):
            return id
    return ""


def _summary(store: Any, run: str, manifest: _Manifest, read: _Read) -> tuple[dict[str, Any], list[str]]:
    """The figures counted anew from the days, what cannot be counted kept as it was, and a note where the export said otherwise."""
    given = manifest.summary
    if not given and not read.count:
        return {}, []
    read.tally.stopped = _stopped(given)
    counted = {**queries.summary(store, run), "leaks": _leaks(read.tally, manifest)}
    if read.cost is not None:
        counted["cost_usd"] = round(read.cost, 9)
    unlike = sorted(key for key, value in counted.items() if key in given and not _close(given[key], value))
    notes = [f"The export gave other figures than its days do; these were counted anew: {', '.join(unlike)}."] if unlike else []
    return {**given, **counted}, notes


def _stopped(given: Mapping[str, Any]) -> str:
    kept = given.get("leaks")
    words = kept.get("stopped", "") if isinstance(kept, Mapping) else ""
    return words if isinstance(words, str) else ""


def _leaks(tally: Tally, manifest: _Manifest) -> dict[str, Any]:
    return tally.report(undated=manifest.provenance.get("undated")).model_dump(mode="json", exclude_defaults=True)


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, (int, float)) and isinstance(other, (int, float)) and not isinstance(one, bool):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == other)


def _facts(manifest: _Manifest, spec: RunSpec, name: str | None, summary: dict[str, Any], notes: list[str]) -> Facts:
    """The row of the run: as it was, with where it came from. A run that was still at work elsewhere is over here."""
    if manifest.fingerprint != spec.fingerprint():
        notes.append("The export was made with another fingerprint than its spec has; the spec may have been changed by hand.")
    over = manifest.status in ("done", "failed", "cancelled")
    unfinished = f"This run was {manifest.status} when it was exported; here it ends with the days it had then."
    error = manifest.error if over else " ".join(part for part in (unfinished, manifest.error) if part)
    came = {"at": datetime.now(UTC).isoformat(), "from": manifest.run, "format": manifest.format, "status": manifest.status}
    before = {"before": manifest.imported} if manifest.imported else {}
    return Facts(
        name=(name if name is not None else manifest.name),
        status=manifest.status if manifest.status in ("done", "failed", "cancelled") else "cancelled",
        error=error,
        provenance={**manifest.provenance, "imported": {**came, **before, "notes": notes}},
        summary=summary,
        created_at=manifest.created_at,
        started_at=manifest.started_at,
        finished_at=manifest.finished_at,
        sessions_total=manifest.sessions_total,
    )
