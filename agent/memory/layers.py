"""Memory layers as data: a layer is a row of constants, a preset is a table of rows. No code branches on a name.

Constants and their sources: FinMem (arXiv 2311.13743, equations 1-6), its published repository, INVESTOR-BENCH (ACL 2025). The
``default`` preset keeps the paper's shapes and corrects the repository's defects, each of which is a named switch below.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from pydantic import Field, model_validator

from agent.errors import SpecError
from agent.records import MemoryKind, Record
from agent.registry import unknown


class LayerSpec(Record):
    """One layer: how it fades, what enters it, what moves out of it."""

    name: str = Field(min_length=1)
    accepts: tuple[MemoryKind, ...] = Field((), description="kinds of new memories that start here")
    recency_days: float = Field(gt=0, description="Q in R = exp(-d / Q)")
    importance_decay: float = Field(gt=0, le=1, description="alpha in I(t+d) = I(t) * alpha^d")
    birth_values: tuple[float, ...] = Field(min_length=1, description="possible importances at birth")
    birth_odds: tuple[float, ...] = Field(description="their probabilities, same length, sum 1")
    promote_at: float | None = Field(None, description="importance from which a memory moves one layer up; None: never")
    demote_below: float | None = Field(None, description="importance below which it moves one layer down; None: never")
    forget_recency: float = Field(0.05, ge=0, lt=1)
    forget_importance: float = Field(5.0, ge=0, lt=100)
    top_k: int = Field(5, ge=1, le=100, description="memories shown to the model")
    merges: bool = Field(True, description="False: every text is a memory of its own, even an exact copy")

    @model_validator(mode="after")
    def _sound(self) -> LayerSpec:
        where = f"layer {self.name!r}"
        if len(self.birth_odds) != len(self.birth_values):
            raise ValueError(f"{where} has {len(self.birth_values)} birth values but {len(self.birth_odds)} odds; give one per value")
        if any(odd < 0 for odd in self.birth_odds) or abs(sum(self.birth_odds) - 1) > 1e-9:
            raise ValueError(f"{where}: the birth odds {self.birth_odds} must not be negative and must sum to 1")
        if any(not 0 <= value <= 100 for value in self.birth_values):
            raise ValueError(f"{where}: birth values lie between 0 and 100, not {self.birth_values}")
        return self


class MemorySpec(Record):
    """All of memory's behaviour. ``layers`` run from the most fleeting to the most lasting; promotion goes one row down the list
    among the layers that have ``promote_at``/``demote_below`` or are the target of one; ``reflection`` stands apart."""

    layers: tuple[LayerSpec, ...] = Field(min_length=1)
    ladder: tuple[str, ...] = Field(("short", "mid", "long"), description="order of promotion")
    clock: Literal["calendar_days", "sessions"] = "calendar_days"
    birth: Literal["keyed", "fixed"] = Field(
        "keyed",
        description="rule for the importance of a new memory: a draw keyed by seed and content, or the layer's most likely value",
    )
    credit_step: float = Field(5.0, ge=0)
    credit_by_counter: bool = Field(False, description="finmem-repo (B03): add step x running counter instead of the constant step")
    credit_after_move: bool = Field(True, description="False: a memory that ever moved gets no more credit (finmem-repo, B02)")
    clip_importance: bool = Field(
        True, description="False: credit may push importance out of 0..100; it still counts as at most 100 in the score (finmem-repo)"
    )
    promote_only_on_credit: bool = Field(True, description="False: thresholds are tested every day (finmem-repo, B01)")
    moves_per_day: int = Field(1, ge=1, le=10, description="how many layers a memory may climb in a day (finmem-repo: 2, B36)")
    demoted_clock: Literal["scaled", "kept"] = Field(
        "scaled", description="on demotion scale the age so that recency stays continuous, or keep it"
    )
    recency_on_move_day: Literal["derived", "stored", "stored_compound"] = Field(
        "derived",
        description="until the next session a moved memory's recency is: derived from its clock; the value stored before a demotion "
        "(investor-bench); or also ranked after a promotion as if it had not moved (finmem-repo, B34)",
    )
    merge_similarity: float | None = Field(
        0.95, gt=0, le=1, description="cosine from which two texts within merge_days are one memory; None: never"
    )
    merge_days: float = Field(7.0, ge=0)
    feedback_sessions: int = Field(5, ge=1, description="sessions until a decision is judged")
    near_misses: int = Field(3, ge=0, le=100, description="memories just below the cut that are kept for inspection")
    span_sessions: int | None = Field(None, ge=1, description="ablation: recall only memories born in the last N sessions; None: all")
    query: Literal["day", "character"] = Field("day", description="recall query: built from the day, or FinMem's fixed character string")
    embedder: str = "minilm"
    embedder_options: dict[str, str | int | float | bool] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sound(self) -> MemorySpec:
        names = [layer.name for layer in self.layers]
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ValueError(f"layer {twice[0]!r} is defined twice; rename one")
        if missing := [name for name in self.ladder if name not in names]:
            raise ValueError(f"the ladder names {missing[0]!r}, which is not a layer; choose from {', '.join(names)}")
        if len(set(self.ladder)) != len(self.ladder):
            raise ValueError("the ladder names a layer twice; each step may appear once")
        kinds = Counter(kind for layer in self.layers for kind in layer.accepts)
        if shared := [kind for kind, count in kinds.items() if count > 1]:
            raise ValueError(f"{shared[0]!r} starts in two layers; only one layer may accept it")
        for layer in self.layers:
            if layer.promote_at is not None and self.above(layer.name) is None:
                raise ValueError(f"layer {layer.name!r} has promote_at but nothing above it on the ladder; remove promote_at")
            if layer.demote_below is not None and self.below(layer.name) is None:
                raise ValueError(f"layer {layer.name!r} has demote_below but nothing below it on the ladder; remove demote_below")
        return self

    def layer(self, name: str) -> LayerSpec:
        return next(layer for layer in self.layers if layer.name == name)

    def above(self, name: str) -> str | None:
        """The layer a memory of layer ``name`` is promoted to."""
        return self._step(name, 1)

    def below(self, name: str) -> str | None:
        """The layer a memory of layer ``name`` is demoted to."""
        return self._step(name, -1)

    def _step(self, name: str, by: int) -> str | None:
        place = self.ladder.index(name) + by if name in self.ladder else -1
        return self.ladder[place] if 0 <= place < len(self.ladder) else None


REFLECTIONS: tuple[MemoryKind, ...] = ("immediate_reflection",)
_COMMON: dict[str, tuple[MemoryKind, ...]] = {
    "short": ("news",),
    "mid": ("filing_10q",),
    "long": ("filing_10k", "extended_reflection"),
    "reflection": REFLECTIONS,
}


def _layers(**rows: dict[str, Any]) -> tuple[LayerSpec, ...]:
    return tuple(LayerSpec(name=name, accepts=_COMMON[name], **row) for name, row in rows.items())


def _row(recency_days: float, importance_decay: float, birth: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"recency_days": recency_days, "importance_decay": importance_decay, **birth, **more}


def _birth(values: tuple[float, ...], odds: tuple[float, ...]) -> dict[str, Any]:
    return {"birth_values": values, "birth_odds": odds}


# The paper's sets (recalled by two independent write-ups): 40, 60, 80, each layer with its own odds.
_PAPER_SHORT = _birth((40, 60, 80), (0.80, 0.15, 0.05))
_MID = _birth((40, 60, 80), (0.05, 0.80, 0.15))
_LONG = _birth((40, 60, 80), (0.05, 0.15, 0.80))
_REPO_SHORT = _birth((50, 70, 90), (0.50, 0.45, 0.05))


def _always(value: float) -> dict[str, Any]:
    return _birth((value,), (1.0,))


PRESETS: dict[str, MemorySpec] = {
    "default": MemorySpec(
        layers=_layers(
            short=_row(14, 0.9, _PAPER_SHORT, promote_at=60),
            mid=_row(90, 0.967, _MID, promote_at=80),
            # 0.9925 = (5/80)^(1/365): an annual report fades in a year, not in 230 days
            long=_row(365, 0.9925, _LONG),
            # every session keeps its own reflection: merged into an older one, what is new in it would be lost
            reflection=_row(365, 0.9925, _LONG, merges=False),
        )
    ),
    # The paper gives no numbers for promotion and no rule for duplicates: promotion as in default, only exact copies are merged.
    "finmem-paper": MemorySpec(
        layers=_layers(
            short=_row(14, 0.9, _PAPER_SHORT, promote_at=60),
            mid=_row(90, 0.967, _MID, promote_at=80),
            long=_row(365, 0.988, _LONG),
            reflection=_row(365, 0.988, _LONG),
        ),
        merge_similarity=None,
        feedback_sessions=3,
    ),
    "finmem-repo": MemorySpec(
        layers=_layers(
            short=_row(3, 0.92, _REPO_SHORT, promote_at=60, top_k=3, merges=False),
            mid=_row(90, 0.967, _MID, promote_at=80, demote_below=60, top_k=3, merges=False),
            long=_row(365, 0.988, _LONG, demote_below=80, top_k=3, merges=False),
            reflection=_row(365, 0.988, _LONG, top_k=3, merges=False),
        ),
        clock="sessions",
        credit_by_counter=True,
        credit_after_move=False,
        clip_importance=False,
        promote_only_on_credit=False,
        moves_per_day=2,
        demoted_clock="kept",
        recency_on_move_day="stored_compound",
        merge_similarity=None,
        feedback_sessions=7,
        query="character",
    ),
    # Its own later choice of constants; the daily test of thresholds is FinMem's, feedback reaches memories that have moved.
    "investor-bench": MemorySpec(
        layers=_layers(
            short=_row(3, 0.92, _always(50), promote_at=55, merges=False),
            mid=_row(90, 0.96, _always(60), promote_at=85, demote_below=55, merges=False),
            long=_row(365, 0.96, _always(90), demote_below=85, merges=False),
            reflection=_row(365, 0.98, _always(80)),
        ),
        clock="sessions",
        credit_step=18.0,
        clip_importance=False,
        promote_only_on_credit=False,
        moves_per_day=2,
        demoted_clock="kept",
        recency_on_move_day="stored",
        merge_days=36_500.0,
        feedback_sessions=3,
        query="character",
    ),
}


def preset(name: str) -> MemorySpec:
    """The memory of a named preset."""
    if name not in PRESETS:
        raise SpecError(unknown("preset", name, PRESETS), field="preset")
    return PRESETS[name]
