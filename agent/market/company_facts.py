"""SEC's company facts as the long fundamentals table: every figure of every filing, never the newest value under an old date.

A filing repeats figures of earlier periods, now and then restated: each is a row of its own filing. Companies tag the same figure under
different concepts; per filing and period the first in our order of preference counts. Amounts are in the currency the company reports
in most, per-share amounts in that currency per share, counts in shares. Periods that are neither a quarter, a half, nine months nor a
year (since inception, two years) have no place in the table and are passed over.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

import pandas as pd

Measure = str  # "money", "per share", "shares"


class _Figure(NamedTuple):
    measure: Measure
    concepts: tuple[str, ...]  # us-gaap unless a taxonomy is named; the first counts


# Revenues before revenue from contracts: where a company reports both, the first is the total and the second leaves out premiums, rents
# and interest. Long-term debt as on the balance sheet: without the part due within a year.
FIGURES: dict[str, _Figure] = {
    "revenue": _Figure(
        "money",
        (
            "Revenues",
            "RevenueFromContractWithCustomerExcludingAssessedTax",
            "SalesRevenueNet",
            "RevenueFromContractWithCustomerIncludingAssessedTax",
            "SalesRevenueGoodsNet",
            "SalesRevenueServicesNet",
            "RevenuesNetOfInterestExpense",
        ),
    ),
    "cost_of_revenue": _Figure("money", ("CostOfRevenue", "CostOfGoodsAndServicesSold", "CostOfGoodsSold", "CostOfServices")),
    "gross_profit": _Figure("money", ("GrossProfit",)),
    "operating_income": _Figure("money", ("OperatingIncomeLoss",)),
    "net_income": _Figure("money", ("NetIncomeLoss", "NetIncomeLossAvailableToCommonStockholdersBasic", "ProfitLoss")),
    "eps_basic": _Figure("per share", ("EarningsPerShareBasic", "EarningsPerShareBasicAndDiluted")),
    "eps_diluted": _Figure("per share", ("EarningsPerShareDiluted", "EarningsPerShareBasicAndDiluted")),
    "shares_outstanding": _Figure("shares", ("dei:EntityCommonStockSharesOutstanding", "CommonStockSharesOutstanding")),
    "shares_diluted": _Figure("shares", ("WeightedAverageNumberOfDilutedSharesOutstanding",)),
    "total_assets": _Figure("money", ("Assets",)),
    "total_liabilities": _Figure("money", ("Liabilities",)),
    "equity": _Figure("money", ("StockholdersEquity", "StockholdersEquityIncludingPortionAttributableToNoncontrollingInterest")),
    "cash": _Figure(
        "money", ("CashAndCashEquivalentsAtCarryingValue", "CashCashEquivalentsRestrictedCashAndRestrictedCashEquivalents", "Cash")
    ),
    "long_term_debt": _Figure("money", ("LongTermDebtNoncurrent", "LongTermDebt", "LongTermDebtAndCapitalLeaseObligations")),
    "operating_cash_flow": _Figure(
        "money",
        ("NetCashProvidedByUsedInOperatingActivities", "NetCashProvidedByUsedInOperatingActivitiesContinuingOperations"),
    ),
    "capex": _Figure("money", ("PaymentsToAcquirePropertyPlantAndEquipment", "PaymentsToAcquireProductiveAssets")),
}
# Days of a period, both ends counted: 12- to 17-week quarters, 52- and 53-week years.
TIMEFRAMES = (("quarterly", 77, 120), ("half", 165, 200), ("nine_months", 245, 290), ("annual", 345, 385))
FORMS = ("10-K", "10-Q", "8-K", "20-F", "40-F", "6-K")  # reports; registration statements repeat what these have said


class Facts(NamedTuple):
    """The rows without ``available_at``, and how many had no filing date."""

    frame: pd.DataFrame
    undated: int


def timeframe(start: date | None, end: date) -> str:
    """quarterly, half, nine_months or annual by the days from ``start`` to ``end``, instant without a start, "" for anything else."""
    if start is None:
        return "instant"
    days = (end - start).days + 1
    return next((name for name, least, most in TIMEFRAMES if least <= days <= most), "")


def rows(payload: Mapping[str, Any], symbol: str) -> Facts:
    """The figures of SEC's companyfacts answer. Raises KeyError, TypeError or ValueError where it has another shape."""
    facts = payload["facts"]
    units = _units(facts)
    kept: dict[tuple[str, str, str, date], dict[str, Any]] = {}
    undated = 0
    for field, figure in FIGURES.items():
        for concept in figure.concepts:
            for row in _values(facts, concept, units[figure.measure]):
                if not str(row.get("form", "")).startswith(FORMS):
                    continue
                if not row.get("filed"):
                    undated += 1
                    continue
                found = _row(row, symbol, field, units[figure.measure])
                if found:
                    kept.setdefault((found["accession"], field, found["timeframe"], found["period_end"]), found)
    return Facts(pd.DataFrame(list(kept.values()), columns=COLUMNS), undated)


COLUMNS = ["symbol", "field", "value", "unit", "timeframe", "period_start", "period_end", "form", "filed", "accession"]


def _row(row: Mapping[str, Any], symbol: str, field: str, unit: str) -> dict[str, Any] | None:
    value = row["val"]
    end = date.fromisoformat(row["end"])
    start = date.fromisoformat(row["start"]) if row.get("start") else None
    length = timeframe(start, end)
    if not length or isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return {
        "symbol": symbol,
        "field": field,
        "value": float(value),
        "unit": unit,
        "timeframe": length,
        "period_start": start,
        "period_end": end,
        "form": row["form"],
        "filed": date.fromisoformat(row["filed"]),
        "accession": row["accn"],
    }


def _units(facts: Mapping[str, Any]) -> dict[Measure, str]:
    """The unit of each measure: the currency most amounts are in, for companies that also translate into another."""
    seen: Counter[str] = Counter()
    for figure in FIGURES.values():
        if figure.measure == "money":
            for concept in figure.concepts:
                seen.update({unit: len(rows) for unit, rows in _by_unit(facts, concept).items() if len(unit) == 3})
    currency = min(seen, key=lambda unit: (-seen[unit], unit), default="USD")
    return {"money": currency, "per share": f"{currency}/shares", "shares": "shares"}


def _values(facts: Mapping[str, Any], concept: str, unit: str) -> Iterator[Mapping[str, Any]]:
    yield from _by_unit(facts, concept).get(unit, ())


def _by_unit(facts: Mapping[str, Any], concept: str) -> Mapping[str, Any]:
    taxonomy, _, name = concept.rpartition(":")
    return facts.get(taxonomy or "us-gaap", {}).get(name, {}).get("units", {})
