"""One palette and one chart template, light and dark. No colour is written anywhere else.

The colours stay apart for the common kinds of colour blindness, and none of them carries meaning alone: an action has a word and a
glyph, a line has a dash, a layer has its name. Imports no streamlit, so that charts can be drawn and tested without a screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

import plotly.graph_objects as go

Figure = go.Figure
BadgeColour = Literal["red", "orange", "yellow", "blue", "green", "violet", "gray", "primary"]
LEFT, BELOW, FITS, DIGIT = 66, 40, 6, 8  # pixels beside and below a chart; characters of a label that fit, and the width of one more
FONT = "Source Sans, Source Sans Pro, system-ui, sans-serif"  # the first is the one Streamlit ships with the page

# Three layers and a name; its colours read on both backgrounds.
LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 150 32" width="150" height="32">'
    '<rect x="2" y="4" width="14" height="6" rx="3" fill="#7cc0ee"/><rect x="2" y="13" width="20" height="6" rx="3" fill="#2f7fd1"/>'
    '<rect x="2" y="22" width="26" height="6" rx="3" fill="#b0499a"/>'
    '<text x="38" y="23" font-family="Source Sans Pro, system-ui, sans-serif" font-size="21" font-weight="700" fill="#5f78ad">Recollect</text></svg>'
)


@dataclass(frozen=True)
class Palette:
    """Every colour of one mode, as hex."""

    text: str
    muted: str
    grid: str
    surface: str
    page: str
    agent: str
    benchmark: str
    up: str
    down: str
    hold: str
    none: str
    layers: Mapping[str, str]
    parts: Mapping[str, str]
    series: tuple[str, ...]


LIGHT = Palette(
    text="#16202e",
    muted="#6b7688",
    grid="#e6eaf1",
    surface="#f4f6fa",
    page="#ffffff",
    agent="#2459c9",
    benchmark="#8a94a6",
    up="#0b7f5c",
    down="#c2410c",
    hold="#5b6b8c",
    none="#9aa4b5",
    layers=MappingProxyType({"short": "#7cc0ee", "mid": "#2f7fd1", "long": "#1d3f8a", "reflection": "#b0499a"}),
    parts=MappingProxyType({"similarity": "#2459c9", "recency": "#3bb3c3", "importance": "#e0a030"}),
    series=("#2459c9", "#d97706", "#0b7f5c", "#b0499a", "#0891b2", "#7c3aed", "#c2410c", "#5f8f1a", "#64748b", "#8a5a2b"),
)
DARK = Palette(
    text="#e4e9f2",
    muted="#94a0b4",
    grid="#252f40",
    surface="#1a2130",
    page="#0f1420",
    agent="#7aa7ff",
    benchmark="#8290a8",
    up="#34d1a0",
    down="#ff8a5b",
    hold="#9fb0d0",
    none="#68748a",
    layers=MappingProxyType({"short": "#b3dcfa", "mid": "#5b9df0", "long": "#4560cf", "reflection": "#ee8fd2"}),
    parts=MappingProxyType({"similarity": "#7aa7ff", "recency": "#4fd0dc", "importance": "#f2c25e"}),
    series=("#7aa7ff", "#f2b84b", "#34d1a0", "#ee8fd2", "#3cc7e6", "#b794ff", "#ff8a5b", "#a9d64f", "#94a3b8", "#d6a877"),
)

LAYERS = ("short", "mid", "long", "reflection")
GLYPHS: Mapping[str, str] = MappingProxyType({"buy": "▲", "hold": "■", "sell": "▼", "no decision": "○"})
LAYER_GLYPHS: Mapping[str, str] = MappingProxyType({"short": "◔", "mid": "◑", "long": "●", "reflection": "✦"})
STATUS: Mapping[str, tuple[str, BadgeColour]] = MappingProxyType(
    {
        "queued": ("◷", "gray"),
        "running": ("▶", "blue"),
        "paused": ("‖", "orange"),
        "done": ("✓", "green"),
        "failed": ("✗", "red"),
        "cancelled": ("⊘", "gray"),
        "interrupted": ("⚡\ufe0e", "orange"),
        "unreadable": ("?", "gray"),  # recorded by another version
    }
)
PROVENANCE: Mapping[str, tuple[BadgeColour, str]] = MappingProxyType(
    {
        "model": ("blue", "The model answered within the schema at the first try."),
        "re-asked": ("orange", "The first answer could not be used; the model was asked again with the error."),
        "cached": ("violet", "Replayed from the answer cache: the same prompt had been answered before."),
        "abstained": ("gray", "No usable answer: no decision, and the position was left as it was. Not the same as hold."),
        "rule": ("gray", "Decided by fixed rules; no language model was involved."),
    }
)
LAYER_BADGES: Mapping[str, BadgeColour] = MappingProxyType({"short": "blue", "mid": "blue", "long": "primary", "reflection": "violet"})


def palette(dark: bool) -> Palette:
    """The colours of the mode that is showing."""
    return DARK if dark else LIGHT


def verdict(action: str | None) -> str:
    """The word for an action; None is a day without a decision, which is not a hold."""
    return action if action in GLYPHS else "no decision"


def action_colour(action: str | None, dark: bool, *, red_up: bool = False) -> str:
    """Buy has the colour of rising prices, sell that of falling ones; ``red_up`` swaps them (East Asian markets)."""
    up, down = rising_falling(dark, red_up=red_up)
    colours = palette(dark)
    return {"buy": up, "sell": down, "hold": colours.hold}.get(action or "", colours.none)


def action_badge(action: str | None, *, red_up: bool = False) -> BadgeColour:
    """The badge colour that matches ``action_colour``."""
    colours: dict[str, BadgeColour] = {"buy": "red" if red_up else "green", "sell": "green" if red_up else "red", "hold": "blue"}
    return colours.get(action or "", "gray")


def rising_falling(dark: bool, *, red_up: bool = False) -> tuple[str, str]:
    """Colours of a rising and of a falling bar."""
    colours = palette(dark)
    return (colours.down, colours.up) if red_up else (colours.up, colours.down)


def layer_colour(layer: str, dark: bool) -> str:
    """The colour of a memory layer; layers that people add take a chart colour by name, the same on every page."""
    colours = palette(dark)
    known = colours.layers.get(layer)
    return known or colours.series[sum(map(ord, layer)) % len(colours.series)]


def fade(colour: str, opacity: float) -> str:
    """``#rrggbb`` as an rgba() of the given opacity, 0..1."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def style(fig: go.Figure, dark: bool, *, height: int | None = None, names: bool = False, widest: str = "") -> go.Figure:
    """Give a figure the house look in place: transparent, thin grid, legend on top, tooltips in the page's colours.

    The look is a template, checked once; setting the same on every axis of every figure took longer than drawing some of them. Room
    for the labels of the y axis is fixed, since a browser that has to find it out draws everything twice: ``widest`` is the longest
    label where it may be longer than "-100 %", ``names`` leaves it to the browser where labels are words.
    """
    fig.layout.template = _look(dark)
    fig.layout.height = height
    if names:
        fig.update_yaxes(automargin=True)
    elif len(widest) > FITS:
        fig.layout.margin.l = LEFT + (len(widest) - FITS) * DIGIT
    return fig


@lru_cache(maxsize=2)
def _look(dark: bool) -> go.layout.Template:
    c = palette(dark)
    title = {"font": {"color": c.muted, "size": 12}}
    axis = {"gridcolor": c.grid, "linecolor": c.grid, "zerolinecolor": c.grid, "tickfont": {"color": c.muted}, "title": title}
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": c.text},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": list(c.series),
            "margin": {"l": LEFT, "r": 12, "t": 40, "b": BELOW},
            "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"color": c.text}, "bgcolor": "rgba(0,0,0,0)"},
            "hoverlabel": {"bgcolor": c.surface, "bordercolor": c.grid, "font": {"color": c.text, "family": FONT, "size": 13}},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": c.muted, "activecolor": c.agent},
            "xaxis": {**axis, "showspikes": False},
            "yaxis": axis,
        }
    )
