"""Frames that several reruns of a page need, kept for a while. Keyed by run and days done, so a run in progress is never shown stale."""

from __future__ import annotations

from datetime import date

import pandas as pd
import streamlit as st

from services import memory_past, queries
from services.memory_past import MemoryPast
from services.queries import RunView


@st.cache_data(max_entries=8, show_spinner=False)
def _days(run: str, done: int, ticker: str) -> pd.DataFrame:
    return queries.days(run, ticker)


@st.cache_data(max_entries=16, show_spinner=False)
def _layer_counts(run: str, done: int, ticker: str) -> pd.DataFrame:
    return queries.layer_counts(run, ticker)


@st.cache_resource(max_entries=4, show_spinner=False)  # not copied for each look: about 10 MB for ten thousand memories
def _past(run: str, done: int, ticker: str) -> MemoryPast:
    return memory_past.load(run, ticker)


@st.cache_data(max_entries=32, show_spinner=False)
def _equity(run: str, done: int, ticker: str) -> pd.DataFrame:
    return queries.equity(run, ticker)


@st.cache_data(max_entries=32, show_spinner=False)
def _figures(run: str, done: int, ticker: str) -> dict[str, float | None]:
    return queries.figures(run, ticker)


@st.cache_data(max_entries=32, show_spinner=False)
def _sessions(run: str, done: int, ticker: str) -> list[date]:
    return queries.session_days(run, ticker)


def sessions(view: RunView, ticker: str) -> list[date]:
    """Recorded sessions in order."""
    return _sessions(view.id, view.done, ticker)


def days(view: RunView, ticker: str) -> pd.DataFrame:
    return _days(view.id, view.done, ticker)


def layer_counts(view: RunView, ticker: str) -> pd.DataFrame:
    return _layer_counts(view.id, view.done, ticker)


def memories(view: RunView, ticker: str, as_of: date) -> pd.DataFrame:
    """As ``queries.memories``: the past is read once per ticker, a day of it takes milliseconds."""
    return past(view, ticker).at(as_of)


def past(view: RunView, ticker: str) -> MemoryPast:
    """The whole past of a ticker's memories; shared by all who look, not to be changed."""
    return _past(view.id, view.done, ticker)


def equity(view: RunView, ticker: str) -> pd.DataFrame:
    return _equity(view.id, view.done, ticker)


def figures(view: RunView, ticker: str) -> dict[str, float | None]:
    return _figures(view.id, view.done, ticker)
