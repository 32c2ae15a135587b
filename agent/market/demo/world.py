"""The demo market put together: canonical tables for the source, and the latent truth for tests.

Promise: the same seed gives the same tables, byte for byte, on every machine; adding a company changes no other company's rows.
The market is synthetic. Results on it say that an agent can remember and use text; they are no evidence about real markets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from agent.market.demo import companies as c
from agent.market.demo import newsroom, prices, reports
from agent.market.demo.plan import Plan, plan_company, shocks
from agent.market.sessions import Calendar, Session

if TYPE_CHECKING:
    import pandas as pd

NEWS_DELAY = timedelta(minutes=5)
FILING_DELAY = timedelta(minutes=1)


@dataclass(frozen=True)
class World:
    """One generated market. ``tables`` is what a source may serve; everything else is for tests."""

    seed: int
    sessions: tuple[Session, ...]
    plans: tuple[Plan, ...]
    tapes: tuple[prices.Tape, ...]
    regimes: tuple[int, ...]
    items: tuple[newsroom.Item, ...]
    sections: tuple[reports.Section, ...]
    tables: dict[str, pd.DataFrame]


@lru_cache(maxsize=4)
def build(seed: int = c.SHIPPED_SEED, firms: tuple[c.Firm, ...] = c.FIRMS) -> World:
    """The market of a seed. Treat the frames as read-only: they are shared within the process."""
    sessions = tuple(Calendar("XNYS").sessions(c.FIRST_DAY, c.LAST_DAY))
    macro = shocks(seed, len(sessions))
    common = prices.market(seed, len(sessions))
    plans = tuple(plan_company(seed, firm, sessions, macro) for firm in firms)
    tapes = tuple(prices.trade(seed, plan, sessions, common) for plan in plans)
    items = newsroom.macro_news(seed, macro, sessions, [firm.symbol for firm in firms])
    for plan in plans:
        items += newsroom.company_news(seed, plan, sessions)
    items.sort(key=lambda item: (item.symbol, item.published, item.title))
    sections = [section for plan in plans for section in reports.company_reports(seed, plan, sessions)]
    tables = {**_price_tables(plans, tapes, sessions), "news": _news_table(items), "filings": _filing_table(sections)}
    return World(seed, sessions, plans, tapes, tuple(common.regimes), tuple(items), tuple(sections), tables)


def truth(seed: int = c.SHIPPED_SEED) -> pd.DataFrame:
    """For tests only: the drift planted by each effect (A programme, B outlets, C exposure, D surprise) per symbol and session, in
    return per session, with the unrounded overnight gap, the open-to-close move and the regime."""
    import pandas as pd

    world = build(seed)
    rows = [
        (plan.firm.symbol, t, session.day, *(plan.drift[e][t] for e in "ABCD"), tape.gaps[t], tape.moves[t], world.regimes[t])
        for plan, tape in zip(world.plans, world.tapes, strict=True)
        for t, session in enumerate(world.sessions)
    ]
    return pd.DataFrame(rows, columns=["symbol", "session", "date", "A", "B", "C", "D", "gap", "move", "regime"])


@lru_cache(maxsize=4)
def digest(seed: int = c.SHIPPED_SEED) -> str:
    """sha256 over every cell of every table, written out as text, so that it does not hang on the version of pandas."""
    return table_digest(build(seed).tables)


def table_digest(tables: dict[str, pd.DataFrame]) -> str:
    sha = hashlib.sha256()
    for name in sorted(tables):
        frame = tables[name]
        sha.update("\x1f".join([name, *frame.columns]).encode() + b"\x1e")
        for row in zip(*(_cells(frame[column]) for column in frame.columns), strict=True):
            sha.update("\x1f".join(row).encode() + b"\x1e")
    return sha.hexdigest()


def _cells(column: pd.Series) -> list[str]:
    if column.dtype.kind in "fi":
        return [repr(value) for value in column.tolist()]
    if column.dtype.kind == "M":
        return [str(value) for value in column.astype("int64").tolist()]  # microseconds since 1970, UTC
    return column.tolist()


def _price_tables(plans: Sequence[Plan], tapes: Sequence[prices.Tape], sessions: Sequence[Session]) -> dict[str, pd.DataFrame]:
    bars, splits, dividends = [], [], []
    for plan, tape in zip(plans, tapes, strict=True):
        symbol = plan.firm.symbol
        bars += [(symbol, sessions[t].day, *values) for t, *values in tape.bars]
        splits += [(symbol, sessions[t].day, ratio) for t, ratio in tape.splits]
        dividends += [(symbol, sessions[t].day, amount) for t, amount in tape.dividends]
    return {
        "bars": _frame(bars, ["symbol", "date", "open", "high", "low", "close", "volume"], days=["date"]),
        "splits": _frame(splits, ["symbol", "ex_date", "ratio"], days=["ex_date"]),
        "dividends": _frame(dividends, ["symbol", "ex_date", "amount"], days=["ex_date"]),
    }


def _news_table(items: Sequence[newsroom.Item]) -> pd.DataFrame:
    rows = []
    for item in items:
        key = hashlib.sha256("|".join((item.symbol, item.publisher, item.title, item.published.isoformat())).encode()).hexdigest()[:16]
        rows.append(
            (item.symbol, key, item.published, item.published + NEWS_DELAY, item.title, item.body, item.publisher, f"demo://news/{key}")
        )
    columns = ["symbol", "id", "published_at", "available_at", "title", "summary", "publisher", "url"]
    return _frame(rows, columns, times=["published_at", "available_at"])


def _filing_table(sections: Sequence[reports.Section]) -> pd.DataFrame:
    rows = [
        (
            s.symbol,
            s.accession,
            s.form,
            s.name,
            s.period_end,
            s.accepted,
            s.accepted + FILING_DELAY,
            s.text,
            f"demo://filings/{s.accession}/{s.name}",
        )
        for s in sections
    ]
    columns = ["symbol", "accession", "form", "section", "period_end", "accepted_at", "available_at", "text", "url"]
    return _frame(rows, columns, days=["period_end"], times=["accepted_at", "available_at"])


def _frame(rows: Sequence[tuple], columns: list[str], *, days: Sequence[str] = (), times: Sequence[str] = ()) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=columns)
    for column in days:
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[us]")
    for column in times:
        frame[column] = pd.to_datetime(frame[column], utc=True).astype("datetime64[us, UTC]")
    return frame
