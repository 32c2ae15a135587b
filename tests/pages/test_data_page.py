"""The Data page: every part draws, says what is wrong beside the field it is about, and does what its buttons say."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from agent.market import upload
from agent.market.sessions import Calendar
from services import market_data
from services.market_data import Choice
from services.settings import settings
from tests.pages.conftest import address
from tests.stand_ins.yahoo import YahooStandIn
from ui import data_market, data_sets

WEEK = {"tickers": "DMAUR", "from": "2023-12-01", "to": "2023-12-29"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home of this test's own; nothing the page found out earlier."""
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    monkeypatch.delenv("RECOLLECT_CONTACT", raising=False)
    settings.cache_clear()
    data_market.look_again()
    yield tmp_path / "home"
    settings.cache_clear()
    data_market.look_again()


def widget(at: AppTest, kind: str, label: str):
    return next(item for item in getattr(at, kind) if item.label == label)


def button(at: AppTest, key: str):
    return next(item for item in at.button if item.key == key)


def words(at: AppTest) -> str:
    return "\n".join(str(item.value) for item in (*at.text, *at.code, *at.caption, *at.subheader, *at.markdown, *at.warning, *at.success))


def table(at: AppTest, column: str) -> pd.DataFrame:
    return next(item.value for item in at.dataframe if column in item.value.columns)


def prices(days: int = 20, *, close: float = 50.0, order: str = "%Y-%m-%d") -> bytes:
    """A CSV of one ticker without a symbol column, from 2024-01-02."""
    sessions = Calendar().sessions(date(2024, 1, 2), date(2024, 12, 31))[:days]
    rows = [
        f"{s.day:{order}},{close + i:.2f},{close + i + 1:.2f},{close + i - 1:.2f},{close + i + 0.5:.2f},{1000 + i}"
        for i, s in enumerate(sessions)
    ]
    return ("Date,Open,High,Low,Close,Volume\n" + "\n".join(rows) + "\n").encode()


def brought(at: AppTest, body: bytes, name: str = "prices.csv") -> AppTest:
    at.file_uploader[0].set_value((name, body, "text/csv")).run()
    assert not at.exception, at.exception
    return at


def answered(at: AppTest, **said: str) -> AppTest:
    """Answer the questions by their labels' first words."""
    labels = {"symbol": "Which ticker is it?", "basis": "What are its prices?", "zone": "In which time zone are its times?"}
    labels["day_order"] = "In which order are its days written?"
    for name, value in said.items():
        kind = "text_input" if name == "symbol" else "selectbox"
        widget(at, kind, labels[name]).set_value(value)
    at.run()
    assert not at.exception, at.exception
    return at


def kept(name: str = "mine", tickers: tuple[str, ...] = ("DMAUR",)) -> None:
    market_data.save(Choice(source="demo"), tickers, date(2023, 12, 1), date(2023, 12, 29), name)


# -------------------------------------------------------------------------------------------------------------------------- look


def test_a_first_visitor_sees_the_demo_market_at_once(home, open_page):
    at = open_page("data")
    assert at.title[0].value == "Data" and at.get("plotly_chart"), "the calendar is drawn without a single choice"
    assert address(at, "source") == "demo" and address(at, "tickers") == "DMAUR,DMBRS"
    said = words(at)
    assert "Knowledge ends at the close of Fri 2023-12-29, 16:00 New York (21:00 UTC)" in said
    assert "no source: nobody can say" in said and "nothing happened: the source looked" in said, "the legend is in words"
    assert "126 prices" in said, "two tickers, 63 sessions"


def test_a_link_shows_the_same_day_and_a_weekend_is_the_session_before_with_a_sentence(home, open_page):
    at = open_page("data", source="demo", ticker="DMAUR", day="2023-12-24", **WEEK)
    said = words(at)
    assert "2023-12-24 (Sunday) is no session of XNYS; this is the session before it, 2023-12-22 (Friday)." in said
    assert "published" in said and "readable" in said and "UTC" in said
    button(at, "data_turn_K").click().run()
    assert address(at, "day") == "2023-12-26" and "Knowledge ends at the close of Tue 2023-12-26" in words(at)
    button(at, "data_turn_J").click().run()
    assert address(at, "day") == "2023-12-22"


def test_an_early_close_ends_knowledge_at_its_own_hour(home, open_page):
    at = open_page("data", source="demo", tickers="DMAUR", day="2023-11-24", **{"from": "2023-11-01", "to": "2023-11-30"})
    assert "13:00 New York (18:00 UTC)" in words(at)


def test_a_table_nobody_delivers_is_said_to_have_no_source_and_not_to_be_empty(home, open_page):
    blind = json.dumps({"source": "demo", "parts": {"news": {"source": "none"}}})
    at = open_page("data", source=blind, day="2023-12-20", **WEEK)
    said = words(at)
    assert "No source of news covers the time since the last close" in said and "No source for news in" in said
    assert "No filing: the source looked" in said, "the demo market covers its filings"
    assert widget(at, "selectbox", "News").value == "none"


def test_a_filing_is_read_section_by_section(home, open_page):
    choice = Choice(source="demo")
    fetched = choice.open().fetch("filings", "DMAUR", date(2023, 10, 1), date(2023, 12, 29)).frame
    day = Calendar().session_of(fetched["available_at"].iloc[0].to_pydatetime())
    at = open_page("data", source="demo", day=str(day), tickers="DMAUR", **{"from": "2023-10-01", "to": "2023-12-29"})
    names = [item.label for item in at.expander if "characters" in item.label]
    assert names and names[0].startswith(fetched["form"].iloc[0])
    assert fetched["text"].iloc[0][:40] not in words(at), "folded until it is opened"
    at.session_state["_data_section_0"] = True
    at.run()
    assert fetched["text"].iloc[0][:40] in words(at)


def test_a_start_after_the_end_is_said_beside_the_days_and_nothing_typed_is_lost(home, open_page):
    at = open_page("data", source="demo", tickers="DMCEL", **{"from": "2023-12-29", "to": "2023-12-01"})
    assert "The start 2023-12-29 is after the end 2023-12-01; swap them." in words(at) and not at.get("plotly_chart")
    assert at.multiselect[0].value == ["DMCEL"]
    widget(at, "date_input", "From").set_value(date(2023, 11, 1)).run()
    assert at.get("plotly_chart") and address(at, "from") == "2023-11-01" and address(at, "tickers") == "DMCEL"


def test_a_link_to_a_source_that_does_not_exist_is_said_and_the_demo_shown(home, open_page):
    at = open_page("data", source="nosuch")
    assert "nosuch" in words(at) and at.get("plotly_chart")
    gone = open_page("data", source="upload:never-was")
    assert "There is no dataset 'never-was' on this machine." in words(gone) and gone.get("plotly_chart")


def test_a_folder_that_is_not_there_is_said_beside_its_path(home, open_page):
    at = open_page("data", source="folder:/no/such/folder")
    assert "/no/such/folder" in words(at) and not at.get("plotly_chart")
    assert widget(at, "text_input", "Path").value == "/no/such/folder"


def test_text_from_a_file_is_never_read_as_markup(home, open_page, tmp_path):
    (tmp_path / "prices.csv").write_bytes(b"symbol,date,open,high,low,close,volume\nEVIL,2024-01-02,1,2,1,2,5\nEVIL,2024-01-03,1,2,1,2,5\n")
    evil = "![x](http://evil.test/a.png) [click](http://evil.test) <b>bold</b> $x$"
    pd.DataFrame(
        {
            "symbol": ["EVIL"],
            "published_at": ["2024-01-03T15:00:00Z"],
            "title": [evil],
            "summary": [evil],
            "publisher": [evil],
            "url": [""],
            "id": ["1"],
        }
    ).to_csv(tmp_path / "news.csv", index=False)
    at = open_page("data", source=f"folder:{tmp_path}", day="2024-01-03", **{"from": "2024-01-02", "to": "2024-01-04"})
    assert any(evil in item.value for item in at.text)
    ours = re.compile(r"!\[\]\(data:image/svg\+xml;base64,[\w+/=]+\)")  # the legend of the calendar
    marked = [ours.sub("", item.value) for item in (*at.caption, *at.markdown, *at.warning)]
    assert not [value for value in marked if "](" in value or "<b>" in value or "$" in value]


# ----------------------------------------------------------------------------------------------------------------------- quality


def test_clean_rows_are_said_to_be_clean_with_what_was_looked_for(home, open_page):
    at = open_page("data", tab="quality", source="demo", **WEEK)
    said = words(at)
    assert "Nothing odd found" in said and "without a split or dividend" in said and not at.get("plotly_chart")


def test_the_report_names_a_missing_session_and_an_unrecorded_split(home, open_page, tmp_path):
    frame = pd.read_csv(io.BytesIO(prices(30)))
    frame = frame[frame["Date"] != "2024-01-10"].rename(columns=str.lower).assign(symbol="ODD")
    late = frame["date"] >= "2024-01-22"
    frame.loc[late, ["open", "high", "low", "close"]] /= 3
    frame.to_csv(tmp_path / "prices.csv", index=False)
    at = open_page("data", tab="quality", source=f"folder:{tmp_path}", **{"from": "2024-01-02", "to": "2024-02-10"})
    said = words(at)
    assert "2024-01-10" in said and "looks like an unadjusted 3:1 split" in said
    assert "0 errors" in said and "Nothing here stops a run" in said


def test_rows_that_cannot_be_traded_on_are_errors_and_come_first(home, open_page, tmp_path):
    frame = pd.read_csv(io.BytesIO(prices(10))).rename(columns=str.lower).assign(symbol="BAD")
    frame.loc[3, "high"] = 1.0
    frame.to_csv(tmp_path / "prices.csv", index=False)
    at = open_page("data", tab="quality", source=f"folder:{tmp_path}", **{"from": "2024-01-02", "to": "2024-01-12"})
    assert "1 error" in words(at) and "high is below its open, low or close" in words(at)


# ----------------------------------------------------------------------------------------------------------------- fetch and keep


def test_one_bad_ticker_does_not_stop_the_others(home, open_page, monkeypatch):
    with YahooStandIn() as yahoo:
        monkeypatch.setenv("RECOLLECT_YAHOO_URL", yahoo.url)
        settings.cache_clear()
        at = open_page("data", tab="fetch", source="yahoo", tickers="AAPL,ZZ404", **{"from": "2024-03-04", "to": "2024-03-15"})
        button(at, "data_fetch").click().run()
        assert not at.exception, at.exception
        outcome = table(at, "state").set_index("ticker")
        assert outcome.loc["AAPL", "state"] == "✓ fetched" and outcome.loc["AAPL", "prices"] >= 10
        assert outcome.loc["ZZ404", "state"] == "✗ failed"
        said = words(at)
        assert "1 fetched" in said and "1 with trouble" in said and "ZZ404" in said
        widget(at, "text_input", "Name of the dataset").set_value("the good one")
        button(at, "data_keep").click().run()
        assert "Left out, because they could not be fetched: ZZ404." in words(at)
        assert [item.symbols for item in market_data.datasets()] == [("AAPL",)]
        look = open_page("data", source="yahoo", tickers="AAPL,ZZ404", day="2024-03-15", **{"from": "2024-03-04", "to": "2024-03-15"})
        assert look.get("plotly_chart") and "Knowledge ends at the close of Fri 2024-03-15" in words(look)


def test_a_network_source_is_asked_only_on_purpose(home, open_page, monkeypatch):
    with YahooStandIn() as yahoo:
        monkeypatch.setenv("RECOLLECT_YAHOO_URL", yahoo.url)
        settings.cache_clear()
        at = open_page("data")
        widget(at, "selectbox", "Source or dataset").set_value("yahoo").run()
        assert "Type one or more tickers" in words(at)
        widget(at, "text_input", "Tickers").set_value("aapl").run()
        assert not at.get("plotly_chart") and button(at, "data_show"), "typing asks nobody"
        widget(at, "date_input", "From").set_value(date(2024, 3, 4))
        widget(at, "date_input", "To (included)").set_value(date(2024, 3, 15)).run()
        button(at, "data_show").click().run()
        assert not at.exception and at.get("plotly_chart") and address(at, "tickers") == "AAPL"


def test_what_a_source_serves_is_kept_under_a_name_and_can_be_looked_at(home, open_page):
    at = open_page("data", tab="fetch", source="demo", **WEEK)
    button(at, "data_keep").click().run()
    assert "Give the dataset a name" in words(at)
    widget(at, "text_input", "Name of the dataset").set_value("../escape").run()
    button(at, "data_keep").click().run()
    assert not at.exception and market_data.datasets() == [] and "escape" in words(at)
    assert widget(at, "text_input", "Name of the dataset").value == "../escape", "what was typed stays"
    widget(at, "text_input", "Name of the dataset").set_value("december").run()
    button(at, "data_keep").click().run()
    assert not at.exception and [item.name for item in market_data.datasets()] == ["december"]
    look = open_page("data", source="upload:december")
    assert look.multiselect[0].value == ["DMAUR"] and look.get("plotly_chart")


# ------------------------------------------------------------------------------------------------------------------------ import


def test_a_csv_becomes_a_dataset_that_can_be_looked_at(home, open_page):
    at = brought(open_page("data", tab="import"), prices())
    said = words(at)
    assert "20 rows, 6 columns, CSV, encoding utf-8, separated by commas" in said
    assert widget(at, "selectbox", "close (needed)").value == "Close" and widget(at, "selectbox", "symbol").value == "(not in the file)"
    assert "In which time zone are its times?" not in [item.label for item in at.selectbox], "prices have days, not times"
    assert "Answer what is asked above" in said and not [item for item in at.button if item.key == "data_file_save"]
    answered(at, symbol="mine", basis="traded")
    assert "20 rows of prices for MINE, 2024-01-02 to 2024-01-30." in words(at)
    button(at, "data_file_save").click().run()
    assert "Give the dataset a name" in words(at) and widget(at, "text_input", "Which ticker is it?").value == "mine"
    widget(at, "text_input", "Name of the dataset").set_value("my prices")
    button(at, "data_file_save").click().run()
    assert not at.exception, at.exception
    (made,) = market_data.datasets()
    assert made.name == "my prices" and made.tables["bars"] == 20
    look = open_page("data", source="upload:my prices", day="2024-01-30")
    assert look.get("plotly_chart") and "MINE · XNYS · USD" in words(look)


def test_a_wrong_column_is_said_beside_its_field_and_nothing_typed_is_lost(home, open_page):
    at = answered(brought(open_page("data", tab="import"), prices()), symbol="MINE", basis="traded")
    widget(at, "selectbox", "volume (needed)").set_value("(not in the file)").run()
    assert "Say which column of prices.csv holds volume." in words(at) and button(at, "data_file_save").disabled
    widget(at, "selectbox", "volume (needed)").set_value("Date").run()
    assert not at.exception and button(at, "data_file_save").disabled and "Date" in words(at)
    assert widget(at, "text_input", "Which ticker is it?").value == "MINE"
    widget(at, "selectbox", "volume (needed)").set_value("Volume").run()
    assert not button(at, "data_file_save").disabled


def test_news_without_a_zone_asks_for_it_and_assumes_none(home, open_page):
    body = b"ticker,datetime,headline\nMINE,2024-01-03 15:30,Orders double\nMINE,2024-01-04 09:10,Orders halve\n"
    at = brought(open_page("data", tab="import"), body, "news.csv")
    zone = widget(at, "selectbox", "In which time zone are its times?")
    assert zone.value is None, "no zone is assumed"
    assert zone.options[0] == "America/New_York" and "Europe/Zurich" in zone.options
    answered(at, zone="America/New_York")
    assert "2 rows of news for MINE" in words(at) and not button(at, "data_file_save").disabled


def test_days_that_could_be_months_are_asked_and_rows_that_cannot_be_traded_on_stop_the_save(home, open_page):
    at = brought(open_page("data", tab="import"), prices(8, order="%d/%m/%Y"))
    answered(at, symbol="MINE", basis="traded", day_order="dmy")
    assert "2024-01-02 to 2024-01-11" in words(at)
    broken = prices(5).replace(b"51.50", b"-3.00")
    at = answered(brought(open_page("data", tab="import"), broken, "broken.csv"), symbol="MINE", basis="traded")
    assert "zero or negative" in words(at) and button(at, "data_file_save").disabled


def test_a_file_that_is_no_table_gets_a_sentence(home, open_page):
    at = brought(open_page("data", tab="import"), b"PK\x03\x04whatever", "book.csv")
    assert "Excel workbook or zip" in words(at)
    at = brought(open_page("data", tab="import"), b"\x80\x04cos\nsystem\n(S'true'\ntR.", "data.csv")
    assert "pickle" in words(at)


def test_a_folder_of_tables_is_imported_whole(home, open_page, tmp_path):
    kept("source")
    market_data.export_dataset("source", tmp_path / "out")
    at = open_page("data", tab="import")
    at.session_state["data_import_kind"] = "folder"
    at.run()
    widget(at, "text_input", "Path on this machine").set_value(str(tmp_path / "nowhere")).run()
    assert "does not exist" in words(at)
    widget(at, "text_input", "Path on this machine").set_value(str(tmp_path / "out")).run()
    assert "It holds 1 ticker" in words(at)
    widget(at, "text_input", "Name of the dataset").set_value("again")
    button(at, "data_whole_import").click().run()
    assert not at.exception and {item.name for item in market_data.datasets()} == {"source", "again"}


def test_an_uploaded_finmem_file_is_read_without_unpickling_and_leaves_no_copy_behind(home, open_page, tmp_path, monkeypatch):
    import pickle
    import tempfile

    days = [session.day for session in Calendar().sessions(date(2024, 1, 2), date(2024, 1, 31))]
    data = {
        day: {"price": {"TSLA": 200.0 + n}, "news": {"TSLA": [f"Item {n}"]}, "filing_k": {}, "filing_q": {}} for n, day in enumerate(days)
    }
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    at = open_page("data", tab="import")
    at.session_state["data_import_kind"] = "finmem"
    at.run()
    brought(at, pickle.dumps(data), "env_data.pkl")
    assert "It holds 1 ticker, 2024-01-02 to 2024-01-31." in words(at), words(at)
    widget(at, "text_input", "Name of the dataset").set_value("finmem")
    button(at, "data_whole_import").click().run()
    assert not at.exception, at.exception
    (made,) = market_data.datasets()
    assert made.name == "finmem" and made.tables["bars"] == len(days)
    assert not [item for item in tmp_path.iterdir() if item.name.startswith("recollect-")], "the private copy is gone"


# ---------------------------------------------------------------------------------------------------------------------- datasets


def test_a_dataset_without_prices_can_only_be_added_to_another_source(home, open_page):
    body = b"ticker,datetime,headline\nDMAUR,2023-12-20T15:30:00Z,Orders double\n"
    seen = upload.look(body, "news.csv")
    market_data.add_file("notes", body, "news.csv", upload.Mapping(table="news", columns=seen.mapping))
    at = open_page("data", tab="datasets")
    assert "It has no prices yet" in words(at)
    look = open_page("data", source="upload:notes")
    assert "has no prices of its own" in words(look) and look.get("plotly_chart")
    mixed = json.dumps({"source": "demo", "parts": {"news": {"source": "upload", "options": {"dataset": "notes"}}}})
    look = open_page("data", source=mixed, day="2023-12-20", **WEEK)
    assert "Orders double" in words(look) and widget(look, "selectbox", "News").value == "upload:notes"


def test_no_dataset_yet_says_what_to_do(home, open_page):
    assert "No dataset yet" in words(open_page("data", tab="datasets"))


def test_a_dataset_is_listed_downloaded_as_a_zip_written_as_a_folder_and_deleted_after_a_warning(home, open_page, tmp_path):
    kept("december", ("DMAUR", "DMBRS"))
    at = open_page("data", tab="datasets")
    row = table(at, "tickers").iloc[0]
    assert (row["name"], row["tickers"], row["state"]) == ("december", "DMAUR, DMBRS", "✓ usable")
    assert zipfile.ZipFile(io.BytesIO(data_sets.zipped("december"))).namelist()[0].startswith("december/")
    widget(at, "text_input", "Or write it into this folder").set_value(str(tmp_path / "out")).run()
    button(at, "data_write").click().run()
    assert "Written to" in words(at)
    assert [item.ticker for item in Choice(source="folder", options={"path": str(tmp_path / "out")}).open().listings()] == [
        "DMAUR",
        "DMBRS",
    ]
    renamed = open_page("data", tab="datasets")
    widget(renamed, "text_input", "New name").set_value("../up").run()
    button(renamed, "data_rename_yes").click().run()
    assert "is no name for a dataset" in words(renamed)
    widget(renamed, "text_input", "New name").set_value("year end").run()
    button(renamed, "data_rename_yes").click().run()
    assert not renamed.exception and [item.name for item in market_data.datasets()] == ["year end"]
    at = open_page("data", tab="datasets", dataset="year end")
    button(at, "data_delete").click().run()
    assert "will be removed from this machine" in words(at) and "prices" in words(at) and market_data.datasets()
    button(at, "data_delete_no").click().run()
    assert market_data.datasets() and "Delete for ever" not in words(at)
    button(at, "data_delete").click().run()
    button(at, "data_delete_yes").click().run()
    assert not at.exception and market_data.datasets() == [] and "year end is gone" in words(at)


# ----------------------------------------------------------------------------------------------------------------------- sources


def test_every_source_says_what_it_has_and_what_it_misses(home, open_page):
    at = open_page("data", tab="sources")
    assert "RECOLLECT_CONTACT=you@example.org" in words(at) and "SEC asks every program for a contact address, and none is set." in words(
        at
    )
    assert "Nothing is cached yet" in words(at)
    assert [item.key for item in at.button if item.key.startswith("data_probe")] == ["data_probe_all", "data_probe_yahoo"], (
        "the others lack a key"
    )


def test_a_paused_source_says_until_when(home, open_page):
    where = settings().market_cache / "yahoo"
    where.mkdir(parents=True)
    until = datetime.now(UTC) + timedelta(minutes=9, seconds=30)
    (where / "breaker.json").write_text(json.dumps({"until": until.isoformat(), "reason": "it asked for a pause"}))
    at = open_page("data", tab="sources")
    assert "paused" in words(at) and f"{until:%Y-%m-%d %H:%M} UTC, in 10 min" in words(at) and "it asked for a pause" in words(at)


def test_a_source_answers_when_asked_and_its_cache_is_forgotten_only_after_a_warning(home, open_page, monkeypatch):
    with YahooStandIn() as yahoo:
        monkeypatch.setenv("RECOLLECT_YAHOO_URL", yahoo.url)
        settings.cache_clear()
        list(market_data.refresh(Choice(source="yahoo"), ["AAPL"], date(2024, 3, 4), date(2024, 3, 15)))
        at = open_page("data", tab="sources")
        assert "not asked yet" in words(at)
        button(at, "data_probe_yahoo").click().run()
        assert "Answers (AAPL" in words(at)
    assert set(table(at, "fetched")["ticker"]) == {"AAPL"}
    button(at, "data_forget").click().run()
    assert "will be deleted" in words(at) and not market_data.held().empty
    button(at, "data_forget_yes").click().run()
    assert not at.exception and market_data.held().empty and "Nothing is cached yet" in words(at)
