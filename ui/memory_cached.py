"""What the parts of the Memory page keep between reruns: frames per run and days done, the embedder and one memory of the past per day."""

from __future__ import annotations

from datetime import date

import pandas as pd
import streamlit as st

from agent.memory.embedders.base import Embedder
from services import memory_changes, memory_map, memory_search, queries
from services.memory_map import Places
from services.memory_search import Past
from services.queries import RunView
from services.settings import settings


@st.cache_resource(max_entries=4, show_spinner=False)
def _events(home: str, run: str, done: int, ticker: str) -> pd.DataFrame:
    return memory_changes.events(run, ticker)


@st.cache_data(max_entries=16, show_spinner=False)
def _flows(home: str, run: str, done: int, ticker: str, after: date | None, until: date) -> pd.DataFrame:
    return memory_changes.flows(_events(home, run, done, ticker), after=after, until=until)


@st.cache_data(max_entries=8, show_spinner=False)
def _difference(home: str, run: str, done: int, ticker: str, after: date | None, until: date) -> pd.DataFrame:
    return memory_changes.difference(_events(home, run, done, ticker), after=after, until=until)


@st.cache_resource(max_entries=4, show_spinner="Placing the memories on the map …")
def _places(home: str, run: str, done: int, ticker: str) -> Places:
    return memory_map.places(run, ticker)


@st.cache_resource(max_entries=2, show_spinner=False)
def _embedder(home: str, name: str, options: str, run: str) -> Embedder:
    return memory_search.embedder(queries.run(run).spec)


@st.cache_resource(max_entries=3, show_spinner=False)
def _past(home: str, run: str, done: int, ticker: str, day: date, _using: Embedder) -> Past:
    return memory_search.past(run, ticker, day, _using)


def _home() -> str:
    return str(settings().home)


def events(view: RunView, ticker: str) -> pd.DataFrame:
    """All events of the ticker, shared by every visitor: not to be changed."""
    return _events(_home(), view.id, view.done, ticker)


def flows(view: RunView, ticker: str, *, after: date | None, until: date) -> pd.DataFrame:
    return _flows(_home(), view.id, view.done, ticker, after, until)


def difference(view: RunView, ticker: str, *, after: date | None, until: date) -> pd.DataFrame:
    return _difference(_home(), view.id, view.done, ticker, after, until)


def places(view: RunView, ticker: str) -> Places:
    """Where every memory of the ticker lies on the map; shared, not to be changed."""
    return _places(_home(), view.id, view.done, ticker)


def past(view: RunView, ticker: str, day: date) -> Past:
    """The memory as the session ``day`` asked it, with the run's embedder. Unavailable with its cure."""
    memory = view.spec.memory
    using = _embedder(_home(), memory.embedder, str(sorted(memory.embedder_options.items())), view.id)
    return _past(_home(), view.id, view.done, ticker, day, using)
