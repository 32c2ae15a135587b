"""Characters per token: cautious, learnt, and not to be fooled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.llm.base import NoNotes
from agent.llm.token_ratio import GUESS, HIGHEST, KEPT, LOWEST, Ratio


def learnt(*ratios: float) -> Ratio:
    ratio = Ratio()
    for one in ratios:
        assert ratio.learn(round(1000 * one), 1000)
    return ratio


def test_nothing_known_is_a_guess_and_says_so() -> None:
    ratio = Ratio()
    assert (ratio.characters_per_token, ratio.measured) == (GUESS, False)


def test_one_prompt_is_enough_to_measure_with_a_margin_for_denser_ones() -> None:
    ratio = learnt(4.0)
    assert ratio.measured and ratio.characters_per_token == pytest.approx(3.88)  # 3 % below what was seen


def test_the_figure_follows_the_densest_prompts() -> None:
    assert learnt(*[4.2] * 17, *[3.0] * 3).characters_per_token == pytest.approx(2.91)  # three of twenty are dense
    assert learnt(4.2, 4.1, 3.0).characters_per_token == pytest.approx(2.91)  # with few samples the densest one


@pytest.mark.parametrize(
    ("characters", "tokens"),
    [(399, 100), (0, 0), (5000, 0), (5000, None), (5000, 1), (5000, 20_000), (5000, -3)],
)
def test_tiny_prompts_and_counts_that_no_text_can_have_teach_nothing(characters: int, tokens: int | None) -> None:
    ratio = Ratio()
    assert not ratio.learn(characters, tokens)
    assert not ratio.measured and ratio.characters_per_token == GUESS


def test_a_lone_mistake_of_the_server_does_not_count_among_good_counts() -> None:
    good = learnt(*[4.0] * 4).characters_per_token
    assert learnt(*[4.0] * 4, 1.2).characters_per_token == pytest.approx(good)
    assert learnt(*[4.0] * 4, 7.9).characters_per_token <= good


def test_what_was_learnt_outlives_the_process_and_belongs_to_one_model() -> None:
    notes = NoNotes()
    learnt(2.5, 2.6).keep(notes, "digest-a")
    again = Ratio.read(notes, "digest-a")
    assert again.measured and again.characters_per_token == pytest.approx(2.425)
    assert not Ratio.read(notes, "digest-b").measured


def test_a_model_without_a_digest_shares_nothing() -> None:
    notes = NoNotes()
    learnt(2.5).keep(notes, "")
    assert not Ratio.read(notes, "").measured
    Ratio().keep(notes, "digest-a")
    assert notes.read("tokens", "digest-a") is None


@pytest.mark.parametrize(
    "kept",
    [{}, {"samples": "many"}, {"samples": [1, None, [1], [True, 5], ["900", "300"], [float("nan"), 2], [float("inf"), 2], [9e9, 1]]}],
)
def test_notes_that_are_not_ours_are_nothing_known(kept: dict[str, object]) -> None:
    notes = NoNotes()
    notes.write("tokens", "digest", kept)
    assert not Ratio.read(notes, "digest").measured


def test_old_samples_make_room_for_new_ones() -> None:
    ratio = learnt(*[2.0] * 5, *[4.0] * KEPT)
    assert ratio.characters_per_token == pytest.approx(3.88)
    notes = NoNotes()
    ratio.keep(notes, "d")
    assert len((notes.read("tokens", "d") or {})["samples"]) == KEPT


@given(st.lists(st.tuples(st.integers(-10, 10**7), st.one_of(st.none(), st.integers(-10, 10**7))), max_size=40))
def test_whatever_a_server_counts_the_figure_is_possible(counts: list[tuple[int, int | None]]) -> None:
    ratio = Ratio()
    used = [ratio.learn(characters, tokens) for characters, tokens in counts]
    assert LOWEST <= ratio.characters_per_token <= HIGHEST
    assert ratio.measured is any(used)


@given(st.lists(st.floats(2.5, 4.5), min_size=1, max_size=9))
def test_no_prompt_among_the_first_nine_is_underestimated(ratios: list[float]) -> None:
    ratio = learnt(*ratios)
    for one in ratios:
        assert 1000 * one / ratio.characters_per_token >= 1000 * 0.999
