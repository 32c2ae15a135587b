"""The wording of the questions: named templates in files, identified together by a hash, checked before a run uses them.

The shipped set lies in ``templates/``; people copy it and change the copy. A run keeps the texts it was asked with, so that editing a
set later changes no run that exists.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from string import Template

from agent.errors import SpecError
from agent.records import Record

TEMPLATES = Path(__file__).parent / "templates"


class PromptSet(Record):
    """Templates by name (``decide_system``), as people wrote them; ``$words`` are filled in."""

    name: str = "default"
    texts: dict[str, str]

    @property
    def hash(self) -> str:
        """Identifies the wording of all templates together; the name of the set plays no part."""
        body = "\0".join(f"{name}.txt\0{text}" for name, text in sorted(self.texts.items()))
        return hashlib.sha256(body.encode()).hexdigest()[:16]

    def fill(self, template: str, **values: str) -> str:
        """The template with its words filled in. SpecError names the template and the word that cannot be filled."""
        if template not in self.texts:
            raise SpecError(f"The prompt set {self.name!r} has no template {template!r}.", field="prompts")
        try:
            return Template(self.texts[template]).substitute(values)
        except (KeyError, ValueError) as error:
            raise SpecError(
                f"The template {template!r} of the prompt set {self.name!r} cannot be filled: {error}.", field="prompts"
            ) from None


def read_set(folder: Path, name: str) -> PromptSet:
    """The set in ``folder``: one ``.txt`` file per template."""
    return PromptSet(name=name, texts={path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.txt"))})


@lru_cache
def shipped() -> PromptSet:
    """The set that comes with Recollect."""
    return read_set(TEMPLATES, "default")
