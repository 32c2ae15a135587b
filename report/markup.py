"""HTML from values, escaped by construction: a text can only become text, never markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ui.inert_text import LONGEST, clean

VOID = frozenset({"br", "hr", "meta"})


class Html(str):
    """Markup that was made by ``el``; any other string is a text and is escaped."""

    __slots__ = ()


def el(tag: str, *children: object, **attributes: object) -> Html:
    """An element. ``cls`` is its class, ``_`` in a name a dash; None and False leave an attribute out."""
    names = {("class" if name == "cls" else name.replace("_", "-")): value for name, value in attributes.items()}
    given = "".join(
        f" {name}" if value is True else f' {name}="{escape(clean(value), quote=True)}"'
        for name, value in names.items()
        if value is not None and value is not False
    )
    if tag in VOID:
        return Html(f"<{tag}{given}>")
    return Html(f"<{tag}{given}>{join(children)}</{tag}>")


def join(children: Iterable[object]) -> Html:
    """Children in a row; None is nothing, a text is cleaned and escaped."""
    return Html(
        "".join(child if isinstance(child, Html) else escape(clean(child, longest=LONGEST)) for child in children if child is not None)
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Iterable[int] = (), caption: str) -> Html:
    """A table that scrolls by itself on a narrow screen; ``numbers`` are the columns aligned to the right."""
    right = set(numbers)
    cells = lambda tag, row: [el(tag, cell, cls="num" if at in right else None) for at, cell in enumerate(row)]  # noqa: E731
    head = el("thead", el("tr", *[el("th", name, scope="col", cls="num" if at in right else None) for at, name in enumerate(heads)]))
    body = el("tbody", *[el("tr", *cells("td", row)) for row in rows])
    return el(
        "div", el("table", el("caption", caption, cls="away"), head, body), cls="wide", tabindex="0", role="region", aria_label=caption
    )


def facts(rows: Iterable[tuple[str, object, str]]) -> Html:
    """Label, value, and in small print what it means."""
    parts = [el("div", el("dt", label), el("dd", value, el("small", meaning) if meaning else None)) for label, value, meaning in rows]
    return el("dl", *parts, cls="facts")


def folded(title: str, *children: object, open: bool = False) -> Html:
    """Something that opens on a click."""
    return el("details", el("summary", title), *children, open=open)
