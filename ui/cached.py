"""Frames that several reruns of a page need, kept for a while. Keyed by run and days done, so a run in progress is never shown stale."""

from __future__ import annotations

from datetime import date

import pandas as pd
import streamlit as st

from services import queries
from services.queries import RunView


@st.cache_data(max_entries=16, show_spinner=False)
def _days(run: str, done: int, ticker: str) -> pd.DataFrame:
    return queries.days(run, ticker)


@st.cache_data(max_entries=16, show_spinner=False)
def _layer_counts(run: str, done: int, ticker: str) -> pd.DataFrame:
    return queries.layer_counts(run, ticker)


@st.cache_data(max_entries=8, show_spinner=False)
def _memories(run: str, done: int, ticker: str, as_of: date) -> pd.DataFrame:
    return queries.memories(run, ticker, as_of)


@st.cache_data(max_entries=32, show_spinner=False)
def _equity(run: str, done: int, ticker: str) -> pd.DataFrame:
    return queries.equity(run, ticker)


@st.cache_data(max_entries=32, show_spinner=False)
def _figures(run: str, done: int, ticker: str) -> dict[str, float | None]:
    return queries.figures(run, ticker)


def days(view: RunView, ticker: str) -> pd.DataFrame:
    return _days(view.id, view.done, ticker)


def layer_counts(view: RunView, ticker: str) -> pd.DataFrame:
    return _layer_counts(view.id, view.done, ticker)


def memories(view: RunView, ticker: str, as_of: date) -> pd.DataFrame:
    return _memories(view.id, view.done, ticker, as_of)


def equity(view: RunView, ticker: str) -> pd.DataFrame:
    return _equity(view.id, view.done, ticker)


def figures(view: RunView, ticker: str) -> dict[str, float | None]:
    return _figures(view.id, view.done, ticker)
