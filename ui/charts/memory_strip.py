"""Live memories per layer over a whole run as one small picture with the day marked: an image costs a page next to nothing, so it can
follow a slider. Numbers and our own layer names go in, never text from outside."""

from __future__ import annotations

import pandas as pd

from ui import theme

WIDTH, HEIGHT, TOP = 1200, 84, 4  # of the drawing; it is shown as wide as the page
MOST = 200  # columns of the drawing; more sessions than that cannot be told apart


def layers_strip(frame: pd.DataFrame, *, at: int, dark: bool) -> str:
    """An SVG of the stacked counts (columns: day and one per layer); what lies after row ``at`` is faded, and the row is marked."""
    names = [name for name in theme.LAYERS if name in frame] + [name for name in frame if name != "day" and name not in theme.LAYERS]
    count, peak = len(frame), float(frame[names].sum(axis=1).max()) if len(frame) and names else 0.0
    if not count or peak <= 0:
        return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"></svg>'
    rows = sorted({round(step * (count - 1) / max(1, min(count, MOST) - 1)) for step in range(min(count, MOST))} | {at})
    x = [WIDTH * row / max(1, count - 1) for row in rows]
    now = WIDTH * at / max(1, count - 1)
    base, shapes = [0.0] * len(rows), []
    for name in reversed(names):  # as in the large chart: the slow layers carry the quick ones
        top = [low + float(frame[name].iloc[row]) for low, row in zip(base, rows)]
        shapes.append(f'<path fill="{theme.layer_colour(name, dark)}" d="{_area(x, base, top, peak)}"/>')
        base = top
    drawn, ink = "".join(shapes), theme.palette(dark).text
    later = _later(now, theme.palette(dark).muted)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" preserveAspectRatio="none">'
        f'<clipPath id="past"><rect width="{now:.1f}" height="{HEIGHT}"/></clipPath>'
        f'<g clip-path="url(#past)"><g id="all">{drawn}</g></g><use href="#all" opacity="0.28"/>'
        f'<rect x="{min(max(now - 1.5, 0), WIDTH - 3):.1f}" width="3" height="{HEIGHT}" fill="{ink}"/>{later}</svg>'
    )


def _later(now: float, ink: str) -> str:
    """The word over the faded part: it was not known on the day; left out where there is no room for it."""
    if WIDTH - now < 60:
        return ""
    return f'<text x="{now + 10:.1f}" y="15" font-size="15" font-family="system-ui, sans-serif" fill="{ink}">later</text>'


def _area(x: list[float], low: list[float], high: list[float], peak: float) -> str:
    def point(at: float, value: float) -> str:
        return f"{at:.1f},{HEIGHT - (HEIGHT - TOP) * value / peak:.1f}"

    there = [point(at, value) for at, value in zip(x, high)]
    back = [point(at, value) for at, value in zip(reversed(x), reversed(low))]
    return "M" + " L".join([*there, *back]) + "Z"
