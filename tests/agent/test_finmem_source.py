"""FinMem's file as a source: three shapes that run, what is known when, and what is said about a price a day."""

import os
import pickle
from datetime import UTC, date, datetime

import pytest

from agent.errors import NoData, SpecError, Unavailable
from agent.market.sessions import Calendar
from agent.market.sources.base import NotSupported, Place, UnknownSymbol
from agent.market.sources.dated import headline
from agent.market.sources.finmem import FinMemSource
from agent.market.view import Market
from tests import toy
from tests.agent import finmem_file

XNYS = Calendar()
WHOLE = (date(1990, 1, 1), date(2030, 1, 1))
DAYS = finmem_file.DAYS


def source(path, **options) -> FinMemSource:
    return FinMemSource(FinMemSource.Options(path=str(path), **options), Place())


@pytest.fixture
def file(tmp_path):
    return finmem_file.write(tmp_path / "env_data.pkl", finmem_file.tuples("filing"))


def spec(**changes):
    dates = {"train": {"start": "2022-09-12", "end": "2022-09-23"}, "test": {"start": "2022-09-26", "end": "2022-10-31"}}
    return toy.toy_spec(**({"tickers": ["TSLA"]} | dates | changes))


# ------------------------------------------------------------------------------------------------------------------- shapes


@pytest.mark.parametrize("shape", finmem_file.SHAPES)
def test_each_shape_is_imported_and_run(tmp_path, shape):
    made = source(finmem_file.write(tmp_path / "env_data.pkl", finmem_file.SHAPES[shape]()))
    assert [(x.ticker, x.first, x.last) for x in made.listings()] == [(t, DAYS[0], DAYS[-1]) for t in ("AMZN", "TSLA")]
    assert [len(made.fetch(table, "TSLA", *WHOLE).frame) for table in ("bars", "news", "filings")] == [len(DAYS), 2 * len(DAYS), 2]
    records = toy.run(spec(), source=made)  # type: ignore[arg-type]
    assert len(records) == len(XNYS.sessions(date(2022, 9, 12), date(2022, 10, 31)))
    assert all(len(record.observation.news) == 2 for record in records[1:])
    assert all(record.thought.decision.abstained is None for record in records if record.phase == "test")
    assert any(record.fills for record in records)


def test_the_three_shapes_are_the_same_market(tmp_path):
    prints = set()
    for number, make in enumerate(finmem_file.SHAPES.values()):
        made = source(finmem_file.write(tmp_path / f"{number}.pkl", make()))
        market = Market.load(made, ["TSLA", "AMZN"], start=DAYS[20], end=DAYS[40], calendar=XNYS)
        prints.add(repr(market.tapes))
    assert len(prints) == 1


def test_the_file_of_one_symbol_without_news_days_runs_too(tmp_path):
    days = finmem_file.dictionaries()
    subset = {
        day: {table: {t: v for t, v in rows.items() if t == "TSLA"} for table, rows in record.items()} for day, record in days.items()
    }
    made = source(finmem_file.write(tmp_path / "subset_symbols_TSLA.pkl", subset))
    assert [x.ticker for x in made.listings()] == ["TSLA"]
    assert len(toy.run(spec(), source=made)) > 20  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------ what is known when


def test_news_is_readable_at_the_close_of_its_date_as_finmem_read_it(file):
    market = Market.load(source(file), ["TSLA"], start=DAYS[5], end=DAYS[60], calendar=XNYS)
    tenth = XNYS.session(DAYS[10])
    titles = [item.title for item in market.view(tenth.close_at).news("TSLA", XNYS.session(DAYS[9]).close_at)]
    assert sorted(titles) == ["Factory 10 opens ahead of plan. Orders for its cars rise.", "Recall number 10 is announced."]
    assert market.view(tenth.close_at).news("TSLA", tenth.open_at) != ()
    before = market.view(datetime(tenth.day.year, tenth.day.month, tenth.day.day, 19, 59, tzinfo=UTC))
    assert before.news("TSLA", XNYS.session(DAYS[9]).close_at) == ()


def test_strict_news_waits_for_the_next_decision(file):
    market = Market.load(source(file, strict=True), ["TSLA"], start=DAYS[5], end=DAYS[60], calendar=XNYS)
    news = market.view(XNYS.session(DAYS[10]).close_at).news("TSLA", XNYS.session(DAYS[9]).close_at)
    assert sorted(item.title for item in news) == [
        "Factory 9 opens ahead of plan. Orders for its cars rise.",
        "Recall number 9 is announced.",
    ]
    assert source(file).fingerprint() != source(file, strict=True).fingerprint()


def test_on_an_early_close_news_is_readable_at_one_o_clock(file):
    friday = date(2022, 11, 25)  # the day after Thanksgiving
    frame = source(file).fetch("news", "TSLA", friday, date(2022, 11, 26)).frame
    assert {stamp.isoformat() for stamp in frame["available_at"]} == {"2022-11-25T18:00:00+00:00"}


def test_news_of_a_weekend_is_readable_at_the_end_of_that_day(tmp_path):
    days = finmem_file.dictionaries() | {date(2022, 10, 8): {"news": {"TSLA": ["Saturday"]}}}
    made = source(finmem_file.write(tmp_path / "e.pkl", days))
    frame = made.fetch("news", "TSLA", date(2022, 10, 8), date(2022, 10, 10)).frame
    assert [stamp.isoformat() for stamp in frame["available_at"]] == ["2022-10-09T04:00:00+00:00"]
    assert "no_weekends" not in {issue.code for issue in made.fetch("news", "TSLA", *WHOLE).issues}


def test_a_filing_is_readable_at_the_next_decision_after_its_date(file):
    market = Market.load(source(file), ["TSLA"], start=DAYS[5], end=DAYS[-5], calendar=XNYS)
    filed = XNYS.session(finmem_file.FILED["10-Q"])
    assert market.view(filed.close_at).filings("TSLA") == ()
    after = market.view(XNYS.next_session(filed.day).close_at).filings("TSLA")
    assert [(item.form, item.section) for item in after] == [("10-Q", "document")]


# ---------------------------------------------------------------------------------------------------------- one price a day


def test_a_bar_is_its_one_price_and_says_so(file):
    got = source(file).fetch("bars", "TSLA", *WHOLE)
    row = got.frame.iloc[3]
    assert [row[name] for name in ("open", "high", "low", "close", "volume")] == [203.0, 203.0, 203.0, 203.0, 0.0]
    assert set(got.frame["basis"]) == {"adjusted"}
    assert {issue.code for issue in got.issues} >= {"adjusted"}
    assert "adjusted" in source(file).note and "next close" in source(file).note


def test_an_order_for_the_next_open_fills_at_the_next_close(file):
    records = toy.run(spec(), source=source(file))  # type: ignore[arg-type]
    filled = [(record.day, fill.reference) for record in records for fill in record.fills]
    assert filled and all(reference == 200.0 + DAYS.index(day) for day, reference in filled)
    placed = [record for record in records if record.order]
    assert placed[0].day < filled[0][0]


def test_there_are_no_splits_and_dividends_to_ask_for(file):
    with pytest.raises(NotSupported, match="has no splits"):
        source(file).fetch("splits", "TSLA", *WHOLE)


# -------------------------------------------------------------------------------------------------------- covered, and gaps


def test_the_days_of_the_file_are_covered_and_a_ticker_without_news_has_no_source(file):
    made = source(file)
    low, high = made.fetch("news", "TSLA", *WHOLE).covered[0]
    assert (low.date(), high.date()) == (DAYS[0], date(2022, 12, 31))
    assert made.fetch("news", "AMZN", *WHOLE).covered == ()
    assert made.fetch("news", "TSLA", date(2022, 9, 1), date(2022, 9, 3)).covered[0][0].date() == date(2022, 9, 1)
    assert made.fetch("news", "TSLA", date(2020, 9, 1), date(2020, 9, 3)).covered == ()


def test_a_run_knows_which_tables_nobody_delivers(file):
    seen = toy.run(spec(tickers=["AMZN"]), source=source(file))[3].observation  # type: ignore[arg-type]
    assert seen.unsourced == ("news", "filings")
    assert toy.run(spec(), source=source(file))[3].observation.unsourced == ()  # type: ignore[arg-type]


def test_missing_prices_and_empty_texts_are_left_out_and_counted(tmp_path):
    days = finmem_file.dictionaries()
    days[DAYS[4]]["price"]["TSLA"] = float("nan")
    days[DAYS[5]]["news"]["TSLA"] = ["", float("nan"), "real"]
    made = source(finmem_file.write(tmp_path / "e.pkl", days))
    assert [issue.count for issue in made.fetch("bars", "TSLA", *WHOLE).issues if issue.code == "empty"] == [1]
    assert [issue.count for issue in made.fetch("news", "TSLA", *WHOLE).issues if issue.code == "empty"] == [2]
    assert any("no bar on 1 of" in issue.message for issue in made.fetch("bars", "TSLA", *WHOLE).issues)


# ------------------------------------------------------------------------------------------------------------------ refusals


class Evil:
    def __reduce__(self):
        return os.system, ("touch STRUCK",)


def test_a_file_that_would_call_something_is_refused_by_name_and_field(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = source(finmem_file.write(tmp_path / "env_data.pkl", {DAYS[0]: {"price": {"TSLA": Evil()}}}))
    for ask in (made.listings, lambda: made.fetch("bars", "TSLA", *WHOLE), made.fingerprint):
        with pytest.raises(SpecError, match=r"env_data\.pkl: The file asks for \w+\.system at byte") as error:
            ask()
        assert error.value.field == "source_options.path"
    assert not (tmp_path / "STRUCK").exists()


@pytest.mark.parametrize("year", [1, 1500, 9999])
def test_years_without_a_market_are_refused(tmp_path, year):
    made = source(finmem_file.write(tmp_path / "e.pkl", {date(year, 1, 3): {"price": {"TSLA": 1.0}}}))
    with pytest.raises(SpecError, match="years before 1900 or after 2200") as error:
        made.listings()
    assert error.value.field == "source_options.path"


def test_prices_of_days_to_come_are_refused(tmp_path):
    """In the middle of 2022-12-30 in New York, that day may have a price and the next session may not."""
    days = {day: {"price": {"TSLA": 100.0 + n}} for n, day in enumerate((date(2022, 12, 29), date(2022, 12, 30), date(2023, 1, 3)))}
    path = finmem_file.write(tmp_path / "e.pkl", days)
    made = FinMemSource(FinMemSource.Options(path=str(path)), Place(now=lambda: datetime(2022, 12, 30, 17, tzinfo=UTC)))
    assert len(made.fetch("bars", "TSLA", date(2022, 12, 29), date(2022, 12, 31)).frame) == 2
    with pytest.raises(SpecError, match="1 bar on a future date, first: 2023-01-03"):
        made.fetch("bars", "TSLA", date(2022, 12, 29), date(2023, 1, 10))


def test_two_prices_on_one_day_are_refused(tmp_path):
    made = source(
        finmem_file.write(tmp_path / "e.pkl", {"2022-10-06": {"price": {"TSLA": 1.0}}, date(2022, 10, 6): {"price": {"TSLA": 2.0}}})
    )
    with pytest.raises(SpecError, match="more than once"):
        made.listings()


@pytest.mark.parametrize(
    ("path", "kind"), [("missing.pkl", Unavailable), (".", SpecError), ("x" * 5000, Unavailable), ("a\0b", Unavailable)]
)
def test_a_path_that_is_no_file_is_said_so(tmp_path, monkeypatch, path, kind):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind) as error:
        source(path).listings()
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.pkl")
    with pytest.raises(SpecError, match="is not a file"):
        source(tmp_path / "pipe.pkl").listings()


def test_an_unknown_ticker_and_an_empty_range_have_their_errors(file):
    with pytest.raises(UnknownSymbol, match="Did you mean TSLA"):
        source(file).listing("TSLB")
    with pytest.raises(NoData, match="no price"):
        Market.load(source(file), ["TSLA"], start=date(2023, 6, 1), end=date(2023, 7, 1), calendar=XNYS)


def test_the_file_is_never_unpickled(file, monkeypatch):
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.delattr(pickle, name)
    assert source(file).listings()


# ------------------------------------------------------------------------------------------------------------------ headlines


LONG = "It is large, " * 12 + "they say."


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Short", ("Short", "")),
        ("Two sentences. Both short.", ("Two sentences. Both short.", "")),
        (f"Tesla opens a factory in Texas. {LONG}", ("Tesla opens a factory in Texas", LONG)),
        ("A line that is a title\nAnd then the text", ("A line that is a title", "And then the text")),
        (f"U.S. stocks fall on Monday as rates rise. {LONG}", ("U.S. stocks fall on Monday as rates rise", LONG)),
        ("a" * 400, ("a" * 160, "a" * 240)),
        ("", ("", "")),
    ],
)
def test_a_text_without_a_headline_gets_its_first_sentence(text, parts):
    assert headline(text) == parts


def letters(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum())


@pytest.mark.parametrize("text", ["word " * 300, "No end " * 200 + ".", "x\n" * 500, "a. B" * 300])
def test_no_word_of_a_text_is_lost(text):
    title, rest = headline(text)
    assert len(title) <= 160 and letters(title + rest) == letters(text)
