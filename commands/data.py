"""``recollect data``: fetch, check, import, list, export and delete market data without a screen."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.errors import SpecError
from commands.words import Json, emit, say, spoken

if TYPE_CHECKING:  # both take a moment to import
    from agent.market.upload import Mapping
    from services.market_data import Choice

app = typer.Typer(no_args_is_help=True, help="Market data: fetch, check, import, list, export, delete.")

From = Annotated[str, typer.Option("--source", help="demo, yahoo, edgar, folder:PATH, upload:NAME, finmem:PATH, finsaber:PATH")]
Tickers = Annotated[str, typer.Option(help="Comma-separated.")]
Start = Annotated[str, typer.Option(help="First day, ISO.")]
End = Annotated[str, typer.Option(help="Last day, ISO, included.")]
NewsFrom = Annotated[str, typer.Option(help="Another source for news, such as finnhub_news; 'none' leaves news out.")]
FilingsFrom = Annotated[str, typer.Option(help="Another source for filings and fundamentals, such as edgar; 'none' leaves them out.")]


def _choice(source: str, news_from: str, filings_from: str) -> Choice:
    """The source of the flags, with the parts that come from elsewhere."""
    from services import market_data

    return market_data.Choice.model_validate({**market_data.read_choice(source).model_dump(), "parts": parts(news_from, filings_from)})


def parts(news_from: str, filings_from: str) -> dict[str, Any]:
    """The ``parts`` of a spec from two flags; an empty one says nothing."""
    from services import market_data

    found: dict[str, Any] = {}
    for text, tables in ((news_from, ("news",)), (filings_from, ("filings", "fundamentals"))):
        if text:
            one = {"source": "none"} if text == "none" else market_data.read_choice(text).model_dump(include={"source", "options"})
            found |= {table: one for table in tables}
    return found


def _day(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SpecError(f"--{field} must be an ISO date such as 2025-01-31, not {text!r}", field=field) from None


def _tickers(text: str) -> list[str]:
    found = list(dict.fromkeys(part.strip().upper() for part in text.split(",") if part.strip()))
    if not found:
        raise SpecError("name at least one ticker: --tickers AAPL,MSFT", field="tickers")
    return found


@app.command()
def fetch(
    source: From,
    tickers: Tickers,
    start: Start,
    end: End,
    news_from: NewsFrom = "",
    filings_from: FilingsFrom = "",
    name: Annotated[str, typer.Option(help="Keep what was fetched as a dataset of this name.")] = "",
    again: Annotated[bool, typer.Option(help="Ask again for what may have changed, even if the cache is fresh.")] = False,
    replace: Annotated[bool, typer.Option(help="Replace a dataset of this name.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch tables into the cache, ticker by ticker; one that fails does not stop the others. Exit 3 if any failed."""
    with spoken():
        from services import market_data

        choice, wanted = _choice(source, news_from, filings_from), _tickers(tickers)
        first, last = _day(start, "start"), _day(end, "end")
        if last > datetime.now(UTC).date():
            say(f"  {last} is still to come: rows end with the last completed session")
        steps = []
        for step in market_data.refresh(choice, wanted, first, last, force=again):
            steps.append(step)
            words = step.problem or f"{step.rows} rows" + (f", {step.first} to {step.last}" if step.first else "")
            say(f"  {'ok ' if step.ok else 'BAD'} {step.ticker} {step.table}: {words}")
            for issue in step.issues:
                say(f"      {issue.severity}: {issue.message}")
        saved = None
        good = [ticker for ticker in wanted if any(s.ok and s.table == "bars" and s.rows for s in steps if s.ticker == ticker)]
        if name and good:
            saved = market_data.save(choice, good, first, last, name, replace=replace)
            say(f"kept as {saved.name!r}: {', '.join(good)}")
        if as_json:
            emit({"steps": [asdict(step) | {"ok": step.ok} for step in steps], "dataset": saved.name if saved else None})
        if any(not step.ok for step in steps):
            raise typer.Exit(3)


@app.command()
def check(
    source: From,
    start: Start,
    end: End,
    tickers: Annotated[str, typer.Option(help="Comma-separated; all of the source where it lists them.")] = "",
    news_from: NewsFrom = "",
    filings_from: FilingsFrom = "",
    as_json: Json = False,
) -> None:
    """The quality report. Exit 2 if the rows cannot be traded on."""
    with spoken():
        from services import market_data

        choice = _choice(source, news_from, filings_from)
        wanted = _tickers(tickers or ",".join(item.ticker for item in choice.open().listings()))
        issues = market_data.check(choice, wanted, _day(start, "start"), _day(end, "end"))
        for issue in issues:
            say(f"  {issue.severity}: {issue.message}")
        if not issues:
            say(f"  nothing odd in {', '.join(wanted)}")
        if as_json:
            emit([asdict(issue) for issue in issues])
        if any(issue.severity == "error" for issue in issues):
            raise typer.Exit(2)


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="A CSV or Parquet file, env_data.pkl, or a folder (FINSABER, canonical tables).")],
    name: Annotated[str, typer.Option(help="Name of the dataset.")],
    kind: Annotated[str, typer.Option(help="auto, table, folder, finmem or finsaber")] = "auto",
    tickers: Annotated[str, typer.Option(help="Only these, comma-separated (folder, finmem, finsaber).")] = "",
    table: Annotated[str, typer.Option(help="bars, news, filings, dividends, splits or fundamentals (tables).")] = "",
    symbol: Annotated[str, typer.Option(help="The ticker, where the file has no column for it.")] = "",
    zone: Annotated[str, typer.Option(help="Time zone of naive times, such as America/New_York.")] = "",
    day_order: Annotated[str, typer.Option(help="ymd, dmy or mdy, where days could be read both ways.")] = "",
    basis: Annotated[str, typer.Option(help="traded, split or adjusted: what the prices are.")] = "",
    column: Annotated[list[str] | None, typer.Option(help="Mapping, repeatable: close=Last, published_at=Datetime.")] = None,
    exchange: Annotated[str, typer.Option(help="Four-letter code of the exchange.")] = "XNYS",
    currency: Annotated[str, typer.Option(help="Currency of the prices.")] = "USD",
    replace: Annotated[bool, typer.Option(help="Replace what is there.")] = False,
    as_json: Json = False,
) -> None:
    """Import a file or folder of your own as a named dataset."""
    with spoken():
        from services import market_data

        if not path.exists():
            raise SpecError(f"{path} does not exist", field="path")
        sort = _kind(path) if kind == "auto" else kind
        if sort == "table":
            given = {"table": table, "symbol": symbol, "zone": zone, "day_order": day_order, "basis": basis}
            mapping = _mapping(path, {key: value for key, value in given.items() if value}, column or [], exchange, currency)
            made, issues = market_data.add_file(name, path, path.name, mapping, replace=replace)
            for issue in issues:
                say(f"  {issue.severity}: {issue.message}")
        elif sort in ("folder", "finmem", "finsaber"):
            made = market_data.add_folder(name, sort, path, tickers=_tickers(tickers) if tickers else (), replace=replace)
        else:
            raise SpecError(f"--kind must be auto, table, folder, finmem or finsaber, not {sort!r}", field="kind")
        say(f"imported as {made.name!r}: " + ", ".join(f"{table} {rows}" for table, rows in made.tables.items()))
        if as_json:
            emit(asdict(made))


def _kind(path: Path) -> str:
    """What a path looks like, where nobody said."""
    if path.is_dir():
        return "finsaber" if (path / "price_daily").is_dir() else "folder"
    return "finmem" if path.suffix.lower() in (".pkl", ".pickle") else "table"


def _mapping(path: Path, given: dict[str, str], columns: list[str], exchange: str, currency: str) -> Mapping:
    """What the file itself suggests, with what was said on the command line on top; a question left open is an error that says so."""
    from agent.market import upload

    seen = upload.look(path, path.name)
    mapped = dict(seen.mapping)
    for item in columns:
        ours, equals, theirs = item.partition("=")
        if not equals:
            raise SpecError(f"--column must be OURS=THEIRS, such as close=Last, not {item!r}", field="column")
        mapped[ours.strip()] = theirs.strip()
    for question in seen.questions:
        if question not in given:
            raise SpecError(
                f"{path.name} does not say its {question.replace('_', ' ')}: add --{question.replace('_', '-')}", field=question
            )
    return upload.Mapping.model_validate({"table": seen.table, "exchange": exchange, "currency": currency} | given | {"columns": mapped})


@app.command("list")
def list_(
    cache: Annotated[bool, typer.Option(help="What the cache holds instead of the datasets.")] = False,
    as_json: Json = False,
) -> None:
    """The named datasets, or what the cache holds."""
    with spoken():
        from services import market_data

        if cache:
            frame = market_data.held()
            if frame.empty:
                say("The cache is empty. What a run or `cli.py data fetch` asks a source for is kept there.")
            for row in frame.to_dict("records"):
                say(f"{row['source']:<14} {row['table']:<13} {row['symbol']:<12} {row['rows']:>7} rows  {row['first']} .. {row['last']}")
            if as_json:
                emit(json.loads(frame.to_json(orient="records", date_format="iso", default_handler=str)))
            return
        found = market_data.datasets()
        for item in found:
            tables = ", ".join(f"{table} {rows}" for table, rows in item.tables.items())
            say(f"{item.name:<24} {item.error or f'{tables}  {item.first} .. {item.last}  ({len(item.symbols)} tickers)'}")
        if not found:
            say("No dataset yet. Fetch one with --name, or import a file: cli.py data import prices.csv --name mine")
        if as_json:
            emit([asdict(item) for item in found])


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="Name of the dataset.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    as_json: Json = False,
) -> None:
    """Write a dataset as a folder of open files that the folder source reads as it is."""
    with spoken():
        from services import market_data

        counts = market_data.export_dataset(name, out)
        say(f"written to {out}: " + ", ".join(f"{table} {rows}" for table, rows in counts.items()))
        if as_json:
            emit({"out": str(out), "rows": counts})


@app.command()
def delete(
    name: Annotated[str, typer.Argument(help="Name of the dataset, or of a source with --cache.")],
    cache: Annotated[bool, typer.Option(help="Delete what the cache holds of this source instead.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without being asked.")] = False,
    as_json: Json = False,
) -> None:
    """Delete a dataset; runs made on it keep their records."""
    with spoken():
        from services import market_data

        if not yes and not typer.confirm(f"Delete {'the cache of ' if cache else ''}{name!r}?", err=True):
            raise typer.Exit(1)
        count = market_data.forget(name) if cache else None
        if not cache:
            market_data.delete_dataset(name)
        say(f"deleted {name!r}" + (f": {count} files" if count is not None else ""))
        if as_json:
            emit({"deleted": name, "files": count})
