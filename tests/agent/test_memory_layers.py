"""Presets are data with the published constants; a wrong layer is refused with a sentence."""

from __future__ import annotations

import pytest

from agent.errors import SpecError
from agent.memory.layers import PRESETS, LayerSpec, MemorySpec, preset
from agent.spec import RunSpec

LAYERS = ("short", "mid", "long", "reflection")
# span, decay, birth values, birth odds, promote, demote, top k: agent.md 1.3
PAPER = {
    "short": (14, 0.9, (40, 60, 80), (0.8, 0.15, 0.05), 60, None, 5),
    "mid": (90, 0.967, (40, 60, 80), (0.05, 0.8, 0.15), 80, None, 5),
    "long": (365, 0.988, (40, 60, 80), (0.05, 0.15, 0.8), None, None, 5),
    "reflection": (365, 0.988, (40, 60, 80), (0.05, 0.15, 0.8), None, None, 5),
}
REPO = {
    "short": (3, 0.92, (50, 70, 90), (0.5, 0.45, 0.05), 60, None, 3),
    "mid": (90, 0.967, (40, 60, 80), (0.05, 0.8, 0.15), 80, 60, 3),
    "long": (365, 0.988, (40, 60, 80), (0.05, 0.15, 0.8), None, 80, 3),
    "reflection": (365, 0.988, (40, 60, 80), (0.05, 0.15, 0.8), None, None, 3),
}
BENCH = {
    "short": (3, 0.92, (50,), (1,), 55, None, 5),
    "mid": (90, 0.96, (60,), (1,), 85, 55, 5),
    "long": (365, 0.96, (90,), (1,), None, 85, 5),
    "reflection": (365, 0.98, (80,), (1,), None, None, 5),
}
DEFAULT = PAPER | {"long": (365, 0.9925, *PAPER["long"][2:]), "reflection": (365, 0.9925, *PAPER["reflection"][2:])}


@pytest.mark.parametrize(
    ("name", "rows"), [("finmem-paper", PAPER), ("finmem-repo", REPO), ("investor-bench", BENCH), ("default", DEFAULT)]
)
def test_a_preset_has_the_constants_of_its_source(name: str, rows: dict) -> None:
    spec = preset(name)
    assert tuple(layer.name for layer in spec.layers) == LAYERS
    for x in spec.layers:
        got = (x.recency_days, x.importance_decay, x.birth_values, x.birth_odds, x.promote_at, x.demote_below, x.top_k)
        assert got == rows[x.name]
        assert (x.forget_recency, x.forget_importance) == (0.05, 5.0)


def test_the_defects_are_switched_on_in_finmem_repo_alone() -> None:
    def defects(spec: MemorySpec) -> tuple:
        return (
            spec.credit_by_counter,
            spec.credit_after_move,
            spec.promote_only_on_credit,
            spec.moves_per_day,
            spec.clock,
            spec.demoted_clock,
        )

    assert defects(preset("finmem-repo")) == (True, False, False, 2, "sessions", "kept")
    for name in ("default", "finmem-paper"):
        assert defects(preset(name)) == (False, True, True, 1, "calendar_days", "scaled")
    assert [PRESETS[n].feedback_sessions for n in ("default", "finmem-repo", "investor-bench")] == [5, 7, 3]
    assert [PRESETS[n].credit_step for n in ("default", "finmem-repo", "investor-bench")] == [5, 5, 18]


def test_every_preset_survives_json_and_takes_every_kind_of_memory() -> None:
    kinds = {"news", "filing_10q", "filing_10k", "immediate_reflection", "extended_reflection"}
    for spec in PRESETS.values():
        assert MemorySpec.model_validate_json(spec.model_dump_json()) == spec
        assert {kind for layer in spec.layers for kind in layer.accepts} == kinds


def test_an_unknown_preset_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SpecError, match="finmem-paper"):
        preset("finmem-papr")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"birth_odds": (0.5, 0.5)}, "3 birth values but 2 odds"),
        ({"birth_odds": (0.5, 0.5, 0.5)}, "sum to 1"),
        ({"birth_odds": (-0.5, 0.5, 1.0)}, "not be negative"),
        ({"birth_values": (40, 60, 120)}, "between 0 and 100"),
        ({"top_k": 0}, "greater than or equal to 1"),
        ({"recency_days": 0}, "greater than 0"),
        ({"importance_decay": 1.01}, "less than or equal to 1"),
        ({"forget_recency": 1.5}, "less than 1"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_wrong_layer_is_refused(change: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        LayerSpec.model_validate(preset("default").layers[0].model_dump() | change)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d["layers"].append(d["layers"][0]), "defined twice"),
        (lambda d: d.update(ladder=("short", "deep")), "'deep', which is not a layer"),
        (lambda d: d.update(ladder=("short", "short")), "twice"),
        (lambda d: d["layers"][1].update(accepts=("news",)), "starts in two layers"),
        (lambda d: d["layers"][2].update(promote_at=90), "nothing above it"),
        (lambda d: d["layers"][0].update(demote_below=10), "nothing below it"),
        (lambda d: d["layers"][3].update(promote_at=10), "nothing above it"),
    ],
)
def test_a_wrong_memory_is_refused(change, sentence: str) -> None:
    data = preset("default").model_dump()
    data["layers"] = [dict(layer) for layer in data["layers"]]
    change(data)
    with pytest.raises(ValueError, match=sentence):
        MemorySpec.model_validate(data)


def test_a_run_names_the_field_of_a_wrong_layer() -> None:
    data = preset("default").model_dump()
    data["layers"] = [dict(layer) for layer in data["layers"]]
    data["layers"][0]["top_k"] = -1
    with pytest.raises(SpecError) as found:
        RunSpec.read({"tickers": ["A"], "test": {"start": "2025-01-02", "end": "2025-02-03"}, "memory": data})
    assert found.value.field == "memory.layers.0.top_k"


def test_a_day_has_few_moves_however_large_the_number_asked_for():
    """A billion of them once kept a run busy for ever on its first day."""
    from pydantic import ValidationError

    with pytest.raises(ValidationError, match="moves_per_day"):
        MemorySpec.model_validate({**preset("default").model_dump(), "moves_per_day": 10**9})
