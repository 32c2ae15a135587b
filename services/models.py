"""What the Models page and ``recollect models`` can do: look at the servers, fetch, delete, probe and try models, enter cut-offs."""

from __future__ import annotations

from agent.llm.cutoffs import Cutoff, key_of
from services.settings import settings
from storage.cutoff_file import CutoffFile, Entered

# --------------------------------------------------------------------------------------------------------- knowledge cut-offs


def edited_cutoffs() -> dict[str, Cutoff]:
    """The cut-offs that a person entered, by ``key_of(name)``. Never raises."""
    return entered().cutoffs


def entered() -> Entered:
    """The same, with what is wrong with their file."""
    return _cutoff_file().read()


def enter_cutoff(name: str, cutoff: Cutoff) -> None:
    """Keep a person's own word about a model. Raises SpecError (no name) or Unavailable (the file)."""
    _cutoff_file().write(key_of(name), cutoff.model_copy(update={"edited": True}))


def reset_cutoff(name: str) -> None:
    """Back to what is shipped. Raises SpecError or Unavailable."""
    _cutoff_file().forget(key_of(name))


def _cutoff_file() -> CutoffFile:
    return CutoffFile(settings().home.absolute() / "cutoffs.json")
