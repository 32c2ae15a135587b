"""Score bars as small pictures: one per recalled memory, cheap enough for forty on a page. Numbers go in, never text."""

from __future__ import annotations

import math

from ui import theme

WIDTH, HEIGHT, MOST = 300, 18, 3.0  # three parts of at most 1 each, so bars of different days compare


def legend(*, dark: bool) -> str:
    """An SVG that names the three colours of ``score_bar``."""
    colours = theme.palette(dark)
    parts, x = [], 0
    for name, width in (("similarity", 88), ("recency", 78), ("importance", 96)):
        parts.append(f'<rect x="{x}" y="3" width="12" height="12" rx="2" fill="{colours.parts[name]}"/>')
        parts.append(f'<text x="{x + 18}" y="13" font-size="12.5" font-family="system-ui, sans-serif" fill="{colours.muted}">{name}</text>')
        x += width
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {x} {HEIGHT}" width="{x}" height="{HEIGHT}">{"".join(parts)}</svg>'


def score_bar(similarity: float, recency: float, importance: float, *, dark: bool, faded: bool = False) -> str:
    """An SVG of the three parts of a score (each 0..1) end to end on a track of length 3, with the figures where they fit."""
    colours = theme.palette(dark)
    bars, figures, x = [], [], 0.0
    for name, value in (("similarity", similarity), ("recency", recency), ("importance", importance)):
        share = min(1.0, max(0.0, float(value))) if math.isfinite(float(value)) else 0.0
        width = WIDTH * share / MOST
        bars.append(f'<rect x="{x:.1f}" width="{width:.1f}" height="{HEIGHT}" fill="{colours.parts[name]}"/>')
        if width > 28:
            ink = colours.muted if faded else "#ffffff" if name == "similarity" and not dark else "#10182a"
            figures.append(f'<text x="{x + width / 2:.1f}" y="13" fill="{ink}">{share:.2f}</text>')
        x += width
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        f'<clipPath id="c"><rect width="{WIDTH}" height="{HEIGHT}" rx="4"/></clipPath><g clip-path="url(#c)">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{colours.grid}"/><g opacity="{0.3 if faded else 1}">{"".join(bars)}</g></g>'
        f'<g font-size="11" font-family="system-ui, sans-serif" text-anchor="middle">{"".join(figures)}</g></svg>'
    )
