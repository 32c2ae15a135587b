"""Data from a folder: what is read, what is refused and with which sentence."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agent.errors import NoData, SpecError, Unavailable
from agent.market.sessions import Calendar
from agent.market.sources.base import Place
from agent.market.sources.folder import FolderSource
from agent.market.view import Market

XNYS = Calendar()
DAYS = [s.day for s in XNYS.sessions(date(2025, 1, 2), date(2025, 1, 31))]
REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "djia-2025"
WHOLE = (date(1990, 1, 1), date(2030, 1, 1))


def prices(symbols=("AAA", "BBB"), days=DAYS) -> pd.DataFrame:
    rows = []
    for number, symbol in enumerate(symbols):
        for i, day in enumerate(days):
            close = 100.0 * (number + 1) + i
            rows.append((symbol, pd.Timestamp(day), close - 0.5, close + 1, close - 1, close, 1_000 + i))
    return pd.DataFrame(rows, columns=["symbol", "date", "open", "high", "low", "close", "volume"])


def news(*stamps: str, **columns) -> pd.DataFrame:
    frame = pd.DataFrame({"symbol": "AAA", "published_at": list(stamps), "title": [f"headline {i}" for i in range(len(stamps))]})
    return frame.assign(**columns)


def folder(where: Path, kind="parquet", manifest=None, **frames: pd.DataFrame) -> FolderSource:
    for name, frame in frames.items():
        if kind == "parquet":
            frame.to_parquet(where / f"{name}.parquet")
        else:
            frame.to_csv(where / f"{name}.csv", index=False)
    if manifest is not None:
        (where / "manifest.json").write_text(json.dumps(manifest))
    return FolderSource(FolderSource.Options(path=str(where)))


def refusal(source: FolderSource, table="bars", symbol="AAA") -> str:
    with pytest.raises(SpecError) as error:
        source.fetch(table, symbol, *WHOLE)
    return str(error.value)


# ------------------------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_parquet_and_csv_give_the_same_rows(tmp_path, kind):
    source = folder(tmp_path, kind, prices=prices(), news=news("2025-01-03T15:00:00+00:00"))
    frame = source.fetch("bars", "BBB", date(2025, 1, 3), date(2025, 1, 8)).frame
    assert [stamp.date() for stamp in frame["date"]] == [date(2025, 1, 3), date(2025, 1, 6), date(2025, 1, 7)]  # the end is exclusive
    assert list(frame["close"]) == [201, 202, 203]
    assert str(frame["date"].dtype) == "datetime64[us]"
    text = source.fetch("news", "AAA", *WHOLE).frame
    assert str(text["available_at"].dtype) == "datetime64[us, UTC]"


def test_the_listings_name_every_symbol_with_its_days(tmp_path):
    company = pd.DataFrame({"symbol": ["AAA"], "company": ["Alpha Works"], "revenue": [1.0]})
    found = folder(tmp_path, prices=prices(), fundamentals=company).listings()
    assert [(x.ticker, x.name, x.first, x.last) for x in found] == [
        ("AAA", "Alpha Works", DAYS[0], DAYS[-1]),
        ("BBB", "", DAYS[0], DAYS[-1]),
    ]


def test_a_header_may_say_ticker_and_the_file_may_be_called_bars(tmp_path):
    source = folder(tmp_path, bars=prices().rename(columns={"symbol": "Ticker", "close": "Close"}))
    assert len(source.fetch("bars", "AAA", *WHOLE).frame) == len(DAYS)


def test_a_csv_with_a_byte_order_mark_semicolons_and_decimal_commas_is_read(tmp_path):
    text = prices().to_csv(index=False, sep=";", decimal=",")
    (tmp_path / "prices.csv").write_text("\ufeff" + text, encoding="utf-8")
    assert list(folder(tmp_path).fetch("bars", "AAA", *WHOLE).frame["open"])[:2] == [99.5, 100.5]


def test_a_ticker_called_na_stays_a_ticker(tmp_path):
    source = folder(tmp_path, "csv", prices=prices(("NA", "TRUE")))
    assert [x.ticker for x in source.listings()] == ["NA", "TRUE"]


def test_tables_other_than_prices_may_be_missing(tmp_path):
    source = folder(tmp_path, prices=prices())
    for table in ("news", "filings", "splits", "dividends"):
        assert source.fetch(table, "AAA", *WHOLE).frame.empty
    assert Market.load(source, ["AAA"], start=DAYS[0], end=DAYS[-1], calendar=XNYS).note == ""


def test_the_fingerprint_follows_the_bytes(tmp_path):
    first = folder(tmp_path, prices=prices()).fingerprint()
    assert folder(tmp_path).fingerprint() == first
    changed = prices()
    changed.loc[0, "volume"] += 1
    assert folder(tmp_path, prices=changed).fingerprint() != first


# ---------------------------------------------------------------------------------------------------------- when it was known


def available(tmp_path, frame, table="news") -> str:
    found = folder(tmp_path, prices=prices(), **{table: frame}).fetch(table, "AAA", *WHOLE).frame
    return found["available_at"].iloc[0].isoformat()


def test_news_is_readable_five_minutes_after_publication(tmp_path):
    assert available(tmp_path, news("2025-01-03T15:00:00+00:00")) == "2025-01-03T15:05:00+00:00"


def test_news_keeps_a_stated_availability(tmp_path):
    assert available(tmp_path, news("2025-01-03T15:00:00Z", available_at="2025-01-03T18:00:00Z")) == "2025-01-03T18:00:00+00:00"


@pytest.mark.parametrize(
    ("stamp", "end"),
    [
        ("2025-01-03", "2025-01-04T05:00:00+00:00"),  # a bare date
        ("2025-01-03T00:00:00+00:00", "2025-01-04T05:00:00+00:00"),  # midnight UTC
        ("2025-01-03T05:00:00+00:00", "2025-01-04T05:00:00+00:00"),  # midnight New York
        ("2025-07-03T04:00:00+00:00", "2025-07-04T04:00:00+00:00"),  # midnight New York in summer
        ("2025-03-09T05:00:00+00:00", "2025-03-10T04:00:00+00:00"),  # the day the clocks change has 23 hours
        ("2025-01-03T00:00:00-05:00", "2025-01-04T05:00:00+00:00"),
    ],
)
def test_a_stamp_without_a_time_of_day_is_readable_at_the_end_of_that_day_in_new_york(tmp_path, stamp, end):
    assert available(tmp_path, news(stamp)) == end


def test_a_time_without_a_zone_is_refused(tmp_path):
    for stamps in (["2025-01-03T15:00:00"], pd.to_datetime(["2025-01-03T15:00:00"])):
        message = refusal(folder(tmp_path, prices=prices(), news=news(*stamps)), "news")
        assert "news.parquet" in message and "published_at" in message and "time zone" in message and "row 1" in message


def test_news_readable_before_its_publication_is_refused(tmp_path):
    frame = news("2025-01-03T15:00:00Z", available_at="2025-01-03T14:00:00Z")
    assert "readable before it was published" in refusal(folder(tmp_path, prices=prices(), news=frame), "news")


def filing(**columns) -> pd.DataFrame:
    return pd.DataFrame(
        {"symbol": ["AAA"], "accession": ["1"], "form": ["10-Q"], "text": ["words"], **{k: [v] for k, v in columns.items()}}
    )


@pytest.mark.parametrize(
    ("columns", "when"),
    [
        ({"accepted_at": "2025-02-03T21:10:00Z", "filing_date": "2025-02-03"}, "2025-02-03T21:11:00+00:00"),
        # accepted at 17:45 New York on a Friday: on the site on Monday, 06:00
        ({"accepted_at": "2025-02-07T22:45:00Z", "filing_date": "2025-02-10"}, "2025-02-10T11:00:00+00:00"),
        ({"accepted_at": "2025-02-07T22:45:00Z"}, "2025-02-10T11:00:00+00:00"),
        ({"filing_date": "2025-02-03"}, "2025-02-04T03:00:00+00:00"),  # no acceptance time: 22:00 New York
        ({"accepted_at": "2025-02-03T00:00:00Z", "filing_date": "2025-02-03"}, "2025-02-04T03:00:00+00:00"),  # date only
        ({"accepted_at": "2025-02-03T21:10:00Z", "available_at": "2025-02-05T12:00:00Z"}, "2025-02-05T12:00:00+00:00"),
        ({"accepted_at": "2025-02-03T21:10:00Z", "available_at": "2025-02-03T15:00:00Z"}, "2025-02-03T21:11:00+00:00"),  # the later one
        ({"available_at": "2025-02-05T12:00:00Z"}, "2025-02-05T12:00:00+00:00"),
    ],
)
def test_a_filing_is_readable_after_acceptance_and_never_before_the_site_shows_it(tmp_path, columns, when):
    assert available(tmp_path, filing(**columns), "filings") == when


def test_a_text_without_any_date_is_left_out_and_counted_for_its_own_ticker(tmp_path):
    source = folder(
        tmp_path,
        prices=prices(),
        filings=filing(),
        news=pd.concat([news("2025-01-03T15:00:00Z", None, ""), news(None).assign(symbol="BBB")]),
    )
    for table, count in (("news", 2), ("filings", 1)):
        (issue,) = [x for x in source.fetch(table, "AAA", *WHOLE).issues if x.code == "undated"]
        assert (issue.severity, issue.symbol, issue.table, issue.count) == ("warning", "AAA", table, count)
    assert len(source.fetch("news", "AAA", *WHOLE).frame) == 1
    market = Market.load(source, ["AAA"], start=DAYS[0], end=DAYS[-1], calendar=XNYS)
    assert market.undated == {"news": 2, "filings": 1}


# -------------------------------------------------------------------------------------------------------------------- actions


def test_dividends_of_one_day_are_added(tmp_path):
    day = pd.Timestamp(DAYS[3])
    paid = pd.DataFrame({"symbol": ["AAA", "AAA"], "ex_date": [day, day], "amount": [0.25, 1.0], "kind": ["CD", "SC"]})
    frame = folder(tmp_path, prices=prices(), dividends=paid).fetch("dividends", "AAA", *WHOLE).frame
    assert list(frame["amount"]) == [1.25]


def test_equal_dividends_of_one_day_are_two_payments(tmp_path):
    day = pd.Timestamp(DAYS[3])
    paid = pd.DataFrame({"symbol": ["AAA", "AAA"], "ex_date": [day, day], "amount": [0.25, 0.25]})
    assert list(folder(tmp_path, prices=prices(), dividends=paid).fetch("dividends", "AAA", *WHOLE).frame["amount"]) == [0.5]


def test_a_split_may_be_given_as_from_and_to(tmp_path):
    split = pd.DataFrame({"symbol": ["AAA"], "ex_date": [pd.Timestamp(DAYS[5])], "split_from": [2.0], "split_to": [3.0]})
    assert list(folder(tmp_path, prices=prices(), splits=split).fetch("splits", "AAA", *WHOLE).frame["ratio"]) == [1.5]


@pytest.mark.parametrize("how", ["manifest", "column"])
def test_split_adjusted_prices_become_as_traded(tmp_path, how):
    """A 2:1 and a later 3:1 split: before both, one old share was six of today's."""
    splits = pd.DataFrame({"symbol": "AAA", "ex_date": [pd.Timestamp(DAYS[5]), pd.Timestamp(DAYS[10])], "ratio": [2.0, 3.0]})
    paid = pd.DataFrame({"symbol": "AAA", "ex_date": [pd.Timestamp(DAYS[7])], "amount": [0.1]})
    frame, manifest = prices(), {"basis": "split"}
    if how == "column":
        frame, manifest = frame.assign(basis="split"), None
    source = folder(tmp_path, prices=frame, splits=splits, dividends=paid, manifest=manifest)
    found = source.fetch("bars", "AAA", *WHOLE).frame
    given = frame[frame["symbol"] == "AAA"].reset_index(drop=True)
    assert list(found["close"] / given["close"]) == pytest.approx([6.0] * 5 + [3.0] * 5 + [1.0] * (len(DAYS) - 10))
    assert list(found["volume"] * found["close"]) == pytest.approx(list(given["volume"] * given["close"]))
    assert list(source.fetch("bars", "BBB", *WHOLE).frame["close"]) == list(frame[frame["symbol"] == "BBB"]["close"])
    assert list(source.fetch("dividends", "AAA", *WHOLE).frame["amount"]) == [pytest.approx(0.3)]
    assert any("converted" in issue.message for issue in source.fetch("bars", "AAA", *WHOLE).issues)


def test_a_basis_nobody_knows_is_refused(tmp_path):
    assert "basis must be 'traded', 'split' or 'adjusted'" in refusal(folder(tmp_path, prices=prices(), manifest={"basis": "magic"}))


# ------------------------------------------------------------------------------------------------------------------ refusals


def test_a_missing_folder_is_unavailable_with_the_cure(tmp_path):
    with pytest.raises(Unavailable, match=r"does not exist.*Check the path"):
        folder(tmp_path / "nowhere").listings()
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unavailable, match="is a file, not a folder"):
        folder(tmp_path / "file").fingerprint()


def test_a_folder_without_prices_says_which_names_it_looked_for(tmp_path):
    message = refusal(folder(tmp_path, news=news("2025-01-03T15:00:00Z")))
    assert "no price table" in message and "prices.parquet" in message


@pytest.mark.parametrize("name", ["prices.parquet", "prices.csv"])
def test_an_unreadable_file_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"\xff\xfe\x00garbage\x00" * 10)
    with pytest.raises(SpecError, match=rf"{name}") as error:
        folder(tmp_path).listings()
    assert error.value.field == "source_options.path"


def test_an_empty_csv_is_named(tmp_path):
    (tmp_path / "prices.csv").write_text("")
    with pytest.raises(SpecError, match=r"prices\.csv cannot be read"):
        folder(tmp_path).listings()


def test_two_files_for_one_table_are_refused(tmp_path):
    folder(tmp_path, prices=prices())
    assert "keep one of them" in refusal(folder(tmp_path, "csv", prices=prices()))


def test_a_wrong_schema_names_the_missing_columns_and_what_was_found(tmp_path):
    message = refusal(folder(tmp_path, prices=prices().drop(columns=["high", "volume"])))
    assert "prices.parquet" in message and "high, volume" in message and "found: symbol, date, open, low, close" in message


def test_an_adjusted_close_is_not_taken_for_a_close(tmp_path):
    frame = prices().rename(columns={"close": "Adj Close"})
    assert "tells the future" in refusal(folder(tmp_path, prices=frame))


def broken(column, value, row=3) -> pd.DataFrame:
    frame = prices()
    frame[column] = frame[column].astype(object) if isinstance(value, str) else frame[column]
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("close", -5.0, "zero or negative, first: 2025-01-07"),
        ("open", 0.0, "zero or negative"),
        ("low", np.nan, "missing or infinite price, first: 2025-01-07"),
        ("high", np.inf, "missing or infinite price"),
        ("high", 102.0, "high is below its open, low or close"),
        ("low", 103.0, "low is above its open, high or close"),
        ("volume", -1, "negative volume"),
    ],
)
def test_rows_that_cannot_be_traded_on_are_refused_with_symbol_and_first_row(tmp_path, column, value, words):
    message = refusal(folder(tmp_path, prices=broken(column, value)))
    assert words in message and "AAA" in message and "prices.parquet" in message


def test_a_defect_of_one_symbol_does_not_stop_another(tmp_path):
    source = folder(tmp_path, prices=broken("close", -5.0))
    assert len(source.fetch("bars", "BBB", *WHOLE).frame) == len(DAYS)


def test_a_word_where_a_number_should_be_is_refused_with_its_row(tmp_path):
    message = refusal(folder(tmp_path, "csv", prices=broken("close", "n/a soon")))
    assert "prices.csv" in message and "'close'" in message and "row 4: 'n/a soon'" in message


@pytest.mark.parametrize(("value", "words"), [("03/01/2025", "YYYY-MM-DD"), ("2025-01-07 16:00:00", "days, not times")])
def test_a_date_that_cannot_be_read_is_refused_with_its_row(tmp_path, value, words):
    frame = prices()
    frame["date"] = frame["date"].dt.strftime("%Y-%m-%d")
    frame.loc[3, "date"] = value
    message = refusal(folder(tmp_path, "csv", prices=frame))
    assert words in message and "row 4" in message


def test_a_row_without_a_date_is_refused(tmp_path):
    frame = prices()
    frame.loc[3, "date"] = pd.NaT
    assert "row 4" in refusal(folder(tmp_path, prices=frame))


def test_the_same_row_twice_is_dropped_with_a_note_and_two_versions_are_refused(tmp_path):
    twice = pd.concat([prices(), prices().iloc[[2]]])
    found = folder(tmp_path, prices=twice).fetch("bars", "AAA", *WHOLE)
    assert len(found.frame) == len(DAYS)
    assert any("repeated exactly" in issue.message for issue in found.issues)
    other = prices().iloc[[2]].assign(volume=5)
    message = refusal(folder(tmp_path, prices=pd.concat([prices(), other])))
    assert "AAA 2025-01-06" in message and "different values" in message


def test_two_news_under_one_id_keep_the_earlier_with_a_note(tmp_path):
    frame = news("2025-01-06T15:00:00Z", "2025-01-03T15:00:00Z", id="x")
    found = folder(tmp_path, prices=prices(), news=frame).fetch("news", "AAA", *WHOLE)
    assert list(found.frame["title"]) == ["headline 1"]
    assert any("share their id" in issue.message for issue in found.issues)


def test_news_without_an_id_gets_one_that_does_not_depend_on_its_row(tmp_path):
    one = folder(tmp_path, prices=prices(), news=news("2025-01-03T15:00:00Z", "2025-01-06T15:00:00Z")).fetch("news", "AAA", *WHOLE).frame
    two = news("2025-01-03T15:00:00Z", "2025-01-06T15:00:00Z").iloc[::-1]
    assert set(folder(tmp_path, news=two).fetch("news", "AAA", *WHOLE).frame["id"]) == set(one["id"])
    assert all(len(name) == 16 for name in one["id"])


def test_an_unknown_ticker_gets_the_nearest_name(tmp_path):
    source = folder(tmp_path, prices=prices(("AAPL", "MSFT")))
    with pytest.raises(SpecError, match=r"Unknown ticker 'APPL'.*AAPL, MSFT.*Did you mean AAPL\?") as error:
        source.fetch("bars", "APPL", *WHOLE)
    assert error.value.field == "tickers"


def test_a_bad_split_or_dividend_is_refused(tmp_path):
    split = pd.DataFrame({"symbol": ["AAA"], "ex_date": [pd.Timestamp(DAYS[5])], "ratio": [0.0]})
    assert "ratio is missing, zero or negative" in refusal(folder(tmp_path, prices=prices(), splits=split), "splits")
    paid = pd.DataFrame({"symbol": ["AAA"], "ex_date": [pd.Timestamp(DAYS[5])], "amount": [-1.0]})
    assert "amount is missing, zero or negative" in refusal(folder(tmp_path, dividends=paid), "dividends")


def test_a_manifest_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    assert "manifest.json is not valid JSON" in refusal(folder(tmp_path, prices=prices()))


# ------------------------------------------------------------------------------------------------------------------ warnings


def warnings_of(source: FolderSource, table="bars", symbol="AAA") -> str:
    return " | ".join(issue.message for issue in source.fetch(table, symbol, *WHOLE).issues)


def test_a_missing_session_is_a_warning_with_its_day(tmp_path):
    gap = prices(days=[day for day in DAYS if day != date(2025, 1, 10)])
    (issue,) = folder(tmp_path, prices=gap).fetch("bars", "AAA", *WHOLE).issues
    assert (issue.severity, issue.count, issue.rows) == ("warning", 1, ("2025-01-10",))


def test_a_jump_without_an_action_is_a_warning_and_with_a_split_it_is_none(tmp_path):
    frame = prices(("AAA",))
    after = frame["date"] >= pd.Timestamp(DAYS[8])
    frame.loc[after, ["open", "high", "low", "close"]] /= 3
    assert "looks like an unadjusted 3:1 split" in warnings_of(folder(tmp_path, prices=frame))
    split = pd.DataFrame({"symbol": ["AAA"], "ex_date": [pd.Timestamp(DAYS[8])], "ratio": [3.0]})
    assert warnings_of(folder(tmp_path, splits=split)) == ""


def test_five_equal_closes_and_zero_volume_are_warnings(tmp_path):
    frame = prices(("AAA",))
    frame.loc[3:8, ["open", "high", "low", "close"]] = 103.0
    frame.loc[4, "volume"] = 0
    found = warnings_of(folder(tmp_path, prices=frame))
    assert "same close 6 sessions" in found and "1 bar with zero volume" in found


def test_only_news_moved_to_the_end_of_its_day_is_called_date_only(tmp_path):
    moved = news("2025-01-03T00:00:00Z", summary="words")
    assert "1 news item with a date but no time" in warnings_of(folder(tmp_path, prices=prices(), news=moved), "news")
    stated = moved.assign(available_at="2025-01-03T00:05:00Z")
    assert warnings_of(folder(tmp_path, news=stated), "news") == ""


def test_a_clean_folder_has_no_warnings(tmp_path):
    assert warnings_of(folder(tmp_path, prices=prices())) == ""


# -------------------------------------------------------------------------------------------- the manifest and what is covered


def test_the_manifest_says_exchange_currency_note_and_names(tmp_path):
    """London on 2025-01-20 traded while New York was closed."""
    days = [s.day for s in Calendar("XLON").sessions(date(2025, 1, 2), date(2025, 1, 31))]
    said = {"exchange": "XLON", "currency": "GBP", "note": "from a friend", "companies": {"AAA": "Alpha plc"}, "anything": ["else"]}
    source = folder(tmp_path, prices=prices(("AAA",), days), news=news("2025-01-03"), manifest=said)
    (listing,) = source.listings()
    assert (listing.exchange, listing.currency, listing.name, source.note) == ("XLON", "GBP", "Alpha plc", "from a friend")
    assert source.fetch("bars", "AAA", *WHOLE).issues == ()
    assert source.fetch("news", "AAA", *WHOLE).frame["available_at"].iloc[0] == pd.Timestamp("2025-01-04 00:00", tz="UTC")
    assert Market.load(source, ["AAA"], start=days[0], end=days[-1], calendar=Calendar("XLON")).note == "from a friend"


def test_a_zone_of_its_own_says_where_a_day_without_a_time_ends(tmp_path):
    source = folder(tmp_path, prices=prices(), news=news("2025-01-03"), manifest={"zone": "Asia/Tokyo"})
    assert source.fetch("news", "AAA", *WHOLE).frame["available_at"].iloc[0] == pd.Timestamp("2025-01-03 15:00", tz="UTC")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"exchange": "MOON"}, "Unknown exchange 'MOON'"),
        ({"exchange": "../../x"}, "exchange"),
        ({"exchange": 5}, "exchange"),
        ({"currency": "pounds"}, "currency"),
        ({"zone": "Mars/Phobos"}, "zone"),
        ({"zone": "../../../etc/passwd"}, "zone"),
        ({"basis": "guessed"}, "basis must be 'traded', 'split' or 'adjusted'"),
        ({"companies": ["AAA"]}, "companies"),
        ({"covered": {"news": {"AAA": [["yesterday", "today"]]}}}, "covered.news.AAA"),
        ({"covered": {"news": {"AAA": [["2025-01-01T00:00:00", "2025-01-02T00:00:00"]]}}}, "covered.news.AAA"),  # whose clock?
        ({"covered": {"news": {"AAA": [["2025-01-01T00:00:00Z"]]}}}, "covered.news.AAA"),
        (["a", "list"], "one JSON object"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused_with_the_entry(tmp_path, said, words):
    found = refusal(folder(tmp_path, prices=prices(), manifest=said))
    assert words in found and len(found) < 300


def test_coverage_reaches_from_the_first_day_of_a_symbol_through_its_last_unless_the_manifest_says_more(tmp_path):
    stamps = news("2025-01-06T15:00:00Z", "2025-01-08T15:00:00Z")
    source = folder(tmp_path, prices=prices(), news=stamps)
    from_, to = pd.Timestamp("2025-01-06", tz="UTC"), pd.Timestamp("2025-01-09", tz="UTC")
    assert source.fetch("news", "AAA", *WHOLE).covered == ((from_, to),)
    assert source.fetch("news", "AAA", date(2025, 1, 7), date(2025, 1, 8)).covered == (  # no row that day, and yet it was looked at
        (pd.Timestamp("2025-01-07", tz="UTC"), pd.Timestamp("2025-01-08", tz="UTC")),
    )
    assert source.fetch("news", "BBB", *WHOLE).covered == () == source.fetch("filings", "AAA", *WHOLE).covered
    stated = {"news": {"AAA": [["2025-01-02T00:00:00Z", "2025-02-01T00:00:00+01:00"]], "BBB": []}}
    said = folder(tmp_path, manifest={"covered": stated}).fetch("news", "AAA", *WHOLE).covered
    assert said == ((pd.Timestamp("2025-01-02", tz="UTC"), pd.Timestamp("2025-01-31 23:00", tz="UTC")),)


def test_a_bar_of_a_day_that_has_not_come_is_refused(tmp_path):
    folder(tmp_path, prices=prices())
    place = Place(now=lambda: datetime(2025, 1, 30, 12, tzinfo=UTC))
    source = FolderSource(FolderSource.Options(path=str(tmp_path)), place)
    assert "1 bar on a future date, first: 2025-01-31" in refusal(source)
    assert len(source.fetch("bars", "AAA", DAYS[0], DAYS[-1]).frame) == len(DAYS) - 1


def test_the_fingerprint_follows_what_the_manifest_means_and_not_its_remarks(tmp_path):
    plain = folder(tmp_path, prices=prices()).fingerprint()
    assert folder(tmp_path, manifest={"note": "x", "created_at": "today"}).fingerprint() == plain
    assert folder(tmp_path, manifest={"currency": "CAD"}).fingerprint() != plain


def test_split_adjusted_prices_without_a_table_of_splits_say_so(tmp_path):
    assert "names no splits" in warnings_of(folder(tmp_path, prices=prices(), manifest={"basis": "split"}))


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_fundamentals_are_served_as_facts_that_appear_with_their_filing(tmp_path, kind):
    rows = {"symbol": "AAA", "company": "Alpha", "timeframe": "quarterly", "period_start": "2024-07-01", "period_end": "2024-09-30"}
    wide = pd.DataFrame([{**rows, "filing_date": "2025-01-07", "form": "10-Q", "accession": "1", "revenue": 5e9, "total_assets": 9e9}])
    source = folder(tmp_path, kind, prices=prices(), fundamentals=wide)
    assert source.listing("AAA").name == "Alpha"
    market = Market.load(source, ["AAA"], start=DAYS[0], end=DAYS[-1], calendar=XNYS)
    before = market.view(XNYS.session(date(2025, 1, 7)).close_at).facts("AAA")
    after = market.view(XNYS.session(date(2025, 1, 8)).close_at).facts("AAA")
    assert before == () and {(fact.field, fact.value, fact.unit) for fact in after} == {
        ("revenue", 5e9, "USD"),
        ("total_assets", 9e9, "USD"),
    }


# ----------------------------------------------------------------------------------------------------------------- real data

GAPS = ("2025-01-10", "2025-01-13", "2025-02-11", "2025-02-12", "2025-02-13", "2025-02-14", "2025-02-18", "2025-02-19")
real = pytest.mark.skipif(not REAL.is_dir(), reason="the real-data bundle is not on this machine")


@pytest.fixture(scope="module")
def djia() -> Market:
    source = FolderSource(FolderSource.Options(path=str(REAL)))
    return Market.load(source, ["AAPL", "MSFT", "UNH", "BA"], start=date(2024, 12, 13), end=date(2025, 7, 31), calendar=XNYS)


@real
def test_the_real_bundles_gaps_are_reported_and_nothing_lies_between_sessions(djia):
    gaps = {issue.symbol: issue.rows for issue in djia.issues if "no bar on" in issue.message}
    assert gaps == {"AAPL": GAPS, "MSFT": GAPS[:2], "UNH": GAPS, "BA": GAPS}
    assert not any("without a session" in issue.message for issue in djia.issues)
    assert not any(issue.severity == "error" for issue in djia.issues)


@real
def test_the_real_bundles_prices_are_as_published(djia):
    view = djia.view(XNYS.session(date(2024, 12, 31)).close_at)
    assert view.bar("AAPL", date(2024, 12, 31)).close == 250.42
    assert view.bar("AAPL", date(2024, 12, 26)).close == 259.02
    assert view.bar("AAPL", date(2025, 1, 2)) is None
    assert djia.view(XNYS.session(date(2025, 1, 10)).close_at).bar("AAPL", date(2025, 1, 10)) is None
    assert djia.companies["MSFT"] == "MICROSOFT CORP"


@real
def test_the_real_bundles_annual_report_appears_after_its_acceptance(djia):
    accepted = "2025-02-27"  # UNH's 10-K
    before = djia.view(XNYS.session(date(2025, 2, 26)).close_at).filings("UNH")
    later = djia.view(XNYS.session(date(2025, 2, 28)).close_at).filings("UNH")
    assert before == () and len(later) == 4
    assert all(str(item.accepted_at.date()) == accepted and item.available_at > item.accepted_at for item in later)


@real
def test_a_symbol_with_too_few_prices_says_what_it_has():
    source = FolderSource(FolderSource.Options(path=str(REAL)))
    with pytest.raises(NoData, match="SPY has no price from 2025-04-01 to 2025-04-30; the source has it from 2025-01-02 to 2025-03-07"):
        Market.load(source, ["SPY"], start=date(2025, 4, 1), end=date(2025, 4, 30), calendar=XNYS)


# ----------------------------------------------------------------------------------------------------- placeholders and typos


@pytest.mark.parametrize("stamp", ["9999-12-31T23:59:00Z", "0001-01-01T00:00:00Z"])
def test_a_placeholder_year_is_refused_with_its_row(tmp_path, stamp):
    said = refusal(folder(tmp_path, prices=prices(), news=news(stamp)), "news")
    assert "published_at" in said and "row 1" in said and "1900" in said


def test_split_parts_that_are_no_numbers_are_refused_with_their_column(tmp_path):
    splits = pd.DataFrame({"symbol": ["AAA"], "ex_date": ["2025-01-10"], "split_from": ["one"], "split_to": ["2"]})
    said = refusal(folder(tmp_path, prices=prices(), splits=splits), "splits")
    assert "split_from" in said and "'one'" in said


def test_a_path_that_no_file_system_takes_is_unavailable(tmp_path):
    with pytest.raises(Unavailable, match="cannot be read"):
        FolderSource(FolderSource.Options(path="x" * 5000)).listings()


@real
def test_the_real_bundles_fundamentals_are_facts_with_the_time_of_their_filing(djia):
    """Apple's 10-K for 2024 was accepted on 2024-11-01 10:01:36 UTC and states 391,035 million of sales."""
    facts = [f for f in djia.view(XNYS.session(date(2024, 12, 31)).close_at).facts("AAPL") if str(f.period_end) == "2024-09-28"]
    (revenue,) = [fact for fact in facts if fact.field == "revenue" and fact.timeframe == "annual"]
    assert (revenue.value, revenue.unit, revenue.form, str(revenue.filed)) == (391_035e6, "USD", "10-K", "2024-11-01")
    assert revenue.available_at.isoformat() == "2024-11-01T10:01:36+00:00"
    assert {fact.timeframe for fact in facts if fact.field == "total_assets"} == {"instant"}
