"""Run, ticker, day, memory and step live in the URL, and only here are they read and written.

The URL is the truth: a link pasted into a cold browser shows the same view. Widgets follow it; a value that does not exist becomes a
sentence and the nearest sensible choice, never a crash. A click in the sidebar empties the URL, so the last choices of this browser
tab are remembered and written back.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

import streamlit as st

from ui import text

KEYS = ("run", "ticker", "day", "mem", "step")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")


def read(key: str) -> str | None:
    """The value of a URL key, cleaned and short; None if absent or empty."""
    value = text.clean(st.query_params.get(key, ""), longest=200).strip()
    return value or None


def write(**values: Any) -> None:
    """Set URL keys (None removes one) and remember them for this browser tab. Another run forgets the rest."""
    memory = st.session_state.setdefault("_looked_at", {})
    changed = "run" in values and memory.get("run") not in (None, str(values["run"]))
    for key in KEYS[1:] if changed else ():
        memory.pop(key, None)
        if key not in values:
            st.query_params.pop(key, None)
    for key, value in values.items():
        if value is None:
            memory.pop(key, None)
            st.query_params.pop(key, None)
        else:
            memory[key] = str(value)
            if st.query_params.get(key) != str(value):
                st.query_params[key] = str(value)


def current(key: str) -> str | None:
    """The URL's value, else the one remembered in this tab, which is then written into the URL.

    A link to another run brings its own ticker, day and so on, and they stay; what another run leaves behind is forgotten.
    """
    asked = read(key)
    found = asked or st.session_state.get("_looked_at", {}).get(key)
    if found:
        brought = {other: value for other in KEYS if other != key and (value := read(other))} if asked else {}
        write(**{**brought, key: found})
    return found


def run(runs: Mapping[str, str] | Sequence[str], *, label: str = "Run") -> str | None:
    """The run in the URL, with a picker of all of them (id to name, or ids). None only if there are none, or the URL names a stranger."""
    names = dict(runs) if isinstance(runs, Mapping) else {item: item for item in runs}
    if not names:
        return None
    asked = current("run")
    if asked is not None and asked not in names:
        write(run=None)
        _say(f"There is no run “{text.label(asked)}” here. It may have been deleted, or the link is from another machine.")
        asked = None
    chosen = _select("run", label, list(names), asked, names, placeholder="Choose a run")
    return chosen


def ticker(tickers: Sequence[str], *, label: str = "Ticker") -> str | None:
    """The ticker in the URL, else the first; None if there are none."""
    return _among("ticker", label, list(tickers))


def step(steps: Sequence[str], *, label: str = "Step") -> str | None:
    """The step of a day's trace in the URL, else the first: a row of buttons."""
    options = list(steps)
    chosen = _valid("step", label, options)
    if chosen is None:
        return None
    st.session_state["_pick_step"] = chosen
    st.segmented_control(label, options, key="_pick_step", required=True, on_change=_picked, args=("step",), label_visibility="collapsed")
    return chosen


def mem(ids: Sequence[int] | None = None) -> int | None:
    """The memory in the URL, a number among ``ids``; no widget, since the page's table is the picker."""
    asked = read("mem")
    if asked is None:
        return None
    if not re.fullmatch(r"[0-9]{1,12}", asked) or (ids is not None and int(asked) not in set(ids)):
        write(mem=None)
        _say(f"There is no memory “{text.label(asked)}” in this view.")
        return None
    write(mem=int(asked))
    return int(asked)


def day(days: Sequence[date | str], *, label: str = "Day", marks: Mapping[str, str] | None = None) -> date | None:
    """The session in the URL, else the last one, with previous and next (keys J and K). ``marks`` adds a word to a day in the list.

    A day without a session becomes the session before it, with a sentence that says so. None if there are no days.
    """
    options = sorted({str(item)[:10] for item in days})
    if not options:
        return None
    chosen = _session(options)
    write(day=chosen)
    at = options.index(chosen)
    notes = marks or {}
    shown = {item: f"{item}  {_option(notes[item])}" if item in notes else item for item in options}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _turn("Previous day", "J", options[at - 1] if at > 0 else None)
        _select("day", f"{label} {at + 1} of {len(options)}", options, chosen, shown)
        _turn("Next day", "K", options[at + 1] if at + 1 < len(options) else None)
    return date.fromisoformat(chosen)


def _session(options: list[str]) -> str:
    asked = read("day")
    remembered = st.session_state.get("_looked_at", {}).get("day")
    if asked is None:
        return remembered if remembered in options else options[-1]
    if asked in options:
        return asked
    if not _is_day(asked):
        _say(f"“{text.label(asked)}” is not a day; write it as {options[-1]}. Showing the last session.")
        return options[-1]
    nearest = options[max(0, bisect_right(options, asked) - 1)]
    _say(f"{asked} is not a session of this run, which goes from {options[0]} to {options[-1]}. Showing {nearest}.")
    return nearest


def _is_day(value: str) -> bool:
    try:
        return bool(_ISO.fullmatch(value)) and bool(date.fromisoformat(value))
    except ValueError:
        return False


def _turn(label: str, shortcut: str, target: str | None) -> None:
    def move() -> None:
        write(day=target)

    key = "_day_" + shortcut
    st.button(label, key=key, shortcut=shortcut, on_click=move, disabled=target is None, width="content")


def _among(key: str, label: str, options: list[str]) -> str | None:
    chosen = _valid(key, label, options)
    return None if chosen is None else _select(key, label, options, chosen, {})


def _valid(key: str, label: str, options: list[str]) -> str | None:
    """The URL's value if it is an option, else the remembered one, else the first; a wrong one in the URL is named."""
    if not options:
        return None
    asked = read(key)
    if asked is not None and asked not in options:
        _say(f"There is no {label.lower()} “{text.label(asked)}” in this run. Showing {text.label(options[0])}.")
    remembered = st.session_state.get("_looked_at", {}).get(key)
    chosen = next((value for value in (asked, remembered) if value in options), options[0])
    write(**{key: chosen})
    return chosen


@lru_cache(maxsize=8192)  # a list of a thousand days is cleaned once, not twice for every rerun
def _option(words: str) -> str:
    return text.clean(words, longest=120)


def _select(key: str, label: str, options: list[str], chosen: str | None, shown: Mapping[str, str], *, placeholder: str = "") -> str | None:
    st.session_state[f"_pick_{key}"] = chosen
    st.selectbox(
        label,
        options,
        index=None if chosen is None else 0,
        key=f"_pick_{key}",
        format_func=lambda item: _option(shown.get(item, item)),
        on_change=_picked,
        args=(key,),
        placeholder=placeholder or None,
    )
    return chosen


def _picked(key: str) -> None:
    value = st.session_state.get(f"_pick_{key}")
    if value is not None:
        write(**{key: value})


def _say(sentence: str) -> None:
    st.warning(sentence, icon="🔎")
