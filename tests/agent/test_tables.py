"""Findings about rows, each with its word for programs; figures unfolded, and times that are settled stay where they are."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import SpecError
from agent.market import tables
from agent.market.sessions import Calendar

XNYS = Calendar()
DAYS = [pd.Timestamp(s.day) for s in XNYS.sessions(date(2025, 1, 2), date(2025, 1, 31))]


def bars(**changes) -> pd.DataFrame:
    """Twenty sessions of an unremarkable stock; ``changes``: column -> {row: value}."""
    close = [100.0 + i for i in range(len(DAYS))]
    frame = pd.DataFrame({"symbol": "AAA", "date": DAYS, "open": close, "high": [c + 1 for c in close], "low": [c - 1 for c in close]})
    frame = frame.assign(close=close, volume=1000.0)
    for column, values in changes.items():
        for row, value in values.items():
            frame.loc[row, column] = value
    return frame


def news(*stamps, **columns) -> pd.DataFrame:
    frame = pd.DataFrame({"symbol": "AAA", "published_at": list(stamps), "title": [f"t{i}" for i in range(len(stamps))], "summary": "s"})
    return frame.assign(**columns)


def codes(table: str, frame: pd.DataFrame, **how) -> list[tuple[str, str, int]]:
    return [(x.severity, x.code, x.count) for x in tables.inspect(table, frame, symbol="AAA", calendar=XNYS, **how)]


# ------------------------------------------------------------------------------------------------------------ what is found


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"close": {3: np.nan}}, [("error", "missing_price", 1)]),
        ({"open": {3: np.inf, 4: np.inf}}, [("error", "missing_price", 2)]),
        ({"low": {3: 0.0}}, [("error", "not_positive", 1)]),
        ({"high": {3: 102.9}}, [("error", "high_low", 1)]),
        ({"low": {3: 103.1}}, [("error", "high_low", 1)]),
        ({"high": {3: 103.0 * (1 - 1e-7)}}, []),  # rounding is no defect
        ({"volume": {3: -1.0}}, [("error", "volume", 1)]),
        ({"volume": {3: np.nan}}, [("error", "volume", 1)]),
        ({"volume": {3: 0.0, 5: 0.0}}, [("warning", "zero_volume", 2)]),
        ({"date": {0: pd.Timestamp("2025-01-01")}}, [("warning", "gap", 1), ("warning", "off_session", 1)]),
    ],
)
def test_each_defect_of_a_bar_has_its_word(changes, found):
    assert codes("bars", bars(**changes)) == found


def test_a_bar_of_a_day_to_come_is_an_error_only_where_today_is_known():
    assert codes("bars", bars(), today=date(2025, 1, 29)) == [("error", "future", 2)]
    assert codes("bars", bars(), today=date(2025, 1, 31)) == codes("bars", bars()) == []


@pytest.mark.parametrize(("run", "found"), [(4, []), (5, [("warning", "flat", 5)]), (7, [("warning", "flat", 7)])])
def test_five_equal_closes_in_a_row_are_worth_a_look(run, found):
    frame = bars(close=dict.fromkeys(range(3, 3 + run), 103.0))
    frame["high"], frame["low"] = frame[["open", "close"]].max(axis=1), frame[["open", "close"]].min(axis=1)
    (issue, *_) = [*tables.inspect("bars", frame, symbol="AAA", calendar=XNYS), None]
    assert codes("bars", frame) == found
    assert not found or issue.rows == (str(DAYS[3].date()),)


@pytest.mark.parametrize(
    ("factor", "code"), [(2, "split_like"), (3, "split_like"), (10, "split_like"), (1 / 4, "split_like"), (1.8, "jump"), (1.5, "")]
)
def test_a_large_move_without_an_action_is_worth_a_look_and_says_when_it_looks_like_a_split(factor, code):
    frame = bars()
    frame.loc[8:, ["open", "high", "low", "close"]] /= factor
    frame.loc[8:, ["open", "high", "low", "close"]] *= 107 / 108  # so that the move is the factor to the digit
    assert codes("bars", frame) == ([("warning", code, 1)] if code else [])
    split = pd.DataFrame({"symbol": ["AAA"], "ex_date": [DAYS[8]], "ratio": [2.0]})
    assert codes("bars", frame, splits=split) == []


def test_odd_news_has_its_words():
    clean = tables.conform("news", news("2025-01-03T15:00:00Z"))[0]
    assert codes("news", clean) == []
    fetched = datetime(2025, 1, 3, 14, tzinfo=UTC)
    assert codes("news", clean, fetched_at=fetched) == [("warning", "after_fetch", 1)]
    assert codes("news", tables.conform("news", news("2025-01-03"))[0]) == [("warning", "date_only", 1)]
    assert codes("news", clean.assign(summary="")) == [("warning", "no_summary", 1)]
    same = tables.conform("news", news(*(f"2025-01-{day:02}T15:00:00Z" for day in range(1, 13)), title="same"))[0]
    assert codes("news", same) == [("warning", "same_title", 12)]


def test_figures_that_were_readable_before_their_period_ended_are_an_error():
    wide = {"symbol": ["AAA"], "period_end": ["2024-09-30"], "revenue": [1.0], "accession": ["1"]}
    good = tables.conform("fundamentals", pd.DataFrame({**wide, "filed": ["2024-11-01"]}))[0]
    bad = tables.conform("fundamentals", pd.DataFrame({**wide, "filed": ["2024-09-01"]}))[0]
    assert codes("fundamentals", good) == [] and codes("fundamentals", bad) == [("error", "too_early", 1)]
    assert codes("fundamentals", good.assign(value=np.inf)) == [("error", "missing_value", 1)]


def test_many_errors_make_a_sentence_that_still_fits_on_a_screen():
    issues = [tables.Issue("error", "bars", f"number {i}.", code="x") for i in range(500)]
    with pytest.raises(SpecError, match="And 495 more errors") as error:
        tables.refuse_errors(issues)
    assert len(str(error.value)) < 300


# --------------------------------------------------------------------------------------------------------------- conforming


def test_two_clocks_in_one_column_are_reported_and_summer_time_is_not():
    mixed = tables.conform("news", news("2025-01-03T15:00:00Z", "2025-01-03T15:00:00-05:00"))
    assert [issue.code for issue in mixed[1]] == ["mixed_zones"]
    one = tables.conform("news", news("2025-01-03T15:00:00-05:00", "2025-07-03T15:00:00-04:00"))
    assert one[1] == ()
    assert list(one[0]["published_at"]) == [pd.Timestamp("2025-01-03 20:00", tz="UTC"), pd.Timestamp("2025-07-03 19:00", tz="UTC")]


@pytest.mark.parametrize(
    ("zone", "end"),
    [
        ("America/New_York", "2025-03-10 04:00"),  # the day the clocks change has 23 hours
        ("Europe/London", "2025-03-10 00:00"),
        ("Asia/Tokyo", "2025-03-09 15:00"),
        ("America/Santiago", "2025-03-10 03:00"),
    ],
)
def test_a_day_without_a_time_ends_in_the_zone_that_is_given(zone, end):
    found, _ = tables.conform("news", news("2025-03-09"), zone=zone)
    assert found["available_at"].iloc[0] == pd.Timestamp(end, tz="UTC")


@pytest.mark.parametrize(
    ("zone", "day", "end"),
    [
        ("America/Havana", "2025-11-01", "2025-11-02 05:00"),  # this midnight comes twice: the later one
        ("America/Santiago", "2025-09-06", "2025-09-07 04:00"),  # this one never: the moment after
    ],
)
def test_a_midnight_that_comes_twice_or_never_ends_the_day_not_too_early(zone, day, end):
    found, _ = tables.conform("news", news(day), zone=zone)
    assert found["available_at"].iloc[0] == pd.Timestamp(end, tz="UTC")


@given(
    st.lists(
        st.tuples(
            st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2030, 1, 1)),
            st.booleans(),
            st.one_of(st.none(), st.timedeltas(min_value=pd.Timedelta(0), max_value=pd.Timedelta(days=9))),
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["America/New_York", "Europe/London", "Asia/Tokyo"]),
)
@settings(max_examples=40, deadline=None)
def test_settled_times_stay_where_they_are_and_are_never_before_publication(items, zone):
    published = [pd.Timestamp(when.date() if bare else when, tz="UTC").floor("us") for when, bare, _ in items]
    stated = [None if lag is None else moment + lag for moment, (_, _, lag) in zip(published, items, strict=True)]
    frame = news(*published, available_at=pd.to_datetime(stated, utc=True))
    once, _ = tables.conform("news", frame, zone=zone)
    twice, _ = tables.conform("news", once, zone=zone, settled=True)
    pd.testing.assert_frame_equal(once, twice)
    assert (once["available_at"] >= once["published_at"]).all()


def test_what_has_no_date_is_left_out_with_a_count_per_symbol():
    frame = pd.concat([news("2025-01-03T15:00:00Z", None, ""), news(None).assign(symbol="BBB")])
    found, issues = tables.conform("news", frame)
    assert len(found) == 1 and [(x.code, x.symbol, x.count, x.severity) for x in issues] == [
        ("undated", "AAA", 2, "warning"),
        ("undated", "BBB", 1, "warning"),
    ]
    with pytest.raises(SpecError, match="cannot be read"):
        tables.conform("news", news("2025-01-03T15:00:00Z", "soon"))  # a date that is no date is a defect, not a gap


# ------------------------------------------------------------------------------------------------------------ fundamentals


def quarter(**figures) -> pd.DataFrame:
    row = {"symbol": "aaa", "timeframe": "quarterly", "period_start": "2024-07-01", "period_end": "2024-09-30", "form": "10-Q"}
    return pd.DataFrame([{**row, "filing_date": "2024-11-01", "accession": "1", **figures}])


def test_a_table_with_a_column_per_figure_becomes_one_row_per_figure():
    frame, issues = tables.conform("fundamentals", quarter(revenue=10.0, eps_diluted=0.5, total_assets=99.0, cash=None, colour="red"))
    assert issues == () and list(frame.columns) == list(tables.SCHEMA["fundamentals"])
    rows = {row.field: row for row in frame.itertuples()}
    assert set(rows) == {"revenue", "eps_diluted", "total_assets"}  # a missing figure leaves no row
    assert (rows["revenue"].value, rows["revenue"].unit, rows["revenue"].timeframe) == (10.0, "USD", "quarterly")
    assert rows["eps_diluted"].unit == "USD/shares" and rows["revenue"].symbol == "AAA"
    assert rows["total_assets"].timeframe == "instant" and pd.isna(rows["total_assets"].period_start)  # true of a day
    assert rows["revenue"].available_at == pd.Timestamp("2024-11-02 02:00", tz="UTC")  # 22:00 New York of the filing date
    assert str(rows["revenue"].filed.date()) == "2024-11-01"


def test_the_currency_of_figures_is_the_one_that_is_said():
    frame, _ = tables.conform("fundamentals", quarter(revenue=1.0, shares_diluted=5.0), currency="GBP")
    assert dict(zip(frame["field"], frame["unit"], strict=True)) == {"revenue": "GBP", "shares_diluted": "shares"}


def test_the_equity_of_the_owners_goes_before_that_of_everybody():
    frame, _ = tables.conform("fundamentals", quarter(total_equity=9.0, equity_parent=7.0))
    assert list(frame["value"]) == [7.0]


def test_a_balance_sheet_in_the_quarter_and_in_the_year_is_one_fact_and_a_restatement_is_another():
    year = quarter(revenue=40.0, total_assets=99.0).assign(timeframe="annual", period_start="2023-10-01")
    again = quarter(revenue=11.0, total_assets=98.0).assign(accession="2", filing_date="2025-02-01")
    frame, issues = tables.conform("fundamentals", pd.concat([quarter(revenue=10.0, total_assets=99.0), year, again]))
    assert issues == ()
    found = [(row.field, row.timeframe, row.value) for row in frame.itertuples()]
    assert sorted(found) == [
        ("revenue", "annual", 40.0),
        ("revenue", "quarterly", 10.0),
        ("revenue", "quarterly", 11.0),
        ("total_assets", "instant", 98.0),
        ("total_assets", "instant", 99.0),
    ]


def test_long_fundamentals_need_no_more_than_what_happened_and_when_it_was_known():
    frame = pd.DataFrame(
        {"symbol": ["A"], "field": ["revenue"], "value": [1], "period_end": ["2024-09-30"], "available_at": ["2024-11-01T21:00:00Z"]}
    )
    found, _ = tables.conform("fundamentals", frame)
    row = next(found.itertuples())
    assert (row.unit, row.timeframe, row.form, row.accession) == ("", "", "", "") and pd.isna(row.filed) and pd.isna(row.period_start)
    assert row.available_at == pd.Timestamp("2024-11-01 21:00", tz="UTC")


def test_a_figure_nobody_dated_is_left_out_and_counted():
    frame, issues = tables.conform("fundamentals", quarter(revenue=1.0, net_income=2.0).assign(filing_date=None))
    assert frame.empty and [(x.code, x.symbol, x.count) for x in issues] == [("undated", "AAA", 2)]


def test_a_table_without_any_figure_says_what_is_missing():
    with pytest.raises(SpecError, match="field, value"):
        tables.conform("fundamentals", quarter())


def test_a_dividend_excuses_the_fall_it_explains_and_not_an_unadjusted_split():
    """A dividend on the day of a split used to hide the split."""
    days = [session.day for session in Calendar().sessions(date(2024, 3, 1), date(2024, 3, 28))]

    def codes(after: float, amount: float) -> list[str]:
        close = [100.0 + i % 2 if day < days[10] else after + i % 2 for i, day in enumerate(days)]
        rows = {"symbol": "AAA", "date": pd.to_datetime(days), "open": close, "high": close, "low": close, "close": close, "volume": 5.0}
        paid = {"symbol": ["AAA"], "ex_date": [pd.Timestamp(days[10])], "amount": [amount]}
        frame, dividends = (tables.conform(table, pd.DataFrame(r))[0] for table, r in (("bars", rows), ("dividends", paid)))
        found = tables.inspect("bars", frame, symbol="AAA", calendar=Calendar(), dividends=dividends)
        return [issue.code for issue in found if issue.code in ("split_like", "jump")]

    assert codes(25.0, 0.2) == ["split_like"]
    assert codes(40.0, 60.0) == []
    assert codes(40.0, 1.0) == ["jump"]
