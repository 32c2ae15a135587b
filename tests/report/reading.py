"""A report read back without a browser, by code that shares nothing with the code that wrote it."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from html.parser import HTMLParser
from typing import Any

BLOCK = re.compile(r'<script type="application/octet-stream" id="([^"]+)">([A-Za-z0-9+/=]*)</script>')


def blocks(page: str) -> dict[str, str]:
    """Packed parts by name, unpacked to text."""
    return {name: zlib.decompress(base64.b64decode(body)).decode() for name, body in BLOCK.findall(page)}


def data(page: str) -> dict[str, Any]:
    """Packed parts by name as data; the drawing library is left out."""
    return {name: json.loads(body) for name, body in blocks(page).items() if name != "b-plotly"}


def numbers(values: Any) -> list[float]:
    """A column of a figure, whether written as a list or as packed doubles."""
    if isinstance(values, dict):
        assert values["dtype"] == "f8"
        raw = base64.b64decode(values["bdata"])
        return list(struct.unpack(f"<{len(raw) // 8}d", raw))
    return values


class Tables(HTMLParser):
    """The cells of every table that needs no script, by its caption."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] = []
        self._into: str = ""
        self._caption = ""
        self.feed(page.split('<script type="application/octet-stream"')[0])

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        if tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
        if tag in ("td", "th", "caption"):
            self._into = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._into:
            self._into = ""
        if tag == "table":
            self.found[self._caption] = self._rows

    def handle_data(self, text: str) -> None:
        if self._into == "caption":
            self._caption += text
        elif self._into:
            self._rows[-1][-1] += text
