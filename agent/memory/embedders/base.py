"""What an embedder owes: unit vectors that depend on the text alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np
from pydantic import BaseModel


class Embedder(Protocol):
    """``name`` identifies the model and its version; vectors of different names are never compared."""

    Options: ClassVar[type[BaseModel]]
    name: str
    dimension: int

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """float32 array of shape (len(texts), dimension), rows of norm 1 (a text without content may be all zero). The vector of a
        text must not depend on what else is in the batch, else a resumed run would differ in the last digit."""
        ...
