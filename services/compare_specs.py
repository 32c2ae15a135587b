"""What differs between the settings of the compared, and between what they were really run with: models, wording, windows, data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.decision import prompt_set
from agent.decision.prompt_set import Difference
from services import prompts
from services.compare import Comparison, Side
from services.queries import RunView

NOTHING = "–"


@dataclass(frozen=True)
class Setting:
    """One dotted name of a spec, or one fact of how runs were made: what each side has, by item, in words."""

    name: str
    values: Mapping[str, str]
    help: str = ""

    @property
    def differs(self) -> bool:
        return len(set(self.values.values())) > 1


def settings(found: Comparison) -> tuple[Setting, ...]:
    """Every field of the specs by dotted name, in the order of the specs; the name is left out. A seed group shows all its seeds."""
    flat = {side.item: {**flattened(side.view), "seed": ", ".join(map(str, side.seeds))} for side in found.runs}
    names = list(dict.fromkeys(name for values in flat.values() for name in values))
    return tuple(Setting(name, {item: values.get(name, NOTHING) for item, values in flat.items()}) for name in names)


def flattened(view: RunView) -> dict[str, str]:
    """The spec as dotted names and words: ``memory.layers.short.top_k`` is ``5``."""
    body = view.spec.model_dump(mode="json", exclude={"name"})
    body["memory"]["layers"] = {layer["name"]: {k: v for k, v in layer.items() if k != "name"} for layer in body["memory"]["layers"]}
    return dict(_leaves("", body))


def _leaves(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        return [leaf for key, part in value.items() for leaf in _leaves(f"{name}.{key}" if name else str(key), part)]
    return [(name, _word(value))]


def _word(value: Any) -> str:
    if value is None or value == "" or value == {} or value == []:
        return NOTHING
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list) and all(isinstance(part, str | int | float) for part in value):
        return ", ".join(f"{part}" for part in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# ---------------------------------------------------------------------------------------------------- how they were really run


def _model(view: RunView, name: str) -> str:
    found = (view.provenance.get("model") or {}).get(name)
    return _word(found)


def _budget(view: RunView) -> str:
    budget = (view.provenance.get("model") or {}).get("budget") or {}
    return f"{budget['window']:,} tokens, {budget.get('answer', 0):,} of them for the answer" if "window" in budget else NOTHING


def _ways(view: RunView) -> str:
    ways = view.summary.get("ways") or {}
    return ", ".join(f"{way} on {days} days" for way, days in ways.items()) or _model(view, "way")


def _prompts(view: RunView) -> str:
    kept = view.provenance.get("prompts")
    return _word(kept.get("hash") if isinstance(kept, Mapping) else kept)


_FACTS: tuple[tuple[str, Callable[[RunView], str], str], ...] = (
    ("decided by", lambda view: view.model_label, "Backend and model, or the strategy without one."),
    (
        "model digest",
        lambda view: _model(view, "digest"),
        "Hash of the model's weights as its server reports it; of the rules, of their constants.",
    ),
    ("quantisation", lambda view: _model(view, "quantisation"), "As the server reports it."),
    ("server version", lambda view: _model(view, "server_version"), "What ran the model."),
    ("answers bound by", _ways, "How answers were held to their form; test days each."),
    ("window", _budget, "Room of a question and its answer."),
    ("prompt wording", _prompts, "Hash of all templates as the run was asked with."),
    ("data", lambda view: _word(view.provenance.get("data")), "Hash of everything the run could read; other windows have another hash."),
    ("recollect", lambda view: _word(view.provenance.get("recollect")), "Version of this program."),
    ("python", lambda view: _word(view.provenance.get("python")), "Version of Python."),
)


def circumstances(found: Comparison) -> tuple[Setting, ...]:
    """What provenance says of each: of a group, every different value among its runs."""
    return tuple(
        Setting(name, {side.item: " / ".join(dict.fromkeys(read(member.view) for member in side.members)) for side in found.runs}, help_)
        for name, read, help_ in _FACTS
    )


# ---------------------------------------------------------------------------------------------------------------------- wording


def worded(side: Side) -> bool:
    """Whether the side asked with a wording at all: a strategy without a model did not."""
    return _prompts(side.view) != NOTHING


def wording(one: Side, other: Side) -> tuple[Difference, ...]:
    """The templates that changed from the one to the other, line by line. SpecError if a run did not keep the texts it was asked with."""
    if _prompts(one.view) == _prompts(other.view) != NOTHING:
        return ()
    first, second = (prompts.wording(f"run:{side.id}").completed() for side in (one, other))
    return tuple(item for item in prompt_set.diff(first, second) if item.state != "same")
