"""The verb ``leaderboard``: who did best on one market and window, seed groups by their median."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from commands.words import Json, emit, say, spoken


def leaderboard(
    market: Annotated[str | None, typer.Option(help="Key of a market, or its beginning; without it the one with the most runs.")] = None,
    by: Annotated[str, typer.Option(help="excess_sharpe, excess, sharpe or return; the median over seeds ranks.")] = "excess_sharpe",
    singles: Annotated[bool, typer.Option(help="Give groups of a single seed a rank too; their mark stays.")] = False,
    as_json: Json = False,
) -> None:
    """Rank the seed groups of one market and window, with yardsticks, marks, and the runs that have no rank."""
    with spoken():
        from services import leaderboard as boards

        known = boards.markets()
        if not known:
            say("No runs yet. Make the demo run: python cli.py demo")
            if as_json:
                emit({"markets": [], "rows": [], "references": [], "below": []})
            return
        found = boards.board(market or known[0].key, by, singles=singles)
        if as_json:
            emit(_data(found, known))
            return
        for item in known:
            say(f"{'>' if item.key == found.market.key else ' '} {item.key}  {_where(item)}  {item.runs} run{'s' * (item.runs != 1)}")
        tries = "1 try" if found.trials.count == 1 else f"{found.trials.count} tries"
        say(f"{tries} on this market and window, {found.trials.effective} after counting like ones once; {found.market.costs}")
        print(_line("rank", "seeds", f"{found.measure.label} median", "lowest", "highest", "above hold", "DSR", "trader"))
        for row in (*found.rows, *found.references):
            print(_row(row, found))
        for item in found.below:
            print(_line("below", "", "", "", "", "", "", f"{item.run} {item.label}: {item.reason}"))


def _where(item: Any) -> str:
    return f"{item.source} {', '.join(item.tickers)} {item.start}..{item.end}"


def _line(*cells: str) -> str:
    widths = (9, 5, 22, 8, 8, 11, 6, 0)
    return "  ".join(cell.rjust(width) if width else cell for cell, width in zip(cells, widths, strict=True)).rstrip()


def _row(row: Any, found: Any) -> str:
    form = ".2%" if found.measure.unit == "fraction" else ".2f"
    figures = ["n/a" if value is None else format(value, form) for value in (row.spread.median, row.spread.low, row.spread.high)]
    rank = str(row.rank) if row.rank is not None else "–" if row in found.rows else "yardstick"
    above = f"{row.above.above} of {row.above.n}" if row.above.n else ""
    marks = f"  [{'; '.join(row.marks)}]" if row.marks else ""
    name = f"{row.label} ({row.differs})" if row.differs else row.label
    return _line(rank, str(len(row.runs) or ""), *figures, above, "" if row.dsr is None else f"{row.dsr:.1%}", f"{name}{marks}")


def _data(found: Any, known: list[Any]) -> dict[str, Any]:
    from dataclasses import asdict

    def plain(row: Any) -> dict[str, Any]:
        return {**asdict(row), "medians": dict(row.medians), "contamination": row.contamination.model_dump(mode="json")}

    market = {**asdict(found.market), "execution": found.market.execution.model_dump(mode="json")}
    return {
        "market": market,
        "markets": [{"key": item.key, "where": _where(item), "runs": item.runs} for item in known],
        "by": found.measure.key,
        "trials": asdict(found.trials),
        "rows": [plain(row) for row in found.rows],
        "references": [plain(row) for row in found.references],
        "below": [asdict(item) for item in found.below],
    }
