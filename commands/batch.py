"""The verb ``batch``: many runs asked for in one file, planned, worked on within limits, gone on with after any kind of end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.errors import RecollectError, SpecError
from commands.words import Json, emit, say, spoken

FIGURES = ("return", "benchmark", "excess", "sharpe", "max_drawdown", "coverage", "calls", "cost_usd")


def batch(
    file: Annotated[Path | None, typer.Argument(help="A batch as YAML; docs/batch.yaml is an example.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what it would be: runs, model calls, time, cost.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Start even if it is many runs.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start it in a process of its own and come back at once.")] = False,
    resume: Annotated[str, typer.Option(help="Go on with this batch: every run that is not over.")] = "",
    retry: Annotated[str, typer.Option(help="Try the failed runs of this batch again, and go on with the rest.")] = "",
    pause: Annotated[str, typer.Option(help="Stop this batch after the days in hand.")] = "",
    cancel: Annotated[str, typer.Option(help="Stop this batch for good; what was recorded stays.")] = "",
    show: Annotated[str, typer.Option(help="The runs of this batch and their results.")] = "",
    listed: Annotated[bool, typer.Option("--list", help="All batches.")] = False,
    as_json: Json = False,
) -> None:
    """Several models, tickers, characters, presets, prompts and seeds as one batch of runs."""
    with spoken():
        from services import batches

        wished = [bool(file), bool(resume), bool(retry), bool(pause), bool(cancel), bool(show), listed]
        if sum(wished) != 1:
            raise SpecError("name a batch file, or one of --resume, --retry, --pause, --cancel, --show and --list", field="batch")
        if file is not None:
            _begin(file, only_plan=plan, yes=yes, detach=detach, as_json=as_json)
        elif listed:
            _list(as_json)
        elif show:
            _report(batches.find(show).id, as_json)
        elif pause or cancel:
            chosen = batches.find(pause or cancel).id
            (batches.pause if pause else batches.cancel)(chosen)
            say(f"batch {chosen}: {batches.state(batches.book().batch(chosen))}; runs at work finish the day in hand")
            if as_json:
                emit({"batch": chosen, "status": batches.state(batches.book().batch(chosen))})
        else:
            chosen = batches.find(resume or retry).id
            if resume:
                batches.prepare_resume(chosen)
            else:
                say(f"{batches.prepare_retry(chosen)} failed runs are tried again")
            _work(chosen, detach=detach, as_json=as_json)


def _begin(file: Path, *, only_plan: bool, yes: bool, detach: bool, as_json: bool) -> None:
    from services import batch_plan, batch_spec, batches, runs

    asked = batch_spec.load(file)
    cells = batch_spec.expand(asked)
    found = batch_plan.plan(asked, cells)
    _tell_plan(found)
    if only_plan and as_json:
        body = found.model_dump(mode="json", exclude={"checks"})
        emit({**body, "ok": found.ok, "members": [{**cell.labels, "name": cell.spec.name} for cell in cells]})
    for check in found.checks:
        if not check.ok and check.severity == "error":
            say(f"  stops: {check.what}: {check.message}")
    runs.refuse(runs.Preflight(sessions_train=0, sessions_test=0, model_calls=0, checks=found.checks))
    if only_plan:
        return
    if found.runs > batch_spec.MOST_UNASKED and not yes:
        raise SpecError(f"this batch is {found.runs} runs; look at --plan, then start it with --yes", field="batch")
    _work(batches.create(asked, cells), detach=detach, as_json=as_json)


def _tell_plan(found: Any) -> None:
    hours = "" if found.seconds is None else f"about {_duration(found.seconds)}, "
    money = "" if found.cost_usd is None else f"about {found.cost_usd:,.4f} USD, "
    for check in found.checks:
        if check.severity != "info" and not check.ok and check.severity != "error":
            say(f"  {check.severity}: {check.what}: {check.message}")
    say(
        f"  {found.runs} runs of {found.configurations} configurations, {found.sessions:,} days to record, {found.model_calls:,} model calls"
    )
    say(f"  time: {hours}{found.time}")
    say(f"  cost: {money}{found.cost}")
    for lane in found.lanes:
        say(f"  {lane.runs} runs with {lane.under}: {lane.at_once} at the same time")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _work(batch: str, *, detach: bool, as_json: bool) -> None:
    from services import batches

    say(f"batch {batch}")
    if detach:
        batches.start_worker(batch)
        if as_json:
            emit({"batch": batch, "status": "queued"})
        return
    _until_it_ends(batch)
    counts = _report(batch, as_json)
    say(f"  look at it: streamlit run app.py, then the page Batches, ?batch={batch}")
    if counts.get("failed"):
        raise typer.Exit(1)


def _until_it_ends(batch: str) -> None:
    from tqdm import tqdm

    from services import batch_worker, batches

    with tqdm(total=len(batches.view(batch).entries), unit="run", file=sys.stderr, mininterval=0.2 if sys.stderr.isatty() else 15) as bar:

        def look() -> None:
            seen = batches.view(batch)
            bar.n = sum(seen.counts.get(state, 0) for state in batches.OVER)
            bar.set_postfix_str(
                f"{seen.share:.0%} of the work, {seen.counts.get('running', 0)} at work, {seen.counts.get('failed', 0)} failed"
            )

        batch_worker.work(batch, on_look=look)


def _report(batch: str, as_json: bool) -> dict[str, int]:
    from services import batches

    seen = batches.view(batch)
    frame = batches.table(seen)
    if as_json:
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        emit({"batch": batch, "name": seen.name, "status": seen.state, "counts": seen.counts, "runs": rows})
    else:
        for row in batches.groups(frame).to_dict("records"):
            spread = f" ({_share(row['return_min'])} to {_share(row['return_max'])})" if row["done"] > 1 else ""
            what = " · ".join(str(row[name]) for name in ("model", "tickers", "character", "preset"))
            print(f"{_share(row['return']):>8}{spread}  {row['done']}/{row['seeds']} seeds  {what}")
    told = ", ".join(f"{count} {state}" for state, count in seen.counts.items())
    say(f"{seen.state}: {seen.name}: {told}")
    for row in frame[frame["error"] != ""].head(5).to_dict("records"):
        say(f"  run {row['run']} ({row['state']}): {row['error']}")
    return seen.counts


def _share(value: float | None) -> str:
    return "n/a" if value is None or value != value else f"{value:+.2%}"


def _list(as_json: bool) -> None:
    from services import batches

    found = []
    for row in batches.rows():
        try:
            seen = batches.view(row.id)
        except RecollectError as error:
            say(f"  batch {row.id}: {error}")
            continue
        found.append(
            {"batch": row.id, "name": seen.name, "status": seen.state, "created": row.created_at, "runs": row.runs, "counts": seen.counts}
        )
    if as_json:
        emit(found)
    elif not found:
        say("No batches yet. An example: python cli.py batch docs/batch.yaml --plan")
    else:
        for item in found:
            told = ", ".join(f"{count} {state}" for state, count in item["counts"].items())
            print(f"{item['batch']}  {item['status']:<11} {item['created']:%Y-%m-%d %H:%M}  {item['name']}: {told}")
