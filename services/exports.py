"""A run as a folder that stands alone: everything seen, asked, answered, remembered, traded and measured, in open formats.

JSON is written with sorted keys and full precision, so that two runs that did the same give the same bytes apart from the fields
named in ``manifest.json`` under ``wall_clock``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.errors import SpecError, Unavailable
from agent.evaluation import leaks
from agent.records import DayRecord
from services import queries, runs

WALL_CLOCK = {
    "manifest.json": ["exported_at", "created_at", "started_at", "finished_at", "run"],
    "days.jsonl": ["run", "ms", "thought.calls[].ms"],
    "llm_calls.jsonl": ["run", "ms"],
    "memory_events.jsonl": ["run"],
}
FORMAT = 1


def export(run: str, out: Path, *, force: bool = False) -> dict[str, int]:
    """Write the run's folder; returns rows per file. An existing, non-empty folder is refused unless ``force``."""
    store = runs.store()
    view = queries.run(run)
    _prepare(out, force)
    known = leaks.Tally()
    records = lambda: store.records(run)  # noqa: E731 - read anew for each file, so that no file needs all of them at once
    counts = {
        "days.jsonl": _lines(out / "days.jsonl", (r.model_dump(mode="json") for r in records())),
        "memory_events.jsonl": _lines(out / "memory_events.jsonl", _events(records())),
        "llm_calls.jsonl": _lines(out / "llm_calls.jsonl", _calls(records())),
        "trades.csv": _table(out / "trades.csv", TRADES, _trades(records())),
        "orders.csv": _table(out / "orders.csv", ORDERS, _orders(records())),
        "rejected_orders.csv": _table(
            out / "rejected_orders.csv", ORDERS, (o for o in _orders(records()) if o["status"] in ("rejected", "cancelled"))
        ),
        "equity.csv": _table(out / "equity.csv", EQUITY, _equity(run, view.spec.tickers, "equity")),
        "benchmark.csv": _table(out / "benchmark.csv", EQUITY, _equity(run, view.spec.tickers, "benchmark")),
        "leaks.csv": _table(out / "leaks.csv", LEAKS, _segments(records(), known)),
    }
    figures = {name: queries.figures(run, name) for name in (queries.TOTAL, *view.spec.tickers)}
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
        "name": view.spec.name,
        "status": view.state,
        "error": view.error,
        "decided_by": view.model_label,
        "note": view.note,
        "marks": queries.marks(view),
        "fingerprint": view.spec.fingerprint(),
        "provenance": view.provenance,
        "summary": {key: value for key, value in view.summary.items() if key != "sparkline"},
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


def _events(records: Iterable[DayRecord]) -> Iterator[dict[str, Any]]:
    for record in records:
        for event in record.thought.memory_events:
            yield {**event.model_dump(mode="json"), "run": record.run, "ticker": record.ticker}


def _calls(records: Iterable[DayRecord]) -> Iterator[dict[str, Any]]:
    for record in records:
        for call in record.thought.calls:
            yield {**_key(record), **call.model_dump(mode="json")}


TRADES = ["ticker", "day", "shares", "price", "reference", "commission", "slippage", "realised", "cause", "note"]


def _trades(records: Iterable[DayRecord]) -> Iterator[dict[str, Any]]:
    for record in records:
        for fill in record.fills:
            yield {"ticker": record.ticker, **fill.model_dump(mode="json")}


ORDERS = ["ticker", "decided", "ended", "wished", "weight", "status", "reason", "waited"]


def _orders(records: Iterable[DayRecord]) -> Iterator[dict[str, Any]]:
    """Every order once, as it ended; one that still waits at the end of the run stays pending."""
    waiting: dict[str, DayRecord] = {}
    for record in records:
        if record.settled is not None:
            yield _order(record.ticker, record.settled, ended=str(record.day))
            waiting.pop(record.ticker, None)
        if record.order is not None and record.order.status == "rejected":
            yield _order(record.ticker, record.order, ended=str(record.day))
        if record.portfolio.pending is not None:
            waiting[record.ticker] = record
    for record in waiting.values():
        if record.portfolio.pending is not None:
            yield _order(record.ticker, record.portfolio.pending, ended="")


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


def _segments(records: Iterable[DayRecord], known: leaks.Tally) -> Iterator[dict[str, Any]]:
    """Every segment of every prompt with its times; ``known`` counts along."""
    for record in records:
        known.add(record)
        yield from leaks.rows(record)


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


def _lines(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n")
            count += 1
    return count


def _table(path: Path, columns: list[str], rows: Iterable[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: _cell(value) for key, value in row.items()})
            count += 1
    return count


def _cell(value: Any) -> Any:
    """A spreadsheet must not take a text for a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "@", "\t", "\r"):
        return "'" + value
    return value


def _json(path: Path, body: Any) -> None:
    path.write_text(json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
