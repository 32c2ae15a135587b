"""Any sentence-transformers model that is already on this machine, by name.

Nothing is ever downloaded here. One text per forward pass and one thread per pass: only then is a vector the same alone and in company,
on two cores and on sixteen (batching and threading change the last digit, measured: 1e-7). The cores share the texts instead.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from agent.errors import Unavailable

_INSTALL = "Install it: pip install sentence-transformers"


@lru_cache(maxsize=2)
def load(where: str) -> Any:
    """The model of that name or folder, from this machine only; Unavailable if it is not here."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    except ImportError as error:
        raise Unavailable("The package sentence-transformers is not installed.", cure=_INSTALL) from error
    logging.disable_progress_bar()
    try:
        return SentenceTransformer(where, device="cpu", local_files_only=True).eval()
    except (OSError, ValueError, RuntimeError) as error:
        cure = f"Download it once where there is a network: hf download {where}; or choose the embedder minilm, which needs no download."
        raise Unavailable(f"The sentence-transformers model {where!r} is not on this machine.", cure=cure) from error


def encode(model: Any, texts: Sequence[str], dimension: int) -> np.ndarray:
    """float32 unit rows, each a function of its own text alone; a blank text is all zero."""
    import torch

    out = np.zeros((len(texts), dimension), np.float32)
    # tokenised here, one by one: the tokenizer may not be used by two threads at once
    jobs = [(i, model.preprocess([text])) for i, text in enumerate(texts) if text.strip()]

    def forward(job: tuple[int, Any]) -> None:
        with torch.inference_mode():
            row = model(job[1])["sentence_embedding"][0].to(torch.float64).numpy()
        norm = float(np.sqrt((row * row).sum()))
        out[job[0]] = row / norm if norm > 0 else 0.0

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if len(jobs) < 2:
            for job in jobs:
                forward(job)
        else:
            with ThreadPoolExecutor(min(_cores(), len(jobs)), initializer=torch.set_num_threads, initargs=(1,)) as pool:
                list(pool.map(forward, jobs))
    finally:
        torch.set_num_threads(before)
    return out


class SentenceTransformerEmbedder:
    """A model by its Hugging Face name or folder."""

    class Options(BaseModel, extra="forbid", frozen=True):
        model: str = Field(
            "sentence-transformers/all-MiniLM-L6-v2",
            min_length=1,
            description="Name or folder of a sentence-transformers model on this machine.",
        )

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or self.Options()
        self._model = load(self.options.model)
        self.name, self.dimension = self.name_of(self.options), self.dimension_of(self.options)

    @staticmethod
    def name_of(options: Options) -> str:
        return f"sentence-transformers:{options.model}"

    @staticmethod
    def dimension_of(options: Options) -> int:
        """Length of the vectors; only the loaded model knows it."""
        return int(load(options.model).get_embedding_dimension())

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return encode(self._model, texts, self.dimension)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
