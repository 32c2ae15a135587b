"""RunSpec: the frozen input of a run. Data only; what it means is built in ``services/wiring.py``."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from agent.decision.options import Digest, Masking
from agent.errors import SpecError
from agent.memory.layers import MemorySpec, preset
from agent.records import Record

FIRST_YEAR, LAST_YEAR = 1900, 2100
PartTable = Literal["news", "filings", "fundamentals"]
Character = Literal["risk_seeking", "risk_averse", "self_adaptive"]


class Window(Record):
    """A range of days, both ends inclusive."""

    start: date
    end: date

    @model_validator(mode="after")
    def _ordered(self) -> Window:
        if self.start > self.end:
            raise ValueError(f"the start {self.start} is after the end {self.end}; swap them")
        if self.start.year < FIRST_YEAR or self.end.year > LAST_YEAR:
            raise ValueError(f"{self.start}..{self.end} is no window of a market; the days lie between {FIRST_YEAR} and {LAST_YEAR}")
        return self


class Execution(Record):
    """How decisions become trades and what that costs."""

    fill: Literal["next_open", "same_close"] = Field(
        "next_open", description="same_close is optimistic: it trades at the very price the decision was made on."
    )
    cash: float = Field(100_000.0, gt=0, description="Start capital in money, split equally among the tickers.")
    commission_bps: float = Field(1.0, ge=0, le=1000, description="Commission in basis points of the traded value.")
    slippage_bps: float = Field(2.0, ge=0, le=1000, description="Buys fill above and sells below the reference price by this much.")
    fractional: bool = Field(True, description="Fractional shares; off rounds down to whole shares.")
    allow_short: bool = Field(False, description="Allow negative weights.")
    stops: bool = Field(False, description="Carry out the stop-loss and take-profit levels of each decision.")


class Profile(Record):
    """Who the agent is."""

    character: Character = Field("risk_seeking", description="risk_seeking, risk_averse, or self_adaptive (by its own last 3 sessions).")
    sector: str = Field(
        "", max_length=400, description="What the agent should know of the business; must not come from after the test start."
    )


class Part(Record):
    """Where one table comes from when it is not the main source; ``none`` leaves the table out."""

    source: str
    options: dict[str, Any] = Field(default_factory=dict)


class Role(Record):
    """A second model, for digests of long texts and for reflections; the decision model does the rest."""

    backend: str = "ollama"
    options: dict[str, Any] = Field(default_factory=dict)


class RunSpec(Record):
    """One experiment."""

    name: str = Field("", max_length=120)
    source: str = "demo"
    source_options: dict[str, Any] = Field(default_factory=dict)
    parts: dict[PartTable, Part] = Field(
        default_factory=dict, description="Tables that come from another source: news, filings, fundamentals."
    )
    tickers: tuple[str, ...] = Field(min_length=1, max_length=50)
    train: Window | None = None
    test: Window
    strategy: str = "memory"
    strategy_options: dict[str, Any] = Field(default_factory=dict)
    backend: str = "rules"
    backend_options: dict[str, Any] = Field(default_factory=dict)
    helper: Role | None = Field(None, description="A second model for digests and reflections; none: the decision model does both.")
    digest: Digest = Digest()
    masking: Masking = Masking()
    prompts: str = Field("default", max_length=60, description="The set of prompt templates.")
    answer_cache: Literal["off", "write-only", "full"] = Field(
        "write-only", description="full: a question that was answered before, to the same model with the same options, is not asked again."
    )
    preset: str = "default"
    memory: MemorySpec = Field(default=None, validate_default=True)  # type: ignore[assignment]
    profile: Profile = Profile()
    execution: Execution = Execution()
    extended_every: int = Field(5, ge=0, le=252, description="Sessions between extended reflections; 0 switches them off.")
    seed: int = Field(7, ge=0, lt=2**31)
    baseline: str = Field("", max_length=60, description="The yardstick that this run is, where it was added to another run; else empty.")

    @model_validator(mode="before")
    @classmethod
    def _memory_from_preset(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("memory") is None:
            data = {**data, "memory": preset(data.get("preset", "default"))}
        return data

    @field_validator("tickers")
    @classmethod
    def _tickers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        clean = tuple(t.strip().upper() for t in value)
        if any(not t for t in clean):
            raise ValueError("a ticker is empty; separate tickers by commas")
        if len(set(clean)) != len(clean):
            raise ValueError(f"a ticker is named twice: {', '.join(clean)}")
        return clean

    @model_validator(mode="after")
    def _train_before_test(self) -> RunSpec:
        if self.train and self.train.end >= self.test.start:
            what = "lies after the test window" if self.train.start > self.test.end else "overlaps the test window"
            raise ValueError(
                f"the train window {self.train.start}..{self.train.end} {what} {self.test.start}..{self.test.end}; end training before {self.test.start}"
            )
        return self

    def fingerprint(self) -> str:
        """Hash of everything that can change a decision: the name is left out."""
        return self._hash(UNHASHED)

    def group_key(self) -> str:
        """Hash of the configuration without its seed: runs that share it are repeats of one experiment, a seed group."""
        return self._hash({*UNHASHED, "seed"})

    def market_key(self) -> str:
        """Hash of what was traded, when and at what cost, whoever decided: runs that share it can be ranked against each other."""
        return self._hash(set(type(self).model_fields) - {"source", "source_options", "parts", "tickers", "test", "execution"})

    def _hash(self, left_out: set[str]) -> str:
        # A spec from before there was such a field keeps its fingerprint.
        default = {
            name for name in LATER_FIELDS if getattr(self, name) == type(self).model_fields[name].get_default(call_default_factory=True)
        }
        body = json.dumps(self.model_dump(mode="json", exclude=left_out | default), sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()

    @classmethod
    def read(cls, data: Any) -> RunSpec:
        """A RunSpec from plain data; anything wrong is one SpecError that names each field."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise explain(error) from None


UNHASHED = {"name", "answer_cache", "baseline"}  # what cannot change a decision
LATER_FIELDS = ("parts", "helper", "digest", "masking", "prompts")
LONGEST_LIST = 8  # findings in one sentence
PLAIN = {  # where pydantic's words speak of Python and not of the file
    "tuple_type": "must be a list, such as [AAPL, MSFT]",
    "string_type": "must be text; in YAML put words like NO and numbers in quotes",
    "model_type": "must be an object of keys and values, such as {start: 2022-01-03, end: 2022-12-30} for a window",
}


def explain(error: ValidationError) -> SpecError:
    """Pydantic's findings as one plain sentence per field."""
    lines, first = [], ""
    for item in error.errors():
        field = ".".join(str(part) for part in item["loc"]) or "spec"
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "is not a known key; remove it or check its spelling"
        elif item["type"] == "missing":
            message = "is missing"
        elif item["type"] == "too_long" and "actual_length" in item.get("ctx", {}):
            message = f"takes at most {item['ctx']['max_length']}, and these are {item['ctx']['actual_length']}"
        else:
            message = PLAIN.get(item["type"], message)
        lines.append(f"{field}: {message}")
        first = first or field
    if len(lines) > LONGEST_LIST:
        lines[LONGEST_LIST:] = [f"and {len(lines) - LONGEST_LIST} more"]
    return SpecError("; ".join(lines), field=first)
