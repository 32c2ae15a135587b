"""The form of a new run: what it suggests, that it really starts a worker, and a sentence for everything that can be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from agent.decision.options import Digest, Masking
from agent.spec import Role
from services import prompts, runs
from services.settings import settings
from tests.pages.conftest import ROOT, small_spec
from tests.stand_ins.ollama_server import OllamaStandIn
from ui import run_form

DJIA = ROOT.parent / "shared/data/djia-2025"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home of this test's own; nothing the form found out earlier."""
    monkeypatch.setenv("RECOLLECT_HOME", str(tmp_path))
    monkeypatch.setenv("RECOLLECT_DEMO_ON_START", "false")
    settings.cache_clear()
    run_form.look_again()
    yield tmp_path
    settings.cache_clear()


def widget(at: AppTest, kind: str, label: str):
    return next(item for item in getattr(at, kind) if item.label == label)


def words(at: AppTest) -> str:
    return "\n".join(item.value for item in (*at.text, *at.code))


def start(at: AppTest):
    return next(item for item in at.button if item.key == "start")


def dates(at: AppTest, **days: date) -> AppTest:
    """Set windows by label, as ``Train_from=...``."""
    for label, day in days.items():
        widget(at, "date_input", label.replace("_", " ")).set_value(day)
    return at.run()


def test_an_untouched_form_is_a_run_that_could_start(home, open_page):
    at = open_page("new_run")
    assert not start(at).disabled
    figures = {item.label: item.value for item in at.metric}
    assert figures["Sessions to trade"] == "127", "2023-06-30 to 2023-12-29"
    assert figures["Estimated time"] == "not measured"
    assert "synthetic market with a planted signal" in words(at)


def test_a_run_started_from_the_form_is_made_by_a_worker_and_the_monitor_shows_it(home, open_page):
    at = open_page("new_run")
    widget(at, "selectbox", "Embeddings").set_value("hashing")
    widget(at, "text_input", "Name").set_value("From the form")
    dates(at, Train_from=date(2022, 1, 3), Train_to=date(2022, 1, 7), Test_from=date(2022, 1, 10), Test_to=date(2022, 1, 21))
    assert not start(at).disabled, words(at)
    start(at).click().run()
    assert not at.exception and at.title[0].value == "Monitor"
    (row,) = runs.store().runs()
    assert at.query_params["run"] == row.id and row.name == "From the form" and row.spec.memory.embedder == "hashing"
    assert runs.wait(row.id, 120) == "done", runs.log_tail(row.id)
    later = open_page("monitor", run=row.id)
    assert "The run is complete." in words(later) and "14 of 14 days recorded" in later.get("progress")[0].text


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        ({"Test_from": date(2022, 3, 1), "Test_to": date(2022, 2, 1)}, "the start 2022-03-01 is after the end 2022-02-01"),
        ({"Train_from": date(2022, 1, 3), "Train_to": date(2022, 3, 1), "Test_from": date(2022, 2, 1)}, "overlaps the test window"),
        (
            {"Train_from": date(2022, 6, 1), "Train_to": date(2022, 7, 1), "Test_from": date(2022, 2, 1), "Test_to": date(2022, 3, 1)},
            "lies after the test window",
        ),
        ({"Test_from": date(2023, 7, 1), "Test_to": date(2023, 7, 2)}, "no trading session from 2023-07-01 to 2023-07-02"),
    ],
)
def test_windows_that_make_no_sense_get_a_sentence_and_no_start(home, open_page, days, sentence):
    at = dates(open_page("new_run"), **days)
    assert not at.exception
    assert sentence in words(at) and start(at).disabled
    assert widget(at, "date_input", "Test from").value == days.get("Test_from"), "what was typed stays"


def test_a_form_without_a_ticker_says_so(home, open_page):
    at = open_page("new_run")
    at.multiselect[0].set_value([]).run()
    assert not at.exception and start(at).disabled
    assert "tickers" in " ".join(item.value for item in at.markdown)


def test_a_folder_that_is_not_there_gets_a_sentence_and_keeps_what_was_typed(home, open_page):
    at = open_page("new_run")
    widget(at, "text_input", "Name").set_value("Kept")
    widget(at, "selectbox", "Source").set_value("folder").run()
    assert start(at).disabled and not at.exception, "an empty path is not a folder"
    widget(at, "text_input", "Path").set_value("/no/such/folder").run()
    assert not at.exception and "/no/such/folder" in words(at) and start(at).disabled
    assert widget(at, "text_input", "Name").value == "Kept" and widget(at, "text_input", "Path").value == "/no/such/folder"


def test_a_file_that_is_no_table_gets_a_sentence(home, open_page, tmp_path):
    (tmp_path / "prices.csv").write_text("this,is\nnot,prices\n")
    at = open_page("new_run")
    widget(at, "selectbox", "Source").set_value("folder").run()
    widget(at, "text_input", "Path").set_value(str(tmp_path)).run()
    assert not at.exception and "prices.csv" in words(at) and start(at).disabled


@pytest.mark.skipif(not DJIA.exists(), reason="the real data set is not on this machine")
def test_real_data_from_a_folder_offer_their_tickers_by_name(home, open_page):
    at = open_page("new_run")
    widget(at, "selectbox", "Source").set_value("folder").run()
    widget(at, "text_input", "Path").set_value(str(DJIA)).run()
    assert not at.exception and "AAPL · Apple Inc." in at.multiselect[0].options
    at.multiselect[0].set_value(["AAPL", "UNH"]).run()
    chosen = next(item.value for item in at.dataframe if "exchange" in item.value.columns)
    assert list(chosen["currency"]) == ["USD", "USD"] and list(chosen["first day"]) == ["2024-12-13"] * 2
    assert not start(at).disabled, words(at)


def test_ollama_that_is_not_running_is_said_with_its_cure(home, monkeypatch, open_page):
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    at = open_page("new_run")
    widget(at, "selectbox", "Model backend").set_value("ollama").run()
    assert not at.exception and "ollama serve" in words(at) and start(at).disabled


def test_the_models_of_a_running_ollama_are_offered_and_another_one_is_refused(home, monkeypatch, open_page):
    with OllamaStandIn() as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        at = open_page("new_run")
        widget(at, "selectbox", "Model backend").set_value("ollama").run()
        assert not at.exception and widget(at, "selectbox", "Model").value in widget(at, "selectbox", "Model").options
        assert not start(at).disabled, words(at)
        asked = small_spec().model_copy(update={"backend": "ollama", "backend_options": {"model": "no-such-model:1b"}})
        copy = open_page("new_run", **{"from": runs.create(asked)})
        assert widget(copy, "selectbox", "Model").value == "no-such-model:1b"
        assert "no-such-model:1b" in words(copy) and "ollama pull" in words(copy) and start(copy).disabled


def test_a_copy_starts_with_the_settings_of_its_run(run, open_page):
    at = open_page("new_run", **{"from": run})
    spec = runs.store().run(run).spec
    assert at.multiselect[0].value == list(spec.tickers)
    assert [item.value for item in at.date_input] == [spec.train.start, spec.train.end, spec.test.start, spec.test.end]
    assert widget(at, "selectbox", "Embeddings").value == "hashing"
    assert widget(at, "selectbox", "Preset").value == "default"
    assert widget(at, "text_input", "Name").value == "Copy of Small run"
    assert "not measured" not in [item.value for item in at.metric], "the copied run is a measure of the pace"


def test_a_copy_keeps_a_memory_that_no_preset_has(home, open_page):
    plain = small_spec()
    changed = plain.model_copy(update={"memory": plain.memory.model_copy(update={"span_sessions": 1})})
    at = open_page("new_run", **{"from": runs.create(changed)})
    assert widget(at, "selectbox", "Preset").value == "as in the copied run"
    dates(at, Train_from=date(2022, 1, 3), Train_to=date(2022, 1, 4), Test_from=date(2022, 1, 5), Test_to=date(2022, 1, 6))
    start(at).click().run()
    made = runs.store().runs()[0]
    assert made.spec.memory.span_sessions == 1 and made.spec.memory.embedder == "hashing"
    assert made.spec.strategy_options == {}, "an option left at its default does not make another experiment"
    assert runs.wait(made.id, 120) == "done", runs.log_tail(made.id)


def test_a_copy_brings_how_its_model_was_asked(home, open_page):
    asked = small_spec().model_copy(
        update={
            "helper": Role(backend="rules"),
            "digest": Digest(mode="off", words=77),
            "masking": Masking(names=True, dates=True, aliases={"DMAUR": ("gold", "Aurum")}),
            "answer_cache": "full",
        }
    )
    at = open_page("new_run", **{"from": runs.create(asked)})
    assert widget(at, "toggle", "Second model for digests and reflections").value
    assert widget(at, "selectbox", "Its backend").value == "rules" and widget(at, "selectbox", "Answer cache").value == "full"
    assert widget(at, "text_area", "Further words that give a company away").value == "DMAUR: gold, Aurum"
    dates(at, Train_from=date(2022, 1, 3), Train_to=date(2022, 1, 4), Test_from=date(2022, 1, 5), Test_to=date(2022, 1, 6))
    assert not start(at).disabled, words(at)
    start(at).click().run()
    made = runs.store().runs()[0].spec
    assert (made.digest, made.masking, made.answer_cache) == (asked.digest, asked.masking, "full")
    assert made.helper is not None and made.helper.backend == "rules"
    runs.wait(runs.store().runs()[0].id, 120)


def unfold(at, name):
    """As a click on the folded part does: its widgets are drawn from then on."""
    at.session_state[f"_new0.more.{name}.seen"] = True
    return at.run()


def test_an_untouched_form_asks_in_the_default_way(home, open_page):
    at = open_page("new_run")
    assert "Names" not in [item.label for item in at.toggle], "what is folded away is not drawn"
    unfold(at, "masking")
    assert not widget(at, "toggle", "Second model for digests and reflections").value
    assert widget(at, "selectbox", "Prompts").value == "default" and widget(at, "selectbox", "Answer cache").value == "write-only"
    assert [widget(at, "toggle", label).value for label in ("Names", "Dates", "Prices")] == [False] * 3


def test_a_link_can_ask_for_a_model_and_a_prompt_set(home, monkeypatch, open_page):
    prompts.copy("default", "terse")
    with OllamaStandIn() as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        at = open_page("new_run", model="llama3.1:8b", prompts="terse")
        assert widget(at, "selectbox", "Model backend").value == "ollama" and widget(at, "selectbox", "Model").value == "llama3.1:8b"
        assert widget(at, "selectbox", "Prompts").value == "terse"
        assert "knows the world" not in words(at)  # the market is made up: no model can know it


def test_a_prompt_set_that_is_gone_is_said_beside_its_field(home, open_page):
    at = open_page("new_run", prompts="tersest")
    assert not at.exception and start(at).disabled and "tersest" in words(at)


def test_a_line_of_aliases_that_cannot_be_read_is_said_and_stays(home, open_page):
    at = unfold(open_page("new_run"), "masking")
    widget(at, "toggle", "Names").set_value(True).run()
    area = widget(at, "text_area", "Further words that give a company away").set_value("just words")
    at = area.run()
    assert "Line 1 has no colon" in words(at) and start(at).disabled
    assert widget(at, "text_area", "Further words that give a company away").value == "just words"


def test_a_copy_of_a_run_that_is_not_there_is_said_and_the_empty_form_shown(home, open_page):
    at = open_page("new_run", **{"from": "r00000000"})
    assert "r00000000" in words(at) and not start(at).disabled
    assert "from" not in at.query_params


def test_buy_and_hold_asks_for_no_model_and_no_memory(home, open_page):
    at = open_page("new_run")
    widget(at, "selectbox", "Strategy").set_value("hold").run()
    assert not at.exception and "Model backend" not in [item.label for item in at.selectbox]
    assert {item.label: item.value for item in at.metric}["Model calls"] == "0" and not start(at).disabled


def test_the_terms_of_trade_stand_in_one_line_and_their_fields_are_drawn_on_request(home, open_page):
    at = open_page("new_run")
    assert any("1 bp commission, 2 bp slippage" in item.value for item in at.caption)
    assert not [item for item in at.number_input if "slippage" in str(item.key)]
    at = unfold(at, "execution")
    at = next(item for item in at.number_input if "slippage" in str(item.key)).set_value(7.0).run()
    assert any("1 bp commission, 7 bp slippage" in item.value for item in at.caption)


def test_checks_that_passed_are_counted_and_the_others_stay_in_sight(home, open_page):
    at = open_page("new_run")
    assert any("checks passed" in str(item.label) for item in at.expander)
    at = next(item for item in unfold(at, "execution").selectbox if "fill" in str(item.key)).set_value("same_close").run()
    assert "same_close is optimistic" in words(at), "a warning is not folded away"
