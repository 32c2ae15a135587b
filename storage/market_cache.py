"""Market data on disk, between a network source and everybody who asks.

Promise: the source is asked for what is not on disk yet and for what may still change, once; what it said before is never lost to a
failure. All waiting lives here: an adapter tries once and says what went wrong, this module repeats, backs off, gives up and serves
what is on disk with its age. Rows of sessions that have not closed are neither kept nor served.

    bars, splits, dividends   kept for ever; the last five sessions are looked at again after hours, and with whatever follows them
    news                      only ever added to; now is asked again after 15 min, the past never where it was covered
    filings, fundamentals     only ever added to; now is asked again after a day
    listing                   a day; "never heard of it" an hour

What the source could not cover is asked for again a day later at the earliest: some sources never will.
"""

from __future__ import annotations

import hashlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from pydantic import BaseModel

from agent.errors import NoData, Unavailable
from agent.market import tables
from agent.market.sessions import Calendar
from agent.market.sources.base import (
    BadResponse,
    Covered,
    Fetched,
    Issue,
    Listing,
    NoRowsInRange,
    NotSupported,
    RateLimited,
    Source,
    SourceDown,
    UnknownSymbol,
    clipped,
    gaps,
    union,
)
from storage.breaker import Breaker
from storage.market_files import Asked, Card, Held, Shelf, document, drop, entries, file_name, locked, write_card

__all__ = ["CachedSource", "drop", "entries"]

log = logging.getLogger(__name__)

DAY = pd.Timedelta(days=1)
SETTLED = timedelta(minutes=30)  # after its close a session's bar is complete
OVERLAP = 5  # sessions that are looked at again: volumes and late corrections
RECENT_TTL = timedelta(hours=6)  # of those sessions
LATE_TTL = timedelta(minutes=15)  # of a closed session whose bar the source does not have yet
NOW_TTL = {"news": timedelta(minutes=15), "filings": timedelta(hours=24), "fundamentals": timedelta(hours=24)}
UNCOVERED_TTL = timedelta(hours=24)  # of what the source was asked for and could not cover
LISTING_TTL = timedelta(hours=24)
UNKNOWN_TTL = timedelta(hours=1)
SAME = 1e-4  # closes that differ by less are the same close
NOISE = 1e-6  # prices that differ by less keep the value they had, so that a run's fingerprint stays
PATIENCE = (2.0, 8.0, 30.0)  # seconds between tries while the source refuses
BREATH = 1.0  # seconds before the one repeat after no answer or a bad one
MOST_ISSUES, MOST_ASKED = 50, 400  # per request, and requests remembered
OFFLINE_CURE = "Unset RECOLLECT_OFFLINE to fetch it."

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Window:
    """How far a table can be known now. ``calendar`` for tables that count by session; ``recent`` is where looking again begins."""

    now: pd.Timestamp
    limit: pd.Timestamp
    recent: pd.Timestamp
    calendar: Calendar | None = None


class CachedSource:
    """A network source behind the cache. ``refresh`` asks again for everything that may have changed, however fresh it is."""

    network = True

    def __init__(
        self,
        inner: Source,
        *,
        name: str,
        folder: Path,
        offline: bool = False,
        refresh: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        patience: Sequence[float] = PATIENCE,
    ) -> None:
        self.inner, self.name, self.folder, self.offline, self.refresh = inner, name, folder, offline, refresh
        self.Options, self.provides, self.note = inner.Options, inner.provides, inner.note
        self._room = name + _variant(inner)
        self._version = str(getattr(inner, "version", ""))
        self._now, self._sleep, self._patience = now, sleep, tuple(patience)
        self._breaker = Breaker(folder, name, now=now)
        self._exchanges: dict[str, str] = {}

    # ------------------------------------------------------------------------------------------------------------- listings

    def listings(self) -> list[Listing]:
        """The inner source's; offline those that are on disk."""
        if not self.offline:
            return self.inner.listings()
        cards = [document(path, Card) for path in (self.folder / self._room / "listing").glob("*.json")]
        return sorted((card.listing for card in cards if card and card.listing), key=lambda listing: listing.ticker)

    def listing(self, symbol: str) -> Listing:
        """Asked once a day; an older one serves where the source does not answer."""
        card = self._card(symbol)
        if card.listing and card.fetched_at and (self.offline or self._younger(card.fetched_at, LISTING_TTL)):
            return card.listing
        if self.offline:
            raise self._nothing_offline(f"{symbol}: its name and exchange")
        self._refuse_unknown(card)
        try:
            listing = self._ask(symbol, lambda: self.inner.listing(symbol))
        except UnknownSymbol as error:
            self._remember_unknown(symbol, error)
            raise
        except Unavailable as error:
            if card.listing is None or card.fetched_at is None:
                raise
            log.warning("The listing of %s is from %s: %s", symbol, _age(card.fetched_at, self._now()), error)
            return card.listing
        self._keep_card(symbol, lambda _: Card(symbol=symbol, listing=listing, fetched_at=self._now()))
        return listing

    def fingerprint(self) -> str:
        """Empty: what is served depends on what has been fetched."""
        return ""

    # ------------------------------------------------------------------------------------------------------------- fetching

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        """Rows with start <= day < end, as far as they can be known now.

        Where the source fails and something is on disk, that is served with an Issue of code "stale"; else its error is raised.
        """
        if table not in self.provides:
            raise NotSupported(f"The source {self.name} has no {table}; it has {', '.join(sorted(self.provides))}.", field="source")
        low, high = pd.Timestamp(start, tz="UTC"), pd.Timestamp(end, tz="UTC")
        if low >= high:
            return Fetched(tables.empty(table))
        shelf = Shelf(self.folder, self._room, table, symbol)
        held, issues = self._read(shelf)
        window = self._window(table, symbol)
        wanted = self._wanted(table, held, low, high, window)
        trouble: Unavailable | None = None
        if wanted and self.offline:
            trouble = self._nothing_offline(f"{symbol}: {table} from {start} to {end}")
        for gap in () if self.offline else wanted:
            try:
                held, found = self._fill(shelf, held, gap, window, open_end=gap[1] >= window.limit < high)
            except Unavailable as error:
                trouble = error
                break
            issues += found
        if trouble and not _touches(table, held, low, high):
            raise trouble
        return self._served(table, symbol, held, low, high, window, issues, trouble)

    def _read(self, shelf: Shelf) -> tuple[Held, tuple[Issue, ...]]:
        held = shelf.read()
        if held.source_version != self._version and held.fetched_at:  # a new adapter may read the same answer differently
            held = replace(held, covered=held.covered if shelf.table == "news" else (), asked=())
        return held, held.issues

    def _served(
        self,
        table: str,
        symbol: str,
        held: Held,
        low: pd.Timestamp,
        high: pd.Timestamp,
        window: Window,
        issues: tuple[Issue, ...],
        trouble: Unavailable | None,
    ) -> Fetched:
        frame = _between(table, held.frame, low, min(high, window.limit) if window.calendar else high)
        covered = clipped(held.covered, low, min(high, window.limit))
        asked = [piece for piece in held.asked if pd.Timestamp(piece.low) < high and pd.Timestamp(piece.high) > low]
        nothing = next((piece.none for piece in asked if piece.none), "")
        if nothing and frame.empty and not covered:
            raise NoRowsInRange(nothing)
        if trouble is not None:
            issues += (self._stale(table, symbol, max((piece.at for piece in asked), default=held.fetched_at), trouble),)
        return Fetched(frame, covered, (*_remembered(asked), *issues), held.fetched_at)

    def _stale(self, table: str, symbol: str, since: datetime | None, trouble: Unavailable) -> Issue:
        age = _age(since, self._now()) if since else "at an unknown time"
        why = "offline mode" if self.offline else str(trouble)
        message = f"{symbol}: {table} served from the cache, fetched {age}; {why}"
        return Issue("warning", table, message, symbol, code="stale")

    def _nothing_offline(self, what: str) -> Unavailable:
        return Unavailable(f"{what} are not on disk, and {self.name} is not asked in offline mode.", cure=OFFLINE_CURE)

    # -------------------------------------------------------------------------------------------------------- what is asked

    def _window(self, table: str, symbol: str) -> Window:
        now = pd.Timestamp(self._now())
        if table not in tables.DAY_COLUMN:
            return Window(now, now, now - DAY)
        calendar = _calendar(self._exchange(symbol))
        complete = calendar.last_closed((now - SETTLED).to_pydatetime())
        if complete is None:
            raise NoData(f"The {calendar.exchange} calendar does not reach {now.date()}.")
        limit = pd.Timestamp(complete.day, tz="UTC") + DAY
        return Window(now, limit, _sessions_before(calendar, limit, OVERLAP), calendar)

    def _exchange(self, symbol: str) -> str:
        """The exchange never changes, so that a listing of any age will do."""
        if symbol not in self._exchanges:
            card = self._card(symbol)
            self._exchanges[symbol] = (card.listing or self.listing(symbol)).exchange
        return self._exchanges[symbol]

    def _wanted(self, table: str, held: Held, low: pd.Timestamp, high: pd.Timestamp, window: Window) -> Covered:
        """What of [low, high) the source has to be asked for now, widened so that new rows can be compared with old ones."""
        high = min(high, window.limit)
        if low >= high:
            return ()
        times = {t for pair in held.covered for t in pair} | {window.recent}
        times |= {pd.Timestamp(t) for piece in held.asked for t in (piece.low, piece.high, piece.at)}
        cuts = sorted({low, high} | {t for t in times if low < t < high})
        due = union(tuple((a, b) for a, b in pairwise(cuts) if self._due(table, held, a, b, window)))
        if window.calendar:
            due = tuple(gap for gap in due if _sessions(window.calendar, *gap))
        return union(tuple(_widened(gap, held.covered, window) for gap in due))

    def _due(self, table: str, held: Held, low: pd.Timestamp, high: pd.Timestamp, window: Window) -> bool:
        """Whether a piece, cut so that it is of one kind throughout, has to be asked for."""
        covered = not gaps(held.covered, low, high)
        recent = low >= window.recent
        if covered and not (recent and (window.calendar or self.refresh)):
            return False
        asked = next((p for p in held.asked if pd.Timestamp(p.low) <= low and high <= pd.Timestamp(p.high)), None)
        if asked is None or self.refresh:
            return True
        if window.calendar:
            ttl = RECENT_TTL if covered else LATE_TTL if recent else UNCOVERED_TTL
        else:
            ttl = NOW_TTL[table] if low >= pd.Timestamp(asked.at) else UNCOVERED_TTL
        return not self._younger(asked.at, ttl)

    def _fill(
        self, shelf: Shelf, held: Held, gap: tuple[pd.Timestamp, pd.Timestamp], window: Window, *, open_end: bool
    ) -> tuple[Held, tuple[Issue, ...]]:
        """Ask for one gap and keep the answer; the rows now held, and what there is to say about the change itself."""
        piece, answer = self._asked(shelf, gap, window, open_end=open_end)
        ratio = _rebased(held.frame, answer.frame) if shelf.table == "bars" else None
        if ratio is None:
            return self._kept(shelf, held, piece, answer, window)
        everything = union(held.covered, ((_floor(gap[0]), _ceil(gap[1])),))
        whole = (everything[0][0], min(everything[-1][1], window.limit))
        piece, answer = self._asked(shelf, whole, window, open_end=open_end)
        if answer.frame.empty:
            raise BadResponse(f"{self.name} changed the prices of {shelf.symbol} and does not serve its history.", cure="Try again later.")
        message = (
            f"{shelf.symbol}: the closes of {self.name} changed by the constant factor {ratio:.6g}; all {len(answer.frame)} bars were "
            "fetched again."
        )
        log.warning(message)
        held, found = self._kept(shelf, held, piece, answer, window, rebuild=True)
        return held, (
            *found,
            Issue("warning", "bars", message, shelf.symbol, len(answer.frame), code="rebuilt"),
        )

    def _asked(self, shelf: Shelf, gap: tuple[pd.Timestamp, pd.Timestamp], window: Window, *, open_end: bool) -> tuple[Asked, Fetched]:
        """The source's answer for whole days around ``gap``, cast and clipped, and the note that it was asked."""
        low, high = _floor(gap[0]), _ceil(gap[1])
        self._refuse_unknown(self._card(shelf.symbol))
        none = ""
        try:
            answer = self._ask(shelf.symbol, lambda: self.inner.fetch(shelf.table, shelf.symbol, low.date(), high.date()))
        except UnknownSymbol as error:
            self._remember_unknown(shelf.symbol, error)
            raise
        except NoRowsInRange as error:
            none, answer = str(error), Fetched(tables.empty(shelf.table))
        frame = _cast(shelf.table, answer.frame)
        limit = min(high, window.limit)
        frame = _between(shelf.table, frame, low, limit if window.calendar else high)
        covered = clipped(union(answer.covered), low, limit)
        if shelf.table == "bars" and window.calendar and high >= window.limit:
            covered = _without_late_session(covered, frame, window)
        until = high
        if not window.calendar and open_end:  # so that midnight does not count as a reason to ask again
            until = max(high, window.now + NOW_TTL[shelf.table])
        at = window.now.to_pydatetime()
        piece = Asked(low=low.to_pydatetime(), high=until.to_pydatetime(), at=at, issues=answer.issues[:MOST_ISSUES], none=none)
        return piece, replace(answer, frame=frame, covered=covered)

    def _kept(
        self, shelf: Shelf, held: Held, piece: Asked, answer: Fetched, window: Window, *, rebuild: bool = False
    ) -> tuple[Held, tuple[Issue, ...]]:
        """The answer merged into what is on disk. Rows that nobody could trade on are served, to be refused by name, and never kept."""
        revised: list[Issue] = []

        def change(before: Held) -> Held:
            revised.clear()
            old = replace(before, frame=tables.empty(shelf.table), covered=(), asked=()) if rebuild else before
            aged = before.source_version != self._version
            if aged:
                old = replace(old, covered=old.covered if shelf.table == "news" else (), asked=())
            pair = (answer.frame, old.frame) if aged and shelf.table != "news" else (old.frame, answer.frame)
            frame, found = _merged(shelf, old.frame, answer) if window.calendar else (_added(shelf.table, *pair), ())
            revised.extend(found)
            covered = union(old.covered, answer.covered)
            return Held(frame, covered, _noted(old.asked, piece, covered, window), piece.at, self._version)

        calendar = window.calendar or _calendar("XNYS")
        if any(i.severity == "error" for i in tables.inspect(shelf.table, answer.frame, symbol=shelf.symbol, calendar=calendar)):
            log.warning("%s: the %s of %s are unusable and were not kept", shelf.symbol, shelf.table, self.name)
            return change(held), ()
        try:
            kept = shelf.merge(change)
        except Unavailable as error:
            message = f"{shelf.symbol}: the {shelf.table} of {self.name} could not be kept. {error}"
            log.warning(message)
            return change(held), (Issue("warning", shelf.table, message, shelf.symbol, code="not_kept"),)
        for issue in revised:
            log.warning(issue.message)
        return replace(kept, issues=()), (*kept.issues, *revised)

    # -------------------------------------------------------------------------------------------------------------- waiting

    def _ask(self, symbol: str, question: Callable[[], Answer]) -> Answer:
        """The source's answer about ``symbol``. Repeats, waits, and opens the breaker that all share, where the source asks for it."""
        waits, again = list(self._patience), True
        while True:
            self._breaker.check()
            try:
                answer = question()
            except RateLimited as error:
                ahead = (error.retry_at - self._now()).total_seconds() if error.retry_at else 0.0
                long = ahead > max(self._patience, default=0.0)
                if long or not waits:  # a short pause that was kept in vain, again and again, becomes the long one
                    raise self._breaker.error(self._breaker.open(_plain(error), until=error.retry_at if long else None)) from error
                self._sleep(max(ahead, waits.pop(0) * random.uniform(0.8, 1.2)))
            except (SourceDown, BadResponse) as error:
                if not again:
                    if isinstance(error, SourceDown):
                        self._breaker.down(_plain(error), about=symbol)
                    raise
                again = False
                self._sleep(BREATH * random.uniform(0.8, 1.2))
            else:
                self._breaker.up()
                return answer

    def _younger(self, moment: datetime, ttl: timedelta) -> bool:
        """A time in the future, left by a clock that was wrong, is old."""
        return not self.refresh and timedelta() <= self._now() - moment < ttl

    # ---------------------------------------------------------------------------------------------------------------- cards

    def _card_path(self, symbol: str) -> Path:
        return self.folder / self._room / "listing" / f"{file_name(symbol)}.json"

    def _card(self, symbol: str) -> Card:
        card = document(self._card_path(symbol), Card)
        return card if card is not None and card.symbol == symbol else Card(symbol=symbol)

    def _keep_card(self, symbol: str, change: Callable[[Card], Card]) -> None:
        path = self._card_path(symbol)
        try:
            with locked(path.with_name(f"{file_name(symbol)}~lock")):
                write_card(path, change(self._card(symbol)))
        except Unavailable as error:  # the answer is good all the same
            log.warning("The listing of %s could not be kept: %s", symbol, error)

    def _remember_unknown(self, symbol: str, error: UnknownSymbol) -> None:
        self._keep_card(symbol, lambda card: card.model_copy(update={"unknown": str(error), "unknown_at": self._now()}))

    def _refuse_unknown(self, card: Card) -> None:
        if card.unknown and card.unknown_at and self._younger(card.unknown_at, UNKNOWN_TTL):
            raise UnknownSymbol(card.unknown)


# ---------------------------------------------------------------------------------------------------------------------- merging


def _cast(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Exactly the canonical columns and types, whatever library made the frame."""
    empty = tables.empty(table)
    return frame[list(empty.columns)].astype(empty.dtypes.to_dict()).reset_index(drop=True)


def _days(table: str, frame: pd.DataFrame) -> pd.Series:
    """The time by which a row counts, as UTC."""
    column = frame[tables.DAY_COLUMN.get(table, "available_at")]
    return column.dt.tz_localize("UTC") if table in tables.DAY_COLUMN else column


def _between(table: str, frame: pd.DataFrame, low: pd.Timestamp, high: pd.Timestamp) -> pd.DataFrame:
    """The rows that count in [low, high)."""
    days = _days(table, frame)
    return frame[(days >= low) & (days < high)].reset_index(drop=True)


def _added(table: str, old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Old rows and those with a new key: the first version of a text is the one that could be read."""
    both = pd.concat([old, new], ignore_index=True) if len(old) else new
    return both.drop_duplicates(tables.KEY[table]).sort_values(tables.ORDER[table], kind="stable", ignore_index=True)


def _merged(shelf: Shelf, old: pd.DataFrame, answer: Fetched) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
    """Old rows outside of what the answer covers, and the answer; within rounding an old row keeps its digits."""
    table, new, column = shelf.table, answer.frame, tables.DAY_COLUMN[shelf.table]
    if old.empty:
        return new.sort_values(tables.ORDER[table], ignore_index=True), ()
    days = _days(table, old)
    inside = pd.Series(False, index=old.index)
    for low, high in answer.covered:
        inside |= (days >= low) & (days < high)
    known, fresh = old.set_index(column), new.set_index(column)
    common = known.index.intersection(fresh.index)
    numbers = [name for name in known.columns if name != "symbol"]
    a, b = known.loc[common, numbers], fresh.loc[common, numbers]
    apart = ((a - b).abs() / b.abs().where(b != 0, 1.0)).to_numpy()
    same = common[(apart <= NOISE).all(axis=1)]
    prices = [position for position, name in enumerate(numbers) if name != "volume"]  # late volumes are an everyday matter
    revised = common[(apart[:, prices] > SAME).any(axis=1)] if len(common) else common
    vanished = pd.Index(old.loc[inside, column]).difference(fresh.index)
    drop_old = (inside | old[column].isin(common)) & ~old[column].isin(same)
    merged = pd.concat([old[~drop_old], new[~new[column].isin(same)]], ignore_index=True)
    merged = merged.sort_values(tables.ORDER[table], kind="stable", ignore_index=True)
    changed = revised.union(vanished)
    if not len(changed):
        return merged, ()
    shown = tuple(str(day.date()) for day in changed[:5])
    noun = "row" if len(changed) == 1 else "rows"
    message = f"{shelf.symbol}: the source corrected {len(changed)} cached {noun} of {table}, first {shown[0]}; the new ones are used."
    return merged, (Issue("warning", table, message, shelf.symbol, len(changed), shown, code="revised"),)


def _rebased(old: pd.DataFrame, new: pd.DataFrame) -> float | None:
    """The constant factor between the closes of at least two common days; None where they agree or differ each on its own."""
    both = old[["date", "close"]].merge(new[["date", "close"]], on="date", suffixes=("_old", "_new"))
    if len(both) < 2:
        return None
    ratio = (both["close_new"] / both["close_old"]).to_numpy()
    middle = float(np.median(ratio))
    if not np.isfinite(ratio).all() or abs(middle - 1) <= SAME or (np.abs(ratio / middle - 1) > SAME).any():
        return None
    return middle


def _noted(asked: Sequence[Asked], piece: Asked, covered: Covered, window: Window) -> tuple[Asked, ...]:
    """The requests worth remembering: the newest for each moment, and of older ones what may still matter."""
    low, high = pd.Timestamp(piece.low), pd.Timestamp(piece.high)
    kept = []
    for old in asked:
        span = (pd.Timestamp(old.low), pd.Timestamp(old.high))
        for a, b in gaps(((low, high),), *span):
            settled = b <= window.recent and not gaps(covered, a, b)
            expired = b <= window.recent and window.now - pd.Timestamp(old.at) > UNCOVERED_TTL and not old.none
            if old.issues or not (settled or expired):
                kept.append(old.model_copy(update={"low": a.to_pydatetime(), "high": b.to_pydatetime()}))
    return (*kept, piece)[-MOST_ASKED:]


def _remembered(asked: Sequence[Asked]) -> tuple[Issue, ...]:
    """What the source said of the requests in sight, each once. Undated items have no day, so that only the newest count of them holds."""
    by_age = sorted(asked, key=lambda piece: piece.at)
    found = dict.fromkeys(issue for piece in by_age for issue in piece.issues if issue.code != "undated")
    undated = [tuple(issue for issue in piece.issues if issue.code == "undated") for piece in by_age]
    return (*list(found)[-MOST_ISSUES:], *next((issues for issues in reversed(undated) if issues), ()))


# ------------------------------------------------------------------------------------------------------------------------ times


@lru_cache(maxsize=8)
def _calendar(exchange: str) -> Calendar:
    return Calendar(exchange)


def _sessions(calendar: Calendar, low: pd.Timestamp, high: pd.Timestamp) -> list[date]:
    """The sessions whose day begins in [low, high)."""
    first, last = _ceil(low).date(), (_ceil(high) - DAY).date()
    if first > last:
        return []
    try:
        return [session.day for session in calendar.sessions(first, last)]
    except NoData:
        return []


def _sessions_before(calendar: Calendar, moment: pd.Timestamp, count: int) -> pd.Timestamp:
    """The day of the ``count``-th session before ``moment``; ``moment`` itself where there is none."""
    days = _sessions(calendar, moment - 4 * count * DAY, moment)[-count:]
    return pd.Timestamp(days[0], tz="UTC") if days else moment


def _widened(gap: tuple[pd.Timestamp, pd.Timestamp], covered: Covered, window: Window) -> tuple[pd.Timestamp, pd.Timestamp]:
    """``gap`` with a few rows on either side that are on disk already: sessions to compare prices with, a day for texts that come late."""
    low, high = gap
    holes = gaps(covered, low, high)
    for a, b in covered if holes else ():
        if a < holes[0][0] <= b:
            before = _sessions_before(window.calendar, holes[0][0], OVERLAP) if window.calendar else holes[0][0] - DAY
            low = min(low, max(before, a))
        if a <= holes[-1][1] < b and window.calendar:
            days = _sessions(window.calendar, holes[-1][1], holes[-1][1] + 4 * OVERLAP * DAY)[:OVERLAP]
            high = max(high, min(pd.Timestamp(days[-1], tz="UTC") + DAY, b)) if days else high
    return low, min(high, window.limit)


def _without_late_session(covered: Covered, frame: pd.DataFrame, window: Window) -> Covered:
    """The newest completed session is covered once its bar is there: sources are late, and exchanges rarely closed."""
    newest = window.limit - DAY
    if (frame["date"] == newest.tz_localize(None)).any():
        return covered
    return clipped(covered, pd.Timestamp(0, tz="UTC"), newest)


def _touches(table: str, held: Held, low: pd.Timestamp, high: pd.Timestamp) -> bool:
    """Whether the cache can say anything about [low, high): rows, coverage, or that the source was asked in vain."""
    asked = tuple((pd.Timestamp(piece.low), pd.Timestamp(piece.high)) for piece in held.asked)
    return bool(clipped(union(held.covered, asked), low, high)) or len(_between(table, held.frame, low, high)) > 0


def _floor(moment: pd.Timestamp) -> pd.Timestamp:
    return moment.floor("D")


def _ceil(moment: pd.Timestamp) -> pd.Timestamp:
    return moment.ceil("D")


def _age(moment: datetime, now: datetime) -> str:
    minutes = max(0, int((now - moment).total_seconds() // 60))
    if minutes < 120:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"


def _plain(error: Unavailable) -> str:
    """The error's sentence without its cure."""
    return str(error).removesuffix(error.cure).strip()


def _variant(inner: Source) -> str:
    """Another folder for a source with other options than the default ones: its rows may differ."""
    options = getattr(inner, "options", None)
    chosen = options.model_dump_json(exclude_defaults=True) if isinstance(options, BaseModel) else "{}"
    return "" if chosen == "{}" else f"~{hashlib.sha256(chosen.encode()).hexdigest()[:12]}"
