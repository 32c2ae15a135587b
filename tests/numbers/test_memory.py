"""Every number of the Memory page, recomputed from the export: counts, table, layers over time, changes, events, life, health."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from tests.numbers import recompute, words
from tests.numbers.conftest import Shown
from tests.numbers.reading import Page, Tile, Told, Untold
from tests.numbers.recompute import Export, Remembered

TICKER, DAY = "DMCEL", "2022-06-15"
LAYERS = {"short": "◔", "mid": "◑", "long": "●", "reflection": "✦"}
WHAT = {
    "remembered": "+ remembered",
    "merged": "∪ merged",
    "cited": "★ cited",
    "credited": "± credited",
    "promoted": "▲ promoted",
    "demoted": "▼ demoted",
    "forgotten": "✕ forgotten",
}
WORDING = Untold("words of the text itself")


def counts(export: Export, day: str = DAY) -> list[Tile]:
    """Live memories per layer with the change since the session before, and the forgotten."""
    over = recompute.live_per_layer(export, TICKER)
    at = [record["day"] for record in export.records[TICKER]].index(day)
    gone = sum(not item.alive for item in recompute.memories(export, TICKER, day).values())
    found = []
    for name, glyph in LAYERS.items():
        change = over[at][name] - over[at - 1][name]
        found.append((f"{glyph} {name}", f"{over[at][name]:,}", f"{change:+d}" if change else ""))
    return [*found, ("✕ forgotten", f"{gone:,}", "")]


def before(export: Export, day: str = DAY) -> str:
    days = [record["day"] for record in export.records[TICKER]]
    return days[days.index(day) - 1]


def important_first(found: Sequence[Remembered]) -> list[Remembered]:
    return sorted(found, key=lambda item: (item.alive, item.importance), reverse=True)


@pytest.mark.parametrize("state", ["alive", "forgotten"])
def test_table_as_of_a_day(state: str, export: Export, show: Shown) -> None:
    page, every = show("memory", ticker=TICKER, day=DAY, alive=state), recompute.memories(export, TICKER, DAY)
    kept = [item for item in every.values() if item.alive == (state == "alive")]
    shown = page.tables()["memory_table"].cells["id"]
    order = [every[number].importance for number in shown]
    assert all(one >= other - 1e-12 for one, other in pairwise(order)), "most important first"
    assert min(order) >= sorted((item.importance for item in kept), reverse=True)[min(200, len(kept)) - 1] - 1e-12
    rows = [every[number] for number in shown]  # memories of one importance may stand in any order
    assert len(set(shown)) == len(rows) == min(200, len(kept)) and all(item in kept for item in rows)
    page.audit(
        Told(
            tiles=counts(export),
            tables={
                "memory_table": {
                    "id": [item.id for item in rows],
                    "layer": [f"{LAYERS[item.layer]} {item.layer}" for item in rows],
                    "title": WORDING,
                    "importance": [item.importance for item in rows],
                    "recency": [item.recency for item in rows],
                    "recalled": [item.recalled for item in rows],
                    "cited": [item.cited for item in rows],
                    "credit": [f"{item.positive}+ {item.negative}-" if item.positive or item.negative else "" for item in rows],
                    "kind": WORDING,
                    "publisher": WORDING,
                    "born": [item.memory["born"] for item in rows],
                    "forgotten_on": [item.forgotten_on or "" for item in rows],
                    "text": WORDING,
                }
            },
        )
    )
    cut = "; the 200 most important are shown" if len(kept) > 200 else ""
    page.say([f"{len(kept):,} of {len(every):,} memories known by {DAY}{cut}. Tick a row to read it and follow its life."])


def test_layers_over_time(export: Export, show: Shown) -> None:
    page, over = show("memory", ticker=TICKER, day=DAY, tab="layers"), recompute.live_per_layer(export, TICKER)
    days = [record["day"] for record in export.records[TICKER]]
    lines = {name: {"x": days, "y": [row[name] for row in over]} for name in LAYERS}
    page.audit(Told(tiles=counts(export), charts={"layers": lines}))


def events_between(export: Export, after: str, until: str = DAY) -> list[dict]:
    return [event for event in export.events if event["ticker"] == TICKER and after < event["day"] <= until]


@pytest.mark.parametrize("after", ["2022-05-02", "start"])
def test_changes_between_two_days(after: str, export: Export, show: Shown) -> None:
    page = show("memory", ticker=TICKER, day=DAY, tab="changes", **{"from": after})
    since = "" if after == "start" else after
    events = events_between(export, since)
    named = {kind: {event["memory_id"] for event in events if event["kind"] == kind} for kind in WHAT}
    cited_before = {event["memory_id"] for event in events_between(export, "", since) if event["kind"] == "cited"} if since else set()
    touched = {event["memory_id"] for event in events if event["kind"] != "merged"}
    sums = {
        "+ born": len(named["remembered"]),
        "✕ forgotten": len(named["forgotten"]),
        "▲▼ moved": len(named["promoted"] | named["demoted"]),
        "± credited": len(named["credited"]),
        "★ cited": len(named["cited"]),
        "★ first cited": len(named["cited"] - cited_before),
    }
    assert page.tiles() == counts(export) + [(label, f"{value:,}", "") for label, value in sums.items()]
    flows: dict[tuple[str, str], list[int]] = {}
    for event in events:
        place = f"{LAYERS[event['after']['layer']]} {event['after']['layer']}"
        old = event["before_layer"] and f"{LAYERS[event['before_layer']]} {event['before_layer']}"
        way = {"remembered": f"○ not yet → {place}", "forgotten": f"{old or place} → ✕ forgotten"}.get(event["kind"], f"{old} → {place}")
        if event["kind"] in ("remembered", "forgotten", "promoted", "demoted"):
            flows.setdefault((WHAT[event["kind"]], way), []).append(event["memory_id"])
    shown = page.tables()
    table = shown["flow_rows"].cells
    told = {key: (len(ids), len(set(ids))) for key, ids in flows.items()}
    assert {(w, way): (n, m) for w, way, n, m in zip(*(table[name] for name in ("what", "way", "moves", "memories")), strict=True)} == told
    assert set(shown["flow_rows"].visible) <= {"what", "way", "moves", "memories"}
    assert sorted(page.charts()["flows"]["sankey"]["value"]) == sorted(n for n, _ in told.values())
    listed = shown["changed_memories"].cells
    assert set(shown["changed_memories"].visible) == {"memory", "title", "what", "was", "now", "credit", "cited", "last"}
    now, old_ = recompute.memories(export, TICKER, DAY), recompute.memories(export, TICKER, since) if since else {}
    for row, number in enumerate(listed["memory"]):
        mine = [event for event in events if event["memory_id"] == number]
        credit = [event["delta"] for event in mine if event["kind"] == "credited"]
        assert listed["credit"][row] == (pytest.approx(sum(credit)) if credit else None), number
        assert (listed["cited"][row] or 0) == sum(event["kind"] == "cited" for event in mine), number
        assert listed["now"][row] == place_of(now.get(number)) and listed["was"][row] == place_of(old_.get(number)), number
        assert listed["last"][row] == max(event["day"] for event in mine), number
    assert len(listed["memory"]) == min(500, len(touched))
    cut = "; the 500 changed last are shown" if len(touched) > 500 else ""
    page.say(
        [
            f"{len(touched):,} of {len(touched):,} memories{cut}. Tick a row to read the memory and follow its life.",
            re.compile(r"\d+ sessions before"),
        ]
    )


def place_of(item: Remembered | None) -> str:
    if item is None:
        return "○ not yet"
    return f"{LAYERS[item.layer]} {item.layer}" if item.alive else "✕ forgotten"


def event_rows(export: Export, events: Sequence[dict]) -> dict[str, list | Untold]:
    """Importance is that of the close of the event's own day, faded like everywhere else."""
    layers = {layer["name"]: layer for layer in export.spec["memory"]["layers"]}
    faded = []
    for event in events:
        now = recompute.clock(export, export.record(event["ticker"], event["day"]))
        state = event["after"]
        age = max(0.0, now - state["importance_as_of"])
        faded.append(state["importance"] * layers[state["layer"]]["importance_decay"] ** age)
    ways = [(event["before_layer"], event["after"]["layer"]) for event in events]
    return {
        "what": [WHAT[event["kind"]] for event in events],
        "layer": [f"{old} → {new}" if old and old != new else new for old, new in ways],
        "importance": faded,
        "change": [event["delta"] if event["kind"] == "credited" else None for event in events],
    }


def test_events_of_a_day(export: Export, show: Shown) -> None:
    days = sorted({event["day"] for event in export.events if event["ticker"] == TICKER and event["kind"] == "credited"})
    for day in (DAY, days[-1]):
        page, events = show("memory", ticker=TICKER, day=day, tab="events"), events_between(export, before(export, day), day)
        rows = event_rows(export, events) | {"memory": [event["memory_id"] for event in events], "title": WORDING, "reason": WORDING}
        page.audit(Told(tiles=counts(export, day), tables={"_events_of_day": rows}))
        kinds = [event["kind"] for event in events]
        tally = [f"{WHAT[kind]} {kinds.count(kind)}" for kind in WHAT if kind in kinds]
        page.say([f"{len(events)} events of {day} in the order in which they happened.", *tally])
        for event, value in zip(events, rows["importance"], strict=True):
            if found := re.fullmatch(r"importance ([\d.]+)", event["reason"]):
                assert value == pytest.approx(float(found[1]), abs=0.00501), "the reason that was recorded says the same"


@pytest.mark.parametrize("alive", [True, False])
def test_the_life_of_a_memory(alive: bool, export: Export, show: Shown) -> None:
    every = recompute.memories(export, TICKER, DAY)
    number = max((item for item in every if every[item].alive == alive), key=lambda item: (every[item].cited, every[item].recalled))
    now, page = every[number], show("memory", ticker=TICKER, day=DAY, mem=number)
    if not now.alive:  # its card stands still on the day it was forgotten, and says so
        assert f"✕ forgotten on {now.forgotten_on}, figures as of then" in page.sentences()
        now = recompute.memories(export, TICKER, now.forgotten_on)[number]
    assert page.tiles() == [
        *counts(export),
        ("Importance", words.number(now.importance, 1), ""),
        ("Recency", words.number(now.recency), ""),
        ("Credit", f"{now.positive}+ {now.negative}-", ""),
        ("Accesses", str(now.access_count), ""),
    ]
    (line,) = [chart for chart in page.charts().values() if "importance" in chart]
    by_day = {day: value for day, value in zip(line["importance"]["x"], line["importance"]["y"], strict=True) if day}
    for day in (now.memory["born"], *((before(export), DAY) if alive else (now.forgotten_on,))):
        assert by_day[day] == pytest.approx(recompute.memories(export, TICKER, day)[number].importance), day
    uses = next(table for table in page.tables().values() if "rank" in table.cells)
    recalls = {
        record["day"]: recall
        for record in export.records[TICKER]
        if record["day"] <= DAY
        for recall in record["thought"]["recalls"]
        if recall["memory_id"] == number
    }
    judged = recompute.judged(export, TICKER)
    assert sorted(uses.cells["day"]) == sorted(recalls)
    for row, day in enumerate(uses.cells["day"]):
        for name in ("rank", "similarity", "recency", "importance", "score"):
            assert uses.cells[name][row] == pytest.approx(recalls[day][name]), (day, name)
        told = judged.get(day)
        shown = uses.cells["outcome"][row]
        if told and told["day"] <= DAY:
            scale = 100 if "outcome" in uses.percent else 1
            assert shown == pytest.approx(scale * told["move"]), day
        else:
            assert shown is None, f"{day}: judged after the day shown, or never"
    missed = sum(recall["near_miss"] for recall in recalls.values())
    tabs = [tab.label for tab in page.at.tabs]
    assert any(label == f"Recalled {len(recalls) - missed} times, just missed {missed}" for label in tabs), tabs
    mine = [event for event in events_between(export, "") if event["memory_id"] == number]
    assert f"Events ({len(mine)})" in tabs


def test_recalled_and_cited_are_the_same_everywhere(export: Export) -> None:
    """Cited by the decisions of the days, and as events of the memory: two records of one thing."""
    _, named = recompute.uses(export, TICKER, DAY)
    events: dict[int, int] = {}
    for event in events_between(export, ""):
        if event["kind"] == "cited":
            events[event["memory_id"]] = events.get(event["memory_id"], 0) + 1
    assert named == events


# ----------------------------------------------------------------------------------------------------------------------- health


def alike(export: Export, live: Sequence[Remembered]) -> dict[tuple[int, int], float]:
    """Cosine of every two live memories, later one first."""
    known = recompute.vectors(export, TICKER)
    ids = sorted(item.id for item in live)
    rows = np.array([known[number] for number in ids])
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    found = rows @ rows.T
    return {(ids[a], ids[b]): float(found[a, b]) for a in range(len(ids)) for b in range(a)}


@pytest.fixture
def health(export: Export, show: Shown) -> Page:
    return show("memory", ticker=TICKER, day=DAY, tab="health")


def test_health_tiles(health: Page, export: Export) -> None:
    every = recompute.memories(export, TICKER, DAY)
    live, gone = [item for item in every.values() if item.alive], [item for item in every.values() if not item.alive]
    sessions = [record["day"] for record in export.records[TICKER] if record["day"] <= DAY]
    lately = sessions[-20:]
    copies = {pair[0] for pair, value in alike(export, live).items() if value >= 0.95}
    judged = [item for item in live if item.positive or item.negative]
    old = [item for item in live if item.memory["born"] < lately[0]]
    shown = {item.id: 0 for item in live}
    last_cited: dict[int, str] = {}
    citations: dict[int, int] = {}
    for record in export.records[TICKER]:
        if record["day"] > DAY:
            continue
        for recall in record["thought"]["recalls"]:
            if record["day"] in lately and not recall["near_miss"] and recall["memory_id"] in shown:
                shown[recall["memory_id"]] += 1
        for number in recompute.cited_on(record):
            last_cited[number] = record["day"]
            citations[number] = citations.get(number, 0) + 1
    lost = [i for i in gone if i.id in last_cited and sessions.index(i.forgotten_on) - sessions.index(last_cited[i.id]) <= 20]
    stale = [item for item in live if item.recency <= 0.2 and shown[item.id] >= 0.25 * len(lately)]
    total = sum(citations.values())
    tiles = {tile[0]: tile[1:] for tile in health.tiles()}
    told = {
        "Near copies": (len(copies), len(live)),
        "Right and wrong": (sum(item.positive > 0 < item.negative for item in judged), len(judged)),
        "Never recalled": (sum(item.recalled == 0 for item in old), len(old)),
        "Stale but hot": (len(stale), len(live)),
        "Forgotten in use": (len(lost), len(gone)),
    }
    for label, (count, of) in told.items():
        assert tiles[label] == (f"{count:,}", f"{count / of:.1%} of {of:,}" if of else "none to ask about"), label
    effective = 1 / sum((count / total) ** 2 for count in citations.values())
    assert tiles["Citations rest on"] == (f"{effective:.1f}", f"{total:,} on {len(citations):,}")
    by_reader = {
        "Contradictions",
        "Hindsight phrases",
    }  # what a text claims is told by the rule-based reader: only counted against their rows
    assert set(tiles) == set(told) | by_reader | {"Citations rest on"} | {tile[0] for tile in counts(export)}
    for label in by_reader:
        count, below = tiles[label]
        assert below == f"{int(count) / len(live):.1%} of {len(live):,}"


def test_near_copies_are_as_alike_as_told(health: Page, export: Export) -> None:
    live = [item for item in recompute.memories(export, TICKER, DAY).values() if item.alive]
    pairs, table = alike(export, live), health.tables()["health_copies"].cells
    assert table["id"] and set(table) <= {"id", "title", "other", "other_title", "similarity"}
    for number, other, value in zip(table["id"], table["other"], table["similarity"], strict=True):
        assert value == pytest.approx(pairs[number, other], abs=1e-5)
        best = max(similar for (one, _), similar in pairs.items() if one == number)
        assert math.isclose(value, best, abs_tol=1e-5), "the closest of the earlier ones"
