"""The command line: bad input is one clear sentence with exit code 2, what is not there is 3, and data goes to stdout alone."""

from __future__ import annotations

import json
import socket

import pandas as pd
import pytest
from typer.testing import CliRunner

import cli
from services import runs
from services.settings import settings
from tests.stand_ins.ollama_server import OllamaStandIn

GOOD = {
    "--source": "demo",
    "--tickers": "DMAUR",
    "--train": "2022-01-03:2022-01-14",
    "--test": "2022-01-18:2022-02-11",
    "--embedder": "hashing",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


def call(*args: str):
    return CliRunner().invoke(cli.app, list(args))


def run(**changes: str | None):
    flags = {**GOOD, **{f"--{key}": value for key, value in changes.items()}}
    return call("run", *(part for key, value in flags.items() if value is not None for part in (key, value)))


def folder(tmp_path, rows=None, **columns):
    days = pd.to_datetime(["2022-01-03", "2022-01-04", "2022-01-05", "2022-01-06"])
    frame = pd.DataFrame({"symbol": "ABC", "date": days, "open": 10.0, "high": 11.0, "low": 9.0, "close": 10.0, "volume": 5})
    for name, values in columns.items():
        frame[name] = values
    where = tmp_path / "data"
    where.mkdir(exist_ok=True)
    frame.to_parquet(where / "prices.parquet")
    return where


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tickers": "DMAUX"}, ["DMAUX", "DMAUR"]),
        ({"tickers": "DMAUR,DMAUR"}, ["tickers", "twice"]),
        ({"tickers": None}, ["tickers"]),
        ({"test": "2022-01-15:2022-01-17"}, ["2022-01-15", "session"]),
        ({"test": "2022-02-11:2022-01-18"}, ["test", "after the end"]),
        ({"test": "soon"}, ["--test", "START:END"]),
        ({"train": "2022-03-01:2022-03-31"}, ["train", "after the test window"]),
        ({"train": "2022-01-03:2022-01-20"}, ["train", "overlaps"]),
        ({"preset": "finmem-papr"}, ["preset", "finmem-paper"]),
        ({"backend": "olama"}, ["backend", "ollama"]),
        ({"source": "folder:/nowhere/at/all"}, ["/nowhere/at/all"]),
        ({"strategy": "hodl"}, ["strategy", "hold"]),
        ({"embedder": "mini"}, ["embedder", "minilm"]),
        ({"character": "brave"}, ["character"]),
        ({"seed": "-1"}, ["seed"]),
    ],
)
def test_bad_input_is_named_and_exits_with_2(home, changes, words):
    found = run(**changes)
    assert found.exit_code in ((2, 3) if "source" in changes else (2,)), found.output
    assert all(word in found.output for word in words), found.output
    assert "Traceback" not in found.output
    assert not (home / "runs.db").exists() or not runs.store().runs()


def test_an_unknown_key_in_a_spec_file_is_named(home, tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"tickers": ["DMAUR"], "tset": {}, "test": {"start": "2022-01-18", "end": "2022-02-11"}}))
    found = call("run", "--spec", str(spec))
    assert found.exit_code == 2 and "tset" in found.output and "known key" in found.output


@pytest.mark.parametrize("text", ["{broken", "[1]", "just words"])
def test_a_spec_file_that_cannot_be_read_is_named(home, tmp_path, text):
    spec = tmp_path / "spec.json"
    spec.write_text(text)
    found = call("run", "--spec", str(spec))
    assert found.exit_code == 2 and "spec.json" in found.output


def test_a_negative_price_a_missing_column_and_an_unreadable_file_are_refused_with_the_place(home, tmp_path):
    window = {"tickers": "ABC", "train": None, "test": "2022-01-03:2022-01-06"}
    where = folder(tmp_path, close=[10.0, -1.0, 10.0, 10.0])
    found = run(source=f"folder:{where}", **window)
    assert found.exit_code == 2 and "ABC" in found.output and "2022-01-04" in found.output
    pd.read_parquet(where / "prices.parquet").drop(columns="close").to_parquet(where / "prices.parquet")
    found = run(source=f"folder:{where}", **window)
    assert found.exit_code == 2 and "close" in found.output
    (where / "prices.parquet").write_bytes(b"PAR1 not really")
    found = run(source=f"folder:{where}", **window)
    assert found.exit_code in (2, 3) and "prices.parquet" in found.output


def test_ollama_that_does_not_run_exits_with_3_and_the_cure(home, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("OLLAMA_HOST", f"http://127.0.0.1:{port}")
    found = run(backend="ollama", model="qwen3:8b")
    assert found.exit_code == 3 and "ollama serve" in found.output


def test_a_model_that_is_not_installed_exits_with_3_and_the_pull_command(home, monkeypatch):
    with OllamaStandIn() as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        found = run(backend="ollama", model="nobody:7b")
    assert found.exit_code == 3 and "ollama pull nobody:7b" in found.output


def test_a_data_folder_that_cannot_be_written_exits_with_3(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path / "file" / "home"))
    settings.cache_clear()
    found = run()
    settings.cache_clear()
    assert found.exit_code == 3 and str(tmp_path / "file" / "home") in found.output


def test_a_bad_setting_is_named_by_its_variable(monkeypatch):
    monkeypatch.setenv("RECOLLECT_HEARTBEAT_S", "soon")
    settings.cache_clear()
    found = call("runs")
    settings.cache_clear()
    assert found.exit_code == 2 and "RECOLLECT_HEARTBEAT_S" in found.output


def test_run_list_show_export_and_delete_tell_one_story(home, tmp_path):
    done = run(json=None)
    assert done.exit_code == 0, done.output
    listed = json.loads(call("runs", "--json").stdout)
    assert [row["status"] for row in listed] == ["done"]
    name = listed[0]["run"]
    shown = json.loads(call("show", name[:5], "--json").stdout)
    assert shown["summary"]["test_days"] == 19 and shown["summary"]["coverage"] == 1.0
    day = json.loads(call("show", name, "--day", "2022-01-20", "--json").stdout)
    assert day["ticker"] == "DMAUR" and day["thought"]["recalls"]
    written = call("export", name, "--out", str(tmp_path / "out"), "--json")
    assert written.exit_code == 0, written.output
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {
        *("spec.json", "manifest.json", "days.jsonl", "memory_events.jsonl", "trades.csv", "orders.csv", "rejected_orders.csv"),
        *("equity.csv", "benchmark.csv", "metrics.json", "llm_calls.jsonl", "leaks.json", "leaks.csv", "vectors.npz", "annotations.json"),
    }
    days = [json.loads(line) for line in (tmp_path / "out" / "days.jsonl").read_text().splitlines()]
    assert all(
        recall["score"] == pytest.approx(recall["similarity"] + recall["recency"] + recall["importance"])
        for d in days
        for recall in d["thought"]["recalls"]
    )
    assert call("export", name, "--out", str(tmp_path / "out")).exit_code == 2
    runs.delete(name)
    assert json.loads(call("runs", "--json").stdout) == []
    assert call("show", name).exit_code == 2


def test_a_run_with_ollama_over_http_is_recorded_with_the_model_that_answered(home, monkeypatch):
    with OllamaStandIn() as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        model = server.models[0].name if not isinstance(server.models, dict) else next(iter(server.models))
        done = run(backend="ollama", model=model)
        assert done.exit_code == 0, done.output
        asked = [chat.body for chat in server.chats]
    assert len(asked) >= 19 and all(body["options"]["num_ctx"] and "seed" in body["options"] for body in asked if body.get("messages"))
    row = runs.store().runs()[0]
    assert row.provenance["model"]["digest"] and row.summary["coverage"] == 1.0
    assert "the model itself decided 100% of the test days" in done.output
    store = runs.store()
    store.set_summary(row.id, {**row.summary, "coverage": 0.9499})
    shown = CliRunner().invoke(cli.app, ["show", row.id]).output
    assert "decided 94% of the test days" in shown and "mind: coverage 94 %" in shown
    assert row.summary["prompt_tokens"] > 0


def test_a_test_window_without_one_price_is_refused_instead_of_ending_at_0_percent(home, tmp_path):
    found = run(source=f"folder:{folder(tmp_path)}", tickers="ABC", train="2022-01-03:2022-01-06", test="2022-02-01:2022-02-04")
    assert found.exit_code == 2 and "ABC has no price in the test window 2022-02-01..2022-02-04" in found.output
    assert not (home / "runs.db").exists() or not runs.store().runs()


@pytest.mark.parametrize(("end", "words"), [("2039-12-31", "calendar ends"), ("9999-12-31", "between 1900 and 2100")])
def test_a_window_beyond_the_calendar_is_refused_before_the_first_day(home, end, words):
    found = run(test=f"2022-01-18:{end}")
    assert found.exit_code == 2 and words in found.output


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("spec.json", "[" * 100_000, "nested too deeply"),
        ("spec.yaml", "[" * 5_000, "nested too deeply"),
        ("spec.yaml", "tickers: DMAUR\ntest: {start: 2022-01-18, end: 2022-02-11}", "tickers: must be a list"),
        ("spec.yaml", "tickers: [NO]\ntest: {start: 2022-01-18, end: 2022-02-11}", "in quotes"),
        ("spec.yaml", "tickers: [DMAUR]\ntest: 2022-01-18:2022-02-11", "test: must be an object"),
        ("spec.json", json.dumps({"tickers": [0] * 40, "test": {"start": "2022-01-18", "end": "2022-02-11"}}), "more"),
        ("spec.json", "\ufeff" + json.dumps({"tickers": ["DMAUR"]}), "name the test window"),
    ],
)
def test_a_spec_file_is_refused_in_words_about_the_file(home, tmp_path, name, text, words):
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = call("run", "--spec", str(tmp_path / name))
    assert found.exit_code == 2 and words in found.output and "Traceback" not in found.output, found.output
