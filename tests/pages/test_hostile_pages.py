"""Addresses and datasets that nobody meant: the pages of market data answer in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from agent.market import upload
from services import market_data
from services.market_data import Choice
from services.settings import settings
from ui import data_market, run_form


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    data_market.look_again()
    run_form.look_again()
    yield tmp_path / "home"
    settings.cache_clear()


def words(at: AppTest) -> str:
    return "\n".join(str(item.value) for item in (*at.text, *at.code))


def test_a_dataset_that_is_gone_is_not_silently_another_one(home, open_page):
    market_data.save(Choice(source="demo"), ["DMAUR"], date(2022, 1, 3), date(2022, 3, 31), "mine")
    at = open_page("new_run", dataset="nosuch")
    assert next(item for item in at.selectbox if item.label == "Dataset").value == "mine"
    assert "There is no dataset 'nosuch' that can be used; choose another one." in words(at)
    assert "no dataset" not in words(open_page("new_run", dataset="mine"))


@pytest.mark.parametrize("days", [{"from": "0001-01-01", "to": "9999-12-31"}, {"from": "x", "to": "2024-13-45"}, {"from": "1850-01-01"}])
def test_days_in_the_address_that_no_calendar_shows_are_passed_over(home, open_page, days):
    at = open_page("data", source="demo", tickers="DMAUR", day="0001-01-01", **days)
    assert not at.exception


def test_prices_from_before_the_calendars_are_said_to_lie_outside(home, open_page):
    rows = "symbol,date,open,high,low,close,volume\n" + "".join(f"OLD,1985-03-0{day},10,11,9,10,5\n" for day in (4, 5, 6))
    asked = upload.Mapping.model_validate(
        {"table": "bars", "columns": dict(upload.look(rows.encode(), "old.csv").mapping), "basis": "traded"}
    )
    market_data.add_file("old", rows.encode(), "old.csv", asked)
    assert not open_page("data", source="upload:old", tickers="OLD").exception
    assert "its calendar reaches from 1990" in words(open_page("new_run", dataset="old"))
