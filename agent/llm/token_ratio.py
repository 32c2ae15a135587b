"""How many characters one token of a model holds, learnt from what its server counted.

Promise: the figure errs towards short tokens, so that a prompt estimated to fit does fit: it follows the densest prompts seen (numbers,
tables), leaves room for the next one to be denser still, and takes nothing from prompts so small that the chat template outweighs them,
nor from counts that no text can have. It is a figure for the next run: a run in progress keeps the Budget it began with.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from statistics import median
from typing import Any

from agent.llm.base import Notes

KIND = "tokens"  # in Notes; the key is the model's digest
GUESS = 3.6  # a cautious average over English news for byte-pair vocabularies
SMALLEST = 400  # characters; in a smaller prompt the 10 to 50 tokens of a chat template count for more than 5 %
LOWEST, HIGHEST = 0.3, 8.0  # one letter of a rare script may be three tokens; no prose has words as long as 8
KEPT = 128  # newest samples; about a quarter of a year with two questions a day
DENSEST = 10  # one sample in so many may be denser than the figure
MARGIN = 0.97
APART = 2.0  # samples further than this factor from the median are a server's mistake (a cut prompt, thoughts counted in)


class Ratio:
    """Characters per token of one model. May be used from several threads."""

    def __init__(self, samples: Iterable[tuple[int, int]] = ()) -> None:
        self._lock = threading.Lock()
        self._samples = [(characters, tokens) for characters, tokens in samples if _possible(characters, tokens)][-KEPT:]

    @classmethod
    def read(cls, notes: Notes, key: str) -> Ratio:
        """What is known of the model ``key`` (its digest); nothing where the notes are empty or unreadable."""
        kept = notes.read(KIND, key) if key else None
        listed = kept.get("samples") if isinstance(kept, dict) else None
        return cls(pair for pair in map(_pair, listed if isinstance(listed, list) else []) if pair)

    def keep(self, notes: Notes, key: str) -> None:
        """Write what is known; nothing is written for a model without a digest, or while nothing is known."""
        with self._lock:
            samples = [list(pair) for pair in self._samples]
        if key and samples:
            notes.write(KIND, key, {"samples": samples, "characters_per_token": round(self.characters_per_token, 4)})

    def learn(self, characters: int, tokens: int | None) -> bool:
        """Take in one prompt of ``characters`` that the server counted as ``tokens``; whether it was of use."""
        if not _possible(characters, tokens):
            return False
        with self._lock:
            self._samples = [*self._samples, (characters, tokens or 0)][-KEPT:]
        return True

    @property
    def measured(self) -> bool:
        """Whether the figure was learnt from this model, not guessed."""
        return bool(self._samples)

    @property
    def characters_per_token(self) -> float:
        """The cautious figure: GUESS until something was learnt."""
        likely = self._likely()
        return max(LOWEST, likely[len(likely) // DENSEST] * MARGIN) if likely else GUESS

    @property
    def sparsest(self) -> float | None:
        """The most characters that a token was seen to hold: no prompt has far fewer tokens than this says. None: nothing was learnt."""
        likely = self._likely()
        return likely[-1] if likely else None

    def _likely(self) -> list[float]:
        """Characters per token of the samples that can be true, the densest first."""
        with self._lock:
            seen = sorted(characters / tokens for characters, tokens in self._samples)
        middle = median(seen) if seen else 0.0
        return [ratio for ratio in seen if middle / APART <= ratio <= middle * APART]


def _possible(characters: int, tokens: int | None) -> bool:
    if not tokens or tokens < 1 or characters < SMALLEST:
        return False
    return LOWEST <= characters / tokens <= HIGHEST


def _pair(entry: Any) -> tuple[int, int] | None:
    """A sample as it was kept; None if it is something else."""
    if not isinstance(entry, (list, tuple)) or len(entry) != 2:
        return None
    if any(isinstance(part, bool) or not isinstance(part, (int, float)) or not math.isfinite(part) for part in entry):
        return None
    return int(entry[0]), int(entry[1])
