"""Calibration by hand, its identities, and a trader that is calibrated by construction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import NoData
from agent.evaluation.calibration import ENOUGH, calibrate
from agent.evaluation.intervals import wilson


def test_figures_by_hand() -> None:
    found = calibrate([0.6, 0.6, 0.9, 0.9], [True, False, True, True])
    assert found.brier == pytest.approx((0.16 + 0.36 + 0.01 + 0.01) / 4)
    assert found.error == pytest.approx(0.5 * 0.1 + 0.5 * 0.1) and found.base == pytest.approx(0.75 * 0.25)
    assert [(b.low, b.high, b.n, b.right, b.share) for b in found.bins] == [(0.6, 0.7, 2, 1, 0.5), (0.9, 1.0, 2, 2, 1.0)]
    assert found.bins[0].interval == wilson(1, 2) and found.interval == wilson(3, 4)
    assert not found.enough and not found.bins[0].enough and found.says == "unsure"


def test_a_confidence_on_an_edge_belongs_to_the_bin_that_begins_there() -> None:
    for edge in range(11):
        (only,) = calibrate([edge / 10], [True]).bins
        assert only.low == min(edge, 9) / 10


def test_no_decision_gives_no_figure() -> None:
    found = calibrate([], [])
    assert found.n == 0 and found.bins == () and found.brier is found.error is found.share is found.error_by_chance is None


@pytest.mark.parametrize("bad", [1.1, -0.1, float("nan")])
def test_what_is_no_confidence_is_refused(bad: float) -> None:
    with pytest.raises(NoData):
        calibrate([bad], [True])


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_identities(pairs: list[tuple[float, bool]]) -> None:
    said, right = [p for p, _ in pairs], [hit for _, hit in pairs]
    found = calibrate(said, right)
    assert sum(b.n for b in found.bins) == found.n == len(pairs) and sum(b.right for b in found.bins) == sum(right)
    assert found.error == pytest.approx(sum(b.n * abs(b.confidence - b.share) for b in found.bins) / found.n)
    assert found.error >= abs(found.confidence - found.share) - 1e-12 and 0 <= found.brier <= 1
    assert all(b.interval.low - 1e-12 <= b.share <= b.interval.high + 1e-12 for b in found.bins)


def test_a_trader_that_is_calibrated_by_construction_is_called_well_19_times_in_20() -> None:
    rng = np.random.default_rng(5)
    called = []
    for _ in range(60):
        said = rng.uniform(0.5, 0.9, 120)
        called.append(calibrate(said, rng.random(120) < said).says)
    assert called.count("well") >= 54


def test_bragging_and_modesty_are_told_apart_where_there_is_enough() -> None:
    right = np.arange(200) % 2 == 0
    assert calibrate(np.full(200, 0.9), right).says == "over" and calibrate(np.full(200, 0.1), right).says == "under"
    assert calibrate(np.full(ENOUGH - 1, 0.9), right[: ENOUGH - 1]).says == "unsure"
