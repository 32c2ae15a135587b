"""Growth, margins and valuation as a reader of the filings could have worked them out at a close.

Promise: a figure is made of facts whose filing was readable by the view's cutoff, each in the newest version readable then, so a
restatement counts from its own ``available_at`` on and never before. Where an input is missing, older than 15 months, in another
currency, or makes no sense (a loss under a price/earnings ratio), there is no figure: never a zero, never a guess.

    revenue_growth, earnings_growth              latest quarter against the same quarter a year before; the base must be positive
    gross_margin, operating_margin, net_margin   of the latest quarter
    revenue_ttm, net_income_ttm, eps_ttm         the last twelve months
    free_cash_flow                               the last twelve months: operating cash flow less capital expenditure
    return_on_equity, debt_to_equity             twelve months' net income, or long-term debt, over equity at the newest balance sheet
    market_cap, price_to_earnings, price_to_sales, price_to_book      with the newest close

"Latest" is the newest period that any report gives for the figure: where that one cannot be worked out, an older one does not stand in.
A quarter is taken as reported. Where it is not (fourth quarters rarely are, and cash flows are reported since the year's start) it is
derived: annual less nine months or else less three quarters, nine months less half a year, half a year less a quarter. Twelve months are
the annual figure, else annual + year to date - year to date a year before, else four quarters.

Shares and per-share earnings stand on the share basis of the day they were filed; splits with a later ex date, up to the session of the
cutoff and no further, are applied to both, so that ``eps_ttm`` is per share of today. Market value counts the shares outstanding of the
newest report, or the diluted average where no report gives them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from agent.market.view import Period, View
from agent.records import Fact, Figure

STALE_DAYS = 457  # 15 months from the end of a period: the next yearly report is out by then
PRICE_DAYS = 10  # an older close values nothing
DRIFT_DAYS = 20  # years of 52 or 53 weeks and quarters of 12 or 16 end that far from the calendar's
NEARBY = tuple(timedelta(days=days) for days in sorted(range(-DRIFT_DAYS, DRIFT_DAYS + 1), key=abs))
MONTHS = {"quarterly": 3, "half": 6, "nine_months": 9, "annual": 12}
DAYS = {3: 91, 6: 182, 9: 274, 12: 365}
DAYS_BEFORE = {6: (91,), 9: (91, 182), 12: (91, 182, 274)}  # ends of the quarters before the last of so many months
EPS = ("eps_diluted", "eps_basic")
SHARES = ("shares_outstanding", "shares_diluted")
FLOWS = (
    *("revenue", "cost_of_revenue", "gross_profit", "operating_income", "net_income"),
    *(*EPS, "shares_diluted", "operating_cash_flow", "capex"),
)
BALANCES = ("shares_outstanding", "equity", "long_term_debt")

NEVER = date(1900, 1, 1)

Values = dict[date, "Value"]  # period end -> value
Book = dict[str, dict[int, Values]]  # field -> months, 0 for a day's balance -> values


@dataclass(frozen=True, slots=True)
class Value:
    """A number, and what has to be said about where it comes from."""

    amount: float
    currency: str
    period_end: date  # the newest period in it
    fresh: date  # the oldest period in it that is meant to be the present
    fact: Fact  # from the newest filing in it


def snapshot(view: View, ticker: str) -> tuple[Figure, ...]:
    """The figures of one ticker at the view's cutoff: those that can be worked out, in the order of the list above."""
    known = view.from_facts(ticker, _reported)
    oldest = view.session - timedelta(days=STALE_DAYS)
    usable = {name: value for name, value in known.items() if value.fresh >= oldest}
    figures = [_figure(name, value, value.fact.available_at) for name, value in usable.items() if name in STATEMENT_FIGURES]
    bars = view.adjusted_bars(ticker, 1)
    if bars and bars[0].day >= view.session - timedelta(days=PRICE_DAYS):
        priced_at = view.priced_at(ticker)
        for name, value in _valuation(usable, bars[0].close, view.currency).items():
            figures.append(_figure(name, value, max(value.fact.available_at, priced_at)))
    return tuple(figures)


def _figure(name: str, value: Value, available_at: datetime) -> Figure:
    return Figure(
        name=name,
        value=value.amount,
        unit=value.currency,
        period_end=value.period_end,
        form=value.fact.form,
        filed=value.fact.filed,
        available_at=available_at,
        accession=value.fact.accession,
    )


# ------------------------------------------------------------------------------------------- what the filings alone can tell


STATEMENT_FIGURES = (
    *("revenue_growth", "earnings_growth", "gross_margin", "operating_margin", "net_margin", "revenue_ttm", "net_income_ttm"),
    *("eps_ttm", "free_cash_flow", "return_on_equity", "debt_to_equity"),
)


def _reported(facts: Mapping[Period, Fact], growth: Callable[[date], float]) -> dict[str, Value]:
    """The figures that need no price, and ``shares`` and ``equity`` for those that do. ``growth``: what a share of a day has become."""
    book = _book(facts.values(), growth)
    revenue, cost, gross, operating, income = (_quarters(book[field]) for field in FLOWS[:5])
    sold, cash, equity = _newest_end(book["revenue"]), _newest_end(book["operating_cash_flow"]), _newest(book["equity"][0])
    kept = gross.get(sold) or _made(operator.sub, revenue.get(sold), cost.get(sold))
    earned = _twelve_months(book["net_income"])
    found = {
        "revenue_growth": _growth(revenue, sold),
        "earnings_growth": _growth(income, _newest_end(book["net_income"])),
        "gross_margin": _ratio(kept, revenue.get(sold)),
        "operating_margin": _ratio(operating.get(sold), revenue.get(sold)),
        "net_margin": _ratio(income.get(sold), revenue.get(sold)),
        "revenue_ttm": _twelve_months(book["revenue"]),
        "net_income_ttm": earned,
        "eps_ttm": _twelve_months(book["eps_diluted"]) or _twelve_months(book["eps_basic"]),
        "free_cash_flow": _made(_free, _twelve_months(book["operating_cash_flow"]), _twelve_months(book["capex"], cash)),
        "return_on_equity": _ratio(earned, equity),
        "debt_to_equity": _ratio(book["long_term_debt"][0].get(equity.period_end), equity) if equity else None,
        "shares": _newest(book["shares_outstanding"][0]) or _newest(book["shares_diluted"][3] | book["shares_diluted"][12]),
        "equity": equity,
    }
    return {name: value for name, value in found.items() if value is not None}


def _book(facts: Iterable[Fact], growth: Callable[[date], float]) -> Book:
    """The facts by field and length of period, shares and per-share figures on today's share basis."""
    book: Book = {field: {0: {}, 3: {}, 6: {}, 9: {}, 12: {}} for field in (*FLOWS, *BALANCES)}
    for fact in facts:
        months = 0 if fact.field in BALANCES else MONTHS.get(fact.timeframe)
        if fact.field not in book or months is None:
            continue
        amount, currency = fact.value, fact.unit.split("/")[0].strip().upper()
        if fact.field in EPS or fact.field in SHARES:
            become = growth(fact.filed or fact.available_at.date())
            amount = amount / become if fact.field in EPS else amount * become
        if fact.field in SHARES:
            currency = ""
        known = book[fact.field][months].get(fact.period_end)
        if known is None or known.fact.available_at <= fact.available_at:
            book[fact.field][months][fact.period_end] = Value(amount, currency, fact.period_end, fact.period_end, fact)
    return book


def _quarters(spans: Mapping[int, Values]) -> Values:
    """Single quarters by their end: as reported, else a longer period less what of it came before."""
    found = dict(spans[3])
    for months in (6, 9, 12):
        for end, whole in spans[months].items():
            if _near(spans[3], end) is not None:
                continue
            before = _near(spans[months - 3], end - timedelta(days=DAYS[3])) or _sum(found, end, DAYS_BEFORE[months])
            rest = _made(operator.sub, whole, before, fresh=end)
            found |= {end: rest} if rest is not None else {}
    return found


def _sum(quarters: Values, end: date, before: tuple[int, ...]) -> Value | None:
    """The quarters that ended so many days before ``end``, together; None where one is missing."""
    parts = [_near(quarters, end - timedelta(days=days)) for days in before]
    return _made(lambda *amounts: math.fsum(amounts), *parts, fresh=end)


def _twelve_months(spans: Mapping[int, Values], end: date | None = None) -> Value | None:
    """The sum of the twelve months up to ``end``, the newest that any report gives where none is asked for."""
    end = end or _newest_end(spans)
    return spans[12].get(end) or _rolled(spans, end) or _sum(_quarters(spans), end, (0, *DAYS_BEFORE[12]))


def _rolled(spans: Mapping[int, Values], end: date) -> Value | None:
    """Annual + year to date - year to date a year before, for a period that ends within the year after an annual report."""
    for months in (9, 6, 3):
        now, then = spans[months].get(end), _near(spans[months], end - timedelta(days=DAYS[12]))
        year = _near(spans[12], end - timedelta(days=DAYS[months]))
        if now is not None and then is not None and year is not None:
            return _made(lambda a, b, c: a + b - c, year, now, then, fresh=end)
    return None


def _growth(quarters: Values, end: date) -> Value | None:
    """The quarter that ends with ``end`` against the one a year before."""
    then = _near(quarters, end - timedelta(days=DAYS[12]))
    if then is None or then.amount <= 0:
        return None
    return _made(lambda now, before: now / before - 1, quarters.get(end), then, fresh=end, ratio=True)


def _free(earned: float, spent: float) -> float:
    """Some sources write capital expenditure as a negative flow, others as an amount."""
    return earned - abs(spent)


# ------------------------------------------------------------------------------------------------------- with today's price


def _valuation(known: Mapping[str, Value], close: float, currency: str) -> dict[str, Value]:
    """Market value and its ratios; nothing where the company reports in another currency than its shares are quoted in.

    Not even the market value there: behind a quote abroad often stands a receipt for several shares, or for a part of one.
    """
    if any(value.currency not in ("", currency.upper()) for value in known.values()):
        return {}
    shares, eps = known.get("shares"), known.get("eps_ttm")
    cap = _made(lambda n: n * close, shares) if shares is not None and shares.amount > 0 else None
    found = {
        "market_cap": replace(cap, currency=currency) if cap else None,
        "price_to_earnings": _made(lambda e: close / e, eps, ratio=True) if eps is not None and eps.amount > 0 else None,
        "price_to_sales": _ratio(cap, known.get("revenue_ttm")),
        "price_to_book": _ratio(cap, known.get("equity")),
    }
    return {name: value for name, value in found.items() if value is not None}


# ------------------------------------------------------------------------------------------------------------- arithmetic


def _made(combine: Callable[..., float], *parts: Value | None, fresh: date | None = None, ratio: bool = False) -> Value | None:
    """``combine`` of the parts' amounts; None where one is missing, currencies differ, or the result is no number."""
    known = [part for part in parts if part is not None]
    currencies = {part.currency for part in known} - {""}
    if len(known) < len(parts) or len(currencies) > 1:
        return None
    amount = combine(*(part.amount for part in known))
    if not math.isfinite(amount):
        return None
    return Value(
        amount=amount,
        currency="" if ratio else "".join(currencies),
        period_end=max(part.period_end for part in known),
        fresh=fresh or min(part.fresh for part in known),
        fact=max((part.fact for part in known), key=lambda fact: (fact.available_at, fact.period_end)),
    )


def _ratio(top: Value | None, base: Value | None) -> Value | None:
    """``top`` over a positive ``base``."""
    return _made(lambda a, b: a / b, top, base, ratio=True) if base is not None and base.amount > 0 else None


def _newest(values: Values) -> Value | None:
    return values[max(values)] if values else None


def _newest_end(spans: Mapping[int, Values]) -> date:
    return max((end for values in spans.values() for end in values), default=NEVER)


def _near(values: Values, day: date) -> Value | None:
    """The value of the period that ends closest to ``day``, at most DRIFT_DAYS from it."""
    return next((values[end] for offset in NEARBY if (end := day + offset) in values), None)
