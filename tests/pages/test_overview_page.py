"""Overview: the figures of a run with what they rest on, and a run that is no result says so first."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from services import queries, runs
from tests.pages.conftest import TICKERS, OpenPage, address


def badges(at: AppTest) -> str:
    return " ".join(element.proto.body for element in at.get("markdown"))


def metric(at: AppTest, label: str) -> str:
    return next(element.value for element in at.metric if element.label == label)


def test_the_strip_shows_the_figures_of_the_run_store(run: str, open_page: OpenPage) -> None:
    at, found = open_page("overview", run=run), queries.run(run).summary
    assert metric(at, "Return") == f"{found['cum_return']:+.1%}"
    assert metric(at, "Buy and hold") == f"{found['benchmark_return']:+.1%}"
    assert metric(at, "Sharpe") == f"{found['sharpe']:.2f}"
    assert metric(at, "Coverage") == "100%"


def test_a_synthetic_market_and_a_run_without_a_model_are_named_in_sight(run: str, open_page: OpenPage) -> None:
    shown = badges(open_page("overview", run=run))
    assert "synthetic market with a planted signal" in shown
    assert "rules, no LLM" in shown


def test_rules_and_costs_are_on_the_page(run: str, open_page: OpenPage) -> None:
    said = " ".join(element.value for element in open_page("overview", run=run).text)
    for words in ("next session's open", "1 bps of the traded value", "2 bps against", "not allowed", "cash on the ex date"):
        assert words in said


def test_the_worst_day_is_a_link_to_its_trace(run: str, open_page: OpenPage) -> None:
    at, worst = open_page("overview", run=run), queries.worst_day(run)
    assert worst is not None
    links = [element.proto for element in at.get("page_link") if "Worst day" in element.proto.label]
    assert len(links) == 1
    assert f"day={worst[1]}" in links[0].query_string and f"ticker={worst[0]}" in links[0].query_string


def test_a_deep_link_picks_the_ticker_and_whose_equity(run: str, open_page: OpenPage) -> None:
    at = open_page("overview", run=run, ticker=TICKERS[1], of=TICKERS[1], span="train and test")
    assert any(element.value.startswith(f"{TICKERS[1]}: prices") for element in at.subheader)
    assert address(at, "of") == TICKERS[1]


def test_every_metric_has_its_unit_and_definition(run: str, open_page: OpenPage) -> None:
    at = open_page("overview", run=run)
    at.session_state["all_metrics"] = True
    at.run()
    table = next(frame.value for frame in at.dataframe if "definition" in frame.value.columns)
    assert (table["definition"].str.len() > 10).all() and (table["unit"].str.len() > 0).all()
    assert {"Return", "Sharpe", "Max drawdown"} <= set(table["metric"])


@pytest.mark.parametrize(("tab", "words"), [("Run card", "Fingerprint"), ("Memory and switches", "Preset")])
def test_the_tabs_hold_what_it_takes_to_repeat_the_run(run: str, open_page: OpenPage, tab: str, words: str) -> None:
    at = open_page("overview", run=run)
    at.session_state["evidence"] = tab
    at.run()
    assert not at.exception
    assert words in [element.value for element in at.caption]


def test_a_failed_run_says_that_its_figures_are_no_result(run: str, open_page: OpenPage) -> None:
    store, summary = runs.store(), queries.run(run).summary
    store.set_summary(run, {**summary, "coverage": 0.5})
    store.set_status(run, "failed", error="the model gave a usable decision on 50% of the test days")
    try:
        at = open_page("overview", run=run)
        assert "figures are no result" in badges(at) and "coverage only 50%" in badges(at)
        assert any("50% of the test days" in element.value for element in at.text)
    finally:
        store.set_summary(run, summary)
        store.set_status(run, "done")


def test_an_unknown_run_becomes_a_sentence(run: str, open_page: OpenPage) -> None:
    at = open_page("overview", run="nobody")
    assert any("There is no run" in element.value for element in at.warning)


def test_an_unknown_ticker_becomes_a_sentence_and_the_first_one(run: str, open_page: OpenPage) -> None:
    at = open_page("overview", run=run, ticker="NOPE")
    assert any("NOPE" in element.value for element in at.warning)
    assert address(at, "ticker") == TICKERS[0]


def test_a_run_without_a_day_says_what_to_do(run: str, open_page: OpenPage) -> None:
    waiting = runs.create(queries.run(run).spec.model_copy(update={"name": "waiting"}))
    try:
        at = open_page("overview", run=waiting)
        assert any("No day of" in element.value for element in at.subheader)
        assert any("monitor" in element.proto.page for element in at.get("page_link"))
    finally:
        runs.store().delete(waiting)


def test_the_strip_shows_the_window_it_was_tested_on(run: str, open_page: OpenPage) -> None:
    spec = json.loads(queries.run(run).spec.model_dump_json())
    said = " ".join(element.value for element in open_page("overview", run=run).text)
    assert f"tested {spec['test']['start']} to {spec['test']['end']}" in said
