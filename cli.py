"""The same verbs without a screen. Data goes to stdout (``--json``), words for people to stderr.

Exit codes: 0 done, 2 bad input, 3 something outside is unavailable, 1 everything else.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.errors import SpecError
from commands.baselines import baselines
from commands.batch import batch
from commands.compare import compare
from commands.data import app as market
from commands.data import parts
from commands.leaderboard import leaderboard
from commands.models import app as shelf
from commands.prompts import app as wording
from commands.report import report
from commands.words import Json, emit, say, spoken

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: small products on a busy machine are several times slower on two threads

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Recollect: memory-augmented LLM traders, inspected."
)

app.add_typer(market, name="data")
app.add_typer(wording, name="prompts")
app.add_typer(shelf, name="models")
app.command()(report)
app.command()(batch)
app.command()(baselines)
app.command()(compare)
app.command()(leaderboard)


# --------------------------------------------------------------------------------------------------------------------- run


@app.command()
def run(
    spec: Annotated[Path | None, typer.Option(help="A RunSpec as JSON or YAML; flags below override it.")] = None,
    source: Annotated[
        str | None, typer.Option(help="demo, yahoo, folder:PATH, upload:NAME (a dataset), finmem:PATH or finsaber:PATH")
    ] = None,
    news_from: Annotated[str | None, typer.Option(help="Another source for news, such as finnhub_news; 'none' leaves news out.")] = None,
    filings_from: Annotated[str | None, typer.Option(help="Another source for filings and fundamentals, such as edgar; or 'none'.")] = None,
    tickers: Annotated[str | None, typer.Option(help="Comma-separated.")] = None,
    train: Annotated[str | None, typer.Option(help="START:END, both inclusive, ISO dates; 'none' for no training.")] = None,
    test: Annotated[str | None, typer.Option(help="START:END, both inclusive, ISO dates.")] = None,
    strategy: Annotated[str | None, typer.Option(help="memory, hold, or a rule such as rsi_rule, momentum, random_trader")] = None,
    backend: Annotated[str | None, typer.Option(help="rules, ollama or openai_compatible")] = None,
    model: Annotated[str | None, typer.Option(help="Model id, verbatim, such as qwen3:8b.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    preset: Annotated[str | None, typer.Option(help="Memory preset.")] = None,
    character: Annotated[str | None, typer.Option(help="risk_seeking, risk_averse or self_adaptive")] = None,
    embedder: Annotated[str | None, typer.Option(help="minilm, sentence-transformers or hashing")] = None,
    helper: Annotated[
        str | None, typer.Option(help="A second model for digests and reflections: BACKEND:MODEL, such as ollama:qwen3:0.6b; or 'none'.")
    ] = None,
    prompts: Annotated[str | None, typer.Option(help="Set of prompt templates; `prompts list` shows them.")] = None,
    mask: Annotated[
        str | None, typer.Option(help="What to hide from the model: names, dates, prices (comma-separated), all or none.")
    ] = None,
    digest: Annotated[str | None, typer.Option(help="How long texts become memories: extract, model or off.")] = None,
    answer_cache: Annotated[str | None, typer.Option(help="off, write-only or full (do not ask again what was answered before).")] = None,
    name: Annotated[str | None, typer.Option(help="A name for the library.")] = None,
    as_json: Json = False,
) -> None:
    """Run an agent over a window and record every day."""
    with spoken():
        from services import runs

        flags = _flags(source, tickers, train, test, strategy, backend, model, seed, preset, character, name)
        if news_from is not None or filings_from is not None:
            flags["parts"] = parts(news_from or "", filings_from or "")
        flags |= _questions(helper, prompts, mask, digest, answer_cache)
        asked = _spec(spec, flags, embedder)
        _preflight(asked)
        _execute(runs.create(asked), as_json)


def _flags(source, tickers, train, test, strategy, backend, model, seed, preset, character, name) -> dict[str, Any]:
    flags: dict[str, Any] = {"strategy": strategy, "backend": backend, "seed": seed, "preset": preset, "name": name}
    if source is not None:
        kind, _, rest = source.partition(":")
        flags |= {"source": kind, "source_options": {("dataset" if kind == "upload" else "path"): rest} if rest else {}}
    if tickers is not None:
        flags["tickers"] = [t for t in tickers.split(",")]
    for field, value in (("train", train), ("test", test)):
        if value is not None:
            flags[field] = _window(field, value)
    if model is not None:
        flags["backend_options"] = {"model": model}
    if character is not None:
        flags["profile"] = {"character": character}
    return {key: value for key, value in flags.items() if value is not None}


HIDDEN = ("names", "dates", "prices")


def _questions(helper: str | None, prompts: str | None, mask: str | None, digest: str | None, answer_cache: str | None) -> dict[str, Any]:
    """The flags about what is asked and how."""
    flags: dict[str, Any] = {}
    if helper is not None:
        kind, _, model = helper.partition(":")
        flags["helper"] = None if helper == "none" else {"backend": kind, "options": {"model": model} if model else {}}
    if mask is not None:
        asked = HIDDEN if mask == "all" else () if mask == "none" else tuple(part.strip() for part in mask.split(","))
        if strange := [part for part in asked if part not in HIDDEN]:
            raise SpecError(f"--mask takes names, dates, prices, all or none, not {strange[0]!r}", field="masking")
        flags["masking"] = {part: part in asked for part in HIDDEN}
    for key, value in (("prompts", prompts), ("digest", digest and {"mode": digest}), ("answer_cache", answer_cache)):
        if value is not None:
            flags[key] = value
    return flags


def _window(field: str, text: str) -> dict[str, str] | str:
    if text == "none":
        return "none"
    start, colon, end = text.partition(":")
    if not colon or not start or not end:
        raise SpecError(f"--{field} must be START:END with ISO dates, such as 2022-01-03:2022-12-30, not {text!r}", field=field)
    return {"start": start.strip(), "end": end.strip()}


def _spec(file: Path | None, flags: dict[str, Any], embedder: str | None):
    from agent.memory import EMBEDDERS
    from agent.memory.layers import preset
    from agent.spec import RunSpec

    data: dict[str, Any] = _read_spec(file) if file else {}
    if "preset" in flags:
        data.pop("memory", None)
    for key in ("backend_options", "profile", "masking", "digest"):
        if key in flags and isinstance(data.get(key), dict):
            flags[key] = {**data[key], **flags[key]}
    data |= flags
    if data.get("train") == "none":
        data["train"] = None
    if not data.get("tickers"):
        raise SpecError("name at least one ticker: --tickers AAPL,MSFT", field="tickers")
    if not data.get("test"):
        raise SpecError("name the test window: --test START:END", field="test")
    if embedder is not None:
        if embedder not in EMBEDDERS:
            EMBEDDERS.load(embedder)
        memory = data.get("memory") or preset(data.get("preset", "default")).model_dump()
        data["memory"] = {**memory, "embedder": embedder, "embedder_options": {}}
    return RunSpec.read(data)


def _read_spec(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SpecError(f"the spec file {file} cannot be read ({error.strerror})", field="spec") from None
    except UnicodeDecodeError:
        raise SpecError(f"the spec file {file} is not text", field="spec") from None
    import yaml

    try:
        data = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except RecursionError:
        raise SpecError(f"the spec file {file} is nested too deeply to be a spec", field="spec") from None
    except (ValueError, yaml.YAMLError) as error:
        raise SpecError(
            f"the spec file {file} is not valid {'JSON' if file.suffix == '.json' else 'YAML'}: {error}", field="spec"
        ) from None
    if not isinstance(data, dict):
        raise SpecError(f"the spec file {file} must hold one object of keys and values", field="spec")
    return data


def _preflight(spec) -> None:
    """Say what will be run; stop at the first thing that makes it impossible."""
    from services import runs

    found = runs.preflight(spec)
    for check in found.checks:
        if check.severity != "info" and (check.ok or check.severity != "error"):  # errors are said once, by refuse
            say(f"  {'ok' if check.ok and check.severity == 'error' else check.severity}: {check.what}: {check.message}")
    runs.refuse(found)
    say(f"  {found.sessions_train} sessions to learn, {found.sessions_test} to trade, {found.model_calls} model calls")


def _execute(run: str, as_json: bool) -> None:
    from tqdm import tqdm

    from services import queries, worker

    bar: Any = None

    def progress(record, done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(total=total, initial=done - 1, unit="day", file=sys.stderr, mininterval=0.2 if sys.stderr.isatty() else 15)
        decision = record.thought.decision
        bar.set_postfix_str(f"{record.ticker} {record.day} {decision.action or 'no decision' if decision else 'study'}", refresh=False)
        bar.update(1)

    say(f"run {run}")
    try:
        status = worker.execute(run, on_record=progress)
    finally:
        if bar is not None:
            bar.close()
    view = queries.run(run)
    if as_json:
        emit({"run": run, "status": status, "error": view.error, **view.summary})
    _report(view)
    if status == "failed":
        raise typer.Exit(1)


def _report(view) -> None:
    from services import queries

    figures = view.summary
    share = lambda v: "n/a" if v is None else f"{v:+.2%}"  # noqa: E731
    say(f"{view.state}: {view.name} ({view.model_label}){f' - {view.note}' if view.note else ''}")
    if view.error:
        say(f"  {view.error}")
    for note in view.model_notes:
        say(f"  note: {note}")
    say(f"  return {share(figures.get('cum_return'))}, buy and hold {share(figures.get('benchmark_return'))}, after costs")
    say(f"  max drawdown {share(figures.get('max_drawdown'))}, {figures.get('fills', 0)} fills, costs {figures.get('costs', 0):,.2f}")
    if (coverage := figures.get("coverage")) is not None and not view.by_rules:
        say(f"  the model itself decided {math.floor(100 * coverage)}% of the test days")
    if marks := queries.marks(view):
        say(f"  mind: {', '.join(marks)}")
    say(f"  look at it: streamlit run app.py, then ?run={view.id}")


@app.command()
def resume(
    run: Annotated[str, typer.Argument(help="Run id or its beginning.")],
    spec: Annotated[Path | None, typer.Option(help="Refuse unless this is the spec it was started with.")] = None,
    as_json: Json = False,
) -> None:
    """Go on with a paused, interrupted, failed or cancelled run."""
    with spoken():
        from services import runs

        row = runs.find(run)
        runs.may_resume(row.id, _spec(spec, {}, None) if spec else None)
        runs.requeue(row.id)
        _execute(row.id, as_json)


@app.command()
def retry(
    run: Annotated[str, typer.Argument(help="Run id or its beginning.")],
    day: Annotated[str, typer.Option(help="The session to ask again, as 2025-03-31; by default the first without a decision.")] = "",
    ticker: Annotated[str, typer.Option(help="Of several tickers, the one that has no decision on that day.")] = "",
    as_json: Json = False,
) -> None:
    """Ask a day without a decision again; it and all later days are discarded and traded anew."""
    with spoken():
        from services import runs

        row = runs.find(run)
        missed = runs.undecided(row.id)
        found = [one for one in missed.itertuples() if day in ("", str(one.day)) and ticker in ("", one.ticker)]
        if not found:
            which = ", ".join(f"{one.ticker} {one.day}" for one in missed.itertuples()) or "none"
            raise SpecError(f"no such day without a decision; this run has: {which}", field="day")
        gone = runs.take_back(row.id, found[0].ticker, found[0].day)
        say(f"{found[0].ticker} {found[0].day} is asked again; {gone} recorded days from then on are discarded.")
        _execute(row.id, as_json)


# -------------------------------------------------------------------------------------------------------------------- look


@app.command()
def runs(as_json: Json = False) -> None:
    """List the library."""
    with spoken():
        from services import queries

        frame = queries.library()
        if as_json:
            emit(
                []
                if frame.empty
                else json.loads(frame.drop(columns="equity").to_json(orient="records", date_format="iso", default_handler=str))
            )
            return
        if frame.empty:
            say("No runs yet. Make the demo run: python cli.py demo")
            return
        for row in frame.to_dict("records"):
            result = "" if row["return"] is None or row["return"] != row["return"] else f"{row['return']:+8.2%} vs {row['benchmark']:+8.2%}"
            marks = f"  [{'; '.join(row['marks'])}]" if len(row["marks"]) else ""
            print(
                f"{row['run']}  {row['status']:<11} {result:<20} {row['tickers']:<24} {row['test_start']}..{row['test_end']}  {row['model']}  {row['name']}{marks}"
            )


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="Run id or its beginning.")],
    day: Annotated[str | None, typer.Option(help="ISO date: the trace of that day.")] = None,
    ticker: Annotated[str | None, typer.Option(help="Needed with --day when the run has several.")] = None,
    as_json: Json = False,
) -> None:
    """One run, or one day of it."""
    with spoken():
        from services import queries
        from services import runs as library

        view = queries.run(library.find(run).id)
        if day is None:
            if as_json:
                emit(
                    {
                        "run": view.id,
                        "status": view.state,
                        "spec": view.spec.model_dump(mode="json"),
                        "summary": view.summary,
                        "provenance": view.provenance,
                    }
                )
            else:
                _report(view)
            return
        _show_day(view, day, ticker, as_json)


def _show_day(view, day: str, ticker: str | None, as_json: bool) -> None:
    from datetime import date

    from services import queries

    try:
        when = date.fromisoformat(day)
    except ValueError:
        raise SpecError(f"--day must be an ISO date such as 2022-03-04, not {day!r}", field="day") from None
    record = queries.record(view.id, queries.ticker_or_error(view.id, (ticker or view.spec.tickers[0]).upper()), when)
    if as_json:
        emit(record.model_dump(mode="json"))
        return
    thought, decision = record.thought, record.thought.decision
    print(f"{record.ticker} {record.day} ({record.phase})")
    for item in record.observation.news:
        print(f"  news    {item.title}")
    for recall in thought.recalls:
        if not recall.near_miss:
            parts = f"{recall.similarity:.3f} + {recall.recency:.3f} + {recall.importance:.3f} = {recall.score:.3f}"
            print(f"  recall  {recall.layer} #{recall.rank} M{recall.memory_id}: {parts}")
    if decision is not None:
        words = decision.abstained or f"{decision.action} to {decision.target_weight:.0%}, confidence {decision.confidence}"
        print(f"  decided {words} [{decision.provenance}]")
        for sign, reasons in (("+", decision.reasons_for), ("-", decision.reasons_against)):
            for reason in reasons:
                print(f"    {sign}{reason.weight} {reason.claim}")
    for fill in record.fills:
        print(f"  filled  {fill.shares:+.4f} at {fill.price:.4f}")
    print(f"  equity  {record.equity:,.2f}, buy and hold {record.benchmark_equity:,.2f}")


@app.command()
def replay(
    run: Annotated[str, typer.Argument(help="Run id or its beginning.")],
    as_json: Json = False,
) -> None:
    """Run it again from its recorded answers, without any server, and compare every day. Exit 1 if a day differs."""
    with spoken():
        from dataclasses import asdict

        from services import replay as again
        from services import runs as library

        found = again.replay(library.find(run).id)
        if found.same:
            say(f"all {found.days} recorded days come out the same, to the last digit")
        else:
            say(f"{found.equal} of {found.days} days come out the same; the first that does not: {found.difference}")
        if as_json:
            emit(asdict(found) | {"same": found.same})
        if not found.same:
            raise typer.Exit(1)


@app.command()
def export(
    run: Annotated[str, typer.Argument(help="Run id or its beginning.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    force: Annotated[bool, typer.Option(help="Write into a folder that is not empty.")] = False,
    as_json: Json = False,
) -> None:
    """Write a run as a folder of open files."""
    with spoken():
        from services import exports
        from services import runs as library

        counts = exports.export(library.find(run).id, out, force=force)
        say(f"written to {out}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
        if as_json:
            emit({"out": str(out), "rows": counts})


@app.command("import")
def take_in(
    path: Annotated[Path, typer.Argument(help="Folder or zip of an export.")],
    name: Annotated[str | None, typer.Option(help="Another name for the library.")] = None,
    as_json: Json = False,
) -> None:
    """Take a run in that was exported here or on another machine."""
    with spoken():
        from tqdm import tqdm

        from services import imports, queries

        with tqdm(unit="day", file=sys.stderr, mininterval=0.2 if sys.stderr.isatty() else 15, disable=None) as bar:

            def read(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            found = imports.load(path, name=name, on_day=read)
        say(f"already here as run {found.run}" if found.already else f"run {found.run}, {found.days} days")
        for note in found.notes:
            say(f"  note: {note}")
        if as_json:
            emit({"run": found.run, "already": found.already, "days": found.days, "notes": found.notes})
        _report(queries.run(found.run))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Is everything there, and the cure where not."""
    with spoken():
        from services.health import check_all

        checks = check_all()
        for check in checks:
            say(f"  {'ok ' if check.ok else 'BAD' if check.needed else '-- '} {check.what}: {check.message} {check.cure}".rstrip())
        if as_json:
            emit([check.model_dump() for check in checks])
        if any(check.needed and not check.ok for check in checks):
            raise typer.Exit(3)


@app.command()
def demo(
    again: Annotated[bool, typer.Option(help="Make it anew even if it is there.")] = False,
    as_json: Json = False,
) -> None:
    """Make the bundled demo run (synthetic market with a planted signal, no LLM)."""
    with spoken():
        from services import demo as bundled
        from services import queries
        from services import runs as library

        found = bundled.existing()
        if found and not again and queries.run(found).state == "done":
            say(f"The demo run is there: {found}")
            _report(queries.run(found))
            if as_json:
                emit({"run": found})
            return
        if found and not again and queries.run(found).state in library.ACTIVE:
            say(f"The demo run {found} is being made")
            return
        _execute(library.create(bundled.spec()), as_json)


if __name__ == "__main__":
    app()
