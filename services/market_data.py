"""What a person can do with market data: look what there is, fetch it, judge it, bring their own, keep it under a name.

Promise: one bad ticker never voids the others; whatever cannot be had comes back as a sentence beside its ticker. Frames hold plain
columns; what they look like is the business of ``ui/`` and ``cli``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from agent.errors import NoData, RecollectError, SpecError, Unavailable
from agent.market import tables, upload
from agent.market.fundamentals import snapshot
from agent.market.indicators import price_state
from agent.market.sessions import Calendar, Session
from agent.market.sources import SOURCES
from agent.market.sources.base import TABLES, Fetched, Issue, Listing, Source, clipped, union
from agent.market.view import Market, history
from agent.records import Bar, Figure, Filing, News, PriceState, Record
from agent.spec import FIRST_YEAR, LAST_YEAR, Part, PartTable, RunSpec
from services import wiring
from services.settings import Settings, settings
from storage import datasets as shelf
from storage import market_cache
from storage.breaker import Breaker

MONTHLY_FROM_DAYS = 100  # ranges up to this long are shown session by session
SHOWN_TABLES = ("bars", "news", "filings")
PROBE = {"yahoo": "AAPL", "edgar": "AAPL", "alpaca_news": "AAPL", "finnhub_news": "AAPL"}  # one light question each


class Choice(Record):
    """Where market data comes from: the part of a RunSpec that says so."""

    source: str
    options: dict[str, Any] = Field(default_factory=dict)
    parts: dict[PartTable, Part] = Field(default_factory=dict)

    @classmethod
    def of(cls, spec: RunSpec) -> Choice:
        return cls(source=spec.source, options=spec.source_options, parts=spec.parts)

    def open(self, *, refresh: bool = False) -> Source:
        """The live source, behind the cache where it asks a network. ``refresh`` asks again for what may have changed."""
        return wiring.market_source(self.source, self.options, self.parts, refresh=refresh)


@dataclass(frozen=True)
class SourceState:
    """One source and whether it can be used now. ``ok`` None: nobody has asked."""

    name: str
    provides: tuple[str, ...]
    network: bool
    ok: bool | None
    message: str
    cure: str = ""
    paused_until: datetime | None = None


@dataclass(frozen=True)
class Resolved:
    """A ticker as the source knows it, or why it cannot be had."""

    ticker: str
    listing: Listing | None = None
    problem: str = ""
    error: RecollectError | None = None


@dataclass(frozen=True)
class Step:
    """One table of one ticker fetched, or not."""

    ticker: str
    table: str
    rows: int
    done: int
    total: int
    problem: str = ""
    issues: tuple[Issue, ...] = ()
    first: date | None = None
    last: date | None = None

    @property
    def ok(self) -> bool:
        return not self.problem


@dataclass(frozen=True)
class Known:
    """What could be known of a ticker at the close of a session."""

    ticker: str
    session: Session
    next_session: date
    bar: Bar | None
    price: PriceState
    news: tuple[News, ...]
    filings: tuple[Filing, ...]
    figures: tuple[Figure, ...]
    unsourced: tuple[str, ...]
    split: float = 1.0
    dividend: float = 0.0


# -------------------------------------------------------------------------------------------------------------------- sources


def states() -> list[SourceState]:
    """Every source, without asking any server: keys and addresses that are missing, pauses that are in force."""
    return [_state(name) for name in SOURCES]


def _state(name: str) -> SourceState:
    plug: Any = SOURCES.load(name)
    where = settings()
    provides = tuple(table for table in TABLES if table in plug.provides)
    if not plug.network:
        return SourceState(name, provides, False, True, "Reads from this machine; nothing to reach.")
    missing = _missing(name, where)
    if missing:
        return SourceState(name, provides, True, False, missing[0], missing[1])
    pause = Breaker(where.market_cache, name).pause()
    if pause is not None:
        return SourceState(name, provides, True, False, f"Paused until {pause.until:%H:%M} UTC: {pause.reason}", paused_until=pause.until)
    if where.offline:
        return SourceState(name, provides, True, False, "Offline mode: only what the cache holds.", "unset RECOLLECT_OFFLINE")
    return SourceState(name, provides, True, None, "Not asked yet.")


def _missing(name: str, where: Settings) -> tuple[str, str] | None:
    """What a source needs from the environment and does not have: a sentence and the line for ``.env``."""
    if name == "edgar" and "@" not in where.contact:
        return "SEC asks every program for a contact address, and none is set.", "RECOLLECT_CONTACT=you@example.org"
    if name == "alpaca_news" and not (where.alpaca_key_id and where.alpaca_secret_key):
        return "No key is set.", "RECOLLECT_ALPACA_KEY_ID=…  RECOLLECT_ALPACA_SECRET_KEY=…"
    if name == "finnhub_news" and not where.finnhub_key:
        return "No key is set.", "RECOLLECT_FINNHUB_KEY=…"
    return None


def probe(name: str) -> SourceState:
    """Ask a network source one light question now; never raises."""
    known = _state(name)
    if not known.network or known.ok is False:
        return known
    plug: Any = SOURCES.load(name)
    try:
        found = plug(wiring.options(name, plug, {}), wiring.place()).listing(PROBE[name])
    except RecollectError as error:
        cure = getattr(error, "cure", "")
        return SourceState(name, known.provides, True, False, str(error).removesuffix(cure).strip(), cure)
    return SourceState(name, known.provides, True, True, f"Answers ({found.ticker}{f': {found.name}' if found.name else ''}).")


def resolve(choice: Choice, tickers: Sequence[str]) -> list[Resolved]:
    """Name, exchange and currency of each ticker; one that is unknown does not stop the others. SpecError if the source cannot be made."""
    made = choice.open()
    return [_resolved(made, ticker.strip().upper()) for ticker in tickers if ticker.strip()]


def _resolved(made: Source, ticker: str) -> Resolved:
    try:
        return Resolved(ticker, made.listing(ticker))
    except RecollectError as error:
        return Resolved(ticker, problem=str(error), error=error)


# --------------------------------------------------------------------------------------------------------------------- fetching


def refresh(choice: Choice, tickers: Sequence[str], start: date, end: date, *, force: bool = True) -> Iterator[Step]:
    """Fetch what a run over [start, end] reads, one table of one ticker at a time. Nothing raises but a source that cannot be made.

    That is more than the range: indicators, the last annual report and growth need the time before it (``agent.market.view``).
    """
    _range(start, end)
    made = choice.open(refresh=force)
    wanted = [(ticker, table) for ticker in tickers for table in TABLES if table in made.provides]
    unknown: dict[str, str] = {}
    for done, (ticker, table) in enumerate(wanted, 1):
        if ticker not in unknown:
            unknown[ticker] = _resolved(made, ticker).problem
        if unknown[ticker]:
            yield Step(ticker, table, 0, done, len(wanted), problem=unknown[ticker])
            continue
        try:
            fetched = made.fetch(table, ticker, history(table, start), end + timedelta(days=1))
        except RecollectError as error:
            yield Step(ticker, table, 0, done, len(wanted), problem=str(error))
            continue
        first, last = _span(table, fetched.frame)
        yield Step(ticker, table, len(fetched.frame), done, len(wanted), issues=fetched.issues, first=first, last=last)


def _range(start: date, end: date) -> None:
    """SpecError for days in the wrong order, and for days that no market has."""
    if start > end:
        raise SpecError(f"The start {start} is after the end {end}; swap them.", field="start")
    if start.year < FIRST_YEAR or end.year > LAST_YEAR:
        raise SpecError(f"{start}..{end} is no range of a market; the days lie between {FIRST_YEAR} and {LAST_YEAR}.", field="start")


def _span(table: str, frame: pd.DataFrame) -> tuple[date | None, date | None]:
    if frame.empty:
        return None, None
    days = frame[tables.DAY_COLUMN.get(table, "available_at")]
    return days.min().date(), days.max().date()


def held() -> pd.DataFrame:
    """What the cache holds: source, table, symbol, rows, first, last, covered, fetched_at, bytes."""
    return market_cache.entries(settings().market_cache)


def forget(source: str, symbol: str | None = None) -> int:
    """Delete a source's cached files, of one ticker or of all; returns how many. SpecError where there is no such source."""
    SOURCES.load(source)
    return market_cache.drop(settings().market_cache, source, symbol)


# ----------------------------------------------------------------------------------------------------------------- what is known


def coverage(choice: Choice, tickers: Sequence[str], start: date, end: date) -> pd.DataFrame:
    """ticker, table (bars, news, filings), period (its first day), label, count, full, state for each period of [start, end].

    Periods are sessions for short ranges and months for longer ones. ``full`` is the number of sessions for bars and the row's largest
    count for texts. ``state``: full, part, none (the source says nothing happened), missing (a session without a price), no source
    (nobody can say). Rows of a session are those that became readable since the close before it. A ticker that cannot be had has no
    source; where none can be had, the error of the first is raised.
    """
    _range(start, end)
    made = choice.open()
    when = Calendar(_any_listing(made, tickers).exchange)
    sessions = when.sessions(start, end)
    monthly = (end - start).days > MONTHLY_FROM_DAYS
    period = {session.day: session.day.replace(day=1) if monthly else session.day for session in sessions}
    since = when.previous_session(sessions[0].day).day  # what came after that close belongs to the first session
    rows: list[dict[str, Any]] = []
    trouble: list[RecollectError] = []
    for ticker in tickers:
        try:
            made.listing(ticker)
            found = {table: made.fetch(table, ticker, since, end + timedelta(days=1)) for table in SHOWN_TABLES if table in made.provides}
        except RecollectError as error:
            trouble.append(error)
            found = {}
        for table in SHOWN_TABLES:
            fetched = found.get(table) or Fetched(tables.empty(table))
            rows += _periods(ticker, table, fetched, sessions, period, monthly=monthly, when=when)
    if trouble and len(trouble) == len(tickers):
        raise trouble[0]
    return pd.DataFrame(rows)


def _any_listing(made: Source, tickers: Sequence[str]) -> Listing:
    """The first ticker's that the source knows; the first one's error where it knows none."""
    found = [_resolved(made, tickers[0])]
    while found[-1].listing is None and len(found) < len(tickers):
        found.append(_resolved(made, tickers[len(found)]))
    if found[-1].listing is None:
        raise found[0].error or NoData(found[0].problem, field="tickers")
    return found[-1].listing


def _periods(
    ticker: str, table: str, fetched: Fetched, sessions: Sequence[Session], period: Mapping[date, date], *, monthly: bool, when: Calendar
) -> Iterator[dict[str, Any]]:
    places = [period.get(day) for day in _usable(table, fetched.frame, when)]
    counts = pd.Series(places, dtype=object).value_counts()
    expected = pd.Series(list(period.values())).value_counts()
    most = int(counts.max()) if len(counts) else 0
    sourced = _sourced(fetched, sessions, period, when)
    for first in dict.fromkeys(period.values()):
        count, full = int(counts.get(first, 0)), int(expected[first]) if table == "bars" else most
        silent = "missing" if table == "bars" else "none"
        state = ("full" if count >= full else "part") if count else silent if sourced.get(first) else "no source"
        label = f"{first:%Y-%m}" if monthly else str(first)
        yield {"ticker": ticker, "table": table, "period": first, "label": label, "count": count, "full": full, "state": state}


def _usable(table: str, frame: pd.DataFrame, when: Calendar) -> list[date]:
    """The session at whose close each row of ``table`` could first be used."""
    if table == "bars":
        return [stamp.date() for stamp in frame["date"]]
    return [when.session_of(stamp.to_pydatetime()) for stamp in frame["available_at"]]


def _sourced(fetched: Fetched, sessions: Sequence[Session], period: Mapping[date, date], when: Calendar) -> dict[date, bool]:
    """period -> whether some session of it is covered from the close before it to its own."""
    covered, found = union(fetched.covered), dict[date, bool]()
    before = when.previous_session(sessions[0].day).close_at
    for session in sessions:
        low, high = pd.Timestamp(before), pd.Timestamp(session.close_at)
        inside = sum(((b - a) for a, b in clipped(covered, low, high)), pd.Timedelta(0))
        found[period[session.day]] = found.get(period[session.day], False) or inside > 0.5 * (high - low)
        before = session.close_at
    return found


def latest(when: Calendar, day: date) -> Session:
    """The newest session up to ``day`` that has closed by now: nobody knows yet what will be known at a later close."""
    closed = when.last_closed(datetime.now(UTC))
    if closed is not None and day > closed.day:
        return closed
    return when.session(day) if day in when else when.previous_session(day)


def known(choice: Choice, ticker: str, day: date) -> Known:
    """What could be known at the close of ``day``, or of the newest session before it where it is none or has not closed yet.

    News and filings are those since the close before.
    """
    made = choice.open()
    when = Calendar(made.listing(ticker).exchange)
    session = latest(when, day)
    day, before = session.day, when.previous_session(session.day)
    market = Market.load(made, [ticker], start=day - timedelta(days=10), end=day, calendar=when)
    view = market.view(session.close_at)
    return Known(
        ticker=ticker,
        session=session,
        next_session=when.next_session(day).day,
        bar=view.bar(ticker, day),
        price=price_state(view, ticker),
        news=view.news(ticker, before.close_at),
        filings=view.filings(ticker, before.close_at),
        figures=snapshot(view, ticker),
        unsourced=tuple(t for t in ("news", "filings") if not view.sourced(ticker, t, before.close_at)),
        split=view.split(ticker, day),
        dividend=view.dividend(ticker, day),
    )


def check(choice: Choice, tickers: Sequence[str], start: date, end: date) -> list[Issue]:
    """The quality report: everything odd about the rows of [start, end], errors first. A ticker that cannot be had is an error of its own."""
    _range(start, end)
    made, found = choice.open(), list[Issue]()
    for ticker in tickers:
        try:
            when = Calendar(made.listing(ticker).exchange)
            market = Market.load(made, [ticker], start=start, end=end, calendar=when)
        except RecollectError as error:
            found.append(Issue("error", "bars", str(error), ticker, 1, code="unavailable" if isinstance(error, Unavailable) else "refused"))
            continue
        found += market.issues
    return sorted(dict.fromkeys(found), key=lambda issue: (issue.severity != "error", issue.symbol, issue.table))


# --------------------------------------------------------------------------------------------------------------------- datasets


def datasets() -> list[shelf.Dataset]:
    """Every named dataset, broken ones with what is wrong with them."""
    return shelf.listed(settings().datasets)


def save(choice: Choice, tickers: Sequence[str], start: date, end: date, name: str, *, replace: bool = False) -> shelf.Dataset:
    """Keep what a run over [start, end] reads under a name: it repeats whatever the source says tomorrow."""
    _range(start, end)
    made, frames = choice.open(), dict[str, list[pd.DataFrame]]()
    listings = [made.listing(ticker) for ticker in tickers]
    covered: dict[str, dict[str, list[list[str]]]] = {}
    for ticker in tickers:
        for table in TABLES:
            if table not in made.provides:
                continue
            fetched = made.fetch(table, ticker, history(table, start), end + timedelta(days=1))
            frames.setdefault(table, []).append(fetched.frame)
            covered.setdefault(table, {})[ticker] = [[low.isoformat(), high.isoformat()] for low, high in fetched.covered]
    joined = {table: pd.concat(parts, ignore_index=True) for table, parts in frames.items() if any(len(part) for part in parts)}
    if "bars" not in joined:
        raise NoData(f"There is not one price from {start} to {end}; nothing was saved.", field="tickers")
    manifest = {
        "kind": choice.source,
        "choice": _shared(choice),
        "note": made.note,
        "basis": "traded",
        "exchange": listings[0].exchange,
        "currency": listings[0].currency,
        "companies": {item.ticker: item.name for item in listings if item.name},
        "start": str(start),
        "end": str(end),
        "covered": covered,
        "fetched_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    _one_market(listings)
    return shelf.save(settings().datasets, name, joined, manifest=manifest, replace=replace)


def _shared(choice: Choice) -> dict[str, Any]:
    """A choice as it may be given away with an export: where a file lay on this machine is nobody's business."""
    said: dict[str, Any] = choice.model_dump(mode="json")
    for part in (said, *said["parts"].values()):
        if "path" in part["options"]:
            part["options"]["path"] = Path(str(part["options"]["path"])).name
    return said


def _one_market(listings: Sequence[Listing]) -> None:
    markets = {(item.exchange, item.currency) for item in listings}
    if len(markets) > 1:
        named = ", ".join(f"{exchange} in {currency}" for exchange, currency in sorted(markets))
        raise SpecError(f"A dataset holds one exchange and one currency; these tickers trade on {named}.", field="tickers")


def add_file(
    name: str, body: bytes | Path, filename: str, mapping: upload.Mapping, *, replace: bool = False
) -> tuple[shelf.Dataset, tuple[Issue, ...]]:
    """Read a file of a person's own through its mapping and put its table into the dataset ``name`` (made if it is new)."""
    frame, issues = upload.read(body, filename, mapping)
    tables.refuse_errors(issues)
    root, exists = settings().datasets, any(item.name == name for item in datasets())
    manifest: dict[str, Any] = {"kind": "upload", "exchange": mapping.exchange, "currency": mapping.currency, "basis": "traded"}
    if exists and not replace:
        old = shelf.load(root, name)
        if mapping.table in old.tables:
            raise SpecError(f"The dataset {name!r} already has {mapping.table}; replace it, or choose another name.", field="dataset")
    if mapping.table == "bars" and mapping.basis == "adjusted":
        manifest["note"] = "prices adjusted for later dividends: they tell a little of the future"
    return shelf.save(root, name, {mapping.table: frame}, manifest=manifest, merge=exists, replace=replace), issues


def add_folder(
    name: str, kind: str, path: Path, *, tickers: Sequence[str] = (), replace: bool = False, options: Mapping[str, Any] | None = None
) -> shelf.Dataset:
    """Import a folder or file that a source can read as it is (folder, finmem, finsaber) as a dataset of its own.

    ``options`` are the source's own beside the path.
    """
    choice = Choice(source=kind, options={**(options or {}), "path": str(path)})
    listings = [item for item in choice.open().listings() if not tickers or item.ticker in tickers]
    missing = sorted(set(tickers) - {item.ticker for item in listings})
    if missing:
        raise SpecError(f"{path.name} has no {', '.join(missing[:10])}.", field="tickers")
    firsts, lasts = [i.first for i in listings if i.first], [i.last for i in listings if i.last]
    if not listings or not firsts or not lasts:
        raise NoData(f"{path.name} holds no ticker with a price.", field="path")
    return save(choice, [item.ticker for item in listings], min(firsts), max(lasts), name, replace=replace)


def export_dataset(name: str, out: Path) -> dict[str, int]:
    """Write a dataset as a folder that the folder source reads as it is; returns rows per table."""
    return shelf.export(settings().datasets, name, out)


def rename_dataset(old: str, new: str) -> shelf.Dataset:
    """Give a dataset another name; a run on the old name has to be told the new one."""
    return shelf.rename(settings().datasets, old, new)


def delete_dataset(name: str) -> None:
    """Delete a dataset; runs that were made on it keep their records."""
    shelf.delete(settings().datasets, name)


def read_choice(text: str) -> Choice:
    """``yahoo``, ``folder:PATH``, ``upload:NAME``, ``finmem:PATH``, or the JSON of a Choice."""
    if text.startswith("{"):
        try:
            return Choice.model_validate(json.loads(text))
        except ValueError as error:
            raise SpecError(f"The source is no valid choice: {error}", field="source") from None
    kind, _, rest = text.partition(":")
    SOURCES.load(kind)
    return Choice(source=kind, options={("dataset" if kind == "upload" else "path"): rest} if rest else {})
