"""Prices from one source, news or filings from another, behind the interface of one.

The main source names the tickers; a part that has never heard of one of them delivers nothing for it and says so, because a company
without an SEC filing can be traded all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date

from pydantic import BaseModel

from agent.market import tables
from agent.market.sources.base import Fetched, Issue, Listing, NotSupported, Source, UnknownSymbol


class NoOptions(BaseModel, extra="forbid"):
    """Nothing to choose."""


class CombinedSource:
    """``main`` for everything that no part delivers; a part of None leaves its table out."""

    Options: type[BaseModel] = NoOptions

    def __init__(self, main: Source, parts: Mapping[str, Source | None]) -> None:
        for table, part in parts.items():
            if part is not None and table not in part.provides:
                raise NotSupported(
                    f"The source chosen for {table} has no {table}; it has {', '.join(sorted(part.provides))}.", field=f"parts.{table}"
                )
        self.main, self.parts = main, dict(parts)
        others = [part for part in self.parts.values() if part is not None]
        self.network = main.network or any(part.network for part in others)
        self.provides = (main.provides - set(self.parts)) | {table for table, part in self.parts.items() if part is not None}
        self.note = "; ".join(dict.fromkeys(source.note for source in (main, *others) if source.note))

    def listings(self) -> list[Listing]:
        return self.main.listings()

    def listing(self, symbol: str) -> Listing:
        return self.main.listing(symbol)

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        if table not in self.parts:
            return self.main.fetch(table, symbol, start, end)
        part = self.parts[table]
        if part is None:
            return Fetched(tables.empty(table))
        try:
            return part.fetch(table, symbol, start, end)
        except UnknownSymbol as error:
            return Fetched(tables.empty(table), issues=(Issue("warning", table, f"No {table}: {error}", symbol, code="no_source"),))

    def fingerprint(self) -> str:
        """Over the fingerprints of all; empty as soon as one source cannot name its data beforehand."""
        found = {"main": self.main.fingerprint()} | {table: part.fingerprint() for table, part in self.parts.items() if part is not None}
        if not all(found.values()):
            return ""
        return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()
