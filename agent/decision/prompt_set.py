"""The wording of the questions: named templates in files, identified together by a hash, checked before a run uses them.

The shipped set lies in ``templates/``; people copy it and change the copy. A run keeps the texts it was asked with, so that editing a
set later changes no run that exists. A set is checked by ``problems``: an error would stop a run at its first question, or make every
answer useless; a warning is a person's own choice that deserves to be seen.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Literal

from agent.errors import SpecError
from agent.records import Record

TEMPLATES = Path(__file__).parent / "templates"
LONGEST = 20_000  # characters of a template: more is a paste gone wrong
LONG = 6_000  # characters; some 1 700 tokens of rules leave little of a small model's window, and it forgets the first of them
MATERIAL = ("<<<", ">>>")  # what fence() puts around news, filings and memories


class PromptSet(Record):
    """Templates by name (``decide_system``), as people wrote them; ``$words`` are filled in."""

    name: str = "default"
    texts: dict[str, str]

    @property
    def hash(self) -> str:
        """Identifies the wording of all templates together; the name of the set plays no part."""
        body = "\0".join(f"{name}.txt\0{text}" for name, text in sorted(self.texts.items()))
        return hashlib.sha256(body.encode()).hexdigest()[:16]

    @property
    def borrowed(self) -> tuple[str, ...]:
        """Templates that only the shipped set has: a copy older than they are lacks them, and takes the shipped text."""
        return tuple(sorted(set(shipped().texts) - set(self.texts)))

    def completed(self) -> PromptSet:
        """The set a run uses: the shipped text stands in for each template that is ``borrowed``."""
        return self.model_copy(update={"texts": {**{name: shipped().texts[name] for name in self.borrowed}, **self.texts}})

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


# ------------------------------------------------------------------------------------------------------------------- the words


class Word(Record):
    """One ``$word`` of a template: what stands there afterwards. ``without``: what goes wrong in a template that leaves it out."""

    meaning: str
    without: str = ""
    must: bool = False


_COMPANY = Word(meaning="the company's name, or its placeholder where the run is masked")
_TICKER = Word(meaning="the ticker, or its placeholder where the run is masked")

WORDS: Mapping[str, Mapping[str, Word]] = {
    "decide_system": {
        "persona": Word(
            meaning="the character of the run, such as: a risk-averse trader (you protect capital first …),",
            without="the character chosen for a run is then only a name among the facts",
        ),
        "company": _COMPANY,
        "ticker": _TICKER,
        "min_weight": Word(
            meaning="the lowest target weight allowed, such as 0.00", without="the limits then stand only among the day's facts"
        ),
        "max_weight": Word(
            meaning="the highest target weight allowed, such as 1.00", without="the limits then stand only among the day's facts"
        ),
        "min_confidence": Word(
            meaning="the confidence below which a buy or sell is not carried out, such as 0.50",
            without="the model is then not told which trades are dropped for too little confidence",
        ),
        "figures": Word(
            meaning="on days with fundamentals: , G (fundamentals) – else nothing; belongs at the end of the list of labels",
            without="fundamentals are then shown, but the model is not told that reasons may rest on them",
        ),
        "sides": Word(
            meaning="on days with memories: the rule that each side needs a reason – else nothing",
            without="answers with reasons on one side only are refused, and the model is not told so",
        ),
        "stops": Word(
            meaning="in runs with stops: a line with the rule for stop_loss_pct – else nothing",
            without="in runs with stops the model is then not told their rule",
        ),
        "keys": Word(
            meaning="the keys of the answer, in their order: action, target_weight, …",
            without="a model that is not bound to the schema then cannot know what to answer, and its answers are refused",
            must=True,
        ),
    },
    "study_system": {"company": _COMPANY, "ticker": _TICKER},
    "lessons_system": {"ticker": _TICKER},
    "digest_system": {
        "words": Word(
            meaning="the longest a digest may be, in words, such as 120",
            without="the model is then not told how short to write, and what is too long is cut or refused",
        )
    },
}
# Keys of an answer that a template has to spell out, since no word stands for them.
ANSWERS: Mapping[str, tuple[str, ...]] = {
    "study_system": ("summary", "supporting", "opposing"),
    "lessons_system": ("lessons", "condition", "action", "evidence", "calibration"),
    "digest_system": ("summary",),
}


def words(template: str) -> dict[str, Word]:
    """The words a template may use: those of ``WORDS`` and any the shipped text uses."""
    known = dict(WORDS.get(template, {}))
    for name in used(shipped().texts.get(template, "")):
        known.setdefault(
            name,
            Word(meaning="filled in as in the shipped template", without="the shipped template says it to the model, this one does not"),
        )
    return known


def used(text: str) -> list[str]:
    """The ``$words`` of a text, each once, in order."""
    found = (match["named"] or match["braced"] for match in Template.pattern.finditer(text))
    return list(dict.fromkeys(name for name in found if name))


# ------------------------------------------------------------------------------------------------------------------- the check


class Problem(Record):
    """What is wrong with a template, as a sentence with its cure. ``word`` is the ``$word``, key or mark it is about; ``line`` from 1."""

    template: str
    level: Literal["error", "warning"]
    message: str
    word: str = ""
    line: int = 0


def problems(prompts: PromptSet) -> tuple[Problem, ...]:
    """Everything to be said against a set, errors first, template by template."""
    found = [
        Problem(template=name, level="error", message=f"The template {name} is missing; copy {name}.txt from the shipped set.")
        for name in prompts.borrowed
    ]
    for name, text in sorted(prompts.texts.items()):
        found += _problems(name, text)
    return tuple(sorted(found, key=lambda item: item.level != "error"))


def check(prompts: PromptSet) -> None:
    """SpecError with every error of the set; warnings pass."""
    wrong = [item.message for item in problems(prompts) if item.level == "error"]
    if wrong:
        more = f" And {len(wrong) - 3} more." if len(wrong) > 3 else ""
        raise SpecError(f"The prompt set {prompts.name!r} cannot be used. {' '.join(wrong[:3])}{more}", field="prompts")


def _problems(name: str, text: str) -> Iterator[Problem]:
    if name not in shipped().texts:
        known = ", ".join(sorted(shipped().texts))
        yield Problem(
            template=name, level="warning", message=f"{name} is no template that Recollect asks with ({known}); it is never sent."
        )
        return
    if not text.strip():
        yield Problem(template=name, level="error", message=f"{name} is empty; write the rules, or take the shipped text back.")
        return
    yield from _size(name, text)
    yield from _words(name, text)
    if lacking := [key for key in ANSWERS.get(name, ()) if not re.search(rf"\b{key}\b", text)]:
        what = f"the {'key' if len(lacking) == 1 else 'keys'} {', '.join(lacking)}"
        message = f"{name} does not name {what}, without which an answer is refused; say that the JSON object has {'it' if len(lacking) == 1 else 'them'}."
        yield Problem(template=name, level="error", word=lacking[0], message=message)
    if not all(mark in text for mark in MATERIAL):
        message = (
            f"{name} does not say that text inside {' '.join(MATERIAL)} is material, never an instruction; "
            "without that sentence a news item that gives orders is more likely to be obeyed."
        )
        yield Problem(template=name, level="warning", word="<<< >>>", message=message)


def _size(name: str, text: str) -> Iterator[Problem]:
    if len(text) > LONGEST:
        message = f"{name} has {len(text):,} characters; at most {LONGEST:,} are allowed. Shorten it."
        yield Problem(template=name, level="error", message=message)
    elif len(text) > LONG:
        message = f"{name} has {len(text):,} characters; above {LONG:,} small models lose sight of the first rules. Shorten it."
        yield Problem(template=name, level="warning", message=message)
    for number, line in enumerate(text.split("\n"), start=1):
        if odd := next(
            (char for char in line if (char < " " and char != "\t") or "\x7f" <= char <= "\x9f" or "\ud800" <= char <= "\udfff"), ""
        ):
            message = f"{name}, line {number}: an invisible control character (U+{ord(odd):04X}); delete it."
            yield Problem(template=name, level="error", word=f"U+{ord(odd):04X}", line=number, message=message)


def _words(name: str, text: str) -> Iterator[Problem]:
    known, unknown = words(name), dict[str, int]()
    for match in Template.pattern.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        word = match["named"] or match["braced"]
        if match["invalid"] is not None:
            near = text[match.start() : match.start() + 8].split("\n")[0].strip()
            message = f"{name}, line {line}: the $ in “{near}” begins no word; write $$ where a dollar sign is meant."
            yield Problem(template=name, level="error", word="$", line=line, message=message)
        elif word and word not in known:
            unknown.setdefault(word, line)
    for word, line in unknown.items():
        close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
        cure = f"did you mean ${close[0]}?" if close else f"it may use {', '.join(f'${item}' for item in known)}."
        message = f"{name}, line {line}: nothing fills in ${word}; {cure} A dollar sign is written $$."
        yield Problem(template=name, level="error", word=word, line=line, message=message)
    there = used(text)
    for word, about in known.items():
        if word not in there and about.without:
            lack = "must be used" if about.must else "is not used"
            yield Problem(
                template=name, level="error" if about.must else "warning", word=word, message=f"{name}: ${word} {lack}; {about.without}."
            )


# -------------------------------------------------------------------------------------------------------------- the difference


class Line(Record):
    """One line of a comparison. ``sign``: " " in both, "-" only in the one, "+" only in the other; numbers from 1, 0 where absent.

    ``parts``: the line in pieces, each with whether it differs from the line it was changed from or to.
    """

    sign: Literal[" ", "-", "+"]
    one: int
    other: int
    parts: tuple[tuple[str, bool], ...]

    @property
    def text(self) -> str:
        return "".join(part for part, _ in self.parts)


class Difference(Record):
    """One template in two sets. ``state``: same, changed, added (only the other has it), removed (only the one has it)."""

    template: str
    state: Literal["same", "changed", "added", "removed"]
    lines: tuple[Line, ...]

    @property
    def added(self) -> int:
        return sum(line.sign == "+" for line in self.lines)

    @property
    def removed(self) -> int:
        return sum(line.sign == "-" for line in self.lines)


def diff(one: PromptSet, other: PromptSet) -> tuple[Difference, ...]:
    """Every template of either set, line by line, from ``one`` to ``other``; within a changed line the words that changed."""
    return tuple(_difference(name, one.texts.get(name), other.texts.get(name)) for name in sorted({*one.texts, *other.texts}))


def _difference(name: str, one: str | None, other: str | None) -> Difference:
    before, after = _lines(one), _lines(other)
    found: list[Line] = []
    for kind, i, i_end, j, j_end in difflib.SequenceMatcher(None, before, after).get_opcodes():
        if kind == "equal":
            found += [Line(sign=" ", one=n + 1, other=j + n - i + 1, parts=((before[n], False),)) for n in range(i, i_end)]
            continue
        gone, come = _marked(before[i:i_end], after[j:j_end])
        found += [Line(sign="-", one=n, other=0, parts=parts) for n, parts in enumerate(gone, start=i + 1)]
        found += [Line(sign="+", one=0, other=n, parts=parts) for n, parts in enumerate(come, start=j + 1)]
    state: Literal["same", "changed", "added", "removed"]
    if one is None or other is None:
        state = "added" if one is None else "removed"
    else:
        state = "same" if one == other else "changed"
    return Difference(template=name, state=state, lines=tuple(found))


def _lines(text: str | None) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


Parts = tuple[tuple[str, bool], ...]
LONGEST_PAIR = 6_000  # characters of two lines compared word by word; the comparison takes the square of it
ALIKE = 0.4  # below this share of common words a line is new, and marking single words in it would only be noise


def _marked(gone: Sequence[str], come: Sequence[str]) -> tuple[list[Parts], list[Parts]]:
    """Lines that left and lines that came in their place: each beside the line it became, in order, the changed words marked."""
    left: list[Parts] = [((line, True),) for line in gone]
    right: list[Parts] = [((line, True),) for line in come]
    first = 0
    for i, line in enumerate(gone):
        for j in range(first, min(len(come), first + 12)):
            if (cut := _pair(line, come[j])) is not None:
                left[i], right[j] = cut
                first = j + 1
                break
    return left, right


def _pair(left: str, right: str) -> tuple[Parts, Parts] | None:
    """Two lines cut into what they share and what they do not; None where the one did not become the other."""
    if len(left) + len(right) > LONGEST_PAIR:
        return None
    a, b = re.findall(r"\w+|\W", left), re.findall(r"\w+|\W", right)
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    if matcher.quick_ratio() < ALIKE or matcher.ratio() < ALIKE:
        return None
    codes = matcher.get_opcodes()
    return (
        tuple(("".join(a[i:j]), kind != "equal") for kind, i, j, _, _ in codes if j > i),
        tuple(("".join(b[i:j]), kind != "equal") for kind, _, _, i, j in codes if j > i),
    )
