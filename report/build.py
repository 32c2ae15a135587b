"""One run in, one HTML file out, written piece by piece so that a long run never has to fit into memory.

Promise: the same run with the same choice gives the same bytes apart from the time of making; the file asks nothing of any server, and
whatever a model, a source or a person wrote in it stays text.
"""

from __future__ import annotations

import base64
import hashlib
import os
import string
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

import pandas as pd

from agent.errors import SpecError, Unavailable
from report import choose, facts, figures, memories, pack, traces
from report.choose import Choice, Day
from report.markup import Html, el, join
from services import annotations, queries, trading
from services.queries import RunView
from ui import theme
from ui.charts import offline

HERE = Path(__file__).parent
MANY_MEMORIES = 6000  # above that only the memories that the chosen days name: their texts would outweigh everything else
CHART_STEPS = 6  # a chart takes as long as some days do
# bytes packed of a session in charts and tables, a memory in the list, a recall, an event; and memories that a day names: measured on the demo run
SESSION, ROW, RECALLED, CHANGED, NAMED = 420, 60, 70, 25, 25
Progress = Callable[[int, int], None]  # steps done, steps in all
DAY_COLUMNS = (
    *("day", "phase", "action", "abstained", "study_label", "target_weight", "weight", "confidence", "provenance", "recalled_count"),
    *("cited_count", "order_weight", "order_status", "settled_day", "settled_status", "settled_reason", "fill_shares", "fill_price"),
    *(
        "next_return",
        "outcome",
        "verdict",
        "close",
        "equity",
        "benchmark_equity",
        "prompt_tokens",
        "answer_tokens",
        "news",
        "filings",
        "warnings",
    ),
    "summary",
)
SECTIONS = (
    ("money", "Equity"),
    ("prices", "Prices and fills"),
    ("figures", "Figures"),
    ("decisions", "Decisions"),
    ("trades", "Trades"),
    ("memory", "Memory"),
    ("notes", "Notes"),
    ("rules", "Rules"),
    ("card", "Run card"),
    ("leaks", "Known when"),
    ("issues", "Issues"),
)

MONTHS = (
    "In percent, all tickers together. A month's return is its last equity over the last equity of the month before; months compound to the "
    "year. A star marks a month or year of which the run saw only part."
)


@dataclass(frozen=True)
class Made:
    """What was written. ``size`` in bytes; days and memories count per ticker."""

    size: int
    days: int
    days_of: int
    memories: int
    memories_of: int


@dataclass(frozen=True)
class Plan:
    """Everything that is settled before the first byte: which days, which memories, in small frames."""

    view: RunView
    choice: Choice
    rows: dict[str, pd.DataFrame]
    days: list[Day]
    memories: dict[str, int]
    every_memory: bool

    @property
    def steps(self) -> int:
        return (
            len(self.days)
            + CHART_STEPS * (2 + 3 * len(self.rows))
            + sum(self.memories.values() if self.every_memory else ()) // memories.BLOCK
        )


def plan(run: str, choice: Choice | None = None) -> Plan:
    """Which days and memories a report of the run holds. SpecError for a day that the run does not have."""
    view = queries.run(run)
    rows = {ticker: queries.days(run, ticker) for ticker in view.spec.tickers}
    rows = {ticker: frame for ticker, frame in rows.items() if len(frame)}
    chosen = choice or choose.default(run)
    counts = {ticker: len(queries.memory_ids(run, ticker)) for ticker in rows}
    every = sum(counts.values()) <= MANY_MEMORIES
    return Plan(view=view, choice=chosen, rows=rows, days=choose.chosen(run, chosen, rows), memories=counts, every_memory=every)


def save(found: Plan, out: Path, *, force: bool = False, red_up: bool = False, progress: Progress | None = None) -> Made:
    """Write the report to ``out``: whole or not at all. A file that is there is refused unless ``force``."""
    if out.is_dir():
        raise SpecError(f"{out} is a folder; name a file such as {out / (found.view.id + '.html')}", field="out")
    if out.exists() and not force:
        raise SpecError(f"{out} is there already; name another file or add --force", field="out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                made = write(found, file, red_up=red_up, progress=progress)
            os.chmod(draft, 0o644)
            os.replace(draft, out)
        except BaseException:
            with suppress(OSError):
                os.unlink(draft)
            raise
    except OSError as error:
        raise Unavailable(
            f"{out} cannot be written ({error.strerror}).", cure="Name a file you may write to, or free some space."
        ) from None
    return made


def write(found: Plan, out: TextIO, *, red_up: bool = False, progress: Progress | None = None, now: datetime | None = None) -> Made:
    """Write the report to ``out`` as UTF-8 text. ``now`` is the one stamped time; ``progress`` hears steps done and steps in all."""
    told = progress or (lambda done, total: None)
    size = kept = done = 0
    for part, steps, told_of in _parts(found, red_up=red_up, now=now or datetime.now(UTC)):
        out.write(part)
        size += len(part.encode("utf-8"))
        done, kept = done + steps, kept + told_of
        if steps:
            told(min(done, found.steps), found.steps)
    told(found.steps, found.steps)
    return Made(
        size=size,
        days=len(found.days),
        days_of=sum(map(len, found.rows.values())),
        memories=kept,
        memories_of=sum(found.memories.values()),
    )


def estimate(found: Plan, *, sample: int = 16) -> int:
    """About how many bytes the report will have, from a few of its days and memories; good to a fifth or so."""
    shared = traces.Shared()
    picked = _spread(found.days, sample)
    bodies = [traces.trace(queries.record(found.view.id, *day), shared) for day in picked]
    per_day = sum(len(pack.packed(body)) for body in bodies) / max(1, len(bodies))
    total = len(_library()) + len(found.days) * per_day
    for ticker, count in found.memories.items():
        frame = found.rows[ticker]
        days = sum(name == ticker for name, _ in found.days)
        share = 1.0 if found.every_memory else min(1.0, NAMED * days / max(1, count))
        ids = _spread(sorted(queries.memory_ids(found.view.id, ticker)), 3 * memories.BLOCK)
        text = len(pack.packed(memories.about_rows(found.view.id, ticker, ids))) / max(1, len(ids))
        uses = RECALLED * float(frame["recalled_count"].sum()) + CHANGED * float(frame["event_count"].sum())
        total += len(frame) * SESSION + share * (count * (text + ROW) + uses)
    return round(total)


@lru_cache(maxsize=1)
def _library() -> str:
    return pack.squeezed(offline.library())


def _spread(items: list[Any], most: int) -> list[Any]:
    if len(items) <= most:
        return items
    return [items[(2 * at + 1) * len(items) // (2 * most)] for at in range(most)]  # middles: a run's first day is unlike the others


# ---------------------------------------------------------------------------------------------------------------- the pieces

Part = tuple[str, int, int]  # text, steps done with it, memories in it


def _parts(found: Plan, *, red_up: bool, now: datetime) -> Iterator[Part]:
    """The file from its first to its last character."""
    script = (HERE / "report.js").read_text(encoding="utf-8")
    before, middle, after = _template(found, script)
    yield before, 0, 0
    charts = []
    for chart in _charts(found.view, list(found.rows), red_up):
        charts.append(chart)
        yield "", CHART_STEPS, 0
    yield _static(found, charts, now), CHART_STEPS, 0
    yield middle, 0, 0
    shared, mentioned = traces.Shared(), {ticker: set[int]() for ticker in found.rows}
    for number, (ticker, day) in enumerate(found.days):
        body = traces.trace(queries.record(found.view.id, ticker, day), shared)
        mentioned[ticker] |= traces.named(body)
        yield pack.block(f"b-day-{number}", pack.packed(body)), 1, 0
    yield pack.block("b-shared", pack.packed(shared.texts)), 0, 0
    for number, ticker in enumerate(found.rows):
        yield from _memory(found, number, ticker, None if found.every_memory else mentioned[ticker] | _noted(found.view.id, ticker))
    yield pack.block("b-days", pack.packed(_days(found))), 0, 0
    yield pack.block("b-trades", pack.packed(_trades(found))), 0, 0
    for chart in charts:
        yield pack.block(f"b-chart-{chart.name}", pack.packed(chart.schemes)), 0, 0
    yield pack.block("b-plotly", _library()), 0, 0
    yield f'<script type="application/json" id="head">{pack.plain_json(_head(found, charts, red_up))}</script>\n', 0, 0
    yield f"<script>{script}</script>{after}", 0, 0


def _template(found: Plan, script: str) -> tuple[str, str, str]:
    """The frame of the file: up to the content, between the content and the data, after the data."""
    text = (HERE / "template.html").read_text(encoding="utf-8")
    whole = string.Template(text).substitute(
        policy=_policy([script, offline.library()]),
        title=el("title", f"{found.view.name} – Recollect report"),
        style=colours() + (HERE / "report.css").read_text(encoding="utf-8"),
        nav=facts.contents(SECTIONS),
        content="\x00",
        data="\x00",
    )
    before, middle, after = whole.split("\x00")
    return before, middle, after


def _policy(scripts: list[str]) -> str:
    """Nothing may be fetched or sent, and only our two scripts run, whatever else the file may come to hold."""
    hashes = [base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii") for script in scripts]
    allowed = " ".join(f"'sha256-{value}'" for value in hashes)
    rest = "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"  # styles: the drawing library sets them
    return f"default-src 'none'; script-src {allowed}; {rest}"


def colours() -> str:
    """Both palettes of the product as CSS variables; print is always light."""

    def variables(dark: bool) -> str:
        c = theme.palette(dark)
        named = {
            name: getattr(c, name)
            for name in ("text", "muted", "grid", "surface", "page", "agent", "benchmark", "up", "down", "hold", "none")
        }
        layers = {f"layer-{name}": value for name, value in c.layers.items()}
        parts = {f"part-{name}": value for name, value in c.parts.items()}
        return "".join(f"--{name}:{value};" for name, value in {**named, **layers, **parts}.items())

    light, dark = variables(False), variables(True)
    return f":root{{color-scheme:light dark;{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"


def _static(found: Plan, charts: list[figures.Chart], now: datetime) -> Html:
    """Everything a reader without scripts sees."""
    view = found.view
    leaks = queries.leaks(view.id)
    written = annotations.of_run(view.id)
    bodies: dict[str, list[Html | None]] = {
        "money": [_places(charts, "money"), el("h3", "Returns by month"), _places(charts, "months"), el("p", MONTHS, cls="muted")],
        "prices": [_places(charts, "prices")],
        "figures": [facts.metrics(view)],
        "decisions": [_told(found), _host("decisions-table"), _host("day-view")],
        "trades": [_host("trips-table"), _host("fills-table"), _host("orders-table")],
        "memory": [_places(charts, "layers"), _told_memory(found), _host("memory-table"), _host("memory-view")],
        "notes": [facts.notes(written)],
        "rules": [facts.rules(view), el("h3", "The memory"), facts.memory_rules(view)],
        "card": [facts.run_card(view)],
        "leaks": [facts.known_when(leaks)],
        "issues": [facts.issues(view, found.rows)],
    }
    titles = {
        "money": "Equity and drawdown against buy and hold",
        "prices": "Prices as traded, with fills",
        "figures": "Key figures, each with its definition and unit",
        "rules": "Rules of this run",
        "card": "Run card: what it takes to repeat it",
        "leaks": "What was known when",
        "issues": "Warnings and data issues",
        "notes": "Notes, tags and bookmarks",
    }
    sections = [el("section", el("h2", titles.get(name, title)), *bodies[name], id=name) for name, title in SECTIONS]
    made = el("p", f"Made {now:%Y-%m-%d %H:%M} UTC with Recollect. Research and education, not investment advice.", cls="muted", id="made")
    return join([facts.heading(view, leaks), *sections, el("footer", made)])


def _told(found: Plan) -> Html:
    total = sum(map(len, found.rows.values()))
    words = f"Whole traces of {len(found.days):,} of {total:,} days: {found.choice.words}."
    if len(found.days) < total:
        words += " The other days are listed with their figures; make another report to read them whole."
    return el("p", words, cls="muted")


def _told_memory(found: Plan) -> Html:
    total = sum(found.memories.values())
    if found.every_memory:
        return el("p", f"All {total:,} memories, in the state after the last recorded session.", cls="muted")
    words = f"Of {total:,} memories those that the traces and notes of this file name; all of them would make it too large to open."
    return el("p", words + " State after the last recorded session.", cls="muted")


def _host(name: str) -> Html:
    """A place that the script fills."""
    waiting = el("p", "This part needs JavaScript; the file brings its own and asks nothing of the network.", cls="muted")
    return el("div", el("noscript", waiting), id=name)


def _places(charts: list[figures.Chart], section: str) -> Html:
    """Places of a section's charts, the first one open, the others drawn when they are opened."""
    mine = [chart for chart in charts if chart.section == section]
    if not mine:
        return el("p", "Nothing to draw yet.", cls="muted")
    place = lambda chart: el("div", chart.still, cls="chart", data_chart=chart.name, role="img", aria_label=chart.alt)  # noqa: E731
    first, *others = mine
    more = [el("details", el("summary", chart.title), place(chart)) for chart in others]
    return el("div", el("h3", first.title) if others or section == "prices" else None, place(first), *more)


def _charts(view: RunView, tickers: list[str], red_up: bool) -> Iterator[figures.Chart]:
    whose = [queries.TOTAL, *(tickers if len(view.spec.tickers) > 1 else [])] if tickers else []
    yield from (figures.money(view, name, name=f"money-{at}") for at, name in enumerate(whose))
    if tickers:
        yield figures.calendar(view, name="months-0", red_up=red_up)
    for at, ticker in enumerate(tickers):
        yield figures.prices(view, ticker, name=f"price-{at}", red_up=red_up)
        yield figures.layers(view, ticker, name=f"layers-{at}")


def _memory(found: Plan, number: int, ticker: str, only: set[int] | None) -> Iterator[Part]:
    listed = memories.listed(found.view.id, ticker, only)
    ids = [int(row[0]) for row in listed["rows"]]
    yield pack.block(f"b-memories-{number}", pack.packed(listed)), 0, 0
    for at, body in enumerate(memories.blocks(found.view.id, ticker, ids)):
        yield pack.block(f"b-memory-{number}-{at}", pack.packed(body)), 1, len(body["memories"])


def _noted(run: str, ticker: str) -> set[int]:
    found = (item.place for item in annotations.of_run(run))
    return {place.memory for place in found if place.ticker == ticker and place.memory is not None}


def _days(found: Plan) -> dict[str, Any]:
    """Every day of every ticker with its figures, and where its trace is, if it has one."""
    blocks = {day: number for number, day in enumerate(found.days)}
    rows: dict[str, list[list[Any]]] = {}
    for ticker, frame in found.rows.items():
        lines = memories.cells(frame, DAY_COLUMNS)
        rows[ticker] = [[*row, blocks.get((ticker, row[0]))] for row in lines]
    return {"columns": [*DAY_COLUMNS, "trace"], "rows": rows}


def _trades(found: Plan) -> dict[str, Any]:
    """Round trips and orders as the trades page lists them, and every fill with the day of the decision behind it (None for a stop)."""
    fills: list[dict[str, Any]] = []
    for ticker, frame in found.rows.items():
        filled = frame[frame["settled_status"] == "filled"]
        decided = dict(zip(filled["day"], filled["settled_day"], strict=True))
        rows = queries.fills(found.view.id, ticker).to_dict("records")
        fills += [{**row, "ticker": ticker, "decided": decided.get(row["day"]) if row["cause"] == "order" else None} for row in rows]
    trips, orders = trading.trips(found.view.id), trading.orders(found.view.id)
    return {"trips": trips.to_dict("records"), "fills": fills, "orders": orders.to_dict("records")}


def _head(found: Plan, charts: list[figures.Chart], red_up: bool) -> dict[str, Any]:
    """The little that the script needs before anything is unpacked."""
    return {
        "run": found.view.id,
        "tickers": list(found.rows),
        "anchors": [quote(ticker, safe="") for ticker in found.rows],
        "rules": found.view.by_rules,
        "red_up": red_up,
        "glyphs": dict(theme.GLYPHS),
        "layer_glyphs": dict(theme.LAYER_GLYPHS),
        "charts": [{"name": chart.name, "alt": chart.alt} for chart in charts],
        "memory_block": memories.BLOCK,
    }
