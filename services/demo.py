"""The bundled demo run: a real run of the real code on the synthetic market, made once, on first start, in seconds.

It uses the hashing embedder, which knows words but not meanings: a sentence model would need minutes for the same run on a small
machine. New runs default to the sentence model.
"""

from __future__ import annotations

from agent.memory.layers import preset
from agent.spec import RunSpec
from services import runs
from services.settings import settings

NAME = "Demo: memory trader on a synthetic market"


def spec(seed: int | None = None) -> RunSpec:
    """Two fictional companies, one year to learn and one to trade, the offline rules backend."""
    return RunSpec.read(
        {
            "name": NAME,
            "source": "demo",
            "source_options": {} if seed is None else {"seed": seed},
            "tickers": ["DMAUR", "DMCEL"],
            "train": {"start": "2021-07-01", "end": "2021-12-31"},
            "test": {"start": "2022-01-03", "end": "2022-12-30"},
            "backend": "rules",
            "memory": preset("default").model_copy(update={"embedder": "hashing"}).model_dump(),
        }
    )


def existing() -> str | None:
    """The id of a demo run that is there already, whatever its state."""
    wanted = spec().fingerprint()
    return next((row.id for row in runs.store().runs() if row.fingerprint == wanted), None)


def ensure() -> str | None:
    """Start the demo run in the background if the library is empty; returns its id."""
    if not settings().demo_on_start or runs.store().runs():
        return None
    run = runs.create(spec())
    runs.start_worker(run)
    return run
