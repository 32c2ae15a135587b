"""The numbers of the causal thread, recomputed from the export: of a memory, and of a decision with every ground it named."""

from __future__ import annotations

import re

from tests.numbers import recompute, words
from tests.numbers.conftest import Shown
from tests.numbers.recompute import Export, Record

TICKER = "DMAUR"


def recalled(record: Record, number: int) -> dict | None:
    return next((recall for recall in record["thought"]["recalls"] if recall["memory_id"] == number), None)


def most_credited(export: Export) -> int:
    """The memory that decisions, not studies, named most often and that got credit back."""
    _, named = recompute.uses(export, TICKER, export.records[TICKER][-1]["day"])
    credited = {event["memory_id"] for event in export.events if event["ticker"] == TICKER and event["kind"] == "credited"}
    return max((number for number in named if number in credited), key=lambda number: named[number])


def test_tiles_and_marks_of_a_memory(export: Export, show: Shown) -> None:
    number = most_credited(export)
    page, judged = show("thread", ticker=TICKER, mem=number), recompute.judged(export, TICKER)
    uses = {record["day"]: recall for record in export.records[TICKER] if (recall := recalled(record, number))}
    seen = {day for day, recall in uses.items() if not recall["near_miss"]}
    named = [r for r in export.records[TICKER] if number in recompute.cited_on(r) or number in studied(r)]
    filled = {fill.decided for fill in export.sleeves[TICKER].fills}
    verdicts = [judged[r["day"]]["verdict"] for r in named if r["phase"] == "test" and r["day"] in judged]
    gains = [e["delta"] for e in export.events if (e["ticker"], e["memory_id"], e["kind"]) == (TICKER, number, "credited")]
    ends = [f"{sum(part):+.3g}" for part in ([g for g in gains if g > 0], [g for g in gains if g < 0]) if part]
    tiles = {label: value for label, value, _ in page.tiles()}
    assert tiles == {
        "Shown": str(len(seen)),
        "Just missed": str(len(uses) - len(seen)),
        "Named": str(len(named)),
        "Orders filled": str(sum(r["day"] in filled for r in named)),
        "Right, wrong": f"{verdicts.count(1)}, {verdicts.count(-1)}",
        "Credit": " ".join(ends) or "none",
    }
    marks = [
        text for chart in page.charts().values() for line in chart.values() for kind, *rest in line.get("customdata", []) for text in rest
    ]
    told = {}
    for text in filter(lambda text: isinstance(text, str) and "similarity" in text, marks):
        told[text[:10]] = text
    assert set(told) == set(uses)
    for day, recall in uses.items():
        parts = re.findall(r"(?:rank|score|similarity|recency|importance) (-?[\d.]+)", told[day])
        assert parts == [str(recall["rank"]), *(f"{recall[k]:.2f}" for k in ("score", "similarity", "recency", "importance"))], day


def studied(record: Record) -> set[int]:
    study = record["thought"]["study"]
    return {*study["supporting"], *study["opposing"]} if study else set()


def test_grounds_of_a_decision_that_was_judged(export: Export, show: Shown) -> None:
    judged = recompute.judged(export, TICKER)
    record = next(r for r in export.test_records(TICKER) if r["day"] in judged and len(recompute.cited_on(r)) >= 2)
    page, told, cited = show("thread", ticker=TICKER, day=record["day"]), judged[record["day"]], recompute.cited_on(record)
    lines = page.sentences()
    fill = next(fill for fill in export.sleeves[TICKER].fills if fill.decided == record["day"])
    verb = "Bought" if fill.shares > 0 else "Sold"
    summary = next(line for line in lines if line.startswith(f"{verb} "))
    assert summary.startswith(f"{verb} {words.shares(abs(fill.shares))} at {words.number(fill.price)} on {fill.day}")
    assert f"by {told['day']}: the price had moved {words.percent(told['move'], 2, sign=True)} in {told['sessions']} sessions" in summary
    assert f"{words.percent(told['side'] * told['move'], 2, sign=True)} in the decision's own direction" in summary
    texts = (
        0 if not re.search(r"texts of the day (\d+)", "\n".join(lines)) else int(re.search(r"texts of the day (\d+)", "\n".join(lines))[1])
    )
    facts = {
        fact for side in ("reasons_for", "reasons_against") for reason in record["thought"]["decision"][side] for fact in reason["facts"]
    }
    assert texts == sum(fact[0] in "NF" for fact in facts)
    assert any(line.startswith(f"Grounds it named · memories {len(cited)},") for line in lines)
    for number in cited:
        at = next(place for place, line in enumerate(lines) if line.startswith(f"Memory {number} – "))
        recall = recalled(record, number)
        rank = next(line for line in lines[at:] if line.startswith("Rank "))
        assert rank.startswith(f"Rank {recall['rank']} in {recall['layer']}, score {recall['score']:.2f}"), number
        later = [r for r in export.records[TICKER] if r["day"] > record["day"]]
        shown = [r for r in later if (again := recalled(r, number)) and not again["near_miss"]]
        named = sum(number in recompute.cited_on(r) for r in shown)
        times = "once" if len(shown) == 1 else f"{len(shown)} times"
        again = (
            f"Later shown {times}" + (f", and named on {named} of these days" if named else " and never named")
            if shown
            else "Never shown again"
        )
        after = "\n".join(lines[at : at + 6])
        assert again in after, (number, after)
