"""Recall is the exact ranking, sees nothing it should not, and does not care how memories came to lie where they lie."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.memory.bank import MemoryBank
from agent.memory.layers import preset
from agent.records import Recall
from tests.agent.memory_tools import START, ChosenVectors, draft, go, make_bank

KINDS = ("news", "filing_10q", "filing_10k", "immediate_reflection")


def brute_force(bank: MemoryBank, query: np.ndarray) -> dict[str, list[tuple[float, float, int]]]:
    """Score, event and id of every live memory, layer by layer, best first, by the formulas of the paper."""
    found: dict[str, list[tuple[float, float, int]]] = {layer.name: [] for layer in bank.spec.layers}
    for memory_id, vector in bank.vectors(bank.ids()).items():
        state, v = bank.state(memory_id), vector.astype(float)
        layer = bank.spec.layer(state.layer)
        norm = math.sqrt(v @ v) * math.sqrt(query @ query)
        recency = math.exp(-max(bank.now - state.recency_anchor, 0) / layer.recency_days)
        importance = state.importance * layer.importance_decay ** max(bank.now - state.importance_as_of, 0)
        score = (v @ query / norm if norm else 0.0) + recency + importance / 100
        found[state.layer].append((score, bank.get(memory_id).event_time.timestamp(), memory_id))
    return {name: sorted(rows, key=lambda row: (-row[0], -row[1], row[2])) for name, rows in found.items()}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 150), st.integers(0, 20))
def test_recall_is_the_exact_top_k_of_all_live_memories(seed: int, count: int, days: int) -> None:
    rng = np.random.default_rng(seed)
    bank = go(make_bank("finmem-paper"), days)
    bank.remember(
        [
            draft(f"{seed} {n}", KINDS[rng.integers(4)], day=float(rng.uniform(0, days)) if days else 0.0, value=float(rng.uniform(6, 100)))
            for n in range(count)
        ]
    )
    go(bank, days + 2).advance()
    recalls = bank.recall("the question")
    expected = brute_force(bank, bank.embedder._one("the question").astype(float))  # type: ignore[attr-defined]
    for layer in bank.spec.layers:
        got = [recall for recall in recalls if recall.layer == layer.name]
        want = expected[layer.name][: layer.top_k + bank.spec.near_misses]
        assert [recall.score for recall in got] == pytest.approx([row[0] for row in want], abs=1e-6)
        assert [recall.memory_id for recall in got] == [row[2] for row in want]
        assert [recall.rank for recall in got] == list(range(1, len(want) + 1))
        assert [recall.near_miss for recall in got] == [rank >= layer.top_k for rank in range(len(want))]


def test_the_parts_of_a_score_add_up_and_near_misses_lie_below_the_cut() -> None:
    bank = go(make_bank(), 1)
    bank.remember([draft(f"{n}", day=n / 30) for n in range(30)])
    recalls = bank.recall("q")
    assert [r.near_miss for r in recalls] == [False] * 5 + [True] * 3
    assert all(r.similarity + r.recency + r.importance == pytest.approx(r.score, abs=1e-12) for r in recalls)
    assert [r.score for r in recalls] == sorted((r.score for r in recalls), reverse=True)


def test_similarity_is_the_cosine_whatever_the_lengths_of_the_vectors() -> None:
    vectors = {"a": [3, 0, 0, 0], "b": [5, 5, 0, 0], "opposite": [-2, 0, 0, 0], "nothing": [0, 0, 0, 0], "q": [7, 0, 0, 0]}
    bank = go(make_bank(embedder=ChosenVectors(4, vectors)), 0)
    ids = dict(zip("abon", bank.remember([draft(t, value=40) for t in ("a", "b", "opposite", "nothing")])))
    found = {r.memory_id: r.similarity for r in bank.recall("q")}
    texts = {bank.get(i).text: s for i, s in found.items()}
    assert texts == pytest.approx({"a": 1.0, "b": math.sqrt(0.5), "opposite": -1.0, "nothing": 0.0}, abs=1e-7) and len(ids) == 4
    assert {r.similarity for r in bank.recall("   ")} == {0.0}  # no question, no relevance


def test_ties_go_to_the_newer_event_and_then_to_the_older_memory() -> None:
    same = {t: [1, 0, 0, 0] for t in ("q", "x1", "x2", "x3", "x4")}
    spec = preset("finmem-paper")
    still = tuple(layer.model_copy(update={"recency_days": 1e30, "importance_decay": 1.0}) for layer in spec.layers)
    bank = go(make_bank(spec.model_copy(update={"layers": still}), ChosenVectors(4, same)), 5)
    bank.remember([draft(t, day=d, value=50) for t, d in (("x1", 1), ("x2", 3), ("x3", 3), ("x4", 2))])
    assert [bank.get(r.memory_id).text for r in bank.recall("q")] == ["x2", "x3", "x4", "x1"]


def test_many_equal_scores_still_give_one_answer() -> None:
    bank = go(make_bank(embedder=ChosenVectors(4, {str(n): [1, 2, 0, 0] for n in range(500)})), 0)
    ids = bank.remember([draft(str(n), value=50, document_id=f"{n:03}") for n in range(500)])
    assert [r.memory_id for r in bank.recall("q")] == ids[:8]


def test_recall_stays_exact_when_most_of_a_layer_has_been_forgotten() -> None:
    bank = go(make_bank(), 0)
    ids = bank.remember([draft(f"{n}", value=40 if n % 3 else 90, document_id=f"{n:03}") for n in range(300)])
    go(bank, 21).advance()  # the forties are gone, two rows in three
    assert bank.ids() == ids[::3] and bank.live()["short"] == 100
    expected = brute_force(bank, bank.embedder._one("q"))["short"]  # type: ignore[attr-defined]
    got = [r for r in bank.recall("q")]
    assert [r.memory_id for r in got] == [row[2] for row in expected[:8]]
    assert [r.score for r in got] == pytest.approx([row[0] for row in expected[:8]], abs=1e-6)
    assert {bank.get(i).text for i in ids[::3]} == {bank.get(i).text for i in bank.vectors(ids)}


@pytest.mark.parametrize("seed", range(3))
def test_a_large_layer_is_ranked_as_exactly_as_a_small_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bank = go(make_bank(), 20)
    values = rng.uniform(50, 90, 3000)
    values[rng.integers(0, 3000, 5)] = 100  # old but important ones, far from the tail
    bank.remember([draft(f"{n}", day=20 * n / 3000, value=float(values[n]), document_id=f"{n:04}") for n in range(3000)])
    go(bank, 21).advance()
    assert bank.live()["short"] > 2500
    expected = brute_force(bank, bank.embedder._one("q").astype(float))["short"]  # type: ignore[attr-defined]
    assert [r.memory_id for r in bank.recall("q")] == [row[2] for row in expected[:8]]


def told(bank: MemoryBank, recalls: tuple[Recall, ...]) -> list[tuple]:
    return [(bank.get(r.memory_id).text, r.layer, r.rank, r.similarity, r.recency, r.importance, r.score) for r in recalls]


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(2, 60))
def test_the_order_of_arrival_within_a_day_changes_nothing(random, count: int) -> None:
    drafts = [draft(f"text {n}", KINDS[n % 4], day=(n % 7) / 10) for n in range(count)] + [draft("text 0", document_id="again")]
    one, two = go(make_bank("default"), 1), go(make_bank("default"), 1)
    one.remember(drafts)
    random.shuffle(drafts)
    two.remember(drafts)
    assert told(one, one.recall("q")) == told(two, two.recall("q"))  # to the last digit
    assert one.drain() == two.drain()


def test_a_day_split_into_several_calls_retrieves_the_same() -> None:
    drafts = [draft(f"text {n}", day=(n % 5) / 10) for n in range(40)]
    one, two = go(make_bank(), 1), go(make_bank(), 1)
    one.remember(drafts)
    for item in reversed(drafts):
        two.remember([item])
    assert told(one, one.recall("q")) == told(two, two.recall("q"))


# ------------------------------------------------------------------------------------------------------------------ look-ahead


@pytest.mark.parametrize("field", ["available_at", "known_at"])
def test_what_is_known_only_later_cannot_be_remembered(field: str) -> None:
    bank = go(make_bank(), 0)
    with pytest.raises(ValueError, match="after the cutoff"):
        bank.remember([draft("fine"), draft("POISON", **{field: START + timedelta(seconds=1)})])
    assert bank.ids() == [] and bank.drain() == ()  # all or nothing


def test_an_earlier_cutoff_does_not_see_later_memories() -> None:
    bank = go(make_bank(), 1)
    bank.remember([draft(f"early {n}", day=-1) for n in range(20)])
    bank.remember([draft(f"POISON {n}", day=-1, known_at=START + timedelta(seconds=1)) for n in range(20)])
    go(bank, 0)
    assert not [r for r in bank.recall("POISON 3") if "POISON" in bank.get(r.memory_id).text]
    go(bank, 1)
    assert any("POISON" in bank.get(r.memory_id).text for r in bank.recall("POISON 3"))


def test_a_span_of_one_session_recalls_only_what_was_born_today() -> None:
    bank = go(make_bank(preset("default").model_copy(update={"span_sessions": 1})), 0, index=0)
    bank.remember([draft(f"old {n}", value=80) for n in range(20)])
    go(bank, 3, index=1).advance()
    assert bank.recall("q") == ()
    (new,) = bank.remember([draft("new", day=3, value=40)])
    assert [r.memory_id for r in bank.recall("q")] == [new]
    wider = make_bank(preset("default").model_copy(update={"span_sessions": 2}))
    go(wider, 0, index=0).remember([draft("old", value=80)])
    go(wider, 3, index=1)
    assert len(wider.recall("q")) == 1


# ----------------------------------------------------------------------------------------------------------------------- ingest


def test_blank_texts_are_skipped() -> None:
    bank = go(make_bank(), 0)
    assert bank.remember([draft("", document_id="x"), draft(" \n\t ", document_id="y")]) == []
    assert bank.drain() == () and bank.embedder.asked == []  # type: ignore[attr-defined]


def test_the_same_words_from_another_item_become_a_further_source() -> None:
    bank = go(make_bank("default"), 0)
    (memory,) = bank.remember([draft("Profit rose", document_id="a", title="T"), draft(" Profit rose ", document_id="b", title="T")])
    assert bank.get(memory).sources == ("a", "b") and bank.live()["short"] == 1
    merged = bank.drain()[-1]
    assert (merged.kind, merged.memory_id, merged.source) == ("merged", memory, "b")
    go(bank, 2).advance()
    assert bank.remember([draft("Profit rose", day=2, document_id="c", title="T")]) == []
    assert bank.remember([draft("Profit rose", day=2, document_id="c", title="T")]) == [] and len(bank.drain()) == 1


def test_the_same_words_after_the_merging_window_are_a_new_event() -> None:
    bank = go(make_bank("default"), 0)
    bank.remember([draft("Dividend declared", "filing_10q", document_id="q1", value=80)])
    go(bank, 60).advance()
    assert len(bank.remember([draft("Dividend declared", "filing_10q", day=60, document_id="q2", value=80)])) == 1
    assert bank.remember([draft("Dividend declared", "filing_10q", day=60, document_id="q1", value=80)]) == []  # the very same item again


@pytest.mark.parametrize(
    ("similarity", "apart", "kind", "merged"),
    [(0.96, 6, "news", True), (0.94, 6, "news", False), (0.96, 8, "news", False), (0.96, 6, "filing_10q", False)],
)
def test_near_copies_merge_within_layer_and_window(similarity: float, apart: float, kind: str, merged: bool) -> None:
    vectors = {"old": [1, 0, 0, 0], "new": [similarity, math.sqrt(1 - similarity**2), 0, 0]}
    bank = go(make_bank("default", ChosenVectors(4, vectors)), apart)
    (old,) = bank.remember([draft("old", value=80)])
    new = bank.remember([draft("new", kind, day=apart, value=80)])
    assert (new == []) is merged
    assert bank.get(old).sources == (("old", "new") if merged else ("old",))


def test_near_copies_within_one_day_merge_into_the_earlier_one() -> None:
    bank = go(make_bank("default", ChosenVectors(4, {"b first": [1, 0, 0, 0], "a second": [1, 0.01, 0, 0]})), 1)
    (kept,) = bank.remember([draft("a second", day=0.5), draft("b first", day=0.4)])
    assert bank.get(kept).text == "b first" and bank.get(kept).sources == ("b first", "a second")


def test_finmem_repo_keeps_every_copy() -> None:
    bank = go(make_bank("finmem-repo"), 0)
    assert len(bank.remember([draft("same", document_id="a"), draft("same", document_id="b")])) == 2


def test_ids_are_never_used_again() -> None:
    bank = go(make_bank(), 0)
    first = bank.remember([draft("a", value=40), draft("b", value=40)])
    go(bank, 30).advance()
    assert not set(bank.remember([draft("c", day=30)])) & set(first)


def test_a_vector_of_the_wrong_length_is_refused() -> None:
    bank = go(make_bank(embedder=ChosenVectors(4)), 0)
    bank.embedder.dimension = 5
    with pytest.raises(ValueError):
        bank.remember([draft("a")])
