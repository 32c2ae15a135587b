"""How data travel inside an HTML file: cleaned, then compressed to letters that no HTML parser can mistake for anything.

Promise: whatever a text holds (``</script>``, a lone surrogate, NUL, terminal colours), the file stays well formed and the text inert.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from ui.inert_text import clean

LONGEST_TEXT = 200_000  # characters of one text; the longest sections of real annual reports stay whole


def inert(value: Any) -> Any:
    """``value`` as plain JSON data: texts cleaned, days and times as ISO text, NaN and infinity as None."""
    if isinstance(value, str):
        return clean(value, longest=LONGEST_TEXT)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {clean(key, longest=200): inert(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [inert(item) for item in value]
    if isinstance(value, (date, datetime)):
        return value.isoformat() if value == value else None  # pandas' NaT is unequal to itself
    if hasattr(value, "item"):  # a number of numpy's
        return inert(value.item())
    return clean(value, longest=LONGEST_TEXT)


def packed(value: Any) -> str:
    """``value`` cleaned, as JSON, zlib, base64: what ``DecompressionStream("deflate")`` opens."""
    return squeezed(json.dumps(inert(value), ensure_ascii=False, separators=(",", ":")))


def squeezed(text: str) -> str:
    """A text as it is, zlib and base64."""
    return base64.b64encode(zlib.compress(text.encode("utf-8"), 9)).decode("ascii")


def unpacked(body: str) -> Any:
    """The opposite of ``packed``, for tests and for people with a report and no browser."""
    return json.loads(zlib.decompress(base64.b64decode(body)))


def block(name: str, body: str) -> str:
    """One packed body as an element that no browser runs or shows."""
    return f'<script type="application/octet-stream" id="{name}">{body}</script>\n'


def plain_json(value: Any) -> str:
    """JSON that may stand inside a script element: no ``<``, ``>``, ``&``, line or paragraph separator."""
    body = json.dumps(inert(value), ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        body = body.replace(char, f"\\u{ord(char):04x}")
    return body
