"""The verb ``report``: a run as one HTML file to send around."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.words import Json, emit, say, spoken


def report(
    run: Annotated[str, typer.Argument(help="Run id or its beginning.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
    days: Annotated[
        str | None,
        typer.Option(
            help="Whose whole traces to put in: all, worst, worst:25, or 2025-01-02,2025-01-03. Without it all, or for a long run the worst."
        ),
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace the file if it is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write a run as one HTML file that needs nothing else: charts, decisions, traces, memory, rules, hashes, notes."""
    with spoken():
        from dataclasses import asdict

        from tqdm import tqdm

        from report import build, choose
        from services import runs as library

        found = build.plan(library.find(run).id, choose.read(days) if days else None)
        with tqdm(total=found.steps, unit="part", file=sys.stderr, mininterval=0.2 if sys.stderr.isatty() else 15) as bar:
            made = build.save(found, out, force=force, progress=lambda done, total: _advance(bar, done))
        say(
            f"written to {out}: {made.size / 1e6:.1f} MB, whole traces of {made.days:,} of {made.days_of:,} days ({found.choice.words}), "
            f"{made.memories:,} of {made.memories_of:,} memories"
        )
        if as_json:
            emit({"out": str(out), "days_chosen": found.choice.words, **asdict(made)})


def _advance(bar: Any, done: int) -> None:
    bar.update(done - bar.n)
