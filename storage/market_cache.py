"""Market data on disk, between a network source and everybody who asks."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from agent.market.sources.base import Fetched, Listing, Source


class CachedSource:
    """A network source behind the cache."""

    def __init__(self, inner: Source, *, name: str, folder: Path, offline: bool = False) -> None:
        self.inner, self.name, self.folder, self.offline = inner, name, folder, offline
        self.Options, self.provides, self.note, self.network = inner.Options, inner.provides, inner.note, True

    def listings(self) -> list[Listing]:
        return self.inner.listings()

    def listing(self, symbol: str) -> Listing:
        return self.inner.listing(symbol)

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        return self.inner.fetch(table, symbol, start, end)

    def fingerprint(self) -> str:
        return ""
