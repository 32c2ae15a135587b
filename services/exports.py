"""A run as a folder that stands alone: everything seen, asked, answered, remembered, traded and measured, in open formats.

JSON has full precision and the order of keys in which things were recorded, so that two runs that did the same give the same bytes
apart from the fields named in ``manifest.json`` under ``wall_clock``. ``services.imports`` makes the same run of the folder again: it
reads ``manifest.json``, ``spec.json``, ``days.jsonl``, ``vectors.npz`` and ``annotations.json``; the other files follow from these.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from agent.errors import SpecError, Unavailable
from agent.evaluation import leaks
from agent.records import DayRecord
from services import annotations as written
from services import performance, queries, runs

WALL_CLOCK = {
    "manifest.json": ["exported_at", "created_at", "started_at", "finished_at", "run", "imported"],
    "days.jsonl": ["run", "ms", "thought.calls[].ms"],
    "llm_calls.jsonl": ["run", "ms"],
    "memory_events.jsonl": ["run"],
    "annotations.json": ["annotations"],  # written by people, not by the run
}
FORMAT = 2  # 1 had neither vectors nor annotations, so that no run could be made of it again
OnDay = Callable[[int, int], None]


def export(run: str, out: Path, *, force: bool = False, on_day: OnDay | None = None) -> dict[str, int]:
    """Write the run's folder; returns rows per file. An existing, non-empty folder is refused unless ``force``.

    ``on_day`` is told the days written and the days there are.
    """
    view = queries.run(run)
    _prepare(out, force)
    known = leaks.Tally()
    counts = _days(view, out, known, on_day)
    for name, column in (("equity.csv", "equity"), ("benchmark.csv", "benchmark")):
        with Sheet(out / name, EQUITY) as sheet:
            counts[name] = sheet.write(_equity(run, view.spec.tickers, column))
    counts["vectors.npz"] = _vectors(out / "vectors.npz", run, view.spec.tickers)
    notes = [_annotation(item) for item in written.of_run(run)]
    counts["annotations.json"] = len(notes)
    _json(out / "annotations.json", {"annotations": notes})
    figures = {name: performance.figures(run, name) for name in (queries.TOTAL, *view.spec.tickers)}
    _json(
        out / "metrics.json",
        {
            "figures": figures,
            "coverage": view.summary.get("coverage"),
            "test_days": view.summary.get("test_days"),
            "marks": queries.marks(view),
        },
    )
    _json(out / "leaks.json", _leaks(view, known))
    _json(out / "spec.json", view.spec.model_dump(mode="json"))
    _json(out / "manifest.json", _manifest(view, counts))
    return counts


def _days(view: queries.RunView, out: Path, known: leaks.Tally, on_day: OnDay | None) -> dict[str, int]:
    """Everything that follows from the days, in one pass: opening a day's record is what takes the time."""
    orders = Orders()
    with ExitStack() as stack:
        files = {name: stack.enter_context(Sheet(out / name, columns)) for name, columns in OF_DAYS.items()}
        for number, record in enumerate(runs.store().records(view.id), 1):
            known.add(record)
            ended = list(orders.of(record))
            files["days.jsonl"].write([record.model_dump(mode="json")])
            files["memory_events.jsonl"].write(_events(record))
            files["llm_calls.jsonl"].write(_calls(record))
            files["trades.csv"].write(_trades(record))
            files["orders.csv"].write(ended)
            files["rejected_orders.csv"].write(_refused(ended))
            files["leaks.csv"].write(leaks.rows(record))
            if on_day:
                on_day(number, view.done)
        left = list(orders.left())
        files["orders.csv"].write(left)
        files["rejected_orders.csv"].write(_refused(left))
        return {name: file.count for name, file in files.items()}


def _prepare(out: Path, force: bool) -> None:
    if out.exists() and not out.is_dir():
        raise SpecError(f"{out} is a file; name a folder", field="out")
    if out.exists() and any(out.iterdir()) and not force:
        raise SpecError(f"{out} is not empty; name another folder or add --force", field="out")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"{out} cannot be made ({error.strerror}).", cure="Name a folder you may write to.") from None


def _manifest(view: queries.RunView, counts: dict[str, int]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "run": view.id,
        "name": runs.store().run(view.id).name,  # as it is called now, not as it was at first
        "status": view.state,
        "error": view.error,
        "decided_by": view.model_label,
        "note": view.note,
        "marks": queries.marks(view),
        "fingerprint": view.spec.fingerprint(),
        "provenance": {key: value for key, value in view.provenance.items() if key != "imported"},
        "imported": view.provenance.get("imported"),
        "summary": view.summary,
        "sessions_total": view.total,
        "rows": counts,
        "created_at": _stamp(view.created_at),
        "started_at": _stamp(view.started_at),
        "finished_at": _stamp(view.finished_at),
        "exported_at": _stamp(datetime.now(UTC)),
        "wall_clock": WALL_CLOCK,
    }


def _stamp(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _key(record: DayRecord) -> dict[str, Any]:
    return {"run": record.run, "ticker": record.ticker, "day": str(record.day)}


def _events(record: DayRecord) -> Iterator[dict[str, Any]]:
    for event in record.thought.memory_events:
        yield {**event.model_dump(mode="json"), "run": record.run, "ticker": record.ticker}


def _calls(record: DayRecord) -> Iterator[dict[str, Any]]:
    for call in record.thought.calls:
        yield {**_key(record), **call.model_dump(mode="json")}


TRADES = ["ticker", "day", "shares", "price", "reference", "commission", "slippage", "realised", "cause", "note"]


def _trades(record: DayRecord) -> Iterator[dict[str, Any]]:
    for fill in record.fills:
        yield {"ticker": record.ticker, **fill.model_dump(mode="json")}


ORDERS = ["ticker", "decided", "ended", "wished", "weight", "status", "reason", "waited"]


class Orders:
    """Every order once, as it ended; one that still waits at the end of the run stays pending."""

    def __init__(self) -> None:
        self._waiting: dict[str, DayRecord] = {}

    def of(self, record: DayRecord) -> Iterator[dict[str, Any]]:
        """The orders that ended on this day."""
        if record.settled is not None:
            yield _order(record.ticker, record.settled, ended=str(record.day))
            self._waiting.pop(record.ticker, None)
        if record.order is not None and record.order.status == "rejected":
            yield _order(record.ticker, record.order, ended=str(record.day))
        if record.portfolio.pending is not None:
            self._waiting[record.ticker] = record

    def left(self) -> Iterator[dict[str, Any]]:
        """Those that wait after the last day."""
        for record in self._waiting.values():
            if record.portfolio.pending is not None:
                yield _order(record.ticker, record.portfolio.pending, ended="")


def _refused(orders: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [order for order in orders if order["status"] in ("rejected", "cancelled")]


def _order(ticker: str, order: Any, *, ended: str) -> dict[str, Any]:
    return {
        "ticker": ticker,
        "decided": str(order.day),
        "ended": ended,
        "wished": order.wished,
        "weight": order.weight,
        "status": order.status,
        "reason": order.reason,
        "waited": order.waited,
    }


LEAKS = ["ticker", "day", "purpose", "segment", "memory", "available_at", "decision_at", "margin_s"]


def _leaks(view: queries.RunView, known: leaks.Tally) -> dict[str, Any]:
    """The leak report with its verdict; the sentence that ended a run is kept beside its days, not in them."""
    known.stopped = view.leaks.stopped if view.leaks else ""
    report = known.report(undated=view.provenance.get("undated"))
    return {"verdict": report.verdict, "sentence": report.sentence, **report.model_dump(mode="json")}


EQUITY = ["ticker", "day", "equity", "drawdown"]


def _equity(run: str, tickers: Iterable[str], column: str) -> Iterator[dict[str, Any]]:
    drawdown = "drawdown" if column == "equity" else "benchmark_drawdown"
    for name in (queries.TOTAL, *tickers):
        frame = queries.equity(run, name)
        for row in frame.to_dict("records"):
            yield {"ticker": name, "day": str(row["day"]), "equity": row[column], "drawdown": row[drawdown]}


OF_DAYS: dict[str, list[str] | None] = {  # None: one JSON object per line
    "days.jsonl": None,
    "memory_events.jsonl": None,
    "llm_calls.jsonl": None,
    "trades.csv": TRADES,
    "orders.csv": ORDERS,
    "rejected_orders.csv": ORDERS,
    "leaks.csv": LEAKS,
}


class Sheet:
    """A file that grows row by row: a table with ``columns``, or lines of JSON without any."""

    def __init__(self, path: Path, columns: list[str] | None) -> None:
        self._path, self._columns = path, columns
        self._file: TextIO | None = None
        self.count = 0

    def __enter__(self) -> Sheet:
        self._file = self._path.open("w", encoding="utf-8", newline="" if self._columns else None)
        if self._columns:
            csv.writer(self._file).writerow(self._columns)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, rows: Iterable[dict[str, Any]]) -> int:
        """Append ``rows``; returns how many rows the file has now."""
        assert self._file is not None, "written to inside its with block"
        table = csv.DictWriter(self._file, self._columns, extrasaction="ignore") if self._columns else None
        for row in rows:
            self.count += 1
            if table is None:
                self._file.write(json.dumps(row, ensure_ascii=False) + "\n")  # as recorded: layers stand in the order of the spec
            else:
                table.writerow({key: cell(value) for key, value in row.items()})
        return self.count


def _vectors(path: Path, run: str, tickers: Iterable[str]) -> int:
    """The vector of every memory, in the order of ``ids`` and ``tickers``: what similarity was measured with."""
    found = [(ticker, *runs.store().vectors(run, ticker)) for ticker in sorted(tickers)]
    kept = [(ticker, ids, matrix) for ticker, ids, matrix in found if len(ids)]
    names = np.array([ticker for ticker, ids, _ in kept for _ in ids], dtype=np.str_)
    numbers = np.concatenate([ids for _, ids, _ in kept]) if kept else np.zeros(0, np.int64)
    matrix = np.concatenate([matrix for _, _, matrix in kept]) if kept else np.zeros((0, 0), np.float32)
    with path.open("wb") as file:
        np.savez(file, ids=numbers.astype("<i8"), tickers=names, vectors=matrix.astype("<f4"))
    return len(numbers)


def _annotation(item: written.Annotation) -> dict[str, Any]:
    place = item.place
    return {
        "kind": item.kind,
        "ticker": place.ticker,
        "day": str(place.day) if place.day else None,
        "memory": place.memory,
        "text": item.text,
        "at": _stamp(item.at),
        "edited_at": _stamp(item.edited_at),
    }


_FORMULA = re.compile(
    "[\\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]*[=+@\uff1d\uff0b\uff20\u2212\uff0d-]|[\t\r\n]"
)


def cell(value: Any) -> Any:
    """The value of a CSV cell: a text that a spreadsheet might take for a formula begins with an apostrophe. Numbers stay numbers.

    What counts is the first sign after everything that a spreadsheet may drop or not show; full-width signs count too.
    """
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _json(path: Path, body: Any) -> None:
    text = json.dumps(body, indent=1, ensure_ascii=False, default=str) + "\n"
    path.write_bytes(text.encode("utf-8", "backslashreplace"))  # half a surrogate pair becomes its JSON escape; no file takes it as it is
