"""``data`` on the command line, over real HTTP to stand-ins for Yahoo and EDGAR: fetched, checked, kept, run on, exported, deleted."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import cli
from services import queries
from services.settings import settings
from tests.stand_ins.edgar import EdgarServer, example
from tests.stand_ins.yahoo import YahooStandIn

RANGE = ("--start", "2024-07-01", "--end", "2024-09-30")


@pytest.fixture(scope="module")
def yahoo():
    with YahooStandIn() as server:
        yield server


@pytest.fixture
def edgar():
    with EdgarServer([replace(example(), ticker="AAPL")]) as server:
        yield server


@pytest.fixture
def home(tmp_path, monkeypatch, yahoo, edgar):
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECOLLECT_YAHOO_URL", yahoo.url)
    monkeypatch.setenv("RECOLLECT_EDGAR_URL", edgar.url)
    monkeypatch.setenv("RECOLLECT_CONTACT", "tester@example.org")
    yahoo.reset()
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


def call(*args: str):
    return CliRunner().invoke(cli.app, ["data", *args])


def test_prices_from_yahoo_and_filings_from_edgar_are_fetched_kept_and_run_on_without_either(home, yahoo, edgar, monkeypatch, tmp_path):
    done = call("fetch", "--source", "yahoo", "--filings-from", "edgar", "--tickers", "AAPL", *RANGE, "--name", "summer", "--json")
    assert done.exit_code == 0, done.stderr
    steps = {step["table"]: step for step in json.loads(done.stdout)["steps"]}
    assert steps["bars"]["rows"] > 300 and steps["filings"]["rows"] >= 2 and steps["fundamentals"]["rows"] > 0
    monkeypatch.setenv("RECOLLECT_OFFLINE", "true")
    settings.cache_clear()
    asked = len(yahoo.log), len(edgar.paths)
    flags = ["--source", "upload:summer", "--tickers", "AAPL", "--test", "2024-08-01:2024-09-16", "--embedder", "hashing", "--json"]
    ran = CliRunner().invoke(cli.app, ["run", *flags])
    assert ran.exit_code == 0, ran.stderr
    run = json.loads(ran.stdout)["run"]
    assert (len(yahoo.log), len(edgar.paths)) == asked, "the dataset needs nobody"
    prompts = [call.user for row in queries.days(run, "AAPL")["day"] for call in queries.record(run, "AAPL", row).thought.calls]
    assert any("10-Q" in prompt and "Valuation at this close" in prompt for prompt in prompts)
    out = tmp_path / "out"
    assert CliRunner().invoke(cli.app, ["export", run, "--out", str(out)]).exit_code == 0
    with (out / "leaks.csv").open(encoding="utf-8", newline="") as file:
        margins = [float(row["margin_s"]) for row in csv.DictReader(file) if row["margin_s"]]
    assert margins and min(margins) >= 0
    assert json.loads((out / "leaks.json").read_text(encoding="utf-8"))


def test_one_bad_ticker_is_said_the_other_is_fetched_and_the_exit_code_tells(home):
    done = call("fetch", "--source", "yahoo", "--tickers", "AAPL,NOSUCHX", *RANGE)
    assert done.exit_code == 3
    assert "ok  AAPL bars: 3" in done.stderr and "BAD NOSUCHX bars" in done.stderr and "never heard" in done.stderr


def test_what_was_fetched_is_served_offline_and_what_was_not_says_the_cure(home, monkeypatch):
    assert call("fetch", "--source", "yahoo", "--tickers", "AAPL", *RANGE).exit_code == 0
    monkeypatch.setenv("RECOLLECT_OFFLINE", "true")
    settings.cache_clear()
    assert "AAPL bars: 3" in call("fetch", "--source", "yahoo", "--tickers", "AAPL", *RANGE).stderr
    unknown = call("fetch", "--source", "yahoo", "--tickers", "MSFT", *RANGE)
    assert unknown.exit_code == 3 and "RECOLLECT_OFFLINE" in unknown.stderr
    listed = json.loads(call("list", "--cache", "--json").stdout)
    assert {(row["source"], row["symbol"]) for row in listed} == {("yahoo", "AAPL")}


def test_a_file_is_imported_when_its_questions_are_answered_and_can_be_listed_exported_and_deleted(home, tmp_path):
    days = ["2024-07-01", "2024-07-02", "2024-07-03", "2024-07-05", "2024-07-15"]
    file = tmp_path / "mine.csv"
    file.write_text("Date,Open,High,Low,Last,Volume\n" + "".join(f"{d},10,11,9,{10 + i / 10},5\n" for i, d in enumerate(days)))
    asked = call("import", str(file), "--name", "mine")
    assert asked.exit_code == 2 and "--symbol" in asked.stderr
    done = call("import", str(file), "--name", "mine", "--symbol", "ACME", "--basis", "traded", "--column", "close=Last", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["tables"] == {"bars": 5}
    assert json.loads(call("list", "--json").stdout)[0]["symbols"] == ["ACME"]
    report = call("check", "--source", "upload:mine", "--start", "2024-07-01", "--end", "2024-07-15")
    assert report.exit_code == 0 and "no bar on 5 of 10 sessions" in report.stderr
    out = tmp_path / "out"
    assert call("export", "mine", "--out", str(out)).exit_code == 0
    assert call("check", "--source", f"folder:{out}", "--start", "2024-07-01", "--end", "2024-07-15").exit_code == 0
    assert call("delete", "mine", "--yes").exit_code == 0
    assert json.loads(call("list", "--json").stdout) == []


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("fetch", "--source", "yaho", "--tickers", "A", *RANGE), 2, "yahoo"),
        (("fetch", "--source", "yahoo", "--tickers", " ", *RANGE), 2, "--tickers"),
        (("fetch", "--source", "yahoo", "--tickers", "A", "--start", "July", "--end", "2024-09-30"), 2, "--start"),
        (("fetch", "--source", "yahoo", "--tickers", "A", "--start", "2024-09-30", "--end", "2024-07-01"), 2, "swap"),
        (("import", "no such file.csv", "--name", "x"), 2, "does not exist"),
        (("export", "nothing", "--out", "x"), 2, "nothing"),
        (("delete", "nothing", "--yes"), 2, "nothing"),
        (("delete", "../..", "--yes"), 2, "name"),
        (("check", "--source", "upload:nothing", "--start", "2024-07-01", "--end", "2024-07-15"), 3, "nothing"),
    ],
)
def test_bad_input_is_one_sentence_and_its_exit_code(home, args, code, words):
    done = call(*args)
    assert done.exit_code == code and words in done.stderr and "Traceback" not in done.stderr, done.stderr
