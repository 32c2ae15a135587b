"""A FINSABER folder as a source: what is read of it, what is known when, splits that it does not name, tricks with paths and parts."""

import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agent.errors import SpecError, Unavailable
from agent.market.sessions import Calendar
from agent.market.sources.base import NotSupported, Place, UnknownSymbol
from agent.market.sources.finsaber import FinsaberSource
from agent.market.view import Market
from tests import toy
from tests.agent import finsaber_folder as made_up
from tests.agent.finsaber_folder import DAYS, SPLIT, filings, news, prices, write

XNYS = Calendar()
WHOLE = (date(1990, 1, 1), date(2030, 1, 1))


def source(where: Path, **options) -> FinsaberSource:
    return FinsaberSource(FinsaberSource.Options(path=str(where), **options), Place())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("finsaber"))


def codes(fetched) -> set[str]:
    return {issue.code for issue in fetched.issues} - {""}


# ------------------------------------------------------------------------------------------------------------------ reading


def test_a_folder_made_to_the_schema_is_imported_and_run(folder):
    made = source(folder, splits="inferred")
    dates = {"train": {"start": "2023-11-13", "end": "2023-12-01"}, "test": {"start": "2023-12-04", "end": "2024-02-09"}}
    records = toy.run(toy.toy_spec(tickers=["AAA", "BBB"], **dates), source=made)  # type: ignore[arg-type]
    assert len(records) == 2 * len(XNYS.sessions(date(2023, 11, 13), date(2024, 2, 9)))
    alpha = [record for record in records if record.ticker == "AAA"]
    assert all(record.observation.news for record in alpha) and any(record.observation.filings for record in alpha)
    assert any(record.fills for record in alpha)
    held = next(record for record in alpha if record.day == SPLIT)
    assert held.observation.split == 4.0
    assert abs(held.benchmark_equity / alpha[alpha.index(held) - 1].benchmark_equity - 1) < 0.01  # nobody lost three quarters


def test_listings_name_every_symbol_with_its_days_and_are_read_once(folder, monkeypatch):
    made = source(folder)
    assert [(x.ticker, x.first, x.last) for x in made.listings()] == [("AAA", DAYS[0], DAYS[-1]), ("BBB", DAYS[0], DAYS[-1])]
    monkeypatch.setattr(pa.dataset, "dataset", None)
    assert made.listing("BBB").last == DAYS[-1]


def test_thousands_of_symbols_are_listed_in_a_moment(tmp_path):
    symbols = [f"S{i:04d}" for i in range(3_000)]
    for year in range(2022, 2025):
        days = pd.date_range(f"{year}-01-02", periods=50).strftime("%Y-%m-%d")
        index = pd.MultiIndex.from_product([days, symbols], names=["date", "symbol"])
        frame = pd.DataFrame(index=index).reset_index().assign(open=1.0, high=1.0, low=1.0, close=1.0, adjusted_close=1.0, volume=1)
        (tmp_path / "price_daily" / f"year={year}").mkdir(parents=True)
        frame.to_parquet(tmp_path / "price_daily" / f"year={year}" / "part-000.parquet")
    began, made = time.monotonic(), source(tmp_path)
    assert len(made.listings()) == 3_000  # of 450,000 rows
    assert time.monotonic() - began < 8
    began = time.monotonic()
    for symbol in symbols:
        made.listing(symbol)
    assert time.monotonic() - began < 1


def test_only_the_years_in_question_are_opened(folder, tmp_path):
    where = write(tmp_path)
    made = source(where)
    made.listings()
    (where / "price_daily" / "year=2023" / "part-000.parquet").write_bytes(b"broken since")
    assert len(made.fetch("bars", "AAA", date(2024, 2, 1), date(2024, 3, 1)).frame) == 20
    with pytest.raises(SpecError, match="year=2023"):
        made.fetch("bars", "AAA", date(2023, 12, 1), date(2024, 3, 1))


@pytest.mark.parametrize("kind", ["text", "date32", "timestamp", "dictionary", "large text"])
def test_days_and_symbols_may_have_any_of_the_usual_types(tmp_path, kind):
    write(tmp_path)
    for path in sorted(tmp_path.rglob("*.parquet")):
        table = pq.read_table(path)
        days = table["date"].cast(pa.date32())
        symbols = table["symbol"].cast(pa.string())
        if kind == "date32":
            table = table.set_column(0, "date", days)
        elif kind == "timestamp":
            table = table.set_column(0, "date", days.cast(pa.timestamp("ns")))
        elif kind == "dictionary":
            table = table.set_column(1, "symbol", symbols.dictionary_encode())
        elif kind == "large text":
            table = table.set_column(1, "symbol", symbols.cast(pa.large_string()))
        pq.write_table(table, path)
    made = source(tmp_path)
    assert [len(made.fetch(table, "AAA", *WHOLE).frame) for table in ("bars", "news", "filings")] == [len(DAYS), len(news()), 3]


def test_a_part_in_lower_case_belongs_to_the_same_ticker(tmp_path):
    frame = prices()
    frame.loc[frame["date"] < "2023-11-01", "symbol"] = frame["symbol"].str.lower()
    made = source(write(tmp_path, price_daily=frame))
    assert [x.ticker for x in made.listings()] == ["AAA", "BBB"]
    assert len(made.fetch("bars", "AAA", *WHOLE).frame) == len(DAYS)


# ------------------------------------------------------------------------------------------------------ what is known when


def test_texts_of_a_date_are_known_at_the_next_decision(folder):
    market = Market.load(source(folder), ["AAA"], start=date(2023, 11, 1), end=date(2023, 12, 1), calendar=XNYS)
    thursday, friday, monday = (XNYS.session(date(2023, 11, day)) for day in (2, 3, 6))
    assert [item.published_at.day for item in market.view(friday.close_at).news("AAA", thursday.close_at)] == [2]
    assert [item.published_at.day for item in market.view(monday.close_at).news("AAA", friday.close_at)] == [3, 4, 5]
    assert market.view(friday.close_at).filings("AAA") == ()  # filed that Friday
    assert [item.form for item in market.view(monday.close_at).filings("AAA")] == ["10-Q"]


def test_a_text_of_new_years_eve_is_found_in_the_new_year(folder):
    frame = source(folder).fetch("news", "AAA", date(2024, 1, 1), date(2024, 1, 2)).frame
    assert [stamp.isoformat() for stamp in frame["published_at"]] == ["2023-12-31T00:00:00+00:00"]


def test_prices_are_as_traded_and_the_adjusted_close_stays_behind(folder):
    frame = source(folder).fetch("bars", "AAA", date(2024, 1, 31), date(2024, 2, 2)).frame
    first, second = (400.0 + DAYS.index(date(2024, 1, 31)), (400.0 + DAYS.index(SPLIT)) / 4)
    assert list(frame["close"]) == [first, second]
    assert "adjusted_close" not in frame


# ------------------------------------------------------------------------------------------------------------------- splits


def test_a_likely_split_is_reported_with_its_day_and_not_taken(folder):
    made = source(folder)
    got = made.fetch("bars", "AAA", *WHOLE)
    (issue,) = [issue for issue in got.issues if issue.code == "likely_split"]
    assert issue.rows == ("2024-02-01 4:1",) and "splits = inferred" in issue.message
    assert "likely_split" not in codes(made.fetch("bars", "BBB", *WHOLE))
    assert "likely_split" not in codes(made.fetch("bars", "AAA", date(2024, 1, 2), SPLIT))  # still to come: nothing is said of it
    with pytest.raises(NotSupported):
        made.fetch("splits", "AAA", *WHOLE)
    assert "splits" in made.note and "dividends" in made.note


def test_inferred_splits_are_a_table_and_said_so(folder):
    made = source(folder, splits="inferred")
    got = made.fetch("splits", "AAA", *WHOLE)
    assert [(row.ex_date.date(), row.ratio) for row in got.frame.itertuples()] == [(SPLIT, 4.0)]
    assert codes(got) == {"inferred"} and codes(made.fetch("bars", "AAA", *WHOLE)) == set()
    assert made.fetch("splits", "AAA", date(2024, 2, 1), date(2024, 2, 2)).frame["ratio"].tolist() == [4.0]  # the first day asked for
    assert made.fetch("splits", "BBB", *WHOLE).frame.empty


@pytest.mark.parametrize(
    ("factor", "fall", "ratios"),
    [
        (0.5, 0.5, [2.0]),  # 2:1
        (10.0, 10.0, [0.1]),  # 1:10
        (2 / 3, 2 / 3, [1.5]),  # 3:2
        (0.97, 0.97, []),  # a dividend of 3 %
        (0.5, 1.0, []),  # the adjusted close is restated, the price does not move
        (1.0, 0.5, []),  # the price halves by itself
        (0.8, 0.8, []),  # a spin-off or a special dividend
    ],
)
def test_only_a_jump_of_both_series_by_the_ratio_of_a_split_counts(tmp_path, factor, fall, ratios):
    frame = prices()[lambda f: f["symbol"] == "BBB"].reset_index(drop=True)
    after = frame["date"] >= "2024-01-10"
    frame.loc[after, ["open", "high", "low", "close"]] *= fall
    frame["adjusted_close"] = frame["close"].where(after, frame["close"] * factor)
    got = source(write(tmp_path, price_daily=frame), splits="inferred").fetch("splits", "BBB", *WHOLE).frame
    assert list(got["ratio"]) == pytest.approx(ratios)


# -------------------------------------------------------------------------------------------------------- covered, and gaps


def test_years_without_a_part_have_no_source(tmp_path):
    made = source(write(tmp_path, news_items=news()[lambda f: f["date"] < "2024"], filingk=None))
    span = [(low.date(), high.date()) for low, high in made.fetch("news", "AAA", *WHOLE).covered]
    assert span == [(DAYS[0], date(2024, 1, 1))]
    assert made.fetch("filings", "AAA", *WHOLE).covered == ()  # 10-Q alone is half an answer
    assert len(made.fetch("filings", "AAA", *WHOLE).frame) == 2
    assert [(low.date(), high.date()) for low, high in made.fetch("bars", "AAA", *WHOLE).covered] == [
        (DAYS[0], DAYS[-1] + timedelta(days=1))
    ]


def test_a_symbol_without_any_news_has_no_source(folder):
    assert source(folder).fetch("news", "BBB", *WHOLE).covered == ()


def test_a_folder_of_prices_alone_can_be_traded(tmp_path):
    made = source(write(tmp_path, news_items=None, filingk=None, filingq=None))
    market = Market.load(made, ["BBB"], start=date(2023, 11, 1), end=date(2023, 12, 1), calendar=XNYS)
    assert not market.view(XNYS.session(date(2023, 11, 30)).close_at).sourced("BBB", "news")


def test_rows_without_a_date_a_text_or_a_price_are_left_out_and_counted(tmp_path):
    where = write(tmp_path)
    path = where / "news_items" / "year=2023" / "part-000.parquet"
    frame = pd.read_parquet(path)
    frame.loc[0, "date"], frame.loc[1, "date"], frame.loc[2, "news_text"] = None, "soon", "  "
    frame.to_parquet(path)
    path = where / "price_daily" / "year=2023" / "part-000.parquet"
    bars = pd.read_parquet(path)
    bars.loc[bars["date"] == "2023-10-05", ["open", "high", "low", "close", "adjusted_close"]] = None
    bars.to_parquet(path)
    made = source(where)
    found = {
        issue.code: (issue.table, issue.count) for issue in made.fetch("news", "AAA", *WHOLE).issues if issue.code in ("undated", "empty")
    }
    assert found == {"undated": ("news", 2), "empty": ("news", 1)}
    bars_got = made.fetch("bars", "AAA", *WHOLE)
    assert "empty" in codes(bars_got) and len(bars_got.frame) == len(DAYS) - 1
    market = Market.load(made, ["AAA"], start=date(2023, 11, 1), end=date(2023, 12, 1), calendar=XNYS)
    assert market.undated == {"news": 2}


@pytest.mark.parametrize(
    ("column", "value", "words"), [("close", -1.0, "zero or negative"), ("high", 1.0, "high is below"), ("open", None, "missing")]
)
def test_prices_that_cannot_be_traded_on_are_errors(tmp_path, column, value, words):
    frame = prices()
    frame.loc[20, column] = value
    with pytest.raises(SpecError, match=words) as error:
        source(write(tmp_path, price_daily=frame)).fetch("bars", "AAA", *WHOLE)
    assert error.value.field == "source_options.path" and "price_daily" in str(error.value)


def test_prices_of_days_to_come_are_errors(tmp_path):
    made = FinsaberSource(FinsaberSource.Options(path=str(write(tmp_path))), Place(now=lambda: datetime(2024, 3, 15, 17, tzinfo=UTC)))
    assert len(made.fetch("bars", "AAA", date(2024, 3, 14), date(2024, 3, 16)).frame) == 2
    with pytest.raises(SpecError, match="9 bars on a future date, first: 2024-03-18"):
        made.fetch("bars", "AAA", date(2024, 3, 14), date(2024, 4, 1))


# ------------------------------------------------------------------------------------------------------------------- tricks


def part(where: Path, table: str = "price_daily", year: str = "year=2024", name: str = "part-000.parquet") -> Path:
    return where / table / year / name


BROKEN = {
    "nothing": b"",
    "text": b"date,symbol\n",
    "half": lambda body: body[: len(body) // 2],
    "no footer": lambda body: body[:-8],
    "a huge footer": lambda body: body[:-8] + b"\xff\xff\xff\x7fPAR1",
    "a negative footer": lambda body: body[:-8] + b"\xff\xff\xff\xffPAR1",
    "zeros": lambda body: body[:4] + bytes(len(body) - 12) + body[-8:],
    "a flipped page": lambda body: body[:8] + bytes(b ^ 0x55 for b in body[8:300]) + body[300:],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_part_is_named(tmp_path, name):
    where = write(tmp_path)
    path, how = part(where), BROKEN[name]
    path.write_bytes(how(path.read_bytes()) if callable(how) else how)
    with pytest.raises(SpecError, match=r"price_daily/year=2024/part-000\.parquet cannot be read as Parquet") as error:
        source(where).listings()
        source(where).fetch("bars", "AAA", *WHOLE)
    assert error.value.field == "source_options.path" and "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("column", ["date", "symbol", "open", "volume"])
def test_a_missing_column_is_named_with_its_part(tmp_path, column):
    where = write(tmp_path)
    pd.read_parquet(part(where)).drop(columns=column).to_parquet(part(where))
    with pytest.raises(SpecError, match=rf"year=2024/part-000\.parquet: column {column} is missing"):
        source(where).fetch("bars", "AAA", *WHOLE)


@pytest.mark.parametrize("column", ["date", "symbol", "close", "news_text"])
def test_columns_of_other_types_are_errors_in_words(tmp_path, column):
    table = "news_items" if column == "news_text" else "price_daily"
    where = write(tmp_path)
    frame = pd.read_parquet(part(where, table))
    frame[column] = [{"a": 1}] * len(frame)
    frame.to_parquet(part(where, table))
    with pytest.raises(SpecError) as error:
        source(where).fetch("news" if column == "news_text" else "bars", "AAA", *WHOLE)
    assert "\n" not in str(error.value)


def test_links_are_not_followed(tmp_path):
    outside = write(tmp_path / "outside", price_daily=prices().replace("AAA", "SECRET"))
    where = write(tmp_path / "mine")
    (where / "price_daily" / "year=2022").symlink_to(outside / "price_daily" / "year=2023")
    (where / "price_daily" / "year=2024" / "part-001.parquet").symlink_to(part(outside))
    assert [x.ticker for x in source(where).listings()] == ["AAA", "BBB"]
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "price_daily").symlink_to(outside / "price_daily")
    with pytest.raises(SpecError, match="links are not followed"):
        source(linked).listings()


@pytest.mark.parametrize(
    "name", ["year=..", "year=2024..", "year=99999", "year=0001", "YEAR=2024", "year=2024%2F..", "2024", "year=", ".year=2024"]
)
def test_other_names_of_partitions_are_not_looked_into(tmp_path, name):
    where = write(tmp_path)
    (where / "price_daily" / name).mkdir()
    (where / "price_daily" / name / "part-000.parquet").write_bytes(b"never read")
    assert len(source(where).fetch("bars", "AAA", *WHOLE).frame) == len(DAYS)


def test_tickers_that_are_paths_do_not_exist(tmp_path):
    frame = prices()
    frame.loc[frame["symbol"] == "BBB", "symbol"] = "../../etc"
    made = source(write(tmp_path, price_daily=frame))
    assert [x.ticker for x in made.listings()] == ["AAA"]
    for ticker in ("../../etc", "..", "", "AAA' OR 1=1"):
        with pytest.raises(UnknownSymbol):
            made.fetch("bars", ticker, *WHOLE)


def test_a_pipe_or_a_folder_called_like_a_part_is_left_alone(tmp_path):
    where = write(tmp_path)
    os.mkfifo(part(where, name="part-001.parquet"))
    part(where, name="part-002.parquet").mkdir()
    assert len(source(where).listings()) == 2


@pytest.mark.parametrize("path", ["missing", "file", "x" * 5000, "a\0b"])
def test_a_folder_that_is_none_is_said_so(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(Unavailable) as error:
        source(Path(path)).listings()
    assert error.value.cure and len(str(error.value)) < 400


def test_a_folder_without_prices_is_said_so(tmp_path):
    with pytest.raises(SpecError, match="holds no price_daily/year=YYYY"):
        source(tmp_path).listings()


def test_one_part_may_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("agent.market.sources.finsaber.MAX_BYTES", 100_000)
    words = pd.DataFrame({"date": ["2024-01-03"] * 50, "symbol": "AAA", "item_index": range(50), "news_text": "x" * 10_000})
    with pytest.raises(SpecError, match="MB for one ticker"):
        source(write(tmp_path, news_items=words)).fetch("news", "AAA", *WHOLE)


def test_two_rows_of_one_day_are_refused(tmp_path):
    frame = prices()
    with pytest.raises(SpecError, match="more than once"):
        source(write(tmp_path, price_daily=pd.concat([frame, frame.assign(close=frame["close"] * 1.001)]))).fetch("bars", "AAA", *WHOLE)


def test_the_helper_folder_is_what_the_schema_says(folder):
    found = {path.relative_to(folder).as_posix(): pq.read_schema(path).names for path in folder.rglob("*.parquet")}
    assert found["price_daily/year=2024/part-000.parquet"] == [
        *("date", "symbol", "cik", "open", "high", "low", "close", "adjusted_close", "volume")
    ]
    assert found["news_items/year=2023/part-000.parquet"] == ["date", "symbol", "item_index", "news_text"]
    assert found["filingq/year=2023/part-000.parquet"] == ["date", "symbol", "filing_idx", "filing_text"]
    assert len(filings("filingk")) == 3 and made_up.SPLIT in DAYS and datetime(2024, 2, 1).date() == SPLIT
