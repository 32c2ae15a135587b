"""How numbers are written on a page: fractions as percent, money with thousands, a dash for what is not defined. Written anew."""

from __future__ import annotations

import math
from collections.abc import Sequence

DASH = "–"


def absent(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def percent(value: float | None, digits: int = 1, *, sign: bool = False) -> str:
    if absent(value):
        return DASH
    shown = f"{100 * value:{'+' if sign else ''}.{digits}f}%"
    return shown.lstrip("-") if float(shown[:-1]) == 0 else shown


def points(value: float | None, digits: int = 1) -> str:
    return DASH if absent(value) else f"{100 * value:+.{digits}f} pp"


def money(value: float | None, digits: int = 0, *, sign: bool = False) -> str:
    return DASH if absent(value) else f"{value:{'+' if sign else ''},.{digits}f}"


def gain(value: float) -> str:
    """Money with its sign; nothing at all has none."""
    return money(value, sign=abs(value) >= 0.5)


def number(value: float | None, digits: int = 2) -> str:
    return DASH if absent(value) else f"{value:,.{digits}f}"


def shares(value: float) -> str:
    return f"{value:,.4f}".rstrip("0").rstrip(".")


def by_unit(value: float | None, unit: str) -> str:
    """A metric in its unit: percent, ratio, currency, or a whole number."""
    return {"percent": percent, "currency": money}.get(unit, lambda v: number(v, 0 if unit in WHOLE else 2))(value)


WHOLE = ("sessions", "daily returns", "decisions")


def count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def words(parts: Sequence[str]) -> str:
    return ", ".join(part for part in parts if part)
