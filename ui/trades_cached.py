"""What the Trades page reads, kept for a while. Keyed by run and days done, so a run in progress is never shown stale."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from agent.evaluation.behaviour import Reading
from services import queries, trading
from services.queries import RunView
from services.trading import Account


@st.cache_data(max_entries=32, show_spinner=False)
def _trips(run: str, done: int, ticker: str) -> pd.DataFrame:
    return trading.trips(run, ticker)


@st.cache_data(max_entries=32, show_spinner=False)
def _account(run: str, done: int, ticker: str) -> Account:
    return trading.account(run, ticker, of=_trips(run, done, ticker))


@st.cache_data(max_entries=16, show_spinner=False)
def _orders(run: str, done: int, ticker: str) -> pd.DataFrame:
    return trading.orders(run, ticker)


@st.cache_data(max_entries=16, show_spinner=False)
def _exposure(run: str, done: int, ticker: str) -> pd.DataFrame:
    return trading.exposure(run, ticker)


@st.cache_data(max_entries=16, show_spinner=False)
def _traits(run: str, done: int, ticker: str) -> dict[str, Reading]:
    return trading.traits(run, ticker)


@st.cache_data(max_entries=16, show_spinner=False)
def _rises(run: str, done: int, ticker: str) -> pd.DataFrame:
    return trading.rises_before(run, ticker)


@st.cache_data(max_entries=16, show_spinner=False)
def _days(run: str, done: int, ticker: str) -> pd.DataFrame:
    return trading.days_against_benchmark(run, ticker)


@st.cache_data(max_entries=16, show_spinner=False)
def _market(run: str, done: int, ticker: str, span: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return queries.trades_in(run, ticker, span)


@st.cache_data(max_entries=16, show_spinner=False)
def _spans(run: str, done: int, ticker: str) -> list[str]:
    return queries.spans(run, ticker)


def trips(view: RunView, ticker: str) -> pd.DataFrame:
    return _trips(view.id, view.done, ticker)


def account(view: RunView, ticker: str) -> Account:
    return _account(view.id, view.done, ticker)


def orders(view: RunView, ticker: str) -> pd.DataFrame:
    return _orders(view.id, view.done, ticker)


def exposure(view: RunView, ticker: str) -> pd.DataFrame:
    return _exposure(view.id, view.done, ticker)


def traits(view: RunView, ticker: str) -> dict[str, Reading]:
    return _traits(view.id, view.done, ticker)


def rises(view: RunView, ticker: str) -> pd.DataFrame:
    return _rises(view.id, view.done, ticker)


def days(view: RunView, ticker: str) -> pd.DataFrame:
    return _days(view.id, view.done, ticker)


def market(view: RunView, ticker: str, span: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return _market(view.id, view.done, ticker, span)


def spans(view: RunView, ticker: str) -> list[str]:
    return _spans(view.id, view.done, ticker)
