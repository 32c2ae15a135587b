"""``recollect prompts``: list, show, copy and compare the sets of prompt templates, which any editor can change."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.words import Json, emit, say, spoken

app = typer.Typer(no_args_is_help=True, help="Prompt sets: list, show, copy, diff. A set is a folder of text files; edit it with anything.")

Reference = "default, a set of yours, NAME@HASH for an earlier wording, or run:ID for what a run was asked with"


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Every set with its wording, its mistakes and the runs that were asked with it."""
    with spoken():
        from services import prompts

        found = prompts.sets()
        say(f"your own sets lie in {prompts.home()}")
        for item in found:
            if item.error:
                say(f"  BAD {item.name}: {item.error}")
                continue
            state = "ok " if item.usable else "BAD"
            say(f"  {state} {item.name}: wording {item.hash}, {len(item.templates)} templates, {len(item.runs)} runs")
            for problem in item.problems:
                say(f"      {problem.level}: {problem.message}")
        if as_json:
            emit(
                [
                    {
                        "name": item.name,
                        "hash": item.hash,
                        "usable": item.usable,
                        "templates": item.templates,
                        "borrowed": item.borrowed,
                        "problems": [problem.model_dump() for problem in item.problems],
                        "error": item.error,
                        "runs": item.runs,
                    }
                    for item in found
                ]
            )


@app.command()
def show(
    name: Annotated[str, typer.Argument(help=Reference)],
    template: Annotated[str, typer.Argument(help="One template, such as decide_system; all without it.")] = "",
    as_json: Json = False,
) -> None:
    """The texts of a set, as they are written."""
    with spoken():
        from agent.errors import SpecError
        from agent.registry import unknown
        from services import prompts

        found = prompts.wording(name).completed()
        if template and template not in found.texts:
            raise SpecError(unknown(f"template of {name}:", template, found.texts), field="template")
        texts = {template: found.texts[template]} if template else found.texts
        if as_json:
            emit({"name": found.name, "hash": found.hash, "texts": texts})
            return
        for title, text in sorted(texts.items()):
            say(f"== {title}")
            typer.echo(text, nl=False)


@app.command()
def copy(
    source: Annotated[str, typer.Argument(help=Reference)],
    name: Annotated[str, typer.Argument(help="Name of the new set: letters, digits, - and _.")],
    as_json: Json = False,
) -> None:
    """A set of your own with the wording of another, to edit."""
    with spoken():
        from services import prompts

        made = prompts.copy(source, name)
        say(f"{made.name} lies in {prompts.home()}/{made.name}: edit its .txt files, then run with --prompts {made.name}")
        if as_json:
            emit({"name": made.name, "hash": made.hash, "folder": f"{prompts.home()}/{made.name}"})


@app.command()
def diff(
    one: Annotated[str, typer.Argument(help=Reference)],
    other: Annotated[str, typer.Argument(help="The same.")],
    as_json: Json = False,
) -> None:
    """What changes from the one wording to the other, line by line. Exit 0 whether or not there is a difference."""
    with spoken():
        from services import prompts

        found = prompts.diff(one, other)
        if as_json:
            emit([item.model_dump() for item in found])
            return
        for item in found:
            if item.state == "same":
                continue
            say(f"== {item.template}: {item.state}, -{item.removed} +{item.added}")
            for line in item.lines:
                if line.sign != " ":
                    typer.echo(f"{line.sign}{line.one or line.other:4d} {line.text}")
        if all(item.state == "same" for item in found):
            say("the same, letter by letter")
