"""Baselines on the overview: what can be added, what stands beside the run, and what the address keeps."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from services import baseline_worker, baselines, queries, runs
from services.settings import settings
from tests.pages.conftest import OpenPage
from ui.baselines import against
from ui.charts.baselines import equity_beside


@pytest.fixture(scope="module")
def beside(finished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The finished run with two rules beside it, in a home of its own."""
    home = tmp_path_factory.mktemp("beside") / "home"
    shutil.copytree(finished[0], home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(home))
        patch.setenv("RECOLLECT_DEMO_ON_START", "false")
        settings.cache_clear()
        baselines.add(finished[1], ["momentum", "mean_reversion"], begin=baseline_worker.work)
        yield finished[1]
    settings.cache_clear()


def said(at: AppTest) -> str:
    return " ".join(str(element.value) for element in [*at.text, *at.caption, *at.markdown])


def drawn(at: AppTest) -> list[str]:
    """The names of the lines in the equity chart."""
    figures = [json.loads(element.proto.spec) for element in at.get("plotly_chart")]
    return list(dict.fromkeys(trace["name"] for figure in figures for trace in figure["data"] if "name" in trace))


def table(at: AppTest) -> pd.DataFrame:
    return next(frame.value for frame in at.dataframe if "difference" in frame.value.columns and "who" in frame.value.columns)


def test_a_run_without_baselines_offers_them_and_draws_nothing_of_them(run: str, open_page: OpenPage) -> None:
    at = open_page("overview", run=run)
    assert drawn(at) == ["Buy and hold", "Agent"]
    assert any(box.label == "Add baselines" for box in at.expander)
    assert not any("who" in frame.value.columns for frame in at.dataframe)
    assert "trader by lot" not in said(at)  # nothing in it is built while it is closed


def test_opened_it_offers_all_rules_at_once_and_counts_the_questions_of_the_ablations(run: str, open_page: OpenPage) -> None:
    at = open_page("overview", run=run)
    at.session_state["add_baselines"] = True
    at.run()
    assert not at.exception
    assert next(button for button in at.button if button.key == "make_baselines").label == "Make 7 baselines"
    choices = at.get("button_group")
    pills = next(group for group in choices if group.label == "The agent itself")
    assert [option for option in pills.options] == ["Without memory", "Without reflection", "Short memory only", "Random memories"]
    pills.set_value(["without_memory"]).run()
    sessions = len(queries.equity(run)) * 2
    assert f"up to {sessions} questions to the rules backend" in said(at)
    assert next(button for button in at.button if button.key == "make_baselines").label == "Make 8 baselines"


def test_complete_baselines_stand_in_the_chart_and_in_the_table_with_the_difference_in_words(beside: str, open_page: OpenPage) -> None:
    at = open_page("overview", run=beside)
    assert drawn(at) == ["Momentum", "Mean reversion", "Buy and hold", "Agent"]
    shown = table(at)
    assert list(shown["who"]) == ["This run", "Buy and hold", "Momentum", "Mean reversion"]
    found = baselines.table(beside, baselines.of(beside))
    assert list(shown["difference"]) == ["", *(against(value) for value in found["difference"][1:])]


def test_the_address_says_which_lines_are_drawn(beside: str, open_page: OpenPage) -> None:
    at = open_page("overview", run=beside, lines="mean_reversion")
    assert drawn(at) == ["Mean reversion", "Buy and hold", "Agent"]
    assert drawn(open_page("overview", run=beside, lines="sparkle")) == ["Momentum", "Mean reversion", "Buy and hold", "Agent"]


def test_a_baseline_says_that_it_is_one_and_offers_none(beside: str, open_page: OpenPage) -> None:
    at = open_page("overview", run=baselines.of(beside)["momentum"])
    assert "itself a baseline: Momentum" in said(at)
    assert not any(box.label == "Add baselines" for box in at.expander)


@pytest.mark.parametrize("page", ["days", "trades", "memory", "monitor", "report", "robustness"])
def test_a_rule_run_opens_on_every_page_about_one_run(beside: str, open_page: OpenPage, page: str) -> None:
    open_page(page, run=baselines.of(beside)["mean_reversion"])


def test_one_that_waits_is_said_to_and_a_failed_one_leads_to_its_monitor(beside: str, open_page: OpenPage) -> None:
    spec = queries.run(beside).spec
    waiting, failed = (runs.create(baselines.spec_of(spec, name)) for name in ("macd_rule", "rsi_rule"))
    runs.store().set_status(failed, "failed", error="the disk is full")
    try:
        shown = said(open_page("overview", run=beside))
        assert "1 waiting for their turn" in shown
        assert "RSI rule was not completed (failed). the disk is full" in shown
    finally:
        for item in (waiting, failed):
            runs.delete(item)


def test_a_difference_reads_as_words_and_a_missing_one_as_missing():
    assert (against(0.108), against(-0.013), against(0.0), against(None), against(float("nan"))) == (
        "▲ +10.8 pp ahead", "▼ -1.3 pp behind", "＝ equal", "n/a", "n/a",
    )  # fmt: skip


def test_the_run_lies_on_top_of_its_baselines_and_each_has_a_line_of_its_own():
    days = [date(2022, 1, 3), date(2022, 1, 4)]
    frame = pd.DataFrame(
        {"day": days, "equity": [100.0, 101.0], "benchmark": [100.0, 99.0], "drawdown": [0.0, 0.0], "benchmark_drawdown": [0.0, -0.01]}
    )
    money = pd.DataFrame({"day": days, "equity": [100.0, 102.0]})
    others = {name: (row.label, money) for name, row in baselines.BASELINES.items() if name != "hold"}
    for dark in (False, True):
        fig = equity_beside(frame, others, dark=dark)
        assert [trace.name for trace in fig.data[:11]] == [label for label, _ in others.values()] and fig.data[-2].name == "Agent"
        looks = [(trace.line.color, trace.line.dash) for trace in fig.data[:11]]
        assert len(set(looks)) == 11
