"""A report says what the export says, stays small, is the same every time, and leaves nothing out without saying so."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SpecError
from report import build, choose, markup, pack
from report.choose import Choice
from services import exports
from tests.report.conftest import Write, letters
from tests.report.reading import Tables, blocks, data, numbers

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def page_of(run: str, choice: Choice | None = None, **options: Any) -> str:
    out = io.StringIO()
    build.write(build.plan(run, choice), out, now=NOON, **options)
    return out.getvalue()


@pytest.fixture(scope="session")
def heard() -> list[tuple[int, int]]:
    """What the one who waited for ``whole`` was told: steps done, steps in all."""
    return []


@pytest.fixture(scope="session")
def whole(made: str, heard: list[tuple[int, int]]) -> str:
    return page_of(made, progress=lambda done, total: heard.append((done, total)))


@pytest.fixture(scope="session")
def few(made: str) -> str:
    """One chosen day, and fewer memories than there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "MANY_MEMORIES", 10)
        return page_of(made, choose.read("2022-01-25"))


@pytest.fixture(scope="session")
def exported(made: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "run"
    exports.export(made, out)
    return out


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# ------------------------------------------------------------------------------------------------ the same as in the export


def test_every_trace_is_the_day_of_the_export(whole, exported):
    found = data(whole)
    shared = found["b-shared"]
    traces = {(body["ticker"], body["day"]): body for name, body in found.items() if name.startswith("b-day-")}
    days = lines(exported / "days.jsonl")
    assert len(days) == len(traces) > 40
    for day in days:
        mine = traces[day["ticker"], day["day"]]
        thought, theirs = mine.pop("thought"), day.pop("thought")
        day.pop("run")
        assert mine == day
        theirs.pop("carry")
        for call in thought["calls"]:
            call["system"] = shared[call["system"]]
        for segment in thought["segments"]:
            if "at" in segment:
                number, start, length = segment.pop("at")
                segment["text"] = thought["calls"][number][segment["role"]][start : start + length]
        for event in theirs["memory_events"]:
            event.pop("memory")
        assert thought == theirs


def test_equity_and_drawdown_of_the_chart_are_those_of_the_export(whole, exported):
    figure = data(whole)["b-chart-money-0"]["light"]["data"]
    for place, name in ((0, "benchmark"), (2, "equity")):
        theirs = [row for row in rows(exported / f"{name}.csv") if row["ticker"] == "total"]
        assert figure[place]["x"] == [row["day"] for row in theirs]
        assert numbers(figure[place]["y"]) == pytest.approx([float(row["equity"]) for row in theirs])
        assert numbers(figure[place + 1]["y"]) == pytest.approx([float(row["drawdown"]) for row in theirs])


def test_every_metric_shown_is_the_exports_rounded(whole, exported):
    theirs = json.loads((exported / "metrics.json").read_text())["figures"]
    found = Tables(whole).found
    for caption, whose, beside in (("Metrics", "total", 3), ("Metrics of DMAUR", "DMAUR", 2), ("Metrics of DMBRS", "DMBRS", 2)):
        shown = {row[0]: (row[1], row[beside]) for row in found[caption][1:]}
        for key, label, scale in (
            ("cum_return", "Return", 100),
            ("max_drawdown", "Max drawdown", 100),
            ("sharpe", "Sharpe", 1),
            ("total_costs", "Costs", 1),
        ):
            for name, text in zip((key, f"benchmark_{key}"), shown[label], strict=True):
                if theirs[whose].get(name) is None:
                    assert text == "–"
                else:
                    read = float(text.rstrip("%").replace(",", ""))
                    assert read == pytest.approx(scale * theirs[whose][name], abs=0.51 if key == "total_costs" else 0.051)


def test_fills_and_orders_are_those_of_the_export(whole, exported):
    trades = data(whole)["b-trades"]
    theirs = sorted(rows(exported / "trades.csv"), key=lambda row: (row["ticker"], row["day"]))
    mine = sorted(trades["fills"], key=lambda row: (row["ticker"], row["day"]))
    assert len(mine) == len(theirs) > 0
    for a, b in zip(mine, theirs, strict=True):
        assert (a["ticker"], a["day"], a["cause"]) == (b["ticker"], b["day"], b["cause"])
        for name in ("shares", "price", "reference", "commission", "slippage"):
            assert a[name] == pytest.approx(float(b[name]))
    placed = {(row["ticker"], row["decided"], row["status"]) for row in rows(exported / "orders.csv")}
    assert {(row["ticker"], row["decided"], row["status"]) for row in trades["orders"] if row["status"] != "held back"} == placed


def test_every_memory_has_its_text_and_every_event_of_the_export(whole, exported):
    found = data(whole)
    events = lines(exported / "memory_events.jsonl")
    for at, ticker in enumerate(("DMAUR", "DMBRS")):
        parts = [body for name, body in found.items() if name.startswith(f"b-memory-{at}-")]
        mine = {int(number): (part, item) for part in parts for number, item in part["memories"].items()}
        born = [event for event in events if event["ticker"] == ticker and event["kind"] == "remembered"]
        assert sorted(mine) == sorted(event["memory_id"] for event in born)
        for event in born:
            part, item = mine[event["memory_id"]]
            about = dict(zip(part["about"], item["about"], strict=True))
            assert about["text"] == event["memory"]["text"] and about["content_hash"] == event["memory"]["content_hash"]
            theirs = [e for e in events if e["ticker"] == ticker and e["memory_id"] == event["memory_id"]]
            kinds = [dict(zip(part["event"], row, strict=True)) for row in item["events"]]
            assert [(e["day"], e["kind"], e["after_layer"]) for e in kinds] == [(e["day"], e["kind"], e["after"]["layer"]) for e in theirs]
            assert [e["importance"] for e in kinds] == pytest.approx([e["after"]["importance"] for e in theirs])


def test_notes_stand_in_the_report_with_a_link_to_what_they_are_about(whole):
    notes = whole.split('id="notes"')[1].split("</section>")[0]
    assert "the whole run looks odd" in notes
    assert 'href="#d-DMAUR-2022-01-20"' in notes and "why this day?" in notes
    assert 'href="#m-DMBRS-3"' in notes and "suspicious" in notes


def test_the_first_thing_said_is_what_puts_the_figures_in_doubt(whole):
    header = whole.split("<header")[1].split("</header>")[0]
    assert header.index("synthetic market") < header.index("rules, no LLM.") < header.index("Max drawdown")
    assert "Small &amp; &lt;small&gt;" in header


def test_a_failed_run_says_so_before_anything_else(written: Write):
    from services import runs

    run = written("Failed", 3, say=lambda what: what)
    runs.store().set_status(run, "failed", error="the model gave up")
    header = page_of(run).split("<header")[1].split("</header>")[0]
    assert header.index("This run failed: its figures are no result.") < header.index("tiles")
    assert "the model gave up" in header


# ---------------------------------------------------------------------------------------------------------- size and sameness


def test_a_year_of_thirty_kilobytes_a_day_and_three_thousand_memories_stays_under_fifteen_megabytes(written: Write):
    rng = random.Random(5)
    sizes = {"user": 24_000, "answer": 3_000, "thinking": 3_000, "memory": 400}
    run = written("Large", 250, say=lambda what: letters(rng, sizes.get(what, 30)), memories=12)
    found = build.plan(run, Choice())
    made = build.write(found, io.StringIO(), now=NOON)
    assert (made.days, made.memories) == (250, 3000)
    assert made.size < 15_000_000
    assert build.estimate(found) == pytest.approx(made.size, rel=0.25)


def test_the_same_run_gives_the_same_bytes_apart_from_the_time(made, whole, tmp_path):
    out = tmp_path / "r.html"
    out.write_text("mine")
    found = build.plan(made)
    with pytest.raises(SpecError, match="--force"):
        build.save(found, out)
    assert out.read_text() == "mine"
    result = build.save(found, out, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"] and result.size == out.stat().st_size
    assert re.sub(r"Made \d{4}-\d\d-\d\d \d\d:\d\d UTC", "Made 2026-01-02 12:00 UTC", out.read_text(encoding="utf-8")) == whole


def test_progress_only_grows_and_ends_with_all(made, whole, heard):
    steps = build.plan(made).steps
    assert heard == sorted(heard) and heard[-1] == (steps, steps) and len(heard) > len(build.plan(made).days)


# ---------------------------------------------------------------------------------------------------------------- the choice


def test_chosen_days_are_whole_and_the_rest_keep_their_figures(few):
    found = data(few)
    named = {(body["ticker"], body["day"]) for name, body in found.items() if name.startswith("b-day-")}
    assert named == {("DMAUR", "2022-01-25"), ("DMBRS", "2022-01-25"), ("DMAUR", "2022-01-20")}  # the last for its note
    at = found["b-days"]["columns"].index("trace")
    assert sum(row[at] is not None for part in found["b-days"]["rows"].values() for row in part) == 3
    assert "Whole traces of 3 of" in few


def test_worst_days_bring_the_session_before_them(made):
    rows_of = build.plan(made, Choice("worst", 1)).days
    (ticker, day), *_ = choose.worst(made, ("DMAUR", "DMBRS"), 1)
    assert (ticker, day) in rows_of and len({item for item in rows_of if item[0] == ticker and item[1] <= day}) >= 2


def test_of_too_many_memories_those_that_the_days_and_notes_name_stay(few):
    found = data(few)
    kept = {int(row[0]) for row in found["b-memories-0"]["rows"]}
    days = [body for name, body in found.items() if name.startswith("b-day-") and body["ticker"] == "DMAUR"]
    named = {recall["memory_id"] for body in days for recall in body["thought"]["recalls"]}
    assert named <= kept and len(kept) < found["b-memories-0"]["of"]
    assert 3 in {int(row[0]) for row in found["b-memories-1"]["rows"]}  # for its tag
    assert "all of them would make it too large" in few


@pytest.mark.parametrize("text", ["", "worst:", "worst:0", "worst:x", "2022-13-01", "some", "2022-01-25,then"])
def test_what_is_not_a_choice_of_days_is_refused_with_an_example(text):
    if text == "worst:":
        assert choose.read(text) == Choice("worst", choose.WORST)
        return
    with pytest.raises(SpecError, match="worst:25"):
        choose.read(text)


def test_a_day_that_the_run_does_not_have_is_named(made):
    with pytest.raises(SpecError, match="2022-01-22 is not a recorded session"):
        build.plan(made, Choice("days", days=(date(2022, 1, 22), date(2022, 1, 25))))


# ------------------------------------------------------------------------------------------------------------- inert by make


@given(st.text() | st.sampled_from(["</script><script>x()</script>", "<!--", "\ud800", "\x00\x1b[31m", "\u2028"]))
def test_no_text_leaves_its_script_element_or_changes_on_the_way(text):
    body = pack.plain_json({"a": text})
    assert not re.search(r"[<>&\u2028\u2029\ud800-\udfff\x00]", body)
    assert json.loads(body) == {"a": pack.inert(text)} == pack.unpacked(pack.packed({"a": text}))


@given(st.text())
def test_a_text_in_markup_is_only_ever_text(text):
    body = markup.el("p", text, title=text)
    inside = body.removeprefix("<p ").removesuffix("</p>")
    assert inside.count("<") == 0 and inside.count(">") == 1


def test_the_policy_lets_only_our_two_scripts_run_and_nothing_be_fetched(whole):
    import base64
    import hashlib

    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', whole)[1]
    scripts = [re.search(r"<script>(.*?)</script>", whole, re.S)[1], blocks(whole)["b-plotly"]]
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts]
    assert policy.split("; ")[:2] == ["default-src 'none'", f"script-src {' '.join(hashes)}"]
    assert "http" not in policy and "unsafe-eval" not in policy
    assert whole.count("<script>") == 1
    before = whole.split('<script type="application/octet-stream"')[0]
    assert not re.search(r"(?:src|srcset|action|data)\s*=|url\(|@import", before.split("</style>")[1])
    assert all(link.startswith("#") for link in re.findall(r'href="([^"]*)"', before))
