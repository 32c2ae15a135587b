"""Every number of the Days page, recomputed from the export: the table with all its columns, the strip, and the trace of a day."""

from __future__ import annotations

import re

import pytest

from tests.numbers import recompute, words
from tests.numbers.conftest import Shown
from tests.numbers.reading import Percent, Told, Untold
from tests.numbers.recompute import Export, Record
from tests.numbers.test_memory import event_rows

TICKER = "DMAUR"
COLUMNS = (
    *("day", "decision", "confidence", "target", "cited", "layers", "next_return", "outcome", "judged", "result", "credit", "order", "who"),
    *("asked", "tokens", "ms", "direction", "horizon", "weight", "equity", "news", "filings", "recalled", "changes", "calls", "answered"),
    *("limits", "why"),
)
GLYPHS = {"buy": "▲", "hold": "■", "sell": "▼"}
LAYERS = {"short": "◔", "mid": "◑", "long": "●", "reflection": "✦"}


def decision(record: Record) -> dict:
    return record["thought"]["decision"] or {}


def cited(record: Record) -> set[int]:
    """On a training day what its study named."""
    study = record["thought"]["study"] or {"supporting": [], "opposing": []}
    return recompute.cited_on(record) | {*study["supporting"], *study["opposing"]}


def layers(record: Record) -> str:
    counts = [(layer, len(decision(record).get("cited", {}).get(layer, ()))) for layer in LAYERS]
    return ", ".join(f"{LAYERS[layer]} {layer} {count}" for layer, count in counts if count)


def next_move(export: Export, record: Record) -> float | None:
    sleeve = export.sleeves[TICKER]
    at = sleeve.days.index(record["day"])
    if at + 1 == len(sleeve.days):
        return None
    return sleeve.marks[at + 1] * sleeve.split(at + 1) / sleeve.marks[at] - 1


def traded(record: Record) -> str:
    parts = []
    if record["order"]:
        status = "ordered" if record["order"]["status"] == "pending" else record["order"]["status"]
        parts.append(f"{status} {100 * record['order']['weight']:.0f}%")
    if record["fills"]:
        moved = sum(fill["shares"] for fill in record["fills"])
        money = sum(abs(fill["shares"]) * fill["price"] for fill in record["fills"])
        price = money / sum(abs(fill["shares"]) for fill in record["fills"])
        parts.append(f"{'bought' if moved > 0 else 'sold'} {abs(moved):,.1f} at {price:,.2f}")
    return ", ".join(parts)


def credits(export: Export) -> dict[str, float]:
    """Session of the decision -> sum of what its judgement gave; a training day: what its study gave that day."""
    found: dict[str, float] = {}
    for record in export.records[TICKER]:
        given = [event for event in record["thought"]["memory_events"] if event["kind"] == "credited"]
        if record["phase"] == "train":
            if given:
                found[record["day"]] = sum(event["delta"] for event in given)
            continue
        for outcome in record["outcomes"]:
            stances = {n for n in recompute.cited_on(export.record(TICKER, outcome["decided"]))}
            mine = [event["delta"] for event in given if event["memory_id"] in stances and outcome["decided"] in event["reason"]]
            if mine:
                found[outcome["decided"]] = sum(mine)
    return found


def test_table_with_every_column(export: Export, show: Shown) -> None:
    page = show("days", ticker=TICKER, cols="~".join(COLUMNS))
    records = export.records[TICKER][::-1]
    judged = recompute.judged(export, TICKER)
    told = [judged.get(record["day"]) for record in records]
    sides = {"buy": 1, "sell": -1}
    verdicts = {1: "✓ right", -1: "✗ wrong", 0: "≈ inside costs"}

    def verdict(record: Record) -> str:
        if record["phase"] == "train" or decision(record).get("action") not in sides:
            return ""
        return verdicts[judged[record["day"]]["verdict"]] if record["day"] in judged else "… not yet"

    def called(record: Record, key: str) -> list:
        return [(call["completion"] or {}).get(key) or 0 for call in record["thought"]["calls"]]

    actions = [decision(record).get("action") for record in records]
    sleeve = export.sleeves[TICKER]
    at = {day: place for place, day in enumerate(sleeve.days)}
    credit = credits(export)
    page.audit(
        Told(
            tables={
                "days_table": {
                    "day": [record["day"] for record in records],
                    "decision": [[f"{GLYPHS[a]} {a}"] if a else ["✎ study"] for a in actions],
                    "confidence": [Percent(decision(record).get("confidence")) for record in records],
                    "target": [Percent(decision(record).get("target_weight")) for record in records],
                    "cited": [len(cited(record)) for record in records],
                    "layers": [layers(record) for record in records],
                    "next_return": [Percent(next_move(export, record)) for record in records],
                    "outcome": [Percent(item["move"] if item else None) for item in told],
                    "judged": [verdict(record) for record in records],
                    "result": [
                        Percent(item["move"] * sides[action] if item and action in sides else None)
                        for item, action in zip(told, actions, strict=True)
                    ],
                    "credit": [credit.get(record["day"]) for record in records],
                    "order": [traded(record) for record in records],
                    "who": [[decision(record)["provenance"]] if decision(record) else [] for record in records],
                    "asked": Untold("how a model was bound and cut: rules were asked here, and nothing stands there"),
                    "tokens": [sum(called(r, "prompt_tokens")) + sum(called(r, "answer_tokens")) for r in records],
                    "ms": [round(r["ms"] + sum(call["ms"] for call in r["thought"]["calls"])) for r in records],
                    "direction": [decision(record).get("expected_direction") for record in records],
                    "horizon": [decision(record).get("horizon_sessions") for record in records],
                    "weight": [
                        Percent(sleeve.shares[at[r["day"]]] * sleeve.marks[at[r["day"]]] / sleeve.equity[at[r["day"]]]) for r in records
                    ],
                    "equity": [round(sleeve.equity[at[record["day"]]], 2) for record in records],
                    "news": [len(record["observation"]["news"]) for record in records],
                    "filings": [len(record["observation"]["filings"]) for record in records],
                    "recalled": [sum(not recall["near_miss"] for recall in record["thought"]["recalls"]) for record in records],
                    "changes": [len(record["thought"]["memory_events"]) for record in records],
                    "calls": [len(record["thought"]["calls"]) for record in records],
                    "answered": [sum(called(record, "answer_tokens")) for record in records],
                    "limits": [", ".join(decision(record).get("clipped_by", ())) for record in records],
                    "why": Untold("the decision's own words"),
                }
            },
            charts={"days_strip": Untold("compared below")},
        )
    )
    n = len(records)
    page.say([f"{n} of {n} sessions, newest first. Tick a row, or click a mark above, to open its day."])


def test_strip_of_the_run(export: Export, show: Shown) -> None:
    drawn, curve = show("days", ticker=TICKER).charts()["days_strip"], export.curve(TICKER)
    gains = [value / curve.equity[0] - 1 for value in curve.equity]
    assert drawn["agent"] == {"x": curve.days, "y": pytest.approx(gains)}
    assert drawn["buy and hold"] == {"x": curve.days, "y": pytest.approx([value / curve.benchmark[0] - 1 for value in curve.benchmark])}
    assert drawn["drawdown"] == {"x": curve.days, "y": pytest.approx(recompute.below_peak(curve.equity), abs=1e-12)}
    by_day = dict(zip(curve.days, gains, strict=True))
    for action, glyph in GLYPHS.items():
        days = [record["day"] for record in export.test_records(TICKER) if decision(record).get("action") == action]
        line = drawn[f"{glyph} {action}"]
        assert (line["x"], line["customdata"]) == (days, days) and line["y"] == pytest.approx([by_day[day] for day in days])
        assert [re.search(r"confidence (\d+)%", text)[1] for text in line["text"]] == [
            f"{100 * decision(export.record(TICKER, day))['confidence']:.0f}" for day in days
        ]
    assert set(drawn) == {"agent", "buy and hold", "drawdown", *(f"{glyph} {action}" for action, glyph in GLYPHS.items())}


STEPS = "observed~recalled~asked~thinking~answered~decision~study~order~outcome~credit~memory"


def traced(export: Export) -> list[str]:
    """A day that bought, one with a fill and an earlier decision judged, and the last one."""
    records = export.test_records(TICKER)
    bought = next(r["day"] for r in records if decision(r).get("action") == "buy")
    busy = next(r["day"] for r in records if r["fills"] and r["outcomes"])
    return [bought, busy, records[-1]["day"]]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_trace_of_a_day(which: int, export: Export, show: Shown) -> None:
    day = traced(export)[which]
    page, record = show("days", ticker=TICKER, day=day, step=STEPS), export.record(TICKER, day)
    seen, price, thought = record["observation"], record["observation"]["price"], record["thought"]
    assert page.tiles()[:7] == [
        ("Close", words.number(seen["bar"]["close"]), ""),
        ("1 session", words.percent(price["return_1"], sign=True), ""),
        ("5 sessions", words.percent(price["return_5"], sign=True), ""),
        ("20 sessions", words.percent(price["return_20"], sign=True), ""),
        ("Daily volatility", words.percent(price["volatility_20"]), ""),
        ("RSI 14", words.number(price["rsi_14"], 0), ""),
        ("Volume", f"{price['volume_ratio_20']:.1f} x", ""),
    ]
    closes, at = export.sleeves[TICKER].marks, export.sleeves[TICKER].days.index(day)
    assert price["return_1"] == pytest.approx(closes[at] / closes[at - 1] - 1)
    assert price["return_5"] == pytest.approx(closes[at] / closes[at - 5] - 1)
    sentences = page.sentences()
    shown = [recall for recall in thought["recalls"] if not recall["near_miss"]]
    missed = len(thought["recalls"]) - len(shown)
    named = recompute.cited_on(record)
    news, filings = len(seen["news"]), len(seen["filings"])
    book = export.sleeves[TICKER]
    headings = {
        "Observed": f"close {words.number(seen['bar']['close'])} ({words.percent(price['return_1'], sign=True)}), "
        f"{words.count(news, 'news item')}, {words.count(filings, 'filing section')}",
        "Recalled": f"{len(shown)} memories, {len(named)} cited, {missed} just missed",
        "Decision": decision_heading(decision(record)),
        "Outcome": None,
    }
    for name, told in headings.items():
        line = next((line for line in sentences if line.startswith(f"{name} · ")), "")
        if told is not None:
            assert line == f"{name} · {told}"
        elif (move := next_move(export, record)) is not None:
            assert f"next session {words.percent(move, sign=True)}" in line
    drawn = page.bars()
    assert len(drawn) == len(thought["recalls"]), "every recalled memory and near miss has its bar"
    by_layer = [recall for layer in LAYERS for recall in thought["recalls"] if recall["layer"] == layer]
    for (mark, parts, score), recall in zip(drawn, by_layer, strict=True):
        assert score == f"{recall['score']:.2f}" and (mark == "★") == (recall["memory_id"] in named and not recall["near_miss"])
        assert mark in ("★", str(recall["rank"])) or recall["near_miss"]
        assert parts == pytest.approx([max(0.0, 100 * recall[name]) for name in ("similarity", "recency", "importance")], abs=0.0501)
    (segments,) = [table.cells for table in page.tables().values() if "tokens" in table.cells and "share" in table.cells]
    tokens = [segment["tokens"] for segment in thought["segments"] if segment["purpose"] == "decide"]
    assert segments["tokens"] == tokens and segments["share"] == pytest.approx([100 * part / sum(tokens) for part in tokens])
    asked = next(line for line in sentences if line.startswith("Asked · "))
    assert asked == f"Asked · {words.count(len(thought['calls']), 'call')}, {len(tokens)} segments, about {sum(tokens):,} tokens"
    bought = f"bought at {words.number(book.average[at])} on average" if book.shares[at] else ""
    position = next(line for line in sentences if line.startswith("Position: "))
    weight = book.shares[at] * book.marks[at] / book.equity[at]
    if book.shares[at]:
        assert f"holds {words.percent(weight)} of equity ({words.shares(book.shares[at])} shares)" in position and bought in position
    assert f"cash {words.money(book.cash[at])}" in position and f"equity {words.money(book.equity[at])}" in position
    for fill in [item for item in book.fills if item.day == day]:
        value = abs(fill.shares) * fill.price
        gain = f", realised {words.money(fill.realised, 2, sign=True)}" if fill.realised is not None else ""
        costs = f"commission {words.number(fill.commission)}, slippage {words.number(fill.slippage)}"
        assert f"{day}: {words.money(value)} traded, {costs}{gain}." in sentences
    held = f", {words.shares(book.shares[at])} shares" if book.shares[at] else ""
    after = next(line for line in sentences if line.startswith("After the day: "))
    assert after.startswith(f"After the day: equity {words.money(book.equity[at])}, cash {words.money(book.cash[at])}{held}")
    assert after.endswith(f"buy and hold stands at {words.money(book.benchmark[at])}.")
    kinds = [event["kind"] for event in thought["memory_events"]]
    heading = next(line for line in sentences if line.startswith("Memory · "))
    assert {f"{kinds.count(kind)} {kind}" for kind in kinds} == set(heading.removeprefix("Memory · ").split(", "))
    tables = page.tables()
    rows = event_rows(export, [{**event, "ticker": TICKER} for event in thought["memory_events"]])
    changes = tables["_day_events"].cells
    assert changes["importance"] == pytest.approx(rows["importance"])
    assert changes["memory"] == [event["memory_id"] for event in thought["memory_events"]]
    assert [value or 0.0 for value in changes["change"]] == pytest.approx([value or 0.0 for value in rows["change"]])


def decision_heading(found: dict) -> str:
    parts = [f"{GLYPHS[found['action']]} {found['action']}"]
    if found["action"] != "hold":
        parts.append(f"to {words.percent(found['target_weight'], 0)} of equity")
    return ", ".join([*parts, f"confidence {words.percent(found['confidence'], 0)}"])
