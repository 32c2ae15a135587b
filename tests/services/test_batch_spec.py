"""A batch as it is written: what it expands to, in which order, and a sentence for everything that can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import SpecError
from services import batch_spec
from services.batch_spec import BatchSpec, expand, limits_of, parse

EXAMPLE = Path(__file__).parents[2] / "docs" / "batch.yaml"
BASE = {"source": "demo", "test": {"start": "2022-01-18", "end": "2022-01-26"}}


def asked(**keys) -> BatchSpec:
    return BatchSpec.read({"base": BASE, "tickers": ["DMAUR"], **keys})


def test_the_lists_become_runs_in_one_order_with_seeds_innermost():
    cells = expand(
        asked(
            models=["rules", {"backend": "ollama", "model": "qwen3:8b"}],
            tickers=["DMAUR", ["DMCEL", "DMBRS"]],
            characters=["risk_averse", "self_adaptive"],
            seeds=[3, 1],
        )
    )
    assert len(cells) == 16
    told = [tuple(cell.labels[key] for key in ("model", "tickers", "character", "seed")) for cell in cells]
    assert told[:3] == [
        ("rules", "DMAUR", "risk_averse", 3),
        ("rules", "DMAUR", "risk_averse", 1),
        ("rules", "DMAUR", "self_adaptive", 3),
    ]
    assert told[-1] == ("ollama · qwen3:8b", "DMCEL, DMBRS", "self_adaptive", 1)
    assert [cell.spec.fingerprint() for cell in expand(asked(seeds=[3, 1]))] == [
        cell.spec.fingerprint() for cell in expand(asked(seeds=[3, 1]))
    ]


def test_repeats_of_one_configuration_share_a_group_and_nothing_else_does():
    cells = expand(asked(characters=["risk_averse", "self_adaptive"], seeds=[1, 2, 3]))
    groups = [cell.labels["group"] for cell in cells]
    assert len(set(groups)) == 2 and len(set(groups[:3])) == 1 and groups[0] == cells[0].spec.group_key()


def test_a_preset_brings_its_memory_and_keeps_the_embedder_that_was_asked_for():
    one, other = expand(asked(presets=["default", "finmem-paper"], embedder="hashing"))
    assert one.spec.memory.layers != other.spec.memory.layers
    assert (one.spec.preset, other.spec.preset) == ("default", "finmem-paper")
    assert one.spec.memory.embedder == other.spec.memory.embedder == "hashing"


def test_what_varies_stands_in_the_name_of_a_run_and_what_does_not_is_left_out():
    (first, _) = expand(asked(name="Pace", seeds=[1, 2]))
    assert first.spec.name == "Pace · 1"


def test_without_lists_a_batch_is_its_base():
    (only,) = expand(BatchSpec.read({"base": {**BASE, "tickers": ["DMAUR"], "seed": 5}}))
    assert only.spec.seed == 5 and only.spec.tickers == ("DMAUR",)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"sedes": [1]}, ["sedes", "seeds"]),
        ({"seeds": []}, ["seeds", "empty", "leave the key out"]),
        ({"models": []}, ["models", "empty"]),
        ({"seeds": [1, 2, 1]}, ["Runs 1 and 3 would be the same run"]),
        ({"models": ["rules", "rules"]}, ["same run"]),
        ({"characters": ["brave"]}, ["characters"]),
        ({"presets": ["finmem-papr"]}, ["finmem-papr", "finmem-paper"]),
        ({"models": ["olama:qwen3:8b"]}, ["olama", "ollama"]),
        ({"models": [{"backend": "ollama", "modle": "qwen3:8b"}]}, ["ollama options", "modle"]),
        ({"models": [{"model": "qwen3:8b"}]}, ["models", "backend"]),
        ({"embedder": "mini"}, ["embedder", "minilm"]),
        ({"seeds": [-1]}, ["seed", "Run 1"]),
        ({"seeds": "1-5"}, ["seeds", "list"]),
        ({"seeds": list(range(400)), "characters": ["risk_averse", "risk_seeking", "self_adaptive"]}, ["1,200 runs", "1,000"]),
        ({"limits": {"ollama": 0}}, ["limits", "1 or more"]),
        ({"base": {"source": "demo"}}, ["no test", "start"]),
        ({"tickers": None}, ["no tickers"]),
        ({"base": {**BASE, "seeds": [1, 2]}}, ["base.seeds", "beside base"]),
        ({"tickers": [["DMAUR", "DMAUR"]]}, ["twice"]),
    ],
)
def test_what_is_wrong_is_one_sentence_that_names_it(keys, words):
    with pytest.raises(SpecError) as error:
        expand(asked(**keys))
    said = f"{error.value.field} {error.value}"
    assert all(word in said for word in words), said


@pytest.mark.parametrize("written", ["- a\n- b", "name: [", "[[[" * 3000, "just words", "", "name: x\nname: [1"])
def test_a_file_that_is_no_batch_is_refused_in_words(written):
    with pytest.raises(SpecError):
        parse(written)


def test_a_limit_on_something_that_no_run_uses_is_refused():
    found = asked(limits={"http://127.0.0.1:9": 2})
    with pytest.raises(SpecError, match="backend or server of this batch"):
        batch_spec.check_limits(found, expand(found))


def test_a_run_is_under_the_limit_of_its_backend_and_of_its_server():
    served = {"backend": "openai_compatible", "model": "m", "base_url": "http://127.0.0.1:9/v1"}
    (cell,) = expand(asked(models=[served], limits={"http://127.0.0.1:9/": 2, "openai_compatible": 3}))
    assert limits_of(cell.spec, {"http://127.0.0.1:9/": 2, "openai_compatible": 3}) == {"openai_compatible": 3, "http://127.0.0.1:9": 2}
    (plain,) = expand(asked(models=["ollama:qwen3:8b"]))
    assert limits_of(plain.spec, {}) == {"ollama": 1}


def test_a_batch_written_out_and_read_again_is_the_same_runs():
    found = asked(models=["rules", {"backend": "ollama", "model": "a:1b"}], tickers=["DMAUR", ["DMCEL", "DMBRS"]], seeds=[1, 2])
    again = parse(batch_spec.dump(found))
    assert [cell.spec for cell in expand(again)] == [cell.spec for cell in expand(found)]


def test_the_example_in_the_documents_is_a_batch():
    found = batch_spec.load(EXAMPLE)
    assert len(expand(found)) == 24
    batch_spec.check_limits(found, expand(found))
