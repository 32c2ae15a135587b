"""``recollect models``: look at the servers and their models, fetch and delete, probe, ask, and set knowledge cut-offs without a screen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.errors import SpecError, Unavailable
from commands.words import Json, emit, say, spoken

if TYPE_CHECKING:  # takes a moment to import
    from agent.llm.pulls import Pull
    from services.model_jobs import Probe, Trial

app = typer.Typer(no_args_is_help=True, help="Models: list, pull, delete, check, ask, knowledge cut-offs.")

Name = Annotated[str, typer.Argument(help="Model name, verbatim, such as qwen3:8b.")]
At = Annotated[str, typer.Option("--server", help="Address of the Ollama server; empty takes OLLAMA_HOST or OLLAMA_BASE_URL.")]
LINE_S = 2.0  # between two lines of progress


@app.command("list")
def list_(server: At = "", as_json: Json = False) -> None:
    """The servers and the models installed on Ollama. Exit 3 if Ollama cannot be used."""
    with spoken():
        from services import models

        ollama, other = models.servers(server)
        _line("Ollama", ollama)
        _line("OpenAI-compatible", other)
        found = models.installed(server) if ollama.models else ()
        for model in found:
            cutoff = model.cutoff.month if model.cutoff and model.cutoff.month else "unknown"
            about = [_gigabytes(model.size), model.parameters, model.quantisation, f"{model.context or '?'} tokens", model.use]
            print(
                f"{_safe(model.name):<36} {'  '.join(_safe(part) for part in about if part):<52} knows until {cutoff}  {model.digest[:12]}"
            )
        if as_json:
            data = {"servers": [each.model_dump(mode="json") for each in (ollama, other)]}
            emit({**data, "models": [model.model_dump(mode="json") for model in found]})
        if ollama.ok is False:
            raise typer.Exit(3)


def _line(what: str, server: Any) -> None:
    mark = {True: "ok ", False: "BAD", None: "-- "}[server.ok]
    key = f" Key: {server.key_variable} {'is' if server.key_set else 'is not'} set." if server.key_variable else ""
    say(f"  {mark} {what} ({server.came_from}): {_safe(server.message)} {server.cure}{key}".rstrip())


@app.command()
def pull(name: Name, server: At = "", as_json: Json = False) -> None:
    """Fetch a model onto the Ollama server. Stop it with Ctrl+C: pulling again goes on from there. Exit 3 if it failed."""
    with spoken():
        from services import model_jobs

        seen = model_jobs.pull(name, server)
        said = -LINE_S
        try:
            while seen.active:
                seen = model_jobs.wait_for_pull(seen, 0.2)
                if seen.active and time.monotonic() - said >= LINE_S:
                    said = time.monotonic()
                    say(f"  {_progress(seen)}")
        except KeyboardInterrupt:
            model_jobs.cancel_pull(seen)
            seen = model_jobs.wait_for_pull(seen, 5)
            raise
        if as_json:
            emit(seen.model_dump(mode="json"))
        if seen.state != "done":
            raise Unavailable(_safe(seen.reason), cure=seen.cure)
        say(f"pulled {_safe(seen.model)}: {_gigabytes(seen.total)} in {seen.seconds:.0f} s")


def _progress(seen: Pull) -> str:
    if not seen.total:
        return _safe(seen.status or "asking the library")
    pace = f", {seen.rate / 1e6:.1f} MB/s" if seen.rate else ""
    left = f", {seen.eta_s:.0f} s left" if seen.eta_s is not None else ""
    return f"{seen.share:4.0%} of {_gigabytes(seen.total)} ({seen.state}{pace}{left})"


@app.command()
def delete(
    name: Name,
    server: At = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it without being asked.")] = False,
    as_json: Json = False,
) -> None:
    """Remove a model from the server's disk; runs made with it keep their records."""
    with spoken():
        from services import models

        if working := models.busy_with(name):
            say(f"  warning: it is in use by {', '.join(map(_safe, working[:5]))}")
        if not yes and not typer.confirm(f"Delete {_safe(name)} from the server's disk?", err=True):
            raise typer.Exit(1)
        models.delete(name, server)
        say(f"deleted {_safe(name)}")
        if as_json:
            emit({"deleted": name})


@app.command()
def check(name: Name, server: At = "", as_json: Json = False) -> None:
    """Load a model and find out how it can be asked: ways of answering, window, speed. Exit 3 if it cannot be used."""
    with spoken():
        from services import model_jobs

        say("  loading the model and asking it a handful of small questions …")
        model_jobs.probe(name, server)
        try:
            found = _wait(lambda: model_jobs.probed(name, server))
        except KeyboardInterrupt:
            model_jobs.stop_probe(name, server)
            raise
        if as_json:
            emit(found.model_dump(mode="json"))
        if found.state != "done":
            raise Unavailable(_safe(found.reason), cure=found.cure)
        _report(found)


def _report(found: Probe) -> None:
    facts = found.found
    kept = facts.get("abilities")
    abilities: dict[str, Any] = kept if isinstance(kept, dict) else {}
    for way, works in (abilities.get("ways") or {}).items():
        say(f"  {'ok ' if works else 'no '} {way}{'' if works else ': ' + _safe((abilities.get('why') or {}).get(way, ''))}")
    shown = ("way", "effective_num_ctx", "context_length", "quantisation", "parameter_size", "server_version", "digest")
    for key in shown:
        if facts.get(key) not in (None, "", []):
            say(f"  {key.replace('_', ' ')}: {_safe(facts[key])}")
    say(f"checked {_safe(found.model)} in {found.seconds:.1f} s")


@app.command()
def ask(
    name: Name,
    prompt: Annotated[str, typer.Argument(help="The question.")],
    system: Annotated[str, typer.Option(help="System prompt.")] = "",
    think: Annotated[bool, typer.Option("--think", help="Let it think first, if it can.")] = False,
    longest: Annotated[int, typer.Option(min=1, max=8192, help="Longest answer in tokens.")] = 512,
    backend: Annotated[str, typer.Option(help="ollama or openai_compatible")] = "ollama",
    server: At = "",
    as_json: Json = False,
) -> None:
    """Put one free question to a model and print its answer."""
    with spoken():
        from services import model_jobs

        if backend not in ("ollama", "openai_compatible"):
            raise SpecError(f"--backend must be ollama or openai_compatible, not {backend!r}", field="backend")
        model_jobs.ask("cli", backend, {"model": name, "base_url": server}, prompt, system=system, think=think, longest=longest)
        try:
            found = _wait(lambda: model_jobs.asked("cli"))
        except KeyboardInterrupt:
            model_jobs.stop_asking("cli")
            raise
        if found.state != "done":
            raise Unavailable(_safe(found.reason), cure=found.cure)
        if as_json:
            emit(found.model_dump(mode="json"))
        else:
            print(_safe(found.said.text, lines=True))
        _numbers(found)


def _numbers(found: Trial) -> None:
    said = found.said
    facts = [f"{found.seconds:.1f} s", f"{said.answer_tokens} tokens" if said.answer_tokens else ""]
    facts += [
        f"{said.per_second:.1f} tokens/s" if said.per_second else "",
        "" if said.done_reason == "stop" else f"ended: {said.done_reason}",
    ]
    say("  " + ", ".join(fact for fact in facts if fact))
    if said.note:
        say(f"  {said.note}")


def _wait(look: Any) -> Any:
    while (found := look()).state == "running":
        time.sleep(0.05)
    return found


@app.command()
def cutoff(
    name: Annotated[str, typer.Argument(help="Model name; without a month, what is known about it is shown.")],
    month: Annotated[str, typer.Argument(help="YYYY-MM to set it, 'unknown', or 'reset' for what comes with Recollect.")] = "",
    source: Annotated[str, typer.Option(help="Who says so, in words.")] = "",
    sure: Annotated[bool, typer.Option("--stated", help="The vendor states it; else it counts as an estimate.")] = False,
    as_json: Json = False,
) -> None:
    """Until when a model knows the world: show it, set it with its source, or reset it."""
    with spoken():
        from pydantic import ValidationError

        from agent.llm.cutoffs import Cutoff, cutoff_of
        from services import models

        if month == "reset":
            models.reset_cutoff(name)
        elif month:
            sureness = "unknown" if month == "unknown" else "stated by vendor" if sure else "estimated"
            try:
                given = Cutoff(month="" if month == "unknown" else month, source=source, sureness=sureness)  # type: ignore[arg-type]
            except ValidationError as error:
                raise SpecError(f"{error.errors()[0]['msg'].removeprefix('Value error, ')}", field="month") from None
            models.enter_cutoff(name, given)
        if problem := models.entered().problem:
            say(f"  warning: {problem}")
        found = cutoff_of(name, models.edited_cutoffs())
        if found is None or not found.month:
            say(f"{_safe(name)}: not known{'. ' + _safe(found.source) if found and found.source else ''}")
        else:
            mine = ", entered here" if found.edited else ""
            say(f"{_safe(name)}: knows the world until {found.month} ({found.sureness}{mine}). {_safe(found.source)}".rstrip())
        if as_json:
            emit({"model": name, "cutoff": found.model_dump(mode="json") if found else None})


def _gigabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _safe(value: object, *, lines: bool = False) -> str:
    """A server's or model's words without what a terminal would act on."""
    return "".join(char if char.isprintable() or (lines and char in "\n\t") else "\ufffd" for char in str(value))
