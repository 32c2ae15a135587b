"""A FINSABER folder made to its schema: two companies over the turn of a year, every number known."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from agent.market.sessions import Calendar

DAYS = [s.day for s in Calendar().sessions(date(2023, 10, 2), date(2024, 3, 28))]
SPLIT = date(2024, 2, 1)  # AAA, 4:1


def prices() -> pd.DataFrame:
    """AAA rises by 1 a session from 400 and is split 4:1; BBB stays near 50. Closes as traded, adjusted closes for the split."""
    rows = []
    for i, day in enumerate(DAYS):
        for symbol, cik, close in (("AAA", 1, 400.0 + i), ("BBB", 2, 50.0 + i % 3)):
            adjusted = close / 4 if symbol == "AAA" else close
            traded = adjusted if day >= SPLIT else close
            rows.append((str(day), symbol, cik, traded, traded * 1.01, traded * 0.99, traded, adjusted, 1_000 + i))
    columns = ["date", "symbol", "cik", "open", "high", "low", "close", "adjusted_close", "volume"]
    return pd.DataFrame(rows, columns=columns)


def news() -> pd.DataFrame:
    """One item of AAA on every calendar day, so on weekends too."""
    days = pd.date_range(DAYS[0], DAYS[-1])
    texts = [f"Alpha wins order {i}. The order is worth {i} million." for i in range(len(days))]
    return pd.DataFrame({"date": [str(day.date()) for day in days], "symbol": "AAA", "item_index": 0, "news_text": texts})


def filings(form: str) -> pd.DataFrame:
    """Reports of AAA: 10-Q on 3 November and 5 February, 10-K on 20 February; BBB has one of each year."""
    dates = {"filingq": ["2023-11-03", "2024-02-05"], "filingk": ["2024-02-20"]}[form]
    rows = [(day, "AAA", 0, f"{form} of {day}: revenue grew.") for day in dates]
    rows += [(f"{year}-03-04" if year == 2024 else "2023-12-29", "BBB", 0, "Nothing new.") for year in (2023, 2024)]
    return pd.DataFrame(rows, columns=["date", "symbol", "filing_idx", "filing_text"])


def write(where: Path, **changed: pd.DataFrame | None) -> Path:
    """The folder, partitioned by year. A table given as None is left out."""
    tables = {"price_daily": prices(), "news_items": news(), "filingk": filings("filingk"), "filingq": filings("filingq")}
    for name, frame in (tables | changed).items():
        if frame is None:
            continue
        for year, rows in frame.groupby(frame["date"].astype(str).str.slice(0, 4)):
            part = where / name / f"year={year}"
            part.mkdir(parents=True, exist_ok=True)
            rows.to_parquet(part / "part-000.parquet", index=False)
    return where
