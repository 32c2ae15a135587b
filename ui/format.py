"""How numbers read on screen: fractions as percent, ISO days, a dash for what is not known."""

from __future__ import annotations

import math
from datetime import date, datetime

UNKNOWN = "–"


def known(value: object) -> bool:
    """Whether there is a number to show: neither None nor NaN nor infinite."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def percent(value: float | None, *, digits: int = 1, sign: bool = False) -> str:
    """A fraction as percent: 0.0123 reads 1.2%. ``sign`` writes the plus of a gain."""
    if not known(value):
        return UNKNOWN
    text = f"{value:{'+' if sign else ''}.{digits}%}"
    return text.replace("-", "") if float(text.rstrip("%")) == 0 else text


def points(value: float | None, *, digits: int = 1) -> str:
    """A difference of two fractions in percentage points: 0.02 reads +2.0 pp."""
    return UNKNOWN if not known(value) else f"{100 * value:+.{digits}f} pp"


def money(value: float | None, *, digits: int = 0, sign: bool = False) -> str:
    """An amount with thousands separators and no currency sign: a dollar sign would start a formula in a label."""
    return UNKNOWN if not known(value) else f"{value:{'+' if sign else ''},.{digits}f}"


def dollars(value: float | None) -> str:
    """A cost in US dollars with two digits that mean something: 0.00012 USD, 1.37 USD."""
    if not known(value):
        return UNKNOWN
    digits = 2 if value >= 0.01 or value == 0 else min(9, 1 - math.floor(math.log10(value)))
    return f"{value:,.{digits}f} USD"


def number(value: float | None, *, digits: int = 2) -> str:
    """A plain number with thousands separators."""
    return UNKNOWN if not known(value) else f"{value:,.{digits}f}"


def shares(value: float | None) -> str:
    """A number of shares: whole if it is whole, else four decimals at most."""
    return UNKNOWN if not known(value) else f"{value:,.4f}".rstrip("0").rstrip(".")


def day(value: date | datetime | str | None) -> str:
    """A day as 2025-03-31."""
    if value is None or value != value:
        return UNKNOWN
    return value[:10] if isinstance(value, str) else value.strftime("%Y-%m-%d")


def duration(seconds: float | None) -> str:
    """A time span in its two largest units: 1 h 05 min, 42 s."""
    if not known(seconds):
        return UNKNOWN
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {whole % 60:02d} s" if minutes else f"{whole} s"
