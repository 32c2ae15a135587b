"""What a person can do with market data, on the demo market and on files of their own."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from agent.errors import NoData, SpecError
from agent.market import upload
from agent.market.sessions import Calendar
from agent.spec import Part, RunSpec
from services import market_data, runs, wiring
from services.market_data import Choice
from services.settings import settings
from tests.agent import finmem_file, finsaber_folder

DEMO = Choice(source="demo")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def test_coverage_counts_every_row_of_the_window_once_and_knows_how_many_sessions_there_are():
    start, end = date(2022, 1, 3), date(2022, 12, 30)
    frame = market_data.coverage(DEMO, ["DMAUR", "DMCEL"], start, end)
    assert sorted(set(frame["label"])) == [f"2022-{month:02d}" for month in range(1, 13)]
    spec = RunSpec.read({"tickers": ["DMAUR"], "test": {"start": start, "end": end}})
    tape = wiring.market(spec, Calendar()).tapes["DMAUR"]
    bars = frame[(frame["ticker"] == "DMAUR") & (frame["table"] == "bars")]
    assert bars["count"].sum() == sum(start <= bar.day <= end for bar in tape.bars) == 251
    assert list(bars["full"]) == [20, 19, 23, 20, 21, 21, 20, 23, 21, 21, 21, 21], "New York sessions of 2022, month by month"
    filings = frame[(frame["ticker"] == "DMAUR") & (frame["table"] == "filings")]
    assert filings["count"].sum() == sum(start <= Calendar().session_of(item.available_at) <= end for item in tape.filings)


def test_a_short_window_is_covered_session_by_session_and_news_after_a_close_counts_for_the_next_session():
    frame = market_data.coverage(DEMO, ["DMAUR"], date(2022, 1, 14), date(2022, 1, 19))
    assert sorted(set(frame["label"])) == ["2022-01-14", "2022-01-18", "2022-01-19"], "the 17th is a holiday"
    assert set(frame[frame["table"] == "bars"]["count"]) == {1}
    spec = RunSpec.read({"tickers": ["DMAUR"], "test": {"start": "2022-01-14", "end": "2022-01-19"}})
    times = [item.available_at for item in wiring.market(spec, Calendar()).tapes["DMAUR"].news]
    friday, tuesday = (datetime(2022, 1, day, 21, tzinfo=UTC) for day in (14, 18))  # the close in New York
    news = frame[frame["table"] == "news"].set_index("label")["count"]
    assert news["2022-01-18"] == sum(friday < moment <= tuesday for moment in times) > 0


def prices(days: int = 60, symbol: str = "MINE", close: float = 50.0) -> bytes:
    """A price file as people have them, with a space in a header and no time zone to ask for."""
    sessions = Calendar().sessions(date(2024, 1, 2), date(2024, 12, 31))[:days]
    rows = [
        f"{s.day},{close + i:.2f},{close + i + 1:.2f},{close + i - 1:.2f},{close + i + 0.5:.2f},{1000 + i}" for i, s in enumerate(sessions)
    ]
    return ("Date,Open,High,Low,Close,Volume\n" + "\n".join(rows) + "\n").encode()


def mapped(body: bytes, name: str = "prices.csv", **said) -> upload.Mapping:
    seen = upload.look(body, name)
    return upload.Mapping.model_validate({"table": seen.table, "columns": seen.mapping, **said})


def test_coverage_tells_a_source_that_is_silent_from_no_source_at_all():
    """The demo market covers all its days; with news left out nobody can say whether there were any."""
    day = date(2022, 3, 7)
    frame = market_data.coverage(DEMO, ["DMAUR"], day, day + timedelta(days=30))
    assert set(frame[frame["table"] == "filings"]["state"]) <= {"none", "full", "part"}
    blind = market_data.coverage(Choice(source="demo", parts={"news": Part(source="none")}), ["DMAUR"], day, day + timedelta(days=30))
    assert set(blind[blind["table"] == "news"]["state"]) == {"no source"}


def test_what_could_be_known_ends_at_the_close_and_a_weekend_is_the_friday_before():
    found = market_data.known(DEMO, "DMAUR", date(2022, 3, 12))
    assert found.session.day == date(2022, 3, 11) and found.next_session == date(2022, 3, 14)
    assert found.bar is not None and found.bar.day == date(2022, 3, 11)
    before = datetime(2022, 3, 10, 21, tzinfo=UTC)
    assert all(before < item.available_at <= found.session.close_at for item in found.news) and found.unsourced == ()


def test_an_upload_becomes_a_dataset_that_runs_like_any_source(home):
    made, issues = market_data.add_file("my prices", prices(), "prices.csv", mapped(prices(), symbol="MINE", basis="traded"))
    assert made.name == "my prices" and not [issue for issue in issues if issue.severity == "error"]
    spec = RunSpec.read(
        {
            "source": "upload",
            "source_options": {"dataset": "my prices"},
            "tickers": ["MINE"],
            "test": {"start": "2024-01-10", "end": "2024-02-20"},
            "strategy": "hold",
        }
    )
    found = runs.preflight(spec)
    assert found.ok, [check.message for check in found.checks if not check.ok]
    assert wiring.market(spec, Calendar()).tapes["MINE"].bars[0].close == 50.5


def test_a_second_table_joins_the_dataset_and_a_table_that_is_there_is_not_overwritten_by_accident(home):
    market_data.add_file("mine", prices(), "prices.csv", mapped(prices(), symbol="MINE", basis="traded"))
    news = b"published_at,headline\n2024-01-10T15:00:00Z,Orders are up\n2024-01-11T15:00:00Z,Orders are down\n"
    made, _ = market_data.add_file("mine", news, "news.csv", mapped(news, "news.csv", symbol="MINE"))
    assert set(made.tables) == {"bars", "news"}
    with pytest.raises(SpecError, match="already has bars"):
        market_data.add_file("mine", prices(close=90), "prices.csv", mapped(prices(), symbol="MINE", basis="traded"))
    known = market_data.known(Choice(source="upload", options={"dataset": "mine"}), "MINE", date(2024, 1, 10))
    assert [item.title for item in known.news] == ["Orders are up"]


def test_what_a_source_served_can_be_kept_exported_and_read_back_as_the_same_rows(home, tmp_path):
    start, end = date(2022, 1, 3), date(2022, 6, 30)
    kept = market_data.save(DEMO, ["DMAUR", "DMCEL"], start, end, "half a year")
    assert kept.tables["bars"] == 2 * (252 + 124), "the year before is what indicators and the last annual report need"
    out = tmp_path / "out"
    market_data.export_dataset("half a year", out)
    for choice in (Choice(source="upload", options={"dataset": "half a year"}), Choice(source="folder", options={"path": str(out)})):
        for table in ("bars", "news", "filings", "splits", "dividends"):
            mine = choice.open().fetch(table, "DMAUR", start, end + timedelta(days=1)).frame
            theirs = DEMO.open().fetch(table, "DMAUR", start, end + timedelta(days=1)).frame
            pd.testing.assert_frame_equal(mine, theirs[list(mine.columns)].reset_index(drop=True), check_dtype=False)
    market_data.delete_dataset("half a year")
    assert market_data.datasets() == []


def test_one_bad_ticker_does_not_void_the_others(home):
    steps = list(market_data.refresh(DEMO, ["DMAUR", "NOSUCH", "DMCEL"], date(2022, 1, 3), date(2022, 2, 1)))
    states = {(step.ticker, step.ok) for step in steps}
    assert states == {("DMAUR", True), ("NOSUCH", False), ("DMCEL", True)}
    assert all("NOSUCH" in step.problem for step in steps if not step.ok)
    report = market_data.check(DEMO, ["NOSUCH", "DMAUR"], date(2022, 1, 3), date(2022, 2, 1))
    assert [issue.symbol for issue in report if issue.severity == "error"] == ["NOSUCH"]


def test_a_range_the_wrong_way_round_and_an_empty_range_are_sentences(home):
    with pytest.raises(SpecError, match="swap"):
        list(market_data.refresh(DEMO, ["DMAUR"], date(2022, 2, 1), date(2022, 1, 3)))
    with pytest.raises(NoData, match="not one price"):
        market_data.save(DEMO, ["DMAUR"], date(2030, 1, 1), date(2030, 2, 1), "nothing")


def test_a_source_that_needs_a_key_says_which_line_to_write(home, monkeypatch):
    for name in ("RECOLLECT_CONTACT", "RECOLLECT_FINNHUB_KEY", "RECOLLECT_ALPACA_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    settings.cache_clear()
    cures = {state.name: state.cure for state in market_data.states() if state.ok is False}
    assert cures["edgar"].startswith("RECOLLECT_CONTACT=") and cures["finnhub_news"].startswith("RECOLLECT_FINNHUB_KEY=")
    assert "RECOLLECT_ALPACA_KEY_ID=" in cures["alpaca_news"]


def test_an_import_of_a_folder_takes_only_the_tickers_that_were_named(home, tmp_path):
    source = tmp_path / "theirs"
    source.mkdir()
    body = b"symbol," + prices(symbol="AAA").replace(b"\n", b"\nAAA,")[:-4]
    (source / "prices.csv").write_bytes(body + b"\n" + body.split(b"\n", 1)[1].replace(b"AAA", b"BBB"))
    made = market_data.add_folder("two", "folder", Path(source), tickers=["BBB"])
    assert made.symbols == ("BBB",) and made.tables == {"bars": 60}
    with pytest.raises(SpecError, match="CCC"):
        market_data.add_folder("three", "folder", Path(source), tickers=["CCC"])


@pytest.mark.parametrize("kind", ["finmem", "finsaber"])
def test_a_file_of_another_tool_becomes_a_dataset_that_runs_and_keeps_its_warning(home, tmp_path, kind):
    """FinMem keeps dividend-adjusted closes only: that has to be said wherever its numbers are used, the copy included."""
    path = (
        finmem_file.write(tmp_path / "env_data.pkl", finmem_file.tuples("filing")) if kind == "finmem" else finsaber_folder.write(tmp_path)
    )
    made = market_data.add_folder(kind, kind, path)
    choice = Choice(source="upload", options={"dataset": kind})
    direct = market_data.check(Choice(source=kind, options={"path": str(path)}), list(made.symbols), made.first, made.last)
    copied = market_data.check(choice, list(made.symbols), made.first, made.last)
    assert {issue.code for issue in copied if issue.severity == "error"} == set()
    assert ("adjusted" in {issue.code for issue in copied}) == ("adjusted" in {issue.code for issue in direct}) == (kind == "finmem")
    assert choice.open().note == Choice(source=kind, options={"path": str(path)}).open().note
    known = market_data.known(choice, made.symbols[-1], made.last)
    assert known.bar is not None
