"""A run that is still a form: suggestions, findings by field, and what the data cover, against counts by hand."""

from __future__ import annotations

from datetime import date

import pytest

from agent.errors import SpecError
from agent.market.sessions import Calendar
from agent.memory.layers import preset
from agent.spec import RunSpec
from services import drafts

WINDOW = {"start": "2022-02-01", "end": "2022-03-01"}


@pytest.mark.parametrize(("first", "last"), [(date(2021, 1, 4), date(2023, 12, 29)), (date(2024, 12, 13), date(2025, 7, 31)), (None, None)])
def test_suggested_windows_are_sessions_inside_the_data_and_never_overlap(first, last):
    learn, trade = drafts.suggested(first, last)
    assert learn.start <= learn.end < trade.start <= trade.end
    assert learn.end in Calendar() and trade.start in Calendar()
    if first:
        assert first <= learn.start and trade.end == last


def test_every_finding_names_its_own_field():
    asked = {"tickers": ["A", "A"], "test": {"start": "2022-03-01", "end": "2022-02-01"}, "seed": -1, "colour": "red"}
    spec, findings = drafts.read(asked)
    assert spec is None
    assert {item.field: item.message for item in findings} == {
        "tickers": "a ticker is named twice: A, A",
        "test": "the start 2022-03-01 is after the end 2022-02-01; swap them",
        "seed": "Input should be greater than or equal to 0",
        "colour": "is not a known key; remove it or check its spelling",
    }


def test_overlapping_windows_are_a_finding_about_the_training_and_an_unknown_preset_one_about_the_preset():
    _, (overlap,) = drafts.read({"tickers": ["A"], "train": {"start": "2022-01-03", "end": "2022-02-10"}, "test": WINDOW})
    assert overlap.field == "train" and "overlaps the test window" in overlap.message
    _, (unknown,) = drafts.read({"tickers": ["A"], "test": WINDOW, "preset": "finmem-papr"})
    assert unknown.field == "preset" and "Did you mean 'finmem-paper'?" in unknown.message


def test_a_memory_is_custom_only_where_it_differs_from_its_preset():
    plain = RunSpec.read({"tickers": ["A"], "test": WINDOW, "memory": drafts.memory("default", "hashing", {})})
    assert not drafts.is_custom(plain)
    changed = preset("default").model_copy(update={"span_sessions": 1})
    assert drafts.is_custom(RunSpec.read({"tickers": ["A"], "test": WINDOW, "memory": changed.model_dump()}))
    with pytest.raises(SpecError):
        drafts.memory("no such preset", "hashing", {})


def test_an_ollama_that_is_not_there_is_a_sentence_with_its_cure_and_never_an_error():
    found = drafts.served("http://127.0.0.1:9")
    assert not found.health.ok and found.models == () and "ollama serve" in found.health.cure


def test_words_that_give_a_company_away_are_read_line_by_line_and_written_as_they_were_typed():
    typed = "aapl: iPhone, Tim Cook,, iPhone\n\nAAPL: Cupertino\nMSFT:"
    found = drafts.read_aliases(typed, ("AAPL", "MSFT"))
    assert found == {"AAPL": ("iPhone", "Tim Cook", "Cupertino")}
    assert drafts.read_aliases(drafts.aliases_text(found), ("AAPL", "MSFT")) == found


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("AAPL: a\niPhone", "Line 2 has no colon; write it like AAPL"),
        ("APPL: iPhone", "Line 1: Unknown ticker 'APPL'.*Did you mean 'AAPL'"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_its_cure(typed, sentence):
    with pytest.raises(SpecError, match=sentence) as raised:
        drafts.read_aliases(typed, ("AAPL",))
    assert raised.value.field == "masking.aliases"
