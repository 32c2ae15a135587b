"""What a character may do: enforced limits, so that "risk-averse" is more than a word in a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.errors import SpecError
from agent.registry import unknown

Resolved = Literal["risk_seeking", "risk_averse"]


@dataclass(frozen=True)
class Limits:
    """The enforceable side of a character; all numbers are fractions."""

    character: Resolved
    max_weight: float
    min_confidence: float
    default_stop_pct: float
    weight_for: float
    weight_against: float


CHARACTERS: dict[str, Limits] = {
    "risk_seeking": Limits("risk_seeking", 1.00, 0.50, 0.08, 1.0, 0.8),
    "risk_averse": Limits("risk_averse", 0.50, 0.65, 0.04, 0.8, 1.2),
}


def limits(character: str) -> Limits:
    """The limits of a character that has been resolved for the day."""
    if character not in CHARACTERS:
        raise SpecError(unknown("character", character, CHARACTERS), field="profile.character")
    return CHARACTERS[character]


def three_session_return(recent_equity: Sequence[float]) -> float | None:
    """Own equity over the equity three closes earlier, minus 1; None with fewer than four closes (newest last)."""
    if len(recent_equity) < 4 or recent_equity[-4] <= 0:
        return None
    return recent_equity[-1] / recent_equity[-4] - 1


def resolve_character(character: str, recent_equity: Sequence[float]) -> Resolved:
    """Who the agent is today. ``self_adaptive`` turns risk-averse while its last three sessions lost money, and starts risk-seeking."""
    if character != "self_adaptive":
        if character not in CHARACTERS:
            raise SpecError(unknown("character", character, (*CHARACTERS, "self_adaptive")), field="profile.character")
        return CHARACTERS[character].character
    change = three_session_return(recent_equity)
    return "risk_averse" if change is not None and change < 0 else "risk_seeking"


def clip(
    weight: float, *, character: str = "", held: float = 0.0, confidence: float | None = None, allow_short: bool = False
) -> tuple[float, tuple[str, ...]]:
    """The target weight that is allowed, and which limits changed it (none: an empty tuple): confidence, no shorts, max weight.

    Too little confidence keeps the weight ``held``. A position that outgrew its maximum by price alone may be kept or reduced to any
    weight, but not enlarged. Without a character (a rule, a baseline) only the whole equity is the limit.
    """
    rules = limits(character) if character else None
    if rules and confidence is not None and confidence < rules.min_confidence and weight != held:
        return held, ("confidence",)
    most = rules.max_weight if rules else 1.0
    reasons = []
    if weight < 0 and not allow_short:
        weight = 0.0
        reasons.append("no shorts")
    allowed = min(max(weight, min(-most, held)), max(most, held))
    if allowed != weight:
        reasons.append("max weight")
    return allowed, tuple(reasons)
