"""One recalled memory as one small picture: its rank or star, the parts of its score, and their sum. Numbers go in, never text."""

from __future__ import annotations

import math

from ui import theme
from ui.charts.bars import HEIGHT, WIDTH, score_bar

MARK, BAR, SUM, TALL = 26, 210, 40, 14  # pixels: three parts side by side, no taller than a line, since it stands in one
WHOLE = MARK + BAR + SUM


def recall_bar(
    rank: int, similarity: float, recency: float, importance: float, score: float, *, cited: bool, missed: bool, dark: bool
) -> str:
    """An SVG: a star where the memory was cited, else its rank (– below the cut), then ``score_bar``, then the score."""
    colours = theme.palette(dark)
    mark = "★" if cited else "–" if missed else str(int(rank))
    ink = colours.up if cited else colours.muted
    bar = score_bar(similarity, recency, importance, dark=dark, faded=missed)
    inner = bar.replace(
        f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"',
        f'x="{MARK}" y="0" viewBox="0 0 {WIDTH} {HEIGHT}" width="{BAR}" height="14" preserveAspectRatio="none"',
        1,
    )
    total = f"{score:.2f}" if math.isfinite(score) else "–"
    font = 'font-size="12" font-family="system-ui, sans-serif"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WHOLE} {TALL}" width="{WHOLE}" height="{TALL}">'
        f'<text x="{MARK - 10}" y="11.5" text-anchor="end" {font} fill="{ink}">{mark}</text>{inner}'
        f'<text x="{WHOLE - 4}" y="11.5" text-anchor="end" {font} fill="{colours.muted if missed else colours.text}">{total}</text></svg>'
    )
