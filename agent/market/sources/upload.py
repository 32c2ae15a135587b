"""A dataset that a person imported, by its name.

Promise: a run names the dataset and never a path, so its spec means the same wherever the datasets lie; only a folder directly below the
place of datasets is ever opened.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import Unavailable
from agent.market.sources.base import Place
from agent.market.sources.folder import FolderSource

CURE = "Import it on the Data page, or with: python cli.py data import"


class UploadOptions(BaseModel):
    """Which dataset."""

    model_config = ConfigDict(extra="forbid")

    dataset: str = Field(min_length=1, max_length=60, description="Name of a dataset that was imported or kept")


class UploadSource(FolderSource):
    """The canonical tables of a named dataset."""

    Options: type[BaseModel] = UploadOptions

    def __init__(self, options: UploadOptions, place: Place | None = None) -> None:
        self._open(_folder(options.dataset, place.datasets if place else None), place)


def _folder(name: str, root: Path | None) -> Path:
    """The folder of the dataset; Unavailable with the names there are."""
    if root is None:
        raise Unavailable("This program has no place for datasets.", cure="Set RECOLLECT_HOME.")
    shown = name[:60]
    try:
        names = sorted(e.name for e in root.iterdir() if e.is_dir() and not e.is_symlink() and not e.name.startswith("."))
    except FileNotFoundError:
        names = []
    except OSError as error:
        raise Unavailable(f"The datasets cannot be listed ({error.strerror}).", cure="Check the permissions of their folder.") from error
    if name in names:
        folder = root / name
        links = sorted(entry.name for entry in folder.iterdir() if entry.is_symlink())
        if links:
            raise Unavailable(
                f"{links[0]} of the dataset {shown!r} is a link to somewhere else and is not followed.", cure="Import it again."
            )
        return folder
    near = difflib.get_close_matches(name, names, n=1)
    there = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise Unavailable(
        f"There is no dataset {shown!r}; there {f'is {there}' if len(names) == 1 else f'are {there}' if names else 'is none yet'}.{hint}",
        cure=CURE,
    )
