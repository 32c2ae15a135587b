"""What the Trades page reads, against the records of a run with splits, dividends, shorts, partial exits and stops; nothing is taken from the columns."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agent.errors import SpecError
from agent.llm.base import Request, Situation
from agent.records import DayRecord, Order
from agent.spec import RunSpec
from services import queries, runs, trading
from services.settings import settings
from storage.run_store import RunStore
from tests import toy

RUN = "toy-run"


def restless(request: Request) -> str:
    """Trades most days, to any weight between the limits: partial exits, additions and turns through zero."""
    facts = request.facts
    if not isinstance(facts, Situation):
        return toy.toy_answer(request)
    chance = random.Random(f"{facts.ticker}{facts.as_of}")
    action = chance.choice(("buy", "sell", "sell", "hold"))
    room = facts.max_weight - facts.weight if action == "buy" else facts.min_weight - facts.weight
    confidence = chance.choice((0.7, 0.7, 0.7, 0.3))  # too little: the limits make a hold of it
    return json.dumps(toy.decision(facts, action, weight=facts.weight + room * chance.choice((0.5, 1.0)), confidence=confidence))


def stored(store: RunStore, spec: RunSpec, records: list[DayRecord], run: str = RUN) -> list[DayRecord]:
    store.create(spec, run_id=run, provenance={})
    kept = [record.model_copy(update={"run": run}) for record in records]
    for record in kept:
        born = [event.memory_id for event in record.thought.memory_events if event.kind == "remembered"]
        store.append(record, vectors={number: np.zeros(384, dtype=np.float32) for number in born})
    return kept


def spec_of(**execution: object) -> RunSpec:
    rules = {"allow_short": True, "stops": True, "commission_bps": 20, "slippage_bps": 10, **execution}
    return toy.toy_spec(train=None, test={"start": "2022-04-04", "end": "2022-05-31"}, execution=rules)


@pytest.fixture(scope="module", params=["next_open", "same_close"])
def records(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[DayRecord]]:
    """The records of a lively run that lies in a store of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLLECT_HOME", str(tmp_path_factory.mktemp("home")))
        settings.cache_clear()
        spec = spec_of(fill=request.param)
        yield stored(runs.store(), spec, toy.run(spec, answer=restless))
    settings.cache_clear()


def of(records: list[DayRecord], ticker: str) -> list[DayRecord]:
    return [record for record in records if record.ticker == ticker]


def test_the_run_is_lively_enough_to_prove_anything(records: list[DayRecord]) -> None:
    trips = trading.trips(RUN)
    assert {1, -1} == set(trips["side"]) and (trips["fills"] > 2).any() and trips["dividends"].abs().sum() > 0
    assert any(record.observation.split != 1 and record.observation.portfolio.shares for record in records)
    assert {"stop_loss", "order"} <= set(trips["cause"])


@pytest.mark.parametrize("ticker", ["total", "TOYA", "TOYB"])
def test_the_trips_explain_the_whole_change_of_equity(records: list[DayRecord], ticker: str) -> None:
    names = ("TOYA", "TOYB") if ticker == "total" else (ticker,)
    last = sum(of(records, name)[-1].equity for name in names)
    found, trips = trading.account(RUN, ticker), trading.trips(RUN, ticker)
    assert found.capital == 50_000 * len(names)
    assert found.equity == pytest.approx(last)
    assert found.missing == pytest.approx(0, abs=1e-6)
    assert trips["profit"].sum() == pytest.approx(last - found.capital)
    assert trips["contribution"].sum() == pytest.approx((last - found.capital) / 100_000)
    paid = sum(
        record.observation.dividend * before.portfolio.shares * record.observation.split
        for name in names
        for before, record in zip(of(records, name), of(records, name)[1:], strict=False)
    )
    assert found.dividends == pytest.approx(paid) and paid != 0
    fills = [fill for name in names for record in of(records, name) for fill in record.fills]
    assert found.costs == pytest.approx(sum(fill.commission + fill.slippage for fill in fills))
    assert found.realised == pytest.approx(sum(fill.realised or 0.0 for fill in fills))


def test_entry_and_exit_name_the_decisions_that_led_to_them(records: list[DayRecord]) -> None:
    for row in trading.trips(RUN).to_dict("records"):
        days = {record.day: record for record in of(records, row["ticker"])}
        settled = days[row["opened"]].settled
        assert settled is not None and settled.day == row["decided_in"]
        if row["cause"] == "order":
            assert days[row["closed"]].settled.day == row["decided_out"]
        else:
            assert row["decided_out"] is None


def test_both_sides_of_a_trip_hold_the_decision_its_reasons_and_the_titles_of_their_memories(records: list[DayRecord]) -> None:
    trips = trading.trips(RUN, "TOYA")
    row = trips[(trips["cause"] == "order") & (trips["opened"] > date(2022, 4, 20))].iloc[0]
    entry, left = trading.sides(RUN, "TOYA", int(row["number"]))
    assert (entry.decided, entry.filled, entry.ordered) == (row["decided_in"], row["opened"], True)
    assert (left.decided, left.filled, left.ordered) == (row["decided_out"], row["closed"], True)
    assert entry.record == next(record for record in of(records, "TOYA") if record.day == entry.decided)
    assert entry.decision is not None
    named = {number for reason in entry.decision.reasons_for for number in reason.memories}
    assert named and named <= set(entry.titles)
    assert entry.fate["settled"] == row["opened"]


def test_a_stop_and_an_open_end_show_the_last_decision_and_say_that_it_was_no_order(records: list[DayRecord]) -> None:
    trips = trading.trips(RUN)
    stopped = trips[trips["cause"].isin(("stop_loss", "take_profit"))].iloc[0]
    _, left = trading.sides(RUN, stopped["ticker"], int(stopped["number"]))
    assert not left.ordered and left.decided < stopped["closed"]
    for row in trips[trips["closed"].isna()].to_dict("records"):
        _, last = trading.sides(RUN, row["ticker"], row["number"])
        assert (last.filled, last.ordered, last.decided) == (None, False, records[-1].day)


def test_an_unknown_trip_is_named(records: list[DayRecord]) -> None:
    with pytest.raises(SpecError, match="TOYA has no round trip 999"):
        trading.sides(RUN, "TOYA", 999)


def test_steps_are_the_fills_of_the_trip_with_their_decisions(records: list[DayRecord]) -> None:
    trips = trading.trips(RUN, "TOYB")
    row = trips.loc[trips["fills"].idxmax()]
    found = trading.steps(RUN, "TOYB", int(row["number"]))
    assert len(found) == row["fills"]
    assert found["realised"].sum() == pytest.approx(row["realised"])
    assert found.iloc[0]["decided"] == row["decided_in"]


def test_every_wish_is_listed_once_with_its_end(records: list[DayRecord]) -> None:
    placed: list[Order] = [record.order for record in records if record.order is not None]
    held_back = [record for record in records if record.thought.decision and record.thought.decision.clipped_by and not record.order]
    found = trading.orders(RUN)
    assert len(found) == len(placed) + len(held_back) and held_back
    assert (found["status"] == "held back").sum() == len(held_back)
    assert found[found["status"] == "held back"]["reason"].str.contains("confidence").all()
    filled = [record.settled for record in records if record.settled is not None and record.settled.status == "filled"]
    assert (found["status"] == "filled").sum() == len(filled)
    ended = {(record.ticker, record.settled.day): record.day for record in records if record.settled is not None}
    for row in found[found["status"] == "filled"].to_dict("records"):
        assert ended[row["ticker"], row["decided"]] == row["ended"]
    assert list(found["decided"]) == sorted(found["decided"], reverse=True)


def test_days_are_sorted_by_their_gap_and_their_money_adds_up(records: list[DayRecord]) -> None:
    found = trading.days_against_benchmark(RUN, "TOYA")
    own = of(records, "TOYA")
    assert found["money"].sum() == pytest.approx(own[-1].equity - own[0].equity)
    assert found["money_gap"].sum() == pytest.approx(own[-1].equity - own[0].equity - own[-1].benchmark_equity + own[0].benchmark_equity)
    assert list(found["gap"]) == sorted(found["gap"])
    first = trading.days_against_benchmark(RUN).iloc[0]
    assert (first["ticker"], first["day"]) == queries.worst_day(RUN)


def test_exposure_is_that_of_the_records_and_the_rest_is_cash(records: list[DayRecord]) -> None:
    found = trading.exposure(RUN, "TOYA")
    for row, record in zip(found.to_dict("records"), of(records, "TOYA"), strict=True):
        assert row["weight"] == pytest.approx(record.portfolio.weight(record.mark or 0.0))
        assert row["cash"] == pytest.approx(record.portfolio.cash / record.equity)


def test_every_habit_has_a_figure_or_none_and_the_usual_ones_are_those_of_the_overview(records: list[DayRecord]) -> None:
    found, usual = trading.traits(RUN), queries.figures(RUN)
    assert set(found) == set(trading.TRAITS)
    for key in ("turnover_annual", "turnover_two_sided", "exposure_mean", "time_in_market"):
        assert found[key].value == pytest.approx(usual[key])
    wishes = trading.orders(RUN)
    assert found["changed_orders"].value == pytest.approx((wishes["status"] == "held back").mean())
    assert found["risen_buys"].cases["buys"] + found["risen_sells"].cases["sells"] == len(trading.rises_before(RUN))


def test_a_run_that_only_holds_has_no_trips_and_no_wishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    settings.cache_clear()

    def idle(request: Request) -> str:
        facts = request.facts
        return json.dumps(toy.decision(facts, "hold")) if isinstance(facts, Situation) else toy.toy_answer(request)

    spec = toy.toy_spec(train=None, tickers=["TOYA"], test={"start": "2022-04-04", "end": "2022-04-14"})
    stored(runs.store(), spec, toy.run(spec, answer=idle))
    assert trading.trips(RUN).empty and trading.orders(RUN).empty and list(trading.trips(RUN).columns) == trading.TRIPS
    assert trading.account(RUN).change == pytest.approx(0)
    found = trading.traits(RUN)
    assert found["hit_rate"].value is None and found["changed_orders"].value is None
    assert found["time_in_market"].value == 0.0
    settings.cache_clear()


def test_a_run_that_ends_on_a_split_without_a_price_is_marked_on_the_new_share_basis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    settings.cache_clear()
    gap = date(2022, 4, 18)  # TOYA splits 2:1 on it

    def no_price(table: str, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["date"] != pd.Timestamp(gap)] if table == "bars" else frame

    def buys(request: Request) -> str:
        facts = request.facts
        return json.dumps(toy.decision(facts, "buy")) if isinstance(facts, Situation) else toy.toy_answer(request)

    spec = toy.toy_spec(train=None, tickers=["TOYA"], test={"start": "2022-04-04", "end": str(gap)})
    kept = stored(runs.store(), spec, toy.run(spec, answer=buys, source=toy.ToySource(rewrite=no_price)))
    assert kept[-1].observation.bar is None and kept[-1].observation.split == 2.0 and kept[-1].portfolio.shares
    found = trading.account(RUN)
    assert found.unrealised != 0 and found.missing == pytest.approx(0, abs=1e-6)
    settings.cache_clear()
