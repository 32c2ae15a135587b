"""A tiny embedder that needs no model: hashed words and word pairs. Same text, same vector, on every machine.

It knows words, not meanings: good enough for tests, for a first look without a download, and as the floor any real model must beat.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from pydantic import BaseModel, Field

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")


class HashingEmbedder:
    """Signed feature hashing of words and bigrams with sublinear counts, rows of norm 1; a text without a word is all zero."""

    class Options(BaseModel, extra="forbid", frozen=True):
        dimension: int = Field(256, ge=8, le=4096, description="Length of the vectors; more means fewer collisions.")

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or self.Options()
        self.dimension, self.name = self.dimension_of(self.options), self.name_of(self.options)

    @staticmethod
    def name_of(options: Options) -> str:
        return f"hashing-{options.dimension}-v1"

    @staticmethod
    def dimension_of(options: Options) -> int:
        return options.dimension

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """float32 rows; each depends on its own text only."""
        rows = np.zeros((len(texts), self.dimension), dtype=np.float64)
        for row, text in zip(rows, texts, strict=True):
            for feature, count in sorted(Counter(_features(text)).items()):
                place, sign = _slot(feature, self.dimension)
                row[place] += sign * (1.0 + math.log(count))
            norm = math.sqrt(float((row * row).sum()))
            if norm > 0:
                row /= norm
        return rows.astype(np.float32)


def _features(text: str) -> list[str]:
    words = _WORD.findall(text.casefold())
    return words + [f"{a} {b}" for a, b in pairwise(words)]


@lru_cache(maxsize=200_000)
def _slot(feature: str, dimension: int) -> tuple[int, float]:
    """Where a feature lands and with which sign."""
    number = int.from_bytes(hashlib.blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
    return (number >> 1) % dimension, 1.0 if number & 1 else -1.0
