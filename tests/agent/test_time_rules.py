"""When news counts, on exchanges of three continents: after the close, at weekends, on holidays and half days, and while the clocks change.

New York and London change their clocks on different weekends: from 9 to 30 March and from 26 October to 2 November 2025 they are four
hours apart instead of five. Tokyo never changes; Hong Kong stops for lunch.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import NoData, SpecError
from agent.market import tables
from agent.market.sessions import Calendar, on_the_clock

CALENDARS = {exchange: Calendar(exchange) for exchange in ("XNYS", "XLON", "XTKS", "XHKG")}


def local(exchange: str, text: str) -> datetime:
    """A time on the clock at the exchange."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(CALENDARS[exchange].zone))


LANDS = [
    # exchange, when it could be read (local), the session at whose close it is used
    ("XNYS", "2025-02-14 16:00:00", "2025-02-14"),  # with the close
    ("XNYS", "2025-02-14 16:00:01", "2025-02-18"),  # after Friday's close, over the weekend and Presidents' Day
    ("XNYS", "2025-02-16 12:00:00", "2025-02-18"),  # Sunday
    ("XNYS", "2025-02-17 09:00:00", "2025-02-18"),  # on the holiday
    ("XNYS", "2025-01-08 16:00:01", "2025-01-10"),  # closed on the 9th, a day of mourning
    ("XNYS", "2024-11-29 13:00:00", "2024-11-29"),  # half day after Thanksgiving
    ("XNYS", "2024-11-29 13:00:01", "2024-12-02"),
    ("XNYS", "2025-07-03 13:30:00", "2025-07-07"),  # half day, then the Fourth, then a weekend
    ("XLON", "2025-02-14 16:30:00", "2025-02-14"),
    ("XLON", "2025-02-14 16:30:01", "2025-02-17"),  # London trades on Presidents' Day
    ("XLON", "2025-04-17 16:30:01", "2025-04-22"),  # Good Friday and Easter Monday
    ("XLON", "2025-05-05 10:00:00", "2025-05-06"),  # early May bank holiday
    ("XLON", "2024-12-24 12:30:00", "2024-12-24"),  # half day on Christmas Eve
    ("XLON", "2024-12-24 12:30:01", "2024-12-27"),  # Christmas and Boxing Day
    ("XLON", "2024-12-31 12:30:01", "2025-01-02"),
    ("XTKS", "2024-11-01 15:00:00", "2024-11-01"),
    ("XTKS", "2024-11-01 15:00:01", "2024-11-05"),  # weekend and Culture Day, then the longer session begins
    ("XTKS", "2024-11-05 15:30:00", "2024-11-05"),  # since that day Tokyo closes at 15:30
    ("XTKS", "2025-05-02 16:00:00", "2025-05-07"),  # Golden Week
    ("XHKG", "2025-03-10 12:30:00", "2025-03-10"),  # during lunch: the day's close is still to come
    ("XHKG", "2025-03-10 16:00:01", "2025-03-11"),
    ("XHKG", "2025-01-28 12:00:00", "2025-01-28"),  # half day before the lunar new year
    ("XHKG", "2025-01-28 12:00:01", "2025-02-03"),
]


@pytest.mark.parametrize(("exchange", "when", "session"), LANDS)
def test_news_counts_from_the_first_close_at_or_after_it(exchange, when, session):
    assert CALENDARS[exchange].session_of(local(exchange, when)) == date.fromisoformat(session)


DAYS_AROUND_CLOCKS = [
    # day, close in New York, close in London (UTC)
    ("2025-03-07", "21:00", "16:30"),
    ("2025-03-10", "20:00", "16:30"),  # New York has changed
    ("2025-03-28", "20:00", "16:30"),
    ("2025-03-31", "20:00", "15:30"),  # London too
    ("2025-10-24", "20:00", "15:30"),
    ("2025-10-27", "20:00", "16:30"),  # London back first
    ("2025-10-31", "20:00", "16:30"),
    ("2025-11-03", "21:00", "16:30"),  # New York back
]


@pytest.mark.parametrize(("day", "new_york", "london"), DAYS_AROUND_CLOCKS)
def test_each_close_follows_its_own_clock(day, new_york, london):
    for exchange, close in (("XNYS", new_york), ("XLON", london)):
        calendar = CALENDARS[exchange]
        at = datetime.fromisoformat(f"{day}T{close}:00+00:00")
        assert calendar.session(date.fromisoformat(day)).close_at == at
        assert calendar.session_of(at) == date.fromisoformat(day)
        assert calendar.session_of(at + timedelta(seconds=1)) == calendar.next_session(date.fromisoformat(day)).day


def test_one_moment_lands_on_different_sessions_of_two_exchanges():
    moment = datetime(2025, 3, 14, 18, 0, tzinfo=UTC)  # a Friday: 14:00 in New York, after the close in London
    assert CALENDARS["XNYS"].session_of(moment) == date(2025, 3, 14)
    assert CALENDARS["XLON"].session_of(moment) == date(2025, 3, 17)


moments = st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
weeks_of_change = st.builds(
    lambda year, month, minutes: datetime(year, month, 1, tzinfo=UTC) + timedelta(minutes=minutes),
    st.integers(2000, 2034),
    st.sampled_from([3, 10, 11]),
    st.integers(0, 31 * 24 * 60),
)
exchanges = st.sampled_from(sorted(CALENDARS))


@given(exchanges, moments | weeks_of_change)
def test_a_moment_lies_after_the_close_before_and_not_after_its_own(exchange, moment):
    calendar = CALENDARS[exchange]
    session = calendar.session(calendar.session_of(moment))
    assert calendar.previous_session(session.day).close_at < moment <= session.close_at


@given(exchanges, moments | weeks_of_change, st.timedeltas(timedelta(0), timedelta(days=20)))
def test_later_news_never_lands_on_an_earlier_session(exchange, moment, wait):
    calendar = CALENDARS[exchange]
    assert calendar.session_of(moment) <= calendar.session_of(moment + wait)


@given(exchanges, moments | weeks_of_change, st.integers(-14, 14))
def test_the_zone_a_time_is_written_in_changes_nothing(exchange, moment, hours):
    written = moment.astimezone(timezone(timedelta(hours=hours)))
    assert CALENDARS[exchange].session_of(written) == CALENDARS[exchange].session_of(moment)


# ------------------------------------------------------------------------------------------------------- dates without a time


@given(exchanges, st.dates(date(2000, 1, 1), date(2035, 1, 1)))
def test_a_date_ends_at_the_exchanges_own_midnight(exchange, day):
    calendar = CALENDARS[exchange]
    end = calendar.end_of_day(day)
    assert end.astimezone(ZoneInfo(calendar.zone)).replace(tzinfo=None) == datetime.combine(day + timedelta(days=1), time())
    assert calendar.session_of(end) > day  # so a text with only a date never reaches the close of that date


@pytest.mark.parametrize(("day", "hours"), [("2025-03-09", 23), ("2025-11-02", 25), ("2025-06-02", 24)])
def test_a_day_is_as_long_as_its_clock_makes_it(day, hours):
    calendar, that = CALENDARS["XNYS"], date.fromisoformat(day)
    assert calendar.end_of_day(that) - calendar.end_of_day(that - timedelta(days=1)) == timedelta(hours=hours)


@pytest.mark.parametrize("exchange", sorted(CALENDARS))
def test_a_date_in_a_table_never_counts_before_its_exchanges_midnight_and_a_session_later_only_on_a_half_day(exchange):
    """Tables end a date at New York's midnight, the last of all. In Hong Kong that is 13:00, an hour after the close of a half day."""
    calendar = CALENDARS[exchange]
    days = pd.date_range("2024-01-01", "2025-12-31")
    ends = tables.end_of_day(pd.Series(days).dt.tz_localize("UTC").astype("datetime64[us, UTC]"))
    late = set()
    for day, end in zip(days, ends, strict=True):
        assert end >= calendar.end_of_day(day.date())
        right, counted = calendar.session_of(calendar.end_of_day(day.date())), calendar.session_of(end.to_pydatetime())
        assert counted in (right, calendar.next_session(right).day)
        late |= {right} if counted != right else set()
    half_days = {date(2024, 2, 9), date(2024, 12, 24), date(2024, 12, 31), date(2025, 1, 28), date(2025, 12, 24), date(2025, 12, 31)}
    assert late == (half_days if exchange == "XHKG" else set())


# ----------------------------------------------------------------------------------------------------- times without a zone


@pytest.mark.parametrize(
    ("exchange", "naive", "words"),
    [
        ("XNYS", "2025-11-02 01:30:00", "twice"),
        ("XNYS", "2025-03-09 02:30:00", "never"),
        ("XLON", "2025-10-26 01:30:00", "twice"),
        ("XLON", "2025-03-30 01:30:00", "never"),
    ],
)
def test_an_hour_the_clock_shows_twice_or_never_is_refused(exchange, naive, words):
    with pytest.raises(SpecError, match=f"show {naive[11:16]} {words}"):
        CALENDARS[exchange].moment(datetime.fromisoformat(naive))


def test_other_times_on_the_exchanges_clock_are_read_by_it():
    assert CALENDARS["XLON"].moment(datetime(2025, 3, 30, 3, 0)) == datetime(2025, 3, 30, 2, 0, tzinfo=UTC)
    assert CALENDARS["XTKS"].moment(datetime(2025, 3, 30, 1, 30)) == datetime(2025, 3, 29, 16, 30, tzinfo=UTC)
    with pytest.raises(SpecError, match="carries a zone already"):
        on_the_clock(datetime(2025, 3, 30, tzinfo=UTC), ZoneInfo("Europe/London"))


@given(moments | weeks_of_change)
def test_a_time_read_off_a_clock_is_the_moment_it_was_or_refused(moment):
    zone = ZoneInfo("America/New_York")
    shown = moment.astimezone(zone).replace(tzinfo=None)
    try:
        assert on_the_clock(shown, zone) == moment
    except SpecError:
        assert shown.month in (10, 11) and shown.hour == 1  # the only hour that comes twice there


def test_a_table_refuses_a_naive_time_and_a_calendar_too():
    naive = pd.DataFrame({"symbol": ["AAA"], "published_at": ["2025-11-02 01:30:00"], "title": ["x"]})
    with pytest.raises(SpecError, match="without a time zone"):
        tables.conform("news", naive)
    for ask in (CALENDARS["XLON"].session_of, CALENDARS["XLON"].completed, CALENDARS["XLON"].last_closed):
        with pytest.raises(SpecError, match="no time zone"):
            ask(datetime(2025, 11, 2, 1, 30))


# ------------------------------------------------------------------------------------------------------ how far data reaches


def test_a_day_is_completed_half_an_hour_after_its_close():
    calendar = CALENDARS["XNYS"]
    close = calendar.session(date(2024, 11, 29)).close_at  # 13:00 New York
    assert calendar.completed(close + timedelta(minutes=30)).day == date(2024, 11, 29)
    assert calendar.completed(close + timedelta(minutes=29, seconds=59)).day == date(2024, 11, 27)
    assert calendar.completed(close, timedelta(0)).day == date(2024, 11, 29)
    assert calendar.completed(datetime(1980, 1, 1, tzinfo=UTC)) is None


def test_an_exchange_known_for_fewer_years_says_which():
    tokyo = CALENDARS["XTKS"]
    assert tokyo.first == date(1997, 1, 6)
    with pytest.raises(NoData, match="reaches from 1997-01-06"):
        tokyo.sessions(date(1995, 1, 1), date(1995, 12, 31))


def test_an_exchange_is_worked_out_once():
    assert Calendar("XLON")._almanac is CALENDARS["XLON"]._almanac
    assert CALENDARS["XLON"].zone == "Europe/London"
