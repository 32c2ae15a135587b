"""Memory layers as data: a layer is a row of constants, a preset is a table of rows. No code branches on a name.

Constants and their sources: FinMem (arXiv 2311.13743, equations 1-6), its published repository, INVESTOR-BENCH (ACL 2025). The
``default`` preset keeps the paper's shapes and corrects the repository's defects, each of which is a named switch below.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agent.errors import SpecError
from agent.records import MemoryKind, Record
from agent.registry import unknown


class LayerSpec(Record):
    """One layer: how it fades, what enters it, what moves out of it."""

    name: str
    accepts: tuple[MemoryKind, ...] = Field((), description="kinds of new memories that start here")
    recency_days: float = Field(gt=0, description="Q in R = exp(-d / Q)")
    importance_decay: float = Field(gt=0, le=1, description="alpha in I(t+d) = I(t) * alpha^d")
    birth_values: tuple[float, ...] = Field(description="possible importances at birth")
    birth_odds: tuple[float, ...] = Field(description="their probabilities, same length, sum 1")
    promote_at: float | None = Field(None, description="importance from which a memory moves one layer up; None: never")
    demote_below: float | None = Field(None, description="importance below which it moves one layer down; None: never")
    forget_recency: float = 0.05
    forget_importance: float = 5.0
    top_k: int = Field(5, ge=0, description="memories shown to the model")


class MemorySpec(Record):
    """All of memory's behaviour. ``layers`` run from the most fleeting to the most lasting; promotion goes one row down the list
    among the layers that have ``promote_at``/``demote_below`` or are the target of one; ``reflection`` stands apart."""

    layers: tuple[LayerSpec, ...]
    ladder: tuple[str, ...] = Field(("short", "mid", "long"), description="order of promotion")
    clock: Literal["calendar_days", "sessions"] = "calendar_days"
    birth: Literal["keyed", "fixed"] = Field("keyed", description="rule for the importance of a new memory: a draw keyed by seed and content, or the layer's most likely value")
    credit_step: float = 5.0
    credit_by_counter: bool = Field(False, description="finmem-repo (B03): add step x running counter instead of the constant step")
    credit_after_move: bool = Field(True, description="False: a memory that ever moved gets no more credit (finmem-repo, B02)")
    promote_only_on_credit: bool = Field(True, description="False: thresholds are tested every day (finmem-repo, B01)")
    moves_per_day: int = Field(1, ge=1, description="how many layers a memory may climb in a day (finmem-repo: 2, B36)")
    demoted_clock: Literal["scaled", "kept"] = Field("scaled", description="on demotion scale the age so that recency stays continuous, or keep it")
    merge_similarity: float | None = Field(0.95, description="cosine from which two texts within merge_days are one memory; None: never")
    merge_days: float = 7.0
    feedback_sessions: int = Field(5, ge=1, description="sessions until a decision is judged")
    near_misses: int = Field(3, ge=0, description="memories just below the cut that are kept for inspection")
    span_sessions: int | None = Field(None, ge=1, description="ablation: recall only memories born in the last N sessions; None: all")
    query: Literal["day", "character"] = Field("day", description="recall query: built from the day, or FinMem's fixed character string")
    embedder: str = "minilm"
    embedder_options: dict[str, str | int | float | bool] = Field(default_factory=dict)

    def layer(self, name: str) -> LayerSpec:
        return next(layer for layer in self.layers if layer.name == name)


REFLECTIONS: tuple[MemoryKind, ...] = ("immediate_reflection",)
_COMMON = {"short": ("news",), "mid": ("filing_10q",), "long": ("filing_10k", "extended_reflection"), "reflection": REFLECTIONS}


def _layers(**rows: dict) -> tuple[LayerSpec, ...]:
    return tuple(LayerSpec(name=name, accepts=_COMMON[name], **row) for name, row in rows.items())


_PAPER_BIRTH = {
    "short": {"birth_values": (40, 60, 80), "birth_odds": (0.80, 0.15, 0.05)},
    "mid": {"birth_values": (40, 60, 80), "birth_odds": (0.05, 0.80, 0.15)},
    "long": {"birth_values": (40, 60, 80), "birth_odds": (0.05, 0.15, 0.80)},
    "reflection": {"birth_values": (40, 60, 80), "birth_odds": (0.05, 0.15, 0.80)},
}

PRESETS: dict[str, MemorySpec] = {
    "default": MemorySpec(
        layers=_layers(
            short={**_PAPER_BIRTH["short"], "recency_days": 14, "importance_decay": 0.9, "promote_at": 60},
            mid={**_PAPER_BIRTH["mid"], "recency_days": 90, "importance_decay": 0.967, "promote_at": 80},
            # 0.9925 = (5/80)^(1/365): an annual report fades in a year, not in 230 days
            long={**_PAPER_BIRTH["long"], "recency_days": 365, "importance_decay": 0.9925},
            reflection={**_PAPER_BIRTH["reflection"], "recency_days": 365, "importance_decay": 0.9925},
        )
    ),
}


def preset(name: str) -> MemorySpec:
    """The memory of a named preset."""
    if name not in PRESETS:
        raise SpecError(unknown("preset", name, PRESETS), field="preset")
    return PRESETS[name]
