"""Leaderboard: the address says what is ranked, doubtful runs stand below the line, links lead on; and the card of a judged run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from services import leaderboard, regimes, runs
from services.settings import settings
from tests.pages.conftest import TICKERS, OpenPage, small_spec
from tests.storage.factory import make_spec


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def make(run: str, sharpe: float, *, status: str = "done", error: str = "", **spec: Any) -> None:
    """A run as the library knows it, without days."""
    store = runs.store()
    store.create(make_spec(**{"seed": int(run[1:]), **spec}), run_id=run, provenance={})
    store.set_summary(
        run,
        {
            "cum_return": sharpe / 10,
            "benchmark_return": 0.05,
            "sharpe": sharpe + 1,
            "benchmark_sharpe": 1.0,
            "coverage": 1.0,
            "test_days": 0,
        },
    )
    store.set_status(run, status, error=error)


@pytest.fixture
def market(home: Path) -> str:
    """Two seeds of one configuration, one of a better one, a rule, a failed run, and a run on another window; the key of the first market."""
    make("r1", 1.0, backend="ollama", backend_options={"model": "never-heard-of:1b"}, source="yahoo")
    make("r2", 2.0, backend="ollama", backend_options={"model": "never-heard-of:1b"}, source="yahoo")
    make("r3", 5.0, source="yahoo")
    make("r4", 9.0, strategy="rsi_rule", source="yahoo")
    make("r5", 9.0, status="failed", error="![x](http://evil) the model gave no decision", source="yahoo")
    make("r6", 1.0, execution={"slippage_bps": 9})
    return leaderboard.markets()[0].key


def table(at: AppTest) -> pd.DataFrame:
    return next(frame.value for frame in at.dataframe if "rank" in frame.value.columns)


def words(at: AppTest) -> str:
    return " ".join(str(element.value) for kind in (at.text, at.caption, at.subheader, at.warning) for element in kind)


def links(at: AppTest, page: str) -> list[str]:
    return [element.proto.query_string for element in at.get("page_link") if page in element.proto.page]


def test_an_empty_library_teaches(home: Path, open_page: OpenPage) -> None:
    at = open_page("leaderboard")
    assert "Nothing to rank yet" in words(at) and not at.dataframe


def test_the_ranking_names_rank_range_seeds_and_marks(market: str, open_page: OpenPage) -> None:
    at = open_page("leaderboard")
    rows = table(at).to_dict("records")
    assert [row["rank"] for row in rows] == ["1", "–", "yardstick", "yardstick"]
    assert rows[0]["range"] == "1.00 to 2.00" and rows[0]["seeds"] == 2 and rows[0]["above"].startswith("2 of 2 (")
    assert "only 2 seeds" in rows[0]["marks"] and "cut-off of the model unknown" in rows[0]["marks"] and "1 seed" in rows[1]["marks"]
    assert rows[2]["trader"] == "RSI rule" and rows[3]["trader"] == "Buy and hold"
    below = next(frame.value for frame in at.dataframe if "reason" in frame.value.columns)
    assert list(below["run"]) == ["r5"] and "the model gave no decision" in below["reason"].iloc[0]
    assert "never-heard-of:1b is not known" in words(at)  # the banner


def test_the_whole_choice_is_in_the_address(market: str, open_page: OpenPage) -> None:
    at = open_page("leaderboard", market=market, by="return", singles="1", pick="nobody")
    assert [row for row in table(at)["rank"]][:2] == ["1 ⚠\ufe0e", "2"] and table(at)["median"].iloc[0] == pytest.approx(0.5)
    other = next(item.key for item in leaderboard.markets() if item.key != market)
    assert "slippage 9 bp" in words(open_page("leaderboard", market=other))


def test_a_market_that_is_not_here_is_said_and_the_fullest_is_shown(market: str, open_page: OpenPage) -> None:
    at = open_page("leaderboard", market="<b>zz</b>", by="luckiest", singles="yes")
    assert "has no runs here" in words(at) and len(table(at)) == 4


def test_links_lead_to_the_comparison_of_the_first_two_groups_and_to_their_median_runs(market: str, open_page: OpenPage) -> None:
    at = open_page("leaderboard")
    assert links(at, "compare") == ["cmp=g%3Ar1%2Cg%3Ar3"] and links(at, "overview") == ["run=r1", "run=r3"]
    groups = {row.label: row.group for row in leaderboard.board(market).references if row.group}
    at = open_page("leaderboard", pick=f"{groups['RSI rule']}~{leaderboard.board(market).rows[1].group}")
    assert links(at, "compare") == ["cmp=g%3Ar3%2Cg%3Ar4"]


def test_a_run_that_is_being_made_is_below_the_line_and_nothing_is_ranked(home: Path, open_page: OpenPage) -> None:
    runs.store().create(small_spec(), run_id="waiting", provenance={})
    at = open_page("leaderboard")
    assert "Not finished: queued" in next(frame.value for frame in at.dataframe if "reason" in frame.value.columns)["reason"].iloc[0]


# ------------------------------------------------------------------------------------------------- the card of a judged run


@pytest.mark.parametrize("whose", [TICKERS[0], "total"])
@pytest.mark.parametrize("lean", ["layer", "source", "publisher"])
def test_the_card_shows_what_the_records_say_and_that_they_are_few(run: str, open_page: OpenPage, whose: str, lean: str) -> None:
    at = open_page("robustness", run=run, ticker=TICKERS[0], show="judged", of=whose, lean=lean)
    said, found = words(at), regimes.calibration(run, whose)
    assert "too small to call it calibrated" in said and f"{found.n} judged decisions" in said
    assert {element.label: element.value for element in at.metric}["Judged decisions"] == str(found.n)
    leant = next(frame.value for frame in at.dataframe if "cited_share" in frame.value.columns)
    assert list(leant["shown"]) == [item.shown for item in regimes.contributions(run, whose).by[lean]]
