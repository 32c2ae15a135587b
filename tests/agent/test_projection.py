"""The flat map of memories: known figures, an outside library as referee, and the same picture every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from agent.memory.projection import fit

tables = some.tuples(some.integers(1, 12), some.integers(2, 6)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=some.floats(-5, 5))
)


def test_a_cross_of_four_points_by_hand() -> None:
    """(±3, 0) and (0, ±1): variances 18 and 2 of 20 in all."""
    points = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    found = fit(points)
    assert found.explained == pytest.approx((0.9, 0.1))
    assert found.axes == pytest.approx(np.eye(2))
    assert found.place(points) == pytest.approx(points)


def test_points_on_a_line_have_one_direction_only() -> None:
    line = np.outer([0.0, 1.0, 2.0], [1.0, 1.0, 1.0]) + 7
    found = fit(line)
    assert found.explained == pytest.approx((1.0, 0.0))
    assert found.place(line)[:, 1] == pytest.approx(0.0)
    assert found.place(line)[:, 0] == pytest.approx([-np.sqrt(3), 0.0, np.sqrt(3)])


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_points_have_a_place_all_the_same(count: int) -> None:
    points = np.ones((count, 3))
    found = fit(points)
    assert found.explained == (0.0, 0.0)
    assert found.place(points).shape == (count, 2)


@pytest.mark.parametrize("shape", [(300, 16), (10, 40)], ids=["more points than numbers", "fewer"])
def test_it_is_the_projection_that_scikit_learn_finds(shape: tuple[int, int]) -> None:
    from sklearn.decomposition import PCA

    points = np.random.default_rng(5).normal(size=shape) * np.linspace(3, 1, shape[1])
    referee = PCA(n_components=2, svd_solver="full").fit(points)
    found = fit(points.astype(np.float64))
    assert found.explained == pytest.approx(referee.explained_variance_ratio_)
    for mine, theirs in zip(found.place(points).T, referee.transform(points).T):
        assert np.abs(mine) == pytest.approx(np.abs(theirs), abs=1e-9)
        assert np.sign(mine[0]) * np.sign(theirs[0]) * mine == pytest.approx(theirs, abs=1e-9)


def test_the_largest_component_of_a_direction_is_positive_whichever_way_the_points_are_given() -> None:
    points = np.random.default_rng(3).normal(size=(50, 8)) * np.arange(8, 0, -1)
    for cloud in (points, points[::-1], -points):
        for axis in fit(cloud).axes:
            assert axis[np.abs(axis).argmax()] > 0


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables)
def test_the_same_vectors_give_the_same_places_to_the_last_digit(points: np.ndarray) -> None:
    one, two = fit(points), fit(points.copy())
    assert (one.place(points) == two.place(points)).all()
    assert one.explained == two.explained


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables)
def test_nothing_comes_to_lie_farther_apart_than_it_is(points: np.ndarray) -> None:
    flat = fit(points).place(points)
    for i in range(len(points)):
        real, drawn = np.linalg.norm(points - points[i], axis=1), np.linalg.norm(flat - flat[i], axis=1)
        assert (drawn <= real + 1e-6).all()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables)
def test_explained_shares_are_shares_and_in_order(points: np.ndarray) -> None:
    first, second = fit(points).explained
    assert 0 <= second <= first + 1e-9 <= 1 + 1e-8 and first + second <= 1 + 1e-9
