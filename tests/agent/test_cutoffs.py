"""Knowledge cut-offs: what is shipped is matched by the names that servers write, silence is not certainty, and an edit stands above all."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.errors import SpecError
from agent.llm.cutoffs import FACTS, Cutoff, cutoff_of, key_of, shipped


def month(name: str) -> str | None:
    found = cutoff_of(name)
    return found.month if found else None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("llama3.1:8b", "2023-12"),
        ("llama3.2:1b-instruct-q4_K_M", "2023-12"),
        ("llama4:scout", "2024-08"),
        ("gemma3:1b", "2024-08"),
        ("gemma3n:e2b", "2024-06"),
        ("phi3:mini", "2023-10"),
        ("phi4:14b", "2024-06"),
        ("gpt-oss:20b", "2024-06"),
        ("gpt-4o-mini-2024-07-18", "2023-10"),
        ("gpt-4.1-nano", "2024-06"),
        ("gpt-5-mini", "2024-05"),
        ("gpt-5", "2024-09"),
        ("o3", "2024-06"),
        ("openai/gpt-4o", "2023-10"),
        ("meta-llama/Llama-3.1-8B-Instruct", "2023-12"),
        ("anthropic/claude-3.5-sonnet", "2024-04"),
        ("claude-sonnet-4-5-20250929", "2025-07"),
        ("google/gemini-2.5-flash-lite", "2025-01"),
    ],
)
def test_what_a_vendor_states_is_found_under_the_names_that_servers_write(name, expected):
    found = cutoff_of(name)
    assert found is not None and found.month == expected and found.sureness == "stated by vendor"


def test_the_size_decides_where_the_vendor_names_different_months():
    assert month("llama3") == month("llama3:8b") == "2023-03"
    assert month("llama3:70b") == month("Meta-Llama-3-70B-Instruct") == "2023-12"


@pytest.mark.parametrize(
    "name", ["qwen3:8b", "qwen2.5:0.5b", "deepseek-r1:1.5b", "smollm2:135m", "mistral:7b", "gemma2:2b", "mixtral:8x7b"]
)
def test_where_the_vendor_is_silent_the_month_of_release_is_an_estimate_that_errs_on_the_safe_side(name):
    found = cutoff_of(name)
    assert found is not None and found.sureness == "estimated" and "does not say" in found.source and "released" in found.source


@pytest.mark.parametrize(
    "name", ["qwen3.5:8b", "llama3.10:8b", "gpt-5.3", "claude-opus-4-6", "dolphin-llama3", "codegemma", "mymodel", "", "  ", "💥" * 300]
)
def test_a_model_nobody_knows_is_not_guessed_at(name):
    assert cutoff_of(name) is None


def test_a_name_that_moves_to_newer_models_has_no_cutoff():
    for alias in ("deepseek-chat", "chatgpt-4o-latest", "mistral-small-latest"):
        found = cutoff_of(alias)
        assert found is not None and found.month == "" and found.sureness == "unknown" and found.last_day is None


def test_a_strangers_copy_may_have_been_trained_further():
    own, copy = cutoff_of("llama3.2:3b"), cutoff_of("hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M")
    assert own is not None and copy is not None and (own.month, copy.month) == ("2023-12", "2023-12")
    assert own.sureness == "stated by vendor" and copy.sureness == "estimated" and "'bartowski'" in copy.source
    assert cutoff_of("library/llama3.2:3b") == own and cutoff_of("models.example.org/library/llama3.2:3b") == own


def test_an_edit_stands_above_what_is_shipped_however_the_name_is_written():
    mine = Cutoff(month="2025-11", source="the model's own card", sureness="stated by vendor", edited=True)
    edited = {key_of("Qwen3"): mine}
    assert cutoff_of("qwen3:latest", edited) == cutoff_of(" qwen3 ", edited) == mine
    assert cutoff_of("qwen3:8b", edited) == shipped("qwen3:8b")


def test_knowledge_goes_to_the_last_day_of_the_month():
    assert Cutoff(month="2024-02").last_day == date(2024, 2, 29) and Cutoff(month="2023-12").last_day == date(2023, 12, 31)


@pytest.mark.parametrize("wrong", ["2024", "2024-13", "2024-00", "24-01", "1999-12", "2024-1", "soon"])
def test_a_month_that_is_none_is_refused(wrong):
    with pytest.raises(ValidationError, match="like 2024-06"):
        Cutoff(month=wrong)


@pytest.mark.parametrize("wrong", ["", " ", "a\x00b", "x" * 201, "a\nb", "a\u202eb"])
def test_a_name_that_cannot_be_kept_is_refused_with_an_example(wrong):
    with pytest.raises(SpecError, match="qwen3:8b"):
        key_of(wrong)


def test_every_fact_names_its_source_and_its_sureness_fits_its_month():
    for family in FACTS:
        re.compile(family.pattern)
        assert family.cutoff.source and (family.cutoff.sureness == "unknown") == (family.cutoff.month == "")
        assert "://" not in family.cutoff.source


@given(st.text(max_size=60))
def test_no_name_breaks_the_table(name):
    cutoff_of(name, {})
