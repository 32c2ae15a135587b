"""Credit, promotion and demotion: the correct rules, and FinMem's own ones where a preset asks for them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.memory.layers import preset
from tests.agent.memory_tools import draft, go, last_of, make_bank


def test_credit_is_a_constant_step_in_the_direction_of_stance_and_verdict() -> None:
    bank = go(make_bank(), 0)
    good, bad, context = bank.remember([draft(t, value=40) for t in "abc"])
    bank.drain()
    assert bank.credit({good: 1, bad: -1, context: 0}, 1, "rose") == ()
    assert [bank.importance_now(i) for i in (good, bad, context)] == [45, 35, 40]
    assert [bank.state(i).access_count for i in (good, bad, context)] == [1, 1, 1]
    assert (bank.state(good).positive, bank.state(bad).negative, bank.state(context).positive) == (1, 1, 0)
    events = bank.drain()
    assert [(e.memory_id, e.kind, e.delta, e.reason) for e in events] == [
        (good, "credited", 5, "rose"),
        (bad, "credited", -5, "rose"),
        (context, "credited", 0, "rose"),
    ]


def test_a_wrong_decision_costs_its_supporters() -> None:
    bank = go(make_bank(), 0)
    a, b = bank.remember([draft("a", value=40), draft("b", value=40)])
    bank.credit({a: 1, b: -1}, -1, "fell")
    assert (bank.importance_now(a), bank.importance_now(b)) == (35, 45)


def test_promotion_happens_at_exactly_sixty_and_not_just_below() -> None:
    bank = go(make_bank(), 0)
    below, exact = bank.remember([draft("a", value=54.999), draft("b", value=55)])
    bank.credit({below: 1, exact: 1}, 1, "")
    assert (bank.state(below).layer, bank.state(exact).layer) == ("short", "mid")
    assert bank.importance_now(below) == 59.999 and bank.importance_now(exact) == 60


def test_promotion_moves_one_layer_resets_recency_and_keeps_importance() -> None:
    bank = go(make_bank(), 0)
    (memory,) = bank.remember([draft("a", value=90)])
    go(bank, 1).advance()
    assert bank.state(memory).layer == "short"  # 81, far above 60, but no credit yet
    bank.credit({memory: 1}, 1, "")
    bank.credit({memory: 1}, 1, "again")  # 91: above mid's 80 as well, but one layer a day
    assert bank.state(memory).layer == "mid"
    assert bank.recency_now(memory) == 1.0 and bank.importance_now(memory) == pytest.approx(91)
    event = last_of(bank.drain(), "promoted")
    assert (event.before_layer, event.after.layer) == ("short", "mid")
    go(bank, 2).advance()
    assert bank.importance_now(memory) == pytest.approx(91 * 0.967, abs=1e-9)
    bank.credit({memory: 1}, 1, "")
    assert bank.state(memory).layer == "long"


def test_a_move_never_blocks_later_credit() -> None:
    bank = go(make_bank(), 0)
    (memory,) = bank.remember([draft("a", value=60)])
    bank.credit({memory: 1}, 1, "")
    go(bank, 1).advance()
    before = bank.importance_now(memory)
    bank.credit({memory: 1}, 1, "")
    assert bank.importance_now(memory) == pytest.approx(before + 5)


def test_importance_stays_between_nothing_and_a_hundred() -> None:
    bank = go(make_bank(), 0)
    high, low = bank.remember([draft("a", "filing_10k", value=98), draft("b", "filing_10k", value=3 + 5)])
    bank.drain()
    bank.credit({high: 1, low: -1}, 1, "")
    bank.credit({high: 1, low: -1}, 1, "")
    assert (bank.importance_now(high), bank.importance_now(low)) == (100, 0)
    assert [e.delta for e in bank.drain()] == [2, -5, 0, -3]


def test_unknown_and_forgotten_ids_are_ignored_and_named() -> None:
    bank = go(make_bank(), 0)
    (gone,) = bank.remember([draft("a", value=40)])
    go(bank, 30).advance()
    bank.drain()
    assert bank.credit({gone: 1, 999: 1}, 1, "") == (gone, 999)
    assert bank.cite({"short": [gone, 999]}) == (gone, 999)
    assert bank.drain() == ()


def test_citing_is_logged_and_changes_nothing() -> None:
    bank = go(make_bank(), 0)
    (memory,) = bank.remember([draft("a")])
    before = bank.state(memory)
    bank.drain()
    bank.cite({"short": [memory], "long": []})
    assert [(e.kind, e.memory_id) for e in bank.drain()] == [("cited", memory)] and bank.state(memory) == before


def test_a_demotion_keeps_recency_continuous() -> None:
    spec = preset("default")
    mid = spec.layer("mid").model_copy(update={"demote_below": 30.0})
    bank = go(make_bank(spec.model_copy(update={"layers": tuple(mid if x.name == "mid" else x for x in spec.layers)})), 0)
    (memory,) = bank.remember([draft("a", "filing_10q", value=40)])
    go(bank, 9).advance()  # 40 * .967^9 = 29.6
    assert bank.state(memory).layer == "short"
    assert bank.recency_now(memory) == pytest.approx(math.exp(-9 / 90), abs=1e-12)
    go(bank, 10).advance()
    assert bank.recency_now(memory) == pytest.approx(math.exp(-(9 * 14 / 90 + 1) / 14), abs=1e-12)


# ----------------------------------------------------------------------------------------------------------- FinMem's own rules


def lifeline(name: str, kind: str, value: float) -> list[str]:
    """The layer after each step without feedback, until it is deleted."""
    bank = go(make_bank(name), 0)
    (memory,) = bank.remember([draft("a", kind, value=value)])
    seen = [bank.state(memory).layer]
    while bank.alive(memory):
        go(bank, len(seen)).advance()
        seen.append(bank.state(memory).layer if bank.alive(memory) else "deleted")
    return seen


@pytest.mark.parametrize(
    ("name", "kind", "value", "at"),
    [
        ("finmem-repo", "filing_10k", 80, {1: "mid", 9: "mid", 10: "short", 11: "deleted"}),
        ("finmem-repo", "filing_10q", 60, {1: "short", 8: "short", 9: "deleted"}),
        ("finmem-repo", "news", 90, {1: "long", 3: "long", 4: "mid", 13: "short", 14: "deleted"}),
        ("finmem-repo", "news", 70, {1: "mid"}),  # 64.4
        ("investor-bench", "filing_10k", 90, {14: "deleted"}),
        ("investor-bench", "filing_10q", 60, {9: "deleted"}),
    ],
)
def test_finmem_repo_collapses_its_layers_as_published(name: str, kind: str, value: float, at: dict[int, str]) -> None:
    seen = lifeline(name, kind, value)
    assert {step: seen[step] for step in at} == at  # B01


def test_finmem_repo_credit_grows_with_the_running_counter() -> None:
    bank = go(make_bank("finmem-repo"), 0)
    (memory,) = bank.remember([draft("a", value=50)])
    seen = []
    for verdict in (1, 1, 1, -1, -1, -1):
        bank.credit({memory: 1}, verdict, "")
        seen.append(bank.importance_now(memory))
    assert seen == [55, 65, 80, 90, 95, 95]  # B03


def test_finmem_repo_ignores_credit_for_whatever_has_moved() -> None:
    bank = go(make_bank("finmem-repo"), 0)
    (memory,) = bank.remember([draft("a", "filing_10k", value=80)])
    go(bank, 1).advance()
    assert bank.credit({memory: 1}, 1, "") == (memory,)  # B02
    assert bank.importance_now(memory) == pytest.approx(79.04, abs=1e-9) and bank.state(memory).access_count == 0


def test_finmem_repo_lets_importance_grow_past_a_hundred_but_scores_it_as_a_hundred() -> None:
    bank = go(make_bank("finmem-repo"), 0)
    (memory,) = bank.remember([draft("a", "immediate_reflection", value=80)])
    for _ in range(3):
        bank.credit({memory: 1}, 1, "")
    (recall,) = bank.recall("a")
    assert bank.importance_now(memory) == 110 and recall.importance == 1.0
    assert recall.score == pytest.approx(recall.similarity + 1.0 + 1.0, abs=1e-12)


def test_finmem_repo_ranks_a_promoted_memory_by_its_old_compound_for_a_day() -> None:
    bank = go(make_bank("finmem-repo"), 0)
    (memory,) = bank.remember([draft("a", value=90)])
    go(bank, 1).advance()
    assert bank.recency_now(memory) == 1.0
    (recall,) = bank.recall("a")
    assert recall.layer == "long" and recall.recency == pytest.approx(math.exp(-1 / 3))  # B34
    go(bank, 2).advance()
    assert bank.recall("a")[0].recency == pytest.approx(math.exp(-1 / 365))


def test_finmem_repo_judges_a_demoted_memory_by_the_lower_layer_from_the_next_step() -> None:
    bank = go(make_bank("finmem-repo"), 0)
    (memory,) = bank.remember([draft("a", "filing_10q", value=60)])
    go(bank, 1).advance()
    assert bank.state(memory).layer == "short" and bank.recall("a")[0].recency == pytest.approx(math.exp(-1 / 90))
    go(bank, 2).advance()
    assert bank.recall("a")[0].recency == pytest.approx(math.exp(-2 / 3))


class StepByStep:
    """FinMem's written rules as a loop over mutable rows: recency, importance and compound stored and rewritten at every step."""

    Q = {"short": 3, "mid": 90, "long": 365, "reflection": 365}
    A = {"short": 0.92, "mid": 0.967, "long": 0.988, "reflection": 0.988}
    UP, DOWN = {"short": 60, "mid": 80}, {"mid": 60, "long": 80}
    LADDER = ("short", "mid", "long")

    def __init__(self) -> None:
        self.rows: dict[int, dict] = {}
        self.moved: set[int] = set()

    def add(self, key: int, layer: str, value: float) -> None:
        self.rows[key] = {"layer": layer, "I": value, "R": 1.0, "d": 0, "n": 0, "compound": 1 + value / 100}

    def feedback(self, keys, sign: int) -> None:
        for key in keys:
            if key in self.rows and key not in self.moved:
                row = self.rows[key]
                row["n"] += sign
                row["I"] += 5 * row["n"]
                row["compound"] = row["R"] + min(row["I"], 100) / 100

    def step(self) -> None:
        for key, row in list(self.rows.items()):
            row["d"] += 1
            row["R"], row["I"] = math.exp(-row["d"] / self.Q[row["layer"]]), row["I"] * self.A[row["layer"]]
            row["compound"] = row["R"] + min(row["I"], 100) / 100
            if row["R"] < 0.05 or row["I"] < 5:
                del self.rows[key]
        for _ in range(2):
            for place, layer in enumerate(self.LADDER):
                here = [(key, row) for key, row in self.rows.items() if row["layer"] == layer]
                for key, row in here:
                    if row["I"] >= self.UP.get(layer, math.inf):
                        row.update(layer=self.LADDER[place + 1], R=1.0, d=0)
                        self.moved.add(key)
                    elif row["I"] < self.DOWN.get(layer, -math.inf):
                        row.update(layer=self.LADDER[place - 1])
                        self.moved.add(key)


KINDS = {"news": "short", "filing_10q": "mid", "filing_10k": "long", "immediate_reflection": "reflection"}
ARRIVAL = st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from([40.0, 50.0, 60.0, 70.0, 80.0, 90.0]))
DAY = st.tuples(st.lists(ARRIVAL, max_size=3), st.lists(st.integers(1, 20), max_size=4, unique=True), st.sampled_from([1, -1]))


@settings(max_examples=60, deadline=None)
@given(st.lists(DAY, min_size=1, max_size=45))
def test_finmem_repo_follows_the_written_rules_step_by_step(days) -> None:
    bank, model, count = make_bank("finmem-repo"), StepByStep(), 0
    for step, (arrivals, cited, sign) in enumerate(days):
        go(bank, step).advance()
        if step:
            model.step()
        for kind, value in arrivals:
            count += 1
            (memory,) = bank.remember([draft(f"text {count}", kind, value=value)])
            model.add(memory, KINDS[kind], value)
        assert bank.ids() == sorted(model.rows)
        ranked = {recall.memory_id: recall for recall in bank.recall("anything")}
        for key, row in model.rows.items():
            assert bank.state(key).layer == row["layer"]
            assert bank.importance_now(key) == pytest.approx(row["I"], abs=1e-9)
            assert bank.recency_now(key) == pytest.approx(row["R"], abs=1e-9)
            if key in ranked:
                assert ranked[key].recency + ranked[key].importance == pytest.approx(row["compound"], abs=1e-9)
        bank.credit({key: 1 for key in cited}, sign, "")
        model.feedback(cited, sign)
