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
    heights = frame[names].to_numpy(float)
    count, peak = len(frame), float(heights.sum(axis=1).max()) if heights.size else 0.0
    if not count or peak <= 0:
        return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"></svg>'
    rows = sorted({round(step * (count - 1) / max(1, min(count, MOST) - 1)) for step in range(min(count, MOST))} | {at})
    x = [WIDTH * row / max(1, count - 1) for row in rows]
    now = WIDTH * at / max(1, count - 1)
    heights, base, shapes = heights[rows], [0.0] * len(rows), []
    for place, name in reversed(list(enumerate(names))):  # as in the large chart: the slow layers carry the quick ones
        top = [low + more for low, more in zip(base, heights[:, place].tolist())]
        shapes.append(f'<path fill="{theme.layer_colour(name, dark)}" d="{_area(x, base, top, peak)}"/>')
        base = top
    drawn, ink = "".join(shapes), theme.palette(dark).text
    later = _later(now, theme.palette(dark).muted) + _legend(names, dark)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" preserveAspectRatio="none">'
        f'<clipPath id="past"><rect width="{now:.1f}" height="{HEIGHT}"/></clipPath>'
        f'<g clip-path="url(#past)"><g id="all">{drawn}</g></g><use href="#all" opacity="0.28"/>'
        f'<rect x="{min(max(now - 1.5, 0), WIDTH - 3):.1f}" width="3" height="{HEIGHT}" fill="{ink}"/>{later}</svg>'
    )


def _later(now: float, ink: str) -> str:
    """The word over the faded part: it was not known on the day; left out where there is no room for it."""
    if WIDTH - now < 70:
        return ""
    return f'<text x="{now + 10:.1f}" y="20" font-size="19" font-family="system-ui, sans-serif" fill="{ink}">later</text>'


def _legend(names: list[str], dark: bool) -> str:
    """The layers by name at the top left, over the thin beginnings of most runs; a name of somebody's own is left to the tiles below."""
    colours, x, parts = theme.palette(dark), 8.0, []
    for name in names:
        if name not in theme.LAYERS:
            continue
        parts.append(f'<rect x="{x:.0f}" y="6" width="14" height="14" rx="3" fill="{theme.layer_colour(name, dark)}"/>')
        parts.append(f'<text x="{x + 20:.0f}" y="20">{name}</text>')
        x += 44 + 9.5 * len(name)
    style = f'fill="{colours.text}" stroke="{colours.page}" stroke-width="4" paint-order="stroke"'
    return f'<g font-size="19" font-family="system-ui, sans-serif" {style}>{"".join(parts)}</g>'


def _area(x: list[float], low: list[float], high: list[float], peak: float) -> str:
    def point(at: float, value: float) -> str:
        return f"{at:.1f},{HEIGHT - (HEIGHT - TOP) * value / peak:.1f}"

    there = [point(at, value) for at, value in zip(x, high)]
    back = [point(at, value) for at, value in zip(reversed(x), reversed(low))]
    return "M" + " L".join([*there, *back]) + "Z"
