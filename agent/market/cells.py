"""Cells of a stranger's table as numbers, days and moments.

Promise: a cell is read in the one way in which it can be meant, or refused with its row. Decimal commas, thousands separators and the
order of day and month are decided once for the whole file from what its cells rule out, never cell by cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from agent.errors import SpecError

DayOrder = Literal["ymd", "dmy", "mdy"]
Sign = Literal[".", ","]
SHOWN = 5
BLANK = frozenset({"", "nan", "na", "n/a", "#n/a", "null", "none", "nat", "-", "--"})
MONTHS = {m: i for i, m in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)}
SUFFIX = {"k": 1e3, "m": 1e6, "b": 1e9}

_CLOCK = r"(?:(?:\s*T\s*|,?\s+)(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?\s*(?P<ap>[AaPp]\.?[Mm]\.?)?)?"
_ZONE = r"\s*(?P<z>Z|z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?"
_PATTERNS = tuple(
    re.compile(day + _CLOCK + _ZONE)
    for day in (
        r"(?P<a>\d{1,4})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<c>\d{1,4})",
        r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})",
        r"(?:[A-Za-z]{3,9},?\s+)?(?P<d>\d{1,2})[\s-](?P<mon>[A-Za-z]{3,9})\.?,?[\s-](?P<y>\d{4})",
        r"(?:[A-Za-z]{3,9},?\s+)?(?P<mon>[A-Za-z]{3,9})\.?\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<y>\d{4})",
    )
)
_ISO = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?"  # what pandas reads fast
_ISO_ZONE = r":\d{2}\S*(?:Z|[+-]\d{2}:?\d{2})$"
_NUMERIC = re.compile(r"\s*(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})(?!\d)")
_EPOCH = re.compile(r"-?\d{9,19}(?:\.0*)?")
EPOCHS = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (1e20, 1_000_000_000))  # below: seconds, milli-, micro-, nanoseconds


def refuse(column: pd.Series, bad: Any, what: str, field: str) -> None:
    """SpecError with the first rows for which ``bad`` holds; nothing where it holds for none."""
    bad = np.asarray(bad, dtype=bool)
    if not bad.any():
        return
    rows = [f"row {position + 1}: {str(column.iloc[position])[:40]!r}" for position in np.flatnonzero(bad)[:SHOWN]]
    rest = int(bad.sum()) - len(rows)
    raise SpecError(f"{what}: {', '.join(rows)}{f' and {rest:,} more' if rest > 0 else ''}.", field=field)


def text(values: pd.Series) -> pd.Series:
    """As it stands, without the blanks around it; a missing cell is empty."""
    return values.astype("str").fillna("").str.strip()


def _is_text(values: pd.Series) -> bool:
    return bool(pd.api.types.is_string_dtype(values.dtype) or values.dtype == object)


def _uniques(values: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Position of each cell's text in the list of different texts (-1: blank): dates and tickers repeat, so each is parsed once."""
    codes, found = pd.factorize(values)
    words = [str(item).strip() for item in found]
    blank = np.array([word.lower() in BLANK for word in words] + [True])
    return np.where(blank[codes], -1, codes), words


# ------------------------------------------------------------------------------------------------------------------ numbers


def _only(sign: str, group: str) -> re.Pattern[str]:
    """Numbers that can only be meant with ``sign`` before the decimals and ``group`` between the thousands."""
    d, g = re.escape(sign), re.escape(group)
    shapes = (
        rf"\d*{d}(?:\d{{1,2}}|\d{{4,}})",  # a thousand has three digits
        rf"(?:0?|\d{{4,}}){d}\d{{3}}",
        rf"\d{{1,3}}(?:{g}\d{{3}})+{d}\d+",
        rf"\d{{1,3}}(?:{g}\d{{3}}){{2,}}",
    )
    return re.compile(rf"[-+]?(?:{'|'.join(shapes)})(?:[eE][-+]?\d+)?[KMBkmb]?")


_POINT_SIGN, _COMMA_SIGN = _only(".", ","), _only(",", ".")


def decimal_sign(columns: Sequence[pd.Series], separator: str, *, where: str) -> Sign:
    """The file's decimal sign, from cells that allow only one. Where none does, a comma beside ``;`` is one, else it groups thousands."""
    points: list[str] = []
    commas: list[str] = []
    open_ = False
    for column in columns:
        if not _is_text(column):
            continue
        marked = column[column.str.contains(",", regex=False, na=False)]
        plain = column.head(10_000)  # points need no proof: they are read as such unless a comma is proved
        for word in (*marked.unique()[:100_000], *plain[plain.str.contains(".", regex=False, na=False)].unique()):
            cell = str(word).strip().replace(" ", "")
            if _POINT_SIGN.fullmatch(cell):
                points.append(cell)
            elif _COMMA_SIGN.fullmatch(cell):
                commas.append(cell)
            elif re.fullmatch(r"[-+]?\d{1,3},\d{3}", cell):
                open_ = True
    if points and commas:
        raise SpecError(f"{where} mixes decimal points ({points[0][:20]}) and decimal commas ({commas[0][:20]}).", field="file")
    return "," if commas or (open_ and not points and separator == ";") else "."


def numbers(values: pd.Series, decimal: Sign, *, where: str, field: str, suffixes: bool = False) -> pd.Series:
    """float64; empty cells are NaN; a cell that is no number is refused. ``suffixes``: 1.2M is 1,200,000."""
    if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_datetime64_any_dtype(values.dtype):
        raise SpecError(f"{where} holds {values.dtype}, not numbers.", field=field)
    if not _is_text(values):
        return values.astype("float64")
    found = pd.to_numeric(values, errors="coerce").astype("float64") if decimal == "." else pd.Series(np.nan, index=values.index)
    found = found.mask(values.str.contains("[xX_]", regex=True, na=False))  # pandas takes 0x65 for 101
    left = found.isna()
    if left.any():
        rest = values[left].astype("str").fillna("").str.strip()
        codes, words = pd.factorize(rest)
        parsed = np.array([_number(str(word), decimal, suffixes) for word in words] + [np.nan])
        known = np.array([str(word).lower() in BLANK for word in words] + [True])
        found[left] = parsed[codes]
        bad = np.zeros(len(values), dtype=bool)
        bad[np.flatnonzero(left.to_numpy())] = np.isnan(parsed[codes]) & ~known[codes]
        refuse(values, bad, f"{where} holds values that are not numbers", field)
    return found


def _number(word: str, decimal: Sign, suffixes: bool) -> float:
    if len(word) > 60:
        return float("nan")
    thousands = "." if decimal == "," else ","
    group = rf"[{re.escape(thousands)}'\u2019 \u00a0\u202f]"
    match = re.fullmatch(
        rf"(?P<n>[-+\u2212]?(?:\d{{1,3}}(?:{group}\d{{3}})+|\d*)(?:{re.escape(decimal)}\d+)?)(?P<e>[eE][-+]?\d{{1,3}})?\s?(?P<s>[KMBkmb])?",
        word,
    )
    if not match or not any(c.isdigit() for c in match["n"]) or (match["s"] and not suffixes):
        return float("nan")
    plain = re.sub(group, "", match["n"]).replace(decimal, ".").replace("\u2212", "-")
    return float(plain + (match["e"] or "")) * SUFFIX.get((match["s"] or "").lower(), 1.0)


def ratios(values: pd.Series, decimal: Sign, *, where: str, field: str) -> pd.Series:
    """Split ratios new/old: 4, or written 4:1, 4/1, 4-for-1."""
    if not _is_text(values):
        return numbers(values, decimal, where=where, field=field)
    pair = values.str.extract(r"^\s*(\d+(?:\.\d+)?)\s*(?::|/|-?\s*for\s*-?)\s*(\d+(?:\.\d+)?)\s*$", flags=re.IGNORECASE)
    paired = pair[0].notna()
    left = numbers(values.where(~paired, ""), decimal, where=where, field=field)
    return left.where(~paired, pd.to_numeric(pair[0]) / pd.to_numeric(pair[1]).replace(0, np.nan))


# ----------------------------------------------------------------------------------------------------------- days and times


def _parts(values: Iterable[str]) -> list[tuple[int, int]]:
    """First and second number of dates such as 03/01/2025, whose year stands last."""
    found = []
    for value in values:
        match = _NUMERIC.match(value)
        if match and len(match[1]) <= 2 and len(match[4]) == 4:
            found.append((int(match[1]), int(match[3])))
    return found


def open_order(values: pd.Series) -> bool:
    """Whether the dates could be read day first as well as month first."""
    if not _is_text(values):
        return False
    pairs = _parts(map(str, values.dropna().unique()))
    return bool(pairs) and all(a <= 12 and b <= 12 for a, b in pairs) and any(a != b for a, b in pairs)


def without_zone(values: pd.Series) -> bool:
    """Whether times of day appear whose zone nobody knows."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return False
    if pd.api.types.is_datetime64_dtype(values.dtype):
        return bool((values.notna() & (values != values.dt.normalize())).any())
    if not _is_text(values):
        return False
    for word in values.dropna().unique():
        match = next((m for p in _PATTERNS if (m := p.fullmatch(str(word).strip()))), None)
        if match and match["H"] and not match["z"] and any(int(match[g] or 0) for g in ("H", "M", "S")):
            return True
    return False


def day_order(columns: Sequence[pd.Series], chosen: DayOrder | None, *, where: str) -> DayOrder:
    """The order in which day, month and year are written: what was said, else what the numbers prove. Never a guess."""
    pairs = [pair for column in columns if _is_text(column) for pair in _parts(map(str, column.dropna().unique()))]
    if not pairs:
        return "ymd"
    day_first, month_first = [p for p in pairs if p[0] > 12], [p for p in pairs if p[1] > 12]
    if day_first and month_first:
        one, other = ("/".join(f"{number:02}" for number in pair) for pair in (day_first[0], month_first[0]))
        raise SpecError(
            f"{where} writes some dates day first ({one}) and others month first ({other}); write YYYY-MM-DD.",
            field="day_order",
        )
    proved: DayOrder | None = "dmy" if day_first else "mdy" if month_first else None
    if chosen in ("dmy", "mdy"):
        if proved and proved != chosen:
            against = (day_first or month_first)[0]
            raise SpecError(f"{where}: {against[0]:02}/{against[1]:02} cannot be read in the order {chosen}.", field="day_order")
        return chosen
    if proved:
        return proved
    if all(a == b for a, b in pairs):
        return "dmy"  # both readings agree
    first, second = next((a, b) for a, b in pairs if a != b)
    raise SpecError(f"{where}: {first:02}/{second:02} can be read day first or month first; say which.", field="day_order")


def days(values: pd.Series, order: DayOrder, zone: str, *, where: str, field: str) -> pd.Series:
    """Naive midnight (datetime64[us]). A moment with a zone is the day it is in ``zone``, except at midnight of its own clock."""
    stamps, aware = _stamps(values, order, where=where, field=field)
    local = stamps.dt.tz_localize(None)
    midnight = local == local.dt.normalize()
    if aware.any():
        known = aware & stamps.notna()
        there = stamps.dt.tz_convert(ZoneInfo(zone)).dt.tz_localize(None)
        at_midnight = (~known | midnight).all()
        local = local if at_midnight else local.where(~aware, there)
    day = local.dt.normalize()
    clocks = (local - day)[local.notna()].unique()
    if len(clocks) > 2:
        refuse(values, (local - day) != (local - day).mode().iloc[0], f"{where} holds times of day; one row per day is needed", field)
    return day.astype("datetime64[us]")


def times(values: pd.Series, order: DayOrder, zone: ZoneInfo | None, *, where: str, field: str) -> pd.Series:
    """UTC (datetime64[us, UTC]). A day without a time stays midnight UTC, which the tables read as "date only"."""
    stamps, aware = _stamps(values, order, where=where, field=field)
    local = stamps.dt.tz_localize(None)
    timed = stamps.notna() & ~aware & (local != local.dt.normalize())
    if not timed.any():
        return stamps
    if zone is None:
        if (aware & stamps.notna()).any():
            refuse(values, timed, f"{where} mixes times with and without a time zone; say which zone the others are in", "zone")
        refuse(values, timed, f"{where} has times without a time zone; say which zone they are in", "zone")
    later = np.zeros(int(timed.sum()), dtype=bool)  # an hour that comes twice is read as the later one: never too early
    moved = local[timed].dt.tz_localize(zone, ambiguous=later, nonexistent="shift_forward").dt.tz_convert("UTC")
    return stamps.where(~timed, moved).astype("datetime64[us, UTC]")


def _stamps(values: pd.Series, order: DayOrder, *, where: str, field: str) -> tuple[pd.Series, pd.Series]:
    """Each cell as a time that is labelled UTC, and whether it really is one (False: a wall clock, or a bare day)."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.dt.tz_convert("UTC").astype("datetime64[us, UTC]"), pd.Series(True, index=values.index)
    if pd.api.types.is_datetime64_dtype(values.dtype):
        return values.dt.tz_localize("UTC").astype("datetime64[us, UTC]"), pd.Series(False, index=values.index)
    if pd.api.types.is_bool_dtype(values.dtype) or not (_is_text(values) or pd.api.types.is_numeric_dtype(values.dtype)):
        raise SpecError(f"{where} holds {values.dtype}, not dates.", field=field)
    if not _is_text(values):
        values = values.astype("Float64").map(lambda number: f"{number:.0f}", na_action="ignore").astype("str")
    codes, words = _uniques(values)
    written = pd.Series(words, dtype="str")
    iso = written.str.fullmatch(_ISO).to_numpy(dtype=bool)
    moments = pd.to_datetime(written.where(iso), format="ISO8601", utc=True, errors="coerce").astype("datetime64[us, UTC]")
    zoned = iso & written.str.contains(_ISO_ZONE, regex=True).to_numpy(dtype=bool)
    parse = _reader(order)
    for position in np.flatnonzero(~iso):
        if (item := parse(words[position])) is not None:
            moments[position], zoned[position] = item
    bad = np.append(moments.isna().to_numpy(), False)
    refuse(
        values,
        bad[codes] & (codes >= 0),
        f"{where} holds dates that cannot be read (write them as 2025-01-31 or 2025-01-31T14:30:00Z)",
        field,
    )
    moments, zoned = pd.concat([moments, pd.Series([pd.NaT], dtype="datetime64[us, UTC]")], ignore_index=True), np.append(zoned, False)
    return pd.Series(moments.array.take(codes), index=values.index), pd.Series(zoned[codes], index=values.index)  # code -1: the NaT


def _reader(order: DayOrder) -> Callable[[str], tuple[datetime, bool] | None]:
    def parse(word: str) -> tuple[datetime, bool] | None:
        try:
            if _EPOCH.fullmatch(word):
                return _epoch(word), True
            match = next((m for p in _PATTERNS if (m := p.fullmatch(word))), None)
            return _moment(match, order) if match else None
        except (ValueError, OverflowError):
            return None

    return parse


def _epoch(word: str) -> datetime:
    whole = int(word.split(".")[0])
    per_second = next(scale for below, scale in EPOCHS if abs(whole) < below)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=whole * 1_000_000 // per_second)


def _moment(match: re.Match[str], order: DayOrder) -> tuple[datetime, bool]:
    found = match.groupdict()
    if "a" in found:
        a, b, c = found["a"], found["b"], found["c"]
        if len(a) == 4 and len(c) <= 2:
            year, month, day = int(a), int(b), int(c)
        elif len(c) == 4 and len(a) <= 2:
            year = int(c)
            day, month = (int(a), int(b)) if order != "mdy" else (int(b), int(a))
        else:
            raise ValueError("the year needs four digits")
    else:
        year, day = int(found["y"]), int(found["d"])
        month = int(found["m"]) if found.get("m") else MONTHS.get(found["mon"][:3].lower(), 0)
    hour, half = int(found["H"] or 0), (found["ap"] or "")[:1].lower()
    if half:
        if not 1 <= hour <= 12:
            raise ValueError("hour")
        hour = hour % 12 + (12 if half == "p" else 0)
    micro = int((found["f"] or "0").ljust(9, "0")[:6])
    naive = datetime(year, month, day, hour, int(found["M"] or 0), int(found["S"] or 0), micro)
    if not found["z"] or found["H"] is None:
        return naive.replace(tzinfo=UTC), False
    return naive.replace(tzinfo=_offset(found["z"])).astimezone(UTC), True


def _offset(zone: str) -> timezone:
    if zone.upper() in ("Z", "UTC", "GMT"):
        return UTC
    digits = zone[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 14 or minutes > 59:
        raise ValueError("offset")
    return timezone((1 if zone[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes))
