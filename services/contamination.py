"""Does a model already know the days it is tested on? One answer per run, for a banner.

Promise: nothing is fetched and nothing written; a run of which the cut-off is not known is called unknown, never clean. Days are counted as
weekdays of the test window, which differ from its sessions by the few holidays.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np

from agent.llm.cutoffs import Cutoff, cutoff_of
from agent.records import Record
from agent.spec import RunSpec, Window
from agent.strategies import STRATEGIES

Level = Literal["inside", "partly", "margin", "after", "unknown", "no model"]
MARGIN_DAYS = 90  # texts about the last weeks before a cut-off go on being written, and cut-offs are stated by the month
RULES = "rules"
MADE_UP = "demo"
_WORST_FIRST: tuple[Level, ...] = ("inside", "partly", "unknown", "margin", "after", "no model")


class Known(Record):
    """One model of a run. Shares are fractions of the test window's weekdays and add up to 1; None where the cut-off is not known."""

    role: Literal["decides", "helps"]
    model: str
    cutoff: Cutoff | None = None
    level: Level
    before: float | None = None
    margin: float | None = None
    after: float | None = None


class Contamination(Record):
    """The verdict on a run. ``sentence`` is empty where there is nothing to say (no model)."""

    level: Level
    sentence: str = ""
    models: tuple[Known, ...] = ()

    @property
    def warns(self) -> bool:
        """Whether a banner should be shown as a warning."""
        return self.level in ("inside", "partly", "margin", "unknown")


def judge(spec: RunSpec, provenance: Mapping[str, Any] | None = None, *, edited: Mapping[str, Cutoff] | None = None) -> Contamination:
    """What the models of a run knew beforehand. ``edited``: cut-offs that a person entered; None reads them from this machine.

    A market that was made up is known to no model.
    """
    if spec.source == MADE_UP:
        return Contamination(level="no model")
    known = tuple(_about(role, name, spec.test, edited) for role, name in _models(spec, provenance or {}))
    if not known:
        return Contamination(level="no model")
    worst = min(known, key=lambda item: _WORST_FIRST.index(item.level))
    return Contamination(level=worst.level, sentence=_sentence(worst, spec), models=known)


def for_spec(spec: RunSpec, *, edited: Mapping[str, Cutoff] | None = None) -> Contamination:
    """The same before a run is started."""
    return judge(spec, None, edited=edited)


def _models(spec: RunSpec, provenance: Mapping[str, Any]) -> list[tuple[Literal["decides", "helps"], str]]:
    """The language models of a run, as the run itself named them where it has begun."""
    if not STRATEGIES.load(spec.strategy).needs_model:
        return []
    found: list[tuple[Literal["decides", "helps"], str]] = []
    if spec.backend != RULES:
        found.append(("decides", _name(provenance, ("backend", "model"), spec.backend, spec.backend_options)))
    if spec.helper is not None and spec.helper.backend != RULES:
        found.append(("helps", _name(provenance, ("helper",), spec.helper.backend, spec.helper.options)))
    return found


def _name(provenance: Mapping[str, Any], keys: tuple[str, ...], backend: str, options: Mapping[str, Any]) -> str:
    for key in keys:
        kept = provenance.get(key)
        if isinstance(kept, Mapping) and isinstance(kept.get("model"), str) and kept["model"]:
            return str(kept["model"])
    given = options.get("model")
    return given if isinstance(given, str) and given else _default_model(backend)


def _default_model(backend: str) -> str:
    """The model that a backend takes where a spec names none; empty where the server decides."""
    from agent.llm import BACKENDS

    if backend not in BACKENDS:
        return ""
    fields = getattr(BACKENDS.load(backend), "Options").model_fields  # noqa: B009 - the protocol has it on instances
    default = fields["model"].default if "model" in fields else ""
    return default if isinstance(default, str) else ""


def _about(role: Literal["decides", "helps"], name: str, window: Window, edited: Mapping[str, Cutoff] | None) -> Known:
    mine = _edited() if edited is None else edited
    cutoff = cutoff_of(name, mine)
    last = cutoff.last_day if cutoff else None
    if last is None:
        return Known(role=role, model=name, cutoff=cutoff, level="unknown")
    days = _weekdays(window.start, window.end)
    before = _weekdays(window.start, min(window.end, last))
    near = _weekdays(max(window.start, last + timedelta(days=1)), min(window.end, last + timedelta(days=MARGIN_DAYS)))
    level: Level = "inside" if before == days else "partly" if before else "margin" if near else "after"
    shares = {"before": before / days, "margin": near / days, "after": (days - before - near) / days} if days else {}
    return Known(role=role, model=name, cutoff=cutoff, level=level if days else _of_a_weekend(window.start, last), **shares)


def _of_a_weekend(day: date, last: date) -> Level:
    """A window without a weekday is judged by its first day."""
    return "inside" if day <= last else "margin" if day <= last + timedelta(days=MARGIN_DAYS) else "after"


def _weekdays(start: date, end: date) -> int:
    """Mondays to Fridays, both ends included."""
    return int(np.busday_count(start, end + timedelta(days=1))) if start <= end else 0


def _edited() -> dict[str, Cutoff]:
    from services.models import edited_cutoffs

    return edited_cutoffs()


# --------------------------------------------------------------------------------------------------------------- the sentence


def _sentence(known: Known, spec: RunSpec) -> str:
    who = known.model or "the model that the server chooses"
    if known.role == "helps":
        who = f"{who} (which writes summaries and reflections)"
    window = f"{spec.test.start} to {spec.test.end}"
    if known.level == "unknown" or known.cutoff is None or known.cutoff.last_day is None:
        text = f"The knowledge cut-off of {who} is not known: it may have learnt what happened from {window}. Enter it on the Models page."
    else:
        text = _with_cutoff(known, who, window)
    return text if known.level == "after" or not spec.masking.on else f"{text} {_masked(spec)}"


def _with_cutoff(known: Known, who: str, window: str) -> str:
    assert known.cutoff is not None
    sure = {"stated by vendor": "", "estimated": " (estimated)", "unknown": " (unsure)"}[known.cutoff.sureness]
    until = f"{who} knows the world until {known.cutoff.month}{sure}"
    if known.level == "inside":
        return (
            f"{until}, and the whole test window {window} lies before that: it may remember what happened. A demonstration, not evidence."
        )
    if known.level == "partly":
        share = _percent(known.before)
        return (
            f"{until}: {share} of the test window {window} lie before that, where it may remember what happened. Only the rest is evidence."
        )
    if known.level == "margin":
        share = _percent(known.margin)
        return f"{until}: {share} of the test window {window} lie within {MARGIN_DAYS} days after that, too close to be sure that it knows nothing of them."
    return f"{until}, more than {MARGIN_DAYS} days before the test window {window} begins."


def _percent(share: float | None) -> str:
    """Never 0 % of something that is there, never 100 % of what is not whole."""
    percent = round(100 * (share or 0.0))
    return f"{min(99, max(1, percent)) if 0 < (share or 0.0) < 1 else percent} %"


def _masked(spec: RunSpec) -> str:
    parts = [word for word, on in (("names", spec.masking.names), ("dates", spec.masking.dates), ("prices", spec.masking.prices)) if on]
    hidden = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    return f"The run hides {hidden} from the model; that lessens what it can recognise and does not remove it."
