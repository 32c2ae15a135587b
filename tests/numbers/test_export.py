"""The files of an export agree with each other, and the recorded money with a ledger replayed from prices and orders alone."""

from __future__ import annotations

import pytest

from tests.numbers import recompute
from tests.numbers.recompute import TOTAL, Export


def test_fills_follow_from_opens_and_ordered_weights(export: Export) -> None:
    for name in export.tickers:
        written = [row for row in export.table("trades.csv") if row["ticker"] == name]
        again = export.sleeves[name].fills
        assert [row["day"] for row in written] == [fill.day for fill in again] and again
        for row, fill in zip(written, again, strict=True):
            for key in ("shares", "price", "reference", "commission", "slippage", "realised"):
                there, here = float(row[key]) if row[key] else None, getattr(fill, key)
                assert (there is None) == (here is None) and (there or 0.0) == pytest.approx(here or 0.0, abs=1e-7), (row["day"], key)


@pytest.mark.parametrize(("file", "column"), [("equity.csv", "equity"), ("benchmark.csv", "benchmark")])
def test_equity_and_drawdown_follow_from_the_ledger(export: Export, file: str, column: str) -> None:
    for name in (TOTAL, *export.tickers):
        written = [row for row in export.table(file) if row["ticker"] == name]
        curve = export.curve(name)
        assert [row["day"] for row in written] == curve.days
        assert [float(row["equity"]) for row in written] == pytest.approx(list(getattr(curve, column)))
        assert [float(row["drawdown"]) for row in written] == pytest.approx(recompute.below_peak(getattr(curve, column)), abs=1e-12)


def test_days_carry_the_money_of_the_ledger(export: Export) -> None:
    for name in export.tickers:
        sleeve = export.sleeves[name]
        for at, record in enumerate(sleeve.records):
            kept = record["portfolio"]
            assert (kept["cash"], kept["shares"], kept["average_cost"]) == pytest.approx(
                (sleeve.cash[at], sleeve.shares[at], sleeve.average[at]), abs=1e-6
            ), record["day"]
            assert (record["equity"], record["benchmark_equity"]) == pytest.approx((sleeve.equity[at], sleeve.benchmark[at]))


def test_every_outcome_follows_from_the_prices(export: Export) -> None:
    for name in export.tickers:
        again, seen = recompute.judged(export, name), set()
        for record in export.records[name]:
            for outcome in record["outcomes"]:
                mine = again[outcome["decided"]]
                seen.add(outcome["decided"])
                assert (record["day"], outcome["verdict"], outcome["direction"]) == (mine["day"], mine["verdict"], mine["side"])
                assert (outcome["move"], outcome["entry"]) == pytest.approx((mine["move"], mine["entry"]))
        assert seen == set(again) and seen


def test_figures_in_metrics_json_are_those_of_the_curves(export: Export) -> None:
    for name in (TOTAL, *export.tickers):
        again = recompute.all_figures(export, name)
        for key, value in export.metrics["figures"][name].items():
            if value is not None:
                assert value == pytest.approx(again[key], rel=1e-9, abs=1e-12), (name, key)


def test_live_memories_of_every_session_follow_from_the_events(export: Export) -> None:
    for name in export.tickers:
        for record, counts in zip(export.records[name], recompute.live_per_layer(export, name), strict=True):
            assert {key: value for key, value in record["thought"]["live"].items()} == counts, record["day"]


def test_score_parts_of_every_recall_add_up_and_follow_from_memory_and_vectors(export: Export) -> None:
    for record in export.records[export.tickers[0]][::37]:
        for recall in record["thought"]["recalls"]:
            assert recall["score"] == pytest.approx(recall["similarity"] + recall["recency"] + recall["importance"])
