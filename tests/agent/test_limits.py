"""What the characters may do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SpecError
from agent.portfolio.limits import CHARACTERS, clip, limits, resolve_character, three_session_return


def test_the_table_of_characters_is_the_designs():
    seeking, averse = CHARACTERS["risk_seeking"], CHARACTERS["risk_averse"]
    assert (seeking.max_weight, seeking.min_confidence, seeking.default_stop_pct) == (1.00, 0.50, 0.08)
    assert (averse.max_weight, averse.min_confidence, averse.default_stop_pct) == (0.50, 0.65, 0.04)
    assert (seeking.weight_for, seeking.weight_against) == (1.0, 0.8)
    assert (averse.weight_for, averse.weight_against) == (0.8, 1.2)


def test_self_adaptive_follows_its_own_last_three_sessions():
    assert resolve_character("self_adaptive", (100, 101, 102, 99.9)) == "risk_averse"
    assert resolve_character("self_adaptive", (100, 90, 95, 100)) == "risk_seeking"  # zero is not a loss
    assert resolve_character("self_adaptive", (200, 100, 90, 95, 101)) == "risk_seeking"  # only the last four closes
    assert three_session_return((100, 101, 102, 99.9)) == pytest.approx(-0.001)


def test_fewer_than_four_closes_start_risk_seeking():
    assert resolve_character("self_adaptive", (100, 50, 20)) == "risk_seeking"
    assert three_session_return((100, 50, 20)) is None


def test_a_fixed_character_stays_what_it_is():
    assert resolve_character("risk_averse", (1, 2, 3, 4)) == "risk_averse"
    assert resolve_character("risk_seeking", (4, 3, 2, 1)) == "risk_seeking"


def test_an_unknown_character_is_refused_with_the_choices():
    with pytest.raises(SpecError, match="risk_averse"):
        resolve_character("brave", ())
    with pytest.raises(SpecError):
        limits("self_adaptive")  # must be resolved first


def test_clipping_says_which_limit_it_was():
    assert clip(0.8, character="risk_averse") == (0.5, ("max weight",))
    assert clip(0.8, character="risk_seeking") == (0.8, ())
    assert clip(-0.4, character="risk_seeking") == (0.0, ("no shorts",))
    assert clip(-0.8, character="risk_averse", allow_short=True) == (-0.5, ("max weight",))
    assert clip(1.7) == (1.0, ("max weight",))


def test_too_little_confidence_keeps_what_is_held():
    assert clip(0.5, character="risk_averse", held=0.2, confidence=0.649) == (0.2, ("confidence",))
    assert clip(0.5, character="risk_averse", held=0.2, confidence=0.65) == (0.5, ())


def test_a_position_that_outgrew_its_limit_may_be_kept_or_cut_but_not_enlarged():
    assert clip(0.55, character="risk_averse", held=0.6) == (0.55, ())
    assert clip(0.9, character="risk_averse", held=0.6) == (0.6, ("max weight",))


@given(st.floats(-2, 2), st.sampled_from(["", "risk_seeking", "risk_averse"]), st.floats(0, 1), st.booleans())
def test_a_clipped_weight_is_always_allowed_and_clipping_again_changes_nothing(weight, character, held, short):
    most = CHARACTERS[character].max_weight if character else 1.0
    allowed, reasons = clip(weight, character=character, held=held, allow_short=short)
    assert (-most if short else 0.0) <= allowed <= max(most, held)
    assert bool(reasons) == (allowed != weight)
    assert clip(allowed, character=character, held=held, allow_short=short) == (allowed, ())
