"""The verb ``compare``: two to eight runs on their common sessions, with what may be claimed about their difference."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from agent.errors import SpecError
from commands.words import Json, emit, say, spoken


def compare(
    runs: Annotated[list[str], typer.Argument(help="2 to 8 run ids or their beginnings; g: before one means its seed group.")],
    base: Annotated[str, typer.Option(help="The run that the others are measured against; by default the first.")] = "",
    ticker: Annotated[str, typer.Option(help="Only the money of this ticker, which all must trade; by default all tickers.")] = "",
    finmem: Annotated[bool, typer.Option("--finmem", help="Also FinMem's own test, with what is wrong with it.")] = False,
    as_json: Json = False,
) -> None:
    """Put runs side by side: metrics against a baseline, paired tests, what differs in their settings."""
    with spoken():
        from services import compare as beside
        from services.queries import TOTAL

        items = [_item(run) for run in runs]
        rival = _item(base) if base else items[0]
        if rival not in items:
            raise SpecError(f"the baseline {base} is not among the compared runs: {', '.join(items)}", field="base")
        usable = beside.usable(items)
        for note in usable.notes:
            say(f"  note: {note}")
        if rival not in usable.items:
            rival = usable.items[0] if usable.items else ""
        found = beside.load(usable.items, ticker=ticker.upper() or TOTAL) if ticker else _whole(usable.items)
        body = _body(found, rival, finmem)
        _tell(found, body)
        if as_json:
            emit({**body, "notes": [*usable.notes, *found.notes]})


def _item(asked: str) -> str:
    """The whole id behind a beginning, its ``g:`` kept."""
    from services import compare as beside
    from services import runs as library

    run = asked.removeprefix(beside.GROUP)
    return f"{beside.GROUP if asked != run else ''}{library.find(run).id}"


def _whole(items: tuple[str, ...]) -> Any:
    from services import compare as beside

    return beside.load(items, ticker=beside.offered(items)[0]) if len(items) >= beside.LEAST else beside.load(items)


def _body(found: Any, base: str, finmem: bool) -> dict[str, Any]:
    from dataclasses import asdict

    from services import compare_figures, compare_specs, compare_tests

    drawn = compare_figures.differences(found, base)
    rows = compare_figures.rows(found, compare_figures.measured(found), base, drawn=drawn)
    sides = [
        {
            "item": side.item,
            "number": side.number,
            "name": side.label,
            "stands_for_it": side.id,
            "runs": [member.view.id for member in side.members],
            "seeds": side.seeds,
            "metrics": {row.metric.key: asdict(row.values[side.item]) for row in rows},
            "against": {row.metric.key: _against(row.against[side.item]) for row in rows} if side.item != base else None,
        }
        for side in found.runs
    ]
    pairs = [compare_tests.paired(found, side.item, base, finmem=finmem) for side in found.runs if side.item != base]
    joint = compare_tests.joint(found, base) if len(found.runs) > 2 else None
    return {
        "ticker": found.ticker,
        "base": base,
        "sessions": len(found.days),
        "first": found.days[0] if found.days else None,
        "last": found.days[-1] if found.days else None,
        "sides": sides,
        "joint": asdict(joint.found) if joint else None,
        "tests": [
            {
                "a": pair.one.item,
                "b": pair.other.item,
                "why": pair.why,
                "remarks": pair.remarks,
                "tests": [asdict(test) for test in pair.tests],
            }
            for pair in pairs
        ],
        "settings": {item.name: item.values for item in compare_specs.settings(found) if item.differs},
        "circumstances": {item.name: item.values for item in compare_specs.circumstances(found) if item.differs},
    }


def _against(found: Any) -> dict[str, Any]:
    between = found.difference_interval
    return {
        "difference": found.difference,
        "interval": [between.low, between.high] if between else None,
        "not_better": found.not_better,
        "verdict": found.verdict,
    }


def _tell(found: Any, body: dict[str, Any]) -> None:
    """The few figures people ask for first, and what may be claimed."""
    say(
        f"{body['sessions']} common sessions"
        + (f", {body['first']} to {body['last']}" if found.days else "")
        + f", money of {found.ticker}"
    )
    for side, told in zip(found.runs, body["sides"], strict=True):
        figures = {key: told["metrics"].get(key, {}).get("median") for key in ("cum_return", "sharpe", "max_drawdown")}
        gap = (told["against"] or {}).get("cum_return")
        against = "baseline" if told["against"] is None else f"{_percent(gap['difference'])} {gap['verdict']}" if gap else ""
        sharpe = "n/a" if figures["sharpe"] is None else f"{figures['sharpe']:.2f}"
        say(
            f"  {side.title}: return {_percent(figures['cum_return'])} ({against}), Sharpe {sharpe}, max drawdown {_percent(figures['max_drawdown'])}"
        )
    for note in found.notes:
        say(f"  note: {note}")
    if body["joint"]:
        say(f"  together: {body['joint']['says'] or body['joint']['why']}")
    numbers = {side.item: side.number for side in found.runs}
    for pair in body["tests"]:
        first = next((test for test in pair["tests"]), None)
        told = pair["why"] or (first and (first["says"] or f"no result: {first['why']}"))
        say(f"  {numbers[pair['a']]} (A) against {numbers[pair['b']]} (B): {told}")


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{value:+.2%}"
