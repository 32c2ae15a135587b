"""Trades: the figures are those of the records, each trip tells why, and runs with nothing to show say so."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from agent.spec import RunSpec
from services import queries, runs, trading, worker
from services.settings import settings
from tests.pages.conftest import TICKERS, OpenPage, small_spec

RunId = str


def metrics(at: AppTest) -> dict[str, str]:
    return {element.label: element.value for element in at.metric}


def words(at: AppTest) -> str:
    return " ".join(str(element.value) for kind in (at.text, at.caption, at.subheader, at.warning) for element in kind)


def links(at: AppTest, page: str) -> list[str]:
    return [element.proto.query_string for element in at.get("page_link") if element.proto.page == page or page in element.proto.page]


def badges(at: AppTest) -> str:
    return " ".join(element.proto.body for element in at.get("markdown"))


def executed(spec: RunSpec, home: Path, monkeypatch: pytest.MonkeyPatch) -> RunId:
    monkeypatch.setenv("RECOLLECT_HOME", str(home))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    run = runs.create(spec)
    assert worker.execute(run) == "done"
    return run


def test_the_account_adds_up_on_screen(run: RunId, open_page: OpenPage) -> None:
    shown, found = metrics(open_page("trades", run=run, of="total")), trading.account(run)
    last = sum(queries.equity(run, name)["equity"].iloc[-1] for name in TICKERS)
    assert shown["Profit"] == f"{last - 100_000:+,.0f}"
    assert found.realised + found.unrealised + found.dividends == pytest.approx(last - 100_000)
    assert shown["Round trips"] == str(len(trading.trips(run)))


@pytest.mark.parametrize("show", ["trips", "orders", "exposure", "behaviour", "days"])
@pytest.mark.parametrize("whose", [TICKERS[0], "total"])
def test_every_view_opens_from_a_cold_link(run: RunId, open_page: OpenPage, show: str, whose: str) -> None:
    at = open_page("trades", run=run, ticker=TICKERS[0], show=show, of=whose)
    assert not at.error and at.title[0].value == "Trades"


def test_the_list_holds_one_row_per_trip_newest_first(run: RunId, open_page: OpenPage) -> None:
    found = trading.trips(run).iloc[::-1]
    table = next(frame.value for frame in open_page("trades", run=run, of="total").dataframe if "contribution" in frame.value.columns)
    assert list(table["number"]) == list(found["number"])
    assert list(table["profit"]) == pytest.approx(list(found["profit"]))
    assert table["contribution"].sum() / 100 == pytest.approx(queries.run(run).summary["cum_return"])


def test_a_tick_in_the_list_opens_the_trip(run: RunId, open_page: OpenPage) -> None:
    at = open_page("trades", run=run, ticker=TICKERS[0])
    newest = trading.trips(run, TICKERS[0]).iloc[-1]
    at.session_state["trips_table"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    at.session_state["_open_trip"] = (TICKERS[0], int(newest["number"]))  # what the click's callback leaves; AppTest calls none
    at.run()
    assert not at.exception
    assert f"{TICKERS[0]}, round trip {newest['number']}" in words(at)


def test_a_trip_shows_both_decisions_with_their_reasons_and_their_memories(run: RunId, open_page: OpenPage) -> None:
    trips = trading.trips(run, TICKERS[0])
    row = trips[trips["cause"] == "order"].iloc[0]
    at = open_page("trades", run=run, ticker=TICKERS[0], trip=str(row["number"]))
    shown, said = metrics(at), words(at)
    assert shown["Profit"] == f"{row['profit']:+,.0f}" and shown["MAE"] == f"{row['worst']:+.1%}"
    assert "Why it was entered" in said and "Why it was left" in said
    entry, left = trading.sides(run, TICKERS[0], int(row["number"]))
    for side in (entry, left):
        assert side.decision is not None and side.decision.summary in said
        assert any(f"day={side.decided}" in query for query in links(at, "days"))
        assert any(f"day={side.decided}" in query for query in links(at, "thread"))
        for reason in (*side.decision.reasons_for, *side.decision.reasons_against):
            assert reason.claim in said
            for number in reason.memories:
                assert any(f"mem={number}" in query for query in links(at, "memory"))
                assert any(f"mem={number}" in query for query in links(at, "thread"))
    assert "no language model was asked" in said  # a run by rules never passes for a model's thoughts


def test_an_open_trip_says_that_nobody_closed_it(run: RunId, open_page: OpenPage) -> None:
    still = trading.trips(run)
    still = still[still["closed"].isna()].iloc[0]
    at = open_page("trades", run=run, ticker=still["ticker"], trip=str(still["number"]))
    assert "still open" in badges(at)
    assert "Nobody has closed it" in words(at)
    assert metrics(at)["Unrealised"] == f"{still['unrealised']:+,.0f}"


@pytest.mark.parametrize("wrong", ["99", "0", "-1", "x", "٣", "1" * 40, "<b>"])
def test_a_trip_that_does_not_exist_becomes_a_sentence_and_the_list(run: RunId, open_page: OpenPage, wrong: str) -> None:
    at = open_page("trades", run=run, ticker=TICKERS[0], trip=wrong)
    assert "There is no round trip" in at.warning[0].value
    assert "Round trips" in metrics(at)


def test_the_worst_trip_is_a_link_to_it(run: RunId, open_page: OpenPage) -> None:
    found = trading.trips(run)
    worst = found.loc[found["profit"].idxmin()]
    at = open_page("trades", run=run, of="total")
    (link,) = [element.proto for element in at.get("page_link") if "Worst trip" in element.proto.label]
    assert f"trip={worst['number']}" in link.query_string and f"ticker={worst['ticker']}" in link.query_string


def test_the_worst_day_leads_to_its_trace_and_its_thread(run: RunId, open_page: OpenPage) -> None:
    worst = queries.worst_day(run)
    assert worst is not None
    at = open_page("trades", run=run, show="days", of="total")
    for page in ("days", "thread"):
        first = next(query for query in links(at, page) if "day=" in query)
        assert f"day={worst[1]}" in first and f"ticker={worst[0]}" in first


def test_every_habit_has_its_definition_its_unit_and_its_n(run: RunId, open_page: OpenPage) -> None:
    at, found = open_page("trades", run=run, ticker=TICKERS[0], show="behaviour"), trading.traits(run, TICKERS[0])
    shown = {element.label: element for element in at.metric}
    for key, trait in trading.TRAITS.items():
        element = shown[trait.label]
        assert trait.help[:40] in element.proto.help and "Unit:" in element.proto.help
        assert str(next(iter(found[key].cases.values()))) in element.delta
        assert ("n too small" in element.delta) == (not found[key].enough)
    assert "n too small to call it" in words(at)  # a month is not enough


def test_a_run_that_never_traded_says_why_and_where_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_page: OpenPage) -> None:
    spec = small_spec("Idle").model_copy(update={"profile": small_spec().profile.model_copy(update={"character": "risk_averse"})})
    spec = spec.model_copy(update={"train": None, "tickers": (TICKERS[0],), "test": spec.test.model_copy(update={"end": spec.test.start})})
    run = executed(spec, tmp_path, monkeypatch)
    assert trading.trips(run).empty
    for show in ("trips", "orders", "exposure", "behaviour", "days"):
        at = open_page("trades", run=run, show=show)
        assert not at.error
    assert "Nothing was traded" in words(open_page("trades", run=run))
    assert "There is no round trip" in open_page("trades", run=run, trip="1").warning[0].value
    settings.cache_clear()


def test_a_strategy_without_a_model_gives_no_reasons_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_page: OpenPage
) -> None:
    run = executed(small_spec("Held").model_copy(update={"strategy": "hold", "tickers": (TICKERS[0],)}), tmp_path, monkeypatch)
    at = open_page("trades", run=run, trip="1")
    assert not at.error and "Still open" in words(at)
    settings.cache_clear()


def test_no_run_teaches_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_page: OpenPage) -> None:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    assert "There is no run yet" in words(open_page("trades"))
    settings.cache_clear()
