"""A figure that must draw itself without a server: the drawing library as text, and figures as data for it."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs


@lru_cache(maxsize=1)
def library() -> str:
    """plotly.js whole (about 5 MB of JavaScript, MIT licence), the version that Python's plotly was made for."""
    return get_plotlyjs()


def data(fig: go.Figure) -> dict[str, Any]:
    """``data`` and ``layout`` of a figure as plain JSON; the height stays, the width is the reader's."""
    found = json.loads(fig.to_json())
    return {"data": found["data"], "layout": found["layout"]}
