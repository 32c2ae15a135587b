"""A batch as a person writes it: one base spec and lists of what to vary, expanded to run specs in an order that never changes.

Promise: what is wrong is one sentence that names the key, and nothing is started on a guess. The order is models, tickers, characters,
presets, prompts, and seeds innermost, so that the repeats of one configuration stand side by side.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import Field, ValidationError, field_validator, model_validator

from agent.errors import SpecError
from agent.llm import BACKENDS
from agent.memory import EMBEDDERS
from agent.memory.layers import PRESETS, preset
from agent.records import Record
from agent.registry import unknown
from agent.spec import Character, RunSpec, explain
from agent.strategies import STRATEGIES
from services import wiring

MOST = 1000  # runs in one batch
MOST_UNASKED = 50  # runs that are started without being confirmed
NO_MODEL = "none"  # the key of a limit for strategies that ask no model
AT_ONCE = {"ollama": 1, "openai_compatible": 4}  # runs at a time where no limit is given; others: one per processor
AXES = ("models", "tickers", "characters", "presets", "prompts", "seeds")


class Model(Record):
    """Who decides: a backend and its options, as ``backend`` and ``backend_options`` of a spec."""

    backend: str
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        """``ollama:qwen3:8b``, or the options beside the backend instead of under ``options``."""
        if isinstance(data, str):
            kind, _, model = data.partition(":")
            return {"backend": kind.strip(), "options": {"model": model.strip()} if model else {}}
        if isinstance(data, Mapping):
            beside = {key: value for key, value in data.items() if key not in ("backend", "options")}
            under = data.get("options") or {}
            if isinstance(under, Mapping):
                return {"backend": data.get("backend"), "options": {**under, **beside}}
        return data


class BatchSpec(Record):
    """What a person asks for. A list that is left out varies nothing: the base's own value is used."""

    name: str = Field("", max_length=60)
    base: dict[str, Any] = Field(default_factory=dict, description="A RunSpec, as for a single run.")
    models: tuple[Model, ...] | None = None
    tickers: tuple[tuple[str, ...], ...] | None = Field(None, description="Each alone, or a list of some traded together.")
    characters: tuple[Character, ...] | None = None
    presets: tuple[str, ...] | None = None
    prompts: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    embedder: str = Field("", description="For all runs, whatever the preset says; such as hashing.")
    embedder_options: dict[str, Any] = Field(default_factory=dict)
    limits: dict[str, int] = Field(default_factory=dict, description="Backend or server address -> runs at the same time.")

    @field_validator("tickers", mode="before")
    @classmethod
    def _groups(cls, value: Any) -> Any:
        return [[item] if isinstance(item, str) else item for item in value] if isinstance(value, (list, tuple)) else value

    @field_validator(*AXES)
    @classmethod
    def _something(cls, value: Any) -> Any:
        if value is not None and not value:
            raise ValueError("the list is empty; name at least one, or leave the key out")
        return value

    @field_validator("limits")
    @classmethod
    def _at_least_one(cls, value: dict[str, int]) -> dict[str, int]:
        for key, most in value.items():
            if most < 1:
                raise ValueError(f"{key} must be 1 or more runs at a time, not {most}")
        return value

    @classmethod
    def read(cls, data: Any) -> BatchSpec:
        """From plain data; anything wrong is one SpecError that names each key."""
        if not isinstance(data, Mapping):
            raise SpecError("A batch must be one object of keys and values, such as base, models, tickers, seeds.", field="batch")
        if strange := [key for key in data if key not in cls.model_fields]:
            raise SpecError(unknown("key of a batch", str(strange[0]), list(cls.model_fields)), field=str(strange[0]))
        try:
            return cls.model_validate(dict(data))
        except ValidationError as error:
            raise explain(error) from None


@dataclass(frozen=True)
class Cell:
    """One run of a batch: its spec and what sets it apart."""

    spec: RunSpec
    labels: dict[str, Any]


def load(path: Path) -> BatchSpec:
    """A batch from a YAML or JSON file."""
    try:
        written = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SpecError(f"The batch file {path} cannot be read ({error.strerror}).", field="batch") from None
    except UnicodeDecodeError:
        raise SpecError(f"The batch file {path} is not text.", field="batch") from None
    return parse(written, where=f"The batch file {path}")


def parse(written: str, *, where: str = "The batch") -> BatchSpec:
    """A batch from text; YAML, of which JSON is a part."""
    import yaml

    try:
        data = yaml.safe_load(written)
    except RecursionError:
        raise SpecError(f"{where} is nested too deeply to be one.", field="batch") from None
    except (ValueError, yaml.YAMLError) as error:
        raise SpecError(f"{where} is not valid YAML: {error}", field="batch") from None
    return BatchSpec.read(data)


def dump(asked: BatchSpec) -> str:
    """The batch as YAML that ``parse`` reads back."""
    import yaml

    data = json.loads(asked.model_dump_json(exclude_defaults=True))
    if "tickers" in data:
        data["tickers"] = [group[0] if len(group) == 1 else group for group in data["tickers"]]
    if "models" in data:
        data["models"] = [{"backend": item["backend"], **item.get("options", {})} for item in data["models"]]
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)


# -------------------------------------------------------------------------------------------------------------- the expansion


def expand(asked: BatchSpec) -> tuple[Cell, ...]:
    """Every run of the batch in order. SpecError: a value no run can have, two cells that are one run, or too many."""
    _known(asked)
    axes = [getattr(asked, axis) or (None,) for axis in AXES]
    count = 1
    for values in axes:
        count *= len(values)
    if count > MOST:
        raise SpecError(f"This batch would be {count:,} runs; at most {MOST:,} fit into one. Make the lists shorter.", field="batch")
    cells = tuple(_cells(asked, axes))
    seen: dict[str, int] = {}
    for number, cell in enumerate(cells, 1):
        first = seen.setdefault(cell.spec.fingerprint(), number)
        if first != number:
            raise SpecError(f"Runs {first} and {number} would be the same run ({says(cell.labels)}); name each value once.", field="batch")
    return cells


def _known(asked: BatchSpec) -> None:
    """Names that lead nowhere, said once and not once per run."""
    for number, model in enumerate(asked.models or (), 1):
        if model.backend not in BACKENDS:
            raise SpecError(unknown("backend", model.backend, list(BACKENDS)), field=f"models.{number}")
        wiring.options(model.backend, BACKENDS.load(model.backend), model.options)
    for name in asked.presets or ():
        if name not in PRESETS:
            raise SpecError(unknown("preset", name, list(PRESETS)), field="presets")
    if asked.embedder and asked.embedder not in EMBEDDERS:
        raise SpecError(unknown("embedder", asked.embedder, list(EMBEDDERS)), field="embedder")
    for key in ("models", "tickers", "seeds"):  # a common slip: the list in the base
        if key in asked.base and key not in RunSpec.model_fields:
            raise SpecError(f"base.{key}: a list to vary stands beside base, not in it.", field=f"base.{key}")


def _cells(asked: BatchSpec, axes: list[Any]) -> Iterator[Cell]:
    varied = {axis for axis, values in zip(AXES, axes, strict=True) if len(values) > 1}
    for number, (model, tickers, character, layers, prompts, seed) in enumerate(itertools.product(*axes), 1):
        data = {**asked.base}
        if model is not None:
            data |= {"backend": model.backend, "backend_options": model.options}
        if tickers is not None:
            data["tickers"] = list(tickers)
        if character is not None:
            profile = data.get("profile") or {}
            if not isinstance(profile, Mapping):
                raise SpecError("base.profile must be an object of keys and values.", field="base.profile")
            data["profile"] = {**profile, "character": character}
        data |= {key: value for key, value in (("prompts", prompts), ("seed", seed)) if value is not None}
        if layers is not None or asked.embedder:
            data |= _memory(asked, data, layers)
        for key, value in (("tickers", "tickers: [AAPL, MSFT]"), ("test", "test: {start: 2022-01-03, end: 2022-12-30}")):
            if not data.get(key):
                raise SpecError(f"The batch says no {key}; write {value}{' in base' if key == 'test' else ''}.", field=key)
        try:
            spec = RunSpec.read(data)
        except SpecError as error:
            raise SpecError(f"Run {number}: {error}", field=error.field) from None
        labels = labels_of(spec)
        apart = [str(labels[name]) for axis, name in LABEL_OF.items() if axis in varied]
        title = " · ".join([asked.name, *apart] if asked.name else apart) or spec.name
        yield Cell(spec.model_copy(update={"name": title[:120]}), labels)


def _memory(asked: BatchSpec, data: Mapping[str, Any], layers: str | None) -> dict[str, Any]:
    """The preset's memory; the embedder is the batch's, else the base's, whatever the preset says."""
    mine = data.get("memory") if isinstance(data.get("memory"), Mapping) else {}
    name = layers or str(data.get("preset", "default"))
    body = dict(mine) if mine and layers is None else preset(name).model_dump()
    if asked.embedder:
        body |= {"embedder": asked.embedder, "embedder_options": asked.embedder_options}
    elif mine and "embedder" in mine:
        body |= {key: mine[key] for key in ("embedder", "embedder_options") if key in mine}
    return {"preset": name, "memory": body}


LABEL_OF = {axis: axis.rstrip("s") if axis != "tickers" else axis for axis in AXES} | {"prompts": "prompts"}


def labels_of(spec: RunSpec) -> dict[str, Any]:
    """What tells the runs of a batch apart, in the words of a table; ``group`` is the same for the repeats of one configuration."""
    asks = STRATEGIES.load(spec.strategy).needs_model
    model = str(spec.backend_options.get("model") or "")
    return {
        "model": (f"{spec.backend} · {model}" if model else spec.backend) if asks else f"strategy {spec.strategy}, no model",
        "tickers": ", ".join(spec.tickers),
        "character": spec.profile.character,
        "preset": spec.preset,
        "prompts": spec.prompts,
        "seed": spec.seed,
        "group": spec.group_key(),
    }


def says(labels: Mapping[str, Any]) -> str:
    """The labels in one line."""
    return " · ".join(str(labels[name]) for name in LABEL_OF.values() if labels.get(name) not in (None, ""))


# ----------------------------------------------------------------------------------------------------------------- the limits


def limits_of(spec: RunSpec, limits: Mapping[str, int]) -> dict[str, int]:
    """Which limits a run is under: that of its backend, given or usual, and that of its server, where one was given."""
    backend = spec.backend if STRATEGIES.load(spec.strategy).needs_model else NO_MODEL
    found = {backend: limits.get(backend, AT_ONCE.get(backend, max(1, os.cpu_count() or 1)))}
    server = _address(str(spec.backend_options.get("base_url") or ""))
    if backend != NO_MODEL and server:
        given = [most for key, most in limits.items() if _address(key) == server]
        found |= {server: min(given)} if given else {}
    return found


def check_limits(asked: BatchSpec, cells: tuple[Cell, ...]) -> None:
    """SpecError for a limit on something that no run of the batch uses: a slip that would go unnoticed."""
    used = set(BACKENDS) | {NO_MODEL} | {_address(str(cell.spec.backend_options.get("base_url") or "")) for cell in cells}
    for key in asked.limits:
        if key not in used and _address(key) not in used:
            raise SpecError(
                f"limits.{key}: {unknown('backend or server of this batch', key, sorted(name for name in used if name))}", field="limits"
            )


def _address(url: str) -> str:
    return url.strip().rstrip("/").removesuffix("/v1").casefold()


CHARACTERS: tuple[str, ...] = get_args(Character)
