"""The verb ``baselines``: what simple rules, luck and the agent without a part of its mind made of a run's market."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from commands.words import Json, emit, say, spoken

GROUPS = ("rules", "ablations", "all")


def baselines(
    run: Annotated[str, typer.Argument(help="Run id or its beginning.")],
    add: Annotated[
        str | None,
        typer.Option(
            help="Make these first, and wait for them: rules, random, ablations, all, or names, comma-separated. Ablations ask the run's model."
        ),
    ] = None,
    ticker: Annotated[str, typer.Option(help="Of several tickers, one; without it all together.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a language model is.")] = False,
    as_json: Json = False,
) -> None:
    """A run beside its baselines: rules, a random trader, the agent without its memory; through the same engine at the same costs."""
    with spoken():
        from services import baselines as service
        from services import queries
        from services import runs as library

        found = library.find(run).id
        whose = queries.ticker_or_error(found, ticker.upper()) if ticker else queries.TOTAL
        if add:
            _add(found, add, yes)
        made = service.made(found)
        rows = service.table(found, {item.name: item.run for item in made if item.state == "done"}, whose)
        data = [{key: _plain(value) for key, value in row.items()} for row in rows.to_dict("records")]
        if as_json:
            emit({"run": found, "of": whose, "rows": data, "baselines": [{"name": m.name, "run": m.run, "state": m.state} for m in made]})
            return
        _print(data)
        for item in made:
            if item.state != "done":
                say(f"{item.label}: {item.state}{f' - {item.error}' if item.error else ''} (run {item.run})")
        left = [name for name in service.offered(queries.run(found).spec) if name not in {item.name for item in made}]
        if left:
            say(f"not made yet: {', '.join(left)}; make them with --add")


def _add(run: str, wanted: str, yes: bool) -> None:
    """Make baselines in this process, one after another."""
    from services import baselines as service
    from services import queries
    from services import runs as library

    names = _names(wanted, service, run)
    calls = sum(service.plan(run, names).values())
    if (
        calls
        and not queries.run(run).by_rules
        and not yes
        and not typer.confirm(f"The ablations ask the model up to {calls:,} questions. Go on?", err=True)
    ):
        raise typer.Exit(1)
    begun = service.add(run, names)
    say(f"{len(begun)} baselines begin" if begun else "all of these are there already, or under way")
    for item in begun:
        say(f"{queries.run(item).name}: {library.wait(item, timeout_s=7 * 86_400)}")


def _names(wanted: str, service: Any, run: str) -> list[str]:
    from services import queries

    possible = list(service.fingerprints(run))
    asked: list[str] = []
    for word in (part.strip() for part in wanted.split(",")):
        if word in GROUPS:
            kinds = {"rules": ("rule",), "ablations": ("ablation",), "all": ("rule", "random", "ablation")}[word]
            asked += [name for name in possible if service.BASELINES[name].kind in kinds]
            if word == "ablations":
                service.spec_of(queries.run(run).spec, "without_memory")  # says why where there are none
        elif word:
            asked.append(word)
    return list(dict.fromkeys(asked))


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(rows: list[dict[str, Any]]) -> None:
    if not rows:
        say("no test session is recorded yet: there is nothing to measure")
        return
    print(f"{'':<26} {'return':>8} {'Sharpe':>7} {'max drawdown':>13} {'turnover a year':>16} {'run minus this':>15}  run")
    for row in rows:
        cells = [
            _cell(row["cum_return"], "{:+.1%}", 8),
            _cell(row["sharpe"], "{:.2f}", 7),
            _cell(row["max_drawdown"], "{:.1%}", 13),
            _cell(row["turnover_annual"], "{:.1f} x", 16),
            _cell(None if row["difference"] is None else 100 * row["difference"], "{:+.1f} pp", 15),
        ]
        print(f"{row['label']:<26} {' '.join(cells)}  {row['run']}")


def _cell(value: float | None, form: str, width: int) -> str:
    return ("n/a" if value is None else form.format(value)).rjust(width)
