"""Dates of a run moved decades away, in fields and in texts, and back again.

One shift for the whole run: 28 years (or a multiple; weekdays repeat every 28 years) and one to three weeks more. Weekdays stay, so
does the order of days; a period that ends with a month still ends in it, so that "March 2025", "Q1 2025" and "fiscal 2024" move by
the years alone and stay right beside their days. Years so far ahead that they would land on the run's own are written as the last
year before it (notes due 2053 in a run over 2025): a masked text never holds a year of the run, and that is what ``found`` looks for.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta

from agent.records import Record

CYCLE_YEARS, CYCLE_DAYS = 28, 10_227  # 1,461 weeks; true of all years from 1901 to 2099
GUARDED, AHEAD = 5, 15  # years before the run that count as its own; years after it that keep their distance
UNKNOWN = (date(2020, 1, 1), date(2026, 12, 31))  # where nobody says which days the run is about
OLDEST = 1800  # 4 digits below are no year: a count is likelier

FULL = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
SHORT = [month[:3] for month in FULL]
NUMBER = {word.lower(): n % 12 + 1 for n, word in enumerate([*FULL, *SHORT])} | {"sept": 9}


class Shift(Record):
    """How far the days of a run are moved into the past."""

    years: int = 0
    days: int = 0
    guard: int = 0
    """The first year that no masked text holds."""
    last: int = 0
    """The last year of the run."""
    pivot: int = 0
    """Years of two digits lie in the hundred years from here."""

    @classmethod
    def make(cls, window: tuple[date, date] | None, *, seed: int) -> Shift:
        """For a run over ``window``. The same seed makes the same shift."""
        first, last = (day.year for day in window or UNKNOWN)
        cycles = math.ceil((last - first + GUARDED + AHEAD + 1) / CYCLE_YEARS)
        years = cycles * CYCLE_YEARS
        weeks = random.Random(f"{seed}|shift").randint(1, 3)
        pivot = max(first - 50, last - 97 + years)  # masked, they are not taken for the run's own years of a century later
        return cls(years=years, days=cycles * CYCLE_DAYS + 7 * weeks, guard=first - GUARDED, last=last, pivot=min(pivot, first - GUARDED))

    def day(self, day: date) -> date:
        """A day as the model sees it."""
        moved = day - timedelta(days=self.days)
        return moved if moved.year < self.guard else _replaced(moved, self.guard - 1)

    def day_back(self, day: date) -> date:
        """The day behind a masked one. A day that no masked text holds stays: the model has it from elsewhere."""
        return day if day.year >= self.guard else day + timedelta(days=self.days)

    def text(self, text: str, *, on: date | None = None) -> str:
        """``text`` with every date moved. ``on``: the day it is from, by which "March 14" finds its year."""
        return _moved(text, _There(self, on))

    def back(self, text: str, *, on: date | None = None) -> str:
        """A masked ``text`` with its true dates. ``on``: the true day it is from."""
        return _moved(text, _Back(self, on))

    def found(self, text: str) -> Iterator[tuple[int, int]]:
        """Where whole dates, months and quarters of the run's years stand in ``text``; years alone might be counts and are left out."""
        way = _There(self, None)
        for match in _matches(text):
            if (year := _year_of(match, way)) is not None and (year >= self.guard):
                yield match.span()


class _There:
    """From the run's days to masked ones."""

    forth = True

    def __init__(self, shift: Shift, on: date | None) -> None:
        self.shift, self.on = shift, on or date(shift.guard + GUARDED, 7, 1)
        self.pivot = shift.pivot

    def day(self, day: date) -> date:
        return self.shift.day(day)

    def year(self, year: int) -> int:
        return year if year < OLDEST else min(year - self.shift.years, self.shift.guard - 1)

    def decade(self, decade: int) -> int:
        return decade - 10 * round(self.shift.years / 10)

    def century(self, digits: int) -> int:
        """The year behind two digits."""
        return self.pivot + (digits - self.pivot) % 100

    def lone(self, month: int, day: int) -> date | None:
        """The day nearest to ``on``; a 29 February may be up to four years away."""
        near = (_made(self.on.year + years, month, day) for years in (0, -1, 1, -2, 2, -3, 3, -4, 4))
        return min((found for found in near if found), key=lambda found: abs((found - self.on).days), default=None)


class _Back(_There):
    """From masked days to the run's."""

    forth = False

    def __init__(self, shift: Shift, on: date | None) -> None:
        super().__init__(shift, on)
        self.on, self.pivot = shift.day(self.on), shift.pivot - shift.years

    def day(self, day: date) -> date:
        return self.shift.day_back(day)

    def year(self, year: int) -> int:
        return year if year >= self.shift.guard else year + self.shift.years

    def decade(self, decade: int) -> int:
        return decade + 10 * round(self.shift.years / 10)


def _made(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _replaced(day: date, year: int) -> date:
    return _made(year, day.month, day.day) or date(year, 2, 28)


# ------------------------------------------------------------------------------------------------------- how dates are written

_FORMS = [*FULL, *SHORT, "Sept"]
_TITLE, _UPPER, _LOWER = "|".join(_FORMS), "|".join(_FORMS).upper(), "|".join(_FORMS).lower()
_PLAIN_LOWER = "|".join(word.lower() for word in FULL if word != "May")  # "may 20" is no date, "june 20" is one
_MONTH = rf"(?:(?:{_TITLE}|(?<![A-Za-z])(?:{_UPPER}|{_LOWER}))(?![A-Za-z]))"
_LONE_MONTH = rf"(?:(?:{_TITLE}|(?<![A-Za-z])(?:{_UPPER}|{_PLAIN_LOWER}))(?![A-Za-z]))"
_YEAR = r"(?:1[6-9]|2[01])\d\d"
_PLAIN_YEAR = r"(?:1[789]|20)\d\d"
_ORD = r"(?:st|nd|rd|th|ST|ND|RD|TH)"
_QUOTE = "['’‘]"
_WHOLE = r"(?!\d|%|[.,:]\d)"  # what stands before is all of the number
_NO_COUNT = r"(?![\w%‰]|[.,:]\d|\s?(?:percent|per cent|million|billion|trillion|bps|basis)\b)"
_END = r"(?=[EAFPe]?(?![A-Za-z0-9%]|\.\d|,\d{3}(?!\d))|[A-Z][a-z])"  # 2025E is an estimate for 2025; 2025Key lost its space
_PERIOD = r"(?:F?Q[1-4]|[1-4]Q|F?H[12]|[12]H)"

_PATTERNS = {  # a form is tried before those below it
    "ymd": rf"(?<!\d)({_YEAR})([-/.])(\d\d?)([-/.])(\d\d?)(?![\d%])",
    "packed": r"(?<![\d.,$€£])((?:1[89]|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?![\d%]|[.,]\d)",
    "mdy": rf"(?<![\d/.$€£_-])(\d\d?)([-/.])(\d\d?)([-/.])({_YEAR}|\d\d)(?![\d/%]|[.,-]\d)",
    "span_y": rf"({_MONTH})(\.?\s+)(\d\d?)({_ORD}?)(\s?[-–—]\s?|\s+(?:to|through|and)\s+)(\d\d?)({_ORD}?)(,?\s+)({_YEAR})(?!\d)",
    "month_day_y": rf"({_MONTH})(\.?\s*|-)(\d\d?)({_ORD}?)(,?\s*|-)({_YEAR})(?!\d)",
    "day_month_y": rf"(?<![\d.,$_])(\d\d?)({_ORD}?)(\s*(?:day\s+)?(?:of\s+)?|-)({_MONTH})(\.?,?\s*|-)({_YEAR}|{_QUOTE}?\d\d)(?![\d%]|[.,]\d)",
    "month_y": rf"({_MONTH})(\.?,?\s*(?:of\s+)?|[-/])({_YEAR})(?!\d)",
    "month_yy": rf"({_MONTH})(\.?\s?{_QUOTE}|-)(\d\d)(?![\d%]|[.,]\d)",
    "span": rf"({_LONE_MONTH})(\.?\s+)(\d\d?)({_ORD}?)(\s?[-–—]\s?)(\d\d?)({_ORD}?){_NO_COUNT}",
    "month_day": rf"({_LONE_MONTH})(\.?\s+)(\d\d?)({_ORD}?){_NO_COUNT}",
    "day_month": rf"(?<![\d.,$€£_])(\d\d?)({_ORD}?)(\s+(?:day\s+)?(?:of\s+)?)({_LONE_MONTH})",
    "period": rf"(?<![A-Za-z0-9])((?:(?:{_PERIOD}|(?:3|6|9|12)M)(?:\s?(?:FY|CY))?|FY|CY|F)(?:\s+of)?,?\s*[-/]?\s*{_QUOTE}?)({_YEAR}){_END}",
    "period_yy": rf"(?<![A-Za-z0-9])((?:{_PERIOD}(?:[-/]|\s?(?:FY|CY)\s?|\s?{_QUOTE})?|[FC]Y\s?{_QUOTE}?|[Ff]iscal (?:year )?{_QUOTE}?))(\d\d){_END}"
    r"(?![-\s](?:percent|million|billion|months?|weeks?|days?|quarters?|years?))",
    "years": rf"(?<![A-Za-z0-9.$€£#])({_PLAIN_YEAR})(\s?[-–—/]\s?)({_PLAIN_YEAR}|(?<=\d[-–—/])\d\d){_END}",
    "decade": rf"(?<![A-Za-z0-9.,$€£#])((?:1[789]|20)\d|{_QUOTE}\d)0(?=s(?![A-Za-z0-9]))",
    "apostrophe": rf"(?:(?<=[\s(–—/-]['’])|(?<=\b(?:in|of|by|to|vs) ‘)|(?<=\b(?:and|for) ‘)|(?<=\b(?:from|year) ‘))"
    rf"(\d\d)(?![\w%]|[.,]\d|{_QUOTE}\w|\s[A-Z])",
    "year": rf"(?:(?<![A-Za-z0-9$€£¥#+])|(?<=[A-Z]{{3}}))(?<!\d\.)(?<![$€£¥] )(?<!USD )(?<!EUR )(?<!GBP )(?<!Russell )({_PLAIN_YEAR}){_END}",
}
_STARTS = {  # by the first character, so that few forms are tried at each place
    r"(?=[A-Za-z]{3})": "span_y month_day_y month_y month_yy span month_day",
    r"(?=[0-9]{4}(?![0-9])|[0-9]{8}(?![0-9]))": "ymd packed years decade year",
    r"(?=[0-9][0-9]?(?![0-9]))": "mdy day_month_y day_month period period_yy apostrophe",
    r"(?=[FQHCf])": "period_ period_yy_",
    rf"(?={_QUOTE})": "decade_",
}


def _one_of(names: str) -> str:
    return "|".join(f"(?P<{name}>{_PATTERNS[name.rstrip('_')]})" for name in names.split())


_SCAN = re.compile("|".join(f"{start}(?:{_one_of(names)})" for start, names in _STARTS.items()))
_NUMBERS = re.compile(r"[0-9]+")
_WORDS = re.compile(
    "|".join([*(form(word) for word in SHORT for form in (str, str.upper, str.lower)), "F", "Q", "H", "CY", "fiscal", "'", "’", "‘"])
)


def _matches(text: str) -> Iterator[re.Match[str]]:
    """Every date of ``text`` in order. Forms are tried only where one can begin: an expression that tries them at every character
    takes 50 ms for a filing, this 2 ms."""
    starts = [match.start() for match in _NUMBERS.finditer(text) if match.end() - match.start() in (1, 2, 4, 8)]
    if not starts:
        return
    end = 0
    for start in sorted([*starts, *(match.start() for match in _WORDS.finditer(text))]):
        if start >= end and (match := _SCAN.match(text, start)):
            end = match.end()
            yield match


def _moved(text: str, way: _There) -> str:
    pieces, end = [], 0
    for match in _matches(text):
        pieces += [text[end : match.start()], _WRITERS[_form(match)](_parts(match), way)]
        end = match.end()
    return "".join([*pieces, text[end:]])


def _form(match: re.Match[str]) -> str:
    return (match.lastgroup or "").rstrip("_")


def _parts(match: re.Match[str]) -> tuple[str, ...]:
    """The whole match, then the groups of the form that matched."""
    start = match.lastindex or 0
    return tuple(match.group(start + n) or "" for n in range(1 + _GROUPS[_form(match)]))


_GROUPS = {name: re.compile(pattern).groups for name, pattern in _PATTERNS.items()}


# ------------------------------------------------------------------------------------------------------------ writing them anew


def _month(number: int, like: str) -> str:
    """A month as ``like`` is written: short or whole, in capitals or not."""
    short = like.lower() == "sept" or (len(like) == 3 and like.lower() != "may")
    word = "Sept" if like.lower() == "sept" and number == 9 else (SHORT if short else FULL)[number - 1]
    return word.upper() if like.isupper() else word.lower() if like.islower() else word


def _day(day: int, like: str, ordinal: str) -> str:
    """A day of the month, with its ending and its zero where there were some."""
    ending = "" if not ordinal else "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day:02d}" if like.startswith("0") else f"{day}{ending.upper() if ordinal.isupper() else ending}"


def _two(year: int) -> str:
    return f"{year % 100:02d}"


def _ymd(p: tuple[str, ...], way: _There) -> str:
    whole, y, one, m, other, d = p
    day = _made(int(y), int(m), int(d)) if one == other else None
    if day is None:
        return f"{way.year(int(y))}{whole[4:]}"
    to, width = way.day(day), 1 if 1 in (len(m), len(d)) else 2
    return f"{to.year:04d}{one}{to.month:0{width}d}{one}{to.day:0{width}d}"


def _packed(p: tuple[str, ...], way: _There) -> str:
    whole, y, m, d = p
    day = _made(int(y), int(m), int(d))
    return whole if day is None else way.day(day).strftime("%Y%m%d")


def _mdy(p: tuple[str, ...], way: _There) -> str:
    whole, a, one, b, other, y = p
    if one != other or (len(y) == 2 and one != "/"):  # 1-2-24 and 1.2.24 are scores and versions
        return whole
    year = int(y) if len(y) == 4 else way.century(int(y))
    day_first = one == "." or int(a) > 12
    day = _made(year, *((int(b), int(a)) if day_first else (int(a), int(b))))
    if day is None:
        return whole if len(y) == 2 else f"{whole[: -len(y)]}{way.year(year)}"
    to = way.day(day)
    width = 2 if "0" in (a[0], b[0]) or (len(y) == 4 and len(a) == len(b) == 2) else 1
    pair = (to.day, to.month) if day_first else (to.month, to.day)
    return f"{pair[0]:0{width}d}{one}{pair[1]:0{width}d}{one}{to.year if len(y) == 4 else _two(to.year)}"


def _span_y(p: tuple[str, ...], way: _There) -> str:
    whole, m, _, d1, _, _, d2, _, comma, y = p
    days = [_made(int(y), NUMBER[m.lower()], int(d)) for d in (d1, d2)]
    if None in days:
        return f"{whole[:-4]}{way.year(int(y))}"
    return _written_span([way.day(day) for day in days if day], p, f"{comma}{{}}")


def _span(p: tuple[str, ...], way: _There) -> str:
    whole, m, _, d1, _, _, d2, _ = p
    days = [way.lone(NUMBER[m.lower()], int(d)) for d in (d1, d2)]
    return whole if None in days else _written_span([way.day(day) for day in days if day], p, "")


def _written_span(days: list[date], p: tuple[str, ...], year: str) -> str:
    m, space, d1, o1, dash, d2, o2 = p[1:8]
    a, b = days
    head = f"{_month(a.month, m)}{space}{_day(a.day, d1, o1)}"
    if year and a.year != b.year:
        head += year.format(a.year)
    tail = _day(b.day, d2, o2) if a.month == b.month else f"{_month(b.month, m)}{space}{_day(b.day, d2, o2)}"
    return f"{head}{dash}{tail}{year.format(b.year)}"


def _month_day_y(p: tuple[str, ...], way: _There) -> str:
    whole, m, space, d, o, comma, y = p
    day = _made(int(y), NUMBER[m.lower()], int(d))
    if day is None:
        return f"{whole[:-4]}{way.year(int(y))}"
    to = way.day(day)
    return f"{_month(to.month, m)}{space}{_day(to.day, d, o)}{comma}{to.year}"


def _day_month_y(p: tuple[str, ...], way: _There) -> str:
    whole, d, o, space, m, comma, y = p
    year = int(y) if len(y) == 4 else way.century(int(y[-2:]))
    day = _made(year, NUMBER[m.lower()], int(d))
    if len(y) == 2 and comma not in ("-", " ", ". "):
        return whole
    if day is None:
        return f"{whole[: -len(y)]}{way.year(year)}" if len(y) == 4 else whole
    to = way.day(day)
    return f"{_day(to.day, d, o)}{space}{_month(to.month, m)}{comma}{to.year if len(y) == 4 else y[:-2] + _two(to.year)}"


def _month_y(p: tuple[str, ...], way: _There) -> str:
    _, m, space, y = p
    return f"{m}{space}{way.year(int(y))}"


def _month_yy(p: tuple[str, ...], way: _There) -> str:
    _, m, space, y = p
    return f"{m}{space}{_two(way.year(way.century(int(y))))}"


def _month_day(p: tuple[str, ...], way: _There) -> str:
    whole, m, space, d, o = p
    day = way.lone(NUMBER[m.lower()], int(d))
    if day is None:
        return whole
    to = way.day(day)
    return f"{_month(to.month, m)}{space}{_day(to.day, d, o)}"


def _day_month(p: tuple[str, ...], way: _There) -> str:
    whole, d, o, space, m = p
    day = way.lone(NUMBER[m.lower()], int(d))
    if day is None:
        return whole
    to = way.day(day)
    return f"{_day(to.day, d, o)}{space}{_month(to.month, m)}"


def _period(p: tuple[str, ...], way: _There) -> str:
    return f"{p[1]}{way.year(int(p[2]))}"


def _period_yy(p: tuple[str, ...], way: _There) -> str:
    return f"{p[1]}{_two(way.year(way.century(int(p[2]))))}"


def _years(p: tuple[str, ...], way: _There) -> str:
    _, a, dash, b = p
    first = way.year(int(a))
    if len(b) == 4:
        return f"{first}{dash}{way.year(int(b))}"
    follows = (int(a) + 1) % 100 == int(b)
    if 1 <= int(b) <= 12 and not follows:  # 2025-03 is a month
        return f"{first}{dash}{b}"
    second = way.year(int(a) + (int(b) - int(a)) % 100)
    plain = 1 <= second % 100 <= 12 and second != first + 1
    return f"{first}{dash}{second if plain else _two(second)}"


def _decade(p: tuple[str, ...], way: _There) -> str:
    if p[1][0].isdigit():
        return str(way.decade(int(p[1]) * 10))
    return f"{p[1][0]}{_two(way.decade(1900 + int(p[1][1]) * 10))}"


def _apostrophe(p: tuple[str, ...], way: _There) -> str:
    return _two(way.year(way.century(int(p[1]))))


def _one_year(p: tuple[str, ...], way: _There) -> str:
    return str(way.year(int(p[1])))


_WRITERS: dict[str, Callable[[tuple[str, ...], _There], str]] = {
    "ymd": _ymd,
    "packed": _packed,
    "mdy": _mdy,
    "span_y": _span_y,
    "month_day_y": _month_day_y,
    "day_month_y": _day_month_y,
    "month_y": _month_y,
    "month_yy": _month_yy,
    "span": _span,
    "month_day": _month_day,
    "day_month": _day_month,
    "period": _period,
    "period_yy": _period_yy,
    "years": _years,
    "decade": _decade,
    "apostrophe": _apostrophe,
    "year": _one_year,
}
_YEAR_AT = {"ymd": 1, "packed": 1, "mdy": 5, "span_y": 9, "month_day_y": 6, "day_month_y": 6, "month_y": 3, "month_yy": 3}
_YEAR_AT |= {"period": 2, "period_yy": 2}


def _year_of(match: re.Match[str], way: _There) -> int | None:
    """The year of a form that is certainly a date, None for the others and for one too far ahead to be the run's."""
    where = _YEAR_AT.get(_form(match))
    if where is None or _WRITERS[_form(match)](_parts(match), way) == match[0]:
        return None
    digits = _parts(match)[where].lstrip("'’‘")
    if len(digits) == 4:
        return int(digits)
    year = way.century(int(digits))
    return year if year <= way.shift.last + 1 else None
