"""What news services with a key share: the key stays secret, the pace is kept, every failure gets its class, items become rows.

A key travels in a header, never in an address, and is wrapped so that nothing that prints a client prints it. Titles and summaries are
freed of HTML; an item without a time is left out and counted, because guessing one has cost others months of look-ahead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import pandas as pd
from pydantic import BaseModel

from agent.errors import Unavailable
from agent.http import Client, HttpProblem, Pace
from agent.market import tables
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
    unknown_ticker,
)
from agent.market.sources.dated import between, by_symbol

CLASS_SHARE = re.compile(r"([A-Z]+)-([A-Z])")  # BRK-B, which these services call BRK.B
UNSEEN = re.compile(r"(?is)<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)")  # no expression here backtracks over a long text
TAG = re.compile(r"<[/!?]?([A-Za-z][A-Za-z0-9]*)[^<>]*>")
INLINE = {"a", "b", "i", "em", "strong", "span", "u", "sup", "sub"}
SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,14}")


class NoOptions(BaseModel, extra="forbid"):
    """Nothing to choose; keys come from the environment."""


class Secret(str):
    """A text that does not show itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True)
class Item:
    """One news item as the service told it. ``published`` None: it said no usable time. ``changed``: when it was last edited."""

    id: str
    published: datetime | None
    title: str
    summary: str
    publisher: str
    url: str
    changed: datetime | None = None


@dataclass(frozen=True)
class Answer:
    """What a service said about a range: its items, and the times for which it can say that there were no others."""

    items: list[Item]
    covered: Covered
    issues: tuple[Issue, ...] = ()


class NewsApi:
    """A news service that wants a key. Subclasses name themselves and ask their questions in ``ask``."""

    Options: type[BaseModel] = NoOptions
    provides = frozenset({"news"})
    network = True
    note = ""
    who = ""
    base = ""
    name = ""
    variables: Mapping[str, tuple[str, str]] = {}  # name in Place.keys -> header, environment variable

    def __init__(self, options: BaseModel, place: Place, *, pace: Pace) -> None:
        self._now = place.now
        self._missing = [name for name in self.variables if not place.keys.get(name, "").strip()]
        keys = {name: place.keys.get(name, "").strip() for name in self.variables}
        self._odd = [name for name, key in keys.items() if not re.fullmatch(r"[\x21-\x7e]*", key)]
        headers = {self.variables[name][0]: Secret(key) for name, key in keys.items()}
        self._client = Client(who=self.who, base=place.urls.get(self.name) or self.base, headers=headers, pause=pace)

    def listings(self) -> list[Listing]:
        """None: any ticker may be asked for."""
        return []

    def listing(self, symbol: str) -> Listing:
        """The ticker itself; these services know names of no company and no exchange."""
        if not SYMBOL.fullmatch(symbol):
            raise unknown_ticker(symbol, [])
        return Listing(symbol)

    def fetch(self, table: str, symbol: str, start: date, end: date) -> Fetched:
        """News readable from ``start`` to before ``end`` (UTC days)."""
        if table not in self.provides:
            raise NotSupported(f"{self.who} has no {table}; it has news.", field="source")
        self.listing(symbol)
        self._have_keys()
        now = self._now().astimezone(UTC)
        low = datetime.combine(start, datetime.min.time(), UTC)
        high = min(datetime.combine(end, datetime.min.time(), UTC), now)
        if low >= high:
            return Fetched(tables.empty("news"), fetched_at=now)
        try:
            answer = self.ask(CLASS_SHARE.sub(r"\1.\2", symbol), low, high)
        except HttpProblem as problem:
            raise self._named(problem) from None
        frame, issues = self._frame(symbol, answer.items)
        return Fetched(between(by_symbol(frame), "news", symbol, start, end), answer.covered, (*answer.issues, *issues), now)

    def ask(self, symbol: str, start: datetime, end: datetime) -> Answer:
        """Every item from ``start`` to ``end``; HttpProblem and BadResponse where that fails."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Empty: what a service will say cannot be known beforehand."""
        return ""

    def get(self, path: str, params: Mapping[str, Any]) -> Any:
        """The parsed answer of one request."""
        return self._client.json(path, params)

    def garbled(self, what: str) -> BadResponse:
        """The error for an answer of another shape."""
        return BadResponse(f"{self.who} sent news in a form that is not its own ({what}).", cure="Try again later.")

    def _have_keys(self) -> None:
        for found, words in ((self._missing, "is missing"), (self._odd, "holds characters that no key has")):
            if found:
                names = " and ".join(self.variables[name][1] for name in found)
                raise Unavailable(f"The key for {self.who} {words}.", cure=f"Set {names} in .env.")

    def _named(self, problem: HttpProblem) -> Unavailable:
        """Our class for what went wrong. What the server said is not repeated: it may repeat the key."""
        names = " and ".join(variable for _, variable in self.variables.values())
        if problem.kind == "refused":
            return Unavailable(f"{self.who} refused the key ({problem.status}).", cure=f"Check {names} in .env and what your plan allows.")
        if problem.kind == "limited":
            wait = problem.retry_after_s
            until = self._now() + timedelta(seconds=min(wait, 86_400.0)) if wait is not None else None
            return RateLimited(f"{self.who} asks for a pause: too many requests.", cure="Try again later.", retry_at=until)
        if problem.kind == "down":
            return SourceDown(str(problem), cure="Check the connection, or try again later.")
        return BadResponse(str(problem), cure="Try again later.")

    def _frame(self, symbol: str, items: Sequence[Item]) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
        """Canonical rows. An edited item is readable from its last edit: what it said before is not known."""
        issues = []
        usable = [item for item in items if item.published is not None and item.title]
        for code, words, number in (
            ("undated", "without a usable time", sum(item.published is None for item in items)),
            ("empty", "without a text", sum(item.published is not None and not item.title for item in items)),
        ):
            if number:
                message = f"{symbol}: {number} news {'item' if number == 1 else 'items'} of {self.who} {words} left out."
                issues.append(Issue("warning", "news", message, symbol, number, code=code))
        late = [i for i in usable if i.changed and i.published and i.changed - i.published > timedelta(days=1)]
        if late:
            message = f"{symbol}: {len(late)} news items were edited more than a day after publication and are readable from the edit."
            rows = tuple(f"{item.published:%Y-%m-%d} {item.title[:60]}" for item in late[:5])
            issues.append(Issue("warning", "news", message, symbol, len(late), rows, code="edited"))
        if not usable:
            return tables.empty("news"), tuple(issues)
        made = pd.DataFrame(
            {
                "symbol": symbol,
                "id": [item.id for item in usable],
                "published_at": pd.to_datetime(pd.Series([item.published for item in usable]), utc=True),
                "available_at": pd.to_datetime(pd.Series([_readable(item) for item in usable]), utc=True),
                "title": [item.title for item in usable],
                "summary": [item.summary for item in usable],
                "publisher": [item.publisher for item in usable],
                "url": [item.url for item in usable],
            }
        )
        frame, more = tables.conform("news", made.drop_duplicates(["id", "available_at"], ignore_index=True), where=self.who)
        return frame, (*issues, *more)


def _readable(item: Item) -> datetime | None:
    """When a subscriber could read it: the lag of every vendor after its last edit; None leaves it to the rule for bare dates."""
    if item.changed is None or item.published is None or item.changed <= item.published:
        return None
    return item.changed + tables.NEWS_LAG.to_pytimedelta()


def moment(value: Any) -> datetime | None:
    """An ISO time with a zone, or seconds since 1970 in UTC; None for everything else, because a guess could be hours early."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
        elif type(value) in (int, float):
            found = datetime.fromtimestamp(value, UTC)
        else:
            return None
        return found.astimezone(UTC) if found.tzinfo and 1990 <= found.year <= 2100 else None
    except (ValueError, OverflowError, OSError):
        return None


def text_of(value: Any) -> str:
    """What a person would read of a piece of HTML: no tags, no scripts, entities resolved, single spaces; "" for what is no text."""
    if not isinstance(value, str):
        return ""
    shown = TAG.sub(lambda tag: "" if tag[1].lower() in INLINE else " ", UNSEEN.sub(" ", value))
    words = " ".join(unescape(shown).replace("\x00", "").split())
    return words.encode("utf-8", "replace").decode("utf-8")  # halves of surrogate pairs are no text


def link_of(value: Any) -> str:
    """A web address; "" for anything else that a browser might open."""
    return value if isinstance(value, str) and re.fullmatch(r"https?://[^\s\"'<>]{1,2000}", value) else ""
