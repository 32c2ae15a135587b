"""Randomness that is the same on every machine, and phrases drawn from tables.

``random.Random(n).random()`` is the one generator whose sequence Python guarantees across versions and platforms, and sums of its
values are exact IEEE arithmetic. Nothing here calls the C library's log, exp or cos, whose last digit differs between systems.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


class Stream:
    """An independent random sequence, chosen by its key: a new company has its own keys and so changes nobody else's numbers."""

    def __init__(self, *key: object) -> None:
        digest = hashlib.sha256(repr(key).encode()).digest()
        self.uniform = random.Random(int.from_bytes(digest[:8], "big")).random

    def normal(self) -> float:
        """Mean 0, variance 1, within +-6: the sum of twelve uniforms less six."""
        return sum(self.uniform() for _ in range(12)) - 6.0

    def chance(self, probability: float) -> bool:
        return self.uniform() < probability

    def whole(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + int(self.uniform() * (high - low + 1))

    def sign(self) -> int:
        return 1 if self.chance(0.5) else -1

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.uniform() * len(choices))]

    def shuffled(self, choices: Sequence[T]) -> list[T]:
        rest = list(choices)
        return [rest.pop(int(self.uniform() * len(rest))) for _ in range(len(rest))]


class Phrases:
    """Draws from tables of phrases, each table dealt out completely before any of its phrases comes again."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._decks: dict[int, list[str]] = {}

    def draw(self, table: Sequence[str]) -> str:
        deck = self._decks.setdefault(id(table), [])
        if not deck:
            deck.extend(self._stream.shuffled(table))
        return deck.pop()


def fill(template: str, slots: Mapping[str, object], *, sign: int = 1, plural: bool = False) -> str:
    """``<a//b>`` becomes a for a positive sign and b for a negative one; ``[a/b]`` becomes a for a singular noun and b for a plural."""
    text = re.sub(r"<([^<>]*?)//([^<>]*?)>", lambda m: m[1] if sign > 0 else m[2], template)
    text = re.sub(r"\[([^\[\]/]*)/([^\[\]/]*)\]", lambda m: m[2] if plural else m[1], text)
    text = text.format_map(slots).replace("s's ", "s' ")
    text = re.sub(r"\b1 ((?:more |trading |another )*)(session|day)s\b", r"1 \1\2", text)
    return text[:1].upper() + text[1:]
