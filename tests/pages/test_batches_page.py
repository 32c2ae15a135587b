"""The page of batches and the part of New run that makes one: what a person sees, ticks and presses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from agent.errors import SpecError
from services import batch_worker, batches, runs
from services.settings import settings
from tests.services.batch_world import Here, small
from ui import batch_plan, run_form
from ui.batch_form import read_seeds


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    run_form.look_again()
    batch_plan.forget()
    yield tmp_path
    settings.cache_clear()


def words(at: AppTest) -> str:
    return "\n".join(item.value for item in (*at.text, *at.code, *at.caption))


def widget(at: AppTest, kind: str, label: str):
    return next(item for item in getattr(at, kind) if item.label == label)


def button(at: AppTest, key: str):
    return next(item for item in at.button if item.key == key)


def links(at: AppTest) -> dict[str, str]:
    return {item.proto.label: item.proto.query_string for item in at.get("page_link")}


@pytest.fixture
def done(home) -> str:
    batch = batches.create(small(name="Pace", characters=["risk_seeking", "risk_averse"], seeds=[1, 2]))
    assert batch_worker.work(batch, runner=Here()) == "done"
    return batch


def test_without_a_batch_the_page_teaches_with_an_example_and_leads_to_new_run(home, open_page):
    at = open_page("batches")
    assert "No batch yet" in [item.value for item in at.subheader]
    assert "seeds: [1, 2]" in at.text_area[0].value
    assert any("New run" in label for label in links(at))


def test_a_batch_shows_every_run_with_its_result_and_its_configurations_over_seeds(done, open_page):
    at = open_page("batches", batch=done)
    frame = at.dataframe[0].value
    assert len(frame) == 4 and set(frame["state"]) == {"✓ done"} and frame["return"].notna().all()
    assert all("no LLM" in marks for marks in frame["marks"]), "what to know of a run stands beside its figures"
    assert "model" not in frame and "In all runs: decided by rules" in words(at), "what is the same in all runs is said once"
    at = open_page("batches", batch=done, by="configurations")
    frame = at.dataframe[0].value
    assert list(frame["seeds"]) == ["2 of 2", "2 of 2"] and frame["return"].notna().all()
    assert all(" … " in spread for spread in frame["return spread"])


def test_ticked_runs_lead_to_their_overview_and_to_the_comparison(done, open_page):
    ids = [entry.member.run for entry in batches.view(done).entries]
    at = open_page("batches", batch=done)
    at.session_state["batch_runs_4"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    at.run()
    assert f"run={ids[1]}" in links(at)["Open this run →"]
    at.session_state["batch_runs_4"] = {"selection": {"rows": [0, 3], "columns": [], "cells": []}}
    at.run()
    assert links(at)["Compare these 2 →"].replace("%2C", ",") == f"cmp={ids[0]},{ids[3]}"


def test_a_deleted_run_is_said_to_be_deleted_and_a_batch_is_deleted_only_after_a_question(done, open_page):
    runs.delete(batches.view(done).entries[0].member.run)
    at = open_page("batches", batch=done)
    assert at.dataframe[0].value["state"].iloc[0] == "␡ deleted"
    button(at, "batch_delete").click().run()
    assert "can stay in the library" in words(at) and len(batches.rows()) == 1
    button(at, "batch_delete_list").click().run()
    assert not at.exception and batches.rows() == [] and len(runs.store().runs()) == 3


def test_a_batch_that_stopped_without_a_word_offers_to_go_on(home, open_page):
    batch = batches.create(small(seeds=[1, 2]))
    batches.book().claim(batch, 4_000_000)
    at = open_page("batches", batch=batch)
    assert "stopped without a word" in words(at) and button(at, "batch_resume")
    button(at, "batch_cancel").click().run()
    assert batches.view(batch).state == "cancelled"


def test_an_address_of_a_batch_that_is_not_there_is_answered_in_words(done, open_page):
    at = open_page("batches", batch="b<b>0")
    assert any("There is no batch" in item.value for item in at.warning) and len(at.dataframe[0].value) == 4


def test_a_file_is_planned_before_it_can_be_started_and_its_mistakes_are_named(home, open_page):
    at = open_page("batches")
    at.text_area[0].set_value("seeds: [1]\nsedes: [2]").run()
    widget(at, "toggle", "Plan it").set_value(True).run()
    assert "sedes" in words(at) and not at.exception
    at.text_area[0].set_value(
        "base: {source: demo, test: {start: 2022-01-18, end: 2022-01-26}}\ntickers: [DMAUR]\nembedder: hashing\nmodels: [rules]\nseeds: [1, 2]"
    ).run()
    assert {item.label: item.value for item in at.metric}["Runs"] == "2" and not button(at, "file_start").disabled
    assert batches.rows() == []


def form(open_page) -> AppTest:
    """New run with a short window, decided by rules."""
    at = open_page("new_run")
    at.session_state["new0.more.batch"] = True  # the box is open
    widget(at, "selectbox", "Embeddings").set_value("hashing")
    days = {"Train from": (2022, 1, 3), "Train to": (2022, 1, 7), "Test from": (2022, 1, 10), "Test to": (2022, 1, 21)}
    for label, day in days.items():
        widget(at, "date_input", label).set_value(date(*day))
    return at.run()


def test_several_seeds_and_characters_on_the_form_are_a_batch_and_nothing_chosen_is_a_run(home, open_page):
    at = form(open_page)
    assert button(at, "start").label == "Start the run"
    widget(at, "text_input", "Further seeds").set_value("8-9")
    widget(at, "multiselect", "Further characters").set_value(["risk_averse"]).run()
    assert not at.exception and {item.label: item.value for item in at.metric}["Runs"] == "6"
    assert not [item for item in at.button if item.key == "start"]
    button(at, "batch_start").click().run()
    (row,) = batches.rows()
    assert at.title[0].value == "Batches" and at.query_params["batch"] in (row.id, [row.id]) and row.runs == 6
    assert batches.wait(row.id, 240) == "done", batches.log_tail(row.id)
    assert {entry.member.labels["seed"] for entry in batches.view(row.id).entries} == {7, 8, 9}


def test_pressing_start_twice_in_a_row_starts_one_run_and_later_again_another(home, open_page, monkeypatch):
    monkeypatch.setattr(runs, "start_worker", lambda run: 0)
    monkeypatch.setattr(batch_plan, "DOUBLE_CLICK_S", 600)
    at = form(open_page)
    for _ in range(2):
        button(at, "start").click().run()
        assert at.title[0].value == "Monitor"
        at.switch_page("pages/new_run.py").run()
    (only,) = runs.store().runs()
    assert only.spec.test.start == date(2022, 1, 10), "the form was still filled in"
    monkeypatch.setattr(batch_plan, "DOUBLE_CLICK_S", 0)
    button(at, "start").click().run()
    assert len(runs.store().runs()) == 2


@pytest.mark.parametrize(("typed", "numbers"), [("8, 9", [8, 9]), ("8-10 3", [8, 9, 10, 3]), ("", []), ("5 – 6;5", [5, 6])])
def test_seeds_are_read_as_people_write_them(typed, numbers):
    assert read_seeds(typed) == numbers


@pytest.mark.parametrize("typed", ["eight", "9-8", "1-5000", "-3", "99999999999"])
def test_seeds_that_are_none_are_named(typed):
    with pytest.raises(SpecError):
        read_seeds(typed)
