"""The report page: what goes in, how large it will be, the file itself, and the folder beside it."""

from __future__ import annotations

import re

import pytest
from streamlit.testing.v1 import AppTest

from services import exports, queries
from ui import report_make


def words(at: AppTest) -> str:
    return "\n".join(str(item.value) for item in (*at.text, *at.code, *at.caption))


def test_it_says_how_large_the_file_will_be_before_it_is_made(run, open_page):
    at = open_page("report", run=run)
    days = sum(len(queries.session_days(run, ticker)) for ticker in queries.tickers(run))
    assert f"whole traces of {days} of {days} days" in words(at)
    assert f"all {sum(len(queries.memory_ids(run, ticker)) for ticker in queries.tickers(run)):,} memories" in words(at)
    assert at.button(key="make_report")


def test_the_choice_of_days_is_in_the_address(run, open_page):
    days = sum(len(queries.session_days(run, ticker)) for ticker in queries.tickers(run))
    chosen = re.search(rf"whole traces of (\d+) of {days} days", words(open_page("report", run=run, days="worst", n="5")))
    assert chosen and 6 <= int(chosen[1]) <= 10  # five days and the sessions before them, shared ones once


@pytest.mark.parametrize(
    ("named", "said"),
    [("", "Name the days"), ("yesterday", "ISO dates"), ("2030-01-01", "2030-01-01 is not a recorded session")],
)
def test_days_that_are_not_there_are_named_with_the_cure(run, open_page, named, said):
    at = open_page("report", run=run, days="chosen", **({"on": named} if named else {}))
    assert said in words(at)


def test_the_file_is_made_on_the_page_and_fits_the_choice(run, open_page):
    day = str(queries.session_days(run, "DMAUR")[-1])
    at = open_page("report", run=run, days="chosen", on=day)
    at.button(key="make_report").click().run()
    assert not at.exception
    kept = at.session_state["_report"]
    assert kept[1].startswith(b"<!DOCTYPE html>") and kept[2].days == 2  # two tickers
    assert kept[2].size == len(kept[1])


def test_the_page_explains_every_file_that_an_export_has(run, tmp_path):
    exports.export(run, tmp_path / "out")
    explained = {name.strip() for names, _ in report_make.FILES for name in names.split(",")}
    assert explained == {path.name for path in (tmp_path / "out").iterdir()}
