"""The arithmetic of memory: pure functions of numbers, scalars or arrays alike. Sources: FinMem, arXiv 2311.13743, equations 1-6.

Nothing here is ever stored: recency and today's importance are closed forms of dates, evaluated when asked, so an ordinary day writes
nothing and a resumed run cannot differ from an unbroken one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np

Numbers = float | np.ndarray


def recency(age: Numbers, *, span: float) -> np.ndarray:
    """R = exp(-age / span); a memory from the future is as fresh as one of today."""
    return np.exp(-np.maximum(age, 0.0) / span)


def importance(value: Numbers, age: Numbers, *, decay: float) -> np.ndarray:
    """I = value * decay^age on the 0-100 scale."""
    return value * np.power(decay, np.maximum(age, 0.0))


def score(similarity: Numbers, recency: Numbers, importance: Numbers) -> np.ndarray:
    """Plain sum of the three terms, each on a 0-1 scale (similarity may be negative); importance counts up to 100."""
    return similarity + recency + np.minimum(importance, 100.0) / 100.0


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to norm 1 in float64; a zero row stays zero, so its similarity to anything is 0."""
    rows = np.asarray(vectors, dtype=np.float64)
    norms = np.sqrt((rows * rows).sum(axis=-1, keepdims=True))
    return rows / np.where(norms > 0, norms, 1.0)


def cosines(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Cosine of each row with a unit query, in float64.

    Row by row on purpose: a matrix product may round the same row differently at another position, and a ranking must not depend on
    the order in which memories were stored.
    """
    return (unit(rows) * query).sum(axis=-1)


def keyed_fraction(seed: int, ticker: str, content_hash: str) -> float:
    """A number in [0, 1) that depends on nothing but its arguments: not on order, machine or Python's hash seed."""
    digest = hashlib.blake2b(f"{seed}|{ticker}|{content_hash}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def birth_importance(
    values: Sequence[float], odds: Sequence[float], *, rule: Literal["keyed", "fixed"], seed: int, ticker: str, content_hash: str
) -> float:
    """Importance of a new memory: the most likely value, or a draw keyed by seed, ticker and content."""
    if rule == "fixed":
        return float(values[int(np.argmax(odds))])
    draw, total = keyed_fraction(seed, ticker, content_hash), 0.0
    for value, share in zip(values, odds, strict=True):
        total += share
        if draw < total:
            return float(value)
    return float(values[-1])
