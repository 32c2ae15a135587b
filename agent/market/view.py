"""The market in memory, and the only window through which anybody who decides may look at it.

A ``View`` ends at a cutoff. By construction (bisection over times sorted once) and by assertion it returns no row that became
available later and no bar of a session that had not closed. ``Market.opening`` is the broker's side door: the engine fills orders with
it after a decision is made, and nothing that decides holds a Market.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from agent.errors import NoData, SpecError
from agent.market import tables
from agent.market.sessions import Calendar, aware
from agent.market.sources.base import ACTIONS, Issue, Listing, Source
from agent.records import Bar, Dividend, Fact, Filing, News, Split

FACT_HISTORY_DAYS = 1200  # growth needs the quarter of a year before, and annual figures one more
HISTORY_DAYS = 400  # before the first session: indicators need a month, a first memory needs the last annual report


T = TypeVar("T")
Period = tuple[str, str, date]  # field, timeframe, period_end


def history(table: str, start: date) -> date:
    """The first day of ``table`` that a run from ``start`` reads."""
    return start - timedelta(days=FACT_HISTORY_DAYS if table == "fundamentals" else HISTORY_DAYS)


@dataclass(frozen=True)
class Tape:
    """All rows of one ticker, sorted; the lists of times run parallel and are what a View bisects."""

    bars: list[Bar]
    closed_at: list[datetime]
    news: list[News]
    news_at: list[datetime]
    filings: list[Filing]
    filings_at: list[datetime]
    splits: list[Split]
    dividends: list[Dividend]
    positions: dict[date, int] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    facts_at: list[datetime] = field(default_factory=list)
    covered: dict[str, tuple[tuple[datetime, datetime], ...]] = field(default_factory=dict)
    adjusted: dict[int, list[Bar]] = field(default_factory=dict, compare=False)  # number of splits that have happened -> all bars
    worked_out: dict[Any, tuple[Any]] = field(default_factory=dict, compare=False)  # see View.from_facts; never holds more than one


@dataclass(frozen=True)
class Market:
    """Validated rows of the tickers of one run."""

    tapes: dict[str, Tape]
    calendar: Calendar
    note: str = ""
    fingerprint: str = ""
    issues: tuple[Issue, ...] = ()
    companies: dict[str, str] = field(default_factory=dict)
    currency: str = "USD"
    undated: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(
        cls, source: Source, tickers: Sequence[str], *, start: date, end: date, calendar: Calendar, history_days: int = HISTORY_DAYS
    ) -> Market:
        """The rows from ``history_days`` before ``start`` up to ``end`` (included).

        An unknown ticker and rows that cannot be traded on are SpecErrors; a range without sessions or a ticker without a price in it
        is NoData. Everything else that is odd about the data is in ``issues``.
        """
        calendar.sessions(start, end)
        listings = {ticker: source.listing(ticker) for ticker in tickers}
        _one_place(listings, calendar)
        loaded = {t: _load(source, listings[t], start, end, calendar, start - timedelta(days=history_days)) for t in tickers}
        issues = dict.fromkeys(issue for _, found in loaded.values() for issue in found)
        return cls(
            tapes={ticker: tape for ticker, (tape, _) in loaded.items()},
            calendar=calendar,
            note=source.note,
            fingerprint=source.fingerprint() or _fingerprint({t: tape for t, (tape, _) in loaded.items()}),
            issues=tuple(issues),
            companies={ticker: listings[ticker].name for ticker in tickers},
            currency=next(iter(listings.values())).currency,
            undated=_undated(issues),
        )

    @property
    def tickers(self) -> tuple[str, ...]:
        return tuple(self.tapes)

    @property
    def first(self) -> dict[str, date]:
        """First day with a price, per ticker."""
        return {ticker: tape.bars[0].day for ticker, tape in self.tapes.items()}

    @property
    def last(self) -> dict[str, date]:
        """Last day with a price, per ticker."""
        return {ticker: tape.bars[-1].day for ticker, tape in self.tapes.items()}

    def view(self, cutoff: datetime) -> View:
        """What was knowable at ``cutoff`` (aware)."""
        return View(self, cutoff)

    def opening(self, ticker: str, day: date) -> float | None:
        """For the broker only: the open of ``day``; None without a bar."""
        position = self.tapes[ticker].positions.get(day)
        return None if position is None else self.tapes[ticker].bars[position].open


class View:
    """What was knowable at ``cutoff``. It has no way to look further."""

    __slots__ = ("_market", "cutoff", "session")

    def __init__(self, market: Market, cutoff: datetime) -> None:
        self._market = market
        self.cutoff = aware(cutoff)
        closed = market.calendar.last_closed(self.cutoff)
        self.session = closed.day if closed else date.min

    def bar(self, ticker: str, day: date) -> Bar | None:
        """The bar of ``day``; None where there is none or its session had not closed."""
        tape = self._market.tapes[ticker]
        position = tape.positions.get(day)
        if position is None or tape.closed_at[position] > self.cutoff:
            return None
        return tape.bars[position]

    def bars(self, ticker: str, n: int) -> tuple[Bar, ...]:
        """The last ``n`` bars as traded, oldest first; fewer where there are fewer."""
        tape = self._market.tapes[ticker]
        end = bisect_right(tape.closed_at, self.cutoff)
        assert not end or tape.closed_at[end - 1] <= self.cutoff
        return tuple(tape.bars[max(0, end - n) : end]) if n > 0 else ()

    def adjusted_bars(self, ticker: str, n: int) -> tuple[Bar, ...]:
        """The last ``n`` bars on today's share basis: adjusted for splits that have happened, for nothing that is still to come."""
        tape = self._market.tapes[ticker]
        end = bisect_right(tape.closed_at, self.cutoff)
        happened = self._happened(tape)
        if happened and happened not in tape.adjusted:
            tape.adjusted[happened] = _adjusted(tape.bars, tape.splits[:happened])
        bars = tape.adjusted[happened] if happened else tape.bars
        return tuple(bars[max(0, end - n) : end]) if n > 0 else ()

    def adjusted_closes(self, ticker: str, n: int) -> list[float]:
        """The last ``n`` closes on today's share basis."""
        return [bar.close for bar in self.adjusted_bars(ticker, n)]

    def adjusted_volumes(self, ticker: str, n: int) -> list[float]:
        """The last ``n`` volumes on today's share basis."""
        return [bar.volume for bar in self.adjusted_bars(ticker, n)]

    def growth(self, ticker: str, since: date) -> float:
        """Shares that one share held after ``since`` has become by the session of the cutoff: the splits with a later ex date."""
        tape = self._market.tapes[ticker]
        return math.prod((split.ratio for split in tape.splits[: self._happened(tape)] if since < split.ex_date), start=1.0)

    def priced_at(self, ticker: str) -> datetime:
        """When the session of the newest bar closed. NoData where there is none yet."""
        tape = self._market.tapes[ticker]
        end = bisect_right(tape.closed_at, self.cutoff)
        if not end:
            raise NoData(f"{ticker} has no price by {self.cutoff:%Y-%m-%d %H:%M} UTC.")
        return tape.closed_at[end - 1]

    @property
    def currency(self) -> str:
        """What the prices are quoted in."""
        return self._market.currency

    def news(self, ticker: str, after: datetime | None = None) -> tuple[News, ...]:
        """News that became readable after ``after`` and up to the cutoff, oldest first."""
        tape = self._market.tapes[ticker]
        found = tuple(tape.news[self._range(tape.news_at, after)])
        assert all(item.available_at <= self.cutoff for item in found)
        return found

    def filings(self, ticker: str, after: datetime | None = None) -> tuple[Filing, ...]:
        """Sections of filings that became readable after ``after`` and up to the cutoff, oldest first."""
        tape = self._market.tapes[ticker]
        found = tuple(tape.filings[self._range(tape.filings_at, after)])
        assert all(item.available_at <= self.cutoff for item in found)
        return found

    def facts(self, ticker: str) -> tuple[Fact, ...]:
        """Every figure of every filing readable by the cutoff, oldest first; restated ones appear again."""
        tape = self._market.tapes[ticker]
        return tuple(tape.facts[: bisect_right(tape.facts_at, self.cutoff)])

    def from_facts(self, ticker: str, work_out: Callable[[Mapping[Period, Fact], Callable[[date], float]], T]) -> T:
        """What ``work_out`` makes of the newest readable version of each figure and of ``growth``, and of nothing else.

        So its answer holds until the next filing or split, and is worked out once for all days in between. A restatement counts from
        its own ``available_at`` on.
        """
        tape = self._market.tapes[ticker]
        count = bisect_right(tape.facts_at, self.cutoff)
        state = (work_out, count, self._happened(tape))
        known = tape.worked_out.get(state)
        if known is not None:
            return cast(T, known[0])
        latest = {(fact.field, fact.timeframe, fact.period_end): fact for fact in tape.facts[:count]}
        answer = work_out(latest, lambda since: self.growth(ticker, since))
        tape.worked_out.clear()  # days go forward: one is enough, and a run of 100 tickers keeps little
        tape.worked_out[state] = (answer,)
        return answer

    def sourced(self, ticker: str, table: str, after: datetime | None = None) -> bool:
        """Whether the source can say that nothing happened: it covers the whole time from ``after`` (else just) up to the cutoff."""
        start = aware(after) if after is not None else self.cutoff - timedelta(microseconds=1)
        return any(low <= start and self.cutoff <= high for low, high in self._market.tapes[ticker].covered.get(table, ()))

    def split(self, ticker: str, day: date) -> float:
        """New shares per old share with this ex date; 1.0 where there is none, or it is still to come."""
        ratio = 1.0
        for split in self._market.tapes[ticker].splits:
            if split.ex_date == day <= self.session:
                ratio *= split.ratio
        return ratio

    def dividend(self, ticker: str, day: date) -> float:
        """Cash per share with this ex date; 0.0 where there is none, or it is still to come."""
        return sum(item.amount for item in self._market.tapes[ticker].dividends if item.ex_date == day <= self.session)

    def _range(self, times: list[datetime], after: datetime | None) -> slice:
        start = bisect_right(times, aware(after)) if after is not None else 0
        return slice(start, bisect_right(times, self.cutoff))

    def _happened(self, tape: Tape) -> int:
        """How many of the splits (sorted by ex date) have happened by the session of the cutoff."""
        return bisect_right(tape.splits, self.session, key=_split_day)


def _split_day(split: Split) -> date:
    return split.ex_date


def _adjusted(bars: Sequence[Bar], splits: Sequence[Split]) -> list[Bar]:
    """``bars`` on the share basis after ``splits``: those before a split are divided by its ratio, the others are the same objects."""
    adjusted = []
    for bar in bars:
        factor = math.prod((split.ratio for split in splits if bar.day < split.ex_date), start=1.0)
        adjusted.append(bar if factor == 1.0 else _scaled(bar, factor))
    return adjusted


def _scaled(bar: Bar, factor: float) -> Bar:
    return Bar(
        day=bar.day,
        open=bar.open / factor,
        high=bar.high / factor,
        low=bar.low / factor,
        close=bar.close / factor,
        volume=bar.volume * factor,
    )


# ------------------------------------------------------------------------------------------------------------------ loading


def _load(source: Source, listing: Listing, start: date, end: date, calendar: Calendar, since: date) -> tuple[Tape, list[Issue]]:
    """One ticker's tape and what is odd about its rows. Every source is checked here, whatever it checked itself."""
    ticker = listing.ticker
    frames: dict[str, pd.DataFrame] = {}
    issues: list[Issue] = []
    covered = {}
    # A fact stands on the share basis of its day, so the splits are needed for as long as the facts.
    facts_since = start - timedelta(days=FACT_HISTORY_DAYS) if "fundamentals" in source.provides else since
    for table in (*ACTIONS, "bars", "news", "filings", "fundamentals"):
        if table not in source.provides:
            frames[table] = _nothing(table)
            continue
        begin = min(since, facts_since) if table in ("fundamentals", "splits") else since
        fetched = source.fetch(table, ticker, begin, end + timedelta(days=1))
        frames[table] = _in_order(table, fetched.frame)
        covered[table] = tuple((low.to_pydatetime(), high.to_pydatetime()) for low, high in fetched.covered)
        issues += fetched.issues
        found = tables.inspect(
            table,
            frames[table],
            symbol=ticker,
            calendar=calendar,
            splits=frames.get("splits"),
            dividends=frames.get("dividends"),
            today=fetched.fetched_at.astimezone(ZoneInfo(calendar.zone)).date() if fetched.fetched_at else None,
            fetched_at=fetched.fetched_at,
        )
        issues += found
        tables.refuse_errors(found)
    tape = replace(_tape(frames, calendar), covered=covered)
    inside = bisect_right([bar.day for bar in tape.bars], end) - bisect_left([bar.day for bar in tape.bars], start)
    if not inside:
        known = f"; the source has it from {listing.first} to {listing.last}" if listing.first and listing.last else ""
        raise NoData(f"{ticker} has no price from {start} to {end}{known}.", field="tickers")
    issues += _uncovered(ticker, tape, start, end, calendar)
    return tape, issues


def _in_order(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Bars by day, whatever order the source has them in: everything after this counts on it."""
    if table != "bars" or frame["date"].is_monotonic_increasing:
        return frame
    return frame.sort_values("date", kind="stable", ignore_index=True)


@lru_cache
def _nothing(table: str) -> pd.DataFrame:
    return tables.empty(table)


def _one_place(listings: Mapping[str, Listing], calendar: Calendar) -> None:
    """The tickers of a run share one exchange calendar and one currency: its days and its money are counted in them."""
    for ticker, listing in listings.items():
        if listing.exchange != calendar.exchange:
            raise SpecError(
                f"{ticker} trades on {listing.exchange}, not on {calendar.exchange}; run tickers of different exchanges separately.",
                field="tickers",
            )
    currencies = {listing.currency: ticker for ticker, listing in listings.items()}
    if len(currencies) > 1:
        named = ", ".join(f"{ticker} in {currency}" for currency, ticker in currencies.items())
        raise SpecError(f"The tickers are quoted in different currencies ({named}); run them separately.", field="tickers")


def _undated(issues: Iterable[Issue]) -> dict[str, int]:
    """table -> items without a time that a source left out."""
    found: dict[str, int] = {}
    for issue in issues:
        if issue.code == "undated":
            found[issue.table] = found.get(issue.table, 0) + issue.count
    return found


def _fingerprint(tapes: Mapping[str, Tape]) -> str:
    """sha256 over every row that was loaded: for sources that cannot name their data before it is fetched."""
    total = hashlib.sha256()
    for ticker, tape in sorted(tapes.items()):
        for rows in (tape.bars, tape.splits, tape.dividends, tape.news, tape.filings, tape.facts):
            for row in rows:
                total.update(row.model_dump_json().encode())
        total.update(ticker.encode())
    return total.hexdigest()


def _uncovered(ticker: str, tape: Tape, start: date, end: date, calendar: Calendar) -> list[Issue]:
    """A run that reaches beyond the prices: those sessions pass without a decision."""
    first, last = tape.bars[0].day, tape.bars[-1].day
    sessions = [s.day for s in calendar.sessions(start, end)]
    without = [day for day in sessions if not first <= day <= last]
    if not without:
        return []
    message = (
        f"{ticker} has prices from {first} to {last} only; {len(without)} of {len(sessions)} sessions from {start} to {end} lie outside."
    )
    return [Issue("warning", "bars", message, ticker, len(without), tuple(map(str, without[:5])))]


def _tape(frames: dict[str, pd.DataFrame], calendar: Calendar) -> Tape:
    """Rows to records. Bars on days without a session have no close time and are left out (``inspect`` has reported them)."""
    bars = [bar for bar in _bars(frames["bars"]) if bar.day in calendar]
    news = sorted(_news(frames["news"]), key=lambda item: (item.available_at, item.id))
    filings = sorted(_filings(frames["filings"]), key=lambda item: (item.available_at, item.id))
    facts = sorted(_facts(frames["fundamentals"]), key=lambda fact: (fact.available_at, fact.field, fact.period_end, fact.accession))
    return Tape(
        bars=bars,
        closed_at=[calendar.session(bar.day).close_at for bar in bars],
        news=news,
        news_at=[item.available_at for item in news],
        filings=filings,
        filings_at=[item.available_at for item in filings],
        splits=sorted(_actions(SPLITS, frames["splits"], "ratio", calendar), key=_split_day),
        dividends=_actions(DIVIDENDS, frames["dividends"], "amount", calendar),
        positions={bar.day: position for position, bar in enumerate(bars)},
        facts=facts,
        facts_at=[fact.available_at for fact in facts],
    )


# One call makes a whole table's records: pydantic checks every value all the same, in half the time of one call per row.
BARS, NEWS, FILINGS = TypeAdapter(list[Bar]), TypeAdapter(list[News]), TypeAdapter(list[Filing])
SPLITS, DIVIDENDS, FACTS = TypeAdapter(list[Split]), TypeAdapter(list[Dividend]), TypeAdapter(list[Fact])
R = TypeVar("R")


def _bars(frame: pd.DataFrame) -> list[Bar]:
    """One day twice would let the later row hide the earlier, so it is refused."""
    names = ("open", "high", "low", "close", "volume")
    bars = _records(BARS, "bars", frame, day=_days(frame, "date"), **{name: frame[name].tolist() for name in names})
    doubled = next((one.day for one, other in itertools.pairwise(bars) if one.day >= other.day), None)
    if doubled:
        raise SpecError(f"The source delivers {frame['symbol'].iloc[0]} twice on {doubled}.", field="tickers")
    return bars


def _news(frame: pd.DataFrame) -> list[News]:
    texts = {name: frame[name].tolist() for name in ("id", "title", "summary", "publisher", "url")}
    times = {name: _times(frame, "news", name) for name in ("published_at", "available_at")}
    return _records(NEWS, "news", frame, ticker=frame["symbol"].tolist(), **texts, **times)


def _filings(frame: pd.DataFrame) -> list[Filing]:
    texts = {name: frame[name].tolist() for name in ("form", "section", "text", "url")}
    times = {name: _times(frame, "filings", name) for name in ("accepted_at", "available_at")}
    ids = [f"{accession}/{section}" for accession, section in zip(frame["accession"].tolist(), texts["section"], strict=True)]
    return _records(
        FILINGS, "filings", frame, id=ids, ticker=frame["symbol"].tolist(), period_end=_days(frame, "period_end"), **texts, **times
    )


def _facts(frame: pd.DataFrame) -> list[Fact]:
    plain = {name: frame[name].tolist() for name in ("field", "value", "unit", "timeframe", "form", "accession")}
    days = {name: _days(frame, name) for name in ("period_start", "period_end", "filed")}
    return _records(FACTS, "fundamentals", frame, available_at=_times(frame, "fundamentals", "available_at"), **plain, **days)


def _actions(adapter: TypeAdapter[list[R]], frame: pd.DataFrame, amount: str, calendar: Calendar) -> list[R]:
    """On their ex date, or in the next session where it is none: the engine only visits sessions."""
    days = [day if day is None or day in calendar else calendar.next_session(day).day for day in _days(frame, "ex_date")]
    return _records(adapter, f"{amount}s", frame, ex_date=days, **{amount: frame[amount].tolist()})


def _records(adapter: TypeAdapter[list[R]], table: str, frame: pd.DataFrame, **columns: list[Any]) -> list[R]:
    """One record per row of ``columns``. A value that no record may hold is a SpecError about its row."""
    names = tuple(columns)
    try:
        return adapter.validate_python([dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        row, name = (*first["loc"], "", "")[:2]
        symbol = frame["symbol"].iloc[row] if isinstance(row, int) else ""
        count = len({found["loc"][0] for found in error.errors(include_url=False)})
        raise SpecError(
            f"{symbol}: {count} of {len(frame)} rows of {table} cannot be used; the first has {name} = {str(first['input'])[:40]!r} "
            f"({first['msg'].lower()}).",
            field="tickers",
        ) from error


def _days(frame: pd.DataFrame, column: str) -> list[date | None]:
    """Days; None where the cell is empty."""
    return frame[column].to_numpy("datetime64[D]").tolist()  # type: ignore[no-any-return]


def _times(frame: pd.DataFrame, table: str, column: str) -> list[datetime]:
    """Aware times in UTC. An empty cell and a time without a zone are refused: both would have to be guessed."""
    stamps = frame[column]
    if stamps.empty:
        return []
    if stamps.isna().any() or stamps.dt.tz is None:
        what = "rows without a time" if stamps.isna().any() else "times without a zone"
        raise SpecError(f"{frame['symbol'].iloc[0]}: {table} has {what} in {column}.", field="tickers")
    return pd.DatetimeIndex(stamps).tz_convert(UTC).to_pydatetime().tolist()  # type: ignore[no-any-return]
