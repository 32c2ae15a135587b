"""What a person can choose about the questions: how long texts are digested, what is hidden from the model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agent.records import Record


class Digest(Record):
    """How texts too long to be remembered whole become memories. The source text stays with the day's record."""

    mode: Literal["extract", "model", "off"] = Field(
        "extract", description="extract: the source's own most telling sentences; model: a summary by the helper model; off: every chunk."
    )
    filing_characters: int = Field(12_000, ge=2_000, le=1_000_000, description="Filing sections longer than this are digested.")
    news_per_day: int = Field(12, ge=1, le=200, description="More news than this on one day: the rest becomes one digest.")
    words: int = Field(120, ge=40, le=400, description="Longest digest of one piece, in words.")


class Masking(Record):
    """Hide from the model what it may know by heart. The mapping is kept with the run and undone on screen."""

    names: bool = Field(False, description="Tickers, companies and their aliases become STOCK_01, COMPANY_01, ...")
    dates: bool = Field(False, description="All dates are shifted by the same number of weeks, decades away.")
    prices: bool = Field(False, description="Prices are rebased to 100 at the first close; amounts of money are left out.")
    aliases: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Further words that give a company away, by ticker: products, people, subsidiaries."
    )

    @property
    def on(self) -> bool:
        return self.names or self.dates or self.prices
