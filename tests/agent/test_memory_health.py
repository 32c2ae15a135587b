"""Memory health by hand-made frames: what is counted, what is not, and known numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from agent.memory import health

FIRST = date(2025, 1, 1)
SESSIONS = [FIRST + timedelta(days=n) for n in range(40)]
TODAY = SESSIONS[-1]


def memories(**columns: list) -> pd.DataFrame:
    size = len(columns["id"])
    plain = {
        "alive": [True] * size,
        "born": [FIRST] * size,
        "importance": [40.0] * size,
        "recency": [0.5] * size,
        "recalled": [0] * size,
        "cited": [0] * size,
        "positive": [0] * size,
        "negative": [0] * size,
        "forgotten_on": [None] * size,
    }
    return pd.DataFrame({**plain, **columns})


def recalls(*rows: tuple) -> pd.DataFrame:
    """(session number, memory, near miss, cited)"""
    return pd.DataFrame([(SESSIONS[at], *rest) for at, *rest in rows], columns=["day", "memory_id", "near_miss", "cited"])


def at_angle(*degrees: float) -> np.ndarray:
    return np.array([[np.cos(np.radians(d)), np.sin(np.radians(d))] for d in degrees], np.float32)


def test_the_closest_earlier_memory_is_found_with_its_cosine():
    found = health.closest(np.array([3, 5, 9]), at_angle(0, 60, 20) * 7, at_least=0.9)
    assert found[["id", "other"]].to_numpy().tolist() == [[9, 3]]
    assert found["similarity"].iloc[0] == pytest.approx(np.cos(np.radians(20)), abs=1e-6)


def test_a_row_of_zeros_resembles_nothing():
    assert health.closest(np.array([1, 2]), np.zeros((2, 4), np.float32), at_least=0.0001).empty


@settings(max_examples=25, deadline=None)
@given(some.integers(0, 40), some.integers(0, 10_000))
def test_blocks_find_the_same_neighbours_as_the_whole_matrix(size: int, seed: int):
    vectors = np.random.default_rng(seed).normal(size=(size, 3)).astype(np.float32)
    ids = np.random.default_rng(seed + 1).permutation(np.arange(1, size + 1))
    whole, health.BLOCK = health.closest(ids, vectors, at_least=0.5, most=3), 4
    try:
        blocked = health.closest(ids, vectors, at_least=0.5, most=3)
    finally:
        health.BLOCK = 512
    pd.testing.assert_frame_equal(whole, blocked, atol=1e-6)
    unit = {i: v / np.linalg.norm(v) for i, v in zip(ids, vectors, strict=True)}
    for i in ids:
        brute = sorted((-float(unit[i] @ unit[j]), j) for j in ids if j < i and unit[i] @ unit[j] >= 0.5)[:3]
        assert whole.loc[whole["id"] == i, "similarity"].to_numpy() == pytest.approx([-value for value, _ in brute], abs=1e-5)


def test_copies_count_live_memories_with_a_live_earlier_twin_once():
    pairs = pd.DataFrame({"id": [2, 3, 3, 4], "other": [1, 2, 1, 1], "similarity": [0.99, 0.98, 0.96, 0.9]})
    assert health.copies(memories(id=[1, 2, 3, 4]), pairs).count == 2
    found = health.copies(memories(id=[1, 2, 3, 4], alive=[False, True, True, True]), pairs)
    assert found.rows["id"].tolist() == [3] and found.of == 3


def test_a_contradiction_needs_one_subject_opposite_signs_and_the_same_time():
    pairs = pd.DataFrame({"id": [2, 3, 4], "other": [1, 1, 1], "similarity": [0.8, 0.9, 0.85]})
    stances = {1: {"result": 1, "rumour": 1}, 2: {"result": -1}, 3: {"result": 1, "rumour": 1}, 4: {"result": -1}}
    noon = datetime(2025, 1, 1, 12, tzinfo=UTC)
    times = {1: noon, 2: noon + timedelta(days=3), 3: noon, 4: noon + timedelta(days=31)}
    found = health.contradictions(memories(id=[1, 2, 3, 4]), pairs, stances, times)
    assert found.rows[["id", "other", "about", "apart"]].to_numpy().tolist() == [[2, 1, "result", 3.0]]


def test_right_and_wrong_is_a_share_of_the_judged():
    found = health.mixed(memories(id=[1, 2, 3, 4], positive=[2, 1, 0, 3], negative=[1, 0, 0, 3]))
    assert found.rows["id"].tolist() == [4, 1]
    assert (found.count, found.of, found.share) == (2, 3, pytest.approx(2 / 3))


def test_a_young_memory_cannot_be_one_that_was_never_recalled():
    found = health.never_recalled(memories(id=[1, 2, 3], born=[FIRST, SESSIONS[-20], FIRST], recalled=[0, 0, 4]), SESSIONS)
    assert found.rows["id"].tolist() == [1] and found.of == 2
    assert health.never_recalled(memories(id=[1]), SESSIONS[:10]).of == 0


def test_stale_but_hot_needs_faded_recency_and_a_quarter_of_the_recent_sessions():
    shown = (
        [(at, number, False, False) for at in range(35, 40) for number in (1, 2)]
        + [(39, 3, False, False)]
        + [(at, 4, True, False) for at in range(30, 40)]
    )
    found = health.stale_but_hot(memories(id=[1, 2, 3, 4], recency=[0.2, 0.21, 0.0, 0.0]), recalls(*shown), SESSIONS)
    assert found.rows[["id", "shown"]].to_numpy().tolist() == [[1, 5]]


def test_hindsight_is_found_in_live_texts_with_the_words_around_it():
    found = health.hindsight(
        memories(id=[1, 2, 3], alive=[True, True, False]), {1: "It would later fall by half.", 2: "Sales rose.", 3: "In hindsight, no."}
    )
    assert found.rows["id"].tolist() == [1] and "would later" in found.rows["phrase"].iloc[0]


def test_forgotten_in_use_counts_sessions_between_the_last_citation_and_the_end():
    frame = memories(id=[1, 2, 3], alive=[False, False, True], forgotten_on=[SESSIONS[30], SESSIONS[30], None])
    found = health.forgotten_in_use(
        frame, recalls((10, 1, False, True), (25, 1, False, True), (9, 2, False, True), (30, 3, False, True)), SESSIONS
    )
    assert found.rows[["id", "sessions_between"]].to_numpy().tolist() == [[1, 5]]
    assert (found.count, found.of) == (1, 2)


def test_concentration_by_hand():
    cited = recalls(*[(at, 1, False, True) for at in range(6)], (7, 2, False, True), (8, 3, False, True), (9, 4, False, False))
    found = health.concentration(cited)
    assert (found.citations, found.cited) == (8, 3)
    assert found.effective == pytest.approx(1 / (0.75**2 + 2 * 0.125**2))
    assert found.top_5 == 1.0
    assert health.concentration(recalls((1, 1, False, False))).effective is None


@given(some.lists(some.integers(1, 6), max_size=40))
def test_the_effective_number_lies_between_one_and_the_number_cited(numbers: list[int]):
    found = health.concentration(recalls(*[(0, number, False, True) for number in numbers]))
    assert found.effective is None if not numbers else 1 - 1e-9 <= found.effective <= len(set(numbers)) + 1e-9
    assert health.most_cited(memories(id=[1]), recalls(*[(0, n, False, True) for n in numbers])).rows["citations"].sum() == len(numbers)
