"""Overview: the figures of a run with what they rest on, and a run that is no result says so first."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from agent.evaluation.intervals import wilson
from agent.evaluation.leaks import span
from agent.evaluation.metrics import METRICS
from agent.records import Thought
from services import performance, post_mortem, queries, runs
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
    assert metric(at, "Decided by rules") == "100%"


def test_a_synthetic_market_and_a_run_without_a_model_are_named_in_sight(run: str, open_page: OpenPage) -> None:
    shown = badges(open_page("overview", run=run))
    assert "synthetic market with a planted signal" in shown
    assert "rules, no LLM" in shown


def test_rules_and_costs_are_on_the_page(run: str, open_page: OpenPage) -> None:
    shown = said(tab(open_page, run, "Rules of this run"))
    for words in ("next session's open", "1 bps of the traded value", "2 bps against", "not allowed", "cash on the ex date"):
        assert words in shown


def test_the_worst_day_is_a_link_to_its_trace(run: str, open_page: OpenPage) -> None:
    at, worst = open_page("overview", run=run), queries.worst_day(run)
    assert worst is not None
    links = [element.proto for element in at.get("page_link") if "Worst day" in element.proto.label]
    assert len(links) == 1
    assert f"day={worst[1]}" in links[0].query_string and f"ticker={worst[0]}" in links[0].query_string


def test_a_deep_link_picks_the_ticker_and_whose_equity(run: str, open_page: OpenPage) -> None:
    at = open_page("overview", run=run, ticker=TICKERS[1], of=TICKERS[1], span="train and test", chart="prices")
    assert any(element.value.startswith(f"{TICKERS[1]}: prices") for element in at.subheader)
    assert address(at, "of") == TICKERS[1]


def test_every_metric_has_its_unit_and_definition(run: str, open_page: OpenPage) -> None:
    table = metrics_table(open_page, run)
    assert (table["definition"].str.len() > 10).all() and (table["unit"].str.len() > 0).all()
    assert sorted(table["metric"]) == sorted(metric.label for metric in METRICS.values())


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
        assert "figures are no result" in badges(at) and "decided on 50 % of days" in badges(at)
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


def tab(open_page: OpenPage, run: str, name: str) -> AppTest:
    at = open_page("overview", run=run)
    at.session_state["evidence"] = name
    at.run()
    assert not at.exception
    return at


def said(at: AppTest) -> str:
    return "\n".join(element.value for element in at.text)


METRICS_TAB = "All metrics, with intervals"


def metrics_table(open_page: OpenPage, run: str) -> pd.DataFrame:
    at = tab(open_page, run, METRICS_TAB)
    return pd.concat([frame.value for frame in at.dataframe if "definition" in frame.value.columns]).fillna("")


def test_what_was_known_when_is_a_verdict_and_a_table_of_margins(run: str, open_page: OpenPage) -> None:
    at, found = tab(open_page, run, "What was known when"), queries.leaks(run)
    assert found.verdict == "ok" and f"✓ Every one of {found.dated:,} dated prompt segments" in said(at)
    assert "no look-ahead" in badges(at)
    table = next(frame.value for frame in at.dataframe if "closest" in frame.value.columns)
    asked = table[table["prompt"] != "offered that day"]
    assert asked["dated"].sum() == found.dated and (table["without a time"] == 0).all()
    news = table[(table["what"] == "news") & (table["prompt"] == "decision")].iloc[0]
    row = next(k for k in found.kinds if (k.purpose, k.kind) == ("decide", "news"))
    assert news["closest"] == span(row.smallest_s) and news["closest on"] == f"{row.closest_ticker} {row.closest_day}"
    assert "No item was left out for lack of a time" in said(at)
    assert "A source of news and of filings covers every session" in said(at)


def test_items_left_out_and_sessions_without_a_source_are_counted_in_words(run: str, open_page: OpenPage) -> None:
    store, summary = runs.store(), queries.run(run).summary
    report = queries.leaks(run).model_copy(update={"undated": {"news": 12}, "unsourced": {"filings": 3}})
    store.set_summary(run, {**summary, "leaks": report.model_dump(mode="json")})
    st.cache_data.clear()
    try:
        shown = said(tab(open_page, run, "What was known when"))
        assert "12 items of news had no time and were left out" in shown
        assert f"Filings: nobody delivers them for 3 of {report.days:,} sessions" in shown
    finally:
        store.set_summary(run, summary)
        st.cache_data.clear()


def test_a_run_that_saw_the_future_says_so_on_top_of_every_page(run: str, open_page: OpenPage) -> None:
    store, summary = runs.store(), queries.run(run).summary
    report = queries.leaks(run).model_copy(update={"stopped": "DMAUR 2022-02-16: the news item n9 became readable too late."})
    store.set_summary(run, {**summary, "leaks": report.model_dump(mode="json")})
    st.cache_data.clear()
    try:
        at = tab(open_page, run, "What was known when")
        assert "saw the future" in badges(at) and "✗ DMAUR 2022-02-16: the news item n9" in said(at)
        assert "saw the future" in badges(open_page("days", run=run))
    finally:
        store.set_summary(run, summary)
        st.cache_data.clear()


def test_a_run_recorded_before_the_report_says_that_it_cannot_say(run: str, open_page: OpenPage) -> None:
    """As an earlier version left it: no report, no count of undated items, no times for prices and position, no study segments."""
    store, view = runs.store(), queries.run(run)
    old = runs.create(view.spec.model_copy(update={"name": "old"}))
    try:
        for record in store.records(run):
            segments = tuple(
                s.model_copy(update={"available_at": None}) if s.name in ("prices", "position") else s
                for s in record.thought.segments
                if s.purpose == "decide"
            )
            thought = record.thought.model_copy(update={"segments": segments, "memory_events": ()})
            store.append(record.model_copy(update={"run": old, "thought": thought}))
        store.set_provenance(old, {key: value for key, value in view.provenance.items() if key != "undated"})
        store.set_status(old, "done")
        at = tab(open_page, old, "What was known when")
        assert "look-ahead: cannot say" in badges(at)
        assert "? Cannot say for all: " in said(at) and "whole prompts without a time" in said(at)
        assert "Not known: how many items were left out" in said(at)
    finally:
        store.delete(old)


def test_what_was_noted_about_the_models_stands_among_the_warnings(run: str, open_page: OpenPage) -> None:
    store, known = runs.store(), runs.store().run(run).provenance
    store.set_provenance(
        run, {**known, "model": {"notes": ["The way 'schema' did not pass."]}, "helper": {"notes": ["A <b>short</b> window."]}}
    )
    try:
        at = open_page("overview", run=run)
        count = len(known["issues"]) + 2
        assert any(tab.label == f"Warnings and data issues ({count})" for tab in at.tabs)
        at.session_state["evidence"] = f"Warnings and data issues ({count})"
        at.run()
        said = [element.value for element in at.text]
        assert "• The way 'schema' did not pass." in said and "• Second model: A <b>short</b> window." in said
    finally:
        store.set_provenance(run, known)


# ------------------------------------------------------------------------------------------- figures over time, intervals, post-mortem


@pytest.mark.parametrize(
    ("chart", "title"),
    [
        ("equity", "Equity and drawdown"),
        ("prices", f"{TICKERS[0]}: prices"),
        ("falls", "Below the peak so far"),
        ("rolling", "Rolling figures"),
        ("months", "Returns by month"),
    ],
)
def test_one_figure_at_a_time_chosen_by_the_address(run: str, open_page: OpenPage, chart: str, title: str) -> None:
    at = open_page("overview", run=run, chart=chart)
    assert any(element.value.startswith(title) for element in at.subheader)
    assert len(at.get("plotly_chart")) == 1
    assert chart == "equity" or address(at, "chart") == chart


def test_a_window_longer_than_the_run_says_so(run: str, open_page: OpenPage) -> None:
    at = open_page("overview", run=run, chart="rolling", roll="252")
    sessions = len(queries.equity(run))
    assert f"This run has {sessions} sessions: too short for a window of 252." in said(at)


def test_the_table_of_metrics_gives_intervals_or_the_reason_and_the_difference_to_holding(run: str, open_page: OpenPage) -> None:
    table = metrics_table(open_page, run).set_index("metric")
    at = tab(open_page, run, METRICS_TAB)
    found = performance.figures(run)
    assert table.loc["Sharpe", "interval"] == "n/a: fewer than 60 days"
    hits, n = round(found["direction_hit"] * found["direction_n"]), int(found["direction_n"])
    interval = wilson(hits, n)
    assert interval is not None
    assert table.loc["Direction right", "interval"] == f"{100 * interval.low:.1f} … {100 * interval.high:.1f} %"
    gap = found["annual_volatility"] - found["benchmark_annual_volatility"]
    assert table.loc["Volatility", "difference"] == f"{100 * gap:+.1f} pp"
    assert table.loc["Volatility", "verdict"] == ("△ better, untested" if gap < 0 else "▽ worse, untested")
    assert any("Too few for intervals" in element.value for element in at.caption)


def test_nothing_of_the_post_mortem_is_read_before_it_is_opened(run: str, open_page: OpenPage) -> None:
    at = open_page("overview", run=run)
    assert any("Post-mortem" in element.label for element in at.expander)
    assert not any("decided" in frame.value.columns for frame in at.dataframe)
    at.session_state["post_mortem"] = True
    at.run()
    listed = next(frame.value for frame in at.dataframe if "decided" in frame.value.columns)
    assert len(listed) == len(post_mortem.cases(run))
    assert not any("What was known" in element.value for element in at.markdown)


@pytest.mark.parametrize("kind", ["fall", "day", "call"])
def test_a_link_opens_the_post_mortem_of_one_case(run: str, open_page: OpenPage, kind: str) -> None:
    case = next(case for case in post_mortem.cases(run) if case.kind == kind)
    at = open_page("overview", run=run, worst=case.key)
    shown, found = said(at), post_mortem.examine(run, case)
    headings = " ".join(element.value for element in at.markdown)
    for words in (f"What was known at the close of {case.decided}", "What else could have been done", "What memory learnt later"):
        assert words in headings
    decision = found.record.thought.decision
    assert decision is not None and f"“{decision.summary}”" in shown
    choices = next(frame.value for frame in at.dataframe if "choice" in frame.value.columns)
    assert list(choices["choice"]) == [item.name for item in found.alternatives]
    links = [element.proto for element in at.get("page_link")]
    assert any("The decision of" in link.label and f"day={case.decided}" in link.query_string for link in links)
    for number in found.thread.named["memory_id"].head(8):
        assert any(f"mem={number}" in link.query_string for link in links)
    for reason in decision.reasons_against:
        assert reason.claim in shown


def test_a_case_that_does_not_exist_becomes_a_sentence(run: str, open_page: OpenPage) -> None:
    at = open_page("overview", run=run, worst="day-NOPE-2022-02-01")
    assert "no post-mortem" in said(at)


def test_a_run_that_is_still_training_shows_the_page_without_figures(run: str, open_page: OpenPage) -> None:
    store, view = runs.store(), queries.run(run)
    young = runs.create(view.spec.model_copy(update={"name": "young"}))
    try:
        for record in store.records(run):
            if record.phase == "train":
                store.append(record.model_copy(update={"run": young, "thought": Thought()}))
        for chart in ("equity", "prices", "falls", "rolling", "months"):
            at = open_page("overview", run=young, chart=chart)
            at.session_state["post_mortem"], at.session_state["evidence"] = True, METRICS_TAB
            at.run()
            assert not at.exception, at.exception
            assert "No test session yet" in said(at) and "Nothing to examine yet" in said(at)
    finally:
        store.delete(young)


def test_a_run_that_never_did_worse_than_holding_has_no_worst_day(run: str, open_page: OpenPage) -> None:
    store, view = runs.store(), queries.run(run)
    held = runs.create(view.spec.model_copy(update={"name": "held", "strategy": "hold"}))
    try:
        for record in store.records(run):
            same = {"run": held, "thought": Thought(), "equity": record.benchmark_equity, "portfolio": record.benchmark}
            store.append(record.model_copy(update=same))
        at = open_page("overview", run=held)
        assert not [element for element in at.get("page_link") if "Worst day" in element.proto.label]
    finally:
        store.delete(held)


def test_the_run_card_names_weights_quantisation_and_server_of_a_model(run: str, open_page: OpenPage) -> None:
    store, known = runs.store(), runs.store().run(run).provenance
    about = {"digest": "abc123", "family": "llama", "parameter_size": "1.2B", "quantisation": "Q4_K_M", "server_version": "0.33.0"}
    store.set_provenance(run, {**known, "model": about})
    try:
        shown = said(tab(open_page, run, "Run card"))
        for words in ("abc123", "llama, 1.2B, Q4_K_M", "version 0.33.0", known["data"], known["prompts"], view_fingerprint(run)):
            assert words in shown
    finally:
        store.set_provenance(run, known)


def view_fingerprint(run: str) -> str:
    return queries.run(run).spec.fingerprint()
