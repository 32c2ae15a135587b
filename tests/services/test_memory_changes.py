"""Flows and differences between two days: figures by hand, and identities that hold for any history."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from services.memory_changes import GONE, NEW, counts, difference, flows, live, moved_along, uses_by

FIRST = date(2025, 3, 3)
LAYERS = ("short", "mid", "long")


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def history(*rows: tuple) -> pd.DataFrame:
    """Rows of (day number, kind, memory, before layer, after layer, delta)."""
    columns = ["day", "kind", "memory_id", "before_layer", "after_layer", "delta"]
    frame = pd.DataFrame([(day(row[0]), *row[1:]) for row in rows], columns=columns)
    return frame.assign(seq=range(len(frame)), importance=50.0)


BY_HAND = history(
    (0, "remembered", 1, None, "short", 0.0),
    (0, "remembered", 2, None, "short", 0.0),
    (1, "cited", 1, None, "short", 0.0),
    (2, "credited", 1, None, "short", 5.0),
    (2, "promoted", 1, "short", "mid", 0.0),
    (2, "merged", 2, None, "short", 0.0),
    (3, "remembered", 3, None, "mid", 0.0),
    (3, "credited", 1, None, "mid", -5.0),
    (3, "cited", 1, None, "mid", 0.0),
    (4, "forgotten", 2, "short", "short", 0.0),
    (4, "demoted", 1, "mid", "short", 0.0),
    (4, "cited", 3, None, "mid", 0.0),
)


def test_flows_by_hand() -> None:
    found = flows(BY_HAND, after=day(1), until=day(4))
    assert found.to_dict("split")["data"] == [
        ["remembered", NEW, "mid", 1, 1],
        ["promoted", "short", "mid", 1, 1],
        ["demoted", "mid", "short", 1, 1],
        ["forgotten", "short", GONE, 1, 1],
    ]


def test_a_flow_leads_to_the_memories_behind_it() -> None:
    assert moved_along(BY_HAND, kind="remembered", source=NEW, target="short", after=None, until=day(4)) == [1, 2]
    assert moved_along(BY_HAND, kind="forgotten", source="short", target=GONE, after=None, until=day(4)) == [2]
    assert moved_along(BY_HAND, kind="remembered", source=NEW, target="short", after=day(0), until=day(4)) == []


def test_the_difference_of_two_days_by_hand() -> None:
    found = difference(BY_HAND, after=day(1), until=day(4)).set_index("memory_id")
    assert list(found.index) == [1, 2, 3]
    assert found.loc[1, ["before", "now", "born", "gone", "moves", "credits", "credit", "cited", "first_cited", "last"]].to_list() == [
        *("short", "short", False, False, 2, 2, 0.0, 1, False, day(4))
    ]
    assert found.loc[2, ["before", "now", "gone", "cited"]].to_list() == ["short", GONE, True, 0]
    assert found.loc[3, ["before", "now", "born", "first_cited"]].to_list() == [NEW, "mid", True, True]
    assert counts(found.reset_index()) == {"born": 1, "forgotten": 1, "moved": 1, "credited": 1, "cited": 2, "first cited": 1}


def test_a_day_on_which_nothing_happened_has_no_rows() -> None:
    assert difference(BY_HAND, after=day(4), until=day(9)).empty
    assert flows(BY_HAND, after=day(4), until=day(9)).empty
    assert set(counts(difference(BY_HAND, after=day(4), until=day(9))).values()) == {0}


def test_an_outcome_that_was_judged_later_is_not_known_yet() -> None:
    uses = pd.DataFrame({"day": [day(0), day(1), day(5)], "outcome": [0.02, 0.03, 0.04], "verdict": [1.0, -1.0, 1.0]})
    known = uses_by(uses, {day(0): day(3), day(1): day(4)}, day(3))
    assert list(known["day"]) == [day(0), day(1)]
    assert known["outcome"].iloc[0] == 0.02 and pd.isna(known["outcome"].iloc[1]) and pd.isna(known["verdict"].iloc[1])


@some.composite
def histories(draw: some.DrawFn) -> pd.DataFrame:
    """Any life that a bank could have written: born once, moved and credited while alive, forgotten at most once."""
    where: dict[int, str | None] = {}
    rows: list[tuple] = []
    for number in range(draw(some.integers(1, 12))):
        for _ in range(draw(some.integers(0, 5))):
            alive = [memory for memory, layer in where.items() if layer]
            kind = draw(some.sampled_from(["remembered", "promoted", "demoted", "forgotten", "credited", "cited", "merged"]))
            if kind == "remembered" or not alive:
                memory, layer = len(where) + 1, draw(some.sampled_from(LAYERS))
                rows.append((number, "remembered", memory, None, layer, 0.0))
                where[memory] = layer
                continue
            memory = draw(some.sampled_from(alive))
            old = where[memory]
            if kind in ("promoted", "demoted"):
                new = draw(some.sampled_from([layer for layer in LAYERS if layer != old]))
                rows.append((number, kind, memory, old, new, 0.0))
                where[memory] = new
            elif kind == "forgotten":
                rows.append((number, kind, memory, old, old, 0.0))
                where[memory] = None
            else:
                rows.append((number, kind, memory, None, old, 5.0 if kind == "credited" else 0.0))
    return history(*rows)


days = some.integers(-1, 12).map(day)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), days, days)
def test_what_flowed_in_and_out_is_what_the_layers_gained(found: pd.DataFrame, a: date, b: date) -> None:
    a, b = sorted((a, b))
    moved, before, after = flows(found, after=a, until=b), live(found, a, LAYERS), live(found, b, LAYERS)
    for layer in LAYERS:
        gained = moved.loc[moved["target"] == layer, "moves"].sum() - moved.loc[moved["source"] == layer, "moves"].sum()
        assert after[layer] - before[layer] == gained
    born = moved.loc[moved["source"] == NEW, "moves"].sum()
    assert sum(after.values()) - sum(before.values()) == born - moved.loc[moved["target"] == GONE, "moves"].sum()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), days, days, days)
def test_two_differences_make_the_one_over_both_periods(found: pd.DataFrame, a: date, b: date, c: date) -> None:
    a, b, c = sorted((a, b, c))
    first, second, whole = (difference(found, after=x, until=y).set_index("memory_id") for x, y in ((a, b), (b, c), (a, c)))
    assert set(whole.index) == set(first.index) | set(second.index)
    for memory, row in whole.iterrows():
        parts = [part.loc[memory] for part in (first, second) if memory in part.index]
        for name in ("born", "gone", "moves", "credits", "credit", "cited", "first_cited"):
            assert row[name] == sum(part[name] for part in parts)
        assert (row["before"], row["now"], row["last"]) == (parts[0]["before"], parts[-1]["now"], parts[-1]["last"])
        if len(parts) == 2:
            assert parts[0]["now"] == parts[1]["before"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), days)
def test_every_memory_behind_the_flows_is_in_the_difference(found: pd.DataFrame, until: date) -> None:
    moved, changed = flows(found, after=None, until=until), difference(found, after=None, until=until)
    listed = set()
    for row in moved.itertuples():
        behind = moved_along(found, kind=row.kind, source=row.source, target=row.target, after=None, until=until)
        assert len(behind) == row.memories
        listed |= set(behind)
    assert listed <= {int(number) for number in changed["memory_id"]}
