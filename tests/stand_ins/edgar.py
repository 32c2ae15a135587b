"""A stand-in for SEC EDGAR: its addresses, its index files, its refusals; the companies and their filings are made up here.

Both of SEC's hosts are served by one. Behaviour: a program without an address in its User-Agent gets 403 and a web page; the index shows
every acceptance with a Z behind it, whatever clock it is on; the header is on New York's clock. Use it as a context manager:

    with EdgarServer([company]) as server: ... server.url, server.paths, server.faults.append(Fault("/submissions/", "429"))
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
FAULTS = ("429", "403_html", "403", "404", "500", "html", "bad_json", "drop", "redirect", "shape")
BLOCK_PAGE = b"<!DOCTYPE html><html><head><title>Request Rate Threshold Exceeded</title></head><body>Please slow down.</body></html>"


@dataclass
class MadeFiling:
    """One submission. ``accepted``: New York, as in the header. ``clock``: what the index makes of it, "utc" or "new_york"."""

    accession: str
    form: str
    filed: str
    accepted: str
    document: str | bytes | None = None
    period: str = ""
    clock: str = "new_york"
    header: str = "sgml"  # or "html" (only the page with the headers), or "none"
    name: str = "report.htm"
    older: bool = False  # listed in an older file of the index

    @property
    def stamp(self) -> str:
        """The acceptance as the index shows it."""
        if not self.accepted:
            return ""
        local = datetime.fromisoformat(self.accepted)
        shown = local.replace(tzinfo=NEW_YORK).astimezone(ZoneInfo("UTC")) if self.clock == "utc" else local
        return f"{shown:%Y-%m-%dT%H:%M:%S}.000Z"

    @property
    def header_text(self) -> str:
        return f"<SEC-HEADER>\n<ACCEPTANCE-DATETIME>{datetime.fromisoformat(self.accepted):%Y%m%d%H%M%S}\nACCESSION NUMBER:\t{self.accession}\n"


@dataclass
class MadeCompany:
    """A filer. ``facts``: (taxonomy:concept, unit, value, start, end, accession, form, filed)."""

    ticker: str
    cik: int
    name: str
    filings: list[MadeFiling] = field(default_factory=list)
    facts: list[tuple[str, str, float, str | None, str, str, str, str | None]] | None = None


@dataclass
class Fault:
    """What goes wrong with the next ``times`` requests whose path contains ``where``. See FAULTS for the kinds."""

    where: str
    kind: str
    times: int = 1

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ValueError(f"unknown fault {self.kind!r}; choose from {', '.join(FAULTS)}")


class EdgarServer:
    """The server. ``paths`` and ``agents``: the path and User-Agent of every request, in order."""

    def __init__(self, companies: list[MadeCompany]) -> None:
        self.companies = companies
        self.faults: list[Fault] = []
        self.paths: list[str] = []
        self.agents: list[str] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"edgar": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> EdgarServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def asked(self, part: str) -> int:
        """How many requests had ``part`` in their path."""
        return sum(part in path for path in self.paths)

    def note(self, path: str, agent: str) -> Fault | None:
        """Record a request; the fault that is due for it."""
        with self._lock:
            self.paths.append(path)
            self.agents.append(agent)
            due = next((fault for fault in self.faults if fault.times > 0 and fault.where in path), None)
            if due:
                due.times -= 1
            return due

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """(content type, body) of a path, or None for 404."""
        if path == "/files/company_tickers.json":
            rows = {str(i): {"cik_str": c.cik, "ticker": c.ticker, "title": c.name} for i, c in enumerate(self.companies)}
            return _json(rows)
        for company in self.companies:
            found = _of_company(company, path)
            if found is not None:
                return found
        return None


class _Handler(BaseHTTPRequestHandler):
    edgar: EdgarServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        agent = self.headers.get("User-Agent", "")
        fault = self.edgar.note(self.path, agent)
        if fault is None and "@" not in agent:
            fault = Fault("", "403_html")
        if fault is not None and fault.kind == "drop":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        if fault is not None:
            self._send(*_refusal(fault.kind))
            return
        found = self.edgar.answer(self.path)
        self._send(404, "text/html", b"<html>NoSuchKey</html>", {}) if found is None else self._send(200, *found, {})

    def _send(self, status: int, kind: str, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def _refusal(kind: str) -> tuple[int, str, bytes, dict[str, str]]:
    return {
        "429": (429, "text/plain", b"slow down", {"Retry-After": "42"}),
        "403_html": (403, "text/html; charset=utf-8", BLOCK_PAGE, {}),
        "403": (403, "application/xml", b"<Error><Code>AccessDenied</Code></Error>", {}),
        "404": (404, "text/html", b"<html>NoSuchKey</html>", {}),
        "500": (500, "text/plain", b"oops", {}),
        "html": (200, "text/html", b"<html>maintenance</html>", {}),
        "bad_json": (200, "application/json", b'{"cik": ', {}),
        "redirect": (302, "text/plain", b"", {"Location": "http://127.0.0.1:9/elsewhere"}),
        "shape": (200, "application/json", b'{"filings": {"recent": {"form": ["10-K"]}}, "0": {"nothing": 1}}', {}),
    }[kind]


# ------------------------------------------------------------------------------------------------------------- one company


def _of_company(company: MadeCompany, path: str) -> tuple[str, bytes] | None:
    number = f"CIK{company.cik:010d}"
    older = [filing for filing in company.filings if filing.older]
    if path == f"/submissions/{number}.json":
        recent = _columns([filing for filing in company.filings if not filing.older])
        files = []
        if older:
            days = sorted(filing.filed for filing in older)
            files = [{"name": f"{number}-submissions-001.json", "filingCount": len(older), "filingFrom": days[0], "filingTo": days[-1]}]
        return _json({"cik": str(company.cik), "name": company.name, "filings": {"recent": recent, "files": files}})
    if older and path == f"/submissions/{number}-submissions-001.json":
        return _json(_columns(older))
    if path == f"/api/xbrl/companyfacts/{number}.json" and company.facts is not None:
        return _json({"cik": company.cik, "entityName": company.name, "facts": _facts(company)})
    for filing in company.filings:
        folder = f"/Archives/edgar/data/{company.cik}/{filing.accession.replace('-', '')}/"
        if path.startswith(folder):
            return _of_filing(filing, path.removeprefix(folder))
    return None


def _of_filing(filing: MadeFiling, name: str) -> tuple[str, bytes] | None:
    if name == f"{filing.accession}.hdr.sgml" and filing.header == "sgml":
        return "text/plain", filing.header_text.encode()
    if name == f"{filing.accession}-index-headers.html" and filing.header == "html":
        return "text/html", f"<pre>{filing.header_text.replace('<', '&lt;').replace('>', '&gt;')}</pre>".encode()
    if name == (filing.name or f"{filing.accession}.txt") and filing.document is not None:
        body = filing.document if isinstance(filing.document, bytes) else filing.document.encode()
        return "text/html", body
    return None


def _columns(filings: list[MadeFiling]) -> dict[str, list[Any]]:
    """Newest first, as SEC lists them."""
    rows = sorted(filings, key=lambda filing: (filing.filed, filing.accession), reverse=True)
    return {
        "accessionNumber": [row.accession for row in rows],
        "filingDate": [row.filed for row in rows],
        "reportDate": [row.period for row in rows],
        "acceptanceDateTime": [row.stamp for row in rows],
        "form": [row.form for row in rows],
        "primaryDocument": [row.name for row in rows],
    }


def _facts(company: MadeCompany) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for concept, unit, value, start, end, accession, form, filed in company.facts or ():
        taxonomy, _, name = concept.rpartition(":")
        row = {"end": end, "val": value, "accn": accession, "fy": 2024, "fp": "FY", "form": form, "filed": filed}
        place = tree.setdefault(taxonomy or "us-gaap", {}).setdefault(name, {"label": name, "units": {}})
        place["units"].setdefault(unit, []).append(row if start is None else {"start": start, **row})
    return tree


def _json(payload: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(payload).encode()


# ---------------------------------------------------------------------------------------------------------------- documents


def prose(words: str, characters: int = 2_000) -> str:
    """At least ``characters`` of text that says ``words`` again and again."""
    return (f"{words} " * (characters // (len(words) + 1) + 1)).strip()


def report(parts: dict[str, str], *, contents: bool = True) -> str:
    """A filing: a contents page, then each heading with its text."""
    page = "".join(f"<tr><td>{heading.split('.')[0]}.</td><td>{heading.split('. ', 1)[-1]}</td></tr>" for heading in parts)
    body = "".join(f"<p><b>{heading}</b></p><div>{text}</div>" for heading, text in parts.items())
    return f"<html><head><title>t</title></head><body>{f'<table>{page}</table>' if contents else ''}{body}</body></html>"


def annual(*, discussion: str = "", risks: str = "", business: str = "") -> str:
    """A 10-K with four sections we read and the ones around them."""
    return report(
        {
            "Item 1. Business": business or prose("We make lamps and sell them in many countries."),
            "Item 1A. Risk Factors": risks or prose("Demand for lamps may fall."),
            "Item 2. Properties": "We rent.",
            "Item 7. Management's Discussion and Analysis of Financial Condition": discussion or prose("Revenue rose because of lamps."),
            "Item 7A. Quantitative and Qualitative Disclosures About Market Risk": prose("A stronger dollar would cost us."),
            "Item 8. Financial Statements and Supplementary Data": "Tables.",
        }
    )


def quarterly(*, risks: str = "", discussion: str = "") -> str:
    """A 10-Q; both parts have an Item 2 and an Item 3."""
    return report(
        {
            "Item 1. Financial Statements": "Tables.",
            "Item 2. Management's Discussion and Analysis": discussion or prose("The quarter was good for lamps."),
            "Item 3. Quantitative and Qualitative Disclosures About Market Risk": prose("Rates moved a little."),
            "Item 4. Controls and Procedures": "They work.",
            "Item 1. Legal Proceedings": "None.",
            "Item 1A. Risk Factors": risks or prose("Copper may become dear."),
            "Item 2. Unregistered Sales of Equity Securities": "None.",
            "Item 3. Defaults Upon Senior Securities": "None.",
        }
    )


def example() -> MadeCompany:
    """A company with a year of reports, an amendment, and figures, one of them restated."""
    number = "0000100001-24-{:06d}".format
    return MadeCompany(
        "LAMP",
        100001,
        "Lamp Works Inc.",
        [
            MadeFiling(number(1), "10-K", "2024-02-20", "2024-02-20T16:31:05", annual(), "2023-12-31"),
            MadeFiling(number(2), "10-Q", "2024-05-02", "2024-05-01T18:02:10", quarterly(), "2024-03-31"),
            MadeFiling(number(3), "10-Q", "2024-08-01", "2024-08-01T07:00:00", quarterly(), "2024-06-30"),
            MadeFiling(number(4), "8-K", "2024-08-02", "2024-08-02T08:00:00", "<p>news</p>"),
            MadeFiling(number(5), "10-Q/A", "2024-09-10", "2024-09-10T12:00:00", quarterly(), "2024-06-30"),
        ],
        [
            ("Revenues", "USD", 100.0, "2023-01-01", "2023-12-31", number(1), "10-K", "2024-02-20"),
            ("Assets", "USD", 500.0, None, "2023-12-31", number(1), "10-K", "2024-02-20"),
            ("Revenues", "USD", 27.0, "2024-01-01", "2024-03-31", number(2), "10-Q", "2024-05-02"),
            ("Revenues", "USD", 28.0, "2024-04-01", "2024-06-30", number(3), "10-Q", "2024-08-01"),
            ("Revenues", "USD", 55.0, "2024-01-01", "2024-06-30", number(3), "10-Q", "2024-08-01"),
            ("Revenues", "USD", 26.0, "2024-04-01", "2024-06-30", number(5), "10-Q/A", "2024-09-10"),
            ("dei:EntityCommonStockSharesOutstanding", "shares", 40.0, None, "2024-07-25", number(3), "10-Q", "2024-08-01"),
            ("EarningsPerShareDiluted", "USD/shares", 0.25, "2024-04-01", "2024-06-30", number(3), "10-Q", "2024-08-01"),
        ],
    )
