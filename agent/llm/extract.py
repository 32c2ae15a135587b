"""The most telling sentences of a text, word for word and in their order: a summary without a language model.

Nothing is rephrased, so nothing can be invented. A sentence counts for how much it speaks of what the whole text speaks of (TF-IDF
centroid), for figures and for words of change; a sentence that repeats one already chosen counts for less (maximal marginal
relevance). Disclaimers, page numbers, tables of contents and headings are left out. The same text gives the same summary everywhere.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

LETTERS_PER_WORD = 10  # a summary of n words has at most 10 n characters: scripts without spaces would have no limit otherwise
CANDIDATES = 300  # only so many of the best sentences are compared with each other
CENTRAL = 0.7  # how much it counts that a sentence speaks of what the whole text speaks of
NOVELTY = 0.6  # how much a repetition costs against what it tells
FLOOR = 0.3  # a sentence that tells less than this share of the best one is not taken to fill the room that is left
TWIN = 0.9  # likeness from which a sentence tells nothing new
SHORT_WORDS, LONG_WORDS = 6, 45
STEM = 7  # letters of a word that count: "increased" and "increases" are one


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ABBREVIATIONS = _words(
    "inc corp co ltd llc plc no nos mr mrs ms dr st vs jan feb mar apr jun jul aug sep sept oct nov dec approx fig sec dept est jr sr prof "
    "v cf al vol art pp e.g i.e u.s u.k u.n e.u a.m p.m gen gov rep sen"
)
_MAY_END = _words("inc corp co ltd llc plc u.s u.k e.u a.m p.m jr sr")  # abbreviations that may stand at the end of a sentence
_OPENERS = _words("the in on we our this it a an as at for these that they its while although during however excluding net")
_UNFINISHED = _words("a an the of and or in to for by on at with from our its their that which as than is are was were be")
_STOP = _words(
    "a an the of and or in to for by on at with from our its their that which as than is are was were be been this these those it we us "
    "not no such other any all also can could may might will would should has have had do does did into under over more most certain "
    "including include includes such s"
)
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*\s(?=[\"'“‘(\[•]*[^\Wa-z_])|(?<=[a-z])[.!?](?=[A-Z][a-z])|[。！？]++")
_LAST_WORD = re.compile(r"([^\s(\[\"“‘']+)$")
_WORD = re.compile(r"[^\W_]+")
_FIGURE = re.compile(r"[$€£¥]\s?\d|\d\s?(?:%|percent\b)|\d\s(?:m|mn|bn|million|billion|trillion|basis points)\b")
_CHANGES = tuple(
    sorted(
        _words(
            "increas decreas rose risen rises fell fallen falls grew grow declin higher lower improv worsen weak strong record loss lost profit "
            "margin impair restructur writedown writeoff guidance outlook expect forecast backlog tariff sanction investigat litigat lawsuit "
            "settle recall delay shortage default breach terminat approv acqui divest merg dividend repurchas layoff strike cut raise raising "
            "beat miss downgrad upgrad surg plung jump drop warn halt suspend banned offset exceed below above"
        )
    )
)
_HEDGES = _words("could may might can")
_DANGLING = _words("this these those such it they however additionally moreover further furthermore also therefore thus many some")
_POINTERS = (
    *("see note", "see item", "see part", "see “", 'see "', "refer to", "discussed in", "described in", "set forth in", "contained in"),
    *("can be found", "following table", "following discussion", "following chart", "as follows", "discussed below", "described below"),
)
_BOILERPLATE = (
    *("forward-looking", "forward looking statement", "private securities litigation", "read in conjunction", "by reference into"),
    *("incorporated herein", "incorporated by reference", "table of contents", "no obligation to", "undertakes no", "undertake no"),
    *("inactive textual", "safe harbor", "not guarantees of", "not a guarantee of", "most read from", "most read on", "click here"),
    *(
        "subscribe to",
        "subscribe now",
        "sign up for",
        "story continues",
        "all rights reserved",
        "cookie policy",
        "fiscal year is the 5",
        "unless otherwise",
    ),
    *("investor relations website", "www.", "http://", "https://"),
)
_PAGE = re.compile(r"(?:page\s)?[-–—|\s]*(?:\d{1,4}|[ivxlc]{1,6})[-–—|\s]*|[^|]{0,60}\|[^|]{0,40}\|\s?\d{1,4}", re.IGNORECASE)
_CONTENTS = re.compile(r"[^.]*(?:\.\s?){4,}\s?\d{0,4}|(?:part\s[iv]+[,.]?\s?)?item\s\d{1,2}[a-c]?\b.{0,90}?\s\d{1,4}", re.IGNORECASE)
_NOTE = re.compile(r"\((?:\d{1,2}|[a-z])\)|\*")  # how a footnote begins
_BULLETS = "•-–*·▪●○"
_KEY_ROWS = (  # how the rows of a table begin that say most
    *("total ", "net sales", "net income", "net loss", "net revenue", "net earnings", "net interest income", "revenue"),
    *("sales ", "operating ", "gross margin", "gross profit", "diluted ", "free cash flow", "comparable "),
)
_DROPPED, _WEAK = -1.0, 0.05


class _Unit(NamedTuple):
    """A sentence, or a line that is none (heading, row of a table, bullet). ``opens``: the first of its paragraph."""

    text: str
    words: int
    opens: bool


def extract(text: str, words: int, *, about: str = "") -> str:
    """At most ``words`` words of ``text``: whole sentences in their order, " … " where something was left out between them.

    ``about``: words that matter more than others, such as the company's name. A text that is short enough comes back whole.
    """
    whole = " ".join(text.split())
    if words < 1 or not whole:
        return ""
    if _fits(whole, words):
        return whole
    units = list(_units(text))
    scores, vectors = _weigh(units, about)
    chosen = _choose(units, scores, vectors, words)
    if not chosen:  # nothing but sentences that are too long: the beginning of the best
        return _cut(units[max(range(len(units)), key=lambda i: (scores[i], -i))].text, words)
    return _joined(units, chosen)


def sentences(text: str) -> list[str]:
    """The sentences of ``text``, in order; headings, bullets and rows of tables stand for themselves. White space is tidied."""
    return [unit.text for unit in _units(text)]


def _fits(text: str, words: int) -> bool:
    return len(text) <= words * LETTERS_PER_WORD and text.count(" ") < words


def _cut(text: str, words: int) -> str:
    """The beginning of a sentence that is too long, marked; of one word without the room for a mark, the beginning of that word."""
    parts = text.split()
    kept = " ".join(parts[: max(1, words - 1)])[: words * LETTERS_PER_WORD - 2].rstrip()
    return f"{kept} …" if words > 1 else kept


# --------------------------------------------------------------------------------------------------------------- taking apart


def _units(text: str) -> Iterator[_Unit]:
    for paragraph in _paragraphs(text):
        for number, sentence in enumerate(_split(paragraph)):
            yield _Unit(sentence, sentence.count(" ") + 1, number == 0)


def _paragraphs(text: str) -> Iterator[str]:
    """Lines with tidy white space; one that clearly goes on in the next (wrapped text) is joined to it."""
    held: list[str] = []
    for raw in text.splitlines():
        line = " ".join(raw.split())
        if held and not (line and _goes_on(held[-1], line)):
            yield " ".join(held)
            held = []
        if line:
            held.append(line)
    if held:
        yield " ".join(held)


def _goes_on(before: str, after: str) -> bool:
    if not (before[-1].isalpha() or before[-1] == ",") or after[0] in _BULLETS or len(before) < 30:
        return False
    return after[0].islower() or before[-1] == "," or before.rsplit(" ", 1)[-1].casefold() in _UNFINISHED


def _split(paragraph: str) -> Iterator[str]:
    start = 0
    for match in _END.finditer(paragraph):
        if _is_end(paragraph, start, match):
            if sentence := paragraph[start : match.end()].strip():
                yield sentence
            start = match.end()
    if rest := paragraph[start:].strip():
        yield rest


def _is_end(paragraph: str, start: int, match: re.Match[str]) -> bool:
    """Whether the full stop ends a sentence: not after an abbreviation, an initial, or the number of a list's item."""
    if not match[0].startswith("."):
        return True
    found = _LAST_WORD.search(paragraph[max(start, match.start() - 24) : match.start()])
    last = found[1].casefold() if found else ""
    if last in _ABBREVIATIONS:
        following = _WORD.match(paragraph, match.end())
        return last in _MAY_END and following is not None and following[0].casefold() in _OPENERS
    if len(last) == 1 and last.isalpha():
        return False
    return not (last.isdigit() and len(last) < 4 and match.start() - start <= len(last))


# ------------------------------------------------------------------------------------------------------------------- weighing


def _weigh(units: Sequence[_Unit], about: str) -> tuple[list[float], list[dict[str, float]]]:
    """A score for every unit (0 and more; ``_DROPPED`` for what no summary needs) and its words as a unit vector."""
    said = [_said(unit.text) for unit in units]
    counts = [Counter(_terms(words)) for words in said]
    seen = Counter(term for count in counts for term in count)
    rarity = {term: math.log(1 + len(units) / n) for term, n in seen.items()}
    vectors = [_unit_vector({term: (1 + math.log(n)) * rarity[term] for term, n in count.items()}) for count in counts]
    kinds = [_kind(unit, words) for unit, words in zip(units, said)]
    centre: dict[str, float] = {}
    for vector, kind in zip(vectors, kinds):
        for term, value in vector.items() if kind > _WEAK else ():
            centre[term] = centre.get(term, 0.0) + value
    near = [_dot(vector, centre) for vector in vectors]
    most = max(near, default=0.0) or 1.0
    wanted = frozenset(_terms(_said(about)))
    scores = [
        kind
        if kind <= _WEAK
        else kind * (CENTRAL * near[i] / most + _bonus(unit, said[i], place=i / len(units), wanted=not wanted.isdisjoint(vectors[i])))
        for i, (unit, kind) in enumerate(zip(units, kinds))
    ]
    return scores, vectors


def _terms(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if word not in _STOP and not word.isdigit():
            yield word[:STEM]


def _said(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _kind(unit: _Unit, said: Sequence[str]) -> float:
    """What the form of a unit is worth: 1 a sentence, less a row of a table, next to nothing a heading, dropped a disclaimer."""
    text, lower = unit.text, unit.text.casefold()
    if len(text) < 250 and (_PAGE.fullmatch(text) or _CONTENTS.fullmatch(text)):
        return _DROPPED
    if not any(map(str.isalpha, said)) or any(phrase in lower for phrase in _BOILERPLATE):
        return _DROPPED
    if text[-1] in ":：":
        return _WEAK
    changes = any(word.startswith(_CHANGES) for word in said)
    if unit.words <= 30 and _is_row(text):
        return 0.85 if lower.startswith(_KEY_ROWS) and sum(map(str.isalpha, said)) > 1 else _WEAK
    if unit.words < SHORT_WORDS and text[-1] not in "。！？":
        return 0.5 if changes and text[-1] in ".!?" else _WEAK
    if _NOTE.match(text):
        return 0.4
    if text.rstrip("\"'”’)]")[-1:] not in ".!?…。！？":  # a heading, a bullet in the middle of a sentence
        return 0.5 if changes else _WEAK if unit.words < 15 else 0.6
    return 1.0


def _is_row(text: str) -> bool:
    """Whether a line ends in two figures: a row of a table."""
    cells = [word for word in text.split()[-8:] if word not in ("$", "%", "€", "£", ")", "—", "–", "-")]
    return len(cells) > 1 and all(any(map(str.isdigit, cell)) and not any(map(str.isalpha, cell)) for cell in cells[-2:])


def _bonus(unit: _Unit, said: Sequence[str], *, place: float, wanted: bool) -> float:
    """What speaks for a sentence besides its words: figures, change, the subject, its place; less for pointers and what may be."""
    lower = unit.text.casefold()
    value = 0.3 * bool(_FIGURE.search(lower)) + 0.2 * any(word.startswith(_CHANGES) for word in said)
    value += 0.1 * unit.opens + 0.1 * (1 - place) + 0.2 * wanted
    value -= 0.35 * any(phrase in lower for phrase in _POINTERS) + 0.1 * (not _HEDGES.isdisjoint(said)) + 0.1 * (said[0] in _DANGLING)
    value -= 0.2 * (unit.words > LONG_WORDS) + 0.3 * (unit.words > 2 * LONG_WORDS)
    return value


def _unit_vector(values: dict[str, float]) -> dict[str, float]:
    length = math.sqrt(math.fsum(v * v for v in values.values()))
    return {t: v / length for t, v in values.items()} if length else {}


def _dot(a: dict[str, float], b: dict[str, float]) -> float:
    return math.fsum(v * b[t] for t, v in a.items() if t in b)


# ------------------------------------------------------------------------------------------------------------------- choosing


def _choose(units: Sequence[_Unit], scores: Sequence[float], vectors: Sequence[dict[str, float]], words: int) -> list[int]:
    """Places of the chosen units, in order. Headings and the like only where there is nothing else."""
    places = [i for i, score in enumerate(scores) if score > _WEAK] or [i for i, score in enumerate(scores) if score > _DROPPED]
    left = sorted(places or range(len(units)), key=lambda i: (-scores[i], i))[:CANDIDATES]
    left = [i for i in left if scores[i] >= FLOOR * scores[left[0]]]
    repeats = dict.fromkeys(left, 0.0)
    forms = {i: frozenset(vectors[i]) for i in left}  # all words alike: sentences of one mould repeat each other, whatever fills it
    chosen: list[int] = []
    while left:
        best = max(left, key=lambda i: (scores[i] - NOVELTY * repeats[i], -i))
        left.remove(best)
        if not _fits(_joined(units, sorted([*chosen, best])), words):
            continue
        chosen.append(best)
        for i in left:
            repeats[i] = max(repeats[i], _shared(forms[i], forms[best]))
        left = [i for i in left if repeats[i] < TWIN or _dot(vectors[i], vectors[best]) < TWIN]
    return sorted(chosen)


def _shared(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / math.sqrt(len(one) * len(other)) if one and other else 0.0


def _joined(units: Sequence[_Unit], places: Sequence[int]) -> str:
    parts = [units[places[0]].text]
    for before, place in pairwise(places):
        parts += [units[place].text] if place == before + 1 else ["…", units[place].text]
    return " ".join(parts)
