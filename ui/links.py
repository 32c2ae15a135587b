"""Links between our pages. Every one carries its URL keys, since a plain link would empty the address."""

from __future__ import annotations

from typing import Any, NoReturn

import streamlit as st

from ui import draw, text


def link(page: str, label: str, *, icon: str | None = None, picture: str = "", **params: Any) -> None:
    """A link to one of our pages (``"days"``) with these URL keys; None values are left out. ``picture``: an SVG of ours before the label."""
    keys = {name: str(value) for name, value in params.items() if value is not None}
    if draw.red_up():
        keys.setdefault("red", "1")
    shown = text.label(label)
    if picture:
        shown = f"{draw.picture(picture)} {shown}"
    st.page_link(f"pages/{page}.py", label=f"{shown} {icon}" if icon else shown, query_params=keys)


def go(page: str, **params: Any) -> NoReturn:
    """Leave for another page, as a link would."""
    keys = {name: str(value) for name, value in params.items() if value is not None}
    st.switch_page(f"pages/{page}.py", query_params=keys)
