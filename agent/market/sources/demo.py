"""The demo market as a source: offline, the same on every machine, with text that rewards memory.

Nothing is read from disk or network. What is served lies in ``agent/market/demo``; its latent truth is never served.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import SpecError
from agent.market.demo.companies import FIRMS, FIRST_DAY, LAST_DAY, NOTE, SHIPPED_SEED
from agent.market.sources.base import TABLES, Fetched, Listing, Local, Place
from agent.registry import unknown

if TYPE_CHECKING:
    import pandas as pd

DAY_COLUMN = {"bars": "date", "splits": "ex_date", "dividends": "ex_date", "news": "available_at", "filings": "available_at"}


class DemoOptions(BaseModel):
    """Options of the demo market."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(
        default=SHIPPED_SEED, ge=0, lt=2**31, description="Which synthetic market; another seed has other prices, news and filings."
    )


class DemoSource(Local):
    """Four fictional companies, 2021-01-04 to 2023-12-29."""

    Options = DemoOptions
    provides = frozenset(TABLES) - {"fundamentals"}
    note = NOTE

    def __init__(self, options: DemoOptions | None = None, place: Place | None = None) -> None:
        self.options = options or DemoOptions()

    def listings(self) -> list[Listing]:
        """The companies, sorted by ticker."""
        listed = [Listing(firm.symbol, firm.name, first=FIRST_DAY, last=LAST_DAY, extra={"about": firm.business[0]}) for firm in FIRMS]
        return sorted(listed, key=lambda listing: listing.ticker)

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        """Rows with start <= day < end. News and filings count by the UTC time at which they became readable."""
        import pandas as pd

        from agent.market.demo.world import build

        self._check(table, symbol, start, end)
        frame = build(self.options.seed).tables[table]
        column = frame[DAY_COLUMN[table]]
        zone = UTC if table in ("news", "filings") else None
        low, high = (pd.Timestamp(day, tz=zone) for day in (start, end))
        rows = frame[(frame["symbol"] == symbol) & (column >= low) & (column < high)].sort_values([DAY_COLUMN[table]], kind="stable")
        return Fetched(rows.reset_index(drop=True), covered=_covered(start, end), fetched_at=datetime.now(UTC))

    def fingerprint(self) -> str:
        """sha256 over all tables of the seed."""
        from agent.market.demo.world import digest

        return digest(self.options.seed)

    def _check(self, table: str, symbol: str, start: date, end: date) -> None:
        if table not in self.provides:
            raise SpecError(unknown("table", table, self.provides), field="table")
        symbols = [firm.symbol for firm in FIRMS]
        if symbol not in symbols:
            raise SpecError(unknown("ticker", symbol, symbols), field="tickers")
        if start > end:
            raise SpecError(f"The start {start} is after the end {end}; swap them.", field="start")


def _covered(start: date, end: date) -> tuple[tuple[pd.Timestamp, pd.Timestamp], ...]:
    """The asked-for range as far as the market exists: nothing is known of days outside it."""
    import pandas as pd

    low = max(pd.Timestamp(start, tz=UTC), pd.Timestamp(FIRST_DAY, tz=UTC))
    high = min(pd.Timestamp(end, tz=UTC), pd.Timestamp(LAST_DAY, tz=UTC) + pd.Timedelta(days=1))
    return ((low, high),) if low < high else ()
