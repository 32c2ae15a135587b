"""How the Data page says what is wrong: beside the field it is about, or as a finding about rows with the first of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import streamlit as st

from agent.errors import RecollectError, Unavailable
from agent.market.sources.base import Issue
from ui import text

TABLE_WORDS = {
    "bars": "prices",
    "splits": "splits",
    "dividends": "dividends",
    "news": "news",
    "filings": "filings",
    "fundamentals": "figures",
}
FIRST_ISSUES = 30
ROW = 34  # pixels of a table's row at our font size


class Places:
    """Places beside fields where a finding about them appears. The longest known beginning of ``a.b.c`` wins."""

    def __init__(self) -> None:
        self._places: dict[str, Any] = {}
        self.found = 0

    def here(self, *fields: str) -> None:
        """Findings about ``fields`` appear at this point of the page."""
        spot = st.container()
        for field in fields:
            self._places[field] = spot

    def say(self, error: RecollectError) -> None:
        """An error's sentence beside the field it names, else here."""
        self.found += 1
        name = str(getattr(error, "field", ""))
        parts = name.split(".")
        known = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        spot = next((self._places[field] for field in known if field in self._places), None)
        with spot or st.container():
            problem(error, what=parts[-1].replace("_", " "))


def problem(error: RecollectError, *, what: str = "") -> None:
    """One error on one line, with its cure to copy below."""
    cure = error.cure if isinstance(error, Unavailable) else ""
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(text.label(what) or "This has to change", color="red", icon="⚠")
            text.plain(str(error).removesuffix(cure).strip(), longest=1500, width="content")
        if cure:
            text.block(cure)


def issues(found: Sequence[Issue], *, key: str) -> None:
    """Findings, errors first: severity, table and ticker, the sentence, the count and the first rows."""
    ordered = sorted(found, key=lambda item: (item.severity != "error", item.symbol, item.table))
    pages = -(-len(ordered) // FIRST_ISSUES)
    at = st.pagination(pages, key=f"{key}.page") - 1 if pages > 1 else 0
    for item in ordered[at * FIRST_ISSUES : (at + 1) * FIRST_ISSUES]:
        with st.container(border=True, gap="xsmall"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                word, colour, icon = ("error", "red", "✗") if item.severity == "error" else ("warning", "orange", "!")
                st.badge(f"{icon} {word}", color=colour)
                st.badge(text.label(TABLE_WORDS.get(item.table, item.table)), color="gray")
                if item.symbol:
                    st.badge(text.label(item.symbol), color="gray")
                if item.count > 1:
                    st.badge(f"{item.count:,} rows", color="gray")
            text.plain(item.message, longest=1200)
            _rows(item)


def _rows(item: Issue) -> None:
    """The first rows, unless the sentence has named them: short ones on one line, long ones below each other."""
    rows = [row for row in item.rows[:10] if row not in item.message]
    if rows:
        short = max(map(len, rows)) <= 24
        more = f"{', ' if short else chr(10)}and {item.count - len(rows):,} more" if item.count > len(rows) else ""
        text.block((", " if short else "\n").join(rows) + more, longest=2500)


def age(moment: object, *, now: datetime | None = None) -> str:
    """How long ago, in one unit: 3 h ago."""
    if not isinstance(moment, datetime):
        return "–"
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = max(0.0, ((now or datetime.now(UTC)) - aware).total_seconds())
    for size, word in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size or (word != "days" and seconds >= size):
            return f"{int(seconds // size)} {word} ago"
    return "just now"


def tall(rows: int, most: int = 12) -> int | Literal["content"]:
    """The height of a table: all of its rows, or a window of ``most``."""
    return "content" if rows <= most else most * ROW + ROW


def size(octets: float) -> str:
    """A number of bytes in the unit that people use for it."""
    for unit, divisor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if octets >= divisor:
            return f"{octets / divisor:.1f} {unit}"
    return f"{int(octets)} B"


def tally(counts: Mapping[str, int]) -> str:
    """``250 prices, 1,200 news``, without tables that are empty."""
    return ", ".join(f"{count:,} {TABLE_WORDS.get(table, table)}" for table, count in counts.items() if count) or "nothing"
