"""The exchange calendar, against dates that anybody can look up."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import NoData, SpecError
from agent.market.sessions import Calendar

XNYS = Calendar()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_range_gives_its_sessions_with_both_ends():
    days = [s.day for s in XNYS.sessions(date(2025, 2, 14), date(2025, 2, 18))]
    assert days == [date(2025, 2, 14), date(2025, 2, 18)]  # Saturday, Sunday, Presidents' Day in between


def test_an_early_close_is_at_one_in_new_york():
    assert XNYS.session(date(2024, 11, 29)).close_at == at("2024-11-29T18:00:00")
    assert XNYS.session(date(2024, 11, 27)).close_at == at("2024-11-27T21:00:00")
    assert XNYS.session(date(2024, 7, 3)).close_at == at("2024-07-03T17:00:00")


def test_the_close_follows_daylight_saving():
    assert XNYS.session(date(2025, 3, 7)).close_at == at("2025-03-07T21:00:00")
    assert XNYS.session(date(2025, 3, 10)).close_at == at("2025-03-10T20:00:00")
    assert XNYS.session(date(2025, 3, 10)).open_at == at("2025-03-10T13:30:00")


def test_the_day_of_mourning_in_2025_has_no_session():
    assert date(2025, 1, 9) not in XNYS
    with pytest.raises(NoData, match="2025-01-09 \\(Thursday\\) is not a trading session"):
        XNYS.session(date(2025, 1, 9))


def test_a_range_without_sessions_is_no_data_and_names_the_range():
    with pytest.raises(NoData, match="from 2025-02-15 to 2025-02-17"):
        XNYS.sessions(date(2025, 2, 15), date(2025, 2, 17))


def test_a_start_after_the_end_is_refused():
    with pytest.raises(SpecError, match="swap"):
        XNYS.sessions(date(2025, 2, 20), date(2025, 2, 14))


def test_an_item_after_fridays_close_belongs_to_tuesday_over_a_long_weekend():
    assert XNYS.session_of(at("2025-02-14T21:05:00")) == date(2025, 2, 18)
    assert XNYS.session_of(at("2025-02-14T21:00:00")) == date(2025, 2, 14)
    assert XNYS.session_of(at("2025-02-16T12:00:00")) == date(2025, 2, 18)


def test_an_afternoon_item_on_a_half_day_belongs_to_the_next_session():
    assert XNYS.session_of(at("2024-11-29T19:00:00")) == date(2024, 12, 2)


def test_a_time_in_another_zone_means_the_same_moment():
    new_york_winter = timezone(timedelta(hours=-5))
    assert XNYS.session_of(datetime(2025, 2, 14, 16, 5, tzinfo=new_york_winter)) == date(2025, 2, 18)


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(SpecError, match="no time zone"):
        XNYS.session_of(datetime(2025, 2, 14, 16, 5))


def test_friday_to_monday_is_one_session_and_back_is_minus_one():
    friday, monday = date(2025, 3, 14), date(2025, 3, 17)
    assert XNYS.count(friday, monday) == 1
    assert XNYS.count(monday, friday) == -1
    assert XNYS.count(friday, date(2025, 3, 16)) == 0


def test_the_next_and_the_previous_session_skip_days_without_trading():
    assert XNYS.next_session(date(2025, 2, 14)).day == date(2025, 2, 18)
    assert XNYS.previous_session(date(2025, 2, 18)).day == date(2025, 2, 14)


def test_the_calendar_ends_with_a_sentence_not_with_an_index_error():
    with pytest.raises(NoData, match="ends on"):
        XNYS.next_session(date(2040, 1, 1))
    with pytest.raises(NoData, match="no session before"):
        XNYS.previous_session(date(1980, 1, 1))


def test_an_unknown_exchange_is_refused():
    with pytest.raises(SpecError, match="XNYS"):
        Calendar("NOPE")


@given(st.dates(date(1991, 1, 1), date(2035, 1, 1)), st.integers(0, 400))
def test_counting_agrees_with_listing(start: date, length: int):
    end = start + timedelta(days=length)
    try:
        listed = XNYS.sessions(start + timedelta(days=1), end) if length else []
    except NoData:
        listed = []
    assert XNYS.count(start, end) == len(listed)


@given(st.datetimes(datetime(1991, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))
def test_an_item_lands_in_the_first_session_that_closes_after_it(moment: datetime):
    day = XNYS.session_of(moment)
    assert XNYS.session(day).close_at >= moment > XNYS.previous_session(day).close_at
