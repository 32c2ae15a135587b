"""The finmem-paper preset against closed forms written out by hand."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.memory import scoring
from tests.agent.memory_tools import START, draft, go, last_of, make_bank

ALPHA = {"news": 0.9, "filing_10q": 0.967, "filing_10k": 0.988}
SPAN = {"news": 14.0, "filing_10q": 90.0, "filing_10k": 365.0}


@pytest.mark.parametrize("kind", ["news", "filing_10q", "filing_10k"])
@pytest.mark.parametrize("days", [0.0, 1.0, 2.5, 13.0])
def test_recency_and_importance_are_closed_forms_of_the_age(kind: str, days: float) -> None:
    bank = go(make_bank(), 0)
    (memory,) = bank.remember([draft("a", kind, value=60)])
    go(bank, days).advance()
    assert bank.recency_now(memory) == pytest.approx(math.exp(-days / SPAN[kind]), abs=1e-9)
    assert bank.importance_now(memory) == pytest.approx(60 * ALPHA[kind] ** days, abs=1e-9)


@pytest.mark.parametrize(
    ("kind", "value", "day"),
    [
        *[("news", 40, 20), ("news", 50, 22), ("news", 60, 24), ("news", 70, 26), ("news", 80, 27), ("news", 90, 28)],
        *[("filing_10q", 40, 62), ("filing_10q", 60, 75), ("filing_10q", 80, 83)],
        *[("filing_10k", 40, 173), ("filing_10k", 60, 206), ("filing_10k", 80, 230)],
    ],
)
def test_the_paper_s_lifetimes_without_feedback(kind: str, value: float, day: int) -> None:
    bank = go(make_bank(), 0)
    (memory,) = bank.remember([draft("a", kind, value=value)])
    go(bank, day - 1).advance()
    assert bank.alive(memory)
    go(bank, day).advance()
    assert not bank.alive(memory)
    assert last_of(bank.drain(), "forgotten").reason.startswith("importance")


def test_the_default_lets_an_annual_report_live_a_year() -> None:
    bank = go(make_bank("default"), 0)
    (memory,) = bank.remember([draft("a", "filing_10k", value=80)])
    go(bank, 365).advance()
    assert bank.alive(memory)
    go(bank, 370).advance()
    assert not bank.alive(memory)


def test_forgetting_is_strict_at_the_threshold() -> None:
    spec = make_bank().spec
    short = spec.layers[0].model_copy(update={"importance_decay": 0.5, "recency_days": 1000.0})
    bank = go(make_bank(spec.model_copy(update={"layers": (short, *spec.layers[1:])})), 0)
    (memory,) = bank.remember([draft("a", value=80)])
    go(bank, 4).advance()
    assert bank.importance_now(memory) == 5.0 and bank.alive(memory)
    go(bank, 4.001, index=5).advance()
    assert bank.session is not None and bank.alive(memory) is False


def test_a_memory_also_dies_of_age_alone() -> None:
    spec = make_bank().spec
    short = spec.layers[0].model_copy(update={"importance_decay": 1.0})
    bank = go(make_bank(spec.model_copy(update={"layers": (short, *spec.layers[1:])})), 0)
    (memory,) = bank.remember([draft("a", value=80)])
    go(bank, 41).advance()
    assert bank.alive(memory)
    go(bank, 42).advance()  # 14 * ln 20 = 41.94
    assert not bank.alive(memory) and last_of(bank.drain(), "forgotten").reason.startswith("recency")


def test_a_weekend_item_decays_from_its_own_time() -> None:
    bank = go(make_bank(), 7)  # Monday; the item is from Saturday
    (memory,) = bank.remember([draft("a", day=5, value=80)])
    assert bank.recency_now(memory) == pytest.approx(math.exp(-2 / 14), abs=1e-12)
    assert bank.importance_now(memory) == pytest.approx(80 * 0.9**2, abs=1e-12)


def test_a_forgotten_memory_stays_readable_but_leaves_recall() -> None:
    bank = go(make_bank(), 0)
    (memory,) = bank.remember([draft("a", value=40)])
    go(bank, 30).advance()
    assert bank.recall("a") == () and bank.ids() == [] and bank.live()["short"] == 0
    assert bank.get(memory).text == "a" and bank.state(memory).importance == 40


def test_an_ordinary_day_writes_nothing() -> None:
    bank = go(make_bank(), 0)
    (memory,) = bank.remember([draft("a", "filing_10k", value=80)])
    bank.drain()
    before = bank.state(memory)
    for day in range(1, 30):
        go(bank, day).advance()
        bank.recall("a")
    assert bank.drain() == () and bank.state(memory) == before


@given(st.integers(0, 2**31), st.text(min_size=1, max_size=8))
def test_the_keyed_draw_depends_on_its_key_alone(seed: int, content: str) -> None:
    one = scoring.keyed_fraction(seed, "AAA", content)
    assert 0 <= one < 1 and one == scoring.keyed_fraction(seed, "AAA", content)
    assert one != scoring.keyed_fraction(seed + 1, "AAA", content) and one != scoring.keyed_fraction(seed, "AAB", content)


def test_keyed_births_follow_the_layer_s_odds_and_fixed_ones_its_mode() -> None:
    def born(rule, n):
        return scoring.birth_importance((40, 60, 80), (0.05, 0.15, 0.8), rule=rule, seed=1, ticker="A", content_hash=str(n))

    drawn = [born("keyed", n) for n in range(4000)]
    assert drawn.count(80) / 4000 == pytest.approx(0.8, abs=0.025) and drawn.count(40) / 4000 == pytest.approx(0.05, abs=0.015)
    assert {born("fixed", n) for n in range(50)} == {80}


def test_importance_at_birth_ignores_what_else_came_and_when() -> None:
    alone, crowded = go(make_bank("default"), 0), go(make_bank("default"), 0)
    (one,) = alone.remember([draft("the text")])
    crowded.remember([draft(f"other {n}") for n in range(20)])
    (same,) = crowded.remember([draft("the text")])
    assert alone.state(one).importance == crowded.state(same).importance
    values = {go(make_bank("default", seed=s), 0).remember([draft("the text")]) and _value(s) for s in range(40)}
    assert len(values) > 1


def _value(seed: int) -> float:
    bank = go(make_bank("default", seed=seed), 0)
    return bank.state(bank.remember([draft("the text")])[0]).importance


def test_what_would_be_forgotten_at_once_is_not_even_embedded() -> None:
    bank = go(make_bank(), 60)
    assert bank.remember([draft("old", day=0, value=90), draft("new", day=60)]) != []
    assert bank.embedder.asked == ["new"]  # type: ignore[attr-defined]


def test_sessions_clock_counts_loop_steps_not_days() -> None:
    bank = go(make_bank("finmem-repo"), 0, index=0)
    (memory,) = bank.remember([draft("a", value=50, day=-2)])
    go(bank, 3, index=1).advance()  # Friday to Monday is one step (B33)
    assert bank.recency_now(memory) == pytest.approx(math.exp(-1 / 3), abs=1e-12)
    assert bank.importance_now(memory) == pytest.approx(50 * 0.92, abs=1e-12)


def test_a_cutoff_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        make_bank().begin(START.date(), START.replace(tzinfo=None), 0, "test")


def test_an_event_in_the_future_is_as_fresh_as_now() -> None:
    bank = go(make_bank(), 0)
    (memory,) = bank.remember([draft("due in March", event_time=START + timedelta(days=50), value=40)])
    assert bank.recency_now(memory) == 1.0 and bank.importance_now(memory) == 40.0
