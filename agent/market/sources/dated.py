"""What sources without a network share: texts that carry a date and no time, and the rows of one ticker between two days."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

import pandas as pd

from agent.market import tables

TITLE = 160  # characters of a headline made from a text that has none
SENTENCE = re.compile(rf"(?s)(.{{20,{TITLE}}}?)(?:\s*\n\s*|(?<=[.!?])\s+(?=[\"'A-Z0-9]))(.*)")


def headline(text: str) -> tuple[str, str]:
    """A text as (title, rest): its first sentence (without the full stop) or line where that is short, else its first words."""
    text = text.strip()
    if len(text) <= TITLE and "\n" not in text:
        return text, ""
    if found := SENTENCE.match(text):
        return found[1].strip().removesuffix("."), found[2].strip()
    head = text[:TITLE].replace("\n", " ")
    cut = head.rfind(" ") if " " in head[TITLE // 2 :] else TITLE
    return head[:cut].strip(), text[cut:].strip()


def by_symbol(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each ticker, numbered from 0."""
    return {str(symbol): rows.reset_index(drop=True) for symbol, rows in frame.groupby("symbol")}


def between(rows: Mapping[str, pd.DataFrame], table: str, symbol: str, start: date, end: date) -> pd.DataFrame:
    """The ticker's rows with start <= day < end; the day of a text is the UTC day on which it became readable."""
    frame = rows.get(symbol)
    if frame is None:
        return tables.empty(table)
    column = tables.DAY_COLUMN.get(table, "available_at")
    days = frame[column].dt.tz_localize(None) if column == "available_at" else frame[column]
    return frame[(days >= pd.Timestamp(start)) & (days < pd.Timestamp(end))].reset_index(drop=True)
