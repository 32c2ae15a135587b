"""Prompt sets as a person handles them: list, read, copy, edit, compare, and see which runs were asked with which wording.

``get`` is what a run is made with: complete and without an error, or a SpecError. Everything else shows a set as it is, mistakes
included, so that they can be mended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from agent.decision import prompt_set
from agent.decision.prompt_set import Difference, Problem, PromptSet, shipped
from agent.errors import RecollectError, SpecError
from services.settings import settings
from storage import prompt_files
from storage.prompt_files import SHIPPED, Version

__all__ = ["SHIPPED", "Difference", "Listed", "Problem", "PromptSet", "Version"]


@dataclass(frozen=True)
class Listed:
    """A set in the list. ``hash`` is that of the wording a run would be asked with; ``error`` set: it cannot be read, and why.

    ``borrowed``: templates that it takes from the shipped set. ``runs``: ids of the runs that were asked with this very wording.
    """

    name: str
    hash: str = ""
    templates: tuple[str, ...] = ()
    borrowed: tuple[str, ...] = ()
    characters: int = 0
    problems: tuple[Problem, ...] = ()
    saved_at: datetime | None = None
    runs: tuple[str, ...] = ()
    error: str = ""

    @property
    def own(self) -> bool:
        return self.name != SHIPPED

    @property
    def usable(self) -> bool:
        return not self.error and not any(item.level == "error" for item in self.problems)


def sets() -> list[Listed]:
    """The shipped set, then people's own by name. One that cannot be read is listed with the reason."""
    used = uses()
    found = []
    for name in (SHIPPED, *prompt_files.names(settings().prompts)):
        try:
            prompts = written(name)
            found.append(_listed(prompts, prompts.completed(), used))
        except RecollectError as error:
            found.append(Listed(name, error=str(error)))
    return found


def _listed(prompts: PromptSet, whole: PromptSet, used: Mapping[str, tuple[str, ...]]) -> Listed:
    own = prompts.name != SHIPPED
    return Listed(
        prompts.name,
        hash=whole.hash,
        templates=tuple(sorted(whole.texts)),
        borrowed=prompts.borrowed,
        characters=sum(map(len, whole.texts.values())),
        problems=prompt_set.problems(whole),
        saved_at=prompt_files.versions(settings().prompts, prompts.name)[0].saved_at if own else None,
        runs=used.get(whole.hash, ()),
    )


def get(name: str) -> PromptSet:
    """The set as a run uses it: complete, and without an error. SpecError names the nearest set, or what is wrong with this one."""
    whole = written(name).completed()
    prompt_set.check(whole)
    return whole


def written(name: str) -> PromptSet:
    """The set as it is written, mistakes included. SpecError with the nearest name if there is none."""
    return shipped() if name == SHIPPED else prompt_files.read(settings().prompts, name)


def wording(reference: str) -> PromptSet:
    """``default``, ``mine``, ``mine@hash`` for an earlier wording of it, or ``run:ID`` for what a run was asked with; as it was written."""
    if reference.startswith("run:"):
        return _of_run(reference.removeprefix("run:"))
    name, at, hash = reference.partition("@")
    if at and name == SHIPPED:
        raise SpecError("The shipped set has no versions here; copy it to keep a wording.", field="prompts")
    return prompt_files.version(settings().prompts, name, hash) if at else written(name)


def _of_run(run: str) -> PromptSet:
    from services import runs  # which checks prompts before a start, and so imports this

    row = runs.store().run(run)
    try:
        return PromptSet.model_validate(row.provenance["prompt_set"])
    except (KeyError, ValidationError):
        raise SpecError(f"The run {run} did not keep the texts it was asked with.", field="prompts") from None


def copy(source: str, new: str) -> PromptSet:
    """A new set with the wording of another (see ``wording``)."""
    return prompt_files.save(settings().prompts, prompt_files.checked_name(new.strip()), wording(source).texts, fresh=True)


def save(name: str, texts: Mapping[str, str], *, before: str | None = None) -> PromptSet:
    """Give one's own set these templates; SpecError with what is wrong, and nothing is written then.

    ``before``: the hash of the wording that was edited (``written(name).hash``); refused if another was saved since.
    """
    prompt_files.checked_name(name)
    tidy = {template: prompt_files.tidy(template, text) for template, text in texts.items()}
    prompt_set.check(PromptSet(name=name, texts=tidy).completed())
    return prompt_files.save(settings().prompts, name, tidy, before=before)


def delete(name: str) -> str:
    """Move a set to the trash; returns what ``undelete`` takes."""
    return prompt_files.delete(settings().prompts, name)


def undelete(label: str) -> str:
    """Put a deleted set back; returns its name."""
    return prompt_files.restore(settings().prompts, label)


def versions(name: str) -> list[Version]:
    """The wordings a set of one's own has had, newest first; none for the shipped set, which only an update changes."""
    return [] if name == SHIPPED else prompt_files.versions(settings().prompts, name)


def problems(prompts: PromptSet) -> tuple[Problem, ...]:
    """What is wrong with a set as a run would use it."""
    return prompt_set.problems(prompts.completed())


def uses() -> dict[str, tuple[str, ...]]:
    """Hash of a wording -> ids of the runs that were asked with it, newest first."""
    from services import runs

    found: dict[str, tuple[str, ...]] = {}
    for row in runs.store().runs():
        kept = row.provenance.get("prompts")
        hash = kept.get("hash") if isinstance(kept, Mapping) else kept
        if isinstance(hash, str) and hash:
            found[hash] = (*found.get(hash, ()), row.id)
    return found


def diff(one: str, other: str) -> tuple[Difference, ...]:
    """What changes from the one reference (as ``wording``) to the other, template by template, as runs would use them."""
    return prompt_set.diff(wording(one).completed(), wording(other).completed())


def home() -> str:
    """The folder of people's own sets, for those who edit with another program."""
    return str(settings().prompts)


def run_names(ids: tuple[str, ...]) -> dict[str, str]:
    """Names of runs for people; a run that nobody named has its id."""
    from services import runs

    wanted = set(ids)
    return {row.id: row.name or row.id for row in runs.store().runs() if row.id in wanted}
