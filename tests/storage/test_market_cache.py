"""The market cache: what it asks for, what it keeps, and what it survives."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import Unavailable
from agent.market import tables
from agent.market.sources.base import (
    TABLES,
    BadResponse,
    Fetched,
    Issue,
    Listing,
    NoRowsInRange,
    NotSupported,
    RateLimited,
    SourceDown,
    UnknownSymbol,
    whole,
)
from agent.market.view import Market
from storage import breaker
from storage.market_cache import CachedSource, drop, entries
from storage.market_files import Shelf, file_name
from tests.storage.market_processes import FIRST, WEEK, hammer
from tests.storage.market_world import XNYS, Wire, World, cached

JAN, FEB, MAR, APR = date(2025, 1, 1), date(2025, 2, 1), date(2025, 3, 1), date(2025, 4, 1)


def codes(fetched: Fetched) -> list[str]:
    return [issue.code for issue in fetched.issues]


def days(fetched: Fetched) -> list[str]:
    return [str(day.date()) for day in fetched.frame["date"]]


def files(folder: Path, ending: str) -> list[Path]:
    return sorted(path for path in folder.rglob(f"*{ending}") if "listing" not in path.parts)


# ----------------------------------------------------------------------------------------------------------- what is asked for


def test_what_is_on_disk_is_not_asked_for_again_even_by_another_process(tmp_path):
    world = World()
    first = cached(world, tmp_path).fetch("bars", "AAA", JAN, FEB)
    again = cached(world, tmp_path).fetch("bars", "AAA", JAN, FEB)
    assert world.asked("bars") == [("2025-01-01", "2025-02-01")]
    pd.testing.assert_frame_equal(first.frame, again.frame)
    pd.testing.assert_frame_equal(first.frame, Wire(World()).fetch("bars", "AAA", JAN, FEB).frame)
    assert first.covered == again.covered == whole(JAN, FEB)
    world.later(days=400)
    cached(world, tmp_path).fetch("bars", "AAA", JAN, FEB)
    assert len(world.calls) == 1  # closed for ever


def test_a_longer_range_asks_only_for_what_is_new_and_five_sessions_on_either_side(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    source.fetch("bars", "AAA", date(2024, 6, 3), date(2024, 7, 1))
    source.fetch("bars", "AAA", date(2024, 6, 3), date(2024, 8, 1))
    source.fetch("bars", "AAA", date(2024, 5, 1), date(2024, 8, 1))
    assert world.asked("bars")[1:] == [("2024-06-24", "2024-08-01"), ("2024-05-01", "2024-06-08")]
    assert source.fetch("bars", "AAA", date(2024, 5, 1), date(2024, 8, 1)).covered == whole(date(2024, 5, 1), date(2024, 8, 1))
    assert len(world.calls) == 3


def test_a_hole_between_two_stretches_is_asked_for_once(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    source.fetch("news", "AAA", date(2024, 6, 1), date(2024, 6, 10))
    source.fetch("news", "AAA", date(2024, 6, 20), date(2024, 6, 30))
    source.fetch("news", "AAA", date(2024, 6, 1), date(2024, 6, 30))
    assert world.asked("news")[2:] == [("2024-06-09", "2024-06-20")]


def test_days_without_a_session_are_never_asked_for(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    weekend = source.fetch("bars", "AAA", date(2025, 3, 8), date(2025, 3, 10))
    assert weekend.frame.empty and world.calls == []
    source.fetch("bars", "AAA", date(2025, 2, 3), date(2025, 2, 15))
    source.fetch("bars", "AAA", date(2025, 2, 3), date(2025, 2, 18))  # weekend and Presidents' Day
    assert len(world.calls) == 1


def test_the_bar_of_a_session_is_neither_kept_nor_served_before_half_an_hour_after_its_close(tmp_path):
    world = World(now=datetime(2025, 3, 14, 20, 29, tzinfo=UTC))  # close 20:00
    source = cached(world, tmp_path)
    early = source.fetch("bars", "AAA", date(2025, 3, 10), date(2025, 3, 20))
    assert days(early)[-1] == "2025-03-13" and early.covered[-1][1] == pd.Timestamp("2025-03-14", tz="UTC")
    assert Wire(world).fetch("bars", "AAA", date(2025, 3, 14), date(2025, 3, 15)).frame.shape[0] == 1  # the source has a partial one
    world.later(minutes=1)
    assert days(source.fetch("bars", "AAA", date(2025, 3, 10), date(2025, 3, 20)))[-1] == "2025-03-14"


def test_an_early_close_is_complete_early(tmp_path):
    world = World(now=datetime(2025, 7, 3, 17, 31, tzinfo=UTC))  # New York closes at 13:00 on this day
    assert days(cached(world, tmp_path).fetch("bars", "AAA", date(2025, 7, 1), date(2025, 7, 10)))[-1] == "2025-07-03"


def test_todays_split_and_dividend_wait_for_the_close_as_well(tmp_path):
    world = World(now=datetime(2025, 3, 14, 15, 0, tzinfo=UTC))
    source = cached(world, tmp_path)
    assert source.fetch("dividends", "AAA", JAN, APR).frame.empty
    world.now = datetime(2025, 3, 14, 20, 30, tzinfo=UTC)
    assert list(source.fetch("dividends", "AAA", JAN, APR).frame["amount"]) == [0.3]


def test_the_last_five_sessions_are_looked_at_again_after_six_hours(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    source.fetch("bars", "AAA", JAN, APR)
    world.later(hours=5, minutes=59)
    source.fetch("bars", "AAA", JAN, APR)
    assert len(world.calls) == 1
    world.later(minutes=1)
    source.fetch("bars", "AAA", JAN, FEB)
    assert len(world.calls) == 1  # they are not in sight
    source.fetch("bars", "AAA", JAN, APR)
    assert world.asked("bars")[1:] == [("2025-03-10", "2025-03-15")]


def test_a_bar_that_comes_late_is_asked_for_again_after_a_quarter_of_an_hour(tmp_path):
    late = pd.Timestamp("2025-03-14")
    world = World(edit=lambda table, frame: frame[frame["date"] != late] if table == "bars" else frame)
    source = cached(world, tmp_path)
    assert source.fetch("bars", "AAA", MAR, APR).covered[-1][1] == pd.Timestamp("2025-03-14", tz="UTC")
    source.fetch("bars", "AAA", MAR, APR)
    assert len(world.calls) == 1
    world.edit = lambda table, frame: frame
    world.later(minutes=15)
    fetched = source.fetch("bars", "AAA", MAR, APR)
    assert days(fetched)[-1] == "2025-03-14" and fetched.covered[-1][1] == pd.Timestamp("2025-03-15", tz="UTC")


def test_news_of_now_is_asked_for_again_after_a_quarter_of_an_hour_and_only_from_where_it_ended(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    source.fetch("news", "AAA", FEB, APR)
    world.later(minutes=14)
    source.fetch("news", "AAA", FEB, APR)
    assert len(world.calls) == 1
    world.later(minutes=1)
    found = source.fetch("news", "AAA", FEB, APR)
    assert world.asked("news") == [("2025-02-01", "2025-03-15"), ("2025-03-13", "2025-03-15")]
    assert found.covered == ((pd.Timestamp(FEB, tz="UTC"), pd.Timestamp(world.now)),)
    world.later(days=30)
    source.fetch("news", "AAA", FEB, MAR)
    assert len(world.calls) == 2


@pytest.mark.parametrize("table", ["filings", "fundamentals"])
def test_reports_of_now_are_asked_for_again_after_a_day_and_not_before(tmp_path, table):
    world = World(now=datetime(2025, 3, 14, 12, tzinfo=UTC))
    source = cached(world, tmp_path)
    for hours, requests in ((0, 1), (12, 1), (11.9, 1), (0.2, 2), (0, 2)):
        world.later(hours=hours)
        source.fetch(table, "AAA", JAN, APR)
        assert len(world.asked(table)) == requests, hours
    assert world.asked(table)[1][0] >= "2025-03-13", "and only from where it had ended"


def test_midnight_is_no_reason_to_ask_again(tmp_path):
    world = World(now=datetime(2025, 3, 14, 23, 55, tzinfo=UTC))
    source = cached(world, tmp_path)
    source.fetch("fundamentals", "AAA", JAN, APR)
    world.later(hours=23)
    source.fetch("fundamentals", "AAA", JAN, APR)
    assert len(world.calls) == 1
    world.later(hours=1)
    source.fetch("fundamentals", "AAA", JAN, APR)
    assert len(world.calls) == 2


def test_what_the_source_never_covers_is_asked_for_once_a_day(tmp_path):
    """Yahoo's news reach a few days back: a back-test over last year must not ask it at every look."""
    recent = pd.Timestamp("2025-03-12", tz="UTC")

    def covers(table: str, start: date, end: date) -> Any:
        return tuple((max(low, recent), high) for low, high in whole(start, end) if high > recent)

    world = World(covers=covers)
    source = cached(world, tmp_path)
    for _ in range(3):
        fetched = source.fetch("news", "AAA", date(2024, 5, 1), date(2024, 6, 1))
        assert fetched.covered == ()
    assert len(world.calls) == 1
    mixed = source.fetch("news", "AAA", FEB, APR)
    assert mixed.covered == ((recent, pd.Timestamp(world.now)),)
    world.later(minutes=20)
    source.fetch("news", "AAA", FEB, APR)
    assert world.asked("news")[2:] == [("2025-03-13", "2025-03-15")]  # now, not the stretch that was refused
    world.later(hours=24)
    source.fetch("news", "AAA", date(2024, 5, 1), date(2024, 6, 1))
    assert world.asked("news")[3:] == [("2024-05-01", "2024-06-01")]


def test_what_a_source_forgets_stays_and_coverage_grows(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    before = source.fetch("news", "AAA", MAR, APR)
    world.later(days=10)
    world.edit = lambda table, frame: frame[frame["available_at"] > pd.Timestamp("2025-03-20", tz="UTC")]
    world.covers = lambda table, start, end: ((pd.Timestamp("2025-03-20", tz="UTC"), pd.Timestamp(world.now)),)
    after = source.fetch("news", "AAA", MAR, APR)
    assert set(before.frame["id"]) < set(after.frame["id"])
    assert after.covered == (before.covered[0], (pd.Timestamp("2025-03-20", tz="UTC"), pd.Timestamp(world.now)))


def test_a_text_stays_what_it_was_when_it_could_first_be_read(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    first = source.fetch("news", "AAA", MAR, APR).frame
    world.later(hours=1)
    world.edit = lambda table, frame: frame.assign(title="edited") if table == "news" else frame
    later = source.fetch("news", "AAA", MAR, APR).frame
    assert list(later["title"][: len(first)]) == list(first["title"]) and len(later) >= len(first)


def test_refresh_asks_for_the_current_window_however_fresh_it_is(tmp_path):
    world = World()
    for table in ("bars", "news", "filings"):
        cached(world, tmp_path).fetch(table, "AAA", JAN, APR)
    world.calls.clear()
    for table in ("bars", "news", "filings"):
        cached(world, tmp_path, refresh=True).fetch(table, "AAA", JAN, APR)
        cached(world, tmp_path, refresh=True).fetch(table, "AAA", JAN, FEB)  # closed: nothing to refresh
    assert [(table, str(start)) for table, _, start, _ in world.calls] == [
        ("bars", "2025-03-10"),
        ("news", "2025-03-13"),
        ("filings", "2025-03-13"),
    ]


def test_what_the_source_said_about_its_rows_is_said_again_from_the_cache(tmp_path):
    said = Issue("warning", "news", "3 items without a time were left out.", "AAA", 3, code="undated")
    world = World(issues=(said, Issue("warning", "news", "Titles were cut.", "AAA")))
    source = cached(world, tmp_path)
    first = source.fetch("news", "AAA", FEB, APR)
    assert first.issues == source.fetch("news", "AAA", FEB, APR).issues
    world.later(hours=30)
    world.issues = (replace(said, message="4 items without a time were left out.", count=4),)
    grown = source.fetch("news", "AAA", FEB, APR)
    assert [issue.count for issue in grown.issues if issue.code == "undated"] == [4]  # not 3 + 4: they are the same items


@settings(max_examples=15, deadline=None)
@given(
    table=st.sampled_from(TABLES),
    steps=st.lists(st.tuples(st.integers(0, 700), st.integers(1, 200), st.integers(0, 2000)), min_size=1, max_size=6),
)
def test_any_sequence_of_ranges_gives_the_rows_of_the_source_itself(table, steps):
    world = World(now=datetime(2024, 7, 1, 12, 0, tzinfo=UTC))
    with TemporaryDirectory() as name:
        for first, length, hours in steps:
            start = date(2024, 1, 1) + timedelta(days=first)
            end = start + timedelta(days=length)
            mine = cached(world, Path(name)).fetch(table, "AAA", start, end)
            theirs = Wire(world).fetch(table, "AAA", start, end).frame
            if table in tables.DAY_COLUMN:
                complete = pd.Timestamp(XNYS.last_closed(world.now - timedelta(minutes=30)).day)
                theirs = theirs[theirs[tables.DAY_COLUMN[table]] <= complete]
            else:  # what came since the last look may wait for its time
                edge = pd.Timestamp(world.now) - pd.Timedelta(hours=24)
                mine = replace(mine, frame=mine.frame[mine.frame["available_at"] < edge])
                theirs = theirs[theirs["available_at"] < edge]
            pd.testing.assert_frame_equal(mine.frame.reset_index(drop=True), theirs.reset_index(drop=True))
            for low, high in mine.covered:
                assert pd.Timestamp(start, tz="UTC") <= low < high <= min(pd.Timestamp(end, tz="UTC"), pd.Timestamp(world.now).ceil("D"))
            world.later(hours=hours)


# ------------------------------------------------------------------------------------------------------------------ corrections


def test_a_constant_factor_between_old_and_new_closes_fetches_the_whole_ticker_again(tmp_path, caplog):
    world = World()
    source = cached(world, tmp_path)
    source.fetch("bars", "AAA", date(2024, 6, 3), MAR)
    prices = ["open", "high", "low", "close"]
    world.edit = lambda table, frame: frame.assign(**{name: frame[name] / 2 for name in prices}) if table == "bars" else frame
    with caplog.at_level(logging.WARNING, logger="storage.market_cache"):
        fetched = source.fetch("bars", "AAA", date(2024, 6, 3), APR)
    assert world.asked("bars")[1:] == [("2025-02-24", "2025-03-15"), ("2024-06-03", "2025-03-15")]
    pd.testing.assert_frame_equal(fetched.frame, Wire(world).fetch("bars", "AAA", date(2024, 6, 3), date(2025, 3, 15)).frame)
    assert "rebuilt" in codes(fetched) and "0.5" in caplog.text
    assert codes(source.fetch("bars", "AAA", date(2024, 6, 3), APR)) == []


def test_old_and_new_bases_are_never_mixed_when_the_rebuild_fails(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    before = source.fetch("bars", "AAA", JAN, MAR)
    real = world.edit = lambda table, frame: frame.assign(close=frame["close"] * 1.5, high=frame["high"] * 2) if table == "bars" else frame

    def once(table: str, frame: pd.DataFrame) -> pd.DataFrame:
        world.faults += [SourceDown("down"), SourceDown("down")]
        return real(table, frame)

    world.edit = once
    fetched = source.fetch("bars", "AAA", JAN, APR)
    pd.testing.assert_frame_equal(fetched.frame, before.frame)
    assert codes(fetched) == ["stale"] and fetched.covered == before.covered


def test_a_source_that_changes_its_basis_and_has_no_history_any_more_takes_nothing_away(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    before = source.fetch("bars", "AAA", JAN, MAR)
    world.edit = lambda table, frame: (
        frame.assign(open=frame["open"] / 2, low=frame["low"] / 2, close=frame["close"] / 2)
        if table != "bars" or world.calls[-1][2] > JAN
        else frame[:0]
    )
    fetched = source.fetch("bars", "AAA", JAN, APR)
    pd.testing.assert_frame_equal(fetched.frame, before.frame)
    assert codes(fetched) == ["stale"] and "does not serve its history" in fetched.issues[0].message


def test_single_corrected_rows_are_replaced_and_named(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    source.fetch("bars", "AAA", JAN, MAR)
    wrong = pd.Timestamp("2025-02-27")
    world.edit = lambda table, frame: (
        frame.assign(close=frame["close"].mask(frame["date"] == wrong, frame["close"] + 0.5)) if table == "bars" else frame
    )
    fetched = source.fetch("bars", "AAA", JAN, APR)
    issue = next(issue for issue in fetched.issues if issue.code == "revised")
    assert issue.count == 1 and issue.rows == ("2025-02-27",)
    pd.testing.assert_frame_equal(fetched.frame, Wire(world).fetch("bars", "AAA", JAN, date(2025, 3, 15)).frame)


def test_rounding_noise_changes_nothing_and_a_late_volume_is_taken_quietly(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    before = source.fetch("bars", "AAA", JAN, MAR).frame
    late = pd.Timestamp("2025-02-28")
    world.edit = lambda table, frame: (
        frame.assign(close=frame["close"] * (1 + 1e-9), volume=frame["volume"] + 5 * (frame["date"] == late)) if table == "bars" else frame
    )
    fetched = source.fetch("bars", "AAA", JAN, APR)
    assert codes(fetched) == []
    assert list(fetched.frame["close"][: len(before) - 1]) == list(before["close"][:-1])
    assert fetched.frame["volume"][len(before) - 1] == before["volume"].iloc[-1] + 5


def test_a_split_that_the_source_takes_back_within_the_overlap_goes(tmp_path):
    world = World(now=datetime(2025, 1, 14, 22, 0, tzinfo=UTC))
    source = cached(world, tmp_path)
    assert list(source.fetch("splits", "AAA", JAN, APR).frame["ratio"]) == [4.0]
    world.edit = lambda table, frame: frame[frame["ratio"] != 4.0] if table == "splits" else frame
    world.later(days=1)
    fetched = source.fetch("splits", "AAA", JAN, APR)
    assert fetched.frame.empty and codes(fetched) == ["revised"]


def test_rows_that_nobody_can_trade_on_are_served_to_be_refused_and_never_kept(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    world.edit = lambda table, frame: frame.assign(close=-1.0) if table == "bars" else frame
    assert (source.fetch("bars", "AAA", JAN, FEB).frame["close"] == -1).all()
    assert files(tmp_path, ".parquet") == []
    world.edit = lambda table, frame: frame
    assert (source.fetch("bars", "AAA", JAN, FEB).frame["close"] > 0).all()


def test_a_new_version_of_an_adapter_reads_its_source_again_and_keeps_the_news(tmp_path):
    world = World()
    for table in ("bars", "news"):
        cached(world, tmp_path).fetch(table, "AAA", JAN, FEB)
    newer = cached(world, tmp_path)
    newer._version = "2"
    world.calls.clear()
    for table in ("bars", "news", "bars"):
        assert len(newer.fetch(table, "AAA", JAN, FEB).frame)
    assert [table for table, *_ in world.calls] == ["bars"]


# -------------------------------------------------------------------------------------------------------------- waiting, failing


def test_a_refused_request_waits_2_8_and_30_seconds_and_then_opens_the_breaker_for_a_quarter_of_an_hour(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    source.listing("AAA")
    world.faults = [RateLimited("Too many requests.", cure="Wait.") for _ in range(4)]
    with pytest.raises(RateLimited, match=r"Too many requests.*RECOLLECT_OFFLINE") as caught:
        source.fetch("bars", "AAA", JAN, FEB)
    assert len(world.calls) == 4 and world.faults == []
    assert [round(wait / plan, 9) for wait, plan in zip(world.slept, (2, 8, 30), strict=True)] == pytest.approx([1, 1, 1], abs=0.2)
    assert len(set(world.slept)) == 3 and caught.value.retry_at == world.now + timedelta(minutes=15)
    for table, symbol in (("news", "BB"), ("bars", "AAA")):  # another ticker, another object, as another process would
        with pytest.raises(RateLimited):
            cached(world, tmp_path).fetch(table, symbol, JAN, FEB)
    assert len(world.calls) == 4
    pause = breaker.Breaker(tmp_path, "wire", now=lambda: world.now).pause()
    assert pause is not None and pause.reason == "Too many requests."
    world.later(minutes=15)
    assert breaker.Breaker(tmp_path, "wire", now=lambda: world.now).pause() is None
    assert len(source.fetch("bars", "AAA", JAN, FEB).frame) == 20


def test_a_request_that_is_granted_on_the_second_try_is_an_ordinary_answer(tmp_path):
    world = World(faults=[RateLimited("Too many requests.")])
    fetched = cached(world, tmp_path).fetch("news", "AAA", JAN, FEB)
    assert len(fetched.frame) and codes(fetched) == [] and len(world.slept) == 1


def test_a_source_that_says_until_when_is_left_alone_until_then(tmp_path):
    world = World()
    until = world.now + timedelta(minutes=10)
    world.faults = [RateLimited("Threshold reached.", retry_at=until)]
    with pytest.raises(RateLimited) as caught:
        cached(world, tmp_path).fetch("filings", "AAA", JAN, FEB)
    assert caught.value.retry_at == until and world.slept == []
    world.later(minutes=10)
    assert len(cached(world, tmp_path).fetch("filings", "AAA", JAN, MAR).frame) == 1


def test_a_pause_of_seconds_is_waited_for_and_one_of_years_is_cut_to_a_day(tmp_path):
    world = World()
    world.faults = [RateLimited("Soon.", retry_at=world.now + timedelta(seconds=5))]
    assert len(cached(world, tmp_path).fetch("news", "AAA", JAN, FEB).frame)
    assert world.slept == [pytest.approx(5)]
    world.faults = [RateLimited("Soon, soon.", retry_at=world.now + timedelta(seconds=5)) for _ in range(4)]
    with pytest.raises(RateLimited) as caught:
        cached(world, tmp_path / "other").fetch("news", "AAA", FEB, MAR)
    assert caught.value.retry_at == world.now + timedelta(minutes=15)
    world.faults = [RateLimited("Never.", retry_at=world.now + timedelta(days=4000))]
    with pytest.raises(RateLimited) as caught:
        cached(world, tmp_path).fetch("news", "AAA", FEB, MAR)
    assert caught.value.retry_at == world.now + timedelta(days=1)


@pytest.mark.parametrize("kind", [SourceDown, BadResponse])
def test_no_answer_or_a_bad_one_is_repeated_once(tmp_path, kind):
    world = World(faults=[kind("Nothing usable.")])
    assert len(cached(world, tmp_path).fetch("news", "AAA", JAN, FEB).frame)
    assert len(world.calls) == 2 and len(world.slept) == 1 and world.slept[0] < 2
    world.faults = [kind("Nothing usable.", cure="Check the line.") for _ in range(2)]
    with pytest.raises(kind, match="Check the line"):
        cached(world, tmp_path).fetch("news", "BB", JAN, FEB)
    assert len(cached(world, tmp_path).fetch("news", "BB", JAN, FEB).frame)  # nothing was poisoned


def test_five_failures_in_a_row_give_a_dead_source_a_short_rest_and_a_success_starts_the_count_again(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    for failures in (4, 5):
        for symbol in ("AAA", "BB", "C", "AAA", "BB")[:failures]:
            world.faults = [SourceDown("Refused.")] * 2
            with pytest.raises(SourceDown):
                source.fetch("news", symbol, JAN, FEB)
        if failures == 4:
            source.fetch("news", "AAA", FEB, MAR)
    with pytest.raises(RateLimited, match="no answer 5 times"):
        source.fetch("news", "BB", FEB, MAR)
    world.later(minutes=2)
    assert len(source.fetch("news", "BB", FEB, MAR).frame)


def test_one_ticker_that_always_fails_does_not_take_the_source_from_the_others(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    for _ in range(2 * breaker.DOWN_LIMIT):
        world.faults = [SourceDown("Refused.")] * 2
        with pytest.raises(SourceDown):
            source.fetch("news", "AAA", JAN, FEB)
    assert len(source.fetch("news", "BB", FEB, MAR).frame)


def test_a_failure_serves_what_is_on_disk_with_its_age_and_leaves_the_rest_uncovered(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    source.fetch("bars", "AAA", JAN, FEB)
    world.later(hours=3)
    world.faults = [SourceDown("The line is dead.")] * 2
    fetched = source.fetch("bars", "AAA", JAN, MAR)
    assert days(fetched)[-1] == "2025-01-31" and fetched.covered == whole(JAN, FEB)
    (stale,) = fetched.issues
    assert stale.code == "stale" and "served from the cache, fetched 3 h ago; The line is dead." in stale.message
    with pytest.raises(SourceDown):
        world.faults = [SourceDown("The line is dead.")] * 2
        source.fetch("bars", "AAA", date(2024, 1, 1), date(2024, 2, 1))
    assert fetched.fetched_at == World().now


def test_stale_is_never_said_of_what_is_complete(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    source.fetch("bars", "AAA", JAN, FEB)
    world.faults = [SourceDown("The line is dead.")] * 20
    assert codes(source.fetch("bars", "AAA", JAN, FEB)) == [] and len(world.faults) == 20


def test_an_unknown_ticker_is_remembered_for_an_hour(tmp_path):
    world = World()
    for _ in range(3):
        with pytest.raises(UnknownSymbol, match="Never heard of NOPE") as caught:
            cached(world, tmp_path).listing("NOPE")
        with pytest.raises(UnknownSymbol):
            cached(world, tmp_path).fetch("bars", "NOPE", JAN, FEB)
    assert caught.value.field == "tickers" and world.listed == ["NOPE"] and world.calls == []
    world.known |= {"NOPE"}
    world.later(hours=1)
    assert cached(world, tmp_path).listing("NOPE").name == "NOPE Incorporated"
    assert len(cached(world, tmp_path).fetch("bars", "NOPE", JAN, FEB).frame) == 20


def test_a_ticker_that_the_source_has_forgotten_keeps_its_rows(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    source.fetch("bars", "AAA", JAN, FEB)
    world.known = frozenset()
    with pytest.raises(UnknownSymbol):
        source.fetch("bars", "AAA", JAN, MAR)
    assert len(source.fetch("bars", "AAA", JAN, FEB).frame) == 20


def test_an_empty_part_is_no_error_beside_rows_and_an_empty_whole_is(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    source.fetch("bars", "AAA", FEB, MAR)
    world.faults = [NoRowsInRange("AAA was not listed yet.")]
    fetched = source.fetch("bars", "AAA", JAN, MAR)
    assert days(fetched)[0] == "2025-02-03" and fetched.covered == whole(FEB, MAR)
    source.fetch("bars", "AAA", JAN, MAR)
    with pytest.raises(NoRowsInRange, match="not listed"):
        source.fetch("bars", "AAA", JAN, date(2025, 1, 20))
    assert len(world.calls) == 2  # it was told
    world.later(hours=24)
    assert len(source.fetch("bars", "AAA", JAN, MAR).frame) == 39


def test_a_table_that_the_source_does_not_carry_is_refused_without_a_file(tmp_path):
    source = cached(World(), tmp_path)
    source.provides = frozenset({"bars"})
    with pytest.raises(NotSupported, match=r"wire has no news; it has bars"):
        source.fetch("news", "AAA", JAN, FEB)
    assert list(tmp_path.iterdir()) == []


def test_a_later_request_for_a_shorter_pause_shortens_nothing(tmp_path):
    world = World()
    mine = breaker.Breaker(tmp_path, "wire", now=lambda: world.now)
    long = mine.open("An hour, please.", until=world.now + timedelta(hours=1))
    assert mine.open("Again.") == mine.pause() == long


def test_a_breaker_file_of_garbage_counts_as_closed(tmp_path):
    for garbage in (
        b"",
        b"{",
        b"[]",
        b'{"until": 3}',
        b'{"until": "2025-03-14T23:00"}',
        b'{"until": "9999-01-01T00:00:00+00:00"}',
        b"\xff",
    ):
        (tmp_path / "wire").mkdir(exist_ok=True)
        (tmp_path / "wire" / "breaker.json").write_bytes(garbage)
        assert breaker.Breaker(tmp_path, "wire", now=lambda: World().now).pause() is None
        breaker.Breaker(tmp_path, "wire").down("x")


# ------------------------------------------------------------------------------------------------------------------- offline


def test_offline_serves_what_is_there_and_asks_nothing(tmp_path):
    world = World()
    online = cached(world, tmp_path)
    online.listing("AAA"), online.fetch("bars", "AAA", JAN, APR)
    asked = (len(world.calls), len(world.listed))
    world.later(days=3)
    offline = cached(world, tmp_path, offline=True)
    fetched = offline.fetch("bars", "AAA", JAN, APR)
    assert len(fetched.frame) == 49 and codes(fetched) == ["stale"] and "fetched 3 days ago; offline mode" in fetched.issues[0].message
    assert codes(offline.fetch("bars", "AAA", JAN, FEB)) == []  # closed and complete: nothing to say
    assert offline.listing("AAA").name == "AAA Incorporated" and [x.ticker for x in offline.listings()] == ["AAA"]
    for question in (
        lambda: offline.fetch("news", "AAA", JAN, FEB),
        lambda: offline.listing("BB"),
        lambda: offline.fetch("bars", "BB", JAN, FEB),
    ):
        with pytest.raises(Unavailable, match="RECOLLECT_OFFLINE"):
            question()
    assert (len(world.calls), len(world.listed)) == asked


def test_a_run_that_worked_online_works_offline_even_where_the_source_covered_nothing(tmp_path):
    world = World(covers=lambda table, start, end: () if table == "news" else whole(start, end))

    def load(offline: bool) -> Market:
        return Market.load(cached(world, tmp_path, offline=offline), ["AAA", "BB"], start=FEB, end=date(2025, 2, 28), calendar=XNYS)

    online = load(False)
    world.later(days=2)
    offline = load(True)
    assert offline.fingerprint == online.fingerprint and offline.companies == {"AAA": "AAA Incorporated", "BB": "BB Incorporated"}
    assert not offline.view(world.now).sourced("AAA", "news")


# ------------------------------------------------------------------------------------------------------------------ listings


def test_a_listing_is_asked_for_once_a_day_and_an_old_one_serves_in_need(tmp_path):
    world = World()
    for _ in range(2):
        assert cached(world, tmp_path).listing("AAA").exchange == "XNYS"
    assert world.listed == ["AAA"]
    world.later(hours=24)
    world.faults = [SourceDown("The line is dead.")] * 2
    assert cached(world, tmp_path).listing("AAA").name == "AAA Incorporated"
    cached(world, tmp_path).listing("AAA")
    cached(world, tmp_path, refresh=True).listing("AAA")
    assert len(world.listed) == 5


# ---------------------------------------------------------------------------------------------------------------------- files


SYMBOLS = [
    "AAPL", "aapl", "../x", "..", ".", "", "CON", "con", "CON.X", "NUL", "COM1", "A/B", "A\\B", "A:B", "^GSPC", "BRK.B", "BRK-B", "BRK%2EB", "EURUSD=X",
    "A.", ".A", "A ", " A", "é", "e\u0301", "株式", "\x00", "\n", "x" * 500, "x" * 499 + "y", "X" * 500, "A~LOCK", "A~next", "A.parquet", "A.PARQUET.BAD",
    "breaker", "*", "?", "-rf", "%", "~", "A" * 120, "A" * 121, "\ud800",
]  # fmt: skip


def test_no_two_symbols_share_a_file_and_none_leaves_its_folder():
    names = [file_name(symbol) for symbol in SYMBOLS]
    every = [f"{name}{ending}" for name in names for ending in (".parquet", ".json", "~next.json", "~fresh.tmp", "~lock", ".parquet.bad")]
    assert len({name.lower() for name in every}) == len(every)
    for name in every:
        assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_%~")
        assert len(name) < 200 and not name.startswith(".") and name.split(".")[0] not in {"CON", "NUL", "COM1"}
    assert file_name("BRK.B") == "BRK.B" and file_name("AAPL") == "AAPL" and file_name("^GSPC") == "%5EGSPC"


@given(st.text(max_size=8), st.text(max_size=8))
def test_file_names_are_one_to_one(one, two):
    assert (file_name(one).lower() == file_name(two).lower()) == (one == two)


def test_hostile_symbols_are_kept_and_found_again_below_the_cache(tmp_path):
    chosen = [symbol for symbol in SYMBOLS if symbol not in ("\ud800", "", "\n")]  # no frame can hold these
    world = World(known=frozenset(chosen))
    folder = tmp_path / "cache"
    for symbol in chosen:
        cached(world, folder).fetch("splits", symbol, JAN, FEB)
    assert list(tmp_path.iterdir()) == [folder] and sorted(entries(folder)["symbol"]) == sorted(chosen)
    world.calls.clear()
    for symbol in chosen:
        assert cached(world, folder).fetch("splits", symbol, JAN, FEB).frame["symbol"].nunique() == 1
    assert world.calls == []


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 0xFF
    path.write_bytes(bytes(body))


def _edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGE: dict[str, Callable[[Path, Path], object]] = {
    "a truncated parquet": lambda rows, record: _truncate(rows),
    "a flipped byte": lambda rows, record: _flip(rows),
    "an empty parquet": lambda rows, record: rows.write_bytes(b""),
    "a missing parquet": lambda rows, record: rows.unlink(),
    "garbage json": lambda rows, record: record.write_bytes(b"\xff{garbage"),
    "a missing json": lambda rows, record: record.unlink(),
    "a truncated json": lambda rows, record: _truncate(record),
    "a wrong sha256": lambda rows, record: _edit(record, sha256="0" * 64),
    "another version": lambda rows, record: _edit(record, version=99),
    "another symbol's record": lambda rows, record: _edit(record, symbol="BB"),
    "covered that is no interval": lambda rows, record: _edit(record, covered=[["x", "y"]]),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_files_are_set_aside_and_fetched_again(tmp_path, caplog, kind):
    world = World()
    source = cached(world, tmp_path)
    before = source.fetch("bars", "AAA", JAN, FEB)
    (rows,), (record,) = files(tmp_path, ".parquet"), files(tmp_path, ".json")
    DAMAGE[kind](rows, record)
    with caplog.at_level(logging.WARNING):
        after = source.fetch("bars", "AAA", JAN, FEB)
    pd.testing.assert_frame_equal(after.frame, before.frame)
    assert after.covered == before.covered and codes(after) == ["damaged"] and "set aside" in after.issues[0].message
    assert files(tmp_path, ".bad") and len(caplog.records) == 1
    assert codes(source.fetch("bars", "AAA", JAN, FEB)) == [] and len(world.calls) == 2


def test_a_valid_parquet_of_another_shape_is_damage_too(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    source.fetch("bars", "AAA", JAN, FEB)
    (rows,), (record,) = files(tmp_path, ".parquet"), files(tmp_path, ".json")
    pd.DataFrame({"x": [1]}).to_parquet(rows)
    import hashlib

    _edit(record, sha256=hashlib.sha256(rows.read_bytes()).hexdigest(), rows=1)
    assert codes(source.fetch("bars", "AAA", JAN, FEB)) == ["damaged"]


def test_damage_offline_is_said_and_nothing_is_invented(tmp_path):
    world = World()
    cached(world, tmp_path).fetch("bars", "AAA", JAN, FEB)
    _truncate(files(tmp_path, ".parquet")[0])
    with pytest.raises(Unavailable, match="RECOLLECT_OFFLINE"):
        cached(world, tmp_path, offline=True).fetch("bars", "AAA", JAN, FEB)


def test_a_writer_that_died_between_its_two_files_loses_nothing(tmp_path):
    """The new Parquet stands beside the old JSON; its Record waits in ~next.json. Then another writer comes, and dies at once."""
    world = World()
    source = cached(world, tmp_path)
    source.fetch("news", "AAA", JAN, FEB)
    (record,) = files(tmp_path, ".json")
    old = record.read_bytes()
    source.fetch("news", "AAA", FEB, MAR)
    record.rename(record.with_name("AAA~next.json"))
    record.write_bytes(old)
    world.calls.clear()
    assert source.fetch("news", "AAA", JAN, MAR).covered == whole(JAN, MAR) and world.calls == []
    with pytest.raises(ZeroDivisionError):
        Shelf(tmp_path, "wire", "news", "AAA").merge(lambda held: 1 / 0)  # type: ignore[arg-type,return-value]
    assert not record.with_name("AAA~next.json").exists()
    assert source.fetch("news", "AAA", JAN, MAR).covered == whole(JAN, MAR) and world.calls == []


def test_a_disk_that_refuses_costs_the_cache_not_the_answer(tmp_path):
    world = World()
    (tmp_path / "wire").mkdir(parents=True)
    (tmp_path / "wire" / "news").write_text("a file where a folder should be")
    with pytest.raises(Unavailable, match="in the market cache cannot be read"):
        cached(world, tmp_path).fetch("news", "AAA", JAN, FEB)


def test_a_folder_that_cannot_be_written_costs_the_cache_not_the_answer(powerless):
    folder, weak = powerless
    world = World()
    cached(world, folder).fetch("news", "AAA", JAN, FEB)
    for path in (folder / "wire" / "news", folder / "wire", folder):
        path.chmod(0o755)
    with weak():
        fetched = cached(world, folder).fetch("news", "AAA", JAN, MAR)
    assert len(fetched.frame) and codes(fetched) == ["not_kept"] and "RECOLLECT_HOME" in fetched.issues[0].message


# -------------------------------------------------------------------------------------------------------- threads and processes


@pytest.fixture(scope="module")
def among_processes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came out of ``tests.storage.market_processes``, which runs once."""
    command = [sys.executable, "-m", "tests.storage.market_processes", str(tmp_path_factory.mktemp("processes"))]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_two_processes_on_one_ticker_lose_no_row(among_processes):
    expected = {"codes": [0, 0], "asked again": 0, "same": True, "covered": True, "set aside": 0}
    assert among_processes["two_writers"] == expected


def test_a_killed_writer_leaves_a_whole_cache_that_still_holds_what_was_there(among_processes):
    assert among_processes["killed_writers"] == {"growing": True, "same": True}


def test_a_pause_noticed_by_one_process_holds_for_all(among_processes):
    assert among_processes["one_pause"] == {"codes": [0, 0]}


def test_threads_on_one_ticker_lose_no_row(tmp_path):
    problems: list[BaseException] = []

    def work(part: int) -> None:
        try:
            hammer(tmp_path, part, 4, 6)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == [] and files(tmp_path, ".bad") == []
    assert entries(tmp_path)["covered"][0] == whole(FIRST, FIRST + WEEK * 24)


# ------------------------------------------------------------------------------------------------------------------- read side


def test_entries_say_what_is_held_and_drop_deletes_it(tmp_path):
    world = World()
    source = cached(world, tmp_path)
    assert entries(tmp_path).empty and entries(tmp_path / "nowhere").empty and drop(tmp_path, "wire") == 0
    source.fetch("bars", "AAA", JAN, FEB)
    source.fetch("news", "AAA", JAN, FEB)
    source.fetch("bars", "BB", JAN, MAR)
    held = entries(tmp_path)
    assert list(held.columns) == ["source", "table", "symbol", "rows", "first", "last", "covered", "fetched_at", "bytes"]
    row = held.iloc[0]
    assert (row["source"], row["table"], row["symbol"], row["rows"]) == ("wire", "bars", "AAA", 20)
    assert (row["first"], row["last"], row["covered"]) == (date(2025, 1, 2), date(2025, 1, 31), whole(JAN, FEB))
    assert row["fetched_at"] == pd.Timestamp(world.now) and row["bytes"] > 1_000
    assert drop(tmp_path, "wire", "AAA") == 5  # two files each, and the listing
    assert list(entries(tmp_path)["symbol"]) == ["BB"]
    assert drop(tmp_path, "wire") == 3 and entries(tmp_path).empty
    world.calls.clear()
    assert len(source.fetch("bars", "AAA", JAN, FEB).frame) == 20 and len(world.calls) == 1


def test_a_source_with_other_options_keeps_its_rows_apart(tmp_path):
    class Choice(Wire.Options):
        adjusted: bool = False

    world = World()
    plain, other = Wire(world), Wire(world)
    other.options = Choice(adjusted=True)
    for inner in (plain, other):
        CachedSource(inner, name="wire", folder=tmp_path, now=lambda: world.now).fetch("news", "AAA", JAN, FEB)
    assert len(world.calls) == 2 and list(entries(tmp_path)["source"]) == ["wire", "wire"]
    assert drop(tmp_path, "wire") == 4


def test_the_cache_speaks_for_its_source(tmp_path):
    source = cached(World(), tmp_path)
    assert (source.note, source.network, source.provides) == ("from the wire", True, frozenset(TABLES))
    assert source.listings() == [] and source.fingerprint() == "" and source.listing("C") == Listing("C", "C Incorporated")
    assert source.fetch("bars", "AAA", FEB, FEB).frame.empty
    shutil.rmtree(tmp_path)
