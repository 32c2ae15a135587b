"""SEC EDGAR: annual and quarterly reports with the minute they became public, and every figure with the filing it stands in.

Nothing here needs a key; SEC asks each program for a contact address and allows ten requests a second (we ask for eight). Promise: a
filing is readable from its acceptance (header first, ``agent.market.acceptance``), an amendment never replaces the original, a restated
figure never replaces the one that was known before. Documents never change, so each is fetched once and kept.
"""

from __future__ import annotations

import difflib
import gzip
import os
import re
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from agent.errors import SpecError, Unavailable
from agent.http import LIMIT_BYTES, Client, HttpProblem, Pace
from agent.market import acceptance, company_facts, filing_sections, tables
from agent.market.sources.base import (
    BadResponse,
    Covered,
    Fetched,
    Issue,
    Listing,
    NotSupported,
    Place,
    RateLimited,
    SourceDown,
    UnknownSymbol,
    clipped,
    gaps,
)

WHO = "SEC EDGAR"
DATA, WWW = "https://data.sec.gov", "https://www.sec.gov"
PACE = Pace(1 / 8)  # seconds between requests of this process; SEC blocks above ten a second
THRESHOLD_PAUSE = timedelta(minutes=10)  # how long SEC blocks an address that was too fast
FRESH = timedelta(minutes=10)  # how long one object trusts an index it has read
LATE_DATES = timedelta(days=10)  # a filing date that SEC moved back lies before the acceptance
FOREIGN = ("20-F", "40-F", "6-K")
CONTACT_CURE = "Set RECOLLECT_CONTACT=you@example.org in .env; SEC asks every program for an address."

_CONTACT = re.compile(r"[!-?A-~]+@[!-?A-~]+")  # printable ASCII without blanks, one @
_ACCESSION = re.compile(r"\d{10}-\d{2}-\d{6}")
_OLDER = re.compile(r"CIK\d{10}-submissions-\d{3}\.json")

T = TypeVar("T")


class EdgarOptions(BaseModel):
    """Which reports, and what of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    forms: tuple[str, ...] = Field(("10-K", "10-Q"), min_length=1, description="Reports to read: 10-K (annual), 10-Q (quarterly)")
    sections: tuple[str, ...] = Field(
        tuple(name for names in filing_sections.NAMES.values() for name in names),
        min_length=1,
        description="Sections to read, such as item_1a (risks, 10-K), item_7 (discussion, 10-K), part1_item_2 (discussion, 10-Q)",
    )
    amendments: bool = Field(True, description="Also list amendments (10-K/A, 10-Q/A), beside the report they amend")

    @field_validator("forms")
    @classmethod
    def _known_forms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _chosen(value, tuple(filing_sections.NAMES))

    @field_validator("sections")
    @classmethod
    def _known_sections(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _chosen(value, tuple(name for names in filing_sections.NAMES.values() for name in names))


def _chosen(value: tuple[str, ...], choices: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [name for name in value if name not in choices]
    if wrong:
        raise ValueError(f"unknown: {', '.join(wrong)}; choose from {', '.join(choices)}")
    return tuple(dict.fromkeys(value))


@dataclass(frozen=True)
class Company:
    """One line of SEC's ticker file."""

    cik: int
    ticker: str
    name: str


@dataclass(frozen=True)
class Submission:
    """One line of a filer's index. ``stamp`` is the acceptance as the index writes it."""

    accession: str
    form: str
    filed: date
    period_end: date | None
    stamp: str
    document: str

    @property
    def possible_days(self) -> tuple[date, date]:
        """The first and last day (UTC) on which it can have become readable."""
        shown = acceptance.digits(self.stamp)
        latest = max(self.filed, shown.date()) if shown else self.filed
        return min(self.filed, latest), latest + timedelta(days=2)


@dataclass(frozen=True)
class _Index:
    """What a filer has submitted, as far back as was asked for; ``first`` is its first submission of all."""

    company: Company
    submissions: tuple[Submission, ...]
    first: date | None
    undated: int
    utc: bool  # the filer's stamps are proved to be UTC


class EdgarSource:
    """Filings and fundamentals of companies that report to SEC. Every object keeps the indexes it has read for ten minutes."""

    Options: type[BaseModel] = EdgarOptions
    provides = frozenset(("filings", "fundamentals"))
    note = ""
    network = True
    version = "1"  # of the way filings are read: another one makes the cache ask again

    def __init__(self, options: EdgarOptions | None = None, place: Place | None = None, *, pace: Callable[[], None] = PACE) -> None:
        self.options = options or EdgarOptions()
        self.place = place or Place()
        self._pace = pace
        self._read: dict[str, tuple[datetime, Any]] = {}

    # --------------------------------------------------------------------------------------------------------- who there is

    def listings(self) -> list[Listing]:
        """Every ticker of SEC's ticker file."""
        return sorted((_listing(company) for company in self._companies().values()), key=lambda listing: listing.ticker)

    def listing(self, symbol: str) -> Listing:
        """Name and ticker as SEC has them. All its tickers trade in the United States, on the hours of New York."""
        return _listing(self._company(symbol), symbol.strip().upper())

    def fingerprint(self) -> str:
        return ""

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        """Filings (one row a section) or fundamentals (one row a figure and filing) readable on start <= day (UTC) < end."""
        if table not in self.provides:
            raise NotSupported(f"{WHO} has no {table}; it has {' and '.join(sorted(self.provides))}.", field="source")
        if start > end:
            raise SpecError(f"The start {start} is after the end {end}; swap them.", field="start")
        index = self._index(self._company(symbol), start)
        work = self._filings if table == "filings" else self._fundamentals
        return work(index, symbol, start, end)

    def _company(self, symbol: str) -> Company:
        companies = self._companies()
        wanted = re.sub(r"[./ ]", "-", symbol.strip().upper())  # SEC writes BRK-B
        if wanted not in companies:
            near = difflib.get_close_matches(wanted, companies, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UnknownSymbol(f"SEC's list of {len(companies)} tickers has no {symbol!r}.{hint}")
        return companies[wanted]

    def _companies(self) -> dict[str, Company]:
        def parse(payload: Any) -> dict[str, Company]:
            found: dict[str, Company] = {}
            for row in payload.values():
                ticker = str(row["ticker"]).strip().upper()
                found.setdefault(ticker, Company(int(row["cik_str"]), ticker, str(row["title"])))
            return found

        found = self._json(WWW, "/files/company_tickers.json", parse)
        if not found:
            raise BadResponse(f"{WHO} has no list of tickers where it should be.")
        return found

    # ------------------------------------------------------------------------------------------------------------ the index

    def _index(self, company: Company, since: date) -> _Index:
        """The filer's submissions from ``since`` on (and more, where SEC's files hold more)."""
        newest = self._json(DATA, f"/submissions/CIK{company.cik:010d}.json", _index_page)
        if newest is None:
            raise BadResponse(f"{WHO} lists {company.ticker} and has no index of its filings.")
        rows, older, undated = list(newest.rows), newest.older, newest.undated
        for page in older:
            if page.until >= since - LATE_DATES:
                found = self._json(DATA, f"/submissions/{page.name}", _index_page)
                if found is None:
                    raise BadResponse(f"{WHO} names {page.name} and does not have it.")
                rows += found.rows
                undated += found.undated
        starts = [page.since for page in older] + [row.filed for row in rows]
        stamps = ((row.form, row.stamp, row.filed) for row in newest.rows)
        return _Index(company, tuple(dict.fromkeys(rows)), min(starts, default=None), undated, acceptance.proves_utc(stamps))

    def _accepted(self, index: _Index, submissions: Sequence[Submission]) -> dict[str, _Acceptance]:
        """accession -> when it was accepted, as well as that can be known."""
        found = {}
        for item in submissions:
            at = self._header_time(index.company.cik, item.accession)
            stated = at is not None
            found[item.accession] = _Acceptance(at if stated else acceptance.from_index(item.stamp, utc=index.utc), stated)
        return found

    def _header_time(self, cik: int, accession: str) -> datetime | None:
        """The acceptance time of the submission's SGML header; None where EDGAR has no header or no time in it."""
        kept = self._kept(f"{accession}.sgml.gz")
        if kept is not None:
            return acceptance.from_header(kept.decode("latin-1"))
        for name in (f"{accession}.hdr.sgml", f"{accession}-index-headers.html"):
            body = self._body(_archive(cik, accession, name))
            if body is not None and (found := acceptance.from_header(body.decode("latin-1"))):
                self._keep(f"{accession}.sgml.gz", body)
                return found
        return None

    # -------------------------------------------------------------------------------------------------------------- filings

    def _filings(self, index: _Index, symbol: str, start: date, end: date) -> Fetched:
        wanted = [item for item in index.submissions if self._is_wanted(item.form) and _may_lie_in(item, start, end)]
        accepted = self._accepted(index, wanted)
        rows = [_row(item.accession, item.form, item.filed, accepted[item.accession].at) for item in wanted]
        readable = _readable(rows)
        readable = readable[_inside(readable, start, end)]
        chosen = {item.accession: item for item in wanted if item.accession in readable.index}
        rows = []
        issues: list[Issue] = []
        lost: list[str] = []
        short: list[str] = []
        for item in chosen.values():
            text = self._document(index.company.cik, item)
            if not text:
                lost.append(item.accession)
                continue
            cut = self._cut(item, text)
            short += cut.left_out
            if cut.whole:
                issues.append(Issue("warning", "filings", f"{symbol}: {cut.whole}", symbol, 1, (item.accession,), "document"))
            url = WWW + _archive(index.company.cik, item.accession, item.document)
            for section, body in cut.texts.items():
                rows.append(
                    _row(item.accession, item.form, item.filed, accepted[item.accession].at)
                    | {"symbol": symbol, "section": section, "period_end": item.period_end, "text": body, "url": url}
                )
        frame, found = (tables.conform("filings", pd.DataFrame(rows), where=WHO)) if rows else (tables.empty("filings"), ())
        guessed = [accession for accession in chosen if not accepted[accession].stated]
        issues += [*found, *_notes(symbol, guessed, short, lost), *_undated(symbol, "filings", index.undated)]
        foreign = self._foreign(index, symbol, "filings", start, end)
        missing = tuple((at, at + pd.Timedelta(days=1)) for at in sorted(readable[lost])) if lost else ()
        covered = () if foreign and not chosen else self._covered(index.first, start, end, missing)
        return Fetched(frame, covered, (*foreign, *issues), self.place.now())

    def _is_wanted(self, form: str) -> bool:
        base = filing_sections.base_form(form)
        some = set(filing_sections.NAMES.get(base, ())) & set(self.options.sections)
        return bool(some) and base in self.options.forms and (self.options.amendments or not form.upper().endswith("/A"))

    def _document(self, cik: int, item: Submission) -> list[str]:
        """The lines of the main document, from disk where it has been fetched before; [] where EDGAR has none."""
        name = f"{item.accession}.html.gz"
        kept = self._kept(name)
        if kept is None:
            kept = self._body(_archive(cik, item.accession, item.document)) if item.document else None
            if kept is None:  # filings of the last century have the whole submission only
                kept = self._body(_archive(cik, item.accession, f"{item.accession}.txt"))
            if not kept:
                return []
            self._keep(name, kept)
        return filing_sections.lines(kept)

    def _cut(self, item: Submission, text: list[str]) -> _Cut:
        """The wanted sections; the whole document where management's discussion, or everything, is a pointer to another place."""
        base = filing_sections.base_form(item.form)
        found = {name: body for name, body in filing_sections.cut(text, base).items() if name in self.options.sections}
        good = {name: body for name, body in found.items() if len(body) >= filing_sections.POINTER}
        main = filing_sections.DISCUSSION[base]
        if good and (main in good or main not in found):
            label = f"{item.form} filed {item.filed}"
            return _Cut(good, tuple(f"{label}: {name} ({len(body)} characters)" for name, body in found.items() if name not in good))
        what = main if main in found else next(iter(found))
        size = f"has {len(found[what])} characters, a pointer to another place" if found[what] else "is not there"
        sentence = f"{item.form} filed {item.filed}: section {what} {size}; the whole document stands in for its sections."
        return _Cut({"document": "\n".join(text)}, (), sentence)

    # --------------------------------------------------------------------------------------------------------- fundamentals

    def _fundamentals(self, index: _Index, symbol: str, start: date, end: date) -> Fetched:
        facts = self._json(DATA, f"/api/xbrl/companyfacts/CIK{index.company.cik:010d}.json", lambda body: company_facts.rows(body, symbol))
        foreign = self._foreign(index, symbol, "fundamentals", start, end)
        if facts is None or facts.frame.empty:
            message = f"{symbol}: EDGAR has no figures of this filer in the taxonomy of U.S. reports (us-gaap)."
            nothing = Issue("warning", "fundamentals", message, symbol, code="no_facts")
            return Fetched(tables.empty("fundamentals"), (), (*foreign, nothing), self.place.now())
        frame = facts.frame
        filed = frame["filed"]
        frame = frame[(filed < end) & (filed >= start - LATE_DATES)]
        known = {item.accession: item for item in index.submissions}
        reports = list(frame.drop_duplicates("accession")[["accession", "form", "filed"]].itertuples(index=False))
        accepted = self._accepted(index, [known[row.accession] for row in reports if row.accession in known])
        unlisted = _Acceptance(None, stated=False)
        readable = _readable([_row(row.accession, row.form, row.filed, accepted.get(row.accession, unlisted).at) for row in reports])
        issues: tuple[Issue, ...] = ()
        if len(frame):
            frame, issues = tables.conform("fundamentals", frame.assign(available_at=frame["accession"].map(readable)), where=WHO)
            frame = frame[_inside(frame["available_at"], start, end)].reset_index(drop=True)
        else:
            frame = tables.empty("fundamentals")
        guessed = [accession for accession in frame["accession"].unique() if not accepted.get(accession, unlisted).stated]
        notes = (*foreign, *issues, *_guessed(symbol, "fundamentals", guessed), *_undated(symbol, "fundamentals", facts.undated))
        return Fetched(frame, self._covered(min(facts.frame["filed"]), start, end), notes, self.place.now())

    # --------------------------------------------------------------------------------------------------- coverage and notes

    def _covered(self, first: date | None, start: date, end: date, missing: Covered = ()) -> Covered:
        """From the start, or the filer's first submission, up to now."""
        if first is None:
            return ()
        low = max(pd.Timestamp(start, tz="UTC"), pd.Timestamp(first, tz="UTC"))
        high = min(pd.Timestamp(end, tz="UTC"), pd.Timestamp(self.place.now()).tz_convert("UTC"))
        return gaps(clipped(missing, low, high), low, high) if low < high else ()

    def _foreign(self, index: _Index, symbol: str, table: str, start: date, end: date) -> tuple[Issue, ...]:
        found = [item for item in index.submissions if item.form.startswith(FOREIGN) and start <= item.filed < end]
        if not found:
            return ()
        forms = ", ".join(dict.fromkeys(sorted(item.form for item in found)))
        message = (
            f"{symbol} reports to SEC as a foreign company ({forms}); Recollect reads 10-K and 10-Q only, so reports are missing here."
        )
        shown = tuple(f"{item.form} {item.filed}" for item in found[: tables.SHOWN])
        return (Issue("warning", table, message, symbol, len(found), shown, "foreign_filer"),)

    # -------------------------------------------------------------------------------------------------------------- the net

    def _json(self, base: str, path: str, parse: Callable[[Any], T]) -> T | None:
        """What ``parse`` makes of an answer, read again after ten minutes; None where EDGAR has no such thing."""
        now = self.place.now()
        if path in self._read and timedelta(0) <= now - self._read[path][0] < FRESH:
            found: T = self._read[path][1]
            return found
        payload = self._ask(lambda: self._client(base).json(path))
        if payload is None:
            return None
        try:
            parsed = parse(payload)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise BadResponse(f"{WHO} answered {path} in an unknown shape ({type(error).__name__}: {str(error)[:80]}).") from error
        if not path.startswith("/api/"):  # facts are large and asked for once
            self._read[path] = now, parsed
        return parsed

    def _body(self, path: str) -> bytes | None:
        return self._ask(lambda: self._client(WWW).body(path))

    def _client(self, base: str) -> Client:
        contact = self.place.contact.strip()
        if not _CONTACT.fullmatch(contact):
            what = f"{contact[:40]!r} is no e-mail address" if contact else "no contact address is set"
            raise Unavailable(f"{WHO} was not asked: {what}.", cure=CONTACT_CURE)
        return Client(WHO, self.place.urls.get("edgar") or base, {"User-Agent": f"Recollect {contact}"}, pause=self._pace)

    def _ask(self, call: Callable[[], T]) -> T | None:
        """The answer; None for "not found"; every other refusal as the class of ``sources.base`` that names it."""
        try:
            return call()
        except HttpProblem as problem:
            if problem.kind == "missing":
                return None
            raise self._named(problem) from None

    def _named(self, problem: HttpProblem) -> Unavailable:
        now = self.place.now()
        if problem.kind == "limited":
            wait = problem.retry_after_s
            return RateLimited(str(problem), cure="Wait a while.", retry_at=now + timedelta(seconds=wait) if wait is not None else None)
        if problem.kind == "refused" and problem.html:  # the page SEC shows to an address that was too fast, or to an unnamed program
            cure = "It answers again in about 10 minutes; if not, check RECOLLECT_CONTACT in .env."
            return RateLimited(f"{problem} Too many requests came from this network.", cure=cure, retry_at=now + THRESHOLD_PAUSE)
        if problem.kind == "refused":
            return SourceDown(str(problem), cure="Check RECOLLECT_CONTACT in .env: SEC refuses programs without a contact address.")
        if problem.kind == "down":
            return SourceDown(str(problem), cure="Try again later.")
        return BadResponse(str(problem), cure="Try again later.")

    # ------------------------------------------------------------------------------------------------- documents, for ever

    @property
    def _folder(self) -> Path | None:
        return self.place.cache / "edgar" / "documents" if self.place.cache else None

    def _kept(self, name: str) -> bytes | None:
        """A document on disk; one that cannot be read is set aside and counts as missing."""
        path = self._folder / name if self._folder else None
        if path is None or not path.is_file():
            return None
        try:
            with gzip.open(path) as file:
                body = file.read(LIMIT_BYTES + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            body = b""
        if not body or len(body) > LIMIT_BYTES:
            path.replace(path.with_suffix(".bad"))
            return None
        return body

    def _keep(self, name: str, body: bytes) -> None:
        """Write a document whole or not at all."""
        folder = self._folder
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as file:
                file.write(gzip.compress(body, compresslevel=6, mtime=0))
                file.flush()
                os.fsync(file.fileno())
            os.replace(file.name, folder / name)
        except OSError as error:
            raise Unavailable(
                f"A filing cannot be kept in {folder} ({error.strerror}).", cure="Check the disk and its permissions."
            ) from error


@dataclass(frozen=True)
class _Acceptance:
    """When a filing was accepted, if that is known, and whether its header stated it."""

    at: datetime | None
    stated: bool


@dataclass(frozen=True)
class _Cut:
    """What of a filing is delivered. ``left_out``: sections too short to be sections. ``whole``: why the document stands in for them."""

    texts: Mapping[str, str]
    left_out: tuple[str, ...]
    whole: str = ""


# ------------------------------------------------------------------------------------------------------------ index, parsed


@dataclass(frozen=True)
class _OlderPage:
    name: str
    since: date
    until: date


@dataclass(frozen=True)
class _IndexPage:
    rows: tuple[Submission, ...]
    older: tuple[_OlderPage, ...]
    undated: int


def _index_page(payload: Any) -> _IndexPage:
    """One submissions file: the newest (with the names of older ones) or an older one (columns only)."""
    columns = payload["filings"]["recent"] if "filings" in payload else payload
    older = payload["filings"].get("files") or [] if "filings" in payload else []
    rows = list(_submissions(columns))
    dated = tuple(row for row in rows if row is not None)
    pages = [_OlderPage(page["name"], date.fromisoformat(page["filingFrom"]), date.fromisoformat(page["filingTo"])) for page in older]
    wrong = [page.name for page in pages if not _OLDER.fullmatch(page.name)]
    if wrong:
        raise ValueError(f"an older file named {wrong[0][:40]!r}")
    return _IndexPage(dated, tuple(pages), len(rows) - len(dated))


def _submissions(columns: Mapping[str, Sequence[Any]]) -> Iterator[Submission | None]:
    """The rows of an index; None for one without a filing date."""
    names = ("accessionNumber", "form", "filingDate", "reportDate", "acceptanceDateTime", "primaryDocument")
    for accession, form, filed, period, stamp, document in zip(*(columns[name] for name in names), strict=True):
        if not _ACCESSION.fullmatch(accession):
            raise ValueError(f"an accession number {str(accession)[:40]!r}")
        if not filed:
            yield None
            continue
        end = date.fromisoformat(period) if period else None
        yield Submission(accession, str(form), date.fromisoformat(filed), end, str(stamp or ""), str(document or ""))


def _archive(cik: int, accession: str, name: str) -> str:
    return f"/Archives/edgar/data/{cik}/{accession.replace('-', '')}/{quote(name)}"


def _listing(company: Company, symbol: str = "") -> Listing:
    return Listing(symbol or company.ticker, company.name, extra={"cik": f"{company.cik:010d}"})


# ------------------------------------------------------------------------------------------------------------ rows and notes


def _row(accession: str, form: str, filed: date, accepted: datetime | None) -> dict[str, Any]:
    """A filings row for ``tables.conform``, which knows when a filing can be read; that needs neither its symbol nor its text."""
    at = pd.Timestamp(accepted) if accepted is not None else pd.NaT
    return {"symbol": "-", "accession": accession, "form": form, "filing_date": filed.isoformat(), "accepted_at": at, "text": ""}


def _readable(rows: Sequence[Mapping[str, Any]]) -> pd.Series:
    """accession -> when it could be read, UTC."""
    frame = tables.conform("filings", pd.DataFrame(rows), where=WHO)[0] if rows else tables.empty("filings")
    return frame.set_index("accession")["available_at"]


def _may_lie_in(item: Submission, start: date, end: date) -> bool:
    first, last = item.possible_days
    return first < end and last >= start


def _inside(at: pd.Series, start: date, end: date) -> pd.Series:
    return (at >= pd.Timestamp(start, tz="UTC")) & (at < pd.Timestamp(end, tz="UTC"))


def _notes(symbol: str, guessed: Sequence[str], short: Sequence[str], lost: Sequence[str]) -> Iterable[Issue]:
    yield from _guessed(symbol, "filings", guessed)
    if short:
        message = f"{symbol}: {len(short)} sections were left out: shorter than {filing_sections.POINTER} characters they point elsewhere."
        yield Issue("warning", "filings", message, symbol, len(short), tuple(short[: tables.SHOWN]), "pointer")
    if lost:
        message = f"{symbol}: EDGAR lists {len(lost)} filings without a document that can be read; they are left out."
        yield Issue("warning", "filings", message, symbol, len(lost), tuple(lost[: tables.SHOWN]), "no_document")


def _guessed(symbol: str, table: str, accessions: Sequence[str]) -> Iterable[Issue]:
    if accessions:
        message = (
            f"{symbol}: {len(accessions)} filings have no acceptance time in a header; the later reading of the index is used, "
            "or 22:00 New York of the filing date."
        )
        yield Issue("warning", table, message, symbol, len(accessions), tuple(accessions[: tables.SHOWN]), "acceptance")


def _undated(symbol: str, table: str, count: int) -> Iterable[Issue]:
    if count:
        yield Issue("warning", table, f"{symbol}: {count} items without a filing date were dropped.", symbol, count, code="undated")
