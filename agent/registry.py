"""Named plugs, imported only when asked for.

A registry maps a short name (what a RunSpec stores and a person picks) to the ``module:Class`` that implements it: listing the
choices imports nothing heavy, and adding a choice is one line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar

from agent.errors import SpecError

T = TypeVar("T")


class Registry(Generic[T]):
    """The implementations of one kind of plug, by name."""

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def load(self, name: str) -> type[T]:
        """The class registered under ``name``; an unknown name is a SpecError that lists the choices."""
        if name not in self._entries:
            raise SpecError(unknown(self.kind, name, self._entries), field=self.kind)
        module, _, attribute = self._entries[name].partition(":")
        return getattr(import_module(module), attribute)


def unknown(kind: str, name: str, choices: Iterable[str]) -> str:
    """The sentence for a name that is not among ``choices``, with the nearest one if there is one."""
    names = sorted(choices)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"Unknown {kind} {name!r}; choose from {', '.join(names)}.{hint}"
