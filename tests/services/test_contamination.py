"""What a run's models knew beforehand: shares by hand, the worst model speaks, and silence is never taken for innocence."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import Unavailable
from agent.llm.cutoffs import Cutoff
from agent.spec import RunSpec
from services import models
from services import settings as where
from services.contamination import MARGIN_DAYS, for_spec, judge


def spec(start: str, end: str, **more: Any) -> RunSpec:
    data = {
        "source": "yahoo",
        "tickers": ["AAPL"],
        "test": {"start": start, "end": end},
        "backend": "ollama",
        "backend_options": {"model": "llama3.2:3b"},
    }
    return RunSpec.read({**data, **more})


def test_a_market_that_was_made_up_is_known_to_no_model():
    assert for_spec(spec("2022-01-03", "2022-06-30", source="demo", tickers=["DMAUR"]), edited={}).level == "no model"


def test_a_window_before_the_cutoff_is_inside_and_called_no_evidence():
    found = for_spec(spec("2023-01-02", "2023-06-30"), edited={})
    assert found.level == "inside" and found.warns and found.models[0].before == 1.0
    assert found.sentence == (
        "llama3.2:3b knows the world until 2023-12, and the whole test window 2023-01-02 to 2023-06-30 lies before that: "
        "it may remember what happened. A demonstration, not evidence."
    )


def test_a_window_across_the_cutoff_is_counted_in_three_parts():
    # 2023-12-25..29 is one week before the end of December; 2024-01-01..2024-03-30 are the 90 days of margin (65 weekdays);
    # 2024-04-01..05 is one week after them: 5 + 65 + 5 weekdays.
    found = for_spec(spec("2023-12-25", "2024-04-05"), edited={})
    known = found.models[0]
    assert found.level == "partly"
    assert (known.before, known.margin, known.after) == pytest.approx((5 / 75, 65 / 75, 5 / 75))
    assert "7 % of the test window" in found.sentence and "Only the rest is evidence" in found.sentence


def test_the_first_weeks_after_a_cutoff_are_a_margin_and_the_91st_day_is_after():
    last = date(2023, 12, 31)
    inside = last + timedelta(days=MARGIN_DAYS)
    assert for_spec(spec("2024-01-02", "2024-02-15"), edited={}).level == "margin"
    assert for_spec(spec(str(inside), str(inside + timedelta(days=9))), edited={}).level == "after", "2024-03-30 is a Saturday"
    assert for_spec(spec("2024-03-29", "2024-04-10"), edited={}).level == "margin"
    after = for_spec(spec("2024-04-01", "2024-04-10"), edited={})
    assert after.level == "after" and not after.warns and "more than 90 days before the test window" in after.sentence


def test_rules_and_hold_have_no_model_and_nothing_to_say():
    for quiet in ({"backend": "rules", "backend_options": {}}, {"strategy": "hold"}):
        found = for_spec(spec("2023-01-02", "2023-06-30", **quiet), edited={})
        assert (found.level, found.sentence, found.models, found.warns) == ("no model", "", (), False)


def test_an_unknown_model_is_unknown_and_says_where_to_enter_the_month():
    found = for_spec(spec("2025-01-02", "2025-06-30", backend_options={"model": "mystery:7b"}), edited={})
    assert found.level == "unknown" and found.warns and "Models page" in found.sentence and found.models[0].before is None


def test_the_helper_counts_too_and_the_worse_of_the_two_speaks():
    helper = {"backend": "ollama", "options": {"model": "gpt-oss:20b"}}
    found = for_spec(spec("2024-05-01", "2024-05-31", helper=helper), edited={})
    assert [(known.role, known.level) for known in found.models] == [("decides", "after"), ("helps", "inside")]
    assert found.level == "inside" and "gpt-oss:20b (which writes summaries and reflections)" in found.sentence


def test_the_model_that_the_run_really_used_is_judged():
    run = spec("2024-05-01", "2024-05-31", backend="openai_compatible", backend_options={})
    assert for_spec(run, edited={}).level == "unknown", "the server decides which model it is"
    assert judge(run, {"backend": {"model": "gpt-4.1"}}, edited={}).level == "inside"
    assert judge(run, {"backend": "broken", "helper": None}, edited={}).level == "unknown"


def test_a_spec_without_a_model_is_judged_by_the_backends_default():
    assert for_spec(spec("2025-01-02", "2025-02-28", backend_options={}), edited={}).models[0].model == "qwen3:8b"


def test_masking_lessens_it_and_the_sentence_says_that_it_does_not_remove_it():
    masked = for_spec(spec("2023-01-02", "2023-06-30", masking={"names": True, "dates": True, "prices": True}), edited={})
    assert masked.level == "inside", "the level is that of the model, whatever is hidden"
    assert masked.sentence.endswith(
        "The run hides names, dates and prices from the model; that lessens what it can recognise and does not remove it."
    )
    after = for_spec(spec("2025-01-02", "2025-06-30", masking={"names": True}), edited={})
    assert "hides" not in after.sentence, "there is nothing to lessen"


def test_an_entered_cutoff_decides():
    mine = {"mystery:7b": Cutoff(month="2024-12", source="its card", sureness="stated by vendor", edited=True)}
    run = spec("2024-01-02", "2024-06-28", backend_options={"model": "mystery:7b"})
    assert for_spec(run, edited=mine).level == "inside"


def test_an_estimated_month_is_called_that():
    assert "2025-04 (estimated)" in for_spec(spec("2025-01-02", "2025-02-28", backend_options={"model": "qwen3:8b"}), edited={}).sentence


def test_a_window_of_one_weekend_is_still_judged():
    assert for_spec(spec("2023-06-03", "2023-06-04"), edited={}).level == "inside"
    assert for_spec(spec("2024-06-01", "2024-06-02"), edited={}).level == "after"


@settings(max_examples=60, deadline=None)
@given(st.dates(date(2022, 1, 1), date(2026, 6, 30)), st.integers(0, 900), st.sampled_from(["2023-02", "2024-06", "2025-08"]))
def test_the_three_shares_add_up_and_agree_with_the_level(start, length, month):
    mine = {"x:1b": Cutoff(month=month, sureness="estimated")}
    run = spec(str(start), str(start + timedelta(days=length)), backend_options={"model": "x:1b"})
    known = for_spec(run, edited=mine).models[0]
    if known.before is None or known.margin is None or known.after is None:
        assert all((start + timedelta(days=n)).weekday() > 4 for n in range(length + 1))
        return
    assert known.before + known.margin + known.after == pytest.approx(1.0)
    level = "inside" if known.before == 1 else "partly" if known.before else "margin" if known.margin else "after"
    assert known.level == level


# ------------------------------------------------------------------------------------------------------- what a person entered


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    where.settings.cache_clear()
    yield tmp_path
    where.settings.cache_clear()


def test_an_entered_cutoff_is_kept_used_by_the_verdict_and_given_back(home):
    run = spec("2024-01-02", "2024-06-28", backend_options={"model": "Mystery"})
    assert for_spec(run).level == "unknown"
    models.enter_cutoff("mystery:latest", Cutoff(month="2024-12", source="its card", sureness="stated by vendor"))
    assert for_spec(run).level == "inside"
    kept = json.loads((home / "cutoffs.json").read_text())
    assert kept == {"mystery": {"month": "2024-12", "source": "its card", "sureness": "stated by vendor"}}
    models.reset_cutoff("mystery")
    assert for_spec(run).level == "unknown" and json.loads((home / "cutoffs.json").read_text()) == {}


def test_a_file_that_cannot_be_read_is_said_never_overwritten_and_stops_no_page(home):
    (home / "cutoffs.json").write_text("{broken")
    assert for_spec(spec("2023-01-02", "2023-06-30")).level == "inside", "what is shipped still counts"
    assert "Correct the file" in models.entered().problem
    with pytest.raises(Unavailable, match="cannot be read"):
        models.enter_cutoff("x", Cutoff(month="2024-01"))
    assert (home / "cutoffs.json").read_text() == "{broken"


def test_one_bad_entry_leaves_the_others_usable_and_is_named(home):
    (home / "cutoffs.json").write_text(json.dumps({"good": {"month": "2024-01"}, "bad": {"month": "soon"}, "odd": 3}))
    found = models.entered()
    assert list(found.cutoffs) == ["good"] and found.cutoffs["good"].edited and "bad, odd" in found.problem
