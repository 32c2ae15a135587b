"""A person's own file: what it is taken for, what is asked, what is read and what is refused at which field."""

import io
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import SpecError, Unavailable
from agent.market import cells, tables, tabular, upload
from agent.market.sessions import Calendar
from agent.market.upload import Mapping, look, read

XNYS = Calendar()
DAYS = [s.day for s in XNYS.sessions(date(2025, 1, 2), date(2025, 1, 31))]
YAHOO = "Date,Open,High,Low,Close,Adj Close,Volume\n2025-01-02,100,102,99,101,100.5,1000\n2025-01-03,101,103,100,102,101.5,2000\n"
BARS = {name: name.capitalize() for name in ("date", "open", "high", "low", "close", "volume")}
NEWS = {"symbol": "ticker", "published_at": "published", "title": "headline"}


def bars_csv(days=DAYS, form="%Y-%m-%d") -> str:
    rows = [f'"{day.strftime(form)}",{100 + i},{102 + i},{99 + i},{101 + i},{1000 + i}' for i, day in enumerate(days)]
    return "\n".join(["Date,Open,High,Low,Close,Volume", *rows])


def table(text: str | bytes, name="file.csv", **said) -> pd.DataFrame:
    return result(text, name, **said)[0]


def result(text: str | bytes, name="file.csv", **said):
    body = text.encode() if isinstance(text, str) else text
    seen = look(body, name)
    return read(body, name, Mapping.model_validate({"table": seen.table, "columns": seen.mapping, **said}))


def refused(text: str | bytes, name="file.csv", **said) -> SpecError:
    body = text.encode() if isinstance(text, str) else text
    with pytest.raises(SpecError) as error:
        read(body, name, Mapping.model_validate({"table": "bars", "columns": BARS, "symbol": "AAA", **said}))
    return error.value


def parquet(frame: pd.DataFrame, **how) -> bytes:
    out = io.BytesIO()
    frame.to_parquet(out, **how)
    return out.getvalue()


# -------------------------------------------------------------------------------------------------------------------- looking


def test_a_price_file_is_recognised_with_its_columns_and_the_questions_it_leaves_open():
    seen = look(YAHOO.encode(), "AAPL.csv")
    assert (seen.kind, seen.encoding, seen.separator, seen.decimal, seen.rows, seen.table) == ("csv", "utf-8", ",", ".", 2, "bars")
    assert seen.mapping == BARS
    assert seen.questions == ("symbol", "basis")
    assert any("'Adj Close' is left out" in note for note in seen.notes)
    assert list(seen.head.iloc[0]) == ["2025-01-02", "100", "102", "99", "101", "100.5", "1000"]


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("timestamp,o,h,l,c,v,ticker", "bars"),
        ("ticker,published,headline,body,source,link", "news"),
        ("symbol,datetime,title,summary,publisher,url", "news"),
        ("symbol,accession,form,text,acceptedAt", "filings"),
        ("symbol,ex_date,amount", "dividends"),
        ("symbol,ex_date,ratio", "splits"),
        ("symbol,concept,val,end,filed", "fundamentals"),
        ("symbol,period_end,filing_date,revenue,net_income,total_assets", "fundamentals"),
    ],
)
def test_the_table_is_guessed_from_the_header(header, found):
    seen = look(f"{header}\n{','.join('x' for _ in header.split(','))}\n".encode(), "x.csv")
    assert seen.table == found and "table" not in seen.questions and "symbol" not in seen.questions
    assert set(upload.NEEDED[found]) <= set(seen.mapping)


def test_a_header_that_says_nothing_is_a_question():
    seen = look(b"alpha,beta\nx,y\n", "x.csv")
    assert seen.questions[:2] == ("table", "symbol") and seen.mapping == {}


def test_every_synonym_is_found_whatever_its_case_and_spelling():
    seen = look(b"TICKER;Trade Date;OPEN PRICE;High_Price;low;Close/Last;Vol.\nA;2025-01-02;1;1;1;1;1\n", "x.csv")
    assert set(seen.mapping) == {"symbol", "date", "open", "high", "low", "close", "volume"}


def test_times_without_a_zone_and_days_that_could_be_months_are_questions():
    assert look(b"ticker,published,headline\nA,2025-01-03 15:00,x\n", "n.csv").questions == ("zone",)
    assert look(b"ticker,published,headline\nA,2025-01-03T15:00:00Z,x\n", "n.csv").questions == ()
    assert look(b"ticker,published,headline\nA,2025-01-03,x\n", "n.csv").questions == ()  # a day ends when it ends
    assert "day_order" in look(b"ticker,published,headline\nA,03/01/2025,x\n", "n.csv").questions
    assert "day_order" not in look(b"ticker,published,headline\nA,03/01/2025,x\nA,13/01/2025,x\n", "n.csv").questions


def test_a_row_far_down_may_settle_the_order_of_day_and_month():
    days = ["03/04/2025"] * (tabular.SAMPLE + 10) + ["25/04/2025"]
    body = "ticker,published,headline\n" + "\n".join(f"A,{day},x{i}" for i, day in enumerate(days))
    assert look(body.encode(), "n.csv").questions == ()
    assert table(body)["published_at"].iloc[0] == pd.Timestamp("2025-04-03", tz="UTC")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1", "utf-32"])
def test_any_usual_encoding_gives_the_same_rows(encoding):
    body = "ticker,published,headline\nA,2025-01-03T15:00:00Z,Umsätze für Bücher steigen\n".encode(encoding)
    assert list(table(body)["title"]) == ["Umsätze für Bücher steigen"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends_are_found(separator, end):
    body = YAHOO.replace(",", separator).replace("\n", end)
    assert look(body.encode(), "x.csv").separator == separator
    assert list(table(body, symbol="A")["close"]) == [101, 102]


def test_rows_of_a_file_are_counted():
    assert look(bars_csv().encode(), "x.csv").rows == len(DAYS)
    assert look(parquet(pd.DataFrame({"close": range(7), "high": 1, "low": 1})), "x").rows == 7


# -------------------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("cells_", "separator", "values"),
    [
        (["1.5", "2"], ",", [1.5, 2]),
        (["1,5", "2"], ";", [1.5, 2]),
        (["1.234,5", "999"], ";", [1234.5, 999]),
        (["1,234.5", "999"], ",", [1234.5, 999]),
        (["1,234", "5"], ",", [1234, 5]),  # nothing but thousands can be meant beside a comma
        (["1,234", "5"], ";", [1.234, 5]),
        (["1.234.567", "1"], ";", [1234567, 1]),
        (["1 234,5", "1\u00a0000"], ";", [1234.5, 1000]),
        (["1'234.5", "2"], ",", [1234.5, 2]),
        (["-1.5e3", "\u22122.5"], ",", [-1500, -2.5]),
        (["", "N/A"], ",", [np.nan, np.nan]),
    ],
)
def test_a_number_is_read_in_the_one_way_it_can_be_meant(cells_, separator, values):
    column = pd.Series(cells_, dtype="str")
    sign = cells.decimal_sign([column], separator, where="x")
    found = cells.numbers(column, sign, where="x", field="f")
    np.testing.assert_allclose(found, values)


def test_a_file_that_mixes_decimal_signs_is_refused():
    error = refused("Date;Open;High;Low;Close;Volume\n2025-01-02;1,5;2.5;1,1;1,5;1")
    assert error.field == "file" and "1,5" in str(error) and "2.5" in str(error)


@given(st.lists(st.floats(-1e9, 1e9).map(lambda x: round(x, 2)), min_size=1, max_size=20), st.booleans())
@settings(max_examples=25, deadline=None)
def test_numbers_written_with_either_sign_come_back(values, comma):
    written = pd.Series([f"{value:,.2f}" for value in values], dtype="str")
    if comma:
        written = pd.Series([word.translate(str.maketrans(",.", ".,")) for word in written], dtype="str")
    sign = cells.decimal_sign([written], ";", where="x")
    assert sign == ("," if comma else ".")
    np.testing.assert_allclose(cells.numbers(written, sign, where="x", field="f"), values)


def test_volumes_may_be_abbreviated_and_prices_may_not():
    body = YAHOO.replace("1000", "1.2M").replace("2000", "3K")
    assert list(table(body, symbol="A")["volume"]) == [1_200_000, 3_000]
    assert refused(YAHOO.replace("2025-01-02,100,", "2025-01-02,1.2M,")).field == "columns.open"


def test_a_word_among_the_prices_names_its_column_and_row():
    error = refused(YAHOO.replace(",101,100.5", ",=1+1,100.5"))
    assert error.field == "columns.close" and "row 1: '=1+1'" in str(error)


# --------------------------------------------------------------------------------------------------------------- days and times


@pytest.mark.parametrize(
    ("form", "order"),
    [
        *((form, None) for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d %B %Y", "%b %d, %Y", "%d-%b-%Y", "%Y-%m-%d 00:00:00-05:00")),
        *((form, None) for form in ("%d.%m.%Y", "%m/%d/%Y", "%d-%m-%Y")),  # the 31st of January proves the order
        ("%Y-%m-%d 16:00:00", None),
        ("%Y-%m-%dT05:00:00Z", None),  # midnight in New York
    ],
)
def test_days_are_read_in_any_usual_form(form, order):
    found = table(bars_csv(form=form), symbol="A", day_order=order)
    assert [stamp.date() for stamp in found["date"]] == DAYS


@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**9])
@pytest.mark.parametrize("hour", [0, 14])
def test_epoch_days_are_read_in_seconds_to_nanoseconds(scale, hour):
    """At midnight UTC they are that day; within the session (Yahoo's stamps) the day of the exchange."""
    body = bars_csv()
    for day in DAYS:
        body = body.replace(str(day), str(int(pd.Timestamp(day, tz="UTC").timestamp() + 3600 * hour) * scale))
    assert [stamp.date() for stamp in table(body, symbol="A")["date"]] == DAYS


def test_days_that_could_be_months_are_refused_until_the_order_is_said():
    body = "Date,Open,High,Low,Close,Volume\n03/02/2025,1,1,1,1,1\n"
    error = refused(body)
    assert error.field == "day_order" and "03/02" in str(error)
    assert table(body, symbol="A", day_order="dmy")["date"].iloc[0] == pd.Timestamp("2025-02-03")
    monday = body.replace("03/02", "02/03")
    assert table(monday, symbol="A", day_order="mdy")["date"].iloc[0] == pd.Timestamp("2025-02-03")


def test_an_order_that_a_date_contradicts_is_refused():
    body = "Date,Open,High,Low,Close,Volume\n31/01/2025,1,1,1,1,1\n"
    assert refused(body, day_order="mdy").field == "day_order"
    assert "day first" in str(refused(body + "01/30/2025,1,1,1,1,1\n"))


@pytest.mark.parametrize("stamp", ["0000-01-01", "2025-13-01", "2025-02-30", "01/31/25", "45658", "yesterday", "31.02.2025"])
def test_what_is_no_date_is_refused_with_its_row(stamp):
    error = refused(f"Date,Open,High,Low,Close,Volume\n2025-01-02,1,1,1,1,1\n{stamp},1,1,1,1,1\n")
    assert error.field == "columns.date" and "row 2" in str(error)


@pytest.mark.parametrize("stamp", ["9999-12-31", "1066-10-14"])
def test_placeholder_years_are_refused(stamp):
    error = refused(f"Date,Open,High,Low,Close,Volume\n{stamp},1,1,1,1,1\n")
    assert error.field == "columns.date" and "1900" in str(error)


def test_intraday_rows_are_refused():
    rows = "\n".join(f"2025-01-02 {hour}:30,1,1,1,1,1" for hour in range(10, 16))
    error = refused(f"Date,Open,High,Low,Close,Volume\n{rows}\n")
    assert error.field == "columns.date" and "one row per day" in str(error)


def headline(stamp: str, **said):
    return table(f"ticker,published,headline\nA,{stamp},x\n", **{"columns": NEWS, "table": "news", **said})["published_at"].iloc[0]


@pytest.mark.parametrize(
    ("stamp", "utc"),
    [
        ("2025-01-03T15:00:00Z", "2025-01-03 15:00"),
        ("2025-01-03 15:00:00+01:00", "2025-01-03 14:00"),
        ("2025-01-03 15:00 UTC", "2025-01-03 15:00"),
        ('"Fri, 03 Jan 2025 15:00:00 GMT"', "2025-01-03 15:00"),
        ("1735916400", "2025-01-03 15:00"),
        ("1735916400000", "2025-01-03 15:00"),
        ("2025-01-03 15:00:00.123456789Z", "2025-01-03 15:00:00.123456"),
    ],
)
def test_a_time_with_a_zone_is_that_moment(stamp, utc):
    assert headline(stamp) == pd.Timestamp(utc, tz="UTC")


@pytest.mark.parametrize(
    ("stamp", "zone", "utc"),
    [
        ("2025-01-03 15:00", "America/New_York", "2025-01-03 20:00"),
        ("2025-07-03 3:00 PM", "America/New_York", "2025-07-03 19:00"),
        ("2025-01-03 15:00", "Asia/Tokyo", "2025-01-03 06:00"),
        ("2025-11-02 01:30", "America/New_York", "2025-11-02 06:30"),  # an hour that comes twice: the later one
        ("2025-03-09 02:30", "America/New_York", "2025-03-09 07:00"),  # an hour that never was: the next that was
    ],
)
def test_a_time_without_a_zone_is_read_where_the_person_says_and_never_too_early(stamp, zone, utc):
    assert headline(stamp, zone=zone) == pd.Timestamp(utc, tz="UTC")
    with pytest.raises(SpecError, match="time zone") as error:
        headline(stamp)
    assert error.value.field == "zone"


def test_times_with_and_without_a_zone_in_one_column_need_the_answer_too():
    body = "ticker,published,headline\nA,2025-01-03T15:00:00Z,x\nA,2025-01-03 15:00,y\n"
    with pytest.raises(SpecError, match="mixes times with and without") as error:
        table(body)
    assert error.value.field == "zone" and "row 2" in str(error.value)
    assert list(table(body, zone="UTC")["published_at"].unique()) == [pd.Timestamp("2025-01-03 15:00", tz="UTC")]


@pytest.mark.parametrize("zone", ["Mars/Phobos", "../../etc/passwd", "/etc/localtime", "America", "x" * 500, "New York"])
def test_a_zone_that_is_none_is_refused(zone):
    with pytest.raises(SpecError, match="Unknown time zone") as error:
        headline("2025-01-03 15:00", zone=zone)
    assert error.value.field == "zone"


def test_a_day_without_a_time_ends_where_the_exchange_is():
    body = "ticker,published,headline\nA,2025-01-03,x\n"
    assert table(body)["available_at"].iloc[0] == pd.Timestamp("2025-01-04 05:00", tz="UTC")
    assert table(body, exchange="XLON", currency="GBP")["available_at"].iloc[0] == pd.Timestamp("2025-01-04 00:00", tz="UTC")
    assert table(body, exchange="XTKS", currency="JPY")["available_at"].iloc[0] == pd.Timestamp("2025-01-03 15:00", tz="UTC")


@given(
    st.lists(
        st.datetimes(min_value=pd.Timestamp("1990-01-01").to_pydatetime(), max_value=pd.Timestamp("2037-01-01").to_pydatetime()),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["America/New_York", "Europe/London", "Asia/Tokyo", "Australia/Lord_Howe"]),
)
@settings(max_examples=25, deadline=None)
def test_a_naive_time_is_never_placed_before_any_moment_it_could_mean(stamps, zone):
    column = pd.Series([stamp.isoformat(sep=" ", timespec="microseconds") for stamp in stamps], dtype="str")
    found = cells.times(column, "ymd", ZoneInfo(zone), where="x", field="f")
    for stamp, moment in zip(stamps, found, strict=True):
        if stamp == pd.Timestamp(stamp).normalize().to_pydatetime():
            continue  # a day without a time
        latest = max(stamp.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(ZoneInfo("UTC")) for fold in (0, 1))
        real = latest.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == stamp
        assert moment == latest if real else moment >= latest - pd.Timedelta(hours=1)


# --------------------------------------------------------------------------------------------------------------------- tickers


def test_a_file_without_a_ticker_needs_one():
    assert refused(YAHOO, symbol="").field == "symbol"
    assert set(table(YAHOO, symbol=" brk-b ")["symbol"]) == {"BRK-B"}


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "..", ".", "A B", "=cmd|x", "", "A" * 30, "C:\\x", "A\nB", "Ａ", "BRK..B"])
def test_what_is_no_ticker_is_refused(name):
    if name:
        assert refused(YAHOO, symbol=name).field == "symbol"
    quoted = name.replace('"', '""')
    error = refused(f'ticker,published,headline\n"{quoted}",2025-01-03,x\n', table="news", columns=NEWS, symbol="")
    assert error.field == "columns.symbol" and "row 1" in str(error)


@pytest.mark.parametrize("name", ["BRK.B", "^GSPC", "0700.HK", "EURUSD=X", "BF-B", "M&M.NS", "NA", "TRUE", "NAN"])
def test_usual_tickers_pass(name):
    assert set(table(f"ticker,published,headline\n{name},2025-01-03,x\n")["symbol"]) == {name}


# --------------------------------------------------------------------------------------------------------------------- mapping


def test_an_adjusted_close_is_taken_only_where_a_person_says_so_and_then_marked():
    columns = {**BARS, "close": "Adj Close"}
    error = refused(YAHOO, columns=columns)
    assert error.field == "columns.close" and "tells the future" in str(error)
    found, issues = read(YAHOO.encode(), "x.csv", Mapping(columns=columns, symbol="A", basis="adjusted"))
    assert list(found["close"]) == [100.5, 101.5] and [issue.code for issue in issues if issue.code == "adjusted"] == ["adjusted"]


def test_split_adjusted_prices_carry_their_basis():
    assert set(table(YAHOO, symbol="A", basis="split")["basis"]) == {"split"}
    assert set(table(YAHOO, symbol="A")["basis"]) == {"traded"}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"columns": {**BARS, "close": "Nope"}}, "columns.close"),
        ({"columns": {k: v for k, v in BARS.items() if k != "high"}}, "columns.high"),
        ({"columns": {**BARS, "colour": "Close"}}, "columns.colour"),
        ({"exchange": "MOON"}, "exchange"),
        ({"exchange": "../../x"}, "exchange"),
        ({"currency": "dollars"}, "currency"),
        ({"currency": "GBp"}, "currency"),
        ({"table": "fundamentals", "columns": {"period_end": "Date"}}, "columns.value"),
        ({"table": "filings", "columns": {"accession": "Open", "form": "High", "text": "Low"}}, "columns.accepted_at"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_at_its_field(said, field):
    assert refused(YAHOO, **said).field == field


def test_a_column_that_is_there_twice_is_refused_only_where_it_is_asked_for():
    body = "Date,Open,High,Low,Close,Volume,x,x\n2025-01-02,1,1,1,1,1,7,8\n"
    assert len(table(body, symbol="A")) == 1
    seen = look(body.encode(), "x.csv")
    assert list(seen.head.columns)[-2:] == ["x", "x (2)"] and seen.columns[-1:] == ("x",) and "'x' names more" in " ".join(seen.notes)
    assert refused(body, columns={**BARS, "close": "x"}).field == "columns.close"


def test_the_same_bar_twice_is_dropped_and_two_versions_are_refused():
    row = "2025-01-02,100,102,99,101,100.5,1000\n"
    found, issues = result(YAHOO + row, symbol="A")
    assert len(found) == 2 and "repeated" in {issue.code for issue in issues}
    assert refused(YAHOO + row.replace("1000", "7")).field == "columns.date"


def test_bars_that_cannot_be_traded_on_are_errors_in_the_report():
    _, issues = result(YAHOO.replace("102,99", "100.5,99"), symbol="A")
    assert [(issue.severity, issue.code) for issue in issues] == [("error", "high_low")]
    with pytest.raises(SpecError, match="high is below"):
        tables.refuse_errors(issues)


def test_a_bar_of_a_day_to_come_is_an_error():
    _, issues = result(YAHOO.replace("2025-01-03", "2039-01-03"), symbol="A")
    assert [(issue.code, issue.rows[0][:10]) for issue in issues if issue.severity == "error"] == [("future", "2039-01-03")]


def test_dividends_and_splits_come_out_of_a_price_file_that_holds_them():
    body = "Date,Close,High,Low,Dividends,Stock Splits\n2025-01-02,1,1,1,0.0,0.0\n2025-01-03,1,1,1,0.25,0.0\n2025-01-06,1,1,1,0.0,4.0\n"
    paid, issues = result(body, table="dividends", columns={"ex_date": "Date", "amount": "Dividends"}, symbol="A")
    assert list(paid["amount"]) == [0.25] and {issue.code for issue in issues} == {"no_event"}
    split = table(body, table="splits", columns={"ex_date": "Date", "ratio": "Stock Splits"}, symbol="A")
    assert [(str(row.ex_date.date()), row.ratio) for row in split.itertuples()] == [("2025-01-06", 4.0)]


@pytest.mark.parametrize(("written", "ratio"), [("4", 4), ("4:1", 4), ("3/2", 1.5), ("4-for-1", 4), ("1 for 10", 0.1)])
def test_a_split_may_be_written_as_a_pair(written, ratio):
    assert list(table(f"symbol,ex_date,ratio\nA,2025-01-02,{written}\n")["ratio"]) == [ratio]


def test_news_without_a_date_is_left_out_and_counted():
    found, issues = result("ticker,published,headline,body\nA,,x,s\nA,2025-01-03T15:00:00Z,y,s\n")
    assert list(found["title"]) == ["y"]
    assert [(issue.code, issue.symbol, issue.count) for issue in issues] == [("undated", "A", 1)]


def test_a_formula_stays_text():
    assert list(table("ticker,published,headline\nA,2025-01-03,=cmd|' /C calc'!A0\n")["title"]) == ["=cmd|' /C calc'!A0"]


def test_a_headline_may_hold_separators_quotes_and_line_breaks():
    body = 'ticker,published,headline\nA,2025-01-03,"One, ""two""\nthree"\nA,2025-01-06,four\n'
    assert list(table(body)["title"]) == ['One, "two"\nthree', "four"]


def test_wide_and_long_fundamentals_give_the_same_facts():
    wide = "symbol,period_start,period_end,timeframe,filing_date,form,accession,revenue,total_assets\n"
    wide += "A,2024-07-01,2024-09-30,quarterly,2024-11-01,10-Q,0-1,1000,5000\n"
    long = "symbol,field,value,unit,timeframe,period_start,period_end,filed,form,accession\n"
    long += "A,revenue,1000,USD,quarterly,2024-07-01,2024-09-30,2024-11-01,10-Q,0-1\n"
    long += "A,total_assets,5000,USD,instant,,2024-09-30,2024-11-01,10-Q,0-1\n"
    one, two = table(wide), table(long)
    pd.testing.assert_frame_equal(one, two)
    assert set(one["available_at"]) == {pd.Timestamp("2024-11-02 02:00", tz="UTC")}  # 22:00 New York of the filing date


def test_fundamentals_without_a_filing_date_are_refused():
    error = refused(
        "symbol,end,revenue\nA,2024-09-30,1\n",
        table="fundamentals",
        columns={"symbol": "symbol", "period_end": "end", "revenue": "revenue"},
    )
    assert error.field == "columns.filed"


# --------------------------------------------------------------------------------------------------------------------- parquet


def test_parquet_and_csv_give_the_same_table():
    frame = pd.read_csv(io.StringIO(bars_csv()), parse_dates=["Date"])
    for body in (parquet(frame), parquet(frame, compression="zstd"), parquet(frame.set_index("Date"))):
        assert look(body, "x.parquet").kind == "parquet"
        pd.testing.assert_frame_equal(table(body, symbol="A"), table(bars_csv(), symbol="A"))


def test_parquet_times_keep_their_zone_and_ask_for_one_they_do_not_have():
    stamps = pd.to_datetime(["2025-01-03 15:00"])
    frame = pd.DataFrame({"ticker": ["A"], "published": stamps, "headline": ["x"]})
    assert look(parquet(frame), "n").questions == ("zone",)
    assert table(parquet(frame), zone="America/New_York")["published_at"].iloc[0] == pd.Timestamp("2025-01-03 20:00", tz="UTC")
    aware = frame.assign(published=stamps.tz_localize("Europe/London"))
    assert look(parquet(aware), "n").questions == ()
    assert table(parquet(aware))["published_at"].iloc[0] == pd.Timestamp("2025-01-03 15:00", tz="UTC")


def test_the_name_does_not_decide_what_a_file_is(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_bytes(parquet(pd.read_csv(io.StringIO(YAHOO))))
    assert look(path, path.name).kind == "parquet"
    with pytest.raises(SpecError, match="Excel"):
        look(b"PK\x03\x04" + b"x" * 50, "prices.csv")


def test_a_file_that_is_not_there_is_a_refusal_in_words(tmp_path):
    with pytest.raises((SpecError, Unavailable), match=r"no\.csv"):
        look(tmp_path / "no.csv", "no.csv")
    with pytest.raises(SpecError, match="not a file"):
        look(tmp_path, "folder")


# ------------------------------------------------------------------------------------------------------------------- real data

REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "djia-2025"


@pytest.mark.skipif(not REAL.is_dir(), reason="the real-data bundle is not on this machine")
@pytest.mark.parametrize("name", ["prices", "news", "filings", "dividends", "splits", "fundamentals"])
def test_every_table_of_the_real_bundle_is_recognised_and_read(name):
    path = REAL / f"{name}.parquet"
    seen = look(path, path.name)
    assert seen.table == {"prices": "bars"}.get(name, name)
    assert set(seen.questions) <= {"basis"}
    found, issues = read(path, path.name, Mapping(table=seen.table, columns=seen.mapping))
    assert len(found) and not [issue for issue in issues if issue.severity == "error"]


DOWNLOADED = "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n2024-01-02,183.9,186.6,182.1,185.3,82488700\n"


def test_the_three_header_lines_of_a_yfinance_download_are_understood():
    seen = upload.look(DOWNLOADED.encode(), "aapl.csv")
    assert seen.mapping["date"] == "Date" and seen.mapping["close"] == "Close" and seen.rows == 1
    frame, _ = upload.read(DOWNLOADED.encode(), "aapl.csv", upload.Mapping(table="bars", columns=seen.mapping, symbol="AAPL"))
    assert list(frame["close"]) == [183.9] and str(frame["date"].iloc[0].date()) == "2024-01-02"


def test_a_yfinance_download_of_two_tickers_says_how_to_save_it():
    both = DOWNLOADED.replace("Ticker,AAPL,AAPL", "Ticker,AAPL,MSFT")
    with pytest.raises(SpecError, match="one ticker per file") as refused:
        upload.look(both.encode(), "both.csv")
    assert refused.value.field == "file"
