"""Texts are embedded once, ever; the cache file is disposable and shared."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.errors import SpecError, Unavailable
from storage.embedding_cache import CachedEmbedder


class Letters:
    """A vector of letter counts, and a note of every text it was asked for."""

    class Options:
        pass

    def __init__(self, asked: list[str], *, name: str = "letters", dimension: int = 3) -> None:
        self.name, self.dimension, self.asked = name, dimension, asked

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        return np.array([[text.count(letter) + 1 / 3 for letter in "abcdefgh"[: self.dimension]] for text in texts], np.float32)


def cache(path: Path, asked: list[str], **changes: Any) -> CachedEmbedder:
    about = {"name": "letters", "dimension": 3, **changes}
    return CachedEmbedder(lambda: Letters(asked, **about), path / "cache" / "embeddings.db", **about)


def refuse() -> Any:
    raise AssertionError("the model must not be loaded")


TEXTS = ["a bad cab", "", "b", "ümläut € \ud800 \x00", "a bad cab"]


def test_a_second_run_computes_nothing_and_loads_no_model(tmp_path: Path) -> None:
    asked: list[str] = []
    first = cache(tmp_path, asked)
    vectors = first.embed(TEXTS)
    assert np.array_equal(vectors, Letters([]).embed(TEXTS)) and vectors.dtype == np.float32
    assert (first.computed, first.served) == (4, 1) and asked == TEXTS[:4]
    second = CachedEmbedder(refuse, tmp_path / "cache" / "embeddings.db", name="letters", dimension=3)
    assert np.array_equal(second.embed(list(reversed(TEXTS))), vectors[::-1])
    assert (second.computed, second.served) == (0, 5)


def test_only_what_is_new_is_asked_for(tmp_path: Path) -> None:
    asked: list[str] = []
    embedder = cache(tmp_path, asked)
    embedder.embed(["a", "b"])
    assert np.array_equal(embedder.embed(["c", "a"]), Letters([]).embed(["c", "a"]))
    assert asked == ["a", "b", "c"]


def test_vectors_of_two_models_are_kept_apart(tmp_path: Path) -> None:
    asked: list[str] = []
    cache(tmp_path, asked).embed(["a"])
    wide = cache(tmp_path, asked, name="letters-5", dimension=5)
    assert wide.embed(["a"]).shape == (1, 5) and asked == ["a", "a"]


def test_nothing_is_a_matrix_without_rows(tmp_path: Path) -> None:
    assert cache(tmp_path, []).embed([]).shape == (0, 3)


def test_an_embedder_that_is_not_the_promised_one_is_refused(tmp_path: Path) -> None:
    wrong = CachedEmbedder(lambda: Letters([], name="other"), tmp_path / "e.db", name="letters", dimension=3)
    with pytest.raises(SpecError, match="may not be mixed"):
        wrong.embed(["a"])


@pytest.mark.parametrize("damage", ["no database at all", "torn in the middle"])
def test_a_damaged_file_is_set_aside_and_begun_anew(tmp_path: Path, damage: str) -> None:
    asked: list[str] = []
    before = cache(tmp_path, asked)
    texts = [f"text {n}" for n in range(400)]
    before.embed(texts)
    before.close()
    file = tmp_path / "cache" / "embeddings.db"
    body = file.read_bytes()
    file.write_bytes(b"damaged" * 2000 if damage.startswith("no") else body[:4096] + bytes([255]) * (len(body) - 4096))
    after = cache(tmp_path, asked)
    assert np.array_equal(after.embed(texts), Letters([]).embed(texts)) and after.computed == 400
    assert (tmp_path / "cache" / "embeddings.db.bad").exists()
    assert cache(tmp_path, asked).embed(texts).shape == (400, 3) and len(asked) == 800


def test_a_vector_that_rotted_on_the_disk_is_computed_again(tmp_path: Path) -> None:
    asked: list[str] = []
    cache(tmp_path, asked).embed(["a", "b"])
    with sqlite3.connect(tmp_path / "cache" / "embeddings.db") as connection:
        connection.execute("UPDATE vectors SET vector = zeroblob(12)")
    healed = cache(tmp_path, asked)
    assert np.array_equal(healed.embed(["a", "b"]), Letters([]).embed(["a", "b"])) and healed.computed == 2
    assert cache(tmp_path, asked).embed(["a"]).any() and len(asked) == 4


def test_more_texts_than_one_question_may_hold(tmp_path: Path) -> None:
    asked: list[str] = []
    texts = [f"text {n}" for n in range(1200)]
    cache(tmp_path, asked).embed(texts)
    assert np.array_equal(cache(tmp_path, asked).embed(texts), Letters([]).embed(texts)) and len(asked) == 1200


def test_several_processes_share_one_file(in_processes: Callable[[str], dict[str, Any]]) -> None:
    assert in_processes("race_to_embed") == {"codes": [0] * 4}


def test_a_folder_that_cannot_be_made_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(Unavailable, match=r"embeddings.db cannot be used .* may be deleted"):
        cache(tmp_path, []).embed(["a"])
