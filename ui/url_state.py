"""Filters and view choices that live in the URL, beside run, ticker, day, memory and step (``ui/pickers.py``).

A widget here follows the URL: the value is put into it before it is drawn, and a change is written back by its callback. So a pasted
link shows the same rows, and a value that is not an option is simply not chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from ui import text


def choice(key: str, options: Sequence[str], *, label: str, default: str | None = None, shown: Mapping[str, str] | None = None) -> str:
    """One of ``options`` as a row of buttons; the default (the first) leaves the URL without the key."""
    first = default if default in options else options[0]
    asked = _read(key)
    st.session_state[_widget(key)] = asked if asked in options else first

    def changed() -> None:
        _write(key, st.session_state[_widget(key)], first)

    st.segmented_control(
        label,
        list(options),
        key=_widget(key),
        required=True,
        wrap=True,
        on_change=changed,
        format_func=lambda item: text.label((shown or {}).get(item, item)),
    )
    return asked if asked in options else first


def several(key: str, options: Sequence[str], *, label: str, shown: Mapping[str, str] | None = None) -> list[str]:
    """Any number of ``options`` as pills; none chosen means no filter."""
    asked = [item for item in _read(key).split("~") if item in options]
    st.session_state[_widget(key)] = asked

    def changed() -> None:
        _write(key, "~".join(st.session_state[_widget(key)]), "")

    st.pills(
        label,
        list(options),
        selection_mode="multi",
        wrap=True,
        key=_widget(key),
        on_change=changed,
        format_func=lambda item: text.label((shown or {}).get(item, item)),
    )
    return asked


def words(key: str, *, label: str, placeholder: str) -> str:
    """A search field; empty means no filter."""
    st.session_state[_widget(key)] = _read(key)

    def changed() -> None:
        _write(key, st.session_state[_widget(key)].strip(), "")

    st.text_input(label, key=_widget(key), on_change=changed, placeholder=placeholder)
    return _read(key)


def kept(*keys: str) -> dict[str, str]:
    """The filters that are set, for a link that must not lose them."""
    return {key: _read(key) for key in keys if _read(key)}


def _widget(key: str) -> str:
    return f"_url_{key}"


def _read(key: str) -> str:
    return text.clean(st.query_params.get(key, ""), longest=120).strip()


def _write(key: str, value: str | None, default: str) -> None:
    if not value or value == default:
        st.query_params.pop(key, None)
    else:
        st.query_params[key] = value
