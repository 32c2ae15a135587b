"""When EDGAR accepted a filing: which clock its stamps are on.

The header of a submission says it in New York time, always. The index (submissions JSON) writes a ``Z`` behind every stamp, and for about
a fifth of the large filers the digits are New York's clock all the same (measured by others on 64,936 filings; a filer is one or the
other). Read as UTC such a filing would be known four or five hours too early. So the header counts; without one the later reading does,
unless the filer's own filing dates prove that its stamps are UTC.

The proof: EDGAR accepts filings on weekdays from 06:00 to 22:00 New York, and dates what arrives after 17:30 to the next business day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/New_York")
OPENS, CLOSES = time(6, 0), time(22, 30)  # a submission begun before 22:00 may be accepted a little later
SAME_DAY_UNTIL, NEXT_DAY_FROM = time(17, 30), time(17, 45)  # begun before 17:30, accepted a little later: either date
LONGEST_WEEKEND = timedelta(days=5)  # until the next business day
WITNESSES = 2  # filings that only fit UTC; one alone may carry a date that SEC adjusted on request
JUDGED = ("10-K", "10-Q", "8-K", "6-K", "20-F", "40-F")  # others (Forms 3, 4, 5, 144) keep their date until 22:00

_HEADER = re.compile(r"ACCEPTANCE-DATETIME(?:>|&gt;)\s*(\d{14})")


def from_header(header: str) -> datetime | None:
    """The acceptance time in a submission's SGML header, UTC; None where it has none."""
    match = _HEADER.search(header)
    try:
        return _from_new_york(datetime.strptime(match[1], "%Y%m%d%H%M%S")) if match else None
    except ValueError:
        return None


def digits(stamp: str) -> datetime | None:
    """The date and time an index stamp shows, without the zone that it claims; None where it is no time."""
    try:
        return datetime.fromisoformat(stamp.strip()).replace(tzinfo=None)
    except ValueError:
        return None


def from_index(stamp: str, *, utc: bool) -> datetime | None:
    """The time of an index stamp, UTC: as it says where ``utc`` is proved for the filer, else the later of the two readings."""
    shown = digits(stamp)
    if shown is None:
        return None
    stated = shown.replace(tzinfo=UTC)
    return stated if utc else max(stated, _from_new_york(shown))


def proves_utc(filings: Iterable[tuple[str, str, date]]) -> bool:
    """Whether a filer's (form, index stamp, filing date) fit EDGAR's hours and its 17:30 rule only if the stamps are UTC."""
    only_utc = 0
    for form, stamp, filed in filings:
        shown = digits(stamp)
        if shown is None or not form.startswith(JUDGED):
            continue
        as_utc = _fits(shown.replace(tzinfo=UTC).astimezone(ZONE).replace(tzinfo=None), filed)
        as_new_york = _fits(shown, filed)
        if as_new_york and not as_utc:
            return False
        only_utc += as_utc and not as_new_york
    return only_utc >= WITNESSES


def _fits(local: datetime, filed: date) -> bool:
    """Whether a filing accepted at ``local`` (New York) may carry this filing date."""
    day, at = local.date(), local.time()
    if local.weekday() > 4 or not OPENS <= at <= CLOSES:
        return False
    if at <= SAME_DAY_UNTIL:
        return filed == day
    return day < filed <= day + LONGEST_WEEKEND or (at < NEXT_DAY_FROM and filed == day)


def _from_new_york(shown: datetime) -> datetime:
    """UTC; of an hour that the clock shows twice the later."""
    return shown.replace(tzinfo=ZONE, fold=1).astimezone(UTC)
